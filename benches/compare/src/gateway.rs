//! The gateway, beside a bare proxy on hyper, `LiteLLM` and Portkey, all in front of the same loopback Bedrock.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use crate::bar::Limit::{AtLeast, AtMost};
use crate::bar::{Bar, verdict};
use crate::callers::{Ask, rate, times_to_first_byte, together};
use crate::compare::{embedder_bars, program_bars};
use crate::measure::{Asks, Over, Program, World, median};
use crate::package::{CLI, EMBEDDER, KEYS, LEAN, PROXY, root};
use crate::server::text_length;
use crate::service::{Launch, Service};

#[derive(Clone)]
pub struct Options {
    /// Where `LiteLLM` and Portkey are installed.
    others: PathBuf,
    /// How many events each of 500 streams has.
    events: usize,
    only: Vec<String>,
}

impl Options {
    pub fn of(words: &[&str]) -> Option<Self> {
        let mut options =
            Self { others: root().join("benches/compare/target/others"), events: 4_000, only: Vec::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let value = words.next()?;
            match *word {
                "--others" => options.others = PathBuf::from(value),
                "--events" => options.events = value.parse().ok()?,
                "--only" => options.only.extend(value.split(',').map(str::to_owned)),
                _ => return None,
            }
        }
        let known = ["speed", "events", "memory", "sizes"];
        options.only.iter().all(|name| known.contains(&name.as_str())).then_some(options)
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

/// Builds the programs and measures them in a network of its own, which has loopback alone: none of them can call
/// anything else.
pub fn run(words: &[&str]) -> ExitCode {
    CLI.build();
    PROXY.build();
    let mut command = Command::new("unshare");
    let script = r#"ip link set lo up && ulimit -n 8192 && exec "$0" "$@""#;
    command.args(["--map-root-user", "--net", "--", "sh", "-c", script]);
    command.arg(std::env::current_exe().unwrap()).arg("gateway-alone").args(words);
    let status = command.status().expect("expected unshare, of util-linux");
    ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))
}

/// What [`run`] runs.
pub fn run_alone(options: &Options) -> ExitCode {
    let world = World::new();
    let pumice = CLI.built_binary();
    let mut bars = Vec::new();
    if options.wants("speed") {
        bars.extend(speed(options, &world, &pumice));
    }
    if options.wants("events") {
        bars.extend(events(&world, &pumice));
    }
    if options.wants("memory") {
        bars.extend(memory(options, &world, &pumice));
    }
    if options.wants("sizes") {
        bars.extend(program_bars(&CLI.build(), &LEAN.build()));
        bars.extend(embedder_bars(&EMBEDDER.build(), &KEYS.build()));
    }
    println!();
    verdict(&bars)
}

/// One of those that are compared.
struct Contestant {
    name: &'static str,
    /// What is asked of it, and how.
    ask: Ask,
    service: Option<Service>,
    rates: Vec<f64>,
    /// The processor time of each of these calls, in microseconds.
    cpu: Vec<f64>,
    /// Resident memory before the first call, in MiB.
    idle: f64,
}

impl Contestant {
    fn new(name: &'static str, ask: Ask, service: Option<Service>) -> Self {
        let idle = service.as_ref().map_or(f64::NAN, Service::resident);
        Self { name, ask, service, rates: Vec::new(), cpu: Vec::new(), idle }
    }

    fn measure(&mut self) {
        let before = self.service.as_ref().map(Service::cpu);
        let (calls, seconds) = rate(&self.ask, CONNECTIONS, ROUND);
        self.rates.push(calls as f64 / seconds);
        if let (Some(service), Some(before)) = (&self.service, before) {
            self.cpu.push(service.cpu().saturating_sub(before).as_secs_f64() * 1e6 / calls as f64);
        }
    }
}

