//! Makes a program that aborts on panic a sixth smaller, in ways that Cargo has no setting for. On Linux, in a
//! release build, the linker drops the unwind tables and the library that reads them, packs relative relocations (RELR)
//! and folds identical functions (ICF).
//!
//! Copy this file next to the `Cargo.toml` of your own program; it needs nothing else. Without `panic = "abort"`
//! there, the unwind tables stay. It does nothing if you choose the linker or its options yourself.
//!
//! `cli/build.rs` and `examples/embedded/build.rs` are the same file, because each package must hold its own; a test
//! compares them.
//!
//! `-C force-unwind-tables=no` would do the first, but rustc refuses it if anything unwinds, and flags for one
//! profile are not stable.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", root_manifest().display());
    // A linker of the user's own choice may not know these options.
    let (linker, flags) = (var("RUSTC_LINKER"), var("CARGO_ENCODED_RUSTFLAGS"));
    // Folders may have any name.
    let mut flags = flags.split('\x1f').filter(|flag| !flag.starts_with("--remap-path-prefix="));
    let chosen = !["", "rust-lld"].contains(&linker.as_str())
        || flags.any(|flag| flag.contains("link") || flag.contains("-ld="));
    if var("PROFILE") != "release" || var("CARGO_CFG_TARGET_OS") != "linux" || chosen {
        return;
    }
    let by_compiler = linker.is_empty();
    let link = |argument: &str| {
        let passed_on = if by_compiler { "-Wl," } else { "" };
        println!("cargo:rustc-link-arg-bins={passed_on}{argument}");
    };
    let script = Path::new(&var("OUT_DIR")).join("no-unwinding.ld");
    if aborts() && std::fs::write(&script, no_unwinding()).is_ok() {
        link(&format!("--script={}", script.display()));
    }
    if unpacks_addresses() {
        link("-zpack-relative-relocs");
    }
    let lld = lld().filter(|_| by_compiler);
    if let Some(folder) = &lld {
        println!("cargo:rustc-link-arg-bins=-B{}", folder.display());
        println!("cargo:rustc-link-arg-bins=-fuse-ld=lld");
    }
    if lld.is_some() || !by_compiler {
        link("--icf=all");
    }
}

/// A linker script that discards the unwind tables and does without `libgcc_s`. That library would find no frame
/// without the tables, and loading it is a twentieth of the start. Its functions that the standard library refers to
/// become `_fini` of the C runtime, which does nothing.
fn no_unwinding() -> String {
    let discarded = "SECTIONS { /DISCARD/ : { *(.eh_frame .eh_frame_hdr .gcc_except_table .gcc_except_table.*) } } \
                     INSERT AFTER .rodata;\n";
    // On other processors the C runtime may have no `_fini`.
    if !["x86_64", "aarch64"].contains(&var("CARGO_CFG_TARGET_ARCH").as_str()) {
        return discarded.to_owned();
    }
    // Hidden, because a library that is loaded later may need the true ones.
    discarded.to_owned() + &UNWINDER.map(|name| format!("HIDDEN(_Unwind_{name} = _fini);\n")).concat()
}

/// The functions of `libgcc_s` that the standard library refers to.
const UNWINDER: [&str; 12] = [
    "Backtrace",
    "FindEnclosingFunction",
    "GetCFA",
    "GetDataRelBase",
    "GetIP",
    "GetIPInfo",
    "GetLanguageSpecificData",
    "GetRegionStart",
    "GetTextRelBase",
    "Resume",
    "SetGR",
    "SetIP",
];

/// Whether programs abort on panic. Cargo does not tell build scripts, so the manifest with the profiles is read.
fn aborts() -> bool {
    std::fs::read_to_string(root_manifest()).is_ok_and(|text| text.contains("panic = \"abort\""))
}

/// The manifest of the workspace, or of the package if there is no workspace.
fn root_manifest() -> PathBuf {
    let own = Path::new(&var("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifests = own.ancestors().skip(1).map(|folder| folder.join("Cargo.toml"));
    let mut roots = manifests.filter(|manifest| {
        std::fs::read_to_string(manifest)
            .is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
    });
    roots.next().unwrap_or(own)
}

/// Whether the program's loader can read packed relocations. The GNU C library can from 2.36 on, and a program
/// needs at least the version it was built with. Rust's own musl can.
fn unpacks_addresses() -> bool {
    let version = || {
        let text = output(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
        let (major, minor) = text.strip_prefix("glibc ")?.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.split('.').next()?.parse::<u32>().ok()?))
    };
    match var("CARGO_CFG_TARGET_ENV").as_str() {
        "musl" => true,
        "gnu" if var("HOST") == var("TARGET") => version().is_some_and(|version| version >= (2, 36)),
        _ => false,
    }
}

/// The folder of Rust's own linker, its default on x86-64: other linkers do not fold functions.
fn lld() -> Option<PathBuf> {
    let sysroot = output(Command::new(env::var_os("RUSTC")?).args(["--print", "sysroot"]))?;
    let folder = Path::new(&sysroot).join("lib/rustlib").join(var("HOST")).join("bin/gcc-ld");
    folder.join("ld.lld").exists().then_some(folder)
}

fn output(command: &mut Command) -> Option<String> {
    let text = String::from_utf8(command.output().ok()?.stdout).ok()?;
    Some(text.trim().to_owned())
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
