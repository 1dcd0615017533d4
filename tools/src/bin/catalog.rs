//! Makes `src/models/catalog.tsv`, what is known of models beforehand, from a table of pi-ai's catalogue:
//!
//!     cargo run -p pumice-tools --bin catalog -- catalog.tsv
//!
//! The table has a head and a line for each id that a call takes: id, name, reasoning, input, ctx, max,
//! `cost_in`, `cost_out`, `cache_read`, `cache_write`, tiers, strict, thinkingLevelMap (and more, which is
//! left out). What is made of it has a line for each model and price: regions of one price stand on one
//! line, and `-` among them is the id without any.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::fmt::Write as _;

use serde_json::Value;

/// What stands before the id of a model in the id of a profile that spreads calls over regions.
const REGIONS: [&str; 12] =
    ["amer", "ap", "apac", "au", "ca", "eu", "global", "in", "jp", "sa", "us", "us-gov"];

const HEAD: &str = "id\tregions\tname\treasoning\timages\tcontext\toutput\tprices\ttiers\tstrict\tlevels";

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("expected the path of a table")?;
    let text = std::fs::read_to_string(path)?;
    let mut lines = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let head = lines.next().ok_or("expected a head")?;

    let mut names = BTreeMap::<String, String>::new();
    let mut rows = BTreeMap::<(String, Vec<String>), Vec<String>>::new();
    for line in lines {
        let row = head.iter().copied().zip(line).collect::<HashMap<_, _>>();
        let cell = |name: &str| row.get(name).copied().map(str::trim).ok_or(format!("expected {name}"));
        let (region, base) = match cell("id")?.split_once('.') {
            Some((region, base)) if REGIONS.contains(&region) => (region, base),
            _ => ("-", cell("id")?),
        };
        // The name without a region, from the id without one where there is such an id.
        let name = cell("name")?;
        let short = name.rsplit_once(" (").filter(|_| region != "-").map_or(name, |(short, _)| short);
        if region == "-" || !names.contains_key(base) {
            names.insert(base.to_owned(), short.to_owned());
        }
        let prices = ["cost_in", "cost_out", "cache_read", "cache_write"].map(&cell);
        let facts = vec![
            yes(cell("reasoning")?).to_owned(),
            yes(if cell("input")?.contains("image") { "True" } else { "" }).to_owned(),
            cell("ctx")?.to_owned(),
            cell("max")?.to_owned(),
            prices.into_iter().collect::<Result<Vec<_>, _>>()?.join("/"),
            tiers(cell("tiers")?)?,
            yes(cell("strict")?).to_owned(),
            levels(cell("thinkingLevelMap")?)?,
        ];
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

fn yes(cell: &str) -> &'static str {
    if cell == "True" { "yes" } else { "" }
}

/// `ABOVE:IN/OUT/READ/WRITE`, several with a space between.
fn tiers(cell: &str) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    if cell.is_empty() {
        return Ok(text);
    }
    for tier in serde_json::from_str::<Vec<Value>>(cell)? {
        let price = |name: &str| tier.get(name).map(Value::to_string).ok_or(format!("expected {name}"));
        let space = if text.is_empty() { "" } else { " " };
        let (above, input, output) = (price("inputTokensAbove")?, price("input")?, price("output")?);
        write!(text, "{space}{above}:{input}/{output}/{}/{}", price("cacheRead")?, price("cacheWrite")?)?;
    }
    Ok(text)
}

/// `LEVEL=VALUE`, several with a space between; a level that the model does not have has no value.
fn levels(cell: &str) -> Result<String, Box<dyn Error>> {
    if cell.is_empty() {
        return Ok(String::new());
    }
    let levels = serde_json::from_str::<BTreeMap<String, Option<String>>>(cell)?;
    let levels = levels.into_iter().map(|(level, value)| format!("{level}={}", value.unwrap_or_default()));
    Ok(levels.collect::<Vec<_>>().join(" "))
}
