//! The models that can be called: those of the settings, then those that the service lists.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::{OUR_NAME, Settings};
use crate::client::Client;
use crate::models::{Candidate, Directory, Inventory, Limits, Listing, Model, ModelInfo, Reason};
use crate::{Error, Result};

/// What to list. By default: the models that can be called, from the cached list if it is not too old.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModelQuery {
    /// Calls the service even if the cached list is not too old.
    pub refresh: bool,
    /// Calls nothing: the models of the settings alone.
    pub local: bool,
    /// Lists models that cannot be called or that the settings leave out as well, with the reason.
    pub all: bool,
    /// The id of a model that is listed in any case, if anything is known of it.
    pub model: Option<String>,
}

/// The models that a [`ModelQuery`] asked for.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ModelList {
    /// The models of the settings in their order, then those of the service by provider, name and id.
    pub models: Vec<ListedModel>,
    /// What the service listed. `None` if it was not asked, or failed.
    pub listing: Option<Arc<Listing>>,
    /// Why the service's models are missing, although it was asked.
    pub failure: Option<Error>,
    /// The inference profiles whose foundation model could not be looked up, and why.
    pub unresolved: Vec<(String, Error)>,
    /// How many more inference profiles of the settings were not looked up, because there are so many.
    pub skipped: usize,
}

/// A model in the list, and how it came there.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ListedModel {
    /// The model.
    pub model: Model,
    /// Who says that there is such a model.
    pub source: ModelSource,
    /// Why it cannot be called, if it cannot.
    pub reason: Option<Reason>,
    /// What in the settings leaves it out of the list, if anything does.
    pub exclusion: Option<Exclusion>,
    /// The ids of the inference profiles that it can be called by.
    pub served_by: Vec<String>,
    /// The status of its life cycle, if the service says it: `ACTIVE`.
    pub status: Option<String>,
    /// The regions that its calls may go to, if the service says so.
    pub regions: Vec<String>,
    /// What it is, if it is neither a foundation model nor an inference profile: `imported model`.
    pub kind: Option<String>,
}

/// Who says that there is a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelSource {
    /// The settings.
    Settings,
    /// The service.
    Service,
    /// Only the [catalog](crate::models::catalog), which does not know what an account may call.
    Catalog,
}

/// What in the settings leaves a model out of the list. `Display` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exclusion {
    /// `models.mode` is `replace`.
    Replaced,
    /// Its provider is not in `providerFilter`.
    ProviderFilter,
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Replaced => "models.mode is replace",
            Self::ProviderFilter => "providerFilter leaves it out",
        })
    }
}

impl ModelList {
    /// The model of this id.
    pub fn get(&self, id: &str) -> Option<&ListedModel> {
        self.models.iter().find(|listed| listed.model.id == id)
    }
}

impl ListedModel {
    /// A model of which the service says nothing.
    pub fn new(model: Model, source: ModelSource) -> Self {
        Self {
            model,
            source,
            reason: None,
            exclusion: None,
            served_by: Vec::new(),
            status: None,
            regions: Vec::new(),
            kind: None,
        }
    }

    /// The id with the provider's name before it, as OpenClaw's settings name a model: `amazon-bedrock/ID`.
    pub fn key(&self) -> String {
        format!("{OUR_NAME}/{}", self.model.id)
    }

    /// Whether it is listed without [`ModelQuery::all`]: a model of the settings always is.
    pub fn is_listed(&self) -> bool {
        self.source == ModelSource::Settings || self.reason.is_none() && self.exclusion.is_none()
    }

    /// Whether it can be called. `None` if the service does not say.
    pub fn is_callable(&self) -> Option<bool> {
        match self.reason {
            Some(_) => Some(false),
            None => self.status.as_ref().map(|_| true),
        }
    }

