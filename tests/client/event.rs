//! Frames into events and errors, and how a stream of events ends.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::sync::Arc;
use support::server;
use support::tape;

use bytes::Bytes;
use futures_core::Stream as _;
use pumice::context::Context;
use pumice::converse::{
    ContentBlockDelta, ContentBlockStart, ConverseRequest, Message, ReasoningContentBlockDelta, StopReason,
};
use pumice::frame::{Frame, FrameDecoder};
use pumice::transport::Replay;
use pumice::{Client, Config, Error, ErrorKind, Event, EventStream};
use support::server::{block_stop, event, frame, message_start, message_stop, metadata, text, text_answer};

#[test]
fn each_kind_of_event_is_read_and_its_padding_dropped() {
    let Event::MessageStart(start) = read(message_start()).unwrap() else { panic!() };
    assert_eq!(start.role.unwrap().as_str(), "assistant");

    let tool = r#"{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"t1","name":"look"}}}"#;
    let Event::ContentBlockStart(start) = read(event("contentBlockStart", tool)).unwrap() else { panic!() };
    let ContentBlockStart::ToolUse(tool) = start.start else { panic!() };
    assert_eq!(
        (start.content_block_index, &*tool.tool_use_id, &*tool.name, tool.kind),
        (1, "t1", "look", None)
    );

    let Event::ContentBlockDelta(delta) = read(text(3, "Zoë \"\n\u{1f44b}")).unwrap() else { panic!() };
    assert_eq!((delta.content_block_index, delta.delta.as_text()), (3, Some("Zoë \"\n\u{1f44b}")));
    assert!(delta.other.is_empty());

    let input = r#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"a\":"}}}"#;
    let ContentBlockDelta::ToolUse(tool) = delta_of(input) else { panic!() };
    assert_eq!(tool.input, r#"{"a":"#);
    let thought = r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm"}}}"#;
    let ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Text(text)) = delta_of(thought)
    else {
        panic!()
    };
    assert_eq!(text, "Hm");

    let Event::ContentBlockStop(stop) = read(block_stop(7)).unwrap() else { panic!() };
    assert_eq!(stop.content_block_index, 7);
    let Event::MessageStop(stop) = read(message_stop("max_tokens")).unwrap() else { panic!() };
    assert_eq!(stop.stop_reason, Some(StopReason::MaxTokens));
    let Event::Metadata(data) = read(metadata(12, 7)).unwrap() else { panic!() };
    assert_eq!(data.usage.unwrap().total_tokens, Some(19));
    assert!(data.other.is_empty());
}

