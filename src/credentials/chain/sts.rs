//! The Security Token Service: temporary keys for a role.
//!
//! Its responses are XML, of which a few elements are read that hold only text and whose names occur once.

use std::time::SystemTime;

use ::http::response::Parts;
use ::http::{Method, Request};
use aws_credential_types::Credentials as Keys;
use bytes::Bytes;
use zeroize::Zeroizing;

use super::Caller;
use super::provider_context::{
    CallPolicy, Fault, SearchContext, build_request, hinted, one_line, refused, secret_body,
};
use super::secret::keys;
use crate::date::read_time;
use crate::hint::behind;
use crate::region;
use crate::sign::{Scope, sign};
use crate::url::encode_label;
use crate::xml;
use crate::{Error, ErrorKind, Hint, Result};

/// The region to ask for credentials in, by its name as it was found: the named one, or else the instance's.
pub(super) async fn region(cx: &SearchContext<'_>) -> Result<String> {
    if let Some(region) = cx.named_region()? {
        return Ok(region.name().to_owned());
    }
    cx.imds.region(cx).await.ok_or_else(|| {
        Error::new(ErrorKind::Credentials, "expected a region to ask STS in, found none")
            .with_hint(Hint::SetRegion)
    })
}

/// Asks for the keys of a role. The request is signed if there are keys to sign with.
///
/// Sources: [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html),
/// [AssumeRoleWithWebIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html).
pub(super) async fn assume(
    cx: &SearchContext<'_>,
    what: &str,
    action: &str,
    parameters: &[(&str, &str)],
    signed_with: Option<&Keys>,
) -> Result<Keys, Fault> {
    let prepared = Prepared::new(cx, action, parameters).await?;
    let token = parameters.iter().find(|(name, _)| *name == "WebIdentityToken").map(|(_, token)| *token);
    let secrets = [token, signed_with.map(Keys::secret_access_key)].map(Option::unwrap_or_default);
    let request = |now| prepared.request(signed_with, now);
    cx.ask(what, CallPolicy::NETWORK, &request, &secrets, |head, body| read(head, body, signed_with)).await
}

/// Asks whose keys these are. No identity needs a permission for it. Source:
/// [GetCallerIdentity](https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html).
pub(super) async fn caller(cx: &SearchContext<'_>, keys: &Keys) -> Result<Caller> {
    let prepared = Prepared::new(cx, "GetCallerIdentity", &[]).await?;
    let request = |now| prepared.request(Some(keys), now);
    let read = |head: &Parts, body: &[u8]| {
        let text = std::str::from_utf8(body).unwrap_or_default();
        if !head.status.is_success() {
            return Err(refusal(head, text));
        }
        let required =
            |name| xml::text(text, name).map(|text| text.to_string()).ok_or_else(|| not_as_expected(name));
        Ok(Caller { account: required("Account")?, arn: required("Arn")? })
    };
    let policy = CallPolicy { attempts: 2, ..CallPolicy::NETWORK };
    cx.try_asking(policy, &request, &[keys.secret_access_key()], read).await
}

/// A request, but for its signature.
struct Prepared {
    url: String,
    region: String,
    form: Bytes,
}

impl Prepared {
    async fn new(cx: &SearchContext<'_>, action: &str, parameters: &[(&str, &str)]) -> Result<Self> {
        let named = region(cx).await?;
        let (host, region) = region::sts(&named, cx.variant_in(&named)?)?;
        let base = cx.service("sts", &region, |_| host)?;
        let mut form = Zeroizing::new(format!("Action={action}&Version=2011-06-15").into_bytes());
        for (name, value) in parameters {
            let value = Zeroizing::new(encode_label(value));
            form.reserve_exact(name.len() + value.len() + 2);
            form.extend_from_slice(format!("&{name}=").as_bytes());
            form.extend_from_slice(value.as_bytes());
        }
        Ok(Self { url: base.join("/", &[])?, region, form: secret_body(form) })
    }

    /// Signed if there are keys to sign with.
    fn request(&self, signed_with: Option<&Keys>, now: SystemTime) -> Result<Request<Bytes>> {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let mut request = build_request(Method::POST, &self.url, &headers, self.form.clone())?;
        if let Some(keys) = signed_with {
            let scope = Scope { region: &self.region, service: "sts" };
            let signature = sign(&request, keys, scope, now)?;
            request.headers_mut().extend(signature);
        }
        Ok(request)
    }
}

