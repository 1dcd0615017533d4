//! What is asked, into the request that goes out.

use serde_json::Value;

use super::cache::{CacheRetention, place_points};
use super::family::{PromptCache, TemperatureRule, ThinkingForm, Traits, UNKNOWN};
use super::history::turns;
use super::message::{
    Content, Contents, Context, Input, Message, Model, Options, StopReason, Tool, ToolChoice,
};
use super::name::ToolNames;
use super::strict::strict_schema;
use super::thinking::{LEAST_BUDGET, Level, fields, refuses_limits};
use crate::converse::{
    AnyToolChoice, AutoToolChoice, ConverseRequest, InferenceConfiguration, ServiceTier, SpecificToolChoice,
    SystemContentBlock, ToolChoice as SentToolChoice, ToolConfiguration, ToolInputSchema, ToolSpecification,
};
use crate::shape::Document;
use crate::{Error, ErrorKind, Result};

/// What a request depends on beside the input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Surroundings {
    /// The region that is called: in those of the US government, models know less.
    pub region: Option<String>,
    /// The ids of the models behind the one that is asked, where that is an inference profile whose name does
    /// not tell.
    pub base_models: Vec<String>,
    /// How long prompts are cached where the options do not say.
    pub cache_retention: CacheRetention,
    /// Whether models whose family is not known are taken to cache prompts (`AWS_BEDROCK_FORCE_CACHE=1`).
    pub force_cache: bool,
    /// Whether the model is held only to the tools that require it, and not to those that would prefer it: all
    /// together were too much for the service.
    pub less_strict: bool,
}

/// A request, and what is needed to read its answer.
#[derive(Debug, Clone)]
pub struct Prepared {
    request: ConverseRequest,
    pub(super) names: ToolNames,
    /// Whether there are tools that could be held to less strictly.
    pub(super) strict_by_preference: bool,
    warnings: Vec<String>,
}

impl Prepared {
    /// Makes the request that an input stands for, in time linear in its length. Pure: the same input gives
    /// the same request.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] for options that cannot be, and for images and documents that
    /// the API has no format for.
    pub fn new(input: &Input, surroundings: &Surroundings) -> Result<Self> {
        let no_options = Options::new();
        let (model, context) = (&input.model, &input.context);
        let options = input.options.as_ref().unwrap_or(&no_options);
        let traits = traits(model, options, surroundings);
        let repair = options.repair_history != Some(false);

        let tools = match options.tool_choice {
            Some(ToolChoice::None) => &[],
            _ => context.tools.as_deref().unwrap_or_default(),
        };
        let mut names = if repair {
            ToolNames::of(tools.iter().map(|tool| tool.name.as_str()))
        } else {
            ToolNames::default()
        };
        let mut request = ConverseRequest::new(model.id.as_str());
        request.messages = Some(turns(context, model, &traits, &mut names, repair, !tools.is_empty())?);
        request.system = system(context, repair);

        let mut warnings = Vec::new();
        let mut strict_by_preference = false;
        let thinking = thinking(model, context, options, &traits, surroundings)?;
        let inference = inference_config(model, context, options, &traits, &thinking);
        warnings.extend(changes(model, options, &traits, &thinking, &inference));
        // A plain question goes out without a word too many.
        request.inference_config =
            Some(inference).filter(|config| !input.is_plain() || *config != InferenceConfiguration::new());
        request.additional_model_request_fields = thinking.fields.map(Document::from);
        if !tools.is_empty() {
            let mut sent = ToolConfiguration::new(Vec::new());
            for tool in tools {
                let name = if repair { names.send(&tool.name) } else { tool.name.clone() };
                let strictness = strictness(tool, surroundings);
                let tool = tool_specification(tool, name, model, strictness)?;
                strict_by_preference |= strictness == Strictness::Preferred && tool.strict == Some(true);
                sent = sent.tool(tool);
            }
            // Claude cannot be made to ask for a tool while it thinks.
            if !(traits.claude && thinking.level.is_some()) {
                sent.tool_choice =
                    options.tool_choice.as_ref().and_then(|choice| tool_choice(choice, &mut names));
            }
            request.tool_config = Some(sent);
        }
        request.request_metadata.clone_from(&options.request_metadata);
        request.guardrail_config.clone_from(&options.guardrail_config);
        request.service_tier = service_tier(options, &traits, &mut warnings);
        place_points(&mut request, options, &traits, surroundings.cache_retention)?;
        Ok(Self { request, names, strict_by_preference, warnings })
    }

