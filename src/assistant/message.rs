//! The form in which agents keep a conversation: pi-ai's.
//!
//! Reading is tolerant. Members that are not known are kept, `null` counts as absent, content may be a
//! string, and messages and blocks of kinds that are not known are kept as they came.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Number;

use crate::guardrail::GuardrailConfiguration;
use crate::shape::{Document, Members};
use crate::{Error, ErrorKind, Result};
use pumice_codec::internal::lone_surrogates;
use pumice_codec::internal::next_name;
use pumice_codec::{enumeration, structure};

structure! {
    /// What is asked: a model, a conversation, and how to go about it.
    pub struct Input {
        required {
            /// Whom to ask.
            model: Model = "model",
            /// What has been said.
            context: Context = "context",
        }
        optional {
            /// How to ask.
            options: Options = "options",
        }
    }
}

impl Input {
    /// Reads JSON as JavaScript writes it: lone surrogates in it are left out.
    ///
    /// Fails with [`ErrorKind::InvalidInput`], and says where.
    pub fn from_json(json: &str) -> Result<Self> {
        read(json, "the input: JSON of the form {\"model\": …, \"context\": …, \"options\": …} expected")
    }
}

/// Reads JSON as JavaScript writes it.
fn read<T: de::DeserializeOwned>(json: &str, expected: &str) -> Result<T> {
    serde_json::from_str(&lone_surrogates(json, ""))
        .map_err(|source| Error::new(ErrorKind::InvalidInput, expected).with_source(source))
}

structure! {
    /// A model and what is known of it. What is not known is not acted upon.
    pub struct Model {
        required {
            /// The id of a model or of an inference profile, or an ARN.
            id: String = "id",
        }
        lists {
            /// What it takes: `text`, `image`. Without a list, it is taken to take everything.
            input: String = "input" by takes,
        }
        optional {
            /// The name that people know it by. It tells the model's family too, where the id does not.
            name: String = "name",
            /// The protocol; without one, `bedrock-converse-stream`.
            api: String = "api",
            /// Who serves it; without one, `amazon-bedrock`.
            provider: String = "provider",
            /// The URL of the runtime, where it is not Amazon's own.
            base_url: String = "baseUrl",
            /// Whether it can think before it answers. If not, it is never asked to.
            reasoning: bool = "reasoning",
            /// What it costs.
            cost: Cost = "cost",
            /// How many tokens prompt and answer may have together.
            context_window: u64 = "contextWindow",
            /// How many tokens an answer may have.
            max_tokens: u64 = "maxTokens",
            /// Headers for each call, by name; `null` takes one out.
            headers: BTreeMap<String, Option<Secret>> = "headers",
            /// Particularities of the model's.
            compat: Compat = "compat",
            /// The effort that stands for a level of reasoning, where it is not the usual one.
            thinking_level_map: BTreeMap<String, Option<String>> = "thinkingLevelMap",
        }
    }
}

impl Model {
    /// Whether it takes what this is called: `image`.
    pub(super) fn can_take(&self, kind: &str) -> bool {
        self.input.as_ref().is_none_or(|input| input.iter().any(|found| found == kind))
    }
}

structure! {
    /// Particularities of a model's.
    pub struct Compat {
        optional {
            /// Whether it holds the arguments of tools to their schema, when asked to.
            supports_strict_mode: bool = "supportsStrictMode",
        }
    }
}

structure! {
    /// What tokens cost, in US dollars for a million of them.
    pub struct Cost {
        lists {
            /// Other prices, for long prompts.
            tiers: PriceTier = "tiers" by tier,
        }
        optional {
            /// Of the prompt.
            input: f64 = "input",
            /// Of the answer.
            output: f64 = "output",
            /// Read from the cache.
            cache_read: f64 = "cacheRead",
            /// Written to the cache.
            cache_write: f64 = "cacheWrite",
        }
    }
}

structure! {
    /// What tokens cost when the prompt is longer than so much.
    pub struct PriceTier {
        required {
            /// Counts for prompts of more tokens than this, those of the cache included.
            input_tokens_above: u64 = "inputTokensAbove",
        }
        optional {
            /// Of the prompt.
            input: f64 = "input",
            /// Of the answer.
            output: f64 = "output",
            /// Read from the cache.
            cache_read: f64 = "cacheRead",
            /// Written to the cache.
            cache_write: f64 = "cacheWrite",
        }
    }
}

