//! What a refusal teaches of a model: a row of the table that no source had.

use super::family::Family;
use crate::converse::{ConverseRequest, ServiceTierType};
use crate::refusal::wording::{Meaning, Words};
use crate::shape::Members;
use crate::{Error, ErrorKind};

/// What the service's words teach.
pub(super) struct Lesson {
    /// In the form of a row.
    pub(super) row: String,
    /// Whether it holds for the model, and not for this conversation alone.
    pub(super) of_model: bool,
}

/// Takes what a refusal of this request teaches into what was learnt before; `None` if that is nothing new.
pub(super) fn learn(error: &Error, request: &ConverseRequest, learnt: &mut Family) -> Option<Lesson> {
    if error.kind() != ErrorKind::Validation {
        return None;
    }
    let words = Words::of(error);
    let message = words.lower();
    let tier = request.service_tier.as_ref().is_some_and(|tier| tier.kind != ServiceTierType::Default);
    let limit = words.token_limit().map(|limit| format!("maxTokens={limit}"));
    // The service may name the beta that it refuses.
    let fields = request.additional_model_request_fields.as_ref().filter(|_| message.contains("beta"));
    let betas = fields.and_then(|fields| fields.read::<Members>().ok()?.named("anthropic_beta")?.read().ok());
    let named = betas.into_iter().flat_map(|betas: Vec<String>| betas);
    let named =
        named.filter(|beta| message.contains(&beta.to_lowercase())).map(|beta| format!("betas=!{beta}"));
    let known = words.lessons().map(|lesson| lesson.row).filter(|row| !row.is_empty());
    let rows = limit.into_iter().chain(named).chain(known.map(str::to_owned));
    // The service may not name the tier that it refuses.
    let of_tier =
        tier && (message.contains("tier") || words.meaning(error.kind()) == Some(Meaning::UnknownModel));
    let mut rows = rows.chain(of_tier.then(|| "tiers=default".to_owned()));
    let row = rows.find(|row| learnt.learn(row))?;
    // Thoughts are those of one conversation.
    let of_model = row != "thinking=none" && !(message.contains("invalid") && message.contains("signature"));
    Some(Lesson { row, of_model })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::converse::ServiceTier;
    use crate::refusal::wording::LESSONS;

    fn lesson(message: &str, tier: Option<&str>) -> Option<String> {
        let mut request = ConverseRequest::new("m");
        request.service_tier = tier.map(ServiceTier::new);
        let error = Error::new(ErrorKind::Validation, message);
        let mut learnt = Family::default();
        let lesson = learn(&error, &request, &mut learnt)?;
        assert!(
            learn(&error, &request, &mut learnt).is_none_or(|again| again.row != lesson.row),
            "{message}: once for each reason"
        );
        Some(lesson.row)
    }

    #[test]
    fn each_row_is_one_of_the_table() {
        for lesson in LESSONS.iter().filter(|lesson| !lesson.row.is_empty()) {
            assert!(Family::default().learn(lesson.row), "{lesson:?}");
        }
    }

    #[test]
    fn the_services_words_teach() {
        let model = "The model returned the following errors: ";
        for (message, row) in [
            (format!("{model}`temperature` and `top_p` cannot both be specified for this model."), "topPWithTemperature=false"),
            (format!("{model}`temperature` is deprecated for this model."), "temperature=never"),
            ("This model doesn't support the toolConfig.toolChoice.any field. Remove toolConfig.toolChoice.any and try again.".into(), "toolChoices="),
            ("This model doesn't support the status field. Remove status and try again.".into(), "status=false"),
            ("User messages cannot contain reasoning content. Remove reasoning content and try again.".into(), "thoughts=none"),
            (format!("{model}messages.1.content.0: Invalid `signature` in `thinking` block"), "thoughts=none"),
            (format!("{model}messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`."), "thinking=none"),
            (format!("{model}\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\""), "thinking=adaptive"),
            ("Conversation blocks and tool result blocks cannot be provided in the same turn.".into(), "besideResult="),
            (format!("{model}This model does not support assistant message prefill. The conversation must end with a user message."), "prefill=no"),
            ("When using tools, pre-filling the `assistant` response is not supported.".into(), "prefill=withoutTools"),
            ("This model doesn't support tool use in streaming mode.".into(), "tools=plain"),
            ("The model is unsupported for streaming.".into(), "streaming=false"),
            ("ids must be a-z, A-Z, 0-9, with a length of 9".into(), "toolIds=nine"),
            (format!("{model}tools.0.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level"), "schemaRoot=noChoices"),
            (format!("{model}invalid beta flag"), "betas=false"),
            (format!("{model}messages.0.content.1.cache_control.ephemeral.ttl: Extra inputs are not permitted"), "cacheTtls=5m"),
            ("This model doesn't support the cachePoint block. Remove it.".into(), "cachePoints=0"),
            (format!("{model}tools.0.custom: For 'integer' type, properties maximum, minimum are not supported"), "strictTools=false"),
            (format!("{model}tools.0.custom: For 'array' type, property 'maxItems' is not supported"), "strictTools=false"),
            ("The maximum tokens you requested exceeds the model limit of 8192. Try again with a maximum tokens value that is lower than 8192.".into(), "maxTokens=8192"),
        ] {
            assert_eq!(lesson(&message, None).as_deref(), Some(row), "{message}");
        }
        let invalid = "The provided model identifier is invalid.";
        assert_eq!(lesson(invalid, Some("flex")).as_deref(), Some("tiers=default"));
        assert_eq!(lesson(invalid, None), None);
        assert_eq!(lesson("Input is too long for requested model.", Some("flex")), None);
        let throttled = Error::new(ErrorKind::Throttled, "invalid beta flag");
        assert!(learn(&throttled, &ConverseRequest::new("m"), &mut Family::default()).is_none());
    }
}
