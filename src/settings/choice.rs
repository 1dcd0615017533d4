//! Which model a call goes to, and through which client.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::Settings;
use crate::client::Client;
use crate::config::Config;
use crate::models::is_unavailable;
use crate::{Error, Result};

/// The model of a call, and those to try after it.
///
/// ```
/// use pumice::settings::Settings;
/// use pumice::{Error, ErrorKind};
///
/// let text = r#"{ agents: { defaults: { model: { primary: "m.one", fallbacks: ["m.two"] } } } }"#;
/// let settings = Settings::parse("settings.json5", text)?;
/// let mut choice = settings.choose(None)?.unwrap();
/// assert_eq!(choice.model(), "m.one");
/// assert!(choice.fall_back(&Error::new(ErrorKind::Throttled, "slow down")));
/// assert_eq!(choice.model(), "m.two");
/// assert!(!choice.fall_back(&Error::new(ErrorKind::Throttled, "slow down")));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChoice {
    model: String,
    fallbacks: VecDeque<String>,
}

impl ModelChoice {
    /// The id of the model to call.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The id of the model to call, where no other is to be tried.
    pub fn into_model(self) -> String {
        self.model
    }

    /// Goes on to the next model, if this error says that the model is [unavailable](is_unavailable) and there is
    /// another one. Models that were tried do not come back.
    pub fn fall_back(&mut self, error: &Error) -> bool {
        if !is_unavailable(error) {
            return false;
        }
        match self.fallbacks.pop_front() {
            Some(next) => {
                self.model = next;
                true
            }
            None => false,
        }
    }
}

impl From<String> for ModelChoice {
    /// This model and no other.
    fn from(model: String) -> Self {
        Self { model, fallbacks: VecDeque::new() }
    }
}

impl Settings {
    /// The model that is named, by its id or an alias, and no other; if none is named, the settings' primary model
    /// and its fallbacks. `None` if the settings name none either.
    ///
    /// Fails as [`model_id`](Self::model_id) does.
    pub fn choose(&self, named: Option<&str>) -> Result<Option<ModelChoice>> {
        if let Some(named) = named.filter(|named| !named.trim().is_empty()) {
            return self.model_id(named).map(|id| Some(id.into()));
        }
        let fallbacks = || self.fallbacks.iter().cloned().collect();
        Ok(self.primary.clone().map(|model| ModelChoice { model, fallbacks: fallbacks() }))
    }
}

/// The clients of a program with settings: one for all models, and one each for those that have an endpoint,
/// headers or a project of their own.
#[derive(Debug)]
pub struct Clients {
    settings: Box<Settings>,
    config: Config,
    common: Client,
    /// By the id of the model, made with its first call and kept for its credentials and connections.
    own: Mutex<BTreeMap<String, Client>>,
}

/// The same client for every model, without settings.
impl From<Client> for Clients {
    fn from(client: Client) -> Self {
        let config = client.config().clone();
        Self { settings: Box::default(), config, common: client, own: Mutex::default() }
    }
}

impl Clients {
    /// Clients of this configuration, [under](Settings::under) which the settings are put.
    pub fn new(config: Config, settings: Settings) -> Self {
        let common = Client::new(settings.under(config.clone(), None));
        Self { settings: Box::new(settings), config, common, own: Mutex::default() }
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The client for what is not a call of one model, such as listing models.
    pub fn common(&self) -> &Client {
        &self.common
    }

    /// The client for the calls of one model.
    pub fn of(&self, model: &str) -> Client {
        let found = self.settings.model(model);
        let params = self.settings.model_params.get(model);
        let is_own = found.is_some_and(|found| !found.headers.is_empty() || found.base_url.is_some())
            || params.is_some_and(|params| params.project.is_some());
        if !is_own {
            return self.common.clone();
        }
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let client = || Client::new(self.settings.under(self.config.clone(), Some(model)));
        own.entry(model.to_owned()).or_insert_with(client).clone()
    }
}
