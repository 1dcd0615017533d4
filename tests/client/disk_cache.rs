//! What makes credentials last: keys cached on disk, codes of MFA devices, and the commands and the profile of a
//! settings file.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use pumice::context::Context;
use pumice::converse::{ConverseRequest, Message};
use pumice::credentials::Credentials;
use pumice::settings::Settings;
use pumice::{Client, Config, Error, ErrorKind};
use serde_json::json;
use support::chain::{Answer, Services, at, config, keys, ran, world};

const ROLE: &str = "[profile r]\nrole_arn = arn:aws:iam::1:role/Demo\nsource_profile = base\nregion = us-east-1\n\
                    [profile base]\naws_access_key_id = AKBASE\naws_secret_access_key = sekret-base\n";

/// A world whose clock the test sets, with this config file.
fn dated_world(config: &str) -> (Context, Arc<AtomicU64>) {
    let passed = Arc::new(AtomicU64::new(0));
    let seconds = Arc::clone(&passed);
    let now = move || at("2026-11-22T14:00:00Z") + Duration::from_secs(seconds.load(SeqCst));
    let context = world(&json!({"AWS_PROFILE": "r", "AWS_EC2_METADATA_DISABLED": "true"}))
        .with_clock(now)
        .with_file("/home/test/.aws/config", config);
    (context, passed)
}

/// STS and IAM Identity Center, with keys `ASIA1`, `ASIA2`, ... that are valid until 15:00.
fn services() -> Arc<Services> {
    let given = AtomicUsize::new(0);
    Services::new(move |asked| {
        let number = given.fetch_add(1, SeqCst) + 1;
        Answer::ok(if asked.uri.contains("sts") {
            format!(
                "<A><Credentials><AccessKeyId>ASIA{number}</AccessKeyId><SecretAccessKey>sekret-{number}</SecretAccessKey>\
                 <SessionToken>sekret-token</SessionToken><Expiration>2026-11-22T15:00:00Z</Expiration></Credentials></A>"
            )
        } else {
            let end = at("2026-11-22T15:00:00Z").duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
            json!({"roleCredentials": {"accessKeyId": format!("ASIA{number}"), "secretAccessKey": "sekret",
                "sessionToken": "sekret-token", "expiration": u64::try_from(end).unwrap()}})
            .to_string()
        })
    })
}

/// The key id that a new process finds.
async fn found(config: Config) -> Result<String, Error> {
    let search = Client::new(config).search_credentials().await;
    search.result.map(|found| keys(&found).access_key_id().to_owned())
}

#[tokio::test(start_paused = true)]
async fn keys_of_a_role_are_cached_for_the_next_process() {
    let (context, passed) = dated_world(ROLE);
    let services = services();
    let cached = || config(context.clone(), &services).cache_credentials(true);
    assert_eq!(found(cached()).await.unwrap(), "ASIA1");
    assert_eq!(found(cached()).await.unwrap(), "ASIA1");
    // Without a network they are found too.
    assert_eq!(found(cached().offline()).await.unwrap(), "ASIA1");
    // The cache is off unless it is asked for.
    assert_eq!(found(config(context.clone(), &services)).await.unwrap(), "ASIA2");
    assert_eq!(found(cached()).await.unwrap(), "ASIA1");

    // Whatever the keys are made from leads to others.
    for (number, (from, to)) in [
        ("role/Demo", "role/Other"),
        ("sekret-base", "sekret-else"),
        ("AKBASE", "AKOTHER"),
        ("region", "external_id = 1\nregion"),
        ("region", "role_session_name = me\nregion"),
        ("region", "duration_seconds = 900\nregion"),
    ]
    .into_iter()
    .enumerate()
    {
        let changed = context.clone().with_file("/home/test/.aws/config", ROLE.replacen(from, to, 1));
        for _ in 0..2 {
            let found = found(config(changed.clone(), &services).cache_credentials(true)).await;
            assert_eq!(found.unwrap(), format!("ASIA{}", number + 3), "{to}");
        }
    }
    let _ = context.clone().with_file("/home/test/.aws/config", ROLE);
    assert_eq!(found(cached()).await.unwrap(), "ASIA1");

    // Five minutes before the end, new ones are asked for.
    passed.store(54 * 60, SeqCst);
    assert_eq!(found(cached()).await.unwrap(), "ASIA1");
    passed.store(56 * 60, SeqCst);
    assert_eq!(found(cached()).await.unwrap(), "ASIA9");
}

