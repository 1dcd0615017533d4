//! Responses that are known as a whole, and the headers that all responses have.

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::body::{Outgoing, Response};
use crate::failure::Failure;
use crate::record::Tally;
use crate::route::Form;

/// A response that is known as a whole.
pub(crate) fn whole(
    status: StatusCode,
    media_type: &'static str,
    body: Bytes,
    tally: Option<Tally>,
) -> Response {
    let mut tally = tally;
    if let Some(tally) = &mut tally {
        tally.answered(status.as_u16());
        if body.is_empty() {
            tally.complete();
        }
    }
    let body = if body.is_empty() { Outgoing::empty() } else { Outgoing::Whole(Some(body), tally) };
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

pub(crate) fn json_response(status: StatusCode, body: &Value, tally: Option<Tally>) -> Response {
    whole(status, "application/json", body.to_string().into(), tally)
}

/// A failure, in the form of a dialect.
pub(crate) fn respond(form: Form, failure: &Failure, tally: Option<Tally>) -> Response {
    let mut tally = tally;
    let mut status = failure.status;
    let mut code = None;
    let body = match form {
        Form::OpenAi => failure.openai(),
        Form::Anthropic => {
            if status == StatusCode::SERVICE_UNAVAILABLE {
                // Anthropic's own: its SDKs wait longer then.
                status = StatusCode::from_u16(529).unwrap_or(status);
            }
            failure.anthropic()
        }
        Form::Native => {
            if status == StatusCode::UNAUTHORIZED {
                status = StatusCode::FORBIDDEN;
            }
            let (body, name) = failure.native();
            code = Some(name);
            body
        }
    };
    if let Some(tally) = &mut tally {
        tally.edit(|record| {
            record.request_id.clone_from(&failure.request_id);
            // The log and the page hold nothing that was said, and what is wrong with a request quotes it.
            record.error = Some(match (&failure.param, failure.quotes) {
                (_, false) => failure.message.clone(),
                (Some(param), true) => format!("{param}: not accepted"),
                (None, true) => "the body: not accepted".into(),
            });
        });
    }
    let mut response = whole(status, "application/json", body.into(), tally);
    let headers = response.headers_mut();
    if failure.status == StatusCode::UNAUTHORIZED {
        headers.insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static("false"));
    }
    if let Some(seconds) = failure.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if let Some(code) = code {
        headers.insert(HeaderName::from_static("x-amzn-errortype"), HeaderValue::from_static(code));
    }
    set_request_id(headers, form, failure.request_id.as_deref());
    response
}

/// Bedrock's id of the request, under the name that SDKs of this form look for.
pub(crate) fn set_request_id(headers: &mut HeaderMap, form: Form, id: Option<&str>) {
    let Some(id) = id.and_then(|id| HeaderValue::from_str(id).ok()) else { return };
    let name = match form {
        Form::OpenAi => "x-request-id",
        Form::Anthropic => "request-id",
        Form::Native => "x-amzn-requestid",
    };
    headers.insert(HeaderName::from_static(name), id);
}

/// What is said of a call beside its response.
pub(crate) fn set_notes(headers: &mut HeaderMap, model: &str, notes: &[String]) {
    if let Ok(model) = HeaderValue::from_str(model) {
        headers.insert(HeaderName::from_static("x-pumice-model"), model);
    }
    for note in notes.iter().take(MOST_NOTES) {
        // A header holds visible ASCII.
        let shown = note.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
        let shown = shown.take(LONGEST_NOTE).collect::<String>();
        if let Ok(note) = HeaderValue::from_str(&shown) {
            headers.append(HeaderName::from_static("x-pumice-note"), note);
        }
    }
}

const MOST_NOTES: usize = 16;
const LONGEST_NOTE: usize = 500;
