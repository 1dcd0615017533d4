//! S3: signatures, regions, parts, and what it refuses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use bytes::Bytes;
use pumice::context::Context;
use pumice::endpoint::{Endpoint, EndpointSettings, Service};
use pumice::s3::{S3, S3Uri};
use pumice::sign::{Scope, sign};
use pumice::{Client, Config, ErrorKind, Progress};
use support::capture::{self, Capture};
use support::cloud::{Cloud, SECRET};
use support::shared;

fn context(cloud: &Cloud) -> Context {
    capture::keys(capture::context()).with_env("AWS_ENDPOINT_URL_S3", &cloud.url)
}

fn config(cloud: &Cloud) -> Config {
    Config::new().region("us-east-1").context(context(cloud))
}

fn s3(cloud: &Cloud) -> S3 {
    S3::new(&Client::new(config(cloud)))
}

fn uri(text: &str) -> S3Uri {
    S3Uri::parse(text).unwrap()
}

async fn bytes(s3: &S3, from: &str) -> pumice::Result<Bytes> {
    s3.get(&uri(from)).await?.bytes().await
}

/// `length` bytes, each determined by its position.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn what_is_put_can_be_got_and_listed_under_any_key() {
    let cloud = Cloud::start();
    let s3 = s3(&cloud);
    let keys = ["a b+c&d=é%2F~!*'().jsonl", "a//b", "empty", "x/1", "x/2", "x/3", "ü/<&>\""];
    for key in keys {
        let text = if key == "empty" { "" } else { key };
        s3.put(&uri(&format!("s3://bucket/{key}")), text).await.unwrap();
        assert_eq!(cloud.object(key).as_deref(), Some(text.as_bytes()));
        assert_eq!(bytes(&s3, &format!("s3://bucket/{key}")).await.unwrap(), text);
    }
    // Two keys to a page.
    cloud.state().page = 2;
    let listed = s3.list(&uri("s3://bucket/")).await.unwrap();
    assert_eq!(listed.iter().map(|object| object.uri.key()).collect::<Vec<_>>(), keys);
    assert_eq!(listed[3].size, 3);
    let listed = s3.list(&uri("s3://bucket/x/")).await.unwrap();
    assert_eq!(listed.iter().map(|object| object.uri.name()).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert!(s3.list(&uri("s3://bucket/none")).await.unwrap().is_empty());
    assert_eq!(cloud.state().connections, 1, "connections are kept");
}

#[tokio::test]
async fn a_list_that_breaks_off_is_asked_for_again() {
    let cloud = Cloud::start();
    cloud.put("k", "x");
    cloud.state().cut_lists = 2;
    assert_eq!(s3(&cloud).list(&uri("s3://bucket/")).await.unwrap().len(), 1);
    cloud.state().cut_lists = 3;
    let error = s3(&cloud).list(&uri("s3://bucket/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenOff);
}

#[tokio::test]
async fn a_key_that_would_be_another_url_is_not_sent() {
    let cloud = Cloud::start();
    for key in ["", ".", "..", "a/../b", "a/./b"] {
        let error = s3(&cloud).put(&uri(&format!("s3://bucket/{key}")), "x").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{key}: {error}");
    }
    assert!(cloud.state().requests.is_empty());
}

#[tokio::test]
async fn a_large_object_is_uploaded_in_parts() {
    let cloud = Cloud::start();
    let s3 = s3(&cloud);
    for (length, parts) in [(0, 0), (8 * MIB - 1, 0), (8 * MIB, 1), (17 * MIB + 3, 3)] {
        cloud.state().requests.clear();
        let content = content(length);
        let mut seen = Vec::new();
        // In small pieces, as a pipe gives them.
        let mut reader = Pieces(&content);
        let sent =
            s3.upload(&uri("s3://bucket/big"), &mut reader, &mut |sent| seen.push(sent)).await.unwrap();
        assert_eq!((sent, seen.last().copied()), (length as u64, Some(length as u64)));
        assert!(seen.is_sorted());
        assert!(cloud.object("big").unwrap() == content, "{length}");
        assert_eq!(cloud.lines("partNumber=").len(), parts);
        assert!(cloud.state().uploads.is_empty());
    }
    assert!(cloud.state().largest <= 8 * MIB);
}

struct Pieces<'a>(&'a [u8]);

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let length = self.0.len().min(into.len()).min(100_003);
        let (piece, rest) = self.0.split_at(length);
        into[..length].copy_from_slice(piece);
        self.0 = rest;
        Ok(length)
    }
}

