//! `pumice batch submit`: checks the records, uploads them, and creates the job.

use std::fs::File;
use std::io::{BufReader, IsTerminal as _, Read as _};
use std::path::Path;
use std::time::{Duration, Instant};

use pumice::Client;
use pumice::bulk::{JobLines, check_job_name, check_job_uri};
use pumice::context::{Context, file};
use pumice::date::rfc3339;
use pumice::model_invocation_job::{
    CreateModelInvocationJobRequest, ModelInvocationJobInputDataConfig, ModelInvocationJobOutputDataConfig,
    ModelInvocationJobS3InputDataConfig, ModelInvocationJobS3OutputDataConfig, ModelInvocationType,
    S3InputFormat, Tag,
};
use pumice::s3::{S3, S3Uri};

use crate::args::Args;
use crate::failure::Failure;
use crate::output::{Output, Report};
use crate::session::Session;

pub(super) async fn run(args: &Args, report: &Report, input: &str) -> Result<(), Failure> {
    let role = args.text("role")?.ok_or_else(|| {
        Failure::usage(
            "expected --role ARN, the role with which Bedrock reads the input and writes the results",
        )
        .hint("see docs/bulk.md for the role and its trust policy")
    })?;
    if !is_role(role) {
        return Err(Failure::usage(format!(
            "--role: expected an ARN such as arn:aws:iam::123456789012:role/NAME, found {role:?}"
        )));
    }
    let hours = args.number(
        "hours",
        "a whole number from 24 to 168",
        |text| text.parse().ok(),
        |hours: &i32| (24..=168).contains(hours),
    )?;
    let tags = args.texts("tag")?.into_iter().map(|text| {
        let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
        let (key, value) =
            pair.ok_or_else(|| Failure::usage(format!("--tag: expected KEY=VALUE, found {text:?}")))?;
        Ok(Tag::new(key, value))
    });
    let tags = tags.collect::<Result<Vec<_>, Failure>>()?;
    let folder = args.text("s3")?.map(|text| uri("--s3", text)).transpose()?;
    let lies_in_s3 = input.starts_with("s3://").then(|| uri("the input", input)).transpose()?;
    let stem = stem(lies_in_s3.as_ref().map_or(input, S3Uri::key));
    let name = match args.text("name")? {
        Some(name) => {
            check_job_name(name).map_err(|error| Failure::usage(format!("--name: {}", error.message())))?;
            name.to_owned()
        }
        None => name_of(&stem),
    };

    let session = Session::new(args, report)?;
    let client = session.clients.common().clone();
    let mut s3 = S3::new(&client).without_replacing();
    let kms_key = args.text("kms-key")?;
    if let Some(key) = kms_key {
        s3 = s3.kms_key(key);
    }
    let mut output = Output::new();
    let (model, input, folder) = match (lies_in_s3, folder) {
        (Some(input), folder) => {
            let model = session.choose(args.text("model")?).await?.into_model();
            output.wait_for(Box::pin(look(&s3, &input))).await??;
            let folder = folder.unwrap_or_else(|| input.folder()).join(&name);
            (model, input, folder)
        }
        (None, Some(folder)) => {
            let records = Records { path: Path::new(input), of_invoke_model: args.has("invoke-model") };
            let model = records.check(args, report, &session).await?;
            let folder = folder.join(&name);
            let to = folder.join(&format!("{stem}.jsonl"));
            output.wait_for(Box::pin(records.upload(&s3, &to, report))).await??;
            (model, to, folder)
        }
        (None, None) => {
            return Err(Failure::usage(
                "expected --s3 s3://BUCKET/PREFIX, where the input and the results go",
            ));
        }
    };
    let mut request = CreateModelInvocationJobRequest::new(
        &*name,
        role,
        model,
        ModelInvocationJobInputDataConfig::S3(
            ModelInvocationJobS3InputDataConfig::new(input.to_string()).s3_input_format(S3InputFormat::Jsonl),
        ),
        ModelInvocationJobOutputDataConfig::S3(output_config(&folder, kms_key)),
    );
    let form = if args.has("invoke-model") {
        ModelInvocationType::InvokeModel
    } else {
        ModelInvocationType::Converse
    };
    request = request.model_invocation_type(form);
    request.timeout_duration_in_hours = hours;
    if !tags.is_empty() {
        request.tags = Some(tags);
    }
    let created = output.wait_for(Box::pin(create(&client, &request))).await?;
    let arn = created.map_err(|failure| {
        let again = format!("the input is uploaded: submit {input} next time");
        let hint = failure.hint.as_ref().map_or(again.clone(), |hint| format!("{hint}; {again}"));
        failure.hint(hint)
    })?;
    output.text(&format!("{arn}\n"));
    output.flush()?;
    report.note(format_args!("job {name} is created; pumice batch wait {name} waits for it"));
    Ok(())
}

