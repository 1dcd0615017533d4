//! A conversation with a model: requests and responses of [Converse] and [`ConverseStream`].
//!
//! ```
//! use pumice_codec::converse::{ConverseRequest, InferenceConfiguration, Message};
//!
//! let request = ConverseRequest::new("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
//!     .system("Answer in one sentence.")
//!     .message(Message::user("Why does pumice float?"))
//!     .inference_config(InferenceConfiguration::new().max_tokens(200u32));
//! # assert_eq!(
//! #     String::from_utf8(request.body()?).unwrap(),
//! #     r#"{"messages":[{"role":"user","content":[{"text":"Why does pumice float?"}]}],"system":[{"text":"Answer in one sentence."}],"inferenceConfig":{"maxTokens":200}}"#
//! # );
//! # Ok::<(), pumice_codec::Error>(())
//! ```
//!
//! One [`ConverseRequest`] serves both operations. A [`Message`] has the same form in requests and responses, so the
//! model's message goes into the next request unchanged. In types that only the service writes, no member is
//! required: a [`ConverseResponse`] may lack what the API promises.
//!
//! The names are the API's, in Rust's case (`toolUseId` is `tool_use_id`; `type`, which Rust reserves,
//! is `kind`).
//!
//! [Converse]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
//! [`ConverseStream`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html

mod block;
mod citation;
mod content;
mod stream;
mod tool;

pub use block::*;
pub use citation::*;
pub use content::*;
pub use stream::*;
pub use tool::*;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::guardrail::{GuardrailConfiguration, GuardrailContentBlock, GuardrailTraceAssessment};
use crate::shape::Document;
use crate::{enumeration, structure, union};

structure! {
    /// The input of [Converse] and [`ConverseStream`].
    ///
    /// As JSON it is the API's request with `modelId` among the members; [`body`](Self::body) is what goes
    /// over the wire.
    ///
    /// [Converse]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    /// [`ConverseStream`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
    #[doc(alias = "ConverseStreamRequest")]
    pub struct ConverseRequest {
        label {
            /// The model, in 1 to 2048 characters: the id of a model, the id of an inference profile
            /// (`us.…`, `global.…`), or the ARN of a model, an inference profile, a provisioned, custom or
            /// imported model, a prompt router, an endpoint, or of a prompt in Prompt management.
            model_id: String = "modelId",
        }
        lists {
            /// The conversation so far, oldest first. User and assistant take turns, and the user begins.
            messages: Message = "messages" by message,
            /// The system prompt.
            system: SystemContentBlock = "system" by system,
            /// JSON Pointers (`/stop_sequence`) to fields of the model's own response, which are then
            /// given in `additional_model_response_fields`: at most 10, each of 1 to 256 characters. A
            /// pointer to a missing field is ignored; a malformed one is refused (400).
            additional_model_response_field_paths: String = "additionalModelResponseFieldPaths"
                by additional_model_response_field_path,
        }
        optional {
            /// Output limit, temperature, stop sequences.
            inference_config: InferenceConfiguration = "inferenceConfig",
            /// The tools that the model may call. A conversation with tool calls or results needs it even
            /// if no further tool is to be used.
            tool_config: ToolConfiguration = "toolConfig",
            /// The guardrail of the call. It assesses the `guardContent` blocks, or everything if there
            /// are none.
            guardrail_config: GuardrailConfiguration = "guardrailConfig",
            /// The project of the call, by its id or ARN. Without one, or with `default`, it is the account's default
            /// project.
            project_identifier: String = "projectIdentifier",
            /// Parameters of the model that `inference_config` does not have, such as
            /// `{"thinking": {"type": "enabled", "budget_tokens": 2048}}`.
            additional_model_request_fields: Document = "additionalModelRequestFields",
            /// Values for the variables of a prompt, by name. Heeded only when `model_id` is a prompt's ARN.
            prompt_variables: BTreeMap<String, PromptVariableValues> = "promptVariables",
            /// Labels that the invocation logs can be filtered by: keys of 1 to 256 characters, values of
            /// at most 256, out of `a-zA-Z0-9`, white space and `:_@$#=/+,-.`.
            request_metadata: BTreeMap<String, String> = "requestMetadata",
            /// Whether to use the latency-optimised version of the model.
            performance_config: PerformanceConfiguration = "performanceConfig",
            /// Which tier of capacity to serve the request from.
            service_tier: ServiceTier = "serviceTier",
            /// The form of the response, and how much effort the model spends on it.
            output_config: OutputConfig = "outputConfig",
        }
    }
}

