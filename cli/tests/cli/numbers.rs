//! Every number from outside, in flags, settings, variables, files, services, recordings and agents: however large, small or
//! odd it is, nothing panics or overflows, and a time that no clock can hold means no limit.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use support::chain;

use proptest::prelude::*;
use pumice::context::Context;
use pumice::conversation;
use pumice::converse::{ConverseRequest, Message};
use pumice::models::{Directory, ModelInfo};
use pumice::pi::{Input, ResponseBuilder};
use pumice::retry::Retry;
use pumice::settings::Settings;
use pumice::transport::{HttpConfig, Replay};
use pumice::{Client, Config, Error, ErrorKind, Event};
use serde_json::json;
use support::chain::{Services, config, world};
use support::server::{Answer, Server, text_answer};

/// Numbers at the borders of the types that hold them.
const BORDERS: [&str; 20] = [
    "0",
    "-0.0",
    "1",
    "-1",
    "0.5",
    "1e-320",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "9007199254740991",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "1e19",
    "-1e19",
    "253402300799999",
    "253402300800",
    "1e300",
    "-1e300",
];

/// Those, and any others.
fn numbers() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => proptest::sample::select(BORDERS.as_slice()).prop_map(str::to_owned),
        1 => any::<u64>().prop_map(|number| number.to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => prop::num::f64::NORMAL.prop_map(|number| format!("{number:e}")),
    ]
}

fn request(model: &str) -> ConverseRequest {
    ConverseRequest::new(model).message(Message::user("Hi"))
}

fn keys(context: Context) -> Context {
    context.with_env("AWS_ACCESS_KEY_ID", "AKIDTEST").with_env("AWS_SECRET_ACCESS_KEY", "secret")
}

/// Settings with a value at one path, and the members that it requires.
fn settings_with(path: &str, value: &str) -> String {
    let mut inside = json!("@");
    for name in path.split('.').rev() {
        inside = match name.strip_suffix("[]") {
            Some(name) => json!({ name: [inside] }),
            None => json!({ name: inside }),
        };
        if name == "tiers[]" {
            inside["tiers"][0]["inputTokensAbove"] = inside["tiers"][0]["inputTokensAbove"].take();
            let above = &mut inside["tiers"][0]["inputTokensAbove"];
            if above.is_null() {
                *above = json!(1);
            }
        }
        if name == "families[]" && inside["families"][0].get("match").is_none() {
            inside["families"][0]["match"] = json!(["m"]);
        }
        if name == "models[]" && inside["models"][0].get("id").is_none() {
            inside["models"][0]["id"] = json!("m");
        }
    }
    inside.to_string().replace("\"@\"", value)
}

#[test]
fn numbers_of_settings() {
    let members = Settings::members();
    assert!(members.len() > 60, "{members:?}");
    for path in &members {
        let odd = ["Infinity", "-Infinity", "NaN", "1e400", "0xffffffffffffffffffff", "-0x0"];
        let mut taken = 0;
        for number in BORDERS.iter().copied().chain(odd) {
            let text = settings_with(path, number);
            let Ok(settings) = Settings::parse("s", &text) else { continue };
            taken += 1;
            let config = settings.under(Config::new().context(Context::fake()), Some("m"));
            let config = config.idle_timeout(settings.timeout.unwrap_or_default());
            Directory::with_refresh_interval(Client::new(config), settings.discovery.refresh_interval);
            settings.complete(&mut request("m"));
            settings.params("m");
            settings.configured_models(|_| ModelInfo::default());
            let got = Settings::get(&text, &path.replace("[]", "[0]")).unwrap();
            assert!(got.is_some(), "{text}");
        }
        let is_number =
            [".timeoutSeconds", ".maxTokens", ".cost.input", ".inputTokensAbove", ".refreshInterval"]
                .iter()
                .any(|name| path.ends_with(name));
        assert!(taken > 1 || !is_number, "{path}");
    }
}