#[tokio::test(start_paused = true)]
async fn keys_that_the_service_refuses_are_asked_for_again() {
    let (context, _) = dated_world(ROLE);
    let services = services();
    let cached = || config(context.clone(), &services).cache_credentials(true);
    assert_eq!(found(cached()).await.unwrap(), "ASIA1");
    let used = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&used);
    let bedrock = Services::new(move |asked| {
        let authorization = &asked.headers["authorization"];
        let id = authorization.split("Credential=").nth(1).unwrap().split('/').next().unwrap().to_owned();
        seen.lock().unwrap().push(id.clone());
        let refused = Answer { status: 403, headers: Vec::new(), body: r#"{"message": "expired"}"#.into() };
        if id == "ASIA1" {
            refused.header("x-amzn-errortype", "ExpiredTokenException")
        } else {
            Answer::ok(WHOLE)
        }
    });
    let client = Client::new(cached().transport(bedrock));
    client.converse(&ConverseRequest::new("m").message(Message::user("Hi"))).await.unwrap();
    assert_eq!(*used.lock().unwrap(), ["ASIA1", "ASIA2"]);
    // The next process does not find the refused ones.
    assert_eq!(found(cached()).await.unwrap(), "ASIA2");
}

const WHOLE: &str = r#"{"output":{"message":{"role":"assistant","content":[]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2},"metrics":{"latencyMs":1}}"#;

const SSO: &str = "[profile r]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = Dev\nregion = us-east-1\n\
                   [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.example/start\n";

/// Writes the file of `aws sso login`.
fn sso_token(context: &Context, token: &str, end: &str) {
    let text = json!({"accessToken": token, "expiresAt": end}).to_string();
    let name = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, b"corp");
    let name = name.as_ref().iter().fold(String::new(), |name, byte| format!("{name}{byte:02x}"));
    let _ = context.clone().with_file(format!("/home/test/.aws/sso/cache/{name}.json"), text);
}

