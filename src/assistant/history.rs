//! A conversation as agents keep it, into the turns that the service accepts.
//!
//! Messages are converted one by one; then each repair, a function of its own, does its part on the turns.
//! The time that all of it takes is linear in the length of the conversation.

use std::collections::{HashMap, HashSet};

use super::family::Traits;
use super::message::{
    AssistantMessage, Content, Contents, Context, DocumentContent, ImageContent, Message, Model, StopReason,
    ThinkingContent, ToolCall, ToolResultMessage,
};
use super::name::{CallIds, ToolNames};
use crate::converse::{
    ContentBlock, ConversationRole, DocumentBlock, DocumentFormat, DocumentSource, ImageBlock, ImageFormat,
    ImageSource, Message as Turn, ReasoningContentBlock, ReasoningTextBlock, ToolResultBlock,
    ToolResultContentBlock, ToolResultStatus, ToolUseBlock,
};
use crate::shape::{Blob, Document};
use crate::{Error, ErrorKind, Result};

/// The turns of a conversation, put right unless that is not wanted.
pub(super) fn turns(
    context: &Context,
    model: &Model,
    traits: &Traits,
    names: &mut ToolNames,
    repair: bool,
    tools_go_out: bool,
) -> Result<Vec<Turn>> {
    let messages = context.messages.as_deref().unwrap_or_default();
    let mut conversion =
        Conversion { model, traits, names, ids: CallIds::default(), behind_assistant: false, repair };
    let mut turns = Vec::with_capacity(messages.len());
    for message in messages {
        if !(repair && failed(message)) {
            turns.extend(conversion.turn(message)?);
        }
    }
    if repair {
        merge_neighbours(&mut turns);
        drop_orphan_results(&mut turns);
        merge_neighbours(&mut turns);
        answer_open_calls(&mut turns);
        turns.iter_mut().for_each(results_first);
        begin_with_user(&mut turns);
        if !tools_go_out {
            tools_as_text(&mut turns);
        }
        turns.iter_mut().for_each(fill_empty);
        name_documents(&mut turns);
    }
    Ok(turns)
}

/// Whether a message is one of the model's that did not come to its end: half of it is worse than nothing.
fn failed(message: &Message) -> bool {
    matches!(message, Message::Assistant(message)
        if matches!(message.stop_reason, Some(StopReason::Error | StopReason::Aborted)))
}

/// What makes turns out of messages.
struct Conversion<'a> {
    model: &'a Model,
    traits: &'a Traits,
    names: &'a mut ToolNames,
    ids: CallIds,
    /// Whether the message before was the model's.
    behind_assistant: bool,
    repair: bool,
}

