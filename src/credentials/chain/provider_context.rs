//! What all sources share: the context they read, and requests to the services that give credentials.

use std::fmt;
use std::io;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use ::http::Request;
use ::http::header::AUTHORIZATION;
use ::http::response::Parts;
use aws_credential_types::Token;
use bytes::Bytes;
use futures_core::Stream as _;
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::Credentials;
use super::instance::Imds;
use super::secret::Fields;
use crate::aws_files::{Profiles, Section};
use crate::context::{AwsFiles, Context};
use crate::redaction::Redaction;
use crate::refusal::error_code;
use crate::region::{Region, RegionSettings, Variant, dns_suffix};
use crate::retry::Retry;
use crate::service_url::configured_url;
use crate::transport::{Http, HttpConfig, Transport, proxy_secrets, too_long};
use crate::url::BaseUrl;
use crate::{Error, ErrorKind, Hint, Result};
use pumice_codec::internal::shortened;

/// What the sources of the [`Chain`](super::Chain) read, and the services they ask: environment and files, the profile, the
/// region, the network.
#[derive(Debug)]
pub struct ProviderContext {
    pub(super) context: Context,
    /// The profile and the region that code names.
    pub(super) profile: Option<String>,
    pub(super) given_region: Option<String>,
    /// The runtime's URL that code names.
    pub(super) endpoint_url: Option<String>,
    /// FIPS and dual-stack, as code asks for them.
    variant: [Option<bool>; 2],
    /// The region of a settings file.
    pub(super) fallback_region: Option<String>,
    /// Whether no service may be asked.
    pub(super) offline: bool,
    /// Sends the requests in place of the two below.
    pub(super) transport: Option<Arc<dyn Transport>>,
    /// The key of a settings file, or the command that prints it.
    pub(super) fallback_token: Option<Token>,
    pub(super) key_command: Option<String>,
    /// The command to run when credentials have expired.
    pub(super) refresh_command: Option<String>,
    /// The profile of a settings file.
    fallback_profile: Option<String>,
    /// Whether keys of roles are cached on disk.
    pub(super) caches_on_disk: bool,
    pub(super) mfa: MfaPrompt,
    /// The key id that the service has refused as expired.
    refused: Mutex<Option<String>>,
    /// Gets what a `credential_process` says on standard error.
    pub(super) said: Said,
    pub(super) network: OnceLock<Http>,
    /// Without proxies, and with a short connect timeout.
    pub(super) link_local: OnceLock<Http>,
    pub(super) imds: Imds,
}

/// Asks the user for the code of an MFA device, by its serial number or ARN.
#[derive(Clone, Default)]
pub(crate) struct MfaPrompt(pub(crate) Option<Arc<Ask>>);

type Ask = dyn Fn(&str) -> io::Result<String> + Send + Sync;

impl fmt::Debug for MfaPrompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "MfaPrompt" } else { "None" })
    }
}

/// The function that gets what a command says, if there is one.
#[derive(Clone, Default)]
pub(super) struct Said(pub(super) Option<Arc<Say>>);

type Say = dyn Fn(&[u8]) + Send + Sync;

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Said")
    }
}

/// How a service is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallPolicy {
    /// Whether the service is on this machine's own link, where no proxy is used.
    pub(super) link_local: bool,
    /// The most attempts, if the service responds in time.
    pub(super) attempts: u32,
    /// The most attempts, if it does not.
    pub(super) unanswered: u32,
    /// The limit for a response, from connecting to the last byte.
    pub(super) timeout: Duration,
}

impl CallPolicy {
    /// A service in the cloud.
    pub(super) const NETWORK: Self =
        Self { link_local: false, attempts: 3, unanswered: 3, timeout: Duration::from_secs(10) };
}

/// Makes the request of an attempt, dated by this time.
pub(super) type MakeRequest<'a> = &'a (dyn Fn(SystemTime) -> Result<Request<Bytes>> + Sync);

