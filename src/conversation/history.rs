//! The turns of a conversation, in the order and completeness that the service requires.
//!
//! Each repair is a function of its own; together they take time linear in the length of the conversation.

use std::collections::{HashMap, HashSet};

use super::family::{Capability, Takes};
use crate::converse::{
    ContentBlock, ConversationRole, Message, ToolResultBlock, ToolResultContentBlock, ToolResultStatus,
    ToolUseBlock, ToolUseType,
};

/// Repairs the turns of a conversation for a request with or without tools. `prompt` is a system prompt that stands
/// before the first question.
pub(super) fn repair(turns: &mut Vec<Message>, has_tools: bool, prompt: Option<String>, takes: &Takes) {
    turns.retain(|turn| !has_thoughts_alone(turn));
    merge_neighbours(turns);
    drop_orphan_results(turns);
    merge_neighbours(turns);
    close_open_calls(turns);
    let is_prefill_refused = !takes.takes(Capability::Prefill, "yes");
    for turn in turns.iter_mut() {
        match turn.role {
            ConversationRole::Assistant => {
                pair_service_calls(turn);
                order_turn(turn, is_prefill_refused);
            }
            _ => results_first(turn),
        }
    }
    begin_with_user(turns, prompt);
    if has_tools {
        part_results(turns, takes);
    } else {
        tools_as_text(turns);
    }
    let may_prefill = !is_prefill_refused || !has_tools && takes.takes(Capability::Prefill, "withoutTools");
    end_turns(turns, may_prefill);
    turns.iter_mut().for_each(fill_empty);
}

/// Whether a turn of the model's has thoughts and nothing else. The service takes it for the beginning of a response,
/// or refuses it.
fn has_thoughts_alone(turn: &Message) -> bool {
    turn.role == ConversationRole::Assistant
        && turn.content.iter().all(|block| matches!(block, ContentBlock::ReasoningContent(_)))
}

/// Merges neighbours of one role into one turn.
fn merge_neighbours(turns: &mut Vec<Message>) {
    turns.dedup_by(|turn, before| {
        let same = turn.role == before.role;
        if same {
            before.content.append(&mut turn.content);
        }
        same
    });
}

