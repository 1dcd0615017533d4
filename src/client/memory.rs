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

/// Inference profiles that were looked up, and lookups that failed in the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Profiles(Mutex<HashMap<String, Lookup>>);

/// The result of a lookup.
#[derive(Debug, Clone)]
pub(crate) enum Lookup {
    Found(Arc<InferenceProfileSummary>),
    /// It failed at this time.
    Failed(SystemTime),
}

impl Profiles {
    /// The result of the last lookup; a failure only while it is recent.
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
            // Forgotten profiles are looked up again.
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
            // A forgotten one costs a refused call.
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
