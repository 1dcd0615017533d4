//! `pumice bulk`: many requests of a file.
//!
//! With `PUMICE_SOAK_SECONDS` set, as for `tests/soak.rs`, the run that is killed has 10,000 records.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use support::busy::{Busy, Manner, text_of};
use support::server::{Answer, Server, text_answer};
use tempfile::TempDir;

/// The program with `bulk`, in a folder that has the input and gets the output.
fn bulk(folder: &TempDir, url: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command.current_dir(folder).env_clear().env("HOME", folder.path()).env("AWS_BEARER_TOKEN_BEDROCK", "t");
    command.env("AWS_EC2_METADATA_DISABLED", "true").stdin(Stdio::null());
    command.args(["bulk", "in.jsonl", "--out", "out.jsonl", "-m", "m", "--endpoint-url", url]).args(args);
    command
}

fn ends(command: &mut Command, code: i32) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{stderr}");
    stderr
}

/// A folder with these lines as the input.
fn folder(lines: impl IntoIterator<Item = String>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = lines.into_iter().map(|line| line + "\n").collect::<String>();
    fs::write(folder.path().join("in.jsonl"), text).unwrap();
    folder
}

/// A record that asks `text r`, where `r` is its id.
fn record(id: usize) -> String {
    let text = format!("text {id}");
    json!({
        "recordId": format!("{id}"),
        "modelInput": {
            "messages": [{"role": "user", "content": [{"text": text}]}], "inferenceConfig": {"maxTokens": 500},
        },
    })
    .to_string()
}

fn records(count: usize) -> TempDir {
    folder((0..count).map(record))
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is torn");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn output(folder: &TempDir) -> Vec<Value> {
    lines(&folder.path().join("out.jsonl"))
}

fn ids(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["recordId"].as_str().unwrap()).collect()
}

/// The totals must be the sum of the lines.
fn check_summary(folder: &TempDir, summary: &Value) {
    let lines = output(folder);
    let count = |member: &str| lines.iter().filter(|line| !line[member].is_null()).count();
    let sum = |member: &str| {
        lines.iter().filter_map(|line| line["modelOutput"]["usage"][member].as_u64()).sum::<u64>()
    };
    assert_eq!(summary["records"], lines.len());
    assert_eq!(summary["answered"], count("modelOutput"));
    assert_eq!(summary["failed"], count("error"));
    assert_eq!(summary["inputTokens"], sum("inputTokens"));
    assert_eq!(summary["outputTokens"], sum("outputTokens"));
    let mut failures = BTreeMap::<String, u64>::new();
    for code in lines.iter().filter_map(|line| line["error"]["errorCode"].as_u64()) {
        *failures.entry(code.to_string()).or_default() += 1;
    }
    assert_eq!(summary["failures"], json!(failures));
    let models = summary["models"].as_array().unwrap();
    for member in ["answered", "inputTokens", "outputTokens"] {
        let sum = models.iter().filter_map(|model| model[member].as_u64()).sum::<u64>();
        assert_eq!(summary[member], sum, "{member}");
    }
}

fn summary(folder: &TempDir) -> Value {
    let summary = serde_json::from_slice(&fs::read(folder.path().join("sum.json")).unwrap()).unwrap();
    check_summary(folder, &summary);
    summary
}