    /// With what the service says of it.
    fn with(mut self, candidate: &Candidate<'_>) -> Self {
        let lifecycle = candidate.model.and_then(|model| model.model_lifecycle.as_ref());
        self.status = lifecycle.and_then(|lifecycle| Some(lifecycle.status.as_ref()?.to_string()));
        if let Some(own) = candidate.own {
            self.status = Some(own.status.clone().unwrap_or_else(|| "Active".to_owned()));
            self.kind = Some(own.kind.clone());
        }
        let models = candidate.profile.and_then(|profile| profile.models.as_ref());
        let regions = models.into_iter().flatten().filter_map(|model| {
            let region = model.model_arn.as_deref()?.split(':').nth(3)?;
            Some(region.to_owned()).filter(|region| !region.is_empty())
        });
        self.regions = regions.collect();
        self.served_by = candidate.served_by.iter().map(|id| (*id).to_owned()).collect();
        self
    }
}

impl Settings {
    /// The directory of the models that a client sees. It caches its list for as long as the settings say.
    pub fn directory(&self, client: Client) -> Directory {
        Directory::with_refresh_interval(client, self.discovery.refresh_interval)
    }

    /// Lists models. The service is not asked if the query or `discovery.enabled` says so, or if the models of the
    /// settings are all that would be listed.
    ///
    /// Fails as [`Directory::list`] does, unless there is something to list without the service: then the error is in
    /// [`ModelList::failure`].
    pub async fn list_models(&self, directory: &Directory, query: &ModelQuery) -> Result<ModelList> {
        let has_something = match &query.model {
            Some(id) => self.model(id).is_some() || ModelInfo::known(id) != ModelInfo::default(),
            None => !self.models.is_empty(),
        };
        let mut list = ModelList::default();
        let mut profiles = Vec::new();
        if !query.local && self.discovery.enabled != Some(false) && (query.all || !self.replaces_models()) {
            match directory.list(query.refresh).await {
                Ok(listing) => {
                    let inventory = &listing.inventory;
                    let listed = [&inventory.inference_profiles, &inventory.resolved_profiles];
                    let listed = listed.into_iter().flatten().flatten();
                    let listed = listed
                        .flat_map(|profile| [&profile.inference_profile_id, &profile.inference_profile_arn]);
                    let listed = listed.flatten().map(String::as_str).collect::<HashSet<_>>();
                    let ids = self.models.iter().map(|model| model.id.as_str());
                    profiles.extend(ids.filter(|id| is_application_profile(id) && !listed.contains(id)));
                    list.skipped = profiles.len().saturating_sub(MOST_RESOLVED);
                    profiles.truncate(MOST_RESOLVED);
                    list.listing = Some(Arc::clone(&listing));
                }
                Err(error) if has_something => list.failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        let asked = query.model.as_deref().filter(|id| !query.local && is_application_profile(id));
        profiles.extend(asked.filter(|id| !profiles.contains(id)));
        // Each is a call. The directory caches the result, so that the next time others are looked up.
        let mut bases = BTreeMap::new();
        for id in profiles {
            match directory.base_of(id).await {
                Ok(base) => bases.extend(base.map(|base| (id, base))),
                Err(error) => list.unresolved.push((id.to_owned(), error)),
            }
        }
        let inventory = list.listing.as_deref().map(|listing| &listing.inventory);
        list.models = self.listed_models(&Known::new(inventory, bases), query);
        Ok(list)
    }

    fn replaces_models(&self) -> bool {
        self.replaces && !self.models.is_empty()
    }

    fn listed_models(&self, known: &Known<'_>, query: &ModelQuery) -> Vec<ListedModel> {
        let limits = self.discovery.default_limits;
        let filter = self.discovery.provider_filter.iter();
        let filter = filter.map(|provider| provider.trim().to_ascii_lowercase()).collect::<HashSet<_>>();
        let exclusion = |model: &Model| {
            if self.replaces_models() {
                Some(Exclusion::Replaced)
            } else if filter.is_empty()
                || model.providers().any(|provider| filter.contains(&provider.to_ascii_lowercase()))
            {
                None
            } else {
                Some(Exclusion::ProviderFilter)
            }
        };
        let configured = self.configured_models(|id| known.info(id)).into_iter().map(|model| {
            let candidate = known.candidate(&model.id);
            let listed = ListedModel::new(model, ModelSource::Settings);
            // Who configures a model wants to call it: there is no reason why it cannot be called.
            match candidate {
                Some(candidate) => listed.with(candidate),
                None => listed,
            }
        });
        let mut models = configured.collect::<Vec<_>>();
        let ids = self.models.iter().map(|model| model.id.as_str()).collect::<HashSet<_>>();
        let of_settings = || ModelInfo { max_tokens: self.max_tokens, ..ModelInfo::default() };
        let discovered = known.candidates.iter().filter(|candidate| !ids.contains(candidate.id));
        let discovered = discovered.map(|candidate| {
            let model = of_settings().or(candidate.info()).model(candidate.id, limits);
            let (reason, exclusion) = (candidate.reason.clone(), exclusion(&model));
            let listed = ListedModel::new(model, ModelSource::Service).with(candidate);
            ListedModel { reason, exclusion, ..listed }
        });
        let mut discovered = discovered.collect::<Vec<_>>();
        discovered.sort_by_cached_key(|listed| {
            let Model { provider, name, id, .. } = &listed.model;
            (provider.to_lowercase(), name.to_lowercase(), id.clone())
        });
        models.extend(discovered);
        if let Some(id) = &query.model
            && models.iter().all(|listed| listed.model.id != *id)
        {
            models.extend(known.unlisted(id, limits));
        }
        models.retain(|listed| {
            query.all || listed.is_listed() || query.model.as_ref() == Some(&listed.model.id)
        });
        models
    }
}

/// What the service says, by id and by ARN.
struct Known<'a> {
    /// Whether there is a list of the service.
    has_list: bool,
    candidates: Vec<Candidate<'a>>,
    indexes: HashMap<&'a str, usize>,
    /// The foundation models of inference profiles that are not in the list.
    bases: BTreeMap<&'a str, String>,
}

impl<'a> Known<'a> {
    fn new(inventory: Option<&'a Inventory>, bases: BTreeMap<&'a str, String>) -> Self {
        let candidates = inventory.map(Inventory::candidates).unwrap_or_default();
        // Of a foundation model and a profile of the same id, the foundation model.
        let mut indexes = HashMap::new();
        for (at, candidate) in candidates.iter().enumerate().rev() {
            let arn = match (candidate.own, candidate.profile) {
                (Some(_), _) => None,
                (None, Some(profile)) => profile.inference_profile_arn.as_deref(),
                (None, None) => candidate.model.and_then(|model| model.model_arn.as_deref()),
            };
            indexes.extend(arn.into_iter().chain([candidate.id]).map(|id| (id, at)));
        }
        Self { has_list: inventory.is_some(), candidates, indexes, bases }
    }

