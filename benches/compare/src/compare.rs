//! The whole comparison.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use crate::bar::Limit::{AtLeast, AtMost};
use crate::bar::{Bar, verdict};
use crate::measure::{Asks, Over, Program, World, callgrind, instructions, median};
use crate::package::{Built, CLI, CODEC, EMBEDDER, EMBEDDERS, KEYS, LEAN, Package, SDK_3, SDK_Z};
use crate::{chart, history};

pub struct Options {
    quick: bool,
    sdk: &'static [(&'static str, Package)],
    only: Vec<String>,
    readme: bool,
}

impl Options {
    pub fn of(words: &[&str]) -> Option<Self> {
        let mut options = Self { quick: false, sdk: &SDKS, only: Vec::new(), readme: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--quick" => options.quick = true,
                "--readme" => options.readme = true,
                "--sdk" => {
                    options.sdk = match *words.next()? {
                        "z" => &SDKS[..1],
                        "3" => &SDKS[1..],
                        "both" => &SDKS,
                        _ => return None,
                    }
                }
                "--only" => options.only.extend(words.next()?.split(',').map(str::to_owned)),
                _ => return None,
            }
        }
        let known = ["cli", "embedder", "sdk", "codec"];
        let all = options.only.is_empty() && options.sdk.len() == SDKS.len();
        let known = options.only.iter().all(|name| known.contains(&name.as_str()));
        (known && (all || !options.readme)).then_some(options)
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    fn build(&self, package: &Package) -> Built {
        if self.quick { package.build() } else { package.build_from_nothing() }
    }
}

static SDKS: [(&str, Package); 2] = [("AWS SDK, opt-level z", SDK_Z), ("AWS SDK, opt-level 3", SDK_3)];

/// What a program takes.
struct Figures {
    /// In milliseconds, over HTTP and TLS.
    start: [f64; 2],
    /// In millions.
    start_instructions: [f64; 2],
    /// Of an event.
    instructions: f64,
    /// In microseconds.
    cpu: f64,
    cpu_of_piece: f64,
    /// In MiB, for few events and for many.
    memory: [f64; 2],
}

pub fn run(options: &Options) -> ExitCode {
    let (mut programs, mut sizes) = (Vec::new(), Vec::new());
    if options.wants("cli") {
        // Not among the builds of those who work on it.
        let target = if options.quick { CLI.target } else { "benches/compare/target/cli" };
        let built = options.build(&Package { target, ..CLI });
        let lean = options.build(&LEAN);
        sizes.extend(program_bars(&built, &lean));
        for (name, asks, built) in [
            (WHOLE_NAME, Asks::Converse, &built),
            (LEAN_NAME, Asks::Converse, &lean),
            ("`pumice chat`", Asks::Chat, &built),
        ] {
            programs.push((Program { name, binary: built.binary.clone(), asks }, built.clone()));
        }
    }
    if options.wants("embedder") {
        let built = options.build(&EMBEDDER);
        sizes.extend(embedder_bars(&built, &options.build(&KEYS)));
        let program = Program { name: EMBEDDER_NAME, binary: built.binary.clone(), asks: Asks::Embedder };
        programs.push((program, built));
    }
    if options.wants("sdk") {
        for (name, package) in options.sdk {
            let built = options.build(package);
            programs.push((Program { name, binary: built.binary.clone(), asks: Asks::Sdk }, built));
        }
    }
    let world = World::new();
    let starts = starts(&world, &programs);
    let measured = programs
        .into_iter()
        .zip(starts)
        .map(|((program, built), start)| {
            eprintln!("measuring {}", program.name);
            let figures = measure(&world, &program, start);
            (program, built, figures)
        })
        .collect::<Vec<_>>();
    if !measured.is_empty() {
        print(&measured, options.quick);
        // How quiet the machine is: what a start is to be compared with.
        println!("`true`, from start to end: {:.2} ms\n", start_of_nothing());
    }
    if options.readme {
        let measured = measured.iter().filter(|(program, ..)| program.asks != Asks::Chat);
        chart::write(&measured.map(column).collect::<Vec<_>>());
    }

    let mut bars = bars(&measured);
    bars.extend(sizes);
    if options.wants("embedder") {
        bars.push(allocations(&world));
    }
    if options.wants("codec") {
        let sdk = options.wants("sdk") && options.sdk.iter().any(|(_, sdk)| sdk.target == SDK_3.target);
        bars.extend(codec(&world, sdk));
    }
    verdict(&bars)
}

