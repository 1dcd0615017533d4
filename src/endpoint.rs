//! Where calls are sent: from region, settings and rules to a URL, and on to the URL of a call.
//!
//! Everything here is a function of its input. The environment comes as a lookup, in which blank is
//! unset, the AWS files as [`Profiles`].
//!
//! What decides, the first that is set:
//!
//! 1. a URL given in code or by a flag,
//! 2. `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, or `AWS_ENDPOINT_URL_BEDROCK` for the control plane: neither
//!    counts for the other service,
//! 3. `AWS_ENDPOINT_URL`,
//! 4. `endpoint_url` under `bedrock_runtime` or `bedrock` in the `[services NAME]` section that the
//!    profile's `services` names,
//! 5. `endpoint_url` of the profile,
//! 6. the URL of a settings file,
//! 7. the rules: `https://bedrock-runtime.REGION.amazonaws.com`, in other partitions another suffix.
//!
//! `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`, or the profile's `ignore_configured_endpoint_urls`, when
//! `true` leaves out 2 to 5. FIPS and dual-stack are asked for by `AWS_USE_FIPS_ENDPOINT` and
//! `AWS_USE_DUALSTACK_ENDPOINT`, or the profile's `use_fips_endpoint` and `use_dualstack_endpoint`;
//! anything but `true`, in any case, is no. With a URL of one's own they are an error, as in the rules.
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

use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::aws_files::{Profiles, Section};
use crate::redaction::WITHHELD;
use crate::{Error, ErrorKind, Hint, Result};

/// One of the two services that Bedrock consists of. Both sign as `bedrock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Service {
    /// `bedrock-runtime`: models are called here.
    Runtime,
    /// `bedrock`: the control plane. Models and inference profiles are listed here.
    Control,
}

impl Service {
    /// The first part of the host name: `bedrock-runtime` or `bedrock`.
    pub fn endpoint_prefix(self) -> &'static str {
        match self {
            Self::Runtime => "bedrock-runtime",
            Self::Control => "bedrock",
        }
    }

    /// The name in the AWS files; in upper case the end of the environment variable's.
    fn id(self) -> &'static str {
        match self {
            Self::Runtime => "bedrock_runtime",
            Self::Control => "bedrock",
        }
    }
}

/// What an endpoint is found by; see the [module](self).
#[derive(Clone, Copy, Default)]
pub struct EndpointSettings<'a> {
    /// A URL given in code or by a flag.
    pub url: Option<&'a str>,
    /// The region to send to and to sign for: [`Region::resolve`], or [`region_of_arn`].
    pub region: Option<&'a str>,
    /// Whether FIPS is asked for, given in code; otherwise environment and profile are asked.
    pub use_fips: Option<bool>,
    /// Whether dual-stack is asked for, given in code; otherwise environment and profile are asked.
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

/// A URL for `Debug`: scheme, host and port alone, since a secret may be in the rest.
pub(crate) struct Origin<'a>(pub(crate) &'a str);

impl fmt::Debug for Origin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match BaseUrl::parse(self.0) {
            Ok(url) => url.origin().fmt(f),
            Err(expected) => write!(f, "({expected} expected)"),
        }
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
        let switch = |given: Option<bool>, variable: &str, key: &str| {
            given.unwrap_or_else(|| is_true(set(&env, variable).as_deref(), profile, key))
        };
        let named = settings.region.filter(|region| !region.trim().is_empty()).ok_or_else(no_region)?;
        let region = named.replace("fips-", "").replace("-fips", "");
        check_region(named, &region)?;
        let fips = region != named || switch(settings.use_fips, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint");
        let dual_stack =
            switch(settings.use_dual_stack, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint");

        let given = |url: Option<&str>, source: EndpointSource| {
            url.map(|url| BaseUrl::given(url, &source).map(|base| (base, source))).transpose()
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
                format!("no endpoint URL expected together with {asked}, one found ({source})"),
            )
            .with_hint(format!(
                "unset the URL, or {asked} (environment, profile, or a region with \"fips\" in it)"
            )));
        }

        let suffixes = suffixes(&region);
        let host = service.endpoint_prefix();
        let infix = if fips { "-fips" } else { "" };
        let suffix = if dual_stack { suffixes.dual_stack } else { suffixes.dns };
        let base = BaseUrl {
            text: format!("https://{host}{infix}.{region}.{suffix}"),
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

    /// The URL of a call: `path` begins with a slash and is made of [encoded](encode_label) labels,
    /// `query` is not encoded yet.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] when a label is `.` or `..`: whatever sends the URL would
    /// take it for a step on the way, and the call for another one.
    pub(crate) fn call_url(&self, path: &str, query: &[(&str, &str)]) -> Result<String> {
        self.base.join(path, query)
    }
}

