//! How each operation is bound to HTTP: where each member of a request is sent, and which form the response has.

use http::Method;

use super::{Operation, PROJECT};
use crate::endpoint::Service;

impl Operation {
    /// The table of all operations.
    #[allow(clippy::too_many_lines, reason = "one table, with one entry per operation")]
    pub(super) fn binding(self) -> Binding {
        match self {
            Self::Converse => Binding {
                name: "Converse",
                service: Service::Runtime,
                method: Method::POST,
                path: "/model/{modelId}/converse",
                members: &[],
                others: Location::Json,
                response: ResponseForm::Json { required: &["output", "stopReason", "usage", "metrics"] },
            },
            Self::ConverseStream => Binding {
                name: "ConverseStream",
                service: Service::Runtime,
                method: Method::POST,
                path: "/model/{modelId}/converse-stream",
                members: &[],
                others: Location::Json,
                response: ResponseForm::Stream { closing_event: "messageStop" },
            },
            Self::InvokeModel => Binding {
                name: "InvokeModel",
                service: Service::Runtime,
                method: Method::POST,
                path: "/model/{modelId}/invoke",
                members: const { &invoke_members("accept") },
                others: Location::Nowhere,
                response: ResponseForm::Payload {
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
                members: const { &invoke_members("x-amzn-bedrock-accept") },
                others: Location::Nowhere,
                response: ResponseForm::Stream { closing_event: "chunk" },
            },
            Self::CountTokens => Binding {
                name: "CountTokens",
                service: Service::Runtime,
                method: Method::POST,
                path: "/model/{modelId}/count-tokens",
                members: &[],
                others: Location::Json,
                response: ResponseForm::Json { required: &["inputTokens"] },
            },
            Self::ApplyGuardrail => Binding {
                name: "ApplyGuardrail",
                service: Service::Runtime,
                method: Method::POST,
                path: "/guardrail/{guardrailIdentifier}/version/{guardrailVersion}/apply",
                members: &[],
                others: Location::Json,
                response: ResponseForm::Json { required: &["usage", "action", "outputs", "assessments"] },
            },
            Self::ListFoundationModels => Binding {
                name: "ListFoundationModels",
                service: Service::Control,
                method: Method::GET,
                path: "/foundation-models",
                members: &[
                    ("byProvider", Location::Query("byProvider")),
                    ("byCustomizationType", Location::Query("byCustomizationType")),
                    ("byOutputModality", Location::Query("byOutputModality")),
                    ("byInferenceType", Location::Query("byInferenceType")),
                ],
                others: Location::QueryByName,
                response: ResponseForm::Pages { items: "modelSummaries" },
            },
            Self::GetFoundationModel => Binding {
                name: "GetFoundationModel",
                service: Service::Control,
                method: Method::GET,
                path: "/foundation-models/{modelIdentifier}",
                members: &[],
                others: Location::QueryByName,
                response: ResponseForm::Json { required: &["modelDetails"] },
            },
            Self::ListInferenceProfiles => Binding {
                name: "ListInferenceProfiles",
                service: Service::Control,
                method: Method::GET,
                path: "/inference-profiles",
                members: &[
                    ("maxResults", Location::Query("maxResults")),
                    ("nextToken", Location::Query("nextToken")),
                    ("typeEquals", Location::Query("type")),
                ],
                others: Location::QueryByName,
                response: ResponseForm::Pages { items: "inferenceProfileSummaries" },
            },
            Self::GetInferenceProfile => Binding {
                name: "GetInferenceProfile",
                service: Service::Control,
                method: Method::GET,
                path: "/inference-profiles/{inferenceProfileIdentifier}",
                members: &[],
                others: Location::QueryByName,
                response: ResponseForm::Json { required: &["inferenceProfileName"] },
            },
        }
    }
}

/// How an operation is bound to HTTP.
pub(super) struct Binding {
    /// In the service's model.
    pub(super) name: &'static str,
    pub(super) service: Service,
    pub(super) method: Method,
    /// `{name}` is a label: the member of this name, percent-encoded.
    pub(super) path: &'static str,
    /// Where members go that are not labels.
    pub(super) members: &'static [(&'static str, Location)],
    /// Where all other members go, including those of a later version of the API.
    pub(super) others: Location,
    pub(super) response: ResponseForm,
}

impl Binding {
    pub(super) fn location(&self, member: &str) -> Location {
        if self.path.split('/').any(|segment| label(segment) == Some(member)) {
            return Location::Label;
        }
        let listed = self.members.iter().find(|(name, _)| *name == member);
        listed.map_or(self.others, |(_, place)| *place)
    }
}

/// Where a member of a request goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Location {
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
    /// The operation cannot have such a member.
    Nowhere,
}

/// The form of an operation's response.
pub(crate) enum ResponseForm {
    /// A JSON object with these members: those that the service's model requires, or the only member of a
    /// response, which the service always sends.
    Json { required: &'static [&'static str] },
    /// A JSON object per page, if there is more than one. All have a list in the member `items`, and all but the
    /// last have `nextToken`, with which a request names the next page.
    Pages { items: &'static str },
    /// The bytes of one member; other members are in the headers of these names.
    Payload { member: &'static str, headers: &'static [(&'static str, &'static str)] },
    /// A stream of events, which is not complete without an event of this type.
    Stream { closing_event: &'static str },
}

/// `{modelId}` is the label `modelId`.
pub(super) fn label(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// The members of InvokeModel and of its stream, which have `accept` in different headers.
const fn invoke_members(accept: &'static str) -> [(&'static str, Location); 10] {
    [
        ("body", Location::Payload),
        ("contentType", Location::Header("content-type")),
        ("accept", Location::Header(accept)),
        ("trace", Location::Header("x-amzn-bedrock-trace")),
        ("guardrailIdentifier", Location::Header("x-amzn-bedrock-guardrailidentifier")),
        ("guardrailVersion", Location::Header("x-amzn-bedrock-guardrailversion")),
        (PROJECT, Location::Header("x-amzn-bedrock-projectidentifier")),
        ("performanceConfigLatency", Location::Header("x-amzn-bedrock-performanceconfig-latency")),
        ("serviceTier", Location::Header("x-amzn-bedrock-service-tier")),
        ("requestMetadata", Location::Header("x-amzn-bedrock-request-metadata")),
    ]
}
