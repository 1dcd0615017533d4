//! What many requests took.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::RecordError;
use crate::conversation::Charge;
use crate::converse::{ConverseResponse, TokenUsage};
use crate::models::Cost;

/// The sum of many results: responses, failures, tokens, cost and times. A result is counted by what is in it alone, so
/// that the sum is the same whether it was just received or read from a file.
///
/// ```
/// use pumice::bulk::{RecordError, Summary};
/// use pumice::converse::{ConverseResponse, TokenUsage};
/// use pumice::models::Cost;
///
/// let mut response = ConverseResponse::default();
/// response.usage = Some(TokenUsage::new().input_tokens(1000u64).output_tokens(100u64));
/// let mut summary = Summary::default();
/// summary.answered("m", &response, Some(&Cost::new().input(1.0).output(10.0)));
/// summary.failed(&RecordError::new(400, "too long"));
/// assert_eq!((summary.answered, summary.failed), (1, 1));
/// assert_eq!(summary.total().cost, Some(0.002));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Summary {
    /// How many requests have a response.
    pub answered: u64,
    /// How many have an error.
    pub failed: u64,
    /// What the responses took, by model and by the service tier that they name; `default` if they name none.
    pub models: BTreeMap<(String, String), Spent>,
    /// The failures, by [status](RecordError::code).
    pub failures: BTreeMap<u16, u64>,
    /// What the service says a response took, in milliseconds.
    latencies: Vec<u32>,
}

/// What some responses took.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Spent {
    /// How many responses.
    pub answered: u64,
    /// Tokens of the prompts that were neither read from the cache nor written to it.
    pub input_tokens: u64,
    /// Tokens of the responses.
    pub output_tokens: u64,
    /// Tokens read from the cache.
    pub cache_read_input_tokens: u64,
    /// Tokens written to the cache.
    pub cache_write_input_tokens: u64,
    /// US dollars. `None` if no price is known.
    pub cost: Option<f64>,
}

impl Spent {
    fn add(&mut self, other: &Self) {
        self.answered += other.answered;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cache_read_input_tokens += other.cache_read_input_tokens;
        self.cache_write_input_tokens += other.cache_write_input_tokens;
        self.cost = match (self.cost, other.cost) {
            (Some(one), Some(other)) => Some(one + other),
            (one, other) => one.or(other),
        };
    }

    fn of(usage: &TokenUsage, cost: Option<&Cost>) -> Self {
        Self {
            answered: 1,
            input_tokens: usage.input_tokens.unwrap_or_default(),
            output_tokens: usage.output_tokens.unwrap_or_default(),
            cache_read_input_tokens: usage.cache_read_input_tokens.unwrap_or_default(),
            cache_write_input_tokens: usage.cache_write_input_tokens.unwrap_or_default(),
            cost: cost.map(|cost| Charge::of(usage, cost).total()),
        }
    }

    fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        for (name, tokens) in [
            ("answered", self.answered),
            ("inputTokens", self.input_tokens),
            ("outputTokens", self.output_tokens),
            ("cacheReadInputTokens", self.cache_read_input_tokens),
            ("cacheWriteInputTokens", self.cache_write_input_tokens),
        ] {
            members.insert(name.to_owned(), tokens.into());
        }
        members.insert("cost".to_owned(), self.cost.into());
        members
    }
}

impl Summary {
    /// Counts a response. `cost` is the model's [cost](Cost), without a service tier.
    pub fn answered(&mut self, model: &str, response: &ConverseResponse, cost: Option<&Cost>) {
        let tier = response.service_tier.as_ref().map_or("default", |tier| tier.kind.as_str());
        let cost = cost.map(|cost| cost.clone().of_service_tier(Some(tier)));
        let usage = response.usage.clone().unwrap_or_default();
        let spent = self.models.entry((model.to_owned(), tier.to_owned())).or_default();
        spent.add(&Spent::of(&usage, cost.as_ref()));
        self.answered += 1;
        let latency = response.metrics.as_ref().and_then(|metrics| metrics.latency_ms);
        self.latencies.extend(latency.and_then(|latency| u32::try_from(latency).ok()));
    }

    /// Counts a failure.
    pub fn failed(&mut self, error: &RecordError) {
        self.failed += 1;
        *self.failures.entry(error.code).or_default() += 1;
    }

