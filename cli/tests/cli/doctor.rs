//! `pumice doctor` in made situations: what it says, which check fails, and the exit code.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::server::{Answer, Server, text_answer};
use tempfile::TempDir;

/// A home folder, and a service in whose responses a test changes what it is about.
struct World {
    home: TempDir,
    env: Vec<(String, String)>,
    answers: Vec<Answer>,
}

const MODEL: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";
const PROFILE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// A model of the list, called on demand.
fn model(id: &str) -> Value {
    json!({
        "modelId": id, "modelName": "Claude Sonnet 4.5", "providerName": "Anthropic",
        "inputModalities": ["TEXT"], "outputModalities": ["TEXT"], "responseStreamingSupported": true,
        "inferenceTypesSupported": ["ON_DEMAND"], "modelLifecycle": {"status": "ACTIVE"},
    })
}

fn profile(id: &str) -> Value {
    let arn = format!("arn:aws:bedrock:us-east-2::foundation-model/{MODEL}");
    json!({
        "inferenceProfileId": id, "inferenceProfileName": "US Claude Sonnet 4.5", "status": "ACTIVE",
        "inferenceProfileArn": format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/{id}"),
        "type": "SYSTEM_DEFINED", "models": [{"modelArn": arn}],
    })
}

fn access(agreement: &Value, others: [&str; 3]) -> Answer {
    let [authorization, entitlement, region] = others;
    let body = json!({
        "modelId": MODEL, "agreementAvailability": agreement, "authorizationStatus": authorization,
        "entitlementAvailability": entitlement, "regionAvailability": region,
    });
    Answer::whole(200, body.to_string()).only_for("/foundation-model-availability/")
}

const ALL_WELL: [&str; 3] = ["AUTHORIZED", "AVAILABLE", "AVAILABLE"];

fn models(models: &[Value]) -> Answer {
    Answer::whole(200, json!({"modelSummaries": models}).to_string()).only_for("/foundation-models")
}

fn sts_refusal(code: &str) -> Answer {
    let message = "The request signature we calculated does not match the signature you provided.";
    let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    Answer::whole(403, format!("<ErrorResponse>{error}</ErrorResponse>")).only_for("POST / ")
}

