//! What `pumice chat` asks: the words of the command line, and standard input only where it is asked for.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::json;
use support::server::{Answer, Server, text_answer};
use tempfile::TempDir;

fn chat(home: &TempDir, server: &Server, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command.args(["chat", "--endpoint-url", &server.url]).args(args).current_dir(home).env_clear();
    command.env("HOME", home.path()).env("AWS_BEARER_TOKEN_BEDROCK", "t").env("PUMICE_MODEL", "m");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it with this in the pipe before it starts.
fn with_input(command: &mut Command, input: &str) -> Output {
    let (read, mut write) = std::io::pipe().unwrap();
    write.write_all(input.as_bytes()).unwrap();
    drop(write);
    command.stdin(read).output().unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn a_dash_among_the_words_is_standard_input() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start([Answer::stream(text_answer(&["ok"]))]);
    for (words, input, expected) in [
        (&["Review this:", "-"][..], "a diff", "Review this: a diff"),
        (&["-", "is", "what?"], "this", "this is what?"),
        (&["-"], "all of it\n", "all of it\n"),
        (&[], "all of it\n", "all of it\n"),
        (&["a-b", "--", "--c"], "", "a-b --c"),
    ] {
        let output = with_input(&mut chat(&home, &server, words), input);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""), "{words:?}");
        let sent = server.requests().pop().unwrap().json();
        assert_eq!(sent["messages"][0]["content"], json!([{"text": expected}]));
    }
    // An empty pipe in the middle of a prompt is no error, but it may be a mistake.
    let output = with_input(&mut chat(&home, &server, &["Review this:", "-"]), "");
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), "note: standard input is empty\n"));
}

#[test]
fn a_file_may_be_standard_input() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start([Answer::stream(text_answer(&["ok"]))]);
    let output = with_input(&mut chat(&home, &server, &["-f", "-", "What is this?"]), "\u{89}PNG");
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    let sent = server.requests().pop().unwrap().json();
    let document = json!({"format": "txt", "name": "stdin", "source": {"bytes": "wolQTkc="}});
    assert_eq!(sent["messages"][0]["content"], json!([{"document": document}, {"text": "What is this?"}]));

    let before = server.requests().len();
    for (args, fault) in [
        (&["-", "and", "-"][..], "standard input can be read only once: expected one -, found 2"),
        (&["-f", "-", "What is this?", "-"], "standard input can be read only once: expected one -, found 2"),
        (&["-f", "-"], "-f -: expected a prompt as well"),
    ] {
        let output = with_input(&mut chat(&home, &server, args), "x");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains(fault), "{args:?}: {output:?}");
    }
    assert_eq!(server.requests().len(), before);
}

#[test]
fn input_that_was_not_asked_for_is_not_read_and_a_pipe_of_it_is_noted() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start([Answer::stream(text_answer(&["ok"]))]);
    let noted = "note: standard input was not read: to send it with the prompt, put - among the words";

    let output = with_input(&mut chat(&home, &server, &["Review this"]), "a diff");
    assert!(output.status.success() && stderr(&output).starts_with(noted), "{output:?}");
    assert_eq!(stderr(&output).matches("note: ").count(), 1, "{output:?}");
    assert_eq!(output.stdout, b"ok\n");
    // A pipe that has nothing, and a file, which a loop may read from.
    let output = with_input(&mut chat(&home, &server, &["Review this"]), "");
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
    fs::write(home.path().join("lines"), "one\ntwo\n").unwrap();
    let lines = fs::File::open(home.path().join("lines")).unwrap();
    let output = chat(&home, &server, &["Review this"]).stdin(lines).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));

    // A pipe that is written to while the model responds.
    let (late, gate) = Answer::stream(text_answer(&["late"])).gate();
    let slow = Server::start([late]);
    let mut child = chat(&home, &slow, &["Review this"]).spawn().unwrap();
    while slow.requests().is_empty() {
        std::thread::yield_now();
    }
    child.stdin.as_mut().unwrap().write_all(b"a diff").unwrap();
    drop(gate);
    let stdin = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert!(output.status.success() && stderr(&output).starts_with(noted), "{output:?}");

    // The loop gets each of its lines.
    server.forget_requests();
    let script = "while read -r line; do \"$0\" chat --endpoint-url \"$1\" \"$line\"; done < lines";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_pumice"), &server.url]).current_dir(&home).env_clear();
    shell.env("HOME", home.path()).env("AWS_BEARER_TOKEN_BEDROCK", "t").env("PUMICE_MODEL", "m");
    assert_eq!(shell.output().unwrap().stdout, b"ok\nok\n");
    let asked = server
        .requests()
        .iter()
        .map(|request| request.json()["messages"][0]["content"].clone())
        .collect::<Vec<_>>();
    assert_eq!(asked, [json!([{"text": "one"}]), json!([{"text": "two"}])]);
}
