//! Limits and prices of models when this version was made. The service's API does not have them.
//!
//! `tools/catalog.sh` makes the data file again. The prices are list prices: your account may pay others.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::{Cost, ModelInfo, PriceTier};
use crate::shape::{Document, Members};

/// A model's data at one price.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Entry {
    /// The id of the model, without a region prefix.
    pub id: &'static str,
    /// The regions that the price applies to: the prefix of an inference profile's id, and `-` for the id without one.
    pub regions: Vec<&'static str>,
    /// The model's data.
    pub info: ModelInfo,
}

/// All entries, by id.
pub fn entries() -> &'static [Entry] {
    static ENTRIES: OnceLock<Vec<Entry>> = OnceLock::new();
    ENTRIES.get_or_init(|| DATA.lines().skip(1).filter_map(entry).collect())
}

/// The line of the data file from which ids begin that are not before this one.
fn from_id(id: &str) -> &'static str {
    let (mut low, mut high) = (0, DATA.len());
    while low < high {
        let middle = low.midpoint(high);
        let before = DATA.as_bytes().get(low..middle).unwrap_or_default();
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(low, |at| low + at + 1);
        let text = DATA.get(start..).unwrap_or_default();
        // The heading comes before all.
        if start == 0 || text < id {
            low = text.find('\n').map_or(high, |at| start + at + 1);
        } else {
            high = start;
        }
    }
    DATA.get(low..).unwrap_or_default()
}

/// The entry of a line. Each is read only when it is needed: to read all of them takes twice as many instructions as
/// the whole start of a call over HTTP.
fn read_once(line: &'static str) -> Option<&'static Entry> {
    static READ: Mutex<Vec<(&str, &Entry)>> = Mutex::new(Vec::new());
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, entry)) = read.iter().find(|(known, _)| known.as_ptr() == line.as_ptr()) {
        return Some(entry);
    }
    let entry = &*Box::leak(Box::new(entry(line)?));
    read.push((line, entry));
    Some(entry)
}

/// The entry for the id or ARN of a model or of a cross-region inference profile.
///
/// If this version (`:1`, `:0:200k`) is not known, another version is used. The prices are those of the profile's
/// region, or else of the id without a region.
///
/// ```
/// use pumice::models::catalog;
///
/// let haiku = catalog::find("eu.anthropic.claude-haiku-4-5-20251001-v1:0").unwrap();
/// assert_eq!((haiku.info.name.as_deref(), haiku.info.context_window), (Some("Claude Haiku 4.5"), Some(200_000)));
/// assert!(catalog::find("anthropic.claude-of-my-own").is_none());
/// ```
pub fn find(id: &str) -> Option<&'static Entry> {
    let id = id_of_arn(id);
    let in_region = || id.split_once('.').and_then(|(region, base)| of_model(base, region));
    of_model(id, NO_REGION).or_else(in_region)
}

/// The entry for a model's name, in upper or lower case, or for the longest known name within this one. The last
/// resort for an application inference profile, whose ARN does not show its model.
pub fn find_by_name(name: &str) -> Option<&'static Entry> {
    static NAMES: OnceLock<Vec<(String, &Entry)>> = OnceLock::new();
    let known = || {
        let named =
            entries().iter().filter_map(|entry| Some((entry.info.name.as_ref()?.to_lowercase(), entry)));
        named.collect()
    };
    let name = name.to_lowercase();
    let named =
        NAMES.get_or_init(known).iter().filter(|(known, _)| has_words(&name, known)).collect::<Vec<_>>();
    let longest = named.iter().map(|(known, _)| known.len()).max()?;
    let named = named.into_iter().filter(|(known, _)| known.len() == longest);
    let mut named = named.map(|(_, entry)| *entry).peekable();
    let first = named.peek().copied();
    named.find(|entry| entry.regions.contains(&NO_REGION)).or(first)
}

/// The context window, in tokens, of a model that is not in the data file.
pub(crate) fn window_of(id: &str) -> Option<u64> {
    WINDOWS.iter().find(|(part, _)| id.contains(part)).map(|(_, window)| *window)
}

/// The end of an ARN after its last slash; an id as it is.
pub(crate) fn id_of_arn(id: &str) -> &str {
    match id.rsplit_once('/') {
        Some((_, id)) => id,
        None => id,
    }
}

