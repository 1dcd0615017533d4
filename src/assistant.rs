//! What agents speak: a conversation with tools and thinking in, its next message step by step out.
//!
//! [`stream`] takes an [`Input`] (a [`Model`], a [`Context`] with the system prompt, the messages and the tools, and
//! [`Options`]) and gives the [`AssistantEvent`]s of the answer, the last of which holds the whole message. Append
//! it, run the tools that it asks for, append their results, and ask again. Types and JSON are pi-ai's.
//!
//! ```no_run
//! use pumice::Client;
//! use pumice::assistant::{self, AssistantEvent, Context, Input, Message, Model, Options};
//!
//! # async fn example() -> pumice::Result<()> {
//! let model = Model::new("us.anthropic.claude-sonnet-4-5-20250929-v1:0").reasoning(true).max_tokens(64000u64);
//! let context = Context::new().message(Message::user("Why does pumice float?"));
//! let input = Input::new(model, context).options(Options::new().reasoning("low"));
//! let mut events = assistant::stream(&Client::from_env(), &input).await;
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
//! The history is put right before it goes out, as far as the service would refuse it: see
//! [`Options::repair_history`](Options#structfield.repair_history). [`Prepared`] and [`AnswerBuilder`] are the two
//! pure halves of [`stream`], for those who send requests by themselves.

mod answer;
mod arguments;
mod attachment;
mod cache;
mod cost;
mod event;
mod facts;
mod failure;
mod family;
mod history;
mod message;
mod name;
mod request;
mod strict;
mod thinking;

pub use answer::AnswerBuilder;
pub use arguments::PartialArguments;
pub use attachment::check_limits;
pub use cache::CacheRetention;
pub use event::AssistantEvent;
pub use family::{Family, PromptCache, TemperatureRule, ThinkingForm};
pub use message::*;
pub use request::{Prepared, Surroundings};

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use futures_core::Stream;

use crate::Event;
use crate::client::Client;
use crate::config::Config;
use crate::inference_profile::GetInferenceProfileRequest;
use crate::stream::EventStream;
use crate::{Error, Result};
use family::Traits;
use strict::{is_too_strict, remember_too_strict, was_too_strict};

/// Asks a model, and gives its answer as it comes. It does not fail: what goes wrong is the last event.
///
/// Returns when there is a first event. Up to there a failed call is tried again, and never after.
///
/// What the input says of region, profile, token and headers is for the client: see
/// [`Input::configure`].
pub async fn stream(client: &Client, input: &Input) -> AssistantStream {
    let now = client.config().context.now();
    let unprepared = || AnswerBuilder::unprepared(&input.model, now);
    let session_id = input.options.as_ref().and_then(|options| options.session_id.as_deref());
    let mut surroundings = match surroundings(client, input).await {
        Ok(surroundings) => surroundings,
        Err(error) => return AssistantStream::failed(unprepared(), error),
    };
    surroundings.less_strict = session_id.is_some_and(was_too_strict);
    loop {
        let prepared = match Prepared::new(input, &surroundings) {
            Ok(prepared) => prepared,
            Err(error) => return AssistantStream::failed(unprepared(), error),
        };
        let answer = AnswerBuilder::new(&input.model, &prepared, now);
        let stream = match client.converse_stream(prepared.request()).await {
            Ok(events) => AssistantStream {
                answer: Some(Box::new(answer.request_id(events.request_id()))),
                events: Some(events),
                told: VecDeque::new(),
                failure: None,
                warnings: Vec::new(),
            },
            Err(error) if prepared.strict_by_preference && is_too_strict(&error) => {
                if let Some(session_id) = session_id {
                    remember_too_strict(session_id);
                }
                surroundings.less_strict = true;
                continue;
            }
            Err(error) => AssistantStream::failed(answer, error),
        };
        return AssistantStream { warnings: prepared.warnings().to_vec(), ..stream };
    }
}

