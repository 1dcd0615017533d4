//! Families of models: what they take and what they refuse, as one table.
//!
//! A row names its models and says some of their capabilities. All rows that match a model apply, and of each
//! capability the first row that says it counts: what was learnt from a refusal, then the rows of the options, then
//! those of the program, which end with a row for every model. `docs/models.md` names the source of each row.

use serde_json::{Map, Value};

use super::Target;
use pumice_codec::internal::{Failed, Made, Null, Shape, Source, Written};

/// What a capability may be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any of these words.
    Words(&'static [&'static str]),
    /// A whole number.
    Number,
}

/// Declares the capabilities, so that a new one stands in one place.
macro_rules! capabilities {
    ($( $(#[$meta:meta])* $name:ident = $wire:literal: $form:expr, )+) => {
        /// What a family takes or refuses.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Capability { $( $(#[$meta])* $name, )+ }

        impl Capability {
            const ALL: &'static [Self] = &[$( Self::$name ),+];
        }

        impl Family {
            /// The members beside `match`.
            pub(crate) const CAPABILITIES: &'static [(&'static str, Form)] = &[$( ($wire, $form) ),+];
        }
    };
}

capabilities! {
    /// The members of `additionalModelRequestFields` that ask for thinking: `thinking` of type `adaptive` with
    /// `output_config.effort`, or of type `enabled` with a budget of tokens; `reasoning_effort`, `reasoning.effort`,
    /// `reasoningConfig.maxReasoningEffort` or `reasoning_config`.
    Thinking = "thinking": Form::Word(&[
        "none", "adaptive", "budget", "reasoning_effort", "reasoning", "reasoningConfig", "reasoning_config",
    ]),
    /// How thinking is switched off: by leaving it out, with `thinking` of type `disabled`, with the effort `none`, or
    /// never.
    ThinkingOff = "thinkingOff": Form::Word(&["omit", "disabled", "none", "never"]),
    /// Whether there is an effort `xhigh`.
    Xhigh = "xhigh": Form::Switch,
    /// Whether betas of Anthropic's are taken.
    Betas = "betas": Form::Switch,
    /// Whether the beta for thinking between tool calls is taken.
    Interleaved = "interleaved": Form::Switch,
    /// Whether thoughts are bound to the turns before them, and must be dropped where those have changed.
    BlockBinding = "blockBinding": Form::Switch,
    /// How thoughts go back: with their signature, without it, or not at all.
    Thoughts = "thoughts": Form::Word(&["signed", "plain", "none"]),
    /// When `temperature`, `topP` and `topK` are taken.
    Temperature = "temperature": Form::Word(&["always", "notWithThinking", "never"]),
    /// Whether `temperature` and `topP` are taken together.
    TopPWithTemperature = "topPWithTemperature": Form::Switch,
    /// Whether `topP` is taken.
    TopP = "topP": Form::Switch,
    /// Whether `stopSequences` are taken.
    StopSequences = "stopSequences": Form::Switch,
    /// Where `topK` goes: `top_k`, or `inferenceConfig.topK`, of `additionalModelRequestFields`.
    TopK = "topK": Form::Word(&["none", "top_k", "inferenceConfig"]),
    /// Whether there is a system prompt.
    System = "system": Form::Switch,
    /// Whether a system message may stand between the others.
    SystemMessages = "systemMessages": Form::Switch,
    /// Whether responses stream. If not, Converse is called.
    Streaming = "streaming": Form::Switch,
    /// Whether there are tools: not at all, only without streaming, or with it.
    Tools = "tools": Form::Word(&["no", "plain", "stream"]),
    /// The tool choices that are taken.
    ToolChoices = "toolChoices": Form::Words(&["auto", "any", "tool"]),
    /// Those that are taken while the model thinks.
    ThinkingToolChoices = "thinkingToolChoices": Form::Words(&["auto", "any", "tool"]),
    /// Whether tools can be held to their schema. Absent: what is known of the model counts.
    StrictTools = "strictTools": Form::Switch,
    /// Whether responses can be held to a JSON schema. If not, the system prompt asks for it.
    TextFormat = "textFormat": Form::Switch,
    /// What the root of a schema may have: anything; no `anyOf`, `oneOf` or `allOf`; nothing but `type`, `properties`
    /// and `required`.
    SchemaRoot = "schemaRoot": Form::Word(&["any", "noChoices", "plain"]),
    /// The names that properties of a tool may have: any, or 1 to 64 of `a-zA-Z0-9_.-`.
    PropertyNames = "propertyNames": Form::Word(&["any", "plain"]),
    /// The ids of tool calls: any that the API takes, or nine letters and digits.
    ToolIds = "toolIds": Form::Word(&["any", "nine"]),
    /// Whether results have a `status`.
    Status = "status": Form::Switch,
    /// The media that a tool result may hold; `text` are documents of plain text.
    ResultMedia = "resultMedia": Form::Words(&["image", "document", "text", "video"]),
    /// The media that the result of a failed tool may hold.
    FailedResultMedia = "failedResultMedia": Form::Words(&["image", "document", "text", "video"]),
    /// What may stand beside a result in one turn.
    BesideResult = "besideResult": Form::Words(&["text", "image", "document", "video"]),
    /// Whether a conversation may end with the model's turn.
    Prefill = "prefill": Form::Word(&["yes", "withoutTools", "no"]),
    /// When cache points are placed: unless the options say otherwise, when they ask for it, or never.
    PromptCache = "promptCache": Form::Word(&["always", "onRequest", "never"]),
    /// Where cache points are taken: `results` are turns with tool calls or results.
    CachePlaces = "cachePlaces": Form::Words(&["tools", "system", "messages", "results"]),
    /// How many cache points are taken.
    CachePoints = "cachePoints": Form::Number,
    /// The times to live that are taken.
    CacheTtls = "cacheTtls": Form::Words(&["5m", "1h"]),
    /// How many images a request may have.
    Images = "images": Form::Number,
    /// How many documents a request may have.
    Documents = "documents": Form::Number,
    /// The documents that may have any size.
    LargeDocuments = "largeDocuments": Form::Words(&["pdf", "docx"]),
    /// How many bytes of text a request may have.
    TextBytes = "textBytes": Form::Number,
    /// The highest limit of tokens of a response. Absent: what is known of the model counts.
    MaxTokens = "maxTokens": Form::Number,
    /// The service tiers that are taken.
    Tiers = "tiers": Form::Words(&["default", "flex", "priority", "reserved"]),
    /// Whether only the `default` tier is taken: `tiers` says more.
    DefaultTierOnly = "defaultTierOnly": Form::Switch,
    /// Whether `inputTokens` counts the cached tokens too.
    CachedInInput = "cachedInInput": Form::Switch,
    /// Whether what no other row says is as for any Claude.
    Claude = "claude": Form::Switch,
}

