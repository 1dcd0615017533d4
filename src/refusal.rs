//! Makes an error of an HTTP response that is not a success, or not the expected one.

pub(crate) mod wording;

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use http::response::Parts;

use crate::date::read_http_date;
#[cfg(feature = "bulk")]
use crate::region::is_region;
use crate::shape::Members;
use crate::{Error, ErrorKind, Hint};
use pumice_codec::internal::{from_json, shortened, with_original};

/// The service's id of the request, by which AWS support finds it.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<&str> {
    // S3 has another name for it.
    let id = headers.get("x-amzn-requestid").or_else(|| headers.get("x-amz-request-id"))?.to_str().ok()?;
    Some(id.get(..LONGEST_ID).unwrap_or(id))
}

/// The error of a response whose status is not 2xx.
///
/// A body with neither code nor message is not Bedrock's but a proxy's or a gateway's: its first text is shown.
pub(crate) fn error(head: &Parts, body: &[u8], now: SystemTime) -> Error {
    let status = head.status.as_u16();
    let (code, message) = code_and_message(&head.headers, body);
    let words = message.as_deref().unwrap_or_default();
    let kind = ErrorKind::of_service(code.as_deref().unwrap_or_default(), words, Some(status));
    let reason = head.status.canonical_reason().unwrap_or("no known status");
    let error = match (code, message) {
        (Some(code), Some(message)) => Error::new(kind, message).with_code(code),
        (Some(code), None) => {
            Error::new(kind, format!("HTTP {status} {reason}, without a message")).with_code(code)
        }
        (None, Some(message)) => Error::new(kind, format!("HTTP {status} {reason}: {message}")),
        (None, None) => {
            let text = first_text(body);
            let shown =
                if text.is_empty() { "the body is empty".into() } else { format!("the body says: {text}") };
            Error::new(kind, format!("HTTP {status} {reason}; {shown}")).with_hint(Hint::CheckEndpoint)
        }
    };
    let error =
        if kind == ErrorKind::Internal && status != 500 { error.with_retryable(false) } else { error };
    with_original(error, body)
        .with_status(status)
        .with_request_id(request_id(&head.headers))
        .with_retry_after(retry_after(&head.headers, now))
}

/// Whether a response may be of this media type: its header says so, or is missing.
pub(crate) fn may_be(media_type: &str, headers: &HeaderMap) -> bool {
    let Some(found) = headers.get(CONTENT_TYPE).and_then(|found| found.to_str().ok()) else { return true };
    found.split(';').next().is_some_and(|found| found.trim().eq_ignore_ascii_case(media_type))
}

/// The error of a 2xx response that is not the `expected` one.
pub(crate) fn unexpected(head: &Parts, body: &[u8], expected: &str) -> Error {
    let status = head.status.as_u16();
    let (code, message) = code_and_message(&head.headers, body);
    let members = from_json::<Members>(body);
    let found = match (&code, message, members) {
        (_, Some(message), _) => format!("an error: {message}"),
        (Some(_), None, _) => "an error without a message".into(),
        (None, None, Ok(members)) if members.is_empty() => "an empty object".into(),
        // Names only: the values may be a model's output.
        (None, None, Ok(members)) => {
            let names = members.iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
            format!("an object of {}", first_text(names.as_bytes()))
        }
        (None, None, Err(_)) => match (body.trim_ascii_start().first(), first_text(body)) {
            (Some(b'{'), _) => "damaged JSON".into(),
            (_, text) if text.is_empty() => "an empty body".into(),
            (_, text) => {
                let kind =
                    head.headers.get(CONTENT_TYPE).map(|kind| String::from_utf8_lossy(kind.as_bytes()));
                format!("{} that says: {text}", kind.unwrap_or("text".into()))
            }
        },
    };
    let error = Error::new(ErrorKind::Damaged, format!("HTTP {status}: expected {expected}, found {found}"))
        .with_status(status)
        .with_request_id(request_id(&head.headers))
        .with_hint(Hint::CheckEndpoint);
    match code {
        Some(code) => error.with_code(code),
        None => error,
    }
}

