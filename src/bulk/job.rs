//! The files of Bedrock's [batch jobs]: input that is checked before it is sent, and results put in order.
//!
//! [batch jobs]: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference.html

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use super::line::{Line, Lines, Record, RecordResult, invalid, object, string};
use crate::model_invocation_job::ModelInvocationType;
use crate::s3::S3Uri;
use crate::shape::{Document, Members};
use crate::{Error, ErrorKind, Result};

/// The lines of a file as a job takes them: `{"recordId":…,"modelInput":{…}}` and nothing else. It is also a [`Read`],
/// for [`S3::upload`](crate::s3::S3::upload).
///
/// ```
/// use pumice::bulk::JobLines;
///
/// let file = br#"{"prompt":"Hi"}
/// {"recordId":"b","modelInput":{"modelId":"m","messages":[]}}
/// {"recordId":"CALL0000001","prompt":"Hi again"}"#;
/// let mut lines = JobLines::new(&file[..]);
/// let first = lines.next_line()?.unwrap().unwrap();
/// assert_eq!(first.text, r#"{"recordId":"CALL0000001","modelInput":{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}}
/// "#);
/// let (number, fault) = lines.next_line()?.unwrap().unwrap_err();
/// assert_eq!((number, fault.message()), (2, "modelInput: expected messages, found none"));
/// let (number, fault) = lines.next_line()?.unwrap().unwrap_err();
/// assert_eq!((number, fault.message()), (3, "expected a recordId of its own, found that of line 1: \"CALL0000001\""));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct JobLines<R> {
    lines: Lines<R>,
    form: ModelInvocationType,
    /// The line of each id, by its hash.
    ids: HashMap<u64, u64>,
    /// The models that the lines name, and the first line of each.
    models: Vec<(String, u64)>,
    /// What a reader has not taken yet of a line.
    pending: Vec<u8>,
    taken: usize,
}

/// A line as a job takes it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct JobLine {
    /// The id of the record.
    pub record_id: String,
    /// Its request.
    pub model_input: Document,
    /// The line, with its line end.
    pub text: String,
}

impl<R: BufRead> JobLines<R> {
    /// The lines of a source with Converse's members.
    pub fn new(source: R) -> Self {
        Self {
            lines: Lines::new(source),
            form: ModelInvocationType::Converse,
            ids: HashMap::new(),
            models: Vec::new(),
            pending: Vec::new(),
            taken: 0,
        }
    }

    /// Takes `modelInput` as the body of InvokeModel, in the model's own form. It is not checked.
    pub fn of_invoke_model(mut self) -> Self {
        self.form = ModelInvocationType::InvokeModel;
        self
    }

    /// The next line, or its number and what makes it unfit for a job: it is no request, it has no id or that of another
    /// line, it has tools, which jobs of Converse records refuse, or media that a job would not find.
    ///
    /// Keeps at most 40 bytes for each line.
    #[allow(clippy::type_complexity, reason = "the end, a fault of the file, a fault of the line, the line")]
    pub fn next_line(&mut self) -> io::Result<Option<Result<JobLine, (u64, Error)>>> {
        let Some(line) = self.lines.next_line()? else { return Ok(None) };
        let number = line.number;
        let converted =
            if self.form == ModelInvocationType::Converse { of_converse(&line) } else { of_model(&line) };
        let checked = converted.and_then(|(record_id, model, input)| {
            if record_id.trim().is_empty() {
                return Err(invalid("recordId: expected a text, found a blank one"));
            }
            if let Some(first) = self.ids.insert(hash(&record_id), number) {
                let message =
                    format!("expected a recordId of its own, found that of line {first}: {record_id:?}");
                return Err(invalid(message));
            }
            if self.models.len() < MOST_MODELS && self.models.iter().all(|(known, _)| *known != model) {
                self.models.push((model, number));
            }
            let id = Document::write(record_id.as_str())?;
            let line = format!(r#"{{"recordId":{},"modelInput":{}}}"#, id.text(), input.text());
            // In JSON, a line end is white space.
            let text = line.replace(['\n', '\r'], "") + "\n";
            Ok(JobLine { record_id, model_input: input, text })
        });
        Ok(Some(checked.map_err(|error| (number, error))))
    }

    /// The models that the lines so far name, and the first line of each. The empty one is of lines that name none.
    pub fn models(&self) -> &[(String, u64)] {
        &self.models
    }
}

impl<R: BufRead> Read for JobLines<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.taken == self.pending.len() {
            self.taken = 0;
            self.pending = match self.next_line()? {
                Some(Ok(line)) => line.text.into_bytes(),
                Some(Err((number, error))) => {
                    let message = format!("line {number}: {}", error.message());
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
                }
                None => Vec::new(),
            };
        }
        let length = self.pending.get(self.taken..).unwrap_or_default().read(into)?;
        self.taken += length;
        Ok(length)
    }
}

