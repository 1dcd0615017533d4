//! Where credentials come from: a chain of sources that are asked in order, and that say what they looked
//! at.
//!
//! 1. A Bedrock API key in `AWS_BEARER_TOKEN_BEDROCK`.
//! 2. `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, with `AWS_SESSION_TOKEN`.
//! 3. The profile: keys, a role with `source_profile` or `credential_source`, `web_identity_token_file`, IAM
//!    Identity Center (`sso_session`), `login_session`, `credential_process`. One that is named and does not
//!    exist is an error; `default` may be missing.
//! 4. A role for the token in `AWS_WEB_IDENTITY_TOKEN_FILE`.
//! 5. The credentials service of a container (`AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, `_FULL_URI`).
//! 6. The key of a settings file, [`Config::fallback_bearer_token`](crate::Config::fallback_bearer_token).
//! 7. The metadata service of an EC2 instance, IMDSv2.
//!
//! A profile that is named in code, and not by `AWS_PROFILE`, passes over the first two: who names one means
//! it. A source that is set up and does not work ends the search: another would be a wrong identity.
//!
//! Source: the AWS SDKs' reference guide,
//! [standardized credential providers](https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html).

mod assume_role;
mod bearer;
mod cache;
mod container;
mod environment;
mod imds;
mod login;
mod process;
mod profile;
mod secret;
mod session;
mod sso;
mod sts;
mod surroundings;
mod web_identity;

use std::time::SystemTime;

use aws_credential_types::{Credentials as Keys, Token};

pub(crate) use self::cache::Cache;
use self::surroundings::Fault;
pub(crate) use self::surroundings::Surroundings;
use crate::{Error, ErrorKind, Hint, Result};

/// What authorises a call.
///
/// `Debug` shows neither tokens nor secret keys, and what is dropped is overwritten.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Credentials {
    /// A Bedrock API key, sent as `Authorization: Bearer`.
    Bearer(Token),
    /// Access keys, for Signature Version 4.
    Keys(Keys),
}

impl Credentials {
    /// The public part of access keys.
    pub fn access_key_id(&self) -> Option<&str> {
        match self {
            Self::Bearer(_) => None,
            Self::Keys(keys) => Some(keys.access_key_id()),
        }
    }

    /// Whether a service would take them for the others: what is said of their end does not count.
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

    /// When they cease to be valid, where that is known.
    pub fn expires(&self) -> Option<SystemTime> {
        match self {
            Self::Bearer(token) => token.expiration(),
            Self::Keys(keys) => keys.expiry(),
        }
    }
}

/// Credentials and where they are from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Found {
    /// What authorises a call.
    pub credentials: Credentials,
    /// The kind of source, in the words that `pumice auth` prints: `env: AWS_BEARER_TOKEN_BEDROCK`,
    /// `env: AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY`, `env: AWS_PROFILE` or `default chain`.
    pub source: &'static str,
    /// The actual link of the chain: `profile work (sso-session corp)`, `container`, `instance role NAME`.
    pub link: String,
    /// The region of the EC2 instance that the credentials are of, where nothing else names a region.
    pub region: Option<String>,
}

/// The source that would have been asked, were it not for [`Config::offline`](crate::Config::offline).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unasked {
    /// As in [`Found`].
    pub source: &'static str,
    /// As in [`Found`].
    pub link: String,
}

impl Found {
    /// A Bedrock API key that the program gives by itself.
    pub(crate) fn given(token: Token) -> Self {
        let link = "given bearer token";
        Self { credentials: Credentials::Bearer(token), source: link, link: link.to_owned(), region: None }
    }
}

/// What became of asking a source.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tried {
    /// The source's name.
    pub source: String,
    /// Whether it was passed over.
    pub outcome: TriedOutcome,
    /// Why it was passed over, or what is wrong with it; for the one that is used, its link.
    pub reason: String,
}

/// Whether a source was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TriedOutcome {
    /// It does not apply, or may not be asked.
    Skipped,
    /// Its credentials are used.
    Used,
    /// It is set up and does not work.
    Failed,
}

/// What the chain came to: the credentials or why there are none, and every source that was asked.
#[derive(Debug)]
#[non_exhaustive]
pub struct Search {
    /// The credentials, or the error that says what to do.
    pub result: Result<Found>,
    /// The source that ended the search since it may not be asked. `result` is an error then.
    pub unasked: Option<Unasked>,
    /// The sources in the order they were asked.
    pub tried: Vec<Tried>,
}

/// The answers of a source, beside that it is set up and does not work, which is an error.
#[derive(Debug)]
enum Outcome {
    /// There are credentials.
    Found(Found),
    /// This source has nothing to do with how this machine is set up. The next one is asked.
    NotApplicable {
        reason: String,
        /// What to do if it should.
        hint: Option<&'static str>,
    },
    /// This source would be asked at `url`, which is not allowed.
    Unasked { unasked: Unasked, url: String },
}

