//! Discovery: the rule over recorded responses, and the directory against a loopback server.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use support::shared;

use pumice::context::Context;
use pumice::foundation_model::{FoundationModelSummary, ListFoundationModelsResponse};
use pumice::inference_profile::ListInferenceProfilesResponse;
use pumice::models::{Directory, Inventory, Limits, Reason, catalog};
use pumice::shape::Blob;
use pumice::{Client, Config, ErrorKind};
use serde::de::DeserializeOwned;
use serde_json::json;
use support::server::{Answer, Server};

/// The body of a recorded response of the control plane.
fn captured<T: DeserializeOwned>(name: &str) -> T {
    let entries = std::fs::read_dir(shared::path("captures/control-plane")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    let path = paths.find(|path| path.file_name().unwrap().to_str().unwrap().contains(name)).unwrap();
    let exchange = serde_json::from_slice::<serde_json::Value>(&std::fs::read(path).unwrap()).unwrap();
    let body = Blob::from_base64(exchange["response"]["body_b64"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&body.0).unwrap()
}

fn captured_models() -> Vec<FoundationModelSummary> {
    captured::<ListFoundationModelsResponse>("output_structure").model_summaries.unwrap()
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn models_of_a_real_list_are_callable_or_have_a_reason() {
    let models = captured_models();
    let profiles = captured::<ListInferenceProfilesResponse>("list-inference-profiles")
        .inference_profile_summaries
        .unwrap();
    let count = models.len();
    let alone = Inventory::new(0u64, models.clone());
    let callable = alone.candidates().iter().filter(|candidate| candidate.reason.is_none()).count();
    // On demand, active, streaming, responding in text: 46, of which one reads only speech.
    assert_eq!((count, alone.candidates().len(), callable), (135, 135, 45));

    let both = Inventory::new(0u64, models).inference_profiles(profiles);
    let candidates = both.candidates();
    let named = |id: &str| candidates.iter().find(|candidate| candidate.id == id).unwrap();
    assert_eq!(named("us.anthropic.claude-sonnet-4-20250514-v1:0").reason, None);
    let bare = named("anthropic.claude-sonnet-4-20250514-v1:0");
    assert_eq!(bare.reason, Some(Reason::NotOnDemand));
    assert_eq!(bare.served_by, ["us.anthropic.claude-sonnet-4-20250514-v1:0"]);
    assert_eq!(named("amazon.nova-2-sonic-v1:0").reason, Some(Reason::ReadsNoText));
    assert_eq!(
        named("amazon.nova-premier-v1:0:1000k").reason.clone().map(|o| o.to_string()),
        Some("the model takes no calls on demand under its own id".into())
    );
    for candidate in &candidates {
        let on_demand = candidate.profile.is_some()
            || candidate
                .model
                .unwrap()
                .inference_types_supported
                .iter()
                .flatten()
                .any(|t| t.as_str() == "ON_DEMAND");
        let status = candidate.model.and_then(|model| model.model_lifecycle.clone()?.status);
        let active = status.is_some_and(|status| status.as_str() == "ACTIVE");
        assert!(candidate.reason.is_some() || on_demand && active, "{}", candidate.id);
    }
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn the_api_takes_precedence_over_the_catalog() {
    let inventory = Inventory::new(0u64, captured_models());
    let candidates = inventory.candidates();
    let info = |id: &str| candidates.iter().find(|candidate| candidate.id == id).unwrap().info();
    let sonnet = info("anthropic.claude-sonnet-4-20250514-v1:0");
    assert_eq!((sonnet.context_window, sonnet.max_tokens), (Some(200_000), Some(65_536)));
    assert_eq!((sonnet.reasoning, sonnet.images), (Some(true), Some(true)));
    assert_eq!(sonnet.cost.unwrap().output, Some(15.0));
    assert_eq!(sonnet.provider.as_deref(), Some("Anthropic"));
    assert_eq!(info("deepseek.v3-v1:0").context_window, Some(163_840));
    assert_eq!(info("google.gemma-3-4b-it").max_tokens, Some(131_072));
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn all_of_the_published_catalogue_is_known_with_the_same_figures() {
    let table = std::fs::read_to_string(shared::path("vectors/catalog.tsv")).unwrap();
    let mut lines = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let at = |name: &str| head.iter().position(|found| *found == name).unwrap();
    let mut count = 0;
    for line in lines {
        let info = &catalog::find(line[at("id")]).unwrap().info;
        let number = |name: &str| Some(line[at(name)].parse::<f64>().unwrap());
        assert_eq!(info.context_window.unwrap().to_string(), line[at("ctx")], "{}", line[0]);
        assert_eq!(info.max_tokens.unwrap().to_string(), line[at("max")], "{}", line[0]);
        let cost = info.cost.as_ref().unwrap();
        assert_eq!((cost.input, cost.output), (number("cost_in"), number("cost_out")), "{}", line[0]);
        assert_eq!((cost.cache_read, cost.cache_write), (number("cache_read"), number("cache_write")));
        assert_eq!(
            (info.reasoning, info.images),
            (Some(line[at("reasoning")] == "True"), Some(line[at("input")].contains("image")))
        );
        assert_eq!(cost.tiers.is_none(), line[at("tiers")].is_empty(), "{}", line[0]);
        assert_eq!(info.strict_tools, Some(line[at("strict")] == "True"), "{}", line[0]);
        assert_eq!(info.thinking_levels.is_empty(), line[at("thinkingLevelMap")].is_empty(), "{}", line[0]);
        count += 1;
    }
    assert_eq!(count, 202);
}

pub(crate) fn model(id: &str, change: &[(&str, serde_json::Value)]) -> serde_json::Value {
    let mut model = serde_json::json!({
        "modelId": id,
        "modelName": "A model",
        "providerName": "Maker",
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": true,
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"},
    });
    for (name, value) in change {
        model[*name] = value.clone();
    }
    model
}

pub(crate) fn profile(id: &str, base: &str, change: &[(&str, serde_json::Value)]) -> serde_json::Value {
    let mut profile = serde_json::json!({
        "inferenceProfileId": id,
        "inferenceProfileArn": format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/{id}"),
        "inferenceProfileName": "A profile",
        "models": [{"modelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{base}")}],
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    });
    for (name, value) in change {
        profile[*name] = value.clone();
    }
    profile
}

fn inventory(models: &[serde_json::Value], profiles: &[serde_json::Value]) -> Inventory {
    let whole = serde_json::json!({"fetched": 0, "foundationModels": models, "inferenceProfiles": profiles});
    serde_json::from_value(whole).unwrap()
}

#[test]
fn each_condition_of_the_rule_counts() {
    use serde_json::{Value, json};
    let reason = |change: (&str, Value)| {
        let inventory = inventory(&[model("m.one", &[change])], &[profile("us.m.one", "m.one", &[])]);
        let candidates = inventory.candidates();
        assert_eq!((candidates[0].id, candidates[1].id), ("m.one", "us.m.one"));
        (candidates[0].reason.clone(), candidates[1].reason.clone())
    };
    let both = |reason: Reason| (Some(reason.clone()), Some(reason));
    assert_eq!(reason(("modelName", json!("x"))), (None, None));
    assert_eq!(
        reason(("modelLifecycle", json!({"status": "LEGACY"}))),
        both(Reason::NotActive(Some("LEGACY".into())))
    );
    assert_eq!(reason(("modelLifecycle", Value::Null)), both(Reason::NotActive(None)));
    assert_eq!(reason(("outputModalities", json!(["IMAGE"]))), both(Reason::WritesNoText));
    assert_eq!(reason(("inputModalities", json!(["SPEECH"]))), both(Reason::ReadsNoText));
    assert_eq!(reason(("responseStreamingSupported", json!(false))), both(Reason::NoStream));
    assert_eq!(reason(("responseStreamingSupported", Value::Null)), both(Reason::NoStream));
    assert_eq!(
        reason(("inferenceTypesSupported", json!(["INFERENCE_PROFILE"]))),
        (Some(Reason::NotOnDemand), None)
    );
    assert_eq!(
        reason(("inferenceTypesSupported", json!(["PROVISIONED"]))),
        (Some(Reason::NotOnDemand), None)
    );
    assert_eq!(reason(("inferenceTypesSupported", json!([]))), (Some(Reason::NotOnDemand), None));
    assert_eq!(reason(("inferenceTypesSupported", json!(["PROVISIONED", "ON_DEMAND"]))), (None, None));

    let of_profile = |base: &str, change: &[(&str, Value)]| {
        let inventory = inventory(&[model("m.one", &[])], &[profile("us.m.one", base, change)]);
        inventory.candidates()[1].reason.clone()
    };
    assert_eq!(of_profile("m.one", &[]), None);
    assert_eq!(of_profile("m.two", &[]), Some(Reason::ModelNotListed));
    assert_eq!(of_profile("m.one", &[("models", json!([]))]), Some(Reason::ModelNotListed));
    assert_eq!(
        of_profile("m.one", &[("status", json!("NEW"))]),
        Some(Reason::ProfileNotActive(Some("NEW".into())))
    );
}

#[test]
fn each_id_is_looked_up_and_not_searched_for() {
    // A quadratic algorithm would make billions of comparisons.
    const MANY: usize = 30_000;
    let one = serde_json::to_string(&model("m.@", &[])).unwrap();
    let two = serde_json::to_string(&profile("us.m.@", "m.@", &[])).unwrap();
    let list = |of: &str| {
        let of = |number: usize| of.replace('@', &(number % MANY).to_string());
        // Each is listed twice.
        (0..2 * MANY).map(of).collect::<Vec<_>>().join(",")
    };
    let text = format!(
        r#"{{"fetched":0,"foundationModels":[{}],"inferenceProfiles":[{}]}}"#,
        list(&one),
        list(&two)
    );
    let inventory = serde_json::from_str::<Inventory>(&text).unwrap();
    let candidates = inventory.candidates();
    assert_eq!(candidates.len(), 2 * MANY);
    for (number, candidate) in candidates.iter().enumerate() {
        match number.checked_sub(MANY) {
            None => assert_eq!(candidate.served_by, [format!("us.m.{number}")]),
            Some(number) => assert_eq!(candidate.base_id(), Some(format!("m.{number}").as_str())),
        }
        assert_eq!(candidate.reason, None);
    }
}

#[test]
fn a_profile_of_an_application_is_called_by_its_arn_and_known_by_its_model() {
    let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3";
    let ours = profile(
        "a1b2c3",
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        &[
            ("type", "APPLICATION".into()),
            ("inferenceProfileArn", arn.into()),
            ("inferenceProfileName", "ours".into()),
        ],
    );
    let inventory =
        inventory(&[model("anthropic.claude-sonnet-4-5-20250929-v1:0", &[])], &[ours.clone(), ours]);
    let candidates = inventory.candidates();
    assert_eq!(
        candidates.iter().map(|candidate| candidate.id).collect::<Vec<_>>(),
        ["anthropic.claude-sonnet-4-5-20250929-v1:0", arn]
    );
    let known = candidates[1].info().model(arn, Limits::default());
    assert_eq!((known.name.as_str(), known.context_window, known.reasoning), ("ours", 200_000, true));
    assert!(known.is_of("anthropic") && known.is_of("maker"));
    assert_eq!(candidates[0].served_by, [arn]);
}

fn models_answer(ids: &[&str]) -> Answer {
    let models = ids.iter().map(|id| model(id, &[])).collect::<Vec<_>>();
    Answer::whole(200, serde_json::json!({ "modelSummaries": models }).to_string())
        .only_for("/foundation-models")
}

pub(crate) fn profiles_answer(part: &str, profiles: &[serde_json::Value], next: Option<&str>) -> Answer {
    let body = serde_json::json!({ "inferenceProfileSummaries": profiles, "nextToken": next });
    Answer::whole(200, body.to_string()).only_for(part)
}

/// A fake world with a clock that the test sets, keys, and one attempt per call.
pub(crate) fn world(server: &Server, clock: &Arc<AtomicU64>) -> Context {
    let clock = Arc::clone(clock);
    Context::fake()
        .with_env("HOME", "/home/made")
        .with_env("AWS_ACCESS_KEY_ID", "AKIDTEST")
        .with_env("AWS_SECRET_ACCESS_KEY", "sekret-key")
        .with_env("AWS_ENDPOINT_URL_BEDROCK", &server.url)
        .with_env("AWS_MAX_ATTEMPTS", "1")
        .with_clock(move || SystemTime::UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed)))
}

fn directory(context: &Context) -> Directory {
    let timeout = Duration::from_millis(500);
    let config = Config::new().context(context.clone()).first_byte_timeout(timeout).idle_timeout(timeout);
    Directory::new(Client::new(config))
}

fn ids(inventory: &Inventory) -> BTreeSet<String> {
    inventory.candidates().iter().map(|candidate| candidate.id.to_owned()).collect()
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn every_page_of_both_kinds_is_asked_for_and_kept_for_an_hour() {
    let server = Server::start([
        models_answer(&["m.one"]),
        profiles_answer("nextToken=p2", &[profile("eu.m.one", "m.one", &[])], None),
        profiles_answer("type=SYSTEM_DEFINED HTTP", &[profile("us.m.one", "m.one", &[])], Some("p2")),
        profiles_answer("type=APPLICATION", &[], None),
    ]);
    let clock = Arc::new(AtomicU64::new(1_000_000));
    let context = world(&server, &clock);
    let listing = directory(&context).list(false).await.unwrap();
    assert_eq!(ids(&listing.inventory), set(&["m.one", "us.m.one", "eu.m.one"]));
    assert!(listing.outdated.is_none() && listing.without_profiles.is_none());
    assert_eq!(listing.inventory.fetched, 1_000_000);
    assert_eq!(server.requests().len(), 4);

    // Another process with the same identity uses the cache; with another identity, region or age it does not.
    clock.store(1_003_599, Ordering::Relaxed);
    assert_eq!(ids(&directory(&context).list(false).await.unwrap().inventory).len(), 3);
    assert_eq!(server.requests().len(), 4);
    clock.store(1_003_600, Ordering::Relaxed);
    directory(&context).list(false).await.unwrap();
    assert_eq!(server.requests().len(), 8);
    let listing = directory(&context).list(true).await.unwrap();
    assert_eq!((ids(&listing.inventory).len(), server.requests().len()), (3, 12));
    assert!(listing.outdated.is_none());
    for (other, value) in [
        ("AWS_ACCESS_KEY_ID", "AKIDOTHER"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_BEARER_TOKEN_BEDROCK", "sekret-one"),
        ("AWS_BEARER_TOKEN_BEDROCK", "sekret-two"),
    ] {
        let before = server.requests().len();
        let listing = directory(&context.clone().with_env(other, value)).list(false).await.unwrap();
        assert!(listing.outdated.is_none() && listing.without_profiles.is_none(), "{other}");
        assert_eq!(server.requests().len(), before + 4, "{other}");
    }
    assert!(!format!("{context:?}").contains("sekret"));

    // Without a cache folder, nothing is read or written.
    let none = Directory::with_refresh_interval(Client::new(Config::new().context(context)), Duration::ZERO);
    let before = server.requests().len();
    none.list(false).await.unwrap();
    none.list(false).await.unwrap();
    assert_eq!(server.requests().len(), before + 8);
}

#[tokio::test]
async fn without_the_right_to_list_profiles_there_are_models_alone() {
    let denied = || {
        Answer::refusal(
            403,
            "AccessDeniedException",
            "not authorized to perform: bedrock:ListInferenceProfiles",
        )
        .only_for("/inference-profiles")
    };
    let server = Server::start([models_answer(&["m.one"]), denied()]);
    let clock = Arc::new(AtomicU64::new(1_000_000));
    let context = world(&server, &clock);
    for _ in 0..2 {
        // The second list is the cached one, and says so too.
        let listing = directory(&context).list(false).await.unwrap();
        assert_eq!(ids(&listing.inventory), set(&["m.one"]));
        assert_eq!(listing.without_profiles.as_ref().unwrap().kind(), ErrorKind::AccessDenied);
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn profiles_that_fail_for_a_while_are_asked_for_again() {
    let busy = Answer::refusal(503, "ServiceUnavailableException", "busy").only_for("type=APPLICATION");
    let server = Server::start([
        models_answer(&["m.one"]),
        busy,
        profiles_answer("/inference-profiles", &[profile("us.m.one", "m.one", &[])], None),
    ]);
    let clock = Arc::new(AtomicU64::new(1_000_000));
    let context = world(&server, &clock);
    let listing = directory(&context).list(false).await.unwrap();
    assert_eq!(ids(&listing.inventory), set(&["m.one"]));
    assert_eq!(listing.without_profiles.as_ref().map(pumice::Error::kind), Some(ErrorKind::Unavailable));
    let listing = directory(&context).list(false).await.unwrap();
    assert_eq!(ids(&listing.inventory), set(&["m.one", "us.m.one"]));
    assert!(listing.without_profiles.is_none());
}

#[tokio::test]
async fn a_failed_refresh_uses_the_cached_list_and_says_so() {
    let hang = || {
        // This gate stays closed.
        let (answer, gate) = Answer::whole(200, "").gate();
        std::mem::forget(gate);
        answer
    };
    let failures: [(&dyn Fn() -> Answer, ErrorKind); 10] = [
        (&|| Answer::refusal(403, "AccessDeniedException", "no"), ErrorKind::AccessDenied),
        (&|| Answer::refusal(429, "ThrottlingException", "slow down"), ErrorKind::Throttled),
        (&|| Answer::whole(200, "{\"modelSummaries\":[{"), ErrorKind::Damaged),
        (&|| Answer::whole(200, r#"{"message":"Forbidden"}"#), ErrorKind::Damaged),
        (&|| Answer::whole(200, "{}"), ErrorKind::Damaged),
        (&|| Answer::whole(200, r#"{"modelSummaries":"x"}"#), ErrorKind::Damaged),
        (&|| Answer::whole(200, r#"{"modelSummaries":{"modelId":"m.two"}}"#), ErrorKind::Damaged),
        (&|| Answer::whole(200, r#"{"modelSummaries":["m.two"]}"#), ErrorKind::Damaged),
        (&|| Answer::whole(200, "[").cut(), ErrorKind::BrokenOff),
        (&hang, ErrorKind::Timeout),
    ];
    let clock = Arc::new(AtomicU64::new(1_000_000));
    for (failure, kind) in failures {
        let failure = || failure().only_for("/foundation-models");
        let none = || profiles_answer("/inference-profiles", &[], None);
        let server = Server::start([models_answer(&["m.one"]), failure(), none()]);
        let kept = directory(&world(&server, &clock));
        assert_eq!(ids(&kept.list(false).await.unwrap().inventory), set(&["m.one"]));
        let listing = kept.list(true).await.unwrap();
        assert_eq!(listing.outdated.as_ref().map(pumice::Error::kind), Some(kind));
        assert_eq!(ids(&listing.inventory), set(&["m.one"]));

        // Without a cached list, the call fails.
        let server = Server::start([failure(), none()]);
        let error = directory(&world(&server, &clock)).list(false).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

#[tokio::test]
async fn a_damaged_file_is_replaced() {
    let server =
        Server::start([models_answer(&["m.one"]), profiles_answer("/inference-profiles", &[], None)]);
    let clock = Arc::new(AtomicU64::new(1_000_000));
    let context = world(&server, &clock);
    directory(&context).list(false).await.unwrap();
    let name = format!("{context:?}");
    let path = name.split('"').find(|part| part.contains("models-us-east-1-")).unwrap().to_owned();
    let whole = context.read_file(Path::new(&path)).unwrap().unwrap();
    assert_eq!(server.requests().len(), 3);
    for (damaged, asked) in
        [(&whole[..], 3), (&whole[..whole.len() / 2], 6), (b"", 9), (b"[]", 12), (b"{\"fetched\":1}", 15)]
    {
        let context = context.clone().with_file(&path, damaged);
        assert_eq!(ids(&directory(&context).list(false).await.unwrap().inventory), set(&["m.one"]));
        assert_eq!(server.requests().len(), asked);
        assert_eq!(context.read_file(Path::new(&path)).unwrap().unwrap(), whole);
    }
}

#[tokio::test]
async fn callers_of_the_same_list_share_one_outcome() {
    for (status, ok) in [(200, true), (403, false)] {
        let (answer, gate) = Answer::default().status(status).gate();
        let body = serde_json::json!({"modelSummaries": [model("m.one", &[])]}).to_string();
        let server = Server::start([
            answer.chunk(body).only_for("/foundation-models"),
            profiles_answer("/inference-profiles", &[], None),
        ]);
        let clock = Arc::new(AtomicU64::new(1_000_000));
        let directory = Directory::new(Client::new(Config::new().context(world(&server, &clock))));
        let waiting = (0..5)
            .map(|_| {
                let directory = directory.clone();
                tokio::spawn(async move { directory.list(true).await })
            })
            .collect::<Vec<_>>();
        tokio::task::yield_now().await;
        gate.send(()).unwrap();
        let mut outcomes = Vec::new();
        for outcome in waiting {
            outcomes.push(outcome.await.unwrap());
        }
        assert_eq!(server.requests().len(), 3);
        for outcome in &outcomes {
            match (outcome, &outcomes[0]) {
                (Ok(one), Ok(other)) => assert!(ok && Arc::ptr_eq(one, other)),
                (Err(one), Err(other)) => assert!(!ok && one.to_string() == other.to_string()),
                _ => panic!("expected one outcome"),
            }
        }
    }
}

#[tokio::test]
async fn a_profile_that_is_not_listed_is_asked_for_once() {
    let arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/1arbu5hu2sjr";
    let base = "anthropic.claude-haiku-4-5-20251001-v1:0";
    let model =
        |region: &str| json!({ "modelArn": format!("arn:aws:bedrock:{region}::foundation-model/{base}") });
    let body = json!({
        "inferenceProfileArn": arn,
        "inferenceProfileId": "1arbu5hu2sjr",
        "inferenceProfileName": "costs",
        "models": [model(""), model("us-east-1")],
        "status": "ACTIVE",
        "type": "APPLICATION",
    });
    let server = Server::start([
        models_answer(&["m.one"]),
        Answer::whole(200, body.to_string()).only_for("/inference-profiles/arn%3A"),
        profiles_answer("/inference-profiles?", &[], None),
    ]);
    let clock = Arc::new(AtomicU64::new(1_000_000));
    let context = world(&server, &clock);
    let directory = directory(&context);
    directory.list(false).await.unwrap();
    let before = server.requests().len();
    for _ in 0..2 {
        assert_eq!(directory.base_of(arn).await.unwrap().as_deref(), Some(base));
    }
    assert_eq!(server.requests().len(), before + 1);
    // A new list keeps the profiles that were requested one by one.
    directory.list(true).await.unwrap();
    let before = server.requests().len();
    directory.base_of(arn).await.unwrap();
    assert_eq!(server.requests().len(), before);
}
