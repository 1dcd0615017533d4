//! Messages and events: from real traffic, from the project's recordings, and from a response that is ended early.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use support::server;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pumice::context::Context as World;
use pumice::frame::FrameDecoder;
use pumice::pi::{
    self, AssistantEvent, Content, Context, Input, Message, Model, ResponseBuilder, StopReason,
};
use pumice::transport::Replay;
use pumice::{Client, Config, Event};
use serde_json::{Value, json};
use support::server::{Answer, Server};

#[test]
fn real_traffic_gives_messages_of_what_was_sent() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures/converse-stream");
    let Ok(files) = fs::read_dir(&folder) else {
        println!("skipped: there is no {}", folder.display());
        return;
    };
    let files =
        files.map(|file| file.unwrap().path()).filter(|file| file.extension().is_some_and(|e| e == "bin"));
    let files = files.collect::<Vec<_>>();
    assert!(files.len() > 20);
    for file in files {
        compare(&file, &fs::read(&file).unwrap());
    }
}

#[test]
fn recordings_give_messages_of_what_was_sent() {
    let mut compared = 0;
    for file in recordings() {
        // The exchanges that were answered with a stream, chunk by chunk.
        let mut bodies = BTreeMap::<u64, Vec<u8>>::new();
        for line in fs::read_to_string(&file).unwrap().lines() {
            let line = serde_json::from_str::<Value>(line).unwrap();
            let chunk = &line["chunk"];
            if let (Some(exchange), Some(base64)) = (chunk["exchange"].as_u64(), chunk["base64"].as_str()) {
                bodies.entry(exchange).or_default().extend(STANDARD.decode(base64).unwrap());
            }
        }
        for body in bodies.values() {
            compare(&file, body);
            compared += 1;
        }
    }
    assert!(compared > 15);
}

/// Folds a body, and compares the message with its events as they are on the wire.
fn compare(file: &Path, body: &[u8]) {
    let name = file.file_name().unwrap().to_string_lossy();
    let mut decoder = FrameDecoder::new();
    decoder.push(body.to_vec());
    let mut answer = ResponseBuilder::unprepared(&Model::new("m"), SystemTime::UNIX_EPOCH);
    let mut sent = Sent::default();
    let mut events = VecDeque::new();
    let mut failure = None;
    while let (None, Ok(Some(frame))) = (&failure, decoder.next_frame()) {
        match Event::from_frame(&frame) {
            Ok(event) => {
                answer.push(event, &mut events).unwrap();
                sent.take(frame.event_type().unwrap(), &serde_json::from_slice(frame.payload()).unwrap());
            }
            Err(error) => failure = Some(error),
        }
    }
    let last = match failure {
        Some(error) => answer.fail(&error),
        None => answer.finish(),
    };
    let last = serde_json::to_value(&last).unwrap();
    let message = last.get("message").or(last.get("error")).unwrap();
    let blocks = sent.order.iter().map(|index| sent.block(*index)).collect::<Vec<_>>();
    assert_eq!(message["content"], json!(blocks), "{name}");
    if let Some(usage) = &sent.usage {
        let count = |name: &str| usage[name].as_u64().unwrap_or(0);
        for (here, there) in [
            ("input", "inputTokens"),
            ("output", "outputTokens"),
            ("cacheRead", "cacheReadInputTokens"),
            ("cacheWrite", "cacheWriteInputTokens"),
        ] {
            assert_eq!(message["usage"][here], count(there), "{name}: {here}");
        }
        let all = count("inputTokens")
            + count("outputTokens")
            + count("cacheReadInputTokens")
            + count("cacheWriteInputTokens");
        assert_eq!(message["usage"]["totalTokens"], all.max(count("totalTokens")), "{name}");
    }
    assert_eq!(message.get("rawStopReason"), sent.stop.as_ref(), "{name}");

    // The deltas of a block make up what it is.
    for (place, block) in blocks.iter().enumerate() {
        let deltas = events.iter().filter_map(|event| match event {
            AssistantEvent::TextDelta { content_index, delta }
            | AssistantEvent::ThinkingDelta { content_index, delta }
                if *content_index == place =>
            {
                Some(delta.as_str())
            }
            _ => None,
        });
        let whole = block["text"].as_str().or(block["thinking"].as_str());
        assert_eq!(deltas.collect::<String>(), whole.unwrap_or_default(), "{name}");
    }
}