/// The provider of a model, by its id. If it is not known, the beginning of the id.
pub(crate) fn provider_of(id: &str) -> &str {
    let prefix =
        |id: &str| PROVIDERS.iter().find(|(prefix, _)| Some(id) == Some(*prefix)).map(|(_, name)| *name);
    let id = id_of_arn(id);
    let (first, rest) = id.split_once('.').unwrap_or((id, ""));
    let second = rest.split('.').next().unwrap_or_default();
    prefix(first).or_else(|| prefix(second)).unwrap_or(first)
}

fn of_model(base: &str, region: &str) -> Option<&'static Entry> {
    // An id without its version.
    let stem = base.split_once(':').map_or(base, |(stem, _)| stem);
    let is_version = |line: &&str| line.strip_prefix(stem).is_some_and(|rest| rest.starts_with(['\t', ':']));
    let versions = from_id(stem).lines().take_while(|line| line.starts_with(stem));
    let versions = versions.filter(is_version).filter_map(read_once).collect::<Vec<_>>();
    let among = |fits: &dyn Fn(&Entry) -> bool| {
        let all = || versions.iter().copied().filter(|entry| fits(entry));
        let of = |region: &str| all().find(|entry| entry.regions.contains(&region));
        of(region).or_else(|| of(NO_REGION)).or_else(|| all().next())
    };
    among(&|entry| entry.id == base).or_else(|| among(&|_| true))
}

/// Whether a text has these words, and not as the beginning of a longer name: `sonnet 4.5` does not have
/// `sonnet 4`.
fn has_words(text: &str, words: &str) -> bool {
    text.len() >= words.len()
        && text.split(words).skip(1).any(|rest| {
            let rest = rest.strip_prefix(['.', '-']).unwrap_or(rest);
            !rest.starts_with(char::is_alphanumeric)
        })
}

