//! The settings of a client, and the target of its calls.

#[cfg(feature = "chain")]
mod chain;
#[cfg(not(feature = "chain"))]
mod without_chain;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Token;

use crate::aws_files::Section;
use crate::context::{AwsFiles, Context};
use crate::credentials::{Credentials, ProvideCredentials};
use crate::endpoint::{Endpoint, EndpointSettings, EndpointSource, Service};
use crate::progress::{Progress, Watcher};
use crate::region::{Region, RegionSettings, RegionSource, is_named_before_files};
use crate::retry::Retry;
use crate::transport::{Http, HttpConfig, Transport};
use crate::url::Origin;
use crate::{Error, ErrorKind, Result};

/// The settings of a [`Client`](crate::Client). What is not set here comes from the environment and the profile.
///
/// ```
/// use pumice::{Client, Config};
///
/// let client = Client::new(Config::new().region("eu-central-1").profile("work"));
/// ```
///
/// `Debug` shows no secret.
#[derive(Clone)]
pub struct Config(pub(crate) Box<Fields>);

// Behind a pointer: each method of the builder moves the whole, which has 680 bytes.
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(crate) struct Fields {
    pub(crate) region: Option<String>,
    pub(crate) credentials: Option<Arc<dyn ProvideCredentials>>,
    pub(crate) endpoint_url: Option<String>,
    /// Of the services beside the runtime.
    service_urls: Vec<(Service, String)>,
    pub(crate) use_fips: Option<bool>,
    pub(crate) use_dual_stack: Option<bool>,
    pub(crate) project: Option<String>,
    pub(crate) fallback_region: Option<String>,
    pub(crate) fallback_endpoint_url: Option<String>,
    #[cfg(feature = "chain")]
    pub(crate) chain: chain::ChainSettings,
    /// Secrets in the path of `fallback_endpoint_url`.
    pub(crate) withheld: Vec<Token>,
    pub(crate) headers: Headers,
    pub(crate) allow_plain_http: bool,
    pub(crate) http: HttpConfig,
    pub(crate) first_byte_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) retry: Option<Retry>,
    pub(crate) auto_profile: bool,
    pub(crate) uses_credentials: bool,
    pub(crate) transport: Option<Arc<dyn Transport>>,
    pub(crate) context: Context,
    pub(crate) watcher: Watcher,
}

impl Config {
    /// Everything as the environment and the AWS files say.
    pub fn new() -> Self {
        Self(Box::new(Fields {
            region: None,
            credentials: None,
            endpoint_url: None,
            service_urls: Vec::new(),
            use_fips: None,
            use_dual_stack: None,
            project: None,
            fallback_region: None,
            fallback_endpoint_url: None,
            #[cfg(feature = "chain")]
            chain: chain::ChainSettings::default(),
            withheld: Vec::new(),
            headers: Headers::default(),
            allow_plain_http: false,
            http: HttpConfig::default(),
            first_byte_timeout: DEFAULT_SILENCE,
            idle_timeout: DEFAULT_SILENCE,
            retry: None,
            auto_profile: false,
            uses_credentials: true,
            transport: None,
            context: Context::real(),
            watcher: Watcher::default(),
        }))
    }

