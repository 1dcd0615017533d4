//! `pumice batch`: the records of a file, as a job of Bedrock's batch inference.

mod fetch;
mod submit;

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::time::{Duration, Instant};

use pumice::model_invocation_job::{
    ModelInvocationJobInputDataConfig as Input, ModelInvocationJobOutputDataConfig as Output,
    ModelInvocationJobStatus as Status, ModelInvocationJobSummary as Job,
};
use pumice::operation::Operation;
use pumice::region::region_of_arn;
use pumice::settings::decimal;
use pumice::shape::{Document, Members, Timestamp};
use pumice::spelling::nearest;
use pumice::{Client, Error, ErrorKind, Overrides};
use serde_json::Value;

use crate::args::Args;
use crate::failure::{Exit, Failure};
use crate::output::{self, Report, one_line};
use crate::session::Session;

/// The commands, and the flags of each.
pub(crate) const COMMANDS: [(&str, &[&str]); 6] = [
    ("submit", &["s3", "role", "model", "name", "hours", "tag", "kms-key", "invoke-model", "force"]),
    ("status", &["json"]),
    ("wait", &["every"]),
    ("fetch", &["out", "force"]),
    ("list", &["status", "name", "after", "before", "json"]),
    ("stop", &[]),
];

pub(crate) async fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let words = args.rest.iter().map(|word| word.to_str()).collect::<Option<Vec<_>>>();
    let words = words.ok_or_else(|| Failure::usage("expected arguments in UTF-8"))?;
    let hint = "run pumice batch --help";
    let [name, rest @ ..] = words.as_slice() else {
        return Err(Failure::usage("expected submit, status, wait, fetch, list or stop").hint(hint));
    };
    let Some((name, own)) = COMMANDS.iter().find(|(command, _)| command == name) else {
        let near = nearest(name, COMMANDS.iter().map(|(name, _)| *name));
        return Err(Failure::usage(format!("there is no command batch {name:?}")).meant("", near).hint(hint));
    };
    let foreign = COMMANDS.iter().find_map(|(other, flags)| {
        let flag = flags.iter().find(|flag| args.has(flag) && !own.contains(flag))?;
        Some(format!("--{flag} goes with pumice batch {other}"))
    });
    if let Some(message) = foreign {
        return Err(Failure::usage(message).hint(hint));
    }
    if args.has("endpoint-url") {
        return Err(Failure::usage("--endpoint-url is for the runtime, which batch jobs do not call")
            .hint("set AWS_ENDPOINT_URL_BEDROCK and AWS_ENDPOINT_URL_S3 to call other servers"));
    }
    match (*name, rest) {
        ("submit", [input]) => submit::run(args, report, input).await,
        ("submit", _) => {
            Err(Failure::usage("expected one file of requests: pumice batch submit IN.jsonl").hint(hint))
        }
        ("list", []) => list(args, report).await,
        ("list", _) => Err(Failure::usage("expected no word after pumice batch list").hint(hint)),
        (name, [job]) => {
            let jobs = Jobs::of(args, report, job)?;
            let mut output = output::Output::new();
            // Boxed: each is a large state machine, and only one of them runs.
            match name {
                "status" => output.wait_for(Box::pin(status(args, &jobs, job))).await?,
                "wait" => output.wait_for(Box::pin(wait(args, report, &jobs, job))).await?,
                "fetch" => output.wait_for(Box::pin(fetch::run(args, report, &jobs, job))).await?,
                _ => output.wait_for(Box::pin(stop(report, &jobs, job))).await?,
            }
        }
        (name, _) => Err(Failure::usage(format!("expected one JOB: pumice batch {name} JOB"))
            .hint("run pumice batch list to see the jobs")),
    }
}

/// The jobs of a region.
struct Jobs {
    client: Client,
}

