//! OpenAI's Chat Completions: its request as Converse's, the events of a response as its chunks.

use std::collections::HashSet;

use pumice::Event;
use pumice::conversation::ToolNames;
use pumice::converse::{
    AudioBlock, AudioSource, ContentBlock, ContentBlockDelta, ContentBlockStart, ConversationRole,
    ConverseResponse, ReasoningContentBlock, ReasoningContentBlockDelta, ReasoningTextBlock, StopReason,
    TokenUsage, ToolResultBlock, ToolResultStatus, ToolUseBlock, ToolUseType,
};
use pumice::shape::{Blob, Document};

use crate::dialect::{Begin, Encoder, Translated};
use crate::failure::Failure;
use crate::given::{
    FunctionTool, Given, NO_PLACE, PARALLEL, arguments_of, cache_point, function, json_schema, list,
    read_arguments,
};
use crate::json::{Fault, Json, Object, escaped, string, whole};
use crate::media;
use crate::usage::all_input;

/// Reads a request.
pub(crate) fn read(body: &[u8]) -> Result<Translated, Failure> {
    let (translated, notes) = crate::json::read(body, translate)?;
    Ok(Translated { notes, ..translated })
}

fn translate(mut body: Object<'_>, notes: &mut Vec<Fault>) -> Result<Translated, Fault> {
    let mut given = Given::new(&mut body, notes)?;
    let mut functions = Functions::default();
    for message in body.need("messages", "a list of messages")?.items()? {
        add_message(message, &mut given, &mut functions, notes)?;
    }
    for tool in list(&mut body, "tools")? {
        add_tool(tool, &mut given)?;
    }
    let mut legacy = false;
    for tool in list(&mut body, "functions")? {
        legacy = true;
        given.tool(function(&mut tool.object()?, "parameters")?)?;
    }
    if let Some(choice) = body.take("tool_choice") {
        choose(choice, &mut given)?;
    }
    if let Some(choice) = body.take("function_call") {
        if choice.is_text() {
            given.choose(choice, &choice.text()?, None)?;
        } else {
            let name = choice.object()?.need("name", "the name of a function")?;
            given.choose(name, "", Some(&name.text()?))?;
        }
    }
    if let Some(format) = body.take("response_format") {
        set_format(format, &mut given)?;
    }
    if let Some(effort) = body.take("reasoning_effort") {
        given.think(effort)?;
    }
    if let Some(thinking) = body.take("thinking") {
        given.thinking(thinking)?;
    }
    if let Some(metadata) = body.take("metadata") {
        given.label(metadata, notes)?;
    }
    if let Some(config) = body.take("guardrailConfig") {
        let read = config.document()?.read();
        given.request.guardrail_config =
            Some(read.map_err(|_| config.expected("a guardrailConfig of Converse"))?);
    }
    if let Some(config) = body.take("performanceConfig") {
        let read = config.document()?.read();
        given.request.performance_config =
            Some(read.map_err(|_| config.expected("a performanceConfig of Converse"))?);
    }
    let options = body.take("stream_options").map(Json::object).transpose()?;
    let usage = options.and_then(|mut options| options.take("include_usage"));
    let include_usage = usage.map(Json::bool).transpose()? == Some(true);
    if let Some(parallel) = body.take("parallel_tool_calls").filter(|parallel| parallel.raw() == "false") {
        notes.push(parallel.fault(PARALLEL));
    }
    if let Some(n) = body.take("n").filter(|n| n.raw() != "1") {
        return Err(n.expected("1, because Bedrock gives one response"));
    }
    for (name, value) in body.rest() {
        let harmless = PASSED_OVER.contains(&name) || value.raw() == "false";
        if !harmless {
            notes.push(value.fault(NO_PLACE));
        }
    }
    Ok(given.translated(Chat { include_usage, legacy, ..Chat::default() }))
}

/// The calls of functions, before there were tools: a result names the function, and has no id.
#[derive(Default)]
struct Functions {
    calls: usize,
}

impl Functions {
    fn id(&self) -> String {
        format!("call_{}", self.calls)
    }
}

fn add_message(
    message: Json<'_>,
    given: &mut Given,
    functions: &mut Functions,
    notes: &mut Vec<Fault>,
) -> Result<(), Fault> {
    let mut object = message.object()?;
    let role = object.need("role", "system, developer, user, assistant or tool")?;
    let mut content = Vec::new();
    if let Some(given) = object.take("content") {
        read_content(given, &mut content)?;
    }
    let point = cache_point(&mut object)?;
    match &*role.text()? {
        "system" | "developer" => {
            content.extend(point.map(ContentBlock::CachePoint));
            given.instruct(content);
        }
        "user" => {
            content.extend(point.map(ContentBlock::CachePoint));
            given.say(ConversationRole::User, content);
        }
        "assistant" => {
            let mut blocks = thoughts(&mut object)?;
            blocks.append(&mut content);
            if let Some(refusal) = object.take("refusal") {
                blocks.push(ContentBlock::Text(refusal.text()?.into_owned()));
            }
            for call in list(&mut object, "tool_calls")? {
                let mut call = call.object()?;
                let id = call.need("id", "the id of the call")?.text()?.into_owned();
                let function = call.need("function", "an object with name and arguments")?;
                blocks.push(tool_use(id, function, notes)?);
                blocks.extend(cache_point(&mut call)?.map(ContentBlock::CachePoint));
            }
            if let Some(call) = object.take("function_call") {
                functions.calls += 1;
                blocks.push(tool_use(functions.id(), call, notes)?);
            }
            blocks.extend(point.map(ContentBlock::CachePoint));
            given.say(ConversationRole::Assistant, blocks);
        }
        of_tool @ ("tool" | "function") => {
            let id = match of_tool {
                "tool" => object.need("tool_call_id", "the id of the call")?.text()?.into_owned(),
                _ => functions.id(),
            };
            let mut result = ToolResultBlock::new(id, Vec::new()).status(ToolResultStatus::Success);
            let points = media::into_result(message, content, &mut result)?;
            let mut blocks = vec![ContentBlock::ToolResult(result)];
            blocks.extend(points);
            blocks.extend(point.map(ContentBlock::CachePoint));
            given.say(ConversationRole::User, blocks);
        }
        _ => return Err(role.expected("system, developer, user, assistant or tool")),
    }
    Ok(())
}

