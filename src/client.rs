//! The client: the operations as methods. [`dispatch`] sends a call.

mod diagnosis;
mod dispatch;
mod memory;
mod overrides;
mod request;

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

pub use self::diagnosis::{Reached, Unreached};
pub(crate) use self::memory::{Lookup, Memory};
pub use self::overrides::Overrides;

use self::dispatch::Shared;
use crate::config::Config;
use crate::converse::{ConverseRequest, ConverseResponse};
use crate::count_tokens::{CountTokensRequest, CountTokensResponse};
use crate::credentials::{Credentials, Search, Token};
use crate::endpoint::{Endpoint, Service};
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
use crate::operation::{
    Call, MEMBERS_IN_HEADERS, NEXT_TOKEN, Operation, Request, ResponseForm, StreamRequest,
};
use crate::redaction::Redaction;
use crate::refusal;
use crate::region::Region;
use crate::shape::{Blob, Document, Members};
use crate::stream::{EventStream, FrameStream, ResponseBody};
use crate::{Error, ErrorKind, Result};
use pumice_codec::internal::from_json;

/// A client of Amazon Bedrock.
///
/// Cloning is cheap; clones share connections, credentials and the retry quota.
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
///
/// # Which method
///
/// - A typed request whose response comes whole: [`send`](Self::send), or the method named after the operation.
/// - A typed request whose response is a stream: [`send_stream`](Self::send_stream), or
///   [`converse_stream`](Self::converse_stream) and
///   [`invoke_model_with_response_stream`](Self::invoke_model_with_response_stream).
/// - An operation by its name, with untyped members: [`call`](Self::call), or [`send_frames`](Self::send_frames)
///   for a stream.
/// - Any path of the service, or a response that you decode yourself: [`send_raw`](Self::send_raw), or for a gateway
///   [`pass`](Self::pass).
///
/// All fail with an [`Error`] whose [`kind`](Error::kind) says whether the service, the network or the input was
/// at fault. [`ErrorKind::Damaged`] means that a response is not what the API promises.
#[derive(Debug, Clone)]
pub struct Client {
    config: Arc<Config>,
    shared: Arc<Shared>,
}

/// A response with its head. It dereferences to the response of the operation.
///
/// ```no_run
/// # async fn example(client: pumice::Client) -> pumice::Result<()> {
/// use pumice::converse::{ConverseRequest, Message};
///
/// let request = ConverseRequest::new("us.amazon.nova-lite-v1:0").message(Message::user("Hi"));
/// let response = client.send(&request).await?;
/// println!("{:?}: {:?}", response.request_id(), response.usage);
/// let response = response.into_inner();
/// # Ok(())
/// # }
/// ```
pub struct Response<T> {
    head: Parts,
    inner: T,
}

impl<T> Response<T> {
    /// The HTTP status, which is 2xx unless the call was [passed](Client::pass).
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The service's id of the request, for AWS support.
    pub fn request_id(&self) -> Option<&str> {
        refusal::request_id(&self.head.headers)
    }

    /// The headers. Those of InvokeModel include the tokens used, which the API does not document:
    /// `X-Amzn-Bedrock-Input-Token-Count` and others.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The response without its head.
    pub fn into_inner(self) -> T {
        self.inner
    }
}

impl Response<ResponseBody> {
    /// Reads the body to its end.
    ///
    /// Fails with [`ErrorKind::Damaged`] if it is longer than 256 MiB.
    pub async fn bytes(self) -> Result<Bytes> {
        let Self { head, inner } = self;
        inner.bytes().await.map_err(|error| unreadable(error, &head))
    }
}

impl<T> Deref for Response<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T: fmt::Debug> fmt::Debug for Response<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("status", &self.head.status)
            .field("request_id", &self.request_id())
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

/// Which credentials a client uses, and where its calls go: see [`Client::identify`].
#[derive(Debug)]
#[non_exhaustive]
pub struct Identity {
    /// The credentials, or why there are none, and each source that was tried.
    pub search: Search,
    /// The region, and what named it.
    pub region: Region,
    /// The endpoint of the runtime.
    pub runtime: Endpoint,
    /// The endpoint of the control plane.
    pub control: Endpoint,
}

impl Client {
    /// A client with these settings. Nothing is read or opened before the first call.
    pub fn new(config: Config) -> Self {
        let shared = Arc::new(Shared::new(&config));
        Self { config: Arc::new(config), shared }
    }

    /// A client with the settings of the environment and the AWS files. Without the feature `chain` it finds no
    /// credentials, and its calls fail.
    pub fn from_env() -> Self {
        Self::new(Config::new())
    }

