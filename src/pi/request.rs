//! An input as a request of Converse, without any repair.

use super::content::{Content, Contents, DocumentContent, ImageContent, TextContent, ThinkingContent};
use super::input::{Input, Model, Options, Tool, ToolChoice};
use super::message::{AssistantMessage, Message, StopReason, ToolResultMessage};
use super::{API, PROVIDER, other};
use crate::conversation::{self, CacheRetention, Counted, MediaFormat, Target, ThinkingLevel};
use crate::converse::{
    AnyToolChoice, AutoToolChoice, CitationsConfig, ContentBlock, ConversationRole, ConverseRequest,
    DocumentBlock, DocumentSource, ImageBlock, ImageFormat, ImageSource, InferenceConfiguration,
    Message as Turn, ReasoningContentBlock, ReasoningTextBlock, ServiceTier, SpecificToolChoice, SystemTool,
    ToolConfiguration, ToolInputSchema, ToolResultBlock, ToolResultContentBlock, ToolResultStatus,
    ToolSpecification, ToolUseBlock,
};
use crate::models::ModelInfo;
use crate::shape::{Blob, Document, Members};
use crate::{Error, ErrorKind, Result};

impl Input {
    /// The request that this stands for, unrepaired, with what is known of the model and with what the request cannot
    /// say. [`prepare`](conversation::prepare) makes of it what the model accepts.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] for an unknown role, thinking level or cache retention, and for images
    /// and documents that are not base64 or of a type that the API has no format for.
    ///
    /// ```
    /// use pumice::conversation;
    /// use pumice::pi::{Context, Input, Message, Model};
    ///
    /// let context = Context::new().system_prompt("Be brief.").message(Message::user("Why does pumice float?"));
    /// let input = Input::new(Model::new("us.amazon.nova-lite-v1:0").max_tokens(500u64), context);
    /// let (request, target, options) = input.to_converse()?;
    /// let prepared = conversation::prepare(request, &target, &options)?;
    /// assert_eq!(prepared.request.inference_config.unwrap().max_tokens, Some(500));
    /// # Ok::<(), pumice::Error>(())
    /// ```
    pub fn to_converse(&self) -> Result<(ConverseRequest, Target, conversation::Options)> {
        let no_options = Options::new();
        let (model, context) = (&self.model, &self.context);
        let given = self.options.as_ref().unwrap_or(&no_options);
        context.check_kinds()?;
        let mut options = options(given)?;
        let mut request = ConverseRequest::new(model.id.as_str());

        let info = info(model);
        let reads_images = info.images != Some(false) || !options.repair_history;
        let mut turns = Vec::new();
        for message in context.messages.iter().flatten() {
            let mut is_foreign = false;
            if let Message::Assistant(message) = message {
                let failed = matches!(message.stop_reason, Some(StopReason::Error | StopReason::Aborted));
                if failed && options.repair_history {
                    // Half a message of the model is worse than none.
                    continue;
                }
                is_foreign = !is_of_model(message, model);
                if is_foreign {
                    options.foreign_messages.push(turns.len());
                }
                let total = message.usage.as_ref().and_then(|usage| usage.total_tokens);
                if let Some(tokens) = total.filter(|tokens| *tokens > 0 && !failed) {
                    options.counted = Some(Counted { messages: turns.len() + 1, tokens });
                }
            }
            turns.push(turn(message, reads_images, is_foreign && options.repair_history)?);
        }
        request.messages = Some(turns);
        let system = context.system_prompt.as_deref().filter(|system| !system.is_empty());
        request.system = system.map(|system| vec![system.into()]);
        request.tool_config = tool_config(context.tools.as_deref().unwrap_or_default(), given, &mut options);

        let mut inference = InferenceConfiguration::new();
        // 0 is no limit: the service refuses it.
        let limit = given.max_tokens.filter(|tokens| *tokens > 0);
        inference.max_tokens = limit.map(|tokens| u32::try_from(tokens).unwrap_or(u32::MAX));
        inference.temperature = given.temperature;
        inference.top_p = given.top_p;
        if given.stop_sequences.iter().flatten().any(String::is_empty) {
            let message = "stopSequences: expected texts that are not empty, found an empty one";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        inference.stop_sequences.clone_from(&given.stop_sequences);
        request.inference_config = Some(inference);
        request.request_metadata.clone_from(&given.request_metadata);
        request.guardrail_config.clone_from(&given.guardrail_config);
        request.performance_config.clone_from(&given.performance_config);
        request.output_config.clone_from(&given.output_config);
        request.additional_model_request_fields = fields(given)?;
        let tier = given.service_tier.as_ref().map(|tier| tier.trim().to_lowercase());
        request.service_tier = tier.map(|tier| ServiceTier::new(tier.as_str()));
        // pi-ai sends an empty `inferenceConfig` too. A plain question goes without.
        let is_plain = options.cache_retention == Some(CacheRetention::None)
            && options.thinking.is_none()
            && request.service_tier.is_none()
            && request.tool_config.is_none()
            && request.messages.iter().flatten().all(|message| message.role == ConversationRole::User);
        request.inference_config = request
            .inference_config
            .filter(|inference| !is_plain || *inference != InferenceConfiguration::new());
        Ok((request, Target::new(info), options))
    }
}

/// The parameters of the model's own, with the betas.
fn fields(given: &Options) -> Result<Option<Document>> {
    let Some(betas) = &given.betas else { return Ok(given.additional_model_request_fields.clone()) };
    let fields = given.additional_model_request_fields.as_ref();
    let mut fields = fields.map_or(Ok(Members::default()), Document::read)?;
    fields.insert("anthropic_beta", Document::write(betas)?);
    Document::write(&fields).map(Some)
}

fn options(given: &Options) -> Result<conversation::Options> {
    let named = |name: &'static str| {
        move |error: Error| Error::new(ErrorKind::InvalidInput, format!("{name}: {error}"))
    };
    let mut options = conversation::Options::default();
    if let Some(level) = &given.reasoning {
        options.thinking = ThinkingLevel::parse(level).map_err(named("reasoning"))?;
        options.thinking_off = options.thinking.is_none();
    }
    for (level, tokens) in given.thinking_budgets.iter().flat_map(Members::iter) {
        if let Ok(Some(level)) = ThinkingLevel::parse(level) {
            options.thinking_budgets.push((level, tokens.read().map_err(named("thinkingBudgets"))?));
        }
    }
    options.thinking_display.clone_from(&given.thinking_display);
    options.interleaved_thinking = given.interleaved_thinking != Some(false);
    let retention = given.cache_retention.as_deref().map(CacheRetention::parse).transpose();
    options.cache_retention = retention.map_err(named("cacheRetention"))?;
    options.top_k = given.top_k;
    options.omit_old_media = given.omit_old_media == Some(true);
    options.repair = given.repair != Some(false);
    options.repair_history = given.repair_history != Some(false);
    options.session.clone_from(&given.session_id);
    options.families = given.families.clone().unwrap_or_default();
    Ok(options)
}

