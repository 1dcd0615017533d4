//! A response that arrives as a stream: its body, the frames in it, and their events.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use http::HeaderMap;
use http::response::Parts;
use tokio::time::{Instant, Sleep};

use crate::Event;
use crate::context::bounded;
use crate::converse::{ContentBlockDelta, ConverseResponse};
use crate::frame::{Frame, FrameDecoder, FrameView};
use crate::redaction::Redaction;
use crate::refusal::request_id;
use crate::reply::ReplyBuilder;
use crate::transport::{Body, too_long};
use crate::{Error, ErrorKind, Result};
use pumice_codec::internal::event_type;

/// The events of a response, each as soon as its last byte has arrived: those of ConverseStream, or as
/// `EventStream<ResponseStreamEvent>` those of `InvokeModelWithResponseStream`.
///
/// It ends with `None` only if the response is complete: the body ended between two frames, and after `messageStop`
/// if the operation has that event. Anything else is an error, and nothing follows an error. Dropping the stream
/// closes the connection, which stops the model and the cost.
///
/// It is also a [`Stream`].
///
/// # Errors
///
/// [`ErrorKind::BrokenOff`] if the response ends early, [`ErrorKind::Timeout`] after too long a silence,
/// [`ErrorKind::Damaged`] if the bytes are not what the protocol says, and the kind of the exception if the service
/// sends one.
#[derive(Debug)]
pub struct EventStream<E = Event> {
    frames: FrameStream,
    read: Read<E>,
}

/// Reads an event of a type from its frame.
type Read<E> = fn(&[u8], FrameView<'_>) -> Result<E>;

impl<E> EventStream<E> {
    pub(crate) fn new(frames: FrameStream, read: Read<E>) -> Self {
        Self { frames, read }
    }

    /// Waits for the next event.
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub async fn next_event(&mut self) -> Result<Option<E>> {
        poll_fn(|task| self.poll_event(task)).await
    }

    /// The next event that has already arrived, without waiting. `None` means that more must arrive first, or that
    /// the stream has ended: [`next_event`](Self::next_event) tells which.
    pub fn ready_event(&mut self) -> Result<Option<E>> {
        self.frames.ready_event(self.read)
    }

    /// The service's id of the request.
    pub fn request_id(&self) -> Option<&str> {
        self.frames.request_id()
    }

    /// The headers of the response. For `InvokeModelWithResponseStream` they hold the members `contentType`
    /// (`X-Amzn-Bedrock-Content-Type`), `performanceConfigLatency` (`X-Amzn-Bedrock-PerformanceConfig-Latency`) and
    /// `serviceTier` (`X-Amzn-Bedrock-Service-Tier`).
    pub fn headers(&self) -> &HeaderMap {
        self.frames.headers()
    }

    fn poll_event(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<Option<E>>> {
        let read = self.read;
        self.frames.poll_ready(task, |frames| frames.ready_event(read))
    }

    /// The secrets of the request.
    pub(crate) fn redaction(&self) -> Arc<Redaction> {
        Arc::clone(&self.frames.redaction)
    }
}

impl EventStream {
    /// The events of a response that has arrived whole, in frames.
    pub(crate) fn arrived(head: Parts, frames: Bytes) -> Self {
        let redaction = head.extensions.get::<Arc<Redaction>>().cloned().unwrap_or_default();
        let mut decoder = FrameDecoder::new();
        decoder.push(frames);
        let frames = FrameStream {
            body: None,
            decoder,
            first: None,
            closing_event: None,
            status: head.status.as_u16(),
            headers: head.headers,
            redaction,
        };
        Self::new(frames, Event::of_type)
    }

    /// Reads the stream to its end and returns the response that Converse would have given.
    ///
    /// After an error, the part that has arrived is lost; [`ReplyBuilder`] keeps it.
    pub async fn reply(self) -> Result<ConverseResponse> {
        self.reply_with(|_| {}).await
    }

    /// Like [`reply`](Self::reply), and calls `show` with each event as it arrives.
    ///
    /// ```no_run
    /// # async fn example(events: pumice::EventStream) -> pumice::Result<()> {
    /// use pumice::Event;
    ///
    /// let response = events.reply_with(|event| {
    ///     if let Event::ContentBlockDelta(event) = event {
    ///         print!("{}", event.delta.as_text().unwrap_or_default());
    ///     }
    /// });
    /// let usage = response.await?.usage;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn reply_with(mut self, mut show: impl FnMut(&Event)) -> Result<ConverseResponse> {
        let mut reply = ReplyBuilder::new();
        while let Some(event) = self.next_event().await? {
            show(&event);
            reply.push(event);
        }
        Ok(reply.finish())
    }

    /// The text of the response as it arrives, in pieces; other events are skipped. It ends as the stream of events
    /// does.
    ///
    /// ```no_run
    /// # async fn example(events: pumice::EventStream) -> pumice::Result<()> {
    /// let mut pieces = events.text();
    /// while let Some(piece) = pieces.next_text().await? {
    ///     print!("{piece}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn text(self) -> TextStream {
        TextStream(self)
    }
}

