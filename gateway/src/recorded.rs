//! Recorded responses, for the tests of the dialects: those of `fixtures/`, and the captures beside the project.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "part of tests")]

use std::collections::BTreeMap;
use std::path::Path;

use pumice::Event;
use pumice::conversation::{self, Target, ToolNames};
use pumice::converse::{ContentBlock, ConverseResponse, Message, ToolUseType};
use pumice::frame::FrameDecoder;
use pumice::reply::ReplyBuilder;
use pumice::shape::{Blob, Document};
use serde_json::{Value, json};

use crate::dialect::{Begin, Encoder, Read, Translated};

/// A response: its name, its events, and the whole that they make.
pub(crate) struct Recorded {
    pub(crate) name: String,
    pub(crate) events: Vec<Event>,
    pub(crate) response: ConverseResponse,
}

/// The complete responses of ConverseStream in `fixtures/`.
pub(crate) fn fixtures() -> Vec<Recorded> {
    let mut all = Vec::new();
    for path in files(&support::repository().join("fixtures"), "jsonl") {
        let mut chunks = BTreeMap::<u64, Vec<u8>>::new();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let line = serde_json::from_str::<Value>(line).unwrap();
            if line["request"]["operation"] == "ConverseStream" {
                chunks.insert(line["request"]["exchange"].as_u64().unwrap(), Vec::new());
            }
            let chunk = &line["chunk"];
            if let (Some(number), Some(base64)) = (chunk["exchange"].as_u64(), chunk["base64"].as_str())
                && let Some(bytes) = chunks.get_mut(&number)
            {
                bytes.extend_from_slice(&Blob::from_base64(base64).unwrap().0);
            }
        }
        let responses = chunks.values().filter_map(|bytes| recorded(&path, bytes));
        all.extend(responses);
    }
    assert!(all.len() >= 10, "expected ten recordings or more, found {}", all.len());
    all
}

/// The captures of ConverseStream.
pub(crate) fn captures() -> Vec<Recorded> {
    let all = files(&support::shared::path("captures/converse-stream"), "bin");
    let all = all.iter().filter_map(|path| recorded(path, &std::fs::read(path).unwrap())).collect::<Vec<_>>();
    assert!(all.len() >= 20, "expected twenty captures or more, found {}", all.len());
    all
}

fn files(folder: &Path, extension: &str) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files =
        files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect::<Vec<_>>();
    files.sort();
    files
}

/// `None` for a response that fails.
fn recorded(path: &Path, bytes: &[u8]) -> Option<Recorded> {
    let mut decoder = FrameDecoder::new();
    decoder.push(bytes.to_vec());
    let (mut events, mut reply) = (Vec::new(), ReplyBuilder::new());
    while let Some(frame) = decoder.next_frame().ok()? {
        let event = Event::from_frame(&frame).ok()?;
        reply.push(event.clone());
        events.push(event);
    }
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let response = reply.finish();
    response.stop_reason.is_some().then_some(Recorded { name, events, response })
}

pub(crate) fn begin() -> Begin {
    Begin { model: "m".into(), id: "0-1".into(), created: 1_767_323_045, names: ToolNames::default() }
}

/// What a dialect writes for events.
pub(crate) fn streamed(encoder: &mut dyn Encoder, events: &[Event]) -> String {
    let mut out = Vec::new();
    encoder.begin(begin(), &mut out);
    for event in events {
        encoder.push(event, &mut out);
    }
    encoder.finish(&mut out);
    String::from_utf8(out).unwrap()
}

/// What a dialect gives for a recorded response: the same as a stream, whose events are put together, and whole.
pub(crate) fn both_ways<E: Encoder + Default>(recorded: &Recorded, gathered: fn(&str) -> Value) -> Value {
    let streamed = gathered(&streamed(&mut E::default(), &recorded.events));
    let whole = E::default().whole(begin(), recorded.response.clone());
    assert_eq!(streamed, serde_json::from_slice::<Value>(&whole).unwrap(), "{}", recorded.name);
    streamed
}

/// What a dialect gives, put together, where the model says nothing and stops for this reason.
pub(crate) fn stopped<E: Encoder + Default>(reason: &str, gathered: fn(&str) -> Value) -> Value {
    let stop = events(&json!([{"messageStop": {"stopReason": reason}}]));
    gathered(&streamed(&mut E::default(), &stop))
}

/// The events of a stream of server-sent events: the type and the data of each.
pub(crate) fn sent(stream: &str) -> Vec<(Option<&str>, &str)> {
    let events = stream.strip_suffix("\n\n").unwrap().split("\n\n").map(|event| {
        let (kind, data) = match event.strip_prefix("event: ") {
            Some(rest) => {
                let (kind, data) = rest.split_once('\n').unwrap();
                (Some(kind), data)
            }
            None => (None, event),
        };
        let data = data.strip_prefix("data: ").unwrap();
        assert!(!data.contains(['\n', '\r']), "{data}");
        (kind, data)
    });
    events.collect()
}

