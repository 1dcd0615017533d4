//! `pumice models`: which models can be called, and what is known of them.

mod table;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use pumice::ErrorKind;
use pumice::models::{Candidate, Directory, Inventory, Listing, Model, ModelInfo};
use pumice::settings::is_our_provider;
use pumice::spelling::nearest;
use serde_json::{Value, json};

use crate::args::Args;
use crate::failure::Failure;
use crate::output::{Output, Report, one_line, rfc3339};
use crate::session::Session;

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let words = args.rest.iter().map(|word| word.to_str()).collect::<Option<Vec<_>>>();
    for (one, other) in [("json", "plain"), ("local", "refresh")] {
        if args.has(one) && args.has(other) {
            return Err(Failure::usage(format!("--{one} or --{other} expected, both found")));
        }
    }
    if args.text("endpoint-url")?.is_some() {
        report.warning(
            "--endpoint-url is the runtime's, and models are listed by the control plane: \
             AWS_ENDPOINT_URL_BEDROCK names another",
        );
    }
    match words.as_deref() {
        Some(["show", _])
            if let Some(flag) = ["plain", "provider", "all"].iter().find(|flag| args.has(flag)) =>
        {
            Err(Failure::usage(format!("--{flag} goes with `models list`")))
        }
        Some(["list"]) => list(args, report).await,
        Some(["show", model]) => show(args, report, model).await,
        _ => Err(Failure::usage("list, or show MODEL, expected").hint("pumice models --help explains them")),
    }
}

/// The ids of models that can be called, those of the settings first; none if that cannot be told.
pub(crate) async fn callable(session: &Session) -> Vec<String> {
    let listing = session.directory().list(false).await.ok();
    let rows = rows(session, listing.as_deref().map(|listing| &listing.inventory), &BTreeMap::new());
    rows.into_iter().filter(Row::is_listed).map(|row| row.model.id).collect()
}

/// The ids that can be called and are nearest to this one, three at most, as far as they were listed before.
pub(crate) async fn nearest_kept(session: &Session, id: &str) -> Vec<String> {
    let Some(inventory) = session.directory().kept().await else { return Vec::new() };
    let candidates = inventory.candidates();
    let mut ids = candidates
        .iter()
        .filter(|candidate| candidate.reason.is_none())
        .map(|candidate| candidate.id)
        .collect::<Vec<_>>();
    let mut near = Vec::new();
    while let Some(found) = nearest(id, ids.iter().copied()).filter(|_| near.len() < 3) {
        near.push(found.to_owned());
        ids.retain(|id| *id != found);
    }
    near
}

/// A model, and how it came into the list.
struct Row {
    model: Model,
    source: Source,
    /// Why it cannot be called, if it cannot.
    reason: Option<String>,
    /// What in the settings leaves it out of the list.
    left_out: Option<&'static str>,
    /// The inference profiles that it can be called by.
    profiles: Vec<String>,
    /// Where it stands, and the regions that its calls may go to: where the service tells.
    status: Option<String>,
    regions: Vec<String>,
}

/// Who says that there is such a model.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    Settings,
    Service,
    /// Nobody but the catalogue, which tells nothing of an account's own models.
    Catalogue,
}

