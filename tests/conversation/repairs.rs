//! What the service refuses is mended once and remembered; what a model takes only without streaming; what it costs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pumice::context::Context as World;
use pumice::conversation::{self, Target};
use pumice::models::Cost;
use pumice::pi::{
    self, AssistantEvent, AssistantMessage, Context, Input, Message, Model, Options, Tool, ToolChoice,
};
use pumice::{Client, Config};
use serde_json::{Value, json};
use support::server::{self, Answer, Server};
use support::shared;

fn client(server: &Server) -> Client {
    let world = World::fake().with_env("AWS_ENDPOINT_URL_BEDROCK", &server.url);
    Client::new(Config::new().endpoint_url(&server.url).context(world).bearer_token("t"))
}

fn refusal(message: &str) -> Answer {
    Answer::refusal(400, "ValidationException", message)
}

fn ok() -> Answer {
    Answer::stream(server::text_answer(&["ok"]))
}

/// The last event, as JSON, all events' types, and what is sent differently.
async fn ask(client: &Client, input: &Input) -> (Value, Vec<String>, Vec<String>) {
    let mut stream = pi::stream(client, input).await;
    let warnings = stream.warnings().iter().map(ToString::to_string).collect();
    let (mut last, mut types) = (Value::Null, Vec::new());
    while let Some(event) = stream.next_event().await {
        last = serde_json::to_value(&event).unwrap();
        types.push(last["type"].as_str().unwrap().to_owned());
    }
    (last, types, warnings)
}

fn question(model: &str, options: Options) -> Input {
    let tool = Tool::new("t").parameters(json!({"type": "object", "properties": {}}));
    let context = Context::new().message(Message::user("Hi")).tool(tool);
    Input::new(Model::new(model), context).options(options.cache_retention("none"))
}

const TEMPERATURE: &str =
    "The model returned the following errors: `temperature` is deprecated for this model.";
const CHOICE: &str = "This model doesn't support the toolConfig.toolChoice.any field. Remove toolConfig.toolChoice.any and try again.";

#[tokio::test]
async fn a_request_that_is_refused_is_mended_once_for_each_reason_and_that_is_remembered() {
    let server = Server::start([refusal(TEMPERATURE), refusal(CHOICE), ok()]);
    let client = client(&server);
    let options = || Options::new().temperature(0.5).tool_choice(ToolChoice::Any);
    let (last, _, warnings) = ask(&client, &question("newcomer.one", options())).await;
    assert_eq!(last["type"], "done", "{last}");
    let said =
        warnings.iter().filter(|warning| warning.starts_with("request sent again")).collect::<Vec<_>>();
    assert_eq!(said.len(), 2, "{warnings:?}");
    assert!(said[0].contains("temperature=never") && said[0].contains("deprecated"), "{said:?}");

    let (last, _, warnings) = ask(&client, &question("newcomer.one", options())).await;
    assert_eq!(last["type"], "done", "{last}");
    assert!(warnings.iter().all(|warning| !warning.starts_with("request")), "{warnings:?}");
    ask(&client, &question("newcomer.two", options())).await;
    let requests = server.requests();
    let sent = requests.iter().map(|request| {
        let body = request.json();
        (body["inferenceConfig"]["temperature"] == 0.5, body["toolConfig"]["toolChoice"].is_object())
    });
    let both = (true, true);
    assert_eq!(sent.collect::<Vec<_>>(), [both, (false, true), (false, false), (false, false), both]);
}

#[tokio::test]
async fn of_several_betas_the_one_that_is_refused_is_left_out() {
    let named = "The model returned the following errors: Unexpected value(s) `fine-2025-01-01` for the `anthropic-beta` header.";
    let server = Server::start([refusal(named), ok(), ok(), refusal("invalid beta flag"), ok()]);
    let client = client(&server);
    let model = "anthropic.claude-3-7-sonnet-20250219-v1:0";
    let options = || Options::new().betas(["context-1m", "fine-2025-01-01"].map(str::to_owned));
    for _ in 0..3 {
        assert_eq!(ask(&client, &question(model, options())).await.0["type"], "done");
    }
    let requests = server.requests();
    let sent = requests.iter().map(|request| request.json()["additionalModelRequestFields"].clone());
    let (both, one) = (
        json!({"anthropic_beta": ["context-1m", "fine-2025-01-01"]}),
        json!({"anthropic_beta": ["context-1m"]}),
    );
    assert_eq!(sent.collect::<Vec<_>>(), [both, one.clone(), one.clone(), one, Value::Null]);
}

