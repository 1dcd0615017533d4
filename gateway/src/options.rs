//! How the gateway serves.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use pumice::transport::Replay;

use crate::guard::Key;
use crate::record::{CallRecord, Log};

/// How the gateway serves.
///
/// `Debug` shows no secret.
pub struct Options {
    pub(crate) keys: Vec<Key>,
    pub(crate) hosts: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) log: Option<Arc<Log>>,
    pub(crate) retries: Option<Arc<AtomicU64>>,
    pub(crate) replay: Option<Arc<Replay>>,
    pub(crate) max_connections: usize,
    pub(crate) stop: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// No keys, own hosts and origins alone, 1024 connections, no log.
    pub fn new() -> Self {
        Self {
            keys: Vec::new(),
            hosts: Vec::new(),
            origins: Vec::new(),
            log: None,
            retries: None,
            replay: None,
            max_connections: MOST_CONNECTIONS,
            stop: None,
        }
    }

    /// Adds a key. With at least one, every call needs one.
    pub fn key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// Adds a name that the gateway is called by, as in `Host`, without a port. Loopback names and the address that
    /// the connection was made to are always allowed.
    pub fn allow_host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Adds an origin whose pages may call: `https://app.example`.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// The most connections at a time. Others get 503.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.max_connections = most;
        self
    }

    /// Sets a function that gets each call when it has ended.
    pub fn log(mut self, log: impl Fn(&CallRecord) + Send + Sync + 'static) -> Self {
        self.log = Some(Arc::new(log));
        self
    }

    /// A counter of retries for the metrics, which [`Config::watch`](pumice::Config::watch) is to raise with each
    /// [`Progress::Retrying`](pumice::Progress::Retrying).
    pub fn retries(mut self, retries: Arc<AtomicU64>) -> Self {
        self.retries = Some(retries);
        self
    }

    /// The client replays this recording: no list of models is asked for, and any name of a model does. The dialects
    /// are served by recorded calls of Converse and ConverseStream alike.
    pub fn replays(mut self, replay: Arc<Replay>) -> Self {
        self.replay = Some(replay);
        self
    }

    /// Stops when this is ready: accepts no further connection, lets calls under way end, and returns when they have,
    /// after 30 seconds at most.
    pub fn stop(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.stop = Some(Box::pin(stop));
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("keys", &self.keys)
            .field("hosts", &self.hosts)
            .field("origins", &self.origins)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

const MOST_CONNECTIONS: usize = 1024;
