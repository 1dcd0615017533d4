//! OpenAI's Responses: its request as Converse's, the events of a response as its events.

mod encoder;
mod tools;

use pumice::converse::{
    ContentBlock, ConversationRole, ReasoningContentBlock, ReasoningTextBlock, ToolResultBlock,
    ToolResultStatus, ToolUseBlock,
};
use pumice::shape::Document;

#[cfg(test)]
pub(crate) use self::encoder::tests::served;
use self::encoder::{REDACTED, Responses};
use self::tools::Tools;
use crate::dialect::Translated;
use crate::failure::Failure;
use crate::given::{Given, INPUT, NO_PLACE, PARALLEL, json_schema, list, read_arguments};
use crate::json::{Fault, Json, Object};
use crate::media;

/// Reads a request.
pub(crate) fn read(body: &[u8]) -> Result<Translated, Failure> {
    let (translated, notes) = crate::json::read(body, translate)?;
    Ok(Translated { notes, ..translated })
}

fn translate(mut body: Object<'_>, notes: &mut Vec<Fault>) -> Result<Translated, Fault> {
    for (name, harmless) in KEPT {
        if let Some(value) = body.take(name).filter(|value| value.raw() != harmless) {
            return Err(value.expected("none, because the gateway keeps nothing of a call"));
        }
    }
    let mut given = Given::new(&mut body, notes)?;
    let mut tools = Tools::default();
    for tool in list(&mut body, "tools")? {
        tools.add(tool, None, &mut given, notes)?;
    }
    if let Some(instructions) = body.take("instructions") {
        given.instruct(vec![instructions.text()?.into_owned().into()]);
    }
    let input = body.need("input", "a text or a list of items")?;
    if input.is_text() {
        given.say(ConversationRole::User, vec![input.text()?.into_owned().into()]);
    } else {
        for item in input.items()? {
            add_item(item, &mut given, &tools, notes)?;
        }
    }
    if let Some(choice) = body.take("tool_choice") {
        tools.choose(choice, &mut given, notes)?;
    }
    if let Some(text) = body.take("text")
        && let Some(format) = text.object()?.take("format")
    {
        let mut format = format.object()?;
        let kind = format.need("type", "text, json_object or json_schema")?;
        match &*kind.text()? {
            "text" => {}
            "json_object" => given.any_json(),
            "json_schema" => json_schema(&mut format, &mut given)?,
            _ => return Err(kind.expected("text, json_object or json_schema")),
        }
    }
    if let Some(reasoning) = body.take("reasoning")
        && let Some(effort) = reasoning.object()?.take("effort")
    {
        given.think(effort)?;
    }
    if let Some(metadata) = body.take("metadata") {
        given.label(metadata, notes)?;
    }
    if let Some(key) = body.take("prompt_cache_key") {
        given.options.session = Some(key.text()?.into_owned());
    }
    if let Some(parallel) = body.take("parallel_tool_calls").filter(|parallel| parallel.raw() == "false") {
        notes.push(parallel.fault(PARALLEL));
    }
    for (name, value) in body.rest() {
        if !PASSED_OVER.contains(&name) && !["false", "0", "\"disabled\""].contains(&value.raw()) {
            notes.push(value.fault(NO_PLACE));
        }
    }
    Ok(given.translated(Responses::new(tools)))
}

fn add_item(item: Json<'_>, given: &mut Given, tools: &Tools, notes: &mut Vec<Fault>) -> Result<(), Fault> {
    let mut object = item.object()?;
    let kind = object.take("type");
    let kind_text = kind.map_or(Ok("message".into()), Json::text)?;
    match &*kind_text {
        "message" => {
            let role = object.need("role", "user, assistant, system or developer")?;
            let content = read_content(object.need("content", "a text or a list of parts")?)?;
            match &*role.text()? {
                "user" => given.say(ConversationRole::User, content),
                "assistant" => given.go_on(ConversationRole::Assistant, content),
                "system" | "developer" => given.instruct(content),
                _ => return Err(role.expected("user, assistant, system or developer")),
            }
        }
        call @ ("function_call" | "custom_tool_call") => {
            let id = object.need("call_id", "the id of the call")?.text()?;
            let name = object.need("name", "the name of a tool")?.text()?;
            let namespace = object.take("namespace").map(Json::text).transpose()?;
            let input = if call == "function_call" {
                let arguments = object.take("arguments");
                arguments.map_or(Ok(Document::default()), |arguments| read_arguments(arguments, notes))?
            } else {
                let input = object.take("input").map_or(Ok("".into()), Json::text)?;
                serde_json::json!({ INPUT: input }).into()
            };
            let name = tools.given(&name, namespace.as_deref());
            given.go_on(ConversationRole::Assistant, vec![ToolUseBlock::new(id, name, input).into()]);
        }
        "function_call_output" | "custom_tool_call_output" => {
            let id = object.need("call_id", "the id of the call")?.text()?;
            let output = read_content(object.need("output", "a text or a list of parts")?)?;
            let mut result = ToolResultBlock::new(id, Vec::new()).status(ToolResultStatus::Success);
            media::into_result(item, output, &mut result)?;
            given.say(ConversationRole::User, vec![result.into()]);
        }
        "reasoning" => given.go_on(ConversationRole::Assistant, Vec::from_iter(thought(&mut object)?)),
        _ => return Err(kind.unwrap_or(item).expected(ITEMS)),
    }
    Ok(())
}

