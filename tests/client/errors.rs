//! How error responses are read and retried, compared with botocore.
//!
//! Intended differences:
//!
//! - An error response without a code has none; botocore makes one from the status. The message then has the status and
//!   the body without tags.
//! - The request id of an HTML page is kept.
//! - The first pause for `ModelNotReadyException` is up to 1 s, not 50 ms: a model needs longer to become ready.
//! - A plain `Retry-After` is heeded, within the same five seconds as `x-amz-retry-after`.
//! - A code that is known for throttling or a failure keeps its kind whatever the status.
//! - A request that a model may be working on is not sent again when its connection breaks or is silent.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::io::Read as _;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use support::capture;
use support::shared;

use pumice::endpoint::Service;
use pumice::operation::{Call, Operation};
use pumice::retry::Retry;
use pumice::{Client, Config, Error, ErrorKind, Hint, Progress};
use serde_json::{Value, json};
use support::capture::{Capture, call_by_members, call_either, context, keys, least_request};

#[tokio::test(start_paused = true)]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
async fn refusals_are_read_and_tried_again_as_botocore_does() {
    let vectors = shared::json("vectors/errors.json");
    let mut compared = 0;
    for case in vectors["cases"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        // Without a response: see the test below.
        if case["status"].is_null() {
            assert_eq!(name, "connection_reset");
            continue;
        }
        let operation = operation_of(case["operation"].as_str().unwrap());
        for &typed in capture::ways(operation) {
            let capture = Arc::new(Capture::of_case(case));
            let client = capture::client(&capture);
            let params = least_request(operation).to_string();
            let answer = call_either(typed, &client, operation, &params).await;
            let error = answer.unwrap_err();
            compare(name, case, &error);
            let requests = capture.requests.lock().unwrap();
            let attempts =
                requests.iter().map(|request| request.headers()["amz-sdk-request"].to_str().unwrap());
            assert_eq!(json!(attempts.collect::<Vec<_>>()), case["amz_sdk_request"], "{name}");
            assert_eq!(requests.len(), case["attempts"], "{name}");
            let id = |at: usize| &requests[at].headers()["amz-sdk-invocation-id"];
            assert!((1..requests.len()).all(|at| id(at) == id(0)), "{name}");
        }
        compared += 1;
    }
    println!("held: {compared}");
    assert!(compared >= 36, "{compared}");
}

/// `converse_stream` is `ConverseStream`.
fn operation_of(method: &str) -> Operation {
    let named = |operation: &Operation| operation.name().to_lowercase() == method.replace('_', "");
    Operation::ALL.into_iter().find(named).unwrap_or_else(|| panic!("{method}"))
}

fn compare(name: &str, case: &Value, error: &Error) {
    let expected = |member: &str| case["result"][member].as_str();
    let status = case["status"].to_string();
    assert_eq!(error.status().unwrap().to_string(), status, "{name}");

    let code = expected("code").unwrap();
    assert_eq!(error.code(), (code != status).then_some(code), "{name}");

    let message = expected("message").unwrap();
    let message = message.replace("<html>", "").replace("</html>", "");
    if error.code().is_some() && !message.is_empty() {
        assert_eq!(error.message(), message, "{name}");
    } else {
        assert!(error.message().starts_with(&format!("HTTP {status} ")), "{name}: {error}");
        assert!(error.message().contains(&message), "{name}: {error}");
    }

    if expected("request_id").is_some() || name != "html_503" {
        assert_eq!(error.request_id(), expected("request_id"), "{name}");
    } else {
        assert_eq!(error.request_id(), Some("req-1"), "{name}");
    }

    assert_eq!(error.kind(), kind(code, error.status().unwrap()), "{name}");
    let delays = case["delays_with_random_1"].as_array().unwrap();
    for (attempt, expected) in (1..).zip(delays.iter().map(Value::as_f64).chain([None])) {
        let delay = Retry::standard().delay(error, attempt, 1.0).map(|delay| delay.as_secs_f64());
        match (name, expected) {
            ("modeled_ModelNotReadyException" | "stream_op_model_not_ready", Some(seconds)) => {
                assert_eq!(delay, Some(seconds * 20.0), "{name}");
            }
            _ => assert_eq!(delay, expected, "{name}, attempt {attempt}"),
        }
    }
}

