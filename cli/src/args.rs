//! The command line, as it was given.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use lexopt::Arg;
use pumice::spelling::nearest;

use crate::commands::{COMMANDS, Command, Detail, Explained, flags_of};
use crate::failure::Failure;

/// The command line as it was given.
pub(crate) struct Args {
    pub(crate) command: Command,
    /// The flags by their long names, in order.
    flags: Vec<(&'static str, OsString)>,
    /// The words that are neither the command nor a flag or its value.
    pub(crate) rest: Vec<OsString>,
}

impl Args {
    /// `command` is set as soon as the command is known, even if what follows it is wrong.
    pub(crate) fn parse(
        words: impl IntoIterator<Item = OsString>,
        command: &mut Option<&'static Explained>,
    ) -> Result<Self, Failure> {
        let mut parser = lexopt::Parser::from_iter(words);
        let mut explained: Option<&'static Explained> = None;
        let mut flags = Vec::new();
        let mut rest = Vec::new();
        let mut detail = Detail::Short;
        loop {
            // A value may be a negative number; no flag begins with a digit.
            if explained.is_some_and(|explained| explained.command == Command::Config)
                && let Some(mut words) = parser.try_raw_args()
                && let Some(number) = words.next_if(is_negative)
            {
                rest.push(number);
                continue;
            }
            let Some(arg) = parser.next().map_err(|error| wrong(error.to_string(), explained))? else {
                break;
            };
            let flag = match arg {
                // People also type `pumice help chat`.
                Arg::Value(word) if explained.is_none() && word == "help" => {
                    detail = Detail::Long;
                    flags.push(("help", OsString::new()));
                    continue;
                }
                Arg::Value(word) if explained.is_none() => {
                    explained = Some(command_named(&word)?);
                    *command = explained;
                    continue;
                }
                Arg::Value(word) => {
                    rest.push(word);
                    continue;
                }
                Arg::Short('h') => {
                    flags.push(("help", OsString::new()));
                    continue;
                }
                Arg::Long(name) => flags_of(explained).find(|flag| flag.long == name).ok_or_else(|| {
                    let near = nearest(name, flags_of(explained).map(|flag| flag.long));
                    wrong(format!("there is no option --{name}"), explained).meant("--", near)
                })?,
                Arg::Short(short) => flags_of(explained)
                    .find(|flag| flag.short == Some(short))
                    .ok_or_else(|| wrong(format!("there is no option -{short}"), explained))?,
            };
            if flag.long == "help" {
                detail = Detail::Long;
            }
            let value = match flag.value {
                Some(name) => parser
                    .value()
                    .map_err(|_| wrong(format!("--{}: expected {name}", flag.long), explained))?,
                None => OsString::new(),
            };
            // `FILE|-` is a file or standard input; where only a file makes sense, none is called `-` by mistake.
            if flag.value == Some("FILE") && (value.is_empty() || value == "-") {
                let found = if value.is_empty() { "none" } else { "-" };
                return Err(wrong(format!("--{}: expected a file, found {found}", flag.long), explained));
            }
            flags.push((flag.long, value));
        }

        let asked = |name| flags.iter().any(|(flag, _)| *flag == name);
        let command = match explained {
            _ if asked("help") => Command::Help(explained, detail),
            _ if asked("version") => Command::Version,
            Some(explained) => explained.command,
            None if flags.is_empty() => {
                return Err(Failure::usage("expected a command"));
            }
            None => {
                return Err(Failure::usage("expected a command, found only options")
                    .hint("run pumice --help for the list"));
            }
        };
        if let (Some(explained), Some(extra), false) = (explained, rest.first(), asked("help"))
            && !explained.takes_rest
        {
            return Err(wrong(
                format!("expected no argument, found {:?}", extra.to_string_lossy()),
                Some(explained),
            ));
        }
        Ok(Self { command, flags, rest })
    }

    /// Whether a flag was given.
    pub(crate) fn has(&self, long: &str) -> bool {
        self.value(long).is_some()
    }

    /// The value of a flag; of several, the last.
    fn value(&self, long: &str) -> Option<&OsStr> {
        self.flags.iter().rev().find(|(flag, _)| *flag == long).map(|(_, value)| value.as_os_str())
    }

    pub(crate) fn path(&self, long: &str) -> Option<&Path> {
        self.value(long).map(Path::new)
    }

    /// The values of a repeatable flag, in order.
    pub(crate) fn paths(&self, long: &str) -> impl Iterator<Item = &Path> {
        self.flags.iter().filter(move |(flag, _)| *flag == long).map(|(_, value)| Path::new(value))
    }

    /// The texts of a repeatable flag, in order.
    #[cfg(any(feature = "bulk", feature = "gateway"))]
    pub(crate) fn texts(&self, long: &str) -> Result<Vec<&str>, Failure> {
        let texts =
            self.paths(long).map(|value| value.to_str().map(str::trim).filter(|text| !text.is_empty()));
        let texts = texts.collect::<Option<Vec<_>>>();
        texts.ok_or_else(|| Failure::usage(format!("--{long}: expected a text in UTF-8 that is not empty")))
    }

    pub(crate) fn text(&self, long: &str) -> Result<Option<&str>, Failure> {
        let Some(value) = self.value(long) else { return Ok(None) };
        let text = value.to_str().ok_or_else(|| Failure::usage(format!("--{long}: expected UTF-8")))?;
        match text.trim() {
            "" => Err(Failure::usage(format!("--{long}: the value is empty"))),
            _ => Ok(Some(text)),
        }
    }

    /// The value of a flag, read as a number. `expected` describes the numbers that `fits` accepts.
    pub(crate) fn number<T>(
        &self,
        long: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
        fits: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(long)? else { return Ok(None) };
        match read(text).filter(fits) {
            None => Err(Failure::usage(format!("--{long}: expected {expected}, found {text:?}"))),
            number => Ok(number),
        }
    }
}

fn command_named(word: &OsStr) -> Result<&'static Explained, Failure> {
    COMMANDS.iter().find(|explained| word == explained.name).ok_or_else(|| {
        let word = word.to_string_lossy();
        if let Some((_, feature)) = LEFT_OUT.iter().find(|(name, _)| *name == word) {
            return Failure::usage(format!("this pumice was built without the command {word}"))
                .hint(format!("install one with it: cargo install pumice-cli --features {feature}"));
        }
        let near = nearest(&word, COMMANDS.iter().map(|explained| explained.name).chain(["help"]));
        let failure = Failure::usage(format!("there is no command {word:?}")).meant("", near);
        failure.hint("run pumice --help for the list")
    })
}

fn is_negative(word: &OsStr) -> bool {
    matches!(word.as_encoded_bytes(), [b'-', b'0'..=b'9', ..])
}

fn wrong(message: String, explained: Option<&'static Explained>) -> Failure {
    let name = explained.map(|explained| format!(" {}", explained.name)).unwrap_or_default();
    Failure::usage(message).hint(format!("run pumice{name} --help"))
}

/// The commands that this program was built without, and the features that have them.
const LEFT_OUT: &[(&str, &str)] = &[
    #[cfg(not(feature = "bulk"))]
    ("bulk", "bulk"),
    #[cfg(not(feature = "bulk"))]
    ("batch", "bulk"),
    #[cfg(not(feature = "gateway"))]
    ("serve", "gateway"),
];
