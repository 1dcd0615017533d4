//! The settings file: JSON5, in the form that OpenClaw's has.
//!
//! pumice reads these sections. An OpenClaw file works as it is; everything else in it is ignored:
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
//! In these sections, a misspelt member or one of the wrong kind is an error that names file, line, member and the
//! nearest valid member. A member that OpenClaw has and that has no effect here is in [`Settings::warnings`]. The provider may be written `bedrock` or `aws-bedrock` as well. In a text, `${NAME}`
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

mod apply;
mod check;
mod choice;
mod edit;
mod json5;
mod kind;
mod list;
mod number;
mod reference;
mod table;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_credential_types::Token;
use serde_json::Value;

use crate::config::Headers;
use crate::context::Context;
use crate::conversation::{Family, ThinkingLevel};
use crate::converse::{OutputConfig, PerformanceConfiguration};
use crate::guardrail::GuardrailConfiguration;
use crate::models::{Limits, ModelInfo};
use crate::shape::Document;
use crate::transport::HttpConfig;
use crate::url::Origin;
use crate::{Error, ErrorKind, Result};
use reference::Env;

pub use choice::{Clients, ModelChoice};
pub use list::{Exclusion, ListedModel, ModelList, ModelQuery, ModelSource};
pub use number::decimal;

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
    /// The command that prints the key: `apiKeyCommand`, with the same exception.
    pub api_key_command: Option<String>,
    /// The command to run when credentials have expired: `credentialsRefreshCommand`.
    pub credentials_refresh_command: Option<String>,
    /// The AWS profile, where neither code nor environment names one: `profile`.
    pub profile: Option<String>,
    /// Whether a header of the file authorises calls, and nothing else does: `request.auth` of mode `header`.
    pub without_credentials: bool,
    /// Headers of every call.
    pub headers: Headers,
    /// Whether secrets may go over plain `http` to another machine: `request.allowPlainHttp`.
    pub allow_plain_http: bool,
    /// How to connect: proxy, authorities and client certificate of `request`.
    pub http: HttpConfig,
    /// The longest silence of a call; [`Duration::MAX`] means no limit.
    pub timeout: Option<Duration>,
    /// The output limit of models without one of their own, in tokens.
    pub max_tokens: Option<u64>,
    /// Whether the models of the file, if there are any, take the place of those that are found.
    pub replaces: bool,
    /// Members that OpenClaw accepts and that have no effect here, each with file, line, column and path.
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
    /// The providers whose models are listed, by [`Model::is_of`](crate::models::Model::is_of); all if there is none.
    pub provider_filter: Vec<String>,
    /// How long a list is cached, in whole seconds: 0 turns the cache off, [`Duration::MAX`] keeps it for ever.
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
    /// The sampling temperature.
    pub temperature: Option<f64>,
    /// The output limit, in tokens.
    pub max_tokens: Option<u64>,
    /// How long prompts are cached: `none`, `short` or `long`.
    pub cache_retention: Option<String>,
    /// The level of thinking: `off`, or `minimal` to `max`.
    pub thinking: Option<String>,
    /// Which capacity serves the call: `default`, `flex`, `priority` or `reserved`.
    pub service_tier: Option<String>,
    /// The share of the likeliest tokens from which the next one is chosen.
    pub top_p: Option<f64>,
    /// The number of the likeliest tokens from which the next one is chosen.
    pub top_k: Option<u64>,
    /// Texts that end the response.
    pub stop_sequences: Option<Vec<String>>,
    /// Parameters of the model's own.
    pub additional_model_request_fields: Option<Document>,
    /// Betas of Anthropic's.
    pub betas: Option<Vec<String>>,
    /// Whether latency counts.
    pub performance_config: Option<PerformanceConfiguration>,
    /// The form of the response.
    pub output_config: Option<OutputConfig>,
    /// The project of the call.
    pub project: Option<String>,
}

impl Settings {
    /// Where the settings are: the file that is given, else that of `PUMICE_CONFIG`, else `config.json5` in
    /// the [configuration folder](Context::config_folder).
    pub fn path(context: &Context, given: Option<&Path>) -> Option<PathBuf> {
        let named = given.map(Path::to_owned).or_else(|| context.env("PUMICE_CONFIG").map(PathBuf::from));
        named.or_else(|| Some(context.config_folder()?.join(FILE)))
    }

    /// Reads and checks the settings. They are empty if there is no [text](Self::text).
    ///
    /// Fails with [`ErrorKind::InvalidInput`].
    pub fn load(context: &Context, given: Option<&Path>) -> Result<Self> {
        let Some((path, text)) = Self::file(context, given)? else { return Ok(Self::default()) };
        let env = |name: &str| context.env(name);
        let settings = Self::parse_in(&path.display().to_string(), &text, Some(&env))?;
        let has_command =
            settings.api_key_command.is_some() || settings.credentials_refresh_command.is_some();
        // A folder may be somebody else's, such as a repository, and come with settings.
        let is_platforms = context.config_folder().is_some_and(|folder| folder.join(FILE) == path);
        if has_command && !is_platforms && context.is_in_current_folder(&path) {
            let message = format!(
                "{}: apiKeyCommand and credentialsRefreshCommand are not taken from a file in the current folder",
                path.display()
            );
            return Err(Error::new(ErrorKind::InvalidInput, message)
                .with_hint("move the file to another folder, such as that of `pumice config path`"));
        }
        Ok(settings)
    }

