//! One call from beginning to end: where it goes, with what credentials, how often, and what to say when
//! it is refused.

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ::http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue,
};
use ::http::{Method, Request, Response};
use aws_credential_types::Token;
use bytes::{Bytes, BytesMut};
use futures_core::Stream as _;
use tokio::time::{Instant, timeout};

use super::Identity;
use crate::config::{Config, Place, is_of_connection};
use crate::credentials::{Cache, Credentials, Found, Search};
use crate::endpoint::{Endpoint, EndpointSource, region_of_arn};
use crate::frame::MEDIA_TYPE;
use crate::hint::{self, Refused};
use crate::inference_profile::{ListInferenceProfilesRequest, ListInferenceProfilesResponse};
use crate::operation::{AnswerForm, Call};
use crate::progress::Progress;
use crate::redaction::{Redaction, Shown};
use crate::refusal;
use crate::retry::{Quota, RateLimit};
use crate::sign::{self, Scope};
use crate::skew::{self, ClockSkew};
use crate::stream::{FrameStream, seconds};
use crate::transport::{Body, Transport, proxy_secrets};
use crate::{Error, ErrorKind, Hint, Result};

/// What all calls of a client share.
#[derive(Debug)]
pub(super) struct Exchanges {
    config: Config,
    credentials: Cache,
    quota: Quota,
    skew: ClockSkew,
    rate: Mutex<RateLimit>,
    made: Instant,
    /// See [`proxy_secrets`]; known when the transport is made.
    proxy_secrets: OnceLock<Vec<Token>>,
    /// Made when it is first needed, unless the configuration brings one: a call that is refused before
    /// it is sent needs none.
    transport: OnceLock<Arc<dyn Transport>>,
}

/// What a call came to.
#[allow(clippy::large_enum_variant, reason = "there is one for each call")]
pub(super) enum Answer {
    Whole(Response<Bytes>),
    Stream(FrameStream),
}

/// An attempt among those of a call.
struct Attempt<'a> {
    invocation: &'a str,
    number: u32,
    max: u32,
}

