//! A fake Bedrock on loopback: it responds to each request as the test says, and keeps the requests. No test sleeps: to
//! pause a response, a test uses a gate. Real pauses are only for recordings, which keep their timing.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "part of tests")]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};

/// A running server. It ends with the test.
pub struct Server {
    /// Its address as an endpoint's URL.
    pub url: String,
    requests: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<Vec<Answer>>>,
    /// How many connections are open, and the signal of a change.
    open: Arc<(Mutex<usize>, Condvar)>,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Received {
    /// `POST /model/…`
    pub line: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Server {
    /// Responds to the first request with the first of these, and so on. The last is repeated.
    pub fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::listen("127.0.0.1:0", answers)
    }

    pub fn listen(address: &str, answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut answers = answers.into_iter().collect::<Vec<_>>();
        answers.reverse();
        let answers = Arc::new(Mutex::new(answers));
        let server = Self {
            url,
            requests: Arc::clone(&requests),
            answers: Arc::clone(&answers),
            open: Arc::default(),
        };
        let open = Arc::clone(&server.open);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (requests, answers, open) =
                    (Arc::clone(&requests), Arc::clone(&answers), Arc::clone(&open));
                *open.0.lock().unwrap() += 1;
                // A client that disconnects ends its thread. The test sees that from its own side.
                thread::spawn(move || {
                    let _ = serve(&stream, &requests, &answers);
                    drop(stream);
                    *open.0.lock().unwrap() -= 1;
                    open.1.notify_all();
                });
            }
        });
        server
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Received> {
        self.requests.lock().unwrap().clone()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.requests.lock().unwrap().clear();
    }

    /// Waits until the client has closed every connection.
    pub fn wait_until_no_connection_is_open(&self) {
        let (open, changed) = &*self.open;
        drop(changed.wait_while(open.lock().unwrap(), |open| *open > 0).unwrap());
    }

    /// Adds a response after the others.
    pub fn then(&self, answer: Answer) {
        self.answers.lock().unwrap().insert(0, answer);
    }
}

/// The response to a request.
#[derive(Default)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    steps: Vec<Step>,
    /// A part of the first line of the requests that get it.
    only_for: Option<String>,
}

enum Step {
    /// One chunk of the body.
    Chunk(Vec<u8>),
    /// Waits. If it is the first step, the head of the response waits too.
    Pause(Duration),
    /// Waits until the test sends, or drops its end.
    Gate(Mutex<Receiver<()>>),
    /// Sends to the test when everything before has been written.
    Signal(Sender<()>),
    /// Closes the connection in the middle.
    Cut,
    /// Sends to the test when the client has closed the connection.
    AwaitClose(Sender<()>),
}

impl Answer {
    /// A response that is not a stream.
    pub fn whole(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let content_type = ("content-type".to_owned(), "application/json".to_owned());
        Self { status, headers: vec![content_type], steps: vec![Step::Chunk(body.into())], only_for: None }
            .header("x-amzn-requestid", "test-request-id")
    }

    /// A refusal as Bedrock sends it.
    pub fn refusal(status: u16, code: &str, message: &str) -> Self {
        Self::whole(status, serde_json::json!({ "message": message }).to_string())
            .header("x-amzn-errortype", code)
    }

