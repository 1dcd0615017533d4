//! Regions: what names them, and the partitions that they belong to.

use std::fmt;

use crate::aws_files::{Profiles, Section};
use crate::service_url::{CONTROL, RUNTIME, configured_url, is_true, set};
use crate::url::is_digits;
use crate::{Error, ErrorKind, Hint, Result};

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

    /// The first region that these name, in the order of [`RegionSettings`], or `None`: there is no default. The
    /// only place that decides a region.
    ///
    /// Fails if the endpoint URL of environment or profile is asked for a region and is invalid.
    ///
    /// Source: [AWS Region](https://docs.aws.amazon.com/sdkref/latest/guide/feature-region.html).
    pub fn resolve(
        settings: &RegionSettings<'_>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>> {
        let RegionSettings { model_id, given, profile, endpoint_url, fallback } = *settings;
        let found = |name: &str, source| Ok(Some(Self::new(name, source)));
        if let Some(name) = model_id.and_then(region_of_arn) {
            return found(name, RegionSource::ModelArn);
        }
        if let Some(name) = given {
            return found(name, RegionSource::Given);
        }
        for variable in VARIABLES {
            if let Some(name) = set(&env, variable) {
                return found(&name, RegionSource::Environment(variable.to_owned()));
            }
        }
        if let Some((name, profile)) = profile.and_then(|(profiles, profile)| of_profile(profiles, profile)) {
            return found(name, RegionSource::Profile(profile.to_owned()));
        }
        for id in [RUNTIME, CONTROL] {
            let url = match endpoint_url.filter(|_| id == RUNTIME) {
                Some(url) => Some(url.to_owned()),
                None => configured_url(id, profile, &env)?.map(|(base, _)| base.text),
            };
            if let Some(name) = url.as_deref().and_then(region_in_url) {
                return found(&name, RegionSource::EndpointUrl);
            }
        }
        Ok(fallback.map(|name| Self::new(name, RegionSource::Settings)))
    }

    /// The name, as it was found: `eu-central-1`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name without a `fips-` or `-fips`, which asks for FIPS endpoints: what requests are signed for.
    pub(crate) fn signing_name(&self) -> String {
        without_fips(&self.name)
    }

    /// What named it.
    pub fn source(&self) -> &RegionSource {
        &self.source
    }
}

/// What can name a region, the first that counts first. Environment and profile come between `given` and
/// `endpoint_url`: `AWS_REGION`, `AWS_DEFAULT_REGION`, then the `region` of the profile, or else of the first of its
/// `source_profile`s that has one.
#[derive(Debug, Clone, Copy, Default)]
pub struct RegionSettings<'a> {
    /// The model that is called: its ARN may name a region.
    pub model_id: Option<&'a str>,
    /// The region given in code or by a flag.
    pub given: Option<&'a str>,
    /// The AWS files and the profile chosen from them.
    pub profile: Option<(&'a Profiles, &'a Section)>,
    /// The URL of the runtime, given in code or by a flag; otherwise the one of environment or profile, and after it that
    /// of the control plane. It names a region if it is Amazon's own: `https://bedrock-runtime.eu-central-1.amazonaws.com`,
    /// also of FIPS, dual-stack and VPC endpoints.
    pub endpoint_url: Option<&'a str>,
    /// The region of a settings file.
    pub fallback: Option<&'a str>,
}

/// Whether environment or code name a region, so that the AWS files are not asked for one.
pub(crate) fn is_named_before_files(
    settings: &RegionSettings<'_>,
    env: impl Fn(&str) -> Option<String>,
) -> bool {
    settings.model_id.and_then(region_of_arn).is_some()
        || settings.given.is_some()
        || VARIABLES.iter().any(|variable| set(&env, variable).is_some())
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
    /// The endpoint URL, which is Amazon's own.
    EndpointUrl,
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
            Self::EndpointUrl => f.write_str("endpoint URL"),
            Self::Settings => f.write_str("settings file"),
            Self::InstanceMetadata => f.write_str("instance metadata"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The region of a profile, or else of the first of its `source_profile`s that has one; and the profile's name.
fn of_profile<'a>(profiles: &'a Profiles, mut profile: &'a Section) -> Option<(&'a str, &'a str)> {
    // A path without a circle is at most as long as there are profiles.
    for _ in 0..=profiles.names().count() {
        if let Some(name) = profile.non_blank("region") {
            return Some((name, profile.name()));
        }
        profile = profiles.profile(profile.non_blank("source_profile")?)?;
    }
    None
}

/// The region that a name means: `fips-us-gov-west-1` and `us-gov-west-1-fips` are `us-gov-west-1`.
pub(crate) fn without_fips(name: &str) -> String {
    // `replace` takes many times as long to find that there is none.
    if !name.as_bytes().windows(4).any(|part| part == b"fips") {
        return name.to_owned();
    }
    name.replace("fips-", "").replace("-fips", "")
}

/// Whether a region is of the partition `aws-us-gov`.
pub(crate) fn is_govcloud(region: &str) -> bool {
    partition(region).is_some_and(|partition| partition.prefix == GOVCLOUD)
}

/// The region inside the ARN of a Bedrock resource, `arn:aws:bedrock:REGION:...` in any partition:
/// a call that names the resource is sent there, whatever the settings say. `None` for an id that is
/// no such ARN.
///
/// ```
/// use pumice::region::region_of_arn;
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

/// Which kind of endpoints to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) fips: bool,
    pub(crate) dual_stack: bool,
}