impl Jobs {
    /// Those of the region of the job's ARN, or of the region of other calls.
    fn of(args: &Args, report: &Report, job: &str) -> Result<Self, Failure> {
        let client = Session::new(args, report)?.clients.common().clone();
        if !job.starts_with("arn:") {
            return Ok(Self { client });
        }
        match region_of_arn(job).filter(|_| job.contains(":model-invocation-job/")) {
            Some(region) => Ok(Self { client: client.with(Overrides::new().region(region)) }),
            None => Err(Failure::usage(format!("expected the ARN of a batch job, found {job:?}"))
                .hint("run pumice batch list to see the jobs")),
        }
    }

    /// A job by its ARN, its id or its name, as the service describes it.
    async fn find(&self, named: &str) -> Result<(Job, Document), Failure> {
        let is_id = named.len() == 12 && named.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if named.starts_with("arn:") || is_id {
            match self.get(named).await {
                // A name can look like an id.
                Err(error) if is_id && error.kind() == ErrorKind::NotFound => {}
                found => return Ok(found?),
            }
        }
        let jobs = self.list(Members::default()).await?;
        // The newest comes first.
        if let Some((job, _)) = jobs.iter().find(|(job, _)| job.job_name.as_deref() == Some(named)) {
            return Ok(self.get(&job.job_arn).await?);
        }
        let known = jobs.iter().filter_map(|(job, _)| job.job_name.as_deref());
        Err(Failure::refused(format!("there is no batch job {named:?} in this region"))
            .meant("", nearest(named, known))
            .hint("run pumice batch list to see the jobs; --region names another region"))
    }

    async fn get(&self, id: &str) -> Result<(Job, Document), Error> {
        let mut request = Members::default();
        request.insert("jobIdentifier", Value::from(id));
        let found = self.client.call(Operation::GetModelInvocationJob, &request).await?;
        Ok((found.read()?, found))
    }

    /// The jobs that a request selects, the newest first.
    async fn list(&self, mut request: Members) -> Result<Vec<(Job, Document)>, Error> {
        request.insert("sortBy", Value::from("CreationTime"));
        request.insert("sortOrder", Value::from("Descending"));
        let found = self.client.call(Operation::ListModelInvocationJobs, &request).await?;
        let jobs = found.read::<Members>()?.remove("invocationJobSummaries");
        let jobs = jobs.map(|jobs| jobs.read::<Option<Vec<Document>>>()).transpose()?.flatten();
        jobs.unwrap_or_default().into_iter().map(|job| Ok((job.read()?, job))).collect()
    }
}

async fn status(args: &Args, jobs: &Jobs, named: &str) -> Result<(), Failure> {
    let (job, document) = jobs.find(named).await?;
    let mut output = output::Output::new();
    if args.has("json") {
        output.json_line(&on_one_line(&document));
    } else {
        output.text(&in_text(&job));
    }
    output.flush()
}

async fn stop(report: &Report, jobs: &Jobs, named: &str) -> Result<(), Failure> {
    let (job, _) = jobs.find(named).await?;
    let mut request = Members::default();
    request.insert("jobIdentifier", Value::from(job.job_arn.as_str()));
    jobs.client.call(Operation::StopModelInvocationJob, &request).await?;
    report.note(format_args!("{} is stopping; records done by then are charged", title(&job)));
    Ok(())
}

async fn list(args: &Args, report: &Report) -> Result<(), Failure> {
    let mut request = Members::default();
    if let Some(status) = args.text("status")? {
        let known = Status::VALUES.iter().find(|known| known.eq_ignore_ascii_case(status));
        let known = known.ok_or_else(|| {
            let expected = Status::VALUES.join(", ");
            Failure::usage(format!("--status: expected one of {expected}; found {status:?}"))
        })?;
        request.insert("statusEquals", Value::from(*known));
    }
    if let Some(name) = args.text("name")? {
        request.insert("nameContains", Value::from(name));
    }
    for (flag, member) in [("after", "submitTimeAfter"), ("before", "submitTimeBefore")] {
        if let Some(text) = args.text(flag)? {
            // A day, or a time as the API takes it.
            let time = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
            if !is_time(&time) {
                let expected = "a day such as 2026-11-27 or a time such as 2026-11-27T04:00:00Z";
                return Err(Failure::usage(format!("--{flag}: expected {expected}, found {text:?}")));
            }
            request.insert(member, Value::from(time));
        }
    }
    let jobs = Jobs { client: Session::new(args, report)?.clients.common().clone() };
    let mut output = output::Output::new();
    let found = output.wait_for(Box::pin(jobs.list(request))).await??;
    if args.has("json") {
        for (_, document) in &found {
            output.json_line(&on_one_line(document));
        }
        return output.flush();
    }
    let rows = found.iter().map(|(job, _)| row(job));
    let head = ["NAME", "STATUS", "RECORDS", "SUBMITTED", "ID", "MODEL"].map(str::to_owned);
    let rows = std::iter::once(head).chain(rows).collect::<Vec<_>>();
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    output.text(&text);
    output.flush()?;
    if found.is_empty() {
        report.note("no batch job found in this region; --region names another one");
    }
    Ok(())
}

