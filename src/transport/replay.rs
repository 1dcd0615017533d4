//! Responses from a recording.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use futures_core::Stream;
use serde_json::Value;
use tokio::time::{Instant, Sleep, sleep_until};

use super::record::{DROPPED, FAULTS};
use super::recording::{Line, RecordedEnd, RecordedRequest, RecordedResponse, header_map};
use super::{Body, Transport, TransportFuture};
use crate::context::file;
use crate::operation::Operation;
use crate::url::decode_label;
use crate::{Error, ErrorKind, Hint, Result};
use pumice_codec::internal::from_json;

/// Responds to each request with the recording's next exchange of the same operation, in the recorded chunks and
/// without a network.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use pumice::transport::Replay;
/// use pumice::{Client, Config};
///
/// let recording = Replay::parse(r#"{"recording":{"version":1}}"#)?.strict();
/// let client = Client::new(Config::new().without_credentials().transport(Arc::new(recording)));
/// # Ok::<(), pumice::Error>(())
/// ```
#[derive(Debug)]
pub struct Replay {
    exchanges: Mutex<VecDeque<Exchange>>,
    count: usize,
    model: Option<String>,
    strict: bool,
    loops: bool,
    /// How much faster than recorded; `None` without any waiting.
    speed: Option<f64>,
}

impl Replay {
    /// Reads a recording from its file: at most 1 GiB, with at most 256 MiB in a line.
    ///
    /// Fails with [`ErrorKind::Recording`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let unreadable =
            || Error::new(ErrorKind::Recording, format!("the recording {} cannot be read", path.display()));
        let bytes = file::read(path, LONGEST).map_err(|source| unreadable().with_source(source))?;
        // The last line may end within a character.
        let whole = match std::str::from_utf8(&bytes) {
            Err(fault) if fault.error_len().is_none() => bytes.get(..fault.valid_up_to()).unwrap_or_default(),
            _ => &bytes,
        };
        let text = std::str::from_utf8(whole).map_err(|source| unreadable().with_source(source))?;
        Self::parse(text).map_err(|error| {
            Error::new(ErrorKind::Recording, format!("the recording {}, {}", path.display(), error.message()))
        })
    }

    /// Reads a recording from its text, or several one after the other. An incomplete last line is ignored, as after a
    /// kill: its exchange ends as a broken connection.
    ///
    /// Fails with [`ErrorKind::Recording`], and the message names the line.
    pub fn parse(text: &str) -> Result<Self> {
        let mut exchanges = Vec::<Exchange>::new();
        // The index of each exchange, by its number.
        let mut places = BTreeMap::new();
        let mut headed = false;
        let mut lines = text.lines().enumerate().peekable();
        while let Some((index, line)) = lines.next() {
            if line.trim().is_empty() {
                continue;
            }
            let fault =
                |fault: &str| Error::new(ErrorKind::Recording, format!("line {}: {fault}", index + 1));
            if line.len() > LONGEST_LINE {
                return Err(fault(&format!(
                    "expected a line of at most {LONGEST_LINE} bytes, found a longer one"
                )));
            }
            if !line.trim_start().starts_with('{') {
                return Err(fault("expected a line of a recording, found something else"));
            }
            let line = match serde_json::from_str::<Line>(line) {
                Ok(line) => line,
                Err(error) if error.is_eof() && lines.peek().is_none() && !text.ends_with('\n') => break,
                Err(error) => return Err(malformed(index + 1, &error)),
            };
            match line {
                // Each of several recordings in one file numbers its exchanges from 1.
                Line::Recording(heading) if heading.version == 1 => {
                    headed = true;
                    places.clear();
                }
                Line::Recording(heading) => {
                    let found = heading.version;
                    return Err(fault(&format!("expected version 1 of the format, found version {found}")));
                }
                _ if !headed => return Err(fault(NO_HEADING)),
                Line::Event(_) => {}
                Line::Request(request) => {
                    let number = request.exchange;
                    if places.insert(number, exchanges.len()).is_some() {
                        return Err(fault(&format!(
                            "expected another number, found exchange {number} again"
                        )));
                    }
                    exchanges.push(Exchange::new(request));
                }
                line => {
                    let Some(number) = line.exchange() else {
                        return Err(fault("expected a line of a recording, found another object"));
                    };
                    let place = places.get(&number).copied().unwrap_or(usize::MAX);
                    let exchange = exchanges.get_mut(place).ok_or_else(|| {
                        fault(&format!("expected the request of exchange {number} before its other lines"))
                    })?;
                    exchange.take(line).map_err(|misplaced| fault(&misplaced))?;
                }
            }
        }
        if !headed {
            return Err(Error::new(ErrorKind::Recording, format!("line 1: {NO_HEADING}")));
        }
        Ok(Self {
            count: exchanges.len(),
            model: exchanges.iter().find_map(|exchange| model_id(&exchange.request.url)),
            exchanges: Mutex::new(exchanges.into()),
            strict: false,
            loops: false,
            speed: None,
        })
    }

    /// Refuses a request that differs from the recorded one: the call fails with [`ErrorKind::Recording`], which
    /// names the member. The endpoint and the headers may differ.
    pub fn strict(mut self) -> Self {
        self.strict = true;
        self
    }

    /// Begins anew where the recording has no further exchange of an operation.
    pub fn looped(mut self) -> Self {
        self.loops = true;
        self
    }

    /// Keeps the recorded timing, `speed` times as fast: 1.0 is as recorded, 2.0 takes half the time.
    pub fn at_speed(mut self, speed: f64) -> Self {
        self.speed = Some(speed);
        self
    }

    /// The model, profile or ARN in the first request that names one.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Which of these operations the recording has an exchange of next.
    pub fn next_of(&self, operations: &[Operation]) -> Option<Operation> {
        let exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        exchanges.iter().find_map(|exchange| {
            operations.iter().find(|operation| operation.name() == exchange.request.operation).copied()
        })
    }

    fn next(&self, request: &Request<Bytes>) -> Result<Exchange> {
        let operation = request.extensions().get::<Operation>().map_or("", |operation| operation.name());
        let mut exchanges = self.exchanges.lock().unwrap_or_else(PoisonError::into_inner);
        // A call of a path has no operation: the path stands for it. The recorded one may be under an endpoint's prefix.
        let is_path = |exchange: &Exchange| {
            let recorded = exchange.request.url.split('?').next().unwrap_or_default();
            recorded.ends_with(request.uri().path())
        };
        let found = exchanges.iter().position(|exchange| {
            exchange.request.operation == operation && (!operation.is_empty() || is_path(exchange))
        });
        let Some(exchange) = found.and_then(|at| exchanges.remove(at)) else {
            let mut left = BTreeSet::new();
            for exchange in exchanges.iter() {
                left.insert(exchange.request.operation.as_str());
            }
            let left = left.into_iter().collect::<Vec<_>>().join(", ");
            let message = match (self.count, &*left) {
                (0, _) => format!("the recording is empty: expected a call of {operation}"),
                (_, "") => format!("the recording has no further call of {operation}, or of anything else"),
                _ => format!("the recording has no further call of {operation}, only of {left}"),
            };
            let error = Error::new(ErrorKind::Recording, message);
            return Err(match &*left {
                "" => error,
                _ => error.with_hint(Hint::CallRecordedOperation),
            });
        };
        if self.loops {
            exchanges.push_back(exchange.clone());
        }
        match self.strict.then(|| difference(&exchange.request, request)).flatten() {
            Some(difference) => Err(Error::new(
                ErrorKind::Recording,
                format!("the request is not the recorded one: {difference}"),
            )),
            None => Ok(exchange),
        }
    }

    /// How long to wait for something that took this long.
    fn delay(&self, recorded: Duration) -> Option<Duration> {
        let delay =
            Duration::try_from_secs_f64(recorded.as_secs_f64() / self.speed?).unwrap_or(LONGEST_DELAY);
        Some(delay.min(LONGEST_DELAY))
    }
}

