//! Calls in the dialects that are translated.

use std::io::{BufReader, Write as _};

use pumice::shape::Blob;
use serde_json::{Value, json};
use support::server::{self, Answer, Server};

use crate::setup::{Gate, Reply, chunk};

/// A request of each dialect.
fn requests(model: &str, stream: bool) -> [(&'static str, Value); 3] {
    let messages = json!([{"role": "user", "content": "Hi"}]);
    [
        ("/v1/chat/completions", json!({"model": model, "stream": stream, "messages": messages})),
        ("/v1/responses", json!({"model": model, "stream": stream, "input": "Hi", "store": false})),
        ("/v1/messages", json!({"model": model, "stream": stream, "max_tokens": 100, "messages": messages})),
    ]
}

#[test]
fn a_response_that_the_model_broke_is_a_failure() {
    let frames = [
        server::message_start(),
        server::text(0, "Ha"),
        server::block_stop(0),
        server::message_stop("malformed_tool_use"),
        server::metadata(12, 7),
    ];
    let server = Server::start([Answer::stream(frames)]);
    let gate = Gate::before(&server.url);
    for stream in [true, false] {
        for (path, request) in requests("amazon.nova-lite-v1:0", stream) {
            let reply = gate.post(path, &request);
            assert_eq!(reply.status, if stream { 200 } else { 424 }, "{path}");
            let text = reply.text();
            assert!(text.contains("the model's output was malformed: malformed_tool_use"), "{path}: {text}");
            let ends = ["[DONE]", "message_stop", "response.completed"];
            assert!(!ends.iter().any(|end| text.contains(end)), "{path}: {text}");
        }
    }
}

#[test]
fn a_form_that_the_model_refuses_is_asked_for_in_the_prompt() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}});
    let model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let [(chat, of_chat), (responses, of_responses), _] = requests(model, false);
    for (path, mut request, form) in [
        (chat, of_chat.clone(), json!({"response_format": {"type": "json_object"}})),
        (
            chat,
            of_chat,
            json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}}),
        ),
        (responses, of_responses, json!({"text": {"format": {"type": "json_object"}}})),
    ] {
        let refusal = "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false";
        let server = Server::start([
            Answer::refusal(400, "ValidationException", refusal),
            Answer::stream(server::text_answer(&["{}"])),
        ]);
        let gate = Gate::before(&server.url);
        request.as_object_mut().unwrap().extend(form.as_object().unwrap().clone());
        let reply = gate.post(path, &request);
        assert_eq!(reply.status, 200, "{}", reply.text());
        let notes = reply.headers.iter().filter(|(name, _)| name == "x-pumice-note").collect::<Vec<_>>();
        assert!(notes.iter().any(|(_, note)| note.starts_with("textFormat ")), "{notes:?}");
        let [first, second] = &server.requests()[..] else { panic!("expected two requests") };
        let (first, second) = (first.json(), second.json());
        let sent = first["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"].as_str().unwrap();
        assert_eq!(second.get("outputConfig"), None);
        let asked = second["system"][0]["text"].as_str().unwrap();
        assert!(asked.contains("JSON") && asked.ends_with(sent), "{asked}");
    }
}

#[test]
fn a_conversation_that_is_too_long_has_openais_code() {
    for message in [
        "input length and `max_tokens` exceed context limit: 180000 + 64000 > 200000",
        "Input is too long for requested model.",
    ] {
        let server = Server::start([Answer::refusal(400, "ValidationException", message)]);
        let gate = Gate::before(&server.url);
        let (path, request) = &requests("amazon.nova-lite-v1:0", true)[0];
        let reply = gate.post(path, request);
        let error = &serde_json::from_str::<Value>(reply.text()).unwrap()["error"];
        assert_eq!((reply.status, &error["code"]), (400, &json!("context_length_exceeded")), "{error}");
        assert_eq!(error["type"], "invalid_request_error");
    }
}

#[test]
fn each_dialect_gives_the_text_whole_and_as_it_arrives() {
    let server = Server::start([Answer::stream(server::text_answer(&["Ha", "llo"]))]);
    let gate = Gate::before(&server.url);
    for stream in [true, false] {
        for (path, request) in requests("amazon.nova-lite-v1:0", stream) {
            let reply = gate.post(path, &request);
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            assert!(reply.is_whole && reply.text().contains("Ha"), "{path}");
            assert_eq!(
                reply.text().contains("Hallo"),
                !stream || path.contains("responses"),
                "{}",
                reply.text()
            );
            assert_eq!(reply.header("x-pumice-model"), Some("amazon.nova-lite-v1:0"));
            let id = if path.contains("messages") { "request-id" } else { "x-request-id" };
            assert_eq!(reply.header(id), Some("test-request-id"), "{path}");
            let call = gate.logged();
            assert_eq!((&call["inputTokens"], &call["outputTokens"]), (&json!(12), &json!(7)), "{path}");
            assert!(call["cost"].as_f64().is_some_and(|cost| cost > 0.0), "{call}");
            let sent = server.requests().pop().unwrap();
            assert_eq!(sent.line, "POST /model/amazon.nova-lite-v1%3A0/converse-stream HTTP/1.1");
        }
    }
}

