//! A response of Converse as the events of ConverseStream: some models respond, or take tools, only without streaming.

use std::fmt::Write as _;

use bytes::Bytes;

use crate::client::Client;
use crate::converse::ConverseRequest;
use crate::frame::seal;
use crate::shape::{Document, Members};
use crate::stream::EventStream;
use crate::{Error, ErrorKind, Result};

/// Calls Converse, and gives its response as a stream that has arrived already.
pub(super) async fn converse(client: &Client, request: &ConverseRequest) -> Result<EventStream> {
    let (head, body) = client.converse_whole(request).await?;
    let frames = frames(&body).ok_or_else(|| {
        Error::new(ErrorKind::Damaged, "expected a Converse response, found JSON of another form")
    })?;
    Ok(EventStream::arrived(head, frames))
}

/// The frames of the events that ConverseStream would have sent.
fn frames(body: &[u8]) -> Option<Bytes> {
    let members = |document: &Document| document.read::<Members>().ok();
    let response = members(&Document::parse(std::str::from_utf8(body).ok()?).ok()?)?;
    let message = members(members(response.named("output")?)?.named("message")?)?;
    let mut frames = Vec::new();
    let mut event = |kind: &str, payload: &str| write_frame(&mut frames, kind, payload);
    event("messageStart", r#"{"role":"assistant"}"#);
    for (index, block) in message.named("content")?.read::<Vec<Document>>().ok()?.iter().enumerate() {
        let block = members(block)?;
        let Some((kind, content)) = block.iter().next() else { continue };
        let mut delta = |name: &str, delta: &str| {
            let payload = format!(r#"{{"contentBlockIndex":{index},"delta":{{"{name}":{delta}}}}}"#);
            event("contentBlockDelta", &payload);
        };
        match kind {
            "text" => delta("text", content.text()),
            "reasoningContent" => {
                let content = members(content)?;
                if let Some(redacted) = content.named("redactedContent") {
                    delta("reasoningContent", &format!(r#"{{"redactedContent":{}}}"#, redacted.text()));
                }
                let thoughts = content.named("reasoningText").and_then(members).unwrap_or_default();
                for (name, value) in thoughts.iter() {
                    delta("reasoningContent", &format!(r#"{{"{name}":{}}}"#, value.text()));
                }
            }
            "citationsContent" => {
                let content = members(content)?;
                let list = |name| content.named(name).and_then(|list| list.read::<Vec<Document>>().ok());
                for text in list("content").unwrap_or_default() {
                    delta("text", members(&text)?.named("text")?.text());
                }
                for citation in list("citations").unwrap_or_default() {
                    delta("citation", citation.text());
                }
            }
            "toolUse" | "toolResult" | "image" => {
                let mut start = members(content)?;
                let rest = match kind {
                    "toolUse" => {
                        let input = serde_json::to_string(start.remove("input")?.text()).ok()?;
                        format!(r#"{{"input":{input}}}"#)
                    }
                    "toolResult" => start.remove("content")?.text().to_owned(),
                    _ => {
                        let source = start.remove("source").unwrap_or_default();
                        format!(r#"{{"source":{}}}"#, source.text())
                    }
                };
                let start = Document::write(&start).ok()?;
                let payload =
                    format!(r#"{{"contentBlockIndex":{index},"start":{{"{kind}":{}}}}}"#, start.text());
                event("contentBlockStart", &payload);
                let payload = format!(r#"{{"contentBlockIndex":{index},"delta":{{"{kind}":{rest}}}}}"#);
                event("contentBlockDelta", &payload);
            }
            _ => {}
        }
        event("contentBlockStop", &format!(r#"{{"contentBlockIndex":{index}}}"#));
    }
    for (kind, names) in ENDS {
        let mut payload = String::from("{");
        for name in *names {
            if let Some(value) = response.named(name) {
                let comma = if payload.len() > 1 { "," } else { "" };
                write!(payload, r#"{comma}"{name}":{}"#, value.text()).ok()?;
            }
        }
        payload.push('}');
        event(kind, &payload);
    }
    Some(frames.into())
}

/// Writes a frame of `application/vnd.amazon.eventstream`.
fn write_frame(frames: &mut Vec<u8>, kind: &str, payload: &str) {
    let begin = frames.len();
    // The lengths and the checksums are filled in at the end.
    frames.extend([0; 12]);
    for (name, value) in [(":message-type", "event"), (":event-type", kind)] {
        frames.extend(u8::try_from(name.len()));
        frames.extend_from_slice(name.as_bytes());
        // A string, and its length in two bytes.
        frames.extend([7, 0]);
        frames.extend(u8::try_from(value.len()));
        frames.extend_from_slice(value.as_bytes());
    }
    let headers = frames.len() - begin - 12;
    frames.extend_from_slice(payload.as_bytes());
    frames.extend([0; 4]);
    let whole = frames.len() - begin;
    let Some(frame) = frames.get_mut(begin..) else { return };
    for (at, length) in [(0, whole), (4, headers)] {
        if let (Some(field), Ok(length)) = (frame.get_mut(at..at + 4), u32::try_from(length)) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }
    if let Some(prelude) = frame.get_mut(..12) {
        seal(prelude);
    }
    seal(frame);
}

/// The events at the end, and the members that they have of the response.
const ENDS: &[(&str, &[&str])] = &[
    ("messageStop", &["stopReason", "additionalModelResponseFields"]),
    ("metadata", &["usage", "metrics", "trace", "performanceConfig", "serviceTier"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;
    use crate::frame::FrameDecoder;
    use crate::reply::ReplyBuilder;

    #[test]
    fn a_whole_response_is_that_of_its_events() {
        let body = r#"{"output": {"message": {"role": "assistant", "content": [
            {"reasoningContent": {"reasoningText": {"text": "Hm \u00e9", "signature": "s"}}},
            {"reasoningContent": {"redactedContent": "AAEC"}},
            {"text": "a\nb"},
            {"toolUse": {"toolUseId": "1", "name": "t", "input": {"n": 12345678901234567890123, "s": "\""}}},
            {"toolUse": {"toolUseId": "2", "name": "u", "input": {}}},
            {"toolUse": {"toolUseId": "3", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}},
            {"toolResult": {"toolUseId": "3", "content": [{"json": {"n": 1}}, {"text": "t"}], "status": "success",
                "type": "nova_grounding_result"}},
            {"image": {"format": "png", "source": {"bytes": "AAEC"}}}
        ]}}, "stopReason": "tool_use", "additionalModelResponseFields": {"x": 1},
            "usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}, "metrics": {"latencyMs": 5}}"#;
        let mut decoder = FrameDecoder::new();
        decoder.push(frames(body.as_bytes()).unwrap());
        let mut reply = ReplyBuilder::new();
        while let Some(frame) = decoder.next_frame().unwrap() {
            reply.push(Event::from_frame(&frame).unwrap());
        }
        decoder.finish().unwrap();
        let response = reply.finish();
        assert!(serde_json::to_string(&response).unwrap().contains("12345678901234567890123"));
        let whole = serde_json::from_str::<serde_json::Value>(body).unwrap();
        assert_eq!(serde_json::to_value(response).unwrap(), whole);
        assert!(frames(b"{}").is_none());
    }
}
