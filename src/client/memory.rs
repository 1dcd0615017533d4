//! What a client has learnt from earlier calls. Its size is bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::inference_profile::InferenceProfileSummary;

#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Inference profiles, by id or ARN.
    pub(crate) profiles: Profiles,
    /// Conversations, by the caller's id, whose strict tools together were too complex for the service.
    pub(crate) strict_refused: Notes,
    /// What refusals taught about models, by the model's id.
    pub(crate) learnt: Notes,
    /// Models that only an inference profile serves, and that profile.
    pub(crate) served_by: Notes,
    /// Buckets that are in another region than the calls', and that region.
    #[cfg(feature = "bulk")]
    pub(crate) bucket_regions: Notes,
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

/// Texts by their keys.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<HashMap<String, String>>);

impl Notes {
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        locked(&self.0).get(key).cloned()
    }

    pub(crate) fn insert(&self, key: &str, note: &str) {
        let mut notes = locked(&self.0);
        if notes.len() >= MOST {
            // A forgotten note costs a refused call.
            notes.clear();
        }
        notes.insert(key.to_owned(), note.to_owned());
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
            memory.strict_refused.insert(&number.to_string(), "");
            assert!(memory.profiles.get(&number.to_string(), now).is_some());
            assert!(memory.strict_refused.get(&number.to_string()).is_some());
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
