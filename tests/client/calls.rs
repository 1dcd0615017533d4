//! Calls as programs write them: typed, with overrides, in a project, and of any path.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use pumice::converse::{ContentBlock, ConverseOutput, ConverseRequest, Message};
use pumice::count_tokens::CountTokensRequest;
use pumice::endpoint::Service;
use pumice::foundation_model::{GetFoundationModelRequest, ListFoundationModelsRequest};
use pumice::guardrail::ApplyGuardrailRequest;
use pumice::inference_profile::{GetInferenceProfileRequest, ListInferenceProfilesRequest};
use pumice::invoke_model::InvokeModelRequest;
use pumice::operation::{Call, Operation};
use pumice::retry::Retry;
use pumice::shape::{Document, Members};
use pumice::{Client, Config, ErrorKind, Overrides};
use serde_json::{Value, json};
use support::capture::{self, Capture, call_by_members, call_either, context, keys, least_request, ways};
use support::server::{self, Answer, Server, text_answer};

const MODEL: &str = "us.amazon.nova-lite-v1:0";

fn request() -> ConverseRequest {
    ConverseRequest::new(MODEL).message(Message::user("Hi"))
}

fn client(server: &Server) -> Client {
    Client::new(Config::new().context(keys(context())).endpoint_url(&server.url))
}

fn whole() -> Answer {
    let message = json!({"role": "assistant", "content": [{"text": "Hello"}]});
    let body = json!({
        "output": {"message": message}, "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}, "metrics": {"latencyMs": 5},
    });
    Answer::whole(200, body.to_string())
}

#[tokio::test]
async fn a_response_has_status_request_id_and_headers() {
    let server = Server::start([whole().header("x-of-a-proxy", "1")]);
    let response = client(&server).send(&request()).await.unwrap();
    assert_eq!((response.status().as_u16(), response.request_id()), (200, Some("test-request-id")));
    assert_eq!(response.headers()["x-of-a-proxy"], "1");
    assert_eq!(response.usage.as_ref().unwrap().total_tokens, Some(3));
    assert_eq!(response.into_inner().stop_reason.unwrap().as_str(), "end_turn");
}

#[tokio::test]
async fn overrides_replace_settings_and_share_the_rest() {
    let capture = Arc::new(Capture::default());
    let transport: Arc<dyn pumice::transport::Transport> = capture.clone();
    let config = Config::new().region("us-east-1").context(keys(context())).transport(transport);
    let client = Client::new(config.header("x-both", "client").header("x-client", "client"));
    let overrides = Overrides::new().region("eu-west-1").header("X-Both", "call");
    client.with(overrides).converse(&request()).await.unwrap_err();
    client.converse(&request()).await.unwrap_err();
    let requests = capture.requests.lock().unwrap();
    let seen = |request: &Request<bytes::Bytes>| {
        let text = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        (request.uri().host().unwrap().to_owned(), text("x-both"), text("x-client"))
    };
    assert_eq!(
        seen(&requests[0]),
        ("bedrock-runtime.eu-west-1.amazonaws.com".into(), "call".into(), "client".into())
    );
    assert!(requests[0].headers()["authorization"].to_str().unwrap().contains("/eu-west-1/bedrock/"));
    assert_eq!(
        seen(&requests[1]),
        ("bedrock-runtime.us-east-1.amazonaws.com".into(), "client".into(), "client".into())
    );
}

