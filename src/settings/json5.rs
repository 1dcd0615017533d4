//! [JSON5](https://spec.json5.org), with the position of everything: names, values and commas.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Map, Number};

use super::number::{number, whole};

/// A value, and where it is in the text, in bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node<'a> {
    pub(super) range: Range<usize>,
    pub(super) value: Value<'a>,
    /// The position of the comma after it, if there is one.
    pub(super) comma: Option<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    /// As it is written; see [`number`].
    Number(&'a str),
    String(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Vec<Member<'a>>),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member<'a> {
    pub(super) name: Cow<'a, str>,
    /// Where the name begins.
    pub(super) start: usize,
    pub(super) value: Node<'a>,
}

/// What is wrong with a text, and where.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) what: String,
}

/// Reads a text. `None` if it has only white space and comments.
pub(super) fn parse(text: &str) -> Result<Option<Node<'_>>, Fault> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.skip()?;
    if reader.next().is_none() {
        return Ok(None);
    }
    let root = reader.value()?;
    reader.skip()?;
    match reader.next() {
        None => Ok(Some(root)),
        Some(_) => Err(reader.expected(END)),
    }
}

impl<'a> Node<'a> {
    /// The member of this name; of several, the last.
    pub(super) fn member(&self, name: &str) -> Option<&Member<'a>> {
        let Value::Object(members) = &self.value else { return None };
        members.iter().rev().find(|member| member.name == name)
    }

    /// The value as JSON. A number that JSON does not have (`Infinity`, `NaN`) is its text.
    pub(super) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(text) => {
                let number = whole(text).or_else(|| Number::from_f64(number(text)));
                number.map_or_else(|| (*text).into(), serde_json::Value::Number)
            }
            Value::String(text) => text.as_ref().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Object(members) => {
                // size: 5,000 bytes, because `collect` into a map sorts.
                let mut object = Map::new();
                for member in members {
                    object.insert(member.name.clone().into_owned(), member.value.to_json());
                }
                serde_json::Value::Object(object)
            }
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn next(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Skips this text if it comes next, and returns whether it did.
    fn take(&mut self, text: &str) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Takes all characters of a kind that come next.
    fn take_while(&mut self, kind: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let taken = rest.get(..rest.find(|c| !kind(c)).unwrap_or(rest.len())).unwrap_or_default();
        self.at += taken.len();
        taken
    }

    fn expected(&self, expected: &str) -> Fault {
        let found = match self.next() {
            // Only one character: a text that lacks its quotes may be a secret.
            Some(found) => format!("{found:?}"),
            None => END.to_owned(),
        };
        Fault { at: self.at, what: format!("expected {expected}, found {found}") }
    }

    /// Skips white space and comments.
    fn skip(&mut self) -> Result<(), Fault> {
        loop {
            self.take_while(is_space);
            let start = self.at;
            if self.take("//") {
                self.take_while(|c| !LINE_ENDS.contains(&c));
            } else if self.take("/*") {
                let Some(end) = self.rest().find("*/") else {
                    return Err(Fault {
                        at: start,
                        what: format!("expected */ after this comment, found {END}"),
                    });
                };
                self.at += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn value(&mut self) -> Result<Node<'a>, Fault> {
        let start = self.at;
        let value = match self.next() {
            Some('{') => self.nested(Self::object)?,
            Some('[') => self.nested(Self::list)?,
            Some('"' | '\'') => Value::String(self.string()?),
            Some('+' | '-' | '.' | '0'..='9') => self.number()?,
            _ => match self.take_while(is_in_name) {
                "null" => Value::Null,
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                number @ ("Infinity" | "NaN") => Value::Number(number),
                _ => {
                    self.at = start;
                    return Err(self.expected("a value"));
                }
            },
        };
        Ok(Node { range: start..self.at, value, comma: None })
    }

    /// Reads a value between brackets, from the opening one.
    fn nested(
        &mut self,
        inside: impl FnOnce(&mut Self) -> Result<Value<'a>, Fault>,
    ) -> Result<Value<'a>, Fault> {
        let at = self.at;
        if self.depth >= DEEPEST {
            return Err(Fault { at, what: format!("expected at most {DEEPEST} levels, found more") });
        }
        let bracket = self.next().unwrap_or_default();
        self.at += 1;
        self.depth += 1;
        let value = inside(self);
        self.depth -= 1;
        match value {
            // The user has to find the opening bracket, so the error points there.
            Err(fault) if fault.at == self.text.len() => {
                let closing = if bracket == '{' { '}' } else { ']' };
                Err(Fault { at, what: format!("expected a {closing} for this {bracket}, found {END}") })
            }
            value => value,
        }
    }

    fn object(&mut self) -> Result<Value<'a>, Fault> {
        let mut members = Vec::new();
        loop {
            self.skip()?;
            if self.take("}") {
                return Ok(Value::Object(members));
            }
            let start = self.at;
            let name = match self.next() {
                Some('"' | '\'') => self.string()?,
                _ => self.name()?,
            };
            self.skip()?;
            if !self.take(":") {
                return Err(self.expected("a : after the name (a name needs quotes unless it is one word)"));
            }
            self.skip()?;
            let mut value = self.value()?;
            value.comma = self.comma("}")?;
            members.push(Member { name, start, value });
        }
    }

    fn list(&mut self) -> Result<Value<'a>, Fault> {
        let mut items = Vec::new();
        loop {
            self.skip()?;
            if self.take("]") {
                return Ok(Value::List(items));
            }
            let mut item = self.value()?;
            item.comma = self.comma("]")?;
            items.push(item);
        }
    }

    /// Skips the comma after a value and returns its position. Before the closing bracket it may be missing.
    fn comma(&mut self, end: &str) -> Result<Option<usize>, Fault> {
        self.skip()?;
        let at = self.at;
        match self.take(",") {
            true => Ok(Some(at)),
            false if self.rest().starts_with(end) => Ok(None),
            false => Err(self.expected(&format!("a comma or {end} after the value"))),
        }
    }

    /// A name without quotes.
    fn name(&mut self) -> Result<Cow<'a, str>, Fault> {
        let start = self.at;
        let mut name = Cow::Borrowed(self.take_while(is_in_name));
        while self.rest().starts_with('\\') {
            let at = self.at;
            let escaped = if self.take("\\u") { self.hex(4)? } else { 0 };
            let Some(escaped) = char::from_u32(escaped).filter(|escaped| is_in_name(*escaped)) else {
                return Err(Fault {
                    at,
                    what: "expected the escape of a letter or a digit, found another".into(),
                });
            };
            let name = name.to_mut();
            name.push(escaped);
            name.push_str(self.take_while(is_in_name));
        }
        if name.starts_with(|first: char| first.is_alphabetic() || matches!(first, '$' | '_')) {
            return Ok(name);
        }
        self.at = start;
        Err(self.expected("a name (one that begins with a digit or a sign needs quotes)"))
    }

    fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        let start = self.at;
        let quote = self.next().unwrap_or_default();
        self.at += 1;
        let plain = |c: char| c != quote && !matches!(c, '\\' | '\n' | '\r');
        let mut string = Cow::Borrowed(self.take_while(plain));
        loop {
            match self.next() {
                Some('\\') => self.escape(string.to_mut())?,
                Some(next) if next == quote => {
                    self.at += 1;
                    return Ok(string);
                }
                Some(_) => return Err(self.expected(&format!("a {quote} or \\ before the end of the line"))),
                None => {
                    return Err(Fault {
                        at: start,
                        what: format!("expected a {quote} after this string, found {END}"),
                    });
                }
            }
            string.to_mut().push_str(self.take_while(plain));
        }
    }

    /// An escape in a string.
    fn escape(&mut self, string: &mut String) -> Result<(), Fault> {
        let at = self.at;
        self.at += 1;
        let Some(escaped) = self.next() else { return Err(self.expected("an escape")) };
        self.at += escaped.len_utf8();
        string.push(match escaped {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '0' if !self.next().is_some_and(|next| next.is_ascii_digit()) => '\0',
            '0'..='9' => {
                return Err(Fault { at, what: "expected an escape, found a digit after the \\".into() });
            }
            'x' => char::from_u32(self.hex(2)?).unwrap_or_default(),
            'u' => {
                let high = self.hex(4)?;
                let after_high = self.at;
                let low = if self.take("\\u") { self.hex(4)? } else { 0 };
                let pair = [high, low].map(|unit| u16::try_from(unit).unwrap_or_default());
                match char::decode_utf16(pair).next() {
                    Some(Ok(character)) if character.len_utf16() == 2 => character,
                    single => {
                        self.at = after_high;
                        // Only JavaScript allows half of a surrogate pair as a character.
                        single.and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER)
                    }
                }
            }
            '\r' => {
                self.take("\n");
                return Ok(());
            }
            end if LINE_ENDS.contains(&end) => return Ok(()),
            other => other,
        });
        Ok(())
    }

    /// Reads this number of hexadecimal digits.
    fn hex(&mut self, digits: usize) -> Result<u32, Fault> {
        let found = self.rest().get(..digits);
        match found.filter(|found| found.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            Some(found) => {
                self.at += digits;
                Ok(u32::from_str_radix(found, 16).unwrap_or_default())
            }
            None => Err(Fault { at: self.at, what: format!("expected {digits} hexadecimal digits") }),
        }
    }

    fn number(&mut self) -> Result<Value<'a>, Fault> {
        let start = self.at;
        let digits = |reader: &mut Self| reader.take_while(|c| c.is_ascii_digit());
        let sign = |reader: &mut Self| reader.take("+") || reader.take("-");
        sign(self);
        if self.take("0x") || self.take("0X") {
            if self.take_while(|c| c.is_ascii_hexdigit()).is_empty() {
                return Err(self.expected("a hexadecimal digit"));
            }
        } else if !self.take("Infinity") && !self.take("NaN") {
            let whole = if self.take("0") { "0" } else { digits(self) };
            let fraction = if self.take(".") { digits(self) } else { "" };
            if whole.is_empty() && fraction.is_empty() {
                return Err(self.expected("a digit"));
            }
            if self.take("e") || self.take("E") {
                sign(self);
                if digits(self).is_empty() {
                    return Err(self.expected("a digit"));
                }
            }
        }
        if self.next().is_some_and(is_in_name) {
            return Err(self.expected("the end of the number"));
        }
        Ok(Value::Number(self.text.get(start..self.at).unwrap_or_default()))
    }
}

