//! A login session: the file that `aws login` writes holds the keys and a refresh token.
//!
//! A signature with the file's key (`DPoP`) proves that a refresh comes from this machine.
//!
//! Sources: the AWS CLI's user guide,
//! [sign in through the AWS CLI](https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-sign-in.html),
//! and [RFC 9449](https://www.rfc-editor.org/rfc/rfc9449).

use std::time::SystemTime;

use ::http::Method;
use aws_credential_types::Credentials as Keys;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::digest::SHA256;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;
use zeroize::Zeroizing;

use super::expired;
use super::provider_context::{
    CallPolicy, Fault, SearchContext, build_request, failed, hinted, refusal, secret_body,
};
use super::secret::{Fields, Secret, hashed_name};
use super::session::{self, Session};
use super::sts;
use crate::date::rfc3339;
use crate::region::{is_govcloud, without_fips};
use crate::{Error, ErrorKind, Hint, Result};

/// The keys of a session, refreshed if they are about to expire.
pub(super) async fn load(cx: &SearchContext<'_>, profile: &str, session: &str) -> Result<Keys, Fault> {
    let context = &cx.context;
    let log_in = || Hint::SignIn { profile: profile.to_owned(), sso: false };
    let name = hashed_name(&SHA256, session.trim());
    let folder = match context.env("AWS_LOGIN_CACHE_DIRECTORY") {
        Some(folder) => Some(context.path(&folder)),
        None => context.home().map(|home| home.join(".aws/login/cache")),
    };
    let fault = |fault: &str| {
        Error::new(ErrorKind::Credentials, format!("the profile {profile}: {fault}")).with_hint(log_in())
    };
    let path = folder.ok_or_else(|| fault("no home folder for its login session"))?.join(name);
    let unreadable = |why: &str| fault(&format!("the login session in {}: {why}", path.display()));
    let read = |text: &[u8]| {
        let Cached { mut keys, expires, .. } = Cached::read(text)?;
        *keys.expiry_mut() = Some(context.by_service_clock(expires));
        Ok(Session { value: keys, expires, refreshable: true })
    };
    let refresh = |text: Zeroizing<Vec<u8>>| async move { Cached::read(&text)?.refresh(cx, profile).await };
    session::current(cx, &path, unreadable, read, refresh).await.map_err(|fault| match fault {
        Fault::Broken(error) if error.hint().is_none() => Fault::Broken(error.with_hint(log_in())),
        fault => fault,
    })
}

/// The content of the file.
struct Cached<'a> {
    keys: Keys,
    expires: SystemTime,
    account: Option<Secret>,
    client: Secret,
    refresh: Secret,
    key: Secret,
    region: Option<Secret>,
    fields: Fields<'a>,
}

impl<'a> Cached<'a> {
    fn read(text: &'a [u8]) -> Result<Self> {
        let fields = Fields::read("the file", text)?;
        let token = fields.object("accessToken")?;
        let expires = token.time("expiresAt")?;
        let expires = expires.ok_or_else(|| token.expected("expiresAt", "a time"))?;
        let account = token.string("accountId");
        let keys = token.keys(KEYS, account.as_ref().map(Secret::text), Some(expires))?;
        Ok(Self {
            keys,
            expires,
            account,
            client: fields.required("clientId")?,
            refresh: fields.required("refreshToken")?,
            key: fields.required("dpopKey")?,
            region: fields.string("signInRegion"),
            fields,
        })
    }

