//! What is recorded of each call: its line in the log, and the gateway's metrics. Nothing of what was said.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use pumice::date::rfc3339;
use serde_json::{Value, json};

use crate::failure::PANICKED;

/// A call that has ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CallRecord {
    /// Its number, from 1.
    pub number: u64,
    /// When it arrived.
    pub at: SystemTime,
    /// The name of the key that opened, if it has one.
    pub key: Option<String>,
    /// In which form it was asked: `chat`, `responses`, `messages`, `embeddings`, `models`, `native`.
    pub dialect: &'static str,
    /// The id that was called, or the name as the client gave it. Empty if none was named.
    pub model: String,
    /// The HTTP status; 499 if the client left before there was one.
    pub status: u16,
    /// Whether the client left before the end.
    pub left: bool,
    /// The tokens, as far as the service said.
    pub tokens: Tokens,
    /// What they cost, in US dollars.
    pub cost: Option<f64>,
    /// How long it took to the first byte of the response's body. `None` if the call failed before there was one.
    pub first: Option<Duration>,
    /// How long all of it took.
    pub took: Duration,
    /// Bedrock's id of the request.
    pub request_id: Option<String>,
    /// What failed, with its hint.
    pub error: Option<String>,
}

/// The tokens of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Tokens {
    /// All tokens of the prompt, with those of the cache.
    pub input: Option<u64>,
    /// Tokens of the response.
    pub output: Option<u64>,
    /// Tokens that were read from the cache.
    pub cached: Option<u64>,
}

impl CallRecord {
    /// As JSON.
    pub fn to_json(&self) -> Value {
        let seconds = |duration: Duration| (duration.as_secs_f64() * 1e4).round() / 1e4;
        json!({
            "number": self.number,
            "time": rfc3339(self.at),
            "key": self.key,
            "dialect": self.dialect,
            "model": self.model,
            "status": self.status,
            "left": self.left.then_some(true),
            "inputTokens": self.tokens.input,
            "outputTokens": self.tokens.output,
            "cachedTokens": self.tokens.cached,
            "cost": self.cost,
            "firstToken": self.first.map(seconds),
            "duration": seconds(self.took),
            "requestId": self.request_id,
            "error": self.error,
        })
    }
}

/// One line for people. It holds no line end.
impl fmt::Display for CallRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(rfc3339(self.at).as_deref().unwrap_or("-"))?;
        let plain =
            |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        write!(f, " {} {}", plain(self.key.as_deref().unwrap_or("-")), self.dialect)?;
        write!(
            f,
            " {} {}",
            if self.model.is_empty() { "-".into() } else { plain(&self.model) },
            self.status
        )?;
        for (name, count) in
            [("in", self.tokens.input), ("out", self.tokens.output), ("cached", self.tokens.cached)]
        {
            match count {
                Some(count) => write!(f, " {name}={count}")?,
                None => write!(f, " {name}=-")?,
            }
        }
        match self.cost {
            Some(cost) => write!(f, " cost=${cost:.6}")?,
            None => f.write_str(" cost=-")?,
        }
        match self.first {
            Some(first) => write!(f, " first={:.3}s", first.as_secs_f64())?,
            None => f.write_str(" first=-")?,
        }
        write!(f, " took={:.3}s id={}", self.took.as_secs_f64(), self.request_id.as_deref().unwrap_or("-"))?;
        if self.left {
            f.write_str(" (the client left)")?;
        }
        if let Some(error) = &self.error {
            write!(f, " error: {}", plain(error))?;
        }
        Ok(())
    }
}

/// What the gateway counts.
#[derive(Default)]
pub(crate) struct Ledger {
    calls: AtomicU64,
    /// Responses that are being streamed.
    pub(crate) open: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    series: Mutex<BTreeMap<Series, u64>>,
    /// By model and name of the key.
    // size: 6,500 bytes, because maps are compiled for each type of value.
    models: Mutex<Vec<(String, String, Totals)>>,
    histograms: Mutex<[Histogram; 2]>,
    recent: Mutex<VecDeque<CallRecord>>,
    log: Option<Arc<Log>>,
    /// Retries of all calls, which the client's watcher counts.
    pub(crate) retries: Option<Arc<AtomicU64>>,
}