/// Some models, and what they take and refuse: a row of the table.
///
/// In JSON it is an object with `match`, a list of patterns, and the capabilities that `docs/settings.md` lists. A
/// model belongs to the family if all words of one pattern occur in its id, its name or the id of its foundation
/// model, in lower case and with hyphens in place of white space, `_`, `.` and `:`. What a family does not say is
/// taken from the next one that matches: those of the [options](super::Options) come before those of the program.
///
/// ```
/// use pumice::conversation::Family;
///
/// let json = r#"{"match": ["claude opus-9"], "thinking": "adaptive", "toolChoices": ["auto"], "images": 100}"#;
/// let family: Family = serde_json::from_str(json)?;
/// assert_eq!(serde_json::to_value(&family)?["toolChoices"][0], "auto");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Family {
    patterns: Vec<String>,
    says: Vec<(usize, u32)>,
    /// Betas and parameters of the model's own that the service refused by name, of what was learnt.
    refused: Vec<String>,
}

impl Family {
    /// A row of its text: `thinking=adaptive toolChoices=auto,any images=20 status`, where a capability without a
    /// value is `true`. `!NAME` is a beta or a parameter of the model's own that is refused.
    fn row(text: &str) -> Option<Self> {
        let mut family = Self::default();
        for member in text.split_ascii_whitespace() {
            if let Some(name) = member.strip_prefix('!') {
                family.refused.push(name.to_owned());
                continue;
            }
            let (name, value) = member.split_once('=').unwrap_or((member, "true"));
            let (at, form) = capability(name)?;
            let value = match form {
                Form::Switch => u32::from(value == "true"),
                Form::Number => value.parse().ok()?,
                Form::Word(words) | Form::Words(words) => {
                    bits(words, value.split(',').filter(|word| !word.is_empty())).ok()?
                }
            };
            family.says.push((at, value));
        }
        Some(family)
    }