/// Why a service gave nothing.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing may be asked: the URL or the command that would have been.
    Offline(String),
    /// The request failed, or could not be made.
    Broken(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl ProviderContext {
    /// This environment, these files and this clock, and the network.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            profile: None,
            given_region: None,
            endpoint_url: None,
            variant: [None; 2],
            fallback_region: None,
            offline: false,
            transport: None,
            fallback_token: None,
            key_command: None,
            refresh_command: None,
            fallback_profile: None,
            caches_on_disk: false,
            mfa: MfaPrompt::default(),
            refused: Mutex::default(),
            said: Said::default(),
            network: OnceLock::new(),
            link_local: OnceLock::new(),
            imds: Imds::default(),
        }
    }

    /// The profile, in place of `AWS_PROFILE`.
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = Some(name.into());
        self
    }

    /// The region of STS, in place of that of the environment or the profile.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.given_region = Some(region.into());
        self
    }

    /// Sends the requests to the services that give credentials, in place of the network. Requests and responses
    /// hold secrets: this is for tests.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Sets a function that gets what a `credential_process` says on standard error, if it runs for more than a second:
    /// it may ask the user something. Otherwise only an error quotes it.
    pub fn command_output(mut self, said: impl Fn(&[u8]) + Send + Sync + 'static) -> Self {
        self.said = Said(Some(Arc::new(said)));
        self
    }

    /// Asks no service and runs no `credential_process`: [`Search::deferred`](super::Search) says which one would
    /// have been asked.
    pub fn offline(mut self) -> Self {
        self.offline = true;
        self
    }

    /// The runtime's URL, which may name a region; FIPS and dual-stack endpoints, as code asks for them.
    pub(crate) fn endpoint(
        &mut self,
        url: Option<String>,
        use_fips: Option<bool>,
        use_dual_stack: Option<bool>,
    ) {
        (self.endpoint_url, self.variant) = (url, [use_fips, use_dual_stack]);
    }

    /// Caches the keys of roles on disk, in `credentials` of the
    /// [cache folder](Context::cache_folder), for the next process that makes the same ones.
    pub fn cache_on_disk(mut self) -> Self {
        self.caches_on_disk = true;
        self
    }

    /// Asks for the codes of MFA devices.
    pub(crate) fn mfa(&mut self, mfa: MfaPrompt) {
        self.mfa = mfa;
    }

    /// The region, the key and the profile of a settings file.
    pub(crate) fn fallback(&mut self, region: Option<String>, token: Option<Token>, profile: Option<String>) {
        (self.fallback_region, self.fallback_token, self.fallback_profile) = (region, token, profile);
    }

    /// The commands of a settings file: one that prints the key, and one to run when credentials have expired.
    pub(crate) fn commands(&mut self, key: Option<String>, refresh: Option<String>) {
        (self.key_command, self.refresh_command) = (key, refresh);
    }

    pub(super) fn profile_name(&self) -> String {
        self.context.profile_name_or(self.profile.as_deref(), self.fallback_profile.as_deref())
    }

    /// Notes that the service has refused these keys as expired, whatever a cache says.
    pub(super) fn refuse(&self, credentials: &Credentials) {
        let id = credentials.access_key_id().map(str::to_owned);
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = id;
    }

    pub(super) fn is_refused(&self, key_id: &str) -> bool {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == Some(key_id)
    }
}

/// What the sources of one search read: the context of all searches, and the AWS files.
#[derive(Debug, Clone, Copy)]
pub(super) struct SearchContext<'a> {
    shared: &'a ProviderContext,
    pub(super) files: &'a AwsFiles,
}

impl<'a> SearchContext<'a> {
    pub(super) fn new(shared: &'a ProviderContext, files: &'a AwsFiles) -> Self {
        Self { shared, files }
    }

    /// The AWS files and the profile in use, if it exists.
    pub(super) fn section(&self) -> Result<Option<(&'a Profiles, &'a Section)>> {
        let profiles = self.files.profiles()?;
        Ok(profiles.profile(&self.profile_name()).map(|section| (profiles, section)))
    }

