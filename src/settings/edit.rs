//! A member of a text of JSON5: found, set and removed, with all around it as it was.

use std::ops::Range;

use jsonc_parser::ParseOptions;
use jsonc_parser::ast::{ObjectPropName, Value};
use jsonc_parser::common::Ranged as _;

use super::parse;
use crate::{Error, ErrorKind, Result};

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

/// The paths of all members and items, as [`steps`] reads them.
pub(super) fn paths(root: &serde_json::Value) -> Vec<String> {
    fn walk(value: &serde_json::Value, way: &mut Vec<Step>, found: &mut Vec<String>) {
        let members = value.as_object().into_iter().flatten();
        let members = members.map(|(name, value)| (Step::Member(name.clone()), value));
        let items = value.as_array().into_iter().flatten().enumerate();
        for (step, value) in members.chain(items.map(|(at, value)| (Step::At(at), value))) {
            way.push(step);
            found.push(shown(way));
            walk(value, way, found);
            way.pop();
        }
    }
    let mut found = Vec::new();
    walk(root, &mut Vec::new(), &mut found);
    found
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
    let value = match parse("", value) {
        Ok(Some(parsed)) => parsed.text(value).to_owned(),
        _ => serde_json::Value::from(value).to_string(),
    };
    let Some(root) = parse("the settings", text)? else {
        let text = text.trim_end();
        let head = if text.is_empty() { String::new() } else { format!("{text}\n") };
        return set(&format!("{head}{{\n}}\n"), path, &value);
    };
    let quoted = match &root {
        Value::Object(object) => {
            matches!(object.properties.first().map(|m| &m.name), Some(ObjectPropName::String(_)))
        }
        _ => false,
    };
    let mut at = &root;
    let mut way = steps.as_slice();
    while let Some((step, rest)) = way.split_first() {
        let inside = Inside::of(at);
        let wrong = |expected: &str| {
            let (done, _) = steps.split_at(steps.len() - way.len());
            let done = if done.is_empty() { "the settings".into() } else { shown(done) };
            Error::new(ErrorKind::InvalidInput, format!("{done}: {expected} expected, something else found"))
        };
        let next = match (step, at) {
            (Step::Member(name), Value::Object(object)) => object.get(name).map(|member| &member.value),
            (Step::At(index), Value::Array(list)) if *index <= list.elements.len() => {
                list.elements.get(*index)
            }
            (Step::At(_), Value::Array(_)) => {
                return Err(wrong("an index of the list, or the one after its last,"));
            }
            (Step::Member(_), _) => return Err(wrong("an object")),
            (Step::At(_), _) => return Err(wrong("a list")),
        };
        if let Some(next) = next {
            (at, way) = (next, rest);
            continue;
        }
        let made = rest.iter().rev().try_fold(value, |value, step| match step {
            Step::Member(name) => Some(format!("{{ {}: {value} }}", key(name, quoted))),
            Step::At(0) => Some(format!("[{value}]")),
            Step::At(_) => None,
        });
        let made = made.ok_or_else(|| wrong("an index from 0 in a list that is new"))?;
        let made = match step {
            Step::Member(name) => format!("{}: {made}", key(name, quoted)),
            Step::At(_) => made,
        };
        return Ok(inside.map_or_else(|| text.to_owned(), |inside| inside.append(text, &made)));
    }
    Ok(spliced(text, at.start()..at.end(), &value))
}

/// The text without a member, or `None` if there is none.
pub(super) fn unset(text: &str, path: &str) -> Result<Option<String>> {
    let steps = steps(path)?;
    let Some(root) = parse("the settings", text)? else { return Ok(None) };
    let mut at = &root;
    let mut found = None;
    for step in &steps {
        let inside = Inside::of(at);
        let (index, value) = match (step, at) {
            (Step::Member(name), Value::Object(object)) => {
                let index = object.properties.iter().position(|member| member.name.as_str() == name);
                (index, index.and_then(|index| object.properties.get(index)).map(|member| &member.value))
            }
            (Step::At(index), Value::Array(list)) => (Some(*index), list.elements.get(*index)),
            _ => (None, None),
        };
        let (Some(inside), Some(index), Some(value)) = (inside, index, value) else { return Ok(None) };
        found = Some((inside, index));
        at = value;
    }
    Ok(found.map(|(inside, index)| inside.remove(text, index)))
}

/// The inside of an object or a list.
struct Inside {
    /// Without the brackets.
    range: Range<usize>,
    /// What is in it, each without its comma.
    items: Vec<Range<usize>>,
    is_list: bool,
}

