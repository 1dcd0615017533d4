//! What the package is made of and what it brings along. Where there is no repository around it, as in the
//! published package, there is nothing to look at.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::Command;

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The text of `deny.toml`, which is not in the package.
fn rules() -> Option<String> {
    let rules = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).ok();
    if rules.is_none() {
        println!("skipped: there is no deny.toml");
    }
    rules
}

#[test]
fn no_banned_package_is_in_the_tree() {
    let Some(rules) = rules() else { return };
    let banned = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("{ name = \"")?.split('"').next())
        .collect::<Vec<_>>();
    assert!(banned.contains(&"openssl-sys") && banned.len() > 8, "{banned:?}");
    let tree = cargo(&["tree", "--edges", "normal,build", "--target", "all", "--prefix", "none"]);
    let names = tree.lines().filter_map(|line| line.split(' ').next()).collect::<Vec<_>>();
    assert!(names.contains(&"rustls"), "{tree}");
    for name in names {
        // Rules of `cargo deny` are for whole names.
        assert!(!banned.contains(&name) && !name.starts_with("aws-sdk-"), "{name}");
    }
}

#[test]
fn the_package_holds_sources_fixtures_and_texts() {
    if rules().is_none() {
        return;
    }
    let listed = cargo(&["package", "--list", "--allow-dirty"]);
    let files = listed.lines().collect::<Vec<_>>();
    for needed in
        ["Cargo.toml", "Cargo.lock", "README.md", "LICENSE-MIT", "src/lib.rs", "fixtures/text.jsonl"]
    {
        assert!(files.contains(&needed), "{needed} in {listed}");
    }
    let is_expected = |file: &str| {
        let (folder, name) = file.split_once('/').unwrap_or(("", file));
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        match folder {
            // What cargo adds.
            "" if matches!(
                name,
                ".cargo_vcs_info.json" | "Cargo.toml" | "Cargo.toml.orig" | "Cargo.lock"
            ) =>
            {
                true
            }
            "" => ends(&[".md", "build.rs", "clippy.toml", "rustfmt.toml"]) || name.starts_with("LICENSE-"),
            "src" => ends(&[".rs", ".tsv", ".txt", ".json"]),
            "tests" => ends(&[".rs", ".json", ".txt", ".py"]) || name.starts_with("credentials/"),
            "benches" | "examples" => ends(&[".rs", ".md", ".py", ".mjs", ".js"]),
            "docs" => ends(&[".md"]),
            "fixtures" => ends(&[".md", ".jsonl"]),
            _ => false,
        }
    };
    let others = files.iter().filter(|file| !is_expected(file)).collect::<Vec<_>>();
    assert!(others.is_empty(), "{others:?}");
}