/// Reads the content of a message: a text, or parts.
fn read_content(content: Json<'_>, blocks: &mut Vec<ContentBlock>) -> Result<(), Fault> {
    if content.is_text() {
        blocks.push(ContentBlock::Text(content.text()?.into_owned()));
        return Ok(());
    }
    if !content.is_list() {
        return Err(content.expected("a text or a list of parts"));
    }
    for part in content.items()? {
        if part.is_text() {
            blocks.push(ContentBlock::Text(part.text()?.into_owned()));
            continue;
        }
        let mut object = part.object()?;
        let kind = object.need("type", "text, image_url, file or input_audio")?;
        blocks.push(match &*kind.text()? {
            "text" => object.need("text", "a text")?.text()?.into_owned().into(),
            "refusal" => object.need("refusal", "a text")?.text()?.into_owned().into(),
            "image_url" => {
                let image = object.need("image_url", "an object with url")?;
                let url = if image.is_text() { image } else { image.object()?.need("url", "a data: URL")? };
                media::of_url(url, None)?
            }
            "file" => media::of_file_data(&mut object.need("file", "an object with file_data")?.object()?)?,
            "input_audio" => {
                let mut audio = object.need("input_audio", "an object with data and format")?.object()?;
                let data = audio.need("data", "the audio in base64")?;
                let format = audio.need("format", "the format of the audio, such as wav")?.text()?;
                let bytes = media::bytes(data, &data.text()?)?;
                AudioBlock::new(&*format, AudioSource::Bytes(bytes)).into()
            }
            _ => return Err(kind.expected("text, image_url, file or input_audio")),
        });
        blocks.extend(cache_point(&mut object)?.map(ContentBlock::CachePoint));
    }
    Ok(())
}

/// The thoughts of a message: in blocks with signatures, or as a text.
fn thoughts(object: &mut Object<'_>) -> Result<Vec<ContentBlock>, Fault> {
    let mut thoughts = Vec::<ReasoningContentBlock>::new();
    let text = object.take("reasoning_content").map_or(Ok("".into()), Json::text)?;
    let mut last = None;
    for block in list(object, "thinking_blocks")? {
        let mut block = block.object()?;
        let kind = block.need("type", "thinking or redacted_thinking")?;
        // A client may have kept the pieces of a stream as they came.
        let index = block.take("index").map(Json::raw);
        let goes_on = index.is_some() && index == last;
        last = index;
        match &*kind.text()? {
            "thinking" => {
                let more = block.take("thinking").map_or(Ok("".into()), Json::text)?;
                let signature = block.take("signature").map(Json::text).transpose()?;
                let signature = signature.filter(|signature| !signature.is_empty()).map(String::from);
                if let Some(ReasoningContentBlock::ReasoningText(thought)) = thoughts.last_mut()
                    && goes_on
                {
                    thought.text.push_str(&more);
                    thought.signature = signature.or(thought.signature.take());
                } else {
                    let mut thought = ReasoningTextBlock::new(&*more);
                    thought.signature = signature;
                    thoughts.push(thought.into());
                }
            }
            "redacted_thinking" => {
                let data = block.need("data", "the thought in base64")?;
                let data = media::bytes(data, &data.text()?)?;
                thoughts.push(ReasoningContentBlock::RedactedContent(data));
            }
            _ => return Err(kind.expected("thinking or redacted_thinking")),
        }
    }
    match thoughts.as_mut_slice() {
        [] if !text.is_empty() => thoughts.push(ReasoningTextBlock::new(text).into()),
        // Or it may have kept the last piece alone, which is the signature.
        [ReasoningContentBlock::ReasoningText(thought)] if thought.text.is_empty() => {
            thought.text.push_str(&text);
        }
        _ => {}
    }
    Ok(thoughts.into_iter().map(ContentBlock::ReasoningContent).collect())
}

fn tool_use(id: String, function: Json<'_>, notes: &mut Vec<Fault>) -> Result<ContentBlock, Fault> {
    let mut function = function.object()?;
    let name = function.need("name", "the name of a tool")?.text()?;
    let arguments = function.take("arguments");
    let input = arguments.map_or(Ok(Document::default()), |arguments| read_arguments(arguments, notes))?;
    Ok(ToolUseBlock::new(id, name, input).into())
}

fn add_tool(tool: Json<'_>, given: &mut Given) -> Result<(), Fault> {
    let mut object = tool.object()?;
    let kind = object.take("type");
    if let Some(kind) = kind.filter(|kind| kind.raw() != "\"function\"") {
        return Err(kind.expected("function"));
    }
    let mut inner = object.need("function", "an object with name and parameters")?.object()?;
    let cache = cache_point(&mut object)?;
    let tool = function(&mut inner, "parameters")?;
    let cache = tool.cache.clone().or(cache);
    given.tool(FunctionTool { cache, ..tool })
}

fn choose(choice: Json<'_>, given: &mut Given) -> Result<(), Fault> {
    if choice.is_text() {
        return given.choose(choice, &choice.text()?, None);
    }
    let mut object = choice.object()?;
    if let Some(allowed) = object.take("allowed_tools") {
        let mut allowed = allowed.object()?;
        let mut names = HashSet::new();
        for tool in list(&mut allowed, "tools")? {
            let function = tool.object()?.need("function", "an object with name")?;
            names.insert(function.object()?.need("name", "the name of a tool")?.text()?.into_owned());
        }
        given.keep_tools(&names);
        let mode = allowed.need("mode", "auto or required")?;
        return given.choose(mode, &mode.text()?, None);
    }
    let function = object.need("function", "an object with name")?;
    let name = function.object()?.need("name", "the name of a tool")?;
    given.choose(name, "", Some(&name.text()?))
}

fn set_format(format: Json<'_>, given: &mut Given) -> Result<(), Fault> {
    let mut object = format.object()?;
    let kind = object.need("type", "text, json_object or json_schema")?;
    match &*kind.text()? {
        "text" => {}
        "json_object" => given.any_json(),
        "json_schema" => {
            let mut inner = object.need("json_schema", "an object with name and schema")?.object()?;
            json_schema(&mut inner, given)?;
        }
        _ => return Err(kind.expected("text, json_object or json_schema")),
    }
    Ok(())
}

/// Writes the chunks of a response.
#[derive(Default)]
struct Chat {
    include_usage: bool,
    /// Whether the client knows functions and not tools.
    legacy: bool,
    /// What each chunk begins with: `data: {"id":…,"choices":[{"index":0,"delta":{`.
    head: Vec<u8>,
    names: ToolNames,
    /// How many tools were called, and how many thoughts were thought.
    tools: u64,
    thoughts: u64,
    /// The blocks that have not ended, by the service's index.
    open: Vec<(u32, Open)>,
    usage: Option<TokenUsage>,
}

/// A block whose end says something.
enum Open {
    /// A call, by its number, and whether any arguments have arrived.
    Call(u64, bool),
    /// A thought, by its number, with its signature.
    Thought(u64, String),
    /// An encrypted thought.
    Redacted(u64, Vec<u8>),
    /// Of the service's own tools: nothing is said of it.
    Hidden,
}

