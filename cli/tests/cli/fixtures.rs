//! The recordings in `fixtures/`: what each answers with, however its bytes are cut.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]
#![allow(clippy::needless_pass_by_value, reason = "what is expected reads best where it stands")]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pumice::context::Context;
use pumice::converse::{ConverseRequest, ConverseResponse, Message};
use pumice::frame::FrameDecoder;
use pumice::invoke_model::InvokeModelRequest;
use pumice::operation::{Call, Operation};
use pumice::reply::ReplyBuilder;
use pumice::shape::Members;
use pumice::transport::Replay;
use pumice::{Client, Config, Error, ErrorKind, Event, FrameContent};
use serde_json::{Value, json};

#[tokio::test]
async fn text() {
    let outcome = outcome("text", Cuts::Recorded).await;
    let deltas = outcome.events.iter().filter(|event| matches!(event, Event::ContentBlockDelta(_))).count();
    assert!(deltas > 25, "{deltas}");
    let answer = "Because most of it is not there. When gas-rich magma reaches the surface, the pressure drops \
                  and it froths up like a shaken bottle of soda. The froth cools so fast that it freezes into \
                  glass, with the bubbles still inside: up to nine tenths of a piece of pumice are holes.\n\n\
                  So it is lighter than water, and it travels. After an eruption under the sea, rafts of it \
                  drift across the ocean for months, with barnacles, young corals and the odd crab aboard. In \
                  the end the water creeps into the pores, and the stone does what stones do.";
    outcome.answered("end_turn", json!([{ "text": answer }]), usage(27, 138));
}

#[tokio::test]
async fn reasoning() {
    let outcome = outcome("reasoning", Cuts::Recorded).await;
    let content = outcome.response()["output"]["message"]["content"].clone();
    let signature = content[0]["reasoningContent"]["reasoningText"]["signature"].as_str().unwrap();
    assert_eq!(STANDARD.decode(signature).unwrap().len(), 264);
    let thought = "The user gives a mass of 45 g and a volume of 90 cm³. Density is mass divided by volume: \
                   45 / 90 = 0.5 g/cm³. Water has 1.0, so half of the stone is under water.";
    let text = "It floats. Its density is 0.5 g/cm³, half that of water, so half of it stays below.";
    outcome.answered(
        "end_turn",
        json!([
            {"reasoningContent": {"reasoningText": {"text": thought, "signature": signature}}},
            {"text": text}
        ]),
        usage(61, 104),
    );
}

#[tokio::test]
async fn redacted_reasoning() {
    let outcome = outcome("redacted-reasoning", Cuts::Recorded).await;
    let content = outcome.response()["output"]["message"]["content"].clone();
    let lengths = [0, 1].map(|index| {
        let redacted = &content[index]["reasoningContent"]["redactedContent"];
        STANDARD.decode(redacted.as_str().unwrap()).unwrap().len()
    });
    assert_eq!(lengths, [240, 304]);
    let text = "Obsidian and pumice can come from one eruption: the glass is the same, the gas is not.";
    let content = json!([content[0], content[1], { "text": text }]);
    outcome.answered("end_turn", content, usage(43, 171));
}

#[tokio::test]
async fn tools() {
    let text = json!({"text": "I'll look up the eruptions of Krakatoa since 1880."});
    let outcome_of = |name| outcome(name, Cuts::Recorded);
    let input = json!({"name": "Krakatoa", "since": 1880});
    outcome_of("tool").await.used_tools("tool_use", &[text], &[("list_eruptions", input)], usage(412, 83));

    let (askja, hekla) = (json!({"name": "Askja"}), json!({"name": "Hekla", "since": 1947}));
    let tools = [("list_eruptions", askja), ("list_eruptions", hekla)];
    outcome_of("two-tools").await.used_tools("tool_use", &[], &tools, usage(409, 121));

    let tools = ["current_time", "alert_level", "wind_direction"].map(|name| (name, json!({})));
    outcome_of("tools-without-arguments").await.used_tools("tool_use", &[], &tools, usage(538, 57));

    // Cut off within its input, which is not JSON.
    let tools = [("list_eruptions", json!("{\"name\": \"Eyjafjallajö"))];
    outcome_of("tool-cut-off").await.used_tools("max_tokens", &[], &tools, usage(405, 24));
}

