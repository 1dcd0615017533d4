//! How each operation is bound to HTTP: where each member of a request is sent, and which form the response has.

use std::fmt;

use http::Method;

use super::PROJECT;
use crate::endpoint::Service;

/// The table of all operations, a few lines each: what it does; its name; service, method, path, where members go that
/// are neither labels nor listed, and the form of the response; members that go elsewhere.
macro_rules! operations {
    ($(
        $(#[$doc:meta])+
        $name:ident $service:ident $method:ident $path:literal $others:ident $form:ident $named:literal
            $(with $members:expr)?;
    )+) => {
        /// An operation of the service.
        ///
        /// Sources: the API references of [Amazon Bedrock Runtime](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html),
        /// of [Amazon Bedrock](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock.html)
        /// and of [Agents for Amazon Bedrock Runtime](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Agents_for_Amazon_Bedrock_Runtime.html).
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Operation {
            $( $(#[$doc])+ $name, )+
        }

        impl Operation {
            /// All operations.
            pub const ALL: [Self; BINDINGS.len()] = [$( Self::$name, )+];
        }

        static BINDINGS: [Binding; [$( stringify!($name), )+].len()] = [$(
            Binding {
                name: stringify!($name),
                service: Service::$service,
                verb: Verb::$method,
                path: $path,
                members: operations!(@members $($members)?),
                others: Others::$others,
                response: ResponseForm::$form($named),
            },
        )+];
    };
    (@members) => { &[] };
    (@members $members:expr) => { $members };
}

operations! {
    /// A conversation with a model, with one response.
    Converse Runtime Post "/model/{modelId}/converse" Json Json "output,stopReason,usage";
    /// A conversation with a model; the response is a stream of events.
    ConverseStream Runtime Post "/model/{modelId}/converse-stream" Json Stream "messageStop";
    /// A model called in its own format, with one response.
    InvokeModel Runtime Post "/model/{modelId}/invoke" Nowhere Payload "body" with &invoke_members("accept");
    /// A model called in its own format; the response is a stream of events.
    InvokeModelWithResponseStream Runtime Post "/model/{modelId}/invoke-with-response-stream" Nowhere Stream "chunk" with &invoke_members("x-amzn-bedrock-accept");
    /// How many tokens a request has.
    CountTokens Runtime Post "/model/{modelId}/count-tokens" Json Json "inputTokens";
    /// A guardrail's assessment of content, without a model.
    ApplyGuardrail Runtime Post "/guardrail/{guardrailIdentifier}/version/{guardrailVersion}/apply" Json Json "usage,action,outputs,assessments";
    /// Checks of content as guardrails make them, without a guardrail.
    InvokeGuardrailChecks Runtime Post "/guardrail-checks/invoke" Json Json "results,usage";
    /// A model called for a response that goes to S3.
    StartAsyncInvoke Runtime Post "/async-invoke" Json Json "invocationArn";
    /// How far such a call is.
    GetAsyncInvoke Runtime Get "/async-invoke/{invocationArn}" Query Json "invocationArn,status";
    /// The calls whose responses go to S3.
    ListAsyncInvokes Runtime Get "/async-invoke" Query Pages "asyncInvokeSummaries";
    /// Documents in the order in which they fit a query.
    Rerank AgentRuntime Post "/rerank" Json Pages "results";
    /// The foundation models of a region.
    ListFoundationModels Control Get "/foundation-models" Query Pages "modelSummaries";
    /// One foundation model.
    GetFoundationModel Control Get "/foundation-models/{modelIdentifier}" Query Json "modelDetails";
    /// Whether the account, the identity and the region have access to a foundation model.
    GetFoundationModelAvailability Control Get "/foundation-model-availability/{modelId}" Query Json "modelId,agreementAvailability,authorizationStatus,entitlementAvailability,regionAvailability";
    /// The offers under which a foundation model can be had.
    ListFoundationModelAgreementOffers Control Get "/list-foundation-model-agreement-offers/{modelId}" Query Json "modelId,offers";
    /// Accepts an offer.
    CreateFoundationModelAgreement Control Post "/create-foundation-model-agreement" Json Json "modelId";
    /// Ends the agreement on a foundation model.
    DeleteFoundationModelAgreement Control Post "/delete-foundation-model-agreement" Json Json "";
    /// Says what the account uses Anthropic's models for.
    PutUseCaseForModelAccess Control Post "/use-case-for-model-access" Json Json "";
    /// What the account uses Anthropic's models for.
    GetUseCaseForModelAccess Control Get "/use-case-for-model-access" Query Json "formData";
    /// How long the account's data is kept.
    GetAccountDataRetention Control Get "/data-retention" Query Json "mode";
    /// Sets how long the account's data is kept.
    PutAccountDataRetention Control Put "/data-retention" Json Json "mode";
    /// Creates a project.
    CreateProject Control Post "/projects" Json Json "id,arn";
    /// One project.
    GetProject Control Get "/projects/{projectIdentifier}" Query Json "id,arn";
    /// The projects of a region.
    ListProjects Control Get "/projects" Query Pages "projectSummaries";
    /// Changes a project.
    UpdateProject Control Post "/projects/{projectIdentifier}" Json Json "id,arn";
    /// Ends a project for good.
    ArchiveProject Control Post "/projects/{projectIdentifier}/archive" Query Json "id,arn";
    /// The inference profiles of a region.
    ListInferenceProfiles Control Get "/inference-profiles" Query Pages "inferenceProfileSummaries" with &[("typeEquals", Location::Query("type"))];
    /// One inference profile.
    GetInferenceProfile Control Get "/inference-profiles/{inferenceProfileIdentifier}" Query Json "inferenceProfileName";
    /// Creates an inference profile of the account's own.
    CreateInferenceProfile Control Post "/inference-profiles" Json Json "inferenceProfileArn";
    /// Deletes an inference profile of the account's own.
    DeleteInferenceProfile Control Delete "/inference-profiles/{inferenceProfileIdentifier}" Query Json "";
    /// Adds tags to a resource.
    TagResource Control Post "/tagResource" Json Json "";
    /// Removes tags from a resource.
    UntagResource Control Post "/untagResource" Json Json "";
    /// The tags of a resource.
    ListTagsForResource Control Post "/listTagsForResource" Json Json "tags";
    /// The prompt routers of a region.
    ListPromptRouters Control Get "/prompt-routers" Query Pages "promptRouterSummaries";
    /// One prompt router.
    GetPromptRouter Control Get "/prompt-routers/{promptRouterArn}" Query Json "promptRouterName";
    /// Creates a prompt router.
    CreatePromptRouter Control Post "/prompt-routers" Json Json "promptRouterArn";
    /// Deletes a prompt router.
    DeletePromptRouter Control Delete "/prompt-routers/{promptRouterArn}" Query Json "";
    /// The models that were imported.
    ListImportedModels Control Get "/imported-models" Query Pages "modelSummaries";
    /// The models that were customised.
    ListCustomModels Control Get "/custom-models" Query Pages "modelSummaries";
    /// The customised models that are called on demand.
    ListCustomModelDeployments Control Get "/model-customization/custom-model-deployments" Query Pages "modelDeploymentSummaries";
    /// The models with capacity that was bought.
    ListProvisionedModelThroughputs Control Get "/provisioned-model-throughputs" Query Pages "provisionedModelSummaries";
    /// The endpoints of models from Bedrock's Marketplace.
    ListMarketplaceModelEndpoints Control Get "/marketplace-model/endpoints" Query Pages "marketplaceModelEndpoints" with &[("modelSourceEquals", Location::Query("modelSourceIdentifier"))];
    /// The guardrails of a region.
    ListGuardrails Control Get "/guardrails" Query Pages "guardrails";
    /// Starts a batch job.
    CreateModelInvocationJob Control Post "/model-invocation-job" Json Json "jobArn";
    /// How far a batch job is.
    GetModelInvocationJob Control Get "/model-invocation-job/{jobIdentifier}" Query Json "jobArn";
    /// The batch jobs of a region.
    ListModelInvocationJobs Control Get "/model-invocation-jobs" Query Pages "invocationJobSummaries";
    /// Stops a batch job.
    StopModelInvocationJob Control Post "/model-invocation-job/{jobIdentifier}/stop" Query Json "";
}

/// Named as in the service's model.
impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Operation {
    pub(super) fn binding(self) -> &'static Binding {
        let [first, ..] = &BINDINGS;
        BINDINGS.get(self as usize).unwrap_or(first)
    }

    /// Whether a request names a model, in `modelId`.
    pub fn takes_model(self) -> bool {
        self.binding().path.starts_with(MODEL_PATH)
    }

    /// Whether a request can name a project, in `projectIdentifier`.
    pub(crate) fn takes_project(self) -> bool {
        use Operation as O;
        match self {
            O::ListFoundationModels
            | O::GetFoundationModel
            | O::ListInferenceProfiles
            | O::GetInferenceProfile => true,
            O::CountTokens => false,
            _ => self.takes_model(),
        }
    }

    /// Whether the service makes only one thing of two requests with the same `clientRequestToken`.
    pub(crate) fn takes_client_token(self) -> bool {
        use Operation as O;
        matches!(
            self,
            O::StartAsyncInvoke
                | O::CreateModelInvocationJob
                | O::CreateInferenceProfile
                | O::CreatePromptRouter
        )
    }
}

/// How an operation is bound to HTTP.
pub(super) struct Binding {
    /// In the service's model.
    pub(super) name: &'static str,
    /// `{name}` is a label: the member of this name, percent-encoded.
    pub(super) path: &'static str,
    /// Where members go that are neither labels nor with the others.
    pub(super) members: &'static [(&'static str, Location)],
    pub(super) response: ResponseForm,
    pub(super) service: Service,
    verb: Verb,
    pub(super) others: Others,
}

