//! URLs: a base that paths are put under, and the encoding of labels.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{Error, ErrorKind, Result};

/// An `http` or `https` URL that paths are put under.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    /// Without a slash at its end.
    pub(crate) text: String,
    /// What people read, where that is another text.
    pub(crate) shown: Option<String>,
    pub(crate) https: bool,
    pub(crate) loopback: bool,
}

impl BaseUrl {
    /// Reads a URL. The error says what was expected and shows nothing of the URL, which may hold a
    /// secret.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) =
            text.trim().split_once("://").ok_or("a URL that begins with http:// or https://")?;
        let https = scheme.eq_ignore_ascii_case("https");
        if !https && !scheme.eq_ignore_ascii_case("http") {
            return Err("a URL that begins with http:// or https://");
        }
        if rest.bytes().any(|byte| matches!(byte, b'?' | b'#')) {
            return Err("a URL without query and fragment");
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("a URL without user name and password");
        }
        let (host, port) = match authority.strip_prefix('[').and_then(|host| host.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or(HOST)?)),
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let loopback = if authority.starts_with('[') {
            host.parse::<Ipv6Addr>().map_err(|_| HOST)?;
            is_loopback(host)
        } else {
            let in_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            if host.is_empty() || !host.bytes().all(in_host) {
                return Err(HOST);
            }
            is_loopback(host)
        };
        if port.is_some_and(|port| !is_port(port)) {
            return Err("a port from 1 to 65535");
        }
        if !is_path(path) {
            return Err("a path of ASCII letters, digits, %XX and -._~!$&'()*+,;=:@/ without . and ..");
        }
        let scheme = if https { "https" } else { "http" };
        let text = format!("{scheme}://{authority}{}", path.trim_end_matches('/'));
        Ok(Self { text, shown: None, https, loopback })
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> &str {
        let authority = self.text.find("://").map_or(0, |at| at + 3);
        let path = self.text.get(authority..).and_then(|rest| rest.find('/'));
        path.and_then(|path| self.text.get(..authority + path)).unwrap_or(&self.text)
    }

    pub(crate) fn may_carry_secrets(&self) -> bool {
        self.https || self.loopback
    }

    /// See [`Endpoint::call_url`](crate::endpoint::Endpoint::call_url).
    pub(crate) fn join(&self, path: &str, query: &[(&str, &str)]) -> Result<String> {
        if path.split('/').any(is_step) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("expected names other than \".\" and \"..\" in the path, found {path:?}"),
            ));
        }
        let mut url = format!("{}{path}", self.text);
        for (index, (name, value)) in query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            encode(&mut url, name);
            url.push('=');
            encode(&mut url, value);
        }
        Ok(url)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.as_deref().unwrap_or(&self.text).fmt(f)
    }
}

/// A label of a path: every byte percent-encoded but letters, digits and `-._~`.
///
/// Source: [Smithy's HTTP bindings](https://smithy.io/2.0/spec/http-bindings.html#httplabel-serialization-rules).
pub(crate) fn encode_label(label: &str) -> String {
    let mut encoded = String::with_capacity(label.len());
    encode(&mut encoded, label);
    encoded
}

/// The path of an object in S3: each label [encoded](encode_label), and the slashes between them.
#[cfg(feature = "bulk")]
pub(crate) fn encode_key(key: &str) -> String {
    key.split('/').map(encode_label).collect::<Vec<_>>().join("/")
}

fn encode(url: &mut String, text: &str) {
    const OTHERS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    url.extend(utf8_percent_encode(text, OTHERS));
}

/// The label that was [encoded](encode_label) so, or `None` if it was not UTF-8.
pub(crate) fn decode_label(encoded: &str) -> Option<String> {
    percent_encoding::percent_decode_str(encoded).decode_utf8().ok().map(Into::into)
}

