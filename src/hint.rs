//! Which hint fits a refusal, by its code and message.

use crate::date::read_time;
use crate::refusal::wording::{Advice, Meaning, Words, lacks_capacity, meaning};
use crate::{Error, ErrorKind, Hint, Result};
use pumice_codec::internal::{is_of_a_day, shortened};

/// A call that was refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused<'a> {
    /// The model that was called, if the operation has one.
    pub(crate) model_id: Option<&'a str>,
    pub(crate) region: &'a str,
    /// Where the credentials came from: `profile work (sso-session corp)`. `None` if none were sent.
    pub(crate) link: Option<&'a str>,
    /// Whether they are an API key.
    pub(crate) is_bearer: bool,
    /// What seems to be wrong with them.
    pub(crate) doubt: Option<&'a Hint>,
}

/// The next step, where one is known.
pub(crate) fn hint(error: &Error, refused: Refused<'_>) -> Option<Hint> {
    let words = Words::of(error);
    let kind = error.kind();
    let region = || refused.region.to_owned();
    Some(match (kind, words.meaning(kind)) {
        (ErrorKind::AccessDenied, found) => return of_access(error, &words, found, refused),
        (_, Some(meaning)) => return of_meaning(meaning, refused),
        (ErrorKind::Validation, None) => return of_request(&words),
        (ErrorKind::QuotaExceeded, _) if is_of_a_day(error.message()) => {
            Hint::DailyQuota { region: region() }
        }
        (ErrorKind::QuotaExceeded, _) => Hint::RaiseQuota { region: region() },
        (ErrorKind::Throttled, _) if words.say("token") => Hint::LowerMaxTokens,
        (ErrorKind::Throttled, _) => Hint::WaitOut,
        (ErrorKind::Unavailable, _) if lacks_capacity(error) => Hint::WaitOut,
        (ErrorKind::ModelNotReady, _) => Hint::WaitForModel,
        _ => return None,
    })
}

/// The next step after a refusal of S3, where one is known.
#[cfg(feature = "bulk")]
pub(crate) fn of_s3(error: &Error, refused: Refused<'_>) -> Option<Hint> {
    let link = || refused.link.unwrap_or_default().to_owned();
    Some(match error.code().unwrap_or_default() {
        "NoSuchBucket" => Hint::from("check the name of the bucket, or create it"),
        "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed" => Hint::SetRegion,
        "AccessDenied" => of_permission(&Words::of(error), refused.link?).unwrap_or_else(|| {
            "attach a policy that allows s3:GetObject, s3:PutObject and s3:ListBucket here; the bucket's own policy must \
             not forbid it"
                .into()
        }),
        "InvalidAccessKeyId" | "InvalidToken" => Hint::CheckCredentials { link: link() },
        "SignatureDoesNotMatch" => Hint::CheckSecretKey { link: link() },
        _ if error.kind() == ErrorKind::AccessDenied => return hint(error, refused),
        _ => return None,
    })
}

fn of_meaning(meaning: Meaning, refused: Refused<'_>) -> Option<Hint> {
    let region = refused.region.to_owned();
    let model = refused.model_id.map(str::to_owned);
    Some(match meaning {
        // The profiles are listed first: `inference_profiles`.
        Meaning::NeedsProfile => return None,
        Meaning::UnknownModel => Hint::ListModels { model, region },
        Meaning::Retired => Hint::ReplaceModel { region, retired: true },
        Meaning::Legacy => Hint::ReplaceModel { region, retired: false },
        Meaning::UseCase => Hint::SubmitUseCase,
        Meaning::Payment => Hint::AddPayment,
        Meaning::Account => Hint::AskSupport { region },
        Meaning::Access => Hint::ModelAccess { model, region },
        Meaning::DataRetention => Hint::SetDataRetention,
        Meaning::TooLong => Hint::ShortenConversation { output: false },
        Meaning::TooLongWithOutput => Hint::ShortenConversation { output: true },
        Meaning::TooStrict => Hint::Other("leave out `strict` of the tools with the largest schemas".into()),
    })
}

