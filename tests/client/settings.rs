//! The settings file: its members, its errors, and how it is edited.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use pumice::ErrorKind;
use pumice::context::Context;
use pumice::converse::{ConverseRequest, InferenceConfiguration};
use pumice::models::ModelInfo;
use pumice::settings::{Params, Settings};

/// The file of the documentation, between sections of other programs.
const DOCUMENTED: &str = r#"
// OpenClaw's
{
  gateway: { mode: 'local', port: 18789 },
  models: {
    mode: "merge",
    bedrockDiscovery: {
      enabled: true,
      region: "eu-central-1",
      providerFilter: ["anthropic", "amazon"],
      refreshInterval: 7200,
      defaultContextWindow: 48000,
      defaultMaxTokens: 5000,
    },
    providers: {
      openai: { baseUrl: "https://api.openai.com/v1", whatever: 1 },
      "amazon-bedrock": {
        baseUrl: "https://bedrock-runtime.eu-west-3.amazonaws.com",
        auth: "aws-sdk",
        api: "bedrock-converse-stream",
        headers: { "x-team": "blue" },
        timeoutSeconds: 1.5,
        maxTokens: 0x800,
        models: [
          {
            id: "us.anthropic.claude-opus-4-6-v1", // the large one
            name: "Our Opus",
            reasoning: true,
            input: ["text", "image"],
            cost: { input: 5, output: 25., cacheRead: .5, cacheWrite: 6.25,
                    tiers: [{ inputTokensAbove: 200000, input: 10, output: 37.5 }] },
            contextWindow: 2e5,
            contextTokens: 150000,
            maxTokens: 8192,
            headers: { "x-model": "opus" },
            compat: { supportsStrictMode: true },
            params: { temperature: 0.2 },
          },
          { id: "amazon-bedrock/amazon.nova-lite-v1:0", name: "Nova" },
          { id: "amazon.nova-lite-v1:0", name: "again" },
          { id: "elsewhere", name: "Another API", api: "anthropic-messages" },
        ],
      },
    },
  },
  agents: {
    list: [{ id: "main" }],
    defaults: {
      workspace: "~/work",
      model: {
        primary: "amazon-bedrock/us.anthropic.claude-opus-4-6-v1",
        fallbacks: ["openai/gpt-9", "Nova", "bedrock/arn:aws:bedrock:us-east-1:1:inference-profile/us.x"],
      },
      models: {
        "amazon-bedrock/amazon.nova-lite-v1:0": { alias: "Nova", params: { serviceTier: " Flex ", maxTokens: 77 } },
        "openai/gpt-9": { alias: "gpt", params: { serviceTier: 1 } },
      },
      params: { serviceTier: "auto", cacheRetention: "long" },
    },
  },
  plugins: { entries: { "amazon-bedrock": { enabled: true, config: {
    discovery: { refreshInterval: 60 },
    guardrail: { guardrailIdentifier: "gr1", guardrailVersion: "DRAFT", trace: "enabled_full", streamProcessingMode: "async" },
  } }, "other-plugin": { config: { discovery: 7 } } } },
}
"#;

fn settings(text: &str) -> Settings {
    Settings::parse("settings.json5", text).unwrap()
}

#[test]
fn every_documented_member_is_read() {
    let settings = settings(DOCUMENTED);
    assert_eq!(settings.discovery.enabled, Some(true));
    assert_eq!(settings.discovery.region.as_deref(), Some("eu-central-1"));
    assert_eq!(settings.discovery.provider_filter, ["anthropic", "amazon"]);
    // Each member of the newer section takes precedence over that of the older.
    assert_eq!(settings.discovery.refresh_interval, Duration::from_mins(1));
    assert_eq!(settings.discovery.default_limits.context_window, 48_000);
    assert_eq!(settings.discovery.default_limits.max_tokens, 5000);

    assert_eq!(settings.region().as_deref(), Some("eu-west-3"));
    assert_eq!(settings.endpoint_url(), None);
    assert_eq!(settings.headers.get("X-Team"), Some("blue"));
    assert_eq!(settings.timeout, Some(Duration::from_millis(1500)));

    let ids = settings.models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>();
    assert_eq!(ids, ["us.anthropic.claude-opus-4-6-v1", "amazon.nova-lite-v1:0"]);
    let models = settings.configured_models(|_| ModelInfo::default());
    let opus = &models[0];
    assert_eq!((opus.name.as_str(), opus.reasoning, opus.images), ("Our Opus", true, true));
    assert_eq!((opus.context_window, opus.max_tokens), (150_000, 8192));
    let cost = opus.cost.clone().unwrap();
    assert_eq!(
        [cost.input, cost.output, cost.cache_read, cost.cache_write].map(|price| price.unwrap().to_string()),
        ["5", "25", "0.5", "6.25"]
    );
    let tier = &cost.tiers.unwrap()[0];
    assert_eq!((tier.input_tokens_above, tier.output.unwrap().to_string()), (200_000, "37.5".into()));
    assert_eq!(settings.models[0].headers.get("x-model"), Some("opus"));
    // The catalog fills gaps; the provider's limit takes precedence over it.
    let nova = &models[1];
    assert_eq!((nova.name.as_str(), nova.context_window, nova.max_tokens), ("Nova", 300_000, 2048));
    assert_eq!(nova.provider, "Amazon");

    assert_eq!(settings.primary.as_deref(), Some("us.anthropic.claude-opus-4-6-v1"));
    assert_eq!(
        settings.fallbacks,
        ["amazon.nova-lite-v1:0", "arn:aws:bedrock:us-east-1:1:inference-profile/us.x"]
    );
}