impl Conversion<'_> {
    /// The turn that a message is, if anything is left of it.
    fn turn(&mut self, message: &Message) -> Result<Option<Turn>> {
        let of_assistant = matches!(message, Message::Assistant(_));
        if of_assistant && !self.behind_assistant {
            self.ids.next_turn();
        }
        self.behind_assistant = of_assistant;
        let (role, content) = match message {
            Message::User(message) => (ConversationRole::User, self.user(message.content.as_ref())?),
            Message::Assistant(message) => (ConversationRole::Assistant, self.assistant(message)?),
            Message::ToolResult(message) => (ConversationRole::User, self.tool_result(message)?),
            // The system prompt has it.
            Message::System(_) => return Ok(None),
            Message::Unknown(message) => {
                let message = message.read::<serde_json::Value>().unwrap_or_default();
                let role = message.get("role").map_or("none".to_owned(), ToString::to_string);
                let expected = "a message's role: user, assistant, toolResult or system expected";
                return Err(Error::new(ErrorKind::InvalidInput, format!("{expected}, {role} found")));
            }
        };
        let skipped = role == ConversationRole::Assistant && content.is_empty();
        Ok((!skipped).then(|| Turn::new(role, content)))
    }

    fn user(&self, content: Option<&Contents>) -> Result<Vec<ContentBlock>> {
        let mut blocks = Vec::new();
        let mut omitted = false;
        for block in content.iter().flat_map(|content| &content.0) {
            let image = matches!(block, Content::Image(_)) && self.omits_images();
            match block {
                Content::Text(text) => blocks.extend(self.text(&text.text)),
                // One note stands for all images in a row.
                Content::Image(_) if image && omitted => {}
                Content::Image(_) if image => blocks.push(ContentBlock::Text(OMITTED_IMAGE.into())),
                Content::Image(block) => blocks.push(image_block(block)?.into()),
                Content::Document(block) => blocks.push(document_block(block)?.into()),
                Content::Thinking(_) | Content::ToolCall(_) | Content::Unknown(_) => {}
            }
            omitted = image;
        }
        Ok(blocks)
    }

    /// Whether the model takes no images, and is told of them instead.
    fn omits_images(&self) -> bool {
        self.repair && !self.model.can_take("image")
    }

    /// Text that is not blank.
    fn text(&self, text: &str) -> Option<ContentBlock> {
        (!self.repair || !text.trim().is_empty()).then(|| ContentBlock::Text(text.to_owned()))
    }

    fn assistant(&mut self, message: &AssistantMessage) -> Result<Vec<ContentBlock>> {
        let same_model = self.is_of_same_model(message);
        let mut blocks = Vec::new();
        for block in message.blocks() {
            match block {
                Content::Text(text) => blocks.extend(self.text(&text.text)),
                Content::Thinking(thinking) => blocks.extend(self.thinking(thinking, same_model)),
                Content::ToolCall(call) => blocks.push(self.tool_use(call, same_model)?),
                Content::Image(_) | Content::Document(_) | Content::Unknown(_) => {}
            }
        }
        Ok(blocks)
    }

    fn is_of_same_model(&self, message: &AssistantMessage) -> bool {
        let same = |of_message: &Option<String>, of_model: &Option<String>, usual: &str| {
            of_message.as_deref().unwrap_or(usual) == of_model.as_deref().unwrap_or(usual)
        };
        message.model.as_ref().is_none_or(|id| *id == self.model.id)
            && same(&message.provider, &self.model.provider, super::PROVIDER)
            && same(&message.api, &self.model.api, super::API)
    }

    /// Thoughts go back to who thought them, as they came; nobody else can read them.
    fn thinking(&self, block: &ThinkingContent, same_model: bool) -> Option<ContentBlock> {
        if self.repair && !same_model {
            return None;
        }
        let signature = block.thinking_signature.as_deref().filter(|signature| !signature.trim().is_empty());
        if block.redacted == Some(true) {
            let thoughts = Blob::from_base64(signature?).ok().filter(|thoughts| !thoughts.0.is_empty())?;
            return Some(ReasoningContentBlock::RedactedContent(thoughts).into());
        }
        let text = ReasoningTextBlock::new(block.thinking.as_str());
        match signature {
            Some(signature) if self.traits.claude => {
                Some(ReasoningContentBlock::ReasoningText(text.signature(signature)).into())
            }
            _ if block.thinking.trim().is_empty() => None,
            None if self.traits.claude => Some(ContentBlock::Text(block.thinking.clone())),
            // Other models refuse the signature.
            _ => Some(ReasoningContentBlock::ReasoningText(text).into()),
        }
    }

    fn tool_use(&mut self, call: &ToolCall, same_model: bool) -> Result<ContentBlock> {
        let arguments = call.arguments.clone().unwrap_or_default();
        let (id, name, input) = if self.repair {
            (self.ids.call(&call.id, same_model), self.names.send(&call.name), sound_input(arguments)?)
        } else {
            (call.id.clone(), call.name.clone(), arguments)
        };
        Ok(ToolUseBlock::new(id, name, input).into())
    }

    fn tool_result(&mut self, message: &ToolResultMessage) -> Result<Vec<ContentBlock>> {
        let failed = message.is_error == Some(true);
        // Claude refuses an image in the result of a tool that failed: it goes behind the results.
        let lifts_images = self.repair && self.traits.claude && failed;
        let mut content = Vec::<ToolResultContentBlock>::new();
        let mut lifted = Vec::new();
        for block in message.content.iter().flat_map(|content| &content.0) {
            let note = match block {
                Content::Text(text) if self.repair && text.text.trim().is_empty() => continue,
                Content::Text(text) => {
                    content.push(text.text.as_str().into());
                    continue;
                }
                Content::Image(_) if self.omits_images() => OMITTED_TOOL_IMAGE,
                Content::Image(image) if lifts_images => {
                    lifted.push(ContentBlock::Image(image_block(image)?));
                    LIFTED_IMAGE
                }
                Content::Image(image) => {
                    content.push(image_block(image)?.into());
                    continue;
                }
                Content::Document(document) => {
                    content.push(document_block(document)?.into());
                    continue;
                }
                Content::Thinking(_) | Content::ToolCall(_) | Content::Unknown(_) => continue,
            };
            // One note stands for all images in a row.
            if !matches!(content.last(), Some(ToolResultContentBlock::Text(last)) if last == note) {
                content.push(note.into());
            }
        }
        if self.repair && content.is_empty() {
            content.push(NOTHING.into());
        }
        let id = &message.tool_call_id;
        let sent = if self.repair { self.ids.result(id) } else { id.clone() };
        let status = if failed { ToolResultStatus::Error } else { ToolResultStatus::Success };
        let mut blocks = vec![ToolResultBlock::new(sent, content).status(status).into()];
        if !lifted.is_empty() {
            let tool = message.tool_name.as_deref().unwrap_or_default();
            blocks.push(ContentBlock::Text(format!(
                "Images from the error result of tool call {id} ({tool}):"
            )));
            blocks.extend(lifted);
        }
        Ok(blocks)
    }
}

