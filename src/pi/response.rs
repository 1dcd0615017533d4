//! Events of ConverseStream, folded into pi-ai's events and its message.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::content::{Content, Contents, TextContent, ThinkingContent, ToolCall};
use super::event::AssistantEvent;
use super::failure::{diagnostic, failure_diagnostic, text};
use super::input::Model;
use super::message::{AssistantMessage, Diagnostic, DiagnosticDetails, StopReason, Usage};
use super::other::OtherBlocks;
use super::{API, PROVIDER};
use crate::Event;
use crate::conversation::{PartialArguments, Target, ToolNames, net_of_cache, parse_arguments};
use crate::converse::{
    Citation, ContentBlockDelta, ConversationRole, ConverseStreamMetadataEvent, ReasoningContentBlockDelta,
    StopReason as RawStopReason, TokenUsage, ToolUseBlockStart,
};
use crate::models::{Cost, catalog};
use crate::shape::{Blob, Document};
use crate::{Error, ErrorKind, Result};
use pumice_codec::internal::shortened;

/// Folds the events of a response into pi-ai's events and message, in time linear in their length.
///
/// [`push`](Self::push) takes them one by one; [`finish`](Self::finish), [`fail`](Self::fail) or
/// [`abort`](Self::abort) gives the last event.
///
/// ```
/// use std::collections::VecDeque;
/// use std::time::SystemTime;
///
/// use pumice::Event;
/// use pumice::conversation::ToolNames;
/// use pumice::converse::{ContentBlockDeltaEvent, MessageStopEvent, StopReason};
/// use pumice::pi::{AssistantEvent, Model, ResponseBuilder};
///
/// let mut builder = ResponseBuilder::new(&Model::new("m"), ToolNames::default(), SystemTime::now());
/// let mut events = VecDeque::new();
/// let delta = r#"{"contentBlockIndex": 0, "delta": {"text": "Hi"}}"#;
/// let delta: ContentBlockDeltaEvent = serde_json::from_str(delta)?;
/// builder.push(Event::ContentBlockDelta(delta), &mut events)?;
/// assert_eq!(events[1], AssistantEvent::TextDelta { content_index: 0, delta: "Hi".into() });
/// builder.push(Event::MessageStop(MessageStopEvent::new().stop_reason(StopReason::EndTurn)), &mut events)?;
/// let AssistantEvent::Done { message } = builder.finish() else { panic!() };
/// assert_eq!(message.text(), "Hi");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ResponseBuilder {
    message: AssistantMessage,
    /// In the order in which they began.
    blocks: Vec<Block>,
    others: OtherBlocks,
    /// The index in `blocks` of each block, by the service's index; `None` for one that has ended.
    open: BTreeMap<u32, Option<usize>>,
    names: ToolNames,
    cost: Option<Cost>,
    cached_in_input: bool,
    request_id: Option<String>,
    /// In milliseconds since 1970.
    called_at: u64,
    begun: bool,
    /// Whether text, thoughts and arguments are accumulated.
    accumulates: bool,
    stop: Option<RawStopReason>,
}

/// A block as far as it has arrived.
#[derive(Debug, Clone)]
enum Block {
    Text {
        text: String,
        citations: Vec<Citation>,
    },
    Thinking {
        text: String,
        signature: Option<String>,
        /// What the provider encrypted.
        redacted: Option<Vec<u8>>,
    },
    ToolCall {
        start: Box<ToolUseBlockStart>,
        json: String,
        partial: Box<PartialArguments>,
        /// Once the block has ended.
        complete: Option<Box<ToolCall>>,
    },
}

impl ResponseBuilder {
    /// For the response to a call that is made now, with the [names](crate::conversation::Prepared::tool_names) of its
    /// tools.
    pub fn new(model: &Model, tool_names: ToolNames, now: SystemTime) -> Self {
        Self { names: tool_names, ..Self::unprepared(model, now) }
    }

