//! The metadata service of an EC2 instance, version 2: every request needs a session token, which is asked for
//! first.
//!
//! During an outage the service hands out expired keys, which stay valid ("static stability"): they are used, and
//! asked for again after a while.
//!
//! Sources: [retrieve security credentials](https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html),
//! and the AWS SDKs' reference guide,
//! [IMDS credential provider](https://docs.aws.amazon.com/sdkref/latest/guide/feature-imds-credentials.html) and
//! [static stability](https://docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html).

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use ::http::header::{CONTENT_TYPE, LOCATION};
use ::http::response::Parts;
use ::http::{Method, Uri};
use aws_credential_types::Credentials as Keys;
use bytes::Bytes;
use tokio::time::timeout;

use super::instance::{Absent, Imds};
use super::provider_context::{CallPolicy, Fault, SearchContext, build_request, failed, one_line, refused};
use super::secret::{Fields, Secret};
use super::{Credentials, Deferred, Outcome, Resolved};
use crate::region::is_region;
use crate::url::{BaseUrl, encode_label};
use crate::{Error, ErrorKind, Result};

/// Why there are no keys.
enum Trouble {
    Absent(Absent),
    Broken(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

/// The keys of the instance's role.
pub(super) async fn load(cx: &SearchContext<'_>) -> Result<Outcome> {
    if cx.offline {
        return Ok(match Settings::of(cx)? {
            Ok(settings) => Outcome::Deferred {
                deferred: Deferred { source: "default chain", link: "instance metadata".into() },
                url: settings.base.join("", &[])?,
            },
            Err(disabled) => Outcome::not_applicable(disabled),
        });
    }
    match cx.imds.role_and_keys(cx).await {
        Ok((role, keys)) => Ok(Outcome::Resolved(Resolved {
            credentials: Credentials::Keys(keys),
            source: "default chain",
            link: format!("instance role {role}"),
            region: cx.imds.region_if_not_named(cx).await?,
        })),
        Err(Trouble::Absent(Absent { reason, hint })) => Ok(Outcome::NotApplicable { reason, hint }),
        Err(Trouble::Broken(error)) => Err(error),
    }
}

impl Imds {
    /// The keys for a profile with `credential_source = Ec2InstanceMetadata`.
    pub(super) async fn keys(&self, cx: &SearchContext<'_>) -> Result<Keys, Fault> {
        if cx.offline {
            let settings = Settings::of(cx)?;
            let url = settings.map_or_else(Ok, |settings| settings.base.join("", &[]))?;
            return Err(Fault::Offline(url));
        }
        match self.role_and_keys(cx).await {
            Ok((_, keys)) => Ok(keys),
            Err(Trouble::Broken(error)) => Err(Fault::Broken(error)),
            Err(Trouble::Absent(Absent { reason, hint })) => {
                let error = Error::new(ErrorKind::Credentials, format!("{WHAT}: {reason}"));
                Err(Fault::Broken(match hint {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                }))
            }
        }
    }

    /// The instance's region, where nothing else names one.
    pub(super) async fn region_if_not_named(&self, cx: &SearchContext<'_>) -> Result<Option<String>> {
        match cx.named_region()? {
            Some(_) => Ok(None),
            None => Ok(self.region(cx).await),
        }
    }

    /// The instance's region. `None` if IMDS does not respond.
    pub(super) async fn region(&self, cx: &SearchContext<'_>) -> Option<String> {
        if cx.offline {
            return None;
        }
        let settings = Settings::of(cx).ok()?.ok()?;
        let region = self.get(cx, &settings, "/latest/meta-data/placement/region").await.ok()??;
        let region = region.text().trim().to_owned();
        is_region(&region).then_some(region)
    }

    async fn role_and_keys(&self, cx: &SearchContext<'_>) -> Result<(String, Keys), Trouble> {
        let asked = self.ask_role_and_keys(cx).await;
        let now = cx.context.service_time();
        let mut cached = self.cached();
        let (role, keys) = match (asked, &cached.last) {
            (Ok(asked), _) => asked,
            (Err(_), Some(last)) => last.clone(),
            (Err(trouble), None) => return Err(trouble),
        };
        let mut given = keys.clone();
        if keys.expiry().is_some_and(|expiry| expiry <= now) {
            *given.expiry_mut() = Some(now + TERM + JITTER.mul_f64(cx.context.chance()));
        }
        cached.last = Some((role.clone(), keys));
        Ok((role, given))
    }

    async fn ask_role_and_keys(&self, cx: &SearchContext<'_>) -> Result<(String, Keys), Trouble> {
        let absent = |reason: &str| Trouble::Absent(Absent { reason: reason.into(), hint: None });
        let settings = Settings::of(cx)?.map_err(|disabled| absent(&disabled))?;
        let roles = self.get(cx, &settings, ROLES).await?;
        let role = roles.as_ref().and_then(|roles| roles.text().lines().next()).unwrap_or_default().trim();
        if role.is_empty() {
            return Err(absent("the instance has no role: attach an instance profile to it"));
        }
        let document = self.get(cx, &settings, &format!("{ROLES}{}", encode_label(role))).await?;
        let document = document.ok_or_else(|| absent("the instance has lost its role"))?;
        let read = || {
            let fields = Fields::read(WHAT, document.text().as_bytes())?;
            let code = fields.string("Code");
            if let Some(code) = code.filter(|code| code.text() != "Success") {
                let message = fields.string("Message");
                let message = message.as_ref().map(Secret::text).unwrap_or_default();
                let error = refused(200, code.text(), &one_line(message));
                return Err(error.with_hint(match code.text() {
                    "AssumeRoleUnauthorizedAccess" => {
                        "let the service ec2.amazonaws.com assume the role, in its trust policy"
                    }
                    _ => "check the instance profile and its role; after a change, try again in a moment",
                }));
            }
            let account = fields.string("AccountId");
            let expires = fields.time("Expiration")?;
            fields.keys(
                ["AccessKeyId", "SecretAccessKey", "Token"],
                account.as_ref().map(Secret::text),
                expires,
            )
        };
        let keys = read().map_err(|error| failed(&format!("{WHAT}, role {role}"), &error))?;
        Ok((role.to_owned(), keys))
    }

    /// The text at a path. `None` if there is none.
    async fn get(
        &self,
        cx: &SearchContext<'_>,
        settings: &Settings,
        path: &str,
    ) -> Result<Option<Secret>, Trouble> {
        // An expired token is replaced once.
        for last_try in [false, true] {
            let token = self.token(cx, settings).await?;
            let headers = [("x-aws-ec2-metadata-token", token.text())];
            let request =
                build_request(Method::GET, &settings.base.join(path, &[])?, &headers, Bytes::new())?;
            // It has given a token: what is slow now is busy.
            let policy =
                CallPolicy { unanswered: settings.policy.unanswered.max(settings.slow), ..settings.policy };
            let request = |_| Ok(request.clone());
            let response = cx.try_asking(policy, &request, &[], |head, body| {
                match (head.status.as_u16(), instead(head, body)) {
                    (_, Some(found)) => Err(Error::new(ErrorKind::Damaged, found).with_hint(INSTEAD)),
                    (200, _) => Ok(Some(text(body)?)),
                    (404, _) => Ok(None),
                    (status, _) => Err(refused(status, "", "")),
                }
            });
            match response.await {
                Ok(response) => return Ok(response),
                Err(error) if error.status() == Some(401) && !last_try => self.cached().token = None,
                Err(error) => return Err(broken(&error).into()),
            }
        }
        Ok(None)
    }

    async fn token(&self, cx: &SearchContext<'_>, settings: &Settings) -> Result<Secret, Trouble> {
        let now = cx.context.now();
        {
            let cached = self.cached();
            if let Some((token, until)) = &cached.token
                && now < *until
            {
                return Ok(token.clone());
            }
            if let Some((absent, until)) = &cached.absent
                && now < *until
            {
                return Err(Trouble::Absent(absent.clone()));
            }
        }
        let headers = [(TTL_HEADER, TTL_SECONDS)];
        let url = settings.base.join("/latest/api/token", &[])?;
        let request = build_request(Method::PUT, &url, &headers, Bytes::new())?;
        let request = |_| Ok(request.clone());
        let ask = || {
            cx.try_asking(settings.policy, &request, &[], |head, body| {
                Ok(match (head.status.as_u16(), instead(head, body)) {
                    (_, Some(found)) => Err(found),
                    (200, _) => Ok((text(body)?, seconds_to_live(head))),
                    (status, _) => return Err(refused(status, "", "")),
                })
            })
        };
        let mut first = pin!(ask());
        let asked = match timeout(settings.policy.timeout / 2, first.as_mut()).await {
            Ok(asked) => asked,
            Err(_) if settings.slow == 0 => first.await,
            // One slow response is not waited for; yet a machine outside AWS does not wait longer than for one.
            Err(_) => first_success(first, pin!(ask())).await,
        };
        let at = settings.base.join("", &[])?;
        let error = match asked {
            Ok(Ok((token, seconds))) => {
                let until = now + Duration::from_secs(seconds).saturating_sub(TOKEN_MARGIN);
                self.cached().token = Some((token.clone(), until));
                return Ok(token);
            }
            Ok(Err(found)) => {
                let absent = Absent { reason: format!("{at}: {found}"), hint: Some(INSTEAD) };
                self.cached().absent = Some((absent.clone(), now + ABSENCE));
                return Err(Trouble::Absent(absent));
            }
            Err(error) => error,
        };
        let seconds = settings.policy.timeout.as_secs();
        let absent = |reason, hint| Absent { reason, hint };
        let absent = match (error.kind(), error.status()) {
            (ErrorKind::Timeout, _) => absent(
                format!("{at} accepted the connection, but gave no session token within {seconds} s"),
                Some(HOPS),
            ),
            (_, None) => {
                absent(format!("{at} cannot be reached: this is probably not an EC2 instance"), None)
            }
            (_, Some(status @ (400 | 404 | 405 | 501))) => {
                absent(format!("{at} gives no session tokens (HTTP {status}): it is not IMDSv2"), None)
            }
            // Some networks outside AWS respond like this at this address.
            (_, Some(403)) => absent(
                format!(
                    "{at} gives no session tokens (HTTP 403): it is turned off, or this is not an EC2 instance"
                ),
                Some(TURNED_OFF),
            ),
            _ => return Err(broken(&error).into()),
        };
        self.cached().absent = Some((absent.clone(), now + ABSENCE));
        Err(Trouble::Absent(absent))
    }
}

/// Where and how it is asked.
struct Settings {
    base: BaseUrl,
    policy: CallPolicy,
    /// The attempts of a service that has responded before and is slow; 0 if the number of attempts is set.
    slow: u32,
}

impl Settings {
    /// The settings, or why the service is turned off.
    fn of(cx: &SearchContext<'_>) -> Result<Result<Self, String>> {
        let profile = cx.section()?;
        Self::read(|name| {
            let in_profile = || {
                let value = profile?.1.non_blank(&name.to_ascii_lowercase())?;
                Some(value.trim().to_owned())
            };
            cx.context.env(&format!("AWS_{name}")).or_else(in_profile)
        })
    }

    /// `setting` gives a value by its name in the environment, without `AWS_`.
    fn read(setting: impl Fn(&str) -> Option<String>) -> Result<Result<Self, String>> {
        let fault = |name: &str, expected: &str| {
            Error::new(
                ErrorKind::Credentials,
                format!(
                    "AWS_{name} (or in the profile {}): expected {expected}, found something else",
                    name.to_ascii_lowercase()
                ),
            )
        };
        if setting("EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Err("turned off by AWS_EC2_METADATA_DISABLED (or in the profile)".into()));
        }
        let endpoint = setting("EC2_METADATA_SERVICE_ENDPOINT");
        let mode = setting("EC2_METADATA_SERVICE_ENDPOINT_MODE").unwrap_or_else(|| "IPv4".into());
        let url = match endpoint {
            Some(url) => url,
            None if mode.eq_ignore_ascii_case("IPv4") => format!("http://{IPV4}"),
            None if mode.eq_ignore_ascii_case("IPv6") => format!("http://[{IPV6}]"),
            None => return Err(fault("EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv4 or IPv6")),
        };
        let base =
            BaseUrl::parse(&url).map_err(|expected| fault("EC2_METADATA_SERVICE_ENDPOINT", expected))?;
        // Its responses are keys: plain http is for this machine and its own link only.
        let host = url.trim().parse::<Uri>().ok();
        let host = host.as_ref().and_then(|uri| uri.host()?.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        if !base.may_carry_secrets() && !host.is_some_and(|host| host == IPV4 || host == IPV6) {
            let expected = format!("an https URL, or an http URL of this machine, {IPV4} or [{IPV6}]");
            return Err(fault("EC2_METADATA_SERVICE_ENDPOINT", &expected));
        }
        let seconds = match setting("METADATA_SERVICE_TIMEOUT") {
            None => 1.0,
            // size: f64::from_str would add 16 KB for this one setting.
            Some(text) => serde_json::from_str::<f64>(&text)
                .ok()
                .filter(|seconds| (0.001..=3600.0).contains(seconds))
                .ok_or_else(|| fault("METADATA_SERVICE_TIMEOUT", "a number of seconds"))?,
        };
        // The SDK for Rust has as many, and asks a machine outside AWS once.
        let (attempts, unanswered, slow) = match setting("METADATA_SERVICE_NUM_ATTEMPTS") {
            None => (4, 1, 3),
            Some(text) => {
                let set = text.parse().map_err(|_| fault("METADATA_SERVICE_NUM_ATTEMPTS", "a number"))?;
                (set, set, 0)
            }
        };
        let timeout = Duration::from_secs_f64(seconds) + CONNECTED;
        Ok(Ok(Self { base, policy: CallPolicy { link_local: true, attempts, unanswered, timeout }, slow }))
    }
}

/// What responds in place of the service, if that is another: a redirect or a page, as of a captive portal.
fn instead(head: &Parts, body: &[u8]) -> Option<String> {
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if head.status.is_redirection() {
        // The rest of the URL may hold a secret.
        let to = header(LOCATION).parse::<Uri>().ok().and_then(|uri| uri.host().map(one_line));
        let to = to.map(|host| format!(" to {host}")).unwrap_or_default();
        return Some(format!(
            "expected the metadata service, found a redirect{to} (HTTP {})",
            head.status.as_u16()
        ));
    }
    let is_page = header(CONTENT_TYPE).starts_with("text/html") && head.status.is_success()
        || body.trim_ascii_start().starts_with(b"<") && head.status.is_success();
    is_page.then(|| "expected the metadata service, found a web page".into())
}

/// The error of a service that responded, with the next step.
fn broken(error: &Error) -> Error {
    let hint = if error.is_retryable() {
        "try again in a moment: the metadata service is busy, or limits the requests of this instance"
    } else {
        "check what responds at that address; elsewhere than on EC2 set AWS_EC2_METADATA_DISABLED=true"
    };
    failed(WHAT, error).or_hint(Some(hint.into()))
}

/// The first of two that succeeds, or else the result of the first.
async fn first_success<T>(
    mut first: Pin<&mut impl Future<Output = Result<T>>>,
    second: Pin<&mut impl Future<Output = Result<T>>>,
) -> Result<T> {
    let mut second = Some(second);
    poll_fn(|task| {
        match second.as_mut().map(|second| second.as_mut().poll(task)) {
            Some(Poll::Ready(Ok(found))) => return Poll::Ready(Ok(found)),
            Some(Poll::Ready(Err(_))) => second = None,
            _ => {}
        }
        first.as_mut().poll(task)
    })
    .await
}

/// The lifetime of a session token, in seconds.
fn seconds_to_live(head: &Parts) -> u64 {
    let header = head.headers.get(TTL_HEADER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    // At most what was asked for.
    header.unwrap_or(0_u64).min(21600)
}

fn text(body: &[u8]) -> Result<Secret> {
    let text = std::str::from_utf8(body).map(str::trim);
    text.map(Secret::new).map_err(|_| Error::new(ErrorKind::Damaged, "expected text, found something else"))
}

const WHAT: &str = "the instance metadata service";
const IPV4: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
const IPV6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TTL_SECONDS: &str = "21600";
const INSTEAD: &str = "it is probably a captive portal or a proxy: sign in to the network, or set AWS_EC2_METADATA_DISABLED=true \
     if this is not an EC2 instance";
const TURNED_OFF: &str = "on EC2, turn on the instance's metadata service: aws ec2 modify-instance-metadata-options --http-endpoint enabled";
const HOPS: &str = "in a container on EC2, the instance's hop limit keeps the response away: raise it with \
     `aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2 --instance-id ID`; elsewhere set \
     AWS_EC2_METADATA_DISABLED=true";
/// How long before its expiry a session token is replaced.
const TOKEN_MARGIN: Duration = Duration::from_mins(2);
/// How long a missing service is not asked again.
const ABSENCE: Duration = Duration::from_secs(10);
/// When expired keys are asked for again, and the most that is added at random.
const TERM: Duration = Duration::from_mins(10);
const JITTER: Duration = Duration::from_mins(5);
/// The response timeout is longer than the connect timeout by this, so that the connect timeout passes first.
const CONNECTED: Duration = Duration::from_millis(50);
