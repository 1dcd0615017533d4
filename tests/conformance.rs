//! What other programs make of the same input: botocore's signatures, requests, endpoints and credentials.
//!
//! The files in `tests/conformance/` are made by `tools/conformance/make.sh`. Nothing else is needed to run this.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

mod capture;
mod chain;

use std::collections::HashMap;
use std::path::Path;

use pumice::ErrorKind;
use pumice::operation::Operation;
use serde_json::Value;

/// A list of a file in `tests/conformance/`.
fn cases(file: &str, list: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(file);
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice::<Value>(&text).unwrap()[list].as_array().unwrap().clone()
}

#[tokio::test]
async fn requests_are_those_of_botocore() {
    let mut held = HashMap::<_, usize>::new();
    for case in cases("requests.json", "cases") {
        let operation = Operation::named(case["operation"].as_str().unwrap()).unwrap();
        capture::assert_request(&case, operation).await;
        *held.entry(operation).or_default() += 1;
    }
    for operation in Operation::ALL {
        assert!(held.get(&operation).is_some_and(|count| *count >= 2), "{operation:?}: {held:?}");
    }
}

#[test]
fn signatures_are_those_of_botocore() {
    let vectors = cases("signing.json", "vectors");
    assert!(vectors.len() >= 50);
    vectors.iter().for_each(capture::assert_signature);
}

#[test]
fn endpoints_are_those_of_botocore() {
    let resolution = cases("endpoints.json", "resolution");
    assert!(resolution.len() >= 180);
    resolution.iter().for_each(capture::assert_resolution);

    let precedence = cases("endpoints.json", "precedence");
    assert!(precedence.len() >= 20);
    for case in precedence {
        let name = case["name"].as_str().unwrap();
        let (endpoint, expected) = (capture::configured_endpoint(&case), &case["result"]);
        if let Some(error) = expected["error"].as_str() {
            // What is wrong in the AWS files, and what is wrong in the call.
            let kind =
                if error == "InvalidConfigError" { ErrorKind::Credentials } else { ErrorKind::InvalidInput };
            assert_eq!(endpoint.err().map(|error| error.kind()), Some(kind), "{name}");
            continue;
        }
        let endpoint = endpoint.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(endpoint.url(), expected["url"], "{name}");
        assert_eq!(endpoint.region(), expected["signing_region"], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_are_those_of_botocore() {
    let cases = cases("chain.json", "cases");
    assert!(cases.len() >= 50);
    let mut faults = Vec::new();
    for case in cases {
        let exception = case.get("pumice").map(|otherwise| &otherwise["access_key_id"]);
        if let Err(fault) = chain::chain_holds(&case, &case["botocore"], exception).await {
            faults.push(format!("{}: {fault}", case["name"]));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
