//! The checks of one model.

use std::time::{Duration, Instant, SystemTime};

use pumice::date::rfc3339;
use pumice::models::{Candidate, Inventory, ModelInfo, Reason};
use pumice::pi::{self, AssistantEvent, Input};
use pumice::settings::Settings;
use pumice::spelling::nearest;
use pumice::{Client, ErrorKind, Hint, Overrides};
use serde_json::json;

use super::{Findings, Status};
use crate::access::{Access, needs_use_case, use_case_is_known};
use crate::failure::{Exit, Failure};
use crate::hint;
use crate::response::{fitted, summarize};

/// Who is asked, and where.
pub(super) struct Asked<'a> {
    pub(super) client: &'a Client,
    pub(super) settings: &'a Settings,
    pub(super) region: &'a str,
    /// What a sign that a call may fail counts as.
    pub(super) doubt: Status,
}

impl Asked<'_> {
    pub(super) async fn check(
        &self,
        named: &str,
        inventory: Option<&Inventory>,
        probe: bool,
        findings: &mut Findings,
    ) {
        let id = match self.settings.model_id(named) {
            Ok(id) => id,
            Err(error) => return findings.failed("model", &error),
        };
        let candidates = inventory.map(Inventory::candidates);
        let found = candidates.as_ref().and_then(|candidates| find(candidates, &id));
        let known = ModelInfo::known(&id);
        let base = found.and_then(Candidate::base_id).map_or_else(|| base_of(&id, &known), str::to_owned);
        match (&candidates, found) {
            (_, Some(candidate)) => self.listed(&id, candidate, findings),
            (Some(_), None) if id.starts_with("arn:") => {
                findings.ok("model", "an ARN, which is in no list of models".into());
            }
            (Some(candidates), None) => self.unlisted(&id, &base, &known, candidates, findings),
            (None, None) => by_catalog(&id, &known, findings),
        }
        if !base.starts_with("arn:") && (candidates.is_none() || found.is_some()) {
            self.access(&base, findings).await;
        }
        self.quota(&id, found, &known, findings);
        if probe {
            self.probe(&id, findings).await;
        }
    }

    /// An id of the region's list: its life cycle, whether it is called by this id, and the profiles.
    fn listed(&self, id: &str, candidate: &Candidate<'_>, findings: &mut Findings) {
        let info = candidate.info();
        let name = info.name.unwrap_or_else(|| id.to_owned());
        let lifecycle = candidate.model.and_then(|model| model.model_lifecycle.as_ref());
        let end =
            lifecycle.and_then(|lifecycle| lifecycle.end_of_life_time.as_ref()).map(ToString::to_string);
        let status = lifecycle.and_then(|lifecycle| lifecycle.status.as_ref());
        let status = status.map_or_else(|| "no status".to_owned(), ToString::to_string);
        let until = end.as_ref().map(|end| format!(", until {end}")).unwrap_or_default();
        let detail = format!("{name}: {status}{until}");
        let newer =
            || Some("call a newer model: run pumice models list to see what can be called".to_owned());
        // Both are in UTC and in the form of ISO 8601, whose order is that of time.
        let is_over =
            end.zip(rfc3339(SystemTime::now())).is_some_and(|(end, now)| end.get(..10) < now.get(..10));
        if is_over {
            findings.fail("model", Exit::Refused, format!("{detail}: it is retired"), newer());
        } else if let Some(Reason::NotActive(_)) = candidate.reason {
            let detail = format!("{detail}: only accounts that have called it lately can call it");
            findings.add("model", Status::Warn, detail, newer());
        } else {
            findings.ok("model", detail);
        }

        // size: 4,000 bytes less than a sort.
        let serving = candidate.served_by.iter().map(|id| (*id).to_owned());
        let (global, mut serving): (Vec<_>, Vec<_>) = serving.partition(|id| id.starts_with("global."));
        serving.extend(global);
        let is_profile = candidate.profile.is_some();
        match &candidate.reason {
            None if is_profile => findings.ok("callable", "yes, as this inference profile".into()),
            None => findings.ok("callable", "yes, on demand under this id".into()),
            // Said above.
            Some(Reason::NotActive(_)) => {}
            Some(Reason::NotOnDemand) => {
                let hint = Hint::UseInferenceProfile {
                    model: id.to_owned(),
                    region: self.region.to_owned(),
                    ids: serving.clone(),
                };
                let detail = "not under this id: the model is called only through an inference profile";
                findings.fail("callable", Exit::Refused, detail.into(), Some(hint::text(&hint)));
            }
            Some(reason @ (Reason::ProfileNotActive(_) | Reason::ModelNotListed)) => {
                let hint = "run pumice models list to see what can be called".to_owned();
                findings.fail("callable", Exit::Refused, reason.to_string(), Some(hint));
            }
            Some(Reason::NoStream) => {
                let hint = "call it with pumice converse --no-stream".to_owned();
                findings.add("callable", Status::Warn, Reason::NoStream.to_string(), Some(hint));
            }
            Some(reason) => {
                let hint = "call it in its own format: pumice call InvokeModel".to_owned();
                findings.add("callable", Status::Warn, reason.to_string(), Some(hint));
            }
        }
        let profile = match (candidate.profile, serving.as_slice()) {
            (Some(profile), _) => {
                let arns = profile.models.iter().flatten().filter_map(|model| model.model_arn.as_deref());
                let regions =
                    arns.filter_map(|arn| arn.split(':').nth(3)).filter(|region| !region.is_empty());
                format!("{id}: its calls go to {}", regions.collect::<Vec<_>>().join(", "))
            }
            (None, []) => "no inference profile of the region serves it".to_owned(),
            (None, serving) => format!("use {}", serving.join(" or ")),
        };
        findings.ok("profile", profile);
    }

    /// An id that the region's list does not have.
    fn unlisted(
        &self,
        id: &str,
        base: &str,
        known: &ModelInfo,
        candidates: &[Candidate<'_>],
        findings: &mut Findings,
    ) {
        let region = self.region;
        let callable = || candidates.iter().filter(|candidate| candidate.reason.is_none());
        let same = callable().filter(|candidate| candidate.base_id() == Some(base));
        let same = same.map(|candidate| candidate.id).collect::<Vec<_>>();
        let near = nearest(id, callable().map(|candidate| candidate.id));
        let hint = match (same.as_slice(), near) {
            ([_, ..], _) => format!("call the model as {} in {region}", same.join(" or ")),
            ([], _) if *known != ModelInfo::default() => format!(
                "name another region with --region: {region} does not have it; run pumice models list to see what \
                 it has"
            ),
            ([], Some(near)) => format!("did you mean {near}?"),
            ([], None) => format!("run pumice models list to see what can be called in {region}"),
        };
        let what = match &known.name {
            Some(name) => format!("{id} ({name}) is not in the list of {region}"),
            None => format!("{id} is not in the list of {region} or in the built-in catalog"),
        };
        findings.fail("model", Exit::Refused, what, Some(hint));
    }

    /// Agreement, authorisation, entitlement and region, and the form that Anthropic asks for.
    async fn access(&self, base: &str, findings: &mut Findings) {
        match Access::of(self.client, base).await {
            Ok(access) => {
                for (name, obstacle) in access.steps(base, self.region) {
                    match obstacle {
                        None => findings.ok(name, "available".into()),
                        Some(found) if found.passes => {
                            findings.add(name, Status::Warn, found.detail, Some(found.hint));
                        }
                        Some(found) => {
                            findings.doubtful(self.doubt, name, found.exit, found.detail, Some(found.hint));
                        }
                    }
                }
            }
            Err(error) => {
                let failure = Failure::from(&error);
                let detail = format!("not known: {}", failure.text_without_hint());
                let is_denied = error.kind() == ErrorKind::AccessDenied;
                let hint =
                    is_denied.then(|| "allow bedrock:GetFoundationModelAvailability to see it".to_owned());
                findings.add("agreement", Status::Warn, detail, hint);
            }
        }
        if needs_use_case(base) {
            match use_case_is_known(self.client).await {
                Some(true) => findings.ok("use case", "Anthropic's form was submitted".into()),
                Some(false) => {
                    let detail = "Anthropic's form has not been submitted for the account".into();
                    let hint = Some(hint::text(&Hint::SubmitUseCase));
                    findings.doubtful(self.doubt, "use case", Exit::Refused, detail, hint);
                }
                None => {}
            }
        }
    }

    /// What a call takes off the quota before the model responds.
    fn quota(&self, id: &str, found: Option<&Candidate<'_>>, known: &ModelInfo, findings: &mut Findings) {
        let of_model = found.and_then(|candidate| candidate.info().max_tokens).or(known.max_tokens);
        let set = self.settings.params(id).max_tokens;
        let (limit, whose) = match (set, of_model) {
            (Some(limit), _) => (limit, "from the settings"),
            (None, Some(limit)) => (limit, "the model's own limit"),
            (None, None) => {
                let detail = "each call takes its input and its maxTokens off the quota at once; the model's own \
                              limit is not known";
                return findings.ok("quota", detail.into());
            }
        };
        let calls = |limit: u64| QUOTA / limit.max(1);
        findings.ok(
            "quota",
            format!(
                "each call takes its input and its maxTokens off the quota at once, whatever the response needs: with \
                 maxTokens {limit}, {whose}, {} calls fit into a quota of {QUOTA} tokens per minute, and {} with \
                 --max-tokens {LOW}",
                calls(limit),
                calls(LOW)
            ),
        );
    }

    /// Asks the model for one word.
    async fn probe(&self, id: &str, findings: &mut Findings) {
        let input = json!({
            "model": {"id": id},
            "context": {"messages": [{"role": "user", "content": "Reply with the word ok."}]},
            "options": {"maxTokens": LONGEST_REPLY, "cacheRetention": "none"},
        });
        let mut input = match Input::from_json(&input.to_string()) {
            Ok(input) => input,
            Err(error) => return findings.failed("probe", &error),
        };
        input.complete(self.settings);
        input.model.complete_from_catalog();
        input.model.context_window = None;
        let started = Instant::now();
        let mut first = None;
        let limits = Overrides::new().first_byte_timeout(LONGEST_PROBE).idle_timeout(LONGEST_PROBE);
        let mut events = Box::pin(pi::stream(&self.client.with(limits), &input)).await;
        let message = loop {
            match events.next_event().await {
                Some(AssistantEvent::Done { message } | AssistantEvent::Error { error: message }) => {
                    break Some(message);
                }
                None => break None,
                Some(AssistantEvent::TextDelta { .. } | AssistantEvent::ThinkingDelta { .. }) => {
                    first.get_or_insert_with(|| started.elapsed());
                }
                Some(_) => {}
            }
        };
        let failure = events.into_failure();
        if let Some(error) = failure {
            return findings.failed("probe", &error);
        }
        let usage = message.as_ref().and_then(|message| message.usage.as_ref());
        findings.ok("probe", fitted(summarize(id.to_owned(), usage, Some((first, started.elapsed()))), None));
    }
}

