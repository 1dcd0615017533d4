//! Files that the program is told to read and that are none: each is an error at once. What a shell makes of
//! `<(command)` is a pipe, and is read.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use support::server::{Answer, Server, message_start, text, text_answer};
use tempfile::TempDir;

/// The program in an environment of its own, in its home folder, with keys unless the test names others.
fn pumice(home: &TempDir, variable: Option<(&str, &str)>, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command
        .args(arguments)
        .current_dir(home)
        .env_clear()
        .envs([("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_MAX_ATTEMPTS", "1"), ("AWS_REGION", "us-east-1")])
        .env("HOME", home.path())
        .env("PUMICE_MODEL", "m")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    match variable {
        Some((name, value)) if name.starts_with("AWS_") && name != "AWS_CA_BUNDLE" => {
            command.env(name, value)
        }
        Some((name, value)) => command.env("AWS_BEARER_TOKEN_BEDROCK", "t").env(name, value),
        None => command.env("AWS_BEARER_TOKEN_BEDROCK", "t"),
    };
    command
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn anything_but_a_regular_file_is_an_error_at_once() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name).display().to_string();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    fs::create_dir(at("folder")).unwrap();
    fs::File::create(at("endless")).unwrap().set_len(20 << 30).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();

    let ways: [(&str, &[&str], i32); 10] = [
        ("", &["converse", "--request", "FILE"], 2),
        ("", &["chat", "-f", "FILE", "Hi"], 2),
        ("", &["chat", "--continue", "FILE", "--save", "new", "Hi"], 2),
        ("", &["chat", "--replay", "FILE", "Hi"], 2),
        ("", &["chat", "--config", "FILE", "Hi"], 2),
        ("AWS_CONFIG_FILE", &["auth"], 3),
        ("AWS_SHARED_CREDENTIALS_FILE", &["auth"], 3),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", &["auth"], 3),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &["auth"], 3),
        ("AWS_CA_BUNDLE", &["chat", "--endpoint-url", "https://127.0.0.1:9", "Hi"], 2),
    ];
    for (file, found) in [
        (at("pipe"), "found a pipe that nobody writes to"),
        (at("socket"), "found a socket"),
        (at("folder"), "found a folder"),
        (at("endless"), "found more"),
        ("/dev/zero".to_owned(), "found a device"),
    ] {
        for (variable, arguments, exit) in ways {
            let arguments = arguments.iter().map(|word| if *word == "FILE" { file.as_str() } else { word });
            let variable = (!variable.is_empty()).then_some((variable, file.as_str()));
            let mut command = pumice(&home, variable, &arguments.collect::<Vec<_>>());
            command.env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r");
            if variable.is_some_and(|(name, _)| name.contains("CONTAINER")) {
                command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/");
            }
            let child = command.spawn().unwrap();
            let id = child.id().to_string();
            let (sender, ended) = channel();
            std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
            let Ok(output) = ended.recv_timeout(Duration::from_secs(20)) else {
                assert!(Command::new("kill").arg(id).status().unwrap().success());
                panic!("{command:?} waits for {file}");
            };
            let said = said(&output);
            assert_eq!(output.status.code(), Some(exit), "{command:?}: {said}");
            assert!(said.contains(found) && said.contains(&file), "{command:?}: {said}");
        }
    }
}

