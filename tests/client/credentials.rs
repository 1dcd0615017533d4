//! The chain of credentials in a fake world: what it finds, which requests it sends, and that it never shows a secret.
//!
//! Each folder under `tests/credentials/` is a case: `env.json`, the files of `home/`, the requests and responses in
//! `traffic.json`, and the expected result in `outcome.json`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use support::server;
use support::shared;

use pumice::context::Context;
use pumice::converse::{ConverseRequest, Message};
use pumice::credentials::{AttemptOutcome, Credentials};
use pumice::{Client, Config, ErrorKind, Identity};
use serde_json::{Value, json};
use support::chain::{Answer, Asked, HOME, Secrets, Services, at, chain_holds, config, keys, ran, world};

fn client(context: Context, services: &Arc<Services>) -> Client {
    Client::new(config(context, services))
}

fn read_json(path: &Path) -> Option<Value> {
    let text = std::fs::read(path).ok()?;
    Some(serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Intended differences from the SDK for Rust.
const EXCEPTIONS: &[(&str, Option<&str>, &str)] = &[
    ("env_loses_to_explicit_profile", Some("AKP"), "a profile named in code passes over the environment"),
    (
        "assume_role_credential_source_environment",
        Some("ASIAROLE"),
        "a profile named in code passes over the environment, but for what it names itself",
    ),
    ("assume_role_all_options", Some("ASIAROLE"), "duration_seconds is heeded"),
    ("bom", Some("AKB"), "a byte order mark is passed over"),
    ("empty_values", None, "blank is unset"),
    ("container_token_file_trailing_newline", Some("ASIACONT"), "tokens in files are trimmed"),
    ("process_expired", None, "expired output is an error"),
];

#[tokio::test(start_paused = true)]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
async fn the_vectors_hold() {
    let vectors = shared::json("vectors/credentials.json");
    let mut faults = Vec::new();
    for case in vectors["cases"].as_array().unwrap() {
        let exception =
            EXCEPTIONS.iter().find(|(name, ..)| case["name"] == *name).map(|(_, key, _)| json!(key));
        if let Err(fault) = chain_holds(case, &case["rust"], exception.as_ref()).await {
            faults.push(format!("{}: {fault}", case["name"]));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn the_cases_hold() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client/credentials");
    let mut folders =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    folders.sort();
    assert!(folders.len() > 30, "{folders:?}");
    for folder in folders {
        case(&folder).await;
    }
}

/// A folder's case.
async fn case(folder: &Path) {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let read = |file: &str| read_json(&folder.join(file)).unwrap_or_else(|| json!({}));
    let (given, env, outcome) = (read("given.json"), read("env.json"), read("outcome.json"));
    let traffic = read("traffic.json").as_array().cloned().unwrap_or_default();
    let mut secrets = Secrets::default();
    for value in [&env, &Value::Array(traffic.clone())] {
        secrets.add_json(value);
    }
    let home = folder.join("home");
    let files = files_in(&home).into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        (Path::new(HOME).join(path.strip_prefix(&home).unwrap()), text)
    });
    let files = files.collect::<Vec<_>>();
    for (_, text) in &files {
        secrets.add_text(text);
    }

    let made = || {
        let add = |context: Context, (path, text): &(PathBuf, String)| context.with_file(path, text.clone());
        let context = files.iter().fold(world(&env), add);
        let services = exchanges(traffic.clone());
        let mut config = config(context.clone(), &services);
        if let Some(profile) = given["profile"].as_str() {
            config = config.profile(profile);
        }
        if given["offline"] == true {
            config = config.offline();
        }
        (context, services, config)
    };
    let (context, services, config) = made();
    let identity = Client::new(config).identify().await;
    let identity = identity.unwrap_or_else(|error| panic!("{name}: {error}"));
    let asked = services.asked();
    assert_eq!(asked.len(), traffic.len(), "{name}: {asked:#?}");
    assert_eq!(seen(&identity, &outcome, &context), outcome, "{name}");
    secrets.are_kept(name, &made().2, &identity).await;
}

/// The result of a case, as far as its `outcome.json` states it.
fn seen(identity: &Identity, outcome: &Value, context: &Context) -> Value {
    let found = identity.search.result.as_ref().ok();
    let error = identity.search.result.as_ref().err();
    let parts = |expected: &Value, text: Option<String>| {
        let text = text.unwrap_or_default();
        let all = expected.as_array().unwrap().iter().all(|part| text.contains(part.as_str().unwrap()));
        if all { expected.clone() } else { Value::from(text) }
    };
    let seen = outcome.as_object().unwrap().iter().map(|(name, expected)| {
        let value = match name.as_str() {
            "accessKeyId" => found.map(|found| keys(found).access_key_id()).into(),
            "secretAccessKey" => found.map(|found| keys(found).secret_access_key()).into(),
            "sessionToken" => found.and_then(|found| keys(found).session_token()).into(),
            "accountId" => found.and_then(|found| Some(keys(found).account_id()?.as_str())).into(),
            "bearer" => found.is_some_and(|found| matches!(found.credentials, Credentials::Bearer(_))).into(),
            "expires" => found.and_then(|found| found.credentials.expires()).map(timestamp).into(),
            "source" => found.map(|found| found.source).into(),
            "link" => found.map(|found| found.link.clone()).into(),
            "unasked" => identity.search.deferred.as_ref().map(|deferred| deferred.link.clone()).into(),
            "region" => identity.region.name().into(),
            "regionSource" => identity.region.source().to_string().into(),
            "error" => parts(expected, error.map(ToString::to_string)),
            "hint" => parts(expected, error.and_then(|error| error.hint().map(ToString::to_string))),
            "tried" => {
                let outcome = |outcome| match outcome {
                    AttemptOutcome::Used => "used",
                    AttemptOutcome::Failed => "failed",
                    _ => "skipped",
                };
                let tried = identity.search.attempts.iter();
                tried.map(|tried| format!("{} {}", outcome(tried.outcome), tried.source)).collect()
            }
            "files" => {
                let file = |(path, _): (&String, &Value)| {
                    let bytes = context.read_file(&Path::new(HOME).join(path)).unwrap().unwrap();
                    (path.clone(), serde_json::from_slice(&bytes).unwrap())
                };
                Value::Object(expected.as_object().unwrap().iter().map(file).collect())
            }
            _ => panic!("{name} in outcome.json"),
        };
        (name.clone(), value)
    });
    Value::Object(seen.collect())
}

fn timestamp(time: SystemTime) -> String {
    time::OffsetDateTime::from(time).format(&time::format_description::well_known::Rfc3339).unwrap()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_in(&path) } else { vec![path] }).collect()
}

