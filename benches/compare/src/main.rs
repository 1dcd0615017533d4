//! Measures pumice beside the AWS SDK on this machine, and says which figures are within their bars.

mod measure;
mod package;
mod server;

use std::process::ExitCode;
use std::time::Duration;

use measure::{Asks, Over, Program, World, median};
use package::{Built, CLI, EMBEDDER, Package, SDK_3, SDK_Z};

fn main() -> ExitCode {
    let arguments = std::env::args_os().skip(1).collect::<Vec<_>>();
    if let [word, rest @ ..] = arguments.as_slice()
        && word == "launch"
    {
        return measure::launch(rest);
    }
    let words = arguments.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>();
    let words = words.iter().map(|word| &**word).collect::<Vec<_>>();
    match words.as_slice() {
        ["sizes"] => sizes(),
        options => match Options::of(options) {
            Some(options) => compare(&options),
            None => {
                eprint!("{HELP}");
                ExitCode::from(2)
            }
        },
    }
}

const HELP: &str = "\
compare [--quick] [--sdk z|3|both] [--only NAME]...
    Builds the programs and measures them. --quick builds on what is there from the last time, and does
    not tell how long a build takes. NAME is cli, embedder or sdk.
compare sizes
    The program's and the embedder's size and tree alone.
";

struct Options {
    quick: bool,
    sdk: &'static [(&'static str, Package)],
    only: Vec<String>,
}