impl Exchanges {
    pub(super) fn new(config: Config) -> Self {
        Self {
            credentials: Cache::new(config.surroundings()),
            config,
            quota: Quota::new(),
            skew: ClockSkew::default(),
            rate: Mutex::default(),
            made: Instant::now(),
            proxy_secrets: OnceLock::new(),
            transport: OnceLock::new(),
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) async fn search_credentials(&self) -> Search {
        self.credentials.search().await
    }

    pub(super) async fn identify(&self) -> Result<Identity> {
        let search = self.credentials.search().await;
        let found = search.result.as_ref().ok();
        let instance_region = found.and_then(|found| found.region.clone());
        let place = self.config.place(None, async { Ok(instance_region) }).await?;
        let Place { region, runtime, control, .. } = place;
        Ok(Identity { search, region, runtime, control })
    }

    /// Makes the call. `streamed` is the form that the answer is wanted in.
    ///
    /// Boxed: of a future that is not, each crate that waits for it has all of its code once more.
    pub(super) fn answer<'a>(
        &'a self,
        call: &'a Call,
        streamed: bool,
    ) -> Pin<Box<dyn Future<Output = Result<Answer>> + Send + 'a>> {
        Box::pin(async move {
            if call.operation.is_streamed() != streamed {
                return Err(wrong_form(call));
            }
            let place = self.place(call.model_id.as_deref()).await?;
            let result = self.repeat(call, &place).await;
            let (Err(error), Some(model_id)) = (&result, call.model_id.as_deref()) else { return result };
            if !hint::needs_inference_profile(error) {
                return result;
            }
            let profiles = self.profiles_of(model_id, &place).await;
            match profiles.as_deref() {
                Ok([profile, ..]) if self.config.auto_profile => {
                    let taken = Progress::ProfileTaken { model_id, profile_id: profile };
                    self.config.watcher.tell(&taken);
                    self.repeat(&call.of_model(profile), &place).await
                }
                _ => {
                    let hint = hint::inference_profiles(model_id, profiles, place.region.name());
                    result.map_err(|error| error.or_hint(Some(hint)))
                }
            }
        })
    }

    /// Where calls of a model go.
    pub(super) async fn place(&self, model_id: Option<&str>) -> Result<Place> {
        let instance_region = async { Ok(self.found().await?.and_then(|found| found.region.clone())) };
        self.config.place(model_id.and_then(region_of_arn), instance_region).await
    }

    /// The credentials, where calls are authorised at all.
    async fn found(&self) -> Result<Option<Arc<Found>>> {
        if !self.config.authorised {
            return Ok(None);
        }
        if let Some(token) = &self.config.bearer_token {
            return Ok(Some(Arc::new(Found::given(token.clone()))));
        }
        self.credentials.credentials().await.map(Some)
    }

    /// The inference profiles that serve a model, the ones for a part of the world before the global
    /// one. This is for a hint, which nobody waits long for, and not where the runtime alone is elsewhere.
    async fn profiles_of(&self, model_id: &str, place: &Place) -> Result<Vec<String>> {
        let rules = &EndpointSource::Rules;
        if place.control.source() == rules && place.runtime.source() != rules {
            let message = "the runtime is at an address of its own, and the control plane is not";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let look_up = async {
            let call =
                Call::list_inference_profiles(&ListInferenceProfilesRequest::new().max_results(1000u32))?;
            let once = Attempt { invocation: "", number: 1, max: 1 };
            let Answer::Whole(answer) =
                self.attempt(&call, place, self.found().await?.as_deref(), once).await?
            else {
                return Ok(Vec::new());
            };
            let listed: ListInferenceProfilesResponse = call.operation.read_json(answer.body())?;
            Ok(listed.serving(model_id))
        };
        let profiles = within(LONGEST_LOOK_UP, "no answer", look_up).await?;
        let is_global = |profile: &String| profile.starts_with("global.");
        let (global, mut profiles) = profiles.into_iter().partition::<Vec<_>, _>(is_global);
        profiles.extend(global);
        Ok(profiles)
    }

    /// Makes the call, again if need be, until there is something to deliver.
    async fn repeat(&self, call: &Call, place: &Place) -> Result<Answer> {
        let Self { config, quota, .. } = self;
        let retry = place.retry;
        let invocation = config.context.uuid();
        let mut cost = None;
        let mut last: Option<Error> = None;
        let mut given_up = false;
        // Attempts that patience or new credentials made possible do not count among the others.
        let (mut number, mut beside, mut waits, mut waited) = (0, 0, 0, Duration::ZERO);
        loop {
            number += 1;
            let found = self.found().await?;
            if retry.adaptive {
                let wait = self.with_rate(RateLimit::take);
                tokio::time::sleep(wait).await;
            }
            let attempt = Attempt { invocation: &invocation, number, max: retry.max_attempts.max(number) };
            let result = self.attempt(call, place, found.as_deref(), attempt).await;
            if retry.adaptive {
                let throttled = result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Throttled);
                self.with_rate(|rate, now| rate.learn(now, throttled));
            }
            let failed = match (result, last.take()) {
                (Ok(answer), _) => {
                    quota.give_back(cost);
                    return Ok(answer);
                }
                // A recording that has no further answer ended with the one before.
                (Err(error), Some(last)) if error.kind() == ErrorKind::Recording => return Err(last),
                (Err(error), _) => error,
            };
            let refused = Refused {
                model_id: call.model_id.as_deref(),
                region: place.region.name(),
                link: found.as_ref().map(|found| found.link.as_str()),
            };
            let hint = hint::hint(&failed, refused);
            let failed = failed.or_hint(hint);
            let chance = config.context.chance();
            let expired = !given_up && failed.code().is_some_and(credentials_expired);
            let delay = if let (Some(found), true) = (&found, expired)
                && self.renewed(found).await
            {
                given_up = true;
                beside += 1;
                config.watcher.tell(&Progress::Retrying { error: &failed, delay: Duration::ZERO });
                Duration::ZERO
            } else if let Some(delay) = retry.patient_delay(&failed, waits + 1, waited, chance) {
                waits += 1;
                beside += 1;
                waited += delay;
                let left = retry.patience.unwrap_or_default().saturating_sub(waited);
                config.watcher.tell(&Progress::Waiting { error: &failed, delay, left });
                delay
            } else {
                let Some(delay) = retry.delay(&failed, number - beside, chance) else { return Err(failed) };
                cost = quota.take(&failed);
                if cost.is_none() {
                    return Err(failed);
                }
                config.watcher.tell(&Progress::Retrying { error: &failed, delay });
                delay
            };
            last = Some(failed);
            tokio::time::sleep(delay).await;
        }
    }

    /// Asks the chain for other credentials than these, which the service has refused.
    async fn renewed(&self, refused: &Arc<Found>) -> bool {
        self.credentials.give_up(refused);
        let found = self.credentials.credentials().await;
        found.is_ok_and(|found| !found.credentials.is_same_as(&refused.credentials))
    }

    fn with_rate<T>(&self, work: impl FnOnce(&mut RateLimit, Duration) -> T) -> T {
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut rate, self.made.elapsed())
    }

    async fn attempt(
        &self,
        call: &Call,
        place: &Place,
        found: Option<&Found>,
        Attempt { invocation, number, max }: Attempt<'_>,
    ) -> Result<Answer> {
        let Self { config, .. } = self;
        let endpoint = place.endpoint(call.operation.service());
        let mut request = self.authorise(request(config, call, endpoint)?, endpoint, found)?;
        self.keep_from_plain_http(&request, endpoint)?;
        let counted = format!("attempt={number}; max={max}");
        // These say something of the attempt and not of the call, so they are not signed.
        for (name, value) in [("amz-sdk-invocation-id", invocation), ("amz-sdk-request", &counted)] {
            let value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        // Where there is no body, the HTTP client would not say so.
        if call.method == Method::POST && call.body.is_empty() {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }

        let url = endpoint.shown_call(&request.uri().to_string());
        config.watcher.tell(&Progress::Sending {
            operation: call.operation.name(),
            url: &url,
            attempt: number,
        });
        let transport = self.transport()?;
        let redaction = Arc::new(self.redaction(&request, found));
        request.extensions_mut().insert(Shown { url, redaction: Arc::clone(&redaction) });
        let answer = self.exchange(call, request, &**transport, &redaction).await;
        answer.map_err(|error| redaction.error(error))
    }

    /// Sends a request, and reads as much of the answer as says what the call came to.
    async fn exchange(
        &self,
        call: &Call,
        request: Request<Bytes>,
        transport: &dyn Transport,
        redaction: &Arc<Redaction>,
    ) -> Result<Answer> {
        let Self { config, .. } = self;
        let (sent, sent_at) = (Instant::now(), config.context.now());
        let mut response =
            within(config.first_byte_timeout, "first-byte timeout: no answer", transport.send(request))
                .await?;
        redaction.headers(response.headers_mut());
        let (mut head, body) = response.into_parts();
        let id = refusal::request_id(&head.headers).map(str::to_owned);
        config.watcher.tell(&Progress::Answered {
            status: head.status.as_u16(),
            request_id: id.as_deref(),
            after: sent.elapsed(),
        });
        let mut news = None;
        if config.authorised && !config.trusts_clock() {
            news = self.skew.learn(&head.headers, sent_at, config.context.now());
        }
        if let Some(seconds) = news {
            config.watcher.tell(&Progress::ClockCorrected { seconds });
        }

        if !head.status.is_success() {
            // A refusal whose body does not arrive is a refusal all the same.
            let body = read_beginning(body, config.idle_timeout).await;
            let error = refusal::error(&head, &body, config.context.now());
            return Err(match news {
                // With the clock put right, the same call can succeed.
                Some(seconds) if skew::may_be_due_to(&error) => {
                    error.with_retryable(true).with_hint(Hint::CheckClock { seconds })
                }
                _ => error,
            });
        }
        if let AnswerForm::Stream { closing_event } = call.operation.answer_form() {
            if !refusal::may_be(MEDIA_TYPE, &head.headers) {
                let body = read_beginning(body, config.idle_timeout).await;
                return Err(refusal::unexpected(&head, &body, MEDIA_TYPE));
            }
            let response = Response::from_parts(head, body);
            let mut frames =
                FrameStream::new(response, Arc::clone(redaction), closing_event, config.idle_timeout);
            frames.wait_for_first().await?;
            return Ok(Answer::Stream(frames));
        }
        let located = |error: Error| error.with_status(head.status.as_u16()).with_request_id(id.as_deref());
        let body = read_whole(body, config.idle_timeout, LONGEST_ANSWER).await.map_err(located)?;
        if let Some(expected) = call.operation.expected_instead(&body) {
            return Err(refusal::unexpected(&head, &body, &expected));
        }
        // For faults that are found when it is read.
        head.extensions.insert(Arc::clone(redaction));
        Ok(Answer::Whole(Response::from_parts(head, body)))
    }

    /// The request with what authorises it.
    fn authorise(
        &self,
        mut request: Request<Bytes>,
        endpoint: &Endpoint,
        found: Option<&Found>,
    ) -> Result<Request<Bytes>> {
        let Self { config, skew, .. } = self;
        let Some(found) = found else { return Ok(request) };
        config.watcher.tell(&Progress::Credentials { link: &found.link });
        match &found.credentials {
            Credentials::Bearer(token) => {
                let value = HeaderValue::from_str(&format!("Bearer {}", token.token()));
                let mut value = value.map_err(|_| {
                    Error::new(ErrorKind::Credentials, "a bearer token of visible ASCII characters expected")
                })?;
                value.set_sensitive(true);
                request.headers_mut().insert(AUTHORIZATION, value);
                Ok(request)
            }
            Credentials::Keys(keys) => {
                let scope = Scope { region: endpoint.region(), service: SIGNING_NAME };
                let headers = sign::sign(&request, keys, scope, skew.correct(config.context.now()))?;
                request.headers_mut().extend(headers);
                Ok(request)
            }
        }
    }

    /// Refuses a request with a secret in it that would go over plain http to another machine, unless that is
    /// allowed; a bearer token may never.
    fn keep_from_plain_http(&self, request: &Request<Bytes>, endpoint: &Endpoint) -> Result<()> {
        let Self { config, .. } = self;
        let is_network = config.transport.as_ref().is_none_or(|transport| transport.is_network());
        if endpoint.may_carry_secrets() || !is_network {
            return Ok(());
        }
        let refused = |what: &str, hint: &str| {
            let url = endpoint.shown_url();
            let message =
                format!("the endpoint {url} is not https, and {what} over plain http only to this machine");
            Err(Error::new(ErrorKind::InvalidInput, message).with_hint(hint))
        };
        let authorization = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let begins = |scheme: &[u8]| {
            let begin = authorization.and_then(|value| value.get(..scheme.len()));
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
        };
        if begins(b"bearer ") {
            let hint = "give an https URL, or use access keys, whose secret is not sent";
            return refused("a bearer token goes", hint);
        }
        let signed = begins(b"aws4-hmac-sha256 ");
        let sensitive = request.headers().iter().filter(|(_, value)| value.is_sensitive());
        let secrets = sensitive.map(|(name, _)| name).filter(|name| !signed || *name != AUTHORIZATION);
        let secrets = secrets.map(HeaderName::as_str).collect::<Vec<_>>();
        if !secrets.is_empty() && !config.allow_plain_http {
            let hint = "give an https URL; to send secrets in the clear all the same, set \
                        request.allowPlainHttp to true beside baseUrl in the settings";
            return refused(&format!("the secrets in {} go", secrets.join(", ")), hint);
        }
        if signed || !secrets.is_empty() {
            let host = request.uri().authority().map_or("", |authority| authority.as_str());
            config.watcher.tell(&Progress::PlainHttp { host, secrets: &secrets });
        }
        Ok(())
    }

    /// What is withheld from what is said of a request: what it holds, and what it was made with.
    fn redaction(&self, request: &Request<Bytes>, found: Option<&Found>) -> Redaction {
        let mut redaction = Redaction::of(request.headers());
        if let Some(Credentials::Keys(keys)) = found.map(|found| &found.credentials) {
            redaction.add(keys.secret_access_key());
        }
        let proxy = self.proxy_secrets.get_or_init(|| proxy_secrets(&self.config.http, &self.config.context));
        for secret in self.config.withheld.iter().chain(proxy) {
            redaction.add(secret.token());
        }
        redaction
    }

    fn transport(&self) -> Result<&Arc<dyn Transport>> {
        let Self { config, transport, .. } = self;
        if let Some(given) = &config.transport {
            return Ok(given);
        }
        if let Some(made) = transport.get() {
            return Ok(made);
        }
        let http = config.network()?;
        let _ = self.proxy_secrets.set(http.proxy_secrets.clone());
        Ok(transport.get_or_init(|| Arc::new(http)))
    }
}

