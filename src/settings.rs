//! The settings file: JSON5, in the form that OpenClaw's has.
//!
//! These sections count; an OpenClaw file works as it is, and what else is in it is another program's:
//!
//! | section | what it says |
//! |---|---|
//! | `models.bedrockDiscovery`, or `plugins.entries."amazon-bedrock".config.discovery`, which counts first | whether and where to look for models, which of them to list, for how long to keep the list, what to take for limits that are not known |
//! | `models.mode` | whether the file's models stand beside those that are found, or in their place |
//! | `models.providers."amazon-bedrock"` | the endpoint, a key, headers, connections, models with all that is known of them, families of models |
//! | `auth.profiles` | that credentials are the AWS SDK's |
//! | `agents.defaults.model`, `.models`, `.params` | the model of a call, what to fall back to, other names, parameters |
//! | `plugins.entries."amazon-bedrock".config.guardrail` | the guardrail of a call |
//!
//! Inside these, a member that is misspelt or of the wrong kind is an error that names file, line, member
//! and the nearest right one; one that OpenClaw has and that means nothing here is among
//! [`Settings::warnings`]. The provider may be written `bedrock` or `aws-bedrock` as well. In a text, `${NAME}`
//! stands for a variable of the environment.
//!
//! ```
//! use pumice::settings::Settings;
//!
//! let text = r#"{ agents: { defaults: { model: { primary: "amazon-bedrock/us.amazon.nova-lite-v1:0" } } } }"#;
//! let settings = Settings::parse("settings.json5", text)?;
//! assert_eq!(settings.primary.as_deref(), Some("us.amazon.nova-lite-v1:0"));
//!
//! let fault = Settings::parse("settings.json5", "{ models: { bedrockDiscovry: {} } }").unwrap_err();
//! assert!(fault.to_string().starts_with("settings.json5:1:13: models.bedrockDiscovry: "));
//! assert!(fault.to_string().ends_with("did you mean bedrockDiscovery?"));
//! # Ok::<(), pumice::Error>(())
//! ```

mod check;
mod edit;
mod json5;
mod reference;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_credential_types::Token;
use serde_json::Value;

use crate::config::{Config, Headers};
use crate::context::Context;
use crate::conversation::{Family, ThinkingLevel};
use crate::converse::{ConverseRequest, ServiceTier, ServiceTierType};
use crate::endpoint::{Origin, region_of_url};
use crate::guardrail::GuardrailConfiguration;
use crate::models::{Cost, Limits, Model, ModelInfo, PriceTier};
use crate::transport::HttpConfig;
use crate::{Error, ErrorKind, Result};
use reference::Env;

pub use json5::decimal;

/// What a settings file says.
///
/// `Debug` shows no secret.
#[derive(Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Settings {
    /// How models are looked for.
    pub discovery: Discovery,
    /// The URL of the runtime: `models.providers."amazon-bedrock".baseUrl`.
    pub base_url: Option<String>,
    /// A Bedrock API key: `apiKey`, unless `auth` says that credentials are the AWS SDK's.
    pub api_key: Option<Token>,
    /// Whether a header of the file authorises calls, and nothing else does: `request.auth` of mode `header`.
    pub unauthorised: bool,
    /// Headers of every call.
    pub headers: Headers,
    /// Whether secrets may go over plain `http` to another machine: `request.allowPlainHttp`.
    pub allow_plain_http: bool,
    /// How to connect: proxy, authorities and client certificate of `request`.
    pub http: HttpConfig,
    /// The longest silence of a call; [`Duration::MAX`] where there is no limit.
    pub timeout: Option<Duration>,
    /// The longest answer of models that say nothing else, in tokens.
    pub max_tokens: Option<u64>,
    /// Whether the models of the file, if there are any, take the place of those that are found.
    pub replaces: bool,
    /// What OpenClaw takes beside it and this program does not: each with file, line, column and member.
    pub warnings: Vec<String>,
    /// Families of models, before the built-in ones.
    pub families: Vec<Family>,
    /// The models of the file, in its order, no id twice. Those of other APIs are not among them.
    pub models: Vec<ConfiguredModel>,
    /// The id of the model of a call that names none.
    pub primary: Option<String>,
    /// The ids of the models to call when the primary is not available, in this order.
    pub fallbacks: Vec<String>,
    /// Other names of models, and their ids.
    pub aliases: BTreeMap<String, String>,
    /// The guardrail of every call.
    pub guardrail: Option<GuardrailConfiguration>,
    /// Parameters of every call.
    pub params: Params,
    /// Parameters by the id of the model, before those of every call.
    pub model_params: BTreeMap<String, Params>,
    /// The values of variables in the paths of URLs: keys of a gateway.
    withheld: Vec<Token>,
}

