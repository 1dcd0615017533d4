//! The client: credentials, request, signature, transport, and again if need be.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use ::http::{Request, Response};
use bytes::{Bytes, BytesMut};
use futures_core::Stream as _;
use tokio::time::{Instant, timeout};

use crate::config::{Config, Place};
use crate::converse::{ConverseRequest, ConverseResponse};
use crate::credentials::{Chain, Credentials, Search};
use crate::endpoint::{Endpoint, Region, region_of_arn};
use crate::error::{Error, ErrorKind, Result};
use crate::operation::{AnswerForm, Call};
use crate::progress::Progress;
use crate::refusal;
use crate::retry::{Quota, Retry};
use crate::sign::{self, Scope};
use crate::stream::{EventStream, FrameStream};
use crate::transport::{Body, Http, HttpConfig, Transport};

/// A client of Amazon Bedrock.
///
/// To clone it is cheap, and the clones share connections, credentials and the quota of retries.
///
/// ```no_run
/// use pumice::converse::{ConverseRequest, Message};
/// use pumice::{Client, Event};
///
/// # async fn example() -> pumice::Result<()> {
/// let client = Client::from_env();
/// let request = ConverseRequest::new("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
///     .message(Message::user("Name three volcanoes."));
/// let mut events = client.converse_stream(&request).await?;
/// while let Some(event) = events.next_event().await? {
///     if let Event::ContentBlockDelta(event) = event {
///         print!("{}", event.delta.as_text().unwrap_or_default());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    chain: Chain,
    quota: Quota,
    /// Made when it is first needed, unless the configuration brings one: a call that is refused before
    /// it is sent needs none.
    transport: OnceLock<Arc<dyn Transport>>,
}

/// Who calls, and where to: what [`Client::identify`] finds.
#[derive(Debug)]
#[non_exhaustive]
pub struct Identity {
    /// The credentials, or why there are none, and each source that was looked at.
    pub search: Search,
    /// The region, and what named it.
    pub region: Region,
    /// Where the runtime is called.
    pub runtime: Endpoint,
    /// Where the control plane is called.
    pub control: Endpoint,
}

impl Client {
    /// A client with these settings. Nothing is read or opened before the first call.
    pub fn new(config: Config) -> Self {
        let chain = Chain::standard(config.profile.as_deref());
        Self(Arc::new(Inner { config, chain, quota: Quota::new(), transport: OnceLock::new() }))
    }

    /// A client as the environment and the AWS files say.
    pub fn from_env() -> Self {
        Self::new(Config::new())
    }

    /// Converse: the whole answer at once.
    pub async fn converse(&self, request: &ConverseRequest) -> Result<ConverseResponse> {
        let answer = self.send(&Call::converse(&request.model_id, request.body()?)?).await?;
        serde_json::from_slice(answer.body()).map_err(|source| {
            Error::new(ErrorKind::Damaged, "the answer is not the JSON of a Converse response")
                .with_source(source)
                .with_status(answer.status().as_u16())
                .with_request_id(refusal::request_id(answer.headers()))
        })
    }

    /// ConverseStream: the answer as it is made. Returns when the first event has arrived; up to there a
    /// failure is tried again, and never after.
    pub async fn converse_stream(&self, request: &ConverseRequest) -> Result<EventStream> {
        let call = Call::converse_stream(&request.model_id, request.body()?)?;
        self.send_stream(&call).await.map(EventStream::new)
    }

    /// A call whose answer is whole: its status, headers and body.
    pub async fn send(&self, call: &Call) -> Result<Response<Bytes>> {
        match self.answer(call).await? {
            Answer::Whole(response) => Ok(response),
            Answer::Stream(_) => Err(wrong_form(call, "send_stream")),
        }
    }

    /// A call whose answer is a stream of events: its frames.
    pub async fn send_stream(&self, call: &Call) -> Result<FrameStream> {
        match self.answer(call).await? {
            Answer::Stream(frames) => Ok(frames),
            Answer::Whole(_) => Err(wrong_form(call, "send")),
        }
    }

    /// Which credentials will be used, from where, and where calls go. Asks no service.
    ///
    /// Fails when region or endpoint cannot be; that there are no credentials is in the answer.
    pub async fn identify(&self) -> Result<Identity> {
        let Place { region, runtime, control, .. } = self.0.config.place(None)?;
        let search = self.0.chain.search(&self.0.config.context).await;
        Ok(Identity { search, region, runtime, control })
    }

