//! The kinds of shape that the API's types consist of: structures, unions, enumerations, blobs, timestamps and
//! documents.
//!
//! Every type keeps what it does not know and writes it back: a structure its unknown members, a union its unknown
//! variants, an enumeration its unknown values. A member that is `null` counts as absent.

mod blob;
mod declare;
mod document;
mod members;
pub(crate) mod read;
mod timestamp;
pub(crate) mod write;

pub use self::blob::Blob;
pub use self::document::Document;
pub use self::members::Members;
pub use self::timestamp::Timestamp;
