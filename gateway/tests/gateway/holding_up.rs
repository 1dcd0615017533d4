//! Limits, misbehaving clients, and how it stops.

use std::io::{BufReader, Read as _, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use pumice::Client;
use pumice::transport::{Body, Transport, TransportFuture};
use pumice_gateway::Options;
use serde_json::json;
use support::server::{self, Answer, Server};

use crate::setup::{Gate, Reply, chunk, config};

#[test]
fn bodies_and_heads_over_their_limits_are_refused() {
    let server = Server::start([Answer::whole(200, "{}")]);
    let gate = Gate::before(&server.url);
    let mut stream = gate.connect();
    let head =
        format!("POST /v1/messages HTTP/1.1\r\nhost: {}\r\ncontent-length: 33554433\r\n\r\n", gate.address);
    stream.write_all(head.as_bytes()).unwrap();
    let reply = Reply::read(&mut BufReader::new(stream), "POST");
    assert_eq!((reply.status, &reply.json()["error"]["type"]), (413, &json!("request_too_large")));

    // In chunks, without a length.
    let mut stream = gate.connect();
    let head = format!(
        "POST /model/m/invoke HTTP/1.1\r\nhost: {}\r\ntransfer-encoding: chunked\r\n\r\n",
        gate.address
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let writer = std::thread::spawn(move || {
        let piece = [b"100000\r\n".as_slice(), &vec![b' '; 1 << 20], b"\r\n"].concat();
        // It breaks off when the gateway has had enough.
        for _ in 0..40 {
            if stream.write_all(&piece).is_err() {
                break;
            }
        }
    });
    assert_eq!(Reply::head(&mut reader).status, 413);
    drop(reader);
    writer.join().unwrap();

    let long = "x".repeat(70_000);
    assert_eq!(gate.ask("GET", "/healthz", &[("x-long", &long)], b"").status, 431);
    assert_eq!(gate.ask("GET", "/healthz", &[("x-long", &long[..60_000])], b"").status, 200);
    assert!(server.requests().is_empty());
}

#[test]
fn connections_over_the_limit_are_told_when_to_come_back() {
    let server = Server::start([Answer::whole(200, "{}")]);
    let gate = Gate::with(Client::new(config(&server.url)), Options::new().max_connections(2));
    let held = [gate.connect(), gate.connect()].map(|mut stream| {
        stream.write_all(&gate.request("GET", "/healthz", &[], b"")).unwrap();
        assert_eq!(Reply::read(&mut BufReader::new(&stream), "GET").status, 200);
        stream
    });
    let reply = gate.get("/healthz");
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("1")));
    drop(held);
    let mut status = 503;
    for _ in 0..1000 {
        status = gate.get("/healthz").status;
        if status == 200 {
            break;
        }
    }
    assert_eq!(status, 200);
}

#[test]
fn a_slow_reader_makes_bedrock_wait() {
    // 64 MB: more than all buffers on the way.
    let piece = server::text(0, &"x".repeat(60_000));
    let mut frames = vec![server::message_start()];
    frames.extend((0..1000).map(|_| piece.clone()));
    let text =
        pumice::shape::Blob::from(json!({"type": "x", "text": "x".repeat(60_000)}).to_string().into_bytes());
    let claude = vec![server::event("chunk", &json!({"bytes": text.to_base64()}).to_string()); 800];
    for (path, model) in [
        ("/model/m/converse-stream", "m.m"),
        ("/v1/chat/completions", "m.m"),
        ("/v1/responses", "m.m"),
        ("/v1/messages", "m.m"),
        ("/v1/messages", "anthropic.claude-x"),
    ] {
        let frames = if model == "m.m" { &frames } else { &claude };
        let (answer, written) = Answer::stream(frames.clone()).signal();
        let server = Server::start([answer]);
        let gate = Gate::before(&server.url);
        let mut stream = gate.connect();
        let request = match path {
            "/v1/responses" => json!({"model": model, "stream": true, "input": "Hi"}),
            _ => json!({"model": model, "stream": true, "max_tokens": 9,
                "messages": [{"role": "user", "content": "Hi"}]}),
        };
        stream.write_all(&gate.request("POST", path, &[], request.to_string().as_bytes())).unwrap();
        let mut reader = BufReader::new(stream);
        assert_eq!(Reply::head(&mut reader).status, 200);
        assert!(chunk(&mut reader).is_some());
        assert!(written.recv_timeout(Duration::from_secs(2)).is_err(), "{path}: Bedrock does not wait");
        while chunk(&mut reader).is_some_and(|chunk| !chunk.is_empty()) {}
        written.recv_timeout(Duration::from_mins(1)).unwrap();
    }
}

#[test]
fn requests_follow_each_other_on_one_connection() {
    let server = Server::start([Answer::stream(server::text_answer(&["Hi"]))]);
    let gate = Gate::before(&server.url);
    let mut stream = gate.connect();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let request = json!({"model": "m.m", "stream": true, "messages": [{"role": "user", "content": "Hi"}]});
    for path in ["/v1/chat/completions", "/model/m/converse-stream", "/nothing", "/v1/chat/completions"] {
        stream.write_all(&gate.request("POST", path, &[], request.to_string().as_bytes())).unwrap();
        let reply = Reply::read(&mut reader, "POST");
        assert_eq!((reply.status, reply.is_whole), (if path == "/nothing" { 404 } else { 200 }, true));
    }
}

