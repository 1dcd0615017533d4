//! A frame into a typed event, by kind, and a text delta by the form of its JSON; beside it, what it takes to read the
//! payload alone into a `serde_json::Value`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

mod answer;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use pumice::Event;
use pumice::frame::FrameDecoder;
use serde_json::Value;

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("events");
    let kinds = answer::KINDS.map(|kind| (kind.0, answer::of_kind(kind, 64)));
    let forms = FORMS.map(|(name, json)| (name, vec![answer::server::event("contentBlockDelta", json)]));
    for (name, frames) in kinds.into_iter().chain(forms) {
        let mut decoder = FrameDecoder::new();
        decoder.push(Bytes::from(frames.concat()));
        let frames = std::iter::from_fn(|| decoder.next_frame().unwrap()).collect::<Vec<_>>();
        group.bench_with_input(BenchmarkId::new("pumice", name), &frames, |bencher, frames| {
            let mut frames = frames.iter().cycle();
            bencher.iter(|| Event::from_frame(frames.next().unwrap()).unwrap());
        });
        group.bench_with_input(BenchmarkId::new("serde_json::Value", name), &frames, |bencher, frames| {
            let mut frames = frames.iter().cycle();
            bencher.iter(|| serde_json::from_slice::<Value>(frames.next().unwrap().payload()).unwrap());
        });
    }
    group.finish();
}

/// Text deltas in forms in which the service may write them. The server adds the padding.
const FORMS: [(&str, &str); 4] = [
    ("text delta, index last", r#"{"delta":{"text":"Hello you and me"},"contentBlockIndex":0}"#),
    ("text delta, escapes", r#"{"contentBlockIndex":0,"delta":{"text":"Hello\u0020you and m\u0065"}}"#),
    ("text delta, white space", r#"{ "contentBlockIndex": 0, "delta": { "text": "Hello you and me" } }"#),
    ("text delta, unknown member", r#"{"contentBlockIndex":0,"delta":{"text":"Hello you and me"},"new":1}"#),
];

criterion_group! { name = benches; config = answer::criterion(); targets = events }
criterion_main!(benches);
