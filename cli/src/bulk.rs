//! `pumice bulk`: the records of a file, from this machine.

mod journal;
mod meter;
mod plan;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::future::poll_fn;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use pumice::Error;
use pumice::bulk::{Bulk, Done, RecordError, RecordResult, Summary, estimated_tokens};
use pumice::conversation::Charge;
use pumice::converse::{ConverseRequest, ConverseResponse, TokenUsage};
use pumice::models::{Cost, ModelInfo};
use pumice::shape::Document;
use serde_json::{Value, json};

use self::journal::Journal;
use self::meter::{Standing, dollars, thousands};
use self::plan::{Plan, State, id_of};
use crate::args::Args;
use crate::escape::beginning;
use crate::failure::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::{Report, print};
use crate::session::Session;

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let [input] = args.rest.as_slice() else {
        return Err(Failure::usage("expected one file of requests")
            .hint("for example: pumice bulk in.jsonl --out out.jsonl"));
    };
    let input = Path::new(input);
    let is_dry = args.has("dry-run");
    let output = args.path("out");
    if output.is_none() && !is_dry {
        return Err(Failure::usage("expected --out FILE for the results"));
    }
    if let Some(output) = output
        && std::fs::canonicalize(output)
            .is_ok_and(|output| std::fs::canonicalize(input).is_ok_and(|input| input == output))
    {
        return Err(Failure::usage("--out: expected a file other than the input"));
    }
    let most =
        args.number("concurrency", "a whole number from 1", |text| text.parse().ok(), |most| *most > 0)?;
    let session = Session::new(args, report)?;
    let plan = Plan::read(input, args.text("model")?, &session).await?;
    report_wrong(&plan, input, report);
    let mut work = Work::new(plan, args, &session);
    let Some(output) = output.filter(|_| !is_dry) else {
        return dry_run(&mut work, input, output, args);
    };
    if let Some(path) = args.path("summary").filter(|path| path.as_os_str() != "-") {
        // Before anything is asked: a run may take hours.
        let tried = OpenOptions::new().append(true).create(true).open(path);
        tried.map_err(|error| {
            Failure::usage(format!("--summary {} cannot be written to: {error}", path.display()))
        })?;
    }
    work.continues(Journal::open(output)?, report)?;

    let work = RefCell::new(work);
    let clients = session.clients;
    let mut bulk = Bulk::with_clients(move |model| clients.of(model));
    if let Some(most) = most {
        bulk = bulk.at_most(most);
    }
    let mut lines = plan::open(input)?;
    let requests = std::iter::from_fn(|| work.borrow_mut().next(&mut lines, input));
    let running = bulk.run(requests, |done| work.borrow_mut().done(done));
    let mut interrupt = Interrupt::new(false);
    let ended = interrupt.unless(metered(running, &work, &bulk, report)).await;
    let mut work = work.into_inner();
    let Some(ended) = ended else {
        work.tell(report, &bulk);
        let _ = work.write_summary(args, &bulk);
        let how = interrupt.how().unwrap_or_default();
        report.note(format_args!("stopped {how}; the same command continues the run"));
        interrupt.end();
        return Err(Failure::temporary("stopped"));
    };
    let ended = ended.and_then(|()| work.failure.take().map_or(Ok(()), Err));
    let finished = match &ended {
        // To rewrite it would need room as well.
        Err(failure) if failure.exit == Exit::AfterOutput => Ok(()),
        _ => work.finish(),
    };
    work.tell(report, &bulk);
    let summarised = work.write_summary(args, &bulk);
    ended.and(finished).and(summarised)?;
    match work.summary.failed {
        0 => Ok(()),
        failed => {
            let (failed, records) = (thousands(failed), thousands(work.plan.len() as u64));
            Err(Failure::refused(format!("records with an error: {failed} of {records}")).hint(format!(
                "see the errors in {}; --retry-failed sends these records again",
                output.display()
            )))
        }
    }
}

/// A run, its sums, and what it writes.
struct Work {
    plan: Plan,
    /// The prices of the plan's models.
    costs: Vec<Option<Cost>>,
    /// `None` for a dry run.
    journal: Option<Journal>,
    summary: Summary,
    /// Whether records with an error are asked again.
    again: bool,
    ordered: bool,
    /// How many records the run is to do, how many of them are still to be read, and how many are done.
    open: usize,
    unread: usize,
    done: usize,
    started: Instant,
    /// What went wrong while requests were read.
    failure: Option<Failure>,
    /// The first error of this run with each status.
    examples: BTreeMap<u16, String>,
    reserved: Reserved,
}

