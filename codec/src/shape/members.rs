//! Members that a type does not know.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Document;
use super::read::Text;

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
