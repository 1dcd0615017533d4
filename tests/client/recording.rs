//! Recording and replaying calls: what is written, what is left out, what is refused.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use support::server;

use proptest::prelude::*;
use pumice::context::Context;
use pumice::converse::{ConverseRequest, InferenceConfiguration, Message};
use pumice::transport::{Http, HttpConfig, Recorder, Replay, Transport};
use pumice::{Client, Config, Error, ErrorKind, Event, EventStream};
use serde_json::{Value, json};
use support::server::{Answer, Server, text_answer};
use tempfile::TempDir;
use tokio::time::Instant;

const SECRETS: [&str; 4] = ["AKIDRECORDED", "sekret-key", "sekret-session", "sekret-bearer"];

fn keys() -> Context {
    Context::fake()
        .with_env("AWS_ACCESS_KEY_ID", SECRETS[0])
        .with_env("AWS_SECRET_ACCESS_KEY", SECRETS[1])
        .with_env("AWS_SESSION_TOKEN", SECRETS[2])
}

fn http() -> Arc<dyn Transport> {
    Arc::new(Http::new(&HttpConfig::default(), &Context::fake()).unwrap())
}

fn recording_client(url: &str, path: &Path, context: Context) -> Client {
    let recorder = Recorder::new(http(), path);
    Client::new(Config::new().context(context).endpoint_url(url).transport(Arc::new(recorder)))
}

fn replaying_client(replay: Replay) -> Client {
    Client::new(Config::new().context(Context::fake()).without_credentials().transport(Arc::new(replay)))
}

fn request() -> ConverseRequest {
    ConverseRequest::new("us.amazon.nova-lite-v1:0").message(Message::user("Hi"))
}

/// All events, and the error that ended them.
async fn read(client: &Client) -> (Vec<Event>, Option<Error>) {
    let mut events = Vec::new();
    let mut stream = match client.converse_stream(&request()).await {
        Ok(stream) => stream,
        Err(error) => return (events, Some(error)),
    };
    loop {
        match stream.next_event().await {
            Ok(Some(event)) => events.push(event),
            Ok(None) => return (events, None),
            Err(error) => return (events, Some(error)),
        }
    }
}

/// The lines of a recording.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn credentials_are_not_recorded() {
    let folder = TempDir::new().unwrap();
    let bearer = Context::fake().with_env("AWS_BEARER_TOKEN_BEDROCK", SECRETS[3]);
    for (name, context) in [("keys", keys()), ("bearer", bearer)] {
        let answer = Answer::stream(text_answer(&["Hello"]))
            .header("set-cookie", "session=sekret-cookie")
            .header("x-gateway-token", "sekret-gateway");
        let server = Server::start([answer]);
        let path = folder.path().join(name);
        assert!(read(&recording_client(&server.url, &path, context)).await.1.is_none());

        // They were sent.
        let sent = &server.requests()[0];
        let authorization = sent.header("authorization").unwrap();
        assert!(authorization.contains(SECRETS[0]) || authorization.contains(SECRETS[3]));
        let text = fs::read_to_string(&path).unwrap();
        let signature = authorization.split("Signature=").last().unwrap();
        for secret in SECRETS.into_iter().chain([signature, "sekret", "Signature=", "Bearer"]) {
            assert!(!text.contains(secret), "{name}: {secret} in {text}");
        }
        for header in ["authorization", "x-amz-security-token", "x-amz-date", "cookie", "x-gateway"] {
            assert!(!text.to_lowercase().contains(header), "{name}: {header} in {text}");
        }
        let lines = lines(&path);
        assert_eq!(lines[1]["request"]["headers"], json!({"content-type": "application/json"}));
        assert_eq!(
            lines[2]["response"]["headers"],
            json!({
                "content-type": "application/vnd.amazon.eventstream",
                "x-amzn-requestid": "test-request-id"
            })
        );
    }
}

/// An error without its cause: the cause of a broken connection comes from the network and is not recorded.
fn shown(error: &Error) -> String {
    format!("{:?} {error} {:?} {:?}", error.kind(), error.status(), error.request_id())
}

