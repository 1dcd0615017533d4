//! The program at a pseudo-terminal.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::process::{Child, ExitStatus};

use tempfile::TempDir;

/// The program at a terminal.
pub(crate) struct Terminal {
    pub(crate) pty: pty_process::blocking::Pty,
    pub(crate) child: Child,
    /// What it has written so far, and how much of that has been waited for.
    pub(crate) written: Vec<u8>,
    seen: usize,
}

impl Terminal {
    pub(crate) fn open(
        home: &TempDir,
        args: &[&str],
        environment: &[(&str, String)],
        size: (u16, u16),
    ) -> Self {
        Self::run(env!("CARGO_BIN_EXE_pumice"), home, args, environment, size)
    }

    /// Another program that starts it.
    pub(crate) fn run(
        program: &str,
        home: &TempDir,
        args: &[&str],
        environment: &[(&str, String)],
        (rows, columns): (u16, u16),
    ) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        pty.resize(pty_process::Size::new(rows, columns)).unwrap();
        let command = pty_process::blocking::Command::new(program)
            .args(args)
            .current_dir(home)
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)));
        Self { pty, child: command.spawn(pts).unwrap(), written: Vec::new(), seen: 0 }
    }

    /// Reads on until this has been written. Returns what was written up to there.
    pub(crate) fn until(&mut self, text: &str) -> String {
        loop {
            let new = &self.written[self.seen..];
            if let Some(at) = new.windows(text.len()).position(|window| window == text.as_bytes()) {
                let end = self.seen + at + text.len();
                let came = String::from_utf8_lossy(&self.written[self.seen..end]).into_owned();
                self.seen = end;
                return came;
            }
            assert!(self.read(), "{text:?} expected: {:?}", String::from_utf8_lossy(&self.written));
        }
    }

    pub(crate) fn read(&mut self) -> bool {
        let mut piece = [0; 4096];
        // Reading from a terminal whose other end is closed is an error.
        let length = self.pty.read(&mut piece).unwrap_or_default();
        self.written.extend(&piece[..length]);
        length > 0
    }

    /// Waits for the prompt.
    pub(crate) fn prompt(&mut self) -> String {
        // Bracketed paste is on only while a line is read.
        self.until("\x1b[?2004h")
    }

    pub(crate) fn write(&mut self, text: &str) {
        self.pty.write_all(text.as_bytes()).unwrap();
    }

    /// Reads to the end.
    pub(crate) fn end(mut self) -> (String, ExitStatus) {
        while self.read() {}
        let rest = String::from_utf8_lossy(&self.written[self.seen..]).into_owned();
        (rest, self.child.wait().unwrap())
    }
}
