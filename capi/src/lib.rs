//! The C interface of pumice. `include/pumice.h` is made from this crate; `docs/c.md` is its guide.
//!
//! The functions here check what C gives them and hand it on; what they do is in the modules. Nothing is process-wide:
//! a client owns its thread, and the last handle of it ends that thread.
//!
//! | module | contents |
//! |---|---|
//! | `border` | pointers into Rust's types and back, panics into failures, the signal of a closed connection |
//! | `failure` | a failure as C sees it |
//! | `settings` | the JSON of settings into a `Config` |
//! | `client` | the client and its thread |
//! | `stream` | a call whose events are waited for |
//!
//! With `panic = "unwind"`, as in the profile `capi`, a panic becomes a failure of the kind [`PUMICE_ERROR_PANIC`].
//! With `panic = "abort"` it ends the process.

#![allow(unsafe_code, reason = "the border to C")]
#![allow(clippy::doc_markdown, reason = "the header is made from these comments")]
#![deny(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn)]

mod border;
mod client;
mod failure;
#[doc(hidden)]
pub mod inputs;
mod settings;
mod stream;

use std::ffi::{c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::time::Duration;

use border::{Out, guarded, handle, into_handle, is_null, name, released, text};
pub use client::Client;
use failure::free_text;
pub use failure::*;
use stream::Next;
pub use stream::Stream;

/// Results of functions. The function did what it is for.
pub const PUMICE_OK: c_int = 0;
/// The next event of a stream is there.
pub const PUMICE_EVENT: c_int = 1;
/// The stream is complete: no event follows.
pub const PUMICE_END: c_int = 2;
/// Nothing came within the time. The stream goes on: call again.
pub const PUMICE_TIMEOUT: c_int = 3;
/// The stream was cancelled, or the callback stopped it.
pub const PUMICE_CANCELLED: c_int = 4;
/// The function failed, and its last argument says why.
pub const PUMICE_FAILED: c_int = -1;

/// The version of the library, such as "0.1.0". The text lives as long as the library.
#[unsafe(no_mangle)]
pub extern "C" fn pumice_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// Makes a client from a JSON object of settings, which docs/c.md lists. Without settings (NULL and 0) everything
/// comes from the environment and the AWS files.
///
/// No file is read and no connection opened before the first call, except for a recording. The client has one thread,
/// which carries its connections. Any number of threads may call it at the same time.
///
/// Returns PUMICE_OK, and a client to be freed with pumice_client_free(); or PUMICE_FAILED.
///
/// # Safety
///
/// `settings` points to `settings_len` bytes. `client` and `error` each point to a pointer, or are NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pumice_client_new(
    settings: *const c_char,
    settings_len: usize,
    client: *mut *mut Client,
    error: *mut *mut Failure,
) -> c_int {
    // SAFETY: the caller's promise, in the section above.
    let (client, error) = unsafe { (Out::new(client), Out::new(error)) };
    guarded(&error, || {
        client.named("client")?.set(null_mut());
        // SAFETY: the caller's promise, in the section above.
        let settings = unsafe { text("settings", settings, settings_len)? };
        client.set(into_handle(Client::new(settings)?));
        Ok(PUMICE_OK)
    })
}

/// Frees a client; NULL is ignored. Its streams may still be open and go on. With the last of them the client's thread
/// ends, before this function or pumice_stream_free() returns.
///
/// # Safety
///
/// `client` is a client that is not freed, or NULL. No other thread uses it any more, nor begins to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pumice_client_free(client: *mut Client) {
    guarded(&Out::NONE, || {
        // SAFETY: the caller's promise, in the section above.
        if let Some(client) = unsafe { released(client) } {
            Client::free(client);
        }
        Ok(PUMICE_OK)
    });
}

