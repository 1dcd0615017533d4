//! JSON as the dialects read and write it: values that stay where they are in the body, and strings that are written
//! into a buffer. A tree of values would cost the order of members and the digits of numbers, which tools' schemas and
//! arguments must keep.

use std::borrow::Cow;

use http::StatusCode;
use pumice::shape::Document;
use serde_json::value::RawValue;

use crate::failure::Failure;

/// A value: its text in the body. What is not said here of its syntax has been checked by [`read`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Json<'a>(&'a str);

/// The members of an object that have not been taken yet.
pub(crate) struct Object<'a> {
    whole: Json<'a>,
    members: Vec<(Cow<'a, str>, Json<'a>)>,
}

/// What is wrong with a value, or what becomes of it, with its place.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Where the text of the value begins in memory: the path is found only if it is needed.
    at: usize,
    member: &'static str,
    words: String,
    /// Whether the words show a value.
    quotes: bool,
}

/// Reads a body: an object, as `translate` does. Faults and what `translate` adds to the notes get their place in front:
/// `messages[2].content[0].image_url: expected …`.
pub(crate) fn read<'a, T>(
    body: &'a [u8],
    translate: impl FnOnce(Object<'a>, &mut Vec<Fault>) -> Result<T, Fault>,
) -> Result<(T, Vec<String>), Failure> {
    let text = std::str::from_utf8(body).map_err(|fault| {
        let message = format!("expected JSON in UTF-8, found another byte at {}", fault.valid_up_to());
        Failure::new(StatusCode::BAD_REQUEST, message)
    })?;
    let raw = serde_json::from_str::<&RawValue>(text)
        .map_err(|fault| Failure::new(StatusCode::BAD_REQUEST, format!("expected JSON: {fault}")))?;
    let whole = Json(raw.get());
    if !whole.is_bounded() {
        let message = format!("expected JSON of at most {DEEPEST} levels and {MOST} values, found more");
        return Err(Failure::new(StatusCode::BAD_REQUEST, message));
    }
    let mut notes = Vec::new();
    match whole.object().and_then(|object| translate(object, &mut notes)) {
        Ok(read) => {
            Ok((read, notes.iter().take(MOST_NOTES).map(|note| note.at_its_place(whole).1).collect()))
        }
        Err(fault) => {
            let (place, message) = fault.at_its_place(whole);
            let failure = Failure::invalid(Some(place).filter(|place| !place.is_empty()), message);
            Err(Failure { quotes: fault.quotes, ..failure })
        }
    }
}

impl<'a> Json<'a> {
    /// The text, as it stands in the body.
    pub(crate) fn raw(self) -> &'a str {
        self.0
    }

    /// The same JSON, to be passed on.
    pub(crate) fn document(self) -> Result<Document, Fault> {
        Document::parse(self.0).map_err(|_| self.expected("JSON"))
    }

    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }

    pub(crate) fn is_text(self) -> bool {
        self.0.starts_with('"')
    }

    pub(crate) fn is_list(self) -> bool {
        self.0.starts_with('[')
    }

    pub(crate) fn is_object(self) -> bool {
        self.0.starts_with('{')
    }

    pub(crate) fn text(self) -> Result<Cow<'a, str>, Fault> {
        let inside = self.0.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        inside.map(unescaped).ok_or_else(|| self.expected("a text"))
    }

    pub(crate) fn bool(self) -> Result<bool, Fault> {
        match self.0 {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.expected("true or false")),
        }
    }

    pub(crate) fn number(self) -> Result<f64, Fault> {
        serde_json::from_str(self.0).map_err(|_| self.expected("a number"))
    }

    /// A whole number from 0.
    pub(crate) fn whole(self) -> Result<u64, Fault> {
        serde_json::from_str(self.0).map_err(|_| self.expected("a whole number from 0"))
    }

    pub(crate) fn items(self) -> Result<Items<'a>, Fault> {
        if self.is_list() { Ok(Items(self.inside())) } else { Err(self.expected("a list")) }
    }

    /// The items of a list, or a text as the only one.
    pub(crate) fn text_or_items(self) -> Result<Items<'a>, Fault> {
        if self.is_text() { Ok(Items(self.0)) } else { self.items() }
    }

    pub(crate) fn object(self) -> Result<Object<'a>, Fault> {
        if !self.is_object() {
            return Err(self.expected("an object"));
        }
        let mut parts = Items(self.inside());
        let mut members = Vec::new();
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            members.push((name.text()?, value));
        }
        Ok(Object { whole: self, members })
    }

    /// The fault that this is found in place of something else.
    pub(crate) fn expected(self, expected: &str) -> Fault {
        let kind = match self.0.as_bytes().first() {
            Some(b'{') => Some("an object"),
            Some(b'[') => Some("a list"),
            _ => None,
        };
        let found = match kind {
            Some(kind) => kind.to_owned(),
            None => match self.0.char_indices().nth(LONGEST_SHOWN) {
                Some((at, _)) => format!("{}…", self.0.get(..at).unwrap_or_default()),
                None => self.0.to_owned(),
            },
        };
        Fault { quotes: kind.is_none(), ..self.fault(format!("expected {expected}, found {found}")) }
    }

    /// Something to say of this value.
    pub(crate) fn fault(self, words: impl Into<String>) -> Fault {
        Fault { at: self.at(), member: "", words: words.into(), quotes: true }
    }

    fn at(self) -> usize {
        self.0.as_ptr().addr()
    }

    fn inside(self) -> &'a str {
        self.0.get(1..self.0.len().saturating_sub(1)).unwrap_or_default()
    }

    /// Whether it is not too deep, and has not so many values that they need much more room than their text.
    fn is_bounded(self) -> bool {
        let (mut depth, mut values) = (0_usize, 0_usize);
        let mut rest = self.0;
        while let Some(at) = rest.find(['"', '{', '[', '}', ']']) {
            let mut length = 1;
            match rest.as_bytes().get(at) {
                Some(b'"') => length = string_length(rest.get(at..).unwrap_or_default()),
                Some(b'{' | b'[') => depth += 1,
                _ => {
                    depth = depth.saturating_sub(1);
                    values = values.saturating_sub(1);
                }
            }
            values += 1;
            if depth > DEEPEST || values > MOST {
                return false;
            }
            rest = rest.get(at + length..).unwrap_or_default();
        }
        true
    }
}