impl ConverseRequest {
    /// Appends messages to the conversation.
    pub fn messages(mut self, messages: impl IntoIterator<Item = Message>) -> Self {
        self.messages.get_or_insert_default().extend(messages);
        self
    }

    /// Appends a tool that the model may call.
    pub fn tool(mut self, tool: impl Into<Tool>) -> Self {
        self.tool_config.get_or_insert_with(|| ToolConfiguration::new(Vec::new())).tools.push(tool.into());
        self
    }
}

structure! {
    /// One turn of a conversation.
    ///
    /// See the [API's page](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html).
    pub struct Message {
        required {
            /// Whose turn it is.
            role: ConversationRole = "role",
            /// The content. At most 20 images, each of at most 3.75 MB and 8000 by 8000 pixels, and five
            /// documents of at most 4.5 MB, both only from the user; beside a document there must be text.
            content: Vec<ContentBlock> = "content",
        }
    }
}

impl Message {
    /// What the user says: text, an image, the result of a tool, ...
    pub fn user(content: impl Into<ContentBlock>) -> Self {
        Self::new(ConversationRole::User, vec![content.into()])
    }

    /// What the model said.
    pub fn assistant(content: impl Into<ContentBlock>) -> Self {
        Self::new(ConversationRole::Assistant, vec![content.into()])
    }

    /// Appends a block of content.
    pub fn block(mut self, block: impl Into<ContentBlock>) -> Self {
        self.content.push(block.into());
        self
    }

    /// The text of the message: its text blocks and the text of its citation blocks, joined as they are.
    pub fn text(&self) -> String {
        self.content.iter().flat_map(ContentBlock::texts).collect()
    }

    /// The tool calls in the message.
    pub fn tool_uses(&self) -> impl Iterator<Item = &ToolUseBlock> {
        self.content.iter().filter_map(|block| match block {
            ContentBlock::ToolUse(tool_use) => Some(tool_use),
            _ => None,
        })
    }
}

enumeration! {
    /// Whose turn a message is.
    pub enum ConversationRole {
        /// The user's. Results of tools are the user's too.
        User = "user",
        /// The model's.
        Assistant = "assistant",
        /// The application's: instructions, and tools that are added or removed, in the middle of a conversation.
        System = "system",
    }
}

union! {
    /// A part of the system prompt.
    pub enum SystemContentBlock {
        /// Instructions to the model; not empty.
        Text(String) = "text" from_text,
        /// Content for the guardrail to assess.
        GuardContent(GuardrailContentBlock) = "guardContent" from,
        /// Everything before this point is to be cached.
        CachePoint(CachePointBlock) = "cachePoint" from,
    }
}

structure! {
    /// The parameters that all models share. An absent one has the model's default.
    pub struct InferenceConfiguration {
        lists {
            /// Texts at which the model stops: at most 2500, none of them empty.
            stop_sequences: String = "stopSequences" by stop_sequence,
        }
        optional {
            /// How many tokens to generate at most, from 1. For some models, reasoning counts toward it.
            max_tokens: u32 = "maxTokens",
            /// How likely the less likely choices are, from 0 to 1.
            temperature: f64 = "temperature",
            /// The share of the most likely tokens to choose from, from 0 to 1: 0.8 is the top 80 %.
            top_p: f64 = "topP",
        }
    }
}

union! {
    /// The value of a prompt's variable.
    pub enum PromptVariableValues {
        /// Text that takes the variable's place.
        Text(String) = "text" from_text,
    }
}

structure! {
    /// The latency that is requested of a model.
    pub struct PerformanceConfiguration {
        optional {
            /// The version of the model, by latency.
            latency: PerformanceConfigLatency = "latency",
        }
    }
}

enumeration! {
    /// A version of a model, by latency.
    pub enum PerformanceConfigLatency {
        /// The usual one.
        Standard = "standard",
        /// The latency-optimised one, if the model has it: faster, at another price.
        Optimized = "optimized",
    }
}

structure! {
    /// A tier of capacity: in a request the one to use, in a response the one that was used.
    pub struct ServiceTier {
        required {
            /// Which tier.
            kind: ServiceTierType = "type",
        }
    }
}

