//! The members that the settings may have, as a table.

use super::kind::{Kind, Object, Others, object, one_of};
use super::{OUR_NAME, is_our_provider, is_ours};
use crate::conversation::{CacheRetention, Family, Form};
use crate::converse::{OutputFormatType, PerformanceConfigLatency, ServiceTierType};
use crate::guardrail::{GuardrailConfiguration, GuardrailStreamProcessingMode, GuardrailTrace};
use crate::models::{Cost, PriceTier};

/// The paths of all members that are read, such as `models.bedrockDiscovery.region`. `*` stands for any name, `[]` for
/// each item of a list.
pub(super) fn members() -> Vec<String> {
    let mut members = Vec::new();
    ROOT.members("", &mut members);
    members
}

/// The settings that have an effect, without secrets. `None` if there are none.
pub(super) fn without_secrets(mut root: serde_json::Value) -> Option<serde_json::Value> {
    ROOT.keep_shown(&mut root).then_some(root)
}

pub(super) static ROOT: Kind = object(
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
        ("apiKeyCommand", Kind::Text),
        ("credentialsRefreshCommand", Kind::Text),
        ("profile", Kind::Text),
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

/// The API of Bedrock models, and the other APIs that OpenClaw knows.
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
                ("tls", Kind::Idle("it has no effect: request.tls is for proxies too")),
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
                ("passphrase", Kind::Idle("it has no effect: the key must not be encrypted")),
                ("serverName", Kind::Idle("it has no effect: the certificate must name the host of the URL")),
                (
                    "insecureSkipVerify",
                    Kind::Denied(
                        "certificates are always verified: name the authority to trust in request.tls.ca or \
                         AWS_CA_BUNDLE",
                    ),
                ),
            ],
            Others::Wrong,
        ),
    ),
    ("allowPlainHttp", Kind::Switch),
    ("allowPrivateNetwork", Kind::Always("it has no effect: private addresses are always allowed")),
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

const COST: &[(&str, Kind)] = &members_of::<{ Cost::MEMBERS.len() }>(Cost::MEMBERS);

static TIER: Kind = Kind::Object(Object {
    members: &members_of::<{ PriceTier::MEMBERS.len() }>(PriceTier::MEMBERS),
    required: &["inputTokensAbove"],
    others: Others::Wrong,
    owner: None,
    needs: &[],
});

static FACTORS: Kind = object(&[("input", Kind::From(0.0)), ("output", Kind::From(0.0))], Others::Wrong);

/// The members of prices and of guardrails, by the names that their types have.
#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn members_of<const N: usize>(names: &[&'static str]) -> [(&'static str, Kind); N] {
    let mut members = [const { ("", Kind::From(0.0)) }; N];
    let mut at = 0;
    while at < N {
        let kind = match names[at].as_bytes() {
            b"tiers" => Kind::List(&TIER),
            b"serviceTiers" => Kind::Map(&FACTORS),
            b"inputTokensAbove" => Kind::Whole(0.0),
            b"guardrailIdentifier" | b"guardrailVersion" => Kind::Text,
            b"streamProcessingMode" => one_of(GuardrailStreamProcessingMode::VALUES),
            b"trace" => one_of(GuardrailTrace::VALUES),
            _ => Kind::From(0.0),
        };
        members[at] = (names[at], kind);
        at += 1;
    }
    members
}

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
        let (name, form) = Family::CAPABILITIES[at];
        at += 1;
        let kind = match form {
            Form::Switch => Kind::Switch,
            Form::Number => Kind::Whole(0.0),
            Form::Word(words) => one_of(words),
            Form::Words(words) => Kind::Words(words),
        };
        members[at] = (name, kind);
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
    ("topP", Kind::Share),
    ("topK", Kind::Whole(0.0)),
    ("stopSequences", Kind::List(&Kind::Verbatim)),
    ("additionalModelRequestFields", Kind::Map(&Kind::Anything)),
    ("betas", Kind::List(&Kind::Text)),
    ("performanceConfig", object(&[("latency", one_of(PerformanceConfigLatency::VALUES))], Others::Wrong)),
    ("outputConfig", object(&[("effort", Kind::Text), ("textFormat", TEXT_FORMAT)], Others::Wrong)),
    ("project", Kind::Text),
];

const TEXT_FORMAT: Kind = Kind::Object(Object {
    members: &[
        ("type", one_of(OutputFormatType::VALUES)),
        (
            "structure",
            object(
                &[(
                    "jsonSchema",
                    Kind::Object(Object {
                        members: &[("schema", Kind::Text), ("name", Kind::Text), ("description", Kind::Text)],
                        required: &["schema"],
                        others: Others::Wrong,
                        owner: None,
                        needs: &[],
                    }),
                )],
                Others::Wrong,
            ),
        ),
    ],
    required: &["type", "structure"],
    others: Others::Wrong,
    owner: None,
    needs: &[],
});

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
    members: &members_of::<{ GuardrailConfiguration::MEMBERS.len() }>(GuardrailConfiguration::MEMBERS),
    required: &["guardrailIdentifier", "guardrailVersion"],
    others: Others::Wrong,
    owner: None,
    needs: &[],
});

/// How OpenClaw signs in to a provider. Profiles of other providers are ignored.
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

pub(super) static REFERENCE: Kind = Kind::Object(Object {
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

pub(super) static OWN_HEADER: Kind = Kind::Idle("it has no effect: the client sets such headers itself");
