//! What can go wrong, in one type.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

/// The result of everything here that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it was: what a program decides by.
///
/// The documentation of each kind says whether the same call, made again a little later, can succeed:
/// it is the retry policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call was refused before anything was sent: its input cannot be right. Not retried.
    InvalidInput,
    /// A recording could not be read, written, or matched to the call. Not retried.
    Recording,
    /// No credentials were found, or a configured source of them is broken. Not retried.
    Credentials,
    /// The service refused the credentials or the access (401, 403). Not retried.
    AccessDenied,
    /// The service found the request wrong (400, and any other 4xx that has no kind of its own). Not retried.
    Validation,
    /// The model, profile or guardrail does not exist here (404). Not retried.
    NotFound,
    /// An account's quota is used up (`ServiceQuotaExceededException`, 400). Not retried: waiting a little does not help.
    QuotaExceeded,
    /// The model failed while it worked on the request (`ModelErrorException`, `ModelStreamErrorException`, 424). Not retried.
    ModelError,
    /// The model took too long for the service (`ModelTimeoutException`, 408). Not retried: it would
    /// take as long again.
    ModelTimeout,
    /// The model is being made ready (`ModelNotReadyException`, 429). Retried.
    ModelNotReady,
    /// Too many requests or tokens (429). Retried, after a longer pause than the others.
    Throttled,
    /// The service failed (500). Retried; with a status that has no kind of its own (501, 509), not.
    Internal,
    /// The service, or a gateway before it, is not available (502, 503, 504). Retried.
    Unavailable,
    /// No connection could be made: name, network, TLS, proxy. Retried.
    Connect,
    /// Nothing came for longer than the limit allows. Retried while nothing has been delivered.
    Timeout,
    /// The connection broke, or the answer ended before it was complete. Retried while nothing has
    /// been delivered.
    BrokenOff,
    /// What came is not what the protocol allows: a wrong checksum, an impossible length, a body
    /// that is not the JSON it should be. Not retried.
    Damaged,
    /// The service answered with a status that has no other kind. Not retried.
    Service,
}

/// A failure of any part of this library: a [kind](ErrorKind) to decide by, the service's own words to
/// show, and often a [hint](Self::hint) that names the next step. It is one word wide.
///
/// No error text, and no `Debug` of one, holds a credential, a signature or a whole payload. What is longer than
/// 4000 characters (a code or a request id: 200) ends with `…`, for the service decides how long it is.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    code: Option<String>,
    status: Option<u16>,
    request_id: Option<String>,
    hint: Option<String>,
    retry_after: Option<Duration>,
    retryable: bool,
    offset: Option<u64>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// What to decide by.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call can succeed a little later, by its [kind](ErrorKind) or by the
    /// service's own word. Whether to make it again is another question: nothing that has been
    /// delivered may be delivered twice.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }

    /// The service's name for the failure, as it was sent: `ThrottlingException`, or in an event
    /// stream `throttlingException`. `None` where the failure is not the service's.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// What happened, without the code before it.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status, where an answer came.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The service's id of the request (`x-amzn-RequestId`), by which AWS support finds it.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// The next thing to try: a command, a setting, a permission.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// How long the service asks to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Where in the stream, in bytes from its beginning, the fault was found. Only for faults of the
    /// encoding ([`Damaged`](ErrorKind::Damaged), [`BrokenOff`](ErrorKind::BrokenOff)).
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }
}