#[test]
fn each_record_has_its_result_in_bedrocks_form() {
    let server = Busy::start(Manner::default());
    let prompt = r#"{"prompt":"text 7","modelId":"other"}"#;
    let input = json!({"messages": [{"role": "user", "content": [{"text": "text 8"}]}], "modelId": "other"});
    let own = json!({"recordId": "eight", "modelInput": input}).to_string();
    let folder = folder((0..3).map(record).chain([String::new(), prompt.to_owned(), own]));
    let stderr = ends(&mut bulk(&folder, &server.url, &["--summary", "sum.json"]), 0);
    let mut found = output(&folder);
    found.sort_by_key(|line| line["recordId"].to_string());
    assert_eq!(ids(&found), ["0", "1", "2", "CALL0000005", "eight"]);
    for (line, asked) in found.iter().zip([0, 1, 2, 7, 8]) {
        let asked = format!("text {asked}");
        let members = line.as_object().unwrap().keys().collect::<Vec<_>>();
        assert_eq!(members, ["modelInput", "modelOutput", "recordId"]);
        assert_eq!(text_of(&line["modelInput"]), asked);
        assert_eq!(line["modelInput"]["modelId"], Value::Null);
        assert_eq!(
            line["modelOutput"]["output"]["message"],
            json!({"role": "assistant", "content": [{"text": asked}]})
        );
        assert_eq!(line["modelOutput"]["stopReason"], "end_turn");
    }
    let summary = summary(&folder);
    let models =
        summary["models"].as_array().unwrap().iter().map(|model| (&model["modelId"], &model["answered"]));
    assert_eq!(models.collect::<Vec<_>>(), [(&json!("m"), &json!(3)), (&json!("other"), &json!(2))]);
    assert!(stderr.contains("5 of 5 done, 0 failed"), "{stderr}");
    assert!(stderr.contains("\nother "), "{stderr}");

    // The same command asks nothing again, and has the same totals.
    let written = fs::read(folder.path().join("out.jsonl")).unwrap();
    ends(&mut bulk(&folder, "http://127.0.0.1:9", &["--summary", "sum.json"]), 0);
    assert_eq!(fs::read(folder.path().join("out.jsonl")).unwrap(), written);
    let again = self::summary(&folder);
    assert_eq!((&again["models"], &again["latencyMs"]), (&summary["models"], &summary["latencyMs"]));
    assert_eq!(again["run"]["done"], 0);
    assert_eq!(server.answered(), 5);
}

#[test]
fn a_throttled_request_is_asked_until_it_is_answered() {
    let server = Busy::start(Manner { allowed: 5, takes: Duration::from_millis(2), ..Manner::default() });
    let folder = records(300);
    let stderr = ends(&mut bulk(&folder, &server.url, &["--summary", "sum.json"]), 0);
    assert_eq!(output(&folder).len(), 300);
    assert!(server.asked().values().all(|times| *times == 1));
    assert!(server.throttled() > 0);
    let throttled = summary(&folder)["run"]["throttled"].as_u64().unwrap();
    assert_eq!(throttled, server.throttled() as u64);
    assert!(stderr.contains("throttled"), "{stderr}");
    // The reservation is worth a word: 500 tokens for 6.
    assert!(stderr.contains("a maxTokens of 500 and its response 6 tokens"), "{stderr}");
}

#[test]
fn a_line_that_is_no_request_is_named_by_its_number_and_fails() {
    let server = Busy::start(Manner::default());
    let wrong = ["{\"recordId\":\"x\",\"modelInput\":{\"messages\":1}}", "not JSON", "{\"recordId\":\"y\"}"];
    let folder = folder([record(0)].into_iter().chain(wrong.map(str::to_owned)).chain([record(1)]));
    let stderr = ends(&mut bulk(&folder, &server.url, &["--summary", "sum.json"]), 1);
    for said in [
        "in.jsonl, line 2: modelInput: expected a list, found integer `1`",
        "in.jsonl, line 3: expected a JSON object, found other text",
        "in.jsonl, line 4: expected modelInput or prompt, found neither",
        "records with an error: 3 of 5",
    ] {
        assert!(stderr.contains(said), "{said}\n{stderr}");
    }
    let found = output(&folder);
    let line = |id: &str| found.iter().find(|line| line["recordId"] == id).unwrap();
    assert_eq!(line("x")["modelInput"], json!({"messages": 1}));
    assert_eq!(line("x")["error"]["errorCode"], 400);
    assert_eq!(line("CALL0000003")["modelInput"], Value::Null);
    assert_eq!(found.len(), 5);
    assert_eq!(summary(&folder)["failures"], json!({"400": 3}));
    // They are as wrong as before.
    ends(&mut bulk(&folder, &server.url, &["--retry-failed"]), 1);
    assert_eq!(output(&folder), found);
    assert_eq!(server.answered(), 2);
}

