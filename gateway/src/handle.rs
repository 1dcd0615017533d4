//! One request: whether it may be served, its body, and where it goes.

use std::future::{Future as _, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{self, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use pumice::settings::Clients;
use pumice::transport::Replay;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::body::{Outgoing, Response};
use crate::claude::Lessons;
use crate::failure::{Failure, caught};
use crate::guard::{Admission, Key, admit, check_host, check_origin, check_signature};
use crate::names::Names;
use crate::openai::Unserved;
use crate::record::{Ledger, Tally};
use crate::route::{Form, Route};
use crate::server::{LARGEST_HEAD, Options};

/// What all connections share.
pub(crate) struct Gateway {
    pub(crate) clients: Arc<Clients>,
    pub(crate) names: Arc<Names>,
    pub(crate) ledger: Arc<Ledger>,
    /// What Claude models refused.
    pub(crate) lessons: Lessons,
    keys: Vec<Key>,
    hosts: Vec<String>,
    origins: Vec<String>,
    pub(crate) replay: Option<Arc<Replay>>,
    /// What OpenAI's models are not served as.
    pub(crate) unserved: Unserved,
    /// Bytes of requests' bodies in memory.
    held: AtomicUsize,
    is_stopping: AtomicBool,
    /// Whether there were credentials, and when that was looked up.
    ready: Mutex<Option<(Instant, Result<(), String>)>>,
}

/// A call whose body has arrived.
pub(crate) struct Call {
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
    pub(crate) tally: Tally,
}

impl Gateway {
    pub(crate) fn new(clients: Clients, options: Options) -> Self {
        let clients = Arc::new(clients);
        Self {
            names: Arc::new(Names::new(Arc::clone(&clients), options.replay.clone())),
            replay: options.replay,
            clients,
            ledger: Arc::new(Ledger::new(options.log, options.retries)),
            lessons: Lessons::default(),
            unserved: Unserved::default(),
            keys: options.keys,
            hosts: options.hosts,
            origins: options.origins,
            held: AtomicUsize::new(0),
            is_stopping: AtomicBool::new(false),
            ready: Mutex::default(),
        }
    }

    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Relaxed);
    }

    /// Serves a request. What fails is said in the response.
    pub(crate) async fn handle(&self, request: Request<Incoming>, local: Option<IpAddr>) -> Response {
        let path = request.uri().path();
        let form = Route::of(request.method().as_str(), path).form(path);
        // Boxed: a connection that waits for its next request holds no room for a call.
        let mut serving = Box::pin(self.serve(request, local));
        poll_fn(|task| {
            caught(|| serving.as_mut().poll(task))
                .unwrap_or_else(|panicked| Poll::Ready(respond(form, &Failure::from(&panicked), None)))
        })
        .await
    }

    async fn serve(&self, request: Request<Incoming>, local: Option<IpAddr>) -> Response {
        let (head, body) = request.into_parts();
        let path = head.uri.path();
        let route = Route::of(head.method.as_str(), path);
        let form = route.form(path);
        let forbidden = |message| respond(form, &Failure::new(StatusCode::FORBIDDEN, message), None);
        // hyper stops reading a head near the limit, and not at it.
        let lengths = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
        if lengths.sum::<usize>() > LARGEST_HEAD {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return respond(form, &Failure::new(status, "the headers are larger than 64 KiB"), None);
        }
        if let Err(foreign) = check_host(&self.hosts, local, &head) {
            return forbidden(foreign);
        }
        let origin = match check_origin(&self.origins, &head.headers) {
            Ok(origin) => origin,
            Err(foreign) => return forbidden(foreign),
        };
        let mut response = match (&origin, &head.method) {
            (Some(_), &Method::OPTIONS) => preflight(&head.headers),
            _ => self.admitted(route, form, head, body).await,
        };
        if let Some(origin) = origin.and_then(|origin| HeaderValue::try_from(origin).ok()) {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        response
    }

    async fn admitted(&self, route: Route, form: Form, head: Parts, body: Incoming) -> Response {
        match route {
            Route::Page => return page(),
            // Before its body, which may never end.
            Route::Bidirectional => {
                return respond(form, &Failure::new(StatusCode::BAD_REQUEST, BIDIRECTIONAL), None);
            }
            Route::Health => return self.health(),
            Route::Ready => return self.readiness(&head.headers).await,
            _ => {}
        }
        let mut tally = route.dialect().map(|dialect| Tally::begin(&self.ledger, dialect));
        let closed = |why: &str, tally| respond(form, &Failure::new(StatusCode::UNAUTHORIZED, why), tally);
        let mut is_signed = false;
        match admit(&self.keys, &head.headers) {
            Admission::Open(name) => set_key(&mut tally, name),
            Admission::Signed => is_signed = true,
            Admission::Closed(why) => return closed(why, tally),
        }
        let (body, _held) = match self.read(&head, body).await {
            Ok(body) => body,
            Err(failure) => return respond(form, &failure, tally),
        };
        if is_signed {
            match check_signature(&self.keys, &head, &body, SystemTime::now()) {
                Ok(name) => set_key(&mut tally, name),
                Err(why) => return closed(why, tally),
            }
        }
        let Some(tally) = tally else { return self.own(&route, form, &head).await };
        let call = Call { head, body, tally };
        match route {
            Route::Native(service) => self.pass(service, call).await,
            Route::Models => self.list_models(form, call).await,
            Route::Model(name) => self.show_model(&name, call).await,
            Route::Messages => self.messages(call).await,
            Route::CountTokens => self.count_tokens(call).await,
            Route::Embeddings => self.embed(call).await,
            route => self.openai(&route, call).await,
        }
    }

    /// What the gateway says of itself.
    async fn own(&self, route: &Route, form: Form, head: &Parts) -> Response {
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

    fn health(&self) -> Response {
        if self.is_stopping.load(Relaxed) {
            return text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into());
        }
        text(StatusCode::OK, "ok\n".into())
    }

    /// Whether calls can be made. Why not is for those who may call: it tells of the machine.
    async fn readiness(&self, headers: &HeaderMap) -> Response {
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

    /// Reads the body of a request. What it returns beside it is to be dropped when the body is.
    async fn read(&self, head: &Parts, mut incoming: Incoming) -> Result<(Bytes, Held<'_>), Failure> {
        let mut weight = Held { total: &self.held, bytes: 0 };
        let too_large = || {
            let message = format!("the body is larger than {} MiB", LARGEST_BODY / 1024 / 1024);
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, message)
        };
        let announced =
            head.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if announced.is_some_and(|length: u64| length > LARGEST_BODY as u64) {
            return Err(too_large());
        }
        let started = Instant::now();
        let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
        loop {
            let left = LONGEST_BODY.saturating_sub(started.elapsed()).min(LONGEST_SILENCE);
            let frame = timeout(left, poll_fn(|task| Pin::new(&mut incoming).poll_frame(task))).await;
            let frame = frame
                .map_err(|_| Failure::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"))?;
            let data = match frame {
                None => break,
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(_)) => return Err(Failure::new(StatusCode::BAD_REQUEST, "the body is incomplete")),
            };
            if !weight.take(data.len()) {
                let mut failure = Failure::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "too many large requests at a time; try again in a second",
                );
                failure.retry_after = Some(1);
                return Err(failure);
            }
            if weight.bytes > LARGEST_BODY {
                return Err(too_large());
            }
            if first.is_empty() && whole.is_empty() {
                first = data;
            } else {
                if whole.is_empty() {
                    whole.extend_from_slice(&first);
                    first = Bytes::new();
                }
                whole.extend_from_slice(&data);
            }
        }
        self.ledger.bytes_in.fetch_add(weight.bytes as u64, Relaxed);
        Ok((if whole.is_empty() { first } else { whole.freeze() }, weight))
    }
}

