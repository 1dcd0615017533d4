//! What may stand in the settings: a table, and what is wrong with a text that departs from it.

use std::collections::HashSet;

use http::HeaderName;

use super::edit::{Step, shown};
use super::json5::{Member, Node, Value, number};
use super::reference::{self, Env};
use super::{PROVIDERS, is_our_provider, is_ours};
use crate::config::is_of_connection;
use crate::conversation::{CacheRetention, Family};
use crate::converse::ServiceTierType;
use crate::endpoint::{BaseUrl, is_region};
use crate::guardrail::{GuardrailStreamProcessingMode, GuardrailTrace};
use crate::spelling::{near_miss, nearest};
use crate::{Error, ErrorKind, Result};
use pumice_codec::internal::shortened;

/// Checks the sections that are ours, and gives what is to be said of members that have no effect. Errors
/// and warnings name file, line, column and member, and errors the nearest right one. Without an environment,
/// references to variables are taken to be right.
pub(super) fn check(file: &str, text: &str, root: &Node<'_>, env: Option<Env<'_>>) -> Result<Vec<String>> {
    let mut checker = Checker { file, text, env, way: Vec::new(), warnings: Vec::new(), untold: 0 };
    checker.value(root, &ROOT)?;
    if checker.untold > 0 {
        checker.warnings.push(format!("{file}: {} more such warnings", checker.untold));
    }
    Ok(checker.warnings)
}

/// The paths of all members that are read: `models.bedrockDiscovery.region`; `*` stands for any name, `[]` for
/// each of a list.
pub(super) fn members() -> Vec<String> {
    let mut members = Vec::new();
    ROOT.members("", &mut members);
    members
}

/// The settings as far as they count, without secrets; `None` if they are none.
pub(super) fn without_secrets(mut root: serde_json::Value) -> Option<serde_json::Value> {
    ROOT.keep_shown(&mut root).then_some(root)
}

