//! The program's credentials, with a fake home folder and a fake instance metadata service.
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
fn without_any_setup_it_soon_says_why() {
    let home = home(&[]);
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    // Accepts connections, but sends nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (format!("http://{}", silent.local_addr().unwrap()), silent);
    for (url, reason, hint) in [
        (&closed, "cannot be reached", "set AWS_BEARER_TOKEN_BEDROCK"),
        (&silent.0, "gave no session token within 1 s", "--http-put-response-hop-limit 2"),
    ] {
        for arguments in
            [&["chat", "Hi"][..], &["auth"], &["converse", "--request", "/dev/null"], &["auth", "--json"]]
        {
            // The request's file is empty: wrong usage, found before the lookup of credentials.
            let expected = if arguments[0] == "converse" { 2 } else { 3 };
            let started = Instant::now();
            let (code, printed, said) = run(&home, url, &[], arguments);
            let took = started.elapsed();
            assert_eq!(code, Some(expected), "{said}");
            assert!(took < Duration::from_millis(1500), "{arguments:?} took {took:?}");
            if expected == 3 {
                for part in ["error: no AWS credentials were found", "hint: ", hint] {
                    assert!(said.contains(part), "{part} in {said}");
                }
                // The sources are listed once.
                let lists = [&printed, &said].map(|text| text.matches(reason).count());
                let expected = match arguments {
                    ["auth"] => [1, 0],
                    ["auth", "--json"] => [1, 1],
                    _ => [0, 1],
                };
                assert_eq!(lists, expected, "{printed}{said}");
            }
        }
    }
    // An earlier source does not wait for it.
    let started = Instant::now();
    let keys = [("AWS_ACCESS_KEY_ID", "AKENV"), ("AWS_SECRET_ACCESS_KEY", "sekret")];
    let (code, ..) = run(&home, &silent.0, &keys, &["auth"]);
    assert!(code == Some(0) && started.elapsed() < Duration::from_millis(900), "{:?}", started.elapsed());
    // Offline, no service is asked.
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
    // No proxy is used for the instance's own address.
    let proxy = [("HTTP_PROXY", "http://127.0.0.1:9"), ("ALL_PROXY", "http://127.0.0.1:9")];
    let (code, stdout, said) = run(&home(&[]), &imds.url, &proxy, &["auth", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let mut reported: Value = serde_json::from_str(&stdout).unwrap();
    let tried = reported.as_object_mut().unwrap().remove("tried").unwrap();
    assert_eq!(
        reported,
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
    let reported: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (code, &reported["source"], &reported["link"], &reported["kind"], &reported["accessKeyId"]),
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

#[test]
fn auth_remarks_on_keys_that_cannot_be_right() {
    let home = home(&[]);
    let remarks = |env: &[(&str, &str)]| {
        let keys = [("AWS_SECRET_ACCESS_KEY", "sekret")];
        let env = keys.iter().chain(env).copied().collect::<Vec<_>>();
        let (code, stdout, stderr) = run(&home, "http://127.0.0.1:9", &env, &["auth", "--json"]);
        assert!(code == Some(0) && !stderr.contains("sekret") && !stdout.contains("sekret"), "{stderr}");
        stderr
    };
    for (env, expected) in [
        (&[("AWS_ACCESS_KEY_ID", "\"AKIAX\"")][..], "remove the quotation marks"),
        (&[("AWS_ACCESS_KEY_ID", "'AKIAX'")], "remove the quotation marks"),
        (
            &[("AWS_ACCESS_KEY_ID", "AKIAX"), ("AWS_SECRET_ACCESS_KEY", "\"sekret\"")],
            "remove the quotation marks",
        ),
        (&[("AWS_ACCESS_KEY_ID", "ASIAX")], "set AWS_SESSION_TOKEN"),
        (
            &[("AWS_ACCESS_KEY_ID", "ASIAX"), ("AWS_SESSION_TOKEN", "\"sekret\"")],
            "remove the quotation marks",
        ),
        (&[("AWS_ACCESS_KEY_ID", "AKIAX"), ("AWS_SESSION_TOKEN", "sekret")], "unset AWS_SESSION_TOKEN"),
        (&[("AWS_ACCESS_KEY_ID", "ABSKsekret")], "belongs in AWS_BEARER_TOKEN_BEDROCK"),
        (&[("AWS_BEARER_TOKEN_BEDROCK", "\"ABSKsekret\"")], "remove the quotation marks"),
        (&[("AWS_BEARER_TOKEN_BEDROCK", "AKIAsekret")], "belongs in AWS_ACCESS_KEY_ID"),
    ] {
        let said = remarks(env);
        assert!(said.contains(expected), "{env:?}: {said}");
        assert_eq!(said.matches("warning: ").count(), 1, "each thing is said once: {said}");
    }
    for env in [
        &[("AWS_ACCESS_KEY_ID", "AKIAX")][..],
        &[("AWS_ACCESS_KEY_ID", "ASIAX"), ("AWS_SESSION_TOKEN", "sekret")],
        &[("AWS_BEARER_TOKEN_BEDROCK", "ABSKsekret")],
    ] {
        assert_eq!(remarks(env), "", "{env:?}");
    }
}

#[test]
fn auth_says_each_thing_once_and_what_a_bearer_token_hides() {
    let home = home(&[(
        ".aws/credentials",
        "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = sekret\n",
    )]);
    let keys = [("AWS_ACCESS_KEY_ID", "AKIAX"), ("AWS_SECRET_ACCESS_KEY", "sekret")];
    let bearer = [&keys[..], &[("AWS_BEARER_TOKEN_BEDROCK", "ABSKsekret")]].concat();
    let auth = |env: &[(&str, &str)], flags: &[&str]| {
        let (code, stdout, stderr) = run(&home, "http://127.0.0.1:9", env, &[&["auth"], flags].concat());
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
        stdout
    };
    let text = auth(&bearer, &[]);
    let lines = [
        "credentials      AWS_BEARER_TOKEN_BEDROCK (bearer)",
        "expires          unknown",
        "  used    AWS_BEARER_TOKEN_BEDROCK",
        "  skipped AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY: not asked: AWS_BEARER_TOKEN_BEDROCK comes before it",
        "  skipped profile default: not asked: AWS_BEARER_TOKEN_BEDROCK comes before it",
    ];
    for line in lines {
        assert_eq!(text.lines().filter(|found| *found == line).count(), 1, "{line:?} in\n{text}");
    }
    let json: Value = serde_json::from_str(&auth(&bearer, &["--json"])).unwrap();
    let tried = json["tried"].as_array().unwrap();
    let outcomes = tried.iter().map(|tried| tried["outcome"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(outcomes, ["used", "skipped", "skipped"], "{json}");

    let text = auth(&keys, &[]);
    for line in
        ["expires          never (static keys)", "  used    AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY"]
    {
        assert!(text.lines().any(|found| found == line), "{line:?} in\n{text}");
    }
    assert!(!text.contains("\nsource "), "{text}");
    assert!(!text.contains("not asked"), "{text}");
    let text = auth(&[], &[]);
    assert!(
        text.contains("\nsource           default chain\n") && text.contains("\n  used    profile default"),
        "{text}"
    );
}

#[test]
fn a_service_of_credentials_that_is_silent_has_been_asked_so_often() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    drop(silent);
    let url = format!("http://127.0.0.1:{port}/");
    let home = home(&[]);
    let (code, _, stderr) =
        run(&home, "http://127.0.0.1:9", &[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)], &["auth"]);
    assert!(code == Some(3) && stderr.contains("; 3 attempts failed"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn a_process_that_asks_something_is_heard_while_it_waits() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    let keys = r#"printf '{"Version":1,"AccessKeyId":"AKP","SecretAccessKey":"sekret"}'"#;
    let home = home(&[]);
    let fifo = home.path().join("go");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let command = format!("echo Visit https://x.example >&2; read -r line <{}; {keys}", fifo.display());
    std::fs::create_dir_all(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), format!("[profile p]\ncredential_process = {command}\n"))
        .unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_pumice"));
    program.arg("auth").env_clear().envs([("AWS_PROFILE", "p"), ("PATH", "/usr/bin:/bin")]);
    program.env("HOME", home.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = program.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(program.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "Visit https://x.example\n");
    std::fs::write(&fifo, "go\n").unwrap();
    let output = program.wait_with_output().unwrap();
    assert!(output.status.success() && String::from_utf8(output.stdout).unwrap().contains("AKP"));

    // A command that ends soon is quoted only if it fails.
    let said = |command: &str| {
        let config = format!("[profile p]\ncredential_process = {command}\n");
        std::fs::write(home.path().join(".aws/config"), config).unwrap();
        run(&home, "http://127.0.0.1:9", &[("AWS_PROFILE", "p"), ("PATH", "/usr/bin:/bin")], &["auth"])
    };
    let (code, _, stderr) = said(&format!("echo a warning >&2; {keys}"));
    assert_eq!((code, stderr.contains("a warning")), (Some(0), false), "{stderr}");
    for (command, expected) in [
        ("exit 7", "failed with exit code 7 and said nothing"),
        ("echo log in first >&2; exit 3", "failed with exit code 3 and said: log in first"),
        ("no-such-command-here", "failed with exit code 127 and said: "),
        ("echo log in first >&2", "gave no credentials: its output: expected a JSON object"),
        ("echo log in first >&2", "and said: log in first"),
    ] {
        let (code, _, stderr) = said(command);
        assert!(code == Some(3) && stderr.contains(expected), "{command}: {stderr}");
    }
}

/// A shell that runs the program with credentials from a command, at a terminal or without any.
#[cfg(target_os = "linux")]
fn start(home: &TempDir, command: &str, terminal: Option<pty_process::blocking::Pts>) -> std::process::Child {
    use std::process::Stdio;

    let config = format!("[profile p]\ncredential_process = {command}\n");
    std::fs::create_dir_all(home.path().join(".aws")).unwrap();
    std::fs::write(home.path().join(".aws/config"), config).unwrap();
    let home = home.path().display().to_string();
    let env = [("HOME", home.as_str()), ("AWS_PROFILE", "p"), ("PATH", "/usr/bin:/bin")];
    // After a kill the shell stays, as one at a terminal does, until its input ends.
    let script = "\"$0\" auth; code=$?; [ $code -lt 128 ] || read -r line; exit $code";
    let arguments = ["-c", script, env!("CARGO_BIN_EXE_pumice")];
    if let Some(terminal) = terminal {
        let command = pty_process::blocking::Command::new("sh").args(arguments).env_clear().envs(env);
        return command.spawn(terminal).unwrap();
    }
    // A new session has no terminal.
    let mut command = Command::new("setsid");
    command.arg("sh").args(arguments).env_clear().envs(env);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_ends_with_the_program_that_is_killed() {
    use std::io::{BufRead as _, BufReader, Read as _};
    use std::sync::mpsc::channel;

    for at_terminal in [false, true] {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        let home = home(&[]);
        let pipe = home.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        // All of them hold the pipe open. The last tells who has started the first.
        let command = format!(
            "exec 9>{}; sleep 1000 & sh -c 'trap \"\" HUP INT TERM; sleep 1000 & echo '$PPID' >&9; wait' & wait",
            pipe.display()
        );
        let mut shell = start(&home, &command, at_terminal.then_some(pts));
        let (sender, reported) = channel();
        std::thread::spawn(move || {
            let (mut pipe, mut line) = (BufReader::new(std::fs::File::open(pipe).unwrap()), String::new());
            pipe.read_line(&mut line).unwrap();
            sender.send(line).unwrap();
            pipe.read_to_end(&mut Vec::new()).unwrap();
            sender.send(String::new()).unwrap();
        });
        let program = reported.recv_timeout(Duration::from_mins(1)).unwrap();
        assert!(Command::new("kill").args(["-KILL", program.trim()]).status().unwrap().success());
        let ended = reported.recv_timeout(Duration::from_mins(1));
        ended.unwrap_or_else(|_| panic!("a process lives on, at a terminal: {at_terminal}"));
        drop(pty);
        shell.wait().unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_may_ask_the_user_at_the_terminal() {
    use std::io::{Read as _, Write as _};

    let (mut pty, pts) = pty_process::blocking::open().unwrap();
    let home = home(&[]);
    let command = r#"printf 'code: ' >/dev/tty; read -r code </dev/tty; printf '{"Version":1,"AccessKeyId":"AK%s","SecretAccessKey":"s"}' "$code""#;
    let mut shell = start(&home, command, Some(pts));
    let (mut shown, mut piece) = (String::new(), [0; 4096]);
    let mut asked = false;
    // The end of a terminal's other side is an error.
    while let Ok(length @ 1..) = pty.read(&mut piece) {
        shown.push_str(&String::from_utf8_lossy(&piece[..length]));
        if !asked && shown.contains("code: ") {
            asked = true;
            pty.write_all(b"123456\n").unwrap();
        }
    }
    assert!(shell.wait().unwrap().success() && shown.contains("AK123456"), "{shown}");
}

#[test]
fn a_section_that_is_ignored_is_reported_with_its_line() {
    let home = home(&[
        (".aws/config", "[default]\nregion = eu-west-1\n\n[work]\nregion = eu-west-1\n[profile my\"work]\n"),
        (
            ".aws/credentials",
            "[profile prod]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = sekret\n",
        ),
    ]);
    let disabled = [("AWS_EC2_METADATA_DISABLED", "true")];
    let (_, _, all) = run(&home, "", &disabled, &["auth"]);
    let config = home.path().join(".aws/config").display().to_string();
    let credentials = home.path().join(".aws/credentials").display().to_string();
    for (profile, warning) in [
        ("work", format!("{config}, line 4: expected [profile work] in the config file, found [work]")),
        (
            "my\"work",
            format!(
                "{config}, line 6: expected a name without quotes, brackets or control characters, found [profile \
                 my\\\"work]"
            ),
        ),
        (
            "prod",
            format!("{credentials}, line 1: expected [prod] in the credentials file, found [profile prod]"),
        ),
    ] {
        assert!(all.contains(&format!("warning: {warning}; the section is ignored")), "{all}");
        let (code, _, stderr) = run(&home, "", &disabled, &["auth", "--profile", profile]);
        assert_ne!(code, Some(0), "{stderr}");
        let (_, error) = stderr.split_once(&format!("there is no profile {profile} in ")).expect(&stderr);
        assert!(error.contains(&warning) && !error.contains("hint:"), "{stderr}");
    }
}
