//! What the user says at a terminal: lines with editing, and the history of those said before.

use std::io;
use std::path::{Path, PathBuf};

use pumice::context::Context;
use rustyline::error::ReadlineError;
use rustyline::history::MemHistory;
use rustyline::{Behavior, Config, Editor};

use crate::LONGEST_LOCK;
use crate::failure::Failure;
use crate::output::Report;

/// Asks the user.
pub(crate) struct Prompter {
    editor: Editor<(), MemHistory>,
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
            .build();
        let history = Context::real().state_folder().map(|folder| folder.join("chat-history.jsonl"));
        let mut prompter = Self {
            editor: Editor::with_history(config.clone(), MemHistory::with_config(&config))
                .map_err(|error| unusable(&error))?,
            history,
        };
        for line in prompter.kept() {
            // Only what is empty or there already is not taken.
            let _ = prompter.editor.add_history_entry(line);
        }
        Ok(prompter)
    }

    /// What the user says next; `None` when there is no more (Ctrl-D). Ctrl-C clears the line.
    ///
    /// It waits on a thread of its own: here, connections are closed meanwhile that nobody needs any more.
    pub(crate) async fn ask(mut self, report: &Report) -> Result<Option<(Self, String)>, Failure> {
        let report = report.clone();
        let asking = tokio::task::spawn_blocking(move || Ok(self.read(&report)?.map(|line| (self, line))));
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
        let _ = self.editor.add_history_entry(line);
        let Some(path) = &self.history else { return };
        if let Err(error) = self.keep_in(path, line) {
            report.warning(format_args!("{} cannot be written: {error}", path.display()));
            self.history = None;
        }
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

fn unusable(error: &dyn std::error::Error) -> Failure {
    Failure::usage(format!("the terminal cannot be read from: {error}"))
}

/// How many lines are kept.
const MOST_KEPT: usize = 1000;
/// The longest line that is kept, in bytes.
const LONGEST_KEPT: usize = 4096;