/// By code, or by status if the code is unknown; see `ErrorKind`.
fn kind(code: &str, status: u16) -> ErrorKind {
    match (code, status) {
        ("ValidationException" | "ConflictException" | "SomethingElse" | "400", _) => ErrorKind::Validation,
        ("ServiceQuotaExceededException", _) => ErrorKind::QuotaExceeded,
        ("ModelErrorException" | "ModelStreamErrorException", _) => ErrorKind::ModelError,
        ("ModelTimeoutException" | "408", _) => ErrorKind::ModelTimeout,
        ("ModelNotReadyException", _) => ErrorKind::ModelNotReady,
        ("ResourceNotFoundException" | "404", _) => ErrorKind::NotFound,
        ("RequestTimeout" | "RequestTimeoutException", _) => ErrorKind::Unavailable,
        ("InternalServerException", _) => ErrorKind::Internal,
        (
            "BandwidthLimitExceeded"
            | "LimitExceededException"
            | "PriorRequestNotComplete"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "SlowDown"
            | "TooManyRequestsException"
            | "TransactionInProgressException",
            _,
        )
        | (_, 429) => ErrorKind::Throttled,
        (code, _) if code.contains("Thrott") => ErrorKind::Throttled,
        (_, 401 | 403) => ErrorKind::AccessDenied,
        (_, 502..=504) => ErrorKind::Unavailable,
        (_, 500..) => ErrorKind::Internal,
        (_, 300..=399) => ErrorKind::Service,
        other => panic!("{other:?}"),
    }
}

/// A server that takes connections and never responds, or closes them when something has arrived. Its address, and
/// how many connections there were.
fn speechless(closes: bool) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            if closes {
                let _ = stream.read(&mut [0; 4096]);
            } else {
                open.push(stream);
            }
        }
    });
    (address, connections)
}

#[tokio::test]
async fn what_a_model_may_be_working_on_is_not_sent_again() {
    let raw = |method| Call::to_path(Service::Runtime, method, "/openai/v1/x").unwrap().body("{}");
    let is_charged = |kind| Some(Hint::MayBeCharged { late: kind == ErrorKind::Timeout });
    let (soon, late) = (Duration::from_millis(200), Duration::from_mins(1));
    for (closes, timeout, kind) in [(true, late, ErrorKind::BrokenOff), (false, soon, ErrorKind::Timeout)] {
        let (address, connections) = speechless(closes);
        let config = Config::new().context(keys(context())).endpoint_url(format!("http://{address}"));
        let client = Client::new(config.first_byte_timeout(timeout));
        for operation in Operation::ALL.into_iter().filter(|one| one.service() == Service::Runtime) {
            let params = least_request(operation).to_string();
            let error = call_by_members(&client, operation, &params).await.unwrap_err();
            assert_eq!((error.kind(), error.code(), error.status()), (kind, None, None));
            let is_of_a_model = ["Converse", "InvokeModel"].iter().any(|of| operation.name().starts_with(of));
            let expected = if is_of_a_model { (1, false, is_charged(kind)) } else { (3, true, None) };
            let attempts = connections.swap(0, Ordering::SeqCst);
            assert_eq!((attempts, error.is_retryable(), error.hint().cloned()), expected, "{operation:?}");
            let is_numbered = error.message().contains("3 attempts failed");
            assert_eq!(is_numbered, !is_of_a_model, "{error}");
        }
        for (method, expected) in [("POST", 1), ("GET", 3)] {
            assert_eq!(client.send_raw(&raw(method)).await.unwrap_err().kind(), kind);
            assert_eq!(connections.swap(0, Ordering::SeqCst), expected, "{method}");
        }
    }
}

#[tokio::test]
async fn what_was_never_sent_is_sent_again() {
    // The handshake of TLS does not end.
    let (address, connections) = speechless(false);
    let config = Config::new().context(keys(context())).endpoint_url(format!("https://{address}"));
    for config in [
        config.clone().first_byte_timeout(Duration::from_millis(50)),
        config.connect_timeout(Duration::from_millis(50)),
    ] {
        let params = least_request(Operation::Converse).to_string();
        let client = Client::new(config);
        let error = call_by_members(&client, Operation::Converse, &params).await.unwrap_err();
        assert_eq!((error.kind(), error.hint()), (ErrorKind::Connect, Some(&Hint::CheckNetwork)), "{error}");
        assert_eq!(connections.swap(0, Ordering::SeqCst), 3);
    }
}

/// Status, headers, body; kind, code, text in the message, attempts.
type Case = (
    u16,
    &'static [(&'static str, &'static str)],
    &'static str,
    ErrorKind,
    Option<&'static str>,
    &'static str,
    usize,
);

