//! The server: connections and their limits, and how it stops.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::Poll;
use std::time::Duration;

use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pumice::settings::Clients;
use pumice::transport::Replay;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::guard::Key;
use crate::handle::Gateway;
use crate::record::{CallRecord, Log};

/// Where the gateway listens.
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A Unix socket. Whoever may open it may call: there are no foreign hosts.
    #[cfg(unix)]
    Unix(UnixListener),
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::Unix(listener)
    }
}

/// How the gateway serves.
///
/// `Debug` shows no secret.
pub struct Options {
    pub(crate) keys: Vec<Key>,
    pub(crate) hosts: Vec<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) log: Option<Arc<Log>>,
    pub(crate) retries: Option<Arc<AtomicU64>>,
    pub(crate) replay: Option<Arc<Replay>>,
    max_connections: usize,
    stop: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Default for Options {
    fn default() -> Self {
        Self::new()
    }
}

impl Options {
    /// No keys, own hosts and origins alone, 1024 connections, no log.
    pub fn new() -> Self {
        Self {
            keys: Vec::new(),
            hosts: Vec::new(),
            origins: Vec::new(),
            log: None,
            retries: None,
            replay: None,
            max_connections: MOST_CONNECTIONS,
            stop: None,
        }
    }

    /// Adds a key. With at least one, every call needs one.
    pub fn key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// Adds a name that the gateway is called by, as in `Host`, without a port. Loopback names and the address that
    /// the connection was made to are always allowed.
    pub fn allow_host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// Adds an origin whose pages may call: `https://app.example`.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// The most connections at a time. Others get 503.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.max_connections = most;
        self
    }

    /// Sets a function that gets each call when it has ended.
    pub fn log(mut self, log: impl Fn(&CallRecord) + Send + Sync + 'static) -> Self {
        self.log = Some(Arc::new(log));
        self
    }

    /// A counter of retries for the metrics, which [`Config::watch`](pumice::Config::watch) is to raise with each
    /// [`Progress::Retrying`](pumice::Progress::Retrying).
    pub fn retries(mut self, retries: Arc<AtomicU64>) -> Self {
        self.retries = Some(retries);
        self
    }

    /// The client replays this recording: no list of models is asked for, and any name of a model does. The dialects
    /// are served by recorded calls of Converse and ConverseStream alike.
    pub fn replays(mut self, replay: Arc<Replay>) -> Self {
        self.replay = Some(replay);
        self
    }

    /// Stops when this is ready: accepts no further connection, lets calls under way end, and returns when they have,
    /// after 30 seconds at most.
    pub fn stop(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.stop = Some(Box::pin(stop));
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("keys", &self.keys)
            .field("hosts", &self.hosts)
            .field("origins", &self.origins)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}

/// Serves until [`Options::stop`] is ready. Dropping the future ends every connection at once.
///
/// Runs in a tokio runtime with `enable_all`, current-thread or multi-thread. The client should have
/// [`Config::auto_profile`](pumice::Config::auto_profile): programs name models that only an inference profile serves.
///
/// Fails only if connections can no longer be accepted.
pub async fn serve(
    listener: impl Into<Listener>,
    client: impl Into<Clients>,
    options: Options,
) -> io::Result<()> {
    // size: one copy of the loop, whatever the arguments are.
    Box::pin(run(listener.into(), client.into(), options)).await
}

