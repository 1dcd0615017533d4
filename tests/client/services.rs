//! The services that give credentials, when they are busy, refuse, or know better what time it is.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pumice::context::Context;
use pumice::converse::{ConverseRequest, Message};
use pumice::credentials::Search;
use pumice::{Client, ErrorKind};
use serde_json::{Value, json};
use support::chain::{Answer, Asked, HOME, Services, config, keys, world};
use tokio::time::Instant;

const ROLE: &str = "[profile p]\nregion = us-east-1\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = s\n\
                    [profile s]\naws_access_key_id = AKSOURCE\naws_secret_access_key = sekret\n";
const SSO: &str = "[profile p]\nregion = us-east-1\nsso_session = corp\nsso_account_id = 1\nsso_role_name = r\n\
                   [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.example\n";

fn profile(files: &str, env: &Value) -> Context {
    let token = json!({"accessToken": "sekret-access", "expiresAt": "2026-11-22T20:00:00Z"});
    let context = world(env)
        .with_file(format!("{HOME}/.aws/config"), files)
        .with_file(format!("{HOME}/token"), "a.b.c");
    // The name of the session, hashed.
    let name = "ee0bfd2552fbd840c02cc48b6e823320543c450f";
    context.with_file(format!("{HOME}/.aws/sso/cache/{name}.json"), token.to_string())
}

fn web_identity() -> Value {
    json!({
        "AWS_REGION": "us-east-1",
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/r",
        "AWS_WEB_IDENTITY_TOKEN_FILE": format!("{HOME}/token"),
    })
}

/// Keys of STS that expire at this time.
fn assumed(expires: &str) -> Answer {
    Answer::ok(format!(
        "<R><Credentials><AccessKeyId>AKROLE</AccessKeyId><SecretAccessKey>sekret</SecretAccessKey>\
         <SessionToken>sekret</SessionToken><Expiration>{expires}</Expiration></Credentials></R>"
    ))
}

fn refused(status: u16, code: &str, message: &str) -> Answer {
    let body = format!("<R><Error><Code>{code}</Code><Message>{message}</Message></Error></R>");
    Answer { status, headers: Vec::new(), body }
}

async fn search(context: Context, services: &Arc<Services>) -> Search {
    Client::new(config(context, services)).identify().await.unwrap().search
}

/// The access key id, or the error and its hint.
async fn found(context: Context, services: &Arc<Services>) -> Result<String, String> {
    match search(context, services).await.result {
        Ok(found) => Ok(keys(&found).access_key_id().to_owned()),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Credentials, "{error}");
            let hint = error.hint().map(ToString::to_string).unwrap_or_default();
            assert!(!format!("{error:?}").contains("sekret"), "{error:?}");
            Err(format!("{error}\nhint: {hint}"))
        }
    }
}

// The clock of the context says 2026-11-22T14:32:12Z.
const TWO_HOURS_LATER: &str = "Sun, 22 Nov 2026 16:32:12 GMT";
const TWO_HOURS_EARLIER: &str = "Sun, 22 Nov 2026 12:32:12 GMT";

/// STS by whose clock it is two hours later: it refuses what is dated otherwise.
fn sts_two_hours_later() -> Arc<Services> {
    Services::new(|asked| {
        let answer = if asked.headers["x-amz-date"] == "20261122T163212Z" {
            assumed("2026-11-22T17:32:12Z")
        } else {
            refused(403, "SignatureDoesNotMatch", "Signature expired: 1 is now earlier than 2")
        };
        answer.header("date", TWO_HOURS_LATER)
    })
}