    /// New keys, and the file with them.
    async fn refresh(
        &self,
        cx: &SearchContext<'_>,
        profile: &str,
    ) -> Result<(Keys, Zeroizing<Vec<u8>>), Fault> {
        let region = match &self.region {
            Some(region) => region.text().to_owned(),
            None => without_fips(&sts::region(cx).await?),
        };
        let base = cx.service("signin", &region, |suffix| host(&region, suffix))?;
        let url = base.join("/v1/token", &[])?;
        let json = |secret: &Secret| Zeroizing::new(json!(secret.text()).to_string());
        let body = Fields::read("", b"{}")?.with(&[
            ("clientId", &json(&self.client)),
            ("refreshToken", &json(&self.refresh)),
            ("grantType", "\"refresh_token\""),
        ]);
        let what = format!("the profile {profile}: the login session could not be refreshed");
        let body = secret_body(body);
        let request = |now| {
            let proof = dpop_proof(self.key.text(), &url, &cx.context.uuid(), now);
            let proof = proof.map_err(|fault| {
                failed(&what, &Error::new(ErrorKind::Damaged, format!("its dpopKey: {fault}")))
            })?;
            let headers = [("content-type", "application/json"), ("dpop", proof.text())];
            build_request(Method::POST, &url, &headers, body.clone())
        };
        let secrets = [self.refresh.text(), self.key.text()];
        cx.ask(&what, CallPolicy::NETWORK, &request, &secrets, |head, body| {
            if !head.status.is_success() {
                // The code is in the header and says less.
                let reason = Fields::read("", body).ok().and_then(|fields| fields.string("error"));
                return Err(hinted(refusal(head, body), |_| match reason.as_ref().map(Secret::text) {
                    Some("INSUFFICIENT_PERMISSIONS") => Some(
                        "the identity that signed in needs the permission signin:CreateOAuth2Token, as in the managed \
                         policy SignInLocalDevelopmentAccess"
                            .into(),
                    ),
                    _ => Some(Hint::SignIn { profile: profile.to_owned(), sso: false }),
                }));
            }
            let response = Fields::read("the response", body)?;
            let token = response.object("accessToken")?;
            let lifetime = response.seconds("expiresIn")?;
            let expires = cx.context.service_time() + lifetime;
            let keys = token.keys(KEYS, self.account.as_ref().map(Secret::text), Some(expires))?;
            if lifetime.is_zero() {
                return Err(expired("the login session", expires, &cx.context));
            }

            let json = |text: &str| Zeroizing::new(json!(text).to_string());
            // By this machine's clock, as all tools write it.
            let at = json(&rfc3339(cx.context.now() + lifetime).unwrap_or_default());
            let mut members = vec![("expiresAt", &**at)];
            let account = self.account.as_ref().map(|account| json(account.text()));
            members.extend(account.as_ref().map(|account| ("accountId", &***account)));
            let token = token.with(&members);
            let mut changed = vec![("accessToken", std::str::from_utf8(&token).unwrap_or("{}"))];
            let kept = ["refreshToken", "idToken", "tokenType"]
                .map(|name| (name, response.string(name).map(|text| json(text.text()))));
            changed.extend(kept.iter().filter_map(|(name, text)| Some((*name, &**text.as_deref()?))));
            Ok((keys, self.fields.with(&changed)))
        })
        .await
    }
}

/// The host of the sign-in service.
fn host(region: &str, suffix: &str) -> String {
    match suffix {
        "amazonaws.com" if is_govcloud(region) => format!("{region}.signin.amazonaws-us-gov.com"),
        "amazonaws.com" => format!("{region}.signin.aws.amazon.com"),
        "amazonaws.com.cn" => format!("{region}.signin.amazonaws.cn"),
        suffix => format!("signin.{region}.{suffix}"),
    }
}

/// A JWT that proves that a request to this URL comes from the owner of the key.
fn dpop_proof(pem: &str, url: &str, id: &str, now: SystemTime) -> Result<Secret, &'static str> {
    let random = SystemRandom::new();
    let key = key_pair(pem, &random)?;
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    // An uncompressed point: 4, then both coordinates.
    let point = key.public_key().as_ref();
    let (x, y) = point.get(1..).and_then(|point| point.split_at_checked(32)).ok_or("expected a point")?;
    let header = json!({
        "typ": "dpop+jwt",
        "alg": "ES256",
        "jwk": { "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) },
    });
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = json!({ "jti": id, "htm": "POST", "htu": url, "iat": seconds });
    let signed =
        format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let signature = key.sign(&random, signed.as_bytes()).map_err(|_| "it cannot sign")?;
    Ok(Secret::new(format!("{signed}.{}", encode(signature.as_ref()))))
}

