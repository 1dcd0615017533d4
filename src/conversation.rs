//! What models accept, on Converse's own types: one place for every dialect.
//!
//! A dialect turns its request into a [`ConverseRequest`] as it stands, says in a [`Target`] what is known of the
//! model, and in [`Options`] what a `ConverseRequest` has no member for. [`prepare`] mends the request so that the
//! model accepts it, and [`converse_stream`] sends it as well. Neither knows where the request came from.
//!
//! What is mended:
//!
//! - the history ([`Options::repair_history`]): turns alternate and begin with the user's, each tool call has one
//!   result, and no block is blank; names, ids and tool inputs are ones that the service accepts
//! - thoughts: they go back to the model that thought them, in the form of its [`Family`]
//! - system messages between the others: their text is appended to the system prompt
//! - thinking, `maxTokens`, `temperature`, `topP` and the service tier; what changes is among the
//!   [warnings](Prepared::warnings)
//! - strict tools and their schemas, a forced tool choice, cache points
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
mod strict;
mod thinking;
mod tokens;
mod tools;

pub use arguments::{PartialArguments, parse_arguments};
pub use cache::CacheRetention;
pub use cost::Charge;
pub use family::{Family, PromptCache, TemperatureRule, ThinkingForm};
pub use media::{Media, MediaFormat, check_limits};
pub use name::ToolNames;
pub use thinking::ThinkingLevel;

pub(crate) use cost::cache_write_1h;

use std::collections::HashSet;
use std::fmt;

use crate::Result;
use crate::client::Client;
use crate::converse::{
    ContentBlock, ConversationRole, ConverseRequest, Message, SystemContentBlock, Tool, ToolInputSchema,
};
use crate::models::{self, ModelInfo};
use crate::region::is_govcloud;
use crate::stream::EventStream;
use blocks::Blocks;
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
    /// profile whose name does not tell the family. Waits a second for it at most; a profile that cannot be looked up
    /// is one of no known family. The client remembers what it found.
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
            && depends_on_family(request, options)
            && Family::find(id, self, &options.families).is_none()
        {
            self.info.base = models::base_model(client, id).await;
        }
        Ok(())
    }

    fn is_govcloud(&self, model_id: &str) -> bool {
        self.region.as_ref().is_some_and(|region| is_govcloud(region))
            || model_id.starts_with("us-gov.")
            || model_id.starts_with("arn:aws-us-gov:")
    }
}

/// Whether the request differs from family to family.
pub(crate) fn depends_on_family(request: &ConverseRequest, options: &Options) -> bool {
    let inference = request.inference_config.as_ref();
    let mut messages = request.messages.iter().flatten();
    options.cache_retention != Some(CacheRetention::None)
        || options.thinking.is_some()
        || inference.is_some_and(|config| config.temperature.is_some() || config.top_p.is_some())
        || request.service_tier.is_some()
        || request.tool_config.is_some()
        || messages.any(|message| message.role != ConversationRole::User)
}

/// What is asked beyond what a [`ConverseRequest`] can say.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Options {
    /// How much the model is asked to think. `None`: not at all.
    pub thinking: Option<ThinkingLevel>,
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
    /// The conversation's id. Where the service refused its strict tools together, the client remembers that.
    pub session: Option<String>,
    /// Families before the built-in ones.
    pub families: Vec<Family>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            thinking: None,
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

/// A parameter that is changed or not sent. `Display` says it in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// Which: `maxTokens`, `temperature`, `topP`, `serviceTier` or `thinking`.
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
/// Fails with [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a tool that must be strict and cannot be, and where a document of the
/// request is not the JSON that it should be.
pub fn prepare(mut request: ConverseRequest, target: &Target, options: &Options) -> Result<Prepared> {
    let family = Family::find(&request.model_id, target, &options.families).unwrap_or(Family::unknown());
    let thinking = Thinking::of(&request, target, options, family);

    request.tool_config = request.tool_config.filter(|config| !config.tools.is_empty());
    let repairs = options.repair_history;
    let mut tool_names =
        if repairs { tools::names(request.tool_config.as_ref()) } else { ToolNames::default() };
    mend_messages(&mut request, target, options, family, &mut tool_names)?;
    let mut relaxed = Vec::new();
    if let Some(config) = &mut request.tool_config {
        // Claude cannot be made to call a tool while it thinks.
        config.tool_choice =
            config.tool_choice.take().filter(|_| !(family.is_claude() && thinking.level.is_some()));
        relaxed = tools::mend(config, repairs.then_some(&mut tool_names), target, options)?;
    }
    let warnings = parameters::mend(&mut request, target, options, family, thinking)?;
    cache::place_points(&mut request, family, options);
    Ok(Prepared { request, tool_names, warnings, relaxed })
}