    /// The same client with other settings for some calls. It shares connections, credentials and the retry
    /// quota with this one, so creating it is cheap, even for a single call.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use pumice::retry::Retry;
    /// use pumice::{Client, Overrides};
    ///
    /// let client = Client::from_env();
    /// let abroad = client.with(Overrides::new().region("eu-west-1"));
    /// let hasty = client.with(Overrides::new().first_byte_timeout(Duration::from_secs(5)).retry(Retry::never()));
    /// ```
    pub fn with(&self, overrides: Overrides) -> Self {
        let mut config = Config::clone(&self.config);
        overrides.apply(&mut config);
        Self { config: Arc::new(config), shared: Arc::clone(&self.shared) }
    }

    /// Sends a request whose response comes whole. All pages of a list are requested, beginning with the page that the
    /// request names, and returned as one response. If there are more than 1,000 pages or 64 MiB, the call fails with
    /// [`ErrorKind::Damaged`].
    ///
    /// An operation that takes a `clientRequestToken` is sent a new one if the request has none, so that a retry
    /// creates nothing twice.
    pub async fn send<R: Request>(&self, request: &R) -> Result<Response<R::Response>> {
        let (head, body) = self.all(&request.to_call()?).await?;
        let inner = R::read(&head.headers, body).map_err(|error| unreadable(error, &head))?;
        Ok(Response { head, inner })
    }

    /// Sends a request whose response is a stream of events. Returns when the first event has arrived. A failed call
    /// is retried until then, and never after.
    pub async fn send_stream<R: StreamRequest>(&self, request: &R) -> Result<EventStream<R::Event>> {
        let frames = self.send_frames(&request.to_stream_call()?).await?;
        Ok(EventStream::new(frames, R::read_event))
    }

    /// Converse: a conversation with a model.
    pub async fn converse(&self, request: &ConverseRequest) -> Result<ConverseResponse> {
        self.send(request).await.map(Response::into_inner)
    }

    /// ConverseStream: a conversation with a model, as a stream. See [`send_stream`](Self::send_stream).
    pub async fn converse_stream(&self, request: &ConverseRequest) -> Result<EventStream> {
        self.send_stream(request).await
    }

    /// InvokeModel: a model called in its own format. See [`Response::headers`] for the tokens used.
    pub async fn invoke_model(&self, request: &InvokeModelRequest) -> Result<InvokeModelResponse> {
        self.send(request).await.map(Response::into_inner)
    }

    /// `InvokeModelWithResponseStream`: a model called in its own format, as a stream. See
    /// [`send_stream`](Self::send_stream).
    pub async fn invoke_model_with_response_stream(
        &self,
        request: &InvokeModelRequest,
    ) -> Result<EventStream<ResponseStreamEvent>> {
        self.send_stream(request).await
    }

    /// `CountTokens`: how many tokens a request has, without calling the model.
    pub async fn count_tokens(&self, request: &CountTokensRequest) -> Result<CountTokensResponse> {
        self.send(request).await.map(Response::into_inner)
    }

    /// `ApplyGuardrail`: a guardrail's assessment of text or images, without a model.
    pub async fn apply_guardrail(&self, request: &ApplyGuardrailRequest) -> Result<ApplyGuardrailResponse> {
        self.send(request).await.map(Response::into_inner)
    }

    /// `ListFoundationModels`: the foundation models of the region.
    pub async fn list_foundation_models(
        &self,
        request: &ListFoundationModelsRequest,
    ) -> Result<ListFoundationModelsResponse> {
        self.send(request).await.map(Response::into_inner)
    }

    /// `GetFoundationModel`: what is known of one model.
    pub async fn get_foundation_model(
        &self,
        request: &GetFoundationModelRequest,
    ) -> Result<GetFoundationModelResponse> {
        self.send(request).await.map(Response::into_inner)
    }

    /// `ListInferenceProfiles`: the inference profiles of the region, all pages.
    ///
    /// Fails with [`ErrorKind::Damaged`] if the service names the same page twice.
    pub async fn list_inference_profiles(
        &self,
        request: &ListInferenceProfilesRequest,
    ) -> Result<ListInferenceProfilesResponse> {
        self.send(request).await.map(Response::into_inner)
    }

    /// `GetInferenceProfile`: what is known of one inference profile.
    pub async fn get_inference_profile(
        &self,
        request: &GetInferenceProfileRequest,
    ) -> Result<InferenceProfileSummary> {
        self.send(request).await.map(Response::into_inner)
    }

