//! The control plane's lists: requested once, cached, and shared by all who wait for them.

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
use crate::client::{Client, Lookup};
use crate::credentials::Credentials;
use crate::foundation_model::ListFoundationModelsRequest;
use crate::inference_profile::{InferenceProfileSummary, InferenceProfileType, ListInferenceProfilesRequest};
use crate::sign::hex;
use crate::spelling::nearest;
use crate::{Error, ErrorKind, Result};
use pumice_codec::internal::from_json;

/// The models and inference profiles of a client's region, kept on disk.
///
/// There is a file in the cache folder ([`Context::cache_folder`](crate::context::Context::cache_folder))
/// for each identity, endpoint and region. Who calls without credentials keeps none. To clone a directory
/// is cheap, and the clones share their calls.
#[derive(Debug, Clone)]
pub struct Directory(Arc<Inner>);

struct Inner {
    client: Client,
    refresh_interval: Duration,
    /// The calls that are under way.
    flight: Mutex<Option<Arc<Flight>>>,
}

type Flight = OnceCell<Result<Arc<Listing>>>;

/// What the control plane listed, now or earlier.
#[derive(Debug)]
#[non_exhaustive]
pub struct Listing {
    /// The models and inference profiles.
    pub inventory: Inventory,
    /// Why this list is an old one, although a newer one was requested.
    pub outdated: Option<Error>,
    /// Why there are no inference profiles in it.
    pub without_profiles: Option<Error>,
}

impl Listing {
    /// When the control plane was asked.
    pub fn fetched(&self) -> SystemTime {
        // A cached file may be damaged.
        UNIX_EPOCH + Duration::from_secs(self.inventory.fetched.min(LATEST))
    }
}

impl Directory {
    /// What this client can see. A list is cached for an hour.
    pub fn new(client: Client) -> Self {
        Self::with_refresh_interval(client, Duration::from_hours(1))
    }

    /// What this client can see, with lists cached for this long, in whole seconds. 0: not at all;
    /// [`Duration::MAX`]: for ever.
    pub fn with_refresh_interval(client: Client, interval: Duration) -> Self {
        Self(Arc::new(Inner { client, refresh_interval: interval, flight: Mutex::new(None) }))
    }

    /// All models and inference profiles: from the cache, if it is not too old and no `refresh` is asked
    /// for, else from the control plane. Who asks while calls are under way shares their outcome.
    ///
    /// When the control plane fails, the last answer is used, however old, and is marked so. Where only the
    /// profiles fail and there is no earlier answer, or where they may not be listed, there are none, and it
    /// is said why. Fails as the calls do, and with [`ErrorKind::Timeout`] after 30 seconds.
    pub async fn list(&self, refresh: bool) -> Result<Arc<Listing>> {
        let flight = {
            let mut flight = self.0.flight.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(flight.get_or_insert_default())
        };
        let outcome = flight.get_or_init(|| async {
            let outcome = Box::pin(self.0.list(refresh)).await;
            // Later callers make calls of their own.
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

    /// The ids in the cached list that can be called and are nearest to this one: at most three. Bedrock is not
    /// called.
    pub async fn nearest(&self, id: &str) -> Vec<String> {
        let Some(inventory) = self.kept().await else { return Vec::new() };
        let candidates = inventory.candidates();
        let callable = candidates.iter().filter(|candidate| candidate.reason.is_none());
        let mut ids = callable.map(|candidate| candidate.id).collect::<Vec<_>>();
        let mut near = Vec::new();
        while let Some(found) = nearest(id, ids.iter().copied()).filter(|_| near.len() < 3) {
            near.push(found.to_owned());
            ids.retain(|id| *id != found);
        }
        near
    }

    /// The id of the foundation model that an inference profile leads to, by the profile's id or ARN: as
    /// the last answer says, or else the control plane. `None` where the profile names no model.
    ///
    /// Fails as the call does: with [`ErrorKind::AccessDenied`] where the profile may not be asked for.
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
            Ok(answers) => answers,
            Err(error) => (Err(error), Ok(Vec::new())),
        };
        let (inventory, without_profiles) = match (models, profiles, kept) {
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
                let inventory = Inventory::new(now, models);
                return Ok(Listing { inventory, outdated: None, without_profiles: Some(error) });
            }
            (Err(error), _, Some(inventory)) | (Ok(_), Err(error), Some(inventory)) => {
                return Ok(Listing { inventory, outdated: Some(error), without_profiles: None }.explained());
            }
            (Err(error), _, None) => return Err(error),
        };
        if let Some(cache) = &cache {
            self.write(cache, &inventory);
        }
        Ok(Listing { inventory, outdated: None, without_profiles })
    }