/// How models are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discovery {
    /// Whether they are. `None`: if there are credentials.
    pub enabled: Option<bool>,
    /// The region, where nothing else names one.
    pub region: Option<String>,
    /// The providers whose models are listed, by [`Model::is_of`]; all if there is none.
    pub provider_filter: Vec<String>,
    /// For how long a list is kept, in whole seconds. 0: not at all; [`Duration::MAX`]: for ever.
    pub refresh_interval: Duration,
    /// The limits of models of which nothing is known.
    pub default_limits: Limits,
}

impl Default for Discovery {
    fn default() -> Self {
        Self {
            enabled: None,
            region: None,
            provider_filter: Vec::new(),
            refresh_interval: Duration::from_hours(1),
            default_limits: Limits::default(),
        }
    }
}

/// A model that the file lists.
///
/// `Debug` shows no secret.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ConfiguredModel {
    /// What a call takes as the model's id.
    pub id: String,
    /// What the file says of it.
    pub info: ModelInfo,
    /// Headers of its calls, before those of every call.
    pub headers: Headers,
    /// The URL of the runtime for its calls, before that of all others.
    pub base_url: Option<String>,
}

/// Parameters of a call.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Params {
    /// How far the answer strays from the likeliest words.
    pub temperature: Option<f64>,
    /// The longest answer, in tokens.
    pub max_tokens: Option<u64>,
    /// For how long what repeats is cached: `none`, `short` or `long`.
    pub cache_retention: Option<String>,
    /// How much the model is to think: `off`, or a level from `minimal` to `max`.
    pub thinking: Option<String>,
    /// Which capacity serves the call: `default`, `flex`, `priority` or `reserved`.
    pub service_tier: Option<String>,
}

impl Settings {
    /// Where the settings are: the file that is given, else that of `PUMICE_CONFIG`, else `config.json5` in
    /// the [configuration folder](Context::config_folder).
    pub fn path(context: &Context, given: Option<&Path>) -> Option<PathBuf> {
        let named = given.map(Path::to_owned).or_else(|| context.env("PUMICE_CONFIG").map(PathBuf::from));
        named.or_else(|| Some(context.config_folder()?.join("config.json5")))
    }

    /// Reads and checks the settings. Where there is no file, they are empty; a file that is named, given or
    /// in `PUMICE_CONFIG`, must be there.
    ///
    /// Fails with [`ErrorKind::InvalidInput`].
    pub fn load(context: &Context, given: Option<&Path>) -> Result<Self> {
        let Some(path) = Self::path(context, given) else { return Ok(Self::default()) };
        let named = given.is_some() || context.env("PUMICE_CONFIG").is_some();
        match read(context, &path)? {
            Some(text) => {
                let env = |name: &str| context.env(name);
                Self::parse_in(&path.display().to_string(), &text, Some(&env))
            }
            None if named => Err(unreadable(&path, &"there is no such file")),
            None => Ok(Self::default()),
        }
    }

