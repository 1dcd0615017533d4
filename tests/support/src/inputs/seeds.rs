//! Seeds of the inputs: the recordings in `fixtures/`, a few texts with every form, and other clients' captures, if their
//! folder is given.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pumice::frame::FrameDecoder;
use serde_json::Value;

use super::{Captures, TYPES};

pub fn frames(captures: Captures) -> Vec<Vec<u8>> {
    streams(captures).into_iter().map(|stream| [vec![7], stream].concat()).collect()
}

pub fn events(captures: Captures) -> Vec<Vec<u8>> {
    let recorded = streams(captures).into_iter().map(|stream| unframed(&stream));
    recorded.chain([FRAMES.iter().flat_map(|(headers, payload)| parts(headers, payload)).collect()]).collect()
}

/// Requests of the gateway's dialects. Each dialect gets those of the others too.
pub fn dialects(_: Captures) -> Vec<Vec<u8>> {
    DIALECTS.iter().map(|body| body.as_bytes().to_vec()).collect()
}

/// Settings, an operation, a request and calls, as [`pumice_capi::inputs::border`] takes them.
pub fn border(_: Captures) -> Vec<Vec<u8>> {
    let request = r#"{"modelId":"m","messages":[{"role":"user","content":[{"text":"Hi"}]}],"body":"e30="}"#;
    let settings = [
        "",
        r#"{"region":"us-east-1","profile":"p","endpointUrl":"http://127.0.0.1:1","credentials":{"bearerToken":"t"}}"#,
        r#"{"credentials":{"accessKeyId":"a","secretAccessKey":"b"},"headers":{"a":"b"},"idleTimeoutMs":5,"useFips":true}"#,
        r#"{"credentials":"none","clientCertificate":{"certificate":"-","key":"-"},"proxy":"none","maxAttempts":2}"#,
        r#"{"regoin":1}"#,
    ];
    // The first byte chooses the recording.
    let calls: [&[u8]; 6] = [
        &[0, 0, 3, 3, 4, 5],
        &[0, 1, 50, 3],
        &[1, 2, 2, 8, 2],
        &[2, 0, 3, 3, 3, 3, 3, 6],
        &[3, 2],
        &[0, 0, 8, 5, 7, 3],
    ];
    let operations = ["ConverseStream", "Converse", "InvokeModel", "Convers"];
    let mut seeds = Vec::new();
    for (number, calls) in calls.into_iter().cycle().take(24).enumerate() {
        let (settings, operation) = (settings[number % settings.len()], operations[number / 6]);
        seeds.push(
            [settings.as_bytes(), b"\n", operation.as_bytes(), b"\n", request.as_bytes(), b"\n", calls]
                .concat(),
        );
    }
    seeds
}

/// A frame with these string headers, as [`events`](super::events) takes it.
fn parts(headers: &[(&str, &str)], payload: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in headers {
        bytes.push(u8::try_from(name.len()).unwrap());
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(7);
        bytes.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(value.as_bytes());
    }
    let length = |length: usize| u16::try_from(length).unwrap().to_be_bytes();
    [&length(bytes.len())[..], &length(payload.len()), &bytes, payload.as_bytes()].concat()
}

