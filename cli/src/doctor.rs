//! `pumice doctor`: everything that a call needs, step by step.
//!
//! Each step is one [`Check`]. Steps that need what an earlier one did not find are left out. Each has an end: the
//! library's own limits, or those below.

mod model;

use std::time::{Duration, SystemTime};

use pumice::context::Context;
use pumice::credentials::{Credentials, Search};
use pumice::date::rfc3339;
use pumice::endpoint::EndpointSource;
use pumice::foundation_model::ListFoundationModelsRequest;
use pumice::inference_profile::ListInferenceProfilesRequest;
use pumice::models::Inventory;
use pumice::region::RegionSource;
use pumice::retry::Retry;
use pumice::settings::Settings;
use pumice::sign::scope_of_api_key;
use pumice::transport::HttpConfig;
use pumice::{Client, Config, Error, ErrorKind, Hint, Reached};
use serde_json::{Value, json};

use crate::args::Args;
use crate::auth::{access_key_id, remarks};
use crate::failure::{Exit, Failure};
use crate::output::{Output, Report, one_line};
use crate::session::{base, with_flags};

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    // size: all checks together are waited for, since `wait_for` is compiled for each type of work.
    Output::new().wait_for(Box::pin(examine(args, report))).await?
}

async fn examine(args: &Args, report: &Report) -> Result<(), Failure> {
    let variable = Context::real().env("PUMICE_MODEL");
    let model = match args.rest.as_slice() {
        [] => variable.as_deref(),
        [model] => Some(model.to_str().ok_or_else(|| Failure::usage("expected a MODEL in UTF-8"))?),
        _ => return Err(Failure::usage("expected at most one MODEL").hint("run pumice doctor --help")),
    };
    if model.is_none() && args.has("probe") {
        return Err(Failure::usage("--probe: expected a MODEL to ask"));
    }
    let mut findings = Findings::new(args.has("json"));
    let settings = settings(args, &mut findings);
    let config = with_flags(base(), args, &settings)?;
    let mut config =
        config.watch(report.watcher()).connect_timeout(CONNECT).retry(Retry::standard().max_attempts(2));
    if !args.has("timeout") {
        config = config.first_byte_timeout(LONGEST_WAIT).idle_timeout(LONGEST_WAIT);
    }
    let client =
        Client::new(settings.under(config, model.and_then(|model| settings.model_id(model).ok()).as_deref()));
    aws_files(args.text("profile")?, &mut findings);
    // Where the service cannot be asked of the model.
    let unasked = |mut findings: Findings| {
        if let Some(model) = model {
            model::unasked(&settings, model, &mut findings);
        }
        findings.end()
    };

    let identity = match client.identify().await {
        Ok(identity) => {
            credentials(&client, &identity.search, Some(identity.runtime.region()), &mut findings).await;
            identity
        }
        // An invalid region or endpoint does not hide the credentials.
        Err(error) => {
            let search = client.search_credentials().await;
            credentials(&client, &search, None, &mut findings).await;
            findings.failed("region", &error);
            return unasked(findings);
        }
    };
    let region = identity.region.name();
    let source = match identity.region.source() {
        RegionSource::Given => "--region".to_owned(),
        source => source.to_string(),
    };
    let named = format!("{region} ({source}); the runtime is {}", identity.runtime.shown_url());
    let is_guessed = matches!(identity.region.source(), RegionSource::Default);
    let hint = is_guessed.then(|| "name the region with --region or in AWS_REGION".to_owned());
    findings.add("region", if is_guessed { Status::Warn } else { Status::Ok }, named, hint);

    let is_amazons = *identity.runtime.source() == EndpointSource::Rules;
    let url = identity.runtime.url();
    let proxied = proxy(&client, url, &mut findings);
    if !proxied && !name_lookup(url, &mut findings).await {
        return unasked(findings);
    }
    let reached = match client.reach(url).await {
        Ok(reached) => reached,
        Err(unreached) => {
            let name = match &unreached.issuer {
                Some(_) => "TLS",
                None => "connection",
            };
            let issued = unreached.issuer.map(|issuer| format!("; the certificate is issued by {issuer}"));
            let failure = Failure::from(&unreached.error);
            let said = format!("{}{}", failure.text_without_hint(), issued.unwrap_or_default());
            findings.fail(name, failure.exit, said, failure.hint);
            return unasked(findings);
        }
    };
    connection(&reached, is_amazons, region, &mut findings);

    if identity.search.result.is_err() {
        return unasked(findings);
    }
    let doubt = if args.has("probe") { Status::Warn } else { Status::Fail };
    let inventory = rights(&client, doubt, &mut findings).await;
    if let Some(model) = model {
        let asked = model::Asked { client: &client, settings: &settings, region, doubt };
        asked.check(model, inventory.as_ref(), args.has("probe"), &mut findings).await;
    }
    findings.end()
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Ok,
    Warn,
    Fail,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What was found so far. As text, each line is printed at once.
struct Findings {
    output: Output,
    /// As JSON: printed at the end.
    checks: Option<Vec<Value>>,
    /// Of the first check that failed.
    exit: Option<Exit>,
    /// Why standard output cannot be written to.
    // size: kept here, because a `Result` of each check would cost more.
    unwritable: Option<Failure>,
}

impl Findings {
    fn new(json: bool) -> Self {
        Self { output: Output::new(), checks: json.then(Vec::new), exit: None, unwritable: None }
    }

    fn add(&mut self, name: &'static str, status: Status, detail: String, hint: Option<String>) {
        // That the next step is this command says nothing here.
        let hint = hint.map(|hint| hint.split("; pumice doctor ").next().unwrap_or_default().to_owned());
        let hint = hint.map(crate::hint::without_replay);
        // The message of a search for credentials is a list.
        let detail = if detail.contains('\n') { detail.replace("\n  ", "; ") } else { detail };
        match &mut self.checks {
            Some(checks) => {
                checks.push(json!({"name": name, "status": status.word(), "detail": detail, "hint": hint}));
                return;
            }
            None => self.output.text(&format!("{:<5}{name:<22}{}\n", status.word(), one_line(&detail))),
        }
        if let Some(hint) = hint {
            self.output.text(&format!("     hint: {}\n", one_line(&hint)));
        }
        if let Err(failure) = self.output.flush() {
            self.unwritable.get_or_insert(failure);
        }
    }

    fn ok(&mut self, name: &'static str, detail: String) {
        self.add(name, Status::Ok, detail, None);
    }

    /// A check after which a call would end with this code.
    fn fail(&mut self, name: &'static str, exit: Exit, detail: String, hint: Option<String>) {
        self.exit.get_or_insert(exit);
        self.add(name, Status::Fail, detail, hint);
    }

    fn failed(&mut self, name: &'static str, error: &Error) {
        let failure = Failure::from(error);
        self.fail(name, failure.exit, failure.text_without_hint(), failure.hint);
    }

    /// What is no failure if `doubt` says so, since the call itself is going to decide.
    fn doubtful(
        &mut self,
        doubt: Status,
        name: &'static str,
        exit: Exit,
        detail: String,
        hint: Option<String>,
    ) {
        match doubt {
            Status::Fail => self.fail(name, exit, detail, hint),
            _ => self.add(name, Status::Warn, detail, hint),
        }
    }

    /// Prints what is left, and ends with the code of the first failure.
    fn end(mut self) -> Result<(), Failure> {
        if let Some(checks) = &self.checks {
            let report = json!({"ok": self.exit.is_none(), "checks": checks});
            self.output.json_line(&report.to_string());
        }
        self.output.flush()?;
        if let Some(failure) = self.unwritable {
            return Err(failure);
        }
        match self.exit {
            None => Ok(()),
            Some(exit) => Err(Failure::reported(exit)),
        }
    }
}

/// The settings, or none if they cannot be read.
fn settings(args: &Args, findings: &mut Findings) -> Settings {
    let (context, given) = (Context::real(), args.path("config"));
    match Settings::load(&context, given) {
        Ok(settings) => {
            let path = Settings::path(&context, given).filter(|path| path.exists());
            let found = path.map_or("none".to_owned(), |path| path.display().to_string());
            match settings.warnings.as_slice() {
                [] => findings.ok("settings file", found),
                warnings => {
                    let said = format!("{found}: {}", warnings.join("; "));
                    findings.add("settings file", Status::Warn, said, Some("run pumice config show".into()));
                }
            }
            settings
        }
        Err(error) => {
            findings.failed("settings file", &error);
            Settings::default()
        }
    }
}

/// The AWS files, and what in them is ignored.
fn aws_files(profile: Option<&str>, findings: &mut Findings) {
    let context = Context::real();
    let found = [context.config_file(), context.credentials_file()];
    let found = found.into_iter().flatten().filter(|path| path.exists());
    let found = found.map(|path| path.display().to_string()).collect::<Vec<_>>();
    let profile = context.profile_name(profile);
    match context.profiles() {
        Err(error) => findings.failed("AWS files", &error),
        Ok(profiles) => {
            let is = if profiles.profile(&profile).is_some() { "" } else { ", which does not exist" };
            let found = if found.is_empty() { "none".to_owned() } else { found.join(" and ") };
            let found = format!("{found}; the profile is {profile}{is}");
            match profiles.warnings() {
                [] => findings.ok("AWS files", found),
                ignored => {
                    findings.add("AWS files", Status::Warn, format!("{found}; {}", ignored.join("; ")), None);
                }
            }
        }
    }
}

/// The credentials, and whose they are.
async fn credentials(client: &Client, search: &Search, region: Option<&str>, findings: &mut Findings) {
    let found = match &search.result {
        Ok(found) => found,
        Err(error) => {
            findings.failed("credentials", error);
            if let Some(Hint::SetCredentials { instance: Some(hint) }) = error.hint()
                && hint.contains("hop-limit")
                && metadata_service_is_there().await
            {
                let detail = "the EC2 metadata service responds, but its session token does not arrive, as in a \
                              container if the instance's hop limit is 1";
                findings.fail("hop limit", Exit::Access, detail.into(), Some(hint.clone()));
            }
            return;
        }
    };
    let expires = found.credentials.expires().and_then(rfc3339);
    let end = expires.map_or("without a known end".to_owned(), |end| format!("until {end}"));
    let kind = match (&found.credentials, access_key_id(&found.credentials)) {
        (_, Some(id)) => format!("access key {id}"),
        (Credentials::Bearer(_), None) => "API key".to_owned(),
        _ => "access key".to_owned(),
    };
    let source = if found.source.ends_with(&*found.link) { "" } else { found.source };
    let source = if source.is_empty() { String::new() } else { format!(" ({source})") };
    let detail = format!("{}{source}: {kind}, {end}", found.link);
    let doubt = Some(remarks(found).join("; ")).filter(|remarks| !remarks.is_empty());
    findings.add("credentials", if doubt.is_some() { Status::Warn } else { Status::Ok }, detail, doubt);
    let keys = match &found.credentials {
        Credentials::Keys(keys) => keys,
        Credentials::Bearer(token) => return api_key(token.token(), region, findings),
        _ => return,
    };
    // Each of its attempts may take that long.
    let asked = tokio::time::timeout(LONGEST_WAIT, client.caller(keys)).await;
    let silent =
        || Err(Error::new(ErrorKind::Timeout, format!("no response within {} s", LONGEST_WAIT.as_secs())));
    match asked.unwrap_or_else(|_| silent()) {
        Ok(caller) => findings.ok("identity", format!("account {}, {}", caller.account, caller.arn)),
        Err(error) if error.kind() == ErrorKind::AccessDenied && !is_forbidden(&error) => {
            findings.failed("identity", &error);
        }
        // Bedrock may be reachable all the same, through an endpoint of its own, and may allow what STS forbids.
        Err(error) => {
            let detail = format!("STS did not say: {}", Failure::from(&error).text_without_hint());
            findings.add("identity", Status::Warn, detail, None);
        }
    }
}

/// Whether STS knows the keys and forbids the call, or a proxy does: no call of a model needs STS.
fn is_forbidden(error: &Error) -> bool {
    matches!(error.code(), None | Some("AccessDenied" | "AccessDeniedException"))
}

/// Whether the metadata service responds to a request that needs no session token.
async fn metadata_service_is_there() -> bool {
    let mut http = HttpConfig::default();
    (http.proxies, http.connect_timeout) = (false, Duration::from_secs(1));
    let client = Client::new(Config::new().http(http).first_byte_timeout(Duration::from_secs(1)));
    let named = Context::real().env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    client.reach(named.as_deref().unwrap_or("http://169.254.169.254")).await.is_ok()
}

/// What an API key says of itself.
fn api_key(key: &str, region: Option<&str>, findings: &mut Findings) {
    let Some((valid_in, end)) = scope_of_api_key(key) else {
        return findings.ok("identity", "an API key does not say whose it is".into());
    };
    let detail = format!("a short-term API key for {valid_in}, until {}", rfc3339(end).unwrap_or_default());
    let hint = Some("unset AWS_BEARER_TOKEN_BEDROCK, and make another key with pumice token".to_owned());
    if end <= SystemTime::now() {
        findings.fail("identity", Exit::Access, format!("{detail}: it has expired"), hint);
    } else if let Some(region) = region.filter(|region| *region != valid_in) {
        findings.fail("identity", Exit::Access, format!("{detail}, and the region is {region}"), hint);
    } else {
        findings.ok("identity", detail);
    }
}

/// The proxy of the calls. Whether there is one.
fn proxy(client: &Client, url: &str, findings: &mut Findings) -> bool {
    let Some(proxy) = client.proxy_for(url) else {
        findings.ok("proxy", "none".into());
        return false;
    };
    let (host, _) = host_and_port(url).unwrap_or_default();
    let except = proxy.exceptions;
    let unless = match (proxy.is_excepted, except.as_str()) {
        (true, except) => format!(", but NO_PROXY excepts {host}: {except}"),
        (false, "") => String::new(),
        (false, except) => format!("; NO_PROXY is {except}"),
    };
    let named = match proxy.variable {
        Some(variable) => format!("{variable} names {}", proxy.address),
        None => format!("the settings name {}", proxy.address),
    };
    findings.ok("proxy", named + &unless);
    !proxy.is_excepted
}

/// The addresses of the server. Whether there are any.
async fn name_lookup(url: &str, findings: &mut Findings) -> bool {
    let Some((host, port)) = host_and_port(url) else { return true };
    let looked_up = tokio::time::timeout(LONGEST_LOOK_UP, tokio::net::lookup_host((host.clone(), port)));
    let fault = match looked_up.await {
        Ok(Ok(addresses)) => {
            let addresses = addresses.map(|address| address.ip().to_string()).take(4).collect::<Vec<_>>();
            findings.ok("name look-up", format!("{host} is {}", addresses.join(", ")));
            return true;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", LONGEST_LOOK_UP.as_secs()),
    };
    let hint = "check the region's name and the network; a machine without a name server needs HTTPS_PROXY or a VPC \
                endpoint";
    findings.fail("name look-up", Exit::Temporary, format!("{host}: {fault}"), Some(hint.into()));
    false
}

fn host_and_port(url: &str) -> Option<(String, u16)> {
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split('/').next()?;
    let default = if scheme == "https" { 443 } else { 80 };
    // An IPv6 address has colons of its own, within brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (authority, default),
    };
    Some((host.trim_matches(['[', ']']).to_owned(), port))
}

/// What the first response showed: connection, certificate and clock.
fn connection(reached: &Reached, is_amazons: bool, region: &str, findings: &mut Findings) {
    let milliseconds = reached.took.as_millis();
    findings.ok("connection", format!("HTTP {} after {milliseconds} ms", reached.status));
    match &reached.issuer {
        None => findings.ok("TLS", "none: the endpoint is plain http".into()),
        // In China, Amazon's servers have certificates of another authority.
        Some(issuer) if is_amazons && !issuer.contains("Amazon") && !region.starts_with("cn-") => {
            let detail = format!("the certificate is issued by {issuer}, not by Amazon, but it is accepted");
            let hint = "if calls break off or have odd responses, have Bedrock's hosts exempted from the proxy or \
                        firewall that decrypts them";
            findings.add("TLS", Status::Warn, detail, Some(hint.into()));
        }
        Some(issuer) => findings.ok("TLS", format!("the certificate is issued by {issuer}")),
    }
    let Some(behind) = reached.clock else {
        return findings.ok("clock", "the response does not say the time".into());
    };
    if behind.unsigned_abs() < MOST_SKEW {
        return findings.ok("clock", format!("right within {} s", behind.unsigned_abs() + 1));
    }
    let side = if behind < 0 { "ahead" } else { "behind" };
    let detail = format!("this machine's clock is {} s {side}", behind.unsigned_abs());
    let hint = Some(crate::hint::text(&Hint::CheckClock { seconds: behind }));
    let off = Context::real().env("AWS_DISABLE_CLOCK_SKEW_CORRECTION");
    if off.is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        let detail = format!("{detail}, and AWS_DISABLE_CLOCK_SKEW_CORRECTION is set");
        return findings.fail("clock", Exit::Access, detail, hint);
    }
    findings.add(
        "clock",
        Status::Warn,
        format!("{detail}: signatures are dated by the service's clock"),
        hint,
    );
}