#[test]
fn refusals_have_the_status_and_type_of_the_dialect() {
    for (status, code, message, expected, openai, anthropic) in [
        (400, "ValidationException", "wrong", (400, 400), "invalid_request_error", "invalid_request_error"),
        (403, "ExpiredTokenException", "old", (401, 401), "authentication_error", "authentication_error"),
        (
            403,
            "UnrecognizedClientException",
            "who",
            (401, 401),
            "authentication_error",
            "authentication_error",
        ),
        (403, "InvalidSignatureException", "x", (401, 401), "authentication_error", "authentication_error"),
        (403, "AccessDeniedException", "no", (403, 403), "permission_error", "permission_error"),
        (404, "ResourceNotFoundException", "none", (404, 404), "not_found_error", "not_found_error"),
        (408, "ModelTimeoutException", "slow", (408, 408), "timeout", "api_error"),
        (424, "ModelErrorException", "bad", (424, 424), "server_error", "api_error"),
        (429, "ThrottlingException", "slow down", (429, 429), "rate_limit_error", "rate_limit_error"),
        (429, "ModelNotReadyException", "wait", (429, 429), "rate_limit_error", "rate_limit_error"),
        (400, "ServiceQuotaExceededException", "quota", (429, 429), "insufficient_quota", "rate_limit_error"),
        (500, "InternalServerException", "oops", (500, 500), "server_error", "api_error"),
        (503, "ServiceUnavailableException", "away", (503, 529), "server_error", "overloaded_error"),
    ] {
        let server = Server::start([Answer::refusal(status, code, message)]);
        let gate = Gate::before(&server.url);
        for (path, request) in requests("amazon.nova-lite-v1:0", true) {
            let reply = gate.post(path, &request);
            let is_anthropic = path.contains("messages");
            let (of_openai, of_anthropic) = expected;
            assert_eq!(reply.status, if is_anthropic { of_anthropic } else { of_openai }, "{path} {code}");
            let error = &reply.json()["error"];
            assert_eq!(error["type"], if is_anthropic { anthropic } else { openai }, "{path} {code}");
            assert!(error["message"].as_str().unwrap().starts_with(message), "{error}");
            assert_eq!(
                reply.header("retry-after").is_some(),
                [429, 503].contains(&of_openai),
                "{path} {code}"
            );
            assert_eq!(reply.header("x-should-retry").is_some(), of_openai == 401, "{path} {code}");
        }
    }
}