#[test]
fn a_request_gets_guardrail_and_parameters_unless_it_sets_them() {
    let settings = settings(DOCUMENTED);
    let mut request = ConverseRequest::new("amazon.nova-lite-v1:0");
    settings.complete(&mut request);
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&request.body().unwrap()).unwrap(),
        serde_json::json!({
            "inferenceConfig": {"maxTokens": 77},
            "guardrailConfig": {"guardrailIdentifier": "gr1", "guardrailVersion": "DRAFT",
                "trace": "enabled_full", "streamProcessingMode": "async"},
            "serviceTier": {"type": "flex"},
        })
    );
    let mut request = ConverseRequest::new("us.anthropic.claude-opus-4-6-v1")
        .inference_config(InferenceConfiguration::new().max_tokens(5u32));
    settings.complete(&mut request);
    let inference = request.inference_config.unwrap();
    assert_eq!((inference.max_tokens, inference.temperature), (Some(5), Some(0.2)));
    // An unknown tier is meant for another program.
    assert_eq!(request.service_tier, None);
    let params = settings.params("us.anthropic.claude-opus-4-6-v1");
    assert_eq!((params.max_tokens, params.cache_retention.as_deref()), (Some(8192), Some("long")));
    let params = settings.params("unheard-of");
    // The provider's limit applies to models outside the file too.
    assert_eq!((params.max_tokens, params.temperature), (Some(2048), None));
    assert_ne!(params, Params::default());
}