/// What an answer's events say, by their JSON.
#[derive(Default)]
struct Sent {
    /// The indexes of the blocks as they first appear.
    order: Vec<u64>,
    seen: BTreeSet<u64>,
    /// Text, thinking, or the input of a tool.
    texts: BTreeMap<u64, String>,
    tools: BTreeMap<u64, Value>,
    thinking: BTreeSet<u64>,
    signatures: BTreeMap<u64, String>,
    redacted: BTreeMap<u64, Vec<u8>>,
    usage: Option<Value>,
    stop: Option<Value>,
}

impl Sent {
    fn take(&mut self, event_type: &str, event: &Value) {
        let index = event["contentBlockIndex"].as_u64().unwrap_or_default();
        let (start, delta) = (&event["start"]["toolUse"], &event["delta"]);
        let reasoning = &delta["reasoningContent"];
        let known = [start, &delta["text"], reasoning, &delta["toolUse"]].iter().any(|part| !part.is_null());
        let orphan = delta["toolUse"].is_object() && !self.tools.contains_key(&index);
        if known && !orphan && self.seen.insert(index) {
            self.order.push(index);
        }
        if start.is_object() {
            self.tools.insert(index, start.clone());
        }
        let text = self.texts.entry(index).or_default();
        for piece in [&delta["text"], &delta["toolUse"]["input"], &reasoning["text"]] {
            text.push_str(piece.as_str().unwrap_or_default());
        }
        if reasoning.is_object() {
            self.thinking.insert(index);
            if let Some(signature) = reasoning["signature"].as_str() {
                self.signatures.entry(index).or_default().push_str(signature);
            }
            if let Some(redacted) = reasoning["redactedContent"].as_str() {
                self.redacted.entry(index).or_default().extend(STANDARD.decode(redacted).unwrap());
            }
        }
        match event_type {
            "metadata" => self.usage = event.get("usage").cloned(),
            "messageStop" => self.stop = event.get("stopReason").cloned(),
            _ => {}
        }
    }

    fn block(&self, index: u64) -> Value {
        let text = &self.texts[&index];
        if let Some(tool) = self.tools.get(&index) {
            let arguments =
                if text.trim().is_empty() { Ok(json!({})) } else { serde_json::from_str::<Value>(text) };
            let mut block = json!({"type": "toolCall", "id": tool["toolUseId"], "name": tool["name"]});
            if let Ok(arguments) = arguments {
                block["arguments"] = arguments;
            } else {
                block["arguments"] = json!({});
                let at = text.encode_utf16().count();
                let fault =
                    format!("Unterminated string in JSON at position {at}\n\nReceived arguments:\n{text}");
                block["argumentsError"] = fault.into();
            }
            return block;
        }
        if !self.thinking.contains(&index) {
            return json!({"type": "text", "text": text});
        }
        let mut block = json!({"type": "thinking", "thinking": text});
        if let Some(signature) = self.signatures.get(&index) {
            block["thinkingSignature"] = signature.as_str().into();
        }
        if let Some(redacted) = self.redacted.get(&index) {
            block["thinking"] = "[Reasoning redacted]".into();
            block["redacted"] = true.into();
            block["thinkingSignature"] = STANDARD.encode(redacted).into();
        }
        block
    }
}

fn recordings() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|extension| extension == "jsonl")).collect()
}

#[tokio::test]
async fn each_recording_ends_with_exactly_one_last_event() {
    for file in recordings() {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name == "converse.jsonl" {
            continue;
        }
        let replay = Arc::new(Replay::open(&file).unwrap());
        let client =
            Client::new(Config::new().without_credentials().context(World::fake()).transport(replay));
        let input = Input::new(Model::new("m"), Context::new().message(Message::user("Hi")));
        let mut stream = pi::stream(&client, &input).await;
        let mut events = Vec::new();
        while let Some(event) = stream.next_event().await {
            events.push(event);
        }
        assert_eq!(events.iter().filter(|event| event.is_last()).count(), 1, "{name}");
        let last = events.last().unwrap();
        assert_eq!(matches!(last, AssistantEvent::Error { .. }), stream.failure().is_some(), "{name}");
        assert!(last.is_last() && stream.message().is_none() && stream.ready_event().is_none(), "{name}");
    }
}

