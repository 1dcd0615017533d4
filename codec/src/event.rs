//! A frame into its meaning: an event of ConverseStream, or the exception or error that ends the stream.

mod plain;

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::de::DeserializeOwned;

use crate::converse::{
    ContentBlockDeltaEvent, ContentBlockStartEvent, ContentBlockStopEvent, ConverseStreamMetadataEvent,
    MessageStartEvent, MessageStopEvent,
};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::{Frame, FrameDecoder, FrameView};
use crate::shape::read::from_json;
use crate::shape::{Document, Members};
use crate::surrogate::{REPLACEMENT, lone_surrogates};
use plain::{PlainDelta, is_special, write_on_one_line};

/// An event of ConverseStream.
///
/// A whole response is one `MessageStart`; then for each content block an optional `ContentBlockStart`, its
/// `ContentBlockDelta`s and a `ContentBlockStop`; one `MessageStop`; and after that `Metadata`. Text and reasoning
/// blocks have no start. `content_block_index` says which block an event belongs to; blocks may interleave.
///
/// Source: [ConverseStreamOutput](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The response begins.
    MessageStart(MessageStartEvent),
    /// A tool use, a tool's result or an image begins.
    ContentBlockStart(Box<ContentBlockStartEvent>),
    /// More of a block, or its beginning if it has no start.
    ContentBlockDelta(ContentBlockDeltaEvent),
    /// A block is complete.
    ContentBlockStop(ContentBlockStopEvent),
    /// The message is complete; says why it ended.
    MessageStop(MessageStopEvent),
    /// Tokens and time used.
    Metadata(Box<ConverseStreamMetadataEvent>),
    /// An event that this version does not know.
    Unknown {
        /// Its `:event-type`.
        event_type: String,
        /// Its payload.
        payload: Document,
    },
}

impl Event {
    /// The event in a frame.
    ///
    /// Fails with the error that an exception or error frame reports, and with [`ErrorKind::Damaged`] if the frame is
    /// not a message of the protocol.
    pub fn from_frame(frame: &Frame) -> Result<Self> {
        Self::of_type(event_type(frame.view())?, frame.view())
    }

    /// The event in a frame of this type.
    #[doc(hidden)]
    pub fn of_type(event_type: &[u8], frame: FrameView<'_>) -> Result<Self> {
        // Nearly all of them. Compared by words, where a pattern is compared by bytes.
        if event_type == b"contentBlockDelta" {
            return Ok(Self::ContentBlockDelta(match PlainDelta::read(frame.payload()) {
                Some(delta) => delta.event(),
                None => payload(frame)?,
            }));
        }
        Ok(match event_type {
            b"contentBlockStart" => Self::ContentBlockStart(Box::new(payload(frame)?)),
            b"contentBlockStop" => Self::ContentBlockStop(payload(frame)?),
            b"messageStart" => Self::MessageStart(payload(frame)?),
            b"messageStop" => Self::MessageStop(payload(frame)?),
            b"metadata" => Self::Metadata(Box::new(payload(frame)?)),
            unknown => Self::Unknown {
                event_type: String::from_utf8_lossy(unknown).into_owned(),
                payload: payload(frame)?,
            },
        })
    }
}

/// The kind of a frame, by its headers: `:message-type` and the headers that this type requires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameContent<'a> {
    /// An event. Also a frame without a message type.
    Event {
        /// `:event-type`: the name of the event.
        event_type: &'a str,
    },
    /// An exception that the API declares. It ends the stream.
    Exception {
        /// `:exception-type`: `throttlingException` and others.
        exception_type: &'a str,
        /// The message in the payload, or else the beginning of the payload.
        message: Cow<'a, str>,
    },
    /// Any other failure. It ends the stream.
    Error {
        /// `:error-code`.
        code: &'a str,
        /// `:error-message`.
        message: Cow<'a, str>,
    },
}

impl<'a> FrameContent<'a> {
    /// The kind of this frame. Fails with [`ErrorKind::Damaged`] if its headers do not say.
    pub fn of(frame: &'a Frame) -> Result<Self> {
        Self::of_view(frame.view())
    }

