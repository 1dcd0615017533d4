//! What holds for any bytes as the body of a request, in each dialect. For tests and fuzzers alone.

#![allow(missing_docs, clippy::missing_panics_doc, clippy::panic, reason = "for tests")]

use pumice::Event;
use pumice::conversation::{Target, prepare};
use pumice::converse::{ContentBlockDelta, ContentBlockDeltaEvent, ContentBlockStopEvent, MessageStopEvent};
use serde_json::Value;

use crate::dialect::{Begin, Read, Translated};
use crate::failure::Failure;

pub fn chat(body: &[u8]) {
    translated(crate::chat_completions::read, body);
}

pub fn responses(body: &[u8]) {
    translated(crate::responses::read, body);
}

pub fn messages(body: &[u8]) {
    translated(crate::messages::read, body);
}

pub fn embeddings(body: &[u8]) {
    if let Err(failure) = crate::embeddings::asked(body) {
        refused(&failure);
    }
}

/// A body is refused in words, or becomes a request whose response can be written.
fn translated(read: Read, body: &[u8]) {
    let Translated { request, options, mut encoder, .. } = match read(body) {
        Ok(translated) => translated,
        Err(failure) => return refused(&failure),
    };
    let Ok(prepared) = prepare(request, &Target::default(), &options) else { return };
    let begin = Begin { model: "m".into(), id: "1".into(), created: 0, names: prepared.tool_names };
    let mut out = Vec::new();
    encoder.begin(begin, &mut out);
    let delta = ContentBlockDelta::Text("\u{1f30b}\n\"".into());
    encoder.push(&Event::ContentBlockDelta(ContentBlockDeltaEvent::new(0u32, delta)), &mut out);
    encoder.push(&Event::ContentBlockStop(ContentBlockStopEvent::new(0u32)), &mut out);
    encoder.push(&Event::MessageStop(MessageStopEvent::new()), &mut out);
    encoder.finish(&mut out);
    let Ok(text) = std::str::from_utf8(&out) else { panic!("expected UTF-8") };
    for data in text.lines().filter_map(|line| line.strip_prefix("data: ")) {
        assert!(data == "[DONE]" || serde_json::from_str::<Value>(data).is_ok(), "{data}");
    }
}

fn refused(failure: &Failure) {
    assert!(failure.status.is_client_error() && !failure.message.is_empty(), "{failure:?}");
    for body in [failure.openai(), failure.anthropic(), failure.native().0] {
        assert!(serde_json::from_slice::<Value>(&body).is_ok());
    }
}