fn start_of_nothing() -> f64 {
    let times = (0..31).map(|_| {
        let start = Instant::now();
        assert!(Command::new("true").status().unwrap().success());
        start.elapsed()
    });
    median::<Duration>(times.collect()).as_secs_f64() * 1e3
}

/// What [`Figures::start`] has of each. They run in turn, so that what else the machine does slows all of them.
fn starts(world: &World, programs: &[(Program, Built)]) -> Vec<[f64; 2]> {
    let mut times = vec![[Vec::new(), Vec::new()]; programs.len()];
    for _ in 0..101 {
        for ((program, _), times) in programs.iter().zip(&mut times) {
            for (over, times) in [Over::Http, Over::Tls].into_iter().zip(times) {
                times.push(world.time_to_first_event(program, over));
            }
        }
    }
    let milliseconds = |times| median::<Duration>(times).as_secs_f64() * 1e3;
    times.into_iter().map(|times| times.map(milliseconds)).collect()
}

fn measure(world: &World, program: &Program, start: [f64; 2]) -> Figures {
    let start_instructions = start_instructions(world, program);
    let few_and_many = [1_000, 11_000];
    let [few, many] = few_and_many.map(|events| world.instructions(program, Over::Http, events) as f64);
    let mut memory = [Vec::new(), Vec::new()];
    let mut cpu = Vec::new();
    let mut cpu_of_piece = Vec::new();
    for _ in 0..7 {
        let [few, many] = [FEW, MANY].map(|events| world.usage(program, events));
        cpu.push(microseconds(few.cpu, many.cpu, MANY - FEW));
        memory[0].push(few.peak_memory as f64 / f64::from(1 << 20));
        memory[1].push(many.peak_memory as f64 / f64::from(1 << 20));
        let [few, many] = [100, 1_100].map(|events| world.usage_of_pieces(program, events));
        cpu_of_piece.push(microseconds(few.cpu, many.cpu, 1_000));
    }
    Figures {
        start,
        start_instructions,
        instructions: (many - few) / 10_000.0,
        cpu: median(cpu),
        cpu_of_piece: median(cpu_of_piece),
        memory: memory.map(median),
    }
}

/// Of a whole run with one event, over HTTP and TLS, in millions.
fn start_instructions(world: &World, program: &Program) -> [f64; 2] {
    // Keys and padding of TLS are chance.
    [(Over::Http, 1), (Over::Tls, 3)].map(|(over, runs)| {
        let counts = (0..runs).map(|_| world.instructions(program, over, 1)).collect();
        median::<u64>(counts) as f64 / 1e6
    })
}

/// What each of so many more events took.
fn microseconds(few: Duration, many: Duration, more: usize) -> f64 {
    (many.as_secs_f64() - few.as_secs_f64()) * 1e6 / more as f64
}

fn print(measured: &[(Program, Built, Figures)], quick: bool) {
    println!(
        "| | binary, MB | crates | build, CPU s | start to first event, HTTP / TLS, ms | start to end of one event, \
         HTTP / TLS, million instructions | instructions an event | CPU an event, µs | a frame a write, µs \
         | peak RSS, {FEW} / {MANY} events, MiB |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    for (program, built, figures) in measured {
        let Figures { start, start_instructions, instructions, cpu, cpu_of_piece, memory } = figures;
        let build = if quick { "–".to_owned() } else { format!("{:.0}", built.cpu.as_secs_f64()) };
        println!(
            "| {} | {:.2} | {} | {build} | {:.2} / {:.2} | {:.2} / {:.2} | {instructions:.0} | {cpu:.2} \
             | {cpu_of_piece:.1} | {:.1} / {:.1} |",
            program.name,
            built.size as f64 / 1e6,
            built.crates,
            start[0],
            start[1],
            start_instructions[0],
            start_instructions[1],
            memory[0],
            memory[1],
        );
    }
    println!();
}

/// What `README.md` says of a program.
fn column((program, built, figures): &(Program, Built, Figures)) -> chart::Column {
    let mut instructions = format!("{:.0}", figures.instructions);
    if let Some(thousands) = instructions.len().checked_sub(3).filter(|at| *at > 0) {
        instructions.insert(thousands, ',');
    }
    let [http, tls] = figures.start_instructions.map(|millions| format!("{millions:.2}"));
    let memory = format!("{:.1}", figures.memory[1]);
    (program.name, [format!("{:.2}", megabytes(built)), http, tls, instructions, memory])
}