    #[doc(hidden)]
    pub fn of_view(frame: FrameView<'a>) -> Result<Self> {
        let missing = |name| {
            let at = frame.offset();
            Error::damaged(at, format!("the frame at byte {at}: expected a header {name}, found none"))
        };
        let required = |name| frame.string_header(name).ok_or_else(|| missing(name));
        if frame.is_event() {
            return Ok(Self::Event { event_type: frame.event_type().ok_or_else(|| missing(":event-type"))? });
        }
        match frame.message_type() {
            Some("exception") => {
                let exception_type = required(":exception-type")?;
                Ok(Self::Exception { exception_type, message: exception_message(frame.payload()) })
            }
            Some("error") => {
                let message = frame
                    .string_header(":error-message")
                    .map_or_else(|| exception_message(frame.payload()), Cow::Borrowed);
                Ok(Self::Error { code: required(":error-code")?, message })
            }
            other => {
                let at = frame.offset();
                Err(Error::damaged(
                    at,
                    format!(
                        "the frame at byte {at}: expected the message type event, exception or error, found {:?}",
                        other.unwrap_or_default()
                    ),
                ))
            }
        }
    }
}

/// The type of the event in a frame, or the error that the frame reports. A text of bytes, which nothing has to check
/// again.
pub fn event_type(frame: FrameView<'_>) -> Result<&[u8]> {
    match frame.event_type_bytes() {
        Some(event_type) if frame.is_event() => Ok(event_type),
        _ => Err(reported(frame)),
    }
}

/// The error that a frame reports, which is not an event's.
#[cold]
fn reported(frame: FrameView<'_>) -> Error {
    match FrameContent::of_view(frame) {
        Err(error) => error,
        Ok(FrameContent::Exception { exception_type, message }) => {
            service_error(exception_type, message, frame)
        }
        Ok(FrameContent::Error { code, message }) => service_error(code, message, frame),
        Ok(FrameContent::Event { .. }) => {
            Error::damaged(frame.offset(), "expected an exception, found an event")
        }
    }
}

/// The error that an exception or error frame reports.
fn service_error(code: &str, message: Cow<'_, str>, frame: FrameView<'_>) -> Error {
    with_original(
        Error::new(ErrorKind::of_service(code, &message, None), message).with_code(code),
        frame.payload(),
    )
}

/// The error, with what this JSON quotes of the model's own failure.
pub fn with_original(error: Error, json: &[u8]) -> Error {
    let Ok(members) = from_json::<Members>(json) else { return error };
    let status = members.named("originalStatusCode").and_then(|status| status.read().ok());
    let message = members.named("originalMessage").and_then(|message| message.read().ok());
    error.with_original(status, message)
}

/// The message of an exception, with the model's own if the service quotes it.
fn exception_message(payload: &[u8]) -> Cow<'_, str> {
    let Ok(members) = from_json::<Members>(payload) else {
        let text =
            String::from_utf8_lossy(payload.get(..payload.len().min(LONGEST_RAW_TEXT)).unwrap_or_default());
        return Cow::Owned(text.trim().to_owned());
    };
    let string = |name| members.named(name)?.read::<String>().ok();
    let mut message = string("message").or_else(|| string("Message")).unwrap_or_default();
    let status = members.named("originalStatusCode").and_then(|status| status.read::<u16>().ok());
    let original = string("originalMessage").filter(|original| !message.contains(original.as_str()));
    if let Some(original) = original {
        let status = status.map(|status| format!(", status {status}")).unwrap_or_default();
        message = format!("{message} (the model's own{status}: {original})");
    }
    Cow::Owned(message)
}

/// How much of an exception that is not JSON is shown, in bytes.
const LONGEST_RAW_TEXT: usize = 500;

impl FrameDecoder {
    /// The next event, or `None` if more bytes are needed: [`next_frame`](Self::next_frame) and
    /// [`Event::from_frame`] in one, without the cost of a frame that can be kept.
    pub fn next_event(&mut self) -> Result<Option<Event>> {
        self.read_frame(|frame| Event::of_type(event_type(frame)?, frame))
    }
}