#[tokio::test(start_paused = true)]
async fn keys_of_an_sso_role_are_cached_while_the_sign_in_is_the_same() {
    let (context, _) = dated_world(SSO);
    let services = services();
    let cached = || config(context.clone(), &services).cache_credentials(true);
    sso_token(&context, "sekret-one", "2026-11-22T20:00:00Z");
    assert_eq!(found(cached()).await.unwrap(), "ASIA1");
    assert_eq!(found(cached()).await.unwrap(), "ASIA1");
    sso_token(&context, "sekret-two", "2026-11-22T20:00:00Z");
    assert_eq!(found(cached()).await.unwrap(), "ASIA2");
    sso_token(&context, "sekret-two", "2026-11-22T13:00:00Z");
    found(cached()).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn an_mfa_code_is_asked_for_once() {
    let (context, _) = dated_world(&ROLE.replace("region", "mfa_serial = arn:aws:iam::1:mfa/me\nregion"));
    let services = services();
    let asked = Arc::new(AtomicUsize::new(0));
    let cached = |code: Result<&'static str, io::ErrorKind>| {
        let asked = Arc::clone(&asked);
        config(context.clone(), &services).cache_credentials(true).ask_mfa_code(move |device| {
            assert_eq!(device, "arn:aws:iam::1:mfa/me");
            asked.fetch_add(1, SeqCst);
            code.map(str::to_owned).map_err(Into::into)
        })
    };
    for (config, said) in [
        (cached(Err(io::ErrorKind::NotFound)), "there is no terminal to ask for it"),
        (cached(Ok(" \n")), "found an empty line"),
        (config(context.clone(), &services), "nobody can be asked for it"),
    ] {
        let error = found(config).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert!(error.to_string().contains("a code of the MFA device arn:aws:iam::1:mfa/me"), "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert!(error.hint().unwrap().to_string().contains("aws configure export-credentials --profile r"));
    }
    assert_eq!(services.asked().len(), 0);
    assert_eq!(found(cached(Ok("123456\n"))).await.unwrap(), "ASIA1");
    assert_eq!(found(cached(Ok("654321"))).await.unwrap(), "ASIA1");
    assert_eq!(asked.load(SeqCst), 3);
    let body = &services.asked()[0].body;
    assert!(body.contains("SerialNumber=arn%3Aaws%3Aiam%3A%3A1%3Amfa%2Fme&TokenCode=123456"), "{body}");
}

#[tokio::test(start_paused = true)]
async fn a_command_gets_new_credentials_once_they_have_expired() {
    let refresh = |config: Config| config.credentials_refresh_command("corp-login --now");
    // A sign-in that has expired.
    let (context, _) = dated_world(SSO);
    let ran_commands = Arc::new(Mutex::new(Vec::new()));
    let (files, commands) = (context.clone(), Arc::clone(&ran_commands));
    let context = context.with_commands(move |command| {
        commands.lock().unwrap().push(command.to_owned());
        sso_token(&files, "sekret-new", "2026-11-22T20:00:00Z");
        Ok(ran(true, "", ""))
    });
    sso_token(&context, "sekret-old", "2026-11-22T13:00:00Z");
    let services = services();
    found(config(context.clone(), &services)).await.unwrap_err();
    let error = found(refresh(config(context.clone(), &services)).offline()).await.unwrap_err();
    assert!(ran_commands.lock().unwrap().is_empty(), "{error}");
    assert_eq!(found(refresh(config(context.clone(), &services))).await.unwrap(), "ASIA1");
    assert_eq!(ran_commands.lock().unwrap().len(), 1);
    assert!(ran_commands.lock().unwrap()[0].contains("corp-login --now"));
    // It is not run while they are valid.
    assert_eq!(found(refresh(config(context, &services))).await.unwrap(), "ASIA2");
    assert_eq!(ran_commands.lock().unwrap().len(), 1);

    // One that fails is the error.
    let (context, _) = dated_world(SSO);
    let context = context.with_commands(|_| Ok(ran(false, "", "no browser")));
    sso_token(&context, "sekret-old", "2026-11-22T13:00:00Z");
    let error = found(refresh(config(context, &services))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    let said = error.to_string();
    assert!(said.contains("credentialsRefreshCommand") && said.contains("no browser"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn a_command_gets_new_credentials_when_bedrock_says_that_they_have_expired() {
    let (context, _) =
        dated_world("[profile r]\naws_access_key_id = AKOLD\naws_secret_access_key = sekret-old\n");
    let files = context.clone();
    let context = context.with_commands(move |_| {
        let text = "[profile r]\naws_access_key_id = AKNEW\naws_secret_access_key = sekret-new\n";
        let _ = files.clone().with_file("/home/test/.aws/config", text);
        Ok(ran(true, "", ""))
    });
    let bedrock = Services::new(|asked| {
        if asked.headers["authorization"].contains("AKNEW") {
            return Answer::ok(WHOLE);
        }
        let refused = Answer { status: 403, headers: Vec::new(), body: r#"{"message": "expired"}"#.into() };
        refused.header("x-amzn-errortype", "ExpiredTokenException")
    });
    let config = config(context, &services()).region("us-east-1").transport(bedrock.clone());
    let client = Client::new(config.credentials_refresh_command("corp-login"));
    client.converse(&ConverseRequest::new("m").message(Message::user("Hi"))).await.unwrap();
    assert_eq!(bedrock.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_command_prints_the_key() {
    let key = |context: Context, command: &str| {
        let config = Config::new().context(context).api_key_command(command);
        async move {
            let search = Client::new(config).search_credentials().await;
            search.result.map(|found| match found.credentials {
                Credentials::Bearer(token) => format!("{} {}", token.token(), found.link),
                _ => "keys".to_owned(),
            })
        }
    };
    let off = json!({"AWS_EC2_METADATA_DISABLED": "true"});
    let (found, link) = ("sekret-key", "settings file (apiKeyCommand)");
    assert_eq!(key(world(&off), "echo ' sekret-key'").await.unwrap(), format!("{found} {link}"));
    for (command, said) in [
        ("true", "found nothing"),
        ("echo sekret one", "found more than one word"),
        ("echo no vault >&2; exit 3", "no vault"),
    ] {
        let error = key(world(&off), command).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        let text = error.to_string();
        assert!(text.contains("apiKeyCommand") && text.contains(said) && !text.contains("sekret"), "{text}");
    }
    // What the environment has comes first.
    let keys = json!({"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "sekret"});
    assert_eq!(key(world(&keys), "false").await.unwrap(), "keys");
    let offline = Config::new().context(world(&off)).api_key_command("false").offline();
    let search = Client::new(offline).search_credentials().await;
    assert_eq!(search.deferred.unwrap().link, link);
}

#[tokio::test(start_paused = true)]
async fn the_profile_of_the_settings_comes_after_that_of_the_environment() {
    let text = "[profile a]\nregion = a-x-1\naws_access_key_id = AKA\naws_secret_access_key = s\n\
                [profile b]\nregion = b-x-1\naws_access_key_id = AKB\naws_secret_access_key = s\n\
                [default]\naws_access_key_id = AKD\naws_secret_access_key = s\n";
    let settings = "{models: {providers: {bedrock: {profile: 'b', models: []}}}}";
    for (env, code, expected) in [
        (json!({}), None, "AKB b-x-1"),
        (json!({"AWS_PROFILE": "a"}), None, "AKA a-x-1"),
        (json!({"AWS_DEFAULT_PROFILE": "a"}), None, "AKA a-x-1"),
        (json!({}), Some("a"), "AKA a-x-1"),
        // As with AWS_PROFILE, keys of the environment come first.
        (json!({"AWS_ACCESS_KEY_ID": "AKE", "AWS_SECRET_ACCESS_KEY": "s"}), None, "AKE b-x-1"),
    ] {
        let context = world(&env).with_file("/home/test/.aws/config", text);
        let config = code.map_or(Config::new(), |code| Config::new().profile(code)).context(context);
        let settings = Settings::parse("settings.json5", settings).unwrap();
        let identity = Client::new(settings.under(config, None)).identify().await.unwrap();
        let found = identity.search.result.unwrap();
        let found = format!("{} {}", keys(&found).access_key_id(), identity.region.name());
        assert_eq!(found, expected, "{env} {code:?}");
    }
    let missing = Settings::parse("s", &settings.replace("'b'", "'nope'")).unwrap();
    let context = world(&json!({})).with_file("/home/test/.aws/config", text);
    let client = Client::new(missing.under(Config::new().context(context), None));
    let error = client.search_credentials().await.result.unwrap_err();
    assert!(error.to_string().contains("no profile nope"), "{error}");
}

#[test]
fn commands_are_not_taken_from_a_file_in_the_current_folder() {
    let text = |member: &str| {
        format!("{{models: {{providers: {{bedrock: {{{member}: 'echo key', models: []}}}}}}}}")
    };
    let load = |path: &str, member: &str| {
        let context = Context::fake().with_env("HOME", "/home/test").with_file(path, text(member));
        Settings::load(&context, Some(Path::new(path)))
    };
    for member in ["apiKeyCommand", "credentialsRefreshCommand"] {
        let error = load("config.json5", member).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("config.json5: apiKeyCommand"), "{error}");
        load("/home/test/elsewhere/config.json5", member).unwrap();
    }
    load("config.json5", "profile").unwrap();
    let settings = load("/etc/pumice.json5", "apiKeyCommand").unwrap();
    assert_eq!(settings.api_key_command.as_deref(), Some("echo key"));
}
