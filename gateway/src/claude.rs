//! Anthropic's Messages for Claude: by InvokeModel, whose body and events are Anthropic's own.
//!
//! `model` and `stream` leave the body, `anthropic_version` and the betas of the header enter it. What Bedrock refuses
//! of it, a beta or a member that it does not know, is taken out, and the call made again; that is remembered for the
//! model.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{StatusCode, request::Parts};
use pumice::count_tokens::{CountTokensRequest, InvokeModelTokensRequest};
use pumice::invoke_model::{InvokeModelRequest, ResponseStreamEvent, Trace};
use pumice::operation::Operation;
use pumice::shape::{Document, Members};
use pumice::{Client, Error, ErrorKind, EventStream};
use serde_json::json;

use crate::body::{LARGE, Outgoing, Pieces, Response};
use crate::failure::{Failure, caught};
use crate::gateway::{Call, Gateway};
use crate::lessons::BETAS;
use crate::names::Names;
use crate::record::Tally;
use crate::respond::{json_response, respond, set_notes, set_request_id, whole};
use crate::route::Form;
use crate::silence::Silence;
use crate::translated::is_unrecorded;
use crate::usage::tokens;

impl Gateway {
    /// `POST /v1/messages`.
    pub(crate) async fn messages(&self, call: Call) -> Response {
        let Call { head, body, mut tally } = call;
        let (mut members, id) = match self.model(&body, &mut tally).await {
            Ok(found) => found,
            Err(failure) => return respond(Form::Anthropic, &failure, Some(tally)),
        };
        if !self.names.is_claude(&id).await {
            return self.converse(crate::messages::read, Form::Anthropic, &body, tally).await;
        }
        let stream = members.remove("stream").is_some_and(|stream| stream.text() == "true");
        add_betas(&mut members, &head.headers);
        members.insert("anthropic_version", json!(VERSION));
        let client = self.clients.of(&id);
        let (id, notes, result) = self.invoke(&client, id, members, stream).await;
        let converse = [Operation::Converse, Operation::ConverseStream];
        let has_converse = || self.replay.as_ref().is_some_and(|replay| replay.next_of(&converse).is_some());
        if matches!(&result, Err(error) if is_unrecorded(error)) && has_converse() {
            return self.converse(crate::messages::read, Form::Anthropic, &body, tally).await;
        }
        tally.edit(|record| record.model.clone_from(&id));
        let names = Arc::clone(&self.names);
        let (mut response, request_id) = match result {
            Ok(Invoked::Stream(events)) => {
                tally.answered(200);
                let request_id = events.request_id().map(str::to_owned);
                tally.edit(|record| record.request_id.clone_from(&request_id));
                let streaming = Streaming {
                    events: Some(*events),
                    names,
                    id: id.clone(),
                    tally,
                    silence: Silence::new(),
                };
                let mut response = http::Response::new(Outgoing::stream(streaming));
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
                (response, request_id)
            }
            Ok(Invoked::Whole(body, request_id)) => {
                let tokens = tokens(&String::from_utf8_lossy(&body));
                let cost = names.cost(&id, tokens);
                tally.edit(|record| {
                    (record.tokens, record.cost) = (tokens, cost);
                    record.request_id.clone_from(&request_id);
                });
                (whole(StatusCode::OK, "application/json", body, Some(tally)), request_id)
            }
            Err(error) => {
                let failure = self.names.failure(&id, &error).await;
                (respond(Form::Anthropic, &failure, Some(tally)), None)
            }
        };
        set_request_id(response.headers_mut(), Form::Anthropic, request_id.as_deref());
        set_notes(response.headers_mut(), &id, &notes);
        response
    }

    /// `POST /v1/messages/count_tokens`.
    pub(crate) async fn count_tokens(&self, call: Call) -> Response {
        let Call { head, body, mut tally } = call;
        match self.count(&head, &body, &mut tally).await {
            Ok(count) => json_response(StatusCode::OK, &json!({"input_tokens": count}), Some(tally)),
            Err(failure) => respond(Form::Anthropic, &failure, Some(tally)),
        }
    }

