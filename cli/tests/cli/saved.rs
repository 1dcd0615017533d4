//! Conversations in files and by name: what is saved, and that nothing else is destroyed.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use support::server::{self, Answer, Server, text_answer};
use tempfile::TempDir;

fn chat(home: &TempDir, server: &Server, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command.args(["chat", "--endpoint-url", &server.url]).args(args).current_dir(home).env_clear();
    command.env("HOME", home.path()).env("AWS_BEARER_TOKEN_BEDROCK", "t").env("PUMICE_MODEL", "m");
    command.stdin(Stdio::null()).output().unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn works(output: &Output) {
    assert_eq!((output.status.code(), stderr(output)), (Some(0), ""), "{output:?}");
}

/// The texts of the conversation in a file.
fn texts(file: &Path) -> Vec<String> {
    let conversation: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let messages = conversation["messages"].as_array().unwrap().iter();
    messages.map(|message| message["content"][0]["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn saving_replaces_only_the_conversation_that_is_continued() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: &str| home.path().join(name);
    let server = Server::start([Answer::stream(text_answer(&["ok"]))]);
    let said = |args: &[&str]| chat(&home, &server, args);
    works(&said(&["--save", "c.json", "one"]));
    works(&said(&["--save", "other.json", "other"]));
    fs::write(at("b.pdf"), "%PDF-1.7").unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::write(at("some.json"), r#"{"model": "m"}"#).unwrap();
    symlink("c.json", at("link")).unwrap();
    fs::hard_link(at("c.json"), at("hard")).unwrap();
    let all = ["c.json", "other.json", "b.pdf", "empty", "some.json", "link", "hard"];
    let content = || all.map(|name| fs::read(at(name)).unwrap());
    let (before, asked) = (content(), server.requests().len());

    for name in ["b.pdf", "empty", "some.json"] {
        for args in
            [&["--save", name][..], &["--save", name, "--force"], &["--continue", "c.json", "--save", name]]
        {
            let output = said(&[args, &["-f", "b.pdf", "Hi"]].concat());
            assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
            let fault = format!("error: {name} exists, and is not a conversation\n");
            assert!(stderr(&output).starts_with(&fault), "{args:?}: {output:?}");
        }
    }
    for (args, file) in [
        (&["--save", "c.json"][..], "c.json"),
        (&["--save", "link"], "link"),
        (&["--continue", "c.json", "--save", "other.json"], "other.json"),
        (&["--continue", "c.json", "--save", "hard"], "hard"),
    ] {
        let output = said(&[args, &["Hi"]].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        let fault = format!(
            "error: {file} is another conversation\n\
             hint: continue it with --continue {file}, or replace it with --force\n"
        );
        assert_eq!(stderr(&output), fault, "{args:?}");
    }
    let output = said(&["--force", "Hi"]);
    assert!(
        output.status.code() == Some(2) && stderr(&output).contains("--force goes with --save"),
        "{output:?}"
    );
    assert_eq!(server.requests().len(), asked, "all this is found out before anything is asked");
    assert_eq!(content(), before);

    // The conversation that is continued, whatever its name.
    works(&said(&["--continue", "c.json", "--save", "./c.json", "two"]));
    works(&said(&["--continue", "link", "--save", "c.json", "three"]));
    assert_eq!(texts(&at("c.json")), ["one", "ok", "two", "ok", "three", "ok"]);
    assert_eq!(texts(&at("hard")), ["one", "ok"], "the file is replaced as a whole");
    works(&said(&["--continue", "c.json", "--save", "other.json", "--force", "four"]));
    assert_eq!(texts(&at("other.json")).len(), 8);
    works(&said(&["--save", "c.json", "--force", "anew"]));
    assert_eq!(texts(&at("c.json")), ["anew", "ok"]);
    // A link that leads nowhere yet.
    symlink("new.json", at("to-new")).unwrap();
    works(&said(&["--save", "to-new", "new"]));
    assert_eq!(texts(&at("new.json")), ["new", "ok"]);
}

/// On other systems, only the next write notices it.
#[cfg(target_os = "linux")]
#[test]
fn what_came_is_saved_when_the_reader_goes_away() {
    for json in [&[][..], &["--json"]] {
        let home = tempfile::tempdir().unwrap();
        let begun = [server::message_start(), server::text(0, "enough")];
        let (answer, closed) = Answer::stream(begun).await_close();
        let server = Server::start([answer]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
        command.args(["chat", "--endpoint-url", &server.url, "--save", "c.json", "Hi"]).args(json);
        command.current_dir(&home).env_clear().env("HOME", home.path()).env("PUMICE_MODEL", "m");
        command.env("AWS_BEARER_TOKEN_BEDROCK", "t").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let mut read = Vec::new();
        while !read.ends_with(b"enough") {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap();
            read.extend(byte);
        }
        drop(stdout);
        closed.recv().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert_eq!(texts(&home.path().join("c.json")), ["Hi", "enough"]);
    }
}

#[test]
fn conversations_have_names() {
    let home = tempfile::tempdir().unwrap();
    let server = Server::start(["one", "two", "three"].map(|text| Answer::stream(text_answer(&[text]))));
    let said = |args: &[&str]| chat(&home, &server, args);
    let listed = |args: &[&str]| {
        let output = said(&[&["--list"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        (String::from_utf8(output.stdout.clone()).unwrap(), stderr(&output).to_owned())
    };
    let nothing = "note: no conversation is saved; pumice chat --session NAME begins one\n";
    assert_eq!(listed(&[]), (String::new(), nothing.to_owned()));

    works(&said(&["--session", "trip.2026", "first"]));
    works(&said(&["--session", "trip.2026", "second"]));
    works(&said(&["--session", "b", "-m", "other", "third"]));
    let folder = home.path().join(".local/state/pumice/conversations");
    let file = folder.join("trip.2026.json");
    assert_eq!(texts(&file), ["first", "one", "second", "two"]);
    assert_eq!(server.requests()[1].json()["messages"].as_array().unwrap().len(), 3);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(&folder)), (0o600, 0o700));

    // The newest is the first.
    let changed = |name: &str, milliseconds| {
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(milliseconds);
        fs::File::options().write(true).open(folder.join(name)).unwrap().set_modified(time).unwrap();
    };
    changed("trip.2026.json", 1_700_000_000_100);
    changed("b.json", 1_600_000_000_000);
    let (table, note) = listed(&[]);
    assert_eq!(
        table,
        "NAME       TURNS  LAST                  MODEL\n\
         trip.2026      2  2023-11-14T22:13:20Z  m\n\
         b              1  2020-09-13T12:26:40Z  other\n"
    );
    assert_eq!(note, format!("note: the conversations are files in {}\n", folder.display()));
    let (lines, note) = listed(&["--json"]);
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    let first = json!({
        "name": "trip.2026", "turns": 2, "model": "m", "last": "2023-11-14T22:13:20Z", "file": file.display().to_string(),
    });
    assert_eq!((&lines[0], lines.len(), &*note), (&first, 2, ""));
    changed("b.json", 1_700_000_000_000);
    assert!(listed(&[]).0.contains("MODEL\ntrip.2026 "), "also within a second");
    changed("b.json", 1_700_000_000_200);
    assert!(listed(&[]).0.contains("MODEL\nb "), "also within a second");

    // Editors write a byte order mark.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("\u{feff}{text}")).unwrap();
    let turns = |args: &[&str]| {
        listed(args)
            .0
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["turns"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(turns(&["--json"]), [2, 1]);

    // A file that is not a conversation is reported and hides no others.
    fs::write(folder.join("damaged.json"), "{").unwrap();
    let (table, reported) = listed(&[]);
    assert!(table.lines().count() == 3 && reported.starts_with("warning: "), "{table}{reported}");

    let before = server.requests().len();
    for name in ["../b", "a/b", ".hidden", "-x", "ü", "a b", "", &"a".repeat(65)] {
        let output = said(&["--session", name, "Hi"]);
        assert_eq!(output.status.code(), Some(2), "{name:?}: {output:?}");
        assert!(stderr(&output).starts_with("error: --session: "), "{output:?}");
    }
    for args in [&["--session", "b", "--save", "c", "Hi"][..], &["--session", "b", "--continue", "c", "Hi"]] {
        let output = said(args);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(
            stderr(&output).contains("expected --session, or --save and --continue, found both"),
            "{output:?}"
        );
    }
    assert_eq!(said(&["--list", "words"]).status.code(), Some(2));
    assert_eq!(server.requests().len(), before);
}