    /// Any operation whose response comes whole. Takes the members of the request and returns the members of the
    /// response, under their names in the service's model, with blobs in base64. JSON is returned unchanged, and all
    /// pages of a list as one.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] if the response of the operation is a stream.
    pub async fn call(&self, operation: Operation, request: &Members) -> Result<Document> {
        let member = match operation.response_form() {
            ResponseForm::Payload(member) => member,
            ResponseForm::Stream(_) => return Err(operation.wrong_form("whole", "is a stream")),
            ResponseForm::Json(_) | ResponseForm::Pages(_) => {
                let (head, body) = self.all(&Call::new(operation, request)?).await?;
                return operation.read_json(&body).map_err(|error| unreadable(error, &head));
            }
        };
        let (head, body) = self.whole(&Call::new(operation, request)?).await?;
        let mut members = Members::default();
        for (name, _) in MEMBERS_IN_HEADERS {
            if let Some(value) = Operation::member_in_headers(name, &head.headers) {
                members.insert(name, Value::from(value));
            }
        }
        members.insert(member, Document::write(&Blob(body))?);
        Document::write(&members)
    }

    /// The frames of any operation whose response is a stream. Returns when the first has arrived, as
    /// [`send_stream`](Self::send_stream) does.
    pub async fn send_frames(&self, call: &Call) -> Result<FrameStream> {
        let closing_event = call.operation.map_or(Ok(None), Operation::closing_event)?;
        self.frames(call, closing_event).await
    }

