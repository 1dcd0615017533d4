//! Requests, by members and by types, compared with what botocore sent for the same input; and which are refused because
//! they cannot be sent.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use support::capture;
use support::server;
use support::shared;

use bytes::Bytes;
use http::Request;
use pumice::inference_profile::ListInferenceProfilesRequest;
use pumice::invoke_model::InvokeModelRequest;
use pumice::operation::{Call, Operation};
use pumice::{Client, Config, ErrorKind};
use serde_json::{Value, json};
use support::capture::{Capture, call_by_members, call_typed, context, keys, least_request, query};

#[tokio::test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
async fn requests_are_those_of_botocore() {
    let vectors = shared::json("vectors/requests.json");
    let mut compared = BTreeMap::new();
    for case in vectors["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let operation_name = case["operation"].as_str().unwrap();
        let operation = Operation::from_name(operation_name);
        let operation = operation.unwrap_or_else(|| panic!("{name}: {operation_name}"));
        capture::assert_request(case, operation).await;
        *compared.entry(operation_name).or_insert(0) += 1;
    }
    println!("held: {compared:?}");
    assert!(compared.len() >= 24 && compared.values().sum::<i32>() >= 71, "{compared:?}");
}

/// What is sent, without any vectors.
async fn sent(operation: Operation, params: Value) -> Request<Bytes> {
    let capture = Arc::new(Capture::default());
    let answer = call_by_members(&capture::client(&capture), operation, &params.to_string()).await;
    assert_eq!(answer.unwrap_err().status(), Some(400));
    capture.only_request()
}

#[tokio::test]
async fn the_two_invocations_name_their_headers_differently() {
    let params = json!({
        "modelId": "m", "body": "AAH/", "contentType": "text/plain", "accept": "image/png", "trace": "ENABLED",
        "guardrailIdentifier": "g", "guardrailVersion": "", "performanceConfigLatency": "optimized",
        "serviceTier": "flex", "requestMetadata": "{\"a\":\"b\"}",
    });
    for (operation, path, accept) in [
        (Operation::InvokeModel, "/model/m/invoke", "accept"),
        (
            Operation::InvokeModelWithResponseStream,
            "/model/m/invoke-with-response-stream",
            "x-amzn-bedrock-accept",
        ),
    ] {
        let capture = Arc::new(Capture::default());
        let client = capture::client(&capture);
        call_by_members(&client, operation, &params.to_string()).await.unwrap_err();
        call_typed(&client, operation, &params.to_string()).await.unwrap_err();
        let requests = capture.requests.lock().unwrap();
        for request in &*requests {
            assert_eq!(request.uri().path(), path);
            let headers = request.headers();
            let headers = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
            let mut headers = headers.collect::<BTreeMap<_, _>>();
            let authorization = headers.remove("authorization").unwrap();
            for name in headers.keys().filter(|name| !name.starts_with("amz-sdk-")) {
                assert!(authorization.contains(name), "{name} is not signed");
            }
            headers.retain(|name, _| !name.starts_with("amz-sdk-") && *name != "x-amz-date");
            let expected = BTreeMap::from([
                (accept, "image/png"),
                ("content-type", "text/plain"),
                ("x-amzn-bedrock-guardrailidentifier", "g"),
                ("x-amzn-bedrock-guardrailversion", ""),
                ("x-amzn-bedrock-performanceconfig-latency", "optimized"),
                ("x-amzn-bedrock-request-metadata", "{\"a\":\"b\"}"),
                ("x-amzn-bedrock-service-tier", "flex"),
                ("x-amzn-bedrock-trace", "ENABLED"),
            ]);
            assert_eq!(headers, expected);
            assert_eq!(request.body()[..], [0, 1, 255]);
        }
        assert_eq!(requests.len(), 2);
    }
}

#[tokio::test]
async fn values_that_the_service_may_refuse_are_sent() {
    let request = sent(
        Operation::Converse,
        json!({"modelId": "m", "messages": null, "temperature": "very", "aNewMember": {"b": [1]}}),
    )
    .await;
    let body = serde_json::from_slice::<Value>(request.body()).unwrap();
    assert_eq!(body, json!({"messages": null, "temperature": "very", "aNewMember": {"b": [1]}}));

    let request = sent(
        Operation::ListFoundationModels,
        json!({"byProvider": "No such", "byNew": true, "byOutputModality": null}),
    )
    .await;
    assert_eq!(query(&request), [json!(["byNew", "true"]), json!(["byProvider", "No such"])]);
    assert!(request.body().is_empty());

    let request =
        sent(Operation::ApplyGuardrail, json!({"guardrailIdentifier": "g h", "guardrailVersion": 2})).await;
    assert_eq!(request.uri().path(), "/guardrail/g%20h/version/2/apply");
    assert_eq!(request.body()[..], *b"{}");
}

