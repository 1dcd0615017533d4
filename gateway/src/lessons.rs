//! What models refused while the gateway runs: it is left out of their next requests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use pumice::shape::{Document, Members};
use pumice::{Error, ErrorKind};
use serde_json::json;

/// What Claude models refused of InvokeModel, by the model's id.
#[derive(Default)]
pub(crate) struct Lessons(Mutex<BTreeMap<String, Refused>>);

impl Lessons {
    pub(crate) fn of(&self, id: &str) -> Tries {
        let refused = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        Tries { refused: refused.unwrap_or_default(), number: 0 }
    }

    pub(crate) fn keep(&self, id: &str, tries: Tries) {
        if tries.number > 0 {
            let mut lessons = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if lessons.len() >= MOST_MODELS {
                // A forgotten lesson costs a refused call.
                lessons.clear();
            }
            lessons.insert(id.to_owned(), tries.refused);
        }
    }
}

/// What a model refused.
#[derive(Debug, Clone, Default, PartialEq)]
struct Refused {
    betas: BTreeSet<String>,
    /// Paths of members, with `*` for an index.
    members: BTreeSet<String>,
}

/// The attempts of a call.
pub(crate) struct Tries {
    refused: Refused,
    number: u32,
}

impl Tries {
    /// The request without what is refused.
    pub(crate) fn applied(&self, members: &Members) -> Members {
        let mut members = members.clone();
        if !self.refused.betas.is_empty()
            && let Some(betas) = members.named(BETAS).and_then(|betas| betas.read::<Vec<String>>().ok())
        {
            let betas = betas.into_iter().filter(|beta| !self.refused.betas.contains(beta));
            let betas = betas.collect::<Vec<_>>();
            members.remove(BETAS);
            if !betas.is_empty() {
                members.insert(BETAS, json!(betas));
            }
        }
        for path in &self.refused.members {
            remove(&mut members, &path.split('.').collect::<Vec<_>>());
        }
        members
    }

    /// Learns from a refusal. Says whether that changes the request.
    pub(crate) fn learn(&mut self, error: &Error, members: &Members) -> bool {
        if error.kind() != ErrorKind::Validation || self.number >= MOST_TRIES {
            return false;
        }
        let before = self.refused.clone();
        let message = error.message();
        if message.to_ascii_lowercase().contains("beta") {
            let sent = self.applied(members).named(BETAS).and_then(|betas| betas.read::<Vec<String>>().ok());
            let sent = sent.unwrap_or_default();
            let named =
                sent.iter().filter(|beta| message.contains(beta.as_str())).cloned().collect::<Vec<_>>();
            // The message mostly does not say which: then it is any that Bedrock is not known to have.
            let unknown = sent.iter().filter(|beta| !KNOWN_BETAS.contains(&beta.as_str())).cloned();
            let unknown = unknown.collect::<Vec<_>>();
            let refused = [named, unknown, sent].into_iter().find(|betas| !betas.is_empty());
            self.refused.betas.extend(refused.unwrap_or_default());
        }
        for part in message.split([',', ';', '\n']) {
            let Some((path, _)) = part.split_once(EXTRA) else { continue };
            let path = path.trim().rsplit(' ').next().unwrap_or_default().trim_end_matches(':');
            let is_index = |segment: &str| !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit());
            let path = path.split('.').map(|segment| if is_index(segment) { "*" } else { segment });
            let path = path.collect::<Vec<_>>().join(".");
            // What makes the request what it is cannot be taken out.
            if !path.is_empty() && !["messages", "max_tokens", "anthropic_version"].contains(&path.as_str()) {
                self.refused.members.insert(path);
            }
        }
        self.number += 1;
        self.refused != before
            && Document::write(&self.applied(members)).ok().map(|body| body.text().to_owned())
                != Document::write(&Self { refused: before, number: 0 }.applied(members))
                    .ok()
                    .map(|body| body.text().to_owned())
    }

    /// What was taken out of this request.
    pub(crate) fn notes(&self, members: &Members) -> Vec<String> {
        let betas = members.named(BETAS).and_then(|betas| betas.read::<Vec<String>>().ok());
        let betas = betas.unwrap_or_default().into_iter().filter(|beta| self.refused.betas.contains(beta));
        let mut notes = betas
            .map(|beta| format!("anthropic-beta {beta} not sent: the model refuses it"))
            .collect::<Vec<_>>();
        for path in &self.refused.members {
            if remove(&mut members.clone(), &path.split('.').collect::<Vec<_>>()) {
                notes.push(format!("{path} not sent: the model refuses it"));
            }
        }
        notes
    }
}

/// Removes the member at this path. Whether there was one. Names in the path that no object has are kinds of a value,
/// which the service puts there: `tools.0.custom.input_examples`.
fn remove(members: &mut Members, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    if rest.is_empty() {
        return members.remove(first).is_some();
    }
    let Some(value) = members.named(first) else { return remove(members, rest) };
    let mut value = value.clone();
    let removed = remove_within(&mut value, rest);
    if removed {
        members.insert(*first, value);
    }
    removed
}

