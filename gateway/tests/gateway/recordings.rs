//! Recordings served, and made.

use std::sync::Arc;

use pumice::transport::{Recorder, Replay};
use pumice::{Client, Config};
use pumice_gateway::Options;
use serde_json::json;
use support::server::{self, Answer, Server};

use crate::setup::{Gate, config};

fn replaying(replay: Replay) -> Gate {
    let model = replay.model().map(str::to_owned);
    let client =
        Client::new(Config::new().without_credentials().region("us-east-1").transport(Arc::new(replay)));
    Gate::with(client, Options::new().replays(model))
}

#[test]
fn what_was_recorded_through_it_is_replayed_in_native_form_and_in_dialects() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls.jsonl");
    let frames = server::text_answer(&["Hal", "lo"]);
    {
        let server = Server::start([
            Answer::whole(200, r#"{"output":{},"usage":{}}"#).only_for("/converse "),
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
    assert_eq!(gate.post("/model/m/converse", &json!({})).text(), r#"{"output":{},"usage":{}}"#);
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
