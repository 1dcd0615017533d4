//! A transport that keeps requests and responds as the test says, and the comparison of a client with vectors.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "part of tests")]

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use futures_core::Stream;
use http::Response;
use percent_encoding::percent_decode_str;
use pumice::aws_files::Profiles;
use pumice::context::Context;
use pumice::converse::ConverseRequest;
use pumice::endpoint::{Endpoint, EndpointSettings, EndpointSource, Service};
use pumice::model_access::{
    CreateFoundationModelAgreementRequest, DeleteFoundationModelAgreementRequest,
    GetFoundationModelAvailabilityRequest, GetUseCaseForModelAccessRequest,
    ListFoundationModelAgreementOffersRequest, PutUseCaseForModelAccessRequest,
};
use pumice::model_invocation_job::{
    CreateModelInvocationJobRequest, GetModelInvocationJobRequest, ListModelInvocationJobsRequest,
    StopModelInvocationJobRequest,
};
use pumice::operation::{Call, Operation, Request};
use pumice::region::{Region, RegionSettings};
use pumice::sign::{Scope, sign};
use pumice::transport::{Transport, TransportFuture};
use pumice::{Client, Config, ErrorKind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Keeps requests and responds to each in the same way: with status 400 and `{}` unless set.
#[derive(Debug)]
pub struct Capture {
    pub requests: Mutex<Vec<http::Request<Bytes>>>,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// The bodies of the first responses, in order. The last is repeated.
    pub bodies: Vec<Vec<u8>>,
}

impl Default for Capture {
    fn default() -> Self {
        Self { requests: Mutex::default(), status: 400, headers: Vec::new(), bodies: vec![b"{}".to_vec()] }
    }
}

impl Capture {
    /// Responds with status 200 and these bodies.
    pub fn answering(bodies: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        Self { status: 200, bodies: bodies.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The response of a case: `status`, `headers`, and `body` or `body_base64`.
    pub fn of_case(case: &Value) -> Self {
        let headers = case["headers"].as_object().into_iter().flatten();
        let body = match case["body_base64"].as_str() {
            Some(base64) => decoded(base64),
            None => case["body"].as_str().unwrap_or_default().as_bytes().to_vec(),
        };
        Self {
            status: case["status"].as_u64().unwrap().try_into().unwrap(),
            headers: headers
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                .collect(),
            bodies: vec![body],
            ..Self::default()
        }
    }

    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// The one request that was sent.
    pub fn only_request(&self) -> http::Request<Bytes> {
        let requests = self.requests.lock().unwrap();
        let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
        request.clone()
    }
}

impl Transport for Capture {
    fn send(&self, request: http::Request<Bytes>) -> TransportFuture<'_> {
        let mut requests = self.requests.lock().unwrap();
        let body = &self.bodies[requests.len().min(self.bodies.len() - 1)];
        requests.push(request);
        let mut answer = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            answer = answer.header(name, value);
        }
        let body: pumice::transport::Body = Box::pin(Whole(Some(body.clone().into())));
        let answer = answer.body(body).unwrap();
        Box::pin(std::future::ready(Ok(answer)))
    }
}

/// A body in one piece.
struct Whole(Option<Bytes>);

impl Stream for Whole {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<Result<Bytes>>> {
        Poll::Ready(self.0.take().map(Ok))
    }
}

/// An empty environment at 2026-01-02T03:04:05Z, the time of all vectors.
pub fn context() -> Context {
    Context::fake().with_clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045))
}

/// With the keys of the vectors.
pub fn keys(context: Context) -> Context {
    context
        .with_env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .with_env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
}

pub fn client(capture: &Arc<Capture>) -> Client {
    let transport: Arc<dyn Transport> = capture.clone();
    Client::new(Config::new().region("us-east-1").context(keys(context())).transport(transport))
}

