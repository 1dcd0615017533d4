//! Fifty calls on one client, at most eight at a time. A call that fails does not end the others.
//! `cargo run --example fifty_at_once`
//!
//! The calls share the client's connections, credentials and retry quota. The responses come from recordings, so
//! this runs without network and account. In your program, use
//! `Client::new(Config::new().retry(Retry::adaptive()))`: it sends more slowly while the service throttles.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Request;
use pumice::converse::{ConverseRequest, ConverseResponse, Message};
use pumice::transport::{Replay, Transport, TransportFuture};
use pumice::{Client, Config};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};

const QUESTIONS: [&str; 50] = ["Why does pumice float?"; 50];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", run(&recorded(Config::new())).await?);
    Ok(())
}

pub(crate) async fn run(client: &Client) -> Result<String, JoinError> {
    let (mut tokens, mut failures) = (0, Vec::new());
    for (number, result) in ask_all(client, &QUESTIONS, 8).await? {
        match result {
            Ok(response) => tokens += response.usage.and_then(|usage| usage.total_tokens).unwrap_or_default(),
            Err(error) => failures.push(format!("question {number}: {error}")),
        }
    }
    Ok(format!("{tokens} tokens; {}", failures.join("; ")))
}

/// Each question's number and result, in the order of the questions. Fails only if a task panics.
///
/// Dropping the future ends all calls under way.
async fn ask_all(
    client: &Client,
    questions: &[&str],
    at_once: usize,
) -> Result<Vec<(usize, pumice::Result<ConverseResponse>)>, JoinError> {
    let permits = Arc::new(Semaphore::new(at_once));
    let mut tasks = JoinSet::new();
    for (index, &question) in questions.iter().enumerate() {
        let request = ConverseRequest::new("us.amazon.nova-lite-v1:0").message(Message::user(question));
        let (client, permits) = (client.clone(), Arc::clone(&permits));
        tasks.spawn(async move {
            // Held until the call has ended. Fails only for a semaphore that was closed.
            let _permit = permits.acquire().await;
            (index + 1, ask(&client, &request).await)
        });
    }
    let mut results = Vec::with_capacity(questions.len());
    while let Some(result) = tasks.join_next().await {
        results.push(result?);
    }
    results.sort_unstable_by_key(|(number, _)| *number);
    Ok(results)
}

async fn ask(client: &Client, request: &ConverseRequest) -> pumice::Result<ConverseResponse> {
    client.converse_stream(request).await?.reply().await
}

/// A client that responds from recordings.
pub(crate) fn recorded(config: Config) -> Client {
    Client::new(config.without_credentials().transport(Arc::new(Recordings::default())))
}

/// The same response to every request, but an error to the seventh.
#[derive(Debug, Default)]
pub(crate) struct Recordings(AtomicUsize);

impl Transport for Recordings {
    fn send(&self, request: Request<Bytes>) -> TransportFuture<'_> {
        let recording = match self.0.fetch_add(1, Ordering::Relaxed) {
            6 => include_str!("../fixtures/invalid.jsonl"),
            _ => include_str!("../fixtures/text.jsonl"),
        };
        Box::pin(async move { Replay::parse(recording)?.send(request).await })
    }
}
