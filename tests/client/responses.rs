//! Responses, by members and by types, compared with what botocore read from the same bytes.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use support::capture;
use support::server;
use support::shared;

use pumice::ErrorKind;
use pumice::frame::FrameDecoder;
use pumice::invoke_model::{InvokeModelRequest, ResponseStreamEvent};
use pumice::operation::Operation;
use serde_json::{Value, json};
use support::capture::{Capture, call_by_members, call_either, call_typed, least_request};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[tokio::test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
async fn responses_are_read_as_botocore_reads_them() {
    let vectors = shared::json("vectors/responses.json");
    let (mut compared, mut left_out) = (BTreeMap::new(), BTreeMap::new());
    for case in vectors["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let operation_name = case["operation"].as_str().unwrap();
        let Some(operation) = Operation::from_name(operation_name) else {
            *left_out.entry(operation_name).or_insert(0) += 1;
            continue;
        };
        let expected = &case["botocore"]["parsed"];
        for &typed in capture::ways(operation) {
            let capture = Arc::new(Capture::of_case(case));
            let client = capture::client(&capture);
            let params = least_request(operation).to_string();
            let answer = call_either(typed, &client, operation, &params).await;
            assert_eq!(capture.count(), 1, "{name}");
            // botocore takes a body that is no JSON, or none at all, for a response without members, and lets
            // required members be absent.
            if case["body"].as_str().is_some_and(|body| !body.trim_start().starts_with('{') || body == "{}") {
                assert_eq!(*expected, json!({}), "{name}");
                if responds_with_nothing(operation) {
                    assert_eq!(answer.unwrap(), json!({}), "{name}");
                    continue;
                }
                let error = answer.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Damaged, "{name}");
                assert!(error.message().contains(operation_name), "{name}: {error}");
                assert_eq!(error.request_id(), case["botocore"]["request_id"].as_str(), "{name}");
                continue;
            }
            let answer = answer.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            if let Some(missing) = missing("", expected, &answer) {
                panic!("{name}, typed: {typed}: {missing}: {answer}");
            }
            // By members, a JSON response is unchanged, with unknown members.
            if let (false, Some(body)) = (typed, case["body"].as_str()) {
                assert_eq!(answer, serde_json::from_str::<Value>(body).unwrap(), "{name}");
            }
        }
        *compared.entry(operation_name).or_insert(0) += 1;
    }
    println!("held: {compared:?}\nof operations that are not offered: {left_out:?}");
    assert!(compared.len() >= 4 && compared.values().sum::<i32>() >= 11, "{compared:?}");
}

/// Where the response lacks something that botocore read.
fn missing(at: &str, expected: &Value, found: &Value) -> Option<String> {
    if let Some(moment) = expected["$timestamp"].as_str() {
        let instant = |text: &str| OffsetDateTime::parse(text, &Rfc3339).unwrap();
        let found = match found {
            Value::Number(seconds) => {
                let milliseconds = seconds.as_f64().unwrap() * 1000.0;
                #[allow(clippy::cast_possible_truncation, reason = "whole numbers of this century")]
                let nanoseconds = i128::from(milliseconds as i64) * 1_000_000;
                OffsetDateTime::from_unix_timestamp_nanos(nanoseconds).unwrap()
            }
            found => instant(found.as_str().unwrap()),
        };
        return (instant(moment) != found).then(|| format!("{at}: expected {moment}, found {found}"));
    }
    if let Some(base64) = expected["$stream_base64"].as_str() {
        return missing(at, &base64.into(), found);
    }
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected.iter().find_map(|(name, expected)| {
            let at = format!("{at}/{name}");
            if name == "SDK_UNKNOWN_MEMBER" {
                let name = expected["name"].as_str().unwrap();
                return (!found.contains_key(name)).then_some(at);
            }
            match found.get(name) {
                Some(found) => missing(&at, expected, found),
                None => Some(at),
            }
        }),
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            let pairs = expected.iter().zip(found).enumerate();
            pairs
                .into_iter()
                .find_map(|(index, (expected, found))| missing(&format!("{at}/{index}"), expected, found))
        }
        _ => {
            let alike = capture::numbers_alike(expected) == capture::numbers_alike(found);
            (!alike).then(|| format!("{at}: expected {expected}, found {found}"))
        }
    }
}

