//! What it takes to read an answer from memory. `codec FILE` prints a name and nanoseconds a frame (or a
//! byte) on each line; `codec FILE frames`, `codec FILE events` and `codec FILE both` read it once, to be counted in
//! instructions.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::time::Instant;

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder, write_message_to};
use aws_smithy_types::event_stream::Message;
use bytes::Bytes;
use bytes_utils::SegmentedBuf;
use pumice::Event;
use pumice::frame::{Frame, FrameDecoder};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = std::env::args().collect::<Vec<_>>();
    let [_, file, rest @ ..] = arguments.as_slice() else {
        return Err("codec FILE [frames|events|both]".into());
    };
    let stream = Bytes::from(fs::read(file)?);
    let chunks = feeds(&stream, 16 * 1024);
    match rest.first().map(String::as_str) {
        None => time_all(&stream, &chunks),
        Some("frames") => drop(black_box(read(&chunks, drop))),
        Some("events") => drop(black_box(read(&chunks, to_event))),
        Some("both") => drop(black_box(read_events(&chunks))),
        Some(_) => return Err("expected frames, events or both".into()),
    }
    Ok(())
}

fn time_all(stream: &Bytes, chunks: &[Bytes]) {
    let bytes = feeds(stream, 1);
    let mut frames = Vec::new();
    read(chunks, |frame| frames.push(frame));
    let mut rest = &stream[..];
    let mut whole_frames = Vec::new();
    while let Some(length) = rest.first_chunk() {
        let (frame, more) = rest.split_at(u32::from_be_bytes(*length) as usize);
        whole_frames.push(frame);
        rest = more;
    }
    let mut long = Vec::new();
    write_message_to(&Message::new(vec![b' '; 200 * whole_frames.len()]), &mut long).unwrap();
    let long = Bytes::from(long);
    let long_bytes = feeds(&long, 1);

    let checksums = || {
        for frame in &whole_frames {
            black_box(crc32fast::hash(&frame[..8]));
            black_box(crc32fast::hash(&frame[..frame.len() - 4]));
        }
    };
    let typed = || {
        for frame in &frames {
            black_box(Event::from_frame(frame).unwrap());
        }
    };
    let count = frames.len();
    let contenders: [(&str, usize, &dyn Fn()); 8] = [
        ("checksums", count, &checksums),
        ("pumice", count, &|| assert_eq!(read(chunks, drop), count)),
        ("aws-smithy-eventstream", count, &|| assert_eq!(read_as_the_sdk(chunks), count)),
        ("events", count, &typed),
        ("frames and events", count, &|| assert_eq!(read(chunks, to_event), count)),
        ("bytes to events", count, &|| assert_eq!(read_events(chunks), count)),
        ("short frames by bytes", stream.len(), &|| assert_eq!(read(&bytes, drop), count)),
        ("a long frame by bytes", long.len(), &|| assert_eq!(read(&long_bytes, drop), 1)),
    ];
    let mut times = contenders.map(|_| Vec::new());
    // In turn, so that what else the machine does meets all of them.
    for _ in 0..25 {
        for ((_, items, work), times) in contenders.iter().zip(&mut times) {
            let start = Instant::now();
            work();
            times.push(start.elapsed().as_secs_f64() * 1e9 / *items as f64);
        }
    }
    for ((name, ..), times) in contenders.iter().zip(times) {
        // The least: what else the machine does only adds to it.
        println!("{name}: {}", times.iter().copied().fold(f64::INFINITY, f64::min));
    }
}

fn feeds(stream: &Bytes, size: usize) -> Vec<Bytes> {
    let starts = (0..stream.len()).step_by(size);
    starts.map(|at| stream.slice(at..stream.len().min(at + size))).collect()
}

fn to_event(frame: Frame) {
    black_box(Event::from_frame(&frame).unwrap());
}

fn read(chunks: &[Bytes], mut take: impl FnMut(Frame)) -> usize {
    let mut decoder = FrameDecoder::new();
    let mut count = 0;
    for chunk in chunks {
        decoder.push(chunk.clone());
        while let Some(frame) = decoder.next_frame().unwrap() {
            take(black_box(frame));
            count += 1;
        }
    }
    decoder.finish().unwrap();
    count
}

/// As an event stream of the library reads them: without frames that can be kept.
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
