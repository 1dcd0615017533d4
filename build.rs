//! Leaves the tables for unwinding out of the program, which aborts when it panics: a tenth of its size.
//!
//! Cargo cannot say so: `-C force-unwind-tables=no` is refused wherever anything unwinds, and flags of one
//! profile alone are not stable. It is a matter of the program; whoever embeds the library links as ever.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    // A linker of the user's own choice may not know linker scripts.
    let chosen = env::var_os("RUSTC_LINKER").is_some()
        || env::var("CARGO_ENCODED_RUSTFLAGS")
            .is_ok_and(|flags| flags.contains("link") || flags.contains("ld="));
    if !is("PROFILE", "release") || !is("CARGO_CFG_TARGET_OS", "linux") || chosen {
        return;
    }
    let Some(folder) = env::var_os("OUT_DIR") else { return };
    let script = Path::new(&folder).join("no-unwind-tables.ld");
    let discarded = "SECTIONS { /DISCARD/ : { *(.eh_frame .eh_frame_hdr .gcc_except_table .gcc_except_table.*) } } \
                     INSERT AFTER .rodata;\n";
    if std::fs::write(&script, discarded).is_ok() {
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
}