#[tokio::test(start_paused = true)]
async fn sts_is_asked_again_by_its_own_clock() {
    let services = sts_two_hours_later();
    assert_eq!(found(profile(ROLE, &json!({"AWS_PROFILE": "p"})), &services).await.as_deref(), Ok("AKROLE"));
    assert_eq!(services.asked().len(), 2);

    // Bedrock's calls have the correction as well.
    let bedrock = Services::new(|_| Answer { status: 400, headers: Vec::new(), body: "{}".into() });
    let client = Client::new(
        config(profile(ROLE, &json!({"AWS_PROFILE": "p"})), &sts_two_hours_later())
            .transport(bedrock.clone()),
    );
    client.converse(&ConverseRequest::new("m").message(Message::user("Hi"))).await.unwrap_err();
    assert_eq!(bedrock.asked()[0].headers["x-amz-date"], "20261122T163212Z");

    // Without the correction, the hint says what is wrong.
    let services = sts_two_hours_later();
    let env = json!({"AWS_PROFILE": "p", "AWS_DISABLE_CLOCK_SKEW_CORRECTION": "true"});
    let error = found(profile(ROLE, &env), &services).await.unwrap_err();
    assert!(error.contains("hint: set this machine's clock: it is 2 hours behind"), "{error}");
    assert_eq!(services.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_ahead_does_not_make_fresh_keys_old() {
    let sts = || Services::new(|_| assumed("2026-11-22T13:32:12Z").header("date", TWO_HOURS_EARLIER));
    // 2026-11-22T13:32:12Z.
    let role = json!({"roleCredentials": {"accessKeyId": "AKROLE", "secretAccessKey": "sekret", "sessionToken": "sekret",
                      "expiration": 1_795_354_332_000_u64}});
    let sso = Services::new(move |_| Answer::ok(role.to_string()).header("date", TWO_HOURS_EARLIER));
    for (context, services) in [
        (profile(ROLE, &json!({"AWS_PROFILE": "p"})), sts()),
        (profile("", &web_identity()), sts()),
        (profile(SSO, &json!({"AWS_PROFILE": "p"})), sso),
    ] {
        assert_eq!(found(context, &services).await.as_deref(), Ok("AKROLE"));
    }
    let env = json!({"AWS_PROFILE": "p", "AWS_DISABLE_CLOCK_SKEW_CORRECTION": "true"});
    let error = found(profile(ROLE, &env), &sts()).await.unwrap_err();
    assert!(error.contains("hint: set this machine's clock: it is 2 hours ahead"), "{error}");
    // Keys that have really expired are refused.
    let old = Services::new(|_| assumed("2026-11-22T12:32:12Z").header("date", TWO_HOURS_EARLIER));
    let error = found(profile(ROLE, &json!({"AWS_PROFILE": "p"})), &old).await.unwrap_err();
    assert!(error.contains("expired at 2026-11-22T12:32:12Z"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn temporary_refusals_are_asked_again() {
    let provider =
        "Couldn't retrieve verification key from your identity provider, please reference the documentation";
    for (env, files, status, code, message) in [
        (web_identity(), "", 400, "IDPCommunicationError", "Error communicating with IDP"),
        (web_identity(), "", 400, "InvalidIdentityToken", provider),
        (web_identity(), "", 429, "Throttling", "Rate exceeded"),
        (json!({"AWS_PROFILE": "p"}), ROLE, 400, "Throttling", "Rate exceeded"),
        (json!({"AWS_PROFILE": "p"}), ROLE, 503, "ServiceUnavailable", "busy"),
    ] {
        let asked = AtomicUsize::new(0);
        let services = Services::new(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => refused(status, code, message),
            _ => assumed("2026-11-22T17:00:00Z"),
        });
        assert_eq!(found(profile(files, &env), &services).await.as_deref(), Ok("AKROLE"), "{code}");
        assert_eq!(services.asked().len(), 3);

        let services = Services::new(move |_| refused(status, code, message));
        let error = found(profile(files, &env), &services).await.unwrap_err();
        assert!(error.contains("hint: try again in a moment"), "{error}");
        assert_eq!(services.asked().len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn each_refusal_of_sts_has_its_hint() {
    let role = || profile(ROLE, &json!({"AWS_PROFILE": "p"}));
    let quoted = || profile(&ROLE.replace("AKSOURCE", "\"AKSOURCE\""), &json!({"AWS_PROFILE": "p"}));
    let token = || profile("", &web_identity());
    for (context, code, message, hint) in [
        (token(), "ExpiredTokenException", "Token expired", "renew the web identity token"),
        (role(), "ExpiredTokenException", "Token expired", "to assume the role with: they have expired"),
        (
            token(),
            "InvalidIdentityToken",
            "No OpenIDConnect provider found",
            "identity provider of the role's account",
        ),
        (
            token(),
            "AccessDenied",
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
            "subject of this token",
        ),
        (role(), "AccessDenied", "User: x is not authorized to perform: sts:AssumeRole", "trust policy"),
        (
            role(),
            "AccessDenied",
            "User: x is not authorized to perform: sts:AssumeRole on resource: y with an explicit deny in a service \
             control policy",
            "the policy that denies it explicitly",
        ),
        (role(), "RegionDisabledException", "STS is not activated in this region", "activate STS"),
        (
            role(),
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
            "lower duration_seconds",
        ),
        (role(), "ValidationError", "1 validation error detected: 'roleArn'", "check role_arn"),
        (role(), "InvalidClientTokenId", "The security token is invalid", "check the access key id"),
        (role(), "SignatureDoesNotMatch", "The signature does not match", "check the access key id"),
        (
            role(),
            "SignatureDoesNotMatch",
            "Signature expired: 20261122T123212Z is now earlier than 20261122T142712Z (20261122T143212Z - 5 min.)",
            "2 hours behind",
        ),
        (quoted(), "IncompleteSignature", "Credential must have 5 elements", "remove the quotes from"),
    ] {
        let services = Services::new(move |_| refused(403, code, message));
        let error = found(context, &services).await.unwrap_err();
        let (_, said) = error.split_once("\nhint: ").unwrap();
        assert!(said.contains(hint), "{code}: {said}");
        assert_eq!(
            said.contains("trust policy"),
            code == "AccessDenied" && !hint.contains("explicitly"),
            "{said}"
        );
        assert_eq!(services.asked().len(), 1, "{code}");
    }
    // A proxy's page says nothing about the role.
    let services =
        Services::new(|_| Answer { status: 403, headers: Vec::new(), body: "<html>blocked</html>".into() });
    let error = found(role(), &services).await.unwrap_err();
    assert!(error.contains("another server responded"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn only_a_refusal_of_the_role_is_about_the_role() {
    let json =
        |status, body: Value| move |_: &Asked| Answer { status, headers: Vec::new(), body: body.to_string() };
    for (status, body, hint) in [
        (401, json!({"message": "Session token not found or invalid"}), "aws sso login --profile p"),
        (403, json!({"__type": "ForbiddenException", "message": "No access"}), "check sso_role_name"),
        (429, json!({"__type": "TooManyRequestsException", "message": "HTTP 429 Unknown Code"}), "try again"),
        (500, json!({}), "try again"),
        (403, json!({}), "another server responded"),
    ] {
        let services = Services::new(json(status, body));
        let error = found(profile(SSO, &json!({"AWS_PROFILE": "p"})), &services).await.unwrap_err();
        let (_, said) = error.split_once("\nhint: ").unwrap();
        assert!(said.contains(hint), "{status}: {said}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_agent_of_pod_identity_is_quoted() {
    let env = json!({
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "sekret-service-account-token",
    });
    for (status, body, parts) in [
        (
            403,
            "Unauthorized Exception! EKS does not have permissions to assume the associated role.\n",
            ["EKS does not have permissions to assume", "pods.eks.amazonaws.com"],
        ),
        (
            400,
            "[18b9740f-d967]: (ExpiredTokenException): The token included in the request is expired: current date/time 1 \
             must be before 2, fault: client",
            ["ExpiredTokenException: The token included in the request is expired", "restart the pod"],
        ),
        (
            400,
            "Service account token failed basic claim validations: token is expired",
            ["token is expired", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"],
        ),
        (
            400,
            "Service account token cannot be empty",
            ["cannot be empty", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"],
        ),
        (
            404,
            "[1]: (ResourceNotFoundException): No association found for service account, fault: client",
            [
                "ResourceNotFoundException: No association found for service account\n",
                "create-pod-identity-association",
            ],
        ),
        (400, "denied for sekret-service-account-token", ["denied for", ""]),
        (400, "<html>sekret</html>", ["HTTP 400", ""]),
    ] {
        let services = Services::new(move |_| Answer { status, headers: Vec::new(), body: body.into() });
        let error = found(world(&env), &services).await.unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{body}: {error}");
    }
}

/// An instance whose first responses are these, and then those of the service.
fn instance(first: Vec<Answer>) -> Arc<Services> {
    let first = std::sync::Mutex::new(first.into_iter());
    Services::new(move |asked| {
        if let Some(answer) = first.lock().unwrap().next() {
            return answer;
        }
        match asked.uri.rsplit('/').next().unwrap() {
            "token" => Answer::ok("session").header("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
            "" => Answer::ok("role"),
            "region" => Answer::ok("eu-north-1"),
            _ => {
                let keys = json!({"Code": "Success", "AccessKeyId": "AKINSTANCE", "SecretAccessKey": "sekret", "Token": "sekret"});
                Answer::ok(keys.to_string())
            }
        }
    })
}

fn status(status: u16) -> Answer {
    Answer { status, headers: Vec::new(), body: String::new() }
}

fn token() -> Answer {
    Answer::ok("session").header("x-aws-ec2-metadata-token-ttl-seconds", "21600")
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_busy_is_asked_again() {
    for first in [
        vec![status(503)],
        vec![status(429), status(500), status(503)],
        vec![token(), status(503), status(429)],
        vec![token(), Answer::ok("role"), status(500)],
    ] {
        let services = instance(first);
        assert_eq!(found(world(&json!({})), &services).await.as_deref(), Ok("AKINSTANCE"));
    }
    // Each response is waited for a second at most: the pause is of the first, the second or the third request.
    for slow in 0..3 {
        let services = instance(Vec::new());
        let mut pauses = vec![0; slow];
        pauses.insert(0, 3);
        *services.pauses.lock().unwrap() = pauses;
        let begun = Instant::now();
        assert_eq!(found(world(&json!({})), &services).await.as_deref(), Ok("AKINSTANCE"));
        assert!(begun.elapsed() < Duration::from_secs(2), "{slow}: {:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_responds_costs_a_second() {
    let services = instance(Vec::new());
    *services.pauses.lock().unwrap() = vec![99; 9];
    let begun = Instant::now();
    let error = found(world(&json!({})), &services).await.unwrap_err();
    assert!(error.contains("gave no session token within 1 s") && error.contains("hop-limit"), "{error}");
    assert!(begun.elapsed() < Duration::from_millis(1100), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_responds_in_place_of_the_metadata_service_is_named() {
    let always = |answer: fn() -> Answer| Services::new(move |_| answer());
    let failed = || Answer::ok(r#"{"Code":"Failed","Message":"InstanceProfile is being updated"}"#);
    for (services, parts) in [
        (always(|| status(503)), ["HTTP 503", "hint: try again in a moment"]),
        (always(|| status(429)), ["HTTP 429", "hint: try again in a moment"]),
        (
            always(|| status(302).header("location", "http://portal.example/login?id=sekret")),
            ["a redirect to portal.example (HTTP 302)", "captive portal"],
        ),
        (always(|| status(307)), ["a redirect (HTTP 307)", "captive portal"]),
        (always(|| Answer::ok("<html>log in</html>")), ["a web page", "captive portal"]),
        (
            always(|| Answer::ok("log in").header("content-type", "text/html; charset=x")),
            ["a web page", "captive portal"],
        ),
        (instance(vec![token(), Answer::ok("<!DOCTYPE html>")]), ["a web page", "captive portal"]),
        (
            instance(vec![token(), Answer::ok("role"), failed()]),
            ["being updated", "hint: check the instance profile"],
        ),
        (
            Services::new(|asked| if asked.method == "PUT" { token() } else { status(401) }),
            ["HTTP 401", "hint: check what responds at that address"],
        ),
    ] {
        let error = found(world(&json!({})), &services).await.unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}: {error}");
    }
}
