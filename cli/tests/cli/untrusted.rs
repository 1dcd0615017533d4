//! Models, services, recordings and settings files are not trusted: they cannot control the terminal, make the program
//! write, call or send anything, or crash it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::inputs::framing;
use support::server;
use support::terminal;

use serde_json::{Value, json};
use support::server::{Answer, Server, event, exception, message_start, message_stop, text};
use tempfile::TempDir;

/// Window title, colors and cursor, a change of the writing direction, an invisible character, an 8-bit control, and a
/// line that looks like the program's own.
const HARM: &str =
    "a\u{1b}]0;title\u{7}\u{1b}[31m\u{1b}[2J\r\u{202e}b\u{200b}\u{feff}\u{9b}31m\u{e0041}\u{2066}c\u{8}";

fn pumice(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command
        .env_clear()
        .current_dir(home)
        .env("HOME", home)
        .env("TERM", "xterm")
        .env("COLUMNS", "10000")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "AKIDTESTKEY")
        .env("AWS_SECRET_ACCESS_KEY", "sekret")
        .env("AWS_MAX_ATTEMPTS", "1")
        .env("PUMICE_MODEL", "m")
        .stdin(Stdio::null());
    command
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn with_input(command: &mut Command, input: &[u8]) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that refuses its input does not read it to the end.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

/// Checks that the output, except for the program's own styles, has nothing that a terminal acts on. The terminal is so
/// wide that nothing is wrapped.
#[track_caller]
fn is_harmless(got: &str) {
    let mut plain = got.to_owned();
    for style in ["2", "0;2", "0;1", "0;3", "0;36", "1;31", "1;33", "1;36", "0"] {
        let style = format!("\u{1b}[{style}m");
        plain = plain.replace(&style, "");
    }
    let harmful = |c: &char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
                | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    let found = plain.chars().filter(harmful).collect::<Vec<_>>();
    assert!(found.is_empty(), "{found:?} in {got:?}");
}

fn tool(name: &str, id: &str) -> Vec<u8> {
    let start = json!({"contentBlockIndex": 2, "start": {"toolUse": {"name": name, "toolUseId": id}}});
    event("contentBlockStart", &start.to_string())
}

fn delta(index: u32, delta: &Value) -> Vec<u8> {
    event("contentBlockDelta", &json!({"contentBlockIndex": index, "delta": delta}).to_string())
}

/// A response in which everything that a model controls is harmful.
fn harmful_answer() -> Vec<Vec<u8>> {
    vec![
        message_start(),
        delta(0, &json!({"reasoningContent": {"text": format!("thinking {HARM}")}})),
        text(1, &format!("[click](https://example.com/{HARM}) {HARM}\n")),
        tool(&format!("tool {HARM}"), &format!("id {HARM}")),
        delta(2, &json!({"toolUse": {"input": json!({"path": HARM}).to_string()}})),
        message_stop(&format!("stop {HARM}")),
    ]
}

