//! What all types are written with.
//!
//! As in [`read`](super::read), the writer of an object is compiled once for each format: a type shows only what it
//! consists of.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Number, Value};

use super::{Blob, Document, Members};

/// What a value consists of.
#[allow(missing_docs, reason = "the leaves are named as their types")]
pub enum Written<'a> {
    Null,
    Bool(bool),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Text(&'a str),
    Blob(&'a Blob),
    Document(&'a Document),
    Number(&'a Number),
    Any(&'a Value),
    /// Something that has to be made.
    Made(&'a dyn Made),
    /// An object.
    Object(&'a dyn Parts),
    /// The body of a request: an object without so many of its first members.
    Body(&'a dyn Parts, usize),
    /// An object, after a member that says what it is.
    Tagged(&'static str, &'static str, &'a dyn Parts),
    /// A list.
    List(&'a dyn Listed),
    /// An object whose names are data.
    Map(&'a dyn Mapped),
}

/// A value that has to be made before it is written.
pub trait Made {
    /// The value.
    fn made(&self) -> Value;
}

/// The parts of an object.
pub trait Parts {
    /// The names of its members.
    fn names(&self) -> &'static [&'static str];

    /// The member of which this is the position in the names, if there is one.
    fn part(&self, at: usize) -> Option<Written<'_>>;

    /// All other members.
    fn unknown(&self) -> Option<&Members>;
}

impl<T: Parts> Parts for Box<T> {
    fn names(&self) -> &'static [&'static str] {
        (**self).names()
    }

    fn part(&self, at: usize) -> Option<Written<'_>> {
        (**self).part(at)
    }

    fn unknown(&self) -> Option<&Members> {
        (**self).unknown()
    }
}

/// The items of a list.
pub trait Listed {
    /// The item of this position.
    fn item_at(&self, at: usize) -> Option<Written<'_>>;
}

/// The entries of a map.
pub trait Mapped {
    /// All of them.
    fn entries(&self) -> Box<dyn Iterator<Item = (&str, Written<'_>)> + '_>;
}

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (tag, parts, first) = match *self {
            Self::Null => return serializer.serialize_none(),
            Self::Bool(value) => return serializer.serialize_bool(value),
            Self::U64(value) => return serializer.serialize_u64(value),
            Self::I64(value) => return serializer.serialize_i64(value),
            Self::F32(value) => return serializer.serialize_f32(value),
            Self::F64(value) => return serializer.serialize_f64(value),
            Self::Text(value) => return serializer.serialize_str(value),
            Self::Blob(value) => return serializer.serialize_str(&value.to_base64()),
            Self::Document(value) => return value.serialize(serializer),
            Self::Number(value) => return value.serialize(serializer),
            Self::Any(value) => return value.serialize(serializer),
            Self::Made(value) => return value.made().serialize(serializer),
            Self::List(list) => {
                let mut seq = serializer.serialize_seq(None)?;
                let mut items = (0..).map_while(|at| list.item_at(at));
                items.try_for_each(|item| seq.serialize_element(&item))?;
                return seq.end();
            }
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(None)?;
                entries.entries().try_for_each(|(name, value)| map.serialize_entry(name, &value))?;
                return map.end();
            }
            Self::Object(parts) => (None, parts, 0),
            Self::Body(parts, first) => (None, parts, first),
            Self::Tagged(tag, kind, parts) => (Some((tag, kind)), parts, 0),
        };
        let mut map = serializer.serialize_map(None)?;
        if let Some((tag, kind)) = tag {
            map.serialize_entry(tag, &Written::Text(kind))?;
        }
        for (at, name) in parts.names().iter().enumerate().skip(first) {
            if let Some(part) = parts.part(at) {
                map.serialize_entry(*name, &part)?;
            }
        }
        for (name, value) in parts.unknown().into_iter().flat_map(Members::iter) {
            map.serialize_entry(name, &Written::Document(value))?;
        }
        map.end()
    }
}

/// The body of a request, in JSON.
pub fn body(parts: &dyn Parts, labels: usize, expected: &str) -> crate::Result<Vec<u8>> {
    serde_json::to_vec(&Written::Body(parts, labels))
        .map_err(|source| crate::Error::new(crate::ErrorKind::InvalidInput, expected).with_source(source))
}