    /// What of the options was passed over or goes out as something else, for people to read.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The request.
    pub fn request(&self) -> &ConverseRequest {
        &self.request
    }
}

fn traits(model: &Model, options: &Options, surroundings: &Surroundings) -> Traits {
    let families = options.families.as_deref().unwrap_or_default();
    let traits = Traits::of(model, &surroundings.base_models, families).unwrap_or(UNKNOWN);
    if surroundings.force_cache && !traits.claude {
        return Traits { prompt_cache: PromptCache::Always, ..traits };
    }
    traits
}

/// The system prompt, with the instructions from the middle of the conversation behind it.
fn system(context: &Context, repair: bool) -> Option<Vec<SystemContentBlock>> {
    let later = context.messages.iter().flatten().filter_map(|message| match message {
        Message::System(message) => message.content.as_ref(),
        _ => None,
    });
    let later = later.flat_map(texts);
    let all = context.system_prompt.as_deref().into_iter().chain(later);
    let kept = all.filter(|text| !(text.is_empty() || repair && text.trim().is_empty())).collect::<Vec<_>>();
    (!kept.is_empty()).then(|| vec![kept.join("\n\n").into()])
}

fn texts(contents: &Contents) -> impl Iterator<Item = &str> {
    contents.0.iter().filter_map(|block| match block {
        Content::Text(block) => Some(block.text.as_str()),
        _ => None,
    })
}

/// How a request asks to think, if it does.
#[derive(Default)]
struct Thinking {
    level: Option<Level>,
    fields: Option<Value>,
    /// The limit of tokens, thinking and all; where thinking has a say in it.
    max_tokens: Option<u64>,
}

fn thinking(
    model: &Model,
    context: &Context,
    options: &Options,
    traits: &Traits,
    surroundings: &Surroundings,
) -> Result<Thinking> {
    let Some(level) = Level::asked(model, options)? else { return Ok(Thinking::default()) };
    let mut budget = 0;
    let mut max_tokens = None;
    if traits.thinking == Some(ThinkingForm::Budget) {
        budget = level.budget(options.thinking_budgets.as_ref());
        let most = positive(model.max_tokens).unwrap_or(u64::MAX);
        let answer = wanted_tokens(model, options).unwrap_or(USUAL_ANSWER);
        let limit = clamped(answer.saturating_add(budget).min(most), model, context);
        budget = budget.min(limit.saturating_sub(LEAST_BUDGET));
        if budget < LEAST_BUDGET {
            // There is no room to think: the service would refuse so small a budget.
            return Ok(Thinking::default());
        }
        max_tokens = Some(limit);
    }
    let govcloud = is_govcloud(model, surroundings);
    let fields = fields(level, model, options, traits, budget, govcloud);
    Ok(Thinking { level: fields.is_some().then_some(level), fields, max_tokens })
}

fn is_govcloud(model: &Model, surroundings: &Surroundings) -> bool {
    surroundings.region.as_ref().is_some_and(|region| region.starts_with("us-gov-"))
        || model.id.starts_with("us-gov.")
        || model.id.starts_with("arn:aws-us-gov:")
}