impl Chat {
    /// The members that each chunk and the whole response have in common, after `object`.
    fn begin_object(begin: &Begin, kind: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":\"chatcmpl-");
        escaped(out, &begin.id);
        out.extend_from_slice(b"\",\"object\":\"chat.completion");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"created\":");
        whole(out, begin.created);
        out.extend_from_slice(b",\"model\":");
        string(out, &begin.model);
        out.extend_from_slice(b",\"choices\":[");
    }

    /// Begins a chunk with a delta.
    fn open_chunk(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        out.extend_from_slice(DELTA);
    }

    /// Ends a chunk behind its delta.
    fn close_chunk(&self, out: &mut Vec<u8>, reason: &str) {
        out.extend_from_slice(b"},\"finish_reason\":");
        out.extend_from_slice(reason.as_bytes());
        out.extend_from_slice(if self.include_usage { b"}],\"usage\":null}\n\n" } else { b"}]}\n\n" });
    }

    /// A chunk of a delta that consists of a member with a text.
    fn text_chunk(&self, out: &mut Vec<u8>, name: &str, text: &str) {
        self.open_chunk(out);
        out.push(b'"');
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        string(out, text);
        self.close_chunk(out, "null");
    }

    fn open_mut(&mut self, index: u32) -> Option<&mut Open> {
        self.open.iter_mut().rev().find(|(open, _)| *open == index).map(|(_, open)| open)
    }

    fn delta(&mut self, index: u32, delta: &ContentBlockDelta, out: &mut Vec<u8>) {
        match delta {
            ContentBlockDelta::Text(text) if !text.is_empty() => self.text_chunk(out, "content", text),
            ContentBlockDelta::ToolUse(delta) => {
                let Some(Open::Call(number, begun)) = self.open_mut(index) else { return };
                *begun |= !delta.input.trim().is_empty();
                let number = *number;
                if !delta.input.is_empty() {
                    self.arguments(number, &delta.input, out);
                }
            }
            ContentBlockDelta::ReasoningContent(delta) => self.thought(index, delta, out),
            _ => {}
        }
    }

    fn arguments(&self, number: u64, arguments: &str, out: &mut Vec<u8>) {
        if self.legacy && number > 0 {
            return;
        }
        self.open_chunk(out);
        if self.legacy {
            out.extend_from_slice(b"\"function_call\":{\"arguments\":");
            string(out, arguments);
            out.push(b'}');
        } else {
            out.extend_from_slice(b"\"tool_calls\":[{\"index\":");
            whole(out, number);
            out.extend_from_slice(b",\"function\":{\"arguments\":");
            string(out, arguments);
            out.extend_from_slice(b"}}]");
        }
        self.close_chunk(out, "null");
    }

    fn thought(&mut self, index: u32, delta: &ReasoningContentBlockDelta, out: &mut Vec<u8>) {
        let redacted = matches!(delta, ReasoningContentBlockDelta::RedactedContent(_));
        let goes_on = match self.open_mut(index) {
            Some(Open::Thought(..)) => !redacted,
            Some(Open::Redacted(..)) => redacted,
            _ => false,
        };
        if !goes_on {
            self.end_block(index, out);
            let number = self.thoughts;
            self.thoughts += 1;
            let block = if redacted {
                Open::Redacted(number, Vec::new())
            } else {
                Open::Thought(number, String::new())
            };
            self.open.push((index, block));
        }
        match (self.open_mut(index), delta) {
            (Some(Open::Thought(number, _)), ReasoningContentBlockDelta::Text(text)) => {
                let number = *number;
                self.open_chunk(out);
                out.extend_from_slice(b"\"reasoning_content\":");
                string(out, text);
                out.extend_from_slice(b",\"thinking_blocks\":[");
                thinking_block(out, Some(number), "thinking", &[("thinking", text)]);
                out.push(b']');
                self.close_chunk(out, "null");
            }
            (Some(Open::Thought(_, signature)), ReasoningContentBlockDelta::Signature(more)) => {
                signature.push_str(more);
            }
            (Some(Open::Redacted(_, data)), ReasoningContentBlockDelta::RedactedContent(more)) => {
                data.extend_from_slice(&more.0);
            }
            _ => {}
        }
    }

    /// Ends the block of this index, if there is one.
    fn end_block(&mut self, index: u32, out: &mut Vec<u8>) {
        let Some(at) = self.open.iter().rposition(|(open, _)| *open == index) else { return };
        let (number, kind, member, text) = match self.open.remove(at).1 {
            // The JSON of no arguments.
            Open::Call(number, false) => return self.arguments(number, "{}", out),
            Open::Thought(number, signature) if !signature.is_empty() => {
                (number, "thinking", "signature", signature)
            }
            Open::Redacted(number, data) => {
                (number, "redacted_thinking", "data", Blob::from(data).to_base64())
            }
            _ => return,
        };
        self.open_chunk(out);
        out.extend_from_slice(b"\"thinking_blocks\":[");
        thinking_block(out, Some(number), kind, &[(member, &text)]);
        out.push(b']');
        self.close_chunk(out, "null");
    }

    fn finish_reason(&self, reason: Option<&StopReason>) -> &'static str {
        match reason {
            Some(StopReason::ToolUse) if self.legacy => "\"function_call\"",
            Some(StopReason::ToolUse) => "\"tool_calls\"",
            Some(StopReason::MaxTokens | StopReason::ModelContextWindowExceeded) => "\"length\"",
            Some(StopReason::GuardrailIntervened | StopReason::ContentFiltered) => "\"content_filter\"",
            Some(StopReason::Unknown(reason)) if reason == "refusal" => "\"content_filter\"",
            _ => "\"stop\"",
        }
    }
}

/// An item of `thinking_blocks`. With a number, OpenAI's SDK puts its pieces together.
fn thinking_block(out: &mut Vec<u8>, number: Option<u64>, kind: &str, members: &[(&str, &str)]) {
    out.push(b'{');
    if let Some(number) = number {
        out.extend_from_slice(b"\"index\":");
        whole(out, number);
        out.push(b',');
    }
    out.extend_from_slice(b"\"type\":");
    string(out, kind);
    for (name, text) in members {
        out.push(b',');
        string(out, name);
        out.push(b':');
        string(out, text);
    }
    out.push(b'}');
}

/// Writes `"usage":{…}`. The prompt's tokens are all of them, cached or not.
fn write_usage(usage: &TokenUsage, out: &mut Vec<u8>) {
    let known = Option::unwrap_or_default;
    let (read, written) = (known(usage.cache_read_input_tokens), known(usage.cache_write_input_tokens));
    let prompt = all_input(usage);
    let completion = known(usage.output_tokens);
    for (name, tokens) in [
        ("\"usage\":{\"prompt_tokens\":", prompt),
        (",\"completion_tokens\":", completion),
        (",\"total_tokens\":", prompt.saturating_add(completion)),
        (",\"prompt_tokens_details\":{\"cached_tokens\":", read),
        (",\"cache_write_tokens\":", written),
    ] {
        out.extend_from_slice(name.as_bytes());
        whole(out, tokens);
    }
    out.extend_from_slice(b"}}");
}

impl Encoder for Chat {
    fn begin(&mut self, begin: Begin, out: &mut Vec<u8>) {
        self.head.extend_from_slice(b"data: ");
        Self::begin_object(&begin, ".chunk", &mut self.head);
        self.names = begin.names;
        self.open_chunk(out);
        out.extend_from_slice(b"\"role\":\"assistant\",\"content\":\"\"");
        self.close_chunk(out, "null");
    }

    fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::ContentBlockStart(event) => {
                self.end_block(event.content_block_index, out);
                let block = match &event.start {
                    ContentBlockStart::ToolUse(start) if start.kind != Some(ToolUseType::ServerToolUse) => {
                        let number = self.tools;
                        self.tools += 1;
                        let name = self.names.given(start.name.clone());
                        if !self.legacy || number == 0 {
                            self.open_chunk(out);
                            out.extend_from_slice(if self.legacy {
                                b"\"function_call\":"
                            } else {
                                b"\"tool_calls\":["
                            });
                            let id = (!self.legacy).then_some(start.tool_use_id.as_str());
                            write_call(out, Some(number), id, &name, "");
                            if !self.legacy {
                                out.push(b']');
                            }
                            self.close_chunk(out, "null");
                        }
                        Open::Call(number, false)
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
                self.open_chunk(out);
                self.close_chunk(out, self.finish_reason(event.stop_reason.as_ref()));
            }
            Event::Metadata(event) => self.usage.clone_from(&event.usage),
            _ => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(usage) = self.usage.take().filter(|_| self.include_usage) {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"],");
            write_usage(&usage, out);
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn error(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        out.append(&mut failure.openai());
        out.extend_from_slice(b"\n\n");
    }

    fn ping(&self) -> &'static [u8] {
        b": ping\n\n"
    }

    fn whole(&mut self, begin: Begin, response: ConverseResponse) -> Vec<u8> {
        let mut out = Vec::new();
        Self::begin_object(&begin, "", &mut out);
        let (mut text, mut thoughts, mut blocks, mut calls) =
            (None::<String>, String::new(), Vec::new(), Vec::new());
        let mut calls_begun = 0;
        for block in response.message().map(|message| message.content.as_slice()).unwrap_or_default() {
            match block {
                ContentBlock::ToolUse(call) if call.kind != Some(ToolUseType::ServerToolUse) => {
                    let name = begin.names.given(call.name.clone());
                    if self.legacy && calls_begun == 0 {
                        write_call(&mut calls, None, None, &name, &arguments_of(&call.input));
                    } else if !self.legacy {
                        if calls_begun > 0 {
                            calls.push(b',');
                        }
                        write_call(
                            &mut calls,
                            None,
                            Some(&call.tool_use_id),
                            &name,
                            &arguments_of(&call.input),
                        );
                    }
                    calls_begun += 1;
                }
                ContentBlock::ReasoningContent(thought) => {
                    if !blocks.is_empty() {
                        blocks.push(b',');
                    }
                    match thought {
                        ReasoningContentBlock::ReasoningText(thought) => {
                            thoughts.push_str(&thought.text);
                            let signature =
                                thought.signature.as_deref().map(|signature| ("signature", signature));
                            let mut members = vec![("thinking", thought.text.as_str())];
                            members.extend(signature);
                            thinking_block(&mut blocks, None, "thinking", &members);
                        }
                        ReasoningContentBlock::RedactedContent(data) => {
                            thinking_block(
                                &mut blocks,
                                None,
                                "redacted_thinking",
                                &[("data", &data.to_base64())],
                            );
                        }
                        _ => {}
                    }
                }
                block => {
                    let more = pumice::converse::Message::assistant(block.clone()).text();
                    if !more.is_empty() {
                        text.get_or_insert_default().push_str(&more);
                    }
                }
            }
        }
        out.extend_from_slice(b"{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":");
        match &text {
            Some(text) => string(&mut out, text),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"refusal\":null");
        if !thoughts.is_empty() {
            out.extend_from_slice(b",\"reasoning_content\":");
            string(&mut out, &thoughts);
        }
        for (begins, list, ends) in [
            (",\"thinking_blocks\":[", blocks, "]"),
            if self.legacy { (",\"function_call\":", calls, "") } else { (",\"tool_calls\":[", calls, "]") },
        ] {
            if !list.is_empty() {
                out.extend_from_slice(begins.as_bytes());
                out.extend_from_slice(&list);
                out.extend_from_slice(ends.as_bytes());
            }
        }
        out.extend_from_slice(b"},\"logprobs\":null,\"finish_reason\":");
        out.extend_from_slice(self.finish_reason(response.stop_reason.as_ref()).as_bytes());
        out.extend_from_slice(b"}],");
        write_usage(&response.usage.unwrap_or_default(), &mut out);
        out.push(b'}');
        out
    }
}

/// Writes a call with its id, and its number in a stream, or without an id as the call of a function.
fn write_call(out: &mut Vec<u8>, number: Option<u64>, id: Option<&str>, name: &str, arguments: &str) {
    if let Some(id) = id {
        out.push(b'{');
        if let Some(number) = number {
            out.extend_from_slice(b"\"index\":");
            whole(out, number);
            out.push(b',');
        }
        out.extend_from_slice(b"\"id\":");
        string(out, id);
        out.extend_from_slice(b",\"type\":\"function\",\"function\":");
    }
    out.extend_from_slice(b"{\"name\":");
    string(out, name);
    out.extend_from_slice(b",\"arguments\":");
    string(out, arguments);
    out.push(b'}');
    if id.is_some() {
        out.push(b'}');
    }
}

/// What a delta begins with, behind the head.
const DELTA: &[u8] = b"{\"index\":0,\"delta\":{";

/// Members that change nothing that Bedrock knows of.
const PASSED_OVER: [&str; 16] = [
    "frequency_penalty",
    "logit_bias",
    "modalities",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "repetition_penalty",
    "safety_identifier",
    "seed",
    "store",
    "stream",
    "stream_options",
    "user",
    "verbosity",
    "caching",
];

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "reads best in tables of JSON")]
pub(crate) mod tests {
    use super::*;
    use crate::recorded::{self, Recorded, converse, events, refused, sent, streamed};
    use pumice::converse::Message;
    use serde_json::{Value, json};

    /// A body of these members, with a message where there is none.
    fn body(members: Value) -> Value {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    }

    /// What members become, beside the model and the message.
    fn becomes(members: Value) -> Value {
        let (mut request, notes) = converse(read, &body(members));
        assert_eq!(notes, [""; 0]);
        let request = request.as_object_mut().unwrap();
        request.remove("modelId");
        request.remove("messages");
        Value::Object(request.clone())
    }

    fn turns(messages: Value) -> Value {
        let (request, notes) = converse(read, &json!({"model": "m", "messages": messages}));
        assert_eq!(notes, [""; 0]);
        request["messages"].clone()
    }

    fn options(members: Value) -> pumice::conversation::Options {
        read(body(members).to_string().as_bytes())
            .unwrap_or_else(|failure| panic!("{}", failure.message))
            .options
    }

    const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";

