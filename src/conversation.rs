//! What models accept, on Converse's own types: one place for every dialect.
//!
//! A dialect turns its request into a [`ConverseRequest`] as it stands, says in a [`Target`] what is known of the
//! model, and in [`Options`] what a `ConverseRequest` has no member for. [`prepare`] mends the request so that the
//! model accepts it, and [`converse_stream`] sends it as well. Neither knows where the request came from.
//!
//! What is mended:
//!
//! - the history ([`Options::repair_history`]): turns alternate, begin with the user's and end as the model accepts,
//!   each tool call has one result, and no block is blank; names, ids and tool inputs are ones that the service accepts
//! - thoughts: they go back to the model that thought them, in the form of its [`Family`]
//! - system messages: those at the beginning are appended to the system prompt, later ones become turns of the user
//!   where the model has no such messages
//! - images and documents: those that a tool result must not hold stand behind it
//! - thinking, `maxTokens`, `temperature`, `topP`, `topK` and the service tier; what changes is among the
//!   [warnings](Prepared::warnings)
//! - tools and their schemas, strict or not, the tool choice, cache points
//!
//! What a model takes is a table of [families](Family), which [`Options::families`] extends and overrides.
//! [`converse_stream`] also mends what the service refused for a reason that the table does not know, and remembers it.
//!
//! ```
//! use pumice::conversation::{self, Options, Target, ThinkingLevel};
//! use pumice::converse::{ConverseRequest, InferenceConfiguration, Message};
//! use pumice::models::ModelInfo;
//!
//! let id = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
//! let request = ConverseRequest::new(id)
//!     .message(Message::assistant("Ask me about volcanoes."))
//!     .message(Message::user("Why does pumice float?"))
//!     .inference_config(InferenceConfiguration::new().max_tokens(500u32).temperature(0.5));
//! let mut options = Options::default();
//! options.thinking = Some(ThinkingLevel::Low);
//!
//! let prepared = conversation::prepare(request, &Target::new(ModelInfo::known(id)), &options)?;
//! assert_eq!(prepared.request.messages.unwrap()[0].text(), "<empty>", "a conversation begins with the user");
//! let warnings = prepared.warnings.iter().map(ToString::to_string).collect::<Vec<_>>();
//! assert_eq!(
//!     warnings,
//!     [
//!         "maxTokens raised from 500 to 2548: thinking counts toward it",
//!         "temperature 0.5 not sent: the model refuses it with thinking at level low",
//!     ]
//! );
//! # Ok::<(), pumice::Error>(())
//! ```

mod arguments;
mod blocks;
mod cache;
mod cost;
mod family;
mod history;
mod media;
mod name;
mod parameters;
mod repair;
mod schema;
mod strict;
mod thinking;
mod tokens;
mod tools;
mod unstreamed;

pub use arguments::{PartialArguments, parse_arguments};
pub use cache::CacheRetention;
pub use cost::{Charge, net_of_cache};
pub use family::Family;
pub use media::{Media, MediaFormat, check_limits};
pub use name::ToolNames;
pub use thinking::ThinkingLevel;

pub(crate) use cost::cache_write_1h;
#[cfg(feature = "settings")]
pub(crate) use family::Form;
#[cfg(feature = "bulk")]
pub(crate) use tokens::estimated_tokens;

use std::collections::HashSet;
use std::fmt;

use crate::Result;
use crate::client::Client;
use crate::converse::{
    ContentBlock, ConversationRole, ConverseRequest, Message, OutputFormatStructure, SystemContentBlock,
    Tool, ToolInputSchema,
};
use crate::models::{self, ModelInfo};
use crate::region::is_govcloud;
use crate::stream::EventStream;
use blocks::Blocks;
use family::{Capability, Takes};
use parameters::Thinking;

/// The model that a request is for, as far as it is known. Its id is the request's.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Target {
    /// What is known of it. Its family is found by id, name and foundation model; it is asked to think only if it is
    /// known that it can; and it is taken to accept images unless it is known that it does not.
    pub info: ModelInfo,
    /// The region that is called, where it matters: in the `us-gov` regions models accept less.
    pub region: Option<String>,
}

