//! The program end to end: its output and its exit codes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use support::server;

use support::server::{Answer, Server, text_answer};
use tempfile::TempDir;

/// The program in a fake environment: keys, an empty home, one attempt per call.
fn pumice(home: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command
        .env_clear()
        .env("HOME", home.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ACCESS_KEY_ID", "AKIDTESTKEY")
        .env("AWS_SECRET_ACCESS_KEY", "sekret-access-key")
        .env("AWS_SESSION_TOKEN", "sekret-session-token")
        .env("AWS_MAX_ATTEMPTS", "1")
        .env("PUMICE_MODEL", "us.amazon.nova-lite-v1:0")
        .stdin(Stdio::null());
    command
}

fn chat(home: &TempDir, server: &Server) -> Command {
    let mut command = pumice(home);
    command.args(["chat", "--endpoint-url", &server.url, "Hi"]);
    command
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Runs with this on standard input.
fn with_input(command: &mut Command, input: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn piped(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn text_is_printed_as_it_arrives() {
    let home = home();
    // Nothing more is sent until the program has printed everything so far: if it kept a piece back, the test would wait
    // for ever.
    let (answer, first) = Answer::stream([server::message_start(), server::text(0, "Hel")]).gate();
    let (answer, second) = answer.chunk(server::text(0, "lo ")).gate();
    let rest = [
        server::text(0, "you"),
        server::block_stop(0),
        server::message_stop("end_turn"),
        server::metadata(1, 3),
    ];
    let server = Server::start([answer.chunk(rest.concat())]);

    let mut child = piped(&mut chat(&home, &server));
    let mut read = child.stdout.take().unwrap();
    let mut expect = |text: &str| {
        let mut found = vec![0; text.len()];
        read.read_exact(&mut found).unwrap();
        assert_eq!(std::str::from_utf8(&found).unwrap(), text);
    };
    expect("Hel");
    drop(first);
    expect("lo ");
    drop(second);
    expect("you\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn events_are_printed_as_they_arrive_and_under_the_apis_names() {
    let home = home();
    let (answer, gate) = Answer::stream([server::message_start(), server::text(0, "Hi")]).gate();
    let answer = answer
        .chunk([server::block_stop(0), server::message_stop("end_turn"), server::metadata(5, 2)].concat());
    let server = Server::start([answer]);

    let mut command = pumice(&home);
    command.args(["converse", "--request", "-", "--endpoint-url", &server.url]);
    let mut child = piped(command.stdin(Stdio::piped()));
    let request = r#"{"messages":[{"role":"user","content":[{"text":"Hi"}]}],"modelId":"a:b","inferenceConfig":{"maxTokens":9}}"#;
    child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();

    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), r#"{"messageStart":{"role":"assistant"}}"#);
    assert_eq!(
        lines.next().unwrap(),
        r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"Hi"}}}"#
    );
    drop(gate);
    let rest = lines.collect::<Vec<_>>();
    assert_eq!(
        rest,
        [
            r#"{"contentBlockStop":{"contentBlockIndex":0}}"#,
            r#"{"messageStop":{"stopReason":"end_turn"}}"#,
            r#"{"metadata":{"metrics":{"latencyMs":321},"usage":{"inputTokens":5,"outputTokens":2,"totalTokens":7}}}"#,
        ]
    );
    assert!(child.wait().unwrap().success());

    let received = &server.requests()[0];
    assert_eq!(received.line, "POST /model/a%3Ab/converse-stream HTTP/1.1");
    assert_eq!(
        std::str::from_utf8(&received.body).unwrap(),
        r#"{"messages":[{"role":"user","content":[{"text":"Hi"}]}],"inferenceConfig":{"maxTokens":9}}"#
    );
}

#[test]
fn a_whole_response_is_one_line() {
    let home = home();
    let body = "{\n \"output\": {\"message\": {\"role\": \"assistant\", \"content\": [{\"text\": \"Hi\\n\"}]}}, \
        \"stopReason\": \"end_turn\", \"usage\": {}, \"metrics\": {}, \"n\": 1e400}\n";
    let server = Server::start([Answer::whole(200, body)]);
    let mut command = pumice(&home);
    command.args(["converse", "--no-stream", "--request", "-", "--endpoint-url", &server.url]);
    let output = with_input(&mut command, r#"{"modelId":"m"}"#);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), body.replace('\n', "") + "\n");
    assert_eq!(server.requests()[0].line, "POST /model/m/converse HTTP/1.1");
    assert_eq!(server.requests()[0].body, b"{}");

    let server = Server::start([Answer::whole(200, "<html>")]);
    let output = with_input(
        pumice(&home).args(["converse", "--no-stream", "--request", "-", "--endpoint-url", &server.url]),
        r#"{"modelId":"m"}"#,
    );
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), ""), "{}", stderr(&output));
}