impl<'a> Object<'a> {
    /// The member of this name, unless it is missing or null. Of several the last counts, as in JavaScript and Python.
    pub(crate) fn take(&mut self, name: &str) -> Option<Json<'a>> {
        let mut found = None;
        self.members.retain(|(member, value)| {
            let is_it = member == name;
            if is_it {
                found = Some(*value);
            }
            !is_it
        });
        found.filter(|value| !value.is_null())
    }

    /// The member of this name.
    pub(crate) fn need(&mut self, name: &'static str, expected: &str) -> Result<Json<'a>, Fault> {
        self.take(name).ok_or_else(|| self.lacks(name, expected))
    }

    /// The fault that a member is missing.
    pub(crate) fn lacks(&self, member: &'static str, expected: &str) -> Fault {
        let words = format!("expected {expected}, found none");
        Fault { at: self.whole.at(), member, words, quotes: false }
    }

    /// What was not taken and is not null.
    pub(crate) fn rest(&self) -> impl Iterator<Item = (&str, Json<'a>)> {
        self.members.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (&**name, *value))
    }
}

impl Fault {
    /// The place in the body, and the words behind it.
    fn at_its_place(&self, whole: Json<'_>) -> (String, String) {
        let mut place = String::new();
        let mut here = whole;
        while here.at() != self.at {
            let holds = |value: &Json<'_>| (value.at()..value.at() + value.0.len()).contains(&self.at);
            let inner = if let Ok(object) = here.object() {
                object.members.into_iter().find(|(_, value)| holds(value)).map(|(name, value)| {
                    if !place.is_empty() {
                        place.push('.');
                    }
                    place.push_str(&name);
                    value
                })
            } else {
                let items = here.items().into_iter().flatten();
                items.enumerate().find(|(_, value)| holds(value)).map(|(index, value)| {
                    place.extend(["[", &index.to_string(), "]"]);
                    value
                })
            };
            match inner {
                Some(inner) => here = inner,
                None => break,
            }
        }
        if !place.is_empty() && !self.member.is_empty() {
            place.push('.');
        }
        place.push_str(self.member);
        let words = if place.is_empty() { self.words.clone() } else { format!("{place}: {}", self.words) };
        (place, words)
    }
}

/// What is left of the inside of a list or an object.
#[derive(Default)]
pub(crate) struct Items<'a>(&'a str);

impl<'a> Iterator for Items<'a> {
    type Item = Json<'a>;