#[tokio::test(start_paused = true)]
async fn code_and_message_are_found_in_header_and_body() {
    const TYPE: &str = "x-amzn-errortype";
    let cases: [Case; 12] = [
        (
            400,
            &[(TYPE, "ValidationException")],
            r#"{"code":"ThrottlingException"}"#,
            ErrorKind::Validation,
            Some("ValidationException"),
            "without a message",
            1,
        ),
        (400, &[], r#"{"code":"A","__type":"B","message":"m"}"#, ErrorKind::Validation, Some("A"), "m", 1),
        (
            400,
            &[],
            r#"{"__type":"com.amazon#ThrottlingException","message":"m"}"#,
            ErrorKind::Throttled,
            Some("ThrottlingException"),
            "m",
            3,
        ),
        (
            400,
            &[],
            r#"{"message":"m","Message":"M"}"#,
            ErrorKind::Validation,
            None,
            "HTTP 400 Bad Request: m",
            1,
        ),
        (400, &[], r#"["ValidationException"]"#, ErrorKind::Validation, None, "ValidationException", 1),
        (500, &[], "[1]", ErrorKind::Internal, None, "HTTP 500", 3),
        (501, &[], "{}", ErrorKind::Internal, None, "HTTP 501", 1),
        (
            404,
            &[(TYPE, "ResourceNotFoundException")],
            "",
            ErrorKind::NotFound,
            Some("ResourceNotFoundException"),
            "HTTP 404",
            1,
        ),
        (
            424,
            &[(TYPE, "ModelErrorException")],
            r#"{"message":"m","originalStatusCode":500}"#,
            ErrorKind::ModelError,
            Some("ModelErrorException"),
            "m",
            1,
        ),
        (
            429,
            &[(TYPE, "ModelNotReadyException")],
            r#"{"message":"m"}"#,
            ErrorKind::ModelNotReady,
            Some("ModelNotReadyException"),
            "m",
            3,
        ),
        (
            408,
            &[(TYPE, "ModelTimeoutException")],
            r#"{"message":"m"}"#,
            ErrorKind::ModelTimeout,
            Some("ModelTimeoutException"),
            "m",
            1,
        ),
        (429, &[(TYPE, "SomethingNew")], "{}", ErrorKind::Throttled, Some("SomethingNew"), "HTTP 429", 3),
    ];
    for (status, headers, body, kind, code, message, attempts) in cases {
        for operation in [Operation::Converse, Operation::ConverseStream, Operation::ListFoundationModels] {
            let mut capture = Capture::answering([body]);
            capture.status = status;
            capture.headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            let capture = Arc::new(capture);
            let params = least_request(operation).to_string();
            let error = call_by_members(&capture::client(&capture), operation, &params).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.code(), capture.count()),
                (kind, code, attempts),
                "{status} {body}"
            );
            assert!(error.message().contains(message), "{error}");
            assert_eq!(error.original_status(), body.contains("originalStatusCode").then_some(500));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_are_those_that_the_service_asks_for() {
    let not_ready = ("x-amzn-errortype", "ModelNotReadyException");
    // The pauses in milliseconds, with the random number 1 and with 0.
    for (status, headers, longest, shortest) in [
        (429, vec![not_ready], [1000, 2000], [0, 0]),
        (503, vec![("retry-after", "3")], [3000, 3000], [3000, 3000]),
        (503, vec![("retry-after", "60")], [5050, 5100], [5000, 5000]),
        (503, vec![("retry-after", "Fri, 02 Jan 2026 03:04:07 GMT")], [2000, 2000], [2000, 2000]),
        (503, vec![("retry-after", "Thu, 01 Jan 2026 00:00:00 GMT")], [50, 100], [0, 0]),
        (503, vec![("retry-after", "3"), ("x-amz-retry-after", "1500")], [1500, 1500], [1500, 1500]),
        (429, vec![("x-amz-retry-after", "1500")], [1500, 2000], [1500, 1500]),
    ] {
        let capture = Capture {
            status,
            headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            ..Capture::default()
        };
        let pauses = Arc::new(Mutex::new(Vec::new()));
        let reported = Arc::clone(&pauses);
        let config = Config::new().context(keys(context())).transport(Arc::new(capture));
        let client = Client::new(config.watch(move |progress| {
            if let Progress::Retrying { delay, .. } = progress {
                reported.lock().unwrap().push(delay.as_millis());
            }
        }));
        let params = json!({"modelId": "m"}).to_string();
        let error = call_by_members(&client, Operation::Converse, &params).await.unwrap_err();
        let delay = |attempt| Retry::standard().delay(&error, attempt, 1.0).unwrap().as_millis();
        assert_eq!([delay(1), delay(2)], longest, "{headers:?}");
        assert_eq!(*pauses.lock().unwrap(), shortest, "{headers:?}");
    }
}
