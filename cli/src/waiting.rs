//! A sign of life on a terminal while nothing has come: what is waited for, and for how long.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::output::Report;

/// Waits for the work. After half a second a line on standard error says for how long, and what the client does
/// meanwhile; it is gone when the work is done or dropped.
pub(crate) async fn shown<T>(report: &Report, started: Instant, work: impl Future<Output = T>) -> T {
    if !report.shows_status() {
        return work.await;
    }
    let mut work = pin!(work);
    let mut next = pin!(sleep(FIRST));
    let mut line = Line { report, frames: FRAMES.iter().cycle() };
    poll_fn(|task| {
        if let Poll::Ready(done) = work.as_mut().poll(task) {
            return Poll::Ready(done);
        }
        while next.as_mut().poll(task).is_ready() {
            line.show(started.elapsed());
            next.set(sleep(STEP));
        }
        Poll::Pending
    })
    .await
}

struct Line<'a> {
    report: &'a Report,
    frames: std::iter::Cycle<std::slice::Iter<'static, char>>,
}

impl Line<'_> {
    fn show(&mut self, waited: Duration) {
        let frame = self.frames.next().copied().unwrap_or_default();
        let doing = self.report.doing();
        let doing = if doing.is_empty() { String::new() } else { format!(" · {doing}") };
        self.report.status(&format!("{frame} {} s{doing}", waited.as_secs()));
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
