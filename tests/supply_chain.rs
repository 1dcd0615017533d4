//! The package's dependencies and contents, by the files of the repository. This test is not in the published package,
//! which lacks some of those files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::path::Path;
use std::process::Command;

/// Packages with an advisory, the first version without it, and the advisory.
const FIXED: [(&str, &str, &str); 8] = [
    ("bytes", "1.11.1", "RUSTSEC-2026-0007"),
    ("idna", "1.0.0", "RUSTSEC-2024-0421"),
    ("ring", "0.17.12", "RUSTSEC-2025-0009"),
    ("rustls", "0.23.18", "RUSTSEC-2024-0399"),
    ("rustls-webpki", "0.103.13", "RUSTSEC-2026-0104"),
    ("slab", "0.4.11", "RUSTSEC-2025-0047"),
    ("time", "0.3.47", "RUSTSEC-2026-0009"),
    ("tokio", "1.44.2", "RUSTSEC-2025-0023"),
];

fn text(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The string that follows in quotes.
fn quoted<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once('"')?.1.split('"').next()
}

/// The names and versions in `Cargo.lock`: the tree for all platforms and features, and what the tests use. `cargo
/// tree` would ask for packages of other platforms, which a user's machine does not have.
fn locked(lock: &str) -> Vec<(&str, &str)> {
    let packages = lock.split("[[package]]").skip(1);
    packages
        .map(|package| (quoted(package, "name =").unwrap(), quoted(package, "version =").unwrap()))
        .collect()
}

/// The version that each requirement of a package in a manifest begins with.
fn floors<'a>(manifest: &'a str, name: &str) -> Vec<&'a str> {
    let requirements = manifest.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
    let versions =
        requirements.filter(|requirement| !requirement.starts_with('{') || requirement.contains("version"));
    versions
        .map(|requirement| quoted(requirement, "version =").or(quoted(requirement, "")).unwrap())
        .map(|requirement| requirement.trim_start_matches(|char: char| !char.is_ascii_digit()))
        .collect()
}

fn numbers(version: &str) -> [u64; 3] {
    let mut parts = version.split(['.', '+', '-']).map(|part| part.parse().unwrap());
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

#[test]
fn no_banned_package_is_in_the_tree() {
    let (rules, lock) = (text("deny.toml"), text("Cargo.lock"));
    let banned = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("{ name = \"")?.split('"').next())
        .collect::<Vec<_>>();
    assert!(banned.contains(&"openssl-sys") && banned.len() > 8, "{banned:?}");
    let packages = locked(&lock);
    for known in ["rustls", "windows-sys"] {
        assert!(packages.iter().any(|(name, _)| *name == known), "{known} in {packages:?}");
    }
    for (name, _) in packages {
        // `cargo deny` matches whole names.
        assert!(!banned.contains(&name) && !name.starts_with("aws-sdk-"), "{name}");
    }
}

#[test]
fn no_version_with_an_advisory_is_locked_or_allowed() {
    let lock = text("Cargo.lock");
    let manifests = [
        "Cargo.toml",
        "cli/Cargo.toml",
        "codec/Cargo.toml",
        "capi/Cargo.toml",
        "tests/support/Cargo.toml",
        "tools/Cargo.toml",
    ]
    .map(|file| (file, text(file)));
    for (name, fixed, advisory) in FIXED {
        let versions = locked(&lock).into_iter().filter(|(found, _)| *found == name).collect::<Vec<_>>();
        assert!(!versions.is_empty(), "{name} is not in Cargo.lock");
        for (_, version) in versions {
            assert!(numbers(version) >= numbers(fixed), "Cargo.lock: {name} {version}: {advisory}");
        }
        for (file, manifest) in &manifests {
            for floor in floors(manifest, name) {
                assert!(numbers(floor) >= numbers(fixed), "{file}: {name} {floor}: {advisory}");
            }
        }
    }
    // The reader of the manifests found every requirement.
    let [(_, manifest), _, (_, codec), ..] = &manifests;
    assert_eq!(["time", "tokio", "bytes"].map(|name| floors(manifest, name).len()), [1, 2, 1]);
    // Everywhere, and where there are no atomic instructions.
    assert_eq!(floors(codec, "bytes").len(), 2);
}

#[test]
fn the_readme_names_the_minimum_rust_version_and_the_repository() {
    let (readme, manifest) = (text("README.md"), text("Cargo.toml"));
    let version = quoted(&manifest, "\nrust-version =").unwrap();
    assert!(readme.contains(&format!("Rust {version} or later")), "{version}");
    let repository = quoted(&manifest, "\nrepository =").unwrap();
    assert!(readme.contains(&format!("git = \"{repository}\"")), "{repository}");
}

#[test]
fn the_package_holds_sources_fixtures_and_texts() {
    let output = Command::new(env!("CARGO"))
        .args(["package", "--list", "-p", "pumice", "--allow-dirty", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).unwrap();
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
            "" => ends(&[".md"]) || name.starts_with("LICENSE-"),
            "src" => ends(&[".rs", ".pem", ".tsv", ".txt", ".json"]),
            "examples" => ends(&[".rs", ".md", ".py", ".mjs", ".js"]),
            "docs" => ends(&[".md", ".svg", ".d.ts", ".schema.json"]),
            "fixtures" => ends(&[".md", ".jsonl"]),
            _ => false,
        }
    };
    let others = files.iter().filter(|file| !is_expected(file)).collect::<Vec<_>>();
    assert!(others.is_empty(), "{others:?}");
}
