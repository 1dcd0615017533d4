//! The service's operations, and a call of one: where each member of a request goes, and how it is
//! answered.
//!
//! What there is to know of an operation stands in one table. A [`Call`] is made by it, from a typed
//! request or from the members of a JSON object.
//!
//! ```
//! use pumice::operation::{Call, Operation};
//! use pumice::shape::Document;
//!
//! let request = Document::parse(r#"{"modelId":"amazon.titan-embed-text-v2:0","body":"e30="}"#)?;
//! let call = Call::new(Operation::InvokeModel, &request.read()?)?;
//! # Ok::<(), pumice::Error>(())
//! ```

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::de::DeserializeOwned;
use serde::ser::{Serialize, Serializer};
use serde_json::Value;

use crate::converse::ConverseRequest;
use crate::count_tokens::CountTokensRequest;
use crate::endpoint::{Service, encode_label};
use crate::foundation_model::{GetFoundationModelRequest, ListFoundationModelsRequest};
use crate::guardrail::ApplyGuardrailRequest;
use crate::inference_profile::{GetInferenceProfileRequest, ListInferenceProfilesRequest};
use crate::invoke_model::InvokeModelRequest;
use crate::shape::{Blob, Document, Members};
use crate::{Error, ErrorKind, Result};
use pumice_codec::internal::from_json;