#[test]
fn a_requests_parameters_may_be_nested_and_of_all_calls_or_of_one_model() {
    let text = |more: &str| {
        format!(
            "{{ agents: {{ defaults: {{ params: {{ topP: 0.5, stopSequences: ['A', ' b'], performanceConfig: {{ latency: 'optimized' }},
                additionalModelRequestFields: {{ a: {{ b: [1] }} }}, {more} }}, models: {{ 'bedrock/own': {{ params: {{ topP: 0.25,
                outputConfig: {{ effort: 'low' }} }} }} }} }} }} }}"
        )
    };
    let given = settings(&text(""));
    let sent = |mut request: ConverseRequest| {
        given.complete(&mut request);
        serde_json::from_slice::<serde_json::Value>(&request.body().unwrap()).unwrap()
    };
    let (fields, latency) =
        (serde_json::json!({"a": {"b": [1]}}), serde_json::json!({"latency": "optimized"}));
    assert_eq!(
        sent(ConverseRequest::new("own")),
        serde_json::json!({
            "inferenceConfig": {"topP": 0.25, "stopSequences": ["A", " b"]},
            "additionalModelRequestFields": fields, "performanceConfig": latency,
            "outputConfig": {"effort": "low"},
        })
    );
    let other = ConverseRequest::new("other").inference_config(InferenceConfiguration::new().top_p(0.75));
    let other = sent(other);
    assert_eq!((&other["inferenceConfig"]["topP"], &other["outputConfig"]), (&0.75.into(), &().into()));

    for (more, expected) in [
        ("topK: 0.5", "params.topK: expected a whole number from 0, found 0.5"),
        ("outputConfig: { textFormat: { type: 'json_schema' } }", "the member structure is missing"),
        ("outputConfig: { textFormat: { type: 'json' } }", "did you mean \"json_schema\"?"),
        ("stopSequence: ['x']", "did you mean stopSequences?"),
    ] {
        let error = Settings::parse("s.json5", &text(more)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_model_is_understood_however_it_is_named() {
    let settings = settings(DOCUMENTED);
    let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2";
    for (named, id) in [
        ("amazon-bedrock/x.y-v1:0", "x.y-v1:0"),
        ("bedrock/x.y-v1:0", "x.y-v1:0"),
        (" AWS-Bedrock / x.y ", "x.y"),
        ("x.y-v1:0", "x.y-v1:0"),
        ("nova", "amazon.nova-lite-v1:0"),
        (arn, arn),
        (&format!("amazon-bedrock/{arn}"), arn),
    ] {
        assert_eq!(settings.model_id(named).unwrap(), id, "{named}");
    }
    let empty = settings.model_id("amazon-bedrock/").unwrap_err();
    assert_eq!(empty.to_string(), "\"amazon-bedrock/\": the id is empty");
    for named in ["openai/gpt-9", "", "amazon-bedrock/"] {
        assert_eq!(settings.model_id(named).unwrap_err().kind(), ErrorKind::InvalidInput, "{named}");
    }
}

#[test]
fn the_model_may_be_named_alone() {
    let settings = settings(r#"{agents:{defaults:{model:"bedrock/a.b"}}}"#);
    assert_eq!((settings.primary.as_deref(), settings.fallbacks.len()), (Some("a.b"), 0));
}

#[test]
fn a_url_of_amazons_own_names_a_region_and_another_is_the_endpoint() {
    for (url, region, endpoint) in [
        ("https://bedrock-runtime.us-west-2.amazonaws.com/", Some("us-west-2"), false),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", Some("cn-north-1"), false),
        ("https://bedrock-runtime-fips.us-east-1.amazonaws.com", Some("fips-us-east-1"), false),
        ("https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com", Some("us-east-1"), true),
        ("https://bedrock-runtime.us-east-1.amazonaws.com/path", Some("us-east-1"), true),
        ("https://bedrock-runtime.eu-west-1.api.aws", Some("eu-west-1"), true),
        ("https://bedrock-runtime..amazonaws.com", None, true),
        ("http://localhost:8080/bedrock", None, true),
    ] {
        let text =
            serde_json::json!({"models": {"providers": {"aws-bedrock": {"baseUrl": url}}}}).to_string();
        let settings = settings(&text);
        assert_eq!(
            (settings.region().as_deref(), settings.endpoint_url()),
            (region, endpoint.then_some(url)),
            "{url}"
        );
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn errors_name_line_column_member_and_what_is_expected() {
    for (text, said) in [
        (
            "{\n  models: {\n    bedrockDiscovery: { refreshIntervall: 5 },",
            "2:11: invalid JSON5: expected a } for this {, found the end of the text",
        ),
        (
            "{ models: { bedrockDiscovery: { refreshIntervall: 5 } } }",
            "1:33: models.bedrockDiscovery.refreshIntervall: there is no such member; did you mean refreshInterval?",
        ),
        (
            "{\n models: {\n  bedrockDiscovery: {\n   enabled: 'yes' } } }",
            "4:13: models.bedrockDiscovery.enabled: expected true or false, found a text",
        ),
        (
            "{ models: { bedrockDiscovery: { x: 1 } } }",
            "there is no such member; there are enabled, region, providerFilter",
        ),
        (
            "{ models: { bedrockDiscovery: { refreshInterval: -1 } } }",
            "expected a whole number from 0, found -1",
        ),
        (
            "{ models: { bedrockDiscovery: { refreshInterval: 1.5 } } }",
            "expected a whole number from 0, found 1.5",
        ),
        (
            "{ models: { bedrockDiscovery: { refreshInterval: Infinity } } }",
            "expected a whole number from 0, found Infinity",
        ),
        (
            "{ models: { providers: { bedrock: { models: [{ id: 'x', cost: { input: Infinity } }] } } } }",
            "expected a number from 0, found Infinity",
        ),
        (
            "{ models: { bedrockDiscovery: { defaultMaxTokens: 0 } } }",
            "expected a whole number from 1, found 0",
        ),
        ("{ models: { bedrockDiscovery: { providerFilter: 'x' } } }", "expected a list, found a text"),
        (
            "{ models: { bedrockDiscovery: { providerFilter: ['x', 7] } } }",
            "models.bedrockDiscovery.providerFilter[1]: expected a text that is not blank, found 7",
        ),
        (
            "{ models: { bedrockDiscovery: { region: ' ' } } }",
            "expected a region such as us-east-1, found \"\"",
        ),
        ("{ models: { bedrockDiscovery: [] } }", "models.bedrockDiscovery: expected an object, found a list"),
        (
            "{ models: { bedrockDiscovery: { region: 'a', region: 'b' } } }",
            "expected one such member, found a second",
        ),
        ("{ models: { bedrockDicsovery: {} } }", "did you mean bedrockDiscovery?"),
        (
            "{ models: { providers: { 'amazon-bedrock': { baseURL: 'x' } } } }",
            "models.providers.amazon-bedrock.baseURL: there is no such member; did you mean baseUrl?",
        ),
        (
            "{ models: { providers: { Bedrock: { api: 'bedrock-converse' } } } }",
            "did you mean \"bedrock-converse-stream\"?",
        ),
        ("{ models: { providers: { Bedrock: { auth: 'aws' } } } }", "did you mean \"aws-sdk\"?"),
        (
            "{ models: { providers: { Bedrock: { auth: 'password' } } } }",
            "expected \"api-key\", \"aws-sdk\", \"token\" or \"oauth\", found \"password\"",
        ),
        (
            "{ models: { providers: { Bedrock: { api: 'openai' } } } }",
            "api: there is no \"openai\" here; did you mean \"openai-responses\"?",
        ),
        (
            "{ models: { providers: { Bedrock: { models: [{ name: 'x' }] } } } }",
            "1:46: models.providers.Bedrock.models[0]: the member id is missing",
        ),
        (
            "{ models: { providers: { Bedrock: { models: [{ id: 'x', cost: { inputs: 1 } }] } } } }",
            "models[0].cost.inputs: there is no such member; did you mean input?",
        ),
        (
            "{ models: { providers: { Bedrock: { models: [{ id: 'x', input: ['txt'] }] } } } }",
            "did you mean \"text\"?",
        ),
        (
            "{ agents: { defaults: { model: { primry: 'x' } } } }",
            "agents.defaults.model.primry: there is no such member; did you mean primary?",
        ),
        ("{ agents: { defaults: { model: 7 } } }", "expected a text or an object, found 7"),
        (
            "{ agents: { defaults: { models: { 'amazon-bedrock/a.b': { alais: 'x' } } } } }",
            "agents.defaults.models[\"amazon-bedrock/a.b\"].alais",
        ),
        (
            "{ plugins: { entries: { 'amazon-bedrock': { config: { guardrail: { guardrailIdentifier: 'x' } } } } } }",
            "the member guardrailVersion is missing",
        ),
        (
            "{ plugins: { entries: { 'amazon-bedrock': { config: { guardrails: {} } } } } }",
            "did you mean guardrail?",
        ),
        (
            "{models:{providers:{bedrock:{request:{auth:{token:'x'}}}}}}",
            "request.auth: the member mode is missing",
        ),
        (
            "{models:{providers:{bedrock:{request:{auth:{mode:'header',headerName:'x'}}}}}}",
            "models.providers.bedrock.request.auth: the member value is missing",
        ),
        (
            "{models:{providers:{bedrock:{request:{proxy:{mode:'explicit-proxy'}}}}}}",
            "the member url is missing",
        ),
        ("{models:{providers:{bedrock:{request:{tls:{insecureSkipVerify:true}}}}}}", "always verified"),
        ("{models:{providers:{bedrock:{families:[{thinking:'budget'}]}}}}", "the member match is missing"),
        (
            "{ agents: { default: {} } }",
            "1:13: agents.default: there is no such member; did you mean defaults?",
        ),
        (
            "{ agents: { defaults: { modl: 'x' } } }",
            "agents.defaults.modl: there is no such member; did you mean model?",
        ),
        (
            "{ models: { providers: { 'amazon-bedrok': {} } } }",
            "models.providers.amazon-bedrok: there is no such member; did you mean amazon-bedrock?",
        ),
        ("{ plugins: { entires: {} } }", "plugins.entires: there is no such member; did you mean entries?"),
        (
            "{ plugins: { entries: { openai: {}, 'amazon-bedrokc': {} } } }",
            "plugins.entries.amazon-bedrokc: there is no such member; did you mean amazon-bedrock?",
        ),
        (
            "{ models: { bedrockDiscovery: { region: 'us east' } } }",
            "1:41: models.bedrockDiscovery.region: expected a region such as us-east-1, found \"us east\"",
        ),
        ("{ models: { bedrockDiscovery: { region: '{a:' } } }", "expected a region such as us-east-1"),
        (
            "{ models: { providers: { bedrock: { baseUrl: 'ftp:x' } } } }",
            "models.providers.bedrock.baseUrl: expected a URL that begins with http:// or https://",
        ),
        (
            "{ agents: { defaults: { params: { temperature: 9 } } } }",
            "agents.defaults.params.temperature: expected a number from 0 to 1, found 9",
        ),
        (
            "{models:{providers:{bedrock:{headers:{'Content-Length':'1'}}}}}",
            "1:39: models.providers.bedrock.headers.Content-Length: the header content-length cannot be set",
        ),
        (
            "{models:{providers:{bedrock:{request:{headers:{'transfer-encoding':'chunked'}}}}}}",
            "request.headers.transfer-encoding: the header transfer-encoding cannot be set",
        ),
        (
            "{models:{providers:{bedrock:{headers:{'Proxy-Authorization':'Basic eDp5'}}}}}",
            "headers.Proxy-Authorization: the header proxy-authorization cannot be set",
        ),
        (
            "{models:{providers:{bedrock:{headers:{Expect:'100-continue'}}}}}",
            "headers.Expect: the header expect cannot be set",
        ),
        (
            "{models:{providers:{bedrock:{models:[{id:'a',headers:{Connection:'close'}}]}}}}",
            "models[0].headers.Connection: the header connection cannot be set",
        ),
        (
            "{models:{providers:{bedrock:{request:{auth:{mode:'header',headerName:'Host',value:'h'}}}}}}",
            "request.auth.headerName: the header host cannot be set",
        ),
        (
            "{models:{providers:{bedrock:{headers:{'x y':'1'}}}}}",
            "expected the name of a header, found \"x y\"",
        ),
        ("[]", "settings.json5:1:1: the settings: expected an object, found a list"),
        ("{ a: 1 b: 2 }", "1:8: invalid JSON5: expected a comma or }"),
        ("{ a: 'unterminated }", "1:6: invalid JSON5: expected a ' after this string"),
    ] {
        let error = Settings::parse("settings.json5", text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(
            error.to_string().starts_with("settings.json5:") && error.to_string().contains(said),
            "{text}\n{error}\n{said}"
        );
    }
}

#[test]
fn sections_of_other_programs_are_ignored() {
    for text in [
        "",
        "  // nothing\n",
        "{}",
        "\u{feff}{ gateway: { modles: 1 }, model: 7, agent: [] }",
        "{ models: { providers: { openai: { baseURL: 7 } }, pricing: {} } }",
        "{ agents: { defaults: { workspace: 1, mode: 1, model: 'openai/x', modelss: 1, models: {} }, list: 5 } }",
        "{ agents: { default: 1, defaults: {} }, plugins: { entries: { x: 7 }, entires: 1, load: 1 } }",
        "{ models: { providers: { 'amazon-bedrok': 7, bedrock: {} } }, plugins: { allow: [], slots: {} } }",
        "{ agents: { defaults: { models: { 'openai/x': { alais: 1 } } } } }",
        "{ a: .5, b: +1, c: 0xff, d: 'it\\'s', e: [1,], $f_: NaN, /* g */ \"h\": \"a\\\nb\" }",
    ] {
        assert_eq!(settings(text), Settings::default(), "{text}");
    }
}

#[test]
fn setting_a_member_keeps_comments_and_layout() {
    let text = "// head\n{\n  // the models\n  models: {\n    bedrockDiscovery: { region: 'us-east-1', /* why */ enabled: true }, // here\n  },\n}\n// tail\n";
    let changed = Settings::set(text, "models.bedrockDiscovery.region", "eu-west-1").unwrap();
    assert_eq!(changed, text.replace("'us-east-1'", "\"eu-west-1\""));
    let changed = Settings::set(text, "models.bedrockDiscovery[\"enabled\"]", "false").unwrap();
    assert_eq!(changed, text.replace("true", "false"));

    let changed = Settings::set(text, "agents.defaults.model.primary", "amazon-bedrock/a.b-v1:0").unwrap();
    assert!(changed.starts_with(text.split("  },\n}").next().unwrap()), "{changed}");
    assert!(changed.ends_with("}\n// tail\n"), "{changed}");
    assert_eq!(settings(&changed).primary.as_deref(), Some("a.b-v1:0"));

    let path = "models.providers[\"amazon-bedrock\"].models";
    let changed = Settings::set(text, path, "[{id: 'a.b', maxTokens: 7}]").unwrap();
    let changed = Settings::set(&changed, &format!("{path}[1]"), "{id: 'c.d'}").unwrap();
    let changed = Settings::set(&changed, &format!("{path}[0].maxTokens"), "9").unwrap();
    let changed = Settings::set(&changed, &format!("{path}[0].name"), "42 ways").unwrap();
    let read = settings(&changed);
    assert_eq!((read.models[0].info.max_tokens, read.models[1].id.as_str()), (Some(9), "c.d"));
    assert_eq!(Settings::get(&changed, &format!("{path}[0].name")).unwrap(), Some("42 ways".into()));
    let changed = Settings::set(&changed, &format!("{path}[0]"), "{id: 'e.f'}").unwrap();
    assert_eq!(
        settings(&changed).models.iter().map(|model| model.id.as_str()).collect::<Vec<_>>(),
        ["e.f", "c.d"]
    );
    for part in ["// head", "// the models", "/* why */", "// here", "// tail"] {
        assert!(changed.contains(part), "{changed}");
    }

    assert_eq!(
        settings(&Settings::set("", "models.bedrockDiscovery.enabled", "true").unwrap()).discovery.enabled,
        Some(true)
    );
    for (path, value) in [
        ("models[0]", "1"),
        ("models.bedrockDiscovery.region.x", "1"),
        ("a[1]", "1"),
        ("", "1"),
        ("a..b", "1"),
        ("a[", "1"),
    ] {
        assert_eq!(Settings::set(text, path, value).unwrap_err().kind(), ErrorKind::InvalidInput, "{path}");
    }
}

#[test]
fn an_added_member_is_formatted_like_its_neighbours() {
    for (text, path, value, expected) in [
        ("", "a.b", "x", "{\n  a: {\n    b: \"x\",\n  },\n}\n"),
        ("{\n  a: {\n  },\n}", "a.b.c", "1", "{\n  a: {\n    b: {\n      c: 1,\n    },\n  },\n}"),
        ("// only this\n", "a", "1", "// only this\n{\n  a: 1,\n}\n"),
        ("{}", "a", "1", "{ a: 1 }"),
        ("{ a: 1 }", "b", "2", "{ a: 1, b: 2 }"),
        ("{ a: 1, }", "b", "2", "{ a: 1, b: 2 }"),
        ("{\"a\": 1}", "b", "2", "{\"a\": 1, \"b\": 2}"),
        ("{\"a\":{}}", "a.b[0].c", "2", "{\"a\":{ \"b\": [{ \"c\": 2 }] }}"),
        ("{\n\ta: 1\n}", "b-c", "2", "{\n\ta: 1,\n\t\"b-c\": 2\n}"),
        ("{\n  a: 1, // one\n  // end\n}", "b", "2", "{\n  a: 1, // one\n  // end\n  b: 2,\n}"),
        ("{\n  a: 1 // one, and\n}", "b", "2", "{\n  a: 1, // one, and\n  b: 2\n}"),
        ("{\n  // nothing yet\n}", "b", "2", "{\n  // nothing yet\n  b: 2,\n}"),
        ("{ a: [] }", "a[0]", "'x'", "{ a: ['x'] }"),
        ("{ a: [1] }", "a[1]", "2 /* two */", "{ a: [1, 2] }"),
        ("{ a: [\n    1,\n  ] }", "a[1]", "2", "{ a: [\n    1,\n    2,\n  ] }"),
        ("{ a: {\n  b: 1 } }", "a", "{ c: .5 }", "{ a: { c: .5 } }"),
    ] {
        assert_eq!(Settings::set(text, path, value).unwrap(), expected, "{text}");
        let read = Settings::get(expected, path).unwrap();
        assert!(read.is_some(), "{expected}");
        // Setting it again changes nothing.
        assert_eq!(Settings::set(expected, path, value).unwrap(), expected);
    }
}

/// Legal JSON5 that is rarely seen: names with escapes, comments before the colon, other white space and other ends of
/// lines than usual, every form of a string.
#[test]
fn members_of_unusual_files_are_found_set_and_removed() {
    let text = "\u{feff}{\u{feff} mod\\u0065ls/* , } */: { 'bedrock\\x44iscovery' // a: 1,\u{2028} :\u{a0}{ region/**/:'eu-\\\nwest-1',\
        refreshInterval: +0xE10, } } }";
    let path = "models.bedrockDiscovery.region";
    assert_eq!(settings(text).discovery.region.as_deref(), Some("eu-west-1"));
    assert_eq!(settings(text).discovery.refresh_interval, Duration::from_hours(1));
    assert_eq!(Settings::get(text, path).unwrap(), Some("eu-west-1".into()));
    let whole = text.trim_start_matches('\u{feff}');
    let set = Settings::set(text, path, "us-east-1").unwrap();
    assert_eq!(set, whole.replace("'eu-\\\nwest-1'", "\"us-east-1\""));
    let unset = Settings::unset(text, path).unwrap().unwrap();
    assert_eq!(unset, whole.replace("region/**/:'eu-\\\nwest-1',", ""));
    let added = Settings::set(text, "models.mode", "merge").unwrap();
    assert_eq!(Settings::get(&added, "models.mode").unwrap(), Some("merge".into()));
    assert_eq!(settings(&added).discovery, settings(text).discovery);

    // An edit at the end of a line does not end up in its comment.
    for end in ["\n", "\r", "\r\n", "\u{2028}"] {
        let text = format!("{{{end}a: 1, // one{end}b: 2 // two{end}}}");
        let text = Settings::set(&text, "c", "3").unwrap();
        assert_eq!(Settings::get(&text, "c").unwrap(), Some(3.into()), "{text:?}");
        let text = Settings::unset(&text, "b").unwrap().unwrap();
        let text = Settings::unset(&text, "c").unwrap().unwrap();
        assert_eq!(Settings::get(&text, "a").unwrap(), Some(1.into()), "{text:?}");
        assert_eq!(text.matches("//").count(), 2, "{text:?}");
    }
    // Of two members with one name, the one in effect.
    assert_eq!(Settings::set("{ a: 1, a: 2 }", "a", "3").unwrap(), "{ a: 1, a: 3 }");
}

#[test]
fn a_number_of_seconds_that_no_clock_holds_is_no_limit() {
    let timeout = |text: &str| {
        settings(&format!("{{models:{{providers:{{bedrock:{{timeoutSeconds:{text}}}}}}}}}")).timeout.unwrap()
    };
    assert_eq!(timeout("0x1e"), Duration::from_secs(30));
    for text in ["1e300", "1e400", "Infinity", "+Infinity"] {
        assert_eq!(timeout(text), Duration::MAX, "{text}");
    }
    assert_eq!(
        settings("{agents:{defaults:{model:{primary:'m',timeoutMs:1e308}}}}").timeout,
        Some(Duration::MAX)
    );
}

#[test]
fn many_warnings_are_cut_and_counted() {
    let members = (0..20_000).map(|number| format!("m{number}:1,")).collect::<Vec<_>>().concat();
    let settings =
        settings(&format!("{{models:{{providers:{{bedrock:{{{members}}}}}}},agents:{{{members}}}}}"));
    assert_eq!(settings.warnings.len(), 21);
    assert!(
        settings.warnings[19].contains("bedrock.m19: there is no such member here"),
        "{:?}",
        settings.warnings
    );
    assert_eq!(settings.warnings[20], "settings.json5: more such warnings: 19980");
}

#[test]
fn removing_a_member_removes_its_line_and_keeps_comments() {
    for (text, path, expected) in [
        ("{ a: 1, b: 2 }", "b", "{ a: 1 }"),
        ("{ a: 1, b: 2 }", "a", "{ b: 2 }"),
        ("{ a: 1 }", "a", "{ }"),
        ("{ a: 1, /* c */ b: 2, }", "b", "{ a: 1, /* c */ }"),
        ("{\n  a: 1, // one\n  b: 2\n}", "b", "{\n  a: 1 // one\n}"),
        ("{\n  a: 1, // one\n  b: 2\n}", "a", "{\n  // one\n  b: 2\n}"),
        ("{\n  a: 1 /* one */,\n  b: 2\n}", "a", "{\n  /* one */\n  b: 2\n}"),
        ("{ a: [1, 2, 3] }", "a[2]", "{ a: [1, 2] }"),
        ("{ a: [1, 2, 3] }", "a[0]", "{ a: [2, 3] }"),
        ("{ a: [1] }", "a[0]", "{ a: [] }"),
        // An object that holds nothing else goes with its member.
        ("{ a: { b: { c: 1 } }, d: 2 }", "a.b.c", "{ d: 2 }"),
        ("{ a: { b: { c: 1 }, d: 2 } }", "a.b.c", "{ a: { d: 2 } }"),
        ("{\n  a: {\n    b: {\n      c: 1,\n    },\n  },\n}", "a.b.c", "{\n}"),
        ("{ a: { /* why */ b: 1 } }", "a.b", "{ a: { /* why */ } }"),
        ("{ a: [{ b: 1 }] }", "a[0].b", "{ a: [{ }] }"),
    ] {
        assert_eq!(Settings::unset(text, path).unwrap().as_deref(), Some(expected), "{text}");
        assert!(Settings::parse("settings", expected).is_ok(), "{expected}");
    }
}

#[test]
fn a_member_is_found_and_removed() {
    let text = "{\n  // one\n  models: {\n    mode: 'merge', // how\n    list: [1, 2, 3],\n  },\n}\n";
    let get = |path| Settings::get(text, path).unwrap();
    assert_eq!((get("models.mode"), get("models.list[1]")), (Some("merge".into()), Some(2.into())));
    assert_eq!((get("models.none"), get("models.list[3]"), get("models.mode.x")), (None, None, None));
    let without = Settings::unset(text, "models.list[1]").unwrap().unwrap();
    assert_eq!(without, text.replace("[1, 2, 3]", "[1, 3]"));
    let without = Settings::unset(text, "models.list").unwrap().unwrap();
    assert_eq!(without, text.replace("    list: [1, 2, 3],\n", ""));
    assert_eq!(Settings::unset(text, "models.none").unwrap(), None);
    assert_eq!(Settings::unset(text, "models.list[9]").unwrap(), None);
}

#[test]
fn shown_settings_have_no_secrets_and_no_other_programs_members() {
    let text = r#"{ gateway: { token: "sekret" }, channels: {}, models: { providers: {
        openai: { apiKey: "sekret" },
        "amazon-bedrock": { apiKey: "sekret", secretAccessKey: "sekret", headers: { "x-key": "sekret" },
            baseUrl: "https://${HOST}/v1", timeoutSeconds: { a: "sekret" }, families: [{ match: ["a"], key: "sekret" }],
            request: { auth: { mode: "header", headerName: "x", value: "sekret", password: "sekret" }, allowPlainHttp: true,
                proxy: { mode: "explicit-proxy", url: "http://u:sekret@p" } },
            models: [{ id: "a.b", token: "sekret", baseUrl: "https://u:sekret@h", headers: { k: "sekret" },
                thinkingLevelMap: { high: "max", low: { a: "sekret" } } }] } } },
        plugins: { entries: { "amazon-bedrock": { enabled: true, env: { A: "sekret" }, config: { key: "sekret" } } } },
        auth: { profiles: { a: { provider: "bedrock", mode: "aws-sdk", key: "sekret" }, b: { provider: "openai", mode: "sekret" } } },
        agents: { defaults: { workspace: "sekret", model: "a.b" } } }"#;
    let shown = Settings::sections(text).unwrap();
    assert_eq!(
        shown,
        serde_json::json!({
            "models": {"providers": {"amazon-bedrock": {
                "baseUrl": "https://${HOST}/v1",
                "families": [{"match": ["a"]}],
                "request": {"auth": {"mode": "header", "headerName": "x"}, "allowPlainHttp": true,
                    "proxy": {"mode": "explicit-proxy"}},
                "models": [{"id": "a.b", "thinkingLevelMap": {"high": "max"}}],
            }}},
            "plugins": {"entries": {"amazon-bedrock": {"enabled": true, "config": {}}}},
            "auth": {"profiles": {"a": {"provider": "bedrock", "mode": "aws-sdk"}}},
            "agents": {"defaults": {"model": "a.b"}},
        })
    );
}

#[test]
fn the_file_is_the_given_one_or_the_environments_or_the_platforms() {
    let folder = "/home/x/.config";
    let context = Context::fake().with_env("HOME", "/home/x").with_env("XDG_CONFIG_HOME", folder);
    let path =
        |context: &Context, given: Option<&str>| Settings::path(context, given.map(Path::new)).unwrap();
    assert_eq!(path(&context, None), Path::new("/home/x/.config/pumice/config.json5"));
    let named = context.clone().with_env("PUMICE_CONFIG", "/etc/p.json5");
    assert_eq!(path(&named, None), Path::new("/etc/p.json5"));
    assert_eq!(path(&named, Some("mine")), Path::new("mine"));

    assert_eq!(Settings::load(&context, None).unwrap(), Settings::default());
    for (context, given) in [(&named, None), (&context, Some("mine"))] {
        let error = Settings::load(context, given.map(Path::new)).unwrap_err();
        assert!(error.to_string().contains("no such file"), "{error}");
    }
    let there =
        context.with_file("/home/x/.config/pumice/config.json5", "{ models: { bedrockDiscovery: 1 } }");
    let error = Settings::load(&there, None).unwrap_err();
    assert!(error.to_string().starts_with("/home/x/.config/pumice/config.json5:1:31: "), "{error}");
}

/// The settings from a file with this text, in this environment.
fn loaded(text: &str, variables: &[(&str, &str)]) -> pumice::Result<Settings> {
    let world = Context::fake().with_file("/etc/s.json5", text);
    let world = variables.iter().fold(world, |world, (name, value)| world.with_env(*name, *value));
    Settings::load(&world, Some(Path::new("/etc/s.json5")))
}

#[test]
fn a_family_has_the_members_of_its_type() {
    let family = |member: &str| {
        let text = format!("{{models:{{providers:{{bedrock:{{families:[{{match:['x'],{member}}}]}}}}}}}}");
        Settings::parse("s", &text)
    };
    let settings = family("temperature:'never',defaultTierOnly:true,toolChoices:['auto'],images:7").unwrap();
    let read = serde_json::to_value(&settings.families).unwrap();
    let written = serde_json::json!([{
        "match": ["x"], "temperature": "never", "defaultTierOnly": true, "toolChoices": ["auto"], "images": 7
    }]);
    assert_eq!(read, written);
    for (member, fault) in [
        ("defaultTierOnly:1", "expected true or false, found 1"),
        ("defaultTiersOnly:true", "did you mean defaultTierOnly?"),
        ("temperature:'nver'", "did you mean \"never\"?"),
        ("thinking:'yes'", "\"reasoning\", \"reasoningConfig\" or \"reasoning_config\""),
        ("toolChoices:['auto','some']", "expected \"auto\", \"any\" or \"tool\", found \"some\""),
        ("toolChoices:'auto'", "expected a list"),
        ("images:-1", "a whole number"),
    ] {
        let error = family(member).unwrap_err().to_string();
        assert!(error.contains(fault), "{error}");
    }
}

#[test]
fn variables_of_the_environment_stand_in_texts() {
    let text = r#"{ models: { providers: { bedrock: {
        baseUrl: "https://${HOST}/v1",
        headers: { "x-a": "a ${A}", "x-b": { source: "env", provider: "default", id: "A" }, "x-c": "$${A}" },
    } } }, gateway: { token: "${NOBODYS}" } }"#;
    let settings = loaded(text, &[("HOST", "gate.example"), ("A", "1")]).unwrap();
    assert_eq!(settings.base_url.as_deref(), Some("https://gate.example/v1"));
    let header = |name| settings.headers.get(name).unwrap().to_owned();
    assert_eq!([header("X-A"), header("x-b"), header("x-c")], ["a 1", "1", "${A}"]);

    let fault = loaded(text, &[("A", "1")]).unwrap_err().to_string();
    assert!(
        fault.ends_with(
            "s.json5:2:18: models.providers.bedrock.baseUrl: the environment variable HOST is not set"
        ),
        "{fault}"
    );
    let fault = loaded(&text.replace("a ${A}", "a"), &[("HOST", "h")]).unwrap_err().to_string();
    assert!(fault.contains("headers.x-b: the environment variable A is not set"), "{fault}");
    // Editing the file does not need the variables in it.
    assert_eq!(Settings::parse("s", text).unwrap().base_url.as_deref(), Some("https://${HOST}/v1"));
}

