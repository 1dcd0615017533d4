//! Names of models: what a client calls a model, and the id that is called.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;
use pumice::conversation::Charge;
use pumice::converse::TokenUsage;
use pumice::models::{Directory, ModelInfo, catalog};
use pumice::settings::{Clients, ListedModel, ModelList, ModelQuery, ModelSource};
use pumice::spelling::nearest;
use pumice::transport::Replay;
use pumice::{Error, ErrorKind};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::record::Tokens;

/// The models that can be called, by their names.
pub(crate) struct Names {
    clients: Arc<Clients>,
    directory: Directory,
    /// The recording that is replayed: its model is all there is to list.
    replay: Option<Arc<Replay>>,
    /// The ids of names that were found, for a while.
    found: Mutex<HashMap<String, (String, Instant)>>,
    /// The foundation models of application inference profiles.
    bases: Mutex<HashMap<String, Option<String>>>,
}

impl Names {
    pub(crate) fn new(clients: Arc<Clients>, replay: Option<Arc<Replay>>) -> Self {
        let directory = clients.settings().directory(clients.common().clone());
        Self { clients, directory, replay, found: Mutex::default(), bases: Mutex::default() }
    }

    /// The id to call for a name: an id, an ARN, an alias of the settings, any of these behind the name of the
    /// provider, or the name that its maker gives the model.
    pub(crate) async fn resolve(&self, named: &str) -> Result<String, Failure> {
        let named = named.trim();
        if named.is_empty() {
            let choice = self.clients.settings().choose(None).ok().flatten();
            let named = choice.map(pumice::settings::ModelChoice::into_model);
            return named.ok_or_else(Failure::no_model);
        }
        // Another provider's name before a slash is how routers call a model: `openai/gpt-oss-120b`.
        let id = self.clients.settings().model_id(named).unwrap_or_else(|_| named.to_owned());
        if is_id(&id) || self.clients.settings().model(&id).is_some() {
            return Ok(id);
        }
        if let Some(replay) = &self.replay {
            // Any name does: the recording responds. The id says whose form the model's own is.
            let wanted = own_name(id.rsplit('/').next().unwrap_or(&id));
            let recorded = replay.model().filter(|recorded| is_named(recorded, &wanted)).map(str::to_owned);
            let found = if recorded.is_some() { recorded } else { self.of_catalog(&wanted).await };
            return Ok(found.unwrap_or(id));
        }
        if let Some(found) = self.remembered(&id) {
            return Ok(found);
        }
        let list = self.list().await;
        let wanted = own_name(id.rsplit('/').next().unwrap_or(&id));
        let found = match &list {
            Ok(list) => best(list.models.iter().map(|listed| listed.model.id.as_str()), &wanted),
            // Who may not list the models can call them all the same.
            Err(_) => self.of_catalog(&wanted).await,
        };
        if let Some(found) = found {
            let mut known = self.found.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() >= MOST_NAMES {
                known.clear();
            }
            known.insert(id, (found.clone(), Instant::now()));
            return Ok(found);
        }
        match list {
            Ok(list) => Err(unknown(named, &wanted, &list)),
            // Without credentials it is not known what there is.
            Err(error) if error.kind() == ErrorKind::Credentials => Err(Failure::from(&error)),
            Err(error) => {
                let mut failure = Failure::new(
                    StatusCode::NOT_FOUND,
                    format!(
                        "there is no model {named:?} that this gateway knows; the models could not be listed: {}",
                        error.message()
                    ),
                );
                failure.code = Some("model_not_found");
                Err(failure)
            }
        }
    }

    /// The failure of a call: one that names a model which does not exist names the nearest.
    pub(crate) async fn failure(&self, id: &str, error: &Error) -> Failure {
        let mut failure = Failure::from(error);
        if pumice::models::is_unknown_model(error) {
            failure.become_unknown_model();
            let near = if self.replay.is_some() { Vec::new() } else { self.directory.nearest(id).await };
            if !near.is_empty() {
                failure.message = format!("{}; did you mean {}?", failure.message, near.join(" or "));
            }
        }
        failure
    }

    /// Whether a model is one of Anthropic's, which InvokeModel serves in Anthropic's own form.
    pub(crate) async fn is_claude(&self, id: &str) -> bool {
        self.base(id).await.contains("anthropic.claude")
    }

    /// The id of the foundation model, as far as it is known; otherwise the id itself.
    pub(crate) async fn base(&self, id: &str) -> String {
        if !id.contains(":application-inference-profile/") {
            return without_geography(id.rsplit('/').next().unwrap_or(id)).to_owned();
        }
        let known = self.bases.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        let base = if let Some(base) = known {
            base
        } else {
            let asked = tokio::time::timeout(LONGEST_LOOKUP, self.directory.base_of(id)).await;
            let base = asked.ok().and_then(Result::ok).flatten();
            let mut bases = self.bases.lock().unwrap_or_else(PoisonError::into_inner);
            // One that could not be looked up is looked up again.
            if base.is_some() && bases.len() < MOST_NAMES {
                bases.insert(id.to_owned(), base.clone());
            }
            base
        };
        base.unwrap_or_else(|| id.to_owned())
    }

