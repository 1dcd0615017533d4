//! `pumice bulk`: how much it uses of what a service allows, and how much memory it takes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use self::busy::{Busy, Manner};
use crate::bar::Limit::{AtLeast, AtMost};
use crate::bar::{Bar, verdict};
use crate::measure::{Usage, launcher, read_usage};
use crate::package::CLI;
use crate::server::frames as server;

#[path = "../../../tests/support/src/busy/mod.rs"]
mod busy;

/// `program` in place of one that is built.
pub fn run(program: Option<&str>) -> ExitCode {
    let binary = program.map_or_else(|| CLI.build().binary, PathBuf::from);
    let binary = fs::canonicalize(binary).unwrap();
    let mut bars = many(&binary);
    bars.push(long(&binary));
    verdict(&bars)
}

/// 10,000 requests of 20 events, of a service that allows 50 at once.
fn many(binary: &Path) -> Vec<Bar> {
    const REQUESTS: usize = 10_000;
    const ALLOWED: u32 = 50;
    let manner = Manner {
        allowed: ALLOWED as usize,
        events: 20,
        takes: Duration::from_millis(150),
        ..Manner::default()
    };
    let server = Busy::start(manner);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.jsonl"), (0..REQUESTS).map(record).collect::<String>()).unwrap();
    let begun = Instant::now();
    let usage = bulk(binary, &folder, &server.url, &["--concurrency", "500"]);
    let elapsed = begun.elapsed();
    let used = server.used().as_secs_f64() / (elapsed * ALLOWED).as_secs_f64() * 100.0;
    println!(
        "{REQUESTS} requests in {:.1} s, {} throttled, {:.1} s of processor time",
        elapsed.as_secs_f64(),
        server.throttled(),
        usage.cpu.as_secs_f64()
    );
    vec![
        Bar::new("10,000 requests of 20 events, 50 at once: answered", answered(&folder), AtLeast(1e4), ""),
        Bar::new("used of what is allowed", used, AtLeast(90.0), "%"),
        Bar::new("peak memory", mebibytes(&usage), AtMost(30.0), "MiB"),
    ]
}

/// 1,000,000 records, most of which have a result already, in the wrong order.
fn long(binary: &Path) -> Bar {
    const RECORDS: usize = 1_000_000;
    const OPEN: usize = 1_000;
    let server = Busy::start(Manner::default());
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for id in 0..RECORDS {
        text.push_str(&record(id));
    }
    fs::write(folder.path().join("in.jsonl"), &text).unwrap();
    text.clear();
    for id in (OPEN..RECORDS).rev() {
        let input = &record(id)["{\"recordId\":\"0000000\",".len()..];
        let output = r#"{"output":{"message":{"role":"assistant","content":[{"text":"Yes."}]}},"stopReason":"end_turn","usage":{"inputTokens":9,"outputTokens":3,"totalTokens":12},"metrics":{"latencyMs":321}}"#;
        let input = input.trim_end().strip_suffix('}').unwrap();
        writeln!(text, r#"{{"recordId":"{id:07}",{input},"modelOutput":{output}}}"#).unwrap();
    }
    fs::write(folder.path().join("out.jsonl"), &text).unwrap();
    drop(text);
    let begun = Instant::now();
    let usage = bulk(binary, &folder, &server.url, &["--ordered"]);
    let answered = answered(&folder);
    assert!((answered - RECORDS as f64).abs() < 0.5 && server.answered() == OPEN, "{answered} were answered");
    println!("1,000,000 records, of which 1,000 were open, in {:.1} s", begun.elapsed().as_secs_f64());
    Bar::new(
        "1,000,000 records, continued and put in order: peak memory",
        mebibytes(&usage),
        AtMost(64.0),
        "MiB",
    )
}

fn record(id: usize) -> String {
    let message = json!({"role": "user", "content": [{"text": format!("Does pumice float? {id}")}]});
    format!("{{\"recordId\":\"{id:07}\",\"modelInput\":{}}}\n", json!({ "messages": [message] }))
}

fn bulk(binary: &Path, folder: &TempDir, url: &str, more: &[&str]) -> Usage {
    let report = folder.path().join("usage");
    let mut words = launcher(&report).into_iter();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).arg(binary).args([
        "bulk",
        "in.jsonl",
        "--out",
        "out.jsonl",
        "-m",
        "m",
        "--endpoint-url",
        url,
    ]);
    command.args(more).current_dir(folder.path()).env_clear().env("HOME", folder.path());
    command.env("AWS_BEARER_TOKEN_BEDROCK", "t").stdin(Stdio::null());
    let status = command.status().unwrap();
    assert!(status.success(), "pumice bulk: {status}");
    read_usage(&report)
}

/// How many records have a response.
fn answered(folder: &TempDir) -> f64 {
    let text = fs::read_to_string(folder.path().join("out.jsonl")).unwrap();
    let ids = text.lines().filter_map(|line| {
        let line = serde_json::from_str::<Value>(line).unwrap();
        line["modelOutput"].is_object().then(|| line["recordId"].to_string())
    });
    ids.collect::<BTreeSet<_>>().len() as f64
}

fn mebibytes(usage: &Usage) -> f64 {
    usage.peak_memory as f64 / 1024.0 / 1024.0
}
