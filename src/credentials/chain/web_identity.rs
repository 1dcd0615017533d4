//! A role for a token of another identity provider, as in Kubernetes. The token is in a file, which is read each
//! time.
//!
//! Source: the AWS SDKs' reference guide,
//! [assume role](https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html).

use aws_credential_types::Credentials as Keys;

use super::disk_cache::CachedKeys;
use super::provider_context::{Fault, SearchContext};
use super::secret::{Secret, in_file};
use super::{Outcome, sts};
use crate::aws_files::Section;
use crate::context::Context;
use crate::{Error, ErrorKind, Result};

/// A role, and the file with the token.
#[derive(Debug)]
pub(super) struct WebIdentity {
    role_arn: String,
    token_file: String,
    session_name: Option<String>,
}

/// The role of the environment.
pub(super) async fn load(cx: &SearchContext<'_>) -> Result<Outcome> {
    let env = |name| cx.context.env(name);
    let Some(token_file) = env(TOKEN_FILE) else { return Ok(Outcome::not_applicable("not set")) };
    let Some(role_arn) = env("AWS_ROLE_ARN") else {
        return Ok(Outcome::not_applicable(format!("{TOKEN_FILE} is set, AWS_ROLE_ARN is not")));
    };
    let link = format!("web identity (role {role_arn})");
    let identity = WebIdentity { role_arn, token_file, session_name: env("AWS_ROLE_SESSION_NAME") };
    Outcome::of("default chain", link, identity.load(cx).await)
}

impl WebIdentity {
    /// The role of a profile. `None` if it has no token file.
    pub(super) fn of(profile: &Section) -> Result<Option<Self>> {
        let property = |key| profile.non_blank(key).map(str::to_owned);
        let Some(token_file) = property("web_identity_token_file") else { return Ok(None) };
        let role_arn = property("role_arn").ok_or_else(|| {
            let name = profile.name();
            Error::new(
                ErrorKind::Credentials,
                format!("the profile {name} has web_identity_token_file, but no role_arn"),
            )
        })?;
        Ok(Some(Self { role_arn, token_file, session_name: property("role_session_name") }))
    }

    pub(super) async fn load(&self, cx: &SearchContext<'_>) -> Result<Keys, Fault> {
        let token = token_in(&cx.context, &self.token_file, "web identity token")?;
        let named = self.session_name.as_deref().unwrap_or_default();
        let cached = CachedKeys::new(cx, &["web identity", &self.role_arn, named, token.text()]);
        if let Some(keys) = cached.get() {
            return Ok(keys);
        }
        let session_name = self.session_name.clone();
        let session_name = session_name.unwrap_or_else(|| sts::session_name(cx.context.now()));
        let parameters = [
            ("RoleArn", &*self.role_arn),
            ("RoleSessionName", &*session_name),
            ("WebIdentityToken", token.text()),
        ];
        let what = format!("STS gave no keys for the role {} and its web identity token", self.role_arn);
        let keys = sts::assume(cx, &what, "AssumeRoleWithWebIdentity", &parameters, None).await?;
        cached.set(&keys);
        Ok(keys)
    }
}

/// The token in a file, without white space around it.
pub(super) fn token_in(context: &Context, path: &str, what: &str) -> Result<Secret> {
    let unreadable = |fault: &str| {
        Error::new(ErrorKind::Credentials, format!("the file of the {what}, {path}, cannot be read: {fault}"))
    };
    let bytes = in_file(context, &context.path(path)).map_err(|fault| unreadable(&fault))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable("it is not UTF-8"))?.trim();
    if text.is_empty() {
        return Err(unreadable("it is empty"));
    }
    Ok(Secret::new(text))
}

pub(super) const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