pub fn types(captures: Captures) -> Vec<Vec<u8>> {
    let mut texts = Vec::new();
    for line in recordings(captures).iter().flat_map(|text| text.split(|byte| *byte == b'\n')) {
        let Ok(line) = serde_json::from_slice::<Value>(line) else { continue };
        if let Some(request) = line["request"]["json"].as_object() {
            let mut request = request.clone();
            request.insert("modelId".into(), "m".into());
            texts.push(Value::from(request).to_string());
        }
        texts.extend(line["chunk"]["text"].as_str().map(str::to_owned));
        texts.extend(
            line["event"].as_object().into_iter().flat_map(|event| event.values()).map(Value::to_string),
        );
    }
    for capture in captured(captures, "json") {
        let Ok(capture) = serde_json::from_slice::<Value>(&capture) else { continue };
        if let Some(body) = capture["request"]["body"].as_object() {
            let mut body = body.clone();
            body.insert("modelId".into(), "m".into());
            texts.push(Value::from(body).to_string());
        }
        if let Some(body) = capture["response"]["body_b64"].as_str() {
            texts.extend(STANDARD.decode(body).ok().and_then(|body| String::from_utf8(body).ok()));
        }
    }
    texts.extend(CONVERSATIONS.map(str::to_owned));
    texts.sort();
    texts.dedup();
    // Each text for the types that it fits, by its members. The fuzzer finds the rest.
    let mut seeds = Vec::new();
    for text in texts.iter().filter(|text| text.len() < LONGEST) {
        for which in 0..TYPES.len() {
            if which == 0 || which == 1 || which == TYPES.len() - 1 || text.len() < 400 {
                seeds.push([&[u8::try_from(which).unwrap()], text.as_bytes()].concat());
            }
        }
    }
    seeds
}