    fn next(&mut self) -> Option<Json<'a>> {
        let rest = self.0.trim_start_matches([' ', '\t', '\n', '\r', ',', ':']);
        let length = match rest.as_bytes().first()? {
            b'"' => string_length(rest),
            b'{' | b'[' => {
                let (mut depth, mut at) = (0_usize, 0);
                loop {
                    let inner = rest.get(at..).unwrap_or_default();
                    let Some(found) = inner.find(['"', '{', '[', '}', ']']) else { break rest.len() };
                    at += found;
                    match rest.as_bytes().get(at) {
                        Some(b'"') => at += string_length(rest.get(at..).unwrap_or_default()),
                        Some(b'{' | b'[') => {
                            depth += 1;
                            at += 1;
                        }
                        _ => {
                            depth = depth.saturating_sub(1);
                            at += 1;
                            if depth == 0 {
                                break at;
                            }
                        }
                    }
                }
            }
            _ => rest.find([',', ':', ' ', '\t', '\n', '\r']).unwrap_or(rest.len()),
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Json(value))
    }
}

/// How long the string is that stands at the beginning, its quotes included.
fn string_length(json: &str) -> usize {
    let mut at = 1;
    while let Some(found) = json.get(at..).and_then(|rest| rest.find('"')) {
        at += found + 1;
        let before = json.get(1..at - 1).unwrap_or_default();
        // An even number of backslashes stand for themselves.
        if (before.len() - before.trim_end_matches('\\').len()) % 2 == 0 {
            return at;
        }
    }
    json.len()
}

/// The text of a string, with U+FFFD for half of a surrogate pair, which JavaScript writes and no `String` can hold.
fn unescaped(json: &str) -> Cow<'_, str> {
    let Some((plain, mut rest)) = json.split_once('\\') else { return Cow::Borrowed(json) };
    let mut text = String::with_capacity(json.len());
    text.push_str(plain);
    loop {
        let mut characters = rest.chars();
        match characters.next() {
            Some('u') => {
                let (unit, behind) = unit(characters.as_str());
                rest = behind;
                let character = match rest.strip_prefix("\\u") {
                    Some(next) if (0xd800..0xdc00).contains(&unit) => {
                        let (second, behind) = self::unit(next);
                        let pair = char::decode_utf16([unit, second]).next().and_then(Result::ok);
                        if pair.is_some() {
                            rest = behind;
                        }
                        pair
                    }
                    _ => char::from_u32(unit.into()),
                };
                text.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(escaped) => {
                text.push(match escaped {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    other => other,
                });
                rest = characters.as_str();
            }
            None => return Cow::Owned(text),
        }
        let Some((plain, behind)) = rest.split_once('\\') else {
            text.push_str(rest);
            return Cow::Owned(text);
        };
        text.push_str(plain);
        rest = behind;
    }
}

/// The four digits of an escape, and what is behind them.
fn unit(text: &str) -> (u16, &str) {
    let (digits, rest) = text.split_at_checked(4).unwrap_or((text, ""));
    (u16::from_str_radix(digits, 16).unwrap_or(0xfffd), rest)
}

/// Writes a text as a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

/// Writes a text as the inside of a JSON string.
pub(crate) fn escaped(out: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' ')) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, behind)) = special.split_first() else { break };
        let letter = match byte {
            b'\n' => b'n',
            b'\t' => b't',
            b'\r' => b'r',
            b'"' | b'\\' => *byte,
            _ => b'u',
        };
        out.extend([b'\\', letter]);
        if letter == b'u' {
            out.extend_from_slice(b"00");
            out.extend(
                [byte >> 4, byte & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }),
            );
        }
        rest = behind;
    }
    out.extend_from_slice(rest);
}