impl Target {
    /// A model of which this is known.
    pub fn new(info: ModelInfo) -> Self {
        Self { info, region: None }
    }

    /// Looks up what the request depends on: the region, and the foundation model behind an application inference
    /// profile whose name does not tell the family, with what the [catalog](models::catalog) knows of that. Waits a
    /// second for it at most; a profile that cannot be looked up is one of no known family. The client remembers what
    /// it found.
    pub async fn look_up(
        &mut self,
        client: &Client,
        request: &ConverseRequest,
        options: &Options,
    ) -> Result<()> {
        let id = &request.model_id;
        if options.thinking.is_some() && self.region.is_none() {
            self.region = Some(client.region_of(id).await?);
        }
        if id.contains(":application-inference-profile/")
            && self.info.base.is_none()
            && !Takes::of(id, self, &options.families, None).known
        {
            self.info.base = models::base_model(client, id).await;
            if let Some(base) = &self.info.base {
                let known = ModelInfo::known(base);
                self.info = std::mem::take(&mut self.info).or(known);
            }
        }
        Ok(())
    }

    fn is_govcloud(&self, model_id: &str) -> bool {
        self.region.as_ref().is_some_and(|region| is_govcloud(region))
            || model_id.starts_with("us-gov.")
            || model_id.starts_with("arn:aws-us-gov:")
    }
}

/// What is asked beyond what a [`ConverseRequest`] can say.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Options {
    /// How much the model is asked to think. `None`: not at all.
    pub thinking: Option<ThinkingLevel>,
    /// Whether a model that thinks by itself is told not to.
    pub thinking_off: bool,
    /// The tokens to think with, for levels up to [`High`](ThinkingLevel::High) and families that count them.
    pub thinking_budgets: Vec<(ThinkingLevel, u64)>,
    /// What is shown of the thoughts: `summarized` unless set, or `omitted`.
    pub thinking_display: Option<String>,
    /// Whether to think between tool calls too. `true` by default.
    pub interleaved_thinking: bool,
    /// How long the prompt is cached. `None`: as `cache_default` says, for families that cache by default.
    pub cache_retention: Option<CacheRetention>,
    /// How long the prompt is cached where `cache_retention` does not say. [`Short`](CacheRetention::Short) by
    /// default.
    pub cache_default: CacheRetention,
    /// Whether every family is taken for one that caches by default.
    pub cache_all_families: bool,
    /// Whether the history is repaired. `true` by default.
    pub repair_history: bool,
    /// The indexes, in rising order, of messages that another model wrote: their thoughts do not go back, and their
    /// tool calls may get other ids.
    pub foreign_messages: Vec<usize>,
    /// How many tokens the service counted earlier in this conversation. Everything else is estimated.
    pub counted: Option<Counted>,
    /// The strict tools, by name, that must be held to their schema. Other strict tools are, where model and schema
    /// allow it.
    pub required_strict: HashSet<String>,
    /// From how many of the most likely tokens the next one is chosen. It goes where the family has it.
    pub top_k: Option<u64>,
    /// Whether the oldest images and documents become notes where the request has more than the service accepts.
    /// Otherwise that is an error.
    pub omit_old_media: bool,
    /// Whether a request that the service refuses for a known reason is mended and made again. `true` by default.
    pub repair: bool,
    /// The conversation's id. Where the service refused its strict tools together, the client remembers that.
    pub session: Option<String>,
    /// Families before those of the program.
    pub families: Vec<Family>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            thinking: None,
            thinking_off: false,
            thinking_budgets: Vec::new(),
            thinking_display: None,
            interleaved_thinking: true,
            cache_retention: None,
            cache_default: CacheRetention::Short,
            cache_all_families: false,
            repair_history: true,
            foreign_messages: Vec::new(),
            counted: None,
            required_strict: HashSet::new(),
            top_k: None,
            omit_old_media: false,
            repair: true,
            session: None,
            families: Vec::new(),
        }
    }
}