    /// Reads and checks the text of a settings file; `file` names it in errors. No variable is looked up:
    /// `${NAME}` stays as it is.
    ///
    /// Fails with [`ErrorKind::InvalidInput`].
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        Self::parse_in(file, text, None)
    }

    fn parse_in(file: &str, text: &str, env: Option<Env<'_>>) -> Result<Self> {
        let text = without_mark(text);
        let Some(root) = parse(file, text)? else { return Ok(Self::default()) };
        let warnings = check::check(file, text, &root, env)?;
        let mut root = root.to_json();
        let env = env.unwrap_or(&|_| None);
        let withheld = values_in_paths(&root, env);
        reference::expand(&mut root, env);
        let mut settings = Self { warnings, withheld, ..Self::read(&root, env) };
        let has = |headers: &Headers| headers.get("authorization").is_some();
        let unused = has(&settings.headers) || settings.models.iter().any(|model| has(&model.headers));
        if unused && !settings.unauthorised {
            settings.warnings.push(format!("{file}: {UNUSED_AUTHORIZATION}"));
        }
        Ok(settings)
    }

    /// The paths of all members that are read, such as `models.providers.amazon-bedrock.models[].id`; `*` stands
    /// for any name, `[]` for each of a list.
    pub fn members() -> Vec<String> {
        check::members()
    }

    /// The path within the sections that count which was likely meant by one under which nothing is set: it leads
    /// to something that is. `None` if nothing is near.
    pub fn nearest_path(text: &str, path: &str) -> Result<Option<String>> {
        edit::nearest_path(&Self::sections(text)?, path)
    }

    /// What a text of settings says under a path such as `agents.defaults.model.primary` or
    /// `models.providers["amazon-bedrock"].models[0]`.
    pub fn get(text: &str, path: &str) -> Result<Option<Value>> {
        edit::get(without_mark(text), path)
    }

    /// The text with a member set; comments and layout stay. The value is JSON5, or else a text as it is;
    /// objects on the way are made as needed. Nothing is checked: [`parse`](Self::parse) does that.
    pub fn set(text: &str, path: &str, value: &str) -> Result<String> {
        edit::set(without_mark(text), path, value)
    }

    /// The text without a member, or `None` if there was none; comments and layout stay.
    pub fn unset(text: &str, path: &str) -> Result<Option<String>> {
        edit::unset(without_mark(text), path)
    }

    /// The members that count, with secrets (keys, headers) left out.
    pub fn sections(text: &str) -> Result<Value> {
        let root = parse("the settings", without_mark(text))?;
        let root = root.map(|root| root.to_json()).and_then(check::without_secrets);
        Ok(root.unwrap_or_else(|| Value::Object(serde_json::Map::new())))
    }

    /// The region of the file, which counts where neither code nor environment nor profile name one: that in
    /// a `baseUrl` of Amazon's own, else that of discovery.
    pub fn region(&self) -> Option<String> {
        let of_url = self.base_url.as_deref().and_then(region_of_url);
        of_url.or_else(|| self.discovery.region.clone())
    }

    /// The URL of the file, unless it is one that the region gives anyway.
    pub fn endpoint_url(&self) -> Option<&str> {
        self.base_url.as_deref().filter(|url| region_of_url(url).is_none())
    }

    /// These settings under those of a client: what the client says itself counts first, except for its
    /// [fallback region](Config::fallback_region). A client for the calls of one `model` has what the file says
    /// of that model's calls, before what it says of all.
    pub fn under(&self, mut config: Config, model: Option<&str>) -> Config {
        let model = model.and_then(|id| self.model(id));
        let own_url = model.and_then(|model| model.base_url.as_deref());
        let region = own_url.and_then(region_of_url).or_else(|| self.region());
        let url = match own_url {
            Some(url) => Some(url).filter(|url| region_of_url(url).is_none()),
            None => self.endpoint_url(),
        };
        config.fallback_region = region.or(config.fallback_region);
        config.fallback_endpoint_url = config.fallback_endpoint_url.or_else(|| url.map(str::to_owned));
        config.fallback_bearer_token = config.fallback_bearer_token.or_else(|| self.api_key.clone());
        if let Some(model) = model {
            config.headers.or(&model.headers);
        }
        config.headers.or(&self.headers);
        config.withheld.extend_from_slice(&self.withheld);
        config.allow_plain_http |= self.allow_plain_http;
        config.authorised &= !self.unauthorised;
        let HttpConfig { proxy, authorities, client_certificate, .. } = &self.http;
        config.http.proxy = config.http.proxy.or_else(|| proxy.clone());
        config.http.authorities = config.http.authorities.or_else(|| authorities.clone());
        config.http.client_certificate =
            config.http.client_certificate.or_else(|| client_certificate.clone());
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
                format!("{named:?}: a model of amazon-bedrock expected, another provider's found"),
            )),
        }
    }

    /// What the file says of a model.
    pub fn model(&self, id: &str) -> Option<&ConfiguredModel> {
        self.models.iter().find(|model| model.id == id)
    }

    /// The parameters of this model's calls; a level of thinking that is `off` is none. An answer is as long as the parameters say, else as the file
    /// says of the model.
    pub fn params(&self, id: &str) -> Params {
        let own = self.model_params.get(id).cloned().unwrap_or_default();
        let all = self.params.clone();
        let limit = || self.model(id).map_or(self.max_tokens, |model| model.info.max_tokens);
        Params {
            temperature: own.temperature.or(all.temperature),
            max_tokens: own.max_tokens.or(all.max_tokens).or_else(limit),
            cache_retention: own.cache_retention.or(all.cache_retention),
            thinking: own.thinking.or(all.thinking).filter(|level| level != "off"),
            service_tier: own.service_tier.or(all.service_tier),
        }
    }

    /// Puts guardrail and parameters into a request that does not say otherwise.
    pub fn complete(&self, request: &mut ConverseRequest) {
        let params = self.params(&request.model_id);
        if let Some(guardrail) = &self.guardrail {
            request.guardrail_config.get_or_insert_with(|| guardrail.clone());
        }
        let max_tokens = params.max_tokens.and_then(|tokens| tokens.try_into().ok());
        if params.temperature.is_some() || max_tokens.is_some() {
            let inference = request.inference_config.get_or_insert_default();
            inference.temperature = inference.temperature.or(params.temperature);
            inference.max_tokens = inference.max_tokens.or(max_tokens);
        }
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

    fn read(root: &Value, env: Env<'_>) -> Self {
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
        let unauthorised = authorising.is_some();
        if let Some((name, value)) = authorising {
            headers.set(&name, value);
        }
        let timeout = |section: Option<&Value>, name: &str, unit: f64| {
            // A number that JSON cannot hold is a text here, and larger than any clock can.
            let seconds = section?.get(name)?.as_f64().unwrap_or(f64::INFINITY) * unit;
            Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
        };
        let discovery = Discovery::read(
            of(plugin, "discovery").as_ref(),
            root.pointer("/models/bedrockDiscovery"),
            // Whom nothing but a header lets in has no business with the control plane.
            unauthorised || entry.and_then(|entry| entry.get("enabled")?.as_bool()) == Some(false),
        );
        let choice = defaults.and_then(|defaults| defaults.get("model"));
        let families = provider.and_then(|provider| provider.get("families")?.as_array());
        let families = families.into_iter().flatten();

        let mut settings = Self {
            discovery,
            base_url: text(provider, "baseUrl"),
            api_key: key.and_then(|key| reference::key(&key, env)).map(|key| Token::new(key, None)),
            unauthorised,
            headers,
            allow_plain_http: request.as_ref().is_some_and(|request| request["allowPlainHttp"] == true),
            http: http(request.as_ref(), env),
            replaces: root.pointer("/models/mode").is_some_and(|mode| mode == "replace"),
            families: families.filter_map(|family| serde_json::from_value(family.clone()).ok()).collect(),
            timeout: timeout(provider, "timeoutSeconds", 1.0).or_else(|| timeout(choice, "timeoutMs", 0.001)),
            max_tokens: whole(provider, "maxTokens"),
            params: Params::read(of(defaults, "params").as_ref()),
            guardrail: of(plugin, "guardrail").and_then(|guardrail| serde_json::from_value(guardrail).ok()),
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
        // A model of another provider's is another program's: what can be called is the next one.
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

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("discovery", &self.discovery)
            .field("base_url", &self.base_url.as_deref().map(Origin))
            .field("api_key", &self.api_key)
            .field("unauthorised", &self.unauthorised)
            .field("headers", &self.headers)
            .field("allow_plain_http", &self.allow_plain_http)
            .field("http", &self.http)
            .field("timeout", &self.timeout)
            .field("max_tokens", &self.max_tokens)
            .field("replaces", &self.replaces)
            .field("warnings", &self.warnings)
            .field("families", &self.families)
            .field("models", &self.models)
            .field("primary", &self.primary)
            .field("fallbacks", &self.fallbacks)
            .field("aliases", &self.aliases)
            .field("guardrail", &self.guardrail)
            .field("params", &self.params)
            .field("model_params", &self.model_params)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ConfiguredModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfiguredModel")
            .field("id", &self.id)
            .field("info", &self.info)
            .field("headers", &self.headers)
            .field("base_url", &self.base_url.as_deref().map(Origin))
            .finish()
    }
}

impl Discovery {
    /// The newer section counts before the older, member by member. `off` is what is so where neither says
    /// whether to look.
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
        // At this level a model thinks as much as it sees fit.
        let thinking =
            word("thinking", LEVELS).map(|level| if level == "adaptive" { "high".to_owned() } else { level });
        Self {
            temperature: params.and_then(|params| params.get("temperature")?.as_f64()),
            max_tokens: whole(params, "maxTokens"),
            cache_retention: text(params, "cacheRetention"),
            thinking,
            service_tier: tier,
        }
    }

    fn or(self, others: Self) -> Self {
        Self {
            temperature: self.temperature.or(others.temperature),
            max_tokens: self.max_tokens.or(others.max_tokens),
            cache_retention: self.cache_retention.or(others.cache_retention),
            thinking: self.thinking.or(others.thinking),
            service_tier: self.service_tier.or(others.service_tier),
        }
    }
}

