//! A [`Config`] without the feature `chain`: credentials are given in code, and the AWS files are not read.

use std::future::ready;
use std::sync::Arc;

use super::Config;
use crate::aws_files::{Profiles, Section};
use crate::context::AwsFiles;
use crate::credentials::{CredentialsFuture, ProvideCredentials, Provider};
use crate::{Error, ErrorKind, Result};

impl Config {
    /// Where credentials come from.
    pub(crate) fn provider(&self) -> Provider {
        Provider::Own(self.0.credentials.clone().unwrap_or_else(|| Arc::new(NotGiven)))
    }

    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with the feature `chain`")]
    pub(super) fn profile_in<'a>(
        &self,
        _: &'a AwsFiles,
        _is_needed: bool,
    ) -> Result<Option<(&'a Profiles, &'a Section)>> {
        Ok(None)
    }
}

/// The provider if none is given.
#[derive(Debug)]
struct NotGiven;

impl ProvideCredentials for NotGiven {
    fn provide(&self) -> CredentialsFuture<'_> {
        let message = "no credentials were given, and this program was built without the search for them";
        let error = Error::new(ErrorKind::Credentials, message).with_hint(
            "give Config::access_keys, Config::bearer_token or Config::credentials, or build pumice with its feature `chain`",
        );
        Box::pin(ready(Err(error)))
    }
}
