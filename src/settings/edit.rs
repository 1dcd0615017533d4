//! A member of a text of JSON5: found, set and removed, with comments and layout as they were.

use jsonc_parser::ParseOptions;
use jsonc_parser::ast::Value;
use jsonc_parser::cst::{CstArray, CstInputValue, CstNode, CstObject, CstRootNode};

use super::parse;
use crate::error::{Error, ErrorKind, Result};

/// A step of the way to a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    At(usize),
}

/// Reads a way in dots and brackets: `agents.defaults.model`, `models.providers["a.b"].models[0]`.
pub(super) fn steps(path: &str) -> Result<Vec<Step>> {
    let wrong = |expected: &str| {
        Error::new(ErrorKind::InvalidInput, format!("{path:?}: {expected} expected")).with_hint(
            "a path is like agents.defaults.model.primary or models.providers[\"amazon-bedrock\"].models[0]",
        )
    };
    let mut steps = Vec::new();
    let mut rest = path.trim();
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let quoted = inside.strip_prefix(['"', '\'']).zip(inside.get(..1));
            let (step, after) = if let Some((inside, quote)) = quoted {
                let end = inside.split_once(&format!("{quote}]"));
                let (name, after) = end.ok_or_else(|| wrong("a quote and ] at the end of a name"))?;
                (Step::Member(name.to_owned()), after)
            } else {
                let (inside, after) = inside.split_once(']').ok_or_else(|| wrong("a ]"))?;
                let name = || Step::Member(inside.trim().to_owned());
                (inside.trim().parse().map_or_else(|_| name(), Step::At), after)
            };
            steps.push(step);
            rest = after;
        } else {
            let name = if steps.is_empty() { Some(rest) } else { rest.strip_prefix('.') };
            let name = name.ok_or_else(|| wrong("a dot or a bracket after each step"))?;
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (name, after) = name.split_at(end);
            if name.trim().is_empty() {
                return Err(wrong("a name between two dots"));
            }
            steps.push(Step::Member(name.trim().to_owned()));
            rest = after;
        }
    }
    if steps.is_empty() { Err(wrong("the name of a member")) } else { Ok(steps) }
}

/// Writes a way as [`steps`] reads it.
pub(super) fn shown(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::At(at) => text.extend(["[", &at.to_string(), "]"]),
            Step::Member(name) if name.is_empty() || name.contains(['.', '[', ']', '"', '\'', ' ']) => {
                text.extend(["[", &format!("{name:?}"), "]"]);
            }
            Step::Member(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
        }
    }
    text
}

/// The value of a member.
pub(super) fn get(text: &str, path: &str) -> Result<Option<serde_json::Value>> {
    let Some(mut at) = parse("the settings", text)? else { return Ok(None) };
    for step in steps(path)? {
        let next = match (step, at) {
            (Step::Member(name), Value::Object(mut object)) => object.take(&name).map(|member| member.value),
            (Step::At(at), Value::Array(list)) => list.elements.into_iter().nth(at),
            _ => None,
        };
        let Some(next) = next else { return Ok(None) };
        at = next;
    }
    Ok(Some(at.into()))
}

/// The text with a member set, objects on the way to it made as needed. `value` is JSON5, or else a text
/// as it is.
pub(super) fn set(text: &str, path: &str, value: &str) -> Result<String> {
    let steps = steps(path)?;
    let value = input(value);
    let root = tree(text)?;
    let object = root.object_value_or_create().ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, "an object expected as the whole of the settings")
    })?;
    let Some((first, rest)) = steps.split_first() else { return Ok(text.to_owned()) };
    set_in(&object.into(), first, rest, value, &mut Vec::new())?;
    Ok(root.to_string())
}

