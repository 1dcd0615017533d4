//! The messages of a conversation.
//!
//! Reading is tolerant: unknown members, and messages and blocks of unknown kinds, are kept as they came; `null` counts
//! as absent; content may be a string.

use serde::ser::{Serialize, Serializer};
use serde_json::Number;

use super::content::{Content, Contents, ToolCall};
use crate::conversation::{Charge, cache_write_1h};
use crate::converse::TokenUsage;
use crate::models::Cost;
use crate::shape::{Document, Members};
use pumice_codec::internal::{Failed, Null, Shape, Source, Written};
use pumice_codec::{enumeration, structure};

tagged! {
    /// A message of a conversation.
    pub enum Message by "role" {
        /// Of the user.
        User(UserMessage) = "user",
        /// Of the model.
        Assistant(Box<AssistantMessage>) = "assistant",
        /// The result of a tool call.
        ToolResult(ToolResultMessage) = "toolResult",
        /// Instructions in the middle of a conversation. They stay where they are.
        System(SystemMessage) = "system",
    }
}

impl Message {
    /// A message of the user.
    pub fn user(content: impl Into<Contents>) -> Self {
        Self::User(UserMessage::new().content(content))
    }

    /// The result of a tool call.
    pub fn tool_result(call: &ToolCall, content: impl Into<Contents>) -> Self {
        Self::ToolResult(
            ToolResultMessage::new(call.id.as_str()).tool_name(call.name.as_str()).content(content),
        )
    }
}

impl From<AssistantMessage> for Message {
    fn from(message: AssistantMessage) -> Self {
        Self::Assistant(Box::new(message))
    }
}

structure! {
    /// A message of the user.
    pub struct UserMessage {
        optional {
            /// Text, images, documents.
            content: Contents = "content",
            /// When it was written, in milliseconds since 1970.
            timestamp: Number = "timestamp",
        }
        ignored { "role", }
    }
}

structure! {
    /// Instructions in the middle of a conversation.
    pub struct SystemMessage {
        optional {
            /// Text.
            content: Contents = "content",
        }
        ignored { "role", }
    }
}

structure! {
    /// The result of a tool call.
    pub struct ToolResultMessage {
        required {
            /// The id of the call.
            tool_call_id: String = "toolCallId",
        }
        optional {
            /// The name of the tool.
            tool_name: String = "toolName",
            /// What the tool returned: text, images.
            content: Contents = "content",
            /// Whether the tool failed.
            is_error: bool = "isError",
        }
        ignored { "role", }
    }
}

structure! {
    /// A message of the model.
    pub struct AssistantMessage {
        optional {
            /// Text, thoughts and tool calls, in the order in which they began.
            content: Contents = "content",
            /// What else the response holds, in the order in which it began: calls of tools that the service runs,
            /// their results, citations without text, images. Each is an object of `block`, a
            /// [`ContentBlock`](crate::converse::ContentBlock), and `contentIndex`, the index of the block of `content`
            /// that it stands before. A message that goes back to its model takes it along.
            other_content: Vec<Document> = "otherContent",
            /// The protocol: `bedrock-converse-stream`.
            api: String = "api",
            /// Who served it: `amazon-bedrock`.
            provider: String = "provider",
            /// The id of the model.
            model: String = "model",
            /// The tokens of the call, and what they cost.
            usage: Usage = "usage",
            /// Why it ended.
            stop_reason: StopReason = "stopReason",
            /// Why it ended, in the service's own word.
            raw_stop_reason: String = "rawStopReason",
            /// What went wrong, if anything did.
            error_message: String = "errorMessage",
            /// What else is known about what went wrong.
            diagnostics: Vec<Diagnostic> = "diagnostics",
            /// When the call was made, in milliseconds since 1970.
            timestamp: Number = "timestamp",
        }
        ignored { "role", }
    }
}

impl AssistantMessage {
    /// The blocks, in the order in which they began.
    pub fn blocks(&self) -> &[Content] {
        self.content.as_ref().map(|content| content.0.as_slice()).unwrap_or_default()
    }

