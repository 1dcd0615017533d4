//! The foundation models of a region: requests and responses of [`ListFoundationModels`] and [`GetFoundationModel`].
//!
//! The service sends more about each model than the API promises: its output limit and the files it reads
//! (`converse`), its context window (`description`). All of it is kept in [`FoundationModelSummary::other`].
//!
//! [`ListFoundationModels`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html
//! [`GetFoundationModel`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetFoundationModel.html

use alloc::string::String;
use alloc::vec::Vec;

use crate::shape::Timestamp;
use crate::{enumeration, structure};

structure! {
    /// The input of `ListFoundationModels`: which models to list. All members go into the address, as its
    /// query, under their own names.
    pub struct ListFoundationModelsRequest {
        optional {
            /// Those of this provider: at most 63 letters, digits, spaces and hyphens.
            by_provider: String = "byProvider",
            /// Those that can be customised so.
            by_customization_type: ModelCustomization = "byCustomizationType",
            /// Those that give this.
            by_output_modality: ModelModality = "byOutputModality",
            /// Those that can be called so.
            by_inference_type: InferenceType = "byInferenceType",
            /// The project of the call, by its id or ARN. Without one, or with `default`, it is the account's default
            /// project.
            project_identifier: String = "projectIdentifier",
        }
    }
}

structure! {
    /// The output of `ListFoundationModels`: all of them, on one page.
    pub struct ListFoundationModelsResponse {
        optional {
            /// The models.
            model_summaries: Vec<FoundationModelSummary> = "modelSummaries",
        }
    }
}

structure! {
    /// The input of `GetFoundationModel`.
    pub struct GetFoundationModelRequest {
        label {
            /// The id of the model, or its ARN.
            model_identifier: String = "modelIdentifier",
        }
        optional {
            /// The project, by its id or ARN: which models there are depends on it.
            project_identifier: String = "projectIdentifier",
        }
    }
}

structure! {
    /// The output of `GetFoundationModel`.
    pub struct GetFoundationModelResponse {
        optional {
            /// The model.
            model_details: FoundationModelSummary = "modelDetails",
        }
    }
}

structure! {
    /// A model that AWS or a provider offers to everybody.
    #[doc(alias = "FoundationModelDetails")]
    pub struct FoundationModelSummary {
        optional {
            /// Its ARN.
            model_arn: String = "modelArn",
            /// Its id. Where `inference_types_supported` lacks `ON_DEMAND`, a call takes the id of an
            /// inference profile instead.
            model_id: String = "modelId",
            /// Its name, for people to read.
            model_name: String = "modelName",
            /// Who made it.
            provider_name: String = "providerName",
            /// What it reads.
            input_modalities: Vec<ModelModality> = "inputModalities",
            /// What it gives.
            output_modalities: Vec<ModelModality> = "outputModalities",
            /// Whether its responses can be streamed.
            response_streaming_supported: bool = "responseStreamingSupported",
            /// How it can be customised.
            customizations_supported: Vec<ModelCustomization> = "customizationsSupported",
            /// How it can be called.
            inference_types_supported: Vec<InferenceType> = "inferenceTypesSupported",
            /// How long it will be there.
            model_lifecycle: FoundationModelLifecycle = "modelLifecycle",
        }
    }
}

enumeration! {
    /// A kind of content that a model reads or gives.
    pub enum ModelModality {
        /// Text.
        Text = "TEXT",
        /// Images.
        Image = "IMAGE",
        /// Vectors.
        Embedding = "EMBEDDING",
        /// Videos. Not in the API's list, and sent.
        Video = "VIDEO",
        /// Spoken words. Not in the API's list, and sent.
        Speech = "SPEECH",
    }
}

enumeration! {
    /// A way to customise a model.
    pub enum ModelCustomization {
        /// With examples of prompts and responses.
        FineTuning = "FINE_TUNING",
        /// With texts.
        ContinuedPreTraining = "CONTINUED_PRE_TRAINING",
        /// With the responses of a larger model.
        Distillation = "DISTILLATION",
    }
}

enumeration! {
    /// A way to call a model.
    pub enum InferenceType {
        /// By its own id, paid by the token.
        OnDemand = "ON_DEMAND",
        /// With capacity that was bought.
        Provisioned = "PROVISIONED",
        /// By the id of an inference profile. Not in the API's list, and sent.
        InferenceProfile = "INFERENCE_PROFILE",
    }
}

structure! {
    /// How long a model will be there; see the
    /// [User Guide](https://docs.aws.amazon.com/bedrock/latest/userguide/model-lifecycle.html).
    pub struct FoundationModelLifecycle {
        optional {
            /// Where it stands.
            status: FoundationModelLifecycleStatus = "status",
            /// When it came.
            start_of_life_time: Timestamp = "startOfLifeTime",
            /// When it goes.
            end_of_life_time: Timestamp = "endOfLifeTime",
            /// When it becomes `LEGACY`.
            legacy_time: Timestamp = "legacyTime",
            /// When, while it is `LEGACY`, it becomes dearer.
            public_extended_access_time: Timestamp = "publicExtendedAccessTime",
        }
    }
}

enumeration! {
    /// Where a model stands.
    pub enum FoundationModelLifecycleStatus {
        /// It is there to stay.
        Active = "ACTIVE",
        /// It can still be called, and will be removed.
        Legacy = "LEGACY",
    }
}
