//! Writes down what another transport does.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use ::http::Request;
use ::http::header::CONTENT_TYPE;
use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Instant;

use super::recording::{Heading, Line, RecordedChunk, RecordedEnd, RecordedRequest, RecordedResponse};
use super::recording::{milliseconds, response_headers};
use super::{Body, Sending, Transport};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{FrameDecoder, MEDIA_TYPE};
use crate::operation::Operation;
use crate::shape::Document;

/// Sends through another transport, and writes each exchange into a recording as it happens.
///
/// A recording holds no secret: of the headers only those are written that are known to be harmless.
/// What was asked and answered is in it, so its file is for its owner alone (mode 0600).
#[derive(Debug)]
pub struct Recorder {
    inner: Arc<dyn Transport>,
    tape: Arc<Tape>,
    exchanges: AtomicU64,
}

impl Recorder {
    /// Records into a file, which is begun anew with the first exchange. A file that holds something
    /// else than a recording is not overwritten: the first exchange fails, before anything is sent.
    pub fn new(inner: Arc<dyn Transport>, path: impl Into<PathBuf>) -> Self {
        let tape = Tape { path: path.into(), file: Mutex::new(None) };
        Self { inner, tape: Arc::new(tape), exchanges: AtomicU64::new(0) }
    }
}

impl Transport for Recorder {
    fn send(&self, request: Request<Bytes>) -> Sending<'_> {
        Box::pin(async move {
            let exchange = self.exchanges.fetch_add(1, Ordering::Relaxed) + 1;
            let operation = request.extensions().get::<Operation>().map_or("", |operation| operation.name());
            self.tape.write(&Line::Request(RecordedRequest::of(exchange, operation, &request)))?;

            let mut track =
                Track { tape: Arc::clone(&self.tape), exchange, last: Instant::now(), ended: false };
            let response = match self.inner.send(request).await {
                Ok(response) => response,
                Err(error) => {
                    track.end(Some((fault_name(error.kind()), error.to_string())))?;
                    return Err(error);
                }
            };
            let after = milliseconds(track.elapsed());
            let head = RecordedResponse::new(
                exchange,
                after,
                response.status().as_u16(),
                response_headers(response.headers()),
            );
            self.tape.write(&Line::Response(head))?;

            let framed = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == MEDIA_TYPE);
            let decoder = framed.then(FrameDecoder::new);
            Ok(response.map(|body| Box::pin(RecordedBody { body, track, decoder }) as Body))
        })
    }
}

/// The file, once it is open.
#[derive(Debug)]
struct Tape {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl Tape {
    fn write(&self, line: &Line) -> Result<()> {
        let failed = |source: io::Error| {
            Error::new(
                ErrorKind::Recording,
                format!("the recording {} cannot be written", self.path.display()),
            )
            .with_source(source)
        };
        let text = line.to_text()?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            let mut opened = open(&self.path).map_err(failed)?;
            let heading = Heading::new(1u64).by(concat!("pumice ", env!("CARGO_PKG_VERSION")));
            opened.write_all(Line::Recording(heading).to_text()?.as_bytes()).map_err(failed)?;
            *file = Some(opened);
        }
        // One write a line: what is in the file stays readable whenever the program ends.
        file.as_mut().map_or(Ok(()), |file| file.write_all(text.as_bytes())).map_err(failed)
    }
}

/// Opens a new file, or one that holds a recording, which is emptied.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match File::open(path) {
        // A device or a pipe is written to as it is.
        Ok(old) if old.metadata()?.is_file() => {
            let mut first = Vec::new();
            let length = io::Read::take(BufReader::new(old), 64).read_until(b'\n', &mut first)?;
            if length > 0 && !first.starts_with(br#"{"recording":"#) {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "the file exists and is not a recording: name another, or remove it",
                ));
            }
            options.truncate(true);
        }
        _ => {}
    }
    let file = options.open(path)?;
    #[cfg(unix)]
    if file.metadata()?.is_file() {
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    }
    Ok(file)
}

/// One exchange on the tape.
#[derive(Debug)]
struct Track {
    tape: Arc<Tape>,
    exchange: u64,
    last: Instant,
    ended: bool,
}

impl Track {
    /// Since the last line.
    fn elapsed(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.last, now)
    }

    fn end(&mut self, fault: Option<(&str, String)>) -> Result<()> {
        self.ended = true;
        let mut end = RecordedEnd::new(self.exchange, milliseconds(self.elapsed()));
        if let Some((fault, message)) = fault {
            end = end.fault(fault).message(message);
        }
        self.tape.write(&Line::End(end))
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        if !self.ended {
            // A fault of the file has been told by the lines before, or is of no use to anyone now.
            let _ = self.end(Some((DROPPED, "the reader stopped here".into())));
        }
    }
}

struct RecordedBody {
    body: Body,
    track: Track,
    /// Reads along to show the events, until something is not a frame.
    decoder: Option<FrameDecoder>,
}

impl RecordedBody {
    fn write_chunk(&mut self, bytes: &Bytes) -> Result<()> {
        let after = self.track.elapsed();
        self.track.tape.write(&Line::Chunk(RecordedChunk::of(self.track.exchange, after, bytes)))?;
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        decoder.push(bytes.clone());
        loop {
            match decoder.next_frame() {
                // A frame that has no such form is there as bytes.
                Ok(Some(frame)) => {
                    if let Ok(shown) = frame.to_event_json().and_then(Document::parse) {
                        self.track.tape.write(&Line::Event(shown))?;
                    }
                }
                Ok(None) => return Ok(()),
                Err(_) => {
                    self.decoder = None;
                    return Ok(());
                }
            }
        }
    }
}

impl Stream for RecordedBody {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Result<Bytes>>> {
        let next = std::task::ready!(self.body.as_mut().poll_next(task));
        let written = match &next {
            Some(Ok(bytes)) => self.write_chunk(bytes),
            Some(Err(error)) => self.track.end(Some((fault_name(error.kind()), error.to_string()))),
            None if self.track.ended => Ok(()),
            None => self.track.end(None),
        };
        Poll::Ready(match written {
            Ok(()) => next,
            Err(error) => Some(Err(error)),
        })
    }
}

/// What ended an exchange that its reader gave up.
const DROPPED: &str = "dropped";

fn fault_name(kind: ErrorKind) -> &'static str {
    FAULTS.iter().find(|(_, of)| *of == kind).map_or(DROPPED, |(name, _)| name)
}

/// The faults that a transport can meet, by their names in a recording.
pub(super) const FAULTS: [(&str, ErrorKind); 4] = [
    ("brokenOff", ErrorKind::BrokenOff),
    ("connect", ErrorKind::Connect),
    ("timeout", ErrorKind::Timeout),
    ("invalidInput", ErrorKind::InvalidInput),
];