fn info(model: &Model) -> ModelInfo {
    let levels = model.thinking_level_map.iter().flatten();
    ModelInfo {
        name: model.name.clone(),
        images: model.input.as_ref().map(|input| input.iter().any(|kind| kind == "image")),
        reasoning: model.reasoning,
        context_window: model.context_window,
        max_tokens: model.max_tokens,
        cost: model.cost.clone(),
        strict_tools: model.compat.as_ref().and_then(|compat| compat.supports_strict_mode),
        thinking_levels: levels.map(|(level, name)| (level.clone(), name.clone())).collect(),
        ..ModelInfo::default()
    }
}

fn is_of_model(message: &AssistantMessage, model: &Model) -> bool {
    let same = |of_message: &Option<String>, of_model: &Option<String>, default: &str| {
        of_message.as_deref().unwrap_or(default) == of_model.as_deref().unwrap_or(default)
    };
    message.model.as_ref().is_none_or(|id| *id == model.id)
        && same(&message.provider, &model.provider, PROVIDER)
        && same(&message.api, &model.api, API)
}

fn turn(message: &Message, reads_images: bool, is_foreign: bool) -> Result<Turn> {
    let (role, content) = match message {
        Message::User(message) => (ConversationRole::User, user(message.content.as_ref(), reads_images)?),
        Message::Assistant(message) => (ConversationRole::Assistant, assistant(message, is_foreign)?),
        Message::ToolResult(message) => {
            (ConversationRole::User, vec![tool_result(message, reads_images)?.into()])
        }
        Message::System(message) => {
            let blocks = message.content.iter().flat_map(|content| &content.0);
            let texts = blocks.filter_map(|block| match block {
                Content::Text(block) => Some(ContentBlock::Text(block.text.clone())),
                _ => None,
            });
            (ConversationRole::System, texts.collect())
        }
        // Refused before.
        Message::Unknown(_) => (ConversationRole::System, Vec::new()),
    };
    Ok(Turn::new(role, content))
}