/// Services that expect exactly these requests in this order. A header must begin with the given text; a body must be
/// the given JSON, or have exactly the given parts of a form.
fn exchanges(traffic: Vec<Value>) -> Arc<Services> {
    let next = Mutex::new(traffic.into_iter());
    Services::new(move |asked| {
        let line = format!("{} {}", asked.method, asked.uri);
        let Some(exchange) = next.lock().unwrap().next() else { panic!("{line}: expected nothing") };
        assert_eq!(exchange["request"], line);
        for (name, value) in exchange["headers"].as_object().into_iter().flatten() {
            let found = asked.headers.get(name).map_or("", String::as_str);
            assert!(found.starts_with(value.as_str().unwrap()), "{line}: {name}: {value} in {found:?}");
        }
        match &exchange["body"] {
            Value::Array(parts) => {
                let parts = parts.iter().map(|part| part.as_str().unwrap()).collect::<Vec<_>>();
                assert_eq!(asked.body.split('&').collect::<Vec<_>>(), parts, "{line}");
            }
            Value::Null => assert_eq!(asked.body, "", "{line}"),
            json => assert_eq!(&serde_json::from_str::<Value>(&asked.body).unwrap(), json, "{line}"),
        }
        let answer = &exchange["answer"];
        let body = match &answer["body"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let status = answer["status"].as_u64().unwrap_or(200);
        let mut made = Answer { status: u16::try_from(status).unwrap(), headers: Vec::new(), body };
        for (name, value) in answer["headers"].as_object().into_iter().flatten() {
            made = made.header(name, value.as_str().unwrap());
        }
        made
    })
}

/// A clock that the test sets, in seconds.
#[derive(Clone)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn at(text: &str) -> Self {
        let seconds = at(text).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        Self(Arc::new(AtomicU64::new(seconds)))
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::SeqCst))
    }

    fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// An instance metadata service with keys `AKID1`, `AKID2`, ..., each valid for some seconds from the request, until
/// the service is broken.
struct Instance {
    services: Arc<Services>,
    clock: Clock,
    broken: Arc<AtomicU64>,
}