    /// Any call, including one to a [path](Call::to_path) that belongs to no known operation. The body of the response
    /// is returned undecoded.
    ///
    /// Region, endpoint, credentials, retries and the redaction of errors are those of other calls. A status other
    /// than 2xx is an error. Nothing is retried after the head of a successful response has arrived.
    ///
    /// ```no_run
    /// # async fn example(client: pumice::Client) -> pumice::Result<()> {
    /// use pumice::endpoint::Service;
    /// use pumice::operation::Call;
    ///
    /// let call = Call::to_path(Service::Runtime, "POST", "/model/amazon.titan-embed-text-v2%3A0/invoke")?
    ///     .header("content-type", "application/json")?
    ///     .body(r#"{"inputText":"pumice"}"#);
    /// let response = client.send_raw(&call).await?;
    /// println!("{} {:?}", response.status(), response.headers());
    /// let body = response.bytes().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_raw(&self, call: &Call) -> Result<Response<ResponseBody>> {
        let (head, inner) = self.raw(call).await?;
        Ok(Response { head, inner })
    }

    /// Any call, as [`send_raw`](Self::send_raw) sends it, and its response whatever the status is: for a gateway, which
    /// passes both on. It is repeated only with new credentials or a corrected clock; retries are up to whoever made
    /// it. It goes to no project and to no inference profile that it does not name.
    ///
    /// In a recording it is an exchange of the operation that has this method and path.
    pub async fn pass(&self, call: &Call) -> Result<Response<ResponseBody>> {
        let (head, inner) = self.passed(&call.clone().named()).await?;
        Ok(Response { head, inner })
    }

    /// The inference profile that calls of this model go through, once [`Config::auto_profile`] has found one.
    pub fn profile_of(&self, model_id: &str) -> Option<String> {
        if !self.config.0.auto_profile {
            return None;
        }
        self.memory().served_by.get(model_id)
    }

    /// Which credentials are used, where they come from, and where calls go. Does not call Bedrock. Searches the
    /// sources of credentials anew each time, including the services that a call would ask.
    ///
    /// Errors only on an invalid region or endpoint; missing credentials are reported in [`Identity::search`].
    pub async fn identify(&self) -> Result<Identity> {
        self.identity().await
    }

    /// Only the credentials of [`identify`](Self::identify), even if region or endpoint are invalid.
    pub async fn search_credentials(&self) -> Search {
        self.search(&self.config.0.context.aws_files()).await
    }

    /// A short-term Bedrock API key for programs that take only a key, as [`sign::api_key`](crate::sign::api_key)
    /// makes it of the client's access keys, for its region. Bedrock is not called.
    ///
    /// Fails with [`ErrorKind::Credentials`] if the credentials are an API key themselves.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// # async fn example(client: pumice::Client) -> pumice::Result<()> {
    /// let key = client.api_key(Duration::from_hours(1)).await?;
    /// println!("{}, until {:?}", key.token(), key.expiration());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn api_key(&self, ttl: Duration) -> Result<Token> {
        let identity = self.identify().await?;
        let found = identity.search.result?;
        match &found.credentials {
            Credentials::Bearer(_) => {
                let message =
                    format!("expected access keys to make an API key from, found an API key: {}", found.link);
                Err(Error::new(ErrorKind::Credentials, message)
                    .with_hint("use that key as it is, or name a profile that has access keys or a role"))
            }
            Credentials::Keys(keys) => {
                // Whoever gets the key could not see why it is refused.
                if let Some(hint) = found.doubt() {
                    let message =
                        format!("AWS would refuse an API key from these access keys: {}", found.link);
                    return Err(Error::new(ErrorKind::Credentials, message).with_hint(hint));
                }
                let now = self.config.0.context.now();
                crate::sign::api_key(keys, identity.runtime.region(), now, ttl)
            }
        }
    }

    /// The region that a call of this model goes to.
    pub(crate) async fn region_of(&self, model_id: &str) -> Result<String> {
        let files = self.config.0.context.aws_files();
        Ok(self.target(Service::Runtime, Some(model_id), &files).await?.region.signing_name())
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.shared.memory
    }

    /// An inference profile, by its id or ARN. Requested once.
    pub(crate) async fn inference_profile(&self, id: &str) -> Result<Arc<InferenceProfileSummary>> {
        let profiles = &self.memory().profiles;
        if let Some(Lookup::Found(profile)) = profiles.get(id, self.config().0.context.now()) {
            return Ok(profile);
        }
        let profile = Arc::new(self.get_inference_profile(&GetInferenceProfileRequest::new(id)).await?);
        profiles.insert(id, Lookup::Found(Arc::clone(&profile)));
        Ok(profile)
    }

    /// The response of Converse, not parsed.
    pub(crate) async fn converse_whole(&self, request: &ConverseRequest) -> Result<(Parts, Bytes)> {
        self.whole(&request.to_call()?).await
    }

    /// The whole response of a call of S3. Unlike after [`send_raw`](Self::send_raw), a body that breaks off is retried.
    #[cfg(feature = "bulk")]
    pub(crate) async fn whole_of_s3(&self, call: &Call) -> Result<(Parts, Bytes)> {
        self.whole(call).await
    }

    /// The whole response. For a list in pages: the first page with the items of all pages.
    async fn all(&self, call: &Call) -> Result<(Parts, Bytes)> {
        match call.operation.map(Operation::response_form) {
            Some(ResponseForm::Pages(items)) => self.all_pages(call, items).await,
            _ if call.operation.is_some_and(Operation::takes_client_token) => {
                self.whole(&call.with_client_token(|| self.config.0.context.uuid())?).await
            }
            _ => self.whole(call).await,
        }
    }

    async fn all_pages(&self, first: &Call, items: &str) -> Result<(Parts, Bytes)> {
        let mut call = first.clone();
        let mut tokens = BTreeSet::new();
        // size: 4,000 bytes, because `collect` would bring sorting code along.
        if let Some(token) = call.page() {
            tokens.insert(token);
        }
        let mut all = Vec::<Document>::new();
        let (mut pages, mut bytes) = (0, 0);
        let mut whole: Option<Members> = None;
        loop {
            let (head, body) = self.whole(&call).await?;
            let damaged = |member: &str, expected: &str| {
                let message = format!("{} response: {member}: expected {expected}", call.name());
                Error::new(ErrorKind::Damaged, message)
            };
            let unreadable = |error| unreadable(error, &head);
            let page = from_json::<Members>(&body)
                .map_err(|source| damaged("body", "a JSON object").with_source(source));
            let mut page = page.map_err(unreadable)?;
            if let Some(list) = page.named(items) {
                let list = list.read::<Option<Vec<Document>>>();
                let list = list.map_err(|source| unreadable(damaged(items, "a list").with_source(source)))?;
                let list = list.unwrap_or_default();
                bytes += list.iter().map(|item| item.text().len()).sum::<usize>();
                all.extend(list);
            }
            pages += 1;
            if pages > MOST_PAGES || bytes > LONGEST_LIST {
                let expected = format!("at most {MOST_PAGES} pages of {LONGEST_LIST} bytes in all");
                return Err(unreadable(damaged(items, &expected)));
            }
            let token = page.remove(NEXT_TOKEN).map(|token| token.read::<Option<String>>()).transpose();
            let token =
                token.map_err(|source| unreadable(damaged(NEXT_TOKEN, "a string").with_source(source)))?;
            let whole = whole.get_or_insert(page);
            let Some(token) = token.flatten().filter(|token| !token.is_empty()) else {
                whole.insert(items, Document::write(&all)?);
                return Ok((head, Document::write(whole)?.text().to_owned().into()));
            };
            if !tokens.insert(token.clone()) {
                return Err(unreadable(damaged(NEXT_TOKEN, "a new token")));
            }
            call = call.of_page(token)?;
        }
    }
}

/// The error of a response that cannot be read, redacted: parsers quote what they found.
fn unreadable(error: Error, head: &Parts) -> Error {
    let id = refusal::request_id(&head.headers);
    let error = error.with_status(head.status.as_u16()).with_request_id(id);
    match head.extensions.get::<Arc<Redaction>>() {
        Some(redaction) => redaction.error(error),
        None => error,
    }
}

/// The most pages of a list.
const MOST_PAGES: usize = 1000;
/// The most bytes of the items of a list.
const LONGEST_LIST: usize = 64 * 1024 * 1024;