/// Calls by the members of the request. A response in a stream is the list of its events.
pub async fn call_by_members(client: &Client, operation: Operation, params: &str) -> Result<Value> {
    let request = serde_json::from_str(params).unwrap();
    if !operation.is_streamed() {
        return Ok(serde_json::from_str(client.call(operation, &request).await?.text()).unwrap());
    }
    let mut frames = client.send_frames(&Call::new(operation, &request)?).await?;
    let mut events = Vec::new();
    while let Some(frame) = frames.next_frame().await? {
        events.push(serde_json::from_str(&frame.to_event_json()?).unwrap());
    }
    Ok(Value::Array(events))
}

/// Calls with a typed request.
pub async fn call_typed(client: &Client, operation: Operation, params: &str) -> Result<Value> {
    match operation {
        Operation::Converse => written(client.converse(&read(params)).await),
        Operation::ConverseStream => {
            let mut events = client.converse_stream(&read::<ConverseRequest>(params)).await?;
            while events.next_event().await?.is_some() {}
            Ok(Value::Null)
        }
        Operation::InvokeModel => written(client.invoke_model(&read(params)).await),
        Operation::InvokeModelWithResponseStream => {
            let mut events = client.invoke_model_with_response_stream(&read(params)).await?;
            while events.next_event().await?.is_some() {}
            Ok(Value::Null)
        }
        Operation::CountTokens => written(client.count_tokens(&read(params)).await),
        Operation::ApplyGuardrail => written(client.apply_guardrail(&read(params)).await),
        Operation::ListFoundationModels => written(client.list_foundation_models(&read(params)).await),
        Operation::GetFoundationModel => written(client.get_foundation_model(&read(params)).await),
        Operation::ListInferenceProfiles => written(client.list_inference_profiles(&read(params)).await),
        Operation::GetInferenceProfile => written(client.get_inference_profile(&read(params)).await),
        Operation::GetFoundationModelAvailability => {
            sent::<GetFoundationModelAvailabilityRequest>(client, params).await
        }
        Operation::ListFoundationModelAgreementOffers => {
            sent::<ListFoundationModelAgreementOffersRequest>(client, params).await
        }
        Operation::CreateFoundationModelAgreement => {
            sent::<CreateFoundationModelAgreementRequest>(client, params).await
        }
        Operation::DeleteFoundationModelAgreement => {
            sent::<DeleteFoundationModelAgreementRequest>(client, params).await
        }
        Operation::PutUseCaseForModelAccess => sent::<PutUseCaseForModelAccessRequest>(client, params).await,
        Operation::GetUseCaseForModelAccess => sent::<GetUseCaseForModelAccessRequest>(client, params).await,
        Operation::CreateModelInvocationJob => sent::<CreateModelInvocationJobRequest>(client, params).await,
        Operation::GetModelInvocationJob => sent::<GetModelInvocationJobRequest>(client, params).await,
        Operation::ListModelInvocationJobs => sent::<ListModelInvocationJobsRequest>(client, params).await,
        Operation::StopModelInvocationJob => sent::<StopModelInvocationJobRequest>(client, params).await,
        _ => panic!("{operation:?}"),
    }
}

async fn sent<R: Request<Response: Serialize> + DeserializeOwned>(
    client: &Client,
    params: &str,
) -> Result<Value> {
    written(client.send(&read::<R>(params)).await.map(pumice::Response::into_inner))
}

/// Whether there is a type for the operation's requests; for it, [`call_typed`] makes the call.
pub fn is_typed(operation: Operation) -> bool {
    use Operation as O;
    matches!(
        operation,
        O::Converse
            | O::ConverseStream
            | O::InvokeModel
            | O::InvokeModelWithResponseStream
            | O::CountTokens
            | O::ApplyGuardrail
            | O::ListFoundationModels
            | O::GetFoundationModel
            | O::ListInferenceProfiles
            | O::GetInferenceProfile
            | O::GetFoundationModelAvailability
            | O::ListFoundationModelAgreementOffers
            | O::CreateFoundationModelAgreement
            | O::DeleteFoundationModelAgreement
            | O::PutUseCaseForModelAccess
            | O::GetUseCaseForModelAccess
            | O::CreateModelInvocationJob
            | O::GetModelInvocationJob
            | O::ListModelInvocationJobs
            | O::StopModelInvocationJob
    )
}

