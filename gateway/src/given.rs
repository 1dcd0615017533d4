//! What a request asks for beside its messages, in the members that the dialects have in common.

use std::collections::HashSet;

use pumice::conversation::{Options, ThinkingLevel, parse_arguments};
use pumice::converse::{
    AnyToolChoice, AutoToolChoice, CachePointBlock, ContentBlock, ConversationRole, ConverseRequest,
    InferenceConfiguration, JsonSchemaDefinition, Message, OutputFormat, ServiceTier, SpecificToolChoice,
    SystemContentBlock, Tool, ToolChoice, ToolConfiguration, ToolInputSchema, ToolSpecification,
};
use pumice::shape::Document;

use crate::dialect::{Encoder, Translated};
use crate::json::{Fault, Items, Json, Object};

/// A request as far as it is read.
pub(crate) struct Given {
    pub(crate) request: ConverseRequest,
    pub(crate) options: Options,
    pub(crate) stream: bool,
    tools: Vec<Tool>,
    /// Their names.
    names: HashSet<String>,
    choice: Option<ToolChoice>,
    /// Whether the model must not call any tool: Converse has no such choice.
    no_tools: bool,
}

impl Given {
    /// Reads the model, `stream`, and the parameters of sampling.
    pub(crate) fn new(body: &mut Object<'_>, notes: &mut Vec<Fault>) -> Result<Self, Fault> {
        let model = body.need("model", "the name of a model")?;
        let name = model.text()?;
        if name.trim().is_empty() {
            return Err(model.expected("the name of a model"));
        }
        let mut given = Self {
            request: ConverseRequest::new(&*name),
            options: Options::default(),
            stream: body.take("stream").is_some_and(|stream| stream.raw() == "true"),
            tools: Vec::new(),
            names: HashSet::new(),
            choice: None,
            no_tools: false,
        };
        let mut inference = InferenceConfiguration::new();
        for limit in ["max_tokens", "max_completion_tokens", "max_output_tokens"] {
            if let Some(tokens) = body.take(limit) {
                let number = tokens.whole().ok().filter(|number| *number > 0);
                let number = number.ok_or_else(|| tokens.expected("a whole number from 1"))?;
                inference.max_tokens = Some(u32::try_from(number).unwrap_or(u32::MAX));
            }
        }
        if let Some(temperature) = body.take("temperature") {
            let number = temperature.number()?;
            if number > 1.0 {
                notes.push(temperature.fault(format!("{number} lowered to 1: Bedrock takes 0 to 1")));
            }
            inference.temperature = Some(number.min(1.0));
        }
        inference.top_p = body.take("top_p").map(Json::number).transpose()?;
        given.options.top_k = body.take("top_k").map(Json::whole).transpose()?;
        for name in ["stop", "stop_sequences"] {
            if let Some(stop) = body.take(name) {
                for text in stop.text_or_items()? {
                    inference = inference.stop_sequence(text.text()?.into_owned());
                }
            }
        }
        if inference != InferenceConfiguration::new() {
            given.request.inference_config = Some(inference);
        }
        if let Some(tier) = body.take("service_tier") {
            let name = match &*tier.text()? {
                "auto" => None,
                "standard" | "standard_only" => Some(ServiceTier::new("default")),
                name => Some(ServiceTier::new(name)),
            };
            given.request.service_tier = name;
        }
        Ok(given)
    }

    /// The whole of it.
    pub(crate) fn translated(mut self, encoder: impl Encoder + 'static) -> Translated {
        if !self.tools.is_empty() && !self.no_tools {
            let mut config = ToolConfiguration::new(self.tools);
            config.tool_choice = self.choice;
            self.request.tool_config = Some(config);
        }
        let Self { request, options, stream, .. } = self;
        Translated { request, options, stream, notes: Vec::new(), encoder: Box::new(encoder) }
    }

    /// Adds instructions: to the system prompt, or as a message where the conversation has begun.
    pub(crate) fn instruct(&mut self, blocks: Vec<ContentBlock>) {
        if self.request.messages.is_some() {
            self.say(ConversationRole::System, blocks);
            return;
        }
        for block in blocks {
            self.request.system.get_or_insert_default().push(match block {
                ContentBlock::CachePoint(point) => SystemContentBlock::CachePoint(point),
                // Nothing else is given.
                ContentBlock::Text(text) => SystemContentBlock::Text(text),
                _ => continue,
            });
        }
    }

