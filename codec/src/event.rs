//! A frame into what it says: an event of ConverseStream, or the exception or error that ends it.

mod plain;

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use crate::converse::{
    ContentBlockDeltaEvent, ContentBlockStartEvent, ContentBlockStopEvent, ConverseStreamMetadataEvent,
    MessageStartEvent, MessageStopEvent,
};
use crate::error::{Error, ErrorKind, Result};
use crate::frame::Frame;
use crate::shape::{Document, Members, from_json};
use crate::surrogate::{REPLACEMENT, lone_surrogates};
use plain::PlainDelta;

/// An event of ConverseStream.
///
/// A whole answer is one `MessageStart`; then for each content block an optional `ContentBlockStart`, its
/// `ContentBlockDelta`s and a `ContentBlockStop`; one `MessageStop`; and after that `Metadata`. Text and
/// reasoning blocks have no start, blocks are told apart by `content_block_index`, and their events may
/// interleave.
///
/// Source: [ConverseStreamOutput](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The answer begins.
    MessageStart(MessageStartEvent),
    /// A tool use, a tool's result or an image begins.
    ContentBlockStart(Box<ContentBlockStartEvent>),
    /// A block goes on, or begins if it has no start.
    ContentBlockDelta(ContentBlockDeltaEvent),
    /// A block is complete.
    ContentBlockStop(ContentBlockStopEvent),
    /// The answer is complete, and why it ended.
    MessageStop(MessageStopEvent),
    /// What the answer took: tokens, time.
    Metadata(Box<ConverseStreamMetadataEvent>),
    /// An event that this version does not know.
    Unknown {
        /// Its `:event-type`.
        event_type: String,
        /// What it carries.
        payload: Document,
    },
}

impl Event {
    /// The event that a frame carries. An exception or error frame is the error that it tells of, and
    /// so is a frame that is no message of the protocol.
    pub fn from_frame(frame: &Frame) -> Result<Self> {
        Self::read(event_type(frame)?, frame)
    }

    /// The event of a frame that is known to carry one.
    #[doc(hidden)]
    pub fn of_event_frame(frame: &Frame) -> Result<Self> {
        Self::read(frame.event_type().unwrap_or_default(), frame)
    }

    fn read(event_type: &str, frame: &Frame) -> Result<Self> {
        Ok(match event_type {
            "contentBlockDelta" => Self::ContentBlockDelta(match PlainDelta::read(frame.payload()) {
                Some(delta) => delta.event(),
                None => payload(frame)?,
            }),
            "contentBlockStart" => Self::ContentBlockStart(Box::new(payload(frame)?)),
            "contentBlockStop" => Self::ContentBlockStop(payload(frame)?),
            "messageStart" => Self::MessageStart(payload(frame)?),
            "messageStop" => Self::MessageStop(payload(frame)?),
            "metadata" => Self::Metadata(Box::new(payload(frame)?)),
            unknown => Self::Unknown { event_type: unknown.to_owned(), payload: payload(frame)? },
        })
    }
}

/// What a frame is by its headers: `:message-type`, and what that calls for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameContent<'a> {
    /// An event, also where the message type is missing.
    Event {
        /// `:event-type`: the member of the output's union that the payload is.
        event_type: &'a str,
    },
    /// A failure that the service's model names; it ends the stream.
    Exception {
        /// `:exception-type`: `throttlingException`, ...
        exception_type: &'a str,
        /// The payload's message; where there is none, the first text of the payload.
        message: Cow<'a, str>,
    },
    /// Any other failure; it ends the stream.
    Error {
        /// `:error-code`.
        code: &'a str,
        /// `:error-message`.
        message: Cow<'a, str>,
    },
}

impl<'a> FrameContent<'a> {
    /// What this frame is. Fails with [`ErrorKind::Damaged`] where the headers do not say.
    pub fn of(frame: &'a Frame) -> Result<Self> {
        let missing = |name| {
            let at = frame.offset();
            Error::damaged(at, format!("the frame at byte {at}: a header {name} expected, none found"))
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
                        "the frame at byte {at}: the message type event, exception or error expected, {:?} found",
                        other.unwrap_or_default()
                    ),
                ))
            }
        }
    }
}

/// The type of the event that a frame carries, or the error that it tells of.
pub(crate) fn event_type(frame: &Frame) -> Result<&str> {
    match FrameContent::of(frame)? {
        FrameContent::Event { event_type } => Ok(event_type),
        FrameContent::Exception { exception_type, message } => Err(service_error(exception_type, message)),
        FrameContent::Error { code, message } => Err(service_error(code, message)),
    }
}

/// The error that an exception or error frame tells of.
pub fn service_error(code: &str, message: Cow<'_, str>) -> Error {
    Error::new(ErrorKind::of_service(code, None), message).with_code(code)
}

/// The message of an exception, and of the model's own where the service quotes it.
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

/// How much of an exception that is not JSON is shown.
const LONGEST_RAW_TEXT: usize = 500;

impl Frame {
    /// The frame as one line of JSON under the API's own name, the padding left out:
    /// `{"contentBlockDelta":{...}}`. An exception is `{"exception":{"type":...,"message":...}}`, an error
    /// frame `{"error":{"code":...,"message":...}}`.
    ///
    /// Fails with [`ErrorKind::Damaged`] when the frame is no message of the protocol.
    pub fn to_event_json(&self) -> Result<String> {
        let text = |value: &str| serde_json::Value::from(value).to_string();
        Ok(match FrameContent::of(self)? {
            FrameContent::Event { event_type } => {
                let mut json = String::with_capacity(self.payload().len() + event_type.len() + 8);
                if event_type == "contentBlockDelta"
                    && let Some(delta) = PlainDelta::read(self.payload())
                    && let Ok(unpadded) = std::str::from_utf8(delta.unpadded)
                {
                    json.push_str(r#"{"contentBlockDelta":"#);
                    json.push_str(unpadded);
                    json.push_str("}}");
                    return Ok(json);
                }
                json.push('{');
                json.push_str(&text(event_type));
                json.push_str(":{");
                let members: Members = payload(self)?;
                let mut separator = "";
                for (name, value) in members.iter().filter(|(name, _)| *name != "p") {
                    json.push_str(separator);
                    separator = ",";
                    json.push_str(&text(name));
                    json.push(':');
                    // Line ends are white space in JSON, and the lines of a text must be one each.
                    json.extend(value.text().split(['\n', '\r']));
                }
                json.push_str("}}");
                json
            }
            FrameContent::Exception { exception_type, message } => {
                format!(r#"{{"exception":{{"type":{},"message":{}}}}}"#, text(exception_type), text(&message))
            }
            FrameContent::Error { code, message } => {
                format!(r#"{{"error":{{"code":{},"message":{}}}}}"#, text(code), text(&message))
            }
        })
    }
}

/// Reads what an event carries.
pub(crate) fn payload<T: DeserializeOwned>(frame: &Frame) -> Result<T> {
    let json = frame.payload();
    // Models may write half of a surrogate pair, which no text can hold.
    let repaired = |fault| match std::str::from_utf8(json).map(|text| lone_surrogates(text, REPLACEMENT)) {
        Ok(Cow::Owned(repaired)) => serde_json::from_str(&repaired),
        _ => Err(fault),
    };
    from_json(json).or_else(repaired).map_err(|source| {
        let at = frame.offset();
        Error::damaged(
            at,
            format!(
                "the {} event in the frame at byte {at} is not the JSON it should be",
                frame.event_type().unwrap_or_default()
            ),
        )
        .with_source(source)
    })
}
