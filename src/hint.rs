//! What to do about a refusal, by the service's own words.
//!
//! The codes are few and the messages many: what can be told apart only by its message is told by the
//! parts of it that have not changed in years.

use crate::{Error, ErrorKind};

/// What is known of a call that was refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused<'a> {
    /// The model that was called, where one was.
    pub(crate) model_id: Option<&'a str>,
    pub(crate) region: &'a str,
    /// The link of the chain that had the credentials: `profile work (sso-session corp)`.
    pub(crate) link: Option<&'a str>,
}

/// The next step, where one is known.
pub(crate) fn hint(error: &Error, refused: Refused<'_>) -> Option<String> {
    let code = error.code().unwrap_or_default();
    let message = error.message().to_lowercase();
    let says = |part: &str| message.contains(part);
    let Refused { region, .. } = refused;
    let credentials = refused.link.unwrap_or("the request");

    Some(match error.kind() {
        ErrorKind::AccessDenied if code.starts_with("ExpiredToken") || code == "RequestExpired" => {
            let renew = match sso_profile(credentials) {
                Some(profile) => format!("aws sso login --profile {profile} renews them"),
                None => "get new ones".into(),
            };
            format!("the credentials of {credentials} have expired: {renew}; pumice auth shows what is used")
        }
        ErrorKind::AccessDenied if matches!(code, "UnrecognizedClientException" | "InvalidClientTokenId") => format!(
            "AWS does not know the credentials of {credentials}: check key id and secret, and for temporary \
             keys the session token; pumice auth shows what is used"
        ),
        ErrorKind::AccessDenied if matches!(code, "InvalidSignatureException" | "SignatureDoesNotMatch") => {
            format!("the secret access key of {credentials} does not belong to its key id, or the clock is wrong")
        }
        ErrorKind::AccessDenied if says("access to the model") || says("model access") => {
            let model = refused.model_id.unwrap_or("the model");
            format!(
                "access to {model} is granted for each account and region: in the Bedrock console of {region}, \
                 under Model access"
            )
        }
        ErrorKind::AccessDenied if says("is not authorized to perform: ") => {
            let action = message.split("is not authorized to perform: ").nth(1)?.split_whitespace().next()?;
            let action = error.message().get(message.find(action)?..)?.get(..action.len())?;
            format!("the identity behind {credentials} needs the permission {action}, in a policy of its own or a role's")
        }
        ErrorKind::AccessDenied if says("api key") || says("bearer token") => {
            "check AWS_BEARER_TOKEN_BEDROCK: the key may have expired, or be another region's".into()
        }
        ErrorKind::AccessDenied => format!(
            "pumice auth shows whose credentials these are; the identity needs the permissions of Bedrock, and the \
             model must be granted to the account in {region}"
        ),
        ErrorKind::Validation | ErrorKind::NotFound if says("model identifier is invalid") || says("end of its life") => {
            format!("pumice models list shows what can be called in {region}; other models are in other regions")
        }
        ErrorKind::Validation if TOO_LONG.iter().any(|part| says(part)) => {
            "the conversation is longer than the model's context: leave out its oldest turns, or take a model \
             with a larger one"
                .into()
        }
        ErrorKind::Validation if says("extraneous key [") => {
            let key = error.message().split("extraneous key [").nth(1)?.split(']').next()?;
            format!("this model has no parameter {key}: leave it out")
        }
        ErrorKind::Validation => {
            let parameter = PARAMETERS.iter().find(|(name, _)| says(name) && REFUSALS.iter().any(|part| says(part)))?;
            format!("this model refuses {} here: leave it out", parameter.1)
        }
        ErrorKind::Throttled if says("per day") => format!(
            "a day's quota is used up, which no patience waits out: another model or a profile of several regions \
             has one of its own; the Service Quotas console of {region} shows and raises them"
        ),
        ErrorKind::Throttled if says("token") => {
            "Bedrock takes the input and maxTokens off the quota before it answers: a lower maxTokens \
             (--max-tokens) fits more calls into it; --patient waits"
                .into()
        }
        ErrorKind::Throttled => "--patient waits until there is room; a profile of several regions has more of it".into(),
        ErrorKind::ModelNotReady => "the model is being made ready: --patient waits for it".into(),
        ErrorKind::QuotaExceeded => {
            format!("a quota of the account is used up: the Service Quotas console of {region} shows and raises them")
        }
        _ => return None,
    })
}

