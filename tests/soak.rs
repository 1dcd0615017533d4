//! Rounds of many streams at once, of one client on one server, some of them dropped, reset or silent. Meanwhile
//! credentials expire, are revoked and are refreshed for callers who give up, and the wall clock jumps by hours and days.
//! Memory, files and tasks stay as before.
//!
//! `cargo test` does a few small rounds. For an hour of rounds of up to 1,000 streams:
//! `ulimit -n 4096; PUMICE_SOAK_SECONDS=3600 cargo test --release --test soak -- --nocapture`.
//! `PUMICE_SOAK_SEED=N` begins with another seed.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "figures of the long form")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pumice::context::Context;
use pumice::converse::{ConverseRequest, Message};
use pumice::retry::Retry;
use pumice::{Client, Config, ErrorKind, Event};
use serde_json::{Value, json};
use support::memory::resident_kib;
use support::server::text_answer;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, watch};
use tokio::task::JoinSet;
use tokio::time::advance;

/// What happens to a stream. It is also the model's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is read to its end.
    Ends,
    /// It is endless, and is dropped in the middle.
    IsDropped,
    /// The server resets the connection.
    IsReset,
    /// The server sends nothing more.
    FallsSilent,
    /// The server never responds.
    NeverBegins,
    /// The server never responds, and the caller gives up.
    IsGivenUp,
}

const FATES: [Fate; 6] =
    [Fate::Ends, Fate::IsDropped, Fate::IsReset, Fate::FallsSilent, Fate::NeverBegins, Fate::IsGivenUp];

/// Random numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn between(&mut self, first: i64, last: i64) -> i64 {
        first + i64::try_from(self.below(usize::try_from(last - first).unwrap() + 1)).unwrap()
    }
}

/// What client and services share: the wall clock, and the state of the services.
#[derive(Default)]
struct World {
    /// The clock, in seconds from the start, and the latest expiry of any credentials.
    clock: AtomicI64,
    latest: AtomicI64,
    /// The number of the last keys that were issued, and of the last that were revoked.
    given: AtomicUsize,
    revoked: AtomicUsize,
    /// The refresh token of the SSO session, which works once.
    refresh: AtomicUsize,
    /// How many requests the credential services got.
    asked: watch::Sender<usize>,
    /// Whether the credential services respond.
    open: watch::Sender<bool>,
    /// Calls that wait for a response that never arrives.
    waiting: watch::Sender<usize>,
    /// Whether connections are reset now: before that, the beginning of the response must arrive.
    resets: watch::Sender<bool>,
    connections: AtomicUsize,
}

