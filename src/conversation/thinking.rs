//! How much a model is asked to think, in the form of its family.

use serde_json::{Map, Value, json};

use super::family::{Capability, Takes};
use super::{Options, Target};
use crate::{Error, ErrorKind, Result};

/// How much a model is asked to think.
///
/// ```
/// use pumice::conversation::ThinkingLevel;
///
/// assert_eq!(ThinkingLevel::parse("high")?, Some(ThinkingLevel::High));
/// assert_eq!(ThinkingLevel::parse("off")?, None);
/// assert!(ThinkingLevel::parse("lots").is_err());
/// # Ok::<(), pumice::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ThinkingLevel {
    /// As little as possible.
    Minimal,
    /// A little.
    Low,
    /// Between low and high.
    Medium,
    /// Much.
    High,
    /// More than high, where the model knows it; else as high.
    Xhigh,
    /// As much as the model can.
    Max,
}

impl ThinkingLevel {
    /// The names of all levels, least first.
    pub const NAMES: &'static [&'static str] = &["minimal", "low", "medium", "high", "xhigh", "max"];

    /// The level of this name; `None` for `off` and `none`.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] for any other word.
    pub fn parse(word: &str) -> Result<Option<Self>> {
        Ok(Some(match word {
            "off" | "none" => return Ok(None),
            "minimal" => Self::Minimal,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "high" => Self::High,
            "xhigh" => Self::Xhigh,
            "max" => Self::Max,
            _ => {
                let message =
                    format!("expected off, minimal, low, medium, high, xhigh or max, found {word:?}");
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        }))
    }

    /// The name of the level.
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The tokens to think with, for families that count them.
    pub(super) fn budget(self, options: &Options) -> u64 {
        let default = match self {
            Self::Minimal => LEAST_BUDGET,
            Self::Low => 2048,
            Self::Medium => 8192,
            Self::High | Self::Xhigh | Self::Max => 16384,
        };
        let budget = options.thinking_budgets.iter().find(|(level, _)| *level == self.min(Self::High));
        budget.map_or(default, |(_, tokens)| *tokens)
    }

    /// The level as one of three.
    fn of_three(self) -> &'static str {
        match self {
            Self::Minimal | Self::Low => "low",
            Self::Medium => "medium",
            Self::High | Self::Xhigh | Self::Max => "high",
        }
    }

    /// The effort that stands for the level: the model's own name for it first.
    pub(super) fn effort(self, target: &Target, takes: &Takes) -> String {
        let three = ["reasoning_effort", "reasoningConfig", "reasoning_config"];
        if three.iter().any(|form| takes.takes(Capability::Thinking, form)) {
            return self.of_three().to_owned();
        }
        let adaptive = takes.takes(Capability::Thinking, "adaptive");
        match takes.said(Capability::Xhigh).filter(|_| self == Self::Xhigh && adaptive) {
            Some(1) => return "xhigh".to_owned(),
            Some(_) => return "high".to_owned(),
            None => {}
        }
        let mut levels = target.info.thinking_levels.iter();
        let own = levels.find(|(level, _)| level == self.name()).and_then(|(_, name)| name.as_deref());
        let effort = own.unwrap_or(match self {
            Self::Minimal => "low",
            _ if adaptive => self.of_three(),
            _ => self.name(),
        });
        effort.to_owned()
    }
}

/// The members of `additionalModelRequestFields` that ask for thinking; `None` for a family that does not think.
/// `budget` is for families that count tokens.
pub(super) fn fields(
    level: ThinkingLevel,
    model_id: &str,
    target: &Target,
    options: &Options,
    takes: &Takes,
    budget: u64,
) -> Option<Map<String, Value>> {
    let has = |form| takes.takes(Capability::Thinking, form);
    let mut fields = Map::new();
    let mut thinking = Map::new();
    let effort = level.effort(target, takes);
    let asked = if has("adaptive") {
        thinking.insert("type".into(), "adaptive".into());
        ("output_config", json!({"effort": effort}))
    } else if has("budget") {
        thinking.insert("type".into(), "enabled".into());
        ("budget_tokens", budget.into())
    } else if has("reasoning_effort") {
        ("reasoning_effort", effort.into())
    } else if has("reasoning") {
        ("reasoning", json!({"effort": effort}))
    } else if has("reasoning_config") {
        ("reasoning_config", effort.into())
    } else if has("reasoningConfig") {
        ("reasoningConfig", json!({"type": "enabled", "maxReasoningEffort": effort}))
    } else {
        return None;
    };
    let target_of = if has("budget") { &mut thinking } else { &mut fields };
    target_of.insert(asked.0.into(), asked.1);
    if thinking.is_empty() {
        return Some(fields);
    }
    // The regions of the US government refuse `display` and `block_binding`.
    let govcloud = target.is_govcloud(model_id);
    if !govcloud {
        let display = options.thinking_display.as_deref().unwrap_or("summarized");
        thinking.insert("display".into(), display.into());
    }
    let mut betas = Vec::new();
    let takes_betas = takes.says(Capability::Betas);
    if has("budget") && options.interleaved_thinking && takes_betas && takes.says(Capability::Interleaved) {
        betas.push("interleaved-thinking-2025-05-14");
    }
    if takes.says(Capability::BlockBinding) && takes_betas && !govcloud {
        thinking.insert("block_binding".into(), json!({"prefix_mismatch_behavior": "drop_block"}));
        betas.push("thinking-binding-controls-2026-08-01");
    }
    fields.insert("thinking".into(), Value::Object(thinking));
    if !betas.is_empty() {
        fields.insert("anthropic_beta".into(), betas.into());
    }
    Some(fields)
}