/// Where something is in a text: line and column, from 1.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// What a member may be.
enum Kind {
    Anything,
    Switch,
    /// Text that is not blank.
    Text,
    /// What can be the name of a region.
    Region,
    /// What calls can be put under.
    Url,
    /// A number from this on.
    From(f64),
    /// A number above this, which may be `Infinity`.
    Above(f64),
    /// A number from 0 to 1.
    Share,
    /// A whole number from this on.
    Whole(f64),
    /// One of these words; the others, which OpenClaw has as well, are warned of.
    Word {
        ours: &'static [&'static str],
        others: &'static [&'static str],
    },
    /// A word of these lists, in any case. All else is meant for other providers, and is warned of.
    Lenient(&'static [&'static [&'static str]]),
    /// Nothing that this program does: a warning says why.
    Idle(&'static str),
    /// `false`, if anything: the error says why.
    Denied(&'static str),
    /// `true`, if anything: it is always so, and a warning says that.
    Always(&'static str),
    /// A key as it is, or where it is: the name of a variable, or a reference to one.
    Key,
    /// A text that may be a secret, or a reference to a variable.
    Secret,
    /// The name of a header that may be set.
    HeaderName,
    /// Headers by their names, each a [`Secret`](Self::Secret).
    Headers,
    List(&'static Kind),
    /// An object of any members, all of one kind.
    Map(&'static Kind),
    /// An object of which the members count whose names are ours; they are written like this in a path.
    Some(fn(&str) -> bool, &'static str, &'static Kind),
    Object(Object),
    /// The one, or a text alone.
    TextOr(&'static Kind),
}

impl Kind {
    fn members(&self, way: &str, found: &mut Vec<String>) {
        match self {
            Self::Object(object) => {
                for (name, kind) in object.members {
                    let dot = if way.is_empty() { "" } else { "." };
                    kind.members(&format!("{way}{dot}{name}"), found);
                }
            }
            Self::Some(_, name, kind) => kind.members(&format!("{way}.{name}"), found),
            Self::Map(kind) => kind.members(&format!("{way}.*"), found),
            Self::Headers => found.push(format!("{way}.*")),
            Self::List(kind @ Self::Object(_)) => kind.members(&format!("{way}[]"), found),
            Self::TextOr(kind) => {
                found.push(way.to_owned());
                kind.members(way, found);
            }
            _ => found.push(way.to_owned()),
        }
    }
}

impl Kind {
    /// Leaves of a value what may be shown: nothing of a secret, nothing that has no effect or is another
    /// program's, and nothing of a wrong kind, which may be anything. Whether that is anything at all.
    fn keep_shown(&self, value: &mut serde_json::Value) -> bool {
        use serde_json::Value;

        let members = |members: &mut serde_json::Map<String, Value>,
                       kind: &dyn Fn(&str) -> Option<&'static Self>| {
            members.retain(|name, value| kind(name).is_some_and(|kind| kind.keep_shown(value)));
            true
        };
        match (self, value) {
            (Self::Object(Object { owner: Some(owner), .. }), Value::Object(found))
                if !found.get(*owner).and_then(Value::as_str).is_some_and(is_our_provider) =>
            {
                false
            }
            (Self::Object(object), Value::Object(found)) => members(found, &|name| {
                object.members.iter().find(|(known, _)| *known == name).map(|(_, kind)| kind)
            }),
            (Self::Some(is_ours, _, kind), Value::Object(found)) => {
                members(found, &|name| is_ours(name).then_some(*kind))
            }
            (Self::Map(kind), Value::Object(found)) => members(found, &|_| Some(kind)),
            (Self::List(kind), Value::Array(found)) => {
                found.retain_mut(|value| kind.keep_shown(value));
                true
            }
            (Self::TextOr(kind), value @ Value::Object(_)) => kind.keep_shown(value),
            // What calls cannot be put under may have a password in it.
            (Self::Url, Value::String(url)) => url.contains("${") || BaseUrl::parse(url).is_ok(),
            (Self::Key | Self::Secret | Self::Headers | Self::Idle(_), _)
            | (_, Value::Object(_) | Value::Array(_)) => false,
            _ => true,
        }
    }
}

struct Object {
    members: &'static [(&'static str, Kind)],
    /// The members that must be there.
    required: &'static [&'static str],
    others: Others,
    /// The member that names the provider: an object of another one is none of ours.
    owner: Option<&'static str>,
    /// What must be there beside a `mode` of this word.
    needs: &'static [(&'static str, &'static str)],
}

/// What members count as that are not in the table.
#[derive(PartialEq)]
enum Others {
    /// Faults.
    Wrong,
    /// Faults if they look like one of the table, otherwise another program's.
    Misspelt,
    /// Faults if they look like one of the table, otherwise warned of.
    Idle,
    /// Faults if they are [nearly](near_miss) one of the table that is not there, otherwise another program's.
    Near,
    /// Another program's.
    Foreign,
}

const fn one_of(words: &'static [&'static str]) -> Kind {
    Kind::Word { ours: words, others: &[] }
}

const fn object(members: &'static [(&'static str, Kind)], others: Others) -> Kind {
    Kind::Object(Object { members, required: &[], others, owner: None, needs: &[] })
}

struct Checker<'a> {
    file: &'a str,
    text: &'a str,
    env: Option<Env<'a>>,
    /// The way to the value that is looked at.
    way: Vec<Step>,
    warnings: Vec<String>,
    /// How many warnings there are beside those.
    untold: usize,
}

