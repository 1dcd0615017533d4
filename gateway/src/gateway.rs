//! What all connections share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use http::request::Parts;
use pumice::settings::Clients;
use pumice::transport::Replay;

use crate::guard::Key;
use crate::lessons::{Lessons, Unserved};
use crate::names::Names;
use crate::options::Options;
use crate::record::{Ledger, Tally};

/// The clients, names, keys and counts of a gateway.
pub(crate) struct Gateway {
    pub(crate) clients: Arc<Clients>,
    pub(crate) names: Arc<Names>,
    pub(crate) ledger: Arc<Ledger>,
    /// What Claude models refused.
    pub(crate) lessons: Lessons,
    pub(crate) keys: Vec<Key>,
    pub(crate) hosts: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) replay: Option<Arc<Replay>>,
    /// What OpenAI's models are not served as.
    pub(crate) unserved: Unserved,
    /// Bytes of requests' bodies in memory.
    pub(crate) held: AtomicUsize,
    pub(crate) is_stopping: AtomicBool,
    /// Whether there were credentials, and when that was looked up.
    pub(crate) ready: Mutex<Option<(Instant, Result<(), String>)>>,
}

/// A call whose body has arrived.
pub(crate) struct Call {
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
    pub(crate) tally: Tally,
}

impl Gateway {
    pub(crate) fn new(clients: Clients, options: Options) -> Self {
        let clients = Arc::new(clients);
        Self {
            names: Arc::new(Names::new(Arc::clone(&clients), options.replay.clone())),
            replay: options.replay,
            clients,
            ledger: Arc::new(Ledger::new(options.log, options.retries)),
            lessons: Lessons::default(),
            unserved: Unserved::default(),
            keys: options.keys,
            hosts: options.hosts,
            origins: options.origins,
            held: AtomicUsize::new(0),
            is_stopping: AtomicBool::new(false),
            ready: Mutex::default(),
        }
    }

    /// From now on, the gateway is not ready, and says that it stops.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Relaxed);
    }
}
