//! No secret is in anything that is printed, recorded, kept in a cache, shown by `Debug` or told by an error:
//! also where the service quotes the request that it refuses, and where a file is wrong in the very line
//! that the secret stands in.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use pumice::assistant::{Input, Options, Secret};
use pumice::context::Context;
use pumice::profile::Profiles;
use pumice::settings::Settings;
use pumice::transport::{Http, HttpConfig};
use pumice::{Client, Config};
use serde_json::json;
use support::server::{Answer, Server, text_answer};
use tempfile::TempDir;

/// Each has the form of the real one, and `Sekret` in it.
const SECRET_KEY: &str = "Sekret/7MDENG+bPxRfiCYEXAMPLEKEYSekretKey";
const SESSION_TOKEN: &str = "IQoJb3JpZ2luX2VjSekretSession//////////wEaCXVzLWVhc3QtMSJHMEUCIQSekretTail==";
const BEARER: &str = "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29tLz9BY3Rpb249SekretBearer";
const WEB_IDENTITY: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6IlNla3JldFdlYklkIn0SekretWebIdentity.eyJzdWIiOiJTZWtyZXRTdWIifQSekretBody.c2lnbmF0dXJlU2VrcmV0SekretSig";
const CONTAINER: &str = "eyJlbmMiOiJBMjU2R0NNIiwidHlwIjoiSldTekretSekretContainerToken";
const ACCESS_TOKEN: &str = "aoaAAAAAGSekretSsoAccessTokenAAAAAAAAAAAAAAAAAAAAAA";
const REFRESH_TOKEN: &str = "aorAAAAAGSekretSsoRefreshTokenAAAAAAAAAAAAAAAAAAAAA";
const CLIENT_SECRET: &str = "eyJraWQiOiJrZXktMTU2SekretClientSecretAAAAAAAAAAAAAA";
const PASSWORD: &str = "hunter2Sekret";
const HEADER: &str = "gateway-key-SekretHeader0123456789";

/// A service that quotes each request that it refuses, head and body.
struct Echo {
    url: String,
    quoted: Arc<Mutex<String>>,
}

impl Echo {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let quoted = Arc::<Mutex<String>>::default();
        let kept = Arc::clone(&quoted);
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut head, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or_default() < 3 {
                        break;
                    }
                    if let Some((_, found)) = line.to_ascii_lowercase().split_once("content-length:") {
                        length = found.trim().parse().unwrap();
                    }
                    head.push_str(&line);
                }
                let mut body = vec![0; length];
                let _ = reader.read_exact(&mut body);
                let quotation = format!("{head}{}", String::from_utf8_lossy(&body)).replace('\r', "");
                kept.lock().unwrap().push_str(&quotation);
                // STS speaks XML, and all others JSON, each with words of its own.
                let answer = if body.starts_with(b"Action=") {
                    let quotation = quotation.replace('&', "&amp;").replace('<', "&lt;");
                    format!(
                        "<E><Error><Code>SignatureDoesNotMatch</Code><Message>{quotation}</Message></Error></E>"
                    )
                } else {
                    json!({"__type": "InvalidSignatureException", "message": quotation, "error": "invalid_grant",
                        "error_description": quotation})
                    .to_string()
                };
                let head = format!(
                    "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\nconnection: close\r\n\
                     x-amzn-remapped-authorization: {}\r\ncontent-length: {}\r\n\r\n",
                    head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("none"),
                    answer.len()
                );
                // In two pieces, the cut in the middle of what is quoted.
                let (first, second) = answer.as_bytes().split_at(answer.len() / 2);
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(first));
                let _ = stream.flush().and_then(|()| stream.write_all(second));
            }
        });
        Self { url, quoted }
    }

    /// What was quoted so far, and the signatures in it.
    fn quoted(&self) -> String {
        self.quoted.lock().unwrap().clone()
    }

    fn signatures(&self) -> Vec<String> {
        let quoted = self.quoted();
        let found = quoted.split("Signature=").skip(1).map(|rest| rest.chars().take(64).collect::<String>());
        found.filter(|signature| signature.bytes().all(|byte| byte.is_ascii_hexdigit())).collect()
    }
}