impl World {
    /// Everything is right.
    fn new() -> Self {
        let me = "<Arn>arn:aws:sts::123456789012:assumed-role/Dev/me</Arn><Account>123456789012</Account>";
        let sts = format!("<R><GetCallerIdentityResult>{me}</GetCallerIdentityResult></R>");
        let env = [
            ("AWS_ACCESS_KEY_ID", "AKIDTEST"),
            ("AWS_SECRET_ACCESS_KEY", "sekret-key"),
            ("AWS_REGION", "us-east-1"),
        ];
        Self {
            home: tempfile::tempdir().unwrap(),
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            answers: vec![
                Answer::whole(200, sts).only_for("POST / "),
                Answer::refusal(404, "UnknownOperationException", "").only_for("GET / "),
                models(&[model(MODEL)]),
                Answer::whole(200, json!({"inferenceProfileSummaries": [profile(PROFILE)]}).to_string())
                    .only_for("type=SYSTEM_DEFINED"),
                Answer::whole(200, r#"{"inferenceProfileSummaries":[]}"#).only_for("type=APPLICATION"),
                access(&json!({"status": "AVAILABLE"}), ALL_WELL),
                Answer::whole(200, r#"{"formData":"e30="}"#).only_for("/use-case-for-model-access"),
                Answer::stream(text_answer(&["ok"])).only_for("/converse-stream"),
            ],
        }
    }

    /// Responds so instead, to the requests that the answer is for.
    fn answers(mut self, answer: Answer) -> Self {
        self.answers.retain(|other| !other.is_for_as(&answer));
        self.answers.push(answer);
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.retain(|(found, _)| found != name);
        if !value.is_empty() {
            self.env.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    fn without_credentials(self) -> Self {
        self.env("AWS_ACCESS_KEY_ID", "").env("AWS_SECRET_ACCESS_KEY", "")
    }

    fn file(self, path: &str, text: &str) -> Self {
        let path = self.home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// What it finds, as JSON and as text.
    fn doctor(self, arguments: &[&str]) -> Findings {
        let server = Server::start(self.answers);
        let run = |json: bool| {
            let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_pumice"))
                .env_clear()
                .env("HOME", self.home.path())
                .env("XDG_CONFIG_HOME", self.home.path().join("config"))
                .env("AWS_EC2_METADATA_DISABLED", "true")
                .env("AWS_ENDPOINT_URL", &server.url)
                .envs(self.env.iter().map(|(name, value)| (name, value)))
                .arg("doctor")
                .args(arguments)
                .args(json.then_some("--json"))
                .output()
                .unwrap();
            let text = |bytes| String::from_utf8(bytes).unwrap();
            let (stdout, stderr) = (text(stdout), text(stderr));
            assert!(!stdout.contains("sekret") && !stderr.contains("sekret"), "{stdout}{stderr}");
            (status.code().unwrap(), stdout, stderr)
        };
        let (exit, json, said) = run(true);
        assert!(!said.contains("error:"), "{said}");
        let report =
            serde_json::from_str::<Value>(&json).unwrap_or_else(|error| panic!("{error}: {json}{said}"));
        let (again, text, _) = run(false);
        assert_eq!(exit, again, "{json}\n{text}");
        let checks = report["checks"].as_array().unwrap().clone();
        let lines = text.lines().filter(|line| !line.starts_with("     hint: ")).collect::<Vec<_>>();
        assert_eq!(lines.len(), checks.len(), "{text}");
        for (line, check) in lines.iter().zip(&checks) {
            let words = line.split_whitespace().collect::<Vec<_>>();
            assert_eq!(words[0], check["status"], "{line}");
            assert!(line[5..].starts_with(check["name"].as_str().unwrap()), "{line}");
        }
        assert!(!text.contains("pumice doctor") && !json.contains("pumice doctor"), "{text}");
        let fails = checks.iter().any(|check| check["status"] == "fail");
        assert_eq!((report["ok"].clone(), exit == 0), (json!(!fails), !fails), "{json}");
        Findings { exit, checks }
    }
}

struct Findings {
    exit: i32,
    checks: Vec<Value>,
}

impl Findings {
    /// The exit code, and that this check has this status and says this, in its detail or its hint. No check before it
    /// failed.
    #[track_caller]
    fn found(&self, exit: i32, name: &str, status: &str, says: &[&str]) -> &Self {
        let check = self.checks.iter().find(|check| check["name"] == name);
        let check = check.unwrap_or_else(|| panic!("no check {name}: {:#?}", self.checks));
        assert_eq!((self.exit, &check["status"]), (exit, &json!(status)), "{:#?}", self.checks);
        let said =
            format!("{} {}", check["detail"].as_str().unwrap(), check["hint"].as_str().unwrap_or_default());
        for part in says {
            assert!(said.contains(part), "{part:?} in {said:?}");
        }
        let fails = self.checks.iter().find(|check| check["status"] == "fail");
        if exit != 0 && status == "fail" {
            assert_eq!(fails, Some(check), "{:#?}", self.checks);
        }
        self
    }

    #[track_caller]
    fn lacks(&self, name: &str) -> &Self {
        assert!(self.checks.iter().all(|check| check["name"] != name), "{:#?}", self.checks);
        self
    }
}

#[test]
fn all_is_well() {
    let found = World::new().doctor(&[MODEL, "--probe"]);
    for (name, says) in [
        ("settings file", &["none"][..]),
        ("AWS files", &["none; the profile"]),
        ("credentials", &["access key AKIDTEST", "without a known end"]),
        ("identity", &["account 123456789012, arn:aws:sts::123456789012:assumed-role/Dev/me"]),
        ("region", &["us-east-1 (env: AWS_REGION)", "http://127.0.0.1:"]),
        ("proxy", &["none"]),
        ("name look-up", &["127.0.0.1"]),
        ("connection", &["HTTP 404 after "]),
        ("TLS", &["plain http"]),
        ("ListFoundationModels", &["1 models"]),
        ("ListInferenceProfiles", &["1 inference profiles"]),
        ("model", &["Claude Sonnet 4.5: ACTIVE"]),
        ("callable", &["yes, on demand"]),
        ("profile", &["use us.anthropic."]),
        ("agreement", &["available"]),
        ("authorisation", &["available"]),
        ("entitlement", &["available"]),
        ("model region", &["available"]),
        ("use case", &["was submitted"]),
        ("quota", &["maxTokens 64000", "15 calls"]),
        ("probe", &["tokens in", "first token after", "$"]),
    ] {
        found.found(0, name, "ok", says);
    }
    World::new().doctor(&[]).lacks("model").lacks("probe");
    // A profile's base is what the service is asked about.
    World::new().doctor(&[PROFILE]).found(0, "callable", "ok", &["this inference profile"]).found(
        0,
        "profile",
        "ok",
        &["us-east-2"],
    );
}

#[test]
fn without_credentials_it_says_so_and_still_looks_at_the_network() {
    // The variable names the model as an argument does.
    let found = World::new().without_credentials().env("PUMICE_MODEL", "newcomer.one").doctor(&[]);
    found.found(3, "model", "warn", &["newcomer.one is not in the built-in catalog"]);
    let found = World::new().without_credentials().doctor(&[MODEL]);
    let credentials = found.checks.iter().find(|check| check["name"] == "credentials").unwrap();
    assert!(!credentials.to_string().contains("--replay"), "doctor has no such option: {credentials}");
    found.found(
        3,
        "credentials",
        "fail",
        &["no AWS credentials were found; AWS_BEARER", "set AWS_BEARER_TOKEN_BEDROCK"],
    );
    found
        .found(3, "connection", "ok", &["HTTP 404"])
        .found(3, "model", "warn", &["by the built-in catalog"])
        .lacks("identity")
        .lacks("ListFoundationModels")
        .lacks("agreement");
    let asked = World::new().env("PUMICE_MODEL", MODEL).doctor(&["--probe"]);
    asked.found(0, "probe", "ok", &[MODEL]);
}

#[test]
fn refused_and_expired_credentials() {
    for (code, says) in [
        ("ExpiredToken", "have expired"),
        ("InvalidClientTokenId", "AWS does not know"),
        ("SignatureDoesNotMatch", "secret access key"),
    ] {
        World::new().answers(sts_refusal(code)).doctor(&[]).found(3, "identity", "fail", &[says]);
    }
    // By their looks, whatever the service makes of them.
    let quoted = World::new().env("AWS_ACCESS_KEY_ID", "\"AKIDEXAMPLE\"");
    quoted.doctor(&[]).found(0, "credentials", "warn", &["remove the quotation marks"]);
    let mixed_up = World::new().without_credentials().env("AWS_BEARER_TOKEN_BEDROCK", "AKIAIOSFODNN7EXAMPLE");
    mixed_up.doctor(&[]).found(0, "credentials", "warn", &["the API key is an access key id"]);
    let mixed_up = World::new().env("AWS_ACCESS_KEY_ID", "ABSKsekret");
    mixed_up.doctor(&[]).found(0, "credentials", "warn", &["the access key id is a Bedrock API key"]);
    let expired =
        r#"{"Version":1,"AccessKeyId":"A","SecretAccessKey":"sekret","Expiration":"2020-01-02T03:04:05Z"}"#;
    let config = format!("[default]\ncredential_process = echo '{expired}'\n");
    let world = World::new().without_credentials().file(".aws/config", &config);
    world.doctor(&[]).found(3, "credentials", "fail", &["2020-01-02T03:04:05Z"]);
    World::new().env("AWS_PROFILE", "gone").without_credentials().doctor(&[]).found(
        3,
        "credentials",
        "fail",
        &["gone"],
    );
}

#[test]
fn sts_out_of_reach_or_forbidden_is_no_fault() {
    let found = World::new().answers(sts_refusal("AccessDenied")).doctor(&[]);
    found.found(0, "identity", "warn", &["AccessDenied"]).found(0, "ListFoundationModels", "ok", &[]);
    let closed = closed_port();
    let found = World::new().env("AWS_ENDPOINT_URL_STS", &format!("http://127.0.0.1:{closed}")).doctor(&[]);
    found.found(0, "identity", "warn", &["STS did not say"]).found(0, "ListFoundationModels", "ok", &[]);
}

#[test]
fn api_keys_say_for_which_region_and_until_when_they_are() {
    let key = |ttl: &str| {
        let made = Command::new(env!("CARGO_BIN_EXE_pumice"))
            .env_clear()
            .envs([("AWS_ACCESS_KEY_ID", "AKIDTEST"), ("AWS_SECRET_ACCESS_KEY", "sekret-key")])
            .args(["token", "--region", "us-east-1", "--ttl", ttl])
            .output()
            .unwrap();
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    };
    let world = |key: &str| World::new().without_credentials().env("AWS_BEARER_TOKEN_BEDROCK", key);
    world(&key("600")).doctor(&[]).found(
        0,
        "identity",
        "ok",
        &["a short-term API key for us-east-1, until 2"],
    );
    world(&key("600")).env("AWS_REGION", "eu-west-1").doctor(&[]).found(
        3,
        "identity",
        "fail",
        &["the region is eu-west-1", "pumice token"],
    );
    // bedrock.amazonaws.com/?X-Amz-Credential=A%2F20200101%2Fus-east-1&X-Amz-Date=20200101T000000Z&X-Amz-Expires=60
    let old = "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29tLz9YLUFtei1DcmVkZW50aWFsPUElMkYyMDIwMDEwMSUyRnVzLWVhc3QtMSZYLUFtei1EYXRlPTIwMjAwMTAxVDAwMDAwMFomWC1BbXotRXhwaXJlcz02MA==";
    world(old).doctor(&[]).found(3, "identity", "fail", &["until 2020-01-01T00:01:00Z: it has expired"]);
    world("sekret-ABSK").doctor(&[]).found(0, "identity", "ok", &["does not say whose"]);
}

#[test]
fn a_wrong_clock() {
    let dated = || {
        let answer = Answer::refusal(404, "UnknownOperationException", "").only_for("GET / ");
        World::new().answers(answer.header("date", "Sat, 02 Jan 2021 03:04:05 GMT"))
    };
    dated().doctor(&[]).found(0, "clock", "warn", &["ahead", "clock is"]);
    let off = dated().env("AWS_DISABLE_CLOCK_SKEW_CORRECTION", "true");
    off.doctor(&[]).found(3, "clock", "fail", &["AWS_DISABLE_CLOCK_SKEW_CORRECTION is set"]);
}

#[test]
fn settings_and_files() {
    World::new().file("config/pumice/config.json5", "{").doctor(&[]).found(
        2,
        "settings file",
        "fail",
        &["config.json5"],
    );
    let odd = World::new()
        .file("config/pumice/config.json5", "{models: {providers: {\"amazon-bedrock\": {regoin: 1}}}}");
    odd.doctor(&[]).found(0, "settings file", "warn", &["regoin"]);
    let ignored = World::new().file(".aws/config", "[work]\nregion = eu-west-1\n");
    ignored.doctor(&[]).found(0, "AWS files", "warn", &[".aws/config", "work"]);
    World::new().file(".aws/config", "[default\n").without_credentials().doctor(&[]).found(
        3,
        "AWS files",
        "fail",
        &[],
    );
    World::new().env("AWS_REGION", "us_east").doctor(&[]).found(2, "region", "fail", &["us_east"]);
    World::new().env("AWS_REGION", "").doctor(&[]).found(0, "region", "warn", &["us-east-1 (default)"]);
}

#[test]
fn a_network_that_does_not_work() {
    let closed = closed_port();
    let unreachable =
        World::new().env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &format!("http://127.0.0.1:{closed}"));
    // What is known of the model without the service is said.
    unreachable.doctor(&[MODEL]).found(4, "connection", "fail", &["no connection"]).found(
        4,
        "model",
        "warn",
        &[MODEL, "is Claude Sonnet 4.5, by the built-in catalog", "the region's list is not known"],
    );
    let unknown = World::new().env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "https://no-such-host.invalid");
    unknown.doctor(&[]).found(4, "name look-up", "fail", &["no-such-host.invalid"]).lacks("connection");
    let proxy = format!("http://user:sekret-password@127.0.0.1:{closed}");
    let proxied = World::new()
        .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "https://bedrock-runtime.us-east-1.amazonaws.com")
        .env("HTTPS_PROXY", &proxy);
    let shown = format!("HTTPS_PROXY names 127.0.0.1:{closed}");
    proxied
        .doctor(&[])
        .found(4, "proxy", "ok", &[&shown])
        .found(4, "connection", "fail", &[])
        .lacks("name look-up");
    for except in ["no-such-host.invalid", "no-such-host.invalid:443", "localhost, .invalid", "*"] {
        let direct = World::new()
            .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "https://no-such-host.invalid")
            .env("HTTPS_PROXY", &proxy)
            .env("NO_PROXY", except);
        direct.doctor(&[]).found(4, "proxy", "ok", &["NO_PROXY excepts"]).found(
            4,
            "name look-up",
            "fail",
            &[],
        );
    }
}

#[test]
fn each_check_has_an_end() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let started = Instant::now();
    let world = World::new().env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &url);
    world.doctor(&["--timeout", "0.2"]).found(4, "connection", "fail", &["no response"]);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