    #[test]
    fn parameters() {
        let tool =
            |name: &str, schema: Value| json!({"toolSpec": {"name": name, "inputSchema": {"json": schema}}});
        let any = json!({"type": "object", "properties": {}});
        let function = |name: &str| json!({"type": "function", "function": {"name": name}});
        let schema = json!({"type": "object", "properties": {"z": {"type": "string"}, "a": {}}});
        for (given, sent) in [
            (json!({}), json!({})),
            (json!({"max_tokens": 5}), json!({"inferenceConfig": {"maxTokens": 5}})),
            (
                json!({"max_tokens": 5, "max_completion_tokens": 6}),
                json!({"inferenceConfig": {"maxTokens": 6}}),
            ),
            (
                json!({"temperature": 0.5, "top_p": 1, "stop": "a"}),
                json!({"inferenceConfig": {"temperature": 0.5, "topP": 1.0, "stopSequences": ["a"]}}),
            ),
            (
                json!({"stop": ["a", "b"], "max_tokens": null}),
                json!({"inferenceConfig": {"stopSequences": ["a", "b"]}}),
            ),
            (json!({"service_tier": "auto"}), json!({})),
            (json!({"service_tier": "flex"}), json!({"serviceTier": {"type": "flex"}})),
            (json!({"metadata": {"team": "a b"}}), json!({"requestMetadata": {"team": "a b"}})),
            (
                json!({"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"}}),
                json!({"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"}}),
            ),
            (
                json!({"performanceConfig": {"latency": "optimized"}}),
                json!({"performanceConfig": {"latency": "optimized"}}),
            ),
            (
                json!({
                    "seed": 1, "user": "u", "logit_bias": {"1": 2}, "frequency_penalty": 1, "presence_penalty": 1,
                    "logprobs": false, "stream": false, "n": 1, "store": false, "parallel_tool_calls": true
                }),
                json!({}),
            ),
            (json!({"response_format": {"type": "text"}}), json!({})),
            (
                json!({"response_format": {"type": "json_object"}}),
                json!({"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
                    "schema": "{\"type\":\"object\"}"
                }}}}}),
            ),
            (
                json!({"response_format": {"type": "json_schema", "json_schema": {
                    "name": "n", "description": "d", "strict": true, "schema": {"type": "object"}
                }}}),
                json!({"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
                    "schema": "{\"type\":\"object\"}", "name": "n", "description": "d"
                }}}}}),
            ),
            (
                json!({"tools": [
                    {"type": "function", "function": {"name": "f.g", "description": "d", "parameters": schema, "strict": true}},
                    {"type": "function", "function": {"name": "h"}, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
                ], "tool_choice": "auto"}),
                json!({"toolConfig": {"tools": [
                    {"toolSpec": {"name": "f.g", "inputSchema": {"json": schema}, "description": "d", "strict": true}},
                    tool("h", any.clone()), {"cachePoint": {"type": "default", "ttl": "1h"}}
                ], "toolChoice": {"auto": {}}}}),
            ),
            (
                json!({"tools": [function("f")], "tool_choice": "required"}),
                json!({"toolConfig": {"tools": [tool("f", any.clone())], "toolChoice": {"any": {}}}}),
            ),
            (json!({"tools": [function("f")], "tool_choice": "none"}), json!({})),
            (json!({"tools": []}), json!({})),
            (
                json!({"tools": [function("f"), function("g")], "tool_choice": function("g")}),
                json!({"toolConfig": {"tools": [tool("f", any.clone()), tool("g", any.clone())], "toolChoice": {"tool": {"name": "g"}}}}),
            ),
            (
                json!({"tools": [function("f"), function("g")], "tool_choice": {
                    "type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [function("g")]}
                }}),
                json!({"toolConfig": {"tools": [tool("g", any.clone())], "toolChoice": {"any": {}}}}),
            ),
            (
                json!({"functions": [{"name": "f", "parameters": schema}], "function_call": {"name": "f"}}),
                json!({"toolConfig": {"tools": [tool("f", schema.clone())], "toolChoice": {"tool": {"name": "f"}}}}),
            ),
        ] {
            assert_eq!(becomes(given.clone()), sent, "{given}");
        }
    }

    #[test]
    fn the_order_and_the_digits_of_schemas_and_arguments_stay() {
        let schema = r#"{"type":"object","properties":{"z":{"maximum":12345678901234567890123},"a":{}}}"#;
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"assistant","tool_calls":[{{"id":"1","type":"function","function":
               {{"name":"f","arguments":"{{\"z\": 12345678901234567890123, \"a\": 1.0}}"}}}}]}}],
               "tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}]}}"#
        );
        let request =
            serde_json::to_string(&read(body.as_bytes()).unwrap_or_else(|_| panic!()).request).unwrap();
        assert!(request.contains(schema), "{request}");
        assert!(request.contains(r#""input":{"z": 12345678901234567890123, "a": 1.0}"#), "{request}");
    }

    #[test]
    fn thinking() {
        use pumice::conversation::ThinkingLevel::{High, Low, Medium};
        let of = |members: Value| {
            let options = options(members);
            (options.thinking, options.thinking_off, options.thinking_budgets, options.top_k)
        };
        assert_eq!(of(json!({})), (None, false, vec![], None));
        assert_eq!(of(json!({"reasoning_effort": "low", "top_k": 9})), (Some(Low), false, vec![], Some(9)));
        assert_eq!(of(json!({"reasoning_effort": "none"})), (None, true, vec![], None));
        let budget = |tokens: u64| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
        assert_eq!(of(budget(5000)), (Some(Medium), false, vec![(Medium, 5000)], None));
        assert_eq!(of(budget(31_999)), (Some(High), false, vec![(High, 31_999)], None));
        assert_eq!(of(json!({"thinking": {"type": "disabled"}})), (None, true, vec![], None));
        assert_eq!(of(json!({"thinking": {"type": "adaptive"}})), (Some(High), false, vec![], None));
    }

    #[test]
    fn messages() {
        let user = |content: Value| json!({"role": "user", "content": content});
        let assistant = |content: Value| json!({"role": "assistant", "content": content});
        let call =
            |id: &str, input: Value| json!({"toolUse": {"toolUseId": id, "name": "f", "input": input}});
        let result = |id: &str, text: &str| json!({"toolResult": {"toolUseId": id, "content": [{"text": text}], "status": "success"}});
        let image = json!({"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}});
        let point = json!({"cachePoint": {"type": "default"}});
        let thought = |text: &str| json!({"reasoningContent": {"reasoningText": {"text": text}}});
        let signed = json!({"reasoningContent": {"reasoningText": {"text": "t", "signature": "S"}}});
        let redacted = json!({"reasoningContent": {"redactedContent": "AAEC"}});
        let cached = json!({"type": "ephemeral"});
        let called = |id: &str, arguments: &str| {
            json!([
                {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}
            ])
        };
        for (given, sent) in [
            (user("hi".into()), user(json!([{"text": "hi"}]))),
            (user(Value::Null), user(json!([]))),
            (
                user(json!([
                    {"type": "text", "text": "a", "cache_control": cached}, "b",
                    {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                    {"type": "image_url", "image_url": PNG},
                    {"type": "file", "file": {"filename": "r.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
                    {"type": "file", "file": {"file_data": "JVBERi0="}},
                    {"type": "input_audio", "input_audio": {"data": "AAEC", "format": "wav"}}
                ])),
                user(json!([
                    {"text": "a"}, point, {"text": "b"}, image, image,
                    {"document": {"name": "r.pdf", "source": {"bytes": "JVBERi0="}, "format": "pdf"}},
                    {"document": {"name": "document", "source": {"bytes": "JVBERi0="}, "format": "pdf"}},
                    {"audio": {"format": "wav", "source": {"bytes": "AAEC"}}}
                ])),
            ),
            (
                json!({"role": "user", "content": "a", "cache_control": cached, "name": "n"}),
                user(json!([{"text": "a"}, point])),
            ),
            (
                json!({"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "refusal": "never"}),
                assistant(json!([{"text": "no"}, {"text": "never"}])),
            ),
            (
                json!({"role": "assistant", "content": "", "tool_calls": called("1", "{\"a\": 1}")}),
                assistant(json!([{"text": ""}, call("1", json!({"a": 1}))])),
            ),
            (
                json!({"role": "assistant", "tool_calls": called("1", "")}),
                assistant(json!([call("1", json!({}))])),
            ),
            (
                json!({"role": "assistant", "content": "a", "reasoning_content": "t"}),
                assistant(json!([thought("t"), {"text": "a"}])),
            ),
            (
                json!({"role": "assistant", "content": "a", "reasoning_content": "t", "thinking_blocks": [
                    {"index": 0, "type": "thinking", "thinking": "t", "signature": "S"},
                    {"index": 1, "type": "redacted_thinking", "data": "AAEC"}, {"type": "thinking", "thinking": "u"}
                ]}),
                assistant(json!([signed, redacted, thought("u"), {"text": "a"}])),
            ),
            (json!({"role": "tool", "tool_call_id": "1", "content": "x"}), user(json!([result("1", "x")]))),
            (
                json!({"role": "tool", "tool_call_id": "1", "content": [
                    {"type": "text", "text": "x", "cache_control": cached}, {"type": "image_url", "image_url": PNG}
                ]}),
                user(json!([
                    {"toolResult": {"toolUseId": "1", "content": [{"text": "x"}, image], "status": "success"}}, point
                ])),
            ),
        ] {
            assert_eq!(turns(json!([given])), json!([sent]), "{given}");
        }
        assert_eq!(
            turns(json!([
                {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": "x"}
            ])),
            json!([assistant(json!([call("call_1", json!({}))])), user(json!([result("call_1", "x")]))])
        );
    }

    #[test]
    fn thoughts_are_whole_however_a_client_kept_their_pieces() {
        let said = |members: Value| {
            let mut message = json!({"role": "assistant", "content": "a"});
            message.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            turns(json!([message]))[0]["content"].clone()
        };
        let piece =
            |index: u64, member: &str, text: &str| json!({"index": index, "type": "thinking", member: text});
        let thought = |text: &str, signature: &str| json!({"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}});
        let pieces = json!([
            piece(0, "thinking", "h"),
            piece(0, "thinking", "m"),
            piece(0, "signature", "S"),
            piece(1, "thinking", "u"),
            piece(1, "signature", "T")
        ]);
        assert_eq!(
            said(json!({"reasoning_content": "hmu", "thinking_blocks": pieces})),
            json!([thought("hm", "S"), thought("u", "T"), {"text": "a"}])
        );
        let last = json!({"reasoning_content": "hm", "thinking_blocks": [piece(0, "signature", "S")]});
        assert_eq!(said(last), json!([thought("hm", "S"), {"text": "a"}]));
        assert_eq!(said(json!({"reasoning_content": "", "thinking_blocks": []})), json!([{"text": "a"}]));
    }

    #[test]
    fn instructions_at_the_beginning_are_the_system_prompt() {
        let cached = json!({"type": "ephemeral"});
        let (request, _) = converse(
            read,
            &json!({"model": "m", "messages": [
                {"role": "system", "content": [{"type": "text", "text": "a", "cache_control": cached}]},
                {"role": "developer", "content": "b"}, {"role": "user", "content": "c"},
                {"role": "system", "content": "d", "cache_control": cached}
            ]}),
        );
        assert_eq!(
            request["system"],
            json!([{"text": "a"}, {"cachePoint": {"type": "default"}}, {"text": "b"}])
        );
        assert_eq!(request["messages"][1], json!({"role": "system", "content": [{"text": "d"}]}));
    }

    #[test]
    fn what_cannot_be_translated_is_refused_with_its_place() {
        let message = |message: Value| json!({"messages": [message]});
        let part = |part: Value| message(json!({"role": "user", "content": [part]}));
        let url = |url: &str| part(json!({"type": "image_url", "image_url": {"url": url}}));
        let at = |fault: &str| format!("messages[0].content[0].image_url.url: {fault}");
        for (members, expected) in [
            (json!({"model": null}), "model: expected the name of a model, found none".into()),
            (json!({"model": " "}), "model: expected the name of a model, found \" \"".into()),
            (json!({"messages": null}), "messages: expected a list of messages, found none".into()),
            (json!({"messages": "x"}), "messages: expected a list, found \"x\"".into()),
            (json!({"n": 2}), "n: expected 1, because Bedrock gives one response, found 2".into()),
            (json!({"max_tokens": 0}), "max_tokens: expected a whole number from 1, found 0".into()),
            (json!({"temperature": "hot"}), "temperature: expected a number, found \"hot\"".into()),
            (message(json!({"content": "x"})), "messages[0].role: expected system, developer, user, assistant or tool, found none".into()),
            (message(json!({"role": "bot"})), "messages[0].role: expected system, developer, user, assistant or tool, found \"bot\"".into()),
            (message(json!({"role": "user", "content": 5})), "messages[0].content: expected a text or a list of parts, found 5".into()),
            (part(json!({"type": "video_url"})), "messages[0].content[0].type: expected text, image_url, file or input_audio, found \"video_url\"".into()),
            (
                url("https://example.com/a.png"),
                at("expected a data: URL, because the gateway fetches nothing, found \"https://example.com/a.png\""),
            ),
            (url("data:image/png,x"), at("expected a URL that begins with data:TYPE;base64, found \"data:image/png,x\"")),
            (url("data:image/png;base64,%"), at("expected bytes in base64, found other characters")),
            (url("data:image/png;base64,"), at("expected bytes in base64, found none")),
            (
                url("data:video/mp4;base64,AAEC"),
                at("expected an image (PNG, JPEG, GIF, WebP) or a document (PDF, Word, Excel, UTF-8 text), found \"video/mp4\""),
            ),
            (
                part(json!({"type": "file", "file": {"file_id": "f"}})),
                "messages[0].content[0].file.file_data: expected the file as a data: URL, found none".into(),
            ),
            (
                message(json!({"role": "tool", "content": "x"})),
                "messages[0].tool_call_id: expected the id of the call, found none".into(),
            ),
            (
                json!({"tools": [{"type": "custom", "custom": {"name": "c"}}]}),
                "tools[0].type: expected function, found \"custom\"".into(),
            ),
            (
                json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}),
                "tools[0].function.parameters: expected a JSON schema, which is an object, found a list".into(),
            ),
            (json!({"tool_choice": "maybe"}), "tool_choice: expected auto, none, required or a tool, found \"maybe\"".into()),
            (
                json!({"tool_choice": {"type": "function", "function": {"name": "g"}}}),
                "tool_choice.function.name: expected the name of a tool, found \"g\"".into(),
            ),
            (json!({"response_format": {"type": "xml"}}), "response_format.type: expected text, json_object or json_schema, found \"xml\"".into()),
            (
                json!({"reasoning_effort": "lots"}),
                "reasoning_effort: expected none, minimal, low, medium, high, xhigh or max, found \"lots\"".into(),
            ),
        ] {
            assert_eq!(refused(read, &body(members.clone())), expected, "{members}");
        }
    }

    #[test]
    fn what_is_dropped_or_changed_is_said() {
        let arguments = |text: &str| json!([{"id": "1", "function": {"name": "f", "arguments": text}}]);
        let (request, notes) = converse(
            read,
            &json!({
                "model": "m", "temperature": 1.5, "logprobs": true, "parallel_tool_calls": false,
                "messages": [{"role": "assistant", "tool_calls": arguments("{\"a\": ")}],
                "metadata": {"a": "{}"}
            }),
        );
        assert_eq!(
            notes,
            [
                "temperature: 1.5 lowered to 1: Bedrock takes 0 to 1",
                "messages[0].tool_calls[0].function.arguments: sent as {}: it is not a JSON object",
                "metadata.a: not sent: Bedrock takes labels of at most 256 of the characters a-zA-Z0-9 :_@$#=/+,-. alone",
                "parallel_tool_calls: not sent: Converse cannot keep a model from calling several tools at once",
                "logprobs: not sent: Converse has no place for it",
            ]
        );
        assert_eq!(request["messages"][0]["content"][0]["toolUse"]["input"], json!({}));
        assert_eq!(request["inferenceConfig"], json!({"temperature": 1.0}));
    }

    #[test]
    #[ignore = "needs ../shared: recordings and vectors beside the project"]
    fn recorded_requests_of_clients() {
        for name in ["opencode-chat-1", "opencode-chat-2", "opencode-chat-title"] {
            let vector = support::shared::json(&format!("vectors/gateway/{name}.json"));
            let (request, notes) = recorded::prepared(read, &vector["body"]);
            assert_eq!(notes, [""; 0], "{name}");
            let tools = vector["body"]["tools"].as_array().map_or(0, Vec::len);
            assert_eq!(request["toolConfig"]["tools"].as_array().map_or(0, Vec::len), tools, "{name}");
            assert_eq!(request["inferenceConfig"]["maxTokens"], 32_000, "{name}");
            let last = request["messages"].as_array().unwrap().last().unwrap();
            assert_eq!(last["role"], "user", "{name}");
            assert_eq!(last["content"][0]["toolResult"].is_object(), name == "opencode-chat-2", "{name}");
        }
    }

    /// The deltas of a stream put together as OpenAI's SDK does.
    fn put_together(into: &mut Value, delta: &Value) {
        for (name, value) in delta.as_object().unwrap() {
            let into = &mut into[name];
            match (&mut *into, value) {
                (Value::String(text), Value::String(more)) if name != "type" => text.push_str(more),
                (Value::Object(_), Value::Object(_)) => put_together(into, value),
                (Value::Null | Value::Array(_), Value::Array(more)) => {
                    if into.is_null() {
                        *into = json!([]);
                    }
                    for item in more {
                        let index = usize::try_from(item["index"].as_u64().unwrap()).unwrap();
                        let items = into.as_array_mut().unwrap();
                        if index == items.len() {
                            items.push(item.clone());
                        } else {
                            put_together(&mut items[index], item);
                            items[index]["index"] = index.into();
                        }
                    }
                }
                _ => *into = value.clone(),
            }
        }
    }

    /// The response in one, of a stream.
    fn gathered(stream: &str) -> Value {
        let chunks = sent(stream);
        let (last, chunks) = chunks.split_last().unwrap();
        assert_eq!(*last, (None, "[DONE]"));
        let mut message = json!({});
        let mut whole = json!({});
        for (at, (kind, chunk)) in chunks.iter().enumerate() {
            let chunk = serde_json::from_str::<Value>(chunk).unwrap();
            assert_eq!((*kind, &chunk["object"]), (None, &json!("chat.completion.chunk")));
            assert!(whole["finish_reason"].is_null() || chunk["choices"] == json!([]), "{chunk}");
            if at == 0 {
                assert_eq!(chunk["choices"][0]["delta"], json!({"role": "assistant", "content": ""}));
            }
            if let Some(choice) = chunk["choices"].get(0) {
                put_together(&mut message, &choice["delta"]);
                whole["finish_reason"] = choice["finish_reason"].clone();
            } else {
                whole["usage"] = chunk["usage"].clone();
            }
        }
        for list in ["tool_calls", "thinking_blocks"] {
            for item in message.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                item.as_object_mut().unwrap().remove("index");
            }
        }
        whole["message"] = message;
        whole
    }

    /// What the model said, as this dialect has it: thoughts, then one text, then calls.
    fn said(recorded: &Recorded) -> Value {
        let message = recorded::said(&recorded.response);
        let is = |kind: fn(&ContentBlock) -> bool| {
            message.content.iter().filter(move |block| kind(block)).cloned()
        };
        let mut blocks = is(|block| matches!(block, ContentBlock::ReasoningContent(_))).collect::<Vec<_>>();
        blocks.push(ContentBlock::Text(message.text()));
        blocks.extend(is(|block| matches!(block, ContentBlock::ToolUse(_))));
        serde_json::to_value(Message::new(ConversationRole::Assistant, blocks)).unwrap()
    }

    pub(crate) fn served(recorded: &Recorded) {
        let name = &recorded.name;
        let mut encoder = Chat { include_usage: true, ..Chat::default() };
        let streamed = gathered(&streamed(&mut encoder, &recorded.events));
        let whole = Chat::default().whole(recorded::begin(), recorded.response.clone());
        let mut whole = serde_json::from_slice::<Value>(&whole).unwrap();
        assert_eq!(whole["object"], "chat.completion");

        // Sent back, it is what the model said.
        let said = said(recorded);
        for message in [&streamed["message"], &whole["choices"][0]["message"]] {
            let mut message = message.clone();
            if message["content"].is_null() {
                message["content"] = "".into();
            }
            let (request, _) = converse(read, &json!({"model": "m", "messages": [message]}));
            assert_eq!(request["messages"][0], said, "{name}");
        }
        let choice = &mut whole["choices"][0];
        choice["message"].as_object_mut().unwrap().remove("refusal");
        if choice["message"]["content"].is_null() {
            choice["message"]["content"] = "".into();
        }
        assert_eq!(streamed["message"], choice["message"], "{name}");
        assert_eq!(streamed["finish_reason"], choice["finish_reason"], "{name}");
        if let Some(usage) = &recorded.response.usage {
            assert_eq!(streamed["usage"], whole["usage"], "{name}");
            let all = [usage.input_tokens, usage.cache_read_input_tokens, usage.cache_write_input_tokens];
            let all = all.into_iter().flatten().sum::<u64>();
            assert_eq!(whole["usage"]["prompt_tokens"], all, "{name}");
            assert_eq!(
                whole["usage"]["completion_tokens"],
                usage.output_tokens.unwrap_or_default(),
                "{name}"
            );
        }
    }

    #[test]
    fn a_stream_has_openais_chunks() {
        let response = json!([
            {"messageStart": {"role": "assistant"}},
            {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "h\n"}}}},
            {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "S"}}}},
            {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "T"}}}},
            {"contentBlockStop": {"contentBlockIndex": 0}},
            {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"reasoningContent": {"redactedContent": "AAEC"}}}},
            {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"reasoningContent": {"redactedContent": "Aw=="}}}},
            {"contentBlockStop": {"contentBlockIndex": 1}},
            {"contentBlockDelta": {"contentBlockIndex": 2, "delta": {"text": "a"}}},
            {"contentBlockDelta": {"contentBlockIndex": 2, "delta": {"text": ""}}},
            {"contentBlockStop": {"contentBlockIndex": 2}},
            {"contentBlockStart": {"contentBlockIndex": 3, "start": {"toolUse": {"toolUseId": "1", "name": "f"}}}},
            {"contentBlockStart": {"contentBlockIndex": 4, "start": {"toolUse": {"toolUseId": "2", "name": "g"}}}},
            {"contentBlockDelta": {"contentBlockIndex": 4, "delta": {"toolUse": {"input": "{\"x\":"}}}},
            {"contentBlockDelta": {"contentBlockIndex": 4, "delta": {"toolUse": {"input": " 1}"}}}},
            {"contentBlockStop": {"contentBlockIndex": 4}},
            {"messageStop": {"stopReason": "tool_use"}},
            {"metadata": {"usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 10,
                "cacheReadInputTokens": 3, "cacheWriteInputTokens": 4}}}
        ]);
        let delta = |delta: Value| json!({"index": 0, "delta": delta, "finish_reason": null});
        let thought = |number: u64, kind: &str, member: &str, text: &str| json!({"index": number, "type": kind, member: text});
        let begun = |number: u64, id: &str, name: &str| {
            delta(json!({"tool_calls": [
                {"index": number, "id": id, "type": "function", "function": {"name": name, "arguments": ""}}
            ]}))
        };
        let arguments = |number: u64, text: &str| {
            delta(json!({"tool_calls": [{"index": number, "function": {"arguments": text}}]}))
        };
        let expected = [
            delta(json!({"role": "assistant", "content": ""})),
            delta(
                json!({"reasoning_content": "h\n", "thinking_blocks": [thought(0, "thinking", "thinking", "h\n")]}),
            ),
            delta(json!({"thinking_blocks": [thought(0, "thinking", "signature", "ST")]})),
            delta(json!({"thinking_blocks": [thought(1, "redacted_thinking", "data", "AAECAw==")]})),
            delta(json!({"content": "a"})),
            begun(0, "1", "f"),
            begun(1, "2", "g"),
            arguments(1, "{\"x\":"),
            arguments(1, " 1}"),
            arguments(0, "{}"),
            json!({"index": 0, "delta": {}, "finish_reason": "tool_calls"}),
        ];
        let stream = streamed(&mut Chat::default(), &events(&response));
        let chunk = |choice: &Value| {
            json!({
                "id": "chatcmpl-0-1", "object": "chat.completion.chunk", "created": 1_767_323_045, "model": "m",
                "choices": [choice]
            })
        };
        let mut chunks = sent(&stream);
        assert_eq!(chunks.pop(), Some((None, "[DONE]")));
        let chunks =
            chunks.iter().map(|(_, chunk)| serde_json::from_str(chunk).unwrap()).collect::<Vec<Value>>();
        assert_eq!(chunks, expected.iter().map(chunk).collect::<Vec<_>>());

        let stream = streamed(&mut Chat { include_usage: true, ..Chat::default() }, &events(&response));
        let chunks = sent(&stream);
        let first = serde_json::from_str::<Value>(chunks[0].1).unwrap();
        assert_eq!(first.get("usage"), Some(&Value::Null));
        let usage = serde_json::from_str::<Value>(chunks[chunks.len() - 2].1).unwrap();
        assert_eq!(usage["choices"], json!([]));
        assert_eq!(
            usage["usage"],
            json!({"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10,
                "prompt_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 4}})
        );
    }

    #[test]
    fn a_tool_has_the_name_that_the_client_gave_it() {
        let tool = json!({"type": "function", "function": {"name": "read.file"}});
        let translated = read(body(json!({"tools": [tool]})).to_string().as_bytes());
        let Translated { request, options, mut encoder, .. } = translated.unwrap_or_else(|_| panic!());
        let target = pumice::conversation::Target::default();
        let prepared = pumice::conversation::prepare(request, &target, &options).unwrap();
        let begin = Begin { names: prepared.tool_names, ..recorded::begin() };
        let start = json!({"toolUse": {"toolUseId": "1", "name": "read_file"}});
        let start = events(&json!([{"contentBlockStart": {"contentBlockIndex": 0, "start": start}}]));
        let mut out = Vec::new();
        encoder.begin(begin, &mut out);
        encoder.push(&start[0], &mut out);
        let stream = String::from_utf8(out).unwrap();
        let chunk = serde_json::from_str::<Value>(sent(&stream)[1].1).unwrap();
        assert_eq!(chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["name"], "read.file");
    }

    #[test]
    fn stop_reasons() {
        for (reason, expected) in [
            ("end_turn", "stop"),
            ("stop_sequence", "stop"),
            ("tool_use", "tool_calls"),
            ("max_tokens", "length"),
            ("model_context_window_exceeded", "length"),
            ("guardrail_intervened", "content_filter"),
            ("content_filtered", "content_filter"),
            ("refusal", "content_filter"),
            ("something_new", "stop"),
        ] {
            let stop = events(&json!([{"messageStop": {"stopReason": reason}}]));
            assert_eq!(
                gathered(&streamed(&mut Chat::default(), &stop))["finish_reason"],
                expected,
                "{reason}"
            );
        }
    }

    #[test]
    fn functions_are_called_as_their_clients_know_it() {
        let request = body(json!({"functions": [{"name": "f"}]}));
        let list = events(&json!([
            {"contentBlockStart": {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "1", "name": "f"}}}},
            {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{\"x\":1}"}}}},
            {"contentBlockStop": {"contentBlockIndex": 0}},
            {"contentBlockStart": {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "2", "name": "f"}}}},
            {"contentBlockStop": {"contentBlockIndex": 1}},
            {"messageStop": {"stopReason": "tool_use"}}
        ]));
        let encoder = || read(request.to_string().as_bytes()).unwrap_or_else(|_| panic!()).encoder;
        let gathered = gathered(&streamed(&mut *encoder(), &list));
        let call = json!({"name": "f", "arguments": "{\"x\":1}"});
        assert_eq!(gathered["message"], json!({"role": "assistant", "content": "", "function_call": call}));
        assert_eq!(gathered["finish_reason"], "function_call");
        let mut reply = pumice::reply::ReplyBuilder::new();
        for event in list {
            reply.push(event);
        }
        let whole = encoder().whole(recorded::begin(), reply.finish());
        let whole = serde_json::from_slice::<Value>(&whole).unwrap();
        assert_eq!(whole["choices"][0]["message"]["function_call"], call);
    }

    #[test]
    fn a_failure_ends_the_stream_without_done() {
        let mut out = Vec::new();
        let mut chat = Chat::default();
        chat.begin(recorded::begin(), &mut out);
        out.clear();
        chat.error(&Failure::new(http::StatusCode::SERVICE_UNAVAILABLE, "gone"), &mut out);
        let stream = String::from_utf8(out).unwrap();
        let error = serde_json::from_str::<Value>(sent(&stream)[0].1).unwrap();
        assert_eq!(
            error,
            json!({"error": {"message": "gone", "type": "server_error", "param": null, "code": null}})
        );
    }
}
