//! Passage: a request of Bedrock's services, signed anew, and its response, as it is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream as _;
use http::header::{self, HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;
use pumice::endpoint::Service;
use pumice::operation;
use pumice::{Client, ResponseBody};

use crate::body::{Outgoing, Pieces, Response};
use crate::failure::{Failure, caught};
use crate::gateway::{Call, Gateway};
use crate::names::Names;
use crate::record::Tally;
use crate::respond::respond;
use crate::route::Form;
use crate::usage::Tail;

impl Gateway {
    /// Passes a call on.
    pub(crate) async fn pass(&self, service: Service, call: Call) -> Response {
        let Call { head, body, mut tally } = call;
        let model = model_of(head.uri.path());
        let client = match &model {
            Some(model) => self.clients.of(model),
            None => self.clients.common().clone(),
        };
        tally.edit(|record| record.model = model.clone().unwrap_or_default());
        let path = head.uri.path();
        let passed =
            pass(&client, service, head.method.as_str(), path, head.uri.query(), &head.headers, body);
        match passed.await {
            Ok(response) => self.passed(response, model, tally),
            Err(error) => respond(Form::Native, &Failure::from(&error), Some(tally)),
        }
    }

    /// The response of a call that was passed on.
    pub(crate) fn passed(
        &self,
        response: pumice::Response<ResponseBody>,
        model: Option<String>,
        mut tally: Tally,
    ) -> Response {
        let status = response.status();
        tally.answered(status.as_u16());
        tally.edit(|record| {
            record.request_id = response.request_id().map(str::to_owned);
            record.error = (!status.is_success()).then(|| format!("{status} from Bedrock"));
        });
        let mut headers = response.headers().clone();
        for name in OF_CONNECTION {
            headers.remove(*name);
        }
        let pieces = Passing {
            body: response.into_inner(),
            tail: model.map(|model| (Tail::default(), model)),
            names: Arc::clone(&self.names),
            tally,
        };
        let mut response = http::Response::new(Outgoing::stream(pieces));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// Sends a request with its body and its query, and of its headers those that matter to the service: none that
/// authorises it, and none that describes the connection or the attempt.
pub(crate) async fn pass(
    client: &Client,
    service: Service,
    method: &str,
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Bytes,
) -> pumice::Result<pumice::Response<ResponseBody>> {
    let mut call = operation::Call::to_path(service, method, path)?.body(body);
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        call = call.query(decoded(name), decoded(value));
    }
    for (name, value) in headers {
        let matters = KEPT.contains(name) || name.as_str().starts_with("x-amzn-");
        if let (true, Ok(value)) = (matters, value.to_str()) {
            call = call.header(name.as_str(), value)?;
        }
    }
    client.pass(&call).await
}

/// The model in a path of the runtime.
fn model_of(path: &str) -> Option<String> {
    let model = path.strip_prefix("/model/")?.split('/').next()?;
    Some(decoded(model))
}

/// A text with its `%XX` resolved.
pub(crate) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A response on its way.
struct Passing {
    body: ResponseBody,
    /// The end of what came, and the model, to know its tokens and their price.
    tail: Option<(Tail, String)>,
    names: Arc<Names>,
    tally: Tally,
}

impl Pieces for Passing {
    fn poll_piece(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<pumice::Result<Bytes>>> {
        let Self { body, tail, names, tally } = &mut *self;
        let polled = caught(|| Pin::new(body).poll_next(task));
        let piece = ready!(polled.unwrap_or_else(|panicked| Poll::Ready(Some(Err(panicked)))));
        match &piece {
            Some(Ok(bytes)) => {
                tally.sent(bytes.len());
                if let Some((tail, _)) = tail {
                    tail.push(bytes);
                }
            }
            Some(Err(error)) => {
                tally.edit(|record| record.error = Some(error.to_string()));
                tally.complete();
            }
            None => {
                if let Some((tail, model)) = tail.take() {
                    let tokens = tail.tokens();
                    let cost = names.cost(&model, tokens);
                    tally.edit(|record| (record.tokens, record.cost) = (tokens, cost));
                }
                tally.complete();
            }
        }
        Poll::Ready(piece)
    }
}

/// The headers of a request that are passed on, beside those that begin with `x-amzn-`.
const KEPT: [HeaderName; 4] =
    [header::ACCEPT, header::CONTENT_TYPE, header::CONTENT_ENCODING, header::IF_NONE_MATCH];
/// The headers of a response that belong to its connection.
const OF_CONNECTION: &[&str] =
    &["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_decoded_once() {
        assert_eq!(decoded("a%3A0%2Fb+c"), "a:0/b+c");
        assert_eq!(decoded("%zz%2"), "%zz%2");
        assert_eq!(decoded("%253A"), "%3A");
        assert_eq!(model_of("/model/us.m%3A0/converse").as_deref(), Some("us.m:0"));
        assert_eq!(model_of("/guardrail/g"), None);
    }
}
