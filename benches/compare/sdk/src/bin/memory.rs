//! What it takes the AWS SDK to read an answer from memory: `memory FILE` prints nanoseconds an event.

use std::convert::Infallible;
use std::error::Error;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::{BehaviorVersion, Config, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http_body::{Body, Frame};

/// Answers every request with these chunks.
#[derive(Debug, Clone)]
struct Memory(Vec<Bytes>);

impl HttpConnector for Memory {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let body = SdkBody::from_body_1_x(Chunks(self.0.clone().into_iter()));
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), body)))
    }
}

struct Chunks(std::vec::IntoIter<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|chunk| Ok(Frame::data(chunk))))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let stream = Bytes::from(std::fs::read(std::env::args().nth(1).ok_or("memory FILE")?)?);
    let starts = (0..stream.len()).step_by(16 * 1024);
    let chunks = starts.map(|at| stream.slice(at..stream.len().min(at + 16 * 1024))).collect();
    let connector = SharedHttpConnector::new(Memory(chunks));
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "key", None, None, "made"))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .build();
    let client = Client::from_conf(config);
    let mut times = Vec::new();
    for _ in 0..25 {
        let mut events = client.converse_stream().model_id("m").send().await?.stream;
        let mut count = 0;
        let start = Instant::now();
        while let Some(event) = events.recv().await? {
            black_box(event);
            count += 1;
        }
        times.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(count));
    }
    // The least: what else the machine does only adds to it.
    println!("{}", times.iter().copied().fold(f64::INFINITY, f64::min));
    Ok(())
}
