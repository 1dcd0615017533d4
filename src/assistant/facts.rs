//! What is known of a model beside what is asked: by the catalogue, and by a settings file.

use super::message::{Compat, Cost, Model, PriceTier};
use crate::models::{self, Facts, catalog};

impl Model {
    /// Adds what these facts say and this does not.
    pub fn complete(&mut self, facts: &Facts) {
        fill(&mut self.name, facts.name.clone());
        fill(&mut self.reasoning, facts.reasoning);
        fill(&mut self.context_window, facts.context_window);
        fill(&mut self.max_tokens, facts.max_tokens);
        fill(&mut self.cost, facts.cost.as_ref().map(Cost::from));
        let takes = |images| {
            if images { vec!["text".to_owned(), "image".to_owned()] } else { vec!["text".to_owned()] }
        };
        fill(&mut self.input, facts.images.map(takes));
    }

    /// Adds what the [catalogue](catalog) knows of the id, or else of the name, and this does not say.
    pub fn complete_from_catalog(&mut self) {
        let of_name = || catalog::find_by_name(self.name.as_deref()?);
        let Some(entry) = catalog::find(&self.id).or_else(of_name) else { return };
        self.complete(&Facts::from(entry));
        self.complete_compat(Some(entry.strict_tools));
        let levels = entry.thinking_levels.iter();
        self.complete_levels(levels.map(|(level, effort)| (*level, *effort)));
    }

    fn complete_compat(&mut self, supports_strict_mode: Option<bool>) {
        if supports_strict_mode.is_some() {
            fill(&mut self.compat.get_or_insert_with(Compat::new).supports_strict_mode, supports_strict_mode);
        }
    }

    fn complete_levels<'a>(&mut self, levels: impl Iterator<Item = (&'a str, Option<&'a str>)>) {
        for (level, effort) in levels {
            let map = self.thinking_level_map.get_or_insert_default();
            map.entry(level.to_owned()).or_insert_with(|| effort.map(str::to_owned));
        }
    }
}

#[cfg(feature = "settings")]
impl super::Input {
    /// Adds what the settings say and this does not: of the model, by its id, and of its calls (temperature,
    /// limit of tokens, thinking, caching, service tier, guardrail). Their families of models come behind
    /// those of the options.
    ///
    /// Fails with [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for a family that is none.
    pub fn complete(&mut self, settings: &crate::settings::Settings) -> crate::Result<()> {
        let model = &mut self.model;
        if let Some(configured) = settings.model(&model.id) {
            // The limit of an answer is among the parameters.
            model.complete(&Facts { max_tokens: None, ..configured.facts.clone() });
            model.complete_compat(configured.supports_strict_mode);
            let levels = configured.thinking_levels.iter();
            model.complete_levels(levels.map(|(level, effort)| (level.as_str(), effort.as_deref())));
        }
        let params = settings.params(&model.id);
        let options = self.options.get_or_insert_default();
        fill(&mut options.temperature, params.temperature);
        fill(&mut options.max_tokens, params.max_tokens);
        fill(&mut options.reasoning, params.thinking);
        fill(&mut options.cache_retention, params.cache_retention);
        fill(&mut options.service_tier, params.service_tier);
        fill(&mut options.guardrail_config, settings.guardrail.clone());
        for family in &settings.families {
            let family = serde_json::from_value(family.clone()).map_err(|source| {
                let message = "the settings: a family of models expected in models.providers[…].families";
                crate::Error::new(crate::ErrorKind::InvalidInput, message).with_source(source)
            })?;
            options.families.get_or_insert_default().push(family);
        }
        Ok(())
    }
}

impl From<&models::Cost> for Cost {
    fn from(cost: &models::Cost) -> Self {
        let tiers = cost.tiers.iter().map(|tier| {
            PriceTier::new(tier.above)
                .input(tier.input)
                .output(tier.output)
                .cache_read(tier.cache_read)
                .cache_write(tier.cache_write)
        });
        let prices = Self::new()
            .input(cost.input)
            .output(cost.output)
            .cache_read(cost.cache_read)
            .cache_write(cost.cache_write);
        tiers.fold(prices, Self::tier)
    }
}

fn fill<T>(place: &mut Option<T>, value: Option<T>) {
    if place.is_none() {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(feature = "settings")]
    use serde_json::json;

    #[test]
    fn the_catalogue_fills_what_is_not_said() {
        let mut model = Model::new("us.anthropic.claude-opus-4-8").reasoning(false);
        model.complete_from_catalog();
        assert_eq!((model.reasoning, model.name.as_deref()), (Some(false), Some("Claude Opus 4.8")));
        assert!(model.cost.unwrap().input.unwrap() > 0.0);
        assert!(model.input.unwrap().contains(&"image".to_owned()));
        assert_eq!(model.compat.unwrap().supports_strict_mode, Some(true));

        let mut arn = Model::new("arn:aws:bedrock:eu-west-1:1:application-inference-profile/x")
            .name("My Claude Opus 4.8");
        arn.complete_from_catalog();
        assert_eq!(arn.reasoning, Some(true));
        let mut unknown = Model::new("newcomer.x1");
        unknown.complete_from_catalog();
        assert_eq!(unknown, Model::new("newcomer.x1"));
    }

    #[cfg(feature = "settings")]
    #[test]
    fn settings_fill_what_is_not_said() {
        use crate::assistant::{Context, Input, Options};
        use crate::settings::Settings;

        let settings = Settings::parse(
            "settings.json5",
            r#"{
                models: { providers: { "amazon-bedrock": {
                    families: [{ match: ["newcomer"], thinking: "reasoning" }],
                    models: [{
                        id: "newcomer.x1", name: "Newcomer", reasoning: true, input: ["text"], maxTokens: 900,
                        compat: { supportsStrictMode: true }, thinkingLevelMap: { high: "most" },
                        cost: { input: 1, output: 2, cacheRead: 0, cacheWrite: 0 },
                    }],
                } } },
                agents: { defaults: {
                    params: { serviceTier: "flex" },
                    models: { "amazon-bedrock/newcomer.x1": { params: { temperature: 0.5, thinking: "high", cacheRetention: "long" } } },
                } },
                plugins: { entries: { "amazon-bedrock": { config: { guardrail: { guardrailIdentifier: "g", guardrailVersion: "1" } } } } },
            }"#,
        )
        .unwrap();
        let mut input =
            Input::new(Model::new("newcomer.x1"), Context::new()).options(Options::new().temperature(1.0));
        input.complete(&settings).unwrap();
        assert_eq!(
            serde_json::to_value(&input).unwrap(),
            json!({
                "model": {
                    "id": "newcomer.x1", "name": "Newcomer", "reasoning": true, "input": ["text"],
                    "cost": {"input": 1.0, "output": 2.0, "cacheRead": 0.0, "cacheWrite": 0.0},
                    "compat": {"supportsStrictMode": true}, "thinkingLevelMap": {"high": "most"}
                },
                "context": {},
                "options": {
                    "maxTokens": 900, "temperature": 1.0, "reasoning": "high", "cacheRetention": "long",
                    "serviceTier": "flex", "families": [{"match": ["newcomer"], "thinking": "reasoning"}],
                    "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}
                }
            })
        );
    }
}
