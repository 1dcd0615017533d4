//! The kinds of value that members of the settings take.

use serde_json::Value;

use super::is_our_provider;
use crate::spelling::{near_miss, nearest};
use crate::url::BaseUrl;

/// The kind of a member's value.
pub(super) enum Kind {
    Anything,
    Switch,
    /// Text that is not blank.
    Text,
    /// Text that is not empty: white space counts.
    Verbatim,
    /// A valid region name.
    Region,
    /// A base URL for calls.
    Url,
    /// A number of at least this.
    From(f64),
    /// A number above this, which may be `Infinity`.
    Above(f64),
    /// A number from 0 to 1.
    Share,
    /// A whole number of at least this.
    Whole(f64),
    /// One of the words `ours`. `others` are words that OpenClaw also takes: they give a warning.
    Word {
        ours: &'static [&'static str],
        others: &'static [&'static str],
    },
    /// A word of these lists, in upper or lower case. Any other word is meant for other providers and gives a warning.
    Lenient(&'static [&'static [&'static str]]),
    /// A member without effect. A warning says why.
    Idle(&'static str),
    /// Only `false` is allowed. The error for `true` says why.
    Denied(&'static str),
    /// Always on. A warning for `false` says so.
    Always(&'static str),
    /// A key, or the variable that holds it: its name, or a reference to it.
    Key,
    /// A text that may be a secret, or a reference to a variable.
    Secret,
    /// The name of a header that may be set.
    HeaderName,
    /// Headers by their names, each a [`Secret`](Self::Secret).
    Headers,
    List(&'static Kind),
    /// A list of these words.
    Words(&'static [&'static str]),
    /// An object of any members, all of one kind.
    Map(&'static Kind),
    /// An object in which only the members count for which the function is true. In paths they are written as the
    /// given name.
    Some(fn(&str) -> bool, &'static str, &'static Kind),
    Object(Object),
    /// A value of this kind, or only a text.
    TextOr(&'static Kind),
}

impl Kind {
    /// Adds the paths of all members below `path`.
    pub(super) fn members(&self, path: &str, found: &mut Vec<String>) {
        match self {
            Self::Object(object) => {
                for (name, kind) in object.members {
                    let dot = if path.is_empty() { "" } else { "." };
                    kind.members(&format!("{path}{dot}{name}"), found);
                }
            }
            Self::Some(_, name, kind) => kind.members(&format!("{path}.{name}"), found),
            Self::Map(kind) => kind.members(&format!("{path}.*"), found),
            Self::Headers => found.push(format!("{path}.*")),
            Self::List(kind @ Self::Object(_)) => kind.members(&format!("{path}[]"), found),
            Self::TextOr(kind) => {
                found.push(path.to_owned());
                kind.members(path, found);
            }
            _ => found.push(path.to_owned()),
        }
    }
}

impl Kind {
    /// What counts of a text: white space around it does only in one that is taken verbatim.
    pub(super) fn trimmed<'a>(&self, text: &'a str) -> &'a str {
        if let Self::Verbatim = self { text } else { text.trim() }
    }

    /// Removes what must not be shown: secrets, members without effect, members of other programs, and values of the
    /// wrong kind, which may be anything. Returns whether anything is left.
    pub(super) fn keep_shown(&self, value: &mut Value) -> bool {
        let members = |members: &mut serde_json::Map<String, Value>,
                       kind: &dyn Fn(&str) -> Option<&'static Self>| {
            members.retain(|name, value| kind(name).is_some_and(|kind| kind.keep_shown(value)));
            true
        };
        match (self, value) {
            (Self::Object(Object { owner: Some(owner), .. }), Value::Object(found))
                if !found.get(*owner).and_then(Value::as_str).is_some_and(is_our_provider) =>
            {
                false
            }
            (Self::Object(object), Value::Object(found)) => members(found, &|name| {
                object.members.iter().find(|(known, _)| *known == name).map(|(_, kind)| kind)
            }),
            (Self::Some(is_ours, _, kind), Value::Object(found)) => {
                members(found, &|name| is_ours(name).then_some(*kind))
            }
            (Self::Map(kind), Value::Object(found)) => members(found, &|_| Some(kind)),
            (Self::Words(_), Value::Array(_)) => true,
            (Self::List(kind), Value::Array(found)) => {
                found.retain_mut(|value| kind.keep_shown(value));
                true
            }
            (Self::TextOr(kind), value @ Value::Object(_)) => kind.keep_shown(value),
            // An invalid URL may have a password in it.
            (Self::Url, Value::String(url)) => url.contains("${") || BaseUrl::parse(url).is_ok(),
            (Self::Key | Self::Secret | Self::Headers | Self::Idle(_), _)
            | (_, Value::Object(_) | Value::Array(_)) => false,
            _ => true,
        }
    }
}

pub(super) struct Object {
    pub(super) members: &'static [(&'static str, Kind)],
    /// The required members.
    pub(super) required: &'static [&'static str],
    pub(super) others: Others,
    /// The member that names the provider. Objects of other providers are ignored.
    pub(super) owner: Option<&'static str>,
    /// For a `mode`, the member that it requires.
    pub(super) needs: &'static [(&'static str, &'static str)],
}

