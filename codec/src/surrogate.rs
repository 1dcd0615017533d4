//! JSON as JavaScript writes it: with escapes for halves of surrogate pairs, which UTF-8 cannot hold.

use alloc::borrow::Cow;
use alloc::string::String;

/// The same JSON with `with` instead of each escape of a lone surrogate (`\ud83d` without `\ude00` after it). Text that
/// is not JSON is left to the parser.
pub fn lone_surrogates<'a>(json: &'a str, replacement: &str) -> Cow<'a, str> {
    let mut kept = String::new();
    // Everything before `copied` is in `kept`, except what was left out.
    let (mut at, mut copied) = (0, 0);
    while let Some(found) = json.get(at..).and_then(|rest| rest.find('\\')) {
        at += found;
        let after = match surrogate(json, at) {
            None => at + 2,
            Some(Half::High) if matches!(surrogate(json, at + ESCAPE), Some(Half::Low)) => at + 2 * ESCAPE,
            Some(_) => {
                kept.push_str(json.get(copied..at).unwrap_or_default());
                kept.push_str(replacement);
                copied = at + ESCAPE;
                copied
            }
        };
        // In text that is not JSON, the character after a backslash may be longer than a byte.
        at = (after..=json.len()).find(|at| json.is_char_boundary(*at)).unwrap_or(json.len());
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    kept.push_str(json.get(copied..).unwrap_or_default());
    Cow::Owned(kept)
}

enum Half {
    High,
    Low,
}

/// The half of a surrogate pair whose escape is here.
fn surrogate(json: &str, at: usize) -> Option<Half> {
    let digits = json.get(at..at + ESCAPE)?.strip_prefix("\\u")?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(Half::High),
        0xdc00..=0xdfff => Some(Half::Low),
        _ => None,
    }
}

/// The escape of U+FFFD, which stands for what cannot be read.
pub(crate) const REPLACEMENT: &str = "\\ufffd";
/// The length of `\ud83d`.
const ESCAPE: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_go_and_everything_else_stays() {
        for (json, kept) in [
            (r#""a\ud83d\ude00b""#, r#""a\ud83d\ude00b""#),
            (r#""a\ud83db""#, r#""ab""#),
            (r#""a\ude00\ud83d""#, r#""a""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\\ud83d\\\ud83d\n\u00e9""#, r#""\\ud83d\\\n\u00e9""#),
            (r#""\uD83D"#, r#"""#),
            (r"\", r"\"),
            ("\\é\\ud83d", "\\é"),
            (r"\u+83d", r"\u+83d"),
        ] {
            assert_eq!(lone_surrogates(json, ""), kept, "{json}");
        }
        assert_eq!(lone_surrogates(r#""a\ud83db\ude00""#, REPLACEMENT), r#""a\ufffdb\ufffd""#);
        assert!(matches!(lone_surrogates(r#"{"a":"\n"}"#, ""), Cow::Borrowed(_)));
    }
}
