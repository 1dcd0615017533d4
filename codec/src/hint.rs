//! What to do about an error, as a value.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

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
    /// The signature is wrong: the secret key is not that of the key id.
    CheckSecretKey {
        /// Where the credentials came from.
        link: String,
    },
    /// The keys are in quotation marks, which became a part of them.
    UnquoteKeys {
        /// Where they came from.
        link: String,
    },
    /// Long-term keys have a session token, or temporary ones have none.
    SessionToken {
        /// Where the keys came from.
        link: String,
        /// Whether one is missing; otherwise there is one too many.
        needed: bool,
    },
    /// The service refused a Bedrock API key.
    CheckApiKey {
        /// Where it came from.
        link: String,
    },
    /// The request was signed for another region than the endpoint's.
    CheckSigningRegion {
        /// The region that it was signed for.
        region: String,
    },
    /// A key or a token has a character that no header can have, such as a line end: copy it again.
    CopyCredentials,
    /// No source has credentials.
    SetCredentials {
        /// What the metadata service of an EC2 instance needs, if only a part of it responded.
        instance: Option<String>,
    },
    /// The profile that was named does not exist.
    SetProfile {
        /// The profiles that exist.
        known: Vec<String>,
    },
    /// No region was named, or an invalid one.
    SetRegion,
    /// The identity may lack a permission, or the account the model.
    CheckAccess {
        /// The model, where the call named one.
        model: Option<String>,
        /// The region that was called.
        region: String,
    },
    /// AWS has not opened the model, or Bedrock, to the account.
    AskSupport {
        /// The region that was called.
        region: String,
    },
    /// The account's data retention mode is not one that the model allows.
    SetDataRetention,
    /// The account has no valid payment method, which a model sold through AWS Marketplace needs.
    AddPayment,
    /// The account has not told Anthropic what it uses the models for.
    SubmitUseCase,
    /// The model does not take this request with streaming.
    CallWithoutStream,
    /// The account has no access to the model yet. The first call of an identity with permissions for AWS Marketplace
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
        /// The ARN of what it was refused for, where the service names it.
        resource: Option<String>,
    },
    /// A policy that does not belong to the identity forbids what was called.
    ChangePolicy {
        /// The IAM action.
        action: String,
        /// The kind of the policy: `service control policy`, `permissions boundary`.
        policy: String,
        /// Whether it denies the action explicitly; otherwise it only does not allow it.
        denied: bool,
        /// The ARN of what it was refused for, where the service names it.
        resource: Option<String>,
    },
    /// The model cannot be called in this region.
    ListModels {
        /// The model, where the call named one.
        model: Option<String>,
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
    /// The model is retired, or kept for accounts that have called it lately.
    ReplaceModel {
        /// The region that was called.
        region: String,
        /// Whether it is retired.
        retired: bool,
    },
    /// The conversation is longer than the model's context.
    ShortenConversation {
        /// Whether the output limit was counted too.
        output: bool,
    },
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
        /// How far it is behind; negative if it is ahead, 0 if that is not known.
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
                write!(f, "get new credentials: those of {link} have expired")
            }
            Self::CheckCredentials { link } => write!(
                f,
                "check the access key id and, for temporary keys, the session token: AWS does not know the \
                 credentials of {link}"
            ),
            Self::CheckSecretKey { link } => {
                write!(f, "check that the secret access key of {link} belongs to its access key id")
            }
            Self::UnquoteKeys { link } => write!(
                f,
                "remove the quotation marks from the values of {link}: docker --env-file and the AWS files keep them"
            ),
            Self::SessionToken { link, needed: true } => {
                let name = session_token_of(link);
                write!(f, "set {name}: the access key id of {link} is that of temporary keys (ASIA…)")
            }
            Self::SessionToken { link, needed: false } => {
                let name = session_token_of(link);
                write!(f, "unset {name}: the access key id of {link} is that of long-term keys (AKIA…)")
            }
            Self::CheckApiKey { link } => write!(
                f,
                "check the API key of {link}: it may be incomplete or have expired, and a short-term key is for one region"
            ),
            Self::CheckSigningRegion { region } => write!(
                f,
                "name the region of the endpoint: the request was signed for {region}"
            ),
            Self::CopyCredentials => f.write_str("copy it again, without line breaks"),
            Self::SetCredentials { instance } => {
                f.write_str(
                    "set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile \
                     in AWS_PROFILE; on EC2, attach a role to the instance",
                )?;
                instance.iter().try_for_each(|instance| write!(f, "; {instance}"))
            }
            Self::SetProfile { known } if known.is_empty() => {
                f.write_str("name no profile, or write one into these files: there is none")
            }
            Self::SetProfile { known } => write!(f, "name one of: {}", known.join(", ")),
            Self::SetRegion => {
                f.write_str("name a region such as us-east-1, in AWS_REGION or as `region` in the profile")
            }
            Self::CheckAccess { region, .. } => write!(
                f,
                "check that the identity has permissions for Bedrock, and the account access to the model in {region}"
            ),
            Self::AskSupport { region } => write!(
                f,
                "AWS refuses the account, not the identity: try another region than {region} or another model, or open \
                 a case for the account with AWS Support"
            ),
            Self::SetDataRetention => f.write_str(
                "set a data retention mode that the model allows, for the account or a project: the model's card in \
                 AWS's documentation lists the modes, and what each keeps or shares",
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
                    "have {model} called once in {region} by an identity with aws-marketplace:Subscribe, \
                     aws-marketplace:Unsubscribe and aws-marketplace:ViewSubscriptions: the account then has access \
                     within 15 minutes"
                )
            }
            Self::MissingPermission { action, identity, resource } => {
                write!(f, "attach a policy that allows {action}")?;
                resource.iter().try_for_each(|resource| write!(f, " on {resource}"))?;
                write!(f, " to the identity of {identity}")?;
                match resource {
                    Some(resource) if resource.contains(":project/") => {
                        f.write_str(": a call needs it on the project as well as on the model")
                    }
                    _ => Ok(()),
                }
            }
            Self::ChangePolicy { action, policy, denied, resource } => {
                if *denied {
                    write!(f, "a {policy} denies {action}, whatever another policy allows")?;
                } else {
                    write!(f, "the {policy} in force does not allow {action}")?;
                }
                resource.iter().try_for_each(|resource| write!(f, " on {resource}"))?;
                f.write_str(": have it changed, or call a model in regions that it allows")
            }
            Self::ListModels { region, .. } => write!(
                f,
                "list the models and inference profiles of {region} to see what can be called there; other models \
                 are in other regions"
            ),
            Self::UseInferenceProfile { region, ids, .. } => match &**ids {
                [] => write!(
                    f,
                    "try another region: this model needs an inference profile, and {region} has none that serves it"
                ),
                [one] => write!(f, "call this model as {one} in {region}"),
                [first, others @ ..] => {
                    let named = others.get(..MOST_NAMED).unwrap_or(others);
                    write!(f, "call this model as {first} in {region} (or as {}", named.join(", "))?;
                    match others.len() - named.len() {
                        0 => f.write_str(")"),
                        more => write!(f, ", and {more} more)"),
                    }
                }
            },
            Self::ListInferenceProfiles { failure, .. } => write!(
                f,
                "call this model through an inference profile, which ListInferenceProfiles lists; here they could not \
                 be listed: {failure}"
            ),
            Self::ReplaceModel { region, retired } => write!(
                f,
                "call a newer model: {}; list the models of {region} to see what can be called there",
                if *retired { "this version is retired" } else { "a Legacy model is kept for accounts that have called it lately" }
            ),
            Self::ShortenConversation { output: false } => f.write_str(
                "leave out the oldest turns, or use a model with a larger context: the conversation does not fit into \
                 this model's",
            ),
            Self::ShortenConversation { output: true } => f.write_str(
                "lower the output limit (maxTokens), leave out the oldest turns, or use a model with a larger \
                 context: conversation and output limit together do not fit into this model's",
            ),
            Self::DropParameter { name } => write!(f, "leave out {name}: this model does not accept it"),
            Self::LowerMaxTokens => f.write_str(
                "lower maxTokens: Bedrock takes it off the quota, with the input, before the model responds",
            ),
            Self::WaitOut => {
                f.write_str("wait, or use a cross-region inference profile, which has more capacity")
            }
            Self::WaitForModel => f.write_str("try again later: the model is being prepared"),
            Self::DailyQuota { region } => write!(
                f,
                "use another model or a cross-region profile, which have quotas of their own: the daily quota is \
                 used up; the Service Quotas console of {region} shows it"
            ),
            Self::RaiseQuota { region } => write!(
                f,
                "ask for more in the Service Quotas console of {region}: a quota of the account is used up"
            ),
            Self::CheckClock { seconds: 0 } => {
                f.write_str("set this machine's clock: it is more than five minutes off")
            }
            Self::CheckClock { seconds } => {
                let (amount, unit) = match seconds.unsigned_abs() {
                    seconds @ 0..=119 => (seconds, "seconds"),
                    seconds @ 120..=7199 => (seconds / 60, "minutes"),
                    seconds => (seconds / 3600, "hours"),
                };
                let side = if *seconds < 0 { "ahead" } else { "behind" };
                write!(f, "set this machine's clock: it is {amount} {unit} {side}")
            }
            Self::CheckNetwork => {
                f.write_str("check the network, the region, HTTPS_PROXY and, if one is set, the endpoint URL")
            }
            Self::MayBeCharged { late } => {
                f.write_str("the model may be working on this call, and it may be charged: it was not sent again")?;
                f.write_str(if *late { "; a higher timeout waits longer" } else { "" })
            }
            Self::CheckEndpoint => f.write_str(
                "check the endpoint URL, the region and HTTPS_PROXY: another server responded, such as a proxy or a \
                 gateway",
            ),
            Self::CheckAuthority => f.write_str(
                "name the certificates of a private authority or an inspecting proxy in AWS_CA_BUNDLE (a PEM file)",
            ),
            Self::CallRecordedOperation => f.write_str(
                "call an operation that is in the recording: ConverseStream for a stream, Converse for a whole \
                 response",
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

/// What the session token of these keys is called.
fn session_token_of(link: &str) -> &'static str {
    if link.starts_with("AWS_") { "AWS_SESSION_TOKEN" } else { "aws_session_token" }
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
        assert_eq!(said(1), "call this model as p0 in r");
        assert_eq!(said(2), "call this model as p0 in r (or as p1)");
        assert_eq!(said(8), "call this model as p0 in r (or as p1, p2, p3, p4, p5, and 2 more)");
    }

    #[test]
    fn a_clock_is_off_by_a_round_amount() {
        let said = |seconds| Hint::CheckClock { seconds }.to_string();
        assert_eq!(said(300), "set this machine's clock: it is 5 minutes behind");
        assert_eq!(said(-7300), "set this machine's clock: it is 2 hours ahead");
        assert!(!said(0).contains("behind"));
    }
}
