//! Pointers from C into Rust's types and back, panics into failures, and the signal of a closed connection.

use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::sync::Arc;

use pumice::{Error, ErrorKind, Result};

use crate::PUMICE_FAILED;
use crate::failure::Failure;

/// Where a function writes a result for its caller. NULL is nowhere.
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Writes nowhere.
    pub(crate) const NONE: Self = Self(null_mut());

    /// # Safety
    ///
    /// The pointer is NULL or can be written to while this lives. What it points to need not be initialised.
    pub(crate) unsafe fn new(pointer: *mut T) -> Self {
        Self(pointer)
    }

    /// Fails with the argument's name where it is NULL.
    pub(crate) fn named(&self, argument: &str) -> Result<&Self> {
        if self.0.is_null() { Err(is_null(argument)) } else { Ok(self) }
    }

    pub(crate) fn set(&self, value: T) {
        if !self.0.is_null() {
            // SAFETY: `new`'s caller promised that it can be written to.
            unsafe { self.0.write(value) };
        }
    }
}

/// Runs what a function does. Reports its failure, and a panic as one.
pub(crate) fn guarded(
    error: &Out<*mut Failure>,
    body: impl FnOnce() -> std::result::Result<c_int, Failure>,
) -> c_int {
    // Where a panic could leave something half done, it is a mutex that is poisoned then: see `stream`.
    let result = catch_unwind(AssertUnwindSafe(body));
    let result = result.unwrap_or_else(|panic| Err(Failure::panicked(&*panic)));
    error.set(null_mut());
    result.unwrap_or_else(|failure| {
        if error.named("error").is_ok() {
            error.set(Box::into_raw(Box::new(failure)));
        }
        PUMICE_FAILED
    })
}

/// A handle for C of a new value.
pub(crate) fn into_handle<T>(value: T) -> *mut T {
    Arc::into_raw(Arc::new(value)).cast_mut()
}

/// The value of a handle, held for as long as a function uses it.
///
/// # Safety
///
/// The handle is of [`into_handle`] and not [`released`], or NULL.
pub(crate) unsafe fn handle<T>(argument: &str, handle: *const T) -> Result<Arc<T>> {
    if handle.is_null() {
        return Err(is_null(argument));
    }
    // SAFETY: the handle is the pointer of an `Arc`, of which it counts as one.
    unsafe { Arc::increment_strong_count(handle) };
    // SAFETY: as above; the count that this takes over was added just before.
    Ok(unsafe { Arc::from_raw(handle) })
}

/// Takes a handle back. `None` if it is NULL.
///
/// # Safety
///
/// As for [`handle()`]. The handle is not used again.
pub(crate) unsafe fn released<T>(handle: *mut T) -> Option<Arc<T>> {
    // SAFETY: the handle is the pointer of an `Arc`, of which it counts as one.
    (!handle.is_null()).then(|| unsafe { Arc::from_raw(handle.cast_const()) })
}

/// A text of this length.
///
/// # Safety
///
/// The pointer points to this many bytes, which nobody changes during `'a`.
pub(crate) unsafe fn text<'a>(argument: &str, start: *const c_char, length: usize) -> Result<&'a str> {
    if length == 0 {
        return Ok("");
    }
    if start.is_null() {
        return Err(is_null(argument));
    }
    if isize::try_from(length).is_err() {
        return Err(invalid(argument, "expected a length, found a number that no memory has"));
    }
    // SAFETY: not NULL, and not longer than memory; the rest is the caller's promise.
    let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) };
    utf8(argument, bytes)
}

/// A text that ends with a NUL.
///
/// # Safety
///
/// The pointer is NULL or points to such a text, which nobody changes during `'a`.
pub(crate) unsafe fn name<'a>(argument: &str, start: *const c_char) -> Result<&'a str> {
    if start.is_null() {
        return Err(is_null(argument));
    }
    // SAFETY: not NULL; the rest is the caller's promise.
    utf8(argument, unsafe { CStr::from_ptr(start) }.to_bytes())
}

fn utf8<'a>(argument: &str, bytes: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(bytes).map_err(|fault| {
        invalid(argument, &format!("expected UTF-8, found other bytes from byte {}", fault.valid_up_to()))
    })
}

/// JSON for C. It has no NUL: JSON writes it as an escape.
pub(crate) fn json(text: String) -> Result<CString> {
    CString::new(text)
        .map_err(|_| Error::new(ErrorKind::Damaged, "expected JSON, found a text with a NUL in it"))
}

/// The error of an argument that must not be NULL.
pub(crate) fn is_null(argument: &str) -> Error {
    invalid(argument, "expected a pointer, found NULL")
}

fn invalid(argument: &str, fault: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{argument}: {fault}"))
}

/// Runs a function that starts threads, so that a connection that a server closes is no `SIGPIPE` for them, which would
/// end the program. Other signals they take as this thread does: commands that they run for credentials inherit that.
#[cfg(unix)]
pub(crate) fn without_sigpipe<T>(start: impl FnOnce() -> T) -> T {
    use std::mem::MaybeUninit;

    let (mut pipe, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: `sigemptyset` writes the set that it is given.
    unsafe { libc::sigemptyset(pipe.as_mut_ptr()) };
    // SAFETY: `pipe` was written above. It fails only for a signal that does not exist.
    unsafe { libc::sigaddset(pipe.as_mut_ptr(), libc::SIGPIPE) };
    // SAFETY: `pipe` was written above, and `before` is written here. It fails only for an unknown first argument.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, pipe.as_ptr(), before.as_mut_ptr()) };
    let started = start();
    // SAFETY: `before` was written above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), null_mut()) };
    started
}

/// Runs a function that starts threads.
#[cfg(not(unix))]
pub(crate) fn without_sigpipe<T>(start: impl FnOnce() -> T) -> T {
    start()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PUMICE_ERROR_PANIC, PUMICE_OK};

    #[test]
    fn a_panic_is_a_failure() {
        let mut failure = null_mut();
        // SAFETY: a pointer to a local variable.
        let error = unsafe { Out::new(&raw mut failure) };
        assert_eq!(guarded(&error, || panic!("at {}", "the border")), PUMICE_FAILED);
        // SAFETY: `guarded` has set it.
        let found = unsafe { &*failure };
        // SAFETY: a message is a text that ends with a NUL.
        let message = unsafe { CStr::from_ptr(found.message) };
        assert_eq!(
            (found.kind, message.to_str()),
            (PUMICE_ERROR_PANIC, Ok("pumice panicked: at the border"))
        );
        // SAFETY: made by `guarded`.
        unsafe { Failure::free(failure) };

        assert_eq!(guarded(&error, || Ok(PUMICE_OK)), PUMICE_OK);
        assert!(failure.is_null());
        assert_eq!(guarded(&Out::NONE, || panic!("unseen")), PUMICE_FAILED);
    }
}
