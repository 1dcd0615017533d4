//! Families of models: what they can do and what they refuse, as data.

use super::Target;
use crate::shape::Members;
use pumice_codec::{enumeration, structure};

enumeration! {
    /// How a family is asked to think: members of `additionalModelRequestFields`.
    pub enum ThinkingForm {
        /// `thinking` of type `adaptive` and `output_config.effort`: the model decides how long.
        Adaptive = "adaptive",
        /// `thinking` of type `enabled` with a budget of tokens.
        Budget = "budget",
        /// `reasoning_effort`: `low`, `medium` or `high`.
        ReasoningEffort = "reasoning_effort",
        /// `reasoning.effort`, with any effort.
        Reasoning = "reasoning",
        /// `reasoningConfig.maxReasoningEffort`: `low`, `medium` or `high`.
        ReasoningConfig = "reasoningConfig",
    }
}

enumeration! {
    /// When a family accepts `temperature` and `topP`.
    pub enum TemperatureRule {
        /// Always.
        Always = "always",
        /// Unless it thinks.
        NotWithThinking = "notWithThinking",
        /// Never.
        Never = "never",
    }
}

enumeration! {
    /// When cache points are placed for a family.
    pub enum PromptCache {
        /// Unless the options say otherwise.
        Always = "always",
        /// When the options ask for it: for five minutes, and not after the tools.
        OnRequest = "onRequest",
        /// Never: the service refuses them.
        Never = "never",
    }
}

/// Declares [`Family`] and the list of its capabilities, so that a new one stands in one place.
macro_rules! family {
    ($( $(#[$meta:meta])* $field:ident: $type:ty = $wire:literal, )+) => {
        structure! {
            /// A family of models: which models belong to it, what they can do, what they refuse.
            ///
            /// The first family that matches a model applies; those of the [options](super::Options) come before
            /// the built-in ones. A capability that is absent is the most cautious one.
            ///
            /// ```
            /// use pumice::conversation::Family;
            ///
            /// let json = r#"{"match": ["claude opus-9"], "thinking": "adaptive", "promptCache": "always", "claude": true}"#;
            /// let family: Family = serde_json::from_str(json)?;
            /// # Ok::<(), serde_json::Error>(())
            /// ```
            pub struct Family {
                lists {
                    /// Patterns of the models' ids and names, in lower case, with hyphens in place of white space,
                    /// `_`, `.` and `:`. A model belongs to the family if all words of one pattern occur in its id,
                    /// its name or the id of its foundation model: `claude opus-4-8`.
                    matches: String = "match" by matching,
                }
                optional { $( $(#[$meta])* $field: $type = $wire, )+ }
            }
        }

        impl Family {
            /// The members beside `match`, each with the words that it may be; a member without words is a
            /// boolean.
            #[cfg_attr(not(feature = "settings"), allow(dead_code, reason = "the settings file is checked by it"))]
            pub(crate) const CAPABILITIES: &'static [(&'static str, &'static [&'static str])] =
                &[$( ($wire, <$type as Capability>::WORDS) ),+];

            const UNKNOWN: Self = Self { matches: None, $( $field: None, )+ other: Members::NONE };
        }
    };
}

trait Capability {
    const WORDS: &'static [&'static str];
}

impl Capability for bool {
    const WORDS: &'static [&'static str] = &[];
}

impl Capability for ThinkingForm {
    const WORDS: &'static [&'static str] = Self::VALUES;
}

impl Capability for TemperatureRule {
    const WORDS: &'static [&'static str] = Self::VALUES;
}

impl Capability for PromptCache {
    const WORDS: &'static [&'static str] = Self::VALUES;
}

family! {
    /// How it is asked to think. Absent: it is not.
    thinking: ThinkingForm = "thinking",
    /// Whether it knows the effort `xhigh`.
    xhigh: bool = "xhigh",
    /// Whether thoughts are bound to the turns before them, and must be dropped where those have changed.
    block_binding: bool = "blockBinding",
    /// When it accepts `temperature` and `topP`. Absent: always.
    temperature: TemperatureRule = "temperature",
    /// When cache points are placed. Absent: never.
    prompt_cache: PromptCache = "promptCache",
    /// Whether it has Claude's rules: thoughts go back with their signature, the result of a failed tool holds no
    /// image, and no tool can be forced while it thinks.
    claude: bool = "claude",
    /// Whether only the `default` service tier serves it.
    default_tier_only: bool = "defaultTierOnly",
}

impl Family {
    /// The family of a model, or [`None`] if it is not known.
    pub(super) fn find<'a>(model_id: &str, target: &Target, families: &'a [Self]) -> Option<&'a Self> {
        let info = &target.info;
        let names = [Some(model_id), info.name.as_deref(), info.base.as_deref()];
        let candidates = names.into_iter().flatten().flat_map(candidates).collect::<Vec<_>>();
        let has_all = |words: &[&str]| {
            candidates.iter().any(|candidate| words.iter().all(|word| candidate.contains(word)))
        };
        let matches =
            |pattern: &String| has_all(&pattern.to_lowercase().split_whitespace().collect::<Vec<_>>());
        let given = families.iter().find(|family| family.matches.iter().flatten().any(matches));
        given.or_else(|| {
            let built_in = BUILT_IN.iter().find(|(patterns, _)| patterns.iter().any(|words| has_all(words)));
            built_in.map(|(_, family)| family)
        })
    }

    /// What a model is taken for whose family is not known.
    pub(super) fn unknown() -> &'static Self {
        static UNKNOWN: Family = Family::UNKNOWN;
        &UNKNOWN
    }

    pub(super) fn is_claude(&self) -> bool {
        self.claude == Some(true)
    }
}