fn inference_config(
    model: &Model,
    context: &Context,
    options: &Options,
    traits: &Traits,
    thinking: &Thinking,
) -> InferenceConfiguration {
    let mut inference = InferenceConfiguration::new();
    if thinking.level.is_some_and(|level| refuses_limits(level, traits)) {
        return inference;
    }
    let limit = thinking.max_tokens.or_else(|| Some(clamped(wanted_tokens(model, options)?, model, context)));
    inference.max_tokens = limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
    inference.temperature = options.temperature.filter(|_| match traits.temperature {
        TemperatureRule::Never => false,
        TemperatureRule::NotWithThinking => thinking.level.is_none(),
        _ => true,
    });
    inference
}

/// What of thinking, limit and temperature goes out otherwise than it was asked for.
fn changes(
    model: &Model,
    options: &Options,
    traits: &Traits,
    thinking: &Thinking,
    sent: &InferenceConfiguration,
) -> Vec<String> {
    let mut changes = Vec::new();
    let level = options.reasoning.as_deref().filter(|level| !matches!(*level, "off" | "none"));
    let thinks = thinking.level.is_some();
    if let Some(level) = level.filter(|_| !thinks) {
        let why = if model.reasoning == Some(true) && traits.thinking == Some(ThinkingForm::Budget) {
            format!("the limit of tokens leaves less than the {LEAST_BUDGET} that thinking takes")
        } else {
            format!("{} is not known to think", model.id)
        };
        changes.push(format!("thinking: {level} asked for, nothing sent: {why}"));
    }
    let level = level.unwrap_or_default();
    if let Some(asked) = positive(options.max_tokens) {
        match sent.max_tokens {
            Some(sent) if thinks && u64::from(sent) > asked => changes.push(format!(
                "limit of tokens: {asked} asked for, {sent} sent: what is thought at the level {level} counts too"
            )),
            None => changes.push(format!(
                "limit of tokens: {asked} asked for, none sent: the model refuses one beside thinking at the level \
                 {level}"
            )),
            Some(_) => {}
        }
    }
    if let (Some(asked), None) = (options.temperature, sent.temperature) {
        let why = if traits.temperature == TemperatureRule::Never {
            "the model refuses any".to_owned()
        } else {
            format!("the model refuses one beside thinking at the level {level}")
        };
        changes.push(format!("temperature: {asked} asked for, none sent: {why}"));
    }
    changes
}

/// The limit of tokens that is asked for, or else the model's own. Nobody wants none at all.
fn wanted_tokens(model: &Model, options: &Options) -> Option<u64> {
    positive(options.max_tokens).or_else(|| positive(model.max_tokens))
}

fn positive(number: Option<u64>) -> Option<u64> {
    number.filter(|number| *number > 0)
}

/// The limit, or less where the context leaves no room for it.
fn clamped(limit: u64, model: &Model, context: &Context) -> u64 {
    let Some(window) = positive(model.context_window) else { return limit };
    let input = estimated_tokens(context);
    let margin = LEAST_MARGIN.max((input * 15).div_ceil(100));
    let room = window.saturating_sub(input).saturating_sub(margin);
    let room = if room < COMFORTABLE_ROOM {
        COMFORTABLE_ROOM.min(window.saturating_sub(input).saturating_sub(LEAST_MARGIN))
    } else {
        room
    };
    limit.min(room.max(1))
}

/// How many tokens the context has, at a guess: what the service counted at the last answer, and what
/// has been added since.
fn estimated_tokens(context: &Context) -> u64 {
    let messages = context.messages.as_deref().unwrap_or_default();
    let counted = messages.iter().enumerate().rev().find_map(|(at, message)| match message {
        Message::Assistant(message)
            if !matches!(message.stop_reason, Some(StopReason::Error | StopReason::Aborted)) =>
        {
            positive(message.usage.as_ref()?.total_tokens).map(|total| (at + 1, total))
        }
        _ => None,
    });
    let (from, tokens) = counted.unwrap_or_default();
    let mut characters = messages.iter().skip(from).map(message_characters).sum::<usize>();
    if counted.is_none() {
        characters += context.system_prompt.as_ref().map_or(0, |system| system.chars().count());
        let tools = context.tools.iter().flatten();
        characters += tools.map(tool_characters).sum::<usize>();
    }
    // A token for three and a half characters.
    let added = u64::try_from(characters).unwrap_or(u64::MAX / 2).saturating_mul(2).div_ceil(7);
    tokens.saturating_add(added).min(u64::MAX / 16)
}