fn row(job: &Job) -> [String; 6] {
    let id = job.job_arn.rsplit('/').next().unwrap_or_default();
    let text = |text: Option<&str>| one_line(text.unwrap_or("-")).into_owned();
    [
        text(job.job_name.as_deref()),
        text(job.status.as_ref().map(Status::as_str)),
        records(job).unwrap_or("-".to_owned()),
        text(job.submit_time.as_ref().map(ToString::to_string).as_deref().map(seconds)),
        text(Some(id)),
        text(job.model_id.as_deref().map(|model| model.rsplit('/').next().unwrap_or_default())),
    ]
}

/// A time without a fraction of its seconds.
fn seconds(time: &str) -> &str {
    time.split('.').next().unwrap_or_default().trim_end_matches('Z')
}

/// Waits until a job has ended.
async fn wait(args: &Args, report: &Report, jobs: &Jobs, named: &str) -> Result<(), Failure> {
    let seconds = args.number("every", "a number of seconds above 0", decimal, |seconds| *seconds > 0.0)?;
    let every = Duration::try_from_secs_f64(seconds.unwrap_or(60.0)).unwrap_or(Duration::MAX);
    let (mut job, _) = jobs.find(named).await?;
    let mut pause = every.min(FIRST_PAUSE);
    let mut progress = Progress::new(report);
    let mut failures = 0;
    loop {
        let status = job.status.clone().unwrap_or_else(|| Status::from("no status"));
        if has_ended(&status) {
            progress.end();
            return ended(report, &job, &status);
        }
        let records = records(&job).map(|records| format!(", {records} records")).unwrap_or_default();
        progress.show(status.as_str(), format_args!("{}: {status}{records}", title(&job)));
        tokio::time::sleep(pause).await;
        pause = pause.mul_f64(1.5).min(every);
        match jobs.get(&job.job_arn).await {
            Ok((found, _)) => (job, failures) = (found, 0),
            // A job takes hours, and the network does not work all the time.
            Err(error) if Exit::of(error.kind()) == Exit::Temporary && failures < MOST_FAILURES => {
                failures += 1;
                progress.end();
                report.note(format_args!("{error}; checking the job again"));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether a job will not change any more.
fn has_ended(status: &Status) -> bool {
    use Status::{Completed, Expired, Failed, PartiallyCompleted, Stopped};
    matches!(status, Completed | PartiallyCompleted | Failed | Stopped | Expired)
}

fn ended(report: &Report, job: &Job, status: &Status) -> Result<(), Failure> {
    let title = title(job);
    let records = records(job).map(|records| format!(", {records} records")).unwrap_or_default();
    if *status == Status::Completed {
        report.note(format_args!("{title} is Completed{records}"));
        return Ok(());
    }
    let message = job.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
    let failure = Failure::refused(format!("{title} is {status}{records}{message}"));
    let name = job.job_name.as_deref().unwrap_or(&job.job_arn);
    Err(match status {
        Status::PartiallyCompleted | Status::Stopped => {
            failure.hint(format!("run pumice batch fetch {name} for the results so far"))
        }
        Status::Expired => failure.hint("submit it again with more --hours, or use pumice bulk"),
        _ if message.is_empty() => {
            failure.hint("check that the role can read the input and write the results")
        }
        _ => failure,
    })
}

/// What a wait shows: one line that changes on a terminal; elsewhere a line for each status, and every ten seconds.
struct Progress<'a> {
    report: &'a Report,
    terminal: bool,
    shown: Option<(String, String, Instant)>,
}

impl<'a> Progress<'a> {
    fn new(report: &'a Report) -> Self {
        Self { report, terminal: io::stderr().is_terminal(), shown: None }
    }

    fn show(&mut self, status: &str, text: impl std::fmt::Display) {
        let text = text.to_string();
        if self.terminal {
            self.report.status(&text);
        }
        let is_new = self.shown.as_ref().is_none_or(|(last, shown, at)| {
            last != status || *shown != text && at.elapsed() >= BETWEEN_LINES
        });
        if is_new {
            if !self.terminal {
                self.report.plain(&text);
            }
            self.shown = Some((status.to_owned(), text, Instant::now()));
        }
    }

    /// Leaves nothing on the terminal.
    fn end(&self) {
        if self.terminal {
            self.report.status("");
        }
    }
}

/// What a job is called.
fn title(job: &Job) -> String {
    let name = job.job_name.as_deref().unwrap_or(&job.job_arn);
    format!("job {}", one_line(name))
}

/// `50 of 100`, and how many have errors.
fn records(job: &Job) -> Option<String> {
    let total = job.total_record_count?;
    let errors = job.error_record_count.filter(|errors| *errors > 0);
    let errors = errors.map(|errors| format!(" ({errors} with errors)")).unwrap_or_default();
    Some(match job.processed_record_count.filter(|processed| *processed != total) {
        Some(processed) => format!("{processed} of {total}{errors}"),
        None => format!("{total}{errors}"),
    })
}

fn in_text(job: &Job) -> String {
    let text = |value: &Option<String>| value.clone();
    let time = |time: &Option<Timestamp>| time.as_ref().map(ToString::to_string);
    let lines = [
        ("name", text(&job.job_name)),
        ("status", job.status.as_ref().map(ToString::to_string)),
        ("message", text(&job.message)),
        ("records", records(job)),
        ("model", text(&job.model_id)),
        ("form", job.model_invocation_type.as_ref().map(ToString::to_string)),
        ("submitted", time(&job.submit_time)),
        ("changed", time(&job.last_modified_time)),
        ("ended", time(&job.end_time)),
        ("expires", time(&job.job_expiration_time)),
        ("input", input_of(job).map(str::to_owned)),
        ("output", output_of(job).map(str::to_owned)),
        ("role", text(&job.role_arn)),
        ("arn", Some(job.job_arn.clone())),
    ];
    let lines = lines.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let lines = lines.map(|(name, value)| format!("{name:<12}{}\n", one_line(&value)));
    lines.collect::<Vec<_>>().concat()
}

/// Where the input of a job is.
fn input_of(job: &Job) -> Option<&str> {
    match job.input_data_config.as_ref()? {
        Input::S3(config) => Some(&config.s3_uri),
        _ => None,
    }
}

/// Where the output of a job goes.
fn output_of(job: &Job) -> Option<&str> {
    match job.output_data_config.as_ref()? {
        Output::S3(config) => Some(&config.s3_uri),
        _ => None,
    }
}

/// Line ends in JSON are white space.
fn on_one_line(document: &Document) -> String {
    document.text().replace(['\n', '\r'], "")
}

/// Whether a text has the form of `2026-11-27T04:00:00Z`, with an offset or a fraction perhaps.
fn is_time(text: &str) -> bool {
    let digits = text.bytes().zip("0000-00-00T00:00:00".bytes());
    let fits = digits
        .into_iter()
        .all(|(byte, form)| if form == b'0' { byte.is_ascii_digit() } else { byte == form });
    fits && text.len() >= 20 && text.is_ascii()
}

/// How long the first pause of a wait is. Each later one is half as long again.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// How often in a row a look at a job may fail for the time being.
const MOST_FAILURES: u32 = 10;
/// The time between lines that say nothing but how far a job is.
const BETWEEN_LINES: Duration = Duration::from_secs(10);
