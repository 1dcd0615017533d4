//! The error of all of the library.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
#[cfg(not(target_has_atomic = "ptr"))]
use alloc::rc::Rc as Arc;
use alloc::string::{String, ToString};
#[cfg(target_has_atomic = "ptr")]
use alloc::sync::Arc;
use core::error::Error as StdError;
use core::fmt;
use core::time::Duration;
#[cfg(feature = "std")]
use std::io;

use crate::hint::Hint;

/// The result of everything here that can fail.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// The kind of a failure, for a program to decide by.
///
/// Each kind says whether the client retries it: this is the retry policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call failed before anything was sent, because its input or a setting is wrong. Not retried.
    InvalidInput,
    /// A recording could not be read, written, or matched to the call. Not retried.
    Recording,
    /// No credentials were found, or a configured source of them is broken. Not retried.
    Credentials,
    /// The service refused the credentials or the access (401, 403). Not retried.
    AccessDenied,
    /// The service rejected the request (400, and any other 4xx that has no kind of its own). Not retried.
    Validation,
    /// The model, profile or guardrail does not exist here (404). Not retried.
    NotFound,
    /// A quota of the account is used up: `ServiceQuotaExceededException` (400), or the quota of a day (429). Not
    /// retried: waiting a little does not help.
    QuotaExceeded,
    /// The model failed on this request (`ModelErrorException`, `ModelStreamErrorException`, 424). Not retried.
    ModelError,
    /// The model took longer than the service allows (`ModelTimeoutException`, 408). Not retried: it would
    /// take as long again.
    ModelTimeout,
    /// The model is being prepared (`ModelNotReadyException`, 429). Retried.
    ModelNotReady,
    /// Too many requests or tokens (429). Retried, after a longer pause than the others.
    Throttled,
    /// The service failed (500). Retried, except for a status that has no kind of its own (501, 509).
    Internal,
    /// The service, or a gateway in front of it, is not available (502, 503, 504). Retried.
    Unavailable,
    /// No connection could be made: name, network, TLS, proxy. Nothing was sent. Retried.
    Connect,
    /// The request was sent, and then nothing arrived for longer than a limit allows. Retried while nothing has been
    /// delivered, unless a model may be working on the request: that would be paid twice.
    Timeout,
    /// The connection broke after the request was sent, or the response ended before it was complete. Retried as
    /// [`Timeout`](Self::Timeout) is.
    BrokenOff,
    /// What arrived violates the protocol: a wrong checksum, an impossible length, a body that is not the
    /// expected JSON. Not retried.
    Damaged,
    /// The service responded with a status that has no other kind. Not retried.
    Service,
}

impl ErrorKind {
    /// The kind as one word in camel case, for JSON and logs: `throttled`, `accessDenied`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalidInput",
            Self::Recording => "recording",
            Self::Credentials => "credentials",
            Self::AccessDenied => "accessDenied",
            Self::Validation => "validation",
            Self::NotFound => "notFound",
            Self::QuotaExceeded => "quotaExceeded",
            Self::ModelError => "modelError",
            Self::ModelTimeout => "modelTimeout",
            Self::ModelNotReady => "modelNotReady",
            Self::Throttled => "throttled",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::BrokenOff => "brokenOff",
            Self::Damaged => "damaged",
            Self::Service => "service",
        }
    }
}

