//! `pumice auth`: which credentials are used, and where calls go.

use std::fmt::Write as _;

use pumice::context::Context;
use pumice::credentials::{Attempt, AttemptOutcome, Credentials, Resolved, Search};
use pumice::date::rfc3339;
use pumice::endpoint::Endpoint;
use pumice::region::{Region, RegionSource};
use pumice::{Client, Identity};
use serde_json::{Value, json};

use crate::args::Args;
use crate::failure::Failure;
use crate::hint;
use crate::output::{Output, Report, one_line};
use crate::session;

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let mut config = session::config(args, report)?.watch(report.watcher());
    if args.has("offline") {
        config = config.offline();
    }
    let client = Client::new(config);
    // Files that cannot be read are reported by the search.
    if let Ok(profiles) = Context::real().profiles() {
        profiles.warnings().iter().for_each(|warning| report.warning(warning));
    }
    let mut output = Output::new();
    let (search, target) = match output.wait_for(client.identify()).await? {
        Ok(Identity { search, region, runtime, control, .. }) => {
            (search, Ok(Target { region, runtime, control }))
        }
        // An invalid region or endpoint does not hide the credentials.
        Err(error) => (output.wait_for(client.search_credentials()).await?, Err(error)),
    };
    if let Some(doubt) = search.result.as_ref().ok().and_then(Resolved::doubt) {
        report.warning(hint::text(&doubt));
    }
    if let Ok(found) = &search.result {
        for remark in remarks(&found.credentials) {
            report.warning(remark);
        }
    }
    if args.has("json") {
        output.json_line(&in_json(&search, target.as_ref().ok()).to_string());
    } else {
        output.text(&in_text(&search, target.as_ref().ok()));
    }
    output.flush()?;
    match (search, target) {
        (_, Err(error)) => Err(error.into()),
        // --offline only asks which credentials they would be.
        (Search { deferred: Some(_), .. } | Search { result: Ok(_), .. }, _) => Ok(()),
        (Search { result: Err(error), .. }, _) => {
            let mut failure = Failure::from(error);
            // The sources follow, which have been printed.
            if !args.has("json") {
                failure.message.truncate(failure.message.find('\n').unwrap_or(usize::MAX));
            }
            Err(failure)
        }
    }
}

/// Why the service will not accept credentials, as far as that can be seen.
pub(crate) fn remarks(credentials: &Credentials) -> Vec<&'static str> {
    let (id, secrets) = match credentials {
        Credentials::Bearer(token) => ("", vec![token.token()]),
        Credentials::Keys(keys) => {
            (keys.access_key_id(), vec![keys.secret_access_key(), keys.session_token().unwrap_or_default()])
        }
        _ => return Vec::new(),
    };
    let is_quoted = |text: &str| text.starts_with(QUOTES) || text.ends_with(QUOTES);
    let bare = id.trim_matches(QUOTES);
    let begins = |text: &str, with: &[&str]| with.iter().any(|with| text.starts_with(with));
    let has_session = secrets.get(1).is_some_and(|token| !token.is_empty());
    let found = [
        (is_quoted(id), "the access key id is in quotes, which count as a part of it: remove them"),
        (
            secrets.iter().any(|secret| is_quoted(secret)),
            "a secret or a token is in quotes, which count as a part of it: remove them",
        ),
        (
            begins(bare, &API_KEYS),
            "the access key id is a Bedrock API key, which belongs in AWS_BEARER_TOKEN_BEDROCK",
        ),
        (
            id.is_empty() && secrets.iter().any(|token| begins(token, &["AKIA", "ASIA"])),
            "the API key is an access key id, which belongs in AWS_ACCESS_KEY_ID",
        ),
        (
            begins(bare, &["ASIA"]) && !has_session,
            "the access key id is of temporary keys, and there is no session token (AWS_SESSION_TOKEN, in a profile \
             aws_session_token)",
        ),
        (
            begins(bare, &["AKIA"]) && has_session,
            "the access key id is of permanent keys, which have no session token: remove AWS_SESSION_TOKEN, in a profile \
             aws_session_token",
        ),
    ];
    found.into_iter().filter_map(|(applies, remark)| applies.then_some(remark)).collect()
}