/// The output limits of requests with one, and what came back.
#[derive(Default)]
struct Reserved {
    requests: u64,
    limits: u64,
    tokens: u64,
}

/// A record that is being asked.
struct Key {
    id: String,
    line: u32,
    model: u16,
    state: State,
    model_input: Option<Document>,
}

impl Work {
    fn new(plan: Plan, args: &Args, session: &Session) -> Self {
        let cost = |id: &String| {
            let known = ModelInfo::known(id);
            let info = session.settings().model(id).map(|model| model.info.clone().or(known.clone()));
            info.unwrap_or(known).cost
        };
        let costs = plan.models().iter().map(cost).collect();
        Self {
            plan,
            costs,
            journal: None,
            summary: Summary::default(),
            again: args.has("retry-failed"),
            ordered: args.has("ordered"),
            open: 0,
            unread: 0,
            done: 0,
            started: Instant::now(),
            failure: None,
            examples: BTreeMap::new(),
            reserved: Reserved::default(),
        }
    }

    /// Takes in what an earlier run has written.
    fn continues(&mut self, mut journal: Journal, report: &Report) -> Result<(), Failure> {
        self.read(|plan, each| journal.read(plan, report, each))?;
        if journal.has_doubles() {
            // An earlier run ended before it could do this.
            journal.rewrite(&mut self.plan, self.ordered)?;
            self.read(|plan, each| journal.read(plan, report, each))?;
        }
        if journal.foreign() > 0 {
            report.warning(format_args!(
                "{} has {} results of other records, which are kept but not counted",
                journal.path().display(),
                thousands(journal.foreign())
            ));
        }
        self.begin();
        if self.open < self.plan.len() {
            let (left, all) = (thousands(self.open as u64), thousands(self.plan.len() as u64));
            report.note(format_args!("{left} of {all} records are left to send"));
        }
        self.journal = Some(journal);
        Ok(())
    }

    /// From here on records are asked.
    fn begin(&mut self) {
        self.open = self.plan.open(self.again);
        (self.unread, self.started) = (self.open, Instant::now());
    }

    /// Counts the results that `read` finds.
    fn read(
        &mut self,
        read: impl FnOnce(&mut Plan, &mut dyn FnMut(&Plan, u16, &RecordResult)) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Self { plan, costs, summary, .. } = self;
        *summary = Summary::default();
        read(plan, &mut |plan, model, result| match &result.output {
            // A response that cannot be read is counted without tokens.
            Ok(output) => {
                let response = output.read::<ConverseResponse>().unwrap_or_default();
                let cost = costs.get(usize::from(model)).and_then(Option::as_ref);
                summary.answered(plan.model(model), &response, cost);
            }
            Err(error) => summary.failed(error),
        })
    }

    /// The next record to ask.
    fn next(&mut self, lines: &mut plan::Input, input: &Path) -> Option<(Key, ConverseRequest)> {
        // Behind the last one there may be many that are done.
        while self.unread > 0 {
            let line = match lines.next_line() {
                Ok(line) => line?,
                Err(error) => {
                    self.failure = Some(Failure::unreadable(input.display(), &error));
                    return None;
                }
            };
            let record = line.record();
            let (id, _) = id_of(&record, &line);
            let Some(entry) = self.plan.entry(&id) else {
                self.failure =
                    Some(Failure::usage(format!("{} has changed during the run", input.display())));
                return None;
            };
            let (state, model) = (entry.state, entry.model());
            if state == State::Answered || state != State::Open && !self.again {
                continue;
            }
            self.unread -= 1;
            let key = Key { id, line: entry.line, model, state, model_input: record.model_input };
            match (state, record.request) {
                (_, Ok(mut request)) => {
                    self.plan.model(model).clone_into(&mut request.model_id);
                    return Some((key, request));
                }
                (State::Open, Err(error)) => {
                    if let Err(failure) = self.failed(key, &error) {
                        self.failure = Some(failure);
                        return None;
                    }
                }
                // It is as wrong as before.
                (_, Err(_)) => self.done += 1,
            }
        }
        None
    }