/// The id, the model and the input of a line with Converse's members.
fn of_converse(line: &Line<'_>) -> Result<(String, String, Document)> {
    let text = line.text.clone()?;
    let record = Record::read(text);
    let request = record.request?;
    if request.tool_config.is_some() {
        return Err(invalid("modelInput: expected no toolConfig, which jobs of Converse records refuse"));
    }
    let input = record.model_input.ok_or_else(|| invalid("expected modelInput, found none"))?;
    // In a text, the quotes would be escaped.
    if input.text().contains("\"s3Location\"") {
        return Err(invalid(
            "modelInput: expected media in base64, found an s3Location: put this file beside the media in S3, and \
             submit its address",
        ));
    }
    let record_id = match record.record_id {
        Some(id) => id,
        None if is_prompt(text) => Record::number_id(line.number),
        None => return Err(no_id()),
    };
    Ok((record_id, request.model_id, input))
}

/// The same of a line with a model's own form.
fn of_model(line: &Line<'_>) -> Result<(String, String, Document)> {
    let text =
        std::str::from_utf8(line.text.clone()?).map_err(|_| invalid("expected UTF-8, found other bytes"))?;
    let mut members = object(text)?;
    let record_id = string(&members, "recordId")?.ok_or_else(no_id)?;
    let model = string(&members, "modelId")?.unwrap_or_default();
    let input = members.remove("modelInput").ok_or_else(|| invalid("expected modelInput, found none"))?;
    object(input.text()).map_err(|error| invalid(format!("modelInput: {}", error.message())))?;
    Ok((record_id, model, input))
}

/// Whether a line is of a prompt alone: its place is its id, as it is for a run on this machine.
fn is_prompt(line: &[u8]) -> bool {
    serde_json::from_slice::<Members>(line).is_ok_and(|members| members.named("prompt").is_some())
}

fn no_id() -> Error {
    invalid("expected recordId, found none")
}

/// The results of a job, which are in no order, by the ids of their records.
///
/// Keeps at most 40 bytes for each result.
#[derive(Debug)]
pub struct JobResults<F> {
    file: BufReader<F>,
    /// The hash of each id, and where its line begins; sorted.
    index: Vec<(u64, u64)>,
    /// Those of `index` that have been taken.
    taken: Vec<bool>,
}

impl<F: Read + Seek> JobResults<F> {
    /// Reads through a file of results.
    ///
    /// Fails with [`ErrorKind::Damaged`] at a line that is no result.
    pub fn new(file: F) -> Result<Self> {
        let mut lines = Lines::new(BufReader::with_capacity(BUFFER, file));
        let mut index = Vec::new();
        while let Some(line) = lines.next_line()? {
            let result = line.text.clone().and_then(RecordResult::read);
            let result = result.map_err(|error| {
                let message = format!("line {} of the results: {}", line.number, error.message());
                Error::new(ErrorKind::Damaged, message)
            })?;
            index.push((hash(&result.record_id), line.start));
        }
        index.sort_unstable();
        Ok(Self { file: lines.into_source(), taken: vec![false; index.len()], index })
    }

    /// Takes the result of a record. `None` if there is none, or no further one.
    pub fn take(&mut self, record_id: &str) -> Result<Option<RecordResult>> {
        let wanted = hash(record_id);
        let first = self.index.partition_point(|(hash, _)| *hash < wanted);
        for at in first..self.index.len() {
            let Some((_, start)) = self.index.get(at).filter(|(hash, _)| *hash == wanted) else { break };
            let result = read_at(&mut self.file, *start)?;
            if let Some(taken @ false) = self.taken.get_mut(at)
                && result.record_id == record_id
            {
                *taken = true;
                return Ok(Some(result));
            }
        }
        Ok(None)
    }

    /// How many results have not been taken.
    pub fn left(&self) -> usize {
        self.taken.iter().filter(|taken| !**taken).count()
    }

