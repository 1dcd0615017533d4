//! `pumice chat`: a question and the answer as it arrives, or a conversation.

use std::io::IsTerminal as _;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use pumice::conversation::{self, ThinkingLevel, Warning};
use pumice::pi::{
    self, AssistantMessage, AssistantStream, Content, Contents, Message, Model, Options, TextContent,
    UserMessage,
};
use pumice::settings::{ModelChoice, decimal};
use serde_json::Number;

use crate::answer::Answer;
use crate::args::Args;
use crate::conversation::Conversation;
use crate::failure::{Exit, Failure};
use crate::input;
#[cfg(unix)]
use crate::interrupt;
use crate::interrupt::Held;
use crate::output::{Output, Report};
use crate::prompt::Prompter;
use crate::session::Session;
use crate::stream;

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let options = options(args)?;
    let session = Session::new(args, report)?;
    let mut conversation = Conversation::open(args)?;
    if let Some(system) = args.text("system")? {
        conversation.input.context.system_prompt = Some(system.to_owned());
    }
    let choice = session.choose(args.text("model")?.or(conversation.model())).await?;
    let mut contents = files(args)?;
    let prompt = prompt(args)?;
    let json = args.has("json");
    if json && prompt.is_none() {
        return Err(Failure::usage("--json: a prompt expected").hint("pumice chat --json \"…\""));
    }
    let once = prompt.is_some() && !conversation.is_kept();
    let shows_cost = json || !once || std::io::stderr().is_terminal();
    let mut chat = Chat { session, report, options, conversation, choice, once, shows_cost };
    match prompt {
        None => chat.converse(contents).await,
        Some(prompt) => {
            #[cfg(unix)]
            interrupt::ends_the_line();
            contents.push(TextContent::new(prompt).into());
            let how = if json { How::Json } else { How::Text(None) };
            chat.turn(contents, how).await
        }
    }
}

struct Chat<'a> {
    session: Session,
    report: &'a Report,
    /// What the command line says.
    options: Options,
    conversation: Conversation,
    choice: ModelChoice,
    /// Whether there is one question, and nothing is kept.
    once: bool,
    /// Whether anyone sees what the answer cost.
    shows_cost: bool,
}

/// How an answer is shown.
enum How<'a> {
    /// With what ends it before its end, if anything does.
    Text(Option<&'a mut Held>),
    Json,
}

