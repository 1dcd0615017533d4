//! A lean Amazon Bedrock client.

pub mod converse;
pub mod count_tokens;
pub mod error;
pub mod foundation_model;
pub mod frame;
pub mod guardrail;
pub mod inference_profile;
pub mod shape;

pub use error::{Error, ErrorKind, Result};