fn pumice(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command
        .env_clear()
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_MAX_ATTEMPTS", "2")
        .env("PUMICE_MODEL", "m")
        .stdin(Stdio::null());
    command
}

fn with_keys(command: &mut Command) -> &mut Command {
    command
        .env("AWS_ACCESS_KEY_ID", "ASIAEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_SESSION_TOKEN", SESSION_TOKEN)
}

/// Everything that a run printed.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    format!("{}{}", String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[track_caller]
fn holds_no_secret(text: &str, signatures: &[String]) {
    assert!(!text.contains("Sekret"), "{text}");
    for signature in signatures {
        assert!(!text.contains(signature), "{signature} in {text}");
    }
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Every text in a folder and the folders in it, but for the files that the test wrote.
fn files(folder: &Path, known: &[&str]) -> String {
    let mut texts = String::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            texts.push_str(&files(&path, known));
        } else if !known.iter().any(|known| path.ends_with(known)) {
            is_private(&path);
            write!(texts, "{}: {}", path.display(), String::from_utf8_lossy(&fs::read(&path).unwrap()))
                .unwrap();
        }
    }
    texts
}

#[track_caller]
fn is_private(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
    let _ = path;
}

#[test]
fn a_call_that_is_refused_with_a_quotation_of_itself() {
    let home = home();
    let request = r#"{"modelId":"m","messages":[]}"#;
    fs::write(home.path().join("request.json"), request).unwrap();
    fs::write(home.path().join("settings.json5"), format!("{{models:{{providers:{{'amazon-bedrock':{{apiKey:'{PASSWORD}',headers:{{'x-gateway':'{HEADER}'}},models:[]}}}}}}}}")).unwrap();
    let known = ["request.json", "settings.json5"];
    for bearer in [false, true] {
        let echo = Echo::start();
        for arguments in [
            &["chat", "Hi"][..],
            &["chat", "--json", "Hi"],
            &["converse", "--request", "request.json"],
            &["converse", "--no-stream", "--request", "request.json"],
            &["call", "InvokeModel"],
            &["call", "ListInferenceProfiles"],
            &["models", "list"],
            &["models", "list", "--json"],
            &["auth"],
            &["auth", "--json"],
            &["config", "show"],
        ] {
            let mut command = pumice(home.path());
            with_keys(&mut command).current_dir(home.path()).args(arguments);
            command.env("AWS_ENDPOINT_URL", &echo.url).env("PUMICE_CONFIG", "settings.json5");
            if bearer {
                command.env("AWS_BEARER_TOKEN_BEDROCK", BEARER);
            }
            if !matches!(arguments[0], "config") {
                command.arg("-v");
            }
            if !matches!(arguments[0], "config" | "auth") {
                command.arg("--record").arg(format!("{}-{}.jsonl", arguments[0], arguments.len()));
            }
            let said = said(&mut command);
            assert!(!said.is_empty());
            holds_no_secret(&said, &echo.signatures());
        }
        let quoted = echo.quoted();
        assert!(quoted.contains(HEADER), "{quoted}");
        assert_eq!((quoted.contains(SESSION_TOKEN), quoted.contains(BEARER)), (!bearer, bearer), "{quoted}");
        assert_eq!(echo.signatures().is_empty(), bearer, "{quoted}");
        let kept = files(home.path(), &known);
        assert!(kept.contains("[withheld]"), "{kept}");
        holds_no_secret(&kept, &echo.signatures());
    }
}