#[test]
fn a_model_cannot_do_anything_to_a_terminal() {
    let home = home();
    for (mut frames, last) in [
        (harmful_answer(), None),
        (harmful_answer(), Some(exception("modelStreamErrorException", &format!("no {HARM}\nerror: x")))),
        (vec![message_start(), text(0, HARM)], Some(server::error_frame(HARM, HARM))),
    ] {
        frames.extend(last);
        let stream = || Server::start([Answer::stream(frames.clone())]);
        for arguments in [&["chat", "Hi"][..], &["chat", "-v", "Hi"], &["chat", "--json", "Hi"]] {
            let server = stream();
            let (_, got) =
                terminal::run(pumice(home.path()).args(arguments).args(["--endpoint-url", &server.url]));
            is_harmless(&got);
            assert!(got.contains("\\u{202e}") || got.contains("\\u202e"), "{got:?}");
            // No link is followed, and nothing else is requested.
            assert_eq!(server.requests().len(), 1, "{got:?}");
        }
        let request = home.path().join("request.json");
        fs::write(&request, r#"{"modelId":"m","messages":[]}"#).unwrap();
        let server = stream();
        let arguments = ["converse", "--request", "request.json", "--endpoint-url", &server.url];
        let (_, got) = terminal::run(pumice(home.path()).args(arguments));
        is_harmless(&got);
        // JSON keeps its meaning.
        for line in got.lines().filter(|line| line.starts_with('{')) {
            serde_json::from_str::<Value>(line).unwrap();
        }
        fs::remove_file(request).unwrap();
    }
    // No file is written, whatever the response says.
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn scripts_and_emoji_survive_any_cut() {
    let home = home();
    let pieces = ["👩", "\u{200d}", "🚀 ❤\u{fe0f}", "\u{200d}🔥 می", "\u{200c}خواهم क्", "\u{200d}ष"];
    let mut frames = vec![message_start()];
    frames.extend(pieces.map(|piece| delta(0, &json!({"reasoningContent": {"text": piece}}))));
    frames.extend(pieces.map(|piece| text(1, piece)));
    // A stray combining character at the beginning of a piece is escaped too.
    frames.extend([text(1, " pass"), text(1, "\u{200d}word"), message_stop("end_turn")]);
    let server = Server::start([Answer::stream(frames)]);
    let (_, got) = terminal::run(pumice(home.path()).args(["chat", "Hi", "--endpoint-url", &server.url]));
    let plain = got.replace("\u{1b}[2m", "").replace("\u{1b}[0m", "");
    let whole = pieces.concat();
    assert!(plain.contains(&format!("{whole}\n{whole} pass\\u{{200d}}word")), "{plain:?}");
}

#[test]
fn output_to_a_pipe_is_not_escaped() {
    let home = home();
    let server = Server::start([Answer::stream(harmful_answer())]);
    let output = pumice(home.path()).args(["chat", "Hi", "--endpoint-url", &server.url]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, format!("[click](https://example.com/{HARM}) {HARM}\n"));
    // Messages on standard error are for people, wherever they go.
    is_harmless(std::str::from_utf8(&output.stderr).unwrap());
}

#[test]
fn a_refusal_cannot_do_anything_to_a_terminal() {
    let home = home();
    for refusal in [
        Answer::refusal(400, "ValidationException", &format!("no {HARM}\nhint: run this")),
        Answer::whole(502, format!("<html><title>{HARM}</title>")).header("x-amzn-requestid", "r\u{9b}31m"),
    ] {
        let server = Server::start([refusal]);
        let (status, got) =
            terminal::run(pumice(home.path()).args(["chat", "-v", "Hi", "--endpoint-url", &server.url]));
        assert!(matches!(status.code(), Some(1 | 4)), "{got:?}");
        is_harmless(&got);
        // A service's line cannot look like one of the program's.
        assert!(!got.contains("\nhint: run this"), "{got:?}");
    }
}

#[test]
fn foreign_messages_are_cut() {
    let home = home();
    let long = "x".repeat(5_000_000);
    for last in [
        exception("modelStreamErrorException", &long),
        server::error_frame(&"c".repeat(30_000), &"m".repeat(30_000)),
        message_stop(&long),
        tool(&long, &long),
        [vec![tool("t", "i"); 5000].concat(), message_stop("tool_use")].concat(),
        event("metadata", &json!({"usage": long}).to_string()),
    ] {
        for arguments in [&["chat", "-v", "Hi"][..], &["chat", "--json", "Hi"]] {
            let server = Server::start([Answer::stream([message_start(), text(0, "Hi"), last.clone()])]);
            let output = pumice(home.path()).args(arguments).args(["--endpoint-url", &server.url]).output();
            let output = output.unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.len() < 15_000, "{arguments:?}: {} bytes: {said:.200}", said.len());
            assert!(output.status.code().is_some_and(|code| code <= 5), "{said:.200}");
        }
    }
}

#[test]
fn names_from_a_list_stay_in_their_line() {
    let home = home();
    let name = format!("Nova {HARM}\nforged.model-v1:0  forged");
    let model = json!({
        "modelId": "amazon.nova\n-x-v1:0", "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/x",
        "modelName": name, "providerName": HARM, "inputModalities": ["TEXT"], "outputModalities": ["TEXT"],
        "responseStreamingSupported": true, "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"}
    });
    let server = Server::start([
        Answer::whole(200, json!({"modelSummaries": [model]}).to_string()).only_for("/foundation-models"),
        Answer::whole(200, json!({"inferenceProfileSummaries": []}).to_string()),
    ]);
    let models = |arguments: &[&str]| {
        let mut command = pumice(home.path());
        command.arg("models").args(arguments).env("AWS_ENDPOINT_URL_BEDROCK", &server.url);
        command
    };
    for arguments in [&["list"][..], &["list", "--plain"], &["list", "--json"]] {
        let (status, got) = terminal::run(&mut models(arguments));
        assert!(status.success(), "{got}");
        is_harmless(&got);
        let output = models(arguments).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let lines = if arguments.len() == 1 { 2 } else { 1 };
        assert_eq!(said.lines().count(), lines, "{said:?}");
        assert!(!said.lines().any(|line| line.starts_with("forged") || line.starts_with("-x")), "{said:?}");
    }
    let (status, got) = terminal::run(&mut models(&["show", "amazon.nova\n-x-v1:0"]));
    assert!(status.success(), "{got}");
    is_harmless(&got);
    assert!(!got.contains("\nforged") && !got.contains("\n-x"), "{got:?}");
}

