//! The events of a response.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::content::{InMessage, ToolCall};
use super::message::{AssistantMessage, InConversation, StopReason};

/// An event of a response. `content_index` is the index of a block in the message's content; blocks are numbered as
/// they first appear.
///
/// Its JSON is pi-ai's, without `partial`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AssistantEvent {
    /// The response begins.
    Start,
    /// A text block begins.
    TextStart {
        /// Which block.
        content_index: usize,
    },
    /// Text is added.
    TextDelta {
        /// Which block.
        content_index: usize,
        /// What is added.
        delta: String,
    },
    /// A text block is complete.
    TextEnd {
        /// Which block.
        content_index: usize,
        /// All of it.
        content: String,
    },
    /// A thinking block begins.
    ThinkingStart {
        /// Which block.
        content_index: usize,
    },
    /// Thoughts are added.
    ThinkingDelta {
        /// Which block.
        content_index: usize,
        /// What is added.
        delta: String,
    },
    /// A thinking block is complete.
    ThinkingEnd {
        /// Which block.
        content_index: usize,
        /// All of it.
        content: String,
    },
    /// A tool call begins.
    ToolCallStart {
        /// Which block.
        content_index: usize,
    },
    /// Arguments of a tool call are added.
    ToolCallDelta {
        /// Which block.
        content_index: usize,
        /// What is added to the JSON of the arguments.
        delta: String,
    },
    /// A tool call is complete.
    ToolCallEnd {
        /// Which block.
        content_index: usize,
        /// The tool and its arguments.
        tool_call: Box<ToolCall>,
    },
    /// The response is complete. Nothing follows.
    Done {
        /// The message, with why it ended: [`Stop`](StopReason::Stop), [`Length`](StopReason::Length) or
        /// [`ToolUse`](StopReason::ToolUse).
        message: Box<AssistantMessage>,
    },
    /// The response failed. Nothing follows.
    Error {
        /// The message as far as it came, and what went wrong.
        error: Box<AssistantMessage>,
    },
}

impl AssistantEvent {
    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Error { .. })
    }
}

impl Serialize for AssistantEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let (kind, index) = match self {
            Self::Start => ("start", None),
            Self::TextStart { content_index } => ("text_start", Some(content_index)),
            Self::TextDelta { content_index, .. } => ("text_delta", Some(content_index)),
            Self::TextEnd { content_index, .. } => ("text_end", Some(content_index)),
            Self::ThinkingStart { content_index } => ("thinking_start", Some(content_index)),
            Self::ThinkingDelta { content_index, .. } => ("thinking_delta", Some(content_index)),
            Self::ThinkingEnd { content_index, .. } => ("thinking_end", Some(content_index)),
            Self::ToolCallStart { content_index } => ("toolcall_start", Some(content_index)),
            Self::ToolCallDelta { content_index, .. } => ("toolcall_delta", Some(content_index)),
            Self::ToolCallEnd { content_index, .. } => ("toolcall_end", Some(content_index)),
            Self::Done { .. } => ("done", None),
            Self::Error { .. } => ("error", None),
        };
        map.serialize_entry("type", kind)?;
        if let Some(index) = index {
            map.serialize_entry("contentIndex", index)?;
        }
        match self {
            Self::TextDelta { delta, .. }
            | Self::ThinkingDelta { delta, .. }
            | Self::ToolCallDelta { delta, .. } => {
                map.serialize_entry("delta", delta)?;
            }
            Self::TextEnd { content, .. } | Self::ThinkingEnd { content, .. } => {
                map.serialize_entry("content", content)?;
            }
            Self::ToolCallEnd { tool_call, .. } => map.serialize_entry("toolCall", &InMessage(tool_call))?,
            Self::Done { message } => {
                map.serialize_entry("reason", message.stop_reason.as_ref().unwrap_or(&StopReason::Stop))?;
                map.serialize_entry("message", &InConversation(message))?;
            }
            Self::Error { error } => {
                map.serialize_entry("reason", error.stop_reason.as_ref().unwrap_or(&StopReason::Error))?;
                map.serialize_entry("error", &InConversation(error))?;
            }
            Self::Start
            | Self::TextStart { .. }
            | Self::ThinkingStart { .. }
            | Self::ToolCallStart { .. } => {}
        }
        map.end()
    }
}