fn user(content: Option<&Contents>, reads_images: bool) -> Result<Vec<ContentBlock>> {
    let mut blocks = Vec::new();
    for block in content.iter().flat_map(|content| &content.0) {
        match block {
            Content::Text(text) => blocks.push(ContentBlock::Text(text.text.clone())),
            Content::Image(block) => blocks.push(image(block, reads_images)?.into()),
            Content::Document(block) => blocks.push(document(block)?.into()),
            Content::Thinking(_) | Content::ToolCall(_) | Content::Unknown(_) => {}
        }
    }
    Ok(blocks)
}

/// The blocks of the model's. Another model gets them without sources and without what the service ran.
fn assistant(message: &AssistantMessage, is_foreign: bool) -> Result<Vec<ContentBlock>> {
    let mut blocks = Vec::with_capacity(message.blocks().len());
    let others = message.other_content.as_deref().filter(|_| !is_foreign).unwrap_or_default();
    let others = others.iter().map(other::to_converse).collect::<Result<Vec<_>>>()?;
    let mut others = others.into_iter().peekable();
    for (index, block) in message.blocks().iter().enumerate() {
        while let Some((_, block)) = others.next_if(|(before, _)| *before <= index) {
            blocks.push(block);
        }
        blocks.extend(match block {
            Content::Text(TextContent { text, citations: Some(citations), .. })
                if !is_foreign && !citations.is_empty() =>
            {
                let json = serde_json::json!({"text": text});
                let mut cited = Members::default();
                cited.insert("content", Document::write(&[json])?);
                cited.insert("citations", Document::write(citations)?);
                let mut block = Members::default();
                block.insert("citationsContent", Document::write(&cited)?);
                Some(ContentBlock::Unknown(block))
            }
            Content::Text(text) => Some(ContentBlock::Text(text.text.clone())),
            Content::Thinking(thinking) => reasoning(thinking).map(ContentBlock::from),
            Content::ToolCall(call) => {
                let arguments = call.arguments.clone().unwrap_or_default();
                Some(ToolUseBlock::new(call.id.as_str(), call.name.as_str(), arguments).into())
            }
            Content::Image(_) | Content::Document(_) | Content::Unknown(_) => None,
        });
    }
    blocks.extend(others.map(|(_, block)| block));
    Ok(blocks)
}

/// Redacted thoughts lie in the signature, in base64; what is not base64 cannot go back.
fn reasoning(block: &ThinkingContent) -> Option<ReasoningContentBlock> {
    if block.redacted == Some(true) {
        let thoughts = Blob::from_base64(block.thinking_signature.as_deref()?).ok()?;
        return Some(thoughts).filter(|thoughts| !thoughts.0.is_empty()).map(Into::into);
    }
    let mut text = ReasoningTextBlock::new(block.thinking.as_str());
    text.signature.clone_from(&block.thinking_signature);
    Some(text.into())
}

