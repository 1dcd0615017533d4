//! pi-ai's dialect: a conversation with tools and thinking in, the model's next message out, event by event.
//!
//! [`stream`] takes an [`Input`] (a [`Model`], a [`Context`] with the system prompt, the messages and the tools, and
//! [`Options`]) and gives the [`AssistantEvent`]s of the response, the last of which holds the whole message. To go on,
//! append that message, run the tools that it calls, append their results, and call again. Types and JSON are pi-ai's.
//!
//! ```no_run
//! use pumice::Client;
//! use pumice::pi::{self, AssistantEvent, Context, Input, Message, Model, Options};
//!
//! # async fn example() -> pumice::Result<()> {
//! let model = Model::new("us.anthropic.claude-sonnet-4-5-20250929-v1:0").reasoning(true).max_tokens(64000u64);
//! let context = Context::new().message(Message::user("Why does pumice float?"));
//! let input = Input::new(model, context).options(Options::new().reasoning("low"));
//! let mut events = pi::stream(&Client::from_env(), &input).await;
//! while let Some(event) = events.next_event().await {
//!     match event {
//!         AssistantEvent::TextDelta { delta, .. } => print!("{delta}"),
//!         AssistantEvent::Error { error } => eprintln!("{:?}", error.error_message),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The request is mended so that the model accepts it: see [`conversation`]. A program that sends
//! its requests itself uses the two pure halves of [`stream`]: [`Input::to_converse`] and [`ResponseBuilder`].

#[macro_use]
mod tagged;

mod content;
mod event;
mod failure;
mod info;
mod input;
mod message;
mod other;
mod request;
mod response;

pub use content::*;
pub use event::AssistantEvent;
pub use input::*;
pub use message::*;
pub use response::ResponseBuilder;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use futures_core::Stream;

use crate::Event;
use crate::client::Client;
use crate::config::Config;
use crate::conversation::{self, CacheRetention, Call, Warning};
use crate::redaction::Redaction;
use crate::region::region_of_url;
use crate::stream::EventStream;
use crate::{Error, Result};

/// Calls a model, and gives its response as it arrives. It does not fail: what goes wrong is the last event.
///
/// Returns when the first event has arrived. Until then a failed call is retried, and never after.
///
/// Region, profile, project, bearer token and headers of the input are for the client: see [`Input::configure`].
pub async fn stream(client: &Client, input: &Input) -> AssistantStream {
    let now = client.config().0.context.now();
    let mut builder = ResponseBuilder::unprepared(&input.model, now);
    let (warnings, response) = match call(client, input).await {
        Ok(Call { prepared, target, response }) => {
            builder = builder.called(&target, prepared.tool_names, prepared.cached_in_input);
            (prepared.warnings, response)
        }
        Err(error) => (Vec::new(), Err(error)),
    };
    let mut stream = AssistantStream {
        events: None,
        builder: Some(Box::new(builder)),
        queued: VecDeque::new(),
        failure: None,
        warnings,
        redaction: Arc::default(),
    };
    match response {
        Ok(events) => {
            stream.redaction = events.redaction();
            let request_id = events.request_id().map(str::to_owned);
            stream.builder =
                stream.builder.map(|builder| Box::new(builder.request_id(request_id.as_deref())));
            stream.events = Some(events);
        }
        Err(error) => stream.fail(error),
    }
    stream
}

async fn call(client: &Client, input: &Input) -> Result<Call> {
    let (request, target, mut options) = input.to_converse()?;
    let is = |name: &str, value: &str| client.config().0.context.env(name).as_deref() == Some(value);
    if is("PI_CACHE_RETENTION", "long") {
        options.cache_default = CacheRetention::Long;
    }
    options.cache_all_families = is("AWS_BEDROCK_FORCE_CACHE", "1");
    let again = || input.to_converse().map(|(request, ..)| request);
    conversation::converse_stream_of(client, request, &again, target, &options).await
}

/// The events of a response: any number, then exactly one [`Done`](AssistantEvent::Done) or
/// [`Error`](AssistantEvent::Error), then none. Dropping it closes the connection.
#[derive(Debug)]
pub struct AssistantStream {
    events: Option<EventStream>,
    /// `None` after the end.
    builder: Option<Box<ResponseBuilder>>,
    queued: VecDeque<AssistantEvent>,
    failure: Option<Error>,
    warnings: Vec<Warning>,
    redaction: Arc<Redaction>,
}

impl AssistantStream {
    /// Does not accumulate text, thoughts or arguments, however long the response is. The events that end a block and
    /// the last one have the blocks without them.
    pub fn without_content(mut self) -> Self {
        self.builder = self.builder.map(|builder| Box::new(builder.without_content()));
        self
    }