    /// Writes and counts a result.
    fn done(&mut self, done: Done<Key>) -> Result<(), Failure> {
        let response = match done.result {
            Ok(response) => response,
            Err(error) => return self.failed(done.key, &error),
        };
        let model = done.key.model;
        self.write(done.key, Ok(Document::write(&response)?))?;
        let cost = self.costs.get(usize::from(model)).and_then(Option::as_ref);
        self.summary.answered(self.plan.model(model), &response, cost);
        let limit = done.request.inference_config.as_ref().and_then(|config| config.max_tokens);
        if let (Some(limit), Some(tokens)) = (limit, response.usage.and_then(|usage| usage.output_tokens)) {
            self.reserved.requests += 1;
            self.reserved.limits += u64::from(limit);
            self.reserved.tokens += tokens;
        }
        Ok(())
    }

    fn failed(&mut self, key: Key, error: &Error) -> Result<(), Failure> {
        let error = RecordError::from(error);
        self.write(key, Err(error.clone()))?;
        self.summary.failed(&error);
        self.examples.entry(error.code).or_insert(error.message);
        Ok(())
    }

    fn write(&mut self, key: Key, output: Result<Document, RecordError>) -> Result<(), Failure> {
        let state = match &output {
            Ok(_) => State::Answered,
            Err(error) => State::Failed(error.code),
        };
        let Key { id, line, state: before, model_input, .. } = key;
        if let Some(entry) = self.plan.entry(&id) {
            entry.state = state;
        }
        if let Some(journal) = &mut self.journal {
            journal.write(&RecordResult::new(id, model_input, output), line, before != State::Open)?;
        }
        if let State::Failed(code) = before {
            self.summary.take_back(code);
        }
        self.done += 1;
        Ok(())
    }

    /// One line for each record, in order if that was asked for, and on the disk.
    fn finish(&mut self) -> Result<(), Failure> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        if journal.is_unfinished(self.ordered) {
            journal.rewrite(&mut self.plan, self.ordered)?;
        }
        journal.sync()
    }

    fn standing(&self, bulk: &Bulk) -> String {
        let Self { summary, done, open, started, .. } = self;
        let (records, at_once) = (self.plan.len(), bulk.at_once());
        Standing { summary, records, done: *done, open: *open, at_once, started: *started }.line()
    }

    /// Says what the run and those before it took.
    fn tell(&self, report: &Report, bulk: &Bulk) {
        report.status("");
        report.plain(self.standing(bulk));
        meter::table(&self.summary).lines().for_each(|line| report.plain(line));
        for (code, count) in &self.summary.failures {
            let example = self.examples.get(code).map(|text| beginning(text, LONGEST_EXAMPLE));
            let example = example.map(|text| format!(", for example: {text}")).unwrap_or_default();
            report.plain(format_args!("failed with {code}: {}{example}", thousands(*count)));
        }
        match bulk.throttled() {
            0 => {}
            times => report.plain(format_args!("throttled: {}", thousands(times))),
        }
        let Reserved { requests, limits, tokens } = self.reserved;
        if requests >= LEAST_TOLD && limits > FAR_ABOVE * tokens {
            report.note(format_args!(
                "on average, a request has a maxTokens of {} and its response {} tokens: maxTokens counts against \
                 the quota when a request arrives, so a lower one lets more requests run at once",
                thousands(limits / requests),
                thousands(tokens / requests)
            ));
        }
    }

    fn write_summary(&self, args: &Args, bulk: &Bulk) -> Result<(), Failure> {
        let mut summary = self.summary.to_json();
        if let Some(members) = summary.as_object_mut() {
            let run = json!({
                "done": self.done,
                "seconds": (self.started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0,
                "throttled": bulk.throttled(),
            });
            members.insert("run".to_owned(), run);
        }
        save(args, &summary)
    }
}

/// Waits for the run, and shows how far it is.
async fn metered(
    running: impl Future<Output = Result<(), Failure>>,
    work: &RefCell<Work>,
    bulk: &Bulk,
    report: &Report,
) -> Result<(), Failure> {
    let is_terminal = io::stderr().is_terminal();
    let every = if is_terminal { REDRAWN } else { SAID };
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut synced = Instant::now();
    let mut running = pin!(running);
    poll_fn(|task| {
        let ended = running.as_mut().poll(task);
        if ended.is_pending() && ticks.poll_tick(task).is_ready() {
            // Again, to be woken for the next tick.
            let _ = ticks.poll_tick(task);
            let work = work.borrow();
            let line = work.standing(bulk);
            if is_terminal {
                report.status(&line);
            } else {
                report.plain(line);
            }
            if synced.elapsed() >= SYNCED {
                synced = Instant::now();
                let handle = work.journal.as_ref().and_then(|journal| journal.handle().ok());
                // The end of the run reports what fails.
                handle.map(|file| tokio::task::spawn_blocking(move || file.sync_data()));
            }
        }
        ended
    })
    .await
}

