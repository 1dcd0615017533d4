//! What is asked: a model, a conversation, options.

use std::collections::BTreeMap;
use std::fmt;

use serde::de;
use serde_json::Value;

use super::content::Content;
use super::message::{Message, SystemMessage, ToolResultMessage, UserMessage};
use crate::conversation::Family;
use crate::converse::{OutputConfig, PerformanceConfiguration};
use crate::guardrail::GuardrailConfiguration;
use crate::models::Cost;
use crate::shape::{Document, Members};
use crate::spelling::near_miss;
use crate::{Error, ErrorKind};
use pumice_codec::internal::{Failed, Made, Null, Shape, Source, Written, lone_surrogates};
use pumice_codec::structure;

structure! {
    /// What is asked: a model, a conversation and options.
    pub struct Input {
        required {
            /// The model.
            model: Model = "model",
            /// The conversation.
            context: Context = "context",
        }
        optional {
            /// The options.
            options: Options = "options",
        }
    }
}

impl Input {
    /// Reads JSON as JavaScript writes it: without its lone surrogates.
    ///
    /// Fails with [`ErrorKind::InvalidInput`], and says where. A member of the model, the context, its messages and tools,
    /// or the options whose name is nearly that of a known one fails too; other unknown members are kept.
    pub fn from_json(json: &str) -> crate::Result<Self> {
        let expected = "the input: expected JSON of the form {\"model\": …, \"context\": …, \"options\": …}";
        let input = read::<Self>(json, expected)?;
        check_names("", &input.other, Self::MEMBERS)?;
        check_names("model.", &input.model.other, Model::MEMBERS)?;
        check_names("context.", &input.context.other, Context::MEMBERS)?;
        for message in input.context.messages.iter().flatten() {
            let (unknown, known) = match message {
                Message::User(message) => (&message.other, UserMessage::MEMBERS),
                Message::ToolResult(message) => (&message.other, ToolResultMessage::MEMBERS),
                Message::System(message) => (&message.other, SystemMessage::MEMBERS),
                // What a model said comes from a program, not from a person.
                Message::Assistant(_) | Message::Unknown(_) => continue,
            };
            check_names("context.messages.", unknown, known)?;
        }
        for tool in input.context.tools.iter().flatten() {
            check_names("context.tools.", &tool.other, Tool::MEMBERS)?;
        }
        if let Some(options) = &input.options {
            check_names("options.", &options.other, Options::MEMBERS)?;
        }
        Ok(input)
    }
}

/// Fails for a member whose name is nearly that of a known one.
fn check_names(way: &str, unknown: &Members, known: &[&str]) -> crate::Result<()> {
    let near = |name: &str| near_miss(name, known.iter().copied());
    match unknown.iter().find_map(|(name, _)| Some((name, near(name)?))) {
        Some((name, near)) => {
            let message = format!("{way}{name}: there is no such member; did you mean {way}{near}?");
            Err(Error::new(ErrorKind::InvalidInput, message))
        }
        None => Ok(()),
    }
}

/// Reads JSON as JavaScript writes it.
fn read<T: de::DeserializeOwned>(json: &str, expected: &str) -> crate::Result<T> {
    serde_json::from_str(&lone_surrogates(json, ""))
        .map_err(|source| Error::new(ErrorKind::InvalidInput, expected).with_source(source))
}

structure! {
    /// A model, and what is known of it.
    pub struct Model {
        required {
            /// The id of a model or of an inference profile, or an ARN.
            id: String = "id",
        }
        lists {
            /// What it accepts: `text`, `image`. Absent: everything.
            input: String = "input" by takes,
        }
        optional {
            /// The name for people. It also tells the family, where the id does not.
            name: String = "name",
            /// The protocol: `bedrock-converse-stream` unless set.
            api: String = "api",
            /// Who serves it: `amazon-bedrock` unless set.
            provider: String = "provider",
            /// The URL of the runtime. One of Amazon's own names the region, where nothing else does.
            base_url: String = "baseUrl",
            /// Whether it can think. Unless `true`, it is not asked to.
            reasoning: bool = "reasoning",
            /// Its prices.
            cost: Cost = "cost",
            /// The most tokens of prompt and response together.
            context_window: u64 = "contextWindow",
            /// The most tokens of a response.
            max_tokens: u64 = "maxTokens",
            /// Headers of each call, by name.
            headers: BTreeMap<String, Option<Secret>> = "headers",
            /// What is particular about it.
            compat: Compat = "compat",
            /// The model's own names of thinking levels, where they differ.
            thinking_level_map: BTreeMap<String, Option<String>> = "thinkingLevelMap",
        }
    }
}

structure! {
    /// What is particular about a model.
    pub struct Compat {
        optional {
            /// Whether it can be held to the schemas of tools.
            supports_strict_mode: bool = "supportsStrictMode",
        }
    }
}