/// The key in a PEM text of RFC 5915, as `aws login` writes it: on the curve P-256, with its public half.
fn key_pair(pem: &str, random: &SystemRandom) -> Result<EcdsaKeyPair, &'static str> {
    let expected = "expected an EC PRIVATE KEY in PEM form, of the curve P-256 and with its public key";
    let text = pem.trim().strip_prefix("-----BEGIN EC PRIVATE KEY-----").ok_or(expected)?;
    let text = text.strip_suffix("-----END EC PRIVATE KEY-----").ok_or(expected)?;
    let text = Zeroizing::new(text.split_whitespace().collect::<String>());
    let der = Zeroizing::new(STANDARD.decode(&*text).map_err(|_| expected)?);
    let rest = der.strip_prefix(BEFORE_PRIVATE).ok_or(expected)?;
    let (private, rest) = rest.split_at_checked(32).ok_or(expected)?;
    let public = rest.strip_prefix(BEFORE_PUBLIC).ok_or(expected)?;
    EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, private, public, random)
        .map_err(|_| expected)
}

/// The DER of such a key around its two halves, which are of 32 and 65 bytes: a sequence of 119 bytes, the
/// number 1, the private half; the curve's OID, the public half.
const BEFORE_PRIVATE: &[u8] = &[0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20];
const BEFORE_PUBLIC: &[u8] =
    &[0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0xa1, 0x44, 0x03, 0x42, 0x00];
const KEYS: [&str; 3] = ["accessKeyId", "secretAccessKey", "sessionToken"];

#[cfg(test)]
mod tests {
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;
    use std::time::Duration;

    const PEM: &str = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIFDZHUzOG1Pzq+6F0mjMlOSp1syN9LRPBuHMoCFXTcXhoAoGCCqGSM49\nAwEHoUQDQgAE9qhj+KtcdHj1kVgwxWWWw++tqoh7H7UHs7oXh8jBbgF47rrYGC+t\ndjiIaHK3dBvvdE7MGj5HsepzLm3Kj91bqA==\n-----END EC PRIVATE KEY-----\n";

    #[test]
    fn a_proof_is_signed_with_the_key_of_the_file() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let proof =
            dpop_proof(PEM, "https://us-east-1.signin.aws.amazon.com/v1/token", "an-id", now).unwrap();
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let [header, claims, signature] = proof.text().split('.').collect::<Vec<_>>()[..] else { panic!() };
        let json = |part| serde_json::from_slice::<serde_json::Value>(&decode(part)).unwrap();
        assert_eq!(json(claims)["htu"], "https://us-east-1.signin.aws.amazon.com/v1/token");
        assert_eq!(
            (json(claims)["htm"].as_str(), json(claims)["iat"].as_u64()),
            (Some("POST"), Some(1_700_000_000))
        );
        let jwk = &json(header)["jwk"];
        assert_eq!(
            (json(header)["typ"].as_str(), json(header)["alg"].as_str()),
            (Some("dpop+jwt"), Some("ES256"))
        );
        let mut point = vec![4];
        point.extend(decode(jwk["x"].as_str().unwrap()));
        point.extend(decode(jwk["y"].as_str().unwrap()));
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(format!("{header}.{claims}").as_bytes(), &decode(signature))
            .unwrap();
    }

    #[test]
    fn another_key_is_refused_without_being_shown() {
        for pem in ["", "sekret", "-----BEGIN EC PRIVATE KEY-----\nc2VrcmV0\n-----END EC PRIVATE KEY-----"] {
            let fault = key_pair(pem, &SystemRandom::new()).err().unwrap();
            assert!(!fault.contains("sekret") && !fault.contains("c2VrcmV0"), "{fault}");
        }
    }

    #[test]
    fn the_host_is_that_of_the_partition() {
        for (region, suffix, expected) in [
            ("eu-west-1", "amazonaws.com", "eu-west-1.signin.aws.amazon.com"),
            ("us-gov-west-1", "amazonaws.com", "us-gov-west-1.signin.amazonaws-us-gov.com"),
            ("cn-north-1", "amazonaws.com.cn", "cn-north-1.signin.amazonaws.cn"),
            ("eusc-de-east-1", "amazonaws.eu", "signin.eusc-de-east-1.amazonaws.eu"),
        ] {
            assert_eq!(host(region, suffix), expected);
        }
    }
}
