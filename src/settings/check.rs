//! Checks a settings file against the table of its members.

use std::collections::HashSet;

use http::HeaderName;

use super::edit::{Step, shown};
use super::json5::{Member, Node, Value};
use super::kind::{Kind, Object, expected, fits, list, no_such_member};
use super::number::number;
use super::reference::{self, Env};
use super::table::{OWN_HEADER, REFERENCE, ROOT};
use super::{OUR_NAME, PROVIDERS, is_our_provider};
use crate::config::is_of_connection;
use crate::region::is_region;
use crate::spelling::{near_miss, nearest};
use crate::url::BaseUrl;
use crate::{Error, ErrorKind, Result};
use pumice_codec::internal::shortened;

/// Checks the members that pumice reads, and returns warnings about members that have no effect. Errors and warnings
/// name file, line, column and member; errors also name the nearest valid member. Without an environment, references
/// to variables are not checked.
pub(super) fn check(file: &str, text: &str, root: &Node<'_>, env: Option<Env<'_>>) -> Result<Vec<String>> {
    let mut checker = Checker { file, text, env, path: Vec::new(), warnings: Vec::new(), omitted: 0 };
    checker.value(root, &ROOT)?;
    if checker.omitted > 0 {
        checker.warnings.push(format!("{file}: more such warnings: {}", checker.omitted));
    }
    Ok(checker.warnings)
}

/// The line and the column of an offset, from 1.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

struct Checker<'a> {
    file: &'a str,
    text: &'a str,
    env: Option<Env<'a>>,
    /// The path of the value that is being checked.
    path: Vec<Step>,
    warnings: Vec<String>,
    /// How many more warnings there are.
    omitted: usize,
}

