//! What holds for any bytes that cross the border: settings, an operation's name, a request, and the order of calls. For
//! tests and fuzzers alone.

#![allow(missing_docs, clippy::missing_panics_doc, reason = "for tests")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};

use serde_json::Value;

use crate::{
    Client, Failure, PUMICE_CANCELLED, PUMICE_END, PUMICE_ERROR_PANIC, PUMICE_EVENT, PUMICE_FAILED,
    PUMICE_OK, PUMICE_TIMEOUT, Stream, pumice_call, pumice_client_free, pumice_client_new, pumice_error_free,
    pumice_stream_cancel, pumice_stream_free, pumice_stream_next, pumice_stream_open, pumice_stream_run,
    pumice_string_free,
};

/// Lines: settings, an operation's name, a request, and a call per byte. A client of the settings is made and not used,
/// because they may name any server; the calls are those of a client with a recording.
pub fn border(data: &[u8]) {
    let mut lines = data.splitn(4, |byte| *byte == b'\n');
    let (settings, operation) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let (request, calls) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    // It may name any file, too.
    if !settings.windows(6).any(|word| word == b"replay") {
        free_client(client(settings));
    }
    // C's texts end at their first NUL.
    let operation = operation.split(|byte| *byte == 0).next().unwrap_or_default();
    let operation = CString::new(operation).unwrap_or_default();
    let recording =
        RECORDINGS.get(usize::from(calls.first().copied().unwrap_or_default()) % RECORDINGS.len());
    let recording = recording.copied().unwrap_or_default();
    let file = format!("{}/../fixtures/{recording}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let settings = format!(r#"{{"replay":{file:?},"maxAttempts":1,"replayLoop":true}}"#);
    let mut client = client(settings.as_bytes());
    assert!(!client.is_null(), "{settings}");
    let mut stream: *mut Stream = null_mut();
    // A wait without limit ends with each recording.
    for call in calls.iter().skip(1).take(MOST_CALLS) {
        match call % 9 {
            0 | 1 => {
                free_stream(stream);
                stream = open(client, &operation, request);
            }
            2 => whole(client, &operation, request),
            3 => drop(next(stream, -1)),
            4 => drop(next(stream, 0)),
            5 => run(stream, c_int::from(*call) / 9),
            // SAFETY: a stream that is not freed, or NULL.
            6 => unsafe { pumice_stream_cancel(stream) },
            7 => {
                free_stream(stream);
                stream = null_mut();
            }
            _ => {
                free_client(client);
                client = null_mut();
            }
        }
    }
    free_client(client);
    free_stream(stream);
}

fn client(settings: &[u8]) -> *mut Client {
    let (mut client, mut error) = (null_mut(), null_mut());
    // SAFETY: the settings with their length, and pointers to local variables.
    let status = unsafe {
        pumice_client_new(settings.as_ptr().cast(), settings.len(), &raw mut client, &raw mut error)
    };
    reported(status, &[PUMICE_OK], error);
    assert_eq!(client.is_null(), status == PUMICE_FAILED);
    client
}

fn open(client: *const Client, operation: &CStr, request: &[u8]) -> *mut Stream {
    let (mut stream, mut error) = (null_mut(), null_mut());
    let (start, length) = (request.as_ptr().cast(), request.len());
    // SAFETY: a client that is not freed, or NULL; the request with its length; pointers to local variables.
    let status = unsafe {
        pumice_stream_open(client, operation.as_ptr(), start, length, &raw mut stream, &raw mut error)
    };
    reported(status, &[PUMICE_OK], error);
    assert_eq!(stream.is_null(), status == PUMICE_FAILED);
    stream
}

fn whole(client: *const Client, operation: &CStr, request: &[u8]) {
    let (mut response, mut length, mut error) = (null_mut(), 0, null_mut());
    let (start, request_len) = (request.as_ptr().cast(), request.len());
    let name = operation.as_ptr();
    // SAFETY: as in `open`.
    let status = unsafe {
        pumice_call(client, name, start, request_len, &raw mut response, &raw mut length, &raw mut error)
    };
    reported(status, &[PUMICE_OK], error);
    if status == PUMICE_OK {
        is_json(response, length);
    }
    // SAFETY: the response of `pumice_call`, or NULL.
    unsafe { pumice_string_free(response) };
}

fn next(stream: *mut Stream, timeout_ms: c_int) -> c_int {
    let (mut event, mut length, mut error) = (null(), 0, null_mut());
    // SAFETY: a stream that is not freed, or NULL; pointers to local variables.
    let status =
        unsafe { pumice_stream_next(stream, timeout_ms, &raw mut event, &raw mut length, &raw mut error) };
    reported(status, &[PUMICE_EVENT, PUMICE_END, PUMICE_TIMEOUT, PUMICE_CANCELLED], error);
    assert_eq!(event.is_null(), status != PUMICE_EVENT);
    assert!(status != PUMICE_TIMEOUT || timeout_ms == 0);
    if status == PUMICE_EVENT {
        is_json(event, length);
    }
    status
}

fn run(stream: *mut Stream, mut events: c_int) {
    unsafe extern "C" fn count(events: *mut c_void, event: *const c_char, length: usize) -> c_int {
        is_json(event, length);
        // SAFETY: the number below.
        let events = unsafe { &mut *events.cast::<c_int>() };
        *events -= 1;
        c_int::from(*events <= 0)
    }
    let mut error = null_mut();
    // SAFETY: a stream that is not freed, or NULL; a function and its data, which live as long as this call.
    let status = unsafe { pumice_stream_run(stream, Some(count), (&raw mut events).cast(), &raw mut error) };
    reported(status, &[PUMICE_END, PUMICE_CANCELLED], error);
    if !stream.is_null() {
        assert!([PUMICE_END, PUMICE_CANCELLED, PUMICE_FAILED].contains(&next(stream, 0)));
    }
}

/// A function that failed has an error with a message, one that did not has none.
fn reported(status: c_int, expected: &[c_int], error: *mut Failure) {
    assert_eq!(error.is_null(), status != PUMICE_FAILED);
    assert!(status == PUMICE_FAILED || expected.contains(&status), "{status}");
    // SAFETY: the error of a function, or NULL.
    if let Some(error) = unsafe { error.as_ref() } {
        // SAFETY: a message is a text that ends with a NUL.
        let message = unsafe { CStr::from_ptr(error.message) };
        assert!(!message.to_str().is_ok_and(str::is_empty), "{message:?}");
        assert!(error.kind != PUMICE_ERROR_PANIC, "{message:?}");
    }
    // SAFETY: as above, and not used again.
    unsafe { pumice_error_free(error) };
}

fn is_json(text: *const c_char, length: usize) {
    // SAFETY: a text of the library, which ends with a NUL.
    let text = unsafe { CStr::from_ptr(text) }.to_bytes();
    assert_eq!(text.len(), length);
    assert!(!text.contains(&b'\n'));
    assert!(serde_json::from_slice::<Value>(text).is_ok_and(|event| event.is_object()));
}

fn free_client(client: *mut Client) {
    // SAFETY: a client that is not freed, or NULL; it is not used again.
    unsafe { pumice_client_free(client) };
}

fn free_stream(stream: *mut Stream) {
    // SAFETY: a stream that is not freed, or NULL; it is not used again.
    unsafe { pumice_stream_free(stream) };
}

const RECORDINGS: [&str; 4] = ["tool", "converse", "exception", "embedding"];
const MOST_CALLS: usize = 24;
