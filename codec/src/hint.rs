//! What to do about an error, as a value.

use std::fmt;

/// The next step after an [`Error`](crate::Error): what [`Error::hint`](crate::Error::hint) gives.
///
/// `Display` says it in general words. A program that has commands or settings of its own for a step matches the
/// variant and names them instead; new variants may come, so it falls back to `Display`.
///
/// ```
/// use pumice_codec::{Error, ErrorKind, Hint};
///
/// fn advice(error: &Error) -> Option<String> {
///     Some(match error.hint()? {
///         Hint::WaitOut => "try again in a minute".into(),
///         Hint::SignIn { profile, .. } => format!("open /login?profile={profile}"),
///         other => other.to_string(),
///     })
/// }
///
/// let error = Error::new(ErrorKind::Throttled, "Too many requests").with_hint(Hint::WaitOut);
/// assert_eq!(advice(&error).as_deref(), Some("try again in a minute"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// The sign-in of a profile of the AWS files has expired or was never made.
    SignIn {
        /// The profile.
        profile: String,
        /// Whether it signs in through IAM Identity Center (`aws sso login`) and not with `aws login`.
        sso: bool,
    },
    /// The credentials have expired, and how to renew them is not known.
    RenewCredentials {
        /// Where they came from, as in `Resolved::link`.
        link: String,
    },
    /// AWS does not know the credentials.
    CheckCredentials {
        /// Where they came from.
        link: String,
    },
    /// The signature is wrong: the secret key is not that of the key id, or the clock is wrong.
    CheckSecretKey {
        /// Where the credentials came from.
        link: String,
    },
    /// The service refused a Bedrock API key.
    CheckApiKey,
    /// A key or a token has a character that no header can have, such as a line end: copy it again.
    CopyCredentials,
    /// No source has credentials.
    SetCredentials {
        /// What the metadata service of an EC2 instance needs, if it responded in part.
        instance: Option<String>,
    },
    /// The profile that was named does not exist.
    SetProfile {
        /// The profiles that do.
        known: Vec<String>,
    },
    /// No region, or none that can be, was named.
    SetRegion,
    /// The identity may lack a permission, or the account the model.
    CheckAccess {
        /// The region that was called.
        region: String,
    },
    /// The account has no valid payment method, which a model sold through AWS Marketplace needs.
    AddPayment,
    /// The account has not told Anthropic what it uses the models for.
    SubmitUseCase,
    /// The model does not take this request with streaming.
    CallWithoutStream,
    /// The account has no access to the model yet: the first call of somebody with the permissions for AWS Marketplace
    /// gives it.
    ModelAccess {
        /// The model, where the call named one.
        model: Option<String>,
        /// The region that was called.
        region: String,
    },
    /// The identity has no permission for what was called.
    MissingPermission {
        /// The IAM action: `bedrock:InvokeModel`.
        action: String,
        /// Where its credentials came from.
        identity: String,
    },
    /// The model cannot be called in this region.
    ListModels {
        /// The region that was called.
        region: String,
    },
    /// The model is served through inference profiles only.
    UseInferenceProfile {
        /// The model that was called.
        model: String,
        /// The region that was called.
        region: String,
        /// The profiles that serve it there, the best first. Empty if there are none.
        ids: Vec<String>,
    },
    /// As [`UseInferenceProfile`](Self::UseInferenceProfile), where the profiles could not be listed.
    ListInferenceProfiles {
        /// The model that was called.
        model: String,
        /// Why they could not be listed.
        failure: String,
    },
    /// The conversation is longer than the model's context.
    ShortenConversation,
    /// The model does not accept a parameter.
    DropParameter {
        /// Its name: `temperature`, `tools`.
        name: String,
    },
    /// A token quota is used up for now. Bedrock counts `maxTokens` toward it before the model responds.
    LowerMaxTokens,
    /// A quota is used up for now.
    WaitOut,
    /// The model is being prepared.
    WaitForModel,
    /// A day's quota is used up.
    DailyQuota {
        /// The region that was called.
        region: String,
    },
    /// A quota of the account is used up.
    RaiseQuota {
        /// The region that was called.
        region: String,
    },
    /// This machine's clock is wrong.
    CheckClock {
        /// How far it is behind; negative if it is ahead.
        seconds: i64,
    },
    /// The request was sent, but no response came. The call was not repeated: the model may be working on it, and it may
    /// be charged.
    MayBeCharged {
        /// Whether a time limit ended the wait, and not the connection.
        late: bool,
    },
    /// No connection could be made.
    CheckNetwork,
    /// The response came from another server than Bedrock.
    CheckEndpoint,
    /// The server's certificate is signed by an authority that is not trusted here.
    CheckAuthority,
    /// A recording has no response for the operation that was called.
    CallRecordedOperation,
    /// A step that has no variant.
    Other(String),
}