fn message_characters(message: &Message) -> usize {
    let content = match message {
        Message::User(message) => message.content.as_ref(),
        Message::Assistant(message) => message.content.as_ref(),
        Message::ToolResult(message) => message.content.as_ref(),
        // Counted as a part of the system prompt would be.
        Message::System(message) => message.content.as_ref(),
        Message::Unknown(_) => None,
    };
    let blocks = content.iter().flat_map(|content| &content.0);
    let count = |text: &str| text.chars().count();
    blocks
        .map(|block| match block {
            Content::Text(block) => count(&block.text),
            Content::Thinking(block) => count(&block.thinking),
            Content::ToolCall(call) => {
                count(&call.name) + call.arguments.as_ref().map_or(0, |input| count(input.text()))
            }
            Content::Image(_) => IMAGE_CHARACTERS,
            Content::Document(document) => document.data.len(),
            Content::Unknown(_) => 0,
        })
        .sum()
}

fn tool_characters(tool: &Tool) -> usize {
    let parameters = tool.parameters.as_ref().map_or("", Document::text);
    let description = tool.description.as_deref().unwrap_or_default();
    [&tool.name, description, parameters].map(|text| text.chars().count()).iter().sum()
}

/// The tier of capacity that is asked for, if there is such a one.
fn service_tier(options: &Options, traits: &Traits, warnings: &mut Vec<String>) -> Option<ServiceTier> {
    let tier = options.service_tier.as_deref()?.trim().to_lowercase();
    let why = if !TIERS.contains(&tier.as_str()) {
        "default, flex, priority or reserved expected"
    } else if traits.default_tier_only && tier != "default" {
        "this model is served in the default tier alone"
    } else {
        return Some(ServiceTier::new(tier.as_str()));
    };
    warnings.push(format!("the service tier {tier:?} is passed over: {why}"));
    None
}

/// Whether a tool's arguments are held to its schema.
#[derive(Clone, Copy, PartialEq)]
enum Strictness {
    No,
    Preferred,
    Required,
}

fn strictness(tool: &Tool, surroundings: &Surroundings) -> Strictness {
    let wish = tool.constrained_sampling.as_ref().filter(|wish| wish.kind.as_deref() == Some("json_schema"));
    match wish.and_then(|wish| wish.strict.as_deref()) {
        None => Strictness::No,
        Some("require") => Strictness::Required,
        Some(_) if surroundings.less_strict => Strictness::No,
        Some(_) => Strictness::Preferred,
    }
}

fn tool_specification(
    tool: &Tool,
    name: String,
    model: &Model,
    strictness: Strictness,
) -> Result<ToolSpecification> {
    let schema = tool
        .parameters
        .clone()
        .unwrap_or_else(|| serde_json::json!({"type": "object", "properties": {}}).into());
    let strict = strict(tool, &schema, model, strictness)?;
    let held_to = strict.is_some();
    let schema = strict.map_or(schema, Document::from);
    let mut specification = ToolSpecification::new(name, ToolInputSchema::Json(schema));
    // The service refuses a description that is blank.
    specification.description = tool.description.clone().filter(|description| !description.trim().is_empty());
    specification.strict = held_to.then_some(true);
    Ok(specification)
}

