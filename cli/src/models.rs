//! `pumice models`: which models can be called, and what is known of them.

mod table;

use std::collections::BTreeSet;
use std::time::Instant;

use pumice::date::rfc3339;
use pumice::models::{Reason, catalog};
use pumice::settings::{ListedModel, ModelList, ModelQuery, ModelSource, Settings, is_our_provider};
use pumice::spelling::nearest;
use pumice::{Client, ErrorKind, Hint};
use serde_json::{Value, json};

use crate::access::{Access, needs_use_case, use_case_is_known};
use crate::args::Args;
use crate::failure::{Exit, Failure};
use crate::id;
use crate::output::{Output, Report, one_line};
use crate::session::Session;
use crate::waiting;

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let words = args.rest.iter().map(|word| word.to_str()).collect::<Option<Vec<_>>>();
    for (one, other) in [("json", "plain"), ("local", "refresh")] {
        if args.has(one) && args.has(other) {
            return Err(Failure::usage(format!("expected --{one} or --{other}, found both")));
        }
    }
    if args.text("endpoint-url")?.is_some() {
        report.warning(
            "--endpoint-url is for the runtime, and the control plane lists models: set AWS_ENDPOINT_URL_BEDROCK to \
             call another server",
        );
    }
    match words.as_deref() {
        Some(["show", _])
            if let Some(flag) = ["plain", "provider", "all", "sort", "input", "search"]
                .iter()
                .find(|flag| args.has(flag)) =>
        {
            Err(Failure::usage(format!("--{flag} goes with pumice models list")))
        }
        Some(["list"]) => list(args, report).await,
        Some(["show", model]) => show(args, report, model).await,
        Some([word, ..])
            if let Some(near) = nearest(word, ["list", "show"].into_iter())
                && near != *word =>
        {
            Err(Failure::usage(format!("expected list or show MODEL, found {word:?}; did you mean {near}?"))
                .hint("run pumice models --help"))
        }
        _ => Err(Failure::usage("expected list or show MODEL").hint("run pumice models --help")),
    }
}

async fn list(args: &Args, report: &Report) -> Result<(), Failure> {
    let session = Session::new(args, report)?;
    let provider = args.text("provider")?.filter(|provider| !is_our_provider(provider));
    let order = args.text("sort")?.map(order).transpose()?;
    let input = args.text("input")?;
    if let Some(input) = input.filter(|input| !["text", "image"].contains(input)) {
        let near = nearest(input, ["text", "image"].into_iter());
        return Err(
            Failure::usage(format!("--input: expected text or image, found {input:?}")).meant("", near)
        );
    }
    let words = args.text("search")?.unwrap_or_default().to_lowercase();
    let query = ModelQuery { all: args.has("all"), ..query(args) };
    let mut output = Output::new();
    let found = fetch(&session, &query, &mut output, report).await?;
    let mut rows = found.models;
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
            report.note(format_args!("this list has no models of {provider:?}, only of {others}{more}"));
        }
    }

    let all = rows.len();
    rows.retain(|ListedModel { model, .. }| {
        let base = model.base.as_deref().unwrap_or_default();
        let text = format!("{} {} {} {base}", model.id, model.name, model.provider).to_lowercase();
        input.is_none_or(|input| model.inputs().contains(&input))
            && words.split_whitespace().all(|word| text.contains(word))
    });
    if let Some(order) = order {
        rows.sort_by_cached_key(order);
    }

    if args.has("json") {
        let models = rows.iter().map(in_json).collect::<Vec<_>>();
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
                "there was no room for {}: use --json, a wider terminal or COLUMNS=N",
                without.join(", ")
            ));
        }
        if rows.is_empty() && provider.is_none() {
            report.note(match (all, query.local, query.all) {
                (1.., ..) => "no model in this list matches",
                (0, true, _) => "the settings have no models; leave out --local to list those of the service",
                (0, _, true) => "the service lists no models for this account and region",
                _ => "the list is empty; pumice models list --all shows models that cannot be called",
            });
        }
    }
    output.flush()
}

