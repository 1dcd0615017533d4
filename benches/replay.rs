//! A whole call, from the request to the last event, replayed from a recording.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

mod answer;
#[path = "../tests/support/src/tape/mod.rs"]
mod tape;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use pumice::converse::{ConverseRequest, Message};

fn replay(criterion: &mut Criterion) {
    let frames = answer::text_answer(PIECES);
    let recording = tape::of_stream(frames.iter().map(Vec::as_slice));
    let request = ConverseRequest::new("anthropic.claude").message(Message::user("Say a lot"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();

    let mut group = criterion.benchmark_group("replay");
    group.throughput(Throughput::Elements(frames.len() as u64));
    group.bench_function("a call", |bencher| {
        bencher.iter_batched(
            || tape::client(&recording),
            |client| {
                runtime.block_on(async {
                    let mut events = client.converse_stream(&request).await.unwrap();
                    let mut count = 0;
                    while let Some(event) = events.next_event().await.unwrap() {
                        std::hint::black_box(event);
                        count += 1;
                    }
                    assert_eq!(count, frames.len());
                });
                // Dropping the client is not part of the call.
                client
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

const PIECES: usize = 2_000;

criterion_group! { name = benches; config = answer::criterion(); targets = replay }
criterion_main!(benches);