fn tool_result(message: &ToolResultMessage, reads_images: bool) -> Result<ToolResultBlock> {
    let mut content = Vec::<ToolResultContentBlock>::new();
    for block in message.content.iter().flat_map(|content| &content.0) {
        match block {
            Content::Text(text) => content.push(text.text.as_str().into()),
            Content::Image(block) => content.push(image(block, reads_images)?.into()),
            Content::Document(block) => content.push(document(block)?.into()),
            Content::Thinking(_) | Content::ToolCall(_) | Content::Unknown(_) => {}
        }
    }
    let failed = message.is_error == Some(true);
    let status = if failed { ToolResultStatus::Error } else { ToolResultStatus::Success };
    Ok(ToolResultBlock::new(message.tool_call_id.as_str(), content).status(status))
}

/// An image or a document, in the format that its bytes are of.
enum Media {
    Image(ImageBlock),
    Document(DocumentBlock),
}

impl From<Media> for ContentBlock {
    fn from(media: Media) -> Self {
        match media {
            Media::Image(image) => image.into(),
            Media::Document(document) => document.into(),
        }
    }
}

impl From<Media> for ToolResultContentBlock {
    fn from(media: Media) -> Self {
        match media {
            Media::Image(image) => image.into(),
            Media::Document(document) => document.into(),
        }
    }
}

/// An image, whose bytes are not read where only a note is sent in its place.
fn image(image: &ImageContent, is_read: bool) -> Result<Media> {
    if !is_read {
        let source = ImageSource::Bytes(Blob::default());
        return Ok(Media::Image(ImageBlock::new(ImageFormat::Png, source)));
    }
    // pi-ai's words.
    media(&image.data, &image.mime_type, None, "Unknown image type")
}

fn document(document: &DocumentContent) -> Result<Media> {
    let name = document.name.as_deref();
    let mut media = media(&document.data, &document.mime_type, name, "Unknown document type")?;
    if let Media::Document(block) = &mut media {
        block.citations = document.citations.map(CitationsConfig::new);
    }
    Ok(media)
}

fn media(data: &str, media_type: &str, name: Option<&str>, unknown: &str) -> Result<Media> {
    let data = Blob::from_base64(data);
    let bytes = data.as_ref().map(|data| &*data.0).unwrap_or_default();
    let format = MediaFormat::of_data(media_type, bytes);
    let unknown = || Error::new(ErrorKind::InvalidInput, format!("{unknown}: {media_type}"));
    let (format, data) = (format.ok_or_else(unknown)?, data?);
    Ok(match format {
        MediaFormat::Image(format) => Media::Image(ImageBlock::new(format, ImageSource::Bytes(data))),
        MediaFormat::Document(format) => {
            let document = DocumentBlock::new(name.unwrap_or("document"), DocumentSource::Bytes(data));
            Media::Document(document.format(format))
        }
    })
}

/// The tools, unless the model must not call any: Converse has no such choice.
fn tool_config(
    tools: &[Tool],
    given: &Options,
    options: &mut conversation::Options,
) -> Option<ToolConfiguration> {
    let choice = match &given.tool_choice {
        Some(ToolChoice::None) => return None,
        Some(ToolChoice::Auto) => Some(AutoToolChoice::new().into()),
        Some(ToolChoice::Any) => Some(AnyToolChoice::new().into()),
        Some(ToolChoice::Tool(name)) => Some(SpecificToolChoice::new(name.as_str()).into()),
        None => None,
    };
    let own = given.system_tools.iter().flatten().map(|name| SystemTool::new(name.as_str()).into());
    let tools_sent = tools.iter().map(|tool| specification(tool).into()).chain(own).collect::<Vec<_>>();
    if tools_sent.is_empty() {
        return None;
    }
    let mut config = ToolConfiguration::new(tools_sent);
    config.tool_choice = choice;
    let required = tools.iter().filter(|tool| strictness(tool) == Some("require"));
    options.required_strict = required.map(|tool| tool.name.clone()).collect();
    Some(config)
}

