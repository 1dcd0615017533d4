//! HTTPS through a proxy: CONNECT, then TLS and HTTP/1.1 to the server.
//!
//! reqwest has tunnels of its own, but does not say what a proxy responds to CONNECT.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use ::http::header::{ACCEPT, HOST, HeaderValue, USER_AGENT};
use ::http::response::Parts;
use ::http::{Method, Request, Response, StatusCode, Uri};
use bytes::BytesMut;
use futures_core::Stream as _;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::body::Chunks;
use super::failure::{broken, failure, too_late};
use super::proxy::{Proxy, port};
use super::{AGENT, Body};
use crate::refusal;
use crate::{Error, ErrorKind, Result};

type Sender = SendRequest<reqwest::Body>;

/// The open tunnels of a transport that no call uses.
pub(super) struct Tunnels {
    pub(super) tls: TlsConnector,
    /// The connect timeout, and how long an idle tunnel is kept.
    pub(super) times: [Duration; 2],
    /// By the address of the server.
    pub(super) idle: Mutex<Vec<(String, Sender, Instant)>>,
}

impl Tunnels {
    /// Sends a request through the proxy that this client is for.
    pub(super) async fn send(
        &self,
        mut request: Request<reqwest::Body>,
        client: &reqwest::Client,
        proxy: &Proxy,
    ) -> Result<Response<Body>> {
        let url = std::mem::take(request.uri_mut());
        let authority = url.authority().map_or("", |authority| authority.as_str());
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_str(authority).unwrap_or(HeaderValue::from_static("")));
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        if let Some(path) = url.path_and_query() {
            *request.uri_mut() = Uri::from(path.clone());
        }
        let server = format!("{}:{}", url.host().unwrap_or_default(), port(&url));
        let [connect_timeout, _] = self.times;
        loop {
            let idle = self.take(&server);
            let is_new = idle.is_none();
            let mut sender = if let Some(sender) = idle {
                sender
            } else {
                let opened = timeout(connect_timeout, self.open(&server, client, proxy)).await;
                opened.map_err(|_| too_late(&format!("{server} through {}", proxy.shown())))??
            };
            match sender.try_send_request(request).await {
                Ok(response) => {
                    self.idle().push((server, sender, Instant::now()));
                    return Ok(response.map(|body| Box::pin(Chunks(reqwest::Body::wrap(body))) as Body));
                }
                Err(mut error) => match error.take_message() {
                    // The tunnel was closed while it was idle, and nothing was sent.
                    Some(unsent) if !is_new => request = unsent,
                    _ => return Err(broken(Box::new(error.into_error()), None)),
                },
            }
        }
    }

    /// An idle tunnel to a server.
    fn take(&self, server: &str) -> Option<Sender> {
        let [_, longest] = self.times;
        let mut idle = self.idle();
        idle.retain(|(_, sender, since)| !sender.is_closed() && since.elapsed() < longest);
        let found = idle.iter().position(|(to, sender, _)| to == server && sender.is_ready())?;
        Some(idle.swap_remove(found).1)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<(String, Sender, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(&self, server: &str, client: &reqwest::Client, proxy: &Proxy) -> Result<Sender> {
        let request = Request::builder().method(Method::CONNECT).uri(format!("http://{server}/"));
        let request = request.body("").map(TryInto::try_into);
        let request =
            request.map_err(|_| Error::new(ErrorKind::InvalidInput, "expected the URL of a server"))?;
        let request = request.map_err(|error| failure(error, None))?;
        let response = client.execute(request).await.map_err(|error| failure(error, Some(proxy)))?;
        if !response.status().is_success() {
            let (head, body) = Response::from(response).into_parts();
            return Err(refused(&head, Box::pin(Chunks(body)), proxy, server).await);
        }
        let unsent = |error| broken(error, Some(server));
        let stream = response.upgrade().await.map_err(|error| unsent(Box::new(error)))?;
        let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host).map_err(|error| unsent(Box::new(error)))?;
        let stream = self.tls.connect(name, stream).await.map_err(|error| unsent(Box::new(error)))?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| unsent(Box::new(error)))?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// The error of a proxy that does not let a request through.
pub(super) async fn refused(head: &Parts, mut body: Body, proxy: &Proxy, server: &str) -> Error {
    let mut text = BytesMut::new();
    let reading = async {
        while text.len() < LONGEST_TEXT
            && let Some(Ok(bytes)) = std::future::poll_fn(|task| Pin::new(&mut body).poll_next(task)).await
        {
            text.extend_from_slice(&bytes);
        }
    };
    // What has arrived by then is enough.
    let _ = timeout(LONGEST_WAIT, reading).await;
    let (kind, hint) = match head.status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED | StatusCode::UNAUTHORIZED => (
            ErrorKind::AccessDenied,
            if proxy.has_user() {
                "check the user and the password in the proxy's URL: http://USER:PASSWORD@HOST:PORT, with special \
                 characters percent-encoded (# as %23, @ as %40)"
            } else {
                "put the user and the password into the proxy's URL: http://USER:PASSWORD@HOST:PORT, with \
                 special characters percent-encoded (# as %23, @ as %40)"
            },
        ),
        StatusCode::FORBIDDEN => (
            ErrorKind::AccessDenied,
            "have the proxy allow this server, or name the server in NO_PROXY if it can be reached without the proxy",
        ),
        _ => (ErrorKind::Connect, "check the proxy, and whether it can reach the server"),
    };
    let said = refusal::error(head, &text, SystemTime::UNIX_EPOCH);
    let message = format!("{} does not connect to {server}: {}", proxy.shown(), said.message());
    Error::new(kind, message)
        .with_status(head.status.as_u16())
        .with_retryable(said.is_retryable())
        .with_hint(hint)
}

/// How much of a proxy's text is read, in bytes, and for how long.
const LONGEST_TEXT: usize = 16 * 1024;
const LONGEST_WAIT: Duration = Duration::from_secs(1);
