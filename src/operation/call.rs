//! A call of an operation or of any path, before it is sent.

use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::ser::{Serialize, Serializer};
use serde_json::Value;

use super::binding::{Location, MODEL_PATH, Others, label};
use super::{CLIENT_TOKEN, MODEL_ID, NEXT_TOKEN, Operation, PROJECT};
use crate::endpoint::Service;
use crate::invoke_model::InvokeModelRequest;
use crate::shape::{Blob, Document, Members};
#[cfg(feature = "bulk")]
use crate::url::encode_key;
use crate::url::{decode_label, encode_label};
use crate::{Error, ErrorKind, Result};
use pumice_codec::internal::from_json;

/// What one call sends, without endpoint and signature. It depends on its input alone.
///
/// Built from a typed request by [`Request::to_call`](super::Request::to_call) or
/// [`StreamRequest::to_stream_call`](super::StreamRequest::to_stream_call), from the members of a JSON object by
/// [`Call::new`], or for any path of a service by [`Call::to_path`].
///
/// Building fails with [`ErrorKind::InvalidInput`], and names the member, if the call cannot be sent: a label is absent
/// or empty, a header cannot have such a value, or the operation has no such member. The service checks everything
/// else.
///
/// ```
/// use pumice::operation::{Call, Operation};
/// use pumice::shape::Document;
///
/// let request = Document::parse(r#"{"modelId":"amazon.titan-embed-text-v2:0","body":"e30="}"#)?;
/// let call = Call::new(Operation::InvokeModel, &request.read()?)?;
/// # Ok::<(), pumice::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Call {
    /// `None` for a [path](Call::to_path).
    pub(crate) operation: Option<Operation>,
    pub(crate) service: Service,
    /// The bucket, of a call to S3.
    #[cfg(feature = "bulk")]
    pub(crate) bucket: Option<String>,
    /// The model, if the operation takes one. Its ARN may name the region to call.
    pub(crate) model_id: Option<String>,
    pub(crate) method: Method,
    /// The path after the endpoint, percent-encoded.
    pub(crate) path: String,
    /// Not encoded.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// A call with the members of a request, by their names in the service's model, blobs in base64.
    ///
    /// A member that this version does not know goes into the JSON body, or into the query if there is no body.
    /// In labels, query and headers, `null` counts as absent.
    pub fn new(operation: Operation, request: &Members) -> Result<Self> {
        let binding = operation.binding();
        let mut call = Self::at(operation, |member| {
            request.named(member).map(|value| text(member, value)).transpose().map(Option::flatten)
        })?;
        let mut json = JsonBody(Vec::new());
        for (member, value) in request.iter() {
            match binding.location(member) {
                Location::Label => {}
                Location::Query(key) => call.add_query(key, text(member, value)?),
                Location::Other(Others::Query) => call.add_query(member, text(member, value)?),
                Location::Header(name) => {
                    if let Some(value) = text(member, value)? {
                        call.headers
                            .insert(HeaderName::from_static(name), header_value(member, name, &value)?);
                    }
                }
                Location::Other(Others::Json) => json.0.push((member, value)),
                Location::Payload => {
                    let blob = value.read::<Option<Blob>>().map_err(|_| {
                        invalid(member, "expected bytes in base64, as a string; found something else")
                            .with_hint("encode it: base64 -w0 < request.json")
                    })?;
                    call.body = blob.unwrap_or_default().0;
                }
                Location::Other(Others::Nowhere) => {
                    let known = binding.members.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                    let name = binding.name;
                    return Err(invalid(member, &format!("{name} has no such member"))
                        .with_hint(format!("use one of these, or modelId: {known}")));
                }
            }
        }
        if binding.others == Others::Json {
            let body = serde_json::to_vec(&json).map_err(|source| {
                Error::new(ErrorKind::InvalidInput, "expected members that can be written as JSON")
                    .with_source(source)
            })?;
            call.set_json(body);
        }
        Ok(call)
    }

    /// A call of any path of a service, for [`Client::send_raw`](crate::Client::send_raw): `path` begins with a
    /// slash, and its labels are percent-encoded. The endpoint and the credentials are those of the service's
    /// operations.
    ///
    /// ```
    /// use pumice::endpoint::Service;
    /// use pumice::operation::Call;
    ///
    /// let call = Call::to_path(Service::Control, "GET", "/guardrails")?.query("maxResults", "10");
    /// # Ok::<(), pumice::Error>(())
    /// ```
    pub fn to_path(service: Service, method: &str, path: impl Into<String>) -> Result<Self> {
        let path = path.into();
        let method = Method::from_bytes(method.as_bytes());
        let method = method.map_err(|_| Error::new(ErrorKind::InvalidInput, "expected an HTTP method"))?;
        let is_path_byte = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#');
        if !path.starts_with('/') || !path.bytes().all(is_path_byte) {
            let message = "expected a path that begins with / and is percent-encoded, without a query";
            return Err(Error::new(ErrorKind::InvalidInput, format!("{message}; found {path:?}")));
        }
        Ok(Self {
            operation: None,
            service,
            #[cfg(feature = "bulk")]
            bucket: None,
            model_id: model_label(&path).and_then(|(label, _)| decode_label(label)),
            method,
            path,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        })
    }

    /// A call of an object in S3, or of its bucket if the key is empty.
    #[cfg(feature = "bulk")]
    pub(crate) fn to_object(method: Method, bucket: &str, key: &str) -> Self {
        Self {
            operation: None,
            service: Service::S3,
            bucket: Some(bucket.to_owned()),
            model_id: None,
            method,
            path: format!("/{}", encode_key(key)),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// Adds a parameter to the query. Name and value are not encoded yet.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sets a header, which is signed. It replaces a header of this name, also one of
    /// [`Config::header`](crate::Config::header). As there, `host`, `x-amz-*` and `authorization` are set by the client.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self> {
        let name = HeaderName::try_from(name)
            .map_err(|_| invalid(name, "expected the name of a header, found another character"))?;
        let mut value = header_value("header", name.as_str(), value)?;
        value.set_sensitive(![ACCEPT, CONTENT_TYPE].contains(&name));
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Sets the body, which is sent unchanged.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// What is called, for logs: the operation's name, or the path.
    pub fn name(&self) -> &str {
        self.operation.map_or(&self.path, |operation| operation.name())
    }

    /// The same call, of the operation that has its method and path.
    pub(crate) fn named(mut self) -> Self {
        self.operation = self.operation.or_else(|| Operation::at(self.service, &self.method, &self.path));
        self
    }

    /// The same call of another model.
    pub(crate) fn of_model(&self, model_id: &str) -> Self {
        let mut call = self.clone();
        if let Some((_, rest)) = model_label(&self.path) {
            call.path = format!("{MODEL_PATH}{}{rest}", encode_label(model_id));
            call.model_id = Some(model_id.to_owned());
        }
        call
    }

    /// The same call in this project, unless it names one itself or its operation takes none.
    pub(crate) fn in_project(&self, project: &str) -> Result<Self> {
        let mut call = self.clone();
        let Some(operation) = self.operation.filter(|operation| operation.takes_project()) else {
            return Ok(call);
        };
        match operation.binding().location(PROJECT) {
            Location::Header(name) => {
                if !call.headers.contains_key(name) {
                    let value = header_value(PROJECT, name, project)?;
                    call.headers.insert(HeaderName::from_static(name), value);
                }
            }
            Location::Other(Others::Json) => {
                let mut members = call.members(PROJECT)?;
                if members.named(PROJECT).is_none() {
                    members.insert(PROJECT, Value::from(project));
                    call.body = Document::write(&members)?.text().to_owned().into();
                }
            }
            _ => {
                if !call.query.iter().any(|(key, _)| key == PROJECT) {
                    call.add_query(PROJECT, Some(project.to_owned()));
                }
            }
        }
        Ok(call)
    }

    /// The same call with a `clientRequestToken`, unless it has one.
    pub(crate) fn with_client_token(&self, token: impl FnOnce() -> String) -> Result<Self> {
        let mut call = self.clone();
        let mut members = call.members(CLIENT_TOKEN)?;
        if members.named(CLIENT_TOKEN).is_none() {
            members.insert(CLIENT_TOKEN, Value::from(token()));
            call.body = Document::write(&members)?.text().to_owned().into();
        }
        Ok(call)
    }

    /// The token of the page that the call names, if it names one.
    pub(crate) fn page(&self) -> Option<String> {
        let in_query = self.query.iter().find(|(key, _)| key == NEXT_TOKEN).map(|(_, token)| token.clone());
        in_query.or_else(|| self.members(NEXT_TOKEN).ok()?.named(NEXT_TOKEN)?.read().ok())
    }

    /// The same call for another page of a list.
    pub(crate) fn of_page(mut self, token: String) -> Result<Self> {
        if self.body.is_empty() {
            self.query.retain(|(key, _)| key != NEXT_TOKEN);
            self.add_query(NEXT_TOKEN, Some(token));
        } else {
            let mut members = self.members(NEXT_TOKEN)?;
            members.insert(NEXT_TOKEN, Value::from(token));
            self.body = Document::write(&members)?.text().to_owned().into();
        }
        Ok(self)
    }

    /// The members of the JSON body, which another one is put into.
    fn members(&self, another: &str) -> Result<Members> {
        from_json(&self.body).map_err(|_| invalid(another, "expected a JSON body to put it in"))
    }

    /// A call with these labels and a JSON body, which is written only once, because it may be large.
    pub(super) fn with_json(operation: Operation, labels: &[&str], body: Vec<u8>) -> Result<Self> {
        let mut labels = labels.iter();
        let mut call = Self::at(operation, |_| Ok(labels.next().map(|&label| label.to_owned())))?;
        call.set_json(body);
        Ok(call)
    }

    /// A call of InvokeModel, whose body is sent unchanged.
    pub(super) fn with_payload(operation: Operation, request: &InvokeModelRequest) -> Result<Self> {
        let mut without_body = request.clone();
        let body = without_body.body.take().unwrap_or_default().0;
        let call = Self::of_members(operation, &without_body)?;
        Ok(Self { body, ..call })
    }

    pub(super) fn of_members(operation: Operation, request: &impl Serialize) -> Result<Self> {
        Self::new(operation, &Document::write(request)?.read()?)
    }

    /// A call of this path with these labels and nothing else.
    fn at(operation: Operation, mut value_of: impl FnMut(&str) -> Result<Option<String>>) -> Result<Self> {
        let binding = operation.binding();
        let mut path = String::new();
        let mut model_id = None;
        for segment in binding.path.split('/').skip(1) {
            path.push('/');
            let Some(member) = label(segment) else {
                path.push_str(segment);
                continue;
            };
            let found = match value_of(member)? {
                Some(value) if !value.is_empty() => {
                    path.push_str(&encode_label(&value));
                    if member == MODEL_ID && operation.takes_model() {
                        model_id = Some(value);
                    }
                    continue;
                }
                Some(_) => "an empty one",
                None => "none",
            };
            return Err(invalid(member, &format!("expected a value for {}, found {found}", binding.name)));
        }
        Ok(Self {
            operation: Some(operation),
            service: binding.service,
            #[cfg(feature = "bulk")]
            bucket: None,
            model_id,
            method: binding.method(),
            path,
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        })
    }

    fn set_json(&mut self, body: Vec<u8>) {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = body.into();
    }

    fn add_query(&mut self, key: &str, value: Option<String>) {
        self.query.extend(value.map(|value| (key.to_owned(), value)));
    }
}

/// The encoded model in the path of an operation that takes one, and what follows it.
fn model_label(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(MODEL_PATH)?;
    Some(rest.split_at(rest.find('/')?))
}

/// A member outside the body, as text. `None` for `null`.
fn text(member: &str, value: &Document) -> Result<Option<String>> {
    let found = match value.read::<Value>() {
        Ok(Value::Null) => return Ok(None),
        Ok(Value::String(text)) => return Ok(Some(text)),
        Ok(Value::Number(_) | Value::Bool(_)) => return Ok(Some(value.text().trim().to_owned())),
        Ok(Value::Array(_)) => "a list",
        Ok(Value::Object(_)) => "an object",
        Err(_) => "text that is not Unicode",
    };
    Err(invalid(member, &format!("expected a string, found {found}")))
}

fn header_value(member: &str, name: &str, value: &str) -> Result<HeaderValue> {
    let found = if value.contains(['\r', '\n']) { "a line end" } else { "another character" };
    let header = HeaderValue::from_str(value).ok().filter(|_| value.is_ascii());
    header.ok_or_else(|| {
        invalid(member, &format!("it is sent as the header {name}: expected visible ASCII, found {found}"))
    })
}

fn invalid(member: &str, fault: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, format!("{member}: {fault}"))
}

/// The members of the body, unchanged.
struct JsonBody<'a>(Vec<(&'a str, &'a Document)>);

impl Serialize for JsonBody<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}