fn specification(tool: &Tool) -> ToolSpecification {
    let any = || serde_json::json!({"type": "object", "properties": {}}).into();
    let schema = tool.parameters.clone().unwrap_or_else(any);
    let mut specification = ToolSpecification::new(tool.name.as_str(), ToolInputSchema::Json(schema));
    specification.description.clone_from(&tool.description);
    specification.strict = strictness(tool).map(|_| true);
    specification
}

/// How strict a tool is to be: `require`, or anything else for where that is possible.
fn strictness(tool: &Tool) -> Option<&str> {
    let sampling = tool.constrained_sampling.as_ref()?;
    sampling.strict.as_deref().filter(|_| sampling.kind.as_deref() == Some("json_schema"))
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "reads best in tables of JSON")]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const CLAUDE: &str = "anthropic.claude-sonnet-4-5";

    fn prepare(input: Value) -> Result<Value> {
        let (request, target, options) = serde_json::from_value::<Input>(input).unwrap().to_converse()?;
        let prepared = conversation::prepare(request, &target, &options)?;
        Ok(serde_json::from_slice(&prepared.request.body().unwrap()).unwrap())
    }

    fn body(input: Value) -> Value {
        prepare(input).unwrap()
    }

    fn messages(model: Value, messages: Value, options: Value) -> Value {
        let tools = json!([{"name": "f"}]);
        let input = json!({
            "model": model, "context": {"messages": messages, "tools": tools}, "options": options
        });
        body(input)["messages"].clone()
    }

    fn uncached() -> Value {
        json!({"cacheRetention": "none"})
    }

    fn asked(model: Value, options: Value) -> Value {
        body(json!({
            "model": model,
            "context": {"messages": [{"role": "user", "content": "hi"}], "tools": [{"name": "t", "description": " "}]},
            "options": options
        }))
    }

    #[test]
    fn a_limit_of_0_is_no_limit() {
        let limit = |model: Value, options| asked(model, options)["inferenceConfig"]["maxTokens"].clone();
        assert_eq!(limit(json!({"id": "m"}), json!({})), Value::Null);
        assert_eq!(limit(json!({"id": "m", "maxTokens": 0}), json!({"maxTokens": 0})), Value::Null);
        assert_eq!(limit(json!({"id": "m", "maxTokens": 9}), json!({})), 9);
        assert_eq!(limit(json!({"id": "m", "maxTokens": 9}), json!({"maxTokens": 5})), 5);
        assert_eq!(limit(json!({"id": "m", "contextWindow": 5000}), json!({"maxTokens": 5000})), 893);
        assert_eq!(limit(json!({"id": "m", "contextWindow": 50}), json!({"maxTokens": 5000})), 1);
        assert_eq!(limit(json!({"id": "m", "contextWindow": 100_000}), json!({"maxTokens": 99_000})), 95_893);
    }

    #[test]
    fn what_the_service_counted_is_not_estimated() {
        let usage = json!({"totalTokens": 90_000});
        let body = body(json!({
            "model": {"id": "m", "contextWindow": 100_000, "maxTokens": 8000},
            "context": {"systemPrompt": "x".repeat(500_000), "messages": [
                {"role": "user", "content": "hi"}, {"role": "assistant", "content": "a", "usage": usage},
                {"role": "user", "content": "y".repeat(7)}
            ]}
        }));
        assert_eq!(body["inferenceConfig"]["maxTokens"], 100_000 - 90_002 - 4096);
    }

    #[test]
    fn what_a_model_refuses_with_thinking_is_not_sent() {
        let claude = json!({"id": "anthropic.claude-sonnet-4-5", "reasoning": true, "maxTokens": 64000});
        let options = json!({"temperature": 0.5, "toolChoice": "any"});
        let plain = asked(claude.clone(), options);
        assert_eq!(plain["inferenceConfig"]["temperature"], 0.5);
        assert_eq!(plain["toolConfig"]["toolChoice"], json!({"any": {}}));
        let thinking = asked(claude, json!({"temperature": 0.5, "toolChoice": "any", "reasoning": "low"}));
        assert_eq!(thinking["inferenceConfig"], json!({"maxTokens": 64000}));
        assert_eq!(thinking["toolConfig"]["toolChoice"], Value::Null);
        let never = asked(json!({"id": "anthropic.claude-opus-4-8"}), json!({"temperature": 0.5}));
        assert_eq!(never["inferenceConfig"], json!({}));

        let nova = json!({"id": "amazon.nova-2-lite-v1:0", "reasoning": true, "maxTokens": 9000});
        let with = |level: &str| asked(nova.clone(), json!({"temperature": 0.5, "reasoning": level}));
        assert_eq!(with("high")["inferenceConfig"], json!({}));
        assert_eq!(with("medium")["inferenceConfig"], json!({"maxTokens": 9000, "temperature": 0.5}));
    }

    #[test]
    fn without_room_there_is_no_thinking() {
        let small = json!({"id": "anthropic.claude-sonnet-4-5", "reasoning": true, "maxTokens": 2000});
        let body = asked(small, json!({"reasoning": "high"}));
        assert_eq!(body["additionalModelRequestFields"], Value::Null);
        assert_eq!(body["inferenceConfig"]["maxTokens"], 2000);
        let middle = json!({"id": "anthropic.claude-sonnet-4-5", "reasoning": true, "maxTokens": 4096});
        let body = asked(middle, json!({"reasoning": "max"}));
        assert_eq!(body["additionalModelRequestFields"]["thinking"]["budget_tokens"], 3072);
    }

    #[test]
    fn options_are_sent() {
        let guardrail = json!({"guardrailIdentifier": "g", "guardrailVersion": "1"});
        let body = asked(
            json!({"id": "m"}),
            json!({
                "guardrailConfig": guardrail, "serviceTier": " Flex", "requestMetadata": {"a": "b"}
            }),
        );
        assert_eq!(body["guardrailConfig"], guardrail);
        assert_eq!(body["serviceTier"], json!({"type": "flex"}));
        assert_eq!(body["requestMetadata"], json!({"a": "b"}));
        let spec = json!({"name": "t", "inputSchema": {"json": {"type": "object", "properties": {}}}});
        assert_eq!(body["toolConfig"], json!({"tools": [{"toolSpec": spec}]}));
    }

    #[test]
    fn instructions_in_the_middle_stay_there() {
        let body = body(json!({"model": {"id": "m"}, "context": {"systemPrompt": "S", "messages": [
            {"role": "user", "content": "a"}, {"role": "system", "content": "T"}, {"role": "user", "content": "b"}
        ]}}));
        assert_eq!(body["system"], json!([{"text": "S"}]));
        let texts = ["a", "T", "b"].map(|text| json!({"text": text}));
        assert_eq!(body["messages"], json!([{"role": "user", "content": texts}]));
    }

    #[test]
    fn a_tool_that_must_be_strict_and_cannot_be_is_an_error() {
        let input = |strict: &str| {
            prepare(json!({"model": {"id": "m"}, "context": {"tools": [
                {"name": "t", "constrainedSampling": {"type": "json_schema", "strict": strict}}
            ]}}))
        };
        assert!(input("prefer").is_ok());
        let fault = input("require").unwrap_err().to_string();
        assert!(fault.starts_with("Tool \"t\" requires JSON-schema constrained sampling, but "), "{fault}");
    }

    #[test]
    fn failed_messages_are_left_out_with_their_results() {
        let call = json!({"type": "toolCall", "id": "a|b", "name": "f", "arguments": {}});
        let failed =
            json!({"role": "assistant", "model": CLAUDE, "stopReason": "aborted", "content": [call]});
        let result = |text: &str| json!({"role": "toolResult", "toolCallId": "a|b", "content": text});
        let history = json!([
            {"role": "user", "content": "a"}, failed, result("x"), {"role": "user", "content": "b"}
        ]);
        assert_eq!(
            messages(json!({"id": CLAUDE}), history.clone(), uncached()),
            json!([{"role": "user", "content": [{"text": "a"}, {"text": "b"}]}])
        );
        let options = json!({"cacheRetention": "none", "repairHistory": false});
        let sent = |text: &str| json!({"toolResult": {"toolUseId": "a|b", "content": [{"text": text}], "status": "success"}});
        assert_eq!(
            messages(json!({"id": CLAUDE}), history, options),
            json!([
                {"role": "user", "content": [{"text": "a"}]},
                {"role": "assistant", "content": [{"toolUse": {"toolUseId": "a|b", "name": "f", "input": {}}}]},
                {"role": "user", "content": [sent("x")]},
                {"role": "user", "content": [{"text": "b"}]}
            ])
        );
    }

    #[test]
    fn an_unknown_role_is_refused() {
        let input =
            json!({"model": {"id": "m"}, "context": {"messages": [{"role": "narrator", "content": "b"}]}});
        let error = prepare(input).unwrap_err().to_string();
        assert!(
            error.starts_with("message 1: expected the role user") && error.ends_with("found \"narrator\""),
            "{error}"
        );
    }

    #[test]
    fn a_wrong_word_in_the_options_is_refused() {
        let fault = |options: Value| {
            prepare(json!({"model": {"id": "m"}, "context": {}, "options": options})).unwrap_err().to_string()
        };
        assert_eq!(
            fault(json!({"reasoning": "lots"})),
            "reasoning: expected off, minimal, low, medium, high, xhigh or max, found \"lots\""
        );
        assert_eq!(
            fault(json!({"cacheRetention": "forever"})),
            "cacheRetention: expected none, short or long, found \"forever\""
        );
    }

    #[test]
    fn thoughts_of_another_model_do_not_go_back() {
        let thoughts = json!([
            {"type": "thinking", "thinking": "t", "thinkingSignature": "S"},
            {"type": "thinking", "thinking": "[Reasoning redacted]", "thinkingSignature": "AAEC", "redacted": true},
            {"type": "thinking", "thinking": "x", "thinkingSignature": "%", "redacted": true},
            {"type": "text", "text": "b"}
        ]);
        let history = json!([
            {"role": "user", "content": "a"}, {"role": "assistant", "model": CLAUDE, "content": thoughts}
        ]);
        let content =
            |model: &str| messages(json!({"id": model}), history.clone(), uncached())[1]["content"].clone();
        assert_eq!(
            content(CLAUDE),
            json!([
                {"reasoningContent": {"reasoningText": {"text": "t", "signature": "S"}}},
                {"reasoningContent": {"redactedContent": "AAEC"}},
                {"text": "b"}
            ])
        );
        assert_eq!(content("anthropic.claude-opus-4-8"), json!([{"text": "b"}]));
    }

    #[test]
    fn an_image_that_is_not_sent_is_not_read() {
        let image = json!({"type": "image", "data": "%", "mimeType": "image/bmp"});
        let history = json!([{"role": "user", "content": [image]}]);
        let text_alone = json!({"id": CLAUDE, "input": ["text"]});
        assert_eq!(
            messages(text_alone, history.clone(), uncached())[0]["content"],
            json!([{"text": "(image omitted: model does not support images)"}])
        );
        let input = json!({"model": {"id": CLAUDE}, "context": {"messages": history}});
        assert_eq!(prepare(input).unwrap_err().to_string(), "Unknown image type: image/bmp");
    }
}
