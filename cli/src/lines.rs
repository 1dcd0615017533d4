//! The lines of standard input as they arrive, read on a thread of their own: a wait for the next one delays nothing.

use std::io::{BufRead as _, BufReader, Read as _};

use tokio::sync::mpsc::{Receiver, channel};

use crate::failure::Failure;
use crate::input::{LONGEST, stdin, text};

/// Starts to read. Each line is without its end. A line that is too long or not UTF-8 is a failure, and others follow;
/// where standard input cannot be read, that is the last item. The reader waits when nobody takes lines, so that as many
/// are kept as fit. The thread is not waited for when the program ends.
pub(crate) fn of_stdin() -> Receiver<Result<String, Failure>> {
    let (sender, receiver) = channel(KEPT);
    std::thread::spawn(move || {
        let mut stdin = BufReader::new(stdin());
        loop {
            let mut line = Vec::new();
            let read = stdin.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', &mut line);
            let last = read.is_err();
            let line = match read {
                Ok(0) => break,
                Ok(length) if length > LONGEST => {
                    // If this fails, so does the next read.
                    let _ = stdin.skip_until(b'\n');
                    Err(Failure::usage(format!("{WHAT}: expected lines of at most {LONGEST} bytes")))
                }
                Ok(_) => text(WHAT, line),
                Err(error) => Err(Failure::unreadable(WHAT, &error)),
            };
            let line = line.map(|mut line| {
                let end =
                    line.strip_suffix('\n').map_or(line.len(), |line| line.trim_end_matches('\r').len());
                line.truncate(end);
                line
            });
            if sender.blocking_send(line).is_err() || last {
                break;
            }
        }
    });
    receiver
}

const WHAT: &str = "standard input";
/// How many lines are kept until they are taken.
const KEPT: usize = 128;
