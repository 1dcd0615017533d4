//! A transport of one's own, and the errors that it makes. `cargo run --example own_transport`
//!
//! The client retries around a transport by what its errors say: `is_retryable` follows from the kind, unless the
//! error says otherwise.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use pumice::converse::{ConverseRequest, Message};
use pumice::transport::{Transport, TransportFuture};
use pumice::{Client, Config, Error, ErrorKind};

#[tokio::main(flavor = "current_thread")]
async fn main() -> pumice::Result<()> {
    println!("{}", run(Config::new()).await?);
    Ok(())
}

/// Sends requests through a tunnel that has to be started first.
#[derive(Debug)]
struct Tunnel;

impl Transport for Tunnel {
    fn send(&self, _request: Request<Bytes>) -> TransportFuture<'_> {
        Box::pin(async {
            // What connecting comes to when nobody listens. The kind follows from the I/O error's.
            let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
            Err(Error::from(refused).with_retryable(false).with_hint("start the tunnel"))
        })
    }
}

pub(crate) async fn run(config: Config) -> pumice::Result<String> {
    let client = Client::new(config.region("us-east-1").without_credentials().transport(Arc::new(Tunnel)));
    let request =
        ConverseRequest::new("us.amazon.nova-lite-v1:0").message(Message::user("Name three volcanoes."));
    match client.converse(&request).await {
        Ok(response) => Ok(format!("{response:?}")),
        Err(error) if error.kind() == ErrorKind::Connect => {
            let hint = error.hint().map(ToString::to_string).unwrap_or_default();
            Ok(format!("{error}; {hint}"))
        }
        Err(error) => Err(error),
    }
}
