//! What the gateway says of itself: the page, health, readiness, metrics and status.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use serde_json::json;

use crate::body::Response;
use crate::failure::Failure;
use crate::gateway::Gateway;
use crate::guard::{Admission, admit};
use crate::respond::{json_response, respond, whole};
use crate::route::{Form, Route};

impl Gateway {
    /// What the gateway says of itself.
    pub(crate) async fn own(&self, route: &Route, form: Form, head: &Parts) -> Response {
        let failure = match route {
            Route::Metrics => {
                return whole(
                    StatusCode::OK,
                    "text/plain; version=0.0.4",
                    self.ledger.metrics().into(),
                    None,
                );
            }
            Route::Status => return self.status(head.uri.query()).await,
            Route::WrongMethod(method) => {
                let message = format!("{} takes {method}, found {}", head.uri.path(), head.method);
                Failure::new(StatusCode::METHOD_NOT_ALLOWED, message)
            }
            _ => Failure::new(
                StatusCode::NOT_FOUND,
                format!(
                    "there is no {} {} here; there are POST /v1/chat/completions, /v1/responses, /v1/messages, \
                 /v1/messages/count_tokens, /v1/embeddings, GET /v1/models, and the paths of Amazon Bedrock",
                    head.method,
                    head.uri.path()
                ),
            ),
        };
        respond(form, &failure, None)
    }

    pub(crate) fn health(&self) -> Response {
        if self.is_stopping.load(Relaxed) {
            return text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into());
        }
        text(StatusCode::OK, "ok\n".into())
    }

    /// Whether calls can be made. Why not is for those who may call: it tells of the machine.
    pub(crate) async fn readiness(&self, headers: &HeaderMap) -> Response {
        if self.is_stopping.load(Relaxed) {
            return text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into());
        }
        let known = self.ready.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known = known.filter(|(at, found)| {
            // Sources may be processes and services: probes do not ask them each time.
            at.elapsed() < if found.is_ok() { READY_KEPT } else { UNREADY_KEPT }
        });
        let found = if let Some((_, found)) = known {
            found
        } else {
            let found = if self.replay.is_some() { Ok(()) } else { self.credentials().await };
            *self.ready.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((Instant::now(), found.clone()));
            found
        };
        match found {
            Ok(()) => text(StatusCode::OK, "ready\n".into()),
            Err(why) => {
                let may_call = matches!(admit(&self.keys, headers), Admission::Open(_));
                let why = if may_call { &why } else { "no credentials; ask with the key for the reason" };
                text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"))
            }
        }
    }

    async fn credentials(&self) -> Result<(), String> {
        match self.clients.common().identify().await {
            Ok(identity) => identity.search.result.map(|_| ()),
            Err(error) => Err(error),
        }
        .map_err(|error| Failure::from(&error).message)
    }

    /// What the page shows: the identity, and the calls after a number.
    async fn status(&self, query: Option<&str>) -> Response {
        let after = query.and_then(|query| query.strip_prefix("after=")).and_then(|after| after.parse().ok());
        let mut shown = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "calls": self.ledger.since(after.unwrap_or_default()),
            "open": self.ledger.open.load(Relaxed),
        });
        if after.is_none() && self.replay.is_none() {
            let identity = match self.clients.common().identify().await {
                Ok(identity) => {
                    let link = identity.search.result.as_ref().map(|found| found.link.clone());
                    let link = link.map_err(|error| Failure::from(error).message);
                    json!({
                        "region": identity.region.name(),
                        "endpoint": identity.runtime.shown_url(),
                        "credentials": link.as_ref().ok(),
                        "error": link.as_ref().err(),
                    })
                }
                Err(error) => json!({"error": Failure::from(&error).message}),
            };
            if let Some(shown) = shown.as_object_mut() {
                shown.insert("identity".into(), identity);
            }
        }
        json_response(StatusCode::OK, &shown, None)
    }
}

/// The page for people. What it shows, it asks for with the key.
pub(crate) fn page() -> Response {
    let mut response =
        whole(StatusCode::OK, "text/html; charset=utf-8", Bytes::from_static(PAGE.as_bytes()), None);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn text(status: StatusCode, text: String) -> Response {
    whole(status, "text/plain; charset=utf-8", text.into(), None)
}

const PAGE: &str = include_str!("page.html");
/// Nothing from elsewhere, and no other script or style than the page's own, which are named by their hashes.
const POLICY: &str = concat!(
    "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; ",
    "frame-ancestors 'none'; style-src 'sha256-9iL0QCA0pG5tELm/MYgPJl8a18A/QFUu44atOOqQatc='; script-src 'sha256-FNRVp3RgkKv2Bzeyukv4AxLoLbwYpBEX8oN/SrsXTVw='"
);
const READY_KEPT: Duration = Duration::from_secs(10);
const UNREADY_KEPT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;

    #[test]
    fn the_policy_names_the_pages_own_style_and_script_alone() {
        for tag in ["style", "script"] {
            let (_, rest) = PAGE.split_once(&format!("<{tag}>")).unwrap();
            let (text, _) = rest.split_once(&format!("</{tag}>")).unwrap();
            let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
            let hash = base64::engine::general_purpose::STANDARD.encode(hash);
            assert!(POLICY.contains(&format!("{tag}-src 'sha256-{hash}'")), "{tag}-src 'sha256-{hash}'");
        }
        for outside in ["http:", "https:", "src=", "@import", "url(", " style=", " onclick=", "innerHTML"] {
            let of_svg = PAGE.replace("http://www.w3.org/2000/svg", "");
            assert!(!of_svg.contains(outside), "{outside}");
        }
    }
}