impl Transport for Replay {
    fn is_network(&self) -> bool {
        false
    }

    fn send(&self, request: Request<Bytes>) -> TransportFuture<'_> {
        Box::pin(async move {
            let mut exchange = self.next(&request)?;
            let mut clock = Clock { due: Instant::now(), sleep: None };
            let head = exchange.response.take();
            let after = head.as_ref().map_or_else(|| exchange.end_after(), |head| duration(head.after_ms));
            let mut delay = self.delay(after);
            poll_fn(|task| clock.poll(&mut delay, task)).await;

            let end = exchange.end().map(|()| None);
            let Some(head) = head else {
                return Err(end
                    .err()
                    .unwrap_or_else(|| broken_off("the recording has no response to this request")));
            };
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(head.status).unwrap_or_default();
            *response.headers_mut() = header_map(&head.headers);
            let end = (self.delay(exchange.end_after()), end);
            let chunks = exchange.chunks.into_iter();
            let pieces =
                chunks.map(|(after, bytes)| (self.delay(after), Ok(Some(bytes)))).chain([end]).collect();
            Ok(response.map(|()| Box::pin(ReplayedBody { pieces, clock }) as Body))
        })
    }
}

/// The rest of a body with its end: each chunk with the time to wait for it.
struct ReplayedBody {
    pieces: VecDeque<(Option<Duration>, Result<Option<Bytes>>)>,
    clock: Clock,
}

impl Stream for ReplayedBody {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Result<Bytes>>> {
        let Self { pieces, clock } = &mut *self;
        let Some((delay, _)) = pieces.front_mut() else { return Poll::Ready(None) };
        std::task::ready!(clock.poll(delay, task));
        Poll::Ready(pieces.pop_front().and_then(|(_, piece)| piece.transpose()))
    }
}

