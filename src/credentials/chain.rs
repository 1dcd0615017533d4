//! The sources of credentials, asked in order.

mod assume_role;
mod bearer;
mod commands;
mod container;
mod disk_cache;
mod environment;
mod imds;
mod instance;
mod login;
mod process;
mod profile;
mod provider_context;
mod secret;
mod session;
mod sso;
mod sts;
mod web_identity;

use std::pin::Pin;
use std::sync::Arc;

pub(crate) use self::provider_context::MfaPrompt;
pub use self::provider_context::ProviderContext;
use self::provider_context::{Fault, SearchContext};
use super::{
    Attempt, AttemptOutcome, Caller, Credentials, CredentialsFuture, Deferred, Keys, ProvideCredentials,
    Resolved, Search, check_expiry, expired,
};
use crate::context::AwsFiles;
use crate::{Error, ErrorKind, Hint, Result};

/// The chain of sources that the AWS SDKs ask, or one of them alone; see the [module](super).
///
/// Cloning is cheap. The clones share their connections and what the instance metadata service gave.
///
/// ```
/// use pumice::context::Context;
/// use pumice::credentials::{Chain, ProviderContext};
/// use pumice::{Client, Config};
///
/// // In Kubernetes: the web identity, and nothing else that may be in the environment.
/// let identity = Chain::web_identity(ProviderContext::new(Context::real()));
/// let client = Client::new(Config::new().credentials(identity));
/// ```
#[derive(Debug, Clone)]
pub struct Chain {
    cx: Arc<ProviderContext>,
    sources: &'static [Source],
}

/// A source of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Bearer,
    Environment,
    Profile,
    WebIdentity,
    Container,
    Settings,
    Instance,
}

impl Chain {
    /// All sources.
    pub fn new(cx: ProviderContext) -> Self {
        Self::of(
            cx,
            &[
                Source::Bearer,
                Source::Environment,
                Source::Profile,
                Source::WebIdentity,
                Source::Container,
                Source::Settings,
                Source::Instance,
            ],
        )
    }

    /// Only the Bedrock API key in `AWS_BEARER_TOKEN_BEDROCK`.
    pub fn bearer_token(cx: ProviderContext) -> Self {
        Self::of(cx, &[Source::Bearer])
    }

    /// Only the access keys of the environment.
    pub fn environment(cx: ProviderContext) -> Self {
        Self::of(cx, &[Source::Environment])
    }

    /// Only the profile that the context or else the environment names, or `default`, with everything that the
    /// profile leads to.
    pub fn profile(cx: ProviderContext) -> Self {
        Self::of(cx, &[Source::Profile])
    }

    /// Only the role for the token in `AWS_WEB_IDENTITY_TOKEN_FILE`.
    pub fn web_identity(cx: ProviderContext) -> Self {
        Self::of(cx, &[Source::WebIdentity])
    }

    /// Only the credentials service of the container.
    pub fn container(cx: ProviderContext) -> Self {
        Self::of(cx, &[Source::Container])
    }

    /// Only the metadata service of the EC2 instance.
    pub fn instance_metadata(cx: ProviderContext) -> Self {
        Self::of(cx, &[Source::Instance])
    }

    fn of(cx: ProviderContext, sources: &'static [Source]) -> Self {
        Self { cx: Arc::new(cx), sources }
    }

    /// Asks the sources in order, until one has credentials, is broken or may not be asked.
    pub fn search(&self) -> Pin<Box<dyn Future<Output = Search> + Send + '_>> {
        Box::pin(async { self.search_in(&self.cx.context.aws_files()).await })
    }

    /// [`search`](Self::search), with the AWS files as they were read.
    // size: 59,000 bytes, because a future that is boxed here is compiled once and not for each caller.
    pub(super) fn search_in<'a>(
        &'a self,
        files: &'a AwsFiles,
    ) -> Pin<Box<dyn Future<Output = Search> + Send + 'a>> {
        Box::pin(async {
            let search = self.ask(files).await;
            let Some(command) = self.cx.refresh_command.as_ref().filter(|_| !self.cx.offline) else {
                return search;
            };
            let has_ended = match &search.result {
                Ok(found) => found.credentials.access_key_id().is_some_and(|id| self.cx.is_refused(id)),
                Err(error) => {
                    matches!(error.hint(), Some(Hint::SignIn { .. } | Hint::RenewCredentials { .. }))
                }
            };
            if !has_ended {
                return search;
            }
            match commands::refresh(&self.cx, REFRESH_COMMAND, command).await {
                Ok(()) => self.ask(&self.cx.context.aws_files()).await,
                Err(error) => Search { result: Err(error), ..search },
            }
        })
    }

    /// Notes that the service has refused these as expired.
    pub(super) fn refuse(&self, credentials: &Credentials) {
        self.cx.refuse(credentials);
    }

    /// Whose keys these are, by STS in the region of the chain.
    pub(crate) async fn caller(&self, keys: &Keys) -> Result<Caller> {
        let files = self.cx.context.aws_files();
        sts::caller(&SearchContext::new(&self.cx, &files), keys).await
    }

    async fn ask(&self, files: &AwsFiles) -> Search {
        let Self { cx, sources } = self;
        let cx = &SearchContext::new(cx, files);
        let is_whole = sources.len() > 1;
        let has_key = cx.fallback_token.is_some() || cx.key_command.is_some();
        let mut attempts = Vec::new();
        let mut instance = None;
        for source in sources.iter().filter(|source| has_key || **source != Source::Settings) {
            let name = source.name(cx);
            let mut note = |outcome, reason| attempts.push(Attempt { source: name.clone(), outcome, reason });
            let loaded = match source {
                Source::Bearer | Source::Environment if is_whole && cx.profile.is_some() => {
                    Ok(Outcome::not_applicable("a profile is named"))
                }
                source => source.load(cx).await,
            };
            let loaded = loaded.and_then(|outcome| {
                if let Outcome::Resolved(resolved) = &outcome {
                    check_expiry(resolved, &cx.context)?;
                }
                Ok(outcome)
            });
            match loaded {
                Ok(Outcome::Resolved(resolved)) => {
                    note(AttemptOutcome::Used, resolved.link.clone());
                    return Search { result: Ok(resolved), deferred: None, attempts };
                }
                Ok(Outcome::NotApplicable { reason, hint }) => {
                    note(AttemptOutcome::Skipped, reason);
                    instance = instance.or(hint.map(str::to_owned));
                }
                Ok(Outcome::Deferred { deferred, url }) => {
                    let reason = format!("{}: not asked, since offline: {url} would be", deferred.link);
                    let message = format!("credentials would come from {reason}");
                    note(AttemptOutcome::Skipped, reason);
                    let result = Err(Error::new(ErrorKind::Credentials, message));
                    return Search { result, deferred: Some(deferred), attempts };
                }
                Err(error) => {
                    // Whatever a source fails of, its configuration is what the user can look at.
                    let error = match error.kind() {
                        ErrorKind::Credentials => error,
                        _ => provider_context::failed(&name, &error),
                    };
                    let reason = error.to_string();
                    // The source is named beside it.
                    let named =
                        reason.strip_prefix("the ").and_then(|reason| reason.strip_prefix(name.as_str()));
                    let bare = named.and_then(|reason| reason.strip_prefix(": "));
                    note(AttemptOutcome::Failed, bare.unwrap_or(&reason).to_owned());
                    return Search { result: Err(error), deferred: None, attempts };
                }
            }
        }
        let mut message = String::from("no AWS credentials were found");
        for Attempt { source, reason, .. } in &attempts {
            message.extend(["\n  ", source, ": ", reason]);
        }
        let error = Error::new(ErrorKind::Credentials, message);
        let error = match instance {
            Some(hint) if !is_whole => error.with_hint(hint),
            // A hint about other sources does not help if only one is asked.
            None if !is_whole => error,
            instance => error.with_hint(Hint::SetCredentials { instance }),
        };
        Search { result: Err(error), deferred: None, attempts }
    }
}

