//! Makes the recordings in `fixtures/` anew: `cargo run -p pumice-tools --bin fixtures`, or with names behind `--`
//! those alone.
//!
//! A server on loopback answers with frames that `aws-smithy-eventstream` writes, at the pace and with
//! the cuts of the body that a scenario names, and the program itself records what it is answered.
//! Everything but the timing comes out the same each time. `fixtures/README.md` describes the result.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "it ends where it fails")]

use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use support::server::{Answer, Server};

fn main() {
    let names = std::env::args().skip(1).collect::<Vec<_>>();
    let mut scenarios = scenarios();
    if !names.is_empty() {
        let known = |name: &String| scenarios.iter().any(|scenario| name == scenario.name);
        assert!(names.iter().all(known), "expected names of scenarios, found {names:?}");
        scenarios.retain(|scenario| names.iter().any(|name| name == scenario.name));
    }
    let program = program();
    let answers = scenarios.iter().flat_map(|scenario| &scenario.answers).map(Given::answer);
    let server = Server::listen(ADDRESS, answers.collect::<Vec<_>>());
    for scenario in &scenarios {
        scenario.record(&program, &server);
    }
}

/// Builds the program that records, and says where it is.
fn program() -> PathBuf {
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--bin", "pumice"]).current_dir(ROOT);
    if !cfg!(debug_assertions) {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success(), "the program could not be built");
    std::env::current_exe().unwrap().with_file_name("pumice").with_extension(std::env::consts::EXE_EXTENSION)
}

/// A recording and how it is made.
struct Scenario {
    name: &'static str,
    ask: Ask,
    answers: Vec<Given>,
    /// How the program ends.
    exit: i32,
}

/// What the program is called with.
enum Ask {
    Chat(&'static [&'static str]),
    Converse(Value),
    ConverseWhole(Value),
    /// InvokeModel: model and body.
    Invoke(&'static str, Value),
}

/// What the server answers with.
struct Given {
    status: u16,
    headers: Vec<(&'static str, String)>,
    /// The chunks of the body, each with the pause before it; the first pause is before the head.
    chunks: Vec<(Duration, Vec<u8>)>,
    /// Whether the connection breaks off at the end.
    breaks_off: bool,
}

impl Scenario {
    fn new(name: &'static str, ask: Ask, answers: impl Into<Vec<Given>>) -> Self {
        Self { name, ask, answers: answers.into(), exit: 0 }
    }

    fn exit(mut self, code: i32) -> Self {
        self.exit = code;
        self
    }

    fn record(&self, program: &Path, server: &Server) {
        let file = Path::new(ROOT).join("fixtures").join(self.name).with_extension("jsonl");
        let before = server.requests().len();
        let mut run = Command::new(program);
        let input = match &self.ask {
            Ask::Chat(args) => {
                run.arg("chat").args(*args);
                String::new()
            }
            Ask::Converse(request) => {
                run.args(["converse", "--request", "-"]);
                request.to_string()
            }
            Ask::ConverseWhole(request) => {
                run.args(["converse", "--no-stream", "--request", "-"]);
                request.to_string()
            }
            Ask::Invoke(model, body) => {
                run.args(["call", "InvokeModel", "--request", "-"]);
                let body = STANDARD.encode(body.to_string());
                json!({"modelId": model, "contentType": "application/json", "body": body}).to_string()
            }
        };
        run.args(["--endpoint-url", &server.url, "--record"]).arg(&file);
        run.env_clear().envs(CREDENTIALS);
        run.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = run.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();

        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(self.exit), "{}: {said}", self.name);
        assert_eq!(server.requests().len() - before, self.answers.len(), "{}: requests", self.name);
        let recording = std::fs::read_to_string(&file).unwrap();
        assert_eq!(recorded_chunks(&recording), self.sent_chunks(), "{}: the cuts of the body", self.name);
        println!("{}: {} lines", file.display(), recording.lines().count());
    }

