//! A model called in its own form: requests and responses of [InvokeModel] and [`InvokeModelWithResponseStream`].
//!
//! The body is the model's input or output, in the form that its provider defines; see
//! [inference request parameters](https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html).
//! The other members are headers.
//!
//! ```
//! use pumice_codec::invoke_model::InvokeModelRequest;
//!
//! let request = InvokeModelRequest::new("amazon.titan-embed-text-v2:0")
//!     .content_type("application/json")
//!     .body(r#"{"inputText":"pumice"}"#);
//! ```
//!
//! [InvokeModel]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html
//! [`InvokeModelWithResponseStream`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html

use alloc::string::String;

use crate::converse::{PerformanceConfigLatency, ServiceTierType};
use crate::error::Result;
use crate::event::{event_type, payload};
use crate::frame::{Frame, FrameView};
use crate::shape::{Blob, Document};
use crate::{enumeration, structure};

structure! {
    /// The input of `InvokeModel` and of `InvokeModelWithResponseStream`.
    #[doc(alias = "InvokeModelWithResponseStreamRequest")]
    pub struct InvokeModelRequest {
        required {
            /// Whom to ask, in 1 to 2048 characters: the id of a model or of an inference profile, or an ARN.
            model_id: String = "modelId",
        }
        optional {
            /// What the model is asked, in its own form: at most 25 000 000 bytes.
            body: Blob = "body",
            /// The media type of the body. Absent, the service takes it for `application/json`.
            content_type: String = "contentType",
            /// The media type of the response. Default: `application/json`.
            accept: String = "accept",
            /// Whether the response includes the guardrail's assessment.
            trace: Trace = "trace",
            /// The guardrail to apply, by its id or ARN: at most 2048 characters.
            guardrail_identifier: String = "guardrailIdentifier",
            /// The version of the guardrail: a number of at most 8 digits, or `DRAFT`.
            guardrail_version: String = "guardrailVersion",
            /// Whether to use the latency-optimised version of the model.
            performance_config_latency: PerformanceConfigLatency = "performanceConfigLatency",
            /// Which tier of capacity to serve the request from.
            service_tier: ServiceTierType = "serviceTier",
            /// Labels that the invocation logs can be filtered by: a JSON object of strings as text of at
            /// most 8500 characters, all of them visible ASCII, since it is a header.
            request_metadata: String = "requestMetadata",
            /// The project of the call, by its id or ARN. Without one, or with `default`, it is the account's default
            /// project.
            project_identifier: String = "projectIdentifier",
        }
    }
}

structure! {
    /// The output of `InvokeModel`.
    pub struct InvokeModelResponse {
        required {
            /// The model's output, in its own form.
            body: Blob = "body",
        }
        optional {
            /// The media type of the body.
            content_type: String = "contentType",
            /// The version of the model that responded.
            performance_config_latency: PerformanceConfigLatency = "performanceConfigLatency",
            /// The tier of capacity that served the request.
            service_tier: ServiceTierType = "serviceTier",
        }
    }
}

enumeration! {
    /// Whether a response includes the guardrail's assessment.
    pub enum Trace {
        /// It tells what the guardrail acted on.
        Enabled = "ENABLED",
        /// It does not.
        Disabled = "DISABLED",
        /// It tells also of what the guardrail looked at and let pass.
        EnabledFull = "ENABLED_FULL",
    }
}

/// An event of `InvokeModelWithResponseStream`.
///
/// The response is complete when the stream ends: no event says so.
///
/// Source: [ResponseStream](https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ResponseStream.html).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[doc(alias = "ResponseStream")]
pub enum ResponseStreamEvent {
    /// A piece of the response.
    Chunk(PayloadPart),
    /// An event that this version does not know.
    Unknown {
        /// Its `:event-type`.
        event_type: String,
        /// What it carries.
        payload: Document,
    },
}

impl ResponseStreamEvent {
    /// The event in a frame.
    ///
    /// Fails with the error that an exception or error frame reports, and with
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) if the frame is not a message of the protocol.
    pub fn from_frame(frame: &Frame) -> Result<Self> {
        Self::of_type(event_type(frame.view())?, frame.view())
    }

    /// The event in a frame of this type.
    #[doc(hidden)]
    pub fn of_type(event_type: &[u8], frame: FrameView<'_>) -> Result<Self> {
        Ok(match event_type {
            b"chunk" => Self::Chunk(payload(frame)?),
            unknown => Self::Unknown {
                event_type: String::from_utf8_lossy(unknown).into_owned(),
                payload: payload(frame)?,
            },
        })
    }
}

structure! {
    /// A piece of a response in the model's own form.
    pub struct PayloadPart {
        optional {
            /// The piece: at most 1 000 000 bytes, for most models one JSON object of the model's own.
            bytes: Blob = "bytes",
        }
        ignored { "p", }
    }
}
