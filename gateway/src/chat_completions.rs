//! OpenAI's Chat Completions: its request as Converse's, the events of a response as its chunks.

mod encoder;

use std::collections::HashSet;

use pumice::converse::{
    AudioBlock, AudioSource, ContentBlock, ConversationRole, ReasoningContentBlock, ReasoningTextBlock,
    ToolResultBlock, ToolResultStatus, ToolUseBlock,
};
use pumice::shape::Document;

use self::encoder::Chat;
#[cfg(test)]
pub(crate) use self::encoder::tests::served;
use crate::dialect::Translated;
use crate::failure::Failure;
use crate::given::{
    FunctionTool, Given, NO_PLACE, PARALLEL, cache_point, function, json_schema, list, read_arguments,
};
use crate::json::{Fault, Json, Object};
use crate::media;

/// Reads a request.
pub(crate) fn read(body: &[u8]) -> Result<Translated, Failure> {
    let (translated, notes) = crate::json::read(body, translate)?;
    Ok(Translated { notes, ..translated })
}

fn translate(mut body: Object<'_>, notes: &mut Vec<Fault>) -> Result<Translated, Fault> {
    let mut given = Given::new(&mut body, notes)?;
    let mut functions = Functions::default();
    for message in body.need("messages", "a list of messages")?.items()? {
        add_message(message, &mut given, &mut functions, notes)?;
    }
    for tool in list(&mut body, "tools")? {
        add_tool(tool, &mut given)?;
    }
    let mut legacy = false;
    for tool in list(&mut body, "functions")? {
        legacy = true;
        given.tool(function(&mut tool.object()?, "parameters")?)?;
    }
    if let Some(choice) = body.take("tool_choice") {
        choose(choice, &mut given)?;
    }
    if let Some(choice) = body.take("function_call") {
        if choice.is_text() {
            given.choose(choice, &choice.text()?, None)?;
        } else {
            let name = choice.object()?.need("name", "the name of a function")?;
            given.choose(name, "", Some(&name.text()?))?;
        }
    }
    if let Some(format) = body.take("response_format") {
        set_format(format, &mut given)?;
    }
    if let Some(effort) = body.take("reasoning_effort") {
        given.think(effort)?;
    }
    if let Some(thinking) = body.take("thinking") {
        given.thinking(thinking)?;
    }
    if let Some(metadata) = body.take("metadata") {
        given.label(metadata, notes)?;
    }
    if let Some(config) = body.take("guardrailConfig") {
        let read = config.document()?.read();
        given.request.guardrail_config =
            Some(read.map_err(|_| config.expected("a guardrailConfig of Converse"))?);
    }
    if let Some(config) = body.take("performanceConfig") {
        let read = config.document()?.read();
        given.request.performance_config =
            Some(read.map_err(|_| config.expected("a performanceConfig of Converse"))?);
    }
    let options = body.take("stream_options").map(Json::object).transpose()?;
    let usage = options.and_then(|mut options| options.take("include_usage"));
    let include_usage = usage.map(Json::bool).transpose()? == Some(true);
    if let Some(parallel) = body.take("parallel_tool_calls").filter(|parallel| parallel.raw() == "false") {
        notes.push(parallel.fault(PARALLEL));
    }
    if let Some(n) = body.take("n").filter(|n| n.raw() != "1") {
        return Err(n.expected("1, because Bedrock gives one response"));
    }
    for (name, value) in body.rest() {
        let harmless = PASSED_OVER.contains(&name) || value.raw() == "false";
        if !harmless {
            notes.push(value.fault(NO_PLACE));
        }
    }
    Ok(given.translated(Chat::new(include_usage, legacy)))
}

/// The calls of functions, before there were tools: a result names the function, and has no id.
#[derive(Default)]
struct Functions {
    calls: usize,
}

impl Functions {
    fn id(&self) -> String {
        format!("call_{}", self.calls)
    }
}

