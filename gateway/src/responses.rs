//! OpenAI's Responses: its request as Converse's, the events of a response as its events.

use std::collections::{HashMap, HashSet};

use pumice::Event;
use pumice::conversation::{PartialArguments, ToolNames};
use pumice::converse::{
    ContentBlock, ContentBlockDelta, ContentBlockStart, ConversationRole, ConverseResponse, Message,
    ReasoningContentBlock, ReasoningContentBlockDelta, ReasoningTextBlock, StopReason, TokenUsage,
    ToolResultBlock, ToolResultStatus, ToolUseBlock, ToolUseType,
};
use pumice::shape::{Blob, Document};

use crate::dialect::{Begin, Encoder, Translated};
use crate::failure::Failure;
use crate::given::{
    FunctionTool, Given, INPUT, NO_PLACE, PARALLEL, arguments_of, function, json_schema, list, read_arguments,
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
    for (name, harmless) in KEPT {
        if let Some(value) = body.take(name).filter(|value| value.raw() != harmless) {
            return Err(value.expected("none, because the gateway keeps nothing of a call"));
        }
    }
    let mut given = Given::new(&mut body, notes)?;
    let mut tools = Tools::default();
    for tool in list(&mut body, "tools")? {
        tools.add(tool, None, &mut given, notes)?;
    }
    if let Some(instructions) = body.take("instructions") {
        given.instruct(vec![instructions.text()?.into_owned().into()]);
    }
    let input = body.need("input", "a text or a list of items")?;
    if input.is_text() {
        given.say(ConversationRole::User, vec![input.text()?.into_owned().into()]);
    } else {
        for item in input.items()? {
            add_item(item, &mut given, &tools, notes)?;
        }
    }
    if let Some(choice) = body.take("tool_choice") {
        tools.choose(choice, &mut given, notes)?;
    }
    if let Some(text) = body.take("text")
        && let Some(format) = text.object()?.take("format")
    {
        let mut format = format.object()?;
        let kind = format.need("type", "text, json_object or json_schema")?;
        match &*kind.text()? {
            "text" => {}
            "json_object" => given.any_json(),
            "json_schema" => json_schema(&mut format, &mut given)?,
            _ => return Err(kind.expected("text, json_object or json_schema")),
        }
    }
    if let Some(reasoning) = body.take("reasoning")
        && let Some(effort) = reasoning.object()?.take("effort")
    {
        given.think(effort)?;
    }
    if let Some(metadata) = body.take("metadata") {
        given.label(metadata, notes)?;
    }
    if let Some(key) = body.take("prompt_cache_key") {
        given.options.session = Some(key.text()?.into_owned());
    }
    if let Some(parallel) = body.take("parallel_tool_calls").filter(|parallel| parallel.raw() == "false") {
        notes.push(parallel.fault(PARALLEL));
    }
    for (name, value) in body.rest() {
        if !PASSED_OVER.contains(&name) && !["false", "0", "\"disabled\""].contains(&value.raw()) {
            notes.push(value.fault(NO_PLACE));
        }
    }
    Ok(given.translated(Responses { tools, ..Responses::default() }))
}

/// The tools of a request, as the client knows them.
#[derive(Default)]
struct Tools {
    /// By the name under which each is given to `conversation`.
    known: HashMap<String, Known>,
    /// The names of those that had to be given another one, by namespace and name.
    renamed: HashMap<(String, String), String>,
}

struct Known {
    own: String,
    namespace: Option<String>,
    /// Whether its input is a text, and no JSON.
    custom: bool,
}

impl Tools {
    fn add(
        &mut self,
        tool: Json<'_>,
        namespace: Option<&str>,
        given: &mut Given,
        notes: &mut Vec<Fault>,
    ) -> Result<(), Fault> {
        let mut object = tool.object()?;
        let kind = object.need("type", "function, custom or namespace")?;
        let custom = match &*kind.text()? {
            "function" => false,
            "custom" => true,
            "namespace" if namespace.is_none() => {
                let name = object.need("name", "the name of a namespace")?.text()?;
                for tool in list(&mut object, "tools")? {
                    self.add(tool, Some(&name), given, notes)?;
                }
                return Ok(());
            }
            other => {
                notes.push(kind.fault(format!("{other} {NO_PLACE}")));
                return Ok(());
            }
        };
        let mut tool = function(&mut object, "parameters")?;
        let own = std::mem::take(&mut tool.name);
        let mut name = own.clone();
        if given.has_tool(&name)
            && let Some(namespace) = namespace
        {
            name = format!("{namespace}.{own}");
            self.renamed.insert((namespace.to_owned(), own.clone()), name.clone());
        }
        let namespace = namespace.map(str::to_owned);
        // Of two with one name the first is sent.
        self.known.entry(name.clone()).or_insert(Known { own, namespace, custom });
        if custom {
            let format = object.take("format").map(Json::object).transpose()?;
            if let Some(grammar) = format.and_then(|mut format| format.take("definition")) {
                let description = tool.description.get_or_insert_default();
                description.extend(["\n\nThe input follows this grammar:\n", &*grammar.text()?]);
            }
            tool.text_alone = true;
        }
        given.tool(FunctionTool { name, ..tool })
    }

    /// The name of a tool that the client names, as it is given to `conversation`.
    fn given(&self, own: &str, namespace: Option<&str>) -> String {
        let renamed =
            namespace.and_then(|namespace| self.renamed.get(&(namespace.to_owned(), own.to_owned())));
        renamed.map_or(own, String::as_str).to_owned()
    }

    fn choose(&self, choice: Json<'_>, given: &mut Given, notes: &mut Vec<Fault>) -> Result<(), Fault> {
        if choice.is_text() {
            return given.choose(choice, &choice.text()?, None);
        }
        let mut object = choice.object()?;
        let kind = object.need("type", "function, custom or allowed_tools")?;
        match &*kind.text()? {
            "function" | "custom" => {
                let name = object.need("name", "the name of a tool")?;
                given.choose(name, "", Some(&self.given(&name.text()?, None)))
            }
            "allowed_tools" => {
                let mut names = HashSet::new();
                for tool in list(&mut object, "tools")? {
                    if let Some(name) = tool.object()?.take("name") {
                        names.insert(name.text()?.into_owned());
                    }
                }
                given.keep_tools(&names);
                let mode = object.need("mode", "auto or required")?;
                given.choose(mode, &mode.text()?, None)
            }
            _ => {
                notes.push(choice.fault(NO_PLACE));
                Ok(())
            }
        }
    }
}