    /// Takes in what a row says. Says whether that changes anything.
    pub(super) fn learn(&mut self, text: &str) -> bool {
        let mut changed = false;
        let row = Self::row(text).unwrap_or_default();
        for name in row.refused {
            if !self.refused.contains(&name) {
                self.refused.push(name);
                changed = true;
            }
        }
        for (at, value) in row.says {
            match self.says.iter_mut().find(|(known, _)| *known == at) {
                Some((_, known)) if *known == value => continue,
                Some((_, known)) => *known = value,
                None => self.says.push((at, value)),
            }
            changed = true;
        }
        changed
    }

    fn of(members: Map<String, Value>) -> Result<Self, String> {
        let mut family = Self::default();
        for (name, value) in members {
            let texts = || {
                let list = value.as_array()?;
                list.iter().map(Value::as_str).collect::<Option<Vec<_>>>()
            };
            if name == "match" {
                let patterns = texts().ok_or("match: expected a list of texts")?;
                family.patterns = patterns.into_iter().map(str::to_owned).collect();
                continue;
            }
            if value.is_null() {
                continue;
            }
            let Some((at, form)) = capability(&name) else {
                let near = crate::spelling::nearest(&name, Self::CAPABILITIES.iter().map(|(name, _)| *name));
                let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                return Err(format!("a family has no member {name}{near}"));
            };
            let said = match form {
                Form::Switch => value.as_bool().map(u32::from).ok_or_else(|| "true or false".to_owned()),
                Form::Number => value
                    .as_u64()
                    .and_then(|number| u32::try_from(number).ok())
                    .ok_or_else(|| "a whole number".to_owned()),
                Form::Word(words) => bits(words, [value.as_str().unwrap_or_default()]),
                Form::Words(words) => bits(words, texts().unwrap_or_else(|| vec![""])),
            };
            let said =
                said.map_err(|expected| format!("{name} of a family: expected {expected}, found {value}"))?;
            family.says.push((at, said));
        }
        Ok(family)
    }
}

impl Made for Family {
    fn made(&self) -> Value {
        let mut members = Map::new();
        members.insert("match".into(), self.patterns.clone().into());
        for (at, said) in &self.says {
            let Some((name, form)) = Self::CAPABILITIES.get(*at) else { continue };
            let words = |words: &[&'static str]| {
                let said = words.iter().enumerate().filter(|(bit, _)| said >> bit & 1 == 1);
                said.map(|(_, word)| Value::from(*word)).collect::<Vec<_>>()
            };
            let value = match form {
                Form::Switch => (*said == 1).into(),
                Form::Number => (*said).into(),
                Form::Word(all) => words(all).pop().unwrap_or_default(),
                Form::Words(all) => words(all).into(),
            };
            members.insert((*name).to_owned(), value);
        }
        Value::Object(members)
    }
}

impl Shape for Family {
    fn blank() -> Self {
        Self::default()
    }

    fn read(&mut self, source: &mut dyn Source, null: Null) -> Result<bool, Failed> {
        let mut value = Value::Null;
        if !value.read(source, null)? {
            return Ok(false);
        }
        let Value::Object(members) = value else {
            return Err(source.fail(&"expected a family: an object"));
        };
        *self = Self::of(members).map_err(|message| source.fail(&message))?;
        Ok(true)
    }

