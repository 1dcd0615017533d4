//! The program: `pumice --help`.

mod access;
mod args;
mod auth;
// Where the unwinder is a part of the program, its own definition would be a second one.
#[cfg(all(panic = "abort", target_os = "linux", target_env = "gnu", not(target_feature = "crt-static")))]
#[allow(unsafe_code)]
mod backtrace;
#[cfg(feature = "bulk")]
mod batch;
#[cfg(feature = "bulk")]
mod bulk;
mod call;
mod chat;
mod commands;
mod completions;
mod config;
mod decode;
mod doctor;
mod embed;
mod escape;
mod failure;
mod help;
mod hint;
mod id;
mod input;
mod interrupt;
mod lines;
mod man;
#[cfg(feature = "terminal")]
mod markdown;
mod models;
mod output;
mod response;
#[cfg(feature = "gateway")]
mod serve;
mod session;
mod stream;
#[cfg(all(unix, feature = "terminal"))]
mod terminal_mode;
mod token;
mod waiting;

/// Without the feature there is no Markdown: text is shown as it is.
#[cfg(not(feature = "terminal"))]
mod markdown {
    pub(crate) enum Markdown {}

    impl Markdown {
        pub(crate) fn write(&mut self, _: &str, _: usize) -> String {
            match *self {}
        }

        pub(crate) fn end(&mut self) -> String {
            match *self {}
        }
    }
}

use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use args::Args;
use commands::{Command, Detail};
use failure::Failure;
use output::{Output, Report};

fn main() -> ExitCode {
    interrupt::ends_the_program();
    let mut report = Report::new();
    let mut explained = None;
    let parsed = Args::parse(std::env::args_os(), &mut explained)
        .and_then(|args| report.configure(&args).map(|()| args))
        .map_err(|failure| match explained {
            Some(explained) if explained.command == Command::Stream => stream::as_event(failure),
            _ => failure,
        });
    match parsed.and_then(|args| run(&args, &report)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(mut failure) => {
            if commands::flags_of(explained).all(|flag| flag.long != "replay") {
                failure.hint = failure.hint.map(hint::without_replay);
            }
            report.failure(&failure);
            // Whoever types the program's name alone wants to know what it can do.
            if std::env::args_os().len() < 2 {
                eprint!("\n{}", help::of(None, Detail::Short, report.width()));
            }
            failure.exit.into()
        }
    }
}

fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    match args.command {
        Command::Help(topic, detail) => output::print(&help::of(topic, detail, Output::new().width())),
        Command::Man => output::print(&man::page()),
        Command::Version => output::print(concat!("pumice ", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Decode => decode::run(args),
        Command::Completions => completions::run(args),
        Command::Config => config::run(args, report),
        Command::Models => block_on(Box::pin(models::run(args, report))),
        Command::Auth => block_on(waited_for(report, Box::pin(auth::run(args, report)))),
        Command::Doctor => block_on(waited_for(report, Box::pin(doctor::run(args, report)))),
        Command::Token => block_on(waited_for(report, Box::pin(token::run(args, report)))),
        Command::Chat => block_on(Box::pin(chat::run(args, report))),
        Command::Stream => block_on(Box::pin(stream::run(args, report))),
        Command::Converse => block_on(Box::pin(call::converse(args, report))),
        Command::Embed => block_on(Box::pin(embed::run(args, report))),
        Command::Call => block_on(Box::pin(call::run(args, report))),
        #[cfg(feature = "bulk")]
        Command::Bulk => block_on(Box::pin(bulk::run(args, report))),
        #[cfg(feature = "bulk")]
        Command::Batch => block_on(Box::pin(batch::run(args, report))),
        #[cfg(feature = "gateway")]
        Command::Serve => block_on(Box::pin(serve::run(args, report))),
    }
}

type Work<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>;

/// A command that prints lines, with a sign of life beneath them.
fn waited_for<'a>(report: &'a Report, work: Work<'a>) -> Work<'a> {
    Box::pin(waiting::shown(report, Instant::now(), work))
}

/// Runs a command on one thread, which is enough for one call and costs the least.
// size: the work is boxed so that the runtime's part is compiled once, and not once per command.
fn block_on(work: Work<'_>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::temporary(format!("the runtime could not be started: {error}")))?;
    let result = runtime.block_on(work);
    // Dropping the runtime would wait for blocking work, such as a read of the terminal.
    runtime.shutdown_background();
    result
}

/// Allows the program as many open files as the system does, for as many connections: shells often allow 256 or 1024.
#[cfg(unix)]
fn open_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // macOS takes no more, even where it names no maximum.
    let current = maximum.or(Some(10_240));
    // Without it, the calls beyond the limit fail, and say so.
    let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
}

#[cfg(not(unix))]
fn open_many_files() {}

/// How long to wait for a file that another program has locked.
const LONGEST_LOCK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn blocking_work_does_not_delay_the_result() {
        let (done, ended) = channel();
        thread::spawn(move || {
            let result = block_on(Box::pin(async {
                tokio::task::spawn_blocking(|| {
                    loop {
                        thread::park();
                    }
                });
                Err(Failure::usage("the error"))
            }));
            done.send(result.unwrap_err().message)
        });
        assert_eq!(ended.recv_timeout(Duration::from_mins(1)).unwrap(), "the error");
    }
}
