//! How many tokens a request has, estimated, and how many are left for the response.

use super::{Options, Target};
use crate::converse::{
    ContentBlock, ConverseRequest, DocumentBlock, DocumentSource, Message, ReasoningContentBlock,
    SystemContentBlock, Tool, ToolInputSchema, ToolResultContentBlock,
};

/// The limit, or less where the model's context window has no room for it.
pub(super) fn clamp(limit: u64, request: &ConverseRequest, target: &Target, options: &Options) -> u64 {
    let Some(window) = target.info.context_window.filter(|window| *window > 0) else { return limit };
    let input = estimate(request, options);
    let margin = LEAST_MARGIN.max((input * 15).div_ceil(100));
    let room = window.saturating_sub(input).saturating_sub(margin);
    let room = if room < COMFORTABLE_ROOM {
        COMFORTABLE_ROOM.min(window.saturating_sub(input).saturating_sub(LEAST_MARGIN))
    } else {
        room
    };
    limit.min(room.max(1))
}

/// The tokens of a request, all of them estimated.
#[cfg(feature = "bulk")]
pub(crate) fn estimated_tokens(request: &ConverseRequest) -> u64 {
    estimate(request, &Options::default())
}

/// The tokens of a request: what the service counted at an earlier response, and an estimate of what was added
/// since.
fn estimate(request: &ConverseRequest, options: &Options) -> u64 {
    let counted = options.counted.filter(|counted| counted.tokens > 0);
    let from = counted.map_or(0, |counted| counted.messages);
    let mut characters = request.messages.iter().flatten().skip(from).map(in_message).sum::<usize>();
    if counted.is_none() {
        characters += request.system.iter().flatten().map(in_system).sum::<usize>();
        let tools = request.tool_config.iter().flat_map(|config| &config.tools);
        characters += tools.map(in_tool).sum::<usize>();
    }
    // A token for three and a half characters.
    let added = u64::try_from(characters).unwrap_or(u64::MAX / 2).saturating_mul(2).div_ceil(7);
    counted.map_or(0, |counted| counted.tokens).saturating_add(added).min(u64::MAX / 16)
}

fn in_message(message: &Message) -> usize {
    message.content.iter().map(in_block).sum()
}

fn in_block(block: &ContentBlock) -> usize {
    match block {
        ContentBlock::Text(text) => count(text),
        ContentBlock::Image(_) => IMAGE,
        ContentBlock::Document(document) => in_document(document),
        ContentBlock::ToolUse(call) => count(&call.name) + count(call.input.text()),
        ContentBlock::ToolResult(result) => result.content.iter().map(in_result).sum(),
        ContentBlock::ReasoningContent(ReasoningContentBlock::ReasoningText(block)) => count(&block.text),
        ContentBlock::ReasoningContent(ReasoningContentBlock::RedactedContent(blob)) => blob.0.len(),
        _ => 0,
    }
}

fn in_result(block: &ToolResultContentBlock) -> usize {
    match block {
        ToolResultContentBlock::Text(text) => count(text),
        ToolResultContentBlock::Json(json) => count(json.text()),
        ToolResultContentBlock::Image(_) => IMAGE,
        ToolResultContentBlock::Document(document) => in_document(document),
        _ => 0,
    }
}

fn in_document(document: &DocumentBlock) -> usize {
    match &document.source {
        // In base64.
        DocumentSource::Bytes(bytes) => bytes.0.len().div_ceil(3) * 4,
        DocumentSource::Text(text) => count(text),
        _ => 0,
    }
}

fn in_system(block: &SystemContentBlock) -> usize {
    match block {
        SystemContentBlock::Text(text) => count(text),
        _ => 0,
    }
}

fn in_tool(tool: &Tool) -> usize {
    let Tool::ToolSpec(tool) = tool else { return 0 };
    let schema = match &tool.input_schema {
        ToolInputSchema::Json(schema) => schema.text(),
        _ => "",
    };
    [&tool.name, tool.description.as_deref().unwrap_or_default(), schema].map(count).iter().sum()
}

fn count(text: &str) -> usize {
    text.chars().count()
}

/// The characters that an image counts for.
const IMAGE: usize = 4800;
/// The least room that stays free, since the request is only estimated.
const LEAST_MARGIN: u64 = 4096;
/// Above this room the margin is a share of the request.
const COMFORTABLE_ROOM: u64 = 32768;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::Counted;
    use crate::models::ModelInfo;

    fn target(window: u64) -> Target {
        Target::new(ModelInfo { context_window: Some(window), ..ModelInfo::default() })
    }

    #[test]
    fn a_limit_fits_into_the_context_window() {
        let request = ConverseRequest::new("m").message(Message::user("hi"));
        let clamp = |limit, window| clamp(limit, &request, &target(window), &Options::default());
        assert_eq!(clamp(5000, 5000), 903);
        assert_eq!(clamp(5000, 50), 1);
        assert_eq!(clamp(99_000, 100_000), 95_903);
        assert_eq!(clamp(99_000, 0), 99_000);
    }

    #[test]
    fn what_the_service_counted_is_not_estimated() {
        let request = ConverseRequest::new("m")
            .system("x".repeat(500_000))
            .message(Message::user("hi"))
            .message(Message::assistant("a"))
            .message(Message::user("y".repeat(7)));
        let options =
            Options { counted: Some(Counted { messages: 2, tokens: 90_000 }), ..Options::default() };
        assert_eq!(clamp(8000, &request, &target(100_000), &options), 100_000 - 90_002 - 4096);
        assert_eq!(clamp(8000, &request, &target(100_000), &Options::default()), 1);
    }
}
