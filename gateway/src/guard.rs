//! Who may call: keys, hosts, origins.

use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderName, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use pumice::credentials::Credentials;
use pumice::sign::{Scope, sign};

/// A key that opens the gateway.
#[derive(Clone)]
pub struct Key {
    /// What its calls are called in log and metrics.
    name: Option<String>,
    secret: String,
}

impl Key {
    /// A key that log and metrics do not tell from others.
    pub fn new(secret: impl Into<String>) -> Self {
        Self { name: None, secret: secret.into() }
    }

    /// The keys of a file: one a line, or `name:key`. Blank lines and lines that begin with `#` are skipped.
    ///
    /// The error names the line, and shows nothing of it.
    pub fn read(text: &str) -> Result<Vec<Self>, String> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (name, secret) = match line.split_once(':') {
                Some((name, secret)) => (Some(name.trim()), secret.trim()),
                None => (None, line),
            };
            let line = index + 1;
            if secret.is_empty() || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(format!("line {line}: expected a key of visible ASCII without spaces"));
            }
            if name.is_some_and(|name| name.is_empty() || name.contains(|letter: char| letter.is_control())) {
                return Err(format!("line {line}: expected a name before the colon"));
            }
            keys.push(Self { name: name.map(str::to_owned), secret: secret.to_owned() });
        }
        Ok(keys)
    }

    fn is(&self, given: &str) -> bool {
        is_same(self.secret.as_bytes(), given.as_bytes())
    }
}

/// The secret is not shown.
impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The name of the key that opened, if it has one.
pub(crate) type KeyName = Option<String>;

/// What the head of a request says of its key.
pub(crate) enum Admission {
    Open(KeyName),
    /// The request is signed: the body must be read first.
    Signed,
    Closed(&'static str),
}

/// Looks at the head of a request.
pub(crate) fn admit(keys: &[Key], headers: &HeaderMap) -> Admission {
    if keys.is_empty() {
        return Admission::Open(None);
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let authorization = text(AUTHORIZATION.as_str());
    let (scheme, rest) = authorization.and_then(|value| value.split_once(' ')).unwrap_or_default();
    let given = match text("x-api-key") {
        Some(key) => key,
        None if scheme.eq_ignore_ascii_case("bearer") => rest,
        None if scheme == SIGV4 => return Admission::Signed,
        None => return Admission::Closed(NO_KEY),
    };
    // Every key is compared, so that the time says nothing of which one is near.
    let mut found = None;
    for key in keys {
        if key.is(given.trim()) {
            found = Some(key);
        }
    }
    found.map_or(Admission::Closed("the key is not one of this gateway's"), |key| {
        Admission::Open(key.name.clone())
    })
}

/// Checks a signature whose access key id is `pumice` and whose secret is a key.
///
/// The signature is made again over what the caller signed. A date more than 15 minutes off is refused, as AWS does.
pub(crate) fn check_signature(
    keys: &[Key],
    head: &Parts,
    body: &Bytes,
    now: SystemTime,
) -> Result<KeyName, &'static str> {
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let given = text(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix(SIGV4)).ok_or(NO_KEY)?;
    let part = |name: &str| {
        given.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')).ok_or(MALFORMED)
    };
    let (credential, signed, signature) = (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
    let scope = credential.split('/').collect::<Vec<_>>();
    let [id, day, region, service, "aws4_request"] = *scope.as_slice() else { return Err(MALFORMED) };
    if id != ACCESS_KEY_ID {
        return Err("expected the access key id pumice, found another one");
    }
    let date = text("x-amz-date").ok_or(MALFORMED)?;
    let at = read_date(date).filter(|_| date.starts_with(day)).ok_or(MALFORMED)?;
    let apart = now.duration_since(at).unwrap_or_else(|before| before.duration());
    if apart > LONGEST_SKEW {
        return Err("the signature's date is more than 15 minutes from this machine's time");
    }
    let host = text(HOST.as_str()).ok_or(MALFORMED)?;
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let request = http::Request::builder().method(&head.method).uri(format!("http://{host}{path}"));
    let mut request = request.body(body.clone()).map_err(|_| MALFORMED)?;
    for name in signed.split(';') {
        // The signer adds these two by itself.
        if !["host", "x-amz-date"].contains(&name) {
            let value = head.headers.get(name).ok_or(MALFORMED)?;
            let name = HeaderName::try_from(name).map_err(|_| MALFORMED)?;
            request.headers_mut().insert(name, value.clone());
        }
    }
    let mut found = Err("the signature is not that of a key of this gateway");
    for key in keys {
        let credentials = Credentials::keys(ACCESS_KEY_ID, key.secret.as_str(), None);
        let Credentials::Keys(credentials) = credentials else { continue };
        let headers = sign(&request, &credentials, Scope { region, service }, at).map_err(|_| MALFORMED)?;
        let made = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let made = made.rsplit_once("Signature=").map_or("", |(_, signature)| signature);
        if is_same(made.as_bytes(), signature.as_bytes()) {
            found = Ok(key.name.clone());
        }
    }
    found
}

/// Compares in a time that depends on the lengths alone.
fn is_same(expected: &[u8], given: &[u8]) -> bool {
    let mut different = u8::from(expected.len() != given.len());
    for (at, byte) in given.iter().enumerate() {
        let other = expected.get(at % expected.len().max(1)).copied().unwrap_or_default();
        different |= black_box(byte ^ other);
    }
    black_box(different) == 0 && !expected.is_empty()
}

/// The time of `20260102T030405Z`.
fn read_date(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str, from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    if date.len() != 8 || time.len() != 6 {
        return None;
    }
    let (year, month, day) = (number(date, 0, 4)?, number(date, 4, 6)?, number(date, 6, 8)?);
    let (hour, minute, second) = (number(time, 0, 2)?, number(time, 2, 4)?, number(time, 4, 6)?);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970, by years that begin in March.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * years + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 1;
    let seconds = ((days.checked_sub(719_468)? * 24 + hour) * 60 + minute) * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Refuses a `Host` that is foreign: a page of another site whose name was pointed at this machine (DNS rebinding).
/// `local` is the address that the connection was made to; `None` for a Unix socket, which no page reaches.
pub(crate) fn check_host(allowed: &[String], local: Option<IpAddr>, head: &Parts) -> Result<(), String> {
    let Some(local) = local else { return Ok(()) };
    let host = head.headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
    let host = match (host, head.uri.authority()) {
        (Some(host), _) => host,
        (None, Some(authority)) => authority.as_str(),
        (None, None) => return Err("expected a Host header, found none".into()),
    };
    let authority = host.parse::<Authority>().map_err(|_| "expected a host name in Host".to_owned())?;
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let is_own = match name.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address.to_canonical() == local.to_canonical(),
        Err(_) => {
            name.eq_ignore_ascii_case("localhost")
                || name
                    .get(name.len().saturating_sub(10)..)
                    .is_some_and(|end| end.eq_ignore_ascii_case(".localhost"))
        }
    };
    if is_own || allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)) {
        return Ok(());
    }
    Err(format!("the host {name:?} is not this gateway's; --allow-host {name} allows it"))
}

