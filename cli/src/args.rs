//! The command line, as a table from which it is read and its help is written.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;

use lexopt::Arg;
use pumice::operation::Operation;
use pumice::spelling::nearest;

use crate::failure::Failure;

/// The command line as it was given.
pub(crate) struct Args {
    pub(crate) command: Command,
    /// The flags by their long names, in order.
    flags: Vec<(&'static str, OsString)>,
    /// The words that are neither the command nor a flag or its value.
    pub(crate) rest: Vec<OsString>,
}

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Shows the help of a command, or of the program.
    Help(Option<&'static Explained>),
    Version,
    Chat,
    Stream,
    Converse,
    Call,
    Decode,
    Models,
    Auth,
    Doctor,
    Token,
    Completions,
    Config,
    #[cfg(feature = "gateway")]
    Serve,
}

/// A command and its help.
#[derive(PartialEq, Eq)]
pub(crate) struct Explained {
    pub(crate) command: Command,
    pub(crate) name: &'static str,
    /// What follows the name.
    usage: &'static str,
    /// One line.
    pub(crate) about: &'static str,
    /// The details.
    more: &'static str,
    flags: &'static [Flag],
    /// Whether it calls Bedrock.
    calls: bool,
    /// Whether it takes words that are not flags.
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

static COMMANDS: &[Explained] = &[
    Explained {
        command: Command::Chat,
        name: "chat",
        usage: "[PROMPT…]",
        about: "Ask a model and read the response as it arrives",
        more: "\
The words of the prompt are joined by spaces; put -- before words that begin with -. Without a prompt, or
if it is `-`, it is read from standard input. Without a prompt at a terminal, pumice starts a
conversation: Ctrl-D leaves it, Ctrl-C stops a response or clears the line, Ctrl-V Ctrl-J inserts a line
break, and a line that begins with a space stays out of the history.
Only the response goes to standard output. If standard error is a terminal, it shows the model's thinking
and a last line with the model, its tokens, their price and the time.
--file takes images (PNG, JPEG, GIF, WebP), PDFs, Word or Excel files, and text; it looks at the content,
not the name. A message has at most 20 images of 3.75 MB and 5 documents of 4.5 MB.
--save writes the conversation to FILE and replaces what is there: JSON in pi-ai's form, readable by you
only. --continue continues the conversation in a file, with its model unless -m names another, and saves
it there or in the FILE of --save.",
        flags: &[
            flag(
                "model",
                "Model id, inference profile id, ARN or alias [default: PUMICE_MODEL, the settings]",
            )
            .short('m')
            .value("MODEL"),
            flag("system", "System prompt").short('s').value("SYSTEM"),
            flag("file", "Attach an image or a document; repeatable").short('f').value("FILE"),
            flag("think", "Level of thinking: off, minimal, low, medium, high, xhigh or max").value("LEVEL"),
            flag("json", "Print events as JSON Lines, as `pumice stream` does"),
            flag("save", "Save the conversation in a file").value("FILE"),
            flag("continue", "Continue the conversation in a file, and save it there").value("FILE"),
            flag("max-tokens", "Output limit, in tokens").value("N"),
            flag("temperature", "Sampling temperature, 0 to 1").value("T"),
            flag("strict", "Do not repair a request that the service refuses"),
        ],
        calls: true,
        takes_rest: true,
    },
    Explained {
        command: Command::Stream,
        name: "stream",
        usage: "",
        about: "For agents: a conversation as JSON in, events as JSON Lines out",
        more: "\
Standard input is one JSON object in pi-ai's form: {\"model\": …, \"context\": …, \"options\": …}. Each event is
a line, in pi-ai's form without `partial`. The last is `done` or `error` and holds the whole message;
whatever goes wrong, there is an `error`. The history is repaired before it is sent, unless the options
say \"repairHistory\": false.",
        flags: &[],
        calls: true,
        takes_rest: false,
    },
    Explained {
        command: Command::Converse,
        name: "converse",
        usage: "--request FILE|-",
        about: "The Converse API itself: a request as JSON in, events as JSON Lines out",
        more: "\
The request is one JSON object: the API's members and modelId, blobs in base64. The response is
ConverseStream's: one line of JSON per event, under the API's own names.",
        flags: &[
            flag("request", "The request; `-` for standard input").value("FILE|-"),
            flag("no-stream", "Call Converse: the whole response as one line of JSON"),
        ],
        calls: true,
        takes_rest: false,
    },
    Explained {
        command: Command::Call,
        name: "call",
        usage: "OPERATION [--request FILE|-]",
        about: "Call an operation by name: a request as JSON in, the response as JSON out",
        more: "\
The request is one JSON object under the service model's own names (contentType, typeEquals), blobs in
base64. The response has the same form, on one line; of a stream, each event is a line. All pages of a
list are fetched. OPERATION is one of these:",
        flags: &[
            flag("request", "The request; `-` for standard input [default: an empty request]")
                .value("FILE|-"),
            flag("raw", "InvokeModel: print only the body of the response, unchanged"),
        ],
        calls: true,
        takes_rest: true,
    },
    #[cfg(feature = "gateway")]
    Explained {
        command: Command::Serve,
        name: "serve",
        usage: "",
        about: "Serve Bedrock to programs that speak OpenAI's, Anthropic's or Bedrock's own form",
        more: "\
Programs call it in place of their maker's service: OPENAI_BASE_URL, ANTHROPIC_BASE_URL or
AWS_ENDPOINT_URL_BEDROCK_RUNTIME name it. It finds credentials as every command does. ADDRESS is HOST:PORT
(port 0 picks one) or unix:PATH. PUMICE_API_KEY or --api-key-file set the keys that callers need; without
a key it listens on this machine only. A key file has a key per line, or name:key.
Each call is a line on standard error, and nothing of what was said is in it. GET /healthz, /readyz and
/metrics are for what runs it, and / is a page for people. SIGTERM and Ctrl-C let calls under way end, for
30 seconds at most; a second one ends them.",
        flags: &[
            flag("listen", "Where to listen [default: 127.0.0.1:8790]").value("ADDRESS"),
            flag("api-key-file", "File of the keys that callers need").value("FILE"),
            flag("allow-host", "A name that callers use for it; repeatable").value("NAME"),
            flag("allow-origin", "An origin whose web pages may call; repeatable").value("ORIGIN"),
            flag("max-connections", "Most connections at a time [default: 1024]").value("N"),
            flag("log", "Log as text or json [default: text]").value("FORM"),
            flag("replay-loop", "Begin a replayed recording anew at its end"),
        ],
        calls: true,
        takes_rest: false,
    },
    Explained {
        command: Command::Decode,
        name: "decode",
        usage: "FILE|-",
        about: "Print the frames of an event stream in a file, one per line",
        more: "\
The file holds bytes of application/vnd.amazon.eventstream. If it is damaged or cut off, the frames before
the damage are printed, then an error that says what is wrong and at which byte.",
        flags: &[
            flag("json", "Print each frame as JSON: {\"headers\":{…},\"payload\":…}"),
            flag("events", "Print each event as `pumice converse` does, with exceptions and errors"),
        ],
        calls: false,
        takes_rest: true,
    },
    Explained {
        command: Command::Models,
        name: "models",
        usage: "list|show [MODEL]",
        about: "List the models that can be called, or show one",
        more: "\
`list` shows the models of the settings file, then those of the service for this account and region. The
service's list is cached for an hour, or as long as the settings say. `show MODEL` shows all that is known
of one model, and the inference profiles that serve it. Prices are in US dollars per million tokens.",
        flags: &[
            flag("json", "Print one line of JSON"),
            flag("plain", "Print one model per line: amazon-bedrock/ID"),
            flag("provider", "Only models of this provider: its name, or what ids begin with")
                .value("NAME"),
            flag("all", "Include models that cannot be called, with the reason"),
            flag("refresh", "Call the service even if a list is cached"),
            flag("local", "Only the models of the settings file; use no network"),
        ],
        calls: true,
        takes_rest: true,
    },
    Explained {
        command: Command::Config,
        name: "config",
        usage: "get PATH | set PATH VALUE | unset PATH | path | show",
        about: "Read, set or remove members of the settings file",
        more: "\
The file is that of --config, else of PUMICE_CONFIG, else pumice/config.json5 in the configuration folder.
It is JSON5 in the form of OpenClaw's. PATH is like agents.defaults.model.primary or
models.providers[\"amazon-bedrock\"].models[0]. VALUE is JSON5, or else plain text. `set` checks the whole
file before it writes it, and keeps comments. `show` prints the members that pumice reads, without secrets.",
        flags: &[],
        calls: false,
        takes_rest: true,
    },
    Explained {
        command: Command::Auth,
        name: "auth",
        usage: "",
        about: "Show which credentials are used, and why others are not",
        more: "\
Looks for credentials as a call would, and asks the same services: STS, IAM Identity Center, the sign-in
service, the container or the EC2 instance. Shows where they come from, when they expire, the region and
what named it, and the outcome of each source that was asked. Exit code 3 if there are none.",
        flags: &[
            flag("json", "Print one line of JSON, without secrets"),
            flag("offline", "Ask no service and run no command; show which would be asked or run"),
        ],
        calls: false,
        takes_rest: false,
    },
    Explained {
        command: Command::Doctor,
        name: "doctor",
        usage: "[MODEL]",
        about: "Check everything that a call needs, and say what to do about what is wrong",
        more: "\
Looks at the settings, the AWS files, the credentials and whose they are, the region, proxy, name look-up,
connection, TLS and clock, and lists models and inference profiles. Of the MODEL: whether it is known and
called by this id, the account's access to it, the profile to use, and what a call takes off the quota.
Each line is ok, warn or fail, with a hint where something can be done. No secret is printed. The exit code
is 0 if nothing fails, or else the one that a call would end with.",
        flags: &[
            flag("probe", "Ask the MODEL for one word; show the time to the first token and the price"),
            flag("json", "Print one line of JSON, without secrets"),
        ],
        calls: false,
        takes_rest: true,
    },
    Explained {
        command: Command::Token,
        name: "token",
        usage: "",
        about: "Make a short-term Bedrock API key of the credentials, for programs that take only a key",
        more: "\
Prints the key alone, and on standard error when it ends: after --ttl, or with the credentials it is made
of if they end before. No service is asked but those that give credentials. The key is valid in one region.
AWS_BEARER_TOKEN_BEDROCK=$(pumice token) claude",
        flags: &[flag("ttl", "How long the key is valid, at most 43200 [default: 43200]").value("SECONDS")],
        calls: false,
        takes_rest: false,
    },
    Explained {
        command: Command::Completions,
        name: "completions",
        usage: "bash|zsh|fish",
        about: "Print shell completions",
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
    flag("auto-profile", "Call the model through an inference profile if only that serves it"),
    flag("patient", "Wait out throttling and lack of capacity, up to 10 minutes"),
    flag("record", "Record requests and responses in a file").value("FILE"),
    flag("replay", "Replay a recording, without network or credentials").value("FILE"),
    flag("replay-strict", "Fail if a request differs from the recorded one"),
    flag("replay-speed", "Replay X times as fast as recorded [default: at once]").value("X"),
];

static GLOBAL_FLAGS: [Flag; 11] = [
    flag(
        "region",
        "AWS region [default: AWS_REGION, AWS_DEFAULT_REGION, profile, endpoint URL, settings, instance, us-east-1]",
    )
    .value("REGION"),
    flag(
        "profile",
        "AWS profile, before credentials of the environment [default: PUMICE_PROFILE, AWS_PROFILE, the settings]",
    )
    .value("NAME"),
    flag("endpoint-url", "URL of the runtime, such as a gateway").value("URL"),
    flag("project", "Bedrock project of the calls, by id or ARN [default: the settings]").value("ID"),
    flag("config", "Settings file [default: PUMICE_CONFIG, pumice/config.json5 of the platform]")
        .value("FILE"),
    flag("no-credential-cache", "Do not cache the keys of roles on disk"),
    flag("timeout", "Give up after SECONDS without data [default: 300]").value("SECONDS"),
    flag("verbose", "Log each step to standard error").short('v'),
    flag("color", "Colors on standard error: auto, always or never").value("WHEN"),
    flag("help", "Show help").short('h'),
    flag("version", "Print the version").short('V'),
];

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
                return Err(Failure::usage("expected a command").hint("run pumice --help for the list"));
            }
            None => {
                return Err(Failure::usage("expected a command, found only flags")
                    .hint("run pumice --help for the list"));
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

    /// The values of a repeatable flag, in order.
    pub(crate) fn paths(&self, long: &str) -> impl Iterator<Item = &Path> {
        self.flags.iter().filter(move |(flag, _)| *flag == long).map(|(_, value)| Path::new(value))
    }

    /// The texts of a repeatable flag, in order.
    #[cfg(feature = "gateway")]
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

/// All commands.
pub(crate) fn commands() -> &'static [Explained] {
    COMMANDS
}

/// The flags that are allowed after this command, or before any command.
pub(crate) fn flags_of(explained: Option<&'static Explained>) -> impl Iterator<Item = &'static Flag> {
    let own = explained.map_or(&[][..], |explained| explained.flags);
    // Before the command is known, it may be one that takes the flags of calls.
    let calls = if explained.is_none_or(|explained| explained.calls) { &CALL_FLAGS[..] } else { &[] };
    own.iter().chain(calls).chain(&GLOBAL_FLAGS)
}

fn command_named(word: &OsStr) -> Result<&'static Explained, Failure> {
    COMMANDS.iter().find(|explained| word == explained.name).ok_or_else(|| {
        let word = word.to_string_lossy();
        if let Some((_, feature)) = LEFT_OUT.iter().find(|(name, _)| *name == word) {
            return Failure::usage(format!("this pumice was built without the command {word}"))
                .hint(format!("install one with it: cargo install pumice-cli --features {feature}"));
        }
        let near = nearest(&word, COMMANDS.iter().map(|explained| explained.name));
        let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        Failure::usage(format!("there is no command {word:?}{near}")).hint("run pumice --help for the list")
    })
}

fn is_negative(word: &OsStr) -> bool {
    matches!(word.as_encoded_bytes(), [b'-', b'0'..=b'9', ..])
}

fn wrong(message: String, explained: Option<&'static Explained>) -> Failure {
    let name = explained.map(|explained| format!(" {}", explained.name)).unwrap_or_default();
    Failure::usage(message).hint(format!("run pumice{name} --help"))
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
    text.push_str("pumice: a lean Amazon Bedrock client\n\nUsage: pumice COMMAND [OPTIONS]\n\nCommands:\n");
    for explained in COMMANDS {
        writeln!(text, "  {:<12} {}", explained.name, explained.about)?;
    }
    text.push_str("\nGlobal options:\n");
    list(text, &GLOBAL_FLAGS)?;
    text.push_str("\nCall options:\n");
    list(text, &CALL_FLAGS)?;
    text.push_str(
        "
Credentials are looked for in AWS_BEARER_TOKEN_BEDROCK; in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
(with AWS_SESSION_TOKEN); in the profile (keys, role_arn, web_identity_token_file, sso_session,
login_session, credential_process); in AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN; and from the
container's or the EC2 instance's role. With --profile, the first two are skipped. Secrets are never
flags. `pumice auth` shows which are used, and why others are not.

Exit codes: 0 done; 1 the service refused or the model failed; 2 wrong usage; 3 credentials or access;
4 temporary, before any output; 5 failed after output had begun; 130 Ctrl-C.

`pumice COMMAND --help` shows the help of a command.
",
    );
    Ok(())
}

fn explain(text: &mut String, explained: &Explained) -> std::fmt::Result {
    writeln!(text, "{}\n\nUsage: pumice {} [OPTIONS] {}", explained.about, explained.name, explained.usage)?;
    if !explained.more.is_empty() {
        writeln!(text, "\n{}", explained.more)?;
    }
    if explained.command == Command::Call {
        let mut column = WIDEST;
        for operation in Operation::ALL {
            let name = operation.name();
            let begin = if column + name.len() < WIDEST { " " } else { "\n  " };
            column = if begin == " " { column + 1 + name.len() } else { 2 + name.len() };
            text.extend([begin, name]);
        }
        text.push('\n');
    }
    if !explained.flags.is_empty() {
        text.push_str("\nOptions:\n");
        list(text, explained.flags)?;
    }
    if explained.calls {
        text.push_str("\nCall options:\n");
        list(text, &CALL_FLAGS)?;
    }
    text.push_str("\nGlobal options:\n");
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

/// The commands that this program was built without, and the features that have them.
const LEFT_OUT: &[(&str, &str)] = &[
    #[cfg(not(feature = "bulk"))]
    ("bulk", "bulk"),
    #[cfg(not(feature = "bulk"))]
    ("batch", "bulk"),
    #[cfg(not(feature = "gateway"))]
    ("serve", "gateway"),
];

/// The longest line of a list in a help, in characters.
const WIDEST: usize = 100;

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
