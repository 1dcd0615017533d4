//! What a response costs.

use crate::converse::{CacheTtl, TokenUsage};
use crate::models::Cost;

/// What the tokens of a response cost, in US dollars.
///
/// ```
/// use pumice::conversation::Charge;
/// use pumice::converse::TokenUsage;
/// use pumice::models::Cost;
///
/// let usage = TokenUsage::new().input_tokens(2_000_000u64).output_tokens(500_000u64);
/// let charge = Charge::of(&usage, &Cost::new().input(3.0).output(15.0));
/// assert_eq!((charge.input, charge.output, charge.total()), (6.0, 7.5, 13.5));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Charge {
    /// Tokens of the prompt that were neither read from the cache nor written to it.
    pub input: f64,
    /// Tokens of the response.
    pub output: f64,
    /// Tokens read from the cache.
    pub cache_read: f64,
    /// Tokens written to the cache.
    pub cache_write: f64,
}

impl Charge {
    /// The tokens that the service counted, at these prices.
    pub fn of(usage: &TokenUsage, cost: &Cost) -> Self {
        let known = Option::unwrap_or_default;
        let [input, output, read, write] = [
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_input_tokens,
            usage.cache_write_input_tokens,
        ]
        .map(known);
        let prices = cost.at(input.saturating_add(read).saturating_add(write));
        let write_1h = cache_write_1h(usage);
        Self {
            input: dollars(prices.input, input),
            output: dollars(prices.output, output),
            cache_read: dollars(prices.cache_read, read),
            // In pi-ai's order of operations, so that the last digit is the same.
            cache_write: (price(prices.cache_write) * count(write - write_1h)
                + HOUR_FACTOR * price(prices.input) * count(write_1h))
                / 1e6,
        }
    }

    /// All of it.
    pub fn total(&self) -> f64 {
        self.input + self.output + self.cache_read + self.cache_write
    }
}

/// The tokens written to the cache for an hour.
pub(crate) fn cache_write_1h(usage: &TokenUsage) -> u64 {
    let details = usage.cache_details.iter().flatten();
    let for_an_hour = details.filter(|detail| detail.ttl == Some(CacheTtl::OneHour));
    let tokens = for_an_hour.map(|detail| detail.input_tokens.unwrap_or_default());
    tokens.fold(0, u64::saturating_add).min(usage.cache_write_input_tokens.unwrap_or_default())
}

/// Takes the tokens of the cache out of those of the prompt, for a model that
/// [counts them there](super::Prepared::cached_in_input). A [`Charge`] is of tokens that are counted apart.
pub fn net_of_cache(usage: &mut TokenUsage) {
    let cached = [usage.cache_read_input_tokens, usage.cache_write_input_tokens];
    let cached = cached.into_iter().flatten().fold(0, u64::saturating_add);
    // A total that is too small for it shows that they are counted apart.
    if let Some(input) = usage.input_tokens.filter(|input| cached > 0 && cached <= *input) {
        usage.input_tokens = Some(input - cached);
        usage.total_tokens =
            usage.total_tokens.map(|_| input.saturating_add(usage.output_tokens.unwrap_or_default()));
    }
}

fn dollars(cost: Option<f64>, tokens: u64) -> f64 {
    price(cost) / 1e6 * count(tokens)
}

fn price(cost: Option<f64>) -> f64 {
    cost.unwrap_or_default()
}

#[allow(clippy::cast_precision_loss, reason = "no response takes 2^53 tokens")]
fn count(tokens: u64) -> f64 {
    tokens as f64
}

/// The price of writing for an hour, as a multiple of the prompt's.
const HOUR_FACTOR: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::PriceTier;
    use serde_json::json;

    #[test]
    fn the_cache_has_its_prices_and_an_hour_costs_twice_the_prompt() {
        let usage = json!({
            "inputTokens": 1_000_000, "outputTokens": 0, "totalTokens": 1_000_000,
            "cacheReadInputTokens": 2_000_000, "cacheWriteInputTokens": 3_000_000,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 1_000_000}, {"ttl": "5m", "inputTokens": 2_000_000}]
        });
        let usage = serde_json::from_value(usage).unwrap();
        assert_eq!(cache_write_1h(&usage), 1_000_000);
        let charge = Charge::of(&usage, &Cost::new().input(4.0).output(8.0).cache_read(0.5).cache_write(5.0));
        assert_eq!(charge, Charge { input: 4.0, output: 0.0, cache_read: 1.0, cache_write: 18.0 });
        assert_eq!(charge.total().to_string(), "23");
    }

    #[test]
    fn cached_tokens_within_the_prompt_are_counted_once() {
        let net = |input: u64| {
            let mut usage =
                TokenUsage::new().input_tokens(input).output_tokens(10u64).total_tokens(24_810u64);
            usage = usage.cache_read_input_tokens(8367u64).cache_write_input_tokens(4032u64);
            net_of_cache(&mut usage);
            (usage.input_tokens, usage.total_tokens)
        };
        assert_eq!(net(12_401), (Some(2), Some(12_411)));
        assert_eq!(net(100), (Some(100), Some(24_810)), "counted apart");
    }

    #[test]
    fn a_long_prompt_has_the_prices_of_its_tier() {
        let tiers = [(100u64, 2.0), (1000, 4.0)].map(|(above, input)| PriceTier::new(above).input(input));
        let cost = tiers.into_iter().fold(Cost::new().input(1.0), Cost::tier);
        let input =
            |tokens: u64| Charge::of(&TokenUsage::new().input_tokens(tokens), &cost).input.to_string();
        assert_eq!(input(100), (100.0 * 1e-6).to_string());
        assert_eq!(input(101), (101.0 * 2e-6).to_string());
        assert_eq!(input(2000), (2000.0 * 4e-6).to_string());
    }
}
