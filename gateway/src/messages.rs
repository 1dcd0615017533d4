//! Anthropic's Messages for models that are not Claude: its request as Converse's, the events of a response as its
//! events.

use pumice::Event;
use pumice::conversation::ToolNames;
use pumice::converse::{
    Citation, CitationGeneratedContent, CitationLocation, CitationSourceContent, CitationsConfig,
    CitationsContentBlock, ContentBlock, ContentBlockDelta, ContentBlockStart, ConversationRole,
    ConverseResponse, DocumentBlock, DocumentCharLocation, DocumentChunkLocation, DocumentContentBlock,
    DocumentFormat, DocumentPageLocation, DocumentSource, ReasoningContentBlock, ReasoningContentBlockDelta,
    ReasoningTextBlock, SearchResultBlock, SearchResultContentBlock, SearchResultLocation, StopReason,
    TokenUsage, ToolResultBlock, ToolResultStatus, ToolUseBlock, ToolUseType, WebLocation,
};
use pumice::shape::{Blob, Document};

use crate::dialect::{Begin, Encoder, Translated};
use crate::failure::Failure;
use crate::given::{Given, NO_PLACE, PARALLEL, cache_point, function, json_schema, list};
use crate::json::{Fault, Json, Object, escaped, string, whole};
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
        citations.extend(read_citation(citation)?);
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

/// Where a passage is, as Anthropic has it: the type, and the names of source, beginning and end.
const LOCATIONS: [[&str; 4]; 4] = [
    ["char_location", "document_index", "start_char_index", "end_char_index"],
    ["page_location", "document_index", "start_page_number", "end_page_number"],
    ["content_block_location", "document_index", "start_block_index", "end_block_index"],
    ["search_result_location", "search_result_index", "start_block_index", "end_block_index"],
];
/// Where a passage of a page on the web is.
const WEB: &str = "web_search_result_location";

fn read_citation(citation: Json<'_>) -> Result<Option<Citation>, Fault> {
    let mut object = citation.object()?;
    let kind = object.need("type", "the type of the citation")?.text()?;
    let text = |object: &mut Object<'_>, name| {
        object.take(name).map(|text| text.text().map(String::from)).transpose()
    };
    let mut read = Citation::new();
    read.title = text(&mut object, "title")?.or(text(&mut object, "document_title")?);
    read.source = text(&mut object, "source")?;
    let cited = text(&mut object, "cited_text")?.filter(|cited| !cited.is_empty());
    read.source_content = cited.map(|cited| vec![CitationSourceContent::Text(cited)]);
    if kind == WEB {
        let mut web = WebLocation::new();
        web.url = text(&mut object, "url")?;
        web.domain = text(&mut object, "domain")?;
        read.location = Some(web.into());
        return Ok(Some(read));
    }
    let mut rows = LOCATIONS.iter().enumerate();
    let Some((at, [_, index, start, end])) = rows.find(|(_, [found, ..])| *found == kind) else {
        return Ok(None);
    };
    let mut number = |name| {
        let number = object.take(name).map(Json::whole).transpose()?;
        Ok(number.and_then(|number| u32::try_from(number).ok()))
    };
    let (index, start, end) = (number(index)?, number(start)?, number(end)?);
    macro_rules! location {
        ($kind:ident, $index:ident) => {{
            let mut location = $kind::new();
            (location.$index, location.start, location.end) = (index, start, end);
            location.into()
        }};
    }
    read.location = Some(match at {
        0 => location!(DocumentCharLocation, document_index),
        1 => location!(DocumentPageLocation, document_index),
        2 => location!(DocumentChunkLocation, document_index),
        _ => location!(SearchResultLocation, search_result_index),
    });
    Ok(Some(read))
}

