//! Anthropic's Messages for models that are not Claude: its request as Converse's, the events of a response as its
//! events.

mod citation;
mod encoder;

use pumice::converse::{
    CitationGeneratedContent, CitationsConfig, CitationsContentBlock, ContentBlock, ConversationRole,
    DocumentBlock, DocumentContentBlock, DocumentFormat, DocumentSource, ReasoningContentBlock,
    ReasoningTextBlock, SearchResultBlock, SearchResultContentBlock, ToolResultBlock, ToolResultStatus,
    ToolUseBlock,
};
use pumice::shape::Document;

use self::encoder::Messages;
#[cfg(test)]
pub(crate) use self::encoder::tests::served;
use crate::dialect::Translated;
use crate::failure::Failure;
use crate::given::{Given, NO_PLACE, PARALLEL, cache_point, function, json_schema, list};
use crate::json::{Fault, Json, Object};
use crate::media;

/// Reads a request.
pub(crate) fn read(body: &[u8]) -> Result<Translated, Failure> {
    let (translated, notes) = crate::json::read(body, translate)?;
    Ok(Translated { notes, ..translated })
}

fn translate(mut body: Object<'_>, notes: &mut Vec<Fault>) -> Result<Translated, Fault> {
    let mut given = Given::new(&mut body, notes)?;
    if let Some(system) = body.take("system") {
        let mut blocks = Vec::new();
        read_content(system, &mut blocks, notes)?;
        given.instruct(blocks);
    }
    for message in body.need("messages", "a list of messages")?.items()? {
        let mut object = message.object()?;
        let role = object.need("role", "user or assistant")?;
        let role = match &*role.text()? {
            "user" => ConversationRole::User,
            "assistant" => ConversationRole::Assistant,
            "system" => ConversationRole::System,
            _ => return Err(role.expected("user or assistant")),
        };
        let mut content = Vec::new();
        read_content(object.need("content", "a text or a list of blocks")?, &mut content, notes)?;
        given.say(role, content);
    }
    for tool in list(&mut body, "tools")? {
        let mut object = tool.object()?;
        if let Some(kind) = object.take("type").filter(|kind| kind.raw() != "\"custom\"") {
            return Err(kind.expected("custom, because Bedrock has no tools of Anthropic's own"));
        }
        given.tool(function(&mut object, "input_schema")?)?;
    }
    if let Some(choice) = body.take("tool_choice") {
        let mut object = choice.object()?;
        if let Some(parallel) = object.take("disable_parallel_tool_use").filter(|off| off.raw() == "true") {
            notes.push(parallel.fault(PARALLEL));
        }
        let kind = object.need("type", "auto, any, tool or none")?;
        let name = object.take("name").map(Json::text).transpose()?;
        match &*kind.text()? {
            "tool" if name.is_none() => return Err(object.lacks("name", "the name of a tool")),
            word => given.choose(kind, word, name.as_deref())?,
        }
    }
    let mut format = body.take("output_format");
    if let Some(config) = body.take("output_config") {
        let mut config = config.object()?;
        format = config.take("format").or(format);
        if let Some(effort) = config.take("effort") {
            given.think(effort)?;
        }
    }
    if let Some(format) = format {
        let mut format = format.object()?;
        let kind = format.need("type", "json_schema")?;
        if kind.raw() != "\"json_schema\"" {
            return Err(kind.expected("json_schema"));
        }
        json_schema(&mut format, &mut given)?;
    }
    if let Some(thinking) = body.take("thinking") {
        given.thinking(thinking)?;
    }
    if let Some(metadata) = body.take("metadata") {
        given.label(metadata, notes)?;
    }
    for name in ["container", "mcp_servers"] {
        if let Some(value) = body.take(name).filter(|value| value.raw() != "[]") {
            return Err(value.expected("none, because Converse has no place for it"));
        }
    }
    for (name, value) in body.rest() {
        if !["anthropic_version", "anthropic_beta", "betas"].contains(&name) {
            notes.push(value.fault(NO_PLACE));
        }
    }
    Ok(given.translated(Messages::default()))
}