/// Calls with all kinds of response, and their results.
async fn calls(client: Client) -> String {
    let first = read(&client).await;
    let whole = client.converse(&request()).await.unwrap();
    let (exception, cut) = (read(&client).await, read(&client).await);
    let denied = client.converse(&request()).await.unwrap_err();
    let errors = [exception.1.unwrap(), cut.1.unwrap(), denied].map(|error| shown(&error));
    format!("{first:?} {whole:?} {:?} {:?} {errors:?}", exception.0, cut.0)
}

#[tokio::test]
async fn a_replay_responds_as_the_service_did() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("calls.jsonl");
    let whole = r#"{"output":{"message":{"role":"assistant","content":[{"text":"Aye"}]}},"stopReason":"end_turn",
        "usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2},"metrics":{"latencyMs":1}}"#;
    let half = text_answer(&["Hel", "lo"]).concat();
    let (left, right) = half.split_at(150);
    let server = Server::start([
        Answer::refusal(503, "ServiceUnavailableException", "busy").header("retry-after", "0"),
        Answer::stream([left.to_vec(), right.to_vec()]),
        Answer::whole(200, whole),
        Answer::stream([server::message_start(), server::exception("modelStreamErrorException", "oh")]),
        Answer::stream([left.to_vec()]).cut(),
        Answer::refusal(403, "AccessDeniedException", "no"),
    ]);
    let recorded = calls(recording_client(&server.url, &path, keys())).await;
    assert!(recorded.contains("oh") && recorded.contains("broke off"), "{recorded}");
    assert_eq!(server.requests().len(), 6);

    let replayed = calls(replaying_client(Replay::open(&path).unwrap().strict())).await;
    assert_eq!(replayed, recorded);

    // And a replay can be recorded.
    let again = folder.path().join("again.jsonl");
    let transport = Recorder::new(Arc::new(Replay::open(&path).unwrap()), &again);
    let config = Config::new().context(Context::fake()).endpoint_url(&server.url).without_credentials();
    assert_eq!(calls(Client::new(config.transport(Arc::new(transport)))).await, replayed);
    let timeless = |path: &Path| {
        let mut lines = lines(path);
        for value in lines.iter_mut().filter_map(|line| line.as_object_mut()?.values_mut().next()) {
            value.as_object_mut().unwrap().remove("afterMs");
        }
        lines
    };
    assert_eq!(timeless(&again), timeless(&path));
}

#[tokio::test]
async fn calls_at_the_same_time_are_recorded_apart() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("calls.jsonl");
    let frames = text_answer(&["Hello"]);
    let rest = frames[1..].concat();
    let (slow, gate) = Answer::stream([frames[0].clone()]).gate();
    let server = Server::start([slow.chunk(rest), Answer::stream(text_answer(&["Hi"]))]);
    let client = recording_client(&server.url, &path, keys());
    let mut stream = client.converse_stream(&request()).await.unwrap();
    let mut first = vec![stream.next_event().await.unwrap().unwrap()];
    let second = read(&client).await.0;
    drop(gate);
    while let Some(event) = stream.next_event().await.unwrap() {
        first.push(event);
    }

    let client = replaying_client(Replay::open(&path).unwrap());
    assert_eq!(read(&client).await.0, first);
    assert_eq!(read(&client).await.0, second);
}

