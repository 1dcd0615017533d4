//! A Bedrock on loopback that allows so many requests at once and throttles beyond. It responds to ConverseStream and
//! Converse with the text of the request, and counts who asked.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "part of tests")]

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{block_stop, message_start, message_stop, metadata, text};

/// A running server.
pub struct Busy {
    /// Its address as an endpoint's URL.
    pub url: String,
    state: Arc<State>,
}

/// How it responds.
#[derive(Clone)]
pub struct Manner {
    /// How many requests it allows at once.
    pub allowed: usize,
    /// How many events a response has.
    pub events: usize,
    /// How long a response takes.
    pub takes: Duration,
    /// What it says to a request with this text in place of a response: status, code and message.
    pub refuses: fn(&str) -> Option<(u16, &'static str, &'static str)>,
}

impl Default for Manner {
    fn default() -> Self {
        Self { allowed: usize::MAX, events: 6, takes: Duration::ZERO, refuses: |_| None }
    }
}

struct State {
    manner: Manner,
    under_way: AtomicUsize,
    throttled: AtomicUsize,
    answered: AtomicUsize,
    /// How often each text was responded to.
    asked: Mutex<BTreeMap<String, usize>>,
    /// The sum of the time that each request was under way.
    used: Mutex<Duration>,
}

impl Busy {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            manner,
            under_way: AtomicUsize::new(0),
            throttled: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            asked: Mutex::default(),
            used: Mutex::default(),
        });
        let server = Self { url, state: Arc::clone(&state) };
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&state);
                // A client that disconnects ends its thread. The test sees that from its own side.
                thread::Builder::new()
                    .stack_size(128 * 1024)
                    .spawn(move || {
                        let _ = serve(&stream, &state);
                    })
                    .unwrap();
            }
        });
        server
    }

    /// How often each text was responded to.
    pub fn asked(&self) -> BTreeMap<String, usize> {
        self.state.asked.lock().unwrap().clone()
    }

    /// How many requests it has responded to so far.
    pub fn answered(&self) -> usize {
        self.state.answered.load(Ordering::SeqCst)
    }

    /// How many it has throttled.
    pub fn throttled(&self) -> usize {
        self.state.throttled.load(Ordering::SeqCst)
    }

    /// The time of all requests together.
    pub fn used(&self) -> Duration {
        *self.state.used.lock().unwrap()
    }
}

/// The text of a request: the first of its first message.
pub fn text_of(request: &Value) -> String {
    request["messages"][0]["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

fn serve(stream: &TcpStream, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let streams = line.contains("/converse-stream ");
        let mut length = 0;
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().unwrap();
            }
        }
        body.resize(length, 0);
        reader.read_exact(&mut body)?;
        let asked = text_of(&serde_json::from_slice(&body)?);
        let Manner { allowed, events, takes, refuses } = state.manner;
        if let Some((status, code, message)) = refuses(&asked) {
            respond(&mut writer, status, code, message)?;
            continue;
        }
        if state.under_way.fetch_add(1, Ordering::SeqCst) >= allowed {
            state.under_way.fetch_sub(1, Ordering::SeqCst);
            state.throttled.fetch_add(1, Ordering::SeqCst);
            respond(
                &mut writer,
                429,
                "ThrottlingException",
                "Too many requests, please wait before trying again.",
            )?;
            continue;
        }
        let begun = Instant::now();
        *state.asked.lock().unwrap().entry(asked.clone()).or_default() += 1;
        let written = if streams {
            write_stream(&mut writer, &asked, events, takes)
        } else {
            thread::sleep(takes);
            let usage = json!({"inputTokens": asked.len(), "outputTokens": events, "totalTokens": asked.len() + events});
            let message = json!({"role": "assistant", "content": [{"text": asked}]});
            let response = json!({
                "output": {"message": message}, "stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 5},
            });
            respond(&mut writer, 200, "", &response.to_string())
        };
        *state.used.lock().unwrap() += begun.elapsed();
        state.under_way.fetch_sub(1, Ordering::SeqCst);
        state.answered.fetch_add(1, Ordering::SeqCst);
        written?;
    }
}

/// The text in pieces, one chunk per event.
fn write_stream(mut writer: impl io::Write, asked: &str, events: usize, takes: Duration) -> io::Result<()> {
    writer.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    let pieces = events.saturating_sub(4).max(1);
    let mut frames = vec![message_start()];
    for piece in 0..pieces {
        frames.push(text(0, if piece == 0 { asked } else { "" }));
    }
    let count = |number: usize| u32::try_from(number).unwrap();
    frames.extend([block_stop(0), message_stop("end_turn"), metadata(count(asked.len()), count(events))]);
    for (at, frame) in frames.iter().enumerate() {
        // In the middle, with the response begun and not ended.
        if at == 1 && !takes.is_zero() {
            thread::sleep(takes);
        }
        let chunk = [format!("{:x}\r\n", frame.len()).as_bytes(), frame, b"\r\n"].concat();
        writer.write_all(&chunk)?;
    }
    writer.write_all(b"0\r\n\r\n")
}

fn respond(mut writer: impl io::Write, status: u16, code: &str, text: &str) -> io::Result<()> {
    let (kind, body) = match code {
        "" => (String::new(), text.to_owned()),
        code => (format!("x-amzn-errortype: {code}\r\n"), json!({ "message": text }).to_string()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\n{kind}content-length: {length}\r\n\r\n{body}"
    );
    writer.write_all(head.as_bytes())
}
