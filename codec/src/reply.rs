//! Events folded into a whole response, as Converse returns it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::converse::{
    Citation, CitationGeneratedContent, CitationsContentBlock, ContentBlock, ContentBlockDelta,
    ContentBlockStart, ConversationRole, ConverseOutput, ConverseResponse, ErrorBlock, ImageBlock,
    ImageFormat, ImageSource, Message, ReasoningContentBlock, ReasoningContentBlockDelta, ReasoningTextBlock,
    ToolResultBlock, ToolResultBlockDelta, ToolResultBlockStart, ToolResultContentBlock, ToolUseBlock,
    ToolUseBlockStart,
};
use crate::event::Event;
use crate::shape::{Blob, Document, Members};

/// Folds the events of a stream into a [`ConverseResponse`], in time linear in their length.
///
/// Blocks are kept by their index, so they may interleave, and come in the order of the index. The input of a tool is
/// parsed at the end: an empty one is `{}`, and one that is not JSON, because the response reached `max_tokens`, is a
/// JSON string of its text.
///
/// ```
/// use pumice_codec::reply::ReplyBuilder;
///
/// # let events = Vec::<pumice_codec::Event>::new();
/// let mut reply = ReplyBuilder::new();
/// for event in events {
///     reply.push(event);
/// }
/// let response = reply.finish();
/// # assert!(response.stop_reason.is_none());
/// ```
#[derive(Debug, Clone, Default)]
pub struct ReplyBuilder {
    role: Option<ConversationRole>,
    blocks: BTreeMap<u32, Block>,
    response: Option<ConverseResponse>,
}

impl ReplyBuilder {
    /// A builder without events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next event. An event that this version does not know changes nothing.
    pub fn push(&mut self, event: Event) {
        match event {
            Event::MessageStart(event) => self.role = event.role,
            Event::ContentBlockStart(event) => {
                self.blocks.entry(event.content_block_index).or_default().begin(event.start);
            }
            Event::ContentBlockDelta(event) => {
                self.blocks.entry(event.content_block_index).or_default().add(event.delta);
            }
            Event::ContentBlockStop(_) | Event::Unknown { .. } => {}
            Event::MessageStop(event) => {
                let response = self.response.get_or_insert_default();
                response.stop_reason = event.stop_reason;
                response.additional_model_response_fields = event.additional_model_response_fields;
            }
            Event::Metadata(event) => {
                let response = self.response.get_or_insert_default();
                response.usage = event.usage;
                response.metrics = event.metrics;
                response.trace = event.trace;
                response.performance_config = event.performance_config;
                response.service_tier = event.service_tier;
                response.other = event.other;
            }
        }
    }

    /// The response as far as it has arrived.
    pub fn finish(self) -> ConverseResponse {
        let content = self.blocks.into_values().map(Block::finish).collect::<Vec<_>>();
        let message = Message::new(self.role.unwrap_or(ConversationRole::Assistant), content);
        let mut response = self.response.unwrap_or_default();
        response.output = Some(ConverseOutput::Message(message));
        response
    }
}

/// A block as far as it has arrived.
#[derive(Debug, Clone, Default)]
enum Block {
    #[default]
    Empty,
    Text {
        text: String,
        citations: Vec<Citation>,
    },
    ToolUse {
        start: ToolUseBlockStart,
        input: String,
    },
    ToolResult {
        start: ToolResultBlockStart,
        content: Vec<ToolResultContentBlock>,
    },
    Reasoning {
        text: String,
        signature: Option<String>,
    },
    Redacted(Vec<u8>),
    Image {
        format: ImageFormat,
        bytes: Vec<u8>,
        elsewhere: Option<ImageSource>,
        error: Option<ErrorBlock>,
    },
    Unknown(Members),
}

impl Block {
    fn begin(&mut self, start: ContentBlockStart) {
        *self = match start {
            ContentBlockStart::ToolUse(start) => Self::ToolUse { start, input: String::new() },
            ContentBlockStart::ToolResult(start) => Self::ToolResult { start, content: Vec::new() },
            ContentBlockStart::Image(start) => {
                Self::Image { format: start.format, bytes: Vec::new(), elsewhere: None, error: None }
            }
            ContentBlockStart::Unknown(members) if !members.is_empty() => Self::Unknown(members),
            ContentBlockStart::Unknown(_) => Self::Empty,
        };
    }