#[tokio::test]
async fn the_arn_of_a_model_names_the_region() {
    let arn = "arn:aws:bedrock:eu-west-3:123456789012:application-inference-profile/a1";
    for operation in [Operation::InvokeModel, Operation::CountTokens, Operation::ConverseStream] {
        let request = sent(operation, json!({"modelId": arn})).await;
        assert_eq!(request.uri().host(), Some("bedrock-runtime.eu-west-3.amazonaws.com"));
        let authorization = request.headers()["authorization"].to_str().unwrap();
        assert!(authorization.contains("/eu-west-3/bedrock/aws4_request"), "{authorization}");
    }
}

#[tokio::test]
async fn without_a_body_there_is_no_content_type() {
    let server = server::Server::start([
        server::Answer::whole(200, r#"{"a":1}"#),
        server::Answer::whole(200, r#"{"inferenceProfileSummaries":[]}"#),
    ]);
    let config = Config::new().context(keys(context())).endpoint_url(&server.url);
    let client = Client::new(config);
    let answer = client.invoke_model(&InvokeModelRequest::new("m")).await;
    assert_eq!(answer.unwrap().body.0, r#"{"a":1}"#);
    let request = &server.requests()[0];
    assert_eq!((request.header("content-length"), request.header("content-type")), (Some("0"), None));

    let control = keys(context()).with_env("AWS_ENDPOINT_URL_BEDROCK", &server.url);
    let client = Client::new(Config::new().context(control));
    client.send(&ListInferenceProfilesRequest::new()).await.unwrap();
    let request = &server.requests()[1];
    assert_eq!(request.line, "GET /inference-profiles HTTP/1.1");
    assert_eq!((request.header("content-length"), request.header("content-type")), (None, None));
}

#[tokio::test]
async fn errors_name_the_member_that_cannot_be_sent() {
    let injected = "x\r\nevil: 1";
    let mut cases = vec![
        (Operation::InvokeModel, json!({"modelId": "m", "accept": injected}), "accept"),
        (Operation::InvokeModel, json!({"modelId": "m", "contentType": "a\nb"}), "contentType"),
        (
            Operation::InvokeModel,
            json!({"modelId": "m", "requestMetadata": "{\"a\":\"é\"}"}),
            "requestMetadata",
        ),
        (Operation::InvokeModel, json!({"modelId": "m", "requestMetadata": {"a": "b"}}), "requestMetadata"),
        (Operation::InvokeModelWithResponseStream, json!({"modelId": "m", "trace": injected}), "trace"),
        (Operation::InvokeModel, json!({"modelId": "m", "body": "not base64"}), "body"),
        (Operation::InvokeModel, json!({"modelId": "m", "body": {"inputText": "x"}}), "body"),
        (Operation::InvokeModel, json!({"modelId": "m", "messages": []}), "messages"),
        (Operation::ListFoundationModels, json!({"byProvider": ["a"]}), "byProvider"),
        (Operation::ApplyGuardrail, json!({"guardrailIdentifier": "g"}), "guardrailVersion"),
        (
            Operation::ApplyGuardrail,
            json!({"guardrailIdentifier": "g", "guardrailVersion": ""}),
            "guardrailVersion",
        ),
        (Operation::Converse, json!({"modelId": null}), "modelId"),
        (Operation::Converse, json!({"modelId": ["m"]}), "modelId"),
    ];
    for operation in Operation::ALL {
        let mut request = least_request(operation);
        let labels = [
            "modelId",
            "guardrailIdentifier",
            "modelIdentifier",
            "inferenceProfileIdentifier",
            "invocationArn",
            "projectIdentifier",
            "promptRouterArn",
            "jobIdentifier",
        ];
        // In the requests of these, `modelId` is a member of the body.
        let in_body = [
            Operation::CreateFoundationModelAgreement,
            Operation::DeleteFoundationModelAgreement,
            Operation::CreateModelInvocationJob,
        ];
        let label = labels.into_iter().find(|label| request.get(label).is_some());
        let label = label.filter(|_| !in_body.contains(&operation));
        let Some(label) = label else { continue };
        request[label] = "".into();
        cases.push((operation, request.clone(), label));
        request.as_object_mut().unwrap().remove(label);
        cases.push((operation, request, label));
    }
    for (operation, request, member) in cases {
        let error = call(operation, &request).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{request}");
        assert!(error.message().starts_with(&format!("{member}: ")), "{request}: {error}");
        assert!(!error.to_string().contains("evil"), "{error}");
    }

    let capture = Arc::new(Capture::default());
    let client = capture::client(&capture);
    for (operation, request) in [
        (Operation::GetFoundationModel, json!({"modelIdentifier": ""})),
        (Operation::InvokeModel, json!({"modelId": "m", "trace": "a\r\nb"})),
        (Operation::Converse, json!({"modelId": ".."})),
    ] {
        let error = call_typed(&client, operation, &request.to_string()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{request}");
    }
    let whole = call(Operation::Converse, &json!({"modelId": "m"})).unwrap();
    assert_eq!(client.send_frames(&whole).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let streamed = serde_json::from_value(json!({"modelId": "m"})).unwrap();
    let error = client.call(Operation::ConverseStream, &streamed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(capture.count(), 0, "something was sent");
}

fn call(operation: Operation, request: &Value) -> pumice::Result<Call> {
    Call::new(operation, &serde_json::from_value(request.clone()).unwrap())
}
