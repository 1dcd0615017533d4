//! An answer for the benches to read, in frames as Bedrock writes them.

#![allow(dead_code, unreachable_pub, reason = "each bench uses a part of it")]

#[path = "../../tests/server/mod.rs"]
pub mod server;

use std::time::Duration;

use criterion::Criterion;

/// An event of ConverseStream, with a padding of the length that number asks for: from 16 bytes to 62.
fn event(event_type: &str, members: &str, number: usize) -> Vec<u8> {
    let padding = PADDING.get(..16 + number * 23 % 47).unwrap_or_default();
    server::frame(
        &[(":event-type", event_type), (":content-type", "application/json"), (":message-type", "event")],
        format!(r#"{{{members},"p":"{padding}"}}"#),
    )
}

pub fn text_delta(number: usize) -> Vec<u8> {
    delta(&format!(r#""text":"{}""#, word(number)), number)
}

pub fn tool_delta(number: usize) -> Vec<u8> {
    delta(&format!(r#""toolUse":{{"input":"\"{}\":"}}"#, word(number)), number)
}

pub fn reasoning_delta(number: usize) -> Vec<u8> {
    delta(&format!(r#""reasoningContent":{{"text":"{}"}}"#, word(number)), number)
}

fn delta(delta: &str, number: usize) -> Vec<u8> {
    event("contentBlockDelta", &format!(r#""contentBlockIndex":0,"delta":{{{delta}}}"#), number)
}

pub fn tool_start(number: usize) -> Vec<u8> {
    let tool = r#"{"name":"get_weather","toolUseId":"tooluse_Z1r0XGSPQe2aMEzWxxCXIA"}"#;
    event("contentBlockStart", &format!(r#""contentBlockIndex":1,"start":{{"toolUse":{tool}}}"#), number)
}

pub fn block_stop(number: usize) -> Vec<u8> {
    event("contentBlockStop", r#""contentBlockIndex":0"#, number)
}

pub fn metadata(number: usize) -> Vec<u8> {
    let usage = r#"{"inputTokens":1024,"outputTokens":2000,"totalTokens":3024,"cacheReadInputTokens":512,"cacheWriteInputTokens":0}"#;
    event("metadata", &format!(r#""metrics":{{"latencyMs":20480}},"usage":{usage}"#), number)
}

/// A whole answer with so many pieces of text.
pub fn text_answer(pieces: usize) -> Vec<Vec<u8>> {
    let mut frames = vec![server::message_start()];
    frames.extend((0..pieces).map(text_delta));
    frames.extend([block_stop(0), server::message_stop("end_turn"), metadata(0)]);
    frames
}

/// Times that keep a bench under a minute.
pub fn criterion() -> Criterion {
    let (warm_up, measurement) = (Duration::from_millis(500), Duration::from_secs(2));
    Criterion::default().warm_up_time(warm_up).measurement_time(measurement)
}

/// What a model may say in one piece.
fn word(number: usize) -> &'static str {
    WORDS.get(number % WORDS.len()).unwrap_or(&"")
}

const WORDS: [&str; 13] = [
    " the",
    " stream",
    ".",
    " Zoë",
    "\\n\\n",
    " begins",
    " at",
    " \\\"first\\\"",
    " byte",
    ", and",
    " continues",
    " until",
    " its end",
];

const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