impl World {
    fn now(&self) -> SystemTime {
        let seconds = u64::try_from(START + self.clock.load(Ordering::SeqCst)).unwrap();
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// When credentials that are issued now expire, in seconds since 1970.
    fn end(&self) -> i64 {
        let end = self.clock.load(Ordering::SeqCst) + LIFE;
        self.latest.fetch_max(end, Ordering::SeqCst);
        START + end
    }

    /// Lets the clock jump, counted from the latest expiry.
    fn jump(&self, seconds: i64) {
        self.clock.store(self.latest.load(Ordering::SeqCst) + seconds, Ordering::SeqCst);
    }
}

#[test]
fn a_soak_leaves_everything_as_it_was() {
    let long = std::env::var("PUMICE_SOAK_SECONDS").ok().map(|seconds| seconds.parse::<u64>().unwrap());
    let seed = std::env::var("PUMICE_SOAK_SEED").map_or(1, |seed| seed.parse().unwrap());
    // Each stream has two sockets here.
    let streams = if long.is_some() { 1000.min((open_files_limit() - 100) / 2) } else { 60 };
    let world = Arc::new(World { open: watch::channel(true).0, ..World::default() });
    let url = serve(&world);

    // The clock of timeouts stands until a round moves it.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let before = open_files();
    let begun = Instant::now();
    let (rounds, calls) = runtime.block_on(async {
        // It would advance by itself while all wait for the server, but not while a thread is at work.
        let (over, wait) = std::sync::mpsc::channel::<()>();
        let waiting = tokio::task::spawn_blocking(move || wait.recv());
        let clients = clients(&world, &url);
        let mut random = Random(seed);
        let (mut rounds, mut calls, mut warm, mut told) = (0, 0, 0, Instant::now());
        loop {
            let count = streams / 2 + random.below(streams / 2 + 1);
            let count = if rounds < WARM_UP { streams } else { count };
            round(&world, &clients, count, &mut random).await;
            calls += count;
            rounds += 1;
            // Idle connections have a task each, and the pools have some.
            let left = || (alive_tasks(), world.connections.load(Ordering::SeqCst));
            eventually(left, |(tasks, connections)| *tasks <= connections + 8).await;
            let memory = resident_kib();
            if rounds <= WARM_UP {
                warm = memory.max(warm);
            }
            assert!(memory <= warm + SLACK_KIB, "{warm} KiB, then {memory} KiB after {rounds} rounds");
            if long.is_some() && told.elapsed() > Duration::from_mins(1) {
                told = Instant::now();
                let (seconds, open, (tasks, connections)) = (begun.elapsed().as_secs(), open_files(), left());
                println!(
                    "{seconds} s: {rounds} rounds, {calls} streams; {memory} KiB (after the first {WARM_UP}: {warm}), {open} files, {connections} idle connections, {tasks} tasks"
                );
            }
            let is_over = long.map_or(rounds == 12, |seconds| begun.elapsed().as_secs() >= seconds);
            if is_over {
                break;
            }
        }
        for client in &clients {
            assert_eq!(call(client.clone(), Fate::Ends, None).await, Ok(TEXT.to_owned()));
        }
        drop(clients);
        eventually(alive_tasks, |tasks| *tasks == 0).await;
        eventually(|| world.connections.load(Ordering::SeqCst), |connections| *connections == 0).await;
        drop(over);
        waiting.await.unwrap().unwrap_err();
        (rounds, calls)
    });
    // The runtime's own thread may be on its way out.
    drop(runtime);
    assert!(open_files() <= before, "{before} files, then {}", open_files());
    println!(
        "{rounds} rounds, {calls} streams in {} s, seed {seed}: {} KiB",
        begun.elapsed().as_secs(),
        resident_kib()
    );
}

/// A client with the keys of a container, and one with those of an SSO session.
fn clients(world: &Arc<World>, url: &str) -> [Client; 2] {
    let context = || {
        let world = Arc::clone(world);
        Context::fake().with_clock(move || world.now())
    };
    let container = context().with_env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{url}/credentials"));
    let mut sso = context().with_env("HOME", "/home").with_env("AWS_EC2_METADATA_DISABLED", "true");
    for service in ["SSO", "SSO_OIDC"] {
        sso = sso.with_env(format!("AWS_ENDPOINT_URL_{service}"), url);
    }
    let session = session("refresh-0");
    let sso = sso.with_file("/home/.aws/config", SSO).with_file(format!("/home/{SSO_CACHE}"), session);
    [container, sso].map(|context| {
        let config = Config::new().context(context).region("eu-west-1").endpoint_url(url);
        Client::new(config.first_byte_timeout(SILENCE).idle_timeout(SILENCE).retry(Retry::never()))
    })
}

/// All streams at once, each with its own fate.
async fn round(world: &World, clients: &[Client; 2], count: usize, random: &mut Random) {
    match random.below(4) {
        // By hours and days, ahead or back, or by minutes, to just before an expiry.
        0 => world.jump(random.between(-72, 72) * 3600),
        1 => world.jump(random.between(-600, 10)),
        2 => world.revoked.store(world.given.load(Ordering::SeqCst), Ordering::SeqCst),
        _ => {}
    }
    if random.below(3) == 0 {
        cancelled_refresh(world, clients, random).await;
    }
    let asked = *world.asked.borrow();
    world.resets.send_replace(false);

    let fates = (0..count).map(|_| FATES[random.below(FATES.len())]).collect::<Vec<_>>();
    let is_answered = |fate: &Fate| !matches!(fate, Fate::NeverBegins | Fate::IsGivenUp);
    // One more, for the jump of the clock after all have begun.
    let begun = Arc::new(Barrier::new(fates.iter().filter(|fate| is_answered(fate)).count() + 1));
    let (mut ending, mut silent, mut given_up) = (JoinSet::new(), JoinSet::new(), JoinSet::new());
    let mut wait_for_ever = 0;
    for fate in fates {
        let client = clients[random.below(clients.len())].clone();
        let call = call(client, fate, is_answered(&fate).then(|| Arc::clone(&begun)));
        wait_for_ever += usize::from(!is_answered(&fate));
        match fate {
            Fate::IsGivenUp => _ = given_up.spawn(call),
            Fate::FallsSilent | Fate::NeverBegins => _ = silent.spawn(async move { (fate, call.await) }),
            _ => _ = ending.spawn(async move { (fate, call.await) }),
        }
    }
    tokio::select! {
        biased;
        _ = begun.wait() => {}
        Some(ended) = ending.join_next() => panic!("it ended too early: {ended:?}"),
        Some(ended) = silent.join_next() => panic!("it ended too early: {ended:?}"),
    }
    let mut waiting = world.waiting.subscribe();
    tokio::select! {
        all = waiting.wait_for(|waiting| *waiting == wait_for_ever) => drop(all.unwrap()),
        Some(ended) = silent.join_next() => panic!("it ended too early: {ended:?}"),
        Some(ended) = given_up.join_next() => panic!("it ended too early: {ended:?}"),
    }
    world.jump(random.between(-72, 72) * 3600);
    world.resets.send_replace(true);
    given_up.shutdown().await;
    while let Some(ended) = ending.join_next().await {
        let (fate, got) = ended.unwrap();
        let expected = match fate {
            Fate::IsReset => Err(ErrorKind::BrokenOff),
            Fate::IsDropped => Ok(String::new()),
            _ => Ok(TEXT.to_owned()),
        };
        assert_eq!(got, expected, "{fate:?}");
    }
    while !silent.is_empty() {
        settle().await;
        advance(SILENCE / 3).await;
        while let Some(ended) = silent.try_join_next() {
            let (fate, got) = ended.unwrap();
            assert_eq!(got, Err(ErrorKind::Timeout), "{fate:?}");
        }
    }
    // Two clients: each asks once per round, and once more after a revocation or in the background. An SSO session takes
    // two requests.
    let asked = *world.asked.borrow() - asked;
    assert!(asked <= 9, "{asked} requests for credentials");
}

/// Callers who wait for new credentials give up. The refresh is not lost.
async fn cancelled_refresh(world: &World, clients: &[Client; 2], random: &mut Random) {
    let client = &clients[random.below(clients.len())];
    let asked = *world.asked.borrow();
    world.open.send_replace(false);
    world.jump(1);
    let mut callers = JoinSet::new();
    for _ in 0..=random.below(5) {
        callers.spawn(call(client.clone(), Fate::Ends, None));
    }
    let mut asking = world.asked.subscribe();
    tokio::select! {
        asked = asking.wait_for(|now| *now > asked) => drop(asked.unwrap()),
        ended = callers.join_next() => panic!("it ended too early: {ended:?}"),
    }
    settle().await;
    callers.shutdown().await;
    world.open.send_replace(true);
}

/// Makes a call, and returns its text if the call ends.
async fn call(client: Client, fate: Fate, begun: Option<Arc<Barrier>>) -> Result<String, ErrorKind> {
    let request = ConverseRequest::new(format!("{fate:?}")).message(Message::user("Hi"));
    let made = async {
        let mut events = client.converse_stream(&request).await?;
        events.next_event().await?;
        if let Some(begun) = begun {
            begun.wait().await;
        }
        let mut text = String::new();
        while let Some(event) = events.next_event().await? {
            if fate == Fate::IsDropped {
                return Ok(String::new());
            }
            if let Event::ContentBlockDelta(event) = event {
                text += event.delta.as_text().unwrap_or_default();
            }
        }
        Ok(text)
    };
    made.await.map_err(|error: pumice::Error| match error.kind() {
        kind @ (ErrorKind::BrokenOff | ErrorKind::Timeout) => kind,
        _ => panic!("{fate:?}: {error}"),
    })
}

/// All services, on one separate thread.
fn serve(world: &Arc<World>) -> String {
    let (world, (sender, receiver)) = (Arc::clone(world), std::sync::mpsc::channel());
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(format!("http://{}", listener.local_addr().unwrap())).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let world = Arc::clone(&world);
                world.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move {
                    // A client that disconnects is an error here.
                    let _ = respond(stream, &world).await;
                    world.connections.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
    });
    receiver.recv().unwrap()
}