/// The events of an answer: any number, then exactly one [`Done`](AssistantEvent::Done) or
/// [`Error`](AssistantEvent::Error), then none. Dropping it closes the connection.
#[derive(Debug)]
pub struct AssistantStream {
    events: Option<EventStream>,
    /// `None` behind the end.
    answer: Option<Box<AnswerBuilder>>,
    told: VecDeque<AssistantEvent>,
    failure: Option<Error>,
    warnings: Vec<String>,
}

impl AssistantStream {
    fn failed(answer: AnswerBuilder, error: Error) -> Self {
        let mut stream = Self {
            events: None,
            answer: Some(Box::new(answer)),
            told: VecDeque::new(),
            failure: None,
            warnings: Vec::new(),
        };
        stream.fail(error);
        stream
    }

    /// For who reads the events as they come and keeps nothing: no text, thinking or arguments are gathered,
    /// however long the answer is. The events that end a block and the last one have the blocks without them.
    pub fn without_content(mut self) -> Self {
        self.answer = self.answer.map(|answer| Box::new(answer.without_content()));
        self
    }

    /// Waits for the next event.
    ///
    /// It is safe to drop the future before it is ready: nothing is lost.
    pub async fn next_event(&mut self) -> Option<AssistantEvent> {
        poll_fn(|task| self.poll_event(task)).await
    }

    /// The next event of what has arrived, without waiting: `None` says that more must arrive first, or that
    /// there is no more.
    pub fn ready_event(&mut self) -> Option<AssistantEvent> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Some(told);
            }
            match self.events.as_mut()?.ready_event() {
                Ok(event) => self.take(event?),
                Err(error) => self.fail(error),
            }
        }
    }

    /// The message as far as it has come: a copy of all of it. `None` behind the last event, which has it.
    pub fn message(&self) -> Option<AssistantMessage> {
        self.answer.as_ref().map(|answer| answer.message())
    }

    /// The arguments of a tool call as far as they have come.
    pub fn arguments(&self, content_index: usize) -> Option<&serde_json::Value> {
        self.answer.as_ref()?.arguments(content_index)
    }

    /// What the answer failed of, if it failed of an error.
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// The same, for who needs it for good.
    pub fn into_failure(self) -> Option<Error> {
        self.failure
    }

    /// What of the options was passed over or goes out as something else, for people to read.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Has enough: closes the connection, and gives the last event.
    pub fn abort(&mut self) -> Option<AssistantEvent> {
        self.events = None;
        self.told.clear();
        self.answer.take().map(|answer| answer.abort())
    }

    fn poll_event(&mut self, task: &mut TaskContext<'_>) -> Poll<Option<AssistantEvent>> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Poll::Ready(Some(told));
            }
            let Some(events) = &mut self.events else { return Poll::Ready(None) };
            match ready!(Pin::new(events).poll_next(task)) {
                Some(Ok(event)) => self.take(event),
                Some(Err(error)) => self.fail(error),
                None => self.end(AnswerBuilder::finish),
            }
        }
    }

    fn take(&mut self, event: Event) {
        let Some(answer) = &mut self.answer else { return };
        if let Err(error) = answer.push(event, &mut self.told) {
            self.fail(error);
        }
    }

    fn fail(&mut self, error: Error) {
        self.end(|answer| answer.fail(&error));
        self.failure = Some(error);
    }

    fn end(&mut self, last: impl FnOnce(AnswerBuilder) -> AssistantEvent) {
        self.events = None;
        self.told.extend(self.answer.take().map(|answer| last(*answer)));
    }
}

impl Stream for AssistantStream {
    type Item = AssistantEvent;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<AssistantEvent>> {
        self.poll_event(task)
    }
}

impl Input {
    /// A question alone, of which nothing is cached: no family of models would be asked it in another way than
    /// the others.
    fn is_plain(&self) -> bool {
        let messages = self.context.messages.as_deref().unwrap_or_default();
        self.options.as_ref().is_some_and(|options| {
            options.cache_retention.as_deref() == Some("none")
                && options.reasoning.is_none()
                && options.temperature.is_none()
                && options.service_tier.is_none()
        }) && self.context.tools.is_none()
            && messages.iter().all(|message| matches!(message, Message::User(_)))
    }

