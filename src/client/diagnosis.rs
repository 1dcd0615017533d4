//! What a connection shows, and whose keys are used: for programs that say why calls fail.

use std::time::Duration;

use ::http::Request;
use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::Client;
#[cfg(feature = "chain")]
use crate::credentials::{Caller, Keys};
#[cfg(feature = "chain")]
use crate::endpoint::Service;
#[cfg(feature = "chain")]
use crate::hint::{self, Refused};
use crate::skew;
use crate::stream::in_seconds;
use crate::transport::{Http, NamedProxy, Proxies, Transport};
use crate::{Error, ErrorKind, Result};

/// What the first response of a server shows: see [`Client::reach`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reached {
    /// The HTTP status. Any means that there is a server.
    pub status: u16,
    /// How long it took, from the look-up of the name to the head of the response.
    pub took: Duration,
    /// By how many seconds this machine's clock is behind the server's; negative if it is ahead. `None` if the response
    /// does not say.
    pub clock: Option<i64>,
    /// Who issued the server's certificate: the common name and the organisation. `None` over plain http.
    pub issuer: Option<String>,
}

/// Why there was no response, and what was seen all the same.
#[derive(Debug)]
#[non_exhaustive]
pub struct Unreached {
    /// Why.
    pub error: Error,
    /// Who issued the server's certificate, if one was presented.
    pub issuer: Option<String>,
}

impl Client {
    /// Sends an empty request to a server, over a connection of its own, unsigned and without headers of the
    /// configuration. Whatever the response is, it shows that the server is there. Waits for it as the configuration
    /// says, but at most 10 seconds.
    pub async fn reach(&self, url: &str) -> Result<Reached, Unreached> {
        let config = self.config();
        let without_issuer = |error| Unreached { error, issuer: None };
        let http = Http::new(&config.0.http, &config.0.context).map_err(without_issuer)?;
        let request = Request::builder().uri(url).body(Bytes::new());
        let request =
            request.map_err(|_| without_issuer(Error::new(ErrorKind::InvalidInput, "expected a URL")))?;
        let transport: &dyn Transport = match &config.0.transport {
            Some(given) => &**given,
            None => &http,
        };
        let limit = config.0.first_byte_timeout.min(LONGEST_WAIT);
        let (started, sent) = (Instant::now(), config.0.context.now());
        let response = timeout(limit, transport.send(request)).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, format!("no response within {}", in_seconds(limit))))
        });
        match response {
            Ok(response) => Ok(Reached {
                status: response.status().as_u16(),
                took: started.elapsed(),
                clock: skew::difference(response.headers(), sent, config.0.context.now()),
                issuer: http.issuer(),
            }),
            Err(error) => Err(Unreached { error, issuer: http.issuer() }),
        }
    }

    /// The proxy that the environment, or else the configuration, names for a URL, also if `NO_PROXY` excepts that URL.
    /// `None` if none is named, and for URLs of this machine, which go through no proxy.
    ///
    /// A [transport of one's own](crate::Config::transport) may do otherwise.
    pub fn proxy_for(&self, url: &str) -> Option<NamedProxy> {
        let config = self.config();
        Proxies::new(&config.0.http, &config.0.context).describe(&url.parse().ok()?)
    }

    /// Whose access keys these are: `GetCallerIdentity` of STS, for which no identity needs a permission. STS is asked
    /// as for credentials, in the region of the calls where nothing else names one for it.
    #[cfg(feature = "chain")]
    pub async fn caller(&self, keys: &Keys) -> Result<Caller> {
        let config = self.config();
        let target = self.target(Service::Runtime, None, &config.0.context.aws_files()).await?;
        let chain = config.clone().region(target.region.name()).chain();
        let error = match Box::pin(chain.caller(keys)).await {
            Ok(caller) => return Ok(caller),
            Err(error) => error,
        };
        let refused = Refused {
            model_id: None,
            region: target.region.name(),
            link: Some("these access keys"),
            is_bearer: false,
            doubt: None,
        };
        let hint = hint::hint(&error, refused);
        Err(error.or_hint(hint))
    }
}

/// How long to wait for a response.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
