//! Each example runs against its recording, without network, environment and home folder.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Request;
use pumice::context::Context;
use pumice::transport::{Transport, TransportFuture};
use pumice::{Client, Config, Error, ErrorKind};

/// The examples as modules, and their names.
macro_rules! examples {
    ($($name:ident $path:literal)*) => {
        $(
            #[path = $path]
            #[allow(dead_code, reason = "main is for the example alone")]
            mod $name;
        )*

        const EXAMPLES: &[&str] = &[$(stringify!($name)),*];
    };
}

examples! {
    embeddings "../../examples/embeddings.rs"
    fifty_at_once "../../examples/fifty_at_once.rs"
    own_keys "../../examples/own_keys.rs"
    own_provider "../../examples/own_provider.rs"
    own_transport "../../examples/own_transport.rs"
    reply_and_text "../../examples/reply_and_text.rs"
    structured_output "../../examples/structured_output.rs"
    tool_loop "../../examples/tool_loop.rs"
}

fn config() -> Config {
    Config::new().context(Context::fake())
}

/// A new example needs a line above and a test below; `examples/embedded` is a package, which CI builds.
#[test]
fn every_example_has_a_test() {
    let tests = include_str!("examples.rs");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let found =
        files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(found, EXAMPLES.iter().map(ToString::to_string).collect());
    for name in EXAMPLES {
        assert!(tests.contains(&format!("{name}::")), "expected a test of the example {name}");
        let text = std::fs::read_to_string(format!("{}/examples/{name}.rs", env!("CARGO_MANIFEST_DIR")));
        assert!(text.unwrap().contains(&format!("`cargo run --example {name}`")), "{name}: how to run it");
    }
}

#[test]
fn the_files_to_copy_are_the_programs_own() {
    let read = |path: &str| std::fs::read(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for file in ["build.rs", "src/backtrace.rs"] {
        let [own, copy] = ["cli", "examples/embedded"].map(|folder| format!("{folder}/{file}"));
        assert!(read(&own) == read(&copy), "cp {own} {copy}");
    }
}

#[tokio::test]
async fn own_keys_sign_a_call() {
    assert!(own_keys::run(config()).await.unwrap().starts_with("Because most of it is not there."));
}

#[tokio::test]
async fn an_own_provider_gives_credentials_and_a_hint() {
    assert_eq!(
        own_provider::run(config()).await.unwrap(),
        "vault (role inference); when it is sealed: run: vault operator unseal"
    );
}

#[tokio::test]
async fn an_own_transport_fails_with_its_own_error() {
    assert_eq!(own_transport::run(config()).await.unwrap(), "no connection could be made; start the tunnel");
}

#[tokio::test]
async fn of_fifty_calls_one_fails_alone() {
    assert_eq!(
        fifty_at_once::run(&fifty_at_once::recorded(config())).await.unwrap(),
        format!(
            "{} tokens; question 7: ValidationException: The provided model identifier is invalid.",
            49 * 165
        )
    );
}

/// Counts the requests that wait for their response at the same time.
#[derive(Debug, Default)]
struct Crowd {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Transport for Crowd {
    fn send(&self, _request: Request<Bytes>) -> TransportFuture<'_> {
        Box::pin(async {
            self.most.fetch_max(self.now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            // Every other task runs as far as it can.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            self.now.fetch_sub(1, Ordering::Relaxed);
            Err(Error::new(ErrorKind::Connect, "closed").with_retryable(false))
        })
    }
}

#[tokio::test]
async fn of_fifty_calls_eight_are_under_way_at_a_time() {
    let crowd = Arc::new(Crowd::default());
    let client =
        Client::new(config().without_credentials().transport(Arc::clone(&crowd) as Arc<dyn Transport>));
    let report = fifty_at_once::run(&client).await.unwrap();
    assert!(report.starts_with("0 tokens; question 1: ") && report.contains("; question 50: "), "{report}");
    assert_eq!(crowd.most.load(Ordering::Relaxed), 8);
}

#[tokio::test]
async fn the_text_and_the_reply_of_a_stream_are_the_same() {
    let text = reply_and_text::text(&reply_and_text::recorded(config()).unwrap()).await.unwrap();
    assert!(text.starts_with("Because most of it is not there."), "{text}");
    let mut shown = Vec::new();
    let client = reply_and_text::recorded(config()).unwrap();
    let reply = reply_and_text::reply(&client, &mut shown).await.unwrap();
    assert_eq!(String::from_utf8(shown).unwrap(), text);
    assert_eq!(reply.usage.unwrap().output_tokens, Some(138));
}

#[tokio::test]
async fn a_structured_response_is_a_struct() {
    let client = structured_output::recorded(config()).unwrap();
    let expected =
        structured_output::Volcano { name: "Etna".into(), country: "Italy".into(), height_in_metres: 3403 };
    assert_eq!(structured_output::run(&client).await.unwrap(), expected);
}

#[tokio::test]
async fn an_embedding_is_read_as_the_models_own_type() {
    let response = embeddings::run(&embeddings::recorded(config()).unwrap(), "pumice").await.unwrap();
    assert_eq!((response.embedding.len(), response.input_text_token_count), (8, 4));
}

#[tokio::test]
async fn a_tool_loop_ends_when_no_tool_is_called() {
    let mut output = Vec::new();
    tool_loop::run(&tool_loop::recorded(config()).unwrap(), &mut output).await.unwrap();
    assert_eq!(
        String::from_utf8(output).unwrap(),
        "I need the weather and the alert level.\n\
         [weather(Naples): Naples: 24 °C, light wind, no clouds]\n\
         [alert_level(Naples): Naples: green]\n\
         Yes: it is warm and clear, and the volcano is quiet.\n"
    );
}