/// Writes a citation, unless Anthropic has none of its kind.
fn write_citation(
    title: Option<&str>,
    source: Option<&str>,
    passages: &str,
    location: Option<&CitationLocation>,
    out: &mut Vec<u8>,
) -> bool {
    let (row, numbers) = match location {
        Some(CitationLocation::DocumentChar(place)) => (0, [place.document_index, place.start, place.end]),
        Some(CitationLocation::DocumentPage(place)) => (1, [place.document_index, place.start, place.end]),
        Some(CitationLocation::DocumentChunk(place)) => (2, [place.document_index, place.start, place.end]),
        Some(CitationLocation::SearchResultLocation(place)) => {
            (3, [place.search_result_index, place.start, place.end])
        }
        Some(CitationLocation::Web(_)) => (4, [None; 3]),
        _ => return false,
    };
    let row = LOCATIONS.get(row);
    let mut member = |name: &str, text: Option<&str>| {
        out.push(if name == "type" { b'{' } else { b',' });
        string(out, name);
        out.push(b':');
        match text {
            Some(text) => string(out, text),
            None => out.extend_from_slice(b"null"),
        }
    };
    member("type", Some(row.map_or(WEB, |row| row[0])));
    member("cited_text", Some(passages));
    let names_document = row.is_some_and(|row| row[1] == "document_index");
    member(if names_document { "document_title" } else { "title" }, title);
    if source.is_some() || row.is_some() && !names_document {
        member("source", Some(source.unwrap_or_default()));
    }
    if let Some(CitationLocation::Web(place)) = location {
        member("url", Some(place.url.as_deref().unwrap_or_default()));
        member("encrypted_index", Some(""));
        if place.domain.is_some() {
            member("domain", place.domain.as_deref());
        }
    }
    for (name, number) in row.into_iter().flat_map(|row| &row[1..]).zip(numbers) {
        out.push(b',');
        string(out, name);
        out.push(b':');
        match number {
            Some(number) => whole(out, number.into()),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
    true
}

/// Writes the events of a response.
#[derive(Default)]
struct Messages {
    names: ToolNames,
    /// How many blocks have begun.
    begun: u64,
    /// The blocks that have not ended, by the service's index.
    open: Vec<(u32, Open)>,
    stop: Option<StopReason>,
    stop_sequence: Option<String>,
    usage: Option<TokenUsage>,
}

/// A block that has not ended, by its index among those that are written.
enum Open {
    Text(u64),
    /// With its signature.
    Thinking(u64, String),
    Tool(u64),
    /// It begins when all of it has arrived.
    Redacted(Vec<u8>),
    /// There is no form for it.
    Hidden,
}

impl Messages {
    fn open_mut(&mut self, index: u32) -> Option<&mut Open> {
        self.open.iter_mut().rev().find(|(open, _)| *open == index).map(|(_, open)| open)
    }

    /// Begins a block of these members.
    fn start(&mut self, out: &mut Vec<u8>, block: impl FnOnce(&mut Vec<u8>)) -> u64 {
        let number = self.begun;
        self.begun += 1;
        begin_event("content_block_start", Some(number), out);
        out.extend_from_slice(b",\"content_block\":");
        block(out);
        end_event(out);
        number
    }

    fn delta(&mut self, index: u32, delta: &ContentBlockDelta, out: &mut Vec<u8>) {
        match delta {
            ContentBlockDelta::Text(text) => {
                if let Some(number) = self.text_block(index, text.is_empty(), out) {
                    write_delta(number, "text_delta", "text", text, out);
                }
            }
            ContentBlockDelta::Citation(citation) => {
                let mut written = Vec::new();
                let passages =
                    citation.source_content.iter().flatten().filter_map(|passage| passage.text.as_deref());
                let passages = passages.collect::<String>();
                let (title, source) = (citation.title.as_deref(), citation.source.as_deref());
                if write_citation(title, source, &passages, citation.location.as_ref(), &mut written)
                    && let Some(number) = self.text_block(index, false, out)
                {
                    begin_event("content_block_delta", Some(number), out);
                    out.extend_from_slice(b",\"delta\":{\"type\":\"citations_delta\",\"citation\":");
                    out.append(&mut written);
                    out.push(b'}');
                    end_event(out);
                }
            }
            ContentBlockDelta::ToolUse(delta) => {
                if let Some(Open::Tool(number)) = self.open_mut(index)
                    && !delta.input.is_empty()
                {
                    write_delta(*number, "input_json_delta", "partial_json", &delta.input, out);
                }
            }
            ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::RedactedContent(data)) => {
                if !matches!(self.open_mut(index), Some(Open::Redacted(_))) {
                    self.end_block(index, out);
                    self.open.push((index, Open::Redacted(Vec::new())));
                }
                if let Some(Open::Redacted(gathered)) = self.open_mut(index) {
                    gathered.extend_from_slice(&data.0);
                }
            }
            ContentBlockDelta::ReasoningContent(delta) => {
                if !matches!(self.open_mut(index), Some(Open::Thinking(..))) {
                    self.end_block(index, out);
                    let number = self.start(out, |out| {
                        out.extend_from_slice(
                            b"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}",
                        );
                    });
                    self.open.push((index, Open::Thinking(number, String::new())));
                }
                let Some(Open::Thinking(number, signature)) = self.open_mut(index) else { return };
                match delta {
                    ReasoningContentBlockDelta::Text(text) => {
                        write_delta(*number, "thinking_delta", "thinking", text, out);
                    }
                    // The SDKs take the last piece for the whole.
                    ReasoningContentBlockDelta::Signature(more) => signature.push_str(more),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// The text block under this index, which begins here unless it has, or there is nothing to say.
    fn text_block(&mut self, index: u32, empty: bool, out: &mut Vec<u8>) -> Option<u64> {
        if let Some(Open::Text(number)) = self.open_mut(index) {
            return (!empty).then_some(*number);
        }
        if empty {
            return None;
        }
        self.end_block(index, out);
        let number = self.start(out, |out| out.extend_from_slice(b"{\"type\":\"text\",\"text\":\"\"}"));
        self.open.push((index, Open::Text(number)));
        Some(number)
    }

    /// Ends the block of this index, if there is one.
    fn end_block(&mut self, index: u32, out: &mut Vec<u8>) {
        let Some(at) = self.open.iter().rposition(|(open, _)| *open == index) else { return };
        let number = match self.open.remove(at).1 {
            Open::Text(number) | Open::Tool(number) => number,
            Open::Thinking(number, signature) => {
                if !signature.is_empty() {
                    write_delta(number, "signature_delta", "signature", &signature, out);
                }
                number
            }
            Open::Redacted(data) => self.start(out, |out| write_redacted(&Blob::from(data), out)),
            Open::Hidden => return,
        };
        begin_event("content_block_stop", Some(number), out);
        end_event(out);
    }

    /// Writes the members that tell why the message ended.
    fn write_stop(stop: Option<&StopReason>, sequence: Option<&str>, out: &mut Vec<u8>) {
        let reason = match stop {
            Some(StopReason::GuardrailIntervened | StopReason::ContentFiltered) => "refusal",
            Some(reason) => reason.as_str(),
            None => "end_turn",
        };
        out.extend_from_slice(b"\"stop_reason\":");
        string(out, reason);
        out.extend_from_slice(b",\"stop_sequence\":");
        match sequence {
            Some(sequence) => string(out, sequence),
            None => out.extend_from_slice(b"null"),
        }
    }
}

fn write_redacted(data: &Blob, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"redacted_thinking\",\"data\":");
    string(out, &data.to_base64());
    out.push(b'}');
}

/// Writes a call, whose input is this JSON.
fn write_call(kind: Option<&ToolUseType>, id: &str, name: &str, input: &str, out: &mut Vec<u8>) {
    let kind = if kind == Some(&ToolUseType::ServerToolUse) { "server_tool_use" } else { "tool_use" };
    for (begins, text) in [("{\"type\":", kind), (",\"id\":", id), (",\"name\":", name)] {
        out.extend_from_slice(begins.as_bytes());
        string(out, text);
    }
    out.extend_from_slice(b",\"input\":");
    out.extend_from_slice(input.as_bytes());
    out.push(b'}');
}

/// Writes an event up to its further members.
fn begin_event(kind: &str, index: Option<u64>, out: &mut Vec<u8>) {
    for part in ["event: ", kind, "\ndata: {\"type\":\"", kind, "\""] {
        out.extend_from_slice(part.as_bytes());
    }
    if let Some(index) = index {
        out.extend_from_slice(b",\"index\":");
        whole(out, index);
    }
}

fn end_event(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}\n\n");
}

fn write_delta(index: u64, kind: &str, name: &str, text: &str, out: &mut Vec<u8>) {
    begin_event("content_block_delta", Some(index), out);
    for part in [",\"delta\":{\"type\":\"", kind, "\",\"", name, "\":"] {
        out.extend_from_slice(part.as_bytes());
    }
    string(out, text);
    out.push(b'}');
    end_event(out);
}

/// Writes a message up to its content.
fn begin_message(begin: &Begin, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"id\":\"msg_");
    escaped(out, &begin.id);
    out.extend_from_slice(b"\",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    string(out, &begin.model);
    out.extend_from_slice(b",\"content\":[");
}

/// Writes `"usage":{…}`.
fn write_usage(usage: Option<&TokenUsage>, out: &mut Vec<u8>) {
    let of = |tokens: fn(&TokenUsage) -> Option<u64>| usage.and_then(tokens).unwrap_or_default();
    for (name, tokens) in [
        ("\"usage\":{\"input_tokens\":", of(|usage| usage.input_tokens)),
        (",\"cache_creation_input_tokens\":", of(|usage| usage.cache_write_input_tokens)),
        (",\"cache_read_input_tokens\":", of(|usage| usage.cache_read_input_tokens)),
        (",\"output_tokens\":", of(|usage| usage.output_tokens)),
    ] {
        out.extend_from_slice(name.as_bytes());
        whole(out, tokens);
    }
    out.push(b'}');
}

/// The stop sequence that the model wrote, where the service says it.
fn stop_sequence(fields: Option<&Document>) -> Option<String> {
    let fields = fields?.read::<pumice::shape::Members>().ok()?;
    fields.named("stop_sequence")?.read().ok()
}

impl Encoder for Messages {
    fn begin(&mut self, begin: Begin, out: &mut Vec<u8>) {
        begin_event("message_start", None, out);
        out.extend_from_slice(b",\"message\":");
        begin_message(&begin, out);
        out.extend_from_slice(b"],\"stop_reason\":null,\"stop_sequence\":null,");
        write_usage(None, out);
        out.push(b'}');
        end_event(out);
        self.names = begin.names;
    }

    fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::ContentBlockStart(event) => {
                self.end_block(event.content_block_index, out);
                let block = match &event.start {
                    ContentBlockStart::ToolUse(start) => {
                        let name = self.names.given(start.name.clone());
                        Open::Tool(self.start(out, |out| {
                            write_call(start.kind.as_ref(), &start.tool_use_id, &name, "{}", out);
                        }))
                    }
                    _ => Open::Hidden,
                };
                self.open.push((event.content_block_index, block));
            }
            Event::ContentBlockDelta(event) => self.delta(event.content_block_index, &event.delta, out),
            Event::ContentBlockStop(event) => self.end_block(event.content_block_index, out),
            Event::MessageStop(event) => {
                while let Some((index, _)) = self.open.first() {
                    self.end_block(*index, out);
                }
                self.stop.clone_from(&event.stop_reason);
                self.stop_sequence = stop_sequence(event.additional_model_response_fields.as_ref());
            }
            Event::Metadata(event) => self.usage.clone_from(&event.usage),
            _ => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        begin_event("message_delta", None, out);
        out.extend_from_slice(b",\"delta\":{");
        Self::write_stop(self.stop.as_ref(), self.stop_sequence.as_deref(), out);
        out.extend_from_slice(b"},");
        write_usage(self.usage.as_ref(), out);
        end_event(out);
        begin_event("message_stop", None, out);
        end_event(out);
    }

    fn error(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: error\ndata: ");
        out.append(&mut failure.anthropic());
        out.extend_from_slice(b"\n\n");
    }

    fn ping(&self) -> &'static [u8] {
        b"event: ping\ndata: {\"type\":\"ping\"}\n\n"
    }

    fn whole(&mut self, begin: Begin, response: ConverseResponse) -> Vec<u8> {
        let mut out = Vec::new();
        begin_message(&begin, &mut out);
        let mut first = true;
        for block in response.message().map(|message| message.content.as_slice()).unwrap_or_default() {
            let before = out.len();
            if !first {
                out.push(b',');
            }
            if write_block(block, &begin.names, &mut out) {
                first = false;
            } else {
                out.truncate(before);
            }
        }
        out.extend_from_slice(b"],");
        let sequence = stop_sequence(response.additional_model_response_fields.as_ref());
        Self::write_stop(response.stop_reason.as_ref(), sequence.as_deref(), &mut out);
        out.push(b',');
        write_usage(response.usage.as_ref(), &mut out);
        out.push(b'}');
        out
    }
}

/// Writes a block, unless there is no form for it.
fn write_block(block: &ContentBlock, names: &ToolNames, out: &mut Vec<u8>) -> bool {
    match block {
        ContentBlock::Text(text) => {
            out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
            string(out, text);
            out.push(b'}');
            !text.is_empty()
        }
        ContentBlock::CitationsContent(cited) => {
            let texts = cited.content.iter().flatten().filter_map(|content| match content {
                CitationGeneratedContent::Text(text) => Some(text.as_str()),
                _ => None,
            });
            out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
            string(out, &texts.collect::<String>());
            let mut opens = ",\"citations\":[";
            for citation in cited.citations.iter().flatten() {
                let passages = citation.source_content.iter().flatten().filter_map(|passage| match passage {
                    CitationSourceContent::Text(text) => Some(text.as_str()),
                    _ => None,
                });
                let (title, source) = (citation.title.as_deref(), citation.source.as_deref());
                let before = out.len();
                out.extend_from_slice(opens.as_bytes());
                if write_citation(
                    title,
                    source,
                    &passages.collect::<String>(),
                    citation.location.as_ref(),
                    out,
                ) {
                    opens = ",";
                } else {
                    out.truncate(before);
                }
            }
            out.extend_from_slice(if opens == "," { b"]}" } else { b"}" });
            true
        }
        ContentBlock::ReasoningContent(ReasoningContentBlock::ReasoningText(thought)) => {
            out.extend_from_slice(b"{\"type\":\"thinking\",\"thinking\":");
            string(out, &thought.text);
            out.extend_from_slice(b",\"signature\":");
            string(out, thought.signature.as_deref().unwrap_or_default());
            out.push(b'}');
            true
        }
        ContentBlock::ReasoningContent(ReasoningContentBlock::RedactedContent(data)) => {
            write_redacted(data, out);
            true
        }
        ContentBlock::ToolUse(call) => {
            let name = names.given(call.name.clone());
            // What a model did not finish is no object.
            let input =
                Some(call.input.text()).filter(|input| input.trim_start().starts_with('{')).unwrap_or("{}");
            write_call(call.kind.as_ref(), &call.tool_use_id, &name, input, out);
            true
        }
        _ => false,
    }
}

/// The blocks that have a place in Converse.
const BLOCKS: &str =
    "text, image, document, search_result, thinking, redacted_thinking, tool_use or tool_result";

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "reads best in tables of JSON")]
pub(crate) mod tests {
    use super::*;
    use crate::recorded::{self, Recorded, converse, events, refused, sent, streamed};
    use serde_json::{Value, json};