/// The input of a tool: an object, without members that have no name, which the service refuses.
fn sound_input(input: Document) -> Result<Document> {
    if !input.text().trim_start().starts_with('{') {
        return Ok(Document::default());
    }
    // Only where two quotes stand together can there be such a name.
    if input.text().contains("\"\"") { Document::parse(without_nameless(input.text())) } else { Ok(input) }
}

/// JSON without the members whose name is empty, in one pass: how many there are and how deep is the model's to say.
fn without_nameless(json: &str) -> String {
    let mut kept = String::with_capacity(json.len());
    // Of each bracket that is open, whether it is an object's.
    let mut open = Vec::new();
    let mut before_name = false;
    let mut rest = json;
    while let Some(next) = rest.chars().next() {
        let mut length = next.len_utf8();
        match next {
            '"' => {
                length = string_length(rest);
                if before_name && length == 2 {
                    rest = behind_member(rest);
                    if let Some(more) = rest.trim_start().strip_prefix(',') {
                        rest = more;
                    } else if let Some(before) = kept.trim_end().strip_suffix(',').map(str::len) {
                        kept.truncate(before);
                    }
                    continue;
                }
                before_name = false;
            }
            '{' | '[' => {
                before_name = next == '{';
                open.push(before_name);
            }
            '}' | ']' => {
                open.pop();
                before_name = false;
            }
            ',' => before_name = open.last() == Some(&true),
            _ => {}
        }
        let (token, more) = rest.split_at_checked(length).unwrap_or((rest, ""));
        kept.push_str(token);
        rest = more;
    }
    kept
}

/// How long the JSON string is that stands at the beginning, its quotes included.
fn string_length(json: &str) -> usize {
    let mut bytes = json.bytes().enumerate().skip(1);
    loop {
        match bytes.find(|(_, byte)| matches!(byte, b'"' | b'\\')) {
            Some((at, b'"')) => return at + 1,
            // What is behind a backslash does not end it.
            Some(_) => drop(bytes.next()),
            None => return json.len(),
        }
    }
}

/// What is behind the member of an empty name that stands at the beginning.
fn behind_member(json: &str) -> &str {
    let mut rest = json.get(2..).unwrap_or_default().trim_start_matches([' ', '\t', '\n', '\r', ':']);
    let mut depth = 0_usize;
    loop {
        let length = match rest.chars().next() {
            Some('"') => string_length(rest),
            Some('{' | '[') => {
                depth += 1;
                1
            }
            Some('}' | ']' | ',') if depth == 0 => return rest,
            Some('}' | ']') => {
                depth -= 1;
                1
            }
            Some(other) => other.len_utf8(),
            None => return rest,
        };
        rest = rest.get(length..).unwrap_or_default();
    }
}

fn image_block(image: &ImageContent) -> Result<ImageBlock> {
    let format = match image.mime_type.as_str() {
        "image/png" => ImageFormat::Png,
        "image/jpeg" | "image/jpg" => ImageFormat::Jpeg,
        "image/gif" => ImageFormat::Gif,
        "image/webp" => ImageFormat::Webp,
        other => return Err(Error::new(ErrorKind::InvalidInput, format!("Unknown image type: {other}"))),
    };
    Ok(ImageBlock::new(format, ImageSource::Bytes(Blob::from_base64(&image.data)?)))
}

