//! `GET /v1/models`: what can be called, in one form for both kinds of SDK.

use http::StatusCode;
use serde_json::{Value, json};

use crate::body::Response;
use crate::failure::Failure;
use crate::gateway::{Call, Gateway};
use crate::passage::decoded;
use crate::respond::{json_response, respond, set_notes};
use crate::route::Form;

impl Gateway {
    pub(crate) async fn list_models(&self, form: Form, call: Call) -> Response {
        let query = call.head.uri.query().unwrap_or_default();
        let (all, note) = match self.names.models().await {
            Ok((all, missing)) => (all, missing),
            // Clients that list models at their start go on without the list, but not without credentials.
            Err(error) if Failure::from(&error).status != StatusCode::UNAUTHORIZED => {
                (Vec::new(), Some(error))
            }
            Err(error) => return respond(form, &Failure::from(&error), Some(call.tally)),
        };
        let note =
            note.map(|error| format!("the service's models are missing: {}", Failure::from(&error).message));
        let mut response = json_response(StatusCode::OK, &page(all, query), Some(call.tally));
        set_notes(response.headers_mut(), "", &Vec::from_iter(note));
        response.headers_mut().remove("x-pumice-model");
        response
    }

    /// One model, by its encoded name.
    pub(crate) async fn show_model(&self, name: &str, call: Call) -> Response {
        let Call { mut tally, .. } = call;
        let name = decoded(name);
        tally.edit(|record| record.model.clone_from(&name));
        let found = match self.names.resolve(&name).await {
            Ok(id) => {
                self.names.models().await.map_err(|error| Failure::from(&error)).and_then(|(all, _)| {
                    let of_id = |model: &&Value| model.get("id").is_some_and(|found| *found == *id);
                    all.iter().find(of_id).cloned().ok_or_else(|| {
                        let mut failure =
                            Failure::new(StatusCode::NOT_FOUND, format!("there is no model {name:?} here"));
                        failure.become_unknown_model();
                        failure
                    })
                })
            }
            Err(failure) => Err(failure),
        };
        match found {
            Ok(model) => json_response(StatusCode::OK, &model, Some(tally)),
            Err(failure) => respond(Form::OpenAi, &failure, Some(tally)),
        }
    }
}

/// A page of the list, as Anthropic's SDKs ask for it: `limit`, `after_id`, `before_id`. OpenAI's ask for all.
fn page(mut all: Vec<Value>, query: &str) -> Value {
    let asked = |name: &str| {
        query.split('&').find_map(|pair| Some(decoded(pair.strip_prefix(name)?.strip_prefix('=')?)))
    };
    let at = |id: &str, all: &[Value]| {
        all.iter().position(|model| model.get("id").is_some_and(|found| found == id))
    };
    if let Some(at) = asked("after_id").and_then(|id| at(&id, &all)) {
        all.drain(..=at);
    }
    if let Some(at) = asked("before_id").and_then(|id| at(&id, &all)) {
        all.truncate(at);
    }
    let limit = asked("limit").and_then(|limit| limit.parse().ok()).unwrap_or(usize::MAX);
    let has_more = all.len() > limit;
    all.truncate(limit);
    let id = |model: Option<&Value>| model.and_then(|model| model.get("id")).cloned();
    json!({
        "object": "list",
        "first_id": id(all.first()),
        "last_id": id(all.last()),
        "has_more": has_more,
        "data": all,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_pages_where_they_are_asked_for() {
        let all = || ["a", "b:0", "c"].map(|id| json!({"id": id})).to_vec();
        let ids = |query: &str| {
            let page = page(all(), query);
            let ids =
                page["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap().to_owned());
            (ids.collect::<String>(), page["has_more"].as_bool().unwrap())
        };
        assert_eq!(ids(""), ("ab:0c".into(), false));
        assert_eq!(ids("limit=2"), ("ab:0".into(), true));
        assert_eq!(ids("limit=1000&after_id=b%3A0"), ("c".into(), false));
        assert_eq!(ids("before_id=c&limit=1"), ("a".into(), true));
        assert_eq!(page(Vec::new(), "")["first_id"], Value::Null);
    }
}