fn add_item(item: Json<'_>, given: &mut Given, tools: &Tools, notes: &mut Vec<Fault>) -> Result<(), Fault> {
    let mut object = item.object()?;
    let kind = object.take("type");
    let kind_text = kind.map_or(Ok("message".into()), Json::text)?;
    match &*kind_text {
        "message" => {
            let role = object.need("role", "user, assistant, system or developer")?;
            let content = read_content(object.need("content", "a text or a list of parts")?)?;
            match &*role.text()? {
                "user" => given.say(ConversationRole::User, content),
                "assistant" => given.go_on(ConversationRole::Assistant, content),
                "system" | "developer" => given.instruct(content),
                _ => return Err(role.expected("user, assistant, system or developer")),
            }
        }
        call @ ("function_call" | "custom_tool_call") => {
            let id = object.need("call_id", "the id of the call")?.text()?;
            let name = object.need("name", "the name of a tool")?.text()?;
            let namespace = object.take("namespace").map(Json::text).transpose()?;
            let input = if call == "function_call" {
                let arguments = object.take("arguments");
                arguments.map_or(Ok(Document::default()), |arguments| read_arguments(arguments, notes))?
            } else {
                let input = object.take("input").map_or(Ok("".into()), Json::text)?;
                serde_json::json!({ INPUT: input }).into()
            };
            let name = tools.given(&name, namespace.as_deref());
            given.go_on(ConversationRole::Assistant, vec![ToolUseBlock::new(id, name, input).into()]);
        }
        "function_call_output" | "custom_tool_call_output" => {
            let id = object.need("call_id", "the id of the call")?.text()?;
            let output = read_content(object.need("output", "a text or a list of parts")?)?;
            let mut result = ToolResultBlock::new(id, Vec::new()).status(ToolResultStatus::Success);
            media::into_result(item, output, &mut result)?;
            given.say(ConversationRole::User, vec![result.into()]);
        }
        "reasoning" => given.go_on(ConversationRole::Assistant, Vec::from_iter(thought(&mut object)?)),
        _ => return Err(kind.unwrap_or(item).expected(ITEMS)),
    }
    Ok(())
}

/// Reads the content of a message, or the output of a tool: a text, or parts.
fn read_content(content: Json<'_>) -> Result<Vec<ContentBlock>, Fault> {
    if content.is_text() {
        return Ok(vec![content.text()?.into_owned().into()]);
    }
    if !content.is_list() {
        return Err(content.expected("a text or a list of parts"));
    }
    let mut blocks = Vec::new();
    for part in content.items()? {
        let mut object = part.object()?;
        let kind = object.need("type", PARTS)?;
        blocks.push(match &*kind.text()? {
            "input_text" | "output_text" | "text" => {
                object.need("text", "a text")?.text()?.into_owned().into()
            }
            "refusal" => object.need("refusal", "a text")?.text()?.into_owned().into(),
            "input_image" => media::of_url(object.need("image_url", "a data: URL")?, None)?,
            "input_file" => media::of_file_data(&mut object)?,
            _ => return Err(kind.expected(PARTS)),
        });
    }
    Ok(blocks)
}

/// A thought: its text is the summary, and `encrypted_content` is the signature, or the whole of an encrypted one.
fn thought(object: &mut Object<'_>) -> Result<Option<ContentBlock>, Fault> {
    let encrypted = object.take("encrypted_content");
    if let Some(encrypted) = encrypted
        && let Some(data) = encrypted.text()?.strip_prefix(REDACTED)
    {
        let data = media::bytes(encrypted, data)?;
        return Ok(Some(ReasoningContentBlock::RedactedContent(data).into()));
    }
    let mut text = String::new();
    for name in ["content", "summary"] {
        let parts = list(object, name)?;
        if text.is_empty() {
            for part in parts {
                text.push_str(&part.object()?.need("text", "a text")?.text()?);
            }
        }
    }
    if text.is_empty() && encrypted.is_none() {
        return Ok(None);
    }
    let mut thought = ReasoningTextBlock::new(text);
    thought.signature = encrypted.map(|signature| signature.text().map(String::from)).transpose()?;
    Ok(Some(ReasoningContentBlock::ReasoningText(thought).into()))
}

/// Writes the events of a response.
#[derive(Default)]
struct Responses {
    tools: Tools,
    names: ToolNames,
    events: Events,
    /// The members of the response that do not change, up to its output.
    head: Vec<u8>,
    /// The items that have ended, by their index in the output. One that has not is empty.
    items: Vec<Vec<u8>>,
    /// The items that have not ended, by the service's index.
    open: Vec<(u32, Open)>,
    stop: Option<StopReason>,
    usage: Option<TokenUsage>,
}

/// The events as they are numbered.
#[derive(Default)]
struct Events {
    /// The response's id, without a prefix.
    id: String,
    sequence: u64,
}

/// An item that has not ended.
struct Open {
    /// Its index in the output.
    at: usize,
    kind: Kind,
    /// The text so far, as the inside of a JSON string.
    text: Vec<u8>,
    /// What its deltas consist of before their number, and between that and their text: the same for each of them.
    deltas: [Vec<u8>; 2],
}

enum Kind {
    Message,
    /// With its signature.
    Thought(String),
    Redacted(Vec<u8>),
    /// What identifies the call, and how much of a custom tool's input has been shown.
    Call {
        call: Call,
        partial: Option<(Box<PartialArguments>, usize)>,
    },
    /// There is no form for it.
    Hidden,
}

/// A call as the client knows it.
struct Call {
    id: String,
    name: String,
    namespace: Option<String>,
}

impl Kind {
    /// The prefix of the item's id.
    fn prefix(&self) -> &'static str {
        match self {
            Self::Message => "msg",
            Self::Thought(_) | Self::Redacted(_) => "rs",
            Self::Call { partial: None, .. } => "fc",
            Self::Call { partial: Some(_), .. } => "ctc",
            Self::Hidden => "",
        }
    }
}

impl Open {
    fn write_id(&self, id: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(self.kind.prefix().as_bytes());
        out.push(b'_');
        escaped(out, id);
        out.push(b'_');
        whole(out, self.at as u64);
    }

