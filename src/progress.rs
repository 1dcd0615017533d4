//! What the client does, told as it does it: for logs, and for people who wait.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::Error;

/// A step of a call. Holds no secret.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Credentials were found.
    Credentials {
        /// The link of the chain that had them: `profile work`.
        link: &'a str,
    },
    /// A request that is authorised is about to go over plain `http` to another machine, where anyone on the way
    /// can read it.
    PlainHttp {
        /// The host, with the port if the URL has one.
        host: &'a str,
        /// The headers that hold secrets. There are some only if they are
        /// [allowed to](crate::Config::allow_plain_http).
        secrets: &'a [&'a str],
    },
    /// A request is sent.
    Sending {
        /// The operation's name.
        operation: &'a str,
        /// The URL, without the secrets that its path may hold.
        url: &'a str,
        /// Which attempt it is, from 1.
        attempt: u32,
    },
    /// The head of an answer came.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The service's id of the request.
        request_id: Option<&'a str>,
        /// How long after the request.
        after: Duration,
    },
    /// Throttling is waited out.
    Waiting {
        /// What the service said.
        error: &'a Error,
        /// The pause before the next attempt.
        delay: Duration,
        /// How much more may be waited, after this pause.
        left: Duration,
    },
    /// The clock was found to be wrong, and signatures are dated by the service's from now on.
    ClockCorrected {
        /// The service's clock less this machine's, in seconds; 0 when the clock is right again.
        seconds: i64,
    },
    /// A model that is not served under its own id is called through an inference profile.
    ProfileTaken {
        /// The model that was named.
        model_id: &'a str,
        /// The profile that is called.
        profile_id: &'a str,
    },
    /// An attempt failed, and another follows.
    Retrying {
        /// What failed.
        error: &'a Error,
        /// The pause before the next attempt.
        delay: Duration,
    },
}

/// Who is told, if anyone.
#[derive(Clone, Default)]
pub(crate) struct Watcher(pub(crate) Option<Arc<Watch>>);

type Watch = dyn Fn(&Progress<'_>) + Send + Sync;

impl Watcher {
    pub(crate) fn report(&self, progress: &Progress<'_>) {
        if let Some(watcher) = &self.0 {
            watcher(progress);
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Watcher" } else { "no watcher" })
    }
}
