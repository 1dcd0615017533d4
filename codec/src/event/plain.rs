//! Deltas of text, of which a response mostly consists, read without a JSON reader:
//!
//! ```text
//! {"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"abcdefgh"}
//! ```
//!
//! The members may come in any order, with any white space and any escapes. A delta with anything else in it is read by
//! serde, with the same result: this is only faster.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::converse::{
    ContentBlockDelta, ContentBlockDeltaEvent, ReasoningContentBlockDelta, ToolUseBlockDelta,
};

/// A delta that has no other members than the known ones, each of them once.
pub(super) struct PlainDelta<'a> {
    index: u32,
    kind: Kind,
    /// As it stands in the JSON, escapes and all. It is UTF-8, as all of the payload.
    text: &'a [u8],
    escaped: bool,
    /// The members but for the padding, if they stand beside each other without white space.
    compact: Option<&'a [u8]>,
    /// The values of the two members.
    values: [&'a [u8]; 2],
    /// Whether the index is the second of them.
    index_is_last: bool,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    ToolUse,
    Reasoning,
}

impl<'a> PlainDelta<'a> {
    /// `None` if anything else is in the payload, or if it is not valid JSON.
    #[inline]
    pub(super) fn read(json: &'a [u8]) -> Option<Self> {
        Self::read_compact(json).or_else(|| Self::read_any(json))
    }

    /// The form above, in which nearly all of them come.
    #[inline]
    fn read_compact(json: &'a [u8]) -> Option<Self> {
        let mut scanner = Scanner::new(json);
        scanner.expect(br#"{"contentBlockIndex":"#)?;
        let index = scanner.number()?;
        scanner.expect(br#","delta":{"text":""#)?;
        let begin = scanner.at;
        let escaped = scanner.rest_of_string()?;
        let end = scanner.at - 1;
        scanner.expect(b"}")?;
        let delta_end = scanner.at;
        if scanner.skip(br#","p":""#) {
            scanner.skip_last_string()?;
        }
        scanner.expect(b"}")?;
        scanner.is_at_end().then_some(())?;
        Some(Self {
            index,
            kind: Kind::Text,
            text: json.get(begin..end)?,
            escaped,
            compact: Some(json.get(1..delta_end)?),
            values: [&[]; 2],
            index_is_last: false,
        })
    }

    #[cold]
    fn read_any(json: &'a [u8]) -> Option<Self> {
        let mut scanner = Scanner::new(json);
        let (mut index, mut delta, mut padded) = (None, None, false);
        scanner.take(b'{')?;
        loop {
            scanner.skip_space();
            let begin = scanner.at;
            if index.is_none() && scanner.name(br#""contentBlockIndex""#)? {
                let value = scanner.at;
                index = Some((scanner.number()?, begin, value, scanner.at));
            } else if delta.is_none() && scanner.name(br#""delta""#)? {
                let value = scanner.at;
                delta = Some((scanner.delta()?, begin, value, scanner.at));
            } else if !padded && scanner.name(br#""p""#)? {
                scanner.string()?;
                padded = true;
            } else {
                return None;
            }
            scanner.skip_space();
            if !scanner.skip(b",") {
                break;
            }
        }
        scanner.take(b'}')?;
        scanner.skip_space();
        scanner.is_at_end().then_some(())?;
        let (index, index_begin, index_value, index_end) = index?;
        let ((kind, text, text_end, escaped), delta_begin, delta_value, delta_end) = delta?;
        let index_is_last = delta_begin < index_begin;
        let (begin, beside, end) = if index_is_last {
            (delta_begin, delta_end + 1 == index_begin, index_end)
        } else {
            (index_begin, index_end + 1 == delta_begin, delta_end)
        };
        Some(Self {
            index,
            kind,
            text: json.get(text..text_end)?,
            escaped,
            compact: if beside && !scanner.spaced { json.get(begin..end) } else { None },
            values: [json.get(index_value..index_end)?, json.get(delta_value..delta_end)?],
            index_is_last,
        })
    }

    pub(super) fn event(&self) -> ContentBlockDeltaEvent {
        let text = self.unescaped().into_owned();
        ContentBlockDeltaEvent::new(
            self.index,
            match self.kind {
                Kind::Text => ContentBlockDelta::Text(text),
                Kind::ToolUse => ContentBlockDelta::ToolUse(ToolUseBlockDelta::new(text)),
                Kind::Reasoning => {
                    ContentBlockDelta::ReasoningContent(ReasoningContentBlockDelta::Text(text))
                }
            },
        )
    }

    /// The text, if it is the response's own: not a tool's input, and not what the model thinks.
    pub(super) fn text(&self) -> Option<Cow<'a, str>> {
        matches!(self.kind, Kind::Text).then(|| self.unescaped())
    }

    /// Writes the members but for the padding, without white space between them, on one line.
    pub(super) fn write(&self, json: &mut Vec<u8>) {
        if let Some(compact) = self.compact {
            json.extend_from_slice(compact);
            return;
        }
        let [index, delta] = self.values;
        let mut members = [(&br#""contentBlockIndex":"#[..], index), (&br#""delta":"#[..], delta)];
        if self.index_is_last {
            members.reverse();
        }
        let [(first, value), (second, next)] = members;
        json.extend_from_slice(first);
        write_on_one_line(value, json);
        json.push(b',');
        json.extend_from_slice(second);
        write_on_one_line(next, json);
    }

    fn unescaped(&self) -> Cow<'a, str> {
        let text = core::str::from_utf8(self.text).unwrap_or_default();
        if !self.escaped {
            return Cow::Borrowed(text);
        }
        let mut whole = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((plain, escape)) = rest.split_once('\\')
            && let Some((character, length)) = escaped(escape.as_bytes())
        {
            whole.push_str(plain);
            whole.push(character);
            rest = escape.get(length..).unwrap_or_default();
        }
        whole.push_str(rest);
        Cow::Owned(whole)
    }
}

/// Writes JSON without its line ends, which are white space.
pub(super) fn write_on_one_line(value: &[u8], json: &mut Vec<u8>) {
    for line in value.split(|byte| matches!(byte, b'\n' | b'\r')) {
        json.extend_from_slice(line);
    }
}

/// Reads JSON from its beginning. Where a function returns `None`, the JSON is another than the one that it reads.
struct Scanner<'a> {
    json: &'a [u8],
    at: usize,
    /// Whether there was white space.
    spaced: bool,
    /// The bits that are set in any byte of the strings, and perhaps in others.
    bits: usize,
}

impl<'a> Scanner<'a> {
    fn new(json: &'a [u8]) -> Self {
        Self { json, at: 0, spaced: false, bits: 0 }
    }

