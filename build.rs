//! Two things that make a program a seventh smaller, and that Cargo cannot say: the tables for unwinding stay
//! out of it, for it aborts when it panics, and the addresses that are to be moved when it is loaded are packed.
//!
//! `-C force-unwind-tables=no` is refused wherever anything unwinds, and flags of one profile alone are not
//! stable. It is a matter of the program: whoever embeds the library links as ever, or has these lines too.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let var = |name: &str| env::var(name).unwrap_or_default();
    // A linker of the user's own choice may not know what is asked of it.
    let flags = var("CARGO_ENCODED_RUSTFLAGS");
    let chosen = env::var_os("RUSTC_LINKER").is_some() || flags.contains("link") || flags.contains("ld=");
    if var("PROFILE") != "release" || var("CARGO_CFG_TARGET_OS") != "linux" || chosen {
        return;
    }
    if unpacks_addresses(&var("CARGO_CFG_TARGET_ENV"), var("HOST") == var("TARGET")) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    let script = Path::new(&var("OUT_DIR")).join("no-unwind-tables.ld");
    let discarded = "SECTIONS { /DISCARD/ : { *(.eh_frame .eh_frame_hdr .gcc_except_table .gcc_except_table.*) } } \
                     INSERT AFTER .rodata;\n";
    if std::fs::write(&script, discarded).is_ok() {
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
}

/// Whether what loads the program knows packed addresses: the GNU C library does from 2.36 on, and a program
/// needs at least the one that it was built with; musl, which Rust brings along, does.
fn unpacks_addresses(library: &str, native: bool) -> bool {
    let version = || {
        let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.split('.').next()?.parse::<u32>().ok()?))
    };
    library == "musl" || library == "gnu" && native && version().is_some_and(|version| version >= (2, 36))
}
