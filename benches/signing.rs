//! Signing: a request of two sizes, headers and all.

#![allow(missing_docs, clippy::unwrap_used, reason = "a bench")]

mod answer;

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pumice::sign::{Scope, sign};

fn signing(criterion: &mut Criterion) {
    // Amazon's own examples, which open nothing.
    let credentials = Credentials::new(
        "AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        Some("IQoJb3JpZ2luX2VjEXAMPLETOKEN".to_owned()),
        None,
        "bench",
    );
    let scope = Scope { region: "us-east-1", service: "bedrock" };
    let now = UNIX_EPOCH + Duration::from_secs(1_785_575_647);
    let mut group = criterion.benchmark_group("signing");
    // A short question, and a long conversation.
    for size in [200, 100_000] {
        let request = http::Request::post(
            "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.amazon.nova-lite-v1%3A0/converse-stream",
        )
        .header("content-type", "application/json")
        .body(Bytes::from(vec![b' '; size]))
        .unwrap();
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_with_input(BenchmarkId::new("a body of bytes", size), &request, |bencher, request| {
            bencher.iter(|| sign(request, &credentials, scope, now).unwrap());
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = answer::criterion(); targets = signing }
criterion_main!(benches);