    /// A body of these members, with a message where there is none.
    fn body(members: Value) -> Value {
        let mut body =
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    }

    fn becomes(members: Value) -> Value {
        let (mut request, notes) = converse(read, &body(members));
        assert_eq!(notes, [""; 0]);
        let request = request.as_object_mut().unwrap();
        request.remove("modelId");
        request.remove("messages");
        Value::Object(request.clone())
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
    fn citations_come_back() {
        let given = json!([{"type": "text", "text": "a", "citations": [
            {"type": "char_location", "cited_text": "x", "document_index": 0, "document_title": "T",
                "start_char_index": 1, "end_char_index": 2},
            {"type": "page_location", "cited_text": "x", "document_index": 1, "document_title": null,
                "start_page_number": 1, "end_page_number": 2},
            {"type": "content_block_location", "cited_text": "", "document_index": 2, "document_title": null,
                "start_block_index": 1, "end_block_index": 2},
            {"type": "search_result_location", "cited_text": "x", "title": "T", "source": "u",
                "search_result_index": 3, "start_block_index": 1, "end_block_index": 2},
            {"type": "web_search_result_location", "cited_text": "", "title": null, "url": "u", "encrypted_index": "",
                "domain": "d"}
        ]}]);
        let sent = blocks("assistant", given.clone());
        let place = |index: &str, at: u32| json!({index: at, "start": 1, "end": 2});
        let x = json!([{"text": "x"}]);
        assert_eq!(
            sent,
            json!([{"citationsContent": {"content": [{"text": "a"}], "citations": [
                {"title": "T", "sourceContent": x, "location": {"documentChar": place("documentIndex", 0)}},
                {"sourceContent": x, "location": {"documentPage": place("documentIndex", 1)}},
                {"location": {"documentChunk": place("documentIndex", 2)}},
                {"title": "T", "source": "u", "sourceContent": x,
                    "location": {"searchResultLocation": place("searchResultIndex", 3)}},
                {"location": {"web": {"url": "u", "domain": "d"}}}
            ]}}])
        );
        let mut out = b"[".to_vec();
        let block = serde_json::from_value::<ContentBlock>(sent[0].clone()).unwrap();
        assert!(write_block(&block, &ToolNames::default(), &mut out));
        out.push(b']');
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), given);
        let unknown = json!([{"type": "text", "text": "a", "citations": [{"type": "new_location", "cited_text": "x"}]}]);
        assert_eq!(blocks("assistant", unknown), json!([{"text": "a"}]));
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
            assert!(notes[0].starts_with("metadata.user_id: not sent: Bedrock takes labels of"), "{notes:?}");
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

