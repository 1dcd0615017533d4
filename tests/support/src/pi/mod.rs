//! Recorded runs of pi-ai's Bedrock provider, and `pumice::pi` held to them.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "part of tests")]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pumice::context::Context;
use pumice::pi::{self, AssistantEvent, Input};
use pumice::shape::Document;
use pumice::{Client, Config};
use serde_json::{Map, Value, json};

use crate::server::{self, Answer, Received, Server};

/// Compares what is sent for an input with what pi-ai sent. Each of the `reasons` names an edit of that, after which
/// the two are the same.
pub async fn assert_request<'a>(
    name: &str,
    input: &Document,
    case: &Value,
    reasons: impl IntoIterator<Item = &'a str>,
) {
    let server = Server::start([Answer::stream(server::text_answer(&["ok"]))]);
    let last = run(input, &server).await.pop().unwrap();
    let sent = server.requests();
    if case["request"].is_null() {
        assert!(sent.is_empty(), "{name}");
        let AssistantEvent::Error { error } = last else { panic!("{name}: {last:?}") };
        assert_eq!(error.error_message.as_deref(), case["error"].as_str(), "{name}");
        return;
    }
    let [request] = sent.as_slice() else { panic!("{name}: expected one request, found {last:?}") };
    let expected = &case["request"];
    let mut body = expected["body"].clone();
    for reason in reasons {
        let before = body.clone();
        edit(&mut body, reason);
        assert_ne!(body, before, "{name}: {reason} makes no difference");
    }
    assert_eq!(numbers_alike(request.json()), numbers_alike(body), "{name}");
    let url = format!("POST {} HTTP/1.1", expected["url"].as_str().unwrap());
    assert_eq!(request.line, url, "{name}");
    assert_eq!(authorization(request), authorization_of(expected), "{name}");
    for (header, value) in expected["headers"].as_object().unwrap() {
        if !["user-agent", "x-amz-user-agent"].contains(&header.as_str()) {
            assert_eq!(request.header(header), value.as_str(), "{name}: {header}");
        }
    }
    for header in ["x-amz-foo", "x-amz-security-token", "x-team"] {
        assert_eq!(
            request.header(header).is_some(),
            expected["headers"][header].is_string(),
            "{name}: {header}"
        );
    }
}

/// Compares the events that are made of an answer with those of pi-ai. `edits` are members of pi-ai's message, by JSON
/// Pointer, and what they are here.
pub async fn assert_answer<'a>(
    name: &str,
    input: &Document,
    case: &Value,
    edits: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    let answers = case["server"].as_array().unwrap().iter().map(answer).collect::<Vec<_>>();
    let server = Server::start(answers);
    let mut events = run(input, &server).await;
    assert_eq!(json!(server.requests().len()), case["attempts"], "{name}");

    let last = serde_json::to_value(events.last_mut().unwrap()).unwrap();
    let reported = events.iter().map(|event| {
        let mut event = serde_json::to_value(event).unwrap();
        event.as_object_mut().unwrap().retain(|member, _| !["message", "error"].contains(&member.as_str()));
        event
    });
    assert_eq!(reported.collect::<Vec<_>>(), *case["events"].as_array().unwrap(), "{name}");

    let message = last.get("message").or(last.get("error")).unwrap();
    assert_eq!(message["role"], "assistant", "{name}");
    let mut wanted = case["result"].clone();
    for (pointer, here) in edits {
        assert_ne!(wanted.pointer(pointer), Some(&json!(here)), "{name}: {pointer} makes no difference");
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        wanted.pointer_mut(parent).unwrap()[member] = json!(here);
    }
    // It is always false: nobody but pumice works out what an answer costs.
    wanted["usage"]["cost"].as_object_mut().unwrap().remove("totalFromProvider");
    for member in ["content", "usage", "stopReason", "rawStopReason", "errorMessage", "diagnostics"] {
        let mut found = message[member].clone();
        for diagnostic in found.as_array_mut().into_iter().flatten().filter(|_| member == "diagnostics") {
            assert!(diagnostic.as_object_mut().unwrap().remove("timestamp").unwrap().is_u64());
        }
        if let Some(text) = found.as_str().filter(|_| member == "errorMessage") {
            found = text.split("\nhint: ").next().unwrap().into();
        }
        let (found, wanted) = (numbers_alike(found), numbers_alike(wanted[member].clone()));
        assert_eq!(found, wanted, "{name}: {member}");
    }
}

/// Asserts that a request whose connection broke is not sent again, where pi-ai does.
pub async fn assert_sent_once(name: &str, input: &Document, case: &Value) {
    assert!(case["attempts"].as_u64().unwrap() > 1, "{name}");
    let server = Server::start(case["server"].as_array().unwrap().iter().map(answer).collect::<Vec<_>>());
    let Some(AssistantEvent::Error { error }) = run(input, &server).await.pop() else {
        panic!("{name}: expected an error at the end")
    };
    let text = error.error_message.unwrap();
    assert!(text.starts_with("Connection lost: the connection broke off"), "{name}: {text}");
    assert_eq!(server.requests().len(), 1, "{name}");
}

