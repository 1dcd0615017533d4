//! One request: whether it may be served, its body, and where it goes.

use std::future::{Future as _, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use http::header::{self, CONTENT_LENGTH, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Request, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::body::{Outgoing, Response};
use crate::failure::{Failure, caught};
use crate::gateway::{Call, Gateway};
use crate::guard::{Admission, admit, check_host, check_origin, check_signature};
use crate::own::page;
use crate::record::Tally;
use crate::respond::respond;
use crate::route::{Form, Route};

impl Gateway {
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

const BIDIRECTIONAL: &str = "InvokeModelWithBidirectionalStream needs HTTP/2, which the gateway does not speak: make this \
                             call at Amazon Bedrock itself";

const EXPOSED: &str =
    "request-id, x-request-id, x-amzn-requestid, x-pumice-model, x-pumice-note, retry-after";
const LARGEST_BODY: usize = 32 * 1024 * 1024;
/// How many bytes of bodies may be in memory at a time.
const MOST_HELD: usize = 256 * 1024 * 1024;
/// How long a body may take, and how long nothing of it may arrive.
const LONGEST_BODY: Duration = Duration::from_mins(5);
const LONGEST_SILENCE: Duration = Duration::from_secs(30);
/// The most bytes of a request's head, and of a response that the client does not read.
pub(crate) const LARGEST_HEAD: usize = 64 * 1024;
