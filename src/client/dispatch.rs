//! One call from beginning to end: its target, its credentials, its attempts, and the hint when it is refused.
//!
//! ```text
//! Attempts::new ─▶ send ─▶ read ─▶ succeeded
//!                   ▲ │      │
//!                   │ ▼      ▼
//!                   └ failed ┴──▶ Err, if there is no further attempt
//! ```
//!
//! Only `read` depends on the form of the response. The rest is compiled once.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ::http::Method;
use ::http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use ::http::response::Parts;
use aws_credential_types::Token;
use bytes::{Bytes, BytesMut};
use tokio::time::{Instant, timeout};

use super::request::request;
use super::{Client, Identity, Memory, unreadable};
use crate::config::{Config, Target};
use crate::context::AwsFiles;
use crate::credentials::{Cache, Credentials, Resolved, Search};
use crate::endpoint::{EndpointSource, Service};
use crate::frame::MEDIA_TYPE;
use crate::hint::{self, Refused};
use crate::inference_profile::{ListInferenceProfilesRequest, ListInferenceProfilesResponse};
use crate::operation::{Call, Operation, Request as _};
use crate::progress::Progress;
use crate::redaction::{Redaction, Shown};
use crate::refusal;
use crate::retry::{Quota, RateLimit, unless_charged_twice};
use crate::stream::{FrameStream, ResponseBody, in_seconds};
use crate::transport::{Transport, TransportFuture, Unsent};
use crate::{Error, ErrorKind, Hint, Result};

/// What a client and its clones share, including those with [overrides](super::Overrides).
#[derive(Debug)]
pub(super) struct Shared {
    credentials: Cache,
    quota: Quota,
    rate: Mutex<RateLimit>,
    created: Instant,
    /// See [`proxy_secrets`](crate::transport::proxy_secrets); known when the transport is created.
    pub(super) proxy_secrets: OnceLock<Vec<Token>>,
    pub(super) memory: Memory,
    /// Created on first use, unless the configuration brings one.
    transport: OnceLock<Arc<dyn Transport>>,
}

impl Shared {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            credentials: Cache::new(config.provider(), config.0.context.clone()),
            quota: Quota::new(),
            rate: Mutex::default(),
            created: Instant::now(),
            proxy_secrets: OnceLock::new(),
            memory: Memory::default(),
            transport: OnceLock::new(),
        }
    }

    fn with_rate<T>(&self, work: impl FnOnce(&mut RateLimit, Duration) -> T) -> T {
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut rate, self.created.elapsed())
    }

    /// Searches for credentials again, since the service has refused these. Whether others were found.
    async fn renewed(&self, refused: &Arc<Resolved>, files: &AwsFiles) -> bool {
        self.credentials.give_up(refused);
        let found = self.credentials.credentials(files).await;
        found.is_ok_and(|found| !found.credentials.is_same_as(&refused.credentials))
    }
}

/// Boxed so that it is compiled once, here, and not in each crate that awaits it.
pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

impl Client {
    /// Sends a call and reads the whole response.
    pub(super) fn whole<'a>(&'a self, call: &'a Call) -> Boxed<'a, (Parts, Bytes)> {
        spanned(call, self.retried(call, |received| received.whole(call.operation)))
    }

