//! The feature `tracing`: a call is a span, its steps are events in it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use pumice::converse::ConverseRequest;
use pumice::{Client, Config};
use support::capture::{context, keys};
use support::server::{Answer, Server, text_answer};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes a line for each new span and each event.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<String>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Lines {
    fn is_ours(metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("pumice")
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        Self::is_ours(metadata)
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut lines = self.0.lock().unwrap();
        lines.push_str("span");
        span.record(&mut Line(&mut lines));
        lines.push('\n');
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        let mut lines = self.0.lock().unwrap();
        lines.push_str("event");
        event.record(&mut Line(&mut lines));
        lines.push('\n');
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_call_is_a_span_and_its_steps_are_events() {
    let server = Server::start([
        Answer::refusal(503, "ServiceUnavailableException", "busy"),
        Answer::stream(text_answer(&["ok"])),
    ]);
    let client = Client::new(Config::new().context(keys(context())).endpoint_url(&server.url));
    let lines = Lines::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tracing::subscriber::with_default(lines.clone(), || {
        runtime.block_on(async {
            client.converse_stream(&ConverseRequest::new("m")).await.unwrap().reply().await.unwrap()
        })
    });
    let lines = lines.0.lock().unwrap();
    let messages = lines.lines().filter_map(|line| line.split_once(" message=")?.1.split(' ').next());
    let expected = ["credentials", "sending", "response", "retrying", "credentials", "sending", "response"];
    assert_eq!(messages.collect::<Vec<_>>(), expected, "{lines}");
    assert!(lines.starts_with("span call=\"ConverseStream\" model=\"m\"\n"), "{lines}");
    assert!(lines.contains("error=ServiceUnavailableException: busy"), "{lines}");
    assert!(!lines.contains("wJalrXUtnFEMI"), "{lines}");
}