#[test]
fn pipes_are_read() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start([Answer::stream(text_answer(&["ok"]))]);
    let url = ["--endpoint-url", &server.url];
    let keys = "aws_access_key_id = AKPIPE\naws_secret_access_key = s\n";
    let config = format!("[default]\nregion = eu-west-3\n{keys}");
    let credentials = format!("[default]\n{keys}");
    let conversation = r#"{"messages":[{"role":"user","content":"Before"}]}"#;
    let settings = r#"{agents: {defaults: {model: {primary: "amazon-bedrock/from.settings"}}}}"#;
    let ways: [(&str, &[&str], &str, &str); 6] = [
        ("", &["converse", "--request", "/dev/stdin"], r#"{"modelId":"m","messages":[]}"#, "messages"),
        ("", &["chat", "-f", "/dev/stdin", "Hi"], "what the file holds", "d2hhdCB0aGUgZmlsZSBob2xkcw=="),
        ("", &["chat", "--continue", "/dev/stdin", "--save", "new", "Hi"], conversation, "Before"),
        ("", &["chat", "--config", "/dev/stdin", "Hi"], settings, "from.settings"),
        // Read for the credentials, for the region, and to see whether they have changed.
        ("AWS_CONFIG_FILE", &["chat", "Hi"], &config, "AKPIPE"),
        ("AWS_SHARED_CREDENTIALS_FILE", &["chat", "Hi"], &credentials, "AKPIPE"),
    ];
    for (variable, arguments, input, expected) in ways {
        let variable = (!variable.is_empty()).then_some((variable, "/dev/stdin"));
        let mut command = pumice(&home, variable, &[arguments, &url].concat());
        if variable.is_some_and(|(name, _)| name == "AWS_CONFIG_FILE") {
            command.env_remove("AWS_REGION");
        }
        if arguments.contains(&"--config") {
            command.env_remove("PUMICE_MODEL");
        }
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", said(&output));
        let request = server.requests().pop().unwrap();
        let sent = format!(
            "{} {} {}",
            request.line,
            request.header("authorization").unwrap(),
            String::from_utf8_lossy(&request.body)
        );
        assert!(sent.contains(expected), "{command:?}: {sent}");
        if input == config {
            assert!(sent.contains("/eu-west-3/bedrock/"), "{sent}");
        }
    }
}

/// A limit on the length of files is what a full disk is: a part of a line is taken, and then nothing.
#[test]
fn a_recording_on_a_full_disk_ends_with_a_whole_line() {
    let home = tempfile::tempdir().unwrap();
    let words = (0..200).map(|word| format!("word {word} ")).collect::<Vec<_>>();
    let words = words.iter().map(String::as_str).collect::<Vec<_>>();
    let server = Server::start([Answer::stream(text_answer(&words))]);
    let program = pumice(&home, None, &["chat", "Hi", "--record", "r.jsonl", "--endpoint-url", &server.url]);
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 3; exec \"$0\" \"$@\""]).arg(program.get_program());
    command.args(program.get_args()).current_dir(&home).env_clear();
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), words.concat().trim_end());
    let warnings = said(&output).lines().filter(|line| line.starts_with("warning: ")).count();
    assert_eq!(warnings, 1, "{}", said(&output));
    assert!(said(&output).contains("the recording r.jsonl cannot be written"), "{}", said(&output));

    let recording = fs::read_to_string(home.path().join("r.jsonl")).unwrap();
    assert!(recording.len() > 500 && recording.ends_with('\n'), "{recording}");
    for line in recording.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    let output = pumice(&home, None, &["chat", "Hi", "--replay", "r.jsonl"]).output().unwrap();
    assert!(said(&output).contains("the recording ends here"), "{}", said(&output));
}

#[test]
fn a_recording_is_not_written_to_a_device_that_swallows_it() {
    let home = tempfile::tempdir().unwrap();
    for (place, refused) in
        [("/dev/zero", true), ("/dev/full", false), ("/dev/null", false), ("/dev/stdout", false)]
    {
        let server = Server::start([Answer::stream(text_answer(&["Hi"]))]);
        let arguments = ["chat", "--record", place, "--endpoint-url", &server.url, "Hi"];
        let output = pumice(&home, None, &arguments).output().unwrap();
        let said = said(&output);
        let expected = "expected a file, a pipe, a terminal or /dev/null, found a device";
        assert_eq!(said.contains(expected), refused, "{place}: {said}");
        // Refused before anything is sent.
        assert_eq!(server.requests().len(), usize::from(!refused), "{place}: {said}");
        assert_eq!(output.status.code(), Some(if refused { 2 } else { 0 }), "{place}: {said}");
        assert_eq!(said.contains("warning: the recording"), place == "/dev/full", "{place}: {said}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert_eq!(stdout.starts_with("{\"recording\":"), place == "/dev/stdout", "{stdout}");
    }
}