/// A failure of any part of this library: a [kind](ErrorKind) to decide by, a [message](Self::message) to show, and
/// often a [hint](Self::hint) for the next step. It is one word wide, and cloning it is cheap.
///
/// Your own transports and credentials providers make their errors with [`new`](Self::new) and the `with_` methods:
///
/// ```
/// use pumice_codec::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Credentials, "the vault is sealed")
///     .with_hint("run: vault operator unseal");
/// assert_eq!(error.kind(), ErrorKind::Credentials);
/// assert!(!error.is_retryable());
/// ```
///
/// The library puts no credential, no signature and no whole payload into an error's text or `Debug`. A message
/// longer than 4000 characters (a code or a request id: 200) is cut and ends with `…`, since it may come from the
/// service.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    code: Option<String>,
    status: Option<u16>,
    request_id: Option<String>,
    original_status: Option<u16>,
    original_message: Option<String>,
    hint: Option<Hint>,
    retry_after: Option<Duration>,
    retryable: bool,
    offset: Option<u64>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind. The kind decides whether it is [retryable](Self::is_retryable), unless
    /// [`with_retryable`](Self::with_retryable) does.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let retryable = matches!(
            kind,
            ErrorKind::ModelNotReady
                | ErrorKind::Throttled
                | ErrorKind::Internal
                | ErrorKind::Unavailable
                | ErrorKind::Connect
                | ErrorKind::Timeout
                | ErrorKind::BrokenOff
        );
        Self(Arc::new(Inner {
            kind,
            message: shortened(message.into(), LONGEST_MESSAGE),
            code: None,
            status: None,
            request_id: None,
            original_status: None,
            original_message: None,
            hint: None,
            retry_after: None,
            retryable,
            offset: None,
            source: None,
        }))
    }

    /// Sets the cause, which [`source`](StdError::source) returns.
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner().source = Some(source.into().into());
        self
    }

    /// Says how many attempts of the call failed, if there was more than one.
    #[doc(hidden)]
    pub fn with_attempts(mut self, attempts: u32) -> Self {
        if attempts > 1 {
            let message = &mut self.inner().message;
            *message = format!("{message}; {attempts} attempts failed");
        }
        self
    }

    /// Sets the service's [code](Self::code).
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.inner().code = Some(shortened(code.into(), LONGEST_NAME));
        self
    }

    /// Sets the [HTTP status](Self::status).
    pub fn with_status(mut self, status: u16) -> Self {
        self.inner().status = Some(status);
        self
    }

    /// Sets the [id of the request](Self::request_id), if there is one.
    pub fn with_request_id<'a>(mut self, request_id: impl Into<Option<&'a str>>) -> Self {
        self.inner().request_id = request_id.into().map(|id| shortened(id.to_owned(), LONGEST_NAME));
        self
    }

    /// Sets the [hint](Self::hint): a [`Hint`], or a text.
    pub fn with_hint(mut self, hint: impl Into<Hint>) -> Self {
        self.inner().hint = Some(match hint.into() {
            Hint::Other(text) => Hint::Other(shortened(text, LONGEST_MESSAGE)),
            hint => hint,
        });
        self
    }

    /// Sets the [pause](Self::retry_after) that the service asks for, if it does.
    pub fn with_retry_after(mut self, retry_after: impl Into<Option<Duration>>) -> Self {
        self.inner().retry_after = retry_after.into();
        self
    }

    /// Sets whether it is [retryable](Self::is_retryable), whatever its kind.
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.inner().retryable = retryable;
        self
    }

    /// Sets the [offset](Self::offset) of a fault in the stream.
    pub fn with_offset(mut self, offset: u64) -> Self {
        self.inner().offset = Some(offset);
        self
    }

    /// The kind, to decide by.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call can succeed a little later. That does not mean that it should be repeated: what was
    /// delivered already would be delivered twice.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The service's name for the failure, as it was sent: `ThrottlingException`, or in an event
    /// stream `throttlingException`. `None` if the failure is not the service's.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// What happened, without the code before it.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status, if a response arrived.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The service's id of the request (`x-amzn-RequestId`), by which AWS support finds it.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The model's own status, if the service quotes it.
    pub fn original_status(&self) -> Option<u16> {
        self.0.original_status
    }

    /// The model's own message, if the service quotes it.
    pub fn original_message(&self) -> Option<&str> {
        self.0.original_message.as_deref()
    }

    /// The next thing to try: a command, a setting, a permission.
    pub fn hint(&self) -> Option<&Hint> {
        self.0.hint.as_ref()
    }

    /// The causes, from the [source](StdError::source) to the deepest.
    pub fn causes(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        core::iter::successors(self.source(), |cause| (*cause).source())
    }

    /// How long the service asks to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Where in the stream, in bytes from its beginning, the fault was found. Only for faults of the
    /// encoding ([`Damaged`](ErrorKind::Damaged), [`BrokenOff`](ErrorKind::BrokenOff)).
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    fn inner(&mut self) -> &mut Inner {
        Arc::make_mut(&mut self.0)
    }
}