/// Calls an operation by its name in the API, such as "Converse", and waits for its whole response.
///
/// The request is one JSON object with the members of the API, blobs in base64; the response is JSON of the same form,
/// in one line. NULL and 0 is a request without members. A list in pages comes whole.
///
/// The time limits are those of the client. To limit the wait itself, or to cancel it, open the call with
/// pumice_stream_open(). An operation whose response is a stream is an error here.
///
/// Returns PUMICE_OK, and a response to be freed with pumice_string_free(); or PUMICE_FAILED. The response ends with a
/// NUL, which `response_len` does not count. `response_len` may be NULL.
///
/// # Safety
///
/// `client` is a client that is not freed. `operation` is a text that ends with a NUL. `request` points to `request_len`
/// bytes. The other pointers each point to a value of their type, or are NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pumice_call(
    client: *const Client,
    operation: *const c_char,
    request: *const c_char,
    request_len: usize,
    response: *mut *mut c_char,
    response_len: *mut usize,
    error: *mut *mut Failure,
) -> c_int {
    // SAFETY: the caller's promise, in the section above.
    let (response, response_len, error) =
        unsafe { (Out::new(response), Out::new(response_len), Out::new(error)) };
    guarded(&error, || {
        response.named("response")?.set(null_mut());
        response_len.set(0);
        // SAFETY: the caller's promise, in the section above.
        let (client, operation, request) = unsafe {
            (handle("client", client)?, name("operation", operation)?, text("request", request, request_len)?)
        };
        let json = Stream::call(client, operation, request)?;
        response_len.set(json.as_bytes().len());
        response.set(json.into_raw());
        Ok(PUMICE_OK)
    })
}

/// Begins a call of an operation, and returns at once: it waits for nothing. Only wrong arguments are reported here,
/// everything else by pumice_stream_next().
///
/// The events are those of the operation, each as one line of JSON under its name in the API:
/// {"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"Hi"}}}. An operation whose response comes whole is a
/// stream of one event, which is the response.
///
/// Returns PUMICE_OK, and a stream to be freed with pumice_stream_free(); or PUMICE_FAILED.
///
/// # Safety
///
/// As for pumice_call().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pumice_stream_open(
    client: *const Client,
    operation: *const c_char,
    request: *const c_char,
    request_len: usize,
    stream: *mut *mut Stream,
    error: *mut *mut Failure,
) -> c_int {
    // SAFETY: the caller's promise, in the section above.
    let (stream, error) = unsafe { (Out::new(stream), Out::new(error)) };
    guarded(&error, || {
        stream.named("stream")?.set(null_mut());
        // SAFETY: the caller's promise, in the section above.
        let (client, operation, request) = unsafe {
            (handle("client", client)?, name("operation", operation)?, text("request", request, request_len)?)
        };
        stream.set(into_handle(Stream::open(client, operation, request)?));
        Ok(PUMICE_OK)
    })
}

/// Waits for the next event of a stream.
///
/// `timeout_ms` limits the wait: 0 returns at once with what has arrived, a negative number is no limit.
///
/// Returns
/// - PUMICE_EVENT, and the event in `event`. It belongs to the stream, and is valid until the stream is used again,
///   except by pumice_stream_cancel(). It ends with a NUL, which `event_len` does not count. `event_len` may be NULL.
/// - PUMICE_TIMEOUT: the time has passed. Nothing is lost: call again.
/// - PUMICE_END: the response is complete.
/// - PUMICE_CANCELLED: pumice_stream_cancel() was called.
/// - PUMICE_FAILED: the response is not complete, or never began.
///
/// After one of the last three, the connection is closed, and each further call returns the same. Only one thread at a
/// time may wait for a stream: for a second one, the function fails, and the stream goes on.
///
/// # Safety
///
/// `stream` is a stream that is not freed. The other pointers each point to a value of their type, or are NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pumice_stream_next(
    stream: *mut Stream,
    timeout_ms: c_int,
    event: *mut *const c_char,
    event_len: *mut usize,
    error: *mut *mut Failure,
) -> c_int {
    // SAFETY: the caller's promise, in the section above.
    let (event, event_len, error) = unsafe { (Out::new(event), Out::new(event_len), Out::new(error)) };
    guarded(&error, || {
        event.named("event")?.set(null());
        event_len.set(0);
        // SAFETY: the caller's promise, in the section above.
        let stream = unsafe { handle("stream", stream)? };
        // A negative number is no duration.
        let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        Ok(match stream.next(timeout)? {
            Next::Event { text, length } => {
                event.set(text);
                event_len.set(length);
                PUMICE_EVENT
            }
            Next::Timeout => PUMICE_TIMEOUT,
            Next::End => PUMICE_END,
            Next::Cancelled => PUMICE_CANCELLED,
        })
    })
}

