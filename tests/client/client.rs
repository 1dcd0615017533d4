//! The client against a loopback server: requests, responses, retries.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use support::capture;
use support::server;

use pumice::context::Context;
use pumice::converse::{ConverseRequest, Message};
use pumice::retry::Retry;
use pumice::{Client, Config, ErrorKind, Event};
use support::server::{Answer, Server, text_answer};

fn context() -> Context {
    Context::fake().with_env("AWS_ACCESS_KEY_ID", "AKIDTEST").with_env("AWS_SECRET_ACCESS_KEY", "sekret-key")
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
async fn a_call_is_signed_and_its_response_read() {
    let server = Server::start([Answer::stream(text_answer(&["Hel", "lo"]))]);
    assert_eq!(read(&client(&server)).await.unwrap(), "Hello");

    let [request] = &server.requests()[..] else { panic!("expected one request") };
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
async fn a_reply_collected_from_a_stream_equals_the_whole_response() {
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
async fn invalid_calls_are_refused_before_anything_is_sent() {
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
    let bearer = Context::fake().with_env("AWS_BEARER_TOKEN_BEDROCK", "sekret-token");
    let (kind, said) = refused(Config::new().context(bearer).endpoint_url("http://192.0.2.1"), "m").await;
    assert_eq!((kind, said.contains("192.0.2.1")), (ErrorKind::InvalidInput, true), "{said}");
    let bearer = Context::fake().with_env("AWS_BEARER_TOKEN_BEDROCK", "sekret\u{7f}token");
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
            Config::new().context(context).endpoint_url("http://bedrock.example").retry(Retry::never()),
        )
    };
    // The name does not resolve, so only the proxy can respond.
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
async fn what_a_proxy_responds_is_the_error() {
    let page =
        |status| Answer::whole(status, "<html><h1>Blocked by policy</h1>sekret#word sekret%23word</html>");
    for (status, kind, attempts, hint) in [
        (407, ErrorKind::AccessDenied, 1, "USER:PASSWORD"),
        (403, ErrorKind::AccessDenied, 1, "NO_PROXY"),
        (404, ErrorKind::Connect, 1, "check the proxy"),
        (503, ErrorKind::Connect, 3, "check the proxy"),
    ] {
        for (variable, url, line) in [
            ("HTTPS_PROXY", "https://bedrock.example", "CONNECT bedrock.example:443 HTTP/1.1"),
            ("HTTP_PROXY", "http://bedrock.example", "POST http://bedrock.example/model"),
        ] {
            // Over plain http, only this status is certainly a proxy's.
            if variable == "HTTP_PROXY" && status != 407 {
                continue;
            }
            let proxy = Server::start([page(status)]);
            let address = proxy.url.strip_prefix("http://").unwrap();
            let context = context().with_env(variable, format!("http://user:sekret%23word@{address}"));
            let client = Client::new(Config::new().context(context).endpoint_url(url));
            let error = read(&client).await.unwrap_err();
            let said = format!("{error}");
            assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{said}");
            assert!(said.contains(&format!("the proxy {address} ({variable})")), "{said}");
            assert!(said.contains(&status.to_string()) && said.contains("Blocked by policy"), "{said}");
            assert!(!format!("{error:?}").contains("sek"), "{error:?}");
            assert!(error.hint().unwrap().to_string().contains(hint), "{:?}", error.hint());
            let requests = proxy.requests();
            assert_eq!(requests.len(), attempts, "{status}");
            assert!(requests[0].line.starts_with(line), "{}", requests[0].line);
            assert_eq!(requests[0].header("proxy-authorization"), Some("Basic dXNlcjpzZWtyZXQjd29yZA=="));
            assert_eq!(requests[0].header("authorization").is_some(), variable == "HTTP_PROXY");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_is_down_is_named() {
    for url in ["https://bedrock.example", "http://bedrock.example"] {
        let context = context().with_env("ALL_PROXY", "http://user:sekret@127.0.0.1:1");
        let client = Client::new(Config::new().context(context).endpoint_url(url).retry(Retry::never()));
        let error = read(&client).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect);
        assert!(error.to_string().contains("no connection to the proxy 127.0.0.1:1 (ALL_PROXY)"), "{error}");
    }
}

#[tokio::test]
async fn requests_to_this_machine_use_no_proxy() {
    let (server, proxy) =
        (Server::start([Answer::stream(text_answer(&["here"]))]), Server::start([Answer::whole(404, "")]));
    for (variable, host) in
        [("HTTP_PROXY", "127.0.0.1"), ("http_proxy", "localhost"), ("ALL_PROXY", "localhost")]
    {
        let context =
            Context::fake().with_env("AWS_BEARER_TOKEN_BEDROCK", "sekret").with_env(variable, &proxy.url);
        let url = server.url.replace("127.0.0.1", host);
        let client = Client::new(Config::new().context(context).endpoint_url(url));
        assert_eq!(read(&client).await.unwrap(), "here", "{variable}");
    }
    assert!(proxy.requests().is_empty());
}

#[tokio::test]
async fn a_response_that_is_not_an_event_stream_is_named_in_the_error() {
    let page = Answer::whole(200, "<html><title>Free Wifi</title>Sign in</html>")
        .header("content-type", "text/html; charset=utf-8");
    let server = Server::start([page]);
    let error = read(&client(&server)).await.unwrap_err();
    assert_eq!((error.kind(), error.status(), server.requests().len()), (ErrorKind::Damaged, Some(200), 1));
    let said = error.to_string();
    assert!(said.contains("text/html") && said.contains("Free Wifi Sign in"), "{said}");
    assert!(error.hint().unwrap().to_string().contains("proxy"));
}

/// Responds to one request with any bytes.
fn answering(bytes: &'static [u8]) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(bytes);
    });
    url
}

#[tokio::test]
async fn a_response_that_is_not_http_is_damaged_and_not_retried() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for bytes in [
        "SSH-2.0-OpenSSH_9.9\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        &format!("{head}no length\r\n"),
    ] {
        // A second connection would be refused.
        let url = answering(bytes.to_owned().leak().as_bytes());
        let error = read(&Client::new(Config::new().context(context()).endpoint_url(url))).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Damaged, false), "{bytes}: {error:?}");
        assert!(error.hint().unwrap().to_string().contains("proxy"), "{error:?}");
    }
}