/// The request as it is sent, but for what authorises it.
fn request(config: &Config, call: &Call, endpoint: &Endpoint) -> Result<Request<Bytes>> {
    let query = call.query.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Vec<_>>();
    let url = endpoint.call_url(&call.path, &query)?;
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(&url)
        .extension(call.operation)
        .body(call.body.clone())
        .map_err(|source| Error::new(ErrorKind::InvalidInput, "a URL expected").with_source(source))?;
    *request.headers_mut() = headers(config, call)?;
    Ok(request)
}

/// The headers of a call, and those that the configuration adds.
fn headers(config: &Config, call: &Call) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in config.headers.iter() {
        let invalid = || {
            let message = format!(
                "the header {name:?} cannot be sent: its name or its value has a character that none has"
            );
            Error::new(ErrorKind::InvalidInput, message)
        };
        let name = HeaderName::try_from(name).map_err(|_| invalid())?;
        if is_of_connection(name.as_str()) {
            let message = format!("the header {name} cannot be set: it belongs to the connection");
            return Err(Error::new(ErrorKind::InvalidInput, message).with_hint("leave it out"));
        }
        let own =
            name == HOST || name == AUTHORIZATION && config.authorised || name.as_str().starts_with("x-amz-");
        if !own {
            let mut value = HeaderValue::from_str(value).map_err(|_| invalid())?;
            // Media types are words that a message may need.
            value.set_sensitive(name != ACCEPT && name != CONTENT_TYPE);
            headers.insert(name, value);
        }
    }
    for (name, value) in &call.headers {
        headers.insert(name, value.clone());
    }
    Ok(headers)
}

