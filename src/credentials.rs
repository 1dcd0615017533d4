//! Where credentials come from: a chain of sources that are asked in order, and that say what they
//! looked at.

mod bearer;
mod environment;
mod given;
mod profile;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::SystemTime;

use aws_credential_types::{Credentials as Keys, Token};

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};

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

    /// When they cease to be valid, where that is known.
    pub fn expires(&self) -> Option<SystemTime> {
        match self {
            Self::Bearer(token) => token.expiration(),
            Self::Keys(keys) => keys.expiry(),
        }
    }
}

/// A place that credentials may come from.
pub trait Source: fmt::Debug + Send + Sync {
    /// What it is called among the others: `AWS_BEARER_TOKEN_BEDROCK`, `profile work`.
    fn name(&self) -> String;

    /// Looks.
    fn load<'a>(&'a self, context: &'a Context) -> Loading<'a>;
}

/// An answer of a [`Source`] on its way.
pub type Loading<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// The three answers of a [`Source`].
#[derive(Debug)]
pub enum Outcome {
    /// There are credentials.
    Found(Found),
    /// This source has nothing to do with how this machine is set up, and why. The next one is asked.
    NotApplicable(String),
    /// This source is set up and does not work. No other is asked: it would be a wrong identity.
    Broken(Error),
}

/// Credentials and where they are from.
#[derive(Debug, Clone)]
pub struct Found {
    /// What authorises a call.
    pub credentials: Credentials,
    /// The kind of source, in the words that `pumice auth` prints: `env: AWS_BEARER_TOKEN_BEDROCK`,
    /// `env: AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY`, `env: AWS_PROFILE` or `default chain`.
    pub source: &'static str,
    /// The actual link of the chain: `profile work`.
    pub link: String,
}

/// What became of asking a source.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// It does not apply.
    Skipped,
    /// Its credentials are used.
    Used,
    /// It is set up and does not work.
    Failed,
}

/// What the chain came to: the credentials or why there are none, and every source that was asked.
#[derive(Debug)]
pub struct Search {
    /// The credentials, or the error that says what to do.
    pub result: Result<Found>,
    /// The sources in the order they were asked.
    pub tried: Vec<Tried>,
}

/// Sources in the order they are asked.
#[derive(Debug)]
pub struct Chain(Vec<Box<dyn Source>>);

impl Chain {
    /// These sources, in this order.
    pub fn new(sources: Vec<Box<dyn Source>>) -> Self {
        Self(sources)
    }

    /// The bearer token of the environment, its keys, then the profile. A profile that is named here,
    /// and not by `AWS_PROFILE`, passes over the environment: who names one means it.
    pub fn standard(profile: Option<&str>) -> Self {
        let profile_source = Box::new(profile::Profile::new(profile.map(str::to_owned)));
        if profile.is_some() {
            return Self(vec![profile_source]);
        }
        Self(vec![Box::new(bearer::Bearer), Box::new(environment::Environment), profile_source])
    }

    /// This token alone.
    pub(crate) fn given(token: Token) -> Self {
        Self(vec![Box::new(given::Given(token))])
    }

    /// Asks the sources in order, until one has credentials or is broken.
    pub async fn search(&self, context: &Context) -> Search {
        let mut tried = Vec::new();
        for source in &self.0 {
            let name = source.name();
            let mut note =
                |outcome, reason: String| tried.push(Tried { source: name.clone(), outcome, reason });
            match source.load(context).await {
                Outcome::Found(found) => {
                    note(TriedOutcome::Used, found.link.clone());
                    return Search { result: Ok(found), tried };
                }
                Outcome::NotApplicable(reason) => note(TriedOutcome::Skipped, reason),
                Outcome::Broken(error) => {
                    note(TriedOutcome::Failed, error.to_string());
                    return Search { result: Err(error), tried };
                }
            }
        }
        let mut message = String::from("no AWS credentials were found");
        for Tried { source, reason, .. } in &tried {
            message.extend(["\n  ", source, ": ", reason]);
        }
        let error = Error::new(ErrorKind::Credentials, message).with_hint(
            "set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile \
             with --profile or AWS_PROFILE; --replay FILE answers from a recording and needs no credentials",
        );
        Search { result: Err(error), tried }
    }
}