structure! {
    /// What has been said, and what there is to work with.
    pub struct Context {
        lists {
            /// The conversation, oldest first.
            messages: Message = "messages" by message,
            /// The tools that the model may ask for.
            tools: Tool = "tools" by tool,
        }
        optional {
            /// The system prompt.
            system_prompt: String = "systemPrompt",
        }
    }
}

impl Context {
    /// Reads JSON as JavaScript writes it: lone surrogates in it are left out.
    ///
    /// Fails with [`ErrorKind::InvalidInput`], and says where.
    pub fn from_json(json: &str) -> Result<Self> {
        read(json, "a conversation expected: JSON of the form {\"systemPrompt\": …, \"messages\": […]}")
    }
}

structure! {
    /// A tool that the model may ask for.
    pub struct Tool {
        required {
            /// Its name. One that the service would refuse is sent under another and given back under this.
            name: String = "name",
        }
        optional {
            /// What it does, for the model to read.
            description: String = "description",
            /// The JSON schema of its arguments: an object.
            parameters: Document = "parameters",
            /// Whether the arguments are held to the schema.
            constrained_sampling: ConstrainedSampling = "constrainedSampling",
        }
    }
}

structure! {
    /// Whether the arguments of a tool are held to its schema, for models that can.
    pub struct ConstrainedSampling {
        optional {
            /// `json_schema`.
            kind: String = "type",
            /// `require`: a schema that cannot be held to is an error; `prefer`: it goes out as it is.
            strict: String = "strict",
        }
    }
}

structure! {
    /// How to ask.
    pub struct Options {
        optional {
            /// How many tokens the answer may have. Without it, what the model can and the context leaves.
            max_tokens: u64 = "maxTokens",
            /// From 0 to 1. Left out where the model refuses it.
            temperature: f64 = "temperature",
            /// Whether the model must ask for a tool.
            tool_choice: ToolChoice = "toolChoice",
            /// How much to think: `minimal`, `low`, `medium`, `high`, `xhigh` or `max`. Without it, or `off`, the
            /// model is not asked to think.
            reasoning: String = "reasoning",
            /// The tokens to think with, by level; for the models that count them.
            thinking_budgets: BTreeMap<String, u64> = "thinkingBudgets",
            /// Whether to think between the uses of tools too; without it, yes.
            interleaved_thinking: bool = "interleavedThinking",
            /// What is shown of the thinking: `summarized`, as without it, or `omitted`.
            thinking_display: String = "thinkingDisplay",
            /// How long the prompt is kept in the cache: `none`, `short` (five minutes) or `long` (an hour).
            cache_retention: String = "cacheRetention",
            /// Labels for the invocation logs.
            request_metadata: BTreeMap<String, String> = "requestMetadata",
            /// The guardrail that watches over the call.
            guardrail_config: GuardrailConfiguration = "guardrailConfig",
            /// Which tier of capacity to use: `default`, `flex`, `priority` or `reserved`. What is none of these
            /// is passed over, and among the [warnings](super::Prepared::warnings).
            service_tier: String = "serviceTier",
            /// Names the conversation: what the service refused in it once is not tried again in it.
            session_id: String = "sessionId",
            /// The region to call.
            region: String = "region",
            /// The AWS profile.
            profile: String = "profile",
            /// A Bedrock API key. `Debug` shows it not.
            bearer_token: Secret = "bearerToken",
            /// The same.
            api_key: Secret = "apiKey",
            /// Headers for the call, by name; `null` takes one of the model's out.
            headers: BTreeMap<String, Option<Secret>> = "headers",
            /// Whether the history is put right before it is sent; without it, yes.
            repair_history: bool = "repairHistory",
            /// Families of models beside those that are built in, and before them.
            families: Vec<super::Family> = "families",
        }
    }
}

/// A text that `Debug` does not show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

/// Whether the model must ask for a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolChoice {
    /// As it sees fit.
    Auto,
    /// It must ask for one, whichever.
    Any,
    /// It must not.
    None,
    /// It must ask for the one of this name.
    Tool(String),
}

