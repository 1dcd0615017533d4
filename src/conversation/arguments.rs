//! The arguments of a tool call: JSON that arrives in pieces, or what a model takes for JSON.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::shape::Document;
use pumice_codec::internal::lone_surrogates;

/// The arguments of a tool call as far as they have arrived, in time linear in their length.
///
/// Nothing that is shown is taken back: strings grow; numbers, literals, keys and escapes appear when they are
/// complete. After the first fault nothing is added; [`parse_arguments`] says what is wrong. Values nested deeper
/// than 127 levels, or under keys of more than 4096 bytes together, are left out here.
///
/// ```
/// use pumice::conversation::PartialArguments;
///
/// let mut arguments = PartialArguments::new();
/// arguments.push(r#"{"path": "src/ma"#);
/// assert_eq!(arguments.value(), &serde_json::json!({"path": "src/ma"}));
/// arguments.push(r#"in.rs", "line": 1"#);
/// assert_eq!(arguments.value(), &serde_json::json!({"path": "src/main.rs"}));
/// ```
#[derive(Debug, Clone)]
pub struct PartialArguments {
    value: Value,
    /// The open containers, outermost first.
    open: Vec<Open>,
    state: State,
    /// The beginning of a key, a number, a literal or an escape.
    pending: String,
    /// What the last piece adds to the string that is being read.
    added: String,
    /// A high surrogate whose low one has not arrived yet.
    high: Option<u16>,
}

#[derive(Debug, Clone, PartialEq)]
enum Open {
    /// With the key of the member that is being read.
    Object(String),
    Array,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Before the arguments.
    Outside,
    /// After `{`, or after a comma in an object.
    BeforeKey,
    Key,
    BeforeColon,
    BeforeValue,
    /// After `[`.
    BeforeItem,
    String,
    /// After a backslash in a key or a string.
    Escape {
        key: bool,
    },
    /// In the digits of `\u`.
    Digits {
        key: bool,
    },
    /// In a number or a literal.
    Scalar,
    BeforeComma,
    /// After the arguments, or after a fault.
    Ended,
}

impl PartialArguments {
    /// The empty object: nothing has arrived yet.
    pub fn new() -> Self {
        Self {
            value: Value::Object(Map::new()),
            open: Vec::new(),
            state: State::Outside,
            pending: String::new(),
            added: String::new(),
            high: None,
        }
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: &str) {
        let mut rest = piece;
        while self.state != State::Ended
            && let Some(next) = rest.chars().next()
        {
            let plain = match self.state {
                State::String | State::Key => rest.find(['"', '\\']).unwrap_or(rest.len()),
                _ => 0,
            };
            if let (Some(text), Some(after)) = (rest.get(..plain), rest.get(plain..))
                && plain > 0
            {
                self.text(text);
                rest = after;
                continue;
            }
            self.character(next);
            rest = rest.get(next.len_utf8()..).unwrap_or_default();
        }
        self.append();
    }

    /// The arguments as far as they have arrived: always an object.
    pub fn value(&self) -> &Value {
        &self.value
    }

    fn character(&mut self, next: char) {
        if next.is_ascii_whitespace()
            && !matches!(self.state, State::Scalar | State::Escape { .. } | State::Digits { .. })
        {
            return;
        }
        self.state = match (self.state, next) {
            (State::Outside, '{') => {
                self.open.push(Open::Object(String::new()));
                State::BeforeKey
            }
            (State::BeforeKey, '"') => {
                self.pending.clear();
                State::Key
            }
            // After a comma this is a fault, which `parse_arguments` reports.
            (State::BeforeKey, '}') | (State::BeforeItem, ']') => self.close(next),
            (State::Key, '"') => {
                self.high = None;
                let key = std::mem::take(&mut self.pending);
                if let Some(Open::Object(open)) = self.open.last_mut() {
                    *open = key;
                }
                let keys =
                    self.open.iter().map(|open| if let Open::Object(key) = open { key.len() } else { 0 });
                if keys.sum::<usize>() > LONGEST_PATH { State::Ended } else { State::BeforeColon }
            }
            (State::Key, '\\') => State::Escape { key: true },
            (State::BeforeColon, ':') => State::BeforeValue,
            (State::BeforeValue | State::BeforeItem, '"') => {
                self.begin(Value::String(String::new()), State::String)
            }
            (State::BeforeValue | State::BeforeItem, '{') => {
                let state = self.begin(Value::Object(Map::new()), State::BeforeKey);
                self.nest(Open::Object(String::new()), state)
            }
            (State::BeforeValue | State::BeforeItem, '[') => {
                let state = self.begin(Value::Array(Vec::new()), State::BeforeItem);
                self.nest(Open::Array, state)
            }
            (State::BeforeValue | State::BeforeItem, '-' | '0'..='9' | 't' | 'f' | 'n') => {
                self.pending.clear();
                self.pending.push(next);
                State::Scalar
            }
            (State::String, '"') => {
                self.high = None;
                self.append();
                State::BeforeComma
            }
            (State::String, '\\') => State::Escape { key: false },
            (State::Escape { key }, _) => self.escape(key, next),
            (State::Digits { key }, _) => self.digit(key, next),
            (State::Scalar, ',' | '}' | ']') => match self.end_scalar() {
                State::BeforeComma => self.after_value(next),
                ended => ended,
            },
            (State::Scalar, next) if next.is_ascii_whitespace() => self.end_scalar(),
            (State::Scalar, _) => {
                self.pending.push(next);
                State::Scalar
            }
            (State::BeforeComma, _) => self.after_value(next),
            _ => State::Ended,
        };
    }