    /// For a call that could not be made.
    pub fn unprepared(model: &Model, now: SystemTime) -> Self {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let called_at = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let message = AssistantMessage::new()
            .api(model.api.as_deref().unwrap_or(API))
            .provider(model.provider.as_deref().unwrap_or(PROVIDER))
            .model(model.id.as_str())
            .usage(Usage::of(&TokenUsage::default(), None))
            .timestamp(called_at);
        Self {
            message,
            blocks: Vec::new(),
            others: OtherBlocks::default(),
            open: BTreeMap::new(),
            names: ToolNames::default(),
            cost: model.cost.clone(),
            cached_in_input: false,
            request_id: None,
            called_at,
            begun: false,
            accumulates: true,
            stop: None,
        }
    }

    /// With what is known once the call is [prepared](crate::conversation::Prepared): the names of the tools, the
    /// prices of the model that was looked up, and how it counts tokens.
    pub(super) fn called(mut self, target: &Target, tool_names: ToolNames, cached_in_input: bool) -> Self {
        self.names = tool_names;
        self.cost = self.cost.or_else(|| target.info.cost.clone());
        self.cached_in_input = cached_in_input;
        self
    }

    /// Does not accumulate text, thoughts or arguments, however long the response is. The events that end a block and
    /// the last one have the blocks without them.
    pub fn without_content(mut self) -> Self {
        self.accumulates = false;
        self
    }

    /// The service's id of the request.
    pub fn request_id(mut self, request_id: Option<&str>) -> Self {
        self.request_id = request_id.map(str::to_owned);
        self
    }