fn bars(measured: &[(Program, Built, Figures)]) -> Vec<Bar> {
    let mut bars = Vec::new();
    for (program, _, figures) in measured.iter().filter(|(program, ..)| program.asks != Asks::Sdk) {
        let mut bar = |what: &str, figure, limit, unit| {
            bars.push(Bar::new(format!("{}: {what}", program.name), figure, limit, unit));
        };
        let [http, tls] = START;
        for (over, at, time, count) in [("HTTP", 0, 2.0, http), ("TLS", 1, 3.5, tls)] {
            bar(&format!("start to first event, {over}"), figures.start[at], AtMost(time), "ms");
            let figure = figures.start_instructions[at];
            bar(&format!("one event, {over}"), figure, AtMost(count), "million instructions");
        }
        match program.asks {
            Asks::Converse => bar("an event", figures.instructions, AtMost(CONVERSE), "instructions"),
            Asks::Chat => bar("an event", figures.instructions, AtMost(CHAT), "instructions"),
            Asks::Embedder | Asks::Sdk => {}
        }
        let sdks = measured.iter().filter(|(program, ..)| program.asks == Asks::Sdk);
        if let Some((sdk, _, theirs)) = sdks.min_by_key(|(_, built, _)| built.size) {
            let what = format!("an event, beside {}", sdk.name);
            bar(&what, figures.cpu / theirs.cpu, AtMost(0.25), "of its processor time");
        }
        let peak = if program.asks == Asks::Embedder { 4.5 } else { 6.0 };
        bar("peak RSS", figures.memory[1], AtMost(peak), "MiB");
        // Pages come and go by chance.
        let growth = figures.memory[1] - figures.memory[0];
        bar("more RSS for ten times the events", growth, AtMost(0.25), "MiB");
    }
    bars
}

pub fn embedder_bars(whole: &Built, keys: &Built) -> [Bar; 3] {
    let packages = "embedder: packages in its tree, itself included";
    [
        Bar::new("embedder: size", megabytes(whole), AtMost(2.05), "MB"),
        Bar::new("embedder with keys of its own: size", megabytes(keys), AtMost(1.7), "MB"),
        Bar::new(packages, whole.crates as f64, AtMost(105.0), "crates"),
    ]
}

pub fn program_bars(whole: &Built, lean: &Built) -> [Bar; 2] {
    [
        Bar::new("pumice: size", megabytes(whole), AtMost(3.7), "MB"),
        Bar::new("pumice without its features: size", megabytes(lean), AtMost(3.0), "MB"),
    ]
}

fn megabytes(built: &Built) -> f64 {
    built.size as f64 / 1e6
}

pub fn sizes() -> ExitCode {
    let [whole, lean, embedder, keys] = [CLI, LEAN, EMBEDDER, KEYS].map(|package| package.build());
    println!("packages in the tree: {} of the program, {} without its features", whole.crates, lean.crates);
    chart::check();
    history::check();
    let mut bars = Vec::from(program_bars(&whole, &lean));
    bars.extend(embedder_bars(&embedder, &keys));
    for (name, built) in [(WHOLE_NAME, &whole), (LEAN_NAME, &lean), (EMBEDDER_NAME, &embedder)] {
        let error = (chart::size(name) / megabytes(built) - 1.0).abs() * 100.0;
        bars.push(Bar::new(format!("{name}: its size in README.md"), error, AtMost(2.0), "% off"));
    }
    verdict(&bars)
}

/// What a start and an event of the program take, in instructions, which do not depend on what else the machine does.
pub fn count_instructions() -> ExitCode {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not installed, and nothing else counts instructions");
        return ExitCode::SUCCESS;
    }
    let (built, world) = (CLI.build(), World::new());
    let program = |asks| Program { name: "pumice", binary: built.binary.clone(), asks };
    let [http, tls] = start_instructions(&world, &program(Asks::Converse));
    let bar = |asks, form, subject: &str, limit| {
        let figure = world.instructions_of_event(&program(asks), form);
        Bar::new(subject, figure, AtMost(limit), "instructions")
    };
    let start = "`pumice converse`: one event, from start to end,";
    verdict(&[
        Bar::new(format!("{start} HTTP"), http, AtMost(START[0] * ELSEWHERE), "million instructions"),
        Bar::new(format!("{start} TLS"), tls, AtMost(START[1] * ELSEWHERE), "million instructions"),
        bar(Asks::Converse, "large", "`pumice converse`: an event", CONVERSE),
        bar(Asks::Converse, "ordered", "the same, members in another order", UNUSUAL),
        bar(Asks::Converse, "escaped", "the same, escapes in the text", UNUSUAL),
        bar(Asks::Converse, "spaced", "the same, white space", UNUSUAL),
        bar(Asks::Chat, "large", "`pumice chat`: an event", CHAT),
    ])
}