/// The tokens of the beginning of a conversation, as the service counted them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// How many messages were counted.
    pub messages: usize,
    /// Their tokens, with those of the system prompt and the tools.
    pub tokens: u64,
}

/// A request that the model accepts, and what is needed to read its response.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Prepared {
    /// The request to send.
    pub request: ConverseRequest,
    /// The names of its tools: as they were given, and as they are sent.
    pub tool_names: ToolNames,
    /// What is sent differently from what was given.
    pub warnings: Vec<Warning>,
    /// Whether the model counts the tokens of the cache among those of the prompt.
    pub cached_in_input: bool,
    /// Whether the model takes this request only without streaming: [`Client::converse`].
    pub unstreamed: bool,
    /// The schemas, by the index of their tool, of tools that are strict and do not have to be.
    relaxed: Vec<(usize, ToolInputSchema)>,
}

impl Prepared {
    /// Makes those tools alone strict that must be, for a service that refused all of them together. Says whether that
    /// changes the request.
    pub fn relax_strict(&mut self) -> bool {
        let mut changed = false;
        for (at, schema) in self.relaxed.drain(..) {
            let tool = self.request.tool_config.as_mut().and_then(|config| config.tools.get_mut(at));
            if let Some(Tool::ToolSpec(tool)) = tool {
                tool.input_schema = schema;
                tool.strict = None;
                changed = true;
            }
        }
        changed
    }
}

/// What is changed or not sent. `Display` says it in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// Which parameter: `maxTokens`, `temperature`, `toolChoice`, `thinking`; `tools`; or `request`.
    pub parameter: &'static str,
    /// What is changed and why: `0.5 not sent: the model refuses it`.
    pub change: String,
}

impl Warning {
    fn new(parameter: &'static str, change: String) -> Self {
        Self { parameter, change }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.parameter, self.change)
    }
}

/// Makes a request one that the model accepts, in time linear in its length. Pure: equal input gives equal output.
///
/// Fails with [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a tool that must be strict and cannot be
/// or whose properties have names that the model refuses, for more or larger images, documents or texts than the
/// service accepts, and where a document of the request is not the JSON that it should be.
pub fn prepare(request: ConverseRequest, target: &Target, options: &Options) -> Result<Prepared> {
    prepare_as(request, target, options, None)
}

/// Prepares a request with what was learnt of its model.
fn prepare_as(
    mut request: ConverseRequest,
    target: &Target,
    options: &Options,
    learnt: Option<&Family>,
) -> Result<Prepared> {
    let takes = &Takes::of(&request.model_id, target, &options.families, learnt);
    let mut thinking = Thinking::of(&request, target, options, takes);
    let mut warnings = Vec::new();

    request.tool_config = request.tool_config.filter(|config| !config.tools.is_empty());
    let repairs = options.repair_history;
    if let Some(config) = &mut request.tool_config
        && repairs
    {
        tools::drop_doubles(config, &mut warnings);
    }
    if request.tool_config.is_some() && takes.takes(Capability::Tools, "no") {
        request.tool_config = None;
        warnings.push(Warning::new("tools", "not sent: the model takes none".into()));
    }
    let mut tool_names =
        if repairs { tools::names(request.tool_config.as_ref()) } else { ToolNames::default() };
    if !takes.says(Capability::TextFormat) {
        ask_for_format(&mut request, &mut warnings);
    }
    mend_messages(&mut request, target, options, takes, &mut tool_names)?;
    media::check(&mut request, takes, options)?;
    thinking.check_loop(request.messages.as_deref().unwrap_or_default());
    let mut relaxed = Vec::new();
    if let Some(config) = &mut request.tool_config {
        tools::choose(config, takes, thinking.level.is_some(), &mut warnings);
        let names = repairs.then_some(&mut tool_names);
        relaxed = tools::mend(config, names, target, options, takes, &mut warnings)?;
    }
    parameters::mend(&mut request, target, options, takes, thinking, &mut warnings)?;
    cache::place_points(&mut request, takes, options);
    let unstreamed = !takes.says(Capability::Streaming)
        || request.tool_config.is_some() && takes.takes(Capability::Tools, "plain");
    let cached_in_input = takes.says(Capability::CachedInInput);
    Ok(Prepared { request, tool_names, warnings, cached_in_input, unstreamed, relaxed })
}