fn add_message(
    message: Json<'_>,
    given: &mut Given,
    functions: &mut Functions,
    notes: &mut Vec<Fault>,
) -> Result<(), Fault> {
    let mut object = message.object()?;
    let role = object.need("role", "system, developer, user, assistant or tool")?;
    let mut content = Vec::new();
    if let Some(given) = object.take("content") {
        read_content(given, &mut content)?;
    }
    let point = cache_point(&mut object)?;
    match &*role.text()? {
        "system" | "developer" => {
            content.extend(point.map(ContentBlock::CachePoint));
            given.instruct(content);
        }
        "user" => {
            content.extend(point.map(ContentBlock::CachePoint));
            given.say(ConversationRole::User, content);
        }
        "assistant" => {
            let mut blocks = thoughts(&mut object)?;
            blocks.append(&mut content);
            if let Some(refusal) = object.take("refusal") {
                blocks.push(ContentBlock::Text(refusal.text()?.into_owned()));
            }
            for call in list(&mut object, "tool_calls")? {
                let mut call = call.object()?;
                let id = call.need("id", "the id of the call")?.text()?.into_owned();
                let function = call.need("function", "an object with name and arguments")?;
                blocks.push(tool_use(id, function, notes)?);
                blocks.extend(cache_point(&mut call)?.map(ContentBlock::CachePoint));
            }
            if let Some(call) = object.take("function_call") {
                functions.calls += 1;
                blocks.push(tool_use(functions.id(), call, notes)?);
            }
            blocks.extend(point.map(ContentBlock::CachePoint));
            given.say(ConversationRole::Assistant, blocks);
        }
        of_tool @ ("tool" | "function") => {
            let id = match of_tool {
                "tool" => object.need("tool_call_id", "the id of the call")?.text()?.into_owned(),
                _ => functions.id(),
            };
            let mut result = ToolResultBlock::new(id, Vec::new()).status(ToolResultStatus::Success);
            let points = media::into_result(message, content, &mut result)?;
            let mut blocks = vec![ContentBlock::ToolResult(result)];
            blocks.extend(points);
            blocks.extend(point.map(ContentBlock::CachePoint));
            given.say(ConversationRole::User, blocks);
        }
        _ => return Err(role.expected("system, developer, user, assistant or tool")),
    }
    Ok(())
}

/// Reads the content of a message: a text, or parts.
fn read_content(content: Json<'_>, blocks: &mut Vec<ContentBlock>) -> Result<(), Fault> {
    if content.is_text() {
        blocks.push(ContentBlock::Text(content.text()?.into_owned()));
        return Ok(());
    }
    if !content.is_list() {
        return Err(content.expected("a text or a list of parts"));
    }
    for part in content.items()? {
        if part.is_text() {
            blocks.push(ContentBlock::Text(part.text()?.into_owned()));
            continue;
        }
        let mut object = part.object()?;
        let kind = object.need("type", "text, image_url, file or input_audio")?;
        blocks.push(match &*kind.text()? {
            "text" => object.need("text", "a text")?.text()?.into_owned().into(),
            "refusal" => object.need("refusal", "a text")?.text()?.into_owned().into(),
            "image_url" => {
                let image = object.need("image_url", "an object with url")?;
                let url = if image.is_text() { image } else { image.object()?.need("url", "a data: URL")? };
                media::of_url(url, None)?
            }
            "file" => media::of_file_data(&mut object.need("file", "an object with file_data")?.object()?)?,
            "input_audio" => {
                let mut audio = object.need("input_audio", "an object with data and format")?.object()?;
                let data = audio.need("data", "the audio in base64")?;
                let format = audio.need("format", "the format of the audio, such as wav")?.text()?;
                let bytes = media::bytes(data, &data.text()?)?;
                AudioBlock::new(&*format, AudioSource::Bytes(bytes)).into()
            }
            _ => return Err(kind.expected("text, image_url, file or input_audio")),
        });
        blocks.extend(cache_point(&mut object)?.map(ContentBlock::CachePoint));
    }
    Ok(())
}

