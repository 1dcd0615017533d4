//! What failed, in the words of each dialect.

use std::panic::AssertUnwindSafe;

use http::StatusCode;
use pumice::{Error, ErrorKind, Hint};
use serde_json::json;

/// A call that failed: its status, and what the dialects say of it.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// The HTTP status. Anthropic's is 529 where this is 503.
    pub(crate) status: StatusCode,
    /// OpenAI's `type`.
    pub(crate) openai: &'static str,
    /// OpenAI's `code`.
    pub(crate) code: Option<&'static str>,
    /// Anthropic's `type`.
    pub(crate) anthropic: &'static str,
    /// The service's own message, and the hint behind it.
    pub(crate) message: String,
    /// The member of the request that is at fault, if it is one.
    pub(crate) param: Option<String>,
    /// Bedrock's id of the request.
    pub(crate) request_id: Option<String>,
    /// Whether the message may quote what was said.
    pub(crate) quotes: bool,
    /// How many seconds to wait.
    pub(crate) retry_after: Option<u64>,
}

impl Failure {
    /// A request that cannot be translated. `param` names the member at fault: `messages[2].content`.
    pub(crate) fn invalid(param: impl Into<Option<String>>, message: impl Into<String>) -> Self {
        Self { param: param.into(), quotes: true, ..Self::new(StatusCode::BAD_REQUEST, message) }
    }

    /// A request that names no model.
    pub(crate) fn no_model() -> Self {
        let message = "model: expected the name of a model, found none";
        Self { quotes: false, ..Self::invalid("model".to_owned(), message) }
    }

    /// A failure of this status.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let (openai, anthropic) = match status.as_u16() {
            401 => ("authentication_error", "authentication_error"),
            403 => ("permission_error", "permission_error"),
            404 => ("not_found_error", "not_found_error"),
            408 => ("timeout", "api_error"),
            413 => ("invalid_request_error", "request_too_large"),
            429 => ("rate_limit_error", "rate_limit_error"),
            503 => ("server_error", "overloaded_error"),
            424 | 500.. => ("server_error", "api_error"),
            _ => ("invalid_request_error", "invalid_request_error"),
        };
        Self {
            status,
            openai,
            code: None,
            anthropic,
            message: message.into(),
            param: None,
            request_id: None,
            quotes: false,
            retry_after: None,
        }
    }

    /// The service knows no such model, which it says with 400.
    pub(crate) fn become_unknown_model(&mut self) {
        *self = Self {
            code: Some("model_not_found"),
            message: std::mem::take(&mut self.message),
            param: Some("model".into()),
            request_id: self.request_id.take(),
            ..Self::new(StatusCode::NOT_FOUND, "")
        };
    }

    /// The error as Bedrock says it, and the value of `x-amzn-errortype`.
    pub(crate) fn native(&self) -> (Vec<u8>, &'static str) {
        let code = match self.status.as_u16() {
            401 => "UnrecognizedClientException",
            403 => "AccessDeniedException",
            404 => "ResourceNotFoundException",
            408 => "ModelTimeoutException",
            424 => "ModelErrorException",
            429 => "ThrottlingException",
            502..=504 => "ServiceUnavailableException",
            500.. => "InternalServerException",
            _ => "ValidationException",
        };
        (json!({"message": self.message}).to_string().into(), code)
    }

    /// `{"error": …}` of OpenAI.
    pub(crate) fn openai(&self) -> Vec<u8> {
        let Self { openai, code, message, param, .. } = self;
        let error = json!({"error": {"message": message, "type": openai, "param": param, "code": code}});
        error.to_string().into()
    }

    /// `{"type": "error", …}` of Anthropic.
    pub(crate) fn anthropic(&self) -> Vec<u8> {
        let Self { anthropic, message, request_id, .. } = self;
        let error = json!({"type": anthropic, "message": message});
        json!({"type": "error", "error": error, "request_id": request_id}).to_string().into()
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let (status, code) = match error.kind() {
            // A recording does not hold what was asked for: to ask again does not help.
            ErrorKind::InvalidInput | ErrorKind::Validation | ErrorKind::Recording => (400, None),
            ErrorKind::Credentials => (401, None),
            ErrorKind::AccessDenied if is_of_credentials(error) => (401, None),
            ErrorKind::AccessDenied => (403, None),
            ErrorKind::NotFound => (404, Some("model_not_found")),
            ErrorKind::ModelTimeout => (408, None),
            ErrorKind::ModelError => match error.code() {
                Some(code) if code.to_ascii_lowercase().contains("stream") => (500, None),
                _ => (424, None),
            },
            ErrorKind::QuotaExceeded => (429, Some("insufficient_quota")),
            ErrorKind::Throttled | ErrorKind::ModelNotReady => (429, None),
            ErrorKind::Unavailable => (503, None),
            ErrorKind::Connect | ErrorKind::BrokenOff | ErrorKind::Damaged => (502, None),
            ErrorKind::Timeout => (504, None),
            _ => (500, None),
        };
        let mut message = error.message().to_owned();
        let context =
            matches!(error.hint(), Some(Hint::ShortenConversation { .. })) || is_context_length(&message);
        if let Some(hint) = error.hint() {
            message.push_str(if message.ends_with(['.', '!', '?']) { " " } else { "; " });
            message.push_str(&hint.to_string());
        }
        let mut failure = Self::new(StatusCode::from_u16(status).unwrap_or_default(), message);
        failure.code = if status == 400 && context { Some("context_length_exceeded") } else { code };
        if code == Some("insufficient_quota") {
            failure.openai = "insufficient_quota";
        }
        failure.request_id = error.request_id().map(str::to_owned);
        failure.retry_after = match error.retry_after() {
            Some(wait) => Some(wait.as_secs().max(1)),
            None => [429, 503].contains(&status).then_some(1),
        };
        failure
    }
}

/// Runs a step of a call. A panic is the failure of this call alone, in a program that unwinds.
pub(crate) fn caught<T>(step: impl FnOnce() -> T) -> Result<T, Error> {
    // What panicked is not used again: only dropped.
    std::panic::catch_unwind(AssertUnwindSafe(step)).map_err(|_| Error::new(ErrorKind::Internal, PANICKED))
}

/// What is said of a call that panicked.
pub(crate) const PANICKED: &str = "internal error of the gateway";

/// Whether the service refused who calls rather than what is called.
fn is_of_credentials(error: &Error) -> bool {
    let code = error.code().unwrap_or_default();
    error.status() == Some(401)
        || ["ExpiredToken", "UnrecognizedClient", "InvalidSignature", "MissingAuthenticationToken"]
            .iter()
            .any(|begin| code.starts_with(begin))
        || ["IncompleteSignature", "InvalidClientTokenId", "SignatureDoesNotMatch"].contains(&code)
}

/// Whether the service says that the prompt is too long for the model.
fn is_context_length(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["too long", "context length", "context window", "maximum number of tokens", "too many input tokens"]
        .iter()
        .any(|said| message.contains(said))
}
