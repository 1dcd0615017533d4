//! The typed requests, and the operation of each.

use bytes::Bytes;
use http::HeaderMap;

use super::{Call, Operation};
use crate::converse::{ConverseRequest, ConverseResponse};
use crate::count_tokens::{CountTokensRequest, CountTokensResponse};
use crate::foundation_model::{
    GetFoundationModelRequest, GetFoundationModelResponse, ListFoundationModelsRequest,
    ListFoundationModelsResponse,
};
use crate::frame::FrameView;
use crate::guardrail::{ApplyGuardrailRequest, ApplyGuardrailResponse};
use crate::inference_profile::{
    GetInferenceProfileRequest, InferenceProfileSummary, ListInferenceProfilesRequest,
    ListInferenceProfilesResponse,
};
use crate::invoke_model::{InvokeModelRequest, InvokeModelResponse, ResponseStreamEvent};
use crate::model_access::{
    CreateFoundationModelAgreementRequest, CreateFoundationModelAgreementResponse,
    DeleteFoundationModelAgreementRequest, DeleteFoundationModelAgreementResponse,
    GetFoundationModelAvailabilityRequest, GetFoundationModelAvailabilityResponse,
    GetUseCaseForModelAccessRequest, GetUseCaseForModelAccessResponse,
    ListFoundationModelAgreementOffersRequest, ListFoundationModelAgreementOffersResponse,
    PutUseCaseForModelAccessRequest, PutUseCaseForModelAccessResponse,
};
use crate::model_invocation_job::{
    CreateModelInvocationJobRequest, CreateModelInvocationJobResponse, GetModelInvocationJobRequest,
    ListModelInvocationJobsRequest, ListModelInvocationJobsResponse, ModelInvocationJobSummary,
    StopModelInvocationJobRequest, StopModelInvocationJobResponse,
};
use crate::{Event, Result};

/// A request with one response; see [`Client::send`](crate::Client::send).
pub trait Request: Sealed {
    /// The operation that takes this request.
    const OPERATION: Operation;
    /// What the operation responds with.
    type Response;

    /// The request as it is sent.
    fn to_call(&self) -> Result<Call>;

    #[doc(hidden)]
    fn read(headers: &HeaderMap, body: Bytes) -> Result<Self::Response>;
}

/// A request whose response is a stream of events: see [`Client::send_stream`](crate::Client::send_stream).
pub trait StreamRequest: Sealed {
    /// The operation that takes this request.
    const OPERATION: Operation;
    /// An event of the response.
    type Event;

    /// The request as it is sent.
    fn to_stream_call(&self) -> Result<Call>;

    #[doc(hidden)]
    fn read_event(event_type: &[u8], frame: FrameView<'_>) -> Result<Self::Event>;
}

/// Only this module can implement the traits, so they may get more methods.
pub trait Sealed {}

/// `Operation: Request => Response, how the request is written`: `json` with the labels in the order of the path,
/// `payload` for a body of any form, `members` for one whose members the table of operations places.
macro_rules! requests {
    ($( $operation:ident: $request:ident => $response:ident, $form:ident $(($($label:ident),+))?; )+) => { $(
        impl Sealed for $request {}

        impl Request for $request {
            const OPERATION: Operation = Operation::$operation;
            type Response = $response;

            fn to_call(&self) -> Result<Call> {
                requests!(@call $form, self, Operation::$operation $(, $($label),+)?)
            }

            fn read(headers: &HeaderMap, body: Bytes) -> Result<$response> {
                requests!(@read $form, Operation::$operation, headers, body)
            }
        }
    )+ };
    (@call json, $request:ident, $operation:expr, $($label:ident),+) => {
        Call::with_json($operation, &[$(&*$request.$label),+], $request.body()?)
    };
    (@call payload, $request:ident, $operation:expr) => {
        Call::with_payload($operation, $request)
    };
    (@call members, $request:ident, $operation:expr) => {
        Call::of_members($operation, $request)
    };
    (@read payload, $operation:expr, $headers:ident, $body:ident) => {
        Ok(invoked($headers, $body))
    };
    (@read $form:ident, $operation:expr, $headers:ident, $body:ident) => {{
        let _ = $headers;
        $operation.read_json(&$body)
    }};
}

/// As [`requests`], with the reader of an event's frame.
macro_rules! stream_requests {
    ($(
        $operation:ident: $request:ident => $event:ident by $read:expr, $form:ident $(($($label:ident),+))?;
    )+) => { $(
        impl StreamRequest for $request {
            const OPERATION: Operation = Operation::$operation;
            type Event = $event;

            fn to_stream_call(&self) -> Result<Call> {
                requests!(@call $form, self, Operation::$operation $(, $($label),+)?)
            }

            fn read_event(event_type: &[u8], frame: FrameView<'_>) -> Result<$event> {
                $read(event_type, frame)
            }
        }
    )+ };
}

requests! {
    Converse: ConverseRequest => ConverseResponse, json(model_id);
    InvokeModel: InvokeModelRequest => InvokeModelResponse, payload;
    CountTokens: CountTokensRequest => CountTokensResponse, json(model_id);
    ApplyGuardrail: ApplyGuardrailRequest => ApplyGuardrailResponse, json(guardrail_identifier, guardrail_version);
    ListFoundationModels: ListFoundationModelsRequest => ListFoundationModelsResponse, members;
    GetFoundationModel: GetFoundationModelRequest => GetFoundationModelResponse, members;
    ListInferenceProfiles: ListInferenceProfilesRequest => ListInferenceProfilesResponse, members;
    GetInferenceProfile: GetInferenceProfileRequest => InferenceProfileSummary, members;
    GetFoundationModelAvailability: GetFoundationModelAvailabilityRequest => GetFoundationModelAvailabilityResponse, members;
    ListFoundationModelAgreementOffers: ListFoundationModelAgreementOffersRequest => ListFoundationModelAgreementOffersResponse, members;
    CreateFoundationModelAgreement: CreateFoundationModelAgreementRequest => CreateFoundationModelAgreementResponse, members;
    DeleteFoundationModelAgreement: DeleteFoundationModelAgreementRequest => DeleteFoundationModelAgreementResponse, members;
    PutUseCaseForModelAccess: PutUseCaseForModelAccessRequest => PutUseCaseForModelAccessResponse, members;
    GetUseCaseForModelAccess: GetUseCaseForModelAccessRequest => GetUseCaseForModelAccessResponse, members;
    CreateModelInvocationJob: CreateModelInvocationJobRequest => CreateModelInvocationJobResponse, members;
    GetModelInvocationJob: GetModelInvocationJobRequest => ModelInvocationJobSummary, members;
    ListModelInvocationJobs: ListModelInvocationJobsRequest => ListModelInvocationJobsResponse, members;
    StopModelInvocationJob: StopModelInvocationJobRequest => StopModelInvocationJobResponse, members;
}

stream_requests! {
    ConverseStream: ConverseRequest => Event by Event::of_type, json(model_id);
    InvokeModelWithResponseStream: InvokeModelRequest => ResponseStreamEvent by ResponseStreamEvent::of_type, payload;
}

/// A response of InvokeModel: the body is in the model's format, the other members are headers.
fn invoked(headers: &HeaderMap, body: Bytes) -> InvokeModelResponse {
    let member = |name| Operation::member_in_headers(name, headers);
    let mut response = InvokeModelResponse::new(body);
    response.content_type = member("contentType").map(str::to_owned);
    response.performance_config_latency = member("performanceConfigLatency").map(Into::into);
    response.service_tier = member("serviceTier").map(Into::into);
    response
}
