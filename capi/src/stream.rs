//! A call, whose events are waited for.

use std::ffi::{CString, c_char};
use std::mem;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::{Duration, Instant};

use futures_core::Stream as _;
use pumice::frame::Frame;
use pumice::operation::{Call, Operation};
use pumice::shape::{Document, Members};
use pumice::spelling::nearest;
use pumice::{Error, ErrorKind, FrameStream, Result};
use tokio::task::JoinHandle;

use crate::border::json;
use crate::client::Client;

/// The response of a call, as a stream of events. One thread at a time may wait for it; any may cancel it.
#[derive(Debug)]
pub struct Stream {
    // Dropped before the client, whose thread closes the connection.
    state: Mutex<State>,
    signal: Arc<Signal>,
    client: Arc<Client>,
}

#[derive(Debug)]
struct State {
    source: Source,
    /// The event that C may be reading.
    event: CString,
}

#[derive(Debug)]
enum Source {
    /// The call runs on the client's thread, where its connection is made: a write to a connection that is closed is a
    /// `SIGPIPE` to the thread that writes, and only that one takes none.
    Opening(Opening),
    Frames(Box<FrameStream>),
    Complete,
    Cancelled,
    Failed(Error),
    Panicked,
}

/// What [`Stream::next`] found.
pub(crate) enum Next {
    /// The text is valid until the stream is used again.
    Event {
        text: *const c_char,
        length: usize,
    },
    Timeout,
    End,
    Cancelled,
}

impl Stream {
    pub(crate) fn open(client: Arc<Client>, operation: &str, request: &str) -> Result<Self> {
        let (operation, request) = (named(operation)?, members(request)?);
        client.thread.check()?;
        let pumice = client.pumice.clone();
        let call = async move {
            if operation.is_streamed() {
                let call = Call::new(operation, &request)?;
                Ok(Response::Frames(Box::new(pumice.send_frames(&call).await?)))
            } else {
                pumice.call(operation, &request).await.map(Response::Whole)
            }
        };
        let source = Source::Opening(Opening(client.thread.handle.spawn(call)));
        let state = Mutex::new(State { source, event: CString::default() });
        Ok(Self { state, signal: Arc::default(), client })
    }

    /// Calls an operation and waits for its whole response.
    pub(crate) fn call(client: Arc<Client>, operation: &str, request: &str) -> Result<CString> {
        if named(operation)?.is_streamed() {
            let message = format!("operation: the response of {operation} is a stream");
            return Err(
                Error::new(ErrorKind::InvalidInput, message).with_hint("open it with pumice_stream_open()")
            );
        }
        let stream = Self::open(client, operation, request)?;
        stream.next(None)?;
        let mut state = stream.state.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(mem::take(&mut state.event))
    }

    /// Waits for the next event, at most for this time.
    pub(crate) fn next(&self, timeout: Option<Duration>) -> Result<Next> {
        let next = {
            let mut state = self.try_lock().ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidInput,
                    "stream: another thread is waiting for it, and only one may",
                )
            })?;
            self.wait(&mut state, timeout)
        };
        // Cancelled by a thread that found the lock taken.
        if self.signal.is_cancelled() && self.try_lock().is_some_and(|mut state| state.cancel()) {
            return Ok(Next::Cancelled);
        }
        next
    }

    fn wait(&self, state: &mut State, timeout: Option<Duration>) -> Result<Next> {
        if let Some(next) = state.ready() {
            return next;
        }
        self.client.thread.check()?;
        // A limit that the clock cannot hold is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let waker = Waker::from(Arc::clone(&self.signal));
        let mut task = Context::from_waker(&waker);
        // The client's own time limits need it.
        let _entered = self.client.thread.handle.enter();
        loop {
            if self.signal.is_cancelled() {
                state.cancel();
            }
            match state.poll(&mut task) {
                Poll::Ready(next) => return next,
                Poll::Pending if self.signal.wait(deadline) => {}
                Poll::Pending => return Ok(Next::Timeout),
            }
        }
    }

    /// Closes the connection, unless the stream has ended.
    pub(crate) fn cancel(&self) {
        self.signal.cancelled.store(true, Ordering::SeqCst);
        self.signal.wake_by_ref();
        // Where another thread has the lock, that one does this: see `next`.
        if let Some(mut state) = self.try_lock() {
            state.cancel();
        }
    }

    /// Drops a handle.
    pub(crate) fn free(stream: Arc<Self>) {
        if stream.client.thread.check().is_err() {
            // As in `Client::free`.
            mem::forget(stream);
            return;
        }
        // The callback of `pumice_stream_run`, which has a handle too, may be what frees it.
        stream.cancel();
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, State>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Poisoned(poisoned)) => {
                self.state.clear_poison();
                let mut state = poisoned.into_inner();
                state.source = Source::Panicked;
                Some(state)
            }
        }
    }
}