async fn list(args: &Args, report: &Report) -> Result<(), Failure> {
    let session = Session::new(args, report)?;
    let provider = args.text("provider")?.filter(|provider| !is_our_provider(provider));
    let configured = !session.settings.models.is_empty();
    // Where the settings' models are all that is listed, there is nothing to ask for.
    let local = args.has("local") || session.settings.replaces && configured && !args.has("all");
    let found = look(args, report, &session, local, configured).await?;
    let inventory = found.listing.as_deref().map(|listing| &listing.inventory);
    let mut rows = rows(&session, inventory, &found.bases);
    rows.retain(|row| args.has("all") || row.is_listed());
    if let Some(provider) = provider {
        let mut others = BTreeSet::new();
        rows.retain(|row| {
            others.insert(row.model.provider.clone());
            row.model.is_of(provider)
        });
        if rows.is_empty() && !others.is_empty() {
            let more = others.len().saturating_sub(MOST_NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let others = others.into_iter().take(MOST_NAMED).collect::<Vec<_>>().join(", ");
            report
                .note(format_args!("no model in this list is of {provider:?}; providers are {others}{more}"));
        }
    }

    let mut output = Output::new();
    if args.has("json") {
        let models = rows.iter().map(Row::in_json).collect::<Vec<_>>();
        let outdated = found.listing.is_some_and(|listing| listing.outdated.is_some());
        output.json_line(&json!({"count": rows.len(), "models": models, "outdated": outdated}).to_string());
    } else if args.has("plain") {
        for row in &rows {
            output.text(&format!("{}\n", one_line(&row.key())));
        }
    } else {
        let width = output.width();
        let (table, without) = table::table(&rows, width);
        output.text(&table);
        output.flush()?;
        if !without.is_empty() {
            report.note(format_args!(
                "there was no room for {}: --json has them, and so has a wider terminal, or COLUMNS=N",
                without.join(", ")
            ));
        }
        if rows.is_empty() && provider.is_none() {
            report.note("no model is in this list; `pumice models list --all` shows what cannot be called");
        }
    }
    output.flush()
}

async fn show(args: &Args, report: &Report, named: &str) -> Result<(), Failure> {
    let session = Session::new(args, report)?;
    let id = session.settings.model_id(named)?;
    let known = session.settings.model(&id).is_some() || ModelInfo::known(&id) != ModelInfo::default();
    let mut found = look(args, report, &session, args.has("local"), known).await?;
    if is_application_profile(&id) && !args.has("local") {
        resolve(&session.directory(), &id, &mut found.bases, report).await;
    }
    let inventory = found.listing.as_deref().map(|listing| &listing.inventory);
    let rows = rows(&session, inventory, &found.bases);
    let row = match rows.iter().find(|row| row.model.id == id) {
        Some(row) => row,
        None if known || found.bases.contains_key(&id) => {
            let info = Told::new(inventory, &found.bases).info(&id).or(ModelInfo::known(&id));
            &Row {
                model: info.model(&id, session.settings.discovery.default_limits),
                source: if found.bases.contains_key(&id) { Source::Service } else { Source::Catalogue },
                reason: inventory
                    .filter(|_| !found.bases.contains_key(&id))
                    .map(|_| "it is not in the region's list".to_owned()),
                left_out: None,
                profiles: Vec::new(),
                status: None,
                regions: Vec::new(),
            }
        }
        None => {
            let near = nearest(&id, rows.iter().map(|row| row.model.id.as_str()));
            let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            return Err(Failure::refused(format!("no model {id} is known{near}"))
                .hint("`pumice models list --all` lists what there is"));
        }
    };
    let mut output = Output::new();
    if args.has("json") {
        output.json_line(&row.in_json().to_string());
    } else {
        output.text(&row.in_text());
    }
    output.flush()
}

/// What the control plane told, if it did.
struct Found {
    listing: Option<std::sync::Arc<Listing>>,
    /// The models of configured inference profiles that are not in the list.
    bases: BTreeMap<String, String>,
}

/// Asks the control plane, unless flags or settings say not to. Where it fails, and there is something to
/// say without it, that is a warning; otherwise the failure is the answer.
async fn look(
    args: &Args,
    report: &Report,
    session: &Session,
    local: bool,
    without: bool,
) -> Result<Found, Failure> {
    let mut found = Found { listing: None, bases: BTreeMap::new() };
    if local || session.settings.discovery.enabled == Some(false) {
        return Ok(found);
    }
    let directory = session.directory();
    let listing = match directory.list(args.has("refresh")).await {
        Ok(listing) => listing,
        Err(error) if without => {
            let why = match error.kind() {
                ErrorKind::Credentials => "there are no credentials",
                _ => "the service failed",
            };
            report
                .warning(format_args!("nothing is known of other models than the settings': {why}: {error}"));
            return Ok(found);
        }
        Err(error) => return Err(Failure::from(error)),
    };
    if let Some(error) = &listing.outdated {
        let fetched = rfc3339(listing.fetched()).unwrap_or_default();
        report.warning(format_args!("this list is old, of {fetched}: it could not be refreshed: {error}"));
    }
    if let Some(error) = &listing.without_profiles {
        let advice = match error.kind() {
            ErrorKind::AccessDenied => "; allow bedrock:ListInferenceProfiles",
            _ => "",
        };
        report.warning(format_args!(
            "inference profiles are missing, and models that only they serve: {error}{advice}"
        ));
    }
    let inventory = &listing.inventory;
    let told = [&inventory.inference_profiles, &inventory.resolved_profiles].into_iter().flatten().flatten();
    let told = told.flat_map(|profile| [&profile.inference_profile_id, &profile.inference_profile_arn]);
    let told = told.flatten().map(String::as_str).collect::<HashSet<_>>();
    let ids = session.settings.models.iter().map(|model| model.id.as_str());
    let unknown = ids.filter(|id| is_application_profile(id) && !told.contains(id)).collect::<Vec<_>>();
    // Each is a call. What is told is kept, so that the next time others are asked for.
    for id in unknown.iter().take(MOST_RESOLVED) {
        resolve(&directory, id, &mut found.bases, report).await;
    }
    if let Some(left @ 1..) = unknown.len().checked_sub(MOST_RESOLVED) {
        report.note(format_args!("{left} more inference profiles of the settings were not looked up"));
    }
    found.listing = Some(listing);
    Ok(found)
}

/// Asks for the model of an inference profile. Where that may not be, its configured name has to do.
async fn resolve(directory: &Directory, id: &str, bases: &mut BTreeMap<String, String>, report: &Report) {
    match directory.base_of(id).await {
        Ok(base) => bases.extend(base.map(|base| (id.to_owned(), base))),
        Err(error) => report.detail(format_args!("the model of {id} is not known: {error}")),
    }
}

/// The models of the settings, then those of the list.
fn rows(session: &Session, inventory: Option<&Inventory>, bases: &BTreeMap<String, String>) -> Vec<Row> {
    let told = Told::new(inventory, bases);
    let limits = session.settings.discovery.default_limits;
    let filter = session.settings.discovery.provider_filter.iter();
    let filter = filter.map(|provider| provider.trim().to_ascii_lowercase()).collect::<HashSet<_>>();
    let left_out = |model: &Model| {
        if session.settings.replaces && !session.settings.models.is_empty() {
            Some("models.mode is replace")
        } else if filter.is_empty()
            || model.providers().any(|provider| filter.contains(&provider.to_ascii_lowercase()))
        {
            None
        } else {
            Some("providerFilter leaves it out")
        }
    };
    let of_settings = || ModelInfo { max_tokens: session.settings.max_tokens, ..ModelInfo::default() };
    let configured = session.settings.configured_models(|id| told.info(id)).into_iter().map(|model| {
        let candidate = told.candidate(&model.id);
        // Who lists a model wants to call it, whatever the service says of it.
        Row { reason: None, source: Source::Settings, ..Row::of(model, candidate) }
    });
    let mut rows = configured.collect::<Vec<_>>();
    let listed = session.settings.models.iter().map(|model| model.id.as_str()).collect::<HashSet<_>>();
    let mut discovered = told
        .candidates
        .iter()
        .filter(|candidate| !listed.contains(candidate.id))
        .map(|candidate| {
            let model = of_settings().or(candidate.info()).model(candidate.id, limits);
            Row { left_out: left_out(&model), ..Row::of(model, Some(candidate)) }
        })
        .collect::<Vec<_>>();
    discovered.sort_by_cached_key(|row| {
        let Model { provider, name, id, .. } = &row.model;
        (provider.to_lowercase(), name.to_lowercase(), id.clone())
    });
    rows.extend(discovered);
    rows
}

/// What the service told, by id.
struct Told<'a> {
    candidates: Vec<Candidate<'a>>,
    places: HashMap<&'a str, usize>,
    bases: &'a BTreeMap<String, String>,
}

