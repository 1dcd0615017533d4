//! Foreign text as it may be shown: without characters that can make a terminal do or show something else, and not too
//! long.

use std::borrow::Cow;
use std::fmt::Write as _;

/// How an escaped character is written.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// As in Rust: `\u{202e}`.
    Text,
    /// As in JSON: `\u202e`.
    Json,
}

/// Escapes a text that arrives in pieces. Where it is cut makes no difference, and nothing is held back.
///
/// Whether a joiner or a variation selector is shown depends only on the character before it: the character after it may
/// be in the next piece, and in some scripts words end with one.
#[derive(Default)]
pub(crate) struct Escaper {
    /// The last character, if it was shown.
    before: Option<char>,
}

impl Escaper {
    /// Escapes the next piece.
    pub(crate) fn escape<'t>(&mut self, piece: &'t str, form: Form) -> Cow<'t, str> {
        let plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
        if piece.bytes().all(plain) {
            self.before = piece.chars().next_back().or(self.before);
            return Cow::Borrowed(piece);
        }
        let mut escaped = String::with_capacity(piece.len());
        for character in piece.chars() {
            if self.shows(character) {
                escaped.push(character);
                continue;
            }
            // Writing to a string cannot fail.
            let _ = match form {
                Form::Text => write!(escaped, "{}", character.escape_unicode()),
                Form::Json => character
                    .encode_utf16(&mut [0; 2])
                    .iter()
                    .try_for_each(|unit| write!(escaped, "\\u{unit:04x}")),
            };
        }
        Cow::Owned(escaped)
    }

    /// Whether the next character is shown as it is.
    pub(crate) fn shows(&mut self, character: char) -> bool {
        let shown = match (character, self.before) {
            (_, None) => !is_unsafe(character),
            ('\u{200c}' | '\u{200d}', Some(before)) => joins(before),
            ('\u{fe00}'..='\u{fe0f}', Some(before)) => {
                let is_keycap = matches!(before, '0'..='9' | '#' | '*');
                is_keycap || !before.is_ascii() && !before.is_whitespace() && !is_unsafe(before)
            }
            ('\u{e0100}'..='\u{e01ef}', Some(before)) => is_ideograph(before),
            ('\u{180b}'..='\u{180d}' | '\u{180f}', Some(before)) => matches!(before, '\u{1820}'..='\u{18aa}'),
            (character, _) => !is_unsafe(character),
        };
        self.before = shown.then_some(character);
        shown
    }
}

/// Escapes a whole text.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    Escaper::default().escape(text, Form::Text)
}

/// Whether a character can make a terminal do or show something else than the text, at least out of its context:
/// control characters except the line end and the tab (the categories Cc, Zl and Zp), characters that change the
/// direction of writing or only format (Cf), and invisible ones (`Default_Ignorable_Code_Point`, and the filler of the
/// Khitan script). The signs of Arabic, Syriac and Kaithi that are Cf and visible (`Prepended_Concatenation_Mark`) are
/// safe.
fn is_unsafe(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control() && !matches!(character, '\n' | '\t');
    }
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}'
            | '\u{16fe4}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether a joiner after this character belongs to the text: in scripts whose letters join or stack (Arabic, Syriac,
/// those of India and related ones, Mongolian), and in emoji, some of which end with U+FE0F.
fn joins(before: char) -> bool {
    matches!(before,
        '\u{600}'..='\u{dff}' | '\u{f00}'..='\u{109f}' | '\u{1700}'..='\u{18af}' | '\u{1a00}'..='\u{1cff}'
        | '\u{a800}'..='\u{a82f}' | '\u{a840}'..='\u{abff}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
        | '\u{10a00}'..='\u{10fff}' | '\u{11000}'..='\u{11fff}' | '\u{1e900}'..='\u{1e95f}')
        || matches!(before, '\u{2600}'..='\u{27bf}' | '\u{fe0f}' | '\u{1f000}'..='\u{1faff}')
}

