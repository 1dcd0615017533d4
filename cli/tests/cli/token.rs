//! `pumice token`: a key on standard output, its end on standard error, and nothing else.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::process::{Command, Output};

/// Runs `pumice token` with these variables.
fn token(env: &[(&str, &str)], arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_pumice"))
        .env_clear()
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(env.iter().copied())
        .arg("token")
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "AKIDTEST"), ("AWS_SECRET_ACCESS_KEY", "sekret-key")];

#[test]
fn standard_output_is_the_key_and_a_line_end() {
    for arguments in [&[][..], &["--ttl", "60"], &["--region", "eu-west-1", "--ttl", "43200"]] {
        let (code, key, said) = token(&KEYS, arguments);
        assert_eq!(code, Some(0), "{said}");
        let encoded = key.strip_prefix("bedrock-api-key-").unwrap().strip_suffix('\n').unwrap();
        assert!(encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)), "{key}");
        assert!(said.starts_with("note: the key expires at 2") && said.lines().count() == 1, "{said}");
        assert!(!said.contains(encoded) && !said.contains("sekret"), "{said}");
    }
}

#[test]
fn a_key_is_made_of_access_keys_and_within_the_limits() {
    let quoted = [("AWS_ACCESS_KEY_ID", "'AKIDTEST'"), ("AWS_SECRET_ACCESS_KEY", "'sekret-key'")];
    let bearer = [("AWS_BEARER_TOKEN_BEDROCK", "sekret-token")];
    for (env, arguments, code, expected) in [
        (&KEYS[..], &["--ttl", "0"][..], 2, "--ttl: expected a whole number of seconds from 1 to 43200"),
        (&KEYS, &["--ttl", "43201"], 2, "found \"43201\""),
        (&KEYS, &["--ttl", "1h"], 2, "found \"1h\""),
        (&KEYS, &["60"], 2, "expected no argument, found \"60\""),
        (&bearer, &[], 3, "found an API key: AWS_BEARER_TOKEN_BEDROCK"),
        (&quoted, &[], 3, "remove the quotation marks"),
        (&[], &[], 3, "no AWS credentials were found"),
    ] {
        let (exit, key, said) = token(env, arguments);
        assert_eq!((exit, key.as_str()), (Some(code), ""), "{said}");
        assert!(said.starts_with("error: ") && said.contains(expected), "{said}");
        assert!(!said.contains("sekret"), "{said}");
    }
}
