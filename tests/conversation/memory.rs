//! What a client remembers from one call to the next.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use pumice::context::Context as World;
use pumice::models::Directory;
use pumice::pi::{self, Context, Input, Message, Model, Options, Tool};
use pumice::{Client, Config};
use serde_json::{Value, json};
use support::server::{self, Answer, Server};

fn arn(id: &str) -> String {
    format!("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/{id}")
}

/// A client with a control plane, and with the clock that this number of seconds is.
fn client(control: &Server, runtime: &Server, clock: &Arc<AtomicU64>) -> Client {
    let clock = Arc::clone(clock);
    let world = World::fake()
        .with_env("AWS_ENDPOINT_URL_BEDROCK", &control.url)
        .with_env("AWS_BEARER_TOKEN_BEDROCK", "t")
        .with_clock(move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)));
    Client::new(Config::new().endpoint_url(&runtime.url).context(world))
}

/// The content that is sent of a question to the model behind an inference profile.
async fn ask(client: &Client, id: &str, runtime: &Server) -> Value {
    let input = Input::new(Model::new(arn(id)), Context::new().message(Message::user("Hi")));
    let mut stream = pi::stream(client, &input).await;
    while stream.next_event().await.is_some() {}
    runtime.requests().last().unwrap().json()["messages"][0]["content"].clone()
}

#[tokio::test]
async fn the_model_behind_a_profile_is_looked_up_once_by_each_client() {
    let model = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0";
    let profile = json!({"inferenceProfileName": "n", "models": [{"modelArn": model}]}).to_string();
    let control = Server::start([Answer::whole(200, profile)]);
    let runtime = Server::start([Answer::stream(server::text_answer(&["ok"]))]);
    let clock = Arc::default();
    let cached = json!([{"text": "Hi"}, {"cachePoint": {"type": "default"}}]);
    let first = client(&control, &runtime, &clock);
    assert_eq!(ask(&first, "a", &runtime).await, cached);
    assert_eq!(ask(&first.clone(), "a", &runtime).await, cached);
    let base = Directory::new(first.clone()).base_of(&arn("a")).await.unwrap();
    assert_eq!(base.as_deref(), Some("anthropic.claude-sonnet-4-5-20250929-v1:0"));
    assert_eq!(control.requests().len(), 1);

    // Another client may be another account.
    assert_eq!(ask(&client(&control, &runtime, &clock), "a", &runtime).await, cached);
    assert_eq!(control.requests().len(), 2);

    // The limit and the price of a plain question are those of the model too.
    let input = Input::new(Model::new(arn("b")), Context::new().message(Message::user("Hi")));
    let input = input.options(Options::new().cache_retention("none"));
    let mut stream = pi::stream(&first, &input).await;
    while stream.next_event().await.is_some() {}
    assert_eq!(control.requests().len(), 3);
    assert!(runtime.requests().last().unwrap().json()["inferenceConfig"]["maxTokens"].is_u64());
}

#[tokio::test]
async fn a_profile_that_cannot_be_looked_up_is_tried_again_after_some_seconds() {
    let model = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-5-20250929-v1:0";
    let profile = json!({"inferenceProfileName": "n", "models": [{"modelArn": model}]}).to_string();
    let control =
        Server::start([Answer::refusal(403, "AccessDeniedException", "no"), Answer::whole(200, profile)]);
    let runtime = Server::start([Answer::stream(server::text_answer(&["ok"]))]);
    let clock = Arc::new(AtomicU64::new(1_000_000));
    let client = client(&control, &runtime, &clock);
    let plain = json!([{"text": "Hi"}]);
    assert_eq!(ask(&client, "a", &runtime).await, plain);
    assert_eq!(ask(&client, "a", &runtime).await, plain);
    assert_eq!(control.requests().len(), 1);

    clock.fetch_add(60, Ordering::Relaxed);
    let cached = json!([{"text": "Hi"}, {"cachePoint": {"type": "default"}}]);
    assert_eq!(ask(&client, "a", &runtime).await, cached);
    assert_eq!(control.requests().len(), 2);
}

#[tokio::test]
async fn a_silent_control_plane_holds_no_call_up() {
    let (answer, _gate) = Answer::whole(200, "").gate();
    let control = Server::start([answer]);
    let runtime = Server::start([Answer::stream(server::text_answer(&["ok"]))]);
    let client = client(&control, &runtime, &Arc::default());
    assert_eq!(ask(&client, "a", &runtime).await, json!([{"text": "Hi"}]));
    assert_eq!(ask(&client, "a", &runtime).await, json!([{"text": "Hi"}]));
    assert_eq!(control.requests().len(), 1);
}

#[tokio::test]
async fn strict_tools_that_were_refused_in_a_conversation_are_not_sent_in_it_again() {
    let refusal = || {
        let message = "The compiled grammar is too large, which would cause performance issues.";
        Answer::refusal(400, "ValidationException", message)
    };
    let done = || Answer::stream(server::text_answer(&["ok"]));
    let server = Server::start([refusal(), done(), done(), refusal(), done()]);
    let config = Config::new().endpoint_url(&server.url).context(World::fake()).bearer_token("t");
    let client = Client::new(config.clone());
    let strict = |name: &str, strict: &str| {
        let parameters = json!({"type": "object", "properties": {"x": {"type": "string"}}});
        let mut tool = Tool::new(name).parameters(parameters);
        tool.constrained_sampling =
            serde_json::from_value(json!({"type": "json_schema", "strict": strict})).unwrap();
        tool
    };
    let mut model = Model::new("us.anthropic.claude-sonnet-4-5");
    model.compat = serde_json::from_value(json!({"supportsStrictMode": true})).unwrap();
    let ask = async |client: &Client, session: &str, wishes: &[&str]| {
        let context = wishes.iter().fold(Context::new().message(Message::user("Hi")), |context, wish| {
            context.tool(strict(wish, wish))
        });
        let input = Input::new(model.clone(), context).options(Options::new().session_id(session));
        let mut stream = pi::stream(client, &input).await;
        while stream.next_event().await.is_some() {}
        assert!(stream.failure().is_none() || wishes == ["require"], "{:?}", stream.failure());
    };
    ask(&client, "a", &["prefer", "require"]).await;
    ask(&client, "a", &["prefer"]).await;
    // There is nothing to be less strict about.
    ask(&client, "b", &["require"]).await;
    ask(&client, "b", &["prefer"]).await;
    // Another client has not been refused.
    ask(&Client::new(config), "a", &["prefer"]).await;
    let requests = server.requests();
    let stricts = requests.iter().map(|request| {
        let tools = request.json()["toolConfig"]["tools"].clone();
        let tools = tools.as_array().unwrap().iter().filter(|tool| tool["toolSpec"].is_object());
        tools.map(|tool| tool["toolSpec"]["strict"] == true).collect::<Vec<_>>()
    });
    assert_eq!(
        stricts.collect::<Vec<_>>(),
        [vec![true, true], vec![false, true], vec![false], vec![true], vec![true], vec![true]]
    );
}
