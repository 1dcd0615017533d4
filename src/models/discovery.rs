//! Which models can be called, by the control plane's responses alone.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::ModelInfo;
use super::catalog::id_of_arn;
use super::own::OwnModel;
use crate::foundation_model::{
    FoundationModelLifecycleStatus, FoundationModelSummary, InferenceType, ModelModality,
};
use crate::inference_profile::{InferenceProfileStatus, InferenceProfileSummary, InferenceProfileType};
use crate::shape::Members;
use pumice_codec::structure;

structure! {
    /// The models and inference profiles of a region, as the control plane listed them, unfiltered.
    pub struct Inventory {
        required {
            /// When they were requested, in seconds since 1970.
            fetched: u64 = "fetched",
            /// All foundation models.
            foundation_models: Vec<FoundationModelSummary> = "foundationModels",
        }
        optional {
            /// All inference profiles, the service's and the account's. `None` if they may not be listed.
            inference_profiles: Vec<InferenceProfileSummary> = "inferenceProfiles",
            /// Inference profiles that were requested one by one.
            resolved_profiles: Vec<InferenceProfileSummary> = "resolvedProfiles",
            /// The account's own models, and the prompt routers.
            own_models: Vec<OwnModel> = "ownModels",
        }
    }
}

impl Inventory {
    /// Every id, with the reason if it cannot be called: foundation models, then inference profiles, then models of the
    /// account's own, in the order of the list, each once.
    ///
    /// A model can be called if it is active, reads text, responds in text and in a stream, and takes calls on demand.
    /// An inference profile can be called if it is active and its model is in the list and meets these conditions,
    /// except for calls on demand. A model of the account's own can be called if it is ready.
    pub fn candidates(&self) -> Vec<Candidate<'_>> {
        let mut models = HashMap::new();
        for model in &self.foundation_models {
            if let Some(id) = non_blank(model.model_id.as_deref()) {
                models.entry(id).or_insert(model);
            }
        }
        let (mut of_profiles, mut seen) = (Vec::new(), HashSet::new());
        let mut serving = HashMap::<_, Vec<_>>::new();
        for profile in self.inference_profiles.iter().flatten() {
            let Some(candidate) = of_profile(profile, &models).filter(|candidate| seen.insert(candidate.id))
            else {
                continue;
            };
            if let (Some(base), None) = (candidate.base_id(), &candidate.reason) {
                serving.entry(base).or_default().push(candidate.id);
            }
            of_profiles.push(candidate);
        }
        let of_own = self.own_models.iter().flatten().filter_map(|own| {
            let id = non_blank(Some(&own.arn)).filter(|id| seen.insert(id))?;
            let model = own.base.as_deref().and_then(|base| models.get(base).copied());
            let reason = (!own.is_ready()).then(|| Reason::NotReady(own.status.clone()));
            Some(Candidate { id, model, profile: None, own: Some(own), served_by: Vec::new(), reason })
        });
        let of_own = of_own.collect::<Vec<_>>();
        let of_models = self.foundation_models.iter().filter_map(|model| {
            // If several models have one id, the first counts.
            let (id, model) = models.remove_entry(non_blank(model.model_id.as_deref())?)?;
            let on_demand =
                model.inference_types_supported.iter().flatten().any(|t| *t == InferenceType::OnDemand);
            let reason = reason_of(model).or_else(|| (!on_demand).then_some(Reason::NotOnDemand));
            let served_by = serving.remove(id).unwrap_or_default();
            Some(Candidate { id, model: Some(model), profile: None, own: None, served_by, reason })
        });
        let mut candidates = of_models.collect::<Vec<_>>();
        candidates.extend(of_profiles);
        candidates.extend(of_own);
        candidates
    }

    /// The inference profile of this id or ARN, if it is known.
    pub fn profile(&self, id: &str) -> Option<&InferenceProfileSummary> {
        let known = [&self.inference_profiles, &self.resolved_profiles];
        known.into_iter().flatten().flatten().find(|profile| {
            [&profile.inference_profile_id, &profile.inference_profile_arn]
                .into_iter()
                .any(|known| known.as_deref() == Some(id))
        })
    }
}

