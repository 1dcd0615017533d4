//! The lines of Bedrock's [batch inference]: requests in, results out.
//!
//! [batch inference]: https://docs.aws.amazon.com/bedrock/latest/userguide/batch-inference-data.html

use std::io::{self, BufRead, Read as _};

use crate::converse::{ConverseRequest, Message};
use crate::shape::{Document, Members};
use crate::{Error, ErrorKind, Result};
use pumice_codec::internal::from_json;

/// A line of the input: `{"recordId":…,"modelInput":{…}}` with Converse's members, or `{"prompt":"…"}`. `modelId` may
/// be in the line or in `modelInput`. Other members of the line are ignored, as the service ignores them.
///
/// ```
/// use pumice::bulk::Record;
///
/// let record = Record::read(br#"{"recordId":"7","modelId":"m","prompt":"Why does pumice float?"}"#);
/// assert_eq!(record.record_id.as_deref(), Some("7"));
/// assert_eq!(record.request?.model_id, "m");
/// assert_eq!(
///     record.model_input.unwrap().text(),
///     r#"{"messages":[{"role":"user","content":[{"text":"Why does pumice float?"}]}]}"#
/// );
///
/// let fault = Record::read(br#"{"recordId":"8","modelInput":{"messages":"Hi"}}"#).request.unwrap_err();
/// assert_eq!(fault.to_string(), r#"modelInput: expected a list, found string "Hi" at column 16"#);
/// # Ok::<(), pumice::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Record {
    /// The caller's id, which the result has too. `None`: see [`number_id`](Self::number_id).
    pub record_id: Option<String>,
    /// Converse's members as they were written, without `modelId`. `None` if the line has none that can be read.
    pub model_input: Option<Document>,
    /// The request. Its model id is empty if the line names no model. [`ErrorKind::InvalidInput`] if the line is no
    /// request.
    pub request: Result<ConverseRequest>,
}

impl Record {
    /// Reads a line, with or without its line end.
    pub fn read(line: &[u8]) -> Self {
        let mut record = Self { record_id: None, model_input: None, request: Err(invalid("")) };
        record.request = record.read_request(line);
        record
    }

    /// The id of a record that has none: stable as long as no line is added before it. Like the service's own, it has
    /// eleven characters.
    pub fn number_id(line: u64) -> String {
        format!("CALL{line:07}")
    }

    fn read_request(&mut self, line: &[u8]) -> Result<ConverseRequest> {
        let text = std::str::from_utf8(line).map_err(|_| invalid("expected UTF-8, found other bytes"))?;
        let line = object(text)?;
        self.record_id = string(&line, "recordId")?;
        let of_line = string(&line, "modelId")?;
        let mut members = match (present(&line, "modelInput"), string(&line, "prompt")?) {
            (Some(_), Some(_)) => return Err(invalid("expected modelInput or prompt, found both")),
            (None, None) => return Err(invalid("expected modelInput or prompt, found neither")),
            (Some(input), None) => {
                self.model_input = Some(input.clone());
                object(input.text()).map_err(|error| within("modelInput", &error))?
            }
            (None, Some(prompt)) if prompt.trim().is_empty() => {
                return Err(invalid("prompt: expected a text, found a blank one"));
            }
            (None, Some(prompt)) => {
                let request = ConverseRequest::new("").message(Message::user(prompt));
                let body = from_json::<Members>(&request.body()?);
                let members = body.map_err(|error| invalid(error.to_string()))?;
                self.model_input = Some(Document::write(&members)?);
                members
            }
        };
        let of_input = string(&members, "modelId").map_err(|error| within("modelInput", &error))?;
        if members.remove("modelId").is_some() {
            self.model_input = Some(Document::write(&members)?);
        }
        let model_id = match (of_line, of_input) {
            (Some(one), Some(other)) if one != other => {
                return Err(invalid(format!("expected one modelId, found {one:?} and {other:?}")));
            }
            (one, other) => one.or(other).unwrap_or_default(),
        };
        if let Some((foreign, _)) = members.iter().find(|(name, _)| OF_INVOKE_MODEL.contains(name)) {
            return Err(invalid(format!(
                "modelInput: expected Converse's members, found InvokeModel's {foreign}"
            )));
        }
        // At the end, so that the places in errors are those of the input.
        let input = self.model_input.as_ref().map_or("", Document::text).trim_end();
        let comma = if members.is_empty() { "" } else { "," };
        let model_id = Document::write(model_id.as_str())?;
        let input =
            [input.strip_suffix('}').unwrap_or(input), comma, "\"modelId\":", model_id.text(), "}"].concat();
        let request = from_json::<ConverseRequest>(input.as_bytes());
        let request = request.map_err(|error| within("modelInput", &invalid(described(&error))))?;
        // A prompt of Prompt management brings its messages.
        if request.messages.as_ref().is_none_or(Vec::is_empty) && request.prompt_variables.is_none() {
            return Err(invalid("modelInput: expected messages, found none"));
        }
        Ok(request)
    }
}

