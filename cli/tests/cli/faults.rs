//! A thousand calls with faults that a seed decides: cut off, reset, silent, damaged, refused, and combinations. Each must
//! end with the right kind of error in time, after delivering exactly what had arrived, nothing twice, and leave nothing
//! behind. The next call must succeed.
//!
//! `PUMICE_FAULT_PLANS=100000 cargo test --release -p pumice-cli --test cli faults` runs more of them, and
//! `PUMICE_FAULT_SEED=N` begins with another seed. A failing plan says how to run it alone.
//!
//! The clock is fake: it stands until a plan moves it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::server;

use pumice::context::Context;
use pumice::converse::{ConverseRequest, Message};
use pumice::retry::Retry;
use pumice::{Client, Config, ErrorKind, Event, Progress};
use support::memory::resident_kib;
use support::plan::stage::{Act, Clock, Mark, Stage};
use support::plan::{Expected, FIRST_BYTE, IDLE, MILLISECOND, Plan};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, oneshot, watch};

#[test]
fn whatever_goes_wrong_a_call_ends_as_it_should() {
    // The memory is the process's, and other tests run in this one.
    if std::env::var_os(CHILD).is_none() {
        let test = "faults::whatever_goes_wrong_a_call_ends_as_it_should";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let (first, count) = (number("PUMICE_FAULT_SEED", 1), number("PUMICE_FAULT_PLANS", 1000));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let before = resident_kib();
    report(try_all((first..first + count).map(Plan::of), threads, try_plan), "whatever_goes_wrong");
    // However many there were.
    let after = resident_kib();
    assert!(after < before + 64 * 1024, "{before} KiB, then {after} KiB");
}

#[test]
fn every_fault_at_every_position_of_a_response() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    report(try_all(Plan::at_every_position().into_iter(), threads, try_plan), "anywhere");
}

#[test]
fn the_program_prints_what_was_delivered_and_exits_with_the_outcome() {
    let (first, count) = (number("PUMICE_FAULT_SEED", 1), number("PUMICE_FAULT_PLANS", 1000).div_ceil(20));
    let plans = (first..).map(Plan::of).filter(Plan::is_short).take(usize::try_from(count).unwrap());
    // Most of the time they wait for each other.
    let failures = try_all(plans, 8, |plan| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(plan))
    });
    report(failures, "the_program_prints");
}

/// Set in the process that runs only one test.
const CHILD: &str = "PUMICE_FAULT_CHILD";

/// Runs plans, and returns the faults of the first few.
fn try_all(
    plans: impl Iterator<Item = Plan> + Send,
    threads: usize,
    attempt: impl Fn(&Plan) -> Result<(), String> + Sync,
) -> Vec<(Plan, String)> {
    let (failures, plans) = (Mutex::new(Vec::new()), Mutex::new(plans));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while failures.lock().unwrap().len() < 5 {
                    let Some(plan) = plans.lock().unwrap().next() else { return };
                    if let Err(fault) = attempt(&plan) {
                        failures.lock().unwrap().push((plan, fault));
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap()
}

/// Fails with the faults and the command that repeats them, alone if there is a seed.
fn report(failures: Vec<(Plan, String)>, test: &str) {
    let mut reported = String::new();
    for (plan, fault) in failures {
        let alone = plan.seed.map(|seed| format!("PUMICE_FAULT_SEED={seed} PUMICE_FAULT_PLANS=1 "));
        let alone = alone.unwrap_or_default();
        writeln!(reported, "\n{fault}\n{plan:?}\n{alone}cargo test -p pumice-cli --test cli faults::{test}")
            .unwrap();
    }
    assert!(reported.is_empty(), "{reported}");
}

fn number(variable: &str, default: u64) -> u64 {
    let value = std::env::var(variable).ok();
    value.map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{variable}: expected a number")))
}

/// What the server asks of the clock.
struct Tick {
    time: Duration,
    /// Whether the client must have disconnected by then, and no earlier.
    silence: bool,
    done: oneshot::Sender<()>,
}

/// The outcome of a call.
#[derive(Debug, PartialEq, Eq)]
struct Got {
    end: Result<(), ErrorKind>,
    delivered: Mark,
    text: String,
}

fn try_plan(plan: &Plan) -> Result<(), String> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        // The clock goes on by itself when nothing is left to do, but not while a thread is at work.
        let (end_of_plan, wait) = std::sync::mpsc::channel::<()>();
        let mut limit = tokio::task::spawn_blocking(move || {
            let _ = wait.recv_timeout(LONGEST_PLAN);
        });
        let tried = tokio::select! {
            tried = play(plan) => tried,
            _ = &mut limit => Err(format!("it is not over after {LONGEST_PLAN:?}")),
        };
        drop(end_of_plan);
        tried
    })
}