    /// The results that have not been taken, in the order of the file.
    pub fn rest(self) -> impl Iterator<Item = Result<RecordResult>> {
        let Self { mut file, index, taken } = self;
        let left = index.into_iter().zip(taken).filter(|(_, taken)| !taken);
        // Of the type of the index, so that the code of sorting is there once.
        let mut left = left.map(|((hash, start), _)| (start, hash)).collect::<Vec<_>>();
        left.sort_unstable();
        left.into_iter().map(move |(start, _)| read_at(&mut file, start))
    }
}

fn read_at<F: Read + Seek>(file: &mut BufReader<F>, start: u64) -> Result<RecordResult> {
    file.seek(SeekFrom::Start(start))?;
    let mut lines = Lines::new(file);
    match lines.next_line()? {
        Some(line) => RecordResult::read(line.text?),
        None => Err(invalid("expected a result, found the end of the file")),
    }
}

/// Checks that a job takes this address: a key of letters, digits and `-!_*'()./`.
pub fn check_job_uri(uri: &S3Uri) -> Result<()> {
    let fits = |c: &char| c.is_ascii_alphanumeric() || "-!_*'()./".contains(*c);
    match uri.key().chars().find(|c| !fits(c)) {
        None => Ok(()),
        Some(found) => Err(invalid(format!(
            "{uri}: expected letters, digits and -!_*'()./ in the key of a batch job, found {found:?}"
        ))),
    }
}

