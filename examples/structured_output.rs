//! A response that follows a JSON schema, read into a struct. `cargo run --example structured_output`
//!
//! The response comes from a recording, so this runs without network and account. In your program, use
//! `Client::from_env()`. For a model without structured output, make the schema that of a tool and name the tool in
//! `tool_choice`: the tool's input is the struct.

use std::error::Error;
use std::sync::Arc;

use pumice::converse::{
    ContentBlock, ConverseOutput, ConverseRequest, JsonSchemaDefinition, Message, OutputConfig, OutputFormat,
};
use pumice::transport::Replay;
use pumice::{Client, Config};
use serde::Deserialize;
use serde_json::json;

#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Volcano {
    pub(crate) name: String,
    pub(crate) country: String,
    pub(crate) height_in_metres: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{:?}", run(&recorded(Config::new())?).await?);
    Ok(())
}

pub(crate) async fn run(client: &Client) -> Result<Volcano, Box<dyn Error>> {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "country": {"type": "string"},
            "height_in_metres": {"type": "integer"},
        },
        "required": ["name", "country", "height_in_metres"],
        "additionalProperties": false,
    });
    let format = OutputFormat::json_schema(JsonSchemaDefinition::new(schema.to_string()).name("volcano"));
    let request = ConverseRequest::new("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
        .message(Message::user("Which volcano of Europe is the most active?"))
        .output_config(OutputConfig::new().text_format(format));

    let response = client.converse(&request).await?;
    let Some(ConverseOutput::Message(message)) = response.output else {
        return Err("expected a message in the response".into());
    };
    // Reasoning may come before the text.
    let text = message.content.iter().find_map(|block| match block {
        ContentBlock::Text(text) => Some(text),
        _ => None,
    });
    // A response that reached the token limit or was refused is not the JSON that the schema promises.
    serde_json::from_str(text.ok_or("expected text in the response")?)
        .map_err(|error| format!("{error}; stop reason {:?}", response.stop_reason).into())
}

/// A client that responds from a recording.
pub(crate) fn recorded(config: Config) -> pumice::Result<Client> {
    let recording = Replay::parse(include_str!("../fixtures/structured-output.jsonl"))?;
    Ok(Client::new(config.without_credentials().transport(Arc::new(recording))))
}
