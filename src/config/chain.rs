//! The settings of the chain, and the AWS files: what the feature `chain` adds to a [`Config`].

use std::fmt;
use std::io;
use std::sync::Arc;

use aws_credential_types::Token;

use super::{Config, Fields};
use crate::Result;
use crate::aws_files::{Profiles, Section};
use crate::context::AwsFiles;
use crate::credentials::{Chain, MfaPrompt, Provider, ProviderContext};
use crate::progress::Progress;
use crate::transport::Transport;

#[derive(Clone, Default)]
pub(crate) struct ChainSettings {
    profile: Option<String>,
    pub(crate) fallback_bearer_token: Option<Token>,
    pub(crate) fallback_profile: Option<String>,
    pub(crate) api_key_command: Option<String>,
    pub(crate) credentials_refresh_command: Option<String>,
    credential_cache: bool,
    mfa: MfaPrompt,
    credentials_transport: Option<Arc<dyn Transport>>,
    offline: bool,
}

impl fmt::Debug for ChainSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainSettings")
            .field("profile", &self.profile)
            .field("fallback_bearer_token", &self.fallback_bearer_token)
            .field("fallback_profile", &self.fallback_profile)
            .field("credential_cache", &self.credential_cache)
            .field("credentials_transport", &self.credentials_transport)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}

/// With the feature `chain`.
impl Config {
    /// The profile to take region and credentials from, before those of the environment.
    pub fn profile(mut self, profile: impl Into<String>) -> Self {
        self.0.chain.profile = Some(profile.into());
        self
    }

    /// A Bedrock API key, for example from a settings file. It is used if environment, AWS files and container have no
    /// credentials, and before the role of an EC2 instance.
    pub fn fallback_bearer_token(mut self, token: impl Into<String>) -> Self {
        self.0.chain.fallback_bearer_token = Some(Token::new(token, None));
        self
    }

    /// The profile if neither code nor `AWS_PROFILE` nor `AWS_DEFAULT_PROFILE` names one, in place of `default`.
    pub fn fallback_profile(mut self, profile: impl Into<String>) -> Self {
        self.0.chain.fallback_profile = Some(profile.into());
        self
    }

    /// A shell command that prints a Bedrock API key, which is used as
    /// [`fallback_bearer_token`](Self::fallback_bearer_token) is. It is run again after an hour.
    pub fn api_key_command(mut self, command: impl Into<String>) -> Self {
        self.0.chain.api_key_command = Some(command.into());
        self
    }

    /// A shell command that gets new credentials, such as `aws sso login --profile work`. It is run when a sign-in or
    /// credentials have expired; then credentials are searched for once more.
    pub fn credentials_refresh_command(mut self, command: impl Into<String>) -> Self {
        self.0.chain.credentials_refresh_command = Some(command.into());
        self
    }

    /// Caches the temporary keys of roles on disk, readable by the user only, so that the next process need not assume a
    /// role again. They are in `credentials` of the [cache folder](crate::context::Context::cache_folder). Off by
    /// default.
    pub fn cache_credentials(mut self, cache: bool) -> Self {
        self.0.chain.credential_cache = cache;
        self
    }

    /// Asks the user for the code of an MFA device, which roles with `mfa_serial` need. The function is given the
    /// device's serial number or ARN, and runs on a thread of its own. Without it, such roles are an error.
    pub fn ask_mfa_code(mut self, ask: impl Fn(&str) -> io::Result<String> + Send + Sync + 'static) -> Self {
        self.0.chain.mfa = MfaPrompt(Some(Arc::new(ask)));
        self
    }

    /// What sends the requests to the services that give credentials (STS, IAM Identity Center, sign-in, a
    /// container's, an instance's), in place of the network.
    ///
    /// For tests: these requests and responses hold secrets.
    pub fn credentials_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.0.chain.credentials_transport = Some(transport);
        self
    }

    /// Asks no service for credentials, and runs no `credential_process`. Their credentials are then not found.
    pub fn offline(mut self) -> Self {
        self.0.chain.offline = true;
        self
    }

    /// Where credentials come from: the given provider, or else the chain.
    pub(crate) fn provider(&self) -> Provider {
        match &self.0.credentials {
            Some(given) => Provider::Own(Arc::clone(given)),
            None => Provider::Chain(self.chain()),
        }
    }

    pub(crate) fn chain(&self) -> Chain {
        let settings = &self.0.chain;
        let (region, token) = (self.0.fallback_region.clone(), settings.fallback_bearer_token.clone());
        let mut cx = ProviderContext::new(self.0.context.clone());
        cx.fallback(region, token, settings.fallback_profile.clone());
        cx.commands(settings.api_key_command.clone(), settings.credentials_refresh_command.clone());
        cx.mfa(settings.mfa.clone());
        cx.endpoint(self.0.endpoint_url.clone(), self.0.use_fips, self.0.use_dual_stack);
        if settings.credential_cache {
            cx = cx.cache_on_disk();
        }
        if let Some(profile) = &settings.profile {
            cx = cx.profile(profile);
        }
        if let Some(region) = &self.0.region {
            cx = cx.region(region);
        }
        if let Some(transport) = &settings.credentials_transport {
            cx = cx.transport(Arc::clone(transport));
        }
        if self.0.watcher.0.is_some() {
            let watcher = self.0.watcher.clone();
            cx = cx.command_output(move |text| watcher.report(&Progress::CommandOutput { text }));
        }
        Chain::new(if settings.offline { cx.offline() } else { cx })
    }

    /// The profile in use, if it exists, and the files that it is in. `is_needed`: whether files that cannot be read are
    /// an error even if no profile is named in code.
    pub(super) fn profile_in<'a>(
        &self,
        files: &'a AwsFiles,
        is_needed: bool,
    ) -> Result<Option<(&'a Profiles, &'a Section)>> {
        let Fields { context, chain: ChainSettings { profile, fallback_profile, .. }, .. } = &*self.0;
        let profiles = match files.profiles() {
            Err(_) if !is_needed && profile.is_none() => return Ok(None),
            profiles => profiles?,
        };
        let name = context.profile_name_or(profile.as_deref(), fallback_profile.as_deref());
        Ok(profiles.profile(&name).map(|section| (profiles, section)))
    }
}
