//! Profiles that exist and are wrong: a wrong identity is worse than none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use pumice::context::Context;
use pumice::{Client, Config, ErrorKind};
use serde_json::json;
use support::chain::{Answer, HOME, Services, config, keys, world};

/// An instance with a role, which every other source comes before.
fn instance() -> std::sync::Arc<Services> {
    Services::new(|asked| {
        match asked.uri.rsplit('/').next().unwrap() {
        "token" => Answer::ok("session").header("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
        "" => Answer::ok("role"),
        "region" => Answer::ok("eu-north-1"),
        _ => Answer::ok(
            json!({"Code": "Success", "AccessKeyId": "AKINSTANCE", "SecretAccessKey": "sekret", "Token": "sekret"})
                .to_string(),
        ),
    }
    })
}

/// The access key id that is found on an instance with this profile in the config file, or the error and its hint.
async fn found(
    profile: &str,
    properties: &str,
    name: impl Fn(Context, Config) -> Config,
) -> Result<String, String> {
    let heading = if profile == "default" { "default".into() } else { format!("profile {profile}") };
    let text = format!(
        "[{heading}]\nregion = us-east-1\n{properties}\n[profile other]\nregion = us-east-1\n\
         [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.example\n"
    );
    let context = world(&json!({})).with_file(format!("{HOME}/.aws/config"), text);
    let services = instance();
    let config = name(context.clone(), config(context, &services));
    let found = Client::new(config).identify().await.unwrap().search.result;
    match found {
        Ok(found) => Ok(keys(&found).access_key_id().to_owned()),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Credentials);
            assert!(services.asked().is_empty(), "{error}: {:?}", services.asked());
            Err(format!("{error}\n{}", error.hint().map(ToString::to_string).unwrap_or_default()))
        }
    }
}

/// The properties of a profile, and what the error names.
const UNFINISHED: &[(&str, &[&str])] = &[
    ("sso_session = corp", &["expected sso_account_id and sso_role_name, found only sso_session"]),
    ("sso_session = none", &["sso_account_id and sso_role_name"]),
    ("sso_session = corp\nsso_role_name = r", &["no sso_account_id"]),
    ("sso_session = corp\nsso_account_id = 1", &["no sso_role_name"]),
    ("sso_session = none\nsso_account_id = 1\nsso_role_name = r", &["sso_session none", "no such section"]),
    ("sso_session = corp\nsso_acount_id = 1", &["expected sso_account_id, found sso_acount_id"]),
    ("sso_session = corp\nsso_acount_id = 1\nsso_role_name = r", &["no sso_account_id", "sso_acount_id"]),
    ("sso_session = corp\nsso_account = 1\nsso_role = r", &["expected sso_account_id, found sso_account"]),
    ("sso_sesion = corp\nsso-account-id = 1", &["expected sso_account_id, found sso-account-id"]),
    ("sso_start_url = https://x.example", &["no sso_region"]),
    ("sso_region = us-east-1", &["no sso_start_url"]),
    ("credentials_process = x", &["expected credential_process, found credentials_process"]),
    ("credential_proces = x", &["expected credential_process"]),
    ("process_credential = x", &["expected credential_process"]),
    ("credential_process =", &["expected a value of credential_process, found none"]),
    ("source_profile = other", &["expected role_arn, found only source_profile"]),
    ("source_profile = other\nrole_arm = x", &["expected role_arn, found role_arm"]),
    ("source_profile = other\nrolearn = x", &["expected role_arn, found rolearn"]),
    ("source_profile = other\nrole_arn = ", &["expected role_arn, found only source_profile"]),
    ("role_arn = r", &["has role_arn, but no source_profile or credential_source"]),
    ("role_arn = r\nsource_profil = other", &["no source_profile", "did you mean source_profile?"]),
    ("role_arn = r\ncredential_sources = Environment", &["did you mean credential_source?"]),
    (
        "role_arn = r\ncredential_source = Metadata",
        &["expected the credential_source Environment", "Metadata"],
    ),
    ("role_arn = r\nsource_profile = other", &["the source_profile other names no credentials"]),
    ("web_identity_token_file = /t", &["web_identity_token_file, but no role_arn"]),
    ("web_identity_token = /t\nrole_arn = r", &["did you mean web_identity_token_file?"]),
    ("aws_access_key_id = AK", &["aws_access_key_id, but no aws_secret_access_key"]),
    ("aws_secret_access_key = sekret", &["aws_secret_access_key, but no aws_access_key_id"]),
    ("aws_access_key = AK\naws_secret_key = sekret", &["expected aws_access_key_id, found aws_access_key"]),
    ("access_key_id = AK\nsecret_access_key = sekret", &["expected aws_access_key_id, found access_key_id"]),
    ("awsaccesskeyid = AK", &["expected aws_access_key_id"]),
    ("aws_session_token = sekret", &["expected aws_access_key_id and aws_secret_access_key"]),
    ("aws_access_key_id =\naws_secret_access_key =", &["expected a value of aws_access_key_id, found none"]),
    ("login_sesion = x", &["expected login_session, found login_sesion"]),
    ("login_session =", &["expected a value of login_session"]),
    // The keys of the profile itself are not those of the role that was meant.
    (
        "aws_access_key_id = AK\naws_secret_access_key = sekret\nrole_am = r\nsource_profile = other",
        &["expected role_arn, found role_am"],
    ),
];

