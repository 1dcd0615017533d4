//! The list of callable models, from service, catalog and settings, and the model that a call uses.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pumice::context::Context;
use pumice::count_tokens::{ConverseTokensRequest, CountTokensInput, CountTokensRequest};
use pumice::credentials::{Credentials, CredentialsFuture, ProvideCredentials, Resolved};
use pumice::models::{Reason, is_unavailable, is_unknown_model};
use pumice::settings::{Clients, Exclusion, ModelList, ModelQuery, ModelSource, Settings};
use pumice::{Config, Error, ErrorKind};
use serde_json::json;
use support::server::{Answer, Server};

use crate::models::{model, profile, profiles_answer, world};

const APPLICATION: &str = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/1arbu5hu2sjr";

const M_ONE: &str = "arn:aws:bedrock:us-east-1::foundation-model/m.one";
const US_M_TWO: &str = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.m.two";

/// A control plane with three models, of which one is callable by its own id and one through a profile.
fn control() -> Server {
    let base = json!({ "modelArn": M_ONE });
    let application = json!({
        "inferenceProfileArn": APPLICATION,
        "inferenceProfileId": "1arbu5hu2sjr",
        "inferenceProfileName": "costs",
        "models": [base],
        "status": "ACTIVE",
        "type": "APPLICATION",
    });
    let other = [("inferenceTypesSupported", json!(["INFERENCE_PROFILE"]))];
    let old = [("modelLifecycle", json!({"status": "LEGACY"})), ("providerName", json!("Other"))];
    let models =
        [model("m.one", &[("modelArn", json!(M_ONE))]), model("m.two", &other), model("o.old", &old)];
    Server::start([
        Answer::whole(200, json!({"modelSummaries": models}).to_string()).only_for("/foundation-models"),
        Answer::whole(200, application.to_string()).only_for("/inference-profiles/arn%3A"),
        profiles_answer("type=SYSTEM", &[profile("us.m.two", "m.two", &[])], None),
        profiles_answer("type=APPLICATION", &[], None),
    ])
}

fn clients(context: &Context, text: &str) -> Clients {
    let settings = Settings::parse("settings.json5", text).unwrap();
    Clients::new(Config::new().context(context.clone()), settings)
}

async fn list(context: &Context, text: &str, query: &ModelQuery) -> pumice::Result<ModelList> {
    let clients = clients(context, text);
    let directory = clients.settings().directory(clients.common().clone());
    clients.settings().list_models(&directory, query).await
}

fn ids(list: &ModelList) -> Vec<&str> {
    list.models.iter().map(|listed| listed.model.id.as_str()).collect()
}

fn at_noon() -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(1_000_000))
}

const SETTINGS: &str = r#"{ models: { mode: "merge", providers: { "amazon-bedrock": { models: [
    { id: "mine", name: "Mine" },
    { id: "m.one", contextWindow: 7000 },
] } } } }"#;

#[tokio::test]
async fn the_list_is_of_settings_and_service_together() {
    let server = control();
    let context = world(&server, &at_noon());
    let callable = list(&context, SETTINGS, &ModelQuery::default()).await.unwrap();
    assert_eq!(ids(&callable), ["mine", "m.one", "us.m.two"]);
    let [mine, one, profile] = callable.models.as_slice() else { panic!("{callable:?}") };
    assert_eq!((mine.source, mine.is_callable()), (ModelSource::Settings, None));
    assert_eq!(mine.key(), "amazon-bedrock/mine");
    // Settings take precedence over the service.
    assert_eq!((one.source, one.is_callable()), (ModelSource::Settings, Some(true)));
    assert_eq!((one.model.context_window, one.model.name.as_str()), (7000, "A model"));
    assert_eq!((profile.source, profile.is_callable()), (ModelSource::Service, Some(true)));
    assert_eq!(
        (profile.model.base.as_deref(), profile.regions.join(" ")),
        (Some("m.two"), "us-east-1".into())
    );

    let all = list(&context, SETTINGS, &ModelQuery { all: true, ..ModelQuery::default() }).await.unwrap();
    let of = |id: &str| all.get(id).unwrap();
    assert_eq!(of("m.two").reason, Some(Reason::NotOnDemand));
    assert_eq!(of("m.two").served_by, ["us.m.two"]);
    assert_eq!((of("o.old").is_callable(), of("o.old").status.as_deref()), (Some(false), Some("LEGACY")));
    assert_eq!(all.models.len(), 5);

    let local = list(&context, SETTINGS, &ModelQuery { local: true, ..ModelQuery::default() }).await.unwrap();
    assert_eq!((ids(&local), local.listing.is_none()), (vec!["mine", "m.one"], true));
}