impl Checker<'_> {
    fn value(&mut self, node: &Node<'_>, kind: &'static Kind) -> Result<()> {
        let word = match &node.value {
            Value::String(text) if !matches!(kind, Kind::Key) => {
                match reference::expanded(text, self.env) {
                    Ok(Some(word)) => Some(word),
                    // What it stands for is not known here.
                    Ok(None) => return Ok(()),
                    Err(name) => return Err(self.fault(node.range.start, &unset(&name))),
                }
            }
            _ => None,
        };
        let expected = match (kind, &node.value) {
            (Kind::Denied(why), Value::Bool(true)) => (*why).to_owned(),
            (Kind::Always(why), Value::Bool(false)) => {
                self.warn(node.range.start, why);
                return Ok(());
            }
            (Kind::Anything, _) | (Kind::Switch | Kind::Denied(_) | Kind::Always(_), Value::Bool(_)) => {
                return Ok(());
            }
            (Kind::TextOr(_) | Kind::Text | Kind::Secret, Value::String(_))
                if word.as_deref().is_some_and(|word| !word.trim().is_empty()) =>
            {
                return Ok(());
            }
            (Kind::Region | Kind::Url | Kind::HeaderName, Value::String(_)) => {
                match misfit(kind, word.as_deref().unwrap_or_default()) {
                    Some(fault) => fault,
                    None => return Ok(()),
                }
            }
            (Kind::Word { ours, others }, Value::String(text)) => {
                let word = word.as_deref().unwrap_or(text);
                if others.contains(&word) {
                    let fault = format!("{word:?} means nothing here: only {} does", list(ours));
                    self.warn(node.range.start, &fault);
                }
                if ours.contains(&word) || others.contains(&word) {
                    return Ok(());
                }
                let near = nearest(word, ours.iter().chain(*others).copied());
                match near {
                    Some(near) => format!("there is no {word:?} here; did you mean {near:?}?"),
                    None => format!("{} expected, {word:?} found", list(&[*ours, *others].concat())),
                }
            }
            (Kind::Lenient(words), _) => {
                let words = words.concat();
                let word = word.map(|word| word.trim().to_ascii_lowercase());
                if !word.as_deref().is_some_and(|word| words.contains(&word)) {
                    let found = match word {
                        Some(word) => format!("{word:?}"),
                        None => described(&node.value),
                    };
                    let fault = format!("{} expected, {found} found: it has no effect", list(&words));
                    self.warn(node.range.start, &fault);
                }
                return Ok(());
            }
            (Kind::Key | Kind::Secret, Value::Object(_)) | (Kind::Key, Value::String(_)) => {
                return self.reference(node, kind);
            }
            (Kind::From(_) | Kind::Above(_) | Kind::Share | Kind::Whole(_), Value::Number(text)) => {
                if fits(kind, number(text)) {
                    return Ok(());
                }
                format!("{} expected, {text} found", expected(kind))
            }
            (Kind::List(kind), Value::List(items)) => {
                for (at, item) in items.iter().enumerate() {
                    self.step(Step::At(at), |checker| checker.value(item, kind))?;
                }
                return Ok(());
            }
            (Kind::Map(kind), Value::Object(members)) => {
                return self.members(members, |_| Ok(Some(*kind)));
            }
            (Kind::Headers, Value::Object(members)) => return self.members(members, header),
            (Kind::Some(is_ours, shown, kind), Value::Object(members)) => {
                return self.entries(members, *is_ours, shown, kind);
            }
            (Kind::TextOr(kind), Value::Object(_)) => return self.value(node, kind),
            (Kind::Object(Object { owner: Some(owner), .. }), Value::Object(_))
                if !text(node, owner).is_some_and(is_our_provider) =>
            {
                return Ok(());
            }
            (Kind::Object(known), Value::Object(members)) => {
                let names = members.iter().map(|member| &*member.name).collect::<HashSet<_>>();
                let has = |name: &str| names.contains(name);
                self.members(members, |name| known.member(name, has))?;
                let mode = text(node, "mode");
                let needs = known.needs.iter().filter(|(word, _)| Some(*word) == mode).map(|(_, name)| name);
                match known.required.iter().chain(needs).find(|name| !has(name)) {
                    Some(missing) => format!("the member {missing} expected, none found"),
                    None => return Ok(()),
                }
            }
            (kind, found) => format!("{} expected, {} found", expected(kind), described(found)),
        };
        Err(self.fault(node.range.start, &expected))
    }

    /// Checks a key, or a reference to a variable, which is to be set.
    fn reference(&mut self, node: &Node<'_>, kind: &'static Kind) -> Result<()> {
        if let Value::Object(_) = &node.value {
            self.value(node, &REFERENCE)?;
        }
        let name = reference::variable(&node.to_json());
        if let (Some(name), Some(env)) = (name, self.env)
            && !reference::is_marker(&name)
            && env(&name).is_none()
        {
            if let Kind::Secret = kind {
                return Err(self.fault(node.range.start, &unset(&name)));
            }
            // There may be other credentials.
            self.warn(node.range.start, &unset(&name));
        }
        Ok(())
    }

    /// Checks the members whose names are ours. The others are another provider's, unless ours is missing and
    /// one looks like it.
    fn entries(
        &mut self,
        members: &[Member<'_>],
        is_ours: fn(&str) -> bool,
        shown: &str,
        kind: &'static Kind,
    ) -> Result<()> {
        let absent = !members.iter().any(|member| is_ours(&member.name));
        let providers = if absent && shown == OUR_NAME { &PROVIDERS[..] } else { &[] };
        self.members(members, |name| match near_miss(name, providers.iter().copied()) {
            _ if is_ours(name) => Ok(Some(kind)),
            Some(near) => Err(no_such_member(near)),
            None => Ok(None),
        })
    }

    /// Checks the members of an object, each as what `kind` takes it for; `None` is none of ours.
    fn members(
        &mut self,
        members: &[Member<'_>],
        kind: impl Fn(&str) -> Result<Option<&'static Kind>, String>,
    ) -> Result<()> {
        let mut seen = HashSet::new();
        for member in members {
            let name = &*member.name;
            let step = Step::Member(name.to_owned());
            let again = !seen.insert(name);
            self.step(step, |checker| match kind(name) {
                Ok(None) => Ok(()),
                Ok(Some(Kind::Idle(why))) => {
                    checker.warn(member.start, why);
                    Ok(())
                }
                Ok(Some(_)) if again => {
                    Err(checker.fault(member.start, "one such member expected, a second found"))
                }
                Ok(Some(kind)) => checker.value(&member.value, kind),
                Err(fault) => Err(checker.fault(member.start, &fault)),
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
        Error::new(ErrorKind::InvalidInput, self.said(offset, fault))
    }

    fn warn(&mut self, offset: usize, fault: &str) {
        // Each is looked up in the text, and read by a person.
        if self.warnings.len() < MOST_WARNINGS {
            self.warnings.push(self.said(offset, fault));
        } else {
            self.untold += 1;
        }
    }

    fn said(&self, offset: usize, fault: &str) -> String {
        let (line, column) = position(self.text, offset);
        let way = shortened(shown(&self.way), LONGEST_WAY);
        let way = if way.is_empty() { "the settings" } else { &way };
        format!("{}:{line}:{column}: {way}: {fault}", self.file)
    }
}

impl Object {
    /// `has` tells which members there are beside it.
    fn member(&self, name: &str, has: impl Fn(&str) -> bool) -> Result<Option<&'static Kind>, String> {
        if let Some((_, kind)) = self.members.iter().find(|(known, _)| *known == name) {
            return Ok(Some(kind));
        }
        let known = self.members.iter().map(|(known, _)| *known);
        let near = match self.others {
            Others::Near => near_miss(name, known.filter(|known| !has(known))),
            _ => nearest(name, known),
        };
        match (&self.others, near) {
            (Others::Foreign, _) | (Others::Misspelt | Others::Near, None) => Ok(None),
            (Others::Idle, None) => Ok(Some(&UNKNOWN)),
            (_, Some(near)) => Err(no_such_member(near)),
            (Others::Wrong, None) => {
                let known = self.members.iter().map(|(known, _)| *known).collect::<Vec<_>>();
                Err(format!("there is no such member; there are {}", known.join(", ")))
            }
        }
    }
}

/// What is wrong with a text that is to be a region or a URL.
fn misfit(kind: &Kind, text: &str) -> Option<String> {
    match kind {
        Kind::Region if !is_region(text.trim()) => {
            Some(format!("{} expected, {:?} found", expected(kind), text.trim()))
        }
        Kind::HeaderName => unsettable(text.trim()),
        // What is no URL may hold a secret.
        Kind::Url => {
            let fault = BaseUrl::parse(text).err()?;
            Some(format!("{} expected: {fault}", expected(kind)))
        }
        _ => None,
    }
}

/// What a header is, by its name.
fn header(name: &str) -> Result<Option<&'static Kind>, String> {
    match unsettable(name) {
        Some(fault) => Err(fault),
        None if name.to_ascii_lowercase().starts_with("x-amz-") => Ok(Some(&OWN_HEADER)),
        None => Ok(Some(&Kind::Secret)),
    }
}

/// Why a header cannot be set, by its name.
fn unsettable(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    match HeaderName::try_from(&lower) {
        Err(_) => Some(format!("the name of a header expected, {name:?} found")),
        Ok(_) if lower == "host" || is_of_connection(&lower) => {
            Some(format!("the header {lower} cannot be set: it belongs to the connection; leave it out"))
        }
        Ok(_) => None,
    }
}

fn fits(kind: &Kind, number: f64) -> bool {
    match kind {
        Kind::From(least) => number >= *least && number.is_finite(),
        Kind::Above(limit) => number > *limit,
        Kind::Share => (0.0..=1.0).contains(&number),
        Kind::Whole(least) => number >= *least && number.fract() == 0.0 && number < LARGEST,
        _ => false,
    }
}

fn no_such_member(near: &str) -> String {
    format!("there is no such member; did you mean {near}?")
}

fn expected(kind: &Kind) -> String {
    match kind {
        Kind::Anything | Kind::Lenient(_) | Kind::Idle(_) => "a value".into(),
        Kind::Switch | Kind::Denied(_) | Kind::Always(_) => "true or false".into(),
        Kind::Key | Kind::Secret => "a text or an object".into(),
        Kind::Text | Kind::HeaderName => "a text that is not blank".into(),
        Kind::Region => "a region such as us-east-1".into(),
        Kind::Url => "a URL that calls can be put under".into(),
        Kind::Share => "a number from 0 to 1".into(),
        Kind::From(least) => format!("a number from {least}"),
        Kind::Above(limit) => format!("a number above {limit}"),
        Kind::Whole(least) => format!("a whole number from {least}"),
        Kind::Word { ours, .. } => list(ours),
        Kind::List(_) => "a list".into(),
        Kind::TextOr(kind) => format!("a text or {}", expected(kind)),
        Kind::Map(_) | Kind::Headers | Kind::Some(..) | Kind::Object(_) => "an object".into(),
    }
}

fn described(value: &Value<'_>) -> String {
    match value {
        Value::String(text) if text.trim().is_empty() => "a blank one".into(),
        Value::String(_) => "a text".into(),
        Value::Number(number) => (*number).to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Object(_) => "an object".into(),
        Value::List(_) => "a list".into(),
        Value::Null => "null".into(),
    }
}

/// The text of a member, if it is one.
fn text<'n>(node: &'n Node<'_>, name: &str) -> Option<&'n str> {
    match &node.member(name)?.value.value {
        Value::String(text) => Some(text),
        _ => None,
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

fn unset(name: &str) -> String {
    format!("the environment variable {name} is not set")
}

/// How much of the way to a member is told, in characters.
const LONGEST_WAY: usize = 300;
/// How many warnings are told one by one.
const MOST_WARNINGS: usize = 20;
/// Beyond this, not every whole number can be told from the next.
const LARGEST: f64 = 9_007_199_254_740_992.0;

static ROOT: Kind = object(
    &[
        ("auth", object(&[("profiles", Kind::Map(&AUTH_PROFILE))], Others::Foreign)),
        ("models", object(MODELS, Others::Misspelt)),
        ("agents", object(&[("defaults", object(DEFAULTS, Others::Near))], Others::Near)),
        ("plugins", object(&[("entries", Kind::Some(is_our_provider, OUR_NAME, &PLUGIN))], Others::Near)),
    ],
    Others::Foreign,
);

const MODELS: &[(&str, Kind)] = &[
    ("mode", one_of(&["merge", "replace"])),
    ("bedrockDiscovery", object(DISCOVERY, Others::Wrong)),
    ("providers", Kind::Some(is_our_provider, OUR_NAME, &PROVIDER)),
];

const DISCOVERY: &[(&str, Kind)] = &[
    ("enabled", Kind::Switch),
    ("region", Kind::Region),
    ("providerFilter", Kind::List(&Kind::Text)),
    ("refreshInterval", Kind::Whole(0.0)),
    ("defaultContextWindow", Kind::Whole(1.0)),
    ("defaultMaxTokens", Kind::Whole(1.0)),
];

static PROVIDER: Kind = object(
    &[
        ("baseUrl", Kind::Url),
        ("apiKey", Kind::Key),
        ("auth", Kind::Word { ours: &["api-key", "aws-sdk", "token"], others: &["oauth"] }),
        ("api", API),
        ("headers", Kind::Headers),
        ("authHeader", Kind::Always("it has no effect: keys always go in the authorization header")),
        ("contextWindow", Kind::Whole(1.0)),
        ("contextTokens", Kind::Whole(1.0)),
        ("maxTokens", Kind::Whole(1.0)),
        ("timeoutSeconds", Kind::Above(0.0)),
        ("request", object(REQUEST, Others::Wrong)),
        ("models", Kind::List(&MODEL)),
        ("families", Kind::List(&FAMILY)),
    ],
    Others::Idle,
);

/// The one API of a model's that is ours, and those that OpenClaw has beside it.
const API: Kind = Kind::Word {
    ours: &[super::API],
    others: &[
        "anthropic-messages",
        "azure-openai-responses",
        "github-copilot",
        "google-generative-ai",
        "ollama",
        "openai-codex-responses",
        "openai-completions",
        "openai-responses",
    ],
};

const REQUEST: &[(&str, Kind)] = &[
    ("headers", Kind::Headers),
    (
        "auth",
        Kind::Object(Object {
            members: &[
                ("mode", one_of(&["provider-default", "authorization-bearer", "header"])),
                ("token", Kind::Key),
                ("headerName", Kind::HeaderName),
                ("value", Kind::Secret),
                ("prefix", Kind::Text),
            ],
            required: &["mode"],
            others: Others::Wrong,
            owner: None,
            needs: &[("authorization-bearer", "token"), ("header", "headerName"), ("header", "value")],
        }),
    ),
    (
        "proxy",
        Kind::Object(Object {
            members: &[
                ("mode", one_of(&["env-proxy", "explicit-proxy"])),
                ("url", Kind::Secret),
                ("tls", Kind::Idle("it has no effect: a proxy is asked as request.tls says")),
            ],
            required: &["mode"],
            others: Others::Wrong,
            owner: None,
            needs: &[("explicit-proxy", "url")],
        }),
    ),
    (
        "tls",
        object(
            &[
                ("ca", Kind::Secret),
                ("cert", Kind::Secret),
                ("key", Kind::Secret),
                ("passphrase", Kind::Idle("it has no effect: a key that is not encrypted is read")),
                ("serverName", Kind::Idle("it has no effect: a server is known by the name it is called by")),
                (
                    "insecureSkipVerify",
                    Kind::Denied(
                        "certificates are always verified: name the authority that is to be trusted in \
                         request.tls.ca, or in AWS_CA_BUNDLE",
                    ),
                ),
            ],
            Others::Wrong,
        ),
    ),
    ("allowPlainHttp", Kind::Switch),
    (
        "allowPrivateNetwork",
        Kind::Always("it has no effect: a server is called at whichever address its name leads to"),
    ),
];

static MODEL: Kind = Kind::Object(Object {
    members: &[
        ("id", Kind::Text),
        ("name", Kind::Text),
        ("api", API),
        ("baseUrl", Kind::Url),
        ("reasoning", Kind::Switch),
        ("input", Kind::List(&one_of(&["text", "image", "video", "audio"]))),
        ("cost", object(COST, Others::Wrong)),
        ("contextWindow", Kind::Whole(1.0)),
        ("contextTokens", Kind::Whole(1.0)),
        ("maxTokens", Kind::Whole(1.0)),
        ("headers", Kind::Headers),
        ("compat", object(&[("supportsStrictMode", Kind::Switch)], Others::Misspelt)),
        ("params", object(PARAMS, Others::Misspelt)),
        ("thinkingLevelMap", Kind::Map(&Kind::Anything)),
        ("inputLimits", Kind::Idle("it has no effect: images are sent as they are")),
    ],
    required: &["id"],
    others: Others::Idle,
    owner: None,
    needs: &[],
});

const COST: &[(&str, Kind)] = &[
    ("input", Kind::From(0.0)),
    ("output", Kind::From(0.0)),
    ("cacheRead", Kind::From(0.0)),
    ("cacheWrite", Kind::From(0.0)),
    ("tiers", Kind::List(&TIER)),
];

static TIER: Kind = Kind::Object(Object {
    members: &[
        ("inputTokensAbove", Kind::Whole(0.0)),
        ("input", Kind::From(0.0)),
        ("output", Kind::From(0.0)),
        ("cacheRead", Kind::From(0.0)),
        ("cacheWrite", Kind::From(0.0)),
    ],
    required: &["inputTokensAbove"],
    others: Others::Wrong,
    owner: None,
    needs: &[],
});

static FAMILY: Kind = Kind::Object(Object {
    members: &FAMILY_MEMBERS,
    required: &["match"],
    others: Others::Wrong,
    owner: None,
    needs: &[],
});

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const FAMILY_MEMBERS: [(&str, Kind); Family::CAPABILITIES.len() + 1] = {
    let mut members = [const { ("match", Kind::List(&Kind::Text)) }; Family::CAPABILITIES.len() + 1];
    let mut at = 0;
    while at < Family::CAPABILITIES.len() {
        let (name, words) = Family::CAPABILITIES[at];
        at += 1;
        members[at] = (name, if words.is_empty() { Kind::Switch } else { one_of(words) });
    }
    members
};

const DEFAULTS: &[(&str, Kind)] = &[
    ("model", Kind::TextOr(&CHOICE)),
    ("models", Kind::Some(is_ours, "*", &CHOSEN)),
    ("params", object(PARAMS, Others::Misspelt)),
];

static CHOICE: Kind = object(
    &[("primary", Kind::Text), ("fallbacks", Kind::List(&Kind::Text)), ("timeoutMs", Kind::Above(0.0))],
    Others::Wrong,
);

static CHOSEN: Kind =
    object(&[("alias", Kind::Text), ("params", object(PARAMS, Others::Misspelt))], Others::Misspelt);

const PARAMS: &[(&str, Kind)] = &[
    ("temperature", Kind::Share),
    ("maxTokens", Kind::Whole(1.0)),
    ("cacheRetention", one_of(CacheRetention::NAMES)),
    ("thinking", Kind::Lenient(super::LEVELS)),
    ("serviceTier", Kind::Lenient(&[ServiceTierType::VALUES])),
    ("service_tier", Kind::Lenient(&[ServiceTierType::VALUES])),
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
        ("streamProcessingMode", one_of(GuardrailStreamProcessingMode::VALUES)),
        ("trace", one_of(GuardrailTrace::VALUES)),
    ],
    required: &["guardrailIdentifier", "guardrailVersion"],
    others: Others::Wrong,
    owner: None,
    needs: &[],
});

/// What OpenClaw knows of a way to sign in. Those of other providers are its own.
static AUTH_PROFILE: Kind = Kind::Object(Object {
    members: &[
        ("provider", Kind::Text),
        ("mode", Kind::Word { ours: &["aws-sdk"], others: &["api_key", "api-key", "oauth", "token"] }),
    ],
    required: &[],
    others: Others::Foreign,
    owner: Some("provider"),
    needs: &[],
});

static REFERENCE: Kind = Kind::Object(Object {
    members: &[
        ("source", Kind::Word { ours: &["env"], others: &["file", "exec"] }),
        ("provider", Kind::Text),
        ("id", Kind::Text),
    ],
    required: &["source", "id"],
    others: Others::Wrong,
    owner: None,
    needs: &[],
});

static OWN_HEADER: Kind = Kind::Idle("it has no effect: the client sets such headers itself");

static UNKNOWN: Kind = Kind::Idle("there is no such member here: it has no effect");

/// How our provider is written in a path.
const OUR_NAME: &str = "amazon-bedrock";