    fn content(&self) -> Written<'_> {
        Written::Made(self)
    }
}

pumice_codec::serde! { Family }

/// What a model takes: all rows that match it as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Takes {
    said: [Option<u32>; Capability::ALL.len()],
    /// Whether a row matched that does not match every model.
    pub(super) known: bool,
    /// Betas and parameters of the model's own that the service refused by name.
    pub(super) refused: Vec<String>,
}

impl Takes {
    /// What the model takes that the target is. `learnt` counts before all else.
    pub(super) fn of(model_id: &str, target: &Target, families: &[Family], learnt: Option<&Family>) -> Self {
        let info = &target.info;
        let names = [Some(model_id), info.name.as_deref(), info.base.as_deref()];
        let lower = names.into_iter().flatten().map(str::to_lowercase).collect::<Vec<_>>();
        let mut candidates = Vec::new();
        for name in &lower {
            add_candidate(&mut candidates, hyphenated(name));
        }
        if !families.is_empty() {
            // Their patterns may have what is a hyphen in those of the program.
            candidates.extend(lower);
        }
        let mut takes = Self { said: [None; _], known: false, refused: Vec::new() };
        if let Some(learnt) = learnt {
            takes.refused.clone_from(&learnt.refused);
            takes.add(learnt, &mut candidates);
        }
        for family in families {
            if family.patterns.iter().any(|pattern| has_all(&candidates, &pattern.to_lowercase())) {
                takes.known = true;
                takes.add(family, &mut candidates);
            }
        }
        for (patterns, row) in ROWS {
            if patterns.split('|').any(|pattern| has_all(&candidates, pattern)) {
                takes.known |= !patterns.is_empty();
                takes.add(&Family::row(row).unwrap_or_default(), &mut candidates);
            }
        }
        takes
    }

    /// Adds what was not said yet.
    fn add(&mut self, family: &Family, candidates: &mut Vec<String>) {
        for (at, value) in &family.says {
            if let Some(said @ None) = self.said.get_mut(*at) {
                *said = Some(*value);
            }
        }
        if self.says(Capability::Claude) {
            add_candidate(candidates, "claude".into());
        }
    }

    /// The number, or whether it is so.
    pub(super) fn said(&self, capability: Capability) -> Option<u32> {
        self.said.get(capability as usize).copied().flatten()
    }

    /// Whether a switch is on.
    pub(super) fn says(&self, capability: Capability) -> bool {
        self.said(capability) == Some(1)
    }

    pub(super) fn number(&self, capability: Capability) -> usize {
        self.said(capability).map_or(usize::MAX, |number| number as usize)
    }

    /// Whether this word is among those of a capability. A word that the API has and the table does not is.
    pub(super) fn takes(&self, capability: Capability, word: &str) -> bool {
        let (Some((_, Form::Word(words) | Form::Words(words))), Some(said)) =
            (Family::CAPABILITIES.get(capability as usize), self.said(capability))
        else {
            return true;
        };
        words.iter().position(|known| *known == word).is_none_or(|bit| said >> bit & 1 == 1)
    }

    pub(super) fn is_claude(&self) -> bool {
        self.says(Capability::Claude)
    }
}

fn capability(name: &str) -> Option<(usize, Form)> {
    let at = Family::CAPABILITIES.iter().position(|(known, _)| *known == name)?;
    Some((at, Family::CAPABILITIES.get(at)?.1))
}

/// A bit for each word; else what was expected.
fn bits<'a>(words: &[&str], said: impl IntoIterator<Item = &'a str>) -> Result<u32, String> {
    let mut bits = 0;
    for word in said {
        let bit = words.iter().position(|known| *known == word).ok_or_else(|| words.join(", "))?;
        bits |= 1 << bit;
    }
    Ok(bits)
}

/// Whether all words of a pattern occur in one candidate.
fn has_all(candidates: &[String], pattern: &str) -> bool {
    candidates.iter().any(|candidate| pattern.split_ascii_whitespace().all(|word| candidate.contains(word)))
}