/// Lists models and profiles: both that the identity may, and what there is.
async fn rights(client: &Client, doubt: Status, findings: &mut Findings) -> Option<Inventory> {
    let models = match client.list_foundation_models(&ListFoundationModelsRequest::new()).await {
        Ok(models) => models.model_summaries.unwrap_or_default(),
        Err(error) => {
            denied(LIST_MODELS, &error, doubt, findings);
            return None;
        }
    };
    findings.ok(LIST_MODELS, format!("{} models", models.len()));
    let mut profiles = Vec::new();
    for kind in ["SYSTEM_DEFINED", "APPLICATION"] {
        let request = ListInferenceProfilesRequest::new().max_results(1000u32).type_equals(kind);
        match client.list_inference_profiles(&request).await {
            Ok(listed) => profiles.extend(listed.inference_profile_summaries.unwrap_or_default()),
            Err(error) => {
                denied(LIST_PROFILES, &error, doubt, findings);
                return Some(Inventory::new(0u64, models));
            }
        }
    }
    findings.ok(LIST_PROFILES, format!("{} inference profiles", profiles.len()));
    Some(Inventory::new(0u64, models).inference_profiles(profiles))
}

fn denied(operation: &'static str, error: &Error, doubt: Status, findings: &mut Findings) {
    let failure = Failure::from(error);
    findings.doubtful(doubt, operation, failure.exit, failure.text_without_hint(), failure.hint);
}

const LIST_MODELS: &str = "ListFoundationModels";
const LIST_PROFILES: &str = "ListInferenceProfiles";
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the look-up of a name may take.
const LONGEST_LOOK_UP: Duration = Duration::from_secs(5);
/// How long to wait for a response, unless --timeout or the settings say it.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// By how many seconds a clock may be off before the client corrects it.
const MOST_SKEW: u64 = 240;