fn of_profile<'a>(
    profile: &'a InferenceProfileSummary,
    models: &HashMap<&str, &'a FoundationModelSummary>,
) -> Option<Candidate<'a>> {
    let id = match profile.kind {
        Some(InferenceProfileType::Application) => profile.inference_profile_arn.as_deref(),
        _ => profile.inference_profile_id.as_deref(),
    };
    let model = base_of(profile).and_then(|base| models.get(base).copied());
    let reason = match (&profile.status, model) {
        (Some(InferenceProfileStatus::Active), Some(model)) => reason_of(model),
        (Some(InferenceProfileStatus::Active), None) => Some(Reason::ModelNotListed),
        (status, _) => Some(Reason::ProfileNotActive(status.as_ref().map(ToString::to_string))),
    };
    Some(Candidate {
        id: non_blank(id)?,
        model,
        profile: Some(profile),
        own: None,
        served_by: Vec::new(),
        reason,
    })
}

/// An id that a call may take: of a foundation model, of an inference profile, or of a model of the account's own.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Candidate<'a> {
    /// The id. For an application inference profile and for a model of the account's own, the ARN.
    pub id: &'a str,
    /// The foundation model. For an inference profile, the model behind it, if that is in the list.
    pub model: Option<&'a FoundationModelSummary>,
    /// The inference profile, if it is one.
    pub profile: Option<&'a InferenceProfileSummary>,
    /// The model of the account's own, or the prompt router, if it is one.
    pub own: Option<&'a OwnModel>,
    /// For a foundation model, the ids of the callable inference profiles that lead to it.
    pub served_by: Vec<&'a str>,
    /// Why a call under this id would fail, if it would.
    pub reason: Option<Reason>,
}

impl<'a> Candidate<'a> {
    /// The id of the foundation model.
    pub fn base_id(&self) -> Option<&'a str> {
        match (self.profile, self.own) {
            (Some(profile), _) => base_of(profile),
            (None, Some(own)) => own.base.as_deref(),
            (None, None) => Some(self.id),
        }
    }

    /// What the API says about it, with gaps filled from the catalog.
    pub fn info(&self) -> ModelInfo {
        let base = self.base_id().unwrap_or(self.id);
        // A cross-region profile has a price of its own, by its id.
        let known = ModelInfo::known(self.id);
        let known = if base == self.id { known } else { known.or(ModelInfo::known(base)) };
        let listed = self.model.map(ModelInfo::of_summary).unwrap_or_default();
        let name = self.profile.and_then(|profile| non_blank(profile.inference_profile_name.as_deref()));
        let name = name.or_else(|| self.own?.name.as_deref());
        let of_profile = ModelInfo {
            base: self.base_id().map(str::to_owned),
            name: name.map(str::to_owned),
            ..ModelInfo::default()
        };
        of_profile.or(listed).or(known)
    }
}

/// Why a call under an id would fail. `Display` is a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The model has another status than active; `None` if the API does not say which.
    NotActive(Option<String>),
    /// The model does not read text.
    ReadsNoText,
    /// The model does not respond in text.
    WritesNoText,
    /// The model does not respond in a stream.
    NoStream,
    /// The model takes no calls on demand under its own id: only through an inference profile, or with
    /// capacity that was bought.
    NotOnDemand,
    /// The inference profile has another status than active; `None` if the API does not say which.
    ProfileNotActive(Option<String>),
    /// The inference profile's model is not in the region's list.
    ModelNotListed,
    /// The id is not in the region's list.
    NotListed,
    /// The account's own model is not ready; `None` if the API does not say why.
    NotReady(Option<String>),
    /// The account or the identity has no access to it, in words.
    NoAccess(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = |status: &Option<String>| status.clone().unwrap_or_else(|| "not said".into());
        match self {
            Self::NotActive(found) => write!(f, "the model is not active: {}", status(found)),
            Self::ReadsNoText => f.write_str("the model does not read text"),
            Self::WritesNoText => f.write_str("the model does not respond in text"),
            Self::NoStream => f.write_str("the model does not respond in a stream"),
            Self::NotOnDemand => f.write_str("the model takes no calls on demand under its own id"),
            Self::ProfileNotActive(found) => {
                write!(f, "the inference profile is not active: {}", status(found))
            }
            Self::ModelNotListed => f.write_str("the inference profile's model is not in the region's list"),
            Self::NotListed => f.write_str("it is not in the region's list"),
            Self::NotReady(found) => write!(f, "it is not ready: {}", status(found)),
            Self::NoAccess(why) => f.write_str(why),
        }
    }
}