/// Plays a plan and then a call without faults, and checks what is left.
async fn play(plan: &Plan) -> Result<(), String> {
    let expected = plan.expected();
    let (ticks, mut ticking) = mpsc::unbounded_channel();
    let clock: Clock = Arc::new(move |time, silence| {
        let (done, over) = oneshot::channel();
        let _ = ticks.send(Tick { time, silence, done });
        Box::pin(async move {
            let _ = over.await;
        })
    });
    let (delivered, delivering) = watch::channel(Mark::default());
    let stage = Stage::new(plan.acts(), plan.source_acts(), healthy(plan.streamed), delivering, clock);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(Arc::clone(&stage).serve(listener));
    let nowhere = nowhere();
    let called = if plan.nowhere { nowhere.local_addr().unwrap() } else { address };

    let context = match &plan.source {
        None => {
            Context::fake().with_env("AWS_ACCESS_KEY_ID", "AKID0").with_env("AWS_SECRET_ACCESS_KEY", "secret")
        }
        Some(_) => Context::fake()
            .with_env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{address}/credentials")),
    };
    let (pauses, mut pausing) = mpsc::unbounded_channel();
    let config = Config::new()
        .context(context)
        .endpoint_url(format!("http://{called}"))
        .first_byte_timeout(FIRST_BYTE)
        .idle_timeout(IDLE)
        .retry(Retry::standard().max_attempts(u32::try_from(plan.max_attempts).unwrap()))
        .watch(move |progress| {
            if let Progress::Retrying { delay, .. } = progress {
                let _ = pauses.send(*delay);
            }
        });
    let client = Client::new(config);

    let mut waited = Vec::new();
    let mut call = tokio::spawn(call(client.clone(), plan.streamed, expected.leaves_after, delivered));
    let got = loop {
        tokio::select! {
            biased;
            Some(pause) = pausing.recv() => {
                waited.push(pause);
                pass(pause).await;
            }
            got = &mut call => break got.unwrap(),
            Some(tick) = ticking.recv() => {
                settle().await;
                if tick.done.is_closed() {
                    // The client has gone away: time is not to pass for whatever it does next.
                } else if tick.silence {
                    let attempts = stage.seen().len();
                    pass(tick.time.saturating_sub(MILLISECOND)).await;
                    if call.is_finished() || stage.seen().len() > attempts {
                        return Err(format!("it did not wait for {:?}", tick.time));
                    }
                    pass(MILLISECOND).await;
                } else {
                    pass(tick.time).await;
                }
                let _ = tick.done.send(());
            }
        }
    };
    let Expected { end, delivered, ref text, .. } = expected;
    same("result", &got, &Got { end, delivered, text: text.clone() })?;
    same("attempts", &stage.seen(), &expected.attempts)?;
    same("pauses", &waited, &expected.pauses)?;
    if stage.endless() > LONGEST_ENDLESS {
        return Err(format!("{} bytes of what has no end were taken", stage.endless()));
    }

    // What is left of it does no harm to the next call.
    settle().await;
    if expected.end != Err(ErrorKind::Credentials) && !plan.nowhere {
        stage.end_plan();
        let got = self::call(client.clone(), plan.streamed, None, watch::channel(Mark::default()).0).await;
        if got.end.is_err() || got.text != HEALTHY || stage.seen().len() != expected.attempts.len() + 1 {
            return Err(format!("the next call: {got:?}, after the attempts {:?}", stage.seen()));
        }
    }

    drop((client, pausing, ticking));
    serving.abort();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for _ in 0..100 {
        settle().await;
        if tasks() == 0 {
            return Ok(());
        }
    }
    Err(format!("{} tasks are left, of the client's or of connections that it keeps open", tasks()))
}

/// Makes a call, and reports each event as it is delivered.
async fn call(
    client: Client,
    streamed: bool,
    leaves_after: Option<usize>,
    delivered: watch::Sender<Mark>,
) -> Got {
    let mut got = Got { end: Ok(()), delivered: Mark::default(), text: String::new() };
    let request = ConverseRequest::new("m").message(Message::user("Hi"));
    let made = async {
        if !streamed {
            let response = client.converse(&request).await?;
            got.text = response.message().map(Message::text).unwrap_or_default();
            got.delivered = Mark { events: 1, text: got.text.len() };
            delivered.send_replace(got.delivered);
            return Ok(());
        }
        let mut events = client.converse_stream(&request).await?;
        while let Some(event) = events.next_event().await? {
            got.delivered.events += 1;
            if let Event::ContentBlockDelta(event) = event {
                got.text += event.delta.as_text().unwrap_or_default();
            }
            got.delivered.text = got.text.len();
            delivered.send_replace(got.delivered);
            if leaves_after == Some(got.delivered.events) {
                return Ok(());
            }
        }
        // Nothing follows the end.
        assert_eq!(events.next_event().await?, None);
        Ok::<_, pumice::Error>(())
    };
    got.end = made.await.map_err(|error| error.kind());
    got
}

