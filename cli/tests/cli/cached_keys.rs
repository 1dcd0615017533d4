//! Keys that one process leaves to the next, the codes of MFA devices, and the profile for this program alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::server::{Answer, Server, text_answer};
use tempfile::TempDir;

const CONFIG: &str = "[profile r]\nrole_arn = arn:aws:iam::1:role/Demo\nsource_profile = base\nregion = us-east-1\n\
                      [profile m]\nrole_arn = arn:aws:iam::1:role/Demo\nsource_profile = base\nregion = us-east-1\n\
                      mfa_serial = arn:aws:iam::1:mfa/me\n\
                      [profile base]\naws_access_key_id = AKBASE\naws_secret_access_key = sekret-base\n";

/// A home folder, and an STS and a Bedrock that respond to every request.
struct World {
    home: TempDir,
    sts: Server,
    bedrock: Server,
}

impl World {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".aws")).unwrap();
        fs::write(home.path().join(".aws/config"), CONFIG).unwrap();
        let keys = "<A><AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>sekret-role</SecretAccessKey>\
                    <SessionToken>sekret-token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></A>";
        let sts = Server::start([Answer::whole(200, keys)]);
        Self { home, sts, bedrock: Server::start([Answer::stream(text_answer(&["hi"]))]) }
    }

    fn set(&self, command: &mut Command, profile: &str) {
        command
            .env_clear()
            .env("HOME", self.home.path())
            .env("PATH", "/usr/bin:/bin")
            .env("AWS_PROFILE", profile)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ENDPOINT_URL_STS", &self.sts.url)
            .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &self.bedrock.url);
    }

    /// Calls Bedrock, and returns how often STS was asked for it.
    fn call(&self, arguments: &[&str]) -> usize {
        self.sts.forget_requests();
        let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
        self.set(&mut command, "r");
        let output = command.args(["chat", "-m", "m", "Hi"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let requests = self.bedrock.requests();
        assert!(requests.last().unwrap().header("authorization").unwrap().contains("ASIAROLE"));
        self.sts.requests().len()
    }

    fn files(&self) -> Vec<PathBuf> {
        let folder = self.home.path().join(".cache/pumice/credentials");
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    }
}

#[test]
fn only_the_user_can_read_cached_keys() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let world = World::new();
    assert_eq!(world.call(&["--no-credential-cache"]), 1);
    assert_eq!(world.files(), [] as [PathBuf; 0]);
    assert_eq!(world.call(&[]), 1);
    let files = world.files();
    let [file] = &files[..] else { panic!("{files:?}") };
    assert_eq!((mode(file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert_eq!(world.call(&[]), 0);
    assert_eq!(world.call(&["--no-credential-cache"]), 1);
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(world.call(&[]), 1, "{mode:o}");
        assert_eq!(world.call(&[]), 0, "{mode:o}");
    }
    let cached = fs::read_to_string(file).unwrap();
    for damaged in ["", "{}", &cached[..cached.len() / 2], &cached.replace("2099", "2020"), "\0"] {
        fs::write(file, damaged).unwrap();
        assert_eq!(world.call(&[]), 1, "{damaged}");
        assert_eq!(fs::read_to_string(file).unwrap(), cached);
    }
    // A link leads to what somebody else may have written.
    let elsewhere = world.home.path().join("elsewhere");
    fs::rename(file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, file).unwrap();
    assert_eq!(world.call(&[]), 1);
    // Without a folder to write to, each call asks.
    fs::remove_dir_all(world.home.path().join(".cache")).unwrap();
    fs::write(world.home.path().join(".cache"), "").unwrap();
    assert_eq!((world.call(&[]), world.call(&[])), (1, 1));
}

#[cfg(target_os = "linux")]
#[test]
fn the_code_of_an_mfa_device_is_asked_for_at_the_terminal() {
    use std::io::{Read as _, Write as _};

    let world = World::new();
    // A new session has no terminal.
    let mut command = Command::new("setsid");
    world.set(&mut command, "m");
    command.args([env!("CARGO_BIN_EXE_pumice"), "auth"]).stdin(Stdio::null());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("there is no terminal to ask for it") && said.contains("hint: "), "{said}");
    assert!(world.sts.requests().is_empty());

    // The answer is asked for once, also if standard input is something else.
    let (mut pty, pts) = pty_process::blocking::open().unwrap();
    let program = env!("CARGO_BIN_EXE_pumice");
    let mut shell = Command::new("sh");
    world.set(&mut shell, "m");
    let env = shell.get_envs().map(|(name, value)| (name.to_owned(), value.unwrap().to_owned()));
    let script = "\"$0\" auth </dev/null && \"$0\" auth </dev/null";
    let mut shell = pty_process::blocking::Command::new("sh")
        .args(["-c", script, program])
        .env_clear()
        .envs(env.collect::<Vec<_>>())
        .spawn(pts)
        .unwrap();
    let (mut shown, mut piece, mut asked) = (String::new(), [0; 4096], false);
    // The end of a terminal's other side is an error.
    while let Ok(length @ 1..) = pty.read(&mut piece) {
        shown.push_str(&String::from_utf8_lossy(&piece[..length]));
        if !asked && shown.contains("MFA code for arn:aws:iam::1:mfa/me: ") {
            asked = true;
            pty.write_all(b"123456\n").unwrap();
        }
    }
    assert!(shell.wait().unwrap().success(), "{shown}");
    assert_eq!((shown.matches("MFA code").count(), shown.matches("ASIAROLE").count()), (1, 2), "{shown}");
    let requests = world.sts.requests();
    assert_eq!(requests.len(), 1);
    assert!(String::from_utf8_lossy(&requests[0].body).ends_with("mfa%2Fme&TokenCode=123456"));
}

#[test]
fn a_profile_for_this_program_alone_comes_before_the_environments() {
    let world = World::new();
    let used = |profile: Option<&str>, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
        world.set(&mut command, "r");
        command.envs([("AWS_ACCESS_KEY_ID", "AKENV"), ("AWS_SECRET_ACCESS_KEY", "sekret")]);
        command.envs(profile.map(|profile| ("PUMICE_PROFILE", profile)));
        let output = command.args(["auth", "--json"]).args(arguments).output().unwrap();
        let found = serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap();
        found["accessKeyId"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(used(None, &[]), "AKENV");
    assert_eq!(used(Some(" "), &[]), "AKENV");
    assert_eq!(used(Some("base"), &[]), "AKBASE");
    assert_eq!(used(Some("base"), &["--profile", "r"]), "ASIAROLE");
}