/// Whether a code says that the credentials have expired, over HTTP or in a stream.
fn credentials_expired(code: &str) -> bool {
    ["ExpiredToken", "ExpiredTokenException"].iter().any(|expired| expired.eq_ignore_ascii_case(code))
}

pub(super) fn wrong_form(call: &Call) -> Error {
    let name = call.operation.name();
    let (form, method) =
        if call.operation.is_streamed() { ("as a stream", "send_stream") } else { ("whole", "send") };
    Error::new(ErrorKind::InvalidInput, format!("{name} is answered {form}: {method} is the method for it"))
}

/// Waits no longer than this.
async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        let seconds = seconds(limit);
        Err(Error::new(ErrorKind::Timeout, format!("{what} within {seconds} seconds")))
    })
}

/// Reads the beginning of a body that is for people to read: as much as comes soon.
async fn read_beginning(mut body: Body, idle: Duration) -> Bytes {
    let mut beginning = BytesMut::new();
    let reading = async {
        while beginning.len() < LONGEST_REFUSAL
            && let Some(Ok(bytes)) = std::future::poll_fn(|task| Pin::new(&mut body).poll_next(task)).await
        {
            beginning.extend_from_slice(&bytes);
        }
    };
    // What has come until then is told.
    let _ = timeout(idle.min(LONGEST_WAIT_FOR_REFUSAL), reading).await;
    beginning.freeze()
}

