//! A call in a translated dialect: repaired as every conversation is, sent by ConverseStream, and written in the
//! dialect as it arrives.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_core::Stream as _;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use pumice::conversation::{self, CacheRetention, Family, Options, Target, ThinkingLevel, net_of_cache};
use pumice::converse::{ConverseRequest, StopReason, TokenUsage};
use pumice::operation::Operation;
use pumice::{Client, Error, Event, EventStream, Hint};
use serde_json::json;

use crate::body::{LARGE, Outgoing, Pieces, Response};
use crate::dialect::{Begin, Encoder, Read, Translated};
use crate::failure::{Failure, caught};
use crate::gateway::Gateway;
use crate::names::Names;
use crate::record::{Tally, Tokens};
use crate::respond::{respond, set_notes, set_request_id, whole};
use crate::route::Form;
use crate::silence::Silence;
use crate::usage::all_input;

impl Gateway {
    /// A call of a dialect that is translated.
    pub(crate) async fn converse(&self, read: Read, form: Form, body: &[u8], mut tally: Tally) -> Response {
        let begun = match read(body) {
            Ok(translated) => self.begin(translated, &mut tally).await,
            Err(failure) => Err(failure),
        };
        let Begun { events, mut encoder, begin, stream, id, notes, cached_in_input } = match begun {
            Ok(begun) => begun,
            Err(failure) => return respond(form, &failure, Some(tally)),
        };
        let request_id = events.request_id().map(str::to_owned);
        tally.edit(|record| record.request_id.clone_from(&request_id));
        let mut response = if stream {
            tally.answered(200);
            let mut out = Vec::with_capacity(SMALL);
            encoder.begin(begin, &mut out);
            let names = Arc::clone(&self.names);
            let watch = Watch { names, id: id.clone(), cached_in_input, tally };
            let streaming = Streaming { events: Some(events), encoder, out, silence: Silence::new(), watch };
            let mut response = http::Response::new(Outgoing::stream(streaming));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            response
        } else {
            let names = Arc::clone(&self.names);
            let mut watch = Watch { names, id: id.clone(), cached_in_input, tally };
            match events.reply().await {
                Ok(mut reply) => {
                    if let Some(usage) = &mut reply.usage {
                        watch.count(usage);
                    }
                    if let Some(failure) = malformed(reply.stop_reason.as_ref()) {
                        return respond(form, &failure, Some(watch.tally));
                    }
                    let body = encoder.whole(begin, reply);
                    whole(StatusCode::OK, "application/json", body.into(), Some(watch.tally))
                }
                Err(error) => {
                    let failure = self.names.failure(&id, &error).await;
                    respond(form, &failure, Some(watch.tally))
                }
            }
        };
        set_request_id(response.headers_mut(), form, request_id.as_deref());
        set_notes(response.headers_mut(), &id, &notes);
        response
    }

    async fn begin(&self, translated: Translated, tally: &mut Tally) -> Result<Begun, Failure> {
        let Translated { mut request, mut options, stream, mut notes, encoder } = translated;
        let named = std::mem::take(&mut request.model_id);
        tally.edit(|record| record.model.clone_from(&named));
        let id = self.names.resolve(&named).await?;
        tally.edit(|record| record.model.clone_from(&id));
        request.model_id.clone_from(&id);
        let settings = self.clients.settings();
        settings.complete(&mut request);
        let params = settings.params(&id);
        options.top_k = options.top_k.or(params.top_k);
        options.thinking = options.thinking.or_else(|| {
            params
                .thinking
                .as_deref()
                .filter(|_| !options.thinking_off)
                .and_then(|level| ThinkingLevel::parse(level).ok()?)
        });
        options.cache_retention = options
            .cache_retention
            .or_else(|| params.cache_retention.as_deref().and_then(|word| CacheRetention::parse(word).ok()));
        options.families.extend_from_slice(&settings.families);
        let client = self.clients.of(&id);
        let target = Target::new(self.names.info(&id));
        let call = self.call(&client, request, target, options, stream).await;
        let call = call.map_err(|error| Failure::from(&error))?;
        let events = match call.response {
            Ok(events) => events,
            Err(error) => return Err(self.names.failure(&id, &error).await),
        };
        notes.extend(call.prepared.warnings.iter().map(ToString::to_string));
        let id = match client.profile_of(&id) {
            Some(profile) => {
                notes.push(format!("{id} is called through {profile}"));
                tally.edit(|record| record.model.clone_from(&profile));
                profile
            }
            None => id,
        };
        let begin = Begin {
            model: named,
            id: response_id(events.request_id()),
            created: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            names: call.prepared.tool_names,
        };
        let cached_in_input = call.prepared.cached_in_input;
        Ok(Begun { events, encoder, begin, stream, id, notes, cached_in_input })
    }

