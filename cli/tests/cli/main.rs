//! The program, as its users run it.

mod asked;
mod at_once;
#[cfg(feature = "bulk")]
mod batch;
#[cfg(feature = "bulk")]
mod bulk;
mod cached_keys;
mod call;
mod chat;
mod cli_models;
mod credentials;
mod decode;
mod doctor;
mod embed;
mod faults;
mod files;
mod fixtures;
mod hints;
mod killed;
mod numbers;
mod program;
mod saved;
mod secrets;
#[cfg(feature = "gateway")]
mod serve;
mod signals;
mod stream;
mod stream_session;
mod terminal;
mod tls;
mod token;
mod untrusted;
mod vectors;
