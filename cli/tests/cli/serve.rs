//! `pumice serve`, as it is started and stopped.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

fn pumice(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command.arg("serve").args(args).current_dir(home).env_clear().env("HOME", home);
    command.env("AWS_EC2_METADATA_DISABLED", "true").stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

fn fixture() -> String {
    support::repository().join("fixtures/text.jsonl").display().to_string()
}

/// Starts it, and returns its address and the rest of what it says.
fn start(mut command: Command) -> (Child, String, impl std::io::BufRead) {
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let address =
        line.trim().strip_prefix("pumice serves at ").unwrap_or_else(|| panic!("{line}")).to_owned();
    (child, address, said)
}

fn ask(mut stream: impl std::io::Read + std::io::Write) -> String {
    stream.write_all(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

#[test]
fn it_says_where_it_is_serves_and_stops_with_a_signal() {
    let home = tempfile::tempdir().unwrap();
    for signal in ["TERM", "INT"] {
        let args = ["--listen", "127.0.0.1:0", "--replay", &fixture(), "--log", "json"];
        let (mut child, url, mut said) = start(pumice(home.path(), &args));
        let reply = ask(TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap());
        assert!(reply.starts_with("HTTP/1.1 200 ") && reply.contains("claude-sonnet-4-5"), "{reply}");
        let kill = format!("kill -{signal} {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        assert!(rest.contains(&format!("OPENAI_BASE_URL={url}/v1\n")), "{rest}");
        assert!(rest.contains(r#""dialect":"models""#), "{rest}");
    }
}

#[test]
fn a_socket_is_its_owners_alone_and_gone_afterwards() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("socket");
    let listen = format!("unix:{}", path.display());
    let (mut child, _, _said) = start(pumice(home.path(), &["--listen", &listen, "--replay", &fixture()]));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(ask(UnixStream::connect(&path).unwrap()).starts_with("HTTP/1.1 200 "));
    let second = pumice(home.path(), &["--listen", &listen, "--replay", &fixture()]).output().unwrap();
    assert_eq!(second.status.code(), Some(2), "{}", String::from_utf8_lossy(&second.stderr));
    assert!(Command::new("sh").args(["-c", &format!("kill {}", child.id())]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn it_refuses_to_be_open_to_others_without_a_key() {
    let home = tempfile::tempdir().unwrap();
    for (args, expected) in [
        (&["--listen", "0.0.0.0:0"][..], "which needs a key"),
        (&["--listen", "nonsense"], "expected HOST:PORT or unix:PATH"),
        (&["--log", "xml"], "expected text or json"),
        (&["--max-connections", "0"], "a whole number from 1"),
        (&["--replay-loop"], "--replay-loop goes with --replay FILE"),
        (&["--allow-origin", "app.example"], "expected a scheme and a host"),
        (&["--api-key-file", "none"], "none cannot be read"),
    ] {
        let output = pumice(home.path(), args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), said.contains(expected)), (Some(2), true), "{args:?}: {said}");
    }
}
