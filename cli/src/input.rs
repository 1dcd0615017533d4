//! Reads standard input and the user's files.

use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

use pumice::context::file;

use crate::failure::Failure;
use crate::output::Report;

/// Reads a file of at most [`LONGEST`] bytes.
pub(crate) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    file::read(path, LONGEST)
}

/// Reads to the end, at most [`LONGEST`] bytes. `what` names the source in errors.
pub(crate) fn read(what: &str, source: impl Read) -> Result<Vec<u8>, Failure> {
    read_up_to(LONGEST, what, source)
}

fn read_up_to(longest: usize, what: &str, source: impl Read) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = source.take(longest as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::unreadable(what, &error))?;
    if bytes.len() > longest {
        return Err(Failure::usage(format!("{what}: expected at most {longest} bytes, found more")));
    }
    Ok(bytes)
}

/// Standard input. A read fails with [`io::ErrorKind::BrokenPipe`] as soon as nobody reads standard output any more.
pub(crate) fn stdin() -> impl Read {
    #[cfg(unix)]
    return Stdin;
    #[cfg(not(unix))]
    io::stdin().lock()
}

#[cfg(unix)]
struct Stdin;

#[cfg(unix)]
impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        use rustix::event::{PollFd, PollFlags, poll};

        let (stdin, stdout) = (io::stdin(), io::stdout());
        let mut polled = [PollFd::new(&stdout, PollFlags::empty()), PollFd::new(&stdin, PollFlags::IN)];
        poll(&mut polled, None)?;
        if polled[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(rustix::io::read(stdin, buffer)?)
    }
}

/// Says at a terminal what the program waits for.
pub(crate) fn announce(what: &str, report: &Report) {
    if io::stdin().is_terminal() {
        report.note(format_args!("reading {what} from standard input, until Ctrl-D"));
    }
}

/// Reads UTF-8 text, as [`read`] does.
pub(crate) fn read_text(what: &str, source: impl Read) -> Result<String, Failure> {
    text(what, read(what, source)?)
}

/// UTF-8 text, without the byte order mark that PowerShell and some editors write before it.
pub(crate) fn text(what: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    let mut text = String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{what}: expected UTF-8")))?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

/// More than any request that Bedrock accepts, in bytes: 256 MiB.
pub(crate) const LONGEST: usize = 256 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_may_have_a_byte_order_mark() {
        assert_eq!(text("it", "\u{feff}{}".into()).unwrap(), "{}");
        assert_eq!(text("it", b"\xff".to_vec()).unwrap_err().message, "it: expected UTF-8");
    }

    #[test]
    fn files_over_the_limit_are_refused() {
        assert_eq!(read_up_to(3, "it", &b"abc"[..]).unwrap(), b"abc");
        let failure = read_up_to(3, "it", std::io::repeat(b'a')).unwrap_err();
        assert_eq!(failure.message, "it: expected at most 3 bytes, found more");
    }
}