/// Says how much there is to ask, and what it would cost.
fn dry_run(work: &mut Work, input: &Path, output: Option<&Path>, args: &Args) -> Result<(), Failure> {
    if let Some(output) = output.filter(|output| output.exists()) {
        work.read(|plan, each| journal::scan(output, plan, each).map(drop))?;
    }
    work.begin();
    let (mut sent, mut tokens, mut limits, mut unlimited) = (0u64, 0, 0, 0u64);
    let (mut least, mut most) = (None::<f64>, None::<f64>);
    let mut lines = plan::open(input)?;
    while let Some((key, request)) = work.next(&mut lines, input) {
        sent += 1;
        let input = estimated_tokens(&request);
        let limit = request.inference_config.as_ref().and_then(|config| config.max_tokens).map(u64::from);
        tokens += input;
        limits += limit.unwrap_or_default();
        unlimited += u64::from(limit.is_none());
        if let Some(Some(cost)) = work.costs.get(usize::from(key.model)) {
            let tier = request.service_tier.as_ref().map(|tier| tier.kind.as_str());
            let cost = cost.clone().of_service_tier(tier);
            let usage = TokenUsage::new().input_tokens(input);
            let charge = |usage: &TokenUsage| Charge::of(usage, &cost).total();
            *least.get_or_insert_default() += charge(&usage);
            *most.get_or_insert_default() += charge(&usage.clone().output_tokens(limit.unwrap_or_default()));
        }
    }
    if let Some(failure) = work.failure.take() {
        return Err(failure);
    }
    let records = work.plan.len() as u64;
    let wrong = work.plan.wrong_count;
    let price = |cost: Option<f64>| cost.map_or("price unknown".to_owned(), dollars);
    let mut lines = vec![
        format!("records: {}, invalid: {}", thousands(records), thousands(wrong)),
        format!("to send: {}", thousands(sent)),
        format!("about {} tokens of input: {}", thousands(tokens), price(least)),
    ];
    if unlimited < sent {
        lines.push(format!("with at most {} tokens of output: {}", thousands(limits), price(most)));
    }
    if unlimited > 0 {
        lines.push(format!(
            "without maxTokens: {}; the price of their output is unknown",
            thousands(unlimited)
        ));
    }
    lines.push(String::new());
    let summary = json!({
        "records": records, "wrong": wrong, "open": sent, "inputTokens": tokens, "maxOutputTokens": limits,
        "withoutMaxTokens": unlimited, "inputCost": least, "maxCost": most,
    });
    if args.path("summary").is_none_or(|path| path.as_os_str() != "-") {
        print(&lines.join("\n"))?;
    }
    save(args, &summary)?;
    match wrong {
        0 => Ok(()),
        _ => Err(Failure::refused(format!("invalid lines: {} of {}", thousands(wrong), thousands(records)))),
    }
}

/// Warns of lines that are no requests.
fn report_wrong(plan: &Plan, input: &Path, report: &Report) {
    for (line, fault) in &plan.wrong {
        report.warning(format_args!("{}, line {line}: {fault}", input.display()));
    }
    let more = plan.wrong_count - plan.wrong.len() as u64;
    if more > 0 {
        report.warning(format_args!("more invalid lines: {}", thousands(more)));
    }
}

/// Writes a summary where `--summary` says.
fn save(args: &Args, summary: &Value) -> Result<(), Failure> {
    let Some(path) = args.path("summary") else { return Ok(()) };
    let text = format!("{summary}\n");
    if path.as_os_str() == "-" {
        return print(&text);
    }
    std::fs::write(path, text).map_err(|error| {
        Failure::unsaved(format!("--summary {} cannot be written to: {error}", path.display()))
    })
}

/// How often a terminal shows how far a run is, and how often other readers are told.
const REDRAWN: Duration = Duration::from_millis(250);
const SAID: Duration = Duration::from_secs(10);
/// How often the results are written to the disk: a power failure costs no more of them.
const SYNCED: Duration = Duration::from_secs(5);
/// From how many responses on it is said that the output limits are this many times too high.
const LEAST_TOLD: u64 = 20;
const FAR_ABOVE: u64 = 5;
const LONGEST_EXAMPLE: usize = 200;