    /// Adds a message.
    pub(crate) fn say(&mut self, role: ConversationRole, mut content: Vec<ContentBlock>) {
        if role == ConversationRole::System {
            // A turn of the user may take its place, and no cache point can stand in one of the system's.
            content.retain(|block| !matches!(block, ContentBlock::CachePoint(_)));
        }
        self.request.messages.get_or_insert_default().push(Message::new(role, content));
    }

    /// Adds blocks to the last message, if that is of this role, or else as a message.
    pub(crate) fn go_on(&mut self, role: ConversationRole, content: Vec<ContentBlock>) {
        match self.request.messages.as_mut().and_then(|messages| messages.last_mut()) {
            Some(last) if last.role == role => last.content.extend(content),
            _ => self.say(role, content),
        }
    }

    /// Adds a tool.
    pub(crate) fn tool(&mut self, tool: FunctionTool<'_>) -> Result<(), Fault> {
        let FunctionTool { name, description, schema, strict, cache, text_alone } = tool;
        let schema = match schema {
            _ if text_alone => serde_json::json!({
                "type": "object", "properties": {INPUT: {"type": "string"}}, "required": [INPUT]
            })
            .into(),
            Some(schema) if schema.is_object() => schema.document()?,
            Some(schema) => return Err(schema.expected("a JSON schema, which is an object")),
            None => serde_json::json!({"type": "object", "properties": {}}).into(),
        };
        self.names.insert(name.clone());
        let mut specification = ToolSpecification::new(name, ToolInputSchema::Json(schema));
        specification.description = description;
        specification.strict = strict.filter(|strict| *strict);
        self.tools.push(specification.into());
        self.tools.extend(cache.map(Tool::CachePoint));
        Ok(())
    }

    /// Whether there is a tool of this name.
    pub(crate) fn has_tool(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Sets whether a tool must be called, by the dialects' words, of which each means one thing.
    pub(crate) fn choose(&mut self, at: Json<'_>, word: &str, name: Option<&str>) -> Result<(), Fault> {
        self.choice = match (word, name) {
            ("none", _) => {
                self.no_tools = true;
                None
            }
            ("auto", _) => Some(AutoToolChoice::new().into()),
            ("required" | "any", _) => Some(AnyToolChoice::new().into()),
            (_, Some(name)) if self.has_tool(name) => Some(SpecificToolChoice::new(name).into()),
            (_, Some(name)) => return Err(at.fault(format!("expected the name of a tool, found {name:?}"))),
            _ => return Err(at.expected("auto, none, required or a tool")),
        };
        Ok(())
    }

    /// Keeps the tools of these names alone.
    pub(crate) fn keep_tools(&mut self, names: &HashSet<String>) {
        self.tools.retain(|tool| !matches!(tool, Tool::ToolSpec(tool) if !names.contains(&tool.name)));
    }

    /// Sets how much the model thinks, by a word.
    pub(crate) fn think(&mut self, effort: Json<'_>) -> Result<(), Fault> {
        let level = ThinkingLevel::parse(&effort.text()?);
        self.options.thinking =
            level.map_err(|_| effort.expected("none, minimal, low, medium, high, xhigh or max"))?;
        self.options.thinking_off = self.options.thinking.is_none();
        Ok(())
    }

    /// Sets how much the model thinks, in Anthropic's form: `{"type": "enabled", "budget_tokens": 2048}`.
    pub(crate) fn thinking(&mut self, thinking: Json<'_>) -> Result<(), Fault> {
        let mut object = thinking.object()?;
        let kind = object.need("type", "enabled, adaptive or disabled")?;
        let budget = object.take("budget_tokens").map(Json::whole).transpose()?;
        self.options.thinking_display =
            object.take("display").map(|display| display.text().map(String::from)).transpose()?;
        match &*kind.text()? {
            "disabled" => {
                self.options.thinking = None;
                self.options.thinking_off = true;
            }
            "enabled" | "adaptive" => {
                let level = match budget {
                    Some(..=1024) => ThinkingLevel::Minimal,
                    Some(..=2048) => ThinkingLevel::Low,
                    Some(..=8192) => ThinkingLevel::Medium,
                    _ => ThinkingLevel::High,
                };
                let level = *self.options.thinking.get_or_insert(level);
                let budget = budget.map(|tokens| (level.min(ThinkingLevel::High), tokens));
                self.options.thinking_budgets.extend(budget);
            }
            _ => return Err(kind.expected("enabled, adaptive or disabled")),
        }
        Ok(())
    }

    /// Sets that the response is JSON of this schema.
    pub(crate) fn json_output(
        &mut self,
        schema: &Document,
        name: Option<String>,
        description: Option<String>,
    ) {
        let mut definition = JsonSchemaDefinition::new(schema.text());
        definition.name = name;
        definition.description = description;
        self.request.output_config.get_or_insert_default().text_format =
            Some(OutputFormat::json_schema(definition));
    }

    /// Sets that the response is JSON, of whatever form.
    pub(crate) fn any_json(&mut self) {
        self.json_output(&serde_json::json!({"type": "object"}).into(), None, None);
    }

    /// Adds labels, as far as the service takes them.
    pub(crate) fn label(&mut self, labels: Json<'_>, notes: &mut Vec<Fault>) -> Result<(), Fault> {
        for (name, value) in labels.object()?.rest() {
            let text = value.text()?;
            let is_taken = |text: &str| {
                text.len() <= LONGEST_LABEL
                    && text.chars().all(|c| {
                        c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":_@$#=/+,-.".contains(c)
                    })
            };
            if !name.is_empty() && is_taken(name) && is_taken(&text) {
                self.request
                    .request_metadata
                    .get_or_insert_default()
                    .insert(name.to_owned(), text.into_owned());
            } else {
                notes.push(value.fault(
                    "not sent: Bedrock takes only labels of up to 256 of the characters a-zA-Z0-9 :_@$#=/+,-.",
                ));
            }
        }
        Ok(())
    }
}

/// A tool as the dialects have it.
#[derive(Default)]
pub(crate) struct FunctionTool<'a> {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) schema: Option<Json<'a>>,
    pub(crate) strict: Option<bool>,
    pub(crate) cache: Option<CachePointBlock>,
    /// Whether its input is a text: it is the member [`INPUT`] of what Converse takes.
    pub(crate) text_alone: bool,
}