impl Serialize for ToolChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Any => serializer.serialize_str("any"),
            Self::None => serializer.serialize_str("none"),
            Self::Tool(name) => serde_json::json!({"type": "tool", "name": name}).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ToolChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let kind = value.as_str().or_else(|| value.get("type")?.as_str());
        match (kind, value.get("name").and_then(serde_json::Value::as_str)) {
            (Some("auto"), _) => Ok(Self::Auto),
            (Some("any" | "required"), _) => Ok(Self::Any),
            (Some("none"), _) => Ok(Self::None),
            (Some("tool"), Some(name)) => Ok(Self::Tool(name.to_owned())),
            _ => Err(de::Error::custom(
                "toolChoice: auto, any, none or {\"type\": \"tool\", \"name\": …} expected",
            )),
        }
    }
}

/// Declares an enumeration of structures that a member tells apart.
macro_rules! tagged {
    (
        $(#[$meta:meta])*
        pub enum $name:ident by $tag:literal {
            $( $(#[$vmeta:meta])* $variant:ident($type:ty) = $wire:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$vmeta])* $variant($type), )+
            /// Of a kind that this version does not know.
            Unknown(Document),
        }

        $(
            impl From<$type> for $name {
                fn from(value: $type) -> Self {
                    Self::$variant(value)
                }
            }
        )+

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(
                        Self::$variant(value) => {
                            let mut map = serializer.serialize_map(None)?;
                            map.serialize_entry($tag, $wire)?;
                            value.write_into(&mut map)?;
                            map.end()
                        }
                    )+
                    Self::Unknown(document) => document.serialize(serializer),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Tagged;
                impl<'de> Visitor<'de> for Tagged {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("an object with the member ", $tag))
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut members = Members::default();
                        while let Some(name) = next_name(&mut map)? {
                            if name.0 == $tag && members.is_empty() {
                                // The tag comes first, as a rule: what follows is read as it comes.
                                let tag = map.next_value::<Document>()?;
                                match tag.text() {
                                    $(
                                        concat!("\"", $wire, "\"") => {
                                            let rest = MapAccessDeserializer::new(map);
                                            return <$type>::deserialize(rest).map($name::$variant);
                                        }
                                    )+
                                    _ => members.insert($tag, tag),
                                }
                            } else {
                                members.read_next(name, &mut map)?;
                            }
                        }
                        let document = Document::write(&members).map_err(de::Error::custom)?;
                        match members.named($tag).map(Document::text) {
                            $(
                                Some(concat!("\"", $wire, "\"")) => {
                                    let value = serde_json::from_str::<$type>(document.text());
                                    value.map($name::$variant).map_err(de::Error::custom)
                                }
                            )+
                            _ => Ok($name::Unknown(document)),
                        }
                    }
                }
                deserializer.deserialize_map(Tagged)
            }
        }
    };
}

tagged! {
    /// A turn of a conversation, or a part of one.
    pub enum Message by "role" {
        /// What the user says.
        User(UserMessage) = "user",
        /// What the model said.
        Assistant(Box<AssistantMessage>) = "assistant",
        /// What came of a tool.
        ToolResult(ToolResultMessage) = "toolResult",
        /// Instructions in the middle of a conversation; they become a part of the system prompt.
        System(SystemMessage) = "system",
    }
}

impl Message {
    /// What the user says.
    pub fn user(content: impl Into<Contents>) -> Self {
        Self::User(UserMessage::new().content(content))
    }

    /// What came of a tool call.
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
    /// What the user says.
    pub struct UserMessage {
        optional {
            /// Text, images, documents.
            content: Contents = "content",
            /// When it was said, in milliseconds since 1970.
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
    /// What came of a tool.
    pub struct ToolResultMessage {
        required {
            /// The id of the call.
            tool_call_id: String = "toolCallId",
        }
        optional {
            /// The name of the tool.
            tool_name: String = "toolName",
            /// What it gave back: text, images.
            content: Contents = "content",
            /// Whether it failed.
            is_error: bool = "isError",
        }
        ignored { "role", }
    }
}

structure! {
    /// What the model said.
    pub struct AssistantMessage {
        optional {
            /// Text, thinking, tool calls, in the order they began.
            content: Contents = "content",
            /// The protocol that it came over.
            api: String = "api",
            /// Who served it.
            provider: String = "provider",
            /// The model that said it.
            model: String = "model",
            /// What it took.
            usage: Usage = "usage",
            /// Why it ended.
            stop_reason: StopReason = "stopReason",
            /// Why it ended, in the service's word.
            raw_stop_reason: String = "rawStopReason",
            /// What went wrong, if something did.
            error_message: String = "errorMessage",
            /// What else is known of what went wrong.
            diagnostics: Vec<Diagnostic> = "diagnostics",
            /// When the answer was asked for, in milliseconds since 1970.
            timestamp: Number = "timestamp",
        }
        ignored { "role", }
    }
}

impl AssistantMessage {
    /// The blocks, in the order they began.
    pub fn blocks(&self) -> &[Content] {
        self.content.as_ref().map(|content| content.0.as_slice()).unwrap_or_default()
    }

