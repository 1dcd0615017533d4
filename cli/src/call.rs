//! `pumice call`: an operation by its name; and `pumice converse`, which calls one of two.

use std::mem::ManuallyDrop;
use std::time::Instant;

use pumice::FrameStream;
use pumice::endpoint::Service;
use pumice::invoke_model::InvokeModelResponse;
use pumice::operation::{Call, Operation};
use pumice::shape::Members;
use pumice::spelling::nearest;

use crate::args::Args;
use crate::commands::Command;
use crate::failure::Failure;
use crate::input;
use crate::output::{Output, Report};
use crate::session::Session;
use crate::waiting;

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let operation = named_operation(args)?;
    if args.has("raw") && operation != Operation::InvokeModel {
        return Err(Failure::usage("--raw goes with InvokeModel"));
    }
    call(args, report, operation).await
}

pub(crate) async fn converse(args: &Args, report: &Report) -> Result<(), Failure> {
    let operation = if args.has("no-stream") { Operation::Converse } else { Operation::ConverseStream };
    call(args, report, operation).await
}

fn named_operation(args: &Args) -> Result<Operation, Failure> {
    let hint = "run pumice call --help for the list";
    let [name] = args.rest.as_slice() else {
        return Err(Failure::usage("expected one OPERATION").hint(hint));
    };
    let name = name.to_string_lossy();
    Operation::from_name(&name).ok_or_else(|| {
        let near = nearest(&name, Operation::ALL.iter().map(|operation| operation.name()));
        Failure::usage(format!("there is no operation {name:?}")).meant("", near).hint(hint)
    })
}

async fn call(args: &Args, report: &Report, operation: Operation) -> Result<(), Failure> {
    let mut request = read_request(args)?;
    let elsewhere = match operation.service() {
        Service::Control => Some(("the control plane", "AWS_ENDPOINT_URL_BEDROCK")),
        Service::AgentRuntime => Some(("the runtime of agents", "AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME")),
        _ => None,
    };
    if let Some((service, variable)) = elsewhere.filter(|_| args.has("endpoint-url")) {
        let name = operation.name();
        return Err(Failure::usage(format!(
            "--endpoint-url is for the runtime, and {name} is an operation of {service}"
        ))
        .hint(format!("set {variable} to call another server")));
    }
    // It ends with the program. To drop it would take a hundredth of a start.
    let session = ManuallyDrop::new(Session::new(args, report)?);
    if operation.takes_model() {
        let named = request
            .named("modelId")
            .map(|id| id.read::<Option<String>>().map_err(|_| Failure::usage("modelId: expected a string")));
        let named = named.transpose()?.flatten();
        let model = session.choose(named.as_deref()).await?.into_model();
        request.insert("modelId", serde_json::Value::from(model));
    }
    let call = Call::new(operation, &request)?;
    let model = request.named("modelId").and_then(|id| id.read::<String>().ok()).unwrap_or_default();
    let client = session.clients.of(&model);
    let mut output = Output::new();
    let result = if operation.is_streamed() {
        match output.wait_for(client.send_frames(&call)).await? {
            Ok(frames) => return print_events(frames, output).await,
            Err(error) => Err(error),
        }
    } else {
        let call = waiting::shown(report, Instant::now(), client.call(operation, &request));
        let response = output.wait_for(call).await?;
        if args.has("raw") {
            let response = response.and_then(|response| response.read::<InvokeModelResponse>());
            response.map(|response| output.bytes(&response.body.0))
        } else {
            // Line ends in JSON are white space.
            response.map(|response| output.json_line(&response.text().replace(['\n', '\r'], "")))
        }
    };
    match result {
        Ok(()) => output.flush(),
        Err(error) => Err(session.failure(&model, error).await),
    }
}

/// Prints each event as it arrives.
async fn print_events(mut frames: FrameStream, mut output: Output) -> Result<(), Failure> {
    loop {
        let next = match frames.ready_frame() {
            // Nothing more has arrived: the wait flushes what has been printed.
            Ok(None) => output.wait_for(frames.next_frame()).await?,
            ready => ready,
        };
        let printed = next.and_then(|frame| {
            frame.map(|frame| output.made_json_line(|line| frame.write_event_json(line))).transpose()
        });
        match printed.map_err(|error| frames.redacted(error)) {
            Ok(Some(())) => {}
            Ok(None) => return output.flush(),
            Err(error) => {
                let begun = output.begun;
                output.flush()?;
                return Err(if begun { Failure::after_output(&error) } else { error.into() });
            }
        }
    }
}

/// The request's members as they are written. Whether they are valid is for the service to say.
fn read_request(args: &Args) -> Result<Members, Failure> {
    let Some(path) = args.path("request") else {
        if args.command == Command::Call {
            return Ok(Members::default());
        }
        return Err(Failure::usage("expected --request FILE, or --request - for standard input"));
    };
    let from_stdin = path.as_os_str() == "-";
    let shown = if from_stdin { "standard input".into() } else { path.display().to_string() };
    let bytes = if from_stdin {
        input::read(&shown, input::stdin())?
    } else {
        input::read_file(path).map_err(|error| Failure::unreadable(&shown, &error))?
    };
    serde_json::from_str(&input::text(&shown, bytes)?)
        .map_err(|error| Failure::usage(format!("{shown}: expected a request as one JSON object: {error}")))
}