    /// The chunks of all answers.
    fn sent_chunks(&self) -> Vec<String> {
        let chunks = self.answers.iter().flat_map(|answer| &answer.chunks);
        chunks.map(|(_, bytes)| STANDARD.encode(bytes)).collect()
    }
}

/// The chunks in a recording, in base64.
fn recorded_chunks(recording: &str) -> Vec<String> {
    let lines = recording.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .filter_map(|line| match (line["chunk"]["base64"].as_str(), line["chunk"]["text"].as_str()) {
            (Some(base64), _) => Some(base64.to_owned()),
            (None, text) => text.map(|text| STANDARD.encode(text)),
        })
        .collect()
}

impl Given {
    fn answer(&self) -> Answer {
        let mut answer = Answer::stream([]).status(self.status);
        for (name, value) in &self.headers {
            answer = answer.header(name, value);
        }
        for (pause, bytes) in &self.chunks {
            answer = answer.pause(*pause).chunk(bytes.clone());
        }
        if self.breaks_off { answer.cut() } else { answer }
    }

    /// An answer of JSON.
    fn json(chance: &mut Chance, status: u16, body: &Value) -> Self {
        let mut headers = headers(chance);
        headers.push(("content-type", "application/json".into()));
        let chunks = vec![(chance.pause(100..400), body.to_string().into_bytes())];
        Self { status, headers, chunks, breaks_off: false }
    }

    fn refusal(chance: &mut Chance, status: u16, code: &str, message: &str) -> Self {
        let mut refusal = Self::json(chance, status, &json!({ "message": message }));
        let error_type = format!("{code}:http://internal.amazon.com/coral/com.amazon.bedrock/");
        refusal.headers.push(("x-amzn-ErrorType", error_type));
        refusal
    }
}

fn headers(chance: &mut Chance) -> Vec<(&'static str, String)> {
    vec![("date", DATE.into()), ("x-amzn-RequestId", chance.uuid())]
}

/// A stream of events in the making.
struct Events {
    chance: Chance,
    /// The pauses between frames, in milliseconds.
    pace: Range<u64>,
    chunks: Vec<(Duration, Vec<u8>)>,
}

impl Events {
    /// An answer that has begun.
    fn begin(name: &str, pace: Range<u64>) -> Self {
        let mut events = Self { chance: Chance::new(name), pace, chunks: Vec::new() };
        events.add("messageStart", json!({"role": "assistant"}));
        events.chunks[0].0 = events.chance.pause(350..600);
        events
    }

    /// An event as the service writes it: members in the order of the alphabet, and padding among them.
    fn add(&mut self, event_type: &str, mut payload: Value) {
        payload["p"] = self.chance.padding().into();
        let headers =
            [(":event-type", event_type), (":content-type", "application/json"), (":message-type", "event")];
        self.add_frame(support::server::frame(&headers, payload.to_string()));
    }

    fn add_frame(&mut self, frame: Vec<u8>) {
        let pause = self.chance.pause(self.pace.clone());
        self.chunks.push((pause, frame));
    }