/// A line of the output: `{"recordId":…,"modelInput":{…},"modelOutput":{…}}`, or with `error` in the place of
/// `modelOutput`.
///
/// ```
/// use pumice::bulk::RecordResult;
///
/// let line = r#"{"recordId":"7","modelInput":{},"error":{"errorCode":400,"errorMessage":"bad request"}}"#;
/// let result = RecordResult::read(line.as_bytes())?;
/// assert_eq!(result.output.as_ref().unwrap_err().code, 400);
/// assert_eq!(result.to_line()?, format!("{line}\n"));
/// # Ok::<(), pumice::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RecordResult {
    /// The id of the record.
    pub record_id: String,
    /// The request, as the [record](Record::model_input) has it. `None` if the line of the input has none that can be
    /// read; it is written as `null`.
    pub model_input: Option<Document>,
    /// The response of Converse, or of InvokeModel in a job of that type; or why there is none.
    pub output: Result<Document, RecordError>,
}

/// Why a record has no response.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordError {
    /// An HTTP status, as the service gives it here.
    pub code: u16,
    /// What went wrong, for people to read.
    pub message: String,
}

impl RecordResult {
    /// The result of a record.
    pub fn new(
        record_id: impl Into<String>,
        model_input: Option<Document>,
        output: Result<Document, RecordError>,
    ) -> Self {
        Self { record_id: record_id.into(), model_input, output }
    }

    /// Reads a line, with or without its line end. Fails with [`ErrorKind::InvalidInput`] if it is no result.
    pub fn read(line: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(line).map_err(|_| invalid("expected UTF-8, found other bytes"))?;
        let mut line = object(text)?;
        let Some(record_id) = string(&line, "recordId")? else {
            return Err(invalid("expected recordId, found none"));
        };
        let output = line.remove("modelOutput").filter(|output| output.text() != "null");
        let output = match (output, present(&line, "error")) {
            (Some(output), None) => Ok(output),
            (None, Some(error)) => {
                let error = object(error.text()).map_err(|error| within("error", &error))?;
                let code = error.named("errorCode").and_then(|code| code.read().ok());
                let message = error.named("errorMessage").and_then(|message| message.read().ok());
                Err(RecordError { code: code.unwrap_or_default(), message: message.unwrap_or_default() })
            }
            (Some(_), Some(_)) => return Err(invalid("expected modelOutput or error, found both")),
            (None, None) => return Err(invalid("expected modelOutput or error, found neither")),
        };
        let model_input = line.remove("modelInput").filter(|input| input.text() != "null");
        Ok(Self { record_id, model_input, output })
    }