/// Runs the program on a plan, on a real clock: `chat`, or `converse` in one of its forms.
async fn run(plan: &Plan) -> Result<(), String> {
    let expected = plan.expected();
    let chats = plan.streamed && plan.seed.is_some_and(|seed| seed % 2 == 0);
    // `chat` prints only the text, `converse` a line per event.
    let printed = move |bytes: &[u8]| {
        let lines = bytes.split(|byte| *byte == b'\n').count() - 1;
        let (events, text) = if chats { (usize::MAX, bytes.len()) } else { (lines, usize::MAX) };
        Mark { events, text }
    };
    let (delivered, delivering) = watch::channel(printed(&[]));
    // What says nothing more waits until the program goes away.
    let clock: Clock = Arc::new(|_, _| Box::pin(std::future::pending()));
    let stage = Stage::new(plan.acts(), plan.source_acts(), Vec::new(), delivering, clock);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Arc::clone(&stage).serve(listener));
    let nowhere = nowhere();
    let called = if plan.nowhere { nowhere.local_addr().unwrap() } else { address };

    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command
        .env_clear()
        .env("HOME", home.path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_MAX_ATTEMPTS", plan.max_attempts.to_string())
        .args(if chats { ["chat", "-m", "m"].as_slice() } else { &["converse", "--request", "-"] })
        .args(if plan.streamed { [].as_slice() } else { &["--no-stream"] })
        .args(if plan.is_ever_silent() { ["--timeout", "1"].as_slice() } else { &[] })
        .args(["--endpoint-url", &format!("http://{called}")]);
    match &plan.source {
        None => command.env("AWS_ACCESS_KEY_ID", "AKID0").env("AWS_SECRET_ACCESS_KEY", "secret"),
        Some(_) => command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{address}/credentials")),
    };
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let input = if chats {
        "Hi"
    } else {
        r#"{"modelId":"m","messages":[{"role":"user","content":[{"text":"Hi"}]}]}"#
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();

    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let reported = tokio::task::spawn_blocking(move || {
        let mut reported = String::new();
        stderr.read_to_string(&mut reported).map(|_| reported).unwrap()
    });
    let output = tokio::task::spawn_blocking(move || {
        let (mut output, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let length = stdout.read(&mut piece).unwrap();
            if length == 0 {
                return String::from_utf8(output).unwrap();
            }
            output.extend_from_slice(&piece[..length]);
            delivered.send_replace(printed(&output));
        }
    });
    let Ok(output) = tokio::time::timeout(LONGEST_PLAN, output).await else {
        child.kill().unwrap();
        child.wait().unwrap();
        return Err(format!("the program is not over after {LONGEST_PLAN:?}"));
    };
    let (output, reported) = (output.unwrap(), reported.await.unwrap());
    let code = child.wait().unwrap().code();

    if chats {
        let line_end = if expected.text.is_empty() || expected.text.ends_with('\n') { "" } else { "\n" };
        same("output", &output, &format!("{}{line_end}", expected.text))?;
    } else {
        let lines = output.lines().map(|line| serde_json::from_str(line).unwrap());
        let lines = lines.collect::<Vec<serde_json::Value>>();
        let text = |line: &serde_json::Value| {
            let text = line.pointer("/contentBlockDelta/delta/text");
            let text = text.or_else(|| line.pointer("/output/message/content/0/text"));
            text.and_then(|text| text.as_str()).unwrap_or_default().to_owned()
        };
        same("events", &lines.len(), &expected.delivered.events)?;
        same("text", &lines.iter().map(text).collect::<String>(), &expected.text)?;
    }
    same("exit code", &code, &Some(expected.exit_code(!output.is_empty())))
        .map_err(|fault| format!("{fault}, after {output:?} and {reported}"))?;
    same("whether an error is reported", &reported.contains("error: "), &expected.end.is_err())?;
    same("attempts", &stage.seen(), &expected.attempts)
}

/// An address that is bound, so that no other test gets it, and where nothing listens.
fn nowhere() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: expected {expected:?}, found {found:?}")) }
}

/// Advances the clock when all other work is done.
async fn pass(time: Duration) {
    settle().await;
    tokio::time::advance(time).await;
    settle().await;
}

/// Each turn polls the sockets once, so that what was written is read and handled.
async fn settle() {
    for _ in 0..30 {
        tokio::task::yield_now().await;
    }
}

/// A response without a fault.
fn healthy(streamed: bool) -> Vec<Act> {
    let (content_type, body) = if streamed {
        ("application/vnd.amazon.eventstream", server::text_answer(&[HEALTHY]).concat())
    } else {
        let json = serde_json::json!({
            "output": {"message": {"role": "assistant", "content": [{"text": HEALTHY}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
            "metrics": {"latencyMs": 1},
        });
        ("application/json", json.to_string().into_bytes())
    };
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n", body.len());
    vec![Act::Write([head.into_bytes(), body].concat())]
}

const HEALTHY: &str = "all is well";
/// How long a plan may take on a real clock.
const LONGEST_PLAN: Duration = Duration::from_secs(30);
/// What of a head, or of a refusal's text, without end may be taken before it is given up, in bytes; what lies
/// in the sockets' own buffers included.
const LONGEST_ENDLESS: usize = 16 * 1024 * 1024;
