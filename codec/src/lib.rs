//! The codec of [pumice](https://crates.io/crates/pumice): the incremental reader of
//! `application/vnd.amazon.eventstream`, the types of Amazon Bedrock's API in the API's own words, and the
//! events of ConverseStream, without tokio, TLS or cryptography.
//!
//! It works without the standard library, with an allocator: `default-features = false` leaves out the feature `std`.
//!
//! `pumice` re-exports all of it under the same names. It is a package of its own because Cargo can optimise per
//! package only: this code runs for each event and is compiled for speed, the rest for size.
//!
//! ```
//! use pumice_codec::Event;
//! use pumice_codec::frame::FrameDecoder;
//!
//! # fn read(bytes: bytes::Bytes) -> pumice_codec::Result<()> {
//! let mut decoder = FrameDecoder::new();
//! decoder.push(bytes);
//! while let Some(frame) = decoder.next_frame()? {
//!     if let Event::ContentBlockDelta(event) = Event::from_frame(&frame)? {
//!         print!("{}", event.delta.as_text().unwrap_or_default());
//!     }
//! }
//! decoder.finish()
//! # }
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod error;
pub mod frame;
mod hint;
pub mod shape;
mod surrogate;

pub mod guardrail;

pub mod converse;
pub mod count_tokens;
mod event;
pub mod foundation_model;
pub mod inference_profile;
pub mod invoke_model;
pub mod model_access;
pub mod model_invocation_job;
pub mod reply;

pub use error::{Error, ErrorKind, Result};
pub use event::{Event, FrameContent};
pub use hint::Hint;

/// For `pumice` only, not part of the public API, like the macros that declare shapes.
#[doc(hidden)]
pub mod internal {
    pub use alloc::string::String;
    pub use alloc::vec::Vec;

    pub use crate::error::{is_of_a_day, shortened};
    pub use crate::event::{event_type, with_original};
    pub use crate::frame::seal;
    pub use crate::shape::read::{
        Failed, Form, List, Map, Null, Object, Place, Shape, Source, Word, deserialize, from_json, members,
        optional, required, variant,
    };
    pub use crate::shape::write::{Made, Parts, Written, body};
    pub use crate::surrogate::lone_surrogates;
}