async fn create(client: &Client, request: &CreateModelInvocationJobRequest) -> Result<String, Failure> {
    Ok(client.send(request).await?.into_inner().job_arn)
}

fn output_config(folder: &S3Uri, kms_key: Option<&str>) -> ModelInvocationJobS3OutputDataConfig {
    let mut config = ModelInvocationJobS3OutputDataConfig::new(folder.join("").to_string());
    config.s3_encryption_key_id = kms_key.map(str::to_owned);
    config
}

/// An address that a job takes.
fn uri(what: &str, text: &str) -> Result<S3Uri, Failure> {
    let parsed = S3Uri::parse(text).and_then(|uri| check_job_uri(&uri).map(|()| uri));
    parsed.map_err(|error| Failure::usage(format!("{what}: {}", error.message())))
}

/// Checks that the input is there: a file, or files in a folder.
async fn look(s3: &S3, input: &S3Uri) -> Result<(), Failure> {
    let found = s3.list(input).await?;
    let is_folder = input.key().is_empty() || input.key().ends_with('/');
    let fits = |key: &str| is_jsonl(key) && (is_folder || key == input.key());
    if found.iter().any(|object| fits(object.uri.key())) {
        return Ok(());
    }
    let expected = if is_folder { "files that end with .jsonl" } else { "a file that ends with .jsonl" };
    Err(Failure::usage(format!("{input}: expected {expected}, found none"))
        .hint("end the address of a folder with /"))
}

/// A file of records on this machine.
struct Records<'a> {
    path: &'a Path,
    of_invoke_model: bool,
}