/// Has the system prompt ask for the form of the response, where the service refuses to hold the model to it.
fn ask_for_format(request: &mut ConverseRequest, warnings: &mut Vec<Warning>) {
    let Some(config) = &mut request.output_config else { return };
    let Some(format) = config.text_format.take() else { return };
    if config.effort.is_none() {
        request.output_config = None;
    }
    let mut asks = "Respond with JSON alone, without any other text.".to_owned();
    if let OutputFormatStructure::JsonSchema(definition) = &format.structure {
        asks.extend([" It follows this JSON schema:\n", &definition.schema]);
    }
    request.system.get_or_insert_default().push(asks.into());
    let change = "asked for in the system prompt: the service does not enforce it for this model";
    warnings.push(Warning::new("textFormat", change.to_owned()));
}

/// Mends the messages and the system prompt.
fn mend_messages(
    request: &mut ConverseRequest,
    target: &Target,
    options: &Options,
    takes: &Takes,
    names: &mut ToolNames,
) -> Result<()> {
    let repairs = options.repair_history;
    let mut system = request.system.take().unwrap_or_default();
    if repairs {
        system.retain(|block| !matches!(block, SystemContentBlock::Text(text) if text.trim().is_empty()));
    }
    if let Some(messages) = request.messages.take() {
        let takes_images = target.info.images != Some(false);
        let mut blocks = Blocks::new(takes, options, takes_images, names);
        let mut turns = Vec::with_capacity(messages.len());
        for (index, mut message) in messages.into_iter().enumerate() {
            if message.role == ConversationRole::System {
                let texts = take_texts(&mut message, repairs);
                if turns.is_empty() {
                    append(&mut system, texts);
                } else if !takes.says(Capability::SystemMessages) {
                    // The system prompt stays as it is: what follows it stays in the cache.
                    turns.extend(texts.into_iter().map(Message::user));
                } else {
                    message.content.splice(..0, texts.into_iter().map(ContentBlock::Text));
                }
            } else {
                blocks.mend(index, &mut message)?;
            }
            // The service refuses a turn without content. The repairs fill the user's.
            let drops = message.role != ConversationRole::User && message.content.is_empty();
            if !drops {
                turns.push(message);
            }
        }
        if repairs {
            let prompt = if takes.says(Capability::System) { None } else { take_prompt(&mut system) };
            history::repair(&mut turns, request.tool_config.is_some(), prompt, takes);
            media::name_documents(&mut turns);
        }
        request.messages = Some(turns);
    }
    request.system = Some(system).filter(|system| !system.is_empty());
    Ok(())
}

/// Takes the text out of a system message; blocks of other kinds stay for the service to judge.
fn take_texts(message: &mut Message, repairs: bool) -> Vec<String> {
    let mut texts = Vec::new();
    for block in std::mem::take(&mut message.content) {
        match block {
            ContentBlock::Text(text) if text.is_empty() || repairs && text.trim().is_empty() => {}
            ContentBlock::Text(text) => texts.push(text),
            block => message.content.push(block),
        }
    }
    texts
}

fn append(system: &mut Vec<SystemContentBlock>, texts: Vec<String>) {
    for text in texts {
        match system.last_mut() {
            Some(SystemContentBlock::Text(last)) => last.extend(["\n\n", &text]),
            _ => system.push(text.into()),
        }
    }
}

/// The text of the system prompt, for a model that has none.
fn take_prompt(system: &mut Vec<SystemContentBlock>) -> Option<String> {
    let texts = system.drain(..).filter_map(|block| match block {
        SystemContentBlock::Text(text) => Some(text),
        _ => None,
    });
    Some(texts.collect::<Vec<_>>().join("\n\n")).filter(|text| !text.is_empty())
}

/// A call of a model: what was sent, and what came of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Call {
    /// What was sent.
    pub prepared: Prepared,
    /// What is known of the model, with what was looked up.
    pub target: Target,
    /// The response, or why there is none.
    pub response: Result<EventStream>,
}