fn is_space(c: char) -> bool {
    // White space of Unicode except U+0085, and the byte order mark.
    c == '\u{feff}' || c != '\u{85}' && c.is_whitespace()
}

/// Whether a character may be in a name without quotes. Outside ASCII this is every character that is neither white
/// space nor a control: the standard library has no table of combining marks.
fn is_in_name(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_alphanumeric() || matches!(c, '$' | '_')
    } else {
        !is_space(c) && !c.is_control()
    }
}

const END: &str = "the end of the text";
/// The characters that end a line.
pub(super) const LINE_ENDS: [char; 4] = ['\n', '\r', '\u{2028}', '\u{2029}'];
/// How deep lists and objects may be nested. The reader is recursive, so each level takes stack.
const DEEPEST: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> serde_json::Value {
        match parse(text) {
            Ok(Some(root)) => root.to_json(),
            other => panic!("{text:?}: {other:?}"),
        }
    }

    /// Legal texts, from the grammar of the specification and from its test suite, json5-tests.
    #[test]
    fn legal_texts_are_read() {
        for (text, value) in [
            // Objects and lists.
            ("{}", json!({})),
            ("[]", json!([])),
            ("[true, false, null]", json!([true, false, null])),
            ("[null,]", json!([null])),
            ("{a: 1, a: 2,}", json!({"a": 2})),
            (
                "{while: true, null: 1, Infinity: 2, NaN: 3}",
                json!({"while": true, "null": 1, "Infinity": 2, "NaN": 3}),
            ),
            (
                "{hello: 1, _$_: 2, $0_: 3, 'hello world': 4, '': 5}",
                json!({"hello": 1, "_$_": 2, "$0_": 3, "hello world": 4, "": 5}),
            ),
            (
                "{ümlåût: 1, ⅷ: 2, a\u{301}: 3, क्\u{200d}ष: 4}",
                json!({"ümlåût": 1, "ⅷ": 2, "a\u{301}": 3, "क्\u{200d}ष": 4}),
            ),
            (r"{sig\u03A3ma: 1, \u0061: 2, \u0024\u005f: 3}", json!({"sigΣma": 1, "a": 2, "$_": 3})),
            // Comments and white space.
            ("// a\n[ // b\r// c\u{2028}1/**/, /* d // \n** */ 2 ] // e", json!([1, 2])),
            ("{a/*b*/:/*c*/1/*d*/,/*e*/b//f\u{2029}:2}", json!({"a": 1, "b": 2})),
            ("\u{feff}[\u{a0}\u{b}\u{c}1\u{2003}\u{2028},\u{feff}2\u{3000}]\u{2029}", json!([1, 2])),
            ("'// no comment /* here */'", json!("// no comment /* here */")),
            // Strings.
            (
                r#"["it's", 'say "hi"', 'it\'s', "\"", '\"']"#,
                json!(["it's", "say \"hi\"", "it's", "\"", "\""]),
            ),
            (r#""\b\f\n\r\t\v\0\\\/\x41\u00e9\a\é\ ""#, json!("\u{8}\u{c}\n\r\t\u{b}\0\\/Aéaé ")),
            ("'a\\\nb\\\r\nc\\\rd\\\u{2028}e\\\u{2029}f'", json!("abcdef")),
            ("'\u{2028}\u{2029}\t\u{1}'", json!("\u{2028}\u{2029}\t\u{1}")),
            (
                r"'\ud83d\ude00 \ud83d \ude00 \ud83d\u0041 \ud83d\ud83d\ude00'",
                json!("😀 \u{fffd} \u{fffd} \u{fffd}A \u{fffd}😀"),
            ),
            // Numbers.
            (
                "[0, 15, +15, -15, 9007199254740993, 18446744073709551615]",
                json!([0, 15, 15, -15, 9_007_199_254_740_993_u64, u64::MAX]),
            ),
            (
                "[0xc8, 0XC8, -0xDEADbeef, 0xc8e4, 0xffffffffff]",
                json!([200, 200, -3_735_928_559_i64, 0xc8e4, 0xff_ffff_ffff_u64]),
            ),
            (
                "[.5, 5., 1.2, -.5, +5., 1e23, 2E-1, 5.e4, 1e0]",
                json!([0.5, 5.0, 1.2, -0.5, 5.0, 1e23, 0.2, 5e4, 1.0]),
            ),
            (
                "[Infinity, -Infinity, +Infinity, NaN, 1e400]",
                json!(["Infinity", "-Infinity", "+Infinity", "NaN", "1e400"]),
            ),
        ] {
            assert_eq!(read(text), value, "{text:?}");
        }
        assert!(number("-Infinity") < f64::MIN && number("+NaN").is_nan());
        for nothing in ["", " \n", "// a", "/* a */ // b\n"] {
            assert_eq!(parse(nothing), Ok(None), "{nothing:?}");
        }
    }

    #[test]
    fn illegal_texts_are_errors_with_a_position() {
        for (text, at, what) in [
            ("[,null]", 1, "expected a value, found ','"),
            ("[,]", 1, "expected a value, found ','"),
            ("[1,,2]", 3, "expected a value, found ','"),
            ("[true false]", 6, "expected a comma or ] after the value, found 'f'"),
            ("{,a: 1}", 1, "expected a name"),
            ("{,}", 1, "expected a name"),
            ("{a: 1 b: 2}", 6, "expected a comma or } after the value, found 'b'"),
            (
                "{10twenty: 1}",
                1,
                "expected a name (one that begins with a digit or a sign needs quotes), found '1'",
            ),
            (
                "{multi-word: 1}",
                6,
                "expected a : after the name (a name needs quotes unless it is one word), found '-'",
            ),
            ("{\u{301}a: 1}", 1, "expected a name"),
            (r"{\u002d: 1}", 1, "expected the escape of a letter or a digit"),
            (r"{a\x: 1}", 2, "expected the escape of a letter or a digit"),
            (r"{\u00: 1}", 3, "expected 4 hexadecimal digits"),
            ("{a}", 2, "expected a : after the name"),
            ("{a: }", 4, "expected a value, found '}'"),
            ("[1}", 2, "expected a comma or ] after the value, found '}'"),
            ("[1] 2", 4, "expected the end of the text, found '2'"),
            ("{a: [1, {b: 2}", 4, "expected a ] for this [, found the end of the text"),
            ("{a: {b: 'x", 8, "expected a ' after this string, found the end of the text"),
            ("[1] /* a", 4, "expected */ after this comment, found the end of the text"),
            ("'a\nb'", 2, "expected a ' or \\ before the end of the line, found '\\n'"),
            (r"'\1'", 1, "expected an escape, found a digit"),
            (r"'\01'", 1, "expected an escape, found a digit"),
            (r"'\x4g'", 3, "expected 2 hexadecimal digits"),
            (r"'\u12'", 3, "expected 4 hexadecimal digits"),
            ("010", 1, "expected the end of the number, found '1'"),
            ("-098", 2, "expected the end of the number, found '9'"),
            ("[0x]", 3, "expected a hexadecimal digit"),
            ("[1e1.2]", 4, "expected a comma"),
            ("[1e0x1]", 4, "expected the end of the number"),
            ("[1e]", 3, "expected a digit"),
            ("[.]", 2, "expected a digit"),
            ("[- 1]", 2, "expected a digit"),
            ("[1a]", 2, "expected the end of the number, found 'a'"),
            ("[Infinit]", 1, "expected a value, found 'I'"),
            ("[undefined]", 1, "expected a value, found 'u'"),
            ("[truely]", 1, "expected a value, found 't'"),
            ("[\u{85}1]", 1, "expected a value"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.at == at && fault.what.starts_with(what), "{text:?}: {fault:?}");
        }
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(&deep(DEEPEST)).is_ok());
        assert_eq!(parse(&deep(DEEPEST + 1)).unwrap_err().at, DEEPEST);
        assert_eq!(parse(&"[".repeat(1_000_000)).unwrap_err().at, DEEPEST);
    }

    #[test]
    fn everything_has_a_position() {
        let text = "{ a/**/: 1 /* x */, 'é' : [2 , {}] }";
        let root = parse(text).unwrap().unwrap();
        let Value::Object(members) = &root.value else { panic!("{root:?}") };
        let [a, e] = &members[..] else { panic!("{members:?}") };
        assert_eq!((&text[a.start..a.value.range.end], a.value.comma), ("a/**/: 1", Some(18)));
        assert_eq!((&text[e.start..e.value.range.end], e.value.comma), ("'é' : [2 , {}]", None));
        let Value::List(items) = &e.value.value else { panic!("{e:?}") };
        assert_eq!((&text[items[1].range.clone()], items[0].comma), ("{}", text.rfind(',')));
    }
}
