//! Comparison with other programs on the same input: botocore's signatures, requests, endpoints, credentials and events,
//! and pi-ai's requests and events.
//!
//! The files in `tests/conformance/` are made by `tools/conformance/make.sh`. Nothing else is needed to run this.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::{HashMap, HashSet};
use std::path::Path;
use support::capture;
use support::chain;
use support::frames;
use support::pi;

use aws_smithy_eventstream::frame::read_message_from;
use bytes::Bytes;
use pumice::frame::FrameDecoder;
use pumice::operation::Operation;
use pumice::shape::{Document, Members};
use pumice::{ErrorKind, Event};
use serde_json::{Value, json};

/// A list of a file in `tests/conformance/`.
fn cases(file: &str, list: &str) -> Vec<Value> {
    serde_json::from_str::<Value>(&text(file)).unwrap()[list].as_array().unwrap().clone()
}

fn text(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A list of pi-ai's cases: their names, their inputs and the rest. The texts of an input may hold lone surrogates,
/// which no `Value` can.
fn pi_ai_cases(list: &str) -> Vec<(String, Document, Value)> {
    let mut file = serde_json::from_str::<Members>(&text("pi-ai.json")).unwrap();
    let cases = file.remove(list).unwrap().read::<Vec<Members>>().unwrap();
    let parts = cases.into_iter().map(|mut case| {
        let input = case.remove("input").unwrap();
        let case = serde_json::to_value(&case).unwrap();
        (case["name"].as_str().unwrap().to_owned(), input, case)
    });
    parts.collect()
}

#[tokio::test]
async fn requests_are_those_of_botocore() {
    let mut held = HashMap::<_, usize>::new();
    for case in cases("requests.json", "cases") {
        let operation = Operation::from_name(case["operation"].as_str().unwrap()).unwrap();
        capture::assert_request(&case, operation).await;
        *held.entry(operation).or_default() += 1;
    }
    // The other operations are compared with the service's model, in `tests/client/model.rs`.
    assert!(held.len() == 10 && held.values().all(|count| *count >= 2), "{held:?}");
}

#[test]
fn signatures_are_those_of_botocore() {
    let vectors = cases("signing.json", "vectors");
    assert!(vectors.len() >= 50);
    vectors.iter().for_each(capture::assert_signature);
}

#[test]
fn endpoints_are_those_of_botocore() {
    let resolution = cases("endpoints.json", "resolution");
    assert!(resolution.len() >= 180);
    resolution.iter().for_each(capture::assert_resolution);

    let precedence = cases("endpoints.json", "precedence");
    assert!(precedence.len() >= 20);
    for case in precedence {
        let name = case["name"].as_str().unwrap();
        let (endpoint, expected) = (capture::configured_endpoint(&case), &case["result"]);
        if let Some(error) = expected["error"].as_str() {
            // A fault in the AWS files, or in the call.
            let kind =
                if error == "InvalidConfigError" { ErrorKind::Credentials } else { ErrorKind::InvalidInput };
            assert_eq!(endpoint.err().map(|error| error.kind()), Some(kind), "{name}");
            continue;
        }
        let endpoint = endpoint.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(endpoint.url(), expected["url"], "{name}");
        assert_eq!(endpoint.region(), expected["signing_region"], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_are_those_of_botocore() {
    let cases = cases("chain.json", "cases");
    assert!(cases.len() >= 50);
    let mut faults = Vec::new();
    for case in cases {
        let exception = case.get("pumice").map(|otherwise| &otherwise["access_key_id"]);
        if let Err(fault) = chain::chain_holds(&case, &case["botocore"], exception).await {
            faults.push(format!("{}: {fault}", case["name"]));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn frames_are_those_of_botocore() {
    let whole = cases("frames.json", "frames");
    let mut types = HashSet::new();
    for case in &whole {
        let (name, bytes) = (&case["name"], decoded(&case["frame"]));
        for piece in [1, bytes.len()] {
            let mut decoder = FrameDecoder::new();
            for piece in bytes.chunks(piece) {
                decoder.push(piece.to_vec());
            }
            let frame = decoder.next_frame().unwrap().unwrap();
            decoder.finish().unwrap();
            assert_eq!(json!(frames::headers_of(&frame)), case["headers"], "{name}");
            assert_eq!(frame.payload(), decoded(&case["payload"]), "{name}");
        }
        let judged = read_message_from(Bytes::from(bytes)).unwrap();
        assert_eq!(json!(frames::headers_of_judged(&judged)), case["headers"], "{name}");
        assert_eq!(**judged.payload(), decoded(&case["payload"]), "{name}");
        for header in case["headers"].as_array().unwrap() {
            types.insert((header["type"].to_string(), (header["value"] == true)));
        }
    }
    assert_eq!(types.len(), 10, "{types:?}");

    let damaged = cases("frames.json", "damaged");
    assert!(damaged.len() >= 12);
    for case in &damaged {
        let (frames, error) = frames::read([&decoded(&case["frame"])[..]]).unwrap_err();
        let part = match case["error"].as_str().unwrap() {
            "ChecksumMismatch" => " checksum ",
            "InvalidHeadersLength" => " bytes of headers, found a length of",
            "InvalidPayloadLength" => " bytes of payload, found a length of",
            "DuplicateHeader" => "expected a new name",
            "KeyError" => "type",
            other => panic!("{other}"),
        };
        assert_eq!((frames.len(), error.kind()), (0, ErrorKind::Damaged), "{}: {error}", case["name"]);
        assert!(error.message().contains(part), "{}: {error}", case["name"]);
    }
}

#[tokio::test]
async fn events_are_those_of_botocore() {
    let streams = cases("frames.json", "streams");
    assert!(streams.len() >= 12);
    for case in &streams {
        let (name, stream) = (&case["name"], decoded(&case["stream"]));
        let (events, error) = if case["operation"] == "ConverseStream" {
            frames::events(&stream).await
        } else {
            let frames = frames::read([&stream[..]]).unwrap();
            (frames.iter().map(|frame| Event::from_frame(frame).unwrap()).collect(), None)
        };
        let expected = case["events"].as_array().unwrap();
        assert_eq!(events.len(), expected.len(), "{name}: {events:?}");
        for (event, expected) in events.iter().map(frames::event_json).zip(expected) {
            assert!(frames::covers(&event, expected), "{name}: {event} is not {expected}");
        }
        // A payload without a type is kept unchanged, so comparing it would prove nothing.
        let untyped = format!("{events:?}");
        let untyped = untyped.contains("Unknown") || untyped.contains("Members([(");
        let of_later = ["later versions of the API", "model in its own form"].map(Value::from).contains(name);
        assert_eq!(untyped, of_later, "{name}: {events:?}");
        let expected = case.get("pumice").unwrap_or(&case["error"]);
        let Some(error) = error else {
            assert!(expected.is_null(), "{name}: {expected}");
            continue;
        };
        if expected["broken_off"] == true {
            assert_eq!(error.kind(), ErrorKind::BrokenOff, "{name}");
            assert_eq!(error.offset(), Some(stream.len() as u64), "{name}");
        } else if expected["damaged"].is_string() {
            assert_eq!(error.kind(), ErrorKind::Damaged, "{name}");
        } else {
            assert_eq!(error.code(), expected["code"].as_str(), "{name}: {error}");
            assert_eq!(error.message(), expected["message"], "{name}");
        }
    }
}

fn decoded(base64: &Value) -> Vec<u8> {
    capture::decoded(base64.as_str().unwrap())
}

#[tokio::test]
async fn requests_are_those_of_pi_ai() {
    let cases = pi_ai_cases("requests");
    assert!(cases.len() >= 30);
    for (name, input, case) in cases {
        let reasons = case["differs"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap());
        pi::assert_request(&name, &input, &case, reasons).await;
    }
}

#[tokio::test]
async fn events_are_those_of_pi_ai() {
    let cases = pi_ai_cases("answers");
    assert!(cases.len() >= 18);
    for (name, input, case) in cases {
        let edits = case["pumice"].as_object().unwrap().iter();
        let edits = edits.map(|(pointer, here)| (pointer.as_str(), here.as_str().unwrap()));
        pi::assert_answer(&name, &input, &case, edits).await;
    }
}