/// [Looks up](Target::look_up) what the request depends on, [prepares](prepare) it and calls the model: by Converse,
/// whose response becomes the same events, where the model takes the request only without streaming.
///
/// A request that is refused because its strict tools together are too complex is made once more with those alone that
/// must be strict. With [`Options::repair`], one that is refused for a reason that can be mended is mended and made
/// again: once for each reason, three times at most. The [warnings](Prepared::warnings) say so, and the client remembers
/// it for the model.
///
/// Returns when the first event has arrived, as [`Client::converse_stream`] does. Fails as [`prepare`] does, and where
/// the region cannot be found; the failure of the call itself is in [`Call::response`].
pub async fn converse_stream(
    client: &Client,
    request: ConverseRequest,
    target: Target,
    options: &Options,
) -> Result<Call> {
    let given = request.clone();
    converse_stream_of(client, request, &|| Ok(given.clone()), target, options).await
}

/// As [`converse_stream`], with what makes the request again.
pub(crate) async fn converse_stream_of(
    client: &Client,
    request: ConverseRequest,
    again: &(dyn Fn() -> Result<ConverseRequest> + Sync),
    mut target: Target,
    options: &Options,
) -> Result<Call> {
    target.look_up(client, &request, options).await?;
    let memory = client.memory();
    let model_id = request.model_id.clone();
    let remembered = memory.learnt.get(&model_id).filter(|_| options.repair);
    let mut learnt = Family::default();
    learnt.learn(remembered.as_deref().unwrap_or_default());
    let mut prepared = prepare_as(request, &target, options, Some(&learnt))?;
    if options.session.as_ref().is_some_and(|session| memory.strict_refused.get(session).is_some()) {
        prepared.relax_strict();
    }
    let mut repairs = Vec::new();
    let mut rows = remembered.unwrap_or_default();
    let response = loop {
        let response = if prepared.unstreamed {
            unstreamed::converse(client, &prepared.request).await
        } else {
            client.converse_stream(&prepared.request).await
        };
        let Err(error) = &response else {
            if !repairs.is_empty() {
                memory.learnt.insert(&model_id, &rows);
            }
            break response;
        };
        if strict::is_too_strict(error) && prepared.relax_strict() {
            if let Some(session) = &options.session {
                memory.strict_refused.insert(session, "");
            }
            continue;
        }
        let lesson = if options.repair && repairs.len() < MOST_REPAIRS {
            repair::learn(error, &prepared.request, &mut learnt)
        } else {
            None
        };
        let mended = match &lesson {
            Some(_) => prepare_as(again()?, &target, options, Some(&learnt)).ok(),
            None => None,
        };
        let same = |mended: &Prepared| {
            mended.unstreamed == prepared.unstreamed
                && mended.request.body().ok() == prepared.request.body().ok()
        };
        let (Some(lesson), Some(mended)) = (lesson, mended.filter(|mended| !same(mended))) else {
            break response;
        };
        let (how, what) = match lesson.row.strip_prefix('!') {
            Some(name) => ("without", name),
            None => ("with", lesson.row.as_str()),
        };
        let change = format!("sent again {how} {what}: the service refused it: {}", error.message());
        repairs.push(Warning::new("request", change));
        if lesson.of_model {
            rows.extend([" ", &lesson.row]);
        }
        prepared = mended;
    };
    prepared.warnings.extend(repairs);
    Ok(Call { prepared, target, response })
}