pub(crate) type Log = dyn Fn(&CallRecord) + Send + Sync;
/// Dialect, model, status, name of the key.
type Series = (&'static str, String, u16, String);

#[derive(Default)]
struct Totals {
    tokens: [u64; 3],
    cost: f64,
}

#[derive(Default)]
struct Histogram {
    /// How many took at most as long as each of [`BOUNDS`].
    counts: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    fn add(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        for (bound, count) in BOUNDS.iter().zip(&mut self.counts) {
            *count += u64::from(seconds <= *bound);
        }
        self.count += 1;
        self.sum += seconds;
    }
}

impl Ledger {
    pub(crate) fn new(log: Option<Arc<Log>>, retries: Option<Arc<AtomicU64>>) -> Self {
        Self { log, retries, ..Self::default() }
    }

    fn add(&self, record: CallRecord) {
        let locked = |error: PoisonError<_>| error.into_inner();
        if !record.model.is_empty() || record.status >= 400 {
            // A model that could not be called may be any text.
            let name = if record.status < 400 { record.model.as_str() } else { "" };
            let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
            let known = name.is_empty()
                || models.len() < MOST_MODELS
                || models.iter().any(|(model, ..)| model == name);
            let name = if known { name } else { "other" };
            let key = record.key.clone().unwrap_or_default();
            let found = models.iter().position(|(model, of, _)| model == name && *of == key);
            let at = found.unwrap_or(models.len());
            if found.is_none() && !name.is_empty() {
                models.push((name.to_owned(), key.clone(), Totals::default()));
            }
            if let Some((.., totals)) = models.get_mut(at) {
                let counted = [record.tokens.input, record.tokens.output, record.tokens.cached];
                for (total, count) in totals.tokens.iter_mut().zip(counted) {
                    *total += count.unwrap_or_default();
                }
                totals.cost += record.cost.unwrap_or_default();
            }
            drop(models);
            let series = (record.dialect, name.to_owned(), record.status, key);
            *self.series.lock().unwrap_or_else(locked).entry(series).or_default() += 1;
        }
        let mut histograms = self.histograms.lock().unwrap_or_else(PoisonError::into_inner);
        let [first, took] = &mut *histograms;
        if let Some(duration) = record.first {
            first.add(duration);
        }
        took.add(record.took);
        drop(histograms);
        if let Some(log) = &self.log {
            log(&record);
        }
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= MOST_RECENT {
            recent.pop_front();
        }
        recent.push_back(record);
    }

    /// The calls after this number, oldest first.
    pub(crate) fn since(&self, number: u64) -> Vec<Value> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().filter(|record| record.number > number).map(CallRecord::to_json).collect()
    }

    /// The metrics in Prometheus' text format.
    pub(crate) fn metrics(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_metrics(&mut text);
        text
    }

    fn write_metrics(&self, out: &mut String) -> fmt::Result {
        let head = |out: &mut String, name: &str, kind: &str, help: &str| {
            write!(out, "# HELP pumice_{name} {help}\n# TYPE pumice_{name} {kind}\n")
        };
        head(out, "calls_total", "counter", "Calls that ended.")?;
        for ((dialect, model, status, key), count) in
            self.series.lock().unwrap_or_else(PoisonError::into_inner).iter()
        {
            let (model, key) = (escaped(model), key_label(key));
            writeln!(
                out,
                "pumice_calls_total{{dialect=\"{dialect}\",model=\"{model}\",status=\"{status}\"{key}}} {count}"
            )?;
        }
        let models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        let totals = || models.iter().map(|(model, key, totals)| (escaped(model), key_label(key), totals));
        head(out, "tokens_total", "counter", "Tokens; those read from the cache are among the input.")?;
        for (model, key, totals) in totals() {
            for (kind, count) in ["input", "output", "cached"].iter().zip(totals.tokens) {
                writeln!(out, "pumice_tokens_total{{model=\"{model}\",kind=\"{kind}\"{key}}} {count}")?;
            }
        }
        head(out, "cost_dollars_total", "counter", "What the tokens cost, where the price is known.")?;
        for (model, key, totals) in totals() {
            writeln!(out, "pumice_cost_dollars_total{{model=\"{model}\"{key}}} {}", totals.cost)?;
        }
        drop(models);
        let histograms = self.histograms.lock().unwrap_or_else(PoisonError::into_inner);
        for (histogram, (name, help)) in histograms.iter().zip([
            ("first_token_seconds", "Time to the first byte of a response's body."),
            ("duration_seconds", "Time to the end of a response."),
        ]) {
            head(out, name, "histogram", help)?;
            for (bound, count) in BOUNDS.iter().zip(histogram.counts) {
                writeln!(out, "pumice_{name}_bucket{{le=\"{bound}\"}} {count}")?;
            }
            let Histogram { count, sum, .. } = histogram;
            writeln!(out, "pumice_{name}_bucket{{le=\"+Inf\"}} {count}")?;
            writeln!(out, "pumice_{name}_sum {sum}\npumice_{name}_count {count}")?;
        }
        drop(histograms);
        for (name, kind, help, value) in [
            ("open_streams", "gauge", "Responses that are being sent.", &self.open),
            ("received_bytes_total", "counter", "Bytes of requests' bodies.", &self.bytes_in),
            ("sent_bytes_total", "counter", "Bytes of responses' bodies.", &self.bytes_out),
        ] {
            head(out, name, kind, help)?;
            writeln!(out, "pumice_{name} {}", value.load(Relaxed))?;
        }
        if let Some(retries) = &self.retries {
            head(out, "retries_total", "counter", "Attempts of calls that followed a failed one.")?;
            writeln!(out, "pumice_retries_total {}", retries.load(Relaxed))?;
        }
        Ok(())
    }
}

/// The label of a key's name. A key without a name has none.
fn key_label(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(",key=\"{}\"", escaped(name)) }
}