    /// The line, with its line end.
    pub fn to_line(&self) -> Result<String> {
        let id = Document::write(self.record_id.as_str())?;
        let input = self.model_input.as_ref().map_or("null", Document::text);
        let (name, output) = match &self.output {
            Ok(output) => ("modelOutput", output.clone()),
            Err(RecordError { code, message }) => {
                let mut error = Members::default();
                error.insert("errorCode", serde_json::Value::from(*code));
                error.insert("errorMessage", serde_json::Value::from(message.as_str()));
                ("error", Document::write(&error)?)
            }
        };
        let line = format!(r#"{{"recordId":{},"modelInput":{input},"{name}":{}}}"#, id.text(), output.text());
        // In JSON, a line end is white space.
        Ok(line.replace(['\n', '\r'], "") + "\n")
    }
}

impl RecordError {
    /// Why a record has no response, with the status that the service gives such errors.
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl From<&Error> for RecordError {
    fn from(error: &Error) -> Self {
        let code = error.status().filter(|status| *status >= 400).unwrap_or(match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::Validation | ErrorKind::Recording => 400,
            ErrorKind::Credentials | ErrorKind::AccessDenied => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::ModelTimeout | ErrorKind::Timeout => 408,
            ErrorKind::ModelError => 424,
            ErrorKind::ModelNotReady | ErrorKind::Throttled | ErrorKind::QuotaExceeded => 429,
            ErrorKind::Connect | ErrorKind::BrokenOff | ErrorKind::Unavailable => 503,
            _ => 500,
        });
        Self::new(code, error.to_string())
    }
}

/// Reads lines one at a time. Blank lines are skipped, but counted.
///
/// ```
/// use pumice::bulk::Lines;
///
/// let mut lines = Lines::new(&b"{}\n\n{\"a\":1}"[..]);
/// while let Some(line) = lines.next_line()? {
///     println!("{}: {:?}", line.number, line.record().request);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Lines<R> {
    source: R,
    number: u64,
    offset: u64,
    buffer: Vec<u8>,
}

/// A line of a file.
#[derive(Debug)]
#[non_exhaustive]
pub struct Line<'a> {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Where it begins in the file, in bytes.
    pub start: u64,
    /// Where the next line begins.
    pub end: u64,
    /// Whether it has a line end. Only the last line can be without one: what wrote it may have been killed.
    pub is_ended: bool,
    /// Its text without the line end. [`ErrorKind::InvalidInput`] if it is longer than 256 MiB, which no request is.
    pub text: Result<&'a [u8]>,
}

impl Line<'_> {
    /// The line as one of the input.
    pub fn record(&self) -> Record {
        match &self.text {
            Ok(text) => Record::read(text),
            Err(error) => Record { record_id: None, model_input: None, request: Err(error.clone()) },
        }
    }

    /// The line as one of the output.
    pub fn result(&self) -> Result<RecordResult> {
        self.text.clone().and_then(RecordResult::read)
    }
}

impl<R: BufRead> Lines<R> {
    /// The lines of a source.
    pub fn new(source: R) -> Self {
        Self { source, number: 0, offset: 0, buffer: Vec::new() }
    }

    /// What the lines come from.
    pub(super) fn into_source(self) -> R {
        self.source
    }

    /// The next line. `None` at the end.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            self.buffer.clear();
            // A long line was an exception.
            self.buffer.shrink_to(USUAL);
            let start = self.offset;
            let mut read = (&mut self.source).take(LONGEST + 1).read_until(b'\n', &mut self.buffer)? as u64;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            let mut is_ended = self.buffer.last() == Some(&b'\n');
            let is_long = !is_ended && read > LONGEST;
            if is_long {
                let skipped = skip_line(&mut self.source)?;
                (read, is_ended) = (read + skipped.0, skipped.1);
            }
            self.offset += read;
            if !is_long && self.buffer.trim_ascii().is_empty() {
                continue;
            }
            let text = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            // Editors of Windows put a mark before the first line.
            let text = text.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.number == 1).unwrap_or(text);
            let too_long =
                || invalid(format!("expected a line of at most {LONGEST} bytes, found a longer one"));
            return Ok(Some(Line {
                number: self.number,
                start,
                end: self.offset,
                is_ended,
                text: if is_long { Err(too_long()) } else { Ok(text) },
            }));
        }
    }
}

/// Skips the rest of a line. Returns its length, and whether it has a line end.
fn skip_line(source: &mut impl BufRead) -> io::Result<(u64, bool)> {
    let mut skipped = 0;
    loop {
        let buffered = source.fill_buf()?;
        let end = buffered.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffered.len(), |end| end + 1);
        source.consume(length);
        skipped += length as u64;
        if end.is_some() || length == 0 {
            return Ok((skipped, end.is_some()));
        }
    }
}

