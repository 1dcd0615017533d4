//! The functions of the C interface, called as C calls them.

#![allow(unsafe_code, reason = "these functions are unsafe")]
#![allow(
    clippy::undocumented_unsafe_blocks,
    reason = "each argument is a local variable, or of an earlier call"
)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::mpsc::channel;
use std::thread;

use pumice_capi::*;
use serde_json::{Value, json};
use support::server::{
    Answer, Server, block_stop, exception, message_start, message_stop, metadata, text, text_answer,
};

/// A client, a stream or an error as C holds it: a pointer, which is freed once.
struct Held<T>(*mut T, unsafe extern "C" fn(*mut T));

// The library promises it of clients and streams.
unsafe impl<T> Send for Held<T> {}
unsafe impl<T> Sync for Held<T> {}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        unsafe { (self.1)(self.0) };
    }
}

type C = Held<Client>;
type S = Held<Stream>;

/// An error, by what C sees of it.
#[derive(Debug, PartialEq, Default)]
struct Fault {
    kind: c_int,
    retryable: bool,
    http_status: c_int,
    retry_after_ms: i64,
    message: String,
    code: Option<String>,
    hint: Option<String>,
    request_id: Option<String>,
}

fn string(text: *const c_char) -> Option<String> {
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned())
}

fn fault(error: *mut Failure) -> Fault {
    let error = Held(error, pumice_error_free);
    let found = unsafe { error.0.as_ref() }.unwrap();
    Fault {
        kind: found.kind,
        retryable: found.retryable == 1,
        http_status: found.http_status,
        retry_after_ms: found.retry_after_ms,
        message: string(found.message).unwrap(),
        code: string(found.code),
        hint: string(found.hint),
        request_id: string(found.request_id),
    }
}

/// The result of a function that reports its failure.
fn result(status: c_int, error: *mut Failure) -> Result<c_int, Fault> {
    if status == PUMICE_FAILED {
        return Err(fault(error));
    }
    assert!(error.is_null());
    Ok(status)
}

fn new(settings: &str) -> Result<C, Fault> {
    let (mut client, mut error) = (null_mut(), null_mut());
    let status = unsafe {
        pumice_client_new(settings.as_ptr().cast(), settings.len(), &raw mut client, &raw mut error)
    };
    result(status, error)?;
    Ok(Held(client, pumice_client_free))
}

fn client(settings: &Value) -> C {
    new(&settings.to_string()).unwrap()
}

/// A client of a server on loopback.
fn client_of(server: &Server) -> C {
    client(
        &json!({"endpointUrl": server.url, "region": "us-east-1", "maxAttempts": 1, "credentials": "none"}),
    )
}

fn call(client: &C, operation: &str, request: &str) -> Result<Value, Fault> {
    let operation = CString::new(operation).unwrap();
    let (mut response, mut length, mut error) = (null_mut(), 9, null_mut());
    let status = unsafe {
        pumice_call(
            client.0,
            operation.as_ptr(),
            request.as_ptr().cast(),
            request.len(),
            &raw mut response,
            &raw mut length,
            &raw mut error,
        )
    };
    let response = Held(response, pumice_string_free);
    assert_eq!(string(response.0).map_or(0, |text| text.len()), length);
    assert_eq!(result(status, error)?, PUMICE_OK);
    Ok(serde_json::from_str(&string(response.0).unwrap()).unwrap())
}

fn open_as(client: &C, operation: &str, request: &str) -> Result<S, Fault> {
    let operation = CString::new(operation).unwrap();
    let (mut stream, mut error) = (null_mut(), null_mut());
    let status = unsafe {
        pumice_stream_open(
            client.0,
            operation.as_ptr(),
            request.as_ptr().cast(),
            request.len(),
            &raw mut stream,
            &raw mut error,
        )
    };
    result(status, error)?;
    Ok(Held(stream, pumice_stream_free))
}

fn open(client: &C) -> S {
    open_as(client, "ConverseStream", REQUEST).unwrap()
}

fn next(stream: &S, timeout_ms: c_int) -> Result<(c_int, Option<String>), Fault> {
    let (mut event, mut length, mut error) = (null(), 9, null_mut());
    let status =
        unsafe { pumice_stream_next(stream.0, timeout_ms, &raw mut event, &raw mut length, &raw mut error) };
    let event = string(event);
    assert_eq!(event.as_ref().map_or(0, String::len), length);
    assert_eq!(event.is_some(), status == PUMICE_EVENT);
    Ok((result(status, error)?, event))
}

