//! How much a model is asked to think, in its family's own words.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::family::{ThinkingForm, Traits};
use super::message::{Model, Options};
use crate::{Error, ErrorKind, Result};

/// A level of thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

const LEVELS: [(&str, Level, u64); 6] = [
    // With the tokens that a level has to think, in the families that count them.
    ("minimal", Level::Minimal, 1024),
    ("low", Level::Low, 2048),
    ("medium", Level::Medium, 8192),
    ("high", Level::High, 16384),
    ("xhigh", Level::Xhigh, 16384),
    ("max", Level::Max, 16384),
];

/// The least that a budget may be, and the least that is to be left for the answer.
pub(super) const LEAST_BUDGET: u64 = 1024;

impl Level {
    /// The level that the options ask for, of a model that can think.
    pub(super) fn asked(model: &Model, options: &Options) -> Result<Option<Self>> {
        let name = match options.reasoning.as_deref() {
            None | Some("off" | "none") => return Ok(None),
            Some(name) => name,
        };
        let level = LEVELS.iter().find(|(found, ..)| *found == name).map(|(_, level, _)| *level);
        let level = level.ok_or_else(|| {
            let expected = "reasoning: off, minimal, low, medium, high, xhigh or max expected";
            Error::new(ErrorKind::InvalidInput, format!("{expected}, {name:?} found"))
        })?;
        Ok(Some(level).filter(|_| model.reasoning == Some(true)))
    }

    fn name(self) -> &'static str {
        LEVELS.iter().find(|(_, level, _)| *level == self).map_or("high", |(name, ..)| name)
    }

    /// The tokens to think with.
    pub(super) fn budget(self, budgets: Option<&BTreeMap<String, u64>>) -> u64 {
        let usual =
            LEVELS.iter().find(|(_, level, _)| *level == self).map_or(LEAST_BUDGET, |(.., budget)| *budget);
        budgets.and_then(|budgets| budgets.get(self.min(Self::High).name())).copied().unwrap_or(usual)
    }

    /// One of `low`, `medium` and `high`.
    fn of_three(self) -> &'static str {
        match self {
            Self::Minimal | Self::Low => "low",
            Self::Medium => "medium",
            Self::High | Self::Xhigh | Self::Max => "high",
        }
    }

    /// What a model is told, its own names for levels first.
    fn effort<'a>(self, model: &'a Model, traits: &Traits) -> &'a str {
        let adaptive = traits.thinking == Some(ThinkingForm::Adaptive);
        if self == Self::Xhigh && adaptive && traits.xhigh {
            return "xhigh";
        }
        let named = model.thinking_level_map.as_ref().and_then(|names| names.get(self.name())?.as_deref());
        named.unwrap_or(match self {
            Self::Minimal => "low",
            _ if adaptive => self.of_three(),
            _ => self.name(),
        })
    }
}

/// What the request says of thinking, beside the API's own members. `budget` is for the families that
/// count tokens.
pub(super) fn fields(
    level: Level,
    model: &Model,
    options: &Options,
    traits: &Traits,
    budget: u64,
    govcloud: bool,
) -> Option<Value> {
    let form = traits.thinking.as_ref()?;
    let mut thinking = Map::new();
    match form {
        ThinkingForm::Adaptive => {
            thinking.insert("type".into(), "adaptive".into());
        }
        ThinkingForm::Budget => {
            thinking.insert("type".into(), "enabled".into());
            thinking.insert("budget_tokens".into(), budget.into());
        }
        ThinkingForm::ReasoningEffort => return Some(json!({"reasoning_effort": level.of_three()})),
        ThinkingForm::Reasoning => {
            return Some(json!({"reasoning": {"effort": level.effort(model, traits)}}));
        }
        ThinkingForm::ReasoningConfig => {
            let config = json!({"type": "enabled", "maxReasoningEffort": level.of_three()});
            return Some(json!({"reasoningConfig": config}));
        }
        ThinkingForm::Unknown(_) => return None,
    }
    if !govcloud {
        let display = options.thinking_display.as_deref().unwrap_or("summarized");
        thinking.insert("display".into(), display.into());
    }
    let mut betas = Vec::new();
    if *form == ThinkingForm::Budget && options.interleaved_thinking != Some(false) {
        betas.push("interleaved-thinking-2025-05-14");
    }
    if traits.block_binding && !govcloud {
        thinking.insert("block_binding".into(), json!({"prefix_mismatch_behavior": "drop_block"}));
        betas.push("thinking-binding-controls-2026-08-01");
    }
    let mut fields = Map::new();
    fields.insert("thinking".into(), Value::Object(thinking));
    if *form == ThinkingForm::Adaptive {
        fields.insert("output_config".into(), json!({"effort": level.effort(model, traits)}));
    }
    if !betas.is_empty() {
        fields.insert("anthropic_beta".into(), betas.into());
    }
    Some(Value::Object(fields))
}