    /// Whether nothing is left, and all was UTF-8.
    fn is_at_end(&self) -> bool {
        let is_ascii = self.bits & all(0x80) == 0;
        self.at == self.json.len() && (is_ascii || core::str::from_utf8(self.json).is_ok())
    }

    fn rest(&self) -> &'a [u8] {
        self.json.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.json.get(self.at) {
            self.at += 1;
            self.spaced = true;
        }
    }

    /// Whether this comes next, which is then skipped.
    // An array, so that it is compared by words.
    fn skip<const N: usize>(&mut self, token: &[u8; N]) -> bool {
        let found = self.rest().first_chunk() == Some(token);
        if found {
            self.at += N;
        }
        found
    }

    /// Skips this.
    fn expect<const N: usize>(&mut self, token: &[u8; N]) -> Option<()> {
        self.skip(token).then_some(())
    }

    /// Skips this byte and the white space before it.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.skip_space();
        self.expect(&[byte])
    }

    /// Whether the next member has this name. If so, its value comes next.
    fn name(&mut self, quoted: &[u8]) -> Option<bool> {
        let found = self.rest().starts_with(quoted);
        if found {
            self.at += quoted.len();
            self.take(b':')?;
            self.skip_space();
        }
        Some(found)
    }

    fn number(&mut self) -> Option<u32> {
        let (begin, mut number) = (self.at, 0_u32);
        while let Some(digit @ b'0'..=b'9') = self.json.get(self.at) {
            number = number.wrapping_mul(10).wrapping_add((digit - b'0').into());
            self.at += 1;
        }
        // Nine digits always fit. A number of several does not begin with 0.
        let plain = match self.at - begin {
            0 => false,
            1 => true,
            length => length < 10 && self.json.get(begin) != Some(&b'0'),
        };
        plain.then_some(number)
    }

    /// The value of the member `delta`: its kind, where its text begins and ends, and whether the text has escapes.
    fn delta(&mut self) -> Option<(Kind, usize, usize, bool)> {
        self.take(b'{')?;
        self.skip_space();
        let (kind, is_nested) = if self.name(br#""text""#)? {
            (Kind::Text, false)
        } else if self.name(br#""toolUse""#)? {
            (Kind::ToolUse, true)
        } else if self.name(br#""reasoningContent""#)? {
            (Kind::Reasoning, true)
        } else {
            return None;
        };
        if is_nested {
            self.take(b'{')?;
            self.skip_space();
            let known = match kind {
                Kind::ToolUse => self.name(br#""input""#)?,
                _ => self.name(br#""text""#)?,
            };
            if !known {
                return None;
            }
        }
        let begin = self.at + 1;
        let escaped = self.string()?;
        let end = self.at - 1;
        if is_nested {
            self.take(b'}')?;
        }
        self.take(b'}')?;
        Some((kind, begin, end, escaped))
    }

    /// Skips a string, and says whether it has escapes.
    fn string(&mut self) -> Option<bool> {
        self.expect(b"\"")?;
        self.rest_of_string()
    }

    fn rest_of_string(&mut self) -> Option<bool> {
        let mut has_escapes = false;
        loop {
            self.skip_plain();
            match self.json.get(self.at)? {
                b'"' => {
                    self.at += 1;
                    return Some(has_escapes);
                }
                b'\\' => {
                    let (_, length) = escaped(self.json.get(self.at + 1..)?)?;
                    self.at += 1 + length;
                    has_escapes = true;
                }
                _ => return None,
            }
        }
    }

    /// Skips the rest of a string that ends one byte before the end of the JSON and has no escapes: what is known to be
    /// the end need not be looked for.
    fn skip_last_string(&mut self) -> Option<()> {
        let text = self.rest().split_last_chunk::<2>()?.0;
        let (words, few) = text.as_chunks();
        let (mut found, mut bits) = (0, 0);
        let mut look = |word: &[u8; size_of::<usize>()]| {
            let word = usize::from_le_bytes(*word);
            found |= special(word);
            bits |= word;
        };
        words.iter().for_each(&mut look);
        let few = match text.last_chunk() {
            // Some of it has been looked at already.
            Some(last) => {
                look(last);
                &[]
            }
            None => few,
        };
        self.bits |= few.iter().fold(bits, |bits, byte| bits | usize::from(*byte));
        self.at += text.len();
        if found != 0 || few.iter().copied().any(is_special) { None } else { self.expect(b"\"") }
    }

    /// Skips the bytes before one that is special, a word at a time.
    #[inline]
    fn skip_plain(&mut self) {
        let (words, few) = self.rest().as_chunks();
        let (mut at, mut bits) = (0, 0);
        let found = words.iter().find_map(|word| {
            let word = usize::from_le_bytes(*word);
            bits |= word;
            let special = special(word);
            if special != 0 {
                return Some(special.trailing_zeros() as usize / 8);
            }
            at += size_of::<usize>();
            None
        });
        at += found.unwrap_or_else(|| {
            let plain = few.iter().take_while(|byte| !is_special(**byte));
            plain.inspect(|byte| bits |= usize::from(**byte)).count()
        });
        self.at += at;
        self.bits |= bits;
    }
}

/// Whether a byte of a string is a quote, a backslash or a control character.
pub(super) fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | ..b' ')
}

