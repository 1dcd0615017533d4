//! The service's model, shape by shape, compared with the types: each member, variant and value in `model/bedrock.txt`
//! must have its own place in a type.
//!
//! That a value can be read proves nothing, since the types keep what they do not know. [`kept_unknown`] checks that
//! nothing is kept as unknown.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use support::capture;

use pumice::ErrorKind;
use pumice::operation::Operation;
use pumice::shape::Members;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use support::capture::{Capture, call_either, least_request};
use support::shared;

/// Shapes that no type carries, and why not.
const EXEMPT: &[(&str, &str)] = &[
    ("ConverseStreamResponse", "nothing but the stream"),
    ("ConverseStreamOutput", "a stream, whose events are carried one by one"),
    ("ResponseStream", "a stream, whose events are carried one by one"),
    ("InvokeModelWithResponseStreamResponse", "a stream; its other members are headers"),
    ("InternalServerException", "a pumice::Error"),
    ("ModelStreamErrorException", "a pumice::Error"),
    ("ModelTimeoutException", "a pumice::Error"),
    ("ServiceUnavailableException", "a pumice::Error"),
    ("ThrottlingException", "a pumice::Error"),
    ("ValidationException", "a pumice::Error"),
];

/// Reads a JSON text as a type: what it writes back, and what `Debug` shows.
type Read = fn(&str) -> Result<(Value, String), String>;

fn read<T: DeserializeOwned + Serialize + Debug>(json: &str) -> Result<(Value, String), String> {
    let value = serde_json::from_str::<T>(json).map_err(|error| error.to_string())?;
    let debug = format!("{value:?}");
    Ok((serde_json::to_value(value).map_err(|error| error.to_string())?, debug))
}

/// A table of readers: `Name` is the shape and the type; `Shape => Name` where the type has another name.
macro_rules! types {
    ($($module:ident { $( $shape:ident $(=> $name:ident)?, )+ })+) => {
        BTreeMap::from([$($( (stringify!($shape), types!(@ $module $shape $($name)?)), )+)+])
    };
    (@ $module:ident $shape:ident) => { read::<pumice::$module::$shape> as Read };
    (@ $module:ident $shape:ident $name:ident) => { read::<pumice::$module::$name> as Read };
}

