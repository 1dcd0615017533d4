//! Events of ConverseStream, folded into what an agent is told and into the message that it keeps.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::arguments::{PartialArguments, parse_arguments};
use super::cost;
use super::event::AssistantEvent;
use super::failure::{diagnostic, failure_diagnostic, text};
use super::message::{
    AssistantMessage, Content, Contents, Cost, Diagnostic, DiagnosticDetails, Model, StopReason, TextContent,
    ThinkingContent, ToolCall,
};
use super::name::ToolNames;
use super::request::Prepared;
use super::{API, PROVIDER};
use crate::Event;
use crate::converse::{
    ContentBlockDelta, ContentBlockStart, ConversationRole, ReasoningContentBlockDelta,
    StopReason as RawStopReason, ToolUseBlockStart,
};
use crate::shape::Blob;
use crate::{Error, ErrorKind, Result};
use pumice_codec::internal::shortened;

/// Folds the events of an answer, in time linear in their length.
///
/// [`push`](Self::push) takes them one by one; what ends the answer is [`finish`](Self::finish),
/// [`fail`](Self::fail) or [`abort`](Self::abort).
#[derive(Debug, Clone)]
pub struct AnswerBuilder {
    message: AssistantMessage,
    /// In the order they began.
    blocks: Vec<Block>,
    /// Where the blocks are that have not ended, by the service's index.
    places: BTreeMap<u32, usize>,
    names: ToolNames,
    cost: Option<Cost>,
    request_id: Option<String>,
    /// In milliseconds since 1970.
    asked: u64,
    begun: bool,
    /// Whether text, thinking and arguments are gathered.
    gathers: bool,
    stop: Option<RawStopReason>,
}

/// A block as far as it has come.
#[derive(Debug, Clone)]
enum Block {
    Text(String),
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
        /// When it has ended.
        whole: Option<Box<ToolCall>>,
    },
}

impl AnswerBuilder {
    /// Nothing has come yet of the answer that was asked for at this time.
    pub fn new(model: &Model, prepared: &Prepared, now: SystemTime) -> Self {
        Self { names: prepared.names.clone(), ..Self::unprepared(model, now) }
    }

    /// For an answer that could not even be asked for.
    pub fn unprepared(model: &Model, now: SystemTime) -> Self {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let asked = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let message = AssistantMessage::new()
            .api(model.api.as_deref().unwrap_or(API))
            .provider(model.provider.as_deref().unwrap_or(PROVIDER))
            .model(model.id.as_str())
            .usage(cost::nothing())
            .timestamp(asked);
        Self {
            message,
            blocks: Vec::new(),
            places: BTreeMap::new(),
            names: ToolNames::default(),
            cost: model.cost.clone(),
            request_id: None,
            asked,
            begun: false,
            gathers: true,
            stop: None,
        }
    }

    /// For who reads the events as they come and keeps nothing: no text, thinking or arguments are gathered,
    /// however long the answer is. The events that end a block and the last one have the blocks without them.
    pub fn without_content(mut self) -> Self {
        self.gathers = false;
        self
    }

    /// The service's id of the request.
    pub fn request_id(mut self, request_id: Option<&str>) -> Self {
        self.request_id = request_id.map(str::to_owned);
        self
    }