/// The code and the message in an error response.
///
/// The code is that of the `x-amzn-ErrorType` header, else the body's `code`, else its `__type`. The message is the
/// body's, else that of the `x-amzn-errormessage` header. An operation that the endpoint does not have is reported in
/// an object `Output`, by the service's framework.
fn code_and_message(headers: &HeaderMap, body: &[u8]) -> (Option<String>, Option<String>) {
    #[cfg(feature = "bulk")]
    if let Some(code) = of_xml(body, "Code") {
        return (Some(code), of_xml(body, "Message"));
    }
    let body = from_json::<Members>(body).unwrap_or_default();
    let output = body.named("Output").and_then(|output| output.read::<Members>().ok()).unwrap_or_default();
    let string = |name| body.named(name).or_else(|| output.named(name))?.read::<String>().ok();
    let code = error_code(headers, [string("code"), string("Code"), string("__type")]);
    let header = || Some(headers.get("x-amzn-errormessage")?.to_str().ok()?.to_owned());
    let messages = [string("message"), string("Message"), header()];
    let message = messages.into_iter().flatten().find(|message| !message.trim().is_empty());
    (code, message)
}

/// An element of a body that is XML, as S3 sends it.
#[cfg(feature = "bulk")]
fn of_xml(body: &[u8], name: &str) -> Option<String> {
    let xml = std::str::from_utf8(body).ok().filter(|text| text.trim_start().starts_with('<'))?;
    crate::xml::text(xml, name).map(|text| text.to_string())
}

/// The region that a bucket is in, by S3's refusal of a request to another one.
///
/// Source: [redirects](https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html).
#[cfg(feature = "bulk")]
pub(crate) fn bucket_region(head: &Parts, body: &[u8]) -> Option<String> {
    if !matches!(head.status.as_u16(), 301 | 307 | 400) {
        return None;
    }
    let header = head.headers.get("x-amz-bucket-region").and_then(|region| region.to_str().ok());
    // BUCKET.s3.REGION.amazonaws.com, BUCKET.s3-REGION.amazonaws.com
    let of_host = || {
        let host = of_xml(body, "Endpoint")?;
        let (_, rest) = host.split_once(".s3")?;
        rest.get(1..)?.split('.').next().map(str::to_owned)
    };
    let region = header.map(str::to_owned).or_else(|| of_xml(body, "Region")).or_else(of_host)?;
    is_region(&region).then_some(region)
}

/// The code of an AWS error: that of the `x-amzn-ErrorType` header, else the first of the body's that is not empty.
pub(crate) fn error_code(headers: &HeaderMap, in_body: [Option<String>; 3]) -> Option<String> {
    let header = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let codes = std::iter::once(header).chain(in_body).flatten();
    codes.map(|code| bare_code(&code).to_owned()).find(|code| !code.is_empty())
}

/// `aws.protocoltests#ThrottlingException:http://...` is `ThrottlingException`.
fn bare_code(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default().trim()
}

/// The pause that the service asks for: `x-amz-retry-after` in milliseconds, or `Retry-After` in
/// seconds or as a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(milliseconds) = text("x-amz-retry-after").and_then(|value| value.parse().ok()) {
        return Some(Duration::from_millis(milliseconds));
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    read_http_date(value)?.duration_since(now).ok()
}

/// The first visible text of a body of any kind, without tags, shortened to one line.
fn first_text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..body.len().min(LONGEST_BODY)).unwrap_or_default());
    let mut words = String::new();
    let mut hidden = false;
    for piece in text.split_inclusive(['<', '>']) {
        // A piece that ends in `>` is the inside of a tag.
        if let Some(tag) = piece.strip_suffix('>') {
            let tag = tag.trim_start().to_ascii_lowercase();
            hidden = tag.starts_with("style") || tag.starts_with("script");
            words.push(' ');
        } else if !hidden {
            words.push_str(piece.strip_suffix('<').unwrap_or(piece));
        }
    }
    let line = words.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    shortened(line, LONGEST_TEXT)
}

/// The longest request id, in characters, which are ASCII.
const LONGEST_ID: usize = 200;
/// How much of a foreign body is read, in bytes.
const LONGEST_BODY: usize = 16 * 1024;
/// How much of its text is shown, in characters.
const LONGEST_TEXT: usize = 300;
