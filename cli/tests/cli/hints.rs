//! What the program advises on a refusal.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::process::{Command, Stdio};

use support::server::{Answer, Server, text_answer};
use tempfile::TempDir;

const MODEL: &str = "us.anthropic.claude-sonnet-5";

struct Said {
    code: Option<i32>,
    /// The line of the hint; empty if there is none.
    hint: String,
    all: String,
}

/// The program in a fake environment: keys, an empty home, one attempt per call.
fn run(server: &Server, env: &[(&str, &str)], arguments: &[&str]) -> Said {
    let home = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command.env_clear().env("HOME", home.path()).env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_REGION", "eu-west-1").env("AWS_MAX_ATTEMPTS", "1");
    command.env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &server.url).env("AWS_ENDPOINT_URL_BEDROCK", &server.url);
    command.env("AWS_ACCESS_KEY_ID", "AKIDTESTKEY").env("AWS_SECRET_ACCESS_KEY", "sekret-access-key");
    let output = command.envs(env.iter().copied()).args(arguments).stdin(Stdio::null()).output().unwrap();
    let all = String::from_utf8(output.stderr).unwrap();
    assert!(!all.contains("sekret"), "{all}");
    let hint = all.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap_or_default().to_owned();
    Said { code: output.status.code(), hint, all }
}

fn refused(status: u16, code: &str, message: &str) -> Said {
    let server = Server::start((0..4).map(|_| Answer::refusal(status, code, message)));
    run(&server, &[], &["chat", "-m", MODEL, "--strict", "Hi"])
}

#[allow(clippy::too_many_lines, reason = "a table of refusals")]
#[test]
fn a_refusal_names_the_next_command_or_setting() {
    let denied = "AccessDeniedException";
    let invalid = "ValidationException";
    let missing = "ResourceNotFoundException";
    for (status, code, message, exit, hint) in [
        (
            403,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            3,
            "; pumice auth shows what is used",
        ),
        (
            403,
            "InvalidSignatureException",
            "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z (20260101T001500Z - 5 min.)",
            3,
            "set this machine's clock: it is 15 minutes behind",
        ),
        (403, "InvalidSignatureException", "Signature expired", 3, "pumice doctor shows by how much"),
        (
            403,
            "InvalidSignatureException",
            "Credential should be scoped to a valid region. ",
            3,
            "signed for eu-west-1; --region names it",
        ),
        (403, denied, "no", 3, "pumice doctor us.anthropic.claude-sonnet-5 shows what is missing"),
        (
            403,
            denied,
            "You don't have access to the model with the specified model ID.",
            3,
            "pumice doctor us.anthropic.claude-sonnet-5 shows what is missing",
        ),
        (
            403,
            denied,
            "Model access is denied due to INVALID_PAYMENT_INSTRUMENT:A valid payment instrument must be provided.",
            3,
            "add a valid payment method",
        ),
        (
            404,
            missing,
            "Model use case details have not been submitted for this account.",
            1,
            "submit the use case form",
        ),
        (404, missing, "This model version has reached the end of its life.", 1, "run pumice models list"),
        (
            404,
            missing,
            "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in the last 30 days.",
            1,
            "call a newer model: a Legacy",
        ),
        (400, invalid, "Operation not allowed", 1, "AWS refuses the account, not the identity"),
        (
            400,
            invalid,
            "data retention mode 'default' is not available for this model",
            1,
            "data retention mode that the model allows",
        ),
        (
            400,
            invalid,
            "The provided model identifier is invalid.",
            1,
            "run pumice models list to see what can be called in eu-west-1; pumice doctor us.anthropic.claude-sonnet-5",
        ),
        (
            400,
            invalid,
            "This model doesn't support tool use in streaming mode.",
            1,
            "pumice converse --no-stream",
        ),
        (
            400,
            invalid,
            "input length and `max_tokens` exceed context limit: 1 + 2 > 2",
            1,
            "(--max-tokens sets the limit)",
        ),
        (
            400,
            invalid,
            "Malformed input request: #/messages/0/content/0: extraneous key [toolResult] is not permitted",
            1,
            "",
        ),
        (
            400,
            invalid,
            "tools.0.custom: For 'array' type, property 'maxItems' is not supported",
            1,
            "leave out `strict`",
        ),
        (
            429,
            "ThrottlingException",
            "Too many tokens per day, please wait before trying again.",
            1,
            "the daily quota is used up",
        ),
        (
            429,
            "ThrottlingException",
            "Too many tokens, please wait before trying again.",
            4,
            "(--max-tokens); --patient waits",
        ),
        (
            503,
            "ServiceUnavailableException",
            "Too many connections, please wait before trying again.",
            4,
            "try --patient",
        ),
    ] {
        let said = refused(status, code, message);
        assert_eq!(said.code, Some(exit), "{message}: {}", said.all);
        assert!(
            said.hint.contains(hint) && said.hint.is_empty() == hint.is_empty(),
            "{message}: {}",
            said.all
        );
    }
}

