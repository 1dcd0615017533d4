//! A Bedrock API key in `AWS_BEARER_TOKEN_BEDROCK`. One variable serves both services.
//!
//! Without one, the other sources are asked, unless `AWS_AUTH_SCHEME_PREFERENCE`, or else
//! `auth_scheme_preference` of the profile, prefers a token: of the schemes in that list that Bedrock supports,
//! `httpBearerAuth` is the first. Source: the AWS SDKs' reference guide,
//! [authentication scheme](https://docs.aws.amazon.com/sdkref/latest/guide/feature-auth-scheme.html).

use aws_credential_types::Token;

use super::provider_context::SearchContext;
use super::{Credentials, Outcome, Resolved};
use crate::{Error, ErrorKind, Hint, Result};

pub(super) fn load(cx: &SearchContext<'_>) -> Result<Outcome> {
    let Some(token) = cx.context.env(VARIABLE) else { return absent(cx) };
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::new(
            ErrorKind::Credentials,
            format!("{VARIABLE}: expected a token of visible ASCII, found another character"),
        )
        .with_hint(Hint::CopyCredentials));
    }
    Ok(Outcome::Resolved(Resolved {
        credentials: Credentials::Bearer(Token::new(token, None)),
        source: "env: AWS_BEARER_TOKEN_BEDROCK",
        link: VARIABLE.into(),
        region: None,
    }))
}

/// The outcome without a token.
fn absent(cx: &SearchContext<'_>) -> Result<Outcome> {
    // A damaged file is reported by the source that needs it.
    let in_profile = || {
        let profile = cx.files.profiles().ok()?.profile(&cx.context.profile_name(None))?;
        profile.non_blank(PREFERENCE_KEY).map(str::to_owned)
    };
    let (preference, setting) = match cx.context.env(PREFERENCE_VARIABLE) {
        Some(preference) => (Some(preference), PREFERENCE_VARIABLE),
        None => (in_profile(), "the profile's auth_scheme_preference"),
    };
    if !preference.is_some_and(|preference| prefers_bearer(&preference)) {
        return Ok(Outcome::not_applicable("not set"));
    }
    Err(Error::new(
        ErrorKind::Credentials,
        format!("{setting} asks for httpBearerAuth, but {VARIABLE} is not set"),
    )
    .with_hint(format!("set {VARIABLE}, or change {setting}: sigv4 is for access keys")))
}

/// Whether the first supported scheme of a list such as `sigv4a, httpBearerAuth` is the bearer token. A scheme may
/// have its namespace before it: `smithy.api#httpBearerAuth`.
fn prefers_bearer(preference: &str) -> bool {
    let schemes = preference.split(',').map(|scheme| scheme.rsplit('#').next().unwrap_or_default().trim());
    schemes.into_iter().find(|scheme| ["sigv4", BEARER_SCHEME].contains(scheme)) == Some(BEARER_SCHEME)
}

const PREFERENCE_VARIABLE: &str = "AWS_AUTH_SCHEME_PREFERENCE";
const PREFERENCE_KEY: &str = "auth_scheme_preference";
const BEARER_SCHEME: &str = "httpBearerAuth";
pub(super) const VARIABLE: &str = "AWS_BEARER_TOKEN_BEDROCK";