async fn respond(stream: TcpStream, world: &World) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some((head, body)) = request(&mut stream).await? {
        let path = head.split(' ').nth(1).unwrap_or_default();
        if !path.starts_with("/model/") {
            let answer = credentials(path, &body, world).await;
            stream.get_mut().write_all(&answer).await?;
            continue;
        }
        let key = head.split("Credential=AKID").nth(1).and_then(|rest| rest.split('/').next());
        if key.unwrap().parse::<usize>().unwrap() <= world.revoked.load(Ordering::SeqCst) {
            let refusal =
                whole("403 Forbidden", &json!({"__type": "ExpiredTokenException", "message": "expired"}));
            stream.get_mut().write_all(&refusal).await?;
            continue;
        }
        let fate = FATES.into_iter().find(|fate| path.contains(&format!("{fate:?}"))).unwrap();
        if matches!(fate, Fate::NeverBegins | Fate::IsGivenUp) {
            world.waiting.send_modify(|waiting| *waiting += 1);
            let gone = stream.fill_buf().await;
            world.waiting.send_modify(|waiting| *waiting -= 1);
            return gone.map(|_| ());
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/vnd.amazon.eventstream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.get_mut().write_all(head.as_bytes()).await?;
        let frames = text_answer(&[TEXT]);
        match fate {
            Fate::Ends => {
                for frame in frames {
                    stream.get_mut().write_all(&chunk(&frame)).await?;
                }
                stream.get_mut().write_all(b"0\r\n\r\n").await?;
            }
            Fate::IsDropped => {
                stream.get_mut().write_all(&chunk(&frames[0])).await?;
                loop {
                    stream.get_mut().write_all(&chunk(&frames[1])).await?;
                    tokio::task::yield_now().await;
                }
            }
            _ => {
                stream.get_mut().write_all(&chunk(&frames[..2].concat())).await?;
                if fate == Fate::IsReset {
                    let _ = world.resets.subscribe().wait_for(|resets| *resets).await;
                    return stream.get_ref().set_zero_linger();
                }
                return stream.fill_buf().await.map(|_| ());
            }
        }
    }
    Ok(())
}