impl Inside {
    fn of(value: &Value<'_>) -> Option<Self> {
        let items = match value {
            Value::Object(object) => {
                object.properties.iter().map(|member| member.start()..member.end()).collect()
            }
            Value::Array(list) => list.elements.iter().map(|item| item.start()..item.end()).collect(),
            _ => return None,
        };
        let is_list = matches!(value, Value::Array(_));
        Some(Self { range: value.start() + 1..value.end() - 1, items, is_list })
    }

    /// The text with one more item at the end: on a line of its own if the others are.
    fn append(&self, text: &str, item: &str) -> String {
        let inside = text.get(self.range.clone()).unwrap_or_default();
        let end = self.range.start + inside.trim_end().len();
        let Some(last) = self.items.last() else {
            return if inside.contains('\n') {
                let line = format!("\n{}  {item},", indent(text, self.range.start));
                spliced(text, end..end, &line)
            } else {
                let item = if self.is_list { item.to_owned() } else { format!(" {item} ") };
                spliced(text, end..self.range.end, &item)
            };
        };
        let comma = comma_after(text, last.end);
        let (before, after) = if inside.contains('\n') {
            (format!("\n{}", indent(text, last.start)), if comma.is_some() { "," } else { "" })
        } else {
            (" ".to_owned(), "")
        };
        let with_item = spliced(text, end..end, &format!("{before}{item}{after}"));
        match comma {
            Some(_) => with_item,
            None => spliced(&with_item, last.end..last.end, ","),
        }
    }

    /// The text without one item: with its line, if nothing else is on it. Comments stay.
    fn remove(&self, text: &str, index: usize) -> String {
        let Some(item) = self.items.get(index) else { return text.to_owned() };
        let blank = |part: Range<usize>| text.get(part).is_some_and(|part| part.trim().is_empty());
        let behind = comma_after(text, item.end);
        let before = || comma_after(text, self.items.get(index.checked_sub(1)?)?.end);
        let mut cut = item.clone();
        let mut comma = behind.or_else(before);
        if let Some(at) = behind.filter(|at| blank(item.end..*at)) {
            (cut.end, comma) = (at + 1, None);
        }
        let (left, right) = text.split_at_checked(cut.start).unwrap_or_default();
        let right = right.get(cut.len()..).unwrap_or_default();
        let line_start = left.rfind('\n').map_or(0, |at| at + 1);
        let line_end = right.find('\n').map(|at| cut.end + at + 1).filter(|end| blank(cut.end..*end));
        match line_end {
            Some(line_end) if blank(line_start..cut.start) => cut = line_start..line_end,
            _ if behind.is_some() => cut.end += right.len() - right.trim_start_matches(' ').len(),
            _ => cut.start = left.trim_end_matches(' ').len(),
        }
        match comma {
            Some(at) if at >= cut.end => spliced(&spliced(text, at..at + 1, ""), cut, ""),
            Some(at) if at < cut.start => spliced(&spliced(text, cut, ""), at..at + 1, ""),
            _ => spliced(text, cut, ""),
        }
    }
}

/// Where the comma behind an item is, if there is one: behind white space and comments.
fn comma_after(text: &str, offset: usize) -> Option<usize> {
    let mut rest = text.get(offset..)?;
    loop {
        rest = rest.trim_start();
        if rest.starts_with(',') {
            return Some(text.len() - rest.len());
        } else if rest.starts_with("//") {
            rest = rest.split_once('\n')?.1;
        } else if rest.starts_with("/*") {
            rest = rest.split_once("*/")?.1;
        } else {
            return None;
        }
    }
}

/// The white space at the beginning of a line.
fn indent(text: &str, offset: usize) -> &str {
    let before = text.get(..offset).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(start..).unwrap_or_default();
    line.get(..line.len() - line.trim_start_matches([' ', '\t']).len()).unwrap_or_default()
}

/// The name of a member as it is written.
fn key(name: &str, quoted: bool) -> String {
    let plain = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && !quoted { name.to_owned() } else { serde_json::Value::from(name).to_string() }
}

fn spliced(text: &str, range: Range<usize>, with: &str) -> String {
    let (before, after) = (text.get(..range.start), text.get(range.end..));
    [before.unwrap_or_default(), with, after.unwrap_or_default()].concat()
}

/// JSON5 as it is written down: commas between members are no matter of taste.
pub(super) fn options() -> ParseOptions {
    ParseOptions { allow_missing_commas: false, ..ParseOptions::default() }
}
