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
    let words = Words::of(error);
    let message = words.lower();
    // A model that does not cache is refused with 403.
    let is_of_request = error.kind() == ErrorKind::Validation
        || error.kind() == ErrorKind::AccessDenied && message.contains("prompt caching");
    if !is_of_request {
        return None;
    }
    let tier = request.service_tier.as_ref().is_some_and(|tier| tier.kind != ServiceTierType::Default);
    let limit = limit(&words).map(|limit| format!("maxTokens={limit}"));
    // The service may name the beta, or the parameter of the model's own, that it refuses.
    let refuses = REFUSALS.iter().any(|words| message.contains(words));
    let fields = request.additional_model_request_fields.as_ref();
    let fields = fields.and_then(|fields| fields.read::<Members>().ok()).unwrap_or_default();
    let betas = fields.named("anthropic_beta").and_then(|betas| betas.read::<Vec<String>>().ok());
    let named = |name: &String| message.contains(&name.to_lowercase());
    let betas = betas.filter(|_| message.contains("beta")).into_iter().flatten().filter(named);
    let own = fields.iter().map(|(name, _)| name.to_owned()).filter(|_| refuses).filter(named);
    let without = |name: String| format!("!{name}");
    let inference = request.inference_config.clone().unwrap_or_default();
    let parameters = [
        (inference.temperature.is_some(), "temperature", "temperature", "temperature=never"),
        (inference.top_p.is_some(), "top_p", "topp", "topP=false"),
        (inference.stop_sequences.is_some(), "stop_seq", "stopseq", "stopSequences=false"),
        (fields.named("inferenceConfig").is_some(), "topk", "topk", "topK=none"),
    ];
    let parameters = parameters.into_iter().filter(|(sent, name, other, _)| {
        *sent && refuses && (message.contains(name) || message.contains(other))
    });
    let known = words.lessons().map(|lesson| lesson.row).filter(|row| !row.is_empty());
    let rows = known.map(str::to_owned).chain(parameters.map(|(.., row)| row.to_owned()));
    let rows = limit.into_iter().chain(betas.map(without)).chain(rows).chain(own.map(without));
    // The service may not name the tier that it refuses.
    let of_tier =
        tier && (message.contains("tier") || words.meaning(error.kind()) == Some(Meaning::UnknownModel));
    let mut rows = rows.chain(of_tier.then(|| "tiers=default".to_owned()));
    let row = rows.find(|row| learnt.learn(row))?;
    // Thoughts and schemas are those of one conversation.
    let of_conversation = row == "thinking=none"
        || message.contains("context limit")
        || message.contains("output_config.format.schema")
        || message.contains("invalid") && message.contains("signature");
    let of_model = !of_conversation;
    Some(Lesson { row, of_model })
}

/// The limit of tokens of a response that a refusal names.
fn limit(words: &Words) -> Option<u64> {
    let message = words.lower();
    let number = |text: &str| {
        let digits = text.trim_start_matches(['`', ' ']).chars().take_while(char::is_ascii_digit);
        digits.collect::<String>().parse::<u64>().ok()
    };
    // `input length and max_tokens exceed context limit: 190000 + 20000 > 200000`.
    if let Some((_, sum)) = message.split_once("exceed context limit: ") {
        return number(sum.split_once(" > ")?.1)?.checked_sub(number(sum)?);
    }
    // `max_tokens: 128000 > 64000, which is the maximum allowed number of output tokens`.
    let (before, _) = message.split_once(", which is the maximum").unwrap_or_default();
    let above = before.rsplit_once("> ").and_then(|(_, limit)| number(limit));
    above.or_else(|| words.token_limit()?.parse().ok())
}

/// Words by which the service refuses a parameter.
const REFUSALS: &[&str] = &[
    "not supported",
    "not support",
    "n't support",
    "unsupported",
    "not permitted",
    "not allowed",
    "deprecated",
    "cannot be",
    "may only",
    "must be",
    "non-whitespace",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::converse::{InferenceConfiguration, ServiceTier};
    use crate::refusal::wording::LESSONS;
    use crate::shape::Document;

    fn lesson(message: &str, tier: Option<&str>) -> Option<String> {
        let mut inference = InferenceConfiguration::new().temperature(0.5).top_p(0.5);
        inference.stop_sequences = Some(vec!["X".to_owned()]);
        let mut request = ConverseRequest::new("m").inference_config(inference);
        request.service_tier = tier.map(ServiceTier::new);
        let fields = r#"{"top_k":1,"own":2,"anthropic_beta":["b-1","b-2"],"inferenceConfig":{"topK":1}}"#;
        request.additional_model_request_fields = Document::parse(fields).ok();
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
            (format!("{model}output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"), "textFormat=false"),
            (format!("{model}output_config.format: Extra inputs are not permitted"), "textFormat=false"),
            ("This model doesn't support the temperature field. Remove temperature and try again.".into(), "temperature=never"),
            ("Unsupported value: 'temperature' does not support 0.5 with this model.".into(), "temperature=never"),
            ("This model doesn't support the topP field. Remove topP and try again.".into(), "topP=false"),
            ("This model doesn't support the stopSequences field. Remove stopSequences and try again.".into(), "stopSequences=false"),
            (format!("{model}stop_sequences: each stop sequence must contain non-whitespace"), "stopSequences=false"),
            ("Malformed input request: #/inferenceConfig: extraneous key [topK] is not permitted".into(), "topK=none"),
            (format!("{model}top_k: Extra inputs are not permitted"), "!top_k"),
            (format!("{model}own: Extra inputs are not permitted"), "!own"),
            (format!("{model}Unexpected value(s) `b-2` for the `anthropic-beta` header."), "!b-2"),
            ("#/toolConfig/tools/18: extraneous key [cachePoint] is not permitted".into(), "cachePlaces=system,messages"),
            (format!("{model}max_tokens: 128000 > 64000, which is the maximum allowed number of output tokens"), "maxTokens=64000"),
            (format!("{model}input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease"), "maxTokens=10000"),
            ("Value 'system' at 'messages.1.member.role' failed to satisfy constraint: Member must satisfy enum value set: [user, assistant]".into(), "systemMessages=false"),
            ("The maximum tokens you requested exceeds the model limit of 8192. Try again with a maximum tokens value that is lower than 8192.".into(), "maxTokens=8192"),
        ] {
            assert_eq!(lesson(&message, None).as_deref(), Some(row), "{message}");
        }
        let invalid = "The provided model identifier is invalid.";
        assert_eq!(lesson(invalid, Some("flex")).as_deref(), Some("tiers=default"));
        assert_eq!(lesson(invalid, None), None);
        assert_eq!(lesson("Input is too long for requested model.", Some("flex")), None);
        let refused = |kind, message: &str| {
            let error = Error::new(kind, message);
            learn(&error, &ConverseRequest::new("m"), &mut Family::default()).map(|lesson| lesson.row)
        };
        let uncached = "You invoked an unsupported model or your request did not allow prompt caching.";
        assert_eq!(refused(ErrorKind::AccessDenied, uncached).as_deref(), Some("cachePoints=0"));
        assert_eq!(refused(ErrorKind::AccessDenied, "invalid beta flag"), None);
        // Nothing that names a parameter which the request does not have.
        assert_eq!(refused(ErrorKind::Validation, "This model doesn't support the topP field."), None);
        let throttled = Error::new(ErrorKind::Throttled, "invalid beta flag");
        assert!(learn(&throttled, &ConverseRequest::new("m"), &mut Family::default()).is_none());
    }
}