#[test]
fn it_stops_when_calls_under_way_have_ended() {
    let (answer, gone) = Answer::stream([server::message_start(), server::text(0, "Ha")]).gate();
    let answer = server::text_answer(&["llo"]).into_iter().skip(1).fold(answer, Answer::chunk);
    let server = Server::start([answer]);
    let gate = Gate::before(&server.url);
    let mut stream = gate.connect();
    let mut idle = gate.connect();
    let request = json!({"messages": []}).to_string();
    stream.write_all(&gate.request("POST", "/model/m/converse-stream", &[], request.as_bytes())).unwrap();
    let mut reader = BufReader::new(stream);
    assert_eq!(Reply::head(&mut reader).status, 200);
    gate.stop();
    // Long before the time that the head of a request may take.
    idle.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    assert_eq!(idle.read(&mut [0]).unwrap(), 0, "a connection without a call ends");
    drop(gone);
    let mut body = Vec::new();
    while let Some(chunk) = chunk(&mut reader)
        && !chunk.is_empty()
    {
        body.extend(chunk);
    }
    assert!(String::from_utf8_lossy(&body).contains("messageStop"), "the call ends by itself");
    let address = gate.address;
    gate.wait();
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn metrics_and_status_count_calls_and_hold_nothing_that_was_said() {
    let server = Server::start([Answer::stream(server::text_answer(&["the response"]))]);
    let gate = Gate::before(&server.url);
    let request =
        json!({"model": "amazon.nova-lite-v1:0", "messages": [{"role": "user", "content": "the prompt"}]});
    gate.post("/v1/chat/completions", &request);
    gate.logged();
    let metrics = gate.get("/metrics");
    assert!(
        metrics
            .text()
            .contains(r#"pumice_calls_total{dialect="chat",model="amazon.nova-lite-v1:0",status="200"} 1"#)
    );
    let status = gate.get("/pumice/status");
    assert_eq!(status.json()["calls"][0]["outputTokens"], 7);
    assert_eq!(status.json()["identity"]["region"], "us-east-1");
    for text in [metrics.text(), status.text(), &format!("{:?}", gate.log.lock().unwrap())] {
        assert!(!text.contains("the prompt") && !text.contains("the response"), "{text}");
    }
    let calls = gate.get("/pumice/status?after=2");
    assert_eq!(calls.json()["calls"], json!([]));
}

#[test]
fn the_page_is_one_file_with_a_strict_policy() {
    let server = Server::start([Answer::whole(200, "{}")]);
    let reply = Gate::before(&server.url).get("/");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = reply.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
    assert!(reply.text().contains("<title>pumice</title>"));
}

/// Panics where a model is called whose name says so: at once, or when the response has begun.
#[derive(Debug)]
struct Panics(pumice::transport::Http);

impl Transport for Panics {
    fn send(&self, request: http::Request<Bytes>) -> TransportFuture<'_> {
        assert!(!request.uri().path().contains("panics"), "on purpose");
        let breaks = request.uri().path().contains("breaks");
        let response = self.0.send(request);
        Box::pin(async move {
            let body = |body| if breaks { Box::pin(Breaks(body, 0)) } else { body };
            response.await.map(|response| response.map(body))
        })
    }
}

/// A body that panics after its first two pieces.
struct Breaks(Body, usize);

impl Stream for Breaks {
    type Item = pumice::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        assert!(self.1 < 2, "on purpose");
        let piece = std::task::ready!(self.0.as_mut().poll_next(task));
        self.1 += 1;
        Poll::Ready(piece)
    }
}

#[test]
fn a_panic_ends_its_own_call_alone_and_is_said_in_each_form() {
    let claude = |json: &str| {
        let bytes = pumice::shape::Blob::from(json.as_bytes().to_vec()).to_base64();
        server::event("chunk", &format!(r#"{{"bytes":"{bytes}"}}"#))
    };
    let events = [claude(r#"{"type":"message_start","message":{}}"#), claude(r#"{"type":"ping"}"#)];
    let server = Server::start([
        Answer::stream(events).only_for("anthropic.claude"),
        Answer::stream(server::text_answer(&["Hi", "there"])),
    ]);
    let transport = Panics(config(&server.url).network().unwrap());
    let gate = Gate::with(Client::new(config(&server.url).transport(Arc::new(transport))), Options::new());
    let ask = |(path, model): (&str, &str)| {
        let messages = json!([{"role": "user", "content": "Hi"}]);
        let request = match path {
            "/v1/responses" => json!({"model": model, "stream": true, "input": "Hi"}),
            _ => json!({"model": model, "stream": true, "max_tokens": 9, "messages": messages}),
        };
        gate.post(&path.replace("MODEL", model), &request)
    };
    let forms = [
        ("/model/MODEL/converse-stream", "m."),
        ("/v1/chat/completions", "m."),
        ("/v1/responses", "m."),
        ("/v1/messages", "m."),
        ("/v1/messages", "anthropic.claude-"),
    ];
    for (path, model) in forms {
        let reply = ask((path, &format!("{model}panics")));
        assert_eq!((reply.status, gate.logged()["status"].as_u64()), (500, Some(500)), "{path}");
        let error = reply.json();
        let message = if path.contains("MODEL") { &error["message"] } else { &error["error"]["message"] };
        assert_eq!(message, "internal error of the gateway", "{error}");

        let reply = ask((path, &format!("{model}breaks")));
        assert_eq!(reply.status, 200, "{path}");
        // A native response has no room for an error of another's: it breaks off.
        assert_eq!(reply.is_whole, !path.contains("MODEL"), "{path}");
        if reply.is_whole {
            assert!(reply.text().contains("internal error of the gateway"), "{path}: {}", reply.text());
        }
        let call = gate.logged();
        assert!(call["error"].as_str().unwrap().contains("internal error of the gateway"), "{call}");
    }
    assert_eq!(ask(("/v1/chat/completions", "m.m")).status, 200);
    assert_eq!(gate.logged()["error"], json!(null));
}