#[tokio::test]
async fn text_of_other_scripts() {
    let text = "Pumice goes by many names: 軽石 (Japanese), ελαφρόπετρα (Greek), пемза (Russian), خفاف \
                (Arabic), Bimsstein (German) – and 🌋🪨 everywhere.";
    let outcome = outcome("non-ascii", Cuts::Recorded).await;
    outcome.answered("end_turn", json!([{ "text": text }]), usage(19, 96));

    let chunks = exchanges(&read("non-ascii")).remove(0).chunks;
    let within = chunks.iter().filter(|chunk| chunk.first().is_some_and(|byte| byte & 0xc0 == 0x80)).count();
    assert!(within >= 3, "cuts within a character: {within}");
}

#[tokio::test]
async fn usage_of_the_cache() {
    let text = "Chapter 2 answers that: keep at least ten kilometres from the vent.";
    outcome("cache", Cuts::Recorded).await.answered(
        "end_turn",
        json!([{ "text": text }]),
        json!({
            "inputTokens": 14, "outputTokens": 19, "totalTokens": 4641,
            "cacheReadInputTokens": 2560, "cacheWriteInputTokens": 2048,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 1536}, {"ttl": "5m", "inputTokens": 512}],
            "serverToolUsage": {}
        }),
    );
}

#[tokio::test]
async fn the_limit_of_tokens() {
    let text = "1. Collect your samples above the tide line. 2. Rinse them in fresh water. 3. Let them";
    let outcome = outcome("max-tokens", Cuts::Recorded).await;
    outcome.answered("max_tokens", json!([{ "text": text }]), usage(15, 24));
}

#[tokio::test]
async fn a_whole_answer() {
    let text = "Etna, on Sicily: it has erupted in most years since records began.";
    let outcome = outcome("converse", Cuts::Recorded).await;
    outcome.answered("end_turn", json!([{ "text": text }]), usage(13, 17));
    assert_eq!(outcome.response()["metrics"]["latencyMs"], 312);
}

#[tokio::test]
async fn a_structured_response() {
    let text = r#"{"country":"Italy","height_in_metres":3403,"name":"Etna"}"#;
    let outcome = outcome("structured-output", Cuts::Recorded).await;
    outcome.answered("end_turn", json!([{ "text": text }]), usage(171, 26));
}

#[tokio::test]
async fn temporary_refusals_are_retried() {
    for name in ["throttled", "throttled-first-frame"] {
        assert_eq!(exchanges(&read(name)).len(), 2, "{name}");
        let outcome = outcome(name, Cuts::Recorded).await;
        outcome.answered("end_turn", json!([{ "text": SHORT_ANSWER }]), usage(14, 22));
    }
}

#[tokio::test]
async fn failures_are_reported_after_the_delivered_events() {
    let model_failed = "modelStreamErrorException: The system encountered an unexpected error during \
                        processing. Try your request again. (the model's own, status 500: The worker was \
                        restarted.)";
    let unreadable = "validationException: The model returned the following errors: messages.0.content.0: the \
                      image cannot be read.";
    let damaged = "the frame at byte 756 is damaged: expected the message checksum fb8dd02e, found c0a7f780 at byte 956";
    let truncated = "the stream ends at byte 1008, inside the frame that begins at byte 948: expected 222 bytes, found 60";
    for (name, delivered, kind, message, offset) in [
        (
            "invalid",
            "",
            ErrorKind::Validation,
            "ValidationException: The provided model identifier is invalid.",
            None,
        ),
        ("exception-first", "", ErrorKind::Validation, unreadable, None),
        ("exception", "Vesuvius, in the year 79: its pumice fell", ErrorKind::ModelError, model_failed, None),
        ("truncated", "Vesuvius, in the year 79: its", ErrorKind::BrokenOff, truncated, Some(1008)),
        (
            "broken-off",
            "Vesuvius, in the year 79: its",
            ErrorKind::BrokenOff,
            "the connection broke off",
            None,
        ),
        (
            "without-message-stop",
            SHORT_ANSWER,
            ErrorKind::BrokenOff,
            "the response ended at byte 1716 without messageStop: it is not complete",
            Some(1716),
        ),
        ("damaged", "Vesuvius, in the year 79:", ErrorKind::Damaged, damaged, Some(956)),
    ] {
        let outcome = outcome(name, Cuts::Recorded).await;
        let text = outcome.response()["output"]["message"]["content"][0]["text"].clone();
        assert_eq!(text.as_str().unwrap_or_default(), delivered, "{name}");
        let error = outcome.error.unwrap();
        assert_eq!((error.kind(), error.offset()), (kind, offset), "{name}");
        assert_eq!(error.to_string(), message, "{name}");
        let status = if name == "invalid" { 400 } else { 200 };
        assert_eq!(error.status(), Some(status), "{name}");
        assert_eq!(error.request_id().map(str::len), Some(36), "{name}");
    }
}

