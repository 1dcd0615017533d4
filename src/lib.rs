//! A lean Amazon Bedrock client.

mod error;
pub mod frame;
pub mod shape;

pub mod converse;
pub mod count_tokens;
mod event;
pub mod foundation_model;
pub mod guardrail;
pub mod inference_profile;
pub mod invoke_model;
pub mod reply;

#[cfg(feature = "http")]
mod client;
#[cfg(feature = "http")]
mod config;
#[cfg(feature = "http")]
pub mod context;
#[cfg(feature = "http")]
pub mod credentials;
#[cfg(feature = "http")]
pub mod endpoint;
#[cfg(feature = "http")]
pub mod operation;
#[cfg(feature = "http")]
pub mod profile;
#[cfg(feature = "http")]
mod progress;
#[cfg(feature = "http")]
mod refusal;
#[cfg(feature = "http")]
pub mod retry;
#[cfg(feature = "http")]
pub mod sign;
#[cfg(feature = "http")]
mod stream;
#[cfg(feature = "http")]
pub mod transport;

pub use error::{Error, ErrorKind, Result};
pub use event::{Event, FrameContent};

#[cfg(feature = "http")]
pub use client::{Client, Identity};
#[cfg(feature = "http")]
pub use config::Config;
#[cfg(feature = "http")]
pub use progress::Progress;
#[cfg(feature = "http")]
pub use stream::{EventStream, FrameStream};
