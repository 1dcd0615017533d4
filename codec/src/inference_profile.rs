//! Inference profiles, by whose ids a model is called across regions or its use is tracked separately: requests and
//! responses of [`ListInferenceProfiles`] and [`GetInferenceProfile`].
//!
//! [`ListInferenceProfiles`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListInferenceProfiles.html
//! [`GetInferenceProfile`]: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetInferenceProfile.html

use alloc::string::String;
use alloc::vec::Vec;

use crate::shape::Timestamp;
use crate::{enumeration, structure};

structure! {
    /// The input of `ListInferenceProfiles`. All members go into the address, as its query: `typeEquals` as
    /// `type`, the others under their own names.
    pub struct ListInferenceProfilesRequest {
        optional {
            /// How many profiles to a page, from 1 to 1000.
            max_results: u32 = "maxResults",
            /// The page to give, by the token that the page before it ended with.
            next_token: String = "nextToken",
            /// Only profiles of this type.
            type_equals: InferenceProfileType = "typeEquals",
            /// The project of the call, by its id or ARN. Without one, or with `default`, it is the account's default
            /// project.
            project_identifier: String = "projectIdentifier",
        }
    }
}

structure! {
    /// The output of `ListInferenceProfiles`: one page.
    pub struct ListInferenceProfilesResponse {
        optional {
            /// The profiles.
            inference_profile_summaries: Vec<InferenceProfileSummary> = "inferenceProfileSummaries",
            /// The token of the next page. Absent or empty: this is the last.
            next_token: String = "nextToken",
        }
    }
}

impl ListInferenceProfilesResponse {
    /// The ids of the active profiles that call this foundation model.
    pub fn serving(&self, model_id: &str) -> Vec<String> {
        let calls = |profile: &&InferenceProfileSummary| {
            profile
                .models
                .iter()
                .flatten()
                .filter_map(|model| model.model_arn.as_deref())
                .any(|arn| arn.rsplit_once("foundation-model/").is_some_and(|(_, id)| id == model_id))
        };
        let profiles = self.inference_profile_summaries.iter().flatten();
        profiles
            .filter(|profile| profile.status == Some(InferenceProfileStatus::Active))
            .filter(calls)
            .filter_map(|profile| profile.inference_profile_id.clone())
            .collect()
    }
}

structure! {
    /// The input of `GetInferenceProfile`.
    pub struct GetInferenceProfileRequest {
        label {
            /// The id of the profile, or its ARN.
            inference_profile_identifier: String = "inferenceProfileIdentifier",
        }
        optional {
            /// The project, by its id or ARN: which models there are depends on it.
            project_identifier: String = "projectIdentifier",
        }
    }
}

structure! {
    /// An inference profile; also the output of `GetInferenceProfile`.
    #[doc(alias = "GetInferenceProfileResponse")]
    pub struct InferenceProfileSummary {
        optional {
            /// Its name, for people to read.
            inference_profile_name: String = "inferenceProfileName",
            /// What it is for.
            description: String = "description",
            /// When it was made.
            created_at: Timestamp = "createdAt",
            /// When it was last changed.
            updated_at: Timestamp = "updatedAt",
            /// Its ARN, which a call takes as the id of the model.
            inference_profile_arn: String = "inferenceProfileArn",
            /// The model, once for each region that a call may go to.
            models: Vec<InferenceProfileModel> = "models",
            /// Its id, such as `us.anthropic.claude-sonnet-4-5-20250929-v1:0`, which a call takes as the id
            /// of the model. For an application's own profile, calls take the ARN.
            inference_profile_id: String = "inferenceProfileId",
            /// Where it stands.
            status: InferenceProfileStatus = "status",
            /// Whose it is.
            kind: InferenceProfileType = "type",
        }
    }
}

structure! {
    /// A model of an inference profile, in one region.
    pub struct InferenceProfileModel {
        optional {
            /// The ARN of the model. Of a global profile, one ARN names no region.
            model_arn: String = "modelArn",
        }
    }
}

enumeration! {
    /// Where an inference profile stands.
    pub enum InferenceProfileStatus {
        /// It is ready to be used.
        Active = "ACTIVE",
    }
}

enumeration! {
    /// Whose an inference profile is.
    pub enum InferenceProfileType {
        /// The service's: it spreads calls over regions.
        SystemDefined = "SYSTEM_DEFINED",
        /// The account's: it tells calls apart, for costs and metrics.
        Application = "APPLICATION",
    }
}
