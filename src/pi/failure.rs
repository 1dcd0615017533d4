//! Failures in pi-ai's words: agents tell them apart by regular expressions.

use super::message::{Diagnostic, DiagnosticDetails};
use crate::{Error, ErrorKind};
use pumice_codec::internal::shortened;

/// What went wrong. `begun` says whether the response had begun.
pub(super) fn text(error: &Error, begun: bool) -> String {
    let message = error.message();
    let mut text = match error.code() {
        Some(code) => service_text(&class_name(code), message),
        None => prefixed(error, begun),
    };
    if text.to_lowercase().contains("data retention mode") {
        text.push_str(DATA_RETENTION);
    }
    text
}

fn service_text(name: &str, message: &str) -> String {
    match PREFIXES.iter().find(|(known, _)| *known == name) {
        Some((_, prefix)) => format!("{prefix}: {message}"),
        None => format!("{name}: {message}"),
    }
}

/// The text of a failure that is not the service's, with its deepest cause and its hint. It begins with words by
/// which agents know that it may be retried.
fn prefixed(error: &Error, begun: bool) -> String {
    let prefix = match error.kind() {
        ErrorKind::BrokenOff if begun => "Bedrock stream ended without a stop reason: ",
        ErrorKind::BrokenOff => "Connection lost: ",
        ErrorKind::Connect => "Connection error: ",
        ErrorKind::Timeout => "Request timed out: ",
        _ => "",
    };
    let mut text = format!("{prefix}{}", error.message());
    let deepest = error.causes().last().map(|cause| shortened(cause.to_string(), LONGEST_CAUSE));
    if let Some(deepest) = deepest.filter(|cause| !text.contains(cause.as_str())) {
        text.push_str(": ");
        text.push_str(&deepest);
    }
    if let Some(hint) = error.hint() {
        text.push_str("\nhint: ");
        text.push_str(&hint.to_string());
    }
    text
}

/// What is known about a failure beside its text.
pub(super) fn diagnostic(error: &Error, timestamp: u64) -> Option<Diagnostic> {
    let mut details = DiagnosticDetails::new();
    details.status = error.status().filter(|status| !(200..300).contains(status));
    details.error_code = error.code().map(class_name);
    details.request_id = error.request_id().map(str::to_owned);
    details.original_status_code = error.original_status();
    details.original_message = error.original_message().map(str::to_owned);
    (details != DiagnosticDetails::new()).then(|| failure_diagnostic(details, timestamp))
}

pub(super) fn failure_diagnostic(details: DiagnosticDetails, timestamp: u64) -> Diagnostic {
    Diagnostic::new("bedrock_response_failure").timestamp(timestamp).details(details)
}

/// The code in its form over HTTP: in an event stream it begins with a lower-case letter.
fn class_name(code: &str) -> String {
    let mut name = code.to_owned();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}

const PREFIXES: [(&str, &str); 5] = [
    ("InternalServerException", "Internal server error"),
    ("ModelStreamErrorException", "Model stream error"),
    ("ValidationException", "Validation error"),
    ("ThrottlingException", "Throttling error"),
    ("ServiceUnavailableException", "Service unavailable"),
];

/// How much of a cause is told, in characters: one of a reader of JSON quotes what it found.
const LONGEST_CAUSE: usize = 1000;

const DATA_RETENTION: &str = " See https://docs.aws.amazon.com/bedrock/latest/userguide/data-retention.html for \
                              supported data retention modes.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_the_service_have_prefixes() {
        let said =
            |code: &str, message: &str| text(&Error::new(ErrorKind::Service, message).with_code(code), true);
        assert_eq!(said("throttlingException", "Too many"), "Throttling error: Too many");
        assert_eq!(
            said("ValidationException", "Input is too long for requested model."),
            "Validation error: Input is too long for requested model."
        );
        assert_eq!(said("ExpiredTokenException", "x"), "ExpiredTokenException: x");
        assert!(
            said("ValidationException", "The data retention mode x")
                .ends_with("supported data retention modes.")
        );
    }

    #[test]
    fn the_models_own_message_has_a_member_of_its_own() {
        let error = Error::new(ErrorKind::ModelError, "Failed").with_code("modelStreamErrorException");
        let error = error.with_original(Some(424), Some("Invalid sequence".to_owned()));
        let details = diagnostic(&error, 7).unwrap().details.unwrap();
        assert_eq!(details.original_status_code, Some(424));
        assert_eq!(details.original_message.as_deref(), Some("Invalid sequence"));
    }

    #[test]
    fn temporary_failures_have_prefixes() {
        let said = |kind, begun| {
            let cause = std::io::Error::other("Connection refused (os error 111)");
            text(&Error::new(kind, "no connection").with_source(cause), begun)
        };
        assert_eq!(
            said(ErrorKind::Connect, false),
            "Connection error: no connection: Connection refused (os error 111)"
        );
        assert!(said(ErrorKind::BrokenOff, true).starts_with("Bedrock stream ended without a stop reason: "));
        assert!(said(ErrorKind::Timeout, true).starts_with("Request timed out: "));
        assert!(said(ErrorKind::Damaged, true).starts_with("no connection"));
    }
}