/// Reads the content of a message: a text, or blocks.
fn read_content(
    content: Json<'_>,
    blocks: &mut Vec<ContentBlock>,
    notes: &mut Vec<Fault>,
) -> Result<(), Fault> {
    if content.is_text() {
        blocks.push(ContentBlock::Text(content.text()?.into_owned()));
        return Ok(());
    }
    if !content.is_list() {
        return Err(content.expected("a text or a list of blocks"));
    }
    for block in content.items()? {
        let mut object = block.object()?;
        let point = cache_point(&mut object)?;
        let kind = object.need("type", BLOCKS)?;
        let kind_text = kind.text()?;
        match &*kind_text {
            "text" => blocks.push(text(&mut object)?),
            "image" => {
                let source = object.need("source", "an object with type, media_type and data")?;
                blocks.push(match read_source(source, None)? {
                    Source::File(file) => file,
                    _ => return Err(source.expected("an image in base64")),
                });
            }
            "document" => blocks.push(document(&mut object)?),
            "search_result" => blocks.push(search_result(&mut object)?),
            "thinking" => {
                let mut thought = ReasoningTextBlock::new(object.need("thinking", "a text")?.text()?);
                let signature = object.take("signature").map(Json::text).transpose()?;
                thought.signature = signature.filter(|signature| !signature.is_empty()).map(String::from);
                blocks.push(ReasoningContentBlock::ReasoningText(thought).into());
            }
            "redacted_thinking" => {
                let data = object.need("data", "the thought in base64")?;
                let data = media::bytes(data, &data.text()?)?;
                blocks.push(ReasoningContentBlock::RedactedContent(data).into());
            }
            "tool_use" => {
                let id = object.need("id", "the id of the call")?.text()?;
                let name = object.need("name", "the name of a tool")?.text()?;
                let input = object.take("input").map_or(Ok(Document::default()), Json::document)?;
                blocks.push(ToolUseBlock::new(id, name, input).into());
            }
            "tool_result" => {
                let id = object.need("tool_use_id", "the id of the call")?.text()?;
                let failed = object.take("is_error").map(Json::bool).transpose()? == Some(true);
                let mut content = Vec::new();
                if let Some(inner) = object.take("content") {
                    read_content(inner, &mut content, notes)?;
                }
                let status = if failed { ToolResultStatus::Error } else { ToolResultStatus::Success };
                let mut result = ToolResultBlock::new(id, Vec::new()).status(status);
                let points = media::into_result(block, content, &mut result)?;
                blocks.push(result.into());
                blocks.extend(points);
            }
            // What a tool of the service's returned is in the model's text.
            used if used == "server_tool_use" || used.ends_with("_tool_result") => {
                notes.push(kind.fault(NO_PLACE));
            }
            _ => return Err(kind.expected(BLOCKS)),
        }
        blocks.extend(point.map(ContentBlock::CachePoint));
    }
    Ok(())
}

/// A text, with the sources that it cites if the model wrote it.
fn text(object: &mut Object<'_>) -> Result<ContentBlock, Fault> {
    let text = object.need("text", "a text")?.text()?.into_owned();
    let mut citations = Vec::new();
    for citation in list(object, "citations")? {
        citations.extend(citation::read(citation)?);
    }
    if citations.is_empty() {
        return Ok(text.into());
    }
    let content = vec![CitationGeneratedContent::Text(text)];
    Ok(CitationsContentBlock::new().content(content).citations(citations).into())
}

/// Where the bytes of a file, or its text, are.
enum Source {
    File(ContentBlock),
    Text(String),
    Chunks(Vec<DocumentContentBlock>),
}

fn read_source(source: Json<'_>, name: Option<&str>) -> Result<Source, Fault> {
    let mut object = source.object()?;
    let kind = object.need("type", "base64")?;
    Ok(match &*kind.text()? {
        "base64" => {
            let media_type = object.take("media_type").map_or(Ok("".into()), Json::text)?;
            let data = object.need("data", "bytes in base64")?;
            Source::File(media::of_base64(data, &media_type, &data.text()?, name)?)
        }
        "text" => Source::Text(object.need("data", "a text")?.text()?.into_owned()),
        "url" => Source::File(media::of_url(object.need("url", "a data: URL")?, name)?),
        "content" => {
            let content = object.need("content", "a text or a list of texts")?;
            let texts = content.text_or_items()?;
            let text = |text: Json<'_>| {
                let text = if text.is_text() { text } else { text.object()?.need("text", "a text")? };
                Ok(DocumentContentBlock::Text(text.text()?.into_owned()))
            };
            Source::Chunks(texts.map(text).collect::<Result<_, Fault>>()?)
        }
        _ => return Err(kind.expected("base64, text or content, because the gateway fetches nothing")),
    })
}

