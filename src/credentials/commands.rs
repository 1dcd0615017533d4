//! The commands of a settings file: one prints the Bedrock API key, one gets new credentials when they have expired.

use std::io;
use std::time::Duration;

use aws_credential_types::Token;

use super::ProviderContext;
use super::process::without_secrets;
use crate::context::CommandOutput;
use crate::{Error, ErrorKind, Result};

/// The key that the command prints. It is used for an hour.
pub(super) async fn key(cx: &ProviderContext, what: &str, command: &str) -> Result<Token> {
    let ran = run(cx, what, command, KEY_LIMIT).await?;
    let text = std::str::from_utf8(&ran.stdout).unwrap_or_default().trim();
    if text.is_empty() || text.contains(char::is_whitespace) {
        let found = if text.is_empty() { "nothing" } else { "more than one word" };
        let message = format!("{what}: expected a key on standard output, found {found}");
        return Err(Error::new(ErrorKind::Credentials, message).with_hint(HINT));
    }
    Ok(Token::new(text, Some(cx.context.now() + LIFETIME)))
}

/// Runs the command. Where it says what to do, such as a URL to open, the user sees it.
pub(super) async fn refresh(cx: &ProviderContext, what: &str, command: &str) -> Result<()> {
    run(cx, what, &format!("({command}\n) 1>&2"), REFRESH_LIMIT).await.map(drop)
}

async fn run(cx: &ProviderContext, what: &str, command: &str, limit: Duration) -> Result<CommandOutput> {
    let failed = |why: String| Error::new(ErrorKind::Credentials, format!("{what} {why}")).with_hint(HINT);
    let ran =
        cx.context.run_aside(command, limit, Box::new(|_| {})).await.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => failed(format!("did not end within {} s", limit.as_secs())),
            _ => failed(format!("could not be run: {error}")),
        })?;
    if ran.success {
        return Ok(ran);
    }
    let said = without_secrets(&String::from_utf8_lossy(&ran.stderr));
    Err(failed(if said.is_empty() { "failed".into() } else { format!("failed and said: {said}") }))
}

const HINT: &str = "run the command by itself to see what it does";
const KEY_LIMIT: Duration = Duration::from_mins(1);
/// Somebody may have to sign in with a browser.
const REFRESH_LIMIT: Duration = Duration::from_mins(5);
/// How long a key is used: it does not say when it expires.
const LIFETIME: Duration = Duration::from_hours(1);
