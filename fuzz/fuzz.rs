//! What libFuzzer thinks of, into the target that the variable `TARGET` names. Where `SEEDS` names a folder,
//! the target's seeds are written there first.

#![no_main]

use std::sync::LazyLock;

use support::inputs::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("TARGET").expect("TARGET: expected the name of a target");
    TARGETS.iter().find(|target| target.name == name).expect("TARGET: expected the name of a target")
});

libfuzzer_sys::fuzz_target!(
    init: if let Some(folder) = std::env::var_os("SEEDS") {
        let captures = support::repository().join("../shared/captures");
        let captures = captures.is_dir().then_some(captures);
        for (number, seed) in (TARGET.seeds)(captures.as_deref()).iter().enumerate() {
            let file = std::path::Path::new(&folder).join(format!("seed-{number:04}"));
            std::fs::write(file, seed).expect("SEEDS: expected a folder to write to");
        }
    },
    |data: &[u8]| (TARGET.run)(data)
);
