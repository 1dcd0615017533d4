//! `pumice chat`: a prompt and the response as it arrives, or a conversation.

#[cfg(feature = "terminal")]
mod command;
mod conversation;
mod list;
#[cfg(feature = "terminal")]
mod prompt;
mod question;
mod saved;
#[cfg(feature = "terminal")]
mod terminal;

use std::time::{SystemTime, UNIX_EPOCH};

use pumice::conversation::{ThinkingLevel, Warning};
use pumice::pi::{
    self, AssistantMessage, AssistantStream, Content, Contents, Message, Model, Options, TextContent,
    UserMessage,
};
use pumice::settings::{ModelChoice, decimal};
use serde_json::Number;

use crate::args::Args;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::output::{Output, Report};
use crate::response::ResponsePrinter;
use crate::session::Session;
use crate::stream;
use crate::waiting;
use conversation::Conversation;
use question::Question;

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    if args.has("list") {
        return list::list(args, report);
    }
    let options = call_options(args)?;
    let session = Session::new(args, report)?;
    let mut conversation = Conversation::open(args)?;
    if let Some(system) = args.text("system")? {
        conversation.input.context.system_prompt = Some(system.to_owned());
    }
    let choice = session.choose(args.text("model")?.or(conversation.model())).await?;
    let json = args.has("json");
    let question = Question::read(args, report)?;
    if json && question.prompt.is_none() {
        return Err(Failure::usage("--json: expected a prompt").hint("pumice chat --json \"…\""));
    }
    let once = question.prompt.is_some() && !conversation.is_saved();
    let mut chat = Chat {
        session,
        report,
        options,
        conversation,
        choice,
        once,
        #[cfg(feature = "terminal")]
        last: None,
    };
    let Some(prompt) = question.prompt else {
        #[cfg(feature = "terminal")]
        return chat.converse(question.files).await;
        #[cfg(not(feature = "terminal"))]
        return Err(Failure::usage("this pumice was built without conversations at a terminal")
            .hint("name a prompt: pumice chat \"…\"; or build it with the feature terminal"));
    };
    let mut contents = question.files;
    contents.push(TextContent::new(prompt).into());
    let mut unasked = question.unasked;
    unasked.report(report);
    let mut interrupt = Interrupt::new(false);
    let result = chat.turn(contents, if json { Form::Json } else { Form::Text }, &mut interrupt).await;
    // What another program writes may come late.
    unasked.report(report);
    if let (Some(_), Err(failure)) = (interrupt.how(), &result) {
        report.failure(failure);
    }
    interrupt.end();
    result
}

struct Chat<'a> {
    session: Session,
    report: &'a Report,
    /// The options of the command line.
    options: Options,
    conversation: Conversation,
    choice: ModelChoice,
    /// Whether there is a single prompt, and nothing is saved.
    once: bool,
    /// How many messages there were before the last prompt, and what it was.
    #[cfg(feature = "terminal")]
    last: Option<(usize, Vec<Content>)>,
}

/// How a response is printed.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Json,
}