#[tokio::test]
async fn chunks_are_recorded_as_they_arrive() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("calls.jsonl");
    let (answer, gate) = Answer::stream([server::message_start(), server::text(0, "Hel")]).gate();
    let server = Server::start([answer.chunk(server::text(0, "lo"))]);
    let client = recording_client(&server.url, &path, keys());
    let mut stream = client.converse_stream(&request()).await.unwrap();
    let mut events = [(); 2].map(|()| None);
    for event in &mut events {
        *event = stream.next_event().await.unwrap();
    }
    let kinds = |lines: &[Value]| {
        let kind = |line: &Value| line.as_object().unwrap().keys().next().unwrap().clone();
        lines.iter().map(kind).collect::<Vec<_>>()
    };
    let before = lines(&path);
    let two_chunks = ["recording", "request", "response", "chunk", "event", "chunk", "event"];
    assert_eq!(kinds(&before), two_chunks);
    assert_eq!(
        before[6]["event"],
        json!({"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hel"}}})
    );

    // The reader has enough.
    drop(stream);
    drop(gate);
    let after = lines(&path);
    assert_eq!(kinds(&after), [&two_chunks[..], &["end"]].concat());
    assert_eq!(after[7]["end"]["fault"], "dropped");
    let (replayed, error) = read(&replaying_client(Replay::open(&path).unwrap())).await;
    assert_eq!(replayed, events.into_iter().flatten().collect::<Vec<_>>());
    let error = error.unwrap();
    assert_eq!(error.kind(), ErrorKind::BrokenOff);
    assert_eq!(error.to_string(), "the recording ends here, where its reader stopped");
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_is_recorded() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("calls.jsonl");
    let url = {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", closed.local_addr().unwrap())
    };
    let live = read(&recording_client(&url, &path, keys())).await.1.unwrap();
    let ends = lines(&path).into_iter().filter(|line| line["end"]["fault"] == "connect").count();
    assert_eq!((live.kind(), ends), (ErrorKind::Connect, 3));
    let replayed = read(&replaying_client(Replay::open(&path).unwrap())).await.1.unwrap();
    assert_eq!((replayed.kind(), replayed.message()), (ErrorKind::Connect, live.message()));
}

#[tokio::test]
async fn an_old_recording_is_overwritten_and_nothing_else_is() {
    let folder = TempDir::new().unwrap();
    let server = Server::start([Answer::stream(text_answer(&["Hello"]))]);
    let path = folder.path().join("calls.jsonl");
    let old = format!("{{\"recording\":{{\"version\":1}}}}\n{}", "\n".repeat(100_000));
    for content in [&old, ""] {
        fs::write(&path, content).unwrap();
        assert!(read(&recording_client(&server.url, &path, keys())).await.1.is_none());
        assert!(fs::read_to_string(&path).unwrap().len() < 10_000);
        assert_eq!(lines(&path)[0]["recording"]["version"], 1);
    }

    let asked = server.requests().len();
    for content in [
        "{\"recordings\":1}\n",
        "{\"rec",
        "{\"recording\":\"my diary\"}\nimportant\n",
        "{\"recording\":{\"version\":99}}\n",
        "[default]\naws_secret_access_key = x\n",
    ] {
        fs::write(&path, content).unwrap();
        let error = read(&recording_client(&server.url, &path, keys())).await.1.unwrap();
        assert_eq!(error.kind(), ErrorKind::Recording);
        assert_eq!(error.to_string(), format!("the recording {} cannot be written", path.display()));
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "the file exists and is not a recording: name another, or remove it");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
    }
    let folder = folder.path().join("missing").join("calls.jsonl");
    let error = read(&recording_client(&server.url, &folder, keys())).await.1.unwrap();
    assert_eq!(error.kind(), ErrorKind::Recording);
    assert_eq!(server.requests().len(), asked, "nothing was sent");
}

#[cfg(unix)]
#[tokio::test]
async fn a_recording_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = TempDir::new().unwrap();
    let server = Server::start([Answer::stream(text_answer(&["Hello"]))]);
    let (new, old) = (folder.path().join("new"), folder.path().join("old"));
    fs::write(&old, "{\"recording\":{\"version\":1}}\n").unwrap();
    fs::set_permissions(&old, fs::Permissions::from_mode(0o644)).unwrap();
    for path in [new, old] {
        assert!(read(&recording_client(&server.url, &path, keys())).await.1.is_none());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // A device keeps its mode.
    let null = Path::new("/dev/null");
    let mode = fs::metadata(null).unwrap().permissions().mode();
    assert!(read(&recording_client(&server.url, null, keys())).await.1.is_none());
    assert_eq!(fs::metadata(null).unwrap().permissions().mode(), mode);
}

