//! `pumice decode`: the frames of an event stream in a file.

use std::io::{self, Read as _};
use std::path::Path;

use bytes::Bytes;
use pumice::context::file;
use pumice::frame::{Frame, FrameDecoder, HeaderValue};
use pumice::shape::{Blob, Document};
use serde_json::{Map, Value, json};

use crate::args::Args;
use crate::failure::Failure;
use crate::input;
use crate::output::Output;

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let [file] = args.rest.as_slice() else {
        return Err(
            Failure::usage("expected one FILE, or - for standard input").hint("run pumice decode --help")
        );
    };
    let render = match (args.has("json"), args.has("events")) {
        (true, true) => return Err(Failure::usage("expected --json or --events, found both")),
        (true, false) => frame_in_json,
        (false, true) => event_in_json,
        (false, false) => frame_in_text,
    };
    let mut source: Box<dyn io::Read> = if file == "-" {
        Box::new(input::stdin())
    } else {
        let path = Path::new(file);
        Box::new(file::open(path).map_err(|error| Failure::unreadable(path.display(), &error))?)
    };

    let mut decoder = FrameDecoder::new();
    let mut output = Output::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let length = match source.read(&mut chunk) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Failure::unreadable(Path::new(file).display(), &error)),
        };
        decoder.push(Bytes::copy_from_slice(chunk.get(..length).unwrap_or_default()));
        // The frames before a fault are printed.
        let printed = print_frames(&mut decoder, render, &mut output);
        output.flush()?;
        printed?;
        if length == 0 {
            return decoder
                .finish()
                .map_err(|error| Failure { exit: crate::failure::Exit::Refused, ..error.into() });
        }
    }
}

/// Renders a frame as a line; `None` if it is not printed.
type Render = fn(&Frame) -> pumice::Result<Option<String>>;

fn print_frames(decoder: &mut FrameDecoder, render: Render, output: &mut Output) -> Result<(), Failure> {
    while let Some(frame) = decoder.next_frame()? {
        if let Some(line) = render(&frame)? {
            output.json_line(&line);
        }
    }
    Ok(())
}

/// `:event-type=contentBlockDelta :content-type=application/json :message-type=event {"delta":…}`
#[allow(clippy::unnecessary_wraps, reason = "all forms have one type")]
fn frame_in_text(frame: &Frame) -> pumice::Result<Option<String>> {
    let word = |text: String| {
        let is_word = !text.contains(|c: char| c.is_whitespace() || c.is_control()) && !text.is_empty();
        if is_word { text } else { Value::from(text).to_string() }
    };
    let headers = frame.headers().map(|(name, value)| {
        let value = match header_in_json(value) {
            Value::String(text) => word(text),
            other => other.to_string(),
        };
        format!("{}={value} ", word(name.to_owned()))
    });
    let line = headers.chain([payload_in_text(frame.payload())]).collect::<String>();
    Ok(Some(line.trim_end().to_owned()))
}

/// As `pumice converse` prints it. `initial-response`, which some protocols send first, is not printed.
fn event_in_json(frame: &Frame) -> pumice::Result<Option<String>> {
    match frame.event_type() {
        Some("initial-response") => Ok(None),
        _ => frame.to_event_json().map(Some),
    }
}

#[allow(clippy::unnecessary_wraps, reason = "all forms have one type")]
fn frame_in_json(frame: &Frame) -> pumice::Result<Option<String>> {
    let mut headers = Map::new();
    for (name, value) in frame.headers() {
        headers.insert(name.to_owned(), header_in_json(value));
    }
    let (headers, payload) = (Value::from(headers), payload_in_json(frame.payload()));
    Ok(Some(format!("{{\"headers\":{headers},\"payload\":{payload}}}")))
}

fn header_in_json(value: HeaderValue<'_>) -> Value {
    match value {
        HeaderValue::Bool(value) => value.into(),
        HeaderValue::Byte(value) => value.into(),
        HeaderValue::Short(value) => value.into(),
        HeaderValue::Integer(value) => value.into(),
        HeaderValue::Long(value) | HeaderValue::Timestamp(value) => value.into(),
        HeaderValue::ByteArray(bytes) => Blob::from(bytes.to_vec()).to_base64().into(),
        HeaderValue::String(text) => text.into(),
        HeaderValue::Uuid(bytes) => {
            let hex = format!("{:032x}", u128::from_be_bytes(bytes));
            [0..8, 8..12, 12..16, 16..20, 20..32]
                .map(|part| hex.get(part).unwrap_or_default())
                .join("-")
                .into()
        }
    }
}

/// The payload as it is where it is JSON, else as a string where it is text, else in base64.
fn payload_in_json(payload: &[u8]) -> String {
    if payload.is_empty() {
        return "null".to_owned();
    }
    match (serde_json::from_slice::<Document>(payload), std::str::from_utf8(payload)) {
        // Line ends in JSON are white space.
        (Ok(json), _) => json.text().replace(['\n', '\r'], ""),
        (_, Ok(text)) => Value::from(text).to_string(),
        _ => json!({ "base64": Blob::from(payload.to_vec()).to_base64() }).to_string(),
    }
}

/// The payload as it is where that is one line of text.
fn payload_in_text(payload: &[u8]) -> String {
    match std::str::from_utf8(payload) {
        Ok(text) if !text.contains(char::is_control) => text.to_owned(),
        _ => payload_in_json(payload),
    }
}