/// The highest bit of each byte that is special, of those in a word. The lowest such bit is right, and only the lowest.
fn special(word: usize) -> usize {
    let less = |word: usize, than: u8| word.wrapping_sub(all(than)) & !word;
    // With one bit turned over, a quote comes after the control characters, and a space after the quote.
    (less(word ^ all(2), b'"' ^ 3) | less(word ^ all(b'\\'), 1)) & all(0x80)
}

/// A word of this byte.
const fn all(byte: u8) -> usize {
    usize::from_ne_bytes([byte; size_of::<usize>()])
}

/// The character that an escape stands for, from what follows the backslash, and the length of that. `None` for half of
/// a surrogate pair, too.
fn escaped(escape: &[u8]) -> Option<(char, usize)> {
    let character = match escape.first()? {
        letter @ (b'"' | b'\\' | b'/') => char::from(*letter),
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'u' => {
            let unit = code_unit(escape)?;
            let low = || code_unit(escape.get(UNIT..)?.strip_prefix(b"\\")?);
            let pair = (0xd800..0xdc00).contains(&unit).then(low).flatten().filter(|low| low >> 10 == 0x37);
            return match pair {
                Some(low) => {
                    let character = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                    Some((char::from_u32(character)?, 2 * UNIT + 1))
                }
                None => Some((char::from_u32(unit)?, UNIT)),
            };
        }
        _ => return None,
    };
    Some((character, 1))
}