    /// The region that is named: in code, in the environment, in the profile, in the
    /// runtime's URL or in a settings file.
    pub(super) fn named_region(&self) -> Result<Option<Region>> {
        let settings = RegionSettings {
            model_id: None,
            given: self.given_region.as_deref(),
            profile: None,
            endpoint_url: self.endpoint_url.as_deref(),
            fallback: self.fallback_region.as_deref(),
        };
        let env = |name: &str| self.context.env(name);
        if settings.given.is_some() {
            return Region::resolve(&settings, env);
        }
        Region::resolve(&RegionSettings { profile: self.section()?, ..settings }, env)
    }

    /// FIPS and dual-stack, for a region by its name as it was found.
    pub(super) fn variant_in(&self, region: &str) -> Result<Variant> {
        let [fips, dual_stack] = self.shared.variant;
        let profile = self.section()?.map(|(_, profile)| profile);
        Ok(Variant::of(region, fips, dual_stack, profile, |name| self.context.env(name)))
    }

    /// Asks a service, with retries. `read` reads a response of any status. An error names `what` failed and is
    /// always of [`ErrorKind::Credentials`]; the request's sensitive headers and `secrets` are redacted in it.
    pub(super) async fn ask<T: Send>(
        &self,
        what: &str,
        policy: CallPolicy,
        request: MakeRequest<'_>,
        secrets: &[&str],
        read: impl Fn(&Parts, &[u8]) -> Result<T> + Send + Sync,
    ) -> Result<T, Fault> {
        if self.offline {
            return Err(Fault::Offline(origin(&request(self.context.now())?)));
        }
        self.try_asking(policy, request, secrets, read).await.map_err(|error| {
            let hint = error.is_retryable().then(|| "try again in a moment: the failure is temporary".into());
            Fault::Broken(failed(what, &error.or_hint(hint)))
        })
    }

    /// [`ask`](Self::ask), with the error unchanged: [`ErrorKind::Timeout`] if there was a connection
    /// but no response, [`ErrorKind::Connect`] if there was no connection.
    pub(super) async fn try_asking<T: Send>(
        &self,
        policy: CallPolicy,
        request: MakeRequest<'_>,
        secrets: &[&str],
        read: impl Fn(&Parts, &[u8]) -> Result<T> + Send + Sync,
    ) -> Result<T> {
        let mut found = None;
        let mut keep = |head: &Parts, body: &[u8]| {
            found = Some(read(head, body)?);
            Ok(())
        };
        self.exchange(policy, request, secrets, &mut keep).await?;
        // Never empty: `exchange` succeeds with `keep` only.
        found.ok_or_else(|| Error::new(ErrorKind::Damaged, "expected a response, found none"))
    }

    // size: apart from `try_asking`, since it is the same code for all that is read.
    async fn exchange(
        &self,
        policy: CallPolicy,
        request: MakeRequest<'_>,
        secrets: &[&str],
        read: &mut (dyn FnMut(&Parts, &[u8]) -> Result<()> + Send),
    ) -> Result<()> {
        let context = &self.context;
        let transport = self.transport_for(policy)?;
        let mut attempt = 1;
        loop {
            let request = request(context.service_time())?;
            let redaction = self.redaction(&request, secrets);
            let is_dated =
                request.headers().contains_key(AUTHORIZATION) || request.headers().contains_key("dpop");
            let sent = context.now();
            let error = match timeout(policy.timeout, send(transport, request)).await {
                Err(_) => {
                    let seconds = policy.timeout.as_secs();
                    Error::new(ErrorKind::Timeout, format!("no response within {seconds} s"))
                }
                Ok(Err(error)) => error,
                Ok(Ok((head, body))) => {
                    let learn = || context.learn_clock(&head.headers, sent);
                    // Outside AWS, any machine may have a link-local address.
                    let learned = if policy.link_local { None } else { learn() };
                    let Err(error) = read(&head, &body) else {
                        if policy.link_local {
                            learn();
                        }
                        return Ok(());
                    };
                    let error = context.explained_by_clock(error, learned);
                    // With the clock corrected, the same request can succeed.
                    let dated_wrong = learned.is_some() && is_dated && head.status.is_client_error();
                    if dated_wrong { error.with_retryable(true) } else { error }
                }
            };
            let error = redaction.error(error);
            let attempts = match error.kind() {
                ErrorKind::Connect | ErrorKind::Timeout => policy.unanswered,
                _ => policy.attempts,
            };
            let delay = Retry::standard().max_attempts(attempts).delay(&error, attempt, context.chance());
            let Some(delay) = delay else {
                return Err(match error.kind() {
                    ErrorKind::Connect | ErrorKind::Timeout => error.with_attempts(attempt),
                    _ => error,
                });
            };
            sleep(if policy.link_local { delay.min(LONGEST_PAUSE) } else { delay }).await;
            attempt += 1;
        }
    }