impl Checker<'_> {
    fn value(&mut self, node: &Node<'_>, kind: &'static Kind) -> Result<()> {
        let word = match &node.value {
            Value::String(text) if !matches!(kind, Kind::Key) => {
                match reference::expanded(text, self.env) {
                    Ok(Some(word)) => Some(word),
                    // Without an environment, its value is unknown.
                    Ok(None) => return Ok(()),
                    Err(name) => return Err(self.fault(node.range.start, &unset(&name))),
                }
            }
            _ => None,
        };
        let expected = match (kind, &node.value) {
            (Kind::Denied(why), Value::Bool(true)) => (*why).to_owned(),
            (Kind::Always(why), Value::Bool(false)) => {
                self.warn(node.range.start, why);
                return Ok(());
            }
            (Kind::Anything, _) | (Kind::Switch | Kind::Denied(_) | Kind::Always(_), Value::Bool(_)) => {
                return Ok(());
            }
            (Kind::TextOr(_) | Kind::Text | Kind::Verbatim | Kind::Secret, Value::String(_))
                if word.as_deref().is_some_and(|word| !kind.trimmed(word).is_empty()) =>
            {
                return Ok(());
            }
            (Kind::Region | Kind::Url | Kind::HeaderName, Value::String(_)) => {
                match misfit(kind, word.as_deref().unwrap_or_default()) {
                    Some(fault) => fault,
                    None => return Ok(()),
                }
            }
            (Kind::Word { ours, others }, Value::String(text)) => {
                let word = word.as_deref().unwrap_or(text);
                if others.contains(&word) {
                    let fault = format!("expected {}, found {word:?}: it has no effect", list(ours));
                    self.warn(node.range.start, &fault);
                }
                if ours.contains(&word) || others.contains(&word) {
                    return Ok(());
                }
                let near = nearest(word, ours.iter().chain(*others).copied());
                match near {
                    Some(near) => format!("there is no {word:?} here; did you mean {near:?}?"),
                    None => format!("expected {}, found {word:?}", list(&[*ours, *others].concat())),
                }
            }
            (Kind::Lenient(words), _) => {
                let words = words.concat();
                let word = word.map(|word| word.trim().to_ascii_lowercase());
                if !word.as_deref().is_some_and(|word| words.contains(&word)) {
                    let found = match word {
                        Some(word) => format!("{word:?}"),
                        None => described(&node.value),
                    };
                    let fault = format!("expected {}, found {found}: it has no effect", list(&words));
                    self.warn(node.range.start, &fault);
                }
                return Ok(());
            }
            (Kind::Key | Kind::Secret, Value::Object(_)) | (Kind::Key, Value::String(_)) => {
                return self.reference(node, kind);
            }
            (Kind::From(_) | Kind::Above(_) | Kind::Share | Kind::Whole(_), Value::Number(text)) => {
                if fits(kind, number(text)) {
                    return Ok(());
                }
                format!("expected {}, found {text}", expected(kind))
            }
            (Kind::List(kind), Value::List(items)) => {
                let mut items = items.iter().enumerate();
                return items
                    .try_for_each(|(at, item)| self.step(Step::At(at), |checker| checker.value(item, kind)));
            }
            (Kind::Words(words), Value::List(items)) => return self.words(items, words),
            (Kind::Map(kind), Value::Object(members)) => {
                return self.members(members, |_| Ok(Some(*kind)));
            }
            (Kind::Headers, Value::Object(members)) => return self.members(members, header),
            (Kind::Some(is_ours, shown, kind), Value::Object(members)) => {
                return self.entries(members, *is_ours, shown, kind);
            }
            (Kind::TextOr(kind), Value::Object(_)) => return self.value(node, kind),
            (Kind::Object(Object { owner: Some(owner), .. }), Value::Object(_))
                if !text(node, owner).is_some_and(is_our_provider) =>
            {
                return Ok(());
            }
            (Kind::Object(known), Value::Object(members)) => {
                let names = members.iter().map(|member| &*member.name).collect::<HashSet<_>>();
                let has = |name: &str| names.contains(name);
                self.members(members, |name| known.member(name, has))?;
                let mode = text(node, "mode");
                let needs = known.needs.iter().filter(|(word, _)| Some(*word) == mode).map(|(_, name)| name);
                match known.required.iter().chain(needs).find(|name| !has(name)) {
                    Some(missing) => format!("the member {missing} is missing"),
                    None => return Ok(()),
                }
            }
            (kind, found) => format!("expected {}, found {}", expected(kind), described(found)),
        };
        Err(self.fault(node.range.start, &expected))
    }

    /// Checks that items are of these words.
    fn words(&mut self, items: &[Node<'_>], words: &[&str]) -> Result<()> {
        let found = items.iter().enumerate().find_map(|(at, item)| match &item.value {
            Value::String(text) if words.contains(&&**text) => None,
            Value::String(text) => Some((at, item, format!("{text:?}"))),
            other => Some((at, item, described(other))),
        });
        let Some((at, item, found)) = found else { return Ok(()) };
        let fault = format!("expected {}, found {found}", list(words));
        self.step(Step::At(at), |checker| Err(checker.fault(item.range.start, &fault)))
    }

    /// Checks a key, or a reference to a variable, which must be set.
    fn reference(&mut self, node: &Node<'_>, kind: &'static Kind) -> Result<()> {
        if let Value::Object(_) = &node.value {
            self.value(node, &REFERENCE)?;
        }
        let name = reference::variable(&node.to_json());
        if let (Some(name), Some(env)) = (name, self.env)
            && !reference::is_marker(&name)
            && env(&name).is_none()
        {
            if let Kind::Secret = kind {
                return Err(self.fault(node.range.start, &unset(&name)));
            }
            // A warning is enough: there may be other credentials.
            self.warn(node.range.start, &unset(&name));
        }
        Ok(())
    }

    /// Checks the members whose names are ours. Others belong to another provider, but if ours is missing and one looks
    /// like it, that is an error.
    fn entries(
        &mut self,
        members: &[Member<'_>],
        is_ours: fn(&str) -> bool,
        shown: &str,
        kind: &'static Kind,
    ) -> Result<()> {
        let absent = !members.iter().any(|member| is_ours(&member.name));
        let providers = if absent && shown == OUR_NAME { &PROVIDERS[..] } else { &[] };
        self.members(members, |name| match near_miss(name, providers.iter().copied()) {
            _ if is_ours(name) => Ok(Some(kind)),
            Some(near) => Err(no_such_member(near)),
            None => Ok(None),
        })
    }

    /// Checks the members of an object, each against what `kind` returns for its name. `None`: it is not ours.
    fn members(
        &mut self,
        members: &[Member<'_>],
        kind: impl Fn(&str) -> Result<Option<&'static Kind>, String>,
    ) -> Result<()> {
        let mut seen = HashSet::new();
        for member in members {
            let name = &*member.name;
            let step = Step::Member(name.to_owned());
            let again = !seen.insert(name);
            self.step(step, |checker| match kind(name) {
                Ok(None) => Ok(()),
                Ok(Some(Kind::Idle(why))) => {
                    checker.warn(member.start, why);
                    Ok(())
                }
                Ok(Some(_)) if again => {
                    Err(checker.fault(member.start, "expected one such member, found a second"))
                }
                Ok(Some(kind)) => checker.value(&member.value, kind),
                Err(fault) => Err(checker.fault(member.start, &fault)),
            })?;
        }
        Ok(())
    }

    fn step(&mut self, step: Step, check: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.path.push(step);
        let checked = check(self);
        self.path.pop();
        checked
    }

    fn fault(&self, offset: usize, fault: &str) -> Error {
        Error::new(ErrorKind::InvalidInput, self.text_of(offset, fault))
    }

    fn warn(&mut self, offset: usize, fault: &str) {
        // Finding the line of each takes time, and people read them.
        if self.warnings.len() < MOST_WARNINGS {
            self.warnings.push(self.text_of(offset, fault));
        } else {
            self.omitted += 1;
        }
    }

    fn text_of(&self, offset: usize, fault: &str) -> String {
        let (line, column) = position(self.text, offset);
        let path = shortened(shown(&self.path), LONGEST_PATH);
        let path = if path.is_empty() { "the settings" } else { &path };
        format!("{}:{line}:{column}: {path}: {fault}", self.file)
    }
}

/// What is wrong with the text of a region, a URL or the name of a header.
fn misfit(kind: &Kind, text: &str) -> Option<String> {
    match kind {
        Kind::Region if !is_region(text.trim()) => {
            Some(format!("expected {}, found {:?}", expected(kind), text.trim()))
        }
        Kind::HeaderName => unsettable(text.trim()),
        // An invalid URL may hold a secret, so that it is not shown.
        Kind::Url => BaseUrl::parse(text).err().map(|fault| format!("expected {fault}")),
        _ => None,
    }
}

/// The kind of a header, by its name.
fn header(name: &str) -> Result<Option<&'static Kind>, String> {
    match unsettable(name) {
        Some(fault) => Err(fault),
        None if name.to_ascii_lowercase().starts_with("x-amz-") => Ok(Some(&OWN_HEADER)),
        None => Ok(Some(&Kind::Secret)),
    }
}

/// Why a header cannot be set, by its name.
fn unsettable(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    match HeaderName::try_from(&lower) {
        Err(_) => Some(format!("expected the name of a header, found {name:?}")),
        Ok(_) if lower == "host" || is_of_connection(&lower) => {
            Some(format!("the header {lower} cannot be set: it belongs to the connection; leave it out"))
        }
        Ok(_) => None,
    }
}

fn described(value: &Value<'_>) -> String {
    match value {
        Value::String(text) if text.trim().is_empty() => "a blank text".into(),
        Value::String(_) => "a text".into(),
        Value::Number(number) => (*number).to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Object(_) => "an object".into(),
        Value::List(_) => "a list".into(),
        Value::Null => "null".into(),
    }
}

/// The value of a member, if it is a text.
fn text<'n>(node: &'n Node<'_>, name: &str) -> Option<&'n str> {
    match &node.member(name)?.value.value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn unset(name: &str) -> String {
    format!("the environment variable {name} is not set")
}

/// How much of a member's path is shown, in characters.
const LONGEST_PATH: usize = 300;
/// How many warnings are listed one by one.
const MOST_WARNINGS: usize = 20;
