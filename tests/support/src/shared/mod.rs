//! The recordings and vectors in `../shared`, beside the project. They are not part of it, so a test that needs them is
//! ignored, with the reason `needs ../shared: recordings and vectors beside the project`. If they exist,
//! `cargo test -- --ignored` runs those tests.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "part of tests")]

use std::path::PathBuf;

use serde_json::Value;

/// A file or folder of them. Panics if it does not exist.
pub fn path(name: &str) -> PathBuf {
    let path = crate::repository().join("../shared").join(name);
    assert!(path.exists(), "this test needs {}, which does not exist", path.display());
    path
}

pub fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}