impl Outcome {
    fn not_applicable(reason: impl Into<String>) -> Self {
        Self::NotApplicable { reason: reason.into(), hint: None }
    }

    /// What became of a source that is set up.
    fn of(source: &'static str, link: String, keys: Result<Keys, Fault>) -> Result<Self> {
        match keys {
            Ok(keys) => {
                Ok(Self::Found(Found { credentials: Credentials::Keys(keys), source, link, region: None }))
            }
            Err(Fault::Offline(url)) => Ok(Self::Unasked { unasked: Unasked { source, link }, url }),
            Err(Fault::Broken(error)) => Err(error),
        }
    }
}

/// A place that credentials may come from.
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

impl Source {
    fn name(self, surroundings: &Surroundings) -> String {
        match (self, &surroundings.profile) {
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

    async fn load(self, surroundings: &Surroundings) -> Result<Outcome> {
        let passed_over = surroundings.profile.is_some();
        match self {
            Self::Bearer | Self::Environment if passed_over => {
                Ok(Outcome::not_applicable("not looked at, since a profile is named"))
            }
            Self::Bearer => bearer::load(&surroundings.context),
            Self::Environment => Ok(environment::load(&surroundings.context)),
            Self::Profile => profile::load(surroundings).await,
            Self::WebIdentity => web_identity::load(surroundings).await,
            Self::Container => container::load(surroundings).await,
            Self::Settings => Ok(match &surroundings.fallback_token {
                Some(token) => Outcome::Found(Found {
                    credentials: Credentials::Bearer(token.clone()),
                    source: "default chain",
                    link: SETTINGS.into(),
                    region: None,
                }),
                None => Outcome::not_applicable("it has no key"),
            }),
            Self::Instance => imds::load(surroundings).await,
        }
    }
}

/// Asks the sources in order, until one has credentials, is broken or may not be asked.
async fn search(surroundings: &Surroundings) -> Search {
    let mut tried = Vec::new();
    let mut instance = None;
    let has_key = surroundings.fallback_token.is_some();
    for source in SOURCES.into_iter().filter(|source| has_key || *source != Source::Settings) {
        let name = source.name(surroundings);
        let mut note = |outcome, reason| tried.push(Tried { source: name.clone(), outcome, reason });
        let loaded = source.load(surroundings).await.and_then(|outcome| still_valid(outcome, surroundings));
        match loaded {
            Ok(Outcome::Found(found)) => {
                note(TriedOutcome::Used, found.link.clone());
                return Search { result: Ok(found), unasked: None, tried };
            }
            Ok(Outcome::NotApplicable { reason, hint }) => {
                note(TriedOutcome::Skipped, reason);
                instance = instance.or(hint.map(str::to_owned));
            }
            Ok(Outcome::Unasked { unasked, url }) => {
                let reason = format!("{}: not asked, since offline: {url} would be", unasked.link);
                let message = format!("credentials would come from {reason}");
                note(TriedOutcome::Skipped, reason);
                let result = Err(Error::new(ErrorKind::Credentials, message));
                return Search { result, unasked: Some(unasked), tried };
            }
            Err(error) => {
                // Whatever keeps credentials from being found is a fault of credentials.
                let error = match error.kind() {
                    ErrorKind::Credentials => error,
                    _ => surroundings::failed(&name, &error),
                };
                note(TriedOutcome::Failed, error.to_string());
                return Search { result: Err(error), unasked: None, tried };
            }
        }
    }
    let mut message = String::from("no AWS credentials were found");
    for Tried { source, reason, .. } in &tried {
        message.extend(["\n  ", source, ": ", reason]);
    }
    let result =
        Err(Error::new(ErrorKind::Credentials, message).with_hint(Hint::NameCredentials { instance }));
    Search { result, unasked: None, tried }
}

/// Refuses credentials that are past their end.
fn still_valid(outcome: Outcome, surroundings: &Surroundings) -> Result<Outcome> {
    if let Outcome::Found(found) = &outcome
        && let Some(end) = found.credentials.expires()
        && end <= surroundings.context.now()
    {
        return Err(expired(&found.link, end));
    }
    Ok(outcome)
}

/// The error of credentials that were past their end when they came.
fn expired(what: &str, end: SystemTime) -> Error {
    let message = format!(
        "{what}: credentials that are still valid expected, they expired at {}",
        secret::timestamp(end)
    );
    Error::new(ErrorKind::Credentials, message)
}

const SOURCES: [Source; 7] = [
    Source::Bearer,
    Source::Environment,
    Source::Profile,
    Source::WebIdentity,
    Source::Container,
    Source::Settings,
    Source::Instance,
];

const SETTINGS: &str = "settings file";
