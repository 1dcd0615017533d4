//! `pumice stream`: a conversation in an agent's form on standard input, events on standard output.

use std::time::SystemTime;

use pumice::pi::{self, AssistantEvent, AssistantMessage, AssistantStream, Input, Model, ResponseBuilder};

use crate::args::Args;
use crate::failure::{Exit, Failure};
use crate::input;
use crate::output::{Output, Report};
use crate::session::{self, Session};

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let mut output = Output::new();
    let mut model = Model::new("");
    match begin(args, report, &mut model, &mut output).await {
        Ok(events) => print(events, &mut output).await.map(|_| ()),
        // Nobody reads.
        Err(failure) if failure.exit == Exit::Closed => Err(failure),
        Err(failure) => Err(print_failure(&model, failure, &mut output)),
    }
}

/// Prints a failure of the command line as an event.
pub(crate) fn as_event(failure: Failure) -> Failure {
    print_failure(&Model::new(""), failure, &mut Output::new())
}

/// Prints a failure as an event: those who read the events learn why there are no others.
fn print_failure(model: &Model, failure: Failure, output: &mut Output) -> Failure {
    let response = ResponseBuilder::unprepared(model, SystemTime::now());
    let event = response.fail_with(&failure.text());
    let printed = print_event(&event, output).and_then(|()| output.flush());
    printed.err().unwrap_or(failure)
}

/// Reads the input and makes the call. `model` is set to the input's as soon as that is known.
async fn begin(
    args: &Args,
    report: &Report,
    model: &mut Model,
    output: &mut Output,
) -> Result<AssistantStream, Failure> {
    let text = input::read_text("standard input", std::io::stdin().lock())?;
    let mut input = Input::from_json(&text).map_err(|error| {
        Failure::from(error).hint(
            r#"the smallest input is {"model": {"id": "MODEL"}, "context": {"messages": [{"role": "user", "content": "Hi"}]}}"#,
        )
    })?;
    model.clone_from(&input.model);
    let session = Session::over(input.configure(session::base()), args, report)?;
    let named = Some(input.model.id.as_str()).filter(|id| !id.trim().is_empty());
    input.model.id = session.choose(named).await?.into_model();
    input.complete(session.settings());
    input.model.complete_from_catalog();
    let client = session.clients.of(&input.model.id);
    let events = output.wait_for(pi::stream(&client, &input)).await?;
    events.warnings().iter().for_each(|warning| report.warning(warning));
    Ok(events)
}

/// Prints each event as it arrives, and returns the message.
pub(crate) async fn print(
    mut events: AssistantStream,
    output: &mut Output,
) -> Result<AssistantMessage, Failure> {
    loop {
        let begun = output.begun;
        let next = match events.ready_event() {
            // Nothing more has arrived: the wait flushes what has been printed.
            None => output.wait_for(events.next_event()).await?,
            ready => ready,
        };
        let Some(event) = next else { return Err(Failure::refused("the response has no end")) };
        print_event(&event, output)?;
        match event {
            AssistantEvent::Done { message } => {
                output.flush()?;
                return Ok(*message);
            }
            AssistantEvent::Error { error } => {
                output.flush()?;
                return Err(match events.failure() {
                    Some(failure) if begun => Failure::after_output(failure),
                    Some(failure) => failure.into(),
                    None => Failure::refused(error.error_message.unwrap_or_default()),
                });
            }
            _ => {}
        }
    }
}

fn print_event(event: &AssistantEvent, output: &mut Output) -> Result<(), Failure> {
    let json = serde_json::to_string(event)
        .map_err(|error| Failure::refused(format!("an event cannot be written as JSON: {error}")))?;
    output.json_line(&json);
    Ok(())
}