    /// What is known of a model: from the settings, else from the catalog.
    pub(crate) fn info(&self, id: &str) -> ModelInfo {
        let known = ModelInfo::known(id);
        match self.clients.settings().model(id) {
            Some(model) => model.info.clone().or(known),
            None => known,
        }
    }

    /// What tokens cost, in US dollars, where the price is known. What was written to the cache is priced as input.
    pub(crate) fn cost(&self, id: &str, tokens: Tokens) -> Option<f64> {
        let (input, output) = (tokens.input?, tokens.output?);
        let cached = tokens.cached.unwrap_or_default();
        let usage = TokenUsage::new().input_tokens(input.saturating_sub(cached)).output_tokens(output);
        self.charge(id, &usage.cache_read_input_tokens(cached))
    }

    pub(crate) fn charge(&self, id: &str, usage: &TokenUsage) -> Option<f64> {
        Some(Charge::of(usage, &self.info(id).cost?).total())
    }

    /// The models, in the forms of OpenAI and Anthropic at once, and why the list may not be whole.
    pub(crate) async fn models(&self) -> Result<(Vec<Value>, Option<Error>), Error> {
        if let Some(replay) = &self.replay {
            return Ok((replay.model().map(|id| object(id, id, "")).into_iter().collect(), None));
        }
        let list = self.list().await?;
        let callable = list.models.iter().filter(|listed| listed.is_callable() != Some(false));
        let models =
            callable.map(|ListedModel { model, .. }| object(&model.id, &model.name, &model.provider));
        Ok((models.collect(), list.failure))
    }

    async fn list(&self) -> Result<ModelList, Error> {
        let query = ModelQuery::default();
        let list = self.clients.settings().list_models(&self.directory, &query);
        tokio::time::timeout(LONGEST_LOOKUP, list).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, "the list of models did not arrive in time"))
        })
    }

    fn remembered(&self, name: &str) -> Option<String> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.get(name).filter(|(_, at)| at.elapsed() < KEPT).map(|(id, _)| id.clone())
    }

    async fn of_catalog(&self, wanted: &str) -> Option<String> {
        let region =
            self.clients.common().identify().await.ok().map(|identity| identity.region.name().to_owned());
        let region = region.unwrap_or_default();
        let near = GEOGRAPHIES.iter().find(|(begin, _)| region.starts_with(begin)).map(|(_, near)| *near);
        let rank = |of: &str| match of {
            "-" => Some(0),
            of if near.unwrap_or_default().contains(&of) => Some(1),
            "global" => Some(2),
            _ => None,
        };
        let named = catalog::entries().iter().filter(|entry| is_named(entry.id, wanted));
        let ids = named.flat_map(|entry| entry.regions.iter().map(move |of| (*of, entry.id)));
        let ids = ids.filter_map(|(of, id)| Some((std::cmp::Reverse(rank(of)?), id, of)));
        let (_, id, of) = ids.max()?;
        Some(if of == "-" { id.to_owned() } else { format!("{of}.{id}") })
    }
}

/// A model as both kinds of SDK read it.
fn object(id: &str, name: &str, provider: &str) -> Value {
    json!({
        "id": id,
        "object": "model",
        "created": 0,
        "owned_by": if provider.is_empty() { "amazon-bedrock" } else { provider },
        "type": "model",
        "display_name": name,
        "created_at": "1970-01-01T00:00:00Z",
    })
}

fn unknown(named: &str, wanted: &str, list: &ModelList) -> Failure {
    let own = list.models.iter().map(|listed| own_name(&listed.model.id)).collect::<Vec<_>>();
    let near = nearest(wanted, own.iter().flat_map(|name| [name, without_date(name)]));
    let near = near.and_then(|near| best(list.models.iter().map(|listed| &*listed.model.id), near));
    let message = if let Some(near) = near {
        format!("there is no model {named:?} here; did you mean {near}?")
    } else {
        let some = list.models.iter().filter(|listed| listed.source != ModelSource::Catalog);
        let some = some.take(3).map(|listed| listed.model.id.as_str()).collect::<Vec<_>>().join(", ");
        format!("there is no model {named:?} here; GET /v1/models lists those there are, such as {some}")
    };
    let mut failure = Failure::new(StatusCode::NOT_FOUND, message);
    failure.code = Some("model_not_found");
    failure.param = Some("model".into());
    failure
}

/// The id among these whose own name it is: of one in the region itself before one of its part of the world before
/// one that goes anywhere, and the newest of several dates.
fn best<'a>(ids: impl Iterator<Item = &'a str>, wanted: &str) -> Option<String> {
    let rank = |id: &str| {
        let base = without_geography(id);
        (if base.len() == id.len() { 2 } else { u8::from(!id.starts_with("global.")) }, base.to_owned())
    };
    let named = ids.filter(|id| !id.starts_with("arn:") && is_named(id, wanted));
    // The first of equals is the nearest.
    named
        .fold(None, |best: Option<&str>, id| match best {
            Some(best) if rank(best) >= rank(id) => Some(best),
            _ => Some(id),
        })
        .map(str::to_owned)
}

