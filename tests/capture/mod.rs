//! A client whose transport keeps what it is given and answers with what the test says, and the vectors
//! that lie beside the repository.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "part of tests")]

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_core::Stream;
use http::{Request, Response};
use pumice::context::Context;
use pumice::converse::ConverseRequest;
use pumice::operation::{Call, Operation};
use pumice::transport::{Sending, Transport};
use pumice::{Client, Config, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Keeps requests and answers each with the same; `status` 400 and `{}` unless set.
#[derive(Debug)]
pub struct Capture {
    pub requests: Mutex<Vec<Request<Bytes>>>,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// The first answers' bodies in order, of which the last is also all further ones'.
    pub bodies: Vec<Vec<u8>>,
}

impl Default for Capture {
    fn default() -> Self {
        Self { requests: Mutex::default(), status: 400, headers: Vec::new(), bodies: vec![b"{}".to_vec()] }
    }
}

impl Capture {
    /// One that answers 200 with these bodies.
    pub fn answering(bodies: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        Self { status: 200, bodies: bodies.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// As the answer of a case: `status`, `headers`, and `body` or `body_base64`.
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
    pub fn only_request(&self) -> Request<Bytes> {
        let requests = self.requests.lock().unwrap();
        let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
        request.clone()
    }
}

impl Transport for Capture {
    fn send(&self, request: Request<Bytes>) -> Sending<'_> {
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

/// 2026-01-02T03:04:05Z, the time of all vectors, and no environment.
pub fn context() -> Context {
    Context::made().with_clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045))
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

/// Calls by the members of the request; an answer in a stream is the list of its events.
pub async fn call_by_members(client: &Client, operation: Operation, params: &str) -> Result<Value> {
    let request = serde_json::from_str(params).unwrap();
    if !operation.is_streamed() {
        return Ok(serde_json::from_str(client.call(operation, &request).await?.text()).unwrap());
    }
    let mut frames = client.send_stream(&Call::new(operation, &request)?).await?;
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
        _ => panic!("{operation:?}"),
    }
}

fn read<T: DeserializeOwned>(params: &str) -> T {
    serde_json::from_str(params).unwrap_or_else(|error| panic!("{error}: {params}"))
}

fn written(answer: Result<impl Serialize>) -> Result<Value> {
    answer.map(|answer| serde_json::to_value(answer).unwrap())
}

/// The least that a request of an operation can be.
pub fn least_request(operation: Operation) -> Value {
    match operation {
        Operation::CountTokens => json!({"modelId": "m", "input": {"converse": {}}}),
        Operation::ApplyGuardrail => {
            json!({"guardrailIdentifier": "g", "guardrailVersion": "1", "source": "INPUT", "content": []})
        }
        Operation::ListFoundationModels | Operation::ListInferenceProfiles => json!({}),
        Operation::GetFoundationModel => json!({"modelIdentifier": "m"}),
        Operation::GetInferenceProfile => json!({"inferenceProfileIdentifier": "p"}),
        _ => json!({"modelId": "m"}),
    }
}

/// A file of the vectors, or `None`, and a word about it, where they are not there.
pub fn vectors(name: &str) -> Option<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors").join(name);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

pub fn decoded(base64: &str) -> Vec<u8> {
    pumice::shape::Blob::from_base64(base64).unwrap().0.to_vec()
}

/// `1` and `1.0` are one number, and two JSON values.
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
