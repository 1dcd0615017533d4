//! Thinking, the limit of tokens, temperature and service tier: what of them a model accepts.

use serde_json::{Map, Value};

use super::family::{Family, TemperatureRule, ThinkingForm};
use super::thinking::{LEAST_BUDGET, ThinkingLevel, fields, refuses_parameters};
use super::tokens::clamp;
use super::{Options, Target, Warning};
use crate::Result;
use crate::converse::{ConverseRequest, InferenceConfiguration, ServiceTierType};
use crate::shape::{Document, Members};

/// How a request asks for thinking.
#[derive(Default)]
pub(super) struct Thinking {
    /// `None`: not at all.
    pub(super) level: Option<ThinkingLevel>,
    fields: Option<Map<String, Value>>,
    /// The limit of tokens, where thinking counts toward it.
    max_tokens: Option<u64>,
}

impl Thinking {
    pub(super) fn of(request: &ConverseRequest, target: &Target, options: &Options, family: &Family) -> Self {
        let level = options.thinking.filter(|_| target.info.reasoning == Some(true));
        let Some(level) = level else { return Self::default() };
        let (mut budget, mut max_tokens) = (0, None);
        if family.thinking == Some(ThinkingForm::Budget) {
            let most = positive(target.info.max_tokens).unwrap_or(u64::MAX);
            let response = wanted_tokens(request, target).unwrap_or(DEFAULT_RESPONSE);
            budget = level.budget(options);
            let limit = clamp(response.saturating_add(budget).min(most), request, target, options);
            budget = budget.min(limit.saturating_sub(LEAST_BUDGET));
            if budget < LEAST_BUDGET {
                return Self::default();
            }
            max_tokens = Some(limit);
        }
        let fields = fields(level, &request.model_id, target, options, family, budget);
        Self { level: fields.is_some().then_some(level), fields, max_tokens }
    }
}

/// Sets what the model accepts of the parameters, and says what is changed.
pub(super) fn mend(
    request: &mut ConverseRequest,
    target: &Target,
    options: &Options,
    family: &Family,
    thinking: Thinking,
) -> Result<Vec<Warning>> {
    let mut warnings = Vec::new();
    let level = thinking.level.or(options.thinking).map_or("off", ThinkingLevel::name);
    let with_thinking = || format!("the model refuses it with thinking at level {level}");
    if options.thinking.is_some() && thinking.level.is_none() {
        let why = if target.info.reasoning == Some(true) && family.thinking == Some(ThinkingForm::Budget) {
            format!("maxTokens leaves less than the {LEAST_BUDGET} tokens that thinking needs")
        } else {
            format!("{} is not known to support thinking", request.model_id)
        };
        warnings.push(Warning::new("thinking", format!("{level} not sent: {why}")));
    }

    let given = request.inference_config.take();
    let limit = thinking
        .max_tokens
        .or_else(|| Some(clamp(wanted_tokens_of(given.as_ref(), target)?, request, target, options)));
    let was_given = given.is_some();
    let mut inference = given.unwrap_or_default();
    let refuses = thinking.level.is_some_and(|level| refuses_parameters(level, family));
    let asked = inference.max_tokens.filter(|tokens| *tokens > 0);
    inference.max_tokens = limit.filter(|_| !refuses).map(|limit| u32::try_from(limit).unwrap_or(u32::MAX));
    if let Some(asked) = asked {
        match inference.max_tokens {
            Some(sent) if thinking.level.is_some() && sent > asked => {
                let change = format!("raised from {asked} to {sent}: thinking counts toward it");
                warnings.push(Warning::new("maxTokens", change));
            }
            None => {
                warnings.push(Warning::new("maxTokens", format!("{asked} not sent: {}", with_thinking())));
            }
            Some(_) => {}
        }
    }
    let accepts_sampling = match family.temperature {
        Some(TemperatureRule::Never) => false,
        Some(TemperatureRule::NotWithThinking) => thinking.level.is_none(),
        _ => !refuses,
    };
    if !accepts_sampling {
        for (name, value) in [("temperature", &mut inference.temperature), ("topP", &mut inference.top_p)] {
            if let Some(value) = value.take() {
                let never = family.temperature == Some(TemperatureRule::Never);
                let why = if never { "the model refuses it".to_owned() } else { with_thinking() };
                warnings.push(Warning::new(name, format!("{value} not sent: {why}")));
            }
        }
    }
    request.inference_config =
        Some(inference).filter(|config| was_given || *config != InferenceConfiguration::new());

    if let Some(fields) = thinking.fields {
        let given = request.additional_model_request_fields.take();
        let mut all = given.map_or(Ok(Members::default()), |given| given.read::<Members>())?;
        for (name, value) in fields {
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
        request.additional_model_request_fields = Some(Document::write(&all)?);
    }

    if let Some(tier) = request.service_tier.as_ref().map(|tier| &tier.kind) {
        let why = if let ServiceTierType::Unknown(_) = tier {
            let (last, others) = ServiceTierType::VALUES.split_last().unwrap_or((&"", &[]));
            Some(format!("expected {} or {last}", others.join(", ")))
        } else if family.default_tier_only == Some(true) && *tier != ServiceTierType::Default {
            Some("the model is served in the default tier alone".to_owned())
        } else {
            None
        };
        if let Some(why) = why {
            warnings.push(Warning::new("serviceTier", format!("{:?} not sent: {why}", tier.as_str())));
            request.service_tier = None;
        }
    }
    Ok(warnings)
}

/// The limit of tokens that is given, or else the model's own. 0 is no limit: the service refuses it.
fn wanted_tokens(request: &ConverseRequest, target: &Target) -> Option<u64> {
    wanted_tokens_of(request.inference_config.as_ref(), target)
}

fn wanted_tokens_of(given: Option<&InferenceConfiguration>, target: &Target) -> Option<u64> {
    let asked = given.and_then(|config| config.max_tokens).map(u64::from);
    positive(asked).or_else(|| positive(target.info.max_tokens))
}

fn positive(number: Option<u64>) -> Option<u64> {
    number.filter(|number| *number > 0)
}

/// The tokens of a response when nobody says how many: the service's default for Claude.
const DEFAULT_RESPONSE: u64 = 4096;

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
        let why = "serviceTier \"flex\" not sent: the model is served in the default tier alone".to_owned();
        assert_eq!(ask("anthropic.claude-opus-5", "flex"), (None, why));
    }
}
