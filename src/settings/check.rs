//! What may stand in the settings: a table, and what is wrong with a text that departs from it.

use jsonc_parser::ast::{ObjectProp, Value};
use jsonc_parser::common::Ranged as _;

use super::edit::{Step, shown};
use super::{is_our_provider, is_ours, nearest};
use crate::error::{Error, ErrorKind, Result};

/// Checks the sections that are ours. The error names file, line, column, member, and the nearest right
/// one.
pub(super) fn check(file: &str, text: &str, root: &Value<'_>) -> Result<()> {
    Checker { file, text, way: Vec::new() }.value(root, &ROOT)
}

/// Where something is in a text: line and column, from 1.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// A number as JSON5 writes it.
fn number(text: &str) -> Option<f64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let value = match hex {
        Some(hex) => u32::from_str_radix(hex, 16).ok().map(f64::from)?,
        None => digits.parse::<f64>().ok()?,
    };
    value.is_finite().then_some(sign * value)
}

/// What a member may be.
enum Kind {
    Anything,
    Switch,
    /// Text that is not blank.
    Text,
    /// A number from the first on, or above it.
    From(f64),
    Above(f64),
    /// A whole number from this on.
    Whole(f64),
    OneOf(&'static [&'static str]),
    List(&'static Kind),
    /// An object of any members, all of one kind.
    Map(&'static Kind),
    /// An object of which the members count whose names are ours.
    Some(fn(&str) -> bool, &'static Kind),
    Object(Object),
    /// The one, or a text alone.
    TextOr(&'static Kind),
}

struct Object {
    members: &'static [(&'static str, Kind)],
    /// The members that must be there.
    required: &'static [&'static str],
    others: Others,
}

/// What members count as that are not in the table.
#[derive(PartialEq)]
enum Others {
    /// Faults.
    Wrong,
    /// Faults if they look like one of the table, otherwise another program's.
    Misspelt,
    /// Another program's.
    Foreign,
}

const fn object(members: &'static [(&'static str, Kind)], others: Others) -> Kind {
    Kind::Object(Object { members, required: &[], others })
}

struct Checker<'a> {
    file: &'a str,
    text: &'a str,
    /// The way to the value that is looked at.
    way: Vec<Step>,
}

impl Checker<'_> {
    fn value(&mut self, value: &Value<'_>, kind: &'static Kind) -> Result<()> {
        let expected = match (kind, value) {
            (Kind::Anything, _) | (Kind::Switch, Value::BooleanLit(_)) => return Ok(()),
            (Kind::TextOr(_) | Kind::Text, Value::StringLit(text)) if !text.value.trim().is_empty() => {
                return Ok(());
            }
            (Kind::OneOf(words), Value::StringLit(text)) => {
                if words.contains(&&*text.value) {
                    return Ok(());
                }
                let near = nearest(&text.value, words.iter().copied());
                let near = near.map(|near| format!("; did you mean {near:?}?")).unwrap_or_default();
                format!("{} expected, {:?} found{near}", list(words), text.value)
            }
            (Kind::From(_) | Kind::Above(_) | Kind::Whole(_), Value::NumberLit(literal)) => {
                let number = number(literal.value);
                let fits = match kind {
                    Kind::From(least) => number.is_some_and(|number| number >= *least),
                    Kind::Above(limit) => number.is_some_and(|number| number > *limit),
                    Kind::Whole(least) => number
                        .is_some_and(|number| number >= *least && number.fract() == 0.0 && number < LARGEST),
                    _ => false,
                };
                if fits {
                    return Ok(());
                }
                format!("{} expected, {} found", expected(kind), literal.value)
            }
            (Kind::List(kind), Value::Array(list)) => {
                for (at, value) in list.elements.iter().enumerate() {
                    self.step(Step::At(at), |checker| checker.value(value, kind))?;
                }
                return Ok(());
            }
            (Kind::Map(kind), Value::Object(object)) => {
                return self.members(&object.properties, |_| Ok(Some(*kind)));
            }
            (Kind::Some(is_ours, kind), Value::Object(object)) => {
                return self.members(&object.properties, |name| Ok(is_ours(name).then_some(*kind)));
            }
            (Kind::TextOr(kind), value @ Value::Object(_)) => return self.value(value, kind),
            (Kind::Object(known), Value::Object(object)) => {
                self.members(&object.properties, |name| known.member(name))?;
                let has = |name: &str| object.properties.iter().any(|member| member.name.as_str() == name);
                match known.required.iter().find(|name| !has(name)) {
                    Some(missing) => format!("the member {missing} expected, none found"),
                    None => return Ok(()),
                }
            }
            (kind, found) => format!("{} expected, {} found", expected(kind), described(found)),
        };
        Err(self.fault(value.start(), &expected))
    }

    /// Checks the members of an object, each as what `kind` takes it for; `None` is none of ours.
    fn members(
        &mut self,
        members: &[ObjectProp<'_>],
        kind: impl Fn(&str) -> Result<Option<&'static Kind>, String>,
    ) -> Result<()> {
        for (at, member) in members.iter().enumerate() {
            let name = member.name.as_str();
            let step = Step::Member(name.to_owned());
            let again = members.iter().take(at).any(|earlier| earlier.name.as_str() == name);
            self.step(step, |checker| match kind(name) {
                Ok(None) => Ok(()),
                Ok(Some(_)) if again => {
                    Err(checker.fault(member.name.start(), "one such member expected, a second found"))
                }
                Ok(Some(kind)) => checker.value(&member.value, kind),
                Err(fault) => Err(checker.fault(member.name.start(), &fault)),
            })?;
        }
        Ok(())
    }

    fn step(&mut self, step: Step, check: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        self.way.push(step);
        let checked = check(self);
        self.way.pop();
        checked
    }

    fn fault(&self, offset: usize, fault: &str) -> Error {
        let (line, column) = position(self.text, offset);
        let way = shown(&self.way);
        let way = if way.is_empty() { "the settings" } else { &way };
        Error::new(ErrorKind::InvalidInput, format!("{}:{line}:{column}: {way}: {fault}", self.file))
    }
}

