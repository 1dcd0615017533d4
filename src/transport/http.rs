//! HTTP over the network: reqwest on rustls.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use ::http::uri::Scheme;
use ::http::{Request, StatusCode};
use aws_credential_types::Token;
use bytes::Bytes;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::Semaphore;

use super::body::{Chunks, Watched};
use super::failure::failure;
use super::proxy::{Proxies, Proxy};
use super::roots::{self, Roots};
use super::tunnel::{Tunnels, refused};
use super::{AGENT, Body, Transport, TransportFuture, Unsent};
use crate::context::{Context, bounded, on_own_thread};
use crate::url::is_loopback;
use crate::{Error, ErrorKind, Result};

/// How [`Http`] connects.
///
/// `Debug` shows neither proxy nor certificates.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpConfig {
    /// Limit for making a connection, TLS included. Default: 10 seconds. [`Duration::MAX`] means no limit.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept for the next call. Default: 60 seconds. [`Duration::MAX`] means no limit.
    pub pool_idle_timeout: Duration,
    /// Whether to use the proxies that the environment names. Default: `true`.
    pub proxies: bool,
    /// The URL of a proxy to use if the environment names none, or is not to be asked.
    pub proxy: Option<String>,
    /// A file of certificate authorities, trusted instead of all others if `AWS_CA_BUNDLE` is not set: `ca_bundle` of a
    /// profile.
    pub ca_bundle: Option<PathBuf>,
    /// Certificate authorities in PEM form, trusted instead of all others if environment and profile name none.
    pub authorities: Option<String>,
    /// The client's own certificate with its chain and its unencrypted key, in PEM form, for mutual TLS.
    #[cfg(feature = "client-certificates")]
    pub client_certificate: Option<(String, String)>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            pool_idle_timeout: Duration::from_mins(1),
            proxies: true,
            proxy: None,
            ca_bundle: None,
            authorities: None,
            #[cfg(feature = "client-certificates")]
            client_certificate: None,
        }
    }
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig").field("connect_timeout", &self.connect_timeout).finish_non_exhaustive()
    }
}

/// The network: HTTP/1.1, with TLS 1.2 and 1.3.
///
/// The environment names proxies: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, also in lower case. Requests
/// to this machine use none.
///
/// The environment also names certificate authorities: `AWS_CA_BUNDLE`, or else [`HttpConfig::ca_bundle`], or else
/// `SSL_CERT_FILE` and `SSL_CERT_DIR`. If one of them is set, no others are trusted. Otherwise Amazon's are, which are built in, and the system's, which
/// are read only if a server's chain does not end in one of Amazon's.
///
/// Certificates are always verified.
#[derive(Debug, Clone)]
pub struct Http {
    shared: Arc<Shared>,
    pub(crate) proxy_secrets: Vec<Token>,
    /// A fake context reaches only this machine.
    loopback_only: bool,
}

impl Http {
    /// A transport with its own pool of connections. A file of certificates is read, and the URL of a proxy checked, by
    /// the first call that needs it.
    pub fn new(config: &HttpConfig, context: &Context) -> Result<Self> {
        Self::with_lookup(config, context, |name| Ok((name, 0).to_socket_addrs()?.collect()))
    }

    fn with_lookup(config: &HttpConfig, context: &Context, lookup: Lookup) -> Result<Self> {
        let roots = Arc::new(Roots::new(context, config.ca_bundle.as_deref(), config.authorities.clone()));
        let proxies = Proxies::new(config, context);
        #[cfg(feature = "client-certificates")]
        let client_certificate = config.client_certificate.as_ref();
        #[cfg(not(feature = "client-certificates"))]
        let client_certificate = None;
        let tls = Arc::new(roots::tls_config(&roots, client_certificate)?);
        let resolver = Resolver { lookup, room: Arc::new(Semaphore::new(MOST_LOOKUPS)) };
        let times = [config.connect_timeout, config.pool_idle_timeout].map(bounded);
        let settings = Settings { tls, resolver: Arc::new(resolver), times };
        let proxy_secrets = proxies.secrets();
        let loopback_only = context.is_fake() && proxies.is_empty();
        let direct = settings.client(None)?;
        let tunnels = Tunnels { tls: Arc::clone(&settings.tls).into(), times, idle: Mutex::default() };
        let shared =
            Shared { settings, tunnels, roots, proxies, proxied: [const { OnceLock::new() }; 3], direct };
        Ok(Self { shared: Arc::new(shared), proxy_secrets, loopback_only })
    }
}

/// What the clones of a transport share.
struct Shared {
    settings: Settings,
    roots: Arc<Roots>,
    direct: reqwest::Client,
    tunnels: Tunnels,
    proxies: Proxies,
    /// The clients for each proxy, created on first use.
    proxied: [OnceLock<reqwest::Client>; 3],
}