/// Of a refusal of the credentials, of a permission, or of the account.
fn of_access(error: &Error, words: &Words, meaning: Option<Meaning>, refused: Refused<'_>) -> Option<Hint> {
    let code = error.code().unwrap_or_default();
    let link = refused.link.unwrap_or_default().to_owned();
    let check_access = || {
        let (model, region) = (refused.model_id.map(str::to_owned), refused.region.to_owned());
        Hint::CheckAccess { model, region }
    };
    let of_keys = matches!(
        code,
        "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
    );
    if let Some(hint) = of_permission(words, &link) {
        return Some(hint);
    }
    match meaning {
        // Its own models, and those of some others, are not sold through AWS Marketplace.
        Some(Meaning::Access) if !words.say("marketplace") && refused.model_id.is_some_and(is_unsold) => {
            return Some(check_access());
        }
        Some(meaning) => return of_meaning(meaning, refused),
        None => {}
    }
    if words.say("signature expired")
        || words.say("signature not yet current")
        || code == "RequestTimeTooSkewed"
    {
        return Some(Hint::CheckClock { seconds: behind(error.message()).unwrap_or_default() });
    }
    if words.say("credential should be scoped to") {
        return Some(if words.say("region") {
            Hint::CheckSigningRegion { region: refused.region.to_owned() }
        } else {
            Hint::CheckEndpoint
        });
    }
    // No credentials of the chain were sent.
    refused.link?;
    if refused.is_bearer
        && (of_keys || code.starts_with("ExpiredToken") || words.say("api key") || words.say("bearer token"))
    {
        return Some(refused.doubt.cloned().unwrap_or(Hint::CheckApiKey { link }));
    }
    Some(match code {
        _ if of_keys && refused.doubt.is_some() => refused.doubt?.clone(),
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" => match sso_profile(&link) {
            Some(profile) => Hint::SignIn { profile: profile.to_owned(), sso: true },
            None => Hint::RenewCredentials { link },
        },
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "IncompleteSignature"
        | "IncompleteSignatureException" => Hint::CheckCredentials { link },
        "InvalidSignatureException" | "SignatureDoesNotMatch"
            if words.say("does not match the signature") =>
        {
            Hint::CheckSecretKey { link }
        }
        // Every request is signed: something on the way took the signature.
        "MissingAuthenticationToken" | "MissingAuthenticationTokenException" => Hint::CheckEndpoint,
        "AccessDeniedException" | "NotAuthorized" => check_access(),
        _ => return None,
    })
}

/// Of what IAM says: `User: ARN is not authorized to perform: ACTION on resource: ARN because no identity-based policy
/// allows the ACTION action`, or `… with an explicit deny in a service control policy: ARN`.
///
/// Source: IAM's user guide,
/// [access denied errors](https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).
fn of_permission(words: &Words, link: &str) -> Option<Hint> {
    let after = |text: &str| {
        let word = words.after(text)?.split_whitespace().next()?;
        Some(word.trim_end_matches(['.', ',']).to_owned())
    };
    let action = after("not authorized to perform: ")?;
    let resource = after(" on resource: ").filter(|resource| resource.starts_with("arn:"));
    let denied = words.say("explicit deny");
    let policy = POLICIES.iter().find(|policy| words.say(policy));
    Some(match policy {
        Some(policy) if denied || *policy != IDENTITY => {
            Hint::ChangePolicy { action, policy: (*policy).to_owned(), denied, resource }
        }
        None if denied => Hint::ChangePolicy { action, policy: "policy".into(), denied, resource },
        // The model's agreement is missing: whoever calls it first needs this permission, once.
        _ if action.starts_with("aws-marketplace:") => return None,
        _ => Hint::MissingPermission { action, identity: link.to_owned(), resource },
    })
}

/// Of a refusal of the request.
fn of_request(words: &Words) -> Option<Hint> {
    if let Some(limit) = words.token_limit() {
        return Some(Hint::Other(format!("lower the output limit (maxTokens) to {limit}")));
    }
    let advice = words.lessons().map(|lesson| lesson.advice).find(|advice| *advice != Advice::None);
    let name = match advice {
        Some(Advice::Say(text)) => return Some(Hint::Other(text.to_owned())),
        Some(Advice::Unstreamed) => return Some(Hint::CallWithoutStream),
        Some(Advice::Drop(name)) => name.to_owned(),
        // Only a repair can do something.
        _ if words.lessons().next().is_some() => return None,
        _ => refused_member(words)?,
    };
    Some(Hint::DropParameter { name })
}

