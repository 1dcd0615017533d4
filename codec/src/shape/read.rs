//! What all types are read with.
//!
//! serde compiles the reader of an object again for each type. Here it is compiled once for each format: a type says
//! only where the value of a member goes, and asks a [`Source`] for it, which knows the format.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde_json::{Number, Value};

use super::write::{Listed, Mapped, Written};
use super::{Document, Members};

/// Reads JSON. UTF-8 is checked once for the whole, not for each string. Reading every type from text also avoids a
/// second compiled reader of each.
pub fn from_json<'de, T: Deserialize<'de>>(json: &'de [u8]) -> serde_json::Result<T> {
    serde_json::from_str(core::str::from_utf8(json).map_err(de::Error::custom)?)
}

/// A type of the API.
pub trait Shape: Sized {
    /// The value before it is read.
    fn blank() -> Self;

    /// Reads the next value of a source into a blank one. `false` is a `null`, if it may be one, or the end of a list.
    fn read(&mut self, source: &mut dyn Source, null: Null) -> Result<bool, Failed>;

    /// What is written.
    fn content(&self) -> Written<'_>;
}

/// Whether a value may be `null`, which then counts as absent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Null {
    /// It may.
    IsAbsent,
    /// It is an error, unless any JSON will do.
    IsRead,
}

