//! Where calls go: settings, region and rules give a URL, and with a path the URL of a call.
//!
//! Everything here is a function of its input. The environment is a function by name, in which a blank value is unset;
//! the AWS files are [`Profiles`].
//!
//! The first of these that is set decides:
//!
//! 1. a URL given in code or by a flag,
//! 2. `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, or `AWS_ENDPOINT_URL_BEDROCK` for the control plane, or
//!    `AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME`, or `AWS_ENDPOINT_URL_S3`: none applies to another service,
//! 3. `AWS_ENDPOINT_URL`,
//! 4. `endpoint_url` under `bedrock_runtime`, `bedrock`, `bedrock_agent_runtime` or `s3` in the `[services NAME]` section that the
//!    profile's `services` names,
//! 5. `endpoint_url` of the profile,
//! 6. the URL of a settings file,
//! 7. the rules: `https://bedrock-runtime.REGION.amazonaws.com`, in other partitions another suffix.
//!
//! `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`, or the profile's `ignore_configured_endpoint_urls`, when
//! `true` leaves out 2 to 5. FIPS and dual-stack endpoints are chosen by `AWS_USE_FIPS_ENDPOINT` and
//! `AWS_USE_DUALSTACK_ENDPOINT`, or the profile's `use_fips_endpoint` and `use_dualstack_endpoint`;
//! any value but `true`, in any case, is `false`. Together with an endpoint URL they are an error, as in the rules.
//!
//! Sources: [service-specific endpoints](https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html),
//! [dual-stack and FIPS](https://docs.aws.amazon.com/sdkref/latest/guide/feature-endpoints.html),
//! [Amazon Bedrock endpoints](https://docs.aws.amazon.com/general/latest/gr/bedrock.html), and the rule
//! sets that the AWS SDKs are generated from.
//!
//! ```
//! use pumice::endpoint::{Endpoint, EndpointSettings, Service};
//!
//! let settings = EndpointSettings { region: Some("eu-central-1"), ..Default::default() };
//! let endpoint = Endpoint::resolve(Service::Runtime, &settings, |_| None)?;
//! assert_eq!(endpoint.url(), "https://bedrock-runtime.eu-central-1.amazonaws.com");
//! # Ok::<(), pumice::Error>(())
//! ```

use std::fmt;

use crate::aws_files::{Profiles, Section};
use crate::redaction::WITHHELD;
use crate::region::{Variant, check_region, suffixes, without_fips};
pub use crate::service_url::EndpointSource;
use crate::service_url::{CONTROL, RUNTIME, configured_url, given_url};
use crate::url::{BaseUrl, Origin};
use crate::{Error, ErrorKind, Hint, Result};

/// One of the services that Bedrock consists of, or that its files are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Service {
    /// `bedrock-runtime`: models are called here.
    Runtime,
    /// `bedrock`: the control plane. Models and inference profiles are listed here.
    Control,
    /// `bedrock-agent-runtime`: documents are ranked here.
    AgentRuntime,
    /// `s3`: batch jobs have their files here.
    #[cfg(feature = "bulk")]
    S3,
}

impl Service {
    /// The first part of the host name: `bedrock-runtime`, `bedrock`, `bedrock-agent-runtime` or `s3`.
    pub fn endpoint_prefix(self) -> &'static str {
        match self {
            Self::Runtime => "bedrock-runtime",
            Self::Control => "bedrock",
            Self::AgentRuntime => "bedrock-agent-runtime",
            #[cfg(feature = "bulk")]
            Self::S3 => "s3",
        }
    }

    /// The name in signatures: `s3`, and `bedrock` for all others.
    pub(crate) fn signing_name(self) -> &'static str {
        if self.is_s3() { "s3" } else { "bedrock" }
    }

    #[cfg(feature = "bulk")]
    pub(crate) fn is_s3(self) -> bool {
        self == Self::S3
    }

    #[cfg(not(feature = "bulk"))]
    #[allow(clippy::unused_self, reason = "another feature has the service")]
    pub(crate) const fn is_s3(self) -> bool {
        false
    }

    /// The name in the AWS files; in upper case the end of the environment variable's.
    fn id(self) -> &'static str {
        match self {
            Self::Runtime => RUNTIME,
            Self::Control => CONTROL,
            Self::AgentRuntime => "bedrock_agent_runtime",
            #[cfg(feature = "bulk")]
            Self::S3 => "s3",
        }
    }
}

/// What an endpoint is chosen from; see the [module](self).
#[derive(Clone, Copy, Default)]
pub struct EndpointSettings<'a> {
    /// A URL given in code or by a flag.
    pub url: Option<&'a str>,
    /// The region to send to and to sign for: [`Region::resolve`](crate::region::Region::resolve), or
    /// [`region_of_arn`](crate::region::region_of_arn).
    pub region: Option<&'a str>,
    /// Whether to use FIPS, given in code; otherwise environment and profile decide.
    pub use_fips: Option<bool>,
    /// Whether to use dual-stack, given in code; otherwise environment and profile decide.
    pub use_dual_stack: Option<bool>,
    /// The AWS files and the profile chosen from them.
    pub profile: Option<(&'a Profiles, &'a Section)>,
    /// A URL of a settings file.
    pub fallback_url: Option<&'a str>,
}