    /// Calls the model. A recording may have Converse or ConverseStream: a whole response is of whichever comes next,
    /// and a stream is of ConverseStream as long as there is one.
    async fn call(
        &self,
        client: &Client,
        request: ConverseRequest,
        target: Target,
        mut options: Options,
        stream: bool,
    ) -> pumice::Result<conversation::Call> {
        if let Some(replay) = &self.replay {
            let streamed = replay.next_of(&[Operation::ConverseStream]);
            let next = replay.next_of(&[Operation::Converse, Operation::ConverseStream]);
            let next = if stream { streamed.or(next) } else { next };
            let family = json!({"match": [""], "streaming": next != Some(Operation::Converse)});
            options.families.splice(..0, serde_json::from_value::<Family>(family));
        }
        conversation::converse_stream(client, request, target, &options).await
    }
}

/// Whether a recording has no further exchange of the operation that was called.
pub(crate) fn is_unrecorded(error: &Error) -> bool {
    error.hint() == Some(&Hint::CallRecordedOperation)
}

/// A call whose first event has arrived.
struct Begun {
    events: EventStream,
    encoder: Box<dyn Encoder>,
    begin: Begin,
    stream: bool,
    id: String,
    notes: Vec<String>,
    cached_in_input: bool,
}

/// The id of a response: Bedrock's, so that it can be found there, or else one of the time.
pub(crate) fn response_id(request_id: Option<&str>) -> String {
    let fits = |id: &&str| {
        !id.is_empty()
            && id.len() <= 64
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    match request_id.filter(fits) {
        Some(id) => id.to_owned(),
        None => format!("{:x}", SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()),
    }
}

/// The failure that a stop reason reports. No dialect has a word for it: a client would take half a call for a whole
/// response.
fn malformed(stop: Option<&StopReason>) -> Option<Failure> {
    let reason =
        stop.filter(|stop| matches!(stop, StopReason::MalformedModelOutput | StopReason::MalformedToolUse))?;
    Some(Failure::new(StatusCode::FAILED_DEPENDENCY, format!("the model's output was malformed: {reason}")))
}

/// What is recorded of a response.
struct Watch {
    names: Arc<Names>,
    id: String,
    cached_in_input: bool,
    tally: Tally,
}

impl Watch {
    fn fail(&mut self, failure: Failure, encoder: &mut dyn Encoder, out: &mut Vec<u8>) {
        encoder.error(&failure, out);
        self.tally.edit(|record| record.error = Some(failure.message));
    }

    /// Counts the tokens of a response, those of the cache apart, as the encoders and the prices have them.
    fn count(&mut self, usage: &mut TokenUsage) {
        if self.cached_in_input {
            net_of_cache(usage);
        }
        let tokens = Tokens {
            input: usage.input_tokens.map(|_| all_input(usage)),
            output: usage.output_tokens,
            cached: usage.cache_read_input_tokens,
        };
        let cost = self.names.charge(&self.id, usage);
        self.tally.edit(|record| (record.tokens, record.cost) = (tokens, cost));
    }
}

/// A response on its way.
struct Streaming {
    /// `None` after the end.
    events: Option<EventStream>,
    encoder: Box<dyn Encoder>,
    /// What is to be sent next.
    out: Vec<u8>,
    silence: Silence,
    watch: Watch,
}

impl Pieces for Streaming {
    fn poll_piece(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<pumice::Result<Bytes>>> {
        let Self { events, encoder, out, silence, watch } = &mut *self;
        while let Some(stream) = events
            && out.len() < LARGE
        {
            let polled = caught(|| Pin::new(stream).poll_next(task));
            match polled.unwrap_or_else(|panicked| Poll::Ready(Some(Err(panicked)))) {
                Poll::Ready(Some(Ok(mut event))) => {
                    if let Event::Metadata(metadata) = &mut event
                        && let Some(usage) = &mut metadata.usage
                    {
                        watch.count(usage);
                    }
                    let stop =
                        if let Event::MessageStop(stop) = &event { stop.stop_reason.as_ref() } else { None };
                    let Some(failure) = malformed(stop) else {
                        encoder.push(&event, out);
                        continue;
                    };
                    watch.fail(failure, encoder.as_mut(), out);
                }
                Poll::Ready(Some(Err(error))) => watch.fail(Failure::from(&error), encoder.as_mut(), out),
                Poll::Ready(None) => encoder.finish(out),
                Poll::Pending if !out.is_empty() => break,
                Poll::Pending => {
                    silence.poll(task, encoder.ping(), out);
                    if out.is_empty() {
                        return Poll::Pending;
                    }
                    break;
                }
            }
            *events = None;
        }
        if out.is_empty() {
            if events.is_none() {
                watch.tally.complete();
                return Poll::Ready(None);
            }
            // Events without an equivalent alone: ask for more.
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        silence.ends();
        watch.tally.sent(out.len());
        let next = Vec::with_capacity(SMALL);
        Poll::Ready(Some(Ok(std::mem::replace(out, next).into())))
    }
}

/// What most events need.
const SMALL: usize = 512;