/// An operation of the service.
///
/// Sources: the API references of [Amazon Bedrock Runtime](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html)
/// and of [Amazon Bedrock](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock.html).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// A conversation with a model; the whole answer at once.
    Converse,
    /// A conversation with a model; the answer as a stream of events.
    ConverseStream,
    /// A model in its own form; the whole answer at once.
    InvokeModel,
    /// A model in its own form; the answer as a stream of events.
    InvokeModelWithResponseStream,
    /// How many tokens a request has.
    CountTokens,
    /// A guardrail's judgement, without any model.
    ApplyGuardrail,
    /// The models that there are.
    ListFoundationModels,
    /// One model.
    GetFoundationModel,
    /// The inference profiles that there are.
    ListInferenceProfiles,
    /// One inference profile.
    GetInferenceProfile,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Converse,
        Self::ConverseStream,
        Self::InvokeModel,
        Self::InvokeModelWithResponseStream,
        Self::CountTokens,
        Self::ApplyGuardrail,
        Self::ListFoundationModels,
        Self::GetFoundationModel,
        Self::ListInferenceProfiles,
        Self::GetInferenceProfile,
    ];

    /// The operation of this name in the service's model.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// The name in the service's model.
    pub fn name(self) -> &'static str {
        self.binding().name
    }

    /// Which of the two services has it.
    pub fn service(self) -> Service {
        self.binding().service
    }

    /// Whether a request names a model, in `modelId`.
    pub fn takes_model(self) -> bool {
        self.binding().place(MODEL_ID) == Place::Label
    }

    /// Whether the answer is a stream of events.
    pub fn is_streamed(self) -> bool {
        matches!(self.answer_form(), AnswerForm::Stream { .. })
    }

    /// How the answer comes.
    pub(crate) fn answer_form(self) -> AnswerForm {
        self.binding().answer
    }

    /// The member of the answer that is in one of its headers.
    pub(crate) fn member_in_headers<'a>(self, member: &str, headers: &'a HeaderMap) -> Option<&'a str> {
        let AnswerForm::Payload { headers: listed, .. } = self.answer_form() else { return None };
        let (_, name) = listed.iter().find(|(listed, _)| *listed == member)?;
        headers.get(*name)?.to_str().ok()
    }

    /// What a successful response was expected to be, where its body is something else: a gateway, and at times
    /// the service itself, reports an error with status 200. `None` where the body may be the response.
    ///
    /// `null` counts as absent.
    pub(crate) fn expected_instead(self, body: &[u8]) -> Option<String> {
        let only;
        let required = match self.answer_form() {
            AnswerForm::Json { required } => required,
            AnswerForm::Pages { items } => {
                only = [items];
                &only[..]
            }
            AnswerForm::Payload { .. } | AnswerForm::Stream { .. } => return None,
        };
        let name = self.name();
        let Ok(members) = from_json::<Members>(body) else {
            return Some(format!("a JSON object as the {name} response"));
        };
        let has = |member: &str| members.named(member).is_some_and(|value| value.text() != "null");
        let missing = required.iter().copied().filter(|member| !has(member)).collect::<Vec<_>>();
        // A page whose items were all filtered out leads to the next one.
        let is_page = matches!(self.answer_form(), AnswerForm::Pages { .. }) && has(NEXT_TOKEN);
        (!missing.is_empty() && !is_page).then(|| format!("{} in the {name} response", missing.join(", ")))
    }

    /// Reads the body of a response as its type.
    pub(crate) fn read_json<T: DeserializeOwned>(self, body: &[u8]) -> Result<T> {
        from_json(body).map_err(|source| {
            let message = format!("expected a {} response, found JSON of another form", self.name());
            Error::new(ErrorKind::Damaged, message).with_source(source)
        })
    }

    /// The table of all operations.
    #[allow(clippy::too_many_lines, reason = "one table, of one entry for each")]
    fn binding(self) -> Binding {
        match self {
            Self::Converse => Binding {
                name: "Converse",
                service: Service::Runtime,
                method: Method::POST,
                path: "/model/{modelId}/converse",
                members: &[],
                others: Place::Json,
                answer: AnswerForm::Json { required: &["output", "stopReason", "usage", "metrics"] },
            },
            Self::ConverseStream => Binding {
                name: "ConverseStream",
                service: Service::Runtime,
                method: Method::POST,
                path: "/model/{modelId}/converse-stream",
                members: &[],
                others: Place::Json,
                answer: AnswerForm::Stream { closing_event: Some("messageStop") },
            },
            Self::InvokeModel => Binding {
                name: "InvokeModel",
                service: Service::Runtime,
                method: Method::POST,
                path: "/model/{modelId}/invoke",
                members: &[
                    ("body", Place::Payload),
                    ("contentType", Place::Header("content-type")),
                    ("accept", Place::Header("accept")),
                    ("trace", Place::Header("x-amzn-bedrock-trace")),
                    ("guardrailIdentifier", Place::Header("x-amzn-bedrock-guardrailidentifier")),
                    ("guardrailVersion", Place::Header("x-amzn-bedrock-guardrailversion")),
                    ("performanceConfigLatency", Place::Header("x-amzn-bedrock-performanceconfig-latency")),
                    ("serviceTier", Place::Header("x-amzn-bedrock-service-tier")),
                    ("requestMetadata", Place::Header("x-amzn-bedrock-request-metadata")),
                ],
                others: Place::Nowhere,
                answer: AnswerForm::Payload {
                    member: "body",
                    headers: &[
                        ("contentType", "content-type"),
                        ("performanceConfigLatency", "x-amzn-bedrock-performanceconfig-latency"),
                        ("serviceTier", "x-amzn-bedrock-service-tier"),
                    ],
                },
            },
            Self::InvokeModelWithResponseStream => Binding {
                name: "InvokeModelWithResponseStream",
                service: Service::Runtime,
                method: Method::POST,
                path: "/model/{modelId}/invoke-with-response-stream",
                members: &[
                    ("body", Place::Payload),
                    ("contentType", Place::Header("content-type")),
                    ("accept", Place::Header("x-amzn-bedrock-accept")),
                    ("trace", Place::Header("x-amzn-bedrock-trace")),
                    ("guardrailIdentifier", Place::Header("x-amzn-bedrock-guardrailidentifier")),
                    ("guardrailVersion", Place::Header("x-amzn-bedrock-guardrailversion")),
                    ("performanceConfigLatency", Place::Header("x-amzn-bedrock-performanceconfig-latency")),
                    ("serviceTier", Place::Header("x-amzn-bedrock-service-tier")),
                    ("requestMetadata", Place::Header("x-amzn-bedrock-request-metadata")),
                ],
                others: Place::Nowhere,
                answer: AnswerForm::Stream { closing_event: None },
            },
            Self::CountTokens => Binding {
                name: "CountTokens",
                service: Service::Runtime,
                method: Method::POST,
                path: "/model/{modelId}/count-tokens",
                members: &[],
                others: Place::Json,
                answer: AnswerForm::Json { required: &["inputTokens"] },
            },
            Self::ApplyGuardrail => Binding {
                name: "ApplyGuardrail",
                service: Service::Runtime,
                method: Method::POST,
                path: "/guardrail/{guardrailIdentifier}/version/{guardrailVersion}/apply",
                members: &[],
                others: Place::Json,
                answer: AnswerForm::Json { required: &["usage", "action", "outputs", "assessments"] },
            },
            Self::ListFoundationModels => Binding {
                name: "ListFoundationModels",
                service: Service::Control,
                method: Method::GET,
                path: "/foundation-models",
                members: &[
                    ("byProvider", Place::Query("byProvider")),
                    ("byCustomizationType", Place::Query("byCustomizationType")),
                    ("byOutputModality", Place::Query("byOutputModality")),
                    ("byInferenceType", Place::Query("byInferenceType")),
                ],
                others: Place::QueryByName,
                answer: AnswerForm::Json { required: &["modelSummaries"] },
            },
            Self::GetFoundationModel => Binding {
                name: "GetFoundationModel",
                service: Service::Control,
                method: Method::GET,
                path: "/foundation-models/{modelIdentifier}",
                members: &[],
                others: Place::QueryByName,
                answer: AnswerForm::Json { required: &["modelDetails"] },
            },
            Self::ListInferenceProfiles => Binding {
                name: "ListInferenceProfiles",
                service: Service::Control,
                method: Method::GET,
                path: "/inference-profiles",
                members: &[
                    ("maxResults", Place::Query("maxResults")),
                    ("nextToken", Place::Query("nextToken")),
                    ("typeEquals", Place::Query("type")),
                ],
                others: Place::QueryByName,
                answer: AnswerForm::Pages { items: "inferenceProfileSummaries" },
            },
            Self::GetInferenceProfile => Binding {
                name: "GetInferenceProfile",
                service: Service::Control,
                method: Method::GET,
                path: "/inference-profiles/{inferenceProfileIdentifier}",
                members: &[],
                others: Place::QueryByName,
                answer: AnswerForm::Json { required: &["inferenceProfileName"] },
            },
        }
    }
}