#[tokio::test]
async fn an_upload_that_fails_leaves_nothing() {
    let cloud = Cloud::start();
    cloud.state().last_part = 1;
    let content = content(9 * MIB);
    let sent = s3(&cloud).upload(&uri("s3://bucket/big"), &mut &*content, &mut |_| {}).await;
    assert_eq!(sent.unwrap_err().code(), Some("EntityTooLarge"));
    assert_eq!(cloud.lines("DELETE /bucket/big?uploadId=up%2B%2F%3D0").len(), 1);
    assert!(cloud.state().uploads.is_empty() && cloud.object("big").is_none());

    // So does a file that cannot be read to its end.
    let cloud = Cloud::start();
    let mut reader = (&*content).chain(Unreadable);
    let sent = s3(&cloud).upload(&uri("s3://bucket/big"), &mut reader, &mut |_| {}).await;
    assert_eq!(sent.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert!(cloud.state().uploads.is_empty() && cloud.object("big").is_none());
}

struct Unreadable;

impl Read for Unreadable {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::PermissionDenied.into())
    }
}

/// S3 sends status 200 and then fails.
#[tokio::test]
async fn an_error_with_status_200_at_the_end_of_an_upload_is_no_success() {
    let cloud = Cloud::start();
    let content = content(8 * MIB);
    cloud.state().failing_completions = 2;
    s3(&cloud).upload(&uri("s3://bucket/big"), &mut &*content, &mut |_| {}).await.unwrap();
    assert!(cloud.object("big").unwrap() == content);

    let cloud = Cloud::start();
    cloud.state().failing_completions = 3;
    let sent = s3(&cloud).upload(&uri("s3://bucket/big"), &mut &*content, &mut |_| {}).await;
    assert_eq!(sent.unwrap_err().code(), Some("InternalError"));
    assert!(cloud.state().uploads.is_empty() && cloud.object("big").is_none());
}

#[tokio::test]
async fn a_download_goes_on_where_it_broke_off() {
    for ranges in [true, false] {
        let cloud = Cloud::start();
        let whole = content(300_000);
        cloud.put("k", &*whole);
        cloud.state().ranges = ranges;
        cloud.state().cuts = if ranges { [100_000, 5, 0, 1].into() } else { [100_000, 150_000].into() };
        let (mut found, mut seen) = (Vec::new(), Vec::new());
        let length = s3(&cloud).download(&uri("s3://bucket/k"), &mut found, &mut |got| seen.push(got)).await;
        assert_eq!(length.unwrap(), 300_000);
        assert!(found == whole && seen.is_sorted() && seen.last() == Some(&300_000), "{ranges}");
        let first =
            cloud.state().requests.iter().find_map(|request| request.header("range").map(str::to_owned));
        assert_eq!(first.as_deref(), Some("bytes=100000-"));
    }
    // Not for ever.
    let cloud = Cloud::start();
    cloud.put("k", "content");
    cloud.state().cuts = [2, 0, 0, 0, 0].into();
    let error = s3(&cloud).download(&uri("s3://bucket/k"), &mut Vec::new(), &mut |_| {}).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BrokenOff);
}

#[tokio::test]
async fn a_download_of_an_object_that_changes_fails() {
    let cloud = Cloud::start();
    cloud.put("k", "old content");
    cloud.state().cuts = [3].into();
    let mut found = Vec::new();
    let error = s3(&cloud)
        .download(&uri("s3://bucket/k"), &mut found, &mut |_| cloud.put("k", "new content"))
        .await
        .unwrap_err();
    assert_eq!((error.code(), &*found), (Some("PreconditionFailed"), &b"old"[..]));
}

#[tokio::test]
async fn a_file_is_saved_whole_or_not_at_all() {
    let cloud = Cloud::start();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    std::fs::write(&path, "old").unwrap();
    cloud.put("k", "content");
    cloud.state().cuts = [2, 0, 0, 0, 0].into();
    s3(&cloud).save(&uri("s3://bucket/k"), &path, &mut |_| {}).await.unwrap_err();
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    cloud.state().cuts.clear();
    s3(&cloud).save(&uri("s3://bucket/k"), &path, &mut |_| {}).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"content");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn the_region_of_a_bucket_is_learnt_from_its_refusal() {
    for redirect in [301, 307, 400] {
        let cloud = Cloud::start();
        cloud.state().buckets.insert("elsewhere".to_owned(), "eu-west-3".to_owned());
        cloud.state().redirect = redirect;
        let s3 = s3(&cloud);
        s3.put(&uri("s3://elsewhere/k"), "x").await.unwrap();
        assert_eq!(bytes(&s3, "s3://elsewhere/k").await.unwrap(), "x");
        // Refused once; then it is known.
        assert_eq!(cloud.state().requests.len(), 3, "{redirect}");
        s3.put(&uri("s3://bucket/k"), "x").await.unwrap();
        assert_eq!(cloud.state().requests.len(), 4, "{redirect}");
    }
}

