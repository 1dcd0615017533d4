//! What families of models can do and what they refuse: data, and how it is found for a model.

use super::message::Model;
use pumice_codec::{enumeration, structure};

enumeration! {
    /// How a family is asked to think.
    pub enum ThinkingForm {
        /// By an effort, as much as the model sees fit: `thinking` of type `adaptive` and `output_config`.
        Adaptive = "adaptive",
        /// With so many tokens: `thinking` of type `enabled`.
        Budget = "budget",
        /// `reasoning_effort`: `low`, `medium` or `high`.
        ReasoningEffort = "reasoning_effort",
        /// `reasoning`, with any effort.
        Reasoning = "reasoning",
        /// `reasoningConfig`: `low`, `medium` or `high`.
        ReasoningConfig = "reasoningConfig",
    }
}

enumeration! {
    /// When a family takes a temperature.
    pub enum TemperatureRule {
        /// Always.
        Always = "always",
        /// Unless it thinks.
        NotWithThinking = "notWithThinking",
        /// Never: it is an error.
        Never = "never",
    }
}

enumeration! {
    /// When cache points are placed for a family.
    pub enum PromptCache {
        /// Unless the options say otherwise.
        Always = "always",
        /// When the options ask for it, for five minutes, and not behind the tools.
        OnRequest = "onRequest",
        /// Never: it would be an error.
        Never = "never",
    }
}

structure! {
    /// A family of models: which they are, what they can do, what they refuse. The first that matches counts;
    /// those of the [options](super::Options) come before those that are built in.
    pub struct Family {
        lists {
            /// Which models: parts of the id or the name, in lower case, with hyphens for white space, `_`, `.` and
            /// `:`. One text must match, and all of the words in it: `claude opus-4-8`.
            matches: String = "match" by matching,
        }
        optional {
            /// How it is asked to think. Absent: not at all.
            thinking: ThinkingForm = "thinking",
            /// Whether it knows the effort `xhigh`.
            xhigh: bool = "xhigh",
            /// Whether thoughts are bound to what was said before them, and are to be dropped where that has
            /// changed.
            block_binding: bool = "blockBinding",
            /// When it takes a temperature. Absent: always.
            temperature: TemperatureRule = "temperature",
            /// When cache points are placed. Absent: never.
            prompt_cache: PromptCache = "promptCache",
            /// Whether it has the ways of Claude: thoughts go back with their signature, no image may be in the
            /// result of a tool that failed, and no tool can be forced while it thinks.
            claude: bool = "claude",
            /// Whether it is served in the `default` tier of capacity alone.
            default_tier_only: bool = "defaultTierOnly",
        }
    }
}

/// What is particular about a family.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact by itself")]
pub(super) struct Traits {
    pub(super) thinking: Option<ThinkingForm>,
    pub(super) xhigh: bool,
    pub(super) block_binding: bool,
    pub(super) temperature: TemperatureRule,
    pub(super) prompt_cache: PromptCache,
    pub(super) claude: bool,
    pub(super) default_tier_only: bool,
}

impl Traits {
    /// Of a model, by its id, its name, the ids of the models behind it, and the families that come before
    /// those that are built in. `None` for a family that is not known.
    pub(super) fn of(model: &Model, base_models: &[String], families: &[Family]) -> Option<Self> {
        let names = [Some(&model.id), model.name.as_ref()].into_iter().flatten().chain(base_models);
        let candidates = names.flat_map(|name| candidates(name)).collect::<Vec<_>>();
        let has = |words: &[&str]| {
            candidates.iter().any(|candidate| words.iter().all(|word| candidate.contains(word)))
        };
        let matches = |pattern: &str| has(&pattern.to_lowercase().split_whitespace().collect::<Vec<_>>());
        let given =
            families.iter().find(|family| family.matches.iter().flatten().any(|pattern| matches(pattern)));
        if let Some(family) = given {
            return Some(Self::given(family));
        }
        BUILT_IN
            .iter()
            .find(|(names, _)| names.iter().any(|words| has(words)))
            .map(|(_, traits)| traits.clone())
    }

    fn given(family: &Family) -> Self {
        Self {
            thinking: family.thinking.clone(),
            xhigh: family.xhigh.unwrap_or_default(),
            block_binding: family.block_binding.unwrap_or_default(),
            temperature: family.temperature.clone().unwrap_or(TemperatureRule::Always),
            prompt_cache: family.prompt_cache.clone().unwrap_or(PromptCache::Never),
            claude: family.claude.unwrap_or_default(),
            default_tier_only: family.default_tier_only.unwrap_or_default(),
        }
    }
}

/// What a family is taken to be that is not known.
pub(super) const UNKNOWN: Traits = Traits {
    thinking: None,
    xhigh: false,
    block_binding: false,
    temperature: TemperatureRule::Always,
    prompt_cache: PromptCache::Never,
    claude: false,
    default_tier_only: false,
};