    /// Waits for the next event.
    ///
    /// It is safe to drop the future before it is ready: nothing is lost.
    pub async fn next_event(&mut self) -> Option<AssistantEvent> {
        poll_fn(|task| self.poll_event(task)).await
    }

    /// The next event of what has arrived, without waiting. `None`: more must arrive first, or there is no more.
    pub fn ready_event(&mut self) -> Option<AssistantEvent> {
        loop {
            if let Some(event) = self.queued.pop_front() {
                return Some(event);
            }
            match self.events.as_mut()?.ready_event() {
                Ok(event) => self.take(event?),
                Err(error) => self.fail(error),
            }
        }
    }

    /// A copy of the message as far as it has arrived. `None` after the last event, which has it.
    pub fn message(&self) -> Option<AssistantMessage> {
        self.builder.as_ref().map(|builder| builder.message())
    }

    /// The arguments of a tool call as far as they have arrived.
    pub fn arguments(&self, content_index: usize) -> Option<&serde_json::Value> {
        self.builder.as_ref()?.arguments(content_index)
    }

    /// The error that the response failed with, if it failed with one.
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// Consumes the stream and returns its failure.
    pub fn into_failure(self) -> Option<Error> {
        self.failure
    }

    /// What is sent differently from what the options say.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// A text from the response, without the secrets of the request: for messages about the response. The response
    /// itself is passed on as it came.
    pub fn redacted<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.redaction.text(text)
    }

    /// Closes the connection, and gives the last event.
    pub fn abort(&mut self) -> Option<AssistantEvent> {
        self.events = None;
        self.queued.clear();
        self.builder.take().map(|builder| builder.abort())
    }

    fn poll_event(&mut self, task: &mut TaskContext<'_>) -> Poll<Option<AssistantEvent>> {
        loop {
            if let Some(event) = self.queued.pop_front() {
                return Poll::Ready(Some(event));
            }
            let Some(events) = &mut self.events else { return Poll::Ready(None) };
            match ready!(Pin::new(events).poll_next(task)) {
                Some(Ok(event)) => self.take(event),
                Some(Err(error)) => self.fail(error),
                None => self.end(ResponseBuilder::finish),
            }
        }
    }

    fn take(&mut self, event: Event) {
        let Some(builder) = &mut self.builder else { return };
        if let Err(error) = builder.push(event, &mut self.queued) {
            self.fail(self.redaction.error(error));
        }
    }

    fn fail(&mut self, error: Error) {
        self.end(|builder| builder.fail(&error));
        self.failure = Some(error);
    }

    fn end(&mut self, last: impl FnOnce(ResponseBuilder) -> AssistantEvent) {
        self.events = None;
        let Some(builder) = self.builder.take() else { return };
        let mut event = last(*builder);
        if let AssistantEvent::Error { error } = &mut event {
            error.error_message = error.error_message.as_deref().map(|text| self.redacted(text).into_owned());
        }
        self.queued.push_back(event);
    }
}

impl Stream for AssistantStream {
    type Item = AssistantEvent;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<AssistantEvent>> {
        self.poll_event(task)
    }
}

impl Input {
    /// The settings of a client with those of the input: region, profile (with the feature `chain`), project, bearer
    /// token, headers, and the base URL, which is an endpoint, or names the region where nothing else does.
    pub fn configure(&self, mut config: Config) -> Config {
        let no_options = Options::new();
        let options = self.options.as_ref().unwrap_or(&no_options);
        let set = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        if let Some(region) = set(&options.region) {
            config = config.region(region);
        }
        #[cfg(feature = "chain")]
        if let Some(profile) = set(&options.profile) {
            config = config.profile(profile);
        }
        if let Some(project) = set(&options.project) {
            config = config.project(project);
        }
        let tokens = [&options.bearer_token, &options.api_key].into_iter().flatten();
        if let Some(token) = tokens.map(|token| token.0.trim()).find(|token| !token.is_empty()) {
            config = config.bearer_token(token);
        }
        if let Some(url) = set(&self.model.base_url) {
            config = match region_of_url(&url) {
                // pi-ai's own list names one region in all of its models: every other source of a region counts first.
                Some(region) => config.fallback_region(region),
                None => config.endpoint_url(url),
            };
        }
        // The last of one name, in any case, counts; one without a value removes the earlier ones.
        let mut headers = BTreeMap::new();
        for (name, value) in [&self.model.headers, &options.headers].into_iter().flatten().flatten() {
            headers.insert(name.to_ascii_lowercase(), value.as_ref());
        }
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name, value?)));
        headers.fold(config, |config, (name, value)| config.header(name, value.0.as_str()))
    }
}

/// Who serves the models, in pi-ai's word.
const PROVIDER: &str = "amazon-bedrock";
/// The protocol, in pi-ai's word.
const API: &str = "bedrock-converse-stream";