/// The forms of an id or a name that patterns are looked for in.
pub(super) fn candidates(name: &str) -> [String; 2] {
    let lower = name.to_lowercase();
    let mut hyphenated = String::with_capacity(lower.len());
    for character in lower.chars() {
        if !(character.is_whitespace() || "_.:".contains(character)) {
            hyphenated.push(character);
        } else if !hyphenated.ends_with('-') {
            hyphenated.push('-');
        }
    }
    [lower, hyphenated]
}

const CLAUDE: Family = Family {
    thinking: Some(ThinkingForm::Budget),
    temperature: Some(TemperatureRule::NotWithThinking),
    claude: Some(true),
    ..Family::UNKNOWN
};
const CLAUDE_CACHED: Family = Family { prompt_cache: Some(PromptCache::Always), ..CLAUDE };
const CLAUDE_ADAPTIVE: Family = Family { thinking: Some(ThinkingForm::Adaptive), ..CLAUDE_CACHED };
const CLAUDE_BOUND: Family = Family { xhigh: Some(true), block_binding: Some(true), ..CLAUDE_ADAPTIVE };

/// The built-in families in the order in which they are tried, each with its patterns, split into words: splitting
/// them at each start of the program would cost 60,000 instructions.
static BUILT_IN: [(&[&[&str]], Family); 11] = [
    (
        &[&["claude", "opus-5"], &["claude", "sonnet-5"], &["claude", "fable-5"]],
        Family { temperature: Some(TemperatureRule::Never), default_tier_only: Some(true), ..CLAUDE_BOUND },
    ),
    (
        &[&["claude", "opus-4-7"], &["claude", "opus-4-8"]],
        Family { temperature: Some(TemperatureRule::Never), ..CLAUDE_BOUND },
    ),
    (&[&["claude", "haiku-5"]], CLAUDE_BOUND),
    (&[&["claude", "opus-4-6"], &["claude", "sonnet-4-6"]], CLAUDE_ADAPTIVE),
    (&[&["claude", "-4-"], &["claude-3-7-sonnet"], &["claude-3-5-haiku"]], CLAUDE_CACHED),
    (&[&["claude"]], CLAUDE),
    (
        &[&["nova-2"]],
        Family {
            thinking: Some(ThinkingForm::ReasoningConfig),
            prompt_cache: Some(PromptCache::OnRequest),
            ..Family::UNKNOWN
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
        Family { prompt_cache: Some(PromptCache::OnRequest), ..Family::UNKNOWN },
    ),
    (&[&["gpt-oss"]], Family { thinking: Some(ThinkingForm::ReasoningEffort), ..Family::UNKNOWN }),
    (&[&["gpt-"]], Family { thinking: Some(ThinkingForm::Reasoning), ..Family::UNKNOWN }),
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
        Family::UNKNOWN,
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::ModelInfo;

    fn family(id: &str) -> Option<&'static Family> {
        Family::find(id, &Target::default(), &[])
    }

    #[test]
    fn a_family_is_found_by_id_name_or_foundation_model() {
        assert_eq!(family("us.anthropic.claude-haiku-5-5").unwrap(), &CLAUDE_BOUND);
        assert_eq!(family("anthropic.claude-sonnet-4-6").unwrap(), &CLAUDE_ADAPTIVE);
        assert_eq!(family("anthropic.claude-sonnet-4-20250514-v1:0").unwrap(), &CLAUDE_CACHED);
        assert_eq!(family("anthropic.claude-3-5-sonnet-20241022-v2:0").unwrap(), &CLAUDE);
        assert_eq!(family("openai.gpt-oss-20b-1:0").unwrap().thinking, Some(ThinkingForm::ReasoningEffort));
        let arn = "arn:aws:bedrock:eu-west-1:1:application-inference-profile/x";
        assert_eq!(family(arn), None);

        let info = ModelInfo { name: Some("Claude Opus 4.8".into()), ..ModelInfo::default() };
        let named = Family::find(arn, &Target::new(info), &[]).unwrap();
        assert_eq!(named.temperature, Some(TemperatureRule::Never));
        let info = ModelInfo { base: Some("anthropic.claude-sonnet-4-6".into()), ..ModelInfo::default() };
        assert_eq!(Family::find(arn, &Target::new(info), &[]).unwrap(), &CLAUDE_ADAPTIVE);
    }

    #[test]
    fn a_given_family_comes_first() {
        let family = serde_json::from_str::<Family>(
            r#"{"match":["Claude opus-9","nova-9"],"thinking":"adaptive","xhigh":true,"promptCache":"always"}"#,
        );
        let families = [family.unwrap()];
        let find = |id| Family::find(id, &Target::default(), &families).unwrap();
        assert_eq!(find("us.anthropic.claude-opus-9-v1:0"), &families[0]);
        assert_eq!(find("anthropic.claude-opus-8"), &CLAUDE);
    }

    #[test]
    fn capabilities_are_the_members() {
        let members = Family::CAPABILITIES.iter().map(|(name, words)| {
            let value = words.first().map_or(serde_json::Value::Bool(true), |word| (*word).into());
            ((*name).to_owned(), value)
        });
        let json = members.collect::<serde_json::Map<_, _>>();
        let family = serde_json::from_value::<Family>(json.clone().into()).unwrap();
        assert!(family.other.is_empty(), "{family:?}");
        assert_eq!(serde_json::to_value(family).unwrap(), serde_json::Value::Object(json));
    }
}
