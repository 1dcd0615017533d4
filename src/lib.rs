//! A lean Amazon Bedrock client.

pub mod error;
pub mod frame;
pub mod shape;

pub use error::{Error, ErrorKind, Result};
