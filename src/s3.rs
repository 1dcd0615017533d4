//! Files in S3: put, get, list, and large ones in parts. What batch jobs need, not all of S3.
//!
//! A request goes to `https://BUCKET.s3.REGION.amazonaws.com/KEY`. The bucket is in the path instead if it has a dot,
//! for which no certificate exists, and with an endpoint of one's own: `AWS_ENDPOINT_URL_S3`, or `s3` in the services of
//! the profile. The region is that of the client; where the bucket is in another one, S3 says so, and the client
//! remembers it. What S3 throttles (`SlowDown`) is retried as other calls are.
//!
//! Sources: the [API reference](https://docs.aws.amazon.com/AmazonS3/latest/API/Welcome.html),
//! [multipart uploads](https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html).

use std::fmt::{self, Write as _};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, RANGE};
use http::{Method, StatusCode};

use crate::client::Client;
use crate::operation::Call;
use crate::retry::Retry;
use crate::stream::ResponseBody;
use crate::url::decode_label;
use crate::{Error, ErrorKind, Response, Result, xml};

/// The place of an object, `s3://BUCKET/KEY`, or of all objects whose keys begin so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Uri {
    bucket: String,
    key: String,
}

impl S3Uri {
    /// Reads `s3://BUCKET`, `s3://BUCKET/` or `s3://BUCKET/KEY`.
    ///
    /// Fails with [`ErrorKind::InvalidInput`] unless the bucket's name follows the
    /// [rules](https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html).
    ///
    /// ```
    /// use pumice::s3::S3Uri;
    ///
    /// let folder = S3Uri::parse("s3://my-bucket/jobs/")?;
    /// assert_eq!(folder.join("in.jsonl").to_string(), "s3://my-bucket/jobs/in.jsonl");
    /// # Ok::<(), pumice::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = |expected: &str| {
            Error::new(ErrorKind::InvalidInput, format!("expected {expected}, found {text:?}"))
        };
        let rest = text.strip_prefix("s3://").ok_or_else(|| invalid("s3://BUCKET/KEY"))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = (3..=63).contains(&bucket.len())
            && bucket.bytes().all(|byte| letter(byte) || matches!(byte, b'-' | b'.'))
            && [bucket.bytes().next(), bucket.bytes().next_back()].into_iter().flatten().all(letter)
            && !bucket.contains("..")
            && bucket.parse::<std::net::Ipv4Addr>().is_err();
        if !fits {
            return Err(invalid(
                "a bucket of 3 to 63 lower-case letters, digits, dots and hyphens, with a letter or digit at both ends",
            ));
        }
        if key.len() > LONGEST_KEY {
            return Err(invalid("a key of at most 1024 bytes"));
        }
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The key, without a slash before it. Empty for the whole bucket.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The key after its last slash.
    pub fn name(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }

    /// The folder that it is in: the key up to its last slash.
    pub fn folder(&self) -> Self {
        let end = self.key.rfind('/').map_or(0, |slash| slash + 1);
        self.with_key(self.key.get(..end).unwrap_or_default().to_owned())
    }

    /// The place of this name in this folder. A slash is put between them if the key does not end with one.
    pub fn join(&self, name: &str) -> Self {
        let separator = if self.key.is_empty() || self.key.ends_with('/') { "" } else { "/" };
        self.with_key(format!("{}{separator}{name}", self.key))
    }

    fn with_key(&self, key: String) -> Self {
        Self { bucket: self.bucket.clone(), key }
    }
}

impl fmt::Display for S3Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// An object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Object {
    /// Where it is.
    pub uri: S3Uri,
    /// How many bytes it has.
    pub size: u64,
}

/// S3, with the credentials, the network and the retries of a client. Access keys are needed: S3 takes no Bedrock API
/// key.
///
/// ```no_run
/// use pumice::Client;
/// use pumice::s3::{S3, S3Uri};
///
/// # async fn example() -> pumice::Result<()> {
/// let s3 = S3::new(&Client::from_env());
/// s3.put(&S3Uri::parse("s3://my-bucket/hello.txt")?, "Hello").await?;
/// for object in s3.list(&S3Uri::parse("s3://my-bucket/")?).await? {
///     println!("{} {}", object.uri, object.size);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct S3 {
    client: Client,
    kms_key: Option<String>,
    replaces: bool,
}

