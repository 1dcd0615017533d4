//! A lean Amazon Bedrock client.

#[cfg(feature = "http")]
pub mod endpoint;
pub mod error;
pub mod frame;
#[cfg(feature = "http")]
pub mod profile;
pub mod shape;

pub use error::{Error, ErrorKind, Result};