/// The bytes of one body in the total of all.
pub(crate) struct Held<'a> {
    total: &'a AtomicUsize,
    bytes: usize,
}

impl Held<'_> {
    fn take(&mut self, bytes: usize) -> bool {
        self.bytes += bytes;
        self.total.fetch_add(bytes, Relaxed) + bytes <= MOST_HELD
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.total.fetch_sub(self.bytes, Relaxed);
    }
}

fn set_key(tally: &mut Option<Tally>, name: Option<String>) {
    if let Some(tally) = tally {
        tally.edit(|record| record.key = name);
    }
}

fn preflight(headers: &HeaderMap) -> Response {
    let mut response = http::Response::new(Outgoing::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let asked = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    let answer = response.headers_mut();
    answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, DELETE"));
    answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    if let Some(asked) = asked {
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
    }
    response
}

/// The page for people. What it shows, it asks for with the key.
fn page() -> Response {
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

/// A response that is known as a whole.
pub(crate) fn whole(
    status: StatusCode,
    media_type: &'static str,
    body: Bytes,
    tally: Option<Tally>,
) -> Response {
    let mut tally = tally;
    if let Some(tally) = &mut tally {
        tally.answered(status.as_u16());
        if body.is_empty() {
            tally.complete();
        }
    }
    let body = if body.is_empty() { Outgoing::empty() } else { Outgoing::Whole(Some(body), tally) };
    let mut response = http::Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

pub(crate) fn json_response(status: StatusCode, body: &Value, tally: Option<Tally>) -> Response {
    whole(status, "application/json", body.to_string().into(), tally)
}

/// A failure, in the form of a dialect.
pub(crate) fn respond(form: Form, failure: &Failure, tally: Option<Tally>) -> Response {
    let mut tally = tally;
    let mut status = failure.status;
    let mut code = None;
    let body = match form {
        Form::OpenAi => failure.openai(),
        Form::Anthropic => {
            if status == StatusCode::SERVICE_UNAVAILABLE {
                // Anthropic's own: its SDKs wait longer then.
                status = StatusCode::from_u16(529).unwrap_or(status);
            }
            failure.anthropic()
        }
        Form::Native => {
            if status == StatusCode::UNAUTHORIZED {
                status = StatusCode::FORBIDDEN;
            }
            let (body, name) = failure.native();
            code = Some(name);
            body
        }
    };
    if let Some(tally) = &mut tally {
        tally.edit(|record| {
            record.request_id.clone_from(&failure.request_id);
            // The log and the page hold nothing that was said, and what is wrong with a request quotes it.
            record.error = Some(match (&failure.param, failure.quotes) {
                (_, false) => failure.message.clone(),
                (Some(param), true) => format!("{param}: not accepted"),
                (None, true) => "the body: not accepted".into(),
            });
        });
    }
    let mut response = whole(status, "application/json", body.into(), tally);
    let headers = response.headers_mut();
    if failure.status == StatusCode::UNAUTHORIZED {
        headers.insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static("false"));
    }
    if let Some(seconds) = failure.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if let Some(code) = code {
        headers.insert(HeaderName::from_static("x-amzn-errortype"), HeaderValue::from_static(code));
    }
    set_request_id(headers, form, failure.request_id.as_deref());
    response
}

/// Bedrock's id of the request, under the name that SDKs of this form look for.
pub(crate) fn set_request_id(headers: &mut HeaderMap, form: Form, id: Option<&str>) {
    let Some(id) = id.and_then(|id| HeaderValue::from_str(id).ok()) else { return };
    let name = match form {
        Form::OpenAi => "x-request-id",
        Form::Anthropic => "request-id",
        Form::Native => "x-amzn-requestid",
    };
    headers.insert(HeaderName::from_static(name), id);
}

/// What is said of a call beside its response.
pub(crate) fn set_notes(headers: &mut HeaderMap, model: &str, notes: &[String]) {
    if let Ok(model) = HeaderValue::from_str(model) {
        headers.insert(HeaderName::from_static("x-pumice-model"), model);
    }
    for note in notes.iter().take(MOST_NOTES) {
        // A header holds visible ASCII.
        let shown = note.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' });
        let shown = shown.take(LONGEST_NOTE).collect::<String>();
        if let Ok(note) = HeaderValue::from_str(&shown) {
            headers.append(HeaderName::from_static("x-pumice-note"), note);
        }
    }
}

const BIDIRECTIONAL: &str = "InvokeModelWithBidirectionalStream needs HTTP/2, which the gateway does not speak: make this \
                             call at Amazon Bedrock itself";
const PAGE: &str = include_str!("page.html");
/// Nothing from elsewhere, and no other script or style than the page's own, which are named by their hashes.
const POLICY: &str = concat!(
    "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; ",
    "frame-ancestors 'none'; style-src 'sha256-9iL0QCA0pG5tELm/MYgPJl8a18A/QFUu44atOOqQatc='; script-src 'sha256-FNRVp3RgkKv2Bzeyukv4AxLoLbwYpBEX8oN/SrsXTVw='"
);
const EXPOSED: &str =
    "request-id, x-request-id, x-amzn-requestid, x-pumice-model, x-pumice-note, retry-after";
const LARGEST_BODY: usize = 32 * 1024 * 1024;
/// How many bytes of bodies may be in memory at a time.
const MOST_HELD: usize = 256 * 1024 * 1024;
/// How long a body may take, and how long nothing of it may arrive.
const LONGEST_BODY: Duration = Duration::from_mins(5);
const LONGEST_SILENCE: Duration = Duration::from_secs(30);
const READY_KEPT: Duration = Duration::from_secs(10);
const UNREADY_KEPT: Duration = Duration::from_secs(2);
const MOST_NOTES: usize = 16;
const LONGEST_NOTE: usize = 500;

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