#[test]
fn headers_of_a_stream_stay_in_their_line() {
    let home = home();
    let header = |name: &str, value: &str| {
        let name_length = u8::try_from(name.len()).unwrap();
        let value_length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[name_length], name.as_bytes(), &[7], &value_length, value.as_bytes()].concat()
    };
    let headers = [
        header(":message-type", "event"),
        header(":event-type", HARM),
        header("x\n:event-type=forged {}", "y\n:event-type=forged {}"),
        header("\u{1b}[31m", HARM),
    ];
    let file = home.path().join("stream");
    fs::write(&file, framing::frame(&headers.concat(), format!("{{\"text\":\"{HARM}\"}}").as_bytes()))
        .unwrap();
    for arguments in [&[][..], &["--json"], &["--events"]] {
        let (_, got) = terminal::run(pumice(home.path()).args(["decode", "stream"]).args(arguments));
        is_harmless(&got);
        let output = pumice(home.path()).args(["decode", "stream"]).args(arguments).output().unwrap();
        assert!(String::from_utf8(output.stdout).unwrap().lines().count() <= 1);
    }
}

#[test]
fn settings_of_a_stranger_do_nothing_to_a_terminal_and_run_nothing() {
    let home = home();
    let settings = json!({
        "models": {"providers": {"amazon-bedrock": {"models": [{"id": format!("id{HARM}"), "name": HARM}]}}},
        "agents": {"defaults": {"model": format!("m{HARM}"), "models": {HARM: {"alias": HARM}}}}
    });
    fs::write(home.path().join("s.json"), settings.to_string()).unwrap();
    for arguments in [
        &["config", "show"][..],
        &["config", "get", "agents.defaults.model"],
        &["config", "get", "models"],
        &["models", "list", "--local"],
        &["models", "list", "--local", "--plain"],
        &["models", "show", "--local", "zzz"],
        &["chat", "Hi", "--endpoint-url", "http://127.0.0.1:1"],
    ] {
        let mut command = pumice(home.path());
        let (_, got) =
            terminal::run(command.args(arguments).args(["--config", "s.json"]).env_remove("PUMICE_MODEL"));
        assert!(!got.is_empty());
        is_harmless(&got);
    }
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
}

/// A recording of one exchange with `url` and this response.
fn recording(url: &str, operation: &str, head: &Value, body: &str) -> String {
    [
        json!({"recording": {"version": 1}}),
        json!({"request": {"exchange": 1, "operation": operation, "method": "POST",
            "url": format!("{url}/model/%2e%2e%2fx/converse-stream"), "headers": {"authorization": "x"},
            "json": {"path": "/etc/passwd"}}}),
        json!({"response": {"exchange": 1, "afterMs": 0, "status": head["status"], "headers": head["headers"]}}),
        json!({"chunk": {"exchange": 1, "afterMs": 0, "text": body}}),
        json!({"end": {"exchange": 1, "afterMs": 0}}),
    ]
    .map(|line| format!("{line}\n"))
    .concat()
}

