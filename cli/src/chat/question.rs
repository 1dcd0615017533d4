//! What is asked: the words of the command line, the files, and standard input where it is asked for.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use pumice::pi::Content;

use crate::args::Args;
use crate::failure::Failure;
use crate::input;
use crate::output::Report;

/// A prompt and the files that go with it.
pub(super) struct Question {
    /// `None`: nothing is asked yet, and a conversation begins at the terminal.
    pub(super) prompt: Option<String>,
    pub(super) files: Vec<Content>,
    pub(super) unasked: UnaskedInput,
}

impl Question {
    /// Standard input is read for the prompt if there are no words, or in the place of a `-` among the words, or as the
    /// file `-`. Otherwise it is not touched: a shell's loop may read from it.
    pub(super) fn read(args: &Args, report: &Report) -> Result<Self, Failure> {
        let words = args.rest.iter().map(|word| word.to_str()).collect::<Option<Vec<_>>>();
        let words = words.ok_or_else(|| Failure::usage("expected a prompt in UTF-8"))?;
        let in_words = words.iter().filter(|word| **word == "-").count();
        let in_files = args.paths("file").filter(|path| is_stdin(path)).count();
        if in_words + in_files > 1 {
            let found = in_words + in_files;
            return Err(Failure::usage(format!(
                "standard input can be read only once: expected one -, found {found}"
            )));
        }
        if words.is_empty() && in_files == 1 {
            return Err(Failure::usage("-f -: expected a prompt as well")
                .hint("write the prompt after it: pumice chat -f - \"…\""));
        }
        let files = args.paths("file").map(file).collect::<Result<_, _>>()?;
        let from_stdin = || input::read_text("the prompt on standard input", input::stdin());
        let unasked = UnaskedInput { is_watched: !words.is_empty() && in_words + in_files == 0 };
        let prompt = if words.is_empty() {
            if io::stdin().is_terminal() {
                return Ok(Self { prompt: None, files, unasked });
            }
            from_stdin()?
        } else if in_words == 1 {
            let text = from_stdin()?;
            if words.len() > 1 && text.trim().is_empty() {
                report.note("standard input is empty");
            }
            let words = words.iter().map(|word| if *word == "-" { text.as_str() } else { word });
            words.collect::<Vec<_>>().join(" ")
        } else {
            words.join(" ")
        };
        match prompt.trim() {
            "" => Err(Failure::usage("the prompt is empty")),
            _ => Ok(Self { prompt: Some(prompt), files, unasked }),
        }
    }
}

/// A file as an image or a document; `-` is standard input.
pub(super) fn file(path: &Path) -> Result<Content, Failure> {
    let bytes = if is_stdin(path) {
        input::read("standard input", input::stdin())?
    } else {
        input::read_file(path).map_err(|error| Failure::unreadable(path.display(), &error))?
    };
    let name = if is_stdin(path) {
        "stdin".into()
    } else {
        path.file_name().unwrap_or(path.as_os_str()).to_string_lossy()
    };
    Content::of_file(&name, &bytes).map_err(Failure::from)
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Standard input that was not asked for.
pub(super) struct UnaskedInput {
    /// Until it is reported.
    is_watched: bool,
}

impl UnaskedInput {
    /// Notes once how to send it, if a pipe has something to read.
    pub(super) fn report(&mut self, report: &Report) {
        if self.is_watched && has_input() {
            self.is_watched = false;
            report.note(
                "standard input was not read: to send it with the prompt, put - among the words, such as \
                 pumice chat \"Review this:\" -",
            );
        }
    }
}

/// Whether standard input is a pipe or a socket with something to read. It is not read.
#[cfg(unix)]
fn has_input() -> bool {
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::FileTypeExt as _;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let stdin = io::stdin();
    let kind = stdin.as_fd().try_clone_to_owned().and_then(|stdin| std::fs::File::from(stdin).metadata());
    if !kind.is_ok_and(|found| found.file_type().is_fifo() || found.file_type().is_socket()) {
        return false;
    }
    let mut polled = [PollFd::new(&stdin, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut polled, Some(&at_once)).is_ok()
        && polled.iter().any(|polled| polled.revents().contains(PollFlags::IN))
}

#[cfg(not(unix))]
fn has_input() -> bool {
    false
}
