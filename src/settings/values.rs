//! The values of a settings file, from JSON that was checked.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_credential_types::Token;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::reference::{self, Env};
use super::{
    API, ConfiguredModel, Discovery, LEVELS, PROVIDERS, Params, Settings, is_our_provider, our_model,
};
use crate::config::Headers;
use crate::converse::ServiceTierType;
use crate::models::{Cost, Limits, ModelInfo, PriceTier};
use crate::shape::Document;
use crate::transport::HttpConfig;

impl Settings {
    pub(super) fn read(root: &Value, env: Env<'_>) -> Self {
        let provider = provider_of(root.pointer("/models/providers"));
        let entry = provider_of(root.pointer("/plugins/entries"));
        let plugin = entry.and_then(|entry| entry.get("config"));
        let defaults = root.pointer("/agents/defaults");
        let of = |section: Option<&Value>, name: &str| section.and_then(|section| section.get(name)).cloned();

        let request = of(provider, "request");
        let sign_in = of(request.as_ref(), "auth");
        let auth = text(provider, "auth").or_else(|| auth_profile(root));
        let key = match text(sign_in.as_ref(), "mode").as_deref() {
            Some("authorization-bearer") => of(sign_in.as_ref(), "token"),
            _ => of(provider, "apiKey").filter(|_| auth.as_deref() != Some("aws-sdk")),
        };
        let mut headers = texts(request.as_ref().and_then(|request| request.get("headers")), env);
        headers.or(&texts(provider.and_then(|provider| provider.get("headers")), env));
        let authorising = authorising_header(sign_in.as_ref(), env);
        let without_credentials = authorising.is_some();
        if let Some((name, value)) = authorising {
            headers.set(&name, value);
        }
        let timeout = |section: Option<&Value>, name: &str, unit: f64| {
            // A number that JSON cannot hold is a text here: it is longer than any clock can count.
            let seconds = section?.get(name)?.as_f64().unwrap_or(f64::INFINITY) * unit;
            Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
        };
        let discovery = Discovery::read(
            of(plugin, "discovery").as_ref(),
            root.pointer("/models/bedrockDiscovery"),
            // Header-only auth cannot reach the control plane, so discovery is off.
            without_credentials || entry.and_then(|entry| entry.get("enabled")?.as_bool()) == Some(false),
        );
        let choice = defaults.and_then(|defaults| defaults.get("model"));
        let families = provider.and_then(|provider| provider.get("families")?.as_array());
        let families = families.into_iter().flatten();

        let mut settings = Self {
            discovery,
            base_url: text(provider, "baseUrl"),
            api_key: key.and_then(|key| reference::key(&key, env)).map(|key| Token::new(key, None)),
            api_key_command: text(provider, "apiKeyCommand").filter(|_| auth.as_deref() != Some("aws-sdk")),
            credentials_refresh_command: text(provider, "credentialsRefreshCommand"),
            profile: text(provider, "profile"),
            without_credentials,
            headers,
            allow_plain_http: request.as_ref().is_some_and(|request| request["allowPlainHttp"] == true),
            http: http(request.as_ref(), env),
            replaces: root.pointer("/models/mode").is_some_and(|mode| mode == "replace"),
            families: families.filter_map(read).collect(),
            timeout: timeout(provider, "timeoutSeconds", 1.0).or_else(|| timeout(choice, "timeoutMs", 0.001)),
            max_tokens: whole(provider, "maxTokens"),
            params: Params::read(of(defaults, "params").as_ref()),
            guardrail: of(plugin, "guardrail").as_ref().and_then(read),
            ..Self::default()
        };
        let mut listed = HashSet::new();
        for model in provider.and_then(|provider| provider.get("models")?.as_array()).into_iter().flatten() {
            let api = text(Some(model), "api").or_else(|| text(provider, "api"));
            let Some(id) = text(Some(model), "id") else { continue };
            let id = our_model(&id).unwrap_or(&id).to_owned();
            if api.is_none_or(|api| api == API) && listed.insert(id.clone()) {
                let params = model.get("params").map(|params| Params::read(Some(params)));
                settings.model_params.extend(params.map(|params| (id.clone(), params)));
                settings.models.push(ConfiguredModel::read(id, model, provider, env));
            }
        }
        let chosen = defaults.and_then(|defaults| defaults.get("models")?.as_object());
        for (name, chosen) in chosen.into_iter().flatten() {
            let Some(id) = our_model(name) else { continue };
            settings.aliases.extend(text(Some(chosen), "alias").map(|alias| (alias, id.to_owned())));
            if let Some(params) = chosen.get("params") {
                let listed = settings.model_params.remove(id).unwrap_or_default();
                settings.model_params.insert(id.to_owned(), Params::read(Some(params)).or(listed));
            }
        }
        let primary = choice.and_then(|choice| choice.as_str().or_else(|| choice.get("primary")?.as_str()));
        let fallbacks = choice.and_then(|choice| choice.get("fallbacks")?.as_array()).into_iter().flatten();
        // Models of other providers are meant for other programs: the next one is used.
        let order = primary.into_iter().chain(fallbacks.filter_map(Value::as_str));
        let mut ids = HashMap::new();
        for (alias, id) in &settings.aliases {
            ids.entry(alias.to_ascii_lowercase()).or_insert(id.as_str());
        }
        let id = |named: &str| {
            let of_alias = ids.get(&named.trim().to_ascii_lowercase()).copied();
            of_alias.or_else(|| our_model(named)).map(str::to_owned)
        };
        let mut order = order.filter_map(id).collect::<Vec<_>>();
        if !order.is_empty() {
            settings.primary = Some(order.remove(0));
        }
        settings.fallbacks = order;
        settings
    }
}

