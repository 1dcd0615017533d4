//! A tool loop: run the tools that the model calls and send it their results, until it calls none.
//! `cargo run --example tool_loop`
//!
//! The responses come from a recording, so this runs without network and account. In your program, use
//! `Client::from_env()`. The model thinks, calls two tools at once, and then says what it found.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use pumice::pi::{
    self, AssistantEvent, AssistantMessage, Context, Input, Message, Model, Options, Tool, ToolCall,
    ToolResultMessage,
};
use pumice::transport::Replay;
use pumice::{Client, Config};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    run(&recorded(Config::new())?, &mut std::io::stdout()).await
}

pub(crate) async fn run(client: &Client, output: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let model =
        Model::new("us.anthropic.claude-sonnet-4-5-20250929-v1:0").reasoning(true).max_tokens(64000u64);
    let location =
        json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let context = Context::new()
        .system_prompt("Answer in one sentence.")
        .message(Message::user("Is it a good day to climb Vesuvius?"))
        .tool(Tool::new("weather").description("The weather in a city.").parameters(location.clone()))
        .tool(
            Tool::new("alert_level")
                .description("The volcanic alert level near a city.")
                .parameters(location),
        );
    let mut input = Input::new(model, context).options(Options::new().reasoning("low"));

    loop {
        let reply = ask(client, &input, output).await?;
        let results =
            reply.tool_calls().map(|call| call_tool(call, output)).collect::<Result<Vec<_>, _>>()?;
        let messages = input.context.messages.get_or_insert_default();
        // Unchanged: its thinking is signed, and the model requires it in the next request.
        messages.push(reply.into());
        if results.is_empty() {
            return Ok(());
        }
        messages.extend(results);
    }
}

/// Sends the conversation and writes the response as it arrives.
async fn ask(
    client: &Client,
    input: &Input,
    output: &mut impl Write,
) -> Result<AssistantMessage, Box<dyn Error>> {
    let mut events = pi::stream(client, input).await;
    while let Some(event) = events.next_event().await {
        match event {
            AssistantEvent::ThinkingDelta { delta, .. } | AssistantEvent::TextDelta { delta, .. } => {
                write!(output, "{delta}")?;
                output.flush()?;
            }
            AssistantEvent::ThinkingEnd { .. } | AssistantEvent::TextEnd { .. } => writeln!(output)?,
            AssistantEvent::Done { message } => return Ok(*message),
            AssistantEvent::Error { error } => return Err(error.error_message.unwrap_or_default().into()),
            _ => {}
        }
    }
    Err("expected the event done, found the end".into())
}

fn call_tool(call: &ToolCall, output: &mut impl Write) -> std::io::Result<Message> {
    let arguments =
        call.arguments.as_ref().and_then(|arguments| arguments.read::<Value>().ok()).unwrap_or_default();
    let city = arguments.get("city").and_then(Value::as_str).unwrap_or_default();
    let (result, failed) = match (&call.arguments_error, call.name.as_str()) {
        // The model reads the error and tries again.
        (Some(fault), _) => (fault.clone(), true),
        (None, "weather") => (format!("{city}: 24 °C, light wind, no clouds"), false),
        (None, "alert_level") => (format!("{city}: green"), false),
        (None, other) => (format!("there is no tool {other}"), true),
    };
    writeln!(output, "[{}({city}): {result}]", call.name)?;
    let message = ToolResultMessage::new(call.id.as_str()).tool_name(call.name.as_str());
    Ok(Message::ToolResult(message.content(result).is_error(failed)))
}

/// A client that responds from a recording.
pub(crate) fn recorded(config: Config) -> pumice::Result<Client> {
    let recording = Replay::parse(&recording())?;
    Ok(Client::new(config.without_credentials().transport(Arc::new(recording))))
}

/// The recording, with one exchange per call. Yours comes from a file: `pumice stream --record FILE`.
fn recording() -> String {
    let thinking = json!({"reasoningContent": {"text": "I need the weather and the alert level."}});
    let first = [
        ("messageStart", json!({"role": "assistant"})),
        ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": thinking})),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "c2lnbmVk"}}}),
        ),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "1", "name": "weather"}}}),
        ),
        (
            "contentBlockStart",
            json!({"contentBlockIndex": 2, "start": {"toolUse": {"toolUseId": "2", "name": "alert_level"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 1, "delta": {"toolUse": {"input": "{\"city\": \"Na"}}}),
        ),
        (
            "contentBlockDelta",
            json!({"contentBlockIndex": 2, "delta": {"toolUse": {"input": "{\"city\": \"Naples\"}"}}}),
        ),
        ("contentBlockDelta", json!({"contentBlockIndex": 1, "delta": {"toolUse": {"input": "ples\"}"}}})),
        ("contentBlockStop", json!({"contentBlockIndex": 1})),
        ("contentBlockStop", json!({"contentBlockIndex": 2})),
        ("messageStop", json!({"stopReason": "tool_use"})),
    ];
    let text = "Yes: it is warm and clear, and the volcano is quiet.";
    let second = [
        ("messageStart", json!({"role": "assistant"})),
        ("contentBlockDelta", json!({"contentBlockIndex": 0, "delta": {"text": text}})),
        ("contentBlockStop", json!({"contentBlockIndex": 0})),
        ("messageStop", json!({"stopReason": "end_turn"})),
        ("metadata", json!({"usage": {"inputTokens": 812, "outputTokens": 17, "totalTokens": 829}})),
    ];
    let mut lines = vec![json!({"recording": {"version": 1, "by": "an example"}})];
    for (number, events) in [&first[..], &second[..]].into_iter().enumerate() {
        let exchange = number + 1;
        let frames =
            events.iter().flat_map(|(event_type, payload)| frame(event_type, payload)).collect::<Vec<_>>();
        let headers = json!({"content-type": "application/vnd.amazon.eventstream"});
        lines.extend([
            json!({"request": {
                "exchange": exchange, "operation": "ConverseStream", "method": "POST",
                "url": "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse-stream", "headers": {}
            }}),
            json!({"response": {"exchange": exchange, "afterMs": 0.0, "status": 200, "headers": headers}}),
            json!({"chunk": {"exchange": exchange, "afterMs": 0.0, "base64": pumice::shape::Blob::from(frames).to_base64()}}),
            json!({"end": {"exchange": exchange, "afterMs": 0.0}}),
        ]);
    }
    lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
}

/// An event in the frame that Bedrock sends it in.
fn frame(event_type: &str, payload: &Value) -> Vec<u8> {
    use aws_smithy_eventstream::frame::write_message_to;
    use aws_smithy_types::event_stream::{Header, HeaderValue, Message};

    let header =
        |name: &'static str, value: &str| Header::new(name, HeaderValue::String(value.to_owned().into()));
    let headers = vec![
        header(":event-type", event_type),
        header(":content-type", "application/json"),
        header(":message-type", "event"),
    ];
    let mut bytes = Vec::new();
    let written = write_message_to(&Message::new_from_parts(headers, payload.to_string()), &mut bytes);
    assert!(written.is_ok(), "a frame of a few hundred bytes fits");
    bytes
}