#[test]
fn two_records_with_one_id_are_an_error_before_anything_is_asked() {
    let server = Busy::start(Manner::default());
    let folder = folder([record(0), record(1), record(0)]);
    let stderr = ends(&mut bulk(&folder, &server.url, &[]), 2);
    assert!(stderr.contains("in.jsonl: lines 1 and 3 have the same recordId"), "{stderr}");
    assert!(server.asked().is_empty() && !folder.path().join("out.jsonl").exists());
}

#[test]
fn what_failed_is_asked_again_only_if_that_is_wanted_and_then_replaced() {
    let refuses: fn(&str) -> _ =
        |text| (text == "text 1").then_some((400, "ValidationException", "no such tokens"));
    let strict = Busy::start(Manner { refuses, ..Manner::default() });
    let folder = records(3);
    let stderr = ends(&mut bulk(&folder, &strict.url, &[]), 1);
    assert!(
        stderr.contains("failed with 400: 1, for example: ValidationException: no such tokens"),
        "{stderr}"
    );
    let error = json!({"errorCode": 400, "errorMessage": "ValidationException: no such tokens"});
    let line = output(&folder).into_iter().find(|line| line["recordId"] == "1").unwrap();
    assert_eq!(line["error"], error);

    let server = Busy::start(Manner::default());
    ends(&mut bulk(&folder, &server.url, &[]), 1);
    assert_eq!(server.answered(), 0);
    ends(&mut bulk(&folder, &server.url, &["--retry-failed", "--summary", "sum.json"]), 0);
    assert_eq!(server.asked().into_keys().collect::<Vec<_>>(), ["text 1"]);
    let found = output(&folder);
    assert_eq!(ids(&found).into_iter().collect::<BTreeSet<_>>().len(), 3);
    assert_eq!(found.len(), 3);
    summary(&folder);
}

#[test]
fn an_outage_is_retried_and_a_lasting_one_fails_the_record() {
    let refuses: fn(&str) -> _ = |text| (text == "text 1").then_some((500, "InternalServerException", "oh"));
    let server = Busy::start(Manner { refuses, ..Manner::default() });
    let folder = records(3);
    ends(&mut bulk(&folder, &server.url, &["--summary", "sum.json"]), 1);
    assert_eq!(summary(&folder)["failures"], json!({"500": 1}));
}

#[test]
fn refused_credentials_end_the_run_and_keep_what_is_written() {
    let refusal = || {
        Answer::refusal(403, "ExpiredTokenException", "The security token included in the request is expired")
    };
    let answers = (0..4).map(|_| Answer::stream(text_answer(&["Hi"]))).chain([refusal()]);
    let server = Server::start(answers);
    let folder = records(50);
    let stderr = ends(&mut bulk(&folder, &server.url, &["--concurrency", "1"]), 3);
    assert!(stderr.contains("ExpiredTokenException"), "{stderr}");
    assert_eq!(ids(&output(&folder)), ["0", "1", "2", "3"]);
    assert_eq!(server.requests().len(), 5);
    // A quota of a day is as final.
    let used_up = "Too many tokens per day, please wait before trying again.";
    let server = Server::start([Answer::refusal(429, "ThrottlingException", used_up)]);
    ends(&mut bulk(&folder, &server.url, &["--concurrency", "1"]), 1);
    assert_eq!(server.requests().len(), 1);
    // And so is a server that is not there.
    ends(&mut bulk(&folder, "http://127.0.0.1:9", &[]), 4);
    assert_eq!(output(&folder).len(), 4);
}

