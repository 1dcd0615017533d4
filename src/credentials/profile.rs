//! Static keys of a profile in the two AWS files.

use std::future::ready;
use std::path::PathBuf;

use aws_credential_types::Credentials as Keys;

use super::{Credentials, Found, Loading, Outcome, Source};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::profile::Section;

/// The source: the profile that is named, or else `AWS_PROFILE`, or else `default`.
#[derive(Debug)]
pub(super) struct Profile {
    named: Option<String>,
}

impl Profile {
    pub(super) fn new(named: Option<String>) -> Self {
        Self { named }
    }

    fn look(&self, context: &Context) -> Result<Outcome> {
        let name = context.profile_name(self.named.as_deref());
        let profiles = context.profiles()?;
        let Some(section) = profiles.profile(&name) else {
            let files = searched(context);
            // `default` need not be there, even by name: on an EC2 instance without any file,
            // `AWS_PROFILE=default` is how agents are told to look for credentials at all.
            if name == "default" {
                return Ok(Outcome::NotApplicable(format!("there is no profile default in {files}")));
            }
            let known = profiles.names().collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() {
                "there are no profiles at all".into()
            } else {
                format!("there are: {known}")
            };
            return Err(Error::new(ErrorKind::Credentials, format!("there is no profile {name} in {files}"))
                .with_hint(format!("{known}; name one with --profile or AWS_PROFILE")));
        };
        Ok(match keys(section, &name)? {
            Some(keys) => Outcome::Found(Found {
                credentials: Credentials::Keys(keys),
                source: if self.named.is_none() && context.env("AWS_PROFILE").is_some() {
                    "env: AWS_PROFILE"
                } else {
                    "default chain"
                },
                link: format!("profile {name}"),
            }),
            None => Outcome::NotApplicable(format!("the profile {name} has no access keys")),
        })
    }
}

impl Source for Profile {
    fn name(&self) -> String {
        match &self.named {
            Some(name) => format!("profile {name}"),
            None => "profile".into(),
        }
    }

    fn load<'a>(&'a self, context: &'a Context) -> Loading<'a> {
        Box::pin(ready(self.look(context).unwrap_or_else(Outcome::Broken)))
    }
}

/// The static keys of a profile: both, or none; one without the other is a mistake.
fn keys(section: &Section, name: &str) -> Result<Option<Keys>> {
    let property = |key| section.property(key).filter(|value| !value.is_empty());
    let missing = |absent: &str, present: &str| {
        Error::new(ErrorKind::Credentials, format!("the profile {name} has {present}, but no {absent}"))
    };
    match (property("aws_access_key_id"), property("aws_secret_access_key")) {
        (Some(id), Some(secret)) => {
            let mut keys =
                Keys::builder().access_key_id(id).secret_access_key(secret).provider_name("profile");
            keys.set_session_token(property("aws_session_token").map(str::to_owned));
            if let Some(account) = property("aws_account_id") {
                keys = keys.account_id(account);
            }
            Ok(Some(keys.build()))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(missing("aws_secret_access_key", "aws_access_key_id")),
        (None, Some(_)) => Err(missing("aws_access_key_id", "aws_secret_access_key")),
    }
}

/// The two files, for messages.
fn searched(context: &Context) -> String {
    let shown =
        |path: Option<PathBuf>| path.map_or("(no home folder)".into(), |path| path.display().to_string());
    format!("{} and {}", shown(context.config_file()), shown(context.credentials_file()))
}
