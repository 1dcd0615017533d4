//! Prices of tokens.

use pumice_codec::structure;

structure! {
    /// Prices in US dollars per million tokens. A price that is absent counts as 0.
    ///
    /// ```
    /// use pumice::models::{Cost, PriceTier};
    ///
    /// let cost = Cost::new().input(1.25).output(10.0).tier(PriceTier::new(200_000u64).input(2.5).output(15.0));
    /// assert_eq!(cost.at(200_000).input, Some(1.25));
    /// assert_eq!(cost.at(200_001).input, Some(2.5));
    /// ```
    pub struct Cost {
        lists {
            /// Other prices for long prompts.
            tiers: PriceTier = "tiers" by tier,
        }
        optional {
            /// Tokens of the prompt.
            input: f64 = "input",
            /// Tokens of the response.
            output: f64 = "output",
            /// Tokens read from the cache.
            cache_read: f64 = "cacheRead",
            /// Tokens written to the cache.
            cache_write: f64 = "cacheWrite",
        }
    }
}

structure! {
    /// The prices of a whole request whose prompt is long.
    pub struct PriceTier {
        required {
            /// They apply to prompts of more tokens than this, cached ones included.
            input_tokens_above: u64 = "inputTokensAbove",
        }
        optional {
            /// Tokens of the prompt.
            input: f64 = "input",
            /// Tokens of the response.
            output: f64 = "output",
            /// Tokens read from the cache.
            cache_read: f64 = "cacheRead",
            /// Tokens written to the cache.
            cache_write: f64 = "cacheWrite",
        }
    }
}

impl Cost {
    /// The prices in a [service tier](https://aws.amazon.com/bedrock/pricing/): `flex` and batch inference cost half,
    /// `priority` three quarters more.
    pub fn of_service_tier(mut self, tier: Option<&str>) -> Self {
        let Some((_, factor)) = TIERS.iter().find(|(name, _)| Some(*name) == tier) else { return self };
        let scale =
            |prices: [&mut Option<f64>; 4]| prices.into_iter().flatten().for_each(|price| *price *= factor);
        scale([&mut self.input, &mut self.output, &mut self.cache_read, &mut self.cache_write]);
        for tier in self.tiers.iter_mut().flatten() {
            scale([&mut tier.input, &mut tier.output, &mut tier.cache_read, &mut tier.cache_write]);
        }
        self
    }

    /// The prices for a prompt of so many tokens, cached ones included: those of the highest tier that it exceeds,
    /// else the base prices, as a tier above 0.
    pub fn at(&self, prompt: u64) -> PriceTier {
        let tiers = self.tiers.iter().flatten().filter(|tier| prompt > tier.input_tokens_above);
        tiers.max_by_key(|tier| tier.input_tokens_above).cloned().unwrap_or_else(|| PriceTier {
            input: self.input,
            output: self.output,
            cache_read: self.cache_read,
            cache_write: self.cache_write,
            ..PriceTier::new(0u64)
        })
    }
}

/// What the tiers cost, as multiples of the prices on demand.
const TIERS: [(&str, f64); 3] = [("flex", 0.5), ("batch", 0.5), ("priority", 1.75)];