structure! {
    /// A conversation, with its system prompt and tools.
    pub struct Context {
        lists {
            /// The messages, oldest first.
            messages: Message = "messages" by message,
            /// The tools that the model may call.
            tools: Tool = "tools" by tool,
        }
        optional {
            /// The system prompt.
            system_prompt: String = "systemPrompt",
        }
    }
}

impl Context {
    /// Reads JSON as JavaScript writes it: without its lone surrogates.
    ///
    /// Fails with [`ErrorKind::InvalidInput`], and says where: also for a message of an unknown role, and for a block
    /// of an unknown type in what the model did not say.
    pub fn from_json(json: &str) -> crate::Result<Self> {
        let expected = "expected a conversation: JSON of the form {\"systemPrompt\": …, \"messages\": […]}";
        let context = read::<Self>(json, expected)?;
        context.check_kinds()?;
        Ok(context)
    }

    /// What the caller says must not be lost without a word. (Blocks of an unknown type that a model wrote are left
    /// out.) Messages and blocks are counted from 1.
    pub(super) fn check_kinds(&self) -> crate::Result<()> {
        let fault = |place: String, expected: &str, found: &Document, tag: &str| {
            let found = found.read::<Members>().unwrap_or_default();
            let found = found.named(tag).map_or("none", Document::text);
            Error::new(ErrorKind::InvalidInput, format!("{place}: expected the {expected}, found {found}"))
        };
        for (message, at) in self.messages.iter().flatten().zip(1..) {
            let content = match message {
                Message::User(message) => &message.content,
                Message::ToolResult(message) => &message.content,
                Message::System(message) => &message.content,
                Message::Assistant(_) => continue,
                Message::Unknown(message) => {
                    let expected = "role user, assistant, toolResult or system";
                    return Err(fault(format!("message {at}"), expected, message, "role"));
                }
            };
            for (block, number) in content.iter().flat_map(|content| &content.0).zip(1..) {
                if let Content::Unknown(block) = block {
                    let place = format!("message {at}, block {number}");
                    return Err(fault(place, "type text, image or document", block, "type"));
                }
            }
        }
        Ok(())
    }
}

structure! {
    /// A tool that the model may call.
    pub struct Tool {
        required {
            /// Its name. One that the service refuses is sent under another, and comes back as this.
            name: String = "name",
        }
        optional {
            /// What it does, for the model to read.
            description: String = "description",
            /// The JSON schema of its arguments: an object.
            parameters: Document = "parameters",
            /// Whether the arguments must follow the schema.
            constrained_sampling: ConstrainedSampling = "constrainedSampling",
        }
    }
}

structure! {
    /// Whether the arguments of a tool must follow its schema, for models that can be held to it.
    pub struct ConstrainedSampling {
        optional {
            /// `json_schema`.
            kind: String = "type",
            /// `require`: where that is not possible, it is an error; `prefer`: the schema is sent as it is then.
            strict: String = "strict",
        }
    }
}

structure! {
    /// How to ask.
    pub struct Options {
        optional {
            /// The most tokens of the response. Absent: the model's own limit, and what the context window leaves.
            max_tokens: u64 = "maxTokens",
            /// From 0 to 1. Not sent where the model refuses it.
            temperature: f64 = "temperature",
            /// From 0 to 1: the share of the most likely tokens from which the next one is chosen.
            top_p: f64 = "topP",
            /// From how many of the most likely tokens the next one is chosen.
            top_k: u64 = "topK",
            /// Texts that end the response.
            stop_sequences: Vec<String> = "stopSequences",
            /// Parameters of the model's own.
            additional_model_request_fields: Document = "additionalModelRequestFields",
            /// Betas of Anthropic's.
            betas: Vec<String> = "betas",
            /// Whether latency counts.
            performance_config: PerformanceConfiguration = "performanceConfig",
            /// The form of the response: a JSON schema.
            output_config: OutputConfig = "outputConfig",
            /// Tools of the service's own, by name.
            system_tools: Vec<String> = "systemTools",
            /// The project that the call belongs to.
            project: String = "project",
            /// Whether the model must call a tool.
            tool_choice: ToolChoice = "toolChoice",
            /// How much to think: `minimal`, `low`, `medium`, `high`, `xhigh` or `max`. Absent: the model is not asked
            /// to. `off`: a model that thinks by itself is told not to.
            reasoning: String = "reasoning",
            /// The tokens to think with, by level; for models that count them.
            thinking_budgets: crate::shape::Members = "thinkingBudgets",
            /// Whether to think between tool calls too. Absent: yes.
            interleaved_thinking: bool = "interleavedThinking",
            /// What is shown of the thoughts: `summarized` (the default) or `omitted`.
            thinking_display: String = "thinkingDisplay",
            /// How long the prompt is cached: `none`, `short` (five minutes) or `long` (an hour).
            cache_retention: String = "cacheRetention",
            /// Labels for the invocation logs.
            request_metadata: BTreeMap<String, String> = "requestMetadata",
            /// The guardrail of the call.
            guardrail_config: GuardrailConfiguration = "guardrailConfig",
            /// The service tier: `default`, `flex`, `priority` or `reserved`. Any other is not sent, with a
            /// [warning](super::AssistantStream::warnings).
            service_tier: String = "serviceTier",
            /// The conversation's id. Strict tools that the service refused in it are not tried in it again.
            session_id: String = "sessionId",
            /// The region to call.
            region: String = "region",
            /// The AWS profile.
            profile: String = "profile",
            /// A Bedrock API key. Redacted in `Debug`.
            bearer_token: Secret = "bearerToken",
            /// The same, under its other name.
            api_key: Secret = "apiKey",
            /// Headers of the call, by name; `null` removes one of the model's.
            headers: BTreeMap<String, Option<Secret>> = "headers",
            /// Whether the history is repaired before it is sent. Absent: yes.
            repair_history: bool = "repairHistory",
            /// Whether the oldest images and documents become notes where there are more than the service accepts.
            /// Absent: that is an error.
            omit_old_media: bool = "omitOldMedia",
            /// Whether a request that the service refuses for a known reason is mended and made again. Absent: yes.
            repair: bool = "repair",
            /// Families of models, before the built-in ones.
            families: Vec<Family> = "families",
        }
    }
}

