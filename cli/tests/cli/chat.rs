//! Conversations with `pumice chat`: in files, with images and documents, and at a terminal.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::server;

use serde_json::{Value, json};
use support::server::{Answer, Server, text_answer};
use tempfile::TempDir;

const SONNET: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The program in a fake environment, in its home folder.
fn chat(home: &TempDir, server: &Server, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command.args(["chat", "--endpoint-url", &server.url]).args(args).current_dir(home).env_clear();
    command.envs(environment(home)).stdin(Stdio::null()).output().unwrap()
}

fn environment(home: &TempDir) -> [(&'static str, String); 5] {
    [
        ("HOME", home.path().display().to_string()),
        ("TERM", "xterm".into()),
        ("AWS_BEARER_TOKEN_BEDROCK", "t".into()),
        ("AWS_MAX_ATTEMPTS", "1".into()),
        ("PUMICE_MODEL", SONNET.into()),
    ]
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn kept(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn asked(server: &Server) -> Vec<Value> {
    server.requests().iter().map(server::Received::json).collect()
}

#[test]
fn a_conversation_is_kept_and_goes_on() {
    let home = home();
    let server = Server::start(["one", "two", "three"].map(|text| Answer::stream(text_answer(&[text]))));
    let file = home.path().join("c.json");
    let said = |args: &[&str]| {
        let output = chat(&home, &server, args);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(said(&["--save", "c.json", "-s", "S", "first"]), "one\n");
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()),
        0o100_600
    );
    let conversation = kept(&file);
    assert_eq!(conversation["systemPrompt"], "S");
    assert_eq!(conversation["messages"][0]["content"], json!([{"type": "text", "text": "first"}]));
    let answer = &conversation["messages"][1];
    assert_eq!(
        (&answer["role"], &answer["content"], &answer["model"], &answer["stopReason"]),
        (&json!("assistant"), &json!([{"type": "text", "text": "one"}]), &json!(SONNET), &json!("stop"))
    );
    assert!(answer["usage"]["cost"]["total"].as_f64().unwrap() > 0.0, "the catalogue's prices");

    // Another program's members stay, and the model is that of the last response.
    let mut edited = conversation.clone();
    edited["note"] = json!({"mine": [1]});
    edited["messages"][1]["model"] = "anthropic.claude-opus-4-8".into();
    fs::write(&file, edited.to_string()).unwrap();
    assert_eq!(said(&["--continue", "c.json", "second"]), "two\n");
    assert_eq!(
        said(&["--continue", "c.json", "--save", "d.json", "-m", SONNET, "--json", "third"]).lines().count(),
        5
    );
    assert_eq!(kept(&file)["messages"].as_array().unwrap().len(), 4);
    let conversation = kept(&home.path().join("d.json"));
    assert_eq!(conversation["messages"].as_array().unwrap().len(), 6);
    assert_eq!(conversation["note"], json!({"mine": [1]}));

    let requests = server.requests();
    assert!(requests[1].line.contains("anthropic.claude-opus-4-8"), "{}", requests[1].line);
    assert!(requests[2].line.contains("claude-sonnet-4-5"), "{}", requests[2].line);
    let point = json!({"cachePoint": {"type": "default"}});
    assert_eq!(
        requests[2].json()["messages"],
        json!([
            {"role": "user", "content": [{"text": "first"}]},
            {"role": "assistant", "content": [{"text": "one"}]},
            {"role": "user", "content": [{"text": "second"}]},
            {"role": "assistant", "content": [{"text": "two"}]},
            {"role": "user", "content": [{"text": "third"}, point]}
        ])
    );
    assert_eq!(requests[2].json()["system"], json!([{"text": "S"}, point]));
}

#[test]
fn a_file_that_is_not_a_conversation_is_an_error_and_stays() {
    let home = home();
    let server = Server::start([Answer::stream(text_answer(&["never"]))]);
    let file = home.path().join("c.json");
    for (content, fault) in [
        (&b"{\"messages\": [\n  {\"role\": \"user\", \"content\": 7}]}"[..], "line 2 column 31"),
        (b"{\"messages\": [", "line 1 column 14"),
        (b"", "line 1 column 0"),
        (b"{}", "found JSON without \"messages\""),
        (b"{\"messages\": [\xff", "at byte 14"),
        (
            br#"{"messages": [{"role": "user", "content": "a"}, {"role": "narrator", "content": "b"}]}"#,
            "message 2: expected the role user, assistant, toolResult or system, found \"narrator\"",
        ),
        (
            br#"{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "song"}]}]}"#,
            "message 1, block 2: expected the type text, image or document, found \"song\"",
        ),
    ] {
        fs::write(&file, content).unwrap();
        let output = chat(&home, &server, &["--continue", "c.json", "Hi"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).starts_with("error: c.json: "), "{output:?}");
        assert!(stderr(&output).contains(fault), "{fault}: {output:?}");
        assert_eq!(fs::read(&file).unwrap(), content);
    }
    let absent = chat(&home, &server, &["--continue", "no.json", "Hi"]);
    assert_eq!(absent.status.code(), Some(2));
    assert!(stderr(&absent).contains("hint: use --save no.json to start a conversation"), "{absent:?}");
    for (place, fault) in [("no/c.json", " in a folder that exists"), (".", ", found a folder")] {
        let output = chat(&home, &server, &["--save", place, "Hi"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(
            stderr(&output)
                .starts_with(&format!("error: {place}: expected a file for the conversation{fault}\n"))
        );
    }
    let empty = chat(&home, &server, &["--save", "", "Hi"]);
    assert_eq!(empty.status.code(), Some(2), "{empty:?}");
    assert!(stderr(&empty).starts_with("error: --save: expected a file, found none"), "{empty:?}");
    let too_long = "a".repeat(300);
    let output = chat(&home, &server, &["--save", &too_long, "Hi"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("the conversation cannot be saved in "), "{output:?}");
    assert_eq!(server.requests().len(), 0, "all this is found out before anything is asked");
}

#[test]
fn a_failed_response_keeps_only_what_arrived() {
    let home = home();
    let broken = [
        server::message_start(),
        server::text(0, "par"),
        server::exception("modelStreamErrorException", "oh"),
    ];
    let server = Server::start([
        Answer::refusal(400, "ValidationException", "no"),
        Answer::stream(broken),
        Answer::stream(text_answer(&["whole"])),
    ]);
    let file = home.path().join("c.json");
    assert_eq!(chat(&home, &server, &["--save", "c.json", "a"]).status.code(), Some(1));
    assert!(!file.exists());
    let output = chat(&home, &server, &["--save", "c.json", "b"]);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(5), &b"par\n"[..]), "{output:?}");
    assert_eq!(kept(&file)["messages"][1]["stopReason"], "error");
    assert_eq!(kept(&file)["messages"][1]["content"][0]["text"], "par");
    assert_eq!(chat(&home, &server, &["--continue", "c.json", "c"]).status.code(), Some(0));
    // A broken response is not kept, so two questions follow each other.
    let messages = &asked(&server)[2]["messages"];
    assert_eq!(messages.as_array().unwrap().len(), 1);
    assert_eq!(
        (&messages[0]["content"][0]["text"], &messages[0]["content"][1]["text"]),
        (&json!("b"), &json!("c"))
    );
}

#[test]
fn a_response_that_ends_otherwise_than_responses_do_is_a_failure() {
    let home = home();
    let ended = |pieces: &[&str], reason: &str| {
        let mut frames = vec![server::message_start()];
        frames.extend(pieces.iter().map(|piece| server::text(0, piece)));
        frames.extend([server::message_stop(reason), server::metadata(1, 1)]);
        Answer::stream(frames)
    };
    for (pieces, reason, code, said) in [
        (&["par"][..], "refusal", 1, "error: "),
        (&[], "refusal", 1, "error: "),
        (&["par"], "content_filtered", 1, "content_filtered"),
        (&["par"], "a_new_reason", 1, "a_new_reason"),
        (&["par"], "max_tokens", 0, "note: the response was cut off"),
        (&[], "end_turn", 0, "note: the response is empty"),
    ] {
        let server = Server::start([ended(pieces, reason)]);
        let output = chat(&home, &server, &["Hi"]);
        assert_eq!(output.status.code(), Some(code), "{reason}: {output:?}");
        assert!(stderr(&output).contains(said), "{reason}: {output:?}");
        let text = pieces.concat();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), text, "{reason}: {output:?}");
    }
}

#[test]
fn the_message_of_a_refusal_may_be_in_a_header() {
    let home = home();
    let refusal = Answer::whole(400, "{}")
        .header("x-amzn-errortype", "ValidationException")
        .header("x-amzn-errormessage", "Input is too long for requested model.");
    let output = chat(&home, &Server::start([refusal]), &["Hi"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(stderr(&output).contains("Input is too long for requested model."), "{output:?}");
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

#[test]
fn files_are_sent_by_their_content_type() {
    let home = home();
    let server = Server::start([Answer::stream(text_answer(&["ok"]))]);
    fs::write(home.path().join("looks.txt"), PNG).unwrap();
    fs::write(home.path().join("notes.md"), "# N").unwrap();
    let output = chat(&home, &server, &["-f", "looks.txt", "--file", "notes.md", "What", "is this?"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        asked(&server)[0]["messages"][0]["content"],
        json!([
            {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgoAAAANSUhEUg=="}}},
            {"document": {"format": "md", "name": "notes md", "source": {"bytes": "IyBO"}}},
            {"text": "What is this?"}
        ])
    );
}

#[test]
fn files_that_the_service_would_refuse_are_not_sent() {
    let home = home();
    let server = Server::start([Answer::stream(text_answer(&["never"]))]);
    let write = |name: &str, content: &[u8]| fs::write(home.path().join(name), content).unwrap();
    write("a.png", PNG);
    write("a.txt", b"text");
    write("a.exe", b"MZ\0\0");
    write("large.gif", &[&b"GIF89a"[..], &vec![0; 4_000_000]].concat());
    let fails = |args: &[&str], fault: &str| {
        let output = chat(&home, &server, args);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains(fault), "{fault}: {output:?}");
    };
    fails(&["-f", "a.exe", "?"], "error: a.exe: expected an image (PNG, JPEG, GIF, WebP) or a document");
    fails(&["-f", "no.png", "?"], "error: no.png cannot be read: ");
    fails(&["-f", "large.gif", "?"], "large.gif: expected an image of at most 3.75 MB, found 3.81 MB");
    fails(
        &[&["-f", "a.txt"].repeat(6)[..], &["?"]].concat(),
        "expected at most 5 documents in one request, found 6",
    );
    fails(
        &[&["-f", "a.png"].repeat(21)[..], &["?"]].concat(),
        "expected at most 20 images in one request, found 21",
    );
    fails(&["-m", "amazon.nova-micro-v1:0", "-f", "a.png", "?"], "amazon.nova-micro-v1:0 takes no images");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn half_a_surrogate_pair_is_no_damage() {
    let home = home();
    let delta = r#"{"contentBlockIndex":0,"delta":{"text":"a\ud83db \ud83d\ude00"}}"#;
    let frames = [server::message_start(), server::event("contentBlockDelta", delta)];
    let frames = [&frames[..], &[server::block_stop(0), server::message_stop("end_turn")]].concat();
    let server = Server::start([Answer::stream(frames)]);
    let output = chat(&home, &server, &["Hi"]);
    assert_eq!(std::str::from_utf8(&output.stdout), Ok("a\u{fffd}b 😀\n"), "{output:?}");
}

#[test]
fn thinking_knows_less_in_govcloud() {
    let home = home();
    let server = Server::start([Answer::stream(text_answer(&["ok"]))]);
    for region in ["us-gov-west-1", "us-east-1"] {
        let output = chat(
            &home,
            &server,
            &["--region", region, "-m", "anthropic.claude-opus-4-8", "--think", "low", "Hi"],
        );
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    let fields = asked(&server)
        .into_iter()
        .map(|body| body["additionalModelRequestFields"].clone())
        .collect::<Vec<_>>();
    assert_eq!(fields[0], json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}));
    assert_eq!(fields[1]["thinking"]["display"], "summarized");
    assert_eq!(fields[1]["anthropic_beta"], json!(["thinking-binding-controls-2026-08-01"]));
}

#[test]
fn settings_of_a_model_apply() {
    let home = home();
    let server = Server::start([Answer::stream(text_answer(&["ok"]))]);
    let settings = r#"{
        models: { providers: { "amazon-bedrock": {
            families: [{ match: ["newcomer"], thinking: "reasoning", temperature: "notWithThinking" }],
            models: [
                { id: "acme.x1", name: "Newcomer One", reasoning: true, maxTokens: 900 },
                { id: "acme.x2", name: "Newcomer Two", reasoning: true },
            ],
        } } },
        agents: { defaults: {
            params: { temperature: 0.3, serviceTier: "fast" },
            models: { "amazon-bedrock/acme.x1": { params: { thinking: "high", serviceTier: "flex" } } },
        } },
    }"#;
    fs::write(home.path().join("s.json5"), settings).unwrap();
    for args in [
        &["-m", "acme.x1"][..],
        &["-m", "acme.x2"],
        &["-m", "acme.x1", "--think", "low", "--max-tokens", "7"],
    ] {
        let output = chat(&home, &server, &[&["--config", "s.json5"], args, &["Hi"]].concat());
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(stderr(&output).starts_with("warning: "), "the service tier is none: {output:?}");
    }
    let bodies = asked(&server);
    let text = json!([{"role": "user", "content": [{"text": "Hi"}]}]);
    assert_eq!(
        bodies[0],
        json!({
            "messages": text, "inferenceConfig": {"maxTokens": 900}, "serviceTier": {"type": "flex"},
            "additionalModelRequestFields": {"reasoning": {"effort": "high"}}
        })
    );
    assert_eq!(bodies[1], json!({"messages": text, "inferenceConfig": {"temperature": 0.3}}));
    assert_eq!(bodies[2]["additionalModelRequestFields"], json!({"reasoning": {"effort": "low"}}));
    assert_eq!(bodies[2]["inferenceConfig"], json!({"maxTokens": 7}));
}

#[cfg(target_os = "linux")]
mod terminal {
    use super::*;
    use crate::terminal::Terminal as AnyTerminal;

    struct Terminal;

    impl Terminal {
        /// A conversation at a terminal of so many columns.
        fn open(home: &TempDir, server: &Server, args: &[&str], columns: u16) -> AnyTerminal {
            let args = [&["chat", "--endpoint-url", &server.url], args].concat();
            AnyTerminal::open(home, &args, &environment(home), (10, columns))
        }
    }

    const CTRL_A: &str = "\x01";
    const CTRL_C: &str = "\x03";
    const CTRL_D: &str = "\x04";
    const UP: &str = "\x1b[A";

    #[test]
    fn a_conversation_goes_on_until_ctrl_d() {
        let home = home();
        let think = json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hm."}}});
        let thinking = [
            vec![
                server::message_start(),
                server::event("contentBlockDelta", &think.to_string()),
                server::block_stop(0),
            ],
            vec![
                server::text(1, "one"),
                server::block_stop(1),
                server::message_stop("end_turn"),
                server::metadata(12, 7),
            ],
        ];
        let server = Server::start([
            Answer::stream(thinking.concat()),
            Answer::refusal(429, "ThrottlingException", "Too many"),
            Answer::stream(text_answer(&["two"])),
        ]);
        fs::write(home.path().join("a.png"), PNG).unwrap();
        let mut terminal = Terminal::open(&home, &server, &["-f", "a.png", "--save", "c.json"], 200);
        terminal.prompt();
        terminal.write("frist\x1b[D\x1b[D\x1b[D\x1b[D\x1b[3~\x1b[Ci\x7fir\x7f\x7f\x7fir\r");
        terminal.until("\x1b[2mHm.\x1b[0m");
        let last = terminal.until(" in all\x1b[0m");
        assert!(last.contains("one\r\n\x1b[2mus.anthropic.claude-sonnet-4-5"), "{last:?}");
        assert!(last.contains(" · 12 tokens in, 7 out · $0.0001"), "{last:?}");
        assert!(last.contains(" · first token after "), "{last:?}");

        // A failure is reported and does not end the conversation; the question is in the history.
        terminal.prompt();
        terminal.write(" second\r");
        terminal.until("Too many");
        terminal.prompt();
        terminal.write(&format!("thrown away{CTRL_C}"));
        terminal.prompt();
        terminal.write(&format!("{UP}{CTRL_A}again: \r"));
        terminal.until("two");
        terminal.prompt();
        terminal.write(CTRL_D);
        let (_, status) = terminal.end();
        assert!(status.success());

        let bodies = asked(&server);
        assert_eq!(bodies.len(), 3);
        let first = bodies[0]["messages"][0]["content"][1]["text"].as_str().unwrap();
        assert!(bodies[0]["messages"][0]["content"][0]["image"].is_object());
        let messages = bodies[2]["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 3, "the second question was not answered: {messages:?}");
        assert_eq!(messages[1]["content"][1], json!({"text": "one"}));
        assert_eq!(messages[2]["content"][0]["text"].as_str().unwrap(), format!("again: {first}"));
        assert_eq!(kept(&home.path().join("c.json"))["messages"].as_array().unwrap().len(), 4);
        let history = home.path().join(".local/state/pumice/chat-history.jsonl");
        let lines = fs::read_to_string(&history).unwrap();
        let lines =
            lines.lines().map(|line| serde_json::from_str::<String>(line).unwrap()).collect::<Vec<_>>();
        assert_eq!(lines, [first.to_owned(), format!("again: {first}")], "not what begins with a space");
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&history).unwrap().permissions());
        assert_eq!(mode, 0o100_600);

        // The history is there in the next conversation, and stays bounded.
        let many = (0..1500).map(|number| format!("\"{number}\"")).collect::<Vec<_>>().join("\n");
        fs::write(&history, many + "\ndamaged\n\"日本 for the second time\"\n").unwrap();
        server.then(Answer::stream(text_answer(&["three"])));
        let mut terminal = Terminal::open(&home, &server, &[], 20);
        terminal.prompt();
        terminal.write(&format!("{UP}!\r"));
        terminal.prompt();
        terminal.write(CTRL_D);
        assert!(terminal.end().1.success());
        assert_eq!(asked(&server)[3]["messages"][0]["content"][0]["text"], "日本 for the second time!");
        let lines = fs::read_to_string(&history).unwrap();
        assert_eq!(lines.lines().count(), 1000);
        assert!(lines.ends_with("\"1499\"\n\"日本 for the second time\"\n\"日本 for the second time!\"\n"));
    }

    #[test]
    fn markdown_is_styled_and_wrapped_on_a_terminal_alone() {
        let home = home();
        let said = ["# He", "ad\n- one two **th", "ree** four five\n```\na line of code that is long\n```\n"];
        let server = Server::start([Answer::stream(text_answer(&said))]);
        let shown = |args: &[&str], variable: &str| {
            let mut environment = environment(&home).to_vec();
            environment.push((variable, if variable == "TERM" { "dumb" } else { "1" }.into()));
            let args = [&["chat", "--endpoint-url", &server.url][..], args, &["Hi"]].concat();
            let (shown, status) = AnyTerminal::open(&home, &args, &environment, (10, 23)).end();
            assert!(status.success(), "{shown}");
            shown.replace("\r\n", "\n")
        };
        let plain = said.concat();
        let styled = shown(&[], "X");
        let (head, three) = ("\u{1b}[0;2m#\u{1b}[0;1m Head\u{1b}[0m\n", "\u{1b}[0;1mthree\u{1b}[0;2m**");
        assert!(styled.contains(head) && styled.contains(three), "{styled:?}");
        assert!(styled.contains("\na line of code that is long\n"), "{styled:?}");
        // The last word does not fit.
        assert!(styled.contains("\u{1b}[K\n  "), "{styled:?}");
        // Without styles, words are wrapped all the same.
        let bare = shown(&[], "NO_COLOR");
        assert!(!bare.contains("\u{1b}[0;") && bare.contains("# Head\n- one two **three"), "{bare:?}");
        for (args, variable) in [(&["--plain"][..], "X"), (&[], "TERM")] {
            let shown = shown(args, variable);
            assert!(shown.contains(&plain), "{shown:?}");
        }
        // A pipe gets the text as it is.
        let piped = chat(&home, &server, &["--color", "always", "Hi"]);
        assert_eq!(String::from_utf8(piped.stdout).unwrap(), plain);
    }

    /// Thinking, a text, and thinking again.
    fn thoughtful() -> Answer {
        let think = |index: u32, text: &str| {
            let delta = json!({"contentBlockIndex": index, "delta": {"reasoningContent": {"text": text}}})
                .to_string();
            [server::event("contentBlockDelta", &delta), server::block_stop(index)].concat()
        };
        Answer::stream([
            server::message_start(),
            think(0, "Hm."),
            server::text(1, "one"),
            server::block_stop(1),
            think(2, "Well."),
            server::text(3, " two"),
            server::block_stop(3),
            server::message_stop("end_turn"),
            server::metadata(12, 7),
        ])
    }

    #[test]
    fn without_colors_thinking_and_response_are_labelled() {
        let home = home();
        for (variable, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let server = Server::start([thoughtful()]);
            let mut environment = environment(&home).to_vec();
            environment.push((variable, value.into()));
            let args = ["chat", "--endpoint-url", &server.url, "Hi"];
            let (said, status) = AnyTerminal::open(&home, &args, &environment, (24, 80)).end();
            assert!(status.success());
            let expected =
                "[thinking]\r\nHm.\r\n[response]\r\none\r\n[thinking]\r\nWell.\r\n[response]\r\n two\r\n";
            assert!(said.starts_with(expected), "{said:?}");
            assert!(!said.contains('\x1b'), "{said:?}");
        }
        // Only the response goes to standard output.
        let server = Server::start([thoughtful()]);
        let mut environment = environment(&home).to_vec();
        environment.push(("NO_COLOR", "1".into()));
        let script = "\"$0\" chat --endpoint-url \"$1\" Hi > out";
        let args = ["-c", script, env!("CARGO_BIN_EXE_pumice"), &server.url];
        let (said, status) = AnyTerminal::run("sh", &home, &args, &environment, (24, 80)).end();
        assert!(status.success());
        assert!(said.starts_with("[thinking]\r\nHm.\r\n[thinking]\r\nWell.\r\n"), "{said:?}");
        assert_eq!(fs::read(home.path().join("out")).unwrap(), b"one two\n");
    }

    #[test]
    fn the_last_line_fits_and_a_replay_has_no_times() {
        let home = home();
        let server = Server::start([Answer::stream(text_answer(&["Hi"]))]);
        let last = |args: &[&str], columns| {
            let (said, status) = Terminal::open(&home, &server, args, columns).end();
            assert!(status.success(), "{said}");
            let last = said.trim_end().rsplit('\n').next().unwrap();
            last.replace("\x1b[2m", "").replace("\x1b[0m", "")
        };
        let wide = last(&["--record", "r.jsonl", "Hi"], 200);
        assert!(wide.starts_with(SONNET) && wide.ends_with(" s in all"), "{wide}");
        for columns in [40, 80] {
            let line = last(&["Hi"], columns);
            assert!(line.chars().count() <= usize::from(columns), "{line}");
            assert!(line.contains("12 tokens in, 7 out · $0.0001"), "{line}");
        }
        let replayed = last(&["--replay", "r.jsonl", "Hi"], 200);
        let begun = format!("{SONNET} · 12 tokens in, 7 out · $0.0001");
        assert!(replayed.starts_with(&begun) && replayed.ends_with(" · replayed"), "{replayed}");
        assert!(!replayed.contains(" s ") && !replayed.contains("/s"), "{replayed}");
    }

    #[test]
    fn ctrl_c_ends_the_response_but_not_the_conversation() {
        let home = home();
        let (answer, closed) =
            Answer::stream([server::message_start(), server::text(0, "and so on")]).await_close();
        let (silent, _gate) = Answer::whole(200, "").gate();
        let server = Server::start([answer, silent, Answer::stream(text_answer(&["better"]))]);
        let mut terminal = Terminal::open(&home, &server, &["--save", "c.json"], 80);
        terminal.prompt();
        terminal.write("go\r");
        terminal.until("and so on");
        terminal.write(CTRL_C);
        closed.recv().unwrap();
        terminal.until("stopped with Ctrl-C");
        terminal.prompt();
        // Also before the response has begun.
        terminal.write("go\r");
        terminal.until("\x1b[?2004l");
        while server.requests().len() < 2 {
            std::thread::yield_now();
        }
        terminal.write(CTRL_C);
        terminal.prompt();
        terminal.write("once more\r");
        terminal.until("better");
        terminal.prompt();
        terminal.write(CTRL_D);
        assert!(terminal.end().1.success());
        // The model sees what came of the response that was stopped.
        let last = asked(&server).pop().unwrap();
        assert_eq!(last["messages"][1]["content"], json!([{"text": "and so on"}]), "{last}");
        let conversation = kept(&home.path().join("c.json"));
        let reasons = [1, 3].map(|at| conversation["messages"][at]["stopReason"].clone());
        assert_eq!(reasons, ["aborted", "stop"]);
        assert_eq!(conversation["messages"].as_array().unwrap().len(), 4);
    }

    #[test]
    fn a_conversation_whose_file_another_program_changes_goes_on_in_one_of_its_own() {
        let home = home();
        let texts = ["one", "two", "three"];
        let server = Server::start(texts.map(|text| Answer::stream(text_answer(&[text]))));
        fs::write(home.path().join("a.png"), PNG).unwrap();
        let file = home.path().join("c.json");
        let mut terminal = Terminal::open(&home, &server, &["-f", "a.png", "--save", "c.json"], 200);
        terminal.prompt();
        fs::write(&file, "theirs").unwrap();
        terminal.write("go\r");
        terminal.until("it is saved in c-2.json instead");
        terminal.prompt();
        for text in &texts[1..] {
            terminal.write("go on\r");
            terminal.until(text);
            let said = terminal.prompt();
            assert!(!said.contains("error"), "{said:?}");
        }
        terminal.write(CTRL_D);
        assert!(terminal.end().1.success());
        assert_eq!(fs::read(&file).unwrap(), b"theirs");
        assert_eq!(kept(&home.path().join("c-2.json"))["messages"].as_array().unwrap().len(), 6);
        // The image is only in the first question.
        let last = asked(&server).pop().unwrap();
        let images = last.to_string().matches("\"image\"").count();
        assert_eq!(images, 1);
    }

    #[test]
    fn a_sign_of_life_is_shown_until_the_text_begins() {
        let home = home();
        let (answer, gate) = Answer::stream([server::message_start()]).gate();
        let answer = text_answer(&["one"]).into_iter().skip(1).fold(answer, Answer::chunk);
        let throttled = Answer::refusal(503, "ServiceUnavailableException", "Too busy");
        let server = Server::start([throttled, answer]);
        let mut environment = environment(&home).to_vec();
        environment.retain(|(name, _)| *name != "AWS_MAX_ATTEMPTS");
        let args = ["chat", "--endpoint-url", &server.url, "Hi"];
        let mut terminal = AnyTerminal::open(&home, &args, &environment, (10, 60));
        // The seconds, and that this is no first attempt.
        terminal.until("\r⠋ 0 s");
        terminal.until(" · attempt 2\x1b[K");
        drop(gate);
        let (shown, status) = terminal.end();
        assert!(status.success());
        // It is gone without a trace, before the text.
        let (before, _) = shown.split_once("one\r\n").unwrap();
        assert!(before.trim_end_matches("\u{1b}[0m").ends_with("\r\u{1b}[K"), "{shown:?}");

        // Elsewhere there is none.
        let (slow, gate) = Answer::stream([server::message_start()]).gate();
        let slow = text_answer(&["two"]).into_iter().skip(1).fold(slow, Answer::chunk);
        let server = Server::start([slow]);
        std::thread::spawn(move || drop(gate));
        let piped = chat(&home, &server, &["Hi"]);
        assert_eq!((piped.stdout.as_slice(), piped.stderr.as_slice()), (&b"two\n"[..], &b""[..]));
    }

    #[test]
    fn commands_are_done_and_not_sent() {
        let home = home();
        fs::write(home.path().join("a.png"), PNG).unwrap();
        fs::write(home.path().join("b.json"), r#"{"messages":[]}"#).unwrap();
        let texts = ["one", "two", "three"];
        let server = Server::start(texts.map(|text| Answer::stream(text_answer(&[text]))));
        let mut terminal = Terminal::open(&home, &server, &[], 200);
        terminal.until("/help lists commands");
        terminal.prompt();
        for (line, said) in [
            ("/help", "/retry          send the last prompt again"),
            ("/modle x", "there is no command /modle; did you mean /model?"),
            ("/model", &format!("the model is {SONNET}")),
            ("/model other.model-v1:0", "the model is now other.model-v1:0"),
            ("/file a.png", "attached to the next prompt: image/png, 1 KB"),
            ("/file none.png", "none.png cannot be read"),
            ("/system Be brief.", "the system prompt is set"),
            ("/system", "the system prompt is: Be brief."),
            ("/think lots", "/think: expected off, minimal"),
            ("/think", "the thinking level is not set"),
            ("/retry", "nothing has been asked yet"),
            ("/copy", "there is no response to copy"),
            ("/save c.json", "the conversation is saved in c.json"),
            ("/save b.json", "name a file that does not exist"),
            ("/save a.png", "a.png exists, and is not a conversation"),
        ] {
            terminal.write(&format!("{line}\r"));
            terminal.until(said);
            terminal.prompt();
        }
        assert!(server.requests().is_empty());
        terminal.write("Hi\r");
        terminal.until("one");
        terminal.prompt();
        terminal.write("/retry\r");
        terminal.until("two");
        terminal.prompt();
        terminal.write("/copy\r");
        terminal.until("\x1b]52;c;dHdv\x07");
        terminal.prompt();
        // A space before it sends it.
        terminal.write(" /etc/hosts\r");
        terminal.until("three");
        terminal.prompt();
        terminal.write("exit\r");
        assert!(terminal.end().1.success());
        let bodies = asked(&server);
        assert_eq!(server.requests()[0].line, "POST /model/other.model-v1%3A0/converse-stream HTTP/1.1");
        assert_eq!(bodies[0], bodies[1]);
        assert_eq!(bodies[0]["system"][0]["text"], "Be brief.");
        assert_eq!(bodies[0]["messages"][0]["content"].as_array().unwrap().len(), 2);
        let messages = bodies[2]["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 3);
        assert_eq!(messages[1]["content"][0]["text"], "two");
        assert_eq!(messages[2]["content"][0]["text"], " /etc/hosts");
        assert_eq!(kept(&home.path().join("c.json"))["messages"].as_array().unwrap().len(), 4);

        // Where it stopped is shown when it goes on.
        let mut terminal = Terminal::open(&home, &server, &["--continue", "c.json"], 200);
        let shown = terminal.prompt();
        assert!(
            shown.contains("> Hi") && shown.contains("two") && shown.contains("> /etc/hosts"),
            "{shown:?}"
        );
        terminal.write(CTRL_D);
        assert!(terminal.end().1.success());
    }

    #[test]
    fn lines_that_arrive_together_are_prompts_each_and_alt_enter_breaks_a_line() {
        let home = home();
        let texts = ["first", "second", "third", "fourth"];
        let server = Server::start(texts.map(|text| Answer::stream(text_answer(&[text]))));
        let mut terminal = Terminal::open(&home, &server, &[], 80);
        terminal.prompt();
        terminal.write("1\r2\r3\r");
        for text in &texts[..3] {
            terminal.until(text);
        }
        terminal.prompt();
        terminal.write("4\x1b\rfour\r");
        terminal.until("fourth");
        terminal.prompt();
        terminal.write(CTRL_D);
        assert!(terminal.end().1.success());
        let last =
            |body: &Value| body["messages"].as_array().unwrap().last().unwrap()["content"][0]["text"].clone();
        let prompts = asked(&server).iter().map(last).collect::<Vec<_>>();
        assert_eq!(prompts, ["1", "2", "3", "4\nfour"]);
    }

    #[test]
    fn a_paste_of_many_lines_is_one_question() {
        let home = home();
        let server = Server::start([Answer::stream(text_answer(&["ok"]))]);
        let mut terminal = Terminal::open(&home, &server, &[], 24);
        terminal.prompt();
        terminal.write("\x1b[200~fn main() {\r\n    日本\n}\x1b[201~\r");
        terminal.until("ok");
        terminal.prompt();
        terminal.write(CTRL_D);
        assert!(terminal.end().1.success());
        let bodies = asked(&server);
        assert_eq!(bodies.len(), 1);
        assert_eq!(bodies[0]["messages"][0]["content"][0]["text"], "fn main() {\n    日本\n}");
    }

    /// A window title, a color, an 8-bit control, a change of the writing direction, and an invisible character.
    const HARM: &str = "a\u{1b}]0;title\u{7}\u{1b}[35m\u{9b}35m\u{202e}b\u{200b}\u{e0041}c";

    #[test]
    fn pasted_text_and_history_do_not_affect_the_terminal() {
        let home = home();
        let folder = home.path().join(".local/state/pumice");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("chat-history.jsonl"), format!("{}\n", json!(HARM))).unwrap();
        let server = Server::start(["one", "two"].map(|text| Answer::stream(text_answer(&[text]))));
        let mut terminal = Terminal::open(&home, &server, &[], 200);
        terminal.prompt();
        // Escape sequences in a paste are left out by the line editor.
        terminal.write("\x1b[200~a\u{9b}35m\u{202e}b\u{200b}\u{7}👩\u{200d}🚀\u{e0041}\x1b[201~");
        terminal.until("  [not shown: \\u{9b} \\u{202e} \\u{200b} \\u{7} \\u{e0041}]");
        // A line with text typed after the paste is shown without them too.
        terminal.write("x\r");
        terminal.until("one");
        terminal.prompt();
        terminal.write(&format!("{UP}{UP}"));
        terminal.until("\\u{1b}]0;title\\u{7}\\u{1b}[35m\\u{9b}35m\\u{202e}b\\u{200b}\\u{e0041}c");
        terminal.write("\r");
        terminal.until("two");
        terminal.prompt();
        // The same for a search in the history.
        terminal.write("\x12\u{202e}\u{9b}");
        terminal.write(CTRL_C);
        terminal.prompt();
        terminal.write(CTRL_D);
        let whole = String::from_utf8(terminal.written.clone()).unwrap();
        assert!(terminal.end().1.success());
        for harm in ["\u{1b}]0;", "\u{1b}[35m", "\u{9b}", "\u{202e}", "\u{200b}", "\u{e0041}"] {
            assert!(!whole.contains(harm), "{harm:?} in {whole:?}");
        }
        assert!(whole.contains("👩\u{200d}🚀"), "{whole:?}");
        // The model gets the pasted text.
        let pasted = "a\u{9b}35m\u{202e}b\u{200b}\u{7}👩\u{200d}🚀\u{e0041}x";
        assert_eq!(asked(&server)[0]["messages"][0]["content"][0]["text"], pasted);
    }

    #[test]
    fn sigterm_and_sighup_at_the_prompt_leave_the_terminal_as_it_was() {
        use std::os::fd::AsFd as _;
        use std::os::unix::process::ExitStatusExt as _;

        use rustix::termios::{InputModes, LocalModes};

        let home = home();
        let terminate = |terminal: &AnyTerminal, signal: &str| {
            let kill = format!("kill -{signal} {}", terminal.child.id());
            assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        };
        // As terminals are when they are opened: what it is while the program starts is a matter of time.
        let is_as_opened = |terminal: &AnyTerminal| {
            let modes = rustix::termios::tcgetattr(terminal.pty.as_fd()).unwrap();
            let lines = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
            modes.local_modes.contains(lines) && modes.input_modes.contains(InputModes::ICRNL)
        };
        for (signal, number) in crate::signals::ending_signals().into_iter().skip(1) {
            let (answer, _closed) =
                Answer::stream([server::message_start(), server::text(0, "and so on")]).await_close();
            let server = Server::start([answer]);
            let mut terminal = Terminal::open(&home, &server, &[], 80);
            terminal.prompt();
            terminal.write("half a line");
            terminal.until("line");
            assert!(!is_as_opened(&terminal));
            terminate(&terminal, signal);
            terminal.until("\x1b[?2004l");
            assert_eq!(terminal.child.wait().unwrap().signal(), Some(number));
            assert!(is_as_opened(&terminal));

            // In the middle of a response it ends the program too, and what came is kept.
            let file = format!("{signal}.json");
            let mut terminal = Terminal::open(&home, &server, &["--save", &file], 80);
            terminal.prompt();
            terminal.write("Hi\r");
            terminal.until("and so on");
            terminate(&terminal, signal);
            assert_eq!(terminal.end().1.signal(), Some(number));
            assert_eq!(kept(&home.path().join(file))["messages"][1]["stopReason"], "aborted");
        }
    }

    #[test]
    fn a_question_that_is_asked_once_ends_with_ctrl_c() {
        let home = home();
        let (answer, _closed) =
            Answer::stream([server::message_start(), server::text(0, "and so on")]).await_close();
        let server = Server::start([answer]);
        let mut terminal = Terminal::open(&home, &server, &["Hi"], 80);
        terminal.until("and so on");
        terminal.write(CTRL_C);
        let (rest, status) = terminal.end();
        // A shell's loop ends only with a program that dies of the signal.
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(2));
        assert!(rest.ends_with('\n'), "{rest:?}");
        let terminal = Terminal::open(&home, &server, &["--json"], 80);
        let (said, status) = terminal.end();
        assert_eq!(status.code(), Some(2));
        assert!(said.contains("--json: expected a prompt"), "{said}");
    }
}

#[test]
fn changes_to_the_request_are_reported() {
    let home = home();
    let server = Server::start((0..3).map(|_| Answer::stream(text_answer(&["one"]))));
    let said = |args: &[&str]| {
        let output = chat(&home, &server, args);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        stderr(&output).to_owned()
    };
    for json in [&[][..], &["--json"]] {
        let args = ["--think", "low", "--max-tokens", "500", "--temperature", "0.5", "Hi"];
        let reported = said(&[json, &args].concat());
        let limit = "--max-tokens raised from 500 to 2548: thinking counts toward it";
        assert!(reported.contains(limit), "{reported}");
        let temperature = "--temperature 0.5 not sent: the model refuses it with thinking at level low";
        assert!(reported.contains(temperature), "{reported}");
    }
    let reported = said(&["-m", "meta.llama3-70b-instruct-v1:0", "--think", "low", "Hi"]);
    let thinking = "--think low not sent: meta.llama3-70b-instruct-v1:0 is not known to support thinking";
    assert!(reported.contains(thinking), "{reported}");
    assert_eq!(asked(&server)[0]["inferenceConfig"], json!({"maxTokens": 2548}));
}