/// How an operation is bound to HTTP.
struct Binding {
    /// In the service's model.
    name: &'static str,
    service: Service,
    method: Method,
    /// What is in braces is a label: the member of this name, percent-encoded.
    path: &'static str,
    /// Where the members of a request go that are no labels.
    members: &'static [(&'static str, Place)],
    /// Where those go that are not in the list, the ones of a later version of the API among them.
    others: Place,
    answer: AnswerForm,
}

impl Binding {
    fn place(&self, member: &str) -> Place {
        if self.path.split('/').any(|segment| label(segment) == Some(member)) {
            return Place::Label;
        }
        let listed = self.members.iter().find(|(name, _)| *name == member);
        listed.map_or(self.others, |(_, place)| *place)
    }
}

/// Where a member of a request goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Into the path.
    Label,
    /// Into the query, under this key.
    Query(&'static str),
    /// Into the query, under its own name.
    QueryByName,
    /// Into the header of this name.
    Header(&'static str),
    /// Into the body, a JSON object.
    Json,
    /// It is the body: a blob.
    Payload,
    /// There is no place for it.
    Nowhere,
}

/// How an operation is answered.
pub(crate) enum AnswerForm {
    /// With a JSON object that has these members: those that the service's model requires, and the one member of
    /// a response that has no other, which the service always sends.
    Json { required: &'static [&'static str] },
    /// With a JSON object for each page. All have a list in the member `items`, and all but the last
    /// `nextToken`, which a request takes for the next page.
    Pages { items: &'static str },
    /// With the bytes of one member; other members are in the headers of these names.
    Payload { member: &'static str, headers: &'static [(&'static str, &'static str)] },
    /// With a stream of events, which is not complete without the event of this type, if there is one.
    Stream { closing_event: Option<&'static str> },
}

/// A call of an operation, before it is sent anywhere: a function of its input alone.
///
/// Those made of a request fail with [`ErrorKind::InvalidInput`], naming the member, where it cannot be
/// sent at all: a label that is absent or empty, a header's value that a header cannot have, a member
/// that has no place. Whether it is otherwise right is for the service to say.
#[derive(Debug, Clone)]
pub struct Call {
    pub(crate) operation: Operation,
    /// The model, where there is one: an ARN names the region to call.
    pub(crate) model_id: Option<String>,
    pub(crate) method: Method,
    /// From the endpoint on, percent-encoded.
    pub(crate) path: String,
    /// Not encoded.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// The same call of another model.
    pub(crate) fn of_model(&self, model_id: &str) -> Self {
        let label = self.model_id.as_deref().map(encode_label).unwrap_or_default();
        let path = self.path.replacen(&label, &encode_label(model_id), 1);
        Self { path, model_id: Some(model_id.to_owned()), ..self.clone() }
    }

    /// A call with the members of a request, under the names of the service's model, blobs in base64.
    ///
    /// A member that this version does not know goes into the JSON body, or into the query where there
    /// is none. In labels, query and headers, `null` is the same as nothing.
    pub fn new(operation: Operation, request: &Members) -> Result<Self> {
        let binding = operation.binding();
        let mut call = Self {
            operation,
            model_id: None,
            method: binding.method.clone(),
            path: String::new(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        };
        for segment in binding.path.split('/').skip(1) {
            call.path.push('/');
            let Some(member) = label(segment) else {
                call.path.push_str(segment);
                continue;
            };
            let value = request.named(member).map(|value| text(member, value)).transpose()?.flatten();
            let found = match value {
                Some(value) if !value.is_empty() => {
                    call.path.push_str(&encode_label(&value));
                    if member == MODEL_ID {
                        call.model_id = Some(value);
                    }
                    continue;
                }
                Some(_) => "an empty one",
                None => "none",
            };
            return Err(invalid(member, &format!("a value for {} expected, {found} found", binding.name)));
        }

        let mut json = JsonBody(Vec::new());
        for (member, value) in request.iter() {
            match binding.place(member) {
                Place::Label => {}
                Place::Query(key) => call.add_query(key, text(member, value)?),
                Place::QueryByName => call.add_query(member, text(member, value)?),
                Place::Header(name) => {
                    if let Some(value) = text(member, value)? {
                        call.headers.insert(HeaderName::from_static(name), header(member, name, &value)?);
                    }
                }
                Place::Json => json.0.push((member, value)),
                Place::Payload => {
                    let blob = value.read::<Option<Blob>>().map_err(|_| {
                        let expected = "bytes in base64 expected, as a string; something else found";
                        invalid(member, expected).with_hint("base64 -w0 < request.json makes such a string")
                    })?;
                    call.body = blob.unwrap_or_default().0;
                }
                Place::Nowhere => {
                    let known = binding.members.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                    let name = binding.name;
                    return Err(invalid(member, &format!("{name} has no place for such a member"))
                        .with_hint(format!("beside modelId it has: {known}")));
                }
            }
        }
        if binding.others == Place::Json {
            let body = serde_json::to_vec(&json).map_err(|source| {
                Error::new(ErrorKind::InvalidInput, "members that can be written as JSON expected")
                    .with_source(source)
            })?;
            call = call.with_json(body);
        }
        Ok(call)
    }

    /// A call of Converse.
    pub fn converse(request: &ConverseRequest) -> Result<Self> {
        let labels = [(MODEL_ID, &*request.model_id)];
        Ok(Self::at(Operation::Converse, labels)?.with_json(request.body()?))
    }

    /// A call of ConverseStream.
    pub fn converse_stream(request: &ConverseRequest) -> Result<Self> {
        let labels = [(MODEL_ID, &*request.model_id)];
        Ok(Self::at(Operation::ConverseStream, labels)?.with_json(request.body()?))
    }

    /// A call of InvokeModel.
    pub fn invoke_model(request: &InvokeModelRequest) -> Result<Self> {
        Self::of_invocation(Operation::InvokeModel, request)
    }

    /// A call of `InvokeModelWithResponseStream`.
    pub fn invoke_model_with_response_stream(request: &InvokeModelRequest) -> Result<Self> {
        Self::of_invocation(Operation::InvokeModelWithResponseStream, request)
    }

    /// A call of `CountTokens`.
    pub fn count_tokens(request: &CountTokensRequest) -> Result<Self> {
        let labels = [(MODEL_ID, &*request.model_id)];
        Ok(Self::at(Operation::CountTokens, labels)?.with_json(request.body()?))
    }

    /// A call of `ApplyGuardrail`.
    pub fn apply_guardrail(request: &ApplyGuardrailRequest) -> Result<Self> {
        let labels = [
            ("guardrailIdentifier", &*request.guardrail_identifier),
            ("guardrailVersion", &*request.guardrail_version),
        ];
        Ok(Self::at(Operation::ApplyGuardrail, labels)?.with_json(request.body()?))
    }

    /// A call of `ListFoundationModels`.
    pub fn list_foundation_models(request: &ListFoundationModelsRequest) -> Result<Self> {
        Self::new(Operation::ListFoundationModels, &members(request)?)
    }

    /// A call of `GetFoundationModel`.
    pub fn get_foundation_model(request: &GetFoundationModelRequest) -> Result<Self> {
        Self::new(Operation::GetFoundationModel, &members(request)?)
    }

    /// A call of `ListInferenceProfiles`, for one page.
    pub fn list_inference_profiles(request: &ListInferenceProfilesRequest) -> Result<Self> {
        Self::new(Operation::ListInferenceProfiles, &members(request)?)
    }

    /// A call of `GetInferenceProfile`.
    pub fn get_inference_profile(request: &GetInferenceProfileRequest) -> Result<Self> {
        Self::new(Operation::GetInferenceProfile, &members(request)?)
    }

    /// A call with these labels and no body yet: what is large is written once, straight into the body.
    fn at<'a>(operation: Operation, labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let mut request = Members::default();
        for (name, value) in labels {
            request.insert(name, Value::from(value));
        }
        Self::new(operation, &request)
    }

    fn of_invocation(operation: Operation, request: &InvokeModelRequest) -> Result<Self> {
        let mut without_body = request.clone();
        let body = without_body.body.take().unwrap_or_default().0;
        let call = Self::new(operation, &members(&without_body)?)?;
        Ok(Self { body, ..call })
    }

    fn with_json(mut self, body: Vec<u8>) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = body.into();
        self
    }

    fn add_query(&mut self, key: &str, value: Option<String>) {
        self.query.extend(value.map(|value| (key.to_owned(), value)));
    }
}

/// The members of a request as the API names them.
pub(crate) fn members(request: &impl Serialize) -> Result<Members> {
    Document::write(request)?.read()
}

/// `{modelId}` is the label `modelId`.
fn label(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// A member that does not stand in a body, as text; `null` is none.
fn text(member: &str, value: &Document) -> Result<Option<String>> {
    let found = match value.read::<Value>() {
        Ok(Value::Null) => return Ok(None),
        Ok(Value::String(text)) => return Ok(Some(text)),
        Ok(Value::Number(_) | Value::Bool(_)) => return Ok(Some(value.text().trim().to_owned())),
        Ok(Value::Array(_)) => "a list",
        Ok(Value::Object(_)) => "an object",
        Err(_) => "what is not Unicode",
    };
    Err(invalid(member, &format!("a string expected, {found} found")))
}

fn header(member: &str, name: &str, value: &str) -> Result<HeaderValue> {
    let found = if value.contains(['\r', '\n']) { "a line end" } else { "another character" };
    let header = HeaderValue::from_str(value).ok().filter(|_| value.is_ascii());
    header.ok_or_else(|| {
        invalid(member, &format!("visible ASCII expected, since it is the header {name}; {found} found"))
    })
}

fn invalid(member: &str, fault: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{member}: {fault}"))
}

/// The members that go into the body, as they came.
struct JsonBody<'a>(Vec<(&'a str, &'a Document)>);

impl Serialize for JsonBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// The token of a list's next page, in a request and in a response.
pub(crate) const NEXT_TOKEN: &str = "nextToken";
const MODEL_ID: &str = "modelId";
