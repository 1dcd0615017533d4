//! The assistant on real traffic, on the project's recordings, and through a conversation of several turns.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use support::server;
use support::shared;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pumice::assistant::{
    self, AnswerBuilder, AssistantEvent, Content, Contents, Context, ImageContent, Input, Message, Model,
    Options, StopReason, Tool, ToolResultMessage,
};
use pumice::context::Context as World;
use pumice::frame::FrameDecoder;
use pumice::transport::Replay;
use pumice::{Client, Config, Event};
use serde_json::{Value, json};
use support::server::{Answer, Server};

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn real_traffic_gives_messages_of_what_was_sent() {
    let files = fs::read_dir(shared::path("captures/converse-stream")).unwrap();
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
    let mut answer = AnswerBuilder::unprepared(&Model::new("m"), SystemTime::UNIX_EPOCH);
    let mut sent = Sent::default();
    let mut told = VecDeque::new();
    let mut failure = None;
    while let (None, Ok(Some(frame))) = (&failure, decoder.next_frame()) {
        match Event::from_frame(&frame) {
            Ok(event) => {
                answer.push(event, &mut told).unwrap();
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
        let deltas = told.iter().filter_map(|event| match event {
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
        let client = Client::new(Config::new().unauthorised().context(World::made()).transport(replay));
        let input = Input::new(Model::new("m"), Context::new().message(Message::user("Hi")));
        let mut stream = assistant::stream(&client, &input).await;
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

/// A tool of one argument.
fn tool(name: &str) -> Tool {
    Tool::new(name)
        .description("A tool.")
        .parameters(json!({"type": "object", "properties": {"x": {"type": "string"}}}))
}

fn tool_use(index: u32, id: &str, name: &str, input: &str) -> Vec<Vec<u8>> {
    let start = json!({"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": id, "name": name}}});
    let delta = json!({"contentBlockIndex": index, "delta": {"toolUse": {"input": input}}});
    vec![
        server::event("contentBlockStart", &start.to_string()),
        server::event("contentBlockDelta", &delta.to_string()),
        server::block_stop(index),
    ]
}

fn reasoning(index: u32, delta: &Value) -> Vec<u8> {
    let event = json!({"contentBlockIndex": index, "delta": {"reasoningContent": delta}});
    server::event("contentBlockDelta", &event.to_string())
}

#[tokio::test]
async fn a_conversation_with_tools_thinking_and_images_goes_through_three_turns() {
    let first = [
        vec![
            server::message_start(),
            reasoning(0, &json!({"text": "Look it up."})),
            reasoning(0, &json!({"signature": "SIG"})),
        ],
        vec![server::block_stop(0), reasoning(1, &json!({"redactedContent": "AAEC"})), server::block_stop(1)],
        tool_use(2, "tooluse_1", "read_file", r#"{"x":"a"}"#),
        tool_use(3, "tooluse_2", "look", r#"{"x":"b"}"#),
        vec![server::message_stop("tool_use"), server::metadata(10, 5)],
    ];
    let second = [
        vec![server::message_start(), reasoning(0, &json!({"signature": "SIG2"})), server::block_stop(0)],
        tool_use(1, "tooluse_3", "look", ""),
        vec![server::message_stop("tool_use"), server::metadata(20, 5)],
    ];
    let server = Server::start([
        Answer::stream(first.concat()),
        Answer::stream(second.concat()),
        Answer::stream(server::text_answer(&["Done."])),
    ]);
    let config = Config::new().endpoint_url(&server.url).context(World::made()).bearer_token("t");
    let client = Client::new(config);

    let image = || Content::from(ImageContent::new("iVBORw0KGgo=", "image/png"));
    let model = Model::new("us.anthropic.claude-sonnet-4-5").reasoning(true).max_tokens(64000u64);
    let context = Context::new()
        .system_prompt("S")
        .message(Message::user(vec!["See".into(), image()]))
        .tool(tool("read.file"))
        .tool(tool("look"));
    let mut input = Input::new(model, context).options(Options::new().reasoning("low").temperature(1.0));

    let mut reasons = Vec::new();
    for _ in 0..3 {
        let mut stream = assistant::stream(&client, &input).await;
        let message = loop {
            match stream.next_event().await.unwrap() {
                AssistantEvent::Done { message } => break message,
                AssistantEvent::Error { error } => panic!("{error:?}"),
                _ => {}
            }
        };
        reasons.push(message.stop_reason.clone().unwrap());
        let results = message.tool_calls().map(|call| {
            assert!(
                ["read.file", "look"].contains(&call.name.as_str()),
                "the name that was given: {}",
                call.name
            );
            // The second of them failed, with an image.
            let failed = call.id == "tooluse_2";
            let result = ToolResultMessage::new(call.id.as_str()).tool_name(call.name.as_str());
            Message::ToolResult(result.content(Contents(vec!["r".into(), image()])).is_error(failed))
        });
        let results = results.collect::<Vec<_>>();
        let messages = input.context.messages.get_or_insert_default();
        messages.push((*message).into());
        messages.extend(results);
    }
    assert_eq!(reasons, [StopReason::ToolUse, StopReason::ToolUse, StopReason::Stop]);

    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        let body = request.json();
        accepted(&body);
        assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "read_file");
        assert_eq!(body["inferenceConfig"], json!({"maxTokens": 64000}), "no temperature beside thinking");
    }
    let messages = requests[2].json()["messages"].clone();
    assert_eq!(
        messages[1]["content"],
        json!([
            {"reasoningContent": {"reasoningText": {"text": "Look it up.", "signature": "SIG"}}},
            {"reasoningContent": {"redactedContent": "AAEC"}},
            {"toolUse": {"toolUseId": "tooluse_1", "name": "read_file", "input": {"x": "a"}}},
            {"toolUse": {"toolUseId": "tooluse_2", "name": "look", "input": {"x": "b"}}}
        ])
    );
    let image = json!({"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}});
    assert_eq!(
        messages[2]["content"],
        json!([
            {"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": "r"}, image], "status": "success"}},
            {"toolResult": {"toolUseId": "tooluse_2", "status": "error", "content": [
                {"text": "r"}, {"text": "(image attached after the tool results)"}
            ]}},
            {"text": "Images from the error result of tool call tooluse_2 (look):"},
            image
        ])
    );
    let signed = json!({"reasoningContent": {"reasoningText": {"text": "", "signature": "SIG2"}}});
    assert_eq!(messages[3]["content"][0], signed);
}

/// Whether the service would accept a request, as far as its rules are known.
fn accepted(body: &Value) {
    let turns = body["messages"].as_array().unwrap();
    assert_eq!(turns[0]["role"], "user");
    let points = body.to_string().matches("\"cachePoint\"").count();
    assert!((1..=4).contains(&points));
    let mut open = BTreeSet::new();
    for (at, turn) in turns.iter().enumerate() {
        let expected = if at % 2 == 0 { "user" } else { "assistant" };
        assert_eq!(turn["role"], expected, "turns take turns");
        let blocks = turn["content"].as_array().unwrap();
        assert!(!blocks.is_empty());
        let results = blocks.iter().take_while(|block| block["toolResult"].is_object());
        for result in results {
            assert!(
                open.remove(result["toolResult"]["toolUseId"].as_str().unwrap()),
                "a call for each result"
            );
        }
        assert!(open.is_empty(), "a result for each call");
        for block in blocks {
            if let Some(text) = block["text"].as_str() {
                assert!(!text.trim().is_empty(), "no blank text");
            }
            if let Some(id) = block["toolUse"]["toolUseId"].as_str() {
                open.insert(id.to_owned());
                assert!(body["toolConfig"].is_object(), "tools beside a history of tools");
            }
        }
    }
}

#[test]
fn twenty_thousand_pieces_of_arguments_are_shown_and_parsed() {
    let piece = |text: &str| {
        let event = json!({"contentBlockIndex": 0, "delta": {"toolUse": {"input": text}}});
        serde_json::from_value(event).map(Event::ContentBlockDelta).unwrap()
    };
    let mut answer = AnswerBuilder::unprepared(&Model::new("m"), SystemTime::UNIX_EPOCH);
    let start = json!({"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "1", "name": "write"}}});
    let mut told = VecDeque::new();
    answer.push(serde_json::from_value(start).map(Event::ContentBlockStart).unwrap(), &mut told).unwrap();
    answer.push(piece(r#"{"path": "a", "content": ""#), &mut told).unwrap();
    for number in 0..20_000 {
        answer.push(piece("twelve chars"), &mut told).unwrap();
        if number % 1000 == 0 {
            let content = answer.arguments(0).unwrap()["content"].as_str().unwrap();
            assert_eq!(content.len(), 12 * (number + 1));
        }
    }
    answer.push(piece(r#""}"#), &mut told).unwrap();
    let AssistantEvent::Error { error } = answer.finish() else { panic!("there was no stop") };
    let Content::ToolCall(call) = &error.blocks()[0] else { panic!("a call expected") };
    assert_eq!(call.arguments_error, None);
    assert_eq!(
        call.arguments.as_ref().unwrap().read::<Value>().unwrap()["content"],
        "twelve chars".repeat(20_000)
    );
}

#[tokio::test]
async fn a_profile_without_a_telling_name_is_looked_up_once() {
    let profile =
        |id: &str| format!("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/{id}");
    let ask = async |id: &str, control: &Server, runtime: &Server| {
        let world = World::made().with_env("AWS_ENDPOINT_URL_BEDROCK", &control.url);
        let config = Config::new().endpoint_url(&runtime.url).context(world).bearer_token("t");
        let context = Context::new().message(Message::user("Hi"));
        let input = Input::new(Model::new(profile(id)), context);
        let mut stream = assistant::stream(&Client::new(config), &input).await;
        while stream.next_event().await.is_some() {}
        runtime.requests().last().unwrap().json()["messages"][0]["content"].clone()
    };
    let runtime = Server::start([Answer::stream(server::text_answer(&["ok"]))]);
    let point = json!([{"text": "Hi"}, {"cachePoint": {"type": "default"}}]);
    let plain = json!([{"text": "Hi"}]);

    let arn = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0";
    let control = Server::start([Answer::whole(
        200,
        json!({"inferenceProfileName": "n", "models": [{"modelArn": arn}]}).to_string(),
    )]);
    assert_eq!(ask("found", &control, &runtime).await, point);
    assert_eq!(ask("found", &control, &runtime).await, point);
    assert_eq!(control.requests().len(), 1);

    let control = Server::start([Answer::refusal(403, "AccessDeniedException", "no")]);
    assert_eq!(ask("denied", &control, &runtime).await, plain);
    assert_eq!(ask("denied", &control, &runtime).await, plain);
    assert_eq!(control.requests().len(), 1);

    // It never answers.
    let (answer, _gate) = Answer::whole(200, "").gate();
    let control = Server::start([answer]);
    assert_eq!(ask("silent", &control, &runtime).await, plain);
}

#[tokio::test]
async fn who_has_had_enough_gets_what_came() {
    let (answer, closed) =
        Answer::stream([server::message_start(), server::text(0, "and so on")]).await_close();
    let server = Server::start([answer]);
    let config = Config::new().endpoint_url(&server.url).context(World::made()).bearer_token("t");
    let input = Input::new(Model::new("m"), Context::new().message(Message::user("Hi")));
    let mut stream = assistant::stream(&Client::new(config), &input).await;
    while !matches!(stream.next_event().await, Some(AssistantEvent::TextDelta { .. })) {}
    let Some(AssistantEvent::Error { error }) = stream.abort() else { panic!("an event expected") };
    assert_eq!(
        (error.stop_reason.clone(), error.text()),
        (Some(StopReason::Aborted), "and so on".to_owned())
    );
    assert!(stream.next_event().await.is_none() && stream.abort().is_none());
    tokio::task::spawn_blocking(move || closed.recv().unwrap()).await.unwrap();
}

#[tokio::test]
async fn tools_that_are_too_strict_together_are_asked_for_again_less_strictly() {
    let refusal = || {
        let message = "The compiled grammar is too large, which would cause performance issues.";
        Answer::refusal(400, "ValidationException", message)
    };
    let done = || Answer::stream(server::text_answer(&["ok"]));
    let server = Server::start([refusal(), done(), done(), refusal(), done()]);
    let config = Config::new().endpoint_url(&server.url).context(World::made()).bearer_token("t");
    let client = Client::new(config);
    let strict = |name: &str, strict: &str| {
        let mut tool = tool(name);
        tool.constrained_sampling =
            serde_json::from_value(json!({"type": "json_schema", "strict": strict})).unwrap();
        tool
    };
    let mut model = Model::new("us.anthropic.claude-sonnet-4-5");
    model.compat = serde_json::from_value(json!({"supportsStrictMode": true})).unwrap();
    let ask = async |session: &str, wishes: &[&str]| {
        let context = wishes.iter().fold(Context::new().message(Message::user("Hi")), |context, wish| {
            context.tool(strict(wish, wish))
        });
        let input = Input::new(model.clone(), context).options(Options::new().session_id(session));
        let mut stream = assistant::stream(&client, &input).await;
        while stream.next_event().await.is_some() {}
        assert!(stream.failure().is_none() || wishes == ["require"], "{:?}", stream.failure());
    };
    ask("a", &["prefer", "require"]).await;
    ask("a", &["prefer"]).await;
    // There is nothing to be less strict about.
    ask("b", &["require"]).await;
    ask("b", &["prefer"]).await;
    let requests = server.requests();
    let stricts = requests.iter().map(|request| {
        let tools = request.json()["toolConfig"]["tools"].clone();
        let tools = tools.as_array().unwrap().iter().filter(|tool| tool["toolSpec"].is_object());
        tools.map(|tool| tool["toolSpec"]["strict"] == true).collect::<Vec<_>>()
    });
    assert_eq!(
        stricts.collect::<Vec<_>>(),
        [vec![true, true], vec![false, true], vec![false], vec![true], vec![true]]
    );
}

#[tokio::test]
async fn a_service_tier_that_is_none_is_passed_over_with_a_warning() {
    let server = Server::start([Answer::stream(server::text_answer(&["ok"]))]);
    let config = Config::new().endpoint_url(&server.url).context(World::made()).bearer_token("t");
    let client = Client::new(config);
    let mut warned = Vec::new();
    for (model, tier) in [
        ("anthropic.claude-sonnet-4-5", " Flex "),
        ("anthropic.claude-sonnet-4-5", "fast"),
        ("anthropic.claude-opus-5", "priority"),
        ("anthropic.claude-opus-5", "default"),
    ] {
        let input = Input::new(Model::new(model), Context::new().message(Message::user("Hi")));
        let mut stream = assistant::stream(&client, &input.options(Options::new().service_tier(tier))).await;
        while stream.next_event().await.is_some() {}
        warned.push(stream.warnings().join(";"));
    }
    let tiers =
        server.requests().iter().map(|request| request.json()["serviceTier"].clone()).collect::<Vec<_>>();
    assert_eq!(tiers, [json!({"type": "flex"}), Value::Null, Value::Null, json!({"type": "default"})]);
    assert_eq!(
        warned,
        [
            "",
            "the service tier \"fast\" is passed over: default, flex, priority or reserved expected",
            "the service tier \"priority\" is passed over: this model is served in the default tier alone",
            ""
        ]
    );
}

#[tokio::test]
async fn who_keeps_nothing_is_told_the_same() {
    for file in recordings().iter().filter(|file| !file.ends_with("converse.jsonl")) {
        let replay = || Arc::new(Replay::open(file).unwrap());
        let client = || Client::new(Config::new().unauthorised().context(World::made()).transport(replay()));
        let input = Input::new(Model::new("m"), Context::new().message(Message::user("Hi")));
        let mut kept = assistant::stream(&client(), &input).await;
        let mut unkept = assistant::stream(&client(), &input).await.without_content();
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
