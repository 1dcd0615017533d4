//! The events of a stream, and the deltas of content blocks.
//!
//! A message arrives as [`MessageStartEvent`], then for each block of content a [`ContentBlockStartEvent`]
//! (not for text and reasoning), any number of [`ContentBlockDeltaEvent`]s and a
//! [`ContentBlockStopEvent`], then [`MessageStopEvent`], then [`ConverseStreamMetadataEvent`]. Each event
//! has the index of its block, and blocks may interleave.
//!
//! The service adds a member `p` of random length to each event, so that the length of the encrypted event does not
//! reveal its content. It is dropped.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::converse::block::{ErrorBlock, ImageFormat, ImageSource};
use crate::converse::citation::{Citation, CitationLocation, CitationSourceContent};
use crate::converse::tool::{ToolResultStatus, ToolUseType};
use crate::converse::{
    ConversationRole, ConverseMetrics, PerformanceConfiguration, ServiceTier, StopReason, TokenUsage,
};
use crate::shape::{Blob, Document};
use crate::{structure, union};

structure! {
    /// A message begins.
    pub struct MessageStartEvent {
        optional {
            /// The role: the assistant.
            role: ConversationRole = "role",
        }
        ignored { "p", }
    }
}

structure! {
    /// A block of content begins. Text and reasoning begin without such an event.
    pub struct ContentBlockStartEvent {
        required {
            /// Which block of the message, from 0.
            content_block_index: u32 = "contentBlockIndex",
            /// The kind of block, and its first members.
            start: ContentBlockStart = "start",
        }
        ignored { "p", }
    }
}

structure! {
    /// A piece of a block of content.
    pub struct ContentBlockDeltaEvent {
        required {
            /// Which block of the message, from 0.
            content_block_index: u32 = "contentBlockIndex",
            /// The piece.
            delta: ContentBlockDelta = "delta",
        }
        ignored { "p", }
    }
}

structure! {
    /// A block of content is complete.
    pub struct ContentBlockStopEvent {
        required {
            /// Which block of the message, from 0.
            content_block_index: u32 = "contentBlockIndex",
        }
        ignored { "p", }
    }
}

structure! {
    /// The message is complete. The stream is not: its metadata follows.
    pub struct MessageStopEvent {
        optional {
            /// Why the model stopped.
            stop_reason: StopReason = "stopReason",
            /// The fields of the model's own response that `additional_model_response_field_paths` asked for.
            additional_model_response_fields: Document = "additionalModelResponseFields",
        }
        ignored { "p", }
    }
}

structure! {
    /// What the call used and did. The last event, which may be missing.
    pub struct ConverseStreamMetadataEvent {
        optional {
            /// The tokens that were read and written.
            usage: TokenUsage = "usage",
            /// How long it took.
            metrics: ConverseMetrics = "metrics",
            /// What the guardrail and the prompt router did, if the request enabled traces. Undecoded:
            /// [read](Document::read) it as a [`ConverseTrace`](crate::converse::ConverseTrace).
            trace: Document = "trace",
            /// The version of the model that served the request.
            performance_config: PerformanceConfiguration = "performanceConfig",
            /// The tier that served the request.
            service_tier: ServiceTier = "serviceTier",
        }
        ignored { "p", }
    }
}

union! {
    /// What kind of block begins.
    pub enum ContentBlockStart {
        /// The model calls a tool.
        ToolUse(ToolUseBlockStart) = "toolUse" from,
        /// The result of a tool that the service ran.
        ToolResult(ToolResultBlockStart) = "toolResult" from,
        /// An image.
        Image(ImageBlockStart) = "image" from,
    }
}

structure! {
    /// A tool call begins.
    pub struct ToolUseBlockStart {
        required {
            /// The id of the call, to which the result refers.
            tool_use_id: String = "toolUseId",
            /// The name of the tool.
            name: String = "name",
        }
        optional {
            /// Who runs the tool. Absent: the caller.
            kind: ToolUseType = "type",
        }
    }
}

structure! {
    /// The result of a tool that the service ran begins.
    pub struct ToolResultBlockStart {
        required {
            /// The id of the tool call.
            tool_use_id: String = "toolUseId",
        }
        optional {
            /// The kind of result, such as `nova_grounding_result`.
            kind: String = "type",
            /// Whether the tool succeeded.
            status: ToolResultStatus = "status",
        }
    }
}