/// The members of a JSON object.
pub(super) fn object(text: &str) -> Result<Members> {
    let read = from_json::<Members>(text.as_bytes());
    read.map_err(|error| match Document::parse(text) {
        Ok(_) => invalid(format!("expected an object, found {}", kind(text))),
        Err(_) if text.trim().is_empty() => invalid("expected a JSON object, found nothing"),
        Err(_) => invalid(format!("expected a JSON object, found other text: {}", described(&error))),
    })
}

/// A member that is not `null`.
fn present<'a>(members: &'a Members, name: &str) -> Option<&'a Document> {
    members.named(name).filter(|value| value.text() != "null")
}

/// A member that is a string.
pub(super) fn string(members: &Members, name: &str) -> Result<Option<String>> {
    let Some(value) = present(members, name) else { return Ok(None) };
    value
        .read()
        .map(Some)
        .map_err(|_| invalid(format!("{name}: expected a string, found {}", kind(value.text()))))
}

/// What JSON this is.
fn kind(json: &str) -> &'static str {
    match json.trim_start().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// What is wrong with JSON that is one line.
fn described(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let (fault, column) = text.split_once(" at line 1 column ").unwrap_or((&text, ""));
    let fault = if let Some(missing) = fault.strip_prefix("missing field `") {
        format!("expected {}, found none", missing.trim_end_matches('`'))
    } else if let Some((found, expected)) =
        fault.strip_prefix("invalid type: ").and_then(|fault| fault.split_once(", expected "))
    {
        format!("expected {}, found {found}", expected.replace("a sequence", "a list"))
    } else {
        fault.to_owned()
    };
    if column.is_empty() { fault } else { format!("{fault} at column {column}") }
}

