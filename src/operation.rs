//! The service's operations.
//!
//! One table says where each member of a request is sent and which form the response has. [`Request`] and
//! [`StreamRequest`] connect the typed requests to it, in one line per operation. A [`Call`] is what is sent: it is
//! built from a typed request, from the members of a JSON object, or from any path.

mod binding;
mod call;
mod request;

use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap};
use serde::de::{DeserializeOwned, IgnoredAny};

pub use self::binding::Operation;
pub(crate) use self::binding::ResponseForm;
pub use self::call::Call;
pub use self::request::{Request, StreamRequest};
use crate::endpoint::Service;
use crate::refusal::may_be;
use crate::shape::Members;
use crate::{Error, ErrorKind, Result};
use pumice_codec::internal::from_json;

impl Operation {
    /// The operation of this name in the service's model.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// The operation that has this method and path.
    pub(crate) fn at(service: Service, method: &Method, path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| {
            let binding = operation.binding();
            let (mut expected, mut found) = (binding.path.split('/'), path.split('/'));
            let fits = |segment: &str, found: &str| binding::label(segment).is_some() || segment == found;
            binding.service == service
                && binding.method() == *method
                && expected.by_ref().all(|segment| found.next().is_some_and(|found| fits(segment, found)))
                && found.next().is_none()
        })
    }

    /// The name in the service's model.
    pub fn name(self) -> &'static str {
        self.binding().name
    }

    /// The service that has this operation.
    pub fn service(self) -> Service {
        self.binding().service
    }

    /// Whether the response is a stream of events.
    pub fn is_streamed(self) -> bool {
        matches!(self.response_form(), ResponseForm::Stream(_))
    }

    /// The event without which a response in a stream is not complete.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] if the response of this operation is not a stream.
    pub(crate) fn closing_event(self) -> Result<Option<&'static str>> {
        match self.response_form() {
            ResponseForm::Stream(closing_event) => Ok(Some(closing_event)),
            _ => Err(self.wrong_form("a stream of events", "comes whole")),
        }
    }

    /// The error of a caller that expects another form of response than the operation has.
    pub(crate) fn wrong_form(self, expected: &str, found: &str) -> Error {
        let message =
            format!("{}: expected an operation whose response is {expected}; it {found}", self.name());
        Error::new(ErrorKind::InvalidInput, message)
    }

    /// The form of the response.
    pub(crate) fn response_form(self) -> ResponseForm {
        self.binding().response
    }

    /// A member of InvokeModel's response that is sent as a header.
    pub(crate) fn member_in_headers<'a>(member: &str, headers: &'a HeaderMap) -> Option<&'a str> {
        let (_, name) = MEMBERS_IN_HEADERS.iter().find(|(listed, _)| *listed == member)?;
        headers.get(*name)?.to_str().ok()
    }

    /// What a successful response should have been, if it is something else: gateways, and at times the service
    /// itself, report an error with status 200. `None` if it may be the response.
    ///
    /// `null` counts as absent.
    pub(crate) fn expected_instead(self, headers: &HeaderMap, body: &[u8]) -> Option<String> {
        let name = self.name();
        let required = match self.response_form() {
            ResponseForm::Json("") if body.trim_ascii().is_empty() => return None,
            ResponseForm::Json(required) | ResponseForm::Pages(required) => required,
            // A model's response can have any format, but is never empty and never an HTML page.
            ResponseForm::Payload(member) => {
                let may_be = |media_type| may_be(media_type, headers);
                let fits = match headers.contains_key(CONTENT_TYPE) {
                    true if may_be("text/html") || may_be("application/xhtml+xml") => false,
                    _ if may_be("application/json") => from_json::<IgnoredAny>(body).is_ok(),
                    _ => !body.is_empty(),
                };
                return (!fits).then(|| format!("a {member} in the {name} response"));
            }
            ResponseForm::Stream(_) => return None,
        };
        let Ok(members) = from_json::<Members>(body) else {
            return Some(format!("a JSON object as the {name} response"));
        };
        let has = |member: &str| members.named(member).is_some_and(|value| value.text() != "null");
        if required.is_empty() {
            let is_error = ["message", "Message", "__type", "code", "Output"].into_iter().any(has);
            return is_error.then(|| format!("no error in the {name} response"));
        }
        let missing = required.split(',').filter(|member| !has(member)).collect::<Vec<_>>();
        // A page whose items were all filtered out leads to the next one.
        let is_page = matches!(self.response_form(), ResponseForm::Pages(_)) && has(NEXT_TOKEN);
        (!missing.is_empty() && !is_page).then(|| format!("{} in the {name} response", missing.join(", ")))
    }

    /// Reads the body of a response as its type.
    pub(crate) fn read_json<T: DeserializeOwned>(self, body: &[u8]) -> Result<T> {
        // Of an operation whose response has no members.
        let body = if body.trim_ascii().is_empty() { b"{}" } else { body };
        from_json(body).map_err(|source| {
            let message = format!("expected a {} response, found JSON of another form", self.name());
            Error::new(ErrorKind::Damaged, message).with_source(source)
        })
    }
}

/// The token of a list's next page, in a request and in a response.
pub(crate) const NEXT_TOKEN: &str = "nextToken";
const MODEL_ID: &str = "modelId";
const PROJECT: &str = "projectIdentifier";
/// What a request is recognised by when it is repeated.
const CLIENT_TOKEN: &str = "clientRequestToken";
/// The members of InvokeModel's response beside the body, and the headers that they are in.
pub(crate) const MEMBERS_IN_HEADERS: [(&str, &str); 3] = [
    ("contentType", "content-type"),
    ("performanceConfigLatency", "x-amzn-bedrock-performanceconfig-latency"),
    ("serviceTier", "x-amzn-bedrock-service-tier"),
];
