//! A pseudo-terminal that keeps what a program writes to it.

#![cfg(target_os = "linux")]
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "part of tests")]

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, ExitStatus, Stdio};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

/// Runs a program with a terminal as standard output and error. Returns its status and what it wrote.
pub fn run(command: &mut Command) -> (ExitStatus, String) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = openpt(flags).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let end = File::from(ioctl_tiocgptpeer(&terminal, flags).unwrap());
    command.stdin(Stdio::null()).stdout(end.try_clone().unwrap()).stderr(end);
    let mut child = command.spawn().unwrap();
    // The command holds ends of the terminal, and reading stops only when all are closed.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut got = Vec::new();
    // Reading from a terminal whose other end is closed is an error.
    let _ = File::from(terminal).read_to_end(&mut got);
    let status = child.wait().unwrap();
    // A terminal writes a line end as two characters.
    (status, String::from_utf8(got).unwrap().replace("\r\n", "\n"))
}