    /// Writes the item, as it begins or as it is complete.
    fn write(&self, id: &str, complete: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":\"");
        self.write_id(id, out);
        let status = if complete { "completed" } else { "in_progress" };
        match &self.kind {
            Kind::Message => {
                for part in [
                    "\",\"type\":\"message\",\"status\":\"",
                    status,
                    "\",\"role\":\"assistant\",\"content\":[",
                ] {
                    out.extend_from_slice(part.as_bytes());
                }
                if complete {
                    self.write_part(out);
                }
                out.extend_from_slice(b"]");
            }
            Kind::Thought(signature) => {
                out.extend_from_slice(b"\",\"type\":\"reasoning\",\"summary\":[");
                if complete && !self.text.is_empty() {
                    self.write_part(out);
                }
                out.push(b']');
                if complete && !signature.is_empty() {
                    out.extend_from_slice(b",\"encrypted_content\":");
                    string(out, signature);
                }
            }
            Kind::Redacted(data) => {
                out.extend_from_slice(b"\",\"type\":\"reasoning\",\"summary\":[]");
                if complete {
                    out.extend_from_slice(b",\"encrypted_content\":\"");
                    out.extend_from_slice(REDACTED.as_bytes());
                    out.extend_from_slice(Blob::from(data.clone()).to_base64().as_bytes());
                    out.push(b'"');
                }
            }
            Kind::Call { call, partial } => {
                let (kind, member) = match partial {
                    Some(_) => ("custom_tool_call", "input"),
                    None => ("function_call", "arguments"),
                };
                for part in ["\",\"type\":\"", kind, "\",\"status\":\"", status, "\",\"call_id\":"] {
                    out.extend_from_slice(part.as_bytes());
                }
                string(out, &call.id);
                out.extend_from_slice(b",\"name\":");
                string(out, &call.name);
                if let Some(namespace) = &call.namespace {
                    out.extend_from_slice(b",\"namespace\":");
                    string(out, namespace);
                }
                for part in [",\"", member, "\":\""] {
                    out.extend_from_slice(part.as_bytes());
                }
                if complete {
                    out.extend_from_slice(&self.text);
                }
                out.push(b'"');
            }
            Kind::Hidden => {}
        }
        out.push(b'}');
    }

    /// Writes the one part of a message, or of the summary of a thought.
    fn write_part(&self, out: &mut Vec<u8>) {
        let (kind, rest) = match self.kind {
            Kind::Message => ("output_text", "\",\"annotations\":[],\"logprobs\":[]}"),
            _ => ("summary_text", "\"}"),
        };
        for part in ["{\"type\":\"", kind, "\",\"text\":\""] {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(&self.text);
        out.extend_from_slice(rest.as_bytes());
    }

    /// The names of the events of its part: what they begin with, and the index of the part.
    fn part_events(&self) -> (&'static str, &'static str, &'static str) {
        match self.kind {
            Kind::Message => ("response.content_part", "response.output_text", ",\"content_index\":0"),
            _ => {
                ("response.reasoning_summary_part", "response.reasoning_summary_text", ",\"summary_index\":0")
            }
        }
    }
}

impl Events {
    /// Begins an event.
    fn begin(&mut self, parts: [&str; 2], out: &mut Vec<u8>) {
        write_type(parts, out);
        self.write_number(out);
    }

    fn write_number(&mut self, out: &mut Vec<u8>) {
        whole(out, self.sequence);
        self.sequence += 1;
    }

    /// Begins an event of an item's part.
    fn begin_of_item(&mut self, parts: [&str; 2], open: &Open, index: &str, out: &mut Vec<u8>) {
        self.begin(parts, out);
        self.write_place(open, index, out);
    }

    /// Writes of which item an event is, and of which of its parts.
    fn write_place(&self, open: &Open, index: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"item_id\":\"");
        open.write_id(&self.id, out);
        out.extend_from_slice(b"\",\"output_index\":");
        whole(out, open.at as u64);
        out.extend_from_slice(index.as_bytes());
    }

    fn write_item(&mut self, what: &str, open: &Open, complete: bool, out: &mut Vec<u8>) {
        self.begin(["response.output_item.", what], out);
        out.extend_from_slice(b",\"output_index\":");
        whole(out, open.at as u64);
        out.extend_from_slice(b",\"item\":");
        open.write(&self.id, complete, out);
        end_event(out);
    }
}

impl Responses {
    fn open_mut(&mut self, index: u32) -> Option<&mut Open> {
        self.open.iter_mut().rev().find(|(open, _)| *open == index).map(|(_, open)| open)
    }

    /// Begins an item under the service's index.
    fn start(&mut self, index: u32, kind: Kind, out: &mut Vec<u8>) {
        self.end_block(index, out);
        let open = Open { at: self.items.len(), kind, text: Vec::new(), deltas: Default::default() };
        if !matches!(open.kind, Kind::Hidden) {
            self.items.push(Vec::new());
            self.events.write_item("added", &open, false, out);
        }
        self.open.push((index, open));
    }

    /// Writes a piece of an item's text.
    fn write_delta(&mut self, index: u32, name: &str, text: &str, out: &mut Vec<u8>) {
        let Some((_, open)) = self.open.iter_mut().rev().find(|(open, _)| *open == index) else { return };
        let mut number = "";
        if let Kind::Message | Kind::Thought(_) = open.kind {
            let part;
            (part, _, number) = open.part_events();
            if open.text.is_empty() {
                self.events.begin_of_item([part, ".added"], open, number, out);
                out.extend_from_slice(b",\"part\":");
                open.write_part(out);
                end_event(out);
            }
        }
        if open.deltas[0].is_empty() {
            let mut deltas = [Vec::new(), Vec::new()];
            write_type([name, ".delta"], &mut deltas[0]);
            self.events.write_place(open, number, &mut deltas[1]);
            deltas[1].extend_from_slice(b",\"delta\":\"");
            open.deltas = deltas;
        }
        let [begins, place] = &open.deltas;
        out.extend_from_slice(begins);
        self.events.write_number(out);
        out.extend_from_slice(place);
        let before = open.text.len();
        escaped(&mut open.text, text);
        out.extend_from_slice(open.text.get(before..).unwrap_or_default());
        out.push(b'"');
        if let Kind::Message = open.kind {
            out.extend_from_slice(b",\"logprobs\":[]");
        }
        end_event(out);
    }

