//! The control plane's lists: requested once, cached, and shared by all callers that wait for them.

use std::fmt;
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::digest::{SHA256, digest};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::discovery::{Inventory, base_of};
use super::own;
use crate::client::{Client, Lookup};
use crate::context::Context;
use crate::credentials::Credentials;
use crate::foundation_model::ListFoundationModelsRequest;
use crate::inference_profile::{InferenceProfileSummary, InferenceProfileType, ListInferenceProfilesRequest};
use crate::sign::hex;
use crate::spelling::nearest;
use crate::{Error, ErrorKind, Result};
use pumice_codec::internal::from_json;

/// The models and inference profiles of a client's region, and the account's own models there, cached on disk.
///
/// The cache folder ([`Context::cache_folder`](crate::context::Context::cache_folder)) has a file for each identity,
/// endpoint and region. Without credentials, nothing is cached. Cloning is cheap, and clones share their calls.
#[derive(Debug, Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    client: Client,
    refresh_interval: Duration,
    /// The calls in progress.
    flight: Mutex<Option<Arc<Flight>>>,
}

type Flight = OnceCell<Result<Arc<Listing>>>;

/// A list from the control plane, new or cached.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listing {
    /// The models and inference profiles.
    pub inventory: Inventory,
    /// Why this is the cached list although a new one was requested.
    pub outdated: Option<Error>,
    /// Why the list has no inference profiles.
    pub without_profiles: Option<Error>,
}

impl Listing {
    /// When the list was requested from the control plane.
    pub fn fetched(&self) -> SystemTime {
        // A cached file may be damaged.
        UNIX_EPOCH + Duration::from_secs(self.inventory.fetched.min(LATEST))
    }
}

impl Directory {
    /// The directory of a client. Lists are cached for an hour.
    pub fn new(client: Client) -> Self {
        Self::with_refresh_interval(client, Duration::from_hours(1))
    }

    /// The directory of a client. Lists are cached for this long, in whole seconds: 0 turns the cache off, and
    /// [`Duration::MAX`] keeps them for ever.
    pub fn with_refresh_interval(client: Client, interval: Duration) -> Self {
        Self(Arc::new(Inner { client, refresh_interval: interval, flight: Mutex::new(None) }))
    }

    /// All models and inference profiles: from the cache if it is fresh and `refresh` is not set, otherwise from the
    /// control plane. Callers that ask while a call is in progress share its outcome.
    ///
    /// If the control plane fails, the cached list is used, however old, and [`Listing::outdated`] says why. If only
    /// the profiles fail and nothing is cached, or if they may not be listed, the list has none, and
    /// [`Listing::without_profiles`] says why. Fails as the calls do, and with [`ErrorKind::Timeout`] after 30 seconds.
    pub async fn list(&self, refresh: bool) -> Result<Arc<Listing>> {
        let flight = {
            let mut flight = self.0.flight.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(flight.get_or_insert_default())
        };
        let outcome = flight.get_or_init(|| async {
            let outcome = Box::pin(self.0.list(refresh)).await;
            // Later callers start new calls.
            *self.0.flight.lock().unwrap_or_else(PoisonError::into_inner) = None;
            outcome.map(Arc::new)
        });
        outcome.await.clone()
    }

    /// The cached list, however old it is. Bedrock is not called.
    pub async fn kept(&self) -> Option<Inventory> {
        let cache = self.0.cache().await.ok()??;
        self.0.read(&cache)
    }

    /// The newest cached list of any account and region, for suggestions. No credentials are looked for.
    pub fn newest_kept(context: &Context) -> Option<Inventory> {
        let files =
            std::fs::read_dir(context.cache_folder()?).ok()?.filter_map(|file| Some(file.ok()?.path()));
        let lists = files.filter(|file| {
            let name = file.file_stem().and_then(|name| name.to_str());
            name.is_some_and(|name| name.starts_with(FILE_NAME)) && file.extension() == Some("json".as_ref())
        });
        let lists = lists.filter_map(|file| from_json::<Inventory>(&context.read_file(&file).ok()??).ok());
        lists.max_by_key(|list| list.fetched)
    }