/// The ways to call an operation: by members, and typed if there is a type.
pub fn ways(operation: Operation) -> &'static [bool] {
    if is_typed(operation) { &[false, true] } else { &[false] }
}

/// Calls with a typed request, or by its members.
pub async fn call_either(typed: bool, client: &Client, operation: Operation, params: &str) -> Result<Value> {
    if typed {
        call_typed(client, operation, params).await
    } else {
        call_by_members(client, operation, params).await
    }
}

fn read<T: DeserializeOwned>(params: &str) -> T {
    serde_json::from_str(params).unwrap_or_else(|error| panic!("{error}: {params}"))
}

fn written(answer: Result<impl Serialize>) -> Result<Value> {
    answer.map(|answer| serde_json::to_value(answer).unwrap())
}

/// The smallest request of an operation.
pub fn least_request(operation: Operation) -> Value {
    match operation {
        Operation::CountTokens => json!({"modelId": "m", "input": {"converse": {}}}),
        Operation::ApplyGuardrail => {
            json!({"guardrailIdentifier": "g", "guardrailVersion": "1", "source": "INPUT", "content": []})
        }
        Operation::GetFoundationModel => json!({"modelIdentifier": "m"}),
        Operation::GetInferenceProfile | Operation::DeleteInferenceProfile => {
            json!({"inferenceProfileIdentifier": "p"})
        }
        Operation::GetAsyncInvoke => json!({"invocationArn": "a"}),
        Operation::CreateFoundationModelAgreement => json!({"offerToken": "t", "modelId": "m"}),
        Operation::DeleteFoundationModelAgreement => json!({"modelId": "m"}),
        Operation::PutUseCaseForModelAccess => json!({"formData": "e30="}),
        Operation::GetProject | Operation::UpdateProject | Operation::ArchiveProject => {
            json!({"projectIdentifier": "proj_x"})
        }
        Operation::GetPromptRouter | Operation::DeletePromptRouter => json!({"promptRouterArn": "r"}),
        Operation::CreateModelInvocationJob => json!({
            "jobName": "j", "roleArn": "r", "modelId": "m",
            "inputDataConfig": {"s3InputDataConfig": {"s3Uri": "s3://b/in.jsonl"}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://b/out/"}},
        }),
        Operation::GetModelInvocationJob | Operation::StopModelInvocationJob => json!({"jobIdentifier": "j"}),
        Operation::GetFoundationModelAvailability | Operation::ListFoundationModelAgreementOffers => {
            json!({"modelId": "m"})
        }
        _ if !operation.takes_model() => json!({}),
        _ => json!({"modelId": "m"}),
    }
}

pub fn decoded(base64: &str) -> Vec<u8> {
    pumice::shape::Blob::from_base64(base64).unwrap().0.to_vec()
}

/// Compares `1` and `1.0` as equal; as JSON values they differ.
pub fn numbers_alike(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64().unwrap()),
        Value::Array(items) => items.iter().map(numbers_alike).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), numbers_alike(value))).collect()
        }
        other => other.clone(),
    }
}

/// Makes a case's call, by members and by types, and compares the request.
pub async fn assert_request(case: &Value, operation: Operation) {
    let name = case["name"].as_str().unwrap();
    assert_eq!(operation.service().endpoint_prefix(), case["service"], "{name}");
    let params = case["params"].to_string();
    for &typed in ways(operation) {
        let capture = Arc::new(Capture::default());
        let client = client_of(case, &capture);
        let answer = call_either(typed, &client, operation, &params).await;
        assert_eq!(answer.unwrap_err().status(), Some(400), "{name}");
        compare(&format!("{name}, typed: {typed}"), &case["request"], &capture.only_request());
    }
}