/// The schema that the model is held to, if it can be.
fn strict(tool: &Tool, schema: &Document, model: &Model, strictness: Strictness) -> Result<Option<Value>> {
    if strictness == Strictness::No {
        return Ok(None);
    }
    let can = model.compat.as_ref().is_some_and(|compat| compat.supports_strict_mode == Some(true));
    let strict =
        if can { strict_schema(&schema.read()?) } else { Err("the model cannot be held to a schema".into()) };
    match strict {
        Ok(schema) => Ok(Some(schema)),
        Err(why) if strictness == Strictness::Required => {
            let name = &tool.name;
            let message = format!("Tool \"{name}\" requires JSON-schema constrained sampling, but {why}.");
            Err(Error::new(ErrorKind::InvalidInput, message))
        }
        Err(_) => Ok(None),
    }
}

fn tool_choice(choice: &ToolChoice, names: &mut ToolNames) -> Option<SentToolChoice> {
    match choice {
        ToolChoice::Auto => Some(AutoToolChoice::new().into()),
        ToolChoice::Any => Some(AnyToolChoice::new().into()),
        ToolChoice::Tool(name) => Some(SpecificToolChoice::new(names.send(name)).into()),
        ToolChoice::None => None,
    }
}

const TIERS: [&str; 4] = ["default", "flex", "priority", "reserved"];
/// What an image counts for.
const IMAGE_CHARACTERS: usize = 4800;
/// The tokens of an answer when nobody says how many, as the service has it for Claude.
const USUAL_ANSWER: u64 = 4096;
/// How much of the context is left free at least, since its length is guessed.
const LEAST_MARGIN: u64 = 4096;
/// As long as there is so much room, the margin is a share of the context.
const COMFORTABLE_ROOM: u64 = 32768;

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "what is given reads best where it stands")]
mod tests {
    use super::*;
    use serde_json::json;

    fn body(input: Value) -> Value {
        let input = serde_json::from_value::<Input>(input).unwrap();
        let prepared = Prepared::new(&input, &Surroundings::default()).unwrap();
        serde_json::from_slice(&prepared.request().body().unwrap()).unwrap()
    }

    fn asked(model: Value, options: Value) -> Value {
        body(json!({
            "model": model,
            "context": {"messages": [{"role": "user", "content": "hi"}], "tools": [{"name": "t", "description": " "}]},
            "options": options
        }))
    }

    #[test]
    fn the_limit_is_never_nothing() {
        let limit = |model: Value, options| asked(model, options)["inferenceConfig"]["maxTokens"].clone();
        assert_eq!(limit(json!({"id": "m"}), json!({})), Value::Null);
        assert_eq!(limit(json!({"id": "m", "maxTokens": 0}), json!({"maxTokens": 0})), Value::Null);
        assert_eq!(limit(json!({"id": "m", "maxTokens": 9}), json!({})), 9);
        assert_eq!(limit(json!({"id": "m", "maxTokens": 9}), json!({"maxTokens": 5})), 5);
        assert_eq!(limit(json!({"id": "m", "contextWindow": 5000}), json!({"maxTokens": 5000})), 902);
        assert_eq!(limit(json!({"id": "m", "contextWindow": 50}), json!({"maxTokens": 5000})), 1);
        assert_eq!(limit(json!({"id": "m", "contextWindow": 100_000}), json!({"maxTokens": 99_000})), 95_902);
    }

    #[test]
    fn what_was_counted_is_not_guessed() {
        let usage = json!({"totalTokens": 90_000});
        let body = body(json!({
            "model": {"id": "m", "contextWindow": 100_000, "maxTokens": 8000},
            "context": {"systemPrompt": "x".repeat(500_000), "messages": [
                {"role": "user", "content": "hi"}, {"role": "assistant", "content": "a", "usage": usage},
                {"role": "user", "content": "y".repeat(7)}
            ]}
        }));
        assert_eq!(body["inferenceConfig"]["maxTokens"], 100_000 - 90_002 - 4096);
    }

