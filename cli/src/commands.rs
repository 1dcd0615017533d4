//! The commands and their options: one table. The command line is [read](crate::args) by it; [`help`](crate::help),
//! `man` and `completions` are written from it.

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Shows the help of a command, or of the program.
    Help(Option<&'static Explained>, Detail),
    Version,
    Chat,
    Stream,
    Converse,
    Call,
    Embed,
    Decode,
    Models,
    Auth,
    Doctor,
    Token,
    Completions,
    Man,
    Config,
    #[cfg(feature = "bulk")]
    Bulk,
    #[cfg(feature = "bulk")]
    Batch,
    #[cfg(feature = "gateway")]
    Serve,
}

/// How much a help says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// `-h`
    Short,
    /// `--help`
    Long,
}

/// A command and its help.
#[derive(PartialEq, Eq)]
pub(crate) struct Explained {
    pub(crate) command: Command,
    pub(crate) name: &'static str,
    /// What follows the name.
    pub(crate) usage: &'static str,
    /// One line.
    pub(crate) about: &'static str,
    /// The details: paragraphs, and lines that stay as they are, which begin with two spaces.
    pub(crate) more: &'static str,
    /// What each example does, and its command line.
    pub(crate) examples: &'static [(&'static str, &'static str)],
    pub(crate) flags: &'static [Flag],
    pub(crate) needs: Needs,
    /// Whether it takes words that are not flags.
    pub(crate) takes_rest: bool,
}

/// What a command needs beyond the program, which decides the options in its help.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Needs {
    /// At most the settings file.
    Nothing,
    /// Credentials and a region.
    Credentials,
    /// A call of Bedrock.
    Calls,
}

#[derive(PartialEq, Eq)]
pub(crate) struct Flag {
    pub(crate) long: &'static str,
    pub(crate) short: Option<char>,
    /// What its value is called, if it has one. The name decides what shells complete.
    pub(crate) value: Option<&'static str>,
    /// Whether it may be given more than once, each time with one more value.
    pub(crate) repeats: bool,
    pub(crate) about: &'static str,
}

const fn flag(long: &'static str, about: &'static str) -> Flag {
    Flag { long, short: None, value: None, repeats: false, about }
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

    const fn repeats(mut self) -> Self {
        self.repeats = true;
        self
    }
}