impl State {
    /// An event that has arrived already.
    fn ready(&mut self) -> Option<Result<Next>> {
        let Source::Frames(frames) = &mut self.source else { return None };
        let frame = frames.ready_frame().transpose()?;
        Some(self.event(frame.map(Some)))
    }

    fn poll(&mut self, task: &mut Context<'_>) -> Poll<Result<Next>> {
        loop {
            return Poll::Ready(match &mut self.source {
                Source::Opening(Opening(call)) => match ready!(Pin::new(call).poll(task)) {
                    Ok(Ok(Response::Frames(frames))) => {
                        self.source = Source::Frames(frames);
                        continue;
                    }
                    Ok(Ok(Response::Whole(response))) => {
                        self.source = Source::Complete;
                        // Line ends in JSON are white space.
                        self.keep(response.text().replace(['\n', '\r'], ""))
                    }
                    Ok(Err(error)) => self.fail(error),
                    Err(error) => match error.try_into_panic() {
                        Ok(panic) => resume_unwind(panic),
                        // Only the client's thread ends a call that nobody has cancelled, and the client is here.
                        Err(_) => Ok(Next::Cancelled),
                    },
                },
                Source::Frames(frames) => {
                    let frame = ready!(Pin::new(&mut **frames).poll_next(task)).transpose();
                    self.event(frame)
                }
                Source::Complete => Ok(Next::End),
                Source::Cancelled => Ok(Next::Cancelled),
                Source::Failed(error) => Err(error.clone()),
                Source::Panicked => resume_unwind(Box::new("the stream panicked before")),
            });
        }
    }

    fn event(&mut self, frame: Result<Option<Frame>>) -> Result<Next> {
        let event = frame.and_then(|frame| frame.map(|frame| frame.to_event_json()).transpose());
        match event {
            Ok(Some(event)) => self.keep(event),
            Ok(None) => {
                self.source = Source::Complete;
                Ok(Next::End)
            }
            Err(error) => self.fail(error),
        }
    }

    fn keep(&mut self, event: String) -> Result<Next> {
        match json(event) {
            Ok(event) => self.event = event,
            Err(error) => return self.fail(error),
        }
        Ok(Next::Event { text: self.event.as_ptr(), length: self.event.as_bytes().len() })
    }

    fn fail(&mut self, error: Error) -> Result<Next> {
        let error = match &self.source {
            Source::Frames(frames) => frames.redacted(error),
            _ => error,
        };
        self.source = Source::Failed(error.clone());
        Err(error)
    }

    /// Closes the connection, unless the stream has ended. Returns whether it is cancelled.
    fn cancel(&mut self) -> bool {
        if let Source::Opening(_) | Source::Frames(_) = self.source {
            self.source = Source::Cancelled;
        }
        matches!(self.source, Source::Cancelled)
    }
}

#[derive(Debug)]
enum Response {
    Whole(Document),
    Frames(Box<FrameStream>),
}

/// A call that is ended when nobody waits for it any more.
#[derive(Debug)]
struct Opening(JoinHandle<Result<Response>>);

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a thread sleeps on that waits for a stream.
#[derive(Debug, Default)]
struct Signal {
    cancelled: AtomicBool,
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }

    /// Sleeps until it is woken. Returns `false` if that did not happen before the deadline.
    fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        while !mem::take(&mut *woken) {
            woken = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return false,
                Some(left) => {
                    self.changed.wait_timeout(woken, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(woken).unwrap_or_else(PoisonError::into_inner),
            };
        }
        true
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        *self.woken.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_one();
    }
}

fn named(name: &str) -> Result<Operation> {
    Operation::from_name(name).ok_or_else(|| {
        let near = nearest(name, Operation::ALL.iter().map(|operation| operation.name()));
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        Error::new(ErrorKind::InvalidInput, format!("operation: there is no {name:?}{near}"))
    })
}

/// The members of a request. Whether they are valid is for the service to say.
fn members(request: &str) -> Result<Members> {
    if request.is_empty() {
        return Ok(Members::default());
    }
    serde_json::from_str(request).map_err(|source| {
        Error::new(ErrorKind::InvalidInput, "request: expected one JSON object").with_source(source)
    })
}
