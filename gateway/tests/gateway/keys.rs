//! Who may call.

use http::Request;
use pumice::context::Context;
use pumice::credentials::Credentials;
use pumice::sign::{Scope, sign};
use pumice::{Client, Config};
use pumice_gateway::{Key, Options};
use serde_json::json;
use support::server::{self, Answer, Server};

use crate::setup::{Gate, config};

fn closed(server: &Server) -> Gate {
    let options =
        Options::new().key(Key::new("alpha")).allow_host("gate.example").allow_origin("https://app.example");
    let options = Key::read("bob:beta").unwrap().into_iter().fold(options, Options::key);
    Gate::with(Client::new(config(&server.url)), options)
}

#[test]
fn a_key_is_needed_everywhere_but_at_the_probes_and_the_page() {
    let server = Server::start([Answer::stream(server::text_answer(&["Hi"]))]);
    let gate = closed(&server);
    let chat = json!({"model": "m.m", "messages": [{"role": "user", "content": "Hi"}]});
    for (method, path, status) in [
        ("POST", "/v1/chat/completions", 401),
        ("POST", "/v1/messages", 401),
        ("GET", "/v1/models", 401),
        ("GET", "/metrics", 401),
        ("GET", "/pumice/status", 401),
        ("POST", "/model/m/converse", 403),
        ("GET", "/", 200),
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
    ] {
        assert_eq!(gate.ask(method, path, &[], chat.to_string().as_bytes()).status, status, "{path}");
    }
    assert!(server.requests().is_empty());
    let ask =
        |name, value| gate.ask("POST", "/v1/chat/completions", &[(name, value)], chat.to_string().as_bytes());
    assert_eq!(ask("authorization", "Bearer gamma").status, 401);
    assert_eq!(ask("authorization", "Bearer alpha").status, 200);
    assert_eq!(ask("x-api-key", "beta").status, 200);
    let keys = std::iter::from_fn(|| Some(gate.logged())).filter(|call| call["status"] == 200).take(2);
    assert_eq!(keys.map(|call| call["key"].clone()).collect::<Vec<_>>(), [json!(null), json!("bob")]);
    let sent = server.requests();
    assert!(
        sent.iter()
            .flat_map(|sent| &sent.headers)
            .all(|(_, value)| !value.contains("alpha") && !value.contains("beta"))
    );
}

#[test]
fn a_refused_key_counts_as_a_call_and_not_as_a_models_response() {
    let server = Server::start([Answer::whole(200, "{}")]);
    let gate = closed(&server);
    assert_eq!(gate.post("/v1/chat/completions", &json!({})).status, 401);
    assert_eq!(gate.logged()["firstToken"], json!(null));
    let metrics = gate.ask("GET", "/metrics", &[("x-api-key", "alpha")], b"");
    let text = metrics.text();
    assert!(text.contains(r#"pumice_calls_total{dialect="chat",model="",status="401"} 1"#), "{text}");
    assert!(text.contains("pumice_first_token_seconds_count 0\n"), "{text}");
    assert!(text.contains("pumice_duration_seconds_count 1\n"), "{text}");
    assert!(!text.contains("pumice_tokens_total{") && !text.contains("pumice_cost_dollars_total{"), "{text}");
}

#[test]
fn why_it_is_not_ready_is_told_to_those_who_have_the_key() {
    let without_credentials = |options| {
        let context = Context::fake().with_env("AWS_EC2_METADATA_DISABLED", "true");
        Gate::with(Client::new(Config::new().context(context).endpoint_url("http://127.0.0.1:9")), options)
    };
    let gate = without_credentials(Options::new().key(Key::new("alpha")));
    for (headers, told) in
        [(&[][..], false), (&[("x-api-key", "gamma")], false), (&[("x-api-key", "alpha")], true)]
    {
        let reply = gate.ask("GET", "/readyz", headers, b"");
        assert_eq!(reply.status, 503);
        assert_eq!(reply.text().contains("AWS_ACCESS_KEY_ID"), told, "{}", reply.text());
    }
    let reply = without_credentials(Options::new()).get("/readyz");
    assert!(reply.text().contains("AWS_ACCESS_KEY_ID"), "{}", reply.text());
}

#[test]
fn sdks_that_sign_are_checked() {
    let server = Server::start([Answer::whole(200, "{}")]);
    let gate = closed(&server);
    let ask = |id: &str, secret: &str, body: &str, sent: &str| {
        let uri = format!("http://{}/model/a%3A0/converse", gate.address);
        let request = Request::post(uri).header("content-type", "application/json");
        let request = request.body(bytes::Bytes::from(body.to_owned())).unwrap();
        let Credentials::Keys(keys) = Credentials::keys(id, secret, None) else { panic!() };
        let scope = Scope { region: "us-east-1", service: "bedrock" };
        let signed = sign(&request, &keys, scope, std::time::SystemTime::now()).unwrap();
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(signed.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())));
        gate.ask("POST", "/model/a%3A0/converse", &headers, sent.as_bytes()).status
    };
    assert_eq!(ask("pumice", "beta", "{}", "{}"), 200);
    assert_eq!(ask("pumice", "gamma", "{}", "{}"), 403);
    assert_eq!(ask("AKID", "beta", "{}", "{}"), 403);
    assert_eq!(ask("pumice", "beta", "{}", "{ }"), 403);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn foreign_hosts_and_origins_are_refused_before_anything_else() {
    let server = Server::start([Answer::whole(200, "{}")]);
    let gate = closed(&server);
    let ask = |method: &str, headers: &[(&str, &str)]| {
        let headers = [headers, &[("x-api-key", "alpha")]].concat();
        gate.ask(method, "/v1/models", &headers, b"")
    };
    let refused = ask("GET", &[("host", "evil.example")]);
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("--allow-host evil.example"), "{}", refused.text());
    assert_eq!(ask("GET", &[("host", "gate.example")]).status, 200);
    for method in ["GET", "OPTIONS"] {
        let refused = ask(method, &[("origin", "https://evil.example")]);
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (403, None), "{method}");
    }
    let allowed = ask("GET", &[("origin", "https://app.example")]);
    assert_eq!(allowed.header("access-control-allow-origin"), Some("https://app.example"));
    // A preflight carries no key.
    let preflight = gate.ask(
        "OPTIONS",
        "/v1/chat/completions",
        &[
            ("origin", "https://app.example"),
            ("access-control-request-headers", "authorization,content-type"),
        ],
        b"",
    );
    assert_eq!(preflight.status, 204);
    assert_eq!(preflight.header("access-control-allow-headers"), Some("authorization,content-type"));
}
