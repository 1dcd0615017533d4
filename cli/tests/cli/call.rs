//! `pumice call`, end to end: an operation's request in, its response out.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use support::server;

use serde_json::{Value, json};
use support::server::{Answer, Server};

/// Runs `pumice call` with this on standard input, both services being this server.
fn call(arguments: &[&str], request: &str, server: &Server) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", "AKIDTEST")
        .env("AWS_SECRET_ACCESS_KEY", "sekret-key")
        .env("AWS_ENDPOINT_URL_BEDROCK", &server.url)
        .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &server.url)
        .args(["call", "--request", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that refuses its arguments does not read its input.
    let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
    child.wait_with_output().unwrap()
}

/// Standard output of a call that succeeded.
fn answer(arguments: &[&str], request: &Value, server: &Server) -> String {
    let output = call(arguments, &request.to_string(), server);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_json_response_is_printed_unchanged_on_one_line() {
    let server = Server::start([Answer::whole(200, "{\n  \"inputTokens\": 1e1,\n  \"new\" : [1]\n}\n")]);
    let request = json!({"modelId": "m:0", "input": {"invokeModel": {"body": "e30="}}, "new": 1});
    let line = answer(&["CountTokens"], &request, &server);
    assert_eq!(line, "{  \"inputTokens\": 1e1,  \"new\" : [1]}\n");
    let sent = &server.requests()[0];
    assert_eq!(sent.line, "POST /model/m%3A0/count-tokens HTTP/1.1");
    assert_eq!(sent.json(), json!({"input": {"invokeModel": {"body": "e30="}}, "new": 1}));
}

/// Gateways and doubles leave out what only the service can know.
#[test]
fn a_response_without_metrics_is_whole() {
    let body = r#"{"output":{"message":{"role":"assistant","content":[{"text":"Hi"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}"#;
    let server = Server::start([Answer::whole(200, body)]);
    assert_eq!(answer(&["Converse"], &json!({"modelId": "m"}), &server), format!("{body}\n"));
    // What is no response of this operation still is none.
    let server = Server::start([Answer::whole(200, r#"{"message":"all is well"}"#)]);
    let output = call(&["Converse"], r#"{"modelId":"m"}"#, &server);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn a_list_that_is_no_list_is_damaged() {
    for (operation, member) in
        [("ListFoundationModels", "modelSummaries"), ("ListInferenceProfiles", "inferenceProfileSummaries")]
    {
        for list in [json!("x"), json!({}), json!(1)] {
            let server = Server::start([Answer::whole(200, json!({member: list}).to_string())]);
            let output = call(&[operation], "{}", &server);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
            assert!(said.contains(&format!("{operation} response: {member}: expected a list")), "{said}");
        }
    }
}

#[test]
fn an_invocation_is_its_members_or_its_body_alone() {
    let body = b"\x00\xff\n";
    let server = Server::start([Answer::whole(200, *body)
        .header("content-type", "image/png")
        .header("x-amzn-bedrock-service-tier", "flex")]);
    let request = json!({"modelId": "m", "body": "eyJhIjoxfQ==", "contentType": "application/json", "serviceTier": "flex"});
    let line = answer(&["InvokeModel"], &request, &server);
    assert_eq!(line.matches('\n').count(), 1);
    assert_eq!(
        serde_json::from_str::<Value>(&line).unwrap(),
        json!({"body": "AP8K", "contentType": "image/png", "serviceTier": "flex"})
    );
    let sent = &server.requests()[0];
    assert_eq!(sent.body, br#"{"a":1}"#);
    assert_eq!(sent.header("x-amzn-bedrock-service-tier"), Some("flex"));

    let output = call(&["InvokeModel", "--raw"], &request.to_string(), &server);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &body[..]));
}

#[test]
fn a_stream_is_a_line_an_event() {
    let chunk = server::event("chunk", r#"{"bytes":"e30="}"#);
    let server = Server::start([Answer::stream([chunk.clone(), chunk])]);
    let lines = answer(&["InvokeModelWithResponseStream"], &json!({"modelId": "m"}), &server);
    assert_eq!(lines, "{\"chunk\":{\"bytes\":\"e30=\"}}\n".repeat(2));

    let server = Server::start([Answer::stream(server::text_answer(&["Hi"]))]);
    let lines = answer(&["ConverseStream"], &json!({"modelId": "m", "messages": []}), &server);
    assert!(lines.starts_with("{\"messageStart\":"), "{lines}");

    let exception = server::exception("modelTimeoutException", "too long");
    let server = Server::start([Answer::stream([server::event("chunk", "{}"), exception])]);
    let output = call(&["InvokeModelWithResponseStream"], r#"{"modelId":"m"}"#, &server);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(5), &b"{\"chunk\":{}}\n"[..]));
}

#[test]
fn an_invocation_without_the_body_of_a_model_fails() {
    for (status, body, found) in [(200, "<html>Sign in</html>", "Sign in"), (204, "", "an empty body")] {
        for arguments in [&["InvokeModel"][..], &["InvokeModel", "--raw"]] {
            let server = Server::start([Answer::whole(status, body).header("content-type", "text/html")]);
            let output = call(arguments, r#"{"modelId":"m"}"#, &server);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
            assert!(said.contains(found), "{said}");
        }
    }
    for (operation, request) in
        [("InvokeModelWithResponseStream", "{}"), ("ConverseStream", r#"{"messages":[]}"#)]
    {
        let server = Server::start([(); 3].map(|()| Answer::stream([Vec::new()])));
        let request = request.replacen('{', r#"{"modelId":"m","#, 1).replace(",}", "}");
        let output = call(&[operation], &request, &server);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0), "{said}");
        assert!(said.contains("it is not complete"), "{said}");
    }
}

#[test]
fn a_list_is_one_line_with_all_pages() {
    let page = |items: Value, token: &str| {
        json!({"inferenceProfileSummaries": items, "nextToken": token}).to_string()
    };
    let server = Server::start([
        Answer::whole(200, page(json!([{"inferenceProfileId": "a"}]), "t+1")),
        Answer::whole(200, page(json!([{"inferenceProfileId": "b"}]), "")),
    ]);
    let line = answer(&["ListInferenceProfiles"], &json!({"typeEquals": "APPLICATION"}), &server);
    assert_eq!(
        line,
        "{\"inferenceProfileSummaries\":[{\"inferenceProfileId\":\"a\"},{\"inferenceProfileId\":\"b\"}]}\n"
    );
    let lines = server.requests().iter().map(|request| request.line.clone()).collect::<Vec<_>>();
    assert_eq!(
        lines,
        [
            "GET /inference-profiles?type=APPLICATION HTTP/1.1",
            "GET /inference-profiles?type=APPLICATION&nextToken=t%2B1 HTTP/1.1"
        ]
    );
}

/// Creates, gets and deletes: the path's members go into the path, the others into the body or into the query.
#[test]
fn operations_of_the_control_plane_are_called_by_their_names() {
    for (operation, request, response, line, body) in [
        (
            "GetFoundationModelAvailability",
            json!({"modelId": "m:0"}),
            r#"{"modelId":"m:0","agreementAvailability":{},"authorizationStatus":"x","entitlementAvailability":"y","regionAvailability":"z"}"#,
            "GET /foundation-model-availability/m%3A0 HTTP/1.1",
            None,
        ),
        (
            "CreateProject",
            json!({"name": "p", "tags": []}),
            r#"{"id":"proj_1","arn":"a"}"#,
            "POST /projects HTTP/1.1",
            Some(json!({"name": "p", "tags": []})),
        ),
        (
            "DeletePromptRouter",
            json!({"promptRouterArn": "a/b"}),
            "",
            "DELETE /prompt-routers/a%2Fb HTTP/1.1",
            None,
        ),
        (
            "StopModelInvocationJob",
            json!({"jobIdentifier": "j"}),
            "{}",
            "POST /model-invocation-job/j/stop HTTP/1.1",
            None,
        ),
        (
            "PutAccountDataRetention",
            json!({"mode": "none"}),
            r#"{"mode":"none"}"#,
            "PUT /data-retention HTTP/1.1",
            Some(json!({"mode": "none"})),
        ),
    ] {
        let server = Server::start([Answer::whole(200, response)]);
        let line_out = answer(&[operation], &request, &server);
        assert_eq!(line_out, format!("{}\n", if response.is_empty() { "{}" } else { response }));
        let sent = &server.requests()[0];
        assert_eq!(sent.line, line);
        match body {
            Some(body) => assert_eq!(sent.json(), body, "{operation}"),
            None => assert!(sent.body.is_empty(), "{operation}"),
        }
    }
}

#[test]
fn invalid_calls_are_refused_and_refusals_reported() {
    let server = Server::start([Answer::whole(200, "<html>Sign in")]);
    for (arguments, request, code, said) in [
        (&[][..], "{}", 2, "expected one OPERATION"),
        (&["CountTokens", "Converse"], "{}", 2, "expected one OPERATION"),
        (&["InvokModel"], "{}", 2, "did you mean InvokeModel?"),
        (&["DescribeEndpoints"], "{}", 2, "no operation \"DescribeEndpoints\""),
        (
            &["Rerank", "--endpoint-url", "http://127.0.0.1:9"],
            "{}",
            2,
            "AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME",
        ),
        (&["Converse", "--raw"], "{}", 2, "--raw goes with InvokeModel"),
        (&["InvokeModel"], "[]", 2, "one JSON object"),
        (&["InvokeModel"], "{}", 2, "no model is named"),
        (&["InvokeModel"], r#"{"modelId":"m","trace":"a\r\nb: c"}"#, 2, "trace: "),
        (&["InvokeModel"], r#"{"modelId":"m","messages":[]}"#, 2, "messages: "),
        (&["GetFoundationModel"], r#"{"modelIdentifier":""}"#, 2, "modelIdentifier: "),
        (&["Converse"], r#"{"modelId":"m"}"#, 1, "found application/json that says: Sign in"),
    ] {
        let output = call(arguments, request, &server);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {request}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(said), "{stderr}");
        assert!(output.stdout.is_empty());
    }
    // Besides the lookup of models for the hint.
    let calls = server.requests().into_iter().filter(|request| request.line.starts_with("POST "));
    assert_eq!(calls.count(), 1);
}

#[test]
fn a_replay_responds_to_the_recorded_operation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording.jsonl");
    let server = Server::start([
        Answer::whole(200, "the body").header("content-type", "text/plain"),
        Answer::whole(200, r#"{"inputTokens":7}"#),
    ]);
    let path = path.to_str().unwrap();
    let recorded = answer(&["InvokeModel", "--record", path], &json!({"modelId": "m"}), &server);
    let replayed = answer(&["InvokeModel", "--replay", path], &json!({}), &server);
    assert_eq!((server.requests().len(), replayed), (1, recorded));
    let output = call(&["CountTokens", "--replay", path], "{}", &server);
    assert_eq!(output.status.code(), Some(2));
}