structure! {
    /// An image begins.
    pub struct ImageBlockStart {
        required {
            /// The format of the bytes that follow.
            format: ImageFormat = "format",
        }
    }
}

union! {
    /// A piece of a block of content.
    pub enum ContentBlockDelta {
        /// Text, to be appended.
        Text(String) = "text" from_text,
        /// Input of a tool.
        ToolUse(ToolUseBlockDelta) = "toolUse" from,
        /// Content of a tool's result.
        ToolResult(Vec<ToolResultBlockDelta>) = "toolResult" from,
        /// What the model thinks.
        ReasoningContent(ReasoningContentBlockDelta) = "reasoningContent" from,
        /// One source of the block's text.
        Citation(Box<CitationsDelta>) = "citation" from,
        /// Bytes of an image.
        Image(Box<ImageBlockDelta>) = "image" from,
    }
}

impl ContentBlockDelta {
    /// The text, if the piece is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

structure! {
    /// A piece of the input of a tool.
    pub struct ToolUseBlockDelta {
        required {
            /// Text, to be appended. All pieces together are the JSON of the input; an empty text stands for `{}`.
            input: String = "input",
        }
    }
}

union! {
    /// A piece of a tool's result.
    pub enum ToolResultBlockDelta {
        /// Text.
        Text(String) = "text" from_text,
        /// Any JSON.
        Json(Document) = "json" from,
    }
}

union! {
    /// A piece of what a model thinks.
    pub enum ReasoningContentBlockDelta {
        /// Text, to be appended.
        Text(String) = "text",
        /// Bytes that the provider encrypted.
        RedactedContent(Blob) = "redactedContent" from,
        /// Proves that the text before it is the model's.
        Signature(String) = "signature",
    }
}

structure! {
    /// One source of a block's text.
    pub struct CitationsDelta {
        optional {
            /// The title of the document, or another name of it.
            title: String = "title",
            /// The source that the search result named.
            source: String = "source",
            /// The passages that are cited.
            source_content: Vec<CitationSourceContentDelta> = "sourceContent",
            /// Where in the source they are.
            location: CitationLocation = "location",
        }
    }
}

impl From<CitationsDelta> for Citation {
    fn from(delta: CitationsDelta) -> Self {
        let passages = |passages: Vec<CitationSourceContentDelta>| {
            passages.into_iter().map(CitationSourceContent::from).collect()
        };
        Self {
            title: delta.title,
            source: delta.source,
            source_content: delta.source_content.map(passages),
            location: delta.location,
            other: delta.other,
        }
    }
}

structure! {
    /// A passage that is cited.
    pub struct CitationSourceContentDelta {
        optional {
            /// Its text.
            text: String = "text",
        }
    }
}

impl From<CitationSourceContentDelta> for CitationSourceContent {
    fn from(delta: CitationSourceContentDelta) -> Self {
        match delta.text {
            Some(text) => Self::Text(text),
            None => Self::Unknown(delta.other),
        }
    }
}

structure! {
    /// A piece of an image.
    pub struct ImageBlockDelta {
        optional {
            /// The next bytes.
            source: ImageSource = "source",
            /// Why the image could not be made.
            error: ErrorBlock = "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_dropped_and_unknown_members_are_kept() {
        let json = r#"{"contentBlockIndex":0,"start":{},"p":"abcd","new":[1]}"#;
        let event = serde_json::from_str::<ContentBlockStartEvent>(json).unwrap();
        assert!(matches!(event.start, ContentBlockStart::Unknown(_)));
        assert_eq!(serde_json::to_string(&event).unwrap(), r#"{"contentBlockIndex":0,"start":{},"new":[1]}"#);
    }

    #[test]
    fn a_streamed_citation_is_a_citation() {
        let json = r#"{"title":"A","sourceContent":[{"text":"x"},{"sound":"y"}],"location":{"web":{"url":"u"}},"new":1}"#;
        let citation = Citation::from(serde_json::from_str::<CitationsDelta>(json).unwrap());
        assert_eq!(serde_json::to_string(&citation).unwrap(), json);
    }
}
