//! Programs that use one file at the same time: none loses what another has written.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use support::server;

use pumice::context::Context;
use serde_json::{Value, json};
use support::server::{Answer, Server, text_answer};
use tempfile::TempDir;

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Starts the program in a fake environment, in its home folder.
fn start(home: &TempDir, server: &Server, args: &[&str]) -> Child {
    started(command(home, server).env("AWS_BEARER_TOKEN_BEDROCK", "t").args(args))
}

fn command(home: &TempDir, server: &Server) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command
        .current_dir(home)
        .env_clear()
        .env("HOME", home.path())
        .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &server.url)
        .env("AWS_MAX_ATTEMPTS", "1")
        .env("PUMICE_MODEL", "m");
    command
}

fn started(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The exit code and standard error.
fn end(child: Child) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// The names of the files in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names = names.collect::<Vec<_>>();
    names.sort();
    names
}

/// The texts of a conversation, in order.
fn texts(file: &Path) -> Vec<String> {
    let conversation: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let messages = conversation["messages"].as_array().unwrap();
    messages.iter().map(|message| message["content"][0]["text"].as_str().unwrap().to_owned()).collect()
}

fn answer(text: &str) -> Answer {
    Answer::stream(text_answer(&[text]))
}

#[test]
fn settings_that_programs_set_and_unset_at_the_same_time_are_all_there() {
    let (home, server) = (home(), Server::start([]));
    let header = |number: usize| format!("models.providers.amazon-bedrock.headers.x{number}");
    // The first four find neither file nor folder.
    for round in 0..10 {
        let mut programs = Vec::new();
        for number in round * 4..round * 4 + 4 {
            programs.push(start(&home, &server, &["config", "set", &header(number), &format!("v{number}")]));
            if number % 4 == 0 && number > 0 {
                programs.push(start(&home, &server, &["config", "unset", &header(number - 1)]));
            }
        }
        for program in programs {
            assert_eq!(end(program), (Some(0), String::new()));
        }
    }
    let shown = start(&home, &server, &["config", "get", "models.providers.amazon-bedrock.headers"]);
    let shown: Value = serde_json::from_slice(&shown.wait_with_output().unwrap().stdout).unwrap();
    for number in 0..40 {
        let expected = if number % 4 == 3 && number < 39 { Value::Null } else { format!("v{number}").into() };
        assert_eq!(shown[format!("x{number}")], expected, "{number}");
    }
    if cfg!(unix) {
        assert_eq!(names(&home.path().join(".config/pumice")), ["config.json5"]);
    }
}

#[test]
fn a_conversation_that_another_program_has_gone_on_with_is_not_replaced() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    // The first request gets its response last.
    let (late, gate) = answer("late").gate();
    let server = Server::start([answer("begun"), late, answer("between")]);
    let said = |args: &[&str]| end(start(&home, &server, args));
    assert_eq!(said(&["chat", "--save", "c.json", "one"]).0, Some(0));
    fs::write(at("c-2.json"), "mine").unwrap();

    let waiting = start(&home, &server, &["chat", "--continue", "c.json", "two"]);
    while server.requests().len() < 2 {
        std::thread::yield_now();
    }
    assert_eq!(said(&["chat", "--continue", "c.json", "three"]).0, Some(0));
    drop(gate);
    let Output { status, stdout, stderr } = waiting.wait_with_output().unwrap();
    assert_eq!((status.code(), &*String::from_utf8(stdout).unwrap()), (Some(5), "late\n"));
    assert_eq!(
        String::from_utf8(stderr).unwrap(),
        "error: the conversation cannot be saved in c.json: another program has changed it; it is saved in c-3.json instead\n\
         hint: run pumice chat --continue c-3.json to continue it\n"
    );
    assert_eq!(texts(&at("c.json")), ["one", "begun", "three", "between"]);
    assert_eq!(texts(&at("c-3.json")), ["one", "begun", "two", "late"]);
    assert_eq!(fs::read(at("c-2.json")).unwrap(), b"mine");

    // The same for two programs that create the file.
    let (late, gate) = answer("late").gate();
    let server = Server::start([late, answer("early")]);
    let waiting = start(&home, &server, &["chat", "--save", "new", "late"]);
    while server.requests().is_empty() {
        std::thread::yield_now();
    }
    assert_eq!(end(start(&home, &server, &["chat", "--save", "new", "early"])).0, Some(0));
    drop(gate);
    assert_eq!(end(waiting).0, Some(5));
    assert_eq!(texts(&at("new")), ["early", "early"]);
    assert_eq!(texts(&at("new-2")), ["late", "late"]);

    // A removed file is created again.
    let (late, gate) = answer("late").gate();
    let server = Server::start([late]);
    let waiting = start(&home, &server, &["chat", "--continue", "new", "again"]);
    while server.requests().is_empty() {
        std::thread::yield_now();
    }
    fs::remove_file(at("new")).unwrap();
    drop(gate);
    assert_eq!(end(waiting).0, Some(0));
    assert_eq!(texts(&at("new")), ["early", "early", "again", "late"]);
}