/// The member that one of the general forms of a refusal names.
fn refused_member(words: &Words) -> Option<String> {
    let is_name = |name: &&str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$' | '-'))
    };
    let between = |before: &str, after: &str| {
        words.after(before)?.split_once(after).map(|(name, _)| name).filter(is_name)
    };
    // "This model doesn't support the video content block that you provided."
    if let Some(name) = between("n't support the ", " content block") {
        return Some(format!("{name} blocks"));
    }
    if let Some(name) = between("n't support the ", " field") {
        return Some(name.to_owned());
    }
    // "Malformed input request: #: extraneous key [top_k] is not permitted, please reformat your input": a block at
    // a wrong place is refused in the same words.
    if let Some(name) = between("extraneous key [", "]") {
        let path = words.before("extraneous key [")?.rsplit('#').next()?.trim_end_matches([':', ' ']);
        return match path {
            "" | "/inferenceConfig" => Some(name.to_owned()),
            path if path.ends_with("/inputSchema/json") => {
                Some(format!("{name} in the inputSchema of a tool"))
            }
            _ => None,
        };
    }
    // "messages.0.foo: Extra inputs are not permitted"
    if let Some(path) = words.before(": extra inputs are not permitted") {
        return path.split_whitespace().next_back().filter(is_name).map(str::to_owned);
    }
    // "`top_k` is not supported by this model"
    let refused =
        ["is deprecated for this model", "is not supported by this model", "is not supported for this model"];
    let before = refused.iter().find_map(|refused| words.before(refused))?.trim_end();
    let name = before.strip_suffix(['`', '"', '\''])?.rsplit(['`', '"', '\'']).next();
    name.filter(is_name).map(str::to_owned)
}

