//! A lean Amazon Bedrock client, without the AWS SDK.
//!
//! [`Client::converse_stream`] calls a model and returns an [`EventStream`], which delivers each event as soon as
//! its last byte has arrived. Credentials, region and endpoint are found as the AWS SDKs find them, a failed call is
//! retried until its first event, and an [`Error`] says what to do next.
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
//! # Modules
//!
//! - [`Client`], [`Config`], [`Overrides`]: calls. [`operation`], [`endpoint`], [`sign`] and [`retry`] are their parts.
//! - [`converse`], [`invoke_model`] and the other modules of the API: its types, under its own names. A member, event
//!   or value that this version does not know is kept.
//! - [`EventStream`], [`Event`]: a response as it arrives. [`reply`] folds events into a whole response.
//! - [`Error`], [`ErrorKind`], [`Hint`]: what failed, whether a retry can help, what to do next.
//! - [`date`]: dates of RFC 3339 and of HTTP.
//! - [`credentials`], [`aws_files`], [`context`]: where credentials come from; environment, files and clock.
//! - [`transport`]: the one trait between client and network; recordings and their replay.
//! - [`embedding`]: the requests and responses of embedding models.
//! - [`models`]: which models can be called, and what is known of them.
//! - [`conversation`]: changes a request into one that the model accepts.
//! - [`pi`]: pi-ai's form of conversations and events, for agents.
//! - `bulk` (a feature): many requests, and lines of files of them; `s3`, for files of batch jobs.
//! - `settings` (a feature): the JSON5 settings file.
//! - [`spelling`]: what a misspelt word was meant to be.
//! - [`region`]: which region is called, and what named it.
//! - [`frame`]: the incremental reader of `application/vnd.amazon.eventstream`.
//!
//! # Features
//!
//! - `http` (default): the client.
//! - `chain` (default): credentials that are found, and the AWS files. Without it, credentials are given in code:
//!   [`Config::access_keys`], [`Config::bearer_token`] or [`Config::credentials`]. The chain and its settings in
//!   [`Config`] are absent, and so are `Client::caller` and what [`Context`](context::Context) says of the AWS files.
//! - `client-certificates` (default): [`HttpConfig::client_certificate`](transport::HttpConfig), for mutual TLS.
//! - `settings`: the JSON5 settings file. It includes `chain` and `client-certificates`.
//! - `bulk`: many requests at once, from files; files in S3.
//! - `tracing`: a span for each call and an event for each of its steps, with the crate `tracing`.
//!
//! Without any of them, only the codec is left: frames, events, types and errors, without tokio, TLS or
//! cryptography.
//!
//! # Examples
//!
//! The folder `examples` has programs to copy: keys, providers and transports of your own, many calls at once,
//! structured output, embeddings, a tool loop. `docs/embedding.md` describes them.

#![cfg_attr(docsrs, feature(doc_cfg))]
// docs.rs has all features.
#![cfg_attr(not(feature = "chain"), allow(rustdoc::broken_intra_doc_links))]
#![forbid(unsafe_code)]

#[doc(inline)]
pub use pumice_codec::{
    converse, count_tokens, foundation_model, frame, guardrail, inference_profile, invoke_model,
    model_access, model_invocation_job, reply, shape,
};

#[cfg(feature = "http")]
pub mod aws_files;
#[cfg(feature = "http")]
pub mod date;
#[cfg(feature = "http")]
pub mod embedding;
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
#[cfg(any(feature = "bulk", feature = "chain"))]
mod xml;

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
#[cfg(feature = "bulk")]
pub mod s3;

#[cfg(feature = "bulk")]
pub mod bulk;
#[cfg(feature = "http")]
pub mod conversation;
#[cfg(feature = "settings")]
pub mod settings;

#[cfg(feature = "http")]
pub mod pi;

#[doc(inline)]
pub use pumice_codec::{Error, ErrorKind, Event, FrameContent, Hint, Result};

#[cfg(feature = "http")]
pub use client::{Client, Identity, Overrides, Reached, Response, Unreached};
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