/// Adds a candidate, unless all its words occur in another: the name of a model mostly is a part of its id.
fn add_candidate(candidates: &mut Vec<String>, candidate: String) {
    if !candidates.iter().any(|known| known.contains(&candidate)) {
        candidates.push(candidate);
    }
}

/// The form of an id or a name that patterns are looked for in.
fn hyphenated(lower: &str) -> String {
    let mut hyphenated = String::with_capacity(lower.len());
    for character in lower.chars() {
        if !(character.is_whitespace() || SEPARATORS.contains(character)) {
            hyphenated.push(character);
        } else if !hyphenated.ends_with('-') {
            hyphenated.push('-');
        }
    }
    hyphenated
}

/// What a hyphen stands for, beside white space.
const SEPARATORS: &str = "_.:";

/// The rows of the program: patterns between `|`, and what they say, in the form of [`Family::row`]. A row that says
/// nothing makes its models known. `docs/models.md` has the sources.
const ROWS: &[(&str, &str)] = &[
    // Claude, newest first: what a row does not say is said further down.
    ("claude fable|claude mythos|claude opus-5-5|claude sonnet-5-5", "thinkingOff=never"),
    ("claude haiku-5", "tiers=default,flex,priority,reserved"),
    (
        "claude opus-5|claude sonnet-5|claude haiku-5|claude fable|claude mythos",
        "thinking=adaptive thinkingOff=disabled xhigh blockBinding temperature=never tiers=default \
         promptCache=always",
    ),
    (
        "claude opus-4-7|claude opus-4-8",
        "thinking=adaptive xhigh blockBinding temperature=never promptCache=always prefill=no cacheTtls=5m,1h \
         interleaved=false",
    ),
    (
        "claude opus-4-6|claude sonnet-4-6",
        "thinking=adaptive promptCache=always prefill=no cacheTtls=5m,1h interleaved=false",
    ),
    ("claude haiku-4", "interleaved=false"),
    ("claude opus-4-5|claude sonnet-4-5|claude haiku-4-5", "cacheTtls=5m,1h"),
    (
        "claude opus-4|claude sonnet-4|claude haiku-4|claude -4-",
        "thinking=budget interleaved promptCache=always cacheTtls=5m prefill=yes",
    ),
    ("claude-3-7", "thinking=budget promptCache=always prefill=yes"),
    ("claude-3-5-haiku", "promptCache=always"),
    ("claude-3-5", "prefill=yes"),
    ("claude-3-", "thinking=none cacheTtls=5m prefill=withoutTools largeDocuments="),
    ("claude-v|claude-instant|claude-2", "thinking=none tools=no prefill=yes largeDocuments="),
    (
        "claude",
        "claude thinking=budget thoughts=signed temperature=notWithThinking thinkingToolChoices= topK=top_k \
         schemaRoot=noChoices propertyNames=plain failedResultMedia= resultMedia=image,document,text \
         besideResult=text,image prefill=no largeDocuments=pdf textBytes=9000000",
    ),
    // Amazon.
    ("nova-2", "thinking=reasoningConfig"),
    (
        "amazon-nova|nova-2|nova-pro|nova-lite|nova-micro|nova-premier",
        "promptCache=onRequest cachePlaces=system,messages cacheTtls=5m schemaRoot=plain \
         resultMedia=image,text topK=inferenceConfig largeDocuments=pdf,docx",
    ),
    ("titan-text", "system=false tools=no"),
    ("titan", ""),
    // OpenAI.
    ("gpt-oss", "thinking=reasoning_effort thinkingOff=never stopSequences=false"),
    ("gpt-", "thinking=reasoning thinkingOff=none cachedInInput resultMedia=document,text"),
    // DeepSeek.
    ("deepseek r1", "tools=plain toolChoices= thinkingOff=never"),
    ("deepseek v3", "toolChoices=auto,any"),
    ("deepseek", "thoughts=none"),
    // Meta.
    ("llama3-8b|llama3-70b|llama3-2-1b|llama3-2-3b", "tools=no"),
    ("llama", "tools=plain toolChoices= besideResult="),
    // Mistral.
    ("mistral-7b|mixtral", "system=false tools=no"),
    ("mistral-large", "toolChoices=auto,any"),
    ("magistral", "thinkingOff=never"),
    (
        "mistral|mixtral|pixtral|magistral|voxtral|devstral",
        "toolIds=nine toolChoices= besideResult= resultMedia=document,text",
    ),
    // Writer, Cohere, AI21.
    ("palmyra", "status=false tools=plain toolChoices= besideResult="),
    ("command-r", "toolChoices="),
    ("cohere command", "system=false tools=no"),
    ("jamba-instruct", "tools=no"),
    ("jamba", "toolChoices="),
    ("ai21 j2|jurassic", "system=false tools=no streaming=false"),
    // Others.
    ("qwen", "resultMedia= toolChoices=auto stopSequences=false"),
    ("kimi", "resultMedia="),
    ("glm|grok|minimax|gemma|nemotron", ""),
    // Every model.
    (
        "",
        "thinking=none thinkingOff=omit thoughts=plain temperature=always topP topPWithTemperature topK=none stopSequences betas system \
         streaming textFormat tools=stream toolChoices=auto,any,tool thinkingToolChoices=auto,any,tool schemaRoot=any propertyNames=any \
         toolIds=any status resultMedia=image,document,text,video failedResultMedia=image,document,text,video \
         besideResult=text,image,document,video prefill=yes promptCache=never \
         cachePlaces=tools,system,messages,results cacheTtls=5m,1h cachePoints=4 images=20 documents=5 \
         largeDocuments= tiers=default,flex,priority,reserved",
    ),
];