/// The text of a settings file, or `None` if there is no file.
///
/// Fails with [`ErrorKind::InvalidInput`] when it cannot be read or is not UTF-8.
pub fn read(context: &Context, path: &Path) -> Result<Option<String>> {
    let Some(bytes) = context.read_file(path).map_err(|error| unreadable(path, &error))? else {
        return Ok(None);
    };
    String::from_utf8(bytes).map(Some).map_err(|_| unreadable(path, &"it is not UTF-8"))
}

fn unreadable(path: &Path, fault: &dyn std::fmt::Display) -> Error {
    let path = path.display();
    Error::new(ErrorKind::InvalidInput, format!("the settings file {path} cannot be read: {fault}"))
}

/// Reads a text of JSON5, in which there may be nothing but comments; `file` names it in errors.
fn parse<'a>(file: &str, text: &'a str) -> Result<Option<json5::Node<'a>>> {
    json5::parse(text).map_err(|fault| {
        let (line, column) = check::position(text, fault.at);
        let fault = format!("{file}:{line}:{column}: invalid JSON5: {}", fault.what);
        Error::new(ErrorKind::InvalidInput, fault)
    })
}

/// A text without the mark of its encoding that some editors put first.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// The entry of ours among providers, by whichever of its names.
fn provider_of(entries: Option<&Value>) -> Option<&Value> {
    let entries = entries?.as_object()?;
    let named = |name: &str| entries.iter().find(|(found, _)| found.trim().eq_ignore_ascii_case(name));
    PROVIDERS.into_iter().find_map(named).map(|(_, entry)| entry)
}

