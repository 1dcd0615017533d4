//! The program, in a home of its own and with an instance metadata service that the test chooses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use support::server::{Answer, Server};

fn run(
    home: &TempDir,
    imds: &str,
    env: &[(&str, &str)],
    arguments: &[&str],
) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_pumice"))
        .env_clear()
        .env("HOME", home.path())
        .env("PUMICE_MODEL", "m")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds)
        .envs(env.iter().copied())
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (stdout, stderr) = (text(stdout), text(stderr));
    assert!(!stdout.contains("sekret") && !stderr.contains("sekret"), "{stdout}{stderr}");
    (status.code(), stdout, stderr)
}

fn home(files: &[(&str, &str)]) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    home
}

#[test]
fn without_any_set_up_it_soon_says_why() {
    let home = home(&[]);
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    // Takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (format!("http://{}", silent.local_addr().unwrap()), silent);
    for (url, reason, hint) in [
        (&closed, "cannot be reached", "set AWS_BEARER_TOKEN_BEDROCK"),
        (&silent.0, "gave no session token within 1 s", "--http-put-response-hop-limit 2"),
    ] {
        for arguments in
            [&["chat", "Hi"][..], &["auth"], &["converse", "--request", "/dev/null"], &["auth", "--json"]]
        {
            // The request's file is empty: a fault of usage, found before credentials are looked for.
            let expected = if arguments[0] == "converse" { 2 } else { 3 };
            let started = Instant::now();
            let (code, _, said) = run(&home, url, &[], arguments);
            let took = started.elapsed();
            assert_eq!(code, Some(expected), "{said}");
            assert!(took < Duration::from_millis(1500), "{arguments:?} took {took:?}");
            if expected == 3 {
                for part in
                    ["error: no AWS credentials were found", "instance metadata: ", reason, "hint: ", hint]
                {
                    assert!(said.contains(part), "{part} in {said}");
                }
            }
        }
    }
    // An earlier source is not made to wait.
    let started = Instant::now();
    let keys = [("AWS_ACCESS_KEY_ID", "AKENV"), ("AWS_SECRET_ACCESS_KEY", "sekret")];
    let (code, ..) = run(&home, &silent.0, &keys, &["auth"]);
    assert!(code == Some(0) && started.elapsed() < Duration::from_millis(900), "{:?}", started.elapsed());
    // Offline nothing is asked.
    let (code, said, _) = run(&home, &silent.0, &[], &["auth", "--offline"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("not asked, since offline: {} would be", silent.0)), "{said}");
}

#[test]
fn auth_tells_of_an_instance() {
    let document = json!({"Code": "Success", "AccessKeyId": "ASIAIMDS", "SecretAccessKey": "sekret", "Token": "sekret", "Expiration": "2099-01-01T00:00:00Z"});
    let imds = Server::start([
        Answer::whole(200, "session").header("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
        Answer::whole(200, "my-role"),
        Answer::whole(200, document.to_string()),
        Answer::whole(200, "ap-south-1"),
    ]);
    // A proxy is not for an instance's own address.
    let proxy = [("HTTP_PROXY", "http://127.0.0.1:9"), ("ALL_PROXY", "http://127.0.0.1:9")];
    let (code, stdout, said) = run(&home(&[]), &imds.url, &proxy, &["auth", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let mut told: Value = serde_json::from_str(&stdout).unwrap();
    let tried = told.as_object_mut().unwrap().remove("tried").unwrap();
    assert_eq!(
        told,
        json!({
            "source": "default chain",
            "link": "instance role my-role",
            "kind": "sigv4",
            "accessKeyId": "ASIAIMDS",
            "expires": "2099-01-01T00:00:00Z",
            "region": "ap-south-1",
            "regionSource": "instance metadata",
            "endpoint": "https://bedrock-runtime.ap-south-1.amazonaws.com",
            "controlEndpoint": "https://bedrock.ap-south-1.amazonaws.com",
        })
    );
    assert_eq!(tried.as_array().unwrap().len(), 6);
    assert_eq!(
        tried[5],
        json!({"source": "instance metadata", "outcome": "used", "reason": "instance role my-role"})
    );
    let lines = imds.requests().into_iter().map(|request| request.line).collect::<Vec<_>>();
    assert_eq!(
        lines,
        [
            "PUT /latest/api/token HTTP/1.1",
            "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1",
            "GET /latest/meta-data/iam/security-credentials/my-role HTTP/1.1",
            "GET /latest/meta-data/placement/region HTTP/1.1",
        ]
    );
}

const CONFIG: &str = "[profile work]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\n\
     [sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n";
/// Of the SHA-1 of `corp`.
const CACHE: &str = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";

#[test]
fn a_refreshed_sso_token_is_kept_from_others() {
    let token = json!({
        "accessToken": "sekret-old", "expiresAt": "2020-01-01T00:00:00Z", "clientId": "c", "clientSecret": "sekret-c",
        "refreshToken": "sekret-r", "registrationExpiresAt": "2099-01-01T00:00:00Z",
    });
    let home = home(&[(".aws/config", CONFIG), (CACHE, &token.to_string())]);
    let oidc = Server::start([Answer::whole(200, r#"{"accessToken":"sekret-new","expiresIn":600}"#)]);
    let sso = Server::start([Answer::whole(
        200,
        r#"{"roleCredentials":{"accessKeyId":"ASIASSO","secretAccessKey":"sekret","sessionToken":"sekret","expiration":4070908800000}}"#,
    )]);
    let env = [
        ("AWS_PROFILE", "work"),
        ("AWS_ENDPOINT_URL_SSO", &*sso.url),
        ("AWS_ENDPOINT_URL_SSO_OIDC", &*oidc.url),
    ];
    let (code, stdout, said) = run(&home, "http://127.0.0.1:9", &env, &["auth", "--offline", "--json"]);
    let told: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (code, &told["source"], &told["link"], &told["kind"], &told["accessKeyId"]),
        (
            Some(0),
            &json!("env: AWS_PROFILE"),
            &json!("profile work (sso-session corp)"),
            &json!("sigv4"),
            &Value::Null
        ),
        "{said}"
    );
    assert_eq!(oidc.requests().len(), 0);

    let (code, stdout, said) = run(&home, "http://127.0.0.1:9", &env, &["auth"]);
    assert_eq!(code, Some(0), "{said}");
    for part in
        ["profile work (sso-session corp) (sigv4)", "ASIASSO", "2099-01-01T00:00:00Z", "skipped AWS_BEARER"]
    {
        assert!(stdout.contains(part), "{part} in {stdout}");
    }
    assert_eq!(sso.requests()[0].header("x-amz-sso_bearer_token"), Some("sekret-new"));
    let file = home.path().join(CACHE);
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((&kept["accessToken"], &kept["refreshToken"]), (&json!("sekret-new"), &json!("sekret-r")));
    assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[cfg(unix)]
#[test]
fn a_process_is_run() {
    let command = r#"printf '{"Version":1,"AccessKeyId":"AKP","SecretAccessKey":"sekret"}'"#;
    let home = home(&[(".aws/config", &format!("[profile p]\ncredential_process = {command}\n"))]);
    let env = [("AWS_PROFILE", "p"), ("PATH", "/usr/bin:/bin")];
    let (code, stdout, said) = run(&home, "http://127.0.0.1:9", &env, &["auth"]);
    assert!(
        code == Some(0) && stdout.contains("profile p (credential_process)") && stdout.contains("AKP"),
        "{stdout}{said}"
    );
}
