//! Many requests at once, as programs send them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pumice::bulk::{Bulk, Done};
use pumice::context::Context;
use pumice::converse::{ConverseOutput, ConverseRequest, Message};
use pumice::retry::Retry;
use pumice::{Client, Config, Error, ErrorKind, Overrides};
use support::busy::{Busy, Manner};
use support::server::{self, Answer, Server, text_answer};

fn client(url: &str) -> Client {
    let context = Context::fake().with_env("AWS_BEARER_TOKEN_BEDROCK", "t");
    Client::new(Config::new().context(context).endpoint_url(url))
}

fn requests(count: usize) -> impl Iterator<Item = (usize, ConverseRequest)> {
    (0..count).map(|number| (number, ConverseRequest::new("m").message(Message::user(format!("{number}")))))
}

fn text(done: &Done<usize>) -> Result<String, ErrorKind> {
    let response = done.result.as_ref().map_err(Error::kind)?;
    match &response.output {
        Some(ConverseOutput::Message(message)) => Ok(message.text()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_request_is_delivered_once_with_its_key() {
    let server = Busy::start(Manner { allowed: 7, takes: Duration::from_millis(20), ..Manner::default() });
    // One attempt: what is throttled does not count.
    let client = client(&server.url).with(Overrides::new().retry(Retry::never()));
    let bulk = Bulk::new(client).at_most(20);
    let mut found = BTreeSet::new();
    let sink = |done: Done<usize>| {
        assert_eq!(text(&done).unwrap(), done.key.to_string());
        assert!(found.insert(done.key));
        Ok::<_, Error>(())
    };
    bulk.run(requests(200), sink).await.unwrap();
    assert_eq!(found.len(), 200);
    assert!(server.asked().values().all(|times| *times == 1));
    assert_eq!(bulk.throttled(), server.throttled() as u64);
    assert!(server.throttled() > 0 && bulk.at_once() < 20, "{}", bulk.at_once());
}

#[tokio::test]
async fn only_the_requests_under_way_are_taken_from_the_iterator() {
    let server = Busy::start(Manner::default());
    let taken = AtomicUsize::new(0);
    let mut delivered = 0;
    let requests = requests(300).inspect(|_| {
        taken.fetch_add(1, Ordering::Relaxed);
    });
    let sink = |_| {
        delivered += 1;
        let held = taken.load(Ordering::Relaxed) - delivered;
        assert!(held < 10, "{held} are held");
        Ok::<_, Error>(())
    };
    Bulk::new(client(&server.url)).at_most(10).run(requests, sink).await.unwrap();
    assert_eq!(delivered, 300);
}

#[tokio::test]
async fn what_may_be_paid_for_already_is_not_sent_again() {
    let begun = || Answer::stream([server::message_start(), server::text(0, "some")]);
    let server = Server::start([
        begun().cut(),
        begun().chunk(server::exception("throttlingException", "busy")),
        Answer::nothing(),
        Answer::whole(500, "").header("x-amzn-errortype", "InternalServerException"),
        Answer::stream(text_answer(&["Hi"])),
    ]);
    let mut found = Vec::new();
    let sink = |done: Done<usize>| {
        found.push((done.key, text(&done)));
        Ok::<_, Error>(())
    };
    Bulk::new(client(&server.url)).at_most(1).run(requests(4), sink).await.unwrap();
    let expected = [
        (0, Err(ErrorKind::BrokenOff)),
        (1, Err(ErrorKind::Throttled)),
        (2, Err(ErrorKind::BrokenOff)),
        (3, Ok("Hi".to_owned())),
    ];
    assert_eq!(found, expected);
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn attempts_are_those_of_the_client() {
    let server = Server::start([Answer::whole(500, "")]);
    for attempts in [1, 4] {
        let context = Context::fake().with_env("AWS_BEARER_TOKEN_BEDROCK", "t");
        let config = Config::new().context(context).endpoint_url(&server.url);
        let client = Client::new(config.retry(Retry::standard().max_attempts(attempts)));
        let mut failed = 0;
        let sink = |done: Done<usize>| {
            failed += usize::from(done.result.unwrap_err().kind() == ErrorKind::Internal);
            Ok::<_, Error>(())
        };
        Bulk::new(client).run(requests(1), sink).await.unwrap();
        assert_eq!((failed, server.requests().len()), (1, attempts as usize));
        server.forget_requests();
    }
}

#[tokio::test]
async fn a_wait_that_the_service_asks_for_is_kept_by_all() {
    let busy = || Answer::refusal(429, "ThrottlingException", "busy").header("retry-after", "1");
    let server = Server::start([busy(), busy(), busy(), busy(), Answer::stream(text_answer(&["Hi"]))]);
    let begun = tokio::time::Instant::now();
    let mut at = Vec::new();
    let sink = |_| {
        at.push(begun.elapsed().as_secs());
        Ok::<_, Error>(())
    };
    Bulk::new(client(&server.url)).run(requests(12), sink).await.unwrap();
    assert_eq!(at.len(), 12);
    assert!(at.iter().all(|seconds| *seconds >= 1), "{at:?}");
    assert_eq!(server.requests().len(), 16);
}

#[tokio::test]
async fn the_end_of_a_run_delivers_what_is_under_way() {
    let (slow, gate) = Answer::stream([server::message_start()]).gate();
    let rest = text_answer(&["Hi"]).into_iter().skip(1);
    let slow = rest.fold(slow, Answer::chunk);
    let refused = Answer::refusal(403, "ExpiredTokenException", "expired").only_for("expired");
    let server = Server::start([slow.only_for("/m/"), refused]);
    let mut requests = requests(50).map(|(key, mut request)| {
        if key > 0 {
            request.model_id = "expired".to_owned();
        }
        (key, request)
    });
    let mut gate = Some(gate);
    let mut found = Vec::new();
    let bulk = Bulk::new(client(&server.url)).at_most(2);
    let sink = |done: Done<usize>| {
        found.push((done.key, text(&done)));
        Ok::<_, Error>(())
    };
    let running = bulk.run(&mut requests, sink);
    let opened = async {
        while !server.requests().iter().any(|request| request.line.contains("expired")) {
            tokio::task::yield_now().await;
        }
        gate.take();
    };
    let (ended, ()) = tokio::join!(running, opened);
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::AccessDenied);
    assert_eq!(found, [(0, Ok("Hi".to_owned()))]);
    assert!(requests.count() > 40, "the others were not taken");
}

#[tokio::test]
async fn a_sink_that_fails_ends_the_run_at_once() {
    let server = Busy::start(Manner::default());
    let sink = |_| Err(Error::new(ErrorKind::InvalidInput, "the disk is full"));
    let error = Bulk::new(client(&server.url)).run(requests(1000), sink).await.unwrap_err();
    assert_eq!(error.message(), "the disk is full");
    assert!(server.asked().len() <= 4);
}
