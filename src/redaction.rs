//! Secrets withheld from what is printed and recorded.
//!
//! Services and gateways quote the request that they refuse: a wrong signature is answered with the text that
//! should have been signed, session token included. Such a quotation may be cut off, in another case, broken
//! into lines or escaped. So no secret is searched for as a whole: every run of [`RUN`] of its characters is
//! withheld, whatever their case and whatever white space is between them.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::Error;

/// The secrets of a request.
#[derive(Default)]
pub(crate) struct Redaction {
    secrets: Vec<Zeroizing<String>>,
    /// Built with the first text that is searched: most requests need none.
    index: OnceLock<Index>,
}

/// What may be shown of a request: goes with it as an extension.
#[derive(Clone)]
pub(crate) struct Shown {
    /// Its URL, without the secrets that its path may hold.
    pub(crate) url: String,
    pub(crate) redaction: Arc<Redaction>,
}

impl Redaction {
    /// The values of a request's sensitive headers: tokens, keys, signatures.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut redaction = Self::default();
        for (name, value) in headers.iter().filter(|(_, value)| value.is_sensitive()) {
            let Ok(text) = value.to_str() else { continue };
            match text.split_once("Signature=") {
                // The access key id and the scope before the signature are no secrets.
                Some((_, signature)) if *name == AUTHORIZATION => redaction.add(signature),
                _ => {
                    redaction.add(text);
                    // Behind the name of a scheme: `Bearer`, `Basic`.
                    redaction.add(text.split_once(' ').map_or("", |(_, credentials)| credentials));
                }
            }
        }
        redaction
    }

    pub(crate) fn add(&mut self, secret: &str) {
        if secret.len() >= SHORTEST {
            self.secrets.push(Zeroizing::new(secret.to_owned()));
        }
    }

    /// The text without secrets.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let found = self.search(text.as_bytes());
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        let (mut shown, mut rest) = (String::with_capacity(text.len()), 0);
        for Range { start, end } in found {
            shown.push_str(text.get(rest..text.floor_char_boundary(start)).unwrap_or_default());
            shown.push_str(WITHHELD);
            rest = text.ceil_char_boundary(end);
        }
        shown.push_str(text.get(rest..).unwrap_or_default());
        Cow::Owned(shown)
    }

    /// Overwrites the secrets in bytes whose length must not change. Whether there were any.
    pub(crate) fn overwrite(&self, bytes: &mut [u8]) -> bool {
        let found = self.search(bytes);
        for range in &found {
            let Some(secret) = bytes.get_mut(range.clone()) else { continue };
            secret.fill(b'*');
            if let Some((begin, [.., last])) = secret.split_at_mut_checked(OPENING.len()) {
                begin.copy_from_slice(OPENING);
                *last = b']';
            }
        }
        !found.is_empty()
    }

    /// The error without secrets in its texts.
    pub(crate) fn error(&self, error: Error) -> Error {
        error.replacing(&|text| match self.text(text) {
            Cow::Owned(text) => Some(text),
            Cow::Borrowed(_) => None,
        })
    }

    /// Withholds secrets from those headers of a response that are shown to people.
    pub(crate) fn headers(&self, headers: &mut HeaderMap) {
        let is_shown = |name: &HeaderName| *name == CONTENT_TYPE || name.as_str().starts_with("x-amzn-");
        let sieve = Sieve::of(&self.secrets);
        for (_, value) in headers.iter_mut().filter(|(name, _)| is_shown(name)) {
            if !sieve.may_hold(value.as_bytes()) {
                continue;
            }
            let mut bytes = value.as_bytes().to_vec();
            if self.overwrite(&mut bytes)
                && let Ok(shown) = HeaderValue::from_bytes(&bytes)
            {
                *value = shown;
            }
        }
    }

    /// Where secrets are, in order and apart from each other.
    fn search(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::<Range<usize>>::new();
        if text.len() < SHORTEST || self.secrets.is_empty() {
            return found;
        }
        let index = self.index.get_or_init(|| Index::of(&self.secrets));
        let (mut window, mut starts, mut length) = (0, [0; RUN], 0);
        for (byte, range) in characters(text, true) {
            window = window << 8 & mask(RUN) | u128::from(byte);
            starts.rotate_left(1);
            let [.., last] = &mut starts;
            *last = range.start;
            length = RUN.min(length + 1);
            let run = (index.shortest..=length).rev().find(|run| index.has(*run, window));
            let Some(mut start) = run.and_then(|run| starts.get(RUN - run)).copied() else { continue };
            while let Some(last) = found.pop_if(|last| last.end >= start) {
                start = start.min(last.start);
            }
            found.push(start..range.end);
        }
        found
    }
}

