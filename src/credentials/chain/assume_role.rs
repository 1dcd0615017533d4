//! A role that a profile assumes with other credentials: `role_arn` with `source_profile` or
//! `credential_source`.
//!
//! Source: the AWS SDKs' reference guide,
//! [assume role](https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html).

use aws_credential_types::Credentials as Keys;

use super::disk_cache::CachedKeys;
use super::provider_context::{Fault, SearchContext};
use super::sts;
use crate::aws_files::Section;
use crate::context::on_own_thread;
use crate::{Error, ErrorKind};

/// The role of a profile, and how to assume it.
#[derive(Debug)]
pub(super) struct Role {
    profile: String,
    pub(super) arn: String,
    session_name: Option<String>,
    external_id: Option<String>,
    duration_seconds: Option<u32>,
    mfa_serial: Option<String>,
}

impl Role {
    /// `None` if the profile has no role.
    pub(super) fn of(profile: &Section) -> Option<Self> {
        let property = |key| profile.non_blank(key).map(str::to_owned);
        Some(Self {
            profile: profile.name().to_owned(),
            arn: property("role_arn")?,
            session_name: property("role_session_name"),
            external_id: property("external_id"),
            // An invalid number is ignored, as the SDKs do.
            duration_seconds: profile
                .non_blank("duration_seconds")
                .and_then(|value| value.trim().parse().ok()),
            mfa_serial: property("mfa_serial"),
        })
    }

    /// Assumes the role with these keys, unless that is cached.
    pub(super) async fn assume(&self, cx: &SearchContext<'_>, with: &Keys) -> Result<Keys, Fault> {
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        let url = cx.context.env("AWS_ENDPOINT_URL_STS").or_else(|| cx.context.env("AWS_ENDPOINT_URL"));
        let cached = CachedKeys::new(
            cx,
            &[
                "role",
                &self.arn,
                &part(&self.session_name),
                &part(&self.external_id),
                &self.duration_seconds.unwrap_or_default().to_string(),
                &part(&self.mfa_serial),
                &part(&url),
                with.access_key_id(),
                with.secret_access_key(),
                with.session_token().unwrap_or_default(),
            ],
        );
        if let Some(keys) = cached.get() {
            return Ok(keys);
        }
        let code = match &self.mfa_serial {
            Some(serial) => Some(self.mfa_code(cx, serial).await?),
            None => None,
        };
        let session_name = self.session_name.clone();
        let session_name = session_name.unwrap_or_else(|| sts::session_name(cx.context.now()));
        let duration = self.duration_seconds.map(|seconds| seconds.to_string());
        let mut parameters = vec![("RoleArn", &*self.arn), ("RoleSessionName", &*session_name)];
        parameters.extend(duration.as_deref().map(|duration| ("DurationSeconds", duration)));
        parameters.extend(self.external_id.as_deref().map(|id| ("ExternalId", id)));
        if let (Some(serial), Some(code)) = (&self.mfa_serial, &code) {
            parameters.extend([("SerialNumber", &**serial), ("TokenCode", code)]);
        }
        let what = format!("the profile {}: STS gave no keys for the role {}", self.profile, self.arn);
        let keys = sts::assume(cx, &what, "AssumeRole", &parameters, Some(with)).await?;
        cached.set(&keys);
        Ok(keys)
    }

    /// Asks the user for a code of the MFA device.
    async fn mfa_code(&self, cx: &SearchContext<'_>, serial: &str) -> Result<String, Fault> {
        let name = &self.profile;
        let what = format!("the profile {name} needs a code of the MFA device {serial}");
        if cx.offline {
            return Err(Fault::Offline(what));
        }
        let unasked = |why: String| {
            Error::new(ErrorKind::Credentials, format!("{what}{why}")).with_hint(format!(
                "run `aws configure export-credentials --profile {name} --format env` at a terminal and set what it \
                 prints, or make that command (without --format) a credential_process"
            ))
        };
        let ask = cx.mfa.0.clone().ok_or_else(|| unasked(", and nobody can be asked for it".into()))?;
        let device = serial.to_owned();
        let code = on_own_thread(move || ask(&device)).await;
        let code =
            code.map_err(|error| unasked(format!(", and there is no terminal to ask for it: {error}")))?;
        match code.trim() {
            "" => Err(unasked(": expected a code, found an empty line".into()).into()),
            code => Ok(code.to_owned()),
        }
    }
}