/// A method of HTTP.
// size: 23 bytes less in each row than `Method`.
enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

/// Where all members go that have no place of their own, including those of a later version of the API.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// Into the body, a JSON object.
    Json,
    /// Into the query, under their own names. There is no body.
    Query,
    /// The operation cannot have other members.
    Nowhere,
}

impl Binding {
    pub(super) fn method(&self) -> Method {
        match self.verb {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Put => Method::PUT,
            Verb::Delete => Method::DELETE,
        }
    }

    pub(super) fn location(&self, member: &str) -> Location {
        if self.path.split('/').any(|segment| label(segment) == Some(member)) {
            return Location::Label;
        }
        match self.members.iter().find(|(name, _)| *name == member) {
            Some((_, place)) => *place,
            None => Location::Other(self.others),
        }
    }
}

/// Where a member of a request goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Location {
    /// Into the path.
    Label,
    /// Into the query, under this key.
    Query(&'static str),
    /// Into the header of this name.
    Header(&'static str),
    /// It is the body: a blob.
    Payload,
    /// Where the others go.
    Other(Others),
}

/// The form of an operation's response.
#[derive(Clone, Copy)]
pub(crate) enum ResponseForm {
    /// A JSON object with these members, separated by commas: those that tell it from an error, and a response of
    /// another operation, with status 200. Without any, the body may be empty.
    Json(&'static str),
    /// A JSON object per page, if there is more than one. All have a list in this member, and all but the last have
    /// `nextToken`, with which a request names the next page.
    Pages(&'static str),
    /// The bytes of this member; others are in headers: [`Operation::member_in_headers`].
    Payload(&'static str),
    /// A stream of events, which is not complete without an event of this type.
    Stream(&'static str),
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

/// The beginning of the path of each operation that takes a model. The model follows.
pub(super) const MODEL_PATH: &str = "/model/";