    fn delta(&mut self, index: u32, delta: &Value) {
        self.add("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}));
    }

    /// A delta for some words at a time, and now and then two in one chunk.
    fn words(&mut self, index: u32, text: &str, delta: impl Fn(&str) -> Value) {
        let mut rest = text;
        while !rest.is_empty() {
            let words = self.chance.below(3);
            let end = rest.match_indices(' ').map(|(at, _)| at).filter(|at| *at > 0).nth(words);
            let (piece, more) = rest.split_at(end.unwrap_or(rest.len()));
            self.delta(index, &delta(piece));
            if self.chance.below(8) == 0 {
                let (_, frame) = self.chunks.pop().unwrap();
                self.chunks.last_mut().unwrap().1.extend(frame);
            }
            rest = more;
        }
    }

    fn text(&mut self, index: u32, text: &str) {
        self.words(index, text, |text| json!({ "text": text }));
    }

    fn stop(&mut self, index: u32) {
        self.add("contentBlockStop", json!({ "contentBlockIndex": index }));
    }

    fn tool(&mut self, index: u32, name: &str) {
        let id = self.chance.tool_use_id();
        let start = json!({"toolUse": {"name": name, "toolUseId": id}});
        self.add("contentBlockStart", json!({"contentBlockIndex": index, "start": start}));
    }

    fn input(&mut self, index: u32, input: &str) {
        self.delta(index, &json!({"toolUse": {"input": input}}));
    }

    fn end(&mut self, stop_reason: &str, usage: &Value) {
        self.add("messageStop", json!({ "stopReason": stop_reason }));
        let mut usage = usage.clone();
        usage["serverToolUsage"] = json!({});
        let paused = self.chunks.iter().map(|(pause, _)| pause.as_millis()).sum::<u128>();
        self.add(
            "metadata",
            json!({"metrics": {"latencyMs": u64::try_from(paused).unwrap()}, "usage": usage}),
        );
    }

    fn bytes(&self) -> Vec<u8> {
        self.chunks.iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    /// Where the frame of this number begins.
    fn frame_at(&self, number: usize) -> usize {
        let bytes = self.bytes();
        let mut at = 0;
        for _ in 0..number {
            at += u32::from_be_bytes(*bytes[at..].first_chunk().unwrap()) as usize;
        }
        at
    }

    /// Where these bytes are.
    fn position(&self, bytes: &[u8]) -> usize {
        self.bytes().windows(bytes.len()).position(|window| window == bytes).unwrap()
    }

    /// Cuts the body at these bytes, and nowhere else.
    fn cut_at(&mut self, cuts: impl IntoIterator<Item = usize>) {
        let bytes = self.bytes();
        let first = self.chunks[0].0;
        self.chunks.clear();
        let mut begin = 0;
        for end in cuts.into_iter().chain([bytes.len()]) {
            let pause = self.chance.pause(self.pace.clone());
            self.chunks.push((pause, bytes[begin..end].to_vec()));
            begin = end;
        }
        self.chunks[0].0 = first;
    }

    /// Leaves away what is behind this byte.
    fn truncate(&mut self, length: usize) {
        let mut left = length;
        self.chunks.retain_mut(|(_, bytes)| {
            bytes.truncate(left);
            left -= bytes.len();
            !bytes.is_empty()
        });
    }

    fn given(mut self) -> Given {
        Given { status: 200, headers: headers(&mut self.chance), chunks: self.chunks, breaks_off: false }
    }
}

/// Chance that comes out the same each time (`SplitMix64`).
struct Chance(u64);

impl Chance {
    fn new(name: &str) -> Self {
        Self(name.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte)))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap()
    }

    fn pause(&mut self, milliseconds: Range<u64>) -> Duration {
        let length = milliseconds.end - milliseconds.start;
        Duration::from_millis(milliseconds.start + self.next() % length)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next().to_be_bytes()[0]).take(length).collect()
    }

    /// The beginning of an alphabet: two characters or more, which hide how long an event is.
    fn padding(&mut self) -> String {
        let alphabet = ('a'..='z').chain('A'..='Z').chain('0'..='9');
        alphabet.take(2 + self.below(60)).collect()
    }

    fn tool_use_id(&mut self) -> String {
        format!("tooluse_{}", URL_SAFE_NO_PAD.encode(self.bytes(16)))
    }

    fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }
}

fn usage(input: u64, output: u64) -> Value {
    json!({"inputTokens": input, "outputTokens": output, "totalTokens": input + output})
}

/// A request of one question.
fn question(model: &str, text: &str) -> Value {
    json!({"modelId": model, "messages": [{"role": "user", "content": [{"text": text}]}]})
}

/// The request with more members.
fn with(mut request: Value, members: Value) -> Value {
    let Value::Object(members) = members else { panic!("expected members") };
    request.as_object_mut().unwrap().extend(members);
    request
}

fn tools(tools: &[(&str, &str, Value)]) -> Value {
    let tools = tools.iter().map(|(name, description, schema)| {
        json!({"toolSpec": {"name": name, "description": description, "inputSchema": {"json": schema}}})
    });
    json!({"toolConfig": {"tools": tools.collect::<Vec<_>>()}})
}