async fn run(listener: Listener, clients: Clients, mut options: Options) -> io::Result<()> {
    let most = options.max_connections;
    let mut stop = options.stop.take().unwrap_or_else(|| Box::pin(std::future::pending()));
    let gateway = Arc::new(Gateway::new(clients, options));
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    // Connections over the limit, which are told so.
    let mut refused = JoinSet::new();
    loop {
        let accepted = poll_fn(|task| {
            // What has ended is let go.
            while let Poll::Ready(Some(_)) = connections.poll_join_next(task) {}
            while let Poll::Ready(Some(_)) = refused.poll_join_next(task) {}
            if stop.as_mut().poll(task).is_ready() {
                return Poll::Ready(None);
            }
            match &listener {
                Listener::Tcp(listener) => listener.poll_accept(task).map(|accepted| {
                    Some(accepted.map(|(stream, _)| {
                        let _ = stream.set_nodelay(true);
                        let local = stream.local_addr().ok().map(|address| address.ip());
                        (Stream::Tcp(stream), local)
                    }))
                }),
                #[cfg(unix)]
                Listener::Unix(listener) => listener
                    .poll_accept(task)
                    .map(|accepted| Some(accepted.map(|(stream, _)| (Stream::Unix(stream), None)))),
            }
        });
        let (stream, local) = match accepted.await {
            None => break,
            Some(Ok(accepted)) => accepted,
            // Of the connection that was to be accepted, or of open files: others can be accepted later.
            Some(Err(_)) => {
                sleep(PAUSE).await;
                continue;
            }
        };
        if connections.len() >= most {
            if refused.len() < MOST_REFUSED {
                refused.spawn(timeout(LONGEST_REFUSAL, refuse(stream)));
            }
            continue;
        }
        connections.spawn(connection(stream, local, Arc::clone(&gateway), stopped.clone()));
    }
    drop(listener);
    gateway.stop();
    let _ = stopping.send(true);
    let _ = timeout(LONGEST_STOP, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

/// An accepted connection.
enum Stream {
    Tcp(tokio::net::TcpStream),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
}

async fn connection(
    stream: Stream,
    local: Option<IpAddr>,
    gateway: Arc<Gateway>,
    stopped: watch::Receiver<bool>,
) {
    match stream {
        Stream::Tcp(stream) => converse(TokioIo::new(stream), local, gateway, stopped).await,
        #[cfg(unix)]
        Stream::Unix(stream) => converse(TokioIo::new(stream), local, gateway, stopped).await,
    }
}

/// The requests of one connection.
async fn converse<S: Read + Write + Unpin>(
    stream: S,
    local: Option<IpAddr>,
    gateway: Arc<Gateway>,
    mut stopped: watch::Receiver<bool>,
) {
    let service = service_fn(|request| {
        let gateway = Arc::clone(&gateway);
        async move { Ok::<_, std::convert::Infallible>(gateway.handle(request, local).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(LONGEST_HEAD)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(stream, service);
    let mut connection = pin!(connection);
    let mut stopping = pin!(stopped.changed());
    let mut is_stopping = false;
    // A connection that fails has no one to tell.
    let _ = poll_fn(|task| {
        if !is_stopping && stopping.as_mut().poll(task).is_ready() {
            is_stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(task)
    })
    .await;
}

/// Says that there are too many connections.
async fn refuse(stream: Stream) {
    async fn with(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        if stream.write_all(TOO_MANY).await.is_ok() && stream.shutdown().await.is_ok() {
            // Unread bytes would reset the connection before the client has read the response.
            let mut rest = [0; 1024];
            while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
        }
    }
    match stream {
        Stream::Tcp(stream) => with(stream).await,
        #[cfg(unix)]
        Stream::Unix(stream) => with(stream).await,
    }
}

const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n\
connection: close\r\ncontent-length: 122\r\n\r\n\
{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"too many connections; try again in a second\",\
\"code\":null}}\r\n";
const MOST_CONNECTIONS: usize = 1024;
/// How long the head of a request may take.
const LONGEST_HEAD: Duration = Duration::from_secs(30);
/// The most bytes of a request's head, and of a response that the client does not read.
pub(crate) const LARGEST_HEAD: usize = 64 * 1024;
/// How long calls under way may take when the gateway stops.
const LONGEST_STOP: Duration = Duration::from_secs(30);
/// How long to wait when no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(50);
/// The most connections over the limit that are told so at a time.
const MOST_REFUSED: usize = 64;
const LONGEST_REFUSAL: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    #[test]
    fn the_refusal_of_a_connection_is_whole() {
        let text = std::str::from_utf8(super::TOO_MANY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        serde_json::from_str::<serde_json::Value>(body).unwrap();
    }
}
