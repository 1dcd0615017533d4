//! OpenAI's dialects: passed on for OpenAI's own models, which the runtime serves in these forms, and translated for all
//! others.

use pumice::endpoint::Service;
use pumice::shape::{Document, Members};

use crate::body::Response;
use crate::failure::Failure;
use crate::gateway::{Call, Gateway};
use crate::passage::pass;
use crate::respond::{respond, set_notes, set_request_id};
use crate::route::{Form, Route};
use crate::translated::is_unrecorded;

impl Gateway {
    /// `POST /v1/chat/completions` and `/v1/responses`.
    pub(crate) async fn openai(&self, route: &Route, mut call: Call) -> Response {
        let (path, read): (_, crate::dialect::Read) = match route {
            Route::Responses => ("/openai/v1/responses", crate::responses::read),
            _ => ("/openai/v1/chat/completions", crate::chat_completions::read),
        };
        let id = match self.openai_model(&call.body).await {
            Some(id) if !self.unserved.has(path, &id) => id,
            _ => return self.converse(read, Form::OpenAi, &call.body, call.tally).await,
        };
        call.tally.edit(|record| record.model.clone_from(&id));
        let body = match named(&call.body, &id) {
            Ok(body) => body,
            Err(failure) => return respond(Form::OpenAi, &failure, Some(call.tally)),
        };
        let client = self.clients.of(&id);
        match pass(&client, Service::Runtime, "POST", path, None, &call.head.headers, body).await {
            // The runtime does not serve this model so: from now on its calls are translated.
            Ok(response) if [404, 405].contains(&response.status().as_u16()) => {
                self.unserved.add(path, &id);
                self.converse(read, Form::OpenAi, &call.body, call.tally).await
            }
            Ok(response) => {
                let request_id = response.request_id().map(str::to_owned);
                let mut response = self.passed(response, Some(id.clone()), call.tally);
                set_request_id(response.headers_mut(), Form::OpenAi, request_id.as_deref());
                set_notes(response.headers_mut(), &id, &[]);
                response
            }
            // The recording is of Converse.
            Err(error) if is_unrecorded(&error) => {
                self.converse(read, Form::OpenAi, &call.body, call.tally).await
            }
            Err(error) => respond(Form::OpenAi, &Failure::from(&error), Some(call.tally)),
        }
    }

    /// The id of the model, if it is one of OpenAI's. A guardrail of the settings holds in Converse alone, so there
    /// every model is translated.
    async fn openai_model(&self, body: &[u8]) -> Option<String> {
        if self.clients.settings().guardrail.is_some() {
            return None;
        }
        let members = serde_json::from_slice::<Members>(body).ok()?;
        let named = members.named("model")?.read::<String>().ok()?;
        // Faults are found again where the request is translated.
        let id = self.names.resolve(&named).await.ok()?;
        self.names.base(&id).await.starts_with("openai.").then_some(id)
    }
}

/// The body with the id as its model: unchanged if that is the name already.
fn named(body: &bytes::Bytes, id: &str) -> Result<bytes::Bytes, Failure> {
    let unread = |error: &dyn std::fmt::Display| Failure::invalid(None, format!("the body: {error}"));
    let mut members = serde_json::from_slice::<Members>(body).map_err(|error| unread(&error))?;
    if members.named("model").and_then(|model| model.read::<String>().ok()).as_deref() == Some(id) {
        return Ok(body.clone());
    }
    members.insert("model", serde_json::Value::from(id));
    Document::write(&members).map(|body| body.text().to_owned().into()).map_err(|error| unread(&error))
}