fn volcano_tool() -> (&'static str, &'static str, Value) {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "The volcano's name"},
            "since": {"type": "integer", "description": "Only eruptions from this year on"}
        },
        "required": ["name"]
    });
    ("list_eruptions", "Lists the known eruptions of a volcano.", schema)
}

fn scenarios() -> Vec<Scenario> {
    vec![
        text(),
        reasoning(),
        redacted_reasoning(),
        tool(),
        two_tools(),
        tools_without_arguments(),
        tool_cut_off(),
        non_ascii(),
        cache(),
        max_tokens(),
        whole(),
        structured_output(),
        embedding(),
        throttled(),
        throttled_first_frame(),
        invalid(),
        exception_first(),
        exception(),
        truncated(),
        broken_off(),
        without_message_stop(),
        damaged(),
    ]
}

fn text() -> Scenario {
    let mut events = Events::begin("text", 22..75);
    events.text(
        0,
        "Because most of it is not there. When gas-rich magma reaches the surface, the pressure drops and it \
         froths up like a shaken bottle of soda. The froth cools so fast that it freezes into glass, with \
         the bubbles still inside: up to nine tenths of a piece of pumice are holes.\n\nSo it is lighter than \
         water, and it travels. After an eruption under the sea, rafts of it drift across the ocean for \
         months, with barnacles, young corals and the odd crab aboard. In the end the water creeps into \
         the pores, and the stone does what stones do.",
    );
    events.stop(0);
    events.end("end_turn", &usage(27, 138));
    Scenario::new(
        "text",
        Ask::Chat(&["-m", CLAUDE, "-s", "Answer in two short paragraphs.", "Why does pumice float?"]),
        [events.given()],
    )
}

fn reasoning() -> Scenario {
    let mut events = Events::begin("reasoning", 8..20);
    events.words(
        0,
        "The user gives a mass of 45 g and a volume of 90 cm³. Density is mass divided by volume: \
         45 / 90 = 0.5 g/cm³. Water has 1.0, so half of the stone is under water.",
        |text| json!({"reasoningContent": {"text": text}}),
    );
    let signature = STANDARD.encode(events.chance.bytes(264));
    events.delta(0, &json!({"reasoningContent": {"signature": signature}}));
    events.stop(0);
    events.text(1, "It floats. Its density is 0.5 g/cm³, half that of water, so half of it stays below.");
    events.stop(1);
    events.end("end_turn", &usage(61, 104));
    let request = with(
        question(CLAUDE, "A piece of pumice weighs 45 g and takes up 90 cm³. Does it float, and how deep?"),
        json!({
            "inferenceConfig": {"maxTokens": 2048},
            "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}
        }),
    );
    Scenario::new("reasoning", Ask::Converse(request), [events.given()])
}

fn redacted_reasoning() -> Scenario {
    let mut events = Events::begin("redacted-reasoning", 8..20);
    for index in 0..2 {
        let redacted = STANDARD.encode(events.chance.bytes(240 + 64 * index as usize));
        events.delta(index, &json!({"reasoningContent": {"redactedContent": redacted}}));
        events.stop(index);
    }
    events.text(2, "Obsidian and pumice can come from one eruption: the glass is the same, the gas is not.");
    events.stop(2);
    events.end("end_turn", &usage(43, 171));
    let request = with(
        question(CLAUDE_3_7, "Can obsidian and pumice come from the same volcano?"),
        json!({
            "inferenceConfig": {"maxTokens": 2048},
            "additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}
        }),
    );
    Scenario::new("redacted-reasoning", Ask::Converse(request), [events.given()])
}