fn document_block(document: &DocumentContent) -> Result<DocumentBlock> {
    let format = match document.mime_type.split(';').next().unwrap_or_default().trim() {
        "application/pdf" => DocumentFormat::Pdf,
        "text/csv" => DocumentFormat::Csv,
        "application/msword" => DocumentFormat::Doc,
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => DocumentFormat::Docx,
        "application/vnd.ms-excel" => DocumentFormat::Xls,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => DocumentFormat::Xlsx,
        "text/html" => DocumentFormat::Html,
        "text/plain" => DocumentFormat::Txt,
        "text/markdown" => DocumentFormat::Md,
        other => return Err(Error::new(ErrorKind::InvalidInput, format!("Unknown document type: {other}"))),
    };
    let name = document.name.as_deref().unwrap_or(NAMELESS_DOCUMENT);
    Ok(DocumentBlock::new(name, DocumentSource::Bytes(Blob::from_base64(&document.data)?)).format(format))
}

/// Makes one turn of neighbours of one role.
fn merge_neighbours(turns: &mut Vec<Turn>) {
    turns.dedup_by(|turn, before| {
        let same = turn.role == before.role;
        if same {
            before.content.append(&mut turn.content);
        }
        same
    });
}

/// Drops the results that no call of the turn before asked for, and second results of one call.
fn drop_orphan_results(turns: &mut Vec<Turn>) {
    let mut open = HashSet::<String>::new();
    turns.retain_mut(|turn| {
        if turn.role == ConversationRole::Assistant {
            open = turn.tool_uses().map(|call| call.tool_use_id.clone()).collect();
            return true;
        }
        let before = turn.content.len();
        turn.content.retain(|block| match block {
            ContentBlock::ToolResult(result) => open.remove(&result.tool_use_id),
            _ => true,
        });
        turn.content.len() == before || !turn.content.is_empty()
    });
}

/// Says of each call that has no result that it has none.
fn answer_open_calls(turns: &mut Vec<Turn>) {
    let mut answered = Vec::with_capacity(turns.len());
    let mut open = Vec::<String>::new();
    for mut turn in turns.drain(..) {
        if turn.role == ConversationRole::Assistant {
            open = turn.tool_uses().map(|call| call.tool_use_id.clone()).collect();
        } else if !open.is_empty() {
            let results = turn.content.iter().filter_map(|block| match block {
                ContentBlock::ToolResult(result) => Some(result.tool_use_id.as_str()),
                _ => None,
            });
            let results = results.collect::<HashSet<_>>();
            open.retain(|id| !results.contains(id.as_str()));
            turn.content.extend(open.drain(..).map(no_result));
        }
        answered.push(turn);
    }
    if !open.is_empty() {
        answered.push(Turn::new(ConversationRole::User, open.into_iter().map(no_result).collect::<Vec<_>>()));
    }
    *turns = answered;
}

fn no_result(id: String) -> ContentBlock {
    ToolResultBlock::failure(id, NO_RESULT).into()
}

/// The results of tools come before whatever else the user says.
fn results_first(turn: &mut Turn) {
    let is_result = |block: &ContentBlock| matches!(block, ContentBlock::ToolResult(_));
    let (results, rest) = std::mem::take(&mut turn.content).into_iter().partition::<Vec<_>, _>(is_result);
    turn.content = results;
    turn.content.extend(rest);
}

/// A conversation begins with the user.
fn begin_with_user(turns: &mut Vec<Turn>) {
    if turns.first().is_some_and(|turn| turn.role == ConversationRole::Assistant) {
        turns.insert(0, Turn::user(NOTHING));
    }
}