#[tokio::test(start_paused = true)]
async fn an_unfinished_profile_is_an_error_however_it_is_named() {
    for (properties, parts) in UNFINISHED {
        let errors = [
            found("work", properties, |_, config| config.profile("work")).await,
            found("work", properties, |context, config| {
                config.context(context.with_env("AWS_PROFILE", "work"))
            })
            .await,
            found("work", properties, |context, config| {
                config.context(context.with_env("AWS_DEFAULT_PROFILE", "work"))
            })
            .await,
            found("default", properties, |_, config| config).await,
        ];
        for error in errors {
            let error = error.map_or_else(|error| error, |key| format!("{key} is used"));
            for part in *parts {
                assert!(error.contains(part), "{properties}: expected {part}, found {error}");
            }
            assert!(!error.contains("sekret"), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_without_a_part_of_a_way_to_credentials_falls_through() {
    for properties in [
        "",
        "output = json",
        "role_session_name = x\nduration_seconds = 900\nmfa_serial = m",
        "sso_account_name = x\naws_account_id = 1\nassumed_role = x\nsource_identity = x",
        "x_principal_arn = x\nrole_name = x\ngranted_sso_account_id = 1\ncli_pager =\ns3 =\n  addressing_style = path",
    ] {
        for name in ["work", "default"] {
            let named = found(name, properties, |_, config| config.profile(name)).await;
            assert_eq!(named.as_deref(), Ok("AKINSTANCE"), "{properties}");
        }
    }
    // Without any file as well.
    let services = instance();
    let context = world(&json!({"AWS_PROFILE": "default"}));
    let found = Client::new(config(context, &services)).identify().await.unwrap().search.result.unwrap();
    assert_eq!(keys(&found).access_key_id(), "AKINSTANCE");
}

#[tokio::test(start_paused = true)]
async fn a_session_for_tokens_alone_leaves_the_other_credentials_of_the_profile() {
    let properties = "sso_session = corp\naws_access_key_id = AK\naws_secret_access_key = sekret";
    assert_eq!(found("work", properties, |_, config| config.profile("work")).await.as_deref(), Ok("AK"));
}

#[tokio::test(start_paused = true)]
async fn the_older_variable_names_the_profile_where_the_newer_is_not_set() {
    let files = "[one]\naws_access_key_id = AKONE\naws_secret_access_key = sekret\n\
                 [two]\naws_access_key_id = AKTWO\naws_secret_access_key = sekret\n";
    for (env, key, source) in [
        (json!({"AWS_DEFAULT_PROFILE": "one"}), "AKONE", "env: AWS_DEFAULT_PROFILE"),
        (json!({"AWS_DEFAULT_PROFILE": "one", "AWS_PROFILE": "two"}), "AKTWO", "env: AWS_PROFILE"),
        (json!({"AWS_DEFAULT_PROFILE": "one", "AWS_PROFILE": " "}), "AKONE", "env: AWS_DEFAULT_PROFILE"),
    ] {
        let context = world(&env).with_file(format!("{HOME}/.aws/credentials"), files);
        let found =
            Client::new(config(context, &instance())).identify().await.unwrap().search.result.unwrap();
        assert_eq!((keys(&found).access_key_id(), found.source), (key, source));
    }
    let context = world(&json!({"AWS_DEFAULT_PROFILE": "missing"}));
    let error =
        Client::new(config(context, &instance())).identify().await.unwrap().search.result.unwrap_err();
    assert!(error.to_string().contains("there is no profile missing"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_expiry_is_read_in_each_form_or_refused() {
    // The clock of the context says 2026-11-22T14:32:12Z.
    for (expiration, expected) in [
        ("\"2026-11-22T15:32:12Z\"", Ok(Some(3600))),
        ("\"2026-11-22T15:32:12+0000\"", Ok(Some(3600))),
        ("\"2026-11-22T15:32:12\"", Ok(Some(3600))),
        ("\"2026-11-22 17:32:12+02:00\"", Ok(Some(3600))),
        ("1795361532", Ok(Some(3600))),
        ("1795361532.5", Ok(Some(3600))),
        ("1795361532000", Ok(Some(3600))),
        ("\"1795361532\"", Ok(Some(3600))),
        ("null", Ok(None)),
        ("1795354332", Err("expired at 2026-11-22T13:32:12Z")),
        ("1795354332000", Err("expired at 2026-11-22T13:32:12Z")),
        ("\"2026-11-22T13:32:12\"", Err("expired at 2026-11-22T13:32:12Z")),
        ("\"tomorrow\"", Err("Expiration: expected a time such as")),
        ("true", Err("Expiration: expected a time such as")),
        ("{}", Err("Expiration: expected a time such as")),
        ("-1", Err("Expiration: expected a time such as")),
    ] {
        let keys = format!(
            r#"{{"AccessKeyId":"AK","SecretAccessKey":"sekret","Token":"sekret","Expiration":{expiration}}}"#
        );
        let output = keys.replace('{', r#"{"Version":1,"#).replacen(r#":{"Version":1,}"#, ":{}", 1);
        let process = world(
            &json!({"AWS_PROFILE": "p", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}),
        )
        .with_file(format!("{HOME}/.aws/config"), "[profile p]\ncredential_process = x\n")
        .with_commands(move |_| Ok(support::chain::ran(true, output.clone(), "")));
        let container =
            world(&json!({"AWS_REGION": "us-east-1", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/x"}));
        for context in [process, container] {
            let keys = keys.clone();
            let services = Services::new(move |_| Answer::ok(keys.clone()));
            let now = context.now();
            let found = Client::new(config(context, &services)).identify().await.unwrap().search.result;
            let found = found.map(|found| {
                found.credentials.expires().map(|end| end.duration_since(now).unwrap().as_secs())
            });
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{expiration}"),
                (Err(error), Err(expected)) => {
                    assert!(error.to_string().contains(expected), "{expiration}: {error}");
                }
                (found, _) => panic!("{expiration}: {found:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_older_name_of_a_session_token_is_read() {
    let files = "[old]\naws_access_key_id = AK\naws_secret_access_key = sekret\naws_security_token = TOKENOLD\n\
                 [both]\naws_access_key_id = AK\naws_secret_access_key = sekret\naws_security_token = TOKENOLD\n\
                 aws_session_token = TOKENNEW\n";
    let in_env =
        |name: &str| json!({"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "sekret", name: "TOKENOLD"});
    for (env, token) in [
        (json!({"AWS_PROFILE": "old"}), "TOKENOLD"),
        (json!({"AWS_PROFILE": "both"}), "TOKENNEW"),
        (in_env("AWS_SECURITY_TOKEN"), "TOKENOLD"),
    ] {
        let context = world(&env).with_file(format!("{HOME}/.aws/credentials"), files);
        let found =
            Client::new(config(context, &instance())).identify().await.unwrap().search.result.unwrap();
        assert_eq!(keys(&found).session_token(), Some(token), "{env}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_of_another_encoding_is_an_error_that_names_it() {
    let utf16 = "[work]\n".encode_utf16().flat_map(u16::to_le_bytes);
    let text = [0xff, 0xfe].into_iter().chain(utf16).collect::<Vec<_>>();
    let context = world(&json!({"AWS_PROFILE": "work"})).with_file(format!("{HOME}/.aws/credentials"), text);
    let error = Client::new(config(context, &instance())).identify().await.unwrap_err();
    assert!(error.to_string().contains("it is UTF-16: save it as UTF-8"), "{error}");
}
