//! What `pumice models list` does with a list that is kept: 135 models and 60 inference profiles, read from the
//! cache, judged by the rule, and joined with the catalogue.
//!
//! The whole program, with start and table, in processor time, after a list of this size is kept:
//! `perf stat -e task-clock pumice models list`, or `valgrind --tool=callgrind` for instructions.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

mod answer;

use answer::server::{Answer, Server};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pumice::context::Context;
use pumice::models::{Directory, Limits, catalog};
use pumice::{Client, Config};
use serde_json::json;

/// A control plane with the models of the catalogue, and others that it does not know.
fn control() -> Server {
    let known = catalog::entries().iter().map(|entry| entry.id.to_owned());
    let ids = known.chain((0..).map(|number| format!("newcomer.model-{number}-v1:0"))).take(MODELS);
    let ids = ids.collect::<Vec<_>>();
    let models = ids.iter().map(|id| {
        json!({
            "modelId": id,
            "modelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{id}"),
            "modelName": id,
            "providerName": "Provider",
            "inputModalities": ["TEXT", "IMAGE"],
            "outputModalities": ["TEXT"],
            "responseStreamingSupported": true,
            "customizationsSupported": [],
            "inferenceTypesSupported": ["ON_DEMAND"],
            "modelLifecycle": {"status": "ACTIVE"},
            "converse": {"maxTokensMaximum": 8192, "reasoningSupported": null},
        })
    });
    let profiles = ids.iter().take(PROFILES).map(|id| {
        let regions = ["us-east-1", "us-east-2", "us-west-2"];
        let arn = |region| json!({"modelArn": format!("arn:aws:bedrock:{region}::foundation-model/{id}")});
        json!({
            "inferenceProfileId": format!("us.{id}"),
            "inferenceProfileArn": format!("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{id}"),
            "inferenceProfileName": format!("US {id}"),
            "models": regions.map(arn),
            "status": "ACTIVE",
            "type": "SYSTEM_DEFINED",
        })
    });
    let models = json!({"modelSummaries": models.collect::<Vec<_>>()});
    let profiles = json!({"inferenceProfileSummaries": profiles.collect::<Vec<_>>()});
    let answer = |body: serde_json::Value, part| Answer::whole(200, body.to_string()).only_for(part);
    Server::start([
        answer(models, "/foundation-models"),
        answer(profiles, "type=SYSTEM_DEFINED"),
        answer(json!({}), "type=APPLICATION"),
    ])
}

fn discovery(criterion: &mut Criterion) {
    let server = control();
    let context = Context::fake()
        .with_env("HOME", "/home/made")
        .with_env("AWS_ACCESS_KEY_ID", "AKIDBENCH")
        .with_env("AWS_SECRET_ACCESS_KEY", "secret")
        .with_env("AWS_ENDPOINT_URL_BEDROCK", &server.url);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let directory = Directory::new(Client::new(Config::new().context(context)));
    let list = || runtime.block_on(directory.list(false)).unwrap();
    assert_eq!(list().inventory.candidates().len(), MODELS + PROFILES);

    let mut group = criterion.benchmark_group("discovery");
    group.throughput(Throughput::Elements((MODELS + PROFILES) as u64));
    group.bench_function("a list that is kept", |bencher| {
        bencher.iter(|| {
            let listing = list();
            let candidates = listing.inventory.candidates();
            candidates
                .iter()
                .map(|candidate| candidate.info().model(candidate.id, Limits::default()))
                .collect::<Vec<_>>()
        });
    });
    let listing = list();
    group.bench_function("the rule", |bencher| bencher.iter(|| listing.inventory.candidates().len()));
    let candidates = listing.inventory.candidates();
    group.bench_function("what is known", |bencher| {
        bencher
            .iter(|| candidates.iter().filter(|candidate| candidate.info().context_window.is_some()).count());
    });
    group.finish();
    // All of it was from the cache.
    assert_eq!(server.requests().len(), 3);
}

const MODELS: usize = 135;
const PROFILES: usize = 60;

criterion_group! { name = benches; config = answer::criterion(); targets = discovery }
criterion_main!(benches);
