//! Thinking, the limit of tokens, temperature and service tier of a request, as the [family](super::family) takes them.

use serde_json::{Map, Value};

use super::family::{Capability, Takes};
use super::thinking::{LEAST_BUDGET, ThinkingLevel, fields, off_fields, refuses_parameters};
use super::tokens::clamp;
use super::{Options, Target, Warning};
use crate::Result;
use crate::converse::{
    ContentBlock, ConversationRole, ConverseRequest, InferenceConfiguration, Message, ServiceTierType,
};
use crate::shape::{Document, Members};

/// How a request asks for thinking.
#[derive(Default)]
pub(super) struct Thinking {
    /// `None`: not at all.
    pub(super) level: Option<ThinkingLevel>,
    fields: Option<Map<String, Value>>,
    /// The limit of tokens, where thinking counts toward it.
    max_tokens: Option<u64>,
    /// Whether the model counts the tokens that it thinks with.
    has_budget: bool,
    /// Why the model is not asked to think although it should be.
    why_not: Option<&'static str>,
}

impl Thinking {
    pub(super) fn of(request: &ConverseRequest, target: &Target, options: &Options, takes: &Takes) -> Self {
        let level = options.thinking.filter(|_| target.info.reasoning == Some(true));
        let Some(level) = level else { return Self::default() };
        let has_budget = takes.takes(Capability::Thinking, "budget");
        let (mut budget, mut max_tokens) = (0, None);
        if has_budget {
            let most = most_tokens(target, takes).unwrap_or(u64::MAX);
            let asked = asked_tokens(request.inference_config.as_ref());
            budget = level.budget(options);
            let wanted = match asked {
                // What is asked for is kept where thinking fits into it.
                Some(asked) if asked >= 2 * LEAST_BUDGET => asked,
                asked => {
                    asked.or(most_tokens(target, takes)).unwrap_or(DEFAULT_RESPONSE).saturating_add(budget)
                }
            };
            let limit = clamp(wanted.min(most), request, target, options);
            budget = budget.min(limit.saturating_sub(LEAST_BUDGET));
            if budget < LEAST_BUDGET {
                return Self { why_not: Some(NO_ROOM), ..Self::default() };
            }
            max_tokens = Some(limit);
        }
        let fields = fields(level, &request.model_id, target, options, takes, budget);
        Self { level: fields.is_some().then_some(level), fields, max_tokens, has_budget, why_not: None }
    }

    /// Leaves thinking out where the model counts its tokens and its last turn calls tools without a thought before
    /// them: "Expected `thinking` or `redacted_thinking`, but found `tool_use`".
    pub(super) fn check_loop(&mut self, turns: &[Message]) {
        let last = turns.iter().rfind(|turn| turn.role == ConversationRole::Assistant);
        let begins_with_thought =
            |turn: &Message| matches!(turn.content.first(), Some(ContentBlock::ReasoningContent(_)));
        let lacks = last.is_some_and(|turn| turn.tool_uses().next().is_some() && !begins_with_thought(turn));
        if self.has_budget && lacks {
            *self = Self { why_not: Some(IN_A_LOOP), ..Self::default() };
        }
    }
}