#[test]
fn text_is_printed_before_the_error() {
    let home = home();
    let begun = || vec![server::message_start(), server::text(0, "some text")];
    let mut half = server::text(0, "never seen");
    half.truncate(40);
    let mut damaged = server::text(0, "never seen");
    damaged[100] ^= 1;
    let exception = server::exception("modelStreamErrorException", "the model stumbled");
    let faults: [(&str, Answer, &str); 6] = [
        ("no messageStop", Answer::stream(begun()), "without messageStop"),
        ("mid-frame", Answer::stream(begun()).chunk(half), "inside the frame that begins at byte"),
        ("connection cut", Answer::stream(begun()).cut(), "broke off"),
        ("exception", Answer::stream(begun()).chunk(exception), "the model stumbled"),
        (
            "error frame",
            Answer::stream(begun()).chunk(server::error_frame("BadThing", "quite bad")),
            "BadThing: quite bad",
        ),
        ("damaged", Answer::stream(begun()).chunk(damaged), "message checksum"),
    ];
    for (name, answer, said) in faults {
        // In one piece, so that the cut frame arrives with the rest.
        let server = Server::start([answer]);
        let output = chat(&home, &server).output().unwrap();
        assert_eq!(stdout(&output), "some text\n", "{name}");
        assert_eq!(output.status.code(), Some(5), "{name}");
        assert!(stderr(&output).contains(said), "{name}: {}", stderr(&output));
    }
}

#[test]
fn before_any_output_the_kind_of_fault_decides() {
    let home = home();
    let html = "<html><head><title>403 Forbidden</title></head><body>Blocked by Proxy</body></html>";
    let stream_exception = |code| Answer::stream([server::exception(code, "said so")]);
    let cases: Vec<(&str, Answer, i32, &str)> = vec![
        ("400", Answer::refusal(400, "ValidationException", "said so"), 1, "ValidationException: said so"),
        ("404", Answer::refusal(404, "ResourceNotFoundException", "said so"), 1, "said so"),
        ("424", Answer::refusal(424, "ModelErrorException", "said so"), 1, "said so"),
        ("quota", Answer::refusal(400, "ServiceQuotaExceededException", "said so"), 1, "said so"),
        ("403", Answer::refusal(403, "AccessDeniedException", "said so"), 3, "said so"),
        ("401", Answer::refusal(401, "SomethingNew", "said so"), 3, "said so"),
        ("expired", Answer::refusal(403, "ExpiredTokenException", "said so"), 3, "said so"),
        (
            "proxy",
            Answer::whole(403, html).header("content-type", "text/html"),
            3,
            "403 Forbidden Blocked by Proxy",
        ),
        ("408", Answer::refusal(408, "ModelTimeoutException", "said so"), 4, "said so"),
        ("429", Answer::refusal(429, "ThrottlingException", "said so"), 4, "said so"),
        ("not ready", Answer::refusal(429, "ModelNotReadyException", "said so"), 4, "said so"),
        ("500", Answer::refusal(500, "InternalServerException", "said so"), 4, "said so"),
        ("503, empty", Answer::whole(503, ""), 4, "HTTP 503 Service Unavailable; the body is empty"),
        ("cut off", Answer::stream([server::message_start()]).cut(), 4, "broke off"),
        ("no answer", Answer::stream([]).cut(), 4, "broke off"),
        ("throttled", stream_exception("throttlingException"), 4, "throttlingException: said so"),
        ("invalid", stream_exception("validationException"), 1, "validationException: said so"),
        ("model", stream_exception("modelStreamErrorException"), 1, "said so"),
        ("unavailable", stream_exception("serviceUnavailableException"), 4, "said so"),
        ("not frames", Answer::stream([b"HTTP is not an event stream".to_vec()]), 1, "prelude checksum"),
    ];
    for (name, answer, code, said) in cases {
        let server = Server::start([answer]);
        let output = chat(&home, &server).arg("-v").output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{name}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{name}");
        assert!(stderr(&output).contains(said), "{name}: {}", stderr(&output));
        assert!(stderr(&output).contains("test-request-id"), "{name}: {}", stderr(&output));
        assert_eq!(server.requests().len(), 1, "{name}");
    }
}