/// Where values come from, one after the other.
pub trait Source {
    /// Reads the next value into its place. `false` is a `null`, if it may be one, or the end of a list.
    fn next(&mut self, place: Place<'_>, null: Null) -> Result<bool, Failed>;

    /// The last value was wrong.
    fn fail(&mut self, message: &dyn fmt::Display) -> Failed;
}

/// Reading failed; the source has the error.
pub struct Failed;

/// Where a value goes.
#[allow(missing_docs, reason = "the leaves are named as their types")]
pub enum Place<'a> {
    /// Nowhere.
    Ignored,
    Bool(&'a mut bool),
    U16(&'a mut u16),
    U32(&'a mut u32),
    U64(&'a mut u64),
    I32(&'a mut i32),
    I64(&'a mut i64),
    F32(&'a mut f32),
    F64(&'a mut f64),
    Usize(&'a mut usize),
    Text(&'a mut String),
    Document(&'a mut Document),
    Number(&'a mut Number),
    Any(&'a mut Value),
    /// A value of an enumeration.
    Word(&'a mut dyn Word),
    /// An object.
    Object(&'a mut dyn Object),
    /// An object whose names are data.
    Map(&'a mut dyn Map),
    /// A list.
    List(&'a mut dyn List),
    /// A text or a list, and what is expected.
    TextOrList(&'a mut Option<String>, &'a mut dyn List, &'static str),
}

/// An enumeration.
pub trait Word {
    /// Takes the value.
    fn set(&mut self, text: &str);
}

/// An object while it is read.
pub trait Object {
    /// What it takes.
    fn form(&self) -> &'static Form;

    /// Takes the member of which this is the position in the names.
    fn member(&mut self, at: usize, source: &mut dyn Source) -> Result<bool, Failed>;

    /// All other members, unless they are dropped.
    fn other(&mut self) -> Option<&mut Members>;

    /// No more members will come. Fails with what is wrong with the whole.
    fn end(&mut self) -> Result<(), String> {
        Ok(())
    }
}

/// What an object takes.
pub struct Form {
    /// What is expected.
    pub expected: &'static str,
    /// The names of the members.
    pub names: &'static [&'static str],
    /// How many of them are required: they come first.
    pub required: usize,
}

/// An object whose names are data, while it is read.
pub trait Map {
    /// Takes the value of this name.
    fn entry(&mut self, name: String, source: &mut dyn Source) -> Result<bool, Failed>;
}

/// A list while it is read.
pub trait List {
    /// Takes an item, unless the list is at its end.
    fn item(&mut self, source: &mut dyn Source) -> Result<bool, Failed>;
}

/// Reads a member that must be there.
#[inline(never)]
pub fn required<T: Shape>(member: &mut T, source: &mut dyn Source) -> Result<bool, Failed> {
    // Of several members of one name, the last counts.
    *member = T::blank();
    member.read(source, Null::IsRead)
}

/// Reads a member that may be missing, or `null`.
#[inline(never)]
pub fn optional<T: Shape>(member: &mut Option<T>, source: &mut dyn Source) -> Result<bool, Failed> {
    let found = member.insert(T::blank()).read(source, Null::IsAbsent)?;
    if !found {
        *member = None;
    }
    Ok(found)
}

/// Reads the value of a union's variant.
pub fn variant<T: Shape, U>(
    union: &mut U,
    variant: fn(T) -> U,
    source: &mut dyn Source,
) -> Result<bool, Failed> {
    let mut value = T::blank();
    let found = value.read(source, Null::IsAbsent)?;
    if found {
        *union = variant(value);
    }
    Ok(found)
}

/// Reads an object from its text.
pub fn members(object: &mut dyn Object, text: &str) -> Result<(), String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Place::Object(object).read_from(&mut json, Null::IsRead).and_then(|_| json.end());
    read.map_err(|error| error.to_string())
}

/// Reads a type with serde.
pub fn deserialize<'de, T: Shape, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let mut whole = Whole { deserializer: Some(deserializer), error: None };
    let mut value = T::blank();
    match value.read(&mut whole, Null::IsRead) {
        Ok(_) => Ok(value),
        Err(Failed) => Err(error(whole.error)),
    }
}

macro_rules! places {
    ($($type:ty => $place:ident $blank:expr, |$value:ident| $content:expr;)+) => {
        $(
            impl Shape for $type {
                fn blank() -> Self {
                    $blank
                }

                fn read(&mut self, source: &mut dyn Source, null: Null) -> Result<bool, Failed> {
                    source.next(Place::$place(self), null)
                }

                fn content(&self) -> Written<'_> {
                    let $value = self;
                    $content
                }
            }
        )+
    };
}

places! {
    bool => Bool false, |value| Written::Bool(*value);
    u16 => U16 0, |value| Written::U64((*value).into());
    u32 => U32 0, |value| Written::U64((*value).into());
    u64 => U64 0, |value| Written::U64(*value);
    i32 => I32 0, |value| Written::I64((*value).into());
    i64 => I64 0, |value| Written::I64(*value);
    f32 => F32 0.0, |value| Written::F32(*value);
    f64 => F64 0.0, |value| Written::F64(*value);
    usize => Usize 0, |value| Written::U64(*value as u64);
    String => Text Self::new(), |value| Written::Text(value);
    Document => Document Self::null(), |value| Written::Document(value);
    Number => Number 0.into(), |value| Written::Number(value);
    Value => Any Self::Null, |value| Written::Any(value);
}

impl<T: Shape> Shape for Box<T> {
    fn blank() -> Self {
        Self::new(T::blank())
    }

    fn read(&mut self, source: &mut dyn Source, null: Null) -> Result<bool, Failed> {
        (**self).read(source, null)
    }

    fn content(&self) -> Written<'_> {
        (**self).content()
    }
}

/// A value in a map, where a `null` is something else than absence. Not for lists.
impl<T: Shape> Shape for Option<T> {
    fn blank() -> Self {
        None
    }

    fn read(&mut self, source: &mut dyn Source, _: Null) -> Result<bool, Failed> {
        optional(self, source)
    }

    fn content(&self) -> Written<'_> {
        self.as_ref().map_or(Written::Null, T::content)
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn blank() -> Self {
        Self::new()
    }

    fn read(&mut self, source: &mut dyn Source, null: Null) -> Result<bool, Failed> {
        source.next(Place::List(self), null)
    }

    fn content(&self) -> Written<'_> {
        Written::List(self)
    }
}

impl<T: Shape> Listed for Vec<T> {
    fn item_at(&self, at: usize) -> Option<Written<'_>> {
        self.get(at).map(T::content)
    }
}

impl<T: Shape> List for Vec<T> {
    fn item(&mut self, source: &mut dyn Source) -> Result<bool, Failed> {
        let mut item = T::blank();
        let found = item.read(source, Null::IsRead)?;
        if found {
            self.push(item);
        }
        Ok(found)
    }
}

impl<T: Shape> Shape for BTreeMap<String, T> {
    fn blank() -> Self {
        Self::new()
    }

    fn read(&mut self, source: &mut dyn Source, null: Null) -> Result<bool, Failed> {
        source.next(Place::Map(self), null)
    }

    fn content(&self) -> Written<'_> {
        Written::Map(self)
    }
}

impl<T: Shape> Mapped for BTreeMap<String, T> {
    fn entries(&self) -> Box<dyn Iterator<Item = (&str, Written<'_>)> + '_> {
        Box::new(self.iter().map(|(name, value)| (name.as_str(), value.content())))
    }
}

impl<T: Shape> Map for BTreeMap<String, T> {
    fn entry(&mut self, name: String, source: &mut dyn Source) -> Result<bool, Failed> {
        let mut value = T::blank();
        let found = value.read(source, Null::IsRead)?;
        self.insert(name, value);
        Ok(found)
    }
}

/// A string, borrowed from the input unless it has escapes.
struct Text<'de>(pub Cow<'de, str>);

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

/// One value.
struct Whole<D, E> {
    deserializer: Option<D>,
    error: Option<E>,
}

impl<'de, D: Deserializer<'de>> Source for Whole<D, D::Error> {
    fn next(&mut self, place: Place<'_>, null: Null) -> Result<bool, Failed> {
        let value = self.deserializer.take().ok_or(Failed)?;
        kept(place.read_from(value, null), &mut self.error)
    }

    fn fail(&mut self, message: &dyn fmt::Display) -> Failed {
        failed(message, &mut self.error)
    }
}

/// The values of an object.
struct Values<'de, A: MapAccess<'de>> {
    members: A,
    error: Option<A::Error>,
    from: PhantomData<&'de ()>,
}

impl<'de, A: MapAccess<'de>> Source for Values<'de, A> {
    fn next(&mut self, place: Place<'_>, null: Null) -> Result<bool, Failed> {
        kept(self.members.next_value_seed(Seed(place, null)), &mut self.error)
    }

    fn fail(&mut self, message: &dyn fmt::Display) -> Failed {
        failed(message, &mut self.error)
    }
}

/// The items of a list.
struct Items<'de, A: SeqAccess<'de>> {
    list: A,
    error: Option<A::Error>,
    from: PhantomData<&'de ()>,
}

impl<'de, A: SeqAccess<'de>> Source for Items<'de, A> {
    fn next(&mut self, place: Place<'_>, null: Null) -> Result<bool, Failed> {
        let found = self.list.next_element_seed(Seed(place, null));
        kept(found.map(Option::unwrap_or_default), &mut self.error)
    }

    fn fail(&mut self, message: &dyn fmt::Display) -> Failed {
        failed(message, &mut self.error)
    }
}

fn kept<T, E>(result: Result<T, E>, kept: &mut Option<E>) -> Result<T, Failed> {
    result.map_err(|error| {
        *kept = Some(error);
        Failed
    })
}

fn failed<E: de::Error>(message: &dyn fmt::Display, kept: &mut Option<E>) -> Failed {
    *kept = Some(E::custom(message));
    Failed
}

/// The error that a source has after a failure.
fn error<E: de::Error>(kept: Option<E>) -> E {
    kept.unwrap_or_else(|| E::custom("expected one value"))
}

/// A place to read a value into.
struct Seed<'a>(Place<'a>, Null);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = bool;

    #[inline(never)]
    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<bool, D::Error> {
        self.0.read_from(value, self.1)
    }
}

impl Place<'_> {
    fn read_from<'de, D: Deserializer<'de>>(self, value: D, null: Null) -> Result<bool, D::Error> {
        match null {
            Null::IsAbsent => value.deserialize_option(self),
            Null::IsRead => self.fill(value).map(|()| true),
        }
    }

    #[inline(never)]
    fn fill<'de, D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        match self {
            Self::Ignored => IgnoredAny::deserialize(value).map(|_| ()),
            Self::Bool(place) => set(place, value),
            Self::U16(place) => set(place, value),
            Self::U32(place) => set(place, value),
            Self::U64(place) => set(place, value),
            Self::I32(place) => set(place, value),
            Self::I64(place) => set(place, value),
            Self::F32(place) => set(place, value),
            Self::F64(place) => set(place, value),
            Self::Usize(place) => set(place, value),
            Self::Text(place) => set(place, value),
            Self::Document(place) => set(place, value),
            Self::Number(place) => set(place, value),
            Self::Any(place) => set(place, value),
            Self::Word(place) => Text::deserialize(value).map(|text| place.set(&text.0)),
            Self::Object(_) | Self::Map(_) => value.deserialize_map(Filled(self)),
            Self::List(_) => value.deserialize_seq(Filled(self)),
            Self::TextOrList(..) => value.deserialize_any(Filled(self)),
        }
    }
}

fn set<'de, T: Deserialize<'de>, D: Deserializer<'de>>(place: &mut T, value: D) -> Result<(), D::Error> {
    *place = T::deserialize(value)?;
    Ok(())
}

/// A value that may be `null`.
impl<'de> Visitor<'de> for Place<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("option")
    }