#[tokio::test]
async fn limits_that_no_clock_can_hold_are_none() {
    let server = Server::start((0..2).map(|_| {
        let (first, last) = (text_answer(&["a"])[..2].concat(), text_answer(&["a"])[2..].concat());
        Answer::stream([first]).pause(Duration::from_millis(20)).chunk(last)
    }));
    for limit in [Duration::MAX, Duration::from_secs(u64::MAX / 2), Duration::from_secs(10_u64.pow(11))] {
        let mut http = HttpConfig::default();
        (http.connect_timeout, http.pool_idle_timeout) = (limit, limit);
        let config = Config::new()
            .context(keys(Context::fake()))
            .endpoint_url(&server.url)
            .http(http)
            .connect_timeout(limit)
            .first_byte_timeout(limit)
            .idle_timeout(limit)
            .retry(Retry::patient(limit).max_attempts(u32::MAX));
        let client = Client::new(config);
        // Twice, so that a connection is reused.
        for _ in 0..2 {
            let mut events = client.converse_stream(&request("m")).await.unwrap();
            while events.next_event().await.unwrap().is_some() {}
        }
        Directory::with_refresh_interval(client, limit).kept().await;
        if cfg!(unix) {
            assert!(Context::real().run("exit 0", limit).unwrap().success);
        }
        let folder = tempfile::tempdir().unwrap();
        Context::real().lock(&folder.path().join("file"), limit).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn numbers_of_responses_and_variables() {
    for number in BORDERS {
        for (name, refusal) in [
            ("retry-after", 429),
            ("x-amz-retry-after", 503),
            ("date", 403),
            ("x-aws-ec2-metadata-token-ttl-seconds", 429),
        ] {
            let services = Services::new(move |asked| {
                let mut answer = chain::Answer::ok(format!(r#"{{"usage":{{"inputTokens":{number}}}}}"#));
                answer = answer.header(name, number);
                if asked.headers["amz-sdk-request"].starts_with("attempt=1;") {
                    answer.status = refusal;
                }
                answer
            });
            for attempts in [number, "2"] {
                let context = keys(world(&json!({}))).with_env("AWS_MAX_ATTEMPTS", attempts);
                let context = context.with_env("AWS_RETRY_MODE", "adaptive");
                let client = Client::new(Config::new().context(context).transport(services.clone()));
                let _ = client.converse(&request("m")).await;
            }
        }
        // A container's and an instance's service, the program of a profile, and the variables around them.
        for expiration in
            [number, "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00+23:59"]
        {
            let keys = json!({"Version": 1, "Code": "Success", "AccessKeyId": "A", "SecretAccessKey": "s", "Token": "t",
                "Expiration": expiration})
            .to_string();
            let services = Services::new(move |asked| {
                let body = if asked.uri.ends_with("security-credentials/") { "role" } else { &keys };
                chain::Answer::ok(body).header("x-aws-ec2-metadata-token-ttl-seconds", number)
            });
            for (name, value) in [
                ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"),
                ("AWS_METADATA_SERVICE_TIMEOUT", number),
                ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", number),
            ] {
                let client = Client::new(config(world(&json!({})).with_env(name, value), &services));
                // Cached, requested again, and shown.
                for _ in 0..2 {
                    let identity = client.identify().await.unwrap();
                    assert!(!format!("{identity:?}").is_empty());
                }
            }
        }
        let profile = format!(
            "[default]\nrole_arn=arn:aws:iam::1:role/r\ncredential_source=Environment\nduration_seconds={number}\nmax_attempts={number}\nregion=us-east-1\n"
        );
        let services = Services::new(|_| chain::Answer::ok("<x/>"));
        let context = keys(world(&json!({}))).with_file("/home/test/.aws/config", profile);
        let _ = Client::new(config(context, &services).profile("default")).identify().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_may_end_at_any_time() {
    for number in BORDERS {
        let services = Services::new(move |asked| {
            chain::Answer::ok(if asked.uri.contains("/federation/") {
                format!(
                    r#"{{"roleCredentials":{{"accessKeyId":"A","secretAccessKey":"s","sessionToken":"t","expiration":{number}}}}}"#
                )
            } else {
                format!(r#"{{"accessToken":"new","expiresIn":{number},"refreshToken":"r"}}"#)
            })
        });
        let context = world(&json!({}))
            .with_file(
                "/home/test/.aws/config",
                "[default]\nsso_session=corp\nsso_account_id=1\nsso_role_name=r\n\
                 [sso-session corp]\nsso_region=us-east-1\nsso_start_url=https://x\n",
            )
            // The name is the SHA-1 of `corp`.
            .with_file(
                "/home/test/.aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json",
                r#"{"accessToken":"old","expiresAt":"2026-11-22T14:33:00Z","clientId":"c","clientSecret":"s","refreshToken":"r","registrationExpiresAt":"2030-01-01T00:00:00Z"}"#,
            );
        let _ = Client::new(config(context, &services)).identify().await;
        assert_eq!(services.asked().len(), 2, "{number}");
    }
}

const RESPONSE: &str = r#"{"output":{"message":{"role":"assistant","content":[]}},"stopReason":"end_turn",
    "usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2},"metrics":{"latencyMs":1}}"#;

#[test]
fn numbers_of_recordings() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    for number in BORDERS {
        for speed in [1e-300, 1.0, 1e300, f64::NAN, f64::INFINITY, 0.0, -1.0] {
            let text = [
                json!({"recording": {"version": 1}}).to_string(),
                json!({"request": {"exchange": 1, "operation": "Converse", "method": "POST", "url": "http://h/model/m/converse", "headers": {}}}).to_string(),
                format!(r#"{{"response":{{"exchange":1,"afterMs":{number},"status":200,"headers":{{}}}}}}"#),
                json!({"chunk": {"exchange": 1, "afterMs": "@", "text": RESPONSE}})
                    .to_string()
                    .replace("\"@\"", number),
                format!(r#"{{"end":{{"exchange":1,"afterMs":{number}}}}}"#),
            ];
            let Ok(replay) = Replay::parse(&text.join("\n")) else { continue };
            let config = Config::new().context(Context::fake()).without_credentials();
            let config = config.first_byte_timeout(Duration::MAX).idle_timeout(Duration::MAX);
            let client = Client::new(config.transport(Arc::new(replay.at_speed(speed))));
            runtime.block_on(client.converse(&request("m"))).unwrap();
        }
    }
}

#[tokio::test]
async fn a_kept_list_may_be_of_any_time() {
    let services = Services::new(|asked| {
        let answers = asked.headers["amz-sdk-request"].ends_with("max=1");
        let body = r#"{"modelSummaries":[],"inferenceProfileSummaries":[]}"#;
        chain::Answer { status: if answers { 200 } else { 500 }, ..chain::Answer::ok(body) }
    });
    let list = async |context: &Context, attempts| {
        let retry = Retry::never().max_attempts(attempts);
        let config = Config::new().context(context.clone()).transport(services.clone()).retry(retry);
        Directory::new(Client::new(config)).list(false).await.unwrap()
    };
    let context = keys(world(&json!({})));
    list(&context, 1).await;
    let shown = format!("{context:?}");
    let path = shown.split('"').find(|part| part.contains("models-us-east-1-")).unwrap();
    for number in ["0", "253402300800", "18446744073709551615"] {
        let kept = format!(r#"{{"fetched":{number},"foundationModels":[]}}"#);
        // The service fails, so the cached list and its time are used.
        let listing = list(&context.clone().with_file(path, kept), 2).await;
        assert!(listing.outdated.is_some() && listing.fetched() >= UNIX_EPOCH, "{number}");
    }
}

/// An agent's input, with the number in every place that takes one.
fn input(number: &str) -> String {
    let usage = format!(
        r#"{{"input":{number},"output":{number},"cacheRead":{number},"cacheWrite":{number},"totalTokens":{number},"cost":{{"total":{number}}}}}"#
    );
    let cost = format!(r#""input":{number},"output":{number},"cacheRead":{number},"cacheWrite":{number}"#);
    format!(
        r#"{{"model":{{"id":"us.anthropic.claude-sonnet-4-5-20250929-v1:0","reasoning":true,"contextWindow":{number},"maxTokens":{number},
            "cost":{{{cost},"tiers":[{{"inputTokensAbove":{number},{cost}}}]}}}},
          "context":{{"messages":[{{"role":"user","content":"Hi","timestamp":{number}}},
            {{"role":"assistant","content":"Hi","usage":{usage},"timestamp":{number}}},
            {{"role":"user","content":"Hi","timestamp":{number}}}]}},
          "options":{{"maxTokens":{number},"reasoning":"high","thinkingBudgets":{{"high":{number}}}}}}}"#
    )
}

proptest! {
    #[test]
    fn numbers_of_agents_and_tokens(number in numbers(), counted in numbers()) {
        if let Ok(input) = Input::from_json(&input(&number))
            && let Ok((request, target, options)) = input.to_converse()
            && let Ok(prepared) = conversation::prepare(request, &target, &options)
        {
            prepared.request.body().unwrap();
            let usage = format!(
                r#"{{"usage":{{"inputTokens":{counted},"outputTokens":{counted},"totalTokens":{counted},"cacheReadInputTokens":{counted},
                    "cacheWriteInputTokens":{counted},"cacheDetails":[{{"ttl":"1h","inputTokens":{counted}}},{{"ttl":"1h","inputTokens":{counted}}}]}}}}"#
            );
            let mut response = ResponseBuilder::new(&input.model, prepared.tool_names, UNIX_EPOCH);
            if let Ok(usage) = serde_json::from_str(&usage) {
                response.push(Event::Metadata(usage), &mut std::collections::VecDeque::new()).unwrap();
            }
            serde_json::to_string(&response.message()).unwrap();
        }
    }

    #[test]
    fn numbers_of_retries(attempt in any::<u32>(), random in prop::num::f64::ANY, asked in any::<u64>(), waited in any::<u64>()) {
        let error = Error::new(ErrorKind::Throttled, "").with_retry_after(Some(Duration::from_millis(asked)));
        let retry = Retry::patient(Duration::MAX).max_attempts(u32::MAX);
        let pause = retry.delay(&error, attempt, random).unwrap_or_default();
        let patient = retry.patient_delay(&error, attempt, Duration::from_secs(waited), random);
        prop_assert!(pause <= Duration::from_secs(25) && patient.unwrap_or_default() <= Duration::from_secs(25));
    }
}

fn pumice(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command.args(arguments).env_clear().env("HOME", "/nowhere").env("AWS_EC2_METADATA_DISABLED", "true");
    command.envs(environment.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that refuses its flags does not read its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn numbers_of_flags_and_inputs() {
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/text.jsonl");
    for number in BORDERS.into_iter().chain(["inf", "nan", "1e400", "", "0x10"]) {
        let code = |arguments: &[&str], input: &str| {
            let output = pumice(arguments, &[("COLUMNS", number), ("AWS_MAX_ATTEMPTS", "1")], input);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                !said.contains("panicked") && output.status.code().is_some(),
                "{arguments:?}: {output:?}"
            );
            output.status.code().unwrap()
        };
        let seconds = number.parse::<f64>().is_ok_and(|seconds| seconds > 0.0);
        let timeout = ["chat", "Hi", "--replay", recording, "--timeout", number];
        // A replay responds at once, but not within a timeout of zero.
        if number != "1e-320" {
            assert_eq!(code(&timeout, ""), if seconds { 0 } else { 2 }, "{number}");
        }
        for flag in ["--max-tokens", "--temperature"] {
            code(&["chat", "Hi", "--replay", recording, &format!("{flag}={number}")], "");
        }
        // At a slower speed the replay would never end.
        if !seconds || number.parse::<f64>().is_ok_and(|factor| factor >= 1.0) {
            code(&["chat", "Hi", "--replay", recording, &format!("--replay-speed={number}")], "");
        }
        code(&["stream", "--replay", recording], &input(number));
    }
    let lists = |number: &str| {
        let model = json!({"modelId": "newcomer.one", "modelName": "One", "providerName": "N", "inputModalities": ["TEXT"],
            "outputModalities": ["TEXT"], "responseStreamingSupported": true, "inferenceTypesSupported": ["ON_DEMAND"],
            "modelLifecycle": {"status": "ACTIVE"}, "converse": {"maxTokensMaximum": "@"},
            "description": {"maxContextWindow": number}})
        .to_string()
        .replace("\"@\"", number);
        Server::start([
            Answer::whole(200, format!(r#"{{"modelSummaries":[{model}]}}"#)).only_for("/foundation-models"),
            Answer::whole(200, r#"{"inferenceProfileSummaries":[]}"#).only_for("/inference-profiles"),
        ])
    };
    for number in BORDERS {
        let server = lists(number);
        let environment = [
            ("AWS_ENDPOINT_URL_BEDROCK", server.url.as_str()),
            ("AWS_ACCESS_KEY_ID", "A"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_MAX_ATTEMPTS", "1"),
        ];
        for arguments in
            [&["models", "list"][..], &["models", "list", "--json"], &["models", "show", "newcomer.one"]]
        {
            let output = pumice(arguments, &environment, "");
            assert_eq!(output.status.code(), Some(0), "{number}: {output:?}");
        }
    }
    // The expiry of keys from a program.
    let home = tempfile::tempdir().unwrap();
    for end in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"] {
        let keys = json!({"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "s", "Expiration": end});
        std::fs::write(home.path().join("keys"), keys.to_string()).unwrap();
        let file = home.path().join("config");
        let program = format!("[default]\ncredential_process=cat {}\n", home.path().join("keys").display());
        std::fs::write(&file, program).unwrap();
        for arguments in [&["auth"][..], &["auth", "--json"]] {
            let output = pumice(arguments, &[("AWS_CONFIG_FILE", file.to_str().unwrap())], "");
            let code = if end.ends_with('Z') { 0 } else { 3 };
            assert_eq!(output.status.code(), Some(code), "{end}: {output:?}");
        }
    }
}
