//! The kinds of shape that the API's types consist of: structures, unions, enumerations, blobs, timestamps and
//! documents.
//!
//! Every type keeps what it does not know and writes it back: a structure its unknown members, a union its unknown
//! variants, an enumeration its unknown values. A member that is `null` counts as absent.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, PAD};
use bytes::Bytes;
use serde::de::{self, Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
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
                format!("expected a document of the type {}, found another", std::any::type_name::<T>()),
            )
            .with_source(source)
        })
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

/// Bytes, which the API writes in JSON as padded base64. White space in base64 is ignored.
///
/// `Debug` shows only the length.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Blob(pub Bytes);

impl Blob {
    /// Decodes base64.
    pub fn from_base64(text: &str) -> Result<Self> {
        let spaced = text.bytes().any(|byte| byte.is_ascii_whitespace());
        let text = if spaced {
            Cow::Owned(text.split_ascii_whitespace().collect::<String>())
        } else {
            Cow::Borrowed(text)
        };
        BASE64.decode(&*text).map(|bytes| Self(bytes.into())).map_err(|source| {
            Error::new(ErrorKind::InvalidInput, "expected bytes in padded base64").with_source(source)
        })
    }

    /// The bytes in padded base64.
    pub fn to_base64(&self) -> String {
        BASE64.encode(&self.0)
    }
}

impl<T: Into<Bytes>> From<T> for Blob {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        Self::from_base64(&text.0).map_err(|error| match std::error::Error::source(&error) {
            Some(source) => de::Error::custom(format_args!("{error}: {source}")),
            None => de::Error::custom(error),
        })
    }
}

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

/// Members of an object that its type does not know, in the order in which they arrived.
#[derive(Clone, PartialEq, Default)]
#[allow(clippy::box_collection, reason = "every structure has this, and hardly one has anything in it")]
pub struct Members(Option<Box<Vec<(String, Document)>>>);

impl Members {
    /// No members, for constants.
    pub const NONE: Self = Self(None);

    /// The member of this name.
    pub fn named(&self, name: &str) -> Option<&Document> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// The members, in the order in which they arrived.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Document)> {
        self.list().iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list().is_empty()
    }

    /// Adds a member, or replaces the one of this name.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<Document>) {
        let (name, value) = (name.into(), value.into());
        let list = self.0.get_or_insert_default();
        match list.iter_mut().find(|(found, _)| *found == name) {
            Some((_, found)) => *found = value,
            None => list.push((name, value)),
        }
    }

    /// Takes out the member of this name.
    pub fn remove(&mut self, name: &str) -> Option<Document> {
        let list = self.0.as_mut()?;
        let at = list.iter().position(|(found, _)| found == name)?;
        let (_, value) = list.remove(at);
        if list.is_empty() {
            self.0 = None;
        }
        Some(value)
    }

    fn list(&self) -> &[(String, Document)] {
        self.0.as_ref().map_or(&[], |list| list.as_slice())
    }

    #[inline(never)]
    #[doc(hidden)]
    pub fn read_next<'de, A: MapAccess<'de>>(
        &mut self,
        name: Text<'de>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        self.0.get_or_insert_default().push((name.0.into_owned(), map.next_value()?));
        Ok(())
    }

    #[doc(hidden)]
    pub fn write_into<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        self.list().iter().try_for_each(|(name, value)| map.serialize_entry(name, value))
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Members").field(&self.list()).finish()
    }
}

impl Serialize for Members {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.list().len()))?;
        self.write_into(&mut map)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyObject;
        impl<'de> Visitor<'de> for AnyObject {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Members::default();
                while let Some(name) = map.next_key()? {
                    members.read_next(name, &mut map)?;
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(AnyObject)
    }
}

/// Reads JSON. UTF-8 is checked once for the whole, not for each string. Reading every type from text also avoids a
/// second compiled reader of each.
pub fn from_json<'de, T: Deserialize<'de>>(json: &'de [u8]) -> serde_json::Result<T> {
    serde_json::from_str(std::str::from_utf8(json).map_err(de::Error::custom)?)
}