    fn visit_none<E: de::Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E: de::Error>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<bool, D::Error> {
        self.fill(value).map(|()| true)
    }
}

/// A value that is not a leaf.
struct Filled<'a>(Place<'a>);

impl<'de> Visitor<'de> for Filled<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Place::Object(object) => object.form().expected,
            Place::TextOrList(_, _, expected) => expected,
            Place::Map(_) => "a map",
            _ => "a sequence",
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        let mut values = Values { members, error: None, from: PhantomData };
        match self.0 {
            Place::Object(object) => {
                let mut missing = u64::MAX;
                while let Some(name) = values.members.next_key::<Text<'de>>()? {
                    let form = object.form();
                    if let Some(at) = form.names.iter().position(|known| *known == name.0) {
                        object.member(at, &mut values).map_err(|Failed| error(values.error.take()))?;
                        if at < form.required {
                            missing &= !(1 << at);
                        }
                    } else if let Some(other) = object.other() {
                        other.push(name.0.into_owned(), values.members.next_value()?);
                    } else {
                        values.members.next_value::<IgnoredAny>()?;
                    }
                }
                let form = object.form();
                object.end().map_err(de::Error::custom)?;
                match form.names.iter().take(form.required).nth(missing.trailing_zeros() as usize) {
                    Some(name) => Err(de::Error::missing_field(name)),
                    None => Ok(()),
                }
            }
            Place::Map(map) => {
                while let Some(name) = values.members.next_key()? {
                    map.entry(name, &mut values).map_err(|Failed| error(values.error.take()))?;
                }
                Ok(())
            }
            _ => Err(de::Error::invalid_type(Unexpected::Map, &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        let mut source = Items { list, error: None, from: PhantomData };
        match self.0 {
            Place::List(list) | Place::TextOrList(_, list, _) => {
                while list.item(&mut source).map_err(|Failed| error(source.error.take()))? {}
                Ok(())
            }
            _ => Err(de::Error::invalid_type(Unexpected::Seq, &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        match self.0 {
            Place::TextOrList(place, ..) => {
                *place = Some(text.to_owned());
                Ok(())
            }
            _ => Err(de::Error::invalid_type(Unexpected::Str(text), &self)),
        }
    }
}
