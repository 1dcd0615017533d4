//! Answers for the benches to read: those of the recordings in `fixtures/`, repeated.

#![allow(dead_code, unreachable_pub, reason = "each bench uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "part of a bench")]

#[path = "../../tests/support/src/server/mod.rs"]
pub mod server;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use criterion::Criterion;
use serde_json::Value;

/// Kinds of event: a name, the recording that has some, and what each of them and no other frame there
/// has in it.
pub const KINDS: [(&str, &str, &str); 8] = [
    ("message start", "text", "messageStart"),
    TEXT_DELTA,
    ("reasoning delta", "reasoning", r#""reasoningContent":{"text":"#),
    ("tool start", "two-tools", "contentBlockStart"),
    ("tool delta", "two-tools", r#""toolUse":{"input":"#),
    ("block stop", "text", "contentBlockStop"),
    ("message stop", "text", "messageStop"),
    ("metadata", "cache", "metadata"),
];

pub const TEXT_DELTA: (&str, &str, &str) = ("text delta", "text", r#""delta":{"text":"#);

/// The frames of a kind, repeated until there are so many.
pub fn of_kind((_, recording, mark): (&str, &str, &str), count: usize) -> Vec<Vec<u8>> {
    let has_mark = |frame: &Vec<u8>| frame.windows(mark.len()).any(|window| window == mark.as_bytes());
    let found = frames(recording).into_iter().filter(has_mark).collect::<Vec<_>>();
    assert!(!found.is_empty(), "{mark} expected in {recording}");
    found.into_iter().cycle().take(count).collect()
}

/// A whole answer of so many pieces of text.
pub fn text_answer(pieces: usize) -> Vec<Vec<u8>> {
    let recorded = frames("text");
    let mut answer = vec![recorded[0].clone()];
    answer.extend(of_kind(TEXT_DELTA, pieces));
    // The end of the block, of the message, and its metadata.
    answer.extend_from_slice(&recorded[recorded.len() - 3..]);
    answer
}

/// The frames of a recording's first answer.
fn frames(recording: &str) -> Vec<Vec<u8>> {
    let path = format!("{}/fixtures/{recording}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let line = serde_json::from_str::<Value>(line).unwrap();
        if let Some(base64) = line["chunk"]["base64"].as_str() {
            bytes.extend(STANDARD.decode(base64).unwrap());
        }
    }
    let mut rest = bytes.as_slice();
    let mut frames = Vec::new();
    while let Some(length) = rest.first_chunk() {
        let (frame, more) = rest.split_at(u32::from_be_bytes(*length) as usize);
        frames.push(frame.to_vec());
        rest = more;
    }
    frames
}

/// Times that keep a bench under a minute.
pub fn criterion() -> Criterion {
    let (warm_up, measurement) = (Duration::from_millis(500), Duration::from_secs(2));
    Criterion::default().warm_up_time(warm_up).measurement_time(measurement)
}