#[test]
fn the_log_says_why_a_body_was_refused_and_quotes_nothing_of_it() {
    let server = Server::start([Answer::stream(server::text_answer(&["Hi"]))]);
    let gate = Gate::before(&server.url);
    let none = "model: expected the name of a model, found none";
    for (path, mut request) in requests("amazon.nova-lite-v1:0", false) {
        for (member, value, logged) in [
            ("model", json!(null), none),
            ("temperature", json!("a secret"), "temperature: not accepted"),
            ("temperature", json!(["a secret"]), "temperature: expected a number, found a list"),
        ] {
            let given = request[member].take();
            request[member] = value;
            assert_eq!(gate.post(path, &request).status, 400, "{path}");
            assert_eq!(gate.logged()["error"], logged, "{path}");
            request[member] = given;
        }
    }
    assert_eq!(gate.ask("POST", "/v1/chat/completions", &[], b"{\"a secret").status, 400);
    let error = gate.logged()["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("expected JSON: EOF") && !error.contains("secret"), "{error}");
}

#[test]
fn a_prompt_that_is_too_long_and_an_unknown_model_have_their_codes() {
    let server = Server::start([
        Answer::refusal(400, "ValidationException", "Input is too long for requested model.")
            .only_for("long"),
        Answer::refusal(400, "ValidationException", "The provided model identifier is invalid."),
    ]);
    let gate = Gate::before(&server.url);
    for (model, status, code) in
        [("m.long", 400, "context_length_exceeded"), ("m.none", 404, "model_not_found")]
    {
        let [(path, request), ..] = requests(model, false);
        let reply = gate.post(path, &request);
        assert_eq!((reply.status, &reply.json()["error"]["code"]), (status, &json!(code)));
    }
}

#[test]
fn what_fails_midway_is_said_in_the_stream() {
    let frames =
        [server::message_start(), server::text(0, "Ha"), server::exception("throttlingException", "slow")];
    let server = Server::start([Answer::stream(frames)]);
    let gate = Gate::before(&server.url);
    for (path, request) in requests("amazon.nova-lite-v1:0", true) {
        let reply = gate.post(path, &request);
        assert!(reply.is_whole, "{path}");
        let text = reply.text();
        assert!(text.contains("Ha") && text.contains("slow") && !text.contains("[DONE]"), "{path}: {text}");
        assert!(gate.logged()["error"].as_str().unwrap().contains("slow"));
    }
}

#[test]
fn a_client_that_leaves_ends_the_call_while_it_waits_and_midway() {
    for before_head in [true, false] {
        let [chat, responses, messages] = requests("amazon.nova-lite-v1:0", true);
        let [.., claude] = requests("anthropic.claude-x", true);
        let native = ("/model/m/converse-stream", json!({"messages": []}));
        let openai = ("/v1/chat/completions", json!({"model": "openai.gpt-oss-120b-1:0", "stream": true}));
        for (path, request) in [chat, responses, messages, claude, native, openai] {
            let answer = if before_head {
                Answer::stream([])
            } else {
                let event = Blob::from(r#"{"type":"ping"}"#.as_bytes().to_vec()).to_base64();
                let event = server::event("chunk", &format!(r#"{{"bytes":"{event}"}}"#));
                let is_claude = request["model"].as_str().is_some_and(|model| model.contains("claude"));
                if is_claude {
                    Answer::stream([event])
                } else {
                    Answer::stream([server::message_start(), server::text(0, "Ha")])
                }
            };
            let (answer, closed) = answer.await_close();
            let server = Server::start([answer]);
            let gate = Gate::before(&server.url);
            let mut stream = gate.connect();
            let body = request.to_string();
            stream.write_all(&gate.request("POST", path, &[], body.as_bytes())).unwrap();
            if before_head {
                while server.requests().is_empty() {
                    std::thread::yield_now();
                }
            } else {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                assert_eq!(Reply::head(&mut reader).status, 200);
                assert!(chunk(&mut reader).is_some());
            }
            drop(stream);
            closed.recv_timeout(std::time::Duration::from_secs(30)).expect("the call to Bedrock ends");
            let call = gate.logged();
            assert_eq!(call["left"], true);
            // What is passed on has the head of a response as soon as Bedrock has sent one.
            let is_passed_on = call["dialect"] == "native"
                || request.get("messages").is_none() && path.ends_with("completions");
            if !(before_head && is_passed_on) {
                assert_eq!(call["status"], if before_head { 499 } else { 200 }, "{path}");
            }
        }
    }
}

#[test]
fn what_is_changed_is_said_and_settings_hold() {
    let server = Server::start([Answer::stream(server::text_answer(&["Hi"]))]);
    let settings = r#"{
        agents: { defaults: { models: { "amazon-bedrock/amazon.nova-lite-v1:0": { alias: "small" } } } },
        plugins: { entries: { "amazon-bedrock": { config: {
            guardrail: { guardrailIdentifier: "g", guardrailVersion: "1" } } } } },
    }"#;
    let gate = Gate::with_settings(&server.url, settings);
    let request = json!({
        "model": "small",
        "messages": [{"role": "assistant", "content": "Hi"}, {"role": "user", "content": "Hi"}],
        "temperature": 0.5,
        "reasoning_effort": "low",
    });
    let reply = gate.post("/v1/chat/completions", &request);
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.json()["model"], "small");
    assert_eq!(reply.header("x-pumice-model"), Some("amazon.nova-lite-v1:0"));
    assert!(reply.header("x-pumice-note").is_some(), "{:?}", reply.headers);
    let sent = server.requests().pop().unwrap().json();
    assert_eq!(sent["guardrailConfig"]["guardrailIdentifier"], "g");
    assert_eq!(sent["messages"][0]["role"], "user", "the history is repaired");
}

#[test]
fn openais_own_models_are_passed_on_where_the_runtime_serves_them_so() {
    let server = Server::start([
        Answer::whole(200, r#"{"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":2}}"#)
            .only_for("chat/completions"),
        Answer::whole(404, "{}").only_for("/openai/v1/responses"),
        Answer::stream(server::text_answer(&["Hi"])).only_for("/converse-stream"),
    ]);
    let gate = Gate::before(&server.url);
    let body = br#"{"model":"openai.gpt-oss-120b-1:0","seed": 5, "messages":[]}"#;
    let reply = gate.ask("POST", "/v1/chat/completions", &[("content-type", "application/json")], body);
    assert_eq!((reply.status, reply.header("x-request-id")), (200, Some("test-request-id")));
    assert!(reply.text().starts_with(r#"{"choices":[],"#));
    let sent = server.requests().pop().unwrap();
    assert_eq!((&*sent.line, &*sent.body), ("POST /openai/v1/chat/completions HTTP/1.1", &body[..]));
    assert_eq!(gate.logged()["inputTokens"], 4);
    // Behind the provider's name, the id is what is sent.
    let body = br#"{"model":"bedrock/openai.gpt-oss-120b-1:0","messages":[]}"#;
    gate.ask("POST", "/v1/chat/completions", &[], body);
    assert_eq!(server.requests().pop().unwrap().json()["model"], "openai.gpt-oss-120b-1:0");

    server.forget_requests();
    for requests in [2, 3] {
        let reply = gate.post(
            "/v1/responses",
            &json!({"model": "openai.gpt-oss-120b-1:0", "input": "Hi", "store": false}),
        );
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(server.requests().len(), requests, "that it is not served so is remembered");
    }
}
