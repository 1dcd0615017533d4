//! `pumice chat`: a question, and the answer as it arrives.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use pumice::assistant::{
    self, Context, Input, Message as AgentMessage, Model, Options, Prepared, Surroundings,
};
use pumice::converse::{ContentBlockDelta, InferenceConfiguration, ReasoningContentBlockDelta, StopReason};
use pumice::reply::ReplyBuilder;
use pumice::{Event, EventStream};

use crate::args::Args;
use crate::failure::Failure;
use crate::input;
use crate::output::{Output, Report};
use crate::session::{self, Session};
use crate::stream;

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let session = Session::new(args, report)?;
    let mut models = session.models(args.text("model")?).await?.into_iter().peekable();
    let mut input = question(args)?;
    if args.has("json") {
        input.model.id = models.next().unwrap_or_default();
        let mut output = Output::new();
        let events = assistant::stream(&session.client_for(&input.model.id), &input).await;
        return stream::print(events, &mut output).await;
    }

    let asked = Instant::now();
    let (model, events) = loop {
        let Some(model) = models.next() else { return Err(Failure::usage("a model expected")) };
        input.model.id.clone_from(&model);
        let mut request = Prepared::new(&input, &Surroundings::default())?.request().clone();
        request.inference_config =
            request.inference_config.filter(|config| *config != InferenceConfiguration::new());
        session.settings.complete(&mut request);
        match (session.client_for(&model).converse_stream(&request).await, models.peek()) {
            (Ok(events), _) => break (model, events),
            (Err(error), Some(next)) if session::is_unavailable(&error) => {
                report.warning(format_args!("{model} is not available: {error}; trying {next}"));
            }
            (Err(error), _) => return Err(session.failure(&model, error).await),
        }
    };
    let mut answer = Answer {
        output: Output::new(),
        report,
        reply: ReplyBuilder::new(),
        asked,
        first: None,
        thinking: false,
    };
    let result = answer.print(events).await;
    answer.end_line()?;
    match result {
        Ok(()) => {
            answer.sum_up(&model);
            Ok(())
        }
        Err(failure) => Err(failure),
    }
}

/// What is asked, of no model yet: each family has its own words for thinking.
fn question(args: &Args) -> Result<Input, Failure> {
    let mut options = Options::new();
    options.reasoning = args.text("think")?.map(str::to_owned);
    // A question that is asked once is not asked again: to write it into a cache only costs.
    options.cache_retention = Some("none".to_owned());
    options.max_tokens = args.number("max-tokens", "a whole number from 1", |tokens: u64| tokens > 0)?;
    options.temperature =
        args.number("temperature", "a number from 0 to 1", |t: f64| (0.0..=1.0).contains(&t))?;
    let mut context = Context::new().message(AgentMessage::user(prompt(args)?));
    context.system_prompt = args.text("system")?.map(str::to_owned);
    Ok(Input::new(Model::new("").reasoning(options.reasoning.is_some()), context).options(options))
}

/// The prompt of the command line, or else what standard input holds.
fn prompt(args: &Args) -> Result<String, Failure> {
    let words = args.rest.iter().map(|word| word.to_str()).collect::<Option<Vec<_>>>();
    let words = words.ok_or_else(|| Failure::usage("a prompt in UTF-8 expected"))?;
    let prompt = if matches!(words.as_slice(), [] | ["-"]) {
        if words.is_empty() && std::io::stdin().is_terminal() {
            return Err(
                Failure::usage("a prompt expected").hint("pumice chat \"…\", or give it on standard input")
            );
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
        _ => Ok(prompt),
    }
}

/// An answer on its way to the user.
struct Answer<'a> {
    output: Output,
    report: &'a Report,
    reply: ReplyBuilder,
    asked: Instant,
    /// When the first text or thinking came, after the question.
    first: Option<Duration>,
    /// Whether the last thing on standard error is thinking, whose line has not ended.
    thinking: bool,
}

impl Answer<'_> {
    /// Prints the text as it arrives.
    async fn print(&mut self, mut events: EventStream) -> Result<(), Failure> {
        loop {
            let next = match events.ready_event() {
                // Nothing more has arrived: what has been printed goes out before the wait.
                Ok(None) => self.output.wait_for(events.next_event()).await?,
                ready => ready,
            };
            match next {
                Ok(Some(event)) => {
                    self.show(&event);
                    self.reply.push(event);
                }
                Ok(None) => return self.output.flush(),
                Err(error) => {
                    self.output.flush()?;
                    return Err(if self.output.begun { Failure::after_output(&error) } else { error.into() });
                }
            }
        }
    }

    fn show(&mut self, event: &Event) {
        let Event::ContentBlockDelta(event) = event else { return };
        match &event.delta {
            ContentBlockDelta::Text(text) => {
                if self.thinking {
                    self.thinking = false;
                    self.report.dimmed("\n");
                }
                self.output.text(text);
            }
            ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Text(text)) => {
                self.thinking = true;
                self.report.dimmed(text);
            }
            _ => return,
        }
        self.first.get_or_insert_with(|| self.asked.elapsed());
    }

    /// Ends the last line, of the answer and of the thinking.
    fn end_line(&mut self) -> Result<(), Failure> {
        if self.thinking {
            self.report.dimmed("\n");
        }
        if !self.output.at_line_start {
            self.output.text("\n");
        }
        self.output.flush()
    }

    /// Says what the answer's text does not.
    fn sum_up(self, model: &str) {
        let response = self.reply.finish();
        let message = response.message();
        for tool in message.iter().flat_map(|message| message.tool_uses()) {
            self.report.note(format_args!(
                "the model asks for the tool {} with {}",
                tool.name,
                beginning(tool.input.text())
            ));
        }
        match &response.stop_reason {
            Some(StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolUse) | None => {}
            Some(StopReason::MaxTokens) => {
                self.report.note("the answer was cut off: it reached the limit of tokens (--max-tokens)");
            }
            Some(other) => self.report.note(format_args!("the answer ended with {other}")),
        }

        let mut facts = vec![model.to_owned()];
        if let Some(usage) = &response.usage {
            let cached = match usage.cache_read_input_tokens {
                Some(tokens) if tokens > 0 => format!(" (+{tokens} from cache)"),
                _ => String::new(),
            };
            let count = |tokens: Option<u64>| tokens.map_or("?".into(), |tokens| tokens.to_string());
            facts.push(format!(
                "{} tokens in{cached}, {} out",
                count(usage.input_tokens),
                count(usage.output_tokens)
            ));
        }
        if let Some(first) = self.first {
            facts.push(format!("first token after {:.2} s", first.as_secs_f64()));
        }
        facts.push(format!("{:.2} s in all", self.asked.elapsed().as_secs_f64()));
        self.report.dimmed(&format!("{}\n", facts.join(" · ")));
    }
}

/// As much as a note has room for.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(LONGEST_NOTE) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

const LONGEST_NOTE: usize = 500;