/// What decided an endpoint. `Display` says it in the words of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndpointSource {
    /// Given in code or by a flag.
    Given,
    /// The environment variable of this name.
    Environment(String),
    /// `[services SECTION]`, which the profile names.
    Services {
        /// The profile.
        profile: String,
        /// The section.
        section: String,
    },
    /// `endpoint_url` of this profile.
    Profile(String),
    /// A settings file.
    Settings,
    /// The rules, from region, FIPS and dual-stack.
    Rules,
}

impl fmt::Display for EndpointSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("given"),
            Self::Environment(name) => write!(f, "env: {name}"),
            Self::Services { profile, section } => write!(f, "profile {profile} (services {section})"),
            Self::Profile(name) => write!(f, "profile {name}"),
            Self::Settings => f.write_str("settings file"),
            Self::Rules => f.write_str("region"),
        }
    }
}

/// A region by name, and what named it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    name: String,
    source: RegionSource,
}

impl Region {
    /// A region that was found elsewhere. The name is checked where it becomes part of a host name.
    pub fn new(name: impl Into<String>, source: RegionSource) -> Self {
        Self { name: name.into(), source }
    }

    /// The region of the settings: `AWS_REGION`, then `AWS_DEFAULT_REGION`, then the `region` of the
    /// profile or else of the first of its `source_profile`s that has one. `None` when none of them
    /// names one: there is no default.
    ///
    /// Source: [AWS Region](https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html).
    pub fn resolve(
        profile: Option<(&Profiles, &Section)>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            if let Some(name) = set(&env, variable) {
                return Some(Self::new(name, RegionSource::Environment(variable.to_owned())));
            }
        }
        let (profiles, mut profile) = profile?;
        // No way without a loop is longer than the number of profiles.
        for _ in 0..=profiles.names().count() {
            if let Some(name) = profile.non_blank("region") {
                return Some(Self::new(name, RegionSource::Profile(profile.name().to_owned())));
            }
            profile = profiles.profile(profile.non_blank("source_profile")?)?;
        }
        None
    }

    /// The name, as it was found: `eu-central-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What named it.
    pub fn source(&self) -> &RegionSource {
        &self.source
    }
}

/// What named a region. `Display` says it in the words of the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegionSource {
    /// Given in code or by a flag.
    Given,
    /// The ARN of the model; see [`region_of_arn`].
    ModelArn,
    /// The environment variable of this name.
    Environment(String),
    /// This profile.
    Profile(String),
    /// A settings file.
    Settings,
    /// The metadata service of the EC2 instance.
    InstanceMetadata,
    /// Nothing: it is the region that is taken when there is no other.
    Default,
}