/// The text of a response, as it arrives: see [`EventStream::text`]. It is also a [`Stream`].
#[derive(Debug)]
pub struct TextStream(EventStream);

impl TextStream {
    /// Waits for the next piece of text. It is never empty.
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub async fn next_text(&mut self) -> Result<Option<String>> {
        poll_fn(|task| self.poll_text(task)).await
    }

    fn poll_text(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<Option<String>>> {
        loop {
            match std::task::ready!(self.0.poll_event(task))? {
                None => return Poll::Ready(Ok(None)),
                Some(Event::ContentBlockDelta(event)) => {
                    if let ContentBlockDelta::Text(text) = event.delta
                        && !text.is_empty()
                    {
                        return Poll::Ready(Ok(Some(text)));
                    }
                }
                Some(_) => {}
            }
        }
    }
}

impl Stream for TextStream {
    type Item = Result<String>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Result<String>>> {
        self.poll_text(task).map(Result::transpose)
    }
}

impl<E> Stream for EventStream<E> {
    type Item = Result<E>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Result<E>>> {
        self.poll_event(task).map(Result::transpose)
    }
}

/// The frames of a response whose `:message-type` is `event`. An exception or error frame ends the stream with
/// the error that it reports. Otherwise it ends as an [`EventStream`] does.
pub struct FrameStream {
    /// `None` once it has ended or failed: the connection is closed.
    body: Option<ResponseBody>,
    decoder: FrameDecoder,
    /// Read ahead by [`wait_for_first`](Self::wait_for_first).
    first: Option<Frame>,
    /// The type of the event without which the response is not complete.
    closing_event: Option<&'static str>,
    status: u16,
    headers: HeaderMap,
    redaction: Arc<Redaction>,
}

impl FrameStream {
    pub(crate) fn new(head: Parts, body: ResponseBody, closing_event: Option<&'static str>) -> Self {
        Self {
            status: head.status.as_u16(),
            headers: head.headers,
            redaction: Arc::clone(&body.redaction),
            body: Some(body),
            decoder: FrameDecoder::new(),
            first: None,
            closing_event,
        }
    }

    /// Waits for the next frame.
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub async fn next_frame(&mut self) -> Result<Option<Frame>> {
        poll_fn(|task| self.poll_frame(task)).await
    }

    /// The next frame that has already arrived, without waiting. `None` means that more must arrive first, or that
    /// the stream has ended.
    pub fn ready_frame(&mut self) -> Result<Option<Frame>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        loop {
            let next = self.decoder.next_frame().or_else(|error| self.fail(error));
            let Some(frame) = next? else { return Ok(None) };
            match delivered(&mut self.closing_event, frame.view()) {
                Ok(Some(_)) => return Ok(Some(frame)),
                Ok(None) => {}
                Err(error) => return self.fail(error),
            }
        }
    }

    /// The next event that has already arrived: as [`ready_frame`](Self::ready_frame), but the frame is read where it
    /// lies.
    fn ready_event<E>(&mut self, read: Read<E>) -> Result<Option<E>> {
        loop {
            let mut event = |frame: FrameView<'_>| {
                let event_type = delivered(&mut self.closing_event, frame)?;
                event_type.map(|event_type| read(event_type, frame)).transpose()
            };
            let next = match self.first.take() {
                Some(first) => event(first.view()).map(Some),
                None => self.decoder.read_frame(event),
            };
            match next {
                Ok(Some(None)) => {}
                Ok(next) => return Ok(next.flatten()),
                Err(error) => return self.fail(error),
            }
        }
    }

    /// The service's id of the request.
    pub fn request_id(&self) -> Option<&str> {
        request_id(&self.headers)
    }

    /// The headers of the response.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// An error that quotes a frame, without the secrets of the request.
    pub fn redacted(&self, error: Error) -> Error {
        self.redaction.error(error)
    }

    /// Waits until there is a first frame to deliver. Until then a failed call may be retried.
    pub(crate) async fn wait_for_first(&mut self) -> Result<()> {
        self.first = self.next_frame().await?;
        Ok(())
    }

    fn poll_frame(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<Option<Frame>>> {
        self.poll_ready(task, Self::ready_frame)
    }

    /// Waits until something is `ready`.
    fn poll_ready<T>(
        &mut self,
        task: &mut TaskContext<'_>,
        ready: impl Fn(&mut Self) -> Result<Option<T>>,
    ) -> Poll<Result<Option<T>>> {
        loop {
            if let Some(next) = ready(self)? {
                return Poll::Ready(Ok(Some(next)));
            }
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(None)) };
            match std::task::ready!(body.poll_chunk(task)) {
                Ok(Some(bytes)) => self.decoder.push(bytes),
                Ok(None) => return Poll::Ready(self.finish()),
                Err(error) => return Poll::Ready(self.fail(error)),
            }
        }
    }

    /// The end of the body.
    fn finish<T>(&mut self) -> Result<Option<T>> {
        self.body = None;
        if let Err(error) = self.decoder.finish() {
            return self.fail(error);
        }
        let Some(missing) = self.closing_event.take() else { return Ok(None) };
        let at = self.decoder.offset();
        let message = format!("the response ended at byte {at} without {missing}: it is not complete");
        self.fail(Error::new(ErrorKind::BrokenOff, message).with_offset(at))
    }

    /// Ends the stream with this error.
    fn fail<T>(&mut self, error: Error) -> Result<T> {
        self.body = None;
        self.decoder = FrameDecoder::new();
        self.closing_event = None;
        Err(self.redaction.error(error.with_status(self.status).with_request_id(self.request_id())))
    }
}