/// A region that names itself as another one would be asked for ever.
#[tokio::test]
async fn a_bucket_is_followed_once() {
    let cloud = Cloud::start();
    cloud.state().buckets.insert("elsewhere".to_owned(), "no region".to_owned());
    let error = bytes(&s3(&cloud), "s3://elsewhere/k").await.unwrap_err();
    assert_eq!(error.code(), Some("PermanentRedirect"));
    assert!(error.hint().is_some());
    assert_eq!(cloud.state().requests.len(), 1);
}

#[tokio::test]
async fn what_s3_throttles_is_sent_again() {
    let cloud = Cloud::start();
    cloud.state().slow_downs = 2;
    s3(&cloud).put(&uri("s3://bucket/k"), "x").await.unwrap();
    assert_eq!(cloud.object("k").as_deref(), Some(&b"x"[..]));

    cloud.state().slow_downs = 3;
    let error = s3(&cloud).put(&uri("s3://bucket/k"), "x").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Throttled, Some("SlowDown")));
    assert_eq!(error.message(), "SlowDown & more");
    assert_eq!(error.request_id(), Some("test-request-id"));
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let cloud = Cloud::start();
    let error = bytes(&s3(&cloud), "s3://none/k").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("NoSuchBucket")));
    assert!(error.hint().unwrap().to_string().contains("the name of the bucket"));
    let error = bytes(&s3(&cloud), "s3://bucket/none").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::NotFound, Some("NoSuchKey")));
    let wrong = Client::new(config(&cloud).access_keys("AKIDEXAMPLE", "another secret", None));
    let error = bytes(&S3::new(&wrong), "s3://bucket/k").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::AccessDenied, Some("SignatureDoesNotMatch")));
    assert!(error.hint().unwrap().to_string().contains("secret access key"), "{:?}", error.hint());
    let key = Client::new(config(&cloud).bearer_token("bedrock-api-key-x"));
    let error = bytes(&S3::new(&key), "s3://bucket/k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert!(error.message().starts_with("expected access keys for S3"), "{error}");
}

/// They are for Bedrock or for a gateway in front of it.
#[tokio::test]
async fn headers_and_endpoint_of_the_configuration_stay_with_bedrock() {
    let cloud = Cloud::start();
    let config =
        config(&cloud).header("x-gateway-key", "sekret").endpoint_url("http://127.0.0.1:9").project("p");
    let s3 = S3::new(&Client::new(config)).kms_key("alias/k");
    s3.put(&uri("s3://bucket/k"), "x").await.unwrap();
    let state = cloud.state();
    assert_eq!(state.requests[0].header("x-gateway-key"), None);
    assert_eq!(state.requests[0].header("x-amz-server-side-encryption"), Some("aws:kms"));
    let key = state.requests[0].header("x-amz-server-side-encryption-aws-kms-key-id");
    assert_eq!(key, Some("alias/k"));
    let authorization = state.requests[0].header("authorization").unwrap();
    assert!(authorization.contains("x-amz-server-side-encryption-aws-kms-key-id"), "{authorization}");
}