/// Tells most texts without a secret from others. Every call looks at headers, and an index of the secrets
/// would be the larger part of what that costs.
struct Sieve {
    /// The hashes of three characters of a secret that follow each other.
    seen: [bool; 1 << 12],
    /// Whether a secret looks escaped, so that its characters may be others.
    passes_all: bool,
}

impl Sieve {
    fn of(secrets: &[Zeroizing<String>]) -> Self {
        let mut sieve = Self { seen: [false; 1 << 12], passes_all: false };
        for secret in secrets {
            let mut hash = 0;
            for byte in secret.bytes() {
                sieve.passes_all |= is_special(byte);
                if !byte.is_ascii_whitespace() {
                    hash = hash_with(hash, byte);
                    if let Some(seen) = sieve.seen.get_mut(hash) {
                        *seen = true;
                    }
                }
            }
        }
        sieve
    }

    /// Whether a secret may be in a text: not wrong where it says no.
    fn may_hold(&self, text: &[u8]) -> bool {
        let (mut hash, mut run) = (0, 0);
        for byte in text.iter().copied() {
            if is_special(byte) || run > SHORTEST - 3 {
                return true;
            }
            if !byte.is_ascii_whitespace() {
                hash = hash_with(hash, byte);
                run = if self.seen.get(hash) == Some(&true) { run + 1 } else { 0 };
            }
        }
        // The first two characters of a secret may have come behind others than in the secret.
        self.passes_all || run > SHORTEST - 3
    }
}

/// Whether a byte may begin an escape, or a white space that is not ASCII's.
fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b'%' | b'&' | 128..)
}

/// The hash of the last three characters, by that of those before.
fn hash_with(before: usize, byte: u8) -> usize {
    (before << 4 ^ usize::from(byte.to_ascii_lowercase())) & 0xfff
}

/// All runs of [`RUN`] characters of the secrets, and the shorter secrets as a whole: a hash table with open
/// addressing, which can be overwritten when it is dropped.
struct Index {
    slots: Zeroizing<Vec<u128>>,
    shortest: usize,
}

impl Index {
    fn of(secrets: &[Zeroizing<String>]) -> Self {
        let most = secrets.iter().map(|secret| secret.len()).sum::<usize>() * 2;
        let slots = Zeroizing::new(vec![0; (most * 2).next_power_of_two()]);
        let mut index = Self { slots, shortest: RUN };
        for secret in secrets {
            // A secret may itself look escaped, and then be quoted as it is or escaped once more.
            let forms = if secret.contains(['\\', '%', '&']) { &[false, true][..] } else { &[false] };
            for unescaped in forms.iter().copied() {
                let (mut window, mut length) = (0, 0);
                for (byte, _) in characters(secret.as_bytes(), unescaped) {
                    window = window << 8 & mask(RUN) | u128::from(byte);
                    length += 1;
                    if length >= RUN {
                        index.insert(RUN, window);
                    }
                }
                if (SHORTEST..RUN).contains(&length) {
                    index.shortest = index.shortest.min(length);
                    index.insert(length, window);
                }
            }
        }
        index
    }

