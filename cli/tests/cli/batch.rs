//! `pumice batch` against a fake S3 and a fake service of jobs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use support::cloud::{Cloud, SECRET};
use support::server::{Answer, Server, text_answer};
use tempfile::TempDir;

const ROLE: &str = "arn:aws:iam::123456789012:role/batch";

struct World {
    home: TempDir,
    cloud: Cloud,
}

/// What the program did.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ran {
    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self
    }

    /// It ended with this code and said this.
    #[track_caller]
    fn failed(self, code: i32, says: &[&str]) -> Self {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        for part in says {
            assert!(self.stderr.contains(part), "{part:?} in {}", self.stderr);
        }
        self
    }
}

impl World {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), cloud: Cloud::start() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, lines: &[String]) {
        fs::write(self.path(name), lines.join("\n") + "\n").unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_pumice"))
            .env_clear()
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL_S3", &self.cloud.url)
            .env("AWS_ENDPOINT_URL_BEDROCK", &self.cloud.url)
            .arg("batch")
            .args(arguments)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let ran = Ran { code: status.code().unwrap(), stdout: text(stdout), stderr: text(stderr) };
        assert!(!ran.stdout.contains(SECRET) && !ran.stderr.contains(SECRET), "{}{}", ran.stdout, ran.stderr);
        ran
    }

    /// Submits a file as the job `j`.
    fn submit(&self, file: &str, more: &[&str]) -> Ran {
        let arguments =
            ["submit", file, "--s3", "s3://bucket/jobs", "--role", ROLE, "-m", "m", "--name", "j"];
        self.run(&[&arguments, more].concat())
    }

    /// A job `j` of 120 records that takes this course.
    fn job(&self, course: &[&'static str]) {
        self.cloud.state().course = course.to_vec();
        self.write("in.jsonl", &records(120));
        self.submit("in.jsonl", &[]).ok();
    }

    fn json_lines(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn wait(&self) -> Ran {
        self.run(&["wait", "j", "--every", "0.001"])
    }
}

fn record(number: usize) -> String {
    let content = json!([{"text": format!("Question {number}")}]);
    let input =
        json!({"messages": [{"role": "user", "content": content}], "inferenceConfig": {"maxTokens": 9}});
    json!({"recordId": format!("r{number}"), "modelInput": input}).to_string()
}

fn records(count: usize) -> Vec<String> {
    (0..count).map(record).collect()
}

#[test]
fn a_job_is_created_waited_for_and_fetched_in_the_order_of_its_input() {
    let world = World::new();
    let mut lines = records(120);
    // As people write them: without an id, with a model, with spaces.
    lines[7] = r#"{"prompt":"Why does pumice float?"}"#.to_owned();
    lines[9] = lines[9].replacen(r#""modelInput":{"#, r#""modelInput": {"modelId":"m","#, 1);
    world.write("my in.jsonl", &lines);
    let ran = world
        .submit("my in.jsonl", &["--hours", "48", "--tag", "team=a=b", "--tag", "x=", "--kms-key", "k1"])
        .ok();
    let arn = "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/job000000001";
    assert_eq!(ran.stdout, format!("{arn}\n"));
    let request = world.cloud.state().jobs[0].request.clone();
    let token = request["clientRequestToken"].as_str().unwrap().to_owned();
    assert_eq!(
        request,
        json!({
            "jobName": "j", "roleArn": ROLE, "modelId": "m", "modelInvocationType": "Converse",
            "inputDataConfig": {"s3InputDataConfig":
                {"s3InputFormat": "JSONL", "s3Uri": "s3://bucket/jobs/j/my-in.jsonl"}},
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://bucket/jobs/j/", "s3EncryptionKeyId": "k1"}},
            "timeoutDurationInHours": 48, "tags": [{"key": "team", "value": "a=b"}, {"key": "x", "value": ""}],
            "clientRequestToken": token,
        })
    );
    let uploaded = String::from_utf8(world.cloud.object("jobs/j/my-in.jsonl").unwrap()).unwrap();
    let uploaded =
        uploaded.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    assert_eq!(uploaded.len(), 120);
    assert_eq!(uploaded[0].to_string(), record(0));
    assert_eq!(uploaded[9].to_string(), record(9));
    let prompt = json!({"messages": [{"role": "user", "content": [{"text": "Why does pumice float?"}]}]});
    assert_eq!(uploaded[7], json!({"recordId": "CALL0000008", "modelInput": prompt}));

    let status = world.run(&["status", "j"]).ok();
    assert!(
        status.stdout.contains("status      Submitted\n") && status.stdout.contains(arn),
        "{}",
        status.stdout
    );
    let status = world.run(&["status", "job000000001", "--json"]).ok();
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!((&status["jobName"], &status["status"]), (&json!("j"), &json!("Validating")));
    world.run(&["fetch", arn]).failed(4, &["job j is Scheduled", "hint: run pumice batch wait j"]);

    let waited = world.wait().ok();
    assert_eq!(waited.stdout, "");
    for line in ["job j: InProgress, 60 of 120 records\n", "note: job j is Completed, 120 records\n"] {
        assert!(waited.stderr.contains(line), "{}", waited.stderr);
    }
    let fetched = world.run(&["fetch", "j"]).ok();
    assert!(fetched.stderr.contains("note: 120 results in j.jsonl\n"), "{}", fetched.stderr);
    assert!(fetched.stderr.contains("1440 tokens in, 840 tokens out"), "{}", fetched.stderr);
    let results = world.json_lines("j.jsonl");
    let ids = |lines: &[Value]| lines.iter().map(|line| line["recordId"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&results), ids(&uploaded));
    assert_eq!(results[3]["modelInput"], uploaded[3]["modelInput"]);
    assert_eq!(results[3]["modelOutput"]["stopReason"], "end_turn");
    let left = fs::read_dir(world.home.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.filter(|name| name != "config").count(), 2, "nothing else is left");
}

/// The same file here and as a job: the same results in the same order.
#[test]
fn bulk_and_batch_give_the_same_results() {
    let world = World::new();
    let mut lines = records(117);
    // In the forms in which people write them.
    lines.insert(5, r#"{"prompt":"Wie heißt der Vulkan?"}"#.to_owned());
    lines.insert(8, String::new());
    lines.insert(9, r#" { "recordId" : "x" , "modelId":"m", "more": 1, "modelInput" : {"system":[ {"text":"a\u00e9\\n"} ], "messages" : [{"role":"user","content":[{"text":"Hi"}]}], "new":{"n":1.50} } } "#.to_owned());
    lines.push(r#"{"recordId":"last \"","modelInput":{"modelId":"m","messages":[{"role":"user","content":[{"text":"Hi"}]}]}}"#.to_owned());
    world.write("in.jsonl", &lines);
    world.submit("in.jsonl", &[]).ok();
    world.wait().ok();
    world.run(&["fetch", "j", "--out", "batch.jsonl"]).ok();

    let runtime = Server::start([Answer::stream(text_answer(&["H", "i"]))]);
    let ran = Command::new(env!("CARGO_BIN_EXE_pumice"))
        .env_clear()
        .current_dir(world.home.path())
        .env("HOME", world.home.path())
        .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", &runtime.url)
        .args(["bulk", "in.jsonl", "--out", "bulk.jsonl", "--ordered", "-m", "m"])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let [batch, bulk] =
        ["batch.jsonl", "bulk.jsonl"].map(|name| fs::read_to_string(world.path(name)).unwrap());
    assert_eq!(batch.lines().count(), 120);
    assert_eq!(batch.lines().count(), bulk.lines().count());
    for (batch, bulk) in batch.lines().zip(bulk.lines()) {
        let parts = |line: &str| {
            let (record, output) = line.split_once(r#","modelOutput":"#).unwrap();
            // The service writes its members in another order.
            (record.to_owned(), serde_json::from_str::<Value>(output.strip_suffix('}').unwrap()).unwrap())
        };
        assert_eq!(parts(batch), parts(bulk));
    }
}

#[test]
fn records_that_a_job_cannot_take_are_named_by_their_lines() {
    let world = World::new();
    let mut lines = records(120);
    lines[1] = "not JSON".to_owned();
    lines[3] =
        lines[3].replacen(r#"{"inferenceConfig""#, r#"{"toolConfig":{"tools":[]},"inferenceConfig""#, 1);
    lines[5] = lines[5].replace(r#""recordId":"r5""#, r#""recordId":"r2""#);
    lines[7] = lines[7].replace(r#""recordId":"r7","#, "").replace(r#","recordId":"r7""#, "");
    world.write("in.jsonl", &lines);
    world.submit("in.jsonl", &[]).failed(
        2,
        &[
            "in.jsonl, line 2: expected a JSON object",
            "in.jsonl, line 4: modelInput: expected no toolConfig",
            "in.jsonl, line 6: expected a recordId of its own, found that of line 3: \"r2\"",
            "in.jsonl, line 8: expected recordId",
            "4 of 120 records cannot be in a batch job",
        ],
    );
    // One model.
    let mut lines = records(120);
    lines[40] = lines[40].replacen('{', r#"{"modelId":"other","#, 1);
    world.write("in.jsonl", &lines);
    world.submit("in.jsonl", &[]).failed(2, &["expected m, the model of line 1", "found other"]);
    // The least number.
    world.write("in.jsonl", &records(99));
    world.submit("in.jsonl", &[]).failed(2, &["expected at least 100 records", "found 99", "--force"]);
    world.write("in.jsonl", &[]);
    world.submit("in.jsonl", &[]).failed(2, &["found 0"]);
    assert!(world.cloud.state().requests.is_empty(), "something was sent");
    world.write("in.jsonl", &records(3));
    world.submit("in.jsonl", &["--force"]).ok();
}

#[test]
fn wrong_usage_is_found_before_anything_is_sent() {
    let world = World::new();
    world.write("in.jsonl", &records(120));
    let s3 = ["--s3", "s3://bucket/p"];
    let role = ["--role", ROLE];
    let submit = |more: &[&str]| world.run(&[&["submit", "in.jsonl"], more].concat());
    submit(&s3).failed(2, &["expected --role ARN"]);
    submit(&role).failed(2, &["expected --s3"]);
    submit(&[&s3[..], &["--role", "arn:aws:iam::1:user/x"]].concat()).failed(2, &["--role: expected an ARN"]);
    submit(&[&role[..], &["--s3", "s3://Bucket/p"]].concat()).failed(2, &["--s3: expected a bucket"]);
    submit(&[&role[..], &["--s3", "bucket/p"]].concat()).failed(2, &["--s3: expected s3://BUCKET/KEY"]);
    submit(&[&role[..], &["--s3", "s3://bucket/a b"]].concat()).failed(2, &["found ' '"]);
    let named = |more: &[&str]| submit(&[&s3[..], &role, &["-m", "m"], more].concat());
    named(&["--name", "a_b"]).failed(2, &["--name: expected a name of at most 63"]);
    named(&["--hours", "12"]).failed(2, &["--hours: expected a whole number from 24 to 168"]);
    named(&["--tag", "x"]).failed(2, &["--tag: expected KEY=VALUE"]);
    named(&["--out", "x"]).failed(2, &["--out goes with pumice batch fetch"]);
    named(&["--endpoint-url", &world.cloud.url]).failed(2, &["AWS_ENDPOINT_URL_S3"]);
    world
        .run(&["submit", "none.jsonl", "--s3", "s3://bucket/p", "--role", ROLE, "-m", "m"])
        .failed(2, &["none.jsonl"]);
    world.run(&["stats", "j"]).failed(2, &["did you mean status?"]);
    world.run(&["status"]).failed(2, &["expected one JOB"]);
    world.run(&["status", "arn:aws:s3:::bucket"]).failed(2, &["expected the ARN of a batch job"]);
    world.run(&["list", "--status", "Done"]).failed(2, &["--status: expected one of Submitted"]);
    world.run(&["list", "--after", "yesterday"]).failed(2, &["--after: expected a day"]);
    world.run(&[]).failed(2, &["expected submit, status"]);
    assert!(world.cloud.state().requests.is_empty(), "something was sent");
}

#[test]
fn a_wait_ends_with_the_job_and_says_how() {
    for (end, hint) in [
        ("PartiallyCompleted", "pumice batch fetch j"),
        ("Failed", "check that the role can read"),
        ("Stopped", "pumice batch fetch j"),
        ("Expired", "--hours"),
    ] {
        let world = World::new();
        world.job(&["Submitted", "Scheduled", "InProgress", end]);
        let ran = world.wait().failed(1, &[&format!("error: job j is {end}"), hint]);
        assert!(ran.stderr.contains("job j: Scheduled\n"), "{}", ran.stderr);
    }
    let world = World::new();
    world.cloud.state().message = Some("Access denied to s3://bucket".to_owned());
    world.job(&["Failed"]);
    let ran = world.wait().failed(1, &["error: job j is Failed: Access denied to s3://bucket"]);
    assert!(!ran.stderr.contains("hint:"), "{}", ran.stderr);
    world.run(&["fetch", "j"]).failed(1, &["job j is Failed, and has no results: Access denied"]);
}

#[test]
fn records_with_errors_come_into_a_file_of_their_own() {
    let world = World::new();
    world.cloud.state().answer = |input| {
        let text = input["messages"][0]["content"][0]["text"].as_str().unwrap();
        if text.ends_with('5') { Err((400, "too long")) } else { Ok(json!({"output": text})) }
    };
    world.job(&["PartiallyCompleted"]);
    let ran = world.run(&["fetch", "j", "--out", "out.jsonl"]).ok();
    assert!(ran.stderr.contains("warning: records with an error: 12, in out.errors.jsonl"), "{}", ran.stderr);
    let (results, errors) = (world.json_lines("out.jsonl"), world.json_lines("out.errors.jsonl"));
    assert_eq!((results.len(), errors.len()), (108, 12));
    assert_eq!(errors[1]["recordId"], "r15");
    assert_eq!(errors[1]["error"], json!({"errorCode": 400, "errorMessage": "too long"}));

    // Nothing is replaced unsaid.
    let before = fs::read(world.path("out.jsonl")).unwrap();
    world.run(&["fetch", "j", "--out", "out.jsonl"]).failed(2, &["out.jsonl already exists", "--force"]);
    fs::remove_file(world.path("out.jsonl")).unwrap();
    world.run(&["fetch", "j", "--out", "out.jsonl"]).failed(2, &["out.errors.jsonl already exists"]);
    world.run(&["fetch", "j", "--out", "out.jsonl", "--force"]).ok();
    assert_eq!(fs::read(world.path("out.jsonl")).unwrap(), before);
}

#[test]
fn results_without_their_input_are_brought_in_another_order() {
    let world = World::new();
    world.job(&["Completed"]);
    world.run(&["status", "j"]).ok();
    world.cloud.state().objects.retain(|(_, key), _| !key.ends_with("/in.jsonl"));
    let ran = world.run(&["fetch", "j"]).ok();
    assert!(ran.stderr.contains("are in the service's order"), "{}", ran.stderr);
    let results = world.json_lines("j.jsonl");
    assert_eq!((results.len(), &results[0]["recordId"]), (120, &json!("r119")));
}

#[test]
fn a_download_that_fails_leaves_no_file() {
    let world = World::new();
    world.job(&["Completed"]);
    world.run(&["status", "j"]).ok();
    world.cloud.state().cuts = [10, 0, 0, 0, 0].into();
    world.run(&["fetch", "j"]).failed(4, &["the connection broke off"]);
    let left = fs::read_dir(world.home.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.filter(|name| name != "config").collect::<Vec<_>>(), ["in.jsonl"]);
}

#[test]
fn a_job_is_found_by_its_arn_its_id_or_its_name() {
    let world = World::new();
    world.job(&["InProgress"]);
    for name in
        ["j", "job000000001", "arn:aws:bedrock:us-east-1:123456789012:model-invocation-job/job000000001"]
    {
        let ran = world.run(&["status", name]).ok();
        assert!(ran.stdout.contains("job000000001"), "{}", ran.stdout);
    }
    world.run(&["status", "jj"]).failed(1, &["there is no batch job \"jj\"", "did you mean j?"]);
    world.run(&["stop", "none"]).failed(1, &["there is no batch job \"none\""]);
    // A name that looks like an id.
    world.write("in.jsonl", &records(120));
    world.submit("in.jsonl", &["--name", "abcdefghijkl"]).ok();
    assert!(world.run(&["status", "abcdefghijkl"]).ok().stdout.contains("job000000002"));

    let list = world.run(&["list"]).ok().stdout;
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines = list.lines().map(words).collect::<Vec<_>>();
    assert_eq!(lines[0], ["NAME", "STATUS", "RECORDS", "SUBMITTED", "ID", "MODEL"]);
    assert_eq!(lines[1][0], "abcdefghijkl");
    assert_eq!(lines[2], ["j", "InProgress", "60", "of", "120", "2026-11-27T04:00:00", "job000000001", "m"]);
    let filters = [
        "--status",
        "inprogress",
        "--name",
        "abc",
        "--after",
        "2026-11-01",
        "--before",
        "2026-12-01T00:00:00Z",
    ];
    let list = world.run(&[&["list", "--json"], &filters[..]].concat()).ok().stdout;
    assert_eq!(list.lines().count(), 1);
    let asked = world.cloud.lines("/model-invocation-jobs?").pop().unwrap();
    for part in [
        "statusEquals=InProgress",
        "nameContains=abc",
        "submitTimeAfter=2026-11-01T00%3A00%3A00Z",
        "submitTimeBefore=2026-12-01T00%3A00%3A00Z",
        "sortOrder=Descending",
    ] {
        assert!(asked.contains(part), "{part} in {asked}");
    }
    world.run(&["stop", "j"]).ok();
    world.wait().failed(1, &["job j is Stopped"]);
}

#[test]
fn input_in_s3_is_used_where_it_lies() {
    let world = World::new();
    world.cloud.put("data/in.jsonl", records(120).join("\n"));
    world.cloud.put("data/media/a.png", "x");
    let submit = |input: &str, more: &[&str]| {
        world.run(&[&["submit", input, "--role", ROLE, "-m", "m"], more].concat())
    };
    submit("s3://bucket/data/in.jsonl", &["--name", "a"]).ok();
    submit("s3://bucket/data/", &["--name", "b", "--s3", "s3://bucket/results"]).ok();
    submit("s3://bucket/data/in.jsonl", &["--name", "c", "--invoke-model"]).ok();
    let places = |at: usize| {
        let job = world.cloud.state().jobs[at].request.clone();
        let uri = |config: &str, of: &str| job[config][of]["s3Uri"].as_str().unwrap().to_owned();
        let (input, output) =
            (uri("inputDataConfig", "s3InputDataConfig"), uri("outputDataConfig", "s3OutputDataConfig"));
        (input, output, job["modelInvocationType"].as_str().unwrap().to_owned())
    };
    let place =
        |input: &str, output: &str, form: &str| (input.to_owned(), output.to_owned(), form.to_owned());
    assert_eq!(places(0), place("s3://bucket/data/in.jsonl", "s3://bucket/data/a/", "Converse"));
    assert_eq!(places(1), place("s3://bucket/data/", "s3://bucket/results/b/", "Converse"));
    assert_eq!(places(2), place("s3://bucket/data/in.jsonl", "s3://bucket/data/c/", "InvokeModel"));
    assert!(world.cloud.lines("PUT ").is_empty());
    submit("s3://bucket/data/none.jsonl", &[]).failed(2, &["expected a file that ends with .jsonl"]);
    submit("s3://bucket/data", &[]).failed(2, &["expected a file that ends with .jsonl", "with /"]);
    submit("s3://bucket/none/", &[]).failed(2, &["expected files that end with .jsonl"]);

    world.run(&["wait", "b", "--every", "0.001"]).ok();
    world.run(&["fetch", "b"]).ok();
    let results = world.json_lines("b.jsonl");
    assert_eq!(results.iter().map(|line| line["recordId"].as_str().unwrap()).nth(119), Some("r119"));
}

#[test]
fn a_bucket_in_another_region_and_a_busy_service_make_no_difference() {
    let world = World::new();
    world.cloud.state().buckets.insert("bucket".to_owned(), "eu-west-3".to_owned());
    world.cloud.state().slow_downs = 2;
    // Two parts.
    let long = "x".repeat(80_000);
    let lines = records(120).into_iter().map(|line| line.replace("Question", &long));
    world.write("in.jsonl", &lines.collect::<Vec<_>>());
    world.submit("in.jsonl", &[]).ok();
    assert_eq!(world.cloud.lines("partNumber=").len(), 2);
    world.wait().ok();
    world.cloud.state().slow_downs = 2;
    world.run(&["fetch", "j"]).ok();
    assert_eq!(world.json_lines("j.jsonl").len(), 120);
}

#[test]
fn no_input_of_another_job_is_replaced() {
    let world = World::new();
    world.write("in.jsonl", &records(120));
    world.cloud.put("jobs/j/in.jsonl", "another's");
    world.submit("in.jsonl", &[]).failed(2, &["s3://bucket/jobs/j/in.jsonl already exists", "--name"]);
    assert_eq!(world.cloud.object("jobs/j/in.jsonl").unwrap(), b"another's");
    assert!(world.cloud.state().jobs.is_empty());
}

#[test]
fn a_job_that_is_refused_after_the_upload_can_be_submitted_again() {
    let world = World::new();
    world.job(&["InProgress"]);
    let arguments =
        ["submit", "in.jsonl", "--s3", "s3://bucket/elsewhere", "--role", ROLE, "-m", "m", "--name", "j"];
    world.run(&arguments).failed(
        1,
        &["ConflictException", "the input is uploaded: submit s3://bucket/elsewhere/j/in.jsonl next time"],
    );
}

#[test]
fn an_api_key_is_not_enough() {
    let world = World::new();
    world.write("in.jsonl", &records(120));
    let ran = Command::new(env!("CARGO_BIN_EXE_pumice"))
        .env_clear()
        .env("HOME", world.home.path())
        .env("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-sekret")
        .env("AWS_ENDPOINT_URL", &world.cloud.url)
        .current_dir(world.home.path())
        .args(["batch", "submit", "in.jsonl", "--s3", "s3://bucket/p", "--role", ROLE, "-m", "m"])
        .output()
        .unwrap();
    let stderr = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("expected access keys for S3") && !stderr.contains("sekret"), "{stderr}");
}

#[test]
fn a_recording_of_it_can_be_replayed() {
    let world = World::new();
    world.write("in.jsonl", &records(120));
    let submitted = world.submit("in.jsonl", &["--record", "submit.rec"]).ok();
    world.wait().ok();
    let fetched = world.run(&["fetch", "j", "--record", "fetch.rec"]).ok();
    let results = fs::read(world.path("j.jsonl")).unwrap();
    let recording = fs::read_to_string(world.path("submit.rec")).unwrap();
    assert!(!recording.contains("AKIDEXAMPLE") && !recording.contains("Signature="), "{recording}");

    world.cloud.state().requests.clear();
    fs::remove_file(world.path("j.jsonl")).unwrap();
    let again = world.submit("in.jsonl", &["--replay", "submit.rec"]).ok();
    assert_eq!((&again.stdout, &again.stderr), (&submitted.stdout, &submitted.stderr));
    let again = world.run(&["fetch", "j", "--replay", "fetch.rec"]).ok();
    assert_eq!(again.stderr, fetched.stderr);
    assert_eq!(fs::read(world.path("j.jsonl")).unwrap(), results);
    assert!(world.cloud.state().requests.is_empty());
}
