//! The embedding of a text: InvokeModel with Amazon Titan's own request and response as types.
//! `cargo run --example embeddings`
//!
//! The response comes from a recording, so this runs without network and account. In your program, use
//! `Client::from_env()`.

use std::error::Error;
use std::sync::Arc;

use pumice::invoke_model::InvokeModelRequest;
use pumice::transport::Replay;
use pumice::{Client, Config};
use serde::{Deserialize, Serialize};

/// The request body, as the model's documentation describes it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TitanRequest<'a> {
    input_text: &'a str,
    dimensions: u32,
    normalize: bool,
}

/// The response body.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TitanResponse {
    pub(crate) embedding: Vec<f32>,
    pub(crate) input_text_token_count: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let response = run(&recorded(Config::new())?, "pumice").await?;
    println!("{} dimensions, {} tokens", response.embedding.len(), response.input_text_token_count);
    Ok(())
}

pub(crate) async fn run(client: &Client, text: &str) -> Result<TitanResponse, Box<dyn Error>> {
    let body = TitanRequest { input_text: text, dimensions: 256, normalize: true };
    let request = InvokeModelRequest::new("amazon.titan-embed-text-v2:0")
        .content_type("application/json")
        .body(serde_json::to_vec(&body)?);
    let response = client.invoke_model(&request).await?;
    Ok(serde_json::from_slice(&response.body.0)?)
}

/// A client that responds from a recording.
pub(crate) fn recorded(config: Config) -> pumice::Result<Client> {
    let recording = Replay::parse(include_str!("../fixtures/embedding.jsonl"))?;
    Ok(Client::new(config.without_credentials().transport(Arc::new(recording))))
}
