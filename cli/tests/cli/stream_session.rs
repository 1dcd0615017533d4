//! `pumice stream --session` end to end: many conversations in one process.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use support::server::{Answer, Server, message_start, text, text_answer};

struct Session {
    child: Child,
    input: Option<ChildStdin>,
    events: Lines<BufReader<ChildStdout>>,
}

impl Session {
    fn start(server: &Server, args: &[&str]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_pumice")), server, args)
    }

    fn start_by(mut command: Command, server: &Server, args: &[&str]) -> Self {
        command.args(["stream", "--session", "--endpoint-url", &server.url]).args(args);
        command.env_clear().env("HOME", "/nowhere").env("AWS_MAX_ATTEMPTS", "1");
        command.env("AWS_BEARER_TOKEN_BEDROCK", "token-of-the-environment");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        let mut session = Self { child, input, events: BufReader::new(output).lines() };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(session.next(), json!({"type": "hello", "version": version, "protocol": 1}));
        session
    }

    fn say(&mut self, line: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.events.next().unwrap().unwrap()).unwrap()
    }

    /// Ends the input. Returns the events that are left, and the exit code.
    fn end(mut self) -> (Vec<Value>, Option<i32>) {
        self.input = None;
        let left = self.events.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        (left, self.child.wait().unwrap().code())
    }
}

fn ask(id: impl Into<Value>, model: &str) -> Value {
    json!({
        "id": id.into(), "model": {"id": model},
        "context": {"messages": [{"role": "user", "content": "Hi"}]},
    })
}

#[test]
fn conversations_run_at_once_and_what_runs_is_finished() {
    let (slow, gate) = Answer::stream([message_start(), text(0, "slow")]).gate();
    let slow = text_answer(&["ly"]).into_iter().skip(1).fold(slow, Answer::chunk);
    let server =
        Server::start([Answer::stream(text_answer(&["quick"])).only_for("quick"), slow.only_for("slow")]);
    let mut session = Session::start(&server, &[]);
    session.say(&ask("a", "slow"));
    // Until the first has begun.
    while session.next()["type"] != "text_delta" {}
    session.say(&ask(7, "quick"));
    let mut quick = Vec::new();
    while quick.last().is_none_or(|event: &Value| event["type"] != "done") {
        quick.push(session.next());
    }
    assert!(quick.iter().all(|event| event["id"] == 7), "{quick:?}");
    assert_eq!(quick.last().unwrap()["message"]["content"][0]["text"], "quick");
    // The input may end before the conversations.
    session.input = None;
    drop(gate);
    let (left, code) = session.end();
    assert!(left.iter().all(|event| event["id"] == "a"), "{left:?}");
    assert_eq!(left.last().unwrap()["message"]["content"][0]["text"], "slowly");
    assert_eq!(code, Some(0));
}

#[test]
fn one_conversation_is_aborted_and_its_connection_closed() {
    let (endless, closed) = Answer::stream([message_start(), text(0, "so far")]).await_close();
    let server =
        Server::start([endless.only_for("endless"), Answer::stream(text_answer(&["x"])).only_for("other")]);
    let mut session = Session::start(&server, &[]);
    session.say(&ask("1", "endless"));
    while session.next()["type"] != "text_delta" {}
    // An id that runs is not taken twice, and that is no end of the one that runs.
    session.say(&ask("1", "other"));
    let refused = session.next();
    assert_eq!(
        (&refused["type"], &refused["kind"], refused.get("id")),
        (&json!("error"), &json!("invalidInput"), None)
    );
    session.say(&json!({"id": "unknown", "abort": true}));
    session.say(&json!({"id": "1", "abort": true}));
    let last = session.next();
    assert_eq!(last["id"], "1");
    assert_eq!(
        (&last["type"], &last["reason"], &last["kind"]),
        (&json!("error"), &json!("aborted"), &json!("aborted"))
    );
    assert_eq!(last["error"]["content"][0]["text"], "so far");
    closed.recv().unwrap();
    // Afterwards the id is free again.
    session.say(&ask("1", "other"));
    let (left, code) = session.end();
    assert_eq!((&left.last().unwrap()["type"], code), (&json!("done"), Some(0)));
}