/// Shorthands of `pumice`, not part of the public API.
#[doc(hidden)]
impl Error {
    pub fn damaged(offset: u64, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Damaged, message).with_offset(offset)
    }

    /// Adds a hint where there is none.
    pub fn or_hint(self, hint: Option<Hint>) -> Self {
        match hint {
            Some(hint) if self.hint().is_none() => self.with_hint(hint),
            _ => self,
        }
    }

    /// Sets the [status](Self::original_status) and the [message](Self::original_message) of the model's own.
    pub fn with_original(mut self, status: Option<u16>, message: Option<String>) -> Self {
        let inner = self.inner();
        inner.original_status = status;
        inner.original_message = message.map(|message| shortened(message, LONGEST_MESSAGE));
        self
    }

    /// Replaces each text for which `replacement` returns another. If a cause is replaced, all causes become one text;
    /// if the hint is, it becomes [`Hint::Other`].
    pub fn replacing(mut self, replacement: &dyn Fn(&str) -> Option<String>) -> Self {
        let Inner { message, code, request_id, original_message, hint, source, .. } = self.inner();
        let texts = [code, request_id, original_message].into_iter().flatten();
        for text in core::iter::once(message).chain(texts) {
            if let Some(new) = replacement(text) {
                *text = new;
            }
        }
        if let Some(hint) = hint
            && let Some(new) = replacement(&hint.to_string())
        {
            *hint = Hint::Other(new);
        }
        let (mut causes, mut replaced) = (String::new(), false);
        let mut cause = source.as_deref().map(|source| source as &(dyn StdError + 'static));
        while let Some(found) = cause {
            let text = found.to_string();
            let new = replacement(&text);
            replaced |= new.is_some();
            if !causes.is_empty() {
                causes.push_str(": ");
            }
            causes.push_str(new.as_deref().unwrap_or(&text));
            cause = found.source();
        }
        if replaced {
            *source = Some(Box::<dyn StdError + Send + Sync>::from(causes).into());
        }
        self
    }
}

/// For transports and providers: the kind follows from the I/O error's own.
///
/// - timed out: [`Timeout`](ErrorKind::Timeout)
/// - refused, unreachable, not connected: [`Connect`](ErrorKind::Connect)
/// - reset, aborted, broken pipe, unexpected end: [`BrokenOff`](ErrorKind::BrokenOff)
/// - invalid data: [`Damaged`](ErrorKind::Damaged)
/// - anything else, such as a file that does not exist or may not be read:
///   [`InvalidInput`](ErrorKind::InvalidInput)
///
/// The I/O error becomes the [source](StdError::source). One that wraps an `Error` gives that `Error` back.
#[cfg(feature = "std")]
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Io;

        let (kind, message) = match error.kind() {
            Io::TimedOut => (ErrorKind::Timeout, "the time limit has passed"),
            Io::ConnectionRefused
            | Io::HostUnreachable
            | Io::NetworkUnreachable
            | Io::NetworkDown
            | Io::AddrNotAvailable
            | Io::NotConnected => (ErrorKind::Connect, "no connection could be made"),
            Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::UnexpectedEof => {
                (ErrorKind::BrokenOff, "the connection broke")
            }
            Io::InvalidData => (ErrorKind::Damaged, "the data is damaged"),
            _ => (ErrorKind::InvalidInput, "an I/O operation failed"),
        };
        error.downcast().unwrap_or_else(|error| Self::new(kind, message).with_source(error))
    }
}

impl ErrorKind {
    /// The kind of a service's failure: from its code (over HTTP `ThrottlingException`, in an event
    /// stream `throttlingException`), or, if the code is unknown, from the status. Only the message tells the quota of
    /// a day from one of a minute.
    #[doc(hidden)]
    pub fn of_service(code: &str, message: &str, status: Option<u16>) -> Self {
        match Self::of_code(code, status) {
            Self::Throttled if is_of_a_day(message) => Self::QuotaExceeded,
            kind => kind,
        }
    }