/// Checks the name of a job: at most 63 letters, digits, and `+`, `-` and `.`, with a letter or a digit first and no
/// hyphen at the end.
pub fn check_job_name(name: &str) -> Result<()> {
    let letter = |c: char| c.is_ascii_alphanumeric();
    let fits = name.len() <= LONGEST_NAME
        && name.starts_with(letter)
        && !name.ends_with('-')
        && name.chars().all(|c| letter(c) || matches!(c, '+' | '-' | '.'));
    if fits {
        return Ok(());
    }
    Err(invalid(format!(
        "expected a name of at most {LONGEST_NAME} letters, digits, +, - and ., with a letter or a digit first and no - at \
         the end; found {name:?}"
    )))
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// The longest name of a job, in bytes.
const LONGEST_NAME: usize = 63;
/// How many different models are counted in a file. A job has one.
const MOST_MODELS: usize = 8;
const BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(file: &str) -> Vec<Result<String, String>> {
        let mut lines = JobLines::new(file.as_bytes());
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            let fault = |(number, error): (u64, Error)| format!("{number}: {}", error.message());
            found.push(line.map(|line| line.text).map_err(fault));
        }
        found
    }

    const OK: &str =
        r#"{"recordId":"a","modelInput":{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}}"#;

    #[test]
    fn a_line_that_a_job_cannot_take_is_named() {
        let content = r#""messages":[{"role":"user","content":[{"text":"say \"s3Location\""}]}]"#;
        let file = [
            OK,
            "",
            &format!(r#"{{"modelInput":{{{content}}}}}"#),
            &format!(r#"{{"recordId":"","modelInput":{{{content}}}}}"#),
            &format!(r#"{{"recordId":"a","modelInput":{{{content}}}}}"#),
            &format!(r#"{{"recordId":"b","modelInput":{{"toolConfig":{{"tools":[]}},{content}}}}}"#),
            &format!(
                r#"{{"recordId":"c","modelId":"m","modelInput":{{{content},"inferenceConfig":{{"maxTokens":5}}}}}}"#
            ),
            r#"{"recordId":"d","modelInput":{"messages":[{"role":"user","content":[{"image":{"format":"png","source":{"s3Location":{"uri":"s3://b/k"}}}}]}]}}"#,
            r#"{"recordId":"e","prompt":"Hi"}"#,
            "not JSON",
        ];
        let found = lines(&file.join("\n"));
        let fault = |at: usize| found[at].clone().unwrap_err();
        assert_eq!(found[0].clone().unwrap(), format!("{OK}\n"));
        assert_eq!(fault(1), "3: expected recordId, found none");
        assert_eq!(fault(2), "4: recordId: expected a text, found a blank one");
        assert_eq!(fault(3), "5: expected a recordId of its own, found that of line 1: \"a\"");
        assert!(fault(4).starts_with("6: modelInput: expected no toolConfig"), "{}", fault(4));
        // What it has beside the id and the input stays here.
        let kept = found[5].clone().unwrap();
        assert_eq!(
            kept,
            format!(
                "{{\"recordId\":\"c\",\"modelInput\":{{{content},\"inferenceConfig\":{{\"maxTokens\":5}}}}}}\n"
            )
        );
        assert!(fault(6).starts_with("8: modelInput: expected media in base64"), "{}", fault(6));
        assert!(found[7].clone().unwrap().contains(r#""content":[{"text":"Hi"}]"#));
        assert!(fault(8).starts_with("10: expected a JSON object"), "{}", fault(8));
    }

    #[test]
    fn the_models_of_the_lines_are_known() {
        let line = |id: &str, model: &str| format!("{{\"recordId\":\"{id}\",\"prompt\":\"Hi\"{model}}}\n");
        let file = [line("a", ""), line("b", ",\"modelId\":\"m\""), line("c", ",\"modelId\":\"m\"")].concat();
        let mut read = JobLines::new(file.as_bytes());
        while read.next_line().unwrap().is_some() {}
        assert_eq!(read.models(), [(String::new(), 1), ("m".to_owned(), 2)]);
    }

    #[test]
    fn a_reader_gets_all_lines_in_pieces_of_any_size() {
        let file = format!("{OK}\r\n\n{{\"prompt\":\"Hé\"}}");
        let expected = lines(&file).into_iter().map(Result::unwrap).collect::<String>();
        for size in [1, 7, 1000] {
            let (mut found, mut piece) = (Vec::new(), vec![0; size]);
            let mut reader = JobLines::new(file.as_bytes());
            loop {
                let length = reader.read(&mut piece).unwrap();
                found.extend_from_slice(&piece[..length]);
                if length == 0 {
                    break;
                }
            }
            assert_eq!(String::from_utf8(found).unwrap(), expected);
        }
        let error = JobLines::new(&b"{}"[..]).read(&mut [0; 9]).unwrap_err();
        assert!(error.to_string().starts_with("line 1: "), "{error}");
    }

    #[test]
    fn a_model_keeps_its_own_form() {
        let line =
            r#"{"recordId":"a","modelInput":{"anthropic_version":"bedrock-2023-05-31","max_tokens":5}}"#;
        let mut read = JobLines::new(line.as_bytes()).of_invoke_model();
        assert_eq!(read.next_line().unwrap().unwrap().unwrap().text, format!("{line}\n"));
        for (line, expected) in [
            (r#"{"modelInput":{}}"#, "expected recordId"),
            (r#"{"recordId":"a"}"#, "expected modelInput"),
            (r#"{"recordId":"a","modelInput":[]}"#, "modelInput: expected an object"),
        ] {
            let mut read = JobLines::new(line.as_bytes()).of_invoke_model();
            let (_, error) = read.next_line().unwrap().unwrap().unwrap_err();
            assert!(error.message().starts_with(expected), "{error}");
        }
    }

    #[test]
    fn results_are_found_by_their_ids() {
        let line = |id: &str, text: &str| {
            format!(r#"{{"recordId":"{id}","modelInput":{{}},"modelOutput":"{text}"}}"#)
        };
        let file =
            [line("c", "1"), String::new(), line("a", "2"), line("d", "4"), line("a", "3"), line("b", "5")];
        let mut results = JobResults::new(std::io::Cursor::new(file.join("\n"))).unwrap();
        let mut take = |id: &str| {
            let found = results.take(id).unwrap();
            found.map(|found| found.output.unwrap().text().to_owned())
        };
        assert_eq!(take("a").as_deref(), Some("\"2\""));
        assert_eq!(take("b").as_deref(), Some("\"5\""));
        assert_eq!(take("a").as_deref(), Some("\"3\""));
        assert_eq!(take("a"), None);
        assert_eq!(take("none"), None);
        assert_eq!(results.left(), 2);
        let left = results.rest().map(|left| left.unwrap().record_id);
        assert_eq!(left.collect::<Vec<_>>(), ["c", "d"]);

        let error = JobResults::new(std::io::Cursor::new("{}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.message().starts_with("line 1 of the results: "), "{error}");
    }

    #[test]
    fn names_and_places_of_jobs_are_those_of_the_api() {
        for name in ["a", "1.x+y-2", &"n".repeat(63)] {
            check_job_name(name).unwrap();
        }
        for name in ["", "-a", "a-", "a_b", "a b", "ä", &"n".repeat(64)] {
            check_job_name(name).unwrap_err();
        }
        let check = |uri: &str| check_job_uri(&S3Uri::parse(uri).unwrap());
        check("s3://abc/a-!_*'()./B9.jsonl").unwrap();
        for key in ["a b", "a=b", "a+b", "a:b", "ä", "a%20b"] {
            let error = check(&format!("s3://abc/{key}")).unwrap_err();
            assert!(error.message().contains(key), "{error}");
        }
    }
}
