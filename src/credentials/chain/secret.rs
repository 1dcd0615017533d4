//! Secrets in text and in JSON: overwritten when they are dropped, and never shown.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials as Keys;
use ring::digest::{Algorithm, digest};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::context::Context;
use crate::date::{from_seconds, read_time};
use crate::sign::hex;
use crate::{Error, ErrorKind, Result};
use pumice_codec::internal::from_json;

/// A secret text. Redacted in `Debug`.
#[derive(Clone)]
pub(super) struct Secret(Zeroizing<String>);

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, to send it or to store it.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Access keys, permanent or temporary.
pub(super) fn keys(
    (id, secret, token): (&str, &str, Option<&str>),
    account: Option<&str>,
    expires: Option<SystemTime>,
) -> Keys {
    let mut keys = Keys::builder().access_key_id(id).secret_access_key(secret).provider_name("pumice");
    keys.set_session_token(token.map(str::to_owned));
    keys.set_expiry(expires);
    if let Some(account) = account {
        keys = keys.account_id(account);
    }
    keys.build()
}

/// The members of a JSON object. The values borrow from the text.
pub(super) struct Fields<'a> {
    /// What the object is, for messages.
    what: &'a str,
    members: BTreeMap<String, &'a RawValue>,
}

impl<'a> Fields<'a> {
    /// Reads an object. The error quotes nothing.
    pub(super) fn read(what: &'a str, text: &'a [u8]) -> Result<Self> {
        match from_json(text) {
            Ok(members) => Ok(Self { what, members }),
            Err(fault) => Err(Error::new(
                ErrorKind::Damaged,
                format!(
                    "{what}: expected a JSON object, found none (line {}, column {})",
                    fault.line(),
                    fault.column()
                ),
            )),
        }
    }

    /// A string member that is not blank.
    pub(super) fn string(&self, name: &str) -> Option<Secret> {
        let text = Secret::new(serde_json::from_str::<String>(self.members.get(name)?.get()).ok()?);
        (!text.text().trim().is_empty()).then_some(text)
    }

    /// A string member that is required.
    pub(super) fn required(&self, name: &str) -> Result<Secret> {
        self.string(name).ok_or_else(|| self.expected(name, "a string"))
    }

    /// A required duration in seconds, at most a year.
    pub(super) fn seconds(&self, name: &str) -> Result<Duration> {
        let seconds = self.integer(name).and_then(|seconds| u64::try_from(seconds).ok());
        let seconds = seconds.ok_or_else(|| self.expected(name, "a number of seconds"))?;
        Ok(Duration::from_secs(seconds).min(YEAR))
    }

    /// A required time in milliseconds since 1970, truncated to seconds.
    pub(super) fn milliseconds(&self, name: &str) -> Result<SystemTime> {
        let time = self.integer(name).and_then(|time| from_seconds(time / 1000));
        time.ok_or_else(|| self.expected(name, "a time in milliseconds"))
    }

