//! The URL that environment and profile give a service.

use std::fmt;

use crate::aws_files::{Profiles, Section};
use crate::url::BaseUrl;
use crate::{Error, ErrorKind, Result};

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

/// The URL that the settings give a service (2 to 5 in [`endpoint`](crate::endpoint)). `id` is the service's name
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
    let found = |url: &str, source| Ok(Some((given_url(url, &source)?, source)));

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
                    "expected the section [services {}], which profile {} names; found none",
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

/// What the environment says; blank is nothing.
pub(crate) fn set(env: &impl Fn(&str) -> Option<String>, variable: &str) -> Option<String> {
    env(variable).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// A switch that the environment sets, or else the profile.
pub(crate) fn is_true(env: Option<&str>, profile: Option<&Section>, key: &str) -> bool {
    env.or_else(|| profile?.non_blank(key)).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

pub(crate) fn given_url(text: &str, source: &EndpointSource) -> Result<BaseUrl> {
    BaseUrl::parse(text).map_err(|expected| {
        let kind = match source {
            EndpointSource::Services { .. } | EndpointSource::Profile(_) => ErrorKind::Credentials,
            _ => ErrorKind::InvalidInput,
        };
        let source = match source {
            EndpointSource::Given => String::new(),
            source => format!(" ({source})"),
        };
        Error::new(kind, format!("invalid endpoint URL{source}: expected {expected}"))
            .with_hint("an endpoint URL is like https://vpce-1.example.com or http://localhost:8080/path")
    })
}

/// The runtime's name in the AWS files; in upper case the end of the environment variable's.
pub(crate) const RUNTIME: &str = "bedrock_runtime";
/// The same for the control plane.
pub(crate) const CONTROL: &str = "bedrock";

const ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_services_have_their_own_settings() {
        let env = |name: &str| (name == "AWS_ENDPOINT_URL_SSO_OIDC").then(|| "http://[::1]:9/x/".to_owned());
        let (base, source) = configured_url("sso_oidc", None, env).unwrap().unwrap();
        assert_eq!(base.text, "http://[::1]:9/x");
        assert!(base.may_carry_secrets());
        assert_eq!(source, EndpointSource::Environment("AWS_ENDPOINT_URL_SSO_OIDC".to_owned()));
        assert_eq!(configured_url("sso", None, env).unwrap(), None);
    }
}