/// In a container on an instance with hop limit 1, the response with the session token gets lost, and no other does.
#[test]
fn a_hop_limit_that_keeps_the_session_token_away() {
    for (answers_get, found) in [(true, true), (false, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let held = Arc::new(Mutex::new(Vec::new()));
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut line = String::new();
                BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
                if line.starts_with("GET ") && answers_get {
                    let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n");
                }
                held.lock().unwrap().push(stream);
            }
        });
        let world = World::new().without_credentials();
        let world =
            world.env("AWS_EC2_METADATA_DISABLED", "false").env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url);
        let findings = world.doctor(&[]);
        findings.found(3, "credentials", "fail", &["gave no session token"]);
        let check = findings.checks.iter().find(|check| check["name"] == "hop limit");
        assert_eq!(check.is_some(), found, "{:#?}", findings.checks);
        if let Some(check) = check {
            assert!(check["hint"].as_str().unwrap().contains("--http-put-response-hop-limit 2"), "{check}");
        }
    }
}

#[test]
fn rights_that_are_missing() {
    let says = "User: arn:aws:iam::123456789012:user/me is not authorized to perform: bedrock:";
    let denied = |action: &str, part: &str| {
        Answer::refusal(403, "AccessDeniedException", &format!("{says}{action}")).only_for(part)
    };
    let models = || World::new().answers(denied("ListFoundationModels", "/foundation-models"));
    models().doctor(&[MODEL]).found(3, "ListFoundationModels", "fail", &["bedrock:ListFoundationModels"]);
    World::new().answers(denied("ListInferenceProfiles", "type=SYSTEM_DEFINED")).doctor(&[]).found(
        3,
        "ListInferenceProfiles",
        "fail",
        &["bedrock:ListInferenceProfiles"],
    );
    // A call needs neither: with --probe, the call decides.
    let probed = models().doctor(&[MODEL, "--probe"]);
    probed.found(0, "ListFoundationModels", "warn", &[]).found(0, "probe", "ok", &[]);
    let probed = models().answers(denied("InvokeModel", "/converse-stream")).doctor(&[MODEL, "--probe"]);
    probed.found(3, "probe", "fail", &["bedrock:InvokeModel"]);
    let asked =
        World::new().answers(denied("GetFoundationModelAvailability", "/foundation-model-availability/"));
    asked.doctor(&[MODEL]).found(0, "agreement", "warn", &["allow bedrock:GetFoundationModelAvailability"]);
}

