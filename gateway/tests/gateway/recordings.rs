//! Recordings served, and made.

use std::sync::Arc;

use pumice::shape::Blob;
use pumice::transport::{Recorder, Replay};
use pumice::{Client, Config};
use pumice_gateway::Options;
use serde_json::{Value, json};
use support::server::{self, Answer, Server};

use crate::setup::{Gate, config};

fn replaying(replay: Replay) -> Gate {
    let replay = Arc::new(replay);
    let config = Config::new().without_credentials().region("us-east-1");
    Gate::with(Client::new(config.transport(Arc::<Replay>::clone(&replay))), Options::new().replays(replay))
}

#[test]
fn what_was_recorded_through_it_is_replayed_in_native_form_and_in_dialects() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls.jsonl");
    let frames = server::text_answer(&["Hal", "lo"]);
    let whole = whole("Hallo").to_string();
    {
        let server = Server::start([
            Answer::whole(200, &*whole).only_for("/converse "),
            Answer::stream(frames.clone()),
        ]);
        let network = Arc::new(config(&server.url).network().unwrap());
        let recorder = Recorder::new(network, &file);
        let gate = Gate::with(Client::new(config(&server.url).transport(Arc::new(recorder))), Options::new());
        gate.post("/model/m/converse", &json!({"messages": []}));
        gate.post("/model/m/converse-stream", &json!({"messages": []}));
        gate.logged();
        gate.logged();
    }
    let gate = replaying(Replay::open(&file).unwrap());
    assert_eq!(gate.post("/model/m/converse-stream", &json!({})).body, frames.concat());
    assert_eq!(gate.post("/model/m/converse", &json!({})).text(), whole);
    assert!(gate.post("/model/m/converse", &json!({})).status >= 400, "it has one exchange of it");

    let gate = replaying(Replay::open(&file).unwrap().looped());
    for _ in 0..3 {
        let request = json!({"model": "any-name", "messages": [{"role": "user", "content": "Hi"}]});
        let reply = gate.post("/v1/chat/completions", &request);
        assert_eq!(reply.json()["choices"][0]["message"]["content"], "Hallo");
    }
    assert_eq!(gate.get("/v1/models").json()["data"][0]["id"], "m");

    let gate = replaying(Replay::open(&file).unwrap().strict());
    let refused = gate.post("/model/m/converse", &json!({"messages": [1]}));
    assert!(refused.status >= 400 && refused.text().contains("messages"), "{}", refused.text());
}

/// A response of Converse.
fn whole(text: &str) -> Value {
    json!({
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
        "metrics": {"latencyMs": 1}
    })
}

fn fixture(name: &str) -> Replay {
    Replay::open(support::repository().join("fixtures").join(name)).unwrap()
}

/// The text that a dialect gives, of a whole response or of a stream.
fn said(gate: &Gate, dialect: &str, stream: bool) -> String {
    let user = json!([{"role": "user", "content": "Hi"}]);
    let mut request = json!({"model": CLAUDE, "max_tokens": 9, "stream": stream});
    request[if dialect == "responses" { "input" } else { "messages" }] = user;
    if dialect == "responses" {
        request["store"] = false.into();
        request.as_object_mut().unwrap().remove("max_tokens");
    }
    let reply = gate.post(&format!("/v1/{dialect}"), &request);
    assert_eq!(reply.status, 200, "{dialect}, stream {stream}: {}", reply.text());
    let texts = |value: &Value, paths: &[&str]| {
        let texts = paths.iter().filter_map(|path| value.pointer(path)?.as_str());
        texts.collect::<String>()
    };
    if !stream {
        let paths = ["/choices/0/message/content", "/content/0/text", "/output/0/content/0/text"];
        return texts(&reply.json(), &paths);
    }
    let is_text =
        |event: &&Value| !["response.output_text.done"].contains(&event["type"].as_str().unwrap_or_default());
    let deltas = reply.data();
    let deltas = deltas.iter().filter(is_text);
    deltas
        .map(|event| {
            let of_responses = event["delta"].as_str().unwrap_or_default().to_owned();
            of_responses + &texts(event, &["/choices/0/delta/content", "/delta/text"])
        })
        .collect()
}

