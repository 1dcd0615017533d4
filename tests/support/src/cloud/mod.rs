//! A fake S3 and the service of batch jobs on loopback. It keeps what is written, checks every signature itself, and
//! does what a test tells it to: another region, `SlowDown`, broken connections, the course of a job.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::case_sensitive_file_extension_comparisons,
    reason = "part of tests"
)]

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use percent_encoding::percent_decode_str;
use ring::{digest, hmac};
use serde_json::{Value, json};

use crate::server::{Received, receive};

/// The secret access key that requests are signed with.
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A running service. It ends with the test.
pub struct Cloud {
    /// For `AWS_ENDPOINT_URL_S3` and `AWS_ENDPOINT_URL_BEDROCK`.
    pub url: String,
    state: Arc<Mutex<State>>,
}

/// What the service has and does.
pub struct State {
    /// By bucket and key.
    pub objects: BTreeMap<(String, String), Vec<u8>>,
    /// The buckets and their regions.
    pub buckets: BTreeMap<String, String>,
    /// How a request for a bucket of another region is refused: 301, 307 or 400.
    pub redirect: u16,
    /// How many requests to S3 are refused as too many before one is served.
    pub slow_downs: usize,
    /// After how many bytes the next downloads break off.
    pub cuts: VecDeque<usize>,
    /// How many lists break off after their first byte.
    pub cut_lists: usize,
    /// Whether ranges are heeded.
    pub ranges: bool,
    /// How many keys a page of a list has.
    pub page: usize,
    /// How many uploads in parts fail when they are completed, with status 200.
    pub failing_completions: usize,
    /// Refuses parts from this number on.
    pub last_part: usize,
    /// Parts by the upload's id.
    pub uploads: BTreeMap<String, BTreeMap<usize, Vec<u8>>>,
    /// What each look at a job finds, one after the other. The last stays.
    pub course: Vec<&'static str>,
    /// What is wrong with a job.
    pub message: Option<String>,
    /// The result of a record.
    pub answer: fn(&Value) -> Result<Value, (u16, &'static str)>,
    pub jobs: Vec<Job>,
    pub requests: Vec<Received>,
    pub connections: usize,
    /// How many bytes the bodies of the requests at most had.
    pub largest: usize,
}

/// A batch job.
#[derive(Debug, Clone)]
pub struct Job {
    pub id: String,
    pub request: Value,
    pub course: VecDeque<String>,
    /// The result has been written.
    ended: bool,
}

impl Cloud {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = State {
            objects: BTreeMap::new(),
            buckets: BTreeMap::from([("bucket".to_owned(), "us-east-1".to_owned())]),
            redirect: 301,
            slow_downs: 0,
            cuts: VecDeque::new(),
            cut_lists: 0,
            ranges: true,
            page: 1000,
            failing_completions: 0,
            last_part: usize::MAX,
            uploads: BTreeMap::new(),
            course: vec!["Submitted", "Validating", "Scheduled", "InProgress", "Completed"],
            message: None,
            answer: |_| {
                Ok(json!({
                    "output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}},
                    "stopReason": "end_turn",
                    "usage": {"inputTokens": 12, "outputTokens": 7, "totalTokens": 19},
                    "metrics": {"latencyMs": 321},
                }))
            },
            jobs: Vec::new(),
            requests: Vec::new(),
            connections: 0,
            largest: 0,
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                state.lock().unwrap().connections += 1;
                thread::spawn(move || {
                    // A client that disconnects ends its thread.
                    let _ = serve(&stream, &state);
                });
            }
        });
        Self { url, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.state().objects.get(&("bucket".to_owned(), key.to_owned())).cloned()
    }

    pub fn put(&self, key: &str, content: impl Into<Vec<u8>>) {
        self.state().objects.insert(("bucket".to_owned(), key.to_owned()), content.into());
    }

    /// The first lines of the requests whose lines have this in them.
    pub fn lines(&self, part: &str) -> Vec<String> {
        let state = self.state();
        let lines =
            state.requests.iter().map(|request| request.line.trim_end_matches(" HTTP/1.1").to_owned());
        lines.filter(|line| line.contains(part)).collect()
    }
}

