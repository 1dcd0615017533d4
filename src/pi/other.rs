//! What a response holds that pi-ai has no form for: citations, the tools that the service runs, images.

use std::collections::BTreeMap;

use crate::Result;
use crate::converse::{
    Citation, CitationsContentBlock, ContentBlock, ContentBlockDelta, ContentBlockStart, ImageBlock,
    ImageSource, ToolResultBlock, ToolResultBlockDelta, ToolResultContentBlock, ToolResultStatus,
    ToolUseBlock, ToolUseBlockStart, ToolUseType,
};
use crate::shape::{Blob, Document, Members};

/// The blocks of a response that have no form in pi-ai, as far as they have arrived.
#[derive(Debug, Clone, Default)]
pub(super) struct OtherBlocks {
    /// In the order in which they began.
    blocks: Vec<Other>,
    /// The index in `blocks`, by the service's index; `None` for one that is another block's.
    places: BTreeMap<u32, Option<usize>>,
}

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
        self.insert(index, content_index, block);
        None
    }

    fn insert(&mut self, index: u32, content_index: usize, block: ContentBlock) -> usize {
        self.places.insert(index, Some(self.blocks.len()));
        self.blocks.push(Other { content_index, block, data: Vec::new() });
        self.blocks.len() - 1
    }

    /// Adds a piece. A citation without text, and before its text, begins a block.
    pub(super) fn add(&mut self, index: u32, content_index: usize, delta: ContentBlockDelta) {
        let place = self.places.get(&index).copied().flatten();
        let place = match (place, &delta) {
            (Some(place), _) => place,
            (None, ContentBlockDelta::Citation(_)) => {
                self.insert(index, content_index, CitationsContentBlock::new().into())
            }
            (None, _) => return,
        };
        let Some(Other { block, data, .. }) = self.blocks.get_mut(place) else { return };
        match (block, delta) {
            (ContentBlock::CitationsContent(block), ContentBlockDelta::Citation(citation)) => {
                block.citations.get_or_insert_default().push((*citation).into());
            }
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
        let place = self.places.get_mut(&index).and_then(Option::take);
        match place.and_then(|place| self.blocks.get_mut(place)) {
            Some(Other { block: ContentBlock::CitationsContent(block), .. }) => {
                block.citations.take().unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// The blocks, if there are any.
    pub(super) fn finish(self) -> Option<Vec<Document>> {
        let blocks = self.blocks.into_iter().map(|Other { content_index, mut block, data }| {
            match &mut block {
                // Those of a text are there.
                ContentBlock::CitationsContent(block) if block.citations.is_none() => return None,
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
            // size: a typed block in a message takes 100 KB to read.
            let block = Document::write(&block).ok()?;
            Document::parse(format!(r#"{{"contentIndex":{content_index},"block":{}}}"#, block.text())).ok()
        });
        Some(blocks.flatten().collect::<Vec<_>>()).filter(|blocks| !blocks.is_empty())
    }
}

/// A block as Converse takes it, and which block it stands before. What the [repairs](crate::conversation) look at is
/// typed.
pub(super) fn to_converse(other: &Document) -> Result<(usize, ContentBlock)> {
    let other = other.read::<Members>()?;
    let index = other.named("contentIndex").map_or(Ok(0), Document::read)?;
    let members = other.named("block").map_or_else(|| Ok(Members::default()), Document::read::<Members>)?;
    Ok((index, block(members)?))
}

fn block(members: Members) -> Result<ContentBlock> {
    let Some((kind @ ("toolUse" | "toolResult"), content)) = members.iter().next() else {
        return Ok(ContentBlock::Unknown(members));
    };
    let mut rest = content.read::<Members>()?;
    let mut text = |name: &str| rest.remove(name).and_then(|text| text.read::<String>().ok());
    let (id, of) = (text("toolUseId").unwrap_or_default(), text("type"));
    if kind == "toolUse" {
        let name = text("name").unwrap_or_default();
        let mut call = ToolUseBlock::new(id, name, rest.remove("input").unwrap_or_default());
        (call.kind, call.other) = (of.as_deref().map(ToolUseType::from), rest);
        return Ok(call.into());
    }
    let status = text("status");
    let pieces = rest.remove("content").map(|pieces| pieces.read::<Vec<Members>>()).transpose()?;
    let pieces = pieces.into_iter().flatten().map(|piece| {
        match (piece.named("text").map(Document::read::<String>), piece.named("json")) {
            (Some(Ok(text)), _) => text.into(),
            (_, Some(json)) => ToolResultContentBlock::Json(json.clone()),
            _ => ToolResultContentBlock::Unknown(piece),
        }
    });
    let mut result = ToolResultBlock::new(id, pieces.collect::<Vec<_>>());
    result.status = status.as_deref().map(ToolResultStatus::from);
    (result.kind, result.other) = (of, rest);
    Ok(result.into())
}
