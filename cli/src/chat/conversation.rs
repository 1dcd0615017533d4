//! A conversation that may be saved in a file, as JSON in the form of pi-ai's context.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

use pumice::context::Context as System;
use pumice::pi::{Content, Context, Input, Message, Model, StopReason};

use super::saved;
use crate::LONGEST_LOCK;
use crate::args::Args;
use crate::failure::Failure;
use crate::input;

/// The messages so far, and where they are saved.
pub(crate) struct Conversation {
    /// The model is set before each call.
    pub(crate) input: Input,
    file: Option<PathBuf>,
    /// The hash of the file when it was last read or written here.
    known: Option<u64>,
}

impl Conversation {
    /// The conversation of `--continue` or `--session`, or a new one. It is saved in the file of `--save`, or else there.
    pub(crate) fn open(args: &Args) -> Result<Self, Failure> {
        let save = args.path("save");
        let named = args.text("session")?.map(saved::file).transpose()?;
        if named.is_some() && (save.is_some() || args.has("continue")) {
            return Err(Failure::usage("expected --session, or --save and --continue, found both"));
        }
        if args.has("force") && save.is_none() {
            return Err(Failure::usage("--force goes with --save FILE"));
        }
        let from = named.as_deref().filter(|file| file.exists()).or(args.path("continue"));
        let file = save.or(named.as_deref()).or(from).map(Path::to_owned);
        let mut known = None;
        if let Some(file) = &file {
            check_writable(file)?;
            // Before the conversation is read, so that a change in between is noticed when it is saved.
            known = content(file).map_err(|error| Failure::unreadable(file.display(), &error))?;
        }
        if let Some(save) =
            save.filter(|save| known.is_some() && !from.is_some_and(|from| is_same(from, save)))
        {
            check_replaceable(save, args.has("force"))?;
        }
        let context = from.map_or_else(|| Ok(Context::new()), read)?;
        Ok(Self { input: Input::new(Model::new(""), context), file, known })
    }

    /// Whether the conversation is saved in a file.
    pub(crate) fn is_saved(&self) -> bool {
        self.file.is_some()
    }

    pub(crate) fn messages(&mut self) -> &mut Vec<Message> {
        self.input.context.messages.get_or_insert_default()
    }

    /// What the model is sent: a response that the user stopped is there as far as it came. Thoughts that are not whole
    /// are left out, and so are tool calls.
    pub(crate) fn sent(&self) -> Cow<'_, Input> {
        let stopped = |message: &Message| matches!(message, Message::Assistant(message) if message.stop_reason == Some(StopReason::Aborted));
        if !self.input.context.messages.iter().flatten().any(stopped) {
            return Cow::Borrowed(&self.input);
        }
        let mut input = self.input.clone();
        for message in input.context.messages.iter_mut().flatten() {
            if let Message::Assistant(message) = message
                && message.stop_reason == Some(StopReason::Aborted)
            {
                message.stop_reason = Some(StopReason::Stop);
                message.usage = None;
                let is_text =
                    |content: &Content| matches!(content, Content::Text(text) if !text.text.is_empty());
                if let Some(contents) = &mut message.content {
                    contents.0.retain(is_text);
                }
            }
        }
        Cow::Owned(input)
    }

    /// Saves the conversation in this file now and from now on.
    #[cfg(feature = "terminal")]
    pub(crate) fn save_in(&mut self, file: &Path) -> Result<(), Failure> {
        check_writable(file)?;
        let known = content(file).map_err(|error| Failure::unreadable(file.display(), &error))?;
        if known.is_some() && !self.file.as_deref().is_some_and(|own| is_same(own, file)) {
            // There is no --continue here.
            check_replaceable(file, false).map_err(|failure| failure.hint(NEW_FILE))?;
        }
        (self.file, self.known) = (Some(file.to_owned()), known);
        self.save().map(|_| ())
    }

    /// The model of the last response.
    pub(crate) fn model(&self) -> Option<&str> {
        model_of(&self.input.context)
    }

    /// Writes the file anew, atomically, readable by the user only. If another program has changed it since it was
    /// read, the file stays as it is, and this conversation goes to a new file beside it from now on. Returns the file,
    /// if the conversation is saved in one.
    pub(crate) fn save(&mut self) -> Result<Option<&Path>, Failure> {
        let Some(file) = &self.file else { return Ok(None) };
        let unsaved = |fault: &dyn std::fmt::Display| {
            Failure::unsaved(format!("the conversation cannot be saved in {}: {fault}", file.display()))
        };
        let mut json = serde_json::to_string_pretty(&self.input.context).map_err(|fault| unsaved(&fault))?;
        json.push('\n');
        let write = |file: &Path| {
            System::real().write_private(file, json.as_bytes()).map_err(|fault| unsaved(&fault))
        };
        let written = Some(hash(json.as_bytes()));

        let lock = System::real().lock(file, LONGEST_LOCK);
        let fault = match (&lock, content(file)) {
            (Err(fault), _) => fault.to_string(),
            (_, Err(fault)) => fault.to_string(),
            (Ok(_), Ok(found)) if found.is_some() && found != self.known => {
                "another program has changed it".to_owned()
            }
            _ => {
                write(file)?;
                self.known = written;
                return Ok(self.file.as_deref());
            }
        };
        let instead = new_file_beside(file).map_err(|fault| unsaved(&fault))?;
        write(&instead)?;
        let failure = unsaved(&format_args!("{fault}; it is saved in {} instead", instead.display()))
            .hint(format!("run pumice chat --continue {} to continue it", instead.display()));
        (self.file, self.known) = (Some(instead), written);
        Err(failure)
    }
}

