//! No secret is printed, recorded, cached, or shown by `Debug` or an error, even if the service quotes the refused request,
//! or a file has a fault in the line with the secret.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use pumice::aws_files::Profiles;
use pumice::context::Context;
use pumice::converse::ConverseRequest;
use pumice::inference_profile::ListInferenceProfilesRequest;
use pumice::pi::{Input, Options, Secret};
use pumice::settings::Settings;
use pumice::transport::{Http, HttpConfig};
use pumice::{Client, Config};
use serde_json::json;
use support::server::{Answer, Server, event, text_answer};
use tempfile::TempDir;

/// Each has the form of a real secret, with `Sekret` in it.
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

/// A service that quotes each request.
struct Echo {
    url: String,
    quoted: Arc<Mutex<String>>,
}

impl Echo {
    /// Refuses each request and quotes it, head and body.
    fn start() -> Self {
        Self::answering(|quotation, body| {
            // STS responds in XML, the others in JSON with different members.
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
            let authorization = quotation.lines().find_map(|line| line.strip_prefix("authorization: "));
            let head = format!(
                "403 Forbidden\r\ncontent-type: application/json\r\nx-amzn-remapped-authorization: {}",
                authorization.unwrap_or("none")
            );
            (head, answer.into_bytes())
        })
    }

    /// Responds with what the function makes of the request (head and body) and of the body.
    fn answering(answer: fn(&str, &[u8]) -> (String, Vec<u8>)) -> Self {
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
                let (head, answer) = answer(&quotation, &body);
                let head = format!(
                    "HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    answer.len()
                );
                // In two pieces, cut inside the quotation.
                let (first, second) = answer.split_at(answer.len() / 2);
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(first));
                let _ = stream.flush().and_then(|()| stream.write_all(second));
            }
        });
        Self { url, quoted }
    }

    /// The quotations so far, and the signatures in them.
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
    said_by(&command.output().unwrap())
}

fn said_by(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    text(&output.stdout) + &text(&output.stderr)
}

#[track_caller]
fn holds_no_secret(text: &str, signatures: &[String]) {
    assert!(!text.contains("Sekret"), "{text}");
    for signature in signatures {
        assert!(!text.contains(signature), "{signature} in {text}");
    }
}

/// Whether a text has 12 consecutive characters of a secret, ignoring case and white space.
#[track_caller]
fn holds_no_run_of(secrets: &[&str], text: &str) {
    let bare = |text: &str| text.to_lowercase().replace(char::is_whitespace, "");
    let searched = bare(text);
    for secret in secrets {
        let secret = bare(secret);
        for at in 0..secret.len() - 11 {
            let run = &secret[at..at + 12];
            assert!(!searched.contains(run), "{run} in {text}");
        }
    }
}

/// The content of a recording, with its bodies decoded.
fn recorded(path: &Path) -> String {
    let mut recorded = fs::read_to_string(path).unwrap();
    let mut bodies = String::new();
    for line in recorded.lines() {
        let line = serde_json::from_str::<serde_json::Value>(line).unwrap();
        if let Some(text) = line["chunk"]["text"].as_str() {
            bodies.push_str(text);
        }
        if let Some(base64) = line["chunk"]["base64"].as_str() {
            bodies.push_str(&String::from_utf8_lossy(&pumice::shape::Blob::from_base64(base64).unwrap().0));
        }
    }
    // White space in JSON is escaped.
    write!(recorded, "{bodies}{}", bodies.replace("\\n", "")).unwrap();
    recorded
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Every text in a folder and its subfolders, except the files that the test wrote.
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
        assert!(kept.contains("[withheld"), "{kept}");
        holds_no_secret(&kept, &echo.signatures());
    }
}