#[test]
fn a_key_is_a_text_or_in_a_variable_and_may_be_missing() {
    let key = |key: &str, more: &str| {
        let text = format!("{{ models: {{ providers: {{ bedrock: {{ apiKey: {key}{more} }} }} }} }}");
        let settings = loaded(&text, &[("MY_KEY", "abc")]).unwrap();
        let warning =
            settings.warnings.first().map(|warning| warning.rsplit(": ").next().unwrap().to_owned());
        (settings.api_key.map(|key| key.token().to_owned()), warning)
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(key("'bedrock-api-key-1'", ""), (some("bedrock-api-key-1"), None));
    for found in ["'MY_KEY'", "'${MY_KEY}'", "{ source: 'env', id: 'MY_KEY' }"] {
        assert_eq!(key(found, ""), (some("abc"), None), "{found}");
        assert_eq!(key(found, ", auth: 'api-key'"), (some("abc"), None), "{found}");
        assert_eq!(key(found, ", auth: 'aws-sdk'"), (None, None), "{found}");
    }
    for missing in ["'NO_KEY'", "'${NO_KEY}'", "{ source: 'env', id: 'NO_KEY' }"] {
        let said = some("the environment variable NO_KEY is not set");
        assert_eq!(key(missing, ""), (None, said), "{missing}");
    }
    // OpenClaw writes such names as markers: they say where credentials are, and are no keys.
    assert_eq!(key("'AWS_PROFILE'", ""), (None, None));
    let file = key("{ source: 'file', provider: 'x', id: '/a' }", "");
    assert_eq!(file, (None, some("it has no effect")));
}

#[test]
fn members_without_effect_give_warnings_and_valid_ones_do_not() {
    let openclaws = r#"{
      auth: { profiles: { "openai:default": { provider: "openai", mode: "api_key" }, b: { provider: "bedrock", mode: "aws-sdk" } } },
      models: { providers: { "amazon-bedrock": {
        baseUrl: "https://bedrock-runtime.us-east-1.amazonaws.com", api: "bedrock-converse-stream", auth: "aws-sdk",
        authHeader: true, apiKey: "AWS_PROFILE", request: { allowPrivateNetwork: true, proxy: { mode: "env-proxy" } },
        models: [{ id: "a", name: "A", compat: { supportsStore: false }, params: { thinking: "low", topK: 1 } }],
      } } },
      agents: { defaults: { params: { temperature: 1, transport: "auto", serviceTier: "priority" } } },
    }"#;
    assert_eq!(settings(openclaws).warnings, [""; 0]);

    let warnings = |text: &str| settings(text).warnings.join("\n");
    for (text, said) in [
        (
            "{agents:{defaults:{params:{serviceTier:'auto'}}}}",
            "settings.json5:1:40: agents.defaults.params.serviceTier: expected \"default\", \"flex\", \"priority\" or \"reserved\", found \"auto\": it has no effect",
        ),
        ("{agents:{defaults:{params:{thinking:true}}}}", "or \"adaptive\", found true: it has no effect"),
        (
            "{auth:{profiles:{b:{provider:'bedrock',mode:'api_key'}}}}",
            "expected \"aws-sdk\", found \"api_key\": it has no effect",
        ),
        (
            "{models:{providers:{bedrock:{agentRuntime:{}}}}}",
            "agentRuntime: there is no such member here: it has no effect",
        ),
        (
            "{models:{providers:{bedrock:{models:[{id:'a',metadataSource:'x'}]}}}}",
            "models[0].metadataSource: there is no such",
        ),
        ("{models:{providers:{bedrock:{auth:'oauth'}}}}", "found \"oauth\": it has no effect"),
        (
            "{models:{providers:{bedrock:{headers:{'X-Amz-Date':'1'}}}}}",
            "headers.X-Amz-Date: it has no effect: the client sets such headers itself",
        ),
        (
            "{models:{providers:{bedrock:{models:[{id:'a',headers:{Authorization:'x'}}]}}}}",
            "the header authorization has no effect",
        ),
    ] {
        assert!(warnings(text).contains(said), "{text}\n{}", warnings(text));
    }
    let off = "{agents:{defaults:{params:{thinking:'low'},models:{'bedrock/a':{params:{thinking:'off'}}}}}}";
    let off = settings(off);
    assert_eq!((off.params("a").thinking, off.params("b").thinking.as_deref()), (None, Some("low")));

    // An unknown service tier is ignored, so the next source applies.
    let tier =
        settings("{agents:{defaults:{params:{serviceTier:'auto',service_tier:'flex'}}}}").params.service_tier;
    assert_eq!(tier.as_deref(), Some("flex"));
}

