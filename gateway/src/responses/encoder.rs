//! The events of a response as those of OpenAI's Responses.

use pumice::Event;
use pumice::conversation::{PartialArguments, ToolNames};
use pumice::converse::{
    ContentBlock, ContentBlockDelta, ContentBlockStart, ConverseResponse, Message, ReasoningContentBlock,
    ReasoningContentBlockDelta, StopReason, TokenUsage, ToolUseType,
};
use pumice::shape::Blob;

use super::tools::Tools;
use crate::dialect::{Begin, Encoder, end_event};
use crate::failure::Failure;
use crate::given::{INPUT, arguments_of};
use crate::json::{escaped, string, whole};
use crate::usage::{all_input, write_counts};

/// Writes the events of a response.
#[derive(Default)]
pub(super) struct Responses {
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
    pub(super) fn new(tools: Tools) -> Self {
        Self { tools, ..Self::default() }
    }

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

fn write_usage(usage: &TokenUsage, out: &mut Vec<u8>) {
    let known = Option::unwrap_or_default;
    let (read, written) = (known(usage.cache_read_input_tokens), known(usage.cache_write_input_tokens));
    let input = all_input(usage);
    let output = known(usage.output_tokens);
    write_counts(
        &[
            ("{\"input_tokens\":", input),
            (",\"input_tokens_details\":{\"cached_tokens\":", read),
            (",\"cache_write_tokens\":", written),
            ("},\"output_tokens\":", output),
            // How many of them are thoughts is not known.
            (",\"output_tokens_details\":{\"reasoning_tokens\":", 0),
            ("},\"total_tokens\":", input.saturating_add(output)),
        ],
        out,
    );
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

/// Members of a response that are the same in all.
const UNCHANGED: &[u8] = b",\"instructions\":null,\"max_output_tokens\":null,\"metadata\":{},\"parallel_tool_calls\":true,\
    \"previous_response_id\":null,\"store\":false,\"temperature\":null,\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":null";

/// What stands before an encrypted thought in `encrypted_content`; before a signature there is nothing.
pub(super) const REDACTED: &str = "redacted:";

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "reads best in tables of JSON")]
pub(crate) mod tests {
    use super::super::read;
    use super::super::tests::body;
    use super::*;
    use crate::recorded::{self, Recorded, converse, events, sent, streamed};
    use serde_json::{Value, json};

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
        let streamed = recorded::both_ways::<Responses>(recorded, gathered);
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
            let response = recorded::stopped::<Responses>(reason, gathered);
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