#[tokio::test]
async fn the_bucket_is_in_the_host_or_in_the_path() {
    for (bucket, region, env, url) in [
        ("my-bucket", "us-east-1", &[][..], "https://my-bucket.s3.us-east-1.amazonaws.com/k%20/%C3%B6"),
        ("my.bucket", "us-east-1", &[], "https://s3.us-east-1.amazonaws.com/my.bucket/k%20/%C3%B6"),
        ("my-bucket", "cn-north-1", &[], "https://my-bucket.s3.cn-north-1.amazonaws.com.cn/k%20/%C3%B6"),
        ("my-bucket", "us-gov-west-1", &[], "https://my-bucket.s3.us-gov-west-1.amazonaws.com/k%20/%C3%B6"),
        (
            "my-bucket",
            "us-gov-west-1",
            &[("AWS_USE_FIPS_ENDPOINT", "true")],
            "https://my-bucket.s3-fips.us-gov-west-1.amazonaws.com/k%20/%C3%B6",
        ),
        (
            "my-bucket",
            "eu-west-1",
            &[("AWS_USE_DUALSTACK_ENDPOINT", "true")],
            "https://my-bucket.s3.dualstack.eu-west-1.amazonaws.com/k%20/%C3%B6",
        ),
        (
            "my-bucket",
            "us-east-1",
            &[("AWS_USE_DUALSTACK_ENDPOINT", "true"), ("AWS_USE_FIPS_ENDPOINT", "true")],
            "https://my-bucket.s3-fips.dualstack.us-east-1.amazonaws.com/k%20/%C3%B6",
        ),
        (
            "my-bucket",
            "us-east-1",
            &[("AWS_ENDPOINT_URL_S3", "https://store.example:9000/s3/")],
            "https://store.example:9000/s3/my-bucket/k%20/%C3%B6",
        ),
        (
            "my-bucket",
            "us-east-1",
            &[("AWS_ENDPOINT_URL", "http://localhost:9000")],
            "http://localhost:9000/my-bucket/k%20/%C3%B6",
        ),
        (
            "my-bucket",
            "us-east-1",
            &[("AWS_ENDPOINT_URL_BEDROCK", "http://localhost:9")],
            "https://my-bucket.s3.us-east-1.amazonaws.com/k%20/%C3%B6",
        ),
    ] {
        let capture = Arc::new(Capture::answering([""]));
        let shown = Arc::new(Mutex::new(String::new()));
        let context = env.iter().fold(capture::keys(capture::context()), |context, (name, value)| {
            context.with_env(*name, *value)
        });
        let heard = Arc::clone(&shown);
        let config =
            Config::new().region(region).context(context).transport(capture.clone()).watch(move |step| {
                if let Progress::Sending { url, .. } = step {
                    (*url).clone_into(&mut heard.lock().unwrap());
                }
            });
        S3::new(&Client::new(config)).put(&uri(&format!("s3://{bucket}/k /ö")), "x").await.unwrap();
        assert_eq!(capture.only_request().uri().to_string(), url);
        assert_eq!(*shown.lock().unwrap(), url);
    }
}

#[test]
fn an_endpoint_can_come_from_the_services_of_a_profile() {
    let context = Context::fake().with_env("HOME", "/home").with_file(
        "/home/.aws/config",
        "[default]\nservices = local\n[services local]\ns3 =\n  endpoint_url = http://localhost:9000\n",
    );
    let config = Config::new().region("us-east-1").access_keys("AKIDEXAMPLE", SECRET, None).context(context);
    let capture = Arc::new(Capture::answering([""]));
    let s3 = S3::new(&Client::new(config.transport(capture.clone())));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(s3.put(&uri("s3://bucket/k"), "x")).unwrap();
    assert_eq!(capture.only_request().uri(), "http://localhost:9000/bucket/k");
    let settings = EndpointSettings { region: Some("eu-central-1"), ..Default::default() };
    let endpoint = Endpoint::resolve(Service::S3, &settings, |_| None).unwrap();
    assert_eq!(endpoint.url(), "https://s3.eu-central-1.amazonaws.com");
}

#[test]
#[ignore = "needs ../shared: recordings and vectors beside the project"]
fn signatures_for_s3_are_those_of_botocore() {
    let vectors = shared::json("vectors/sigv4-2.json");
    // 2026-11-27T04:00:00Z
    let now = SystemTime::UNIX_EPOCH + Duration::from_hours(498_820);
    assert_eq!(vectors["now"], "2026-11-27T04:00:00+00:00");
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let mut compared = 0;
    for case in vectors["s3"].as_array().unwrap() {
        let (name, vector) = (&case[0], &case[1]);
        let id = text(&vector["creds"]).unwrap();
        let credentials =
            Credentials::new(id, text(&vectors["secret"]).unwrap(), text(&vector["token"]), None, "v");
        let body = match name.as_str().unwrap() {
            "put_path_style" => "{\"recordId\":\"a\",\"modelInput\":{}}\n",
            "put_virtual" => "x",
            "upload_part" => "pppppppppp",
            "complete" => {
                "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Part><ETag>\"e1\"</ETag>\
                 <PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
            }
            _ => "",
        };
        let mut request = http::Request::builder()
            .method(&*text(&vector["method"]).unwrap())
            .uri(text(&vector["url"]).unwrap());
        let expected = vector["headers"].as_object().unwrap();
        let added = ["authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];
        for (name, value) in expected {
            if !added.contains(&&*name.to_lowercase()) {
                request = request.header(name, value.as_str().unwrap());
            }
        }
        let request = request.body(Bytes::from_static(body.as_bytes())).unwrap();
        let scope = Scope { region: vector["region"].as_str().unwrap(), service: "s3" };
        let signed = sign(&request, &credentials, scope, now).unwrap();
        for name in added {
            let expected = expected.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
            let expected = expected.and_then(|(_, value)| value.as_str());
            assert_eq!(signed.get(name).map(|value| value.to_str().unwrap()), expected, "{case}");
        }
        compared += 1;
    }
    assert_eq!(compared, 8);
}