/// How far this machine's clock is behind, by the times of a message: "Signature expired: 20250325T235114Z is now
/// earlier than 20250521T030314Z (20250521T030814Z - 5 min.)". The last is the service's.
pub(crate) fn behind(message: &str) -> Option<i64> {
    let words = message.split(|c: char| !c.is_ascii_alphanumeric());
    let mut times = words.filter(|word| word.len() == 16).filter_map(|word| {
        let part = |from, to| word.get(from..to);
        let (date, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
        let (hour, minute, second) = (part(9, 11)?, part(11, 13)?, part(13, 15)?);
        read_time(&format!("{date}-{month}-{day}T{hour}:{minute}:{second}Z"))
    });
    let ours = times.next()?;
    let theirs = times.next_back()?;
    let seconds =
        |from: std::time::SystemTime, to| i64::try_from(from.duration_since(to).ok()?.as_secs()).ok();
    seconds(theirs, ours).or_else(|| seconds(ours, theirs).map(|ahead| -ahead))
}

/// Whether a model is not sold through AWS Marketplace. Source: the user guide,
/// [access to models](https://docs.aws.amazon.com/bedrock/latest/userguide/model-access.html).
fn is_unsold(model_id: &str) -> bool {
    ["amazon.", "deepseek.", "meta.", "mistral.", "openai.", "qwen."]
        .iter()
        .any(|maker| model_id.contains(maker))
}

/// What to call instead of a model that only inference profiles serve.
pub(crate) fn inference_profiles(model_id: &str, profiles: Result<Vec<String>>, region: &str) -> Hint {
    let model = model_id.to_owned();
    match profiles {
        Ok(ids) => {
            let ids = ids.into_iter().map(|id| shortened(id, LONGEST_ID)).collect();
            Hint::UseInferenceProfile { model, region: region.to_owned(), ids }
        }
        Err(error) => Hint::ListInferenceProfiles { model, failure: error.to_string() },
    }
}

/// Whether a model was called by an id that only an inference profile serves.
pub(crate) fn needs_inference_profile(error: &Error) -> bool {
    error.kind() == ErrorKind::Validation && meaning(error) == Some(Meaning::NeedsProfile)
}

/// The profile that a link names, if its credentials come from a sign-in.
fn sso_profile(link: &str) -> Option<&str> {
    let rest = link.strip_prefix("profile ")?;
    link.contains("sso").then(|| rest.split(' ').next()).flatten()
}

/// The longest profile id that the API has, in characters.
const LONGEST_ID: usize = 2048;

const IDENTITY: &str = "identity-based policy";

/// The kinds of policies that a refusal names.
const POLICIES: [&str; 7] = [
    "service control policy",
    "resource control policy",
    "permissions boundary",
    "session policy",
    "vpc endpoint policy",
    "resource-based policy",
    IDENTITY,
];

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "us.anthropic.claude-sonnet-5";
    const KEYS: &str = "AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY";
    const REFUSED: Refused<'_> = Refused {
        model_id: Some(MODEL),
        region: "eu-west-1",
        link: Some(KEYS),
        is_bearer: false,
        doubt: None,
    };

    fn refusal(status: u16, code: &str, message: &str) -> Error {
        let error =
            Error::new(ErrorKind::of_service(code, message, Some(status)), message).with_status(status);
        if code.is_empty() { error } else { error.with_code(code) }
    }

    /// The text of the hint, which is empty if there is none.
    fn text(status: u16, code: &str, message: &str) -> String {
        hint(&refusal(status, code, message), REFUSED).map(|hint| hint.to_string()).unwrap_or_default()
    }

    /// Each message gets a hint with these words.
    fn each_says(cases: &[(u16, &str, &[&str], &str)]) {
        for (status, code, messages, words) in cases {
            for message in *messages {
                let text = text(*status, code, message);
                assert!(words.split('|').all(|word| text.contains(word)), "{code}: {message}\n-> {text}");
            }
        }
    }

    #[test]
    fn a_refusal_of_the_credentials_has_its_next_step() {
        each_says(&[
            (
                403,
                "UnrecognizedClientException",
                &[
                    "The security token included in the request is invalid.",
                    "The security token included in the request is invalid",
                ],
                "AWS does not know the credentials of AWS_ACCESS_KEY_ID|access key id|session token",
            ),
            (
                403,
                "InvalidSignatureException",
                &[
                    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
                ],
                "check that the secret access key of AWS_ACCESS_KEY_ID",
            ),
            (
                403,
                "InvalidSignatureException",
                &[
                    "Signature expired: 20250325T235114Z is now earlier than 20250521T030314Z (20250521T030814Z - 5 min.)",
                    "Signature expired: 20260101T000000Z is now earlier than 20260221T000000Z (20260225T031700Z - 15 min.)",
                ],
                "set this machine's clock: it is 13|hours behind",
            ),
            (
                403,
                "SignatureDoesNotMatch",
                &[
                    "Signature not yet current: 20260101T020000Z is still later than 20260101T011000Z (20260101T010500Z + 5 min.)",
                ],
                "clock: it is 55 minutes ahead",
            ),
            (
                403,
                "InvalidSignatureException",
                &["Signature expired"],
                "set this machine's clock: it is more than five",
            ),
            (
                403,
                "RequestTimeTooSkewed",
                &["The difference between the request time and the current time is too large."],
                "set this machine's clock",
            ),
            (
                403,
                "InvalidSignatureException",
                &[
                    "Credential should be scoped to a valid region. ",
                    "Credential should be scoped to a valid region, not 'us-east-1'. ",
                ],
                "name the region of the endpoint: the request was signed for eu-west-1",
            ),
            (
                403,
                "InvalidSignatureException",
                &["Credential should be scoped to correct service: 'bedrock'. "],
                "check the endpoint URL",
            ),
            (
                403,
                "MissingAuthenticationTokenException",
                &["Missing Authentication Token"],
                "check the endpoint URL",
            ),
            (
                403,
                "AccessDeniedException",
                &["You shall not pass"],
                "check that the identity has permissions for Bedrock",
            ),
        ]);
        let error =
            refusal(403, "ExpiredTokenException", "The security token included in the request is expired");
        let of = |link| hint(&error, Refused { link: Some(link), ..REFUSED }).unwrap();
        assert_eq!(of("profile work (sso-session corp)"), Hint::SignIn { profile: "work".into(), sso: true });
        assert_eq!(of("container"), Hint::RenewCredentials { link: "container".into() });
    }

    #[test]
    fn a_refused_api_key_is_not_taken_for_access_keys() {
        for (code, message) in [
            ("UnrecognizedClientException", "The security token included in the request is invalid."),
            ("AccessDeniedException", "Authentication failed: Please make sure your API Key is valid."),
            ("", "Authentication failed: Please make sure your API Key is valid."),
            ("AccessDeniedException", "Bearer Token has expired"),
            ("AccessDeniedException", "Invalid API Key format: Must start with pre-defined prefix"),
            ("ExpiredTokenException", "The security token included in the request is expired"),
        ] {
            let link = "AWS_BEARER_TOKEN_BEDROCK";
            let refused = Refused { link: Some(link), is_bearer: true, ..REFUSED };
            let found = hint(&refusal(403, code, message), refused);
            assert_eq!(found, Some(Hint::CheckApiKey { link: link.into() }), "{code}: {message}");
        }
        // The key of a gateway is none of AWS's.
        assert_eq!(text(401, "", "Authentication Error, Invalid API Key"), "");
    }

    #[test]
    fn a_fault_of_the_keys_that_is_seen_is_named() {
        let quoted = Hint::UnquoteKeys { link: KEYS.into() };
        let token = Hint::SessionToken { link: KEYS.into(), needed: false };
        for (code, message) in [
            ("IncompleteSignatureException", "Credential must have exactly 5 slash-delimited elements"),
            (
                "IncompleteSignature",
                "'\"AKIA' not a valid key=value pair (missing equal-sign) in Authorization header",
            ),
            ("UnrecognizedClientException", "The security token included in the request is invalid."),
            (
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided.",
            ),
        ] {
            for doubt in [&quoted, &token] {
                let found = hint(&refusal(403, code, message), Refused { doubt: Some(doubt), ..REFUSED });
                assert_eq!(found.as_ref(), Some(doubt), "{code}");
            }
        }
        assert!(
            quoted.to_string().starts_with("remove the quotation marks from the values of AWS_ACCESS_KEY_ID")
        );
        assert!(token.to_string().starts_with("unset AWS_SESSION_TOKEN: "));
        let needed = Hint::SessionToken { link: "profile work".into(), needed: true };
        assert!(needed.to_string().starts_with("set aws_session_token: the access key id of profile work"));
        // A permission, or the clock, has nothing to do with it.
        for (code, message) in [
            (
                "AccessDeniedException",
                "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel on resource: y",
            ),
            (
                "InvalidSignatureException",
                "Signature expired: 20250325T235114Z is now earlier than 20250521T030314Z (20250521T030814Z - 5 min.)",
            ),
        ] {
            let found = hint(&refusal(403, code, message), Refused { doubt: Some(&quoted), ..REFUSED });
            assert_ne!(found, Some(quoted.clone()), "{message}");
        }
    }

    #[test]
    fn a_missing_permission_names_the_policy_that_has_to_change() {
        let user = "User: arn:aws:sts::111122223333:assumed-role/x/y is not authorized to perform: bedrock:InvokeModelWithResponseStream on resource: ";
        let model = "arn:aws:bedrock:us-east-2::foundation-model/anthropic.claude-sonnet-5";
        let said = |end: &str| text(403, "AccessDeniedException", &format!("{user}{model}{end}"));
        for end in
            ["", " because no identity-based policy allows the bedrock:InvokeModelWithResponseStream action"]
        {
            let expected = format!(
                "attach a policy that allows bedrock:InvokeModelWithResponseStream on {model} to the identity of {KEYS}"
            );
            assert_eq!(said(end), expected);
        }
        for policy in [
            "a service control policy",
            "a service control policy: arn:aws:organizations::111122223333:policy/o-1/service_control_policy/p-1",
            "a resource control policy",
            "a permissions boundary",
            "a session policy",
            "a VPC endpoint policy",
            "an identity-based policy",
        ] {
            let said = said(&format!(" with an explicit deny in {policy}"));
            let (_, kind) = policy.split_once(' ').unwrap();
            let kind = kind.split(':').next().unwrap().to_lowercase();
            assert!(
                said.starts_with(&format!("a {kind} denies bedrock:InvokeModelWithResponseStream, whatever")),
                "{said}"
            );
            assert!(said.contains("regions that it allows") && !said.contains("attach"), "{said}");
        }
        for policy in
            ["session policy", "permissions boundary", "service control policy", "VPC endpoint policy"]
        {
            let said = said(&format!(
                " because no {policy} allows the bedrock:InvokeModelWithResponseStream action"
            ));
            assert!(
                said.starts_with(&format!("the {} in force does not allow", policy.to_lowercase())),
                "{said}"
            );
        }
        let project = "arn:aws:bedrock:eu-west-1:111122223333:project/default";
        let said = text(
            403,
            "AccessDeniedException",
            &format!("{user}{project} because no identity-based policy allows it"),
        );
        assert!(said.contains(project) && said.ends_with("on the project as well as on the model"), "{said}");
    }

    #[allow(clippy::too_many_lines, reason = "a table of refusals")]
    #[test]
    fn access_to_a_model_is_gained_as_it_is_now() {
        each_says(&[
            (
                403,
                "AccessDeniedException",
                &[
                    "You don't have access to the model with the specified model ID.",
                    "Model access is denied due to IAM user or service role is not authorized to perform the required AWS Marketplace actions (aws-marketplace:ViewSubscriptions, aws-marketplace:Subscribe) to enable access to this model. Refer to the Amazon Bedrock documentation for further details. Your AWS Marketplace subscription for this model cannot be completed at this time. If you recently fixed this issue, try again after 5 minutes.",
                    "Model access is denied due to User: arn:aws:sts::1:assumed-role/x/y is not authorized to perform: aws-marketplace:ViewSubscriptions on resource: * because no identity-based policy allows the aws-marketplace:ViewSubscriptions action",
                ],
                "us.anthropic.claude-sonnet-5|aws-marketplace:Subscribe|aws-marketplace:Unsubscribe|aws-marketplace:ViewSubscriptions|15 minutes",
            ),
            (
                403,
                "AccessDeniedException",
                &[
                    "Model access is denied due to INVALID_PAYMENT_INSTRUMENT:A valid payment instrument must be provided. Your AWS Marketplace subscription for this model cannot be completed at this time. If you recently fixed this issue, try again after 15 minutes.",
                    "Model access is denied: a valid payment method must be added.",
                ],
                "add a valid payment method",
            ),
            (
                404,
                "ResourceNotFoundException",
                &[
                    "Model use case details have not been submitted for this account. Fill out the Anthropic use case details form before using the model. If you have already filled out the form, try again in 15 minutes.",
                    "Fill out the Anthropic use case form before using the model.",
                ],
                "submit the use case form|model catalog",
            ),
            (
                400,
                "ValidationException",
                &["Model use case details have not been submitted for this account."],
                "submit the use case form",
            ),
            (
                400,
                "ValidationException",
                &[
                    "Operation not allowed",
                    "Your account is not authorized to invoke this API operation.",
                    "Your account is not authorized to perform this action. Please create a support case",
                ],
                "AWS refuses the account, not the identity|eu-west-1|AWS Support",
            ),
            (
                403,
                "AccessDeniedException",
                &[
                    "Your account is not authorized to invoke this API operation.",
                    "anthropic.claude-opus-5 is not available for this account. You can explore other available models on Amazon Bedrock.",
                ],
                "AWS refuses the account",
            ),
            (
                400,
                "ValidationException",
                &[
                    "data retention mode 'default' is not available for this model",
                    "The model returned the following errors: Data retention mode 'none' is not supported by this model.",
                ],
                "data retention mode that the model allows",
            ),
            (
                404,
                "ResourceNotFoundException",
                &[
                    "Access denied. This Model is marked by provider as Legacy and you have not been actively using the model in the last 30 days. Please upgrade to an active model on Amazon Bedrock",
                    "This Model is marked by provider as Legacy and you have not been actively using the model in the last 15 days.",
                ],
                "call a newer model: a Legacy model is kept",
            ),
            (
                400,
                "ValidationException",
                &[
                    "This Model is marked by provider as Legacy. Please upgrade to an active model on Amazon Bedrock.",
                ],
                "call a newer model: a Legacy",
            ),
            (
                404,
                "ResourceNotFoundException",
                &[
                    "This model version has reached the end of its life. Please refer to the AWS documentation for more details.",
                ],
                "call a newer model: this version is retired",
            ),
            (400, "ValidationException", &["The model has reached end of life."], "this version is retired"),
            (
                400,
                "ValidationException",
                &["The provided model identifier is invalid.", "The provided model ID is invalid."],
                "list the models",
            ),
            (
                404,
                "ResourceNotFoundException",
                &[
                    "Could not resolve the foundation model from the provided model identifier.",
                    "Model not found: x",
                    "The model x does not exist",
                ],
                "list the models",
            ),
        ]);
        // Such a model is not sold through AWS Marketplace.
        let nova = Refused { model_id: Some("us.amazon.nova-pro-v1:0"), ..REFUSED };
        let denied = refusal(
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
        );
        assert!(matches!(hint(&denied, nova), Some(Hint::CheckAccess { .. })));
    }

    #[allow(clippy::too_many_lines, reason = "a table of refusals")]
    #[test]
    fn a_refusal_of_the_request_says_what_to_change() {
        let model = "The model returned the following errors: ";
        for (messages, words) in [
            (
                &[
                    "This model doesn't support tool use in streaming mode.",
                    "This model doesn\u{2019}t support tool use with streaming.",
                ][..],
                "without streaming",
            ),
            (
                &[
                    "The model is unsupported for streaming.",
                    "This model doesn't support streaming.",
                    "Streaming is not supported for this model.",
                ],
                "without streaming",
            ),
            (
                &[
                    "input length and `max_tokens` exceed context limit: 180000 + 64000 > 200000, decrease input length or `max_tokens` and try again",
                ],
                "lower the output limit (maxTokens)",
            ),
            (
                &[
                    "Input is too long for requested model.",
                    "prompt is too long: 208310 tokens > 200000 maximum",
                    "Input Tokens Exceeded: Number of input tokens exceeds maximum length. Please update the input to try again.",
                    "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens",
                ],
                "leave out the oldest turns",
            ),
            (
                &[
                    "too many total text bytes: 9417036 > 9000000",
                    "messages: too many total text bytes: 1 > 0",
                ],
                "send less text",
            ),
            (
                &[
                    "The maximum tokens you requested exceeds the model limit of 8192. Try again with a maximum tokens value that is lower than 8192.",
                    "The maximum tokens you requested exceed the model limit of 8192. Try again",
                ],
                "lower the output limit (maxTokens) to 8192",
            ),
            (
                &[
                    "`temperature` is deprecated for this model.",
                    "temperature is deprecated for this model.",
                    "temperature is not supported by this model",
                ],
                "leave out temperature: this model does not accept it",
            ),
            (&["`top_p` is deprecated for this model."], "leave out topP:"),
            (&["`top_k` is not supported for this model."], "leave out top_k:"),
            (
                &["`temperature` and `top_p` cannot both be specified for this model. Please use only one."],
                "send temperature or topP, not both",
            ),
            (&["`temperature` may only be set to 1 when thinking is enabled."], "while the model thinks"),
            (
                &[
                    "Malformed input request: #: extraneous key [top_k] is not permitted, please reformat your input and try again.",
                ],
                "leave out top_k:",
            ),
            (
                &[
                    "Malformed input request: #/toolConfig/tools/1/toolSpec/inputSchema/json: extraneous key [$defs] is not permitted, please reformat your input and try again.",
                ],
                "$defs in the inputSchema of a tool",
            ),
            (
                &[
                    "Malformed input request: #/messages/2/content/1: extraneous key [cachePoint] is not permitted",
                ],
                "cachePoint there",
            ),
            (
                &[
                    "tools.0.custom: For 'array' type, property 'maxItems' is not supported",
                    "tools.3.custom: For 'integer' type, properties maximum, minimum are not supported",
                    "tools.0.custom: 'minItems' values other than 0 or 1 are not supported",
                ],
                "leave out `strict`",
            ),
            (
                &[
                    "output_config.format.schema: For 'integer' type, properties maximum, minimum are not supported",
                    "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
                    "output_config.format: Extra inputs are not permitted",
                    "This model doesn't support the outputConfig.textFormat field. Remove it and try again.",
                ],
                "leave out outputConfig.textFormat",
            ),
            (
                &[
                    "tools.0.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level",
                ],
                "object at the root",
            ),
            (
                &[
                    "This model does not support assistant message prefill. The conversation must end with a user message.",
                    "When using tools, pre-filling the `assistant` response is not supported.",
                ],
                "end with a message of the user",
            ),
            (
                &[
                    "This model doesn't support the video content block that you provided. Update the content block and try again.",
                ],
                "leave out video blocks",
            ),
            (
                &[
                    "This model doesn't support the image content block that you provided. Update the content block and try again.",
                ],
                "leave out image blocks",
            ),
            (
                &["This model doesn't support the s3Uri field. Remove s3Uri and try again."],
                "leave out s3Uri:",
            ),
            (
                &[
                    "The compiled grammar is too large, which would cause performance issues.",
                    "Schemas contains too many parameters with union types (31). The limit is 16.",
                ],
                "leave out `strict` of the tools with the largest schemas",
            ),
            (&["A text block must be included when using documents."], "add a text block"),
            (
                &["Expected toolResult blocks at messages.2.content for the following Ids: call_time"],
                "a toolResult for each id",
            ),
            (
                &["This model doesn't support tool use.", "This model does not support tool use."],
                "leave out tools:",
            ),
            (&["This model doesn't support system prompts"], "leave out a system prompt"),
            (
                &[
                    "foo: Extra inputs are not permitted",
                    "messages.0.content.0.foo: Extra inputs are not permitted",
                ],
                "foo: this model does not accept it",
            ),
        ] {
            for message in messages {
                for message in [(*message).to_owned(), format!("{model}{message}")] {
                    let text = text(400, "ValidationException", &message);
                    assert!(text.contains(words), "{message}\n-> {text}");
                }
            }
        }
    }

    #[test]
    fn what_is_only_near_to_a_known_wording_gets_no_hint() {
        for message in [
            "Malformed input request: #/messages/2/content/0: extraneous key [toolResult] is not permitted, please reformat your input and try again.",
            "Malformed input request: #/messages/0/content/0: extraneous key [type] is not permitted, please reformat your input and try again.",
            "The value at toolConfig.tools.26.toolSpec.inputSchema.json.type must be one of the following: object.",
            "The system encountered an error that is not supported.",
            "The tool name f.g is not supported: names have letters, digits, _ and -.",
            "Invalid toolChoice: the tool f is not among the tools.",
            "temperature: Input should be less than or equal to 1",
            "The stop sequence \"\" is not permitted to be blank.",
            "The toolUseId exceeds maximum length of 64.",
            "Tool names must be unique.",
            "Messages can't contain duplicate document names. Rename the document and retry your request.",
            "Access to Anthropic models is not allowed from unsupported countries, regions, or territories. Please refer to https://www.anthropic.com/supported-countries",
            "Operation not allowed on a DRAFT guardrail.",
            "This model is not suited for your use case.",
            "Invalid data retention mode 'forever'.",
            "The legacy text completion format is not valid here.",
            "Your request ended before the end of its body.",
            "The provided guardrail identifier is invalid.",
            "it is not supported by this model",
            "Streaming responses are described in the user guide.",
        ] {
            assert_eq!(text(400, "ValidationException", message), "", "{message}");
        }
        for message in [
            "The guardrail identifier or version provided in the request does not exist.",
            "Could not find the requested prompt.",
            "No policy with this name was found.",
        ] {
            assert_eq!(text(404, "ResourceNotFoundException", message), "", "{message}");
        }
        for (status, code, message) in [
            (403, "", "Forbidden"),
            (403, "InvalidSignatureException", "Date in Credential scope does not match YYYYMMDD"),
            (502, "", "bad gateway"),
            (
                500,
                "InternalServerException",
                "The system encountered an unexpected error during processing. Try your request again.",
            ),
            (424, "ModelErrorException", "temperature is not supported by this model"),
        ] {
            assert_eq!(text(status, code, message), "", "{message}");
        }
    }

    #[test]
    fn a_quota_is_waited_for_or_raised() {
        each_says(&[
            (
                429,
                "ThrottlingException",
                &["Too many tokens, please wait before trying again."],
                "lower maxTokens",
            ),
            (
                429,
                "ThrottlingException",
                &["Too many requests, please wait before trying again."],
                "wait, or use",
            ),
            (
                429,
                "ThrottlingException",
                &[
                    "Too many tokens per day, please wait before trying again.",
                    "Your daily token quota is used up.",
                ],
                "quotas of their own|the daily quota|eu-west-1",
            ),
            (
                400,
                "ServiceQuotaExceededException",
                &["Too many tokens per day"],
                "Service Quotas console of eu-west-1",
            ),
            (
                503,
                "ServiceUnavailableException",
                &[
                    "Too many connections, please wait before trying again.",
                    "Bedrock is unable to process your request.",
                ],
                "wait, or use",
            ),
            (503, "", &["Service capacity limit has been reached. Please try again later."], "wait, or use"),
            (429, "ModelNotReadyException", &["Model is not ready"], "being prepared"),
        ]);
    }

    #[test]
    fn one_reader_knows_which_refusals_concern_the_model() {
        for (status, message, unknown, profile) in [
            (
                400,
                "Invocation of model ID deepseek.r1-v1:0 with on-demand throughput isn\u{2019}t supported. Retry your request with the ID or ARN of an inference profile that contains this model.",
                false,
                true,
            ),
            (
                400,
                "Invocation of model ID deepseek.r1-v1:0 with on-demand throughput isn't supported.",
                false,
                true,
            ),
            (400, "The provided model doesn't support on-demand throughput.", false, true),
            (400, "This model does not support on-demand throughput", false, true),
            (400, "The provided model identifier is invalid.", true, false),
            (404, "Could not resolve the foundation model from the provided model identifier.", true, false),
            (404, "Model use case details have not been submitted for this account.", false, false),
            (404, "This model version has reached the end of its life.", false, false),
            (404, "Access denied. This Model is marked by provider as Legacy", false, false),
            (
                404,
                "The guardrail identifier or version provided in the request does not exist.",
                false,
                false,
            ),
            (400, "Input is too long for requested model.", false, false),
        ] {
            let code = if status == 404 { "ResourceNotFoundException" } else { "ValidationException" };
            let error = refusal(status, code, message);
            let found = meaning(&error);
            assert_eq!(found == Some(Meaning::UnknownModel), unknown, "{message}");
            assert_eq!(needs_inference_profile(&error), profile, "{message}");
        }
    }

    #[test]
    fn only_a_sign_in_is_renewed_by_one() {
        assert_eq!(sso_profile("profile work (sso-session corp)"), Some("work"));
        assert_eq!(sso_profile("profile work"), None);
        assert_eq!(sso_profile("container"), None);
    }
}