#[test]
fn silence_has_an_end() {
    let home = home();
    let (answer, _gate) = Answer::stream([]).gate();
    let server = Server::start([answer]);
    let output = chat(&home, &server).args(["--timeout", "0.05"]).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(4), ""));
    assert!(stderr(&output).contains("idle timeout: no data for 0.05 seconds"), "{}", stderr(&output));

    let (answer, _gate) = Answer::stream([server::message_start(), server::text(0, "and then")]).gate();
    let server = Server::start([answer]);
    let output = chat(&home, &server).args(["--timeout", "0.5"]).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(5), "and then\n"), "{}", stderr(&output));

    // A listener that never responds.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let output =
        pumice(&home).args(["chat", "Hi", "--timeout", "0.05", "--endpoint-url", &url]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    assert!(
        stderr(&output).contains("first-byte timeout: no response within 0.05 seconds"),
        "{}",
        stderr(&output)
    );
    assert!(stderr(&output).contains("may be charged"), "{}", stderr(&output));
    assert!(stderr(&output).contains("--timeout SECONDS"), "{}", stderr(&output));
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let output = pumice(&home).args(["chat", "Hi", "--endpoint-url", &url]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let server = url.strip_prefix("http://").unwrap();
    assert!(stderr(&output).contains(&format!("no connection to {server}\n")), "{}", stderr(&output));
    assert!(stderr(&output).contains("hint: "), "{}", stderr(&output));
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_that_closes_while_the_model_is_silent_ends_the_call_at_once() {
    let home = home();
    let (answer, closed) = Answer::stream([server::message_start(), server::text(0, "enough")]).await_close();
    let server = Server::start([answer]);
    let mut child = piped(&mut chat(&home, &server));
    let mut read = child.stdout.take().unwrap();
    read.read_exact(&mut [0; 6]).unwrap();
    drop(read);
    closed.recv().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
}

#[test]
fn a_closed_pipe_is_no_error_and_ends_the_call() {
    let home = home();
    let (answer, gate) = Answer::stream([server::message_start(), server::text(0, "enough")]).gate();
    let (answer, closed) = answer.chunk(server::text(0, " of that")).await_close();
    let server = Server::start([answer]);
    let mut child = piped(&mut chat(&home, &server));
    let mut read = child.stdout.take().unwrap();
    read.read_exact(&mut [0; 6]).unwrap();
    drop(read);
    drop(gate);
    closed.recv().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
}

#[cfg(target_os = "linux")]
#[test]
fn a_closed_pipe_is_noticed_before_anything_has_come() {
    let home = home();
    std::fs::write(home.path().join("request.json"), r#"{"modelId":"m"}"#).unwrap();
    let request = ["--request", "request.json"];
    for arguments in [
        &["chat", "Hi"][..],
        &["chat", "--json", "Hi"],
        &["stream"],
        &["converse", request[0], request[1]],
        &["converse", "--no-stream", request[0], request[1]],
        &["call", "ConverseStream", request[0], request[1]],
        &["call", "InvokeModel", request[0], request[1]],
        &["call", "InvokeModel", "--raw", request[0], request[1]],
        &["models", "list"],
        &["models", "list", "--json"],
        &["models", "show", "m"],
        &["auth"],
    ] {
        // Nothing is sent except, the second time, the head of a response.
        for answer in [Answer::stream([]).pause(Duration::from_hours(1)), Answer::stream([]).await_close().0]
        {
            let server = Server::start([answer]);
            let mut command = pumice(&home);
            command.args(arguments).current_dir(home.path()).stdin(Stdio::piped());
            match arguments[0] {
                "models" => command.env("AWS_ENDPOINT_URL_BEDROCK", &server.url),
                "auth" => command
                    .env_remove("AWS_ACCESS_KEY_ID")
                    .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &server.url),
                _ => command.args(["--endpoint-url", &server.url]),
            };
            let mut child = piped(&mut command);
            let input = r#"{"model":{"id":"m"},"context":{"messages":[{"role":"user","content":"Hi"}]}}"#;
            let mut stdin = child.stdin.take().unwrap();
            if arguments[0] == "stream" {
                stdin.write_all(input.as_bytes()).unwrap();
            }
            drop(stdin);
            drop(child.stdout.take());
            let output = child.wait_with_output().unwrap();
            assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""), "{arguments:?}");
            // Without the watch, `auth` asks the container again and again, and notices the pipe only when it writes.
            let calls = server.requests().len();
            assert!(calls <= 1 || arguments[0] == "models", "{arguments:?}: {calls} calls");
        }
    }
}