#[tokio::test]
async fn no_call_is_mended_for_ever_or_where_that_is_not_wanted() {
    let server = Server::start([refusal(TEMPERATURE)]);
    let unwanted = Options::new().temperature(0.5).repair(false);
    let (last, ..) = ask(&client(&server), &question("newcomer.one", unwanted)).await;
    assert_eq!((last["type"].as_str(), server.requests().len()), (Some("error"), 1));

    // The same refusal again, although nothing of the kind is sent any more.
    let server = Server::start([refusal(TEMPERATURE)]);
    ask(&client(&server), &question("newcomer.one", Options::new().temperature(0.5))).await;
    assert_eq!(server.requests().len(), 2);

    let server = Server::start([
        refusal(TEMPERATURE),
        refusal(CHOICE),
        refusal("The maximum tokens you requested exceeds the model limit of 64. Try again."),
        refusal("The provided model identifier is invalid."),
    ]);
    let options =
        Options::new().temperature(0.5).tool_choice(ToolChoice::Any).max_tokens(100u64).service_tier("flex");
    let (last, ..) = ask(&client(&server), &question("newcomer.one", options)).await;
    assert_eq!((last["type"].as_str(), server.requests().len()), (Some("error"), 4));
    assert_eq!(server.requests()[3].json()["inferenceConfig"]["maxTokens"], 64);
}

/// Recorded refusals of what no change of the request mends, after which it is not sent again.
#[tokio::test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
async fn a_recorded_refusal_that_cannot_be_mended_is_passed_on() {
    let folder = shared::path("captures/errors");
    let mut compared = 0;
    for file in fs::read_dir(folder).unwrap() {
        let capture = fs::read_to_string(file.unwrap().path()).unwrap();
        let capture = serde_json::from_str::<Value>(&capture).unwrap();
        let (response, operation) = (&capture["response"], capture["operation"].as_str().unwrap());
        let status = u16::try_from(response["status"].as_u64().unwrap()).unwrap();
        // What is temporary is retried as it is.
        if !operation.starts_with("converse") || status == 429 || status >= 500 {
            continue;
        }
        let body = STANDARD.decode(response["body_b64"].as_str().unwrap()).unwrap();
        let message = serde_json::from_slice::<Value>(&body).unwrap()["message"].as_str().unwrap().to_owned();
        let headers = response["headers"].as_object().unwrap();
        let code = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-amzn-errortype"));
        let code = code.map_or("ValidationException", |(_, code)| code.as_str().unwrap());
        let server = Server::start([Answer::whole(status, body).header("x-amzn-errortype", code)]);
        let mut request = capture["request"]["body"].clone();
        request["modelId"] = capture["model"].clone();
        // All that a repair could take out.
        request["inferenceConfig"] = json!({"temperature": 0.5, "topP": 0.5, "maxTokens": 9000});
        request["additionalModelRequestFields"] = json!({"anthropic_beta": ["context-1m"]});
        let request = serde_json::from_value(request).unwrap();
        let options = conversation::Options::default();
        let client = client(&server);
        let call = conversation::converse_stream(&client, request, Target::default(), &options);
        let call = call.await.unwrap();
        assert_eq!(call.response.unwrap_err().message(), message);
        let posts = server.requests().into_iter().filter(|request| request.line.starts_with("POST"));
        assert_eq!(posts.count(), 1, "{message}");
        compared += 1;
    }
    assert!(compared >= 7, "{compared}");
}

