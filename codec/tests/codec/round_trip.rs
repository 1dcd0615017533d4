//! Recorded bodies, read into the types and written back, are unchanged.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::fs;
use std::path::PathBuf;
use support::shared;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pumice_codec::converse::{
    ContentBlockDeltaEvent, ContentBlockStartEvent, ContentBlockStopEvent, ConverseRequest, ConverseResponse,
    ConverseStreamMetadataEvent, MessageStartEvent, MessageStopEvent,
};
use pumice_codec::count_tokens::CountTokensRequest;
use pumice_codec::foundation_model::{
    GetFoundationModelRequest, ListFoundationModelsRequest, ListFoundationModelsResponse,
};
use pumice_codec::frame::FrameDecoder;
use pumice_codec::guardrail::ApplyGuardrailRequest;
use pumice_codec::inference_profile::{
    GetInferenceProfileRequest, InferenceProfileSummary, ListInferenceProfilesRequest,
    ListInferenceProfilesResponse,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn requests_of_another_client() {
    let mut compared = 0;
    for case in shared::json("vectors/requests.json")["cases"].as_array().unwrap() {
        let params = case["params"].to_string();
        let bodies = match case["operation"].as_str().unwrap() {
            "Converse" | "ConverseStream" => {
                (round_trip::<ConverseRequest>(&params), read::<ConverseRequest>(&params).body())
            }
            "CountTokens" => {
                (round_trip::<CountTokensRequest>(&params), read::<CountTokensRequest>(&params).body())
            }
            "ApplyGuardrail" => {
                (round_trip::<ApplyGuardrailRequest>(&params), read::<ApplyGuardrailRequest>(&params).body())
            }
            "ListFoundationModels" => (round_trip::<ListFoundationModelsRequest>(&params), Ok(Vec::new())),
            "GetFoundationModel" => (round_trip::<GetFoundationModelRequest>(&params), Ok(Vec::new())),
            "ListInferenceProfiles" => (round_trip::<ListInferenceProfilesRequest>(&params), Ok(Vec::new())),
            "GetInferenceProfile" => (round_trip::<GetInferenceProfileRequest>(&params), Ok(Vec::new())),
            _ => continue,
        };
        let (written, body) = (bodies.0, bodies.1.unwrap());
        assert_eq!(written, numbers_alike(case["params"].clone()), "{}", case["name"]);
        if !body.is_empty() {
            let body = numbers_alike(serde_json::from_slice(&body).unwrap());
            assert_eq!(body, numbers_alike(case["request"]["body"].clone()), "{}", case["name"]);
        }
        compared += 1;
    }
    assert!(compared > 50, "{compared}");
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn responses_to_another_client() {
    let mut compared = 0;
    for case in shared::json("vectors/responses.json")["cases"].as_array().unwrap() {
        let Some(body) = case["body"].as_str().filter(|body| body.starts_with('{')) else { continue };
        let written = match case["operation"].as_str().unwrap() {
            "Converse" => round_trip::<ConverseResponse>(body),
            "ListFoundationModels" => round_trip::<ListFoundationModelsResponse>(body),
            "GetInferenceProfile" => round_trip::<InferenceProfileSummary>(body),
            _ => continue,
        };
        assert_eq!(written, without_nulls(parse(body)), "{}", case["name"]);
        compared += 1;
    }
    assert!(compared > 8, "{compared}");
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn recorded_requests() {
    let folder = shared::path("captures/converse-stream");
    let mut compared = 0;
    for file in files(&folder, "json") {
        let capture = json(&file);
        let Some(body) = capture["request"]["body"].as_object() else { continue };
        let mut request = body.clone();
        request.insert("modelId".to_owned(), capture["model"].clone());
        let request = Value::Object(request).to_string();
        assert_eq!(round_trip::<ConverseRequest>(&request), parse(&request), "{}", file.display());
        let written = read::<ConverseRequest>(&request).body().unwrap();
        let written = numbers_alike(serde_json::from_slice(&written).unwrap());
        assert_eq!(written, numbers_alike(capture["request"]["body"].clone()), "{}", file.display());
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn recorded_events() {
    let captures = shared::path("captures/converse-stream");
    let made = shared::path("vectors/eventstream/made");
    let mut compared = 0;
    for file in files(&captures, "bin").chain(files(&made, "bin")) {
        let mut decoder = FrameDecoder::new();
        decoder.push(fs::read(&file).unwrap());
        while let Ok(Some(frame)) = decoder.next_frame() {
            let payload = std::str::from_utf8(frame.payload()).unwrap();
            let written = match (frame.message_type(), frame.event_type()) {
                (Some("event"), Some("messageStart")) => round_trip::<MessageStartEvent>(payload),
                (Some("event"), Some("contentBlockStart")) => round_trip::<ContentBlockStartEvent>(payload),
                (Some("event"), Some("contentBlockDelta")) => round_trip::<ContentBlockDeltaEvent>(payload),
                (Some("event"), Some("contentBlockStop")) => round_trip::<ContentBlockStopEvent>(payload),
                (Some("event"), Some("messageStop")) => round_trip::<MessageStopEvent>(payload),
                (Some("event"), Some("metadata")) => round_trip::<ConverseStreamMetadataEvent>(payload),
                _ => continue,
            };
            let mut sent = parse(payload);
            sent.as_object_mut().unwrap().remove("p");
            assert_eq!(written, sent, "{}: {payload}", file.display());
            compared += 1;
        }
    }
    assert!(compared > 1000, "{compared}");
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn recorded_lists_of_models_and_profiles() {
    let folder = shared::path("captures/control-plane");
    let mut compared = 0;
    for file in files(&folder, "json") {
        let capture = json(&file);
        let body = STANDARD.decode(capture["response"]["body_b64"].as_str().unwrap()).unwrap();
        let body = std::str::from_utf8(&body).unwrap();
        let written = match capture["operation"].as_str().unwrap() {
            "foundation-models" => round_trip::<ListFoundationModelsResponse>(body),
            "inference-profiles" => round_trip::<ListInferenceProfilesResponse>(body),
            "inference-profiles/{id}" => round_trip::<InferenceProfileSummary>(body),
            operation => panic!("{operation}"),
        };
        assert_eq!(without_nulls(written), without_nulls(parse(body)), "{}", file.display());
        compared += 1;
    }
    assert!(compared > 3, "{compared}");
}

fn files(folder: &PathBuf, extension: &str) -> impl Iterator<Item = PathBuf> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(move |path| path.extension().is_some_and(|found| found == extension))
}

fn json(file: &PathBuf) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn parse(text: &str) -> Value {
    numbers_alike(serde_json::from_str(text).unwrap())
}

fn read<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn round_trip<T: DeserializeOwned + Serialize>(text: &str) -> Value {
    parse(&serde_json::to_string(&read::<T>(text)).unwrap())
}

/// Compares `1` and `1.0` as equal; as JSON values they differ.
fn numbers_alike(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().unwrap()),
        Value::Array(items) => items.into_iter().map(numbers_alike).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, numbers_alike(value))).collect()
        }
        other => other,
    }
}

/// A member that is `null` counts as absent.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        Value::Object(members) => members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}
