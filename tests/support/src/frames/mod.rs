//! Event streams: their frames, and the events that a client reads from them.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "part of tests")]

use aws_smithy_types::event_stream::{HeaderValue as Judged, Message};
use bytes::Bytes;
use pumice::converse::{self, ConverseRequest};
use pumice::frame::{Frame, FrameDecoder, HeaderValue};
use pumice::shape::Blob;
use pumice::{Error, Event};
use serde_json::{Value, json};

use crate::tape;

/// The frames in these pieces. On an error, the frames before it and the error.
pub fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Frame>, (Vec<Frame>, Error)> {
    let mut decoder = FrameDecoder::new();
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return Err((frames, error)),
            }
        }
    }
    match decoder.finish() {
        Ok(()) => Ok(frames),
        Err(error) => Err((frames, error)),
    }
}

/// `{"name":…,"type":…,"value":…}`
pub fn headers_of(frame: &Frame) -> Vec<Value> {
    let headers = frame.headers().map(|(name, value)| {
        let (type_, value): (_, Value) = match value {
            HeaderValue::Bool(value) => ("boolean", value.into()),
            HeaderValue::Byte(value) => ("byte", value.into()),
            HeaderValue::Short(value) => ("short", value.into()),
            HeaderValue::Integer(value) => ("integer", value.into()),
            HeaderValue::Long(value) => ("long", value.into()),
            HeaderValue::ByteArray(bytes) => ("binary", Blob::from(bytes.to_vec()).to_base64().into()),
            HeaderValue::String(text) => ("string", text.into()),
            HeaderValue::Timestamp(value) => ("timestamp", value.into()),
            HeaderValue::Uuid(bytes) => ("uuid", hex(&bytes).into()),
        };
        json!({ "name": name, "type": type_, "value": value })
    });
    headers.collect()
}

/// The events that a client reads from a stream, and the error that ends it.
pub async fn events(stream: &[u8]) -> (Vec<Event>, Option<Error>) {
    let client = tape::client(&tape::of_stream(stream.chunks(100)));
    let request = ConverseRequest::new("m").message(converse::Message::user("Hi"));
    let mut read = Vec::new();
    let mut events = match client.converse_stream(&request).await {
        Ok(events) => events,
        Err(error) => return (read, Some(error)),
    };
    loop {
        match events.next_event().await {
            Ok(Some(event)) => read.push(event),
            Ok(None) => return (read, None),
            Err(error) => return (read, Some(error)),
        }
    }
}

/// `{"contentBlockDelta":…}`
pub fn event_json(event: &Event) -> Value {
    let (name, value) = match event {
        Event::MessageStart(event) => ("messageStart", serde_json::to_value(event)),
        Event::ContentBlockStart(event) => ("contentBlockStart", serde_json::to_value(event)),
        Event::ContentBlockDelta(event) => ("contentBlockDelta", serde_json::to_value(event)),
        Event::ContentBlockStop(event) => ("contentBlockStop", serde_json::to_value(event)),
        Event::MessageStop(event) => ("messageStop", serde_json::to_value(event)),
        Event::Metadata(event) => ("metadata", serde_json::to_value(event)),
        Event::Unknown { event_type, payload } => (event_type.as_str(), serde_json::to_value(payload)),
        other => panic!("{other:?} is unknown"),
    };
    json!({ name: value.unwrap() })
}

/// Whether everything that botocore read is there. Unlike us, botocore drops what it does not know.
pub fn covers(ours: &Value, theirs: &Value) -> bool {
    let Value::Object(members) = theirs else {
        return match (ours, theirs) {
            (Value::Array(ours), Value::Array(theirs)) => {
                ours.len() == theirs.len()
                    && ours.iter().zip(theirs).all(|(ours, theirs)| covers(ours, theirs))
            }
            _ => ours == theirs,
        };
    };
    members.iter().all(|(name, theirs)| match (name.as_str(), ours.get(name)) {
        ("$base64", _) => ours == theirs,
        ("SDK_UNKNOWN_MEMBER", _) => ours.get(theirs["name"].as_str().unwrap()).is_some(),
        (_, Some(ours)) => covers(ours, theirs),
        (_, None) => false,
    })
}

/// The same for a frame that `aws_smithy_eventstream` read.
pub fn headers_of_judged(message: &Message) -> Vec<Value> {
    let headers = message.headers().iter().map(|header| {
        let (type_, value): (_, Value) = match header.value() {
            Judged::Bool(value) => ("boolean", (*value).into()),
            Judged::Byte(value) => ("byte", (*value).into()),
            Judged::Int16(value) => ("short", (*value).into()),
            Judged::Int32(value) => ("integer", (*value).into()),
            Judged::Int64(value) => ("long", (*value).into()),
            Judged::ByteArray(bytes) => ("binary", Blob::from(bytes.clone()).to_base64().into()),
            Judged::String(text) => ("string", text.as_str().into()),
            Judged::Timestamp(time) => ("timestamp", time.to_millis().unwrap().into()),
            Judged::Uuid(value) => ("uuid", format!("{value:032x}").into()),
            other => panic!("{other:?} is unknown"),
        };
        json!({ "name": header.name().as_str(), "type": type_, "value": value })
    });
    headers.collect()
}

pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