    /// The settings of a client with what the input says: region, profile, bearer token, headers, and an
    /// endpoint that is not Amazon's own.
    pub fn configure(&self, mut config: Config) -> Config {
        let no_options = Options::new();
        let options = self.options.as_ref().unwrap_or(&no_options);
        let set = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        if let Some(region) = set(&options.region) {
            config = config.region(region);
        }
        if let Some(profile) = set(&options.profile) {
            config = config.profile(profile);
        }
        let tokens = [&options.bearer_token, &options.api_key].into_iter().flatten();
        if let Some(token) = tokens.map(|token| token.0.trim()).find(|token| !token.is_empty()) {
            config = config.bearer_token(token);
        }
        if let Some(url) = set(&self.model.base_url).filter(|url| !is_amazons(url)) {
            config = config.endpoint_url(url);
        }
        // Of one name, in any case, the later counts, and with nothing as its value takes the earlier away.
        let mut headers = BTreeMap::new();
        for (name, value) in [&self.model.headers, &options.headers].into_iter().flatten().flatten() {
            headers.insert(name.to_ascii_lowercase(), value.as_ref());
        }
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name, value?)));
        headers.fold(config, |config, (name, value)| config.header(name, value.0.as_str()))
    }
}

/// Whether a URL is that of the runtime in one of Amazon's regions: the region says as much.
fn is_amazons(url: &str) -> bool {
    let host = url.split("://").last().unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
    let host = host.strip_suffix(".cn").unwrap_or(host);
    host.starts_with("bedrock-runtime") && host.ends_with(".amazonaws.com")
}

async fn surroundings(client: &Client, input: &Input) -> Result<Surroundings> {
    let config = client.config();
    let set = |name: &str, value: &str| config.context.env(name).as_deref() == Some(value);
    let retention =
        if set("PI_CACHE_RETENTION", "long") { CacheRetention::Long } else { CacheRetention::Short };
    // Only to models that think does the region matter.
    let thinks = input.options.as_ref().is_some_and(|options| options.reasoning.is_some());
    let region = if thinks { Some(client.region_of(&input.model.id).await?) } else { None };
    Ok(Surroundings {
        region,
        base_models: base_models(client, input).await,
        cache_retention: retention,
        force_cache: set("AWS_BEDROCK_FORCE_CACHE", "1"),
        less_strict: false,
    })
}

/// The models behind an application inference profile whose name does not tell: one short look-up for each,
/// whatever comes of it.
async fn base_models(client: &Client, input: &Input) -> Vec<String> {
    let arn = &input.model.id;
    let families = input.options.as_ref().and_then(|options| options.families.as_deref());
    if input.is_plain() {
        return Vec::new();
    }
    let known = || Traits::of(&input.model, &[], families.unwrap_or_default()).is_some();
    if !arn.contains(":application-inference-profile/") || known() {
        return Vec::new();
    }
    let looked_up = || LOOKED_UP.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = looked_up().get(arn) {
        return found.clone();
    }
    let request = GetInferenceProfileRequest::new(arn.as_str());
    let answer = tokio::time::timeout(LONGEST_LOOK_UP, client.get_inference_profile(&request)).await;
    let models = answer.ok().and_then(Result::ok).and_then(|profile| profile.models).unwrap_or_default();
    let found = models.into_iter().filter_map(|model| model.model_arn).collect::<Vec<_>>();
    looked_up().insert(arn.clone(), found.clone());
    found
}

/// What the look-ups of profiles came to, by ARN.
static LOOKED_UP: LazyLock<Mutex<HashMap<String, Vec<String>>>> = LazyLock::new(Mutex::default);

const LONGEST_LOOK_UP: Duration = Duration::from_secs(1);
/// Who serves the models, in pi-ai's word.
const PROVIDER: &str = "amazon-bedrock";
/// How, in pi-ai's word.
const API: &str = "bedrock-converse-stream";
