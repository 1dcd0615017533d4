//! Access keys from the program's own configuration, in place of the AWS chain. `cargo run --example own_keys`
//!
//! The response comes from a recording, so this runs without network and account.

use std::sync::Arc;

use pumice::converse::{ConverseRequest, Message};
use pumice::transport::Replay;
use pumice::{Client, Config, Event};

#[tokio::main(flavor = "current_thread")]
async fn main() -> pumice::Result<()> {
    println!("{}", run(Config::new()).await?);
    Ok(())
}

pub(crate) async fn run(config: Config) -> pumice::Result<String> {
    let config = config.region("us-east-1").access_keys("AKIDEXAMPLE", "the secret key", None);
    // Without this line the call goes to Bedrock.
    let config = config.transport(Arc::new(Replay::parse(include_str!("../fixtures/text.jsonl"))?));

    let request =
        ConverseRequest::new("us.amazon.nova-lite-v1:0").message(Message::user("Name three volcanoes."));
    let mut events = Client::new(config).converse_stream(&request).await?;
    let mut text = String::new();
    while let Some(event) = events.next_event().await? {
        if let Event::ContentBlockDelta(event) = event {
            text.push_str(event.delta.as_text().unwrap_or_default());
        }
    }
    Ok(text)
}
