//! The seam to the network: one method to implement.
//!
//! [`Http`] sends for real, [`Recorder`] writes down what another transport does, [`Replay`] answers
//! from such a recording. A program's own tests put a transport of theirs in the same place.

mod http;
mod provider;
mod record;
mod recording;
mod replay;
mod roots;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use ::http::{Request, Response};
use bytes::Bytes;
use futures_core::Stream;

pub(crate) use self::http::proxy_secrets;
pub use self::http::{Http, HttpConfig};
pub use self::record::Recorder;
pub use self::replay::Replay;
use crate::Result;

/// Sends a request and gives back the answer as soon as its head has come.
///
/// The request is signed and complete; its extensions hold the [`Operation`](crate::operation::Operation)
/// that is called. An answer of whatever status is an `Ok`. A transport neither retries nor follows
/// redirects, and dropping what it gave back ends the exchange and closes the connection.
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends one request.
    fn send(&self, request: Request<Bytes>) -> Sending<'_>;

    /// Whether requests go over a network, so that none with a secret in it may go over plain `http`. Yes, unless
    /// implemented otherwise.
    fn is_network(&self) -> bool {
        true
    }
}

/// An answer on its way.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>>> + Send + 'a>>;

/// The body of an answer, in the pieces that it comes in. After an error nothing follows.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;