#[test]
fn a_recording_of_either_operation_serves_every_dialect_whole_and_streamed() {
    for (name, text) in [("converse.jsonl", "Etna, on Sicily"), ("max-tokens.jsonl", "")] {
        let gate = replaying(fixture(name).looped());
        for dialect in ["chat/completions", "responses", "messages"] {
            let whole = said(&gate, dialect, false);
            assert!(whole.starts_with(text) && whole.len() > 20, "{name}, {dialect}: {whole}");
            assert_eq!(said(&gate, dialect, true), whole, "{name}, {dialect}");
        }
    }
    // Where it has both, a whole response is the next of either, a stream is a stream, and each is served once.
    let both = |order: [(&str, &str); 2]| {
        let answer = |operation: &str, text: &str| {
            let (path, chunk) = if operation == "Converse" {
                ("converse", json!({"exchange": 1, "afterMs": 0, "text": whole(text).to_string()}))
            } else {
                let frames = server::text_answer(&[text]).concat();
                ("converse-stream", json!({"exchange": 2, "afterMs": 0, "base64": Blob::from(frames)}))
            };
            let exchange = &chunk["exchange"];
            let url = format!("https://b.example/model/{CLAUDE}/{path}");
            [
                json!({"request": {"exchange": exchange, "operation": operation, "method": "POST", "url": url,
                    "headers": {}, "json": {}}}),
                json!({"response": {"exchange": exchange, "afterMs": 0, "status": 200, "headers": {}}}),
                json!({"chunk": chunk}),
                json!({"end": {"exchange": exchange, "afterMs": 0}}),
            ]
        };
        let lines = order.map(|(operation, text)| answer(operation, text)).concat();
        let heading = json!({"recording": {"version": 1}});
        let lines = [heading].iter().chain(&lines).map(Value::to_string).collect::<Vec<_>>();
        Replay::parse(&lines.join("\n")).unwrap()
    };
    let (streamed, converse) = (("ConverseStream", "streamed"), ("Converse", "whole"));
    let gate = replaying(both([converse, streamed]));
    assert_eq!(said(&gate, "messages", true), "streamed");
    assert_eq!(said(&gate, "chat/completions", false), "whole");
    let chat = json!({"model": CLAUDE, "messages": [{"role": "user", "content": "Hi"}]});
    let reply = gate.post("/v1/chat/completions", &chat);
    assert!(reply.status >= 400 && reply.text().contains("no further call"), "{}", reply.text());
    let gate = replaying(both([streamed, converse]));
    assert_eq!(said(&gate, "chat/completions", false), "streamed");
    assert_eq!(gate.post("/model/m/converse", &json!({})).text(), whole("whole").to_string());
    let gate = replaying(both([converse, streamed]).strict());
    let reply = gate.post("/v1/chat/completions", &chat);
    assert!(reply.status >= 400 && reply.text().contains("not recorded"), "{}", reply.text());
}

#[test]
fn what_a_recording_lacks_is_named() {
    let gate = replaying(fixture("embedding.jsonl"));
    let messages = json!({"model": CLAUDE, "max_tokens": 9, "stream": true,
        "messages": [{"role": "user", "content": "Hi"}]});
    let reply = gate.post("/v1/messages", &messages);
    let expected = "no further call of InvokeModelWithResponseStream, only of InvokeModel";
    assert!(reply.status == 400 && reply.text().contains(expected), "{}", reply.text());
}

#[test]
fn what_openais_own_models_were_asked_in_their_form_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls.jsonl");
    let body = r#"{"id":"1","choices":[{"message":{"content":"Hallo"}}]}"#;
    let chat = json!({"model": "gpt-oss-120b", "messages": [{"role": "user", "content": "Hi"}]});
    {
        let server = Server::start([
            Answer::whole(200, "{}").only_for("/responses "),
            Answer::whole(200, body).only_for("/chat/completions "),
        ]);
        let network = Arc::new(config(&server.url).network().unwrap());
        let recorder = Arc::new(Recorder::new(network, &file));
        let gate = Gate::with(Client::new(config(&server.url).transport(recorder)), Options::new());
        let mut named = chat.clone();
        named["model"] = "openai.gpt-oss-120b-1:0".into();
        gate.post("/v1/responses", &json!({"model": named["model"], "input": "Hi"}));
        gate.post("/v1/chat/completions", &named);
        gate.logged();
        gate.logged();
    }
    let gate = replaying(Replay::open(&file).unwrap());
    let reply = gate.post("/v1/chat/completions", &chat);
    assert_eq!((reply.status, reply.text()), (200, body));
    assert_eq!(reply.header("x-pumice-model"), Some("openai.gpt-oss-120b-1:0"));
}

#[test]
fn what_came_before_a_response_broke_off_passes() {
    for name in ["exception.jsonl", "exception-first.jsonl", "broken-off.jsonl"] {
        let file = std::fs::read_to_string(support::repository().join("fixtures").join(name)).unwrap();
        let lines = file.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let chunks =
            lines.filter_map(|line| Some(Blob::from_base64(line["chunk"]["base64"].as_str()?).unwrap().0));
        let expected = chunks.collect::<Vec<_>>().concat();
        let gate = replaying(fixture(name));
        let reply = gate.post("/model/m/converse-stream", &json!({}));
        assert!(
            !reply.is_whole && reply.body == expected,
            "{name}: {} of {}",
            reply.body.len(),
            expected.len()
        );
    }
}

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
