//! A program that streams one answer from the server: what that takes.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wait4::Wait4 as _;

use crate::server::{self, Server};

/// A program that asks one question.
pub struct Program {
    pub name: &'static str,
    pub binary: PathBuf,
    pub asks: Asks,
}

/// How a program is told where to ask, and what.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    Converse,
    Chat,
    /// Where by the environment, what by an argument.
    Embedder,
    /// By two arguments, and a third where each piece is to be written out.
    Sdk,
}

#[derive(Clone, Copy)]
pub enum Over {
    Http,
    Tls,
}

pub struct Usage {
    pub cpu: Duration,
    /// In bytes.
    pub peak_memory: u64,
}

/// The server, and a home folder with nothing in it.
pub struct World {
    server: Server,
    home: TempDir,
}

impl World {
    pub fn new() -> Self {
        Self { server: Server::start(), home: tempfile::tempdir().unwrap() }
    }

    /// What the program prints of so many events, behind a command that runs it.
    pub fn output(&self, before: Vec<OsString>, program: &Program, over: Over, events: usize) -> Output {
        let output = self.command(before, program, over, &format!("large-{events}")).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {}\n{text}", program.name, output.status);
        output
    }

    /// Processor time and memory for so many events, in large writes.
    pub fn usage(&self, program: &Program, events: usize) -> Usage {
        let report = self.home.path().join("usage");
        let mut command = self.command(launcher(&report), program, Over::Http, &format!("large-{events}"));
        let status = command.stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{}: {status}", program.name);
        read_usage(&report)
    }

    /// Processor time for so many events, each of which is sent when the one before has been printed. Fails
    /// where a program keeps one back.
    pub fn usage_of_pieces(&self, program: &Program, events: usize) -> Usage {
        let report = self.home.path().join("usage");
        let (answer, mark) = match program.asks {
            Asks::Converse => ("lines", b'\n'),
            _ => ("pieces", b' '),
        };
        let mut command = self.command(launcher(&report), program, Over::Http, &format!("{answer}-{events}"));
        if program.asks == Asks::Sdk {
            command.arg("each");
        }
        self.server.printed.reset();
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut piece = [0; 4096];
        loop {
            let length = output.read(&mut piece).unwrap();
            if length == 0 {
                break;
            }
            self.server.printed.add(piece[..length].iter().filter(|byte| **byte == mark).count());
        }
        let status = child.wait().unwrap();
        assert!(status.success(), "{}, a frame a write: {status}", program.name);
        read_usage(&report)
    }

    /// From the start of the process to the first byte that it prints.
    pub fn time_to_first_event(&self, program: &Program, over: Over) -> Duration {
        let mut command = self.command(Vec::new(), program, over, "large-1");
        let start = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let begun = output.read_exact(&mut [0]);
        let time = start.elapsed();
        let _ = output.read_to_end(&mut Vec::new());
        let status = child.wait().unwrap();
        assert!(begun.is_ok() && status.success(), "{}: {status}", program.name);
        time
    }

    /// The instructions of a whole run.
    pub fn instructions(&self, program: &Program, over: Over, events: usize) -> u64 {
        instructions(&mut self.command(callgrind(), program, over, &format!("large-{events}")))
    }

    /// The instructions of an event in one of the server's forms: what each of so many more takes.
    pub fn instructions_of_event(&self, program: &Program, form: &str) -> f64 {
        const FEW: u32 = 1_000;
        const MORE: u32 = 5_000;
        let [few, many] = [FEW, FEW + MORE].map(|events| {
            let model = format!("{form}-{events}");
            instructions(&mut self.command(callgrind(), program, Over::Http, &model))
        });
        (many - few) as f64 / f64::from(MORE)
    }

    /// The event stream of an answer, in a file.
    pub fn event_stream(&self, events: usize) -> PathBuf {
        let file = self.home.path().join(format!("{events}.frames"));
        std::fs::write(&file, server::event_stream(events)).unwrap();
        file
    }

