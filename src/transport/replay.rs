//! Answers from a recording.

use std::collections::VecDeque;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use futures_core::Stream;
use serde_json::Value;
use tokio::time::Sleep;

use super::record::FAULTS;
use super::recording::{Line, RecordedEnd, RecordedRequest, RecordedResponse, header_map};
use super::{Body, Sending, Transport};
use crate::endpoint::decode_label;
use crate::error::{Error, ErrorKind, Result};
use crate::operation::Operation;

/// Answers each call with the recording's next exchange of the same operation, with the recorded
/// cuts of the body, and without any network.
#[derive(Debug)]
pub struct Replay {
    exchanges: Mutex<VecDeque<Exchange>>,
    held: usize,
    model: Option<String>,
    strict: bool,
    /// How much faster than recorded; `None` is at once.
    speed: Option<f64>,
}

impl Replay {
    /// Reads a recording from its file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| {
            Error::new(ErrorKind::Recording, format!("the recording {} cannot be read", path.display()))
                .with_source(source)
        })?;
        Self::parse(&text).map_err(|error| {
            let at = format!("the recording {}, {}", path.display(), error.message());
            match std::error::Error::source(&error) {
                Some(source) => Error::new(ErrorKind::Recording, format!("{at}: {source}")),
                None => Error::new(ErrorKind::Recording, at),
            }
        })
    }

    /// Reads a recording from its text.
    pub fn parse(text: &str) -> Result<Self> {
        let mut exchanges = VecDeque::<Exchange>::new();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let fault =
                |fault: &str| Error::new(ErrorKind::Recording, format!("line {}: {fault}", index + 1));
            let line = serde_json::from_str::<Line>(line)
                .map_err(|source| fault("a line of a recording expected").with_source(source))?;
            let of = |number: u64, exchanges: &mut VecDeque<Exchange>| {
                exchanges.iter().position(|exchange| exchange.request.exchange == number).ok_or_else(|| {
                    fault(&format!("the request of exchange {number} expected before what belongs to it"))
                })
            };
            match line {
                Line::Recording(heading) if heading.version != 1 => {
                    return Err(fault(&format!(
                        "version 1 of the format expected, version {} found",
                        heading.version
                    )));
                }
                Line::Recording(_) | Line::Event(_) => {}
                _ if index == 0 => return Err(fault(r#"{"recording":{"version":1}} expected first"#)),
                Line::Request(request) => exchanges.push_back(Exchange::new(request)),
                Line::Response(response) => {
                    StatusCode::from_u16(response.status)
                        .map_err(|_| fault("an HTTP status from 100 to 999 expected"))?;
                    let at = of(response.exchange, &mut exchanges)?;
                    if let Some(exchange) = exchanges.get_mut(at) {
                        exchange.response = Some(response);
                    }
                }
                Line::Chunk(chunk) => {
                    let at = of(chunk.exchange, &mut exchanges)?;
                    if let Some(exchange) = exchanges.get_mut(at) {
                        exchange.chunks.push_back((duration(chunk.after_ms), chunk.bytes()));
                    }
                }
                Line::End(end) => {
                    let at = of(end.exchange, &mut exchanges)?;
                    if let Some(exchange) = exchanges.get_mut(at) {
                        exchange.end = Some(end);
                    }
                }
                Line::Unknown(_) => {
                    return Err(fault("a line of a recording expected, another object found"));
                }
            }
        }
        let model = exchanges.iter().find_map(|exchange| model_id(&exchange.request.url));
        Ok(Self {
            held: exchanges.len(),
            exchanges: Mutex::new(exchanges),
            model,
            strict: false,
            speed: None,
        })
    }

    /// Refuses a request that differs from the recorded one, and names the member that does. The
    /// endpoint and the headers may differ.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Keeps the recorded timing, `speed` times as fast.
    pub fn at_speed(mut self, speed: f64) -> Self {
        self.speed = Some(speed);
        self
    }

    /// The model, profile or ARN that the recording's first call of a model named.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    fn next(&self, request: &Request<Bytes>) -> Result<Exchange> {
        let operation = request.extensions().get::<Operation>().map_or("", |operation| operation.name());
        let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        let found = exchanges.iter().position(|exchange| exchange.request.operation == operation);
        let Some(exchange) = found.and_then(|at| exchanges.remove(at)) else {
            let held = self.held;
            return Err(Error::new(
                ErrorKind::Recording,
                format!(
                    "the recording has no further exchange of {operation} to answer with (it holds {held} in all)"
                ),
            ));
        };
        match self.strict.then(|| difference(&exchange.request, request)).flatten() {
            Some(difference) => Err(Error::new(
                ErrorKind::Recording,
                format!("the request is not the recorded one: {difference}"),
            )),
            None => Ok(exchange),
        }
    }

    fn delay(&self, recorded: Duration) -> Option<Duration> {
        let speed = self.speed?;
        Duration::try_from_secs_f64(recorded.as_secs_f64() / speed).ok()
    }
}