async fn show(args: &Args, report: &Report, named: &str) -> Result<(), Failure> {
    let session = Session::new(args, report)?;
    let id = session.settings().model_id(named)?;
    let query = ModelQuery { all: true, model: Some(id.clone()), ..query(args) };
    let mut output = Output::new();
    let mut list = match fetch(&session, &query, &mut output, report).await {
        Err(failure) if failure.exit != Exit::Closed => {
            // The service was asked because nothing else knows the id.
            let configured = configured_ids(session.settings());
            let meant = did_you_mean(named, configured).map(|meant| format!("{meant} "));
            let hint = failure.hint.clone().unwrap_or_default();
            let unknown = format!("{}the built-in catalog does not know {id}", meant.unwrap_or_default());
            return Err(failure.hint(format!("{unknown}; {hint}").trim_end_matches("; ")));
        }
        fetched => fetched?,
    };
    let Some(row) = list.models.iter_mut().find(|row| row.model.id == id) else {
        // Those that can be called first.
        list.models.sort_by_key(|row| row.reason.is_some());
        let hint = did_you_mean(named, list.models.iter().map(|row| row.model.id.as_str()).collect());
        let all = "run pumice models list --all to see all models".to_owned();
        return Err(Failure::refused(format!("unknown model {id:?}")).hint(hint.unwrap_or(all)));
    };
    if list.listing.is_some() && row.reason.is_none() && row.kind.is_none() {
        let client = session.clients.of(&id);
        let obstacle = output.wait_for(Box::pin(obstacle(&client, row, report))).await?;
        row.reason = obstacle.map(Reason::NoAccess);
    }
    if args.has("json") {
        output.json_line(&in_json(row).to_string());
    } else {
        let asked = if list.listing.is_some() { "did not say" } else { "was not asked" };
        let asked = if list.failure.is_some() { "could not be asked" } else { asked };
        output.text(&in_text(row, asked));
    }
    output.flush()
}

/// The ids of the settings.
pub(crate) fn configured_ids(settings: &Settings) -> Vec<&str> {
    settings.models.iter().map(|model| model.id.as_str()).collect()
}

/// The ids that were likely meant, of these and of the catalog.
pub(crate) fn did_you_mean(named: &str, mut ids: Vec<&str>) -> Option<String> {
    ids.extend(catalog::entries().iter().map(|entry| entry.id));
    let near = id::near(named, &ids);
    (!near.is_empty()).then(|| format!("did you mean {}?", near.join(" or ")))
}

/// What to sort by: a number, then a text.
type Order = fn(&ListedModel) -> (u64, String);

/// The order of a list: names from A to Z, the cheapest first, the largest first.
fn order(by: &str) -> Result<Order, Failure> {
    let order = ORDERS.iter().find(|(name, _)| *name == by).map(|(_, order)| *order);
    order.ok_or_else(|| {
        let names = ORDERS.map(|(name, _)| name);
        let near = nearest(by, names.into_iter());
        Failure::usage(format!("--sort: expected one of {}, found {by:?}", names.join(", "))).meant("", near)
    })
}

/// Why the account or the identity cannot call a model, if the service says so.
async fn obstacle(client: &Client, row: &ListedModel, report: &Report) -> Option<String> {
    let base = row.model.base.as_ref().unwrap_or(&row.model.id);
    let access = match Access::of(client, base).await {
        Ok(access) => access,
        Err(error) => {
            report.detail(format_args!("whether there is access to {base} is not known: {error}"));
            return None;
        }
    };
    let found = access.steps(base, "this region").into_iter().find_map(|(_, obstacle)| obstacle);
    if let Some(found) = found {
        report.note(&found.hint);
        return Some(found.detail);
    }
    if needs_use_case(base) && use_case_is_known(client).await == Some(false) {
        report.note(crate::hint::text(&Hint::SubmitUseCase));
        return Some("Anthropic's form has not been submitted for the account".to_owned());
    }
    None
}

