//! The choice between bearer token and signature, compared with botocore's.
//!
//! Intended differences: a blank token counts as none, white space around a token is removed, and plain http is allowed
//! to this machine. What botocore takes in code is set by [`Config::profile`], which skips the environment, and by
//! [`Config::without_credentials`]. This client has no preference in code.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use support::shared;

use pumice::context::Context;
use pumice::credentials::{Credentials, Keys, Token};
use pumice::operation::Operation;
use pumice::sign::{api_key, scope_of_api_key};
use pumice::transport::Transport;
use pumice::{Client, Config, Error, ErrorKind, Progress};
use support::capture::{Capture, call_by_members, context, keys, least_request};

/// The `authorization` header of the one request that was sent, or why none was sent.
async fn authorisation(config: Config, operation: Operation) -> Result<Option<String>, Error> {
    let capture = Arc::new(Capture::default());
    let transport: Arc<dyn Transport> = capture.clone();
    let client = Client::new(config.transport(transport));
    let params = least_request(operation).to_string();
    let error = call_by_members(&client, operation, &params).await.unwrap_err();
    if capture.count() == 0 {
        return Err(error);
    }
    let request = capture.only_request();
    let header = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    // The date and the session token belong to a signature.
    let signed = header.as_deref().is_some_and(|header| header.starts_with("AWS4-"));
    assert_eq!(request.headers().contains_key("x-amz-date"), signed);
    Ok(header)
}

#[tokio::test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
async fn the_choice_is_botocores() {
    let vectors = shared::json("vectors/bearer.json");
    let (mut compared, mut left_out) = (0, Vec::new());
    for case in vectors.as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let expected = case["result"].as_str().unwrap();
        let mut context = context();
        if case["keys"] == true {
            context = keys(context);
        }
        for (variable, value) in case["env"].as_object().unwrap() {
            context = context.with_env(variable, value.as_str().unwrap());
        }
        let operation = match case["service"].as_str().unwrap() {
            "bedrock" => Operation::ListFoundationModels,
            _ => Operation::Converse,
        };
        let mut config = Config::new().region("us-east-1").context(context);
        if let Some(url) = case["endpoint_url"].as_str() {
            config = config.endpoint_url(url);
        }
        match case["config"].as_str().unwrap() {
            "{}" => {}
            code if code.contains("UNSIGNED") => config = config.without_credentials(),
            _ => {
                left_out.push(name);
                continue;
            }
        }
        let found = authorisation(config, operation).await;
        match name {
            "empty token + keys" => assert_signed(name, found),
            "empty token, no keys" => assert_eq!(found.unwrap_err().kind(), ErrorKind::Credentials, "{name}"),
            "whitespace token" => assert_eq!(found.unwrap().as_deref(), Some("Bearer tok"), "{name}"),
            "token over http endpoint" | "token over http loopback endpoint, no keys" => {
                assert_eq!(found.unwrap().as_deref(), Some("Bearer tok-123"), "{name}");
            }
            _ if expected.starts_with("Bearer ") => {
                assert_eq!(found.unwrap().as_deref(), Some(expected), "{name}");
            }
            _ if expected.starts_with("AWS4-") => assert_signed(name, found),
            _ if expected == "NO AUTHORIZATION" => assert_eq!(found.unwrap(), None, "{name}"),
            _ => {
                let error = found.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Credentials, "{name}");
                assert!(
                    expected.starts_with("NoCredentialsError") || expected.starts_with("NoAuthTokenError")
                );
                if expected.starts_with("NoAuthTokenError") {
                    assert!(error.message().contains("AWS_AUTH_SCHEME_PREFERENCE"), "{name}: {error}");
                }
            }
        }
        compared += 1;
    }
    println!("held: {compared}; a preference in code: {left_out:?}");
    assert!(compared >= 19, "{compared}");
    assert!(left_out.iter().all(|name| name.contains(" code ")), "{left_out:?}");
}

