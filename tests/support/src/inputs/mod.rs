//! What is done with untrusted bytes, and which properties hold for any of them: one function per kind of input.
//! `tests/client/inputs.rs` runs them with seeds, damaged seeds and random bytes; the package in `fuzz/` with a fuzzer.

#![allow(dead_code, unreachable_pub, reason = "each user uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "part of tests")]

pub mod framing;
pub mod seeds;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::path::Path;
use std::time::SystemTime;

use pumice::aws_files::Profiles;
use pumice::context::Context;
use pumice::conversation::{self, PartialArguments};
use pumice::converse::{
    ContentBlockDeltaEvent, ContentBlockStartEvent, ContentBlockStopEvent, ConverseRequest, ConverseResponse,
    ConverseStreamMetadataEvent, MessageStartEvent, MessageStopEvent,
};
use pumice::count_tokens::{CountTokensRequest, CountTokensResponse};
use pumice::foundation_model::{
    GetFoundationModelRequest, GetFoundationModelResponse, ListFoundationModelsRequest,
    ListFoundationModelsResponse,
};
use pumice::frame::{Frame, FrameDecoder};
use pumice::guardrail::{ApplyGuardrailRequest, ApplyGuardrailResponse};
use pumice::inference_profile::{
    GetInferenceProfileRequest, InferenceProfileSummary, ListInferenceProfilesRequest,
    ListInferenceProfilesResponse,
};
use pumice::invoke_model::{InvokeModelRequest, InvokeModelResponse, PayloadPart, ResponseStreamEvent};
use pumice::operation::{Call, Operation};
use pumice::pi::{AssistantEvent, AssistantMessage, Content, Input, Model, ResponseBuilder};
use pumice::reply::ReplyBuilder;
use pumice::retry::Retry;
use pumice::settings::Settings;
use pumice::shape::Members;
use pumice::transport::Replay;
use pumice::{Client, Config, ErrorKind, Event};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A kind of input, and the function that tests it.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    pub seeds: fn(Captures) -> Vec<Vec<u8>>,
}

/// The folder of other clients' captures, if they are to be among the seeds.
pub type Captures<'a> = Option<&'a Path>;

pub static TARGETS: [Target; 12] = [
    Target { name: "frames", run: frames, seeds: seeds::frames },
    Target { name: "events", run: events, seeds: seeds::events },
    Target { name: "types", run: types, seeds: seeds::types },
    Target { name: "profiles", run: profiles, seeds: seeds::profiles },
    Target { name: "settings", run: settings, seeds: seeds::settings },
    Target { name: "recordings", run: recordings, seeds: seeds::recordings },
    Target { name: "arguments", run: arguments, seeds: seeds::arguments },
    Target { name: "chat", run: pumice_gateway::inputs::chat, seeds: seeds::dialects },
    Target { name: "responses", run: pumice_gateway::inputs::responses, seeds: seeds::dialects },
    Target { name: "messages", run: pumice_gateway::inputs::messages, seeds: seeds::dialects },
    Target { name: "embeddings", run: pumice_gateway::inputs::embeddings, seeds: seeds::dialects },
    Target { name: "border", run: pumice_capi::inputs::border, seeds: seeds::border },
];

/// Reads frames: from the whole, and from pieces whose lengths depend on the first byte. The cuts change neither the
/// frames nor the error.
pub fn frames(data: &[u8]) {
    let Some((&cuts, stream)) = data.split_first() else { return };
    let whole = read_frames(std::iter::once(stream));
    // A linear congruential generator: lengths from 1 to 64.
    let mut state = u32::from(cuts);
    let mut rest = stream;
    let pieces = std::iter::from_fn(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = ((state >> 24) as usize % 64 + 1).min(rest.len());
        let (piece, after) = rest.split_at(length);
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(read_frames(pieces), whole);
}

/// The frames of a stream, and the error that ended it.
#[allow(clippy::type_complexity, reason = "compared as a whole")]
fn read_frames<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<(u64, String, Vec<u8>)>, Option<(ErrorKind, String, Option<u64>)>) {
    let mut decoder = FrameDecoder::new();
    let mut frames = Vec::new();
    let reported = |error: pumice::Error| Some((error.kind(), error.to_string(), error.offset()));
    for piece in pieces {
        decoder.push(piece.to_vec());
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    let headers = format!("{:?}", frame.headers().collect::<Vec<_>>());
                    frames.push((frame.offset(), headers, frame.payload().to_vec()));
                }
                Ok(None) => break,
                Err(error) => {
                    let again = decoder.next_frame().unwrap_err();
                    assert_eq!(again.to_string(), error.to_string());
                    return (frames, reported(error));
                }
            }
        }
    }
    (frames, decoder.finish().err().and_then(reported))
}

