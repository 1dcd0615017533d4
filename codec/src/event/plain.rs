//! Text deltas, of which a response mostly consists, read in the one form in which the service writes them:
//!
//! ```text
//! {"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"abcdefgh"}
//! ```
//!
//! Anything in another form is read by serde, with the same result: this is only faster.

use alloc::borrow::ToOwned;
use alloc::string::String;

use crate::converse::{
    ContentBlockDelta, ContentBlockDeltaEvent, ReasoningContentBlockDelta, ToolUseBlockDelta,
};

/// The payload of a delta in its plain form.
pub(super) struct PlainDelta<'a> {
    index: u32,
    kind: Kind,
    /// As it stands in the JSON, escapes and all.
    text: &'a str,
    escaped: bool,
    /// The payload before its padding: an object that has not been closed.
    pub(super) unpadded: &'a [u8],
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    ToolUse,
    Reasoning,
}

/// What stands before a text, and behind it.
const FORMS: [(Kind, &[u8], &[u8]); 3] = [
    (Kind::Text, br#"{"text":""#, br#""}"#),
    (Kind::ToolUse, br#"{"toolUse":{"input":""#, br#""}}"#),
    (Kind::Reasoning, br#"{"reasoningContent":{"text":""#, br#""}}"#),
];

impl<'a> PlainDelta<'a> {
    /// `None` if the payload has any other form.
    pub(super) fn read(json: &'a [u8]) -> Option<Self> {
        let (index, rest) = json.strip_prefix(br#"{"contentBlockIndex":"#)?.split_first()?;
        let index = char::from(*index).to_digit(10)?;
        let rest = rest.strip_prefix(br#","delta":"#)?;
        let (kind, rest, close) =
            FORMS.iter().find_map(|(kind, open, close)| Some((*kind, rest.strip_prefix(*open)?, *close)))?;
        let (end, escaped) = end_of_text(rest)?;
        let (text, rest) = rest.split_at_checked(end)?;
        let rest = rest.strip_prefix(close)?;
        let unpadded = json.get(..json.len() - rest.len())?;
        let padding = match rest {
            b"}" => b"",
            padded => padded.strip_prefix(br#","p":""#)?.strip_suffix(br#""}"#)?,
        };
        // No early exit, so that the compiler vectorises it.
        if !padding.iter().fold(true, |plain, byte| plain & byte.is_ascii_alphanumeric()) {
            return None;
        }
        // Everything but the text is ASCII.
        Some(Self { index, kind, text: core::str::from_utf8(text).ok()?, escaped, unpadded })
    }

    pub(super) fn event(&self) -> ContentBlockDeltaEvent {
        let text = if self.escaped { unescaped(self.text) } else { self.text.to_owned() };
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
}

/// Where the text that `json` goes on with ends, if it ends, and has no escapes but those of one letter; and
/// whether it has any.
fn end_of_text(json: &[u8]) -> Option<(usize, bool)> {
    let (mut at, mut escaped) = (0, false);
    loop {
        match json.get(at)? {
            b'"' => return Some((at, escaped)),
            b'\\' => {
                character(*json.get(at + 1)?)?;
                escaped = true;
                at += 2;
            }
            ..b' ' => return None,
            _ => at += 1,
        }
    }
}

fn unescaped(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\')
        && let Some((letter, after)) = escape.split_at_checked(1)
    {
        whole.push_str(plain);
        whole.extend(letter.bytes().filter_map(character));
        rest = after;
    }
    whole.push_str(rest);
    whole
}

/// The character that an escape of this letter stands for.
fn character(letter: u8) -> Option<char> {
    Some(match letter {
        b'"' | b'\\' | b'/' => letter.into(),
        b'n' => '\n',
        b't' => '\t',
        b'r' => '\r',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_delta_equals_the_one_that_serde_reads() {
        for json in [
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"abC9"}"#,
            r#"{"contentBlockIndex":7,"delta":{"text":""}}"#,
            r#"{"contentBlockIndex":1,"delta":{"text":"\\\n\"\/\b\f\r\tZoë\\"},"p":""}"#,
            r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{\"a\":"}},"p":"a"}"#,
            r#"{"contentBlockIndex":3,"delta":{"reasoningContent":{"text":"Hm"}},"p":"a"}"#,
        ] {
            let plain = PlainDelta::read(json.as_bytes()).unwrap();
            assert_eq!(plain.event(), serde_json::from_str(json).unwrap(), "{json}");
            let unpadded = format!("{}}}", str::from_utf8(plain.unpadded).unwrap());
            assert_eq!(plain.event(), serde_json::from_str(&unpadded).unwrap(), "{json}");
            assert!(!unpadded.contains(r#""p""#), "{json}");
        }
    }

    #[test]
    fn whatever_differs_is_left_to_serde() {
        for json in [
            r#"{"contentBlockIndex":10,"delta":{"text":"Hi"},"p":"abc"}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"\u00e9"},"p":"abc"}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"\x"},"p":"abc"}"#,
            "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"a\nb\"}}",
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"},"new":1,"p":"abc"}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"a","new":"b"}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"ab\"}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi","new":1}}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"},"p":"abc"} "#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi\"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Hi"#,
            r#"{"contentBlockIndex":"#,
        ] {
            assert!(PlainDelta::read(json.as_bytes()).is_none(), "{json}");
        }
    }
}
