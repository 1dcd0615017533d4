//! Where a call goes, and what is sent: through three turns with tools, thinking and images, and with its warnings.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::collections::BTreeSet;
use std::sync::Arc;

use pumice::context::Context as World;
use pumice::pi::{
    self, AssistantEvent, Content, Contents, Context, ImageContent, Input, Message, Model, Options,
    StopReason, Tool, ToolResultMessage,
};
use pumice::settings::Settings;
use pumice::{Client, Config};
use serde_json::{Value, json};
use support::capture::{self, Capture};
use support::server::{self, Answer, Server};

/// The URL that is called and the region that the call is signed for.
async fn destination(base_url: &str, region: Option<&str>, settings: &str) -> (String, String) {
    let mut context = capture::keys(capture::context());
    if let Some(region) = region {
        context = context.with_env("AWS_REGION", region);
    }
    let input = Input::new(Model::new("m").base_url(base_url), Context::new().message(Message::user("Hi")));
    let transport = Arc::new(Capture::default());
    let config = input.configure(Config::new()).context(context).transport(transport.clone());
    let config = Settings::parse("settings.json5", settings).unwrap().under(config, Some("m"));
    let mut stream = pi::stream(&Client::new(config), &input).await;
    while stream.next_event().await.is_some() {}
    let request = transport.only_request();
    let authorization = request.headers()["authorization"].to_str().unwrap();
    let region = authorization.split('/').nth(2).unwrap().to_owned();
    (request.uri().to_string(), region)
}

#[tokio::test]
async fn a_base_url_of_amazons_own_names_the_region_where_nothing_else_does() {
    let standard = |region: &str| {
        let url = format!("https://bedrock-runtime.{region}.amazonaws.com/model/m/converse-stream");
        (url, region.to_owned())
    };
    let frankfurt = "https://bedrock-runtime.eu-central-1.amazonaws.com";
    let paris = "{ models: { bedrockDiscovery: { region: 'eu-west-3' } } }";
    assert_eq!(destination(frankfurt, None, "").await, standard("eu-central-1"));
    assert_eq!(destination(&format!("{frankfurt}/"), None, "").await, standard("eu-central-1"));
    assert_eq!(destination(frankfurt, Some("eu-west-1"), "").await, standard("eu-west-1"));
    // pi-ai's own list of models has such a URL in each of them: a settings file knows better.
    assert_eq!(destination(frankfurt, None, paris).await, standard("eu-west-3"));

    let gateway = "https://gateway.example/bedrock";
    let url = format!("{gateway}/model/m/converse-stream");
    assert_eq!(destination(gateway, None, "").await, (url, "us-east-1".to_owned()));
}

/// A tool of one argument.
fn tool(name: &str) -> Tool {
    Tool::new(name)
        .description("A tool.")
        .parameters(json!({"type": "object", "properties": {"x": {"type": "string"}}}))
}

fn tool_use(index: u32, id: &str, name: &str, input: &str) -> Vec<Vec<u8>> {
    let start = json!({"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": id, "name": name}}});
    let delta = json!({"contentBlockIndex": index, "delta": {"toolUse": {"input": input}}});
    vec![
        server::event("contentBlockStart", &start.to_string()),
        server::event("contentBlockDelta", &delta.to_string()),
        server::block_stop(index),
    ]
}

fn reasoning(index: u32, delta: &Value) -> Vec<u8> {
    let event = json!({"contentBlockIndex": index, "delta": {"reasoningContent": delta}});
    server::event("contentBlockDelta", &event.to_string())
}