impl Chat<'_> {
    /// A prompt and its response. They stay in the conversation if anything of the response arrived.
    async fn turn(
        &mut self,
        contents: Vec<Content>,
        form: Form,
        interrupt: &mut Interrupt,
    ) -> Result<(), Failure> {
        let mut message = UserMessage::new().content(Contents(contents));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        message.timestamp = Number::from_u128(now.as_millis());
        let before = self.conversation.messages().len();
        self.conversation.messages().push(message.into());
        let (message, failure) = match self.respond(form, interrupt).await {
            Ok(Some((message, failure))) => (message, failure),
            other => {
                self.conversation.messages().truncate(before);
                return other.map(|_| ());
            }
        };
        let stopped = interrupt.how();
        if (failure.is_some() || stopped.is_some()) && message.blocks().is_empty() {
            self.conversation.messages().truncate(before);
        } else {
            self.conversation.messages().push(message.into());
            if let (Some(file), true) = (self.conversation.save()?, stopped.is_some()) {
                self.report.note(format_args!("the part that has arrived is saved in {}", file.display()));
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Calls the model and prints the response. Returns the message, with the failure if it failed midway; `None` if
    /// it was stopped before it began.
    async fn respond(
        &mut self,
        form: Form,
        interrupt: &mut Interrupt,
    ) -> Result<Option<(AssistantMessage, Option<Failure>)>, Failure> {
        match form {
            Form::Json => {
                let mut output = Output::new();
                let Some(events) = interrupt.unless(output.wait_for(self.call())).await else {
                    let model = Model::new(self.choice.model());
                    return stream::print_abort(&model, &mut output).map(|()| None);
                };
                stream::print(events??, &mut output, interrupt).await.map(Some)
            }
            Form::Text => {
                let mut printer = ResponsePrinter::new(self.report, self.session.replay.is_some());
                let report = self.report;
                let call = waiting::shown(report, printer.began, printer.output.wait_for(self.call()));
                let Some(events) = interrupt.unless(call).await else {
                    match interrupt.how() {
                        Some(how) if interrupt.goes_on => self.report.note(format_args!("stopped {how}")),
                        // After `^C`, which the terminal shows.
                        _ => self.report.dimmed("\n"),
                    }
                    return Ok(None);
                };
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
                printer.print(events, interrupt).await.map(Some)
            }
        }
    }

    /// Calls the chosen model, and its fallbacks as long as they are unavailable.
    async fn call(&mut self) -> Result<AssistantStream, Failure> {
        loop {
            let model = self.choice.model().to_owned();
            self.prepare(&model)?;
            let client = self.session.clients.of(&model);
            let events = Box::pin(pi::stream(&client, &self.conversation.sent())).await;
            match events.failure() {
                Some(error) if self.choice.fall_back(error) => {
                    let next = self.choice.model();
                    self.report.warning(format_args!("{model} is not available: {error}; trying {next}"));
                }
                _ => {
                    events.warnings().iter().for_each(|warning| self.report.warning(self.text_of(warning)));
                    return Ok(events);
                }
            }
        }
    }

    /// A warning, which names the flag if that set the parameter.
    fn text_of(&self, warning: &Warning) -> String {
        let options = &self.options;
        let flag = match warning.parameter {
            "maxTokens" if options.max_tokens.is_some() => "--max-tokens",
            "temperature" if options.temperature.is_some() => "--temperature",
            "thinking" if options.reasoning.is_some() => "--think",
            parameter => parameter,
        };
        format!("{flag} {}", warning.change)
    }

    /// Sets the model of the request, and what is known of it as far as the call needs it.
    fn prepare(&mut self, model: &str) -> Result<(), Failure> {
        let input = &mut self.conversation.input;
        input.model = Model::new(model);
        input.options = Some(self.options.clone());
        input.complete(self.session.settings());
        let options = input.options.get_or_insert_default();
        if self.once {
            // A single prompt is not sent again, so that writing it to the cache would only cost.
            options.cache_retention.get_or_insert_with(|| "none".to_owned());
        }
        let contents = match input.context.messages.as_deref().and_then(<[_]>::last) {
            Some(Message::User(UserMessage { content: Some(contents), .. })) => contents.0.as_slice(),
            _ => &[],
        };
        let images = contents.iter().any(|content| matches!(content, Content::Image(_)));
        let thinks = options.reasoning.is_some();
        input.model.complete_from_catalog();
        if thinks {
            // A user who asks a model to think knows that it can.
            input.model.reasoning.get_or_insert(true);
        } else if options.max_tokens.is_some() {
            // --max-tokens is sent as it is.
            input.model.context_window = None;
        }
        if images && input.model.input.as_ref().is_some_and(|kinds| !kinds.iter().any(|kind| kind == "image"))
        {
            return Err(Failure::usage(format!("{model} takes no images"))
                .hint("run pumice models list --input image for models that do"));
        }
        Ok(())
    }
}

/// The options of the command line.
fn call_options(args: &Args) -> Result<Options, Failure> {
    let mut options = Options::new();
    options.repair = Some(!args.has("strict"));
    options.reasoning = args.text("think")?.map(|text| level("--think", text)).transpose()?;
    options.max_tokens =
        args.number("max-tokens", "a whole number from 1", |text| text.parse().ok(), |tokens| *tokens > 0)?;
    options.temperature =
        args.number("temperature", "a number from 0 to 1", decimal, |t| (0.0..=1.0).contains(t))?;
    Ok(options)
}

/// A level of thinking. It is checked here, because the request is built only once there are credentials.
fn level(of: &str, text: &str) -> Result<String, Failure> {
    match ThinkingLevel::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(Failure::usage(format!("{of}: {error}"))),
    }
}