    /// The text, in one piece.
    pub fn text(&self) -> String {
        let texts = self.blocks().iter().filter_map(|block| match block {
            Content::Text(block) => Some(block.text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// The tools that it asks for.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.blocks().iter().filter_map(|block| match block {
            Content::ToolCall(call) => Some(call),
            _ => None,
        })
    }
}

enumeration! {
    /// Why an answer ended.
    pub enum StopReason {
        /// All was said.
        Stop = "stop",
        /// It reached a limit of tokens.
        Length = "length",
        /// The model waits for the results of tools.
        ToolUse = "toolUse",
        /// Something went wrong.
        Error = "error",
        /// Whoever asked had enough.
        Aborted = "aborted",
    }
}

structure! {
    /// What is known of something that went wrong.
    pub struct Diagnostic {
        required {
            /// What it tells of: `bedrock_response_failure`.
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
    /// What the service said of a failure beside its message.
    pub struct DiagnosticDetails {
        optional {
            /// The HTTP status, where it was not one of success.
            status: u16 = "status",
            /// The service's name for the failure.
            error_code: String = "errorCode",
            /// The service's id of the request.
            request_id: String = "requestId",
        }
    }
}

structure! {
    /// The tokens that an answer took, and what they cost.
    pub struct Usage {
        optional {
            /// Tokens of the prompt that were neither read from the cache nor written to it.
            input: u64 = "input",
            /// Tokens of the answer.
            output: u64 = "output",
            /// Tokens read from the cache.
            cache_read: u64 = "cacheRead",
            /// Tokens written to the cache.
            cache_write: u64 = "cacheWrite",
            /// Those of them that stay for an hour.
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
            /// Those of the answer.
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

/// US dollars.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Dollars(pub f64);

impl Serialize for Dollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // As JavaScript writes it: nothing is `0` and not `0.0`.
        if self.0 == 0.0 { serializer.serialize_u8(0) } else { serializer.serialize_f64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self)
    }
}

tagged! {
    /// A block of a message's content.
    pub enum Content by "type" {
        /// Text.
        Text(TextContent) = "text",
        /// What the model thought.
        Thinking(ThinkingContent) = "thinking",
        /// The model asks for a tool.
        ToolCall(ToolCall) = "toolCall",
        /// An image.
        Image(ImageContent) = "image",
        /// A document.
        Document(DocumentContent) = "document",
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(TextContent::new(text))
    }
}

structure! {
    /// Text.
    pub struct TextContent {
        required {
            /// The text.
            text: String = "text",
        }
        ignored { "type", }
    }
}

structure! {
    /// What the model thought.
    pub struct ThinkingContent {
        required {
            /// The thoughts.
            thinking: String = "thinking",
        }
        optional {
            /// The proof that the model thought so; of redacted thoughts, the thoughts themselves, in base64.
            thinking_signature: String = "thinkingSignature",
            /// Whether the provider encrypted the thoughts.
            redacted: bool = "redacted",
        }
        ignored { "type", }
    }
}

structure! {
    /// The model asks for a tool.
    pub struct ToolCall {
        required {
            /// Names this call, so that the result can refer to it.
            id: String = "id",
            /// The name of the tool.
            name: String = "name",
        }
        optional {
            /// What to give to the tool: an object.
            arguments: Document = "arguments",
            /// What is wrong with the arguments, and their text, where they are not an object of JSON.
            arguments_error: String = "argumentsError",
        }
        ignored { "type", }
    }
}

structure! {
    /// An image.
    pub struct ImageContent {
        required {
            /// The bytes in base64.
            data: String = "data",
            /// `image/png`, `image/jpeg`, `image/gif` or `image/webp`.
            mime_type: String = "mimeType",
        }
        ignored { "type", }
    }
}

structure! {
    /// A document.
    pub struct DocumentContent {
        required {
            /// The bytes in base64.
            data: String = "data",
            /// `application/pdf`, `text/plain`, `text/markdown`, …
            mime_type: String = "mimeType",
        }
        optional {
            /// The name by which the model knows it.
            name: String = "name",
        }
        ignored { "type", }
    }
}

/// The content of a message. In JSON it may be one string instead of a list of blocks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Contents(pub Vec<Content>);

impl From<&str> for Contents {
    fn from(text: &str) -> Self {
        Self(vec![text.into()])
    }
}

impl From<String> for Contents {
    fn from(text: String) -> Self {
        Self(vec![Content::Text(TextContent::new(text))])
    }
}

impl From<Vec<Content>> for Contents {
    fn from(blocks: Vec<Content>) -> Self {
        Self(blocks)
    }
}

impl Serialize for Contents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Contents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StringOrBlocks;
        impl<'de> Visitor<'de> for StringOrBlocks {
            type Value = Contents;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of blocks")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Contents, E> {
                Ok(text.into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut blocks: A) -> Result<Contents, A::Error> {
                let mut contents = Contents::default();
                while let Some(block) = blocks.next_element()? {
                    contents.0.push(block);
                }
                Ok(contents)
            }
        }
        deserializer.deserialize_any(StringOrBlocks)
    }
}

/// A message as it stands in a conversation: with its role.
pub(super) struct InConversation<'a>(pub(super) &'a AssistantMessage);

impl Serialize for InConversation<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("role", "assistant")?;
        self.0.write_into(&mut map)?;
        map.end()
    }
}

/// A tool call as it stands in a message: with its type.
pub(super) struct InMessage<'a>(pub(super) &'a ToolCall);