#[tokio::test]
async fn a_response_that_is_not_a_json_object_is_damaged() {
    for operation in Operation::ALL {
        if operation.is_streamed() || operation == Operation::InvokeModel {
            continue;
        }
        let may_be_empty = responds_with_nothing(operation);
        for body in ["", " \n", "[]", "null", "<html>", "\"{}\"", "{\"cut\": ", "{} {}"] {
            if may_be_empty && body.trim().is_empty() {
                continue;
            }
            for &typed in capture::ways(operation) {
                let mut capture = Capture::answering([body]);
                capture.headers.push(("x-amzn-requestid".into(), "req-1".into()));
                let client = capture::client(&Arc::new(capture));
                let params = least_request(operation).to_string();
                let answer = call_either(typed, &client, operation, &params).await;
                let error = answer.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Damaged, "{operation:?} {body:?}");
                assert!(error.message().contains(operation.name()), "{error}");
                assert_eq!((error.status(), error.request_id()), (Some(200), Some("req-1")));
            }
        }
    }
}

/// Whether the response of an operation has no members.
fn responds_with_nothing(operation: Operation) -> bool {
    use Operation as O;
    matches!(
        operation,
        O::DeleteFoundationModelAgreement
            | O::PutUseCaseForModelAccess
            | O::DeleteInferenceProfile
            | O::DeletePromptRouter
            | O::TagResource
            | O::UntagResource
            | O::StopModelInvocationJob
    )
}