#[tokio::test]
async fn a_long_error_response_is_cut() {
    let long = format!("<p>Too bad</p>{}", "x".repeat(3_000_000));
    let server = Server::start([Answer::whole(400, long).header("content-type", "text/html")]);
    let error = read(&client(&server)).await.unwrap_err();
    assert!(error.message().contains("Too bad") && error.message().len() < 1000, "{}", error.message().len());

    let server = Server::start([Answer::refusal(400, "ValidationException", &"y".repeat(70_000))]);
    let error = read(&client(&server)).await.unwrap_err();
    assert!(error.message().len() < 5000 && error.message().ends_with('…'));
}

#[tokio::test]
async fn a_broken_aws_file_does_not_matter_if_it_is_not_needed() {
    let server = Server::start([Answer::stream(text_answer(&["ok"]))]);
    let broken = context().with_env("HOME", "/h").with_file("/h/.aws/config", "no section here");
    let client = |context: Context| Client::new(Config::new().context(context).endpoint_url(&server.url));
    assert_eq!(read(&client(broken.clone().with_env("AWS_REGION", "eu-west-1"))).await.unwrap(), "ok");
    let error = read(&client(broken)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
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

const PROFILE_NEEDED: &str = "Invocation of model ID deepseek.r1-v1:0 with on-demand throughput isn\u{2019}t supported. \
                              Retry your request with the ID or ARN of an inference profile that contains this model.";

fn profiles() -> Answer {
    let profile = |id: &str, model: &str| {
        let model_arn = format!("arn:aws:bedrock:us-east-1::foundation-model/{model}");
        serde_json::json!({"inferenceProfileId": id, "status": "ACTIVE", "models": [{"modelArn": model_arn}]})
    };
    let summaries = [
        profile("global.deepseek.r1-v1:0", "deepseek.r1-v1:0"),
        profile("us.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0"),
        profile("us.deepseek.r1-v1:0", "deepseek.r1-v1:0"),
    ];
    Answer::whole(200, serde_json::json!({ "inferenceProfileSummaries": summaries }).to_string())
}

#[tokio::test]
async fn a_model_that_needs_a_profile_gets_a_hint_or_is_called_through_it() {
    let refusal = || Answer::refusal(400, "ValidationException", PROFILE_NEEDED);
    let context = |server: &Server| context().with_env("AWS_ENDPOINT_URL", &server.url);
    let asked = ConverseRequest::new("deepseek.r1-v1:0").message(Message::user("Hi"));

    let server = Server::start([refusal(), profiles()]);
    let client = Client::new(Config::new().context(context(&server)));
    let error = client.converse_stream(&asked).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Validation, PROFILE_NEEDED));
    let hint = error.hint().unwrap().to_string();
    assert!(
        hint.contains("call this model as us.deepseek.r1-v1:0 in us-east-1 (or as global.deepseek.r1-v1:0)"),
        "{hint}"
    );
    assert!(server.requests()[1].line.starts_with("GET /inference-profiles?maxResults=1000 "));

    let server = Server::start([refusal(), profiles(), Answer::stream(text_answer(&["ok"]))]);
    let reported = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let watcher = std::sync::Arc::clone(&reported);
    let config = Config::new().context(context(&server)).auto_profile().watch(move |progress| {
        if let pumice::Progress::ProfileUsed { model_id, profile_id } = progress {
            watcher.lock().unwrap().push(format!("{model_id} as {profile_id}"));
        }
    });
    Client::new(config).converse_stream(&asked).await.unwrap();
    assert_eq!(server.requests()[2].line, "POST /model/us.deepseek.r1-v1%3A0/converse-stream HTTP/1.1");
    assert_eq!(*reported.lock().unwrap(), ["deepseek.r1-v1:0 as us.deepseek.r1-v1:0"]);

    // If profiles cannot be listed, the error is the refusal.
    let server = Server::start([refusal(), Answer::refusal(403, "AccessDeniedException", "no")]);
    let client = Client::new(Config::new().context(context(&server)).auto_profile());
    let error = client.converse_stream(&asked).await.unwrap_err();
    assert_eq!((error.message(), server.requests().len()), (PROFILE_NEEDED, 2));
    assert!(error.hint().unwrap().to_string().contains("ListInferenceProfiles"));
}