/// A client with the settings of a case.
fn client_of(case: &Value, capture: &Arc<Capture>) -> Client {
    let strings = |at: &str| {
        let members = case[at].as_object().unwrap().clone().into_iter();
        members.filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
    };
    let mut context = context();
    for (name, value) in strings("env") {
        context = context.with_env(name, value);
    }
    for (name, value) in strings("credentials") {
        let name = match name.as_str() {
            "access_key_id" => "AWS_ACCESS_KEY_ID",
            "secret_access_key" => "AWS_SECRET_ACCESS_KEY",
            "session_token" => "AWS_SESSION_TOKEN",
            _ => panic!("{name}"),
        };
        context = context.with_env(name, value);
    }
    // What botocore takes in code comes from the environment here.
    for (name, value) in case["client_config"].as_object().unwrap() {
        let variable = match name.as_str() {
            "use_fips_endpoint" => "AWS_USE_FIPS_ENDPOINT",
            "use_dualstack_endpoint" => "AWS_USE_DUALSTACK_ENDPOINT",
            _ => panic!("{name}"),
        };
        context = context.with_env(variable, value.to_string());
    }
    if let Some(url) = case["endpoint_url"].as_str() {
        let service = case["service"].as_str().unwrap().replace('-', "_").to_uppercase();
        context = context.with_env(format!("AWS_ENDPOINT_URL_{service}"), url);
    }
    let transport: Arc<dyn Transport> = capture.clone();
    let config = Config::new().context(context).transport(transport);
    Client::new(config.region(case["region"].as_str().unwrap()))
}

fn compare(name: &str, expected: &Value, request: &http::Request<Bytes>) {
    assert_eq!(request.method().as_str(), expected["method"], "{name}");
    assert_eq!(request.uri().path(), expected["path"], "{name}");
    let mut query = query(request);
    let mut expected_query = expected["query_params"].as_array().unwrap().clone();
    query.sort_by_key(Value::to_string);
    expected_query.sort_by_key(Value::to_string);
    assert_eq!(query, expected_query, "{name}");

    let mut headers = BTreeMap::from([("host".to_owned(), request.uri().authority().unwrap().to_string())]);
    for (name, value) in request.headers() {
        headers.insert(name.to_string(), value.to_str().unwrap().to_owned());
    }
    let mut expected_headers = expected["headers"].as_object().unwrap().clone();
    if expected["authorization_comparable"] == false {
        // The signed bytes may differ, so only scope and signed headers are compared.
        let up_to_signature = |text: &str| text.split("Signature=").next().unwrap().to_owned();
        headers.entry("authorization".to_owned()).and_modify(|value| *value = up_to_signature(value));
        expected_headers["authorization"] =
            up_to_signature(expected_headers["authorization"].as_str().unwrap()).into();
    }
    headers.retain(|name, _| !name.starts_with("amz-sdk-") && name != "content-length");
    assert_eq!(json!(headers), Value::Object(expected_headers), "{name}");

    match expected["body_kind"].as_str().unwrap() {
        "empty" => assert!(request.body().is_empty(), "{name}"),
        "bytes" => {
            assert_eq!(*request.body(), decoded(expected["body_base64"].as_str().unwrap()), "{name}");
        }
        "json" => {
            let body = serde_json::from_slice(request.body()).unwrap();
            let (body, expected) = (numbers_alike(&body), numbers_alike(&expected["body"]));
            assert_eq!(body, expected, "{name}");
        }
        kind => panic!("{name}: {kind}"),
    }
}

/// The query as a list of pairs.
pub fn query(request: &http::Request<Bytes>) -> Vec<Value> {
    let decode = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let pairs = request.uri().query().into_iter().flat_map(|query| query.split('&'));
    pairs
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(key, value)| json!([decode(key), decode(value)]))
        .collect()
}

