//! A sign of life for clients that wait: they give up on a connection that is silent for long.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How long nothing has been sent.
pub(crate) struct Silence {
    last: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    pub(crate) fn new() -> Self {
        Self { last: Instant::now(), timer: None }
    }

    /// Something is sent.
    pub(crate) fn ends(&mut self) {
        self.last = Instant::now();
    }

    /// Writes the ping if nothing was sent for 15 seconds, and has the task woken when the next one is due.
    pub(crate) fn poll(&mut self, task: &mut Context<'_>, ping: &[u8], out: &mut Vec<u8>) {
        // The timer runs on, and is set anew only when it is due: events come much more often.
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(self.last + LONGEST)));
        while timer.as_mut().poll(task).is_ready() {
            if self.last.elapsed() >= LONGEST {
                out.extend_from_slice(ping);
                self.last = Instant::now();
            }
            timer.as_mut().reset(self.last + LONGEST);
        }
    }
}

/// How long nothing may be sent.
const LONGEST: Duration = Duration::from_secs(15);