    fn of_code(code: &str, status: Option<u16>) -> Self {
        let mut code = code.to_owned();
        if let Some(first) = code.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        match code.as_str() {
            "AccessDeniedException"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "NotAuthorized"
            | "OptInRequired"
            | "RequestExpired"
            | "SignatureDoesNotMatch"
            | "UnrecognizedClientException" => Self::AccessDenied,
            "ValidationException" => Self::Validation,
            "ResourceNotFoundException" => Self::NotFound,
            "ServiceQuotaExceededException" => Self::QuotaExceeded,
            "ModelErrorException" | "ModelStreamErrorException" => Self::ModelError,
            "ModelTimeoutException" => Self::ModelTimeout,
            "ModelNotReadyException" => Self::ModelNotReady,
            // The codes that all AWS SDKs treat as throttling, whatever the status.
            "Throttling"
            | "ThrottlingException"
            | "ThrottledException"
            | "RequestThrottledException"
            | "TooManyRequestsException"
            | "ProvisionedThroughputExceededException"
            | "TransactionInProgressException"
            | "RequestLimitExceeded"
            | "BandwidthLimitExceeded"
            | "LimitExceededException"
            | "RequestThrottled"
            | "SlowDown"
            | "PriorRequestNotComplete"
            | "EC2ThrottledException" => Self::Throttled,
            "RequestTimeout" | "RequestTimeoutException" | "ServiceUnavailableException" => Self::Unavailable,
            "InternalServerException" => Self::Internal,
            _ => match status {
                Some(401 | 403) => Self::AccessDenied,
                Some(404) => Self::NotFound,
                Some(408) => Self::ModelTimeout,
                Some(424) => Self::ModelError,
                Some(429) => Self::Throttled,
                Some(400..=499) => Self::Validation,
                Some(502..=504) => Self::Unavailable,
                Some(500..=599) => Self::Internal,
                _ => Self::Service,
            },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { message, code, .. } = &*self.0;
        match code {
            Some(code) if message.is_empty() => f.write_str(code),
            Some(code) => write!(f, "{code}: {message}"),
            None => f.write_str(message),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &inner.kind).field("message", &inner.message);
        if let Some(code) = &inner.code {
            debug.field("code", code);
        }
        if let Some(status) = &inner.status {
            debug.field("status", status);
        }
        if let Some(request_id) = &inner.request_id {
            debug.field("request_id", request_id);
        }
        if let Some(hint) = &inner.hint {
            debug.field("hint", hint);
        }
        if let Some(retry_after) = &inner.retry_after {
            debug.field("retry_after", retry_after);
        }
        if let Some(offset) = &inner.offset {
            debug.field("offset", offset);
        }
        if let Some(source) = &inner.source {
            debug.field("source", source);
        }
        debug.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Whether a message speaks of the quota of a day: "Too many tokens per day, please wait before trying again."
pub fn is_of_a_day(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("per day") || message.contains("daily")
}

/// Cuts a text to this many characters, and marks the cut with `…`.
pub fn shortened(mut text: String, characters: usize) -> String {
    // No text has more characters than bytes.
    if text.len() > characters
        && let Some((at, _)) = text.char_indices().nth(characters)
    {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// The longest message or hint, in characters.
const LONGEST_MESSAGE: usize = 4000;
/// The longest code or request id, in characters.
const LONGEST_NAME: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_word_wide() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
        assert_eq!(size_of::<Result<()>>(), size_of::<usize>());
    }

    #[test]
    fn a_code_means_the_same_over_http_and_in_a_stream() {
        for code in [
            "InternalServerException",
            "ModelStreamErrorException",
            "ValidationException",
            "ThrottlingException",
            "ServiceUnavailableException",
            "ModelTimeoutException",
        ] {
            let lower = format!("{}{}", code[..1].to_lowercase(), &code[1..]);
            assert_eq!(ErrorKind::of_service(code, "", None), ErrorKind::of_service(&lower, "", None));
            assert_ne!(ErrorKind::of_service(code, "", None), ErrorKind::Service, "{code}");
        }
    }

    #[test]
    fn an_unknown_code_goes_by_its_status() {
        for (status, kind) in [
            (400, ErrorKind::Validation),
            (401, ErrorKind::AccessDenied),
            (403, ErrorKind::AccessDenied),
            (404, ErrorKind::NotFound),
            (408, ErrorKind::ModelTimeout),
            (418, ErrorKind::Validation),
            (424, ErrorKind::ModelError),
            (429, ErrorKind::Throttled),
            (500, ErrorKind::Internal),
            (503, ErrorKind::Unavailable),
            (302, ErrorKind::Service),
        ] {
            assert_eq!(ErrorKind::of_service("SomethingNew", "", Some(status)), kind, "{status}");
        }
        assert_eq!(ErrorKind::of_service("", "", None), ErrorKind::Service);
        assert_eq!(ErrorKind::of_service("é", "", Some(400)), ErrorKind::Validation);
    }

    #[test]
    fn the_quota_of_a_day_is_not_waited_for() {
        for (code, message, status, kind) in [
            (
                "ThrottlingException",
                "Too many tokens per day, please wait before trying again.",
                429,
                ErrorKind::QuotaExceeded,
            ),
            ("throttlingException", "Too many requests per day", 200, ErrorKind::QuotaExceeded),
            ("", "Your daily token limit has been reached.", 429, ErrorKind::QuotaExceeded),
            (
                "ThrottlingException",
                "Too many tokens, please wait before trying again.",
                429,
                ErrorKind::Throttled,
            ),
            ("ValidationException", "at most 3 per day", 400, ErrorKind::Validation),
        ] {
            assert_eq!(ErrorKind::of_service(code, message, Some(status)), kind, "{message}");
            assert_eq!(Error::new(kind, message).is_retryable(), kind == ErrorKind::Throttled);
        }
    }

    #[test]
    fn a_stranger_does_not_decide_how_long_an_error_is() {
        assert_eq!(shortened("éé".into(), 2), "éé");
        assert_eq!(shortened("ééé".into(), 2), "éé…");
        let long = "é".repeat(5_000_000);
        let error = Error::new(ErrorKind::Service, long.as_str()).with_hint(long.as_str());
        let error = error.with_code(long.as_str()).with_request_id(long.as_str());
        let length = |text: Option<&str>| text.unwrap().chars().count();
        let hint = error.hint().map(Hint::to_string);
        assert_eq!((length(Some(error.message())), length(hint.as_deref())), (4001, 4001));
        assert_eq!((length(error.code()), length(error.request_id())), (201, 201));
    }

    #[test]
    fn texts_are_replaced_in_causes_too() {
        let other = |text: &str| text.contains("sekret").then(|| text.replace("sekret", "…"));
        let cause = Error::new(ErrorKind::Damaged, "outer").with_source("inner sekret");
        let error = Error::new(ErrorKind::Damaged, "a sekret")
            .with_code("sekretCode")
            .with_hint("no secret")
            .with_request_id(Some("id-sekret"))
            .with_source(cause)
            .replacing(&other);
        assert_eq!((error.to_string().as_str(), error.hint()), ("…Code: a …", Some(&"no secret".into())));
        assert_eq!(error.request_id(), Some("id-…"));
        assert_eq!(error.source().unwrap().to_string(), "outer: inner …");

        let error = Error::new(ErrorKind::Damaged, "a").with_source(fmt::Error).replacing(&other);
        assert!(error.source().unwrap().is::<fmt::Error>());
    }

    #[test]
    fn the_code_stands_before_the_message() {
        let error = Error::new(ErrorKind::Throttled, "Too many tokens").with_code("ThrottlingException");
        assert_eq!(error.to_string(), "ThrottlingException: Too many tokens");
        assert_eq!(Error::new(ErrorKind::Throttled, "").with_code("X").to_string(), "X");
    }

    #[test]
    fn a_clone_that_is_changed_leaves_the_other_as_it_was() {
        let error = Error::new(ErrorKind::Connect, "no connection").with_source(io::Error::other("cause"));
        let changed = error.clone().with_retryable(false).with_status(502);
        assert_eq!((changed.status(), changed.is_retryable()), (Some(502), false));
        assert_eq!((error.status(), error.is_retryable()), (None, true));
        assert_eq!(changed.source().unwrap().to_string(), "cause");
    }

    #[test]
    fn an_io_error_has_the_kind_that_fits() {
        for (io, kind, retryable) in [
            (io::ErrorKind::TimedOut, ErrorKind::Timeout, true),
            (io::ErrorKind::ConnectionRefused, ErrorKind::Connect, true),
            (io::ErrorKind::ConnectionReset, ErrorKind::BrokenOff, true),
            (io::ErrorKind::UnexpectedEof, ErrorKind::BrokenOff, true),
            (io::ErrorKind::InvalidData, ErrorKind::Damaged, false),
            (io::ErrorKind::NotFound, ErrorKind::InvalidInput, false),
        ] {
            let error = Error::from(io::Error::new(io, "cause"));
            assert_eq!((error.kind(), error.is_retryable()), (kind, retryable));
            assert_eq!(error.source().unwrap().to_string(), "cause");
        }
        let wrapped = io::Error::other(Error::new(ErrorKind::Throttled, "slow down"));
        assert_eq!(Error::from(wrapped).kind(), ErrorKind::Throttled);
    }
}