fn within(place: &str, error: &Error) -> Error {
    invalid(format!("{place}: {}", error.message()))
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

/// Members that make a request of InvokeModel: a job of that type has them in `modelInput`.
const OF_INVOKE_MODEL: [&str; 5] =
    ["anthropic_version", "inputText", "prompt", "schemaVersion", "max_tokens"];
/// Longer than any request that Bedrock accepts, in bytes.
const LONGEST: u64 = 256 * 1024 * 1024;
/// What the buffer of lines keeps.
const USUAL: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(line: &str) -> String {
        Record::read(line.as_bytes()).request.unwrap_err().to_string()
    }

    #[test]
    fn a_line_that_is_no_request_says_what_was_expected_and_found() {
        for (line, expected) in [
            ("", "expected a JSON object, found nothing"),
            ("[1]", "expected an object, found a list"),
            ("{\"a\"", "expected a JSON object, found other text: EOF while parsing an object at column 4"),
            ("{}", "expected modelInput or prompt, found neither"),
            (r#"{"prompt":"x","modelInput":{}}"#, "expected modelInput or prompt, found both"),
            (r#"{"prompt":["x"]}"#, "prompt: expected a string, found a list"),
            (r#"{"prompt":"  "}"#, "prompt: expected a text, found a blank one"),
            (r#"{"recordId":7,"prompt":"x"}"#, "recordId: expected a string, found a number"),
            (r#"{"modelInput":"x"}"#, "modelInput: expected an object, found a string"),
            (
                r#"{"modelInput":{"messages":"Hi"}}"#,
                "modelInput: expected a list, found string \"Hi\" at column 16",
            ),
            (r#"{"modelInput":{}}"#, "modelInput: expected messages, found none"),
            (
                r#"{"modelInput":{"messages":[{"role":"user"}]}}"#,
                "modelInput: expected content, found none at column 28",
            ),
            (
                r#"{"modelInput":{"inputText":"x"}}"#,
                "modelInput: expected Converse's members, found InvokeModel's inputText",
            ),
            (
                r#"{"modelId":"a","modelInput":{"modelId":"b","messages":[]}}"#,
                r#"expected one modelId, found "a" and "b""#,
            ),
        ] {
            assert_eq!(fault(line), expected, "{line}");
        }
        assert_eq!(
            Record::read(b"{\"prompt\":\"\xff\"}").request.unwrap_err().to_string(),
            "expected UTF-8, found other bytes"
        );
    }

    #[test]
    fn what_a_wrong_line_says_all_the_same_is_kept() {
        let record = Record::read(br#"{"recordId":"7","modelInput":{"messages": 1}}"#);
        assert_eq!(record.record_id.as_deref(), Some("7"));
        assert_eq!(record.model_input.unwrap().text(), r#"{"messages": 1}"#);
        record.request.unwrap_err();
    }

    #[test]
    fn a_request_is_kept_as_it_was_written_but_for_its_model() {
        let input = r#"{"messages": [{"role":"user","content":[{"text":"Hi"}]}], "new": {"n":1.50}}"#;
        let record = Record::read(format!(r#"{{"recordId":"a","modelInput":{input}}}"#).as_bytes());
        assert_eq!(record.model_input.unwrap().text(), input);
        assert_eq!(record.request.unwrap().model_id, "");

        let line = r#"{"modelInput":{"modelId":"m","messages":[{"role":"user","content":[]}],"new":1.50}}"#;
        let record = Record::read(line.as_bytes());
        assert_eq!(record.record_id, None);
        assert_eq!(
            record.model_input.unwrap().text(),
            r#"{"messages":[{"role":"user","content":[]}],"new":1.50}"#
        );
        assert_eq!(record.request.unwrap().model_id, "m");
        assert_eq!(Record::number_id(1), "CALL0000001");
    }

    #[test]
    fn results_are_lines_whatever_is_in_them() {
        let output = Document::parse("{\n\"a\":\r\n\"b\\n\"}").unwrap();
        let result = RecordResult::new("a\n\"", None, Ok(output));
        let line = result.to_line().unwrap();
        assert_eq!(
            line,
            "{\"recordId\":\"a\\n\\\"\",\"modelInput\":null,\"modelOutput\":{\"a\":\"b\\n\"}}\n"
        );
        let read = RecordResult::read(line.as_bytes()).unwrap();
        assert_eq!((read.record_id.as_str(), read.model_input), ("a\n\"", None));
        let failed = br#"{"recordId":"a","modelOutput":null,"error":{"errorCode":400,"errorMessage":"no"}}"#;
        assert_eq!(RecordResult::read(failed).unwrap().output, Err(RecordError::new(400, "no")));
        for (line, expected) in [
            ("{\"recordId\":\"a\"}", "expected modelOutput or error, found neither"),
            ("{\"modelOutput\":{}}", "expected recordId, found none"),
            ("\0\0", "expected a JSON object, found other text: expected value at column 1"),
        ] {
            assert_eq!(RecordResult::read(line.as_bytes()).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn lines_have_their_numbers_and_places() {
        let text = b"\xef\xbb\xbf{}\r\n \n\nab\nlast";
        let mut lines = Lines::new(&text[..]);
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push((line.number, line.start, line.end, line.is_ended, line.text.unwrap().to_vec()));
        }
        let expected = [
            (1, 0, 7, true, b"{}".to_vec()),
            (4, 10, 13, true, b"ab".to_vec()),
            (5, 13, 17, false, b"last".to_vec()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_line_without_end_is_skipped_and_not_held() {
        let text = std::io::repeat(b'a').take(LONGEST + 5).chain(&b"\n{}\n"[..]);
        let mut lines = Lines::new(io::BufReader::new(text));
        let long = lines.next_line().unwrap().unwrap();
        assert_eq!((long.number, long.end, long.is_ended), (1, LONGEST + 6, true));
        long.text.unwrap_err();
        let next = lines.next_line().unwrap().unwrap();
        assert_eq!((next.number, next.text.unwrap()), (2, &b"{}"[..]));
        assert!(lines.buffer.capacity() <= USUAL);
    }

    #[test]
    fn each_error_has_a_status() {
        let of = |error: &Error| RecordError::from(error);
        let refused =
            Error::new(ErrorKind::Validation, "too long").with_code("ValidationException").with_status(400);
        assert_eq!(of(&refused), RecordError::new(400, "ValidationException: too long"));
        assert_eq!(of(&Error::new(ErrorKind::BrokenOff, "gone").with_status(200)).code, 503);
        assert_eq!(of(&Error::new(ErrorKind::Timeout, "late")).code, 408);
    }
}
