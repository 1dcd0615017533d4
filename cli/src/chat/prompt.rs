//! Prompts the user at a terminal, with line editing and a history.

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
use rustyline::{
    Behavior, Cmd, ColorMode, Config, Editor, EventHandler, Helper, KeyCode, KeyEvent, Modifiers,
};

use crate::LONGEST_LOCK;
use crate::escape::{Escaper, escaped};
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::Report;
#[cfg(unix)]
use crate::terminal_mode::TerminalMode;

/// Prompts the user.
pub(crate) struct Prompter {
    editor: Editor<SafeLine, MemHistory>,
    /// The file of the history, if there is a folder for it.
    history: Option<PathBuf>,
}

impl Prompter {
    pub(crate) fn new() -> Result<Self, Failure> {
        let config = Config::builder()
            // Standard output is for responses.
            .behavior(Behavior::PreferTerm)
            // A paste of many lines is one prompt.
            .bracketed_paste(true)
            // Otherwise the highlighter, which removes unsafe characters, is not used where there is no color.
            .color_mode(ColorMode::Forced)
            .build();
        let history = Context::real().state_folder().map(|folder| folder.join("chat-history.jsonl"));
        let mut prompter = Self {
            editor: Editor::with_history(config.clone(), MemHistory::with_config(&config))
                .map_err(|error| unusable(&error))?,
            history,
        };
        prompter.editor.set_helper(Some(SafeLine));
        let line_break = KeyEvent(KeyCode::Enter, Modifiers::ALT);
        prompter.editor.bind_sequence(line_break, EventHandler::Simple(Cmd::Newline));
        // While a response arrives, the terminal makes a line feed of Enter.
        let line_break = KeyEvent(KeyCode::Char('J'), Modifiers::CTRL_ALT);
        prompter.editor.bind_sequence(line_break, EventHandler::Simple(Cmd::Newline));
        for line in prompter.saved() {
            prompter.recall(&line);
        }
        Ok(prompter)
    }

    /// The next line; `None` after Ctrl-D. Ctrl-C clears the line.
    ///
    /// It waits on a thread of its own, so that this one can close idle connections meanwhile.
    pub(crate) async fn ask(
        mut self,
        report: &Report,
        interrupt: &mut Interrupt,
    ) -> Result<Option<(Self, String)>, Failure> {
        let report = report.clone();
        #[cfg(unix)]
        let _mode = TerminalMode::keep();
        let mut line = tokio::task::spawn_blocking(move || Ok(self.read(&report)?.map(|line| (self, line))));
        loop {
            // Between a response and the prompt, Ctrl-C is a signal, and has nothing to stop.
            interrupt.forget();
            if let Some(line) = interrupt.unless(&mut line).await {
                return line.map_err(|error| unusable(&error))?;
            }
            if interrupt.ends() {
                #[cfg(unix)]
                TerminalMode::end_editor();
                interrupt.end();
            }
        }
    }

    fn read(&mut self, report: &Report) -> Result<Option<String>, Failure> {
        loop {
            match self.editor.readline("> ") {
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => {
                    self.remember(&line, report);
                    return Ok(Some(line));
                }
                Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => {}
                // Without a terminal there is nobody to prompt.
                Err(ReadlineError::Eof | ReadlineError::Io(_)) => return Ok(None),
                Err(error) => return Err(unusable(&error)),
            }
        }
    }

    /// The saved history, oldest line first. A line that cannot be read is skipped.
    fn saved(&self) -> Vec<String> {
        let read = self.history.as_ref().and_then(|path| Context::real().read_file(path).ok().flatten());
        let text = read.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Adds a line to the history. As in shells, lines that begin with a space are not added.
    fn remember(&mut self, line: &str, report: &Report) {
        if line.starts_with(' ') || line.len() > LONGEST_SAVED {
            return;
        }
        self.recall(line);
        let Some(path) = &self.history else { return };
        if let Err(error) = self.save(path, line) {
            report.warning(format_args!("{} cannot be written: {error}", path.display()));
            self.history = None;
        }
    }

    /// Adds a line to those that the arrow keys recall, escaped for the terminal.
    fn recall(&mut self, line: &str) {
        // The editor refuses only empty lines and repetitions.
        let _ = self.editor.add_history_entry(&*escaped(line));
    }

    /// Adds a line to the file, which another program may have changed meanwhile.
    fn save(&self, path: &Path, line: &str) -> io::Result<()> {
        let context = Context::real();
        path.parent().map_or(Ok(()), |folder| context.create_private_folder(folder))?;
        let _lock = context.lock(path, LONGEST_LOCK)?;
        let mut lines = self.saved();
        if lines.last().is_none_or(|last| last != line) {
            lines.push(line.to_owned());
        }
        let first = lines.len().saturating_sub(MOST_SAVED);
        let lines =
            lines.iter().skip(first).map(|line| serde_json::Value::from(line.as_str()).to_string() + "\n");
        context.write_private(path, lines.collect::<String>().as_bytes())
    }
}

/// Shows a line while it is edited, without the unsafe characters that a paste may hold. The editor gives them no width,
/// so that there is no room for escapes; a hint names them instead.
struct SafeLine;

impl SafeLine {
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

impl Highlighter for SafeLine {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        Self::shown(line)
    }

    /// A search of the history has the searched text in its prompt.
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _: bool) -> Cow<'b, str> {
        Self::shown(prompt)
    }

    /// A typed character goes to the terminal as it is, unless the line is drawn anew.
    fn highlight_char(&self, line: &str, _: usize, _: CmdKind) -> bool {
        Self::hidden(line).next().is_some()
    }
}

impl Hinter for SafeLine {
    type Hint = Hidden;

    fn hint(&self, line: &str, _: usize, _: &rustyline::Context<'_>) -> Option<Hidden> {
        let mut hidden = Self::hidden(line);
        let first = hidden.by_ref().take(MOST_NAMED).map(|character| character.escape_unicode().to_string());
        let first = first.collect::<Vec<_>>().join(" ");
        let more = if hidden.next().is_some() { " …" } else { "" };
        Some(Hidden(format!("  [not shown: {first}{more}]"))).filter(|_| !first.is_empty())
    }
}

/// A hint that names the hidden characters.
struct Hidden(String);

impl Hint for Hidden {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Completer for SafeLine {
    type Candidate = String;
}

impl Validator for SafeLine {}

impl Helper for SafeLine {}

fn unusable(error: &dyn std::error::Error) -> Failure {
    Failure::usage(format!("cannot read from the terminal: {error}"))
}

/// How many hidden characters the hint names.
const MOST_NAMED: usize = 5;
/// How many lines are saved.
const MOST_SAVED: usize = 1000;
/// The longest line that is saved, in bytes.
const LONGEST_SAVED: usize = 4096;