#[test]
fn without_credentials_it_says_where_it_looked() {
    let home = home();
    for arguments in [&["chat", "Hi"][..], &["auth"], &["auth", "--json", "--offline"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_pumice"))
            .env_clear()
            .env("HOME", home.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("PUMICE_MODEL", "m")
            .args(arguments)
            .output()
            .unwrap();
        // `auth` lists the sources on standard output.
        let listed = if arguments == ["auth"] { stdout(&output) } else { "" };
        let said = format!("{listed}{}", stderr(&output));
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {said}");
        for part in [
            "error: no AWS credentials were found",
            "AWS_BEARER_TOKEN_BEDROCK: not set",
            "AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY: not set",
            &format!("{}/.aws/config", home.path().display()),
            "hint: ",
        ] {
            assert_eq!(said.matches(part).count(), 1, "{arguments:?}: {part} in {said}");
        }
        // Only commands that have the option recommend it.
        assert_eq!(said.contains("--replay FILE"), arguments[0] == "chat", "{arguments:?}: {said}");
    }
}

#[test]
fn a_proxy_that_asks_for_a_user_is_told_from_one_that_refuses_a_user() {
    let home = home();
    let server = Server::start([Answer::whole(407, "who is there?")]);
    let address = server.url.strip_prefix("http://").unwrap();
    for (user, hint) in [
        ("", "hint: put the user and the password into the proxy's URL: http://USER:PASSWORD@HOST"),
        ("me:sekret@", "hint: check the user and the password in the proxy's URL"),
    ] {
        let mut command = pumice(&home);
        command.env("HTTPS_PROXY", format!("http://{user}{address}"));
        let output =
            command.args(["chat", "--endpoint-url", "https://bedrock.example", "Hi"]).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{output:?}");
        assert!(stderr(&output).contains(hint) && !stderr(&output).contains("sekret"), "{output:?}");
    }
}

#[test]
fn hints_name_what_can_be_done() {
    let home = home();
    let uri = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    let cases: [(&str, &str, &[&str], &str, &str); 2] = [
        (
            "A",
            "",
            &["--profile", "nope"],
            "leave out --profile and AWS_PROFILE, or write a profile",
            "name one of",
        ),
        (uri, "http://127.0.0.1:1/x", &[], "check or unset AWS_CONTAINER_CREDENTIALS_FULL_URI", "--region"),
    ];
    for (variable, value, flags, hinted, not_hinted) in cases {
        let output = Command::new(env!("CARGO_BIN_EXE_pumice"))
            .env_clear()
            .env("HOME", home.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env(variable, value)
            .arg("auth")
            .args(flags)
            .output()
            .unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(hinted) && !said.contains(not_hinted), "{said}");
    }
}

#[test]
fn auth_tells_the_source_and_no_secret() {
    let home = home();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    std::fs::write(
        home.path().join(".aws/credentials"),
        "[work]\naws_access_key_id = AKIDWORK\naws_secret_access_key = sekret-work\n[half]\naws_access_key_id = AKIDHALF\n",
    )
    .unwrap();
    std::fs::write(home.path().join(".aws/config"), "[profile work]\nregion = eu-west-3\n").unwrap();
    let auth = |environment: &[(&str, &str)], arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_pumice"))
            .env_clear()
            .env("HOME", home.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(environment.iter().copied())
            .args(["auth", "--json"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(!format!("{}{}", stdout(&output), stderr(&output)).contains("sekret"));
        let json: serde_json::Value = serde_json::from_str(stdout(&output)).unwrap_or_default();
        (output.status.code().unwrap(), json, stderr(&output).to_owned())
    };

    let keys = [("AWS_ACCESS_KEY_ID", "AKIDENV"), ("AWS_SECRET_ACCESS_KEY", "sekret")];
    let (code, json, _) = auth(&keys, &["--region", "eu-north-1"]);
    assert_eq!(code, 0);
    assert_eq!(json["source"], "env: AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY");
    assert_eq!((json["kind"].as_str(), json["accessKeyId"].as_str()), (Some("sigv4"), Some("AKIDENV")));
    assert_eq!(
        (json["region"].as_str(), json["regionSource"].as_str()),
        (Some("eu-north-1"), Some("--region"))
    );
    assert_eq!(json["endpoint"], "https://bedrock-runtime.eu-north-1.amazonaws.com");
    assert_eq!(json["controlEndpoint"], "https://bedrock.eu-north-1.amazonaws.com");

    let (_, json, _) = auth(&[keys[0], keys[1], ("AWS_BEARER_TOKEN_BEDROCK", "sekret-token")], &[]);
    assert_eq!(
        (json["source"].as_str(), json["kind"].as_str()),
        (Some("env: AWS_BEARER_TOKEN_BEDROCK"), Some("bearer"))
    );
    assert_eq!(
        (json["region"].as_str(), json["regionSource"].as_str()),
        (Some("us-east-1"), Some("default"))
    );

    let (_, json, _) = auth(&[("AWS_PROFILE", "work")], &[]);
    assert_eq!(
        (json["source"].as_str(), json["link"].as_str()),
        (Some("env: AWS_PROFILE"), Some("profile work"))
    );
    assert_eq!(
        (json["region"].as_str(), json["regionSource"].as_str()),
        (Some("eu-west-3"), Some("profile work"))
    );
    let outcomes =
        json["tried"].as_array().unwrap().iter().map(|tried| tried["outcome"].clone()).collect::<Vec<_>>();
    assert_eq!(outcomes, ["skipped", "skipped", "used"]);

    // A profile that a flag names takes precedence over the environment.
    let (_, json, _) = auth(&keys, &["--profile", "work"]);
    assert_eq!(
        (json["source"].as_str(), json["accessKeyId"].as_str()),
        (Some("default chain"), Some("AKIDWORK"))
    );
    let (_, json, _) = auth(&[keys[0], keys[1], ("AWS_PROFILE", "work")], &[]);
    assert_eq!(json["accessKeyId"], "AKIDENV");

    let (code, json, said) = auth(&[("AWS_PROFILE", "wrok")], &[]);
    assert_eq!((code, json["source"].is_null()), (3, true));
    assert!(
        said.contains("there is no profile wrok in") && said.contains("name one of: half, work"),
        "{said}"
    );
    assert_eq!(json["tried"][2]["outcome"], "failed");
    let (code, _, said) = auth(&[("AWS_PROFILE", "half")], &[]);
    assert_eq!(code, 3);
    assert!(said.contains("the profile half has aws_access_key_id, but no aws_secret_access_key"), "{said}");
    // With a faulty region, endpoint or file, everything that is known is still printed.
    let (code, json, said) = auth(&[keys[0], keys[1], ("AWS_REGION", "no region")], &[]);
    assert_eq!(
        (code, json["accessKeyId"].as_str(), json["region"].is_null()),
        (2, Some("AKIDENV"), true),
        "{said}"
    );
    let broken = home.path().join("broken");
    std::fs::write(&broken, "no section").unwrap();
    let (code, json, said) = auth(&[("AWS_CONFIG_FILE", broken.to_str().unwrap())], &[]);
    assert_eq!((code, json["tried"][2]["outcome"].as_str()), (3, Some("failed")), "{said}");
    // `default` may be missing even if it is named.
    let (code, _, said) = auth(&[("AWS_PROFILE", "default")], &[]);
    assert_eq!((code, said.contains("no AWS credentials were found")), (3, true));
}

#[test]
fn a_replay_responds_as_the_service_did_and_holds_no_secret() {
    let home = home();
    let recording = home.path().join("exchange.jsonl");
    let server = Server::start([
        Answer::stream(text_answer(&["Pumice ", "floats."])).header("set-cookie", "sekret-cookie")
    ]);
    let live = chat(&home, &server).arg("--record").arg(&recording).output().unwrap();
    assert_eq!((live.status.code(), stdout(&live)), (Some(0), "Pumice floats.\n"), "{}", stderr(&live));

    let text = std::fs::read_to_string(&recording).unwrap();
    for secret in ["sekret", "AKIDTESTKEY", "authorization", "x-amz-security-token", "Signature"] {
        assert!(!text.to_lowercase().contains(&secret.to_lowercase()), "{secret} in {text}");
    }
    // No network, no credentials, no model: the recording has them all.
    let replay = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_pumice"))
            .env_clear()
            .args(["chat", "--replay"])
            .arg(&recording)
            .args(arguments)
            .output()
            .unwrap()
    };
    let replayed = replay(&["something", "else"]);
    assert_eq!(
        (replayed.status.code(), stdout(&replayed)),
        (Some(0), "Pumice floats.\n"),
        "{}",
        stderr(&replayed)
    );
    assert_eq!(replay(&["Hi", "--replay-strict"]).status.code(), Some(0));
    let strict = replay(&["--replay-strict", "Ho"]);
    assert_eq!((strict.status.code(), stdout(&strict)), (Some(2), ""));
    assert!(stderr(&strict).contains("messages[0].content[0].text"), "{}", stderr(&strict));
    assert_eq!(replay(&["Hi", "--replay-speed", "1000"]).status.code(), Some(0));
    assert_eq!(replay(&["Hi", "--replay-speed", "0"]).status.code(), Some(2));
    // The configuration does not affect a replay, and a replay does not record into its own file.
    let mut anywhere = pumice(&home);
    anywhere
        .env("AWS_REGION", "no region")
        .env("AWS_CONFIG_FILE", &recording)
        .env("HTTPS_PROXY", "socks5://x");
    let output = anywhere.args(["chat", "Hi", "--replay"]).arg(&recording).output().unwrap();
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), "Pumice floats.\n"), "{}", stderr(&output));
    let path = recording.to_str().unwrap();
    let output = pumice(&home).args(["chat", "Hi", "--replay", path, "--record", path]).output().unwrap();
    assert_eq!((output.status.code(), std::fs::read_to_string(&recording).unwrap()), (Some(2), text));
}