    /// The message of a stream, put together as Anthropic's SDK does.
    fn gathered(stream: &str) -> Value {
        let mut message = Value::Null;
        let mut inputs = std::collections::BTreeMap::<usize, String>::new();
        let mut ended = Vec::new();
        for (kind, data) in sent(stream) {
            let event = serde_json::from_str::<Value>(data).unwrap();
            assert_eq!(event["type"], kind.unwrap());
            let index = event["index"].as_u64().map(|index| usize::try_from(index).unwrap());
            match kind.unwrap() {
                "message_start" => message = event["message"].clone(),
                "content_block_start" => {
                    let content = message["content"].as_array_mut().unwrap();
                    assert_eq!(index, Some(content.len()), "indices are consecutive");
                    content.push(event["content_block"].clone());
                }
                "content_block_delta" => {
                    assert!(!ended.contains(&index), "{event}");
                    let block = &mut message["content"][index.unwrap()];
                    let delta = &event["delta"];
                    let mut append = |member: &str| {
                        let Value::String(text) = &mut block[member] else { panic!("{event}") };
                        text.push_str(delta[member].as_str().unwrap());
                    };
                    match delta["type"].as_str().unwrap() {
                        "text_delta" => append("text"),
                        "thinking_delta" => append("thinking"),
                        "signature_delta" => block["signature"] = delta["signature"].clone(),
                        "input_json_delta" => {
                            inputs
                                .entry(index.unwrap())
                                .or_default()
                                .push_str(delta["partial_json"].as_str().unwrap());
                        }
                        "citations_delta" => {
                            if block["citations"].is_null() {
                                block["citations"] = json!([]);
                            }
                            block["citations"].as_array_mut().unwrap().push(delta["citation"].clone());
                        }
                        other => panic!("{other}"),
                    }
                }
                "content_block_stop" => ended.push(index),
                "message_delta" => {
                    assert_eq!(
                        ended.len(),
                        message["content"].as_array().unwrap().len(),
                        "all blocks have ended"
                    );
                    message["stop_reason"] = event["delta"]["stop_reason"].clone();
                    message["stop_sequence"] = event["delta"]["stop_sequence"].clone();
                    message["usage"] = event["usage"].clone();
                }
                "message_stop" => assert!(!message["stop_reason"].is_null()),
                other => panic!("{other}"),
            }
        }
        for (index, input) in inputs {
            // An input that was cut off stays empty.
            if let Ok(input) = serde_json::from_str::<Value>(&input) {
                message["content"][index]["input"] = input;
            }
        }
        message
    }