impl fmt::Display for RegionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("given"),
            Self::ModelArn => f.write_str("model ARN"),
            Self::Environment(name) => write!(f, "env: {name}"),
            Self::Profile(name) => write!(f, "profile {name}"),
            Self::Settings => f.write_str("settings file"),
            Self::InstanceMetadata => f.write_str("instance metadata"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The region inside the ARN of a Bedrock resource, `arn:aws:bedrock:REGION:...` in any partition:
/// a call that names the resource is sent there, whatever the settings say. `None` for an id that is
/// no such ARN.
///
/// ```
/// use pumice::endpoint::region_of_arn;
///
/// let arn = "arn:aws:bedrock:eu-west-3:123456789012:application-inference-profile/a1b2c3d4e5f6";
/// assert_eq!(region_of_arn(arn), Some("eu-west-3"));
/// assert_eq!(region_of_arn("eu.anthropic.claude-sonnet-4-5-20250929-v1:0"), None);
/// ```
pub fn region_of_arn(model_id: &str) -> Option<&str> {
    let lower = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let mut parts = model_id.splitn(5, ':');
    let (arn, partition, service, region, _) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let partition = partition.strip_prefix("aws")?;
    let in_partition = partition.is_empty() || partition.strip_prefix('-').is_some_and(lower);
    (arn == "arn" && in_partition && service == "bedrock" && lower(region)).then_some(region)
}

/// The region in a URL of the runtime that is Amazon's own: one that the rules make from a region. `fips-REGION`
/// for a FIPS endpoint. `None` for every other URL, which is an endpoint to call as it is.
pub(crate) fn region_of_url(url: &str) -> Option<String> {
    let (_, host) = url.trim().trim_end_matches('/').split_once("://")?;
    let host = host.to_ascii_lowercase();
    let (service, rest) = host.split_once('.')?;
    let (region, suffix) = rest.split_once('.')?;
    if !is_region(region) || suffix != suffixes(region).dns {
        return None;
    }
    match service.strip_prefix(Service::Runtime.endpoint_prefix())? {
        "" => Some(region.to_owned()),
        "-fips" => Some(format!("fips-{region}")),
        _ => None,
    }
}

/// The URL that the settings give a service (2 to 5 in the [module](self)). `id` is the service's name
/// in the AWS files: `bedrock_runtime`, `sts`, `sso_oidc`.
pub(crate) fn configured_url(
    id: &str,
    profile: Option<(&Profiles, &Section)>,
    env: impl Fn(&str) -> Option<String>,
) -> Result<Option<(BaseUrl, EndpointSource)>> {
    let section = profile.map(|(_, profile)| profile);
    let ignored = set(&env, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    if is_true(ignored.as_deref(), section, "ignore_configured_endpoint_urls") {
        return Ok(None);
    }
    let found = |url: &str, source| Ok(Some((BaseUrl::given(url, &source)?, source)));

    for variable in [format!("{ENDPOINT_URL}_{}", id.to_ascii_uppercase()), ENDPOINT_URL.to_owned()] {
        if let Some(url) = set(&env, &variable) {
            return found(&url, EndpointSource::Environment(variable));
        }
    }
    let Some((profiles, profile)) = profile else { return Ok(None) };
    if let Some(name) = profile.non_blank("services") {
        let services = profiles.services(name).ok_or_else(|| {
            Error::new(
                ErrorKind::Credentials,
                format!(
                    "the section [services {}] expected, which profile {} names, none found",
                    name.escape_debug(),
                    profile.name()
                ),
            )
            .with_hint("add the section to the AWS config file, or remove `services` from the profile")
        })?;
        if let Some(url) = services.nested(id, "endpoint_url").filter(|url| !url.is_empty()) {
            let (profile, section) = (profile.name().to_owned(), name.to_owned());
            return found(url, EndpointSource::Services { profile, section });
        }
    }
    match profile.non_blank("endpoint_url") {
        Some(url) => found(url, EndpointSource::Profile(profile.name().to_owned())),
        None => Ok(None),
    }
}

/// The end of the host names of a region's services: `amazonaws.com`.
///
/// Fails with [`ErrorKind::InvalidInput`] when the region cannot be part of a host name.
pub(crate) fn dns_suffix(region: &str) -> Result<&'static str> {
    check_region(region, region)?;
    Ok(suffixes(region).dns)
}

/// An `http` or `https` URL that paths are put under.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    /// Without a slash at its end.
    text: String,
    /// What people read, where that is another text.
    shown: Option<String>,
    https: bool,
    loopback: bool,
}

