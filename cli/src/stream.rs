//! `pumice stream`: a conversation in an agent's form on standard input, events on standard output.

mod many;

use std::time::SystemTime;

use pumice::pi::{
    self, AssistantEvent, AssistantMessage, AssistantStream, Input, Model, ResponseBuilder, StopReason,
};

use crate::args::Args;
use crate::failure::{Exit, Failure};
use crate::input;
use crate::interrupt::Interrupt;
use crate::output::{Output, Report};
use crate::response::abandoned;
use crate::session::{self, Session};

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    if args.has("session") {
        return many::run(args, report).await;
    }
    let mut output = Output::new();
    let mut model = Model::new("");
    let mut interrupt = Interrupt::new(false);
    let begun = Box::pin(begin(args, report, &mut model, &mut output));
    let result = match interrupt.unless(begun).await {
        Some(Ok(events)) => match print(events, &mut output, &mut interrupt).await {
            Ok((_, None)) => Ok(()),
            Ok((_, Some(failure))) | Err(failure) => Err(failure),
        },
        // Nobody reads.
        Some(Err(failure)) if failure.exit == Exit::Closed => Err(failure),
        Some(Err(failure)) => Err(print_failure(&model, failure, &mut output)),
        None => print_abort(&model, &mut output),
    };
    interrupt.end();
    result
}

/// Prints a failure of the command line as an event.
pub(crate) fn as_event(failure: Failure) -> Failure {
    if std::env::args_os().any(|word| word == "--session") {
        return many::refused(failure, &mut many::greeted());
    }
    print_failure(&Model::new(""), failure, &mut Output::new())
}

/// Prints a failure as an event: those who read the events learn why there are no others.
fn print_failure(model: &Model, failure: Failure, output: &mut Output) -> Failure {
    let response = ResponseBuilder::unprepared(model, SystemTime::now());
    let event = response.fail_with(&failure.text());
    let printed = print_event(&event, output).and_then(|()| output.flush());
    printed.err().unwrap_or(failure)
}

/// Prints the event of a call that was stopped before its response began.
pub(crate) fn print_abort(model: &Model, output: &mut Output) -> Result<(), Failure> {
    print_event(&ResponseBuilder::unprepared(model, SystemTime::now()).abort(), output)?;
    output.flush()
}

/// Reads the input and makes the call. `model` is set to the input's as soon as that is known.
async fn begin(
    args: &Args,
    report: &Report,
    model: &mut Model,
    output: &mut Output,
) -> Result<AssistantStream, Failure> {
    input::announce("one JSON object", report);
    // On a thread of its own, so that a signal is heard meanwhile.
    let read = || input::read_text("standard input", input::stdin());
    let text =
        tokio::task::spawn_blocking(read).await.map_err(|error| Failure::refused(error.to_string()))??;
    let mut input = Input::from_json(&text).map_err(|error| {
        Failure::from(error).hint(
            r#"the smallest input is {"model": {"id": "MODEL"}, "context": {"messages": [{"role": "user", "content": "Hi"}]}}"#,
        )
    })?;
    model.clone_from(&input.model);
    let session = Session::over(input.configure(session::base()), args, report)?;
    prepare(&session, &mut input).await?;
    let client = session.clients.of(&input.model.id);
    let events = output.wait_for(pi::stream(&client, &input)).await?;
    events.warnings().iter().for_each(|warning| report.warning(warning));
    Ok(events)
}

/// Chooses the model, and completes the input from settings and catalog.
async fn prepare(session: &Session, input: &mut Input) -> Result<(), Failure> {
    let named = Some(input.model.id.as_str()).filter(|id| !id.trim().is_empty());
    input.model.id = session.choose(named).await?.into_model();
    input.complete(session.settings());
    input.model.complete_from_catalog();
    Ok(())
}

/// Prints each event as it arrives. Returns the message, and the failure if there is one.
pub(crate) async fn print(
    mut events: AssistantStream,
    output: &mut Output,
    interrupt: &mut Interrupt,
) -> Result<(AssistantMessage, Option<Failure>), Failure> {
    loop {
        let begun = output.begun;
        let next = match events.ready_event() {
            // Nothing more has arrived: the wait flushes what has been printed.
            None => match interrupt.unless(output.wait_for(events.next_event())).await {
                Some(Ok(next)) => next,
                Some(Err(failure)) => return abandoned(&mut events, failure),
                None => events.abort(),
            },
            ready => ready,
        };
        let Some(event) = next else { return Err(Failure::refused("the response has no end")) };
        print_event(&event, output)?;
        let (message, failure) = match event {
            AssistantEvent::Done { message } => (message, None),
            AssistantEvent::Error { error } => {
                let failure = match events.failure() {
                    Some(failure) if begun => Some(Failure::after_output(failure)),
                    Some(failure) => Some(failure.into()),
                    None if error.stop_reason == Some(StopReason::Aborted) => None,
                    None => Some(Failure::refused(error.error_message.clone().unwrap_or_default())),
                };
                (error, failure)
            }
            _ => continue,
        };
        // The message may be saved, wherever it was printed.
        return Ok((*message, failure.or(output.flush().err())));
    }
}

fn print_event(event: &AssistantEvent, output: &mut Output) -> Result<(), Failure> {
    let json = serde_json::to_string(event)
        .map_err(|error| Failure::refused(format!("an event cannot be written as JSON: {error}")))?;
    output.json_line(&json);
    Ok(())
}