impl Object {
    fn member(&self, name: &str) -> Result<Option<&'static Kind>, String> {
        if let Some((_, kind)) = self.members.iter().find(|(known, _)| *known == name) {
            return Ok(Some(kind));
        }
        let near = nearest(name, self.members.iter().map(|(known, _)| *known));
        match (&self.others, near) {
            (Others::Foreign, _) | (Others::Misspelt, None) => Ok(None),
            (_, Some(near)) => Err(format!("there is no such member; did you mean {near}?")),
            (Others::Wrong, None) => {
                let known = self.members.iter().map(|(known, _)| *known).collect::<Vec<_>>();
                Err(format!("there is no such member; there are {}", known.join(", ")))
            }
        }
    }
}

fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Anything => "a value".into(),
        Kind::Switch => "true or false".into(),
        Kind::Text => "a text that is not blank".into(),
        Kind::From(least) => format!("a number from {least}"),
        Kind::Above(limit) => format!("a number above {limit}"),
        Kind::Whole(least) => format!("a whole number from {least}"),
        Kind::OneOf(words) => list(words),
        Kind::List(_) => "a list".into(),
        Kind::TextOr(kind) => format!("a text or {}", expected(kind)),
        Kind::Map(_) | Kind::Some(..) | Kind::Object(_) => "an object".into(),
    }
}

fn described(value: &Value<'_>) -> String {
    match value {
        Value::StringLit(text) if text.value.trim().is_empty() => "a blank one".into(),
        Value::StringLit(_) => "a text".into(),
        Value::NumberLit(number) => number.value.to_owned(),
        Value::BooleanLit(value) => value.value.to_string(),
        Value::Object(_) => "an object".into(),
        Value::Array(_) => "a list".into(),
        Value::NullKeyword(_) => "null".into(),
    }
}