fn assert_signed(name: &str, found: Result<Option<String>, Error>) {
    let found = found.unwrap().unwrap();
    assert!(found.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{name}: {found}");
}

#[tokio::test]
async fn a_token_goes_in_the_clear_to_this_machine_alone() {
    let config = |url: &str| {
        let context = context().with_env("AWS_BEARER_TOKEN_BEDROCK", "sekret-token");
        Config::new().context(context).endpoint_url(url)
    };
    for url in ["http://127.0.0.1:8080", "http://[::1]", "http://localhost/p", "https://bedrock.example"] {
        let found = authorisation(config(url), Operation::Converse).await;
        assert_eq!(found.unwrap().as_deref(), Some("Bearer sekret-token"), "{url}");
    }
    for url in ["http://bedrock.example", "http://10.0.0.1:8080", "http://localhost.example"] {
        let error = authorisation(config(url), Operation::Converse).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
        assert!(!format!("{error}{error:?}").contains("sekret"), "{error:?}");
    }
}

#[tokio::test]
async fn plain_http_is_reported_and_never_carries_a_bearer_token() {
    let config = |context: Context| {
        let reported = Arc::new(Mutex::new(Vec::new()));
        let tell = Arc::clone(&reported);
        let config = Config::new().context(context).endpoint_url("http://gate.example:8080/v1").watch(
            move |progress| {
                if let Progress::PlainHttp { host, secrets } = progress {
                    tell.lock().unwrap().push(format!("{host} {}", secrets.join(" ")));
                }
            },
        );
        (config, reported)
    };
    let session = || keys(context()).with_env("AWS_SESSION_TOKEN", "sekret-session");

    let (signed, reported) = config(keys(context()));
    assert_signed("signed", authorisation(signed, Operation::Converse).await);
    assert_eq!(*reported.lock().unwrap(), ["gate.example:8080 "]);

    let (refused, reported) = config(session());
    let error = authorisation(refused, Operation::Converse).await.unwrap_err();
    assert_eq!((error.kind(), reported.lock().unwrap().len()), (ErrorKind::InvalidInput, 0));
    let (refused, _) = config(keys(context()));
    authorisation(refused.header("x-key", "sekret"), Operation::Converse).await.unwrap_err();
    // The `accept` header is no secret.
    let (harmless, _) = config(keys(context()));
    authorisation(harmless.header("Accept", "application/json"), Operation::Converse).await.unwrap();

    let (allowed, reported) = config(session());
    let allowed = allowed.header("x-key", "sekret").allow_plain_http();
    assert_signed("allowed", authorisation(allowed, Operation::Converse).await);
    assert_eq!(*reported.lock().unwrap(), ["gate.example:8080 x-key x-amz-security-token"]);

    for (token, header) in [(true, "x-key"), (false, "authorization")] {
        let (refused, reported) = config(context());
        let refused = refused.header(header, "BEARER sekret").allow_plain_http();
        let refused = if token { refused.bearer_token("sekret") } else { refused.without_credentials() };
        let error = authorisation(refused, Operation::Converse).await.unwrap_err();
        assert_eq!((error.kind(), reported.lock().unwrap().len()), (ErrorKind::InvalidInput, 0), "{error}");
        assert!(error.message().contains("bearer token"), "{error}");
    }
}

#[tokio::test]
async fn a_header_of_the_connection_is_refused_by_its_name() {
    for name in
        ["Content-Length", "transfer-encoding", "Connection", "upgrade", "Expect", "Proxy-Authorization"]
    {
        let config = Config::new().context(keys(context())).region("us-east-1").header(name, "1");
        let error = authorisation(config, Operation::Converse).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.message().contains(&name.to_lowercase()), "{error}");
    }
}

#[tokio::test]
async fn a_preference_counts_by_its_first_known_scheme() {
    let in_env = |preference: &str| keys(context()).with_env("AWS_AUTH_SCHEME_PREFERENCE", preference);
    let in_profile = |preference: &str| {
        let file = format!("[default]\nregion = us-east-1\nauth_scheme_preference = {preference}\n");
        keys(context()).with_env("HOME", "/home").with_file("/home/.aws/config", file)
    };
    for (preference, bearer) in [
        ("httpBearerAuth", true),
        (" sigv4a ,\thttpBearerAuth, sigv4", true),
        ("smithy.api#httpBearerAuth", true),
        ("sigv4, httpBearerAuth", false),
        ("aws.auth#sigv4,httpBearerAuth", false),
        ("httpbearerauth", false),
        ("noAuth,,foo", false),
    ] {
        for context in [in_env(preference), in_profile(preference)] {
            let found = authorisation(Config::new().context(context.clone()), Operation::Converse).await;
            if bearer {
                assert_eq!(found.unwrap_err().kind(), ErrorKind::Credentials, "{preference}");
            } else {
                assert_signed(preference, found);
            }
            assert_token_wins(context).await;
        }
    }
    // The environment takes precedence over the profile.
    let both = in_profile("httpBearerAuth").with_env("AWS_AUTH_SCHEME_PREFERENCE", "sigv4");
    assert_signed("both", authorisation(Config::new().context(both), Operation::Converse).await);
}

async fn assert_token_wins(context: Context) {
    let context = context.with_env("AWS_BEARER_TOKEN_BEDROCK", "tok");
    let found = authorisation(Config::new().context(context), Operation::Converse).await;
    assert_eq!(found.unwrap().as_deref(), Some("Bearer tok"));
}

/// The key of AWS's example access keys at 2026-11-27T04:00:00Z.
fn made(keys: &Credentials, region: &str, seconds: u64) -> Result<Token, Error> {
    let Credentials::Keys(keys) = keys else { panic!("{keys:?}") };
    api_key(keys, region, at(0), Duration::from_secs(seconds))
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_752_000 + seconds)
}

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