/// What makes an error. Nobody but `pumice` is promised it.
#[doc(hidden)]
impl Error {
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
        Self(Box::new(Inner {
            kind,
            message: shortened(message.into(), LONGEST_MESSAGE),
            code: None,
            status: None,
            request_id: None,
            hint: None,
            retry_after: None,
            retryable,
            offset: None,
            source: None,
        }))
    }

    pub fn damaged(offset: u64, message: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorKind::Damaged, message);
        error.0.offset = Some(offset);
        error
    }

    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.0.code = Some(shortened(code.into(), LONGEST_NAME));
        self
    }

    pub fn with_offset(mut self, offset: u64) -> Self {
        self.0.offset = Some(offset);
        self
    }
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    pub fn with_request_id(mut self, request_id: Option<&str>) -> Self {
        self.0.request_id = request_id.map(|id| shortened(id.to_owned(), LONGEST_NAME));
        self
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(shortened(hint.into(), LONGEST_MESSAGE));
        self
    }

    pub fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.0.retry_after = retry_after;
        self
    }

    /// Adds a hint where there is none.
    pub fn or_hint(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) if self.hint().is_none() => self.with_hint(hint),
            _ => self,
        }
    }

    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// Replaces each text for which `other` has another. Causes become one text if one of theirs is replaced.
    pub fn replacing(mut self, other: &dyn Fn(&str) -> Option<String>) -> Self {
        let Inner { message, code, request_id, hint, source, .. } = &mut *self.0;
        let texts = [code, request_id, hint].into_iter().flatten();
        for text in std::iter::once(message).chain(texts) {
            if let Some(other) = other(text) {
                *text = other;
            }
        }
        let (mut causes, mut replaced) = (String::new(), false);
        let mut cause = source.as_deref().map(|source| source as &(dyn StdError + 'static));
        while let Some(found) = cause {
            let text = found.to_string();
            let other = other(&text);
            replaced |= other.is_some();
            if !causes.is_empty() {
                causes.push_str(": ");
            }
            causes.push_str(other.as_deref().unwrap_or(&text));
            cause = found.source();
        }
        if replaced {
            *source = Some(causes.into());
        }
        self
    }
}

impl ErrorKind {
    /// The kind of a service's failure, from its code (over HTTP `ThrottlingException`, in an event
    /// stream `throttlingException`) and, for a code that says nothing, from the status.
    #[doc(hidden)]
    pub fn of_service(code: &str, status: Option<u16>) -> Self {
        let mut code = code.to_owned();
        if let Some(first) = code.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        match code.as_str() {
            "AccessDeniedException"
            | "ExpiredToken"
            | "ExpiredTokenException"
            | "IncompleteSignature"
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
            // The codes that every AWS client takes for throttling, whatever their status.
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

/// As many characters of a text, with `…` in place of what is behind them.
pub fn shortened(mut text: String, characters: usize) -> String {
    // A text has no more characters than bytes.
    if text.len() > characters
        && let Some((at, _)) = text.char_indices().nth(characters)
    {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// What is kept of a message or a hint, in characters.
const LONGEST_MESSAGE: usize = 4000;
/// What is kept of a code or a request id, in characters.
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
            assert_eq!(ErrorKind::of_service(code, None), ErrorKind::of_service(&lower, None));
            assert_ne!(ErrorKind::of_service(code, None), ErrorKind::Service, "{code}");
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
            assert_eq!(ErrorKind::of_service("SomethingNew", Some(status)), kind, "{status}");
        }
        assert_eq!(ErrorKind::of_service("", None), ErrorKind::Service);
        assert_eq!(ErrorKind::of_service("é", Some(400)), ErrorKind::Validation);
    }

    #[test]
    fn a_stranger_does_not_decide_how_long_an_error_is() {
        assert_eq!(shortened("éé".into(), 2), "éé");
        assert_eq!(shortened("ééé".into(), 2), "éé…");
        let long = "é".repeat(5_000_000);
        let error = Error::new(ErrorKind::Service, long.as_str()).with_hint(long.as_str());
        let error = error.with_code(long.as_str()).with_request_id(Some(&long));
        let length = |text: Option<&str>| text.unwrap().chars().count();
        assert_eq!((length(Some(error.message())), length(error.hint())), (4001, 4001));
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
        assert_eq!((error.to_string().as_str(), error.hint()), ("…Code: a …", Some("no secret")));
        assert_eq!(error.request_id(), Some("id-…"));
        assert_eq!(error.source().unwrap().to_string(), "outer: inner …");

        let error = Error::new(ErrorKind::Damaged, "a").with_source(std::fmt::Error).replacing(&other);
        assert!(error.source().unwrap().is::<std::fmt::Error>());
    }

    #[test]
    fn the_code_stands_before_the_message() {
        let error = Error::new(ErrorKind::Throttled, "Too many tokens").with_code("ThrottlingException");
        assert_eq!(error.to_string(), "ThrottlingException: Too many tokens");
        assert_eq!(Error::new(ErrorKind::Throttled, "").with_code("X").to_string(), "X");
    }
}
