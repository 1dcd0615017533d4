//! Settings for some calls that differ from those of their client.

use std::time::Duration;

use crate::config::{Config, Headers};
use crate::retry::Retry;

/// Settings for [`Client::with`](super::Client::with): what is set here replaces the client's own.
///
/// `Debug` shows no secret.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Overrides {
    region: Option<String>,
    project: Option<String>,
    first_byte_timeout: Option<Duration>,
    idle_timeout: Option<Duration>,
    retry: Option<Retry>,
    headers: Headers,
}

impl Overrides {
    /// Replaces nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// See [`Config::region`].
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// See [`Config::project`].
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// See [`Config::first_byte_timeout`].
    pub fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.first_byte_timeout = Some(timeout);
        self
    }

    /// See [`Config::idle_timeout`].
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// See [`Config::retry`].
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Adds a header to the client's own, or replaces the one of this name. See [`Config::header`].
    pub fn header(mut self, name: impl AsRef<str>, value: impl Into<String>) -> Self {
        self.headers.set(name.as_ref(), value);
        self
    }

    pub(super) fn apply(self, config: &mut Config) {
        let Self { region, project, first_byte_timeout, idle_timeout, retry, headers } = self;
        config.0.region = region.or(config.0.region.take());
        config.0.project = project.or(config.0.project.take());
        config.0.retry = retry.or(config.0.retry);
        config.0.first_byte_timeout = first_byte_timeout.unwrap_or(config.0.first_byte_timeout);
        config.0.idle_timeout = idle_timeout.unwrap_or(config.0.idle_timeout);
        for (name, value) in headers.iter() {
            config.0.headers.set(name, value);
        }
    }
}
