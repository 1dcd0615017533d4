//! Which hint fits a refusal, by its code and message.
//!
//! There are few codes and many messages. Where only the message differs, it is recognised by parts that have not
//! changed in years.

use crate::{Error, ErrorKind, Hint, Result};
use pumice_codec::internal::shortened;

/// A call that was refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused<'a> {
    /// The model that was called, if the operation has one.
    pub(crate) model_id: Option<&'a str>,
    pub(crate) region: &'a str,
    /// Where the credentials came from: `profile work (sso-session corp)`.
    pub(crate) link: Option<&'a str>,
}

/// The next step, where one is known.
pub(crate) fn hint(error: &Error, refused: Refused<'_>) -> Option<Hint> {
    let code = error.code().unwrap_or_default();
    let message = error.message().to_lowercase();
    let says = |part: &str| message.contains(part);
    let region = refused.region.to_owned();
    let link = refused.link.unwrap_or("the request").to_owned();

    Some(match error.kind() {
        ErrorKind::AccessDenied if code.starts_with("ExpiredToken") || code == "RequestExpired" => {
            match sso_profile(&link) {
                Some(profile) => Hint::SignIn { profile: profile.to_owned(), sso: true },
                None => Hint::RenewCredentials { link },
            }
        }
        ErrorKind::AccessDenied if matches!(code, "UnrecognizedClientException" | "InvalidClientTokenId") => {
            Hint::CheckCredentials { link }
        }
        ErrorKind::AccessDenied if matches!(code, "InvalidSignatureException" | "SignatureDoesNotMatch") => {
            Hint::CheckSecretKey { link }
        }
        ErrorKind::AccessDenied if says("payment_instrument") => Hint::AddPayment,
        ErrorKind::AccessDenied | ErrorKind::NotFound | ErrorKind::Validation if says("use case") => {
            Hint::SubmitUseCase
        }
        ErrorKind::AccessDenied if says("access to the model") || says("model access") => {
            Hint::ModelAccess { model: refused.model_id.map(str::to_owned), region }
        }
        ErrorKind::AccessDenied if says("is not authorized to perform: ") => {
            let action = message.split("is not authorized to perform: ").nth(1)?.split_whitespace().next()?;
            let action = error.message().get(message.find(action)?..)?.get(..action.len())?;
            Hint::MissingPermission { action: action.to_owned(), identity: link }
        }
        ErrorKind::AccessDenied if says("api key") || says("bearer token") => Hint::CheckApiKey,
        ErrorKind::AccessDenied => Hint::CheckAccess { region },
        ErrorKind::Validation | ErrorKind::NotFound
            if says("model identifier is invalid") || says("end of its life") =>
        {
            Hint::ListModels { region }
        }
        ErrorKind::Validation if TOO_LONG.iter().any(|part| says(part)) => Hint::ShortenConversation,
        ErrorKind::Validation if says("in streaming mode") || says("unsupported for streaming") => {
            Hint::CallWithoutStream
        }
        ErrorKind::Validation if says("extraneous key [") => {
            let key = error.message().split("extraneous key [").nth(1)?.split(']').next()?;
            Hint::DropParameter { name: key.to_owned() }
        }
        ErrorKind::Validation => {
            let is_refused = |name: &str| says(name) && REFUSALS.iter().any(|part| says(part));
            let (_, name) = PARAMETERS.iter().find(|(name, _)| is_refused(name))?;
            Hint::DropParameter { name: (*name).to_owned() }
        }
        ErrorKind::Throttled if says("per day") => Hint::DailyQuota { region },
        ErrorKind::Throttled if says("token") => Hint::LowerMaxTokens,
        ErrorKind::Throttled => Hint::WaitOut,
        ErrorKind::ModelNotReady => Hint::WaitForModel,
        ErrorKind::QuotaExceeded => Hint::RaiseQuota { region },
        _ => return None,
    })
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
    // The apostrophe of "isn’t supported" is not the ASCII one, so the comparison ends before it.
    error.kind() == ErrorKind::Validation && error.message().contains("with on-demand throughput isn")
}

/// The profile that a link names, if its credentials come from a sign-in.
fn sso_profile(link: &str) -> Option<&str> {
    let rest = link.strip_prefix("profile ")?;
    link.contains("sso").then(|| rest.split(' ').next()).flatten()
}

/// The longest profile id that the API has, in characters.
const LONGEST_ID: usize = 2048;

/// What services and models say when a conversation does not fit.
const TOO_LONG: [&str; 7] = [
    "exceed context limit",
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

/// How messages refuse a parameter.
const REFUSALS: [&str; 6] =
    ["not support", "unsupported", "is not permitted", "deprecated", "may only be set", "cannot both"];

#[cfg(test)]
mod tests {
    use super::*;

    fn hint_text(code: &str, message: &str, link: &str) -> Option<String> {
        let status = match code {
            "ValidationException" => 400,
            "ResourceNotFoundException" => 404,
            _ => 403,
        };
        let error = Error::new(ErrorKind::of_service(code, Some(status)), message).with_code(code);
        hint(&error, Refused { model_id: Some("some.model"), region: "eu-west-1", link: Some(link) })
            .map(|hint| hint.to_string())
    }

    #[test]
    fn each_refusal_has_its_next_step() {
        let cases = [
            (
                "ExpiredTokenException",
                "The security token included in the request is expired",
                "aws sso login --profile work",
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
                "aws-marketplace:Subscribe",
            ),
            (
                "AccessDeniedException",
                "Model access is denied due to INVALID_PAYMENT_INSTRUMENT:A valid payment instrument must be provided.",
                "payment method",
            ),
            (
                "ResourceNotFoundException",
                "Model use case details have not been submitted for this account. Fill out the Anthropic use case \
                 details form before using the model.",
                "use case",
            ),
            (
                "ValidationException",
                "This model doesn't support tool use in streaming mode.",
                "without streaming",
            ),
            (
                "ValidationException",
                "input length and `max_tokens` exceed context limit: 180000 + 64000 > 200000",
                "lower the output limit",
            ),
            (
                "AccessDeniedException",
                "User: arn:aws:iam::1:user/x is not authorized to perform: bedrock:InvokeModel on resource: y",
                "needs the permission bedrock:InvokeModel:",
            ),
            ("ValidationException", "The provided model identifier is invalid.", "list the models"),
            (
                "ValidationException",
                "Input is too long for requested model.",
                "do not fit into the model's context",
            ),
            (
                "ValidationException",
                "Malformed input request: #: extraneous key [top_k] is not permitted",
                "does not accept top_k",
            ),
            (
                "ValidationException",
                "`temperature` is deprecated for this model.",
                "does not accept temperature",
            ),
            ("ThrottlingException", "Too many tokens, please wait before trying again.", "maxTokens"),
            ("ThrottlingException", "Too many tokens per day, please wait.", "the quota of a day"),
            ("ThrottlingException", "Too many requests, please wait before trying again.", "wait, or"),
        ];
        for (code, message, expected) in cases {
            let text = hint_text(code, message, "profile work (sso-session corp)").unwrap_or_default();
            assert!(text.contains(expected), "{code}: {message}: {text}");
        }
        assert_eq!(
            hint_text("ValidationException", "Expected toolResult blocks at messages.2.content", "x"),
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
