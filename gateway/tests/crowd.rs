//! A thousand connections at once, of which half misbehave. Memory is that of the whole process, which is why the test
//! has one of its own.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used, reason = "tests")]
#![allow(clippy::format_push_string, dead_code, reason = "tests")]

#[path = "gateway/setup.rs"]
mod setup;

use std::io::{BufReader, Write as _};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::ScopedJoinHandle;
use std::time::Duration;

use serde_json::json;
use setup::{Gate, Reply};
use support::memory::resident_kib;
use support::server::{self, Answer, Server};

#[test]
fn half_of_a_thousand_connections_misbehave_and_the_other_half_is_served() {
    let claude = json!({"type": "message", "content": [{"type": "text", "text": "Hi"}]}).to_string();
    let bedrock = Server::start([
        Answer::whole(200, claude).only_for("anthropic.claude"),
        Answer::stream(server::text_answer(&["Hi"])),
    ]);
    let gate = Gate::before(&bedrock.url);
    let request =
        |path: &str, body: serde_json::Value| gate.request("POST", path, &[], body.to_string().as_bytes());
    let messages = json!([{"role": "user", "content": "Hi"}]);
    let good = [
        request("/v1/chat/completions", json!({"model": "m.m", "messages": messages})),
        request("/v1/chat/completions", json!({"model": "m.m", "stream": true, "messages": messages})),
        request("/v1/responses", json!({"model": "m.m", "input": "Hi"})),
        request("/v1/messages", json!({"model": "m.m", "max_tokens": 9, "messages": messages})),
        request(
            "/v1/messages",
            json!({"model": "anthropic.claude-x", "max_tokens": 9, "messages": messages}),
        ),
        request("/model/m/converse-stream", json!({"messages": []})),
    ];
    let before = resident_kib();
    let mut bad = (0..500).map(|_| gate.connect()).collect::<Vec<_>>();
    let good_ones = (0..500).map(|_| gate.connect()).collect::<Vec<_>>();
    let head =
        |more: &str| format!("POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\n{more}\r\n", gate.address);
    let half = [head("content-length: 1000000\r\n").as_bytes(), &vec![b' '; 64_000]].concat();
    let half_chunk =
        [head("transfer-encoding: chunked\r\n").as_bytes(), b"1000000\r\n", &vec![b' '; 64_000]].concat();
    let page = gate.request("GET", "/", &[], b"");
    for (number, stream) in bad.iter_mut().enumerate() {
        let bytes = match number % 8 {
            0 => b"POST /v1/chat/comp".to_vec(),
            1 => half.clone(),
            2 => half_chunk.clone(),
            3 => (0..2000u32).map(|at| (at * 7 % 251) as u8).collect(),
            4 => b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
            // A head without end, and more requests than whose responses are read.
            5 => vec![b'A'; 1_000_000],
            6 => page.repeat(2_000),
            _ => continue,
        };
        // The gateway may have closed it already, or reads no further.
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let _ = stream.write_all(&bytes);
    }
    let done = AtomicBool::new(false);
    let replies = std::thread::scope(|scope| {
        // Heads that never end, a byte at a time.
        let bad = &bad;
        let done = &done;
        scope.spawn(move || {
            while !done.load(Relaxed) {
                for mut stream in bad.iter().step_by(8) {
                    let _ = stream.write_all(b"x");
                }
                std::thread::yield_now();
            }
        });
        let parts = good_ones.chunks(50).map(|streams| {
            let good = &good;
            scope.spawn(move || {
                let mut whole = 0;
                for (number, mut stream) in streams.iter().enumerate() {
                    stream.write_all(&good[number % good.len()]).unwrap();
                    let reply = Reply::read(&mut BufReader::new(stream), "POST");
                    assert_eq!(reply.status, 200, "{:?}", String::from_utf8_lossy(&reply.body));
                    whole += usize::from(String::from_utf8_lossy(&reply.body).contains("Hi"));
                }
                whole
            })
        });
        let parts = parts.collect::<Vec<_>>();
        let replies = parts.into_iter().map(ScopedJoinHandle::join).collect::<Vec<_>>();
        done.store(true, Relaxed);
        replies.into_iter().map(Result::unwrap).sum::<usize>()
    });
    assert_eq!(replies, 500);
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 64 * 1024, "{grown} KiB");
    drop(bad);
}