    pub(crate) fn served(recorded: &Recorded) {
        let name = &recorded.name;
        let streamed = gathered(&streamed(&mut Messages::default(), &recorded.events));
        let whole = Messages::default().whole(recorded::begin(), recorded.response.clone());
        let whole = serde_json::from_slice::<Value>(&whole).unwrap();
        assert_eq!(streamed, whole, "{name}");
        let turn = json!({"role": "assistant", "content": streamed["content"]});
        let (request, _) = converse(read, &json!({"model": "m", "messages": [turn]}));
        let said = serde_json::to_value(recorded::said(&recorded.response)).unwrap();
        assert_eq!(request["messages"][0], said, "{name}");
        let usage = recorded.response.usage.clone().unwrap_or_default();
        let known = |tokens: Option<u64>| json!(tokens.unwrap_or_default());
        assert_eq!(
            streamed["usage"],
            json!({
                "input_tokens": known(usage.input_tokens), "output_tokens": known(usage.output_tokens),
                "cache_read_input_tokens": known(usage.cache_read_input_tokens),
                "cache_creation_input_tokens": known(usage.cache_write_input_tokens)
            }),
            "{name}"
        );
    }

    #[test]
    fn a_stream_has_anthropics_events() {
        let list = events(&json!([
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"contentBlockIndex": 3, "delta": {"reasoningContent": {"text": "t"}}}},
            {"contentBlockDelta": {"contentBlockIndex": 3, "delta": {"reasoningContent": {"signature": "S"}}}},
            {"contentBlockDelta": {"contentBlockIndex": 3, "delta": {"reasoningContent": {"signature": "T"}}}},
            {"contentBlockStop": {"contentBlockIndex": 3}},
            {"contentBlockDelta": {"contentBlockIndex": 5, "delta": {"reasoningContent": {"redactedContent": "AAEC"}}}},
            {"contentBlockDelta": {"contentBlockIndex": 5, "delta": {"reasoningContent": {"redactedContent": "Aw=="}}}},
            {"contentBlockStop": {"contentBlockIndex": 5}},
            {"contentBlockDelta": {"contentBlockIndex": 6, "delta": {"text": ""}}},
            {"contentBlockDelta": {"contentBlockIndex": 6, "delta": {"text": "a"}}},
            {"contentBlockStop": {"contentBlockIndex": 6}},
            {"contentBlockStart": {"contentBlockIndex": 7, "start": {"toolUse": {"toolUseId": "1", "name": "f"}}}},
            {"contentBlockDelta": {"contentBlockIndex": 7, "delta": {"toolUse": {"input": ""}}}},
            {"contentBlockDelta": {"contentBlockIndex": 7, "delta": {"toolUse": {"input": "{}"}}}},
            {"messageStop": {"stopReason": "stop_sequence", "additionalModelResponseFields": {"stop_sequence": "X"}}},
            {"metadata": {"usage": {"inputTokens": 1, "outputTokens": 2, "cacheReadInputTokens": 3, "cacheWriteInputTokens": 4}}}
        ]));
        let stream = streamed(&mut Messages::default(), &list);
        let start = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
        let delta = |index: u64, kind: &str, member: &str, text: &str| json!({"type": "content_block_delta", "index": index, "delta": {"type": kind, member: text}});
        let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
        let usage = |numbers: [u64; 4]| {
            let [input, output, read, written] = numbers;
            json!({"input_tokens": input, "output_tokens": output, "cache_read_input_tokens": read,
                "cache_creation_input_tokens": written})
        };
        let expected = json!([
            {"type": "message_start", "message": {
                "id": "msg_0-1", "type": "message", "role": "assistant", "model": "m", "content": [],
                "stop_reason": null, "stop_sequence": null, "usage": usage([0; 4])
            }},
            start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
            delta(0, "thinking_delta", "thinking", "t"), delta(0, "signature_delta", "signature", "ST"), stop(0),
            start(1, json!({"type": "redacted_thinking", "data": "AAECAw=="})), stop(1),
            start(2, json!({"type": "text", "text": ""})), delta(2, "text_delta", "text", "a"), stop(2),
            start(3, json!({"type": "tool_use", "id": "1", "name": "f", "input": {}})),
            delta(3, "input_json_delta", "partial_json", "{}"), stop(3),
            {"type": "message_delta", "delta": {"stop_reason": "stop_sequence", "stop_sequence": "X"},
                "usage": usage([1, 2, 3, 4])},
            {"type": "message_stop"}
        ]);
        let found = sent(&stream).into_iter().map(|(kind, data)| {
            let event = serde_json::from_str::<Value>(data).unwrap();
            assert_eq!(event["type"], kind.unwrap());
            event
        });
        assert_eq!(Value::Array(found.collect()), expected);
    }

    #[test]
    fn stop_reasons() {
        for (reason, expected) in [
            ("end_turn", "end_turn"),
            ("tool_use", "tool_use"),
            ("max_tokens", "max_tokens"),
            ("stop_sequence", "stop_sequence"),
            ("model_context_window_exceeded", "model_context_window_exceeded"),
            ("guardrail_intervened", "refusal"),
            ("content_filtered", "refusal"),
            ("refusal", "refusal"),
        ] {
            let stop = events(&json!([{"messageStop": {"stopReason": reason}}]));
            assert_eq!(
                gathered(&streamed(&mut Messages::default(), &stop))["stop_reason"],
                expected,
                "{reason}"
            );
        }
    }

    #[test]
    fn a_failure_is_an_event() {
        let mut out = Vec::new();
        let mut failure = Failure::new(http::StatusCode::SERVICE_UNAVAILABLE, "gone");
        failure.request_id = Some("r".into());
        Messages::default().error(&failure, &mut out);
        let stream = String::from_utf8(out).unwrap();
        let [(kind, data)] = sent(&stream)[..] else { panic!("{stream}") };
        assert_eq!(kind, Some("error"));
        assert_eq!(
            serde_json::from_str::<Value>(data).unwrap(),
            json!({"type": "error", "error": {"type": "overloaded_error", "message": "gone"}, "request_id": "r"})
        );
    }
}
