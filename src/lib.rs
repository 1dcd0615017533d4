//! A lean Amazon Bedrock client, without the AWS SDK.
//!
//! [`Client::converse_stream`] asks a model and gives back an [`EventStream`], each event of which is there as
//! soon as its last byte is. Credentials, region and endpoint are found as the AWS SDKs find them, a
//! failed call is tried again until its first event, and an [`Error`] says what to do next.
//!
//! ```no_run
//! use pumice::converse::{ConverseRequest, Message};
//! use pumice::{Client, Event};
//!
//! # #[cfg(feature = "http")]
//! # async fn example() -> pumice::Result<()> {
//! let request = ConverseRequest::new("us.amazon.nova-lite-v1:0")
//!     .system("Answer in one sentence.")
//!     .message(Message::user("Why does pumice float?"));
//! let mut events = Client::from_env().converse_stream(&request).await?;
//! while let Some(event) = events.next_event().await? {
//!     if let Event::ContentBlockDelta(event) = event {
//!         print!("{}", event.delta.as_text().unwrap_or_default());
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Where things are
//!
//! - [`Client`], [`Config`]: calls; [`operation`], [`endpoint`], [`sign`] and [`retry`] are their parts.
//! - [`models`]: which models can be called, and what is known of them.
//! - `settings` (a feature of its own): the JSON5 settings file.
//! - [`converse`] and its neighbours: the API's own types, in the API's own words. Nothing that the service
//!   sends is lost because this version does not know it.
//! - [`EventStream`], [`Event`]; [`reply`] folds events into a whole response.
//! - [`conversation`]: makes a request one that the model accepts, whatever dialect it came from.
//! - [`pi`]: pi-ai's dialect, for agents: a conversation with tools and thinking in, events out.
//! - [`spelling`]: which known word a misspelt one was likely meant to be.
//! - [`credentials`], [`aws_files`], [`context`]: where credentials come from, and what the process looks like.
//! - [`transport`]: the seam to the network, with recordings and their replay.
//! - [`frame`]: the incremental reader of `application/vnd.amazon.eventstream`.
//!
//! # Features
//!
//! `http` (on by default) is the client with its transport, `settings` the settings file on top of it. With
//! neither, what is left is the codec: frames, events, types and errors, without tokio, TLS or cryptography.

#[doc(inline)]
pub use pumice_codec::{
    converse, count_tokens, foundation_model, frame, guardrail, inference_profile, invoke_model, reply, shape,
};

#[cfg(feature = "http")]
pub mod aws_files;
#[cfg(feature = "http")]
pub mod endpoint;
#[cfg(feature = "http")]
mod hint;
#[cfg(feature = "http")]
pub mod operation;
#[cfg(feature = "http")]
mod redaction;
#[cfg(feature = "http")]
mod refusal;
#[cfg(feature = "http")]
pub mod region;
#[cfg(feature = "http")]
pub mod retry;
#[cfg(feature = "http")]
mod service_url;
#[cfg(feature = "http")]
pub mod sign;
#[cfg(feature = "http")]
mod skew;
#[cfg(feature = "http")]
pub mod spelling;
#[cfg(feature = "http")]
mod url;

#[cfg(feature = "http")]
pub mod context;
#[cfg(feature = "http")]
pub mod credentials;
#[cfg(feature = "http")]
mod stream;
#[cfg(feature = "http")]
pub mod transport;

#[cfg(feature = "http")]
mod client;
#[cfg(feature = "http")]
mod config;
#[cfg(feature = "http")]
pub mod models;
#[cfg(feature = "http")]
mod progress;

#[cfg(feature = "http")]
pub mod conversation;
#[cfg(feature = "settings")]
pub mod settings;

#[cfg(feature = "http")]
pub mod pi;

#[doc(inline)]
pub use pumice_codec::{Error, ErrorKind, Event, FrameContent, Hint, Result};

#[cfg(feature = "http")]
pub use client::{Client, Identity, Overrides, Response};
#[cfg(feature = "http")]
pub use config::{Config, Headers};
#[cfg(feature = "http")]
pub use progress::Progress;
#[cfg(feature = "http")]
pub use stream::{EventStream, FrameStream, ResponseBody, TextStream};

/// The examples of the README and of the guides, compiled.
#[cfg(all(doctest, feature = "http"))]
mod guides {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/embedding.md")]
    struct Embedding;
    #[doc = include_str!("../docs/testing.md")]
    struct Testing;
}
