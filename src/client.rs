//! The client: credentials, request, signature, transport, and again if need be.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use ::http::{Request, Response};
use bytes::{Bytes, BytesMut};
use futures_core::Stream as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::config::{Config, Place};
use crate::converse::{ConverseRequest, ConverseResponse};
use crate::count_tokens::{CountTokensRequest, CountTokensResponse};
use crate::credentials::{Chain, Credentials, Search};
use crate::endpoint::{Endpoint, Region, region_of_arn};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::foundation_model::{
    GetFoundationModelRequest, GetFoundationModelResponse, ListFoundationModelsRequest,
    ListFoundationModelsResponse,
};
use crate::guardrail::{ApplyGuardrailRequest, ApplyGuardrailResponse};
use crate::inference_profile::{
    GetInferenceProfileRequest, InferenceProfileSummary, ListInferenceProfilesRequest,
    ListInferenceProfilesResponse,
};
use crate::invoke_model::{InvokeModelRequest, InvokeModelResponse, ResponseStreamEvent};
use crate::operation::{self, AnswerForm, Call, Operation};
use crate::progress::Progress;
use crate::refusal;
use crate::retry::{Quota, Retry};
use crate::shape::{Blob, Document, Members};
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
        let chain = match &config.bearer_token {
            Some(token) => Chain::given(token.clone()),
            None => Chain::standard(config.profile.as_deref()),
        };
        Self(Arc::new(Inner { config, chain, quota: Quota::new(), transport: OnceLock::new() }))
    }

    /// A client as the environment and the AWS files say.
    pub fn from_env() -> Self {
        Self::new(Config::new())
    }

    /// What the client is made of.
    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    /// Converse: the whole answer at once.
    ///
    /// Like all calls here, it fails with an [`ErrorKind`] that says what the service, the network or the
    /// input was at fault for; with [`ErrorKind::Damaged`] when the answer is not the JSON of a response.
    pub async fn converse(&self, request: &ConverseRequest) -> Result<ConverseResponse> {
        self.read(&Call::converse(request)?).await
    }

    /// ConverseStream: the answer as it is made. Returns when the first event has arrived; up to there a
    /// failure is tried again, and never after.
    pub async fn converse_stream(&self, request: &ConverseRequest) -> Result<EventStream> {
        let frames = self.send_stream(&Call::converse_stream(request)?).await?;
        Ok(EventStream::new(frames, Event::from_frame))
    }

    /// InvokeModel: a model called in its own form, the whole answer at once.
    ///
    /// How many tokens it took, the service says in headers that are no part of the API
    /// (`X-Amzn-Bedrock-Input-Token-Count`, ...): [`send`](Self::send) gives all of them.
    pub async fn invoke_model(&self, request: &InvokeModelRequest) -> Result<InvokeModelResponse> {
        let (head, body) = self.send(&Call::invoke_model(request)?).await?.into_parts();
        let member = |name| Operation::InvokeModel.member_in_headers(name, &head.headers);
        Ok(InvokeModelResponse {
            content_type: member("contentType").map(str::to_owned),
            performance_config_latency: member("performanceConfigLatency").map(Into::into),
            service_tier: member("serviceTier").map(Into::into),
            ..InvokeModelResponse::new(body)
        })
    }

    /// `InvokeModelWithResponseStream`: a model called in its own form, the answer as it is made. Returns
    /// when the first event has arrived; up to there a failure is tried again, and never after.
    pub async fn invoke_model_with_response_stream(
        &self,
        request: &InvokeModelRequest,
    ) -> Result<EventStream<ResponseStreamEvent>> {
        let frames = self.send_stream(&Call::invoke_model_with_response_stream(request)?).await?;
        Ok(EventStream::new(frames, ResponseStreamEvent::from_frame))
    }

    /// `CountTokens`: how many tokens a request has, without the request being made.
    pub async fn count_tokens(&self, request: &CountTokensRequest) -> Result<CountTokensResponse> {
        self.read(&Call::count_tokens(request)?).await
    }

    /// `ApplyGuardrail`: what a guardrail says of a text or an image, without any model.
    pub async fn apply_guardrail(&self, request: &ApplyGuardrailRequest) -> Result<ApplyGuardrailResponse> {
        self.read(&Call::apply_guardrail(request)?).await
    }

    /// `ListFoundationModels`: the models that there are in the region, all on one page.
    pub async fn list_foundation_models(
        &self,
        request: &ListFoundationModelsRequest,
    ) -> Result<ListFoundationModelsResponse> {
        self.read(&Call::list_foundation_models(request)?).await
    }

    /// `GetFoundationModel`: what is known of one model.
    pub async fn get_foundation_model(
        &self,
        request: &GetFoundationModelRequest,
    ) -> Result<GetFoundationModelResponse> {
        self.read(&Call::get_foundation_model(request)?).await
    }

    /// `ListInferenceProfiles`: all profiles, from the page of the request's `next_token` to the last.
    ///
    /// Fails with [`ErrorKind::Damaged`] when the service sends for a page a second time.
    pub async fn list_inference_profiles(
        &self,
        request: &ListInferenceProfilesRequest,
    ) -> Result<ListInferenceProfilesResponse> {
        let operation = Operation::ListInferenceProfiles;
        let all = self.call(operation, &operation::members(request)?).await?;
        operation.read_json(all.text().as_bytes())
    }

    /// `GetInferenceProfile`: what is known of one inference profile.
    pub async fn get_inference_profile(
        &self,
        request: &GetInferenceProfileRequest,
    ) -> Result<InferenceProfileSummary> {
        self.read(&Call::get_inference_profile(request)?).await
    }

    /// Any operation that is answered whole, by the names of the service's model: a request's members to
    /// the members of the answer, blobs in base64. An answer of JSON is given as it came; of one in
    /// pages, all pages are asked for, up to the last, and given as one.
    pub async fn call(&self, operation: Operation, request: &Members) -> Result<Document> {
        let call = Call::new(operation, request)?;
        match operation.answer_form() {
            AnswerForm::Pages { items } => self.all_pages(call, request, items).await,
            AnswerForm::Payload { member, headers } => {
                let answer = self.send(&call).await?;
                let mut members = Members::default();
                for (name, _) in headers {
                    if let Some(value) = operation.member_in_headers(name, answer.headers()) {
                        members.insert(*name, Value::from(value));
                    }
                }
                members.insert(member, Document::write(&Blob(answer.into_body()))?);
                Document::write(&members)
            }
            AnswerForm::Json | AnswerForm::Stream { .. } => self.read(&call).await,
        }
    }

    /// A call whose answer is whole: its status, headers and body.
    pub async fn send(&self, call: &Call) -> Result<Response<Bytes>> {
        match self.answer(call, false).await? {
            Answer::Whole(response) => Ok(response),
            Answer::Stream(_) => Err(wrong_form(call)),
        }
    }

    /// A call whose answer is a stream of events: its frames.
    pub async fn send_stream(&self, call: &Call) -> Result<FrameStream> {
        match self.answer(call, true).await? {
            Answer::Stream(frames) => Ok(frames),
            Answer::Whole(_) => Err(wrong_form(call)),
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

    /// A call whose answer is JSON.
    async fn read<T: DeserializeOwned>(&self, call: &Call) -> Result<T> {
        let answer = self.send(call).await?;
        call.operation.read_json(answer.body()).map_err(|error| {
            error.with_status(answer.status().as_u16()).with_request_id(refusal::request_id(answer.headers()))
        })
    }

    /// Asks for a page after the other, and gives all as one: the first with the items of all in it.
    async fn all_pages(&self, first: Call, request: &Members, items: &str) -> Result<Document> {
        let (mut call, mut request) = (first, request.clone());
        let mut tokens = BTreeSet::new();
        tokens.extend(request.named(NEXT_TOKEN).and_then(|token| token.read::<String>().ok()));
        let mut all = Vec::<Document>::new();
        let mut whole: Option<Members> = None;
        loop {
            let operation = call.operation;
            let mut page = self.read::<Members>(&call).await?;
            let damaged = |member: &str, expected: &str| {
                let name = operation.name();
                Error::new(ErrorKind::Damaged, format!("the answer to {name}: {member}: {expected} expected"))
            };
            if let Some(list) = page.named(items) {
                let list = list.read::<Option<Vec<Document>>>();
                let list = list.map_err(|source| damaged(items, "a list").with_source(source))?;
                all.extend(list.unwrap_or_default());
            }
            let token = page.remove(NEXT_TOKEN).map(|token| token.read::<Option<String>>()).transpose();
            let token = token.map_err(|source| damaged(NEXT_TOKEN, "a string").with_source(source))?;
            let whole = whole.get_or_insert(page);
            let Some(token) = token.flatten().filter(|token| !token.is_empty()) else {
                whole.insert(items, Document::write(&all)?);
                return Document::write(whole);
            };
            if !tokens.insert(token.clone()) {
                return Err(damaged(NEXT_TOKEN, "the token of a page that was not given yet"));
            }
            request.insert(NEXT_TOKEN, Value::from(token));
            call = Call::new(operation, &request)?;
        }
    }

    /// Makes the call, again if need be, until there is something to deliver. `streamed` is the form
    /// that the answer is wanted in.
    async fn answer(&self, call: &Call, streamed: bool) -> Result<Answer> {
        if call.operation.is_streamed() != streamed {
            return Err(wrong_form(call));
        }
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
        let query = call.query.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Vec<_>>();
        let url = endpoint.call_url(&call.path, &query)?;
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(&url)
            .extension(call.operation)
            .body(call.body.clone())
            .map_err(|source| Error::new(ErrorKind::InvalidInput, "a URL expected").with_source(source))?;
        *request.headers_mut() = config.headers.clone();
        request.headers_mut().extend(call.headers.clone());
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

fn wrong_form(call: &Call) -> Error {
    let name = call.operation.name();
    let (form, method) =
        if call.operation.is_streamed() { ("as a stream", "send_stream") } else { ("whole", "send") };
    Error::new(ErrorKind::InvalidInput, format!("{name} is answered {form}: {method} is the method for it"))
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

/// The token of a list's next page, in a request and in an answer.
const NEXT_TOKEN: &str = "nextToken";
/// The name that both services sign with.
const SIGNING_NAME: &str = "bedrock";
/// What is read of a refusal, in bytes.
const LONGEST_REFUSAL: usize = 1024 * 1024;
/// What is read of an answer that comes whole, in bytes: images and embeddings are of some megabytes.
const LONGEST_ANSWER: usize = 256 * 1024 * 1024;
