//! A sign of life on a terminal while nothing has come: what is waited for, and for how long.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Context;
use std::time::{Duration, Instant};

use tokio::time::{Sleep, sleep};

use crate::output::Report;

/// Waits for the work. After half a second a line on standard error says for how long, and what the client does
/// meanwhile; it is gone when the work is done or dropped.
pub(crate) async fn shown<T>(report: &Report, started: Instant, work: impl Future<Output = T>) -> T {
    let mut line = Line::new(report, started);
    let mut work = pin!(work);
    poll_fn(|task| {
        let done = work.as_mut().poll(task);
        if let (Some(line), true) = (&mut line, done.is_pending()) {
            line.tick(task);
        }
        done
    })
    .await
}

struct Line<'a> {
    report: &'a Report,
    started: Instant,
    next: Pin<Box<Sleep>>,
    frames: std::iter::Cycle<std::slice::Iter<'static, char>>,
}

// size: 1,200 bytes, because `shown` is compiled for each type of work, and this is not.
impl<'a> Line<'a> {
    /// `None` where it is of no use.
    fn new(report: &'a Report, started: Instant) -> Option<Self> {
        let next = || Box::pin(sleep(FIRST));
        report.shows_status().then(|| Self { report, started, next: next(), frames: FRAMES.iter().cycle() })
    }

    #[inline(never)]
    fn tick(&mut self, task: &mut Context<'_>) {
        while self.next.as_mut().poll(task).is_ready() {
            let frame = self.frames.next().copied().unwrap_or_default();
            let doing = self.report.doing();
            let doing = if doing.is_empty() { String::new() } else { format!(" · {doing}") };
            self.report.status(&format!("{frame} {} s{doing}", self.started.elapsed().as_secs()));
            self.next.set(sleep(STEP));
        }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.report.status("");
    }
}

/// How long nothing is shown: most responses begin before.
const FIRST: Duration = Duration::from_millis(500);
/// How often the line changes.
const STEP: Duration = Duration::from_millis(100);
const FRAMES: &[char] = &['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