/// What a source says. One that is configured but broken gives an error instead.
#[derive(Debug)]
enum Outcome {
    Resolved(Resolved),
    /// This machine does not use the source. The next one is asked.
    NotApplicable {
        reason: String,
        /// What to do if it should.
        hint: Option<&'static str>,
    },
    /// The source would be asked at `url`, which is not allowed.
    Deferred {
        deferred: Deferred,
        url: String,
    },
}

impl Outcome {
    fn not_applicable(reason: impl Into<String>) -> Self {
        Self::NotApplicable { reason: reason.into(), hint: None }
    }

    /// The outcome of a source that is configured.
    fn of(source: &'static str, link: String, keys: Result<Keys, Fault>) -> Result<Self> {
        match keys {
            Ok(keys) => {
                Ok(Self::Resolved(Resolved { source, ..Resolved::new(Credentials::Keys(keys), link) }))
            }
            Err(Fault::Offline(url)) => Ok(Self::Deferred { deferred: Deferred { source, link }, url }),
            Err(Fault::Broken(error)) => Err(error),
        }
    }
}

impl ProvideCredentials for Chain {
    fn provide(&self) -> CredentialsFuture<'_> {
        Box::pin(async { self.search().await.result })
    }
}

impl Source {
    fn name(self, cx: &ProviderContext) -> String {
        match (self, &cx.profile) {
            (Self::Bearer, _) => bearer::VARIABLE.into(),
            (Self::Environment, _) => environment::NAME.into(),
            (Self::Profile, Some(name)) => format!("profile {name}"),
            (Self::Profile, None) => "profile".into(),
            (Self::WebIdentity, _) => web_identity::TOKEN_FILE.into(),
            (Self::Container, _) => "container".into(),
            (Self::Settings, _) => SETTINGS.into(),
            (Self::Instance, _) => "instance metadata".into(),
        }
    }

    async fn load(self, cx: &SearchContext<'_>) -> Result<Outcome> {
        match self {
            Self::Bearer => bearer::load(cx),
            Self::Environment => Ok(environment::load(&cx.context)),
            Self::Profile => profile::load(cx).await,
            Self::WebIdentity => web_identity::load(cx).await,
            Self::Container => container::load(cx).await,
            Self::Settings => {
                let (token, link) = match (&cx.fallback_token, &cx.key_command) {
                    (Some(token), _) => (token.clone(), SETTINGS.to_owned()),
                    (None, Some(_)) if cx.offline => {
                        let (source, link) = (DEFAULT_CHAIN, KEY_COMMAND.to_owned());
                        return Ok(Outcome::Deferred {
                            deferred: Deferred { source, link },
                            url: "the command".into(),
                        });
                    }
                    (None, Some(command)) => {
                        (commands::key(cx, KEY_COMMAND, command).await?, KEY_COMMAND.to_owned())
                    }
                    (None, None) => return Ok(Outcome::not_applicable("it has no key")),
                };
                let resolved = Resolved::new(Credentials::Bearer(token), link);
                Ok(Outcome::Resolved(Resolved { source: DEFAULT_CHAIN, ..resolved }))
            }
            Self::Instance => imds::load(cx).await,
        }
    }
}

const DEFAULT_CHAIN: &str = "default chain";
const SETTINGS: &str = "settings file";
const KEY_COMMAND: &str = "settings file (apiKeyCommand)";
const REFRESH_COMMAND: &str = "credentialsRefreshCommand of the settings file";