/// Mends the messages, and appends the text of system messages to the system prompt.
fn mend_messages(
    request: &mut ConverseRequest,
    target: &Target,
    options: &Options,
    family: &Family,
    names: &mut ToolNames,
) -> Result<()> {
    let repairs = options.repair_history;
    let mut system = request.system.take().unwrap_or_default();
    if repairs {
        system.retain(|block| !matches!(block, SystemContentBlock::Text(text) if text.trim().is_empty()));
    }
    if let Some(messages) = request.messages.take() {
        let takes_images = target.info.images != Some(false);
        let mut blocks = Blocks::new(family, options, takes_images, names);
        let mut turns = Vec::with_capacity(messages.len());
        for (index, mut message) in messages.into_iter().enumerate() {
            if message.role == ConversationRole::System {
                append(&mut system, &mut message, repairs);
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
            history::repair(&mut turns, request.tool_config.is_some());
            media::name_documents(&mut turns);
        }
        request.messages = Some(turns);
    }
    request.system = Some(system).filter(|system| !system.is_empty());
    Ok(())
}

/// Takes the text out of a system message. Which models accept such messages is not known; blocks of other kinds stay
/// for the service to judge.
fn append(system: &mut Vec<SystemContentBlock>, message: &mut Message, repairs: bool) {
    for block in std::mem::take(&mut message.content) {
        match block {
            ContentBlock::Text(text) if text.is_empty() || repairs && text.trim().is_empty() => {}
            ContentBlock::Text(text) => match system.last_mut() {
                Some(SystemContentBlock::Text(last)) => last.extend(["\n\n", &text]),
                _ => system.push(text.into()),
            },
            block => message.content.push(block),
        }
    }
}

/// A call of a model: what was sent, and what came of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Call {
    /// What was sent.
    pub prepared: Prepared,
    /// The response, or why there is none.
    pub response: Result<EventStream>,
}

/// [Looks up](Target::look_up) what the request depends on, [prepares](prepare) it and calls the model. A request that
/// is refused because its strict tools together are too complex is made once more with those alone that must be
/// strict.
///
/// Returns when the first event has arrived, as [`Client::converse_stream`] does. Fails as [`prepare`] does, and where
/// the region cannot be found; the failure of the call itself is in [`Call::response`].
pub async fn converse_stream(
    client: &Client,
    request: ConverseRequest,
    mut target: Target,
    options: &Options,
) -> Result<Call> {
    target.look_up(client, &request, options).await?;
    let mut prepared = prepare(request, &target, options)?;
    let refused = &client.memory().strict_refused;
    if options.session.as_ref().is_some_and(|session| refused.contains(session)) {
        prepared.relax_strict();
    }
    loop {
        let response = client.converse_stream(&prepared.request).await;
        let is_too_strict = response.as_ref().is_err_and(strict::is_too_strict);
        if !(is_too_strict && prepared.relax_strict()) {
            return Ok(Call { prepared, response });
        }
        if let Some(session) = &options.session {
            refused.insert(session.clone());
        }
    }
}

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
    fn the_text_of_system_messages_follows_the_system_prompt() {
        let request = prepared(conversation(), &Options::default());
        assert_eq!(request["system"], json!([{"text": "S\n\nT\n\nU"}]));
        assert_eq!(
            request["messages"],
            json!([
                {"role": "user", "content": [{"text": "a"}]},
                {"role": "system", "content": [{"toolRemoval": {"tool": {"name": "t"}}}]},
                {"role": "user", "content": [{"text": "b"}]}
            ])
        );
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
        let tool = |name: &str| json!({"toolSpec": {"name": name, "inputSchema": {"json": {}}}});
        let config = |name: &str| json!({"tools": [tool(name)], "toolChoice": {"tool": {"name": name}}});
        let request = json!({"modelId": "m", "toolConfig": config("f.g")});
        assert_eq!(prepared(request, &Options::default())["toolConfig"], config("f_g"));
    }
}
