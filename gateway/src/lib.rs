//! A gateway to Amazon Bedrock: programs that speak OpenAI's or Anthropic's form, or Bedrock's own without its
//! credentials, use Bedrock through it.

#![allow(dead_code, reason = "the dialects are being written")]
#![allow(clippy::result_large_err, reason = "a call fails once at most")]

mod chat_completions;
mod dialect;
mod embeddings;
mod failure;
mod given;
mod json;
mod media;
mod messages;
#[cfg(test)]
mod recorded;
mod responses;