/// The thoughts of a message: in blocks with signatures, or as a text.
fn thoughts(object: &mut Object<'_>) -> Result<Vec<ContentBlock>, Fault> {
    let mut thoughts = Vec::<ReasoningContentBlock>::new();
    let text = object.take("reasoning_content").map_or(Ok("".into()), Json::text)?;
    let mut last = None;
    for block in list(object, "thinking_blocks")? {
        let mut block = block.object()?;
        let kind = block.need("type", "thinking or redacted_thinking")?;
        // A client may have kept the pieces of a stream as they came.
        let index = block.take("index").map(Json::raw);
        let goes_on = index.is_some() && index == last;
        last = index;
        match &*kind.text()? {
            "thinking" => {
                let more = block.take("thinking").map_or(Ok("".into()), Json::text)?;
                let signature = block.take("signature").map(Json::text).transpose()?;
                let signature = signature.filter(|signature| !signature.is_empty()).map(String::from);
                if let Some(ReasoningContentBlock::ReasoningText(thought)) = thoughts.last_mut()
                    && goes_on
                {
                    thought.text.push_str(&more);
                    thought.signature = signature.or(thought.signature.take());
                } else {
                    let mut thought = ReasoningTextBlock::new(&*more);
                    thought.signature = signature;
                    thoughts.push(thought.into());
                }
            }
            "redacted_thinking" => {
                let data = block.need("data", "the thought in base64")?;
                let data = media::bytes(data, &data.text()?)?;
                thoughts.push(ReasoningContentBlock::RedactedContent(data));
            }
            _ => return Err(kind.expected("thinking or redacted_thinking")),
        }
    }
    match thoughts.as_mut_slice() {
        [] if !text.is_empty() => thoughts.push(ReasoningTextBlock::new(text).into()),
        // Or it may have kept the last piece alone, which is the signature.
        [ReasoningContentBlock::ReasoningText(thought)] if thought.text.is_empty() => {
            thought.text.push_str(&text);
        }
        _ => {}
    }
    Ok(thoughts.into_iter().map(ContentBlock::ReasoningContent).collect())
}

fn tool_use(id: String, function: Json<'_>, notes: &mut Vec<Fault>) -> Result<ContentBlock, Fault> {
    let mut function = function.object()?;
    let name = function.need("name", "the name of a tool")?.text()?;
    let arguments = function.take("arguments");
    let input = arguments.map_or(Ok(Document::default()), |arguments| read_arguments(arguments, notes))?;
    Ok(ToolUseBlock::new(id, name, input).into())
}

fn add_tool(tool: Json<'_>, given: &mut Given) -> Result<(), Fault> {
    let mut object = tool.object()?;
    let kind = object.take("type");
    if let Some(kind) = kind.filter(|kind| kind.raw() != "\"function\"") {
        return Err(kind.expected("function"));
    }
    let mut inner = object.need("function", "an object with name and parameters")?.object()?;
    let cache = cache_point(&mut object)?;
    let tool = function(&mut inner, "parameters")?;
    let cache = tool.cache.clone().or(cache);
    given.tool(FunctionTool { cache, ..tool })
}

fn choose(choice: Json<'_>, given: &mut Given) -> Result<(), Fault> {
    if choice.is_text() {
        return given.choose(choice, &choice.text()?, None);
    }
    let mut object = choice.object()?;
    if let Some(allowed) = object.take("allowed_tools") {
        let mut allowed = allowed.object()?;
        let mut names = HashSet::new();
        for tool in list(&mut allowed, "tools")? {
            let function = tool.object()?.need("function", "an object with name")?;
            names.insert(function.object()?.need("name", "the name of a tool")?.text()?.into_owned());
        }
        given.keep_tools(&names);
        let mode = allowed.need("mode", "auto or required")?;
        return given.choose(mode, &mode.text()?, None);
    }
    let function = object.need("function", "an object with name")?;
    let name = function.object()?.need("name", "the name of a tool")?;
    given.choose(name, "", Some(&name.text()?))
}

