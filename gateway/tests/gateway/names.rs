//! Names of models, and the list of them.

use pumice::context::Context;
use pumice::retry::Retry;
use pumice::{Client, Config};
use pumice_gateway::Options;
use serde_json::json;
use support::server::{self, Answer, Server};

use crate::setup::Gate;

fn bedrock() -> Server {
    let model = |id: &str, kind: &str| {
        json!({
            "modelId": id, "modelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{id}"), "modelName": id,
            "providerName": "P", "inputModalities": ["TEXT"], "outputModalities": ["TEXT"],
            "responseStreamingSupported": true, "inferenceTypesSupported": [kind], "modelLifecycle": {"status": "ACTIVE"}
        })
    };
    let sonnet = "anthropic.claude-sonnet-4-5-20250929-v1:0";
    let profile = |of: &str| {
        json!({
            "inferenceProfileName": "p", "inferenceProfileId": format!("{of}.{sonnet}"),
            "inferenceProfileArn": format!("arn:aws:bedrock:us-east-1:1:inference-profile/{of}.{sonnet}"),
            "status": "ACTIVE", "type": "SYSTEM_DEFINED",
            "models": [{"modelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{sonnet}")}]
        })
    };
    let models = json!({"modelSummaries": [
        model("amazon.nova-lite-v1:0", "ON_DEMAND"), model(sonnet, "INFERENCE_PROFILE"), model("openai.gpt-oss-120b-1:0", "ON_DEMAND"),
    ]});
    let profiles = json!({"inferenceProfileSummaries": [profile("global"), profile("us")]});
    let only_profile = "Invocation of model ID anthropic.claude-sonnet-4-5-20250929-v1:0 with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model.";
    Server::start([
        Answer::whole(200, models.to_string()).only_for("/foundation-models"),
        Answer::whole(200, profiles.to_string()).only_for("/inference-profiles"),
        Answer::refusal(400, "ValidationException", only_profile).only_for("/model/anthropic."),
        Answer::stream(server::text_answer(&["Hi"])).only_for("/converse-stream"),
    ])
}

fn called(server: &Server) -> Vec<String> {
    let sent = server.requests();
    let calls = sent.iter().filter_map(|sent| sent.line.strip_prefix("POST /model/"));
    calls.map(|line| line.split('/').next().unwrap().to_owned()).collect()
}

#[test]
fn a_makers_name_is_called_by_the_id_that_is_nearest() {
    let server = bedrock();
    let gate = Gate::before(&server.url);
    for (name, id) in [
        ("claude-sonnet-4-5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("claude-sonnet-4-5-20250929", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("anthropic/claude-sonnet-4.5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        ("nova-lite", "amazon.nova-lite-v1:0"),
        ("bedrock/amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        ("amazon-bedrock/nova-lite", "amazon.nova-lite-v1:0"),
    ] {
        let request = json!({"model": name, "messages": [{"role": "user", "content": "Hi"}]});
        let reply = gate.post("/v1/chat/completions", &request);
        assert_eq!(
            (reply.status, reply.header("x-pumice-model")),
            (200, Some(id)),
            "{name}: {}",
            reply.text()
        );
        assert_eq!(called(&server).pop().unwrap(), id.replace(':', "%3A"));
    }
}

#[test]
fn a_model_that_only_a_profile_serves_is_called_through_it_and_that_is_remembered() {
    let server = bedrock();
    let gate = Gate::before(&server.url);
    let ask = || {
        let request = json!({"model": "anthropic.claude-sonnet-4-5-20250929-v1:0", "messages": [{"role": "user", "content": "Hi"}]});
        let reply = gate.post("/v1/chat/completions", &request);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("x-pumice-model"), Some("us.anthropic.claude-sonnet-4-5-20250929-v1:0"));
    };
    ask();
    assert_eq!(called(&server).len(), 2);
    server.forget_requests();
    ask();
    assert_eq!(called(&server), ["us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"]);
}

#[test]
fn an_unknown_name_is_404_with_the_nearest() {
    let server = bedrock();
    let gate = Gate::before(&server.url);
    let request = json!({"model": "claude-sonet-4-5", "messages": [{"role": "user", "content": "Hi"}]});
    let reply = gate.post("/v1/chat/completions", &request);
    let error = &reply.json()["error"];
    assert_eq!((reply.status, &error["code"]), (404, &json!("model_not_found")));
    assert!(
        error["message"].as_str().unwrap().contains("did you mean us.anthropic.claude-sonnet-4-5"),
        "{error}"
    );
    let reply = gate.post("/v1/messages", &json!({"model": "gpt-4o", "max_tokens": 1, "messages": []}));
    assert_eq!((reply.status, &reply.json()["error"]["type"]), (404, &json!("not_found_error")));
}

#[test]
fn without_credentials_no_model_is_called_unknown() {
    let context = Context::fake().with_env("AWS_EC2_METADATA_DISABLED", "true");
    let config = Config::new().context(context).retry(Retry::never());
    let gate = Gate::with(Client::new(config), Options::new());
    let reply = gate.post("/v1/chat/completions", &json!({"model": "nova-lite", "messages": []}));
    assert_eq!((reply.status, &reply.json()["error"]["type"]), (401, &json!("authentication_error")));
}

#[test]
fn the_list_is_valid_for_both_kinds_of_sdk() {
    let server = bedrock();
    let gate = Gate::before(&server.url);
    let list = gate.get("/v1/models?limit=1000").json();
    let ids = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["id"].as_str().unwrap())
        .collect::<Vec<_>>();
    assert!(
        ids.contains(&"us.anthropic.claude-sonnet-4-5-20250929-v1:0")
            && ids.contains(&"amazon.nova-lite-v1:0")
    );
    assert!(!ids.contains(&"anthropic.claude-sonnet-4-5-20250929-v1:0"), "it cannot be called: {ids:?}");
    assert_eq!((&list["object"], &list["has_more"]), (&json!("list"), &json!(false)));
    let one = gate.get("/v1/models/nova-lite").json();
    assert_eq!(
        (&one["id"], &one["object"], &one["type"]),
        (&json!("amazon.nova-lite-v1:0"), &json!("model"), &json!("model"))
    );
    assert_eq!(gate.get("/v1/models/nova-none").status, 404);
    assert_eq!(gate.ask("HEAD", "/", &[], b"").status, 200);
}