/// A model of which the service cannot be asked.
pub(super) fn unasked(settings: &Settings, named: &str, findings: &mut Findings) {
    match settings.model_id(named) {
        Ok(id) => by_catalog(&id, &ModelInfo::known(&id), findings),
        Err(error) => findings.failed("model", &error),
    }
}

fn by_catalog(id: &str, known: &ModelInfo, findings: &mut Findings) {
    let detail = match &known.name {
        Some(name) => format!("{id} is {name}, by the built-in catalog"),
        None => format!("{id} is not in the built-in catalog"),
    };
    findings.add("model", Status::Warn, format!("{detail}; the region's list is not known"), None);
}

/// What is listed under this id or ARN.
fn find<'a, 'b>(candidates: &'a [Candidate<'b>], id: &str) -> Option<&'a Candidate<'b>> {
    let by_arn = |candidate: &&Candidate<'_>| {
        let profile = candidate.profile.and_then(|profile| profile.inference_profile_arn.as_deref());
        let model = candidate.model.filter(|_| candidate.profile.is_none());
        [profile, model.and_then(|model| model.model_arn.as_deref())].contains(&Some(id))
    };
    candidates.iter().find(|candidate| candidate.id == id).or_else(|| candidates.iter().find(by_arn))
}

/// The id of the foundation model, as far as the id and the catalog tell it.
fn base_of(id: &str, known: &ModelInfo) -> String {
    if let Some(base) = &known.base {
        return base.clone();
    }
    match id.split_once('.') {
        Some((_, rest)) if ModelInfo::known(rest) != ModelInfo::default() => rest.to_owned(),
        _ => id.to_owned(),
    }
}

/// A quota to reckon with, in tokens per minute.
const QUOTA: u64 = 1_000_000;
/// An output limit that is enough for most responses.
const LOW: u64 = 4096;
/// The longest reply to the probe, in tokens. A model that thinks needs more than a word.
const LONGEST_REPLY: u64 = 64;
/// How long the probe waits for the next part of the response.
const LONGEST_PROBE: Duration = Duration::from_mins(1);
