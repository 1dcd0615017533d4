//! What a client has learnt from earlier calls. All of it is bounded.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::inference_profile::InferenceProfileSummary;

#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Inference profiles, by id or ARN.
    pub(crate) profiles: Profiles,
    /// Conversations, by the caller's id, whose strict tools together were too complex for the service.
    pub(crate) strict_refused: Sessions,
}

/// Inference profiles, and for some seconds those that could not be looked up.
#[derive(Debug, Default)]
pub(crate) struct Profiles(Mutex<HashMap<String, Lookup>>);

/// What a lookup came to.
#[derive(Debug, Clone)]
pub(crate) enum Lookup {
    Found(Arc<InferenceProfileSummary>),
    /// It failed at this time.
    Failed(SystemTime),
}

impl Profiles {
    /// What the last lookup came to; a failure only until it is too old.
    pub(crate) fn get(&self, id: &str, now: SystemTime) -> Option<Lookup> {
        let found = locked(&self.0).get(id).cloned();
        found.filter(|lookup| match lookup {
            Lookup::Found(_) => true,
            Lookup::Failed(at) => now.duration_since(*at).is_ok_and(|age| age < FAILURE_KEPT),
        })
    }

    pub(crate) fn insert(&self, id: &str, lookup: Lookup) {
        let mut profiles = locked(&self.0);
        if profiles.len() >= MOST {
            // What is forgotten is looked up again.
            profiles.clear();
        }
        profiles.insert(id.to_owned(), lookup);
    }
}

/// Conversations, by the caller's id.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashSet<String>>);

impl Sessions {
    pub(crate) fn contains(&self, session: &str) -> bool {
        locked(&self.0).contains(session)
    }

    pub(crate) fn insert(&self, session: String) {
        let mut sessions = locked(&self.0);
        if sessions.len() >= MOST {
            // What is forgotten costs a refused call.
            sessions.clear();
        }
        sessions.insert(session);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const MOST: usize = 1000;
const FAILURE_KEPT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded() {
        let memory = Memory::default();
        let now = SystemTime::UNIX_EPOCH;
        for number in 0..3 * MOST {
            memory.profiles.insert(&number.to_string(), Lookup::Failed(now));
            memory.strict_refused.insert(number.to_string());
            assert!(memory.profiles.get(&number.to_string(), now).is_some());
            assert!(memory.strict_refused.contains(&number.to_string()));
        }
        assert!(locked(&memory.profiles.0).len() <= MOST && locked(&memory.strict_refused.0).len() <= MOST);
    }

    #[test]
    fn a_failure_is_kept_for_seconds_by_any_clock() {
        let profiles = Profiles::default();
        let at = SystemTime::UNIX_EPOCH + Duration::from_hours(1);
        profiles.insert("p", Lookup::Failed(at));
        let is_kept = |now| profiles.get("p", now).is_some();
        assert!(is_kept(at) && is_kept(at + Duration::from_secs(29)));
        assert!(!is_kept(at + FAILURE_KEPT));
        assert!(!is_kept(at - Duration::from_secs(1)), "the clock was set back");
    }
}
