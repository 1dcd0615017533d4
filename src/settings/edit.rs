//! Finds, sets and removes a member of a JSON5 text. Everything around it stays as it is.

use std::ops::Range;

use super::json5::{LINE_ENDS, Node, Value};
use super::parse;
use super::table::members;
use crate::spelling::nearest;
use crate::{Error, ErrorKind, Result};

/// A step of the path of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    At(usize),
}

/// Reads a path in dots and brackets: `agents.defaults.model`, `models.providers["a.b"].models[0]`.
pub(super) fn parse_path(path: &str) -> Result<Vec<Step>> {
    let wrong = |expected: &str| {
        Error::new(ErrorKind::InvalidInput, format!("{path:?}: expected {expected}")).with_hint(
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

/// Writes a path in the form that [`parse_path`] reads.
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

/// The path that was probably meant: each step takes the member of this name or of the nearest one, as far as the
/// settings go.
pub(super) fn nearest_path(root: &serde_json::Value, path: &str) -> Result<Option<String>> {
    let steps = parse_path(path)?;
    let (mut at, mut path) = (root, Vec::new());
    for step in steps {
        let next = match (step, at) {
            (Step::Member(name), serde_json::Value::Object(members)) => {
                let near = || nearest(&name, members.keys().map(String::as_str));
                let found = members.get_key_value(&name).or_else(|| members.get_key_value(near()?));
                found.map(|(name, value)| (Step::Member(name.clone()), value))
            }
            (Step::At(index), value) => value.get(index).map(|value| (Step::At(index), value)),
            _ => None,
        };
        let Some((step, value)) = next else { break };
        path.push(step);
        at = value;
    }
    Ok(Some(shown(&path)).filter(|path| !path.is_empty()))
}

/// Fails if a path begins with a member that is neither known nor in the text.
pub(super) fn check_first(text: &str, path: &str) -> Result<()> {
    let steps = parse_path(path)?;
    let Some(Step::Member(first)) = steps.first() else { return Ok(()) };
    let members = members();
    let known = members.iter().filter_map(|member| member.split(['.', '[']).next());
    if known.clone().any(|known| known == first)
        || get(text, &shown(steps.get(..1).unwrap_or_default()))?.is_some()
    {
        return Ok(());
    }
    // Most people name a member by its last word. Of several, the shortest path is the most general.
    let last = |member: &str| member.rsplit('.').next().is_some_and(|last| last == first);
    let own = members.iter().filter(|member| !member.contains(['*', '[']));
    let meant = own.filter(|member| last(member)).min_by_key(|member| member.len()).map(String::as_str);
    // `pumice config` takes `model` for the primary model.
    let near = meant.or_else(|| nearest(first, known.chain(["model"])));
    let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    Err(Error::new(
        ErrorKind::InvalidInput,
        format!("there is no member {first:?} at the top of the settings{near}"),
    ))
}

/// The value of a member.
pub(super) fn get(text: &str, path: &str) -> Result<Option<serde_json::Value>> {
    let steps = parse_path(path)?;
    let Some(root) = parse("the settings", text)? else { return Ok(None) };
    let mut at = &root;
    for step in &steps {
        let next = match (step, &at.value) {
            (Step::Member(name), _) => at.member(name).map(|member| &member.value),
            (Step::At(index), Value::List(items)) => items.get(*index),
            _ => None,
        };
        let Some(next) = next else { return Ok(None) };
        at = next;
    }
    Ok(Some(at.to_json()))
}

/// Sets a member and creates missing objects on its path. `value` is JSON5, or else plain text.
pub(super) fn set(text: &str, path: &str, value: &str) -> Result<String> {
    let steps = parse_path(path)?;
    let value = match parse("", value) {
        Ok(Some(parsed)) => value.get(parsed.range).unwrap_or_default().to_owned(),
        _ => serde_json::Value::from(value).to_string(),
    };
    let Some(root) = parse("the settings", text)? else {
        let text = text.trim_end();
        let head = if text.is_empty() { String::new() } else { format!("{text}\n") };
        return set(&format!("{head}{{\n}}\n"), path, &value);
    };
    let quoted = match &root.value {
        Value::Object(members) => members.first().is_some_and(|member| {
            text.get(member.start..).is_some_and(|member| member.starts_with(['"', '\'']))
        }),
        _ => false,
    };
    let mut at = &root;
    let mut left = steps.as_slice();
    while let Some((step, rest)) = left.split_first() {
        let inside = Inside::of(at);
        let wrong = |fault: &str| {
            let (done, _) = steps.split_at(steps.len() - left.len());
            let done = if done.is_empty() { "the settings".into() } else { shown(done) };
            Error::new(ErrorKind::InvalidInput, format!("{done}: expected {fault}"))
        };
        let next = match (step, &at.value) {
            (Step::Member(name), Value::Object(_)) => at.member(name).map(|member| &member.value),
            (Step::At(index), Value::List(items)) if *index <= items.len() => items.get(*index),
            (Step::At(index), Value::List(items)) => {
                return Err(wrong(&format!("an index of at most {}, found {index}", items.len())));
            }
            (Step::Member(_), _) => return Err(wrong("an object, found something else")),
            (Step::At(_), _) => return Err(wrong("a list, found something else")),
        };
        if let Some(next) = next {
            (at, left) = (next, rest);
            continue;
        }
        let Some(inside) = inside else { return Ok(text.to_owned()) };
        // On lines of their own where the others are.
        let lines = inside.indent(text);
        let mut depth = rest.len();
        let created = rest.iter().rev().try_fold(value, |value, step| {
            depth -= 1;
            let line = |depth: usize| Some(format!("\n{}{}", lines.as_deref()?, "  ".repeat(depth)));
            match step {
                Step::Member(name) => {
                    let item = format!("{}: {value}", key(name, quoted));
                    let own = line(depth + 1).zip(line(depth));
                    Some(own.map_or_else(
                        || format!("{{ {item} }}"),
                        |(own, end)| format!("{{{own}{item},{end}}}"),
                    ))
                }
                Step::At(0) => Some(format!("[{value}]")),
                Step::At(_) => None,
            }
        });
        let created = created.ok_or_else(|| wrong("the index 0 in a new list, found another one"))?;
        let created = match step {
            Step::Member(name) => format!("{}: {created}", key(name, quoted)),
            Step::At(_) => created,
        };
        return Ok(inside.append(text, &created));
    }
    Ok(spliced(text, at.range.clone(), &value))
}

/// Removes a member, and objects that hold nothing else. `None` if there is no such member.
pub(super) fn unset(text: &str, path: &str) -> Result<Option<String>> {
    let steps = parse_path(path)?;
    let Some(root) = parse("the settings", text)? else { return Ok(None) };
    let mut at = &root;
    let mut found = None;
    let mut is_member = false;
    for step in &steps {
        let inside = Inside::of(at);
        let (index, value) = match (step, &at.value) {
            (Step::Member(name), Value::Object(members)) => {
                let index = members.iter().rposition(|member| member.name == *name);
                (index, index.and_then(|index| members.get(index)).map(|member| &member.value))
            }
            (Step::At(index), Value::List(items)) => (Some(*index), items.get(*index)),
            _ => (None, None),
        };
        let (Some(inside), Some(index), Some(value)) = (inside, index, value) else { return Ok(None) };
        // An object that holds only this member goes with it, unless it is the whole file or an item of a list.
        let is_shell = is_member && matches!(step, Step::Member(_)) && inside.holds_only(text, index);
        if !is_shell {
            found = Some((inside, index));
        }
        is_member = matches!(step, Step::Member(_));
        at = value;
    }
    Ok(found.map(|(inside, index)| inside.remove(text, index)))
}

/// The inside of an object or a list.
struct Inside {
    /// Without the brackets.
    range: Range<usize>,
    /// The items, each with the position of its comma, if it has one.
    items: Vec<(Range<usize>, Option<usize>)>,
    is_list: bool,
}

impl Inside {
    fn of(node: &Node<'_>) -> Option<Self> {
        let item = |start: usize, value: &Node<'_>| (start..value.range.end, value.comma);
        let items = match &node.value {
            Value::Object(members) => {
                members.iter().map(|member| item(member.start, &member.value)).collect()
            }
            Value::List(items) => items.iter().map(|value| item(value.range.start, value)).collect(),
            _ => return None,
        };
        let is_list = matches!(node.value, Value::List(_));
        Some(Self { range: node.range.start + 1..node.range.end - 1, items, is_list })
    }

    /// The white space before items, if each has a line of its own.
    fn indent(&self, text: &str) -> Option<String> {
        text.get(self.range.clone()).filter(|inside| inside.contains(LINE_ENDS))?;
        Some(match self.items.last() {
            Some((last, _)) => indent(text, last.start).to_owned(),
            None => format!("{}  ", indent(text, self.range.start)),
        })
    }

    /// Whether there is nothing but this item: no other, and no comment.
    fn holds_only(&self, text: &str, index: usize) -> bool {
        let (Some((item, comma)), true) = (self.items.get(index), self.items.len() == 1) else {
            return false;
        };
        let after = comma.map_or(item.end, |comma| comma + 1);
        [self.range.start..item.start, item.end..comma.unwrap_or(item.end), after..self.range.end]
            .into_iter()
            .all(|part| text.get(part).is_some_and(|part| part.trim().is_empty()))
    }

    /// Adds an item at the end: on a line of its own if the others are.
    fn append(&self, text: &str, item: &str) -> String {
        let inside = text.get(self.range.clone()).unwrap_or_default();
        let end = self.range.start + inside.trim_end().len();
        let Some((last, comma)) = self.items.last() else {
            return if inside.contains(LINE_ENDS) {
                let line = format!("\n{}  {item},", indent(text, self.range.start));
                spliced(text, end..end, &line)
            } else {
                let item = if self.is_list { item.to_owned() } else { format!(" {item} ") };
                spliced(text, end..self.range.end, &item)
            };
        };
        let (before, after) = if inside.contains(LINE_ENDS) {
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

    /// Removes an item, and its line if nothing else is on it. Comments stay.
    fn remove(&self, text: &str, index: usize) -> String {
        let Some((item, own_comma)) = self.items.get(index).cloned() else { return text.to_owned() };
        let blank = |part: Range<usize>| text.get(part).is_some_and(|part| part.trim().is_empty());
        let before = || self.items.get(index.checked_sub(1)?)?.1;
        let mut cut = item.clone();
        let mut comma = own_comma.or_else(before);
        if let Some(at) = own_comma.filter(|at| blank(item.end..*at)) {
            (cut.end, comma) = (at + 1, None);
        }
        let (left, right) = text.split_at_checked(cut.start).unwrap_or_default();
        let right = right.get(cut.len()..).unwrap_or_default();
        let line_start = left.rfind('\n').map_or(0, |at| at + 1);
        let line_end = right.find('\n').map(|at| cut.end + at + 1).filter(|end| blank(cut.end..*end));
        match line_end {
            Some(line_end) if blank(line_start..cut.start) => cut = line_start..line_end,
            _ if own_comma.is_some() => cut.end += right.len() - right.trim_start_matches(' ').len(),
            _ => cut.start = left.trim_end_matches(' ').len(),
        }
        match comma {
            Some(at) if at >= cut.end => spliced(&spliced(text, at..at + 1, ""), cut, ""),
            Some(at) if at < cut.start => spliced(&spliced(text, cut, ""), at..at + 1, ""),
            _ => spliced(text, cut, ""),
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