/// When the next line of an exchange is due. Counted from when the previous one was due, not from when it was read:
/// a slow reader finds what has arrived in the meantime, as on a connection.
struct Clock {
    due: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Clock {
    /// Waits for a delay, which it takes.
    fn poll(&mut self, delay: &mut Option<Duration>, task: &mut TaskContext<'_>) -> Poll<()> {
        if let Some(delay) = delay.take() {
            self.due += delay;
            self.sleep = Some(Box::pin(sleep_until(self.due)));
        }
        if let Some(sleep) = &mut self.sleep {
            std::task::ready!(sleep.as_mut().poll(task));
            self.sleep = None;
        }
        Poll::Ready(())
    }
}

/// A recorded exchange.
#[derive(Debug, Clone)]
struct Exchange {
    request: RecordedRequest,
    response: Option<RecordedResponse>,
    chunks: Vec<(Duration, Bytes)>,
    end: Option<RecordedEnd>,
}

impl Exchange {
    fn new(request: RecordedRequest) -> Self {
        Self { request, response: None, chunks: Vec::new(), end: None }
    }

    /// Adds a line of the exchange, or says why it cannot come here.
    fn take(&mut self, line: Line) -> Result<(), String> {
        let number = self.request.exchange;
        if self.end.is_some() {
            return Err(format!("expected no line of exchange {number} after its end"));
        }
        match line {
            Line::Response(_) if self.response.is_some() => {
                return Err(format!("expected one response of exchange {number}, found a second"));
            }
            Line::Response(response) => {
                StatusCode::from_u16(response.status)
                    .map_err(|_| "expected an HTTP status from 100 to 999")?;
                self.response = Some(response);
            }
            Line::Chunk(_) if self.response.is_none() => {
                return Err(format!("expected the response of exchange {number} before its chunks"));
            }
            Line::Chunk(chunk) => self.chunks.push((duration(chunk.after_ms), chunk.bytes())),
            Line::End(end) => self.end = Some(end),
            _ => {}
        }
        Ok(())
    }

    /// How long the end took to come.
    fn end_after(&self) -> Duration {
        self.end.as_ref().map_or(Duration::ZERO, |end| duration(end.after_ms))
    }

    /// How the exchange ended: complete, or with a fault.
    fn end(&self) -> Result<()> {
        let Some(end) = &self.end else { return Err(broken_off("the recording ends here")) };
        let Some(name) = end.fault.as_deref() else { return Ok(()) };
        let kind =
            FAULTS.iter().find(|(fault, _)| *fault == name).map_or(ErrorKind::BrokenOff, |(_, kind)| *kind);
        let message = match &end.message {
            Some(message) => message,
            None if name == DROPPED => "the recording ends here, where its reader stopped",
            None => name,
        };
        Err(Error::new(kind, message))
    }
}

/// The error for a line that cannot be read. The value that was found is not shown.
fn malformed(line: usize, error: &serde_json::Error) -> Error {
    let text = error.to_string();
    // serde_json counts lines too, within the one line that it got.
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let what = match what.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}, found something else"),
        None => what.to_owned(),
    };
    let column = error.column();
    Error::new(
        ErrorKind::Recording,
        format!("line {line}, column {column}: expected a line of a recording: {what}"),
    )
}

/// The first member in which a request differs from the recorded one.
fn difference(recorded: &RecordedRequest, request: &Request<Bytes>) -> Option<String> {
    // The operation is the same, and a prefix of the path belongs to the endpoint, which may differ.
    let (expected, found) = (model_id(&recorded.url), model_id(&request.uri().to_string()));
    if expected != found {
        let shown = |id: Option<String>| id.map_or("none".into(), |id| format!("{id:?}"));
        return Some(format!("modelId: expected {}, found {}", shown(expected), shown(found)));
    }
    let (expected, found) = (recorded.body(), request.body());
    if expected == *found {
        return None;
    }
    match (from_json::<Value>(&expected), from_json::<Value>(found)) {
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
            differs(format!("expected {} elements, found {}", expected.len(), found.len()))
        }
        _ if expected == found => None,
        _ => differs("expected another value".into()),
    }
}

/// The `modelId` label of a URL's path.
fn model_id(url: &str) -> Option<String> {
    let (_, rest) = url.rsplit_once("/model/")?;
    decode_label(rest.split('/').next()?)
}

fn duration(milliseconds: f64) -> Duration {
    Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or_default()
}

fn broken_off(message: &str) -> Error {
    Error::new(ErrorKind::BrokenOff, message)
}

const NO_HEADING: &str = r#"expected {"recording":{"version":1}} first"#;

/// The longest recording, in bytes.
const LONGEST: usize = 1024 * 1024 * 1024;

/// The longest line of a recording, in bytes: as long as a whole response.
const LONGEST_LINE: usize = 256 * 1024 * 1024;

/// The longest wait between two lines: a year.
const LONGEST_DELAY: Duration = Duration::from_hours(365 * 24);
