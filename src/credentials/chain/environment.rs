//! Access keys in the environment.

use aws_credential_types::Credentials as Keys;

use super::secret::{Secret, keys};
use super::{Credentials, Outcome, Resolved};
use crate::context::Context;
use crate::date::read_time;

pub(super) fn load(context: &Context) -> Outcome {
    let skipped = Outcome::not_applicable;
    match (context.env(ID), secret(context)) {
        (Some(id), Some(secret)) => Outcome::Resolved(Resolved {
            credentials: Credentials::Keys(both(context, &id, &secret)),
            source: "env: AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY",
            link: NAME.into(),
            region: None,
        }),
        (None, None) => skipped("not set"),
        (Some(_), None) => skipped("AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not"),
        (None, Some(_)) => skipped("AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not"),
    }
}

/// The keys, if both are set.
pub(super) fn keys_of(context: &Context) -> Option<Keys> {
    Some(both(context, &context.env(ID)?, &secret(context)?))
}

fn both(context: &Context, id: &str, secret: &Secret) -> Keys {
    // The second is the older name.
    let token =
        context.env("AWS_SESSION_TOKEN").or_else(|| context.env("AWS_SECURITY_TOKEN")).map(Secret::new);
    let account = context.env("AWS_ACCOUNT_ID");
    // Advisory: an unparseable value is ignored.
    let expires = context.env("AWS_CREDENTIAL_EXPIRATION").and_then(|text| read_time(&text));
    keys((id, secret.text(), token.as_ref().map(Secret::text)), account.as_deref(), expires)
}

fn secret(context: &Context) -> Option<Secret> {
    // `SECRET_ACCESS_KEY` is the old name that the SDK for Rust still reads.
    context.env("AWS_SECRET_ACCESS_KEY").or_else(|| context.env("SECRET_ACCESS_KEY")).map(Secret::new)
}

pub(super) const NAME: &str = "AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY";
const ID: &str = "AWS_ACCESS_KEY_ID";