#[test]
fn no_verbosity_shows_a_secret() {
    let home = home();
    let server = Server::start([Answer::refusal(403, "AccessDeniedException", "no")]);
    for bearer in [false, true] {
        let mut command = chat(&home, &server);
        if bearer {
            command.env("AWS_BEARER_TOKEN_BEDROCK", "sekret-bearer-token");
        }
        let output = command.arg("-v").output().unwrap();
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert!(!said.contains("sekret") && !said.contains("Signature"), "{said}");
        let sent = &server.requests()[usize::from(bearer)];
        let authorization = sent.header("authorization").unwrap();
        if bearer {
            assert_eq!((authorization, sent.header("x-amz-date")), ("Bearer sekret-bearer-token", None));
        } else {
            assert_eq!(sent.header("x-amz-security-token"), Some("sekret-session-token"));
        }
    }
}

#[test]
fn the_prompt_comes_from_the_command_line_or_else_from_standard_input() {
    let home = home();
    let server = Server::start([Answer::stream(text_answer(&["ok"]))]);
    let endpoint = ["--endpoint-url", &server.url];
    let prompts: [(&[&str], &str, &str); 4] = [
        (&["chat", "two", "words"], "", "two words"),
        (&["chat"], "piped in\n", "piped in\n"),
        (&["chat", "-"], "piped in", "piped in"),
        (&["chat", "--", "-v"], "", "-v"),
    ];
    for (arguments, input, expected) in prompts {
        let mut command = pumice(&home);
        let output = with_input(command.args(endpoint).args(arguments), input);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        let sent = server.requests().last().unwrap().json();
        assert_eq!(sent["messages"][0]["content"][0]["text"], expected);
    }

    let output = chat(&home, &server)
        .args(["-m", "other", "-s", "Be brief.", "--max-tokens", "50", "--temperature=0.1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let sent = server.requests().pop().unwrap();
    assert_eq!(sent.line, "POST /model/other/converse-stream HTTP/1.1");
    assert_eq!(
        sent.json(),
        serde_json::json!({
            "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
            "system": [{"text": "Be brief."}],
            "inferenceConfig": {"maxTokens": 50, "temperature": 0.1},
        })
    );
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_is_expected() {
    let home = home();
    let cases: [(&[&str], &str); 25] = [
        (&[], "expected a command"),
        (&["caht"], "did you mean chat?"),
        (&["hlep"], "did you mean help?"),
        (&["chat", "--record", "-", "Hi"], "--record: expected a file, found -"),
        (&["chat", "--save=", "Hi"], "--save: expected a file, found none"),
        (&["--config", "", "config", "show"], "--config: expected a file, found none"),
        (&["--vresion"], "did you mean --version?"),
        (&["completions", "tcsh"], "expected bash, zsh, fish or powershell, found \"tcsh\""),
        (&["chat", "--regoin", "x", "Hi"], "did you mean --region?"),
        (
            &["chat", "--max-tokens", "many", "Hi"],
            "--max-tokens: expected a whole number from 1, found \"many\"",
        ),
        (
            &["chat", "--think", "lots", "Hi"],
            "--think: expected off, minimal, low, medium, high, xhigh or max, found \"lots\"",
        ),
        (&["chat", "--temperature", "2", "Hi"], "from 0 to 1"),
        (&["chat", "--timeout", "0", "Hi"], "--timeout"),
        (&["chat", "--region"], "--region"),
        (&["chat", ""], "the prompt is empty"),
        (&["chat"], "the prompt is empty"),
        (&["chat", "--replay-strict", "Hi"], "--replay FILE"),
        (&["chat", "--replay", "no/such/file", "Hi"], "no/such/file cannot be read"),
        (&["chat", "--region", "evil.example/", "Hi"], "region"),
        (&["chat", "--endpoint-url", "http://u:sekret@h", "Hi"], "endpoint URL"),
        (&["converse"], "--request"),
        (&["decode"], "FILE"),
        (&["models", "list", "--json", "--plain"], "expected --json or --plain, found both"),
        (&["models", "list", "--local", "--refresh"], "expected --local or --refresh, found both"),
        (&["models", "show", "a.b", "--plain"], "--plain goes with pumice models list"),
    ];
    for (arguments, said) in cases {
        let output = pumice(&home).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "");
        assert!(
            stderr(&output).starts_with("error: ") && stderr(&output).contains(said),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(!stderr(&output).contains("sekret"));
    }
    let output = with_input(pumice(&home).args(["converse", "--request", "-"]), "[]");
    assert_eq!(output.status.code(), Some(2));
    let output = pumice(&home)
        .env_remove("PUMICE_MODEL")
        .env("AWS_ENDPOINT_URL_BEDROCK", "http://127.0.0.1:1")
        .args(["chat", "Hi"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("PUMICE_MODEL"), "{}", stderr(&output));

    let mut converse = pumice(&home);
    converse.env_remove("PUMICE_MODEL").env("AWS_ENDPOINT_URL_BEDROCK", "http://127.0.0.1:1");
    let output = with_input(converse.args(["converse", "--request", "-"]), r#"{"messages": []}"#);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("hint: name one as modelId in the request, in PUMICE_MODEL"),
        "{output:?}"
    );

    // Over plain http, a token goes only to this machine.
    let output = pumice(&home)
        .env("AWS_BEARER_TOKEN_BEDROCK", "sekret")
        .args(["chat", "--endpoint-url", "http://bedrock.example", "Hi"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("bearer token") && !stderr(&output).contains("sekret"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn help_and_version_go_to_standard_output() {
    let home = home();
    for arguments in [
        &["--help"][..],
        &["chat", "--help"],
        &["-h"],
        &["decode", "-h", "file"],
        &["help"],
        &["help", "chat"],
        &["--version"],
        &["-V"],
        &["man"],
    ] {
        let output = pumice(&home).args(arguments).output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""), "{arguments:?}");
        assert!(stdout(&output).contains("pumice"), "{arguments:?}");
    }
    // -h is the short one, and is what the name of the program alone shows.
    let help = |arguments: &[&str]| stdout(&pumice(&home).args(arguments).output().unwrap()).to_owned();
    let (short, long) = (help(&["-h"]), help(&["--help"]));
    assert!(short.lines().count() < long.lines().count() && !short.contains("--region"));
    assert_eq!(long, help(&["help"]));
    assert_eq!(help(&["chat", "--help"]), help(&["help", "chat"]));
    assert!(help(&["chat", "-h"]).len() < help(&["chat", "--help"]).len());
    let output = pumice(&home).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stderr(&output), format!("error: expected a command\n\n{short}"));
}

/// The text of the one event that there is.
fn only_error(output: &Output) -> String {
    let event = serde_json::from_str::<serde_json::Value>(stdout(output)).unwrap();
    assert_eq!(event["type"], "error", "{event}");
    event["error"]["errorMessage"].as_str().unwrap().to_owned()
}

#[test]
fn a_stream_that_is_used_wrongly_has_an_error_event() {
    let home = home();
    let cases: [&[&str]; 4] =
        [&["stream", "--bogus"], &["stream", "-m", "x"], &["stream", "extra"], &["stream", "--color", "x"]];
    for arguments in cases {
        let output = pumice(&home).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let reported = only_error(&output);
        let first = reported.lines().next().unwrap();
        assert!(stderr(&output).starts_with(&format!("error: {first}")), "{arguments:?}: {reported}");
    }
    let output = pumice(&home).args(["stream", "--bogus"]).output().unwrap();
    assert!(only_error(&output).ends_with("\nhint: run pumice stream --help"), "{output:?}");
    let output = with_input(pumice(&home).arg("stream"), "{}");
    assert_eq!(output.status.code(), Some(2));
    assert!(only_error(&output).contains(": missing field `model`"), "{output:?}");
    // The input that the hint shows works.
    let reported = only_error(&output);
    let (_, least) = reported.split_once("\nhint: the smallest input is ").unwrap();
    pumice::pi::Input::from_json(least).unwrap();
}
