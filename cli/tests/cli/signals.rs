//! Signals end the program as they end others, and what had come of a response is kept.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use support::server::{self, Answer, Server, text_answer};
use tempfile::TempDir;

/// The signals that end the program. Under `nohup`, SIGHUP is ignored by all that is started.
pub(crate) fn ending_signals() -> Vec<(&'static str, i32)> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    let mut signals = vec![("INT", 2), ("TERM", 15)];
    if ignored & 1 == 0 {
        signals.push(("HUP", 1));
    }
    signals
}

fn pumice(home: &TempDir, server: &Server, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command.args(args).args(["--endpoint-url", &server.url]).current_dir(home).env_clear();
    command.env("HOME", home.path()).env("AWS_BEARER_TOKEN_BEDROCK", "t").env("PUMICE_MODEL", "m");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn send(child: &Child, signal: &str) {
    // The shell has `kill` built in; a program of that name is not on every machine.
    let kill = format!("kill -{signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}

/// A response that begins and never ends.
fn endless() -> (Answer, std::sync::mpsc::Receiver<()>) {
    Answer::stream([server::message_start(), server::text(0, "go on")]).await_close()
}

const INPUT: &str = r#"{"model":{"id":"m"},"context":{"messages":[{"role":"user","content":"Hi"}]}}"#;

#[test]
fn a_signal_ends_the_call_and_the_program_dies_of_it() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("request.json"), r#"{"modelId":"m"}"#).unwrap();
    for (name, number) in ending_signals() {
        for args in [
            &["chat", "Hi"][..],
            &["converse", "--request", "request.json"],
            &["call", "ConverseStream", "--request", "request.json"],
        ] {
            let (answer, closed) = endless();
            let server = Server::start([answer]);
            let mut child = pumice(&home, &server, args).spawn().unwrap();
            child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
            send(&child, name);
            closed.recv().unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(number), "{args:?}");
        }
    }
}

/// The shell gets the signal too, and goes on if the program exits by itself.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_a_shells_loop() {
    let home = tempfile::tempdir().unwrap();
    let (answer, closed) = endless();
    let server = Server::start([answer, Answer::stream(text_answer(&["again"]))]);
    let script = "for i in 1 2 3; do \"$0\" chat --endpoint-url \"$1\" Hi; done";
    // Where the tests run in the background, SIGINT may be ignored, and a shell that is started so does not heed it.
    let args = ["--default-signal=INT", "bash", "-c", script, env!("CARGO_BIN_EXE_pumice"), &server.url];
    let environment = [
        ("HOME", home.path().display().to_string()),
        ("AWS_BEARER_TOKEN_BEDROCK", "t".to_owned()),
        ("PUMICE_MODEL", "m".to_owned()),
    ];
    let mut terminal = crate::terminal::Terminal::run("env", &home, &args, &environment, (24, 80));
    terminal.until("go on");
    terminal.write("\x03");
    closed.recv().unwrap();
    assert_eq!(terminal.end().1.signal(), Some(2));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn what_came_of_a_single_response_is_saved_and_can_be_continued() {
    for (name, number) in ending_signals() {
        for json in [&[][..], &["--json"]] {
            let home = tempfile::tempdir().unwrap();
            let (answer, closed) = endless();
            let server = Server::start([answer, Answer::stream(text_answer(&["better"]))]);
            let args = [&["chat", "--save", "c.json", "Hi"], json].concat();
            let mut child = pumice(&home, &server, &args).spawn().unwrap();
            let mut stdout = child.stdout.take().unwrap();
            let mut read = Vec::new();
            while !read.ends_with(b"go on") {
                let mut byte = [0];
                stdout.read_exact(&mut byte).unwrap();
                read.extend(byte);
            }
            send(&child, name);
            closed.recv().unwrap();
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.signal(), Some(number), "{output:?}");
            let conversation: Value =
                serde_json::from_slice(&fs::read(home.path().join("c.json")).unwrap()).unwrap();
            let messages = conversation["messages"].as_array().unwrap();
            assert_eq!(messages.len(), 2);
            assert_eq!(messages[1]["content"], json!([{"type": "text", "text": "go on"}]));
            assert_eq!(messages[1]["stopReason"], "aborted", "the mark of a part");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.contains("note: the part that has arrived is saved in c.json"), "{said}");

            let output = pumice(&home, &server, &["chat", "--continue", "c.json", "More"]).output().unwrap();
            assert_eq!(output.stdout, b"better\n");
        }
    }
}

