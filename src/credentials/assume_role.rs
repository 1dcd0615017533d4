//! A role that a profile assumes with other credentials: `role_arn` with `source_profile` or
//! `credential_source`.
//!
//! Source: the AWS SDKs' reference guide,
//! [assume role](https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html).

use aws_credential_types::Credentials as Keys;

use super::provider_context::{Fault, SearchContext};
use super::sts;
use crate::aws_files::Section;
use crate::{Error, ErrorKind, Result};

/// The role of a profile, and how to assume it.
#[derive(Debug)]
pub(super) struct Role {
    profile: String,
    pub(super) arn: String,
    session_name: Option<String>,
    external_id: Option<String>,
    duration_seconds: Option<u32>,
}

impl Role {
    /// `None` if the profile has no role.
    pub(super) fn of(profile: &Section) -> Result<Option<Self>> {
        let property = |key| profile.non_blank(key).map(str::to_owned);
        let Some(arn) = property("role_arn") else { return Ok(None) };
        let name = profile.name();
        if let Some(serial) = profile.non_blank("mfa_serial") {
            return Err(Error::new(
                ErrorKind::Credentials,
                format!("the profile {name} needs a code of the MFA device {serial}, which is not supported"),
            )
            .with_hint(format!(
                "the AWS CLI asks: run `aws configure export-credentials --profile {name} --format env` and \
                 set what it prints, or make that command (without --format) a credential_process"
            )));
        }
        Ok(Some(Self {
            profile: name.to_owned(),
            arn,
            session_name: property("role_session_name"),
            external_id: property("external_id"),
            // An invalid number is ignored, as the SDKs do.
            duration_seconds: profile
                .non_blank("duration_seconds")
                .and_then(|value| value.trim().parse().ok()),
        }))
    }

    /// Assumes the role with these keys.
    pub(super) async fn assume(&self, cx: &SearchContext<'_>, with: &Keys) -> Result<Keys, Fault> {
        let session_name = self.session_name.clone();
        let session_name = session_name.unwrap_or_else(|| sts::session_name(cx.context.now()));
        let duration = self.duration_seconds.map(|seconds| seconds.to_string());
        let mut parameters = vec![("RoleArn", &*self.arn), ("RoleSessionName", &*session_name)];
        parameters.extend(duration.as_deref().map(|duration| ("DurationSeconds", duration)));
        parameters.extend(self.external_id.as_deref().map(|id| ("ExternalId", id)));
        let what = format!("the profile {}: STS gave no keys for the role {}", self.profile, self.arn);
        sts::assume(cx, &what, "AssumeRole", &parameters, Some(with)).await
    }
}