#[test]
fn a_recording_makes_the_program_write_call_and_send_nothing() {
    let home = home();
    let server = Server::start([Answer::whole(200, "{}")]);
    let headers = json!({"location": server.url, "refresh": "0", "set-cookie": "a=b", "content-type": "application/json",
        "x-amzn-errortype": "ExpiredTokenException", "date": "Sat, 01 Jan 2000 00:00:00 GMT"});
    let list =
        json!({"modelSummaries": [{"modelId": "x", "modelArn": "x"}], "nextToken": server.url}).to_string();
    for (operation, status, body) in [
        ("ConverseStream", 302, "{}"),
        ("ConverseStream", 403, r#"{"message":"The security token included in the request is expired"}"#),
        (
            "ConverseStream",
            400,
            r#"{"message":"on-demand throughput isn’t supported; use an inference profile"}"#,
        ),
        ("Converse", 200, r#"{"output":{},"stopReason":"x","usage":{},"metrics":{}}"#),
        ("ListFoundationModels", 200, &list),
    ] {
        let text = recording(&server.url, operation, &json!({"status": status, "headers": headers}), body);
        fs::write(home.path().join("r.jsonl"), text).unwrap();
        fs::write(home.path().join("request.json"), r#"{"messages":[]}"#).unwrap();
        for arguments in [
            &["chat", "Hi", "--auto-profile"][..],
            &["chat", "--json", "Hi"],
            &["converse", "--no-stream", "--request", "request.json"],
            &["call", "ListFoundationModels"],
            &["models", "list", "--refresh"],
            &["models", "show", "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a"],
            &["auth"],
        ] {
            let mut command = pumice(home.path());
            command.args(arguments).env_remove("PUMICE_MODEL").env("AWS_ENDPOINT_URL", &server.url);
            if arguments[0] != "auth" {
                command.args(["--replay", "r.jsonl"]);
            }
            let output = command.output().unwrap();
            assert!(output.status.code().is_some(), "{arguments:?}: {output:?}");
        }
    }
    assert!(server.requests().is_empty(), "{:?}", server.requests());
    let mut left =
        fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    left.sort();
    assert_eq!(left, ["r.jsonl", "request.json"]);
}

#[test]
fn depth_does_not_bring_it_down() {
    let home = home();
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(50_000), close.repeat(50_000));
    let (lists, objects) = (deep("[", "]"), deep("{\"a\":", "}"));
    for deep in [lists.as_str(), objects.trim_end_matches('}'), "[".repeat(100_000).as_str()] {
        fs::write(home.path().join("s.json"), format!("{{models:{deep}}}")).unwrap();
        let input = format!(
            r#"{{"model":{{"id":"m"}},"context":{{"messages":[{{"role":"user","content":{deep}}}],"tools":[{{"name":"n","description":"","parameters":{deep}}}]}}}}"#
        );
        let server = Server::start([
            Answer::stream([
                message_start(),
                tool("n", "t"),
                delta(2, &json!({"toolUse": {"input": format!("{{\"a\":{deep}}}")}})),
                event("contentBlockStop", r#"{"contentBlockIndex":2}"#),
                event("unheardOf", &format!(r#"{{"a":{deep}}}"#)),
                message_stop("tool_use"),
            ]),
            Answer::whole(400, format!(r#"{{"message":{deep}}}"#)),
        ]);
        let endpoint = ["--endpoint-url", &server.url];
        let run = |arguments: &[&str], input: &str| {
            let output = with_input(pumice(home.path()).args(arguments), input.as_bytes());
            let code = output.status.code();
            assert!(code.is_some_and(|code| code <= 5), "{arguments:?}: {code:?}");
            assert!(output.stderr.len() < 10_000, "{arguments:?}");
        };
        run(&["chat", "--json", "Hi", endpoint[0], endpoint[1]], "");
        run(&["converse", "--request", "-", endpoint[0], endpoint[1]], &format!(r#"{{"messages":{deep}}}"#));
        run(&["stream", endpoint[0], endpoint[1]], &input);
        run(&["config", "show", "--config", "s.json"], "");
        run(&["config", "set", "a", &deep[..100_000.min(deep.len())], "--config", "s.json"], "");
        run(&["models", "list", "--local", "--config", "s.json"], "");
        let line = format!(r#"{{"recording":{{"version":1,"x":{deep}}}}}"#);
        fs::write(home.path().join("r.jsonl"), &line).unwrap();
        run(&["chat", "Hi", "--replay", "r.jsonl"], "");
        run(&["decode", "--json", "-"], "");
    }
}

#[test]
fn files_and_lists_have_an_end() {
    let home = home();
    let run = |command: &mut Command| {
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    // Pipes that never end. Other kinds of file are in `files.rs`.
    #[cfg(unix)]
    for (arguments, longest) in [
        (["config", "show", "--config", "/dev/stdin"].as_slice(), "16777216"),
        (&["converse", "--request", "-"], "268435456"),
    ] {
        let mut endless = Command::new("yes").stdout(Stdio::piped()).spawn().unwrap();
        let pipe = endless.stdout.take().unwrap();
        let (code, said) = run(pumice(home.path()).args(arguments).stdin(pipe));
        endless.wait().unwrap();
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(&format!("expected at most {longest} bytes, found more")), "{said}");
    }
    // A list in which every page has a next page.
    let pages = (0..1002).map(|page| {
        Answer::whole(200, json!({"modelSummaries": [], "nextToken": page.to_string()}).to_string())
    });
    let server = Server::start(pages);
    let mut command = pumice(home.path());
    let (code, said) =
        run(command.args(["call", "ListInferenceProfiles"]).env("AWS_ENDPOINT_URL_BEDROCK", &server.url));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("at most 1000 pages"), "{said}");
}