impl<'a> Told<'a> {
    fn new(inventory: Option<&'a Inventory>, bases: &'a BTreeMap<String, String>) -> Self {
        let candidates = inventory.map(Inventory::candidates).unwrap_or_default();
        // A foundation model stands before a profile of its id.
        let places =
            candidates.iter().enumerate().rev().map(|(place, candidate)| (candidate.id, place)).collect();
        Self { candidates, places, bases }
    }

    fn candidate(&self, id: &str) -> Option<&Candidate<'a>> {
        self.candidates.get(*self.places.get(id)?)
    }

    /// What it told of an id, or of the model that an inference profile leads to.
    fn info(&self, id: &str) -> ModelInfo {
        let of_base = || {
            let base = self.bases.get(id)?;
            let known = self.candidate(base).map_or_else(|| ModelInfo::known(base), Candidate::info);
            Some(ModelInfo { base: Some(base.clone()), name: None, ..known })
        };
        self.candidate(id).map(Candidate::info).or_else(of_base).unwrap_or_default()
    }
}

fn is_application_profile(id: &str) -> bool {
    id.contains(":application-inference-profile/")
}

impl Row {
    fn of(model: Model, candidate: Option<&Candidate<'_>>) -> Self {
        let status = candidate.and_then(|candidate| {
            let lifecycle = candidate.model?.model_lifecycle.as_ref()?;
            Some(lifecycle.status.as_ref()?.to_string())
        });
        let models = candidate.and_then(|candidate| candidate.profile?.models.as_ref());
        let regions = models.into_iter().flatten().filter_map(|model| {
            let region = model.model_arn.as_deref()?.split(':').nth(3)?;
            Some(region.to_owned()).filter(|region| !region.is_empty())
        });
        Self {
            model,
            source: Source::Service,
            reason: candidate.and_then(|candidate| candidate.reason.as_ref()).map(ToString::to_string),
            left_out: None,
            profiles: candidate
                .iter()
                .flat_map(|candidate| &candidate.served_by)
                .map(|id| (*id).to_owned())
                .collect(),
            status,
            regions: regions.collect(),
        }
    }