#[test]
fn services_that_give_credentials_and_quote_what_they_are_asked() {
    let home = home();
    let aws = home.path().join(".aws");
    fs::create_dir_all(aws.join("sso/cache")).unwrap();
    // The SHA-1 of `corp`.
    let cache = aws.join("sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json");
    let token = |expires: &str| {
        json!({"startUrl": "https://corp.awsapps.com/start", "region": "us-east-1", "accessToken": ACCESS_TOKEN,
            "expiresAt": expires, "refreshToken": REFRESH_TOKEN, "clientId": "client", "clientSecret": CLIENT_SECRET,
            "registrationExpiresAt": "2099-01-01T00:00:00Z"})
        .to_string()
    };
    fs::write(home.path().join("token"), WEB_IDENTITY).unwrap();
    let process = format!(
        "echo '{{\"AccessKeyId\": \"{SECRET_KEY}\", oops}}' && echo secret={SECRET_KEY} token:{SESSION_TOKEN} >&2"
    );
    fs::write(home.path().join("process"), format!("{process}\nexit 1\n")).unwrap();
    fs::write(
        aws.join("config"),
        format!(
            "[profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = Dev\n\
             [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.awsapps.com/start\n\
             [profile role]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = keys\n\
             [profile web]\nrole_arn = arn:aws:iam::123456789012:role/r\nweb_identity_token_file = {token}\n\
             [profile process]\ncredential_process = sh {process}\n\
             [profile keys]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = {SECRET_KEY}\naws_session_token = {SESSION_TOKEN}\n",
            token = home.path().join("token").display(),
            process = home.path().join("process").display(),
        ),
    )
    .unwrap();
    let echo = Echo::start();
    for expires in ["2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"] {
        fs::write(&cache, token(expires)).unwrap();
        for profile in ["sso", "role", "web", "process", "container"] {
            for arguments in
                [&["auth", "-v"][..], &["auth", "--json"], &["chat", "-v", "--record", "r.jsonl", "Hi"]]
            {
                let mut command = pumice(home.path());
                command.current_dir(home.path()).args(arguments).env("AWS_ENDPOINT_URL", &echo.url);
                for service in ["STS", "SSO", "SSO_OIDC"] {
                    command.env(format!("AWS_ENDPOINT_URL_{service}"), &echo.url);
                }
                if profile == "container" {
                    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/role", echo.url));
                    command.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER);
                } else {
                    command.env("AWS_PROFILE", profile);
                }
                let said = said(&mut command);
                assert!(said.contains(profile), "{said}");
                holds_no_secret(&said, &echo.signatures());
            }
        }
    }
    let quoted = echo.quoted();
    for sent in [ACCESS_TOKEN, REFRESH_TOKEN, CLIENT_SECRET, SESSION_TOKEN, WEB_IDENTITY, CONTAINER] {
        assert!(quoted.contains(sent), "{sent} in {quoted}");
    }
    assert!(!quoted.contains(SECRET_KEY));
    let known = ["config", "token", "process", "ee0bfd2552fbd840c02cc48b6e823320543c450f.json"];
    holds_no_secret(&files(home.path(), &known), &echo.signatures());
}

