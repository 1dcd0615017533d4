//! The client: the operations as methods. How a call is made is in [`exchange`].

mod exchange;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::exchange::{Answer, Exchanges};

use crate::Event;
use crate::config::Config;
use crate::converse::{ConverseRequest, ConverseResponse};
use crate::count_tokens::{CountTokensRequest, CountTokensResponse};
use crate::credentials::Search;
use crate::endpoint::{Endpoint, Region};
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
use crate::operation::{self, AnswerForm, Call, NEXT_TOKEN, Operation};
use crate::redaction::Redaction;
use crate::refusal;
use crate::shape::{Blob, Document, Members};
use crate::stream::{EventStream, FrameStream};
use crate::{Error, ErrorKind, Result};

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
pub struct Client(Arc<Exchanges>);

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
        Self(Arc::new(Exchanges::new(config)))
    }

    /// A client as the environment and the AWS files say.
    pub fn from_env() -> Self {
        Self::new(Config::new())
    }

    /// Converse: the whole answer at once.
    ///
    /// Like all calls here, it fails with an [`ErrorKind`] that says what the service, the network or the
    /// input was at fault for; with [`ErrorKind::Damaged`] when the response is not the JSON that it should be, or
    /// lacks a member that the API requires.
    pub async fn converse(&self, request: &ConverseRequest) -> Result<ConverseResponse> {
        self.read(&Call::converse(request)?).await
    }

    /// ConverseStream: the answer as it is made. Returns when the first event has arrived; up to there a
    /// failure is tried again, and never after.
    pub async fn converse_stream(&self, request: &ConverseRequest) -> Result<EventStream> {
        let frames = self.send_stream(&Call::converse_stream(request)?).await?;
        Ok(EventStream::new(frames, Event::of_event_frame))
    }

    /// InvokeModel: a model called in its own form, the whole answer at once.
    ///
    /// How many tokens it took, the service says in headers that are no part of the API
    /// (`X-Amzn-Bedrock-Input-Token-Count`, ...): [`send`](Self::send) gives all of them.
    pub async fn invoke_model(&self, request: &InvokeModelRequest) -> Result<InvokeModelResponse> {
        let (head, body) = self.send(&Call::invoke_model(request)?).await?.into_parts();
        let member = |name| Operation::InvokeModel.member_in_headers(name, &head.headers);
        let mut response = InvokeModelResponse::new(body);
        response.content_type = member("contentType").map(str::to_owned);
        response.performance_config_latency = member("performanceConfigLatency").map(Into::into);
        response.service_tier = member("serviceTier").map(Into::into);
        Ok(response)
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
        let request = operation::members(request)?;
        let call = Call::new(operation, &request)?;
        let AnswerForm::Pages { items } = operation.answer_form() else { return self.read(&call).await };
        let (all, last) = self.all_pages(call, &request, items).await?;
        operation.read_json(all.text().as_bytes()).map_err(|error| unreadable(error, &last))
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
            AnswerForm::Pages { items } => Ok(self.all_pages(call, request, items).await?.0),
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
            AnswerForm::Json { .. } | AnswerForm::Stream { .. } => self.read(&call).await,
        }
    }

    /// A call whose answer is whole: its status, headers and body.
    pub async fn send(&self, call: &Call) -> Result<Response<Bytes>> {
        match self.0.answer(call, false).await? {
            Answer::Whole(response) => Ok(response),
            Answer::Stream(_) => Err(exchange::wrong_form(call)),
        }
    }

    /// A call whose answer is a stream of events: its frames.
    pub async fn send_stream(&self, call: &Call) -> Result<FrameStream> {
        match self.0.answer(call, true).await? {
            Answer::Stream(frames) => Ok(frames),
            Answer::Whole(_) => Err(exchange::wrong_form(call)),
        }
    }

    /// Which credentials will be used, from where, and where calls go. Asks Bedrock nothing, and for
    /// credentials those services that a call would ask, anew each time.
    ///
    /// Fails when region or endpoint cannot be; that there are no credentials is in the answer.
    pub async fn identify(&self) -> Result<Identity> {
        self.0.identify().await
    }

    /// The part of [`identify`](Self::identify) that is of credentials, whatever there is to say of region
    /// and endpoint.
    pub async fn search_credentials(&self) -> Search {
        self.0.search_credentials().await
    }

    /// The region that a call of this model goes to.
    pub(crate) async fn region_of(&self, model_id: &str) -> Result<String> {
        Ok(self.0.place(Some(model_id)).await?.region.name().to_owned())
    }

    pub(crate) fn config(&self) -> &Config {
        self.0.config()
    }

    /// A call whose answer is JSON.
    async fn read<T: DeserializeOwned>(&self, call: &Call) -> Result<T> {
        let answer = self.send(call).await?;
        call.operation.read_json(answer.body()).map_err(|error| unreadable(error, &answer))
    }

    /// Asks for a page after the other, and gives all as one: the first with the items of all in it. With it
    /// comes the response that had the last page.
    async fn all_pages(
        &self,
        first: Call,
        request: &Members,
        items: &str,
    ) -> Result<(Document, Response<Bytes>)> {
        let (mut call, mut request) = (first, request.clone());
        let mut tokens = BTreeSet::new();
        tokens.extend(request.named(NEXT_TOKEN).and_then(|token| token.read::<String>().ok()));
        let mut all = Vec::<Document>::new();
        let (mut pages, mut bytes) = (0, 0);
        let mut whole: Option<Members> = None;
        loop {
            let operation = call.operation;
            let answer = self.send(&call).await?;
            let unreadable = |error| unreadable(error, &answer);
            let mut page = operation.read_json::<Members>(answer.body()).map_err(unreadable)?;
            let damaged = |member: &str, expected: &str| {
                let name = operation.name();
                Error::new(ErrorKind::Damaged, format!("the answer to {name}: {member}: {expected} expected"))
            };
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
                return Err(damaged(items, &expected));
            }
            let token = page.remove(NEXT_TOKEN).map(|token| token.read::<Option<String>>()).transpose();
            let token =
                token.map_err(|source| unreadable(damaged(NEXT_TOKEN, "a string").with_source(source)))?;
            let whole = whole.get_or_insert(page);
            let Some(token) = token.flatten().filter(|token| !token.is_empty()) else {
                whole.insert(items, Document::write(&all)?);
                return Ok((Document::write(whole)?, answer));
            };
            if !tokens.insert(token.clone()) {
                return Err(damaged(NEXT_TOKEN, "the token of a page that was not given yet"));
            }
            request.insert(NEXT_TOKEN, Value::from(token));
            call = Call::new(operation, &request)?;
        }
    }
}

/// The error of a response that is not what it should be: parsers quote what they found.
fn unreadable(error: Error, response: &Response<Bytes>) -> Error {
    let error = error
        .with_status(response.status().as_u16())
        .with_request_id(refusal::request_id(response.headers()));
    match response.extensions().get::<Arc<Redaction>>() {
        Some(redaction) => redaction.error(error),
        None => error,
    }
}

/// How many pages of a list are asked for.
const MOST_PAGES: usize = 1000;
/// What a list may have, in bytes.
const LONGEST_LIST: usize = 64 * 1024 * 1024;