    fn is_listed(&self) -> bool {
        self.source == Source::Settings || self.reason.is_none() && self.left_out.is_none()
    }

    /// Whether it can be called, where the service told.
    fn is_callable(&self) -> Option<bool> {
        match self.reason {
            Some(_) => Some(false),
            None => self.status.as_ref().map(|_| true),
        }
    }

    fn key(&self) -> String {
        format!("amazon-bedrock/{}", self.model.id)
    }

    fn input(&self) -> &'static [&'static str] {
        if self.model.images { &["text", "image"] } else { &["text"] }
    }

    fn in_json(&self) -> Value {
        let model = &self.model;
        let mut json = json!({
            "key": self.key(),
            "id": model.id,
            "name": model.name,
            "provider": model.provider,
            "reasoning": model.reasoning,
            "input": self.input(),
            "contextWindow": model.context_window,
            "maxTokens": model.max_tokens,
            "cost": model.cost,
        });
        if let Some(json) = json.as_object_mut() {
            let mut add = |name: &str, value: Option<Value>| {
                json.extend(value.map(|value| (name.to_owned(), value)));
            };
            let source = match self.source {
                Source::Settings => Some("configured"),
                Source::Service => Some("discovered"),
                Source::Catalogue => None,
            };
            add("source", source.map(|source| json!(source)));
            add("baseModel", model.base.as_ref().map(|base| json!(base)));
            add("callable", self.is_callable().map(|callable| json!(callable)));
            add("reason", self.reason.as_deref().or(self.left_out).map(|reason| json!(reason)));
            add("status", self.status.as_ref().map(|status| json!(status)));
            add("profiles", (!self.profiles.is_empty()).then(|| json!(self.profiles)));
            add("regions", (!self.regions.is_empty()).then(|| json!(self.regions)));
        }
        json
    }

    fn in_text(&self) -> String {
        let model = &self.model;
        let yes = |yes| if yes { "yes" } else { "no" }.to_owned();
        let mut lines = vec![
            ("id", model.id.clone()),
            ("name", model.name.clone()),
            ("provider", model.provider.clone()),
        ];
        lines.extend(model.base.clone().filter(|base| *base != model.id).map(|base| ("model", base)));
        lines.push(("reads", self.input().join(", ")));
        lines.push(("reasoning", yes(model.reasoning)));
        lines.push(("context window", format!("{} tokens", model.context_window)));
        lines.push(("longest answer", format!("{} tokens", model.max_tokens)));
        match &model.cost {
            Some(cost) => {
                let [input, output] = [cost.input, cost.output].map(Option::unwrap_or_default);
                lines.push(("price", format!("{input} in, {output} out, USD per million tokens")));
                let [read, write] = [cost.cache_read, cost.cache_write].map(Option::unwrap_or_default);
                if read > 0.0 {
                    lines.push(("cached", format!("{read} from the cache, {write} into it")));
                }
                for tier in cost.tiers.iter().flatten() {
                    let [input, output] = [tier.input, tier.output].map(Option::unwrap_or_default);
                    let above =
                        format!("{input} in, {output} out above {} tokens in", tier.input_tokens_above);
                    lines.push(("long questions", above));
                }
            }
            None => lines.push(("price", "not known".to_owned())),
        }
        let source = match self.source {
            Source::Settings => "settings",
            Source::Service => "service",
            Source::Catalogue => "catalogue alone",
        };
        lines.push(("source", source.to_owned()));
        lines.extend(self.status.clone().map(|status| ("status", status)));
        let callable = match (&self.reason, self.is_callable()) {
            (Some(reason), _) => format!("no: {reason}"),
            (None, Some(_)) => "yes".to_owned(),
            (None, None) => "not known: the service did not tell".to_owned(),
        };
        lines.push(("can be called", callable));
        lines.extend(self.left_out.map(|why| ("not listed", format!("since {why}"))));
        if !self.profiles.is_empty() {
            lines.push(("profiles", self.profiles.join(", ")));
        }
        if !self.regions.is_empty() {
            lines.push(("calls go to", self.regions.join(", ")));
        }
        let lines = lines.iter().map(|(name, value)| format!("{name:<16}{}\n", one_line(value)));
        lines.collect::<Vec<_>>().concat()
    }
}

/// How many providers a note names.
const MOST_NAMED: usize = 20;
/// How many inference profiles of the settings are looked up at a time.
const MOST_RESOLVED: usize = 50;