    fn delta(&mut self, index: u32, delta: &ContentBlockDelta, out: &mut Vec<u8>) {
        match delta {
            ContentBlockDelta::Text(text) if !text.is_empty() => {
                if !matches!(self.open_mut(index), Some(Open { kind: Kind::Message, .. })) {
                    self.start(index, Kind::Message, out);
                }
                self.write_delta(index, "response.output_text", text, out);
            }
            ContentBlockDelta::ToolUse(delta) if !delta.input.is_empty() => {
                let Some(Open { kind: Kind::Call { partial, .. }, .. }) = self.open_mut(index) else {
                    return;
                };
                let Some((arguments, shown)) = partial else {
                    return self.write_delta(index, "response.function_call_arguments", &delta.input, out);
                };
                arguments.push(&delta.input);
                let input = arguments.value().get(INPUT).and_then(serde_json::Value::as_str);
                let more = input.and_then(|input| input.get(*shown..)).unwrap_or_default().to_owned();
                *shown += more.len();
                if !more.is_empty() {
                    self.write_delta(index, "response.custom_tool_call_input", &more, out);
                }
            }
            ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::RedactedContent(data)) => {
                if !matches!(self.open_mut(index), Some(Open { kind: Kind::Redacted(_), .. })) {
                    self.start(index, Kind::Redacted(Vec::new()), out);
                }
                if let Some(Open { kind: Kind::Redacted(gathered), .. }) = self.open_mut(index) {
                    gathered.extend_from_slice(&data.0);
                }
            }
            ContentBlockDelta::ReasoningContent(delta) => {
                if !matches!(self.open_mut(index), Some(Open { kind: Kind::Thought(_), .. })) {
                    self.start(index, Kind::Thought(String::new()), out);
                }
                let Some(Open { kind: Kind::Thought(signature), .. }) = self.open_mut(index) else { return };
                match delta {
                    ReasoningContentBlockDelta::Text(text) if !text.is_empty() => {
                        self.write_delta(index, "response.reasoning_summary_text", text, out);
                    }
                    ReasoningContentBlockDelta::Signature(more) => signature.push_str(more),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Ends the block of this index, if there is one.
    fn end_block(&mut self, index: u32, out: &mut Vec<u8>) {
        let Some(at) = self.open.iter().rposition(|(open, _)| *open == index) else { return };
        let (_, mut open) = self.open.remove(at);
        if let Kind::Call { partial: None, .. } = open.kind
            && open.text.trim_ascii().is_empty()
        {
            // The JSON of no arguments.
            open.text.extend_from_slice(b"{}");
        }
        let done = match &open.kind {
            Kind::Hidden => return,
            Kind::Redacted(_) => None,
            Kind::Thought(_) if open.text.is_empty() => None,
            Kind::Call { partial: None, .. } => Some(("response.function_call_arguments", "", "arguments")),
            Kind::Call { .. } => Some(("response.custom_tool_call_input", "", "input")),
            Kind::Message | Kind::Thought(_) => {
                let (_, text, number) = open.part_events();
                Some((text, number, "text"))
            }
        };
        if let Some((name, number, member)) = done {
            self.events.begin_of_item([name, ".done"], &open, number, out);
            for part in [",\"", member, "\":\""] {
                out.extend_from_slice(part.as_bytes());
            }
            out.extend_from_slice(&open.text);
            out.push(b'"');
            if let Kind::Message = open.kind {
                out.extend_from_slice(b",\"logprobs\":[]");
            }
            end_event(out);
            if member == "text" {
                let (part, _, number) = open.part_events();
                self.events.begin_of_item([part, ".done"], &open, number, out);
                out.extend_from_slice(b",\"part\":");
                open.write_part(out);
                end_event(out);
            }
        }
        self.events.write_item("done", &open, true, out);
        let mut item = Vec::new();
        open.write(&self.events.id, true, &mut item);
        if let Some(place) = self.items.get_mut(open.at) {
            *place = item;
        }
    }

    fn begin_response(&mut self, begin: Begin) {
        let head = &mut self.head;
        head.extend_from_slice(b"{\"id\":\"resp_");
        escaped(head, &begin.id);
        head.extend_from_slice(b"\",\"object\":\"response\",\"created_at\":");
        whole(head, begin.created);
        head.extend_from_slice(b",\"model\":");
        string(head, &begin.model);
        head.extend_from_slice(UNCHANGED);
        self.events.id = begin.id;
        self.names = begin.names;
    }

    /// Writes the response as it is now.
    fn write_response(&self, status: &str, error: Option<&Failure>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        for part in [",\"status\":\"", status, "\",\"incomplete_details\":"] {
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(match (status, &self.stop) {
            ("incomplete", Some(StopReason::MaxTokens | StopReason::ModelContextWindowExceeded)) => {
                b"{\"reason\":\"max_output_tokens\"}"
            }
            ("incomplete", _) => b"{\"reason\":\"content_filter\"}",
            _ => b"null",
        });
        out.extend_from_slice(b",\"error\":");
        match error {
            Some(failure) => {
                let code = failure.code.unwrap_or(match failure.openai {
                    "rate_limit_error" => "rate_limit_exceeded",
                    "invalid_request_error" => "invalid_prompt",
                    _ => "server_error",
                });
                out.extend_from_slice(b"{\"code\":");
                string(out, code);
                out.extend_from_slice(b",\"message\":");
                string(out, &failure.message);
                out.push(b'}');
            }
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"output\":[");
        let mut first = true;
        for item in self.items.iter().filter(|item| !item.is_empty()) {
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(item);
        }
        out.extend_from_slice(b"],\"usage\":");
        match &self.usage {
            Some(usage) => write_usage(usage, out),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
    }

    fn write_response_event(&mut self, what: &str, status: &str, error: Option<&Failure>, out: &mut Vec<u8>) {
        self.events.begin(["response.", what], out);
        out.extend_from_slice(b",\"response\":");
        self.write_response(status, error, out);
        end_event(out);
    }

    fn status(&self) -> &'static str {
        match &self.stop {
            Some(
                StopReason::MaxTokens
                | StopReason::ModelContextWindowExceeded
                | StopReason::GuardrailIntervened
                | StopReason::ContentFiltered,
            ) => "incomplete",
            Some(StopReason::Unknown(reason)) if reason == "refusal" => "incomplete",
            _ => "completed",
        }
    }

    /// A call, by the name under which it was sent.
    fn call(&self, id: &str, sent: &str) -> Kind {
        let name = self.names.given(sent.to_owned());
        let known = self.tools.known.get(&name);
        let custom = known.is_some_and(|known| known.custom);
        let namespace = known.and_then(|known| known.namespace.clone());
        let name = known.map_or(name, |known| known.own.clone());
        let partial = custom.then(|| (Box::new(PartialArguments::new()), 0));
        Kind::Call { call: Call { id: id.to_owned(), name, namespace }, partial }
    }
}

/// Begins an event, up to its number.
fn write_type([kind, rest]: [&str; 2], out: &mut Vec<u8>) {
    for part in ["event: ", kind, rest, "\ndata: {\"type\":\"", kind, rest, "\",\"sequence_number\":"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn end_event(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}\n\n");
}

fn write_usage(usage: &TokenUsage, out: &mut Vec<u8>) {
    let known = Option::unwrap_or_default;
    let (read, written) = (known(usage.cache_read_input_tokens), known(usage.cache_write_input_tokens));
    let input = all_input(usage);
    let output = known(usage.output_tokens);
    for (name, tokens) in [
        ("{\"input_tokens\":", input),
        (",\"input_tokens_details\":{\"cached_tokens\":", read),
        (",\"cache_write_tokens\":", written),
        ("},\"output_tokens\":", output),
        // How many of them are thoughts is not known.
        (",\"output_tokens_details\":{\"reasoning_tokens\":", 0),
        ("},\"total_tokens\":", input.saturating_add(output)),
    ] {
        out.extend_from_slice(name.as_bytes());
        whole(out, tokens);
    }
    out.push(b'}');
}

impl Encoder for Responses {
    fn begin(&mut self, begin: Begin, out: &mut Vec<u8>) {
        self.begin_response(begin);
        self.write_response_event("created", "in_progress", None, out);
        self.write_response_event("in_progress", "in_progress", None, out);
    }

    fn push(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::ContentBlockStart(event) => {
                let kind = match &event.start {
                    ContentBlockStart::ToolUse(start) if start.kind != Some(ToolUseType::ServerToolUse) => {
                        self.call(&start.tool_use_id, &start.name)
                    }
                    _ => Kind::Hidden,
                };
                self.start(event.content_block_index, kind, out);
            }
            Event::ContentBlockDelta(event) => self.delta(event.content_block_index, &event.delta, out),
            Event::ContentBlockStop(event) => self.end_block(event.content_block_index, out),
            Event::MessageStop(event) => {
                while let Some((index, _)) = self.open.first() {
                    self.end_block(*index, out);
                }
                self.stop.clone_from(&event.stop_reason);
            }
            Event::Metadata(event) => self.usage.clone_from(&event.usage),
            _ => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let status = self.status();
        self.write_response_event(status, status, None, out);
    }

    fn error(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        self.write_response_event("failed", "failed", Some(failure), out);
    }

    fn ping(&self) -> &'static [u8] {
        b": ping\n\n"
    }

    fn whole(&mut self, begin: Begin, response: ConverseResponse) -> Vec<u8> {
        self.begin_response(begin);
        for block in response.message().map(|message| message.content.as_slice()).unwrap_or_default() {
            let mut text = Vec::new();
            let kind = match block {
                ContentBlock::ReasoningContent(ReasoningContentBlock::ReasoningText(thought)) => {
                    escaped(&mut text, &thought.text);
                    Kind::Thought(thought.signature.clone().unwrap_or_default())
                }
                ContentBlock::ReasoningContent(ReasoningContentBlock::RedactedContent(data)) => {
                    Kind::Redacted(data.0.to_vec())
                }
                ContentBlock::ToolUse(call) if call.kind != Some(ToolUseType::ServerToolUse) => {
                    let mut kind = self.call(&call.tool_use_id, &call.name);
                    let arguments = arguments_of(&call.input);
                    if let Kind::Call { partial: Some((partial, _)), .. } = &mut kind {
                        partial.push(&arguments);
                        let input = partial.value().get(INPUT).and_then(serde_json::Value::as_str);
                        escaped(&mut text, input.unwrap_or_default());
                    } else {
                        escaped(&mut text, &arguments);
                    }
                    kind
                }
                block => {
                    escaped(&mut text, &Message::assistant(block.clone()).text());
                    if text.is_empty() {
                        continue;
                    }
                    Kind::Message
                }
            };
            let mut item = Vec::new();
            Open { at: self.items.len(), kind, text, deltas: Default::default() }.write(
                &self.events.id,
                true,
                &mut item,
            );
            self.items.push(item);
        }
        self.stop = response.stop_reason;
        self.usage = response.usage;
        let mut out = Vec::new();
        self.write_response(self.status(), None, &mut out);
        out
    }
}

/// What stands before an encrypted thought in `encrypted_content`; before a signature there is nothing.
const REDACTED: &str = "redacted:";
/// Members of a response that are the same in all.
const UNCHANGED: &[u8] = b",\"instructions\":null,\"max_output_tokens\":null,\"metadata\":{},\"parallel_tool_calls\":true,\
    \"previous_response_id\":null,\"store\":false,\"temperature\":null,\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":null";
/// Members that ask for something to be kept, and the value that does not.
const KEPT: [(&str, &str); 5] = [
    ("store", "false"),
    ("previous_response_id", "null"),
    ("conversation", "null"),
    ("background", "false"),
    ("prompt", "null"),
];
/// Members that change nothing that Bedrock knows of.
const PASSED_OVER: [&str; 8] = [
    "client_metadata",
    "include",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "stream_options",
    "truncation",
    "user",
];
const ITEMS: &str =
    "message, reasoning, function_call, function_call_output, custom_tool_call or custom_tool_call_output";
const PARTS: &str = "input_text, input_image, input_file or output_text";

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "reads best in tables of JSON")]
pub(crate) mod tests {
    use super::*;
    use crate::recorded::{self, Recorded, converse, events, refused, sent, streamed};
    use serde_json::{Value, json};

    /// A body of these members, with an input where there is none.
    fn body(members: Value) -> Value {
        let mut body = json!({"model": "m", "input": "hi"});
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

    fn turns(input: Value, tools: Value) -> Value {
        let (request, notes) = converse(read, &json!({"model": "m", "input": input, "tools": tools}));
        assert_eq!(notes, [""; 0]);
        request["messages"].clone()
    }

    #[test]
    fn parameters() {
        let spec =
            |name: &str, schema: Value| json!({"toolSpec": {"name": name, "inputSchema": {"json": schema}}});
        let any = json!({"type": "object", "properties": {}});
        let text =
            json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]});
        let function = |name: &str| json!({"type": "function", "name": name});
        for (members, sent) in [
            (json!({}), json!({})),
            (
                json!({"max_output_tokens": 5, "temperature": 0.5, "top_p": 0.25}),
                json!({"inferenceConfig": {"maxTokens": 5, "temperature": 0.5, "topP": 0.25}}),
            ),
            (json!({"instructions": "s"}), json!({"system": [{"text": "s"}]})),
            (
                json!({
                    "store": false, "previous_response_id": null, "background": false, "include": ["reasoning.encrypted_content"],
                    "client_metadata": {"a": "b"}, "user": "u", "truncation": "disabled", "parallel_tool_calls": true,
                    "reasoning": {"summary": "auto"}, "stream": false, "service_tier": "auto", "text": {"verbosity": "low"}
                }),
                json!({}),
            ),
            (json!({"metadata": {"a": "b"}}), json!({"requestMetadata": {"a": "b"}})),
            (
                json!({"text": {"format": {"type": "json_schema", "name": "n", "strict": true, "schema": {"type": "object"}}}}),
                json!({"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
                    "schema": "{\"type\":\"object\"}", "name": "n"
                }}}}}),
            ),
            (
                json!({"tools": [
                    {"type": "function", "name": "f", "description": "d", "parameters": any, "strict": false},
                    {"type": "custom", "name": "c", "description": "d", "format": {"type": "grammar", "syntax": "lark", "definition": "G"}},
                    {"type": "namespace", "name": "n", "description": "d", "tools": [function("f"), function("g")]}
                ], "tool_choice": "required"}),
                json!({"toolConfig": {"toolChoice": {"any": {}}, "tools": [
                    {"toolSpec": {"name": "f", "inputSchema": {"json": any}, "description": "d"}},
                    {"toolSpec": {"name": "c", "inputSchema": {"json": text},
                        "description": "d\n\nThe input follows this grammar:\nG"}},
                    spec("n.f", any.clone()), spec("g", any.clone())
                ]}}),
            ),
            (
                json!({"tools": [function("f"), {"type": "custom", "name": "c"}], "tool_choice": {"type": "custom", "name": "c"}}),
                json!({"toolConfig": {"toolChoice": {"tool": {"name": "c"}}, "tools": [spec("f", any.clone()), spec("c", text)]}}),
            ),
            (
                json!({"tools": [function("f"), function("g")], "tool_choice": {
                    "type": "allowed_tools", "mode": "auto", "tools": [function("g")]
                }}),
                json!({"toolConfig": {"toolChoice": {"auto": {}}, "tools": [spec("g", any.clone())]}}),
            ),
            (json!({"tools": [function("f")], "tool_choice": "none"}), json!({})),
        ] {
            assert_eq!(becomes(members.clone()), sent, "{members}");
        }
        let options =
            |members: Value| read(body(members).to_string().as_bytes()).unwrap_or_else(|_| panic!()).options;
        let asked = options(json!({"reasoning": {"effort": "high"}, "prompt_cache_key": "k"}));
        assert_eq!(asked.thinking, Some(pumice::conversation::ThinkingLevel::High));
        assert_eq!(asked.session.as_deref(), Some("k"));
        assert!(options(json!({"reasoning": {"effort": "none"}})).thinking_off);
    }

    #[test]
    fn items() {
        let user = |content: Value| json!({"role": "user", "content": content});
        let assistant = |content: Value| json!({"role": "assistant", "content": content});
        let call = |id: &str, name: &str, input: Value| json!({"toolUse": {"toolUseId": id, "name": name, "input": input}});
        let result = |id: &str, content: Value| json!({"toolResult": {"toolUseId": id, "content": content, "status": "success"}});
        let png = json!({"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="});
        let image = json!({"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}});
        let tools = json!([
            {"type": "function", "name": "f"}, {"type": "custom", "name": "c"},
            {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]}
        ]);
        let input = json!([
            {"role": "user", "content": "a"},
            {"type": "message", "id": "msg_1", "role": "user", "content": [
                {"type": "input_text", "text": "b"}, png,
                {"type": "input_file", "filename": "r.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}
            ]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "t"}], "content": null,
                "encrypted_content": "S"},
            {"type": "reasoning", "summary": [], "encrypted_content": "redacted:AAEC"},
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "u"}]},
            {"type": "reasoning", "summary": []},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "c", "annotations": []}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{\"a\": 1}"},
            {"type": "function_call", "call_id": "2", "name": "f", "namespace": "n", "arguments": ""},
            {"type": "custom_tool_call", "call_id": "3", "name": "c", "input": "x\ny"},
            {"type": "function_call_output", "call_id": "1", "output": "r"},
            {"type": "function_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "s"}, png]},
            {"type": "custom_tool_call_output", "call_id": "3", "output": "t"},
            {"role": "developer", "content": "now this"}
        ]);
        assert_eq!(
            turns(input, tools),
            json!([
                user(json!([{"text": "a"}])),
                user(json!([{"text": "b"}, image, {"document": {"name": "r.pdf", "source": {"bytes": "JVBERi0="}, "format": "pdf"}}])),
                assistant(json!([
                    {"reasoningContent": {"reasoningText": {"text": "t", "signature": "S"}}},
                    {"reasoningContent": {"redactedContent": "AAEC"}},
                    {"reasoningContent": {"reasoningText": {"text": "u"}}},
                    {"text": "c"}, call("1", "f", json!({"a": 1})), call("2", "n.f", json!({})),
                    call("3", "c", json!({"input": "x\ny"}))
                ])),
                user(json!([result("1", json!([{"text": "r"}]))])),
                user(json!([result("2", json!([{"text": "s"}, image]))])),
                user(json!([result("3", json!([{"text": "t"}]))])),
                {"role": "system", "content": [{"text": "now this"}]}
            ])
        );
        assert_eq!(turns(json!("a"), json!([])), json!([user(json!([{"text": "a"}]))]));
    }

    #[test]
    fn what_has_no_place_is_refused_by_name_or_dropped_with_a_note() {
        let item = |item: Value| json!({"input": [item]});
        for (members, expected) in [
            (
                json!({"store": true}),
                "store: expected none, because the gateway keeps nothing of a call, found true",
            ),
            (
                json!({"previous_response_id": "r"}),
                "previous_response_id: expected none, because the gateway keeps nothing of a call, found \"r\"",
            ),
            (json!({"input": null}), "input: expected a text or a list of items, found none"),
            (
                item(json!({"type": "item_reference", "id": "x"})),
                "input[0].type: expected message, reasoning, function_call, function_call_output, custom_tool_call or \
                 custom_tool_call_output, found \"item_reference\"",
            ),
            (
                item(
                    json!({"role": "user", "content": [{"type": "input_image", "image_url": "https://e.com/a"}]}),
                ),
                "input[0].content[0].image_url: expected a data: URL, because the gateway fetches nothing, found \
                 \"https://e.com/a\"",
            ),
            (
                item(json!({"role": "user", "content": [{"type": "input_file", "file_id": "f"}]})),
                "input[0].content[0].file_data: expected the file as a data: URL, found none",
            ),
            (
                item(json!({"type": "reasoning", "summary": [], "encrypted_content": "redacted:%"})),
                "input[0].encrypted_content: expected bytes in base64, found other characters",
            ),
            (
                item(json!({"type": "function_call", "name": "f"})),
                "input[0].call_id: expected the id of the call, found none",
            ),
        ] {
            assert_eq!(refused(read, &body(members.clone())), expected, "{members}");
        }
        let (_, notes) = converse(
            read,
            &body(json!({
                "tools": [{"type": "web_search", "external_web_access": false}], "tool_choice": {"type": "web_search"},
                "parallel_tool_calls": false, "top_logprobs": 2, "max_tool_calls": 0
            })),
        );
        assert_eq!(
            notes,
            [
                "tools[0].type: web_search not sent: Converse has no place for it",
                "tool_choice: not sent: Converse has no place for it",
                "parallel_tool_calls: not sent: Converse cannot keep a model from calling several tools at once",
                "top_logprobs: not sent: Converse has no place for it",
            ]
        );
    }

    #[test]
    #[ignore = "needs ../shared: recordings and vectors beside the project"]
    fn recorded_requests_of_codex() {
        for name in ["codex-responses-1", "codex-responses-2"] {
            let vector = support::shared::json(&format!("vectors/gateway/{name}.json"));
            let (request, notes) = recorded::prepared(read, &vector["body"]);
            assert_eq!(notes, ["tools[4].type: web_search not sent: Converse has no place for it"], "{name}");
            let names = request["toolConfig"]["tools"].as_array().unwrap();
            let names = names.iter().filter_map(|tool| tool["toolSpec"]["name"].as_str()).collect::<Vec<_>>();
            assert_eq!(
                names.get(..4),
                Some(&["exec_command", "write_stdin", "request_user_input", "close_agent"][..])
            );
            assert!(request["system"].as_array().unwrap().len() >= 3, "{name}");
            let turns = request["messages"].as_array().unwrap();
            if name == "codex-responses-2" {
                let thought = json!({"reasoningContent": {"reasoningText": {"text": "I will run it.", "signature": "ENCRYPTED=="}}});
                assert_eq!(turns[1]["content"][0], thought);
                assert_eq!(turns[1]["content"][1]["toolUse"]["input"], json!({"cmd": "echo tool-ran"}));
                assert_eq!(turns[2]["content"][0]["toolResult"]["toolUseId"], "call_1");
            } else {
                assert_eq!(turns.len(), 1, "{name}");
            }
        }
    }

    /// The last response of a stream. The events before it say the same, piece by piece.
    fn gathered(stream: &str) -> Value {
        let mut items = Vec::<Value>::new();
        let mut last = Value::Null;
        for (number, (kind, data)) in sent(stream).into_iter().enumerate() {
            let event = serde_json::from_str::<Value>(data).unwrap();
            let kind = kind.unwrap();
            assert_eq!(
                (event["type"].as_str(), event["sequence_number"].as_u64()),
                (Some(kind), Some(number as u64))
            );
            assert_eq!(kind == "response.created", number == 0, "{kind}");
            assert_eq!(kind == "response.in_progress", number == 1, "{kind}");
            let at = event["output_index"].as_u64().map_or(0, |at| usize::try_from(at).unwrap());
            if event["item_id"].is_string() {
                assert_eq!(event["item_id"], items[at]["id"]);
            }
            let piece = &event["delta"];
            // Of a message its content has the text, of a thought its summary.
            let parts = if kind.contains("summary") { "summary" } else { "content" };
            match kind {
                "response.output_item.added" => {
                    assert_eq!(at, items.len());
                    items.push(event["item"].clone());
                }
                "response.content_part.added" | "response.reasoning_summary_part.added" => {
                    items[at][parts].as_array_mut().unwrap().push(event["part"].clone());
                }
                "response.output_text.delta" | "response.reasoning_summary_text.delta" => {
                    let Value::String(text) = &mut items[at][parts][0]["text"] else { panic!("{event}") };
                    text.push_str(piece.as_str().unwrap());
                }
                "response.output_text.done" | "response.reasoning_summary_text.done" => {
                    assert_eq!(items[at][parts][0]["text"], event["text"]);
                }
                "response.content_part.done" | "response.reasoning_summary_part.done" => {
                    assert_eq!(items[at][parts][0], event["part"]);
                }
                "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                    let member = if kind.contains("custom") { "input" } else { "arguments" };
                    let Value::String(text) = &mut items[at][member] else { panic!("{event}") };
                    text.push_str(piece.as_str().unwrap());
                }
                "response.function_call_arguments.done" => {
                    if items[at]["arguments"] == "" {
                        items[at]["arguments"] = "{}".into();
                    }
                    assert_eq!(items[at]["arguments"], event["arguments"]);
                }
                "response.custom_tool_call_input.done" => assert_eq!(items[at]["input"], event["input"]),
                "response.output_item.done" => {
                    if items[at].get("status").is_some() {
                        items[at]["status"] = "completed".into();
                    }
                    if let Some(encrypted) = event["item"].get("encrypted_content") {
                        items[at]["encrypted_content"] = encrypted.clone();
                    }
                    assert_eq!(items[at], event["item"]);
                }
                _ => last = event["response"].clone(),
            }
        }
        assert_eq!(last["output"], Value::Array(items));
        last
    }

    pub(crate) fn served(recorded: &Recorded) {
        let name = &recorded.name;
        let streamed = gathered(&streamed(&mut Responses::default(), &recorded.events));
        let whole = Responses::default().whole(recorded::begin(), recorded.response.clone());
        let whole = serde_json::from_slice::<Value>(&whole).unwrap();
        assert_eq!(streamed, whole, "{name}");
        let (request, _) = converse(read, &json!({"model": "m", "input": streamed["output"]}));
        let mut said = recorded::said(&recorded.response);
        // Sources of a text have no form here.
        said.content.retain_mut(|block| {
            if let ContentBlock::CitationsContent(_) = block {
                *block = ContentBlock::Text(Message::assistant(block.clone()).text());
            }
            block.as_text() != Some("")
        });
        assert_eq!(request["messages"][0], serde_json::to_value(said).unwrap(), "{name}");
        if let Some(usage) = &recorded.response.usage {
            let all = [usage.input_tokens, usage.cache_read_input_tokens, usage.cache_write_input_tokens];
            assert_eq!(streamed["usage"]["input_tokens"], all.into_iter().flatten().sum::<u64>(), "{name}");
            assert_eq!(streamed["usage"]["output_tokens"], usage.output_tokens.unwrap_or_default(), "{name}");
        }
    }

    #[test]
    fn tools_are_called_as_the_client_knows_them() {
        let request = body(json!({"tools": [
            {"type": "function", "name": "f"}, {"type": "custom", "name": "c"},
            {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}, {"type": "function", "name": "g"}]}
        ]}));
        let encoder = || read(request.to_string().as_bytes()).unwrap_or_else(|_| panic!()).encoder;
        let start = |index: u32, id: &str, name: &str| json!({"contentBlockStart": {"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": id, "name": name}}}});
        let input = |index: u32, input: &str| json!({"contentBlockDelta": {"contentBlockIndex": index, "delta": {"toolUse": {"input": input}}}});
        let list = events(&json!([
            start(0, "1", "n.f"), input(0, "{}"), start(1, "2", "c"), input(1, "{\"inp"), input(1, "ut\": \"a\\"),
            input(1, "nb\""), input(1, "}"), start(2, "3", "g"), start(3, "4", "f"),
            {"messageStop": {"stopReason": "tool_use"}}
        ]));
        let stream = streamed(&mut *encoder(), &list);
        let pieces = sent(&stream)
            .into_iter()
            .filter(|(kind, _)| *kind == Some("response.custom_tool_call_input.delta"));
        let pieces = pieces.map(|(_, data)| serde_json::from_str::<Value>(data).unwrap()["delta"].clone());
        assert_eq!(pieces.collect::<Vec<_>>(), ["a", "\nb"]);
        let streamed = gathered(&stream);
        let call = |number: u32, name: &str| {
            json!({
                "id": format!("fc_0-1_{number}"), "type": "function_call", "status": "completed",
                "call_id": (number + 1).to_string(), "name": name, "arguments": "{}"
            })
        };
        let mut expected = [call(0, "f"), call(1, ""), call(2, "g"), call(3, "f")];
        expected[0]["namespace"] = "n".into();
        expected[2]["namespace"] = "n".into();
        expected[1] = json!({"id": "ctc_0-1_1", "type": "custom_tool_call", "status": "completed", "call_id": "2",
            "name": "c", "input": "a\nb"});
        assert_eq!(streamed["output"], json!(expected));
        let mut reply = pumice::reply::ReplyBuilder::new();
        for event in list {
            reply.push(event);
        }
        let whole =
            serde_json::from_slice::<Value>(&encoder().whole(recorded::begin(), reply.finish())).unwrap();
        assert_eq!(whole["output"], json!(expected));
    }

    #[test]
    fn a_stream_has_openais_events() {
        let list = events(&json!([
            {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "S"}}}},
            {"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "T"}}}},
            {"contentBlockStop": {"contentBlockIndex": 0}},
            {"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "a\n"}}},
            {"contentBlockStop": {"contentBlockIndex": 1}},
            {"messageStop": {"stopReason": "max_tokens"}},
            {"metadata": {"usage": {"inputTokens": 1, "outputTokens": 2, "cacheReadInputTokens": 3, "cacheWriteInputTokens": 4}}}
        ]));
        let stream = streamed(&mut Responses::default(), &list);
        let kinds = sent(&stream).into_iter().map(|(kind, _)| kind.unwrap()).collect::<Vec<_>>();
        assert_eq!(
            kinds,
            [
                "response.created",
                "response.in_progress",
                "response.output_item.added",
                "response.output_item.done",
                "response.output_item.added",
                "response.content_part.added",
                "response.output_text.delta",
                "response.output_text.done",
                "response.content_part.done",
                "response.output_item.done",
                "response.incomplete"
            ]
        );
        let response = gathered(&stream);
        assert_eq!(response["id"], "resp_0-1");
        assert_eq!(response["created_at"], 1_767_323_045);
        assert_eq!(response["status"], "incomplete");
        assert_eq!(response["incomplete_details"], json!({"reason": "max_output_tokens"}));
        assert_eq!(
            response["usage"],
            json!({
                "input_tokens": 8, "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 4},
                "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 10
            })
        );
        assert_eq!(
            response["output"],
            json!([
                {"id": "rs_0-1_0", "type": "reasoning", "summary": [], "encrypted_content": "ST"},
                {"id": "msg_0-1_1", "type": "message", "status": "completed", "role": "assistant", "content": [
                    {"type": "output_text", "text": "a\n", "annotations": [], "logprobs": []}
                ]}
            ])
        );
    }

    #[test]
    fn a_response_ends_as_it_was_stopped() {
        for (reason, status, why) in [
            ("end_turn", "completed", Value::Null),
            ("tool_use", "completed", Value::Null),
            ("stop_sequence", "completed", Value::Null),
            ("max_tokens", "incomplete", json!("max_output_tokens")),
            ("model_context_window_exceeded", "incomplete", json!("max_output_tokens")),
            ("guardrail_intervened", "incomplete", json!("content_filter")),
            ("content_filtered", "incomplete", json!("content_filter")),
            ("refusal", "incomplete", json!("content_filter")),
        ] {
            let stop = events(&json!([{"messageStop": {"stopReason": reason}}]));
            let response = gathered(&streamed(&mut Responses::default(), &stop));
            assert_eq!(
                (response["status"].as_str(), &response["incomplete_details"]["reason"]),
                (Some(status), &why)
            );
        }
    }

    #[test]
    fn a_failure_is_a_response_that_failed() {
        let mut out = Vec::new();
        let mut encoder = Responses::default();
        encoder.begin(recorded::begin(), &mut out);
        for event in events(&json!([{"contentBlockDelta": {"contentBlockIndex": 1, "delta": {"text": "a"}}}]))
        {
            encoder.push(&event, &mut out);
        }
        let mut failure = Failure::new(http::StatusCode::TOO_MANY_REQUESTS, "slow \"down\"");
        encoder.error(&failure, &mut out);
        let stream = String::from_utf8(out).unwrap();
        let events = sent(&stream);
        let (kind, data) = events.last().unwrap();
        assert_eq!(*kind, Some("response.failed"));
        let response = &serde_json::from_str::<Value>(data).unwrap()["response"];
        assert_eq!(response["status"], "failed");
        assert_eq!(response["error"], json!({"code": "rate_limit_exceeded", "message": "slow \"down\""}));
        assert_eq!(response["output"], json!([]), "an item that did not end is none");

        failure.code = Some("context_length_exceeded");
        let mut out = Vec::new();
        Responses::default().error(&failure, &mut out);
        assert!(String::from_utf8(out).unwrap().contains("context_length_exceeded"));
    }
}
