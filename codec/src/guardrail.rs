//! Guardrails: how a request names one, requests and responses of [`ApplyGuardrail`], and the assessments.
//!
//! ```
//! use pumice_codec::guardrail::{ApplyGuardrailRequest, GuardrailContentSource};
//!
//! let request = ApplyGuardrailRequest::new("abc123", "DRAFT", GuardrailContentSource::Input, Vec::new())
//!     .block("Is this text harmful?");
//! # assert_eq!(request.body()?, br#"{"source":"INPUT","content":[{"text":{"text":"Is this text harmful?"}}]}"#);
//! # Ok::<(), pumice_codec::Error>(())
//! ```
//!
//! [`ApplyGuardrail`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ApplyGuardrail.html

mod assessment;
mod reasoning;

pub use assessment::*;
pub use reasoning::*;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::shape::Blob;
use crate::{enumeration, structure, union};

structure! {
    /// The guardrail of a conversation.
    #[doc(alias = "GuardrailStreamConfiguration")]
    pub struct GuardrailConfiguration {
        optional {
            /// The id of the guardrail, or its ARN: at most 2048 characters.
            guardrail_identifier: String = "guardrailIdentifier",
            /// The version: a number of at most 8 digits, or `DRAFT`.
            guardrail_version: String = "guardrailVersion",
            /// Whether the response includes the guardrail's assessment.
            trace: GuardrailTrace = "trace",
            /// Whether a stream waits for the guardrail. Only for streams.
            stream_processing_mode: GuardrailStreamProcessingMode = "streamProcessingMode",
        }
    }
}

enumeration! {
    /// Whether a response includes the guardrail's assessment.
    pub enum GuardrailTrace {
        /// It includes what the guardrail acted on.
        Enabled = "enabled",
        /// It does not.
        Disabled = "disabled",
        /// It also includes what the guardrail checked and let pass.
        EnabledFull = "enabled_full",
    }
}

enumeration! {
    /// Whether a stream waits for its
    /// [guardrail](https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-streaming.html).
    pub enum GuardrailStreamProcessingMode {
        /// Each piece waits until it has been assessed. The default.
        Sync = "sync",
        /// Pieces are sent at once. Users may see content that the guardrail then rejects.
        Async = "async",
    }
}

union! {
    /// Content for a guardrail to assess.
    #[doc(alias = "GuardrailConverseContentBlock")]
    pub enum GuardrailContentBlock {
        /// Text.
        Text(GuardrailTextBlock) = "text" from,
        /// An image.
        Image(GuardrailImageBlock) = "image" from,
    }
}

impl From<&str> for GuardrailContentBlock {
    fn from(text: &str) -> Self {
        Self::Text(GuardrailTextBlock::new(text))
    }
}

structure! {
    /// Text for a guardrail to assess.
    #[doc(alias = "GuardrailConverseTextBlock")]
    pub struct GuardrailTextBlock {
        required {
            /// The text.
            text: String = "text",
        }
        lists {
            /// The text's part in the contextual grounding check. Absent: content to assess.
            qualifiers: GuardrailContentQualifier = "qualifiers" by qualifier,
        }
    }
}

enumeration! {
    /// The part that a text has in the contextual grounding check.
    #[doc(alias = "GuardrailConverseContentQualifier")]
    pub enum GuardrailContentQualifier {
        /// The source that the response must be grounded in.
        GroundingSource = "grounding_source",
        /// The question that the response must be relevant to.
        Query = "query",
        /// What the guardrail assesses.
        GuardContent = "guard_content",
    }
}

structure! {
    /// An image for a guardrail to assess.
    #[doc(alias = "GuardrailConverseImageBlock")]
    pub struct GuardrailImageBlock {
        required {
            /// The format of the bytes.
            format: GuardrailImageFormat = "format",
            /// Where the bytes are.
            source: GuardrailImageSource = "source",
        }
    }
}

enumeration! {
    /// The formats of the images that guardrails assess.
    #[doc(alias = "GuardrailConverseImageFormat")]
    pub enum GuardrailImageFormat {
        /// PNG.
        Png = "png",
        /// JPEG.
        Jpeg = "jpeg",
    }
}

union! {
    /// Where an image for a guardrail is.
    #[doc(alias = "GuardrailConverseImageSource")]
    pub enum GuardrailImageSource {
        /// Here: the bytes of the file, at least one.
        Bytes(Blob) = "bytes" from,
    }
}

structure! {
    /// The input of `ApplyGuardrail`.
    ///
    /// As JSON it is the API's request with both labels among the members; [`body`](Self::body) is what
    /// goes over the wire.
    pub struct ApplyGuardrailRequest {
        label {
            /// The id of the guardrail, or its ARN: at most 2048 characters.
            guardrail_identifier: String = "guardrailIdentifier",
            /// The version: a number of at most 8 digits, or `DRAFT`.
            guardrail_version: String = "guardrailVersion",
        }
        required {
            /// Which of the guardrail's policies apply: those for a model's input or for its output.
            source: GuardrailContentSource = "source",
            /// What to assess.
            content: Vec<GuardrailContentBlock> = "content",
        }
        optional {
            /// How much of the findings to include.
            output_scope: GuardrailOutputScope = "outputScope",
        }
    }
}

impl ApplyGuardrailRequest {
    /// Appends content to assess.
    pub fn block(mut self, block: impl Into<GuardrailContentBlock>) -> Self {
        self.content.push(block.into());
        self
    }
}

enumeration! {
    /// Where content comes from.
    pub enum GuardrailContentSource {
        /// It goes to a model.
        Input = "INPUT",
        /// It comes from a model.
        Output = "OUTPUT",
    }
}

enumeration! {
    /// How much of its findings a guardrail reports.
    pub enum GuardrailOutputScope {
        /// What it acted on. The default.
        Interventions = "INTERVENTIONS",
        /// Also what it checked and let pass, except words and regular expressions.
        Full = "FULL",
    }
}

structure! {
    /// The output of `ApplyGuardrail`.
    pub struct ApplyGuardrailResponse {
        optional {
            /// The units that are charged.
            usage: GuardrailUsage = "usage",
            /// Whether the guardrail intervened.
            action: GuardrailAction = "action",
            /// Why it intervened.
            action_reason: String = "actionReason",
            /// What to show instead of the content, if the guardrail intervened: its own message, or the
            /// content with sensitive parts masked.
            outputs: Vec<GuardrailOutputContent> = "outputs",
            /// What each policy found.
            assessments: Vec<GuardrailAssessment> = "assessments",
            /// How much of the content was assessed.
            guardrail_coverage: GuardrailCoverage = "guardrailCoverage",
        }
    }
}

enumeration! {
    /// Whether a guardrail intervened.
    pub enum GuardrailAction {
        /// It did not.
        None = "NONE",
        /// It did.
        GuardrailIntervened = "GUARDRAIL_INTERVENED",
    }
}

structure! {
    /// What to show instead of the content.
    pub struct GuardrailOutputContent {
        optional {
            /// Text.
            text: String = "text",
        }
    }
}

structure! {
    /// What a guardrail found and did in a conversation.
    pub struct GuardrailTraceAssessment {
        optional {
            /// The model's output before the guardrail changed it.
            model_output: Vec<String> = "modelOutput",
            /// What was found in the input, by the id of the guardrail.
            input_assessment: BTreeMap<String, GuardrailAssessment> = "inputAssessment",
            /// What was found in the output, by the id of the guardrail.
            output_assessments: BTreeMap<String, Vec<GuardrailAssessment>> = "outputAssessments",
            /// Why the guardrail intervened.
            action_reason: String = "actionReason",
        }
    }
}
