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
use support::server::{Answer, Received, Server};

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
    let others = sent
        .others
        .values()
        .map(|(at, block)| json!({"contentIndex": at, "block": block}))
        .collect::<Vec<_>>();
    assert_eq!(
        message.get("otherContent"),
        Some(json!(others)).filter(|_| !others.is_empty()).as_ref(),
        "{name}"
    );
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
    citations: BTreeMap<u64, Vec<Value>>,
    /// What pi-ai has no form for, with the number of blocks before it.
    others: BTreeMap<u64, (usize, Value)>,
    usage: Option<Value>,
    stop: Option<Value>,
}

impl Sent {
    fn take(&mut self, event_type: &str, event: &Value) {
        let index = event["contentBlockIndex"].as_u64().unwrap_or_default();
        let (start, delta) = (&event["start"]["toolUse"], &event["delta"]);
        if event_type.starts_with("contentBlock") && self.take_other(index, event) {
            return;
        }
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

    /// Takes what pi-ai has no form for.
    fn take_other(&mut self, index: u64, event: &Value) -> bool {
        let (start, delta) = (&event["start"], &event["delta"]);
        if start["toolUse"]["type"] == "server_tool_use" || start["toolResult"].is_object() {
            let mut block = start.clone();
            for (kind, member) in [("toolUse", "input"), ("toolResult", "content")] {
                if block[kind].is_object() {
                    block[kind][member] = json!({});
                }
            }
            self.others.insert(index, (self.order.len(), block));
            return true;
        }
        if delta["citation"].is_object() {
            self.citations.entry(index).or_default().push(delta["citation"].clone());
            if !self.seen.contains(&index) {
                let block = json!({"citationsContent": {"citations": self.citations[&index]}});
                self.others.insert(index, (self.order.len(), block));
            }
            return true;
        }
        if delta["text"].is_string() {
            // The text of citations that came before it.
            self.others.remove(&index);
        }
        let Some((_, block)) = self.others.get_mut(&index) else { return false };
        if let Some(input) = delta["toolUse"]["input"].as_str() {
            block["toolUse"]["input"] = serde_json::from_str(input).unwrap();
        } else if delta["toolResult"].is_array() {
            block["toolResult"]["content"] = delta["toolResult"].clone();
        }
        true
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
            let mut block = json!({"type": "text", "text": text});
            if let Some(citations) = self.citations.get(&index) {
                block["citations"] = json!(citations);
            }
            return block;
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

/// A response of a model that searches the web, cites a document and calls a tool of the caller's.
fn answer_with_sources() -> Answer {
    let web = json!({"location": {"web": {"url": "https://example.com", "domain": "example.com"}}});
    let events = [
        ("messageStart", json!({"role": "assistant"})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 0, "start": {"toolUse":
                {"toolUseId": "s 1", "name": "nova_grounding", "type": "server_tool_use"}}}),
        ),
        ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{\"query\""}}})),
        ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"toolUse": {"input": ":\"x\"}"}}})),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 1, "start": {"toolResult":
                {"toolUseId": "s 1", "type": "nova_grounding_result", "status": "success"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 1, "delta": {"toolResult": [{"text": "a"}, {"text": "b"}, {"json": {"n": 1}}]}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 1})),
        ("contentBlockDelta", json!({"contentBlockIndex": 2, "delta": {"citation": source()}})),
        ("contentBlockDelta", json!({"contentBlockIndex": 2, "delta": {"text": "20 "}})),
        ("contentBlockDelta", json!({"contentBlockIndex": 2, "delta": {"text": "days"}})),
        ("contentBlockStop", json!({"contentBlockIndex": 2})),
        ("contentBlockDelta", json!({"contentBlockIndex": 3, "delta": {"citation": web}})),
        ("contentBlockStop", json!({"contentBlockIndex": 3})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 4, "start": {"toolUse":
                {"toolUseId": "1", "name": "t", "type": "tool_use"}}}),
        ),
        ("contentBlockDelta", json!({"contentBlockIndex": 4, "delta": {"toolUse": {"input": "{}"}}})),
        ("contentBlockStop", json!({"contentBlockIndex": 4})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 5, "start": {"toolUse":
                {"toolUseId": "s2", "name": "nova_grounding", "type": "server_tool_use"}}}),
        ),
        ("contentBlockDelta", json!({"contentBlockIndex": 5, "delta": {"toolUse": {"input": "{\"cut o"}}})),
        ("messageStop", json!({"stopReason": "tool_use"})),
    ];
    Answer::stream(events.map(|(kind, payload)| server::event(kind, &payload.to_string())))
}

