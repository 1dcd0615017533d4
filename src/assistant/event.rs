//! What an agent is told while an answer comes.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::message::{AssistantMessage, InConversation, InMessage, StopReason, ToolCall};

/// A step of an answer. `content_index` is the place of a block in the message's content: blocks are
/// numbered as they first appear.
///
/// As JSON it is pi-ai's event without `partial`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AssistantEvent {
    /// The answer begins.
    Start,
    /// Text begins.
    TextStart {
        /// Which block.
        content_index: usize,
    },
    /// Text goes on.
    TextDelta {
        /// Which block.
        content_index: usize,
        /// What is added.
        delta: String,
    },
    /// Text is complete.
    TextEnd {
        /// Which block.
        content_index: usize,
        /// All of it.
        content: String,
    },
    /// Thinking begins.
    ThinkingStart {
        /// Which block.
        content_index: usize,
    },
    /// Thinking goes on.
    ThinkingDelta {
        /// Which block.
        content_index: usize,
        /// What is added.
        delta: String,
    },
    /// Thinking is complete.
    ThinkingEnd {
        /// Which block.
        content_index: usize,
        /// All of it.
        content: String,
    },
    /// The model begins to ask for a tool.
    ToolCallStart {
        /// Which block.
        content_index: usize,
    },
    /// The arguments of a tool go on.
    ToolCallDelta {
        /// Which block.
        content_index: usize,
        /// What is added to their JSON.
        delta: String,
    },
    /// The model has asked for a tool.
    ToolCallEnd {
        /// Which block.
        content_index: usize,
        /// The tool and its arguments.
        tool_call: Box<ToolCall>,
    },
    /// The answer is complete. Nothing follows.
    Done {
        /// All of it, with why it ended: [`Stop`](StopReason::Stop), [`Length`](StopReason::Length) or
        /// [`ToolUse`](StopReason::ToolUse).
        message: Box<AssistantMessage>,
    },
    /// The answer failed. Nothing follows.
    Error {
        /// What came of it, and what went wrong.
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
