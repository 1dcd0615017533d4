//! Records another transport.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use ::http::Request;
use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Instant;

use super::recording::{Heading, Line, RecordedChunk, RecordedEnd, RecordedRequest, RecordedResponse};
use super::recording::{milliseconds, response_headers};
use super::{Body, Transport, TransportFuture};
use crate::frame::{FrameDecoder, MEDIA_TYPE};
use crate::operation::Operation;
use crate::redaction::{Redaction, Shown};
use crate::refusal::may_be;
use crate::shape::Document;
use crate::{Error, ErrorKind, Result};
use pumice_codec::internal::{from_json, seal};

/// Sends through another transport, and writes each exchange into a recording as it happens.
///
/// A recording holds no secret: only headers that are known to be harmless are written, and secrets of the request
/// that a response quotes are overwritten. It holds the request and the response otherwise, so only the owner can
/// read the file (mode 0600).
#[derive(Debug)]
pub struct Recorder {
    inner: Arc<dyn Transport>,
    tape: Arc<Tape>,
    exchanges: AtomicU64,
}

impl Recorder {
    /// Records to a file, which the first exchange creates or empties. If the file holds anything but a recording,
    /// or another recorder is writing it, the first exchange fails with [`ErrorKind::Recording`] before anything is
    /// sent.
    pub fn new(inner: Arc<dyn Transport>, path: impl Into<PathBuf>) -> Self {
        let tape = Tape { path: path.into(), state: Mutex::new(State::Unopened), report: None };
        Self { inner, tape: Arc::new(tape), exchanges: AtomicU64::new(0) }
    }

    /// Lets calls go on when the recording can no longer be written, as on a full disk: `report` gets the error,
    /// once, and the recording ends with its last whole line. Without this, calls fail.
    pub fn on_error(mut self, report: impl Fn(&Error) + Send + Sync + 'static) -> Self {
        if let Some(tape) = Arc::get_mut(&mut self.tape) {
            tape.report = Some(Box::new(report));
        }
        self
    }
}

impl Transport for Recorder {
    fn send(&self, request: Request<Bytes>) -> TransportFuture<'_> {
        Box::pin(async move {
            let exchange = self.exchanges.fetch_add(1, Ordering::Relaxed) + 1;
            let operation = request.extensions().get::<Operation>().map_or("", |operation| operation.name());
            let Shown { url, redaction } = match request.extensions().get::<Shown>() {
                Some(shown) => shown.clone(),
                None => Shown {
                    url: request.uri().to_string(),
                    redaction: Arc::new(Redaction::of(request.headers())),
                },
            };
            self.tape.write(&[Line::Request(RecordedRequest::of(exchange, operation, url, &request))])?;

            let mut track =
                Track { tape: Arc::clone(&self.tape), exchange, last: Instant::now(), ended: false };
            let response = match self.inner.send(request).await {
                Ok(response) => response,
                Err(error) => {
                    track.fail(&redaction, &error)?;
                    return Err(error);
                }
            };
            let after = milliseconds(track.elapsed());
            let head = RecordedResponse::new(
                exchange,
                after,
                response.status().as_u16(),
                response_headers(response.headers(), &redaction),
            );
            self.tape.write(&[Line::Response(head)])?;

            let framed = response.status().is_success() && may_be(MEDIA_TYPE, response.headers());
            let decoder = framed.then(FrameDecoder::new);
            Ok(response.map(|body| Box::pin(RecordedBody::new(body, track, redaction, decoder)) as Body))
        })
    }

    fn is_network(&self) -> bool {
        self.inner.is_network()
    }
}

/// The file of a recording.
struct Tape {
    path: PathBuf,
    state: Mutex<State>,
    report: Option<Box<Report>>,
}

/// Receives the error of the first failed write.
type Report = dyn Fn(&Error) + Send + Sync;

enum State {
    Unopened,
    /// Open; this many bytes have been written, in whole lines.
    Open(File, u64),
    /// A write failed. Nothing more is written, because lines would be missing.
    Over,
}