/// A value of a label.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A call under way. It is recorded when this is dropped, however the call ended.
pub(crate) struct Tally {
    ledger: Arc<Ledger>,
    started: Instant,
    /// `None` once it has been recorded.
    record: Option<Box<CallRecord>>,
    is_open: bool,
}

impl Tally {
    pub(crate) fn begin(ledger: &Arc<Ledger>, dialect: &'static str) -> Self {
        let record = CallRecord {
            number: 0,
            at: SystemTime::now(),
            key: None,
            dialect,
            model: String::new(),
            status: 499,
            left: true,
            tokens: Tokens::default(),
            cost: None,
            first: None,
            took: Duration::ZERO,
            request_id: None,
            error: None,
        };
        Self {
            ledger: Arc::clone(ledger),
            started: Instant::now(),
            record: Some(Box::new(record)),
            is_open: false,
        }
    }

    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut CallRecord)) {
        if let Some(record) = &mut self.record {
            edit(record);
        }
    }

    /// The head of the response is about to be sent.
    pub(crate) fn answered(&mut self, status: u16) {
        self.edit(|record| record.status = status);
        if !self.is_open {
            self.is_open = true;
            self.ledger.open.fetch_add(1, Relaxed);
        }
    }

    /// This many bytes of the body are about to be sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.ledger.bytes_out.fetch_add(bytes as u64, Relaxed);
        let started = self.started;
        self.edit(|record| {
            // The body of a refusal says nothing of a model's speed.
            if record.status < 400 {
                record.first.get_or_insert_with(|| started.elapsed());
            }
        });
    }

    /// The body is complete.
    pub(crate) fn complete(&mut self) {
        self.edit(|record| record.left = false);
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if self.is_open {
            self.ledger.open.fetch_sub(1, Relaxed);
        }
        let Some(mut record) = self.record.take() else { return };
        if std::thread::panicking() {
            (record.status, record.left, record.error) = (500, false, Some(PANICKED.to_owned()));
        }
        record.number = self.ledger.calls.fetch_add(1, Relaxed) + 1;
        record.took = self.started.elapsed();
        self.ledger.add(*record);
    }
}

/// The upper bounds of the buckets, in seconds.
const BOUNDS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
/// The most models, each with each name of a key, that are told apart in the metrics.
const MOST_MODELS: usize = 1000;
/// The most calls that the page shows.
const MOST_RECENT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_recorded_once_with_what_is_known_of_it() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log = {
            let lines = Arc::clone(&lines);
            move |record: &CallRecord| lines.lock().unwrap().push(record.to_string())
        };
        let ledger = Arc::new(Ledger::new(Some(Arc::new(log)), None));
        let mut tally = Tally::begin(&ledger, "chat");
        tally.edit(|record| {
            record.model = "m\n1".into();
            record.tokens = Tokens { input: Some(20), output: Some(3), cached: Some(5) };
            record.cost = Some(0.25);
        });
        tally.answered(200);
        tally.sent(10);
        assert!(ledger.metrics().contains("pumice_open_streams 1\n"));
        tally.complete();
        drop(tally);
        drop(Tally::begin(&ledger, "messages"));
        let mut named = Tally::begin(&ledger, "chat");
        named.edit(|record| (record.key, record.model) = (Some("a\"b".into()), "m\n1".into()));
        named.answered(200);
        drop(named);
        let lines = lines.lock().unwrap();
        assert!(lines[0].contains(" - chat m 1 200 in=20 out=3 cached=5 cost=$0.250000 first="), "{lines:?}");
        assert!(
            lines[1].contains(" - messages - 499 ") && lines[1].ends_with("(the client left)"),
            "{lines:?}"
        );
        let metrics = ledger.metrics();
        for line in [
            r#"pumice_calls_total{dialect="chat",model="m\n1",status="200"} 1"#,
            r#"pumice_calls_total{dialect="messages",model="",status="499"} 1"#,
            r#"pumice_calls_total{dialect="chat",model="m\n1",status="200",key="a\"b"} 1"#,
            r#"pumice_tokens_total{model="m\n1",kind="input"} 20"#,
            r#"pumice_tokens_total{model="m\n1",kind="input",key="a\"b"} 0"#,
            r#"pumice_cost_dollars_total{model="m\n1"} 0.25"#,
            "pumice_duration_seconds_count 3",
            "pumice_first_token_seconds_count 1",
            "pumice_open_streams 0",
            "pumice_sent_bytes_total 10",
        ] {
            assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
        }
        assert_eq!(ledger.since(1).len(), 2);
    }

    #[test]
    fn what_is_kept_is_bounded_whatever_models_are_named() {
        let ledger = Arc::new(Ledger::default());
        for number in 0..2000 {
            let mut tally = Tally::begin(&ledger, "chat");
            tally.edit(|record| record.model = number.to_string());
            tally.answered(if number % 2 == 0 { 200 } else { 404 });
        }
        assert!(ledger.metrics().lines().count() < 6 * MOST_MODELS);
        assert_eq!(ledger.since(0).len(), MOST_RECENT);
    }
}
