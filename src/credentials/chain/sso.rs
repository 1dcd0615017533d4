//! IAM Identity Center: the token in the file that `aws sso login` writes is exchanged for the keys of a role, and
//! refreshed if possible.
//!
//! Source: the AWS SDKs' reference guide,
//! [IAM Identity Center](https://docs.aws.amazon.com/sdkref/latest/guide/feature-sso-credentials.html).

use std::path::PathBuf;
use std::time::Duration;

use ::http::Method;
use aws_credential_types::Credentials as Keys;
use bytes::Bytes;
use ring::digest::SHA1_FOR_LEGACY_USE_ONLY;
use serde_json::json;
use zeroize::Zeroizing;

use super::disk_cache::CachedKeys;
use super::provider_context::{
    CallPolicy, Fault, SearchContext, build_request, hinted, ignored_lines, refusal, secret_body,
};
use super::secret::{Fields, Secret, hashed_name};
use super::session::{self, Session};
use crate::aws_files::{Profiles, Section};
use crate::date::rfc3339;
use crate::{Error, ErrorKind, Hint, Result};

/// The settings of a profile.
#[derive(Debug)]
pub(super) struct Sso {
    profile: String,
    /// The `sso-session`, if the profile names one; without it, tokens are not refreshed.
    pub(super) session: Option<String>,
    start_url: String,
    region: String,
    account: String,
    role: String,
}

impl Sso {
    /// `None` if the profile does not use it, or only for a token: a session without account and role.
    pub(super) fn of(profiles: &Profiles, profile: &Section) -> Result<Option<Self>> {
        let name = profile.name();
        let fault = |fault: &str| Error::new(ErrorKind::Credentials, format!("the profile {name} {fault}"));
        let [session, start_url, region, account, role] =
            ["sso_session", "sso_start_url", "sso_region", "sso_account_id", "sso_role_name"]
                .map(|key| profile.non_blank(key));
        let place = match session {
            None if [start_url, region, account, role].iter().all(Option::is_none) => return Ok(None),
            None => profile,
            Some(_) if start_url.or(region).is_some() => {
                return Err(fault(
                    "has sso_session, and also sso_start_url or sso_region: they belong in [sso-session] only",
                ));
            }
            Some(_) if account.or(role).is_none() => return Ok(None),
            Some(session) => profiles.sso_session(session).ok_or_else(|| {
                let ignored = ignored_lines(profiles, session);
                fault(&format!("names the sso_session {session}, but there is no such section{ignored}"))
            })?,
        };
        let required = |section: &Section, key: &str| {
            let owner = if section.name() == name { "has" } else { "uses an sso-session that has" };
            let value = section.non_blank(key).map(str::to_owned);
            value.ok_or_else(|| {
                fault(&format!("{owner} no {key}, which credentials of IAM Identity Center need"))
            })
        };
        Ok(Some(Self {
            profile: name.to_owned(),
            session: session.map(str::to_owned),
            start_url: required(place, "sso_start_url")?,
            region: required(place, "sso_region")?,
            account: required(profile, "sso_account_id")?,
            role: required(profile, "sso_role_name")?,
        }))
    }

    /// Keys of the role.
    pub(super) async fn load(&self, cx: &SearchContext<'_>) -> Result<Keys, Fault> {
        let token = self.token(cx).await?;
        let region = &self.region;
        let base = cx.service("sso", region, |suffix| format!("portal.sso.{region}.{suffix}"))?;
        let cached = CachedKeys::new(
            cx,
            &["sso", &base.text, &self.start_url, &self.account, &self.role, token.text()],
        );
        if let Some(keys) = cached.get() {
            return Ok(keys);
        }
        let query = [("role_name", &*self.role), ("account_id", &*self.account)];
        let headers = [("x-amz-sso_bearer_token", token.text())];
        let url = base.join("/federation/credentials", &query)?;
        let request = build_request(Method::GET, &url, &headers, Bytes::new())?;
        let what = format!("the profile {}: IAM Identity Center gave no keys", self.profile);
        let again = |_| Ok(request.clone());
        let asking = cx.ask(&what, CallPolicy::NETWORK, &again, &[], |head, body| {
            if head.status == 401 {
                return Err(refusal(head, body).with_hint(self.log_in()));
            }
            if !head.status.is_success() {
                return Err(hinted(refusal(head, body), |_| {
                    let hint = format!(
                        "check sso_role_name ({}) and sso_account_id ({}), and that they are assigned to you",
                        self.role, self.account
                    );
                    Some(hint.into())
                }));
            }
            let response = Fields::read("its response", body)?;
            let fields = response.object("roleCredentials")?;
            let expires = Some(fields.milliseconds("expiration")?);
            fields.keys(["accessKeyId", "secretAccessKey", "sessionToken"], Some(&self.account), expires)
        });
        let keys = asking.await?;
        cached.set(&keys);
        Ok(keys)
    }