/// Whether a character is an ideograph, which may have variants in Chinese, Japanese and Korean names.
fn is_ideograph(character: char) -> bool {
    matches!(character, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// The first characters of a text, with `…` in place of the rest.
pub(crate) fn beginning(text: &str, characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters).and_then(|(at, _)| text.get(..at)) {
        Some(beginning) => Cow::Owned(format!("{beginning}…")),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex_syntax::hir::{Class, HirKind};

    use super::*;

    #[test]
    fn unsafe_characters_are_escaped() {
        let text = "a\x1b[31m\r\u{202e}b\u{200b}\u{9b}\u{e0041}\n\tZoë مرحبا";
        assert_eq!(escaped(text), "a\\u{1b}[31m\\u{d}\\u{202e}b\\u{200b}\\u{9b}\\u{e0041}\n\tZoë مرحبا");
        let json = Escaper::default().escape("\u{202e}\u{e0041}", Form::Json).into_owned();
        assert_eq!(json, "\\u202e\\udb40\\udc41");
    }

    #[test]
    fn the_rule_is_that_of_unicodes_tables() {
        let rule = r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\x{16fe4}--[\p{Prepended_Concatenation_Mark}\n\t]]";
        let hir = regex_syntax::parse(rule).unwrap();
        let HirKind::Class(Class::Unicode(class)) = hir.kind() else { panic!("{hir:?}") };
        let ranges = class.ranges();
        for character in '\0'..=char::MAX {
            let expected = ranges.iter().any(|range| (range.start()..=range.end()).contains(&character));
            assert_eq!(is_unsafe(character), expected, "{}", character.escape_unicode());
        }
    }

    #[test]
    fn ordinary_text_is_not_escaped() {
        for text in [
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "ක්\u{200d}ෂ",
            "ন্\u{200d}",
            "ᠠ\u{180b}",
            "👩\u{200d}🚀",
            "👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "👩🏽\u{200d}💻",
            "❤\u{fe0f}\u{200d}🔥",
            "🏳\u{fe0f}\u{200d}🌈",
            "☺\u{fe0f}",
            "☺\u{fe0e}",
            "1\u{fe0f}\u{20e3}",
            "葛\u{e0100}飾",
            "\u{6dd}",
            "Zoë",
            "naïve e\u{301}",
        ] {
            assert_eq!(escaped(text), text);
        }
    }

    #[test]
    fn stray_joiners_are_escaped() {
        for (text, shown) in [
            ("\u{200d}", "\\u{200d}"),
            ("pass\u{200d}word\u{200c}", "pass\\u{200d}word\\u{200c}"),
            ("é\u{200d}", "é\\u{200d}"),
            ("👩\u{200d}\u{200d}", "👩\u{200d}\\u{200d}"),
            ("م\u{200c}\u{200c}", "م\u{200c}\\u{200c}"),
            ("👩\n\u{200d}", "👩\n\\u{200d}"),
            ("a\u{fe0f} \u{fe0f}", "a\\u{fe0f} \\u{fe0f}"),
            ("☺\u{fe0f}\u{fe0f}", "☺\u{fe0f}\\u{fe0f}"),
            ("☺\u{e0100}\u{e0101}", "☺\\u{e0100}\\u{e0101}"),
            ("葛\u{e0100}\u{e0100}", "葛\u{e0100}\\u{e0100}"),
            ("🏴\u{e0067}", "🏴\\u{e0067}"),
            ("م\u{202e}\u{200c}", "م\\u{202e}\\u{200c}"),
            ("\u{fff0}\u{13430}\u{16fe4}", "\\u{fff0}\\u{13430}\\u{16fe4}"),
        ] {
            assert_eq!(escaped(text), shown);
        }
    }

    proptest! {
        #[test]
        fn the_cuts_make_no_difference(
            pieces in prop::collection::vec("(?s)[ -~مक्é👩🚀☺葛\u{200c}\u{200d}\u{fe0f}\u{e0100}\u{202e}\u{7}\n]{0,4}", 0..6),
        ) {
            let mut escaper = Escaper::default();
            let shown = pieces.iter().map(|piece| escaper.escape(piece, Form::Text)).collect::<String>();
            let whole = pieces.concat();
            prop_assert_eq!(shown, escaped(&whole));
        }
    }
}