    /// The server, over HTTP.
    pub fn endpoint(&self) -> &str {
        &self.server.http
    }

    /// A folder with nothing in it that matters.
    pub fn folder(&self) -> &Path {
        self.home.path()
    }

    /// A program with nothing in its environment but what it needs to call the server.
    pub fn with_environment(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &self.server.http);
        command
    }

    /// A program, behind a command that runs it.
    fn command(&self, before: Vec<OsString>, program: &Program, over: Over, model: &str) -> Command {
        let endpoint = match over {
            Over::Http => &self.server.http,
            Over::Tls => &self.server.https,
        };
        let mut words = before;
        words.push(program.binary.clone().into_os_string());
        let more = match program.asks {
            Asks::Embedder => vec![model],
            Asks::Sdk => vec![endpoint.as_str(), model],
            Asks::Chat => vec!["chat", "--endpoint-url", endpoint, "-m", model, "Why does pumice float?"],
            Asks::Converse => vec!["converse", "--endpoint-url", endpoint, "--request"],
        };
        words.extend(more.into_iter().map(OsString::from));
        if program.asks == Asks::Converse {
            let request = self.home.path().join(format!("{model}.json"));
            let json = serde_json::json!({
                "modelId": model,
                "messages": [{"role": "user", "content": [{"text": "Why does pumice float?"}]}],
            });
            std::fs::write(&request, json.to_string()).unwrap();
            words.push(request.into_os_string());
        }
        let mut words = words.into_iter();
        let mut command = self.with_environment(Command::new(words.next().unwrap()));
        command.args(words).env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", endpoint).stdin(Stdio::null());
        if matches!(over, Over::Tls) {
            self.set_tls(&mut command);
        }
        command
    }

    /// Has a program call the server over TLS.
    pub fn set_tls(&self, command: &mut Command) {
        command
            .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &self.server.https)
            .env("AWS_CA_BUNDLE", &self.server.authority)
            .env("SSL_CERT_FILE", &self.server.authority);
    }
}

/// A command that runs another and counts its instructions.
pub fn callgrind() -> Vec<OsString> {
    ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"].map(OsString::from).into()
}

/// Runs a command that begins with [`callgrind`].
pub fn instructions(command: &mut Command) -> u64 {
    let output = command.output().expect("expected valgrind");
    let text = String::from_utf8_lossy(&output.stderr);
    match collected(&text) {
        Some(count) if output.status.success() => count,
        _ => panic!("{command:?}: {}\n{text}", output.status),
    }
}

/// The instructions that valgrind has counted.
pub fn collected(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.split_once("Collected : "))?.1.trim().parse().ok()
}

pub fn launcher(report: &Path) -> Vec<OsString> {
    vec![std::env::current_exe().unwrap().into_os_string(), "launch".into(), report.into()]
}

/// Runs a program and writes down what it used. A process inherits its parent's peak of memory, so the
/// parent must be a small one: this one, and not the one with the server in it.
pub fn launch(arguments: &[OsString]) -> ExitCode {
    let [report, program, rest @ ..] = arguments else { panic!("launch REPORT PROGRAM ARGUMENT…") };
    let child = Command::new(program).args(rest).spawn().unwrap();
    let used = child.wait4().unwrap();
    let cpu = used.rusage.utime + used.rusage.stime;
    std::fs::write(report, format!("{} {}", cpu.as_nanos(), used.rusage.maxrss)).unwrap();
    ExitCode::from(u8::from(!used.status.success()))
}

pub fn read_usage(report: &Path) -> Usage {
    let text = std::fs::read_to_string(report).unwrap();
    let (cpu, memory) = text.split_once(' ').unwrap();
    Usage { cpu: Duration::from_nanos(cpu.parse().unwrap()), peak_memory: memory.parse().unwrap() }
}

/// Amazon's own examples, which open nothing.
pub const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// The middle one of several.
pub fn median<T: PartialOrd + Copy>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values[values.len() / 2]
}