    fn insert(&mut self, run: usize, window: u128) {
        let (key, mut at) = self.place(run, window);
        while let Some(slot) = self.slots.get_mut(at) {
            if *slot == 0 || *slot == key {
                *slot = key;
                return;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    fn has(&self, run: usize, window: u128) -> bool {
        let (key, mut at) = self.place(run, window);
        while let Some(slot) = self.slots.get(at).filter(|slot| **slot != 0) {
            if *slot == key {
                return true;
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
        false
    }

    /// The last characters of a window as a key, which is never 0, and where to look for it.
    fn place(&self, run: usize, window: u128) -> (u128, usize) {
        let key = (window & mask(run)) << 8 | run as u128;
        let hash = (key ^ key >> 61).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        (key, usize::try_from(hash & u128::from(u32::MAX)).unwrap_or_default() & (self.slots.len() - 1))
    }
}

/// The characters that are compared, each with where it stands: without white space, in lower case and, if
/// `unescaped`, with what JSON, HTML and URLs write in their place.
fn characters(text: &[u8], unescaped: bool) -> impl Iterator<Item = (u8, Range<usize>)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(at..).unwrap_or_default();
            let escape = if unescaped { escape(rest) } else { None };
            let (byte, length) = match (escape, rest) {
                (Some(escape), _) => escape,
                // The white space of Unicode, in UTF-8.
                (_, [0xc2, 0x85 | 0xa0, ..]) => (b' ', 2),
                (
                    _,
                    [0xe1, 0x9a, 0x80, ..]
                    | [0xe2, 0x80, 0x80..=0x8b | 0xa8 | 0xa9 | 0xaf, ..]
                    | [0xe2, 0x81, 0x9f, ..]
                    | [0xe3, 0x80, 0x80, ..],
                ) => (b' ', 3),
                (_, [byte, ..]) => (*byte, 1),
                (_, []) => return None,
            };
            let range = at..at + length;
            at = range.end;
            if !byte.is_ascii_whitespace() {
                return Some((byte.to_ascii_lowercase(), range));
            }
        }
    })
}

/// The character that an escape stands for, and the length of the escape. One outside ASCII is 255, which
/// is in no UTF-8.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    let hex = |digits: &[u8]| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    let (code, length) = match text {
        [b'\\', b'n' | b'r' | b't' | b'f' | b'b', ..] => (u32::from(b' '), 2),
        [b'\\', character @ (b'"' | b'\\' | b'/'), ..] => (u32::from(*character), 2),
        [b'\\', b'u', code @ ..] => (hex(code.get(..4)?)?, 6),
        [b'%', code @ ..] => (hex(code.get(..2)?)?, 3),
        [b'&', rest @ ..] => {
            let end = rest.iter().take(LONGEST_ENTITY).position(|byte| *byte == b';')?;
            let name = std::str::from_utf8(rest.get(..end)?).ok()?;
            (u32::from(entity(name)?), end + 2)
        }
        _ => return None,
    };
    Some((u8::try_from(code).unwrap_or(u8::MAX), length))
}

/// The character that `&NAME;` stands for in XML.
pub(crate) fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            char::from_u32(match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            })?
        }
    })
}

/// The bits of a window of so many characters.
const fn mask(run: usize) -> u128 {
    (1 << (8 * run)) - 1
}

