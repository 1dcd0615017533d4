//! Five hundred streams at once, of 2,000 events each: memory for each of them, and events a second.
//!
//! `cargo bench --bench load`, or `cargo bench --bench load -- STREAMS EVENTS`. The server is a process of its
//! own, so that memory is the client's alone; processor time is the client's too.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::cast_precision_loss, reason = "a bench")]

mod answer;

use std::io::{BufRead as _, BufReader as Lines, Read as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use pumice::context::Context;
use pumice::converse::{ConverseRequest, Message};
use pumice::retry::Retry;
use pumice::{Client, Config};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let numbers = std::env::args().filter_map(|argument| argument.parse().ok()).collect::<Vec<usize>>();
    let (streams, events) = match numbers.as_slice() {
        [] => (500, 2_000),
        [streams, events] if *events > 4 => (*streams, *events),
        _ => panic!("expected STREAMS and EVENTS, at least 5 of these"),
    };
    if std::env::args().any(|argument| argument == "serve") {
        runtime.block_on(serve(streams, events));
        return;
    }

    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["serve", &streams.to_string(), &events.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    Lines::new(server.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let context =
        Context::fake().with_env("AWS_ACCESS_KEY_ID", "AKID").with_env("AWS_SECRET_ACCESS_KEY", "secret");
    let client = Client::new(Config::new().context(context).endpoint_url(url.trim()).retry(Retry::never()));

    let before = (kib("VmRSS"), Instant::now());
    let answers = runtime.block_on(async {
        let readers = (0..streams).map(|_| tokio::spawn(read(client.clone()))).collect::<Vec<_>>();
        let mut answers = Vec::new();
        for reader in readers {
            answers.push(reader.await.unwrap());
        }
        answers
    });
    let seconds = before.1.elapsed().as_secs_f64();
    // The server ends with its input.
    drop(server.stdin.take());
    server.wait().unwrap();

    let first = answers.first().unwrap();
    assert!(
        first.0 == events && answers.iter().all(|answer| answer == first),
        "{first:?} is not each of them"
    );
    let total = (streams * events) as f64;
    println!("{streams} streams at once, {events} events each: all complete and equal");
    println!("{:.0} events a second, on one thread ({seconds:.2} s)", total / seconds);
    if let (Some(peak), Some(before)) = (kib("VmHWM"), before.0) {
        println!("{:.1} KiB of memory for each stream at the most", (peak - before) / streams as f64);
        println!("{:.1} MiB for the whole process at the most", peak / 1024.0);
    }
}

/// The number of events, and a checksum of their text.
async fn read(client: Client) -> (usize, u32) {
    let request = ConverseRequest::new("m").message(Message::user("Say a lot"));
    let mut stream = client.converse_stream(&request).await.unwrap();
    let (mut count, mut text) = (0, crc32fast::Hasher::new());
    while let Some(event) = stream.next_event().await.unwrap() {
        count += 1;
        if let pumice::Event::ContentBlockDelta(event) = event {
            text.update(event.delta.as_text().unwrap_or_default().as_bytes());
        }
    }
    (count, text.finalize())
}

/// Answers each call with the same stream. None goes on before all have begun.
async fn serve(streams: usize, events: usize) {
    let frames = answer::text_answer(events - FRAMES_BESIDE);
    let (first, rest) = frames.split_first().unwrap();
    let answer = Arc::new((first.clone(), rest.to_vec(), Barrier::new(streams)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    let input = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0]));
    let accepting = async {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(respond(stream, Arc::clone(&answer)));
        }
    };
    tokio::select! { () = accepting => {}, _ = input => {} }
}

async fn respond(stream: TcpStream, answer: Arc<(Vec<u8>, Vec<Vec<u8>>, Barrier)>) {
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
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (first, rest, all) = &*answer;
    stream.write_all(&chunk(first)).await.unwrap();
    all.wait().await;
    // Each event in a chunk and a write of its own, as the service sends them.
    for frame in rest {
        stream.write_all(&chunk(frame)).await.unwrap();
        tokio::task::yield_now().await;
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// A number from what Linux says of the process.
fn kib(name: &str) -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

/// messageStart, contentBlockStop, messageStop, metadata.
const FRAMES_BESIDE: usize = 4;
