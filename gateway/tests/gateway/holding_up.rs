//! Limits, misbehaving clients, and how it stops.

use std::io::{BufReader, Read as _, Write as _};
use std::time::Duration;

use pumice::Client;
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
    for path in ["/model/m/converse-stream", "/v1/chat/completions"] {
        let (answer, written) = Answer::stream(frames.clone()).signal();
        let server = Server::start([answer]);
        let gate = Gate::before(&server.url);
        let mut stream = gate.connect();
        let request =
            json!({"model": "m.m", "stream": true, "messages": [{"role": "user", "content": "Hi"}]});
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
fn a_thousand_connections_of_which_half_misbehave_leave_the_other_half_served() {
    let server = Server::start([Answer::stream(server::text_answer(&["Hi"]))]);
    let gate = Gate::before(&server.url);
    let request = json!({"model": "m.m", "messages": [{"role": "user", "content": "Hi"}]}).to_string();
    let good = gate.request("POST", "/v1/chat/completions", &[], request.as_bytes());
    let mut bad = Vec::new();
    for number in 0..500 {
        let mut stream = gate.connect();
        let bytes = match number % 6 {
            0 => b"POST /v1/chat/comp".to_vec(),
            1 => good[..good.len() - 5].to_vec(),
            2 => (0..2000u32).map(|at| (at * 7 % 251) as u8).collect(),
            3 => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            4 => vec![b'A'; 100_000],
            _ => Vec::new(),
        };
        // The gateway may have closed it already.
        let _ = stream.write_all(&bytes);
        bad.push(stream);
    }
    let threads = (0..10).map(|_| {
        let (address, good) = (gate.address, good.clone());
        std::thread::spawn(move || {
            let mut good_replies = 0;
            for _ in 0..50 {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                stream.write_all(&good).unwrap();
                let reply = Reply::read(&mut BufReader::new(stream), "POST");
                good_replies += usize::from(reply.status == 200 && reply.text().contains("Hi"));
            }
            good_replies
        })
    });
    let threads = threads.collect::<Vec<_>>();
    assert_eq!(threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>(), 500);
    drop(bad);
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

/// Panics where a model of this name is called.
#[derive(Debug)]
struct Panics(pumice::transport::Http);

impl pumice::transport::Transport for Panics {
    fn send(&self, request: http::Request<bytes::Bytes>) -> pumice::transport::TransportFuture<'_> {
        assert!(!request.uri().path().contains("panics"), "on purpose");
        self.0.send(request)
    }
}

#[test]
fn a_panic_ends_its_own_call_alone() {
    let server = Server::start([Answer::stream(server::text_answer(&["Hi"]))]);
    let transport = Panics(config(&server.url).network().unwrap());
    let gate = Gate::with(
        Client::new(config(&server.url).transport(std::sync::Arc::new(transport))),
        Options::new(),
    );
    let mut stream = gate.connect();
    stream.write_all(&gate.request("POST", "/model/panics/converse", &[], b"{}")).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0, "the connection ends");
    assert_eq!(gate.post("/model/m/converse-stream", &json!({})).status, 200);
    assert_eq!(gate.logged()["left"], true);
    assert_eq!(gate.logged()["status"], 200);
}
