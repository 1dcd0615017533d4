//! The blocks of messages, one by one: text, thoughts, images, tool calls and their results.

use super::Options;
use super::family::{Capability, Takes};
use super::history::{EMPTY, is_of_service};
use super::name::{CallIds, ToolNames};
use crate::Result;
use crate::converse::{
    ContentBlock, ConversationRole, DocumentFormat, Message, ReasoningContentBlock, ReasoningTextBlock,
    ToolResultBlock, ToolResultContentBlock, ToolResultStatus, ToolUseBlock,
};
use crate::shape::Document;

/// Makes the blocks of a conversation, message by message, ones that the model accepts.
pub(super) struct Blocks<'a> {
    takes: &'a Takes,
    options: &'a Options,
    takes_images: bool,
    names: &'a mut ToolNames,
    ids: CallIds,
    /// Whether the message before was the model's.
    after_assistant: bool,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(
        takes: &'a Takes,
        options: &'a Options,
        takes_images: bool,
        names: &'a mut ToolNames,
    ) -> Self {
        let ids = CallIds::new(takes.takes(Capability::ToolIds, "nine"));
        Self { takes, options, takes_images, names, ids, after_assistant: false }
    }

    /// Mends the message at this index of the conversation as it was given.
    pub(super) fn mend(&mut self, index: usize, message: &mut Message) -> Result<()> {
        let repairs = self.options.repair_history;
        let of_assistant = message.role == ConversationRole::Assistant;
        if of_assistant && !self.after_assistant {
            self.ids.next_turn();
        }
        self.after_assistant = of_assistant;
        let same_model = self.options.foreign_messages.binary_search(&index).is_err();
        let mut content = Vec::with_capacity(message.content.len());
        // One note stands for all images in a row.
        let mut omitted = false;
        for block in message.content.drain(..) {
            let omits =
                repairs && !of_assistant && !self.takes_images && matches!(block, ContentBlock::Image(_));
            match block {
                ContentBlock::ReasoningContent(block) if of_assistant => {
                    // Only the model that thought so can read it.
                    if same_model || !repairs {
                        content.extend(self.reasoning(block));
                    }
                }
                block if !repairs => content.push(block),
                // What the service ran goes back as it came.
                block if of_assistant && is_of_service(&block) => content.push(block),
                ContentBlock::Text(text) if text.trim().is_empty() => {}
                ContentBlock::Image(_) if omits && omitted => {}
                ContentBlock::Image(_) if omits => content.push(OMITTED_IMAGE.into()),
                ContentBlock::ToolUse(call) => content.push(self.tool_use(call, same_model)?.into()),
                ContentBlock::ToolResult(result) => self.tool_result(result, &mut content),
                block => content.push(block),
            }
            omitted = omits;
        }
        message.content = content;
        Ok(())
    }

    /// Claude wants its thoughts back with their signature. Other models refuse the signature, or thoughts at all.
    fn reasoning(&self, block: ReasoningContentBlock) -> Option<ContentBlock> {
        if self.takes.takes(Capability::Thoughts, "none") {
            return None;
        }
        let signed = self.takes.takes(Capability::Thoughts, "signed");
        let ReasoningContentBlock::ReasoningText(ReasoningTextBlock { text, signature, .. }) = block else {
            return Some(block.into());
        };
        let signature = signature.filter(|signature| !signature.trim().is_empty());
        let block = match signature {
            Some(signature) if signed => ReasoningTextBlock::new(text).signature(signature),
            _ if text.trim().is_empty() => return None,
            None if signed => return Some(ContentBlock::Text(text)),
            _ => ReasoningTextBlock::new(text),
        };
        Some(ReasoningContentBlock::ReasoningText(block).into())
    }

    fn tool_use(&mut self, mut call: ToolUseBlock, same_model: bool) -> Result<ToolUseBlock> {
        call.tool_use_id = self.ids.call(&call.tool_use_id, &call.name, same_model);
        call.name = self.names.send(&call.name);
        call.input = mended_input(call.input)?;
        Ok(call)
    }

    fn tool_result(&mut self, mut result: ToolResultBlock, content: &mut Vec<ContentBlock>) {
        let failed = result.status == Some(ToolResultStatus::Error);
        let (id, tool) = self.ids.result(&result.tool_use_id);
        let mut lifted = Vec::new();
        let mut kept = Vec::<ToolResultContentBlock>::with_capacity(result.content.len());
        for block in result.content {
            let kind = match &block {
                ToolResultContentBlock::Text(text) if text.trim().is_empty() => continue,
                ToolResultContentBlock::Image(_) => "image",
                ToolResultContentBlock::Document(document) if is_text(document.format.as_ref()) => "text",
                ToolResultContentBlock::Document(_) => "document",
                ToolResultContentBlock::Video(_) => "video",
                _ => "",
            };
            let lifts = !kind.is_empty()
                && (!self.takes.takes(Capability::ResultMedia, kind)
                    || failed && !self.takes.takes(Capability::FailedResultMedia, kind));
            let note = match block {
                ToolResultContentBlock::Image(_) if !self.takes_images => OMITTED_TOOL_IMAGE,
                ToolResultContentBlock::Image(image) if lifts => {
                    lifted.push(ContentBlock::Image(image));
                    LIFTED_IMAGE
                }
                ToolResultContentBlock::Document(document) if lifts => {
                    lifted.push(ContentBlock::Document(document));
                    LIFTED_DOCUMENT
                }
                ToolResultContentBlock::Video(video) if lifts => {
                    lifted.push(ContentBlock::Video(video));
                    LIFTED_VIDEO
                }
                block => {
                    kept.push(block);
                    continue;
                }
            };
            // One note stands for all images in a row.
            if !matches!(kept.last(), Some(ToolResultContentBlock::Text(last)) if last == note) {
                kept.push(note.into());
            }
        }
        if kept.is_empty() {
            kept.push(EMPTY.into());
        }
        result.content = kept;
        result.status = result.status.filter(|_| self.takes.says(Capability::Status));
        let given = std::mem::replace(&mut result.tool_use_id, id);
        content.push(result.into());
        if !lifted.is_empty() {
            let tool = tool.unwrap_or("unknown");
            let what = if lifted.iter().all(|block| matches!(block, ContentBlock::Image(_))) {
                "Images"
            } else {
                "Files"
            };
            let error = if failed { "error " } else { "" };
            let note = format!("{what} from the {error}result of tool call {given} ({tool}):");
            content.push(ContentBlock::Text(note));
            content.extend(lifted);
        }
    }
}