impl S3 {
    /// S3 as this client reaches it. Headers and endpoint of the client's configuration are Bedrock's, and not used.
    pub fn new(client: &Client) -> Self {
        Self { client: client.clone(), kms_key: None, replaces: true }
    }

    /// Has S3 encrypt what is written with this KMS key, by its id or ARN. Otherwise the bucket's own settings decide.
    pub fn kms_key(mut self, key: impl Into<String>) -> Self {
        self.kms_key = Some(key.into());
        self
    }

    /// Refuses to replace an object: writing one that exists fails with the code `PreconditionFailed`. Other stores than
    /// Amazon's may not heed it.
    pub fn without_replacing(mut self) -> Self {
        self.replaces = false;
        self
    }

    /// Writes an object. At most 5 GiB; [`upload`](Self::upload) is for more, and for what is not in memory.
    pub async fn put(&self, to: &S3Uri, content: impl Into<Bytes>) -> Result<()> {
        let call = self.guarded(self.encrypted(call(Method::PUT, to)?)?)?.body(content);
        self.whole(&call).await.map(drop)
    }

    /// Writes an object from a reader, in parts of 8 MiB if it has more than one. Only one part is in memory at a time.
    /// Nothing can be seen of the object before it is complete. If the upload fails, its parts are removed; if the
    /// program ends, they stay, and the bucket's lifecycle rules can remove them. Returns the number of bytes.
    ///
    /// `progress` gets the number of bytes that S3 has, after each part. The reader may block.
    ///
    /// Fails with the kind of the [`io::Error`](std::io::Error) if the reader fails.
    pub async fn upload(
        &self,
        to: &S3Uri,
        content: &mut (dyn Read + Send),
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<u64> {
        let first = read_part(content)?;
        if first.len() < PART {
            let length = first.len() as u64;
            self.put(to, first).await?;
            progress(length);
            return Ok(length);
        }
        let started = self.encrypted(call(Method::POST, to)?)?.query("uploads", "");
        let body = self.whole(&started).await?;
        let upload = xml::text(&body, "UploadId").ok_or_else(|| damaged("an UploadId"))?;
        let sent = self.parts(to, &upload, first, content, progress).await;
        if sent.is_err() {
            // The first failure is reported; a second one here says no more.
            let _ = self.whole(&call(Method::DELETE, to)?.query("uploadId", upload.as_str())).await;
        }
        sent
    }

    async fn parts(
        &self,
        to: &S3Uri,
        upload: &str,
        mut part: Bytes,
        content: &mut (dyn Read + Send),
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<u64> {
        let mut list =
            String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        let (mut number, mut length) = (0, 0);
        while !part.is_empty() {
            number += 1;
            length += part.len() as u64;
            let call = call(Method::PUT, to)?
                .query("partNumber", number.to_string())
                .query("uploadId", upload)
                .body(part);
            let (head, _) = self.client.whole_of_s3(&call).await?;
            let etag = head.headers.get(ETAG).and_then(|etag| etag.to_str().ok());
            let etag = etag.ok_or_else(|| damaged("an ETag of each part"))?;
            // Writing to a string cannot fail.
            let _ = write!(
                list,
                "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>",
                etag.replace('&', "&amp;").replace('<', "&lt;")
            );
            progress(length);
            part = read_part(content)?;
        }
        list.push_str("</CompleteMultipartUpload>");
        let complete = call(Method::POST, to)?.query("uploadId", upload).body(list);
        let complete = self.guarded(with_header(complete, CONTENT_TYPE, "application/xml")?)?;
        let mut attempt = 1;
        loop {
            let body = self.whole(&complete).await?;
            // S3 sends the status before it knows whether it succeeds.
            let Some(code) = xml::text(&body, "Code").filter(|_| body.contains("<Error>")) else {
                return Ok(length);
            };
            let message = xml::text(&body, "Message").map(|text| text.to_string()).unwrap_or_default();
            let kind = ErrorKind::of_service(&code, &message, Some(500));
            let error = Error::new(kind, message).with_code(code.as_str());
            let delay = self.delay(&error, attempt);
            tokio::time::sleep(delay.ok_or(error)?).await;
            attempt += 1;
        }
    }

    /// The content of an object, as it arrives.
    pub async fn get(&self, from: &S3Uri) -> Result<Response<ResponseBody>> {
        self.client.send_raw(&call(Method::GET, from)?).await
    }

    /// Writes the content of an object to a writer, and goes on where it was if the connection breaks off. Returns the
    /// number of bytes. The writer may block.
    ///
    /// `progress` gets the number of bytes so far.
    ///
    /// Fails if the object is replaced while it is read.
    pub async fn download(
        &self,
        from: &S3Uri,
        into: &mut (dyn Write + Send),
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<u64> {
        let (mut written, mut failures) = (0, 0);
        let mut version: Option<HeaderValue> = None;
        loop {
            let mut call = call(Method::GET, from)?;
            let mut skipped = 0;
            if let Some(version) = version.take().filter(|_| written > 0) {
                call.headers.insert(IF_MATCH, version);
                call = with_header(call, RANGE, &format!("bytes={written}-"))?;
                skipped = written;
            }
            let response = self.client.send_raw(&call).await?;
            version = response.headers().get(ETAG).cloned();
            // A store that knows no ranges sends all of it again.
            if response.status() == StatusCode::PARTIAL_CONTENT {
                skipped = 0;
            }
            let before = written;
            let mut body = response.into_inner();
            let error = loop {
                match body.next_chunk().await {
                    Ok(Some(mut chunk)) => {
                        let known = usize::try_from(skipped).unwrap_or(usize::MAX).min(chunk.len());
                        skipped -= known as u64;
                        let new = chunk.split_off(known);
                        into.write_all(&new)?;
                        written += new.len() as u64;
                        progress(written);
                    }
                    Ok(None) => return Ok(written),
                    Err(error) => break error,
                }
            };
            failures = if written > before { 1 } else { failures + 1 };
            // Without a version, two halves of different objects could be joined.
            let resumable = version.is_some() || written == 0;
            let delay = self.delay(&error, failures).filter(|_| resumable);
            tokio::time::sleep(delay.ok_or(error)?).await;
        }
    }

    /// Writes the content of an object into a file, which is replaced when all of it has arrived. See
    /// [`download`](Self::download).
    pub async fn save(
        &self,
        from: &S3Uri,
        path: &Path,
        progress: &mut (dyn FnMut(u64) + Send),
    ) -> Result<u64> {
        let mut file = self.client.config().0.context.replace_file(path)?;
        let length = self.download(from, &mut file, progress).await?;
        file.finish()?;
        Ok(length)
    }

    /// All objects whose keys begin with this key, in the order of their keys.
    pub async fn list(&self, prefix: &S3Uri) -> Result<Vec<Object>> {
        let mut objects = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut call = Call::to_object(Method::GET, &prefix.bucket, "")
                .query("list-type", "2")
                .query("prefix", &*prefix.key)
                // XML cannot hold every key.
                .query("encoding-type", "url");
            if let Some(token) = &token {
                call = call.query("continuation-token", token);
            }
            let body = self.whole(&call).await?;
            let is_encoded = xml::text(&body, "EncodingType").is_some_and(|form| *form == "url");
            for object in xml::elements(&body, "Contents") {
                let key = xml::text(object, "Key").ok_or_else(|| damaged("a Key of each object"))?;
                let key = if is_encoded {
                    decode_label(&key.replace('+', " ")).ok_or_else(|| damaged("keys in UTF-8"))?
                } else {
                    key.to_string()
                };
                let size = xml::text(object, "Size").and_then(|size| size.parse().ok());
                let size = size.ok_or_else(|| damaged("a Size of each object"))?;
                objects.push(Object { uri: prefix.with_key(key), size });
            }
            if objects.len() > MOST_OBJECTS {
                return Err(damaged("at most 1,000,000 objects"));
            }
            let next = xml::text(&body, "NextContinuationToken").map(|token| token.to_string());
            if next.is_none() || next == token {
                return Ok(objects);
            }
            token = next;
        }
    }

    /// The text of a response that is XML or empty.
    async fn whole(&self, call: &Call) -> Result<String> {
        let (_, body) = self.client.whole_of_s3(call).await?;
        String::from_utf8(body.into()).map_err(|_| damaged("XML in UTF-8"))
    }

    /// The pause before the next attempt, if there is one.
    fn delay(&self, error: &Error, attempt: u32) -> Option<Duration> {
        Retry::standard().delay(error, attempt, self.client.config().0.context.chance())
    }

    /// The call that makes an object, which may not replace another.
    fn guarded(&self, call: Call) -> Result<Call> {
        if self.replaces { Ok(call) } else { with_header(call, IF_NONE_MATCH, "*") }
    }

    fn encrypted(&self, call: Call) -> Result<Call> {
        match &self.kms_key {
            Some(key) => {
                let call = with_header(call, ENCRYPTION, "aws:kms")?;
                with_header(call, KMS_KEY, key)
            }
            None => Ok(call),
        }
    }
}

/// A call of one object. Without a key, S3 would take it for one of the bucket.
fn call(method: Method, uri: &S3Uri) -> Result<Call> {
    if uri.key.is_empty() {
        let message = format!("expected s3://BUCKET/KEY, found no key in {uri}");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    Ok(Call::to_object(method, &uri.bucket, &uri.key))
}

/// Sets a header whose value is no secret.
fn with_header(mut call: Call, name: HeaderName, value: &str) -> Result<Call> {
    let value = HeaderValue::from_str(value).map_err(|_| {
        let message = format!("{name}: expected visible ASCII, found another character");
        Error::new(ErrorKind::InvalidInput, message)
    })?;
    call.headers.insert(name, value);
    Ok(call)
}

fn damaged(expected: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("expected {expected} in the response of S3, found something else"))
}

/// The next bytes, as many as a part has. Fewer at the end.
fn read_part(content: &mut dyn Read) -> Result<Bytes> {
    let mut part = BytesMut::zeroed(PART);
    let mut length = 0;
    while let Some(rest) = part.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match content.read(rest) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    part.truncate(length);
    Ok(part.freeze())
}

const ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const KMS_KEY: HeaderName = HeaderName::from_static("x-amz-server-side-encryption-aws-kms-key-id");
/// How many bytes a part has. S3 takes 10,000 parts of at least 5 MiB, and files of batch jobs are far below 80 GB.
const PART: usize = 8 * 1024 * 1024;
const MOST_OBJECTS: usize = 1_000_000;
/// In bytes.
const LONGEST_KEY: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_a_bucket_and_a_key() {
        for (text, bucket, key) in [
            ("s3://abc", "abc", ""),
            ("s3://abc/", "abc", ""),
            ("s3://a.b-1/k", "a.b-1", "k"),
            ("s3://abc//k//", "abc", "/k//"),
            ("s3://abc/ö ?#", "abc", "ö ?#"),
        ] {
            let uri = S3Uri::parse(text).unwrap();
            assert_eq!((uri.bucket(), uri.key()), (bucket, key));
        }
        for text in [
            "",
            "abc/k",
            "S3://abc/k",
            "s3:///k",
            "s3://ab/k",
            "s3://ABC/k",
            "s3://a_b/k",
            "s3://-ab/k",
            "s3://ab./k",
            "s3://a..b/k",
            "s3://192.168.0.1/k",
            "https://abc.s3.amazonaws.com/k",
        ] {
            assert_eq!(S3Uri::parse(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
        }
        S3Uri::parse(&format!("s3://abc/{}", "k".repeat(1024))).unwrap();
        S3Uri::parse(&format!("s3://abc/{}", "k".repeat(1025))).unwrap_err();
    }

    #[test]
    fn names_are_joined_by_one_slash() {
        let joined = |folder: &str| S3Uri::parse(folder).unwrap().join("x").to_string();
        assert_eq!(joined("s3://abc"), "s3://abc/x");
        assert_eq!(joined("s3://abc/p"), "s3://abc/p/x");
        assert_eq!(joined("s3://abc/p/"), "s3://abc/p/x");
        let uri = S3Uri::parse("s3://abc/p/q.jsonl").unwrap();
        assert_eq!((uri.name(), uri.folder().to_string().as_str()), ("q.jsonl", "s3://abc/p/"));
        assert_eq!(uri.folder().folder(), uri.folder());
    }
}