/// Without tools, calls and results may only be told of.
fn tools_as_text(turns: &mut [Turn]) {
    let mut names = HashMap::new();
    for turn in turns {
        let mut content = Vec::with_capacity(turn.content.len());
        for block in turn.content.drain(..) {
            match block {
                ContentBlock::ToolUse(call) => {
                    let told =
                        format!("[Assistant tool call]: {}({})", call.name, compact(call.input.text()));
                    content.push(ContentBlock::Text(told));
                    names.insert(call.tool_use_id, call.name);
                }
                ContentBlock::ToolResult(result) => {
                    let name = names.get(&result.tool_use_id).map_or("unknown", String::as_str);
                    let failed = if result.status == Some(ToolResultStatus::Error) { " (error)" } else { "" };
                    let mut told = format!("[Tool result: {name}{failed}]:");
                    let mut media = Vec::new();
                    for block in result.content {
                        match block {
                            ToolResultContentBlock::Text(text) => told.extend([" ", text.as_str()]),
                            ToolResultContentBlock::Image(image) => media.push(ContentBlock::Image(image)),
                            ToolResultContentBlock::Document(document) => {
                                media.push(ContentBlock::Document(document));
                            }
                            _ => {}
                        }
                    }
                    content.push(ContentBlock::Text(told));
                    content.extend(media);
                }
                block => content.push(block),
            }
        }
        turn.content = content;
    }
}

/// JSON without the white space that is not in its strings.
fn compact(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let kept = |character: &char| {
        let keep = in_string || !character.is_ascii_whitespace();
        in_string ^= *character == '"' && !escaped;
        escaped = in_string && *character == '\\' && !escaped;
        keep
    };
    json.chars().filter(kept).collect()
}

/// A turn of which nothing is left says so; and beside a document there must be text.
fn fill_empty(turn: &mut Turn) {
    let has = |kind: fn(&ContentBlock) -> bool| turn.content.iter().any(kind);
    let document = has(|block| matches!(block, ContentBlock::Document(_)));
    let text = has(|block| matches!(block, ContentBlock::Text(_)));
    if turn.content.is_empty() || (document && !text) {
        turn.content.push(ContentBlock::Text(NOTHING.into()));
    }
}