/// Reads the content of a message, or the output of a tool: a text, or parts.
fn read_content(content: Json<'_>) -> Result<Vec<ContentBlock>, Fault> {
    if content.is_text() {
        return Ok(vec![content.text()?.into_owned().into()]);
    }
    if !content.is_list() {
        return Err(content.expected("a text or a list of parts"));
    }
    let mut blocks = Vec::new();
    for part in content.items()? {
        let mut object = part.object()?;
        let kind = object.need("type", PARTS)?;
        blocks.push(match &*kind.text()? {
            "input_text" | "output_text" | "text" => {
                object.need("text", "a text")?.text()?.into_owned().into()
            }
            "refusal" => object.need("refusal", "a text")?.text()?.into_owned().into(),
            "input_image" => media::of_url(object.need("image_url", "a data: URL")?, None)?,
            "input_file" => media::of_file_data(&mut object)?,
            _ => return Err(kind.expected(PARTS)),
        });
    }
    Ok(blocks)
}

/// A thought: its text is the summary, and `encrypted_content` is the signature, or the whole of an encrypted one.
fn thought(object: &mut Object<'_>) -> Result<Option<ContentBlock>, Fault> {
    let encrypted = object.take("encrypted_content");
    if let Some(encrypted) = encrypted
        && let Some(data) = encrypted.text()?.strip_prefix(REDACTED)
    {
        let data = media::bytes(encrypted, data)?;
        return Ok(Some(ReasoningContentBlock::RedactedContent(data).into()));
    }
    let mut text = String::new();
    for name in ["content", "summary"] {
        let parts = list(object, name)?;
        if text.is_empty() {
            for part in parts {
                text.push_str(&part.object()?.need("text", "a text")?.text()?);
            }
        }
    }
    if text.is_empty() && encrypted.is_none() {
        return Ok(None);
    }
    let mut thought = ReasoningTextBlock::new(text);
    thought.signature = encrypted.map(|signature| signature.text().map(String::from)).transpose()?;
    Ok(Some(ReasoningContentBlock::ReasoningText(thought).into()))
}

/// Members that ask for something to be kept, and the value that does not.
const KEPT: [(&str, &str); 5] = [
    ("store", "false"),
    ("previous_response_id", "null"),
    ("conversation", "null"),
    ("background", "false"),
    ("prompt", "null"),
];
/// Members that change nothing that Bedrock knows of.
const PASSED_OVER: [&str; 8] = [
    "client_metadata",
    "include",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "stream_options",
    "truncation",
    "user",
];
const ITEMS: &str =
    "message, reasoning, function_call, function_call_output, custom_tool_call or custom_tool_call_output";
const PARTS: &str = "input_text, input_image, input_file or output_text";

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "reads best in tables of JSON")]
mod tests {
    use super::*;
    use crate::recorded::{self, converse, refused};
    use serde_json::{Value, json};

    /// A body of these members, with an input where there is none.
    pub(super) fn body(members: Value) -> Value {
        let mut body = json!({"model": "m", "input": "hi"});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    }

    fn becomes(members: Value) -> Value {
        recorded::beside_messages(read, &body(members))
    }

    fn turns(input: Value, tools: Value) -> Value {
        let (request, notes) = converse(read, &json!({"model": "m", "input": input, "tools": tools}));
        assert_eq!(notes, [""; 0]);
        request["messages"].clone()
    }