impl Records<'_> {
    fn lines(&self) -> Result<JobLines<BufReader<File>>, Failure> {
        let shown = self.path.display();
        let opened = file::open(self.path).map_err(|error| Failure::unreadable(&shown, &error))?;
        if !opened.metadata().is_ok_and(|found| found.is_file()) {
            // It is read twice.
            return Err(Failure::usage(format!("{shown}: expected a file, found a pipe or a device")));
        }
        let lines = JobLines::new(BufReader::with_capacity(BUFFER, opened));
        Ok(if self.of_invoke_model { lines.of_invoke_model() } else { lines })
    }

    /// Reads all records, reports those that a job does not take, and returns the model of the job.
    async fn check(&self, args: &Args, report: &Report, session: &Session) -> Result<String, Failure> {
        let shown = self.path.display();
        let mut lines = self.lines()?;
        let (mut records, mut bytes, mut faults) = (0u64, 0u64, 0u64);
        while let Some(line) = lines.next_line().map_err(|error| Failure::unreadable(&shown, &error))? {
            records += 1;
            match line {
                Ok(line) => bytes += line.text.len() as u64,
                Err((number, error)) => {
                    faults += 1;
                    if faults <= MOST_SHOWN {
                        report.warning(format_args!("{shown}, line {number}: {}", error.message()));
                    }
                }
            }
        }
        if faults > 0 {
            let more = if faults > MOST_SHOWN {
                format!("; the first {MOST_SHOWN} are shown")
            } else {
                String::new()
            };
            let message = format!("{shown}: {faults} of {records} records cannot be in a batch job{more}");
            return Err(Failure::usage(message).hint(
                "correct the lines, or use pumice bulk, which takes tools and records without recordId",
            ));
        }
        let model = self.model(args, lines.models(), session).await?;
        if !args.has("force") {
            if records < LEAST_RECORDS {
                let message = format!(
                    "{shown}: expected at least {LEAST_RECORDS} records in a batch job, found {records}"
                );
                return Err(Failure::usage(message)
                    .hint("use pumice bulk, or --force where the model's quota is lower"));
            }
            if bytes > MOST_BYTES {
                let message =
                    format!("{shown}: expected at most 1 GB of records in a file, found {bytes} bytes");
                return Err(Failure::usage(message)
                    .hint("split the file, or use --force where the account's quota is higher"));
            }
        }
        Ok(model)
    }

    /// The one model of a job: of the lines, which must agree, or of the command line.
    async fn model(
        &self,
        args: &Args,
        named: &[(String, u64)],
        session: &Session,
    ) -> Result<String, Failure> {
        let mut chosen: Option<(String, u64)> = None;
        for (name, line) in named {
            let name = if name.is_empty() { args.text("model")? } else { Some(name.as_str()) };
            let model = session.choose(name).await?.into_model();
            match &chosen {
                Some((other, first)) if *other != model => {
                    let message = format!(
                        "{}, line {line}: expected {other}, the model of line {first}, found {model}: a job has one \
                         model",
                        self.path.display()
                    );
                    return Err(Failure::usage(message).hint("make a file for each model"));
                }
                _ => chosen = Some((model, *line)),
            }
        }
        match chosen {
            Some((model, _)) => Ok(model),
            None => Ok(session.choose(args.text("model")?).await?.into_model()),
        }
    }

    async fn upload(&self, s3: &S3, to: &S3Uri, report: &Report) -> Result<(), Failure> {
        let mut lines = self.lines()?;
        let length =
            file::open(self.path).and_then(|opened| opened.metadata()).map_or(0, |found| found.len());
        let terminal = std::io::stderr().is_terminal();
        let mut last = Instant::now();
        let mut progress = |sent: u64| {
            // What the file has beside the records is not sent.
            let line =
                format!("{to}: {:.1} of {:.1} MB uploaded", megabytes(sent), megabytes(length.max(sent)));
            if terminal {
                report.status(&line);
            } else if last.elapsed() >= BETWEEN_LINES {
                report.plain(&line);
                last = Instant::now();
            }
        };
        // A file that changes while it is read is found by its lines.
        let sent = s3.upload(to, &mut lines.by_ref(), &mut progress).await;
        if terminal {
            report.status("");
        }
        match sent {
            Ok(sent) => {
                report.note(format_args!("{:.1} MB uploaded to {to}", megabytes(sent)));
                Ok(())
            }
            Err(error) if error.code() == Some("PreconditionFailed") => {
                let message = format!("{to} already exists");
                Err(Failure::usage(message).hint("choose another --name, or submit that file by its address"))
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "shown with one digit")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Whether a text has the form of a role's ARN.
fn is_role(arn: &str) -> bool {
    let parts = arn.splitn(6, ':').collect::<Vec<_>>();
    let [arn, partition, "iam", "", account, role] = parts[..] else { return false };
    let name = role.strip_prefix("role/").unwrap_or_default();
    arn == "arn"
        && (partition == "aws" || partition.starts_with("aws-"))
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+=,.@-".contains(&byte))
}

/// The name of a file without its end, in the characters of jobs' names and of keys.
fn stem(path: &str) -> String {
    let name = path.trim_end_matches('/').rsplit(['/', '\\']).next().unwrap_or_default();
    let name =
        if is_jsonl(name) { name.get(..name.len() - ".jsonl".len()).unwrap_or_default() } else { name };
    let name = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' });
    let name = name.collect::<String>();
    let name = name.trim_matches(['-', '.']);
    let name = name.get(..name.len().min(LONGEST_STEM)).unwrap_or_default().trim_end_matches(['-', '.']);
    if name.is_empty() { "records".to_owned() } else { name.to_owned() }
}

/// A name for a job that no other has: with the time in seconds.
fn name_of(stem: &str) -> String {
    let now = rfc3339(Context::real().now()).unwrap_or_default();
    let digits = now.chars().filter(char::is_ascii_digit).take(14).collect::<String>();
    let (day, time) = digits.split_at_checked(8).unwrap_or((&digits, ""));
    format!("{stem}-{day}-{time}")
}

fn is_jsonl(key: &str) -> bool {
    key.rsplit_once('.').is_some_and(|(_, end)| end == "jsonl")
}

/// The least number of records of a job, by the service's quota for most models.
const LEAST_RECORDS: u64 = 100;
/// The largest file of a job, by the service's quota, in bytes.
const MOST_BYTES: u64 = 1 << 30;
/// How many wrong lines are shown.
const MOST_SHOWN: u64 = 20;
const LONGEST_STEM: usize = 40;
const BUFFER: usize = 64 * 1024;
const BETWEEN_LINES: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_an_arn_of_iam() {
        for role in ["arn:aws:iam::123456789012:role/batch", "arn:aws-cn:iam::123456789012:role/a/b_+=,.@-"] {
            assert!(is_role(role), "{role}");
        }
        for role in [
            "batch",
            "arn:aws:iam::123456789012:user/batch",
            "arn:aws:iam::12345678901:role/batch",
            "arn:aws:iam:us-east-1:123456789012:role/batch",
            "arn:aws:sts::123456789012:assumed-role/batch",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/a b",
        ] {
            assert!(!is_role(role), "{role}");
        }
    }

    #[test]
    fn a_file_gives_a_job_its_name() {
        for (path, expected) in [
            ("in.jsonl", "in"),
            ("/a b/my file (1).jsonl", "my-file--1"),
            ("../x/", "x"),
            ("-", "records"),
            (&"é".repeat(30), "records"),
            (&format!("{}.jsonl", "n".repeat(80)), &"n".repeat(40)),
        ] {
            assert_eq!(stem(path), expected);
            check_job_name(&name_of(&stem(path))).unwrap();
        }
    }
}