fn types() -> BTreeMap<&'static str, Read> {
    types! {
        converse {
            AnyToolChoice, AudioBlock, AudioFormat, AudioSource, AutoToolChoice, CacheDetail,
            CachePointBlock, CachePointType, CacheTTL => CacheTtl, Citation, CitationGeneratedContent,
            CitationLocation, CitationSourceContent, CitationSourceContentDelta, CitationsConfig,
            CitationsContentBlock, CitationsDelta, ContentBlock, ContentBlockDelta,
            ContentBlockDeltaEvent, ContentBlockStart, ContentBlockStartEvent, ContentBlockStopEvent,
            ConversationRole, ConverseMetrics, ConverseOutput, ConverseRequest, ConverseResponse,
            ConverseStreamMetadataEvent, ConverseStreamMetrics => ConverseMetrics,
            ConverseStreamRequest => ConverseRequest, ConverseStreamTrace => ConverseTrace,
            ConverseTrace, DocumentBlock, DocumentCharLocation, DocumentChunkLocation,
            DocumentContentBlock, DocumentFormat, DocumentPageLocation, DocumentSource, ErrorBlock,
            ImageBlock, ImageBlockDelta, ImageBlockStart, ImageFormat, ImageSource,
            InferenceConfiguration, JsonSchemaDefinition, Message, MessageStartEvent, MessageStopEvent,
            OutputConfig, OutputFormat, OutputFormatStructure, OutputFormatType,
            PerformanceConfigLatency, PerformanceConfiguration, PromptRouterTrace,
            PromptVariableValues, ReasoningContentBlock, ReasoningContentBlockDelta,
            ReasoningTextBlock, S3Location, SearchResultBlock, SearchResultContentBlock,
            SearchResultLocation, ServiceTier, ServiceTierType, SpecificToolChoice, StopReason,
            SystemContentBlock, SystemTool, TokenUsage, Tool, ToolAdditionBlock, ToolChoice,
            ToolConfiguration, ToolInputSchema, ToolReference, ToolRemovalBlock, ToolResultBlock,
            ToolResultBlockDelta, ToolResultBlockStart, ToolResultContentBlock, ToolResultStatus,
            ToolSpecification, ToolUseBlock, ToolUseBlockDelta, ToolUseBlockStart, ToolUseType,
            VideoBlock, VideoFormat, VideoSource, WebLocation,
        }
        count_tokens {
            ConverseTokensRequest, CountTokensInput, CountTokensRequest, CountTokensResponse,
            InvokeModelTokensRequest,
        }
        guardrail {
            AppliedGuardrailDetails, ApplyGuardrailRequest, ApplyGuardrailResponse, GuardrailAction,
            GuardrailAssessment, GuardrailAutomatedReasoningFinding,
            GuardrailAutomatedReasoningImpossibleFinding,
            GuardrailAutomatedReasoningInputTextReference, GuardrailAutomatedReasoningInvalidFinding,
            GuardrailAutomatedReasoningLogicWarning, GuardrailAutomatedReasoningLogicWarningType,
            GuardrailAutomatedReasoningNoTranslationsFinding,
            GuardrailAutomatedReasoningPolicyAssessment, GuardrailAutomatedReasoningRule,
            GuardrailAutomatedReasoningSatisfiableFinding, GuardrailAutomatedReasoningScenario,
            GuardrailAutomatedReasoningStatement, GuardrailAutomatedReasoningTooComplexFinding,
            GuardrailAutomatedReasoningTranslation,
            GuardrailAutomatedReasoningTranslationAmbiguousFinding,
            GuardrailAutomatedReasoningTranslationOption, GuardrailAutomatedReasoningValidFinding,
            GuardrailConfiguration, GuardrailContentBlock, GuardrailContentFilter,
            GuardrailContentFilterConfidence, GuardrailContentFilterStrength,
            GuardrailContentFilterType, GuardrailContentPolicyAction,
            GuardrailContentPolicyAssessment, GuardrailContentQualifier, GuardrailContentSource,
            GuardrailContextualGroundingFilter, GuardrailContextualGroundingFilterType,
            GuardrailContextualGroundingPolicyAction, GuardrailContextualGroundingPolicyAssessment,
            GuardrailConverseContentBlock => GuardrailContentBlock,
            GuardrailConverseContentQualifier => GuardrailContentQualifier,
            GuardrailConverseImageBlock => GuardrailImageBlock,
            GuardrailConverseImageFormat => GuardrailImageFormat,
            GuardrailConverseImageSource => GuardrailImageSource,
            GuardrailConverseTextBlock => GuardrailTextBlock, GuardrailCoverage, GuardrailCustomWord,
            GuardrailImageBlock, GuardrailImageCoverage, GuardrailImageFormat, GuardrailImageSource,
            GuardrailInvocationMetrics, GuardrailManagedWord, GuardrailManagedWordType,
            GuardrailOrigin, GuardrailOutputContent, GuardrailOutputScope, GuardrailOwnership,
            GuardrailPiiEntityFilter, GuardrailPiiEntityType, GuardrailRegexFilter,
            GuardrailSensitiveInformationPolicyAction, GuardrailSensitiveInformationPolicyAssessment,
            GuardrailStreamConfiguration => GuardrailConfiguration, GuardrailStreamProcessingMode,
            GuardrailTextBlock, GuardrailTextCharactersCoverage, GuardrailTopic,
            GuardrailTopicPolicyAction, GuardrailTopicPolicyAssessment, GuardrailTopicType,
            GuardrailTrace, GuardrailTraceAssessment, GuardrailUsage, GuardrailWordPolicyAction,
            GuardrailWordPolicyAssessment,
        }
        foundation_model {
            FoundationModelDetails => FoundationModelSummary, FoundationModelLifecycle,
            FoundationModelLifecycleStatus, FoundationModelSummary, GetFoundationModelRequest,
            GetFoundationModelResponse, InferenceType, ListFoundationModelsRequest,
            ListFoundationModelsResponse, ModelCustomization, ModelModality,
        }
        inference_profile {
            GetInferenceProfileRequest, GetInferenceProfileResponse => InferenceProfileSummary,
            InferenceProfileModel, InferenceProfileStatus, InferenceProfileSummary,
            InferenceProfileType, ListInferenceProfilesRequest, ListInferenceProfilesResponse,
        }
        invoke_model {
            InvokeModelRequest, InvokeModelResponse,
            InvokeModelWithResponseStreamRequest => InvokeModelRequest, PayloadPart, Trace,
        }
        model_access {
            AgreementAvailability, AgreementStatus, AuthorizationStatus, CreateFoundationModelAgreementRequest, CreateFoundationModelAgreementResponse, DeleteFoundationModelAgreementRequest, DeleteFoundationModelAgreementResponse, DimensionalPriceRate, EntitlementAvailability, GetFoundationModelAvailabilityRequest, GetFoundationModelAvailabilityResponse, GetUseCaseForModelAccessRequest, GetUseCaseForModelAccessResponse, LegalTerm, ListFoundationModelAgreementOffersRequest, ListFoundationModelAgreementOffersResponse, Offer, OfferType, PricingTerm, PutUseCaseForModelAccessRequest, PutUseCaseForModelAccessResponse, RegionAvailability, SupportTerm, TermDetails, ValidityTerm,
        }
        model_invocation_job {
            CreateModelInvocationJobRequest, CreateModelInvocationJobResponse, GetModelInvocationJobRequest,
            GetModelInvocationJobResponse => ModelInvocationJobSummary, ListModelInvocationJobsRequest,
            ListModelInvocationJobsResponse, ModelInvocationJobInputDataConfig,
            ModelInvocationJobOutputDataConfig, ModelInvocationJobS3InputDataConfig,
            ModelInvocationJobS3OutputDataConfig, ModelInvocationJobStatus, ModelInvocationJobSummary,
            ModelInvocationType, S3InputFormat, SortJobsBy, SortOrder, StopModelInvocationJobRequest,
            StopModelInvocationJobResponse, Tag, VpcConfig,
        }
    }
}