enumeration! {
    /// The [tiers of capacity](https://docs.aws.amazon.com/bedrock/latest/userguide/service-tiers-inference.html).
    pub enum ServiceTierType {
        /// The usual one, and the one without a tier in the request.
        Default = "default",
        /// Cheaper, and slower under load.
        Flex = "flex",
        /// Served before the others, at a premium.
        Priority = "priority",
        /// Capacity that was bought beforehand.
        Reserved = "reserved",
    }
}

structure! {
    /// The form of a response, and how much effort the model spends on it.
    pub struct OutputConfig {
        optional {
            /// The structure that the text of the response must have.
            text_format: OutputFormat = "textFormat",
            /// How much the model reasons before it responds: `low`, `medium`, `high`, `xhigh` or `max`, in
            /// at most 16 characters. Without extended thinking, at most `high`.
            effort: String = "effort",
        }
    }
}

structure! {
    /// The structure that the text of a response must have.
    pub struct OutputFormat {
        required {
            /// Which kind of structure.
            kind: OutputFormatType = "type",
            /// The structure, of that kind.
            structure: OutputFormatStructure = "structure",
        }
    }
}

impl OutputFormat {
    /// JSON that this schema allows.
    pub fn json_schema(schema: JsonSchemaDefinition) -> Self {
        Self::new(OutputFormatType::JsonSchema, schema)
    }
}

enumeration! {
    /// The kinds of structure that a response can have.
    pub enum OutputFormatType {
        /// JSON that a schema allows.
        JsonSchema = "json_schema",
    }
}

union! {
    /// The structure that a response must have.
    pub enum OutputFormatStructure {
        /// JSON that this schema allows.
        JsonSchema(JsonSchemaDefinition) = "jsonSchema" from,
    }
}

structure! {
    /// A JSON schema of the response.
    pub struct JsonSchemaDefinition {
        required {
            /// The schema: a string that holds JSON, unlike the schema of a tool, which is JSON itself.
            schema: String = "schema",
        }
        optional {
            /// The name of the schema.
            name: String = "name",
            /// What the schema describes, for the model.
            description: String = "description",
        }
    }
}

structure! {
    /// The output of [Converse]. In practice any member may be missing.
    ///
    /// [Converse]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    pub struct ConverseResponse {
        optional {
            /// The model's message.
            output: ConverseOutput = "output",
            /// Why the model stopped.
            stop_reason: StopReason = "stopReason",
            /// The tokens that were read and written.
            usage: TokenUsage = "usage",
            /// How long it took.
            metrics: ConverseMetrics = "metrics",
            /// The fields of the model's own response that `additional_model_response_field_paths` asked for.
            additional_model_response_fields: Document = "additionalModelResponseFields",
            /// What the guardrail and the prompt router did, if the request enabled traces. Undecoded, because it is
            /// large and rare: [read](Document::read) it as a [`ConverseTrace`].
            trace: Document = "trace",
            /// The version of the model that served the request.
            performance_config: PerformanceConfiguration = "performanceConfig",
            /// The tier that served the request.
            service_tier: ServiceTier = "serviceTier",
        }
    }
}

impl ConverseResponse {
    /// The model's message, if there is one.
    pub fn message(&self) -> Option<&Message> {
        match &self.output {
            Some(ConverseOutput::Message(message)) => Some(message),
            _ => None,
        }
    }
}

union! {
    /// The output of a model.
    pub enum ConverseOutput {
        /// A message, to be appended to the conversation.
        Message(Message) = "message" from,
    }
}

enumeration! {
    /// Why a model stopped.
    pub enum StopReason {
        /// The response is complete.
        EndTurn = "end_turn",
        /// It waits for the result of a tool.
        ToolUse = "tool_use",
        /// It reached `maxTokens`; the response is cut off.
        MaxTokens = "max_tokens",
        /// It wrote one of the stop sequences.
        StopSequence = "stop_sequence",
        /// A guardrail intervened: the response, or a part of it, is the guardrail's.
        GuardrailIntervened = "guardrail_intervened",
        /// The provider's filter withheld content.
        ContentFiltered = "content_filtered",
        /// The model's output was malformed.
        MalformedModelOutput = "malformed_model_output",
        /// The model's tool call was malformed.
        MalformedToolUse = "malformed_tool_use",
        /// Prompt and response together filled the context window; the response is cut off.
        ModelContextWindowExceeded = "model_context_window_exceeded",
    }
}