/// Writes a whole number.
pub(crate) fn whole(out: &mut Vec<u8>, number: u64) {
    let (mut left, begin) = (number, out.len());
    loop {
        out.push(b'0' + u8::try_from(left % 10).unwrap_or_default());
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(begin..) {
        digits.reverse();
    }
}

/// How deep a body may be nested: as deep as `serde_json` reads.
const DEEPEST: usize = 127;
/// How many texts, lists and objects a body may have.
const MOST: usize = 1_000_000;
/// How many notes are told.
const MOST_NOTES: usize = 32;
/// How much of a value is shown in an error, in characters.
const LONGEST_SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn places(body: &str) -> Vec<String> {
        let all = |object: Object<'_>, notes: &mut Vec<Fault>| {
            let mut open = vec![object.whole];
            while let Some(value) = open.pop() {
                notes.push(value.fault("x"));
                if let Ok(object) = value.object() {
                    open.extend(object.rest().map(|(_, value)| value));
                } else if let Ok(items) = value.items() {
                    open.extend(items);
                }
            }
            Ok(())
        };
        let mut places = read(body.as_bytes(), all).unwrap().1;
        places.sort();
        places
    }

    #[test]
    fn each_value_has_its_place() {
        let body = r#" {"h": "\\\\", "a" : [ 1, {"b": "}\\\"]", "c" :[ ]} , [[true]] ] ,"d e":{ }, "f": -1.5e3 , "g": null} "#;
        let expected = [
            "a: x",
            "a[0]: x",
            "a[1].b: x",
            "a[1].c: x",
            "a[1]: x",
            "a[2]: x",
            "a[2][0]: x",
            "a[2][0][0]: x",
            "d e: x",
            "f: x",
            "h: x",
            "x",
        ];
        let mut expected = expected.map(str::to_owned);
        expected.sort();
        assert_eq!(places(body), expected);
    }

    #[test]
    fn texts_are_as_serde_reads_them() {
        for json in [
            r#""""#,
            r#""plain""#,
            r#""\"\\\/\b\f\n\r\t""#,
            r#""\u0041\u00e9\ud83d\ude00z""#,
            r#""é😀\\u0041""#,
        ] {
            let expected = serde_json::from_str::<String>(json).unwrap();
            assert_eq!(Json(json).text().unwrap(), expected);
            let mut out = Vec::new();
            string(&mut out, &expected);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), expected);
        }
        for (json, text) in [
            (r#""a\ud83db""#, "a\u{fffd}b"),
            (r#""\ude00""#, "\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\ud83d\n""#, "\u{fffd}\n"),
        ] {
            assert_eq!(Json(json).text().unwrap(), text, "{json}");
        }
        let mut out = Vec::new();
        string(&mut out, "\u{0}\u{1f}\u{7f}");
        assert_eq!(out, b"\"\\u0000\\u001f\x7f\"");
    }

    #[test]
    fn numbers_are_written() {
        for number in [0, 7, 10, 12_345, u64::MAX] {
            let mut out = Vec::new();
            whole(&mut out, number);
            assert_eq!(out, number.to_string().as_bytes());
        }
    }

    #[test]
    fn what_is_no_body_is_refused() {
        let refused = |body: &[u8]| {
            let none = |_: Object<'_>, _: &mut Vec<Fault>| Ok(());
            read(body, none).unwrap_err().message
        };
        assert_eq!(refused(b"{\"a\": \xff}"), "expected JSON in UTF-8, found another byte at 6");
        assert!(refused(b"{\"a\": }").starts_with("expected JSON: expected value at line 1"));
        assert_eq!(refused(b" [1]"), "expected an object, found a list");
        let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(
            refused(deep(127).as_bytes()),
            "expected JSON of at most 127 levels and 1000000 values, found more"
        );
        assert_eq!(places(&deep(20)).len(), 21);
        assert!(read(deep(126).as_bytes(), |_, _| Ok(())).is_ok());
        let brackets = format!("{{\"a\": \"{}\"}}", "[".repeat(1000));
        assert_eq!(places(&brackets).len(), 2);
        let many = |number: usize| format!("{{\"a\":[{}1]}}", "{},".repeat(number));
        assert!(read(many(999_997).as_bytes(), |_, _| Ok(())).is_ok());
        assert!(refused(many(999_998).as_bytes()).ends_with("found more"));
    }

    #[test]
    fn the_last_of_one_name_counts_and_null_is_none() {
        let read = |object: Object<'_>, _: &mut Vec<Fault>| {
            let mut object = object;
            let fault = object.need("c", "a text").unwrap_err();
            Ok((object.take("a").map(|value| value.raw().to_owned()), fault.words))
        };
        let of = |body: &str| super::read(body.as_bytes(), read).unwrap().0;
        assert_eq!(of(r#"{"a": 1, "b": 2, "a": 3}"#).0.as_deref(), Some("3"));
        assert_eq!(of(r#"{"a": null}"#), (None, "expected a text, found none".into()));
    }

    #[test]
    fn a_long_value_is_shown_in_part() {
        let read = |mut object: Object<'_>, _: &mut Vec<Fault>| object.need("a", "")?.number();
        let failure = super::read(format!(r#"{{"a": "{}"}}"#, "é".repeat(100)).as_bytes(), read).unwrap_err();
        assert_eq!(failure.message, format!("a: expected a number, found \"{}…", "é".repeat(79)));
        assert_eq!(failure.param.as_deref(), Some("a"));
    }
}
