//! `pumice stream` end to end: its output, its timing and its exit codes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Output, Stdio};
use support::server;

use serde_json::{Value, json};
use support::server::{Answer, Server, text_answer};

/// The program in a fake environment: one attempt per call, and only a token as credentials.
fn pumice(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command.arg("stream").args(args).env_clear().env("HOME", "/nowhere").env("AWS_MAX_ATTEMPTS", "1");
    command.env("AWS_BEARER_TOKEN_BEDROCK", "token-of-the-environment");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn given(command: &mut Command, input: &str) -> Child {
    let mut child = command.spawn().unwrap();
    // A program that ends early does not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child
}

fn run(command: &mut Command, input: &Value) -> Output {
    given(command, &input.to_string()).wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn hello(options: &Value) -> Value {
    json!({
        "model": {"id": "anthropic.claude-sonnet-4-5", "name": "C", "maxTokens": 100, "cost": {"input": 1, "output": 2}},
        "context": {"systemPrompt": "S", "messages": [{"role": "user", "content": "Hi", "timestamp": 1}]},
        "options": options
    })
}

#[test]
fn events_are_lines_and_the_last_has_the_message() {
    let server = Server::start([Answer::stream(text_answer(&["Hel", "lo"]))]);
    let output = run(&mut pumice(&["--endpoint-url", &server.url]), &hello(&json!({})));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = lines(&output);
    let mut done = lines.pop().unwrap();
    assert_eq!(
        lines,
        [
            json!({"type": "start"}),
            json!({"type": "text_start", "contentIndex": 0}),
            json!({"type": "text_delta", "contentIndex": 0, "delta": "Hel"}),
            json!({"type": "text_delta", "contentIndex": 0, "delta": "lo"}),
            json!({"type": "text_end", "contentIndex": 0, "content": "Hello"}),
        ]
    );
    let asked = done["message"].as_object_mut().unwrap().remove("timestamp").unwrap();
    assert!(asked.as_u64().unwrap() > 1_700_000_000_000, "milliseconds since 1970");
    assert_eq!(
        done,
        json!({"type": "done", "reason": "stop", "message": {
            "role": "assistant", "content": [{"type": "text", "text": "Hello"}],
            "api": "bedrock-converse-stream", "provider": "amazon-bedrock", "model": "anthropic.claude-sonnet-4-5",
            "usage": {
                "input": 12, "output": 7, "cacheRead": 0, "cacheWrite": 0, "totalTokens": 19,
                "cost": {"input": 12e-6, "output": 14e-6, "cacheRead": 0, "cacheWrite": 0, "total": 26e-6}
            },
            "stopReason": "stop", "rawStopReason": "end_turn"
        }})
    );
}

#[test]
fn nothing_printed_waits() {
    let (answer, gate) = Answer::stream([server::message_start(), server::text(0, "Hel")]).gate();
    let rest = [server::text(0, "lo"), server::block_stop(0), server::message_stop("end_turn")].concat();
    let server = Server::start([answer.chunk(rest)]);
    let mut child = given(&mut pumice(&["--endpoint-url", &server.url]), &hello(&json!({})).to_string());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // The rest is sent when the first events have been printed: if they waited, so would the test.
    assert_eq!(lines.nth(2).unwrap(), r#"{"type":"text_delta","contentIndex":0,"delta":"Hel"}"#);
    drop(gate);
    assert!(lines.last().unwrap().starts_with(r#"{"type":"done","#));
    assert!(child.wait().unwrap().success());
}

#[test]
fn every_failure_ends_with_an_error_line() {
    let fails = |command: &mut Command, input: &str, exit: i32, message: &str| {
        let output = given(command, input).wait_with_output().unwrap();
        let last = lines(&output).pop().unwrap_or_else(|| panic!("a line expected: {output:?}"));
        assert_eq!((last["type"].as_str(), last["reason"].as_str()), (Some("error"), Some("error")));
        assert_eq!(last["error"]["stopReason"], "error");
        let said = last["error"]["errorMessage"].as_str().unwrap();
        assert!(said.starts_with(message), "{said}");
        assert_eq!(output.status.code(), Some(exit), "{said}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: "), "{output:?}");
        last
    };
    let hi = hello(&json!({})).to_string();

    fails(&mut pumice(&[]), "{", 2, "the input: expected JSON of the form");
    let bad = json!({"model": {"id": "m"}, "context": {}, "options": {"cacheRetention": "ever"}});
    fails(&mut pumice(&[]), &bad.to_string(), 2, "cacheRetention: ");
    fails(pumice(&[]).env_remove("AWS_BEARER_TOKEN_BEDROCK"), &hi, 3, "no AWS credentials were found");
    fails(&mut pumice(&["--endpoint-url", "http://127.0.0.1:1"]), &hi, 4, "Connection error: ");

    let answered = |answer, exit, message: &str| {
        let server = Server::start([answer]);
        fails(&mut pumice(&["--endpoint-url", &server.url]), &hi, exit, message)
    };
    let last = answered(
        Answer::refusal(400, "ValidationException", "Input is too long for requested model."),
        1,
        "Validation error: Input is too long for requested model.",
    );
    let details = json!({"status": 400, "errorCode": "ValidationException", "requestId": "test-request-id"});
    assert_eq!(last["error"]["diagnostics"][0]["details"], details);
    answered(
        Answer::refusal(429, "ThrottlingException", "Too many requests"),
        4,
        "Throttling error: Too many",
    );
    answered(Answer::refusal(403, "AccessDeniedException", "no"), 3, "AccessDeniedException: no");

    let begun = || vec![server::message_start(), server::text(0, "par")];
    let broken = || [begun(), vec![server::exception("modelStreamErrorException", "oh")]].concat();
    let last = answered(Answer::stream(broken()), 5, "Model stream error: oh");
    assert_eq!(last["error"]["content"], json!([{"type": "text", "text": "par"}]));
    answered(Answer::stream(begun()), 5, "Bedrock stream ended without a stop reason");
    let refused = [begun(), vec![server::block_stop(0), server::message_stop("refusal")]].concat();
    let last = answered(Answer::stream(refused), 1, "Provider stopped with: refusal");
    assert_eq!(last["error"]["rawStopReason"], "refusal");
}

#[test]
fn options_apply_and_flags_take_precedence() {
    let server = Server::start([Answer::stream(text_answer(&["ok"]))]);
    let options = json!({
        "region": "eu-central-1", "bearerToken": "token-of-the-options",
        "headers": {"X-Team": "a", "x-gone": null, "Authorization": "evil", "x-amz-foo": "evil", "Host": "evil"},
        "cacheRetention": "none", "maxTokens": 7, "project": "of-options"
    });
    let mut input = hello(&options);
    input["model"]["baseUrl"] = server.url.clone().into();
    input["model"]["headers"] = json!({"x-team": "b", "x-stage": "test", "X-Gone": "1"});
    assert!(run(&mut pumice(&[]), &input).status.success());
    let [request] = &server.requests()[..] else { panic!("expected one request") };
    assert_eq!(request.header("authorization"), Some("Bearer token-of-the-options"));
    assert_eq!((request.header("x-team"), request.header("x-stage")), (Some("a"), Some("test")));
    assert_eq!((request.header("x-amz-foo"), request.header("x-gone")), (None, None));
    assert_eq!(
        request.json(),
        json!({
            "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
            "system": [{"text": "S"}],
            "inferenceConfig": {"maxTokens": 7},
            "projectIdentifier": "of-options"
        })
    );

    let flags = ["--endpoint-url", &server.url, "--region", "us-west-2", "--project", "of-flag"];
    let mut signed = pumice(&flags);
    signed.env_remove("AWS_BEARER_TOKEN_BEDROCK");
    signed.env("AWS_ACCESS_KEY_ID", "AKID").env("AWS_SECRET_ACCESS_KEY", "s");
    input["options"]["bearerToken"] = " ".into();
    input["model"]["baseUrl"] = "http://127.0.0.1:1".into();
    assert!(run(&mut signed, &input).status.success());
    assert_eq!(server.requests()[1].json()["projectIdentifier"], "of-flag");
    let authorization = server.requests()[1].header("authorization").unwrap().to_owned();
    assert!(authorization.contains("/us-west-2/bedrock/"), "{authorization}");
    assert!(
        authorization.contains("SignedHeaders=content-type;host;x-amz-date;x-stage;x-team,"),
        "{authorization}"
    );
}

#[test]
fn a_replay_needs_no_credentials() {
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/two-tools.jsonl");
    let mut command = pumice(&["--replay", recording]);
    let mut input = hello(&json!({}));
    input["model"]["id"] = "".into();
    let output = run(command.env_remove("AWS_BEARER_TOKEN_BEDROCK"), &input);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let done = lines(&output).pop().unwrap();
    assert_eq!(done["reason"], "toolUse");
    let arguments =
        [&done["message"]["content"][0]["arguments"], &done["message"]["content"][1]["arguments"]];
    assert_eq!(arguments, [&json!({"name": "Askja"}), &json!({"name": "Hekla", "since": 1947})]);
    assert_ne!(done["message"]["model"], "", "the recording's");
}

#[test]
fn chat_speaks_the_same_and_can_be_made_to_think() {
    let server = Server::start([Answer::stream(text_answer(&["Hel", "lo"]))]);
    let chat = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
        command.args([
            "chat",
            "--endpoint-url",
            &server.url,
            "-m",
            "anthropic.claude-opus-4-8",
            "-s",
            "S",
            "Hi",
        ]);
        command.args(args).env_clear().env("HOME", "/nowhere").env("AWS_BEARER_TOKEN_BEDROCK", "t");
        command.output().unwrap()
    };
    let events = lines(&chat(&["--json"]));
    assert_eq!(events[2], json!({"type": "text_delta", "contentIndex": 0, "delta": "Hel"}));
    assert_eq!(events.last().unwrap()["type"], "done");

    let output = chat(&["--think", "low", "--max-tokens", "50"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"Hello\n"[..]), "{output:?}");
    let body = server.requests()[1].json();
    assert_eq!(body["additionalModelRequestFields"]["thinking"]["type"], "adaptive");
    assert_eq!(body["inferenceConfig"], json!({"maxTokens": 50}));
    assert_eq!(body["messages"][0]["content"][0], json!({"text": "Hi"}));
    assert_eq!(chat(&["--think", "a lot"]).status.code(), Some(2));
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let server = Server::start([Answer::stream(text_answer(&["Hel", "lo"]))]);
    let mut child = pumice(&["--endpoint-url", &server.url]).spawn().unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(hello(&json!({})).to_string().as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