#[test]
fn credential_services_that_quote_the_request() {
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
                let secrets = [
                    SECRET_KEY,
                    SESSION_TOKEN,
                    WEB_IDENTITY,
                    CONTAINER,
                    ACCESS_TOKEN,
                    REFRESH_TOKEN,
                    CLIENT_SECRET,
                ];
                holds_no_run_of(&secrets, &said);
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
fn urls_with_a_password_and_files_with_a_fault_next_to_a_secret() {
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
        for proxy in [
            url.clone(),
            format!("socks5://user:{PASSWORD}@x"),
            format!("http://user:{PASSWORD}@["),
            format!("user:{PASSWORD}@x://y"),
        ] {
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
    // After `config set`, only the owner can read the file.
    assert_eq!(
        said(pumice(home.path()).args(["config", "set", "models.mode", "merge", "--config"]).arg(&file)),
        ""
    );
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
fn an_agents_input_and_the_kept_response() {
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
    let context = Context::fake()
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

/// The ways in which a service quotes a request; `secrets` are the values of its headers.
fn quoting(secrets: &str, form: &str) -> (String, Vec<u8>) {
    let stream = "200 OK\r\ncontent-type: application/vnd.amazon.eventstream".to_owned();
    let json = "application/json";
    let refusal = |message: &str| {
        (format!("400 Bad\r\ncontent-type: {json}"), json!({ "message": message }).to_string().into_bytes())
    };
    let one_line = secrets.replace('\n', " ");
    let broken = |every: usize, by: &str| {
        let pieces = secrets.as_bytes().chunks(every).map(|piece| std::str::from_utf8(piece).unwrap());
        pieces.collect::<Vec<_>>().join(by)
    };
    // Cut off in the middle of each.
    let cut = secrets.lines().map(|secret| &secret[..secret.len() / 2]).collect::<Vec<_>>().join("\n");
    match form {
        "exception" => (stream, support::server::exception("validationException", secrets)),
        "error frame" => (stream, support::server::error_frame("Oops", &one_line)),
        "late exception" => {
            let frames = [
                support::server::message_start(),
                support::server::text(0, "Hi"),
                support::server::exception("modelStreamErrorException", secrets),
            ];
            (stream, frames.concat())
        }
        "damaged frame" => {
            let mut frame = support::server::exception("validationException", secrets);
            *frame.last_mut().unwrap() ^= 1;
            (stream, frame)
        }
        "half a frame" => {
            let frame = support::server::exception("validationException", &format!("{secrets} and more"));
            (stream, frame[..frame.len() - 10].to_vec())
        }
        "another type" => {
            ("200 OK\r\ncontent-type: text/html".into(), format!("<p>{secrets}</p>").into_bytes())
        }
        "error type" => (format!("400 Bad\r\nx-amzn-errortype: {one_line}"), b"{}".to_vec()),
        "content type" => (format!("200 OK\r\ncontent-type: {one_line}"), b"what".to_vec()),
        "request id" => (format!("400 Bad\r\nx-amzn-requestid: {one_line}"), b"{}".to_vec()),
        "request id of an answer" => {
            (format!("{stream}\r\nx-amzn-requestid: {one_line}"), text_answer(&["Hi"]).concat())
        }
        "upper case" => refusal(&secrets.to_uppercase()),
        "cut" => refusal(&cut),
        "lines" => refusal(&broken(5, "\n")),
        "spaces" => refusal(&broken(7, " \u{a0}\t")),
        "plain" => ("502 Bad".into(), broken(9, "\r\n").into_bytes()),
        "html" => ("400 Bad".into(), secrets.replace('/', "&#47;").replace('=', "&#x3d;").into_bytes()),
        form => panic!("{form}"),
    }
}

/// The program's own messages about a response quote it, although its events can be read.
#[test]
fn a_message_about_a_response_quotes_no_secret() {
    let tool_call = |name: &str| {
        [
            event("contentBlockStart", &json!({"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": name}}}).to_string()),
            event("contentBlockDelta", &json!({"contentBlockIndex": 0, "delta": {"toolUse": {"input": json!({"key": name}).to_string()}}}).to_string()),
            event("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        ]
        .concat()
    };
    let start = |role: &str| event("messageStart", &json!({ "role": role }).to_string());
    let stop = |reason: &str| event("messageStop", &json!({ "stopReason": reason }).to_string());
    for secret in [SECRET_KEY, SESSION_TOKEN] {
        for (answer, exit) in [
            (start(secret), 1),
            ([start("assistant"), stop(secret)].concat(), 1),
            ([start("assistant"), tool_call(secret), stop("tool_use")].concat(), 0),
            ([start("assistant"), event(secret, "not JSON")].concat(), 1),
        ] {
            let server = Server::start([Answer::stream([answer.clone()]), Answer::stream([answer])]);
            let home = home();
            let path = home.path().join("r.jsonl");
            let run = |arguments: &[&str]| {
                let mut command = pumice(home.path());
                with_keys(&mut command).args(arguments).args(["--endpoint-url", &server.url]);
                command.arg("--record").arg(&path).output().unwrap()
            };
            let output = run(&["chat", "Hi"]);
            let said = said_by(&output);
            holds_no_run_of(&[secret], &said);
            assert!(said.contains("[withheld]"), "{said}");
            assert_eq!(output.status.code(), Some(exit), "{said}");
            holds_no_run_of(&[secret], &recorded(&path));
            // Events show the response unchanged; messages do not.
            let output = run(&["chat", "--json", "Hi"]);
            holds_no_run_of(&[secret], &String::from_utf8_lossy(&output.stderr));
            let stdout = String::from_utf8(output.stdout).unwrap();
            for line in stdout.lines().filter(|line| line.contains("errorMessage")) {
                let event = serde_json::from_str::<serde_json::Value>(line).unwrap();
                holds_no_run_of(&[secret], event["error"]["errorMessage"].as_str().unwrap());
            }
        }
    }
}

#[test]
fn secrets_are_withheld_however_a_service_quotes_them() {
    const FORMS: [&str; 16] = [
        "exception",
        "error frame",
        "late exception",
        "damaged frame",
        "half a frame",
        "another type",
        "error type",
        "content type",
        "request id",
        "request id of an answer",
        "upper case",
        "cut",
        "lines",
        "spaces",
        "plain",
        "html",
    ];
    let echo = Echo::answering(|quotation, _| {
        let form = quotation.split("x-form: ").nth(1).unwrap().lines().next().unwrap();
        let value = |name: &str| Some(quotation.split(name).nth(1)?.lines().next()?.trim().to_owned());
        let mut secrets = vec![SECRET_KEY.to_owned()];
        secrets.extend(
            ["authorization: Bearer ", "x-amz-security-token:", "x-gateway:", "Signature="]
                .map(value)
                .into_iter()
                .flatten(),
        );
        quoting(&secrets.join("\n"), &form.replace('-', " "))
    });
    let home = home();
    fs::write(home.path().join("request.json"), r#"{"modelId":"m","messages":[]}"#).unwrap();
    for bearer in [false, true] {
        for form in FORMS {
            let settings = format!(
                "{{models:{{providers:{{bedrock:{{headers:{{'x-gateway':'{HEADER}','x-form':'{}'}},models:[]}}}}}}}}",
                form.replace(' ', "-")
            );
            fs::write(home.path().join("settings.json5"), settings).unwrap();
            for arguments in [
                &["chat", "Hi"][..],
                &["chat", "--json", "Hi"],
                &["converse", "--request", "request.json"],
                &["converse", "--no-stream", "--request", "request.json"],
            ] {
                let mut command = pumice(home.path());
                with_keys(&mut command).current_dir(home.path()).args(arguments);
                command.args(["-v", "--config", "settings.json5", "--record", "r.jsonl"]);
                command.args(["--endpoint-url", &echo.url]);
                if bearer {
                    command.env("AWS_BEARER_TOKEN_BEDROCK", BEARER);
                }
                let output = command.output().unwrap();
                let said = said_by(&output);
                let signatures = echo.signatures();
                let mut secrets = signatures.iter().map(String::as_str).collect::<Vec<_>>();
                secrets.extend([HEADER, if bearer { BEARER } else { SESSION_TOKEN }]);
                secrets.extend((!bearer).then_some(SECRET_KEY));
                holds_no_run_of(&secrets, &said);
                let path = home.path().join("r.jsonl");
                holds_no_run_of(&secrets, &recorded(&path));
                // A half frame has no message to quote.
                let tells = !form.ends_with(" frame") || form == "error frame";
                if tells && !arguments.contains(&"--no-stream") {
                    assert!(said.contains("[withheld"), "{form} {arguments:?}: {said}");
                }

                // The replay fails with the same text, except for withheld parts.
                let mut replay = pumice(home.path());
                replay.current_dir(home.path()).args(arguments).args(["--replay", "r.jsonl"]);
                let replayed = replay.output().unwrap().status.code();
                assert_eq!(replayed, output.status.code(), "{form} {arguments:?}: {said}");
            }
        }
    }
}

#[test]
fn parser_errors_quote_no_secret() {
    let echo = Echo::answering(|_, _| {
        let answer = json!({ "output": SESSION_TOKEN, "stopReason": "x", "usage": {}, "metrics": {}, "inferenceProfileSummaries": [{ "models": SESSION_TOKEN }] });
        ("200 OK\r\ncontent-type: application/json".into(), answer.to_string().into_bytes())
    });
    let context = Context::fake()
        .with_env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .with_env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .with_env("AWS_SESSION_TOKEN", SESSION_TOKEN)
        .with_env("AWS_ENDPOINT_URL", &echo.url);
    let client = Client::new(Config::new().context(context));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let errors = runtime.block_on(async {
        [
            client.converse(&ConverseRequest::new("m")).await.unwrap_err(),
            client.list_inference_profiles(&ListInferenceProfilesRequest::new()).await.unwrap_err(),
        ]
    });
    for error in errors {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert!(cause.contains("[withheld]"), "{error}: {cause}");
        holds_no_run_of(&[SESSION_TOKEN], &format!("{error} {error:?} {cause}"));
    }
}

/// Settings of the provider, with this endpoint.
fn provider(url: &str, members: &str) -> String {
    format!("{{models:{{providers:{{bedrock:{{baseUrl:'{url}',{members}}}}}}}}}")
}

type Set<'a> = &'a dyn Fn(&mut Command);

/// The proxy sees everything that is sent over plain http, like anyone on the way.
#[test]
fn no_secret_goes_over_plain_http_to_another_machine_unless_that_is_allowed() {
    let home = home();
    let run = |members: &str, proxy: Option<&Server>, set: &dyn Fn(&mut Command)| {
        let members = members.trim_matches([',', ' ']);
        fs::write(home.path().join("settings.json5"), provider("http://gate.example", members)).unwrap();
        let mut command = pumice(home.path());
        command.current_dir(home.path()).args(["chat", "--config", "settings.json5", "Hi"]);
        set(&mut command);
        command.envs(proxy.map(|proxy| ("HTTP_PROXY", &proxy.url)));
        let output = command.output().unwrap();
        let requests = proxy.map(Server::requests).unwrap_or_default();
        (output.status.code().unwrap(), said_by(&output), requests)
    };
    let keys = |command: &mut Command| {
        command.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    };
    let session = |command: &mut Command| {
        with_keys(command);
    };
    let bearer = |command: &mut Command| {
        command.env("AWS_BEARER_TOKEN_BEDROCK", BEARER);
    };
    let header = format!("headers: {{ 'x-gateway': '{HEADER}' }}");
    let by_header = format!("mode: 'header', headerName: 'x-gateway', value: '{HEADER}'");
    let of_model = format!("models: [{{ id: 'm', {header} }}]");
    let by_bearer =
        format!("mode: 'header', headerName: 'Authorization', prefix: 'bearer ', value: '{BEARER}'");
    let token = format!("mode: 'authorization-bearer', token: '{BEARER}'");
    // The members of the provider, those of its `request`, the environment, what is named, whether it can be allowed.
    let cases: [(&str, &str, Set<'_>, &str, bool); 10] = [
        ("", "", &session, "x-amz-security-token", true),
        (&header, "", &keys, "x-gateway", true),
        (&header, "", &session, "x-gateway, x-amz-security-token", true),
        ("", &header, &keys, "x-gateway", true),
        (&of_model, "", &keys, "x-gateway", true),
        ("", &format!("auth: {{ {by_header} }}"), &|_| {}, "x-gateway", true),
        ("", "", &bearer, "bearer token", false),
        (&format!("apiKey: '{BEARER}'"), "", &|_| {}, "bearer token", false),
        ("", &format!("auth: {{ {token} }}"), &|_| {}, "bearer token", false),
        ("", &format!("auth: {{ {by_bearer} }}"), &|_| {}, "bearer token", false),
    ];
    let secrets = [SECRET_KEY, SESSION_TOKEN, HEADER, BEARER];
    for (members, request, set, named, can_be_allowed) in cases {
        let server = Server::start([
            Answer::refusal(503, "ServiceUnavailableException", "busy").header("retry-after", "0"),
            Answer::stream(text_answer(&["Hi"])),
        ]);
        for proxy in [None, Some(&server)] {
            let (code, said, requests) = run(&format!("{members}, request: {{ {request} }}"), proxy, set);
            assert_eq!((code, requests.len()), (2, 0), "{named}: {said}");
            for word in ["error: ", "http://gate.example", "plain http", named, "hint: "] {
                assert!(said.contains(word), "{word} in {said}");
            }
            assert_eq!(
                said.contains("set models.providers.amazon-bedrock.request.allowPlainHttp to true"),
                can_be_allowed,
                "{said}"
            );
            holds_no_run_of(&secrets, &said);
        }
        let allowed = format!("{members}, request: {{ allowPlainHttp: true, {request} }}");
        let (code, said, requests) = run(&allowed, Some(&server), set);
        holds_no_run_of(&secrets, &said);
        if can_be_allowed {
            // Both attempts carry it, and there is one warning.
            assert_eq!((code, requests.len()), (0, 2), "{named}: {said}");
            let secret = if named == "x-gateway" { HEADER } else { SESSION_TOKEN };
            assert!(requests.iter().all(|request| request.headers.iter().any(|(_, value)| value == secret)));
            let warning = format!(
                "warning: secrets go in the clear to gate.example: anyone on the way can use {named}"
            );
            assert_eq!(said.matches("warning: ").count(), 1, "{said}");
            assert!(said.contains(&warning), "{said}");
            server
                .then(Answer::refusal(503, "ServiceUnavailableException", "busy").header("retry-after", "0"));
        } else {
            assert_eq!((code, requests.len()), (2, 0), "{named}: {said}");
        }
    }

    // A signature is no secret, but the warning still names the host.
    let server = Server::start([
        Answer::refusal(503, "ServiceUnavailableException", "busy").header("retry-after", "0"),
        Answer::stream(text_answer(&["Hi"])),
    ]);
    let (code, said, requests) = run("", Some(&server), &keys);
    assert_eq!((code, requests.len()), (0, 2), "{said}");
    let warning = "warning: calls to gate.example go over plain http: anyone on the way can read them";
    assert_eq!((said.matches("warning: ").count(), said.contains(warning)), (1, true), "{said}");
}

#[test]
fn calls_of_the_control_plane_hide_secrets_too() {
    let server = Server::start([Answer::whole(200, "{}")]);
    let home = home();
    for arguments in [&["models", "list"][..], &["call", "ListFoundationModels"]] {
        let mut command = pumice(home.path());
        with_keys(&mut command).args(arguments).env("HTTP_PROXY", &server.url);
        let output = command.env("AWS_ENDPOINT_URL_BEDROCK", "http://control.example").output().unwrap();
        let said = said_by(&output);
        assert_eq!((output.status.code(), server.requests().len()), (Some(2), 0), "{said}");
        assert!(said.contains("http://control.example") && said.contains("x-amz-security-token"), "{said}");
    }
}

#[test]
fn requests_to_this_machine_use_no_proxy() {
    let server = Server::start([Answer::stream(text_answer(&["Hi"]))]);
    let proxy = Server::start([Answer::whole(502, "")]);
    let home = home();
    let port = server.url.rsplit(':').next().unwrap();
    let mut urls = vec![format!("http://127.0.0.1:{port}"), format!("http://LocalHost:{port}")];
    // If the machine has IPv6.
    let v6 = TcpListener::bind("[::1]:0")
        .is_ok()
        .then(|| Server::listen("[::1]:0", [Answer::stream(text_answer(&["Hi"]))]));
    urls.extend(v6.as_ref().map(|server| server.url.clone()));
    for url in urls {
        for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
            let mut command = pumice(home.path());
            command
                .env(variable, &proxy.url)
                .env("NO_PROXY", "gate.example")
                .env("AWS_BEARER_TOKEN_BEDROCK", BEARER);
            let output = command.args(["chat", "--endpoint-url", &url, "Hi"]).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{url} {variable}: {}", said_by(&output));
        }
    }
    assert!(proxy.requests().is_empty(), "{:?}", proxy.requests());
    assert!(
        server.requests().iter().all(|request| request.header("authorization").unwrap().contains(BEARER))
    );
}

#[test]
fn a_proxy_on_the_way_to_an_https_server_is_shown_its_name_alone() {
    let proxy = Server::start([Answer::whole(403, "no")]);
    let home = home();
    let settings = provider("https://gate.example", &format!("headers: {{ 'x-gateway': '{HEADER}' }}"));
    fs::write(home.path().join("settings.json5"), settings).unwrap();
    let mut command = pumice(home.path());
    command.current_dir(home.path()).env("AWS_BEARER_TOKEN_BEDROCK", BEARER);
    command.args(["chat", "--config", "settings.json5", "Hi"]);
    let url = proxy.url.replace("http://", &format!("http://user:{PASSWORD}@"));
    let said = said(command.env("HTTPS_PROXY", url));
    assert!(said.contains("error: "), "{said}");
    let requests = proxy.requests();
    assert!(!requests.is_empty(), "{said}");
    for request in requests {
        assert_eq!(request.line, "CONNECT gate.example:443 HTTP/1.1");
        let headers = request.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        assert!(
            headers.iter().all(|name| ["host", "proxy-authorization", "user-agent", "accept"].contains(name)),
            "{headers:?}"
        );
    }
}

#[test]
fn credential_services_on_other_machines_are_not_asked_over_plain_http() {
    let proxy = Server::start([Answer::whole(200, "{}")]);
    let home = home();
    let aws = home.path().join(".aws");
    fs::create_dir_all(aws.join("sso/cache")).unwrap();
    fs::create_dir_all(aws.join("login/cache")).unwrap();
    let token = |expires: &str| {
        json!({"accessToken": ACCESS_TOKEN, "expiresAt": expires, "refreshToken": REFRESH_TOKEN, "clientId": "client",
            "clientSecret": CLIENT_SECRET, "registrationExpiresAt": "2099-01-01T00:00:00Z"})
        .to_string()
    };
    let sso = |name: &str, session: &str| {
        format!(
            "[profile {name}]\nsso_session = {session}\nsso_account_id = 123456789012\nsso_role_name = Dev\n\
             [sso-session {session}]\nsso_region = us-east-1\nsso_start_url = https://corp.awsapps.com/start\n"
        )
    };
    let pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIFDZHUzOG1Pzq+6F0mjMlOSp1syN9LRPBuHMoCFXTcXhoAoGCCqGSM49\nAwEHoUQDQgAE9qhj+KtcdHj1kVgwxWWWw++tqoh7H7UHs7oXh8jBbgF47rrYGC+t\ndjiIaHK3dBvvdE7MGj5HsepzLm3Kj91bqA==\n-----END EC PRIVATE KEY-----\n";
    let login = json!({"accessToken": {"accessKeyId": "ASIAEXAMPLE", "secretAccessKey": SECRET_KEY, "sessionToken": SESSION_TOKEN,
        "accountId": "123456789012", "expiresAt": "2020-01-01T00:00:00Z"}, "refreshToken": REFRESH_TOKEN, "clientId": "client",
        "dpopKey": pem, "signInRegion": "us-east-1"});
    // The SHA-256 of `in`, the SHA-1 of `corp` and of `late`.
    let name = "login/cache/582967534d0f909d196b97f9e6921342777aea87b46fa52df165389db1fb8ccf.json";
    fs::write(aws.join(name), login.to_string()).unwrap();
    fs::write(
        aws.join("sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json"),
        token("2099-01-01T00:00:00Z"),
    )
    .unwrap();
    fs::write(
        aws.join("sso/cache/5d6200f8cf98af475edcac2c97f966ad156ed51f.json"),
        token("2020-01-01T00:00:00Z"),
    )
    .unwrap();
    fs::write(home.path().join("token"), WEB_IDENTITY).unwrap();
    let config = format!(
        "{}{}[profile in]\nlogin_session = in\n[profile web]\nrole_arn = arn:aws:iam::123456789012:role/r\nweb_identity_token_file = {}\n",
        sso("sso", "corp"),
        sso("sso_oidc", "late"),
        home.path().join("token").display()
    );
    fs::write(aws.join("config"), config).unwrap();
    let elsewhere = "http://elsewhere.example";
    for (variable, profile) in [
        ("AWS_ENDPOINT_URL_STS", Some("web")),
        ("AWS_ENDPOINT_URL_SSO", Some("sso")),
        ("AWS_ENDPOINT_URL_SSO_OIDC", Some("sso_oidc")),
        ("AWS_ENDPOINT_URL_SIGNIN", Some("in")),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", None),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", None),
    ] {
        let mut command = pumice(home.path());
        command.env(variable, elsewhere).envs(profile.map(|profile| ("AWS_PROFILE", profile)));
        command.env("AWS_EC2_METADATA_DISABLED", "").env("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER);
        command.envs([("HTTP_PROXY", &proxy.url), ("ALL_PROXY", &proxy.url)]);
        let output = command.args(["auth", "-v"]).output().unwrap();
        let said = said_by(&output);
        assert_eq!((output.status.code(), proxy.requests().len()), (Some(3), 0), "{variable}: {said}");
        assert!(said.contains("is not https") || said.contains("an https URL"), "{variable}: {said}");
        holds_no_secret(&said, &[]);
    }
}

#[test]
fn a_replay_responds_to_calls_over_plain_http() {
    let home = home();
    let server = Server::start([Answer::stream(text_answer(&["Hi"]))]);
    let mut command = pumice(home.path());
    with_keys(&mut command).current_dir(home.path()).args([
        "chat",
        "--endpoint-url",
        &server.url,
        "--record",
        "r.jsonl",
        "Hi",
    ]);
    assert!(said(&mut command).starts_with("Hi"));
    let settings = provider("http://gate.example", &format!("headers: {{ 'x-gateway': '{HEADER}' }}"));
    fs::write(home.path().join("settings.json5"), settings).unwrap();
    let mut command = pumice(home.path());
    command.current_dir(home.path()).args([
        "chat",
        "--config",
        "settings.json5",
        "--replay",
        "r.jsonl",
        "Hi",
    ]);
    assert_eq!(said(&mut command), "Hi\n");
}

#[test]
fn a_proxy_that_quotes_its_password() {
    let echo = Echo::answering(|quotation, _| {
        (
            "407 Proxy\r\ncontent-type: text/plain".into(),
            format!("{PASSWORD} {quotation}").to_uppercase().into_bytes(),
        )
    });
    let home = home();
    let mut command = pumice(home.path());
    command.env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    command.env("HTTP_PROXY", echo.url.replace("http://", &format!("http://user:{PASSWORD}@")));
    command.args(["chat", "-v", "--endpoint-url", "http://gate.example", "Hi"]);
    let said = said(&mut command);
    let sent = "dXNlcjpodW50ZXIyU2VrcmV0";
    assert!(echo.quoted().contains(&format!("proxy-authorization: Basic {sent}")), "{}", echo.quoted());
    assert!(said.contains("[withheld] POST"), "{said}");
    holds_no_run_of(&[PASSWORD, sent, &echo.signatures()[0]], &said);
}

#[test]
fn a_key_in_the_path_of_an_endpoint_is_not_shown() {
    let echo = Echo::answering(|quotation, _| {
        let line = quotation.lines().next().unwrap();
        ("404 Not".into(), format!("no route {line}").into_bytes())
    });
    let home = home();
    let settings = provider(
        &format!("{}/${{GATE_KEY}}/v1", echo.url),
        "models: [{ id: 'n', baseUrl: 'https://h/${GATE_KEY}' }]",
    );
    fs::write(home.path().join("settings.json5"), settings).unwrap();
    for key in ["Sekret7MDENGbPxRfiCY", "Sek1"] {
        for (arguments, shows) in [
            (&["chat", "-v", "--record", "r.jsonl", "Hi"][..], "/[withheld]/v1/model/m/converse-stream"),
            (&["auth"], "/[withheld]/v1\n"),
            (&["auth", "--json"], "/[withheld]/v1\""),
            (&["config", "show"], "/${GATE_KEY}/v1"),
        ] {
            let mut command = pumice(home.path());
            with_keys(&mut command).current_dir(home.path()).args(arguments);
            let said = said(command.args(["--config", "settings.json5"]).env("GATE_KEY", key));
            assert!(said.contains(shows), "{said}");
            // A short secret is redacted in pumice's own texts; in a service's texts it may be an ordinary word.
            assert!(!said.replace("no route", "\n").contains(&format!("{}/{key}", echo.url)), "{said}");
            if key.len() > 8 {
                holds_no_secret(&said, &echo.signatures());
            }
        }
        let recording = fs::read_to_string(home.path().join("r.jsonl")).unwrap();
        assert!(recording.contains(&format!("{}/[withheld]/v1/model/m/", echo.url)), "{recording}");
        assert!(key.len() < 8 || !recording.contains("Sekret"), "{recording}");

        let context = Context::fake()
            .with_env("GATE_KEY", key)
            .with_env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .with_env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .with_file("/s", fs::read(home.path().join("settings.json5")).unwrap());
        let settings = Settings::load(&context, Some(Path::new("/s"))).unwrap();
        let config = settings.under(Config::new().context(context), Some("n"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let identity = runtime.block_on(Client::new(config.clone()).identify()).unwrap();
        assert_eq!(identity.runtime.url(), format!("https://h/{key}"));
        assert_eq!(identity.runtime.shown_url(), "https://h/[withheld]");
        assert!(!format!("{settings:?} {config:?} {identity:?}").contains(key));
    }
    assert!(echo.quoted().contains("/Sekret7MDENGbPxRfiCY/v1/model/m/converse-stream"));
}