/// How members that are not in the table are treated.
#[derive(PartialEq)]
pub(super) enum Others {
    /// As errors.
    Wrong,
    /// As errors if they resemble one in the table, otherwise as another program's.
    Misspelt,
    /// As errors if they resemble one in the table, otherwise with a warning.
    Idle,
    /// As errors if they [nearly](near_miss) are one in the table that is absent, otherwise as another program's.
    Near,
    /// As another program's.
    Foreign,
}

pub(super) const fn one_of(words: &'static [&'static str]) -> Kind {
    Kind::Word { ours: words, others: &[] }
}

pub(super) const fn object(members: &'static [(&'static str, Kind)], others: Others) -> Kind {
    Kind::Object(Object { members, required: &[], others, owner: None, needs: &[] })
}

impl Object {
    /// The kind of the member with this name. `has` says which other members are present. The error says what is wrong
    /// with the name.
    pub(super) fn member(
        &self,
        name: &str,
        has: impl Fn(&str) -> bool,
    ) -> Result<Option<&'static Kind>, String> {
        if let Some((_, kind)) = self.members.iter().find(|(known, _)| *known == name) {
            return Ok(Some(kind));
        }
        let known = self.members.iter().map(|(known, _)| *known);
        let near = match self.others {
            Others::Near => near_miss(name, known.filter(|known| !has(known))),
            _ => nearest(name, known),
        };
        match (&self.others, near) {
            (Others::Foreign, _) | (Others::Misspelt | Others::Near, None) => Ok(None),
            (Others::Idle, None) => Ok(Some(&UNKNOWN)),
            (_, Some(near)) => Err(no_such_member(near)),
            (Others::Wrong, None) => {
                let known = self.members.iter().map(|(known, _)| *known).collect::<Vec<_>>();
                Err(format!("there is no such member; there are {}", known.join(", ")))
            }
        }
    }
}

pub(super) fn fits(kind: &Kind, number: f64) -> bool {
    match kind {
        Kind::From(least) => number >= *least && number.is_finite(),
        Kind::Above(limit) => number > *limit,
        Kind::Share => (0.0..=1.0).contains(&number),
        Kind::Whole(least) => number >= *least && number.fract() == 0.0 && number < LARGEST,
        _ => false,
    }
}

pub(super) fn no_such_member(near: &str) -> String {
    format!("there is no such member; did you mean {near}?")
}

pub(super) fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Anything | Kind::Lenient(_) | Kind::Idle(_) => "a value".into(),
        Kind::Switch | Kind::Denied(_) | Kind::Always(_) => "true or false".into(),
        Kind::Key | Kind::Secret => "a text or an object".into(),
        Kind::Text | Kind::HeaderName => "a text that is not blank".into(),
        Kind::Verbatim => "a text that is not empty".into(),
        Kind::Region => "a region such as us-east-1".into(),
        Kind::Url => "a URL that calls can be put under".into(),
        Kind::Share => "a number from 0 to 1".into(),
        Kind::From(least) => format!("a number from {least}"),
        Kind::Above(limit) => format!("a number above {limit}"),
        Kind::Whole(least) => format!("a whole number from {least}"),
        Kind::Word { ours, .. } => list(ours),
        Kind::List(_) | Kind::Words(_) => "a list".into(),
        Kind::TextOr(kind) => format!("a text or {}", expected(kind)),
        Kind::Map(_) | Kind::Headers | Kind::Some(..) | Kind::Object(_) => "an object".into(),
    }
}

pub(super) fn list(words: &[&str]) -> String {
    let words = words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// From here on, an `f64` cannot hold every whole number.
const LARGEST: f64 = 9_007_199_254_740_992.0;

static UNKNOWN: Kind = Kind::Idle("there is no such member here: it has no effect");