/// Whether a limit of tokens and a temperature would be refused: Nova 2 takes neither when it thinks as
/// hard as it can.
pub(super) fn refuses_limits(level: Level, traits: &Traits) -> bool {
    traits.thinking == Some(ThinkingForm::ReasoningConfig) && level.of_three() == "high"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(id: &str, level: &str, options: &str, govcloud: bool) -> Option<Value> {
        let model = Model::new(id).reasoning(true);
        let options = serde_json::from_str::<Options>(options).unwrap().reasoning(level);
        let traits = Traits::of(&model, &[], &[])?;
        let level = Level::asked(&model, &options).unwrap()?;
        fields(level, &model, &options, &traits, level.budget(options.thinking_budgets.as_ref()), govcloud)
    }

    #[test]
    fn each_family_is_asked_in_its_own_words() {
        let ask = |id, level| asked(id, level, "{}", false);
        assert_eq!(ask("openai.gpt-oss-20b", "max"), Some(json!({"reasoning_effort": "high"})));
        assert_eq!(ask("openai.gpt-5.6-sol", "max"), Some(json!({"reasoning": {"effort": "max"}})));
        assert_eq!(
            ask("amazon.nova-2-lite-v1:0", "minimal"),
            Some(json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}))
        );
        assert_eq!(ask("deepseek.v3.2", "high"), None);
        assert_eq!(ask("anthropic.claude-opus-4-8", "off"), None);
        assert_eq!(ask("anthropic.claude-opus-4-8", "xhigh").unwrap()["output_config"]["effort"], "xhigh");
        assert_eq!(ask("anthropic.claude-opus-4-6", "xhigh").unwrap()["output_config"]["effort"], "high");
    }

    #[test]
    fn budgets_display_and_interleaving_can_be_chosen() {
        let options = r#"{"thinkingBudgets": {"high": 9000}, "thinkingDisplay": "omitted", "interleavedThinking": false}"#;
        assert_eq!(
            asked("anthropic.claude-sonnet-4-5", "max", options, false),
            Some(json!({"thinking": {"type": "enabled", "budget_tokens": 9000, "display": "omitted"}}))
        );
    }

    #[test]
    fn govcloud_knows_less() {
        assert_eq!(
            asked("anthropic.claude-sonnet-4-5", "low", "{}", true),
            Some(json!({
                "thinking": {"type": "enabled", "budget_tokens": 2048},
                "anthropic_beta": ["interleaved-thinking-2025-05-14"]
            }))
        );
    }

    #[test]
    fn a_level_that_is_none_is_refused() {
        let model = Model::new("m");
        let error = Level::asked(&model, &Options::new().reasoning("lots")).unwrap_err();
        assert!(error.to_string().contains("\"lots\" found"), "{error}");
        assert_eq!(Level::asked(&model, &Options::new().reasoning("low")).unwrap(), None, "it cannot think");
    }
}