#[test]
fn a_recording_without_a_request_is_an_error() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("r.jsonl"), "{\"recording\":{\"version\":1}}\n").unwrap();
    let output =
        pumice(&home, None, &["chat", "--replay", "r.jsonl", "Hi"]).env_remove("PUMICE_MODEL").output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("the recording has no call of a model"), "{}", said(&output));
}

#[test]
fn a_conversation_is_not_kept_in_a_pipe() {
    let home = tempfile::tempdir().unwrap();
    let pipe = home.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for place in ["pipe", "/dev/null"] {
        let output = pumice(&home, None, &["chat", "--continue", place, "Hi"]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(said(&output).contains("a pipe or a device"), "{}", said(&output));
    }
}

/// The standard library opens `/dev/null` to read and write in the place of a closed standard output, as Python and Node
/// do for a caller that ignores the output.
#[test]
fn output_that_nobody_wants_is_no_failure() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start([Answer::stream(text_answer(&["Hi"]))]);
    fs::write(home.path().join("request.json"), r#"{"modelId":"m"}"#).unwrap();
    for (arguments, kept) in [
        ("chat Hi", None),
        ("converse --request request.json", None),
        ("chat --save c.json Hi", Some("c.json")),
        ("chat --record r.jsonl Hi", Some("r.jsonl")),
    ] {
        for redirection in [">&-", "1<>/dev/null", ">/dev/null"] {
            let before = server.requests().len();
            let command = format!("exec \"$0\" {arguments} --endpoint-url \"$1\" {redirection}");
            let shell = pumice(&home, None, &[]);
            let mut run = Command::new("sh");
            run.args(["-c", &command, env!("CARGO_BIN_EXE_pumice"), &server.url]).current_dir(&home);
            run.env_clear().envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?))));
            let output = run.output().unwrap();
            let found = (output.status.code(), said(&output), server.requests().len() - before);
            assert_eq!(found, (Some(0), String::new(), 1), "{arguments} {redirection}");
            if let Some(kept) = kept {
                fs::remove_file(home.path().join(kept)).unwrap();
            }
        }
    }
}

/// Nothing that standard input could still bring is of use once nobody reads standard output.
#[test]
fn a_closed_output_ends_the_wait_for_input() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [
        &["decode", "-"][..],
        &["stream"],
        &["stream", "--session"],
        &["embed", "-m", "amazon.titan-embed-text-v2:0"],
        &["chat"],
        &["chat", "-f", "-", "Hi"],
        &["converse", "--request", "-"],
    ] {
        let mut child = pumice(&home, None, arguments).stdin(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let (ends, ended) = channel();
        drop(child.stdout.take());
        std::thread::spawn(move || ends.send(child.wait_with_output().unwrap()));
        let output = ended.recv_timeout(Duration::from_secs(20));
        drop(stdin);
        let output = output.unwrap_or_else(|_| panic!("{arguments:?} waits"));
        assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()), "{arguments:?}");
    }
}

/// Node gives the programs that it starts sockets, which hang up instead of failing.
#[cfg(target_os = "linux")]
#[test]
fn a_socket_that_hangs_up_is_a_closed_output() {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    let home = tempfile::tempdir().unwrap();
    let (endless, closed) = Answer::stream([message_start(), text(0, "enough")]).await_close();
    let server = Server::start([endless]);
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut command = pumice(&home, None, &["chat", "--endpoint-url", &server.url, "Hi"]);
    let mut child = command.stdout(std::os::fd::OwnedFd::from(theirs)).spawn().unwrap();
    // It keeps the other end open.
    drop(command);
    ours.read_exact(&mut [0; 6]).unwrap();
    drop(ours);
    closed.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
