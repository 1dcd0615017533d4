//! Vectors of others: the published ones of the encoding, streams with the events that botocore reads from them, bodies
//! recorded from Bedrock, and signed requests.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::capture;
use support::shared;

use aws_smithy_eventstream::frame::read_message_from;
use bytes::Bytes;
use pumice::frame::Frame;
use pumice::reply::ReplyBuilder;
use pumice::shape::Blob;
use pumice::{Error, ErrorKind, Event};
use serde_json::{Map, Value, json};
use support::frames::{covers, event_json, events, headers_of, headers_of_judged, hex, read};

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn aws_sdk_go_frames() {
    let folder = shared::path("vectors/eventstream/aws-sdk-go");
    for file in files(&folder.join("encoded/positive"), "") {
        let stream = fs::read(&file).unwrap();
        let expected = json_file(&folder.join("decoded/positive").join(file.file_name().unwrap()));
        let [frame] = &read([&stream[..]]).unwrap()[..] else { panic!("expected one frame") };
        let headers = expected["headers"].as_array().unwrap().iter().map(|header| {
            let number = header["type"].as_u64().unwrap();
            let type_ = TYPES[usize::try_from(number).unwrap()];
            let value = match (type_, &header["value"]) {
                ("uuid", value) => hex(&base64(value)).into(),
                ("string", value) => String::from_utf8(base64(value)).unwrap().into(),
                (_, value) => value.clone(),
            };
            json!({ "name": header["name"], "type": type_, "value": value })
        });
        assert_eq!(headers_of(frame), headers.collect::<Vec<_>>(), "{}", file.display());
        assert_eq!(frame.payload(), base64(&expected["payload"]));
        assert_eq!(stream.len() as u64, expected["total_length"].as_u64().unwrap());
    }
    for file in files(&folder.join("encoded/negative"), "") {
        let said = folder.join("decoded/negative").join(file.file_name().unwrap());
        let said = fs::read_to_string(said).unwrap();
        let checksum = said.split_once(" checksum mismatch").unwrap().0.to_lowercase();
        let error = assert_damaged(&fs::read(&file).unwrap(), &file);
        assert!(error.message().contains(&format!("expected the {checksum} checksum ")), "{error}");
    }
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn botocore_frames() {
    let folder = shared::path("vectors/eventstream/botocore");
    let expected = json_file(&folder.join("expected.json"));
    for (name, expected) in expected.as_object().unwrap() {
        let file = folder.join(name).with_extension("bin");
        if let Some(error) = expected["error"].as_str() {
            if let Some(recipe) = expected["recipe"].as_str() {
                let prelude = from_hex(recipe.split(" + ").next().unwrap());
                let error = assert_damaged(&prelude, &file);
                assert!(error.message().contains("expected at most 25165824 bytes of payload"), "{error}");
                continue;
            }
            let fault = match error {
                "ChecksumMismatch" => " checksum ",
                "DuplicateHeader" => "expected a new name, found ",
                "InvalidHeadersLength" => "bytes of headers",
                other => panic!("{other} is unknown"),
            };
            let error = assert_damaged(&fs::read(&file).unwrap(), &file);
            assert!(error.message().contains(fault), "{error}");
            continue;
        }
        let stream = fs::read(&file).unwrap();
        let [frame] = &read([&stream[..]]).unwrap()[..] else { panic!("expected one frame") };
        let headers = headers_of(frame);
        assert_eq!(headers.len(), expected["headers"].as_object().unwrap().len(), "{name}");
        for header in headers {
            let named = header["name"].as_str().unwrap();
            let value = match (&expected["headers"][named], &header["type"]) {
                (value, type_) if type_ == "uuid" => hex(&base64(&value["$base64"])).into(),
                (value, type_) if type_ == "binary" => value["$base64"].clone(),
                (value, _) => value.clone(),
            };
            assert_eq!(header["value"], value, "{name}, {named}");
            // In one of them, the name of a header is the number of its type.
            if let Ok(number) = named.parse::<usize>() {
                assert_eq!(header["type"], TYPES[number]);
            }
        }
        assert_eq!(frame.payload(), base64(&expected["payload_b64"]), "{name}");
        assert_eq!(stream.len() as u64, expected["total_length"].as_u64().unwrap());
    }
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn smithy_rs_frames() {
    let folder = shared::path("vectors/eventstream/smithy-rs");
    for file in files(&folder, "bin") {
        let stream = fs::read(&file).unwrap();
        if file.file_name().unwrap().to_str().unwrap().starts_with("invalid") {
            assert_damaged(&stream, &file);
            continue;
        }
        let [frame] = &read([&stream[..]]).unwrap()[..] else { panic!("expected one frame") };
        let judged = read_message_from(Bytes::from(stream)).unwrap();
        assert_eq!(headers_of(frame), headers_of_judged(&judged), "{}", file.display());
        assert_eq!(frame.payload(), judged.payload());
    }
}

/// Differences in which botocore accepts more, or reports less than we do.
#[tokio::test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
async fn made_streams_give_the_events_and_errors_of_botocore() {
    let folder = shared::path("vectors/eventstream/made");
    let index = json_file(&folder.join("index.json"));
    for made in index["streams"].as_array().unwrap() {
        let name = made["name"].as_str().unwrap();
        let stream = fs::read(folder.join(made["file"].as_str().unwrap())).unwrap();
        let described = made["frames"].as_array().unwrap();
        let (frames, encoding) = match read([&stream[..]]) {
            Ok(frames) => (frames, None),
            Err((frames, error)) => (frames, Some(error)),
        };
        assert_eq!(frames.len(), described.len() - usize::from(name == "truncated_last_frame"), "{name}");
        for (frame, described) in frames.iter().zip(described) {
            assert_eq!(frame.headers().count(), described["headers"].as_object().unwrap().len());
            for header in headers_of(frame) {
                let expected = match &described["headers"][header["name"].as_str().unwrap()] {
                    Value::String(text) => json!({ "type": "string", "value": text }),
                    uuid if uuid["type"] == "uuid" => {
                        let hex = uuid["value"].as_str().unwrap().replace('-', "");
                        json!({ "type": "uuid", "value": hex })
                    }
                    other => other.clone(),
                };
                assert!(covers(&header, &expected), "{name}: {header} is not {expected}");
            }
            assert_eq!(frame.payload(), described["body"].as_str().unwrap().as_bytes());
        }

        let (events, error) = if made["operation"] == "ConverseStream" {
            events(&stream).await
        } else {
            let read = frames.iter().map(Event::from_frame).collect::<Result<Vec<_>, _>>();
            read.map_or_else(|error| (Vec::new(), Some(error)), |events| (events, encoding))
        };
        if name == "message_type_unknown" {
            let error = error.unwrap();
            assert_eq!((error.kind(), error.offset(), events.len()), (ErrorKind::Damaged, Some(0), 0));
            assert!(error.message().contains(r#"found "telegram""#), "{error}");
            continue;
        }
        let yielded = made["botocore_events"].as_array().unwrap();
        assert_eq!(events.len(), yielded.len(), "{name}");
        for (event, yielded) in events.iter().zip(yielded) {
            let event = event_json(event);
            assert!(covers(&event, yielded), "{name}: {event} is not {yielded}");
        }
        match (&made["botocore_error"], error) {
            (Value::Null, None) => {}
            (Value::Null, Some(error)) => {
                assert_eq!(name, "truncated_last_frame", "{error}");
                assert_eq!(error.kind(), ErrorKind::BrokenOff);
                assert_eq!(error.offset(), Some(stream.len() as u64));
            }
            (raised, Some(error)) if raised["class"] == "EventStreamError" => {
                assert_eq!(error.code().unwrap(), raised["code"], "{name}");
                assert_eq!(error.message(), raised["error_message"], "{name}");
            }
            (_, error) => {
                let error = error.unwrap();
                assert_eq!((error.kind(), error.offset()), (ErrorKind::Damaged, Some(0)), "{name}");
            }
        }
    }
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn recorded_streams_collect_into_the_recorded_json() {
    let captures = shared::path("captures");
    let mut seen = BTreeMap::<String, usize>::new();
    for file in streams(&captures) {
        let stream = fs::read(&file).unwrap();
        let frames = read([&stream[..]]).unwrap();
        let described = json_file(&file.with_extension("json"));
        assert_eq!(described["frames"], frames.len(), "{}", file.display());
        assert_eq!(base64(&described["response"]["body_b64"]), stream, "{}", file.display());

        let exception = described["features"]
            .as_array()
            .unwrap()
            .iter()
            .find_map(|feature| feature.as_str().unwrap().strip_prefix("EXCEPTION:"));
        let events = frames.iter().map(Event::from_frame).collect::<Result<Vec<_>, _>>();
        let events = match (events, exception) {
            (Ok(events), None) => events,
            (Err(error), Some(exception)) => {
                assert_eq!(error.code(), Some(exception));
                let payload = serde_json::from_slice::<Value>(frames.last().unwrap().payload()).unwrap();
                let message = payload["message"].as_str().or(payload["Message"].as_str()).unwrap();
                assert!(error.message().starts_with(message), "{error}");
                *seen.entry("exception".into()).or_default() += 1;
                continue;
            }
            (events, exception) => panic!("{}: {events:?}, {exception:?} expected", file.display()),
        };
        let mut reply = ReplyBuilder::new();
        for event in events {
            reply.push(event);
        }
        let reply = serde_json::to_value(reply.finish()).unwrap();
        let expected = fold(&frames);
        assert_eq!(reply, expected, "{}", file.display());
        for block in expected["output"]["message"]["content"].as_array().unwrap() {
            let kind = block.as_object().unwrap().keys().next().unwrap();
            *seen.entry(kind.clone()).or_default() += 1;
        }
    }
    for kind in ["text", "toolUse", "toolResult", "reasoningContent", "citationsContent", "exception"] {
        assert!(seen.contains_key(kind), "no {kind} among {seen:?}");
    }
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn the_program_decodes_whole_frames_and_names_the_offset_of_a_fault() {
    let shared = shared::path("");
    let (mut whole, mut broken) = (0, 0);
    for file in streams(&shared) {
        let stream = fs::read(&file).unwrap();
        let (frames, error) = match read([&stream[..]]) {
            Ok(frames) => (frames, None),
            Err((frames, error)) => (frames, Some(error)),
        };
        let json = frames
            .iter()
            .map(|frame| {
                let headers = headers_of(frame).into_iter().map(|header| {
                    let value = match (&header["type"], &header["value"]) {
                        (type_, Value::String(hex)) if type_ == "uuid" => dashed(hex).into(),
                        (_, value) => value.clone(),
                    };
                    (header["name"].as_str().unwrap().to_owned(), value)
                });
                let payload = match serde_json::from_slice::<Value>(frame.payload()) {
                    Ok(json) => json,
                    Err(_) if frame.payload().is_empty() => Value::Null,
                    Err(_) => str::from_utf8(frame.payload()).unwrap().into(),
                };
                json!({ "headers": headers.collect::<Map<_, _>>(), "payload": payload })
            })
            .collect::<Vec<_>>();
        let output = decode(&["--json", file.to_str().unwrap()], b"");
        assert_eq!(output.lines(), json, "{}", file.display());
        output.assert_end(error.as_ref());
        let output = decode(&["--json", "-"], &stream);
        assert_eq!(output.lines(), json, "{}", file.display());
        output.assert_end(error.as_ref());

        let output = decode(&[file.to_str().unwrap()], b"");
        assert_eq!(output.stdout.lines().count(), frames.len(), "{}", file.display());
        output.assert_end(error.as_ref());

        let mut events = Vec::new();
        let shown = frames.iter().filter(|frame| frame.event_type() != Some("initial-response"));
        let fault = shown.into_iter().find_map(|frame| match frame.to_event_json() {
            Ok(json) => {
                events.push(serde_json::from_str::<Value>(&json).unwrap());
                None
            }
            Err(error) => Some(error),
        });
        let output = decode(&["--events", file.to_str().unwrap()], b"");
        assert_eq!(output.lines(), events, "{}", file.display());
        output.assert_end(fault.as_ref().or(error.as_ref()));
        let count = if error.is_some() { &mut broken } else { &mut whole };
        *count += 1;
    }
    assert!(whole > 60 && broken > 12, "{whole} whole, {broken} broken");
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn every_signature_is_that_of_botocore() {
    let vectors = shared::json("vectors/sigv4.json");
    let vectors = vectors["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 22);
    for vector in vectors {
        capture::assert_signature(vector);
    }
}

/// The value types in the order of their numbers.
const TYPES: [&str; 10] =
    ["boolean", "boolean", "byte", "short", "integer", "long", "binary", "string", "timestamp", "uuid"];

/// The files in a folder that have this extension, in order.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files = entries
        .filter(|path| path.is_file() && path.extension().unwrap_or_default() == extension)
        .collect::<Vec<_>>();
    files.sort();
    assert!(!files.is_empty(), "nothing in {}", folder.display());
    files
}

/// All event streams below a folder.
fn streams(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(streams(&entry));
        } else if entry.extension().unwrap_or_default() == "bin"
            || entry.parent().unwrap().parent().unwrap().ends_with("aws-sdk-go/encoded")
        {
            found.push(entry);
        }
    }
    found.sort();
    found
}

fn json_file(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn base64(value: &Value) -> Vec<u8> {
    Blob::from_base64(value.as_str().unwrap()).unwrap().0.to_vec()
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = text.chars().filter_map(|digit| digit.to_digit(16)).collect::<Vec<_>>();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

fn dashed(hex: &str) -> String {
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn assert_damaged(stream: &[u8], file: &Path) -> Error {
    let (frames, error) = read([stream]).unwrap_err();
    assert!(frames.is_empty(), "{}", file.display());
    assert_eq!(error.kind(), ErrorKind::Damaged, "{}: {error}", file.display());
    let offset = error.offset().unwrap();
    assert!(offset < stream.len() as u64, "{}: {error}", file.display());
    assert!(error.message().contains("at byte 0"), "{}: {error}", file.display());
    error
}

/// Collects the JSON in these frames into a Converse response.
fn fold(frames: &[Frame]) -> Value {
    let mut blocks = BTreeMap::<u64, Map<String, Value>>::new();
    let mut response = json!({ "output": { "message": {} } });
    for frame in frames {
        let payload = serde_json::from_slice::<Value>(frame.payload()).unwrap();
        let index = payload["contentBlockIndex"].as_u64();
        match frame.event_type().unwrap() {
            "messageStart" => response["output"]["message"]["role"] = payload["role"].clone(),
            "contentBlockStart" => {
                let start = payload["start"].as_object().unwrap().clone();
                blocks.insert(index.unwrap(), start);
            }
            "contentBlockDelta" => {
                let block = blocks.entry(index.unwrap()).or_default();
                for (kind, piece) in payload["delta"].as_object().unwrap() {
                    add(block, kind, piece);
                }
            }
            "messageStop" | "metadata" => {
                for (name, value) in payload.as_object().unwrap() {
                    if name != "p" && !value.is_null() {
                        response[name] = value.clone();
                    }
                }
            }
            "contentBlockStop" => {}
            other => panic!("{other} is unknown"),
        }
    }
    let content = blocks.into_values().map(|mut block| {
        if let Some(tool) = block.get_mut("toolUse") {
            let input = tool["input"].as_str().unwrap_or_default();
            let input = if input.is_empty() { json!({}) } else { serde_json::from_str(input).unwrap() };
            tool["input"] = input;
        }
        if let Some(citations) = block.remove("citations") {
            let text = block.get("text").cloned().unwrap_or_else(|| "".into());
            return json!({ "citationsContent": { "content": [{ "text": text }], "citations": citations } });
        }
        Value::Object(block)
    });
    response["output"]["message"]["content"] = content.collect();
    response
}

fn add(block: &mut Map<String, Value>, kind: &str, piece: &Value) {
    let append = |text: &mut Value, piece: &Value| {
        *text = (text.as_str().unwrap_or_default().to_owned() + piece.as_str().unwrap()).into();
    };
    let entry =
        |block: &mut Map<String, Value>, name: &str| std::mem::take(block.entry(name).or_insert(Value::Null));
    match kind {
        "text" => {
            let mut text = entry(block, "text");
            append(&mut text, piece);
            block.insert("text".into(), text);
        }
        "citation" => {
            let mut citations = entry(block, "citations").as_array().cloned().unwrap_or_default();
            citations.push(piece.clone());
            block.insert("citations".into(), citations.into());
        }
        "toolUse" => append(&mut block["toolUse"]["input"], &piece["input"]),
        "toolResult" => {
            let mut content = block["toolResult"]["content"].as_array().cloned().unwrap_or_default();
            content.extend(piece.as_array().unwrap().iter().cloned());
            block["toolResult"]["content"] = content.into();
        }
        "reasoningContent" => {
            let mut reasoning = entry(block, "reasoningContent");
            for (member, piece) in piece.as_object().unwrap() {
                match member.as_str() {
                    "redactedContent" => {
                        let mut bytes = reasoning.get(member).map(base64).unwrap_or_default();
                        bytes.extend(base64(piece));
                        reasoning = json!({ member: Blob::from(bytes).to_base64() });
                    }
                    _ => append(&mut reasoning["reasoningText"][member], piece),
                }
            }
            block.insert("reasoningContent".into(), reasoning);
        }
        other => panic!("{other} is unknown"),
    }
}

/// The program's output.
struct Output {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn decode(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_pumice"))
        .arg("decode")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // From a thread of its own, since the program may wait for its output to be read. It may also end
    // before it has read everything.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Output {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Output {
    fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The exit code, and the fault with its position.
    fn assert_end(&self, error: Option<&Error>) {
        let Some(error) = error else {
            assert_eq!((self.code, &*self.stderr), (Some(0), ""));
            return;
        };
        assert_eq!(self.code, Some(1), "{}", self.stderr);
        assert!(self.stderr.starts_with(&format!("error: {error}")), "{}", self.stderr);
        let at = format!("byte {}", error.offset().unwrap());
        assert!(self.stderr.contains(&at), "{at} is not in {}", self.stderr);
    }
}