impl Transport for Replay {
    fn send(&self, request: Request<Bytes>) -> Sending<'_> {
        Box::pin(async move {
            let mut exchange = self.next(&request)?;
            let Some(head) = exchange.response.take() else {
                return Err(exchange
                    .fault()
                    .unwrap_or_else(|| broken_off("the recording ends before the answer")));
            };
            if let Some(delay) = self.delay(duration(head.after_ms)) {
                tokio::time::sleep(delay).await;
            }
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or_default();
            *response.headers_mut() = header_map(&head.headers);

            let ended = exchange.end.is_some();
            let fault = exchange.fault().or_else(|| (!ended).then(|| broken_off("the recording ends here")));
            let mut pieces: VecDeque<_> =
                exchange.chunks.into_iter().map(|(after, bytes)| (self.delay(after), Ok(bytes))).collect();
            if let Some(fault) = fault {
                let after = exchange.end.map_or(Duration::ZERO, |end| duration(end.after_ms));
                pieces.push_back((self.delay(after), Err(fault)));
            }
            Ok(response.map(|()| Box::pin(ReplayedBody { pieces, sleep: None }) as Body))
        })
    }
}

/// What is left of a body: each piece with the time to wait for it.
struct ReplayedBody {
    pieces: VecDeque<(Option<Duration>, Result<Bytes>)>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Stream for ReplayedBody {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Result<Bytes>>> {
        if self.sleep.is_none()
            && let Some((delay, _)) = self.pieces.front_mut()
            && let Some(delay) = delay.take()
        {
            self.sleep = Some(Box::pin(tokio::time::sleep(delay)));
        }
        if let Some(sleep) = &mut self.sleep {
            std::task::ready!(sleep.as_mut().poll(task));
            self.sleep = None;
        }
        Poll::Ready(self.pieces.pop_front().map(|(_, piece)| piece))
    }
}

/// A recorded exchange.
#[derive(Debug)]
struct Exchange {
    request: RecordedRequest,
    response: Option<RecordedResponse>,
    chunks: VecDeque<(Duration, Bytes)>,
    end: Option<RecordedEnd>,
}

impl Exchange {
    fn new(request: RecordedRequest) -> Self {
        Self { request, response: None, chunks: VecDeque::new(), end: None }
    }

    /// What ended the exchange before its time.
    fn fault(&self) -> Option<Error> {
        let end = self.end.as_ref()?;
        let name = end.fault.as_deref()?;
        let kind =
            FAULTS.iter().find(|(fault, _)| *fault == name).map_or(ErrorKind::BrokenOff, |(_, kind)| *kind);
        Some(Error::new(kind, end.message.clone().unwrap_or_else(|| name.to_owned())))
    }
}

/// The first member in which a request differs from the recorded one, in words.
fn difference(recorded: &RecordedRequest, request: &Request<Bytes>) -> Option<String> {
    // The operation is the same, and a path prefix belongs to the endpoint, which may be another.
    let (expected, found) = (model_id(&recorded.url), model_id(&request.uri().to_string()));
    if expected != found {
        let shown = |id: Option<String>| id.map_or("none".into(), |id| format!("{id:?}"));
        return Some(format!("modelId: {} expected, {} found", shown(expected), shown(found)));
    }
    let (expected, found) = (recorded.body(), request.body());
    if expected == *found {
        return None;
    }
    match (serde_json::from_slice::<Value>(&expected), serde_json::from_slice::<Value>(found)) {
        (Ok(expected), Ok(found)) => json_difference("", &expected, &found),
        _ => Some("the body".into()),
    }
}

fn json_difference(at: &str, expected: &Value, found: &Value) -> Option<String> {
    let differs = |fault: String| Some(format!("{}: {fault}", if at.is_empty() { "the body" } else { at }));
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            let dot = if at.is_empty() { "" } else { "." };
            let missing = expected.keys().find(|name| !found.contains_key(*name));
            let added = found.keys().find(|name| !expected.contains_key(*name));
            match (missing, added) {
                (Some(name), _) => Some(format!("{at}{dot}{name}: recorded, but not in the request")),
                (_, Some(name)) => Some(format!("{at}{dot}{name}: in the request, but not recorded")),
                _ => expected
                    .iter()
                    .filter_map(|(name, expected)| Some((name, expected, found.get(name)?)))
                    .find_map(|(name, expected, found)| {
                        json_difference(&format!("{at}{dot}{name}"), expected, found)
                    }),
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            expected.iter().zip(found).enumerate().find_map(|(index, (expected, found))| {
                json_difference(&format!("{at}[{index}]"), expected, found)
            })
        }
        (Value::Array(expected), Value::Array(found)) => {
            differs(format!("{} elements expected, {} found", expected.len(), found.len()))
        }
        _ if expected == found => None,
        _ => differs("another value expected".into()),
    }
}

/// The `modelId` label of a URL's path.
fn model_id(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("/model/")?;
    decode_label(rest.split('/').next()?)
}

fn duration(milliseconds: f64) -> Duration {
    Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or_default()
}

fn broken_off(message: &str) -> Error {
    Error::new(ErrorKind::BrokenOff, message)
}
