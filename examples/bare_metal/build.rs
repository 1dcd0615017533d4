//! The recorded responses of the repository, each as the bytes that came over the connection.

#![allow(clippy::unwrap_used, reason = "a build script")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::Value;

fn main() {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    println!("cargo::rerun-if-changed={}", recordings.display());
    println!("cargo::rerun-if-changed=memory.x");
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    let mut list = String::from("[");
    for (name, bytes) in streams(&recordings) {
        let file = out.join(&name);
        fs::write(&file, bytes).unwrap();
        write!(list, "({name:?}, include_bytes!({file:?})),").unwrap();
    }
    fs::write(out.join("responses.rs"), list + "]").unwrap();
}

/// The bodies that consist of frames, by recording and number of the exchange.
fn streams(recordings: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut streams = BTreeMap::new();
    for file in fs::read_dir(recordings).unwrap().map(|file| file.unwrap().path()) {
        let Some("jsonl") = file.extension().and_then(|extension| extension.to_str()) else { continue };
        let recording = file.file_stem().unwrap().to_str().unwrap();
        for line in fs::read_to_string(&file).unwrap().lines() {
            let line = serde_json::from_str::<Value>(line).unwrap();
            let name = |line: &Value| format!("{recording}-{}", line["exchange"]);
            let (head, chunk) = (&line["response"], &line["chunk"]);
            if head["headers"]["content-type"] == "application/vnd.amazon.eventstream" {
                streams.insert(name(head), Vec::new());
            } else if let Some(stream) = streams.get_mut(&name(chunk)) {
                stream.extend(BASE64_STANDARD.decode(chunk["base64"].as_str().unwrap()).unwrap());
            }
        }
    }
    streams
}