#[test]
fn every_shape_has_a_type() {
    let (shapes, types) = (shapes(), types());
    let missing = shapes.keys().filter(|name| !types.contains_key(*name) && !exempt(name));
    assert_eq!(missing.collect::<Vec<_>>(), [&""; 0], "shapes without a type");
    let gone = types.keys().copied().chain(EXEMPT.iter().map(|(name, _)| *name));
    assert_eq!(gone.filter(|name| !shapes.contains_key(name)).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn every_member_variant_and_value_of_the_model_has_a_type() {
    let (shapes, types) = (shapes(), types());
    let mut faults = Vec::new();
    for (name, reader) in &types {
        for sample in samples(&shapes, name) {
            match reader(&sample.to_string()) {
                Err(error) => faults.push(format!("{name}: {error}: {sample}")),
                Ok((written, _)) if written != sample => {
                    faults.push(format!("{name}: {sample} became {written}"));
                }
                Ok((_, debug)) => {
                    if let Some(unknown) = kept_unknown(&debug) {
                        faults.push(format!("{name}: not known: {unknown}"));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A member that takes any JSON or any string would pass the test above too. So each gets an unknown value, and must
/// recognise it as unknown.
#[test]
fn each_member_has_the_type_of_its_shape() {
    let (shapes, types) = (shapes(), types());
    let mut faults = Vec::new();
    for (name, reader) in &types {
        let (least, members) = match &shapes[name] {
            Shape::Structure(members) => (required(&shapes, members), members),
            Shape::Union(members) => (json!({}), members),
            _ => continue,
        };
        for member in members.iter().filter(|member| !is_kept_as_it_came(member.target)) {
            let Some((value, shown)) = something_new(&shapes, member.target) else { continue };
            let mut object = least.clone();
            object[member.name] = value;
            match reader(&object.to_string()) {
                Ok((_, debug)) if debug.contains(shown) => {}
                Ok((_, debug)) => faults.push(format!("{name}.{}: anything goes: {debug}", member.name)),
                Err(error) => faults.push(format!("{name}.{}: {error}", member.name)),
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn nothing_is_required_that_the_model_does_not_require() {
    let (shapes, types) = (shapes(), types());
    for (name, reader) in &types {
        if let Shape::Structure(members) = &shapes[name] {
            let least = required(&shapes, members);
            let (written, _) = reader(&least.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(written, least, "{name}");
        }
    }
}

#[test]
fn a_missing_member_variant_or_value_is_found() {
    for (name, json) in [
        ("Message", r#"{"role":"user","content":[],"new":1}"#),
        ("Message", r#"{"role":"user","content":[{"new":1}]}"#),
        ("Message", r#"{"role":"new","content":[]}"#),
    ] {
        let (_, debug) = types()[name](json).unwrap();
        assert!(kept_unknown(&debug).is_some(), "{debug}");
    }
}

/// Members of responses that may be absent although the model requires them, and the other way round.
const LENIENT: &[(&str, &str)] = &[
    ("Converse", "metrics"),
    ("GetInferenceProfile", "inferenceProfileArn"),
    ("GetInferenceProfile", "models"),
    ("GetInferenceProfile", "inferenceProfileId"),
    ("GetInferenceProfile", "status"),
    ("GetInferenceProfile", "type"),
    ("GetModelInvocationJob", "modelId"),
    ("GetModelInvocationJob", "roleArn"),
    ("GetModelInvocationJob", "submitTime"),
    ("GetModelInvocationJob", "inputDataConfig"),
    ("GetModelInvocationJob", "outputDataConfig"),
];
const STRICT: &[(&str, &str)] = &[
    ("GetFoundationModel", "modelDetails"),
    ("ListFoundationModels", "modelSummaries"),
    ("ListInferenceProfiles", "inferenceProfileSummaries"),
    ("ListModelInvocationJobs", "invocationJobSummaries"),
];

#[tokio::test]
async fn a_response_without_a_required_member_is_damaged() {
    let shapes = shapes();
    let lines = include_str!("model/bedrock.txt").lines();
    let mut checked = 0;
    for (operation, output) in lines.filter_map(|line| line.strip_prefix("operation ")).map(|line| {
        let words = line.split(' ').collect::<Vec<_>>();
        (Operation::from_name(words[0]).unwrap(), words[2])
    }) {
        if operation.is_streamed() || operation == Operation::InvokeModel {
            continue;
        }
        let Shape::Structure(members) = &shapes[output] else { panic!("{output}") };
        let listed = |list: &[(&str, &str)], member: &Member| list.contains(&(operation.name(), member.name));
        let must = |member: &Member| member.required && !listed(LENIENT, member) || listed(STRICT, member);
        let least = object(&shapes, members.iter().filter(|member| must(member)));
        let mut cases = vec![(least.clone(), None)];
        for member in members.iter().filter(|member| must(member)) {
            let (mut absent, mut null) = (least.clone(), least.clone());
            absent.as_object_mut().unwrap().remove(member.name);
            null[member.name] = Value::Null;
            cases.extend([(absent, Some(member.name)), (null, Some(member.name))]);
        }
        for (response, missing) in cases {
            let answered = |typed: bool| {
                let client = capture::client(&Arc::new(Capture::answering([response.to_string()])));
                async move {
                    let request = least_request(operation).to_string();
                    call_either(typed, &client, operation, &request).await
                }
            };
            for typed in [false, true] {
                let answer = answered(typed).await;
                match (answer, missing) {
                    (Ok(_), None) => {}
                    (Err(error), Some(missing)) => {
                        assert_eq!(error.kind(), ErrorKind::Damaged, "{response}: {error}");
                        let expected = format!("expected {missing} in the {} response", operation.name());
                        assert!(error.message().contains(&expected), "{response}: {error}");
                        checked += 1;
                    }
                    (answer, _) => panic!("{operation:?} {missing:?}: {response}: {answer:?}"),
                }
            }
        }
    }
    assert_eq!(checked, 4 * (3 + 1 + 4 + 1 + 1 + 1 + 1 + 5 + 2 + 1 + 1 + 1 + 1 + 1));
}

/// Each operation of the table, as the service's model binds it to HTTP.
#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn operations_are_bound_as_in_the_model() {
    let more = std::fs::read_to_string(shared::path("vectors/model/bedrock-1.44.8-more.txt")).unwrap();
    let lines = more.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let lines = lines.collect::<Vec<_>>();
    let mut compared = 0;
    for words in &lines {
        let [http, name, method, path, ..] = words[..] else { continue };
        let Some(operation) = Operation::from_name(name).filter(|_| http == "http") else { continue };
        let input = format!("{name}Request");
        let shape =
            lines.iter().find(|words| words.len() > 1 && words[0] == "structure" && words[1] == input);
        let (mut request, mut query, mut body) = (Members::default(), Vec::new(), json!({}));
        let mut expected = path.to_owned();
        for word in &shape.unwrap()[2..] {
            let (member, target) = word.split_once(':').unwrap();
            let member = member.trim_end_matches('*');
            let value = if target == "blob" { "e30=".to_owned() } else { format!("a/{member}") };
            request.insert(member, json!(value));
            match target.split_once('@') {
                Some((_, "uri")) => {
                    expected = expected.replace(&format!("{{{member}}}"), &format!("a%2F{member}"));
                }
                Some((_, "querystring")) => {
                    let line = lines.iter().find(|words| words[0] == format!("{input}.{member}"));
                    query.push((line.unwrap()[2].to_owned(), value));
                }
                _ => body[member] = json!(value),
            }
        }
        let sent = sent(operation, &request);
        let pairs = sent.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decoded = |text: &str| percent_decode(text);
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap());
        let pairs = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect::<Vec<_>>();
        assert_eq!((sent.method().as_str(), sent.uri().path()), (method, &*expected), "{name}");
        assert_eq!(pairs, query, "{name}");
        let has_body = body != json!({});
        assert_eq!(serde_json::from_slice(sent.body()).ok(), has_body.then_some(body), "{name}");
        let media_type = sent.headers().get("content-type").map(|value| value.to_str().unwrap());
        assert_eq!(media_type, has_body.then_some("application/json"), "{name}");
        compared += 1;
    }
    assert_eq!(compared, Operation::ALL.len() - 11, "all but the ten of `bedrock.txt` and Rerank");
}

/// The request of a call by members.
fn sent(operation: Operation, request: &Members) -> http::Request<bytes::Bytes> {
    let capture = Arc::new(Capture::default());
    let client = capture::client(&capture);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _ = runtime.block_on(client.call(operation, request));
    capture.only_request()
}

fn percent_decode(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

/// The part of a value that was kept as unknown, if there is one.
fn kept_unknown(debug: &str) -> Option<&str> {
    let at = debug.find("Members([(").or_else(|| debug.find("Unknown("))?;
    debug.get(at..).map(|rest| rest.split_once(')').map_or(rest, |(first, _)| first))
}

enum Shape {
    Structure(Vec<Member>),
    Union(Vec<Member>),
    Enumeration(Vec<&'static str>),
    /// A stream or an exception.
    Other,
}

struct Member {
    name: &'static str,
    required: bool,
    target: &'static str,
}

type Shapes = BTreeMap<&'static str, Shape>;

fn shapes() -> Shapes {
    let lines = include_str!("model/bedrock.txt").lines().filter(|line| !line.starts_with('#'));
    let shapes = lines.filter_map(|line| {
        let mut words = line.split(' ');
        let (kind, name) = (words.next().unwrap(), words.next().unwrap());
        let shape = match kind {
            "operation" => return None,
            "structure" => Shape::Structure(words.map(member).collect()),
            "union" => Shape::Union(words.map(member).collect()),
            "enum" => Shape::Enumeration(words.collect()),
            "eventstream" | "exception" => Shape::Other,
            _ => panic!("{line}"),
        };
        Some((name, shape))
    });
    shapes.collect()
}

/// `name:target`, `name*:target`, `name:target@place`
fn member(word: &'static str) -> Member {
    let (name, target) = word.split_once(':').unwrap();
    Member {
        name: name.trim_end_matches('*'),
        required: name.ends_with('*'),
        target: target.split('@').next().unwrap(),
    }
}

fn exempt(name: &str) -> bool {
    EXEMPT.iter().any(|(exempt, _)| *exempt == name)
}

/// A trace is kept as a document until it is read as its type.
fn is_kept_as_it_came(target: &str) -> bool {
    matches!(target, "ConverseTrace" | "ConverseStreamTrace")
}

/// Values of a shape that together have everything that it can hold.
fn samples(shapes: &Shapes, name: &str) -> Vec<Value> {
    match &shapes[name] {
        Shape::Structure(members) => vec![object(shapes, members.iter())],
        Shape::Union(members) => members.iter().map(|member| object(shapes, [member])).collect(),
        Shape::Enumeration(values) => values.iter().map(|value| json!(value)).collect(),
        Shape::Other => Vec::new(),
    }
}

fn required(shapes: &Shapes, members: &[Member]) -> Value {
    object(shapes, members.iter().filter(|member| member.required))
}

fn object<'a>(shapes: &Shapes, members: impl IntoIterator<Item = &'a Member>) -> Value {
    members.into_iter().map(|member| (member.name.to_owned(), sample(shapes, member.target))).collect()
}

/// A value for a member. Numbers are as large as the model allows.
fn sample(shapes: &Shapes, target: &str) -> Value {
    match target {
        "string" => json!("some text"),
        "integer" => json!(i32::MAX),
        "long" => json!(i64::MAX),
        "float" | "double" => json!(0.1),
        "boolean" => json!(true),
        "blob" => json!("AAH/"),
        "timestamp" => json!("2026-07-13T14:00:42.680622107Z"),
        "document" => json!({"any": [1, null, {}]}),
        _ => match (within(target, "list<"), within(target, "map<")) {
            (Some(item), _) => json!([sample(shapes, item)]),
            (_, Some(value)) => json!({"a key": sample(shapes, value)}),
            _ => samples(shapes, target).swap_remove(0),
        },
    }
}

/// A value with something that its shape does not have, and what `Debug` shows of that. `None` if the shape takes any
/// value.
fn something_new(shapes: &Shapes, target: &str) -> Option<(Value, &'static str)> {
    if let Some(item) = within(target, "list<") {
        return something_new(shapes, item).map(|(value, shown)| (json!([value]), shown));
    }
    if let Some(value) = within(target, "map<") {
        return something_new(shapes, value).map(|(value, shown)| (json!({"a key": value}), shown));
    }
    match shapes.get(target)? {
        Shape::Structure(members) => {
            let mut object = required(shapes, members);
            object["brand new"] = json!(1);
            Some((object, r#"Members([("brand new", 1)])"#))
        }
        Shape::Union(_) => Some((json!({"brand new": 1}), r#"Unknown(Members([("brand new", 1)]))"#)),
        Shape::Enumeration(_) => Some((json!("brand new"), r#"Unknown("brand new")"#)),
        Shape::Other => None,
    }
}

fn within<'a>(target: &'a str, opening: &str) -> Option<&'a str> {
    target.strip_prefix(opening)?.strip_suffix('>')
}
