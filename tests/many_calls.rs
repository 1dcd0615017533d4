//! Ten thousand calls, of which a tenth fail in various ways, leave nothing behind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use pumice::context::Context;
use pumice::converse::{ConverseRequest, Message};
use pumice::retry::Retry;
use pumice::{Client, Config};
use support::memory::resident_kib;
use support::server;
use support::server::{Answer, Server, text_answer};

const CALLS: usize = 10_000;

/// From 0 to 1023, the same in each run.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 54
}

fn answer(random: u64) -> Answer {
    let begun = [server::message_start(), server::text(0, "some")];
    match random {
        0..20 => Answer::refusal(429, "ThrottlingException", "busy"),
        20..40 => Answer::whole(503, ""),
        40..60 => Answer::stream(begun).cut(),
        60..80 => Answer::stream(begun).chunk(server::exception("modelStreamErrorException", "oh")),
        80..102 => Answer::stream(begun),
        _ => Answer::stream([text_answer(&["some", " text"]).concat()]),
    }
}

#[test]
fn ten_thousand_calls_leave_nothing_behind() {
    let mut state = 7;
    let server = Server::start((0..CALLS).map(|_| answer(random(&mut state))));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let context =
        Context::fake().with_env("AWS_ACCESS_KEY_ID", "AKID").with_env("AWS_SECRET_ACCESS_KEY", "secret");
    let client = Client::new(Config::new().context(context).endpoint_url(&server.url).retry(Retry::never()));
    let request = ConverseRequest::new("m").message(Message::user("Hi"));

    let calls = |count: usize| {
        runtime.block_on(async {
            let mut failed = 0;
            for _ in 0..count {
                let call = async {
                    let mut events = client.converse_stream(&request).await?;
                    while events.next_event().await?.is_some() {}
                    Ok::<(), pumice::Error>(())
                };
                failed += usize::from(call.await.is_err());
            }
            failed
        })
    };
    let mut failed = calls(CALLS / 10);
    server.forget_requests();
    let before = resident_kib();
    failed += calls(CALLS - CALLS / 10);
    server.forget_requests();
    let after = resident_kib();
    assert!((800..1200).contains(&failed), "{failed} of {CALLS} failed");
    // The server's script is in this process too. It shrinks, and nothing else may grow.
    assert!(after < before + 16 * 1024, "{before} KiB, then {after} KiB");

    drop(client);
    // After the last response, only the end of a connection is still running.
    runtime.block_on(async {
        while runtime.metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    });
    server.wait_until_no_connection_is_open();
}
