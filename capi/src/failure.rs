//! A failure as C sees it.

use std::any::Any;
use std::error::Error as _;
use std::ffi::{CString, c_char, c_int};
use std::ptr::null;

use pumice::{Error, ErrorKind};

/// Kinds of errors. A kind that this version has no number for.
pub const PUMICE_ERROR_OTHER: c_int = 0;
/// An argument, a setting or a member of the request is wrong. Nothing was sent.
pub const PUMICE_ERROR_INVALID_INPUT: c_int = 1;
/// The recording cannot be read, or has no response to this call.
pub const PUMICE_ERROR_RECORDING: c_int = 2;
/// No credentials were found, or a configured source of them is broken.
pub const PUMICE_ERROR_CREDENTIALS: c_int = 3;
/// The service refused the credentials or the access (401, 403).
pub const PUMICE_ERROR_ACCESS_DENIED: c_int = 4;
/// The service rejected the request (400, and any other 4xx without a kind of its own).
pub const PUMICE_ERROR_VALIDATION: c_int = 5;
/// The model, profile or guardrail does not exist here (404).
pub const PUMICE_ERROR_NOT_FOUND: c_int = 6;
/// A quota of the account is used up. To wait a little does not help.
pub const PUMICE_ERROR_QUOTA_EXCEEDED: c_int = 7;
/// The model failed on this request (424).
pub const PUMICE_ERROR_MODEL_ERROR: c_int = 8;
/// The model took longer than the service allows (408).
pub const PUMICE_ERROR_MODEL_TIMEOUT: c_int = 9;
/// The model is being prepared (429).
pub const PUMICE_ERROR_MODEL_NOT_READY: c_int = 10;
/// Too many requests or tokens (429).
pub const PUMICE_ERROR_THROTTLED: c_int = 11;
/// The service failed (500).
pub const PUMICE_ERROR_INTERNAL: c_int = 12;
/// The service, or a gateway in front of it, is not available (502, 503, 504).
pub const PUMICE_ERROR_UNAVAILABLE: c_int = 13;
/// No connection could be made. Nothing was sent.
pub const PUMICE_ERROR_CONNECT: c_int = 14;
/// The request was sent, and then nothing arrived for longer than a time limit of the client.
pub const PUMICE_ERROR_TIMEOUT: c_int = 15;
/// The connection broke after the request was sent, or the response ended before it was complete.
pub const PUMICE_ERROR_BROKEN_OFF: c_int = 16;
/// What arrived violates the protocol.
pub const PUMICE_ERROR_DAMAGED: c_int = 17;
/// The service responded with a status that has no other kind.
pub const PUMICE_ERROR_SERVICE: c_int = 18;
/// A fault of pumice itself.
pub const PUMICE_ERROR_PANIC: c_int = 19;

/// Why a function failed. To be freed with pumice_error_free(), with all its texts. A later version may add members at
/// the end.
#[derive(Debug)]
#[repr(C)]
pub struct Failure {
    /// PUMICE_ERROR_…, to decide by.
    pub kind: c_int,
    /// Whether the same call can succeed a little later: 1 or 0. What was delivered would be delivered again.
    pub retryable: c_int,
    /// The HTTP status; 0 if no response arrived.
    pub http_status: c_int,
    /// How many milliseconds the service asks to wait before the next call; -1 if it does not say.
    pub retry_after_ms: i64,
    /// What happened, with its causes. Never NULL, and without secrets.
    pub message: *const c_char,
    /// The service's name for the failure, such as "ThrottlingException"; NULL if it is not the service's.
    pub code: *const c_char,
    /// What to do next; NULL if there is nothing to say.
    pub hint: *const c_char,
    /// The service's id of the request, for AWS support; NULL if there is none.
    pub request_id: *const c_char,
}

impl Failure {
    fn new(kind: c_int, message: &str) -> Self {
        Self {
            kind,
            retryable: 0,
            http_status: 0,
            retry_after_ms: -1,
            message: for_c(message),
            code: null(),
            hint: null(),
            request_id: null(),
        }
    }

