//! The gateway, as its clients see it: over loopback, between a client and a fake Bedrock.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::expect_used, reason = "tests")]
#![allow(clippy::format_push_string, reason = "tests")]

mod claude;
mod holding_up;
mod keys;
mod names;
mod passage;
mod recordings;
mod setup;
mod translated;