impl Tape {
    /// Writes lines that belong together, without lines of another exchange between them.
    fn write(&self, lines: &[Line]) -> Result<()> {
        let failed = |source: io::Error| {
            Error::new(
                ErrorKind::Recording,
                format!("the recording {} cannot be written", self.path.display()),
            )
            .with_source(source)
        };
        let mut text = String::new();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Unopened = *state {
            *state = State::Open(open(&self.path).map_err(failed)?, 0);
            let heading = Heading::new(1u64).by(concat!("pumice ", env!("CARGO_PKG_VERSION")));
            text = Line::Recording(heading).to_text()?;
        }
        text.extend(lines.iter().map(Line::to_text).collect::<Result<Vec<_>>>()?);
        let fault = match &mut *state {
            // Whole lines in one write: the file is readable whenever the program ends.
            State::Open(file, length) => match file.write_all(text.as_bytes()) {
                Ok(()) => {
                    *length += text.len() as u64;
                    return Ok(());
                }
                Err(fault) => {
                    // A full disk can have taken a part of a line. A device has no length.
                    let _ = file.set_len(*length);
                    *state = State::Over;
                    failed(fault)
                }
            },
            State::Over if self.report.is_some() => return Ok(()),
            _ => failed(io::Error::other("it has ended with an earlier fault")),
        };
        match &self.report {
            Some(report) => {
                report(&fault);
                Ok(())
            }
            None => Err(fault),
        }
    }
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tape").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Opens a new file, or empties one that holds a recording.
fn open(path: &Path) -> io::Result<File> {
    // Devices and pipes are not read first: opening a pipe to read it would wait for a writer.
    let is_file = match path.metadata() {
        Ok(found) if is_device(path, found.file_type()) => {
            let message = "expected a file, a pipe, a terminal or /dev/null, found a device";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(found) => found.is_file(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(error) => return Err(error),
    };
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).read(is_file);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    if is_file {
        // Locked until the recording ends. Some file systems have no locks: there the file stays unlocked.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another program records into it"));
        }
        let mut first = Vec::new();
        (&mut file).take(LONGEST_HEADING).read_to_end(&mut first)?;
        let heading = first.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let is_recording = matches!(
            from_json(heading), Ok(Line::Recording(heading)) if heading.version == 1
        );
        if !first.is_empty() && !is_recording {
            return Err(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "the file exists and is not a recording: name another, or remove it",
            ));
        }
        #[cfg(unix)]
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        file.set_len(0)?;
        file.rewind()?;
    }
    Ok(file)
}

/// Whether the path is a device that would swallow the recording: one that is not a terminal. `/dev/null` is chosen
/// deliberately, and `/dev/full` reports an error.
#[cfg(unix)]
fn is_device(path: &Path, kind: std::fs::FileType) -> bool {
    use std::io::IsTerminal as _;
    use std::os::unix::fs::FileTypeExt as _;

    let is_terminal = || OpenOptions::new().write(true).open(path).is_ok_and(|file| file.is_terminal());
    let is_known =
        || path.canonicalize().is_ok_and(|path| ["/dev/null", "/dev/full"].map(Path::new).contains(&&*path));
    kind.is_block_device() || kind.is_char_device() && !is_known() && !is_terminal()
}

#[cfg(not(unix))]
fn is_device(_: &Path, _: std::fs::FileType) -> bool {
    false
}

/// One exchange that is being recorded.
#[derive(Debug)]
struct Track {
    tape: Arc<Tape>,
    exchange: u64,
    last: Instant,
    ended: bool,
}

impl Track {
    /// The time since the previous line, which starts again at zero.
    fn elapsed(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.last, now)
    }

    fn end(&mut self) -> Result<()> {
        let end = RecordedEnd::new(self.exchange, milliseconds(self.elapsed()));
        self.write_end(end)
    }

    fn fail(&mut self, redaction: &Redaction, error: &Error) -> Result<()> {
        let end = RecordedEnd::new(self.exchange, milliseconds(self.elapsed()));
        let message = redaction.text(&error.to_string()).into_owned();
        self.write_end(end.fault(fault_name(error.kind())).message(message))
    }

    fn write_end(&mut self, end: RecordedEnd) -> Result<()> {
        self.ended = true;
        self.tape.write(&[Line::End(end)])
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        if !self.ended {
            let end = RecordedEnd::new(self.exchange, milliseconds(self.elapsed())).fault(DROPPED);
            // Earlier lines reported a fault of the file; if there were none, nobody waits for this one.
            let _ = self.write_end(end);
        }
    }
}

/// A body that is being recorded. Only parts that quote no secret have been written.
///
/// A secret may lie across chunks: a frame is written when it is complete, and a body of another kind when it ends.
/// Secrets are overwritten in place, so that the cuts between chunks stay where they were.
struct RecordedBody {
    body: Body,
    track: Track,
    redaction: Arc<Redaction>,
    /// `None` if the body is not an event stream, or from the first byte where it stops being one.
    decoder: Option<FrameDecoder>,
    pending: Vec<PendingChunk>,
    /// How many bytes have arrived.
    received: u64,
    /// How many of them are in complete frames.
    framed: u64,
    /// The complete frames among the pending chunks, by their offsets in the body.
    frames: Vec<Range<u64>>,
}