#[tokio::test]
async fn overrides_set_retries() {
    let server = Server::start([Answer::refusal(503, "ServiceUnavailableException", "busy")]);
    let once = client(&server).with(Overrides::new().retry(Retry::never()));
    assert_eq!(once.converse(&request()).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn overrides_set_timeouts() {
    // Nothing responds: the paused clock jumps to the timeout.
    let config = Config::new().context(keys(context())).transport(Arc::new(Silent));
    let client = Client::new(config.first_byte_timeout(Duration::MAX).retry(Retry::never()));
    let hasty = client.with(Overrides::new().first_byte_timeout(Duration::from_secs(7)));
    let began = tokio::time::Instant::now();
    let error = hasty.converse(&request()).await.unwrap_err();
    assert_eq!((error.kind(), began.elapsed().as_secs()), (ErrorKind::Timeout, 7), "{error}");
    // `Duration::MAX` means no limit: years later the client still waits.
    let years = Duration::from_hours(10 * 365 * 24);
    assert!(tokio::time::timeout(years, client.converse(&request())).await.is_err());
}

#[tokio::test]
async fn a_stream_folds_itself_and_gives_its_text() {
    let frames = text_answer(&["Hel", "", "lo"]);
    let server = Server::start([Answer::stream(frames.clone())]);
    let stream = async || client(&server).converse_stream(&request()).await.unwrap();
    let mut events = 0;
    let shown = stream().await.reply_with(|_| events += 1).await.unwrap();
    assert_eq!(events, frames.len());
    let reply = stream().await.reply().await.unwrap();
    assert_eq!(reply, shown);
    let ConverseOutput::Message(message) = reply.output.unwrap() else { panic!("expected a message") };
    assert_eq!(message.content, [ContentBlock::from("Hello")]);

    let mut text = stream().await.text();
    let mut pieces = Vec::new();
    while let Some(piece) = text.next_text().await.unwrap() {
        pieces.push(piece);
    }
    assert_eq!(pieces, ["Hel", "lo"]);
}

#[tokio::test]
async fn a_stream_that_is_not_complete_has_neither_reply_nor_end_of_text() {
    let server = Server::start([Answer::stream([server::message_start(), server::text(0, "Hel")])]);
    let stream = async || client(&server).converse_stream(&request()).await.unwrap();
    assert_eq!(stream().await.reply().await.unwrap_err().kind(), ErrorKind::BrokenOff);
    let mut text = stream().await.text();
    assert_eq!(text.next_text().await.unwrap().as_deref(), Some("Hel"));
    assert_eq!(text.next_text().await.unwrap_err().kind(), ErrorKind::BrokenOff);
    assert_eq!(text.next_text().await.unwrap(), None);
}

/// Never responds.
#[derive(Debug)]
struct Silent;

impl pumice::transport::Transport for Silent {
    fn send(&self, _: Request<bytes::Bytes>) -> pumice::transport::TransportFuture<'_> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn each_service_has_an_endpoint_of_its_own() {
    let server = |list: &'static str| Server::start([Answer::whole(200, list)]);
    let (control, agents) = (server(r#"{"modelSummaries":[]}"#), server(r#"{"results":[]}"#));
    let config = Config::new()
        .context(keys(context()))
        .service_endpoint_url(Service::Runtime, "http://127.0.0.1:1")
        .service_endpoint_url(Service::Control, &control.url)
        .service_endpoint_url(Service::AgentRuntime, &agents.url);
    let client = Client::new(config);
    for name in ["ListFoundationModels", "Rerank"] {
        client.call(Operation::from_name(name).unwrap(), &Members::default()).await.unwrap();
    }
    assert_eq!([control, agents].map(|server| server.requests().len()), [1, 1]);
    assert_eq!(client.identify().await.unwrap().runtime.url(), "http://127.0.0.1:1");
}

#[tokio::test]
async fn fips_and_dual_stack_are_settings_too() {
    for (config, host) in [
        (Config::new().use_fips(true), "bedrock-runtime-fips.us-east-1.amazonaws.com"),
        (Config::new().use_dual_stack(true), "bedrock-runtime.us-east-1.api.aws"),
        (Config::new().use_fips(true).use_dual_stack(true), "bedrock-runtime-fips.us-east-1.api.aws"),
    ] {
        let identity = Client::new(config.context(keys(context())).region("us-east-1")).identify().await;
        assert_eq!(identity.unwrap().runtime.url(), format!("https://{host}"));
    }
    let environment = keys(context()).with_env("AWS_USE_FIPS_ENDPOINT", "true");
    let identity = Client::new(Config::new().context(environment).use_fips(false)).identify().await.unwrap();
    assert_eq!(identity.runtime.url(), "https://bedrock-runtime.us-east-1.amazonaws.com");
}

/// Where each operation sends a project. Source: the service's model of November 2026.
#[tokio::test]
async fn a_project_is_sent_to_operations_that_take_one() {
    const PROJECT: &str = "proj_a b";
    let sent = async |operation: Operation, params: &str| {
        let capture = Arc::new(Capture::default());
        let transport: Arc<dyn pumice::transport::Transport> = capture.clone();
        let config = Config::new().region("us-east-1").context(keys(context())).transport(transport);
        let client = Client::new(config.project(PROJECT));
        let _ = call_by_members(&client, operation, params).await;
        capture.only_request()
    };
    for operation in Operation::ALL {
        let request = sent(operation, &least_request(operation).to_string()).await;
        let (uri, body) = (request.uri(), request.body());
        let header = request.headers().get("x-amzn-bedrock-projectidentifier");
        let member = serde_json::from_slice::<Value>(body).unwrap_or_default()["projectIdentifier"].clone();
        let query = uri.query().unwrap_or_default().contains("projectIdentifier=proj_a%20b");
        let found = (header.map(|value| value.to_str().unwrap()), member.as_str(), query);
        let expected = match operation {
            Operation::Converse | Operation::ConverseStream => (None, Some(PROJECT), false),
            Operation::InvokeModel | Operation::InvokeModelWithResponseStream => (Some(PROJECT), None, false),
            Operation::ListFoundationModels
            | Operation::GetFoundationModel
            | Operation::ListInferenceProfiles
            | Operation::GetInferenceProfile => (None, None, true),
            _ => (None, None, false),
        };
        assert_eq!(found, expected, "{operation:?}");
    }
    let own = sent(Operation::Converse, r#"{"modelId":"m","projectIdentifier":"own","messages":[]}"#).await;
    assert_eq!(own.body()[..], *br#"{"projectIdentifier":"own","messages":[]}"#);
}

/// A retry of such a call creates nothing twice: all attempts have one token.
#[tokio::test(start_paused = true)]
async fn what_creates_something_is_sent_with_a_token() {
    for operation in [
        Operation::StartAsyncInvoke,
        Operation::CreateModelInvocationJob,
        Operation::CreateInferenceProfile,
        Operation::CreatePromptRouter,
    ] {
        let mut capture = Capture::answering([r#"{"message":"busy"}"#]);
        capture.status = 503;
        let capture = Arc::new(capture);
        let client = capture::client(&capture);
        let tokens = async |typed: bool, params: &str| {
            call_either(typed, &client, operation, params).await.unwrap_err();
            let mut requests = capture.requests.lock().unwrap();
            let body = |request: &http::Request<bytes::Bytes>| {
                serde_json::from_slice::<Value>(request.body()).unwrap()["clientRequestToken"].clone()
            };
            requests.drain(..).map(|request| body(&request)).collect::<Vec<_>>()
        };
        for &typed in ways(operation) {
            let mut params = least_request(operation);
            let made = tokens(typed, &params.to_string()).await;
            assert!(made.len() == 3 && made.iter().all(|token| *token == made[0]), "{made:?}");
            assert_eq!(made[0].as_str().unwrap().len(), 36, "{made:?}");
            params["clientRequestToken"] = "mine".into();
            assert_eq!(tokens(typed, &params.to_string()).await[0], "mine");
        }
    }
}

/// It has a host of its own, and the token of its next page is in the body.
#[tokio::test]
async fn documents_are_ranked_by_the_runtime_of_agents() {
    let page = |token: Value| json!({"results": [{"index": 1}], "nextToken": token}).to_string();
    let capture = Arc::new(Capture::answering([page(json!("t")), page(Value::Null)]));
    let client = capture::client(&capture);
    let params = json!({"queries": [{"type": "TEXT"}], "nextToken": "first"}).to_string();
    let ranked = call_by_members(&client, Operation::Rerank, &params).await.unwrap();
    assert_eq!(ranked, json!({"results": [{"index": 1}, {"index": 1}]}));
    let requests = std::mem::take(&mut *capture.requests.lock().unwrap());
    for (request, token) in requests.iter().zip(["first", "t"]) {
        assert_eq!(request.uri(), "https://bedrock-agent-runtime.us-east-1.amazonaws.com/rerank");
        let signed = request.headers()["authorization"].to_str().unwrap();
        assert!(signed.contains("/us-east-1/bedrock/aws4_request"), "{signed}");
        let body = serde_json::from_slice::<Value>(request.body()).unwrap();
        assert_eq!(body, json!({"queries": [{"type": "TEXT"}], "nextToken": token}));
    }
    assert_eq!(requests.len(), 2);

    let url = |variable: &'static str| async move {
        let capture = Arc::new(Capture::default());
        let transport: Arc<dyn pumice::transport::Transport> = capture.clone();
        let context = keys(context()).with_env(variable, "http://127.0.0.1:9/x");
        let config = Config::new().region("eu-west-1").context(context).transport(transport);
        call_by_members(&Client::new(config), Operation::Rerank, "{}").await.unwrap_err();
        capture.only_request().uri().to_string()
    };
    let amazons = "https://bedrock-agent-runtime.eu-west-1.amazonaws.com/rerank";
    assert_eq!(url("AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME").await, "http://127.0.0.1:9/x/rerank");
    assert_eq!(url("AWS_ENDPOINT_URL").await, "http://127.0.0.1:9/x/rerank");
    assert_eq!(url("AWS_ENDPOINT_URL_BEDROCK_RUNTIME").await, amazons);
}

#[tokio::test]
async fn any_path_is_called_as_operations_are() {
    let server = Server::start([
        Answer::refusal(503, "ServiceUnavailableException", "busy"),
        Answer::whole(200, "not JSON").header("x-of-the-service", "yes"),
    ]);
    let call = Call::to_path(Service::Runtime, "POST", "/openai/v1/chat/completions")
        .unwrap()
        .query("a b", "c/d")
        .header("content-type", "application/json")
        .unwrap()
        .header("x-amz-date", "the client's own")
        .unwrap()
        .body(r#"{"model":"m"}"#);
    let response = client(&server).send_raw(&call).await.unwrap();
    assert_eq!((response.status().as_u16(), response.request_id()), (200, Some("test-request-id")));
    assert_eq!(response.headers()["x-of-the-service"], "yes");
    assert_eq!(response.bytes().await.unwrap(), "not JSON");
    let requests = server.requests();
    assert_eq!(requests.len(), 2, "a refusal is retried");
    assert_eq!(requests[1].line, "POST /openai/v1/chat/completions?a%20b=c%2Fd HTTP/1.1");
    assert_eq!(requests[1].header("x-amz-date"), Some("20260102T030405Z"));
    assert!(
        requests[1].header("authorization").unwrap().contains("SignedHeaders=content-type;host;x-amz-date,")
    );
    assert_eq!(requests[1].json(), json!({"model": "m"}));

    let error = |path: &str| Call::to_path(Service::Runtime, "GET", path).unwrap_err().kind();
    for path in ["model", "/a?b=c", "/a b", "/a\r\nevil: 1", "/é"] {
        assert_eq!(error(path), ErrorKind::InvalidInput, "{path}");
    }
    let steps = Call::to_path(Service::Runtime, "GET", "/model/../secret").unwrap();
    assert_eq!(client(&server).send_raw(&steps).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn the_path_of_a_model_goes_to_the_region_of_its_arn() {
    let capture = Arc::new(Capture::default());
    let arn = "arn%3Aaws%3Abedrock%3Aeu-west-3%3A123456789012%3Aapplication-inference-profile%2Fa1";
    let call = Call::to_path(Service::Runtime, "POST", format!("/model/{arn}/invoke")).unwrap();
    capture::client(&capture).send_raw(&call).await.unwrap_err();
    let request = capture.only_request();
    assert_eq!(request.uri().host(), Some("bedrock-runtime.eu-west-3.amazonaws.com"));
    assert_eq!((request.method(), request.uri().path()), (&Method::POST, &*format!("/model/{arn}/invoke")));
}

#[tokio::test]
async fn an_error_of_any_path_holds_no_secret() {
    let server = Server::start([Answer::whole(400, "you sent sekret-of-the-caller")]);
    let call = Call::to_path(Service::Runtime, "GET", "/x").unwrap();
    let call = call.header("x-key", "sekret-of-the-caller").unwrap();
    let error = client(&server).send_raw(&call).await.unwrap_err();
    let shown = format!("{error} {error:?} {call:?}");
    assert!(error.status() == Some(400) && !shown.contains("sekret"), "{shown}");
}

#[tokio::test]
async fn the_body_of_a_raw_stream_is_unchanged() {
    let frames = text_answer(&["ok"]);
    let server = Server::start([Answer::stream(frames.clone())]);
    let call =
        Call::new(Operation::ConverseStream, &serde_json::from_value(json!({"modelId": MODEL})).unwrap());
    let mut body = client(&server).send_raw(&call.unwrap()).await.unwrap().into_inner();
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next_chunk().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    assert_eq!(bytes, frames.concat());
}

fn written(request: &impl serde::Serialize) -> Document {
    Document::write(request).unwrap()
}

/// A typed request is sent like its members: the table of types and the table of names agree.
#[tokio::test]
async fn typed_requests_and_members_are_sent_alike() {
    use pumice::operation::{Request, StreamRequest};
    let alike = |call: pumice::Result<Call>, request: Document| {
        let call = call.unwrap();
        let operation = Operation::from_name(call.name()).unwrap();
        let by_members = Call::new(operation, &request.read().unwrap()).unwrap();
        assert_eq!(format!("{call:?}"), format!("{by_members:?}"));
    };
    let invoke = InvokeModelRequest::new("m").body("{}").accept("application/json");
    let count = CountTokensRequest::from(&request());
    let guardrail: ApplyGuardrailRequest =
        serde_json::from_value(least_request(Operation::ApplyGuardrail)).unwrap();
    let list = ListFoundationModelsRequest::new().by_provider("amazon");
    let get = GetFoundationModelRequest::new("m/1");
    let profiles = ListInferenceProfilesRequest::new().max_results(2u32);
    let profile = GetInferenceProfileRequest::new("p");
    alike(request().to_call(), written(&request()));
    alike(request().to_stream_call(), written(&request()));
    alike(invoke.to_call(), written(&invoke));
    alike(invoke.to_stream_call(), written(&invoke));
    alike(count.to_call(), written(&count));
    alike(guardrail.to_call(), written(&guardrail));
    alike(list.to_call(), written(&list));
    alike(get.to_call(), written(&get));
    alike(profiles.to_call(), written(&profiles));
    alike(profile.to_call(), written(&profile));
}
