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
    if let Ok(found) = &search.result {
        for remark in remarks(found) {
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
pub(crate) fn remarks(found: &Resolved) -> Vec<String> {
    let misplaced = match &found.credentials {
        Credentials::Bearer(token) if ["AKIA", "ASIA"].iter().any(|id| token.token().starts_with(id)) => {
            Some("the API key is an access key id, which belongs in AWS_ACCESS_KEY_ID")
        }
        credentials if credentials.access_key_id().is_some() && access_key_id(credentials).is_none() => {
            Some("the access key id is a Bedrock API key, which belongs in AWS_BEARER_TOKEN_BEDROCK")
        }
        _ => None,
    };
    let doubt = found.doubt().map(|doubt| hint::text(&doubt));
    doubt.into_iter().chain(misplaced.map(str::to_owned)).collect()
}

/// What `AWS_BEARER_TOKEN_BEDROCK` comes before, if that is used: it may have been forgotten in the environment.
fn hidden(search: &Search) -> Vec<String> {
    let is_used = search.result.as_ref().is_ok_and(|found| found.source.ends_with(BEARER_VARIABLE));
    let context = Context::real();
    let name = context.profile_name(None);
    let profiles = context.profiles().ok();
    let profile =
        profiles.filter(|profiles| profiles.profile(&name).is_some()).map(|_| format!("profile {name}"));
    let is_set = |variable: &&str| is_used && context.env(variable).is_some();
    let variables =
        HIDDEN.iter().filter(|(variable, _)| is_set(variable)).map(|(_, source)| (*source).to_owned());
    variables.chain(profile.filter(|_| is_used)).collect()
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
    let attempt = |source: &str, outcome: &str, reason: &str| json!({ "source": source, "outcome": outcome, "reason": reason });
    let tried = search.attempts.iter().map(|tried| attempt(&tried.source, outcome(tried), &tried.reason));
    let hidden = hidden(search);
    let tried = tried.chain(hidden.iter().map(|source| attempt(source, SKIPPED, NOT_ASKED)));
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
        "tried": tried.collect::<Vec<_>>(),
    })
}

fn in_text(search: &Search, target: Option<&Target>) -> String {
    let mut lines = Vec::new();
    if let Some((source, link)) = credentials_from(search) {
        let found = search.result.as_ref().ok();
        let kind = found.map_or(SIGV4, |found| kind(&found.credentials));
        lines.push(("credentials", format!("{link} ({kind})")));
        // Said already, for an environment variable.
        if !source.ends_with(link) {
            lines.push(("source", source.to_owned()));
        }
    }
    if let Ok(found) = &search.result {
        if let Some(id) = access_key_id(&found.credentials) {
            lines.push(("access key id", id.to_owned()));
        }
        let expires = found.credentials.expires().and_then(rfc3339);
        let is_static =
            matches!(&found.credentials, Credentials::Keys(keys) if keys.session_token().is_none());
        let unknown = if is_static { "never (static keys)" } else { "unknown" };
        lines.push(("expires", expires.unwrap_or_else(|| unknown.to_owned())));
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
        let (source, reason) = (one_line(&attempt.source), one_line(&attempt.reason));
        let named = if reason.starts_with(&*source) { String::new() } else { format!("{source}: ") };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {:<8}{named}{reason}", outcome(attempt));
    }
    for source in hidden(search) {
        let _ = writeln!(text, "  {SKIPPED:<8}{}: {NOT_ASKED}", one_line(&source));
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
        _ => SKIPPED,
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
const BEARER_VARIABLE: &str = "AWS_BEARER_TOKEN_BEDROCK";
/// Variables that configure other sources, and their names.
const HIDDEN: [(&str, &str); 4] = [
    ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY"),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "container"),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "container"),
];
const SKIPPED: &str = "skipped";
const NOT_ASKED: &str = "not asked: AWS_BEARER_TOKEN_BEDROCK comes before it";
const SIGV4: &str = "sigv4";
