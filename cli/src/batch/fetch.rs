//! `pumice batch fetch`: the results of a job, in the order of its input.

use std::fs::File;
use std::io::{BufReader, BufWriter, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use pumice::Error;
use pumice::bulk::{JobLines, JobResults, RecordResult};
use pumice::context::{Context, Replacement};
use pumice::model_invocation_job::{ModelInvocationJobStatus as Status, ModelInvocationJobSummary as Job};
use pumice::s3::{Object, S3, S3Uri};
use pumice::shape::Members;

use super::{Jobs, has_ended, input_of, output_of, title};
use crate::args::Args;
use crate::failure::Failure;
use crate::output::Report;

pub(super) async fn run(args: &Args, report: &Report, jobs: &Jobs, named: &str) -> Result<(), Failure> {
    let (job, _) = jobs.find(named).await?;
    let title = title(&job);
    let status = job.status.clone().unwrap_or_else(|| Status::from("no status"));
    if !has_ended(&status) {
        let name = job.job_name.as_deref().unwrap_or(named);
        return Err(Failure::temporary(format!("{title} is {status}, and has no results yet"))
            .hint(format!("run pumice batch wait {name} first")));
    }
    let mut files = Files::open(args, &job)?;
    let s3 = S3::new(&jobs.client);
    let uri = |text: Option<&str>| text.map(S3Uri::parse).transpose();
    let folder = uri(output_of(&job))?.ok_or_else(|| Failure::refused(format!("{title} names no output")))?;
    let id = job.job_arn.rsplit('/').next().unwrap_or_default();
    let found = s3.list(&folder.join(id).join("")).await?;
    let ends = |object: &&Object, end: &str| object.uri.key().ends_with(end);
    let results = found.iter().filter(|object| ends(object, ".jsonl.out")).collect::<Vec<_>>();
    if results.is_empty() {
        let message = job.message.as_deref().map(|message| format!(": {message}")).unwrap_or_default();
        return Err(Failure::refused(format!("{title} is {status}, and has no results{message}")));
    }
    let inputs = inputs(&s3, uri(input_of(&job))?.as_ref(), report).await;
    let mut missing = 0;
    for result in results {
        let of = result.uri.name().strip_suffix(".out").unwrap_or_default();
        let input = inputs.iter().map(|input| &input.uri).find(|input| input.name() == of);
        missing += files.bring(&s3, &result.uri, input, report).await?;
    }
    let manifest = found.iter().find(|object| ends(object, "/manifest.json.out"));
    files.finish(missing, report)?;
    if let Some(manifest) = manifest {
        match tokens(&s3, &manifest.uri).await {
            Some(tokens) => report.note(tokens),
            None => report.detail(format_args!("{} cannot be read", manifest.uri)),
        }
    }
    if status != Status::Completed {
        report.warning(format_args!("{title} is {status}: it may have more records than results"));
    }
    Ok(())
}

/// The files of a job's input, in the order of their keys. None if they cannot be listed.
async fn inputs(s3: &S3, input: Option<&S3Uri>, report: &Report) -> Vec<Object> {
    let Some(input) = input else { return Vec::new() };
    match s3.list(input).await {
        Ok(found) => {
            let is_folder = input.key().is_empty() || input.key().ends_with('/');
            let fits = |object: &Object| is_folder || object.uri == *input;
            found.into_iter().filter(fits).collect()
        }
        Err(error) => {
            report.warning(format_args!("{input} cannot be listed: {error}"));
            Vec::new()
        }
    }
}

/// What the manifest says of tokens.
async fn tokens(s3: &S3, manifest: &S3Uri) -> Option<String> {
    let body = s3.get(manifest).await.ok()?.bytes().await.ok()?;
    let members = serde_json::from_slice::<Members>(&body).ok()?;
    let count = |name: &str| members.named(name)?.read::<u64>().ok();
    let (input, output) = (count("inputTokenCount")?, count("outputTokenCount")?);
    Some(format!("{input} tokens in, {output} tokens out, at the price of batch inference"))
}

/// The files that are being written.
struct Files {
    results: Part,
    errors: Part,
}

/// One of them.
struct Part {
    path: PathBuf,
    file: BufWriter<Replacement>,
    records: u64,
}

impl Files {
    fn open(args: &Args, job: &Job) -> Result<Self, Failure> {
        let path = args.path("out").map_or_else(
            || {
                // A name that is the service's word must not lead to another folder.
                let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
                let name = job.job_name.as_deref().unwrap_or_default().chars().filter(fits);
                PathBuf::from(format!("{}.jsonl", name.collect::<String>().trim_start_matches('.')))
            },
            Path::to_owned,
        );
        let shown = path.to_string_lossy();
        let errors =
            PathBuf::from(format!("{}.errors.jsonl", shown.strip_suffix(".jsonl").unwrap_or(&shown)));
        let exists = [&path, &errors].into_iter().find(|path| path.symlink_metadata().is_ok());
        if let Some(exists) = exists.filter(|_| !args.has("force")) {
            return Err(Failure::usage(format!("{} already exists", exists.display()))
                .hint("name another file with --out, or replace it with --force"));
        }
        Ok(Self { results: Part::begin(path)?, errors: Part::begin(errors)? })
    }

    /// Brings one file of results, in the order of its input. Returns how many records have none.
    async fn bring(
        &mut self,
        s3: &S3,
        result: &S3Uri,
        input: Option<&S3Uri>,
        report: &Report,
    ) -> Result<u64, Failure> {
        let results = self.download(s3, result).await?;
        let mut results = JobResults::new(results)
            .map_err(|error| Failure::from(error).hint(format!("look at {result}")))?;
        let mut missing = 0;
        // The order is lost without the input, and nothing else.
        let input = match input {
            Some(input) => self.download(s3, input).await,
            None => Err(Failure::refused("there is none")),
        };
        match input {
            Ok(input) => {
                // Of either form: only their ids and their inputs are asked for.
                let mut lines = JobLines::new(BufReader::new(input)).of_invoke_model();
                while let Some(line) = lines.next_line().map_err(Error::from)? {
                    let Ok(line) = line else { continue };
                    match results.take(&line.record_id)? {
                        Some(mut result) => {
                            // As it was submitted, not as the service writes it.
                            result.model_input = Some(line.model_input);
                            self.write(&result)?;
                        }
                        None => missing += 1,
                    }
                }
            }
            Err(failure) => report.warning(format_args!(
                "the results of {} are in the service's order, as its input cannot be read: {}",
                result.name(),
                failure.message
            )),
        }
        for left in results.rest() {
            self.write(&left?)?;
        }
        Ok(missing)
    }

    /// Downloads into a file without a name in the folder of the results, where there is room for them.
    async fn download(&self, s3: &S3, from: &S3Uri) -> Result<File, Failure> {
        let path = &self.results.path;
        let mut file = Context::real()
            .replace_file(path)
            .and_then(Replacement::into_unnamed)
            .map_err(|error| unwritable(path, &error))?;
        s3.download(from, &mut file, &mut |_| {}).await?;
        file.rewind().map_err(|error| unwritable(path, &error))?;
        Ok(file)
    }

    fn write(&mut self, result: &RecordResult) -> Result<(), Failure> {
        let part = if result.output.is_ok() { &mut self.results } else { &mut self.errors };
        part.records += 1;
        part.file.write_all(result.to_line()?.as_bytes()).map_err(|error| unwritable(&part.path, &error))
    }

    fn finish(self, missing: u64, report: &Report) -> Result<(), Failure> {
        let Self { results, errors } = self;
        let (count, path) = (results.records, results.finish()?);
        report.note(format_args!("{count} results in {}", path.display()));
        if errors.records > 0 {
            let (count, path) = (errors.records, errors.finish()?);
            report.warning(format_args!("records with an error: {count}, in {}", path.display()));
        } else if errors.path.symlink_metadata().is_ok() {
            // It was replaced with --force, by nothing.
            std::fs::remove_file(&errors.path).map_err(|error| unwritable(&errors.path, &error))?;
            report.note(format_args!("{} is removed: no record has an error", errors.path.display()));
        }
        if missing > 0 {
            report.warning(format_args!("records without a result or an error: {missing}"));
        }
        Ok(())
    }
}

impl Part {
    fn begin(path: PathBuf) -> Result<Self, Failure> {
        let file = Context::real()
            .replace_file(&path)
            .map_err(|error| Failure::usage(format!("{} cannot be written: {error}", path.display())))?;
        Ok(Self { path, file: BufWriter::new(file), records: 0 })
    }

    fn finish(self) -> Result<PathBuf, Failure> {
        let written = self.file.into_inner().map_err(std::io::IntoInnerError::into_error);
        written.and_then(Replacement::finish).map_err(|error| unwritable(&self.path, &error))?;
        Ok(self.path)
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::unsaved(format!("{} cannot be written: {error}", path.display()))
}