/// How often a call is mended and made again.
const MOST_REPAIRS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn prepared(request: Value, options: &Options) -> Value {
        let request = serde_json::from_value(request).unwrap();
        serde_json::to_value(prepare(request, &Target::default(), options).unwrap().request).unwrap()
    }

    fn conversation() -> Value {
        json!({
            "modelId": "m",
            "system": [{"text": " "}, {"text": "S"}],
            "messages": [
                {"role": "user", "content": [{"text": "a"}]},
                {"role": "system", "content": [{"text": "T"}, {"toolRemoval": {"tool": {"name": "t"}}}]},
                {"role": "assistant", "content": []},
                {"role": "system", "content": [{"text": "U"}]},
                {"role": "user", "content": [{"text": "b"}]}
            ]
        })
    }

    #[test]
    fn system_messages_stay_where_they_are() {
        let mut conversation = conversation();
        conversation["messages"]
            .as_array_mut()
            .unwrap()
            .insert(0, json!({"role": "system", "content": [{"text": "R"}]}));
        let request = prepared(conversation.clone(), &Options::default());
        assert_eq!(request["system"], json!([{"text": "S\n\nR"}]));
        let removal = json!({"toolRemoval": {"tool": {"name": "t"}}});
        assert_eq!(
            request["messages"],
            json!([
                {"role": "user", "content": [{"text": "a"}, {"text": "T"}]},
                {"role": "system", "content": [removal]},
                {"role": "user", "content": [{"text": "U"}, {"text": "b"}]}
            ])
        );
        let families = json!([{"match": ["m"], "systemMessages": true}]);
        let options = Options { families: serde_json::from_value(families).unwrap(), ..Options::default() };
        assert_eq!(
            prepared(conversation, &options)["messages"],
            json!([
                {"role": "user", "content": [{"text": "a"}]},
                {"role": "system", "content": [{"text": "T"}, removal, {"text": "U"}]},
                {"role": "user", "content": [{"text": "b"}]}
            ])
        );
    }

    #[test]
    fn the_prompt_of_a_model_without_one_stands_before_the_first_question() {
        let mut conversation = conversation();
        conversation["modelId"] = "amazon.titan-text-express-v1".into();
        let request = prepared(conversation, &Options::default());
        assert_eq!(request["system"], Value::Null);
        assert_eq!(request["messages"][0]["content"], json!([{"text": "S"}, {"text": "a"}, {"text": "T"}]));
    }

    /// A request that shows what each capability changes.
    fn telling_request() -> Value {
        let thought = json!({"reasoningContent": {"reasoningText": {"text": "t", "signature": "s"}}});
        let png = json!({"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}});
        let pdf = json!({"document": {"format": "pdf", "name": "d", "source": {"bytes": "JVBERi0="}}});
        json!({
            "modelId": "newcomer.one",
            "system": [{"text": "S"}],
            "messages": [
                {"role": "user", "content": [{"text": "a"}]},
                {"role": "assistant", "content": [
                    thought, {"toolUse": {"toolUseId": "tooluse_1", "name": "f", "input": {}}}
                ]},
                {"role": "user", "content": [
                    {"toolResult": {"toolUseId": "tooluse_1", "content": [png, pdf], "status": "error"}}, {"text": "b"}
                ]},
                {"role": "system", "content": [{"text": "M"}]},
                {"role": "user", "content": [pdf, {"text": "c"}]},
                {"role": "assistant", "content": [thought, {"text": "So:"}]}
            ],
            "toolConfig": {
                "tools": [
                    {"toolSpec": {"name": "f", "strict": true, "inputSchema": {"json": {"type": "object", "title": "F",
                        "anyOf": [{"properties": {"a": {}}}]}}}},
                    {"toolSpec": {"name": "g", "strict": true, "inputSchema": {"json": {"type": "object",
                        "properties": {"a": {"type": "string"}}}}}}
                ],
                "toolChoice": {"any": {}}
            },
            "inferenceConfig": {"temperature": 0.5, "topP": 0.5, "stopSequences": ["X"], "maxTokens": 9000},
            "additionalModelRequestFields": {"anthropic_beta": ["b"]},
            "serviceTier": {"type": "flex"},
            "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}}
        })
    }

    #[test]
    fn a_family_of_the_settings_changes_a_request_as_a_row_of_the_program_does() {
        // What is said beside the capability, where it alone changes nothing.
        let also = |name: &str| match name {
            "interleaved" | "thinkingToolChoices" | "temperature" => "thinking=budget",
            "xhigh" | "blockBinding" => "thinking=adaptive",
            "cachePlaces" | "cachePoints" | "cacheTtls" => "promptCache=always",
            _ => "",
        };
        let seen = |families: Vec<Family>, learnt: &Family, name: &str| {
            let mut request = telling_request();
            let mut target = Target::default();
            target.info.max_tokens = Some(64_000);
            target.info.reasoning = Some(true);
            let thinks = !matches!(name, "thinkingOff");
            if name == "propertyNames" {
                request["toolConfig"]["tools"][1]["toolSpec"]["inputSchema"]["json"]["properties"] =
                    json!({"a b": {}});
            }
            if name == "largeDocuments" {
                let large = crate::shape::Blob::from(vec![b'%'; 5_000_000]).to_base64();
                request["messages"][4]["content"][0]["document"]["source"]["bytes"] = large.into();
            }
            if name == "textBytes" {
                request["messages"][0]["content"][0]["text"] = "y".repeat(200).into();
            }
            let options = Options {
                thinking: thinks.then_some(ThinkingLevel::Xhigh),
                thinking_off: !thinks,
                top_k: Some(5),
                cache_retention: (name != "promptCache").then_some(CacheRetention::Long),
                families,
                ..Options::default()
            };
            let request = serde_json::from_value(request).unwrap();
            match prepare_as(request, &target, &options, Some(learnt)) {
                Ok(prepared) => format!(
                    "{} {} {} {:?}",
                    serde_json::to_string(&prepared.request).unwrap(),
                    prepared.unstreamed,
                    prepared.cached_in_input,
                    prepared.warnings
                ),
                Err(error) => error.to_string(),
            }
        };
        for (name, form) in Family::CAPABILITIES {
            // Each value is tried, until one changes the request.
            let values = match form {
                Form::Switch => vec![json!(true), json!(false)],
                Form::Number => vec![json!(0), json!(100)],
                Form::Word(words) => words.iter().map(|word| json!(word)).collect(),
                Form::Words(words) => vec![json!([]), json!(words)],
            };
            let mut changed = false;
            let mut before = Family::default();
            before.learn(also(name));
            let base = seen(Vec::new(), &before, name);
            for value in values {
                let text = match &value {
                    Value::Array(words) => {
                        let words = words.iter().filter_map(Value::as_str).collect::<Vec<_>>();
                        format!("{name}={}", words.join(","))
                    }
                    Value::String(word) => format!("{name}={word}"),
                    value => format!("{name}={value}"),
                };
                let mut row = before.clone();
                row.learn(&text);
                let as_row = seen(Vec::new(), &row, name);
                let family = json!({"match": ["newcomer"], *name: value});
                let as_setting = seen(vec![serde_json::from_value(family).unwrap()], &before, name);
                // What was learnt counts before the settings: what stands in both is the learnt one.
                if also(name).split('=').next().is_none_or(|said| said != *name) {
                    assert_eq!(as_row, as_setting, "{text}");
                }
                changed |= as_row != base;
            }
            assert!(changed, "{name} changes nothing in {base}");
        }
    }

    #[test]
    fn without_repairs_the_history_stays() {
        let options = Options { repair_history: false, ..Options::default() };
        let history = json!([
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a|b", "name": "f.g", "input": []}}]},
            {"role": "user", "content": [{"text": " "}]},
            {"role": "user", "content": []}
        ]);
        let request = json!({"modelId": "m", "system": [{"text": " "}], "messages": history});
        assert_eq!(prepared(request.clone(), &options), request);
    }

    #[test]
    fn empty_tools_are_left_out_and_choices_name_the_tool_as_it_is_sent() {
        let request = json!({"modelId": "m", "toolConfig": {"tools": []}});
        assert_eq!(prepared(request, &Options::default()), json!({"modelId": "m"}));
        let tool =
            |name: &str| json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}});
        let config = |name: &str| json!({"tools": [tool(name)], "toolChoice": {"tool": {"name": name}}});
        let request = json!({"modelId": "m", "toolConfig": config("f.g")});
        assert_eq!(prepared(request, &Options::default())["toolConfig"], config("f_g"));
    }
}