    fn after_value(&mut self, next: char) -> State {
        match (next, self.open.last()) {
            (',', Some(Open::Object(_))) => State::BeforeKey,
            (',', Some(Open::Array)) => State::BeforeValue,
            ('}' | ']', _) => self.close(next),
            _ => State::Ended,
        }
    }

    fn close(&mut self, with: char) -> State {
        match (self.open.pop(), with) {
            (Some(Open::Object(_)), '}') | (Some(Open::Array), ']') if !self.open.is_empty() => {
                State::BeforeComma
            }
            _ => State::Ended,
        }
    }

    fn nest(&mut self, open: Open, state: State) -> State {
        if self.open.len() >= DEEPEST {
            return State::Ended;
        }
        self.open.push(open);
        state
    }

    /// Puts a value where one is expected.
    fn begin(&mut self, value: Value, state: State) -> State {
        let Some((inner, outer)) = self.open.split_last() else { return State::Ended };
        match (descend(&mut self.value, outer), inner) {
            (Some(Value::Array(items)), Open::Array) => items.push(value),
            (Some(Value::Object(members)), Open::Object(key)) => {
                members.insert(key.clone(), value);
            }
            _ => return State::Ended,
        }
        state
    }

    fn end_scalar(&mut self) -> State {
        match serde_json::from_str::<Value>(&self.pending) {
            Ok(value) => self.begin(value, State::BeforeComma),
            Err(_) => State::Ended,
        }
    }

    /// Appends to the string or key that is being read.
    fn text(&mut self, text: &str) {
        self.high = None;
        let to = if self.state == State::Key { &mut self.pending } else { &mut self.added };
        to.push_str(text);
    }

    /// Appends what was added to the string that is being read: it is looked for once for each piece, and not for
    /// each escape.
    fn append(&mut self) {
        if !self.added.is_empty()
            && let Some(Value::String(string)) = descend(&mut self.value, &self.open)
        {
            string.push_str(&self.added);
        }
        self.added.clear();
    }

    fn escape(&mut self, key: bool, escaped: char) -> State {
        let character = match escaped {
            'u' => {
                // Separates the digits from the key, which is in `pending` too.
                self.pending.push('\u{0}');
                return State::Digits { key };
            }
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '"' | '\\' | '/' => escaped,
            _ => {
                // Not an escape of JSON: a backslash is meant.
                self.complete(key, '\\');
                escaped
            }
        };
        self.high = None;
        self.complete(key, character)
    }

    fn digit(&mut self, key: bool, digit: char) -> State {
        if !digit.is_ascii_hexdigit() {
            return State::Ended;
        }
        self.pending.push(digit);
        let Some((before, digits)) = self.pending.rsplit_once('\u{0}') else { return State::Ended };
        if digits.len() < 4 {
            return State::Digits { key };
        }
        let unit = u16::from_str_radix(digits, 16).unwrap_or_default();
        let before = before.len();
        self.pending.truncate(before);
        match (self.high.take(), unit) {
            (_, 0xd800..=0xdbff) => {
                self.high = Some(unit);
                if key { State::Key } else { State::String }
            }
            (high, _) => {
                let units = high.into_iter().chain([unit]);
                match char::decode_utf16(units).last() {
                    Some(Ok(character)) => self.complete(key, character),
                    // A lone surrogate is left out.
                    _ if key => State::Key,
                    _ => State::String,
                }
            }
        }
    }

    /// Appends a character whose escape is complete.
    fn complete(&mut self, key: bool, character: char) -> State {
        if key {
            self.pending.push(character);
            State::Key
        } else {
            self.added.push(character);
            State::String
        }
    }
}

impl Default for PartialArguments {
    fn default() -> Self {
        Self::new()
    }
}

/// The value at the end of this path: in an object under its key, in a list the last. Depth and keys of a path are
/// bounded, and so is the time to follow it.
fn descend<'v>(mut value: &'v mut Value, path: &[Open]) -> Option<&'v mut Value> {
    for open in path {
        value = match open {
            Open::Object(key) => value.get_mut(key)?,
            Open::Array => value.as_array_mut()?.last_mut()?,
        };
    }
    Some(value)
}