impl Discovery {
    /// Each member of the newer section takes precedence over that of the older. With `off`, discovery is off unless
    /// one of them turns it on.
    fn read(newer: Option<&Value>, older: Option<&Value>, off: bool) -> Self {
        let of =
            |name: &str| [newer, older].into_iter().flatten().find_map(|section| section.get(name)).cloned();
        let defaults = Self::default();
        let number = |name: &str| of(name).as_ref().and_then(as_whole);
        let filter = of("providerFilter");
        let filter =
            filter.as_ref().and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        Self {
            enabled: of("enabled").and_then(|enabled| enabled.as_bool()).or(off.then_some(false)),
            region: of("region").and_then(|region| Some(region.as_str()?.trim().to_owned())),
            provider_filter: filter.map(str::to_owned).collect(),
            refresh_interval: number("refreshInterval")
                .map_or(defaults.refresh_interval, Duration::from_secs),
            default_limits: Limits {
                context_window: number("defaultContextWindow")
                    .unwrap_or(defaults.default_limits.context_window),
                max_tokens: number("defaultMaxTokens").unwrap_or(defaults.default_limits.max_tokens),
            },
        }
    }
}

impl ConfiguredModel {
    fn read(id: String, model: &Value, provider: Option<&Value>, env: Env<'_>) -> Self {
        let input = model.get("input").and_then(Value::as_array);
        let number = |name: &str| whole(Some(model), name).or_else(|| whole(provider, name));
        // The effective window is the smaller one.
        let window = ["contextWindow", "contextTokens"].into_iter().filter_map(number).min();
        let levels = model.get("thinkingLevelMap").and_then(Value::as_object).into_iter().flatten();
        let named = |(level, name): (&String, &Value)| (level.clone(), name.as_str().map(str::to_owned));
        let info = ModelInfo {
            name: text(Some(model), "name"),
            images: input.map(|input| input.iter().any(|input| input == "image")),
            reasoning: model.get("reasoning").and_then(Value::as_bool),
            context_window: window,
            max_tokens: number("maxTokens"),
            cost: model.get("cost").map(cost),
            strict_tools: model.pointer("/compat/supportsStrictMode").and_then(Value::as_bool),
            thinking_levels: levels.map(named).collect(),
            ..ModelInfo::default()
        };
        Self { id, info, headers: texts(model.get("headers"), env), base_url: text(Some(model), "baseUrl") }
    }
}

impl Params {
    fn read(params: Option<&Value>) -> Self {
        let word = |name: &str, words: &[&[&str]]| {
            text(params, name)
                .map(|word| word.to_ascii_lowercase())
                .filter(|word| words.concat().contains(&word.as_str()))
        };
        let tiers = &[ServiceTierType::VALUES];
        let tier = word("serviceTier", tiers).or_else(|| word("service_tier", tiers));
        // With `high`, a model that thinks adaptively decides for itself how much to think.
        let thinking =
            word("thinking", LEVELS).map(|level| if level == "adaptive" { "high".to_owned() } else { level });
        Self {
            temperature: member(params, "temperature"),
            max_tokens: whole(params, "maxTokens"),
            cache_retention: text(params, "cacheRetention"),
            thinking,
            service_tier: tier,
            top_p: member(params, "topP"),
            top_k: whole(params, "topK"),
            stop_sequences: member(params, "stopSequences"),
            additional_model_request_fields: member(params, "additionalModelRequestFields"),
            betas: member(params, "betas"),
            performance_config: member(params, "performanceConfig"),
            output_config: member(params, "outputConfig"),
            project: text(params, "project"),
        }
    }