/// Gives documents names that the service takes, each of them once.
fn name_documents(turns: &mut [Turn]) {
    let mut taken = HashMap::<String, u32>::new();
    let mut rename = |document: &mut DocumentBlock| {
        let clean = clean_name(&document.name);
        let mut number = taken.get(&clean).copied().unwrap_or_default();
        let mut name = clean.clone();
        while taken.contains_key(&name) {
            number += 1;
            name = format!("{clean} ({number})");
        }
        taken.insert(clean, number.max(1));
        taken.entry(name.clone()).or_insert(1);
        document.name = name;
    };
    for block in turns.iter_mut().flat_map(|turn| &mut turn.content) {
        match block {
            ContentBlock::Document(document) => rename(document),
            ContentBlock::ToolResult(result) => {
                for block in &mut result.content {
                    if let ToolResultContentBlock::Document(document) = block {
                        rename(document);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Letters, digits, hyphens, parentheses, brackets and single spaces; with room left for a number.
fn clean_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-()[] ".contains(c);
    let spaced = name.chars().map(|c| if allowed(c) { c } else { ' ' }).collect::<String>();
    let clean = spaced.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let clean = clean.chars().take(LONGEST_DOCUMENT_NAME).collect::<String>();
    match clean.trim() {
        "" => NAMELESS_DOCUMENT.into(),
        clean => clean.to_owned(),
    }
}

/// What stands where nothing is left.
const NOTHING: &str = "<empty>";
const NO_RESULT: &str = "No result provided";
const OMITTED_IMAGE: &str = "(image omitted: model does not support images)";
const OMITTED_TOOL_IMAGE: &str = "(tool image omitted: model does not support images)";
const LIFTED_IMAGE: &str = "(image attached after the tool results)";
const NAMELESS_DOCUMENT: &str = "document";
/// In characters; the service takes 200.
const LONGEST_DOCUMENT_NAME: usize = 180;

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "what is given reads best where it stands")]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The turns of a conversation with the tools given.
    fn turns_of(messages: &Value, model: &str, repair: bool, tools_go_out: bool) -> Value {
        let context = serde_json::from_value::<Context>(json!({ "messages": messages })).unwrap();
        let model = Model::new(model);
        let traits = Traits::of(&model, &[], &[]).unwrap();
        let mut names = ToolNames::default();
        serde_json::to_value(turns(&context, &model, &traits, &mut names, repair, tools_go_out).unwrap())
            .unwrap()
    }

    fn repaired(messages: Value) -> Value {
        turns_of(&messages, CLAUDE, true, true)
    }

    const CLAUDE: &str = "anthropic.claude-sonnet-4-5";

    fn user(text: &str) -> Value {
        json!({"role": "user", "content": text})
    }

    fn assistant(content: Value) -> Value {
        json!({"role": "assistant", "model": CLAUDE, "content": content, "stopReason": "stop"})
    }

    fn call(id: &str) -> Value {
        json!({"type": "toolCall", "id": id, "name": "f", "arguments": {}})
    }

    fn result(id: &str, text: &str) -> Value {
        json!({"role": "toolResult", "toolCallId": id, "toolName": "f", "content": text})
    }

    fn sent_call(id: &str) -> Value {
        json!({"toolUse": {"toolUseId": id, "name": "f", "input": {}}})
    }

    fn sent_result(id: &str, text: &str) -> Value {
        json!({"toolResult": {"toolUseId": id, "content": [{"text": text}], "status": "success"}})
    }

    fn no_result(id: &str) -> Value {
        json!({"toolResult": {"toolUseId": id, "content": [{"text": NO_RESULT}], "status": "error"}})
    }

    #[test]
    fn neighbours_of_one_role_are_one_turn() {
        assert_eq!(
            repaired(json!([user("a"), user(" "), user("b"), assistant(json!("c")), assistant(json!("d"))])),
            json!([
                {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
                {"role": "assistant", "content": [{"text": "c"}, {"text": "d"}]}
            ])
        );
    }

    #[test]
    fn results_come_before_what_else_the_user_says() {
        assert_eq!(
            repaired(json!([
                user("a"),
                assistant(json!([call("1"), call("2")])),
                user("wait"),
                result("2", "y"),
                result("1", "x")
            ]))[2]["content"],
            json!([sent_result("2", "y"), sent_result("1", "x"), {"text": "wait"}])
        );
    }

    #[test]
    fn results_without_a_call_do_not_go_out() {
        assert_eq!(
            repaired(json!([
                user("a"),
                result("0", "early"),
                assistant(json!([call("1")])),
                result("1", "x"),
                result("1", "again"),
                assistant(json!("b")),
                result("1", "late"),
                assistant(json!("c"))
            ])),
            json!([
                {"role": "user", "content": [{"text": "a"}]},
                {"role": "assistant", "content": [sent_call("1")]},
                {"role": "user", "content": [sent_result("1", "x")]},
                {"role": "assistant", "content": [{"text": "b"}, {"text": "c"}]}
            ])
        );
    }

    #[test]
    fn a_turn_in_two_messages_keeps_its_results() {
        let turns = repaired(json!([
            user("a"),
            assistant(json!([call("1")])),
            assistant(json!("b")),
            result("1", "x")
        ]));
        assert_eq!(turns[1]["content"], json!([sent_call("1"), {"text": "b"}]));
        assert_eq!(turns[2]["content"], json!([sent_result("1", "x")]));
    }

    #[test]
    fn calls_without_a_result_get_one() {
        let turns = repaired(json!([
            user("a"),
            assistant(json!([call("1"), call("2")])),
            result("2", "y"),
            assistant(json!([call("3")])),
            user("b"),
            assistant(json!([call("4")]))
        ]));
        assert_eq!(turns[2]["content"], json!([sent_result("2", "y"), no_result("1")]));
        assert_eq!(turns[4]["content"], json!([no_result("3"), {"text": "b"}]));
        assert_eq!(turns[6], json!({"role": "user", "content": [no_result("4")]}));
    }

    #[test]
    fn members_without_a_name_are_left_out_wherever_they_are() {
        for (json, kept) in [
            (r#"{"": 1}"#, "{}"),
            (r#"{"":1,"a":""}"#, r#"{"a":""}"#),
            (r#"{"a": "" , "" : {"b": [","]} , "" :2}"#, r#"{"a": ""}"#),
            (
                r#"{"a": [{"": "\"}"}, "", {"b": {"": [[]], "c": "\\"}}], "": null }"#,
                r#"{"a": [{}, "", {"b": { "c": "\\"}}] }"#,
            ),
            (r#"["", {"a": 1, "": 2, "b": ""}]"#, r#"["", {"a": 1, "b": ""}]"#),
        ] {
            assert_eq!(without_nameless(json).replace(' ', ""), kept.replace(' ', ""), "{json}");
            serde_json::from_str::<Value>(&without_nameless(json)).unwrap();
        }
        // As many and as deep as anyone likes.
        let many =
            (0..20_000).map(|number| format!(r#""":{number},"k{number}":1"#)).collect::<Vec<_>>().join(",");
        let kept = without_nameless(&format!("{{{many}}}"));
        assert_eq!(serde_json::from_str::<Value>(&kept).unwrap().as_object().unwrap().len(), 20_000);
        let deep = format!("{}{}", r#"{"":1,"a":"#.repeat(100_000), "0".to_owned() + &"}".repeat(100_000));
        assert_eq!(without_nameless(&deep).len(), deep.len() - 5 * 100_000);
    }

    #[test]
    fn turns_that_failed_are_left_out_with_their_results() {
        let mut failed = assistant(json!([{"type": "text", "text": "half"}, call("1")]));
        failed["stopReason"] = "error".into();
        assert_eq!(
            repaired(json!([user("a"), failed, result("1", "x"), user("b")])),
            json!([{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}])
        );
    }

    #[test]
    fn a_role_that_is_none_is_refused() {
        let context = json!({"messages": [user("a"), {"role": "narrator", "content": "b"}]});
        let context = serde_json::from_value::<Context>(context).unwrap();
        let model = Model::new(CLAUDE);
        let traits = Traits::of(&model, &[], &[]).unwrap();
        let error = turns(&context, &model, &traits, &mut ToolNames::default(), true, true).unwrap_err();
        assert!(error.to_string().contains("toolResult or system expected, \"narrator\" found"), "{error}");
    }

    #[test]
    fn a_conversation_begins_with_the_user() {
        assert_eq!(
            repaired(json!([assistant(json!("hello"))]))[0],
            json!({"role": "user", "content": [{"text": "<empty>"}]})
        );
        assert_eq!(repaired(json!([])), json!([]));
    }

    #[test]
    fn nothing_is_said_where_nothing_is_left() {
        assert_eq!(
            repaired(
                json!([user(" \n"), assistant(json!([{"type": "text", "text": ""}])), {"role": "user", "content": [{"type": "song"}]}])
            ),
            json!([{"role": "user", "content": [{"text": "<empty>"}]}])
        );
        let turns = repaired(json!([user("a"), assistant(json!([call("1")])), result("1", " ")]));
        assert_eq!(turns[2]["content"], json!([sent_result("1", "<empty>")]));
    }

    #[test]
    fn ids_and_names_that_the_service_refuses_are_changed_alike() {
        let odd = json!({"type": "toolCall", "id": "a|b", "name": "f.g", "arguments": {"": 1, "x": [{"": 2, "y": ""}]}});
        let turns = repaired(json!([
            user("a"),
            assistant(json!([odd, call("a_b")])),
            result("a_b", "2"),
            result("a|b", "1")
        ]));
        assert_eq!(
            turns[1]["content"],
            json!([{"toolUse": {"toolUseId": "a_b", "name": "f_g", "input": {"x": [{"y": ""}]}}}, sent_call("a_b_2")])
        );
        assert_eq!(turns[2]["content"], json!([sent_result("a_b_2", "2"), sent_result("a_b", "1")]));
    }

    #[test]
    fn without_tools_calls_and_results_are_told_of() {
        let mut failed = result("2", "boom");
        failed["isError"] = true.into();
        assert_eq!(compact(r#"{ "a b" : "c \\\" d \\\\" , "e" : 1 }"#), r#"{"a b":"c \\\" d \\\\","e":1}"#);
        let messages = json!([user("a"), assistant(json!([call("1"), call("2")])), result("1", "x"), failed]);
        assert_eq!(
            turns_of(&messages, CLAUDE, true, false),
            json!([
                {"role": "user", "content": [{"text": "a"}]},
                {"role": "assistant", "content": [{"text": "[Assistant tool call]: f({})"}, {"text": "[Assistant tool call]: f({})"}]},
                {"role": "user", "content": [{"text": "[Tool result: f]: x"}, {"text": "[Tool result: f (error)]: boom"}]}
            ])
        );
    }

    #[test]
    fn thoughts_go_back_to_the_same_model_alone() {
        let thoughts = json!([
            {"type": "thinking", "thinking": "t", "thinkingSignature": "S"},
            {"type": "thinking", "thinking": "", "thinkingSignature": "S"},
            {"type": "thinking", "thinking": "unsigned"},
            {"type": "thinking", "thinking": " "},
            {"type": "thinking", "thinking": "[Reasoning redacted]", "thinkingSignature": "AAEC", "redacted": true},
            {"type": "thinking", "thinking": "x", "thinkingSignature": "%", "redacted": true},
            {"type": "text", "text": "b"}
        ]);
        let turns = |model: &str, repair| {
            turns_of(&json!([user("a"), assistant(thoughts.clone())]), model, repair, true)
        };
        let carried = json!([
            {"reasoningContent": {"reasoningText": {"text": "t", "signature": "S"}}},
            {"reasoningContent": {"reasoningText": {"text": "", "signature": "S"}}},
            {"text": "unsigned"},
            {"reasoningContent": {"redactedContent": "AAEC"}},
            {"text": "b"}
        ]);
        assert_eq!(turns(CLAUDE, true)[1]["content"], carried);
        assert_eq!(turns("anthropic.claude-opus-4-8", true)[1]["content"], json!([{"text": "b"}]));
        assert_eq!(turns("anthropic.claude-opus-4-8", false)[1]["content"], carried);
        let plain = json!({"reasoningContent": {"reasoningText": {"text": "t"}}});
        assert_eq!(turns("amazon.nova-2-lite", false)[1]["content"][0], plain);
    }

    #[test]
    fn models_that_take_no_images_are_told_of_them() {
        let image = json!({"type": "image", "data": "AA==", "mimeType": "image/png"});
        let messages = json!([
            {"role": "user", "content": [image, image, {"type": "text", "text": "x"}, image]},
            assistant(json!([call("1")])),
            {"role": "toolResult", "toolCallId": "1", "content": [image, image, {"type": "text", "text": "x"}]}
        ]);
        let context = serde_json::from_value::<Context>(json!({ "messages": messages })).unwrap();
        let model = Model::new(CLAUDE).takes("text");
        let traits = Traits::of(&model, &[], &[]).unwrap();
        let of = |repair| {
            let turns = turns(&context, &model, &traits, &mut ToolNames::default(), repair, true).unwrap();
            serde_json::to_value(turns).unwrap()
        };
        assert!(of(false)[0]["content"][0]["image"].is_object(), "unless that is not wanted");
        let turns = of(true);
        assert_eq!(
            turns[0]["content"],
            json!([{"text": OMITTED_IMAGE}, {"text": "x"}, {"text": OMITTED_IMAGE}])
        );
        assert_eq!(
            turns[2]["content"][0]["toolResult"]["content"],
            json!([{"text": OMITTED_TOOL_IMAGE}, {"text": "x"}])
        );
    }

    #[test]
    fn documents_get_names_that_the_service_takes() {
        let document =
            |name: &str| json!({"type": "document", "data": "AA==", "mimeType": "text/plain", "name": name});
        let content = json!([
            document("a/b.txt"),
            document("a b  txt"),
            document("a b txt (2)"),
            document("é"),
            document(&"n".repeat(300))
        ]);
        let turns = repaired(json!([{"role": "user", "content": content}]));
        let name = |at: usize| turns[0]["content"][at]["document"]["name"].as_str().unwrap();
        assert_eq!([0, 1, 2, 3].map(name), ["a b txt", "a b txt (2)", "a b txt (2) (2)", "document"]);
        assert_eq!(name(4).len(), 180);
        assert_eq!(
            turns[0]["content"][5],
            json!({"text": "<empty>"}),
            "beside a document there must be text"
        );
    }

    #[test]
    fn nothing_is_put_right_where_that_is_not_wanted() {
        let mut failed = assistant(json!([call("a|b")]));
        failed["stopReason"] = "aborted".into();
        let messages = json!([failed, user(""), user("b"), result("z", "")]);
        assert_eq!(
            turns_of(&messages, CLAUDE, false, false),
            json!([
                {"role": "assistant", "content": [sent_call("a|b")]},
                {"role": "user", "content": [{"text": ""}]},
                {"role": "user", "content": [{"text": "b"}]},
                {"role": "user", "content": [sent_result("z", "")]}
            ])
        );
    }
}