    fn candidate(&self, id: &str) -> Option<&Candidate<'a>> {
        self.candidates.get(*self.indexes.get(id)?)
    }

    /// What it says of an id, or of the foundation model that an inference profile leads to.
    fn info(&self, id: &str) -> ModelInfo {
        let of_base = || {
            let base = self.bases.get(id)?;
            let known = self.candidate(base).map_or_else(|| ModelInfo::known(base), Candidate::info);
            Some(ModelInfo { base: Some(base.clone()), name: None, ..known })
        };
        self.candidate(id).map(Candidate::info).or_else(of_base).unwrap_or_default()
    }

    /// A model that neither the settings nor the service list; `None` if nothing is known of it.
    fn unlisted(&self, id: &str, limits: Limits) -> Option<ListedModel> {
        let is_resolved = self.bases.contains_key(id);
        let info = self.info(id).or(ModelInfo::known(id));
        if !is_resolved && info == ModelInfo::default() {
            return None;
        }
        if let Some(candidate) = self.candidate(id) {
            let listed = ListedModel::new(info.model(id, limits), ModelSource::Service).with(candidate);
            return Some(ListedModel { reason: candidate.reason.clone(), ..listed });
        }
        let source = if is_resolved { ModelSource::Service } else { ModelSource::Catalog };
        let listed = ListedModel::new(info.model(id, limits), source);
        // An ARN may be of another region, and is called there.
        let is_missing = self.has_list && !is_resolved && !id.starts_with("arn:");
        Some(ListedModel { reason: is_missing.then_some(Reason::NotListed), ..listed })
    }
}

fn is_application_profile(id: &str) -> bool {
    id.contains(":application-inference-profile/")
}

/// How many inference profiles of the settings are looked up at a time.
const MOST_RESOLVED: usize = 50;