fn list(words: &[&str]) -> String {
    let words = words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Beyond this, not every whole number can be told from the next.
const LARGEST: f64 = 9_007_199_254_740_992.0;

static ROOT: Kind = object(
    &[
        ("models", object(MODELS, Others::Misspelt)),
        ("agents", object(&[("defaults", object(DEFAULTS, Others::Foreign))], Others::Foreign)),
        ("plugins", object(&[("entries", Kind::Some(is_our_provider, &PLUGIN))], Others::Foreign)),
    ],
    Others::Foreign,
);

const MODELS: &[(&str, Kind)] = &[
    ("mode", Kind::OneOf(&["merge", "replace"])),
    ("bedrockDiscovery", object(DISCOVERY, Others::Wrong)),
    ("providers", Kind::Some(is_our_provider, &PROVIDER)),
];

const DISCOVERY: &[(&str, Kind)] = &[
    ("enabled", Kind::Switch),
    ("region", Kind::Text),
    ("providerFilter", Kind::List(&Kind::Text)),
    ("refreshInterval", Kind::Whole(0.0)),
    ("defaultContextWindow", Kind::Whole(1.0)),
    ("defaultMaxTokens", Kind::Whole(1.0)),
];

static PROVIDER: Kind = object(
    &[
        ("baseUrl", Kind::Text),
        ("apiKey", Kind::Anything),
        ("auth", Kind::OneOf(&["api-key", "aws-sdk", "oauth", "token"])),
        ("api", APIS),
        ("headers", Kind::Map(&Kind::Text)),
        ("authHeader", Kind::Switch),
        ("maxTokens", Kind::Whole(1.0)),
        ("timeoutSeconds", Kind::Above(0.0)),
        ("request", Kind::Anything),
        ("models", Kind::List(&MODEL)),
    ],
    Others::Wrong,
);

const APIS: Kind = Kind::OneOf(&[
    "bedrock-converse-stream",
    "anthropic-messages",
    "github-copilot",
    "google-generative-ai",
    "ollama",
    "openai-codex-responses",
    "openai-completions",
    "openai-responses",
]);

static MODEL: Kind = Kind::Object(Object {
    members: &[
        ("id", Kind::Text),
        ("name", Kind::Text),
        ("api", APIS),
        ("baseUrl", Kind::Text),
        ("reasoning", Kind::Switch),
        ("input", Kind::List(&Kind::OneOf(&["text", "image", "video", "audio"]))),
        ("cost", object(COST, Others::Wrong)),
        ("contextWindow", Kind::Whole(1.0)),
        ("contextTokens", Kind::Whole(1.0)),
        ("maxTokens", Kind::Whole(1.0)),
        ("headers", Kind::Map(&Kind::Text)),
        ("compat", Kind::Map(&Kind::Anything)),
        ("params", object(PARAMS, Others::Misspelt)),
        ("thinkingLevelMap", Kind::Map(&Kind::Anything)),
        ("inputLimits", Kind::Map(&Kind::Anything)),
    ],
    required: &["id"],
    others: Others::Wrong,
});

const COST: &[(&str, Kind)] = &[
    ("input", Kind::From(0.0)),
    ("output", Kind::From(0.0)),
    ("cacheRead", Kind::From(0.0)),
    ("cacheWrite", Kind::From(0.0)),
    ("tiers", Kind::List(&Kind::Map(&Kind::Anything))),
];

const DEFAULTS: &[(&str, Kind)] = &[
    ("model", Kind::TextOr(&CHOICE)),
    ("models", Kind::Some(is_ours, &CHOSEN)),
    ("params", Kind::Map(&Kind::Anything)),
];

static CHOICE: Kind = object(
    &[("primary", Kind::Text), ("fallbacks", Kind::List(&Kind::Text)), ("timeoutMs", Kind::Anything)],
    Others::Wrong,
);

static CHOSEN: Kind =
    object(&[("alias", Kind::Text), ("params", object(PARAMS, Others::Misspelt))], Others::Misspelt);

const PARAMS: &[(&str, Kind)] = &[
    ("temperature", Kind::From(0.0)),
    ("maxTokens", Kind::Whole(1.0)),
    ("cacheRetention", Kind::OneOf(&["none", "short", "long"])),
    ("thinking", Kind::Anything),
    ("serviceTier", Kind::Text),
    ("service_tier", Kind::Text),
];

static PLUGIN: Kind = object(
    &[
        ("enabled", Kind::Switch),
        (
            "config",
            object(
                &[("discovery", object(DISCOVERY, Others::Wrong)), ("guardrail", GUARDRAIL)],
                Others::Wrong,
            ),
        ),
    ],
    Others::Misspelt,
);

const GUARDRAIL: Kind = Kind::Object(Object {
    members: &[
        ("guardrailIdentifier", Kind::Text),
        ("guardrailVersion", Kind::Text),
        ("streamProcessingMode", Kind::OneOf(&["sync", "async"])),
        ("trace", Kind::OneOf(&["enabled", "disabled", "enabled_full"])),
    ],
    required: &["guardrailIdentifier", "guardrailVersion"],
    others: Others::Wrong,
});
