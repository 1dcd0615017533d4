//! What the tests of all packages share: a server, a terminal, a transport that keeps requests, faults, inputs.
#![allow(missing_docs, clippy::missing_panics_doc, reason = "a part of tests")]

pub mod busy;
pub mod capture;
pub mod chain;
pub mod cloud;
pub mod frames;
pub mod inputs;
pub mod memory;
pub mod pi;
pub mod plan;
pub mod server;
pub mod shared;
pub mod tape;
#[cfg(target_os = "linux")]
pub mod terminal;

/// The project's folder.
pub fn repository() -> &'static std::path::Path {
    let package = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package)
}