/// The members that tell a model not to think which does so by itself; an error where it always does.
pub(super) fn off_fields(
    target: &Target,
    takes: &Takes,
) -> std::result::Result<Option<(&'static str, Value)>, ()> {
    let off = |word| takes.takes(Capability::ThinkingOff, word);
    let mut levels = target.info.thinking_levels.iter();
    if off("never") || levels.any(|(level, name)| level == "off" && name.is_none()) {
        return Err(());
    }
    Ok(if off("disabled") {
        Some(("thinking", json!({"type": "disabled"})))
    } else if off("none") {
        Some(("reasoning", json!({"effort": "none"})))
    } else {
        None
    })
}

/// Whether `maxTokens`, `temperature` and `topP` are refused beside thinking at this level: Nova 2 refuses them at
/// its highest.
pub(super) fn refuses_parameters(level: ThinkingLevel, takes: &Takes) -> bool {
    takes.takes(Capability::Thinking, "reasoningConfig") && level.of_three() == "high"
}

/// The least budget that the service accepts, and the least that is left for the response.
pub(super) const LEAST_BUDGET: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::family::takes;

    fn ask(id: &str, level: ThinkingLevel, options: &Options, region: Option<&str>) -> Option<Value> {
        let target = Target { region: region.map(str::to_owned), ..Target::default() };
        let takes = takes(id);
        fields(level, id, &target, options, &takes, level.budget(options)).map(Value::Object)
    }

    #[test]
    fn each_family_is_asked_in_its_own_form() {
        use ThinkingLevel::{High, Max, Minimal, Xhigh};
        let ask = |id, level| ask(id, level, &Options::default(), None);
        assert_eq!(ask("openai.gpt-oss-20b", Max), Some(json!({"reasoning_effort": "high"})));
        assert_eq!(ask("openai.gpt-5.6-sol", Max), Some(json!({"reasoning": {"effort": "max"}})));
        assert_eq!(
            ask("amazon.nova-2-lite-v1:0", Minimal),
            Some(json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}))
        );
        assert_eq!(ask("deepseek.v3.2", High), None);
        assert_eq!(ask("anthropic.claude-opus-4-8", Xhigh).unwrap()["output_config"]["effort"], "xhigh");
        assert_eq!(ask("anthropic.claude-opus-4-6", Xhigh).unwrap()["output_config"]["effort"], "high");
    }

    #[test]
    fn budgets_display_and_interleaving_can_be_chosen() {
        let mut options = Options::default();
        options.thinking_budgets.push((ThinkingLevel::High, 9000));
        options.thinking_display = Some("omitted".into());
        options.interleaved_thinking = false;
        assert_eq!(
            ask("anthropic.claude-sonnet-4-5", ThinkingLevel::Max, &options, None),
            Some(json!({"thinking": {"type": "enabled", "budget_tokens": 9000, "display": "omitted"}}))
        );
    }

    #[test]
    fn govcloud_refuses_display_and_block_binding() {
        let options = Options::default();
        let asked = json!({
            "thinking": {"type": "enabled", "budget_tokens": 2048},
            "anthropic_beta": ["interleaved-thinking-2025-05-14"]
        });
        let low = ThinkingLevel::Low;
        let region = Some("us-gov-west-1");
        assert_eq!(ask("anthropic.claude-sonnet-4-5", low, &options, region), Some(asked.clone()));
        assert_eq!(ask("us-gov.anthropic.claude-sonnet-4-5", low, &options, None), Some(asked));
    }

    #[test]
    fn levels_have_names() {
        for name in ThinkingLevel::NAMES {
            assert_eq!(ThinkingLevel::parse(name).unwrap().unwrap().name(), *name);
        }
        let error = ThinkingLevel::parse("lots").unwrap_err().to_string();
        let (expected, found) = error.split_once(", found ").unwrap();
        assert_eq!(found, "\"lots\"");
        assert!(ThinkingLevel::NAMES.iter().all(|name| expected.contains(name)), "{error}");
    }
}