/// A recording of one exchange of ConverseStream, with this body and chunks after these times.
fn recording(body: &Value, chunks: &[(f64, Vec<u8>)]) -> String {
    use base64::Engine as _;

    let url =
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.amazon.nova-lite-v1%3A0/converse-stream";
    let mut lines = vec![
        json!({"recording": {"version": 1}}),
        json!({"request": {
            "exchange": 1, "operation": "ConverseStream", "method": "POST", "url": url, "headers": {}, "json": body
        }}),
        json!({"response": {
            "exchange": 1, "afterMs": 400, "status": 200,
            "headers": {"content-type": "application/vnd.amazon.eventstream"}
        }}),
    ];
    for (after, bytes) in chunks {
        let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
        lines.push(json!({"chunk": {"exchange": 1, "afterMs": after, "base64": base64}}));
    }
    lines.push(json!({"end": {"exchange": 1, "afterMs": 50}}));
    lines.iter().fold(String::new(), |text, line| text + &line.to_string() + "\n")
}

fn timed() -> String {
    let body = json!({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]});
    let chunks = text_answer(&["Hel", "lo"]).into_iter().zip([100.0, 1000.0, 0.25, 500.0, 0.0, 200.0]);
    recording(&body, &chunks.map(|(frame, after)| (after, frame)).collect::<Vec<_>>())
}

