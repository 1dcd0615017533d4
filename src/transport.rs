//! What sends requests: one method to implement.
//!
//! [`Http`] sends over the network, [`Recorder`] writes a recording of another transport, [`Replay`] responds from
//! one. [`Config::transport`](crate::Config::transport) takes any of them, or one of your own.

mod body;
mod failure;
mod http;
mod provider;
mod proxy;
mod record;
mod recording;
mod replay;
mod roots;
mod tunnel;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::http::{Request, Response};
use bytes::Bytes;
use futures_core::Stream;

pub(crate) use self::http::proxy_secrets;
pub use self::http::{Http, HttpConfig};
pub use self::proxy::NamedProxy;
pub(crate) use self::proxy::Proxies;
pub use self::record::Recorder;
pub use self::replay::Replay;
use crate::{Error, ErrorKind, Result};

/// Sends a request and returns the response when its head has arrived.
///
/// The request is complete and signed. Its extensions hold the [`Operation`](crate::operation::Operation) that is
/// called, if it is one. A response is `Ok` whatever its status. A transport neither retries nor follows redirects.
/// Dropping the future or the body closes the connection.
///
/// An implementation makes its errors with [`Error::new`](crate::Error::new), or with `?` from [`std::io::Error`].
/// [`Connect`](crate::ErrorKind::Connect) means that nothing was sent. After [`Timeout`](crate::ErrorKind::Timeout)
/// and [`BrokenOff`](crate::ErrorKind::BrokenOff) a model may be working on the request, and the client does not send it
/// again. It retries the other errors that are [retryable](crate::Error::is_retryable).
///
/// # Examples
///
/// A response without a network:
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use pumice::transport::{Body, TransportFuture, Transport};
///
/// #[derive(Debug)]
/// struct Teapot;
///
/// impl Transport for Teapot {
///     fn send(&self, _request: Request<Bytes>) -> TransportFuture<'_> {
///         Box::pin(async {
///             let mut response = Response::new(Box::pin(NoBody) as Body);
///             *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
///             Ok(response)
///         })
///     }
/// }
///
/// struct NoBody;
///
/// impl futures_core::Stream for NoBody {
///     type Item = pumice::Result<Bytes>;
///
///     fn poll_next(
///         self: std::pin::Pin<&mut Self>,
///         _: &mut std::task::Context<'_>,
///     ) -> std::task::Poll<Option<Self::Item>> {
///         std::task::Poll::Ready(None)
///     }
/// }
/// ```
pub trait Transport: fmt::Debug + Send + Sync {
    /// Sends one request.
    fn send(&self, request: Request<Bytes>) -> TransportFuture<'_>;

    /// Whether requests leave this process for a network. If so, a request with a secret may not go over plain
    /// `http` to another machine. The default is `true`.
    fn is_network(&self) -> bool {
        true
    }
}

/// A response that has not arrived yet.
pub type TransportFuture<'a> = Pin<Box<dyn Future<Output = Result<Response<Body>>> + Send + 'a>>;

/// The body of a response, in the chunks in which it arrives. Nothing follows an error.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// In a request's extensions: whether the transport knows that the body has not been sent. A transport that does not
/// know leaves it alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unsent(Arc<AtomicBool>);

impl Unsent {
    fn set(&self, unsent: bool) {
        self.0.store(unsent, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The error of a body that is longer than this many bytes.
pub(crate) fn too_long(longest: usize) -> Error {
    let message = format!("expected a response of at most {longest} bytes, found a longer one");
    Error::new(ErrorKind::Damaged, message)
}

/// Who calls, for the server.
const AGENT: &str = concat!("pumice/", env!("CARGO_PKG_VERSION"));