/// Whether a host is this machine: `localhost` or one of its own addresses. Brackets may be around it.
pub(crate) fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn is_port(text: &str) -> bool {
    is_digits(text) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_path(text: &str) -> bool {
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let fits = match byte {
            b'%' => {
                let mut hex = || rest.next().is_some_and(|byte| byte.is_ascii_hexdigit());
                hex() && hex()
            }
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte),
        };
        if !fits {
            return false;
        }
    }
    !text.split('/').any(is_step)
}

/// Whether a URL's reader takes the label for a step on the way: to stay, or to go back.
fn is_step(label: &str) -> bool {
    label.starts_with(['.', '%'])
        && matches!(label.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

/// A URL for `Debug`: scheme, host and port alone, since a secret may be in the rest.
pub(crate) struct Origin<'a>(pub(crate) &'a str);

impl fmt::Debug for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match BaseUrl::parse(self.0) {
            Ok(url) => url.origin().fmt(f),
            Err(expected) => write!(f, "(expected {expected})"),
        }
    }
}

pub(crate) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

const HOST: &str =
    "a host: a name of letters, digits and -._, an IPv4 address, or an IPv6 address in brackets";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_label_keeps_unreserved_bytes_alone() {
        for (label, encoded) in [
            ("anthropic.claude-3-5-sonnet-20241022-v2:0", "anthropic.claude-3-5-sonnet-20241022-v2%3A0"),
            (
                "arn:aws:bedrock:us-east-1:1:application-inference-profile/a1",
                "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fa1",
            ),
            ("AZaz09-._~", "AZaz09-._~"),
            ("a b+c%20", "a%20b%2Bc%2520"),
            ("\u{e9}\u{1f600}", "%C3%A9%F0%9F%98%80"),
            ("!*'()@&=$,;?#[]\0\n", "%21%2A%27%28%29%40%26%3D%24%2C%3B%3F%23%5B%5D%00%0A"),
            ("", ""),
        ] {
            assert_eq!(encode_label(label), encoded);
        }
    }

    #[test]
    fn a_call_is_put_under_the_base() {
        for (base, path, query, url) in [
            ("https://h.example", "/foundation-models", &[][..], "https://h.example/foundation-models"),
            ("https://h.example/", "/a", &[], "https://h.example/a"),
            ("https://h.example/p", "/a", &[], "https://h.example/p/a"),
            ("http://localhost:8080/p/q//", "/a", &[], "http://localhost:8080/p/q/a"),
            (
                "https://h.example",
                "/inference-profiles",
                &[("maxResults", "10"), ("nextToken", "a+b/c= d")],
                "https://h.example/inference-profiles?maxResults=10&nextToken=a%2Bb%2Fc%3D%20d",
            ),
        ] {
            assert_eq!(BaseUrl::parse(base).unwrap().join(path, query).unwrap(), url);
        }
    }

    #[test]
    fn a_call_cannot_climb_out_of_its_path() {
        let base = BaseUrl::parse("https://h.example").unwrap();
        for label in [".", "..", "%2e.", "%2E%2e"] {
            let error = base.join(&format!("/model/{label}/converse"), &[]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{label}");
        }
        for label in ["...", ".a", "a..b", "%252e"] {
            base.join(&format!("/model/{label}/converse"), &[]).unwrap();
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_can_be_decoded(label in any::<String>()) {
            let encoded = encode_label(&label);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
            prop_assert_eq!(decode_label(&encoded), Some(label));
        }

        #[test]
        fn a_url_is_taken_as_others_take_it(text in "(https?|HTTP|ftp)://[a-z0-9.:@\\[\\]%-]{0,12}(/[a-z.%/?#-]{0,8})?") {
            if let Ok(base) = BaseUrl::parse(&text) {
                let uri = base.text.parse::<http::Uri>().unwrap();
                let (_, rest) = base.text.split_once("://").unwrap();
                prop_assert!(rest.starts_with(uri.authority().unwrap().as_str()));
                prop_assert_eq!(uri.query(), None);
                prop_assert_eq!(base.https, uri.scheme_str() == Some("https"));
            }
        }
    }
}
