//! Many streams at once, endless streams, the largest frame, and readers that do not read: what is delivered, and how much
//! memory it takes.
//!
//! `PUMICE_LOAD_EVENTS=2000 cargo test --release --test load` makes the streams as long as those of `benches/load.rs`,
//! which prints figures.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use support::server;

use pumice::context::Context;
use pumice::converse::{ConverseRequest, Message};
use pumice::frame::MAX_PAYLOAD;
use pumice::retry::Retry;
use pumice::{Client, Config, ErrorKind, Event, EventStream};
use support::memory::resident_kib;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

/// Memory is measured for the whole process, so tests run one at a time.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn hundreds_of_streams_at_once_are_all_complete_and_equal() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let events = std::env::var("PUMICE_LOAD_EVENTS").map_or(40, |events| events.parse().unwrap());
    let pieces = (0..events - 4).map(|number| format!("{number} ")).collect::<Vec<_>>();
    let frames = server::text_answer(&pieces.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(frames.len(), events);
    let (first, rest) = (frames[0].clone(), frames[1..].concat());
    let at_once = Arc::new(Barrier::new(STREAMS));
    let opened = Arc::new(AtomicUsize::new(0));
    run(async {
        let (waiting, count) = (Arc::clone(&at_once), Arc::clone(&opened));
        let url = serve(move |mut stream| {
            let (first, rest, waiting) = (first.clone(), rest.clone(), Arc::clone(&waiting));
            count.fetch_add(1, Ordering::SeqCst);
            async move {
                stream.write_all(&first).await.unwrap();
                // No stream goes on before all have begun.
                waiting.wait().await;
                stream.write_all(&rest).await.unwrap();
            }
        })
        .await;
        let client = client(&url);
        let streams = (0..STREAMS).map(|_| tokio::spawn(read_to_end(client.clone()))).collect::<Vec<_>>();
        let expected = (events, pieces.concat());
        for stream in streams {
            assert_eq!(stream.await.unwrap(), expected);
        }
        assert_eq!(opened.load(Ordering::SeqCst), STREAMS);
    });
}