fn source() -> Value {
    json!({
        "title": "policy", "sourceContent": [{"text": "Employees get 20 days"}],
        "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 21}}
    })
}

#[tokio::test]
async fn sources_and_tools_of_the_service_are_kept_and_go_back_as_they_came() {
    let server = Server::start([answer_with_sources()]);
    let config = Config::new().endpoint_url(&server.url).context(World::fake()).bearer_token("t");
    let client = Client::new(config);
    let context = json!({
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "Hi"},
            {"type": "document", "data": "eA==", "mimeType": "text/plain", "citations": true}
        ]}],
        "tools": [{"name": "t"}]
    });
    let mut context = serde_json::from_value::<Context>(context).unwrap();
    let mut kinds = Vec::new();
    let mut ask = async |model: &str, context: &Context| {
        let options = pi::Options::new().cache_retention("none");
        let input = Input::new(Model::new(model), context.clone()).options(options);
        let mut stream = pi::stream(&client, &input).await;
        kinds.clear();
        loop {
            let event = stream.next_event().await.unwrap();
            kinds.push(serde_json::to_value(&event).unwrap()["type"].as_str().unwrap().to_owned());
            match event {
                AssistantEvent::Done { message } => return serde_json::to_value(message).unwrap(),
                AssistantEvent::Error { error } => panic!("{error:?}"),
                _ => {}
            }
        }
    };
    let model = "us.amazon.nova-2-lite-v1:0";
    let mut message = ask(model, &context).await;
    // An agent that runs all calls in `content` must not run those of the service.
    let call = json!({"type": "toolCall", "id": "1", "name": "t", "arguments": {}});
    let text = json!({"type": "text", "text": "20 days", "citations": [source()]});
    assert_eq!(message["content"], json!([text, call]));
    message["role"] = "assistant".into();
    let result = json!({"role": "toolResult", "toolCallId": "1", "content": "r"});
    let messages = context.messages.as_mut().unwrap();
    messages.extend([message, result].map(|message| serde_json::from_value::<Message>(message).unwrap()));
    ask(model, &context).await;
    ask("us.amazon.nova-pro-v1:0", &context).await;
    let expected =
        ["start", "text_start", "text_delta", "text_delta", "text_end", "toolcall_start", "toolcall_delta"];
    assert_eq!(kinds[..7], expected);

    let requests = server.requests().iter().map(Received::json).collect::<Vec<_>>();
    assert_eq!(requests[0]["messages"][0]["content"][1]["document"]["citations"], json!({"enabled": true}));
    let call = json!({"toolUse": {"toolUseId": "1", "name": "t", "input": {}}});
    let cited = json!([{"text": "20 days"}]);
    let web = json!({"location": {"web": {"url": "https://example.com", "domain": "example.com"}}});
    assert_eq!(
        requests[1]["messages"][1]["content"],
        json!([
            {"toolUse": {"toolUseId": "s 1", "name": "nova_grounding", "input": {"query": "x"},
                "type": "server_tool_use"}},
            {"toolResult": {"toolUseId": "s 1", "content": [{"text": "ab"}, {"json": {"n": 1}}],
                "status": "success", "type": "nova_grounding_result"}},
            {"citationsContent": {"content": cited, "citations": [source()]}},
            {"citationsContent": {"citations": [web]}},
            call
        ])
    );
    let results = requests[1]["messages"][2]["content"].as_array().unwrap();
    assert_eq!(results.len(), 1, "no result is made up for what the service ran: {results:?}");
    // Another model does not know those tools and sources.
    assert_eq!(requests[2]["messages"][1]["content"], json!([{"text": "20 days"}, call]));
}