    /// Sends a call whose response is a stream of frames, and waits for the first frame.
    pub(super) fn frames<'a>(
        &'a self,
        call: &'a Call,
        closing_event: Option<&'static str>,
    ) -> Boxed<'a, FrameStream> {
        spanned(call, self.retried(call, move |received| received.frames(closing_event)))
    }

    /// Sends a call and leaves the body of the response unread.
    pub(super) fn raw<'a>(&'a self, call: &'a Call) -> Boxed<'a, (Parts, ResponseBody)> {
        let read = |received: Received| std::future::ready(Ok((received.head, received.body)));
        spanned(call, self.retried(call, read))
    }

    /// Sends a call and leaves the body of the response unread, whatever its status is. The call is repeated only with
    /// new credentials or a corrected clock: everything else is for whoever made it.
    pub(super) fn passed<'a>(&'a self, call: &'a Call) -> Boxed<'a, (Parts, ResponseBody)> {
        spanned(call, async move {
            let mut attempts = Attempts::new(self, call, false).await?;
            match attempts.send().await {
                Ok(Received { head, body }) => Ok((head, body)),
                Err(error) => match attempts.refused.take() {
                    Some((head, body)) => Ok((head, ResponseBody::arrived(body))),
                    None => Err(error),
                },
            }
        })
    }

    pub(super) async fn search(&self, files: &AwsFiles) -> Search {
        self.shared.credentials.search(files).await
    }

    pub(super) async fn identity(&self) -> Result<Identity> {
        let files = self.config.0.context.aws_files();
        let search = self.search(&files).await;
        let found = search.result.as_ref().ok();
        let instance_region = found.and_then(|found| found.region.clone());
        let target = |service| {
            let instance_region = instance_region.clone();
            self.config.target(service, None, &files, async { Ok(instance_region) })
        };
        let Target { region, endpoint: runtime, .. } = target(Service::Runtime).await?;
        let Target { endpoint: control, .. } = target(Service::Control).await?;
        Ok(Identity { search, region, runtime, control })
    }

    /// The target of a service's calls, of this model.
    pub(crate) async fn target(
        &self,
        service: Service,
        model_id: Option<&str>,
        files: &AwsFiles,
    ) -> Result<Target> {
        let instance_region = async { Ok(self.found(files).await?.and_then(|found| found.region.clone())) };
        self.config.target(service, model_id, files, instance_region).await
    }

    async fn target_of(&self, call: &Call, files: &AwsFiles) -> Result<Target> {
        #[cfg(feature = "bulk")]
        if let Some(region) = call.bucket.as_ref().and_then(|bucket| self.memory().bucket_regions.get(bucket))
        {
            let there = self.with(super::Overrides::new().region(region));
            return there.target(call.service, None, files).await;
        }
        self.target(call.service, call.model_id.as_deref(), files).await
    }

    /// Repeats a call until its response has been read or there is no further attempt.
    async fn retried<T, R: Future<Output = Result<T>>>(
        &self,
        call: &Call,
        read: impl Fn(Received) -> R,
    ) -> Result<T> {
        let mut attempts = Attempts::new(self, call, true).await?;
        loop {
            let received = attempts.send().await?;
            match read(received).await {
                Ok(response) => {
                    attempts.succeeded();
                    return Ok(response);
                }
                Err(error) => attempts.failed(error).await?,
            }
        }
    }

    /// The credentials, if calls are authorised.
    async fn found(&self, files: &AwsFiles) -> Result<Option<Arc<Resolved>>> {
        if !self.config.0.uses_credentials {
            return Ok(None);
        }
        self.shared.credentials.credentials(files).await.map(Some)
    }

    /// The inference profiles that serve a model, regional ones before the global one. This is for a hint, so it waits
    /// only for seconds. It fails if only the runtime, of this target, has an endpoint URL: Amazon's control plane does
    /// not belong to that endpoint.
    async fn profiles_of(&self, model_id: &str, runtime: &Target) -> Result<Vec<String>> {
        let files = self.config.0.context.aws_files();
        let target = &self.target(Service::Control, Some(model_id), &files).await?;
        let rules = &EndpointSource::Rules;
        if target.endpoint.source() == rules && runtime.endpoint.source() != rules {
            let message = "the runtime has an endpoint of its own, and the control plane does not";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let look_up = async {
            let call = ListInferenceProfilesRequest::new().max_results(1000u32).to_call()?;
            let once = Attempt { invocation: "", number: 1, max: 1 };
            let found = self.found(&files).await?;
            let received = self.attempt(&call, target, found.as_deref(), once, &mut None).await?;
            let (_, body) = received.whole(call.operation).await?;
            let listed: ListInferenceProfilesResponse = Operation::ListInferenceProfiles.read_json(&body)?;
            Ok(listed.serving(model_id))
        };
        let profiles = within(LONGEST_LOOK_UP, "no response", look_up).await?;
        let is_global = |profile: &String| profile.starts_with("global.");
        let (global, mut profiles) = profiles.into_iter().partition::<Vec<_>, _>(is_global);
        profiles.extend(global);
        Ok(profiles)
    }

    /// Sends the call once. A status other than 2xx is an error; then `refused` is the response.
    async fn attempt(
        &self,
        call: &Call,
        target: &Target,
        found: Option<&Resolved>,
        Attempt { invocation, number, max }: Attempt<'_>,
        refused: &mut Option<(Parts, Bytes)>,
    ) -> Result<Received> {
        let config = &self.config;
        let endpoint = &target.endpoint;
        #[cfg(feature = "bulk")]
        let endpoint = &match &call.bucket {
            Some(bucket) => Cow::Owned(endpoint.of_bucket(bucket)),
            None => Cow::Borrowed(endpoint),
        };
        let mut request = self.authorise(request(config, call, endpoint)?, call.service, endpoint, found)?;
        let counted = format!("attempt={number}; max={max}");
        self.keep_from_plain_http(&request, endpoint)?;
        // They describe the attempt, not the call, so they are not signed.
        for (name, value) in [("amz-sdk-invocation-id", invocation), ("amz-sdk-request", &counted)] {
            let value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        // The HTTP client does not send it for an empty body.
        if matches!(call.method, Method::POST | Method::PUT) && call.body.is_empty() {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }

        let url = endpoint.shown_call(&request.uri().to_string());
        config.0.watcher.report(&Progress::Sending { operation: call.name(), url: &url, attempt: number });
        let transport = self.transport(target)?;
        let redaction = Arc::new(self.redaction(&request, found));
        request.extensions_mut().insert(Shown { url, redaction: Arc::clone(&redaction) });
        let unsent = Unsent::default();
        request.extensions_mut().insert(unsent.clone());
        let received = self.receive(transport.send(request), &redaction, &unsent, refused).await;
        received.map_err(|error| redaction.error(error))
    }

    /// Waits for the head of the response.
    async fn receive(
        &self,
        sending: TransportFuture<'_>,
        redaction: &Arc<Redaction>,
        unsent: &Unsent,
        refused: &mut Option<(Parts, Bytes)>,
    ) -> Result<Received> {
        let config = &self.config;
        let (sent, sent_at) = (Instant::now(), config.0.context.now());
        let response = within(config.0.first_byte_timeout, "first-byte timeout: no response", sending).await;
        let mut response = response.map_err(|error| match error.kind() {
            ErrorKind::Timeout if unsent.get() => {
                let limit = in_seconds(config.0.first_byte_timeout);
                Error::new(ErrorKind::Connect, format!("first-byte timeout: no connection within {limit}"))
                    .with_hint(Hint::CheckNetwork)
            }
            _ => error,
        })?;
        redaction.headers(response.headers_mut());
        let (mut head, body) = response.into_parts();
        config.0.watcher.report(&Progress::ResponseHead {
            status: head.status.as_u16(),
            request_id: refusal::request_id(&head.headers),
            after: sent.elapsed(),
        });
        let mut news = None;
        if config.0.uses_credentials {
            news = config.0.context.learn_clock(&head.headers, sent_at);
        }
        if let Some(seconds) = news {
            config.0.watcher.report(&Progress::ClockCorrected { seconds });
        }
        let body = ResponseBody::new(body, config.0.idle_timeout, Arc::clone(redaction));
        if head.status.is_success() {
            // For errors that are found when the body is read.
            head.extensions.insert(Arc::clone(redaction));
            return Ok(Received { head, body });
        }
        let body = beginning(body).await;
        let error = refusal::error(&head, &body, config.0.context.now());
        *refused = Some((head, redaction.bytes(body)));
        // With the clock corrected, the same call can succeed.
        Err(if config.0.uses_credentials { config.0.context.explained_by_clock(error, news) } else { error })
    }

    fn transport(&self, target: &Target) -> Result<&Arc<dyn Transport>> {
        let Self { config, shared } = self;
        if let Some(given) = &config.0.transport {
            return Ok(given);
        }
        if let Some(created) = shared.transport.get() {
            return Ok(created);
        }
        let http = config.network_trusting(target.ca_bundle.as_deref())?;
        let _ = shared.proxy_secrets.set(http.proxy_secrets.clone());
        Ok(shared.transport.get_or_init(|| Arc::new(http)))
    }
}

/// Boxes the future of a call. With the feature `tracing` it is in a span.
fn spanned<'a, T>(call: &Call, future: impl Future<Output = Result<T>> + Send + 'a) -> Boxed<'a, T> {
    #[cfg(feature = "tracing")]
    let future = {
        let span = tracing::debug_span!("bedrock", call = call.name(), model = call.model_id.as_deref());
        tracing::Instrument::instrument(future, span)
    };
    #[cfg(not(feature = "tracing"))]
    let _ = call;
    Box::pin(future)
}