    #[test]
    fn what_a_model_refuses_beside_thinking_is_left_out() {
        let claude = json!({"id": "anthropic.claude-sonnet-4-5", "reasoning": true, "maxTokens": 64000});
        let options = json!({"temperature": 0.5, "toolChoice": "any"});
        let plain = asked(claude.clone(), options);
        assert_eq!(plain["inferenceConfig"]["temperature"], 0.5);
        assert_eq!(plain["toolConfig"]["toolChoice"], json!({"any": {}}));
        let thinking = asked(claude, json!({"temperature": 0.5, "toolChoice": "any", "reasoning": "low"}));
        assert_eq!(thinking["inferenceConfig"], json!({"maxTokens": 64000}));
        assert_eq!(thinking["toolConfig"]["toolChoice"], Value::Null);
        let never = asked(json!({"id": "anthropic.claude-opus-4-8"}), json!({"temperature": 0.5}));
        assert_eq!(never["inferenceConfig"], json!({}));

        let nova = json!({"id": "amazon.nova-2-lite-v1:0", "reasoning": true, "maxTokens": 9000});
        let with = |level: &str| asked(nova.clone(), json!({"temperature": 0.5, "reasoning": level}));
        assert_eq!(with("high")["inferenceConfig"], json!({}));
        assert_eq!(with("medium")["inferenceConfig"], json!({"maxTokens": 9000, "temperature": 0.5}));
    }

    #[test]
    fn there_is_no_thinking_without_room_for_it() {
        let small = json!({"id": "anthropic.claude-sonnet-4-5", "reasoning": true, "maxTokens": 2000});
        let body = asked(small, json!({"reasoning": "high"}));
        assert_eq!(body["additionalModelRequestFields"], Value::Null);
        assert_eq!(body["inferenceConfig"]["maxTokens"], 2000);
        let middle = json!({"id": "anthropic.claude-sonnet-4-5", "reasoning": true, "maxTokens": 4096});
        let body = asked(middle, json!({"reasoning": "max"}));
        assert_eq!(body["additionalModelRequestFields"]["thinking"]["budget_tokens"], 3072);
    }

    #[test]
    fn what_is_given_goes_out() {
        let guardrail = json!({"guardrailIdentifier": "g", "guardrailVersion": "1"});
        let body = asked(
            json!({"id": "m"}),
            json!({
                "guardrailConfig": guardrail, "serviceTier": " Flex", "requestMetadata": {"a": "b"}
            }),
        );
        assert_eq!(body["guardrailConfig"], guardrail);
        assert_eq!(body["serviceTier"], json!({"type": "flex"}));
        assert_eq!(body["requestMetadata"], json!({"a": "b"}));
        let spec = json!({"name": "t", "inputSchema": {"json": {"type": "object", "properties": {}}}});
        assert_eq!(body["toolConfig"], json!({"tools": [{"toolSpec": spec}]}));
    }

    #[test]
    fn instructions_from_the_middle_stand_behind_the_system_prompt() {
        let body = body(json!({"model": {"id": "m"}, "context": {"systemPrompt": "S", "messages": [
            {"role": "user", "content": "a"}, {"role": "system", "content": "T"}, {"role": "user", "content": "b"}
        ]}}));
        assert_eq!(body["system"], json!([{"text": "S\n\nT"}]));
        assert_eq!(body["messages"], json!([{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}]));
    }

    #[test]
    fn a_schema_that_must_be_held_to_and_cannot_be_is_an_error() {
        let input = |strict: &str| {
            let input = json!({"model": {"id": "m"}, "context": {"tools": [
                {"name": "t", "constrainedSampling": {"type": "json_schema", "strict": strict}}
            ]}});
            Prepared::new(&serde_json::from_value(input).unwrap(), &Surroundings::default())
        };
        assert!(input("prefer").is_ok());
        let fault = input("require").unwrap_err().to_string();
        assert!(fault.starts_with("Tool \"t\" requires JSON-schema constrained sampling, but "), "{fault}");
    }
}