fn tool() -> Scenario {
    let mut events = Events::begin("tool", 8..20);
    events.text(0, "I'll look up the eruptions of Krakatoa since 1880.");
    events.stop(0);
    events.tool(1, "list_eruptions");
    for input in ["", "{\"na", "me\": \"", "Kraka", "toa\"", ", \"sin", "ce\": 18", "80}"] {
        events.input(1, input);
    }
    events.stop(1);
    events.end("tool_use", &usage(412, 83));
    let request = with(question(CLAUDE, "When did Krakatoa erupt, from 1880 on?"), tools(&[volcano_tool()]));
    Scenario::new("tool", Ask::Converse(request), [events.given()])
}

fn two_tools() -> Scenario {
    let mut events = Events::begin("two-tools", 8..20);
    events.tool(0, "list_eruptions");
    events.tool(1, "list_eruptions");
    events.input(0, "{\"name\":");
    events.input(1, "{\"name\": \"Hekl");
    events.input(0, " \"Askja\"");
    events.input(1, "a\", \"since\":");
    events.input(1, " 1947");
    events.input(0, "}");
    events.stop(0);
    events.input(1, "}");
    events.stop(1);
    events.end("tool_use", &usage(409, 121));
    let request = with(
        question(NOVA, "List the eruptions of Askja, and those of Hekla since 1947."),
        tools(&[volcano_tool()]),
    );
    Scenario::new("two-tools", Ask::Converse(request), [events.given()])
}

fn tools_without_arguments() -> Scenario {
    let mut events = Events::begin("tools-without-arguments", 8..20);
    events.tool(0, "current_time");
    events.stop(0);
    events.tool(1, "alert_level");
    events.input(1, "");
    events.stop(1);
    events.tool(2, "wind_direction");
    events.input(2, "{}");
    events.stop(2);
    events.end("tool_use", &usage(538, 57));
    let nothing = || json!({"type": "object", "properties": {}});
    let request = with(
        question(NOVA, "Is it safe to walk up to the crater now?"),
        tools(&[
            ("current_time", "Says what time it is.", nothing()),
            ("alert_level", "Says the volcano's alert level.", nothing()),
            ("wind_direction", "Says where the wind comes from.", nothing()),
        ]),
    );
    Scenario::new("tools-without-arguments", Ask::Converse(request), [events.given()])
}

fn tool_cut_off() -> Scenario {
    let mut events = Events::begin("tool-cut-off", 8..20);
    events.tool(0, "list_eruptions");
    events.input(0, "{\"name\": \"Eyjafj");
    events.input(0, "allajö");
    events.stop(0);
    events.end("max_tokens", &usage(405, 24));
    let request = with(
        question(CLAUDE, "List the eruptions of Eyjafjallajökull."),
        with(tools(&[volcano_tool()]), json!({"inferenceConfig": {"maxTokens": 24}})),
    );
    Scenario::new("tool-cut-off", Ask::Converse(request), [events.given()])
}

fn non_ascii() -> Scenario {
    let mut events = Events::begin("non-ascii", 8..20);
    for text in
        ["Pumice goes", " by many names: ", "軽石", " (Japanese), ", "ελαφρόπετρα", " (Greek), ", "пемза"]
    {
        events.delta(0, &json!({ "text": text }));
    }
    for text in
        [" (Russian), ", "خفاف", " (Arabic), ", "Bimsstein", " (German) – and ", "🌋🪨", " everywhere."]
    {
        events.delta(0, &json!({ "text": text }));
    }
    events.stop(0);
    events.end("end_turn", &usage(19, 96));
    let prelude = events.frame_at(3) + 5;
    let character = events.position("石".as_bytes()) + 1;
    let header = events.frame_at(5) + 30;
    let greek = events.position("φ".as_bytes()) + 1;
    let checksum = events.frame_at(7) - 2;
    let arabic = events.position("خ".as_bytes()) + 1;
    let volcano = events.position("🌋".as_bytes());
    let end = events.bytes().len();
    let mut cuts = vec![prelude, character, header, greek, checksum, arabic];
    cuts.extend((1..=7).map(|byte| volcano + byte));
    cuts.extend([events.frame_at(15), end - 1]);
    cuts.sort_unstable();
    events.cut_at(cuts);
    Scenario::new(
        "non-ascii",
        Ask::Chat(&["-m", NOVA, "What is pumice called in other languages?"]),
        [events.given()],
    )
}