    /// Takes the next event, and adds what an agent is told of it to `told`. Fails when a message begins that is
    /// not the model's.
    pub fn push(&mut self, event: Event, told: &mut VecDeque<AssistantEvent>) -> Result<()> {
        match event {
            Event::MessageStart(event) => {
                if let Some(role) = event.role.filter(|role| *role != ConversationRole::Assistant) {
                    let message =
                        format!("Unexpected assistant message start but got {role} message start instead");
                    return Err(Error::new(ErrorKind::Damaged, message));
                }
                self.begun = true;
                told.push_back(AssistantEvent::Start);
            }
            Event::ContentBlockStart(event) => {
                if let ContentBlockStart::ToolUse(start) = event.start {
                    let block = Block::ToolCall {
                        start: Box::new(start),
                        json: String::new(),
                        partial: Box::default(),
                        whole: None,
                    };
                    let content_index = self.begin(event.content_block_index, block);
                    told.push_back(AssistantEvent::ToolCallStart { content_index });
                }
            }
            Event::ContentBlockDelta(event) => {
                self.begun = true;
                match event.delta {
                    ContentBlockDelta::Text(delta) => {
                        self.add_text(event.content_block_index, delta, told);
                    }
                    ContentBlockDelta::ReasoningContent(delta) => {
                        self.add_thinking(event.content_block_index, delta, told);
                    }
                    ContentBlockDelta::ToolUse(delta) => {
                        self.add_arguments(event.content_block_index, delta.input, told);
                    }
                    _ => {}
                }
            }
            Event::ContentBlockStop(event) => {
                // A block ends once: a second stop would repeat all of it, and what else comes under this index
                // is another block.
                if let Some(content_index) = self.places.remove(&event.content_block_index) {
                    told.extend(self.end(content_index));
                }
            }
            Event::MessageStop(event) => self.stop = event.stop_reason,
            Event::Metadata(event) => {
                if let Some(counted) = &event.usage {
                    self.message.usage = Some(cost::usage(counted, self.cost.as_ref()));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The arguments of a tool call as far as they have come, by the place of the call in the content.
    pub fn arguments(&self, content_index: usize) -> Option<&Value> {
        match self.blocks.get(content_index)? {
            Block::ToolCall { partial, .. } => Some(partial.value()),
            _ => None,
        }
    }

    /// The message as far as it has come: a copy of all of it.
    pub fn message(&self) -> AssistantMessage {
        let content = self.blocks.iter().map(|block| block.so_far(&self.names));
        self.message.clone().content(content.collect::<Vec<_>>())
    }

    /// The answer is complete: the last event.
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

    /// The answer failed: the last event.
    pub fn fail(self, error: &Error) -> AssistantEvent {
        let message = text(error, self.begun);
        let diagnostic = diagnostic(error, self.asked);
        self.error(StopReason::Error, message, diagnostic)
    }

    /// The answer failed of something else than an [`Error`]: the last event.
    pub fn fail_with(self, message: &str) -> AssistantEvent {
        let mut details = DiagnosticDetails::new();
        details.request_id.clone_from(&self.request_id);
        let diagnostic = self.request_id.is_some().then(|| failure_diagnostic(details, self.asked));
        self.error(StopReason::Error, message.to_owned(), diagnostic)
    }

    /// Whoever asked had enough: the last event.
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
        let Self { message, blocks, names, .. } = self;
        let content = blocks.into_iter().map(|block| block.finish(&names)).collect();
        message.content(Contents(content)).stop_reason(reason)
    }

    /// Puts a block at the end, under the service's index.
    fn begin(&mut self, index: u32, block: Block) -> usize {
        self.begun = true;
        let place = self.blocks.len();
        self.blocks.push(block);
        self.places.insert(index, place);
        place
    }

    /// A delta of another kind than its block's belongs to nothing that has begun, and is passed over.
    fn add_text(&mut self, index: u32, delta: String, told: &mut VecDeque<AssistantEvent>) {
        let content_index = self.places.get(&index).copied().unwrap_or_else(|| {
            let content_index = self.begin(index, Block::Text(String::new()));
            told.push_back(AssistantEvent::TextStart { content_index });
            content_index
        });
        if let Some(Block::Text(text)) = self.blocks.get_mut(content_index) {
            if self.gathers {
                text.push_str(&delta);
            }
            told.push_back(AssistantEvent::TextDelta { content_index, delta });
        }
    }

    fn add_thinking(
        &mut self,
        index: u32,
        delta: ReasoningContentBlockDelta,
        told: &mut VecDeque<AssistantEvent>,
    ) {
        let content_index = self.places.get(&index).copied().unwrap_or_else(|| {
            let block = Block::Thinking { text: String::new(), signature: None, redacted: None };
            let content_index = self.begin(index, block);
            told.push_back(AssistantEvent::ThinkingStart { content_index });
            content_index
        });
        let Some(Block::Thinking { text, signature, redacted }) = self.blocks.get_mut(content_index) else {
            return;
        };
        let delta = match delta {
            ReasoningContentBlockDelta::Text(delta) => delta,
            ReasoningContentBlockDelta::Signature(_) if !self.gathers => return,
            ReasoningContentBlockDelta::Signature(more) => {
                signature.get_or_insert_default().push_str(&more);
                return;
            }
            ReasoningContentBlockDelta::RedactedContent(more) => {
                let first = redacted.is_none();
                let gathered = redacted.get_or_insert_default();
                if self.gathers {
                    gathered.extend_from_slice(&more.0);
                }
                if !first {
                    return;
                }
                REDACTED.to_owned()
            }
            _ => return,
        };
        if self.gathers {
            text.push_str(&delta);
        }
        told.push_back(AssistantEvent::ThinkingDelta { content_index, delta });
    }

    fn add_arguments(&mut self, index: u32, delta: String, told: &mut VecDeque<AssistantEvent>) {
        let Some(content_index) = self.places.get(&index).copied() else { return };
        if let Some(Block::ToolCall { json, partial, .. }) = self.blocks.get_mut(content_index) {
            if self.gathers {
                json.push_str(&delta);
                partial.push(&delta);
            }
            told.push_back(AssistantEvent::ToolCallDelta { content_index, delta });
        }
    }

    fn end(&mut self, content_index: usize) -> Option<AssistantEvent> {
        Some(match self.blocks.get_mut(content_index)? {
            Block::Text(text) => AssistantEvent::TextEnd { content_index, content: text.clone() },
            Block::Thinking { text, .. } => {
                AssistantEvent::ThinkingEnd { content_index, content: text.clone() }
            }
            Block::ToolCall { start, json, whole, .. } => {
                let tool_call = Box::new(tool_call(start, json, &self.names));
                *whole = Some(tool_call.clone());
                AssistantEvent::ToolCallEnd { content_index, tool_call }
            }
        })
    }
}

impl Block {
    fn so_far(&self, names: &ToolNames) -> Content {
        match self {
            Self::ToolCall { start, partial, whole: None, .. } => {
                let name = names.given(start.name.clone());
                ToolCall::new(start.tool_use_id.as_str(), name).arguments(partial.value().clone()).into()
            }
            block => block.clone().finish(names),
        }
    }

    fn finish(self, names: &ToolNames) -> Content {
        match self {
            Self::Text(text) => TextContent::new(text).into(),
            Self::Thinking { text, signature, redacted } => {
                let mut thinking = ThinkingContent::new(text);
                thinking.thinking_signature = signature;
                if let Some(redacted) = redacted {
                    thinking.redacted = Some(true);
                    thinking.thinking_signature = Some(Blob::from(redacted).to_base64());
                }
                thinking.into()
            }
            Self::ToolCall { whole: Some(call), .. } => (*call).into(),
            Self::ToolCall { start, json, .. } => tool_call(&start, &json, names).into(),
        }
    }
}

/// A call whose arguments have come. Arguments that are none are empty, and it says so.
fn tool_call(start: &ToolUseBlockStart, json: &str, names: &ToolNames) -> ToolCall {
    let call = ToolCall::new(start.tool_use_id.as_str(), names.given(start.name.clone()));
    match parse_arguments(json) {
        Ok(arguments) => call.arguments(arguments),
        Err(fault) => call.arguments(Value::Object(serde_json::Map::new())).arguments_error(fault),
    }
}

/// How much of a reason to stop that is not known is told, in characters.
const LONGEST_REASON: usize = 200;

/// What stands in place of thoughts that the provider encrypted.
const REDACTED: &str = "[Reasoning redacted]";

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "what is given reads best where it stands")]
mod tests {
    use super::*;
    use crate::assistant::{Context, Input, Surroundings, Tool};
    use crate::converse::{ContentBlockDeltaEvent, ContentBlockStopEvent, MessageStartEvent};
    use serde_json::json;