/// A string, borrowed from the input unless it has escapes.
pub struct Text<'de>(pub Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyText;
        impl<'de> Visitor<'de> for AnyText {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                self.visit_string(text.to_owned())
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }
        deserializer.deserialize_str(AnyText)
    }
}

// These read the members of all structures and unions and are never inlined. Otherwise each structure would have
// a copy of the reader of each type in it.

/// The name of the next member.
#[inline(never)]
pub fn next_name<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<Text<'de>>, A::Error> {
    map.next_key()
}

/// The value of a member that must be there.
#[inline(never)]
pub fn required<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    member: &mut Option<T>,
    map: &mut A,
) -> Result<(), A::Error> {
    *member = Some(map.next_value()?);
    Ok(())
}

/// The value of a member that may be missing, or `null`.
#[inline(never)]
pub fn optional<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    member: &mut Option<T>,
    map: &mut A,
) -> Result<(), A::Error> {
    *member = map.next_value()?;
    Ok(())
}

/// Declares a structure of the API: its members, and `other` for members that are in none of the lists. The structure
/// is its own builder: `new` takes the required members, and each other member has a method.
///
/// - `label`: required, and sent in the URL of a request, not in its body. The structure reads and writes a label like
///   any other member; its `body` leaves it out.
/// - `required`
/// - `lists`: optional lists. The method, named after `by`, appends one item.
/// - `optional`
/// - `ignored`: read and dropped.
#[doc(hidden)]
#[macro_export]
macro_rules! structure {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(label { $( $(#[$lmeta:meta])* $lfield:ident: $ltype:ty = $lwire:literal, )+ })?
            $(required { $( $(#[$rmeta:meta])* $rfield:ident: $rtype:ty = $rwire:literal, )+ })?
            $(lists { $( $(#[$imeta:meta])* $ifield:ident: $itype:ty = $iwire:literal by $imethod:ident, )+ })?
            $(optional { $( $(#[$ometa:meta])* $ofield:ident: $otype:ty = $owire:literal, )+ })?
            $(ignored { $( $ignored:literal, )+ })?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($( $(#[$lmeta])* pub $lfield: $ltype, )+)?
            $($( $(#[$rmeta])* pub $rfield: $rtype, )+)?
            $($( $(#[$imeta])* pub $ifield: Option<Vec<$itype>>, )+)?
            $($( $(#[$ometa])* pub $ofield: Option<$otype>, )+)?
            /// Members that this version does not know.
            pub other: $crate::shape::Members,
        }

        impl $name {
            /// The names of the members, in JSON.
            #[doc(hidden)]
            #[allow(dead_code, reason = "used for a few structures only")]
            pub const MEMBERS: &'static [&'static str] = &[
                $($( $lwire, )+)? $($( $rwire, )+)? $($( $iwire, )+)? $($( $owire, )+)? $($( $ignored, )+)?
            ];

            /// With the required members. Each other member has a method.
            pub fn new(
                $($( $lfield: impl Into<$ltype>, )+)?
                $($( $rfield: impl Into<$rtype>, )+)?
            ) -> Self {
                Self {
                    $($( $lfield: $lfield.into(), )+)?
                    $($( $rfield: $rfield.into(), )+)?
                    $($( $ifield: None, )+)?
                    $($( $ofield: None, )+)?
                    other: $crate::shape::Members::default(),
                }
            }

            $($(
                #[doc = concat!("Appends one item to [`", stringify!($ifield), "`](Self#structfield.", stringify!($ifield), ").")]
                pub fn $imethod(mut self, item: impl Into<$itype>) -> Self {
                    self.$ifield.get_or_insert_default().push(item.into());
                    self
                }
            )+)?

            $($(
                $(#[$ometa])*
                pub fn $ofield(mut self, $ofield: impl Into<$otype>) -> Self {
                    self.$ofield = Some($ofield.into());
                    self
                }
            )+)?

            /// Writes all but the labels.
            fn write_into<M: serde::ser::SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                $($( map.serialize_entry($rwire, &self.$rfield)?; )+)?
                $($(
                    if let Some(items) = &self.$ifield {
                        map.serialize_entry($iwire, items)?;
                    }
                )+)?
                $($(
                    if let Some(value) = &self.$ofield {
                        map.serialize_entry($owire, value)?;
                    }
                )+)?
                self.other.write_into(map)
            }
        }

        $crate::new_is_default! { $name $($($lfield)+)? $($($rfield)+)? }

        $(
            impl $name {
                /// The body of the request, in JSON: all members except those that are sent in its URL:
                #[doc = concat!($("`", $lwire, "` "),+)]
                pub fn body(&self) -> $crate::Result<Vec<u8>> {
                    struct Body<'a>(&'a $name);
                    impl serde::Serialize for Body<'_> {
                        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                            use serde::ser::SerializeMap as _;
                            let mut map = serializer.serialize_map(None)?;
                            self.0.write_into(&mut map)?;
                            map.end()
                        }
                    }
                    serde_json::to_vec(&Body(self)).map_err(|source| {
                        $crate::Error::new(
                            $crate::ErrorKind::InvalidInput,
                            concat!("expected a ", stringify!($name), " that can be written as JSON"),
                        )
                        .with_source(source)
                    })
                }
            }
        )?

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap as _;
                let mut map = serializer.serialize_map(None)?;
                $($( map.serialize_entry($lwire, &self.$lfield)?; )+)?
                self.write_into(&mut map)?;
                map.end()
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Members;
                impl<'de> serde::de::Visitor<'de> for Members {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("an object (", stringify!($name), ")"))
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        $($( let mut $lfield: Option<$ltype> = None; )+)?
                        $($( let mut $rfield: Option<$rtype> = None; )+)?
                        $($( let mut $ifield: Option<Vec<$itype>> = None; )+)?
                        $($( let mut $ofield: Option<$otype> = None; )+)?
                        let mut other = $crate::shape::Members::default();
                        while let Some(name) = $crate::internal::next_name(&mut map)? {
                            match &*name.0 {
                                $($( $lwire => $crate::internal::required(&mut $lfield, &mut map)?, )+)?
                                $($( $rwire => $crate::internal::required(&mut $rfield, &mut map)?, )+)?
                                $($( $iwire => $crate::internal::optional(&mut $ifield, &mut map)?, )+)?
                                $($( $owire => $crate::internal::optional(&mut $ofield, &mut map)?, )+)?
                                $($( $ignored => { map.next_value::<serde::de::IgnoredAny>()?; } )+)?
                                _ => other.read_next(name, &mut map)?,
                            }
                        }
                        Ok($name {
                            $($( $lfield: $lfield.ok_or_else(|| serde::de::Error::missing_field($lwire))?, )+)?
                            $($( $rfield: $rfield.ok_or_else(|| serde::de::Error::missing_field($rwire))?, )+)?
                            $($( $ifield, )+)?
                            $($( $ofield, )+)?
                            other,
                        })
                    }
                }
                deserializer.deserialize_map(Members)
            }
        }
    };
}

/// Implements `Default` for a structure without required members.
#[doc(hidden)]
#[macro_export]
macro_rules! new_is_default {
    ($name:ident) => {
        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }
    };
    ($name:ident $($required:ident)+) => {};
}

/// Declares a union of the API: an object with exactly one member. An object without a known member is `Unknown` and
/// keeps everything. If several members are known, the first counts.
///
/// `from` implements `From` the variant's content; `from_text` does so for a `String` and for a `&str`.
#[doc(hidden)]
#[macro_export]
macro_rules! union {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$vmeta:meta])* $variant:ident($type:ty) = $wire:literal $($from:ident)?, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$vmeta])* $variant($type), )+
            /// A variant that this version does not know.
            Unknown($crate::shape::Members),
        }

        $( $( $crate::variant_from! { $from $name $variant($type) } )? )+

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap as _;
                match self {
                    $(
                        Self::$variant(value) => {
                            let mut map = serializer.serialize_map(Some(1))?;
                            map.serialize_entry($wire, value)?;
                            map.end()
                        }
                    )+
                    Self::Unknown(members) => members.serialize(serializer),
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct OneMember;
                impl<'de> serde::de::Visitor<'de> for OneMember {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str(concat!("an object with one member (", stringify!($name), ")"))
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut known = None;
                        let mut other = $crate::shape::Members::default();
                        while let Some(name) = $crate::internal::next_name(&mut map)? {
                            match &*name.0 {
                                $(
                                    $wire if known.is_none() => {
                                        let mut value = None::<$type>;
                                        $crate::internal::optional(&mut value, &mut map)?;
                                        known = value.map($name::$variant);
                                    }
                                )+
                                _ => other.read_next(name, &mut map)?,
                            }
                        }
                        Ok(known.unwrap_or($name::Unknown(other)))
                    }
                }
                deserializer.deserialize_map(OneMember)
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! variant_from {
    (from $name:ident $variant:ident($type:ty)) => {
        impl From<$type> for $name {
            fn from(value: $type) -> Self {
                Self::$variant(value)
            }
        }
    };
    (from_text $name:ident $variant:ident($type:ty)) => {
        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::$variant(text)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::$variant(text.to_owned())
            }
        }
    };
}

/// Declares an open enumeration of the API: a value that is not in the list is `Unknown`.
#[doc(hidden)]
#[macro_export]
macro_rules! enumeration {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $( $(#[$vmeta:meta])* $variant:ident = $wire:literal, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $( $(#[$vmeta])* $variant, )+
            /// A value that this version does not know.
            Unknown(String),
        }

        impl $name {
            /// The values that this version knows.
            pub const VALUES: &'static [&'static str] = &[$( $wire ),+];

            /// The value as the API writes it.
            pub fn as_str(&self) -> &str {
                match self {
                    $( Self::$variant => $wire, )+
                    Self::Unknown(value) => value,
                }
            }
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                match value {
                    $( $wire => Self::$variant, )+
                    _ => Self::Unknown(value.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::internal::Text::deserialize(deserializer).map(|value| Self::from(&*value.0))
            }
        }
    };
}

/// Padded base64, as the API writes it. When reading, the padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    PAD.with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

#[cfg(test)]
#[allow(unreachable_pub, reason = "the macros declare public types")]
mod tests {
    use super::*;

    structure! {
        /// A structure.
        pub struct Thing {
            required {
                /// Its size.
                size: u64 = "size",
            }
            optional {
                /// Its colour.
                colour: Colour = "colour",
                /// Its lid.
                lid: Lid = "lid",
            }
            ignored { "p", }
        }
    }

    structure! {
        /// A request.
        pub struct Ask {
            label {
                /// In the URL.
                id: String = "id",
            }
            lists {
                /// The parts.
                parts: Lid = "parts" by part,
            }
        }
    }

    structure! {
        /// A structure without required members.
        pub struct Empty {}
    }

    union! {
        /// A union.
        pub enum Lid {
            /// Made of wood.
            Wood(String) = "wood" from_text,
            /// Made of any JSON.
            Made(Document) = "made",
        }
    }

    enumeration! {
        /// An enumeration.
        pub enum Colour {
            /// Red.
            Red = "red",
        }
    }

    fn round_trip(json: &str) -> String {
        serde_json::to_string(&serde_json::from_str::<Thing>(json).unwrap()).unwrap()
    }

    #[test]
    fn unknown_members_and_values_are_kept() {
        for json in [
            r#"{"size":1}"#,
            r#"{"size":1,"colour":"red","lid":{"wood":"oak"}}"#,
            r#"{"size":1,"colour":"mauve","lid":{"glass":{"thick":true}}}"#,
            r#"{"size":1,"lid":{"made":{"b":123456789012345678901234567890,"a":[1.0,null,"\u0000"]}}}"#,
            r#"{"size":1,"lid":{}}"#,
            r#"{"size":1,"new":{"z":1, "a":  null},"newer":1e400}"#,
        ] {
            assert_eq!(round_trip(json), json);
        }
    }

    #[test]
    fn null_counts_as_absent_and_ignored_members_are_dropped() {
        assert_eq!(round_trip(r#"{"size":1,"colour":null,"p":"abcdef"}"#), r#"{"size":1}"#);
        assert_eq!(
            round_trip(r#"{"size":1,"lid":{"wood":null,"made":1}}"#),
            r#"{"size":1,"lid":{"made":1}}"#
        );
        assert_eq!(
            round_trip(r#"{"size":1,"lid":{"__type":"x","wood":"oak"}}"#),
            r#"{"size":1,"lid":{"wood":"oak"}}"#
        );
    }

    #[test]
    fn a_missing_or_ill_typed_member_is_named() {
        let fault = |json| serde_json::from_str::<Thing>(json).unwrap_err().to_string();
        assert!(fault("{}").contains("missing field `size`"));
        assert!(fault(r#"{"size":"x"}"#).contains("expected u64"));
        assert!(fault("[]").contains("an object (Thing)"));
        assert!(fault(r#"{"size":1,"lid":"wood"}"#).contains("one member (Lid)"));
    }

    #[test]
    fn a_structure_is_its_own_builder() {
        let thing = Thing::new(3u64).colour("red").lid(Lid::Wood("elm".into()));
        assert_eq!(
            serde_json::to_string(&thing).unwrap(),
            r#"{"size":3,"colour":"red","lid":{"wood":"elm"}}"#
        );
    }

    #[test]
    fn a_label_is_in_the_structure_and_not_in_the_body() {
        let ask = Ask::new("x").part("oak").part(Lid::Made(Document::default()));
        let json = r#"{"id":"x","parts":[{"wood":"oak"},{"made":{}}],"new":1}"#;
        let read = serde_json::from_str::<Ask>(json).unwrap();
        assert_eq!(read.parts, ask.parts);
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        assert_eq!(read.body().unwrap(), json.replace(r#""id":"x","#, "").into_bytes());
        assert_eq!(Ask::new("x").body().unwrap(), b"{}");
        assert!(serde_json::from_str::<Ask>("{}").unwrap_err().to_string().contains("missing field `id`"));
    }

    #[test]
    fn a_structure_without_required_members_has_a_default() {
        assert_eq!(serde_json::to_string(&Empty::default()).unwrap(), "{}");
    }

    #[test]
    fn an_enumeration_lists_its_values() {
        assert_eq!(Colour::VALUES, ["red"]);
    }

    #[test]
    fn a_timestamp_is_kept_unchanged() {
        for json in [r#""2026-07-13T14:00:42.680622107Z""#, "1767323045", "1767323045.5"] {
            let timestamp = serde_json::from_str::<Timestamp>(json).unwrap();
            assert_eq!(serde_json::to_string(&timestamp).unwrap(), json);
            assert_eq!(timestamp.to_string(), json.trim_matches('"'));
        }
        assert!(serde_json::from_str::<Timestamp>("[]").is_err());
    }

    #[test]
    fn white_space_in_base64_is_ignored() {
        assert_eq!(serde_json::to_string(&Blob::from(&b"\0\xffab"[..])).unwrap(), r#""AP9hYg==""#);
        for text in [r#""AP9hYg==""#, r#""AP9hYg""#, r#"" AP9h\r\nYg==\n""#] {
            assert_eq!(serde_json::from_str::<Blob>(text).unwrap().0, &b"\0\xffab"[..]);
        }
        let fault = serde_json::from_str::<Blob>(r#""AP$=""#).unwrap_err().to_string();
        assert!(fault.contains("expected bytes in padded base64: Invalid"), "{fault}");
    }
}