/// Sets what the model accepts of the parameters, and says what is changed.
pub(super) fn mend(
    request: &mut ConverseRequest,
    target: &Target,
    options: &Options,
    takes: &Takes,
    thinking: Thinking,
    warnings: &mut Vec<Warning>,
) -> Result<()> {
    let mut warn = |parameter, change: String| warnings.push(Warning::new(parameter, change));
    let level = thinking.level.or(options.thinking).map_or("off", ThinkingLevel::name);
    let with_thinking = || format!("the model refuses it with thinking at level {level}");
    let mut added = thinking.fields.unwrap_or_default();
    match (options.thinking, thinking.level) {
        (Some(_), None) => {
            let why = match thinking.why_not {
                Some(why) => why.to_owned(),
                None => format!("{} is not known to support thinking", request.model_id),
            };
            warn("thinking", format!("{level} not sent: {why}"));
        }
        (_, Some(asked @ ThinkingLevel::Xhigh))
            if thinking.has_budget || asked.effort(target, takes) == "high" =>
        {
            warn("thinking", format!("{level} lowered to high: the model has no {level}"));
        }
        _ if options.thinking_off && target.info.reasoning != Some(false) => {
            match off_fields(target, takes) {
                Ok(off) => added.extend(off.map(|(name, value)| (name.to_owned(), value))),
                Err(()) => warn("thinking", "off not sent: the model always thinks".to_owned()),
            }
        }
        _ => {}
    }

    let given = request.inference_config.take();
    let most = most_tokens(target, takes);
    let wanted = asked_tokens(given.as_ref()).or(most);
    let limit = thinking.max_tokens.or_else(|| Some(clamp(wanted?, request, target, options)));
    let limit = limit.map(|limit| limit.min(learnt_limit(takes)));
    let was_given = given.is_some();
    let mut inference = given.unwrap_or_default();
    let refuses = thinking.level.is_some_and(|level| refuses_parameters(level, takes));
    let asked = inference.max_tokens.filter(|tokens| *tokens > 0);
    inference.max_tokens = limit.filter(|_| !refuses).map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
    if let Some(asked) = asked {
        match inference.max_tokens {
            Some(sent) if thinking.level.is_some() && sent > asked => {
                warn("maxTokens", format!("raised from {asked} to {sent}: thinking counts toward it"));
            }
            None => warn("maxTokens", format!("{asked} not sent: {}", with_thinking())),
            Some(_) => {}
        }
    }
    let never = takes.takes(Capability::Temperature, "never");
    let not_now =
        refuses || thinking.level.is_some() && takes.takes(Capability::Temperature, "notWithThinking");
    let refused_with =
        if never { Some("the model refuses it".to_owned()) } else { not_now.then(with_thinking) };
    let top_k = mend_sampling(&mut inference, options.top_k, takes, refused_with, warnings);
    added.extend(top_k.map(|(name, value)| (name.to_owned(), value)));
    request.inference_config =
        Some(inference).filter(|config| was_given || *config != InferenceConfiguration::new());
    add_fields(request, added, takes)?;
    mend_tier(request, takes, warnings);
    Ok(())
}

/// Takes out of temperature, `topP` and `topK` what the model refuses. Gives the members that stand for `topK`.
fn mend_sampling(
    inference: &mut InferenceConfiguration,
    mut top_k: Option<u64>,
    takes: &Takes,
    refused_with: Option<String>,
    warnings: &mut Vec<Warning>,
) -> Option<(&'static str, Value)> {
    let mut warn = |parameter, change: String| warnings.push(Warning::new(parameter, change));
    if let Some(why) = refused_with {
        for (name, value) in [("temperature", &mut inference.temperature), ("topP", &mut inference.top_p)] {
            if let Some(value) = value.take() {
                warn(name, format!("{value} not sent: {why}"));
            }
        }
        if let Some(value) = top_k.take() {
            warn("topK", format!("{value} not sent: {why}"));
        }
    }
    if let (Some(value), Some(_), false) =
        (inference.top_p, inference.temperature, takes.says(Capability::TopPWithTemperature))
    {
        inference.top_p = None;
        warn("topP", format!("{value} not sent: the model refuses it together with temperature"));
    }
    if !takes.says(Capability::TopP)
        && let Some(value) = inference.top_p.take()
    {
        warn("topP", format!("{value} not sent: the model refuses it"));
    }
    // Claude refuses sequences of white space alone, other models all of them.
    let takes_all = takes.says(Capability::StopSequences);
    if let Some(given) = inference.stop_sequences.take() {
        let (count, mut kept) = (given.len(), given);
        kept.retain(|sequence| takes_all && !(takes.is_claude() && sequence.trim().is_empty()));
        if kept.len() < count {
            warn(
                "stopSequences",
                format!("{} of {count} not sent: the model refuses them", count - kept.len()),
            );
        }
        inference.stop_sequences = Some(kept).filter(|kept| !kept.is_empty());
    }
    let value = top_k?;
    if takes.takes(Capability::TopK, "top_k") {
        return Some(("top_k", value.into()));
    }
    if takes.takes(Capability::TopK, "inferenceConfig") {
        return Some(("inferenceConfig", serde_json::json!({"topK": value})));
    }
    warn("topK", format!("{value} not sent: the model is not known to take it"));
    None
}

