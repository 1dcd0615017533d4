//! `pumice auth`: which credentials will be used, and where calls go.

use std::fmt::Write as _;
use std::time::SystemTime;

use pumice::credentials::{Credentials, Tried, TriedOutcome};
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
    // None of the sources asks the network, with `--offline` or without.
    let identity = Client::new(session::config(args)?.watch(report.watcher())).identify().await?;
    let mut output = Output::new();
    if args.has("json") {
        output.json_line(&in_json(&identity).to_string());
    } else {
        output.text(&in_text(&identity));
    }
    output.flush()?;
    identity.search.result.map(|_| ()).map_err(Failure::from)
}

fn in_json(identity: &Identity) -> Value {
    let found = identity.search.result.as_ref().ok();
    let credentials = found.map(|found| &found.credentials);
    json!({
        "source": found.map(|found| found.source),
        "link": found.map(|found| &found.link),
        "kind": credentials.map(kind),
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
    if let Ok(found) = &identity.search.result {
        lines.push(("credentials", format!("{} ({})", found.link, kind(&found.credentials))));
        lines.push(("source", found.source.to_owned()));
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

fn kind(credentials: &Credentials) -> &'static str {
    match credentials {
        Credentials::Bearer(_) => "bearer",
        _ => "sigv4",
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
