//! A gateway to Amazon Bedrock: programs that speak OpenAI's or Anthropic's form, or Bedrock's own without its
//! credentials, use Bedrock through it.

#![allow(dead_code, reason = "the dialects are being written")]

mod chat_completions;
mod dialect;
mod embeddings;
mod failure;
mod messages;
mod responses;