    /// The text of the file at [`path`](Self::path). `None` if there is no such file, unless it is named, by `given`
    /// or by `PUMICE_CONFIG`.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] if the file cannot be read, is not UTF-8, or is named and missing.
    pub fn text(context: &Context, given: Option<&Path>) -> Result<Option<String>> {
        Ok(Self::file(context, given)?.map(|(_, text)| text))
    }

    fn file(context: &Context, given: Option<&Path>) -> Result<Option<(PathBuf, String)>> {
        let Some(path) = Self::path(context, given) else { return Ok(None) };
        match read(context, &path)? {
            Some(text) => Ok(Some((path, text))),
            None if given.is_some() || context.env("PUMICE_CONFIG").is_some() => {
                Err(unreadable(&path, &"there is no such file"))
            }
            None => Ok(None),
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
        let withheld = values::in_paths(&root, env);
        reference::expand(&mut root, env);
        let mut settings = Self { warnings, withheld, ..Self::read(&root, env) };
        let has = |headers: &Headers| headers.get("authorization").is_some();
        let unused = has(&settings.headers) || settings.models.iter().any(|model| has(&model.headers));
        if unused && !settings.without_credentials {
            settings.warnings.push(format!("{file}: {UNUSED_AUTHORIZATION}"));
        }
        Ok(settings)
    }

    /// The paths of all members that are read, such as `models.providers.amazon-bedrock.models[].id`; `*` stands
    /// for any name, `[]` for each of a list.
    pub fn members() -> Vec<String> {
        table::members()
    }

    /// The path of a set member that was likely meant by a path under which nothing is set. `None` if nothing is near.
    pub fn nearest_path(text: &str, path: &str) -> Result<Option<String>> {
        edit::nearest_path(&Self::sections(text)?, path)
    }

    /// What a text of settings says under a path such as `agents.defaults.model.primary` or
    /// `models.providers["amazon-bedrock"].models[0]`.
    pub fn get(text: &str, path: &str) -> Result<Option<Value>> {
        edit::get(without_mark(text), path)
    }

    /// Fails with [`ErrorKind::InvalidInput`] if a path begins with a member that is neither known nor in the text. The
    /// error names the member that was likely meant.
    pub fn check_path(text: &str, path: &str) -> Result<()> {
        edit::check_first(without_mark(text), path)
    }

    /// The text with a member set; comments and layout stay. The value is JSON5, or else a text as it is;
    /// objects on the way are made as needed. Nothing is checked: [`check_path`](Self::check_path) and
    /// [`parse`](Self::parse) do that.
    pub fn set(text: &str, path: &str, value: &str) -> Result<String> {
        edit::set(without_mark(text), path, value)
    }

    /// The text without a member, and without objects that held nothing else, or `None` if there was none; comments and
    /// layout stay.
    pub fn unset(text: &str, path: &str) -> Result<Option<String>> {
        edit::unset(without_mark(text), path)
    }

    /// The members that pumice reads, without secrets (keys, headers).
    pub fn sections(text: &str) -> Result<Value> {
        let root = parse("the settings", without_mark(text))?;
        let root = root.map(|root| root.to_json()).and_then(table::without_secrets);
        Ok(root.unwrap_or_else(|| Value::Object(serde_json::Map::new())))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("discovery", &self.discovery)
            .field("base_url", &self.base_url.as_deref().map(Origin))
            .field("api_key", &self.api_key)
            .field("api_key_command", &self.api_key_command)
            .field("credentials_refresh_command", &self.credentials_refresh_command)
            .field("profile", &self.profile)
            .field("without_credentials", &self.without_credentials)
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

/// The text without the byte order mark that some editors put first.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
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

/// The name of the file in the platform's folder.
const FILE: &str = "config.json5";
const UNUSED_AUTHORIZATION: &str = "the header authorization has no effect: the client sets it itself, unless \
     request.auth of mode \"header\" authorises calls";
/// The one API of a model's that is ours.
const API: &str = "bedrock-converse-stream";
/// The provider's name, as it is written.
const OUR_NAME: &str = "amazon-bedrock";
/// All names of the provider. The first takes precedence.
const PROVIDERS: [&str; 3] = [OUR_NAME, "bedrock", "aws-bedrock"];
/// How much a model can be asked to think. `adaptive` is OpenClaw's word for as much as the model sees fit.
const LEVELS: &[&[&str]] = &[&["off"], ThinkingLevel::NAMES, &["adaptive"]];
