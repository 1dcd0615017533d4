//! Signing: a request, credentials, a scope and a time into headers. Pure.
//!
//! The only importer of `aws_sigv4`. Its default settings are right for Bedrock: the path, already percent-encoded,
//! is encoded again in the canonical request. S3 takes the path as it is sent, and wants the body's hash as a header.

use std::time::{Duration, SystemTime};

use aws_credential_types::{Credentials, Token};
#[cfg(feature = "bulk")]
use aws_sigv4::http_request::{PayloadChecksumKind, PercentEncodingMode, UriPathNormalizationMode};
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningInstructions, SigningSettings, sign as sigv4,
};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use ring::digest::{Digest, SHA256, digest};
use zeroize::Zeroizing;

use crate::date::read_time;
use crate::url::encode_label;
use crate::{Error, ErrorKind, Hint, Result};

/// What a signature is valid for, besides its day: `region/service/aws4_request`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The region that is called.
    pub region: &'a str,
    /// The signing name of the service: `bedrock` for both the runtime and the control plane. With the feature `bulk`
    /// a request to `s3` is signed as S3 expects it.
    pub service: &'a str,
}

/// The headers that sign this request with Signature Version 4: `x-amz-date`, `authorization`,
/// `x-amz-security-token` for temporary credentials, and for S3 `x-amz-content-sha256`.
///
/// The signature covers the host, with its port unless that is the scheme's default, and every header of the request
/// except `authorization`, `user-agent`, `x-amzn-trace-id` and `transfer-encoding`. The URI must be percent-encoded
/// as it is sent.
///
/// Source: [AWS Signature Version 4](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html).
pub fn sign(
    request: &http::Request<Bytes>,
    credentials: &Credentials,
    scope: Scope<'_>,
    now: SystemTime,
) -> Result<HeaderMap> {
    let headers = request
        .headers()
        .iter()
        .map(|(name, value)| match value.to_str() {
            Ok(value) => Ok((name.as_str(), value)),
            Err(_) => Err(Error::new(
                ErrorKind::InvalidInput,
                format!(
                    "the header {name} cannot be signed: expected visible ASCII, found another character"
                ),
            )),
        })
        .collect::<Result<Vec<_>>>()?;
    // ring's SHA-256 takes less than half the instructions of the one in `aws_sigv4`.
    let hash = hex(digest(&SHA256, request.body()));
    let (method, uri) = (request.method().as_str(), request.uri().to_string());
    let signable = SignableRequest::new(method, uri, headers.into_iter(), SignableBody::Precomputed(hash));
    let signable = signable.map_err(|error| unsigned(error.into()))?;
    let instructions = instructions(signable, credentials, scope, now, settings_of(scope.service))?;
    let (signed, _query) = instructions.into_parts();
    signed
        .into_iter()
        .map(|header| {
            let mut value = HeaderValue::from_str(header.value()).map_err(|_| {
                Error::new(
                    ErrorKind::Credentials,
                    format!("the credentials do not fit into the header {}", header.name()),
                )
            })?;
            value.set_sensitive(!matches!(header.name(), "x-amz-date" | "x-amz-content-sha256"));
            Ok((HeaderName::from_static(header.name()), value))
        })
        .collect()
}

fn settings_of(service: &str) -> SigningSettings {
    #[cfg(feature = "bulk")]
    if service == "s3" {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        return settings;
    }
    let _ = service;
    SigningSettings::default()
}