/// A tool of these members, whose schema is under this name.
pub(crate) fn function<'a>(object: &mut Object<'a>, schema: &str) -> Result<FunctionTool<'a>, Fault> {
    Ok(FunctionTool {
        name: object.need("name", "the name of a tool")?.text()?.into_owned(),
        description: object.take("description").map(|text| text.text().map(String::from)).transpose()?,
        schema: object.take(schema),
        strict: object.take("strict").map(Json::bool).transpose()?,
        cache: cache_point(object)?,
        text_alone: false,
    })
}

/// The items of a member, if it is there.
pub(crate) fn list<'a>(body: &mut Object<'a>, name: &str) -> Result<Items<'a>, Fault> {
    body.take(name).map_or(Ok(Items::default()), Json::items)
}

/// Sets the schema of the response by an object of `name`, `schema` and `description`.
pub(crate) fn json_schema(object: &mut Object<'_>, given: &mut Given) -> Result<(), Fault> {
    let schema = object.need("schema", "a JSON schema")?.document()?;
    let mut text = |name| object.take(name).map(|text| text.text().map(String::from)).transpose();
    let (name, description) = (text("name")?, text("description")?);
    given.json_output(&schema, name, description);
    Ok(())
}

/// The arguments of a call: JSON in a text. What a model wrote that is not JSON cannot be sent back to it.
pub(crate) fn read_arguments(arguments: Json<'_>, notes: &mut Vec<Fault>) -> Result<Document, Fault> {
    if arguments.is_object() {
        return arguments.document();
    }
    Ok(parse_arguments(&arguments.text()?).unwrap_or_else(|_| {
        notes.push(arguments.fault("sent as {}: it is not a JSON object"));
        Document::default()
    }))
}

/// The arguments of a call as text. What a model did not finish is a JSON string of it.
pub(crate) fn arguments_of(input: &Document) -> String {
    match input.text().as_bytes().first() {
        Some(b'"') => input.read().unwrap_or_default(),
        _ => input.text().to_owned(),
    }
}

/// The cache point that `cache_control` asks for.
pub(crate) fn cache_point(object: &mut Object<'_>) -> Result<Option<CachePointBlock>, Fault> {
    let Some(control) = object.take("cache_control") else { return Ok(None) };
    let ttl = control.object()?.take("ttl").map(Json::text).transpose()?;
    let point = CachePointBlock::default();
    Ok(Some(match ttl.as_deref() {
        Some("1h") => point.ttl("1h"),
        // Five minutes are what the service does without a word.
        _ => point,
    }))
}

/// Said of what has no place in Converse.
pub(crate) const NO_PLACE: &str = "not sent: Converse has no place for it";
/// Said where a model should call one tool at most.
pub(crate) const PARALLEL: &str = "not sent: Converse cannot keep a model from calling several tools at once";

/// The one member of the input of a tool that takes text.
pub(crate) const INPUT: &str = "input";
/// The longest label that the service takes, and the longest name of one.
const LONGEST_LABEL: usize = 256;