/// Which foreign origin may read the response: `None` if the request is not from a foreign page. A page of an origin
/// that is not allowed is refused.
pub(crate) fn check_origin(allowed: &[String], headers: &HeaderMap) -> Result<Option<String>, String> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(None) };
    let origin = origin.to_str().unwrap_or_default();
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let (_, authority) = origin.split_once("://").unwrap_or_default();
    if host.is_some_and(|host| host.eq_ignore_ascii_case(authority)) {
        return Ok(None);
    }
    if allowed.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
        return Ok(Some(origin.to_owned()));
    }
    Err(format!("the origin {origin:?} is not allowed; --allow-origin {origin} allows it"))
}

/// The access key id with which SDKs sign for a gateway.
const ACCESS_KEY_ID: &str = "pumice";
const SIGV4: &str = "AWS4-HMAC-SHA256";
const NO_KEY: &str = "expected a key in Authorization: Bearer, in x-api-key, or a signature with the access key id \
                      pumice and the key as the secret";
const MALFORMED: &str = "expected an Authorization header of Signature Version 4, with x-amz-date";
const LONGEST_SKEW: Duration = Duration::from_mins(15);

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::post("/model/a%3A0/converse?x=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn keys_are_read_a_line_each_and_faults_show_none() {
        let keys = Key::read("# keys\n\nalpha\nbob: beta \n").unwrap();
        assert_eq!(
            keys.iter().map(|key| (key.name.as_deref(), &*key.secret)).collect::<Vec<_>>(),
            [(None, "alpha"), (Some("bob"), "beta")]
        );
        for text in ["a\nsek ret", "x:", ":secret", "sécret"] {
            let fault = Key::read(text).unwrap_err();
            assert!(fault.starts_with("line ") && !fault.contains("cret"), "{fault}");
        }
        assert!(!format!("{keys:?}").contains("alpha"));
    }

    #[test]
    fn each_header_opens_and_no_other_key_does() {
        let keys = Key::read("alpha\nbob:beta").unwrap();
        for (name, value, opened) in [
            ("authorization", "Bearer alpha", Some(None)),
            ("authorization", "bearer beta", Some(Some("bob"))),
            ("x-api-key", "beta", Some(Some("bob"))),
            ("x-api-key", "bet", None),
            ("x-api-key", "betabeta", None),
            ("x-api-key", "", None),
            ("authorization", "Bearer ", None),
            ("authorization", "Basic alpha", None),
            ("accept", "*/*", None),
        ] {
            let admission = admit(&keys, &head(&[(name, value)]).headers);
            let found = match &admission {
                Admission::Open(name) => Some(name.as_deref()),
                _ => None,
            };
            assert_eq!(found, opened, "{name}: {value}");
        }
        assert!(matches!(admit(&[], &HeaderMap::new()), Admission::Open(None)));
    }

    #[test]
    fn a_signature_with_the_key_opens_and_every_change_closes() {
        let keys = Key::read("alpha\nbob:beta").unwrap();
        let body = Bytes::from_static(b"{}");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        let Credentials::Keys(credentials) = Credentials::keys("pumice", "beta", None) else { panic!() };
        let request = http::Request::post("http://localhost:8790/model/a%3A0/converse?x=1")
            .header("content-type", "application/json")
            .body(body.clone())
            .unwrap();
        let scope = Scope { region: "us-east-1", service: "bedrock" };
        let signed = sign(&request, &credentials, scope, now).unwrap();
        let mut good =
            head(&[("host", "localhost:8790"), ("content-type", "application/json"), ("user-agent", "x")]);
        good.headers.extend(signed);
        assert!(matches!(admit(&keys, &good.headers), Admission::Signed));
        assert_eq!(check_signature(&keys, &good, &body, now), Ok(Some("bob".into())));

        assert!(check_signature(&keys, &good, &Bytes::from_static(b"{ }"), now).is_err());
        assert!(check_signature(&keys, &good, &body, now + Duration::from_mins(16)).is_err());
        assert!(check_signature(keys.get(..1).unwrap(), &good, &body, now).is_err());
        for (name, value) in
            [("host", "evil"), ("content-type", "text/plain"), ("x-amz-date", "20260102T030406Z")]
        {
            let mut other = good.clone();
            other.headers.insert(name, value.parse().unwrap());
            assert!(check_signature(&keys, &other, &body, now).is_err(), "{name}");
        }
        let mut other = good.clone();
        other.uri = "/model/b%3A0/converse?x=1".parse().unwrap();
        assert!(check_signature(&keys, &other, &body, now).is_err());
    }

    #[test]
    fn only_own_hosts_are_served() {
        let local = Some("10.0.0.5".parse().unwrap());
        let allowed = ["gate.example".to_owned()];
        for (host, is_own) in [
            ("localhost:8790", true),
            ("127.0.0.1", true),
            ("[::1]:8790", true),
            ("a.localhost", true),
            ("10.0.0.5:8790", true),
            ("GATE.example:443", true),
            ("10.0.0.6", false),
            ("evil.example", false),
            ("gate.example.evil", false),
            ("localhost.evil", false),
            ("", false),
        ] {
            assert_eq!(check_host(&allowed, local, &head(&[("host", host)])).is_ok(), is_own, "{host}");
        }
        assert!(check_host(&allowed, local, &head(&[])).is_err());
        assert!(check_host(&[], None, &head(&[("host", "anything")])).is_ok());
    }

    #[test]
    fn foreign_pages_are_refused_unless_allowed() {
        let allowed = ["https://app.example".to_owned()];
        let origin =
            |value| check_origin(&allowed, &head(&[("host", "localhost:8790"), ("origin", value)]).headers);
        assert_eq!(origin("http://localhost:8790"), Ok(None));
        assert_eq!(origin("https://app.example"), Ok(Some("https://app.example".into())));
        for foreign in ["http://localhost:3000", "https://evil.example", "null", "https://app.example.evil"] {
            assert!(origin(foreign).is_err(), "{foreign}");
        }
        assert_eq!(check_origin(&allowed, &HeaderMap::new()), Ok(None));
    }

    #[test]
    fn dates_of_signatures_are_read() {
        let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(read_date("20260102T030405Z"), at(1_767_323_045));
        assert_eq!(read_date("20240229T000000Z"), at(1_709_164_800));
        assert_eq!(read_date("19700101T000000Z"), at(0));
        for wrong in ["20260102", "2026-01-02T03:04:05Z", "20261302T030405Z", "20260102T0304Z"] {
            assert_eq!(read_date(wrong), None, "{wrong}");
        }
    }
}
