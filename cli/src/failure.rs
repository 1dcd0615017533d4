//! How the program fails, and its exit codes.

use std::fmt;
use std::io;
use std::process::ExitCode;

use pumice::{Error, ErrorKind};

use crate::escape::beginning;
use crate::hint;

/// Why the program ends early; as a number, its exit code. Ctrl-C ends it by the signal, which shells show as 130.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The reader closed standard output.
    Closed = 0,
    /// The service refused, or the model failed.
    Refused = 1,
    /// Wrong usage.
    Usage = 2,
    /// No credentials, or no access.
    Access = 3,
    /// Something temporary, before any output.
    Temporary = 4,
    /// The response failed after output had begun.
    AfterOutput = 5,
}

impl Exit {
    /// The exit code of a call that failed before any output.
    pub(crate) fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidInput | ErrorKind::Recording => Exit::Usage,
            ErrorKind::Credentials | ErrorKind::AccessDenied => Exit::Access,
            ErrorKind::ModelTimeout
            | ErrorKind::ModelNotReady
            | ErrorKind::Throttled
            | ErrorKind::Internal
            | ErrorKind::Unavailable
            | ErrorKind::Connect
            | ErrorKind::Timeout
            | ErrorKind::BrokenOff => Exit::Temporary,
            _ => Exit::Refused,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// How much of a cause is shown, in characters.
const LONGEST_CAUSE: usize = 1000;

/// A failure of the program: message, causes, and a hint.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
    pub(crate) hint: Option<String>,
    pub(crate) request_id: Option<String>,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: None, request_id: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    pub(crate) fn temporary(message: impl Into<String>) -> Self {
        Self::new(Exit::Temporary, message)
    }

    /// A response that was shown and cannot be saved.
    pub(crate) fn unsaved(message: impl Into<String>) -> Self {
        Self::new(Exit::AfterOutput, message)
    }

    /// Adds the word that was likely meant, after the sign that it is typed with.
    pub(crate) fn meant(mut self, sign: &str, near: Option<&str>) -> Self {
        if let Some(near) = near {
            self.message.extend(["; did you mean ", sign, near, "?"]);
        }
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A failure that standard output reports already.
    pub(crate) fn reported(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// The whole failure as one text: the message, causes that add to it, and the hint on a line of its own.
    pub(crate) fn text(&self) -> String {
        let mut text = self.text_without_hint();
        if let Some(hint) = &self.hint {
            text.push_str("\nhint: ");
            text.push_str(hint);
        }
        text
    }

    /// The message, and causes that add to it.
    pub(crate) fn text_without_hint(&self) -> String {
        let mut text = self.message.clone();
        for cause in &self.causes {
            if !text.contains(cause.as_str()) {
                text.push_str(": ");
                text.push_str(cause);
            }
        }
        text
    }

    /// The user's file cannot be read; or [standard input](crate::input::stdin) need not be, for nobody reads the output.
    pub(crate) fn unreadable(what: impl fmt::Display, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::closed(),
            _ => Self::usage(format!("{what} cannot be read: {error}")),
        }
    }

    /// Nobody reads standard output any more.
    pub(crate) fn closed() -> Self {
        Self::new(Exit::Closed, "")
    }

    /// Standard output cannot be written to.
    pub(crate) fn unwritable(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::closed(),
            _ => Self::new(Exit::AfterOutput, format!("standard output cannot be written to: {error}")),
        }
    }

    /// A response failed after output had begun.
    pub(crate) fn after_output(error: &Error) -> Self {
        Self { exit: Exit::AfterOutput, ..Self::from(error) }
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        // A JSON error quotes what it found, which may be long.
        let causes = error.causes().map(|cause| beginning(&cause.to_string(), LONGEST_CAUSE).into_owned());
        Self {
            exit: Exit::of(error.kind()),
            message: error.to_string(),
            causes: causes.collect(),
            hint: error.hint().map(hint::text),
            request_id: error.request_id().map(str::to_owned),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}