#[test]
fn urls_with_a_password_and_files_that_are_wrong_where_the_secret_stands() {
    let home = home();
    let write = |name: &str, text: &str| {
        fs::write(home.path().join(name), text).unwrap();
        home.path().join(name)
    };
    let chat = |set: &dyn Fn(&mut Command)| {
        let mut command = pumice(home.path());
        with_keys(&mut command).args(["chat", "-v", "Hi"]);
        set(&mut command);
        let said = said(&mut command);
        assert!(said.contains("error: "), "{said}");
        holds_no_secret(&said, &[]);
    };
    let url = format!("http://user:{PASSWORD}@127.0.0.1:1");
    for variable in ["HTTPS_PROXY", "ALL_PROXY"] {
        for proxy in [url.clone(), format!("socks5://user:{PASSWORD}@x"), format!("http://user:{PASSWORD}@[")]
        {
            chat(&|command| {
                command.env(variable, &proxy);
            });
        }
    }
    chat(&|command| {
        command.args(["--endpoint-url", &url]);
    });
    chat(&|command| {
        command.env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &url);
    });
    for settings in [
        format!("{{models:{{providers:{{'amazon-bedrock':{{apiKey:{PASSWORD},models:[]}}}}}}}}"),
        format!("{{models:{{providers:{{'amazon-bedrock':{{apiKey:'{PASSWORD},models:[]}}}}}}}}"),
        format!("{{models:{{providers:{{'amazon-bedrock':{{headers:{{'x':['{PASSWORD}']}},models:[]}}}}}}}}"),
        format!("{{models:{{providers:{{'amazon-bedrock':{{baseUrl:'{url}',models:[]}}}}}}}}"),
        PASSWORD.to_owned(),
    ] {
        let file = write("settings.json5", &settings);
        chat(&|command| {
            command.arg("--config").arg(&file);
        });
        holds_no_secret(&said(pumice(home.path()).args(["config", "show", "--config"]).arg(&file)), &[]);
    }
    let settings = format!(
        "{{models:{{providers:{{'amazon-bedrock':{{apiKey:'{PASSWORD}',headers:{{a:'{HEADER}'}},request:{{headers:{{c:'{HEADER}'}}}},
         models:[{{id:'m',headers:{{b:'{HEADER}'}}}}]}},openai:{{apiKey:'{PASSWORD}'}}}}}},env:{{A:'{PASSWORD}'}},auth:{{profiles:{{p:{{provider:'amazon-bedrock',mode:'aws-sdk',key:'{PASSWORD}'}}}}}},
         plugins:{{entries:{{'amazon-bedrock':{{env:{{KEY:'{PASSWORD}'}},apiKey:'{PASSWORD}',config:{{}}}}}}}}}}"
    );
    let file = write("settings.json5", &settings);
    let shown = said(pumice(home.path()).args(["config", "show", "--config"]).arg(&file));
    assert!(shown.starts_with('{') && shown.contains("amazon-bedrock"), "{shown}");
    holds_no_secret(&shown, &[]);
    holds_no_secret(
        &said(pumice(home.path()).args(["models", "list", "--local", "--json", "--config"]).arg(&file)),
        &[],
    );
    // A file that is set into is for its owner alone from then on.
    assert_eq!(said(pumice(home.path()).args(["config", "set", "a.b", "c", "--config"]).arg(&file)), "");
    is_private(&file);
    for aws in [
        format!("[default]\naws_secret_access_key {SECRET_KEY}\n"),
        format!("[default\naws_secret_access_key = {SECRET_KEY}\n"),
        format!("{SECRET_KEY}\n"),
        format!("[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key =\n  {SECRET_KEY}\n"),
    ] {
        let file = write("credentials", &aws);
        chat(&|command| {
            command.env_remove("AWS_ACCESS_KEY_ID").env("AWS_SHARED_CREDENTIALS_FILE", &file);
        });
    }
    for (name, value) in [("AWS_SESSION_TOKEN", "Sekret\u{e9}"), ("AWS_BEARER_TOKEN_BEDROCK", "Sekret\u{7}x")]
    {
        chat(&|command| {
            command.env(name, value);
        });
    }
}