    fn begun(start: Value) -> Event {
        Event::ContentBlockStart(Box::new(serde_json::from_value(start).unwrap()))
    }

    fn delta(index: u32, delta: Value) -> Event {
        let event = json!({"contentBlockIndex": index, "delta": delta});
        Event::ContentBlockDelta(serde_json::from_value::<ContentBlockDeltaEvent>(event).unwrap())
    }

    fn told_of(answer: &mut AnswerBuilder, event: Event) -> VecDeque<AssistantEvent> {
        let mut told = VecDeque::new();
        answer.push(event, &mut told).unwrap();
        told
    }

    fn answer() -> AnswerBuilder {
        AnswerBuilder::unprepared(&Model::new("m"), SystemTime::UNIX_EPOCH + Duration::from_millis(1500))
    }

    #[test]
    fn encrypted_thoughts_are_told_of_once_and_kept_whole() {
        let mut answer = answer();
        let redacted = |base64: &str| delta(3, json!({"reasoningContent": {"redactedContent": base64}}));
        let told = told_of(&mut answer, redacted("AAEC"));
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(told_of(&mut answer, redacted("AwQF")), []);
        let message = answer.message();
        let Content::Thinking(thinking) = &message.blocks()[0] else { panic!("{message:?}") };
        assert_eq!(thinking.thinking, "[Reasoning redacted]");
        assert_eq!(
            (thinking.redacted, thinking.thinking_signature.as_deref()),
            (Some(true), Some("AAECAwQF"))
        );
    }

