//! What the catalogue and a settings file know of a model and of its calls.

use super::input::{Compat, Model};
use crate::models::{ModelInfo, catalog};

impl Model {
    /// Fills the gaps from this.
    pub fn complete(&mut self, info: &ModelInfo) {
        fill(&mut self.name, info.name.clone());
        fill(&mut self.reasoning, info.reasoning);
        fill(&mut self.context_window, info.context_window);
        fill(&mut self.max_tokens, info.max_tokens);
        match (&mut self.cost, &info.cost) {
            (Some(cost), Some(known)) => fill(&mut cost.service_tiers, known.service_tiers.clone()),
            (cost, known) => fill(cost, known.clone()),
        }
        let kinds = |images: bool| {
            let image = images.then(|| "image".to_owned());
            std::iter::once("text".to_owned()).chain(image).collect()
        };
        fill(&mut self.input, info.images.map(kinds));
        if info.strict_tools.is_some() {
            fill(&mut self.compat.get_or_insert_with(Compat::new).supports_strict_mode, info.strict_tools);
        }
        for (level, name) in &info.thinking_levels {
            let map = self.thinking_level_map.get_or_insert_default();
            map.entry(level.clone()).or_insert_with(|| name.clone());
        }
    }

    /// Fills the gaps from the [catalogue](catalog)'s entry for the id, or else for the name.
    pub fn complete_from_catalog(&mut self) {
        let of_name = || catalog::find_by_name(self.name.as_deref()?);
        if let Some(entry) = catalog::find(&self.id).or_else(of_name) {
            self.complete(&entry.info);
        }
    }
}

#[cfg(feature = "settings")]
impl super::Input {
    /// Fills the gaps from the settings: what they say of the model, by its id, and of its calls (parameters
    /// and guardrail). Their families of models follow those of the options.
    pub fn complete(&mut self, settings: &crate::settings::Settings) {
        let model = &mut self.model;
        if let Some(configured) = settings.model(&model.id) {
            // The longest response is among the parameters.
            model.complete(&ModelInfo { max_tokens: None, ..configured.info.clone() });
        }
        let params = settings.params(&model.id);
        let options = self.options.get_or_insert_default();
        fill(&mut options.temperature, params.temperature);
        fill(&mut options.max_tokens, params.max_tokens);
        fill(&mut options.reasoning, params.thinking);
        fill(&mut options.cache_retention, params.cache_retention);
        fill(&mut options.service_tier, params.service_tier);
        fill(&mut options.top_p, params.top_p);
        fill(&mut options.top_k, params.top_k);
        fill(&mut options.stop_sequences, params.stop_sequences);
        fill(&mut options.additional_model_request_fields, params.additional_model_request_fields);
        fill(&mut options.betas, params.betas);
        fill(&mut options.performance_config, params.performance_config);
        fill(&mut options.output_config, params.output_config);
        fill(&mut options.guardrail_config, settings.guardrail.clone());
        if !settings.families.is_empty() {
            let families = options.families.get_or_insert_default();
            families.extend(settings.families.iter().cloned());
        }
    }
}

fn fill<T>(gap: &mut Option<T>, value: Option<T>) {
    if gap.is_none() {
        *gap = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::Cost;
    #[cfg(feature = "settings")]
    use serde_json::json;

    #[test]
    fn the_catalogue_fills_gaps() {
        let mut model = Model::new("us.anthropic.claude-opus-4-8").reasoning(false);
        model.complete_from_catalog();
        assert_eq!((model.reasoning, model.name.as_deref()), (Some(false), Some("Claude Opus 4.8")));
        assert!(model.cost.unwrap().input.unwrap() > 0.0);
        assert!(model.input.unwrap().contains(&"image".to_owned()));
        assert_eq!(model.compat.unwrap().supports_strict_mode, Some(true));

        // Prices of the caller's have the service tiers of the model.
        let mut own = Model::new("mistral.ministral-3-8b-instruct").cost(Cost::new().input(30.0));
        own.complete_from_catalog();
        assert_eq!(own.cost.unwrap().of_service_tier(Some("flex")).input.map(f64::round), Some(14.0));

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
    fn settings_fill_gaps() {
        use crate::pi::{Context, Input, Options};
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
        input.complete(&settings);
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
