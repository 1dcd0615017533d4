//! Times, not interpreted.

use alloc::borrow::ToOwned;
use alloc::string::String;
use core::fmt;

use serde_json::Value;

use super::read::{Failed, Null, Shape, Source};
use super::write::Written;

/// A time as the service wrote it, not interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timestamp {
    /// ISO 8601 in whole seconds or with up to nine fractional digits, in UTC as `Z` or as an offset:
    /// `2026-07-13T14:00:42.680622107Z`, `2024-09-30T00:00:00+00:00`. What the control plane sends.
    Text(String),
    /// Seconds since 1970, possibly with a fraction: what the protocol allows a service to send instead.
    Seconds(serde_json::Number),
}

impl From<&str> for Timestamp {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Seconds(seconds) => seconds.fmt(f),
        }
    }
}

impl Shape for Timestamp {
    fn blank() -> Self {
        Self::Text(String::new())
    }

    fn read(&mut self, source: &mut dyn Source, null: Null) -> Result<bool, Failed> {
        let mut value = Value::Null;
        if !value.read(source, null)? {
            return Ok(false);
        }
        *self = match value {
            Value::String(text) => Self::Text(text),
            Value::Number(seconds) => Self::Seconds(seconds),
            _ => return Err(source.fail(&"expected a timestamp: ISO 8601, or seconds since 1970")),
        };
        Ok(true)
    }

    fn content(&self) -> Written<'_> {
        match self {
            Self::Text(text) => Written::Text(text),
            Self::Seconds(seconds) => Written::Number(seconds),
        }
    }
}

crate::serde! { Timestamp }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_kept_unchanged() {
        for json in [r#""2026-07-13T14:00:42.680622107Z""#, "1767323045", "1767323045.5"] {
            let timestamp = serde_json::from_str::<Timestamp>(json).unwrap();
            assert_eq!(serde_json::to_string(&timestamp).unwrap(), json);
            assert_eq!(timestamp.to_string(), json.trim_matches('"'));
        }
        assert!(serde_json::from_str::<Timestamp>("[]").is_err());
    }
}