impl Shared {
    async fn send(&self, request: Request<Bytes>) -> Result<::http::Response<Body>> {
        let url = request.uri();
        let is_https = url.scheme() == Some(&Scheme::HTTPS);
        if is_https {
            self.roots.first()?;
        }
        let position = self.proxies.position(url);
        let proxy = position.and_then(|position| self.proxies.get(position));
        let client = match proxy.zip(position.and_then(|position| self.proxied.get(position))) {
            Some((proxy, created)) => self.client_for(proxy, created)?,
            None => &self.direct,
        };
        let server = url.authority().map_or_else(String::new, ToString::to_string);
        let unsent = request.extensions().get::<Unsent>().cloned();
        let request = request.map(|body| match unsent {
            Some(unsent) if !body.is_empty() => {
                unsent.set(true);
                reqwest::Body::wrap(Watched { body: Some(body), unsent })
            }
            _ => body.into(),
        });
        if let (Some(proxy), true) = (proxy, is_https) {
            return self.tunnels.send(request, client, proxy).await;
        }
        let request = request.try_into().map_err(|error| failure(error, None))?;
        let response = client.execute(request).await.map_err(|error| failure(error, proxy))?;
        let (head, body) = ::http::Response::from(response).into_parts();
        let body = Box::pin(Chunks(body)) as Body;
        match proxy {
            // Only a proxy responds with it.
            Some(proxy) if head.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                Err(refused(&head, body, proxy, &server).await)
            }
            _ => Ok(::http::Response::from_parts(head, body)),
        }
    }

    fn client_for<'a>(
        &self,
        proxy: &Proxy,
        created: &'a OnceLock<reqwest::Client>,
    ) -> Result<&'a reqwest::Client> {
        if let Some(client) = created.get() {
            return Ok(client);
        }
        let url = proxy.url()?;
        if url.scheme() == "https" {
            self.roots.first()?;
        }
        let client = self.settings.client(Some(url))?;
        Ok(created.get_or_init(|| client))
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

/// What the clients of a transport are created from.
struct Settings {
    tls: Arc<rustls::ClientConfig>,
    resolver: Arc<Resolver>,
    /// The connect timeout, and how long an idle connection is kept.
    times: [Duration; 2],
}

impl Settings {
    fn client(&self, proxy: Option<Url>) -> Result<reqwest::Client> {
        let [connect, idle] = self.times;
        let not_set_up = |error: reqwest::Error| {
            Error::new(ErrorKind::Connect, "the HTTP client could not be set up")
                .with_source(error.without_url())
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(rustls::ClientConfig::clone(&self.tls))
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(AGENT)
            .connect_timeout(connect)
            .pool_idle_timeout(idle)
            .dns_resolver(Arc::clone(&self.resolver))
            // Proxies come from the context, not from the process's environment.
            .no_proxy();
        if let Some(url) = proxy {
            builder = builder.proxy(reqwest::Proxy::all(url).map_err(not_set_up)?);
        }
        builder.build().map_err(not_set_up)
    }
}

impl Http {
    /// Who issued the certificate that a server presented last, whether it was accepted or not: the common name and the
    /// organisation of the authority.
    pub fn issuer(&self) -> Option<String> {
        self.shared.roots.issuer()
    }
}

impl Transport for Http {
    fn send(&self, request: Request<Bytes>) -> TransportFuture<'_> {
        Box::pin(async move {
            if self.loopback_only && !request.uri().host().is_some_and(is_loopback) {
                let message = "a fake context reaches no network except this machine";
                return Err(Error::new(ErrorKind::Connect, message).with_retryable(false));
            }
            self.shared.send(request).await
        })
    }
}

/// Resolves names on threads of its own: the system's resolver cannot be interrupted, may take more than a minute,
/// and a runtime waits for its own threads when it is dropped.
struct Resolver {
    lookup: Lookup,
    room: Arc<Semaphore>,
}

type Lookup = fn(&str) -> io::Result<Vec<SocketAddr>>;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, room) = (self.lookup, Arc::clone(&self.room));
        Box::pin(async move {
            let place = room.acquire_owned().await?;
            let found = on_own_thread(move || {
                let _place = place;
                lookup(name.as_str())
            });
            Ok(Box::new(found.await?.into_iter()) as Addrs)
        })
    }
}

/// The secrets in the URLs of the proxies that a transport of this configuration uses.
pub(crate) fn proxy_secrets(config: &HttpConfig, context: &Context) -> Vec<Token> {
    Proxies::new(config, context).secrets()
}

/// Names resolved at the same time, each on a thread of its own.
const MOST_LOOKUPS: usize = 64;

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    #[test]
    fn a_resolver_that_never_responds_blocks_neither_call_nor_runtime() {
        let never: Lookup = |_| {
            loop {
                thread::park();
            }
        };
        let (done, ended) = channel();
        thread::spawn(move || {
            let config = HttpConfig { connect_timeout: Duration::from_millis(50), ..HttpConfig::default() };
            let http = Http::with_lookup(&config, &Context::fake(), never).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let request = Request::get("http://localhost/").body(Bytes::new()).unwrap();
            let result = runtime.block_on(http.send(request)).map(drop);
            drop(runtime);
            done.send(result.unwrap_err().kind())
        });
        assert_eq!(ended.recv_timeout(Duration::from_mins(1)).unwrap(), ErrorKind::Connect);
    }
}
