//! A Bedrock API key in `AWS_BEARER_TOKEN_BEDROCK`. One variable serves both services.

use std::future::ready;

use aws_credential_types::Token;

use super::{Credentials, Found, Loading, Outcome, Source};
use crate::context::Context;
use crate::error::{Error, ErrorKind};

/// The source.
#[derive(Debug)]
pub(super) struct Bearer;

impl Source for Bearer {
    fn name(&self) -> String {
        VARIABLE.into()
    }

    fn load<'a>(&'a self, context: &'a Context) -> Loading<'a> {
        let Some(token) = context.env(VARIABLE) else {
            return Box::pin(ready(Outcome::NotApplicable("not set".into())));
        };
        Box::pin(ready(if token.bytes().all(|byte| byte.is_ascii_graphic()) {
            Outcome::Found(Found {
                credentials: Credentials::Bearer(Token::new(token, None)),
                source: "env: AWS_BEARER_TOKEN_BEDROCK",
                link: VARIABLE.into(),
            })
        } else {
            Outcome::Broken(Error::new(
                ErrorKind::Credentials,
                format!("{VARIABLE}: a token of visible ASCII characters expected, others found in it"),
            ))
        }))
    }
}

const VARIABLE: &str = "AWS_BEARER_TOKEN_BEDROCK";
