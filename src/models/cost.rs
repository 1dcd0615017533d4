//! Prices of tokens.

use pumice_codec::structure;

use crate::shape::Members;

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
            /// What the [service tiers](https://aws.amazon.com/bedrock/service-tiers/) and batch inference cost, by
            /// name: `flex`, `priority`, `batch`. Each is an object of multiples of these prices: `input`, also for
            /// cached tokens, and `output`; absent counts as 1. A tier that is absent costs what it costs for most
            /// models: flex and batch half, priority three quarters more.
            service_tiers: crate::shape::Members = "serviceTiers",
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
    /// The prices in a [service tier](Self::service_tiers).
    ///
    /// ```
    /// use pumice::models::Cost;
    ///
    /// let cost = r#"{"input": 4, "output": 8, "serviceTiers": {"priority": {"input": 1.5, "output": 2}}}"#;
    /// let cost: Cost = serde_json::from_str(cost)?;
    /// assert_eq!(cost.clone().of_service_tier(Some("priority")).output, Some(16.0));
    /// assert_eq!(cost.clone().of_service_tier(Some("flex")).output, Some(4.0));
    /// assert_eq!(cost.of_service_tier(Some("default")).output, Some(8.0));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn of_service_tier(mut self, tier: Option<&str>) -> Self {
        let Some(tier) = tier else { return self };
        let own = self.service_tiers.as_ref().and_then(|tiers| tiers.named(tier)?.read::<Members>().ok());
        let general = GENERAL.iter().find(|(name, _)| *name == tier).map_or(1.0, |(_, factor)| *factor);
        let [input, output] = ["input", "output"].map(|name| match &own {
            Some(own) => own.named(name).and_then(|factor| factor.read::<f64>().ok()).unwrap_or(1.0),
            None => general,
        });
        let scale = |prices: [&mut Option<f64>; 4]| {
            for (price, factor) in prices.into_iter().zip([input, output, input, input]) {
                *price = price.map(|price| price * factor);
            }
        };
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

/// What the tiers of most models cost, as multiples of the prices on demand.
const GENERAL: [(&str, f64); 3] = [("flex", 0.5), ("priority", 1.75), ("batch", 0.5)];