#[tokio::test]
async fn models_that_the_settings_exclude_are_not_requested_or_have_a_reason() {
    let server = control();
    let context = world(&server, &at_noon());
    let replacing = SETTINGS.replace("merge", "replace");
    for text in [&replacing, "{ models: { bedrockDiscovery: { enabled: false } } }"] {
        list(&context, text, &ModelQuery::default()).await.unwrap();
        assert!(server.requests().is_empty(), "{text}");
    }
    let all = ModelQuery { all: true, ..ModelQuery::default() };
    let listed = list(&context, &replacing, &all).await.unwrap();
    assert_eq!(listed.get("us.m.two").unwrap().exclusion, Some(Exclusion::Replaced));

    let filter = r#"{ models: { bedrockDiscovery: { providerFilter: [" other "] } } }"#;
    let listed = list(&context, filter, &all).await.unwrap();
    assert_eq!(listed.get("m.one").unwrap().exclusion, Some(Exclusion::ProviderFilter));
    assert_eq!(listed.get("o.old").unwrap().exclusion, None);
    assert_eq!(ids(&list(&context, filter, &ModelQuery::default()).await.unwrap()), Vec::<&str>::new());
}

#[tokio::test]
async fn one_model_is_listed_if_anything_is_known_of_it() {
    let server = control();
    let context = world(&server, &at_noon());
    let one = async |id: &str| {
        let query = ModelQuery { model: Some(id.to_owned()), ..ModelQuery::default() };
        list(&context, "{}", &query).await.unwrap().get(id).cloned()
    };
    // The cached list does not have this application inference profile, so the service is asked.
    let application = one(APPLICATION).await.unwrap();
    assert_eq!(application.source, ModelSource::Service);
    assert_eq!((application.model.base.as_deref(), application.reason), (Some("m.one"), None));
    let other_region = one("anthropic.claude-haiku-4-5-20251001-v1:0").await.unwrap();
    assert_eq!(other_region.source, ModelSource::Catalog);
    assert_eq!((other_region.reason, other_region.status), (Some(Reason::NotListed), None));
    // An ARN stands for what the list has under its id. Another one may be of another region.
    for (arn, base) in [(M_ONE, "m.one"), (US_M_TWO, "m.two")] {
        let by_arn = one(arn).await.unwrap();
        assert_eq!((by_arn.source, by_arn.model.base.as_deref()), (ModelSource::Service, Some(base)));
        assert_eq!(by_arn.is_callable(), Some(true), "{arn}");
    }
    let arn = "arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0";
    assert_eq!(one(arn).await.unwrap().is_callable(), None);
    // A model that cannot be called is listed if it is named.
    assert_eq!(one("m.two").await.unwrap().reason, Some(Reason::NotOnDemand));
    assert_eq!(one("no.such-model").await, None);
}

#[tokio::test]
async fn a_failure_is_an_error_unless_there_is_something_to_list_without_the_service() {
    let refusal = || Answer::refusal(403, "AccessDeniedException", "no");
    let context = world(&Server::start([refusal()]), &at_noon());
    let failure = list(&context, "{}", &ModelQuery::default()).await.unwrap_err();
    assert_eq!(failure.kind(), ErrorKind::AccessDenied);
    let listed = list(&context, SETTINGS, &ModelQuery::default()).await.unwrap();
    assert_eq!(ids(&listed), ["mine", "m.one"]);
    assert_eq!(listed.failure.as_ref().map(Error::kind), Some(ErrorKind::AccessDenied));

    let known = |id: &str| ModelQuery { model: Some(id.to_owned()), ..ModelQuery::default() };
    let listed = list(&context, "{}", &known("anthropic.claude-haiku-4-5-20251001-v1:0")).await.unwrap();
    assert_eq!((listed.models.len(), listed.models[0].reason.clone()), (1, None));
    assert!(list(&context, "{}", &known("no.such-model")).await.is_err());
    assert!(list(&context, SETTINGS, &known("no.such-model")).await.is_err());
}

#[tokio::test]
async fn the_nearest_ids_are_callable_ones_of_the_cached_list() {
    let mut models =
        ["m.one-v1", "m.one-v2", "m.one-v3", "m.one-v44", "other"].map(|id| model(id, &[])).to_vec();
    models.push(model("m.one-v46", &[("modelLifecycle", json!({"status": "LEGACY"}))]));
    let server = Server::start([
        Answer::whole(200, json!({"modelSummaries": models}).to_string()).only_for("/foundation-models"),
        profiles_answer("/inference-profiles", &[], None),
    ]);
    let context = world(&server, &at_noon());
    let clients = clients(&context, "{}");
    let directory = clients.settings().directory(clients.common().clone());
    assert_eq!(directory.nearest("m.one-v1").await, Vec::<String>::new());
    assert!(server.requests().is_empty());
    directory.list(false).await.unwrap();
    assert_eq!(directory.nearest("m.one-v45").await, ["m.one-v44", "m.one-v1", "m.one-v2"]);
    assert_eq!(directory.nearest("nothing-like-it").await, Vec::<String>::new());
}