/// One attempt of a call.
struct Attempt<'a> {
    invocation: &'a str,
    number: u32,
    max: u32,
}

/// The attempts of one call.
struct Attempts<'a> {
    client: &'a Client,
    call: Cow<'a, Call>,
    target: Target,
    /// Whether the call is repeated for other reasons than new credentials and a corrected clock.
    repeats: bool,
    /// The response of the last attempt, if the service refused it.
    refused: Option<(Parts, Bytes)>,
    /// Whether `call` is of the inference profile that serves the model.
    substituted: bool,
    invocation: String,
    /// The AWS files, which `target` was made with, for the first attempt. Each later one reads them again: they may
    /// have changed while it was waited for.
    files: Option<AwsFiles>,
    found: Option<Arc<Resolved>>,
    number: u32,
    /// How many attempts patience or new credentials allowed. They do not count toward the limit.
    beside: u32,
    waits: u32,
    waited: Duration,
    renewed: bool,
    /// What the last retry took from the quota.
    cost: Option<u32>,
    last: Option<Error>,
}

impl<'a> Attempts<'a> {
    async fn new(client: &'a Client, call: &'a Call, repeats: bool) -> Result<Self> {
        let config = &client.config;
        let call = match &config.0.project {
            Some(project) if repeats => Cow::Owned(call.in_project(project)?),
            _ => Cow::Borrowed(call),
        };
        let profile =
            if repeats { call.model_id.as_deref().and_then(|id| client.profile_of(id)) } else { None };
        let substituted = profile.is_some();
        let call = profile.map_or(call.clone(), |profile| Cow::Owned(call.of_model(&profile)));
        let files = config.0.context.aws_files();
        Ok(Self {
            client,
            target: client.target_of(&call, &files).await?,
            call,
            repeats,
            refused: None,
            substituted,
            invocation: config.0.context.uuid(),
            files: Some(files),
            found: None,
            number: 0,
            beside: 0,
            waits: 0,
            waited: Duration::ZERO,
            renewed: false,
            cost: None,
            last: None,
        })
    }

