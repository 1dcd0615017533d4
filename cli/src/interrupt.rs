//! Ctrl-C, which ends the program or only the response that is arriving; and SIGTERM at the prompt.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::Poll;

use crate::failure;

/// Whether Ctrl-C ends the program.
static ENDS: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// From here on Ctrl-C ends the program at once, even during a blocked write. The system closes the connection.
pub(crate) fn ends_the_program() {
    // Only a signal that cannot be caught makes this fail.
    let _ = signal_hook::flag::register_conditional_shutdown(
        signal_hook::consts::SIGINT,
        failure::INTERRUPTED.into(),
        Arc::clone(&ENDS),
    );
}

/// From here on Ctrl-C also ends the line, if standard error is a terminal and no [`Interrupt`] lives.
#[cfg(unix)]
pub(crate) fn ends_the_line() {
    use std::io::{Read as _, Write as _};
    use std::os::fd::AsFd as _;

    let start = || {
        let (mut signals, sender) = std::os::unix::net::UnixStream::pair()?;
        // Not through the lock of standard error, which a blocked write holds.
        let mut terminal = std::fs::File::from(io::stderr().as_fd().try_clone_to_owned()?);
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGINT, sender)?;
        // A signal handler itself may not write text.
        std::thread::Builder::new().spawn(move || {
            if signals.read_exact(&mut [0]).is_ok() {
                // The program ends, whether the line end can be written or not.
                let _ = terminal.write_all(b"\n");
                std::process::exit(failure::INTERRUPTED.into());
            }
        })
    };
    if io::IsTerminal::is_terminal(&io::stderr()) && start().is_ok() {
        ENDS.store(false, Ordering::SeqCst);
    }
}

/// Waits for the work. `None` if SIGTERM came first. At other times, SIGTERM ends the program as usual.
#[cfg(unix)]
pub(crate) async fn unless_terminated<T>(work: impl Future<Output = T>) -> Option<T> {
    static IS_DEFAULT: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
        let is_default = Arc::new(AtomicBool::new(true));
        let signal = signal_hook::consts::SIGTERM;
        // Only a signal that cannot be caught makes this fail.
        let _ = signal_hook::flag::register_conditional_default(signal, Arc::clone(&is_default));
        is_default
    });
    IS_DEFAULT.store(false, Ordering::SeqCst);
    let (mut work, mut terminated) = (pin!(work), pin!(next(signal_hook::consts::SIGTERM)));
    let done = poll_fn(|task| match terminated.as_mut().poll(task) {
        Poll::Ready(Ok(())) => Poll::Ready(None),
        _ => work.as_mut().poll(task).map(Some),
    })
    .await;
    IS_DEFAULT.store(true, Ordering::SeqCst);
    done
}

/// While this lives, Ctrl-C and SIGTERM end nothing by themselves.
#[cfg(feature = "gateway")]
pub(crate) struct Stops {
    #[cfg(unix)]
    signals: tokio::net::UnixStream,
}

#[cfg(feature = "gateway")]
impl Stops {
    #[cfg(unix)]
    pub(crate) fn new() -> io::Result<Self> {
        ENDS.store(false, Ordering::SeqCst);
        let (signals, sender) = std::os::unix::net::UnixStream::pair()?;
        signals.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGINT, sender.try_clone()?)?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, sender)?;
        Ok(Self { signals: tokio::net::UnixStream::from_std(signals)? })
    }

    /// Waits for the next of them.
    #[cfg(unix)]
    pub(crate) async fn next(&self) {
        loop {
            if self.signals.readable().await.is_err() {
                return pending().await;
            }
            if self.signals.try_read(&mut [0]).is_ok() {
                return;
            }
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn new() -> io::Result<Self> {
        ENDS.store(false, Ordering::SeqCst);
        Ok(Self {})
    }

    #[cfg(not(unix))]
    pub(crate) async fn next(&self) {
        if tokio::signal::ctrl_c().await.is_err() {
            pending().await
        }
    }
}

/// While this lives, Ctrl-C ends only what [`unless`](Self::unless) waits for.
pub(crate) struct Interrupt(Pin<Box<dyn Future<Output = ()>>>);

impl Interrupt {
    pub(crate) fn new() -> Self {
        ENDS.store(false, Ordering::SeqCst);
        Self(Box::pin(async {
            if interrupted().await.is_err() {
                pending::<()>().await;
            }
        }))
    }

    /// Waits for the work. `None` if Ctrl-C came first; then it must not be called again.
    pub(crate) async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|task| match self.0.as_mut().poll(task) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => work.as_mut().poll(task).map(Some),
        })
        .await
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        ENDS.store(true, Ordering::SeqCst);
    }
}

#[cfg(unix)]
async fn interrupted() -> io::Result<()> {
    next(signal_hook::consts::SIGINT).await
}

/// Waits for the next signal of this kind. Not by tokio's own signals: their registry is made in every program, and
/// costs a fortieth of all that a short call takes.
#[cfg(unix)]
async fn next(signal: i32) -> io::Result<()> {
    struct Registered(signal_hook::SigId);
    impl Drop for Registered {
        fn drop(&mut self) {
            signal_hook::low_level::unregister(self.0);
        }
    }

    let (signals, sender) = std::os::unix::net::UnixStream::pair()?;
    signals.set_nonblocking(true)?;
    let signals = tokio::net::UnixStream::from_std(signals)?;
    let _registered = Registered(signal_hook::low_level::pipe::register(signal, sender)?);
    signals.readable().await
}

#[cfg(not(unix))]
async fn interrupted() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