#[test]
fn a_torn_last_line_is_cut_off_and_asked_again() {
    let server = Busy::start(Manner::default());
    let folder = records(5);
    ends(&mut bulk(&folder, &server.url, &[]), 0);
    let path = folder.path().join("out.jsonl");
    let whole = fs::read(&path).unwrap();
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for cut in [last + 1, last + 5, last + 30, whole.len() - 2, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        let before = server.answered();
        let stderr = ends(&mut bulk(&folder, &server.url, &[]), 0);
        let is_torn = cut < whole.len() - 1;
        assert_eq!(stderr.contains("the last line is incomplete"), is_torn, "{cut} {stderr}");
        assert_eq!(server.answered() - before, usize::from(is_torn), "{cut}");
        assert_eq!(output(&folder).len(), 5);
    }
    // A file of something else stays.
    fs::write(&path, "my only copy").unwrap();
    let stderr = ends(&mut bulk(&folder, &server.url, &[]), 2);
    assert!(stderr.contains("line 1: expected a JSON object"), "{stderr}");
    assert_eq!(fs::read(&path).unwrap(), b"my only copy");
}

#[test]
fn an_id_made_of_a_line_number_is_not_taken_for_another_request() {
    let server = Busy::start(Manner::default());
    let prompt = |text: &str| json!({ "prompt": text }).to_string();
    let folder = folder([prompt("a"), prompt("b")]);
    ends(&mut bulk(&folder, &server.url, &[]), 0);
    let shifted = [prompt("new"), prompt("a"), prompt("b")].map(|line| line + "\n").concat();
    fs::write(folder.path().join("in.jsonl"), shifted).unwrap();
    let stderr = ends(&mut bulk(&folder, &server.url, &[]), 2);
    assert!(stderr.contains("is not the result of line"), "{stderr}");
    assert_eq!(output(&folder).len(), 2);
}

#[test]
fn the_output_is_in_the_order_of_the_input_if_that_is_wanted() {
    let folder = records(200);
    let expected = (0..200).map(|id| id.to_string()).collect::<Vec<_>>();
    // The first run fails for some, and the second answers them.
    let refuses: fn(&str) -> _ = |text| text.ends_with('3').then_some((424, "ModelErrorException", "no"));
    let takes = Duration::from_millis(1);
    let server = Busy::start(Manner { refuses, takes, ..Manner::default() });
    ends(&mut bulk(&folder, &server.url, &["--ordered"]), 1);
    assert_eq!(ids(&output(&folder)), expected);
    let server = Busy::start(Manner { takes, ..Manner::default() });
    ends(&mut bulk(&folder, &server.url, &["--ordered", "--retry-failed"]), 0);
    assert_eq!(ids(&output(&folder)), expected);
    assert!(output(&folder).iter().all(|line| line["error"].is_null()));
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with('.')).count(), 0);
}

#[test]
fn a_second_run_on_the_same_output_is_refused() {
    let folder = records(2);
    let (endless, closed) = Answer::stream([support::server::message_start()]).await_close();
    let (endless, asked) = Answer::signal(endless);
    drop(asked);
    let server = Server::start([endless]);
    let mut first =
        bulk(&folder, &server.url, &["--concurrency", "1"]).stderr(Stdio::null()).spawn().unwrap();
    while server.requests().is_empty() {
        std::thread::yield_now();
    }
    let stderr = ends(&mut bulk(&folder, &server.url, &[]), 2);
    assert!(stderr.contains("another run is writing"), "{stderr}");
    assert_eq!(server.requests().len(), 1);
    first.kill().unwrap();
    first.wait().unwrap();
    closed.recv().unwrap();
    let server = Busy::start(Manner::default());
    ends(&mut bulk(&folder, &server.url, &[]), 0);
}