/// The headers that a signature adds, beside `authorization`.
const ADDED: [&str; 3] = ["x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];

/// Signs a vector's request, and compares the headers that the signature adds.
pub fn assert_signature(vector: &Value) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (request, keys) = (&vector["request"], &vector["credentials"]);
    let mut signed = http::Request::builder().method(&*text(&request["method"])).uri(text(&request["url"]));
    // Only some vectors list headers that may change on the way.
    let unsigned = request["headers_unsigned"].as_object().into_iter().flatten();
    for (name, value) in request["headers_signed"].as_object().unwrap().iter().chain(unsigned) {
        if name != "host" && !ADDED.contains(&&**name) {
            signed = signed.header(name, text(value));
        }
    }
    let credentials = Credentials::new(
        text(&keys["access_key_id"]),
        text(&keys["secret_access_key"]),
        keys["session_token"].as_str().map(str::to_owned),
        None,
        "vectors",
    );
    let (region, service) = (text(&vector["region"]), text(&vector["signing_name"]));
    let scope = Scope { region: &region, service: &service };
    let signed = signed.body(Bytes::from(decoded(request["body_base64"].as_str().unwrap()))).unwrap();
    let headers = sign(&signed, &credentials, scope, time(&text(&vector["timestamp"]))).unwrap();

    let mut expected = BTreeMap::from([("authorization", &vector["authorization"])]);
    for name in ADDED {
        expected.extend(request["headers_signed"].get(name).map(|value| (name, value)));
    }
    let found = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let expected = expected.into_iter().map(|(name, value)| (name, value.as_str().unwrap()));
    assert_eq!(found.collect::<BTreeMap<_, _>>(), expected.collect::<BTreeMap<_, _>>(), "{}", vector["name"]);
}

fn time(stamp: &str) -> SystemTime {
    let format = time::format_description::parse_borrowed::<2>("[year][month][day]T[hour][minute][second]Z");
    time::PrimitiveDateTime::parse(stamp, &format.unwrap()).unwrap().assume_utc().into()
}

/// The endpoint by the rules alone.
pub fn assert_resolution(case: &Value) {
    let settings = EndpointSettings {
        region: case["region"].as_str(),
        use_fips: case["use_fips"].as_bool(),
        use_dual_stack: case["use_dualstack"].as_bool(),
        ..Default::default()
    };
    let endpoint = Endpoint::resolve(service(&case["service"]), &settings, |_| None);
    if case["error"].is_string() {
        assert_eq!(endpoint.unwrap_err().kind(), ErrorKind::InvalidInput, "{case}");
        return;
    }
    let endpoint = endpoint.unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(endpoint.url(), case["url"], "{case}");
    assert_eq!(endpoint.region(), case["signing_region"], "{case}");
    assert_eq!(*endpoint.source(), EndpointSource::Rules);
}

/// The endpoint for a case's environment, config file and code.
pub fn configured_endpoint(case: &Value) -> Result<Endpoint> {
    let profiles = Profiles::parse(case["config_file"].as_str().map(|text| ("config", text)), None).unwrap();
    let profile = profiles.profile("default").map(|profile| (&profiles, profile));
    let env = |name: &str| case["env"][name].as_str().map(str::to_owned);
    let named = RegionSettings { given: case["region"].as_str(), profile, ..Default::default() };
    let region = Region::resolve(&named, env)?;
    let settings = EndpointSettings {
        url: case["endpoint_url"].as_str(),
        region: region.as_ref().map(Region::name),
        use_fips: case["fips"].as_bool(),
        use_dual_stack: case["ds"].as_bool(),
        profile,
        fallback_url: None,
    };
    Endpoint::resolve(service(&case["service"]), &settings, env)
}

fn service(name: &Value) -> Service {
    match name.as_str().unwrap() {
        "bedrock-runtime" => Service::Runtime,
        "bedrock" => Service::Control,
        other => panic!("{other}"),
    }
}