impl fmt::Display for Hint {
    #[allow(clippy::too_many_lines, reason = "a table of texts")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignIn { profile, sso: true } => write!(f, "run: aws sso login --profile {profile}"),
            Self::SignIn { profile, sso: false } => write!(f, "run: aws login --profile {profile}"),
            Self::RenewCredentials { link } => {
                write!(f, "the credentials of {link} have expired: get new ones")
            }
            Self::CheckCredentials { link } => write!(
                f,
                "AWS does not know the credentials of {link}: check the key id, the secret key and, for temporary \
                 keys, the session token"
            ),
            Self::CheckSecretKey { link } => write!(
                f,
                "the secret access key of {link} does not belong to its key id, or this machine's clock is wrong"
            ),
            Self::CheckApiKey => f.write_str(
                "check AWS_BEARER_TOKEN_BEDROCK: the key may have expired, or belong to another region",
            ),
            Self::CopyCredentials => f.write_str("copy it again, without line ends"),
            Self::SetCredentials { instance } => {
                f.write_str(
                    "set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a \
                     profile, for example in AWS_PROFILE; on EC2 attach a role to the instance",
                )?;
                instance.iter().try_for_each(|instance| write!(f, "; {instance}"))
            }
            Self::SetProfile { known } if known.is_empty() => {
                f.write_str("there are no profiles at all: name none, or write one into these files")
            }
            Self::SetProfile { known } => write!(f, "there are: {}; name one", known.join(", ")),
            Self::SetRegion => {
                f.write_str("name a region such as us-east-1, in AWS_REGION or as `region` in the profile")
            }
            Self::CheckAccess { region } => write!(
                f,
                "the identity needs permissions for Bedrock, and the account access to the model in {region}"
            ),
            Self::AddPayment => f.write_str(
                "add a valid payment method to the AWS account; access to the model then takes up to 15 minutes",
            ),
            Self::SubmitUseCase => f.write_str(
                "submit the use case form for Anthropic's models once for the account, in the Bedrock console's model \
                 catalog; access then takes up to 15 minutes",
            ),
            Self::CallWithoutStream => f.write_str("call the model without streaming (Converse)"),
            Self::ModelAccess { model, region } => {
                let model = model.as_deref().unwrap_or("the model");
                write!(
                    f,
                    "an identity with aws-marketplace:Subscribe and aws-marketplace:ViewSubscriptions that calls {model} \
                     once in {region} gives the account access, within 15 minutes"
                )
            }
            Self::MissingPermission { action, identity } => write!(
                f,
                "the identity behind {identity} needs the permission {action}: attach a policy that allows it"
            ),
            Self::ListModels { region } => write!(
                f,
                "list the models and inference profiles of {region} to see what can be called there; other models \
                 are in other regions"
            ),
            Self::UseInferenceProfile { region, ids, .. } => match &**ids {
                [] => write!(
                    f,
                    "this model is called through an inference profile, and {region} has none that serves it"
                ),
                [one] => write!(f, "in {region} this model is called as {one}"),
                [first, others @ ..] => {
                    let named = others.get(..MOST_NAMED).unwrap_or(others);
                    write!(f, "in {region} this model is called as {first} (or as {}", named.join(", "))?;
                    match others.len() - named.len() {
                        0 => f.write_str(")"),
                        more => write!(f, ", and {more} more)"),
                    }
                }
            },
            Self::ListInferenceProfiles { failure, .. } => write!(
                f,
                "this model is called through an inference profile, which ListInferenceProfiles lists; here the \
                 profiles could not be listed: {failure}"
            ),
            Self::ShortenConversation => f.write_str(
                "the conversation and the output limit (maxTokens) do not fit into the model's context: leave out the \
                 oldest turns, lower the output limit, or use a model with a larger context",
            ),
            Self::DropParameter { name } => write!(f, "this model does not accept {name}: leave it out"),
            Self::LowerMaxTokens => f.write_str(
                "Bedrock takes the input and maxTokens off the quota before it answers: a lower maxTokens fits more \
                 calls into it",
            ),
            Self::WaitOut => {
                f.write_str("wait, or use a cross-region inference profile, which has more capacity")
            }
            Self::WaitForModel => f.write_str("the model is being prepared: try again later"),
            Self::DailyQuota { region } => write!(
                f,
                "the quota of a day is used up, and waiting a little does not help: another model or a cross-region \
                 profile has a quota of its own; the Service Quotas console of {region} shows and raises them"
            ),
            Self::RaiseQuota { region } => write!(
                f,
                "a quota of the account is used up: the Service Quotas console of {region} shows and raises them"
            ),
            Self::CheckClock { seconds } => {
                let (amount, unit) = match seconds.unsigned_abs() {
                    seconds @ 0..=119 => (seconds, "seconds"),
                    seconds @ 120..=7199 => (seconds / 60, "minutes"),
                    seconds => (seconds / 3600, "hours"),
                };
                let side = if *seconds < 0 { "ahead" } else { "behind" };
                write!(f, "this machine's clock is {amount} {unit} {side}: set it right")
            }
            Self::MayBeCharged { late } => {
                f.write_str("the model may be working on this call, and it may be charged: it was not sent again")?;
                f.write_str(if *late { "; a higher timeout waits longer" } else { "" })
            }
            Self::CheckNetwork => f.write_str("check the network, the region, the endpoint URL and HTTPS_PROXY"),
            Self::CheckEndpoint => f.write_str(
                "another server answered than the one expected, such as a proxy or a gateway: check the endpoint \
                 URL, the region and HTTPS_PROXY",
            ),
            Self::CheckAuthority => f.write_str(
                "behind a private certificate authority or an inspecting proxy, name its certificates in \
                 AWS_CA_BUNDLE (a PEM file)",
            ),
            Self::CallRecordedOperation => f.write_str(
                "a recording answers the operations that it holds: ConverseStream for a stream, Converse for a \
                 whole response",
            ),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}

impl From<&str> for Hint {
    fn from(text: &str) -> Self {
        Self::Other(text.to_owned())
    }
}

/// How many profiles are named beside the first.
const MOST_NAMED: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_the_first_profiles_and_counts_the_rest() {
        let said = |count: usize| {
            let ids = (0..count).map(|number| format!("p{number}")).collect();
            Hint::UseInferenceProfile { model: "m".into(), region: "r".into(), ids }.to_string()
        };
        assert!(said(0).ends_with("r has none that serves it"));
        assert_eq!(said(1), "in r this model is called as p0");
        assert_eq!(said(2), "in r this model is called as p0 (or as p1)");
        assert_eq!(said(8), "in r this model is called as p0 (or as p1, p2, p3, p4, p5, and 2 more)");
    }

    #[test]
    fn a_clock_is_off_by_a_round_amount() {
        let said = |seconds| Hint::CheckClock { seconds }.to_string();
        assert_eq!(said(300), "this machine's clock is 5 minutes behind: set it right");
        assert_eq!(said(-7300), "this machine's clock is 2 hours ahead: set it right");
    }
}