    #[test]
    fn a_tool_has_the_name_that_it_was_given_and_faults_are_said() {
        let input = Input::new(Model::new("m"), Context::new().tool(Tool::new("read.file")));
        let prepared = Prepared::new(&input, &Surroundings::default()).unwrap();
        let mut answer = AnswerBuilder::new(&input.model, &prepared, SystemTime::UNIX_EPOCH);
        let start = json!({"toolUse": {"toolUseId": "1", "name": "read_file"}});
        told_of(&mut answer, begun(json!({"contentBlockIndex": 7, "start": start})));
        told_of(&mut answer, delta(7, json!({"toolUse": {"input": "{\"path\": \"a\", \"n\": 1"}})));
        assert_eq!(answer.arguments(0), Some(&json!({"path": "a"})));
        let shown = answer.message();
        let shown = shown.tool_calls().next().unwrap();
        assert_eq!((shown.name.as_str(), shown.arguments_error.as_deref()), ("read.file", None));

        // The block never ends: its arguments are none, and it says so.
        let AssistantEvent::Error { error } = answer.abort() else { panic!("an error expected") };
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
    fn what_belongs_to_nothing_is_passed_over() {
        let mut answer = answer();
        assert_eq!(told_of(&mut answer, delta(0, json!({"toolUse": {"input": "{}"}}))), []);
        assert_eq!(told_of(&mut answer, delta(0, json!({"sound": "boom"}))), []);
        told_of(&mut answer, delta(1, json!({"text": "a"})));
        assert_eq!(told_of(&mut answer, delta(1, json!({"reasoningContent": {"text": "b"}}))), []);
        assert_eq!(answer.message().text(), "a");
    }

    #[test]
    fn a_block_ends_once_and_what_comes_after_it_is_another() {
        let mut answer = answer();
        let stop = |index: u32| Event::ContentBlockStop(ContentBlockStopEvent::new(index));
        let start = json!({"toolUse": {"toolUseId": "1", "name": "t"}});
        told_of(&mut answer, delta(0, json!({"text": "a"})));
        told_of(&mut answer, delta(1, json!({"reasoningContent": {"text": "b"}})));
        told_of(&mut answer, begun(json!({"contentBlockIndex": 2, "start": start})));
        told_of(&mut answer, delta(2, json!({"toolUse": {"input": "{}"}})));
        for index in 0..3 {
            assert_eq!(told_of(&mut answer, stop(index)).len(), 1, "{index}");
            assert_eq!(told_of(&mut answer, stop(index)), [], "{index}");
        }
        assert_eq!(told_of(&mut answer, delta(2, json!({"toolUse": {"input": "{}"}}))), []);
        let told = told_of(&mut answer, delta(0, json!({"text": "c"})));
        assert_eq!(told[0], AssistantEvent::TextStart { content_index: 3 });
        let message = answer.message();
        assert_eq!((message.text(), message.blocks().len()), ("ac".to_owned(), 4));
    }

    #[test]
    fn a_message_of_the_users_is_none_of_the_models() {
        let start = MessageStartEvent::new().role(ConversationRole::User);
        let error = answer().push(Event::MessageStart(start), &mut VecDeque::new()).unwrap_err();
        let AssistantEvent::Error { error } = answer().fail(&error) else { panic!("an error expected") };
        assert_eq!(
            error.error_message.as_deref(),
            Some("Unexpected assistant message start but got user message start instead")
        );
        assert_eq!(error.timestamp, Some(1500.into()));
    }
}
