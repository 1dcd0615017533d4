//! Caches credentials, and refreshes them before they expire.
//!
//! - One request at a time: concurrent callers wait for it and share its result, failures included.
//! - Five minutes before the expiry, or when a quarter of the lifetime is left if that is later, they are refreshed
//!   in the background and stay in use. One minute, or a tenth, before the expiry calls wait for new ones.
//! - If a refresh fails, they stay in use while they are valid, and half a minute passes before the next one.
//! - A request is a task of its own, which goes on when its caller is dropped: a refresh token works once, and
//!   would be lost with the response.
//! - When the AWS files change, the chain is asked again. The caller has read them: region and endpoint need them
//!   too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;

#[cfg(feature = "chain")]
use super::Chain;
use super::{Attempt, AttemptOutcome, PROVIDER, ProvideCredentials, Resolved, Search, check_expiry};
use crate::context::{AwsFiles, Context};
use crate::{Error, ErrorKind, Result};

/// See the [module](self). Clones share the cache.
#[derive(Debug, Clone)]
pub(crate) struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    provider: Provider,
    context: Context,
    state: Mutex<State>,
    flight: Arc<tokio::sync::Mutex<()>>,
}

/// Which provider to ask.
#[derive(Debug)]
pub(crate) enum Provider {
    #[cfg(feature = "chain")]
    Chain(Chain),
    Own(Arc<dyn ProvideCredentials>),
}

#[derive(Debug, Default)]
struct State {
    cached: Option<Cached>,
    /// How many searches have ended, and how the last one failed.
    ended: u64,
    failure: Option<Error>,
}

#[derive(Debug)]
struct Cached {
    resolved: Arc<Resolved>,
    /// The [mark](Inner::mark) of the files that they were searched in.
    mark: u64,
    /// When they are refreshed in the background, when calls wait for that, and when they expire.
    times: Option<[SystemTime; 3]>,
}

/// What a call has to do.
enum Due {
    Nothing(Arc<Resolved>),
    InBackground(Arc<Resolved>),
    Now,
}

impl Cache {
    pub(crate) fn new(provider: Provider, context: Context) -> Self {
        let (state, flight) = (Mutex::default(), Arc::default());
        Self(Arc::new(Inner { provider, context, state, flight }))
    }

    /// Asks again, whatever is cached.
    pub(crate) async fn search(&self, files: &AwsFiles) -> Search {
        let (inner, files) = (Arc::clone(&self.0), files.clone());
        let searched = tokio::spawn(async move { inner.search(&files).await }).await;
        searched.unwrap_or_else(|_| Search { result: Err(cancelled()), deferred: None, attempts: Vec::new() })
    }

    /// The credentials to use, with the AWS files as they were read.
    pub(crate) async fn credentials(&self, files: &AwsFiles) -> Result<Arc<Resolved>> {
        let ended = self.0.state().ended;
        match self.0.due(files) {
            Due::Nothing(resolved) => return Ok(resolved),
            Due::InBackground(resolved) => {
                if let Ok(flight) = Arc::clone(&self.0.flight).try_lock_owned() {
                    // A failure is stored for the callers that wait.
                    drop(self.load(flight, files.clone()));
                }
                return Ok(resolved);
            }
            Due::Now => {}
        }
        let (flight, files) = match Arc::clone(&self.0.flight).try_lock_owned() {
            Ok(flight) => (flight, files.clone()),
            // They may change while another search goes on.
            Err(_) => (Arc::clone(&self.0.flight).lock_owned().await, self.0.context.aws_files()),
        };
        match self.0.due(&files) {
            Due::Nothing(resolved) | Due::InBackground(resolved) => Ok(resolved),
            Due::Now => match self.0.failure_since(ended) {
                Some(failure) => Err(failure),
                None => self.load(flight, files).await.unwrap_or_else(|_| Err(cancelled())),
            },
        }
    }