    /// Sends the call until there is a response with status 2xx or no further attempt.
    async fn send(&mut self) -> Result<Received> {
        loop {
            self.number += 1;
            let files = self.files.take().unwrap_or_else(|| self.client.config.0.context.aws_files());
            self.found = self.client.found(&files).await?;
            let retry = self.target.retry;
            if retry.adaptive {
                let wait = self.client.shared.with_rate(RateLimit::take);
                tokio::time::sleep(wait).await;
            }
            let Self { client, call, target, number, invocation, found, .. } = &*self;
            let attempt = Attempt { invocation, number: *number, max: retry.max_attempts.max(*number) };
            let mut refused = None;
            let received = client.attempt(call, target, found.as_deref(), attempt, &mut refused).await;
            self.refused = refused;
            match received {
                Ok(received) => return Ok(received),
                #[cfg(feature = "bulk")]
                Err(error) if self.follow_bucket(&error, &files).await? => {}
                Err(error) => self.failed(error).await?,
            }
        }
    }

    /// Continues in the bucket's own region, if S3 names it. Such an attempt does not count.
    #[cfg(feature = "bulk")]
    async fn follow_bucket(&mut self, error: &Error, files: &AwsFiles) -> Result<bool> {
        let Self { client, call, target, refused, .. } = self;
        let (Some(bucket), Some((head, body))) = (&call.bucket, refused) else { return Ok(false) };
        let regions = &client.memory().bucket_regions;
        let region = refusal::bucket_region(head, body);
        let region = region.filter(|region| region != target.endpoint.region());
        let Some(region) = region.filter(|_| regions.get(bucket).is_none()) else { return Ok(false) };
        client.config.0.watcher.report(&Progress::Retrying { error, delay: Duration::ZERO });
        regions.insert(bucket, &region);
        self.target = client.target_of(call, files).await?;
        self.beside += 1;
        Ok(true)
    }

    fn succeeded(&self) {
        self.learn(false);
        self.client.shared.quota.give_back(self.cost);
    }

