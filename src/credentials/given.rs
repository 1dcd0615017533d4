//! A Bedrock API key that the program gives by itself.

use std::future::ready;

use aws_credential_types::Token;

use super::{Credentials, Found, Loading, Outcome, Source};
use crate::context::Context;

/// The source.
#[derive(Debug)]
pub(super) struct Given(pub(super) Token);

impl Source for Given {
    fn name(&self) -> String {
        NAME.into()
    }

    fn load<'a>(&'a self, _: &'a Context) -> Loading<'a> {
        Box::pin(ready(Outcome::Found(Found {
            credentials: Credentials::Bearer(self.0.clone()),
            source: NAME,
            link: NAME.into(),
        })))
    }
}

const NAME: &str = "given bearer token";
