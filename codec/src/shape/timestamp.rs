//! Times, not interpreted.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

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

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Seconds(seconds) => seconds.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self::Text(text)),
            serde_json::Value::Number(seconds) => Ok(Self::Seconds(seconds)),
            _ => Err(de::Error::custom("expected a timestamp: ISO 8601, or seconds since 1970")),
        }
    }
}

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