pub fn profiles(_: Captures) -> Vec<Vec<u8>> {
    PROFILES.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub fn settings(_: Captures) -> Vec<Vec<u8>> {
    SETTINGS.map(|text| text.as_bytes().to_vec()).to_vec()
}

pub fn recordings(_: Captures) -> Vec<Vec<u8>> {
    files(&crate::repository().join("fixtures"), "jsonl")
}

pub fn arguments(captures: Captures) -> Vec<Vec<u8>> {
    let mut seeds = ARGUMENTS.map(|text| [b"\x03", text.as_bytes()].concat()).to_vec();
    for stream in streams(captures) {
        let mut decoder = FrameDecoder::new();
        decoder.push(stream);
        let mut json = String::new();
        while let Ok(Some(frame)) = decoder.next_frame() {
            let payload = serde_json::from_slice::<Value>(frame.payload()).unwrap_or_default();
            json.push_str(payload["delta"]["toolUse"]["input"].as_str().unwrap_or_default());
        }
        seeds.extend((!json.is_empty()).then(|| [b"\x06", json.as_bytes()].concat()));
    }
    seeds
}

/// The bodies of every recorded stream.
fn streams(captures: Captures) -> Vec<Vec<u8>> {
    let mut streams = captured(captures, "bin");
    for recording in recordings(captures) {
        let mut body = Vec::new();
        for line in recording.split(|byte| *byte == b'\n') {
            let line = serde_json::from_slice::<Value>(line).unwrap_or_default();
            body.extend(STANDARD.decode(line["chunk"]["base64"].as_str().unwrap_or_default()).unwrap());
        }
        streams.extend((!body.is_empty()).then_some(body));
    }
    streams.retain(|stream| stream.len() < LONGEST);
    streams
}

/// A stream without preludes and checksums, as [`events`](super::events) takes it.
fn unframed(mut stream: &[u8]) -> Vec<u8> {
    let mut parts = Vec::new();
    while let Some((prelude, _)) = stream.split_first_chunk::<12>() {
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
        let (total, headers) = (number(&prelude[..4]), number(&prelude[4..8]));
        let Some(frame) = stream.get(..total).filter(|frame| frame.len() >= 16 + headers) else { break };
        let payload = total - 16 - headers;
        let (Ok(h), Ok(p)) = (u16::try_from(headers), u16::try_from(payload)) else { break };
        parts.extend(h.to_be_bytes());
        parts.extend(p.to_be_bytes());
        parts.extend_from_slice(&frame[12..total - 4]);
        stream = &stream[total..];
    }
    parts
}

fn captured(captures: Captures, extension: &str) -> Vec<Vec<u8>> {
    let entries = captures.into_iter().flat_map(|captures| std::fs::read_dir(captures).unwrap());
    let folders = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    folders.flat_map(|folder| files(&folder, extension)).collect()
}

/// In the order of their names.
fn files(folder: &Path, extension: &str) -> Vec<Vec<u8>> {
    let mut files =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<PathBuf>>();
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    files.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// What recordings rarely have: white space, unknown members, failures.
const FRAMES: [(&[(&str, &str)], &str); 6] = [
    (
        &[(":message-type", "event"), (":event-type", "messageStart")],
        "{\n \"role\": \"assistant\",\r\n \"new\": [1,\n 2] }",
    ),
    (&[(":message-type", "event"), (":event-type", "unheardOf")], "{\"a\": {\n\"b\": null}}"),
    (&[(":event-type", "chunk")], "{\"bytes\":\"eyJ9\",\"p\":\"ab\"}"),
    (
        &[(":message-type", "exception"), (":exception-type", "modelStreamErrorException")],
        "{\"message\":\"m\",\"originalStatusCode\":500,\"originalMessage\":\"o\"}",
    ),
    (&[(":message-type", "exception"), (":exception-type", "x")], "not JSON"),
    (&[(":message-type", "error"), (":error-code", "InternalFailure"), (":error-message", "e")], ""),
];

/// Longer seeds would only slow a fuzzer down.
const LONGEST: usize = 32 * 1024;

const CONVERSATIONS: [&str; 2] = [
    r#"{"model":{"id":"us.anthropic.claude-sonnet-4-5-20250929-v1:0","reasoning":true,"maxTokens":64000,"input":["text","image"],"cost":{"input":3,"output":15,"cacheRead":0.3,"cacheWrite":3.75}},"context":{"systemPrompt":"Be brief.","messages":[{"role":"user","content":"Hi\ud83d\ude00\ud83d"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","thinkingSignature":"sig"},{"type":"text","text":"Let me look."},{"type":"toolCall","id":"call|1","name":"read file","arguments":{"path":"a"}}],"stopReason":"toolUse"},{"role":"toolResult","toolCallId":"call|1","toolName":"read file","content":[{"type":"text","text":"x"},{"type":"image","data":"AAAA","mimeType":"image/png"}],"isError":false},{"role":"user","content":[{"type":"text","text":""}]}],"tools":[{"name":"read file","description":"reads","parameters":{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}}]},"options":{"reasoning":"low","cacheRetention":"long","toolChoice":"any","temperature":0.5}}"#,
    r#"{"model":{"id":"amazon.nova-lite-v1:0"},"context":{"messages":[{"role":"assistant","content":[{"type":"toolCall","id":"1","name":"n","arguments":{}}]},{"role":"user","content":"and?"}],"tools":[{"name":"n","description":"","parameters":{"type":"object","properties":{"a":{"anyOf":[{"type":"null"},{"type":"array","items":{"type":"string"}}]}}},"constrainedSampling":{"mode":"strict"}}]}}"#,
];

const PROFILES: [&str; 3] = [
    "# c\n[default]\nregion = eu-central-1 ; c\n[profile work]\nsso_session = corp\nservices = mine\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = default\n[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://x.awsapps.com/start#\n[services mine]\nbedrock_runtime =\n  endpoint_url = https://vpce-1.example.com\n\0[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = abc/def+ghi=\naws_session_token = x\n  y\n  # z\n",
    "\u{feff}[profile default]\r\nuse_fips_endpoint=true\r\n[ profile  a.b/c ]\nregion=x\nendpoint_url = http://[::1]:8080/p%20q/\n[other thing]\nkey = v\n",
    "[default]\na =\n b = c\n d=\n;x\n[default]\na = e\nA = f\n=g\n",
];

const SETTINGS: [&str; 4] = [
    "agents.defaults.model.primary\namazon-bedrock/us.amazon.nova-lite-v1:0\n{\n  // models\n  models: {\n    bedrockDiscovery: { enabled: true, region: 'us-east-1', providerFilter: ['anthropic'], refreshInterval: 3600, },\n    providers: { \"amazon-bedrock\": { baseUrl: \"https://bedrock-runtime.us-east-1.amazonaws.com\", apiKey: \"k\", headers: { a: 'b' }, models: [ { id: \"m\", input: [\"text\"], cost: { input: 1, output: 2 }, contextWindow: 0x10 } ] } },\n  },\n}\n",
    "models.providers[\"amazon-bedrock\"].models[0].name\n\"x\"\n{ agents: { defaults: { model: { primary: 'a', fallbacks: ['b',], }, models: { 'amazon-bedrock/m': { alias: 'n', params: { temperature: .5, maxTokens: 1e3 } } } } } }",
    "a.b\n{c: [1, /* d */ 2,]}\n/* nothing */",
    "plugins.entries.amazon-bedrock.config.guardrail.trace\nenabled\n{\"plugins\":{\"entries\":{\"amazon-bedrock\":{\"config\":{\"guardrail\":{\"guardrailIdentifier\":\"g\",\"guardrailVersion\":\"1\"}}}}}}",
];

const ARGUMENTS: [&str; 6] = [
    "",
    r#"{"k\u00e9y": "a\\b\u00e9\ud83d\ude00\n", "n": [1.5, {"": true}, "z"], "o": {"p": "q"}}"#,
    r#"{"a": "C:\dir", "b": -1.5e-3, "c": null, "a": 12345678901234567890123}"#,
    "{\"a\": \"x\ny\t\u{1f600}\"} ",
    r#"{"a": [[[[[[{"b": []}]]]]]], "c": "\ud83d\ud83d\ude00\ude00"}"#,
    r#"[1, "x", true]"#,
];

const DIALECTS: [&str; 8] = [
    r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":9,"stop":["x"],"temperature":0.5,"messages":[{"role":"system","content":"s"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}}]},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"a.b","arguments":"{\"x\":1}"}}],"reasoning_content":"r","thinking_blocks":[{"type":"thinking","thinking":"r","signature":"s"}]},{"role":"tool","tool_call_id":"c1","content":"ok"}],"tools":[{"type":"function","function":{"name":"a.b","description":"d","parameters":{"type":"object","properties":{"x":{"type":"integer"}}},"strict":true}}],"tool_choice":{"type":"function","function":{"name":"a.b"}},"parallel_tool_calls":false,"reasoning_effort":"low","response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}},"metadata":{"a":"b"},"service_tier":"flex"}"#,
    r#"{"model":"m","messages":[{"role":"user","content":"a"},{"role":"assistant","function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"1"}],"functions":[{"name":"f"}],"function_call":"auto","n":1,"seed":4,"logprobs":false}"#,
    r#"{"model":"m","stream":true,"store":false,"instructions":"i","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo="}]},{"type":"reasoning","encrypted_content":"eyJ9","summary":[]},{"type":"function_call","call_id":"c","name":"n.f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"b"}]},{"type":"custom_tool_call","call_id":"d","name":"g","input":"x"},{"type":"custom_tool_call_output","call_id":"d","output":"y"}],"tools":[{"type":"function","name":"f","parameters":{"type":"object"}},{"type":"custom","name":"g"},{"type":"namespace","name":"n","tools":[{"type":"function","name":"f"}]},{"type":"web_search"}],"tool_choice":"auto","text":{"format":{"type":"json_object"}},"reasoning":{"effort":"high","summary":"auto"},"max_output_tokens":9,"include":["reasoning.encrypted_content"],"prompt_cache_key":"k"}"#,
    r#"{"model":"m","input":"a"}"#,
    r#"{"model":"m","max_tokens":9,"stream":true,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral","ttl":"1h"}}],"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}},{"type":"document","source":{"type":"text","media_type":"text/plain","data":"d"},"title":"t","citations":{"enabled":true}}]},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"AAEC"},{"type":"tool_use","id":"c","name":"f","input":{"x":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","is_error":true,"content":[{"type":"text","text":"r"}]}]}],"tools":[{"name":"f","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}}],"tool_choice":{"type":"any","disable_parallel_tool_use":true},"thinking":{"type":"enabled","budget_tokens":1024},"stop_sequences":["x"],"metadata":{"user_id":"u"},"context_management":{"edits":[]}}"#,
    r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a"}]}"#,
    r#"{"model":"amazon.titan-embed-text-v2:0","input":["a","b"],"dimensions":256,"encoding_format":"base64"}"#,
    r#"{"model":"cohere.embed-english-v3","input":"a","encoding_format":"float","user":"u"}"#,
];
