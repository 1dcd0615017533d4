//! Which models can be called, and what is known of them.
//!
//! A [`Directory`] asks the control plane and caches the response; [`Inventory::candidates`] is the rule that says
//! which ids can be called. What is known of a model comes from settings, the API and the [`catalog`]: each is a
//! [`ModelInfo`]. [`ModelInfo::or`] puts one before another, and [`ModelInfo::model`] fills the gaps.

pub mod catalog;
mod cost;
mod directory;
mod discovery;
mod fallback;
mod own;

pub use self::cost::{Cost, PriceTier};
pub(crate) use self::directory::base_model;
pub use self::directory::{Directory, Listing};
pub use self::discovery::{Candidate, Inventory, Reason};
pub use self::fallback::{is_unavailable, is_unknown_model};
pub use self::own::OwnModel;

/// What one source knows of a model. `None` means not known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelInfo {
    /// The id of the foundation model.
    pub base: Option<String>,
    /// The name, for people to read.
    pub name: Option<String>,
    /// Who made it.
    pub provider: Option<String>,
    /// Whether it reads images, beside text.
    pub images: Option<bool>,
    /// Whether it can think before it responds.
    pub reasoning: Option<bool>,
    /// Prompt and response together, in tokens.
    pub context_window: Option<u64>,
    /// The longest response, in tokens.
    pub max_tokens: Option<u64>,
    /// The prices.
    pub cost: Option<Cost>,
    /// Whether it supports strict tools, whose arguments must follow the schema.
    pub strict_tools: Option<bool>,
    /// The fewest tokens that a cache point caches.
    pub cache_minimum: Option<u64>,
    /// The day on which the service takes the model away: `2027-04-08`.
    pub end_of_life: Option<String>,
    /// Levels of thinking that the model calls by another name; `None` for a level that it does not have.
    pub thinking_levels: Vec<(String, Option<String>)>,
}

impl ModelInfo {
    /// What the [`catalog`] knows of an id.
    pub fn known(id: &str) -> Self {
        let window_alone = || Self { context_window: catalog::window_of(id), ..Self::default() };
        catalog::find(id).map_or_else(window_alone, |entry| entry.info.clone())
    }

    /// What the [`catalog`] knows of a name: for an id that says nothing.
    pub fn known_by_name(name: &str) -> Self {
        catalog::find_by_name(name).map(|entry| entry.info.clone()).unwrap_or_default()
    }

    /// This, with its gaps filled from `other`.
    pub fn or(mut self, other: Self) -> Self {
        for (level, name) in other.thinking_levels {
            if self.thinking_levels.iter().all(|(found, _)| *found != level) {
                self.thinking_levels.push((level, name));
            }
        }
        Self {
            base: self.base.or(other.base),
            name: self.name.or(other.name),
            provider: self.provider.or(other.provider),
            images: self.images.or(other.images),
            reasoning: self.reasoning.or(other.reasoning),
            context_window: self.context_window.or(other.context_window),
            max_tokens: self.max_tokens.or(other.max_tokens),
            cost: match (self.cost, other.cost) {
                (Some(mut cost), Some(other)) => {
                    cost.service_tiers = cost.service_tiers.or(other.service_tiers);
                    Some(cost)
                }
                (cost, other) => cost.or(other),
            },
            strict_tools: self.strict_tools.or(other.strict_tools),
            cache_minimum: self.cache_minimum.or(other.cache_minimum),
            end_of_life: self.end_of_life.or(other.end_of_life),
            thinking_levels: self.thinking_levels,
        }
    }

    /// The model that is called by this id. Gaps become: the id as the name, text alone, no thinking, no price and
    /// these limits. No response is longer than the context window.
    pub fn model(self, id: impl Into<String>, default_limits: Limits) -> Model {
        let id = id.into();
        let context_window = self.context_window.unwrap_or(default_limits.context_window);
        Model {
            base: self.base,
            name: self.name.unwrap_or_else(|| id.clone()),
            provider: self.provider.unwrap_or_else(|| catalog::provider_of(&id).to_owned()),
            images: self.images.unwrap_or(false),
            reasoning: self.reasoning.unwrap_or(false),
            is_window_known: self.context_window.is_some(),
            context_window,
            is_limit_known: self.max_tokens.is_some(),
            max_tokens: self.max_tokens.unwrap_or(default_limits.max_tokens).min(context_window),
            cost: self.cost,
            cache_minimum: self.cache_minimum,
            end_of_life: self.end_of_life,
            id,
        }
    }
}

