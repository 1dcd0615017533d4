//! Systems that have Ctrl-C and no other signals.

use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::Poll;

/// The exit code after Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Whether Ctrl-C ends the program at once.
static ENDS: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| Arc::new(AtomicBool::new(true)));

/// From here on Ctrl-C ends the program at once.
pub(crate) fn ends_the_program() {
    // Only a signal that cannot be caught makes this fail.
    let _ = signal_hook::flag::register_conditional_shutdown(
        signal_hook::consts::SIGINT,
        INTERRUPTED,
        Arc::clone(&ENDS),
    );
}

/// While this lives, Ctrl-C ends only what [`unless`](Self::unless) waits for.
pub(crate) struct Interrupt {
    pressed: Pin<Box<dyn Future<Output = ()>>>,
    came: bool,
    pub(crate) goes_on: bool,
}

impl Interrupt {
    /// `goes_on` says whether the program goes on after Ctrl-C.
    pub(crate) fn new(goes_on: bool) -> Self {
        ENDS.store(false, Ordering::SeqCst);
        Self { pressed: Box::pin(pressed()), came: false, goes_on }
    }

    /// Forgets a Ctrl-C that the program goes on after.
    #[cfg(feature = "terminal")]
    pub(crate) fn forget(&mut self) {
        if self.came {
            (self.pressed, self.came) = (Box::pin(pressed()), false);
        }
    }

    /// Waits for the work. `None` if Ctrl-C came first.
    pub(crate) async fn unless<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|task| {
            self.came = self.came || self.pressed.as_mut().poll(task).is_ready();
            if self.came { Poll::Ready(None) } else { work.as_mut().poll(task).map(Some) }
        })
        .await
    }

    /// How what was waited for was stopped, if it was.
    pub(crate) fn how(&self) -> Option<&'static str> {
        self.came.then_some("with Ctrl-C")
    }

    /// Whether the program ends by the Ctrl-C that came.
    pub(crate) fn ends(&self) -> bool {
        self.came && !self.goes_on
    }

    /// Ends the program as Ctrl-C does, if it came and the program does not go on after it.
    pub(crate) fn end(&self) {
        if self.ends() {
            std::process::exit(INTERRUPTED);
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        ENDS.store(true, Ordering::SeqCst);
    }
}

/// While this lives, Ctrl-C ends nothing by itself.
#[cfg(feature = "gateway")]
pub(crate) struct Stops;

#[cfg(feature = "gateway")]
impl Stops {
    #[allow(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
    pub(crate) fn new() -> std::io::Result<Self> {
        ENDS.store(false, Ordering::SeqCst);
        Ok(Self)
    }

    /// Waits for the next Ctrl-C.
    pub(crate) async fn next(&self) {
        pressed().await;
    }
}

async fn pressed() {
    if tokio::signal::ctrl_c().await.is_err() {
        pending::<()>().await;
    }
}