/// The time of each event and of the end, in milliseconds from `begin`. Before each read the reader is busy for a time.
async fn times(stream: &mut EventStream, begin: Instant, busy: Duration) -> Vec<u128> {
    let mut times = Vec::new();
    loop {
        tokio::time::sleep(busy).await;
        let event = stream.next_event().await.unwrap();
        times.push(begin.elapsed().as_millis());
        if event.is_none() {
            return times;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_replay_keeps_the_recorded_times() {
    for (speed, busy, expected) in [
        (None, 0, [0, 0, 0, 0, 0, 0, 0]),
        (Some(1.0), 0, [500, 1500, 1501, 2001, 2001, 2201, 2251]),
        (Some(10.0), 0, [50, 150, 151, 201, 201, 221, 226]),
        (Some(0.5), 0, [1000, 3000, 3001, 4001, 4001, 4401, 4501]),
        // A busy reader gets what arrived in the meantime at once.
        (Some(1.0), 300, [800, 1500, 1800, 2100, 2400, 2700, 3000]),
    ] {
        let begin = Instant::now();
        let mut replay = Replay::parse(&timed()).unwrap();
        if let Some(speed) = speed {
            replay = replay.at_speed(speed);
        }
        let mut stream = replaying_client(replay).converse_stream(&request()).await.unwrap();
        let first = begin.elapsed().as_millis();
        assert_eq!(first, if busy > 0 { 500 } else { expected[0] }, "{speed:?}");
        let times = times(&mut stream, begin, Duration::from_millis(busy)).await;
        assert_eq!(times, expected, "{speed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replayed_fault_keeps_its_time() {
    let lines = timed();
    let head = lines.lines().take(2).fold(String::new(), |text, line| text + line + "\n");
    let end = r#"{"end":{"exchange":1,"afterMs":1500,"fault":"invalidInput","message":"no"}}"#;
    let begin = Instant::now();
    let replay = Replay::parse(&format!("{head}{end}\n")).unwrap().at_speed(1.0);
    let error = read(&replaying_client(replay)).await.1.unwrap();
    assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidInput, "no"));
    assert_eq!(begin.elapsed(), Duration::from_millis(1500));
}

#[tokio::test]
async fn a_strict_replay_names_what_differs() {
    let messages = || json!([{"role": "user", "content": [{"text": "Hi"}]}]);
    let other_text = json!([{"role": "user", "content": [{"text": "Ho"}]}]);
    let two = json!([{"role": "user", "content": [{"text": "Hi"}]}, {"role": "assistant", "content": []}]);
    for (recorded, model, expected) in [
        (json!({"messages": messages()}), None, None),
        (json!({"messages": other_text}), None, Some("messages[0].content[0].text: expected another value")),
        (json!({"messages": two}), None, Some("messages: expected 2 elements, found 1")),
        (
            json!({"messages": messages(), "inferenceConfig": {"maxTokens": 9}}),
            None,
            Some("inferenceConfig: recorded, but not in the request"),
        ),
        (json!({}), None, Some("messages: in the request, but not recorded")),
        (
            json!({"messages": messages()}),
            Some("another"),
            Some(r#"modelId: expected "us.amazon.nova-lite-v1:0", found "another""#),
        ),
    ] {
        let text = recording(&recorded, &[(0.0, text_answer(&["Hello"]).concat())]);
        let mut request = request();
        if let Some(model) = model {
            model.clone_into(&mut request.model_id);
        }
        let strict = replaying_client(Replay::parse(&text).unwrap().strict());
        let error = strict.converse_stream(&request).await.err();
        let expected = expected.map(|expected| format!("the request is not the recorded one: {expected}"));
        assert_eq!(error.as_ref().map(ToString::to_string), expected);
        assert!(error.is_none_or(|error| error.kind() == ErrorKind::Recording));

        let lenient = replaying_client(Replay::parse(&text).unwrap());
        assert!(lenient.converse_stream(&request).await.is_ok());
    }

    // A member within a member, and the body as another client would have written it.
    let text = timed().replace(r#""json":{"#, r#""json":{"inferenceConfig":{"maxTokens":9},"#);
    let strict = replaying_client(Replay::parse(&text).unwrap().strict());
    let tokens = |tokens: u32| request().inference_config(InferenceConfiguration::new().max_tokens(tokens));
    let error = strict.converse_stream(&tokens(8)).await.unwrap_err();
    let expected = "the request is not the recorded one: inferenceConfig.maxTokens: expected another value";
    assert_eq!(error.to_string(), expected);
    let strict = replaying_client(Replay::parse(&text).unwrap().strict());
    assert!(strict.converse_stream(&tokens(9)).await.is_ok());
}

#[tokio::test]
async fn a_replay_without_further_exchanges_is_an_error() {
    let client = replaying_client(Replay::parse(&timed()).unwrap());
    let error = client.converse(&request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Recording);
    let expected = "the recording has no further call of Converse, only of ConverseStream";
    assert_eq!(error.to_string(), expected);
    assert!(read(&client).await.1.is_none());
    let error = read(&client).await.1.unwrap();
    assert_eq!(error.to_string(), "the recording has no further call of ConverseStream, or of anything else");
    assert_eq!(error.hint(), None, "there is no other operation to call");
}

#[tokio::test]
async fn recordings_are_joined_by_writing_one_after_the_other() {
    let client = replaying_client(Replay::parse(&timed().repeat(2)).unwrap().strict());
    for _ in 0..2 {
        assert!(read(&client).await.1.is_none());
    }
    assert!(read(&client).await.1.is_some());
}

#[test]
fn a_recording_names_its_model() {
    assert_eq!(Replay::parse(&timed()).unwrap().model(), Some("us.amazon.nova-lite-v1:0"));
    let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2";
    let encoded = arn.replace(':', "%3A").replace('/', "%2F");
    let text = timed().replace("/model/us.amazon.nova-lite-v1%3A0/", &format!("/model/x/model/{encoded}/"));
    assert_eq!(Replay::parse(&text).unwrap().model(), Some(arn));
    assert_eq!(Replay::parse("{\"recording\":{\"version\":1}}").unwrap().model(), None);
}

#[test]
fn an_invalid_recording_is_refused_with_the_line() {
    let heading = r#"{"recording":{"version":1}}"#;
    let request =
        r#"{"request":{"exchange":1,"operation":"Converse","method":"POST","url":"u","headers":{}}}"#;
    let response = r#"{"response":{"exchange":1,"afterMs":0,"status":200,"headers":{}}}"#;
    let chunk = r#"{"chunk":{"exchange":1,"afterMs":0,"text":"x"}}"#;
    let end = r#"{"end":{"exchange":1,"afterMs":0}}"#;
    let event = r#"{"event":{"messageStart":{}}}"#;
    for (text, expected) in [
        (&[""][..], r#"line 1: expected {"recording":{"version":1}} first"#),
        (&[request], r#"line 1: expected {"recording":{"version":1}} first"#),
        (&["", event, heading], r#"line 2: expected {"recording":{"version":1}} first"#),
        (&[r#"{"recording":{"version":2}}"#], "line 1: expected version 1 of the format, found version 2"),
        (
            &[heading, r#"{"recording":{"version":2}}"#],
            "line 2: expected version 1 of the format, found version 2",
        ),
        (&[heading, "{}"], "line 2: expected a line of a recording, found another object"),
        (
            &[heading, "", r#"{"requests":{}}"#],
            "line 3: expected a line of a recording, found another object",
        ),
        (&[heading, "[default]"], "line 2: expected a line of a recording, found something else"),
        (&[heading, r#""sekret""#], "line 2: expected a line of a recording, found something else"),
        (&[heading, "{default}"], "line 2, column 2: expected a line of a recording: key must be a string"),
        (
            &[heading, &request[..40], ""],
            "line 2, column 40: expected a line of a recording: EOF while parsing a string",
        ),
        (
            &[heading, r#"{"end":{"exchange":1}}"#],
            "line 2, column 21: expected a line of a recording: missing field `afterMs`",
        ),
        (
            &[heading, r#"{"end":{"exchange":"sekret","afterMs":0}}"#],
            "line 2, column 27: expected a line of a recording: expected u64, found something else",
        ),
        (&[heading, request, request], "line 3: expected another number, found exchange 1 again"),
        (&[heading, response], "line 2: expected the request of exchange 1 before its other lines"),
        (&[heading, end], "line 2: expected the request of exchange 1 before its other lines"),
        (&[heading, request, chunk], "line 3: expected the response of exchange 1 before its chunks"),
        (
            &[heading, request, response, response],
            "line 4: expected one response of exchange 1, found a second",
        ),
        (&[heading, request, response, end, chunk], "line 5: expected no line of exchange 1 after its end"),
        (
            &[heading, request, r#"{"response":{"exchange":1,"afterMs":0,"status":99,"headers":{}}}"#],
            "line 3: expected an HTTP status from 100 to 999",
        ),
        (
            &[heading, request, response, r#"{"chunk":{"exchange":1,"afterMs":0,"base64":"a"}}"#],
            "line 4, column 48: expected a line of a recording: expected bytes in padded base64: Invalid \
             input length: 1",
        ),
    ] {
        let error = Replay::parse(&text.join("\n")).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Recording, expected), "{text:?}");
    }

    let folder = TempDir::new().unwrap();
    let path = folder.path().join("not.jsonl");
    fs::write(&path, "{}\n").unwrap();
    let error = Replay::open(&path).unwrap_err().to_string();
    let expected = r#"line 1: expected {"recording":{"version":1}} first"#;
    assert_eq!(error, format!("the recording {}, {expected}", path.display()));
    let error = Replay::open(folder.path().join("missing")).unwrap_err();
    assert!(error.to_string().ends_with("missing cannot be read"), "{error}");
}

/// A recording whose program was killed while writing.
#[tokio::test]
async fn a_recording_that_ends_anywhere_replays_as_broken_off() {
    let folder = TempDir::new().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let server = Server::start([Answer::stream([
        server::message_start(),
        server::text(0, "H\u{e9}l"),
        server::text(0, "lo"),
        server::message_stop("end_turn"),
    ])]);
    let (events, error) = read(&recording_client(&server.url, &whole, keys())).await;
    assert!(error.is_none());
    let text = fs::read(&whole).unwrap();
    let line_ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let line_ends = line_ends.collect::<Vec<_>>();
    // From the heading's last character on. A last line without its line end is complete too.
    for length in line_ends[0]..text.len() {
        fs::write(&cut, &text[..length]).unwrap();
        let replay = Replay::open(&cut).unwrap_or_else(|error| panic!("{length}: {error}"));
        let (delivered, error) = read(&replaying_client(replay)).await;
        assert!(events.starts_with(&delivered), "{length}: {delivered:?}");
        let kind = error.map(|error| error.kind());
        // A request that was not written was not sent.
        let expected = if length < line_ends[1] { ErrorKind::Recording } else { ErrorKind::BrokenOff };
        let complete = length >= text.len() - 1;
        assert_eq!(kind, (!complete).then_some(expected), "{length}");
    }

    // A damaged line in the middle, or a damaged line with its line end, is an error.
    for text in
        ["{\"recording\":{\"version\":1}}\n{\"requ\n", "{\"recording\":{\"version\":1}}\n{\"request\":5}"]
    {
        assert!(Replay::parse(text).unwrap_err().to_string().starts_with("line 2"));
    }
}

/// A full device.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_call_survives_a_failed_recording_if_on_error_is_set() {
    let server = Server::start([Answer::stream(text_answer(&["Hel", "lo"]))]);
    let reported = Arc::new(std::sync::Mutex::new(Vec::new()));
    let list = Arc::clone(&reported);
    let recorder = Recorder::new(http(), "/dev/full");
    let recorder = recorder.on_error(move |error| list.lock().unwrap().push(error.to_string()));
    let config = Config::new().context(keys()).endpoint_url(&server.url);
    let client = Client::new(config.clone().transport(Arc::new(recorder)));
    for _ in 0..2 {
        let (events, error) = read(&client).await;
        assert!(events.len() > 2 && error.is_none(), "{error:?}");
    }
    assert_eq!(*reported.lock().unwrap(), ["the recording /dev/full cannot be written"]);

    let client = Client::new(config.transport(Arc::new(Recorder::new(http(), "/dev/full"))));
    for _ in 0..2 {
        let (events, error) = read(&client).await;
        assert_eq!((events.len(), error.map(|error| error.kind())), (0, Some(ErrorKind::Recording)));
    }
    assert_eq!(server.requests().len(), 2, "nothing was sent");
}

/// A change to a recording's text.
#[derive(Debug, Clone)]
enum Change {
    Remove(usize),
    Repeat(usize),
    Swap(usize, usize),
    Truncate(usize),
    Insert(usize, char),
    Number(usize, f64),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let any = any::<usize>;
    let character =
        prop::sample::select(vec!['"', '{', '}', ',', '0', '-', '9', '\\', '\n', '\r', '\0', 'é']);
    let change = prop_oneof![
        any().prop_map(Change::Remove),
        any().prop_map(Change::Repeat),
        (any(), any()).prop_map(|(from, to)| Change::Swap(from, to)),
        any().prop_map(Change::Truncate),
        (any(), character).prop_map(|(at, character)| Change::Insert(at, character)),
        (any(), prop::num::f64::ANY).prop_map(|(at, number)| Change::Number(at, number)),
    ];
    prop::collection::vec(change, 1..4)
}

fn changed(text: &str, change: &Change) -> String {
    let mut lines = text.lines().map(str::to_owned).collect::<Vec<_>>();
    let count = lines.len().max(1);
    let boundary = |at: usize| {
        let at = at % (text.len() + 1);
        (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap()
    };
    match *change {
        Change::Remove(line) => drop((line % count < lines.len()).then(|| lines.remove(line % count))),
        Change::Repeat(line) => {
            let line = lines.get(line % count).cloned().unwrap_or_default();
            lines.push(line);
        }
        Change::Swap(from, to) if !lines.is_empty() => lines.swap(from % count, to % count),
        Change::Swap(..) => {}
        Change::Truncate(at) => return text[..boundary(at)].to_owned(),
        Change::Insert(at, character) => {
            let (left, right) = text.split_at(boundary(at));
            return format!("{left}{character}{right}");
        }
        Change::Number(at, number) => {
            let times =
                text.match_indices("\"afterMs\":").map(|(at, name)| at + name.len()).collect::<Vec<_>>();
            let Some(begin) = times.get(at % times.len().max(1)) else { return text.to_owned() };
            let (left, right) = text.split_at(*begin);
            let right = right.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            return format!("{left}{number}{right}");
        }
    }
    lines.join("\n")
}

proptest! {
    #[test]
    fn a_changed_recording_is_refused_with_the_line_or_answers(changes in changes()) {
        let text = changes.iter().fold(timed(), |text, change| changed(&text, change));
        match Replay::parse(&text) {
            Ok(replay) => {
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
                let (events, error) = runtime.unwrap().block_on(read(&replaying_client(replay.at_speed(1.0))));
                prop_assert!(error.is_some() || events.len() >= 2);
            }
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::Recording);
                let message = error.to_string();
                let line = message.strip_prefix("line ").unwrap().split([':', ',']).next().unwrap();
                let line = line.parse::<usize>().unwrap();
                prop_assert!((1..=text.lines().count().max(1)).contains(&line), "{message}");
            }
        }
    }
}
