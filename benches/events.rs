//! A frame into a typed event, by kind; beside it, what it takes to read the payload alone into a
//! `serde_json::Value`.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

mod answer;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use pumice::Event;
use pumice::frame::FrameDecoder;
use serde_json::Value;

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("events");
    for kind in answer::KINDS {
        let mut decoder = FrameDecoder::new();
        decoder.push(Bytes::from(answer::of_kind(kind, 64).concat()));
        let frames = std::iter::from_fn(|| decoder.next_frame().unwrap()).collect::<Vec<_>>();
        group.bench_with_input(BenchmarkId::new("pumice", kind.0), &frames, |bencher, frames| {
            let mut frames = frames.iter().cycle();
            bencher.iter(|| Event::from_frame(frames.next().unwrap()).unwrap());
        });
        group.bench_with_input(BenchmarkId::new("serde_json::Value", kind.0), &frames, |bencher, frames| {
            let mut frames = frames.iter().cycle();
            bencher.iter(|| serde_json::from_slice::<Value>(frames.next().unwrap().payload()).unwrap());
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = answer::criterion(); targets = events }
criterion_main!(benches);
