//! The service's operations, and a call of one: what goes into the URL, the headers and the body.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::endpoint::{Service, encode_label};
use crate::error::{Error, ErrorKind, Result};

/// An operation of the service.
///
/// Source: the API reference of [Amazon Bedrock Runtime](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// A whole answer at once.
    Converse,
    /// An answer as a stream of events.
    ConverseStream,
}

impl Operation {
    /// The name in the service's model.
    pub fn name(self) -> &'static str {
        match self {
            Self::Converse => "Converse",
            Self::ConverseStream => "ConverseStream",
        }
    }

    /// How the answer comes.
    pub(crate) fn answer_form(self) -> AnswerForm {
        match self {
            Self::Converse => AnswerForm::Whole,
            Self::ConverseStream => AnswerForm::Stream { closing_event: Some("messageStop") },
        }
    }

    /// Which of the two services has it.
    pub fn service(self) -> Service {
        match self {
            Self::Converse | Self::ConverseStream => Service::Runtime,
        }
    }
}

/// How an operation is answered.
pub(crate) enum AnswerForm {
    /// At once.
    Whole,
    /// As a stream of events.
    Stream {
        /// The type of the event without which the answer is not complete, where there is one.
        closing_event: Option<&'static str>,
    },
}

/// A call of an operation, before it is sent anywhere: a function of its input alone.
#[derive(Debug, Clone)]
pub struct Call {
    pub(crate) operation: Operation,
    /// The model, where there is one: an ARN names the region to call.
    pub(crate) model_id: Option<String>,
    pub(crate) method: http::Method,
    /// From the endpoint on, percent-encoded.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// A call of Converse with a model's id, a profile's or an ARN, and a body of JSON: the API's
    /// members without `modelId`.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] when the id is empty.
    pub fn converse(model_id: &str, body: impl Into<Bytes>) -> Result<Self> {
        Self::of_model(Operation::Converse, model_id, "converse", body.into())
    }

    /// As [`converse`](Self::converse), for ConverseStream.
    pub fn converse_stream(model_id: &str, body: impl Into<Bytes>) -> Result<Self> {
        Self::of_model(Operation::ConverseStream, model_id, "converse-stream", body.into())
    }

    fn of_model(operation: Operation, model_id: &str, verb: &str, body: Bytes) -> Result<Self> {
        if model_id.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "modelId: the id of a model or profile, or an ARN, expected; it is empty",
            ));
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let path = format!("/model/{}/{verb}", encode_label(model_id));
        let model_id = Some(model_id.to_owned());
        Ok(Self { operation, model_id, method: http::Method::POST, path, headers, body })
    }
}