/// The model of the last response in a conversation.
pub(super) fn model_of(context: &Context) -> Option<&str> {
    let messages = context.messages.as_deref().unwrap_or_default();
    messages.iter().rev().find_map(|message| match message {
        Message::Assistant(message) => message.model.as_deref(),
        _ => None,
    })
}

/// The hash of a file's content; `None` if there is no file.
fn content(file: &Path) -> io::Result<Option<u64>> {
    match input::read_file(file) {
        Ok(content) => Ok(Some(hash(&content))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn hash(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(content);
    hasher.finish()
}

/// Creates an empty file named like another, with a number: `talk-2.json` beside `talk.json`.
fn new_file_beside(file: &Path) -> io::Result<PathBuf> {
    let part = |part: Option<&OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    let (stem, extension) = (part(file.file_stem()), part(file.extension()));
    let dot = if extension.is_empty() { "" } else { "." };
    for number in 2.. {
        let path = file.with_file_name(format!("{stem}-{number}{dot}{extension}"));
        match File::create_new(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|_| path),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> bool {
    let [one, other] = [one, other].map(|path| path.canonicalize().ok());
    one.is_some() && one == other
}

/// Checks that what is in the file may be replaced by another conversation.
fn check_replaceable(file: &Path, force: bool) -> Result<(), Failure> {
    let shown = file.display();
    match read(file) {
        Err(_) => Err(Failure::usage(format!("{shown} exists, and is not a conversation")).hint(NEW_FILE)),
        Ok(_) if force => Ok(()),
        Ok(_) => Err(Failure::usage(format!("{shown} is another conversation"))
            .hint(format!("continue it with --continue {shown}, or replace it with --force"))),
    }
}

/// Reads a conversation.
pub(super) fn read(path: &Path) -> Result<Context, Failure> {
    let shown = path.display();
    let bytes = input::read_file(path).map_err(|error| {
        let failure = Failure::unreadable(&shown, &error);
        match error.kind() {
            io::ErrorKind::NotFound => failure.hint(format!("use --save {shown} to start a conversation")),
            _ => failure,
        }
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        Failure::usage(format!(
            "{shown}: expected UTF-8, found something else at byte {}",
            error.valid_up_to()
        ))
    })?;
    let context = Context::from_json(text.trim_start_matches('\u{feff}')).map_err(|error| {
        let failure = Failure::from(&error);
        Failure { message: format!("{shown}: {}", failure.message), ..failure }
    })?;
    if context.messages.is_none() {
        return Err(Failure::usage(format!(
            "{shown}: expected a conversation, found JSON without \"messages\""
        )));
    }
    Ok(context)
}

/// Checks that the conversation can be saved, before a response is paid for.
fn check_writable(file: &Path) -> Result<(), Failure> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fault = if file.is_dir() {
        ", found a folder"
    } else if file.metadata().is_ok_and(|found| !found.is_file()) {
        ", found a pipe or a device"
    } else if !folder.is_dir() {
        " in a folder that exists"
    } else {
        let refused = |fault| {
            Failure::usage(format!("the conversation cannot be saved in {}: {fault}", file.display()))
        };
        return System::real().try_private(file).map_err(refused);
    };
    Err(Failure::usage(format!("{}: expected a file for the conversation{fault}", file.display())))
}

const NEW_FILE: &str = "name a file that does not exist";