#[test]
fn a_model_is_chosen_by_name_or_by_the_settings_with_fallbacks() {
    let text = r#"{ agents: { defaults: {
        model: { primary: "bedrock/m.one", fallbacks: ["openai/gpt-9", "Second", "m.three"] },
        models: { "amazon-bedrock/m.two": { alias: "second" } },
    } } }"#;
    let settings = Settings::parse("settings.json5", text).unwrap();
    let unavailable = Error::new(ErrorKind::Throttled, "slow down");
    let wrong = Error::new(ErrorKind::Validation, "messages: expected at least one");
    for blank in [None, Some(" ")] {
        let mut choice = settings.choose(blank).unwrap().unwrap();
        assert_eq!(choice.model(), "m.one");
        assert!(!choice.fall_back(&wrong) && choice.model() == "m.one");
        assert!(choice.fall_back(&unavailable) && choice.model() == "m.two");
        assert!(choice.fall_back(&unavailable) && choice.model() == "m.three");
        assert!(!choice.fall_back(&unavailable) && choice.model() == "m.three");
    }
    // A named model has no fallbacks.
    let mut named = settings.choose(Some(" SECOND ")).unwrap().unwrap();
    assert_eq!(named.model(), "m.two");
    assert!(!named.fall_back(&unavailable));
    assert_eq!(settings.choose(Some("openai/gpt-9")).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(Settings::default().choose(None).unwrap(), None);
}

#[test]
fn errors_distinguish_a_faulty_model_from_a_faulty_request() {
    use ErrorKind::{
        AccessDenied, BrokenOff, Connect, Credentials, Damaged, Internal, InvalidInput, ModelError,
        ModelNotReady, ModelTimeout, NotFound, QuotaExceeded, Recording, Service, Throttled, Timeout,
        Unavailable, Validation,
    };
    for kind in [
        AccessDenied,
        BrokenOff,
        Connect,
        Internal,
        ModelError,
        ModelNotReady,
        ModelTimeout,
        NotFound,
        QuotaExceeded,
        Throttled,
        Timeout,
        Unavailable,
    ] {
        assert!(is_unavailable(&Error::new(kind, "m")), "{kind:?}");
    }
    for kind in [Credentials, Damaged, InvalidInput, Recording, Service, Validation] {
        assert!(!is_unavailable(&Error::new(kind, "m")), "{kind:?}");
    }
    for (message, is_unknown) in [
        ("The provided model identifier is invalid.", true),
        ("Retry your request with the ID or ARN of an inference profile that contains this model.", false),
        ("Invocation of model ID x with on-demand throughput isn’t supported.", false),
        ("This model version has reached the end of its life.", false),
    ] {
        let error = Error::new(Validation, message);
        assert!(is_unavailable(&error), "{message}");
        assert_eq!(is_unknown_model(&error), is_unknown, "{message}");
    }
    for (message, is_unknown) in [
        ("Could not resolve the foundation model from the provided model identifier.", true),
        ("Model use case details have not been submitted for this account.", false),
        ("This Model is marked by provider as Legacy.", false),
        ("The guardrail does not exist.", false),
    ] {
        assert_eq!(is_unknown_model(&Error::new(NotFound, message)), is_unknown, "{message}");
    }
}

/// Provides the same keys each time, and counts the calls.
#[derive(Debug, Clone, Default)]
struct Counting(Arc<AtomicU64>);

impl ProvideCredentials for Counting {
    fn provide(&self) -> CredentialsFuture<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Ok(Resolved::new(Credentials::keys("AKID", "secret", None), "test")) })
    }
}

#[tokio::test]
async fn a_model_with_an_endpoint_of_its_own_keeps_its_client() {
    let answer = || Answer::whole(200, r#"{"inputTokens": 1}"#);
    let (common, own) = (Server::start([answer()]), Server::start([answer()]));
    let text = format!(
        r#"{{ models: {{ providers: {{ "amazon-bedrock": {{ baseUrl: "{}", models: [
            {{ id: "mine", baseUrl: "{}" }}, {{ id: "m.one" }},
        ] }} }} }} }}"#,
        common.url, own.url
    );
    let counting = Counting::default();
    let config = Config::new().context(Context::fake()).credentials(counting.clone());
    let clients = Clients::new(config, Settings::parse("settings.json5", &text).unwrap());
    for model in ["mine", "m.one", "mine", "not.configured"] {
        let request =
            CountTokensRequest::new(model, CountTokensInput::Converse(ConverseTokensRequest::default()));
        clients.of(model).count_tokens(&request).await.unwrap();
    }
    let models = |server: &Server| {
        let of = |line: &str| line.split('/').nth(2).unwrap_or_default().to_owned();
        server.requests().iter().map(|request| of(&request.line)).collect::<Vec<_>>()
    };
    assert_eq!(models(&own), ["mine", "mine"]);
    assert_eq!(models(&common), ["m.one", "not.configured"]);
    // The credentials are looked up once for each client.
    assert_eq!(counting.0.load(Ordering::Relaxed), 2);
}