/// Head and body of a request. `None` if the client has closed the connection.
async fn request(stream: &mut BufReader<TcpStream>) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    Ok(Some((head, body)))
}

/// The response of a credential service.
async fn credentials(path: &str, body: &[u8], world: &World) -> Vec<u8> {
    let end = world.end();
    let answer = if path == "/token" {
        let used: Value = serde_json::from_slice(body).unwrap();
        let number = world.refresh.fetch_add(1, Ordering::SeqCst);
        assert_eq!(used["refreshToken"], format!("refresh-{number}"), "it is good once");
        json!({"accessToken": "t", "expiresIn": LIFE, "refreshToken": format!("refresh-{}", number + 1)})
    } else {
        let key = format!("AKID{}", world.given.fetch_add(1, Ordering::SeqCst) + 1);
        if path == "/credentials" {
            let end = time::OffsetDateTime::from_unix_timestamp(end).unwrap();
            let end = end.format(&time::format_description::well_known::Rfc3339).unwrap();
            json!({"AccessKeyId": key, "SecretAccessKey": "s", "Token": "t", "Expiration": end})
        } else {
            json!({"roleCredentials": {
                "accessKeyId": key, "secretAccessKey": "s", "sessionToken": "t", "expiration": end * 1000,
            }})
        }
    };
    world.asked.send_modify(|asked| *asked += 1);
    let _ = world.open.subscribe().wait_for(|open| *open).await;
    whole("200 OK", &answer)
}

fn whole(status: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn alive_tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Runs all tasks that can run now.
async fn settle() {
    for _ in 0..30 {
        tokio::task::yield_now().await;
    }
}

/// Waits for a condition that may depend on the server.
async fn eventually<T: std::fmt::Debug>(found: impl Fn() -> T, is_right: impl Fn(&T) -> bool) {
    let begun = Instant::now();
    while !is_right(&found()) {
        assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", found());
        tokio::task::yield_now().await;
    }
}

/// How many files the process has open; 0 if the system does not say.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

fn open_files_limit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(256)
}

fn session(refresh: &str) -> String {
    json!({
        "accessToken": "old", "expiresAt": "2020-01-01T00:00:00Z", "clientId": "c", "clientSecret": "s",
        "refreshToken": refresh, "registrationExpiresAt": "2099-01-01T00:00:00Z",
    })
    .to_string()
}

const TEXT: &str = "all is well";
/// 2026-01-02T03:04:05Z.
const START: i64 = 1_767_323_045;
/// How long keys and tokens are valid, in seconds.
const LIFE: i64 = 3600;
const SILENCE: Duration = Duration::from_secs(3);
/// After how many rounds the process stops growing.
const WARM_UP: usize = 4;
/// How much the process may grow after those.
const SLACK_KIB: usize = 16 * 1024;
const SSO: &str = "[default]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\n\
     [sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n";
/// Of the SHA-1 of `corp`.
const SSO_CACHE: &str = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