    /// The token of the file, refreshed if it is about to expire.
    async fn token(&self, cx: &SearchContext<'_>) -> Result<Secret, Fault> {
        let context = &cx.context;
        let fault = |fault: &str| {
            let message = format!("the profile {}: {fault}", self.profile);
            Error::new(ErrorKind::Credentials, message).with_hint(self.log_in())
        };
        let path = self.cache_file(cx).ok_or_else(|| fault("no home folder for its SSO token"))?;
        let file = &path.display();
        let unreadable = |why: &str| fault(&format!("the SSO token in {file}: {why}"));
        let read = |text: &[u8]| {
            let fields = Fields::read("the file", text)?;
            let (value, expires) = (fields.required("accessToken")?, fields.time("expiresAt")?);
            let expires = expires.ok_or_else(|| fields.expected("expiresAt", "a time"))?;
            let registered =
                fields.time("registrationExpiresAt")?.is_some_and(|end| context.service_time() < end);
            let refreshable = self.session.is_some()
                && registered
                && REFRESHING.iter().all(|name| fields.string(name).is_some());
            Ok(Session { value, expires, refreshable })
        };
        let refresh = |text: Zeroizing<Vec<u8>>| async move {
            let session = read(&text)?;
            if !session.refreshable {
                let at = rfc3339(session.expires).map(|end| format!(" at {end}")).unwrap_or_default();
                return Err(fault(&format!("the SSO token in {file} expired{at}")).into());
            }
            let fields = Fields::read("the file", &text)?;
            let (token, seconds, refresh) = self.refresh(cx, &fields).await?;
            let json = |text: &str| Zeroizing::new(json!(text).to_string());
            // By this machine's clock, as all tools write it.
            let end = rfc3339(context.now() + seconds).unwrap_or_default();
            let (access, expires) = (json(token.text()), json(&end));
            let refresh = refresh.as_ref().map(|refresh| json(refresh.text()));
            let mut changed = vec![("accessToken", &**access), ("expiresAt", &**expires)];
            changed.extend(refresh.as_ref().map(|refresh| ("refreshToken", &***refresh)));
            Ok((token, fields.with(&changed)))
        };
        session::current(cx, &path, unreadable, read, refresh).await.map_err(|fault| match fault {
            Fault::Broken(error) if error.hint().is_none() => Fault::Broken(error.with_hint(self.log_in())),
            fault => fault,
        })
    }

    /// A new token, its lifetime, and its refresh token.
    async fn refresh(
        &self,
        cx: &SearchContext<'_>,
        fields: &Fields<'_>,
    ) -> Result<(Secret, Duration, Option<Secret>), Fault> {
        let region = &self.region;
        let base = cx.service("sso_oidc", region, |suffix| format!("oidc.{region}.{suffix}"))?;
        let mut members = vec![("grantType", Zeroizing::new("\"refresh_token\"".to_owned()))];
        for name in REFRESHING {
            members.push((name, Zeroizing::new(json!(fields.required(name)?.text()).to_string())));
        }
        let members = members.iter().map(|(name, json)| (*name, &***json)).collect::<Vec<_>>();
        let body = Fields::read("", b"{}")?.with(&members);
        let headers = [("content-type", "application/json")];
        let request = build_request(Method::POST, &base.join("/token", &[])?, &headers, secret_body(body))?;
        let what = format!("the profile {}: the SSO token could not be refreshed", self.profile);
        let [secret, refresh] = [fields.required("clientSecret")?, fields.required("refreshToken")?];
        let secrets = [secret.text(), refresh.text()];
        cx.ask(&what, CallPolicy::NETWORK, &|_| Ok(request.clone()), &secrets, |head, body| {
            if !head.status.is_success() {
                return Err(hinted(refusal(head, body), |_| Some(self.log_in())));
            }
            let fields = Fields::read("the response", body)?;
            let seconds = fields.seconds("expiresIn")?;
            let access = fields.required("accessToken")?;
            Ok((access, seconds, fields.string("refreshToken")))
        })
        .await
    }

    fn cache_file(&self, cx: &SearchContext<'_>) -> Option<PathBuf> {
        let name = hashed_name(&SHA1_FOR_LEGACY_USE_ONLY, self.session.as_ref().unwrap_or(&self.start_url));
        Some(cx.context.home()?.join(".aws/sso/cache").join(name))
    }

    fn log_in(&self) -> Hint {
        Hint::SignIn { profile: self.profile.clone(), sso: true }
    }
}

/// The members of the file that a refresh needs.
const REFRESHING: [&str; 3] = ["clientId", "clientSecret", "refreshToken"];
