//! What the client does, reported as it does it: for logs, and for people who wait.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::Error;

/// A step of a call. Holds no secret, but for what a [command says](Self::CommandOutput).
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Credentials were found.
    Credentials {
        /// The link of the chain that had them: `profile work`.
        link: &'a str,
    },
    /// A request with credentials is about to go over plain `http` to another machine. Anyone on the way can read it.
    PlainHttp {
        /// The host, with the port if the URL has one.
        host: &'a str,
        /// The headers that hold secrets. Empty unless secrets over plain `http` are
        /// [allowed](crate::Config::allow_plain_http).
        secrets: &'a [&'a str],
    },
    /// A request is sent.
    Sending {
        /// The operation's name, or the path if the [call](crate::operation::Call::to_path) is of a path only.
        operation: &'a str,
        /// The URL, with secrets in its path redacted.
        url: &'a str,
        /// Which attempt it is, from 1.
        attempt: u32,
    },
    /// The head of a response arrived.
    ResponseHead {
        /// The HTTP status.
        status: u16,
        /// The service's id of the request.
        request_id: Option<&'a str>,
        /// How long after the request.
        after: Duration,
    },
    /// The client waits, because it is throttled.
    Waiting {
        /// What the service said.
        error: &'a Error,
        /// The pause before the next attempt.
        delay: Duration,
        /// How long the client may still wait after this pause.
        left: Duration,
    },
    /// This machine's clock is wrong; from now on signatures are dated by the service's.
    ClockCorrected {
        /// The service's clock minus this machine's, in seconds; 0 if the clock is right again.
        seconds: i64,
    },
    /// A `credential_process` that runs for more than a second says something on standard error. It may ask the user
    /// something: show it as it is. It is not for logs, since it may hold a secret.
    CommandOutput {
        /// What it says, as it comes: any part of a text.
        text: &'a [u8],
    },
    /// A model that cannot be called by its own id is called through an inference profile.
    ProfileUsed {
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

/// The function that gets the reports, if there is one.
#[derive(Clone, Default)]
pub(crate) struct Watcher(pub(crate) Option<Arc<Watch>>);

type Watch = dyn Fn(&Progress<'_>) + Send + Sync;

impl Watcher {
    pub(crate) fn report(&self, progress: &Progress<'_>) {
        #[cfg(feature = "tracing")]
        trace(progress);
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

/// The step as an event of `tracing`, in the span of its call.
#[cfg(feature = "tracing")]
fn trace(progress: &Progress<'_>) {
    use tracing::{debug, warn};

    fn milliseconds(time: Duration) -> u64 {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    }
    match progress {
        Progress::Credentials { link } => debug!(link, "credentials found"),
        Progress::PlainHttp { host, secrets } => {
            warn!(host, secrets = secrets.join(", "), "request over plain http");
        }
        Progress::Sending { operation, url, attempt } => debug!(operation, url, attempt, "sending"),
        Progress::ResponseHead { status, request_id, after } => {
            debug!(status, request_id, after_ms = milliseconds(*after), "response");
        }
        Progress::Waiting { error, delay, left } => {
            let (delay_ms, left_ms) = (milliseconds(*delay), milliseconds(*left));
            warn!(%error, delay_ms, left_ms, "waiting, because throttled");
        }
        Progress::CommandOutput { .. } => debug!("credential_process says something"),
        Progress::ClockCorrected { seconds } => warn!(seconds, "the clock is wrong"),
        Progress::ProfileUsed { model_id, profile_id } => {
            warn!(model_id, profile_id, "called through an inference profile");
        }
        Progress::Retrying { error, delay } => {
            warn!(%error, delay_ms = milliseconds(*delay), "retrying");
        }
    }
}
