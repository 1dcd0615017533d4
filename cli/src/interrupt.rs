//! Ctrl-C: it ends the program, or no more than the answer that is coming.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::Poll;

use crate::failure;

/// Whether it ends the program.
static ENDS: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// From here on it ends the program where it stands, a blocked write included; the system closes the
/// connection.
pub(crate) fn ends_the_program() {
    // Only a signal that cannot be caught makes this fail.
    let _ = signal_hook::flag::register_conditional_shutdown(
        signal_hook::consts::SIGINT,
        failure::INTERRUPTED.into(),
        Arc::clone(&ENDS),
    );
}

/// Ctrl-C while this lives: whoever waits is told, and the program goes on.
pub(crate) struct Held(Pin<Box<dyn Future<Output = ()>>>);

impl Held {
    pub(crate) fn new() -> Self {
        ENDS.store(false, Ordering::SeqCst);
        Self(Box::pin(async {
            if interrupted().await.is_err() {
                pending::<()>().await;
            }
        }))
    }

    /// Does the work, unless Ctrl-C comes before its end; not to be called again then.
    pub(crate) async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|task| match self.0.as_mut().poll(task) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => work.as_mut().poll(task).map(Some),
        })
        .await
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        ENDS.store(true, Ordering::SeqCst);
    }
}

/// Ends with the next Ctrl-C. Not by tokio's own signals on Unix: their registry is made in every program, and
/// costs a fortieth of all that a short call takes.
#[cfg(unix)]
async fn interrupted() -> io::Result<()> {
    struct Registered(signal_hook::SigId);
    impl Drop for Registered {
        fn drop(&mut self) {
            signal_hook::low_level::unregister(self.0);
        }
    }

    let (told, teller) = std::os::unix::net::UnixStream::pair()?;
    told.set_nonblocking(true)?;
    let told = tokio::net::UnixStream::from_std(told)?;
    let _registered =
        Registered(signal_hook::low_level::pipe::register(signal_hook::consts::SIGINT, teller)?);
    told.readable().await
}

#[cfg(not(unix))]
async fn interrupted() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
