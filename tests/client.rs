//! The client against a loopback server: what goes out, what comes back, and what is tried again.

mod server;

use pumice::context::Context;
use pumice::converse::{ConverseRequest, Message};
use pumice::{Client, Config, ErrorKind, Event};
use server::{Answer, Server, text_answer};

fn context() -> Context {
    Context::made().with_env("AWS_ACCESS_KEY_ID", "AKIDTEST").with_env("AWS_SECRET_ACCESS_KEY", "sekret-key")
}

fn client(server: &Server) -> Client {
    Client::new(Config::new().context(context()).endpoint_url(&server.url))
}

fn request() -> ConverseRequest {
    ConverseRequest::new("us.amazon.nova-lite-v1:0").message(Message::user("Hi"))
}

async fn read(client: &Client) -> pumice::Result<String> {
    let mut events = client.converse_stream(&request()).await?;
    let mut text = String::new();
    while let Some(event) = events.next_event().await? {
        if let Event::ContentBlockDelta(event) = event {
            text.push_str(event.delta.as_text().unwrap_or_default());
        }
    }
    Ok(text)
}

#[tokio::test]
async fn a_call_is_signed_and_its_answer_read() {
    let server = Server::start([Answer::stream(text_answer(&["Hel", "lo"]))]);
    assert_eq!(read(&client(&server)).await.unwrap(), "Hello");

    let [request] = &server.requests()[..] else { panic!("one request expected") };
    assert_eq!(request.line, "POST /model/us.amazon.nova-lite-v1%3A0/converse-stream HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("accept"), Some("*/*"));
    assert_eq!(request.header("x-amz-date"), Some("19700101T000000Z"));
    assert_eq!(request.header("amz-sdk-request"), Some("attempt=1; max=3"));
    let authorization = request.header("authorization").unwrap();
    assert!(
        authorization.starts_with(
            "AWS4-HMAC-SHA256 Credential=AKIDTEST/19700101/us-east-1/bedrock/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, Signature="
        ),
        "{authorization}"
    );
    assert_eq!(request.json(), serde_json::json!({"messages":[{"role":"user","content":[{"text":"Hi"}]}]}));
}

#[tokio::test]
async fn temporary_failures_are_tried_again_three_times_in_all() {
    let server = Server::start([
        Answer::refusal(503, "ServiceUnavailableException", "busy"),
        Answer::refusal(429, "ThrottlingException", "slow down"),
        Answer::stream(text_answer(&["at last"])),
    ]);
    assert_eq!(read(&client(&server)).await.unwrap(), "at last");
    let attempts =
        server.requests().iter().map(|r| r.header("amz-sdk-request").unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(attempts, ["attempt=1; max=3", "attempt=2; max=3", "attempt=3; max=3"]);
    let ids = server
        .requests()
        .iter()
        .map(|r| r.header("amz-sdk-invocation-id").unwrap().to_owned())
        .collect::<Vec<_>>();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));

    let server = Server::start([Answer::refusal(500, "InternalServerException", "oh")]);
    let error = read(&client(&server)).await.unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Internal, 3));
    assert_eq!(error.to_string(), "InternalServerException: oh");
    assert_eq!((error.status(), error.request_id()), (Some(500), Some("test-request-id")));
}

#[tokio::test]
async fn a_first_frame_that_is_an_exception_is_tried_again_and_a_later_one_is_not() {
    let throttled = || server::exception("throttlingException", "Too many tokens");
    let server = Server::start([Answer::stream([throttled()]), Answer::stream(text_answer(&["fine"]))]);
    assert_eq!(read(&client(&server)).await.unwrap(), "fine");

    let server = Server::start([Answer::stream([server::message_start(), throttled()])]);
    let error = read(&client(&server)).await.unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::Throttled, 1));
    assert_eq!(error.to_string(), "throttlingException: Too many tokens");
    assert_eq!(error.request_id(), Some("test-request-id"));
}
