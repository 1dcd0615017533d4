//! What settings do to a client, to a request and to what is known of models.

use super::{ConfiguredModel, Params, Settings, is_our_provider, our_model};
use crate::config::Config;
use crate::converse::{ConverseRequest, InferenceConfiguration, ServiceTier, ServiceTierType};
use crate::models::{Model, ModelInfo};
use crate::region::{region_in_url, region_of_url};
use crate::transport::HttpConfig;
use crate::{Error, ErrorKind, Result};

impl Settings {
    /// The region of the file, which counts where neither code nor environment nor profile name one: that in
    /// a `baseUrl` of Amazon's own, else that of discovery.
    pub fn region(&self) -> Option<String> {
        let of_url =
            self.base_url.as_deref().and_then(|url| region_of_url(url).or_else(|| region_in_url(url)));
        of_url.or_else(|| self.discovery.region.clone())
    }

    /// The URL of the file, unless it is one that the region gives anyway.
    pub fn endpoint_url(&self) -> Option<&str> {
        self.base_url.as_deref().filter(|url| region_of_url(url).is_none())
    }

    /// The configuration with these settings where it has none of its own, except for its
    /// [fallback region](Config::fallback_region), which the settings override. With a `model`,
    /// its own settings take precedence over those for all calls.
    pub fn under(&self, mut config: Config, model: Option<&str>) -> Config {
        config.0.project = config.0.project.or_else(|| self.params(model.unwrap_or_default()).project);
        let model = model.and_then(|id| self.model(id));
        let own_url = model.and_then(|model| model.base_url.as_deref());
        let region = own_url
            .and_then(|url| region_of_url(url).or_else(|| region_in_url(url)))
            .or_else(|| self.region());
        let url = match own_url {
            Some(url) => Some(url).filter(|url| region_of_url(url).is_none()),
            None => self.endpoint_url(),
        };
        config.0.fallback_region = region.or(config.0.fallback_region);
        config.0.fallback_endpoint_url = config.0.fallback_endpoint_url.or_else(|| url.map(str::to_owned));
        let chain = &mut config.0.chain;
        chain.fallback_bearer_token = chain.fallback_bearer_token.take().or_else(|| self.api_key.clone());
        chain.fallback_profile = chain.fallback_profile.take().or_else(|| self.profile.clone());
        chain.api_key_command = chain.api_key_command.take().or_else(|| self.api_key_command.clone());
        chain.credentials_refresh_command =
            chain.credentials_refresh_command.take().or_else(|| self.credentials_refresh_command.clone());
        if let Some(model) = model {
            config.0.headers.or(&model.headers);
        }
        config.0.headers.or(&self.headers);
        config.0.withheld.extend_from_slice(&self.withheld);
        config.0.allow_plain_http |= self.allow_plain_http;
        config.0.uses_credentials &= !self.without_credentials;
        let HttpConfig { proxy, authorities, client_certificate, .. } = &self.http;
        config.0.http.proxy = config.0.http.proxy.or_else(|| proxy.clone());
        config.0.http.authorities = config.0.http.authorities.or_else(|| authorities.clone());
        config.0.http.client_certificate =
            config.0.http.client_certificate.or_else(|| client_certificate.clone());
        config
    }

    /// The id of the model that is meant: by an alias, with or without the provider before it.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] when it is another provider's.
    pub fn model_id(&self, named: &str) -> Result<String> {
        let named = named.trim();
        let alias = self.aliases.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(named));
        if let Some((_, id)) = alias {
            return Ok(id.clone());
        }
        match our_model(named) {
            Some(id) => Ok(id.to_owned()),
            None if named.split('/').all(|part| part.trim().is_empty() || is_our_provider(part)) => {
                Err(Error::new(ErrorKind::InvalidInput, format!("{named:?}: the id is empty")))
            }
            None => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("{named:?}: expected a model of amazon-bedrock, found another provider's"),
            )),
        }
    }

    /// What the file says of a model.
    pub fn model(&self, id: &str) -> Option<&ConfiguredModel> {
        self.models.iter().find(|model| model.id == id)
    }

    /// The parameters of this model's calls. The level of thinking `off` becomes `None`. The output limit is that of the
    /// parameters, else of the model in the file.
    pub fn params(&self, id: &str) -> Params {
        let own = self.model_params.get(id).cloned().unwrap_or_default();
        let mut params = own.or(self.params.clone());
        let limit = || self.model(id).map_or(self.max_tokens, |model| model.info.max_tokens);
        params.max_tokens = params.max_tokens.or_else(limit);
        params.thinking = params.thinking.filter(|level| level != "off");
        params
    }

    /// Adds guardrail and parameters to a request where it has none. `topK`, betas, thinking and caching are not
    /// members of a request: [`Input::complete`](crate::pi::Input::complete) adds them.
    pub fn complete(&self, request: &mut ConverseRequest) {
        let params = self.params(&request.model_id);
        if let Some(guardrail) = &self.guardrail {
            request.guardrail_config.get_or_insert_with(|| guardrail.clone());
        }
        let max_tokens = params.max_tokens.and_then(|tokens| tokens.try_into().ok());
        let mut inference = request.inference_config.take().unwrap_or_default();
        inference.temperature = inference.temperature.or(params.temperature);
        inference.top_p = inference.top_p.or(params.top_p);
        inference.max_tokens = inference.max_tokens.or(max_tokens);
        inference.stop_sequences = inference.stop_sequences.or(params.stop_sequences);
        request.inference_config =
            Some(inference).filter(|inference| *inference != InferenceConfiguration::new());
        let fields = request.additional_model_request_fields.take();
        request.additional_model_request_fields = fields.or(params.additional_model_request_fields);
        request.performance_config = request.performance_config.take().or(params.performance_config);
        request.output_config = request.output_config.take().or(params.output_config);
        if let Some(tier) = params.service_tier {
            request
                .service_tier
                .get_or_insert_with(|| ServiceTier::new(ServiceTierType::from(tier.as_str())));
        }
    }

    /// The models of the file, with gaps filled: from what `listed` knows of an id, then from the catalogue's entry
    /// for the id, and at last from its entry for the name.
    pub fn configured_models(&self, listed: impl Fn(&str) -> ModelInfo) -> Vec<Model> {
        let known = |model: &ConfiguredModel| {
            let of_id = ModelInfo::known(&model.id);
            // An entry for the id has all that one for the name would add.
            let name = model.info.name.as_deref().filter(|_| of_id.name.is_none());
            let of_name = name.map(ModelInfo::known_by_name).unwrap_or_default();
            let info = model.info.clone().or(listed(&model.id)).or(of_id).or(of_name);
            info.model(&model.id, self.discovery.default_limits)
        };
        self.models.iter().map(known).collect()
    }
}