    /// Waits until the next attempt is due, or fails with `error` if there is none.
    async fn failed(&mut self, error: Error) -> Result<()> {
        self.learn(error.kind() == ErrorKind::Throttled);
        let last = self.last.take();
        // A recording that has no further response ended with the one before.
        if let (Some(last), ErrorKind::Recording) = (last, error.kind()) {
            return Err(last);
        }
        let Client { config, shared } = self.client;
        let found = self.found.as_deref();
        let doubt = found.and_then(Resolved::doubt);
        let refused = Refused {
            model_id: self.call.model_id.as_deref(),
            region: self.target.region.name(),
            link: found.map(|found| found.link.as_str()),
            is_bearer: found.is_some_and(|found| matches!(found.credentials, Credentials::Bearer(_))),
            doubt: doubt.as_ref(),
        };
        #[cfg(feature = "bulk")]
        let hint = if self.call.service.is_s3() {
            hint::of_s3(&error, refused)
        } else {
            hint::hint(&error, refused)
        };
        #[cfg(not(feature = "bulk"))]
        let hint = hint::hint(&error, refused);
        let error = unless_charged_twice(error, &self.call).or_hint(hint);
        let retry = self.target.retry;
        let chance = config.0.context.chance();
        let expired = !self.renewed && error.code().is_some_and(credentials_expired);
        let delay = if let (Some(found), true) = (&self.found, expired)
            && shared.renewed(found, &config.0.context.aws_files()).await
        {
            self.renewed = true;
            self.beside += 1;
            config.0.watcher.report(&Progress::Retrying { error: &error, delay: Duration::ZERO });
            Duration::ZERO
        } else if !self.repeats {
            match error.hint() {
                Some(Hint::CheckClock { .. }) if error.is_retryable() && self.number < 3 => Duration::ZERO,
                _ => return Err(error),
            }
        } else if let Some(delay) = retry.patient_delay(&error, self.waits + 1, self.waited, chance) {
            self.waits += 1;
            self.beside += 1;
            self.waited += delay;
            let left = retry.patience.unwrap_or_default().saturating_sub(self.waited);
            config.0.watcher.report(&Progress::Waiting { error: &error, delay, left });
            delay
        } else if let Some(delay) = retry.delay(&error, self.number - self.beside, chance) {
            self.cost = shared.quota.take(&error);
            if self.cost.is_none() {
                return Err(self.counted(error));
            }
            config.0.watcher.report(&Progress::Retrying { error: &error, delay });
            delay
        } else {
            return self.substitute_profile(self.counted(error)).await;
        };
        self.last = Some(error);
        tokio::time::sleep(delay).await;
        Ok(())
    }

    /// The error that ends the call, with the number of attempts if the connection failed.
    fn counted(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::BrokenOff => {
                error.with_attempts(self.number)
            }
            _ => error,
        }
    }

    /// Continues with the inference profile that serves the model, if the error requires one and the client may.
    /// Otherwise fails with a hint that names the profiles.
    async fn substitute_profile(&mut self, error: Error) -> Result<()> {
        let Some(model_id) = self.call.model_id.clone() else { return Err(error) };
        if self.substituted || !hint::needs_inference_profile(&error) {
            return Err(error);
        }
        let client = self.client;
        let profiles = client.profiles_of(&model_id, &self.target).await;
        match profiles.as_deref() {
            Ok([profile, ..]) if client.config.0.auto_profile => {
                let taken = Progress::ProfileUsed { model_id: &model_id, profile_id: profile };
                client.config.0.watcher.report(&taken);
                client.memory().served_by.insert(&model_id, profile);
                self.call = Cow::Owned(self.call.of_model(profile));
                self.substituted = true;
                // It is a new call: its attempts count from 1.
                self.invocation = client.config.0.context.uuid();
                (self.number, self.beside, self.waits, self.waited) = (0, 0, 0, Duration::ZERO);
                (self.renewed, self.cost) = (false, None);
                Ok(())
            }
            _ => {
                let hint = hint::inference_profiles(&model_id, profiles, self.target.region.name());
                Err(error.or_hint(Some(hint)))
            }
        }
    }

    fn learn(&self, throttled: bool) {
        if self.target.retry.adaptive {
            self.client.shared.with_rate(|rate, now| rate.learn(now, throttled));
        }
    }
}

