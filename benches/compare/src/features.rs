//! What each optional feature costs: the smallest program with it, built for size.

use std::process::ExitCode;

use crate::package::{CLI, EMBEDDER, EMBEDDERS, KEYS, Package};

pub fn print() -> ExitCode {
    let codec =
        Package { arguments: &["--no-default-features"], binary: "decode", target: TARGET, ..EMBEDDERS };
    let programs = [
        ("a program that does nothing", Package { binary: "nothing", ..codec }),
        ("none: the codec", codec),
        ("`http`", Package { target: TARGET, ..KEYS }),
        ("`http` and `chain`", Package { target: TARGET, ..EMBEDDER }),
        ("`settings`", Package { arguments: &["--features", "settings"], binary: "settings", ..codec }),
        ("`cli`, the program itself", Package { target: TARGET, ..CLI }),
    ];
    println!("| feature | bytes | crates |\n|---|---|---|");
    for (name, package) in programs {
        let built = package.build();
        // Whatever it does not use of its tree is left out of it.
        let crates = if package.binary == "nothing" { 1 } else { built.crates };
        println!("| {name} | {} | {crates} |", built.size);
    }
    // An option for the linker keeps `build.rs` away, which is for programs that abort.
    let arguments = &["--config", "profile.release.panic='unwind'"];
    let unwinding = Package { arguments, target: TARGET, ..EMBEDDER };
    let built = unwinding.build_with(&[("RUSTFLAGS".to_owned(), "-Clink-arg=-Wl,-O1".into())]);
    println!(
        "| `http` and `chain`, with unwinding and without `build.rs` | {} | {} |",
        built.size, built.crates
    );
    ExitCode::SUCCESS
}

const TARGET: &str = "benches/compare/target/features";