#[test]
fn models_that_cannot_be_called() {
    World::new().doctor(&["anthropic.claude-sonnet-4-5-20250929-v1:1"]).found(
        1,
        "model",
        "fail",
        &["is not in the list of us-east-1", "call the model as anthropic.claude-sonnet-4-5-20250929-v1:0"],
    );
    World::new().doctor(&["no.such-model"]).found(
        1,
        "model",
        "fail",
        &["or in the built-in catalog", "pumice models list"],
    );
    // The model is there, but not as this profile.
    let elsewhere = World::new().env("AWS_REGION", "eu-west-1").doctor(&[&PROFILE.replacen("us.", "eu.", 1)]);
    elsewhere.found(1, "model", "fail", &["call the model as", "in eu-west-1"]);
    let gone = World::new().answers(models(&[])).doctor(&["amazon.nova-lite-v1:0"]);
    gone.found(1, "model", "fail", &["Nova Lite", "name another region with --region"]);

    let mut by_profile = model(MODEL);
    by_profile["inferenceTypesSupported"] = json!(["INFERENCE_PROFILE"]);
    World::new().answers(models(&[by_profile])).doctor(&[MODEL]).found(1, "callable", "fail", &[PROFILE]);

    let legacy = |end: &str| {
        let mut legacy = model(MODEL);
        legacy["modelLifecycle"] = json!({"status": "LEGACY", "endOfLifeTime": end});
        World::new().answers(models(&[legacy])).doctor(&[MODEL])
    };
    legacy("2999-01-01T00:00:00Z").found(0, "model", "warn", &["LEGACY, until 2999-01-01", "newer model"]);
    legacy("2020-01-01T00:00:00Z").found(1, "model", "fail", &["retired"]);
    let mut embeds = model("amazon.titan-embed-text-v2:0");
    embeds["outputModalities"] = json!(["EMBEDDING"]);
    World::new().answers(models(&[embeds])).doctor(&["amazon.titan-embed-text-v2:0"]).found(
        0,
        "callable",
        "warn",
        &["does not respond in text", "InvokeModel"],
    );
    World::new().doctor(&["openai/gpt-5"]).found(2, "model", "fail", &["another provider's"]);
}