    /// What is redacted in the error of a request.
    fn redaction(&self, request: &Request<Bytes>, secrets: &[&str]) -> Redaction {
        let mut redaction = Redaction::of(request.headers());
        let proxy = proxy_secrets(&HttpConfig::default(), &self.context);
        for secret in secrets.iter().copied().chain(proxy.iter().map(Token::token)) {
            redaction.add(secret);
        }
        redaction
    }

    fn transport_for(&self, policy: CallPolicy) -> Result<&dyn Transport> {
        if let Some(given) = &self.shared.transport {
            return Ok(&**given);
        }
        let (created, seconds) =
            if policy.link_local { (&self.shared.link_local, 1) } else { (&self.shared.network, 5) };
        if let Some(http) = created.get() {
            return Ok(http);
        }
        let connect_timeout = Duration::from_secs(seconds);
        // Files that cannot be read are reported by the source that needs them.
        let profile = self.section().ok().flatten();
        let ca_bundle =
            profile.and_then(|(_, profile)| Some(self.context.path(profile.non_blank("ca_bundle")?)));
        let proxies = !policy.link_local;
        let config = HttpConfig { connect_timeout, proxies, ca_bundle, ..HttpConfig::default() };
        let http = Http::new(&config, &self.context)?;
        Ok(created.get_or_init(|| http))
    }

    /// The URL of a service for credentials: the one configured under this id in the AWS files, or else of the
    /// host for the region and its DNS suffix.
    pub(super) fn service(
        &self,
        id: &str,
        region: &str,
        host: impl FnOnce(&str) -> String,
    ) -> Result<BaseUrl> {
        let configured = configured_url(id, self.section()?, |name| self.context.env(name))?;
        let base = if let Some((base, _)) = configured {
            base
        } else {
            let url = format!("https://{}", host(dns_suffix(region)?));
            BaseUrl::parse(&url).map_err(|expected| {
                Error::new(ErrorKind::Credentials, format!("the URL of {id}: expected {expected}"))
            })?
        };
        if base.may_carry_secrets() {
            return Ok(base);
        }
        Err(Error::new(
            ErrorKind::Credentials,
            format!("the endpoint URL of {id} is not https: secrets go over plain http only to this machine"),
        ))
    }
}

impl Deref for SearchContext<'_> {
    type Target = ProviderContext;

    fn deref(&self) -> &ProviderContext {
        self.shared
    }
}

/// What was wrong with a section of this name that was ignored, for the end of a message.
pub(super) fn ignored_lines(profiles: &Profiles, name: &str) -> String {
    profiles.warning_about(name).map(|warning| format!(": {warning}")).unwrap_or_default()
}

/// Sends once, and reads the whole response.
async fn send(transport: &dyn Transport, request: Request<Bytes>) -> Result<(Parts, Zeroizing<Vec<u8>>)> {
    let response = transport.send(request).await?;
    let (head, mut body) = response.into_parts();
    // Full capacity from the start: growing would leave copies of secrets in memory.
    let mut whole = Zeroizing::new(Vec::with_capacity(LONGEST_RESPONSE));
    while let Some(bytes) = std::future::poll_fn(|task| Pin::new(&mut body).poll_next(task)).await {
        let bytes = bytes?;
        if whole.len() + bytes.len() > LONGEST_RESPONSE {
            return Err(too_long(LONGEST_RESPONSE));
        }
        whole.extend_from_slice(&bytes);
    }
    Ok((head, whole))
}

