//! The assistant's own work: `cargo bench --bench assistant`.
//!
//! Its limits: 20,000 pieces of a tool's arguments (240 KB) in under a second and in under 16 MB, twice as
//! many in at most 2.2 times as long; a history of 2,000 turns prepared in under 10 ms. The most memory that the
//! program has taken after the pieces is printed first, where the system tells it.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

mod answer;

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::SystemTime;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use pumice::Event;
use pumice::conversation;
use pumice::pi::{AssistantEvent, Input, Model, ResponseBuilder};
use serde_json::{Value, json};

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        let before = most_memory();
        fold(&pieces(20_000));
        println!(
            "most memory, in kB: {before:?} before 20,000 pieces of arguments, {:?} after",
            most_memory()
        );
    }
    benches();
    criterion::Criterion::default().configure_from_args().final_summary();
}

criterion_group! { name = benches; config = answer::criterion(); targets = arguments, history }

fn arguments(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tool arguments");
    for count in [20_000, 40_000] {
        let events = pieces(count);
        group.throughput(Throughput::Elements(count));
        group.bench_with_input(BenchmarkId::from_parameter(count), &events, |bencher, events| {
            bencher.iter(|| fold(events));
        });
    }
    group.finish();
}

/// A call of a tool whose arguments come in pieces of twelve characters.
fn pieces(count: u64) -> Vec<Event> {
    let delta = |text: &str| -> Event {
        let delta = json!({"contentBlockIndex": 0, "delta": {"toolUse": {"input": text}}});
        Event::ContentBlockDelta(serde_json::from_value(delta).unwrap())
    };
    let start = json!({"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "1", "name": "write"}}});
    let mut events = vec![Event::ContentBlockStart(serde_json::from_value(start).unwrap())];
    events.push(delta(r#"{"path": "a", "lines": [""#));
    // Strings, escapes and items, as a file that is written.
    events.extend(
        (0..count).map(|number| delta(if number % 4 == 3 { r#"\n", "next: "# } else { "let x = 12; " })),
    );
    events.push(delta(r#""]}"#));
    events.push(Event::ContentBlockStop(serde_json::from_value(json!({"contentBlockIndex": 0})).unwrap()));
    events
}

/// Collects a response like a program that reads the partial arguments with each piece.
fn fold(events: &[Event]) {
    let mut answer = ResponseBuilder::unprepared(&Model::new("m"), SystemTime::UNIX_EPOCH);
    let mut reported = VecDeque::new();
    for event in events {
        answer.push(event.clone(), &mut reported).unwrap();
        for reported in reported.drain(..) {
            if let AssistantEvent::ToolCallEnd { tool_call, .. } = &reported {
                assert_eq!(tool_call.arguments_error, None);
            }
            black_box(reported);
        }
        black_box(answer.arguments(0));
    }
    black_box(answer.finish());
}

fn history(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("history");
    for turns in [1_000, 2_000] {
        let input = conversation(turns);
        group.throughput(Throughput::Elements(turns));
        group.bench_with_input(BenchmarkId::from_parameter(turns), &input, |bencher, input| {
            bencher.iter(|| {
                let (request, target, options) = input.to_converse().unwrap();
                conversation::prepare(request, &target, &options).unwrap()
            });
        });
    }
    group.finish();
}

/// A conversation of so many turns, with thinking and tools, and a little of everything that is to be put
/// right: an id that the service refuses, a call without a result, a turn that failed.
fn conversation(turns: u64) -> Input {
    let model = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    let messages = (0..turns).map(|number| match number % 4 {
        0 => json!({"role": "user", "content": format!("question {number}: {}", "why? ".repeat(40))}),
        1 => json!({"role": "assistant", "model": model, "stopReason": "toolUse", "content": [
            {"type": "thinking", "thinking": "Look it up.", "thinkingSignature": "c2lnbmVk"},
            {"type": "text", "text": "I look it up."},
            {"type": "toolCall", "id": format!("call|{number}"), "name": "read.file", "arguments": {"path": "a"}},
            {"type": "toolCall", "id": format!("open_{number}"), "name": "look", "arguments": {}}
        ]}),
        2 => json!({
            "role": "toolResult", "toolCallId": format!("call|{}", number - 1), "toolName": "read.file",
            "content": [{"type": "text", "text": "line\n".repeat(40)}]
        }),
        _ => json!({
            "role": "assistant", "model": model, "stopReason": if number % 40 == 3 { "error" } else { "stop" },
            "content": [{"type": "text", "text": "Because. ".repeat(40)}]
        }),
    });
    let input: Value = json!({
        "model": {"id": model, "reasoning": true, "maxTokens": 64000, "contextWindow": 1_000_000},
        "context": {
            "systemPrompt": "Be brief.", "messages": messages.collect::<Vec<_>>(),
            "tools": [{"name": "read.file"}, {"name": "look"}]
        },
        "options": {"reasoning": "low"}
    });
    serde_json::from_value(input).unwrap()
}

/// The most memory that this process has had, in kB.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}