#[test]
fn events_end_with_the_one_that_says_so() {
    let home = tempfile::tempdir().unwrap();
    for (name, number) in ending_signals() {
        for args in [&["stream"][..], &["chat", "--json", "Hi"]] {
            let spawn = |server: &Server| {
                let mut child = pumice(&home, server, args).spawn().unwrap();
                if args == ["stream"] {
                    child.stdin.take().unwrap().write_all(INPUT.as_bytes()).unwrap();
                }
                child
            };
            let last = |child: Child| {
                let output = child.wait_with_output().unwrap();
                assert_eq!(output.status.signal(), Some(number), "{args:?}: {output:?}");
                let text = String::from_utf8(output.stdout).unwrap();
                let event: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
                assert_eq!(
                    (&event["type"], &event["reason"]),
                    (&json!("error"), &json!("aborted")),
                    "{event}"
                );
                assert_eq!(event["error"]["stopReason"], "aborted");
                event
            };
            let (answer, closed) = endless();
            let server = Server::start([answer]);
            let mut child = spawn(&server);
            let mut stdout = BufReader::new(child.stdout.take().unwrap());
            let mut line = String::new();
            while !line.contains("go on") {
                line.clear();
                stdout.read_line(&mut line).unwrap();
            }
            send(&child, name);
            closed.recv().unwrap();
            let mut rest = String::new();
            stdout.read_to_string(&mut rest).unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(number));
            let event: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
            assert_eq!((&event["type"], &event["reason"]), (&json!("error"), &json!("aborted")), "{event}");
            assert_eq!(event["error"]["content"], json!([{"type": "text", "text": "go on"}]));

            // Before anything has come.
            let (silent, _gate) = Answer::whole(200, "").gate();
            let server = Server::start([silent]);
            let child = spawn(&server);
            while server.requests().is_empty() {
                std::thread::yield_now();
            }
            send(&child, name);
            assert_eq!(last(child)["error"]["content"], json!([]));
            if args == ["stream"] {
                // Before the input has.
                let mut child = pumice(&home, &server, args).spawn().unwrap();
                let mut stdin = child.stdin.take().unwrap();
                stdin.write_all(b"{").unwrap();
                // It handles signals from when its thread for them runs.
                let threads = format!("/proc/{}/task", child.id());
                while cfg!(target_os = "linux") && fs::read_dir(&threads).unwrap().count() < 3 {
                    std::thread::yield_now();
                }
                send(&child, name);
                assert_eq!(last(child)["error"]["content"], json!([]));
                drop(stdin);
            }
        }
    }
}

#[test]
fn a_program_that_was_started_with_nohup_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let (answer, gate) = Answer::stream([server::message_start(), server::text(0, "and ")]).gate();
    let rest = [server::text(0, "on"), server::block_stop(0), server::message_stop("end_turn")].concat();
    let server = Server::start([answer.chunk(rest)]);
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "trap '' HUP; exec \"$0\" chat --endpoint-url \"$1\" Hi",
        env!("CARGO_BIN_EXE_pumice"),
        &server.url,
    ]);
    command
        .env_clear()
        .env("HOME", home.path())
        .env("AWS_BEARER_TOKEN_BEDROCK", "t")
        .env("PUMICE_MODEL", "m");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 4]).unwrap();
    send(&child, "HUP");
    drop(gate);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"on\n"[..]));
}

/// The reader neither reads nor closes its end.
#[test]
fn a_signal_ends_a_blocked_write() {
    let home = tempfile::tempdir().unwrap();
    let long = "a".repeat(10_000);
    let mut frames = vec![server::message_start()];
    frames.extend((0..100).map(|_| server::text(0, &long)));
    let (answer, closed) = Answer::stream(frames).await_close();
    let server = Server::start([answer]);
    let mut child = pumice(&home, &server, &["chat", "Hi"]).spawn().unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
    send(&child, "TERM");
    assert_eq!(child.wait().unwrap().signal(), Some(15));
    closed.recv().unwrap();
}