#[test]
fn unknown_events_and_members_are_kept() {
    let Event::Unknown { event_type, payload } = read(event("hologramStart", r#"{"z":1,"a":2}"#)).unwrap()
    else {
        panic!()
    };
    assert_eq!(event_type, "hologramStart");
    assert!(payload.text().starts_with(r#"{"z":1,"a":2,"p":"#));

    let unknown = r#"{"contentBlockIndex":0,"delta":{"hologram":{"x":1}}}"#;
    let ContentBlockDelta::Unknown(members) = delta_of(unknown) else { panic!() };
    assert_eq!(members.named("hologram").unwrap().text(), r#"{"x":1}"#);
}

#[test]
fn a_frame_without_message_type_is_an_event() {
    let frame = frame(&[(":event-type", "contentBlockStop")], r#"{"contentBlockIndex":2}"#);
    assert!(matches!(read(frame), Ok(Event::ContentBlockStop(_))));
}

#[test]
fn exceptions_keep_their_name_and_message() {
    for (exception_type, payload, kind, message) in [
        ("throttlingException", r#"{"message":"Too many tokens"}"#, ErrorKind::Throttled, "Too many tokens"),
        ("validationException", r#"{"Message":"In capitals"}"#, ErrorKind::Validation, "In capitals"),
        ("internalServerException", r#"{"message":"m","p":"abc"}"#, ErrorKind::Internal, "m"),
        ("serviceUnavailableException", "{}", ErrorKind::Unavailable, ""),
        ("holidayException", r#"{"message":"Gone fishing"}"#, ErrorKind::Service, "Gone fishing"),
        ("holidayException", " <html>Gone</html>\n", ErrorKind::Service, "<html>Gone</html>"),
        ("holidayException", "", ErrorKind::Service, ""),
        (
            "modelStreamErrorException",
            r#"{"message":"Failed","originalStatusCode":529,"originalMessage":"Overloaded"}"#,
            ErrorKind::ModelError,
            "Failed (the model's own, status 529: Overloaded)",
        ),
    ] {
        let headers = [(":exception-type", exception_type), (":message-type", "exception")];
        let error = read(frame(&headers, payload)).unwrap_err();
        assert_eq!((error.kind(), error.code(), error.message()), (kind, Some(exception_type), message));
        let quoted = message.contains("Overloaded");
        assert_eq!(error.original_status(), quoted.then_some(529));
        assert_eq!(error.original_message(), quoted.then_some("Overloaded"));
    }
    let long = "x".repeat(100_000);
    let headers = [(":exception-type", "e"), (":message-type", "exception")];
    assert_eq!(read(frame(&headers, long)).unwrap_err().message().len(), 500);
}

#[test]
fn error_frames_keep_their_code_and_message() {
    let error = read(server::error_frame("InternalError", "It broke")).unwrap_err();
    assert_eq!((error.code(), error.message()), (Some("InternalError"), "It broke"));
    let headers = [(":error-code", "slowDown"), (":message-type", "error")];
    let error = read(frame(&headers, r#"{"message":"In the payload"}"#)).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Throttled, "In the payload"));
}

#[test]
fn a_frame_that_is_not_a_message_is_damaged_and_has_an_offset() {
    for (second, fault) in [
        (
            frame(&[(":event-type", "x"), (":message-type", "telegram")], "{}"),
            r#"expected the message type event, exception or error, found "telegram""#,
        ),
        (frame(&[(":message-type", "event")], "{}"), "expected a header :event-type, found none"),
        (frame(&[], "{}"), "expected a header :event-type, found none"),
        (frame(&[(":message-type", "exception")], "{}"), "expected a header :exception-type, found none"),
        (frame(&[(":message-type", "error")], ""), "expected a header :error-code, found none"),
        (
            event("contentBlockDelta", "{\"contentBlockIndex\": 0,"),
            "the contentBlockDelta event in the frame",
        ),
        (event("contentBlockDelta", "{}"), "the contentBlockDelta event in the frame"),
        (event("contentBlockStop", r#"{"contentBlockIndex":"0"}"#), "the contentBlockStop event"),
        (event("messageStop", ""), "the messageStop event in the frame"),
        (
            frame(&[(":event-type", "messageStart")], b"{\"role\":\"\xff\"}"),
            "the messageStart event in the frame",
        ),
        (event("hologramStart", "x"), "the hologramStart event in the frame"),
    ] {
        let first = message_start();
        let at = first.len() as u64;
        let frames = frames(&[first, second].concat());
        let error = Event::from_frame(&frames[1]).unwrap_err();
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Damaged, Some(at)), "{error}");
        assert!(error.message().contains(fault), "{error}");
        assert!(error.message().contains(&format!("frame at byte {at}")), "{error}");
    }
}

#[test]
fn an_event_is_one_line_of_json_without_its_padding() {
    for (frame, json) in [
        (text(0, "a\nb"), r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"a\nb"}}}"#),
        (
            event("metadata", "{\"z\": 12345678901234567890123,\n \"a\": {\r\n\"p\": 1.0}}"),
            r#"{"metadata":{"z":12345678901234567890123,"a":{"p": 1.0}}}"#,
        ),
        (event("new\"Event", "{}"), r#"{"new\"Event":{}}"#),
        (
            server::exception("throttlingException", "a \"b\""),
            r#"{"exception":{"type":"throttlingException","message":"a \"b\""}}"#,
        ),
        (server::error_frame("Code", "text"), r#"{"error":{"code":"Code","message":"text"}}"#),
    ] {
        assert_eq!(frames(&frame)[0].to_event_json().unwrap(), json);
    }
}

#[tokio::test]
async fn a_stream_is_complete_with_its_body_and_message_stop() {
    for frames in [
        text_answer(&["a", "b"]),
        vec![message_start(), message_stop("end_turn")],
        vec![event("initial-response", "{}"), message_start(), message_stop("end_turn"), metadata(1, 1)],
    ] {
        let count = frames.len() - usize::from(frames[0] == event("initial-response", "{}"));
        for size in [1, 64, 1 << 20] {
            let mut events = stream(&frames.concat(), size).await.unwrap();
            for _ in 0..count {
                assert!(events.next_event().await.unwrap().is_some());
            }
            for _ in 0..3 {
                assert!(events.next_event().await.unwrap().is_none());
                assert!(events.ready_event().unwrap().is_none());
            }
            assert_eq!(events.request_id(), Some("recorded"));
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_not_complete_is_an_error_after_which_nothing_follows() {
    let whole = text_answer(&["a", "b"]);
    let begun = [&whole[..3]].concat().concat();
    let flipped = {
        let mut frame = text(0, "damaged");
        frame[90] ^= 1;
        frame
    };
    let at = begun.len() as u64;
    for (rest, delivered, kind, offset, fault) in [
        (vec![], 3, ErrorKind::BrokenOff, at, "without messageStop"),
        (text(0, "x")[..7].to_vec(), 3, ErrorKind::BrokenOff, at + 7, "expected at least 16 bytes, found 7"),
        (text(0, "x")[..30].to_vec(), 3, ErrorKind::BrokenOff, at + 30, " bytes, found 30"),
        (
            [block_stop(0), message_stop("end_turn"), metadata(1, 1)[..50].to_vec()].concat(),
            5,
            ErrorKind::BrokenOff,
            at + (block_stop(0).len() + message_stop("end_turn").len()) as u64 + 50,
            "found 50",
        ),
        (flipped.clone(), 3, ErrorKind::Damaged, at + flipped.len() as u64 - 4, "message checksum"),
        (event("contentBlockDelta", "{}"), 3, ErrorKind::Damaged, at, "the contentBlockDelta event"),
        (frame(&[(":message-type", "fax")], ""), 3, ErrorKind::Damaged, at, r#"found "fax""#),
    ] {
        // Nothing after a fault is delivered.
        let after = if kind == ErrorKind::Damaged { whole.concat() } else { Vec::new() };
        let stream_bytes = [begun.clone(), rest, after].concat();
        for size in [1, 64, 1 << 20] {
            let mut events = stream(&stream_bytes, size).await.unwrap();
            for _ in 0..delivered {
                assert!(events.next_event().await.unwrap().is_some(), "{fault}");
            }
            let error = events.next_event().await.unwrap_err();
            assert_eq!((error.kind(), error.offset()), (kind, Some(offset)), "{error}");
            assert!(error.message().contains(fault), "{error}");
            assert_eq!((error.status(), error.request_id()), (Some(200), Some("recorded")));
            for _ in 0..3 {
                assert!(events.next_event().await.unwrap().is_none(), "{error}");
                assert!(events.ready_event().unwrap().is_none());
            }
        }
    }
}

#[tokio::test]
async fn an_exception_ends_the_stream() {
    let bytes = [message_start(), server::exception("throttlingException", "Too many"), message_stop("x")];
    let mut events = stream(&bytes.concat(), 1 << 20).await.unwrap();
    assert!(events.next_event().await.unwrap().is_some());
    let error = events.next_event().await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Throttled, "Too many"));
    assert!(events.next_event().await.unwrap().is_none());
}

#[tokio::test]
async fn an_empty_body_is_an_error() {
    let error = stream(&[], 1).await.unwrap_err();
    assert_eq!((error.kind(), error.offset()), (ErrorKind::BrokenOff, Some(0)));
}

#[tokio::test]
async fn it_is_a_stream_too() {
    let mut events = stream(&text_answer(&["a", "b"]).concat(), 64).await.unwrap();
    let mut events = std::pin::pin!(&mut events);
    let mut count = 0;
    while let Some(event) = std::future::poll_fn(|task| events.as_mut().poll_next(task)).await {
        event.unwrap();
        count += 1;
    }
    assert_eq!(count, 6);
}

/// The events of a response with these bytes, in pieces of this size.
async fn stream(bytes: &[u8], size: usize) -> pumice::Result<EventStream> {
    let client = tape::client(&tape::of_stream(bytes.chunks(size)));
    client.converse_stream(&ConverseRequest::new("m").message(Message::user("Hi"))).await
}

fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut decoder = FrameDecoder::new();
    decoder.push(Bytes::copy_from_slice(bytes));
    let frames = std::iter::from_fn(|| decoder.next_frame().unwrap()).collect();
    decoder.finish().unwrap();
    frames
}

fn read(frame: impl AsRef<[u8]>) -> Result<Event, Error> {
    Event::from_frame(&frames(frame.as_ref())[0])
}

fn delta_of(payload: &str) -> ContentBlockDelta {
    let Event::ContentBlockDelta(event) = read(event("contentBlockDelta", payload)).unwrap() else {
        panic!()
    };
    event.delta
}

#[tokio::test]
async fn a_recording_that_ends_with_a_failure_fails_so_and_not_for_want_of_more() {
    for (pieces, kind) in [
        (vec![], ErrorKind::BrokenOff),
        (vec![server::exception("throttlingException", "busy")], ErrorKind::Throttled),
    ] {
        let text = tape::of_stream(pieces.iter().map(Vec::as_slice));
        let config = Config::new().context(Context::fake()).without_credentials();
        let client = Client::new(config.transport(Arc::new(Replay::parse(&text).unwrap())));
        let error = client.converse_stream(&ConverseRequest::new("m")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
    }
}