impl Serialize for InMessage<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "toolCall")?;
        self.0.write_into(&mut map)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_agents_keep_is_read_and_written_back() {
        let json = concat!(
            r#"{"model":{"id":"m","name":"M","reasoning":true,"cost":{"tiers":[{"inputTokensAbove":9}],"input":3.0},"#,
            r#""headers":{"a":"sekret","c":null},"new":1},"context":{"messages":["#,
            r#"{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image","data":"AA==","mimeType":"image/png"}],"timestamp":1.5},"#,
            r#"{"role":"assistant","content":[{"type":"thinking","thinking":"t","thinkingSignature":"s"},"#,
            r#"{"type":"toolCall","id":"1","name":"n","arguments":{"b":1,"a":12345678901234567890123}}],"#,
            r#""usage":{"input":1,"cost":{"input":0,"total":0.5}},"stopReason":"toolUse","timestamp":7},"#,
            r#"{"role":"toolResult","toolCallId":"1","content":[{"type":"sound","pitch":3}]},"#,
            r#"{"role":"note","x":1}],"tools":[{"name":"n","parameters":{"type":"object"}}]},"#,
            r#""options":{"toolChoice":{"name":"n","type":"tool"},"bearerToken":"sekret"}}"#,
        );
        let input = Input::from_json(json).unwrap();
        assert_eq!(serde_json::to_string(&input).unwrap(), json);
        assert!(!format!("{input:?}").contains("sekret"), "{input:?}");
    }

    #[test]
    fn content_may_be_a_string_or_nothing_and_surrogates_may_be_alone() {
        let json = r#"{"model":{"id":"m","input":null},"context":{"messages":[
            {"role":"user","content":"a\ud83d"},{"content":null,"role":"assistant"},{"role":"toolResult","toolCallId":"1"}]}}"#;
        let messages = Input::from_json(json).unwrap().context.messages.unwrap();
        assert_eq!(messages[0], Message::user("a"));
        assert!(matches!(&messages[1], Message::Assistant(message) if message.blocks().is_empty()));
        assert!(matches!(&messages[2], Message::ToolResult(result) if result.content.is_none()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let fault = |json| {
            let error = Input::from_json(json).unwrap_err();
            format!("{error}: {}", std::error::Error::source(&error).unwrap())
        };
        assert!(fault("{}").contains("missing field `model`"));
        assert!(
            fault(r#"{"model":{"id":"m"},"context":{"messages":[{"role":"user","content":7}]}}"#)
                .contains("a string or a list of blocks")
        );
        assert!(
            fault(r#"{"model":{"id":"m"},"context":{},"options":{"toolChoice":"all"}}"#)
                .contains("auto, any, none")
        );
    }
}
