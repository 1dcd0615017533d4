//! JSON that is kept as it is.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::{Error, ErrorKind, Result};

/// Any JSON, kept as the text in which it arrived: integers of any size, the order of members, nulls and spacing are
/// preserved. The API calls such a member a *document*: the input of a tool, a schema, additional fields.
///
/// Two documents are equal when their texts are.
///
/// ```
/// use pumice_codec::shape::Document;
///
/// let input = Document::parse(r#"{"id": 12345678901234567890123, "note": null}"#)?;
/// assert_eq!(input.text(), r#"{"id": 12345678901234567890123, "note": null}"#);
///
/// type Input = std::collections::BTreeMap<String, Option<f64>>;
/// assert!(input.read::<Input>()?["note"].is_none());
/// # Ok::<(), pumice_codec::Error>(())
/// ```
#[derive(Clone)]
pub struct Document(Box<RawValue>);

impl Document {
    /// Reads a document. Fails if the text is not one JSON value.
    pub fn parse(text: impl Into<String>) -> Result<Self> {
        RawValue::from_string(text.into()).map(Self).map_err(|source| {
            Error::new(ErrorKind::InvalidInput, "expected a document of valid JSON").with_source(source)
        })
    }

    /// Serializes a value.
    pub fn write(value: &(impl Serialize + ?Sized)) -> Result<Self> {
        serde_json::value::to_raw_value(value).map(Self).map_err(|source| {
            Error::new(ErrorKind::InvalidInput, "expected a value that can be written as JSON")
                .with_source(source)
        })
    }

    /// Reads the document as any type.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(self.text()).map_err(|source| {
            Error::new(
                ErrorKind::InvalidInput,
                format!("expected a document of the type {}, found another", core::any::type_name::<T>()),
            )
            .with_source(source)
        })
    }

    pub(super) fn null() -> Self {
        Self(RawValue::NULL.to_owned())
    }

    /// The text of the document: valid JSON.
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl Default for Document {
    /// The empty object.
    fn default() -> Self {
        Self::from(serde_json::Value::Object(serde_json::Map::new()))
    }
}

impl From<serde_json::Value> for Document {
    fn from(value: serde_json::Value) -> Self {
        // A `Value` is always written as valid JSON.
        Self(RawValue::from_string(value.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self)
    }
}