    /// A delta of another kind than the block's is ignored: its block did not begin.
    fn add(&mut self, delta: ContentBlockDelta) {
        if let Self::Empty = self {
            *self = Self::of(&delta);
        }
        match (self, delta) {
            (Self::Text { text, .. }, ContentBlockDelta::Text(more)) => text.push_str(&more),
            (Self::Text { citations, .. }, ContentBlockDelta::Citation(citation)) => {
                citations.push((*citation).into());
            }
            (Self::ToolUse { input, .. }, ContentBlockDelta::ToolUse(delta)) => input.push_str(&delta.input),
            (Self::ToolResult { content, .. }, ContentBlockDelta::ToolResult(more)) => {
                for piece in more {
                    add_to_result(content, piece);
                }
            }
            (Self::Reasoning { text, signature }, ContentBlockDelta::ReasoningContent(delta)) => {
                match delta {
                    ReasoningContentBlockDelta::Text(more) => text.push_str(&more),
                    ReasoningContentBlockDelta::Signature(more) => {
                        signature.get_or_insert_default().push_str(&more);
                    }
                    _ => {}
                }
            }
            (
                Self::Redacted(bytes),
                ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::RedactedContent(more)),
            ) => bytes.extend_from_slice(&more.0),
            (Self::Image { bytes, elsewhere, error, .. }, ContentBlockDelta::Image(delta)) => {
                match delta.source {
                    Some(ImageSource::Bytes(more)) => bytes.extend_from_slice(&more.0),
                    Some(source) => *elsewhere = Some(source),
                    None => {}
                }
                if delta.error.is_some() {
                    *error = delta.error;
                }
            }
            _ => {}
        }
    }

    /// The empty block that begins with this delta.
    fn of(delta: &ContentBlockDelta) -> Self {
        match delta {
            ContentBlockDelta::Text(_) | ContentBlockDelta::Citation(_) => {
                Self::Text { text: String::new(), citations: Vec::new() }
            }
            ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::RedactedContent(_)) => {
                Self::Redacted(Vec::new())
            }
            ContentBlockDelta::ReasoningContent(_) => {
                Self::Reasoning { text: String::new(), signature: None }
            }
            ContentBlockDelta::Unknown(members) => Self::Unknown(members.clone()),
            // These blocks have a start, and without it their name and id are unknown.
            ContentBlockDelta::ToolUse(_)
            | ContentBlockDelta::ToolResult(_)
            | ContentBlockDelta::Image(_) => Self::Empty,
        }
    }

    fn finish(self) -> ContentBlock {
        match self {
            Self::Empty => ContentBlock::Text(String::new()),
            Self::Text { text, citations } if citations.is_empty() => ContentBlock::Text(text),
            Self::Text { text, citations } => {
                let content = vec![CitationGeneratedContent::Text(text)];
                ContentBlock::CitationsContent(
                    CitationsContentBlock::new().content(content).citations(citations),
                )
            }
            Self::ToolUse { start, input } => {
                let mut block = ToolUseBlock::new(start.tool_use_id, start.name, tool_input(input));
                block.kind = start.kind;
                block.other = start.other;
                ContentBlock::ToolUse(block)
            }
            Self::ToolResult { start, content } => {
                let mut block = ToolResultBlock::new(start.tool_use_id, content);
                block.kind = start.kind;
                block.status = start.status;
                block.other = start.other;
                ContentBlock::ToolResult(block)
            }
            Self::Reasoning { text, signature } => {
                let mut block = ReasoningTextBlock::new(text);
                block.signature = signature;
                ContentBlock::ReasoningContent(ReasoningContentBlock::ReasoningText(block))
            }
            Self::Redacted(bytes) => {
                ContentBlock::ReasoningContent(ReasoningContentBlock::RedactedContent(bytes.into()))
            }
            Self::Image { format, bytes, elsewhere, error } => {
                let source = elsewhere.unwrap_or(ImageSource::Bytes(Blob::from(bytes)));
                let mut block = ImageBlock::new(format, source);
                block.error = error;
                ContentBlock::Image(block)
            }
            Self::Unknown(members) => ContentBlock::Unknown(members),
        }
    }
}

/// Appends text to text.
fn add_to_result(content: &mut Vec<ToolResultContentBlock>, piece: ToolResultBlockDelta) {
    match piece {
        ToolResultBlockDelta::Text(more) => match content.last_mut() {
            Some(ToolResultContentBlock::Text(text)) => text.push_str(&more),
            _ => content.push(ToolResultContentBlock::Text(more)),
        },
        ToolResultBlockDelta::Json(json) => content.push(ToolResultContentBlock::Json(json)),
        ToolResultBlockDelta::Unknown(members) => content.push(ToolResultContentBlock::Unknown(members)),
    }
}

fn tool_input(input: String) -> Document {
    if input.trim().is_empty() {
        return Document::default();
    }
    let as_string = serde_json::Value::from(input.as_str());
    Document::parse(input).unwrap_or_else(|_| as_string.into())
}