/// A function that is called with each event of a stream. `event` ends with a NUL, which `event_len` does not count,
/// and is valid until the function returns. A result other than 0 stops the stream.
pub type OnEvent =
    Option<unsafe extern "C" fn(user_data: *mut c_void, event: *const c_char, event_len: usize) -> c_int>;

/// Reads a stream to its end, and calls `on_event` with each event. All these calls are made by the thread that called
/// this function, before it returns. In them the stream may be cancelled or freed, and other calls made.
///
/// Returns PUMICE_END when the response is complete, PUMICE_CANCELLED when `on_event` or pumice_stream_cancel() stopped
/// it, or PUMICE_FAILED.
///
/// # Safety
///
/// `stream` is a stream that is not freed. `on_event` returns: it neither jumps nor throws past this function.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pumice_stream_run(
    stream: *mut Stream,
    on_event: OnEvent,
    user_data: *mut c_void,
    error: *mut *mut Failure,
) -> c_int {
    // SAFETY: the caller's promise, in the section above.
    let error = unsafe { Out::new(error) };
    guarded(&error, || {
        let on_event = on_event.ok_or_else(|| is_null("on_event"))?;
        // SAFETY: the caller's promise, in the section above.
        let stream = unsafe { handle("stream", stream)? };
        loop {
            match stream.next(None)? {
                Next::Event { text, length } => {
                    // SAFETY: the caller's promise, in the section above. The text is valid, because `stream` is a
                    // handle of its own, which holds the stream even if the function frees the caller's.
                    if unsafe { on_event(user_data, text, length) } != 0 {
                        stream.cancel();
                        return Ok(PUMICE_CANCELLED);
                    }
                }
                Next::End => return Ok(PUMICE_END),
                Next::Timeout | Next::Cancelled => return Ok(PUMICE_CANCELLED),
            }
        }
    })
}

/// Cancels a stream: its connection is closed, so that the model stops. Any thread may do this, also while another one
/// waits for the stream, whose wait then ends with PUMICE_CANCELLED. A stream that has ended stays as it is; NULL is
/// ignored.
///
/// # Safety
///
/// `stream` is a stream that is not freed, or NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pumice_stream_cancel(stream: *mut Stream) {
    guarded(&Out::NONE, || {
        // SAFETY: the caller's promise, in the section above.
        unsafe { handle("stream", stream)? }.cancel();
        Ok(PUMICE_OK)
    });
}

/// Frees a stream, and cancels it if it has not ended. NULL is ignored.
///
/// # Safety
///
/// `stream` is a stream that is not freed, or NULL. No other thread uses it any more, nor begins to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pumice_stream_free(stream: *mut Stream) {
    guarded(&Out::NONE, || {
        // SAFETY: the caller's promise, in the section above.
        if let Some(stream) = unsafe { released(stream) } {
            Stream::free(stream);
        }
        Ok(PUMICE_OK)
    });
}

/// Frees a response of pumice_call(). NULL is ignored.
///
/// # Safety
///
/// `string` is such a response that is not freed, or NULL. Its length has not been changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pumice_string_free(string: *mut c_char) {
    // SAFETY: the caller's promise, in the section above.
    unsafe { free_text(string) };
}

/// Frees an error with its texts. NULL is ignored.
///
/// # Safety
///
/// `error` is an error that one of these functions made and that is not freed, or NULL. Nothing in it has been changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pumice_error_free(error: *mut Failure) {
    // SAFETY: the caller's promise, in the section above.
    unsafe { Failure::free(error) };
}
