//! Secrets withheld from what is printed and recorded.
//!
//! Services and gateways quote the request that they refuse: a wrong signature is answered with the text that
//! should have been signed, session token included. Such a quotation may be cut off, in another case, broken
//! into lines or escaped, several times even. So no secret is searched for as a whole: every run of [`RUN`] of its
//! characters is withheld, whatever their case and whatever white space or invisible characters are between them.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
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

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redaction").finish_non_exhaustive()
    }
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

    /// The body of a response, unchanged unless it quotes a secret.
    pub(crate) fn bytes(&self, body: Bytes) -> Bytes {
        let mut bytes = body.to_vec();
        if self.overwrite(&mut bytes) { bytes.into() } else { body }
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
        for depth in 0..=DEPTH {
            let mut characters = Characters::of(text, depth);
            let (mut window, mut starts, mut length) = (0, [0; RUN], 0);
            for (byte, range) in characters.by_ref() {
                window = window << 8 & mask(RUN) | u128::from(byte);
                starts.rotate_left(1);
                let [.., last] = &mut starts;
                *last = range.start;
                length = RUN.min(length + 1);
                let run = (index.shortest..=length).rev().find(|run| index.has(*run, window));
                if let Some(start) = run.and_then(|run| starts.get(RUN - run)) {
                    found.push(*start..range.end);
                }
            }
            if !characters.has_escapes {
                break;
            }
        }
        found.sort_unstable_by_key(|range| range.start);
        let mut apart = Vec::<Range<usize>>::new();
        for range in found {
            match apart.last_mut().filter(|last| last.end >= range.start) {
                Some(last) => last.end = last.end.max(range.end),
                None => apart.push(range),
            }
        }
        apart
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

/// Whether a byte may begin an escape or an invisible character other than ASCII's white space.
fn is_special(byte: u8) -> bool {
    begins_escape(byte) || !byte.is_ascii_graphic() && !byte.is_ascii_whitespace()
}

fn begins_escape(byte: u8) -> bool {
    matches!(byte, b'\\' | b'%' | b'&')
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
        let most = secrets.iter().map(|secret| secret.len()).sum::<usize>() * (DEPTH + 1);
        let slots = Zeroizing::new(vec![0; (most * 2).next_power_of_two()]);
        let mut index = Self { slots, shortest: RUN };
        for secret in secrets {
            // A secret that itself looks escaped is quoted as it is, or with its escapes resolved.
            let depths = if secret.bytes().any(begins_escape) { DEPTH } else { 0 };
            for depth in 0..=depths {
                let (mut window, mut length) = (0, 0);
                for (byte, _) in Characters::of(secret.as_bytes(), depth) {
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

/// The characters that are compared, each with where it stands: visible ones only, in lower case, with what JSON,
/// HTML and URLs write in their place resolved `depth` times. The cost is linear for each depth.
struct Characters<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    /// Whether an escape was resolved at the last depth.
    has_escapes: bool,
    /// For each depth, the characters of the depth below that were read to look for an escape.
    ahead: [VecDeque<(u8, Range<usize>)>; DEPTH + 1],
}

impl<'a> Characters<'a> {
    fn of(text: &'a [u8], depth: usize) -> Self {
        // At depth 0 none is resolved; one that may be there is looked for at depth 1.
        let has_escapes = depth == 0 && text.iter().copied().any(begins_escape);
        Self { text, at: 0, depth, has_escapes, ahead: Default::default() }
    }

    /// Reads the next byte at a depth.
    fn read(&mut self, depth: usize) -> Option<(u8, Range<usize>)> {
        let Some(below) = depth.checked_sub(1) else {
            let byte = *self.text.get(self.at)?;
            self.at += 1;
            return Some((byte, self.at - 1..self.at));
        };
        let (first, range) = self.pop(below)?;
        if !begins_escape(first) {
            return Some((first, range));
        }
        let mut bytes = [first; LONGEST_ESCAPE];
        let mut length = 1;
        while let Some(byte) = bytes.get_mut(length)
            && let Some(next) = self.peek(below, length - 1)
        {
            *byte = next;
            length += 1;
        }
        let Some((byte, length)) = bytes.get(..length).and_then(escape) else { return Some((first, range)) };
        self.has_escapes |= depth == self.depth;
        let mut end = range.end;
        for _ in 1..length {
            end = self.pop(below)?.1.end;
        }
        Some((byte, range.start..end))
    }

    fn peek(&mut self, depth: usize, at: usize) -> Option<u8> {
        while self.ahead.get(depth)?.len() <= at {
            let next = self.read(depth)?;
            self.ahead.get_mut(depth)?.push_back(next);
        }
        self.ahead.get(depth)?.get(at).map(|(byte, _)| *byte)
    }

    fn pop(&mut self, depth: usize) -> Option<(u8, Range<usize>)> {
        self.ahead.get_mut(depth)?.pop_front().or_else(|| self.read(depth))
    }
}

impl Iterator for Characters<'_> {
    type Item = (u8, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (byte, range) = self.pop(self.depth)?;
            if byte.is_ascii_graphic() {
                return Some((byte.to_ascii_lowercase(), range));
            }
            if byte.is_ascii() {
                continue;
            }
            let following = [0, 1, 2].map(|at| self.peek(self.depth, at).unwrap_or_default());
            let Some(more) = invisible(byte, following) else { return Some((byte, range)) };
            for _ in 0..more {
                self.pop(self.depth);
            }
        }
    }
}

/// Whether a character outside ASCII is white space or cannot be seen, and how many bytes of it follow the first.
fn invisible(first: u8, following: [u8; 3]) -> Option<usize> {
    match (first, following) {
        // Next line, no-break space, soft hyphen, combining grapheme joiner, Arabic letter mark.
        (0xc2, [0x85 | 0xa0 | 0xad, ..]) | (0xcd, [0x8f, ..]) | (0xd8, [0x9c, ..]) => Some(1),
        // Ogham space, Mongolian separators, spaces and marks of direction, line separators, joiners and
        // invisible operators, ideographic space, variation selectors, byte order mark.
        (0xe1, [0x9a, 0x80, _] | [0xa0, 0x8b..=0x8f, _])
        | (0xe2, [0x80, 0x80..=0x8f | 0xa8..=0xaf, _] | [0x81, 0x9f..=0xaf, _])
        | (0xe3, [0x80, 0x80, _])
        | (0xef, [0xb8, 0x80..=0x8f, _] | [0xbb, 0xbf, _]) => Some(2),
        // Tags and further variation selectors.
        (0xf3, [0xa0, ..]) => Some(3),
        _ => None,
    }
}

/// The character that an escape stands for, and the length of the escape. One outside ASCII is a space if it
/// cannot be seen or is half of a surrogate pair, else 255, which is in no UTF-8.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    let hex = |digits: &[u8]| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    let (code, length) = match text {
        [b'\\', b'n' | b'r' | b't' | b'f' | b'b', ..] => (u32::from(b' '), 2),
        [b'\\', character @ (b'"' | b'\\' | b'/'), ..] => (u32::from(*character), 2),
        [b'\\', b'u', code @ ..] => (hex(code.get(..4)?)?, 6),
        // A byte: of UTF-8, where it is not ASCII.
        [b'%', code @ ..] => return Some((u8::try_from(hex(code.get(..2)?)?).ok()?, 3)),
        [b'&', rest @ ..] => {
            let end = rest.iter().take(LONGEST_ENTITY).position(|byte| *byte == b';')?;
            let name = std::str::from_utf8(rest.get(..end)?).ok()?;
            (u32::from(entity(name)?), end + 2)
        }
        _ => return None,
    };
    let byte = match char::from_u32(code) {
        Some(character) if character.is_ascii() => u8::try_from(code).unwrap_or_default(),
        Some(character) => {
            let mut utf8 = [0; 4];
            character.encode_utf8(&mut utf8);
            let [first, following @ ..] = utf8;
            if invisible(first, following).is_some() { b' ' } else { u8::MAX }
        }
        None => b' ',
    };
    Some((byte, length))
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
/// The longest escape, in bytes: an entity with its `&` and `;`.
const LONGEST_ESCAPE: usize = LONGEST_ENTITY + 2;
/// How many times escaped a secret is still found: JSON in JSON in HTML in JSON.
const DEPTH: usize = 4;

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
    fn headers_that_may_hold_a_secret_are_recognised() {
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
    fn a_replaced_secret_keeps_its_length() {
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

    #[test]
    fn a_secret_is_withheld_however_often_it_is_escaped() {
        let redaction = redaction();
        let json = |text: &str| serde_json::to_string(text).unwrap();
        let unicode =
            |text: &str| text.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<Vec<_>>().concat();
        let percent =
            |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let between = |by: &str| TOKEN.chars().map(|c| format!("{c}{by}")).collect::<Vec<_>>().concat();
        for quoted in [
            json(&json(&unicode(TOKEN))),
            json(&json(&json(&TOKEN.replace('/', "\\/")))),
            json(&percent(&unicode(&TOKEN[..20]))),
            unicode(&unicode(&TOKEN[..14])),
            TOKEN.replace('/', "&amp;amp;#x2F;"),
            between("\u{200b}"),
            between("\u{feff}\u{e0041}\u{ad}"),
            between("\\u200b"),
            between("\\ud83d\\udc4d"),
            between("%E2%80%8B"),
            between("&#8203;"),
            between("\u{1}"),
            json(&json(&between("\u{1}"))),
        ] {
            let shown = redaction.text(&quoted);
            assert!(shown.starts_with(['[', '"', '\\']) && shown.len() < 40, "{quoted}: {shown}");
            let mut bytes = quoted.clone().into_bytes();
            assert!(redaction.overwrite(&mut bytes) && bytes.len() == quoted.len());
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(redaction.text(&text), text);
            assert!(Sieve::of(&redaction.secrets).may_hold(quoted.as_bytes()));
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
