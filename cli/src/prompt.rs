//! What the user says at a terminal: lines with editing, and the history of those said before.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use pumice::context::Context;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Behavior, ColorMode, Config, Editor, Helper};

use crate::LONGEST_LOCK;
use crate::escape::{Escaper, escaped};
use crate::failure::Failure;
#[cfg(unix)]
use crate::interrupt;
use crate::output::Report;

/// Asks the user.
pub(crate) struct Prompter {
    editor: Editor<Shown, MemHistory>,
    /// The file of the history, where there is a place for one.
    history: Option<PathBuf>,
}

impl Prompter {
    pub(crate) fn new() -> Result<Self, Failure> {
        let config = Config::builder()
            // Standard output is for answers.
            .behavior(Behavior::PreferTerm)
            // A paste of many lines is one prompt.
            .bracketed_paste(true)
            // Otherwise, without colours, the line is shown as it is.
            .color_mode(ColorMode::Forced)
            .build();
        let history = Context::real().state_folder().map(|folder| folder.join("chat-history.jsonl"));
        let mut prompter = Self {
            editor: Editor::with_history(config.clone(), MemHistory::with_config(&config))
                .map_err(|error| unusable(&error))?,
            history,
        };
        prompter.editor.set_helper(Some(Shown));
        for line in prompter.kept() {
            prompter.recall(&line);
        }
        Ok(prompter)
    }

    /// What the user says next; `None` when there is no more (Ctrl-D). Ctrl-C clears the line.
    ///
    /// It waits on a thread of its own: here, connections are closed meanwhile that nobody needs any more.
    pub(crate) async fn ask(mut self, report: &Report) -> Result<Option<(Self, String)>, Failure> {
        let report = report.clone();
        #[cfg(unix)]
        let mode = Mode::now();
        let asking = tokio::task::spawn_blocking(move || Ok(self.read(&report)?.map(|line| (self, line))));
        #[cfg(unix)]
        let asking = async {
            if let Some(asked) = interrupt::unless_terminated(asking).await {
                return asked;
            }
            if let Some(mode) = mode {
                mode.restore();
            }
            // It does not return.
            let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGTERM);
            Ok(Ok(None))
        };
        asking.await.map_err(|error| unusable(&error))?
    }

    fn read(&mut self, report: &Report) -> Result<Option<String>, Failure> {
        loop {
            match self.editor.readline("> ") {
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => {
                    self.keep(&line, report);
                    return Ok(Some(line));
                }
                Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => {}
                // Without a terminal there is nobody to ask.
                Err(ReadlineError::Eof | ReadlineError::Io(_)) => return Ok(None),
                Err(error) => return Err(unusable(&error)),
            }
        }
    }

    /// The history of earlier conversations, oldest first. A line that cannot be read is passed over.
    fn kept(&self) -> Vec<String> {
        let read = self.history.as_ref().and_then(|path| Context::real().read_file(path).ok().flatten());
        let text = read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Adds to the history, unless it begins with a space, as in shells.
    fn keep(&mut self, line: &str, report: &Report) {
        if line.starts_with(' ') || line.len() > LONGEST_KEPT {
            return;
        }
        self.recall(line);
        let Some(path) = &self.history else { return };
        if let Err(error) = self.keep_in(path, line) {
            report.warning(format_args!("{} cannot be written: {error}", path.display()));
            self.history = None;
        }
    }

    /// Adds to what is called up with the arrow keys: with escapes in place of what a terminal must not get.
    fn recall(&mut self, line: &str) {
        // Only what is empty or there already is not taken.
        let _ = self.editor.add_history_entry(&*escaped(line));
    }

    /// Adds to the file what another conversation may have added to meanwhile.
    fn keep_in(&self, path: &Path, line: &str) -> io::Result<()> {
        let context = Context::real();
        path.parent().map_or(Ok(()), |folder| context.create_private_folder(folder))?;
        let _lock = context.lock(path, LONGEST_LOCK)?;
        let mut kept = self.kept();
        if kept.last().is_none_or(|last| last != line) {
            kept.push(line.to_owned());
        }
        let first = kept.len().saturating_sub(MOST_KEPT);
        let lines =
            kept.iter().skip(first).map(|line| serde_json::Value::from(line.as_str()).to_string() + "\n");
        context.write_private(path, lines.collect::<String>().as_bytes())
    }
}

/// How the terminal was before the editor changed it.
#[cfg(unix)]
struct Mode {
    terminal: std::fs::File,
    mode: rustix::termios::Termios,
}

#[cfg(unix)]
impl Mode {
    /// `None` without a terminal.
    fn now() -> Option<Self> {
        let terminal = std::fs::File::options().read(true).write(true).open("/dev/tty").ok()?;
        let mode = rustix::termios::tcgetattr(&terminal).ok()?;
        Some(Self { terminal, mode })
    }

    fn restore(mut self) {
        use std::io::Write as _;

        // The program ends, whether the terminal takes it or not.
        let _ = self.terminal.write_all(b"\x1b[?2004l\r\n");
        let _ = rustix::termios::tcsetattr(&self.terminal, rustix::termios::OptionalActions::Now, &self.mode);
    }
}

/// How a line is shown while it is edited: without what a terminal must not get, which a paste may hold. The editor
/// counts such characters as of no width, so that no escape has room where they stand; a hint names them.
struct Shown;

impl Shown {
    fn hidden(line: &str) -> impl Iterator<Item = char> {
        let mut escaper = Escaper::default();
        line.chars().filter(move |character| !escaper.shows(*character))
    }

    fn shown(line: &str) -> Cow<'_, str> {
        let mut escaper = Escaper::default();
        match Self::hidden(line).next() {
            Some(_) => line.chars().filter(|character| escaper.shows(*character)).collect::<String>().into(),
            None => line.into(),
        }
    }
}

impl Highlighter for Shown {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        Self::shown(line)
    }

    /// What is searched for in the history is a part of the prompt.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Self::shown(prompt)
    }

    /// A character that is typed goes to the terminal by itself, unless the line is shown anew.
    fn highlight_char(&self, line: &str, _: usize, _: CmdKind) -> bool {
        Self::hidden(line).next().is_some()
    }
}

impl Hinter for Shown {
    type Hint = Hidden;

    fn hint(&self, line: &str, _: usize, _: &rustyline::Context<'_>) -> Option<Hidden> {
        let mut hidden = Self::hidden(line);
        let first = hidden.by_ref().take(MOST_NAMED).map(|character| character.escape_unicode().to_string());
        let first = first.collect::<Vec<_>>().join(" ");
        let more = if hidden.next().is_some() { " …" } else { "" };
        Some(Hidden(format!("  [not shown: {first}{more}]"))).filter(|_| !first.is_empty())
    }
}

/// Names the characters that are not shown.
struct Hidden(String);

impl Hint for Hidden {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Completer for Shown {
    type Candidate = String;
}

impl Validator for Shown {}

impl Helper for Shown {}

fn unusable(error: &dyn std::error::Error) -> Failure {
    Failure::usage(format!("the terminal cannot be read from: {error}"))
}

/// How many characters that are not shown are named.
const MOST_NAMED: usize = 5;
/// How many lines are kept.
const MOST_KEPT: usize = 1000;
/// The longest line that is kept, in bytes.
const LONGEST_KEPT: usize = 4096;