    /// At most three callable ids from the cached list that are nearest to this one. Bedrock is not called.
    pub async fn nearest(&self, id: &str) -> Vec<String> {
        let Some(inventory) = self.kept().await else { return Vec::new() };
        let candidates = inventory.candidates();
        let callable = candidates.iter().filter(|candidate| candidate.reason.is_none());
        let mut ids = callable.map(|candidate| candidate.id).filter(|known| *known != id).collect::<Vec<_>>();
        let mut near = Vec::new();
        while let Some(found) = nearest(id, ids.iter().copied()).filter(|_| near.len() < 3) {
            near.push(found.to_owned());
            ids.retain(|id| *id != found);
        }
        near
    }

    /// The id of the foundation model behind an inference profile, by the profile's id or ARN: from the cached list, or
    /// else from the control plane. `None` if the profile names no model.
    ///
    /// Fails as the call does: with [`ErrorKind::AccessDenied`] if the profile may not be requested.
    pub async fn base_of(&self, profile: &str) -> Result<Option<String>> {
        let cache = self.0.cache().await?;
        let mut kept = cache.as_ref().and_then(|cache| self.0.read(cache));
        if let Some(known) = kept.as_ref().and_then(|inventory| inventory.profile(profile)) {
            return Ok(base_of(known).map(str::to_owned));
        }
        let found = within(self.0.client.inference_profile(profile)).await?;
        let base = base_of(&found).map(str::to_owned);
        if let (Some(cache), Some(inventory)) = (&cache, &mut kept) {
            inventory.resolved_profiles.get_or_insert_default().push((*found).clone());
            self.0.write(cache, inventory);
        }
        Ok(base)
    }
}

impl Inner {
    async fn list(&self, refresh: bool) -> Result<Listing> {
        let cache = self.cache().await?;
        let kept = cache.as_ref().and_then(|cache| self.read(cache));
        let now = self.now();
        let kept = match kept {
            Some(inventory) if !refresh && self.is_fresh(&inventory, now) => {
                return Ok(Listing { inventory, outdated: None, without_profiles: None }.explained());
            }
            kept => kept,
        };

        let (models, profiles) = match within(Box::pin(self.ask())).await {
            Ok(responses) => responses,
            Err(error) => (Err(error), Ok(Vec::new())),
        };
        // With what cannot be listed, these could not be either.
        let own = if models.is_ok() { own::list(&self.client).await } else { Vec::new() };
        let (mut inventory, without_profiles) = match (models, profiles, kept) {
            (Ok(models), Ok(profiles), kept) => {
                let resolved = kept.and_then(|kept| kept.resolved_profiles);
                let inventory = Inventory::new(now, models).inference_profiles(profiles);
                (Inventory { resolved_profiles: resolved, ..inventory }, None)
            }
            // Access was revoked: the cached list is not used.
            (Ok(models), Err(error), _) if error.kind() == ErrorKind::AccessDenied => {
                (Inventory::new(now, models), Some(error))
            }
            (Ok(models), Err(error), None) => {
                let inventory = Inventory::new(now, models).own_models(own);
                return Ok(Listing { inventory, outdated: None, without_profiles: Some(error) });
            }
            (Err(error), _, Some(inventory)) | (Ok(_), Err(error), Some(inventory)) => {
                return Ok(Listing { inventory, outdated: Some(error), without_profiles: None }.explained());
            }
            (Err(error), _, None) => return Err(error),
        };
        inventory.own_models = Some(own);
        if let Some(cache) = &cache {
            self.write(cache, &inventory);
        }
        Ok(Listing { inventory, outdated: None, without_profiles })
    }

    /// Requests foundation models and both types of inference profile at the same time.
    async fn ask(&self) -> Result<Responses> {
        let client = &self.client;
        let profiles = async |kind| {
            let request = ListInferenceProfilesRequest::new().max_results(PAGE).type_equals(kind);
            client.list_inference_profiles(&request).await
        };
        let request = ListFoundationModelsRequest::new();
        let models = client.list_foundation_models(&request);
        let system = profiles(InferenceProfileType::SystemDefined);
        let application = profiles(InferenceProfileType::Application);
        let (models, (system, application)) = both(models, Box::pin(both(system, application))).await;
        let models = models.map(|response| response.model_summaries.unwrap_or_default());
        let profiles = system.and_then(|mut system| {
            let mut profiles = system.inference_profile_summaries.take().unwrap_or_default();
            profiles.extend(application?.inference_profile_summaries.unwrap_or_default());
            Ok(profiles)
        });
        Ok((models, profiles))
    }