fn remove_within(value: &mut Document, path: &[&str]) -> bool {
    let written = |value: &mut Document, written: pumice::Result<Document>| {
        written.map(|written| *value = written).is_ok()
    };
    match path {
        ["*", rest @ ..] => {
            let Ok(mut list) = value.read::<Vec<Document>>() else { return false };
            let mut removed = false;
            for item in &mut list {
                removed |= remove_within(item, rest);
            }
            removed && written(value, Document::write(&list))
        }
        path => match value.read::<Members>() {
            Ok(mut members) => remove(&mut members, path) && written(value, Document::write(&members)),
            Err(_) => false,
        },
    }
}

/// The models of OpenAI's that the runtime does not serve in OpenAI's forms: by form and id.
#[derive(Default)]
pub(crate) struct Unserved(Mutex<BTreeSet<(&'static str, String)>>);

impl Unserved {
    pub(crate) fn has(&self, path: &'static str, id: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&(path, id.to_owned()))
    }

    pub(crate) fn add(&self, path: &'static str, id: &str) {
        let mut unserved = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if unserved.len() < MOST_MODELS {
            unserved.insert((path, id.to_owned()));
        }
    }
}

/// The member that names the betas of a request.
pub(crate) const BETAS: &str = "anthropic_beta";
/// What the service says of a member that it does not know.
const EXTRA: &str = "Extra inputs are not permitted";
/// The betas that Claude has on Bedrock.
///
/// Source: [Request and response of Claude](https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages-request-response.html).
const KNOWN_BETAS: [&str; 12] = [
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dev-full-thinking-2025-05-14",
    "effort-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
    "output-128k-2025-02-19",
    "token-efficient-tools-2025-02-19",
    "tool-search-tool-2025-10-19",
];
/// How often a call is changed and made again.
const MOST_TRIES: u32 = 4;
/// The most models that are remembered.
const MOST_MODELS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn members(value: serde_json::Value) -> Members {
        serde_json::from_value(value).unwrap()
    }

    fn refusal(message: &str) -> Error {
        Error::new(ErrorKind::Validation, message)
    }

    fn body(tries: &Tries, members: &Members) -> serde_json::Value {
        serde_json::to_value(tries.applied(members)).unwrap()
    }

    #[test]
    fn what_is_refused_leaves_the_request_and_the_rest_stays_as_it_is() {
        let lessons = Lessons::default();
        let asked = members(json!({
            "z": 1,
            "context_management": {"edits": []},
            "tools": [{"name": "a", "input_examples": [1], "input_schema": {"z": 1, "a": 2}}, {"name": "b"}],
            "system": [{"type": "text", "cache_control": {"type": "ephemeral", "scope": "global"}}],
        }));
        let mut tries = lessons.of("m");
        assert!(tries.learn(&refusal("context_management: Extra inputs are not permitted"), &asked));
        assert!(
            tries.learn(&refusal("tools.0.custom.input_examples: Extra inputs are not permitted"), &asked)
        );
        assert!(tries.learn(
            &refusal("1 error: system.0.cache_control.ephemeral.scope: Extra inputs are not permitted"),
            &asked
        ));
        let sent = body(&tries, &asked);
        assert_eq!(
            sent,
            json!({
                "z": 1,
                "tools": [{"name": "a", "input_schema": {"z": 1, "a": 2}}, {"name": "b"}],
                "system": [{"type": "text", "cache_control": {"type": "ephemeral"}}],
            })
        );
        let text = Document::write(&tries.applied(&asked)).unwrap();
        assert!(text.text().contains(r#""input_schema":{"a":2,"z":1}"#), "raw: {}", text.text());
        assert_eq!(tries.notes(&asked).len(), 3);
        // The same refusal again would change nothing.
        assert!(!tries.learn(&refusal("context_management: Extra inputs are not permitted"), &asked));
        lessons.keep("m", tries);
        assert_eq!(body(&lessons.of("m"), &asked), sent);
        assert!(lessons.of("m").notes(&members(json!({"z": 1}))).is_empty());
    }

    #[test]
    fn betas_are_taken_out_by_name_or_else_those_that_bedrock_has_not() {
        let asked = members(json!({"anthropic_beta": [
            "claude-code-20250219", "interleaved-thinking-2025-05-14", "effort-2025-11-24"
        ]}));
        let betas = |tries: &Tries| body(tries, &asked)[BETAS].clone();
        let mut tries = Lessons::default().of("m");
        assert!(tries.learn(&refusal("invalid beta flag"), &asked));
        assert_eq!(betas(&tries), json!(["interleaved-thinking-2025-05-14", "effort-2025-11-24"]));
        assert!(tries.learn(&refusal("beta effort-2025-11-24 is not supported"), &asked));
        assert_eq!(betas(&tries), json!(["interleaved-thinking-2025-05-14"]));
        assert!(tries.learn(&refusal("invalid beta flag"), &asked));
        assert_eq!(betas(&tries), serde_json::Value::Null);
        assert!(!tries.learn(&refusal("invalid beta flag"), &asked));
        assert_eq!(tries.notes(&asked).len(), 3);
    }

    #[test]
    fn other_refusals_change_nothing() {
        let asked = members(json!({"messages": [], "max_tokens": 1}));
        for error in [
            refusal("messages: at least one message is required"),
            refusal("messages: Extra inputs are not permitted"),
            Error::new(ErrorKind::Throttled, "context_management: Extra inputs are not permitted"),
        ] {
            assert!(!Lessons::default().of("m").learn(&error, &asked), "{error}");
        }
    }
}