fn cache() -> Scenario {
    let mut events = Events::begin("cache", 8..20);
    events.text(0, "Chapter 2 answers that: keep at least ten kilometres from the vent.");
    events.stop(0);
    events.end(
        "end_turn",
        &json!({
            "inputTokens": 14, "outputTokens": 19, "totalTokens": 4641,
            "cacheReadInputTokens": 2560, "cacheWriteInputTokens": 2048,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 1536}, {"ttl": "5m", "inputTokens": 512}]
        }),
    );
    let request = with(
        question(CLAUDE, "How far is far enough?"),
        json!({"system": [
            {"text": "You answer from the field guide to volcanoes that follows. (The guide is left out.)"},
            {"cachePoint": {"type": "default", "ttl": "1h"}}
        ]}),
    );
    Scenario::new("cache", Ask::Converse(request), [events.given()])
}

fn max_tokens() -> Scenario {
    let mut events = Events::begin("max-tokens", 8..20);
    events.text(0, "1. Collect your samples above the tide line. 2. Rinse them in fresh water. 3. Let them");
    events.stop(0);
    events.end("max_tokens", &usage(15, 24));
    Scenario::new(
        "max-tokens",
        Ask::Chat(&["-m", CLAUDE, "--max-tokens", "24", "How do I start a collection of pumice?"]),
        [events.given()],
    )
}

fn whole() -> Scenario {
    let answer = json!({
        "metrics": {"latencyMs": 312},
        "output": {"message": {
            "role": "assistant",
            "content": [{"text": "Etna, on Sicily: it has erupted in most years since records began."}]
        }},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 13, "outputTokens": 17, "serverToolUsage": {}, "totalTokens": 30}
    });
    let given = Given::json(&mut Chance::new("converse"), 200, &answer);
    let request = question(NOVA, "Which volcano of Europe is the most active?");
    Scenario::new("converse", Ask::ConverseWhole(request), [given])
}

fn structured_output() -> Scenario {
    let text = json!({"name": "Etna", "country": "Italy", "height_in_metres": 3403}).to_string();
    let answer = json!({
        "metrics": {"latencyMs": 640},
        "output": {"message": {"role": "assistant", "content": [{ "text": text }]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 171, "outputTokens": 26, "serverToolUsage": {}, "totalTokens": 197}
    });
    let given = Given::json(&mut Chance::new("structured-output"), 200, &answer);
    let schema = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "country": {"type": "string"},
            "height_in_metres": {"type": "integer"}
        },
        "required": ["name", "country", "height_in_metres"],
        "additionalProperties": false
    });
    let mut request = question(CLAUDE, "Which volcano of Europe is the most active?");
    request["outputConfig"] = json!({"textFormat": {
        "type": "json_schema",
        "structure": {"jsonSchema": {"schema": schema.to_string(), "name": "volcano"}}
    }});
    Scenario::new("structured-output", Ask::ConverseWhole(request), [given])
}

fn embedding() -> Scenario {
    let embedding = [0.125, -0.5, 0.25, 0.625, -0.375, 0.0625, 0.5, -0.25];
    let answer =
        json!({"embedding": embedding, "embeddingsByType": {"float": embedding}, "inputTextTokenCount": 4});
    let mut given = Given::json(&mut Chance::new("embedding"), 200, &answer);
    given.headers.push(("x-amzn-Bedrock-Input-Token-Count", "4".into()));
    let body = json!({"inputText": "pumice", "dimensions": 256, "normalize": true});
    Scenario::new("embedding", Ask::Invoke("amazon.titan-embed-text-v2:0", body), [given])
}

fn short_answer(name: &str) -> Events {
    let mut events = Events::begin(name, 8..20);
    events.text(0, "Vesuvius, in the year 79: its pumice fell on Pompeii for eighteen hours.");
    events.stop(0);
    events.end("end_turn", &usage(14, 22));
    events
}