/// Adds members to `additionalModelRequestFields`.
fn add_fields(request: &mut ConverseRequest, added: Map<String, Value>, takes: &Takes) -> Result<()> {
    let drops_betas = !takes.says(Capability::Betas);
    let drops_any = drops_betas || !takes.refused.is_empty();
    if !added.is_empty() || drops_any && request.additional_model_request_fields.is_some() {
        let given = request.additional_model_request_fields.take();
        let mut all = given.map_or(Ok(Members::default()), |given| given.read::<Members>())?;
        for (name, value) in added {
            let given = all.named(&name).and_then(|given| given.read::<Vec<Value>>().ok());
            let value = match (given, value) {
                // Lists, such as `anthropic_beta`, have the items of both.
                (Some(mut items), Value::Array(more)) => {
                    items.extend(more);
                    items.into()
                }
                (_, value) => value,
            };
            all.insert(name, value);
        }
        if drops_any
            && let Some(mut betas) =
                all.remove("anthropic_beta").and_then(|betas| betas.read::<Vec<Value>>().ok())
        {
            betas
                .retain(|beta| !drops_betas && !takes.refused.iter().any(|refused| beta == refused.as_str()));
            if !betas.is_empty() {
                all.insert("anthropic_beta", Document::write(&betas)?);
            }
        }
        for name in &takes.refused {
            all.remove(name);
        }
        request.additional_model_request_fields =
            if all.is_empty() { None } else { Some(Document::write(&all)?) };
    }
    Ok(())
}

/// Takes out a service tier that the model is not served in.
fn mend_tier(request: &mut ConverseRequest, takes: &Takes, warnings: &mut Vec<Warning>) {
    if let Some(tier) = request.service_tier.as_ref().map(|tier| &tier.kind) {
        let is_default = *tier == ServiceTierType::Default;
        let why = if let ServiceTierType::Unknown(_) = tier {
            let (last, others) = ServiceTierType::VALUES.split_last().unwrap_or((&"", &[]));
            Some(format!("expected {} or {last}", others.join(", ")))
        } else if !is_default && takes.says(Capability::DefaultTierOnly)
            || !takes.takes(Capability::Tiers, tier.as_str())
        {
            Some("the model does not have this tier".to_owned())
        } else {
            None
        };
        if let Some(why) = why {
            let change = format!("{:?} not sent: {why}", tier.as_str());
            warnings.push(Warning::new("serviceTier", change));
            request.service_tier = None;
        }
    }
}

/// The limit of tokens that is asked for. 0 is no limit: the service refuses it.
fn asked_tokens(given: Option<&InferenceConfiguration>) -> Option<u64> {
    given.and_then(|config| config.max_tokens).map(u64::from).filter(|tokens| *tokens > 0)
}

/// The model's own limit of tokens.
fn most_tokens(target: &Target, takes: &Takes) -> Option<u64> {
    target.info.max_tokens.filter(|tokens| *tokens > 0).map(|tokens| tokens.min(learnt_limit(takes)))
}

fn learnt_limit(takes: &Takes) -> u64 {
    takes.said(Capability::MaxTokens).map_or(u64::MAX, u64::from)
}