    #[test]
    fn parameters() {
        let spec =
            |name: &str, schema: Value| json!({"toolSpec": {"name": name, "inputSchema": {"json": schema}}});
        let any = json!({"type": "object", "properties": {}});
        let text =
            json!({"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]});
        let function = |name: &str| json!({"type": "function", "name": name});
        for (members, sent) in [
            (json!({}), json!({})),
            (
                json!({"max_output_tokens": 5, "temperature": 0.5, "top_p": 0.25}),
                json!({"inferenceConfig": {"maxTokens": 5, "temperature": 0.5, "topP": 0.25}}),
            ),
            (json!({"instructions": "s"}), json!({"system": [{"text": "s"}]})),
            (
                json!({
                    "store": false, "previous_response_id": null, "background": false, "include": ["reasoning.encrypted_content"],
                    "client_metadata": {"a": "b"}, "user": "u", "truncation": "disabled", "parallel_tool_calls": true,
                    "reasoning": {"summary": "auto"}, "stream": false, "service_tier": "auto", "text": {"verbosity": "low"}
                }),
                json!({}),
            ),
            (json!({"metadata": {"a": "b"}}), json!({"requestMetadata": {"a": "b"}})),
            (
                json!({"text": {"format": {"type": "json_schema", "name": "n", "strict": true, "schema": {"type": "object"}}}}),
                json!({"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
                    "schema": "{\"type\":\"object\"}", "name": "n"
                }}}}}),
            ),
            (
                json!({"tools": [
                    {"type": "function", "name": "f", "description": "d", "parameters": any, "strict": false},
                    {"type": "custom", "name": "c", "description": "d", "format": {"type": "grammar", "syntax": "lark", "definition": "G"}},
                    {"type": "namespace", "name": "n", "description": "d", "tools": [function("f"), function("g")]}
                ], "tool_choice": "required"}),
                json!({"toolConfig": {"toolChoice": {"any": {}}, "tools": [
                    {"toolSpec": {"name": "f", "inputSchema": {"json": any}, "description": "d"}},
                    {"toolSpec": {"name": "c", "inputSchema": {"json": text},
                        "description": "d\n\nThe input follows this grammar:\nG"}},
                    spec("n.f", any.clone()), spec("g", any.clone())
                ]}}),
            ),
            (
                json!({"tools": [function("f"), {"type": "custom", "name": "c"}], "tool_choice": {"type": "custom", "name": "c"}}),
                json!({"toolConfig": {"toolChoice": {"tool": {"name": "c"}}, "tools": [spec("f", any.clone()), spec("c", text)]}}),
            ),
            (
                json!({"tools": [function("f"), function("g")], "tool_choice": {
                    "type": "allowed_tools", "mode": "auto", "tools": [function("g")]
                }}),
                json!({"toolConfig": {"toolChoice": {"auto": {}}, "tools": [spec("g", any.clone())]}}),
            ),
            (json!({"tools": [function("f")], "tool_choice": "none"}), json!({})),
        ] {
            assert_eq!(becomes(members.clone()), sent, "{members}");
        }
        let options =
            |members: Value| read(body(members).to_string().as_bytes()).unwrap_or_else(|_| panic!()).options;
        let asked = options(json!({"reasoning": {"effort": "high"}, "prompt_cache_key": "k"}));
        assert_eq!(asked.thinking, Some(pumice::conversation::ThinkingLevel::High));
        assert_eq!(asked.session.as_deref(), Some("k"));
        assert!(options(json!({"reasoning": {"effort": "none"}})).thinking_off);
    }

    #[test]
    fn items() {
        let user = |content: Value| json!({"role": "user", "content": content});
        let assistant = |content: Value| json!({"role": "assistant", "content": content});
        let call = |id: &str, name: &str, input: Value| json!({"toolUse": {"toolUseId": id, "name": name, "input": input}});
        let result = |id: &str, content: Value| json!({"toolResult": {"toolUseId": id, "content": content, "status": "success"}});
        let png = json!({"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="});
        let image = json!({"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}});
        let tools = json!([
            {"type": "function", "name": "f"}, {"type": "custom", "name": "c"},
            {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]}
        ]);
        let input = json!([
            {"role": "user", "content": "a"},
            {"type": "message", "id": "msg_1", "role": "user", "content": [
                {"type": "input_text", "text": "b"}, png,
                {"type": "input_file", "filename": "r.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}
            ]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "t"}], "content": null,
                "encrypted_content": "S"},
            {"type": "reasoning", "summary": [], "encrypted_content": "redacted:AAEC"},
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "u"}]},
            {"type": "reasoning", "summary": []},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "c", "annotations": []}]},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{\"a\": 1}"},
            {"type": "function_call", "call_id": "2", "name": "f", "namespace": "n", "arguments": ""},
            {"type": "custom_tool_call", "call_id": "3", "name": "c", "input": "x\ny"},
            {"type": "function_call_output", "call_id": "1", "output": "r"},
            {"type": "function_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "s"}, png]},
            {"type": "custom_tool_call_output", "call_id": "3", "output": "t"},
            {"role": "developer", "content": "now this"}
        ]);
        assert_eq!(
            turns(input, tools),
            json!([
                user(json!([{"text": "a"}])),
                user(json!([{"text": "b"}, image, {"document": {"name": "r.pdf", "source": {"bytes": "JVBERi0="}, "format": "pdf"}}])),
                assistant(json!([
                    {"reasoningContent": {"reasoningText": {"text": "t", "signature": "S"}}},
                    {"reasoningContent": {"redactedContent": "AAEC"}},
                    {"reasoningContent": {"reasoningText": {"text": "u"}}},
                    {"text": "c"}, call("1", "f", json!({"a": 1})), call("2", "n.f", json!({})),
                    call("3", "c", json!({"input": "x\ny"}))
                ])),
                user(json!([result("1", json!([{"text": "r"}]))])),
                user(json!([result("2", json!([{"text": "s"}, image]))])),
                user(json!([result("3", json!([{"text": "t"}]))])),
                {"role": "system", "content": [{"text": "now this"}]}
            ])
        );
        assert_eq!(turns(json!("a"), json!([])), json!([user(json!([{"text": "a"}]))]));
    }

    #[test]
    fn what_has_no_place_is_refused_by_name_or_dropped_with_a_note() {
        let item = |item: Value| json!({"input": [item]});
        for (members, expected) in [
            (
                json!({"store": true}),
                "store: expected none, because the gateway keeps nothing of a call, found true",
            ),
            (
                json!({"previous_response_id": "r"}),
                "previous_response_id: expected none, because the gateway keeps nothing of a call, found \"r\"",
            ),
            (json!({"input": null}), "input: expected a text or a list of items, found none"),
            (
                item(json!({"type": "item_reference", "id": "x"})),
                "input[0].type: expected message, reasoning, function_call, function_call_output, custom_tool_call or \
                 custom_tool_call_output, found \"item_reference\"",
            ),
            (
                item(
                    json!({"role": "user", "content": [{"type": "input_image", "image_url": "https://e.com/a"}]}),
                ),
                "input[0].content[0].image_url: expected a data: URL, because the gateway fetches nothing, found \
                 \"https://e.com/a\"",
            ),
            (
                item(json!({"role": "user", "content": [{"type": "input_file", "file_id": "f"}]})),
                "input[0].content[0].file_data: expected the file as a data: URL, found none",
            ),
            (
                item(json!({"type": "reasoning", "summary": [], "encrypted_content": "redacted:%"})),
                "input[0].encrypted_content: expected bytes in base64, found other characters",
            ),
            (
                item(json!({"type": "function_call", "name": "f"})),
                "input[0].call_id: expected the id of the call, found none",
            ),
        ] {
            assert_eq!(refused(read, &body(members.clone())), expected, "{members}");
        }
        let (_, notes) = converse(
            read,
            &body(json!({
                "tools": [{"type": "web_search", "external_web_access": false}], "tool_choice": {"type": "web_search"},
                "parallel_tool_calls": false, "top_logprobs": 2, "max_tool_calls": 0
            })),
        );
        assert_eq!(
            notes,
            [
                "tools[0].type: web_search not sent: Converse has no place for it",
                "tool_choice: not sent: Converse has no place for it",
                "parallel_tool_calls: not sent: Converse cannot keep a model from calling several tools at once",
                "top_logprobs: not sent: Converse has no place for it",
            ]
        );
    }

    #[test]
    #[ignore = "needs ../shared: recordings and vectors beside the project"]
    fn recorded_requests_of_codex() {
        for name in ["codex-responses-1", "codex-responses-2"] {
            let vector = support::shared::json(&format!("vectors/gateway/{name}.json"));
            let (request, notes) = recorded::prepared(read, &vector["body"]);
            assert_eq!(notes, ["tools[4].type: web_search not sent: Converse has no place for it"], "{name}");
            let names = request["toolConfig"]["tools"].as_array().unwrap();
            let names = names.iter().filter_map(|tool| tool["toolSpec"]["name"].as_str()).collect::<Vec<_>>();
            assert_eq!(
                names.get(..4),
                Some(&["exec_command", "write_stdin", "request_user_input", "close_agent"][..])
            );
            assert!(request["system"].as_array().unwrap().len() >= 3, "{name}");
            let turns = request["messages"].as_array().unwrap();
            if name == "codex-responses-2" {
                let thought = json!({"reasoningContent": {"reasoningText": {"text": "I will run it.", "signature": "ENCRYPTED=="}}});
                assert_eq!(turns[1]["content"][0], thought);
                assert_eq!(turns[1]["content"][1]["toolUse"]["input"], json!({"cmd": "echo tool-ran"}));
                assert_eq!(turns[2]["content"][0]["toolResult"]["toolUseId"], "call_1");
            } else {
                assert_eq!(turns.len(), 1, "{name}");
            }
        }
    }
}