fn speed(options: &Options, world: &World, pumice: &Path) -> Vec<Bar> {
    let bedrock = world.endpoint();
    let gateway = || Service::start(Launch::pumice(pumice, world));
    let proxy = Service::start(Launch::proxy(&PROXY.built_binary(), world));
    let passage = gateway();
    let chat = gateway();
    let model = format!("amazon.each-{}", EVENTS - EVENTS_BESIDE);
    let mut all = vec![
        Contestant::new("Bedrock itself", Ask::native(bedrock, &model), None),
        Contestant::new("bare proxy on hyper", Ask::native(&proxy.url, &model), Some(proxy)),
        Contestant::new("pumice, passage", Ask::native(&passage.url, &model), Some(passage)),
        Contestant::new("pumice, chat completions", Ask::chat(&chat.url, &model), Some(chat)),
    ];
    match Launch::portkey(&options.others, world) {
        Some(launch) => {
            let service = Service::start(launch);
            let mut ask = Ask::chat(&service.url, &model);
            for (name, value) in [
                ("x-portkey-provider", "bedrock"),
                ("x-portkey-aws-access-key-id", crate::measure::ACCESS_KEY_ID),
                ("x-portkey-aws-secret-access-key", crate::measure::SECRET_ACCESS_KEY),
                ("x-portkey-aws-region", "us-east-1"),
                ("x-portkey-custom-host", bedrock),
            ] {
                ask = ask.header(name, value);
            }
            all.push(Contestant::new("Portkey", ask, Some(service)));
        }
        None => println!(
            "Portkey is not there: npm install --prefix {} @portkey-ai/gateway",
            options.others.join("portkey").display()
        ),
    }
    if let Some(launch) = Launch::litellm(&options.others, world, &model) {
        let service = Service::start(launch);
        all.push(Contestant::new("LiteLLM", Ask::chat(&service.url, &model), Some(service)));
    } else {
        let folder = options.others.join("litellm");
        let folder = folder.display();
        println!(
            "LiteLLM is not there: python3 -m venv {folder} && {folder}/bin/pip install 'litellm[proxy]'"
        );
    }
    for contestant in &mut all {
        eprintln!("measuring {}", contestant.name);
        if let Some(service) = &mut contestant.service {
            service.wait_until_it_serves(&contestant.ask);
        }
        // The first calls find credentials and compile what is compiled late.
        rate(&contestant.ask, CONNECTIONS, ROUND);
    }
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        all.iter_mut().for_each(Contestant::measure);
    }
    let asks = all.iter().map(|contestant| &contestant.ask).collect::<Vec<_>>();
    // Those of other make apart: what they do with the processor's caches is not the gateway's.
    let (own, others) = asks.split_at(4);
    let times = [own, others].map(|asks| times_to_first_byte(asks, CALLS));
    let first = times.into_iter().flatten().map(median).collect::<Vec<_>>();

    println!(
        "\n{EVENTS} events a response, {CONNECTIONS} connections, {ROUNDS} rounds of {} s each: medians\n\n\
         | | responses a second | of the bare proxy's | processor time a response, µs | first byte, one call at a \
         time, ms | resident memory at first / after, MiB |\n|---|---|---|---|---|---|",
        ROUND.as_secs_f64()
    );
    let proxy = &all[1].rates;
    for (contestant, first) in all.iter().zip(&first) {
        let service = contestant.service.as_ref();
        let of_service = |text: String| if service.is_some() { text } else { "–".to_owned() };
        println!(
            "| {} | {:.0} | {:.2} | {} | {:.2} | {} |",
            contestant.name,
            median(contestant.rates.clone()),
            ratio(&contestant.rates, proxy),
            of_service(format!(
                "{:.0}",
                if contestant.cpu.is_empty() { 0.0 } else { median(contestant.cpu.clone()) }
            )),
            first.as_secs_f64() * 1e3,
            of_service(format!("{:.1} / {:.1}", contestant.idle, service.map_or(0.0, Service::resident))),
        );
    }
    println!();

    let chat = &all[3].rates;
    let mut bars = vec![
        Bar::new("chat completions", ratio(chat, proxy), AtLeast(1.0 / 3.0), "of the bare proxy's"),
        Bar::new("passage", ratio(&all[2].rates, proxy), AtLeast(2.0 / 3.0), "of the bare proxy's"),
        Bar::new(
            "added to the first byte of a chat completion",
            (first[3].as_secs_f64() - first[0].as_secs_f64()) * 1e3,
            AtMost(0.3),
            "ms",
        ),
    ];
    for (name, times) in [("Portkey", 5.0), ("LiteLLM", 60.0)] {
        if let Some(other) = all.iter().find(|contestant| contestant.name == name) {
            let what = format!("chat completions, beside {name}");
            bars.push(Bar::new(what, ratio(chat, &other.rates), AtLeast(times), "times as many"));
        }
    }
    bars
}

/// The median of the ratios of each round: what else the machine does in a round slows both down.
fn ratio(rates: &[f64], others: &[f64]) -> f64 {
    median(rates.iter().zip(others).map(|(rate, other)| rate / other).collect())
}