#[tokio::test]
async fn the_cuts_of_a_body_make_no_difference() {
    for name in names() {
        let recorded = outcome(&name, Cuts::Recorded).await;
        for cuts in [Cuts::Whole, Cuts::Bytes].into_iter().chain((1..=8).map(Cuts::Random)) {
            let cut = outcome(&name, cuts).await;
            assert_eq!(cut.events, recorded.events, "{name}, {cuts:?}");
            assert_eq!(cut.response, recorded.response, "{name}, {cuts:?}");
            // `Debug` shows all that an error holds.
            assert_eq!(format!("{:?}", cut.error), format!("{:?}", recorded.error), "{name}, {cuts:?}");
        }
    }
}

#[test]
fn the_events_shown_are_those_in_the_chunks() {
    for name in names() {
        for exchange in exchanges(&read(&name)) {
            let mut decoder = FrameDecoder::new();
            for chunk in exchange.chunks {
                decoder.push(chunk);
            }
            let mut shown = Vec::new();
            while let Ok(Some(frame)) = decoder.next_frame() {
                assert!(FrameContent::of(&frame).is_ok());
                shown.push(serde_json::from_str::<Value>(&frame.to_event_json().unwrap()).unwrap());
            }
            assert_eq!(exchange.events, shown, "{name}");
        }
    }
}

#[tokio::test]
async fn each_replays_to_its_recorded_request() {
    for name in names() {
        let text = read(&name);
        let client = client(Replay::parse(&text).unwrap().strict());
        let request = &exchanges(&text)[0].request;
        let operation = Operation::from_name(request["operation"].as_str().unwrap()).unwrap();
        let members = match operation {
            // The body is a member of its own, in the model's form.
            Operation::InvokeModel => {
                let body = STANDARD.encode(request["json"].to_string());
                json!({"contentType": request["headers"]["content-type"], "body": body})
            }
            _ => request["json"].clone(),
        };
        let mut members: Members = serde_json::from_value(members).unwrap();
        members.insert("modelId", Value::from(Replay::parse(&text).unwrap().model().unwrap()));
        let call = Call::new(operation, &members).unwrap();
        let error = if operation.is_streamed() {
            client.send_frames(&call).await.err()
        } else {
            client.call(operation, &members).await.err()
        };
        assert_ne!(error.as_ref().map(Error::kind), Some(ErrorKind::Recording), "{name}: {error:?}");
    }
}

