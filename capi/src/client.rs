//! A client and its thread.

use std::mem;
use std::sync::Arc;
use std::thread;

use pumice::{Error, ErrorKind, Result};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::border::without_sigpipe;
use crate::settings;

/// A client of Amazon Bedrock. Any number of threads may use it at the same time.
#[derive(Debug)]
pub struct Client {
    // Dropped before the thread, which then closes the connections.
    pub(crate) pumice: pumice::Client,
    pub(crate) thread: Thread,
}

impl Client {
    pub(crate) fn new(settings: &str) -> Result<Self> {
        let pumice = pumice::Client::new(settings::config(settings)?);
        Ok(Self { pumice, thread: Thread::start()? })
    }

    /// Drops a handle.
    pub(crate) fn free(client: Arc<Self>) {
        if client.thread.is_of_this_process() {
            drop(client);
        } else {
            // A lock that a thread held when the process was forked is never released, so nothing is touched.
            mem::forget(client);
        }
    }
}

/// The thread of a client. It carries the connections, so that they move on and are closed while nobody waits.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) handle: Handle,
    /// Dropped to stop it.
    stop: Option<oneshot::Sender<()>>,
    joined: Option<thread::JoinHandle<()>>,
    process: u32,
}

impl Thread {
    fn start() -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let carry = move || {
            // It ends with an error, because the other end is dropped.
            let _ = runtime.block_on(stopped);
        };
        let joined = without_sigpipe(|| thread::Builder::new().name("pumice".into()).spawn(carry))?;
        Ok(Self { handle, stop: Some(stop), joined: Some(joined), process: std::process::id() })
    }

    fn is_of_this_process(&self) -> bool {
        self.process == std::process::id()
    }

    /// Fails in a process that was forked off after the client was made: the thread is in the other one.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_of_this_process() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::InvalidInput,
            "client: expected one of this process, found one of the process that forked it",
        )
        .with_hint("make a client in each process, after the fork"))
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.joined.take() {
            // It fails if the thread panicked. Then it has ended too.
            let _ = thread.join();
        }
    }
}