/// Drops results without a call in the turn before, and second results of one call.
fn drop_orphan_results(turns: &mut Vec<Message>) {
    let mut open = HashSet::<String>::new();
    turns.retain_mut(|turn| {
        if turn.role == ConversationRole::Assistant {
            open = calls(turn).collect();
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

/// Adds a result that says so to each call without one.
fn close_open_calls(turns: &mut Vec<Message>) {
    let mut closed = Vec::with_capacity(turns.len());
    let mut open = Vec::<String>::new();
    for mut turn in turns.drain(..) {
        if turn.role == ConversationRole::Assistant {
            open = calls(&turn).collect();
        } else if !open.is_empty() {
            let results = turn.content.iter().filter_map(|block| match block {
                ContentBlock::ToolResult(result) => Some(result.tool_use_id.as_str()),
                _ => None,
            });
            let results = results.collect::<HashSet<_>>();
            open.retain(|id| !results.contains(id.as_str()));
            turn.content.extend(open.drain(..).map(no_result));
        }
        closed.push(turn);
    }
    if !open.is_empty() {
        closed
            .push(Message::new(ConversationRole::User, open.into_iter().map(no_result).collect::<Vec<_>>()));
    }
    *turns = closed;
}

/// The ids of a turn's tool calls that the caller is to answer.
fn calls(turn: &Message) -> impl Iterator<Item = String> {
    turn.tool_uses().filter(|call| !is_run_by_service(call)).map(|call| call.tool_use_id.clone())
}

/// Whether the service runs the tool itself: its result stands in the same turn.
fn is_run_by_service(call: &ToolUseBlock) -> bool {
    call.kind == Some(ToolUseType::ServerToolUse)
}

/// Whether a block of the model's is the call of a tool that the service ran, or its result.
pub(super) fn is_of_service(block: &ContentBlock) -> bool {
    match block {
        ContentBlock::ToolUse(call) => is_run_by_service(call),
        ContentBlock::ToolResult(_) => true,
        _ => false,
    }
}

/// Drops calls that the service ran and whose result the response does not hold, and the other way round.
fn pair_service_calls(turn: &mut Message) {
    let (mut calls, mut results) = (HashSet::new(), HashSet::new());
    for block in &turn.content {
        match block {
            ContentBlock::ToolUse(call) if is_run_by_service(call) => calls.insert(call.tool_use_id.clone()),
            ContentBlock::ToolResult(result) => results.insert(result.tool_use_id.clone()),
            _ => false,
        };
    }
    turn.content.retain(|block| match block {
        ContentBlock::ToolUse(call) => !is_run_by_service(call) || results.contains(&call.tool_use_id),
        ContentBlock::ToolResult(result) => calls.contains(&result.tool_use_id),
        _ => true,
    });
}

fn no_result(id: String) -> ContentBlock {
    ToolResultBlock::failure(id, NO_RESULT).into()
}

/// Moves the results of tools before everything else in a user turn.
fn results_first(turn: &mut Message) {
    let is_result = |block: &ContentBlock| matches!(block, ContentBlock::ToolResult(_));
    let (results, rest) = std::mem::take(&mut turn.content).into_iter().partition::<Vec<_>, _>(is_result);
    turn.content = results;
    turn.content.extend(rest);
}

/// Puts thoughts first in a turn that has them elsewhere, and tool calls last where text behind them is taken for the
/// beginning of a response.
fn order_turn(turn: &mut Message, calls_last: bool) {
    let is_thought = |block: &ContentBlock| matches!(block, ContentBlock::ReasoningContent(_));
    let is_call =
        |block: &ContentBlock| matches!(block, ContentBlock::ToolUse(call) if !is_run_by_service(call));
    let begins_with_thought = turn.content.first().is_some_and(is_thought);
    let (mut thoughts, mut others, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    // size: a stable sort of blocks takes 5 KB.
    for block in turn.content.drain(..) {
        if is_thought(&block) && !begins_with_thought {
            thoughts.push(block);
        } else if is_call(&block) && calls_last {
            calls.push(block);
        } else {
            others.push(block);
        }
    }
    thoughts.append(&mut others);
    thoughts.append(&mut calls);
    turn.content = thoughts;
}

/// Puts the system prompt of a model that has none before the first question, and a user turn before one of the
/// model's that comes first.
fn begin_with_user(turns: &mut Vec<Message>, prompt: Option<String>) {
    if turns.first().is_some_and(|turn| turn.role == ConversationRole::Assistant) {
        turns.insert(0, Message::user(prompt.as_deref().unwrap_or(EMPTY)));
    } else if let (Some(first), Some(prompt)) = (turns.first_mut(), prompt) {
        first.content.insert(0, ContentBlock::Text(prompt));
    }
}

/// Puts a turn of the model's between results and what must not stand beside them.
fn part_results(turns: &mut Vec<Message>, takes: &Takes) {
    let may_stand = |block: &ContentBlock| {
        let kind = match block {
            ContentBlock::Text(_) => "text",
            ContentBlock::Image(_) => "image",
            ContentBlock::Document(_) => "document",
            ContentBlock::Video(_) => "video",
            _ => return true,
        };
        takes.takes(Capability::BesideResult, kind)
    };
    for mut turn in std::mem::take(turns) {
        let results =
            turn.content.iter().take_while(|block| matches!(block, ContentBlock::ToolResult(_))).count();
        let rest = if results == 0 || turn.content.iter().all(may_stand) {
            Vec::new()
        } else {
            turn.content.split_off(results)
        };
        turns.push(turn);
        if !rest.is_empty() {
            turns.push(Message::assistant(BETWEEN));
            turns.push(Message::new(ConversationRole::User, rest));
        }
    }
}

/// Ends a conversation as the model accepts: with the user, or with a beginning of the response without white space at
/// its end.
fn end_turns(turns: &mut Vec<Message>, may_prefill: bool) {
    let Some(last) = turns.last_mut().filter(|turn| turn.role == ConversationRole::Assistant) else { return };
    if !may_prefill {
        turns.push(Message::user(CONTINUE));
    } else if let Some(ContentBlock::Text(text)) = last.content.last_mut() {
        text.truncate(text.trim_end().len());
    }
}

/// Writes calls and results as text: without tools in the request the service refuses them.
fn tools_as_text(turns: &mut [Message]) {
    let mut names = HashMap::new();
    for turn in turns {
        let mut content = Vec::with_capacity(turn.content.len());
        for block in turn.content.drain(..) {
            match block {
                ContentBlock::ToolUse(call) => {
                    let text =
                        format!("[Assistant tool call]: {}({})", call.name, compact(call.input.text()));
                    content.push(ContentBlock::Text(text));
                    names.insert(call.tool_use_id, call.name);
                }
                ContentBlock::ToolResult(result) => {
                    let name = names.get(&result.tool_use_id).map_or("unknown", String::as_str);
                    let failed = if result.status == Some(ToolResultStatus::Error) { " (error)" } else { "" };
                    let mut text = format!("[Tool result: {name}{failed}]:");
                    let mut media = Vec::new();
                    for block in result.content {
                        match block {
                            ToolResultContentBlock::Text(more) => text.extend([" ", more.as_str()]),
                            ToolResultContentBlock::Json(json) => text.extend([" ", json.text()]),
                            ToolResultContentBlock::Image(image) => media.push(ContentBlock::Image(image)),
                            ToolResultContentBlock::Document(document) => {
                                media.push(ContentBlock::Document(document));
                            }
                            _ => {}
                        }
                    }
                    content.push(ContentBlock::Text(text));
                    content.extend(media);
                }
                block => content.push(block),
            }
        }
        turn.content = content;
    }
}

/// JSON without white space outside of strings.
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

/// Fills a turn that has become empty, and adds text to one that has a document and none.
fn fill_empty(turn: &mut Message) {
    let has = |kind: fn(&ContentBlock) -> bool| turn.content.iter().any(kind);
    let document = has(|block| matches!(block, ContentBlock::Document(_)));
    let text = has(|block| matches!(block, ContentBlock::Text(_)));
    if turn.content.is_empty() || (document && !text) {
        turn.content.push(EMPTY.into());
    }
}

/// Stands where nothing is left.
pub(super) const EMPTY: &str = "<empty>";
const NO_RESULT: &str = "No result provided";
/// What the model says between results and the rest of a turn.
const BETWEEN: &str = "Understood.";
/// What the user says where the model must not have the last word.
const CONTINUE: &str = "Continue.";

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "reads best in tables of JSON")]
mod tests {
    use super::*;
    use crate::conversation::family::takes;
    use serde_json::{Value, json};

    fn thought() -> Value {
        json!({"reasoningContent": {"reasoningText": {"text": "t", "signature": "s"}}})
    }

    fn repaired_for(turns: Value, has_tools: bool) -> Value {
        repaired_as(turns, has_tools, "newcomer.one")
    }

    fn repaired_as(turns: Value, has_tools: bool, model: &str) -> Value {
        let mut turns = serde_json::from_value(turns).unwrap();
        repair(&mut turns, has_tools, None, &takes(model));
        serde_json::to_value(turns).unwrap()
    }

    fn repaired(turns: Value) -> Value {
        repaired_for(turns, true)
    }

    fn user(content: Value) -> Value {
        json!({"role": "user", "content": content})
    }

    fn assistant(content: Value) -> Value {
        json!({"role": "assistant", "content": content})
    }

    fn text(text: &str) -> Value {
        json!({ "text": text })
    }

    fn call(id: &str) -> Value {
        json!({"toolUse": {"toolUseId": id, "name": "f", "input": {}}})
    }

    fn result(id: &str, text: &str) -> Value {
        json!({"toolResult": {"toolUseId": id, "content": [{"text": text}], "status": "success"}})
    }

    fn no_result(id: &str) -> Value {
        json!({"toolResult": {"toolUseId": id, "content": [{"text": NO_RESULT}], "status": "error"}})
    }

    #[test]
    fn neighbours_of_one_role_are_one_turn() {
        assert_eq!(
            repaired(json!([
                user(json!([text("a")])),
                user(json!([])),
                user(json!([text("b")])),
                assistant(json!([text("c")])),
                assistant(json!([text("d")]))
            ])),
            json!([user(json!([text("a"), text("b")])), assistant(json!([text("c"), text("d")]))])
        );
    }

    #[test]
    fn results_come_first_in_a_user_turn() {
        let turns = repaired(json!([
            user(json!([text("a")])),
            assistant(json!([call("1"), call("2")])),
            user(json!([text("wait")])),
            user(json!([result("2", "y")])),
            user(json!([result("1", "x")]))
        ]));
        assert_eq!(turns[2]["content"], json!([result("2", "y"), result("1", "x"), text("wait")]));
    }

    #[test]
    fn results_without_a_call_are_dropped() {
        assert_eq!(
            repaired(json!([
                user(json!([text("a")])),
                user(json!([result("0", "early")])),
                assistant(json!([call("1")])),
                user(json!([result("1", "x"), result("1", "again")])),
                assistant(json!([text("b")])),
                user(json!([result("1", "late")])),
                assistant(json!([text("c")]))
            ])),
            json!([
                user(json!([text("a")])),
                assistant(json!([call("1")])),
                user(json!([result("1", "x")])),
                assistant(json!([text("b"), text("c")]))
            ])
        );
    }

    #[test]
    fn a_turn_in_two_messages_keeps_its_results() {
        let turns = repaired(json!([
            user(json!([text("a")])),
            assistant(json!([call("1")])),
            assistant(json!([text("b")])),
            user(json!([result("1", "x")]))
        ]));
        assert_eq!(turns[1]["content"], json!([call("1"), text("b")]));
        assert_eq!(turns[2]["content"], json!([result("1", "x")]));
    }

    #[test]
    fn calls_without_a_result_get_one() {
        let turns = repaired(json!([
            user(json!([text("a")])),
            assistant(json!([call("1"), call("2")])),
            user(json!([result("2", "y")])),
            assistant(json!([call("3")])),
            user(json!([text("b")])),
            assistant(json!([call("4")]))
        ]));
        assert_eq!(turns[2]["content"], json!([result("2", "y"), no_result("1")]));
        assert_eq!(turns[4]["content"], json!([no_result("3"), text("b")]));
        assert_eq!(turns[6], user(json!([no_result("4")])));
    }

    #[test]
    fn a_conversation_begins_with_the_user() {
        assert_eq!(repaired(json!([assistant(json!([text("hello")]))]))[0], user(json!([text("<empty>")])));
        assert_eq!(repaired(json!([])), json!([]));
    }

    #[test]
    fn an_empty_turn_and_a_document_alone_get_text() {
        let document = json!({"document": {"name": "d", "source": {"text": "x"}}});
        assert_eq!(repaired(json!([user(json!([]))])), json!([user(json!([text("<empty>")]))]));
        let turns = repaired(json!([user(json!([document]))]));
        assert_eq!(turns[0]["content"], json!([document, text("<empty>")]));
    }

    #[test]
    fn without_tools_calls_and_results_become_text() {
        assert_eq!(compact(r#"{ "a b" : "c \\\" d \\\\" , "e" : 1 }"#), r#"{"a b":"c \\\" d \\\\","e":1}"#);
        let mut failed = result("2", "boom");
        failed["toolResult"]["status"] = "error".into();
        let turns = json!([
            user(json!([text("a")])),
            assistant(json!([call("1"), call("2")])),
            user(json!([result("1", "x"), failed]))
        ]);
        let calls = json!([text("[Assistant tool call]: f({})"), text("[Assistant tool call]: f({})")]);
        let results = json!([text("[Tool result: f]: x"), text("[Tool result: f (error)]: boom")]);
        assert_eq!(
            repaired_for(turns, false),
            json!([user(json!([text("a")])), assistant(calls), user(results)])
        );
    }

    #[test]
    fn a_turn_of_thoughts_alone_is_left_out_and_thoughts_come_first() {
        let turns = json!([
            user(json!([text("a")])),
            assistant(json!([thought()])),
            user(json!([text("b")])),
            assistant(json!([text("c"), thought(), call("1"), text("d")])),
            user(json!([result("1", "x")]))
        ]);
        let after = |content| {
            json!([user(json!([text("a"), text("b")])), assistant(content), user(json!([result("1", "x")]))])
        };
        assert_eq!(repaired(turns.clone()), after(json!([thought(), text("c"), call("1"), text("d")])));
        let newer = repaired_as(turns, true, "anthropic.claude-opus-4-8");
        assert_eq!(
            newer,
            after(json!([thought(), text("c"), text("d"), call("1")])),
            "no text behind a call"
        );
        // What the model thought between its words stays there.
        let turns =
            json!([user(json!([text("a")])), assistant(json!([thought(), text("b"), thought(), text("c")]))]);
        assert_eq!(repaired(turns.clone()), turns);
    }

    #[test]
    fn a_conversation_ends_as_the_model_accepts() {
        let ended = |model: &str, has_tools| {
            let turns = json!([user(json!([text("a")])), assistant(json!([text("b \n")]))]);
            repaired_as(turns, has_tools, model).as_array().unwrap().clone()
        };
        let continued = vec![
            user(json!([text("a")])),
            assistant(json!([text("b \n")])),
            user(json!([text("Continue.")])),
        ];
        assert_eq!(ended("us.anthropic.claude-opus-4-6-v1", false), continued);
        let prefilled = vec![user(json!([text("a")])), assistant(json!([text("b")]))];
        assert_eq!(ended("anthropic.claude-sonnet-4-5", true), prefilled);
        assert_eq!(ended("anthropic.claude-3-haiku-20240307-v1:0", false), prefilled);
        assert_eq!(ended("anthropic.claude-3-haiku-20240307-v1:0", true), continued);
        // A repair that takes the last turn away makes such an end too.
        let turns = json!([
            user(json!([text("a")])),
            assistant(json!([text("b")])),
            user(json!([result("0", "orphan")]))
        ]);
        assert_eq!(repaired_as(turns, true, "anthropic.claude-opus-5")[2], user(json!([text("Continue.")])));
    }

    #[test]
    fn a_turn_stands_between_results_and_what_must_not_be_beside_them() {
        let document = json!({"document": {"format": "pdf", "name": "d", "source": {"text": "x"}}});
        let parted = |model: &str, rest: Value| {
            let mut last = vec![result("1", "x")];
            last.extend(rest.as_array().unwrap().clone());
            let turns = json!([user(json!([text("a")])), assistant(json!([call("1")])), user(last.into())]);
            let turns = repaired_as(turns, true, model);
            turns.as_array().unwrap().get(3..).unwrap().to_vec()
        };
        let llama = "us.meta.llama4-maverick-17b-instruct-v1:0";
        let between = assistant(json!([text("Understood.")]));
        assert_eq!(parted(llama, json!([text("b")])), [between.clone(), user(json!([text("b")]))]);
        let claude = "anthropic.claude-sonnet-4-5";
        assert!(parted(claude, json!([text("b")])).is_empty());
        assert_eq!(parted(claude, json!([document])), [between, user(json!([document, text("<empty>")]))]);
        assert!(parted("us.amazon.nova-pro-v1:0", json!([text("b"), document])).is_empty());
    }
}