impl Instance {
    fn new(good_for: u64) -> Self {
        let (clock, broken) = (Clock::at("2026-11-22T14:00:00Z"), Arc::new(AtomicU64::new(0)));
        let (given, time, state) = (AtomicU64::new(0), clock.clone(), Arc::clone(&broken));
        let services = Services::new(move |asked| match asked.uri.rsplit('/').next().unwrap() {
            _ if state.load(Ordering::SeqCst) > 0 => {
                Answer { status: 500, headers: Vec::new(), body: String::new() }
            }
            "token" => Answer::ok("session").header("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
            "" => Answer::ok("role"),
            _ => {
                let number = given.fetch_add(1, Ordering::SeqCst) + 1;
                let end = timestamp(time.now() + Duration::from_secs(good_for));
                Answer::ok(
                    json!({"Code": "Success", "AccessKeyId": format!("AKID{number}"), "SecretAccessKey": "sekret", "Token": "sekret", "Expiration": end})
                        .to_string(),
                )
            }
        });
        Self { services, clock, broken }
    }

    fn config(&self) -> Config {
        let clock = self.clock.clone();
        let context = world(&json!({"AWS_REGION": "us-east-1"})).with_clock(move || clock.now());
        config(context, &self.services)
    }

    /// How often keys were requested.
    fn asked(&self) -> usize {
        self.services.asked().iter().filter(|asked| asked.uri.ends_with("/role")).count()
    }
}

/// A Bedrock that responds to every call with success, and keeps the access key id of each.
fn bedrock() -> Arc<Services> {
    Services::new(|_| {
        Answer::ok(
            r#"{"output":{"message":{"role":"assistant","content":[]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2},"metrics":{"latencyMs":1}}"#,
        )
    })
}

fn key_id(asked: &Asked) -> String {
    let (_, rest) = asked.headers["authorization"].split_once("Credential=").unwrap();
    rest.split('/').next().unwrap().to_owned()
}

async fn call(client: &Client) -> pumice::Result<()> {
    client.converse(&ConverseRequest::new("m").message(Message::user("Hi"))).await.map(|_| ())
}

/// Calls, and returns the key that the call was signed with.
async fn key_of_call(client: &Client, bedrock: &Services) -> String {
    call(client).await.unwrap();
    key_id(bedrock.asked().last().unwrap())
}

/// Lets background tasks finish.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_callers_are_one_flight() {
    let (instance, bedrock) = (Instance::new(3600), bedrock());
    let client = Client::new(instance.config().transport(bedrock.clone()));
    let callers = (0..100).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { call(&client).await.unwrap() })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert_eq!((instance.services.asked().len(), bedrock.asked().len()), (3, 100));

    // A failure is shared like a success.
    let broken = Instance::new(3600);
    broken.broken.store(1, Ordering::SeqCst);
    let client = Client::new(broken.config().transport(bedrock));
    let callers = (0..100).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { call(&client).await.unwrap_err() })
    });
    for caller in callers.collect::<Vec<_>>() {
        let error = caller.await.unwrap();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert!(error.to_string().contains("instance metadata service"), "{error}");
    }
    // The four attempts of one caller.
    assert_eq!(broken.services.asked().len(), 4);
    // The next one asks again.
    call(&client).await.unwrap_err();
    assert_eq!(broken.services.asked().len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_leaves_the_flight_to_others() {
    let (instance, bedrock) = (Instance::new(3600), bedrock());
    let client = Client::new(instance.config().transport(bedrock.clone()));
    let first = tokio::spawn({
        let client = client.clone();
        async move { call(&client).await }
    });
    tokio::task::yield_now().await;
    first.abort();
    assert_eq!(key_of_call(&client, &bedrock).await, "AKID1");
}

#[tokio::test(start_paused = true)]
async fn keys_are_asked_for_anew_before_they_end() {
    let (instance, bedrock) = (Instance::new(3600), bedrock());
    let client = Client::new(instance.config().transport(bedrock.clone()));
    assert_eq!(key_of_call(&client, &bedrock).await, "AKID1");
    instance.clock.pass(3600 - 301);
    assert_eq!(key_of_call(&client, &bedrock).await, "AKID1");
    settle().await;
    assert_eq!(instance.asked(), 1);
    // Five minutes before, in the background.
    instance.clock.pass(1);
    assert_eq!(key_of_call(&client, &bedrock).await, "AKID1");
    settle().await;
    assert_eq!(instance.asked(), 2);
    assert_eq!(key_of_call(&client, &bedrock).await, "AKID2");
    // One minute before, calls wait for them.
    instance.clock.pass(3600 - 60);
    assert_eq!(key_of_call(&client, &bedrock).await, "AKID3");
}

#[tokio::test(start_paused = true)]
async fn old_keys_are_used_while_there_are_no_new_ones() {
    let config = json!({"AWS_PROFILE": "p", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"});
    let clock = Clock::at("2026-11-22T14:00:00Z");
    let (time, runs) = (clock.clone(), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&runs);
    let context = world(&config)
        .with_file(format!("{HOME}/.aws/config"), "[profile p]\ncredential_process = x\n")
        .with_clock(move || time.now())
        .with_commands(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(ran(true, r#"{"Version":1,"AccessKeyId":"AKOLD","SecretAccessKey":"sekret","Expiration":"2026-11-22T15:00:00Z"}"#, "")),
            1 => Ok(ran(false, "", "no network")),
            2 => Err(io::ErrorKind::TimedOut.into()),
            _ => Ok(ran(true, r#"{"Version":1,"AccessKeyId":"AKNEW","SecretAccessKey":"sekret"}"#, "")),
        });
    let bedrock = bedrock();
    let client = Client::new(Config::new().context(context).transport(bedrock.clone()));
    assert_eq!(key_of_call(&client, &bedrock).await, "AKOLD");
    // Thirty seconds before the expiry calls wait for a refresh, which fails.
    clock.pass(3570);
    assert_eq!(key_of_call(&client, &bedrock).await, "AKOLD");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    // For a while there is no other refresh.
    clock.pass(29);
    assert_eq!(key_of_call(&client, &bedrock).await, "AKOLD");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    // After the expiry they are not used.
    clock.pass(1);
    let error = call(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.to_string().contains("did not end within 60 s"), "{error}");
    assert_eq!(key_of_call(&client, &bedrock).await, "AKNEW");
    // Keys without an expiry stay in use.
    clock.pass(1_000_000);
    assert_eq!(key_of_call(&client, &bedrock).await, "AKNEW");
    assert_eq!(runs.load(Ordering::SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn an_instance_in_trouble_keeps_its_keys() {
    let (instance, bedrock) = (Instance::new(3600), bedrock());
    let client = Client::new(instance.config().transport(bedrock.clone()));
    assert_eq!(key_of_call(&client, &bedrock).await, "AKID1");
    instance.broken.store(1, Ordering::SeqCst);
    for _ in 0..20 {
        instance.clock.pass(600);
        assert_eq!(key_of_call(&client, &bedrock).await, "AKID1");
        settle().await;
    }
    instance.broken.store(0, Ordering::SeqCst);
    instance.clock.pass(600);
    assert_eq!(key_of_call(&client, &bedrock).await, "AKID2");
}

#[tokio::test(start_paused = true)]
async fn an_hour_over_keys_of_twenty_seconds_sends_nothing_expired() {
    let instance = Instance::new(20);
    let start = instance.clock.now();
    let (clock, ends) = (instance.clock.clone(), Mutex::new(BTreeMap::<String, SystemTime>::new()));
    // A key is first used within a second of its request.
    let bedrock = Services::new(move |asked| {
        let end = *ends.lock().unwrap().entry(key_id(asked)).or_insert(clock.now() + Duration::from_secs(20));
        assert!(clock.now() < end, "{} is past its end", key_id(asked));
        (bedrock().answer)(asked)
    });
    let client = Client::new(instance.config().transport(bedrock.clone()));
    while instance.clock.now() < start + Duration::from_hours(1) {
        call(&client).await.unwrap();
        instance.clock.pass(1);
        settle().await;
    }
    assert_eq!(bedrock.asked().len(), 3600);
    // Each is used for most of its lifetime.
    assert!((180..=260).contains(&instance.asked()), "{}", instance.asked());
}

#[tokio::test(start_paused = true)]
async fn the_chain_is_asked_again_once_after_expired_token() {
    for code in ["ExpiredTokenException", "ExpiredToken"] {
        let instance = Instance::new(3600);
        let bedrock = Services::new(move |asked| match key_id(asked).as_str() {
            "AKID1" => Answer { status: 403, headers: Vec::new(), body: r#"{"message":"expired"}"#.into() }
                .header("x-amzn-errortype", code),
            _ => (bedrock().answer)(asked),
        });
        let client = Client::new(instance.config().transport(bedrock.clone()));
        assert_eq!(key_of_call(&client, &bedrock).await, "AKID2");
        let attempts =
            bedrock.asked().iter().map(|asked| asked.headers["amz-sdk-request"].clone()).collect::<Vec<_>>();
        assert_eq!(attempts, ["attempt=1; max=3", "attempt=2; max=3"]);
        assert_eq!(key_of_call(&client, &bedrock).await, "AKID2");
        assert_eq!(instance.asked(), 2);
    }

    // Once per call, however often the service says so.
    let instance = Instance::new(3600);
    let bedrock = Services::new(|_| {
        Answer { status: 403, headers: Vec::new(), body: r#"{"message":"expired"}"#.into() }
            .header("x-amzn-errortype", "ExpiredTokenException")
    });
    let client = Client::new(instance.config().transport(bedrock.clone()));
    let error = call(&client).await.unwrap_err();
    assert_eq!((error.kind(), bedrock.asked().len(), instance.asked()), (ErrorKind::AccessDenied, 2, 2));

    // Keys that stay the same are not sent again.
    let context =
        Context::fake().with_env("AWS_ACCESS_KEY_ID", "AKID").with_env("AWS_SECRET_ACCESS_KEY", "x");
    let client = Client::new(Config::new().context(context).transport(bedrock.clone()));
    let error = call(&client).await.unwrap_err();
    assert_eq!((error.kind(), bedrock.asked().len()), (ErrorKind::AccessDenied, 3));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_callers_whose_keys_expired_ask_once() {
    let instance = Instance::new(3600);
    let bedrock = Services::new(|asked| match key_id(asked).as_str() {
        "AKID1" => Answer { status: 403, headers: Vec::new(), body: r#"{"message":"expired"}"#.into() }
            .header("x-amzn-errortype", "ExpiredTokenException"),
        _ => (bedrock().answer)(asked),
    });
    let client = Client::new(instance.config().transport(bedrock));
    let callers = (0..100).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { call(&client).await.unwrap() })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert_eq!(instance.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_old_keys_does_not_give_up_the_new_ones() {
    let instance = Instance::new(3600);
    let bedrock = Services::new(|asked| match key_id(asked).as_str() {
        "AKID1" => Answer { status: 403, headers: Vec::new(), body: r#"{"message":"expired"}"#.into() }
            .header("x-amzn-errortype", "ExpiredTokenException"),
        _ => (bedrock().answer)(asked),
    });
    // The first call is refused when the second already has new keys.
    *bedrock.pauses.lock().unwrap() = vec![0, 0, 9];
    let client = Client::new(instance.config().transport(bedrock.clone()));
    let late = tokio::spawn({
        let client = client.clone();
        async move { call(&client).await.unwrap() }
    });
    while bedrock.asked().is_empty() {
        tokio::task::yield_now().await;
    }
    call(&client).await.unwrap();
    assert_eq!((instance.asked(), late.is_finished()), (2, false));
    late.await.unwrap();
    assert_eq!(instance.asked(), 2);
}

#[tokio::test]
async fn calls_do_not_wait_for_a_refresh_while_keys_are_valid() {
    let (clock, bedrock) = (Clock::at("2026-11-22T14:00:00Z"), bedrock());
    let (time, ended) = (clock.clone(), Arc::new(AtomicU64::new(0)));
    let (gate, opened) = std::sync::mpsc::channel::<()>();
    let started = Arc::new(AtomicU64::new(0));
    let (begun, counted, opened) = (Arc::clone(&started), Arc::clone(&ended), Mutex::new(opened));
    let context = world(&json!({"AWS_PROFILE": "p", "AWS_REGION": "us-east-1"}))
        .with_file(format!("{HOME}/.aws/config"), "[profile p]\ncredential_process = x\n")
        .with_clock(move || time.now())
        .with_commands(move |_| {
            begun.fetch_add(1, Ordering::SeqCst);
            // A limit, so that a failing test ends.
            let _ = opened.lock().unwrap().recv_timeout(Duration::from_secs(9));
            match counted.fetch_add(1, Ordering::SeqCst) {
                0 => Ok(ran(true, r#"{"Version":1,"AccessKeyId":"AKOLD","SecretAccessKey":"sekret","Expiration":"2026-11-22T15:00:00Z"}"#, "")),
                _ => Ok(ran(false, "", "no network")),
            }
        });
    let client = Client::new(Config::new().context(context).transport(bedrock.clone()));
    gate.send(()).unwrap();
    assert_eq!(key_of_call(&client, &bedrock).await, "AKOLD");
    clock.pass(3600 - 290);
    // Half a minute after a failure there is another attempt, also in the background.
    for before in 1..4 {
        for calls in 1.. {
            assert_eq!(key_of_call(&client, &bedrock).await, "AKOLD");
            if started.load(Ordering::SeqCst) > before {
                break;
            }
            // The failure before may have been noted after the clock was set.
            if calls % 1000 == 0 {
                clock.pass(30);
            }
        }
        assert_eq!(key_of_call(&client, &bedrock).await, "AKOLD");
        assert_eq!(ended.load(Ordering::SeqCst), before);
        gate.send(()).unwrap();
        while ended.load(Ordering::SeqCst) == before {
            tokio::task::yield_now().await;
        }
        settle().await;
        clock.pass(30);
    }
}

#[tokio::test(start_paused = true)]
async fn changed_files_are_noticed() {
    let keys = |id: &str| format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = sekret\n");
    let path = format!("{HOME}/.aws/credentials");
    let context = world(&json!({"AWS_EC2_METADATA_DISABLED": "true"})).with_file(&path, keys("AKONE"));
    let bedrock = bedrock();
    let client = Client::new(Config::new().context(context.clone()).transport(bedrock.clone()));
    assert_eq!(key_of_call(&client, &bedrock).await, "AKONE");
    context.write_private(Path::new(&path), keys("AKTWO").as_bytes()).unwrap();
    assert_eq!(key_of_call(&client, &bedrock).await, "AKTWO");
    // Keys from a file are not used after the file lost them.
    context.write_private(Path::new(&path), b"").unwrap();
    assert_eq!(call(&client).await.unwrap_err().kind(), ErrorKind::Credentials);
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_to_the_region_of_the_instance() {
    let traffic = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/client/credentials/instance_role_and_region/traffic.json"
    );
    let traffic = read_json(Path::new(traffic)).unwrap();
    let services = exchanges(traffic.as_array().unwrap().clone());
    let bedrock = bedrock();
    let client = Client::new(config(world(&json!({})), &services).transport(bedrock.clone()));
    for _ in 0..2 {
        assert_eq!(key_of_call(&client, &bedrock).await, "ASIAIMDS");
        let asked = bedrock.asked().pop().unwrap();
        assert_eq!(asked.uri, "https://bedrock-runtime.ap-south-1.amazonaws.com/model/m/converse");
        assert!(asked.headers["authorization"].contains("/ap-south-1/bedrock/aws4_request"));
    }
    // An ARN names another region, and no service is asked for one.
    let arn = "arn:aws:bedrock:eu-west-3:123456789012:inference-profile/eu.x";
    client.converse(&ConverseRequest::new(arn).message(Message::user("Hi"))).await.unwrap();
    assert!(bedrock.asked().pop().unwrap().uri.starts_with("https://bedrock-runtime.eu-west-3."));
    assert_eq!(services.asked().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_not_there_is_asked_once() {
    let refuses = Services::new(|_| Answer { status: 404, headers: Vec::new(), body: String::new() });
    let client = client(world(&json!({})), &refuses);
    for _ in 0..3 {
        client.identify().await.unwrap().search.result.unwrap_err();
    }
    assert_eq!(refuses.asked().len(), 1);
}

#[tokio::test]
async fn expired_token_in_the_first_frame_asks_the_chain_again() {
    let exception = server::exception("expiredTokenException", "The security token is expired");
    let server = server::Server::start([
        server::Answer::stream([exception]),
        server::Answer::stream(server::text_answer(&["fine"])),
    ]);
    let instance = Instance::new(3600);
    let client = Client::new(instance.config().endpoint_url(&server.url));
    let request = ConverseRequest::new("m").message(Message::user("Hi"));
    client.converse_stream(&request).await.unwrap();
    let keys = server
        .requests()
        .into_iter()
        .map(|request| request.header("authorization").unwrap()[28..33].to_owned());
    assert_eq!(keys.collect::<Vec<_>>(), ["AKID1", "AKID2"]);
}