/// A response with status 2xx, whose body has not been read yet.
struct Received {
    head: Parts,
    body: ResponseBody,
}

impl Received {
    async fn whole(self, operation: Option<Operation>) -> Result<(Parts, Bytes)> {
        let Self { head, body } = self;
        let body = body.bytes().await.map_err(|error| unreadable(error, &head))?;
        match operation.and_then(|operation| operation.expected_instead(&head.headers, &body)) {
            Some(expected) => Err(unreadable(refusal::unexpected(&head, &body, &expected), &head)),
            None => Ok((head, body)),
        }
    }

    async fn frames(self, closing_event: Option<&'static str>) -> Result<FrameStream> {
        let Self { head, body } = self;
        if !refusal::may_be(MEDIA_TYPE, &head.headers) {
            let error = refusal::unexpected(&head, &beginning(body).await, MEDIA_TYPE);
            return Err(unreadable(error, &head));
        }
        let mut frames = FrameStream::new(head, body, closing_event);
        frames.wait_for_first().await?;
        Ok(frames)
    }
}

/// The beginning of the body of an error response. A body that breaks off or does not arrive in time does not hide
/// the error.
async fn beginning(mut body: ResponseBody) -> Bytes {
    let mut beginning = BytesMut::new();
    let reading = async {
        while beginning.len() < LONGEST_REFUSAL
            && let Ok(Some(bytes)) = body.next_chunk().await
        {
            beginning.extend_from_slice(&bytes);
        }
    };
    // What has arrived by then is enough.
    let _ = timeout(LONGEST_WAIT_FOR_REFUSAL, reading).await;
    beginning.freeze()
}

/// Whether a code says that the credentials have expired, over HTTP or in a stream.
fn credentials_expired(code: &str) -> bool {
    ["ExpiredToken", "ExpiredTokenException"].iter().any(|expired| expired.eq_ignore_ascii_case(code))
}

/// Waits for at most this long.
async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Timeout, format!("{what} within {}", in_seconds(limit))))
    })
}

/// How long a lookup for a hint may take.
const LONGEST_LOOK_UP: Duration = Duration::from_secs(5);
/// How long to wait for the body of an error response.
const LONGEST_WAIT_FOR_REFUSAL: Duration = Duration::from_secs(10);
/// How much of an error response's body is read, in bytes.
const LONGEST_REFUSAL: usize = 1024 * 1024;

#[cfg(feature = "chain")]
#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::context::Context;
    use crate::converse::{ConverseRequest, Message};
    use crate::retry::Retry;
    use crate::transport::TransportFuture;

    /// Refuses every call.
    #[derive(Debug)]
    struct Refuses;

    impl Transport for Refuses {
        fn send(&self, _: ::http::Request<Bytes>) -> TransportFuture<'_> {
            Box::pin(async { Err(Error::new(ErrorKind::Connect, "refused")) })
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_reads_the_aws_files_once_an_attempt() {
        let files = ["/home/.aws/config", "/home/.aws/credentials"].map(PathBuf::from);
        let [config, credentials] = &files;
        let context = Context::fake()
            .with_env("HOME", "/home")
            .with_file(config, "[default]\nregion = eu-west-1\n")
            .with_file(credentials, "[default]\naws_access_key_id = AK\naws_secret_access_key = sekret\n");
        let client = Client::new(
            Config::new().context(context.clone()).transport(Arc::new(Refuses)).retry(Retry::never()),
        );
        let request = ConverseRequest::new("m").message(Message::user("Hi"));
        let mut expected = Vec::<&Path>::new();
        // The first call searches for credentials, the second compares the files.
        for _ in 0..2 {
            client.converse(&request).await.unwrap_err();
            expected.extend(files.iter().map(PathBuf::as_path));
            assert_eq!(context.reads(), expected);
        }
        client.identify().await.unwrap().search.result.unwrap();
        expected.extend(files.iter().map(PathBuf::as_path));
        assert_eq!(context.reads(), expected);

        let tries = client.with(crate::Overrides::new().retry(Retry::standard().max_attempts(3)));
        tries.converse(&request).await.unwrap_err();
        assert_eq!(context.reads().len(), expected.len() + 3 * files.len());
    }
}
