//! Anthropic's Messages for Claude.

use serde_json::{Value, json};
use support::server::{Answer, Server, event, exception};

use crate::setup::Gate;

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn chunk(json: &str) -> Vec<u8> {
    let bytes = pumice::shape::Blob::from(json.as_bytes().to_vec()).to_base64();
    event("chunk", &format!(r#"{{"bytes":"{bytes}"}}"#))
}

fn stream() -> Vec<Vec<u8>> {
    [
        r#"{"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":9,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi \u00e9"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}"#,
        r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":9,"outputTokenCount":3,"cacheReadInputTokenCount":4}}"#,
    ]
    .map(chunk)
    .to_vec()
}

fn request(more: &Value) -> Value {
    let mut request = json!({
        "model": CLAUDE, "max_tokens": 10, "stream": true, "messages": [{"role": "user", "content": "Hi"}]
    });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

#[test]
fn claude_is_called_in_its_own_form_and_its_events_are_its_own() {
    let server = Server::start([Answer::stream(stream())]);
    let gate = Gate::before(&server.url);
    let body = br#"{"model":"us.anthropic.claude-sonnet-4-5-20250929-v1:0","max_tokens":10,"z":{"b":1,"a":[ 2 ]},"stream":true,"messages":[]}"#;
    let headers =
        [("anthropic-beta", "effort-2025-11-24, context-1m-2025-08-07"), ("anthropic-version", "2023-06-01")];
    let reply = gate.ask("POST", "/v1/messages?beta=true", &headers, body);
    assert_eq!((reply.status, reply.header("request-id")), (200, Some("test-request-id")));
    assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let text = reply.text();
    assert!(text.starts_with("event: message_start\ndata: {\"type\":\"message_start\","), "{text}");
    assert!(text.contains(r#""text":"Hi \u00e9"}}"#), "as it came: {text}");
    assert_eq!(reply.data().len(), 6);

    let sent = server.requests().pop().unwrap();
    assert_eq!(
        sent.line,
        "POST /model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream HTTP/1.1"
    );
    assert_eq!(
        String::from_utf8(sent.body).unwrap(),
        r#"{"max_tokens":10,"z":{"b":1,"a":[ 2 ]},"messages":[],"anthropic_beta":["effort-2025-11-24","context-1m-2025-08-07"],"anthropic_version":"bedrock-2023-05-31"}"#
    );
    let call = gate.logged();
    assert_eq!(
        (&call["inputTokens"], &call["outputTokens"], &call["cachedTokens"]),
        (&json!(13), &json!(3), &json!(4))
    );
}

#[test]
fn a_whole_response_is_claudes_own() {
    let whole =
        r#"{"id":"msg_1","type":"message","content":[],"usage":{"input_tokens":5,"output_tokens":2}}"#;
    let server = Server::start([Answer::whole(200, whole)]);
    let gate = Gate::before(&server.url);
    let reply = gate.post("/v1/messages", &request(&json!({"stream": false})));
    assert_eq!((reply.status, reply.text()), (200, whole));
    assert!(server.requests()[0].line.ends_with("/invoke HTTP/1.1"));
    assert_eq!(gate.logged()["inputTokens"], 5);
}

#[test]
fn what_the_model_refuses_is_taken_out_once_said_and_remembered() {
    let refuse = |message| Answer::refusal(400, "ValidationException", message);
    let server = Server::start([
        refuse("invalid beta flag"),
        refuse("context_management: Extra inputs are not permitted"),
        Answer::stream(stream()),
    ]);
    let gate = Gate::before(&server.url);
    let body = request(&json!({"context_management": {"edits": []}})).to_string();
    let ask =
        || gate.ask("POST", "/v1/messages", &[("anthropic-beta", "claude-code-20250219")], body.as_bytes());
    for requests in [3, 4] {
        let reply = ask();
        assert_eq!(reply.status, 200, "{}", reply.text());
        let notes = reply.headers.iter().filter(|(name, _)| name == "x-pumice-note").collect::<Vec<_>>();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert_eq!(server.requests().len(), requests, "remembered");
    }
    let sent = server.requests().pop().unwrap().json();
    assert_eq!((sent.get("context_management"), sent.get("anthropic_beta")), (None, None));
}

#[test]
fn another_refusal_comes_back_at_once_in_anthropics_form() {
    let server =
        Server::start([Answer::refusal(400, "ValidationException", "messages: roles must alternate")]);
    let gate = Gate::before(&server.url);
    let reply = gate.post("/v1/messages", &request(&json!({})));
    let json = reply.json();
    assert_eq!(
        (reply.status, &json["type"], &json["error"]["type"]),
        (400, &json!("error"), &json!("invalid_request_error"))
    );
    assert_eq!(
        (&json["error"]["message"], &json["request_id"]),
        (&json!("messages: roles must alternate"), &json!("test-request-id"))
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn what_fails_midway_is_an_event() {
    let mut frames = stream();
    frames.truncate(3);
    frames.push(exception("throttlingException", "slow"));
    let server = Server::start([Answer::stream(frames)]);
    let gate = Gate::before(&server.url);
    let reply = gate.post("/v1/messages", &request(&json!({})));
    let last = reply.data().pop().unwrap();
    assert_eq!((&last["type"], &last["error"]["type"]), (&json!("error"), &json!("rate_limit_error")));
    assert!(reply.text().contains("event: error\n"));
}

#[test]
fn the_guardrail_of_the_settings_holds_for_claude_too() {
    let server = Server::start([Answer::stream(stream())]);
    let settings = r#"{ plugins: { entries: { "amazon-bedrock": { config: {
        guardrail: { guardrailIdentifier: "g", guardrailVersion: "1" } } } } } }"#;
    let gate = Gate::with_settings(&server.url, settings);
    assert_eq!(gate.post("/v1/messages", &request(&json!({}))).status, 200);
    let sent = server.requests().pop().unwrap();
    assert_eq!(sent.header("x-amzn-bedrock-guardrailidentifier"), Some("g"));
    assert_eq!(sent.header("x-amzn-bedrock-guardrailversion"), Some("1"));
}

#[test]
fn tokens_are_counted_in_claudes_form_and_404_says_that_a_model_cannot() {
    let server = Server::start([
        Answer::whole(200, r#"{"inputTokens":42}"#).only_for("claude"),
        Answer::refusal(400, "ValidationException", "The provided model doesn't support counting tokens."),
    ]);
    let gate = Gate::before(&server.url);
    let ask = |model| {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "Hi"}]});
        gate.post("/v1/messages/count_tokens", &body)
    };
    let reply = ask(CLAUDE);
    assert_eq!((reply.status, reply.json()), (200, json!({"input_tokens": 42})));
    let sent = server.requests().pop().unwrap();
    // Profiles have no tokens: the model is asked.
    assert_eq!(sent.line, "POST /model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens HTTP/1.1");
    let body = sent.json()["input"]["invokeModel"]["body"].as_str().unwrap().to_owned();
    let body = pumice::shape::Blob::from_base64(&body).unwrap();
    let body = serde_json::from_slice::<Value>(&body.0).unwrap();
    assert_eq!((&body["anthropic_version"], &body["max_tokens"]), (&json!("bedrock-2023-05-31"), &json!(1)));
    assert_eq!(body.get("model"), None);

    let reply = ask("amazon.nova-lite-v1:0");
    assert_eq!((reply.status, &reply.json()["error"]["type"]), (404, &json!("not_found_error")));
    assert!(server.requests().pop().unwrap().json()["input"]["converse"]["messages"].is_array());
}