#[test]
fn the_program_replays_each() {
    for (name, code) in names().into_iter().map(|name| {
        let code = match name.as_str() {
            "invalid" | "exception-first" => 1,
            "exception" | "truncated" | "broken-off" | "without-message-stop" | "damaged" => 5,
            _ => 0,
        };
        (name, code)
    }) {
        let exchanges = exchanges(&read(&name));
        let operation = exchanges[0].request["operation"].as_str().unwrap();
        let body = || serde_json::from_slice::<Value>(&exchanges[0].chunks.concat()).unwrap();
        let (arguments, expected) = match operation {
            "Converse" => (&["converse", "--no-stream"][..], vec![body()]),
            "ConverseStream" => {
                let events = exchanges.iter().flat_map(|exchange| exchange.events.clone());
                (&["converse"][..], events.filter(|event| event.get("exception").is_none()).collect())
            }
            "InvokeModel" => {
                let members = json!({"contentType": "application/json", "body": STANDARD.encode(exchanges[0].chunks.concat())});
                (&["call", "InvokeModel"][..], vec![members])
            }
            other => panic!("{name}: {other}"),
        };

        let mut program = Command::new(env!("CARGO_BIN_EXE_pumice"));
        program.args(arguments).args(["--request", "-", "--replay"]).arg(path(&name)).env_clear();
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = program.spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"{}").unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{name}: {said}");
        assert_eq!(said.starts_with("error: "), code != 0, "{name}: {said}");
        let printed = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let printed = printed.map(|line| serde_json::from_slice(line).unwrap()).collect::<Vec<Value>>();
        assert_eq!(printed, expected, "{name}");
    }
}

#[test]
fn none_holds_a_secret() {
    for name in names() {
        let recording = read(&name);
        for secret in [
            "AKIA",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "IQoJb3JpZ2luX2VjEXAMPLETOKEN",
            "Signature=",
            "Bearer ",
        ] {
            assert!(!recording.contains(secret), "{name}: {secret}");
        }
        for header in ["authorization", "x-amz-security-token", "x-amz-date", "cookie"] {
            assert!(!recording.to_lowercase().contains(header), "{name}: {header}");
        }
    }
}