/// The type of the event in a frame, or the error that the frame reports. `None` for a frame to be skipped.
fn delivered<'a>(closing_event: &mut Option<&'static str>, frame: FrameView<'a>) -> Result<Option<&'a [u8]>> {
    let event_type = event_type(frame)?;
    if closing_event.is_some_and(|closing| closing.as_bytes() == event_type) {
        *closing_event = None;
    }
    // Sent by other services, for members outside the events. Bedrock does not.
    Ok((event_type != b"initial-response").then_some(event_type))
}

impl Stream for FrameStream {
    type Item = Result<Frame>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Result<Frame>>> {
        self.poll_frame(task).map(Result::transpose)
    }
}

/// The body of a response, as it arrives. Too long a silence ends it with [`ErrorKind::Timeout`]; nothing follows an
/// error.
///
/// It is also a [`Stream`] of chunks. Dropping it closes the connection.
pub struct ResponseBody {
    /// `None` once it has ended or failed: the connection is closed.
    body: Option<Body>,
    idle_timeout: Duration,
    idle: Option<Pin<Box<Sleep>>>,
    /// Whether the last poll found nothing: `idle` is running.
    waiting: bool,
    redaction: Arc<Redaction>,
}

impl ResponseBody {
    pub(crate) fn new(body: Body, idle_timeout: Duration, redaction: Arc<Redaction>) -> Self {
        Self { body: Some(body), idle_timeout, idle: None, waiting: false, redaction }
    }

    /// A body that has arrived whole.
    pub(crate) fn arrived(bytes: Bytes) -> Self {
        let whole = Box::pin(Whole(Some(bytes)));
        Self::new(whole, Duration::MAX, Arc::default())
    }

    /// Waits for the next chunk. `None` means the end of the body.
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        poll_fn(|task| self.poll_chunk(task)).await
    }

    /// Reads the body to its end.
    ///
    /// Fails with [`ErrorKind::Damaged`] if it has more than 256 MiB.
    pub async fn bytes(mut self) -> Result<Bytes> {
        let mut whole = BytesMut::new();
        while let Some(bytes) = self.next_chunk().await? {
            if whole.len() + bytes.len() > LONGEST_BODY {
                return Err(too_long(LONGEST_BODY));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }

    fn poll_chunk(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<Option<Bytes>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(Ok(None)) };
        let next = match body.as_mut().poll_next(task) {
            Poll::Ready(next) => next.transpose(),
            Poll::Pending => {
                std::task::ready!(self.poll_idle(task));
                let message = format!("idle timeout: no data for {}", in_seconds(self.idle_timeout));
                Err(Error::new(ErrorKind::Timeout, message))
            }
        };
        self.waiting = false;
        if !matches!(next, Ok(Some(_))) {
            self.body = None;
        }
        Poll::Ready(next.map_err(|error| self.redaction.error(error)))
    }

    /// Ready when nothing has arrived for too long.
    fn poll_idle(&mut self, task: &mut TaskContext<'_>) -> Poll<()> {
        let timeout = bounded(self.idle_timeout);
        let idle = self.idle.get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
        if !self.waiting {
            self.waiting = true;
            idle.as_mut().reset(Instant::now() + timeout);
        }
        idle.as_mut().poll(task)
    }
}

impl Stream for ResponseBody {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Result<Bytes>>> {
        self.poll_chunk(task).map(Result::transpose)
    }
}

/// A body of one chunk.
struct Whole(Option<Bytes>);

impl Stream for Whole {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

/// A duration for people: `0.25 seconds`.
pub(crate) fn in_seconds(time: Duration) -> String {
    let thousandths = format!("{:03}", time.subsec_millis());
    match (time.as_secs(), thousandths.trim_end_matches('0')) {
        (1, "") => "1 second".to_owned(),
        (seconds, "") => format!("{seconds} seconds"),
        (seconds, fraction) => format!("{seconds}.{fraction} seconds"),
    }
}

impl std::fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseBody").field("open", &self.body.is_some()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for FrameStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameStream")
            .field("open", &self.body.is_some())
            .field("offset", &self.decoder.offset())
            .field("request_id", &self.request_id())
            .finish_non_exhaustive()
    }
}

/// The longest body that is read whole, in bytes. Images and embeddings have some megabytes.
const LONGEST_BODY: usize = 256 * 1024 * 1024;
