//! Whether a program that was built elsewhere streams a response over TLS: one for another platform, behind the
//! emulator that runs it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::measure::{Asks, Over, Program, World};

/// `PROGRAM BEFORE…`: the path of a `pumice`, and the words of the command that runs it.
pub fn run(program: &str, before: &[&str]) -> ExitCode {
    let program = Program { name: "pumice", binary: PathBuf::from(program), asks: Asks::Converse };
    let before = before.iter().map(OsString::from).collect();
    let output = World::new().output(before, &program, Over::Tls, EVENTS);
    let deltas = output.stdout.split(|byte| *byte == b'\n').filter(|line| {
        let event = serde_json::from_slice::<serde_json::Value>(line).unwrap_or_default();
        event["contentBlockDelta"]["delta"]["text"].is_string()
    });
    match deltas.count() {
        EVENTS => {
            println!("{}: {EVENTS} events over TLS read", program.binary.display());
            ExitCode::SUCCESS
        }
        found => {
            eprintln!("{}: expected {EVENTS} events, found {found}", program.binary.display());
            ExitCode::FAILURE
        }
    }
}

const EVENTS: usize = 1_000;