impl ModelInfo {
    /// What `ListFoundationModels` says about a model. Its output limit, its context window and whether it thinks are in
    /// members that the API's documentation does not list.
    pub fn of_summary(model: &FoundationModelSummary) -> Self {
        let part = |name: &str| model.other.named(name)?.read::<Option<Members>>().ok()?;
        let converse = part("converse").unwrap_or_default();
        let number = |name: &str| converse.named(name)?.read::<Option<u64>>().ok()?;
        let window = || part("description")?.named("maxContextWindow")?.read::<Option<String>>().ok()?;
        let reads =
            |modality| model.input_modalities.as_ref().map(|modalities| modalities.contains(&modality));
        // An object if the model thinks, null if the API does not say.
        let reasoning = || converse.named("reasoningSupported")?.read::<Option<Members>>().ok()?;
        Self {
            base: non_blank(model.model_id.as_deref()).map(str::to_owned),
            name: non_blank(model.model_name.as_deref()).map(str::to_owned),
            provider: non_blank(model.provider_name.as_deref()).map(str::to_owned),
            images: reads(ModelModality::Image),
            reasoning: reasoning().map(|_| true),
            context_window: window().as_deref().and_then(tokens),
            max_tokens: number("maxTokensMaximum").filter(|tokens| *tokens > 0),
            ..Self::default()
        }
    }
}

/// The foundation model behind an inference profile. All its models are the same one, in several regions.
pub(crate) fn base_of(profile: &InferenceProfileSummary) -> Option<&str> {
    let arns = profile.models.iter().flatten().filter_map(|model| model.model_arn.as_deref());
    arns.filter(|arn| arn.contains(":foundation-model/")).map(id_of_arn).find(|id| !id.is_empty())
}

/// What keeps a model from being called under any id.
fn reason_of(model: &FoundationModelSummary) -> Option<Reason> {
    let status = model.model_lifecycle.as_ref().and_then(|lifecycle| lifecycle.status.as_ref());
    let has_text = |modalities: &Option<Vec<ModelModality>>| {
        modalities.iter().flatten().any(|m| *m == ModelModality::Text)
    };
    if status != Some(&FoundationModelLifecycleStatus::Active) {
        Some(Reason::NotActive(status.map(ToString::to_string)))
    } else if !has_text(&model.output_modalities) {
        Some(Reason::WritesNoText)
    } else if !has_text(&model.input_modalities) {
        Some(Reason::ReadsNoText)
    } else if model.response_streaming_supported != Some(true) {
        Some(Reason::NoStream)
    } else {
        None
    }
}

/// Reads a number of tokens in the notations of the API: `200K`, `1M`, `163,840`.
fn tokens(text: &str) -> Option<u64> {
    let text = text.trim().replace([',', ' ', '_'], "").to_ascii_lowercase();
    let (digits, times) = match (text.strip_suffix('k'), text.strip_suffix('m')) {
        (Some(digits), _) => (digits, 1_000),
        (_, Some(digits)) => (digits, 1_000_000),
        _ => (text.as_str(), 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(times).filter(|tokens| *tokens > 0)
}

fn non_blank(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_as_people_write_them() {
        for (text, read) in [
            ("200K", Some(200_000)),
            ("200k", Some(200_000)),
            ("1M", Some(1_000_000)),
            ("163,840", Some(163_840)),
            ("128000", Some(128_000)),
            ("", None),
            ("many", None),
            ("0", None),
            ("99999999999999999999", None),
            ("18446744073709551615k", None),
        ] {
            assert_eq!(tokens(text), read, "{text}");
        }
    }
}