/// A text that is redacted in `Debug`.
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

impl Shape for Secret {
    fn blank() -> Self {
        Self(String::new())
    }

    fn read(&mut self, source: &mut dyn Source, null: Null) -> Result<bool, Failed> {
        self.0.read(source, null)
    }

    fn content(&self) -> Written<'_> {
        Written::Text(&self.0)
    }
}

pumice_codec::serde! { Secret }

/// Whether the model must call a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolChoice {
    /// As the model decides.
    Auto,
    /// It must call one, whichever.
    Any,
    /// It must not call any.
    None,
    /// It must call the one of this name.
    Tool(String),
}

impl Made for ToolChoice {
    fn made(&self) -> Value {
        match self {
            Self::Tool(name) => serde_json::json!({"type": "tool", "name": name}),
            _ => Value::Null,
        }
    }
}

impl Shape for ToolChoice {
    fn blank() -> Self {
        Self::Auto
    }

    fn read(&mut self, source: &mut dyn Source, null: Null) -> Result<bool, Failed> {
        let mut value = Value::Null;
        if !value.read(source, null)? {
            return Ok(false);
        }
        let kind = value.as_str().or_else(|| value.get("type")?.as_str());
        *self = match (kind, value.get("name").and_then(Value::as_str)) {
            (Some("auto"), _) => Self::Auto,
            (Some("any" | "required"), _) => Self::Any,
            (Some("none"), _) => Self::None,
            (Some("tool"), Some(name)) => Self::Tool(name.to_owned()),
            _ => {
                let expected = "toolChoice: expected auto, any, none or {\"type\": \"tool\", \"name\": …}";
                return Err(source.fail(&expected));
            }
        };
        Ok(true)
    }

    fn content(&self) -> Written<'_> {
        match self {
            Self::Auto => Written::Text("auto"),
            Self::Any => Written::Text("any"),
            Self::None => Written::Text("none"),
            Self::Tool(_) => Written::Made(self),
        }
    }
}

pumice_codec::serde! { ToolChoice }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_read_and_written_back() {
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
    fn a_misspelt_member_is_an_error_with_the_nearest_name() {
        for (json, expected) in [
            (
                r#"{"model":{"id":"m","maxToken":1},"context":{}}"#,
                "model.maxToken: there is no such member; did you mean model.maxTokens?",
            ),
            (r#"{"model":{"id":"m"},"context":{"sytemPrompt":"S"}}"#, "did you mean context.systemPrompt?"),
            (
                r#"{"model":{"id":"m"},"context":{"messages":[{"role":"user","contnt":"Hi"}]}}"#,
                "did you mean context.messages.content?",
            ),
            (
                r#"{"model":{"id":"m"},"context":{"tools":[{"name":"t","paramters":{}}]}}"#,
                "did you mean context.tools.parameters?",
            ),
            (r#"{"model":{"id":"m"},"context":{},"options":{"topk":1}}"#, "did you mean options.topK?"),
            (
                r#"{"model":{"id":"m"},"context":{},"option":{}}"#,
                "option: there is no such member; did you mean options?",
            ),
        ] {
            let error = Input::from_json(json).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let others = r#"{"model":{"id":"m","note":1},"context":{"x":1},"options":{"signal":1,"maxRetries":2,"onPayload":3,"env":{}},"env":{}}"#;
        assert!(Input::from_json(others).is_ok());
    }

    #[test]
    fn a_fault_is_named() {
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