/// Reads the complete arguments of a tool call. Blank text is the empty object. Control characters in strings, and
/// backslashes that do not begin an escape, are accepted as they are meant. Anything else than an object is an error:
/// it says what is wrong with the text, and holds the text.
///
/// ```
/// use pumice::conversation::parse_arguments;
///
/// assert_eq!(parse_arguments(r#"{"path": "C:\dir"}"#).unwrap().text(), r#"{"path": "C:\\dir"}"#);
/// assert_eq!(parse_arguments("").unwrap().text(), "{}");
/// let error = parse_arguments("[1]").unwrap_err();
/// assert_eq!(error, "expected a JSON object, found another value\n\nReceived arguments:\n[1]");
/// ```
pub fn parse_arguments(text: &str) -> Result<Document, String> {
    if text.trim().is_empty() {
        return Ok(Document::default());
    }
    let sound = lone_surrogates(text, "");
    let fault = match read_object(&sound) {
        Ok(document) => return Ok(document),
        Err(fault) => fault,
    };
    if let Cow::Owned(mended) = mended(&sound)
        && let Ok(document) = read_object(&mended)
    {
        return Ok(document);
    }
    Err(format!("{fault}\n\nReceived arguments:\n{text}"))
}

fn read_object(text: &str) -> Result<Document, String> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|fault| reason(&fault, text))?;
    if !text.trim_start().starts_with('{') {
        return Err("expected a JSON object, found another value".into());
    }
    if depth(text) > DEEPEST {
        return Err(format!("expected JSON of at most {DEEPEST} levels, found more"));
    }
    Document::parse(text.trim()).map_err(|fault| fault.to_string())
}

/// How deep valid JSON is nested.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0, 0);
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            // To the end of the string; a character after a backslash does not end it.
            b'"' => {
                while bytes.find(|byte| matches!(byte, b'"' | b'\\')) == Some(b'\\') {
                    bytes.next();
                }
            }
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// What is wrong with a text; where it was cut off, in JavaScript's words.
fn reason(fault: &serde_json::Error, text: &str) -> String {
    let said = fault.to_string();
    if said.starts_with("EOF while parsing a string") {
        return format!("Unterminated string in JSON at position {}", text.encode_utf16().count());
    }
    if fault.is_eof() { "Unexpected end of JSON input".into() } else { said }
}

/// The text with control characters in strings escaped, and with backslashes that do not begin an escape doubled.
fn mended(text: &str) -> Cow<'_, str> {
    let mut mended = String::new();
    let mut changed = false;
    let mut in_string = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                in_string = !in_string;
                mended.push(character);
            }
            '\\' if in_string => {
                mended.push('\\');
                let escaped = characters.next_if(|next| "\"\\/bfnrtu".contains(*next));
                changed |= escaped.is_none();
                mended.push(escaped.unwrap_or('\\'));
            }
            '\0'..'\x20' if in_string => {
                changed = true;
                // Writing to a string cannot fail.
                let _ = write!(mended, "\\u{:04x}", u32::from(character));
            }
            _ => mended.push(character),
        }
    }
    if changed { Cow::Owned(mended) } else { Cow::Borrowed(text) }
}

