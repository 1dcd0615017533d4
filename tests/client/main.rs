//! The client: calls, credentials, endpoints, recordings, settings and the list of models.

mod aws_files;
mod bearer;
#[cfg(feature = "bulk")]
mod bulk;
mod calls;
mod choice;
mod client;
mod credentials;
mod disk_cache;
mod endpoint;
mod errors;
mod event;
mod examples;
mod imports;
mod inputs;
mod model;
mod models;
mod profiles;
mod providers;
mod recording;
mod requests;
mod responses;
mod s3;
mod services;
mod settings;
#[cfg(feature = "tracing")]
mod tracing;