/// Reads frames with valid checksums as events of every kind, and collects them into replies. For each frame the input
/// has two lengths (of headers and payload, each `u16`), headers and payload.
pub fn events(data: &[u8]) {
    let mut reply = ReplyBuilder::new();
    let mut answer = ResponseBuilder::unprepared(&Model::new("m"), SystemTime::UNIX_EPOCH);
    let mut reported = VecDeque::new();
    for frame in framed(data) {
        // Frames that are not messages, and payloads of another form, are errors.
        let _ = ResponseStreamEvent::from_frame(&frame);
        if let Ok(line) = frame.to_event_json() {
            assert!(!line.contains(['\n', '\r']), "{line:?}");
            read_json::<Members>(&line).unwrap();
        }
        let Ok(event) = Event::from_frame(&frame) else { continue };
        reply.push(event.clone());
        // A user's message is an error and gives no events.
        let _ = answer.push(event, &mut reported);
        for reported in reported.drain(..) {
            serde_json::to_string(&reported).unwrap();
        }
    }
    written_and_read(&reply.finish());
    let (AssistantEvent::Done { message } | AssistantEvent::Error { error: message }) = answer.finish()
    else {
        panic!("expected the last event")
    };
    for call in message.tool_calls() {
        read_json::<Members>(call.arguments.as_ref().unwrap().text()).unwrap();
    }
    let json = serde_json::to_string(&message).unwrap();
    read_json::<AssistantMessage>(&json).unwrap();
}

fn framed(mut data: &[u8]) -> Vec<Frame> {
    let mut decoder = FrameDecoder::new();
    while let Some((&[h0, h1, p0, p1], rest)) = data.split_first_chunk() {
        let (headers, rest) = rest.split_at(rest.len().min(u16::from_be_bytes([h0, h1]).into()));
        let (payload, rest) = rest.split_at(rest.len().min(u16::from_be_bytes([p0, p1]).into()));
        data = rest;
        decoder.push(framing::frame(headers, payload));
    }
    // Nothing is read after invalid headers.
    std::iter::from_fn(|| decoder.next_frame().ok().flatten()).collect()
}

/// Reads JSON as the type that the first byte chooses, and writes it back.
pub fn types(data: &[u8]) {
    let Some((&which, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    TYPES[usize::from(which) % TYPES.len()](text);
    let operation = Operation::ALL[usize::from(which) % Operation::ALL.len()];
    if let Ok(members) = serde_json::from_str(text) {
        // An invalid request is an error.
        let _ = Call::new(operation, &members);
    }
}

pub const TYPES: [fn(&str); 26] = [
    round_trip::<ConverseRequest>,
    round_trip::<ConverseResponse>,
    round_trip::<MessageStartEvent>,
    round_trip::<ContentBlockStartEvent>,
    round_trip::<ContentBlockDeltaEvent>,
    round_trip::<ContentBlockStopEvent>,
    round_trip::<MessageStopEvent>,
    round_trip::<ConverseStreamMetadataEvent>,
    round_trip::<InvokeModelRequest>,
    round_trip::<InvokeModelResponse>,
    round_trip::<PayloadPart>,
    round_trip::<CountTokensRequest>,
    round_trip::<CountTokensResponse>,
    round_trip::<ApplyGuardrailRequest>,
    round_trip::<ApplyGuardrailResponse>,
    round_trip::<ListFoundationModelsRequest>,
    round_trip::<ListFoundationModelsResponse>,
    round_trip::<GetFoundationModelRequest>,
    round_trip::<GetFoundationModelResponse>,
    round_trip::<ListInferenceProfilesRequest>,
    round_trip::<ListInferenceProfilesResponse>,
    round_trip::<GetInferenceProfileRequest>,
    round_trip::<InferenceProfileSummary>,
    round_trip::<AssistantMessage>,
    round_trip::<Members>,
    asked,
];

fn round_trip<T: DeserializeOwned + Serialize + PartialEq + Debug>(text: &str) {
    let Ok(value) = serde_json::from_str::<T>(text) else { return };
    written_and_read(&value);
    // An unknown member changes nothing and is kept.
    let Some(members) = text.trim_start().strip_prefix('{') else { return };
    let comma = if members.trim_start().starts_with('}') { "" } else { "," };
    let with = read_json::<T>(&format!("{{{UNHEARD_OF}{comma}{members}")).unwrap();
    let json = serde_json::to_string(&with).unwrap();
    assert!(json.contains(UNHEARD_OF), "{json}");
}

const UNHEARD_OF: &str = r#""unheardOf":{"a":[1,null]}"#;

/// A written value reads as the same value.
fn written_and_read<T: DeserializeOwned + Serialize + PartialEq + Debug>(value: &T) {
    let json = serde_json::to_string(value).unwrap();
    let again = read_json::<T>(&json).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), json);
}

