//! The events of a response as those of Anthropic's Messages.

use pumice::Event;
use pumice::conversation::ToolNames;
use pumice::converse::{
    CitationGeneratedContent, CitationSourceContent, ContentBlock, ContentBlockDelta, ContentBlockStart,
    ConverseResponse, ReasoningContentBlock, ReasoningContentBlockDelta, StopReason, TokenUsage, ToolUseType,
};
use pumice::shape::{Blob, Document};

use super::citation;
use crate::dialect::{Begin, Encoder, end_event};
use crate::failure::Failure;
use crate::json::{escaped, string, whole};
use crate::usage::write_counts;

/// Writes the events of a response.
#[derive(Default)]
pub(super) struct Messages {
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
                if citation::write(title, source, &passages, citation.location.as_ref(), &mut written)
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
    write_counts(
        &[
            ("\"usage\":{\"input_tokens\":", of(|usage| usage.input_tokens)),
            (",\"cache_creation_input_tokens\":", of(|usage| usage.cache_write_input_tokens)),
            (",\"cache_read_input_tokens\":", of(|usage| usage.cache_read_input_tokens)),
            (",\"output_tokens\":", of(|usage| usage.output_tokens)),
        ],
        out,
    );
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
                if citation::write(
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

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "reads best in tables of JSON")]
pub(crate) mod tests {
    use super::super::read;
    use super::*;
    use crate::recorded::{self, Recorded, converse, events, sent, streamed};
    use serde_json::{Value, json};

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
        let streamed = recorded::both_ways::<Messages>(recorded, gathered);
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
        let cited = |content: Value| {
            let turn = json!({"role": "assistant", "content": content});
            let (request, notes) = converse(read, &json!({"model": "m", "messages": [turn]}));
            assert_eq!(notes, [""; 0]);
            request["messages"][0]["content"].clone()
        };
        let sent = cited(given.clone());
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
        assert_eq!(cited(unknown), json!([{"text": "a"}]));
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
            let response = recorded::stopped::<Messages>(reason, gathered);
            assert_eq!(response["stop_reason"], expected, "{reason}");
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
