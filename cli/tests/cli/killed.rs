//! Programs that are killed while they work: the files they leave are whole and block nobody.
//!
//! With `PUMICE_SOAK_SECONDS` set, as for `tests/soak.rs`, fifty times as many are.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pumice::context::Context;
use serde_json::{Value, json};
use support::server::{self, Answer, Server, text_answer};
use tempfile::TempDir;

fn pumice(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command.args(args).current_dir(home).env_clear().env("HOME", home).env("AWS_MAX_ATTEMPTS", "1");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("PUMICE_MODEL", "m");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Sends a signal, and waits for the end.
fn kill(mut child: Child, signal: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {}", child.id())]).status().unwrap();
    assert!(sent.success());
    assert!(!child.wait().unwrap().success());
}

fn works(command: &mut Command) {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

fn files(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names = names.collect::<Vec<_>>();
    names.sort();
    names
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Does something for each signal.
fn again_and_again(attempt: impl Fn(&str)) {
    let times = if std::env::var("PUMICE_SOAK_SECONDS").is_ok() { 50 } else { 1 };
    for _ in 0..times {
        for signal in ["KILL", "TERM", "INT"] {
            attempt(signal);
        }
    }
}

#[test]
fn a_program_killed_during_a_response_leaves_its_files_whole() {
    again_and_again(|signal| {
        let home = home();
        let (endless, closed) =
            Answer::stream([server::message_start(), server::text(0, "some")]).await_close();
        let whole = |text: &str| Answer::stream(text_answer(&[text]));
        let server = Server::start([whole("one"), endless, whole("two")]);
        let chat = |args: &[&str]| {
            let mut command = pumice(home.path(), &["chat", "--endpoint-url", &server.url]);
            command.env("AWS_BEARER_TOKEN_BEDROCK", "t").args(args);
            command
        };
        works(&mut chat(&["--save", "c.json", "Hi"]));
        let kept = fs::read(home.path().join("c.json")).unwrap();

        let go_on = ["--continue", "c.json", "--record", "r.jsonl", "Hi"];
        let mut child = chat(&go_on).spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 4]).unwrap();
        kill(child, signal);
        closed.recv().unwrap();
        assert_eq!(files(home.path()), ["c.json", "r.jsonl"], "{signal}");
        let now: Value = serde_json::from_slice(&fs::read(home.path().join("c.json")).unwrap()).unwrap();
        if signal == "KILL" {
            assert_eq!(now, serde_json::from_slice::<Value>(&kept).unwrap());
        } else {
            assert_eq!(now["messages"][3]["content"], json!([{"type": "text", "text": "some"}]));
            assert_eq!(now["messages"][3]["stopReason"], "aborted");
        }
        let recording = fs::read_to_string(home.path().join("r.jsonl")).unwrap();
        assert!(recording.lines().count() > 3 && recording.ends_with('\n'));
        for line in recording.lines() {
            serde_json::from_str::<Value>(line).unwrap();
        }

        // No lock is left.
        works(&mut chat(&go_on));
        works(&mut chat(&go_on));
        let kept: Value = serde_json::from_slice(&fs::read(home.path().join("c.json")).unwrap()).unwrap();
        let messages = if signal == "KILL" { 6 } else { 8 };
        assert_eq!(kept["messages"].as_array().unwrap().len(), messages);
    });
}

#[test]
fn a_program_killed_in_the_middle_of_a_refresh_leaves_the_session_to_others() {
    let role = r#"{"roleCredentials":{"accessKeyId":"A","secretAccessKey":"s","sessionToken":"t","expiration":4070908800000}}"#;
    again_and_again(|signal| {
        let home = home();
        let cache = home.path().join(".aws/sso/cache");
        // The SHA-1 of `corp`.
        let file = cache.join("ee0bfd2552fbd840c02cc48b6e823320543c450f.json");
        let session = json!({
            "accessToken": "old", "expiresAt": "2020-01-01T00:00:00Z", "clientId": "c", "clientSecret": "s",
            "refreshToken": "r", "registrationExpiresAt": "2099-01-01T00:00:00Z",
        });
        fs::create_dir_all(&cache).unwrap();
        fs::write(&file, session.to_string()).unwrap();
        fs::write(
            home.path().join(".aws/config"),
            "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\nregion = eu-west-1\n\
             [sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n",
        )
        .unwrap();
        let (silent, asked) = Answer::whole(200, "").signal();
        let (silent, closed) = silent.await_close();
        let tokens = Server::start([silent, Answer::whole(200, r#"{"accessToken":"new","expiresIn":3600}"#)]);
        let portal = Server::start([Answer::whole(200, role)]);
        let bedrock = Server::start([Answer::stream(text_answer(&["Hi"]))]);
        let chat = || {
            let mut command = pumice(home.path(), &["chat", "Hi"]);
            let services = [("SSO", &portal), ("SSO_OIDC", &tokens), ("BEDROCK_RUNTIME", &bedrock)];
            command.envs(services.map(|(name, server)| (format!("AWS_ENDPOINT_URL_{name}"), &server.url)));
            command
        };
        let child = chat().spawn().unwrap();
        asked.recv().unwrap();
        // The program holds the lock only while it lives.
        assert!(Context::real().lock(&file, Duration::ZERO).is_err());
        kill(child, signal);
        closed.recv().unwrap();
        drop(Context::real().lock(&file, Duration::ZERO).unwrap());
        assert_eq!(fs::read_to_string(&file).unwrap(), session.to_string());

        works(&mut chat());
        assert_eq!(files(&cache).len(), 1, "{signal}");
    });
}

#[test]
fn a_program_killed_at_any_moment_of_a_change_is_in_nobodys_way() {
    let home = home();
    let member = "models.providers.amazon-bedrock.headers.x";
    let set = |value: &str| pumice(home.path(), &["config", "set", member, value]);
    let kept = || {
        let output = pumice(home.path(), &["config", "get", member]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let [old, new] = ["o", "n"].map(|letter| letter.repeat(100_000));
    let begun = Instant::now();
    works(&mut set(&old));
    let whole = begun.elapsed();
    // At any moment of a run.
    for part in 0..15 {
        let begun = Instant::now();
        let mut child = set(&new).spawn().unwrap();
        while begun.elapsed() < whole * part / 15 {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let kept = kept();
        assert!([&old, &new].contains(&&kept.trim_end().to_owned()), "{} bytes", kept.len());
        works(&mut set(&old));
    }
}
