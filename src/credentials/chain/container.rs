//! The credentials service of a container, on ECS and EKS.
//!
//! Source: the AWS SDKs' reference guide,
//! [container credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ::http::response::Parts;
use ::http::{Method, Uri};
use aws_credential_types::Credentials as Keys;
use bytes::Bytes;

use super::provider_context::{CallPolicy, Fault, SearchContext, build_request, one_line, refusal, refused};
use super::secret::{Fields, Secret};
use super::{Outcome, web_identity};
use crate::url::is_loopback;
use crate::{Error, ErrorKind, Result};

pub(super) async fn load(cx: &SearchContext<'_>) -> Result<Outcome> {
    match uri(cx)? {
        None => Ok(Outcome::not_applicable(format!("{RELATIVE} and {FULL} are not set"))),
        Some(uri) => Outcome::of("default chain", "container".into(), ask(cx, &uri).await),
    }
}

/// The keys for a profile with `credential_source = EcsContainer`.
pub(super) async fn keys(cx: &SearchContext<'_>) -> Result<Keys, Fault> {
    let uri = uri(cx)?.ok_or_else(|| {
        Error::new(ErrorKind::Credentials, format!("expected {RELATIVE} or {FULL}, found neither"))
    })?;
    ask(cx, &uri).await
}

async fn ask(cx: &SearchContext<'_>, uri: &Uri) -> Result<Keys, Fault> {
    let context = &cx.context;
    let token = match context.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(path) => Some(web_identity::token_in(context, &path, "container's authorization token")?),
        None => context.env("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Secret::new),
    };
    let mut headers = vec![("accept", "application/json")];
    headers.extend(token.as_ref().map(|token| ("authorization", token.text())));
    let request = build_request(Method::GET, &uri.to_string(), &headers, Bytes::new())?;
    // `uri` lets plain http through only to the container's own link.
    let link_local = uri.scheme_str() != Some("https");
    let policy = CallPolicy { link_local, attempts: 3, unanswered: 3, timeout: Duration::from_secs(5) };
    cx.ask("the container's credentials service", policy, &|_| Ok(request.clone()), &[], |head, body| {
        if !head.status.is_success() {
            return Err(refused_by_agent(head, body).unwrap_or_else(|| refusal(head, body)));
        }
        let fields = Fields::read("its response", body)?;
        let expires = fields.time("Expiration")?;
        let account = fields.string("AccountId");
        fields.keys(["AccessKeyId", "SecretAccessKey", "Token"], account.as_ref().map(Secret::text), expires)
    })
    .await
    .map_err(|fault| match fault {
        // The transport's hint is about Bedrock's endpoint, which does not matter here.
        Fault::Broken(error) if error.status().is_none() && error.hint().is_some() => {
            let variable = if context.env(RELATIVE).is_some() { RELATIVE } else { FULL };
            Fault::Broken(error.with_hint(format!("check or unset {variable}, which names this service")))
        }
        fault => fault,
    })
}

/// The refusal of the agent of EKS Pod Identity, which is plain text: `[ID]: (CODE): MESSAGE, fault: client`, or a
/// message alone. `None` for a response of another form.
fn refused_by_agent(head: &Parts, body: &[u8]) -> Option<Error> {
    let text = one_line(std::str::from_utf8(body).ok()?);
    if text.is_empty() || text.starts_with(['{', '<']) {
        return None;
    }
    let coded = || {
        let (_, rest) = text.strip_prefix('[')?.split_once("]: (")?;
        rest.split_once("): ")
    };
    let (code, message) = coded().unwrap_or(("", &text));
    let error = refused(head.status.as_u16(), code, message.trim_end_matches(", fault: client"));
    let says = |part: &str| text.contains(part);
    let hint = match code {
        _ if says("does not have permissions to assume") => {
            "let the service pods.eks.amazonaws.com call sts:AssumeRole and sts:TagSession, in the trust policy of the \
             role that is associated with the service account"
        }
        "ResourceNotFoundException" => {
            "associate a role with the service account of this pod: aws eks create-pod-identity-association"
        }
        _ if code.starts_with("ExpiredToken") || says("ervice account token") => {
            "the token in AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE is not valid: restart the pod, which gets a new one"
        }
        "AccessDeniedException" => {
            "the role of the node needs eks-auth:AssumeRoleForPodIdentity, as in the managed policy \
             AmazonEKSWorkerNodePolicy"
        }
        _ => return Some(error),
    };
    Some(error.with_hint(hint))
}

/// The URL of the service. `None` if none is set.
fn uri(cx: &SearchContext<'_>) -> Result<Option<Uri>> {
    let env = |name| cx.context.env(name);
    let fault = |variable: &str, expected: &str| {
        Error::new(ErrorKind::Credentials, format!("{variable}: expected {expected}, found something else"))
    };
    if let Some(path) = env(RELATIVE) {
        let expected = "a path that begins with \"/\"";
        let uri = format!("http://{ECS}{path}").parse().ok().filter(|_| path.starts_with('/'));
        return uri.map(Some).ok_or_else(|| fault(RELATIVE, expected));
    }
    let Some(text) = env(FULL) else { return Ok(None) };
    let expected = format!("an https URL, or an http URL of this machine or of {ECS}, {EKS} or {EKS_V6}");
    let allowed = |uri: &Uri| {
        let authority = uri.authority()?.as_str();
        if authority.contains('@') {
            return None;
        }
        let host = uri.host()?;
        match uri.scheme_str()? {
            "https" => Some(()),
            "http" => is_own(host.trim_matches(['[', ']'])).then_some(()),
            _ => None,
        }
    };
    text.parse().ok().filter(|uri| allowed(uri).is_some()).map(Some).ok_or_else(|| fault(FULL, &expected))
}

/// Whether a host is this machine or an address of the container credentials service.
fn is_own(host: &str) -> bool {
    let is_service = |address| [ECS.into(), EKS.into(), IpAddr::V6(EKS_V6)].contains(&address);
    is_loopback(host) || host.parse().is_ok_and(is_service)
}

const ECS: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 2);
const EKS: Ipv4Addr = Ipv4Addr::new(169, 254, 170, 23);
const EKS_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23);
pub(super) const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