/// Whether this is a name of the provider that Bedrock is among others.
pub fn is_our_provider(name: &str) -> bool {
    PROVIDERS.iter().any(|provider| name.trim().eq_ignore_ascii_case(provider))
}

fn is_ours(named: &str) -> bool {
    our_model(named).is_some()
}

/// The id within `amazon-bedrock/ID`, or an id or ARN as it is; `None` for a model of another provider's.
fn our_model(named: &str) -> Option<&str> {
    let named = named.trim();
    match named.split_once('/') {
        Some((provider, id)) if is_our_provider(provider) => Some(id.trim()),
        // The slashes of an ARN are its own.
        Some((provider, _)) if !provider.contains(':') => None,
        _ => Some(named),
    }
    .filter(|id| !id.is_empty())
}

/// The values of the variables that stand in the paths of URLs.
fn values_in_paths(root: &Value, env: Env<'_>) -> Vec<Token> {
    let provider = provider_of(root.pointer("/models/providers"));
    let models = provider.and_then(|provider| provider.get("models")?.as_array()).into_iter().flatten();
    let urls = provider.into_iter().chain(models).filter_map(|entry| entry.get("baseUrl")?.as_str());
    let values = urls.flat_map(|url| reference::values_in_path(url, env));
    values.map(|value| Token::new(value, None)).collect()
}

fn text(section: Option<&Value>, name: &str) -> Option<String> {
    section?.get(name)?.as_str().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
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

/// How OpenClaw signs in to our provider, where it says so apart from the provider.
fn auth_profile(root: &Value) -> Option<String> {
    let profiles = root.pointer("/auth/profiles")?.as_object()?;
    text(profiles.values().find(|profile| is_ours_profile(profile)), "mode")
}

fn is_ours_profile(profile: &Value) -> bool {
    text(Some(profile), "provider").is_some_and(|name| is_our_provider(&name))
}

/// The header that authorises calls, where one does.
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

/// A whole number, in whichever way it is written: `1e6`.
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
    tiers.fold(prices, Cost::tier)
}

const UNUSED_AUTHORIZATION: &str = "the header authorization has no effect: the client sets it itself, unless \
     request.auth of mode \"header\" authorises calls";
/// The one API of a model's that is ours.
const API: &str = "bedrock-converse-stream";
/// The names of the provider; the first counts before the others.
const PROVIDERS: [&str; 3] = ["amazon-bedrock", "bedrock", "aws-bedrock"];
/// How much a model can be asked to think. `adaptive` is OpenClaw's word for as much as the model sees fit.
const LEVELS: &[&[&str]] = &[&["off"], ThinkingLevel::NAMES, &["adaptive"]];