/// The query of the flags.
fn query(args: &Args) -> ModelQuery {
    // A cached list would leave nothing to record.
    let refresh = args.has("refresh") || args.has("record");
    ModelQuery { refresh, local: args.has("local"), ..ModelQuery::default() }
}

/// Lists models, and reports what is missing from the list.
async fn fetch(
    session: &Session,
    query: &ModelQuery,
    output: &mut Output,
    report: &Report,
) -> Result<ModelList, Failure> {
    let directory = session.directory();
    let list = output.wait_for(session.settings().list_models(&directory, query));
    let list = waiting::shown(report, Instant::now(), list).await??;
    if let Some(error) = &list.failure {
        let all = error.to_string();
        let (known, error) = match query.model {
            // The sources of credentials that were asked say nothing of the model.
            Some(_) => ("this is what the settings and the built-in catalog know", all.lines().next()),
            None => ("only the models of the settings are known", Some(all.as_str())),
        };
        report.warning(format_args!("{known}: {}", error.unwrap_or_default()));
    }
    let outdated = list.listing.as_deref().and_then(|listing| Some((listing, listing.outdated.as_ref()?)));
    if let Some((listing, error)) = outdated {
        let fetched = rfc3339(listing.fetched()).unwrap_or_default();
        report.warning(format_args!("this list is from {fetched} and could not be refreshed: {error}"));
    }
    if let Some(error) = list.listing.as_deref().and_then(|listing| listing.without_profiles.as_ref()) {
        let advice = match error.kind() {
            ErrorKind::AccessDenied => "; allow bedrock:ListInferenceProfiles",
            _ => "",
        };
        report.warning(format_args!(
            "inference profiles, and models that only they serve, are missing: {error}{advice}"
        ));
    }
    for (id, error) in &list.unresolved {
        report.detail(format_args!("the model of {id} could not be looked up: {error}"));
    }
    if list.skipped > 0 {
        report.note(format_args!(
            "inference profiles of the settings that were not looked up: {}",
            list.skipped
        ));
    }
    Ok(list)
}

fn in_json(row: &ListedModel) -> Value {
    let model = &row.model;
    let mut json = json!({
        "key": row.key(),
        "id": model.id,
        "name": model.name,
        "provider": model.provider,
        "reasoning": model.reasoning,
        "input": row.model.inputs(),
        "contextWindow": model.context_window,
        "maxTokens": model.max_tokens,
        "cost": model.cost,
    });
    if let Some(json) = json.as_object_mut() {
        let mut add = |name: &str, value: Option<Value>| {
            json.extend(value.map(|value| (name.to_owned(), value)));
        };
        let source = match row.source {
            ModelSource::Settings => Some("configured"),
            ModelSource::Service => Some("discovered"),
            _ => None,
        };
        let assumed = [(model.is_window_known, "contextWindow"), (model.is_limit_known, "maxTokens")];
        let assumed = assumed.iter().filter(|(is_known, _)| !is_known).map(|(_, name)| *name);
        let assumed = assumed.collect::<Vec<_>>();
        add("assumed", (!assumed.is_empty()).then(|| json!(assumed)));
        add("source", source.map(|source| json!(source)));
        add("baseModel", model.base.as_ref().map(|base| json!(base)));
        add("callable", row.is_callable().map(|callable| json!(callable)));
        let reason = row.reason.as_ref().map(ToString::to_string);
        let reason = reason.or_else(|| row.exclusion.map(|exclusion| exclusion.to_string()));
        add("reason", reason.map(|reason| json!(reason)));
        add("kind", row.kind.as_ref().map(|kind| json!(kind)));
        add("status", row.status.as_ref().map(|status| json!(status)));
        add("cacheMinimum", model.cache_minimum.map(|tokens| json!(tokens)));
        add("endOfLife", model.end_of_life.as_ref().map(|day| json!(day)));
        add("profiles", (!row.served_by.is_empty()).then(|| json!(row.served_by)));
        add("regions", (!row.regions.is_empty()).then(|| json!(row.regions)));
    }
    json
}