pub(crate) static COMMANDS: &[Explained] = &[
    Explained {
        command: Command::Chat,
        name: "chat",
        usage: "[PROMPT…]",
        about: "Ask a model and read the response as it arrives",
        more: "\
The words of the prompt are joined by spaces; put -- before words that begin with -. Standard input is read
if there are no words, or in the place of a `-` among them. Without words at a terminal, pumice starts a
conversation: Ctrl-D leaves it, Ctrl-C stops a response or clears the line, Alt-Enter breaks the line,
/help lists commands, and a line that begins with a space stays out of the history.

Only the response goes to standard output. On a terminal its Markdown is styled and its words are wrapped;
code stays as it is. If standard error is a terminal, it shows the model's thinking and a last line with the
model, its tokens, their price and the time.

--file takes images (PNG, JPEG, GIF, WebP), PDFs, Word or Excel files, and text; it looks at the content,
not the name. `-` is standard input. A message takes up to 20 images of 3.75 MB and 5 documents of 4.5 MB.

--save writes the conversation to a new FILE: JSON in pi-ai's format, readable by you only. --continue
continues the conversation in a file, with its model unless -m names another, and saves it there or in the
FILE of --save. --session does both for a conversation in the state folder; --list shows these and where
they are. If Ctrl-C stops a response, the part that has arrived is saved.",
        examples: &[
            ("Ask", "pumice chat \"Why does pumice float?\""),
            ("Review a change", "git diff | pumice chat \"Review this:\" -"),
            (
                "Ask about a file, with another model",
                "pumice chat -m us.amazon.nova-pro-v1:0 -f report.pdf \"Summarize this\"",
            ),
            ("Hold a conversation, and keep it", "pumice chat --session talk"),
        ],
        flags: &[
            flag(
                "model",
                "Model id, inference profile id, ARN or alias [default: PUMICE_MODEL, the settings]",
            )
            .short('m')
            .value("MODEL"),
            flag("system", "System prompt").short('s').value("SYSTEM"),
            flag("file", "Attach an image or a document").short('f').value("FILE|-").repeats(),
            flag("think", "Thinking level: off, minimal, low, medium, high, xhigh or max").value("LEVEL"),
            flag("json", "Print events as JSON Lines, as `pumice stream` does"),
            flag("save", "Save the conversation in a new file").value("FILE"),
            flag("force", "Let --save replace another conversation"),
            flag("continue", "Continue the conversation in a file, and save it there").value("FILE"),
            flag("session", "Begin or continue the saved conversation of this name").value("NAME"),
            flag("list", "List the conversations of --session"),
            flag("plain", "Do not style or wrap the text on a terminal"),
            flag("max-tokens", "Output limit, in tokens").value("N"),
            flag("temperature", "Sampling temperature, 0 to 1").value("T"),
            flag("strict", "Do not repair a request that the service refuses"),
        ],
        needs: Needs::Calls,
        takes_rest: true,
    },
    Explained {
        command: Command::Stream,
        name: "stream",
        usage: "",
        about: "For agents: a conversation as JSON in, events as JSON Lines out",
        more: "\
Standard input is one JSON object in pi-ai's format:

  {\"model\": {\"id\": \"us.amazon.nova-lite-v1:0\"},
   \"context\": {\"systemPrompt\": \"Be brief.\",
               \"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]},
   \"options\": {\"maxTokens\": 500, \"reasoning\": \"low\"}}

Each event is a line of JSON: start, text_start, text_delta, text_end, thinking_…, toolcall_…. The last is
always done or error, and holds the whole message:

  {\"type\":\"text_delta\",\"contentIndex\":0,\"delta\":\"Hello\"}
  {\"type\":\"done\",\"reason\":\"stop\",\"message\":{…}}

The history is repaired before it is sent, unless the options say \"repairHistory\": false.

With --session, each line of standard input is such an object with an id of yours, {\"id\": \"7\", …}, and any
number run at once. {\"id\": \"7\", \"abort\": true} ends one. The first line out is
{\"type\":\"hello\",…}; each event has its id. docs/stream.md describes all events.",
        examples: &[("Run one turn of an agent", "pumice stream < turn.json")],
        flags: &[flag("session", "Run many conversations: one JSON object with an id per line")],
        needs: Needs::Calls,
        takes_rest: false,
    },
    Explained {
        command: Command::Converse,
        name: "converse",
        usage: "--request FILE|-",
        about: "The Converse API: a request as JSON in, JSON Lines out",
        more: "\
The request is one JSON object: the API's members and modelId, blobs in base64. The response is
ConverseStream's: one line of JSON per event, under the API's own names.",
        examples: &[
            ("Call ConverseStream", "pumice converse --request request.json"),
            (
                "Call Converse, and print the text",
                "pumice converse --no-stream --request request.json |\n      jq -r '.output.message.content[].text // empty'",
            ),
        ],
        flags: &[
            flag("request", "The request; `-` for standard input").value("FILE|-"),
            flag("no-stream", "Call Converse: the whole response as one line of JSON"),
        ],
        needs: Needs::Calls,
        takes_rest: false,
    },
    Explained {
        command: Command::Call,
        name: "call",
        usage: "OPERATION [--request FILE|-]",
        about: "Call an operation by name, with JSON in and JSON out",
        more: "\
The request is one JSON object under the service model's own names (contentType, typeEquals), blobs in
base64. The response has the same form, on one line; a stream has one line per event. All pages of a list
are fetched. OPERATION is one of these:",
        examples: &[
            ("List the foundation models", "pumice call ListFoundationModels"),
            ("Count the tokens of a request", "pumice call CountTokens --request count.json"),
        ],
        flags: &[
            flag("request", "The request; `-` for standard input [default: an empty request]")
                .value("FILE|-"),
            flag("raw", "InvokeModel: print only the body of the response, unchanged"),
        ],
        needs: Needs::Calls,
        takes_rest: true,
    },
    Explained {
        command: Command::Embed,
        name: "embed",
        usage: "[TEXT…]",
        about: "Turn texts into vectors, with Titan's or Cohere's models",
        more: "\
Prints a vector for each TEXT, or for each line of standard input if there is no TEXT: a list of numbers on
one line, in the order of the texts. Cohere's models take 96 texts per call. Up to 8 calls run at once.

Compare vectors only if they are from one model and have the same dimensions. --input-type is for Cohere's
models: search_document, search_query, classification or clustering.",
        examples: &[
            ("Embed a text", "pumice embed \"Why does pumice float?\""),
            ("Embed the lines of a file", "pumice embed --json < lines.txt > vectors.jsonl"),
            (
                "Embed a question for a search",
                "pumice embed -m cohere.embed-v4:0 --input-type search_query \"pumice\"",
            ),
        ],
        flags: &[
            flag("model", "Embedding model [default: amazon.titan-embed-text-v2:0]")
                .short('m')
                .value("MODEL"),
            flag("dimensions", "Length of the vectors [default: the model's]").value("N"),
            flag("input-type", "What the vectors are for [default: search_document]").value("TYPE"),
            flag("json", "Print {\"text\":…,\"embedding\":[…]} per text"),
        ],
        needs: Needs::Calls,
        takes_rest: true,
    },
    #[cfg(feature = "bulk")]
    Explained {
        command: Command::Bulk,
        name: "bulk",
        usage: "IN.jsonl --out OUT.jsonl",
        about: "Send the requests of a file, as many at once as the service allows",
        more: "\
Each line of IN is {\"recordId\": …, \"modelInput\": {Converse's members}} or {\"prompt\": \"…\"}, with a
modelId in either. Each line of OUT is {\"recordId\", \"modelInput\", \"modelOutput\"}, or has an \"error\" in
place of the output, as Bedrock's batch jobs write them. What OUT has already is not sent again, so the
same command continues a run that was stopped or killed.

The number of requests at once follows what the service throttles. Progress and totals go to standard
error. The exit code is 1 if a record has an error.",
        examples: &[
            ("Send the requests, or continue", "pumice bulk in.jsonl --out out.jsonl -m us.amazon.nova-lite-v1:0"),
            ("Count them and estimate the price", "pumice bulk in.jsonl --dry-run"),
        ],
        flags: &[
            flag("out", "File of the results; continued if it exists").value("FILE"),
            flag("model", "Model of requests that name none [default: PUMICE_MODEL, the settings]")
                .short('m')
                .value("MODEL"),
            flag("concurrency", "Maximum requests at once [default: 32]").value("N"),
            flag("ordered", "Put OUT into the order of IN at the end"),
            flag("retry-failed", "Send records that have an error in OUT again"),
            flag("dry-run", "Check and count the requests and estimate their price; send nothing"),
            flag("summary", "Write the totals as JSON; `-` for standard output").value("FILE|-"),
        ],
        needs: Needs::Calls,
        takes_rest: true,
    },
    #[cfg(feature = "bulk")]
    Explained {
        command: Command::Batch,
        name: "batch",
        usage: "submit IN.jsonl | status JOB | wait JOB | fetch JOB | list | stop JOB",
        about: "Many requests as a job of Bedrock's batch inference, at half the price",
        more: "\
Each line of IN.jsonl is {\"recordId\": …, \"modelInput\": {Converse's members}} or {\"prompt\": \"…\"}, as for
`pumice bulk`. IN.jsonl may be an s3:// address: of a file, or of a folder, which ends with /.

`submit` checks each line, uploads the file into a folder in --s3 with the job's name, creates the job and
prints its ARN. Input in S3 is used where it is. Bedrock reads and writes with the --role: see docs/bulk.md.

`wait` returns when the job has ended, with exit code 0 only if it is Completed. `fetch` writes the results
in the order of the input, and errors to OUT.errors.jsonl. JOB is the ARN of a job, its id or its name.",
        examples: &[
            (
                "Create a job",
                "pumice batch submit in.jsonl --s3 s3://my-bucket/jobs \\\n      --role arn:aws:iam::123456789012:role/batch",
            ),
            ("Wait for it and fetch its results", "pumice batch wait NAME && pumice batch fetch NAME --out out.jsonl"),
            ("See the jobs that are under way", "pumice batch list --status InProgress"),
        ],
        flags: &[
            flag("s3", "submit: folder for the input and the results, s3://BUCKET/PREFIX").value("S3URI"),
            flag("role", "submit: ARN of the role with which Bedrock reads and writes").value("ARN"),
            flag("model", "submit: model of requests that name none [default: PUMICE_MODEL, the settings]")
                .short('m')
                .value("MODEL"),
            flag("name", "submit: name of the job [default: from the file and the time]; list: only jobs with NAME \
                          in theirs")
                .value("NAME"),
            flag("hours", "submit: hours until the job expires, 24 to 168").value("N"),
            flag("tag", "submit: a tag of the job").value("KEY=VALUE").repeats(),
            flag("kms-key", "submit: KMS key to encrypt input and results with").value("ID"),
            flag("invoke-model", "submit: each modelInput is a body of InvokeModel, in the model's own format"),
            flag("force", "submit: allow fewer than 100 records, or more than 1 GB; fetch: replace files"),
            flag("every", "wait: maximum time between two checks [default: 60]").value("SECONDS"),
            flag("out", "fetch: file of the results [default: the job's name with .jsonl]").value("FILE"),
            flag("status", "list: only jobs with this status").value("STATUS"),
            flag("after", "list: only jobs created after this day or time").value("TIME"),
            flag("before", "list: only jobs created before this day or time").value("TIME"),
            flag("json", "status, list: print the API's own JSON, one line per job"),
        ],
        needs: Needs::Calls,
        takes_rest: true,
    },
    #[cfg(feature = "gateway")]
    Explained {
        command: Command::Serve,
        name: "serve",
        usage: "",
        about: "Serve Bedrock to the SDKs of OpenAI, Anthropic and AWS",
        more: "\
Set OPENAI_BASE_URL, ANTHROPIC_BASE_URL or AWS_ENDPOINT_URL_BEDROCK_RUNTIME of a program to the value that is
printed. Credentials are found as by every command. ADDRESS is HOST:PORT (port 0 picks one) or unix:PATH.

PUMICE_API_KEY or --api-key-file set the keys that callers need; without a key, only this machine can call.
A key file has one key per line, as KEY or NAME:KEY.

Each call is logged as one line on standard error, without its content. GET /healthz, /readyz and /metrics
are for monitoring, and / is a page for people. SIGTERM and Ctrl-C let calls under way end, for 30 seconds
at most; a second one ends them at once.",
        examples: &[
            ("Serve programs on this machine", "pumice serve"),
            (
                "Serve the tests of a program from a recording",
                "pumice serve --replay calls.jsonl --listen 127.0.0.1:0",
            ),
        ],
        flags: &[
            flag("listen", "Where to listen [default: 127.0.0.1:8790]").value("ADDRESS"),
            flag("api-key-file", "File of the keys that callers need").value("FILE"),
            flag("allow-host", "Another host name that callers may use").value("NAME").repeats(),
            flag("allow-origin", "An origin whose web pages may call").value("ORIGIN").repeats(),
            flag("max-connections", "Maximum connections at once [default: 1024]").value("N"),
            flag("log", "Log as text or json [default: text]").value("FORM"),
            flag("replay-loop", "Start the --replay recording again at its end"),
        ],
        needs: Needs::Calls,
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
        examples: &[("Print the events of a recorded response", "pumice decode --events response.bin")],
        flags: &[
            flag("json", "Print each frame as JSON: {\"headers\":{…},\"payload\":…}"),
            flag("events", "Print each event as `pumice converse` does, with exceptions and errors"),
        ],
        needs: Needs::Nothing,
        takes_rest: true,
    },
    Explained {
        command: Command::Models,
        name: "models",
        usage: "list|show [MODEL]",
        about: "List the models that can be called, or show one",
        more: "\
`list` shows the models of the settings file, then those of the service for this account and region. The
service's list is cached for an hour, or as long as the settings say.

`show MODEL` shows all that is known of one model, and the inference profiles that serve it. Prices are in
US dollars per million tokens.",
        examples: &[
            ("List the models that can be called", "pumice models list"),
            ("Find a cheap one that reads images", "pumice models list --input image --sort price"),
            (
                "See why a model cannot be called",
                "pumice models show anthropic.claude-sonnet-4-5-20250929-v1:0",
            ),
        ],
        flags: &[
            flag("json", "Print one line of JSON"),
            flag("plain", "Print one model per line: amazon-bedrock/ID"),
            flag("provider", "Only models of this provider, by its name or the beginning of its ids").value("NAME"),
            flag("input", "Only models that read this: text or image").value("KIND"),
            flag("search", "Only models with all these words in id, name or provider").value("WORDS"),
            flag("sort", "Sort by id, name, provider, price, context or output").value("KEY"),
            flag("all", "Include models that cannot be called, with the reason"),
            flag("refresh", "Call the service even if a list is cached"),
            flag("local", "Only the models of the settings file; use no network"),
        ],
        needs: Needs::Calls,
        takes_rest: true,
    },
    Explained {
        command: Command::Config,
        name: "config",
        usage: "get PATH | set PATH VALUE | unset PATH | path | show",
        about: "Read, set or remove members of the settings file",
        more: "\
The file is that of --config, else of PUMICE_CONFIG, else pumice/config.json5 in the configuration folder.
It is JSON5 in OpenClaw's format.

PATH is like agents.defaults.model.primary (short: model) or
models.providers[\"amazon-bedrock\"].models[0]. VALUE is JSON5, or else plain text. `set` checks the whole
file before it writes it, and keeps comments. `show` prints the members that pumice reads, without secrets.",
        examples: &[
            ("Choose the model of every call", "pumice config set model us.amazon.nova-pro-v1:0"),
            ("See the settings that have an effect", "pumice config show"),
        ],
        flags: &[],
        needs: Needs::Nothing,
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
        examples: &[("See which credentials are used", "pumice auth")],
        flags: &[
            flag("json", "Print one line of JSON, without secrets"),
            flag("offline", "Ask no service and run no command; show which would be asked or run"),
        ],
        needs: Needs::Credentials,
        takes_rest: false,
    },
    Explained {
        command: Command::Doctor,
        name: "doctor",
        usage: "[MODEL]",
        about: "Check everything that a call needs, and say what to do",
        more: "\
Checks the settings, the AWS files, the credentials and whose they are, the region, proxy, DNS, connection,
TLS and clock, and the permissions to list models and inference profiles. With a MODEL [default:
PUMICE_MODEL], also: whether it is known and can be called by this id, the account's access to it, the
profile to use, and what a call takes off the quota. Each line is ok, warn or fail, with a hint where
something can be done. No secret is printed. The exit code is 0 if nothing fails, otherwise that of a call.",
        examples: &[
            ("Check everything", "pumice doctor"),
            ("Check a model too, with a short call", "pumice doctor --probe us.amazon.nova-lite-v1:0"),
        ],
        flags: &[
            flag("probe", "Ask the MODEL for one word; show the time to the first token and the price"),
            flag("json", "Print one line of JSON, without secrets"),
        ],
        needs: Needs::Credentials,
        takes_rest: true,
    },
    Explained {
        command: Command::Token,
        name: "token",
        usage: "",
        about: "Make a short-term Bedrock API key from the credentials",
        more: "\
For programs that take only a key. Prints the key, and to standard error when it expires: after --ttl, or
with the credentials it is made from if they expire first. Only the services that give credentials are
asked. The key is valid in one region.",
        examples: &[(
            "Give Claude Code a key for one hour",
            "AWS_BEARER_TOKEN_BEDROCK=$(pumice token --ttl 3600) claude",
        )],
        flags: &[flag("ttl", "How long the key is valid, at most 43200 [default: 43200]").value("SECONDS")],
        needs: Needs::Credentials,
        takes_rest: false,
    },
    Explained {
        command: Command::Completions,
        name: "completions",
        usage: "bash|zsh|fish|powershell",
        about: "Print shell completions",
        more: "\
Put one of these where your shell starts:

  source <(pumice completions bash)     # ~/.bashrc
  source <(pumice completions zsh)      # ~/.zshrc, after compinit
  pumice completions fish | source      # ~/.config/fish/config.fish
  pumice completions powershell | Out-String | Invoke-Expression   # $PROFILE

`pumice completions models` prints the ids of the models that are cached or in the settings file, without
network. The shells complete -m with them.",
        examples: &[("Try them in this shell", "source <(pumice completions bash)")],
        flags: &[],
        needs: Needs::Nothing,
        takes_rest: true,
    },
    Explained {
        command: Command::Man,
        name: "man",
        usage: "",
        about: "Print the manual page",
        more: "",
        examples: &[("Read it", "pumice man | man -l -")],
        flags: &[],
        needs: Needs::Nothing,
        takes_rest: false,
    },
];

pub(crate) static CALL_FLAGS: [Flag; 6] = [
    flag("auto-profile", "Use an inference profile if the model is served only through one"),
    flag("patient", "Wait out throttling and lack of capacity, up to 10 minutes"),
    flag("record", "Record requests and responses in a file").value("FILE"),
    flag("replay", "Replay a recording, without network or credentials").value("FILE"),
    flag("replay-strict", "Fail if a request differs from the recorded one"),
    flag("replay-speed", "Replay X times as fast as recorded [default: at once]").value("X"),
];

/// Who calls, and where: for commands that need credentials.
pub(crate) static AWS_FLAGS: [Flag; 6] = [
    flag(
        "region",
        "AWS region [default: AWS_REGION, AWS_DEFAULT_REGION, profile, endpoint URL, settings, instance, \
         us-east-1]",
    )
    .value("REGION"),
    flag(
        "profile",
        "AWS profile; skips keys in the environment [default: PUMICE_PROFILE, AWS_PROFILE, the settings]",
    )
    .value("PROFILE"),
    flag("endpoint-url", "URL of the runtime, such as a gateway").value("URL"),
    flag("project", "Bedrock project of the calls, by id or ARN [default: the settings]").value("ID"),
    flag("no-credential-cache", "Do not cache the keys of roles on disk"),
    flag("timeout", "Give up after SECONDS without data [default: 300]").value("SECONDS"),
];

pub(crate) static GLOBAL_FLAGS: [Flag; 5] = [
    flag("config", "Settings file [default: PUMICE_CONFIG, pumice/config.json5 in the configuration folder]")
        .value("FILE"),
    flag("verbose", "Log each step to standard error").short('v'),
    flag("color", "Colors and styles: auto, always or never [default: auto]").value("WHEN"),
    flag("help", "Show help: -h in short, --help in full").short('h'),
    flag("version", "Print the version").short('V'),
];

/// The flags that are allowed after this command, or before any command.
pub(crate) fn flags_of(explained: Option<&'static Explained>) -> impl Iterator<Item = &'static Flag> {
    let own = explained.map_or(&[][..], |explained| explained.flags);
    // Before the command is known, it may be one that takes the flags of calls.
    let calls = explained.is_none_or(|explained| explained.needs == Needs::Calls);
    let calls = if calls { &CALL_FLAGS[..] } else { &[] };
    own.iter().chain(calls).chain(&AWS_FLAGS).chain(&GLOBAL_FLAGS)
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