#[test]
fn twenty_thousand_pieces_of_arguments_are_shown_and_parsed() {
    let piece = |text: &str| {
        let event = json!({"contentBlockIndex": 0, "delta": {"toolUse": {"input": text}}});
        serde_json::from_value(event).map(Event::ContentBlockDelta).unwrap()
    };
    let mut answer = ResponseBuilder::unprepared(&Model::new("m"), SystemTime::UNIX_EPOCH);
    let start = json!({"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "1", "name": "write"}}});
    let mut events = VecDeque::new();
    answer.push(serde_json::from_value(start).map(Event::ContentBlockStart).unwrap(), &mut events).unwrap();
    answer.push(piece(r#"{"path": "a", "content": ""#), &mut events).unwrap();
    for number in 0..20_000 {
        answer.push(piece("twelve chars"), &mut events).unwrap();
        if number % 1000 == 0 {
            let content = answer.arguments(0).unwrap()["content"].as_str().unwrap();
            assert_eq!(content.len(), 12 * (number + 1));
        }
    }
    answer.push(piece(r#""}"#), &mut events).unwrap();
    let AssistantEvent::Error { error } = answer.finish() else { panic!("there was no stop") };
    let Content::ToolCall(call) = &error.blocks()[0] else { panic!("expected a call") };
    assert_eq!(call.arguments_error, None);
    assert_eq!(
        call.arguments.as_ref().unwrap().read::<Value>().unwrap()["content"],
        "twelve chars".repeat(20_000)
    );
}

#[tokio::test]
async fn an_aborted_stream_gives_what_came() {
    let (answer, closed) =
        Answer::stream([server::message_start(), server::text(0, "and so on")]).await_close();
    let server = Server::start([answer]);
    let config = Config::new().endpoint_url(&server.url).context(World::fake()).bearer_token("t");
    let input = Input::new(Model::new("m"), Context::new().message(Message::user("Hi")));
    let mut stream = pi::stream(&Client::new(config), &input).await;
    while !matches!(stream.next_event().await, Some(AssistantEvent::TextDelta { .. })) {}
    let Some(AssistantEvent::Error { error }) = stream.abort() else { panic!("expected an event") };
    assert_eq!(
        (error.stop_reason.clone(), error.text()),
        (Some(StopReason::Aborted), "and so on".to_owned())
    );
    assert!(stream.next_event().await.is_none() && stream.abort().is_none());
    tokio::task::spawn_blocking(move || closed.recv().unwrap()).await.unwrap();
}

#[tokio::test]
async fn without_content_the_events_are_the_same() {
    for file in recordings().iter().filter(|file| !file.ends_with("converse.jsonl")) {
        let replay = || Arc::new(Replay::open(file).unwrap());
        let client =
            || Client::new(Config::new().without_credentials().context(World::fake()).transport(replay()));
        let input = Input::new(Model::new("m"), Context::new().message(Message::user("Hi")));
        let mut kept = pi::stream(&client(), &input).await;
        let mut unkept = pi::stream(&client(), &input).await.without_content();
        loop {
            let (kept, unkept) = (kept.next_event().await, unkept.next_event().await);
            let (Some(kept), Some(unkept)) = (&kept, &unkept) else {
                assert_eq!(kept, unkept);
                break;
            };
            let mut told = serde_json::to_value(unkept).unwrap();
            match kept {
                AssistantEvent::TextEnd { .. } | AssistantEvent::ThinkingEnd { .. } => {
                    assert!(told["content"].as_str().unwrap().len() <= "[Reasoning redacted]".len());
                }
                AssistantEvent::ToolCallEnd { .. } => assert_eq!(told["toolCall"]["arguments"], json!({})),
                AssistantEvent::Done { message } | AssistantEvent::Error { error: message } => {
                    let message = serde_json::to_value(message).unwrap();
                    let place =
                        if unkept.is_last() && told["message"].is_object() { "message" } else { "error" };
                    let told = &mut told[place];
                    assert_eq!(
                        (&told["usage"], &told["stopReason"], &told["rawStopReason"], &told["errorMessage"]),
                        (
                            &message["usage"],
                            &message["stopReason"],
                            &message["rawStopReason"],
                            &message["errorMessage"]
                        )
                    );
                    assert_eq!(
                        told["content"].as_array().unwrap().len(),
                        message["content"].as_array().unwrap().len()
                    );
                }
                _ => assert_eq!(kept, unkept),
            }
        }
    }
}