    /// The region to call. Only the region in a model's ARN counts before it.
    ///
    /// If it is not set, the region is the first of: that of `AWS_REGION`, of `AWS_DEFAULT_REGION`, of the profile, of
    /// an endpoint URL of Amazon's own, of a [settings file](Self::fallback_region), of the EC2 instance whose role is
    /// used, and `us-east-1`.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.0.region = Some(region.into());
        self
    }

    /// A Bedrock API key, in place of all other credentials.
    pub fn bearer_token(self, token: impl Into<String>) -> Self {
        self.credentials(Credentials::bearer(token))
    }

    /// Access keys, in place of all other credentials; temporary ones have a session token.
    pub fn access_keys(
        self,
        id: impl Into<String>,
        secret: impl Into<String>,
        session_token: Option<String>,
    ) -> Self {
        self.credentials(Credentials::keys(id, secret, session_token))
    }

    /// Asks this provider for credentials, in place of the chain. If [`bearer_token`](Self::bearer_token) or
    /// [`access_keys`](Self::access_keys) is called too, the last of these calls counts.
    pub fn credentials(mut self, provider: impl ProvideCredentials + 'static) -> Self {
        self.0.credentials = Some(Arc::new(provider));
        self
    }

    /// The URL of the runtime: a gateway, a VPC endpoint, a server for tests.
    pub fn endpoint_url(mut self, url: impl Into<String>) -> Self {
        self.0.endpoint_url = Some(url.into());
        self
    }

    /// The URL of one of the services. [`endpoint_url`](Self::endpoint_url) is the same for [`Service::Runtime`].
    pub fn service_endpoint_url(mut self, service: Service, url: impl Into<String>) -> Self {
        if service == Service::Runtime {
            return self.endpoint_url(url);
        }
        self.0.service_urls.retain(|(found, _)| *found != service);
        self.0.service_urls.push((service, url.into()));
        self
    }

    /// Whether to call the FIPS endpoints. Otherwise `AWS_USE_FIPS_ENDPOINT` or the profile's `use_fips_endpoint`
    /// decides. Together with an endpoint URL, `true` is an error.
    pub fn use_fips(mut self, use_fips: bool) -> Self {
        self.0.use_fips = Some(use_fips);
        self
    }

    /// Whether to call the dual-stack endpoints, which have IPv6 addresses too. Otherwise
    /// `AWS_USE_DUALSTACK_ENDPOINT` or the profile's `use_dualstack_endpoint` decides. Together with an endpoint URL,
    /// `true` is an error.
    pub fn use_dual_stack(mut self, use_dual_stack: bool) -> Self {
        self.0.use_dual_stack = Some(use_dual_stack);
        self
    }

    /// The Bedrock project of the calls, by its id or ARN: `projectIdentifier` of Converse, ConverseStream,
    /// InvokeModel, `InvokeModelWithResponseStream` and the four operations that list models and profiles. The other
    /// operations take none. A request that names a project itself keeps it.
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.0.project = Some(project.into());
        self
    }

    /// The region where nothing else names one, not even a settings file, before that of the EC2 instance and
    /// `us-east-1`.
    pub fn fallback_region(mut self, region: impl Into<String>) -> Self {
        self.0.fallback_region = Some(region.into());
        self
    }

    /// The URL of the runtime if neither the environment nor the profile names one, for example from a settings file.
    pub fn fallback_endpoint_url(mut self, url: impl Into<String>) -> Self {
        self.0.fallback_endpoint_url = Some(url.into());
        self
    }

    /// Adds a header to every call. It is signed. If a name is given twice, in whatever case, the last value counts.
    ///
    /// The client sets `host` and `x-amz-*` itself, also the headers that a call has of its own. It sets
    /// `authorization` too, unless calls are sent [without credentials](Self::without_credentials). A header that frames
    /// the request or belongs to the connection, such as `content-length`, makes calls fail.
    ///
    /// Its value counts as a secret, unless the name is `accept` or `content-type`.
    pub fn header(mut self, name: impl AsRef<str>, value: impl Into<String>) -> Self {
        self.0.headers.set(name.as_ref(), value);
        self
    }

    /// Lets session tokens and [headers](Self::header) go over plain `http` to another machine, in the clear:
    /// anyone on the way can read and use them. [`Progress::PlainHttp`] reports each such call. Without it, such
    /// a call fails with [`ErrorKind::InvalidInput`] and nothing is sent. A bearer token is never sent like that.
    pub fn allow_plain_http(mut self) -> Self {
        self.0.allow_plain_http = true;
        self
    }

    /// How long connecting may take, TLS included. 10 seconds unless set; [`Duration::MAX`] is no limit.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.0.http.connect_timeout = timeout;
        self
    }

    /// How long to wait for the head of a response. 300 seconds unless set; [`Duration::MAX`] is no limit.
    pub fn first_byte_timeout(mut self, timeout: Duration) -> Self {
        self.0.first_byte_timeout = timeout;
        self
    }

    /// The longest silence within a response. 300 seconds unless set: a model may think for minutes.
    /// [`Duration::MAX`] is no limit. A whole response has no limit.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.0.idle_timeout = timeout;
        self
    }

    /// When to try again. Otherwise [`Retry::standard`], or [`Retry::adaptive`] where `AWS_RETRY_MODE` or the
    /// profile's `retry_mode` says so, with the attempts that `AWS_MAX_ATTEMPTS` or `max_attempts` names.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.0.retry = Some(retry);
        self
    }

    /// Where a model is served through inference profiles alone, calls it through the one that serves it
    /// here: the call is repeated, and [watchers](Self::watch) are told.
    pub fn auto_profile(mut self) -> Self {
        self.0.auto_profile = true;
        self
    }

    /// How to connect: proxies, certificates, times. [`connect_timeout`](Self::connect_timeout) is part of it.
    pub fn http(mut self, http: HttpConfig) -> Self {
        self.0.http = http;
        self
    }

    /// The network as this configuration reaches it, for a [transport](Self::transport) around it.
    pub fn network(&self) -> Result<Http> {
        let files = self.0.context.aws_files();
        // Files that cannot be read are reported by the call.
        let profile = self.profile_in(&files, true).ok().flatten();
        self.network_trusting(profile.and_then(|(_, profile)| self.ca_bundle(profile)).as_deref())
    }

    /// The network, with the authorities that the profile names.
    pub(crate) fn network_trusting(&self, ca_bundle: Option<&Path>) -> Result<Http> {
        let Some(ca_bundle) = ca_bundle else { return Http::new(&self.0.http, &self.0.context) };
        let mut http = self.0.http.clone();
        http.ca_bundle.get_or_insert_with(|| ca_bundle.to_owned());
        Http::new(&http, &self.0.context)
    }

    fn ca_bundle(&self, profile: &Section) -> Option<PathBuf> {
        profile.non_blank("ca_bundle").map(|path| self.0.context.path(path))
    }

    /// What sends the requests to Bedrock, in place of the network.
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.0.transport = Some(transport);
        self
    }

    /// Sends requests as they are, with no credentials and no signature: to a recording, or to a gateway
    /// that authorises them itself. None are looked for.
    pub fn without_credentials(mut self) -> Self {
        self.0.uses_credentials = false;
        self
    }

    /// The environment, files, clock and processes that the client uses, in place of the real ones.
    pub fn context(mut self, context: Context) -> Self {
        self.0.context = context;
        self
    }

    /// Sets a function that is called with each step of the client, for logs.
    pub fn watch(mut self, watcher: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.0.watcher = Watcher(Some(Arc::new(watcher)));
        self
    }

    /// Resolves where the calls of a service go. `instance_region` is awaited where nothing else names a region.
    pub(crate) async fn target(
        &self,
        service: Service,
        model_id: Option<&str>,
        files: &AwsFiles,
        instance_region: impl Future<Output = Result<Option<String>>>,
    ) -> Result<Target> {
        let env = |name: &str| self.0.context.env(name);
        let named = RegionSettings {
            model_id,
            given: self.0.region.as_deref(),
            profile: None,
            endpoint_url: self.0.endpoint_url.as_deref(),
            fallback: self.0.fallback_region.as_deref(),
        };
        // A file that cannot be read is no error if nothing in it is needed.
        let profile = self.profile_in(files, !is_named_before_files(&named, env))?;

        let region = match Region::resolve(&RegionSettings { profile, ..named }, env)? {
            Some(region) => region,
            None => match instance_region.await? {
                Some(region) => Region::new(region, RegionSource::InstanceMetadata),
                None => Region::new(DEFAULT_REGION, RegionSource::Default),
            },
        };
        let (url, fallback_url) = match service {
            Service::Runtime => (self.0.endpoint_url.as_deref(), self.0.fallback_endpoint_url.as_deref()),
            _ => (self.url_of(service), None),
        };
        let (use_fips, use_dual_stack) = (self.0.use_fips, self.0.use_dual_stack);
        let named = Some(region.name());
        let settings =
            EndpointSettings { url, region: named, use_fips, use_dual_stack, profile, fallback_url };
        let mut endpoint = Endpoint::resolve(service, &settings, env)?;
        if *endpoint.source() == EndpointSource::Settings {
            endpoint.withhold(self.0.withheld.iter().map(Token::token));
        }
        Ok(Target {
            endpoint,
            retry: self.retry_policy(|key| profile?.1.non_blank(key))?,
            ca_bundle: profile.and_then(|(_, profile)| self.ca_bundle(profile)),
            region,
        })
    }

    fn url_of(&self, service: Service) -> Option<&str> {
        self.0.service_urls.iter().find(|(found, _)| *found == service).map(|(_, url)| url.as_str())
    }

    fn retry_policy<'a>(&self, profile: impl Fn(&str) -> Option<&'a str>) -> Result<Retry> {
        if let Some(retry) = self.0.retry {
            return Ok(retry);
        }
        let set = |variable: &str, key: &str| {
            let value = self.0.context.env(variable).map(|value| (variable.to_owned(), value));
            value.or_else(|| profile(key).map(|value| (key.to_owned(), value.to_owned())))
        };
        let expected = |name: &str, expected: &str, found: &str| {
            Error::new(ErrorKind::InvalidInput, format!("{name}: expected {expected}, found {found:?}"))
        };
        let retry = match set("AWS_RETRY_MODE", "retry_mode") {
            None => Retry::standard(),
            Some((name, mode)) => match mode.to_ascii_lowercase().as_str() {
                // `legacy` was the default before `standard`.
                "standard" | "legacy" => Retry::standard(),
                "adaptive" => Retry::adaptive(),
                _ => return Err(expected(&name, "standard or adaptive", &mode)),
            },
        };
        match set("AWS_MAX_ATTEMPTS", "max_attempts") {
            None => Ok(retry),
            Some((name, attempts)) => match attempts.parse() {
                Ok(attempts) if attempts > 0 => Ok(retry.max_attempts(attempts)),
                _ => Err(expected(&name, "a whole number from 1", &attempts)),
            },
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Config");
        #[cfg(feature = "chain")]
        debug.field("chain", &self.0.chain);
        debug
            .field("region", &self.0.region)
            .field("credentials", &self.0.credentials)
            .field("endpoint_url", &self.0.endpoint_url.as_deref().map(Origin))
            .field("use_fips", &self.0.use_fips)
            .field("use_dual_stack", &self.0.use_dual_stack)
            .field("project", &self.0.project)
            .field("fallback_region", &self.0.fallback_region)
            .field("fallback_endpoint_url", &self.0.fallback_endpoint_url.as_deref().map(Origin))
            .field("headers", &self.0.headers)
            .field("allow_plain_http", &self.0.allow_plain_http)
            .field("http", &self.0.http)
            .field("first_byte_timeout", &self.0.first_byte_timeout)
            .field("idle_timeout", &self.0.idle_timeout)
            .field("retry", &self.0.retry)
            .field("auto_profile", &self.0.auto_profile)
            .field("uses_credentials", &self.0.uses_credentials)
            .field("transport", &self.0.transport)
            .field("context", &self.0.context)
            .finish_non_exhaustive()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}

/// Headers by their names, in lower case. `Debug` shows no value.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers(BTreeMap<String, String>);

impl Headers {
    /// The value of a header, by its name in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// Sets a header.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_ascii_lowercase(), value.into());
    }

    /// The names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those of others that are not among these.
    #[cfg(feature = "settings")]
    pub(crate) fn or(&mut self, others: &Self) {
        for (name, value) in &others.0 {
            self.0.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Whether only the HTTP client may set a header, by its name in lower case: it belongs to one connection, is for a
/// proxy, frames the request, or asks for an interim response (`expect`), for which the client does not wait.
///
/// Source: RFC 9110, sections [7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1),
/// [10.1.1](https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1) and
/// [11.7.2](https://www.rfc-editor.org/rfc/rfc9110#section-11.7.2).
pub(crate) fn is_of_connection(name: &str) -> bool {
    OF_CONNECTION.contains(&name)
}

const OF_CONNECTION: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Where the calls of a service go.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) region: Region,
    pub(crate) endpoint: Endpoint,
    pub(crate) retry: Retry,
    /// The authorities that the profile names.
    pub(crate) ca_bundle: Option<PathBuf>,
}

const DEFAULT_REGION: &str = "us-east-1";
const DEFAULT_SILENCE: Duration = Duration::from_mins(5);