impl Options {
    fn of(words: &[&str]) -> Option<Self> {
        let mut options = Self { quick: false, sdk: &SDKS, only: Vec::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--quick" => options.quick = true,
                "--sdk" => {
                    options.sdk = match *words.next()? {
                        "z" => &SDKS[..1],
                        "3" => &SDKS[1..],
                        "both" => &SDKS,
                        _ => return None,
                    }
                }
                "--only" => {
                    options.only.extend(words.next()?.split(',').map(str::to_owned));
                }
                _ => return None,
            }
        }
        options.only.iter().all(|name| ["cli", "embedder", "sdk"].contains(&name.as_str())).then_some(options)
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

static SDKS: [(&str, Package); 2] = [("AWS SDK, `z`", SDK_Z), ("AWS SDK, `3`", SDK_3)];

/// A figure and how far it may go.
struct Bar {
    subject: String,
    figure: f64,
    bar: f64,
    unit: &'static str,
}

fn compare(options: &Options) -> ExitCode {
    let mut programs = Vec::new();
    if options.wants("cli") {
        let built = CLI.build(!options.quick);
        let program = |name, asks| Program { name, binary: built.binary.clone(), asks };
        programs.push((program("pumice converse", Asks::Converse), None));
        programs.push((program("pumice chat", Asks::Chat), Some(built)));
    }
    if options.wants("embedder") {
        let built = EMBEDDER.build(!options.quick);
        let program = Program { name: "embedder", binary: built.binary.clone(), asks: Asks::Embedder };
        programs.push((program, Some(built)));
    }
    if options.wants("sdk") {
        for (name, package) in options.sdk {
            let built = package.build(!options.quick);
            programs.push((Program { name, binary: built.binary.clone(), asks: Asks::Sdk }, Some(built)));
        }
    }

    let world = World::new();
    println!(
        "| | binary, bytes | crates | build, CPU s | start to first event, ms: HTTP | TLS \
         | start to end of one event, million instructions: HTTP | TLS | instructions an event \
         | CPU an event, µs | the same, a frame a write | peak RSS, MiB: {FEW} events | {MANY} |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut all = Vec::new();
    for (program, built) in programs {
        let figures = measure(&world, &program);
        let (size, crates, cpu) = match &built {
            Some(built) => {
                let cpu = built.cpu.map_or("–".to_owned(), |cpu| format!("{:.0}", cpu.as_secs_f64()));
                (built.size.to_string(), built.crates.to_string(), cpu)
            }
            None => Default::default(),
        };
        println!(
            "| {} | {size} | {crates} | {cpu} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {:.2} | {:.1} | {:.1} | {:.1} |",
            program.name,
            figures.start[0],
            figures.start[1],
            figures.start_instructions[0],
            figures.start_instructions[1],
            figures.instructions,
            figures.cpu,
            figures.cpu_of_piece,
            figures.memory[0],
            figures.memory[1],
        );
        all.push((program, built, figures));
    }
    println!();
    let mut bars = Vec::new();
    for (program, built, figures) in &all {
        if program.asks == Asks::Sdk {
            continue;
        }
        let mut bar = |what: &str, figure, bar, unit| {
            bars.push(Bar { subject: format!("{}: {what}", program.name), figure, bar, unit });
        };
        bar("start to first event, HTTP", figures.start[0], 2.0, "ms");
        bar("start to first event, TLS", figures.start[1], 3.5, "ms");
        bar("start to end of one event, HTTP", figures.start_instructions[0], 1.0, "million instructions");
        bar("start to end of one event, TLS", figures.start_instructions[1], 4.0, "million instructions");
        if program.asks != Asks::Embedder {
            bar("an event", figures.instructions, 3_300.0, "instructions");
        }
        for (sdk, _, theirs) in all.iter().filter(|(program, ..)| program.asks == Asks::Sdk) {
            let what = format!("an event, beside {}", sdk.name);
            bar(&what, figures.cpu / theirs.cpu, 0.25, "of its processor time");
        }
        bar("peak RSS", figures.memory[1], if built_is_cli(program) { 6.0 } else { 4.5 }, "MiB");
        let growth = figures.memory[1] - figures.memory[0];
        bar("growth of peak RSS with ten times the events", growth, 0.25, "MiB");
        if let Some(built) = built {
            bars.extend(size_bars(program.asks, built));
        }
    }
    verdict(&bars)
}

fn built_is_cli(program: &Program) -> bool {
    matches!(program.asks, Asks::Converse | Asks::Chat)
}

/// What a package's own program takes.
struct Figures {
    /// In milliseconds, over HTTP and TLS.
    start: [f64; 2],
    /// In millions.
    start_instructions: [f64; 2],
    instructions: f64,
    /// In microseconds.
    cpu: f64,
    cpu_of_piece: f64,
    /// In MiB, for few events and for many.
    memory: [f64; 2],
}

fn measure(world: &World, program: &Program) -> Figures {
    eprintln!("measuring {}", program.name);
    let start = [Over::Http, Over::Tls].map(|over| {
        let times = (0..31).map(|_| world.time_to_first_event(program, over)).collect();
        median::<Duration>(times).as_secs_f64() * 1e3
    });
    let start_instructions = [Over::Http, Over::Tls].map(|over| {
        let counts = (0..3).map(|_| world.instructions(program, over, 1)).collect();
        median::<u64>(counts) as f64 / 1e6
    });
    let [few, many] = [1_000, 11_000].map(|events| world.instructions(program, Over::Http, events) as f64);
    let mut memory = [Vec::new(), Vec::new()];
    let mut cpu = Vec::new();
    let mut cpu_of_piece = Vec::new();
    for _ in 0..7 {
        let [few, many] = [FEW, MANY].map(|events| world.usage(program, events));
        cpu.push((many.cpu.as_secs_f64() - few.cpu.as_secs_f64()) / (MANY - FEW) as f64 * 1e6);
        memory[0].push(few.peak_memory as f64 / f64::from(1 << 20));
        memory[1].push(many.peak_memory as f64 / f64::from(1 << 20));
        let [few, many] = [200, 2_200].map(|events| world.usage_of_pieces(program, events));
        cpu_of_piece.push((many.cpu.as_secs_f64() - few.cpu.as_secs_f64()) / 2_000.0 * 1e6);
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

fn sizes() -> ExitCode {
    let bars = [(Asks::Chat, CLI), (Asks::Embedder, EMBEDDER)]
        .iter()
        .flat_map(|(asks, package)| size_bars(*asks, &package.build(false)))
        .collect::<Vec<_>>();
    verdict(&bars)
}

fn size_bars(asks: Asks, built: &Built) -> Vec<Bar> {
    let (size, crates) = (built.size as f64 / 1e6, built.crates as f64);
    let bar = |subject: &str, figure, bar, unit| Bar { subject: subject.to_owned(), figure, bar, unit };
    match asks {
        Asks::Converse | Asks::Chat => vec![bar("pumice, default features", size, 3.0, "MB")],
        Asks::Embedder => vec![
            bar("embedder", size, 2.2, "MB"),
            bar("embedder, packages in its tree, itself included", crates, 105.0, "crates"),
        ],
        Asks::Sdk => Vec::new(),
    }
}

fn verdict(bars: &[Bar]) -> ExitCode {
    for Bar { subject, figure, bar, unit } in bars {
        let verdict = if figure <= bar { "within" } else { "OVER  " };
        println!("{verdict}  {subject}: {figure:.2} {unit}, at most {bar}");
    }
    ExitCode::from(u8::from(bars.iter().any(|bar| bar.figure > bar.bar)))
}

const FEW: usize = 10_000;
const MANY: usize = 100_000;