    /// An integer.
    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        serde_json::from_str(self.members.get(name)?.get()).ok()
    }

    /// An optional time, as text or number; anything else is an error, and never no end.
    pub(super) fn time(&self, name: &str) -> Result<Option<SystemTime>> {
        let Some(raw) = self.members.get(name).map(|raw| raw.get()) else { return Ok(None) };
        let text = if raw.starts_with('"') { self.string(name) } else { Some(Secret::new(raw)) };
        match text {
            None => Ok(None),
            Some(text) if text.text() == "null" => Ok(None),
            Some(text) => read_time(text.text())
                .map(Some)
                .ok_or_else(|| self.expected(name, "a time such as 2030-01-02T03:04:05Z")),
        }
    }

    /// A required object.
    pub(super) fn object(&self, name: &str) -> Result<Self> {
        let members = self.members.get(name).and_then(|raw| serde_json::from_str(raw.get()).ok());
        let members = members.ok_or_else(|| self.expected(name, "an object"))?;
        Ok(Self { what: self.what, members })
    }

    /// The keys in these members: id, secret, session token. The last is optional.
    pub(super) fn keys(
        &self,
        [id, secret, token]: [&str; 3],
        account: Option<&str>,
        expires: Option<SystemTime>,
    ) -> Result<Keys> {
        let (id, secret, token) = (self.required(id)?, self.required(secret)?, self.string(token));
        Ok(keys((id.text(), secret.text(), token.as_ref().map(Secret::text)), account, expires))
    }

    /// The object with these members, as JSON, added or replaced.
    pub(super) fn with(&self, changed: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
        let kept = self.members.iter().map(|(name, raw)| (name.as_str(), raw.get()));
        let kept = kept.filter(|(name, _)| !changed.iter().any(|(new, _)| new == name));
        let members = kept.chain(changed.iter().copied()).collect::<Vec<_>>();
        // Full capacity from the start: growing would leave copies of secrets in memory.
        let length = members.iter().map(|(name, json)| name.len() * 6 + json.len() + 6).sum::<usize>();
        let mut text = Zeroizing::new(Vec::with_capacity(length + 2));
        for (index, (name, json)) in members.into_iter().enumerate() {
            text.extend_from_slice(if index == 0 { b"{" } else { b", " });
            text.extend_from_slice(serde_json::Value::from(name).to_string().as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(json.as_bytes());
        }
        text.push(b'}');
        text
    }

    /// The error of a member that is missing or of another type.
    pub(super) fn expected(&self, name: &str, expected: &str) -> Error {
        Error::new(ErrorKind::Damaged, format!("{}: {name}: expected {expected}, found none", self.what))
    }
}

/// The content of a file with secrets, or why it cannot be read.
pub(super) fn in_file(context: &Context, path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    match context.read_file(path) {
        Ok(Some(bytes)) => Ok(Zeroizing::new(bytes)),
        Ok(None) => Err("there is no such file".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// The name of a cache file: a hash of its key.
pub(super) fn hashed_name(algorithm: &'static Algorithm, key: &str) -> String {
    hex(digest(algorithm, key.as_bytes())) + ".json"
}

const YEAR: Duration = Duration::from_hours(365 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_changed_and_the_rest_of_it_kept() {
        let text = br#"{"a": {"deep": [1, null]}, "b": "old", "t\"": 1e400}"#;
        let fields = Fields::read("x", text).unwrap();
        let changed = fields.with(&[("b", "\"new\""), ("c", "3")]);
        assert_eq!(
            std::str::from_utf8(&changed).unwrap(),
            r#"{"a": {"deep": [1, null]}, "t\"": 1e400, "b": "new", "c": 3}"#
        );
        assert_eq!(
            std::str::from_utf8(&Fields::read("x", b"{}").unwrap().with(&[("a", "1")])).unwrap(),
            r#"{"a": 1}"#
        );
    }

    #[test]
    fn nothing_of_a_secret_is_shown() {
        assert_eq!(format!("{:?}", Secret::new("sekret")), "Secret");
        for text in ["sekret", r#""sekret""#, r#"{"a": sekret}"#] {
            let Err(error) = Fields::read("the file", text.as_bytes()) else { panic!("{text}") };
            assert!(!format!("{error:?}").contains("sekret"), "{error:?}");
        }
        let fields =
            Fields::read("the file", br#"{"a": {"b": "sekret"}, "t": "sekret", "blank": " "}"#).unwrap();
        for error in [
            fields.required("a").unwrap_err(),
            fields.time("t").unwrap_err(),
            fields.required("blank").unwrap_err(),
            fields.object("t").err().unwrap(),
        ] {
            assert!(!format!("{error:?}").contains("sekret"), "{error:?}");
        }
    }

    #[test]
    fn times_are_read() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_893_553_445);
        let text = br#"{"s": 60, "ms": 1893553445678, "long": 9223372036854775807, "minus": -1}"#;
        let fields = Fields::read("x", text).unwrap();
        assert_eq!(fields.seconds("s").unwrap(), Duration::from_mins(1));
        assert_eq!(fields.seconds("long").unwrap(), YEAR);
        assert_eq!(fields.milliseconds("ms").unwrap(), at);
        fields.seconds("minus").unwrap_err();
        fields.milliseconds("long").unwrap_err();
    }
}
