//! `pumice auth`: which credentials will be used, and where calls go.

use std::fmt::Write as _;
use std::time::SystemTime;

use pumice::credentials::{Credentials, Search, Tried, TriedOutcome};
use pumice::endpoint::RegionSource;
use pumice::{Client, Identity};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::args::Args;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::session;

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let mut config = session::config(args)?.watch(report.watcher());
    if args.has("offline") {
        config = config.offline();
    }
    let identity = Client::new(config).identify().await?;
    let mut output = Output::new();
    if args.has("json") {
        output.json_line(&in_json(&identity).to_string());
    } else {
        output.text(&in_text(&identity));
    }
    output.flush()?;
    match identity.search {
        // Which they would be is known, and more was not asked for.
        Search { unasked: Some(_), .. } => Ok(()),
        Search { result, .. } => result.map(|_| ()).map_err(Failure::from),
    }
}

fn in_json(identity: &Identity) -> Value {
    let credentials = identity.search.result.as_ref().ok().map(|found| &found.credentials);
    let from = from(identity);
    json!({
        "source": from.map(|(source, _)| source),
        "link": from.map(|(_, link)| link),
        // A bearer token is never one that a service is asked for.
        "kind": credentials.map(kind).or(from.map(|_| SIGV4)),
        "accessKeyId": credentials.and_then(Credentials::access_key_id),
        "expires": credentials.and_then(Credentials::expires).and_then(rfc3339),
        "region": identity.region.name(),
        "regionSource": region_source(identity),
        "endpoint": identity.runtime.url(),
        "controlEndpoint": identity.control.url(),
        "tried": identity.search.tried.iter().map(tried_in_json).collect::<Vec<_>>(),
    })
}

fn tried_in_json(tried: &Tried) -> Value {
    json!({ "source": tried.source, "outcome": outcome(tried), "reason": tried.reason })
}

fn in_text(identity: &Identity) -> String {
    let mut lines = Vec::new();
    if let Some((source, link)) = from(identity) {
        let found = identity.search.result.as_ref().ok();
        let kind = found.map_or(SIGV4, |found| kind(&found.credentials));
        lines.push(("credentials", format!("{link} ({kind})")));
        lines.push(("source", source.to_owned()));
    }
    if let Ok(found) = &identity.search.result {
        if let Some(id) = found.credentials.access_key_id() {
            lines.push(("access key id", id.to_owned()));
        }
        let expires = found.credentials.expires().and_then(rfc3339);
        lines.push(("expires", expires.unwrap_or_else(|| "not known".into())));
    }
    lines.push(("region", format!("{} ({})", identity.region.name(), region_source(identity))));
    lines.push(("endpoint", identity.runtime.url().to_owned()));
    lines.push(("control endpoint", identity.control.url().to_owned()));
    let mut text =
        lines.iter().map(|(name, value)| format!("{name:<17}{value}\n")).collect::<Vec<_>>().concat();
    text.push_str("looked at:\n");
    for tried in &identity.search.tried {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {:<8}{}: {}", outcome(tried), tried.source, tried.reason);
    }
    text
}

/// The source and the link of the credentials, even if these may not be asked for.
fn from(identity: &Identity) -> Option<(&'static str, &str)> {
    match &identity.search {
        Search { result: Ok(found), .. } => Some((found.source, &found.link)),
        Search { unasked, .. } => unasked.as_ref().map(|unasked| (unasked.source, &*unasked.link)),
    }
}

fn kind(credentials: &Credentials) -> &'static str {
    match credentials {
        Credentials::Bearer(_) => "bearer",
        _ => SIGV4,
    }
}

fn outcome(tried: &Tried) -> &'static str {
    match tried.outcome {
        TriedOutcome::Used => "used",
        TriedOutcome::Failed => "failed",
        _ => "skipped",
    }
}

fn region_source(identity: &Identity) -> String {
    match identity.region.source() {
        RegionSource::Given => "--region".into(),
        source => source.to_string(),
    }
}

fn rfc3339(time: SystemTime) -> Option<String> {
    OffsetDateTime::from(time).format(&Rfc3339).ok()
}

const SIGV4: &str = "sigv4";
