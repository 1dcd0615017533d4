//! The request of one attempt: its headers, its signature or token, and the secrets in it.

use ::http::Request;
use ::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;

use super::Client;
use crate::config::{Config, is_of_connection};
use crate::credentials::{Credentials, Resolved};
use crate::endpoint::{Endpoint, Service};
use crate::operation::Call;
use crate::progress::Progress;
use crate::redaction::Redaction;
use crate::sign::{self, Scope};
use crate::transport::proxy_secrets;
use crate::{Error, ErrorKind, Result};

impl Client {
    /// Adds the signature or the bearer token.
    pub(super) fn authorise(
        &self,
        mut request: Request<Bytes>,
        service: Service,
        endpoint: &Endpoint,
        found: Option<&Resolved>,
    ) -> Result<Request<Bytes>> {
        let config = &self.config;
        let Some(found) = found else { return Ok(request) };
        config.0.watcher.report(&Progress::Credentials { link: &found.link });
        match &found.credentials {
            Credentials::Bearer(_) if service.is_s3() => {
                let message = format!("expected access keys for S3, found an API key: {}", found.link);
                Err(Error::new(ErrorKind::Credentials, message)
                    .with_hint("name a profile that has access keys or a role, or unset the API key"))
            }
            Credentials::Bearer(token) => {
                let value = HeaderValue::from_str(&format!("Bearer {}", token.token()));
                let mut value = value.map_err(|_| {
                    Error::new(
                        ErrorKind::Credentials,
                        "bearer token: expected visible ASCII, found another character",
                    )
                })?;
                value.set_sensitive(true);
                request.headers_mut().insert(AUTHORIZATION, value);
                Ok(request)
            }
            Credentials::Keys(keys) => {
                let scope = Scope { region: endpoint.region(), service: service.signing_name() };
                let headers = sign::sign(&request, keys, scope, config.0.context.service_time())?;
                request.headers_mut().extend(headers);
                Ok(request)
            }
        }
    }

    /// Refuses a request that would carry a secret over plain http to another machine, unless that is allowed. It is
    /// never allowed for a bearer token.
    pub(super) fn keep_from_plain_http(&self, request: &Request<Bytes>, endpoint: &Endpoint) -> Result<()> {
        let Self { config, .. } = self;
        let is_network = config.0.transport.as_ref().is_none_or(|transport| transport.is_network());
        if endpoint.may_carry_secrets() || !is_network {
            return Ok(());
        }
        let refused = |what: &str, hint: &str| {
            let url = endpoint.shown_url();
            let message =
                format!("the endpoint {url} is not https, and {what} over plain http only to this machine");
            Err(Error::new(ErrorKind::InvalidInput, message).with_hint(hint))
        };
        let authorization = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let begins = |scheme: &[u8]| {
            let begin = authorization.and_then(|value| value.get(..scheme.len()));
            begin.is_some_and(|begin| begin.eq_ignore_ascii_case(scheme))
        };
        if begins(b"bearer ") {
            let hint = "give an https URL, or use access keys, whose secret is not sent";
            return refused("a bearer token goes", hint);
        }
        let signed = begins(b"aws4-hmac-sha256 ");
        let sensitive = request.headers().iter().filter(|(_, value)| value.is_sensitive());
        let secrets = sensitive.map(|(name, _)| name).filter(|name| !signed || *name != AUTHORIZATION);
        let secrets = secrets.map(HeaderName::as_str).collect::<Vec<_>>();
        if !secrets.is_empty() && !config.0.allow_plain_http {
            let hint = "give an https URL; to send secrets in the clear anyway, set \
                        models.providers.amazon-bedrock.request.allowPlainHttp to true in the settings";
            return refused(&format!("the secrets in {} go", secrets.join(", ")), hint);
        }
        if signed || !secrets.is_empty() {
            let host = request.uri().authority().map_or("", |authority| authority.as_str());
            config.0.watcher.report(&Progress::PlainHttp { host, secrets: &secrets });
        }
        Ok(())
    }

    /// The secrets in a request, and those it was made with.
    pub(super) fn redaction(&self, request: &Request<Bytes>, found: Option<&Resolved>) -> Redaction {
        let mut redaction = Redaction::of(request.headers());
        if let Some(Credentials::Keys(keys)) = found.map(|found| &found.credentials) {
            redaction.add(keys.secret_access_key());
        }
        let proxy = self
            .shared
            .proxy_secrets
            .get_or_init(|| proxy_secrets(&self.config.0.http, &self.config.0.context));
        for secret in self.config.0.withheld.iter().chain(proxy) {
            redaction.add(secret.token());
        }
        redaction
    }
}

/// The request without its signature or token.
pub(super) fn request(config: &Config, call: &Call, endpoint: &Endpoint) -> Result<Request<Bytes>> {
    let query = call.query.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect::<Vec<_>>();
    let url = endpoint.call_url(&call.path, &query)?;
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(&url)
        .body(call.body.clone())
        .map_err(|source| Error::new(ErrorKind::InvalidInput, "expected a URL").with_source(source))?;
    *request.headers_mut() = headers(config, call)?;
    if let Some(operation) = call.operation {
        request.extensions_mut().insert(operation);
    }
    Ok(request)
}

/// The headers of the configuration and of the call, without those that the client sets itself. Those of the
/// configuration are for Bedrock, or for a gateway in front of it, and S3 gets none of them.
fn headers(config: &Config, call: &Call) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let to_s3 = call.service.is_s3();
    let is_own = |name: &HeaderName| {
        *name == HOST
            || *name == AUTHORIZATION && config.0.uses_credentials
            || name.as_str().starts_with("x-amz-") && !to_s3
    };
    for (name, value) in config.0.headers.iter().filter(|_| !to_s3) {
        let invalid = || {
            let message = format!(
                "header {name:?}: expected visible ASCII, found another character in its name or value"
            );
            Error::new(ErrorKind::InvalidInput, message)
        };
        let name = HeaderName::try_from(name).map_err(|_| invalid())?;
        refuse_of_connection(&name)?;
        if !is_own(&name) {
            let mut value = HeaderValue::from_str(value).map_err(|_| invalid())?;
            // Media types are not secrets, and messages show them.
            value.set_sensitive(name != ACCEPT && name != CONTENT_TYPE);
            headers.insert(name, value);
        }
    }
    for (name, value) in call.headers.iter().filter(|(name, _)| !is_own(name)) {
        refuse_of_connection(name)?;
        headers.insert(name, value.clone());
    }
    Ok(headers)
}

fn refuse_of_connection(name: &HeaderName) -> Result<()> {
    if is_of_connection(name.as_str()) {
        let message = format!("the header {name} cannot be set: it belongs to the connection");
        return Err(Error::new(ErrorKind::InvalidInput, message).with_hint("leave it out"));
    }
    Ok(())
}