    /// Makes the call, again if need be, until there is something to deliver.
    async fn answer(&self, call: &Call) -> Result<Answer> {
        let Inner { config, quota, .. } = &*self.0;
        let place = config.place(call.model_id.as_deref().and_then(region_of_arn))?;
        let retry = config.retry.unwrap_or_else(|| match place.max_attempts {
            Some(attempts) => Retry::standard().max_attempts(attempts),
            None => Retry::standard(),
        });
        let invocation = invocation_id(config.context.random(), config.context.random());
        let mut cost = None;
        for attempt in 1.. {
            let failed = match self.attempt(call, &place, &invocation, attempt, retry.max_attempts).await {
                Ok(answer) => {
                    quota.give_back(cost);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let Some(delay) = retry.delay(&failed, attempt, fraction(config.context.random())) else {
                return Err(failed);
            };
            cost = quota.take(&failed);
            if cost.is_none() {
                return Err(failed);
            }
            config.watcher.tell(&Progress::Retrying { error: &failed, delay });
            tokio::time::sleep(delay).await;
        }
        // The loop has no end of its own.
        Err(Error::new(ErrorKind::Service, "no attempt was made"))
    }

    async fn attempt(
        &self,
        call: &Call,
        place: &Place,
        invocation: &str,
        attempt: u32,
        max_attempts: u32,
    ) -> Result<Answer> {
        let Inner { config, .. } = &*self.0;
        let mut request = self.request(call, place).await?;
        let counted = format!("attempt={attempt}; max={max_attempts}");
        // These say something of the attempt and not of the call, so they are not signed.
        for (name, value) in [("amz-sdk-invocation-id", invocation), ("amz-sdk-request", &counted)] {
            let value = HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }

        let url = request.uri().to_string();
        config.watcher.tell(&Progress::Sending { operation: call.operation.name(), url: &url, attempt });
        let sent = Instant::now();
        let transport = self.transport()?;
        let response =
            within(config.first_byte_timeout, "first-byte timeout: no answer", transport.send(request))
                .await?;
        let (head, body) = response.into_parts();
        let id = refusal::request_id(&head.headers).map(str::to_owned);
        config.watcher.tell(&Progress::Answered {
            status: head.status.as_u16(),
            request_id: id.as_deref(),
            after: sent.elapsed(),
        });

        let located = |error: Error| error.with_status(head.status.as_u16()).with_request_id(id.as_deref());
        if !head.status.is_success() {
            // A refusal whose body does not arrive is a refusal all the same.
            let body = read_whole(body, config.idle_timeout, LONGEST_REFUSAL).await.unwrap_or_default();
            return Err(refusal::error(&head, &body, config.context.now()));
        }
        if let AnswerForm::Stream { closing_event } = call.operation.answer_form() {
            let response = Response::from_parts(head, body);
            let mut frames = FrameStream::new(response, closing_event, config.idle_timeout);
            frames.wait_for_first().await?;
            return Ok(Answer::Stream(frames));
        }
        let body = read_whole(body, config.idle_timeout, LONGEST_ANSWER).await.map_err(located)?;
        Ok(Answer::Whole(Response::from_parts(head, body)))
    }

    /// The request as it is sent, with what authorises it.
    async fn request(&self, call: &Call, place: &Place) -> Result<Request<Bytes>> {
        let Inner { config, chain, .. } = &*self.0;
        let endpoint = place.endpoint(call.operation.service());
        let url = endpoint.call_url(&call.path, &[])?;
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(&url)
            .extension(call.operation)
            .body(call.body.clone())
            .map_err(|source| Error::new(ErrorKind::InvalidInput, "a URL expected").with_source(source))?;
        *request.headers_mut() = call.headers.clone();
        if !config.authorised {
            return Ok(request);
        }

        let found = chain.search(&config.context).await.result?;
        config.watcher.tell(&Progress::Credentials { link: &found.link });
        match &found.credentials {
            Credentials::Bearer(_) if !endpoint.may_carry_secrets() => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the endpoint {} is not https, and a bearer token goes over plain http only to this machine", endpoint.url()),
            )
            .with_hint("give an https URL, or use access keys, whose secret is not sent")),
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
                let headers = sign::sign(&request, keys, scope, config.context.now())?;
                request.headers_mut().extend(headers);
                Ok(request)
            }
        }
    }

    fn transport(&self) -> Result<&Arc<dyn Transport>> {
        let Inner { config, transport, .. } = &*self.0;
        if let Some(given) = &config.transport {
            return Ok(given);
        }
        if let Some(made) = transport.get() {
            return Ok(made);
        }
        let http = HttpConfig { connect_timeout: config.connect_timeout, ..HttpConfig::default() };
        let http = Http::new(&http, &config.context)?;
        Ok(transport.get_or_init(|| Arc::new(http)))
    }
}

/// What a call came to.
enum Answer {
    Whole(Response<Bytes>),
    Stream(FrameStream),
}

fn wrong_form(call: &Call, other: &str) -> Error {
    let name = call.operation.name();
    Error::new(
        ErrorKind::InvalidInput,
        format!("{name} is answered in another form: {other} is the method for it"),
    )
}

/// Waits no longer than this.
async fn within<T>(limit: Duration, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        let seconds = limit.as_secs_f64();
        Err(Error::new(ErrorKind::Timeout, format!("{what} within {seconds} seconds")))
    })
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

/// An id for all attempts of one call, in the form of a random UUID (version 4).
fn invocation_id(high: u64, low: u64) -> String {
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{high:016x}{low:016x}");
    [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| hex.get(part).unwrap_or_default()).join("-")
}

/// From 0 to 1, of the 32 highest bits.
fn fraction(random: u64) -> f64 {
    f64::from(u32::try_from(random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
}

/// The name that both services sign with.
const SIGNING_NAME: &str = "bedrock";
/// What is read of a refusal, in bytes.
const LONGEST_REFUSAL: usize = 1024 * 1024;
/// What is read of an answer that comes whole, in bytes: images and embeddings are of some megabytes.
const LONGEST_ANSWER: usize = 256 * 1024 * 1024;