/// The code unit of `u00e9`.
fn code_unit(escape: &[u8]) -> Option<u32> {
    let digits = escape.strip_prefix(b"u")?.first_chunk::<4>()?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}

/// The length of `u00e9`.
const UNIT: usize = 5;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;
    use crate::shape::Members;
    use crate::shape::read::from_json;

    /// The delta, if it is read here. serde must read the same, and what is written must have the same members.
    fn read(json: &[u8]) -> Option<ContentBlockDeltaEvent> {
        let delta = PlainDelta::read(json)?;
        let event = delta.event();
        assert_eq!(event, from_json(json).unwrap());
        assert_eq!(delta.text().as_deref(), event.delta.as_text());
        let mut written = Vec::new();
        delta.write(&mut written);
        let mut members = from_json::<Members>(json).unwrap();
        members.remove("p");
        let one_line = |text: &str| text.replace(['\n', '\r'], "");
        let expected = members.iter().map(|(name, value)| format!("\"{name}\":{}", one_line(value.text())));
        assert_eq!(String::from_utf8(written).unwrap(), expected.collect::<Vec<_>>().join(","));
        Some(event)
    }

    #[test]
    fn a_delta_of_known_members_is_read_in_every_form() {
        for json in [
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"abC9"}"#,
            r#"{"contentBlockIndex":7,"delta":{"text":""}}"#,
            r#"{"contentBlockIndex":1,"delta":{"text":"\\\n\"\/\b\f\r\tZoë\\"},"p":""}"#,
            r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{\"a\":"}},"p":"a"}"#,
            r#"{"contentBlockIndex":3,"delta":{"reasoningContent":{"text":"Hm"}},"p":"a"}"#,
            r#"{"contentBlockIndex":10,"delta":{"text":"Hi"},"p":"abc"}"#,
            r#"{"contentBlockIndex":999999999,"delta":{"text":"\u00e9\uD83d\uDe00\u0000"},"p":"a \u00e9é"}"#,
            r#"{"p":"abc","delta":{"text":"Hi"},"contentBlockIndex":0}"#,
            r#"{"contentBlockIndex":0,"p":"abc","delta":{"text":"Hi"}}"#,
            "\n{ \"contentBlockIndex\" : 0 ,\r\n\t\"delta\" : { \"text\"\n: \"Hi\" } , \"p\" : \"a\" } ",
            "{\"delta\":{\n\"toolUse\":{ \"input\":\"\" } },\"contentBlockIndex\":4}",
        ] {
            assert!(read(json.as_bytes()).is_some(), "{json}");
        }
    }

    #[test]
    fn whatever_else_is_in_it_is_left_to_serde() {
        for json in [
            r#"{"contentBlockIndex":4294967295,"delta":{"text":"Hi"}}"#,
            r#"{"contentBlockIndex":07,"delta":{"text":"Hi"}}"#,
            r#"{"contentBlockIndex":1e0,"delta":{"text":"Hi"}}"#,
            r#"{"contentBlockIndex":,"delta":{"text":"Hi"}}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"\ud83d"},"p":"abc"}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"\ude00"},"p":"abc"}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"\u+0e9"},"p":"abc"}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"\x"},"p":"abc"}"#,
            "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"a\nb\"}}",
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"},"new":1,"p":"abc"}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"a","new":"b"}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"a","p":"b"}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"},"delta":{"text":"Ho"}}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"ab\"}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":1}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi","new":1}}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":null}}"#,
            r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"a"}}}"#,
            r#"{"contentBlockIndex":0,"delta":{}}"#,
            r#"{"contentBlockIndex":0}"#,
            r#"{"delta":{"text":"Hi"}}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"}} x"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"},}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi\"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"#,
            r#"{"contentBlockIndex":"#,
            "",
        ] {
            assert!(read(json.as_bytes()).is_none(), "{json}");
        }
        assert!(read(b"{\"contentBlockIndex\":0,\"delta\":{\"text\":\"\xff\"}}").is_none());
        assert!(read(b"{\"contentBlockIndex\":0,\"delta\":{\"text\":\"a\"},\"p\":\"\xff\"}").is_none());
    }

    fn joined(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
        vec(select(pieces), 0..12).prop_map(|pieces| pieces.concat())
    }

    fn space() -> impl Strategy<Value = &'static str> {
        select(&["", "", "", " ", "\n", "\r\n\t "][..])
    }

    /// A member with any white space.
    fn member(name: &'static str, value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        let name = prop_oneof![9 => Just(name), 1 => Just("new"), 1 => Just("\\u0070")];
        (name, value, [space(), space(), space(), space()])
            .prop_map(|(name, value, [a, b, c, d])| format!("{a}\"{name}\"{b}:{c}{value}{d}"))
    }

    /// A string that may be wrong.
    fn string() -> impl Strategy<Value = String> {
        let pieces = joined(&[
            "a",
            "Zoë",
            "\u{1f44b}",
            "plain text of some words",
            " ",
            "{",
            "}",
            ",",
            "\\n",
            "\\\"",
            "\\\\",
            "\\/",
            "\\u00e9",
            "\\u0000",
            "\\uD83D\\uDE00",
            "\u{7f}",
        ]);
        let odd =
            joined(&["\\ud83d", "\\ude00", "\\ud83dx", "\\u12", "\\x", "\n", "\u{1f}", "\"", "\\", "x"]);
        prop_oneof![6 => pieces, 1 => odd].prop_map(|text| format!("\"{text}\""))
    }

    fn delta() -> impl Strategy<Value = String> {
        let object = |member: String| format!("{{{member}}}");
        prop_oneof![
            6 => member("text", string()).prop_map(object),
            2 => member("toolUse", member("input", string()).prop_map(object)).prop_map(object),
            2 => member("reasoningContent", member("text", string()).prop_map(object)).prop_map(object),
            1 => member("reasoningContent", member("signature", string()).prop_map(object)).prop_map(object),
            1 => select(&["{}", "null", "{\"text\":null}", "{\"text\":1}", "[]"][..]).prop_map(String::from),
        ]
    }

    fn index() -> impl Strategy<Value = String> {
        let odd =
            select(&["007", "-0", "-1", "1.0", "1e0", "\"0\"", "null", "4294967296", "99999999999", ""][..]);
        prop_oneof![9 => any::<u32>().prop_map(|index| index.to_string()), 1 => odd.prop_map(String::from)]
    }

    fn json() -> impl Strategy<Value = Vec<u8>> {
        let padding = prop_oneof![9 => string(), 1 => Just("1".to_owned())];
        let known = (member("contentBlockIndex", index()), member("delta", delta()), member("p", padding));
        let more = vec(prop_oneof![member("p", string()), member("delta", delta())], 0..2);
        let members = (known, prop_oneof![9 => Just(Vec::new()), 1 => more]);
        let members = members.prop_map(|((index, delta, p), more)| [vec![index, delta, p], more].concat());
        (
            members.prop_shuffle(),
            0_usize..8,
            [space(), space()],
            proptest::option::weighted(0.2, any::<(Index, u8)>()),
        )
            .prop_map(|(mut members, left_out, [before, after], damage)| {
                if left_out < members.len() {
                    members.remove(left_out);
                }
                let mut json = format!("{before}{{{}}}{after}", members.join(",")).into_bytes();
                if let Some((at, byte)) = damage {
                    *at.get_mut(&mut json) = byte;
                }
                json
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_read_here_serde_reads_the_same(json in json()) {
            read(&json);
        }
    }

    #[test]
    fn a_string_ends_at_its_quote_wherever_that_is() {
        for special in 0..=u8::MAX {
            for at in 0..20 {
                let mut text = [b'a'; 24];
                text[at] = special;
                text[at + 1..].fill(special ^ 1);
                let mut scanner = Scanner::new(&text);
                scanner.skip_plain();
                let expected = text.iter().copied().position(is_special);
                assert_eq!(scanner.at, expected.unwrap_or(text.len()), "{special} at {at}");
                assert!(text[..scanner.at].is_ascii() || scanner.bits & all(0x80) != 0, "{special} at {at}");

                let padding = [&text[..=at], b"\"}"].concat();
                let mut scanner = Scanner::new(&padding);
                let is_plain = scanner.skip_last_string().is_some();
                assert_eq!(is_plain, !text[..=at].iter().copied().any(is_special), "{special} at {at}");
                if is_plain {
                    assert_eq!(scanner.rest(), b"}");
                    assert!(text[..=at].is_ascii() || scanner.bits & all(0x80) != 0, "{special} at {at}");
                }
            }
        }
    }
}