    /// The cache file of this identity, endpoint and region. `None` without credentials or a cache folder, or if the
    /// cache is off. Fails if credentials are needed and not found: the listing would fail too.
    async fn cache(&self) -> Result<Option<PathBuf>> {
        let config = self.client.config();
        if !config.0.uses_credentials || self.refresh_interval.is_zero() {
            return Ok(None);
        }
        let identity = self.client.identify().await?;
        let who = match &identity.search.result?.credentials {
            Credentials::Bearer(token) => format!("token {}", half_hash(token.token())),
            Credentials::Keys(keys) => match keys.account_id() {
                Some(account) => format!("account {}", account.as_str()),
                None => format!("key {}", keys.access_key_id()),
            },
        };
        let region = identity.control.region();
        let file = format!(
            "{FILE_NAME}{region}-{}.json",
            half_hash(&format!("{who}\n{}\n{region}", identity.control.url()))
        );
        Ok(config.0.context.cache_folder().map(|folder| folder.join(file)))
    }

    /// The cached list. `None` if it is missing, damaged or in another format: it is then replaced.
    fn read(&self, cache: &Path) -> Option<Inventory> {
        let text = self.client.config().0.context.read_file(cache).ok()??;
        from_json(&text).ok()
    }

    /// Caches a list. If this fails, the next call requests it again.
    fn write(&self, cache: &Path, inventory: &Inventory) {
        let context = &self.client.config().0.context;
        if let (Ok(text), Some(folder)) = (serde_json::to_vec(inventory), cache.parent()) {
            let _ = context.create_private_folder(folder).and_then(|()| context.write_private(cache, &text));
        }
    }

    fn is_fresh(&self, inventory: &Inventory, now: u64) -> bool {
        // A list from the future was cached by another clock.
        now.checked_sub(inventory.fetched).is_some_and(|age| age < self.refresh_interval.as_secs())
    }

    fn now(&self) -> u64 {
        let now = self.client.config().0.context.now();
        now.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("refresh_interval", &self.refresh_interval).finish_non_exhaustive()
    }
}

impl Listing {
    /// Sets the reason if the list was cached without profiles.
    fn explained(mut self) -> Self {
        if self.inventory.inference_profiles.is_none() {
            self.without_profiles =
                Some(Error::new(ErrorKind::AccessDenied, "the inference profiles could not be listed"));
        }
        self
    }
}

/// The id of the foundation model behind an inference profile, for a call that cannot wait long. `None` if it is not
/// found within a second, or if a lookup failed a moment ago.
pub(crate) async fn base_model(client: &Client, profile: &str) -> Option<String> {
    let now = || client.config().0.context.now();
    if let Some(Lookup::Failed(_)) = client.memory().profiles.get(profile, now()) {
        return None;
    }
    let Ok(Ok(found)) = timeout(SHORT_WAIT, client.inference_profile(profile)).await else {
        client.memory().profiles.insert(profile, Lookup::Failed(now()));
        return None;
    };
    base_of(&found).map(str::to_owned)
}

/// Foundation models, and inference profiles.
type Responses =
    (Result<Vec<crate::foundation_model::FoundationModelSummary>>, Result<Vec<InferenceProfileSummary>>);

async fn within<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(LONGEST_WAIT, work).await.unwrap_or_else(|_| {
        let limit = LONGEST_WAIT.as_secs();
        Err(Error::new(ErrorKind::Timeout, format!("the control plane did not respond within {limit} s")))
    })
}

/// Runs two futures at the same time and waits for both.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut of_a, mut of_b) = (None, None);
    poll_fn(|task| {
        if of_a.is_none()
            && let Poll::Ready(output) = a.as_mut().poll(task)
        {
            of_a = Some(output);
        }
        if of_b.is_none()
            && let Poll::Ready(output) = b.as_mut().poll(task)
        {
            of_b = Some(output);
        }
        match (of_a.take(), of_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            waiting => {
                (of_a, of_b) = waiting;
                Poll::Pending
            }
        }
    })
    .await
}

/// The first half of a text's SHA-256, which is enough to distinguish texts.
fn half_hash(text: &str) -> String {
    let mut hash = hex(digest(&SHA256, text.as_bytes()));
    hash.truncate(32);
    hash
}

/// How the names of cached lists begin.
const FILE_NAME: &str = "models-";
/// The most profiles that one request may ask for.
const PAGE: u32 = 1000;
/// The end of the year 9999, in seconds since 1970.
const LATEST: u64 = 253_402_300_799;
/// How long a listing may take, its retries included.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long a call waits for the model behind its inference profile.
const SHORT_WAIT: Duration = Duration::from_secs(1);