#[test]
fn a_slow_reader_makes_the_server_wait_and_dropping_the_stream_closes_the_connection() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let frame = server::text(0, &"x".repeat(4000));
    let length = frame.len();
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    run(async {
        let url = serve(move |mut stream| {
            let (frame, count) = (frame.clone(), Arc::clone(&count));
            async move {
                while stream.write_all(&frame).await.is_ok() {
                    count.fetch_add(frame.len(), Ordering::SeqCst);
                }
                count.store(CLOSED, Ordering::SeqCst);
            }
        })
        .await;
        let mut events = begin(&client(&url)).await;
        // Nothing is read, so the server soon cannot write more.
        let waits = || settled(|| written.load(Ordering::SeqCst));
        let before = resident_kib();
        // Reading makes room for exactly as much.
        for read in (0..=10_000).step_by(2000) {
            let unread = waits().await - read * length;
            assert!((1..LONGEST_UNREAD).contains(&unread), "{unread} bytes after {read} events");
            for _ in 0..2000 {
                events.next_event().await.unwrap().unwrap();
            }
        }
        assert!(resident_kib() < before + 16 * 1024, "{before} KiB, then {} KiB", resident_kib());
        drop(events);
        while written.load(Ordering::SeqCst) != CLOSED {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_stream_of_tiny_frames_without_end_takes_no_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    // As many of the smallest events as fit into one write.
    let frames = server::frame(&[(":event-type", "x")], "{}").repeat(1000);
    run(async {
        let url = serve(move |mut stream| {
            let frames = frames.clone();
            async move { while stream.write_all(&frames).await.is_ok() {} }
        })
        .await;
        let mut events = begin(&client(&url)).await;
        let mut read = async |count| {
            for _ in 0..count {
                assert!(matches!(events.next_event().await, Ok(Some(Event::Unknown { .. }))));
            }
        };
        read(10_000).await;
        let before = resident_kib();
        read(200_000).await;
        assert!(resident_kib() < before + 4 * 1024, "{before} KiB, then {} KiB", resident_kib());
    });
}

#[test]
fn the_largest_frame_is_read_and_a_larger_one_is_refused_at_its_length() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let beside = r#"{"contentBlockIndex":0,"delta":{"text":""}}"#.len();
    let text = "x".repeat(MAX_PAYLOAD - beside);
    let payload = format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{text}"}}}}"#);
    assert_eq!(payload.len(), MAX_PAYLOAD);
    let headers = [(":message-type", "event"), (":event-type", "contentBlockDelta")];
    let largest = server::frame(&headers, payload);
    // One byte too long, and nothing after the prelude.
    let mut prelude = (u32::try_from(largest.len()).unwrap() + 1).to_be_bytes().to_vec();
    prelude.extend_from_slice(&largest[4..8]);
    prelude.extend(crc32fast::hash(&prelude).to_be_bytes());
    run(async {
        let url = serve(move |mut stream| {
            let (largest, prelude) = (largest.clone(), prelude.clone());
            async move {
                stream.write_all(&largest).await.unwrap();
                drop(largest);
                stream.write_all(&prelude).await.unwrap();
                let _ = stream.read(&mut [0]).await;
            }
        })
        .await;
        let before = resident_kib();
        let mut events = begin(&client(&url)).await;
        let event = events.next_event().await.unwrap();
        // At most the frame, its text, the server's copy and the sockets' buffers.
        assert!(resident_kib() < before + 4 * 24 * 1024, "{before} KiB, then {} KiB", resident_kib());
        let Some(Event::ContentBlockDelta(event)) = event else { panic!("expected a delta") };
        assert!(event.delta.as_text() == Some(text.as_str()));
        let error = events.next_event().await.unwrap_err();
        assert_eq!((error.kind(), error.offset().is_some()), (ErrorKind::Damaged, true), "{error}");
    });
}

/// Timeouts are not tested here, so there are none.
fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

/// Responds to each request with the head of an event stream and with what `answer` writes. When it ends, so does the
/// stream.
async fn serve<F: Future<Output = ()> + Send>(
    answer: impl Fn(BufReader<TcpStream>) -> F + Clone + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let (mut line, mut length) = (String::new(), 0);
                while line != "\r\n" {
                    line.clear();
                    stream.read_line(&mut line).await.unwrap();
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                        length = value.trim().parse().unwrap();
                    }
                }
                stream.read_exact(&mut vec![0; length]).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await.unwrap();
                answer(stream).await;
            });
        }
    });
    url
}

fn client(url: &str) -> Client {
    let context =
        Context::fake().with_env("AWS_ACCESS_KEY_ID", "AKID").with_env("AWS_SECRET_ACCESS_KEY", "secret");
    Client::new(Config::new().context(context).endpoint_url(url).retry(Retry::never()))
}

async fn begin(client: &Client) -> EventStream {
    client.converse_stream(&ConverseRequest::new("m").message(Message::user("Hi"))).await.unwrap()
}

/// The number of events, and their text.
async fn read_to_end(client: Client) -> (usize, String) {
    let mut events = begin(&client).await;
    let (mut count, mut text) = (0, String::new());
    while let Some(event) = events.next_event().await.unwrap() {
        count += 1;
        if let Event::ContentBlockDelta(event) = event {
            text += event.delta.as_text().unwrap();
        }
    }
    (count, text)
}

/// Waits until a number has not changed for a while in which nothing else ran.
async fn settled(number: impl Fn() -> usize) -> usize {
    let (mut last, mut same) = (number(), 0);
    while same < 500 {
        tokio::task::yield_now().await;
        let now = number();
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    last
}

/// Each stream has two sockets here. Other systems often limit a process to 256 open files.
const STREAMS: usize = if cfg!(target_os = "linux") { 500 } else { 100 };
const CLOSED: usize = usize::MAX;
/// The most bytes that may be on the way to a reader that does not read: mainly the buffers of two sockets, which Linux
/// lets grow to 36 MiB.
const LONGEST_UNREAD: usize = 40 * 1024 * 1024;