/// From a chunk to the event that is delivered, in a whole call.
fn allocations(world: &World) -> Bar {
    let built = Package { binary: "allocations", ..EMBEDDERS }.build();
    let program = Program { name: "allocations", binary: built.binary, asks: Asks::Embedder };
    let [few, many] = [1_000, 11_000].map(|events| {
        let output = world.output(Vec::new(), &program, Over::Http, events);
        String::from_utf8_lossy(&output.stderr).trim().parse::<f64>().unwrap()
    });
    Bar::new("an event, in a whole call", (many - few) / 10_000.0, AtMost(2.0), "allocations")
}

/// The codec alone, from memory.
fn codec(world: &World, with_sdk: bool) -> Vec<Bar> {
    eprintln!("measuring the codec");
    let built = CODEC.build();
    let file = world.event_stream(20_000);
    let text = output(&built.binary, &file);
    let figure = |name: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found
            .and_then(|figure| figure.parse::<f64>().ok())
            .unwrap_or_else(|| panic!("{name} expected in {text}"))
    };
    for line in text.lines().filter_map(|line| line.split_once(": ")) {
        println!("from memory, {}: {:.1} ns", line.0, line.1.parse::<f64>().unwrap());
    }
    let [frames, events] = ["frames", "events"].map(|what| {
        let [few, many] = [1_000, 11_000].map(|events| {
            let mut words = callgrind().into_iter();
            let mut command = Command::new(words.next().unwrap());
            instructions(command.args(words).arg(&built.binary).arg(world.event_stream(events)).arg(what))
                as f64
        });
        (many - few) / 10_000.0
    });
    let mut bars = vec![
        Bar::new(
            "frame, 16-KiB feeds",
            figure("pumice") / figure("checksums"),
            AtMost(2.0),
            "× the checksums alone",
        ),
        Bar::new(
            "frame, 16-KiB feeds",
            figure("aws-smithy-eventstream") / figure("pumice"),
            AtLeast(15.0),
            "times faster than aws-smithy-eventstream",
        ),
        Bar::new(
            "byte by byte: a frame of megabytes beside short ones",
            figure("a long frame by bytes") / figure("short frames by bytes"),
            AtMost(1.1),
            "× the time a byte",
        ),
    ];
    let (ours, time) = (events - frames, figure("events"));
    println!("from memory, frame to typed event: {ours:.0} instructions");
    // One of the two is enough.
    bars.push(if time <= 110.0 {
        Bar::new("frame to typed event", time, AtMost(110.0), "ns")
    } else {
        Bar::new("frame to typed event", ours, AtMost(1_300.0), "instructions")
    });
    if with_sdk {
        let sdk = Package { binary: "memory", ..SDK_3 }.build();
        let theirs = output(&sdk.binary, &file).trim().parse::<f64>().unwrap();
        println!("from memory, frames and events in the AWS SDK, `3`: {theirs:.1} ns");
        let times = theirs / figure("bytes to events");
        bars.push(Bar::new("bytes to typed event", times, AtLeast(11.0), "times faster than the AWS SDK"));
    }
    println!();
    bars
}

fn output(program: &Path, file: &Path) -> String {
    let output = Command::new(program).arg(file).output().unwrap();
    assert!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Names of programs here and in `README.md`.
const WHOLE_NAME: &str = "`pumice converse`";
const LEAN_NAME: &str = "`pumice converse`, lean";
const EMBEDDER_NAME: &str = "library embedder";
/// The most instructions of a run with one event, over HTTP and TLS, in millions.
const START: [f64; 2] = [1.0, 4.0];
/// How much more a start may take where another C library and another processor load the program.
const ELSEWHERE: f64 = 1.05;
/// The most instructions of an event.
const CONVERSE: f64 = 2_400.0;
const CHAT: f64 = 2_600.0;
/// Of an event in `converse` that is not in the form in which the service writes it.
const UNUSUAL: f64 = 5_000.0;
const FEW: usize = 10_000;
const MANY: usize = 100_000;