/// The limits of models whose own are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Prompt and response together, in tokens.
    pub context_window: u64,
    /// The longest response, in tokens.
    pub max_tokens: u64,
}

impl Default for Limits {
    /// 32,000 and 4,096 tokens.
    fn default() -> Self {
        Self { context_window: 32_000, max_tokens: 4096 }
    }
}

/// A model that can be called.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Model {
    /// The id that a call takes.
    pub id: String,
    /// The id of the foundation model, where it is known.
    pub base: Option<String>,
    /// The name, for people to read.
    pub name: String,
    /// Who made it: `Anthropic`.
    pub provider: String,
    /// Whether it reads images, beside text.
    pub images: bool,
    /// Whether it can think before it responds.
    pub reasoning: bool,
    /// Prompt and response together, in tokens.
    pub context_window: u64,
    /// Whether the context window is the model's own, and not the default for models whose own is not known.
    pub is_window_known: bool,
    /// The longest response, in tokens.
    pub max_tokens: u64,
    /// The same for the longest response.
    pub is_limit_known: bool,
    /// The prices, where they are known.
    pub cost: Option<Cost>,
    /// The fewest tokens that a cache point caches, where that is known.
    pub cache_minimum: Option<u64>,
    /// The day on which the service takes the model away, where that is known: `2027-04-08`.
    pub end_of_life: Option<String>,
}

impl Model {
    /// Whether the model is of this provider: by its name, or by what the id of the foundation model begins
    /// with; in any case.
    pub fn is_of(&self, provider: &str) -> bool {
        self.providers().any(|name| name.eq_ignore_ascii_case(provider.trim()))
    }

    /// The kinds of input that it reads: `text`, and `image` if it reads images.
    pub fn inputs(&self) -> &'static [&'static str] {
        if self.images { &["text", "image"] } else { &["text"] }
    }

    /// What [`is_of`](Self::is_of) takes for its provider, in any case.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        let id = catalog::id_of_arn(self.base.as_deref().unwrap_or(&self.id));
        // Of an id that is not known, a region may be the first part.
        std::iter::once(self.provider.as_str()).chain(id.split('.').take(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_info_counts_and_gaps_are_filled() {
        let settings =
            ModelInfo { name: Some("Ours".into()), max_tokens: Some(999_999), ..ModelInfo::default() };
        let api = ModelInfo { name: Some("Theirs".into()), images: Some(true), ..ModelInfo::default() };
        let limits = Limits { context_window: 50_000, max_tokens: 1_000 };
        let model =
            settings.or(api).or(ModelInfo::known("mistral.unheard-of")).model("mistral.unheard-of", limits);
        assert_eq!((model.name.as_str(), model.provider.as_str()), ("Ours", "Mistral AI"));
        assert_eq!((model.images, model.reasoning, model.cost), (true, false, None));
        assert_eq!((model.context_window, model.max_tokens), (50_000, 50_000));
        assert_eq!((model.is_window_known, model.is_limit_known), (false, true));
        assert_eq!(ModelInfo::default().model("x", Limits::default()).max_tokens, 4096);
    }

    #[test]
    fn a_provider_goes_by_its_name_or_by_the_ids() {
        let model = |id: &str| ModelInfo::known(id).model(id, Limits::default());
        let pixtral = model("eu.mistral.pixtral-large-2502-v1:0");
        for name in ["mistral", " MISTRAL ", "Mistral AI", "mistral ai"] {
            assert!(pixtral.is_of(name), "{name}");
        }
        assert!(!pixtral.is_of("eu") && !pixtral.is_of("mist") && !pixtral.is_of("Anthropic"));
        assert!(model("us.newcomer.x1").is_of("NewComer"));
    }
}