impl Variant {
    /// What code asks for, or else the environment, or else the profile. The name of a region, as it was found, can ask
    /// for FIPS.
    pub(crate) fn of(
        named: &str,
        use_fips: Option<bool>,
        use_dual_stack: Option<bool>,
        profile: Option<&Section>,
        env: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let switch = |given: Option<bool>, variable: &str, key: &str| {
            given.unwrap_or_else(|| is_true(set(&env, variable).as_deref(), profile, key))
        };
        Self {
            fips: without_fips(named) != named
                || switch(use_fips, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"),
            dual_stack: switch(use_dual_stack, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"),
        }
    }
}

/// The host of STS, and the region that requests to it are signed for.
///
/// Source: the rule set that the AWS SDKs are generated from.
#[cfg(feature = "chain")]
pub(crate) fn sts(named: &str, variant: Variant) -> Result<(String, String)> {
    let mut region = without_fips(named);
    if region == "aws-global" {
        "us-east-1".clone_into(&mut region);
        if variant == (Variant { fips: false, dual_stack: false }) {
            return Ok(("sts.amazonaws.com".to_owned(), region));
        }
    }
    check_region(named, &region)?;
    let suffixes = suffixes(&region);
    let suffix = if variant.dual_stack { suffixes.dual_stack } else { suffixes.dns };
    // GovCloud's own hosts are FIPS endpoints.
    let is_marked = variant.fips && (variant.dual_stack || !is_govcloud(&region));
    let infix = if is_marked { "-fips" } else { "" };
    Ok((format!("sts{infix}.{region}.{suffix}"), region))
}

/// The region in the host name of a URL that is Amazon's own: a regional, FIPS, dual-stack or VPC endpoint of Bedrock.
pub(crate) fn region_in_url(url: &str) -> Option<String> {
    let (_, rest) = url.trim().split_once("://")?;
    let host = rest.split(['/', '?', '#', ':']).next()?.trim_end_matches('.').to_ascii_lowercase();
    let mut labels = host.splitn(2, '.');
    let (service, rest) = match (labels.next()?, labels.next()?) {
        // https://docs.aws.amazon.com/vpc/latest/privatelink/privatelink-access-aws-services.html
        (endpoint, rest) if endpoint.starts_with("vpce-") => rest.split_once('.')?,
        regional => regional,
    };
    let (region, suffix) = rest.split_once('.')?;
    let known = suffixes(region);
    let is_amazons = if host.starts_with("vpce-") {
        suffix.strip_prefix("vpce.") == Some(known.dns)
    } else {
        [known.dns, known.dual_stack].contains(&suffix)
    };
    let is_bedrocks = service == "bedrock" || service.starts_with("bedrock-");
    (is_bedrocks && is_amazons && is_region(region)).then(|| region.to_owned())
}

/// The region that gives this URL of the runtime by the rules, so that the URL need not be called as it is. `fips-REGION`
/// for a FIPS endpoint.
pub(crate) fn region_of_url(url: &str) -> Option<String> {
    let (_, host) = url.trim().trim_end_matches('/').split_once("://")?;
    let host = host.to_ascii_lowercase();
    let (service, rest) = host.split_once('.')?;
    let (region, suffix) = rest.split_once('.')?;
    if !is_region(region) || suffix != suffixes(region).dns {
        return None;
    }
    match service.strip_prefix("bedrock-runtime")? {
        "" => Some(region.to_owned()),
        "-fips" => Some(format!("fips-{region}")),
        _ => None,
    }
}

/// The end of the host names of a region's services: `amazonaws.com`.
///
/// Fails with [`ErrorKind::InvalidInput`] when the region cannot be part of a host name.
#[cfg(feature = "chain")]
pub(crate) fn dns_suffix(region: &str) -> Result<&'static str> {
    check_region(region, region)?;
    Ok(suffixes(region).dns)
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
pub(crate) fn check_region(named: &str, region: &str) -> Result<()> {
    if is_region(region) {
        return Ok(());
    }
    let shown = named.chars().take(64).collect::<String>();
    Err(Error::new(
        ErrorKind::InvalidInput,
        format!(
            "invalid region {shown:?}: expected 1 to 63 letters, digits and hyphens, not only digits, and no hyphen at either end"
        ),
    )
    .with_hint(Hint::SetRegion))
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
pub(crate) struct Suffixes {
    pub(crate) dns: &'static str,
    pub(crate) dual_stack: &'static str,
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

pub(crate) fn suffixes(region: &str) -> Suffixes {
    partition(region).map_or(AWS, |partition| partition.suffixes)
}

/// The partition of a region. `None` for `aws`.
fn partition(region: &str) -> Option<&'static Partition> {
    PARTITIONS.iter().find(|partition| partition.has(region))
}

/// In the order in which they count.
const VARIABLES: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// Of the partition `aws`, which has every region that no other partition has.
const AWS: Suffixes = Suffixes { dns: "amazonaws.com", dual_stack: "api.aws" };

const GOVCLOUD: &str = "us-gov";

static PARTITIONS: [Partition; 7] = [
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
        prefix: GOVCLOUD,
        global: Some("aws-us-gov-global"),
        suffixes: Suffixes { dns: "amazonaws.com", dual_stack: "api.aws" },
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_of_amazons_own_names_a_region() {
        for (url, region) in [
            ("https://bedrock-runtime.eu-central-1.amazonaws.com", Some("eu-central-1")),
            (" https://Bedrock-Runtime.EU-Central-1.amazonaws.com.:443/path?x ", Some("eu-central-1")),
            ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com/", Some("us-gov-west-1")),
            ("https://bedrock-runtime.eu-west-1.api.aws", Some("eu-west-1")),
            ("https://bedrock-runtime-fips.us-east-2.api.aws", Some("us-east-2")),
            ("https://bedrock.eu-west-3.amazonaws.com", Some("eu-west-3")),
            ("https://bedrock-mantle.us-west-2.api.aws/v1", Some("us-west-2")),
            ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", Some("cn-north-1")),
            ("https://bedrock-runtime.cn-north-1.api.amazonwebservices.com.cn", Some("cn-north-1")),
            ("https://bedrock-runtime.eusc-de-east-1.amazonaws.eu", Some("eusc-de-east-1")),
            ("https://vpce-0abc-1.bedrock-runtime.eu-central-1.vpce.amazonaws.com", Some("eu-central-1")),
            (
                "https://vpce-0abc-1-us-east-1a.bedrock-runtime-fips.us-east-1.vpce.amazonaws.com",
                Some("us-east-1"),
            ),
            ("https://vpce-0abc-1.bedrock.cn-north-1.vpce.amazonaws.com.cn", Some("cn-north-1")),
            ("https://bedrock-runtime.cn-north-1.amazonaws.com", None),
            ("https://bedrock-runtime.us-west-2.amazonaws.com.cn", None),
            ("https://vpce-0abc-1.bedrock-runtime.eu-central-1.amazonaws.com", None),
            ("https://vpce-0abc-1.bedrock-runtime.cn-north-1.vpce.amazonaws.com", None),
            ("https://bedrock-runtime.eu-central-1.vpce.amazonaws.com", None),
            ("https://bedrock-runtime.eu-central-1.amazonaws.com.example.com", None),
            ("https://bedrockish.eu-central-1.amazonaws.com", None),
            ("https://sts.eu-central-1.amazonaws.com", None),
            ("https://bedrock-runtime..amazonaws.com", None),
            ("https://example.com/bedrock-runtime.eu-central-1.amazonaws.com", None),
            ("http://localhost:8080/bedrock", None),
            ("bedrock-runtime.eu-central-1.amazonaws.com", None),
        ] {
            assert_eq!(region_in_url(url).as_deref(), region, "{url}");
        }
    }

    /// The expected values are botocore's; of `aws-global`, only the first.
    #[cfg(feature = "chain")]
    #[test]
    fn sts_has_hosts_of_its_own() {
        for (named, fips, dual_stack, host, region) in [
            ("eu-central-1", false, false, "sts.eu-central-1.amazonaws.com", "eu-central-1"),
            ("eu-central-1", true, false, "sts-fips.eu-central-1.amazonaws.com", "eu-central-1"),
            ("eu-central-1", false, true, "sts.eu-central-1.api.aws", "eu-central-1"),
            ("eu-central-1", true, true, "sts-fips.eu-central-1.api.aws", "eu-central-1"),
            ("us-gov-west-1", true, false, "sts.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("us-gov-west-1", true, true, "sts-fips.us-gov-west-1.api.aws", "us-gov-west-1"),
            ("cn-north-1", false, true, "sts.cn-north-1.api.amazonwebservices.com.cn", "cn-north-1"),
            ("us-iso-east-1", true, false, "sts-fips.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
            ("aws-global", false, false, "sts.amazonaws.com", "us-east-1"),
            ("aws-global", true, false, "sts-fips.us-east-1.amazonaws.com", "us-east-1"),
        ] {
            let expected = (host.to_owned(), region.to_owned());
            assert_eq!(sts(named, Variant { fips, dual_stack }).unwrap(), expected, "{named}");
        }
        let variant = |named| Variant::of(named, None, None, None, |_| None);
        for named in ["fips-us-west-2", "us-west-2-fips"] {
            let (host, region) = sts(named, variant(named)).unwrap();
            assert_eq!((&*host, &*region), ("sts-fips.us-west-2.amazonaws.com", "us-west-2"));
        }
        assert!(sts("x.example.com/", variant("")).is_err());
    }

    #[test]
    fn a_url_that_a_region_gives_is_known() {
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
}