#[cfg(unix)]
#[test]
fn a_full_disk_ends_the_run_with_whole_lines() {
    let server = Busy::start(Manner::default());
    let folder = records(200);
    let program = env!("CARGO_BIN_EXE_pumice");
    // A limit on the size of files, whose signal is ignored, fails writes as a full disk does: in the middle of a line.
    let script = format!("trap '' XFSZ; ulimit -f 16; exec '{program}' \"$@\"");
    let limited = bulk(&folder, &server.url, &[]);
    let mut command = Command::new("sh");
    command.current_dir(&folder).env_clear().args(["-c", &script, "sh"]).args(limited.get_args());
    command.envs(limited.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let stderr = ends(&mut command, 5);
    assert!(stderr.contains("cannot be written to: File too large"), "{stderr}");
    let kept = output(&folder);
    assert!((10..200).contains(&kept.len()), "{}", kept.len());
    ends(&mut bulk(&folder, &server.url, &[]), 0);
    assert_eq!(output(&folder).len(), 200);
    // What was kept is not asked again.
    let asked = server.asked();
    assert!(kept.iter().all(|line| asked[&text_of(&line["modelInput"])] == 1));
}

#[test]
fn an_output_that_is_no_file_or_the_input_is_refused() {
    let server = Busy::start(Manner::default());
    let folder = records(1);
    for (out, said) in [("in.jsonl", "expected a file other than the input"), (".", "expected a file")] {
        let stderr = ends(&mut bulk(&folder, &server.url, &["--out", out]), 2);
        assert!(stderr.contains(said), "{stderr}");
    }
    let stderr = ends(&mut bulk(&folder, &server.url, &["--summary", "none/sum.json"]), 2);
    assert!(stderr.contains("--summary none/sum.json cannot be written to"), "{stderr}");
    assert!(server.asked().is_empty());
}

/// Opening a pipe waits for a writer, which may never come.
#[cfg(unix)]
#[test]
fn an_input_that_is_a_pipe_is_an_error_at_once() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Command::new("mkfifo").arg(folder.path().join("in.jsonl")).status().unwrap().success());
    let stderr = ends(&mut bulk(&folder, "http://127.0.0.1:9", &["--dry-run"]), 2);
    assert!(stderr.contains("in.jsonl: expected a file, found something else"), "{stderr}");
}

#[test]
fn a_dry_run_counts_and_asks_nothing() {
    let folder = records(4);
    let model = "anthropic.claude-haiku-4-5-20251001-v1:0";
    let mut command =
        bulk(&folder, "http://127.0.0.1:9", &["--dry-run", "-m", model, "--summary", "sum.json"]);
    let output = command.env_remove("AWS_BEARER_TOKEN_BEDROCK").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        stdout,
        "records: 4, invalid: 0\nto send: 4\nabout 8 tokens of input: $0.0000\n\
         with at most 2,000 tokens of output: $0.0100\n"
    );
    let sum: Value = serde_json::from_slice(&fs::read(folder.path().join("sum.json")).unwrap()).unwrap();
    assert_eq!((&sum["open"], &sum["maxOutputTokens"]), (&json!(4), &json!(2000)));
    assert!(!folder.path().join("out.jsonl").exists());
}

