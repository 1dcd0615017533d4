//! What a client is made of.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Token;
use http::HeaderMap;

use crate::context::Context;
use crate::endpoint::{Endpoint, EndpointSettings, Region, RegionSource, Service};
use crate::error::Result;
use crate::progress::{Progress, Watcher};
use crate::retry::Retry;
use crate::transport::Transport;

/// The settings of a [`Client`](crate::Client): what is not set here is looked for in the environment and in
/// the profile.
///
/// ```
/// use pumice::{Client, Config};
///
/// let client = Client::new(Config::new().region("eu-central-1").profile("work"));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    pub(crate) region: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) bearer_token: Option<Token>,
    pub(crate) headers: HeaderMap,
    pub(crate) endpoint_url: Option<String>,
    pub(crate) connect_timeout: Duration,
    pub(crate) first_byte_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) retry: Option<Retry>,
    pub(crate) authorised: bool,
    pub(crate) transport: Option<Arc<dyn Transport>>,
    pub(crate) context: Context,
    pub(crate) watcher: Watcher,
}

impl Config {
    /// Everything as the environment and the AWS files say.
    pub fn new() -> Self {
        Self {
            region: None,
            profile: None,
            bearer_token: None,
            headers: HeaderMap::new(),
            endpoint_url: None,
            connect_timeout: Duration::from_secs(10),
            first_byte_timeout: DEFAULT_SILENCE,
            idle_timeout: DEFAULT_SILENCE,
            retry: None,
            authorised: true,
            transport: None,
            context: Context::real(),
            watcher: Watcher::default(),
        }
    }

    /// The region to call. Otherwise it is that of the model's ARN, of `AWS_REGION`, of
    /// `AWS_DEFAULT_REGION` or of the profile, and at last `us-east-1`. A region in an ARN counts before this one.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// The profile to take region and credentials from, before those of the environment.
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.profile = Some(profile.into());
        self
    }

    /// A Bedrock API key, in place of all other credentials.
    pub fn bearer_token(mut self, token: impl Into<String>) -> Self {
        self.bearer_token = Some(Token::new(token, None));
        self
    }

    /// Headers that every request has beside its own, which count before these. They are signed too.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.headers = headers;
        self
    }

    /// The URL of the runtime: a gateway, a VPC endpoint, a server for tests.
    pub fn endpoint_url(mut self, url: impl Into<String>) -> Self {
        self.endpoint_url = Some(url.into());
        self
    }

    /// The longest that a connection may take to be made, TLS included. 10 seconds unless set.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The longest to wait for the head of an answer. 300 seconds unless set.
    pub fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.first_byte_timeout = timeout;
        self
    }

    /// The longest silence within an answer. 300 seconds unless set: a model may think for minutes.
    /// There is no limit to the whole.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// When to try again. Otherwise [`Retry::standard`], with the attempts that `AWS_MAX_ATTEMPTS` or the
    /// profile's `max_attempts` names.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = Some(retry);
        self
    }

    /// What sends the requests, in place of the network.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Sends requests as they are, with no credentials and no signature: to a recording, or to a gateway
    /// that authorises them itself. None are looked for.
    pub fn unauthorised(mut self) -> Self {
        self.authorised = false;
        self
    }

    /// The world that the client looks at, in place of the real one.
    pub fn context(mut self, context: Context) -> Self {
        self.context = context;
        self
    }

    /// Is told of what the client does, as it does it: for logs.
    pub fn watch(mut self, watcher: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.watcher = Watcher(Some(Arc::new(watcher)));
        self
    }

    /// Where calls go, by everything that has a say in it. `model_region` is that of the model's ARN.
    pub(crate) fn place(&self, model_region: Option<&str>) -> Result<Place> {
        let profiles = self.context.profiles()?;
        let profile = profiles.profile(&self.context.profile_name(self.profile.as_deref()));
        let profile = profile.map(|section| (&profiles, section));
        let env = |name: &str| self.context.env(name);

        let named = |name: &str, source| Region::new(name, source);
        let region = model_region
            .map(|region| named(region, RegionSource::ModelArn))
            .or_else(|| self.region.as_deref().map(|region| named(region, RegionSource::Given)))
            .or_else(|| Region::resolve(profile, env))
            .unwrap_or_else(|| named(DEFAULT_REGION, RegionSource::Default));
        let endpoint = |service, url| {
            let settings =
                EndpointSettings { url, region: Some(region.name()), profile, ..Default::default() };
            Endpoint::resolve(service, &settings, env)
        };
        Ok(Place {
            runtime: endpoint(Service::Runtime, self.endpoint_url.as_deref())?,
            control: endpoint(Service::Control, None)?,
            max_attempts: self.max_attempts(|key| profile?.1.non_blank(key)),
            region,
        })
    }

    /// A setting that is not a number counts as none, as in the SDKs.
    fn max_attempts<'a>(&self, profile: impl Fn(&str) -> Option<&'a str>) -> Option<u32> {
        let set = self.context.env("AWS_MAX_ATTEMPTS").or_else(|| profile("max_attempts").map(str::to_owned));
        set?.parse().ok()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// Where calls go.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) region: Region,
    pub(crate) runtime: Endpoint,
    pub(crate) control: Endpoint,
    /// What the environment or the profile says of attempts.
    pub(crate) max_attempts: Option<u32>,
}

impl Place {
    pub(crate) fn endpoint(&self, service: Service) -> &Endpoint {
        match service {
            Service::Runtime => &self.runtime,
            Service::Control => &self.control,
        }
    }
}

const DEFAULT_REGION: &str = "us-east-1";
const DEFAULT_SILENCE: Duration = Duration::from_mins(5);
