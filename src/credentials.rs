//! Where credentials come from: one trait, the chain that implements it, and a cache over either.
//!
//! A client asks the [`Chain`], unless [`Config::credentials`](crate::Config::credentials) names a provider: one of
//! its sources alone, [`Credentials`] themselves, or an implementation of [`ProvideCredentials`] of your own.
//!
//! The chain asks its sources in this order, and reports what it looked at:
//!
//! 1. A Bedrock API key in `AWS_BEARER_TOKEN_BEDROCK`.
//! 2. `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, with `AWS_SESSION_TOKEN`.
//! 3. The profile: keys, a role with `source_profile` or `credential_source`, `web_identity_token_file`, IAM
//!    Identity Center (`sso_session`), `login_session`, `credential_process`. Naming a missing profile is an error,
//!    except `default`.
//! 4. A role for the token in `AWS_WEB_IDENTITY_TOKEN_FILE`.
//! 5. The credentials service of a container (`AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, `_FULL_URI`).
//! 6. The key of a settings file, [`Config::fallback_bearer_token`](crate::Config::fallback_bearer_token).
//! 7. The metadata service of an EC2 instance, IMDSv2.
//!
//! If code names a profile (`AWS_PROFILE` does not count), the first two are skipped. A source that is configured
//! but broken ends the search: the next one could be the wrong identity.
//!
//! Source: the AWS SDKs' reference guide,
//! [standardized credential providers](https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html).

mod cache;
#[cfg(feature = "chain")]
mod chain;

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::time::SystemTime;

pub use aws_credential_types::{Credentials as Keys, Token};

pub(crate) use self::cache::{Cache, Provider};
#[cfg(feature = "chain")]
pub(crate) use self::chain::MfaPrompt;
#[cfg(feature = "chain")]
pub use self::chain::{Chain, ProviderContext};
use crate::context::Context;
use crate::date::rfc3339;
use crate::{Error, ErrorKind, Hint, Result};

/// Gives credentials: what a client asks before it signs.
///
/// The client caches what it is given. It asks again before the credentials expire and when the service says that
/// they have (`ExpiredToken`), once for all calls that wait. A failure is returned, as it is, to the calls that waited
/// for it. Limit the time yourself: the client waits for as long as the provider takes.
///
/// ```
/// use pumice::credentials::{Credentials, ProvideCredentials, CredentialsFuture, Resolved};
/// use pumice::{Client, Config};
///
/// #[derive(Debug)]
/// struct Vault;
///
/// impl ProvideCredentials for Vault {
///     fn provide(&self) -> CredentialsFuture<'_> {
///         Box::pin(async {
///             let keys = Credentials::keys("AKIDEXAMPLE", "secret", None);
///             Ok(Resolved::new(keys, "vault"))
///         })
///     }
/// }
///
/// let client = Client::new(Config::new().credentials(Vault));
/// ```
pub trait ProvideCredentials: fmt::Debug + Send + Sync {
    /// Asks for credentials.
    fn provide(&self) -> CredentialsFuture<'_>;
}

/// What [`provide`](ProvideCredentials::provide) returns.
pub type CredentialsFuture<'a> = Pin<Box<dyn Future<Output = Result<Resolved>> + Send + 'a>>;

/// What authorises a call. It is also a provider, of itself.
///
/// `Debug` redacts tokens and secret keys, and their memory is overwritten when they are dropped.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Credentials {
    /// A Bedrock API key, sent as `Authorization: Bearer`.
    Bearer(Token),
    /// Access keys, for Signature Version 4.
    Keys(Keys),
}

impl Credentials {
    /// A Bedrock API key.
    pub fn bearer(token: impl Into<String>) -> Self {
        Self::Bearer(Token::new(token, None))
    }

    /// Access keys; temporary ones have a session token.
    pub fn keys(id: impl Into<String>, secret: impl Into<String>, session_token: Option<String>) -> Self {
        Self::Keys(Keys::new(id, secret, session_token, None, "pumice"))
    }

    /// Sets when they expire.
    pub fn with_expiry(self, expires: SystemTime) -> Self {
        match self {
            Self::Bearer(token) => Self::Bearer(Token::new(token.token(), Some(expires))),
            Self::Keys(mut keys) => {
                *keys.expiry_mut() = Some(expires);
                Self::Keys(keys)
            }
        }
    }

    /// The public part of access keys.
    pub fn access_key_id(&self) -> Option<&str> {
        match self {
            Self::Bearer(_) => None,
            Self::Keys(keys) => Some(keys.access_key_id()),
        }
    }