/// A response.
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// How many bytes of the body are sent before the connection is closed.
    cut: Option<usize>,
}

impl Reply {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), cut: None }
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn xml_error(status: u16, code: &str, more: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{code} &amp; more</Message>\
             {more}<RequestId>R1</RequestId></Error>"
        );
        Self::new(status, body).header("content-type", "application/xml")
    }

    fn json(status: u16, body: &Value) -> Self {
        Self::new(status, body.to_string()).header("content-type", "application/json")
    }
}

fn serve(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(request) = receive(&mut reader)? {
        let reply = state.lock().unwrap().reply(&request);
        let mut head =
            format!("HTTP/1.1 {} Status\r\ncontent-length: {}\r\n", reply.status, reply.body.len());
        let request_id = ("x-amz-request-id", "test-request-id".to_owned());
        for (name, value) in reply.headers.iter().chain([&request_id]) {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        head.push_str("\r\n");
        writer.write_all(head.as_bytes())?;
        writer.write_all(&reply.body[..reply.cut.unwrap_or(reply.body.len())])?;
        if reply.cut.is_some() {
            return stream.shutdown(Shutdown::Both);
        }
    }
    Ok(())
}

/// The path without its bucket and the query of a request line.
struct Target {
    bucket: String,
    key: String,
    query: BTreeMap<String, String>,
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

impl State {
    fn reply(&mut self, request: &Received) -> Reply {
        self.requests.push(Received { body: Vec::new(), ..request.clone() });
        self.largest = self.largest.max(request.body.len());
        let mut words = request.line.split(' ');
        let (method, url) = (words.next().unwrap(), words.next().unwrap());
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        if path.starts_with("/model-invocation-job") {
            return self.of_jobs(method, path, query, &request.body);
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let query = query.map(|(name, value)| (decode(name), decode(value))).collect();
        let (bucket, key) = path[1..].split_once('/').unwrap();
        self.of_s3(method, &Target { bucket: bucket.to_owned(), key: decode(key), query }, request)
    }

    fn of_s3(&mut self, method: &str, target: &Target, request: &Received) -> Reply {
        let region = match verified(request) {
            Ok(region) => region,
            Err(fault) => return Reply::xml_error(403, "SignatureDoesNotMatch", &fault),
        };
        let Target { bucket, key, query } = target;
        let Some(own_region) = self.buckets.get(bucket).cloned() else {
            return Reply::xml_error(404, "NoSuchBucket", "");
        };
        if region != own_region {
            return self.of_another_region(bucket, own_region);
        }
        if self.slow_downs > 0 {
            self.slow_downs -= 1;
            return Reply::xml_error(503, "SlowDown", "");
        }
        let place = (bucket.clone(), key.clone());
        if request.header("if-none-match") == Some("*") && self.objects.contains_key(&place) {
            return Reply::xml_error(412, "PreconditionFailed", "");
        }
        let etag =
            |bytes: &[u8]| format!("\"{}\"", &hex(digest::digest(&digest::SHA256, bytes).as_ref())[..32]);
        match (method, query.get("uploadId"), query.get("partNumber")) {
            ("GET", ..) if query.contains_key("list-type") => {
                let mut reply = self.list(bucket, query);
                reply.cut = (self.cut_lists > 0).then_some(1);
                self.cut_lists = self.cut_lists.saturating_sub(1);
                reply
            }
            ("GET", ..) => {
                let Some(content) = self.objects.get(&place) else {
                    return Reply::xml_error(404, "NoSuchKey", "");
                };
                if request.header("if-match").is_some_and(|version| version != etag(content)) {
                    return Reply::xml_error(412, "PreconditionFailed", "");
                }
                let from = request.header("range").filter(|_| self.ranges);
                let from =
                    from.map(|range| range["bytes=".len()..].trim_end_matches('-').parse::<usize>().unwrap());
                let status = if from.is_some() { 206 } else { 200 };
                let mut reply =
                    Reply::new(status, &content[from.unwrap_or(0)..]).header("etag", etag(content));
                reply.cut = self.cuts.pop_front().map(|cut| cut.min(reply.body.len()));
                reply
            }
            ("PUT", Some(upload), Some(number)) => {
                let number = number.parse().unwrap();
                if number > self.last_part {
                    return Reply::xml_error(400, "EntityTooLarge", "");
                }
                let Some(parts) = self.uploads.get_mut(upload) else {
                    return Reply::xml_error(404, "NoSuchUpload", "");
                };
                parts.insert(number, request.body.clone());
                Reply::new(200, "").header("etag", etag(&request.body))
            }
            ("PUT", ..) => {
                self.objects.insert(place, request.body.clone());
                Reply::new(200, "").header("etag", etag(&request.body))
            }
            ("POST", None, _) if query.contains_key("uploads") => {
                let id = format!("up+/={}", self.uploads.len());
                self.uploads.insert(id.clone(), BTreeMap::new());
                Reply::new(
                    200,
                    format!(
                        "<InitiateMultipartUploadResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                         <UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                    ),
                )
            }
            ("POST", Some(upload), _) => {
                if self.failing_completions > 0 {
                    self.failing_completions -= 1;
                    return Reply::new(
                        200,
                        "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code></Error>",
                    );
                }
                let Some(parts) = self.uploads.remove(upload) else {
                    return Reply::xml_error(404, "NoSuchUpload", "");
                };
                let list = String::from_utf8(request.body.clone()).unwrap();
                for (number, part) in &parts {
                    let etag = etag(part);
                    let listed = format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
                    assert!(list.contains(&listed), "{list}");
                }
                let small = parts.values().rev().skip(1).any(|part| part.len() < 5 * 1024 * 1024);
                if small {
                    return Reply::xml_error(400, "EntityTooSmall", "");
                }
                self.objects.insert(place, parts.into_values().flatten().collect());
                Reply::new(200, "<CompleteMultipartUploadResult><Key>k</Key></CompleteMultipartUploadResult>")
            }
            ("DELETE", Some(upload), _) => {
                self.uploads.remove(upload);
                Reply::new(204, "")
            }
            _ => Reply::xml_error(501, "NotImplemented", ""),
        }
    }

    fn of_another_region(&self, bucket: &str, region: String) -> Reply {
        let host = format!("{bucket}.s3.{region}.amazonaws.com");
        match self.redirect {
            301 => Reply::xml_error(301, "PermanentRedirect", "").header("x-amz-bucket-region", region),
            400 => {
                let more = format!("<Region>{region}</Region>");
                Reply::xml_error(400, "AuthorizationHeaderMalformed", &more)
            }
            status => {
                let reply =
                    Reply::xml_error(status, "TemporaryRedirect", &format!("<Endpoint>{host}</Endpoint>"));
                reply.header("location", format!("https://{host}/"))
            }
        }
    }

    fn list(&self, bucket: &str, query: &BTreeMap<String, String>) -> Reply {
        let prefix = query.get("prefix").map_or("", String::as_str);
        let from = query.get("continuation-token").map_or("", String::as_str);
        let keys = self.objects.iter().filter(|((of, key), _)| of == bucket && key.starts_with(prefix));
        let mut keys = keys.filter(|((_, key), _)| key.as_str() > from.trim_start_matches("after="));
        let mut body = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                        <EncodingType>url</EncodingType>"
            .to_owned();
        let mut last = "";
        for ((_, key), content) in keys.by_ref().take(self.page) {
            let encoded =
                percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC).to_string();
            let encoded = encoded.replace("%20", "+").replace("%2F", "/");
            write!(body, "<Contents><Key>{encoded}</Key><Size>{}</Size></Contents>", content.len()).unwrap();
            last = key;
        }
        if keys.next().is_some() {
            write!(body, "<NextContinuationToken>after={last}</NextContinuationToken>").unwrap();
        }
        Reply::new(200, body + "</ListBucketResult>")
    }

    fn of_jobs(&mut self, method: &str, path: &str, query: &str, body: &[u8]) -> Reply {
        let query = query.split('&').filter_map(|pair| pair.split_once('='));
        let query = query.map(|(name, value)| (name.to_owned(), decode(value))).collect::<BTreeMap<_, _>>();
        let refused = |status, code: &'static str, message: &str| {
            Reply::json(status, &json!({"message": message})).header("x-amzn-errortype", code)
        };
        let rest = path.trim_start_matches("/model-invocation-job");
        match (method, rest) {
            ("POST", "") => {
                let request: Value = serde_json::from_slice(body).unwrap();
                let token = &request["clientRequestToken"];
                if let Some(job) = self.jobs.iter().find(|job| job.request["clientRequestToken"] == *token) {
                    return Reply::json(200, &json!({"jobArn": job.arn()}));
                }
                let is_taken = self.jobs.iter().any(|job| job.request["jobName"] == request["jobName"]);
                if is_taken {
                    return refused(400, "ConflictException", "The job name is already in use.");
                }
                let id = format!("job{:09}", self.jobs.len() + 1);
                let course = self.course.iter().map(|status| (*status).to_owned()).collect();
                let job = Job { id, request, course, ended: false };
                let arn = job.arn();
                self.jobs.push(job);
                Reply::json(200, &json!({"jobArn": arn}))
            }
            ("GET", "s") => {
                let fits = |job: &&Job| {
                    let name = job.request["jobName"].as_str().unwrap();
                    query.get("nameContains").is_none_or(|part| name.contains(part.as_str()))
                        && query.get("statusEquals").is_none_or(|status| *status == job.course[0])
                };
                let jobs =
                    self.jobs.iter().rev().filter(fits).map(|job| self.description(job)).collect::<Vec<_>>();
                Reply::json(200, &json!({"invocationJobSummaries": jobs}))
            }
            (_, rest) => {
                let rest = rest.trim_start_matches('/');
                let (name, stops) = rest.strip_suffix("/stop").map_or((rest, false), |name| (name, true));
                let name = decode(name);
                let found = self.jobs.iter().position(|job| name == job.id || name == job.arn());
                let Some(at) = found else {
                    return refused(404, "ResourceNotFoundException", "Could not find the job.");
                };
                if stops {
                    self.jobs[at].course = VecDeque::from(["Stopping".to_owned(), "Stopped".to_owned()]);
                    return Reply::json(200, &json!({}));
                }
                let job = self.jobs[at].clone();
                let is_over = matches!(job.course[0].as_str(), "Completed" | "PartiallyCompleted");
                if is_over && !job.ended {
                    self.run(&job);
                    self.jobs[at].ended = true;
                }
                let description = self.description(&job);
                if job.course.len() > 1 {
                    self.jobs[at].course.pop_front();
                }
                Reply::json(200, &description)
            }
        }
    }

    fn description(&self, job: &Job) -> Value {
        let mut description = job.request.clone();
        let status = &job.course[0];
        description["jobArn"] = job.arn().into();
        description["status"] = status.as_str().into();
        description["submitTime"] = "2026-11-27T04:00:00Z".into();
        if let Some(message) = &self.message {
            description["message"] = message.as_str().into();
        }
        if matches!(status.as_str(), "InProgress" | "Completed" | "PartiallyCompleted") {
            let records = self.records(job).len();
            description["totalRecordCount"] = records.into();
            description["processedRecordCount"] =
                if status == "InProgress" { records / 2 } else { records }.into();
        }
        description
    }

    /// The records of a job, by the names of their files.
    fn records(&self, job: &Job) -> Vec<(String, Value)> {
        let (bucket, key) = job.place("inputDataConfig", "s3InputDataConfig");
        let files = self.objects.iter().filter(|((of, name), _)| {
            *of == bucket
                && (*name == key || key.ends_with('/') && name.starts_with(&key) && name.ends_with(".jsonl"))
        });
        let mut records = Vec::new();
        for ((_, name), content) in files {
            let name = name.rsplit('/').next().unwrap();
            for line in String::from_utf8(content.clone()).unwrap().lines() {
                records.push((name.to_owned(), serde_json::from_str(line).unwrap()));
            }
        }
        records
    }

    /// Writes the results, the last record first: the service keeps no order.
    fn run(&mut self, job: &Job) {
        let (bucket, folder) = job.place("outputDataConfig", "s3OutputDataConfig");
        let folder = format!("{}/{}/", folder.trim_end_matches('/'), job.id);
        let mut files = BTreeMap::<String, String>::new();
        let (mut answered, mut failed, mut tokens) = (0, 0, [0, 0]);
        for (name, mut record) in self.records(job).into_iter().rev() {
            assert!(record["recordId"].is_string(), "{record}");
            match (self.answer)(&record["modelInput"]) {
                Ok(output) => {
                    answered += 1;
                    for (at, member) in ["inputTokens", "outputTokens"].into_iter().enumerate() {
                        tokens[at] += output["usage"][member].as_u64().unwrap_or_default();
                    }
                    record["modelOutput"] = output;
                }
                Err((code, message)) => {
                    failed += 1;
                    record["error"] = json!({"errorCode": code, "errorMessage": message});
                }
            }
            writeln!(files.entry(name).or_default(), "{record}").unwrap();
        }
        for (name, text) in files {
            self.objects.insert((bucket.clone(), format!("{folder}{name}.out")), text.into_bytes());
        }
        let manifest = json!({
            "totalRecordCount": answered + failed, "processedRecordCount": answered + failed,
            "successRecordCount": answered, "errorRecordCount": failed,
            "inputTokenCount": tokens[0], "outputTokenCount": tokens[1],
        });
        let manifest = manifest.to_string().into_bytes();
        self.objects.insert((bucket, format!("{folder}manifest.json.out")), manifest);
    }
}

impl Job {
    pub fn arn(&self) -> String {
        format!("arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/{}", self.id)
    }

    fn place(&self, config: &str, of: &str) -> (String, String) {
        let uri = self.request[config][of]["s3Uri"].as_str().unwrap();
        let (bucket, key) = uri.strip_prefix("s3://").unwrap().split_once('/').unwrap();
        (bucket.to_owned(), key.to_owned())
    }
}

/// The region that a request to S3 is signed for, if its signature and the hash of its body are right. The error says
/// what is not.
///
/// Written from Amazon's description of [Signature Version 4 for S3](https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html),
/// and shares nothing with the code that it checks.
fn verified(request: &Received) -> Result<String, String> {
    let header = |name: &str| request.header(name).ok_or_else(|| format!("no {name}"));
    let authorization = header("authorization")?;
    let part = |name: &str| {
        let rest = authorization.split_once(name).map(|(_, rest)| rest);
        rest.and_then(|rest| rest.split(',').next()).map(str::trim).ok_or_else(|| format!("no {name}"))
    };
    let scope = part("Credential=")?.split_once('/').unwrap().1;
    let [day, region, service, _] = scope.split('/').collect::<Vec<_>>()[..] else {
        return Err(scope.to_owned());
    };
    let hash = hex(digest::digest(&digest::SHA256, &request.body).as_ref());
    if service != "s3" || header("x-amz-content-sha256")? != hash {
        return Err("another hash or service".to_owned());
    }
    let signed = part("SignedHeaders=")?;
    for required in ["host", "x-amz-content-sha256", "x-amz-date"] {
        if !signed.split(';').any(|name| name == required) {
            return Err(format!("{required} is not signed"));
        }
    }
    let mut words = request.line.split(' ');
    let (method, url) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut query = query.split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    query.sort();
    let mut canonical = format!("{method}\n{path}\n{}\n", query.join("&"));
    for name in signed.split(';') {
        let value = header(name)?.split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(canonical, "{name}:{value}").unwrap();
    }
    write!(canonical, "\n{signed}\n{hash}").unwrap();
    let canonical = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{canonical}", header("x-amz-date")?);
    let hmac = |key: &[u8], text: &str| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
    };
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for text in [day, region, service, "aws4_request"] {
        key = hmac(&key, text);
    }
    if hex(&hmac(&key, &text)) != part("Signature=")? {
        return Err("another signature".to_owned());
    }
    Ok(region.to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