#[test]
fn a_model_that_does_not_stream_is_asked_without_streaming() {
    let server = Server::start([
        Answer::refusal(400, "ValidationException", "The model is unsupported for streaming.").only_for("converse-stream"),
        Answer::whole(200, r#"{"output":{"message":{"role":"assistant","content":[]}},"stopReason":"end_turn","metrics":{},"usage":{"inputTokens":1,"outputTokens":1}}"#)
            .only_for("converse "),
    ]);
    let folder = records(6);
    ends(&mut bulk(&folder, &server.url, &["--concurrency", "1", "--summary", "sum.json"]), 0);
    summary(&folder);
    let streamed = server.requests().iter().filter(|request| request.line.contains("stream")).count();
    assert_eq!((streamed, server.requests().len()), (1, 7));
}

#[test]
fn a_run_is_recorded_and_replayed() {
    let server = Busy::start(Manner::default());
    let folder = records(5);
    ends(&mut bulk(&folder, &server.url, &["--record", "tape.jsonl"]), 0);
    let texts = |lines: &[Value]| {
        let text = |line: &Value| line["modelOutput"]["output"]["message"]["content"][0]["text"].to_string();
        lines.iter().map(text).collect::<BTreeSet<_>>()
    };
    let live = texts(&output(&folder));
    fs::remove_file(folder.path().join("out.jsonl")).unwrap();
    ends(
        bulk(&folder, "http://127.0.0.1:9", &["--replay", "tape.jsonl"])
            .env_remove("AWS_BEARER_TOKEN_BEDROCK"),
        0,
    );
    assert_eq!(texts(&output(&folder)), live);
    assert_eq!(server.answered(), 5);
    // A recording that has no more ends the run.
    fs::write(folder.path().join("in.jsonl"), (0..7).map(|id| record(id) + "\n").collect::<String>())
        .unwrap();
    let stderr = ends(&mut bulk(&folder, "http://127.0.0.1:9", &["--replay", "tape.jsonl", "--out", "o"]), 2);
    assert_eq!(lines(&folder.path().join("o")).len(), 5, "{stderr}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_calls_under_way_and_leaves_whole_lines() {
    let folder = records(500);
    let server = Busy::start(Manner { takes: Duration::from_millis(20), ..Manner::default() });
    let child = bulk(&folder, &server.url, &[]).stderr(Stdio::piped()).spawn().unwrap();
    while server.answered() < 40 {
        std::thread::yield_now();
    }
    let sent = Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap();
    assert!(sent.success());
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    // It dies of the signal, which shells show as 130.
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(2), "{stderr}");
    assert!(stderr.contains("stopped with Ctrl-C; the same command continues the run"), "{stderr}");
    let kept = output(&folder).len();
    assert!((1..500).contains(&kept), "{kept}");
    let before = server.asked();
    ends(&mut bulk(&folder, &server.url, &[]), 0);
    assert_eq!(output(&folder).len(), 500);
    let again =
        server.asked().into_iter().filter(|(text, times)| before.contains_key(text) && *times > 1).count();
    assert!(again <= before.len() - kept, "{again}");
}

#[test]
fn a_run_killed_at_any_moment_goes_on_where_it_was() {
    let count = if std::env::var("PUMICE_SOAK_SECONDS").is_ok() { 10_000 } else { 1_500 };
    let folder = records(count);
    let server = Busy::start(Manner { allowed: 50, takes: Duration::from_millis(1), ..Manner::default() });
    let mut state = 7u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut kept = BTreeMap::new();
    for _ in 0..20 {
        let mut child = bulk(&folder, &server.url, &[]).stderr(Stdio::null()).spawn().unwrap();
        let until = server.answered() + 1 + random(count / 21);
        while server.answered() < until && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What is written now is not asked again from here on.
        let asked = server.asked();
        let text = fs::read_to_string(folder.path().join("out.jsonl")).unwrap_or_default();
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let line: Value = serde_json::from_str(line).unwrap();
            let text = text_of(&line["modelInput"]);
            kept.entry(text.clone()).or_insert_with(|| asked[&text]);
        }
    }
    assert!(kept.len() > count / 10, "{}", kept.len());
    ends(&mut bulk(&folder, &server.url, &["--summary", "sum.json"]), 0);
    let found = output(&folder);
    assert_eq!(found.len(), count);
    assert_eq!(ids(&found).into_iter().collect::<BTreeSet<_>>().len(), count);
    for line in &found {
        assert_eq!(text_of(&line["modelInput"]), format!("text {}", line["recordId"].as_str().unwrap()));
        assert_eq!(
            line["modelOutput"]["output"]["message"]["content"][0]["text"],
            text_of(&line["modelInput"])
        );
    }
    summary(&folder);
    let asked = server.asked();
    assert!(kept.iter().all(|(text, times)| asked[text] == *times), "what was kept was asked again");
    let twice = asked.values().sum::<usize>() - count;
    assert!(twice <= 20 * 32, "{twice} were asked twice by 20 runs of at most 32 at once");
}