impl Chat<'_> {
    /// Asks the user and the model in turn. The files go with the first question.
    async fn converse(&mut self, mut files: Vec<Content>) -> Result<(), Failure> {
        let mut prompter = Prompter::new()?;
        self.report.dimmed(&format!("{} · Ctrl-D leaves\n", self.choice.model()));
        while let Some((asked, line)) = prompter.ask(self.report).await? {
            prompter = asked;
            let mut contents = files.clone();
            contents.push(TextContent::new(line).into());
            let mut interrupt = Held::new();
            let before = self.conversation.messages().len();
            match self.turn(contents, How::Text(Some(&mut interrupt))).await {
                Ok(()) => {}
                // Nobody reads the answers any more.
                Err(failure) if failure.exit == Exit::Closed => return Err(failure),
                Err(failure) => self.report.failure(&failure),
            }
            if self.conversation.messages().len() > before {
                files.clear();
            }
        }
        Ok(())
    }

    /// A question and its answer. They are kept if anything came of it.
    async fn turn(&mut self, contents: Vec<Content>, how: How<'_>) -> Result<(), Failure> {
        let mut question = UserMessage::new().content(Contents(contents));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        question.timestamp = Number::from_u128(now.as_millis());
        let before = self.conversation.messages().len();
        self.conversation.messages().push(question.into());
        let (message, failure) = match self.answer(how).await {
            Ok(Some((message, failure))) => (message, failure),
            other => {
                self.conversation.messages().truncate(before);
                return other.map(|_| ());
            }
        };
        if failure.is_some() && message.blocks().is_empty() {
            self.conversation.messages().truncate(before);
        } else {
            self.conversation.messages().push(message.into());
            self.conversation.save()?;
        }
        failure.map_or(Ok(()), Err)
    }

    /// Asks, and shows the answer. Gives the message, with what it failed of in its middle; nothing where the
    /// user had enough before it began.
    async fn answer(&mut self, how: How<'_>) -> Result<Option<(AssistantMessage, Option<Failure>)>, Failure> {
        let asked = Instant::now();
        match how {
            How::Json => {
                let mut output = Output::new();
                let events = output.wait_for(self.ask()).await??;
                let message = stream::print(events, &mut output).await?;
                Ok(Some((message, None)))
            }
            How::Text(mut interrupt) => {
                let mut answer = Answer::new(self.report, asked);
                let asking = answer.output.wait_for(self.ask());
                let events = match &mut interrupt {
                    Some(interrupt) => interrupt.unless(asking).await,
                    None => Some(asking.await),
                };
                let Some(events) = events else { return Ok(None) };
                let mut events = events??;
                if events.failure().is_some() {
                    return match events.into_failure() {
                        Some(error) => Err(self.session.failure(self.choice.model(), error).await),
                        None => Ok(None),
                    };
                }
                if self.once {
                    events = events.without_content();
                }
                answer.print(events, interrupt).await.map(Some)
            }
        }
    }

    /// Asks the first model that can be called.
    async fn ask(&mut self) -> Result<AssistantStream, Failure> {
        loop {
            let model = self.choice.model().to_owned();
            self.prepare(&model)?;
            let client = self.session.clients.of(&model);
            let events = Box::pin(pi::stream(&client, &self.conversation.input)).await;
            match events.failure() {
                Some(error) if self.choice.fall_back(error) => {
                    let next = self.choice.model();
                    self.report.warning(format_args!("{model} is not available: {error}; trying {next}"));
                }
                _ => {
                    events.warnings().iter().for_each(|warning| self.report.warning(self.worded(warning)));
                    return Ok(events);
                }
            }
        }
    }

    /// A warning in the words of the command line, where that set the parameter.
    fn worded(&self, warning: &Warning) -> String {
        let options = &self.options;
        let flag = match warning.parameter {
            "maxTokens" if options.max_tokens.is_some() => "--max-tokens",
            "temperature" if options.temperature.is_some() => "--temperature",
            "thinking" if options.reasoning.is_some() => "--think",
            parameter => parameter,
        };
        format!("{flag} {}", warning.change)
    }

    /// Names the model, and what is known of it as far as that matters.
    fn prepare(&mut self, model: &str) -> Result<(), Failure> {
        let input = &mut self.conversation.input;
        input.model = Model::new(model);
        // Who asks a model to think knows that it can.
        input.model.reasoning = self.options.reasoning.as_ref().map(|_| true);
        input.options = Some(self.options.clone());
        input.complete(self.session.settings());
        let options = input.options.get_or_insert_default();
        if self.once {
            // A question that is asked once is not asked again: to write it into a cache only costs.
            options.cache_retention.get_or_insert_with(|| "none".to_owned());
        }
        let question = match input.context.messages.as_deref().and_then(<[_]>::last) {
            Some(Message::User(UserMessage { content: Some(contents), .. })) => contents.0.as_slice(),
            _ => &[],
        };
        conversation::check_limits(question.iter().filter_map(Content::media), model)?;
        let images = question.iter().any(|content| matches!(content, Content::Image(_)));
        let thinks = options.reasoning.is_some();
        if self.shows_cost || images || thinks {
            input.model.complete_from_catalog();
        }
        if !thinks {
            // The service's own limit does where nobody asks for another, and who does is to get it.
            input.model.max_tokens = None;
            input.model.context_window = None;
        }
        if images && input.model.input.as_ref().is_some_and(|kinds| !kinds.iter().any(|kind| kind == "image"))
        {
            return Err(Failure::usage(format!("{model} takes no images"))
                .hint("pumice models list tells which models do"));
        }
        Ok(())
    }
}

/// What the command line says of the call.
fn options(args: &Args) -> Result<Options, Failure> {
    let mut options = Options::new();
    options.reasoning = args.text("think")?.map(level).transpose()?;
    options.max_tokens =
        args.number("max-tokens", "a whole number from 1", |text| text.parse().ok(), |tokens| *tokens > 0)?;
    options.temperature =
        args.number("temperature", "a number from 0 to 1", decimal, |t| (0.0..=1.0).contains(t))?;
    Ok(options)
}

/// A level of thinking. It is checked here because the request is made only when there are credentials.
fn level(text: &str) -> Result<String, Failure> {
    match ThinkingLevel::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Failure::usage(format!("--think: {error}"))),
    }
}

/// The files that go with the question.
fn files(args: &Args) -> Result<Vec<Content>, Failure> {
    let read = |path: &std::path::Path| {
        let bytes = input::read_file(path).map_err(|error| Failure::unreadable(path.display(), &error))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        Content::of_file(&name, &bytes).map_err(Failure::from)
    };
    args.paths("file").map(read).collect()
}

/// The prompt of the command line, or else what standard input holds, unless that is a terminal.
fn prompt(args: &Args) -> Result<Option<String>, Failure> {
    let words = args.rest.iter().map(|word| word.to_str()).collect::<Option<Vec<_>>>();
    let words = words.ok_or_else(|| Failure::usage("a prompt in UTF-8 expected"))?;
    let prompt = if matches!(words.as_slice(), [] | ["-"]) {
        if words.is_empty() && std::io::stdin().is_terminal() {
            return Ok(None);
        }
        input::read_text("the prompt on standard input", std::io::stdin().lock())?
    } else {
        if words.contains(&"-") {
            return Err(Failure::usage("a prompt, or - for standard input, expected; both found"));
        }
        words.join(" ")
    };
    match prompt.trim() {
        "" => Err(Failure::usage("a prompt expected, a blank one found")),
        _ => Ok(Some(prompt)),
    }
}