/// Events in JSON, as the service names them.
pub(crate) fn events(list: &Value) -> Vec<Event> {
    let mut events = Vec::new();
    for event in list.as_array().unwrap() {
        let (kind, payload) = event.as_object().unwrap().iter().next().unwrap();
        let payload = payload.clone();
        events.push(match kind.as_str() {
            "messageStart" => Event::MessageStart(serde_json::from_value(payload).unwrap()),
            "contentBlockStart" => {
                Event::ContentBlockStart(Box::new(serde_json::from_value(payload).unwrap()))
            }
            "contentBlockDelta" => Event::ContentBlockDelta(serde_json::from_value(payload).unwrap()),
            "contentBlockStop" => Event::ContentBlockStop(serde_json::from_value(payload).unwrap()),
            "messageStop" => Event::MessageStop(serde_json::from_value(payload).unwrap()),
            "metadata" => Event::Metadata(Box::new(serde_json::from_value(payload).unwrap())),
            _ => panic!("{kind}"),
        });
    }
    events
}

/// The request that a body becomes, with its notes.
pub(crate) fn converse(read: Read, body: &Value) -> (Value, Vec<String>) {
    let translated =
        read(body.to_string().as_bytes()).unwrap_or_else(|failure| panic!("{}", failure.message));
    (serde_json::to_value(translated.request).unwrap(), translated.notes)
}

/// The request that a body becomes without any note, beside its model and messages.
pub(crate) fn beside_messages(read: Read, body: &Value) -> Value {
    let (mut request, notes) = converse(read, body);
    assert_eq!(notes, [""; 0]);
    request.as_object_mut().unwrap().retain(|name, _| name != "modelId" && name != "messages");
    request
}

/// The request that goes to Bedrock for a body, and every note.
pub(crate) fn prepared(read: Read, body: &Value) -> (Value, Vec<String>) {
    let translated =
        read(body.to_string().as_bytes()).unwrap_or_else(|failure| panic!("{}", failure.message));
    let Translated { request, options, mut notes, .. } = translated;
    let info = pumice::models::ModelInfo::known(&request.model_id);
    let prepared = conversation::prepare(request, &Target::new(info), &options).unwrap();
    notes.extend(prepared.warnings.iter().map(ToString::to_string));
    (serde_json::to_value(prepared.request).unwrap(), notes)
}

/// Why a body is refused.
pub(crate) fn refused(read: Read, body: &Value) -> String {
    match read(body.to_string().as_bytes()) {
        Ok(_) => panic!("expected a refusal of {body}"),
        Err(failure) => {
            assert_eq!(failure.status, 400);
            if let Some(param) = &failure.param {
                assert!(failure.message.starts_with(&format!("{param}: ")), "{}", failure.message);
            }
            failure.message
        }
    }
}

/// What the model said, without what only the service needs: its own tools, and empty blocks.
pub(crate) fn said(response: &ConverseResponse) -> Message {
    let mut message = response.message().unwrap().clone();
    message.content.retain_mut(|block| match block {
        ContentBlock::ToolUse(call) => {
            let is_client = call.kind != Some(ToolUseType::ServerToolUse);
            call.kind = None;
            if call.input.text().starts_with('"') {
                // Arguments that were cut off.
                call.input = Document::default();
            }
            is_client
        }
        ContentBlock::ToolResult(_) => false,
        ContentBlock::Text(text) => !text.is_empty(),
        _ => true,
    });
    message
}

/// Each dialect, with a response that it gives whole and as a stream.
fn served(recorded: &Recorded) {
    crate::chat_completions::served(recorded);
    crate::messages::served(recorded);
    crate::responses::served(recorded);
}

#[test]
fn recordings_come_back_as_they_were_said() {
    fixtures().iter().for_each(served);
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn captures_come_back_as_they_were_said() {
    captures().iter().for_each(served);
}

/// Whatever is missing from a response, or comes twice: what is sent is sound.
#[test]
fn events_in_any_order_are_written_as_sound_ones() {
    let dialects: [(Read, &[u8]); 3] = [
        (crate::chat_completions::read, br#"{"model": "m", "messages": []}"#),
        (crate::messages::read, br#"{"model": "m", "messages": []}"#),
        (crate::responses::read, br#"{"model": "m", "input": []}"#),
    ];
    for recorded in fixtures() {
        let events = &recorded.events;
        for at in 0..events.len() {
            let mut without = events.clone();
            let event = without.remove(at);
            let mut twice = events.clone();
            twice.insert(at, event.clone());
            let mut later = without.clone();
            later.insert((at * 7) % events.len(), event);
            for events in [without, twice, later] {
                for (read, body) in dialects {
                    let mut encoder = read(body).unwrap_or_else(|_| panic!()).encoder;
                    let stream = streamed(encoder.as_mut(), &events);
                    for (_, data) in sent(&stream) {
                        let sound = data == "[DONE]" || serde_json::from_str::<Value>(data).is_ok();
                        assert!(sound, "{}: {data}", recorded.name);
                    }
                }
            }
        }
    }
}