fn refusal(head: &Parts, text: &str) -> Error {
    let element = |name| xml::text(text, name).map(|text| one_line(&text)).unwrap_or_default();
    let error = refused(head.status.as_u16(), &element("Code"), &element("Message"));
    error.with_request_id(xml::text(text, "RequestId").as_ref().map(|id| id.as_str()))
}

fn not_as_expected(name: &str) -> Error {
    Error::new(ErrorKind::Damaged, format!("expected XML of STS with {name}, found something else"))
}

fn read(head: &Parts, body: &[u8], signed_with: Option<&Keys>) -> Result<Keys> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    if !head.status.is_success() {
        let error = refusal(head, text);
        // AWS could not ask the identity provider.
        let temporary = error.code() == Some("IDPCommunicationError")
            || error.code() == Some("InvalidIdentityToken") && error.message().contains("verification key");
        let error = if temporary { error.with_retryable(true) } else { error };
        let message = error.message().to_ascii_lowercase();
        return Err(hinted(error, |code| hint(code, &message, signed_with)));
    }
    let required = |name| xml::text(text, name).ok_or_else(|| not_as_expected(name));
    let expires = read_time(&required("Expiration")?).ok_or_else(|| {
        Error::new(ErrorKind::Damaged, "expected XML of STS with a time as Expiration, found something else")
    })?;
    let (id, secret, token) =
        (required("AccessKeyId")?, required("SecretAccessKey")?, required("SessionToken")?);
    // arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION
    let arn = xml::text(text, "Arn").unwrap_or_default();
    let account = arn.split(':').nth(4).filter(|account| !account.is_empty());
    Ok(keys((&id, &secret, Some(&token)), account, Some(expires)))
}

/// The next step after a refusal; the message is in lower case.
fn hint(code: &str, message: &str, signed_with: Option<&Keys>) -> Option<Hint> {
    let says = |part: &str| message.contains(part);
    if code == "SignatureDoesNotMatch"
        && let Some(seconds) = behind(message)
    {
        return Some(Hint::CheckClock { seconds });
    }
    Some(Hint::from(match code {
        "ExpiredToken" | "ExpiredTokenException" | "RequestExpired" if signed_with.is_some() => {
            "get new credentials to assume the role with: they have expired"
        }
        "ExpiredToken" | "ExpiredTokenException" => {
            "renew the web identity token, which has expired; in Kubernetes, restart the pod"
        }
        "InvalidIdentityToken" => {
            "check that the token's issuer is an identity provider of the role's account, and its audience one that \
             the provider lists (IAM console, Identity providers)"
        }
        "IDPRejectedClaim" => "get a new token: the identity provider rejects this one",
        "RegionDisabledException" => {
            "activate STS for this region in the account settings of the IAM console, or name another region in \
             AWS_REGION or the profile"
        }
        _ if says("durationseconds") => {
            "lower duration_seconds in the profile: at most 3600 for a role that is assumed with the keys of another \
             role, otherwise the role's maximum session duration"
        }
        "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "IncompleteSignature"
        | "SignatureDoesNotMatch" => match signed_with.map(Keys::access_key_id) {
            Some(id) if id.starts_with(['"', '\'']) => {
                "remove the quotes from the access key id that the role is assumed with"
            }
            _ => {
                "check the access key id, the secret access key and, for temporary keys, the session token that the \
                     role is assumed with"
            }
        },
        _ if says("explicit deny") => {
            "ask who administers the policy that denies it explicitly: no permission overrides it"
        }
        "AccessDenied" | "AccessDeniedException" if signed_with.is_some() => {
            "check the role's ARN, that its trust policy lets this identity in, and that the identity may call \
             sts:AssumeRole on it"
        }
        "AccessDenied" | "AccessDeniedException" => {
            "check the role's ARN, and that its trust policy allows sts:AssumeRoleWithWebIdentity for the issuer, the \
             audience and the subject of this token"
        }
        "ValidationError" => "check role_arn, role_session_name and external_id",
        _ => return None,
    }))
}

/// The default name of a session.
pub(super) fn session_name(now: SystemTime) -> String {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    format!("pumice-{seconds}")
}
