//! The content of messages: one of all kinds of blocks.

use alloc::string::String;

use crate::converse::block::{
    AudioBlock, CachePointBlock, DocumentBlock, ImageBlock, ReasoningContentBlock, SearchResultBlock,
    VideoBlock,
};
use crate::converse::citation::{CitationGeneratedContent, CitationsContentBlock};
use crate::converse::tool::{ToolAdditionBlock, ToolRemovalBlock, ToolResultBlock, ToolUseBlock};
use crate::guardrail::GuardrailContentBlock;
use crate::union;

union! {
    /// A block of a message's content. Which blocks are supported depends on the model.
    ///
    /// See the [API's page](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html).
    pub enum ContentBlock {
        /// Text.
        Text(String) = "text" from_text,
        /// An image.
        Image(ImageBlock) = "image" from,
        /// A document.
        Document(DocumentBlock) = "document" from,
        /// A video.
        Video(VideoBlock) = "video" from,
        /// A piece of audio.
        Audio(AudioBlock) = "audio" from,
        /// The model calls a tool.
        ToolUse(ToolUseBlock) = "toolUse" from,
        /// The result of a tool call.
        ToolResult(ToolResultBlock) = "toolResult" from,
        /// Content for the guardrail to assess. If there is such a block, nothing else is assessed.
        GuardContent(GuardrailContentBlock) = "guardContent" from,
        /// Everything before this point is to be cached.
        CachePoint(CachePointBlock) = "cachePoint" from,
        /// The model's reasoning before its response.
        ReasoningContent(ReasoningContentBlock) = "reasoningContent" from,
        /// Text of the response, with its sources.
        CitationsContent(CitationsContentBlock) = "citationsContent" from,
        /// Something that a search found, for the model to cite.
        SearchResult(SearchResultBlock) = "searchResult" from,
        /// From here on the model may call a tool. Only in system messages.
        ToolAddition(ToolAdditionBlock) = "toolAddition" from,
        /// From here on the model may not call a tool. Only in system messages.
        ToolRemoval(ToolRemovalBlock) = "toolRemoval" from,
    }
}

impl ContentBlock {
    /// The text of a text block.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text of the response, in pieces.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let cited = match self {
            Self::CitationsContent(block) => block.content.as_deref(),
            _ => None,
        };
        let cited = cited.unwrap_or_default().iter().filter_map(|content| match content {
            CitationGeneratedContent::Text(text) => Some(text.as_str()),
            CitationGeneratedContent::Unknown(_) => None,
        });
        self.as_text().into_iter().chain(cited)
    }
}