#[tokio::test]
async fn a_conversation_with_tools_thinking_and_images_goes_through_three_turns() {
    let first = [
        vec![
            server::message_start(),
            reasoning(0, &json!({"text": "Look it up."})),
            reasoning(0, &json!({"signature": "SIG"})),
        ],
        vec![server::block_stop(0), reasoning(1, &json!({"redactedContent": "AAEC"})), server::block_stop(1)],
        tool_use(2, "tooluse_1", "read_file", r#"{"x":"a"}"#),
        tool_use(3, "tooluse_2", "look", r#"{"x":"b"}"#),
        vec![server::message_stop("tool_use"), server::metadata(10, 5)],
    ];
    let second = [
        vec![server::message_start(), reasoning(0, &json!({"signature": "SIG2"})), server::block_stop(0)],
        tool_use(1, "tooluse_3", "look", ""),
        vec![server::message_stop("tool_use"), server::metadata(20, 5)],
    ];
    let server = Server::start([
        Answer::stream(first.concat()),
        Answer::stream(second.concat()),
        Answer::stream(server::text_answer(&["Done."])),
    ]);
    let config = Config::new().endpoint_url(&server.url).context(World::fake()).bearer_token("t");
    let client = Client::new(config);

    let image = || Content::from(ImageContent::new("iVBORw0KGgo=", "image/png"));
    let model = Model::new("us.anthropic.claude-sonnet-4-5").reasoning(true).max_tokens(64000u64);
    let context = Context::new()
        .system_prompt("S")
        .message(Message::user(vec!["See".into(), image()]))
        .tool(tool("read.file"))
        .tool(tool("look"));
    let mut input = Input::new(model, context).options(Options::new().reasoning("low").temperature(1.0));

    let mut reasons = Vec::new();
    for _ in 0..3 {
        let mut stream = pi::stream(&client, &input).await;
        let message = loop {
            match stream.next_event().await.unwrap() {
                AssistantEvent::Done { message } => break message,
                AssistantEvent::Error { error } => panic!("{error:?}"),
                _ => {}
            }
        };
        reasons.push(message.stop_reason.clone().unwrap());
        let results = message.tool_calls().map(|call| {
            assert!(
                ["read.file", "look"].contains(&call.name.as_str()),
                "the name that was given: {}",
                call.name
            );
            // The second of them failed, with an image.
            let failed = call.id == "tooluse_2";
            let result = ToolResultMessage::new(call.id.as_str()).tool_name(call.name.as_str());
            Message::ToolResult(result.content(Contents(vec!["r".into(), image()])).is_error(failed))
        });
        let results = results.collect::<Vec<_>>();
        let messages = input.context.messages.get_or_insert_default();
        messages.push((*message).into());
        messages.extend(results);
    }
    assert_eq!(reasons, [StopReason::ToolUse, StopReason::ToolUse, StopReason::Stop]);

    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        let body = request.json();
        accepted(&body);
        assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "read_file");
        assert_eq!(body["inferenceConfig"], json!({"maxTokens": 64000}), "no temperature beside thinking");
    }
    let messages = requests[2].json()["messages"].clone();
    assert_eq!(
        messages[1]["content"],
        json!([
            {"reasoningContent": {"reasoningText": {"text": "Look it up.", "signature": "SIG"}}},
            {"reasoningContent": {"redactedContent": "AAEC"}},
            {"toolUse": {"toolUseId": "tooluse_1", "name": "read_file", "input": {"x": "a"}}},
            {"toolUse": {"toolUseId": "tooluse_2", "name": "look", "input": {"x": "b"}}}
        ])
    );
    let image = json!({"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}});
    assert_eq!(
        messages[2]["content"],
        json!([
            {"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": "r"}, image], "status": "success"}},
            {"toolResult": {"toolUseId": "tooluse_2", "status": "error", "content": [
                {"text": "r"}, {"text": "(image attached after the tool results)"}
            ]}},
            {"text": "Images from the error result of tool call tooluse_2 (look):"},
            image
        ])
    );
    let signed = json!({"reasoningContent": {"reasoningText": {"text": "", "signature": "SIG2"}}});
    assert_eq!(messages[3]["content"][0], signed);
}

/// Asserts that the service would accept a request, as far as its rules are known.
fn accepted(body: &Value) {
    let turns = body["messages"].as_array().unwrap();
    assert_eq!(turns[0]["role"], "user");
    let points = body.to_string().matches("\"cachePoint\"").count();
    assert!((1..=4).contains(&points));
    let mut open = BTreeSet::new();
    for (at, turn) in turns.iter().enumerate() {
        let expected = if at % 2 == 0 { "user" } else { "assistant" };
        assert_eq!(turn["role"], expected, "turns take turns");
        let blocks = turn["content"].as_array().unwrap();
        assert!(!blocks.is_empty());
        let results = blocks.iter().take_while(|block| block["toolResult"].is_object());
        for result in results {
            assert!(
                open.remove(result["toolResult"]["toolUseId"].as_str().unwrap()),
                "a call for each result"
            );
        }
        assert!(open.is_empty(), "a result for each call");
        for block in blocks {
            if let Some(text) = block["text"].as_str() {
                assert!(!text.trim().is_empty(), "no blank text");
            }
            if let Some(id) = block["toolUse"]["toolUseId"].as_str() {
                open.insert(id.to_owned());
                assert!(body["toolConfig"].is_object(), "tools beside a history of tools");
            }
        }
    }
}

#[tokio::test]
async fn a_service_tier_that_the_model_does_not_have_is_not_sent() {
    let server = Server::start([Answer::stream(server::text_answer(&["ok"]))]);
    let config = Config::new().endpoint_url(&server.url).context(World::fake()).bearer_token("t");
    let client = Client::new(config);
    let mut warned = Vec::new();
    for (model, tier) in [
        ("anthropic.claude-sonnet-4-5", " Flex "),
        ("anthropic.claude-sonnet-4-5", "fast"),
        ("anthropic.claude-opus-5", "priority"),
        ("anthropic.claude-opus-5", "default"),
    ] {
        let input = Input::new(Model::new(model), Context::new().message(Message::user("Hi")));
        let mut stream = pi::stream(&client, &input.options(Options::new().service_tier(tier))).await;
        while stream.next_event().await.is_some() {}
        let warnings = stream.warnings().iter().map(ToString::to_string).collect::<Vec<_>>();
        warned.push(warnings.join(";"));
    }
    let tiers =
        server.requests().iter().map(|request| request.json()["serviceTier"].clone()).collect::<Vec<_>>();
    assert_eq!(tiers, [json!({"type": "flex"}), Value::Null, Value::Null, json!({"type": "default"})]);
    assert_eq!(
        warned,
        [
            "",
            "serviceTier \"fast\" not sent: expected default, flex, priority or reserved",
            "serviceTier \"priority\" not sent: the model does not have this tier",
            ""
        ]
    );
}