/// Reads a body to its end, which must come before it is longer than `longest`.
async fn read_whole(mut body: Body, idle: Duration, longest: usize) -> Result<Bytes> {
    let mut whole = BytesMut::new();
    loop {
        let next = std::future::poll_fn(|task| Pin::new(&mut body).poll_next(task));
        let next = async { next.await.transpose() };
        match within(idle, "idle timeout: nothing more came", next).await? {
            None => return Ok(whole.freeze()),
            Some(bytes) if whole.len() + bytes.len() > longest => {
                return Err(Error::new(
                    ErrorKind::Damaged,
                    format!("an answer of at most {longest} bytes expected, a longer one found"),
                ));
            }
            Some(bytes) => whole.extend_from_slice(&bytes),
        }
    }
}

/// The name that both services sign with.
const SIGNING_NAME: &str = "bedrock";
/// How long a look-up for a hint may take.
const LONGEST_LOOK_UP: Duration = Duration::from_secs(5);
/// How long the whole of a refusal may take to come.
const LONGEST_WAIT_FOR_REFUSAL: Duration = Duration::from_secs(10);
/// What is read of a refusal, in bytes.
const LONGEST_REFUSAL: usize = 1024 * 1024;
/// What is read of an answer that comes whole, in bytes: images and embeddings are of some megabytes.
const LONGEST_ANSWER: usize = 256 * 1024 * 1024;
