//! What authorises a request, taken out of what is said of it.
//!
//! Some services quote the request that they refuse, its headers included: a wrong signature is answered
//! with the text that should have been signed, in which the session token stands, and a header that cannot
//! be read with the header.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, HeaderMap};
use zeroize::Zeroizing;

/// The secrets that a request carries, the longer ones first: of what lies within another, the longer is looked
/// for first.
pub(crate) struct Redaction(Vec<Zeroizing<String>>);

impl Redaction {
    /// What the sensitive headers of a request hold: tokens and signatures.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let sensitive = headers.iter().filter(|(_, value)| value.is_sensitive());
        let texts = sensitive.filter_map(|(name, value)| {
            let text = value.to_str().ok()?;
            // Of what names the access key and the scope, there is nothing to hide.
            let secret = match text.split_once("Signature=") {
                Some((_, signature)) if *name == AUTHORIZATION => signature,
                _ => text.strip_prefix("Bearer ").unwrap_or(text),
            };
            Some(secret.trim())
        });
        Self::of_texts(texts)
    }

    /// With what a body that is sent to a service for credentials holds: tokens, which are the only long
    /// words in it.
    pub(crate) fn and_body(mut self, body: &[u8]) -> Self {
        let runs =
            body.split(|byte| !byte.is_ascii_alphanumeric()).filter(|run| run.len() >= SHORTEST_BODY_RUN);
        let runs = runs.filter_map(|run| std::str::from_utf8(run).ok());
        runs.for_each(|run| self.add(run));
        self
    }

    fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut redaction = Self(Vec::new());
        for text in texts {
            // A quotation may be escaped in one way or another, and then it is in the signs between the
            // letters and digits.
            let runs =
                text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|run| run.len() >= SHORTEST_RUN);
            let whole = (text.len() >= SHORTEST).then_some(text);
            whole.into_iter().chain(runs).for_each(|secret| redaction.add(secret));
        }
        redaction
    }

    fn add(&mut self, secret: &str) {
        let at = self.0.partition_point(|longer| longer.len() >= secret.len());
        self.0.insert(at, Zeroizing::new(secret.to_owned()));
    }

    /// The text without the secrets.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.0.iter().filter(|secret| !secret.is_empty()).fold(Cow::Borrowed(text), |text, secret| {
            if text.contains(secret.as_str()) {
                Cow::Owned(text.replace(secret.as_str(), WITHHELD))
            } else {
                text
            }
        })
    }

    /// The body of a refusal without the secrets: before it is read, for what is cut off in the middle of a
    /// secret is not found any more.
    pub(crate) fn body<'a>(&self, body: &'a [u8]) -> Cow<'a, [u8]> {
        let text = String::from_utf8_lossy(body);
        match self.text(&text) {
            Cow::Borrowed(_) => Cow::Borrowed(body),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        }
    }
}

/// What stands in the place of a secret.
const WITHHELD: &str = "[withheld]";
/// What is shorter, in bytes, is a word that may stand anywhere.
const SHORTEST: usize = 8;
/// As long as only a part of a secret's is.
const SHORTEST_RUN: usize = 16;
/// Longer than the names of actions and parameters.
const SHORTEST_BODY_RUN: usize = 32;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn secrets_are_taken_out_however_they_are_quoted() {
        let token = "IQoJb3JpZ2luX2VjEXAMPLETOKEN/abcdefghijklmnopqrstuv+wxyz0123456789AB==";
        let signature = "5f3a9c0e5f3a9c0e5f3a9c0e5f3a9c0e5f3a9c0e5f3a9c0e5f3a9c0e5f3a9c0e";
        let mut headers = HeaderMap::new();
        for (name, value, sensitive) in [
            (
                "authorization",
                &*format!(
                    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE00000000/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature={signature}"
                ),
                true,
            ),
            ("x-amz-security-token", token, true),
            ("x-team", "secret", true),
            ("content-type", "application/json", false),
        ] {
            let mut value = HeaderValue::from_str(value).unwrap();
            value.set_sensitive(sensitive);
            headers.insert(name, value);
        }
        let redaction = Redaction::of(&headers);
        for quoted in [
            format!("x-amz-security-token:{token}\nhost;x-amz-security-token"),
            format!("token {}", token.replace('/', "\\/").replace('=', "&#61;")),
            format!("Signature={signature}"),
        ] {
            let text = redaction.text(&quoted);
            assert!(text.contains(WITHHELD), "{text}");
            assert_eq!(redaction.body(quoted.as_bytes()), text.as_bytes());
            for secret in ["IQoJb3JpZ2luX2Vj", "abcdefghijklmnop", "5f3a9c0e5f3a9c0e"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
        let harmless = "the secret of application/json for AKIDEXAMPLE00000000";
        assert_eq!(redaction.text(harmless), harmless);
        assert!(matches!(redaction.body(b"\xff"), Cow::Borrowed(b"\xff")));
    }
}
