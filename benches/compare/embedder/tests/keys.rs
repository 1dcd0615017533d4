//! The library without the feature `chain`: credentials are those that are given.
//!
//! `cargo test --manifest-path benches/compare/embedder/Cargo.toml --no-default-features --features http --test keys`.
//! The tests of the library itself always have the feature: they need it, and Cargo builds a package once.

use std::sync::Arc;

use pumice::context::Context;
use pumice::converse::{ConverseRequest, Message};
use pumice::credentials::{Credentials, CredentialsFuture, ProvideCredentials, Resolved};
use pumice::retry::Retry;
use pumice::transport::{Replay, Transport, TransportFuture};
use pumice::{Client, Config, Error, ErrorKind};

/// What would give credentials, a region and an error with the feature.
fn config() -> Config {
    let context = Context::fake()
        .with_env("HOME", "/home")
        .with_env("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT")
        .with_env("AWS_SECRET_ACCESS_KEY", "secret")
        .with_env("AWS_BEARER_TOKEN_BEDROCK", "token")
        .with_env("AWS_PROFILE", "none")
        .with_file("/home/.aws/config", "[default]\nregion = eu-west-1\n")
        .with_file("/home/.aws/credentials", "[this is no section");
    Config::new().context(context).retry(Retry::never())
}

fn request() -> ConverseRequest {
    ConverseRequest::new("us.amazon.nova-lite-v1:0").message(Message::user("Name three volcanoes."))
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// Fails with the host and the access key id that a request has, or the length of its token: errors hold no secret.
#[derive(Debug)]
struct Shows;

impl Transport for Shows {
    fn send(&self, request: http::Request<bytes::Bytes>) -> TransportFuture<'_> {
        let authorization = request.headers()["authorization"].to_str().unwrap();
        let shown = match authorization.strip_prefix("Bearer ") {
            Some(token) => format!("a token of {} bytes", token.len()),
            None => authorization.split('/').next().unwrap().to_owned(),
        };
        let shown = format!("{}: {shown}", request.uri().host().unwrap());
        Box::pin(async { Err(Error::new(ErrorKind::InvalidInput, shown)) })
    }
}

fn sent(config: Config) -> String {
    let client = Client::new(config.transport(Arc::new(Shows)));
    run(client.converse(&request())).unwrap_err().message().to_owned()
}

#[test]
fn a_response_is_streamed_with_keys_of_ones_own() {
    let replay = Replay::parse(include_str!("../../../../fixtures/text.jsonl")).unwrap();
    let config = config().access_keys("AKIDOWN", "secret", None).transport(Arc::new(replay));
    let client = Client::new(config);
    let reply = run(async { client.converse_stream(&request()).await.unwrap().reply().await.unwrap() });
    assert_eq!(reply.stop_reason.unwrap().as_str(), "end_turn");
}

#[test]
fn only_what_is_given_is_sent() {
    // Neither the region nor the fault of the AWS files counts.
    let host = "bedrock-runtime.us-east-1.amazonaws.com";
    assert_eq!(
        sent(config().access_keys("AKIDOWN", "secret", None)),
        format!("{host}: AWS4-HMAC-SHA256 Credential=AKIDOWN")
    );
    assert_eq!(sent(config().bearer_token("mine")), format!("{host}: a token of 4 bytes"));
}

#[test]
fn credentials_that_are_not_given_are_not_searched_for() {
    let client = Client::new(config().transport(Arc::new(Shows)));
    let error = run(client.converse(&request())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.message().contains("no credentials were given"), "{error}");
    let hint = error.hint().unwrap().to_string();
    assert!(hint.contains("Config::access_keys") && hint.contains("`chain`"), "{hint}");
    let search = run(client.search_credentials());
    assert_eq!(search.result.unwrap_err().message(), error.message());
}

#[test]
fn a_provider_is_asked() {
    #[derive(Debug)]
    struct Vault;

    impl ProvideCredentials for Vault {
        fn provide(&self) -> CredentialsFuture<'_> {
            let keys = Credentials::keys("AKIDVAULT", "secret", None);
            Box::pin(async { Ok(Resolved::new(keys, "vault")) })
        }
    }

    assert!(sent(config().credentials(Vault)).ends_with("Credential=AKIDVAULT"));
    let identity = run(Client::new(config().credentials(Vault)).identify()).unwrap();
    assert_eq!(identity.search.result.unwrap().link, "vault");
}
