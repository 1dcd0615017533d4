//! Requests of Bedrock's own form.

use serde_json::json;
use support::server::{self, Answer, Server};

use crate::setup::{Gate, Reply};

#[test]
fn a_stream_passes_byte_for_byte_and_its_request_is_signed_anew() {
    let frames = server::text_answer(&["Ha", "llo"]);
    let server = Server::start([Answer::stream(frames.clone())]);
    let gate = Gate::before(&server.url);
    let body = br#"{ "messages" : [{"role":"user","content":[{"text":"h\u00e9"}]}] , "z":1}"#;
    let reply = gate.ask(
        "POST",
        "/model/us.amazon.nova-lite-v1%3A0/converse-stream?a=b%20c&d",
        &[
            ("content-type", "application/json"),
            (
                "authorization",
                "AWS4-HMAC-SHA256 Credential=theirs/20260101/r/bedrock/aws4_request, Signature=00",
            ),
            ("x-amz-security-token", "theirs"),
            ("amz-sdk-invocation-id", "theirs"),
            ("amz-sdk-request", "attempt=1"),
            ("x-amzn-bedrock-trace", "ENABLED"),
            ("cookie", "theirs"),
            ("x-api-key", "theirs"),
        ],
        body,
    );
    assert_eq!((reply.status, &reply.body), (200, &frames.concat()));
    assert_eq!(reply.header("content-type"), Some("application/vnd.amazon.eventstream"));
    assert_eq!(reply.header("x-amzn-requestid"), Some("test-request-id"));

    let [sent] = &server.requests()[..] else { panic!("expected one request") };
    assert_eq!(sent.line, "POST /model/us.amazon.nova-lite-v1%3A0/converse-stream?a=b%20c&d= HTTP/1.1");
    assert_eq!(sent.body, body);
    assert_eq!(sent.header("x-amzn-bedrock-trace"), Some("ENABLED"));
    assert!(sent.header("authorization").unwrap().contains("Credential=AKIDEXAMPLE/"));
    let theirs = sent.headers.iter().filter(|(_, value)| value.contains("theirs")).collect::<Vec<_>>();
    assert!(theirs.is_empty(), "{theirs:?}");

    let call = gate.logged();
    assert_eq!((&call["dialect"], &call["model"]), (&json!("native"), &json!("us.amazon.nova-lite-v1:0")));
    assert_eq!((&call["inputTokens"], &call["outputTokens"]), (&json!(12), &json!(7)));
    assert_eq!(call["requestId"], "test-request-id");
}

#[test]
fn a_refusal_passes_byte_for_byte_and_is_not_repeated() {
    for (status, code) in
        [(400, "ValidationException"), (429, "ThrottlingException"), (503, "ServiceUnavailableException")]
    {
        let server = Server::start([
            Answer::refusal(status, code, "no  spaces are   changed").header("retry-after", "7")
        ]);
        let gate = Gate::before(&server.url);
        let reply = gate.post("/model/m/converse", &json!({}));
        assert_eq!((reply.status, reply.text()), (status, r#"{"message":"no  spaces are   changed"}"#));
        assert_eq!(reply.header("x-amzn-errortype"), Some(code));
        assert_eq!(reply.header("retry-after"), Some("7"));
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[test]
fn a_refusal_that_quotes_the_gateways_secret_does_not_pass_it_on() {
    // A service that echoes what it knows.
    let quoted = "the key wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY is wrong";
    let server = Server::start([Answer::refusal(403, "InvalidSignatureException", quoted)]);
    let gate = Gate::before(&server.url);
    let reply = gate.post("/model/m/converse", &json!({}));
    assert_eq!(reply.status, 403);
    assert!(reply.text().contains("is wrong"), "{}", reply.text());
    assert!(!reply.text().contains("K7MDENG"), "{}", reply.text());
}

#[test]
fn every_path_of_the_two_services_passes() {
    let server = Server::start([Answer::whole(200, "{}")]);
    let gate = Gate::before(&server.url);
    for (method, path) in [
        ("GET", "/inference-profiles?type=SYSTEM_DEFINED"),
        ("GET", "/foundation-models"),
        ("POST", "/guardrail/g/version/1/apply"),
        ("DELETE", "/inference-profiles/p"),
        ("PUT", "/logging/modelinvocations"),
        ("GET", "/async-invoke/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aasync-invoke%2Fa"),
    ] {
        assert_eq!(gate.ask(method, path, &[], b"").status, 200, "{method} {path}");
        let sent = server.requests().pop().unwrap();
        assert_eq!(sent.line, format!("{method} {path} HTTP/1.1"));
    }
}

#[test]
fn a_bidirectional_stream_is_refused_before_its_body_and_says_why() {
    let server = Server::start([Answer::whole(200, "{}")]);
    let gate = Gate::before(&server.url);
    let mut stream = gate.connect();
    let head = format!(
        "POST /model/amazon.nova-sonic-v1%3A0/invoke-with-bidirectional-stream HTTP/1.1\r\nhost: {}\r\n\
         transfer-encoding: chunked\r\n\r\n",
        gate.address
    );
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let reply = Reply::read(&mut std::io::BufReader::new(stream), "POST");
    assert_eq!((reply.status, reply.header("x-amzn-errortype")), (400, Some("ValidationException")));
    assert!(reply.text().contains("needs HTTP/2"), "{}", reply.text());
    assert!(server.requests().is_empty());
}

#[test]
fn without_credentials_a_native_call_is_refused_as_aws_does_and_says_what_to_do() {
    let context = pumice::context::Context::fake().with_env("AWS_EC2_METADATA_DISABLED", "true");
    let client =
        pumice::Client::new(pumice::Config::new().context(context).endpoint_url("http://127.0.0.1:9"));
    let gate = Gate::with(client, pumice_gateway::Options::new());
    let reply = gate.post("/model/m/converse", &json!({}));
    assert_eq!((reply.status, reply.header("x-amzn-errortype")), (403, Some("UnrecognizedClientException")));
    let reply = gate.post(
        "/v1/chat/completions",
        &json!({"model": "m.m", "messages": [{"role": "user", "content": "Hi"}]}),
    );
    assert_eq!((reply.status, reply.header("x-should-retry")), (401, Some("false")));
    assert_eq!(reply.json()["error"]["type"], "authentication_error");
    let reply = gate.get("/readyz");
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("AWS_ACCESS_KEY_ID"), "{}", reply.text());
}