fn document(object: &mut Object<'_>) -> Result<ContentBlock, Fault> {
    let title = object.take("title").map(Json::text).transpose()?;
    let cites = cites(object)?;
    let source = object.need("source", "an object with type, media_type and data")?;
    let named = |source| DocumentBlock::new(title.as_deref().unwrap_or("document"), source);
    let mut document = match read_source(source, title.as_deref())? {
        Source::File(ContentBlock::Document(document)) => document,
        Source::File(block) => return Ok(block),
        // Models that do not cite know documents as files alone.
        Source::Text(text) if cites.is_none() && !text.is_empty() => {
            named(DocumentSource::Bytes(text.into_bytes().into())).format(DocumentFormat::Txt)
        }
        Source::Text(text) => named(DocumentSource::Text(text)),
        Source::Chunks(chunks) => named(DocumentSource::Content(chunks)),
    };
    document.context = object.take("context").map(|text| text.text().map(String::from)).transpose()?;
    document.citations = cites;
    Ok(document.into())
}

/// Whether a source is to be cited.
fn cites(object: &mut Object<'_>) -> Result<Option<CitationsConfig>, Fault> {
    let Some(citations) = object.take("citations") else { return Ok(None) };
    let enabled = citations.object()?.take("enabled").map(Json::bool).transpose()?;
    Ok(enabled.filter(|enabled| *enabled).map(CitationsConfig::new))
}

fn search_result(object: &mut Object<'_>) -> Result<ContentBlock, Fault> {
    let source = object.need("source", "where it was found")?.text()?;
    let title = object.need("title", "a title")?.text()?;
    let mut content = Vec::new();
    for text in list(object, "content")? {
        content.push(SearchResultContentBlock::new(text.object()?.need("text", "a text")?.text()?));
    }
    let mut result = SearchResultBlock::new(source, title, content);
    result.citations = cites(object)?;
    Ok(result.into())
}

/// The blocks that have a place in Converse.
const BLOCKS: &str =
    "text, image, document, search_result, thinking, redacted_thinking, tool_use or tool_result";

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "reads best in tables of JSON")]
mod tests {
    use super::*;
    use crate::recorded::{self, converse, refused};
    use serde_json::{Value, json};

    /// A body of these members, with a message where there is none.
    fn body(members: Value) -> Value {
        let mut body =
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    }

    fn becomes(members: Value) -> Value {
        recorded::beside_messages(read, &body(members))
    }

    fn blocks(role: &str, content: Value) -> Value {
        let (request, notes) =
            converse(read, &json!({"model": "m", "messages": [{"role": role, "content": content}]}));
        assert_eq!(notes, [""; 0]);
        request["messages"][0]["content"].clone()
    }