#[test]
fn an_agents_input_and_what_is_kept_of_an_answer() {
    let home = home();
    let echo = Echo::start();
    for option in ["bearerToken", "apiKey"] {
        let input = json!({
            "model": {"id": "m", "baseUrl": echo.url, "headers": {"x-gateway": HEADER}},
            "context": {"messages": [{"role": "user", "content": "Hi"}]}, "options": {option: BEARER}
        });
        let mut child = pumice(home.path())
            .args(["stream", "-v", "--record"])
            .arg(home.path().join("r.jsonl"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        holds_no_secret(&String::from_utf8(output.stdout).unwrap(), &[]);
        holds_no_secret(&String::from_utf8(output.stderr).unwrap(), &[]);
    }
    assert!(echo.quoted().contains(BEARER) && echo.quoted().contains(HEADER));
    holds_no_secret(&files(home.path(), &[]), &[]);

    // A call that succeeds, and the cache of a list.
    let server = Server::start([
        Answer::stream(text_answer(&["Hi"])).header("set-cookie", PASSWORD).only_for("/converse-stream"),
        Answer::whole(200, r#"{"modelSummaries":[]}"#).only_for("/foundation-models"),
        Answer::whole(200, r#"{"inferenceProfileSummaries":[]}"#),
    ]);
    for arguments in [&["chat", "-v", "--record", "ok.jsonl", "Hi"][..], &["models", "list", "-v"]] {
        let mut command = pumice(home.path());
        with_keys(&mut command).current_dir(home.path()).env("AWS_ENDPOINT_URL", &server.url);
        holds_no_secret(&said(command.args(arguments)), &[]);
    }
    let kept = files(home.path(), &[]);
    assert!(kept.contains("ok.jsonl") && kept.contains(".cache/pumice"), "{kept}");
    holds_no_secret(&kept, &[]);
    let recorded = fs::read_to_string(home.path().join("ok.jsonl")).unwrap().to_lowercase();
    assert!(!recorded.contains("authorization") && !recorded.contains("x-amz-security-token"), "{recorded}");
}

#[test]
fn debug_shows_no_secret() {
    let proxy = format!("http://user:{PASSWORD}@127.0.0.1:1");
    let context = Context::made()
        .with_env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .with_env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .with_env("AWS_SESSION_TOKEN", SESSION_TOKEN)
        .with_env("HTTPS_PROXY", &proxy)
        .with_file("/credentials", SECRET_KEY);
    let config = Config::new()
        .context(context.clone())
        .bearer_token(BEARER)
        .endpoint_url(&proxy)
        .fallback_endpoint_url(&proxy)
        .header("x-gateway", HEADER);
    let settings = format!(
        "{{models:{{providers:{{'amazon-bedrock':{{apiKey:'{PASSWORD}',baseUrl:'https://gateway.example',headers:{{a:'{HEADER}'}},
         models:[{{id:'m',headers:{{b:'{HEADER}'}}}}]}}}}}}}}"
    );
    let settings = Settings::parse("settings.json5", &settings).unwrap();
    assert!(!settings.headers.is_empty() && !settings.models[0].headers.is_empty());
    let file = format!("[default]\naws_secret_access_key = {SECRET_KEY}\n");
    let mut options = Options::new().bearer_token(Secret::from(BEARER)).api_key(Secret::from(BEARER));
    options.headers = Some([("a".to_owned(), Some(Secret::from(HEADER)))].into());
    let input = json!({"model": {"id": "m", "headers": {"a": HEADER}}, "context": {"messages": []},
        "options": {"bearerToken": BEARER}});
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let keys = Client::new(Config::new().context(context.clone()).region("us-east-1"));
    let identity = runtime.block_on(keys.identify()).unwrap();
    assert!(identity.search.result.is_ok());
    for shown in [
        format!("{config:?}"),
        format!("{:?}", Client::new(settings.under(config.clone(), None))),
        format!("{context:?}"),
        format!("{settings:?}"),
        format!("{:?}", Profiles::parse(None, Some(("credentials", &file))).unwrap()),
        format!("{options:?}"),
        format!("{:?}", Input::from_json(&input.to_string()).unwrap()),
        format!("{:?}", Http::new(&HttpConfig::default(), &context).unwrap()),
        format!("{identity:?} {keys:?}"),
        format!(
            "{:?}",
            pumice::endpoint::EndpointSettings {
                url: Some(&proxy),
                fallback_url: Some(&proxy),
                ..Default::default()
            }
        ),
    ] {
        assert!(shown.len() > 10);
        holds_no_secret(&shown, &[]);
    }
}