structure! {
    /// How many tokens a call used. `input_tokens` does not include those read from the cache or written to it.
    pub struct TokenUsage {
        optional {
            /// Tokens of the request that were neither read from the cache nor written to it.
            input_tokens: u64 = "inputTokens",
            /// Tokens that the model generated, its reasoning included.
            output_tokens: u64 = "outputTokens",
            /// All of them.
            total_tokens: u64 = "totalTokens",
            /// Tokens of the request that were read from the cache.
            cache_read_input_tokens: u64 = "cacheReadInputTokens",
            /// Tokens of the request that were written to the cache.
            cache_write_input_tokens: u64 = "cacheWriteInputTokens",
            /// The tokens written to the cache by their time to live, the longest first.
            cache_details: Vec<CacheDetail> = "cacheDetails",
        }
    }
}

structure! {
    /// How many tokens were written to the cache for one time to live.
    pub struct CacheDetail {
        optional {
            /// The time to live.
            ttl: CacheTtl = "ttl",
            /// The tokens.
            input_tokens: u64 = "inputTokens",
        }
    }
}

structure! {
    /// How long a call took.
    #[doc(alias = "ConverseStreamMetrics")]
    pub struct ConverseMetrics {
        optional {
            /// The time within the service, in milliseconds.
            latency_ms: i64 = "latencyMs",
        }
    }
}

structure! {
    /// What guardrail and prompt router did.
    #[doc(alias = "ConverseStreamTrace")]
    pub struct ConverseTrace {
        optional {
            /// What the guardrail found and did.
            guardrail: GuardrailTraceAssessment = "guardrail",
            /// Where the prompt router went.
            prompt_router: PromptRouterTrace = "promptRouter",
        }
    }
}

structure! {
    /// Where a prompt router went.
    pub struct PromptRouterTrace {
        optional {
            /// The id of the model that it chose.
            invoked_model_id: String = "invokedModelId",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_put_together_piece_by_piece() {
        let request = ConverseRequest::new("m")
            .system("Be brief.")
            .system(CachePointBlock::default())
            .message(Message::user("Weather?"))
            .messages([
                Message::assistant(ToolUseBlock::new("t1", "weather", serde_json::json!({"city": "Rome"}))),
                Message::user(ToolResultBlock::success("t1", "sunny")).block("And now?"),
            ])
            .tool(ToolSpecification::new("weather", serde_json::json!({"type": "object"})))
            .inference_config(InferenceConfiguration::new().temperature(0.1).stop_sequence("END"));
        let written = serde_json::to_value(&request).unwrap();
        assert_eq!(
            written,
            serde_json::json!({
                "modelId": "m",
                "messages": [
                    {"role": "user", "content": [{"text": "Weather?"}]},
                    {"role": "assistant", "content": [
                        {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Rome"}}}
                    ]},
                    {"role": "user", "content": [
                        {"toolResult": {"toolUseId": "t1", "content": [{"text": "sunny"}], "status": "success"}},
                        {"text": "And now?"}
                    ]},
                ],
                "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}],
                "inferenceConfig": {"stopSequences": ["END"], "temperature": 0.1},
                "toolConfig": {"tools": [
                    {"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}
                ]},
            })
        );
        assert_eq!(serde_json::from_value::<ConverseRequest>(written).unwrap(), request);
    }

    #[test]
    fn a_message_gives_its_text_and_its_tool_uses() {
        let json = r#"{"role":"assistant","content":[
            {"text":"It is "},
            {"reasoningContent":{"reasoningText":{"text":"hm"}}},
            {"citationsContent":{"content":[{"text":"sunny"}]}},
            {"toolUse":{"toolUseId":"t1","name":"weather","input":{}}},
            {"text":"."}]}"#;
        let message = serde_json::from_str::<Message>(json).unwrap();
        assert_eq!(message.text(), "It is sunny.");
        assert_eq!(message.tool_uses().map(|tool| &*tool.name).collect::<Vec<_>>(), ["weather"]);
    }

    #[test]
    fn a_response_may_be_empty() {
        let response = serde_json::from_str::<ConverseResponse>("{}").unwrap();
        assert!(response.message().is_none());
        assert_eq!(response, ConverseResponse::default());
    }
}