/// Whether a document is plain text.
fn is_text(format: Option<&DocumentFormat>) -> bool {
    use DocumentFormat::{Csv, Html, Md, Txt};
    format.is_none_or(|format| matches!(format, Csv | Html | Md | Txt))
}

/// The input of a tool call: an object, without members whose name is empty. The service refuses anything else.
fn mended_input(input: Document) -> Result<Document> {
    if !input.text().trim_start().starts_with('{') {
        return Ok(Document::default());
    }
    // Only where two quotes are adjacent can there be an empty name.
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

const OMITTED_IMAGE: &str = "(image omitted: model does not support images)";
const OMITTED_TOOL_IMAGE: &str = "(tool image omitted: model does not support images)";
const LIFTED_IMAGE: &str = "(image attached after the tool results)";
const LIFTED_DOCUMENT: &str = "(document attached after the tool results)";
const LIFTED_VIDEO: &str = "(video attached after the tool results)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::family::takes;
    use serde_json::{Value, json};

    const CLAUDE: &str = "anthropic.claude-sonnet-4-5";

    /// A conversation for this model, which takes images or not.
    fn mended(messages: &Value, model: &str, options: &Options, takes_images: bool) -> Value {
        let takes = takes(model);
        let mut names = ToolNames::default();
        let mut blocks = Blocks::new(&takes, options, takes_images, &mut names);
        let mut messages = serde_json::from_value::<Vec<Message>>(messages.clone()).unwrap();
        for (index, message) in messages.iter_mut().enumerate() {
            blocks.mend(index, message).unwrap();
        }
        serde_json::to_value(messages).unwrap()
    }

    fn unrepaired() -> Options {
        Options { repair_history: false, ..Options::default() }
    }

    #[test]
    fn ids_and_names_that_the_service_refuses_are_changed_alike() {
        let call = |id: &str, name: &str, input: Value| json!({"toolUse": {"toolUseId": id, "name": name, "input": input}});
        let result = |id: &str, text: &str| json!({"toolResult": {"toolUseId": id, "content": [{"text": text}], "status": "success"}});
        let messages = json!([
            {"role": "assistant", "content": [
                call("a|b", "f.g", json!({"": 1, "x": [{"": 2, "y": ""}]})), call("a_b", "f", json!([]))
            ]},
            {"role": "user", "content": [result("a_b", "2"), result("a|b", " ")]}
        ]);
        let turns = mended(&messages, CLAUDE, &Options::default(), true);
        assert_eq!(
            turns[0]["content"],
            json!([call("a_b", "f_g", json!({"x": [{"y": ""}]})), call("a_b_2", "f", json!({}))])
        );
        assert_eq!(turns[1]["content"], json!([result("a_b_2", "2"), result("a_b", "<empty>")]));
        assert_eq!(mended(&messages, CLAUDE, &unrepaired(), true), messages);
    }

    #[test]
    fn thoughts_go_back_to_the_same_model_alone() {
        let thought = |text: &str, signature: Option<&str>| {
            let mut thought = json!({"reasoningContent": {"reasoningText": {"text": text}}});
            if let Some(signature) = signature {
                thought["reasoningContent"]["reasoningText"]["signature"] = signature.into();
            }
            thought
        };
        let redacted = json!({"reasoningContent": {"redactedContent": "AAEC"}});
        let messages = json!([{"role": "assistant", "content": [
            thought("t", Some("S")), thought("", Some("S")), thought("unsigned", None), thought(" ", Some(" ")),
            redacted, {"text": "b"}
        ]}]);
        let claudes = json!([
            thought("t", Some("S")), thought("", Some("S")), {"text": "unsigned"}, redacted, {"text": "b"}
        ]);
        assert_eq!(mended(&messages, CLAUDE, &Options::default(), true)[0]["content"], claudes);
        let mut foreign = Options::default();
        foreign.foreign_messages.push(0);
        assert_eq!(mended(&messages, CLAUDE, &foreign, true)[0]["content"], json!([{"text": "b"}]));
        foreign.repair_history = false;
        assert_eq!(mended(&messages, CLAUDE, &foreign, true)[0]["content"], claudes);
        let novas = json!([thought("t", None), thought("unsigned", None), redacted, {"text": "b"}]);
        assert_eq!(mended(&messages, "amazon.nova-2-lite", &Options::default(), true)[0]["content"], novas);
    }

    #[test]
    fn models_that_take_no_images_get_notes() {
        let image = json!({"image": {"format": "png", "source": {"bytes": "AA=="}}});
        let text = json!({"text": "x"});
        let messages = json!([
            {"role": "user", "content": [image, image, text, image]},
            {"role": "user", "content": [{"toolResult": {"toolUseId": "1", "content": [image, image, text]}}]}
        ]);
        let turns = mended(&messages, CLAUDE, &Options::default(), false);
        let note = json!({"text": OMITTED_IMAGE});
        assert_eq!(turns[0]["content"], json!([note, text, note]));
        assert_eq!(
            turns[1]["content"][0]["toolResult"]["content"],
            json!([{"text": OMITTED_TOOL_IMAGE}, text])
        );
        assert_eq!(mended(&messages, CLAUDE, &Options::default(), true), messages);
        assert_eq!(mended(&messages, CLAUDE, &unrepaired(), false), messages);
    }

    #[test]
    fn images_in_the_result_of_a_failed_tool_follow_it_for_claude() {
        let image = json!({"image": {"format": "png", "source": {"bytes": "AA=="}}});
        let messages = json!([
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a|1", "name": "look.up", "input": {}}}]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "a|1", "content": [image, image], "status": "error"}}
            ]}
        ]);
        let turns = mended(&messages, CLAUDE, &Options::default(), true);
        assert_eq!(
            turns[1]["content"],
            json!([
                {"toolResult": {"toolUseId": "a_1", "content": [{"text": LIFTED_IMAGE}], "status": "error"}},
                {"text": "Images from the error result of tool call a|1 (look.up):"},
                image, image
            ])
        );
        let novas = mended(&messages, "amazon.nova-pro", &Options::default(), true);
        assert_eq!(novas[1]["content"][0]["toolResult"]["content"], json!([image, image]));
    }

    #[test]
    fn media_that_a_result_must_not_hold_follow_it() {
        let image = json!({"image": {"format": "png", "source": {"bytes": "AA=="}}});
        let document =
            |format: &str| json!({"document": {"format": format, "name": "d", "source": {"bytes": "AA=="}}});
        let messages = json!([
            {"role": "assistant", "content": [{"toolUse": {"toolUseId": "abcdefghi", "name": "f", "input": {}}}]},
            {"role": "user", "content": [{"toolResult": {
                "toolUseId": "abcdefghi", "content": [{"text": "t"}, image, document("pdf"), document("csv")],
                "status": "success"
            }}]}
        ]);
        let lifted = |model: &str| {
            let turns = mended(&messages, model, &Options::default(), true);
            let blocks = turns[1]["content"].as_array().unwrap().clone();
            let kinds = blocks.iter().flat_map(|block| block.as_object().unwrap().keys().cloned());
            (
                kinds.collect::<Vec<_>>().join(" "),
                blocks[0]["toolResult"]["content"].to_string(),
                blocks[0]["toolResult"]["status"].is_null(),
            )
        };
        assert_eq!(lifted(CLAUDE).0, "toolResult");
        let (kinds, kept, _) = lifted("moonshotai.kimi-k2.5");
        assert_eq!(kinds, "toolResult text image document document");
        assert!(!kept.contains("\"image\"") && kept.contains(LIFTED_DOCUMENT), "{kept}");
        let (kinds, kept, _) = lifted("us.amazon.nova-pro-v1:0");
        assert_eq!(kinds, "toolResult text document");
        assert!(kept.contains("csv") && !kept.contains("pdf"), "{kept}");
        assert_eq!(lifted("us.mistral.pixtral-large-2502-v1:0").0, "toolResult text image");
        assert!(lifted("us.writer.palmyra-x5-v1:0").2 && !lifted(CLAUDE).2, "Palmyra refuses a status");
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
}
