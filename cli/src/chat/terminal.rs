//! A conversation at a terminal: prompts and responses in turn, and commands between them.

use std::path::PathBuf;

use pumice::context::Context;
use pumice::pi::{Content, Message, TextContent};

use super::command::{COMMANDS, Command};
use super::prompt::Prompter;
use super::{Chat, Form, level, question};
use crate::escape::beginning;
use crate::failure::{Exit, Failure};
use crate::help;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::response::{MODEL, fitted};
#[cfg(unix)]
use crate::terminal_mode::TerminalMode;

impl Chat<'_> {
    /// Prompts the user and calls the model in turn. The files go with the first prompt.
    pub(super) async fn converse(&mut self, mut files: Vec<Content>) -> Result<(), Failure> {
        let mut prompter = Prompter::new()?;
        let header = [
            (MODEL, self.choice.model().to_owned()),
            (0, "/help lists commands".to_owned()),
            (MODEL + 1, "Ctrl-D leaves".to_owned()),
        ];
        self.report.dimmed(&format!("{}\n", fitted(header.into(), self.report.width())));
        self.show_last_turns()?;
        for file in &files {
            self.confirm(file);
        }
        let mut interrupt = Interrupt::new(true);
        while let Some((again, line)) = prompter.ask(self.report, &mut interrupt).await? {
            prompter = again;
            let contents = match Command::of(&line) {
                None => {
                    let mut contents = files.clone();
                    contents.push(TextContent::new(line).into());
                    contents
                }
                Some(Ok(Command::Quit)) => return Ok(()),
                Some(Ok(Command::Retry)) => {
                    let Some((before, contents)) = self.last.take() else {
                        self.report.note("nothing has been asked yet");
                        continue;
                    };
                    self.conversation.messages().truncate(before);
                    contents
                }
                Some(command) => {
                    let done = match command {
                        Ok(command) => self.command(command, &mut files).await,
                        Err(failure) => Err(failure),
                    };
                    if let Err(failure) = done {
                        self.report.failure(&failure);
                    }
                    continue;
                }
            };
            let before = self.conversation.messages().len();
            self.last = Some((before, contents.clone()));
            #[cfg(unix)]
            let mode = TerminalMode::keep();
            #[cfg(unix)]
            TerminalMode::hold_keys(true);
            let result = self.turn(contents, Form::Text, &mut interrupt).await;
            interrupt.end();
            #[cfg(unix)]
            drop(mode);
            match result {
                Ok(()) => {}
                // Nobody reads the responses any more.
                Err(failure) if failure.exit == Exit::Closed => return Err(failure),
                Err(failure) => self.report.failure(&failure),
            }
            if self.conversation.messages().len() > before {
                files.clear();
            }
        }
        Ok(())
    }

    /// Does what a command says. `Retry` and `Quit` are the caller's.
    async fn command(&mut self, command: Command<'_>, files: &mut Vec<Content>) -> Result<(), Failure> {
        let report = self.report;
        match command {
            Command::Model(None) => report.note(format_args!("the model is {}", self.choice.model())),
            Command::Model(named) => {
                self.choice = self.session.choose(named).await?;
                report.note(format_args!("the model is now {}", self.choice.model()));
            }
            Command::File(None) => return Err(Failure::usage("expected /file PATH")),
            Command::File(Some(path)) => {
                let file = question::file(&in_home(path))?;
                self.confirm(&file);
                files.push(file);
            }
            Command::System(None) => match &self.conversation.input.context.system_prompt {
                Some(system) => report.note(format_args!("the system prompt is: {system}")),
                None => report.note("there is no system prompt"),
            },
            Command::System(text) => {
                let text = text.filter(|text| *text != "none").map(str::to_owned);
                report.note(format_args!(
                    "the system prompt is {}",
                    if text.is_some() { "set" } else { "removed" }
                ));
                self.conversation.input.context.system_prompt = text;
            }
            Command::Think(None) => {
                let level = self.options.reasoning.as_deref().unwrap_or("not set");
                report.note(format_args!("the thinking level is {level}"));
            }
            Command::Think(Some(text)) => {
                self.options.reasoning = Some(level("/think", text)?);
                report.note(format_args!("the thinking level is now {text}"));
            }
            Command::Save(None) => return Err(Failure::usage("expected /save FILE")),
            Command::Save(Some(path)) => {
                let path = in_home(path);
                self.conversation.save_in(&path)?;
                report.note(format_args!("the conversation is saved in {}", path.display()));
            }
            Command::Copy => {
                let messages = self.conversation.messages();
                let text = messages.iter().rev().find_map(|message| match message {
                    Message::Assistant(message) => Some(message.text()),
                    _ => None,
                });
                match text.filter(|text| !text.is_empty()) {
                    Some(text) => report.copy(&text),
                    None => report.note("there is no response to copy"),
                }
            }
            Command::Help | Command::Retry | Command::Quit => {
                let width = help::fitting(report.width());
                for (usage, about) in COMMANDS {
                    let mut text = format!("  {usage:<15} ");
                    help::wrap(&mut text, about, 18, 18, width);
                    report.dimmed(&text);
                }
                let mut text = "  ".to_owned();
                help::wrap(&mut text, KEYS, 2, 2, width);
                report.dimmed(&text);
            }
        }
        Ok(())
    }

    /// Says that a file goes with the next prompt.
    fn confirm(&self, file: &Content) {
        let (name, kind, data) = match file {
            Content::Image(image) => (None, &image.mime_type, &image.data),
            Content::Document(document) => (document.name.as_deref(), &document.mime_type, &document.data),
            _ => return,
        };
        // Four characters of base64 are three bytes.
        let size = (data.len() * 3 / 4).div_ceil(1024);
        let name = name.map(|name| format!("{name}, ")).unwrap_or_default();
        self.report.note(format_args!("attached to the next prompt: {name}{kind}, {size} KB"));
    }

    /// Shows where a conversation that goes on has stopped.
    fn show_last_turns(&mut self) -> Result<(), Failure> {
        let messages = self.conversation.messages();
        let asked = |message: &Message| matches!(message, Message::User(_));
        let first = messages
            .iter()
            .rposition(asked)
            .and_then(|last| Some(messages.get(..last)?.iter().rposition(asked).unwrap_or(last)));
        let mut output = Output::new().with_markdown(self.report.markdown(true));
        for message in first.and_then(|first| messages.get(first..)).unwrap_or_default() {
            match message {
                Message::User(message) => {
                    let contents = message.content.iter().flat_map(|contents| &contents.0);
                    let texts = contents.filter_map(|content| match content {
                        Content::Text(text) => Some(text.text.as_str()),
                        _ => None,
                    });
                    let text = texts.collect::<Vec<_>>().join(" ");
                    output.flush()?;
                    self.report.dimmed(&format!("> {}\n", beginning(text.trim(), LONGEST_SHOWN)));
                }
                Message::Assistant(message) if output.is_terminal() => {
                    output.prose(&beginning(&message.text(), LONGEST_SHOWN));
                    output.end_prose();
                    output.text(if output.at_line_start { "" } else { "\n" });
                }
                _ => {}
            }
        }
        output.flush()
    }
}

/// A path as shells read it: `~/` is the home folder.
fn in_home(path: &str) -> PathBuf {
    let home = Context::real().home();
    match path.strip_prefix("~/").zip(home) {
        Some((rest, home)) => home.join(rest),
        None => PathBuf::from(path),
    }
}

/// The keys of the prompt.
const KEYS: &str = "Alt-Enter breaks the line, Ctrl-C stops a response or clears the line, Ctrl-R searches the \
                    history; a line that begins with a space stays out of it.";

/// How much of a message is shown of a conversation that goes on, in characters.
const LONGEST_SHOWN: usize = 2000;
