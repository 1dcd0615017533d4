//! `pumice converse`: the Converse API itself.

use std::io::Read as _;

use pumice::operation::Call;
use pumice::shape::Members;
use pumice::{Client, FrameStream};

use crate::args::Args;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::session::Session;

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let request = read_request(args)?;
    let session = Session::new(args, report)?;
    let named = match request.named("modelId") {
        Some(id) => Some(id.read::<String>().map_err(|_| Failure::usage("modelId: a string expected"))?),
        None => None,
    };
    let model = session.model(named)?;
    let body = body(&request);
    if args.has("no-stream") {
        whole(&session.client, &Call::converse(&model, body)?).await
    } else {
        let frames = session.client.send_stream(&Call::converse_stream(&model, body)?).await?;
        print_events(frames).await
    }
}

/// Prints each event as it arrives.
async fn print_events(mut frames: FrameStream) -> Result<(), Failure> {
    let mut output = Output::new();
    loop {
        let next = match frames.ready_frame() {
            // Nothing more has arrived: what has been printed goes out before the wait.
            Ok(None) => {
                output.flush()?;
                frames.next_frame().await
            }
            ready => ready,
        };
        let json = next.and_then(|frame| frame.map(|frame| frame.to_event_json()).transpose());
        match json {
            Ok(Some(json)) => output.json_line(&json),
            Ok(None) => return output.flush(),
            Err(error) => {
                let begun = output.begun;
                output.flush()?;
                return Err(if begun { Failure::after_output(&error) } else { error.into() });
            }
        }
    }
}

async fn whole(client: &Client, call: &Call) -> Result<(), Failure> {
    let response = client.send(call).await?;
    let json = std::str::from_utf8(response.body())
        .ok()
        .filter(|text| serde_json::from_str::<Members>(text).is_ok())
        .ok_or_else(|| Failure::refused("the answer is not the JSON of a Converse response"))?;
    let mut output = Output::new();
    // Line ends in JSON are white space.
    output.json_line(&json.replace(['\n', '\r'], ""));
    output.flush()
}

/// The request's members as they were written: what is wrong with them is the service's to say.
fn read_request(args: &Args) -> Result<Members, Failure> {
    let Some(path) = args.path("request") else {
        return Err(Failure::usage("--request FILE expected, or --request - for standard input"));
    };
    let from_stdin = path.as_os_str() == "-";
    let shown = if from_stdin { "standard input".into() } else { path.display().to_string() };
    let mut bytes = Vec::new();
    let read = if from_stdin {
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ())
    } else {
        std::fs::read(path).map(|read| bytes = read)
    };
    read.map_err(|error| Failure::unreadable(&shown, &error))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::usage(format!("{shown}: a request of one JSON object expected: {error}")))
}

/// The members without `modelId`, which goes into the URL.
fn body(request: &Members) -> Vec<u8> {
    let mut body = Vec::from(*b"{");
    for (name, value) in request.iter().filter(|(name, _)| *name != "modelId") {
        if body.len() > 1 {
            body.push(b',');
        }
        body.extend_from_slice(serde_json::Value::from(name).to_string().as_bytes());
        body.push(b':');
        body.extend_from_slice(value.text().as_bytes());
    }
    body.push(b'}');
    body
}
