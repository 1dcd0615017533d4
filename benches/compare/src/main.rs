//! Measures pumice beside the AWS SDK on this machine, and says which figures are within their bars.

mod bar;
mod bulk;
mod callers;
mod chart;
mod compare;
mod features;
mod gateway;
mod history;
mod measure;
mod musl;
mod package;
mod server;
mod service;
mod stream;
mod svg;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = std::env::args_os().skip(1).collect::<Vec<_>>();
    if let [word, rest @ ..] = arguments.as_slice()
        && word == "launch"
    {
        return measure::launch(rest);
    }
    let words = arguments.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>();
    match words.iter().map(|word| &**word).collect::<Vec<_>>().as_slice() {
        ["sizes"] => compare::sizes(),
        ["bulk"] => bulk::run(None),
        ["bulk", program] => bulk::run(Some(program)),
        ["instructions"] => compare::count_instructions(),
        ["features"] => features::print(),
        ["chart"] => chart::draw(),
        ["history"] => history::draw(),
        ["history", name] => history::add(name),
        ["musl"] => musl::run(),
        ["gateway", words @ ..] if gateway::Options::of(words).is_some() => gateway::run(words),
        ["gateway-alone", words @ ..] => gateway::run_alone(&gateway::Options::of(words).unwrap()),
        ["stream", program, before @ ..] => stream::run(program, before),
        options => {
            if let Some(options) = compare::Options::of(options) {
                compare::run(&options)
            } else {
                eprint!("{HELP}");
                ExitCode::from(2)
            }
        }
    }
}

const HELP: &str = "\
compare [--quick] [--sdk z|3|both] [--only NAME,…] [--readme]
    Builds the programs, measures them, and prints each figure beside its bar. The exit code is 1 where one
    is over. --quick builds on what is there from the last time, and does not tell what a build takes.
    NAME is cli, embedder, sdk or codec. --readme writes the table of README.md, and draws
    docs/comparison.svg; it needs all programs, so not --sdk nor --only.
compare chart
    Draws docs/comparison.svg from the table of README.md.
compare gateway [--only NAME,…] [--events N] [--others DIR]
    The gateway beside a bare proxy on hyper, and beside LiteLLM and Portkey where they are installed in DIR
    (otherwise it says how). NAME is speed, events, memory or sizes. N is how many events each of the 500
    streams has whose memory is measured: 4000, if it is not given.
compare sizes
    The sizes and the tree alone, and whether README.md and the charts agree with them.
compare bulk [PROGRAM]
    What `pumice bulk` uses of what a service allows, and its memory, for 10,000 requests and 1,000,000 lines; of
    PROGRAM, if one is built already.
compare instructions
    The instructions of an event in the program alone. Skipped without valgrind.
compare features
    What each optional feature of pumice costs.
compare history [NAME]
    Measures sizes and instructions, adds them under this name to benches/history.jsonl, and draws
    docs/history.svg. Without a name it only draws.
compare musl
    Static builds of the embedder's program: their sizes, and whether they stream over TLS.
compare stream PROGRAM [WORD…]
    Whether a pumice that was built elsewhere streams over TLS, behind the words of a command that runs it.
";
