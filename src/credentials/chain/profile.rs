//! A profile of the two AWS files: its credentials, and the roles that are assumed with them.
//!
//! A profile with a `role_arn` refers to a `source_profile` or a `credential_source`, and so on, down to the first
//! credentials. A profile on the way that has keys of its own is the last. If a profile has several kinds of
//! credentials, the first of these counts:
//! `credential_source`, web identity, IAM Identity Center, `login_session`, `credential_process`, keys.
//!
//! Source: the AWS SDKs' reference guide,
//! [shared config and credentials files](https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html).

use std::path::PathBuf;

use aws_credential_types::Credentials as Keys;

use super::assume_role::Role;
use super::provider_context::{Fault, SearchContext, ignored_lines};
use super::secret::{self, Secret};
use super::sso::Sso;
use super::web_identity::WebIdentity;
use super::{Outcome, container, environment, login, process};
use crate::aws_files::{Profiles, Section};
use crate::context::Context;
use crate::spelling::near_miss;
use crate::{Error, ErrorKind, Hint, Result};

/// The keys of the profile that code names, or else the environment, or else of `default`.
pub(super) async fn load(cx: &SearchContext<'_>) -> Result<Outcome> {
    let context = &cx.context;
    let name = cx.profile_name();
    let profiles = cx.files.profiles()?;
    if profiles.profile(&name).is_none() {
        let files = searched(context);
        // `default` may be missing even if it is named: agents on an EC2 instance without any file need
        // `AWS_PROFILE=default` to look for credentials at all.
        let message = format!("there is no profile {name} in {files}{}", ignored_lines(profiles, &name));
        if name == "default" {
            return Ok(Outcome::not_applicable(message));
        }
        if profiles.warning_about(&name).is_some() {
            // The warning says how to write the section.
            return Err(Error::new(ErrorKind::Credentials, message));
        }
        let hint = Hint::SetProfile { known: profiles.names().map(str::to_owned).collect() };
        return Err(Error::new(ErrorKind::Credentials, message).with_hint(hint));
    }
    let plan = Plan::of(profiles, &name).map_err(|error| {
        let hint = profiles.profile(&name).and_then(misspelt).map(|(found, meant)| {
            format!("{found} in the profile {name} is not a setting: did you mean {meant}?").into()
        });
        error.or_hint(hint)
    });
    let Some(plan) = plan? else {
        return Ok(Outcome::not_applicable(format!("the profile {name} names no credentials")));
    };
    let is_set = |variable| cx.profile.is_none() && context.env(variable).is_some();
    let source = match () {
        () if is_set("AWS_PROFILE") => "env: AWS_PROFILE",
        () if is_set("AWS_DEFAULT_PROFILE") => "env: AWS_DEFAULT_PROFILE",
        () => "default chain",
    };
    let mut outcome = Outcome::of(source, plan.link(&name), plan.load(cx).await)?;
    if let (Outcome::Resolved(found), Base::Instance) = (&mut outcome, &plan.base) {
        found.region = cx.imds.region_if_not_named(cx).await?;
    }
    Ok(outcome)
}

/// How to get a profile's keys.
#[derive(Debug)]
struct Plan {
    base: Base,
    /// The profile that has the base.
    base_profile: String,
    /// In the order in which they are assumed.
    roles: Vec<Role>,
}

/// The credentials that a plan starts from.
#[derive(Debug)]
enum Base {
    Environment,
    Container,
    Instance,
    WebIdentity(WebIdentity),
    Sso(Sso),
    Login(String),
    Process { command: Secret, account: Option<String> },
    Keys(Keys),
}