/// Each has a connection, for which shells allow 1024 open files, or 256 on macOS.
#[cfg(unix)]
#[test]
fn more_conversations_run_at_once_than_a_shell_allows_open_files() {
    let endless = Answer::stream([message_start(), text(0, "so far")]).pause(Duration::from_hours(1));
    let server = Server::start([endless.chunk(text(0, "never"))]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -S -n 24; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_pumice")]);
    let mut session = Session::start_by(shell, &server, &[]);
    for id in 0..40 {
        session.say(&ask(id, "m"));
    }
    let mut begun = 0;
    while begun < 40 {
        let event = session.next();
        assert_ne!(event["type"], "error", "{event}");
        begun += usize::from(event["type"] == "text_delta");
    }
    session.child.kill().unwrap();
    session.child.wait().unwrap();
}

#[test]
fn errors_say_whether_to_try_again() {
    let server = Server::start([
        Answer::refusal(429, "ThrottlingException", "slow down").header("retry-after", "3").only_for("busy"),
        Answer::refusal(400, "ValidationException", "no").only_for("wrong"),
    ]);
    let mut session = Session::start(&server, &[]);
    for (model, kind, retryable, after) in
        [("busy", "throttled", true, json!(3000)), ("wrong", "validation", false, Value::Null)]
    {
        session.say(&ask(model, model));
        let event = session.next();
        assert_eq!(
            (&event["type"], &event["id"], &event["kind"]),
            (&json!("error"), &json!(model), &json!(kind))
        );
        assert_eq!((&event["retryable"], &event["retryAfterMs"]), (&json!(retryable), &after));
    }
    for (line, id, said) in [
        ("[1]", None, "expected one JSON object per line"),
        ("{\"model\": {\"id\": \"m\"}}", None, "id: expected a string or a number"),
        ("{\"id\": \"x\", \"model\": {\"id\": \"m\"}}", Some("x"), "missing field `context`"),
        ("{\"id\": \"x\", \"abort\": 1}", None, "abort: expected true or false"),
    ] {
        writeln!(session.input.as_mut().unwrap(), "{line}\n").unwrap();
        let event = session.next();
        assert_eq!((event["id"].as_str(), &event["kind"]), (id, &json!("invalidInput")), "{line}");
        assert!(event["error"]["errorMessage"].as_str().unwrap().contains(said), "{event}");
    }
    assert_eq!(session.end().1, Some(0));
}

#[test]
fn a_line_that_is_not_text_is_refused_and_the_others_go_on() {
    let server = Server::start([Answer::stream(text_answer(&["x"]))]);
    let mut session = Session::start(&server, &[]);
    let mut input = session.input.take().unwrap();
    // As PowerShell begins what it pipes.
    writeln!(input, "\u{feff}{{\"id\": \"unknown\", \"abort\": true}}\r").unwrap();
    input.write_all(b"{\"id\": \"\xff\"}\n").unwrap();
    writeln!(input, "{}", ask("é", "m")).unwrap();
    drop(input);
    let (events, code) = session.end();
    let refused = events.iter().filter(|event| event["type"] == "error").collect::<Vec<_>>();
    assert_eq!((refused.len(), refused[0].get("id")), (1, None), "{refused:?}");
    assert_eq!(refused[0]["error"]["errorMessage"], "standard input: expected UTF-8");
    let last = events.last().unwrap();
    assert_eq!((&last["type"], &last["id"], code), (&json!("done"), &json!("é"), Some(0)));
}

#[test]
fn an_id_is_the_same_however_its_characters_are_escaped() {
    let (endless, _closed) = Answer::stream([message_start(), text(0, "so far")]).await_close();
    let mut session = Session::start(&Server::start([endless]), &[]);
    session.say(&ask("é", "m"));
    while session.next()["type"] != "text_delta" {}
    writeln!(session.input.as_mut().unwrap(), "{{\"id\": \"\\u00e9\", \"abort\": true}}").unwrap();
    let last = session.next();
    assert_eq!((&last["id"], &last["reason"]), (&json!("é"), &json!("aborted")));
}

#[test]
fn what_an_input_says_of_the_call_is_its_own() {
    let server = Server::start([Answer::stream(text_answer(&["x"]))]);
    let mut session = Session::start(&server, &[]);
    let mut own = ask("own", "m");
    own["options"] = json!({"headers": {"x-own": "1"}, "bearerToken": "token-of-its-own"});
    session.say(&own);
    while session.next()["type"] != "done" {}
    session.say(&ask("plain", "m"));
    let (left, _) = session.end();
    assert_eq!(left.last().unwrap()["type"], "done");
    let requests = server.requests();
    assert_eq!(requests[0].header("x-own"), Some("1"));
    assert_eq!(requests[0].header("authorization"), Some("Bearer token-of-its-own"));
    assert_eq!(requests[1].header("x-own"), None);
    assert_eq!(requests[1].header("authorization"), Some("Bearer token-of-the-environment"));
}

#[test]
fn a_recording_is_replayed_across_conversations() {
    let server = Server::start([]);
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/text.jsonl");
    let mut session = Session::start(&server, &["--replay", fixture]);
    let mut line = ask("1", "");
    line["options"] = json!({"region": "eu-west-1"});
    session.say(&line);
    let mut events = BTreeMap::<String, usize>::new();
    loop {
        let event = session.next();
        *events.entry(event["type"].as_str().unwrap().to_owned()).or_default() += 1;
        if event["type"] == "done" {
            break;
        }
    }
    assert!(events["text_delta"] > 1, "{events:?}");
    // The recording has one call, which has been given.
    session.say(&ask("2", ""));
    let event = session.next();
    assert_eq!((&event["id"], &event["kind"]), (&json!("2"), &json!("recording")), "{event}");
    assert!(server.requests().is_empty());
}

#[test]
fn what_keeps_the_session_from_beginning_is_an_event_too() {
    let server = Server::start([]);
    for arguments in [&["--replay", "/no/such/file"][..], &["--timeout", "0"], &["--no-such-option"], &["x"]]
    {
        let mut session = Session::start(&server, arguments);
        let event = session.next();
        assert_eq!(
            (&event["type"], &event["kind"], event.get("id")),
            (&json!("error"), &json!("invalidInput"), None)
        );
        assert_eq!(session.end().1, Some(2));
    }
}

#[cfg(unix)]
#[test]
fn a_signal_ends_each_conversation_with_its_event() {
    use std::os::unix::process::ExitStatusExt as _;

    let endless = |model: &str| {
        Answer::stream([message_start(), text(0, "so far")]).await_close().0.only_for(&format!("/{model}/"))
    };
    for (name, number) in [("TERM", 15), ("INT", 2)] {
        let server = Server::start(["m0", "m1", "m2"].map(endless));
        let mut session = Session::start(&server, &[]);
        for id in 0..3 {
            session.say(&ask(id, &format!("m{id}")));
            while session.next()["type"] != "text_delta" {}
        }
        let kill = format!("kill -{name} {}", session.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let mut ids = (0..3)
            .map(|_| {
                let event = session.next();
                assert_eq!(
                    (&event["type"], &event["reason"]),
                    (&json!("error"), &json!("aborted")),
                    "{event}"
                );
                assert_eq!(event["error"]["content"][0]["text"], "so far");
                event["id"].as_u64().unwrap()
            })
            .collect::<Vec<_>>();
        ids.sort_unstable();
        assert_eq!(ids, [0, 1, 2]);
        assert!(session.events.next().is_none());
        assert_eq!(session.child.wait().unwrap().signal(), Some(number));
    }
}