impl Frame {
    /// The text, if the frame is a delta of text. It is read without serde: a program that needs no other events, such
    /// as a firmware, does not contain the JSON reader and the types.
    ///
    /// `None` for any other frame, and for a delta with members that are not in its documentation.
    pub fn text_delta(&self) -> Option<Cow<'_, str>> {
        let frame = self.view();
        let is_delta = frame.is_event() && frame.event_type_bytes() == Some(b"contentBlockDelta");
        if is_delta { PlainDelta::read(frame.payload())?.text() } else { None }
    }

    /// The frame as one line of JSON under the API's name for the event, without padding:
    /// `{"contentBlockDelta":{...}}`. An exception is `{"exception":{"type":...,"message":...}}`, an error
    /// frame `{"error":{"code":...,"message":...}}`.
    ///
    /// Fails with [`ErrorKind::Damaged`] if the frame is not a message of the protocol.
    pub fn to_event_json(&self) -> Result<String> {
        let mut json = Vec::new();
        self.write_event_json(&mut json)?;
        // It consists of texts.
        Ok(String::from_utf8(json).unwrap_or_default())
    }

    /// Appends what [`to_event_json`](Self::to_event_json) returns, for a program that writes events on: it needs no
    /// text of its own for each. After an error nothing has been appended.
    pub fn write_event_json(&self, json: &mut Vec<u8>) -> Result<()> {
        let frame = self.view();
        if frame.is_event()
            && frame.event_type_bytes() == Some(b"contentBlockDelta")
            && let Some(delta) = PlainDelta::read(frame.payload())
        {
            json.extend_from_slice(br#"{"contentBlockDelta":{"#);
            delta.write(json);
            json.extend_from_slice(b"}}");
            return Ok(());
        }
        match FrameContent::of(self)? {
            FrameContent::Event { event_type } => {
                let members: Members = payload(frame)?;
                write_name("{", event_type, json);
                let mut before = "{";
                for (name, value) in members.iter().filter(|(name, _)| *name != "p") {
                    write_name(before, name, json);
                    before = ",";
                    write_on_one_line(value.text().as_bytes(), json);
                }
                json.extend_from_slice(if before == "{" { b"{}}" } else { b"}}" });
            }
            FrameContent::Exception { exception_type, message } => {
                write_failure("exception", ("type", exception_type), &message, json);
            }
            FrameContent::Error { code, message } => write_failure("error", ("code", code), &message, json),
        }
        Ok(())
    }
}

fn write_failure(form: &str, (name, value): (&str, &str), message: &str, json: &mut Vec<u8>) {
    write_name("{", form, json);
    write_name("{", name, json);
    write_string(value, json);
    write_name(",", "message", json);
    write_string(message, json);
    json.extend_from_slice(b"}}");
}

/// Writes the name of a member and the colon.
fn write_name(before: &str, name: &str, json: &mut Vec<u8>) {
    json.extend_from_slice(before.as_bytes());
    write_string(name, json);
    json.push(b':');
}

fn write_string(text: &str, json: &mut Vec<u8>) {
    if text.bytes().any(is_special) {
        // A text can always be written.
        json.append(&mut serde_json::to_vec(text).unwrap_or_default());
    } else {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    }
}

/// Reads the payload of an event.
pub(crate) fn payload<T: DeserializeOwned>(frame: FrameView<'_>) -> Result<T> {
    let json = frame.payload();
    // Models may write half of a surrogate pair, which no `String` can hold.
    let repaired = |fault| match core::str::from_utf8(json).map(|text| lone_surrogates(text, REPLACEMENT)) {
        Ok(Cow::Owned(repaired)) => serde_json::from_str(&repaired),
        _ => Err(fault),
    };
    from_json(json).or_else(repaired).map_err(|source| {
        let at = frame.offset();
        Error::damaged(
            at,
            format!(
                "the {} event in the frame at byte {at} is not valid JSON of its type",
                frame.event_type().unwrap_or_default()
            ),
        )
        .with_source(source)
    })
}