/// A chunk that has not been written yet.
struct PendingChunk {
    after: Duration,
    bytes: Bytes,
    /// The frames that it completed, for people to read.
    events: Vec<Line>,
}

impl RecordedBody {
    fn new(body: Body, track: Track, redaction: Arc<Redaction>, decoder: Option<FrameDecoder>) -> Self {
        let (pending, frames) = (Vec::new(), Vec::new());
        Self { body, track, redaction, decoder, pending, received: 0, framed: 0, frames }
    }

    fn take(&mut self, bytes: &Bytes) -> Result<()> {
        let after = self.track.elapsed();
        self.received += bytes.len() as u64;
        let mut events = Vec::new();
        if let Some(decoder) = &mut self.decoder {
            decoder.push(bytes.clone());
            let damaged = loop {
                let frame = match decoder.next_frame() {
                    Ok(Some(frame)) => frame,
                    Ok(None) => break false,
                    Err(_) => break true,
                };
                self.framed = decoder.offset();
                self.frames.push(frame.offset()..self.framed);
                // A frame without a JSON form is recorded as bytes only.
                let json = frame.to_event_json().map(|json| self.redaction.text(&json).into_owned());
                events.extend(json.and_then(Document::parse).map(Line::Event));
            };
            if damaged {
                self.decoder = None;
            }
        }
        self.pending.push(PendingChunk { after, bytes: bytes.clone(), events });
        if self.decoder.is_some() && self.framed == self.received { self.write_pending() } else { Ok(()) }
    }

    /// Writes the chunks not written yet, without secrets.
    fn write_pending(&mut self) -> Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        let mut bytes = Vec::new();
        for pending in &pending {
            bytes.extend_from_slice(&pending.bytes);
        }
        let begin = self.received - bytes.len() as u64;
        let at = |offset: u64| usize::try_from(offset.saturating_sub(begin)).unwrap_or(usize::MAX);
        for frame in std::mem::take(&mut self.frames) {
            let Some(frame) = bytes.get_mut(at(frame.start)..at(frame.end)) else { continue };
            let content = frame.get_mut(PRELUDE..).unwrap_or_default();
            if self.redaction.overwrite(content) {
                seal(frame);
            }
        }
        self.redaction.overwrite(bytes.get_mut(at(self.framed)..).unwrap_or_default());
        let mut rest = Bytes::from(bytes);
        for pending in &mut pending {
            pending.bytes = rest.split_to(pending.bytes.len());
        }
        let mut lines = Vec::new();
        for PendingChunk { after, bytes, events } in pending {
            lines.push(Line::Chunk(RecordedChunk::of(self.track.exchange, after, &bytes)));
            lines.extend(events);
        }
        self.track.tape.write(&lines)
    }
}

impl Drop for RecordedBody {
    fn drop(&mut self) {
        // Earlier lines reported a fault of the file; if there were none, nobody waits for this one.
        let _ = self.write_pending();
    }
}

impl Stream for RecordedBody {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Result<Bytes>>> {
        let next = std::task::ready!(self.body.as_mut().poll_next(task));
        let written = match &next {
            Some(Ok(bytes)) => self.take(bytes),
            Some(Err(error)) => self.write_pending().and_then(|()| {
                let Self { track, redaction, .. } = &mut *self;
                track.fail(redaction, error)
            }),
            None if self.track.ended => Ok(()),
            None => self.write_pending().and_then(|()| self.track.end()),
        };
        Poll::Ready(match written {
            Ok(()) => next,
            Err(error) => Some(Err(error)),
        })
    }
}

fn fault_name(kind: ErrorKind) -> &'static str {
    FAULTS.iter().find(|(_, of)| *of == kind).map_or("brokenOff", |(name, _)| name)
}

/// The faults of a transport, by their names in a recording.
pub(super) const FAULTS: [(&str, ErrorKind); 4] = [
    ("brokenOff", ErrorKind::BrokenOff),
    ("connect", ErrorKind::Connect),
    ("timeout", ErrorKind::Timeout),
    ("invalidInput", ErrorKind::InvalidInput),
];

/// The fault of an exchange whose reader stopped.
pub(super) const DROPPED: &str = "dropped";

/// The prelude of a frame, in bytes.
const PRELUDE: usize = 12;

/// How much of a file is searched for its heading, in bytes.
const LONGEST_HEADING: u64 = 1024;