impl Plan {
    /// The plan of a profile that exists. `None` if it names no credentials.
    fn of(profiles: &Profiles, name: &str) -> Result<Option<Self>> {
        let mut roles = Vec::new();
        let mut seen = Vec::<&str>::new();
        let mut name = name;
        let base = loop {
            let fault =
                |fault: String| Error::new(ErrorKind::Credentials, format!("the profile {name} {fault}"));
            let profile = profiles.profile(name).ok_or_else(|| {
                let before = seen.last().copied().unwrap_or_default();
                Error::new(
                    ErrorKind::Credentials,
                    format!(
                        "the profile {before} names the source_profile {name}, which does not exist{}",
                        ignored_lines(profiles, name)
                    ),
                )
            })?;
            if seen.contains(&name) {
                seen.push(name);
                return Err(Error::new(
                    ErrorKind::Credentials,
                    format!(
                        "the profiles {} refer to each other in a circle by source_profile",
                        seen.join(", ")
                    ),
                ));
            }
            seen.push(name);
            if !roles.is_empty()
                && let Ok(Some(keys)) = static_keys(profile)
            {
                break Some(Base::Keys(keys));
            }
            // A role with a token of its own starts the plan.
            if profile.non_blank("web_identity_token_file").is_some() {
                break Base::of(profiles, profile)?;
            }
            let Some(role) = Role::of(profile) else {
                match misspelt(profile) {
                    // Without the role it would be another identity, whatever else the profile has.
                    Some((found, "role_arn")) => return Err(unfinished(profile, "role_arn", found)),
                    _ => break Base::of(profiles, profile)?,
                }
            };
            roles.push(role);
            match (profile.non_blank("source_profile"), profile.non_blank("credential_source")) {
                (Some(_), Some(_)) => {
                    return Err(fault(
                        "has source_profile and credential_source: expected only one of them".into(),
                    ));
                }
                (None, None) => {
                    return Err(fault(
                        "has role_arn, but no source_profile or credential_source to assume it with".into(),
                    ));
                }
                (Some(source), None) if source != name => name = source,
                // The role is assumed with the profile's own credentials.
                _ => break Base::of(profiles, profile)?,
            }
        };
        let Some(base) = base else {
            profiles.profile(name).map_or(Ok(()), check_finished)?;
            if roles.is_empty() {
                return Ok(None);
            }
            return Err(Error::new(
                ErrorKind::Credentials,
                format!("the source_profile {name} names no credentials"),
            ));
        };
        let base_profile = name.to_owned();
        roles.reverse();
        Ok(Some(Self { base, base_profile, roles }))
    }

    async fn load(&self, cx: &SearchContext<'_>) -> Result<Keys, Fault> {
        let mut keys = match &self.base {
            Base::Keys(keys) => keys.clone(),
            Base::Environment => environment::keys_of(&cx.context).ok_or_else(|| {
                Error::new(
                    ErrorKind::Credentials,
                    format!(
                        "the profile {} takes its credentials from the environment, where {} are not set",
                        self.base_profile,
                        environment::NAME
                    ),
                )
            })?,
            Base::Container => container::keys(cx).await?,
            Base::Instance => cx.imds.keys(cx).await?,
            Base::WebIdentity(identity) => identity.load(cx).await?,
            Base::Sso(sso) => sso.load(cx).await?,
            Base::Login(session) => login::load(cx, &self.base_profile, session).await?,
            Base::Process { command, account } => {
                process::load(cx, &self.base_profile, command.text(), account.as_deref()).await?
            }
        };
        for role in &self.roles {
            keys = role.assume(cx, &keys).await?;
        }
        Ok(keys)
    }

    /// The plan for messages: `profile work (sso-session corp)`.
    fn link(&self, name: &str) -> String {
        let base = match &self.base {
            Base::Keys(_) => String::new(),
            Base::Environment => "environment".into(),
            Base::Container => "container".into(),
            Base::Instance => "instance metadata".into(),
            Base::WebIdentity(_) => "web identity".into(),
            Base::Sso(sso) => match &sso.session {
                Some(session) => format!("sso-session {session}"),
                None => "sso".into(),
            },
            Base::Login(_) => "login session".into(),
            Base::Process { .. } => "credential_process".into(),
        };
        let mut parts = self.roles.iter().rev().map(|role| format!("role {}", role.arn)).collect::<Vec<_>>();
        if self.base_profile != name {
            parts.push(format!("profile {}", self.base_profile));
        }
        if !base.is_empty() {
            parts.push(base);
        }
        if parts.is_empty() {
            format!("profile {name}")
        } else {
            format!("profile {name} ({})", parts.join(", "))
        }
    }
}

impl Base {
    /// The credentials of a profile itself.
    fn of(profiles: &Profiles, profile: &Section) -> Result<Option<Self>> {
        if let Some(source) = profile.non_blank("credential_source") {
            return match source.trim().to_ascii_lowercase().as_str() {
                "environment" => Ok(Some(Self::Environment)),
                "ecscontainer" => Ok(Some(Self::Container)),
                "ec2instancemetadata" => Ok(Some(Self::Instance)),
                _ => Err(Error::new(
                    ErrorKind::Credentials,
                    format!(
                        "the profile {}: expected the credential_source Environment, EcsContainer or \
                         Ec2InstanceMetadata, found {source:?}",
                        profile.name()
                    ),
                )),
            };
        }
        let property = |key| profile.non_blank(key).map(str::to_owned);
        if let Some(identity) = WebIdentity::of(profile)? {
            return Ok(Some(Self::WebIdentity(identity)));
        }
        if let Some(sso) = Sso::of(profiles, profile)? {
            return Ok(Some(Self::Sso(sso)));
        }
        if let Some(session) = property("login_session") {
            return Ok(Some(Self::Login(session)));
        }
        if let Some(command) = property("credential_process") {
            let command = Secret::new(command);
            return Ok(Some(Self::Process { command, account: property("aws_account_id") }));
        }
        Ok(static_keys(profile)?.map(Self::Keys))
    }
}

