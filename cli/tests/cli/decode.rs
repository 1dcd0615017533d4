//! `pumice decode`: its output and its exit codes.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use support::server::{error_frame, event, exception, frame, message_start, text, text_answer};

#[test]
fn frames_are_printed_as_text_as_json_and_as_events() {
    let stream = [text(0, "Hi"), frame(&[("name", "two words"), ("none", "")], "not\njson")].concat();
    let payload = r#"{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"abcdefghijkl"}"#;
    assert_eq!(
        decode(&["-"], &stream),
        (
            Some(0),
            format!(
                ":event-type=contentBlockDelta :content-type=application/json :message-type=event {payload}\n\
                 name=\"two words\" none=\"\" \"not\\njson\"\n"
            ),
            String::new()
        )
    );
    let (code, json, _) = decode(&["--json", "-"], &stream);
    assert_eq!(code, Some(0));
    let lines = json.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    assert_eq!(
        lines.collect::<Vec<_>>(),
        [
            serde_json::json!({
                "headers": {
                    ":content-type": "application/json",
                    ":event-type": "contentBlockDelta",
                    ":message-type": "event",
                },
                "payload": serde_json::from_str::<serde_json::Value>(payload).unwrap(),
            }),
            serde_json::json!({ "headers": { "name": "two words", "none": "" }, "payload": "not\njson" }),
        ]
    );
    assert_eq!(
        decode(&["--events", "-"], &text(0, "Hi")),
        (
            Some(0),
            "{\"contentBlockDelta\":{\"contentBlockIndex\":0,\"delta\":{\"text\":\"Hi\"}}}\n".into(),
            String::new()
        )
    );
}

/// As no JSON reader would write it: halves of characters, numbers of any length, members twice.
#[test]
fn a_payload_of_json_is_printed_as_it_is() {
    let payload = r#"{"b":"\ud83d","n":[12345678901234567890123,1e400,0.10],"a":1,"a":2}"#;
    let (code, line, _) = decode(&["--json", "-"], &frame(&[], payload));
    assert_eq!((code, line), (Some(0), format!("{{\"headers\":{{}},\"payload\":{payload}}}\n")));
}

#[test]
fn exceptions_and_errors_are_no_fault_of_the_file() {
    let stream = [message_start(), exception("aException", "m"), error_frame("C", "n")].concat();
    let expected = "{\"messageStart\":{\"role\":\"assistant\"}}\n\
                    {\"exception\":{\"type\":\"aException\",\"message\":\"m\"}}\n\
                    {\"error\":{\"code\":\"C\",\"message\":\"n\"}}\n";
    assert_eq!(decode(&["--events", "-"], &stream), (Some(0), expected.into(), String::new()));
}

#[test]
fn whole_frames_are_printed_before_the_error_of_a_damaged_one() {
    let good = text_answer(&["a", "b"]).concat();
    let at = good.len();
    let mut damaged = text(0, "damaged");
    let length = damaged.len();
    damaged[40] ^= 1;
    for (rest, fault) in [
        (damaged, format!("the frame at byte {at} is damaged: expected the message checksum ")),
        (text(0, "x")[..9].to_vec(), format!("the stream ends at byte {}, inside the frame", at + 9)),
        (text(0, "x")[..60].to_vec(), format!("the stream ends at byte {}, inside the frame", at + 60)),
    ] {
        for form in [&["-"][..], &["--json", "-"], &["--events", "-"]] {
            let (code, stdout, stderr) = decode(form, &[good.clone(), rest.clone()].concat());
            assert_eq!((code, stdout.lines().count()), (Some(1), 6), "{stderr}");
            assert!(stderr.starts_with(&format!("error: {fault}")), "{stderr}");
        }
    }
    let (_, _, stderr) = decode(&["-"], &{
        let mut stream = [good.clone(), text(0, "damaged")].concat();
        stream[at + 40] ^= 1;
        stream
    });
    assert!(stderr.contains(&format!(" at byte {}", at + length - 4)), "{stderr}");

    let no_event = frame(&[(":message-type", "event")], "{}");
    let (code, stdout, stderr) = decode(&["--events", "-"], &[good, no_event].concat());
    assert_eq!((code, stdout.lines().count()), (Some(1), 6));
    assert!(stderr.contains(&format!("the frame at byte {at}: expected a header :event-type")), "{stderr}");
}

#[test]
fn nothing_is_nothing() {
    assert_eq!(decode(&["-"], b""), (Some(0), String::new(), String::new()));
}

#[test]
fn a_file_is_read_and_wrong_usage_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stream.bin");
    std::fs::write(&path, event("messageStop", r#"{"stopReason":"end_turn"}"#)).unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(
        decode(&["--events", path], b""),
        (Some(0), "{\"messageStop\":{\"stopReason\":\"end_turn\"}}\n".into(), String::new())
    );
    for arguments in [&[][..], &[path, path], &["--json", "--events", path], &["missing.bin"]] {
        let (code, stdout, stderr) = decode(arguments, b"");
        assert_eq!((code, &*stdout), (Some(2), ""), "{stderr}");
        assert!(stderr.starts_with("error: "), "{stderr}");
    }
}

/// A frame is printed when it is complete, not only when the next one or the end has arrived.
#[test]
fn events_are_printed_as_they_arrive() {
    use std::io::{BufRead as _, BufReader};
    let mut child = program(&["--events", "-"]).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for word in ["one", "two", "three"] {
        stdin.write_all(&text(0, word)).unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.contains(word), "{line}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

fn program(arguments: &[&str]) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_pumice"));
    program.arg("decode").args(arguments);
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    program
}

/// The exit code, standard output and standard error. The input must fit into a pipe's buffer.
fn decode(arguments: &[&str], input: &[u8]) -> (Option<i32>, String, String) {
    let mut child = program(arguments).spawn().unwrap();
    // Wrong usage ends the program before it has read anything.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}