/// The rest of the events, to the end.
fn rest(stream: &S) -> Result<Vec<String>, Fault> {
    let mut events = Vec::new();
    loop {
        match next(stream, -1)? {
            (PUMICE_EVENT, event) => events.extend(event),
            (PUMICE_END, _) => return Ok(events),
            (status, _) => panic!("expected an event or the end, found {status}"),
        }
    }
}

fn run(stream: &S, on_event: &mut dyn FnMut(&str) -> c_int) -> Result<c_int, Fault> {
    unsafe extern "C" fn call(closure: *mut c_void, event: *const c_char, length: usize) -> c_int {
        let closure = unsafe { &mut *closure.cast::<&mut dyn FnMut(&str) -> c_int>() };
        let event = string(event).unwrap();
        assert_eq!(event.len(), length);
        closure(&event)
    }
    let (mut on_event, mut error) = (on_event, null_mut());
    let status =
        unsafe { pumice_stream_run(stream.0, Some(call), (&raw mut on_event).cast(), &raw mut error) };
    result(status, error)
}

fn cancel(stream: &S) {
    unsafe { pumice_stream_cancel(stream.0) };
}

fn recording(name: &str) -> Value {
    json!({"replay": support::repository().join(format!("fixtures/{name}.jsonl"))})
}

const REQUEST: &str = r#"{"modelId":"m","messages":[{"role":"user","content":[{"text":"Hi"}]}]}"#;