fn set_format(format: Json<'_>, given: &mut Given) -> Result<(), Fault> {
    let mut object = format.object()?;
    let kind = object.need("type", "text, json_object or json_schema")?;
    match &*kind.text()? {
        "text" => {}
        "json_object" => given.any_json(),
        "json_schema" => {
            let mut inner = object.need("json_schema", "an object with name and schema")?.object()?;
            json_schema(&mut inner, given)?;
        }
        _ => return Err(kind.expected("text, json_object or json_schema")),
    }
    Ok(())
}

/// Members that change nothing that Bedrock knows of.
const PASSED_OVER: [&str; 16] = [
    "frequency_penalty",
    "logit_bias",
    "modalities",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "repetition_penalty",
    "safety_identifier",
    "seed",
    "store",
    "stream",
    "stream_options",
    "user",
    "verbosity",
    "caching",
];

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "reads best in tables of JSON")]
mod tests {
    use super::*;
    use crate::recorded::{self, converse, refused};
    use serde_json::{Value, json};

    /// A body of these members, with a message where there is none.
    pub(super) fn body(members: Value) -> Value {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        body
    }

    /// What members become, beside the model and the message.
    fn becomes(members: Value) -> Value {
        recorded::beside_messages(read, &body(members))
    }

    fn turns(messages: Value) -> Value {
        let (request, notes) = converse(read, &json!({"model": "m", "messages": messages}));
        assert_eq!(notes, [""; 0]);
        request["messages"].clone()
    }

    fn options(members: Value) -> pumice::conversation::Options {
        read(body(members).to_string().as_bytes())
            .unwrap_or_else(|failure| panic!("{}", failure.message))
            .options
    }

    const PNG: &str = "data:image/png;base64,iVBORw0KGgo=";

