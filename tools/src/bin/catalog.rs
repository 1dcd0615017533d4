//! Makes `src/models/catalog.tsv`, what is known of models beforehand. `tools/catalog.sh` gets the two files and runs
//! this:
//!
//!     cargo run -p pumice-tools --bin catalog -- MODELS PRICES
//!
//! MODELS is `amazon-bedrock.json` of pi-ai: the models by each id that a call takes. PRICES is
//! `model_prices_and_context_window_backup.json` of litellm: what service tiers cost, the fewest tokens that are
//! cached, and when models end. What is made of them has a line for each model and price: regions of one price stand
//! on one line, and `-` among them is the id without any.

use std::collections::BTreeMap;
use std::error::Error;

use serde_json::Value;

/// What stands before the id of a model in the id of a profile that spreads calls over regions.
const REGIONS: [&str; 12] =
    ["amer", "ap", "apac", "au", "ca", "eu", "global", "in", "jp", "sa", "us", "us-gov"];

const HEAD: &str = "id\tregions\tname\treasoning\timages\tcontext\toutput\tprices\ttiers\tstrict\tlevels\tservice\t\
                    minimum\tend";

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = std::env::args().skip(1);
    let mut read = || -> Result<Value, Box<dyn Error>> {
        let path = files.next().ok_or("expected two files: MODELS PRICES")?;
        Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
    };
    let (models, prices) = (read()?, read()?);
    let more = more_of(&prices);

    let mut names = BTreeMap::<String, String>::new();
    let mut rows = BTreeMap::<(String, Vec<String>), Vec<String>>::new();
    let groups = models.as_object().into_iter().flatten();
    let models = groups.flat_map(|(_, group)| group.as_object().into_iter().flatten());
    for (_, model) in models.filter(|(_, model)| model["type"] == "chat") {
        let (region, base) = parted(text(model, "id")?);
        // The name without a region, from the id without one where there is such an id.
        let name = text(model, "name")?;
        let short = name.rsplit_once(" (").filter(|_| region != "-").map_or(name, |(short, _)| short);
        if region == "-" || !names.contains_key(base) {
            names.insert(base.to_owned(), short.to_owned());
        }
        let images = model["input"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "image"));
        let tiers = model.pointer("/cost/tiers").and_then(Value::as_array).into_iter().flatten();
        let tiers =
            tiers.map(|tier| Ok(format!("{}:{}", number(tier, "inputTokensAbove")?, four_prices(tier)?)));
        let mut facts = vec![
            yes(model["reasoning"] == true).to_owned(),
            yes(images).to_owned(),
            number(model, "contextWindow")?,
            number(model, "maxTokens")?,
            four_prices(&model["cost"])?,
            tiers.collect::<Result<Vec<_>, Box<dyn Error>>>()?.join(" "),
            yes(model.pointer("/compat/supportsStrictMode") == Some(&Value::Bool(true))).to_owned(),
            levels(&model["thinkingLevelMap"]),
        ];
        facts.extend(more.get(base).cloned().unwrap_or_default());
        rows.entry((base.to_owned(), facts)).or_default().push(region.to_owned());
    }

    let mut lines = Vec::new();
    for ((base, facts), mut regions) in rows {
        regions.sort();
        let name = names.get(&base).ok_or("expected a name")?;
        lines.push(format!("{base}\t{}\t{name}\t{}", regions.join(","), facts.join("\t")));
    }
    lines.sort();
    lines.insert(0, HEAD.to_owned());
    let made = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/models/catalog.tsv");
    std::fs::write(made, lines.join("\n") + "\n")?;
    println!("{made}: {} lines", lines.len());
    Ok(())
}

/// The region and the rest of an id; `-` for an id without a region.
fn parted(id: &str) -> (&str, &str) {
    id.split_once('.').filter(|(region, _)| REGIONS.contains(region)).unwrap_or(("-", id))
}

/// By the id of the model: what its service tiers cost, the fewest tokens that are cached, its last day.
fn more_of(prices: &Value) -> BTreeMap<String, [String; 3]> {
    let mut more = BTreeMap::<String, [String; 3]>::new();
    for (id, model) in prices.as_object().into_iter().flatten() {
        let of_runtime = matches!(model["litellm_provider"].as_str(), Some("bedrock" | "bedrock_converse"));
        if !of_runtime || id.contains('/') {
            continue;
        }
        let [service, minimum, end] = more.entry(parted(id).1.to_owned()).or_default();
        for (letter, name) in [("f", "flex"), ("p", "priority"), ("b", "batches")] {
            let factor = |kind: &str| {
                let of = |name: &str| model[format!("{kind}_cost_per_token{name}")].as_f64();
                let factor = (of(&format!("_{name}"))? / of("")? * 1e6).round() / 1e6;
                Some(factor.to_string())
            };
            if let (Some(input), Some(output)) = (factor("input"), factor("output"))
                && !service.contains(letter)
            {
                let space = if service.is_empty() { "" } else { " " };
                service.extend([space, letter, &input]);
                if output != input {
                    service.extend(["/", &output]);
                }
            }
        }
        if let Some(tokens) = model["prompt_cache_min_tokens"].as_u64() {
            *minimum = tokens.to_string();
        }
        // A date without a source is not of the service.
        if let (Some(date), true) =
            (model["deprecation_date"].as_str(), model["deprecation_source"].is_string())
        {
            date.clone_into(end);
        }
    }
    more
}

fn text<'a>(object: &'a Value, name: &str) -> Result<&'a str, Box<dyn Error>> {
    Ok(object[name].as_str().ok_or_else(|| format!("expected {name}, found {object}"))?)
}

fn number(object: &Value, name: &str) -> Result<String, Box<dyn Error>> {
    let number = object[name].as_number().ok_or_else(|| format!("expected {name}, found {object}"))?;
    Ok(number.to_string())
}

/// `INPUT/OUTPUT/READ/WRITE`.
fn four_prices(cost: &Value) -> Result<String, Box<dyn Error>> {
    let prices = ["input", "output", "cacheRead", "cacheWrite"].map(|name| number(cost, name));
    Ok(prices.into_iter().collect::<Result<Vec<_>, _>>()?.join("/"))
}

fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "" }
}

/// `LEVEL=VALUE`, several with a space between; a level that the model does not have has no value.
fn levels(levels: &Value) -> String {
    let levels = levels.as_object().into_iter().flatten();
    let mut levels = levels
        .map(|(level, value)| format!("{level}={}", value.as_str().unwrap_or_default()))
        .collect::<Vec<_>>();
    levels.sort();
    levels.join(" ")
}