const SHORT_QUESTION: Ask = Ask::Chat(&["-m", CLAUDE, "Which eruption buried Pompeii?"]);

fn throttled() -> Scenario {
    let refusal = Given::refusal(
        &mut Chance::new("throttled, refused"),
        429,
        "ThrottlingException",
        "Too many requests, please wait before trying again.",
    );
    Scenario::new("throttled", SHORT_QUESTION, [refusal, short_answer("throttled").given()])
}

fn throttled_first_frame() -> Scenario {
    let mut refused = short_answer("throttled-first-frame, refused");
    refused.chunks.truncate(1);
    refused.chunks[0].1 = support::server::exception(
        "throttlingException",
        "Too many tokens, please wait before trying again.",
    );
    let answers = [refused.given(), short_answer("throttled-first-frame").given()];
    Scenario::new("throttled-first-frame", SHORT_QUESTION, answers)
}

fn invalid() -> Scenario {
    let refusal = Given::refusal(
        &mut Chance::new("invalid"),
        400,
        "ValidationException",
        "The provided model identifier is invalid.",
    );
    let ask = Ask::Chat(&["-m", "us.anthropic.claude-vesuvius-v1:0", "Which eruption buried Pompeii?"]);
    Scenario::new("invalid", ask, [refusal]).exit(1)
}

fn exception_first() -> Scenario {
    let mut events = short_answer("exception-first");
    events.chunks.truncate(1);
    events.chunks[0].1 = support::server::exception(
        "validationException",
        "The model returned the following errors: messages.0.content.0: the image cannot be read.",
    );
    Scenario::new("exception-first", SHORT_QUESTION, [events.given()]).exit(1)
}

fn exception() -> Scenario {
    let mut events = short_answer("exception");
    events.truncate(events.frame_at(5));
    let headers = [
        (":exception-type", "modelStreamErrorException"),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    let payload = json!({
        "message": "The system encountered an unexpected error during processing. Try your request again.",
        "originalMessage": "The worker was restarted.",
        "originalStatusCode": 500
    });
    events.add_frame(support::server::frame(&headers, payload.to_string()));
    Scenario::new("exception", SHORT_QUESTION, [events.given()]).exit(5)
}

fn truncated() -> Scenario {
    let mut events = short_answer("truncated");
    events.truncate(events.frame_at(5) + 60);
    Scenario::new("truncated", SHORT_QUESTION, [events.given()]).exit(5)
}

fn broken_off() -> Scenario {
    let mut events = short_answer("broken-off");
    events.truncate(events.frame_at(4) + 7);
    let given = Given { breaks_off: true, ..events.given() };
    Scenario::new("broken-off", SHORT_QUESTION, [given]).exit(5)
}

fn without_message_stop() -> Scenario {
    let mut events = short_answer("without-message-stop");
    // messageStop and metadata are the last two.
    let frames = events.chunks.len() - 2;
    events.chunks.truncate(frames);
    Scenario::new("without-message-stop", SHORT_QUESTION, [events.given()]).exit(5)
}

fn damaged() -> Scenario {
    let mut events = short_answer("damaged");
    // The frame that the fault is in is the last that anyone reads.
    events.truncate(events.frame_at(5));
    let (_, last) = events.chunks.last_mut().unwrap();
    let text = last.windows(6).position(|window| window == b"pumice").unwrap();
    last[text] ^= 0b10;
    Scenario::new("damaged", SHORT_QUESTION, [events.given()]).exit(5)
}

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The same each time, since it is in the recordings.
const ADDRESS: &str = "127.0.0.1:8642";
const DATE: &str = "Sat, 01 Aug 2026 09:14:07 GMT";

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const CLAUDE_3_7: &str = "us.anthropic.claude-3-7-sonnet-20250219-v1:0";
const NOVA: &str = "us.amazon.nova-lite-v1:0";

/// Amazon's own examples, which open nothing. No recording has a word of them.
const CREDENTIALS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    ("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2VjEXAMPLETOKEN"),
];