/// The tokens of a response when nobody says how many: the service's default for Claude.
const DEFAULT_RESPONSE: u64 = 4096;
const NO_ROOM: &str = "maxTokens leaves less than the 1024 tokens that thinking needs";
const IN_A_LOOP: &str = "the turn that called the tools has no signed thought";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::prepare;
    use crate::converse::ServiceTier;
    use crate::models::ModelInfo;
    use serde_json::json;

    /// The request after it was mended for a model that can think, and what is said of it.
    fn mended(request: ConverseRequest, thinking: Option<ThinkingLevel>) -> (ConverseRequest, Vec<String>) {
        let info = ModelInfo { reasoning: Some(true), max_tokens: Some(64_000), ..ModelInfo::default() };
        let options = Options { thinking, ..Options::default() };
        let prepared = prepare(request, &Target::new(info), &options).unwrap();
        (prepared.request, prepared.warnings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_the_model_refuses_is_not_sent_and_said() {
        let inference = InferenceConfiguration::new().max_tokens(500u32).temperature(0.5).top_p(0.9);
        let inference = inference.stop_sequence("STOP");
        let ask = |model: &str, thinking| {
            let request = ConverseRequest::new(model).inference_config(inference.clone());
            let (request, warnings) = mended(request, thinking);
            (serde_json::to_value(request.inference_config).unwrap(), warnings)
        };
        let (sent, warnings) = ask("amazon.nova-2-lite-v1:0", Some(ThinkingLevel::Max));
        assert_eq!(sent, json!({"stopSequences": ["STOP"]}));
        assert_eq!(
            warnings,
            [
                "maxTokens 500 not sent: the model refuses it with thinking at level max",
                "temperature 0.5 not sent: the model refuses it with thinking at level max",
                "topP 0.9 not sent: the model refuses it with thinking at level max"
            ]
        );
        let (sent, warnings) = ask("anthropic.claude-opus-4-8", None);
        assert_eq!(sent, json!({"stopSequences": ["STOP"], "maxTokens": 500}));
        assert_eq!(
            warnings,
            ["temperature 0.5 not sent: the model refuses it", "topP 0.9 not sent: the model refuses it"]
        );
        let (_, warnings) = ask("meta.llama3-70b-instruct-v1:0", Some(ThinkingLevel::Low));
        assert_eq!(
            warnings,
            ["thinking low not sent: meta.llama3-70b-instruct-v1:0 is not known to support thinking"]
        );
    }

    #[test]
    fn fields_of_the_request_stay_beside_those_of_thinking() {
        let fields = json!({"top_k": 5, "anthropic_beta": ["context-1m"], "thinking": {"type": "disabled"}});
        let request =
            ConverseRequest::new("anthropic.claude-sonnet-4-5").additional_model_request_fields(fields);
        let (request, _) = mended(request, Some(ThinkingLevel::Low));
        let sent = request.additional_model_request_fields.unwrap().read::<Value>().unwrap();
        assert_eq!(
            sent,
            json!({
                "top_k": 5,
                "anthropic_beta": ["context-1m", "interleaved-thinking-2025-05-14"],
                "thinking": {"type": "enabled", "budget_tokens": 2048, "display": "summarized"}
            })
        );
    }

    #[test]
    fn a_service_tier_is_one_that_the_model_has() {
        let ask = |model: &str, tier: &str| {
            let request = ConverseRequest::new(model).service_tier(ServiceTier::new(tier));
            let (request, warnings) = mended(request, None);
            (request.service_tier.map(|tier| tier.kind.to_string()), warnings.join("; "))
        };
        let flex = Some("flex".to_owned());
        assert_eq!(ask("amazon.nova-pro-v1:0", "flex"), (flex, String::new()));
        let why = "serviceTier \"fast\" not sent: expected default, flex, priority or reserved".to_owned();
        assert_eq!(ask("amazon.nova-pro-v1:0", "fast"), (None, why));
        let why = "serviceTier \"flex\" not sent: the model does not have this tier".to_owned();
        assert_eq!(ask("anthropic.claude-opus-5", "flex"), (None, why));
    }
}