    #[test]
    fn parameters() {
        let tool =
            |name: &str, schema: Value| json!({"toolSpec": {"name": name, "inputSchema": {"json": schema}}});
        let any = json!({"type": "object", "properties": {}});
        let function = |name: &str| json!({"type": "function", "function": {"name": name}});
        let schema = json!({"type": "object", "properties": {"z": {"type": "string"}, "a": {}}});
        for (given, sent) in [
            (json!({}), json!({})),
            (json!({"max_tokens": 5}), json!({"inferenceConfig": {"maxTokens": 5}})),
            (
                json!({"max_tokens": 5, "max_completion_tokens": 6}),
                json!({"inferenceConfig": {"maxTokens": 6}}),
            ),
            (
                json!({"temperature": 0.5, "top_p": 1, "stop": "a"}),
                json!({"inferenceConfig": {"temperature": 0.5, "topP": 1.0, "stopSequences": ["a"]}}),
            ),
            (
                json!({"stop": ["a", "b"], "max_tokens": null}),
                json!({"inferenceConfig": {"stopSequences": ["a", "b"]}}),
            ),
            (json!({"service_tier": "auto"}), json!({})),
            (json!({"service_tier": "flex"}), json!({"serviceTier": {"type": "flex"}})),
            (json!({"metadata": {"team": "a b"}}), json!({"requestMetadata": {"team": "a b"}})),
            (
                json!({"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"}}),
                json!({"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"}}),
            ),
            (
                json!({"performanceConfig": {"latency": "optimized"}}),
                json!({"performanceConfig": {"latency": "optimized"}}),
            ),
            (
                json!({
                    "seed": 1, "user": "u", "logit_bias": {"1": 2}, "frequency_penalty": 1, "presence_penalty": 1,
                    "logprobs": false, "stream": false, "n": 1, "store": false, "parallel_tool_calls": true
                }),
                json!({}),
            ),
            (json!({"response_format": {"type": "text"}}), json!({})),
            (
                json!({"response_format": {"type": "json_object"}}),
                json!({"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
                    "schema": "{\"type\":\"object\"}"
                }}}}}),
            ),
            (
                json!({"response_format": {"type": "json_schema", "json_schema": {
                    "name": "n", "description": "d", "strict": true, "schema": {"type": "object"}
                }}}),
                json!({"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
                    "schema": "{\"type\":\"object\"}", "name": "n", "description": "d"
                }}}}}),
            ),
            (
                json!({"tools": [
                    {"type": "function", "function": {"name": "f.g", "description": "d", "parameters": schema, "strict": true}},
                    {"type": "function", "function": {"name": "h"}, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
                ], "tool_choice": "auto"}),
                json!({"toolConfig": {"tools": [
                    {"toolSpec": {"name": "f.g", "inputSchema": {"json": schema}, "description": "d", "strict": true}},
                    tool("h", any.clone()), {"cachePoint": {"type": "default", "ttl": "1h"}}
                ], "toolChoice": {"auto": {}}}}),
            ),
            (
                json!({"tools": [function("f")], "tool_choice": "required"}),
                json!({"toolConfig": {"tools": [tool("f", any.clone())], "toolChoice": {"any": {}}}}),
            ),
            (json!({"tools": [function("f")], "tool_choice": "none"}), json!({})),
            (json!({"tools": []}), json!({})),
            (
                json!({"tools": [function("f"), function("g")], "tool_choice": function("g")}),
                json!({"toolConfig": {"tools": [tool("f", any.clone()), tool("g", any.clone())], "toolChoice": {"tool": {"name": "g"}}}}),
            ),
            (
                json!({"tools": [function("f"), function("g")], "tool_choice": {
                    "type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [function("g")]}
                }}),
                json!({"toolConfig": {"tools": [tool("g", any.clone())], "toolChoice": {"any": {}}}}),
            ),
            (
                json!({"functions": [{"name": "f", "parameters": schema}], "function_call": {"name": "f"}}),
                json!({"toolConfig": {"tools": [tool("f", schema.clone())], "toolChoice": {"tool": {"name": "f"}}}}),
            ),
        ] {
            assert_eq!(becomes(given.clone()), sent, "{given}");
        }
    }

    #[test]
    fn the_order_and_the_digits_of_schemas_and_arguments_stay() {
        let schema = r#"{"type":"object","properties":{"z":{"maximum":12345678901234567890123},"a":{}}}"#;
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"assistant","tool_calls":[{{"id":"1","type":"function","function":
               {{"name":"f","arguments":"{{\"z\": 12345678901234567890123, \"a\": 1.0}}"}}}}]}}],
               "tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}]}}"#
        );
        let request =
            serde_json::to_string(&read(body.as_bytes()).unwrap_or_else(|_| panic!()).request).unwrap();
        assert!(request.contains(schema), "{request}");
        assert!(request.contains(r#""input":{"z": 12345678901234567890123, "a": 1.0}"#), "{request}");
    }

    #[test]
    fn thinking() {
        use pumice::conversation::ThinkingLevel::{High, Low, Medium};
        let of = |members: Value| {
            let options = options(members);
            (options.thinking, options.thinking_off, options.thinking_budgets, options.top_k)
        };
        assert_eq!(of(json!({})), (None, false, vec![], None));
        assert_eq!(of(json!({"reasoning_effort": "low", "top_k": 9})), (Some(Low), false, vec![], Some(9)));
        assert_eq!(of(json!({"reasoning_effort": "none"})), (None, true, vec![], None));
        let budget = |tokens: u64| json!({"thinking": {"type": "enabled", "budget_tokens": tokens}});
        assert_eq!(of(budget(5000)), (Some(Medium), false, vec![(Medium, 5000)], None));
        assert_eq!(of(budget(31_999)), (Some(High), false, vec![(High, 31_999)], None));
        assert_eq!(of(json!({"thinking": {"type": "disabled"}})), (None, true, vec![], None));
        assert_eq!(of(json!({"thinking": {"type": "adaptive"}})), (Some(High), false, vec![], None));
    }

    #[test]
    fn messages() {
        let user = |content: Value| json!({"role": "user", "content": content});
        let assistant = |content: Value| json!({"role": "assistant", "content": content});
        let call =
            |id: &str, input: Value| json!({"toolUse": {"toolUseId": id, "name": "f", "input": input}});
        let result = |id: &str, text: &str| json!({"toolResult": {"toolUseId": id, "content": [{"text": text}], "status": "success"}});
        let image = json!({"image": {"format": "png", "source": {"bytes": "iVBORw0KGgo="}}});
        let point = json!({"cachePoint": {"type": "default"}});
        let thought = |text: &str| json!({"reasoningContent": {"reasoningText": {"text": text}}});
        let signed = json!({"reasoningContent": {"reasoningText": {"text": "t", "signature": "S"}}});
        let redacted = json!({"reasoningContent": {"redactedContent": "AAEC"}});
        let cached = json!({"type": "ephemeral"});
        let called = |id: &str, arguments: &str| {
            json!([
                {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}
            ])
        };
        for (given, sent) in [
            (user("hi".into()), user(json!([{"text": "hi"}]))),
            (user(Value::Null), user(json!([]))),
            (
                user(json!([
                    {"type": "text", "text": "a", "cache_control": cached}, "b",
                    {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                    {"type": "image_url", "image_url": PNG},
                    {"type": "file", "file": {"filename": "r.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
                    {"type": "file", "file": {"file_data": "JVBERi0="}},
                    {"type": "input_audio", "input_audio": {"data": "AAEC", "format": "wav"}}
                ])),
                user(json!([
                    {"text": "a"}, point, {"text": "b"}, image, image,
                    {"document": {"name": "r.pdf", "source": {"bytes": "JVBERi0="}, "format": "pdf"}},
                    {"document": {"name": "document", "source": {"bytes": "JVBERi0="}, "format": "pdf"}},
                    {"audio": {"format": "wav", "source": {"bytes": "AAEC"}}}
                ])),
            ),
            (
                json!({"role": "user", "content": "a", "cache_control": cached, "name": "n"}),
                user(json!([{"text": "a"}, point])),
            ),
            (
                json!({"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}], "refusal": "never"}),
                assistant(json!([{"text": "no"}, {"text": "never"}])),
            ),
            (
                json!({"role": "assistant", "content": "", "tool_calls": called("1", "{\"a\": 1}")}),
                assistant(json!([{"text": ""}, call("1", json!({"a": 1}))])),
            ),
            (
                json!({"role": "assistant", "tool_calls": called("1", "")}),
                assistant(json!([call("1", json!({}))])),
            ),
            (
                json!({"role": "assistant", "content": "a", "reasoning_content": "t"}),
                assistant(json!([thought("t"), {"text": "a"}])),
            ),
            (
                json!({"role": "assistant", "content": "a", "reasoning_content": "t", "thinking_blocks": [
                    {"index": 0, "type": "thinking", "thinking": "t", "signature": "S"},
                    {"index": 1, "type": "redacted_thinking", "data": "AAEC"}, {"type": "thinking", "thinking": "u"}
                ]}),
                assistant(json!([signed, redacted, thought("u"), {"text": "a"}])),
            ),
            (json!({"role": "tool", "tool_call_id": "1", "content": "x"}), user(json!([result("1", "x")]))),
            (
                json!({"role": "tool", "tool_call_id": "1", "content": [
                    {"type": "text", "text": "x", "cache_control": cached}, {"type": "image_url", "image_url": PNG}
                ]}),
                user(json!([
                    {"toolResult": {"toolUseId": "1", "content": [{"text": "x"}, image], "status": "success"}}, point
                ])),
            ),
        ] {
            assert_eq!(turns(json!([given])), json!([sent]), "{given}");
        }
        assert_eq!(
            turns(json!([
                {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
                {"role": "function", "name": "f", "content": "x"}
            ])),
            json!([assistant(json!([call("call_1", json!({}))])), user(json!([result("call_1", "x")]))])
        );
    }

    #[test]
    fn thoughts_are_whole_however_a_client_kept_their_pieces() {
        let said = |members: Value| {
            let mut message = json!({"role": "assistant", "content": "a"});
            message.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            turns(json!([message]))[0]["content"].clone()
        };
        let piece =
            |index: u64, member: &str, text: &str| json!({"index": index, "type": "thinking", member: text});
        let thought = |text: &str, signature: &str| json!({"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}});
        let pieces = json!([
            piece(0, "thinking", "h"),
            piece(0, "thinking", "m"),
            piece(0, "signature", "S"),
            piece(1, "thinking", "u"),
            piece(1, "signature", "T")
        ]);
        assert_eq!(
            said(json!({"reasoning_content": "hmu", "thinking_blocks": pieces})),
            json!([thought("hm", "S"), thought("u", "T"), {"text": "a"}])
        );
        let last = json!({"reasoning_content": "hm", "thinking_blocks": [piece(0, "signature", "S")]});
        assert_eq!(said(last), json!([thought("hm", "S"), {"text": "a"}]));
        assert_eq!(said(json!({"reasoning_content": "", "thinking_blocks": []})), json!([{"text": "a"}]));
    }

    #[test]
    fn instructions_at_the_beginning_are_the_system_prompt() {
        let cached = json!({"type": "ephemeral"});
        let (request, _) = converse(
            read,
            &json!({"model": "m", "messages": [
                {"role": "system", "content": [{"type": "text", "text": "a", "cache_control": cached}]},
                {"role": "developer", "content": "b"}, {"role": "user", "content": "c"},
                {"role": "system", "content": "d", "cache_control": cached}
            ]}),
        );
        assert_eq!(
            request["system"],
            json!([{"text": "a"}, {"cachePoint": {"type": "default"}}, {"text": "b"}])
        );
        assert_eq!(request["messages"][1], json!({"role": "system", "content": [{"text": "d"}]}));
    }

    #[test]
    fn what_cannot_be_translated_is_refused_with_its_place() {
        let message = |message: Value| json!({"messages": [message]});
        let part = |part: Value| message(json!({"role": "user", "content": [part]}));
        let url = |url: &str| part(json!({"type": "image_url", "image_url": {"url": url}}));
        let at = |fault: &str| format!("messages[0].content[0].image_url.url: {fault}");
        for (members, expected) in [
            (json!({"model": null}), "model: expected the name of a model, found none".into()),
            (json!({"model": " "}), "model: expected the name of a model, found \" \"".into()),
            (json!({"messages": null}), "messages: expected a list of messages, found none".into()),
            (json!({"messages": "x"}), "messages: expected a list, found \"x\"".into()),
            (json!({"n": 2}), "n: expected 1, because Bedrock gives one response, found 2".into()),
            (json!({"max_tokens": 0}), "max_tokens: expected a whole number from 1, found 0".into()),
            (json!({"temperature": "hot"}), "temperature: expected a number, found \"hot\"".into()),
            (message(json!({"content": "x"})), "messages[0].role: expected system, developer, user, assistant or tool, found none".into()),
            (message(json!({"role": "bot"})), "messages[0].role: expected system, developer, user, assistant or tool, found \"bot\"".into()),
            (message(json!({"role": "user", "content": 5})), "messages[0].content: expected a text or a list of parts, found 5".into()),
            (part(json!({"type": "video_url"})), "messages[0].content[0].type: expected text, image_url, file or input_audio, found \"video_url\"".into()),
            (
                url("https://example.com/a.png"),
                at("expected a data: URL, because the gateway fetches nothing, found \"https://example.com/a.png\""),
            ),
            (url("data:image/png,x"), at("expected a URL that begins with data:TYPE;base64, found \"data:image/png,x\"")),
            (url("data:image/png;base64,%"), at("expected bytes in base64, found other characters")),
            (url("data:image/png;base64,"), at("expected bytes in base64, found none")),
            (
                url("data:video/mp4;base64,AAEC"),
                at("expected an image (PNG, JPEG, GIF, WebP) or a document (PDF, Word, Excel, UTF-8 text), found \"video/mp4\""),
            ),
            (
                part(json!({"type": "file", "file": {"file_id": "f"}})),
                "messages[0].content[0].file.file_data: expected the file as a data: URL, found none".into(),
            ),
            (
                message(json!({"role": "tool", "content": "x"})),
                "messages[0].tool_call_id: expected the id of the call, found none".into(),
            ),
            (
                json!({"tools": [{"type": "custom", "custom": {"name": "c"}}]}),
                "tools[0].type: expected function, found \"custom\"".into(),
            ),
            (
                json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}),
                "tools[0].function.parameters: expected a JSON schema, which is an object, found a list".into(),
            ),
            (json!({"tool_choice": "maybe"}), "tool_choice: expected auto, none, required or a tool, found \"maybe\"".into()),
            (
                json!({"tool_choice": {"type": "function", "function": {"name": "g"}}}),
                "tool_choice.function.name: expected the name of a tool, found \"g\"".into(),
            ),
            (json!({"response_format": {"type": "xml"}}), "response_format.type: expected text, json_object or json_schema, found \"xml\"".into()),
            (
                json!({"reasoning_effort": "lots"}),
                "reasoning_effort: expected none, minimal, low, medium, high, xhigh or max, found \"lots\"".into(),
            ),
        ] {
            assert_eq!(refused(read, &body(members.clone())), expected, "{members}");
        }
    }

    #[test]
    fn what_is_dropped_or_changed_is_said() {
        let arguments = |text: &str| json!([{"id": "1", "function": {"name": "f", "arguments": text}}]);
        let (request, notes) = converse(
            read,
            &json!({
                "model": "m", "temperature": 1.5, "logprobs": true, "parallel_tool_calls": false,
                "messages": [{"role": "assistant", "tool_calls": arguments("{\"a\": ")}],
                "metadata": {"a": "{}"}
            }),
        );
        assert_eq!(
            notes,
            [
                "temperature: 1.5 lowered to 1: Bedrock takes 0 to 1",
                "messages[0].tool_calls[0].function.arguments: sent as {}: it is not a JSON object",
                "metadata.a: not sent: Bedrock takes only labels of up to 256 of the characters a-zA-Z0-9 :_@$#=/+,-.",
                "parallel_tool_calls: not sent: Converse cannot keep a model from calling several tools at once",
                "logprobs: not sent: Converse has no place for it",
            ]
        );
        assert_eq!(request["messages"][0]["content"][0]["toolUse"]["input"], json!({}));
        assert_eq!(request["inferenceConfig"], json!({"temperature": 1.0}));
    }

    #[test]
    #[ignore = "needs ../shared: recordings and vectors beside the project"]
    fn recorded_requests_of_clients() {
        for name in ["opencode-chat-1", "opencode-chat-2", "opencode-chat-title"] {
            let vector = support::shared::json(&format!("vectors/gateway/{name}.json"));
            let (request, notes) = recorded::prepared(read, &vector["body"]);
            assert_eq!(notes, [""; 0], "{name}");
            let tools = vector["body"]["tools"].as_array().map_or(0, Vec::len);
            assert_eq!(request["toolConfig"]["tools"].as_array().map_or(0, Vec::len), tools, "{name}");
            assert_eq!(request["inferenceConfig"]["maxTokens"], 32_000, "{name}");
            let last = request["messages"].as_array().unwrap().last().unwrap();
            assert_eq!(last["role"], "user", "{name}");
            assert_eq!(last["content"][0]["toolResult"].is_object(), name == "opencode-chat-2", "{name}");
        }
    }
}