/// The events of an answer to this input.
async fn run(json: &Document, server: &Server) -> Vec<AssistantEvent> {
    let input = Input::from_json(json.text()).unwrap();
    let mut context =
        Context::fake().with_env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").with_env("AWS_SECRET_ACCESS_KEY", "s");
    let env = input.other.named("env").map(|env| env.read::<BTreeMap<String, String>>().unwrap());
    for (name, value) in env.into_iter().flatten() {
        context = context.with_env(name, value);
    }
    let config = input.configure(Config::new()).context(context).endpoint_url(&server.url);
    let mut stream = pi::stream(&Client::new(config), &input).await;
    let mut events = Vec::new();
    while let Some(event) = stream.next_event().await {
        events.push(event);
    }
    let last = events.iter().filter(|event| event.is_last()).count();
    assert_eq!((last, events.last().map(AssistantEvent::is_last)), (1, Some(true)));
    events
}

/// What a difference makes of pi-ai's body.
fn edit(body: &mut Value, reason: &str) {
    match reason {
        "tools-cached" => {
            let last = body["messages"].as_array().unwrap().last().unwrap()["content"]
                .as_array()
                .unwrap()
                .last()
                .unwrap();
            let point = last.clone();
            assert!(point["cachePoint"].is_object());
            body["toolConfig"]["tools"].as_array_mut().unwrap().push(point);
        }
        "merged" => {
            let mut merged = Vec::<Value>::new();
            for turn in body["messages"].as_array().unwrap() {
                match merged.last_mut() {
                    Some(last) if last["role"] == turn["role"] => {
                        let more = turn["content"].as_array().unwrap().clone();
                        last["content"].as_array_mut().unwrap().extend(more);
                    }
                    _ => merged.push(turn.clone()),
                }
            }
            body["messages"] = merged.into();
        }
        "blank" => {
            body.as_object_mut().unwrap().remove("system");
        }
        "nova" => {
            body["inferenceConfig"] = json!({});
            body["additionalModelRequestFields"] =
                json!({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}});
        }
        "told" => {
            body["messages"][1]["content"][0] = json!({"text": "[Assistant tool call]: t({\"x\":\"1\"})"});
            body["messages"][2]["content"][0] = json!({"text": "[Tool result: t]: r"});
        }
        "ids" => {
            body["messages"][1]["content"][0]["toolUse"]["toolUseId"] = "we_rd_id".into();
            body["messages"][2]["content"][0]["toolResult"]["toolUseId"] = "we_rd_id".into();
        }
        "signature" => {
            let thinking = json!({"reasoningContent": {"reasoningText": {"text": "", "signature": "SIG"}}});
            body["messages"][1]["content"].as_array_mut().unwrap().insert(0, thinking);
        }
        "temperature" => {
            body["inferenceConfig"].as_object_mut().unwrap().remove("temperature");
        }
        "bytes" => {
            body["messages"][0]["content"][1]["image"]["format"] = "png".into();
        }
        "limits" => {
            let tool = &mut body["toolConfig"]["tools"][0]["toolSpec"];
            let days = &mut tool["inputSchema"]["json"]["properties"]["days"]["anyOf"][0];
            *days = json!({"type": "integer", "description": "(minimum: 1)"});
        }
        "heeded" => {
            let budget = &body["additionalModelRequestFields"]["thinking"]["budget_tokens"];
            body["inferenceConfig"]["maxTokens"] =
                (body["inferenceConfig"]["maxTokens"].as_u64().unwrap() - budget.as_u64().unwrap()).into();
        }
        _ => panic!("{reason} is no reason"),
    }
}

/// The bearer token, or whose signature it is and for which region.
fn authorization(request: &Received) -> String {
    who(request.header("authorization").unwrap())
}

fn authorization_of(expected: &Value) -> String {
    who(expected["authorization"].as_str().unwrap())
}

fn who(authorization: &str) -> String {
    match authorization.split_once("Credential=") {
        None => authorization.to_owned(),
        Some((_, credential)) => {
            let parts = credential.split('/').collect::<Vec<_>>();
            format!("{} in {}", parts[0], parts[2])
        }
    }
}

fn answer(answer: &Value) -> Answer {
    if answer["destroy"] == true {
        return Answer::nothing();
    }
    let body = match answer["body_base64"].as_str() {
        Some(body) => STANDARD.decode(body).unwrap(),
        None => answer["body"].as_str().unwrap().as_bytes().to_vec(),
    };
    let mut made = Answer::stream([body]).status(answer["status"].as_u64().unwrap().try_into().unwrap());
    made = made.without_headers();
    for (name, value) in answer["headers"].as_object().unwrap() {
        made = made.header(name, value.as_str().unwrap());
    }
    if answer["cut_connection_after_body"] == true { made.cut() } else { made }
}

/// Whole numbers are the same with and without a point.
fn numbers_alike(value: Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.into_iter().map(numbers_alike).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, numbers_alike(value)))
            .collect::<Map<_, _>>()
            .into(),
        other => other,
    }
}