    /// Takes the next event, and appends to `events` what follows from it. Fails when a message begins that is not
    /// the model's.
    pub fn push(&mut self, event: Event, events: &mut VecDeque<AssistantEvent>) -> Result<()> {
        match event {
            Event::MessageStart(event) => {
                if let Some(role) = event.role.filter(|role| *role != ConversationRole::Assistant) {
                    let message =
                        format!("Unexpected assistant message start but got {role} message start instead");
                    return Err(Error::new(ErrorKind::Damaged, message));
                }
                self.begun = true;
                events.push_back(AssistantEvent::Start);
            }
            Event::ContentBlockStart(event) => {
                let index = event.content_block_index;
                if let Some(start) = self.others.begin(index, self.blocks.len(), event.start) {
                    let block = Block::ToolCall {
                        start: Box::new(start),
                        json: String::new(),
                        partial: Box::default(),
                        complete: None,
                    };
                    let content_index = self.begin(index, block);
                    events.push_back(AssistantEvent::ToolCallStart { content_index });
                }
            }
            Event::ContentBlockDelta(event) => {
                self.begun = true;
                match event.delta {
                    ContentBlockDelta::Text(delta) => {
                        self.add_text(event.content_block_index, delta, events);
                    }
                    ContentBlockDelta::ReasoningContent(delta) => {
                        self.add_thinking(event.content_block_index, delta, events);
                    }
                    ContentBlockDelta::ToolUse(delta)
                        if self.open.contains_key(&event.content_block_index) =>
                    {
                        self.add_arguments(event.content_block_index, delta.input, events);
                    }
                    delta if self.accumulates => self.add_other(event.content_block_index, delta),
                    _ => {}
                }
            }
            Event::ContentBlockStop(event) => {
                // A block ends once: a second stop would repeat all of it. A delta under this index begins another.
                if let Some(content_index) =
                    self.open.get_mut(&event.content_block_index).and_then(Option::take)
                {
                    events.extend(self.end(content_index));
                }
            }
            Event::MessageStop(event) => {
                self.stop = event.stop_reason;
                if let Some(fields) = event.additional_model_response_fields {
                    self.message.other.insert("additionalModelResponseFields", fields);
                }
            }
            Event::Metadata(event) => {
                if let Some(counted) = &event.usage {
                    self.message.usage = Some(self.usage(counted, &event));
                }
                if let Some(trace) = event.trace {
                    self.message.other.insert("trace", trace);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The tokens that the service counted, at the prices of the model and of the tier that served it.
    fn usage(&self, counted: &TokenUsage, event: &ConverseStreamMetadataEvent) -> Usage {
        let mut counted = counted.clone();
        if self.cached_in_input {
            net_of_cache(&mut counted);
        }
        let tier = event.service_tier.as_ref().map(|tier| tier.kind.as_str());
        // A prompt router says which model it chose.
        let chosen = event.trace.as_ref().and_then(|trace| trace.read::<Value>().ok());
        let chosen =
            chosen.as_ref().and_then(|trace| trace.pointer("/promptRouter/invokedModelId")?.as_str());
        let chosen = chosen.and_then(|id| catalog::find(id)?.info.cost.clone());
        let cost = self.cost.clone().or(chosen);
        Usage::of(&counted, cost.map(|cost| cost.of_service_tier(tier)).as_ref())
    }

    /// The arguments of a tool call as far as they have arrived, by the index of the block in the message's content.
    pub fn arguments(&self, content_index: usize) -> Option<&Value> {
        match self.blocks.get(content_index)? {
            Block::ToolCall { partial, .. } => Some(partial.value()),
            _ => None,
        }
    }

    /// A copy of the message as far as it has arrived.
    pub fn message(&self) -> AssistantMessage {
        let content = self.blocks.iter().map(|block| block.so_far(&self.names));
        let mut message = self.message.clone().content(content.collect::<Vec<_>>());
        message.other_content = self.others.clone().finish();
        message
    }

    /// The last event of a response that has ended.
    pub fn finish(mut self) -> AssistantEvent {
        let Some(raw) = self.stop.take() else {
            return self.fail_with("Bedrock stream ended without a stop reason");
        };
        let reason = match &raw {
            RawStopReason::EndTurn | RawStopReason::StopSequence => StopReason::Stop,
            RawStopReason::MaxTokens | RawStopReason::ModelContextWindowExceeded => StopReason::Length,
            RawStopReason::ToolUse => StopReason::ToolUse,
            _ => StopReason::Error,
        };
        self.message.raw_stop_reason = Some(raw.to_string());
        if reason == StopReason::Error {
            let raw = shortened(raw.to_string(), LONGEST_REASON);
            return self.fail_with(&format!("Provider stopped with: {raw}"));
        }
        AssistantEvent::Done { message: Box::new(self.end_with(reason)) }
    }

    /// The last event of a response that failed.
    pub fn fail(self, error: &Error) -> AssistantEvent {
        let message = text(error, self.begun);
        let diagnostic = diagnostic(error, self.called_at);
        self.error(StopReason::Error, message, diagnostic)
    }

    /// The last event of a response that failed with something else than an [`Error`].
    pub fn fail_with(self, message: &str) -> AssistantEvent {
        let mut details = DiagnosticDetails::new();
        details.request_id.clone_from(&self.request_id);
        let diagnostic = self.request_id.is_some().then(|| failure_diagnostic(details, self.called_at));
        self.error(StopReason::Error, message.to_owned(), diagnostic)
    }

    /// The last event of a response that the caller ends.
    pub fn abort(self) -> AssistantEvent {
        let message = if self.begun { "Request was aborted" } else { "Request aborted" };
        self.error(StopReason::Aborted, message.to_owned(), None)
    }

    fn error(self, reason: StopReason, message: String, diagnostic: Option<Diagnostic>) -> AssistantEvent {
        let mut error = self.end_with(reason).error_message(message);
        error.diagnostics = diagnostic.map(|diagnostic| vec![diagnostic]);
        AssistantEvent::Error { error: Box::new(error) }
    }

    fn end_with(self, reason: StopReason) -> AssistantMessage {
        let Self { mut message, blocks, others, names, .. } = self;
        message.other_content = others.finish();
        let content = blocks.into_iter().map(|block| block.finish(&names)).collect();
        message.content(Contents(content)).stop_reason(reason)
    }

    /// Adds a block under the service's index.
    fn begin(&mut self, index: u32, block: Block) -> usize {
        self.begun = true;
        let content_index = self.blocks.len();
        self.blocks.push(block);
        self.open.insert(index, Some(content_index));
        content_index
    }

    /// A delta of another kind than its block is ignored.
    fn add_text(&mut self, index: u32, delta: String, events: &mut VecDeque<AssistantEvent>) {
        let content_index = self.open.get(&index).copied().flatten().unwrap_or_else(|| {
            let block = Block::Text { text: String::new(), citations: self.others.take_citations(index) };
            let content_index = self.begin(index, block);
            events.push_back(AssistantEvent::TextStart { content_index });
            content_index
        });
        if let Some(Block::Text { text, .. }) = self.blocks.get_mut(content_index) {
            if self.accumulates {
                text.push_str(&delta);
            }
            events.push_back(AssistantEvent::TextDelta { content_index, delta });
        }
    }

    fn add_thinking(
        &mut self,
        index: u32,
        delta: ReasoningContentBlockDelta,
        events: &mut VecDeque<AssistantEvent>,
    ) {
        let content_index = self.open.get(&index).copied().flatten().unwrap_or_else(|| {
            let block = Block::Thinking { text: String::new(), signature: None, redacted: None };
            let content_index = self.begin(index, block);
            events.push_back(AssistantEvent::ThinkingStart { content_index });
            content_index
        });
        let Some(Block::Thinking { text, signature, redacted }) = self.blocks.get_mut(content_index) else {
            return;
        };
        let delta = match delta {
            ReasoningContentBlockDelta::Text(delta) => delta,
            ReasoningContentBlockDelta::Signature(_) if !self.accumulates => return,
            ReasoningContentBlockDelta::Signature(more) => {
                signature.get_or_insert_default().push_str(&more);
                return;
            }
            ReasoningContentBlockDelta::RedactedContent(more) => {
                let first = redacted.is_none();
                let gathered = redacted.get_or_insert_default();
                if self.accumulates {
                    gathered.extend_from_slice(&more.0);
                }
                if !first {
                    return;
                }
                REDACTED.to_owned()
            }
            _ => return,
        };
        if self.accumulates {
            text.push_str(&delta);
        }
        events.push_back(AssistantEvent::ThinkingDelta { content_index, delta });
    }

    fn add_arguments(&mut self, index: u32, delta: String, events: &mut VecDeque<AssistantEvent>) {
        let Some(content_index) = self.open.get(&index).copied().flatten() else { return };
        if let Some(Block::ToolCall { json, partial, .. }) = self.blocks.get_mut(content_index) {
            if self.accumulates {
                json.push_str(&delta);
                partial.push(&delta);
            }
            events.push_back(AssistantEvent::ToolCallDelta { content_index, delta });
        }
    }

    /// Adds a piece that pi-ai has no form for. A citation belongs to the text of its block.
    fn add_other(&mut self, index: u32, delta: ContentBlockDelta) {
        let open = self.open.get(&index).copied().flatten();
        match (delta, open.and_then(|content_index| self.blocks.get_mut(content_index))) {
            (ContentBlockDelta::Citation(citation), Some(Block::Text { citations, .. })) => {
                citations.push((*citation).into());
            }
            (delta, None) => self.others.add(index, self.blocks.len(), delta),
            _ => {}
        }
    }

    fn end(&mut self, content_index: usize) -> Option<AssistantEvent> {
        Some(match self.blocks.get_mut(content_index)? {
            Block::Text { text, .. } => AssistantEvent::TextEnd { content_index, content: text.clone() },
            Block::Thinking { text, .. } => {
                AssistantEvent::ThinkingEnd { content_index, content: text.clone() }
            }
            Block::ToolCall { start, json, complete, .. } => {
                let tool_call = Box::new(tool_call(start, json, &self.names));
                *complete = Some(tool_call.clone());
                AssistantEvent::ToolCallEnd { content_index, tool_call }
            }
        })
    }
}

impl Block {
    fn so_far(&self, names: &ToolNames) -> Content {
        match self {
            Self::ToolCall { start, partial, complete: None, .. } => {
                let name = names.given(start.name.clone());
                ToolCall::new(start.tool_use_id.as_str(), name).arguments(partial.value().clone()).into()
            }
            block => block.clone().finish(names),
        }
    }

    fn finish(self, names: &ToolNames) -> Content {
        match self {
            Self::Text { text, citations } => {
                let mut block = TextContent::new(text);
                let citations = citations.iter().filter_map(|citation| Document::write(citation).ok());
                block.citations =
                    Some(citations.collect::<Vec<_>>()).filter(|citations| !citations.is_empty());
                block.into()
            }
            Self::Thinking { text, signature, redacted } => {
                let mut thinking = ThinkingContent::new(text);
                thinking.thinking_signature = signature;
                if let Some(redacted) = redacted {
                    thinking.redacted = Some(true);
                    thinking.thinking_signature = Some(Blob::from(redacted).to_base64());
                }
                thinking.into()
            }
            Self::ToolCall { complete: Some(call), .. } => (*call).into(),
            Self::ToolCall { start, json, .. } => tool_call(&start, &json, names).into(),
        }
    }
}

/// A call whose arguments are complete. Arguments that are not an object become empty, with the fault beside them.
fn tool_call(start: &ToolUseBlockStart, json: &str, names: &ToolNames) -> ToolCall {
    let call = ToolCall::new(start.tool_use_id.as_str(), names.given(start.name.clone()));
    match parse_arguments(json) {
        Ok(arguments) => call.arguments(arguments),
        Err(fault) => call.arguments(Value::Object(serde_json::Map::new())).arguments_error(fault),
    }
}

/// The most of an unknown stop reason that is shown, in characters.
const LONGEST_REASON: usize = 200;

/// Stands for thoughts that the provider encrypted.
const REDACTED: &str = "[Reasoning redacted]";

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "reads best in tables of JSON")]
mod tests {
    use super::*;
    use crate::conversation;
    use crate::converse::{ContentBlockDeltaEvent, ContentBlockStopEvent, MessageStartEvent};
    use crate::pi::{Context, Input, Tool};
    use serde_json::json;

    fn begun(start: Value) -> Event {
        Event::ContentBlockStart(Box::new(serde_json::from_value(start).unwrap()))
    }

    fn delta(index: u32, delta: Value) -> Event {
        let event = json!({"contentBlockIndex": index, "delta": delta});
        Event::ContentBlockDelta(serde_json::from_value::<ContentBlockDeltaEvent>(event).unwrap())
    }

    fn pushed(builder: &mut ResponseBuilder, event: Event) -> VecDeque<AssistantEvent> {
        let mut events = VecDeque::new();
        builder.push(event, &mut events).unwrap();
        events
    }

    fn builder() -> ResponseBuilder {
        ResponseBuilder::unprepared(&Model::new("m"), SystemTime::UNIX_EPOCH + Duration::from_millis(1500))
    }

    #[test]
    fn encrypted_thoughts_have_one_event_and_are_kept_whole() {
        let mut builder = builder();
        let redacted = |base64: &str| delta(3, json!({"reasoningContent": {"redactedContent": base64}}));
        let events = pushed(&mut builder, redacted("AAEC"));
        assert_eq!(events.len(), 2, "{events:?}");
        assert_eq!(pushed(&mut builder, redacted("AwQF")), []);
        let message = builder.message();
        let Content::Thinking(thinking) = &message.blocks()[0] else { panic!("{message:?}") };
        assert_eq!(thinking.thinking, "[Reasoning redacted]");
        assert_eq!(
            (thinking.redacted, thinking.thinking_signature.as_deref()),
            (Some(true), Some("AAECAwQF"))
        );
    }

    #[test]
    fn a_tool_has_its_given_name_and_faulty_arguments_say_so() {
        let input = Input::new(Model::new("m"), Context::new().tool(Tool::new("read.file")));
        let (request, target, options) = input.to_converse().unwrap();
        let prepared = conversation::prepare(request, &target, &options).unwrap();
        let mut builder = ResponseBuilder::new(&input.model, prepared.tool_names, SystemTime::UNIX_EPOCH);
        let start = json!({"toolUse": {"toolUseId": "1", "name": "read_file"}});
        pushed(&mut builder, begun(json!({"contentBlockIndex": 7, "start": start})));
        pushed(&mut builder, delta(7, json!({"toolUse": {"input": "{\"path\": \"a\", \"n\": 1"}})));
        assert_eq!(builder.arguments(0), Some(&json!({"path": "a"})));
        let shown = builder.message();
        let shown = shown.tool_calls().next().unwrap();
        assert_eq!((shown.name.as_str(), shown.arguments_error.as_deref()), ("read.file", None));

        // The block never ends: its arguments are not an object.
        let AssistantEvent::Error { error } = builder.abort() else { panic!("expected an error") };
        let call = error.tool_calls().next().unwrap();
        assert_eq!((call.name.as_str(), call.arguments.as_ref().unwrap().text()), ("read.file", "{}"));
        assert!(
            call.arguments_error
                .as_ref()
                .unwrap()
                .ends_with("Received arguments:\n{\"path\": \"a\", \"n\": 1")
        );
    }

    #[test]
    fn deltas_of_no_block_are_ignored() {
        let mut builder = builder();
        assert_eq!(pushed(&mut builder, delta(0, json!({"toolUse": {"input": "{}"}}))), []);
        assert_eq!(pushed(&mut builder, delta(0, json!({"sound": "boom"}))), []);
        pushed(&mut builder, delta(1, json!({"text": "a"})));
        assert_eq!(pushed(&mut builder, delta(1, json!({"reasoningContent": {"text": "b"}}))), []);
        assert_eq!(builder.message().text(), "a");
    }

    #[test]
    fn a_block_ends_once_and_what_comes_after_it_is_another() {
        let mut builder = builder();
        let stop = |index: u32| Event::ContentBlockStop(ContentBlockStopEvent::new(index));
        let start = json!({"toolUse": {"toolUseId": "1", "name": "t"}});
        pushed(&mut builder, delta(0, json!({"text": "a"})));
        pushed(&mut builder, delta(1, json!({"reasoningContent": {"text": "b"}})));
        pushed(&mut builder, begun(json!({"contentBlockIndex": 2, "start": start})));
        pushed(&mut builder, delta(2, json!({"toolUse": {"input": "{}"}})));
        for index in 0..3 {
            assert_eq!(pushed(&mut builder, stop(index)).len(), 1, "{index}");
            assert_eq!(pushed(&mut builder, stop(index)), [], "{index}");
        }
        assert_eq!(pushed(&mut builder, delta(2, json!({"toolUse": {"input": "{}"}}))), []);
        let events = pushed(&mut builder, delta(0, json!({"text": "c"})));
        assert_eq!(events[0], AssistantEvent::TextStart { content_index: 3 });
        let message = builder.message();
        assert_eq!((message.text(), message.blocks().len()), ("ac".to_owned(), 4));
    }

    #[test]
    fn what_pi_ai_has_no_form_for_has_members_of_its_own() {
        let mut builder = builder();
        pushed(&mut builder, delta(0, json!({"text": "20 days"})));
        let stop = json!({"stopReason": "end_turn", "additionalModelResponseFields": {"stop_sequence": "X"}});
        pushed(&mut builder, Event::MessageStop(serde_json::from_value(stop).unwrap()));
        let metadata = json!({"trace": {"guardrail": {"actionReason": "none"}}});
        pushed(&mut builder, Event::Metadata(Box::new(serde_json::from_value(metadata).unwrap())));
        let done = serde_json::to_value(builder.finish()).unwrap();
        assert_eq!(done["message"]["trace"], json!({"guardrail": {"actionReason": "none"}}));
        assert_eq!(done["message"]["additionalModelResponseFields"], json!({"stop_sequence": "X"}));
    }

    #[test]
    fn a_message_of_the_user_is_damage() {
        let start = MessageStartEvent::new().role(ConversationRole::User);
        let error = builder().push(Event::MessageStart(start), &mut VecDeque::new()).unwrap_err();
        let AssistantEvent::Error { error } = builder().fail(&error) else { panic!("expected an error") };
        assert_eq!(
            error.error_message.as_deref(),
            Some("Unexpected assistant message start but got user message start instead")
        );
        assert_eq!(error.timestamp, Some(1500.into()));
    }
}
