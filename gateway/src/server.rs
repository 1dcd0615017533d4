//! The server: connections and their limits, and how it stops.

use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pumice::settings::Clients;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::gateway::Gateway;
use crate::handle::LARGEST_HEAD;
use crate::options::Options;

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

/// How long the head of a request may take.
const LONGEST_HEAD: Duration = Duration::from_secs(30);

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
