//! Recordings as text: JSON Lines that a person can read and `git diff`.
//!
//! `fixtures/README.md` is the specification.

#![allow(unreachable_pub, reason = "the macros declare public types")]

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::redaction::Redaction;
use crate::shape::{Blob, Document};
use crate::{Error, ErrorKind, Result};
use pumice_codec::{structure, union};

union! {
    /// A line of a recording.
    pub enum Line {
        /// The first line.
        Recording(Heading) = "recording",
        /// What was sent.
        Request(RecordedRequest) = "request",
        /// The head of the response.
        Response(RecordedResponse) = "response",
        /// A piece of the response body.
        Chunk(RecordedChunk) = "chunk",
        /// A frame that the last chunk completed, for people to read.
        Event(Document) = "event",
        /// The end of the exchange.
        End(RecordedEnd) = "end",
    }
}

structure! {
    /// The heading of the file.
    pub struct Heading {
        required {
            /// The version of this format: 1.
            version: u64 = "version",
        }
        optional {
            /// The program that made it.
            by: String = "by",
        }
    }
}

structure! {
    /// What was sent, without what authorises it.
    pub struct RecordedRequest {
        required {
            /// The number of the exchange. Exchanges may overlap.
            exchange: u64 = "exchange",
            /// The operation's name in the service's model.
            operation: String = "operation",
            /// The HTTP method.
            method: String = "method",
            /// The URL.
            url: String = "url",
            /// The headers that matter for the response.
            headers: BTreeMap<String, String> = "headers",
        }
        optional {
            /// A body that is JSON.
            json: Document = "json",
            /// A body that is other text.
            text: String = "text",
            /// Any other body.
            base64: Blob = "base64",
        }
    }
}

structure! {
    /// The head of a response.
    pub struct RecordedResponse {
        required {
            /// The number of the exchange.
            exchange: u64 = "exchange",
            /// Time since the previous line of the exchange, in milliseconds.
            after_ms: f64 = "afterMs",
            /// The HTTP status.
            status: u16 = "status",
            /// The headers that matter to readers.
            headers: BTreeMap<String, String> = "headers",
        }
    }
}

structure! {
    /// A piece of a body.
    pub struct RecordedChunk {
        required {
            /// The number of the exchange.
            exchange: u64 = "exchange",
            /// Time since the previous line of the exchange, in milliseconds.
            after_ms: f64 = "afterMs",
        }
        optional {
            /// The bytes, if they are text.
            text: String = "text",
            /// The bytes otherwise.
            base64: Blob = "base64",
        }
    }
}

structure! {
    /// The end of an exchange.
    pub struct RecordedEnd {
        required {
            /// The number of the exchange.
            exchange: u64 = "exchange",
            /// Time since the previous line of the exchange, in milliseconds.
            after_ms: f64 = "afterMs",
        }
        optional {
            /// What went wrong, if anything.
            fault: String = "fault",
            /// What happened, if `fault` is set.
            message: String = "message",
        }
    }
}

impl Line {
    /// The line as text, with its line end.
    pub(super) fn to_text(&self) -> Result<String> {
        let mut text = serde_json::to_string(self).map_err(|source| {
            Error::new(ErrorKind::Recording, "a line of the recording cannot be written").with_source(source)
        })?;
        text.push('\n');
        Ok(text)
    }

    /// The number of the line's exchange, if it has one.
    pub(super) fn exchange(&self) -> Option<u64> {
        match self {
            Self::Request(request) => Some(request.exchange),
            Self::Response(response) => Some(response.exchange),
            Self::Chunk(chunk) => Some(chunk.exchange),
            Self::End(end) => Some(end.exchange),
            Self::Recording(_) | Self::Event(_) | Self::Unknown(_) => None,
        }
    }
}

impl RecordedRequest {
    pub(super) fn of(exchange: u64, operation: &str, url: String, request: &http::Request<Bytes>) -> Self {
        let headers = request_headers(request.headers());
        let recorded = Self::new(exchange, operation, request.method().as_str(), url, headers);
        let body = request.body();
        match std::str::from_utf8(body) {
            Ok("") => recorded,
            // A document keeps line ends, and the line must not have one.
            Ok(text) if text.contains(['\n', '\r']) => recorded.text(text),
            Ok(text) => match Document::parse(text) {
                Ok(document) => recorded.json(document),
                Err(_) => recorded.text(text),
            },
            Err(_) => recorded.base64(body.clone()),
        }
    }

    /// The body as it was sent.
    pub(super) fn body(&self) -> Bytes {
        match (&self.json, &self.text, &self.base64) {
            (Some(json), _, _) => Bytes::copy_from_slice(json.text().as_bytes()),
            (_, Some(text), _) => Bytes::copy_from_slice(text.as_bytes()),
            (_, _, Some(bytes)) => bytes.0.clone(),
            _ => Bytes::new(),
        }
    }
}

impl RecordedChunk {
    pub(super) fn of(exchange: u64, after: Duration, bytes: &Bytes) -> Self {
        let recorded = Self::new(exchange, milliseconds(after));
        // Frames have NUL bytes, text for people has none.
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => recorded.text(text),
            _ => recorded.base64(bytes.clone()),
        }
    }

    pub(super) fn bytes(&self) -> Bytes {
        match (&self.base64, &self.text) {
            (Some(bytes), _) => bytes.0.clone(),
            (_, Some(text)) => Bytes::copy_from_slice(text.as_bytes()),
            _ => Bytes::new(),
        }
    }
}

/// To a hundredth: more digits are noise, and would be in every diff.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 100_000.0).round() / 100.0
}

/// The headers of a request that may be in a recording. All others stay out: a header of any name may hold what
/// authorises the call.
fn request_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    retained(headers, |name| matches!(name, "content-type" | "accept") || name.starts_with("x-amzn-bedrock-"))
}

/// The headers of a response that may be in a recording.
pub(super) fn response_headers(headers: &HeaderMap, redaction: &Redaction) -> BTreeMap<String, String> {
    let mut kept = retained(headers, |name| {
        matches!(
            name,
            "age"
                | "content-type"
                | "date"
                | "etag"
                | "retry-after"
                | "server"
                | "via"
                | "x-amz-bucket-region"
                | "x-amz-cf-id"
                | "x-amz-request-id"
                | "x-amz-retry-after"
        ) || name.starts_with("x-amzn-") && !name.starts_with("x-amzn-remapped-")
    });
    for value in kept.values_mut() {
        *value = redaction.text(value).into_owned();
    }
    kept
}

fn retained(headers: &HeaderMap, keep: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let mut kept = BTreeMap::new();
    for (name, value) in headers {
        if keep(name.as_str()) && !value.is_sensitive() {
            kept.insert(name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned());
        }
    }
    kept
}

/// The headers of a recorded response.
pub(super) fn header_map(headers: &BTreeMap<String, String>) -> HeaderMap {
    headers
        .iter()
        .filter_map(|(name, value)| {
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?))
        })
        .collect()
}
