//! A streamed response: its text as it arrives; and the whole response, with the text printed on the way.
//! `cargo run --example reply_and_text`
//!
//! The responses come from a recording, so this runs without network and account. In your program, use
//! `Client::from_env()`.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use pumice::converse::{ConverseRequest, ConverseResponse, Message};
use pumice::transport::Replay;
use pumice::{Client, Config, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{}\n", text(&recorded(Config::new())?).await?);
    let response = reply(&recorded(Config::new())?, std::io::stdout()).await?;
    println!("\n{:?}", response.usage);
    Ok(())
}

/// The text alone. `TextStream` is also a `Stream` of strings.
pub(crate) async fn text(client: &Client) -> pumice::Result<String> {
    let mut pieces = client.converse_stream(&request()).await?.text();
    let mut text = String::new();
    while let Some(piece) = pieces.next_text().await? {
        text.push_str(&piece);
    }
    Ok(text)
}

/// The response that Converse would have given, with its usage.
pub(crate) async fn reply(
    client: &Client,
    mut output: impl Write,
) -> Result<ConverseResponse, Box<dyn Error>> {
    let mut written = Ok(());
    let show = |event: &Event| {
        if let Event::ContentBlockDelta(event) = event
            && written.is_ok()
        {
            let text = event.delta.as_text().unwrap_or_default();
            written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
        }
    };
    let response = client.converse_stream(&request()).await?.reply_with(show).await?;
    written?;
    Ok(response)
}

fn request() -> ConverseRequest {
    ConverseRequest::new("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
        .message(Message::user("Why does pumice float?"))
}

/// A client that responds from a recording.
pub(crate) fn recorded(config: Config) -> pumice::Result<Client> {
    let recording = Replay::parse(include_str!("../fixtures/text.jsonl"))?;
    Ok(Client::new(config.without_credentials().transport(Arc::new(recording))))
}