/// How deep arguments may be nested: as deep as `serde_json` reads.
const DEEPEST: usize = 127;
/// The most bytes of keys on the way to a value that is shown before the arguments are complete.
const LONGEST_PATH: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(text: &str) -> Value {
        let mut arguments = PartialArguments::new();
        arguments.push(text);
        arguments.value
    }

    #[test]
    fn what_is_certain_is_shown() {
        for (text, value) in [
            ("", json!({})),
            ("  {", json!({})),
            (r#"{"a"#, json!({})),
            (r#"{"a":"#, json!({})),
            (r#"{"a": ""#, json!({"a": ""})),
            (r#"{"a": "xy"#, json!({"a": "xy"})),
            (r#"{"a": "x\"#, json!({"a": "x"})),
            (r#"{"a": "x\u00e"#, json!({"a": "x"})),
            (r#"{"a": "x\u00e9"#, json!({"a": "xé"})),
            (r#"{"a": "x\ud83d"#, json!({"a": "x"})),
            (r#"{"a": "x\ud83d\ude00"#, json!({"a": "x😀"})),
            (r#"{"a": "x\ud83dy\ude00z"#, json!({"a": "xyz"})),
            (r#"{"a\u0062\n": 1}"#, json!({"ab\n": 1})),
            (r#"{"a": 12"#, json!({})),
            (r#"{"a": 12,"#, json!({"a": 12})),
            (r#"{"a": tru"#, json!({})),
            (r#"{"a": true "#, json!({"a": true})),
            (
                r#"{"a": [1, "x", {"b": [null], "c": -1.5e3}, "#,
                json!({"a": [1, "x", {"b": [null], "c": -1500.0}]}),
            ),
            (r#"{"a": {"b": {}}, "c": []}"#, json!({"a": {"b": {}}, "c": []})),
            (r#"{"a": "C:\dir\\n\/"}"#, json!({"a": "C:\\dir\\n/"})),
            ("{\"a\": \"x\ny\"}", json!({"a": "x\ny"})),
            (r#"{"a": 1} and {"b": 2}"#, json!({"a": 1})),
            (r#"{"a": nul, "b": 1}"#, json!({})),
            (r#"{"a": 1]"#, json!({"a": 1})),
            ("[1]", json!({})),
            ("12", json!({})),
        ] {
            assert_eq!(shown(text), value, "{text}");
        }
    }

    #[test]
    fn pieces_make_no_difference_and_nothing_is_taken_back() {
        let text =
            r#"{"k\u00e9y": "a\\b\u00e9\ud83d\ude00\n", "n": [1.5, {"": true}, "z"], "o": {"p": "q"}}"#;
        let whole = serde_json::from_str::<Value>(text).unwrap();
        let mut arguments = PartialArguments::new();
        for (at, character) in text.char_indices() {
            arguments.push(character.encode_utf8(&mut [0; 4]));
            assert_eq!(arguments.value(), &shown(&text[..at + character.len_utf8()]));
        }
        assert_eq!(arguments.value(), &whole);
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("{}{}", r#"{"a":"#, "[".repeat(100_000));
        let mut value = &shown(&deep)["a"];
        let mut depth = 0;
        while let Some(inner) = value.get(0) {
            value = inner;
            depth += 1;
        }
        assert!((100..200).contains(&depth), "{depth}");

        let nested =
            |levels: usize| format!(r#"{{"a":{}"]\"{{"{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
        parse_arguments(&nested(DEEPEST)).unwrap();
        assert_eq!(shown(&nested(DEEPEST)), serde_json::from_str::<Value>(&nested(DEEPEST)).unwrap());
        assert!(
            parse_arguments(&nested(DEEPEST + 1))
                .unwrap_err()
                .starts_with("expected JSON of at most 127 levels")
        );
    }

    #[test]
    fn keys_that_are_compared_for_each_piece_are_bounded() {
        let under = |key: usize, value: &str| format!(r#"{{"{}":{value}"#, "k".repeat(key));
        let text = |escapes: usize| format!(r#""{}"#, "\\n".repeat(escapes));
        assert_eq!(shown(&under(LONGEST_PATH, &text(3)))["k".repeat(LONGEST_PATH)], "\n\n\n");
        assert_eq!(shown(&under(LONGEST_PATH - 1, r#"{"ab": 1"#)), json!({"k".repeat(LONGEST_PATH - 1): {}}));

        // The key would be compared for each of these.
        let text = under(5_000_000, &text(200_000));
        let mut arguments = PartialArguments::new();
        arguments.push(&text);
        (0..200_000).for_each(|_| arguments.push("\\n"));
        assert_eq!(arguments.value(), &json!({}));
        let whole = parse_arguments(&format!("{text}\"}}")).unwrap();
        assert_eq!(whole.text().len(), text.len() + 2);
    }

    #[test]
    fn complete_arguments_are_an_object_or_a_fault() {
        let parse = |text| parse_arguments(text).map(|document| document.text().to_owned());
        assert_eq!(parse(" \n"), Ok("{}".into()));
        assert_eq!(
            parse(r#" {"a": 12345678901234567890123} "#),
            Ok(r#"{"a": 12345678901234567890123}"#.into())
        );
        assert_eq!(parse("{\"a\": \"x\ty\"}"), Ok(r#"{"a": "x\u0009y"}"#.into()));
        assert_eq!(parse(r#"{"a": "C:\dir"}"#), Ok(r#"{"a": "C:\\dir"}"#.into()));
        assert_eq!(parse(r#"{"a": "\ud83d"}"#), Ok(r#"{"a": ""}"#.into()));
        for text in [r#"{"a": "b"#, "[1]", "12", r#""x""#, r#"{"a": 1} x"#, "{'a': 1}"] {
            let fault = parse(text).unwrap_err();
            let (reason, raw) = fault.split_once("\n\nReceived arguments:\n").unwrap();
            assert!(!reason.is_empty(), "{fault}");
            assert_eq!(raw, text);
        }
        assert!(parse(r#"{"a": ""#).unwrap_err().starts_with("Unterminated string in JSON at position 7\n"));
        assert!(parse(r#"{"a""#).unwrap_err().starts_with("Unexpected end of JSON input\n"));
    }
}