/// The access key id, unless an API key is in its place, which is a secret.
pub(crate) fn access_key_id(credentials: &Credentials) -> Option<&str> {
    credentials.access_key_id().filter(|id| !API_KEYS.iter().any(|begin| id.contains(begin)))
}

/// Where calls go.
struct Target {
    region: Region,
    runtime: Endpoint,
    control: Endpoint,
}

fn in_json(search: &Search, target: Option<&Target>) -> Value {
    let credentials = search.result.as_ref().ok().map(|found| &found.credentials);
    let from = credentials_from(search);
    json!({
        "source": from.map(|(source, _)| source),
        "link": from.map(|(_, link)| link),
        // No service gives bearer tokens: credentials that were not asked for are keys.
        "kind": credentials.map(kind).or(from.map(|_| SIGV4)),
        "accessKeyId": credentials.and_then(access_key_id),
        "expires": credentials.and_then(Credentials::expires).and_then(rfc3339),
        "region": target.map(|target| target.region.name()),
        "regionSource": target.map(region_source),
        "endpoint": target.map(|target| target.runtime.shown_url()),
        "controlEndpoint": target.map(|target| target.control.shown_url()),
        "tried": search.attempts.iter().map(attempt_in_json).collect::<Vec<_>>(),
    })
}

fn attempt_in_json(attempt: &Attempt) -> Value {
    json!({ "source": attempt.source, "outcome": outcome(attempt), "reason": attempt.reason })
}

fn in_text(search: &Search, target: Option<&Target>) -> String {
    let mut lines = Vec::new();
    if let Some((source, link)) = credentials_from(search) {
        let found = search.result.as_ref().ok();
        let kind = found.map_or(SIGV4, |found| kind(&found.credentials));
        lines.push(("credentials", format!("{link} ({kind})")));
        lines.push(("source", source.to_owned()));
    }
    if let Ok(found) = &search.result {
        if let Some(id) = access_key_id(&found.credentials) {
            lines.push(("access key id", id.to_owned()));
        }
        let expires = found.credentials.expires().and_then(rfc3339);
        lines.push(("expires", expires.unwrap_or_else(|| "unknown".into())));
    }
    if let Some(target) = target {
        lines.push(("region", format!("{} ({})", target.region.name(), region_source(target))));
        lines.push(("endpoint", target.runtime.shown_url().to_owned()));
        lines.push(("control endpoint", target.control.shown_url().to_owned()));
    }
    let lines = lines.iter().map(|(name, value)| format!("{name:<17}{}\n", one_line(value)));
    let mut text = lines.collect::<Vec<_>>().concat();
    text.push_str("sources:\n");
    for attempt in &search.attempts {
        // Writing to a string cannot fail.
        let (source, reason) = (one_line(&attempt.source), one_line(&attempt.reason));
        let _ = writeln!(text, "  {:<8}{source}: {reason}", outcome(attempt));
    }
    text
}

/// The source and the link of the credentials, even if the source was not asked for them.
fn credentials_from(search: &Search) -> Option<(&'static str, &str)> {
    match search {
        Search { result: Ok(found), .. } => Some((found.source, &found.link)),
        Search { deferred, .. } => deferred.as_ref().map(|deferred| (deferred.source, &*deferred.link)),
    }
}

fn kind(credentials: &Credentials) -> &'static str {
    match credentials {
        Credentials::Bearer(_) => "bearer",
        _ => SIGV4,
    }
}

fn outcome(attempt: &Attempt) -> &'static str {
    match attempt.outcome {
        AttemptOutcome::Used => "used",
        AttemptOutcome::Failed => "failed",
        _ => "skipped",
    }
}

fn region_source(target: &Target) -> String {
    match target.region.source() {
        RegionSource::Given => "--region".into(),
        source => source.to_string(),
    }
}

/// How a Bedrock API key begins.
const API_KEYS: [&str; 2] = ["ABSK", "bedrock-api-key-"];
const QUOTES: [char; 2] = ['"', '\''];
const SIGV4: &str = "sigv4";