#[tokio::test]
async fn a_wrong_clock_is_corrected_and_the_call_repeated_once() {
    // The context's clock says 1970-01-01T00:00:00Z.
    let refusal = || {
        Answer::refusal(403, "InvalidSignatureException", "Signature expired")
            .header("date", "Thu, 01 Jan 1970 00:30:00 GMT")
    };
    let server = Server::start([refusal(), Answer::stream(text_answer(&["ok"]))]);
    let client_at = client(&server);
    assert_eq!(read(&client_at).await.unwrap(), "ok");
    let dates =
        || server.requests().iter().map(|r| r.header("x-amz-date").unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(dates(), ["19700101T000000Z", "19700101T003000Z"]);
    assert_eq!(read(&client_at).await.unwrap(), "ok");
    assert_eq!(dates()[2], "19700101T003000Z");

    let server = Server::start([refusal()]);
    let error = read(&client(&server)).await.unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::AccessDenied, 2));

    let context = context().with_env("AWS_DISABLE_CLOCK_SKEW_CORRECTION", "true");
    let error =
        read(&Client::new(Config::new().context(context).endpoint_url(&server.url))).await.unwrap_err();
    assert_eq!((error.kind(), server.requests().len()), (ErrorKind::AccessDenied, 3));
}

#[tokio::test(start_paused = true)]
async fn patience_waits_while_throttled_and_reports_it() {
    let busy =
        || server::exception("throttlingException", "Too many requests, please wait before trying again.");
    let budget = std::time::Duration::from_mins(1);
    let waits = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let client = |bodies: Vec<Vec<u8>>| {
        let waits = std::sync::Arc::clone(&waits);
        let transport = std::sync::Arc::new(capture::Capture::answering(bodies));
        let config = Config::new().context(context()).transport(transport).retry(Retry::patient(budget));
        Client::new(config.watch(move |progress| {
            if let pumice::Progress::Waiting { delay, left, .. } = progress {
                waits.lock().unwrap().push((delay.as_millis(), left.as_secs()));
            }
        }))
    };
    let answers = vec![busy(), busy(), busy(), busy(), text_answer(&["ok"]).concat()];
    assert_eq!(read(&client(answers)).await.unwrap(), "ok");
    assert_eq!(waits.lock().unwrap().split_off(0), [(500, 59), (1000, 58), (2000, 56), (4000, 52)]);

    let error = read(&client(vec![busy()])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Throttled);
    let waited = waits.lock().unwrap().iter().map(|(delay, _)| delay).sum::<u128>();
    assert!((50_000..=60_000).contains(&waited), "{waited}");
}

#[tokio::test]
async fn a_refusal_has_a_hint() {
    let server = Server::start([Answer::refusal(
        403,
        "ExpiredTokenException",
        "The security token included in the request is expired",
    )]);
    let error = read(&client(&server)).await.unwrap_err();
    assert_eq!(
        error.hint().unwrap().to_string(),
        "get new credentials: those of AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY have expired"
    );
}