/// Whether a model's own name is this one, with or without its date.
fn is_named(id: &str, wanted: &str) -> bool {
    let own = own_name(id);
    own == wanted || without_date(&own) == wanted
}

/// The name that its maker gives a model, from its id here: `claude-sonnet-4-5-20250929` from
/// `us.anthropic.claude-sonnet-4-5-20250929-v1:0`, `gpt-oss-120b` from `openai.gpt-oss-120b-1:0`.
fn own_name(id: &str) -> String {
    let id = without_geography(id);
    let name = if is_id(id) { id.split_once('.').map_or(id, |(_, name)| name) } else { id };
    let (name, versioned) = match name.split_once(':') {
        Some((name, _)) => (name, true),
        None => (name, false),
    };
    let name = name.strip_suffix("-latest").unwrap_or(name);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let name = match name.rsplit_once('-') {
        Some((name, version))
            if version.strip_prefix('v').is_some_and(is_number)
                || versioned && version.len() < 3 && is_number(version) =>
        {
            name
        }
        _ => name,
    };
    name.to_ascii_lowercase().replace(['.', '@'], "-")
}

fn without_date(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((name, date)) if date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => name,
    }
}

/// An id without the part of the world that a cross-region inference profile goes to.
fn without_geography(id: &str) -> &str {
    match id.split_once('.') {
        Some((of, base)) if of == "global" || GEOGRAPHIES.iter().any(|(_, all)| all.contains(&of)) => base,
        _ => id,
    }
}

/// Whether a name is an ARN or has a provider's name before its first dot: `claude-3.5-sonnet` has not.
fn is_id(name: &str) -> bool {
    let provider = name.split_once('.').map_or("", |(provider, _)| provider);
    name.starts_with("arn:")
        || provider == "ai21"
        || !provider.is_empty() && provider.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-')
}

/// What regions begin with, and the parts of the world that their profiles go to.
const GEOGRAPHIES: [(&str, &[&str]); 9] = [
    ("us-gov-", &["us-gov"]),
    ("us-", &["us"]),
    ("eu-", &["eu"]),
    ("ap-northeast-1", &["jp", "apac"]),
    ("ap-southeast-2", &["au", "apac"]),
    ("ap-", &["apac", "jp", "au"]),
    ("ca-", &["ca", "us"]),
    ("sa-", &["sa"]),
    ("me-", &["me"]),
];
/// How long a name keeps its id.
const KEPT: Duration = Duration::from_mins(10);
/// The most names that are remembered.
const MOST_NAMES: usize = 1000;
/// How long a call waits for the list of models.
const LONGEST_LOOKUP: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_names_are_the_makers() {
        for (id, name) in [
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"),
            ("anthropic.claude-opus-5-5", "claude-opus-5-5"),
            ("openai.gpt-oss-120b-1:0", "gpt-oss-120b"),
            ("us.openai.gpt-5.6-sol", "gpt-5-6-sol"),
            ("amazon.nova-lite-v1:0", "nova-lite"),
            ("amazon.nova-2-lite-v1:0", "nova-2-lite"),
            ("amazon.titan-embed-text-v2:0", "titan-embed-text"),
            ("ai21.jamba-1-5-large-v1:0", "jamba-1-5-large"),
            ("us-gov.anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku-20240307"),
            ("claude-3.5-sonnet", "claude-3-5-sonnet"),
            ("claude-3-5-sonnet-latest", "claude-3-5-sonnet"),
            ("gpt-4.1", "gpt-4-1"),
        ] {
            assert_eq!(own_name(id), name, "{id}");
        }
    }

    #[test]
    fn the_nearest_and_newest_id_is_called() {
        let ids = [
            "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "us.anthropic.claude-3-5-sonnet-20240620-v1:0",
            "us.anthropic.claude-3-5-sonnet-20241022-v2:0",
            "amazon.nova-lite-v1:0",
            "us.amazon.nova-lite-v1:0",
            "arn:aws:bedrock:us-east-1:1:application-inference-profile/nova-lite",
        ];
        let called = |name: &str| best(ids.into_iter(), &own_name(name));
        assert_eq!(called("claude-sonnet-4-5").as_deref(), Some(ids[1]));
        assert_eq!(called("claude-sonnet-4-5-20250929").as_deref(), Some(ids[1]));
        assert_eq!(called("claude-3-5-sonnet").as_deref(), Some(ids[3]));
        assert_eq!(called("claude-3-5-sonnet-20240620").as_deref(), Some(ids[2]));
        assert_eq!(called("nova-lite").as_deref(), Some(ids[4]));
        assert_eq!(called("claude"), None);
    }

    #[test]
    fn makers_names_are_no_ids() {
        for id in
            ["arn:aws:bedrock:x", "us.amazon.nova-lite-v1:0", "ai21.jamba", "us-gov.anthropic.x", "m.one"]
        {
            assert!(is_id(id), "{id}");
        }
        for name in ["claude-3.5-sonnet", "gpt-4.1", "nova-lite", "llama3.1", ".x", "m1"] {
            assert!(!is_id(name), "{name}");
        }
    }
}