/// What stands in the place of a secret.
pub(crate) const WITHHELD: &str = "[withheld]";
/// How it begins where it has to be as long as the secret: `[withheld***]`.
const OPENING: &[u8] = b"[withheld";
/// How many characters of a secret are withheld wherever they are together.
const RUN: usize = 12;
/// A secret that is shorter than [`RUN`] is withheld as a whole. One that is shorter than this is a word that
/// may stand anywhere.
const SHORTEST: usize = 8;
/// The longest name of an XML entity that is read: `#x0000041`.
const LONGEST_ENTITY: usize = 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLETOKEN/abcdefghijklmnopqrstuv+wxyz0123456789AB==";
    const SIGNATURE: &str = "5f3a9c0e1b2d4f68790a5f3a9c0e1b2d4f68790a5f3a9c0e1b2d4f68790a0123";

    fn redaction() -> Redaction {
        let mut headers = HeaderMap::new();
        for (name, value, sensitive) in [
            (
                "authorization",
                &*format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE00000000/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature={SIGNATURE}"
                ),
                true,
            ),
            ("x-amz-security-token", TOKEN, true),
            ("x-key", "Key hush-1234", true),
            ("x-team", "secret", true),
            ("content-type", "application/json", false),
        ] {
            let mut value = HeaderValue::from_str(value).unwrap();
            value.set_sensitive(sensitive);
            headers.insert(name, value);
        }
        Redaction::of(&headers)
    }

    #[test]
    fn secrets_are_withheld_however_they_are_quoted() {
        let redaction = redaction();
        let html = TOKEN.replace('/', "&#x2F;").replace('=', "&#61;");
        for (quoted, shown) in [
            (format!("x-amz-security-token:{TOKEN}\nhost"), "x-amz-security-token:[withheld]\nhost"),
            (format!("token {}.", TOKEN.replace('/', "\\/").replace('=', "\\u003d")), "token [withheld]."),
            (format!("token {html}."), "token [withheld]."),
            (format!("token {}.", TOKEN.replace('/', "%2F").replace('+', "%2b")), "token [withheld]."),
            (format!("Signature={SIGNATURE}"), "Signature=[withheld]"),
            (SIGNATURE.to_uppercase(), "[withheld]"),
            (format!("({}…)", &TOKEN[..12]), "([withheld]…)"),
            (format!("({}…)", &TOKEN[30..42]), "([withheld]…)"),
            (format!("({}…)", &TOKEN[..11]), "(IQoJb3JpZ2l…)"),
            (TOKEN.split_inclusive('e').collect::<Vec<_>>().join("\r\n "), "[withheld]"),
            (TOKEN.split_inclusive('e').collect::<Vec<_>>().join("\\n\u{2003}"), "[withheld]"),
            ("is Hush-1234 right? hush-123".to_owned(), "is [withheld] right? hush-123"),
            (format!("{TOKEN} {SIGNATURE}ß{TOKEN}"), "[withheld] [withheld]ß[withheld]"),
        ] {
            assert_eq!(redaction.text(&quoted), shown, "{quoted}");
            let mut bytes = quoted.clone().into_bytes();
            assert_eq!(redaction.overwrite(&mut bytes), shown != quoted);
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!((text.len(), &redaction.text(&text)), (quoted.len(), &Cow::Borrowed(text.as_str())));
        }
        let harmless = "the secret of application/json for AKIDEXAMPLE00000000 in 20260101/us-east-1/bedrock/aws4_request";
        assert!(matches!(redaction.text(harmless), Cow::Borrowed(text) if text == harmless));
        assert!(!redaction.overwrite(&mut b"\xff\\u00".to_vec()));
    }

    #[test]
    fn a_header_that_may_hold_a_secret_is_told_from_one_that_does_not() {
        let sieve = Sieve::of(&redaction().secrets);
        for text in [
            TOKEN,
            &TOKEN[20..32],
            &format!("x-{}", SIGNATURE.to_uppercase()),
            "I Q o J b 3 J p Z 2 l u",
            "hush-1234",
            "%2F",
        ] {
            assert!(sieve.may_hold(text.as_bytes()), "{text}");
        }
        for text in [
            "0d6f2a6e-2d5b-4f36-a2f4-3b1b7f9a26c1",
            "application/vnd.amazon.eventstream",
            "application/json; charset=utf-8",
        ] {
            assert!(!sieve.may_hold(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_replaces_a_secret_is_of_its_length() {
        let mut redaction = Redaction::default();
        redaction.add("12345678");
        redaction.add("abcdefghijklmno");
        let mut bytes = b"12345678 abcdefghijklmno".to_vec();
        assert!(redaction.overwrite(&mut bytes));
        assert_eq!(std::str::from_utf8(&bytes).unwrap(), "******** [withheld*****]");
    }

    #[test]
    fn a_secret_that_looks_escaped_is_one_all_the_same() {
        let secret = "a%2Fb%2Fc%2Fd%2Fe&amp;f\\n0123456789";
        let mut redaction = Redaction::default();
        redaction.add(secret);
        for quoted in [secret, "a%252Fb%252Fc%252Fd", "a/b/c/d/e&f 0123456789", &secret.replace('\\', "\\\\")]
        {
            assert!(redaction.text(quoted).contains(WITHHELD), "{quoted}");
        }
    }

    proptest! {
        /// Of a text with pieces of a secret in it, every run of 12 is withheld, and nothing else.
        #[test]
        fn runs_of_twelve_are_withheld(
            pieces in prop::collection::vec((0..60_usize, 1..40_usize, " {0,3}|\n\t", "[^ -~]{1,3}"), 0..6)
        ) {
            let secret = "0a1b2c3d4e5f6g7h8i9jAkBlCmDnEoFpGqHrIsJtKuLvMwNxOyPz-+/=_.QqRr";
            let mut redaction = Redaction::default();
            redaction.add(secret);
            let (mut text, mut shown) = (String::new(), String::new());
            for (from, length, space, between) in pieces {
                let piece = &secret[from..secret.len().min(from + length)];
                let (left, right) = piece.split_at(piece.len() / 2);
                let quoted = format!("{left}{space}{right}");
                text.push_str(&quoted);
                shown.push_str(if piece.len() < RUN { &quoted } else { WITHHELD });
                for whole in [&mut text, &mut shown] {
                    whole.push('#');
                    whole.push_str(&between);
                }
            }
            prop_assert!(shown == text || Sieve::of(&redaction.secrets).may_hold(text.as_bytes()));
            prop_assert_eq!(redaction.text(&text), shown);
        }
    }
}