fn entry(line: &'static str) -> Option<Entry> {
    let cells = line.split('\t').collect::<Vec<_>>();
    let [
        id,
        regions,
        name,
        reasoning,
        images,
        context,
        longest,
        prices,
        tiers,
        strict,
        levels,
        service,
        minimum,
        end,
    ] = cells[..]
    else {
        return None;
    };
    let [input, output, cache_read, cache_write] = prices_of(prices);
    let mut cost = Cost { input, output, cache_read, cache_write, ..Cost::new() };
    for tier in tiers.split_whitespace() {
        let (above, prices) = tier.split_once(':')?;
        let [input, output, cache_read, cache_write] = prices_of(prices);
        let tier = PriceTier::new(above.parse::<u64>().ok()?);
        let tier = PriceTier { input, output, cache_read, cache_write, ..tier };
        cost.tiers.get_or_insert_default().push(tier);
    }
    let mut service_tiers = Members::default();
    for factors in service.split_whitespace() {
        let (letter, factors) = factors.split_at_checked(1)?;
        let (_, name) = SERVICE_TIERS.iter().find(|(found, _)| *found == letter)?;
        let (input, output) = factors.split_once('/').unwrap_or((factors, factors));
        service_tiers
            .insert(*name, Document::parse(format!(r#"{{"input":{input},"output":{output}}}"#)).ok()?);
    }
    cost.service_tiers = Some(service_tiers).filter(|tiers| !tiers.is_empty());
    let level = |level: &str| {
        let (level, value) = level.split_once('=')?;
        Some((level.to_owned(), Some(value.to_owned()).filter(|value| !value.is_empty())))
    };
    Some(Entry {
        id,
        regions: regions.split(',').collect(),
        info: ModelInfo {
            base: Some(id.to_owned()),
            name: Some(name.to_owned()),
            provider: Some(provider_of(id).to_owned()),
            images: Some(images == "yes"),
            reasoning: Some(reasoning == "yes"),
            context_window: Some(context.parse().ok()?),
            max_tokens: Some(longest.parse().ok()?),
            cost: Some(cost),
            strict_tools: Some(strict == "yes"),
            cache_minimum: minimum.parse().ok(),
            end_of_life: Some(end.to_owned()).filter(|end| !end.is_empty()),
            thinking_levels: levels.split_whitespace().filter_map(level).collect(),
        },
    })
}

/// The prices of input, output, cache reads and cache writes.
fn prices_of(prices: &str) -> [Option<f64>; 4] {
    let mut prices = prices.split('/').map(|price| serde_json::from_str::<f64>(price).ok());
    [(); 4].map(|()| prices.next().flatten())
}

const DATA: &str = include_str!("catalog.tsv");

/// The letters of the service tiers in the data file.
const SERVICE_TIERS: [(&str, &str); 3] = [("f", "flex"), ("p", "priority"), ("b", "batch")];

/// Among an entry's regions, stands for the id without a region.
const NO_REGION: &str = "-";

/// Parts of model ids, with the context window in tokens.
const WINDOWS: [(&str, u64); 12] = [
    (".claude-3-", 200_000),
    (".command-r-", 128_000),
    (".r1-v1", 128_000),
    (".gemma-3-", 128_000),
    (".jamba-1-5-", 256_000),
    (".llama3-1-", 128_000),
    (".llama3-2-", 128_000),
    (".llama3-3-", 128_000),
    (".mistral-large-2407-", 128_000),
    (".mistral-small-2402-", 32_000),
    (".nemotron-nano-", 128_000),
    (".nemotron-super-3-120b", 256_000),
];

/// Prefixes of ids, with the provider's name as the service spells it.
const PROVIDERS: [(&str, &str); 20] = [
    ("ai21", "AI21 Labs"),
    ("amazon", "Amazon"),
    ("anthropic", "Anthropic"),
    ("cohere", "Cohere"),
    ("deepseek", "DeepSeek"),
    ("google", "Google"),
    ("luma", "Luma AI"),
    ("meta", "Meta"),
    ("minimax", "MiniMax"),
    ("mistral", "Mistral AI"),
    ("moonshot", "Moonshot AI"),
    ("moonshotai", "Moonshot AI"),
    ("nvidia", "NVIDIA"),
    ("openai", "OpenAI"),
    ("qwen", "Qwen"),
    ("stability", "Stability AI"),
    ("twelvelabs", "TwelveLabs"),
    ("writer", "Writer"),
    ("xai", "xAI"),
    ("zai", "Z.AI"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_data_file_is_an_entry() {
        assert_eq!(entries().len() + 1, DATA.lines().count());
        // Their ids are looked for by halves.
        assert!(entries().is_sorted_by_key(|entry| entry.id));
        for entry in entries() {
            let found = entry.regions.iter().map(|region| match *region {
                NO_REGION => find(entry.id),
                region => find(&format!("{region}.{}", entry.id)),
            });
            assert!(found.into_iter().all(|found| found == Some(entry)), "{}", entry.id);
            let info = &entry.info;
            let price = info.cost.as_ref().unwrap().input;
            assert!(info.max_tokens <= info.context_window && price > Some(0.0), "{}", entry.id);
            assert_ne!(provider_of(entry.id), "", "{}", entry.id);
        }
    }

    #[test]
    fn ids_of_every_form_are_understood() {
        for (id, found) in [
            ("amazon.nova-lite-v1:0", Some(("amazon.nova-lite-v1:0", 0.06))),
            ("ca.amazon.nova-lite-v1:0", Some(("amazon.nova-lite-v1:0", 0.064))),
            ("sa.amazon.nova-lite-v1:0", Some(("amazon.nova-lite-v1:0", 0.06))),
            ("amazon.nova-lite-v1:0:24k", Some(("amazon.nova-lite-v1:0", 0.06))),
            ("amazon.nova-lite-v1", Some(("amazon.nova-lite-v1:0", 0.06))),
            ("openai.gpt-oss-120b", Some(("openai.gpt-oss-120b", 0.15))),
            ("us-gov.openai.gpt-oss-120b-1:0", Some(("openai.gpt-oss-120b-1:0", 0.18))),
            (
                "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.amazon.nova-lite-v1:0",
                Some(("amazon.nova-lite-v1:0", 0.069)),
            ),
            ("arn:aws:bedrock:us-east-1::foundation-model/zai.glm-4.7", Some(("zai.glm-4.7", 0.6))),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2", None),
            ("zai.", None),
            ("", None),
        ] {
            let found_here =
                find(id).map(|entry| (entry.id, entry.info.cost.as_ref().unwrap().input.unwrap()));
            assert_eq!(found_here, found, "{id}");
        }
        let luna = find("us.openai.gpt-6-luna").unwrap();
        let cost = luna.info.cost.as_ref().unwrap();
        let tier = &cost.tiers.as_ref().unwrap()[0];
        assert_eq!(tier.input_tokens_above, 272_000);
        assert!(tier.output > cost.output);
    }

    #[test]
    fn service_tiers_the_least_that_is_cached_and_the_last_day_are_known() {
        let price = |id: &str, tier: &str| {
            let cost = find(id).unwrap().info.cost.clone().unwrap().of_service_tier(Some(tier));
            let prices = [cost.input, cost.output, cost.cache_read];
            prices.map(|price| ((price.unwrap() * 1e4).round() / 1e4).to_string()).join(" ")
        };
        assert_eq!(price("us.amazon.nova-pro-v1:0", "flex"), "0.4 1.6 0.1");
        assert_eq!(price("us.amazon.nova-pro-v1:0", "priority"), "1.4 5.6 0.35");
        // Not the half and not three quarters more.
        assert_eq!(price("mistral.ministral-3-8b-instruct", "flex"), "0.07 0.07 0");
        assert_eq!(price("nvidia.nemotron-nano-9b-v2", "priority"), "0.11 0.4 0");
        assert_eq!(price("nvidia.nemotron-nano-9b-v2", "batch"), "0.03 0.12 0");
        let sonnet = &find("us.anthropic.claude-sonnet-4-5-20250929-v1:0").unwrap().info;
        assert_eq!((sonnet.cache_minimum, sonnet.end_of_life.as_deref()), (Some(1024), Some("2027-04-08")));
        let nova = &find("us.amazon.nova-2-lite-v1:0").unwrap().info;
        assert_eq!((nova.cache_minimum, nova.end_of_life.as_deref()), (None, None));
        let is_day = |day: &str| day.len() == 10 && day.split('-').map(str::len).eq([4, 2, 2]);
        for entry in entries() {
            assert!(entry.info.end_of_life.as_deref().is_none_or(is_day), "{}", entry.id);
            let tiers = entry.info.cost.as_ref().unwrap().service_tiers.iter().flat_map(Members::iter);
            for (tier, factors) in tiers {
                let factors = factors.read::<Members>().unwrap();
                let factors =
                    ["input", "output"].map(|name| factors.named(name).unwrap().read::<f64>().unwrap());
                assert!(factors.iter().all(|factor| 0.3 < *factor && *factor < 2.5), "{} {tier}", entry.id);
            }
        }
    }

    #[test]
    fn context_windows_are_known_for_models_outside_the_data_file() {
        assert_eq!(window_of("us.anthropic.claude-3-7-sonnet-20250219-v1:0"), Some(200_000));
        assert_eq!(window_of("cohere.command-r-plus-v1:0"), Some(128_000));
        assert_eq!(window_of("newcomer.one"), None);
        // A model in the data file needs no window here.
        for entry in entries() {
            assert!(window_of(entry.id) <= entry.info.context_window, "{}", entry.id);
        }
    }

    #[test]
    fn the_longest_known_name_within_a_name_is_found() {
        let id = |name| find_by_name(name).map(|entry| entry.id);
        assert_eq!(id("Claude Sonnet 4.5"), Some("anthropic.claude-sonnet-4-5-20250929-v1:0"));
        assert_eq!(id("our claude sonnet 4.5, for tests"), Some("anthropic.claude-sonnet-4-5-20250929-v1:0"));
        assert_eq!(id("Claude Sonnet 4"), Some("anthropic.claude-sonnet-4-20250514-v1:0"));
        assert_eq!(id("Claude Sonnet 4.9"), None);
        assert_eq!(id("our own"), None);
    }

    #[test]
    fn providers_have_the_names_that_the_service_uses() {
        for (id, name) in [
            ("mistral.mistral-7b-instruct-v0:2", "Mistral AI"),
            ("eu.mistral.pixtral-large-2502-v1:0", "Mistral AI"),
            ("zai.glm-4.7", "Z.AI"),
            ("newcomer.model-1", "newcomer"),
        ] {
            assert_eq!(provider_of(id), name);
        }
    }
}