#[cfg(test)]
pub(super) fn takes(model_id: &str) -> Takes {
    Takes::of(model_id, &Target::default(), &[], None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::ModelInfo;
    use serde_json::json;

    #[test]
    fn every_row_is_read() {
        for (patterns, row) in ROWS {
            assert!(Family::row(row).is_some(), "{patterns}: {row}");
            assert_eq!(*patterns, patterns.to_lowercase());
            assert!(!patterns.contains(|character| SEPARATORS.contains(character)), "{patterns}");
        }
        let (last, row) = ROWS.last().unwrap();
        assert_eq!(*last, "", "the last row is that of every model");
        let said = Family::row(row).unwrap().says.len();
        // What a row need not say: switches that are off, and what is known of the model instead.
        let off = ["xhigh", "interleaved", "blockBinding", "strictTools", "maxTokens", "textBytes"];
        let off = off.iter().chain(&["defaultTierOnly", "cachedInInput", "claude", "systemMessages"]);
        assert_eq!(said + off.count(), Family::CAPABILITIES.len());
    }

    #[test]
    fn each_family_takes_what_its_rows_say() {
        use Capability::*;
        let cases = [
            // Rows of Claude.
            ("us.anthropic.claude-fable-5", ThinkingOff, "never", "disabled"),
            ("us.anthropic.claude-opus-5-5", ThinkingOff, "never", "disabled"),
            ("anthropic.claude-opus-5", ThinkingOff, "disabled", "never"),
            ("anthropic.claude-opus-5", Tiers, "default", "flex"),
            ("anthropic.claude-haiku-5-5", Tiers, "flex", "-"),
            ("anthropic.claude-haiku-5-5", Temperature, "never", "notWithThinking"),
            ("anthropic.claude-opus-4-8", Prefill, "no", "yes"),
            ("anthropic.claude-opus-4-8", CacheTtls, "1h", "-"),
            ("anthropic.claude-sonnet-4-6", Thinking, "adaptive", "budget"),
            ("anthropic.claude-sonnet-4-5-20250929-v1:0", Prefill, "yes", "no"),
            ("anthropic.claude-sonnet-4-5-20250929-v1:0", CacheTtls, "1h", "-"),
            ("anthropic.claude-haiku-4-5-20251001-v1:0", CacheTtls, "1h", "-"),
            ("anthropic.claude-sonnet-4-20250514-v1:0", CacheTtls, "5m", "1h"),
            ("anthropic.claude-3-7-sonnet-20250219-v1:0", Thinking, "budget", "none"),
            ("anthropic.claude-3-5-haiku-20241022-v1:0", PromptCache, "always", "never"),
            ("anthropic.claude-3-5-sonnet-20241022-v2:0", Thinking, "none", "budget"),
            ("anthropic.claude-3-haiku-20240307-v1:0", Prefill, "withoutTools", "yes"),
            ("anthropic.claude-v2:1", Tools, "no", "stream"),
            ("anthropic.claude-next", Prefill, "no", "yes"),
            ("anthropic.claude-next", BesideResult, "image", "document"),
            ("anthropic.claude-next", SchemaRoot, "noChoices", "any"),
            // Of others.
            ("amazon.nova-2-lite-v1:0", Thinking, "reasoningConfig", "none"),
            ("us.amazon.nova-pro-v1:0", CachePlaces, "system", "tools"),
            ("us.amazon.nova-pro-v1:0", ResultMedia, "text", "document"),
            ("us.amazon.nova-pro-v1:0", TopK, "inferenceConfig", "top_k"),
            ("amazon.titan-text-express-v1", Tools, "no", "plain"),
            ("openai.gpt-oss-20b-1:0", Thinking, "reasoning_effort", "reasoning"),
            ("us.openai.gpt-5.6-sol", ThinkingOff, "none", "omit"),
            ("us.openai.gpt-5.6-sol", ResultMedia, "document", "image"),
            ("us.deepseek.r1-v1:0", Tools, "plain", "stream"),
            ("deepseek.v3.2", ToolChoices, "any", "tool"),
            ("deepseek.v3.2", Thoughts, "none", "plain"),
            ("meta.llama3-8b-instruct-v1:0", Tools, "no", "plain"),
            ("meta.llama3-1-8b-instruct-v1:0", Tools, "plain", "stream"),
            ("meta.llama3-3-70b-instruct-v1:0", ToolChoices, "-", "any"),
            ("mistral.mixtral-8x7b-instruct-v0:1", Tools, "no", "plain"),
            ("mistral.mistral-large-2407-v1:0", ToolChoices, "any", "tool"),
            ("mistral.magistral-small-2509", ThinkingOff, "never", "omit"),
            ("us.mistral.pixtral-large-2502-v1:0", ToolIds, "nine", "any"),
            ("us.writer.palmyra-x5-v1:0", Tools, "plain", "stream"),
            ("cohere.command-r-plus-v1:0", ToolChoices, "-", "any"),
            ("cohere.command-light-text-v14", Tools, "no", "stream"),
            ("ai21.jamba-instruct-v1:0", Tools, "no", "stream"),
            ("ai21.jamba-1-5-large-v1:0", ToolChoices, "-", "auto"),
            ("ai21.j2-mid-v1", Tools, "no", "stream"),
            ("qwen.qwen3-vl-235b-a22b", ResultMedia, "-", "image"),
            ("moonshotai.kimi-k2.5", ResultMedia, "-", "image"),
            ("newcomer.one", Thinking, "none", "budget"),
        ];
        for (id, capability, taken, refused) in cases {
            let takes = takes(id);
            assert!(takes.takes(capability, taken), "{id} takes {taken}");
            assert!(refused == "-" || !takes.takes(capability, refused), "{id} refuses {refused}");
        }
        for (patterns, _) in ROWS.iter().filter(|(_, row)| !row.is_empty()) {
            let has_case = |(id, ..): &(&str, _, _, _)| {
                patterns.split('|').any(|pattern| has_all(&[hyphenated(id)], pattern))
            };
            assert!(cases.iter().any(has_case), "expected a case for the row of {patterns}");
        }
        let says = |id, capability| takes(id).says(capability);
        assert!(
            !says("openai.gpt-oss-20b-1:0", StopSequences) && !says("qwen.qwen3-32b-v1:0", StopSequences)
        );
        assert!(says("newcomer.one", StopSequences) && says("newcomer.one", TopP));
        assert!(
            says("us.openai.gpt-5.6-sol", CachedInInput) && !says("us.amazon.nova-pro-v1:0", CachedInInput)
        );
        assert!(!says("us.writer.palmyra-x5-v1:0", Status) && says("moonshotai.kimi-k2.5", Status));
        assert!(!says("amazon.titan-text-express-v1", System) && says("newcomer.one", System));
        assert!(
            says("anthropic.claude-sonnet-4-5", Interleaved)
                && !says("anthropic.claude-haiku-4-5", Interleaved)
        );
        assert_eq!(takes("anthropic.claude-3-haiku").number(TextBytes), 9_000_000);
    }

    #[test]
    fn a_family_is_found_by_id_name_or_foundation_model() {
        let arn = "arn:aws:bedrock:eu-west-1:1:application-inference-profile/x";
        assert!(!takes(arn).known);
        let of = |info: ModelInfo| Takes::of(arn, &Target::new(info), &[], None);
        let named = of(ModelInfo { name: Some("Claude Opus 4.8".into()), ..ModelInfo::default() });
        assert!(named.known && named.takes(Capability::Temperature, "never"));
        let based = of(ModelInfo { base: Some("zai.glm-5".into()), ..ModelInfo::default() });
        assert!(based.known);
    }

    #[test]
    fn a_given_row_counts_before_those_of_the_program_and_what_was_learnt_before_all() {
        let row = |json| serde_json::from_value::<Family>(json).unwrap();
        let families = [
            row(json!({"match": ["Claude opus-5", "nova-9"], "promptCache": "never", "images": 7})),
            row(json!({"match": ["opus"], "images": 9, "status": false})),
            row(json!({"match": ["newcomer"], "claude": true, "tools": "plain"})),
        ];
        let mut learnt = Family::default();
        let of = |id, learnt| Takes::of(id, &Target::default(), &families, learnt);
        let opus = of("us.anthropic.claude-opus-5-v1:0", None);
        assert!(opus.takes(Capability::PromptCache, "never") && opus.takes(Capability::Thinking, "adaptive"));
        assert_eq!((opus.number(Capability::Images), opus.says(Capability::Status)), (7, false));
        let newcomer = of("newcomer.one", None);
        assert!(newcomer.takes(Capability::Thoughts, "signed") && newcomer.takes(Capability::Tools, "plain"));
        assert!(learnt.learn("images=3 thoughts=none") && !learnt.learn("images=3"));
        let taught = of("newcomer.one", Some(&learnt));
        assert!(taught.takes(Capability::Thoughts, "none") && taught.number(Capability::Images) == 3);
    }

    #[test]
    fn a_family_is_read_and_written_back_and_a_fault_is_named() {
        let mut members = serde_json::Map::new();
        members.insert("match".into(), json!(["x y"]));
        for (name, form) in Family::CAPABILITIES {
            let value = match form {
                Form::Switch => json!(true),
                Form::Number => json!(7),
                Form::Word(words) => json!(words[0]),
                Form::Words(words) => json!(words),
            };
            members.insert((*name).to_owned(), value);
        }
        let family = serde_json::from_value::<Family>(Value::Object(members.clone())).unwrap();
        assert_eq!(serde_json::to_value(family).unwrap(), Value::Object(members));
        let fault = |json: Value| serde_json::from_value::<Family>(json).unwrap_err().to_string();
        assert_eq!(
            fault(json!({"promptCach": 1})),
            "a family has no member promptCach; did you mean promptCache?"
        );
        assert_eq!(
            fault(json!({"prefill": "nope"})),
            "prefill of a family: expected yes, withoutTools, no, found \"nope\""
        );
        assert_eq!(fault(json!({"images": -1})), "images of a family: expected a whole number, found -1");
        assert_eq!(fault(json!({"tiers": "flex"})).split(", found").count(), 2);
    }
}
