//! The command line: what there is as a table, from which it is read and explained.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;

use lexopt::Arg;
use pumice::spelling::nearest;

use crate::failure::Failure;

/// The command line as it was given.
pub(crate) struct Args {
    pub(crate) command: Command,
    /// The flags by their long names, in order.
    flags: Vec<(&'static str, OsString)>,
    /// What is neither the command nor a flag.
    pub(crate) rest: Vec<OsString>,
}

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Explains a command, or all.
    Help(Option<&'static Explained>),
    Version,
    Chat,
    Stream,
    Converse,
    Call,
    Decode,
    Models,
    Auth,
    Completions,
    Config,
}

/// A command as it is explained.
#[derive(PartialEq, Eq)]
pub(crate) struct Explained {
    pub(crate) command: Command,
    pub(crate) name: &'static str,
    /// What stands behind the name.
    usage: &'static str,
    /// One line.
    pub(crate) about: &'static str,
    /// What more there is to say.
    more: &'static str,
    flags: &'static [Flag],
    /// Whether it calls Bedrock.
    calls: bool,
    /// Whether it takes what is no flag.
    takes_rest: bool,
}

#[derive(PartialEq, Eq)]
pub(crate) struct Flag {
    pub(crate) long: &'static str,
    pub(crate) short: Option<char>,
    /// What its value is called, if it has one.
    pub(crate) value: Option<&'static str>,
    pub(crate) about: &'static str,
}

const fn flag(long: &'static str, about: &'static str) -> Flag {
    Flag { long, short: None, value: None, about }
}

impl Flag {
    const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    const fn value(mut self, value: &'static str) -> Self {
        self.value = Some(value);
        self
    }
}

static COMMANDS: [Explained; 9] = [
    Explained {
        command: Command::Chat,
        name: "chat",
        usage: "[PROMPT…]",
        about: "Ask a model, and read its answer as it arrives",
        more: "\
The words of the prompt are joined by spaces; one that begins with - stands behind --. It is read from
standard input when there is none on the command line, or when it is `-`. At a terminal with none, it is
a conversation: Ctrl-D leaves it, Ctrl-C ends an answer or clears the line, Ctrl-V Ctrl-J puts a line end
into it, and what begins with a space stays out of the history.
The answer goes to standard output and nothing else does. A model's thinking is shown on standard
error, when that is a terminal, and so is a last line with the model, its tokens, their price and its
time.
What --file names is an image (PNG, JPEG, GIF, WebP), a PDF, a file of Word or Excel, or text, by its
content; a message has at most 20 images of 3.75 MB and 5 documents of 4.5 MB.
--save writes the conversation into FILE, in place of what is there: JSON in pi-ai's form, for you alone.
--continue goes on with one, with its model if -m names no other, and writes it back, or into the FILE
of --save.",
        flags: &[
            flag(
                "model",
                "Model id, inference profile id, ARN or alias; otherwise PUMICE_MODEL, the settings'",
            )
            .short('m')
            .value("MODEL"),
            flag("system", "System prompt").short('s').value("SYSTEM"),
            flag("file", "An image or a document beside the prompt; may be given again").short('f').value("FILE"),
            flag("think", "How much to think: off, minimal, low, medium, high, xhigh or max").value("LEVEL"),
            flag("json", "The events of the answer as JSON Lines, as `pumice stream` prints them"),
            flag("save", "Keep the conversation in a file").value("FILE"),
            flag("continue", "Go on with the conversation in a file, and keep it there").value("FILE"),
            flag("max-tokens", "Longest answer, in tokens").value("N"),
            flag("temperature", "From 0, the likeliest words, to 1").value("T"),
        ],
        calls: true,
        takes_rest: true,
    },
    Explained {
        command: Command::Stream,
        name: "stream",
        usage: "",
        about: "For agents: a conversation as JSON in, the events of the answer as JSON Lines out",
        more: "\
Standard input is one JSON object in pi-ai's form: {\"model\": …, \"context\": …, \"options\": …}. Each event is
a line, in pi-ai's form without `partial`. The last is `done` or `error` and holds the whole message; an
`error` comes whatever goes wrong. The history is put right before it is sent, unless the options say
\"repairHistory\": false.",
        flags: &[],
        calls: true,
        takes_rest: false,
    },
    Explained {
        command: Command::Converse,
        name: "converse",
        usage: "--request FILE|-",
        about: "The Converse API itself: a request of JSON in, events of JSON out",
        more: "\
The request is one JSON object: the members of the API and modelId, blobs in base64. The answer is
ConverseStream's, one line of JSON for each event, under the API's own names.",
        flags: &[
            flag("request", "The request; `-` is standard input").value("FILE|-"),
            flag("no-stream", "Converse: the whole response as one line of JSON"),
        ],
        calls: true,
        takes_rest: false,
    },
    Explained {
        command: Command::Call,
        name: "call",
        usage: "OPERATION [--request FILE|-]",
        about: "An operation by its name: a request of JSON in, its answer as JSON out",
        more: "\
OPERATION is Converse, ConverseStream, InvokeModel, InvokeModelWithResponseStream, CountTokens,
ApplyGuardrail, ListFoundationModels, GetFoundationModel, ListInferenceProfiles or
GetInferenceProfile. The request is one JSON object under the service model's own names
(contentType, typeEquals), blobs in base64; so is the answer, on one line. Of a stream, each event is
a line. Lists are followed to their last page.",
        flags: &[
            flag("request", "The request; `-` is standard input; without one, a request of no members")
                .value("FILE|-"),
            flag("raw", "InvokeModel: the body of the answer alone, as it came"),
        ],
        calls: true,
        takes_rest: true,
    },
    Explained {
        command: Command::Decode,
        name: "decode",
        usage: "FILE|-",
        about: "Read an event stream from a file: its frames, one a line",
        more: "\
The file holds bytes of application/vnd.amazon.eventstream. Damaged or cut off, it is an error that
says what is wrong and at which byte, after the frames before it.",
        flags: &[
            flag("json", "Each frame as JSON: {\"headers\":{…},\"payload\":…}"),
            flag("events", "Each event as `pumice converse` prints it, exceptions and errors too"),
        ],
        calls: false,
        takes_rest: true,
    },
    Explained {
        command: Command::Models,
        name: "models",
        usage: "list|show [MODEL]",
        about: "The models that can be called now, and what is known of them",
        more: "\
`list` shows the models of the settings file, then those that the service has for this account and
region. The service's answer is kept for an hour, or as the settings say. `show MODEL` says all that is
known of one, and which inference profiles serve it. Prices are in US dollars for a million tokens.",
        flags: &[
            flag("json", "As one line of JSON"),
            flag("plain", "One model a line: amazon-bedrock/ID"),
            flag("provider", "Only the models of this provider, by its name or by what ids begin with")
                .value("NAME"),
            flag("all", "Also what cannot be called, and why"),
            flag("refresh", "Ask the service now, whatever is kept"),
            flag("local", "Only the models of the settings file; ask no network"),
        ],
        calls: true,
        takes_rest: true,
    },
    Explained {
        command: Command::Config,
        name: "config",
        usage: "get PATH | set PATH VALUE | unset PATH | path | show",
        about: "The settings file: read a member, set it, remove it",
        more: "\
The file is that of --config, else of PUMICE_CONFIG, else pumice/config.json5 in the configuration folder:
JSON5, in the form of OpenClaw's. PATH is like agents.defaults.model.primary or
models.providers[\"amazon-bedrock\"].models[0]. VALUE is JSON5, or else a text as it is. What is set is
checked as a whole before it is written; comments stay. `show` prints what counts, without secrets.",
        flags: &[],
        calls: false,
        takes_rest: true,
    },
    Explained {
        command: Command::Auth,
        name: "auth",
        usage: "",
        about: "Which credentials will be used, from where, and which were passed over and why",
        more: "\
Looks where a call would look, and asks the services that it would ask: STS, IAM Identity Center, the
sign-in service, a container's or an EC2 instance's own. Tells the link of the chain that has them, when
they expire, the region and what named it, and of each source that was looked at what became of it. Exit
code 3 says that there are none.",
        flags: &[
            flag("json", "As one line of JSON; never a secret"),
            flag("offline", "Ask no service and run no command: say which one would be"),
        ],
        calls: false,
        takes_rest: false,
    },
    Explained {
        command: Command::Completions,
        name: "completions",
        usage: "bash|zsh|fish",
        about: "What a shell needs to complete the command line",
        more: "\
bash: source <(pumice completions bash)
zsh:  source <(pumice completions zsh), after compinit
fish: pumice completions fish | source",
        flags: &[],
        calls: false,
        takes_rest: true,
    },
];

static CALL_FLAGS: [Flag; 6] = [
    flag("auto-profile", "Where an inference profile serves the model, call it through that"),
    flag("patient", "Wait out throttling, for 10 minutes at most"),
    flag("record", "Write the exchange into a recording").value("FILE"),
    flag("replay", "Answer from a recording, without network or credentials").value("FILE"),
    flag("replay-strict", "Refuse a request that differs from the recorded one"),
    flag("replay-speed", "Keep the recorded timing, X times as fast; otherwise at once").value("X"),
];

static GLOBAL_FLAGS: [Flag; 9] = [
    flag(
        "region",
        "AWS region; otherwise AWS_REGION, AWS_DEFAULT_REGION, the profile's, the settings', the instance's, us-east-1",
    )
    .value("REGION"),
    flag("profile", "AWS profile, before the credentials of the environment; otherwise AWS_PROFILE")
        .value("NAME"),
    flag("endpoint-url", "URL of the runtime, for a gateway or a test").value("URL"),
    flag("config", "Settings file; otherwise PUMICE_CONFIG, pumice/config.json5 of the platform")
        .value("FILE"),
    flag("timeout", "Longest silence of an attempt, before the first byte as well [300]").value("SECONDS"),
    flag("verbose", "Say what is done, on standard error").short('v'),
    flag("color", "Colours on standard error: auto, always or never").value("WHEN"),
    flag("help", "Explain the command").short('h'),
    flag("version", "Print the version").short('V'),
];

impl Args {
    /// `command` becomes what is known of the command, whatever is wrong behind it.
    pub(crate) fn parse(
        words: impl IntoIterator<Item = OsString>,
        command: &mut Option<&'static Explained>,
    ) -> Result<Self, Failure> {
        let mut parser = lexopt::Parser::from_iter(words);
        let mut explained: Option<&'static Explained> = None;
        let mut flags = Vec::new();
        let mut rest = Vec::new();
        loop {
            // What is set may be a number below 0, and no flag begins with a digit.
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
                // `pumice help chat` is what people type too.
                Arg::Value(word) if explained.is_none() && word == "help" => {
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
                Arg::Long(name) => flags_of(explained).find(|flag| flag.long == name).ok_or_else(|| {
                    let near = nearest(name, flags_of(explained).map(|flag| flag.long));
                    let near = near.map(|near| format!("; did you mean --{near}?")).unwrap_or_default();
                    wrong(format!("there is no flag --{name}{near}"), explained)
                })?,
                Arg::Short(short) => flags_of(explained)
                    .find(|flag| flag.short == Some(short))
                    .ok_or_else(|| wrong(format!("there is no flag -{short}"), explained))?,
            };
            let value = match flag.value {
                Some(_) => parser.value().map_err(|error| wrong(error.to_string(), explained))?,
                None => OsString::new(),
            };
            flags.push((flag.long, value));
        }

        let asked = |name| flags.iter().any(|(flag, _)| *flag == name);
        let command = match explained {
            _ if asked("help") => Command::Help(explained),
            _ if asked("version") => Command::Version,
            Some(explained) => explained.command,
            None if flags.is_empty() => {
                return Err(Failure::usage("a command expected").hint("pumice --help lists them"));
            }
            None => {
                return Err(
                    Failure::usage("a command expected, only flags found").hint("pumice --help lists them")
                );
            }
        };
        if let (Some(explained), Some(extra), false) = (explained, rest.first(), asked("help"))
            && !explained.takes_rest
        {
            return Err(wrong(format!("unexpected {:?}", extra.to_string_lossy()), Some(explained)));
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

    /// The values of a flag that may be given again, in order.
    pub(crate) fn paths(&self, long: &str) -> impl Iterator<Item = &Path> {
        self.flags.iter().filter(move |(flag, _)| *flag == long).map(|(_, value)| Path::new(value))
    }

    pub(crate) fn text(&self, long: &str) -> Result<Option<&str>, Failure> {
        let Some(value) = self.value(long) else { return Ok(None) };
        let text = value.to_str().ok_or_else(|| Failure::usage(format!("--{long}: UTF-8 expected")))?;
        match text.trim() {
            "" => Err(Failure::usage(format!("--{long}: a value expected, a blank one found"))),
            _ => Ok(Some(text)),
        }
    }

    /// The value of a flag, read as a number that `fits`; `expected` says which those are.
    pub(crate) fn number<T>(
        &self,
        long: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
        fits: impl Fn(&T) -> bool,
    ) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(long)? else { return Ok(None) };
        match read(text).filter(fits) {
            None => Err(Failure::usage(format!("--{long}: {expected} expected, {text:?} found"))),
            number => Ok(number),
        }
    }
}

/// All commands.
pub(crate) fn commands() -> &'static [Explained] {
    &COMMANDS
}

/// The flags that may stand after this command, or before any.
pub(crate) fn flags_of(explained: Option<&'static Explained>) -> impl Iterator<Item = &'static Flag> {
    let own = explained.map_or(&[][..], |explained| explained.flags);
    // Before the command is known, a flag of calls is one that may yet turn out right.
    let calls = if explained.is_none_or(|explained| explained.calls) { &CALL_FLAGS[..] } else { &[] };
    own.iter().chain(calls).chain(&GLOBAL_FLAGS)
}

fn command_named(word: &OsStr) -> Result<&'static Explained, Failure> {
    COMMANDS.iter().find(|explained| word == explained.name).ok_or_else(|| {
        let word = word.to_string_lossy();
        let near = nearest(&word, COMMANDS.iter().map(|explained| explained.name));
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        Failure::usage(format!("there is no command {word:?}{near}")).hint("pumice --help lists them")
    })
}

fn is_negative(word: &OsStr) -> bool {
    matches!(word.as_encoded_bytes(), [b'-', b'0'..=b'9', ..])
}

fn wrong(message: String, explained: Option<&'static Explained>) -> Failure {
    let name = explained.map(|explained| format!(" {}", explained.name)).unwrap_or_default();
    Failure::usage(message).hint(format!("pumice{name} --help explains them"))
}

/// The help of a command, or of the program.
pub(crate) fn help(topic: Option<&'static Explained>) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = match topic {
        Some(explained) => explain(&mut text, explained),
        None => overview(&mut text),
    };
    text
}

fn overview(text: &mut String) -> std::fmt::Result {
    text.push_str("pumice: a lean Amazon Bedrock client\n\nUsage: pumice COMMAND [FLAGS]\n\nCommands:\n");
    for explained in &COMMANDS {
        writeln!(text, "  {:<12} {}", explained.name, explained.about)?;
    }
    text.push_str("\nFlags of every command:\n");
    list(text, &GLOBAL_FLAGS)?;
    text.push_str("\nFlags of every call:\n");
    list(text, &CALL_FLAGS)?;
    text.push_str(
        "
Credentials are looked for in AWS_BEARER_TOKEN_BEDROCK; in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
(with AWS_SESSION_TOKEN); in the profile (keys, role_arn, web_identity_token_file, sso_session,
login_session, credential_process); in AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN; and from the
container's or the EC2 instance's role. --profile passes over the first two. Secrets are never flags.
`pumice auth` shows which are used, and why not the others.

Exit codes: 0 done; 1 the service refused or the model failed; 2 wrong usage; 3 credentials or access;
4 temporary, before any output; 5 failed after output had begun; 130 Ctrl-C.

`pumice COMMAND --help` explains a command.
",
    );
    Ok(())
}

fn explain(text: &mut String, explained: &Explained) -> std::fmt::Result {
    writeln!(text, "{}\n\nUsage: pumice {} [FLAGS] {}", explained.about, explained.name, explained.usage)?;
    if !explained.more.is_empty() {
        writeln!(text, "\n{}", explained.more)?;
    }
    if !explained.flags.is_empty() {
        text.push_str("\nFlags:\n");
        list(text, explained.flags)?;
    }
    if explained.calls {
        text.push_str("\nFlags of every call:\n");
        list(text, &CALL_FLAGS)?;
    }
    text.push_str("\nFlags of every command:\n");
    list(text, &GLOBAL_FLAGS)
}

fn list(text: &mut String, flags: &[Flag]) -> std::fmt::Result {
    for flag in flags {
        let short = flag.short.map_or("   ".into(), |short| format!("-{short},"));
        let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
        let name = format!("{short} --{}{value}", flag.long);
        writeln!(text, "  {name:<26} {}", flag.about)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use pumice::conversation::ThinkingLevel;

    use super::*;

    #[test]
    fn the_help_names_every_level_of_thinking() {
        let flags = COMMANDS.iter().flat_map(|explained| explained.flags);
        let think = flags.into_iter().find(|flag| flag.long == "think").unwrap();
        assert!(ThinkingLevel::NAMES.iter().all(|level| think.about.contains(level)), "{}", think.about);
    }
}