#[tokio::test]
async fn a_response_without_members_may_be_empty() {
    let empty = Operation::ALL.into_iter().filter(|operation| responds_with_nothing(*operation));
    for operation in empty {
        for (body, response) in
            [("", json!({})), (" \n", json!({})), ("{}", json!({})), (r#"{"new":1}"#, json!({"new": 1}))]
        {
            for &typed in capture::ways(operation) {
                let client = capture::client(&Arc::new(Capture::answering([body])));
                let params = least_request(operation).to_string();
                let answer = call_either(typed, &client, operation, &params).await;
                assert_eq!(answer.unwrap(), response, "{operation:?} {body:?}");
            }
        }
    }
}

/// Gateways, and at times the service, report an error with status 200.
#[tokio::test]
async fn an_error_with_status_200_is_reported() {
    let coral =
        r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#;
    for operation in Operation::ALL {
        if operation == Operation::InvokeModel {
            continue;
        }
        for (body, code, found) in [
            (r#"{"message":"Forbidden"}"#, None, "found an error: Forbidden"),
            (
                r#"{"__type":"a.b#AccessDeniedException"}"#,
                Some("AccessDeniedException"),
                "found an error without a message",
            ),
            (coral, Some("UnknownOperationException"), "found an error without a message"),
            (r#"{"code":"Throttled","Message":"slow"}"#, Some("Throttled"), "found an error: slow"),
            ("{}", None, "found an empty object"),
            (r#"{"id":"1","choices":["sekret"]}"#, None, "found an object of id, choices"),
            ("<html><title>Free Wifi</title>Sign in", None, "found text/html that says: Free Wifi Sign in"),
        ] {
            if responds_with_nothing(operation)
                && ["{}", r#"{"id":"1","choices":["sekret"]}"#].contains(&body)
            {
                continue;
            }
            for &typed in capture::ways(operation) {
                let mut capture = Capture::answering([body]);
                let kind = if body.starts_with('<') { "text/html" } else { "application/json" };
                capture.headers.push(("content-type".into(), kind.into()));
                let client = capture::client(&Arc::new(capture));
                let params = least_request(operation).to_string();
                let answer = call_either(typed, &client, operation, &params).await;
                let error = answer.unwrap_err();
                assert_eq!((error.kind(), error.code()), (ErrorKind::Damaged, code), "{operation:?} {body}");
                assert!(error.message().contains(found), "{operation:?} {body}: {error}");
                assert!(error.hint().is_some_and(|hint| hint.to_string().contains("gateway")), "{error:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_members_of_an_invocation_are_its_headers_and_its_body() {
    let mut capture = Capture::answering([&b"\x00\xff not JSON"[..]]);
    capture.headers = vec![
        ("content-type".into(), "image/png".into()),
        ("x-amzn-bedrock-service-tier".into(), "some new tier".into()),
        ("x-amzn-bedrock-input-token-count".into(), "9".into()),
    ];
    let capture = Arc::new(capture);
    let client = capture::client(&capture);
    let expected =
        json!({"contentType": "image/png", "serviceTier": "some new tier", "body": "AP8gbm90IEpTT04="});
    let params = json!({"modelId": "m"}).to_string();
    assert_eq!(call_by_members(&client, Operation::InvokeModel, &params).await.unwrap(), expected);
    assert_eq!(call_typed(&client, Operation::InvokeModel, &params).await.unwrap(), expected);
}

/// Its body can have any format, but is never empty. An HTML page comes from a gateway.
#[tokio::test]
async fn an_invocation_without_the_body_of_a_model_is_damaged() {
    let json = "application/json";
    for (media_type, body, expected) in [
        (Some(json), r#"{"embedding":[1]}"#, None),
        (Some("application/json; charset=utf-8"), "[]", None),
        (None, "{}", None),
        (Some("application/jsonlines"), "{}\n{}\n", None),
        (Some("text/plain"), "<a>", None),
        (Some(json), "", Some("found an empty body")),
        (None, "", Some("found an empty body")),
        (Some("image/png"), "", Some("found an empty body")),
        (Some(json), "<html>Sign in</html>", Some("Sign in")),
        (None, "<html>Sign in</html>", Some("Sign in")),
        (Some("Text/HTML; charset=utf-8"), "<html>Sign in</html>", Some("Sign in")),
        (Some(json), r#"{"cut": "#, Some("found damaged JSON")),
    ] {
        for typed in [false, true] {
            let mut capture = Capture::answering([body]);
            capture.headers.extend(media_type.map(|kind| ("content-type".into(), kind.into())));
            let client = capture::client(&Arc::new(capture));
            let response = call_either(typed, &client, Operation::InvokeModel, r#"{"modelId":"m"}"#).await;
            let error = response.err().map(|error| (error.kind(), error.message().to_owned()));
            match (&error, expected) {
                (None, None) => {}
                (Some((ErrorKind::Damaged, message)), Some(expected)) if message.contains(expected) => {}
                other => panic!("{media_type:?} {body:?}: {other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_stream_without_its_required_event_is_incomplete() {
    for (operation, missing) in [
        (Operation::ConverseStream, "without messageStop"),
        (Operation::InvokeModelWithResponseStream, "without chunk"),
    ] {
        for body in [Vec::new(), server::event("later", "{}")] {
            let client = capture::client(&Arc::new(Capture::answering([body.clone(), body.clone(), body])));
            let error = call_by_members(&client, operation, r#"{"modelId":"m","body":"e30="}"#).await;
            let error = error.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenOff, "{error}");
            assert!(error.message().contains(missing), "{error}");
        }
    }
}

#[tokio::test]
async fn an_invocation_in_pieces_ends_with_its_body() {
    let chunk = |base64: &str| server::event("chunk", &json!({ "bytes": base64 }).to_string());
    let whole = [chunk("eyJhIjo="), server::event("later", r#"{"x":1}"#), chunk("MX0=")].concat();
    let mut capture = Capture::answering([whole]);
    capture.headers.push(("x-amzn-bedrock-content-type".into(), "application/json".into()));
    let client = capture::client(&Arc::new(capture));

    let mut events = client.invoke_model_with_response_stream(&InvokeModelRequest::new("m")).await.unwrap();
    assert_eq!(events.headers()["x-amzn-bedrock-content-type"], "application/json");
    let (mut bytes, mut unknown) = (Vec::new(), Vec::new());
    while let Some(event) = events.next_event().await.unwrap() {
        match event {
            ResponseStreamEvent::Chunk(part) => bytes.extend_from_slice(&part.bytes.unwrap().0),
            ResponseStreamEvent::Unknown { event_type, .. } => unknown.push(event_type),
            event => panic!("{event:?}"),
        }
    }
    assert_eq!((bytes.as_slice(), unknown), (&br#"{"a":1}"#[..], vec!["later".to_owned()]));

    let operation = Operation::InvokeModelWithResponseStream;
    let lines = call_by_members(&client, operation, r#"{"modelId":"m"}"#).await.unwrap();
    assert_eq!(
        lines,
        json!([{"chunk": {"bytes": "eyJhIjo="}}, {"later": {"x": 1}}, {"chunk": {"bytes": "MX0="}}])
    );
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn recorded_invocations_in_pieces_are_read() {
    let files = std::fs::read_dir(shared::path("captures/invoke-stream")).unwrap();
    let mut frames = 0;
    for file in files.map(|file| file.unwrap().path()) {
        if file.extension().is_none_or(|extension| extension != "bin") {
            continue;
        }
        let mut decoder = FrameDecoder::new();
        decoder.push(std::fs::read(&file).unwrap());
        while let Some(frame) = decoder.next_frame().unwrap() {
            match ResponseStreamEvent::from_frame(&frame) {
                Ok(ResponseStreamEvent::Chunk(part)) => {
                    assert!(part.other.is_empty(), "{part:?}");
                    assert!(serde_json::from_slice::<Value>(&part.bytes.unwrap().0).unwrap().is_object());
                }
                Ok(event) => panic!("{event:?}"),
                Err(error) => assert_eq!(error.kind(), ErrorKind::ModelError, "{error}"),
            }
            frames += 1;
        }
        decoder.finish().unwrap();
    }
    assert!(frames > 0);
}

#[tokio::test]
async fn an_invocation_in_pieces_fails_as_a_conversation_does() {
    let chunk = server::event("chunk", r#"{"bytes":"e30="}"#);
    let exception = server::exception("modelTimeoutException", "too long");
    let half = chunk[..chunk.len() / 2].to_vec();
    for (rest, kind) in [(exception, ErrorKind::ModelTimeout), (half, ErrorKind::BrokenOff)] {
        let capture = Arc::new(Capture::answering([[chunk.clone(), rest].concat()]));
        let client = capture::client(&capture);
        let request = InvokeModelRequest::new("m");
        let mut events = client.invoke_model_with_response_stream(&request).await.unwrap();
        assert!(events.next_event().await.unwrap().is_some());
        assert_eq!(events.next_event().await.unwrap_err().kind(), kind);
        assert!(events.next_event().await.unwrap().is_none());
        assert_eq!(capture.count(), 1);
    }
}

#[tokio::test]
async fn a_list_is_followed_to_its_last_page() {
    let page = |id: &str, token: Value| json!({"inferenceProfileSummaries": [{"inferenceProfileId": id, "new": 1}], "nextToken": token, "seen": id});
    let operation = Operation::ListInferenceProfiles;
    let asked = |capture: &Capture| {
        let requests = capture.requests.lock().unwrap();
        requests.iter().map(|request| request.uri().query().unwrap_or("").to_owned()).collect::<Vec<_>>()
    };
    for last in [Value::Null, json!("")] {
        let pages = [page("a", json!("1+")), page("b", json!("2")), page("c", last)];
        for &typed in capture::ways(operation) {
            let capture = Arc::new(Capture::answering(pages.each_ref().map(Value::to_string)));
            let client = capture::client(&capture);
            let params = json!({"nextToken": "0", "typeEquals": "APPLICATION"}).to_string();
            let answer = call_either(typed, &client, operation, &params).await;
            let ids = ["a", "b", "c"].map(|id| json!({"inferenceProfileId": id, "new": 1}));
            assert_eq!(answer.unwrap(), json!({"inferenceProfileSummaries": ids, "seen": "a"}));
            let token = |query: &str| {
                let (token, other): (Vec<_>, Vec<_>) =
                    query.split('&').map(str::to_owned).partition(|pair| pair.starts_with("nextToken="));
                assert_eq!(other, ["type=APPLICATION"]);
                token.concat()
            };
            let tokens = asked(&capture).iter().map(|query| token(query)).collect::<Vec<_>>();
            assert_eq!(tokens, ["nextToken=0", "nextToken=1%2B", "nextToken=2"]);
        }
    }

    for (pages, requests) in [
        (vec![page("a", json!("1")), page("b", json!("1"))], 2),
        (vec![page("a", json!("1")), page("b", json!("2")), page("c", json!("1"))], 3),
        (vec![page("a", json!("0"))], 1),
        (vec![page("a", json!(7))], 1),
        (vec![json!({"inferenceProfileSummaries": 1})], 1),
    ] {
        let capture = Arc::new(Capture::answering(pages.iter().map(Value::to_string)));
        let params = json!({"nextToken": "0"}).to_string();
        let error = call_by_members(&capture::client(&capture), operation, &params).await.unwrap_err();
        assert_eq!((error.kind(), capture.count()), (ErrorKind::Damaged, requests), "{error}");
    }
}