    #[test]
    fn parameters() {
        let limit = json!({"maxTokens": 9});
        let schema = json!({"type": "object", "properties": {"z": {}, "a": {}}});
        let spec = json!({"toolSpec": {"name": "f", "inputSchema": {"json": schema}, "description": "d"}});
        let given = json!({"name": "f", "description": "d", "input_schema": schema});
        for (members, sent) in [
            (json!({}), json!({"inferenceConfig": limit})),
            (
                json!({"stop_sequences": ["a"], "temperature": 1, "top_p": 0.5}),
                json!({"inferenceConfig": {"maxTokens": 9, "stopSequences": ["a"], "temperature": 1.0, "topP": 0.5}}),
            ),
            (json!({"system": "s"}), json!({"inferenceConfig": limit, "system": [{"text": "s"}]})),
            (
                json!({"system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}),
                json!({"inferenceConfig": limit, "system": [{"text": "s"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]}),
            ),
            (
                json!({"tools": [given], "tool_choice": {"type": "any"}}),
                json!({"inferenceConfig": limit, "toolConfig": {"tools": [spec], "toolChoice": {"any": {}}}}),
            ),
            (
                json!({"tools": [{"type": "custom", "name": "f", "description": "d", "input_schema": schema,
                    "cache_control": {"type": "ephemeral"}}], "tool_choice": {"type": "tool", "name": "f"}}),
                json!({"inferenceConfig": limit, "toolConfig": {
                    "tools": [spec, {"cachePoint": {"type": "default"}}], "toolChoice": {"tool": {"name": "f"}}
                }}),
            ),
            (json!({"tools": [given], "tool_choice": {"type": "none"}}), json!({"inferenceConfig": limit})),
            (
                json!({"metadata": {"user_id": "a-1"}}),
                json!({"inferenceConfig": limit, "requestMetadata": {"user_id": "a-1"}}),
            ),
            (
                json!({"service_tier": "standard_only"}),
                json!({"inferenceConfig": limit, "serviceTier": {"type": "default"}}),
            ),
            (
                json!({"service_tier": "auto", "mcp_servers": [], "anthropic_version": "x"}),
                json!({"inferenceConfig": limit}),
            ),
            (
                json!({"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}),
                json!({"inferenceConfig": limit, "outputConfig": {"textFormat": {
                    "type": "json_schema", "structure": {"jsonSchema": {"schema": "{\"type\":\"object\"}"}}
                }}}),
            ),
        ] {
            assert_eq!(becomes(members.clone()), sent, "{members}");
        }
    }

    #[test]
    fn thinking() {
        use pumice::conversation::ThinkingLevel::{High, Low, Medium};
        let of = |members: Value| {
            let translated = read(body(members).to_string().as_bytes()).unwrap_or_else(|_| panic!());
            let options = translated.options;
            (options.thinking, options.thinking_off, options.thinking_budgets, options.thinking_display)
        };
        let enabled = json!({"thinking": {"type": "enabled", "budget_tokens": 2048, "display": "omitted"}});
        assert_eq!(of(enabled), (Some(Low), false, vec![(Low, 2048)], Some("omitted".into())));
        assert_eq!(of(json!({"thinking": {"type": "disabled"}})), (None, true, vec![], None));
        let adaptive = json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}});
        assert_eq!(of(adaptive), (Some(Medium), false, vec![], None));
        assert_eq!(of(json!({"thinking": {"type": "adaptive"}})), (Some(High), false, vec![], None));
    }

    #[test]
    fn each_block_has_its_place() {
        let png = json!({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="});
        let image = json!({"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}});
        let pdf = json!({"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="});
        let cited = json!({"enabled": true});
        let ephemeral = json!({"type": "ephemeral"});
        for (role, given, sent) in [
            ("user", json!("a"), json!([{"text": "a"}])),
            (
                "user",
                json!([{"type": "text", "text": "a", "cache_control": ephemeral}, {"type": "image", "source": png}]),
                json!([{"text": "a"}, {"cachePoint": {"type": "default"}}, image]),
            ),
            (
                "user",
                json!([{"type": "document", "source": pdf, "title": "T", "context": "c", "citations": cited}]),
                json!([{"document": {"name": "T", "source": {"bytes": "JVBERi0="}, "format": "pdf", "context": "c",
                    "citations": cited}}]),
            ),
            (
                "user",
                json!([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}]),
                json!([{"document": {"name": "document", "source": {"bytes": "eA=="}, "format": "txt"}}]),
            ),
            (
                "user",
                json!([{"type": "document", "source": {"type": "text", "data": "x"}, "citations": cited}]),
                json!([{"document": {"name": "document", "source": {"text": "x"}, "citations": cited}}]),
            ),
            (
                "user",
                json!([{"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x"}]},
                    "citations": {"enabled": false}}]),
                json!([{"document": {"name": "document", "source": {"content": [{"text": "x"}]}}}]),
            ),
            (
                "user",
                json!([{"type": "search_result", "source": "u", "title": "T", "citations": cited,
                    "content": [{"type": "text", "text": "x"}]}]),
                json!([{"searchResult": {"source": "u", "title": "T", "content": [{"text": "x"}], "citations": cited}}]),
            ),
            (
                "assistant",
                json!([
                    {"type": "thinking", "thinking": "t", "signature": "S"},
                    {"type": "thinking", "thinking": "u", "signature": ""},
                    {"type": "redacted_thinking", "data": "AAEC"},
                    {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}, "cache_control": ephemeral},
                ]),
                json!([
                    {"reasoningContent": {"reasoningText": {"text": "t", "signature": "S"}}},
                    {"reasoningContent": {"reasoningText": {"text": "u"}}},
                    {"reasoningContent": {"redactedContent": "AAEC"}},
                    {"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1}}}, {"cachePoint": {"type": "default"}}
                ]),
            ),
            (
                "user",
                json!([
                    {"type": "tool_result", "tool_use_id": "1", "content": "x", "cache_control": ephemeral},
                    {"type": "tool_result", "tool_use_id": "2", "is_error": true, "content": [
                        {"type": "text", "text": "y", "cache_control": ephemeral}, {"type": "image", "source": png}
                    ]},
                    {"type": "tool_result", "tool_use_id": "3"}
                ]),
                json!([
                    {"toolResult": {"toolUseId": "1", "content": [{"text": "x"}], "status": "success"}},
                    {"cachePoint": {"type": "default"}},
                    {"toolResult": {"toolUseId": "2", "content": [{"text": "y"}, image], "status": "error"}},
                    {"cachePoint": {"type": "default"}},
                    {"toolResult": {"toolUseId": "3", "content": [], "status": "success"}}
                ]),
            ),
        ] {
            assert_eq!(blocks(role, given.clone()), sent, "{given}");
        }
    }

    #[test]
    fn what_has_no_place_is_refused_by_name_or_dropped_with_a_note() {
        let block = |block: Value| json!({"messages": [{"role": "user", "content": [block]}]});
        for (members, expected) in [
            (
                json!({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
                "tools[0].type: expected custom, because Bedrock has no tools of Anthropic's own, found \"web_search_20250305\"",
            ),
            (
                json!({"container": "c"}),
                "container: expected none, because Converse has no place for it, found \"c\"",
            ),
            (
                json!({"mcp_servers": [{}]}),
                "mcp_servers: expected none, because Converse has no place for it, found a list",
            ),
            (
                block(json!({"type": "container_upload", "file_id": "f"})),
                "messages[0].content[0].type: expected text, image, document, search_result, thinking, redacted_thinking, \
                 tool_use or tool_result, found \"container_upload\"",
            ),
            (
                block(json!({"type": "image", "source": {"type": "file", "file_id": "f"}})),
                "messages[0].content[0].source.type: expected base64, text or content, because the gateway fetches nothing, \
                 found \"file\"",
            ),
            (
                block(json!({"type": "image", "source": {"type": "url", "url": "https://e.com/a"}})),
                "messages[0].content[0].source.url: expected a data: URL, because the gateway fetches nothing, found \
                 \"https://e.com/a\"",
            ),
            (
                block(json!({"type": "tool_result", "tool_use_id": "1", "content": [
                    {"type": "thinking", "thinking": "t"}
                ]})),
                "messages[0].content[0]: expected texts, images and documents in the result of a tool, found another block",
            ),
            (
                json!({"tool_choice": {"type": "tool"}}),
                "tool_choice.name: expected the name of a tool, found none",
            ),
            (
                json!({"messages": [{"role": "bot", "content": "x"}]}),
                "messages[0].role: expected user or assistant, found \"bot\"",
            ),
        ] {
            assert_eq!(refused(read, &body(members.clone())), expected, "{members}");
        }
        let (request, notes) = converse(
            read,
            &body(json!({
                "context_management": {"edits": []}, "tool_choice": {"type": "auto", "disable_parallel_tool_use": true},
                "messages": [{"role": "assistant", "content": [
                    {"type": "server_tool_use", "id": "1", "name": "web_search", "input": {}},
                    {"type": "web_search_tool_result", "tool_use_id": "1", "content": []}, {"type": "text", "text": "a"}
                ]}]
            })),
        );
        assert_eq!(
            notes,
            [
                "messages[0].content[0].type: not sent: Converse has no place for it",
                "messages[0].content[1].type: not sent: Converse has no place for it",
                "tool_choice.disable_parallel_tool_use: not sent: Converse cannot keep a model from calling several tools at once",
                "context_management: not sent: Converse has no place for it",
            ]
        );
        assert_eq!(request["messages"][0]["content"], json!([{"text": "a"}]));
    }

    #[test]
    #[ignore = "needs ../shared: recordings and vectors beside the project"]
    fn recorded_requests_of_claude_code() {
        for (name, results) in [("claude-code-messages-1", 0), ("claude-code-messages-2", 1)] {
            let vector = support::shared::json(&format!("vectors/gateway/{name}.json"));
            let mut body = vector["body"].clone();
            body["model"] = "us.amazon.nova-pro-v1:0".into();
            let (request, notes) = recorded::prepared(read, &body);
            assert_eq!(notes.len(), 3, "{notes:?}");
            assert!(
                notes[0].starts_with("metadata.user_id: not sent: Bedrock takes only labels of"),
                "{notes:?}"
            );
            assert_eq!(notes[1], "context_management: not sent: Converse has no place for it");
            assert!(
                notes[2].starts_with("thinking high not sent: us.amazon.nova-pro-v1:0 is not known"),
                "{notes:?}"
            );
            assert_eq!(request["toolConfig"]["tools"].as_array().unwrap().len(), 5, "{name}");
            let last = request["messages"].as_array().unwrap().last().unwrap()["content"].as_array().unwrap();
            assert_eq!(
                last.iter().filter(|block| block["toolResult"].is_object()).count(),
                results,
                "{name}"
            );
        }
    }
}