    /// Asks for foundation models and for inference profiles of both types, at the same time.
    async fn ask(&self) -> Result<Answers> {
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
        let models = models.map(|answer| answer.model_summaries.unwrap_or_default());
        let profiles = system.and_then(|mut system| {
            let mut profiles = system.inference_profile_summaries.take().unwrap_or_default();
            profiles.extend(application?.inference_profile_summaries.unwrap_or_default());
            Ok(profiles)
        });
        Ok((models, profiles))
    }

    /// The file of this identity, endpoint and region; `None` where there is no identity or no folder, or
    /// nothing is to be kept.
    /// Fails where no credentials are found: nobody is listed to whom nothing can be told.
    async fn cache(&self) -> Result<Option<PathBuf>> {
        let config = self.client.config();
        if !config.uses_credentials || self.refresh_interval.is_zero() {
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
            "models-{region}-{}.json",
            half_hash(&format!("{who}\n{}\n{region}", identity.control.url()))
        );
        Ok(config.context.cache_folder().map(|folder| folder.join(file)))
    }

    /// What is kept, or `None` if it is not there, damaged or of another form: it is replaced then.
    fn read(&self, cache: &Path) -> Option<Inventory> {
        let text = self.client.config().context.read_file(cache).ok()??;
        from_json(&text).ok()
    }

    /// Keeps an answer. Where that fails, it is asked for again the next time.
    fn write(&self, cache: &Path, inventory: &Inventory) {
        let context = &self.client.config().context;
        if let (Ok(text), Some(folder)) = (serde_json::to_vec(inventory), cache.parent()) {
            let _ = context.create_private_folder(folder).and_then(|()| context.write_private(cache, &text));
        }
    }

    fn is_fresh(&self, inventory: &Inventory, now: u64) -> bool {
        // What is from the future was kept by another clock.
        now.checked_sub(inventory.fetched).is_some_and(|age| age < self.refresh_interval.as_secs())
    }

    fn now(&self) -> u64 {
        let now = self.client.config().context.now();
        now.duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("refresh_interval", &self.refresh_interval).finish_non_exhaustive()
    }
}

impl Listing {
    /// Says of an answer that was kept without profiles that it has none.
    fn explained(mut self) -> Self {
        if self.inventory.inference_profiles.is_none() {
            self.without_profiles =
                Some(Error::new(ErrorKind::AccessDenied, "inference profiles may not be listed"));
        }
        self
    }
}

/// The id of the foundation model behind an inference profile, for a call that cannot wait long for it; `None` where
/// it is not found in a second, or was not a moment ago.
pub(crate) async fn base_model(client: &Client, profile: &str) -> Option<String> {
    let now = || client.config().context.now();
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
type Answers =
    (Result<Vec<crate::foundation_model::FoundationModelSummary>>, Result<Vec<InferenceProfileSummary>>);

async fn within<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(LONGEST_WAIT, work).await.unwrap_or_else(|_| {
        let limit = LONGEST_WAIT.as_secs();
        Err(Error::new(ErrorKind::Timeout, format!("the control plane did not answer within {limit} s")))
    })
}

/// Waits for both, which go on at the same time.
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

/// The SHA-256 of a text, half of it: enough to tell texts apart.
fn half_hash(text: &str) -> String {
    let mut hash = hex(digest(&SHA256, text.as_bytes()));
    hash.truncate(32);
    hash
}

/// How many profiles are asked for at once: as many as may be.
const PAGE: u32 = 1000;
/// The end of the year 9999, in seconds since 1970.
const LATEST: u64 = 253_402_300_799;
/// How long a listing may take, its retries included.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long a call waits for the model behind its inference profile.
const SHORT_WAIT: Duration = Duration::from_secs(1);