#[tokio::test]
async fn tools_that_a_model_takes_only_without_streaming_give_the_same_events() {
    let whole = json!({
        "output": {"message": {"role": "assistant", "content": [
            {"text": "I look."}, {"toolUse": {"toolUseId": "1", "name": "t", "input": {"x": 1}}}
        ]}},
        "stopReason": "tool_use", "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7},
        "metrics": {"latencyMs": 5}
    });
    let whole = || Answer::whole(200, whole.to_string());
    let expected = [
        "start",
        "text_start",
        "text_delta",
        "text_end",
        "toolcall_start",
        "toolcall_delta",
        "toolcall_end",
        "done",
    ];
    let server = Server::start([whole()]);
    let (last, types, _) =
        ask(&client(&server), &question("us.meta.llama4-maverick-17b-instruct-v1:0", Options::new())).await;
    assert_eq!(types, expected);
    assert!(server.requests()[0].line.contains("/converse HTTP"), "{}", server.requests()[0].line);
    assert_eq!(last["message"]["content"][1]["arguments"], json!({"x": 1}));
    assert_eq!(last["message"]["usage"]["totalTokens"], 7);

    // Learnt from a refusal, and remembered.
    let server = Server::start([refusal("This model doesn't support tool use in streaming mode."), whole()]);
    let client = client(&server);
    for _ in 0..2 {
        assert_eq!(ask(&client, &question("newcomer.one", Options::new())).await.1, expected);
    }
    let lines = server.requests().iter().map(|request| request.line.contains("-stream")).collect::<Vec<_>>();
    assert_eq!(lines, [true, false, false]);
}

/// The message of a response whose metadata are these.
async fn charged(model: Model, metadata: Value) -> AssistantMessage {
    let mut frames = server::text_answer(&["ok"]);
    frames.pop();
    frames.push(server::event("metadata", &metadata.to_string()));
    let profile = json!({"inferenceProfileName": "n", "models": [{"modelArn":
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0"}]});
    let server = Server::start([
        Answer::stream(frames).only_for("/model/"),
        Answer::whole(200, profile.to_string()).only_for("/inference-profiles"),
    ]);
    let input = Input::new(model, Context::new().message(Message::user("Hi")));
    let mut stream = pi::stream(&client(&server), &input).await;
    loop {
        match stream.next_event().await.unwrap() {
            AssistantEvent::Done { message } => return *message,
            AssistantEvent::Error { error } => panic!("{error:?}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_response_costs_what_its_model_and_its_tier_cost() {
    let million = 1_000_000;
    let usage = json!({"inputTokens": million, "outputTokens": million, "totalTokens": 2 * million});
    let total = |message: AssistantMessage| message.usage.unwrap().cost.unwrap().total.unwrap().0;
    let priced = || {
        let mut model = Model::new("us.amazon.nova-pro-v1:0");
        model.complete_from_catalog();
        model
    };
    assert!((total(charged(priced(), json!({"usage": usage})).await) - 4.0).abs() < 1e-9);
    for (tier, cost) in [("flex", 2.0), ("priority", 7.0), ("default", 4.0)] {
        let message = charged(priced(), json!({"usage": usage, "serviceTier": {"type": tier}})).await;
        assert!((total(message) - cost).abs() < 1e-9, "{tier}");
    }
    // The tier of a model that costs otherwise than those of most models, and one that the settings price.
    let mut own = Model::new("nvidia.nemotron-nano-9b-v2");
    own.complete_from_catalog();
    let flex = json!({"usage": usage, "serviceTier": {"type": "flex"}});
    assert!((total(charged(own, flex.clone()).await) - 0.15).abs() < 1e-6);
    let cost = json!({"input": 1, "output": 1, "serviceTiers": {"flex": {"input": 0.25}}});
    let own = Model::new("m").cost(serde_json::from_value::<Cost>(cost).unwrap());
    assert!((total(charged(own, flex).await) - 1.25).abs() < 1e-9);
    // An application profile costs what its model costs, and a router what the model that it chose costs.
    let profile = Model::new("arn:aws:bedrock:us-east-1:1:application-inference-profile/p");
    assert!((total(charged(profile, json!({"usage": usage})).await) - 4.0).abs() < 1e-9);
    let router = Model::new("arn:aws:bedrock:us-east-1:1:default-prompt-router/anthropic.claude:1");
    let trace = json!({"promptRouter": {"invokedModelId":
        "arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-pro-v1:0"}});
    assert!((total(charged(router, json!({"usage": usage, "trace": trace})).await) - 4.0).abs() < 1e-9);
}
