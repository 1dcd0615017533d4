//! Static builds of the embedder's program, which run anywhere: do they stream over TLS, and how large are
//! they? Needs `rustup target add x86_64-unknown-linux-musl aarch64-unknown-linux-musl`, zig as the C
//! compiler (`pip install ziglang`) and, away from an aarch64 machine, `qemu-aarch64` (Debian's `qemu-user`).

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::bar::{Bar, Limit::AtMost, verdict};
use crate::measure::{Asks, Over, Program, World};
use crate::package::{EMBEDDER, Package, root};

pub fn run() -> ExitCode {
    let Some(zig) = zig() else {
        eprintln!("expected zig, found none: `pip install ziglang`, or put it in PATH");
        return ExitCode::from(2);
    };
    // In one place, so that a build goes on from the last.
    let tools = root().join(EMBEDDER.target).with_file_name("tools");
    fs::create_dir_all(&tools).unwrap();
    let world = World::new();
    let mut bars = Vec::new();
    for (target, arguments, bar) in [
        ("x86_64-unknown-linux-musl", &["--target", "x86_64-unknown-linux-musl"], 2.3),
        ("aarch64-unknown-linux-musl", &["--target", "aarch64-unknown-linux-musl"], 2.0),
    ] {
        let (architecture, _) = target.split_once('-').unwrap();
        // zig has its own names for targets, and takes no other: cc's is left out.
        let compiler = tools.join(format!("cc-{architecture}"));
        let script = format!(
            "for word do\n  shift\n  case $word in --target=*) ;; *) set -- \"$@\" \"$word\" ;; esac\ndone\n\
             exec {zig} cc -target {architecture}-linux-musl \"$@\"\n"
        );
        write_script(&compiler, &script);
        let archiver = tools.join("ar");
        write_script(&archiver, &format!("exec {zig} ar \"$@\"\n"));
        let name = target.replace('-', "_");
        // Rust brings musl's start files and library along; its own linker binds them for every target.
        let variables = [
            (format!("CC_{name}"), compiler.into_os_string()),
            (format!("AR_{name}"), archiver.into_os_string()),
            (format!("CARGO_TARGET_{}_LINKER", name.to_uppercase()), OsString::from("rust-lld")),
        ];
        let package = Package { arguments, target: "benches/compare/target/musl", ..EMBEDDER };
        let built = package.build_with(&variables);
        let mut before = Vec::new();
        if architecture != env::consts::ARCH {
            before.push(OsString::from(format!("qemu-{architecture}")));
        }
        let program = Program { name: target, binary: built.binary, asks: Asks::Embedder };
        let text = world.output(before, &program, Over::Tls, EVENTS).stdout;
        let words = text.iter().filter(|byte| **byte == b' ').count();
        assert_eq!(words, EVENTS, "{target}: expected a response of {EVENTS} words");
        bars.push(Bar::new(
            format!("{target}, static; {EVENTS} events over TLS read"),
            built.size as f64 / 1e6,
            AtMost(bar),
            "MB",
        ));
    }
    verdict(&bars)
}

const EVENTS: usize = 1_000;

/// How zig is called here.
fn zig() -> Option<String> {
    let candidates = ["zig", "python3 -m ziglang"].map(str::to_owned);
    let named = env::var("ZIG").ok();
    named.into_iter().chain(candidates).find(|zig| {
        let mut words = zig.split(' ');
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).arg("version").output().is_ok_and(|output| output.status.success())
    })
}

fn write_script(path: &Path, text: &str) {
    fs::write(path, format!("#!/bin/sh\n{text}")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
