//! A gateway to Amazon Bedrock: programs that speak OpenAI's or Anthropic's form, or Bedrock's own without its
//! credentials, use Bedrock through it.
//!
//! ```no_run
//! use pumice::{Client, Config};
//! use pumice_gateway::{Options, serve};
//! use tokio::net::TcpListener;
//!
//! # async fn example() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:8790").await?;
//! let client = Client::new(Config::new().auto_profile());
//! serve(listener, client, Options::new()).await
//! # }
//! ```
//!
//! # Where a request goes
//!
//! - **Passage**: a request of Bedrock's two services is signed anew and passed on, its body and its response as they
//!   are.
//! - **Claude** in Anthropic's Messages: InvokeModel, which is exact.
//! - **Everything else**: a dialect turns its request into Converse's and the events of the response into its own.
//!   Between them is `pumice::conversation`, once for all dialects.
//!
//! `docs/gateway.md` has the set-ups of clients and what the gateway promises.

#![forbid(unsafe_code)]
#![allow(clippy::result_large_err, reason = "a call fails once at most")]

mod body;
mod chat_completions;
mod claude;
mod dialect;
mod embeddings;
mod failure;
mod gateway;
mod given;
mod guard;
mod handle;
#[doc(hidden)]
pub mod inputs;
mod json;
mod lessons;
mod media;
mod messages;
mod models;
mod names;
mod openai;
mod options;
mod own;
mod passage;
mod record;
#[cfg(test)]
mod recorded;
mod respond;
mod responses;
mod route;
mod server;
mod silence;
mod translated;
mod usage;

/// The examples of the guide, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../docs/gateway.md")]
struct Guide;

pub use guard::Key;
pub use options::Options;
pub use record::{CallRecord, Tokens};
pub use server::{Listener, serve};