    /// Takes back a failure with this status, in whose place there is another result now.
    pub fn take_back(&mut self, code: u16) {
        if let Some(count) = self.failures.get_mut(&code).filter(|count| **count > 0) {
            *count -= 1;
            self.failed -= 1;
        }
        self.failures.retain(|_, count| *count > 0);
    }

    /// What all responses took.
    pub fn total(&self) -> Spent {
        let mut total = Spent::default();
        self.models.values().for_each(|spent| total.add(spent));
        total
    }

    /// The milliseconds that this share of the responses took at most, by what the service says: of 0.5 the median.
    /// `None` if no response says.
    pub fn latency(&self, share: f64) -> Option<u32> {
        let mut latencies = self.latencies.clone();
        let last = latencies.len().checked_sub(1)?;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let at =
            ((latencies.len() as f64 * share.clamp(0.0, 1.0)).ceil() as usize).saturating_sub(1).min(last);
        Some(*latencies.select_nth_unstable(at).1)
    }

    /// The summary as JSON: `records`, `answered`, `failed`, the tokens under the API's names and `cost` in US dollars,
    /// the same by `models`, `failures` by status, and `latencyMs`.
    pub fn to_json(&self) -> Value {
        let total = self.total();
        let mut members = total.members();
        members.insert("records".to_owned(), (self.answered + self.failed).into());
        members.insert("answered".to_owned(), self.answered.into());
        members.insert("failed".to_owned(), self.failed.into());
        let models = self.models.iter().map(|((model, tier), spent)| {
            let mut members = spent.members();
            members.insert("modelId".to_owned(), model.as_str().into());
            members.insert("serviceTier".to_owned(), tier.as_str().into());
            Value::Object(members)
        });
        members.insert("models".to_owned(), models.collect());
        let failures = self.failures.iter().map(|(code, count)| (code.to_string(), Value::from(*count)));
        members.insert("failures".to_owned(), Value::Object(failures.collect()));
        let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|share| self.latency(share));
        let latency = json!({ "p50": p50, "p90": p90, "p99": p99, "max": max });
        members.insert("latencyMs".to_owned(), latency);
        Value::Object(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(json: &str) -> ConverseResponse {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_parts_add_up_to_the_whole() {
        let cost = Cost::new().input(1.0).output(10.0);
        let mut summary = Summary::default();
        for latency in [30, 10, 20] {
            let usage = format!(
                r#"{{"usage":{{"inputTokens":100,"outputTokens":10}},"metrics":{{"latencyMs":{latency}}}}}"#
            );
            summary.answered("a", &response(&usage), Some(&cost));
        }
        let flex = r#"{"usage":{"inputTokens":100,"outputTokens":10,"cacheReadInputTokens":5},"serviceTier":{"type":"flex"}}"#;
        summary.answered("a", &response(flex), Some(&cost));
        summary.answered("unpriced", &response(flex), None);
        for code in [400, 400, 503] {
            summary.failed(&RecordError::new(code, ""));
        }
        summary.take_back(400);
        summary.take_back(404);

        let json = summary.to_json();
        assert_eq!(json["records"], 7);
        assert_eq!((json["answered"].as_u64(), json["failed"].as_u64()), (Some(5), Some(2)));
        assert_eq!(json["failures"], json!({"400": 1, "503": 1}));
        assert_eq!(json["latencyMs"], json!({"p50": 20, "p90": 30, "p99": 30, "max": 30}));
        assert_eq!(json["inputTokens"], 500);
        assert_eq!(json["cacheReadInputTokens"], 10);
        let models = json["models"].as_array().unwrap();
        assert_eq!(models.len(), 3);
        assert_eq!(models[1]["serviceTier"], "flex");
        assert_eq!(models[2]["cost"], Value::Null);
        let costs = models.iter().filter_map(|model| model["cost"].as_f64());
        assert!((costs.sum::<f64>() - json["cost"].as_f64().unwrap()).abs() < 1e-12);
        assert!((json["cost"].as_f64().unwrap() - (3.0 * 0.0002 + 0.0001)).abs() < 1e-12);
        assert_eq!(Summary::default().to_json()["latencyMs"]["p50"], Value::Null);
    }
}