fn set_in(
    container: &CstNode,
    step: &Step,
    rest: &[Step],
    value: CstInputValue,
    way: &mut Vec<Step>,
) -> Result<()> {
    let wrong = |way: &[Step], expected: &str| {
        let way = shown(way);
        Err(Error::new(ErrorKind::InvalidInput, format!("{way}: {expected} expected, something else found")))
    };
    let made = |value: CstInputValue| {
        rest.iter().rev().try_fold(value, |value, step| match step {
            Step::Member(name) => Some(CstInputValue::Object(vec![(name.clone(), value)])),
            Step::At(0) => Some(CstInputValue::Array(vec![value])),
            Step::At(_) => None,
        })
    };
    let beyond = || {
        Err(Error::new(
            ErrorKind::InvalidInput,
            "an index up to the number of what there is expected, a higher one found",
        ))
    };
    match step {
        Step::Member(name) => {
            let Some(object) = container.as_object() else { return wrong(way, "an object") };
            way.push(step.clone());
            match (member(&object, name), rest.split_first()) {
                (Some(found), None) => found.set_value(value),
                (Some(found), Some((next, rest))) => {
                    let Some(inside) = found.value() else { return wrong(way, "a value") };
                    return set_in(&inside, next, rest, value, way);
                }
                (None, _) => {
                    let Some(value) = made(value) else { return beyond() };
                    object.append(name, value);
                }
            }
        }
        Step::At(at) => {
            let Some(list) = container.as_array() else { return wrong(way, "a list") };
            way.push(step.clone());
            match (list.elements().into_iter().nth(*at), rest.split_first()) {
                (Some(found), None) => replace(&list, found, *at, value),
                (Some(found), Some((next, rest))) => return set_in(&found, next, rest, value, way),
                (None, _) => {
                    let Some(value) = made(value).filter(|_| *at == list.elements().len()) else {
                        return beyond();
                    };
                    list.append(value);
                }
            }
        }
    }
    Ok(())
}

/// The text without a member, or `None` if there is none.
pub(super) fn unset(text: &str, path: &str) -> Result<Option<String>> {
    let root = tree(text)?;
    let steps = steps(path)?;
    let Some((last, way)) = steps.split_last() else { return Ok(None) };
    let mut at = root.value();
    for step in way {
        at = match (step, at) {
            (Step::Member(name), Some(node)) => {
                node.as_object().and_then(|object| member(&object, name)?.value())
            }
            (Step::At(index), Some(node)) => {
                node.as_array().and_then(|list| list.elements().into_iter().nth(*index))
            }
            _ => None,
        };
    }
    let Some(container) = at else { return Ok(None) };
    match last {
        Step::Member(name) => {
            let Some(found) = container.as_object().and_then(|object| member(&object, name)) else {
                return Ok(None);
            };
            found.remove();
        }
        Step::At(index) => {
            let found = container.as_array().and_then(|list| list.elements().into_iter().nth(*index));
            let Some(found) = found else { return Ok(None) };
            found.remove();
        }
    }
    Ok(Some(root.to_string()))
}

fn tree(text: &str) -> Result<CstRootNode> {
    // Positions and words of a fault are those of reading.
    parse("the settings", text)?;
    CstRootNode::parse(text, &options())
        .map_err(|error| Error::new(ErrorKind::InvalidInput, error.to_string()))
}

/// The member of this name, whichever way the name is written.
fn member(object: &CstObject, name: &str) -> Option<jsonc_parser::cst::CstObjectProp> {
    object.properties().into_iter().find(|member| member.decoded_name().as_deref() == Some(name))
}

fn replace(list: &CstArray, old: CstNode, at: usize, value: CstInputValue) {
    list.insert(at, value);
    old.remove();
}

/// JSON5, or else a text as it is.
fn input(text: &str) -> CstInputValue {
    match parse("", text) {
        Ok(Some(value)) => converted(value),
        _ => CstInputValue::String(text.to_owned()),
    }
}

fn converted(value: Value<'_>) -> CstInputValue {
    match value {
        Value::StringLit(text) => CstInputValue::String(text.value.into_owned()),
        Value::NumberLit(number) => CstInputValue::Number(number.value.to_owned()),
        Value::BooleanLit(value) => CstInputValue::Bool(value.value),
        Value::NullKeyword(_) => CstInputValue::Null,
        Value::Array(list) => CstInputValue::Array(list.elements.into_iter().map(converted).collect()),
        Value::Object(object) => {
            let members = object.properties.into_iter();
            CstInputValue::Object(
                members.map(|member| (member.name.into_string(), converted(member.value))).collect(),
            )
        }
    }
}

/// JSON5 as it is written down: commas between members are no matter of taste.
pub(super) fn options() -> ParseOptions {
    ParseOptions { allow_missing_commas: false, ..ParseOptions::default() }
}