    fn load(&self, flight: OwnedMutexGuard<()>, files: AwsFiles) -> JoinHandle<Result<Arc<Resolved>>> {
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            let resolved = inner.load(&files).await;
            drop(flight);
            resolved
        })
    }

    /// Drops these credentials, since the service says that they have expired.
    pub(crate) fn give_up(&self, resolved: &Arc<Resolved>) {
        #[cfg(feature = "chain")]
        if let Provider::Chain(chain) = &self.0.provider {
            chain.refuse(&resolved.credentials);
        }
        self.0.state().cached.take_if(|cached| Arc::ptr_eq(&cached.resolved, resolved));
    }
}

impl Inner {
    fn due(&self, files: &AwsFiles) -> Due {
        let state = self.state();
        let Some(cached) = &state.cached else { return Due::Now };
        let (resolved, mark, times) = (Arc::clone(&cached.resolved), cached.mark, cached.times);
        drop(state);
        if self.mark(files) != mark {
            return Due::Now;
        }
        let now = self.context.service_time();
        match times {
            Some([_, due, _]) if due <= now => Due::Now,
            Some([early, ..]) if early <= now => Due::InBackground(resolved),
            _ => Due::Nothing(resolved),
        }
    }

    /// The failure of a search that ended after this many had.
    fn failure_since(&self, ended: u64) -> Option<Error> {
        let state = self.state();
        state.failure.clone().filter(|_| state.ended != ended)
    }

    /// A number that changes when what was cached is no longer to be used.
    #[cfg_attr(not(feature = "chain"), allow(unused_variables))]
    fn mark(&self, files: &AwsFiles) -> u64 {
        match &self.provider {
            #[cfg(feature = "chain")]
            Provider::Chain(_) => files.mark,
            Provider::Own(_) => 0,
        }
    }

    #[cfg_attr(not(feature = "chain"), allow(unused_variables))]
    async fn search(&self, files: &AwsFiles) -> Search {
        let result = match &self.provider {
            #[cfg(feature = "chain")]
            Provider::Chain(chain) => return chain.search_in(files).await,
            Provider::Own(provider) => provider.provide().await,
        };
        let result = result.and_then(|resolved| {
            check_expiry(&resolved, &self.context)?;
            Ok(resolved)
        });
        let (outcome, reason) = match &result {
            Ok(resolved) => (AttemptOutcome::Used, resolved.link.clone()),
            Err(error) => (AttemptOutcome::Failed, error.to_string()),
        };
        let attempts = vec![Attempt { source: PROVIDER.into(), outcome, reason }];
        Search { result, deferred: None, attempts }
    }

    /// Asks and caches. The caller holds the flight.
    async fn load(&self, files: &AwsFiles) -> Result<Arc<Resolved>> {
        let mark = self.mark(files);
        let result = self.search(files).await.result;
        let now = self.context.service_time();
        let mut state = self.state();
        state.ended += 1;
        state.failure = None;
        let error = match result {
            Ok(resolved) => {
                let resolved = Arc::new(resolved);
                let times = resolved.credentials.expires().map(|end| times(now, end));
                state.cached = Some(Cached { resolved: Arc::clone(&resolved), mark, times });
                return Ok(resolved);
            }
            Err(error) => error,
        };
        if let Some(cached) = &mut state.cached
            && cached.mark == mark
            && let Some([early, due, end]) = &mut cached.times
            && now < *end
        {
            *early = now + PATIENCE;
            *due = (*due).max(*early).min(*end);
            return Ok(Arc::clone(&cached.resolved));
        }
        state.cached = None;
        state.failure = Some(error.clone());
        Err(error)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When credentials with this expiry are refreshed.
fn times(now: SystemTime, end: SystemTime) -> [SystemTime; 3] {
    let left = end.duration_since(now).unwrap_or_default();
    [end - EARLY.min(left / 4), end - DUE.min(left / 10), end]
}

/// The runtime has ended, or the provider has panicked.
fn cancelled() -> Error {
    Error::new(ErrorKind::Credentials, "the request for credentials was cancelled")
}

const EARLY: Duration = Duration::from_mins(5);
const DUE: Duration = Duration::from_mins(1);
const PATIENCE: Duration = Duration::from_secs(30);