impl BaseUrl {
    /// Reads a URL. The error says what was expected and shows nothing of the URL, which may hold a
    /// secret.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.trim().split_once("://").ok_or("http:// or https:// at its beginning")?;
        let https = scheme.eq_ignore_ascii_case("https");
        if !https && !scheme.eq_ignore_ascii_case("http") {
            return Err("http:// or https:// at its beginning");
        }
        if rest.contains(['?', '#']) {
            return Err("no query and no fragment");
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err("no user name and no password before the host");
        }
        let (host, port) = match authority.strip_prefix('[').and_then(|host| host.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or(HOST)?)),
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let loopback = if authority.starts_with('[') {
            host.parse::<Ipv6Addr>().map_err(|_| HOST)?.is_loopback()
        } else {
            let in_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            if host.is_empty() || !host.bytes().all(in_host) {
                return Err(HOST);
            }
            host.eq_ignore_ascii_case("localhost")
                || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        };
        if port.is_some_and(|port| !is_port(port)) {
            return Err("a port from 1 to 65535");
        }
        if !is_path(path) {
            return Err("a path of ASCII letters, digits, %XX and -._~!$&'()*+,;=:@/ without . and ..");
        }
        let scheme = if https { "https" } else { "http" };
        let text = format!("{scheme}://{authority}{}", path.trim_end_matches('/'));
        Ok(Self { text, shown: None, https, loopback })
    }

    /// Scheme, host and port.
    fn origin(&self) -> &str {
        let authority = self.text.find("://").map_or(0, |at| at + 3);
        let path = self.text.get(authority..).and_then(|rest| rest.find('/'));
        path.and_then(|path| self.text.get(..authority + path)).unwrap_or(&self.text)
    }

    pub(crate) fn may_carry_secrets(&self) -> bool {
        self.https || self.loopback
    }

    /// See [`Endpoint::call_url`].
    pub(crate) fn join(&self, path: &str, query: &[(&str, &str)]) -> Result<String> {
        if path.split('/').any(is_step) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("names other than \".\" and \"..\" expected in the path, {path:?} found"),
            ));
        }
        let mut url = format!("{}{path}", self.text);
        for (index, (name, value)) in query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            encode(&mut url, name);
            url.push('=');
            encode(&mut url, value);
        }
        Ok(url)
    }

    fn given(text: &str, source: &EndpointSource) -> Result<Self> {
        Self::parse(text).map_err(|expected| {
            let kind = match source {
                EndpointSource::Services { .. } | EndpointSource::Profile(_) => ErrorKind::Credentials,
                _ => ErrorKind::InvalidInput,
            };
            Error::new(kind, format!("the endpoint URL ({source}) cannot be: {expected} expected"))
                .with_hint("an endpoint URL is like https://vpce-1.example.com or http://localhost:8080/path")
        })
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.as_deref().unwrap_or(&self.text).fmt(f)
    }
}

/// A label of a path: every byte percent-encoded but letters, digits and `-._~`.
///
/// Source: [Smithy's HTTP bindings](https://smithy.io/2.0/spec/http-bindings.html#httplabel-serialization-rules).
pub(crate) fn encode_label(label: &str) -> String {
    let mut encoded = String::with_capacity(label.len());
    encode(&mut encoded, label);
    encoded
}

fn encode(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            url.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

/// The label that was [encoded](encode_label) so, or `None` if it was not UTF-8.
pub(crate) fn decode_label(encoded: &str) -> Option<String> {
    percent_encoding::percent_decode_str(encoded).decode_utf8().ok().map(Into::into)
}

fn is_port(text: &str) -> bool {
    is_digits(text) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_path(text: &str) -> bool {
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let fits = match byte {
            b'%' => {
                let mut hex = || rest.next().is_some_and(|byte| byte.is_ascii_hexdigit());
                hex() && hex()
            }
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte),
        };
        if !fits {
            return false;
        }
    }
    !text.split('/').any(is_step)
}