#[test]
fn access_that_is_missing() {
    let of = |agreement: Value, others| World::new().answers(access(&agreement, others)).doctor(&[MODEL]);
    let available = || json!({"status": "AVAILABLE"});
    of(json!({"status": "NOT_AVAILABLE"}), ALL_WELL).found(
        3,
        "agreement",
        "fail",
        &["no agreement", "aws-marketplace:Subscribe"],
    );
    let unpaid = json!({"status": "ERROR", "errorMessage": "INVALID_PAYMENT_INSTRUMENT"});
    of(unpaid, ALL_WELL).found(3, "agreement", "fail", &["INVALID_PAYMENT_INSTRUMENT", "payment method"]);
    of(json!({"status": "PENDING"}), ALL_WELL).found(0, "agreement", "warn", &["15 minutes"]);
    of(available(), ["NOT_AUTHORIZED", "AVAILABLE", "AVAILABLE"]).found(
        3,
        "authorisation",
        "fail",
        &["allow bedrock:InvokeModel"],
    );
    of(available(), ["AUTHORIZED", "NOT_AVAILABLE", "AVAILABLE"]).found(
        3,
        "entitlement",
        "fail",
        &["not entitled"],
    );
    of(available(), ["AUTHORIZED", "AVAILABLE", "NOT_AVAILABLE"]).found(
        1,
        "model region",
        "fail",
        &["--region"],
    );

    let none =
        Answer::refusal(404, "ResourceNotFoundException", "none").only_for("/use-case-for-model-access");
    World::new().answers(none).doctor(&[MODEL]).found(1, "use case", "fail", &["use case form"]);
}

#[test]
fn wrong_usage_exits_with_2() {
    for (arguments, said) in
        [(&["a", "b"][..], "at most one MODEL"), (&["--probe"], "expected a MODEL to ask")]
    {
        let output =
            Command::new(env!("CARGO_BIN_EXE_pumice")).env_clear().arg("doctor").args(arguments).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains(said) && output.stdout.is_empty());
    }
}

fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