#[test]
fn a_short_term_key_is_the_one_of_awss_own_generator() {
    for (id, session, region, seconds, request) in [
        (
            "AKIDEXAMPLE",
            None,
            "us-east-1",
            43_200,
            "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20261127%2Fus-east-1%2Fbedrock%2Faws4_request\
             &X-Amz-Date=20261127T040000Z&X-Amz-Expires=43200&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=b6594598a0fb67f4cd0614b9640f003dd3517114db4d3cfaaee82eac016b730a&Version=1",
        ),
        (
            "ASIAEXAMPLE",
            Some("session/token+with=odd&chars"),
            "eu-central-1",
            3600,
            "bedrock.amazonaws.com/?Action=CallWithBearerToken&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=ASIAEXAMPLE%2F20261127%2Feu-central-1%2Fbedrock%2Faws4_request\
             &X-Amz-Date=20261127T040000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host\
             &X-Amz-Security-Token=session%2Ftoken%2Bwith%3Dodd%26chars\
             &X-Amz-Signature=4fb70c8aff9dd39040b7afa31101c1f6d56fcb9639959e2a2da1c9b746365d9c&Version=1",
        ),
    ] {
        let keys = Credentials::keys(id, SECRET, session.map(str::to_owned));
        let key = made(&keys, region, seconds).unwrap();
        let encoded = key.token().strip_prefix("bedrock-api-key-").unwrap();
        assert_eq!(String::from_utf8(base64(encoded)).unwrap(), request);
        assert_eq!(key.expiration(), Some(at(seconds)));
        assert_eq!(scope_of_api_key(key.token()), Some((region.to_owned(), at(seconds))));
        assert!(!format!("{key:?}").contains(encoded));
    }
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn short_term_keys_are_those_of_the_vectors() {
    let vectors = shared::json("vectors/sigv4-2.json");
    let secret = vectors["secret"].as_str().unwrap();
    let cases = vectors["bearer"].as_array().unwrap();
    for case in cases {
        let text = |name: &str| case[name].as_str().map(str::to_owned);
        let keys = Credentials::keys(text("creds").unwrap(), secret, text("token"));
        let key = made(&keys, &text("region").unwrap(), case["expires"].as_u64().unwrap()).unwrap();
        assert_eq!(key.token(), text("bearer").unwrap());
    }
    assert_eq!(cases.len(), 2);
}

#[test]
fn another_key_has_no_scope() {
    for key in ["", "ABSKbm8=", "bedrock-api-key-", "bedrock-api-key-!", "bedrock-api-key-YQ==", "tok"] {
        assert_eq!(scope_of_api_key(key), None, "{key}");
    }
}

#[test]
fn a_short_term_key_ends_with_its_credentials_and_within_half_a_day() {
    let keys = |left: u64| Credentials::keys("AKID", "s", None).with_expiry(at(left));
    for (left, asked, lasts) in [(7200, 3600, 3600), (1800, 3600, 1800), (100_000, 43_200, 43_200)] {
        let key = made(&keys(left), "us-east-1", asked).unwrap();
        assert_eq!(key.expiration(), Some(at(lasts)));
        let encoded = key.token().strip_prefix("bedrock-api-key-").unwrap();
        let request = String::from_utf8(base64(encoded)).unwrap();
        assert!(request.contains(&format!("&X-Amz-Expires={lasts}&")), "{request}");
    }
    for seconds in [0, 43_201, u64::MAX] {
        let error = made(&keys(100_000), "us-east-1", seconds).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    }
    let error = made(&keys(0), "us-east-1", 60).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
    let odd = Keys::new("AK\nID", "s", None, None, "test");
    let error = api_key(&odd, "us-east-1", at(0), Duration::from_mins(1)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
}

#[tokio::test]
async fn a_client_makes_keys_of_access_keys_alone_and_asks_nobody() {
    let of = |context: Context| {
        let capture = Arc::new(Capture::default());
        let transport: Arc<dyn Transport> = capture.clone();
        let config = Config::new().context(context).transport(Arc::clone(&transport));
        (Client::new(config.credentials_transport(transport).region("eu-west-1")), capture)
    };
    let (client, capture) = of(keys(context()));
    let key = client.api_key(Duration::from_mins(1)).await.unwrap();
    let encoded = key.token().strip_prefix("bedrock-api-key-").unwrap();
    let request = String::from_utf8(base64(encoded)).unwrap();
    assert!(request.contains("%2Feu-west-1%2Fbedrock%2F"), "{request}");
    assert_eq!(capture.count(), 0);

    let (client, _) = of(context().with_env("AWS_BEARER_TOKEN_BEDROCK", "sekret-key"));
    let error = client.api_key(Duration::from_mins(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    let said = format!("{error} {}", error.hint().unwrap());
    for part in ["found an API key: AWS_BEARER_TOKEN_BEDROCK", "use that key as it is"] {
        assert!(said.contains(part) && !said.contains("sekret"), "{said}");
    }
}

fn base64(text: &str) -> Vec<u8> {
    serde_json::from_value::<pumice::shape::Blob>(text.into()).unwrap().0.to_vec()
}
