//! The credentials in use: asked for once however many want them, and anew before they end.
//!
//! - One search at a time: whoever comes meanwhile waits for it and shares what it comes to, a failure too.
//! - Five minutes before their end, or when a quarter of their time is left, if that is later, they are
//!   asked for anew on the side, and used on. One minute, or a tenth, before their end they are waited for.
//! - If that fails they are used on while they are valid, and not asked for again for half a minute.
//! - A search is a task of its own, which goes on when the caller who waits for it gives up: what refreshes a
//!   session is good once, and would be lost with the answer.
//! - When the AWS files say something else than before, the chain is asked afresh. They are read each time,
//!   which costs little: what a call needs of them, its region and endpoint, is read each time as well.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;

use super::surroundings::Surroundings;
use super::{Found, Search, search};
use crate::{Error, ErrorKind, Result};

/// See the [module](self). Clones share what they hold.
#[derive(Debug, Clone)]
pub(crate) struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    surroundings: Surroundings,
    state: Mutex<State>,
    flight: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    /// How many searches have ended, and what the last of them failed of.
    ended: u64,
    failure: Option<Error>,
}

#[derive(Debug)]
struct Held {
    found: Arc<Found>,
    /// What the AWS files said.
    files: u64,
    /// When they are asked for on the side, when they are waited for, and when they end.
    times: Option<[SystemTime; 3]>,
}

/// What is to be done.
enum Due {
    Nothing(Arc<Found>),
    OnTheSide(Arc<Found>),
    Now,
}

impl Cache {
    pub(crate) fn new(surroundings: Surroundings) -> Self {
        let (state, flight) = (Mutex::default(), Arc::default());
        Self(Arc::new(Inner { surroundings, state, flight }))
    }

    /// What the chain comes to now, whatever is held.
    pub(crate) async fn search(&self) -> Search {
        let inner = Arc::clone(&self.0);
        let searched = tokio::spawn(async move { inner.search().await }).await;
        searched.unwrap_or_else(|_| Search { result: Err(broken_off()), unasked: None, tried: Vec::new() })
    }

    /// The credentials to use.
    pub(crate) async fn credentials(&self) -> Result<Arc<Found>> {
        let ended = self.0.state().ended;
        match self.0.due() {
            Due::Nothing(found) => return Ok(found),
            Due::OnTheSide(found) => {
                if let Ok(flight) = Arc::clone(&self.0.flight).try_lock_owned() {
                    // A failure is kept, and matters to those alone who have to wait.
                    drop(self.load(flight));
                }
                return Ok(found);
            }
            Due::Now => {}
        }
        let flight = Arc::clone(&self.0.flight).lock_owned().await;
        match self.0.due() {
            Due::Nothing(found) | Due::OnTheSide(found) => Ok(found),
            Due::Now => match self.0.failure_since(ended) {
                Some(failure) => Err(failure),
                None => self.load(flight).await.unwrap_or_else(|_| Err(broken_off())),
            },
        }
    }

    fn load(&self, flight: OwnedMutexGuard<()>) -> JoinHandle<Result<Arc<Found>>> {
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            let found = inner.load().await;
            drop(flight);
            found
        })
    }

    /// Gives these credentials up, since the service says that they have expired.
    pub(crate) fn give_up(&self, found: &Arc<Found>) {
        self.0.state().held.take_if(|held| Arc::ptr_eq(&held.found, found));
    }
}

impl Inner {
    fn due(&self) -> Due {
        let state = self.state();
        let Some(held) = &state.held else { return Due::Now };
        let (found, files, times) = (Arc::clone(&held.found), held.files, held.times);
        drop(state);
        if self.surroundings.context.aws_files_mark() != files {
            return Due::Now;
        }
        let now = self.surroundings.context.now();
        match times {
            Some([_, due, _]) if due <= now => Due::Now,
            Some([early, ..]) if early <= now => Due::OnTheSide(found),
            _ => Due::Nothing(found),
        }
    }

    /// What a search has failed of that ended since this many had.
    fn failure_since(&self, ended: u64) -> Option<Error> {
        let state = self.state();
        state.failure.clone().filter(|_| state.ended != ended)
    }

    /// Boxed: of a future that is not, each crate that waits for it has the code of all sources once more.
    fn search(&self) -> Pin<Box<dyn Future<Output = Search> + Send + '_>> {
        Box::pin(search(&self.surroundings))
    }

    /// Searches, with nobody else doing so.
    async fn load(&self) -> Result<Arc<Found>> {
        let files = self.surroundings.context.aws_files_mark();
        let result = self.search().await.result;
        let now = self.surroundings.context.now();
        let mut state = self.state();
        state.ended += 1;
        state.failure = None;
        let error = match result {
            Ok(found) => {
                let found = Arc::new(found);
                let times = found.credentials.expires().map(|end| times(now, end));
                state.held = Some(Held { found: Arc::clone(&found), files, times });
                return Ok(found);
            }
            Err(error) => error,
        };
        if let Some(held) = &mut state.held
            && held.files == files
            && let Some([early, due, end]) = &mut held.times
            && now < *end
        {
            *early = now + PATIENCE;
            *due = (*due).max(*early).min(*end);
            return Ok(Arc::clone(&held.found));
        }
        state.held = None;
        state.failure = Some(error.clone());
        Err(error)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When credentials that end then are asked for anew.
fn times(now: SystemTime, end: SystemTime) -> [SystemTime; 3] {
    let left = end.duration_since(now).unwrap_or_default();
    [end - EARLY.min(left / 4), end - DUE.min(left / 10), end]
}

/// The runtime has ended, or the search has panicked.
fn broken_off() -> Error {
    Error::new(ErrorKind::Credentials, "the search for credentials was broken off")
}

const EARLY: Duration = Duration::from_mins(5);
const DUE: Duration = Duration::from_mins(1);
const PATIENCE: Duration = Duration::from_secs(30);
