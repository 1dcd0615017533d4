//! The client against a loopback server: what goes out, what comes back, and what is tried again.

#![cfg(feature = "http")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

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

/// Waits until the server has seen the connection closed, while the runtime goes on.
async fn closes(closed: std::sync::mpsc::Receiver<()>) {
    tokio::task::spawn_blocking(move || closed.recv().unwrap()).await.unwrap();
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

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let (answer, closed) =
        Answer::stream([server::message_start(), server::text(0, "and so on")]).await_close();
    let server = Server::start([answer]);
    let mut events = client(&server).converse_stream(&request()).await.unwrap();
    assert!(matches!(events.next_event().await.unwrap(), Some(Event::MessageStart(_))));
    drop(events);
    closes(closed).await;
}

#[tokio::test]
async fn after_an_error_nothing_follows_and_the_connection_is_closed() {
    let exception = server::exception("throttlingException", "enough");
    let answer =
        Answer::stream([server::message_start(), server::text(0, "one"), exception, server::text(0, "two")]);
    let (answer, closed) = answer.await_close();
    let server = Server::start([answer]);
    let mut events = client(&server).converse_stream(&request()).await.unwrap();
    let mut delivered = Vec::new();
    let error = loop {
        match events.next_event().await {
            Ok(event) => delivered.push(event.unwrap()),
            Err(error) => break error,
        }
    };
    assert_eq!((delivered.len(), error.kind()), (2, ErrorKind::Throttled));
    assert!(events.next_event().await.unwrap().is_none());
    assert!(events.ready_event().unwrap().is_none());
    closes(closed).await;
}

#[tokio::test]
async fn the_stream_is_a_stream() {
    let server = Server::start([Answer::stream(text_answer(&["a", "b"]))]);
    let mut events = Box::pin(client(&server).converse_stream(&request()).await.unwrap());
    let mut count = 0;
    while let Some(event) =
        std::future::poll_fn(|task| futures_core::Stream::poll_next(events.as_mut(), task)).await
    {
        event.unwrap();
        count += 1;
    }
    assert_eq!(count, 6);
}

#[tokio::test]
async fn a_whole_answer_is_read_and_a_fold_of_the_stream_is_equal_to_it() {
    let body = r#"{"output":{"message":{"role":"assistant","content":[{"text":"Hello"}]}},"stopReason":"end_turn",
        "usage":{"inputTokens":12,"outputTokens":7,"totalTokens":19},"metrics":{"latencyMs":321}}"#;
    let server = Server::start([Answer::whole(200, body), Answer::stream(text_answer(&["Hel", "lo"]))]);
    let whole = client(&server).converse(&request()).await.unwrap();
    let mut events = client(&server).converse_stream(&request()).await.unwrap();
    let mut reply = pumice::reply::ReplyBuilder::new();
    while let Some(event) = events.next_event().await.unwrap() {
        reply.push(event);
    }
    assert_eq!(reply.finish(), whole);
    assert_eq!(whole.message().unwrap().text(), "Hello");

    let server = Server::start([Answer::whole(200, "not JSON")]);
    let error = client(&server).converse(&request()).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Damaged, Some(200)));
}

#[tokio::test]
async fn what_cannot_be_right_is_refused_before_anything_is_sent() {
    let server = Server::start([Answer::stream(text_answer(&["never"]))]);
    let refused = |config: Config, model: &'static str| async move {
        let request = ConverseRequest::new(model).message(Message::user("Hi"));
        let error = Client::new(config).converse_stream(&request).await.unwrap_err();
        (error.kind(), error.to_string())
    };
    let config = || Config::new().context(context()).endpoint_url(&server.url);
    let (kind, said) = refused(config(), "").await;
    assert_eq!((kind, said.contains("modelId")), (ErrorKind::InvalidInput, true), "{said}");
    let (kind, said) = refused(config().region("a.b"), "m").await;
    assert_eq!((kind, said.contains("a.b")), (ErrorKind::InvalidInput, true), "{said}");
    let bearer = Context::made().with_env("AWS_BEARER_TOKEN_BEDROCK", "sekret-token");
    let (kind, said) = refused(Config::new().context(bearer).endpoint_url("http://192.0.2.1"), "m").await;
    assert_eq!((kind, said.contains("192.0.2.1")), (ErrorKind::InvalidInput, true), "{said}");
    let bearer = Context::made().with_env("AWS_BEARER_TOKEN_BEDROCK", "sekret\u{7f}token");
    let (kind, said) = refused(config().context(bearer), "m").await;
    assert_eq!((kind, said.contains("sekret")), (ErrorKind::Credentials, false), "{said}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn the_region_of_an_arn_counts_first() {
    let server = Server::start([Answer::stream(text_answer(&["ok"]))]);
    let arn = "arn:aws:bedrock:eu-west-3:123456789012:application-inference-profile/a1b2c3d4e5f6";
    let client = Client::new(Config::new().context(context()).endpoint_url(&server.url).region("us-west-2"));
    client.converse_stream(&ConverseRequest::new(arn)).await.unwrap();
    let request = &server.requests()[0];
    assert!(request.line.contains("/model/arn%3Aaws%3Abedrock%3Aeu-west-3%3A123456789012%3Aapplication-inference-profile%2Fa1b2c3d4e5f6/"));
    assert!(request.header("authorization").unwrap().contains("/eu-west-3/bedrock/"));
}

#[tokio::test]
async fn a_proxy_is_used_unless_the_host_is_excepted() {
    let server = Server::start([Answer::stream(text_answer(&["through"]))]);
    let through = |context: Context| {
        Client::new(
            Config::new()
                .context(context)
                .endpoint_url("http://bedrock.example")
                .retry(pumice::retry::Retry::never()),
        )
    };
    // The keys are for the made context; the name resolves nowhere, so that only the proxy can answer.
    let proxied = context().with_env("HTTP_PROXY", &server.url);
    assert_eq!(read(&through(proxied.clone())).await.unwrap(), "through");
    assert!(
        server.requests()[0].line.starts_with("POST http://bedrock.example/model/"),
        "{}",
        server.requests()[0].line
    );
    let socks = context().with_env("ALL_PROXY", "socks5://user:sekret@127.0.0.1:1");
    let error = read(&through(socks)).await.unwrap_err();
    assert!(error.to_string().contains("a socks5 proxy") && !error.to_string().contains("sekret"), "{error}");

    let client = Client::new(
        Config::new()
            .context(context().with_env("http_proxy", "http://127.0.0.1:1").with_env("NO_PROXY", "127.0.0.1"))
            .endpoint_url(&server.url),
    );
    assert_eq!(read(&client).await.unwrap(), "through");
}

#[tokio::test]
async fn no_debug_output_holds_a_secret() {
    let server = Server::start([Answer::refusal(403, "AccessDeniedException", "no")]);
    let context = context().with_env("AWS_SESSION_TOKEN", "sekret-session");
    let client = Client::new(Config::new().context(context.clone()).endpoint_url(&server.url));
    let error = read(&client).await.unwrap_err();
    let identity = client.identify().await.unwrap();
    let bearer = context.with_env("AWS_BEARER_TOKEN_BEDROCK", "sekret-bearer");
    let bearer = Client::new(Config::new().context(bearer).endpoint_url(&server.url));
    let shown =
        format!("{client:?} {error:?} {identity:?} {:?} {bearer:?}", bearer.identify().await.unwrap());
    assert!(shown.contains("AKIDTEST") && !shown.contains("sekret"), "{shown}");
}
