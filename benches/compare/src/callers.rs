//! Clients of a gateway: one call after another on a connection, on several at a time, and many long streams at once.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::service::Service;

/// A request, and how its response ends.
#[derive(Clone)]
pub struct Ask {
    address: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
    /// What the last bytes of a complete response contain.
    end: &'static str,
}

impl Ask {
    fn new(url: &str, path: String, body: &serde_json::Value, end: &'static str) -> Self {
        let address = url.trim_start_matches("http://").to_owned();
        Self { address, path, headers: Vec::new(), body: body.to_string(), end }
    }

    /// Bedrock's own ConverseStream.
    pub fn native(url: &str, model: &str) -> Self {
        let body = json!({"messages": [{"role": "user", "content": [{"text": QUESTION}]}]});
        Self::new(url, format!("/model/{model}/converse-stream"), &body, "latencyMs")
    }

    pub fn chat(url: &str, model: &str) -> Self {
        let body =
            json!({"model": model, "stream": true, "messages": [{"role": "user", "content": QUESTION}]});
        Self::new(url, "/v1/chat/completions".into(), &body, "[DONE]")
    }

    pub fn messages(url: &str, model: &str) -> Self {
        let body = json!({"model": model, "stream": true, "max_tokens": 1000,
            "messages": [{"role": "user", "content": QUESTION}]});
        Self::new(url, "/v1/messages".into(), &body, "message_stop")
    }

    pub fn responses(url: &str, model: &str) -> Self {
        let body = json!({"model": model, "stream": true, "input": QUESTION, "store": false});
        Self::new(url, "/v1/responses".into(), &body, "\"total_tokens\":")
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes one call. Returns how many bytes the body of the response has.
    pub fn call(&self) -> io::Result<usize> {
        Ok(Caller::new(self)?.call(|_| {})?.bytes)
    }
}

/// A connection that is kept.
struct Caller<'a> {
    stream: BufReader<TcpStream>,
    request: Vec<u8>,
    chunk: Vec<u8>,
    end: &'a str,
}

struct Called {
    /// From the request to the first byte of the response's body.
    first: Duration,
    /// How many bytes the body has.
    bytes: usize,
}

impl<'a> Caller<'a> {
    fn new(ask: &'a Ask) -> io::Result<Self> {
        let stream = TcpStream::connect(&ask.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LONGEST_SILENCE))?;
        let mut head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            ask.path,
            ask.address,
            ask.body.len()
        );
        for (name, value) in &ask.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let request = [head.as_bytes(), b"\r\n", ask.body.as_bytes()].concat();
        Ok(Self {
            stream: BufReader::with_capacity(16 * 1024, stream),
            request,
            chunk: Vec::new(),
            end: ask.end,
        })
    }

    /// Reads a whole response, and fails unless it is complete.
    fn call(&mut self, mut read: impl FnMut(usize)) -> io::Result<Called> {
        let start = Instant::now();
        self.stream.get_mut().write_all(&self.request)?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = None;
        while line != "\r\n" {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse::<usize>().ok();
            }
        }
        if let Some(length) = length {
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body)?;
            return Err(io::Error::other(format!("{status}: {}", String::from_utf8_lossy(&body))));
        }
        let (mut first, mut bytes, mut end) = (None, 0, Vec::new());
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            first.get_or_insert_with(|| start.elapsed());
            let size = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
            self.chunk.resize(size + 2, 0);
            self.stream.read_exact(&mut self.chunk)?;
            if size == 0 {
                break;
            }
            bytes += size;
            read(size);
            end.drain(..end.len().saturating_sub(END));
            end.extend_from_slice(&self.chunk[size.saturating_sub(END)..size]);
        }
        if status != "200" || !String::from_utf8_lossy(&end).contains(self.end) {
            let end = String::from_utf8_lossy(&end).into_owned();
            return Err(io::Error::other(format!("{status}, and an incomplete response: …{end}")));
        }
        Ok(Called { first: first.unwrap_or_default(), bytes })
    }
}

/// Calls on so many connections for so long. Returns how many calls there were, and how long they took.
pub fn rate(ask: &Ask, connections: usize, time: Duration) -> (usize, f64) {
    let calls = AtomicUsize::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..connections {
            scope.spawn(|| {
                let mut caller = Caller::new(ask).unwrap();
                while start.elapsed() < time {
                    caller.call(|_| {}).unwrap();
                    calls.fetch_add(1, Relaxed);
                }
            });
        }
    });
    (calls.into_inner(), start.elapsed().as_secs_f64())
}

/// The times to the first byte of so many calls of each, one at a time and in turns.
pub fn times_to_first_byte(asks: &[&Ask], calls: usize) -> Vec<Vec<Duration>> {
    let mut callers = asks.iter().map(|ask| Caller::new(ask).unwrap()).collect::<Vec<_>>();
    let mut times = vec![Vec::new(); asks.len()];
    for _ in 0..calls {
        for (caller, times) in callers.iter_mut().zip(&mut times) {
            times.push(caller.call(|_| {}).unwrap().first);
        }
    }
    times
}

pub struct Together {
    /// Resident memory while all streams are open and no client reads, in MiB.
    pub unread: f64,
    /// The progress from 0 to 1, and the resident memory of the service then, in MiB.
    pub resident: Vec<(f64, f64)>,
    pub seconds: f64,
}

/// Reads so many responses at once, while the memory of the service is watched. None is read further than its first
/// chunk before all have begun.
pub fn together(ask: &Ask, streams: usize, service: &Service) -> Together {
    let expected = ask.call().unwrap() * streams;
    let received = AtomicU64::new(0);
    let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let go = AtomicBool::new(false);
    let stream = || {
        let mut waits = true;
        let called = Caller::new(ask).and_then(|mut caller| {
            caller.call(|bytes| {
                received.fetch_add(bytes as u64, Relaxed);
                if std::mem::take(&mut waits) {
                    begun.fetch_add(1, Relaxed);
                    while !go.load(Relaxed) {
                        thread::sleep(PAUSE);
                    }
                }
            })
        });
        ended.fetch_add(1, Relaxed);
        called.unwrap();
    };
    let (mut resident, mut unread) = (Vec::new(), 0.0);
    let mut start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..streams {
            thread::Builder::new().stack_size(128 * 1024).spawn_scoped(scope, stream).unwrap();
        }
        while begun.load(Relaxed) < streams && start.elapsed() < LONGEST_SILENCE {
            thread::sleep(PAUSE);
        }
        // What the clients do not read has come to rest.
        thread::sleep(10 * PAUSE);
        let open = service.open_streams();
        unread = service.resident();
        go.store(true, Relaxed);
        assert_eq!(open, streams, "streams that are open at once");
        start = Instant::now();
        while ended.load(Relaxed) < streams {
            resident.push((received.load(Relaxed) as f64 / expected as f64, service.resident()));
            thread::sleep(PAUSE / 5);
        }
    });
    Together { unread, resident, seconds: start.elapsed().as_secs_f64() }
}

const QUESTION: &str = "Why does pumice float?";
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_SILENCE: Duration = Duration::from_mins(1);
/// How much of the end of a response is looked at, in bytes.
const END: usize = 400;