    /// No response: the connection is closed.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// An event stream, one frame per chunk.
    pub fn stream(frames: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let content_type = ("content-type".to_owned(), "application/vnd.amazon.eventstream".to_owned());
        let steps = frames.into_iter().map(Step::Chunk).collect();
        Self { status: 200, headers: vec![content_type], steps, only_for: None }
            .header("x-amzn-requestid", "test-request-id")
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(found, _)| found != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without_headers(mut self) -> Self {
        self.headers.clear();
        self
    }

    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Only for requests with this in their first line. Each request gets the first response that is for it. If there is
    /// none, it is refused as an unknown operation, and a GET is not kept.
    pub fn only_for(mut self, part: &str) -> Self {
        self.only_for = Some(part.to_owned());
        self
    }

    /// Whether this is for the same requests as the other, or for some of them.
    pub fn is_for_as(&self, other: &Self) -> bool {
        match (&self.only_for, &other.only_for) {
            (Some(own), Some(others)) => own == others || own.contains(others.as_str()),
            _ => false,
        }
    }

    pub fn chunk(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.steps.push(Step::Chunk(bytes.into()));
        self
    }

    /// Waits before the next step. If it is the first step, the head of the response waits too.
    pub fn pause(mut self, pause: Duration) -> Self {
        self.steps.push(Step::Pause(pause));
        self
    }

    /// Stops here until the test uses or drops the returned sender.
    pub fn gate(mut self) -> (Self, Sender<()>) {
        let (sender, receiver) = channel();
        self.steps.push(Step::Gate(Mutex::new(receiver)));
        (self, sender)
    }

    /// Signals the test when everything before has been written.
    pub fn signal(mut self) -> (Self, Receiver<()>) {
        let (sender, receiver) = channel();
        self.steps.push(Step::Signal(sender));
        (self, receiver)
    }

    /// Closes the connection here.
    pub fn cut(mut self) -> Self {
        self.steps.push(Step::Cut);
        self
    }

    /// Sends nothing more, and signals the test when the client has closed the connection.
    pub fn await_close(mut self) -> (Self, Receiver<()>) {
        let (sender, receiver) = channel();
        self.steps.push(Step::AwaitClose(sender));
        (self, receiver)
    }
}

fn serve(
    stream: &TcpStream,
    requests: &Mutex<Vec<Received>>,
    answers: &Mutex<Vec<Answer>>,
) -> std::io::Result<()> {
    // Each chunk is sent at once, not together with the next.
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(request) = receive(&mut reader)? {
        let line = request.line.clone();
        let answer = {
            let mut answers = answers.lock().unwrap();
            let fits = |answer: &Answer| answer.only_for.as_ref().is_none_or(|part| line.contains(part));
            match answers.iter().rposition(fits) {
                Some(at) if answers[..at].iter().any(fits) => Some(answers.remove(at)),
                Some(at) => Some(answers[at].again()),
                None => None,
            }
        };
        if answer.is_some() || !line.starts_with("GET ") {
            requests.lock().unwrap().push(request);
        }
        let unknown = || Answer::refusal(404, "UnknownOperationException", "no such operation");
        let answer = answer.unwrap_or_else(unknown);
        if answer.status == 0 {
            return stream.shutdown(Shutdown::Both);
        }
        let mut head = format!("HTTP/1.1 {} Status\r\ntransfer-encoding: chunked\r\n", answer.status);
        for (name, value) in &answer.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head.push_str("\r\n");
        let mut steps = answer.steps.into_iter().peekable();
        while let Some(Step::Pause(pause)) = steps.next_if(|step| matches!(step, Step::Pause(_))) {
            thread::sleep(pause);
        }
        writer.write_all(head.as_bytes())?;
        for step in steps {
            match step {
                Step::Chunk(bytes) if bytes.is_empty() => {}
                Step::Chunk(bytes) => {
                    // In one write, so that the client does not read a chunk in two pieces by chance.
                    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                    chunk.extend_from_slice(&bytes);
                    chunk.extend_from_slice(b"\r\n");
                    writer.write_all(&chunk)?;
                }
                Step::Pause(pause) => thread::sleep(pause),
                Step::Gate(gate) => {
                    let _ = gate.lock().unwrap().recv();
                }
                Step::Signal(signal) => {
                    let _ = signal.send(());
                }
                Step::Cut => return stream.shutdown(Shutdown::Both),
                Step::AwaitClose(signal) => {
                    let _ = reader.read(&mut [0]);
                    let _ = signal.send(());
                    return Ok(());
                }
            }
        }
        writer.write_all(b"0\r\n\r\n")?;
    }
    Ok(())
}

impl Answer {
    /// A copy for further requests, without the steps that only one request can have.
    fn again(&mut self) -> Self {
        let mut steps = Vec::new();
        for step in &mut self.steps {
            match step {
                Step::Chunk(bytes) => steps.push(Step::Chunk(bytes.clone())),
                Step::Pause(pause) => steps.push(Step::Pause(*pause)),
                Step::Cut => steps.push(Step::Cut),
                Step::Gate(_) | Step::Signal(_) | Step::AwaitClose(_) => {
                    let once = std::mem::replace(step, Step::Chunk(Vec::new()));
                    steps.push(once);
                }
            }
        }
        Self { status: self.status, headers: self.headers.clone(), steps, only_for: self.only_for.clone() }
    }
}

pub(crate) fn receive(reader: &mut BufReader<&TcpStream>) -> std::io::Result<Option<Received>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let mut request = Received { line: line.trim_end().to_owned(), headers, body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    reader.read_exact(&mut request.body)?;
    Ok(Some(request))
}

/// A frame with an event as Bedrock writes it: headers in the same order, and padding.
pub fn event(event_type: &str, payload: &str) -> Vec<u8> {
    let padding = "abcdefghijklmnopqrstuvwxyzABCDEFGH".get(..payload.len() % 34 + 1).unwrap();
    let payload = match payload.strip_suffix('}') {
        Some("{") => format!(r#"{{"p":"{padding}"}}"#),
        Some(members) => format!(r#"{members},"p":"{padding}"}}"#),
        None => payload.to_owned(),
    };
    frame(
        &[(":event-type", event_type), (":content-type", "application/json"), (":message-type", "event")],
        payload,
    )
}

pub fn exception(exception_type: &str, message: &str) -> Vec<u8> {
    let payload = serde_json::json!({ "message": message }).to_string();
    frame(
        &[
            (":exception-type", exception_type),
            (":content-type", "application/json"),
            (":message-type", "exception"),
        ],
        payload,
    )
}

pub fn error_frame(code: &str, message: &str) -> Vec<u8> {
    frame(&[(":error-code", code), (":error-message", message), (":message-type", "error")], "")
}

pub fn frame(headers: &[(&str, &str)], payload: impl Into<Vec<u8>>) -> Vec<u8> {
    let headers = headers.iter().map(|(name, value)| {
        Header::new((*name).to_owned(), HeaderValue::String((*value).to_owned().into()))
    });
    let message = Message::new_from_parts(headers.collect(), payload.into());
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

pub fn message_start() -> Vec<u8> {
    event("messageStart", r#"{"role":"assistant"}"#)
}

pub fn text(index: u32, text: &str) -> Vec<u8> {
    let text = serde_json::Value::from(text);
    event("contentBlockDelta", &format!(r#"{{"contentBlockIndex":{index},"delta":{{"text":{text}}}}}"#))
}

pub fn block_stop(index: u32) -> Vec<u8> {
    event("contentBlockStop", &format!(r#"{{"contentBlockIndex":{index}}}"#))
}

pub fn message_stop(reason: &str) -> Vec<u8> {
    event("messageStop", &format!(r#"{{"stopReason":"{reason}"}}"#))
}

pub fn metadata(input: u32, output: u32) -> Vec<u8> {
    let total = input + output;
    event(
        "metadata",
        &format!(
            r#"{{"metrics":{{"latencyMs":321}},"usage":{{"inputTokens":{input},"outputTokens":{output},"totalTokens":{total}}}}}"#
        ),
    )
}

/// A whole text response, one frame per piece.
pub fn text_answer(pieces: &[&str]) -> Vec<Vec<u8>> {
    let mut frames = vec![message_start()];
    frames.extend(pieces.iter().map(|piece| text(0, piece)));
    frames.extend([block_stop(0), message_stop("end_turn"), metadata(12, 7)]);
    frames
}
