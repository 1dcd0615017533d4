//! The commands of a settings file: one prints the Bedrock API key, one gets new credentials when they have expired.

use std::time::Duration;

use aws_credential_types::Token;

use super::ProviderContext;
use super::process::{fault, run};
use crate::Result;

/// The key that the command prints. It is used for an hour.
pub(super) async fn key(cx: &ProviderContext, what: &str, command: &str) -> Result<Token> {
    let ran = run(cx, what, command, KEY_LIMIT).await?;
    let text = std::str::from_utf8(&ran.stdout).unwrap_or_default().trim();
    if text.is_empty() || text.contains(char::is_whitespace) {
        let found = if text.is_empty() { "nothing" } else { "more than one word" };
        return Err(fault(what, &format!("gave no key: expected one on standard output, found {found}")));
    }
    Ok(Token::new(text, Some(cx.context.now() + LIFETIME)))
}

/// Runs the command. Where it says what to do, such as a URL to open, the user sees it.
pub(super) async fn refresh(cx: &ProviderContext, what: &str, command: &str) -> Result<()> {
    run(cx, what, &format!("({command}\n) 1>&2"), REFRESH_LIMIT).await.map(drop)
}

const KEY_LIMIT: Duration = Duration::from_mins(1);
/// Somebody may have to sign in with a browser.
const REFRESH_LIMIT: Duration = Duration::from_mins(5);
/// How long a key is used: it does not say when it expires.
const LIFETIME: Duration = Duration::from_hours(1);
