//! A lean Amazon Bedrock client.

pub mod converse;
pub mod count_tokens;
#[cfg(feature = "http")]
pub mod endpoint;
pub mod error;
pub mod foundation_model;
pub mod frame;
pub mod guardrail;
pub mod inference_profile;
#[cfg(feature = "http")]
pub mod profile;
pub mod shape;

pub use error::{Error, ErrorKind, Result};