#[test]
fn each_is_described() {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    for name in names() {
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}

/// How a body is cut.
#[derive(Debug, Clone, Copy)]
enum Cuts {
    Recorded,
    Whole,
    Bytes,
    /// Where the chance of this seed says.
    Random(u64),
}

/// What a client gets.
struct Outcome {
    events: Vec<Event>,
    /// As far as it has come.
    response: ConverseResponse,
    error: Option<Error>,
}

impl Outcome {
    fn response(&self) -> Value {
        serde_json::to_value(&self.response).unwrap()
    }

    #[track_caller]
    fn answered(&self, stop_reason: &str, content: Value, usage: Value) {
        assert!(self.error.is_none(), "{:?}", self.error);
        let response = self.response();
        assert_eq!(response["output"], json!({"message": {"role": "assistant", "content": content}}));
        assert_eq!(response["stopReason"], stop_reason);
        assert_eq!(response["usage"], usage);
    }

    #[track_caller]
    fn used_tools(&self, stop_reason: &str, before: &[Value], tools: &[(&str, Value)], usage: Value) {
        let content = self.response()["output"]["message"]["content"].clone();
        let mut expected = before.to_vec();
        for (name, input) in tools {
            // The service's ids are its own; each is another.
            let id = &content[expected.len()]["toolUse"]["toolUseId"];
            assert!(id.as_str().is_some_and(|id| id.starts_with("tooluse_")));
            assert!(expected.iter().all(|block| block["toolUse"]["toolUseId"] != *id));
            expected.push(json!({"toolUse": {"toolUseId": id, "name": name, "input": input}}));
        }
        self.answered(stop_reason, expected.into(), usage);
    }
}

fn usage(input: u64, output: u64) -> Value {
    let total = input + output;
    json!({"inputTokens": input, "outputTokens": output, "totalTokens": total, "serverToolUsage": {}})
}

async fn outcome(name: &str, cuts: Cuts) -> Outcome {
    let text = read(name);
    let operation = exchanges(&text)[0].request["operation"].as_str().unwrap().to_owned();
    let text = if let Cuts::Recorded = cuts { text } else { cut(&text, cuts) };
    let client = client(Replay::parse(&text).unwrap());
    let request = ConverseRequest::new("a-model").message(Message::user("Hi"));
    let mut events = Vec::new();
    match operation.as_str() {
        "ConverseStream" => {}
        "Converse" => {
            let response = client.converse(&request).await.unwrap();
            return Outcome { events, response, error: None };
        }
        "InvokeModel" => {
            let response = client.invoke_model(&InvokeModelRequest::new("a-model")).await.unwrap();
            let body = serde_json::from_slice::<Value>(&response.body.0).unwrap();
            assert_eq!(body["embedding"].as_array().unwrap().len(), 8, "{name}");
            return Outcome { events, response: ConverseResponse::default(), error: None };
        }
        other => panic!("{name}: {other}"),
    }
    let mut reply = ReplyBuilder::new();
    let error = match client.converse_stream(&request).await {
        Err(error) => Some(error),
        Ok(mut stream) => loop {
            match stream.next_event().await {
                Ok(Some(event)) => {
                    events.push(event.clone());
                    reply.push(event);
                }
                Ok(None) => break None,
                Err(error) => {
                    assert!(stream.next_event().await.unwrap().is_none(), "{name}: nothing follows an error");
                    break Some(error);
                }
            }
        },
    };
    Outcome { events, response: reply.finish(), error }
}

fn client(replay: Replay) -> Client {
    Client::new(Config::new().context(Context::fake()).without_credentials().transport(Arc::new(replay)))
}

/// The recording with each body cut anew.
fn cut(text: &str, cuts: Cuts) -> String {
    let mut lines = vec![json!({"recording": {"version": 1}})];
    for (index, exchange) in exchanges(text).into_iter().enumerate() {
        let number = index + 1;
        let body = exchange.chunks.concat();
        lines.extend([json!({"request": exchange.request}), json!({"response": exchange.response})]);
        let mut rest = &body[..];
        let mut chance = if let Cuts::Random(seed) = cuts { seed } else { 0 };
        while !rest.is_empty() {
            let length = match cuts {
                Cuts::Recorded | Cuts::Whole => rest.len(),
                Cuts::Bytes => 1,
                Cuts::Random(_) => {
                    chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    usize::try_from(chance >> 33).unwrap() % 300 + 1
                }
            };
            let (chunk, more) = rest.split_at(length.min(rest.len()));
            rest = more;
            let base64 = STANDARD.encode(chunk);
            lines.push(json!({"chunk": {"exchange": number, "afterMs": 0, "base64": base64}}));
        }
        lines.push(json!({"end": exchange.end}));
    }
    lines.iter().fold(String::new(), |text, line| text + &line.to_string() + "\n")
}

/// What a recording says of an exchange.
struct Exchange {
    request: Value,
    response: Value,
    chunks: Vec<Vec<u8>>,
    events: Vec<Value>,
    end: Value,
}

/// The exchanges of a recording in which none overlap.
fn exchanges(text: &str) -> Vec<Exchange> {
    let mut exchanges = Vec::<Exchange>::new();
    for line in text.lines().skip(1) {
        let line: Value = serde_json::from_str(line).unwrap();
        let (kind, value) = line.as_object().unwrap().iter().next().unwrap();
        if kind == "request" {
            let (request, response, end) = (value.clone(), Value::Null, Value::Null);
            exchanges.push(Exchange { request, response, chunks: Vec::new(), events: Vec::new(), end });
            continue;
        }
        let exchange = exchanges.last_mut().unwrap();
        match kind.as_str() {
            "response" => exchange.response = value.clone(),
            "chunk" => exchange.chunks.push(match (&value["text"], &value["base64"]) {
                (Value::String(text), _) => text.clone().into_bytes(),
                (_, base64) => STANDARD.decode(base64.as_str().unwrap()).unwrap(),
            }),
            "event" => exchange.events.push(value.clone()),
            "end" => exchange.end = value.clone(),
            other => panic!("{other}"),
        }
    }
    exchanges
}

fn names() -> Vec<String> {
    let files = fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
    let recordings = files.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    let mut names =
        recordings.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect::<Vec<_>>();
    names.sort();
    assert!(names.len() >= 20, "{names:?}");
    names
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap()
}

fn path(name: &str) -> PathBuf {
    folder().join(name).with_extension("jsonl")
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures"))
}

const SHORT_ANSWER: &str = "Vesuvius, in the year 79: its pumice fell on Pompeii for eighteen hours.";