    /// Whether a service would see the same credentials: the expiry does not count.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Bearer(token), Self::Bearer(other)) => token.token() == other.token(),
            (Self::Keys(keys), Self::Keys(other)) => {
                keys.access_key_id() == other.access_key_id()
                    && keys.secret_access_key() == other.secret_access_key()
                    && keys.session_token() == other.session_token()
            }
            _ => false,
        }
    }

    /// When they expire, if that is known.
    pub fn expires(&self) -> Option<SystemTime> {
        match self {
            Self::Bearer(token) => token.expiration(),
            Self::Keys(keys) => keys.expiry(),
        }
    }
}

impl ProvideCredentials for Credentials {
    fn provide(&self) -> CredentialsFuture<'_> {
        let link = match self {
            Self::Bearer(_) => "given bearer token",
            Self::Keys(_) => "given access keys",
        };
        Box::pin(ready(Ok(Resolved::new(self.clone(), link))))
    }
}

/// Credentials, and which provider gave them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Resolved {
    /// What authorises a call.
    pub credentials: Credentials,
    /// The kind of source, in the words that `pumice auth` prints: `env: AWS_BEARER_TOKEN_BEDROCK`,
    /// `env: AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY`, `env: AWS_PROFILE` (or `AWS_DEFAULT_PROFILE`), `default chain`, or
    /// `credentials provider` for one of your own.
    pub source: &'static str,
    /// The provider's name, for messages: `profile work (sso-session corp)`, `container`, `instance role NAME`.
    pub link: String,
    /// The region of the EC2 instance that the credentials belong to, where nothing else names a region.
    pub region: Option<String>,
}

impl Resolved {
    /// Credentials of the provider with this name, which messages show.
    pub fn new(credentials: Credentials, link: impl Into<String>) -> Self {
        Self { credentials, source: PROVIDER, link: link.into(), region: None }
    }

    /// What seems to be wrong with the form of the credentials: quotation marks in them, which `docker --env-file` and
    /// the AWS files keep, or a session token that does not go with the kind of the access key id.
    pub fn doubt(&self) -> Option<Hint> {
        let is_quoted = |text: &str| text.contains(['"', '\'']);
        let link = self.link.clone();
        match &self.credentials {
            Credentials::Bearer(token) => is_quoted(token.token()).then_some(Hint::UnquoteKeys { link }),
            Credentials::Keys(keys) => {
                let (id, token) = (keys.access_key_id(), keys.session_token());
                let quoted =
                    [id, keys.secret_access_key(), token.unwrap_or_default()].into_iter().any(is_quoted);
                let needed = token.is_none();
                let fits = id.get(..4) != Some(if needed { "ASIA" } else { "AKIA" });
                if quoted {
                    Some(Hint::UnquoteKeys { link })
                } else {
                    (!fits).then_some(Hint::SessionToken { link, needed })
                }
            }
        }
    }
}

/// Whose access keys are used, by STS: see [`Client::caller`](crate::Client::caller).
#[cfg(feature = "chain")]
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// The AWS account.
    pub account: String,
    /// The ARN of the user, or of the role and its session.
    pub arn: String,
}

/// The source that would have been asked without [`Config::offline`](crate::Config::offline).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deferred {
    /// As in [`Resolved`].
    pub source: &'static str,
    /// As in [`Resolved`].
    pub link: String,
}

/// The outcome of asking one source.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The source's name.
    pub source: String,
    /// The outcome.
    pub outcome: AttemptOutcome,
    /// Why it was skipped or failed; for the one that is used, its link.
    pub reason: String,
}

/// The outcome of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttemptOutcome {
    /// It does not apply, or may not be asked.
    Skipped,
    /// Its credentials are used.
    Used,
    /// It is configured but broken.
    Failed,
}

/// The credentials, or why there are none; and every source that was asked.
#[derive(Debug)]
#[non_exhaustive]
pub struct Search {
    /// The credentials, or the error that says what to do.
    pub result: Result<Resolved>,
    /// The source that ended the search because it may not be asked. `result` is an error then.
    pub deferred: Option<Deferred>,
    /// The sources, in the order they were asked.
    pub attempts: Vec<Attempt>,
}

/// Refuses credentials that have expired already.
fn check_expiry(resolved: &Resolved, context: &Context) -> Result<()> {
    match resolved.credentials.expires() {
        Some(end) if end <= context.service_time() => {
            let hint = Hint::RenewCredentials { link: resolved.link.clone() };
            Err(context.explained_expiry(expired(&resolved.link, end, context), end).or_hint(Some(hint)))
        }
        _ => Ok(()),
    }
}

/// The error of credentials that had expired when they arrived.
fn expired(what: &str, end: SystemTime, context: &Context) -> Error {
    let [end, now] = [end, context.service_time()].map(|time| rfc3339(time).unwrap_or_default());
    let message =
        format!("{what}: expected valid credentials, found some that expired at {end}; the clock says {now}");
    Error::new(ErrorKind::Credentials, message)
}

const PROVIDER: &str = "credentials provider";
