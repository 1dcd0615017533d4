//! Bytes into frames, and into events: the project's own reader, the decoder of `aws-smithy-eventstream` fed as the AWS SDK
//! feeds it, and the checksums alone, below which no reader can be.

#![allow(missing_docs, clippy::indexing_slicing, clippy::unwrap_used, reason = "a bench")]

mod answer;

use std::hint::black_box;

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use bytes::Bytes;
use bytes_utils::SegmentedBuf;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pumice::frame::FrameDecoder;

fn frames(criterion: &mut Criterion) {
    let frames = answer::of_kind(answer::TEXT_DELTA, PIECES);
    let stream = Bytes::from(frames.concat());
    println!("{} bytes a frame", stream.len() / PIECES);
    let mut group = criterion.benchmark_group("frames");
    group.throughput(Throughput::Bytes(stream.len() as u64));

    group.bench_function("checksums alone", |bencher| {
        bencher.iter(|| {
            for frame in &frames {
                black_box(crc32fast::hash(&frame[..8]));
                black_box(crc32fast::hash(&frame[..frame.len() - 4]));
            }
        });
    });
    for feed in [1, 64, 1400, 16 * 1024, stream.len()] {
        let chunks = (0..stream.len())
            .step_by(feed)
            .map(|at| stream.slice(at..stream.len().min(at + feed)))
            .collect::<Vec<_>>();
        let name = if feed == stream.len() { "whole".to_owned() } else { feed.to_string() };
        group.bench_with_input(BenchmarkId::new("pumice", &name), &chunks, |bencher, chunks| {
            bencher.iter(|| assert_eq!(read(chunks), PIECES));
        });
        group.bench_with_input(BenchmarkId::new("pumice, to events", &name), &chunks, |bencher, chunks| {
            bencher.iter(|| assert_eq!(read_events(chunks), PIECES));
        });
        group.bench_with_input(
            BenchmarkId::new("aws-smithy-eventstream", &name),
            &chunks,
            |bencher, chunks| {
                bencher.iter(|| assert_eq!(read_as_the_sdk(chunks), PIECES));
            },
        );
    }
    group.finish();
}

fn read(chunks: &[Bytes]) -> usize {
    let mut decoder = FrameDecoder::new();
    let mut count = 0;
    for chunk in chunks {
        decoder.push(chunk.clone());
        while let Some(frame) = decoder.next_frame().unwrap() {
            black_box(frame);
            count += 1;
        }
    }
    decoder.finish().unwrap();
    count
}

/// As an event stream reads them.
fn read_events(chunks: &[Bytes]) -> usize {
    let mut decoder = FrameDecoder::new();
    let mut count = 0;
    for chunk in chunks {
        decoder.push(chunk.clone());
        while let Some(event) = decoder.next_event().unwrap() {
            black_box(event);
            count += 1;
        }
    }
    decoder.finish().unwrap();
    count
}

fn read_as_the_sdk(chunks: &[Bytes]) -> usize {
    let mut decoder = MessageFrameDecoder::new();
    let mut buffer = SegmentedBuf::new();
    let mut count = 0;
    for chunk in chunks {
        buffer.push(chunk.clone());
        while let DecodedFrame::Complete(message) = decoder.decode_frame(&mut buffer).unwrap() {
            black_box(message);
            count += 1;
        }
    }
    count
}

const PIECES: usize = 2_000;

criterion_group! { name = benches; config = answer::criterion(); targets = frames }
criterion_main!(benches);
