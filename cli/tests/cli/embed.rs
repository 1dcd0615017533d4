//! `pumice embed`, end to end: texts in, vectors out.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use support::server::{Answer, Server};

fn embed(arguments: &[&str], server: &Server) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command
        .env_clear()
        .env("AWS_ACCESS_KEY_ID", "AKIDTEST")
        .env("AWS_SECRET_ACCESS_KEY", "sekret-key")
        .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &server.url)
        .arg("embed")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn output(arguments: &[&str], lines: &str, server: &Server) -> (Option<i32>, String, String) {
    let mut child = embed(arguments, server).spawn().unwrap();
    // A program that refuses its arguments does not read its input.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn titan(vector: &Value) -> Answer {
    Answer::whole(200, json!({"embedding": vector, "inputTextTokenCount": 3}).to_string())
}

#[test]
fn each_word_becomes_a_vector_in_a_line() {
    let server = Server::start([titan(&json!([0.5, -1e-7]))]);
    let (code, stdout, stderr) = output(&["--dimensions", "2", "one \"1\"", "two"], "", &server);
    assert_eq!((code, &*stdout, &*stderr), (Some(0), "[0.5,-1e-7]\n[0.5,-1e-7]\n", ""));
    let mut bodies = server.requests().iter().map(|request| request.json().to_string()).collect::<Vec<_>>();
    bodies.sort();
    assert_eq!(
        bodies,
        [r#"{"dimensions":2,"inputText":"one \"1\""}"#, r#"{"dimensions":2,"inputText":"two"}"#]
    );
    assert_eq!(server.requests()[0].line, "POST /model/amazon.titan-embed-text-v2%3A0/invoke HTTP/1.1");
    let (_, stdout, _) = output(&["--json", "one \"1\"", "two"], "", &server);
    let lines = stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    assert_eq!(lines[0], json!({"text": "one \"1\"", "embedding": [0.5, -1e-7]}));
    assert_eq!(lines[1]["text"], "two");
}

#[test]
fn lines_are_sent_together_where_the_model_takes_many() {
    let server = Server::start([Answer::whole(200, json!({"embeddings": [[1], [2]]}).to_string())]);
    let flags = ["-m", "cohere.embed-english-v3", "--input-type", "search_query", "--json"];
    let (code, stdout, stderr) = output(&[&flags[..], &["a", "b"]].concat(), "", &server);
    let expected = "{\"text\":\"a\",\"embedding\":[1]}\n{\"text\":\"b\",\"embedding\":[2]}\n";
    assert_eq!((code, &*stdout, &*stderr), (Some(0), expected, ""));
    let sent = server.requests()[0].json();
    assert_eq!(sent, json!({"texts": ["a", "b"], "input_type": "search_query"}));

    let (code, _, stderr) = output(&["-m", "cohere.embed-english-v3", "a"], "", &server);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("the model's response: expected 1 vectors, found 2"), "{stderr}");
}

#[test]
fn a_vector_is_printed_before_the_next_line_arrives() {
    let server = Server::start([titan(&json!([1]))]);
    let mut child = embed(&[], &server).spawn().unwrap();
    let mut lines = child.stdin.take().unwrap();
    let mut vectors = BufReader::new(child.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        lines.write_all(b"a line\r\n").unwrap();
        assert_eq!(vectors.next().unwrap().unwrap(), "[1]");
    }
    drop(lines);
    assert!(vectors.next().is_none());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(server.requests()[2].json(), json!({"inputText": "a line"}));
}

#[test]
fn what_cannot_be_embedded_is_said() {
    let server = Server::start([titan(&json!([1]))]);
    for (arguments, lines, said) in [
        (
            &["-m", "amazon.nova-lite-v1:0", "a"][..],
            "",
            "expected an embedding model of Titan or Cohere, found amazon.nova-lite-v1:0\nhint: name one with -m",
        ),
        (
            &["-m", "amazon.titan-embed-text-v1", "--dimensions", "5", "a"],
            "",
            "--dimensions: the vectors of amazon.titan-embed-text-v1 have one length only",
        ),
        (
            &["--input-type", "search_query", "a"],
            "",
            "--input-type: amazon.titan-embed-text-v2:0 takes none; it is for Cohere's models",
        ),
        (&["--dimensions", "0", "a"], "", "--dimensions: expected a whole number from 1, found \"0\""),
        (&[], "", "there is no text\nhint: give texts as words"),
        (&["a", "-"], "b", "expected texts or -, found both"),
        (&["a", " "], "", "text 2: expected a text, found none"),
    ] {
        let (code, _, stderr) = output(arguments, lines, &server);
        assert!(matches!(code, Some(2 | 5)), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_failure_after_output_is_5() {
    let server = Server::start([titan(&json!([1])), Answer::refusal(400, "ValidationException", "too long")]);
    let mut child = embed(&[], &server).spawn().unwrap();
    let mut lines = child.stdin.take().unwrap();
    lines.write_all(b"one\n").unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    lines.write_all(b"two\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&output.stderr).contains("too long"), "{output:?}");
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    // More often than once, because what notices it first is a matter of time.
    for _ in 0..8 {
        let server = Server::start([titan(&json!([1]))]);
        let mut child = embed(&[], &server).spawn().unwrap();
        let mut lines = child.stdin.take().unwrap();
        lines.write_all(b"one\n").unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0), "{output:?}");
        drop(lines);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn at_a_terminal_the_program_says_what_it_waits_for() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, what) in [
        (&["embed"][..], "a text per line"),
        (&["stream"], "one JSON object"),
        (&["stream", "--session"], "a JSON object per line"),
    ] {
        let environment = [("AWS_BEARER_TOKEN_BEDROCK", "t".to_owned())];
        let mut terminal = crate::terminal::Terminal::open(&home, arguments, &environment, (24, 80));
        terminal.until(&format!("note: reading {what} from standard input, until Ctrl-D"));
        terminal.child.kill().unwrap();
        terminal.child.wait().unwrap();
    }
}