/// Turns a conversation into a request.
fn asked(text: &str) {
    let Ok(input) = Input::from_json(text) else { return };
    let json = serde_json::to_string(&input).unwrap();
    assert_eq!(serde_json::to_string(&Input::from_json(&json).unwrap()).unwrap(), json);
    let converted = input.to_converse();
    let prepared =
        converted.and_then(|(request, target, options)| conversation::prepare(request, &target, &options));
    if let Ok(prepared) = prepared {
        written_and_read(&prepared.request);
        read_json::<Members>(std::str::from_utf8(&prepared.request.body().unwrap()).unwrap()).unwrap();
    }
}

fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|fault| format!("{fault}: {text}"))
}

/// Reads profiles from the two AWS files, which a NUL separates.
pub fn profiles(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (config, credentials) = match text.split_once('\0') {
        Some((config, credentials)) => (config, Some(("credentials", credentials))),
        None => (text, None),
    };
    let Ok(profiles) = Profiles::parse(Some(("config", config)), credentials) else { return };
    for name in profiles.names() {
        let profile = profiles.profile(name).unwrap();
        assert_eq!(profile.name(), name);
        for key in profile.keys() {
            assert_eq!(key, key.to_lowercase());
            let value = profile.property(key).unwrap();
            assert!(text.contains(value.lines().last().unwrap_or_default()), "{value:?}");
            let _ = (profile.non_blank(key), profile.nested(key, "endpoint_url"));
        }
        // Endpoint and region from the files: any fault is an error.
        let settings =
            pumice::region::RegionSettings { profile: Some((&profiles, profile)), ..Default::default() };
        let Ok(region) = pumice::region::Region::resolve(&settings, |_| None) else { continue };
        let settings = pumice::endpoint::EndpointSettings {
            region: region.as_ref().map(pumice::region::Region::name),
            profile: Some((&profiles, profile)),
            ..Default::default()
        };
        let service = pumice::endpoint::Service::Runtime;
        if let Ok(endpoint) = pumice::endpoint::Endpoint::resolve(service, &settings, |_| None) {
            endpoint.url().parse::<http::Uri>().unwrap();
        }
    }
}

/// A settings file after a line with a path and a line with a value: read, shown, changed and changed back.
pub fn settings(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut parts = text.splitn(3, '\n');
    let (Some(path), Some(value), Some(file)) = (parts.next(), parts.next(), parts.next()) else { return };
    let read = Settings::parse("settings.json5", file);
    let Ok(shown) = Settings::sections(file) else {
        read.unwrap_err();
        return;
    };
    assert!(shown.is_object() || read.is_err(), "{shown}");
    let Ok(changed) = Settings::set(file, path, value) else { return };
    // A member that was set can be read; unsetting it changes nothing else.
    assert!(Settings::get(&changed, path).unwrap().is_some(), "{changed}");
    let again = Settings::set(&changed, path, value).unwrap();
    assert_eq!(Settings::get(&again, path).unwrap(), Settings::get(&changed, path).unwrap());
    let without = Settings::unset(&changed, path).unwrap().unwrap();
    Settings::sections(&without).unwrap();
}