/// The forms in which an id or a name is looked at.
pub(super) fn candidates(name: &str) -> [String; 2] {
    let lower = name.to_lowercase();
    let mut hyphened = String::with_capacity(lower.len());
    for character in lower.chars() {
        if !(character.is_whitespace() || "_.:".contains(character)) {
            hyphened.push(character);
        } else if !hyphened.ends_with('-') {
            hyphened.push('-');
        }
    }
    [lower, hyphened]
}

const CLAUDE: Traits = Traits {
    thinking: Some(ThinkingForm::Budget),
    temperature: TemperatureRule::NotWithThinking,
    claude: true,
    ..UNKNOWN
};
const CLAUDE_CACHED: Traits = Traits { prompt_cache: PromptCache::Always, ..CLAUDE };
const CLAUDE_ADAPTIVE: Traits = Traits { thinking: Some(ThinkingForm::Adaptive), ..CLAUDE_CACHED };
const CLAUDE_BOUND: Traits = Traits { xhigh: true, block_binding: true, ..CLAUDE_ADAPTIVE };

/// The families in the order they are looked at: an id or a name is of one that has all words of a list.
static BUILT_IN: [(&[&[&str]], Traits); 11] = [
    (
        &[&["claude", "opus-5"], &["claude", "sonnet-5"], &["claude", "fable-5"]],
        Traits { temperature: TemperatureRule::Never, default_tier_only: true, ..CLAUDE_BOUND },
    ),
    (
        &[&["claude", "opus-4-7"], &["claude", "opus-4-8"]],
        Traits { temperature: TemperatureRule::Never, ..CLAUDE_BOUND },
    ),
    (&[&["claude", "haiku-5"]], CLAUDE_BOUND),
    (&[&["claude", "opus-4-6"], &["claude", "sonnet-4-6"]], CLAUDE_ADAPTIVE),
    (&[&["claude", "-4-"], &["claude-3-7-sonnet"], &["claude-3-5-haiku"]], CLAUDE_CACHED),
    (&[&["claude"]], CLAUDE),
    (
        &[&["nova-2"]],
        Traits {
            thinking: Some(ThinkingForm::ReasoningConfig),
            prompt_cache: PromptCache::OnRequest,
            ..UNKNOWN
        },
    ),
    (
        &[
            &["amazon.nova"],
            &["amazon-nova"],
            &["nova-pro"],
            &["nova-lite"],
            &["nova-micro"],
            &["nova-premier"],
        ],
        Traits { prompt_cache: PromptCache::OnRequest, ..UNKNOWN },
    ),
    (&[&["gpt-oss"]], Traits { thinking: Some(ThinkingForm::ReasoningEffort), ..UNKNOWN }),
    (&[&["gpt-"]], Traits { thinking: Some(ThinkingForm::Reasoning), ..UNKNOWN }),
    (
        &[
            &["deepseek"],
            &["qwen"],
            &["kimi"],
            &["llama"],
            &["mistral"],
            &["glm"],
            &["grok"],
            &["minimax"],
            &["gemma"],
            &["nemotron"],
            &["palmyra"],
            &["titan"],
        ],
        UNKNOWN,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn traits(id: &str) -> Option<Traits> {
        Traits::of(&Model::new(id), &[], &[])
    }

    #[test]
    fn families_are_told_by_id_name_or_base_model() {
        assert_eq!(traits("us.anthropic.claude-haiku-5-5").unwrap(), CLAUDE_BOUND);
        assert_eq!(traits("anthropic.claude-sonnet-4-6").unwrap(), CLAUDE_ADAPTIVE);
        assert_eq!(traits("anthropic.claude-sonnet-4-20250514-v1:0").unwrap(), CLAUDE_CACHED);
        assert_eq!(traits("anthropic.claude-3-5-sonnet-20241022-v2:0").unwrap(), CLAUDE);
        assert_eq!(traits("openai.gpt-oss-20b-1:0").unwrap().thinking, Some(ThinkingForm::ReasoningEffort));
        assert_eq!(traits("arn:aws:bedrock:eu-west-1:1:application-inference-profile/x"), None);

        let arn = Model::new("arn:aws:bedrock:eu-west-1:1:application-inference-profile/x");
        let named = arn.clone().name("Claude Opus 4.8");
        assert_eq!(Traits::of(&named, &[], &[]).unwrap().temperature, TemperatureRule::Never);
        let base = ["arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-6".to_owned()];
        assert_eq!(Traits::of(&arn, &base, &[]).unwrap(), CLAUDE_ADAPTIVE);
    }

    #[test]
    fn a_given_family_comes_first() {
        let family = serde_json::from_str::<Family>(
            r#"{"match":["Claude opus-9","nova-9"],"thinking":"adaptive","xhigh":true,"promptCache":"always"}"#,
        );
        let families = [family.unwrap()];
        let model = Model::new("us.anthropic.claude-opus-9-v1:0");
        let found = Traits::of(&model, &[], &families).unwrap();
        assert_eq!((found.xhigh, found.claude), (true, false));
        assert_eq!(Traits::of(&Model::new("anthropic.claude-opus-8"), &[], &families).unwrap(), CLAUDE);
    }
}