/// A body whose memory is overwritten after it was sent.
pub(super) fn secret_body(text: Zeroizing<Vec<u8>>) -> Bytes {
    Bytes::from_owner(text)
}

/// A request to a service.
pub(super) fn build_request(
    method: ::http::Method,
    url: &str,
    headers: &[(&'static str, &str)],
    body: Bytes,
) -> Result<Request<Bytes>> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        let mut value = ::http::HeaderValue::from_str(value).map_err(|_| {
            Error::new(
                ErrorKind::Credentials,
                format!("expected a token of visible ASCII for the header {name}, found another character"),
            )
        })?;
        value.set_sensitive(!["accept", "content-type"].contains(name));
        request = request.header(*name, value);
    }
    request
        .body(body)
        .map_err(|_| Error::new(ErrorKind::Credentials, "expected a URL to ask for credentials"))
}

/// The error in the response of a JSON service. A body of another form is not shown.
pub(super) fn refusal(head: &Parts, body: &[u8]) -> Error {
    let status = head.status.as_u16();
    let fields = Fields::read("the response", body).ok();
    let member = |names: &[&str]| {
        let fields = fields.as_ref()?;
        names.iter().find_map(|name| fields.string(name)).map(|text| one_line(text.text()))
    };
    let code = error_code(&head.headers, ["__type", "code", "error"].map(|name| member(&[name])));
    let message = member(&["message", "Message", "error_description"]);
    refused(status, code.as_deref().unwrap_or_default(), message.as_deref().unwrap_or_default())
}

/// The error of a refusal, with a hint by its code. One without a code is not of the service that was asked, and a
/// temporary one says nothing about the request.
pub(super) fn hinted(error: Error, hint: impl FnOnce(&str) -> Option<Hint>) -> Error {
    let hint = match error.code() {
        _ if error.is_retryable() => None,
        Some(code) => hint(code),
        None => Some(Hint::CheckEndpoint),
    };
    error.or_hint(hint)
}

/// The error of a response with this status, code and message; either text may be empty.
pub(super) fn refused(status: u16, code: &str, message: &str) -> Error {
    let kind = ErrorKind::of_service(code, message, Some(status));
    let message = match (code, message) {
        ("", "") => format!("HTTP {status}"),
        ("", message) => format!("HTTP {status}: {message}"),
        (_, "") => format!("HTTP {status}, without a message"),
        (_, message) => message.to_owned(),
    };
    let error = Error::new(kind, message).with_status(status);
    if code.is_empty() { error } else { error.with_code(code) }
}

/// Foreign text for a message: one short line.
pub(super) fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    shortened(words.collect::<Vec<_>>().join(" "), LONGEST_TEXT)
}

/// An error of [`ErrorKind::Credentials`] that says in one sentence what failed and why.
pub(super) fn failed(what: &str, error: &Error) -> Error {
    let mut message = format!("{what}: {error}");
    for cause in error.causes() {
        message.extend([": ", &cause.to_string()]);
    }
    let mut failed = Error::new(ErrorKind::Credentials, message).with_request_id(error.request_id());
    if let Some(status) = error.status() {
        failed = failed.with_status(status);
    }
    failed.or_hint(error.hint().cloned())
}

/// Scheme, host and port of a request.
fn origin(request: &Request<Bytes>) -> String {
    let uri = request.uri();
    let authority = uri.authority().map(::http::uri::Authority::as_str);
    format!("{}://{}", uri.scheme_str().unwrap_or_default(), authority.unwrap_or_default())
}

/// The longest pause before a service on this machine's link is asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The longest response, in bytes. Credentials take a few thousand.
const LONGEST_RESPONSE: usize = 256 * 1024;
/// The longest foreign text that is shown, in characters.
const LONGEST_TEXT: usize = 300;