    async fn count(&self, head: &Parts, body: &[u8], tally: &mut Tally) -> Result<u64, Failure> {
        let (mut members, id) = self.model(body, tally).await?;
        // An inference profile has no tokens: the model behind it has.
        let base = self.names.base(&id).await;
        let client = self.clients.of(&id);
        let counted = if self.names.is_claude(&id).await {
            members.remove("stream");
            add_betas(&mut members, &head.headers);
            members.insert("anthropic_version", json!(VERSION));
            if members.named("max_tokens").is_none() {
                // A body of InvokeModel has it, a request to count has not.
                members.insert("max_tokens", json!(1));
            }
            let mut tries = self.lessons.of(&base);
            loop {
                let body = tries.applied(&members);
                let body = Document::write(&body).map_err(|error| Failure::from(&error))?;
                let input = InvokeModelTokensRequest::new(Bytes::from(body.text().to_owned()));
                let counted = client.count_tokens(&CountTokensRequest::new(&*base, input)).await;
                match counted {
                    Err(error) if tries.learn(&error, &members) => {}
                    counted => {
                        self.lessons.keep(&base, tries);
                        break counted;
                    }
                }
            }
        } else {
            members.insert("model", json!(base));
            let body = Document::write(&members).map_err(|error| Failure::from(&error))?;
            let request = crate::messages::read(body.text().as_bytes())?.request;
            client.count_tokens(&CountTokensRequest::from(&request)).await
        };
        match counted {
            Ok(counted) => Ok(counted.input_tokens.unwrap_or_default()),
            // Clients take 404 for a service that cannot count, and estimate.
            Err(error) if error.kind() == ErrorKind::Validation && cannot_count(error.message()) => {
                Err(Failure::new(StatusCode::NOT_FOUND, error.message()))
            }
            Err(error) => Err(self.names.failure(&id, &error).await),
        }
    }

    /// The members of a request, without its model, and the id of that.
    async fn model(&self, body: &[u8], tally: &mut Tally) -> Result<(Members, String), Failure> {
        let mut members = serde_json::from_slice::<Members>(body)
            .map_err(|error| Failure::invalid(None, format!("the body: expected a JSON object: {error}")))?;
        let named = members.remove("model").and_then(|model| model.read::<String>().ok());
        let named = named.ok_or_else(Failure::no_model)?;
        tally.edit(|record| record.model.clone_from(&named));
        let id = self.names.resolve(&named).await?;
        tally.edit(|record| record.model.clone_from(&id));
        Ok((members, id))
    }

    /// Calls the model: once, and again for what it refuses. Returns the id that was called and what was changed.
    async fn invoke(
        &self,
        client: &Client,
        id: String,
        members: Members,
        stream: bool,
    ) -> (String, Vec<String>, Result<Invoked, Error>) {
        let mut tries = self.lessons.of(&id);
        let result = loop {
            match self.invoke_once(client, &id, &tries.applied(&members), stream).await {
                Err(error) if tries.learn(&error, &members) => {}
                result => break result,
            }
        };
        let mut notes = tries.notes(&members);
        self.lessons.keep(&id, tries);
        let called = client.profile_of(&id);
        if let Some(profile) = &called {
            notes.push(format!("{id} is called through {profile}"));
        }
        (called.unwrap_or(id), notes, result)
    }

    async fn invoke_once(
        &self,
        client: &Client,
        id: &str,
        members: &Members,
        stream: bool,
    ) -> Result<Invoked, Error> {
        let body = Document::write(members)?;
        let mut request = InvokeModelRequest::new(id)
            .content_type("application/json")
            .accept("application/json")
            .body(Bytes::from(body.text().to_owned()));
        if let Some(guardrail) = &self.clients.settings().guardrail {
            request.guardrail_identifier.clone_from(&guardrail.guardrail_identifier);
            request.guardrail_version.clone_from(&guardrail.guardrail_version);
            request.trace =
                guardrail.trace.as_ref().map(|trace| Trace::from(&*trace.to_string().to_uppercase()));
        }
        if stream {
            return client
                .invoke_model_with_response_stream(&request)
                .await
                .map(|events| Invoked::Stream(Box::new(events)));
        }
        let response = client.send(&request).await?;
        let request_id = response.request_id().map(str::to_owned);
        Ok(Invoked::Whole(response.into_inner().body.0, request_id))
    }
}

enum Invoked {
    Stream(Box<EventStream<ResponseStreamEvent>>),
    Whole(Bytes, Option<String>),
}