/// A recording: read, and replayed to its end.
pub fn recordings(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(replay) = Replay::parse(text) else { return };
    let config = Config::new().context(Context::fake()).without_credentials().retry(Retry::never());
    let client = Client::new(config.transport(std::sync::Arc::new(replay)));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        for operation in Operation::ALL {
            let request = request(operation);
            // Operations with labels of their own are replayed as the others are.
            let Ok(call) = Call::new(operation, &request) else { continue };
            loop {
                let answered = if operation.is_streamed() {
                    match client.send_frames(&call).await {
                        Ok(mut frames) => drain(&mut frames).await,
                        Err(error) => Err(error),
                    }
                } else {
                    client.call(operation, &request).await.map(drop)
                };
                // An operation that follows a list to its end fails on the last page.
                if answered.is_err_and(|error| error.kind() == ErrorKind::Recording) {
                    break;
                }
            }
        }
    });
}

async fn drain(frames: &mut pumice::FrameStream) -> pumice::Result<()> {
    while let Some(frame) = frames.next_frame().await? {
        // After an invalid event the stream ends.
        let _ = Event::from_frame(&frame);
    }
    assert!(frames.next_frame().await?.is_none());
    Ok(())
}

/// The smallest call of an operation.
fn request(operation: Operation) -> Members {
    let text = match operation.name() {
        "ApplyGuardrail" => {
            r#"{"guardrailIdentifier":"g","guardrailVersion":"1","source":"INPUT","content":[]}"#
        }
        "GetFoundationModel" => r#"{"modelIdentifier":"m"}"#,
        "GetInferenceProfile" => r#"{"inferenceProfileIdentifier":"p"}"#,
        "ListFoundationModels" | "ListInferenceProfiles" => "{}",
        _ => r#"{"modelId":"m"}"#,
    };
    read_json(text).unwrap()
}

/// The arguments of a tool, in pieces whose lengths depend on the first byte: the partial values and the final one.
pub fn arguments(data: &[u8]) {
    let Some((&size, text)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(text);
    let mut whole = PartialArguments::new();
    whole.push(&text);
    let mut pieces = PartialArguments::new();
    let mut answer = ResponseBuilder::unprepared(&Model::new("m"), SystemTime::UNIX_EPOCH);
    let mut reported = VecDeque::new();
    let mut tell = |event: Value| {
        let (name, payload) = event.as_object().and_then(|event| event.iter().next()).unwrap();
        let event = match name.as_str() {
            "contentBlockStart" => Event::ContentBlockStart(read_json(&payload.to_string()).unwrap()),
            "contentBlockDelta" => Event::ContentBlockDelta(read_json(&payload.to_string()).unwrap()),
            _ => Event::MessageStop(read_json(&payload.to_string()).unwrap()),
        };
        answer.push(event, &mut reported).unwrap();
    };
    tell(serde_json::json!({"contentBlockStart": {"contentBlockIndex": 0, "start": {"toolUse": {
        "toolUseId": "t", "name": "n"}}}}));
    let mut rest = &*text;
    while !rest.is_empty() {
        let length = usize::from(size) % 16 + 1;
        let end = rest.char_indices().map(|(at, _)| at).nth(length).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        assert!(pieces.value().is_object());
        tell(serde_json::json!({"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"toolUse": {
            "input": piece}}}}));
        rest = after;
    }
    tell(serde_json::json!({"messageStop": {"stopReason": "tool_use"}}));
    assert_eq!(pieces.value(), whole.value());
    if let Ok(parsed @ Value::Object(_)) = serde_json::from_str::<Value>(&text) {
        assert_eq!(whole.value(), &parsed);
    }
    let AssistantEvent::Done { message } = answer.finish() else { panic!("expected a message") };
    let [Content::ToolCall(call)] = message.blocks() else { panic!("expected a call, found {message:?}") };
    read_json::<Members>(call.arguments.as_ref().unwrap().text()).unwrap();
    if let Ok(expected @ Value::Object(_)) = serde_json::from_str::<Value>(&text) {
        assert_eq!(call.arguments.as_ref().unwrap().read::<Value>().unwrap(), expected);
    }
}