/// `asked` is what the service has to do with it, if it does not say whether the model can be called.
fn in_text(row: &ListedModel, asked: &str) -> String {
    let model = &row.model;
    let yes = |yes| if yes { "yes" } else { "no" }.to_owned();
    let mut lines =
        vec![("id", model.id.clone()), ("name", model.name.clone()), ("provider", model.provider.clone())];
    lines.extend(model.base.clone().filter(|base| *base != model.id).map(|base| ("model", base)));
    lines.push(("reads", row.model.inputs().join(", ")));
    lines.push(("reasoning", yes(model.reasoning)));
    let tokens = |is_known, tokens: u64| {
        if is_known { format!("{tokens} tokens") } else { format!("unknown; {tokens} tokens are assumed") }
    };
    lines.push(("context window", tokens(model.is_window_known, model.context_window)));
    lines.push(("output limit", tokens(model.is_limit_known, model.max_tokens)));
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
                let above = format!("{input} in, {output} out above {} tokens", tier.input_tokens_above);
                lines.push(("long prompts", above));
            }
            for (tier, _) in cost.service_tiers.iter().flat_map(pumice::shape::Members::iter) {
                let prices = cost.clone().of_service_tier(Some(tier));
                let [input, output] = [prices.input, prices.output]
                    .map(|price| (price.unwrap_or_default() * 1e4).round() / 1e4);
                lines.push((tier, format!("{input} in, {output} out")));
            }
        }
        None => lines.push(("price", "unknown".to_owned())),
    }
    lines.extend(model.cache_minimum.map(|tokens| ("caches from", format!("{tokens} tokens"))));
    lines.extend(model.end_of_life.clone().map(|day| ("end of life", day)));
    let source = match row.source {
        ModelSource::Settings => "settings",
        ModelSource::Service => "service",
        _ => "only the built-in catalog",
    };
    lines.push(("source", source.to_owned()));
    lines.extend(row.kind.clone().map(|kind| ("kind", kind)));
    lines.extend(row.status.clone().map(|status| ("status", status)));
    let callable = match (&row.reason, row.is_callable()) {
        (Some(reason), _) => format!("no: {reason}"),
        (None, Some(_)) => "yes".to_owned(),
        (None, None) => format!("unknown: the service {asked}"),
    };
    lines.push(("can be called", callable));
    lines.extend(row.exclusion.map(|why| ("not listed", why.to_string())));
    if !row.served_by.is_empty() {
        lines.push(("profiles", row.served_by.join(", ")));
    }
    if !row.regions.is_empty() {
        lines.push(("calls go to", row.regions.join(", ")));
    }
    let lines = lines.iter().map(|(name, value)| format!("{name:<16}{}\n", one_line(value)));
    lines.collect::<Vec<_>>().concat()
}

/// What a list can be sorted by. What is not known is last.
pub(crate) const ORDERS: [(&str, Order); 6] = [
    ("id", |row| (0, row.model.id.clone())),
    ("name", |row| (0, row.model.name.to_lowercase())),
    ("provider", |row| (0, format!("{} {}", row.model.provider, row.model.name).to_lowercase())),
    ("price", |row| {
        let prices =
            row.model.cost.as_ref().map(|cost| [cost.input, cost.output].map(Option::unwrap_or_default));
        // Positive floating-point numbers have the order of their bits.
        (prices.map_or(u64::MAX, |[input, output]| (input + output).to_bits()), row.model.name.to_lowercase())
    }),
    ("context", |row| largest_first(row, row.model.is_window_known, row.model.context_window)),
    ("output", |row| largest_first(row, row.model.is_limit_known, row.model.max_tokens)),
];

fn largest_first(row: &ListedModel, is_known: bool, tokens: u64) -> (u64, String) {
    (if is_known { u64::MAX - tokens } else { u64::MAX }, row.model.name.to_lowercase())
}

/// How many providers a note names.
const MOST_NAMED: usize = 20;