    /// The failure that a panic is.
    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let message = payload.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Self::new(PUMICE_ERROR_PANIC, &format!("pumice panicked: {message}"))
    }

    /// Frees a failure that C was given.
    ///
    /// # Safety
    ///
    /// The pointer is NULL or of `Box::into_raw`, and not used again. Nothing in the failure has been changed.
    pub(crate) unsafe fn free(failure: *mut Self) {
        if !failure.is_null() {
            // SAFETY: the caller's promise.
            drop(unsafe { Box::from_raw(failure) });
        }
    }
}

impl Drop for Failure {
    fn drop(&mut self) {
        for text in [self.message, self.code, self.hint, self.request_id] {
            // SAFETY: each is NULL or was made by `for_c`.
            unsafe { free_text(text) };
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut message = error.message().to_owned();
        let mut cause = error.source();
        while let Some(found) = cause {
            let text = found.to_string().chars().take(LONGEST_CAUSE).collect::<String>();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            cause = found.source();
        }
        // No struct update: that would drop the other failure, and free the texts that both point to.
        let mut failure = Self::new(number(error.kind()), &message);
        failure.retryable = error.is_retryable().into();
        failure.http_status = error.status().map_or(0, c_int::from);
        let pause = error.retry_after();
        failure.retry_after_ms =
            pause.map_or(-1, |pause| i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
        failure.code = error.code().map_or(null(), for_c);
        failure.hint = error.hint().map_or(null(), |hint| for_c(&hint.to_string()));
        failure.request_id = error.request_id().map_or(null(), for_c);
        failure
    }
}

fn number(kind: ErrorKind) -> c_int {
    match kind {
        ErrorKind::InvalidInput => PUMICE_ERROR_INVALID_INPUT,
        ErrorKind::Recording => PUMICE_ERROR_RECORDING,
        ErrorKind::Credentials => PUMICE_ERROR_CREDENTIALS,
        ErrorKind::AccessDenied => PUMICE_ERROR_ACCESS_DENIED,
        ErrorKind::Validation => PUMICE_ERROR_VALIDATION,
        ErrorKind::NotFound => PUMICE_ERROR_NOT_FOUND,
        ErrorKind::QuotaExceeded => PUMICE_ERROR_QUOTA_EXCEEDED,
        ErrorKind::ModelError => PUMICE_ERROR_MODEL_ERROR,
        ErrorKind::ModelTimeout => PUMICE_ERROR_MODEL_TIMEOUT,
        ErrorKind::ModelNotReady => PUMICE_ERROR_MODEL_NOT_READY,
        ErrorKind::Throttled => PUMICE_ERROR_THROTTLED,
        ErrorKind::Internal => PUMICE_ERROR_INTERNAL,
        ErrorKind::Unavailable => PUMICE_ERROR_UNAVAILABLE,
        ErrorKind::Connect => PUMICE_ERROR_CONNECT,
        ErrorKind::Timeout => PUMICE_ERROR_TIMEOUT,
        ErrorKind::BrokenOff => PUMICE_ERROR_BROKEN_OFF,
        ErrorKind::Damaged => PUMICE_ERROR_DAMAGED,
        ErrorKind::Service => PUMICE_ERROR_SERVICE,
        _ => PUMICE_ERROR_OTHER,
    }
}

/// A text for C, to be freed by `free_text`. A NUL in it, which only a service can have put there, becomes `�`.
fn for_c(text: &str) -> *const c_char {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default().into_raw()
}

/// Frees a text that `CString::into_raw` gave.
///
/// # Safety
///
/// The pointer is NULL or of `CString::into_raw`, and not used again.
pub(crate) unsafe fn free_text(text: *const c_char) {
    if !text.is_null() {
        // SAFETY: the caller's promise.
        drop(unsafe { CString::from_raw(text.cast_mut()) });
    }
}

/// How much of a cause is shown, in characters.
const LONGEST_CAUSE: usize = 1000;

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    #[test]
    fn a_text_from_a_service_ends_where_it_should() {
        let failure = Failure::from(Error::new(ErrorKind::Service, "a\0b").with_source("cause"));
        // SAFETY: a message is a text that ends with a NUL.
        let message = unsafe { CStr::from_ptr(failure.message) };
        assert_eq!(message.to_str(), Ok("a\u{fffd}b: cause"));
        assert!(failure.code.is_null() && failure.hint.is_null() && failure.request_id.is_null());
    }
}
