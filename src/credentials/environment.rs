//! Access keys in the environment.

use std::future::ready;

use aws_credential_types::Credentials as Keys;

use super::{Credentials, Found, Loading, Outcome, Source};
use crate::context::Context;

/// The source.
#[derive(Debug)]
pub(super) struct Environment;

impl Source for Environment {
    fn name(&self) -> String {
        NAME.into()
    }

    fn load<'a>(&'a self, context: &'a Context) -> Loading<'a> {
        // `SECRET_ACCESS_KEY` is the old name that the SDK for Rust still reads.
        let secret = || context.env("AWS_SECRET_ACCESS_KEY").or_else(|| context.env("SECRET_ACCESS_KEY"));
        let skipped = |reason: &str| Outcome::NotApplicable(reason.into());
        Box::pin(ready(match (context.env("AWS_ACCESS_KEY_ID"), secret()) {
            (Some(id), Some(secret)) => {
                let mut keys =
                    Keys::builder().access_key_id(id).secret_access_key(secret).provider_name("environment");
                keys.set_session_token(context.env("AWS_SESSION_TOKEN"));
                if let Some(account) = context.env("AWS_ACCOUNT_ID") {
                    keys = keys.account_id(account);
                }
                Outcome::Found(Found {
                    credentials: Credentials::Keys(keys.build()),
                    source: "env: AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY",
                    link: NAME.into(),
                })
            }
            (None, None) => skipped("not set"),
            (Some(_), None) => skipped("AWS_ACCESS_KEY_ID is set, AWS_SECRET_ACCESS_KEY is not"),
            (None, Some(_)) => skipped("AWS_SECRET_ACCESS_KEY is set, AWS_ACCESS_KEY_ID is not"),
        }))
    }
}

const NAME: &str = "AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY";
