//! An embedder's own credentials provider: how often the client asks it, and what happens if it fails.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, SystemTime};

use pumice::context::Context;
use pumice::converse::{ConverseRequest, Message};
use pumice::credentials::{
    Chain, Credentials, CredentialsFuture, ProvideCredentials, ProviderContext, Resolved,
};
use pumice::{Client, Config, Error, ErrorKind, Hint};
use support::server::{Answer, Server};

/// Provides numbered keys, each valid for 1000 seconds, and fails after the fourth.
#[derive(Debug, Clone, Default)]
struct Vault {
    asked: Arc<AtomicUsize>,
    now: Arc<AtomicU64>,
}

impl Vault {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.now.load(SeqCst))
    }
}

impl ProvideCredentials for Vault {
    fn provide(&self) -> CredentialsFuture<'_> {
        Box::pin(async {
            let number = self.asked.fetch_add(1, SeqCst) + 1;
            tokio::task::yield_now().await;
            if number > 4 {
                return Err(Error::new(ErrorKind::Unavailable, "sealed").with_hint("unseal it"));
            }
            let keys = Credentials::keys(format!("AKID{number}"), "secret", None);
            Ok(Resolved::new(keys.with_expiry(self.now() + Duration::from_secs(1000)), "vault"))
        })
    }
}

fn client(server: &Server, config: Config) -> Client {
    Client::new(config.region("us-east-1").endpoint_url(&server.url))
}

async fn call(client: &Client) -> Result<(), Error> {
    client.converse(&ConverseRequest::new("m").message(Message::user("Hi"))).await.map(|_| ())
}

fn whole() -> Answer {
    Answer::whole(
        200,
        r#"{"output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}}, "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, "metrics": {"latencyMs": 1}}"#,
    )
}

/// The key ids that requests were signed with.
fn signed_with(server: &Server) -> Vec<String> {
    let id = |header: &str| header.split_once("Credential=").unwrap().1.split('/').next().unwrap().to_owned();
    server.requests().iter().map(|request| id(request.header("authorization").unwrap())).collect()
}

#[tokio::test]
async fn a_provider_is_asked_once_for_all_and_again_before_the_end() {
    let vault = Vault::default();
    let expired = Answer::refusal(403, "ExpiredTokenException", "expired");
    let mut answers = (0..8).map(|_| whole()).collect::<Vec<_>>();
    answers.insert(5, expired);
    let server = Server::start(answers);
    let clock = vault.clone();
    let context = Context::fake().with_clock(move || clock.now());
    let client = client(&server, Config::new().context(context).credentials(vault.clone()));

    // Together: one request to the provider.
    let (one, two, three) = tokio::join!(call(&client), call(&client), call(&client));
    assert!(one.and(two).and(three).is_ok());
    assert_eq!(vault.asked.load(SeqCst), 1);
    // While there is time left, they are used; near the end, refreshed in the background.
    vault.now.store(700, SeqCst);
    call(&client).await.unwrap();
    assert_eq!(vault.asked.load(SeqCst), 1);
    vault.now.store(760, SeqCst);
    call(&client).await.unwrap();
    assert_eq!(vault.asked.load(SeqCst), 2);
    // The service says that they have expired: they are dropped, and the call is retried.
    call(&client).await.unwrap();
    assert_eq!(signed_with(&server), ["AKID1", "AKID1", "AKID1", "AKID1", "AKID1", "AKID2", "AKID3"]);
    // After their expiry calls wait for new ones.
    vault.now.store(5000, SeqCst);
    call(&client).await.unwrap();
    assert_eq!(signed_with(&server).last().unwrap(), "AKID4");
    // The provider's error is returned unchanged.
    vault.now.store(9000, SeqCst);
    let error = call(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Unavailable, "sealed"));
    assert_eq!(error.hint(), Some(&Hint::Other("unseal it".into())));
}

#[tokio::test]
async fn credentials_of_code_take_precedence_over_the_environment() {
    let keys =
        Context::fake().with_env("AWS_ACCESS_KEY_ID", "AKIDENV").with_env("AWS_SECRET_ACCESS_KEY", "x");
    let config = || Config::new().region("us-east-1").context(keys.clone());
    for (config, link, id) in [
        (config(), "AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY", Some("AKIDENV")),
        (config().access_keys("AKIDCODE", "hush", None), "given access keys", Some("AKIDCODE")),
        (config().bearer_token("token"), "given bearer token", None),
        (
            config().bearer_token("token").access_keys("AKIDCODE", "hush", None),
            "given access keys",
            Some("AKIDCODE"),
        ),
    ] {
        let shown = format!("{config:?}");
        assert!(!shown.contains("hush") && !shown.contains("\"token\""), "{shown}");
        let search = Client::new(config).identify().await.unwrap().search;
        let resolved = search.result.unwrap();
        assert_eq!((&*resolved.link, resolved.credentials.access_key_id()), (link, id));
    }
}

#[tokio::test]
async fn a_source_of_the_chain_is_a_provider_too() {
    let context = Context::fake()
        .with_env("AWS_BEARER_TOKEN_BEDROCK", "token")
        .with_env("AWS_ACCESS_KEY_ID", "AKIDENV")
        .with_env("AWS_SECRET_ACCESS_KEY", "x")
        .with_env("HOME", "/home/test")
        .with_file(
            "/home/test/.aws/credentials",
            "[work]\naws_access_key_id = AKIDWORK\naws_secret_access_key = x\n",
        );
    let cx = || ProviderContext::new(context.clone());
    for (chain, expected) in [
        (Chain::new(cx()), Ok(None)),
        (Chain::bearer_token(cx()), Ok(None)),
        (Chain::environment(cx()), Ok(Some("AKIDENV"))),
        (Chain::environment(cx().profile("work")), Ok(Some("AKIDENV"))),
        (Chain::profile(cx().profile("work")), Ok(Some("AKIDWORK"))),
        (
            Chain::web_identity(cx()),
            Err("no AWS credentials were found\n  AWS_WEB_IDENTITY_TOKEN_FILE: not set"),
        ),
    ] {
        // Called directly and through the client, it gives the same.
        let alone = chain.provide().await;
        let config = Config::new().context(context.clone()).region("us-east-1").credentials(chain);
        let search = Client::new(config).search_credentials().await;
        assert_eq!(search.attempts.len(), 1);
        for result in [alone, search.result] {
            let id = |resolved: Resolved| resolved.credentials.access_key_id().map(str::to_owned);
            let found = result.map(id).map_err(|error| (error.to_string(), error.hint().cloned()));
            let expected = expected.map(|id| id.map(str::to_owned)).map_err(|text| (text.to_owned(), None));
            assert_eq!(found, expected);
        }
    }
}
