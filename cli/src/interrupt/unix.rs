//! SIGINT (Ctrl-C), SIGTERM, and SIGHUP (the terminal is gone).

use std::future::poll_fn;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::{register_conditional_default, register_usize};
use signal_hook::low_level::{emulate_default_handler, pipe};

#[cfg(feature = "terminal")]
use crate::terminal_mode;

/// Whether a signal ends the program at once, as it does where nothing handles it.
static ENDS: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));
/// The last signal that came while an [`Interrupt`] lived; 0 if none did.
static CAME: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);
/// Whether the program goes on after Ctrl-C.
static GOES_ON: AtomicBool = AtomicBool::new(false);
/// Who waits for a signal.
static WAITING: Mutex<Option<Waker>> = Mutex::new(None);

/// From here on Ctrl-C ends the program at once, even during a blocked write, and even if the program was started with
/// SIGINT ignored, as shells start what runs in the background. The program dies of the signal: only then does a
/// shell's loop end too.
pub(crate) fn ends_the_program() {
    // Only a signal that cannot be caught makes this fail.
    let _ = register_conditional_default(SIGINT, Arc::clone(&ENDS));
}

/// While this lives, a signal ends only what [`unless`](Self::unless) waits for. Whoever waits then cleans up and
/// [ends the program](Self::end); if that takes too long, such as in a blocked write, or if a second signal comes, the
/// program ends at once.
pub(crate) struct Interrupt {
    pub(crate) goes_on: bool,
}

impl Interrupt {
    /// `goes_on` says whether the program goes on after Ctrl-C.
    pub(crate) fn new(goes_on: bool) -> Self {
        static LISTENS: OnceLock<bool> = OnceLock::new();
        CAME.store(0, Ordering::SeqCst);
        GOES_ON.store(goes_on, Ordering::SeqCst);
        // Without a thread to listen on, signals end the program at once.
        let listens = *LISTENS.get_or_init(|| listen().is_ok());
        ENDS.store(!listens, Ordering::SeqCst);
        Self { goes_on }
    }

    /// Forgets a Ctrl-C that the program goes on after.
    #[cfg(feature = "terminal")]
    #[allow(clippy::unused_self, reason = "only its owner goes on")]
    pub(crate) fn forget(&mut self) {
        let int = usize::try_from(SIGINT).unwrap_or_default();
        // Another signal is not forgotten.
        let _ = CAME.compare_exchange(int, 0, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Waits for the work. `None` if a signal came first.
    pub(crate) async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|task| {
            // Before the look at the signal, so that none comes unnoticed in between.
            waiting(|waiting| match waiting {
                Some(waiting) => waiting.clone_from(task.waker()),
                None => *waiting = Some(task.waker().clone()),
            });
            match came() {
                None => work.as_mut().poll(task).map(Some),
                Some(_) => Poll::Ready(None),
            }
        })
        .await
    }

    /// How what was waited for was stopped, if it was.
    #[allow(clippy::unused_self, reason = "only its owner waits")]
    pub(crate) fn how(&self) -> Option<&'static str> {
        match came()? {
            SIGINT => Some("with Ctrl-C"),
            SIGTERM => Some("by SIGTERM"),
            _ => Some("by SIGHUP"),
        }
    }

    /// Whether a signal came that the program ends by.
    #[cfg(feature = "terminal")]
    #[allow(clippy::unused_self, reason = "only its owner cleans up")]
    pub(crate) fn ends(&self) -> bool {
        last().is_some()
    }

    /// Ends the program by the signal that came, if it is one to end by.
    #[allow(clippy::unused_self, reason = "only its owner cleans up")]
    pub(crate) fn end(&self) {
        if let Some(signal) = last() {
            die(signal);
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        ENDS.store(true, Ordering::SeqCst);
    }
}

/// Handles the signals from here on. They are read by a thread: it ends the program even if the other one is busy.
// Not by tokio's own signals: their registry is made in every program, and costs a fortieth of all that a short call
// takes.
fn listen() -> io::Result<()> {
    let (mut signals, sender) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if signal == SIGHUP && is_ignored(signal) {
            continue;
        }
        if signal != SIGINT {
            register_conditional_default(signal, Arc::clone(&ENDS))?;
        }
        register_usize(signal, Arc::clone(&CAME), usize::try_from(signal).unwrap_or_default())?;
        pipe::register(signal, sender.try_clone()?)?;
    }
    thread::Builder::new().spawn(move || {
        while signals.read_exact(&mut [0]).is_ok() {
            if let Some(waker) = waiting(Option::take) {
                waker.wake();
            }
            if let Some(signal) = last() {
                ENDS.store(true, Ordering::SeqCst);
                thread::sleep(LONGEST_CLEANUP);
                die(signal);
            }
        }
    })?;
    Ok(())
}

fn waiting<T>(change: impl FnOnce(&mut Option<Waker>) -> T) -> T {
    change(&mut WAITING.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The signal that came.
fn came() -> Option<i32> {
    i32::try_from(CAME.load(Ordering::SeqCst)).ok().filter(|signal| *signal != 0)
}

/// The signal that came, if the program is to end by it.
fn last() -> Option<i32> {
    came().filter(|signal| *signal != SIGINT || !GOES_ON.load(Ordering::SeqCst))
}

fn die(signal: i32) -> ! {
    #[cfg(feature = "terminal")]
    terminal_mode::restore();
    // It does not return: the signals that are handled here all end programs.
    let _ = emulate_default_handler(signal);
    std::process::exit(1)
}

/// Whether the program was started with this signal ignored, as by `nohup`. Without `/proc`, a program without a
/// terminal counts as one.
fn is_ignored(signal: i32) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return !io::stderr().is_terminal() };
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// While this lives, Ctrl-C and SIGTERM end nothing by themselves.
#[cfg(feature = "gateway")]
pub(crate) struct Stops {
    signals: tokio::net::UnixStream,
}

#[cfg(feature = "gateway")]
impl Stops {
    pub(crate) fn new() -> io::Result<Self> {
        ENDS.store(false, Ordering::SeqCst);
        let (signals, sender) = UnixStream::pair()?;
        signals.set_nonblocking(true)?;
        pipe::register(SIGINT, sender.try_clone()?)?;
        pipe::register(SIGTERM, sender)?;
        Ok(Self { signals: tokio::net::UnixStream::from_std(signals)? })
    }

    /// Waits for the next of them.
    pub(crate) async fn next(&self) {
        loop {
            if self.signals.readable().await.is_err() {
                return std::future::pending().await;
            }
            if self.signals.try_read(&mut [0]).is_ok() {
                return;
            }
        }
    }
}

/// How long cleaning up may take after a signal.
const LONGEST_CLEANUP: Duration = Duration::from_secs(2);