/// The betas of the header, behind those of the body.
fn add_betas(members: &mut Members, headers: &HeaderMap) {
    let given = members.named(BETAS).and_then(|betas| betas.read::<Vec<String>>().ok());
    let mut betas = given.unwrap_or_default();
    for header in headers.get_all("anthropic-beta") {
        for beta in header.to_str().unwrap_or_default().split(',').map(str::trim) {
            if !beta.is_empty() && !betas.iter().any(|known| known == beta) {
                betas.push(beta.to_owned());
            }
        }
    }
    if !betas.is_empty() {
        members.insert(BETAS, json!(betas));
    }
}

fn cannot_count(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.contains("count") && ["support", "not available"].iter().any(|part| message.contains(part))
}

/// A response on its way. Each chunk is one of Anthropic's events.
struct Streaming {
    /// `None` after the end.
    events: Option<EventStream<ResponseStreamEvent>>,
    names: Arc<Names>,
    id: String,
    tally: Tally,
    silence: Silence,
}

impl Pieces for Streaming {
    fn poll_piece(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<pumice::Result<Bytes>>> {
        let Self { events, names, id, tally, silence } = &mut *self;
        let mut out = Vec::new();
        while let Some(stream) = events
            && out.len() < LARGE
        {
            let polled = caught(|| Pin::new(stream).poll_next(task));
            match polled.unwrap_or_else(|panicked| Poll::Ready(Some(Err(panicked)))) {
                Poll::Ready(Some(Ok(ResponseStreamEvent::Chunk(chunk)))) => {
                    let event = chunk.bytes.unwrap_or_default().0;
                    write_event(&event, &mut out);
                    if let Ok(text) = std::str::from_utf8(&event)
                        && text.contains("invocationMetrics")
                    {
                        let tokens = tokens(text);
                        let cost = names.cost(id, tokens);
                        tally.edit(|record| (record.tokens, record.cost) = (tokens, cost));
                    }
                    continue;
                }
                Poll::Ready(Some(Ok(_))) => continue,
                Poll::Ready(Some(Err(error))) => {
                    let failure = Failure::from(&error);
                    out.extend_from_slice(b"event: error\ndata: ");
                    out.extend(failure.anthropic());
                    out.extend_from_slice(b"\n\n");
                    tally.edit(|record| record.error = Some(failure.message));
                }
                Poll::Ready(None) => {}
                Poll::Pending if !out.is_empty() => break,
                Poll::Pending => {
                    silence.poll(task, PING, &mut out);
                    if out.is_empty() {
                        return Poll::Pending;
                    }
                    break;
                }
            }
            *events = None;
        }
        if out.is_empty() {
            tally.complete();
            return Poll::Ready(None);
        }
        silence.ends();
        tally.sent(out.len());
        Poll::Ready(Some(Ok(out.into())))
    }
}

/// An event of Anthropic's as its stream has it.
fn write_event(json: &[u8], out: &mut Vec<u8>) {
    let text = std::str::from_utf8(json).unwrap_or_default();
    // The type comes first. Where it does not, the JSON is read.
    let kind = text
        .strip_prefix("{\"type\":\"")
        .and_then(|rest| rest.split_once('"'))
        .map(|(kind, _)| kind.to_owned());
    let kind =
        kind.or_else(|| serde_json::from_str::<Members>(text).ok()?.named("type")?.read::<String>().ok());
    if let Some(kind) = kind {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    // A line end would end the line, and in JSON it is white space.
    out.extend(json.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    out.extend_from_slice(b"\n\n");
}

const VERSION: &str = "bedrock-2023-05-31";
const PING: &[u8] = b"event: ping\ndata: {\"type\":\"ping\"}\n\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_betas_of_the_header_follow_those_of_the_body() {
        let mut members = serde_json::from_value::<Members>(json!({"anthropic_beta": ["a", "b"]})).unwrap();
        let mut headers = HeaderMap::new();
        headers.append("anthropic-beta", "c, b".parse().unwrap());
        headers.append("anthropic-beta", "d".parse().unwrap());
        add_betas(&mut members, &headers);
        assert_eq!(serde_json::to_value(members).unwrap(), json!({"anthropic_beta": ["a", "b", "c", "d"]}));
    }

    #[test]
    fn an_event_has_its_type_and_one_line_of_data() {
        let mut out = Vec::new();
        write_event(b"{\"type\":\"message_stop\"}", &mut out);
        write_event(b"{\n\"x\": 1, \"type\": \"ping\"}", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\nevent: ping\ndata: {\"x\": 1, \"type\": \"ping\"}\n\n"
        );
    }
}