/// A short-term Bedrock API key: a bearer token, which is a request to `CallWithBearerToken` that these credentials
/// have signed. No service is asked. It ends after this time, in whole seconds, or with the credentials if they end
/// before, and is valid in this region only.
///
/// Fails with [`ErrorKind::InvalidInput`] unless the time is between a second and 12 hours, and with
/// [`ErrorKind::Credentials`] if the credentials have expired.
///
/// Source: [API keys](https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html) and AWS's own
/// `aws-bedrock-token-generator`.
pub fn api_key(credentials: &Credentials, region: &str, now: SystemTime, ttl: Duration) -> Result<Token> {
    let seconds = ttl.as_secs();
    if !(1..=LONGEST_KEY).contains(&seconds) {
        let message = format!("expected a lifetime of 1 to {LONGEST_KEY} seconds, found {seconds}");
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let left = |end: SystemTime| end.duration_since(now).map_or(0, |left| left.as_secs());
    let seconds = credentials.expiry().map_or(seconds, |end| seconds.min(left(end)));
    if seconds == 0 {
        let message = "expected credentials that are still valid, found some that have expired";
        return Err(Error::new(ErrorKind::Credentials, message));
    }
    let lifetime = Duration::from_secs(seconds);
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(lifetime);
    let url = format!("https://{KEY_REQUEST}");
    let empty = SignableBody::Precomputed(hex(digest(&SHA256, b"")));
    let signable = SignableRequest::new("POST", url, std::iter::empty(), empty);
    let signable = signable.map_err(|error| unsigned(error.into()))?;
    let scope = Scope { region, service: "bedrock" };
    let (_, mut query) = instructions(signable, credentials, scope, now, settings)?.into_parts();
    // AWS's own generator puts the signature last. The service takes the parameters in any order.
    // size: 4,000 bytes less than a sort.
    if let Some(at) = query.iter().position(|(name, _)| *name == "X-Amz-Signature") {
        let signature = query.remove(at);
        query.push(signature);
    }
    let mut request = Zeroizing::new(String::with_capacity(LONGEST_REQUEST));
    request.push_str(KEY_REQUEST);
    for (name, value) in &query {
        request.extend(["&", name, "=", &Zeroizing::new(encode_label(value))]);
    }
    request.push_str("&Version=1");
    let key = format!("{KEY_PREFIX}{}", *Zeroizing::new(STANDARD.encode(request.as_bytes())));
    Ok(Token::new(key, Some(now + lifetime)))
}

/// The region and the end of a short-term Bedrock API key, as [`api_key`] makes them. `None` for another key.
pub fn scope_of_api_key(key: &str) -> Option<(String, SystemTime)> {
    let request = STANDARD.decode(key.strip_prefix(KEY_PREFIX)?).map(Zeroizing::new).ok()?;
    let request = std::str::from_utf8(&request).ok()?;
    let value = |name: &str| {
        let pairs = request.split(['?', '&']).filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find_map(|(found, value)| (found == name).then_some(value))
    };
    let region = value("X-Amz-Credential")?.split("%2F").nth(2)?.to_owned();
    // 20261127T040000Z
    let date = value("X-Amz-Date")?;
    let digits = |range: std::ops::Range<usize>| date.get(range);
    let [year, month, day] = [digits(0..4)?, digits(4..6)?, digits(6..8)?];
    let [hour, minute, second] = [digits(9..11)?, digits(11..13)?, digits(13..15)?];
    let begin = read_time(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))?;
    let lifetime = Duration::from_secs(value("X-Amz-Expires")?.parse().ok()?);
    Some((region, begin.checked_add(lifetime)?))
}

fn instructions(
    request: SignableRequest<'_>,
    credentials: &Credentials,
    scope: Scope<'_>,
    now: SystemTime,
    settings: SigningSettings,
) -> Result<SigningInstructions> {
    for (name, text) in
        [("access key id", Some(credentials.access_key_id())), ("session token", credentials.session_token())]
    {
        if !text.unwrap_or_default().bytes().all(|byte| byte.is_ascii_graphic()) {
            let message =
                format!("the {name}: expected visible ASCII, found a character that no header can have");
            return Err(Error::new(ErrorKind::Credentials, message).with_hint(Hint::CopyCredentials));
        }
    }
    let identity = credentials.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| unsigned(error.into()))?
        .into();
    let (instructions, _signature) =
        sigv4(request, &params).map_err(|error| unsigned(error.into()))?.into_parts();
    Ok(instructions)
}

fn unsigned(source: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::new(ErrorKind::InvalidInput, "the request cannot be signed").with_source(source)
}

/// A hash in hexadecimal digits.
pub(crate) fn hex(hash: Digest) -> String {
    let mut digits = Vec::with_capacity(2 * hash.as_ref().len());
    for byte in hash.as_ref() {
        for digit in [byte >> 4, byte & 15] {
            digits.push(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit });
        }
    }
    String::from_utf8(digits).unwrap_or_default()
}

/// What a short-term key begins with.
const KEY_PREFIX: &str = "bedrock-api-key-";
/// The request that a short-term key stands for, whatever its region.
const KEY_REQUEST: &str = "bedrock.amazonaws.com/?Action=CallWithBearerToken";
/// The longest time that a short-term key is valid, in seconds.
const LONGEST_KEY: u64 = 12 * 3600;
/// Room for the longest session tokens, so that the text does not move in memory as it grows.
const LONGEST_REQUEST: usize = 8192;