/// What an event takes, beside what it takes in `pumice converse`.
fn events(world: &World, pumice: &Path) -> Vec<Bar> {
    let program = Program { name: "pumice", binary: pumice.to_owned(), asks: Asks::Converse };
    eprintln!("measuring events in pumice converse");
    let [few, many] = [1_000, 11_000].map(|events| world.instructions(&program, Over::Http, events));
    let of_converse = (many - few) as f64 / 10_000.0;
    let cpu = (0..5).map(|_| {
        let [few, many] = [10_000, 110_000].map(|events| world.usage(&program, events).cpu.as_secs_f64());
        (many - few) * 1e6 / 100_000.0
    });
    let cpu_of_converse = median(cpu.collect());
    println!("| an event | instructions | processor time, µs |\n|---|---|---|");
    println!("| `pumice converse` | {of_converse:.0} | {cpu_of_converse:.2} |");
    let mut bars = Vec::new();
    for (dialect, ask) in dialects() {
        eprintln!("measuring events in {dialect}");
        let [few, many] = [1_000, 11_000].map(|events| {
            let mut service = Service::start(Launch::pumice(pumice, world).under_callgrind());
            let ask = ask(&service.url, &format!("amazon.large-{events}"));
            service.wait_until_it_serves(&ask);
            service.stop_and_count()
        });
        let instructions = (many - few) as f64 / 10_000.0;
        let service = Service::start(Launch::pumice(pumice, world));
        let cpu = (0..5).map(|_| {
            let [few, many] = [10_000, 110_000].map(|events| {
                let before = service.cpu();
                ask(&service.url, &format!("amazon.large-{events}")).call().unwrap();
                service.cpu().saturating_sub(before).as_secs_f64()
            });
            (many - few) * 1e6 / 100_000.0
        });
        let cpu = median(cpu.collect());
        println!("| {dialect} | {instructions:.0} | {cpu:.2} |");
        for (figure, of_converse, unit) in [
            (instructions, of_converse, "× the instructions of `pumice converse`"),
            (cpu, cpu_of_converse, "× the processor time of `pumice converse`"),
        ] {
            bars.push(Bar::new(format!("an event, {dialect}"), figure / of_converse, AtMost(3.0), unit));
        }
    }
    bars
}

fn memory(options: &Options, world: &World, pumice: &Path) -> Vec<Bar> {
    let mut bars = Vec::new();
    // The network is this program's own. With small buffers in the kernel, what a client does not read yet is in the
    // gateway, or waits in the server.
    for name in ["tcp_rmem", "tcp_wmem"] {
        std::fs::write(format!("/proc/sys/net/ipv4/{name}"), "4096 16384 65536").unwrap();
    }
    println!(
        "\n| memory, MiB | streams × events | open and unread | after a tenth | at most | after nine tenths | events a second |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (dialect, ask) in dialects().into_iter().chain([("passage", Ask::native as MakeAsk)]) {
        for (streams, kind, events, over) in [
            (STREAMS, "paced", 250, Over::Tls),
            (STREAMS, "large", options.events, Over::Tls),
            (STREAMS, "large", options.events, Over::Http),
            (16, "large", 100_000, Over::Tls),
        ] {
            let name = if matches!(over, Over::Tls) { "TLS" } else { "HTTP" };
            let how = if kind == "paced" { "50 a second" } else { "as fast as they go" };
            eprintln!("measuring memory: {dialect}, {streams} streams of {events} events, {how}, {name}");
            let launch = Launch::pumice(pumice, world);
            let service =
                Service::start(if matches!(over, Over::Tls) { launch.over_tls(world) } else { launch });
            if bars.is_empty() {
                bars.push(Bar::new("memory idle", service.resident(), AtMost(8.0), "MiB"));
            }
            let ask = ask(&service.url, &format!("amazon.{kind}-{events}"));
            let samples = together(&ask, streams, &service);
            let most = |from: f64, to: f64| {
                let between = samples.resident.iter().filter(|(at, _)| (from..to).contains(at));
                between.map(|(_, resident)| *resident).fold(0.0, f64::max)
            };
            let (tenth, late) = (most(0.1, 0.3), most(0.9, 2.0));
            let (unread, all) = (samples.unread, most(0.0, 2.0).max(samples.unread));
            println!(
                "| {dialect} | {streams} × {events}, {how}, {name} | {unread:.1} | {tenth:.1} | {all:.1} | {late:.1} | {:.0} |",
                (streams * events) as f64 / samples.seconds
            );
            let what = format!("{dialect}, {streams} streams of {events} events, {how}, {name}");
            if streams == STREAMS {
                bars.push(Bar::new(format!("{what}: memory"), all, AtMost(80.0), "MiB"));
            } else if dialect == "responses" {
                // The last event repeats the output, so it is kept, and written several times at the end.
                let text = (streams * text_length(events)) as f64 / f64::from(1 << 20);
                bars.push(Bar::new(
                    format!("{what}: more memory"),
                    (all - tenth) / text,
                    AtMost(8.0),
                    "× the text",
                ));
            } else {
                bars.push(Bar::new(format!("{what}: more memory"), late - tenth, AtMost(2.0), "MiB"));
            }
        }
    }
    bars
}

type MakeAsk = fn(&str, &str) -> Ask;

/// The dialects that are translated.
fn dialects() -> [(&'static str, MakeAsk); 3] {
    [("chat completions", Ask::chat), ("messages", Ask::messages), ("responses", Ask::responses)]
}

/// How many events a response has.
const EVENTS: usize = 20;
/// `messageStart`, `contentBlockStop`, `messageStop` and `metadata`.
const EVENTS_BESIDE: usize = 4;
const CONNECTIONS: usize = 8;
const STREAMS: usize = 500;
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(1);
/// How many calls one after another.
const CALLS: usize = 400;
