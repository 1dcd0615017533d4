//! How many tokens a request has, without calling the model: requests and responses of [`CountTokens`].
//!
//! ```
//! use pumice_codec::converse::{ConverseRequest, Message};
//! use pumice_codec::count_tokens::CountTokensRequest;
//!
//! let request = ConverseRequest::new("anthropic.claude-sonnet-4-5-20250929-v1:0").message(Message::user("Hi"));
//! let count = CountTokensRequest::from(&request);
//! # assert_eq!(count.body()?, br#"{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}}}"#);
//! # Ok::<(), pumice_codec::Error>(())
//! ```
//!
//! [`CountTokens`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html

use alloc::string::String;

use crate::converse::{ConverseRequest, Message, SystemContentBlock, ToolConfiguration};
use crate::shape::{Blob, Document};
use crate::{structure, union};

structure! {
    /// The input of `CountTokens`.
    ///
    /// As JSON it is the API's request with `modelId` among the members; [`body`](Self::body) is what goes
    /// over the wire.
    pub struct CountTokensRequest {
        label {
            /// The model whose tokens to count, by its id or ARN: at most 256 characters.
            model_id: String = "modelId",
        }
        required {
            /// The request whose tokens to count.
            input: CountTokensInput = "input",
        }
    }
}

impl From<&ConverseRequest> for CountTokensRequest {
    fn from(request: &ConverseRequest) -> Self {
        Self::new(&*request.model_id, ConverseTokensRequest::from(request))
    }
}

union! {
    /// The request whose tokens to count.
    pub enum CountTokensInput {
        /// One in the model's own form.
        InvokeModel(InvokeModelTokensRequest) = "invokeModel" from,
        /// A conversation.
        Converse(ConverseTokensRequest) = "converse" from,
    }
}

structure! {
    /// A request in a model's own form.
    pub struct InvokeModelTokensRequest {
        required {
            /// The body of `InvokeModel`: the model's own JSON, of at most 25 000 000 bytes.
            body: Blob = "body",
        }
    }
}

structure! {
    /// The members of a [`ConverseRequest`] that have tokens.
    pub struct ConverseTokensRequest {
        lists {
            /// The conversation so far, oldest first.
            messages: Message = "messages" by message,
            /// The system prompt.
            system: SystemContentBlock = "system" by system,
        }
        optional {
            /// The tools that the model may ask for.
            tool_config: ToolConfiguration = "toolConfig",
            /// Parameters of the model's own.
            additional_model_request_fields: Document = "additionalModelRequestFields",
        }
    }
}

impl From<&ConverseRequest> for ConverseTokensRequest {
    fn from(request: &ConverseRequest) -> Self {
        Self {
            messages: request.messages.clone(),
            system: request.system.clone(),
            tool_config: request.tool_config.clone(),
            additional_model_request_fields: request.additional_model_request_fields.clone(),
            ..Self::new()
        }
    }
}

structure! {
    /// The output of `CountTokens`.
    pub struct CountTokensResponse {
        optional {
            /// How many tokens the model would read, were the request made.
            input_tokens: u64 = "inputTokens",
        }
    }
}