#[test]
fn a_locked_file_is_reported_and_nothing_is_lost() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    let server = Server::start([answer("answered")]);
    fs::write(at("s.json5"), "// mine\n{}\n").unwrap();
    let files = ["s.json5", "c.json"].map(at);
    let _held = files.each_ref().map(|file| Context::real().lock(file, Duration::ZERO).unwrap());
    let conversation = start(&home, &server, &["chat", "--save", "c.json", "asked"]);
    let settings =
        start(&home, &server, &["config", "--config", "s.json5", "set", "agents.defaults.model", "m"]);

    let (code, said) = end(settings);
    let expected = "error: the settings file s.json5 cannot be written: another program has it locked";
    assert!(code == Some(2) && said.starts_with(expected), "{code:?}: {said}");
    assert_eq!(fs::read(at("s.json5")).unwrap(), b"// mine\n{}\n");

    let (code, said) = end(conversation);
    assert!(code == Some(5) && said.contains("it is saved in c-2.json instead"), "{code:?}: {said}");
    assert_eq!(texts(&at("c-2.json")), ["asked", "answered"]);
    assert!(!at("c.json").exists());
}

#[test]
fn a_recording_is_written_by_one_program_alone() {
    let home = home();
    let (late, gate) = Answer::stream([server::message_start(), server::text(0, "first")]).gate();
    let rest = [server::block_stop(0), server::message_stop("end_turn"), server::metadata(1, 1)];
    let server = Server::start([late.chunk(rest.concat())]);
    let record = ["chat", "--record", "r.jsonl", "Hi"];
    let first = start(&home, &server, &record);
    while server.requests().is_empty() {
        std::thread::yield_now();
    }
    let (code, said) = end(start(&home, &server, &record));
    let expected =
        "error: the recording r.jsonl cannot be written\n  caused by: another program records into it\n";
    assert_eq!((code, &*said), (Some(2), expected));
    drop(gate);
    assert_eq!(end(first).0, Some(0));
    assert_eq!(server.requests().len(), 1);
    let replayed = start(&home, &server, &["chat", "--replay", "r.jsonl", "Hi"]).wait_with_output().unwrap();
    assert_eq!(replayed.stdout, b"first\n");
    // It is free again.
    assert_eq!(end(start(&home, &server, &["chat", "--record", "r.jsonl", "Hi"])).0, Some(0));
}

/// Four programs that find an expired session, whose refresh token works once.
fn refreshes_once(config: &str, cache: &str, session: &Value, token: &Value, services: &[(&str, &str)]) {
    let home = home();
    for (file, text) in [(".aws/config", config), (cache, &session.to_string())] {
        let file = home.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let (renewed, gate) = Answer::whole(200, "").gate();
    let refused = Answer::whole(400, r#"{"error":"invalid_grant"}"#);
    let tokens = Server::start([renewed.chunk(token.to_string()), refused]);
    let server = Server::start([answer("Hi")]);
    let program = || {
        let mut command = command(&home, &server);
        command.args(["chat", "--no-credential-cache", "Hi"]).envs(services.iter().copied());
        for service in ["AWS_ENDPOINT_URL_SSO_OIDC", "AWS_ENDPOINT_URL_SIGNIN"] {
            command.env(service, &tokens.url);
        }
        started(&mut command)
    };
    let programs = [(); 4].map(|()| program());
    while tokens.requests().is_empty() {
        std::thread::yield_now();
    }
    drop(gate);
    for program in programs {
        assert_eq!(end(program), (Some(0), String::new()));
    }
    assert_eq!(tokens.requests().len(), 1);
    let file = home.path().join(cache);
    let kept: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(kept["refreshToken"], "second");
    if cfg!(unix) {
        assert_eq!(names(file.parent().unwrap()).len(), 1);
    }
}

#[test]
fn programs_that_find_an_sso_token_at_its_end_refresh_it_once() {
    let portal = Server::start([Answer::whole(
        200,
        r#"{"roleCredentials":{"accessKeyId":"A","secretAccessKey":"s","sessionToken":"t","expiration":4070908800000}}"#,
    )]);
    refreshes_once(
        "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\nregion = eu-west-1\n\
         [sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n",
        // The SHA-1 of `corp`.
        ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json",
        &json!({
            "accessToken": "old", "expiresAt": "2020-01-01T00:00:00Z", "clientId": "c", "clientSecret": "s",
            "refreshToken": "first", "registrationExpiresAt": "2099-01-01T00:00:00Z",
        }),
        &json!({"accessToken": "new", "expiresIn": 3600, "refreshToken": "second"}),
        &[("AWS_ENDPOINT_URL_SSO", &portal.url)],
    );
    let asked = portal.requests();
    assert_eq!(asked.len(), 4);
    assert!(asked.iter().all(|request| request.header("x-amz-sso_bearer_token") == Some("new")));
}

#[test]
fn programs_that_find_a_login_session_at_its_end_refresh_it_once() {
    let key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIFDZHUzOG1Pzq+6F0mjMlOSp1syN9LRPBuHMoCFXTcXhoAoGCCqGSM49\nAwEHoUQDQgAE9qhj+KtcdHj1kVgwxWWWw++tqoh7H7UHs7oXh8jBbgF47rrYGC+t\ndjiIaHK3dBvvdE7MGj5HsepzLm3Kj91bqA==\n-----END EC PRIVATE KEY-----\n";
    let keys = |id: &str| json!({"accessKeyId": id, "secretAccessKey": "s", "sessionToken": "t"});
    let mut old = keys("ASIA1");
    old["expiresAt"] = "2020-01-01T00:00:00Z".into();
    refreshes_once(
        "[default]\nlogin_session = arn:aws:iam::123456789012:user/jo\nregion = eu-west-1\n",
        // The SHA-256 of the session.
        ".aws/login/cache/0ea03fbb86266908786ec00fead68e6efc82077e8b31cb39b90d5ca40cd87a66.json",
        &json!({"accessToken": old, "clientId": "c", "refreshToken": "first", "dpopKey": key}),
        &json!({"accessToken": keys("ASIA2"), "expiresIn": 900, "refreshToken": "second"}),
        &[],
    );
}