/// The access keys in a profile: both or neither; one alone is an error.
fn static_keys(profile: &Section) -> Result<Option<Keys>> {
    let property = |key| profile.non_blank(key);
    let missing = |absent: &str, present: &str| {
        let name = profile.name();
        Error::new(ErrorKind::Credentials, format!("the profile {name} has {present}, but no {absent}"))
    };
    match (property("aws_access_key_id"), property("aws_secret_access_key")) {
        (Some(id), Some(secret)) => {
            // The second is the older name.
            let token = property("aws_session_token").or_else(|| property("aws_security_token"));
            Ok(Some(secret::keys((id, secret, token), property("aws_account_id"), None)))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(missing("aws_secret_access_key", "aws_access_key_id")),
        (None, Some(_)) => Err(missing("aws_access_key_id", "aws_secret_access_key")),
    }
}

/// Refuses a profile without credentials that has a part of a way to them: the next source could be the wrong
/// identity.
fn check_finished(profile: &Section) -> Result<()> {
    if let Some((found, meant)) = misspelt(profile) {
        return Err(unfinished(profile, meant, found));
    }
    let needs = [
        ("sso_session", "sso_account_id and sso_role_name"),
        ("source_profile", "role_arn"),
        ("aws_session_token", "aws_access_key_id and aws_secret_access_key"),
        ("aws_security_token", "aws_access_key_id and aws_secret_access_key"),
    ];
    if let Some((found, needed)) = needs.into_iter().find(|(found, _)| profile.non_blank(found).is_some()) {
        return Err(unfinished(profile, needed, &format!("only {found}")));
    }
    match SETTINGS.into_iter().find(|key| profile.property(key).is_some()) {
        Some(blank) => Err(unfinished(profile, &format!("a value of {blank}"), "none")),
        None => Ok(()),
    }
}

fn unfinished(profile: &Section, expected: &str, found: &str) -> Error {
    let message = format!("the profile {}: expected {expected}, found {found}", profile.name());
    Error::new(ErrorKind::Credentials, message).with_hint(
        "correct the profile, or name another one; other sources are not asked, since they could give a wrong identity",
    )
}

/// A setting of a profile that is likely one of [`SETTINGS`], misspelt; and that one.
fn misspelt(profile: &Section) -> Option<(&str, &'static str)> {
    let words = |key: &str| {
        let key = key.strip_prefix("aws").unwrap_or(key).trim_start_matches(['_', '-']);
        key.split(['_', '-']).map(str::to_owned).collect::<Vec<_>>()
    };
    let is_meant = |key: &str, known: &str| {
        let (found, known) = (words(key), words(known));
        // `sso_account`, `secret_key`, `profile_source`
        let is_part = found.len() > 1
            && (found.first() == known.first() || found.len() == known.len())
            && found.iter().all(|word| known.contains(word));
        is_part || near_miss(&found.concat(), std::iter::once(&*known.concat())).is_some()
    };
    profile.keys().filter(|key| !KNOWN.contains(key) && !SETTINGS.contains(key)).find_map(|key| {
        let known = SETTINGS.into_iter().find(|known| is_meant(key, known))?;
        Some((key, known))
    })
}

/// The two files, for messages.
fn searched(context: &Context) -> String {
    let shown =
        |path: Option<PathBuf>| path.map_or("(no home folder)".into(), |path| path.display().to_string());
    format!("{} and {}", shown(context.config_file()), shown(context.credentials_file()))
}

/// The settings that lead to credentials.
const SETTINGS: [&str; 12] = [
    "role_arn",
    "source_profile",
    "credential_source",
    "web_identity_token_file",
    "sso_session",
    "sso_start_url",
    "sso_account_id",
    "sso_role_name",
    "login_session",
    "credential_process",
    "aws_access_key_id",
    "aws_secret_access_key",
];
/// Settings that are not misspelt, though similar.
const KNOWN: [&str; 3] = ["aws_session_token", "sso_region", "role_session_name"];