    pub(super) fn or(self, others: Self) -> Self {
        Self {
            temperature: self.temperature.or(others.temperature),
            max_tokens: self.max_tokens.or(others.max_tokens),
            cache_retention: self.cache_retention.or(others.cache_retention),
            thinking: self.thinking.or(others.thinking),
            service_tier: self.service_tier.or(others.service_tier),
            top_p: self.top_p.or(others.top_p),
            top_k: self.top_k.or(others.top_k),
            stop_sequences: self.stop_sequences.or(others.stop_sequences),
            additional_model_request_fields: self
                .additional_model_request_fields
                .or(others.additional_model_request_fields),
            betas: self.betas.or(others.betas),
            performance_config: self.performance_config.or(others.performance_config),
            output_config: self.output_config.or(others.output_config),
            project: self.project.or(others.project),
        }
    }
}

/// The values of the variables in the paths of URLs.
pub(super) fn in_paths(root: &Value, env: Env<'_>) -> Vec<Token> {
    let provider = provider_of(root.pointer("/models/providers"));
    let models = provider.and_then(|provider| provider.get("models")?.as_array()).into_iter().flatten();
    let urls = provider.into_iter().chain(models).filter_map(|entry| entry.get("baseUrl")?.as_str());
    let values = urls.flat_map(|url| reference::values_in_path(url, env));
    values.map(|value| Token::new(value, None)).collect()
}

/// Our entry among providers, under any of its names.
fn provider_of(entries: Option<&Value>) -> Option<&Value> {
    let entries = entries?.as_object()?;
    let named = |name: &str| entries.iter().find(|(found, _)| found.trim().eq_ignore_ascii_case(name));
    PROVIDERS.into_iter().find_map(named).map(|(_, entry)| entry)
}

fn text(section: Option<&Value>, name: &str) -> Option<String> {
    section?.get(name)?.as_str().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn member<T: DeserializeOwned>(section: Option<&Value>, name: &str) -> Option<T> {
    read(section?.get(name)?)
}

/// Reads a type from the text of a value: a reader from values would be a second one.
fn read<T: DeserializeOwned>(value: &Value) -> Option<T> {
    Document::write(value).ok()?.read().ok()
}

fn texts(section: Option<&Value>, env: Env<'_>) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in section.and_then(Value::as_object).into_iter().flatten() {
        if let Some(value) = reference::secret(value, env) {
            headers.set(name, value);
        }
    }
    headers
}

/// How OpenClaw signs in to our provider, if it says so outside the provider's section.
fn auth_profile(root: &Value) -> Option<String> {
    let profiles = root.pointer("/auth/profiles")?.as_object()?;
    text(profiles.values().find(|profile| is_ours_profile(profile)), "mode")
}

fn is_ours_profile(profile: &Value) -> bool {
    text(Some(profile), "provider").is_some_and(|name| is_our_provider(&name))
}

/// The header that authorises calls, if there is one.
fn authorising_header(auth: Option<&Value>, env: Env<'_>) -> Option<(String, String)> {
    let auth = auth.filter(|auth| auth.get("mode").is_some_and(|mode| mode == "header"))?;
    let prefix = auth.get("prefix").and_then(Value::as_str).unwrap_or_default();
    let value = reference::secret(auth.get("value")?, env)?;
    Some((text(Some(auth), "headerName")?, format!("{prefix}{value}")))
}

/// How to connect.
fn http(request: Option<&Value>, env: Env<'_>) -> HttpConfig {
    let secret = |path: &str| reference::secret(request?.pointer(path)?, env);
    let is_explicit = |mode: &String| mode == "explicit-proxy";
    HttpConfig {
        proxy: secret("/proxy/mode").filter(is_explicit).and_then(|_| secret("/proxy/url")),
        authorities: secret("/tls/ca"),
        client_certificate: secret("/tls/cert").zip(secret("/tls/key")),
        ..HttpConfig::default()
    }
}

fn whole(section: Option<&Value>, name: &str) -> Option<u64> {
    as_whole(section?.get(name)?)
}

/// A whole number in any notation, such as `1e6`.
fn as_whole(number: &Value) -> Option<u64> {
    number.as_u64().or_else(|| format!("{:.0}", number.as_f64()?).parse().ok())
}

fn cost(cost: &Value) -> Cost {
    let price = |section: &Value, name: &str| section.get(name).and_then(Value::as_f64).unwrap_or_default();
    let tiers = cost.get("tiers").and_then(Value::as_array).into_iter().flatten();
    let tiers = tiers.filter_map(|tier| {
        let prices = PriceTier::new(whole(Some(tier), "inputTokensAbove")?);
        let prices = prices.input(price(tier, "input")).output(price(tier, "output"));
        Some(prices.cache_read(price(tier, "cacheRead")).cache_write(price(tier, "cacheWrite")))
    });
    let prices = Cost::new().input(price(cost, "input")).output(price(cost, "output"));
    let prices = prices.cache_read(price(cost, "cacheRead")).cache_write(price(cost, "cacheWrite"));
    let mut prices = tiers.fold(prices, Cost::tier);
    prices.service_tiers =
        cost.get("serviceTiers").and_then(|tiers| Document::from(tiers.clone()).read().ok());
    prices
}