    /// The text blocks, joined.
    pub fn text(&self) -> String {
        let texts = self.blocks().iter().filter_map(|block| match block {
            Content::Text(block) => Some(block.text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// The tool calls.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.blocks().iter().filter_map(|block| match block {
            Content::ToolCall(call) => Some(call),
            _ => None,
        })
    }
}

enumeration! {
    /// Why a message of the model ended.
    pub enum StopReason {
        /// It is complete.
        Stop = "stop",
        /// It reached a limit of tokens.
        Length = "length",
        /// The model waits for the results of tools.
        ToolUse = "toolUse",
        /// Something failed.
        Error = "error",
        /// The caller ended it.
        Aborted = "aborted",
    }
}

structure! {
    /// What is known about something that went wrong.
    pub struct Diagnostic {
        required {
            /// What it is about: `bedrock_response_failure`.
            kind: String = "type",
        }
        optional {
            /// When, in milliseconds since 1970.
            timestamp: Number = "timestamp",
            /// What is known.
            details: DiagnosticDetails = "details",
        }
    }
}

structure! {
    /// What the service said about a failure beside its message.
    pub struct DiagnosticDetails {
        optional {
            /// The HTTP status, unless it was one of success.
            status: u16 = "status",
            /// The service's code of the failure.
            error_code: String = "errorCode",
            /// The service's id of the request.
            request_id: String = "requestId",
            /// The model's own status, if the service quotes it.
            original_status_code: u16 = "originalStatusCode",
            /// The model's own message, if the service quotes it.
            original_message: String = "originalMessage",
        }
    }
}

structure! {
    /// The tokens of a call, and what they cost.
    pub struct Usage {
        optional {
            /// Tokens of the prompt that were neither read from the cache nor written to it.
            input: u64 = "input",
            /// Tokens of the response.
            output: u64 = "output",
            /// Tokens read from the cache.
            cache_read: u64 = "cacheRead",
            /// Tokens written to the cache.
            cache_write: u64 = "cacheWrite",
            /// Those of them that were written for an hour.
            cache_write_1h: u64 = "cacheWrite1h",
            /// All of them.
            total_tokens: u64 = "totalTokens",
            /// What they cost.
            cost: UsageCost = "cost",
        }
    }
}

structure! {
    /// What tokens cost.
    pub struct UsageCost {
        optional {
            /// Those of the prompt.
            input: Dollars = "input",
            /// Those of the response.
            output: Dollars = "output",
            /// Those read from the cache.
            cache_read: Dollars = "cacheRead",
            /// Those written to the cache.
            cache_write: Dollars = "cacheWrite",
            /// All of them.
            total: Dollars = "total",
        }
    }
}

impl Usage {
    /// The tokens that the service counted, at these prices.
    pub(super) fn of(counted: &TokenUsage, cost: Option<&Cost>) -> Self {
        let [input, output, read, write] = [
            counted.input_tokens,
            counted.output_tokens,
            counted.cache_read_input_tokens,
            counted.cache_write_input_tokens,
        ]
        .map(Option::unwrap_or_default);
        let all = [input, output, read, write].into_iter().fold(0, u64::saturating_add);
        let charge = cost.map(|cost| Charge::of(counted, cost)).unwrap_or_default();
        let usage = Self::new()
            .input(input)
            .output(output)
            .cache_read(read)
            .cache_write(write)
            // The service's own total may leave the cache out.
            .total_tokens(counted.total_tokens.unwrap_or_default().max(all))
            .cost(
                UsageCost::new()
                    .input(Dollars(charge.input))
                    .output(Dollars(charge.output))
                    .cache_read(Dollars(charge.cache_read))
                    .cache_write(Dollars(charge.cache_write))
                    .total(Dollars(charge.total())),
            );
        match cache_write_1h(counted) {
            0 => usage,
            tokens => usage.cache_write_1h(tokens),
        }
    }
}

/// US dollars.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Dollars(pub f64);

impl Shape for Dollars {
    fn blank() -> Self {
        Self::default()
    }

    fn read(&mut self, source: &mut dyn Source, null: Null) -> Result<bool, Failed> {
        self.0.read(source, null)
    }

    fn content(&self) -> Written<'_> {
        // As JavaScript writes it: `0`, not `0.0`.
        if self.0 == 0.0 { Written::U64(0) } else { Written::F64(self.0) }
    }
}

pumice_codec::serde! { Dollars }

/// A message with its `role`, as it stands in a conversation.
pub(crate) struct InConversation<'a>(pub(super) &'a AssistantMessage);

impl Serialize for InConversation<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written::Tagged("role", "assistant", self.0).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn usage_has_all_tokens_and_what_they_cost() {
        let counted = json!({
            "inputTokens": 1_000_000, "outputTokens": 0, "totalTokens": 1_000_000,
            "cacheReadInputTokens": 2_000_000, "cacheWriteInputTokens": 3_000_000,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 1_000_000}, {"ttl": "5m", "inputTokens": 2_000_000}]
        });
        let counted = serde_json::from_value(counted).unwrap();
        let cost = json!({"input": 4, "output": 8, "cacheRead": 0.5, "cacheWrite": 5});
        let cost = serde_json::from_value::<Cost>(cost).unwrap();
        assert_eq!(
            serde_json::to_value(Usage::of(&counted, Some(&cost))).unwrap(),
            json!({
                "input": 1_000_000, "output": 0, "cacheRead": 2_000_000, "cacheWrite": 3_000_000,
                "cacheWrite1h": 1_000_000, "totalTokens": 6_000_000,
                "cost": {"input": 4.0, "output": 0, "cacheRead": 1.0, "cacheWrite": 18.0, "total": 23.0}
            })
        );
    }
}
