//! Members that a type does not know.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::Document;
use super::read::{Failed, Form, Null, Object, Place, Shape, Source};
use super::write::{Parts, Written};

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

    pub(super) fn push(&mut self, name: String, value: Document) {
        self.0.get_or_insert_default().push((name, value));
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Members").field(&self.list()).finish()
    }
}

crate::serde! { Members }

impl Shape for Members {
    fn blank() -> Self {
        Self::NONE
    }

    fn read(&mut self, source: &mut dyn Source, null: Null) -> Result<bool, Failed> {
        source.next(Place::Object(self), null)
    }

    fn content(&self) -> Written<'_> {
        Written::Object(self)
    }
}

impl Object for Members {
    fn form(&self) -> &'static Form {
        &Form { expected: "an object", names: &[], required: 0 }
    }

    fn member(&mut self, _: usize, _: &mut dyn Source) -> Result<bool, Failed> {
        Ok(false)
    }

    fn other(&mut self) -> Option<&mut Self> {
        Some(self)
    }
}

impl Parts for Members {
    fn names(&self) -> &'static [&'static str] {
        &[]
    }

    fn part(&self, _: usize) -> Option<Written<'_>> {
        None
    }

    fn unknown(&self) -> Option<&Self> {
        Some(self)
    }
}