impl fmt::Debug for EndpointSettings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, region, use_fips, use_dual_stack, profile, fallback_url } = self;
        f.debug_struct("EndpointSettings")
            .field("url", &url.map(Origin))
            .field("region", region)
            .field("use_fips", use_fips)
            .field("use_dual_stack", use_dual_stack)
            .field("profile", profile)
            .field("fallback_url", &fallback_url.map(Origin))
            .finish()
    }
}

/// Where the calls of one service go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    base: BaseUrl,
    region: String,
    source: EndpointSource,
}

impl Endpoint {
    /// Finds the endpoint of a service.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] when there is no region or it cannot be part of a host
    /// name, a URL is not one that calls can be put under, or FIPS or dual-stack is asked for together
    /// with a URL of one's own; with [`ErrorKind::Credentials`] when the fault lies in the AWS files.
    pub fn resolve(
        service: Service,
        settings: &EndpointSettings<'_>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let profile = settings.profile.map(|(_, profile)| profile);
        let named = settings.region.filter(|region| !region.trim().is_empty()).ok_or_else(no_region)?;
        let region = without_fips(named);
        check_region(named, &region)?;
        let Variant { fips, dual_stack } =
            Variant::of(named, settings.use_fips, settings.use_dual_stack, profile, &env);

        let given = |url: Option<&str>, source: EndpointSource| {
            url.map(|url| given_url(url, &source).map(|base| (base, source))).transpose()
        };
        let mut configured = given(settings.url, EndpointSource::Given)?;
        if configured.is_none() {
            configured = configured_url(service.id(), settings.profile, &env)?;
        }
        if configured.is_none() {
            configured = given(settings.fallback_url, EndpointSource::Settings)?;
        }
        if let Some((base, source)) = configured {
            let asked = match (fips, dual_stack) {
                (false, false) => return Ok(Self { base, region, source }),
                (true, false) => "FIPS",
                (false, true) => "dual-stack",
                (true, true) => "FIPS and dual-stack",
            };
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("expected no endpoint URL together with {asked}, found one ({source})"),
            )
            .with_hint(format!(
                "unset the URL, or {asked} (environment, profile, or a region with \"fips\" in it)"
            )));
        }

        let suffixes = suffixes(&region);
        let host = service.endpoint_prefix();
        let infix = if fips { "-fips" } else { "" };
        let (zone, suffix) = match dual_stack {
            true if service.is_s3() => (".dualstack", suffixes.dns),
            true => ("", suffixes.dual_stack),
            false => ("", suffixes.dns),
        };
        let base = BaseUrl {
            text: format!("https://{host}{infix}{zone}.{region}.{suffix}"),
            shown: None,
            https: true,
            loopback: false,
        };
        Ok(Self { base, region, source: EndpointSource::Rules })
    }

    /// The URL, without a slash at its end. It may have a path, which the calls' paths are put after.
    pub fn url(&self) -> &str {
        &self.base.text
    }

    /// The URL for people to read: as [`url`](Self::url), but for what a settings file takes from variables of
    /// the environment into the path, which is withheld.
    pub fn shown_url(&self) -> &str {
        self.base.shown.as_deref().unwrap_or(&self.base.text)
    }

    /// The endpoint of a bucket in S3. The bucket is a part of the host where the rules name the host and a certificate
    /// for it can exist, and otherwise of the path.
    ///
    /// Source: [virtual hosting of buckets](https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html).
    #[cfg(feature = "bulk")]
    pub(crate) fn of_bucket(&self, bucket: &str) -> Self {
        let mut endpoint = self.clone();
        endpoint.base.text = match self.base.text.strip_prefix("https://") {
            Some(host) if self.source == EndpointSource::Rules && !bucket.contains('.') => {
                format!("https://{bucket}.{host}")
            }
            _ => format!("{}/{bucket}", self.base.text),
        };
        endpoint
    }

    /// The URL of a call to this endpoint, for people to read.
    pub(crate) fn shown_call(&self, call_url: &str) -> String {
        format!("{}{}", self.shown_url(), call_url.get(self.base.text.len()..).unwrap_or_default())
    }

    /// Withholds these texts in the path of the URL that is shown.
    pub(crate) fn withhold<'a>(&mut self, secrets: impl Iterator<Item = &'a str>) {
        let (origin, path) = self.base.text.split_at(self.base.origin().len());
        let shown = secrets.fold(path.to_owned(), |path, secret| path.replace(secret, WITHHELD));
        self.base.shown = (shown != path).then(|| format!("{origin}{shown}"));
    }

    /// The region to sign for: without a `fips-` or `-fips` that the region's name may have had.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What decided the URL.
    pub fn source(&self) -> &EndpointSource {
        &self.source
    }

    /// Whether a secret may be sent there as it is: over `https` to anywhere, over plain `http` only
    /// to this machine (127.0.0.0/8, `::1`, `localhost`).
    pub fn may_carry_secrets(&self) -> bool {
        self.base.may_carry_secrets()
    }

    /// The URL of a call: `path` begins with a slash and is made of [encoded](crate::url::encode_label) labels,
    /// `query` is not encoded yet.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] when a label is `.` or `..`: whatever sends the URL would
    /// take it for a step on the way, and the call for another one.
    pub(crate) fn call_url(&self, path: &str, query: &[(&str, &str)]) -> Result<String> {
        self.base.join(path, query)
    }
}

fn no_region() -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        "expected a region, found none: not given, not in AWS_REGION, AWS_DEFAULT_REGION or the profile's `region`",
    )
    .with_hint(Hint::SetRegion)
}
