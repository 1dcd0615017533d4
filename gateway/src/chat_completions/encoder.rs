//! The events of a response as the chunks of OpenAI's Chat Completions.

use pumice::Event;
use pumice::conversation::ToolNames;
use pumice::converse::{
    ContentBlock, ContentBlockDelta, ContentBlockStart, ConverseResponse, ReasoningContentBlock,
    ReasoningContentBlockDelta, StopReason, TokenUsage, ToolUseType,
};
use pumice::shape::Blob;

use crate::dialect::{Begin, Encoder};
use crate::failure::Failure;
use crate::given::arguments_of;
use crate::json::{escaped, string, whole};
use crate::usage::{all_input, write_counts};

/// Writes the chunks of a response.
#[derive(Default)]
pub(super) struct Chat {
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
    pub(super) fn new(include_usage: bool, legacy: bool) -> Self {
        Self { include_usage, legacy, ..Self::default() }
    }

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
    write_counts(
        &[
            ("\"usage\":{\"prompt_tokens\":", prompt),
            (",\"completion_tokens\":", completion),
            (",\"total_tokens\":", prompt.saturating_add(completion)),
            (",\"prompt_tokens_details\":{\"cached_tokens\":", read),
            (",\"cache_write_tokens\":", written),
        ],
        out,
    );
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

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "reads best in tables of JSON")]
pub(crate) mod tests {
    use super::super::read;
    use super::super::tests::body;
    use super::*;
    use crate::dialect::Translated;
    use crate::recorded::{self, Recorded, converse, events, sent, streamed};
    use pumice::converse::{ConversationRole, Message};
    use serde_json::{Value, json};

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
            let response = recorded::stopped::<Chat>(reason, gathered);
            assert_eq!(response["finish_reason"], expected, "{reason}");
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
