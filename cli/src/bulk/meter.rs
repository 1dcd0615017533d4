//! How far a run is: one line on a terminal, lines at intervals elsewhere; and the table at its end.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use pumice::bulk::{Spent, Summary};

/// Where a run stands.
pub(super) struct Standing<'a> {
    pub(super) summary: &'a Summary,
    pub(super) records: usize,
    /// How many records the run has done, and how many it is to do.
    pub(super) done: usize,
    pub(super) open: usize,
    pub(super) at_once: usize,
    pub(super) started: Instant,
}

impl Standing<'_> {
    /// `1,200 of 10,000 done, 3 failed, 1.2M tokens, $3.45, 12.3/s, 24 at once, 12 min left`.
    #[allow(clippy::cast_precision_loss, reason = "for people to read")]
    pub(super) fn line(&self) -> String {
        let total = self.summary.total();
        let finished = self.summary.answered + self.summary.failed;
        let mut line = format!("{} of {} done", thousands(finished), thousands(self.records as u64));
        let mut part = |text: String| line.extend([", ", &text]);
        part(format!("{} failed", thousands(self.summary.failed)));
        part(format!("{} tokens", rounded(tokens(&total))));
        if let Some(cost) = total.cost {
            part(dollars(cost));
        }
        let elapsed = self.started.elapsed().as_secs_f64();
        if self.done > 0 && elapsed > 0.0 {
            let rate = self.done as f64 / elapsed;
            part(format!("{rate:.1}/s"));
            part(format!("{} at once", self.at_once));
            let left = self.open.saturating_sub(self.done) as f64 / rate;
            part(format!("{} left", time(Duration::try_from_secs_f64(left).unwrap_or_default())));
        }
        line
    }
}

/// The table at the end.
pub(super) fn table(summary: &Summary) -> String {
    let total = summary.total();
    let mut rows = vec![["model", "records", "input", "cached", "output", "cost"].map(str::to_owned)];
    let row = |name: String, spent: &Spent| {
        let cached = spent.cache_read_input_tokens + spent.cache_write_input_tokens;
        let numbers = [spent.answered, spent.input_tokens, cached, spent.output_tokens].map(thousands);
        let [answered, input, cached, output] = numbers;
        [name, answered, input, cached, output, spent.cost.map_or("unknown".to_owned(), dollars)]
    };
    for ((model, tier), spent) in &summary.models {
        let tier = if tier == "default" { String::new() } else { format!(" ({tier})") };
        rows.push(row(format!("{model}{tier}"), spent));
    }
    if summary.models.is_empty() {
        return String::new();
    }
    if rows.len() > 2 {
        rows.push(row("total".to_owned(), &total));
    }
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let widths = [0, 1, 2, 3, 4, 5].map(|at| width(at).unwrap_or_default());
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).enumerate().map(|(at, (cell, width))| match at {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  "));
    }
    let [median, most, nearly] = [0.5, 0.9, 0.99].map(|share| summary.latency(share));
    if let (Some(median), Some(most), Some(nearly)) = (median, most, nearly) {
        let [median, most, nearly] = [median, most, nearly].map(|ms| f64::from(ms) / 1000.0);
        let _ = writeln!(
            text,
            "time: half within {median:.1} s, 90% within {most:.1} s, 99% within {nearly:.1} s"
        );
    }
    text
}

/// All tokens of some responses.
pub(super) fn tokens(spent: &Spent) -> u64 {
    spent.input_tokens + spent.output_tokens + spent.cache_read_input_tokens + spent.cache_write_input_tokens
}

pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `950`, `12.3k`, `4.5M`.
#[allow(clippy::cast_precision_loss, reason = "for people to read")]
fn rounded(number: u64) -> String {
    match number as f64 {
        number if number < 1e3 => format!("{number}"),
        number if number < 1e6 => format!("{:.1}k", number / 1e3),
        number => format!("{:.1}M", number / 1e6),
    }
}

pub(super) fn dollars(dollars: f64) -> String {
    if dollars == 0.0 || dollars >= 1.0 { format!("${dollars:.2}") } else { format!("${dollars:.4}") }
}

/// `45 s`, `12 min`, `3 h 05 min`.
fn time(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ ..60 => format!("{seconds} s"),
        seconds @ ..3600 => format!("{} min", seconds.div_ceil(60)),
        seconds => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pumice::bulk::RecordError;
    use pumice::converse::{ConverseResponse, TokenUsage};
    use pumice::models::Cost;

    #[test]
    fn numbers_are_short() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([950, 12_345, 4_500_000].map(rounded), ["950", "12.3k", "4.5M"]);
        assert_eq!([0.0, 0.01234, 12.345].map(dollars), ["$0.00", "$0.0123", "$12.35"]);
        let times = [0, 59, 61, 3600, 11_100].map(|seconds| time(Duration::from_secs(seconds)));
        assert_eq!(times, ["0 s", "59 s", "2 min", "1 h 00 min", "3 h 05 min"]);
    }

    #[test]
    fn a_run_is_a_line_and_then_a_table() {
        let mut summary = Summary::default();
        let response = |json: &str| serde_json::from_str::<ConverseResponse>(json).unwrap();
        let cost = Cost::new().input(1.0).output(10.0);
        let usage =
            serde_json::to_string(&TokenUsage::new().input_tokens(1000u64).output_tokens(100u64)).unwrap();
        let json = format!(r#"{{"usage":{usage},"metrics":{{"latencyMs":1500}}}}"#);
        summary.answered("m", &response(&json), Some(&cost));
        summary.answered("other", &response(&json), None);
        summary.failed(&RecordError::new(400, "no"));
        let started = Instant::now();
        let standing =
            Standing { summary: &summary, records: 1200, done: 0, open: 1200, at_once: 4, started };
        assert_eq!(standing.line(), "3 of 1,200 done, 1 failed, 2.2k tokens, $0.0020");
        let line = Standing { done: 3, ..standing }.line();
        assert!(line.contains("/s, 4 at once, ") && line.ends_with(" left"), "{line}");
        assert_eq!(
            table(&summary),
            "model  records  input  cached  output     cost\n\
             m            1  1,000       0     100  $0.0020\n\
             other        1  1,000       0     100  unknown\n\
             total        2  2,000       0     200  $0.0020\n\
             time: half within 1.5 s, 90% within 1.5 s, 99% within 1.5 s\n"
        );
    }
}
