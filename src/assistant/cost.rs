//! What an answer took, and what that costs.

use super::message::{Cost, Dollars, Usage, UsageCost};
use crate::converse::{CacheTtl, TokenUsage};

/// Nothing, and what nothing costs.
pub(super) fn nothing() -> Usage {
    usage(&TokenUsage::default(), None)
}

/// The tokens that the service counted, at the model's prices.
pub(super) fn usage(counted: &TokenUsage, cost: Option<&Cost>) -> Usage {
    let input = counted.input_tokens.unwrap_or_default();
    let output = counted.output_tokens.unwrap_or_default();
    let cache_read = counted.cache_read_input_tokens.unwrap_or_default();
    let cache_write = counted.cache_write_input_tokens.unwrap_or_default();
    let details = counted.cache_details.iter().flatten();
    let for_an_hour = details.filter(|detail| detail.ttl == Some(CacheTtl::OneHour));
    let cache_write_1h = for_an_hour
        .map(|detail| detail.input_tokens.unwrap_or_default())
        .fold(0, u64::saturating_add)
        .min(cache_write);

    let prompt = input.saturating_add(cache_read).saturating_add(cache_write);
    let rates = cost.map(|cost| Rates::of(cost, prompt)).unwrap_or_default();
    let cost_input = dollars(rates.input, input);
    let cost_output = dollars(rates.output, output);
    let cost_cache_read = dollars(rates.cache_read, cache_read);
    // In pi-ai's order, so that the last digit is the same.
    let cost_cache_write = (rates.cache_write * count(cache_write - cache_write_1h)
        + HOUR_FACTOR * rates.input * count(cache_write_1h))
        / 1e6;
    let usage = Usage::new()
        .input(input)
        .output(output)
        .cache_read(cache_read)
        .cache_write(cache_write)
        // The service's own total may leave the cache out.
        .total_tokens(counted.total_tokens.unwrap_or_default().max(prompt.saturating_add(output)))
        .cost(
            UsageCost::new()
                .input(Dollars(cost_input))
                .output(Dollars(cost_output))
                .cache_read(Dollars(cost_cache_read))
                .cache_write(Dollars(cost_cache_write))
                .total(Dollars(cost_input + cost_output + cost_cache_read + cost_cache_write)),
        );
    if cache_write_1h > 0 { usage.cache_write_1h(cache_write_1h) } else { usage }
}

/// Dollars for a million tokens.
#[derive(Default)]
struct Rates {
    input: f64,
    output: f64,
    cache_read: f64,
    cache_write: f64,
}

impl Rates {
    /// For a prompt of so many tokens: of the highest tier that it exceeds, else the base.
    fn of(cost: &Cost, prompt: u64) -> Self {
        let tiers = cost.tiers.iter().flatten().filter(|tier| prompt > tier.input_tokens_above);
        let (input, output, cache_read, cache_write) = match tiers.max_by_key(|tier| tier.input_tokens_above)
        {
            Some(tier) => (tier.input, tier.output, tier.cache_read, tier.cache_write),
            None => (cost.input, cost.output, cost.cache_read, cost.cache_write),
        };
        let known = Option::unwrap_or_default;
        Self {
            input: known(input),
            output: known(output),
            cache_read: known(cache_read),
            cache_write: known(cache_write),
        }
    }
}

fn dollars(rate: f64, tokens: u64) -> f64 {
    rate / 1e6 * count(tokens)
}

#[allow(clippy::cast_precision_loss, reason = "no response takes 2^53 tokens")]
fn count(tokens: u64) -> f64 {
    tokens as f64
}

/// What writing for an hour costs, in prices of the prompt.
const HOUR_FACTOR: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn written(counted: Value, cost: Value) -> Value {
        let counted = serde_json::from_value(counted).unwrap();
        let cost = serde_json::from_value::<Cost>(cost).unwrap();
        serde_json::to_value(usage(&counted, Some(&cost))).unwrap()
    }

    #[test]
    fn the_cache_counts_and_an_hour_costs_twice_the_prompt() {
        let counted = json!({
            "inputTokens": 1_000_000, "outputTokens": 0, "totalTokens": 1_000_000,
            "cacheReadInputTokens": 2_000_000, "cacheWriteInputTokens": 3_000_000,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 1_000_000}, {"ttl": "5m", "inputTokens": 2_000_000}]
        });
        let cost = json!({"input": 4, "output": 8, "cacheRead": 0.5, "cacheWrite": 5});
        assert_eq!(
            written(counted, cost),
            json!({
                "input": 1_000_000, "output": 0, "cacheRead": 2_000_000, "cacheWrite": 3_000_000,
                "cacheWrite1h": 1_000_000, "totalTokens": 6_000_000,
                "cost": {"input": 4.0, "output": 0, "cacheRead": 1.0, "cacheWrite": 18.0, "total": 23.0}
            })
        );
    }

    #[test]
    fn a_long_prompt_has_the_prices_of_its_tier() {
        let cost = json!({"input": 1, "tiers": [
            {"inputTokensAbove": 100, "input": 2}, {"inputTokensAbove": 1000, "input": 4}
        ]});
        let input =
            |tokens: u64| written(json!({ "inputTokens": tokens }), cost.clone())["cost"]["input"].as_f64();
        assert_eq!(input(100), Some(100.0 * 1e-6));
        assert_eq!(input(101), Some(101.0 * 2e-6));
        assert_eq!(input(2000), Some(2000.0 * 4e-6));
    }
}