/// Whether a URL's reader takes the label for a step on the way: to stay, or to go back.
fn is_step(label: &str) -> bool {
    matches!(label.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

/// What the environment says; blank is nothing.
fn set(env: &impl Fn(&str) -> Option<String>, variable: &str) -> Option<String> {
    env(variable).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// A switch that the environment sets, or else the profile.
fn is_true(env: Option<&str>, profile: Option<&Section>, key: &str) -> bool {
    env.or_else(|| profile?.non_blank(key)).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn no_region() -> Error {
    Error::new(
        ErrorKind::InvalidInput,
        "a region expected, none found: not given, not in AWS_REGION, AWS_DEFAULT_REGION or the profile's `region`",
    )
    .with_hint(Hint::NameRegion)
}

/// Whether a text can be a region: a part of a host's name.
pub(crate) fn is_region(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !is_digits(text)
}

/// Checks a region; `named` is what the user knows it by.
fn check_region(named: &str, region: &str) -> Result<()> {
    if is_region(region) {
        return Ok(());
    }
    let shown = named.chars().take(64).collect::<String>();
    Err(Error::new(
        ErrorKind::InvalidInput,
        format!(
            "the region {shown:?} cannot be: 1 to 63 letters, digits and hyphens expected, not digits alone, and no hyphen at either end"
        ),
    )
    .with_hint(Hint::NameRegion))
}

/// A group of regions that have no accounts in common with the others.
struct Partition {
    /// What its regions begin with, before `-PLACE-NUMBER`.
    prefix: &'static str,
    /// The region of services that are the same everywhere, which is not formed like the others.
    global: Option<&'static str>,
    suffixes: Suffixes,
}

#[derive(Clone, Copy)]
struct Suffixes {
    dns: &'static str,
    dual_stack: &'static str,
}

impl Partition {
    fn has(&self, region: &str) -> bool {
        let is_place_and_number = |rest: &str| {
            let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            rest.split_once('-').is_some_and(|(place, number)| {
                !place.is_empty() && place.bytes().all(word) && is_digits(number)
            })
        };
        let rest = region.strip_prefix(self.prefix).and_then(|rest| rest.strip_prefix('-'));
        self.global == Some(region) || rest.is_some_and(is_place_and_number)
    }
}

fn suffixes(region: &str) -> Suffixes {
    PARTITIONS.iter().find(|partition| partition.has(region)).map_or(AWS, |partition| partition.suffixes)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

const HOST: &str =
    "a host: a name of letters, digits and -._, an IPv4 address, or an IPv6 address in brackets";

const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";

/// Of the partition `aws`, which has every region that no other partition has.
const AWS: Suffixes = Suffixes { dns: "amazonaws.com", dual_stack: "api.aws" };

const PARTITIONS: [Partition; 7] = [
    Partition {
        prefix: "cn",
        global: Some("aws-cn-global"),
        suffixes: Suffixes { dns: "amazonaws.com.cn", dual_stack: "api.amazonwebservices.com.cn" },
    },
    Partition {
        prefix: "eusc-de",
        global: None,
        suffixes: Suffixes { dns: "amazonaws.eu", dual_stack: "api.amazonwebservices.eu" },
    },
    Partition {
        prefix: "us-iso",
        global: Some("aws-iso-global"),
        suffixes: Suffixes { dns: "c2s.ic.gov", dual_stack: "api.aws.ic.gov" },
    },
    Partition {
        prefix: "us-isob",
        global: Some("aws-iso-b-global"),
        suffixes: Suffixes { dns: "sc2s.sgov.gov", dual_stack: "api.aws.scloud" },
    },
    Partition {
        prefix: "eu-isoe",
        global: Some("aws-iso-e-global"),
        suffixes: Suffixes { dns: "cloud.adc-e.uk", dual_stack: "api.cloud-aws.adc-e.uk" },
    },
    Partition {
        prefix: "us-isof",
        global: Some("aws-iso-f-global"),
        suffixes: Suffixes { dns: "csp.hci.ic.gov", dual_stack: "api.aws.hci.ic.gov" },
    },
    Partition {
        prefix: "us-gov",
        global: Some("aws-us-gov-global"),
        suffixes: Suffixes { dns: "amazonaws.com", dual_stack: "api.aws" },
    },
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_label_keeps_unreserved_bytes_alone() {
        for (label, encoded) in [
            ("anthropic.claude-3-5-sonnet-20241022-v2:0", "anthropic.claude-3-5-sonnet-20241022-v2%3A0"),
            (
                "arn:aws:bedrock:us-east-1:1:application-inference-profile/a1",
                "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fa1",
            ),
            ("AZaz09-._~", "AZaz09-._~"),
            ("a b+c%20", "a%20b%2Bc%2520"),
            ("\u{e9}\u{1f600}", "%C3%A9%F0%9F%98%80"),
            ("!*'()@&=$,;?#[]\0\n", "%21%2A%27%28%29%40%26%3D%24%2C%3B%3F%23%5B%5D%00%0A"),
            ("", ""),
        ] {
            assert_eq!(encode_label(label), encoded);
        }
    }

    #[test]
    fn a_call_is_put_under_the_base() {
        for (base, path, query, url) in [
            ("https://h.example", "/foundation-models", &[][..], "https://h.example/foundation-models"),
            ("https://h.example/", "/a", &[], "https://h.example/a"),
            ("https://h.example/p", "/a", &[], "https://h.example/p/a"),
            ("http://localhost:8080/p/q//", "/a", &[], "http://localhost:8080/p/q/a"),
            (
                "https://h.example",
                "/inference-profiles",
                &[("maxResults", "10"), ("nextToken", "a+b/c= d")],
                "https://h.example/inference-profiles?maxResults=10&nextToken=a%2Bb%2Fc%3D%20d",
            ),
        ] {
            assert_eq!(BaseUrl::parse(base).unwrap().join(path, query).unwrap(), url);
        }
    }

    #[test]
    fn a_call_cannot_climb_out_of_its_path() {
        let base = BaseUrl::parse("https://h.example").unwrap();
        for label in [".", "..", "%2e.", "%2E%2e"] {
            let error = base.join(&format!("/model/{label}/converse"), &[]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{label}");
        }
        for label in ["...", ".a", "a..b", "%252e"] {
            base.join(&format!("/model/{label}/converse"), &[]).unwrap();
        }
    }

    #[test]
    fn a_url_of_amazons_own_holds_a_region() {
        for (url, region) in [
            ("https://bedrock-runtime.us-west-2.amazonaws.com/", Some("us-west-2")),
            ("https://Bedrock-Runtime.US-West-2.amazonaws.com", Some("us-west-2")),
            ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", Some("fips-us-gov-west-1")),
            ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("https://bedrock-runtime.eusc-de-east-1.amazonaws.eu", Some("eusc-de-east-1")),
            // Dual-stack endpoints and other partitions' suffixes do not come from the region alone.
            ("https://bedrock-runtime.us-west-2.api.aws", None),
            ("https://bedrock-runtime.us-west-2.amazonaws.com.cn", None),
            ("https://bedrock.us-west-2.amazonaws.com", None),
            ("https://bedrock-runtime-x.us-west-2.amazonaws.com", None),
            ("https://bedrock-runtime.us-west-2.amazonaws.com/path", None),
            ("https://bedrock-runtime..amazonaws.com", None),
            ("https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com", None),
            ("http://localhost:8080/bedrock", None),
        ] {
            assert_eq!(region_of_url(url).as_deref(), region, "{url}");
        }
    }

    #[test]
    fn other_services_have_their_own_settings() {
        let env = |name: &str| (name == "AWS_ENDPOINT_URL_SSO_OIDC").then(|| "http://[::1]:9/x/".to_owned());
        let (base, source) = configured_url("sso_oidc", None, env).unwrap().unwrap();
        assert_eq!(base.text, "http://[::1]:9/x");
        assert!(base.may_carry_secrets());
        assert_eq!(source, EndpointSource::Environment("AWS_ENDPOINT_URL_SSO_OIDC".to_owned()));
        assert_eq!(configured_url("sso", None, env).unwrap(), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_can_be_decoded(label in any::<String>()) {
            let encoded = encode_label(&label);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
            prop_assert_eq!(decode_label(&encoded), Some(label));
        }

        #[test]
        fn a_url_is_taken_as_others_take_it(text in "(https?|HTTP|ftp)://[a-z0-9.:@\\[\\]%-]{0,12}(/[a-z.%/?#-]{0,8})?") {
            if let Ok(base) = BaseUrl::parse(&text) {
                let uri = base.text.parse::<http::Uri>().unwrap();
                let (_, rest) = base.text.split_once("://").unwrap();
                prop_assert!(rest.starts_with(uri.authority().unwrap().as_str()));
                prop_assert_eq!(uri.query(), None);
                prop_assert_eq!(base.https, uri.scheme_str() == Some("https"));
            }
        }
    }
}