#[test]
fn a_model_may_have_an_endpoint_of_its_own() {
    let of_provider = "https://bedrock-runtime.us-west-2.amazonaws.com";
    let text = |own: &str| {
        format!(
            "{{ models: {{ providers: {{ bedrock: {{ baseUrl: '{of_provider}', models: [{{ id: 'a', baseUrl: '{own}', headers: {{ 'X-One': 'own', x: '1' }} }}], headers: {{ 'x-one': 'all', 'x-two': 'all' }} }} }} }} }}"
        )
    };
    let place = |own: &str, model| {
        let context =
            Context::fake().with_env("AWS_ACCESS_KEY_ID", "A").with_env("AWS_SECRET_ACCESS_KEY", "s");
        let config =
            settings(&text(own)).under(pumice::Config::new().context(context).header("x-two", "code"), model);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let identity = runtime.block_on(pumice::Client::new(config).identify()).unwrap();
        (identity.region.name().to_owned(), identity.runtime.url().to_owned())
    };
    let pair = |region: &str, url: &str| (region.to_owned(), url.to_owned());
    let gate = "http://localhost:8080/gate";
    assert_eq!(place(gate, None), pair("us-west-2", of_provider));
    assert_eq!(place(gate, Some("b")), pair("us-west-2", of_provider));
    assert_eq!(place(gate, Some("a")), pair("us-west-2", gate));
    let other = "https://bedrock-runtime.eu-west-1.amazonaws.com";
    assert_eq!(place(other, Some("a")), pair("eu-west-1", other));
}

#[test]
fn debug_output_of_settings_has_no_secret() {
    let text = r#"{ models: { providers: { bedrock: { apiKey: "sekret-1", headers: { a: "sekret-2" }, request: {
        headers: { b: "sekret-3" }, auth: { mode: "header", headerName: "c", value: "sekret-4" },
        proxy: { mode: "explicit-proxy", url: "http://u:sekret-5@p" }, tls: { cert: "c", key: "sekret-6" } },
        models: [{ id: "m", headers: { d: "sekret-7" } }] } } } }"#;
    let settings = settings(text);
    let config = settings.under(pumice::Config::new().context(Context::fake()), Some("m"));
    for shown in
        [format!("{settings:?}"), format!("{config:?}"), Settings::sections(text).unwrap().to_string()]
    {
        assert!(!shown.contains("sekret"), "{shown}");
    }
}
