//! What is remembered of the metadata service of an EC2 instance.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use aws_credential_types::Credentials as Keys;

use super::secret::Secret;

/// What the service gave, shared by all searches.
#[derive(Default)]
pub(super) struct Imds(Mutex<Cached>);

#[derive(Default)]
pub(super) struct Cached {
    /// The session token, and when to ask for another.
    pub(super) token: Option<(Secret, SystemTime)>,
    /// The last role and its keys.
    pub(super) last: Option<(String, Keys)>,
    /// Why there is no service here, and until when not to ask again.
    pub(super) absent: Option<(Absent, SystemTime)>,
}

/// Why there is no such service here.
#[derive(Clone)]
pub(super) struct Absent {
    pub(super) reason: String,
    pub(super) hint: Option<&'static str>,
}

impl Imds {
    pub(super) fn cached(&self) -> MutexGuard<'_, Cached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Imds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Imds")
    }
}