#[test]
fn the_version_is_the_packages() {
    assert_eq!(string(pumice_version()).unwrap(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_recording_is_read_by_pull_and_by_callback_alike() {
    let pulled = rest(&open(&client(&recording("text")))).unwrap();
    assert_eq!(pulled[0], r#"{"messageStart":{"role":"assistant"}}"#);
    assert!(pulled.last().unwrap().starts_with(r#"{"metadata":{"#), "{pulled:?}");
    assert_eq!(pulled.iter().filter(|event| event.starts_with(r#"{"contentBlockDelta":"#)).count(), 51);

    let stream = open(&client(&recording("text")));
    let mut called = Vec::new();
    let status = run(&stream, &mut |event| {
        called.push(event.to_owned());
        0
    });
    assert_eq!((status, called), (Ok(PUMICE_END), pulled));
    // The end stays the end.
    assert_eq!(next(&stream, 0), Ok((PUMICE_END, None)));
    cancel(&stream);
    assert_eq!(next(&stream, 0), Ok((PUMICE_END, None)));
}

#[test]
fn a_whole_response_is_returned_or_is_the_only_event() {
    let whole = call(&client(&recording("converse")), "Converse", REQUEST).unwrap();
    assert!(whole["output"]["message"]["content"][0]["text"].is_string(), "{whole}");
    let events = rest(&open_as(&client(&recording("converse")), "Converse", REQUEST).unwrap()).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(serde_json::from_str::<Value>(&events[0]).unwrap(), whole);

    let request = r#"{"modelId":"m","body":"e30="}"#;
    let embedding = call(&client(&recording("embedding")), "InvokeModel", request).unwrap();
    assert_eq!(embedding["contentType"], "application/json");
    assert!(embedding["body"].is_string());
}

#[test]
fn a_whole_response_is_one_line() {
    let server = Server::start([Answer::whole(200, "{\r\n \"inputTokens\":\n3}")]);
    let events = rest(&open_as(&client_of(&server), "CountTokens", REQUEST).unwrap()).unwrap();
    assert_eq!(events, [r#"{ "inputTokens":3}"#]);
}

#[test]
fn a_result_other_than_0_stops_the_stream() {
    let (answer, closed) = Answer::stream([message_start(), text(0, "a"), text(0, "b")]).await_close();
    let server = Server::start([answer]);
    let stream = open(&client_of(&server));
    let mut events = 0;
    let status = run(&stream, &mut |_| {
        events += 1;
        c_int::from(events == 2)
    });
    assert_eq!((status, events), (Ok(PUMICE_CANCELLED), 2));
    closed.recv().unwrap();
    assert_eq!(next(&stream, -1), Ok((PUMICE_CANCELLED, None)));
    assert_eq!(run(&stream, &mut |_| 0), Ok(PUMICE_CANCELLED));
}

#[test]
fn a_callback_stops_a_response_that_is_whole_too() {
    let stream = open_as(&client(&recording("converse")), "Converse", REQUEST).unwrap();
    assert_eq!(run(&stream, &mut |_| 1), Ok(PUMICE_CANCELLED));
}

#[test]
fn a_stream_may_be_freed_in_its_own_callback() {
    let (answer, closed) = Answer::stream([message_start(), text(0, "a")]).await_close();
    let server = Server::start([answer]);
    let mut stream = Some(open(&client_of(&server)));
    let handle = std::mem::ManuallyDrop::new(Held(stream.as_ref().unwrap().0, pumice_stream_free));
    let mut events = 0;
    let status = run(&handle, &mut |_| {
        events += 1;
        // The client is freed already, so this is the last handle of both.
        drop(stream.take());
        0
    });
    assert_eq!((status, events), (Ok(PUMICE_CANCELLED), 1));
    closed.recv().unwrap();
}

#[test]
fn a_wait_ends_when_its_time_has_passed_and_loses_nothing() {
    let (answer, head) = Answer::stream([message_start()]).gate();
    let (answer, end) = answer.chunk(text(0, "a")).gate();
    let server =
        Server::start([answer.chunk(block_stop(0)).chunk(message_stop("end_turn")).chunk(metadata(1, 1))]);
    let stream = open(&client_of(&server));
    assert_eq!(next(&stream, 0), Ok((PUMICE_TIMEOUT, None)));
    let start = next(&stream, -1).unwrap().1.unwrap();
    assert!(start.starts_with(r#"{"messageStart""#), "{start}");
    assert_eq!(next(&stream, 0), Ok((PUMICE_TIMEOUT, None)));
    assert_eq!(next(&stream, 20), Ok((PUMICE_TIMEOUT, None)));
    drop(head);
    assert_eq!(next(&stream, c_int::MAX).unwrap().0, PUMICE_EVENT);
    assert_eq!(next(&stream, 1), Ok((PUMICE_TIMEOUT, None)));
    drop(end);
    assert_eq!(rest(&stream).unwrap().len(), 3);
}

#[test]
fn another_thread_cancels_a_wait_and_the_connection_is_closed() {
    // Within a response, and before its first event.
    for frames in [vec![message_start(), text(0, "a")], vec![]] {
        let events = frames.len();
        let (answer, responds) = Answer::stream(frames).signal();
        let (answer, closed) = answer.await_close();
        let server = Server::start([answer]);
        let stream = open(&client_of(&server));
        let (waits, waiting) = channel();
        thread::scope(|scope| {
            let reader = scope.spawn(|| {
                for _ in 0..events {
                    assert_eq!(next(&stream, -1).unwrap().0, PUMICE_EVENT);
                }
                waits.send(()).unwrap();
                next(&stream, -1)
            });
            waiting.recv().unwrap();
            responds.recv().unwrap();
            cancel(&stream);
            assert_eq!(reader.join().unwrap(), Ok((PUMICE_CANCELLED, None)));
        });
        closed.recv().unwrap();
        assert_eq!(next(&stream, -1), Ok((PUMICE_CANCELLED, None)));
        cancel(&stream);
    }
}

#[test]
fn a_stream_that_nobody_waits_for_closes_its_connection_when_it_is_cancelled_or_freed() {
    let (first, closed) = Answer::stream([message_start(), text(0, "a")]).await_close();
    let (second, closed_too) = Answer::stream([message_start(), text(0, "a")]).await_close();
    let server = Server::start([first, second]);
    let client = client_of(&server);
    let stream = open(&client);
    assert_eq!(next(&stream, -1).unwrap().0, PUMICE_EVENT);
    cancel(&stream);
    closed.recv().unwrap();
    let freed = open(&client);
    assert_eq!(next(&freed, -1).unwrap().0, PUMICE_EVENT);
    drop(freed);
    closed_too.recv().unwrap();
}

#[test]
fn a_request_is_sent_before_anyone_waits() {
    let (answer, sent) = Answer::stream(text_answer(&["a"])).signal();
    let server = Server::start([answer]);
    let stream = open(&client_of(&server));
    sent.recv().unwrap();
    assert_eq!(rest(&stream).unwrap().len(), 5);
}

#[test]
fn a_stream_goes_on_after_its_client_is_freed() {
    let (answer, gate) = Answer::stream([message_start()]).gate();
    let server = Server::start([answer.chunk(text(0, "a")).chunk(message_stop("end_turn"))]);
    let client = client_of(&server);
    let stream = open(&client);
    assert_eq!(next(&stream, -1).unwrap().0, PUMICE_EVENT);
    drop(client);
    drop(gate);
    assert_eq!(rest(&stream).unwrap().len(), 2);
}

#[test]
fn one_thread_at_a_time_waits() {
    let (answer, gate) = Answer::stream([message_start()]).gate();
    let server = Server::start([answer.chunk(message_stop("end_turn"))]);
    let stream = open(&client_of(&server));
    assert_eq!(next(&stream, -1).unwrap().0, PUMICE_EVENT);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            loop {
                match next(&stream, -1) {
                    // The other one looked just then.
                    Err(_) => thread::yield_now(),
                    waited => return waited,
                }
            }
        });
        let refused = loop {
            match next(&stream, 0) {
                Ok((PUMICE_TIMEOUT, _)) => thread::yield_now(),
                other => break other.unwrap_err(),
            }
        };
        assert_eq!(refused.kind, PUMICE_ERROR_INVALID_INPUT);
        assert!(refused.message.starts_with("stream: another thread is waiting"), "{refused:?}");
        drop(gate);
        assert_eq!(reader.join().unwrap().unwrap().0, PUMICE_EVENT);
    });
    assert!(rest(&stream).unwrap().is_empty());
}

#[test]
fn threads_share_a_client() {
    let server = Server::start([Answer::stream(text_answer(&["a", "b"]))]);
    let client = client_of(&server);
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..4 {
                    assert_eq!(rest(&open(&client)).unwrap().len(), 6);
                }
            });
        }
    });
    assert_eq!(server.requests().len(), 64);
}

#[test]
fn an_error_says_all_that_the_library_knows() {
    let refusal = Answer::refusal(429, "ThrottlingException", "Too many tokens").header("retry-after", "2");
    let server = Server::start([refusal]);
    let client = client_of(&server);
    let failed = call(&client, "Converse", REQUEST).unwrap_err();
    let expected = Fault {
        kind: PUMICE_ERROR_THROTTLED,
        retryable: true,
        http_status: 429,
        retry_after_ms: 2000,
        message: "Too many tokens".to_owned(),
        code: Some("ThrottlingException".to_owned()),
        hint: failed.hint.clone(),
        request_id: Some("test-request-id".to_owned()),
    };
    assert_eq!(failed, expected);
    assert!(failed.hint.is_some());
    // By a stream, and again when it is asked again.
    let stream = open(&client);
    assert_eq!(next(&stream, -1).unwrap_err(), expected);
    assert_eq!(next(&stream, 0).unwrap_err(), expected);
    cancel(&stream);
    assert_eq!(run(&stream, &mut |_| 0).unwrap_err(), expected);
}

#[test]
fn a_response_that_is_not_complete_is_an_error_after_its_events() {
    for (frames, kind, message) in [
        (vec![message_start(), text(0, "a")], PUMICE_ERROR_BROKEN_OFF, "without messageStop"),
        (
            vec![message_start(), exception("modelStreamErrorException", "It broke.")],
            PUMICE_ERROR_MODEL_ERROR,
            "It broke.",
        ),
    ] {
        let server = Server::start([Answer::stream(frames)]);
        let stream = open(&client_of(&server));
        assert_eq!(next(&stream, -1).unwrap().0, PUMICE_EVENT);
        let failed = rest(&stream).unwrap_err();
        assert_eq!(failed.kind, kind, "{failed:?}");
        assert!(failed.message.contains(message), "{failed:?}");
        assert_eq!(next(&stream, -1).unwrap_err(), failed);
    }
}

#[test]
fn a_cause_is_part_of_the_message() {
    let failed = call(&client(&json!({"credentials": "none"})), "Converse", "{]").unwrap_err();
    assert_eq!(failed.message, "request: expected one JSON object: key must be a string at line 1 column 2");
}

#[test]
fn the_endpoint_of_each_service_can_be_set() {
    let server = Server::start([
        Answer::whole(200, r#"{"modelSummaries":[]}"#).only_for("/foundation-models"),
        Answer::whole(200, r#"{"results":[]}"#).only_for("/rerank"),
    ]);
    let client = client(&json!({
        "region": "us-east-1",
        "credentials": "none",
        "endpointUrl": "http://127.0.0.1:1",
        "controlEndpointUrl": server.url,
        "agentRuntimeEndpointUrl": server.url,
    }));
    assert_eq!(call(&client, "ListFoundationModels", "").unwrap(), json!({"modelSummaries": []}));
    assert_eq!(call(&client, "Rerank", "{}").unwrap(), json!({"results": []}));
}

#[test]
fn keys_and_headers_come_from_the_settings() {
    let server = Server::start([Answer::whole(200, r#"{"inputTokens":3}"#)]);
    let sent = |credentials: Value| {
        server.forget_requests();
        let client = client(&json!({
            "region": "eu-central-1",
            "endpointUrl": server.url,
            "credentials": credentials,
            "headers": {"x-team": "blue"},
        }));
        assert_eq!(call(&client, "CountTokens", REQUEST).unwrap(), json!({"inputTokens": 3}));
        let request = server.requests().remove(0);
        assert_eq!(request.header("x-team"), Some("blue"));
        request.header("authorization").map(str::to_owned)
    };
    let signed = sent(json!({"accessKeyId": "AKIDEXAMPLE", "secretAccessKey": "sekret"})).unwrap();
    assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{signed}");
    assert!(signed.contains("/eu-central-1/bedrock/"), "{signed}");
    assert_eq!(sent(json!({"bearerToken": "key"})).as_deref(), Some("Bearer key"));
    assert_eq!(sent(json!("none")), None);
}

#[test]
fn the_time_limits_come_from_the_settings() {
    // Connections are made, and nobody responds.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = format!("http://{}", listener.local_addr().unwrap());
    let (answer, _gate) = Answer::stream([message_start()]).gate();
    let server = Server::start([answer]);
    for (url, limit, message) in [
        (&mute, "firstByteTimeoutMs", "0.03 seconds"),
        (&server.url, "idleTimeoutMs", "idle timeout: no data for 0.03 seconds"),
    ] {
        let client = client(&json!({
            "region": "us-east-1", "endpointUrl": url, "credentials": "none", "maxAttempts": 1, limit: 30,
        }));
        let failed = rest(&open(&client)).unwrap_err();
        assert_eq!(failed.kind, PUMICE_ERROR_TIMEOUT, "{failed:?}");
        assert!(failed.message.contains(message), "{failed:?}");
    }
}

#[test]
fn every_member_of_the_settings_is_taken() {
    let all = json!({
        "region": "us-east-1", "profile": "p", "endpointUrl": "http://127.0.0.1:1", "controlEndpointUrl": "http://127.0.0.1:1",
        "agentRuntimeEndpointUrl": "http://127.0.0.1:1", "project": "p", "credentials": "chain",
        "firstByteTimeoutMs": 1, "idleTimeoutMs": 1, "connectTimeoutMs": 1, "maxAttempts": 2,
        "useFips": false, "useDualStack": false, "autoProfile": true, "allowPlainHttp": true,
        "headers": {"a": "b"}, "proxy": "http://127.0.0.1:1", "caBundle": "/nowhere", "authorities": "-",
        "clientCertificate": {"certificate": "-", "key": "-"},
        "replayStrict": true, "replayLoop": false, "replaySpeed": 2.5,
    });
    assert!(new(&all.to_string()).is_ok());
    // `null` is as if it were absent.
    let none = all.as_object().unwrap().keys().map(|name| (name.clone(), Value::Null));
    assert!(new(&Value::Object(none.collect()).to_string()).is_ok());
    assert!(new("").is_ok());
}

#[test]
fn settings_that_are_wrong_are_named_and_no_secret_is_shown() {
    for (settings, message) in [
        (r#"{"regoin":"x"}"#, "settings: there is no member \"regoin\"; did you mean region?"),
        (
            r#"{"credentials":{"bearertoken":"sekret"}}"#,
            "settings: credentials: there is no member \"bearertoken\"; did you mean bearerToken?",
        ),
        (r#"{"region":5}"#, "settings: region: expected a text that is not blank, found a number"),
        (r#"{"profile":" "}"#, "settings: profile: expected a text that is not blank, found a blank text"),
        (r#"{"idleTimeoutMs":0}"#, "settings: idleTimeoutMs: expected a whole number from 1, found a number"),
        (
            r#"{"idleTimeoutMs":1.5}"#,
            "settings: idleTimeoutMs: expected a whole number from 1, found a number",
        ),
        (r#"{"useFips":"yes"}"#, "settings: useFips: expected true or false, found a text"),
        (r#"{"headers":{"a":1}}"#, "settings: headers.a: expected a text, found a number"),
        (
            r#"{"credentials":"sekret"}"#,
            "settings: credentials: expected \"chain\", \"none\" or an object of keys, found a text",
        ),
        (
            r#"{"credentials":{"accessKeyId":"sekret"}}"#,
            "settings: credentials: expected accessKeyId and secretAccessKey, or bearerToken alone",
        ),
        (
            r#"{"credentials":{"bearerToken":["sekret"]}}"#,
            "settings: credentials.bearerToken: expected a text that is not blank, found a list",
        ),
        (
            r#"{"clientCertificate":{"key":"sekret"}}"#,
            "settings: clientCertificate: expected certificate and key",
        ),
        (r#"["sekret"]"#, "settings: expected an object, found a list"),
    ] {
        let failed = new(settings).err().unwrap();
        assert_eq!((failed.kind, failed.message.as_str()), (PUMICE_ERROR_INVALID_INPUT, message));
    }
    let failed = new(r#"{"credentials":{"bearerToken":"sekret"}"#).err().unwrap();
    assert!(failed.message.starts_with("settings: expected one JSON object: EOF"), "{failed:?}");
    assert!(!failed.message.contains("sekret"), "{failed:?}");
    let failed = new(r#"{"replay":"/nowhere.jsonl"}"#).err().unwrap();
    assert_eq!(failed.kind, PUMICE_ERROR_RECORDING);
}

#[test]
fn wrong_arguments_are_errors_that_name_them() {
    let client = client(&json!({"credentials": "none", "region": "us-east-1"}));
    let failed = open_as(&client, "ConverseStrem", REQUEST).err().unwrap();
    assert_eq!(failed.message, "operation: there is no \"ConverseStrem\"; did you mean ConverseStream?");
    assert_eq!(call(&client, "Convers", REQUEST).unwrap_err().kind, PUMICE_ERROR_INVALID_INPUT);
    let failed = call(&client, "ConverseStream", REQUEST).unwrap_err();
    assert_eq!(failed.message, "operation: the response of ConverseStream is a stream");
    assert_eq!(failed.hint.as_deref(), Some("open it with pumice_stream_open()"));
    assert!(
        open_as(&client, "Converse", "[]")
            .err()
            .unwrap()
            .message
            .starts_with("request: expected one JSON object")
    );
    // What the operation table knows is said by the stream.
    let failed = rest(&open_as(&client, "ConverseStream", "{}").unwrap()).unwrap_err();
    assert!(failed.message.contains("modelId"), "{failed:?}");

    let mut error = null_mut();
    let mut stream = std::ptr::dangling_mut::<Stream>();
    let name = c"Converse".as_ptr();
    let message = |status, error| result(status, error).unwrap_err().message;
    let status = unsafe { pumice_client_new(null(), 5, null_mut(), &raw mut error) };
    assert_eq!(message(status, error), "client: expected a pointer, found NULL");
    let mut unmade = null_mut();
    let status = unsafe { pumice_client_new(null(), 5, &raw mut unmade, &raw mut error) };
    assert_eq!(message(status, error), "settings: expected a pointer, found NULL");
    let status = unsafe { pumice_stream_open(null(), name, null(), 0, &raw mut stream, &raw mut error) };
    assert_eq!(message(status, error), "client: expected a pointer, found NULL");
    assert!(stream.is_null());
    let status = unsafe { pumice_stream_open(client.0, null(), null(), 0, &raw mut stream, &raw mut error) };
    assert_eq!(message(status, error), "operation: expected a pointer, found NULL");
    let status =
        unsafe { pumice_stream_open(client.0, name, name, usize::MAX, &raw mut stream, &raw mut error) };
    assert_eq!(message(status, error), "request: expected a length, found a number that no memory has");
    let bytes = b"{\"a\":\"\xff\"}";
    let (start, length) = (bytes.as_ptr().cast(), bytes.len());
    let status =
        unsafe { pumice_stream_open(client.0, name, start, length, &raw mut stream, &raw mut error) };
    assert_eq!(message(status, error), "request: expected UTF-8, found other bytes from byte 6");
    let mut event = null();
    let status = unsafe { pumice_stream_next(null_mut(), 0, &raw mut event, null_mut(), &raw mut error) };
    assert_eq!(message(status, error), "stream: expected a pointer, found NULL");
    let status = unsafe { pumice_stream_run(null_mut(), None, null_mut(), &raw mut error) };
    assert_eq!(message(status, error), "on_event: expected a pointer, found NULL");
    // Nobody need look at the error.
    let status = unsafe { pumice_call(client.0, null(), null(), 0, null_mut(), null_mut(), null_mut()) };
    assert_eq!(status, PUMICE_FAILED);
    unsafe {
        pumice_client_free(null_mut());
        pumice_stream_cancel(null_mut());
        pumice_stream_free(null_mut());
        pumice_string_free(null_mut());
        pumice_error_free(null_mut());
    }
}