/// What to call in the place of a model that only inference profiles serve.
pub(crate) fn inference_profiles(profiles: Result<&[String], &Error>, region: &str) -> String {
    let place =
        "name an inference profile in the model's place: pumice call ListInferenceProfiles lists them";
    match profiles {
        Err(error) => format!("{place}; here they could not be listed: {error}"),
        Ok([]) => format!("{place}, and in {region} none of them serves this model"),
        Ok([one]) => format!("in {region} this model is called as {one}; --auto-profile does so by itself"),
        Ok([first, others @ ..]) => {
            let named = others.get(..MOST_NAMED).unwrap_or(others);
            let more = others.len() - named.len();
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            let named = named.join(", ");
            format!(
                "in {region} this model is called as {first} (or as {named}{more}); --auto-profile takes the first \
                 by itself"
            )
        }
    }
}

/// Whether a model was called by an id that only an inference profile serves.
pub(crate) fn needs_inference_profile(error: &Error) -> bool {
    // The apostrophe of "isn’t supported" is not ASCII's, so it is left out of the comparison.
    error.kind() == ErrorKind::Validation && error.message().contains("with on-demand throughput isn")
}

/// The profile in the link of a chain that ends in a sign-in.
fn sso_profile(link: &str) -> Option<&str> {
    let rest = link.strip_prefix("profile ")?;
    link.contains("sso").then(|| rest.split(' ').next()).flatten()
}

/// How many other profiles a hint names.
const MOST_NAMED: usize = 5;

/// What services and models say when a conversation does not fit.
const TOO_LONG: [&str; 6] = [
    "input is too long",
    "prompt is too long",
    "input tokens exceeded",
    "exceeds maximum length",
    "context length",
    "context window",
];

/// Parameters that some models refuse, as messages name them and as the API does.
const PARAMETERS: [(&str, &str); 8] = [
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("topp", "topP"),
    ("top_k", "top_k"),
    ("stop sequence", "stopSequences"),
    ("stopsequences", "stopSequences"),
    ("system", "a system prompt"),
    ("tool", "tools"),
];

/// How a refusal of a parameter is put.
const REFUSALS: [&str; 6] =
    ["not support", "unsupported", "is not permitted", "deprecated", "may only be set", "cannot both"];

#[cfg(test)]
mod tests {
    use super::*;

    fn told(code: &str, message: &str, link: &str) -> Option<String> {
        let status = if code.starts_with("Validation") { 400 } else { 403 };
        let error = Error::new(ErrorKind::of_service(code, Some(status)), message).with_code(code);
        hint(&error, Refused { model_id: Some("some.model"), region: "eu-west-1", link: Some(link) })
    }

    #[test]
    fn each_refusal_has_its_next_step() {
        let cases = [
            (
                "ExpiredTokenException",
                "The security token included in the request is expired",
                "aws sso login --profile work renews",
            ),
            (
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
                "AWS does not know",
            ),
            (
                "InvalidSignatureException",
                "The request signature we calculated does not match",
                "does not belong to its key id",
            ),
            (
                "AccessDeniedException",
                "You don't have access to the model with the specified model ID.",
                "access to some.model is granted",
            ),
            (
                "AccessDeniedException",
                "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel on resource: y",
                "needs the permission bedrock:InvokeModel,",
            ),
            ("ValidationException", "The provided model identifier is invalid.", "pumice models list"),
            (
                "ValidationException",
                "Input is too long for requested model.",
                "longer than the model's context",
            ),
            (
                "ValidationException",
                "Malformed input request: #: extraneous key [top_k] is not permitted",
                "no parameter top_k",
            ),
            ("ValidationException", "`temperature` is deprecated for this model.", "refuses temperature"),
            ("ThrottlingException", "Too many tokens, please wait before trying again.", "maxTokens"),
            ("ThrottlingException", "Too many tokens per day, please wait.", "a day's quota"),
            ("ThrottlingException", "Too many requests, please wait before trying again.", "--patient"),
        ];
        for (code, message, expected) in cases {
            let told = told(code, message, "profile work (sso-session corp)").unwrap_or_default();
            assert!(told.contains(expected), "{code}: {message}: {told}");
        }
        assert_eq!(
            told("ValidationException", "Expected toolResult blocks at messages.2.content", "x"),
            None
        );
    }

    #[test]
    fn only_a_sign_in_is_renewed_by_one() {
        assert_eq!(sso_profile("profile work (sso-session corp)"), Some("work"));
        assert_eq!(sso_profile("profile work"), None);
        assert_eq!(sso_profile("container"), None);
    }
}
