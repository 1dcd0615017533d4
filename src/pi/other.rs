//! What a response holds that pi-ai has no form for: citations, the tools that the service runs, images.

use std::collections::BTreeMap;

use super::content::OtherContent;
use crate::converse::{
    Citation, CitationsContentBlock, ContentBlock, ContentBlockDelta, ContentBlockStart, ImageBlock,
    ImageSource, ToolResultBlock, ToolResultBlockDelta, ToolResultContentBlock, ToolUseBlock,
    ToolUseBlockStart, ToolUseType,
};
use crate::shape::{Blob, Document};

/// The blocks of a response that have no form in pi-ai, as far as they have arrived, by the service's index.
#[derive(Debug, Clone, Default)]
pub(super) struct OtherBlocks(BTreeMap<u32, Other>);

#[derive(Debug, Clone)]
struct Other {
    /// Before which of pi-ai's blocks it stands.
    content_index: usize,
    block: ContentBlock,
    /// The JSON of a tool's input, or the bytes of an image.
    data: Vec<u8>,
}

impl OtherBlocks {
    /// Begins a block, unless it is the call of a tool of the caller's, which is returned.
    pub(super) fn begin(
        &mut self,
        index: u32,
        content_index: usize,
        start: ContentBlockStart,
    ) -> Option<ToolUseBlockStart> {
        let block = match start {
            ContentBlockStart::ToolUse(start) if start.kind != Some(ToolUseType::ServerToolUse) => {
                return Some(start);
            }
            ContentBlockStart::ToolUse(start) => {
                let mut call = ToolUseBlock::new(start.tool_use_id, start.name, Document::default());
                (call.kind, call.other) = (start.kind, start.other);
                call.into()
            }
            ContentBlockStart::ToolResult(start) => {
                let mut result = ToolResultBlock::new(start.tool_use_id, Vec::new());
                (result.kind, result.status, result.other) = (start.kind, start.status, start.other);
                result.into()
            }
            ContentBlockStart::Image(start) => {
                ImageBlock::new(start.format, ImageSource::Bytes(Blob::default())).into()
            }
            _ => return None,
        };
        self.0.insert(index, Other { content_index, block, data: Vec::new() });
        None
    }

    /// Adds a piece. A citation without text, and before its text, begins a block.
    pub(super) fn add(&mut self, index: u32, content_index: usize, delta: ContentBlockDelta) {
        if let ContentBlockDelta::Citation(citation) = delta {
            let block = CitationsContentBlock::new().citations(Vec::new()).into();
            let new = || Other { content_index, block, data: Vec::new() };
            if let ContentBlock::CitationsContent(block) = &mut self.0.entry(index).or_insert_with(new).block
            {
                block.citations.get_or_insert_default().push((*citation).into());
            }
            return;
        }
        let Some(Other { block, data, .. }) = self.0.get_mut(&index) else { return };
        match (block, delta) {
            (ContentBlock::ToolUse(_), ContentBlockDelta::ToolUse(more)) => {
                data.extend_from_slice(more.input.as_bytes());
            }
            (ContentBlock::ToolResult(result), ContentBlockDelta::ToolResult(pieces)) => {
                for piece in pieces {
                    let block = match (piece, result.content.last_mut()) {
                        (ToolResultBlockDelta::Text(more), Some(ToolResultContentBlock::Text(text))) => {
                            text.push_str(&more);
                            continue;
                        }
                        (ToolResultBlockDelta::Text(text), _) => text.into(),
                        (ToolResultBlockDelta::Json(json), _) => ToolResultContentBlock::Json(json),
                        (ToolResultBlockDelta::Unknown(members), _) => {
                            ToolResultContentBlock::Unknown(members)
                        }
                        _ => continue,
                    };
                    result.content.push(block);
                }
            }
            (ContentBlock::Image(image), ContentBlockDelta::Image(more)) => {
                match more.source {
                    Some(ImageSource::Bytes(more)) => data.extend_from_slice(&more.0),
                    Some(elsewhere) => image.source = elsewhere,
                    None => {}
                }
                image.error = image.error.take().or(more.error);
            }
            _ => {}
        }
    }

    /// Takes the citations of a block whose text begins.
    pub(super) fn take_citations(&mut self, index: u32) -> Vec<Citation> {
        match self.0.remove(&index).map(|other| other.block) {
            Some(ContentBlock::CitationsContent(block)) => block.citations.unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    /// The blocks, if there are any.
    pub(super) fn finish(self) -> Option<Vec<OtherContent>> {
        let blocks = self.0.into_values().map(|Other { content_index, mut block, data }| {
            match &mut block {
                // If it was cut off, it is not JSON.
                ContentBlock::ToolUse(call) => {
                    let json = String::from_utf8(data).unwrap_or_default();
                    call.input = Document::parse(json).unwrap_or_default();
                }
                ContentBlock::Image(ImageBlock { source: ImageSource::Bytes(bytes), .. }) => {
                    *bytes = data.into();
                }
                _ => {}
            }
            OtherContent::new(content_index, block)
        });
        Some(blocks.collect::<Vec<_>>()).filter(|blocks| !blocks.is_empty())
    }
}