#[test]
fn the_keys_that_were_sent_decide_the_hint() {
    let quoted = "\"AKIAIOSFODNN7EXAMPLE\"";
    for (env, hint) in [
        (
            &[("AWS_ACCESS_KEY_ID", quoted)][..],
            "remove the quotation marks from the values of AWS_ACCESS_KEY_ID",
        ),
        (&[("AWS_SECRET_ACCESS_KEY", "'sekret'")], "remove the quotation marks"),
        (
            &[("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SESSION_TOKEN", "left-over")],
            "unset AWS_SESSION_TOKEN: ",
        ),
        (&[("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7EXAMPLE")], "set AWS_SESSION_TOKEN: "),
        (&[("AWS_BEARER_TOKEN_BEDROCK", "abc")], "check the API key of AWS_BEARER_TOKEN_BEDROCK: "),
        (
            &[("AWS_BEARER_TOKEN_BEDROCK", "\"abc\"")],
            "remove the quotation marks from the values of AWS_BEARER_TOKEN_BEDROCK",
        ),
    ] {
        let invalid = "The security token included in the request is invalid.";
        let server = Server::start([Answer::refusal(403, "UnrecognizedClientException", invalid)]);
        let said = run(&server, env, &["chat", "-m", MODEL, "Hi"]);
        assert!(said.hint.starts_with(hint), "{env:?}: {}", said.all);
    }
    // Before anything is sent.
    let said = run(&Server::start([]), &[("AWS_ACCESS_KEY_ID", quoted)], &["auth", "--offline"]);
    assert!(said.all.starts_with("warning: remove the quotation marks"), "{}", said.all);
    assert_eq!((said.code, said.hint.as_str()), (Some(0), ""));
}

#[test]
fn a_service_without_capacity_is_waited_for_and_the_quota_of_a_day_is_not() {
    let server = Server::start([
        Answer::refusal(
            503,
            "ServiceUnavailableException",
            "Too many connections, please wait before trying again.",
        )
        .header("x-amz-retry-after", "10"),
        Answer::stream(text_answer(&["fine"])),
    ]);
    let said = run(&server, &[], &["chat", "-m", MODEL, "--patient", "Hi"]);
    assert_eq!((said.code, server.requests().len()), (Some(0), 2), "{}", said.all);

    let server = Server::start([
        Answer::refusal(
            429,
            "ThrottlingException",
            "Too many tokens per day, please wait before trying again.",
        ),
        Answer::stream(text_answer(&["fine"])),
    ]);
    let said = run(&server, &[("AWS_MAX_ATTEMPTS", "3")], &["chat", "-m", MODEL, "--patient", "Hi"]);
    assert_eq!((said.code, server.requests().len()), (Some(1), 1), "{}", said.all);
}

#[test]
fn an_error_says_each_thing_once() {
    let server = Server::start([]);
    let said = run(&server, &[], &["chat", "-m", MODEL, "--endpoint-url", "gateway:8080", "Hi"]);
    assert!(
        said.all.starts_with("error: invalid endpoint URL: expected a URL that begins with"),
        "{}",
        said.all
    );

    let home = TempDir::new().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let config = "[profile work]\nlogin_session = arn\nregion = eu-west-1\n";
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command.env_clear().env("HOME", home.path()).args(["auth", "--profile", "work"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let (listed, said) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(listed.contains("\n  failed  profile work: the login session in "), "{listed}");
    assert!(said.starts_with("error: the profile work: the login session in "), "{said}");
}
