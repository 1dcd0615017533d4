//! A command that prints credentials: `credential_process` of a profile.
//!
//! Source: the AWS SDKs' reference guide,
//! [process credentials](https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html).

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_credential_types::Credentials as Keys;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::provider_context::{Fault, Said, one_line};
use super::secret::{Fields, Secret};
use super::{ProviderContext, expired};
use crate::context::{CommandOutput, LONGEST_OUTPUT};
use crate::{Error, ErrorKind, Result};

/// Runs the command of a profile. It may ask the user something: it has a minute.
pub(super) async fn load(
    cx: &ProviderContext,
    profile: &str,
    command: &str,
    account: Option<&str>,
) -> Result<Keys, Fault> {
    let what = format!("credential_process of the profile {profile}");
    // Such commands usually ask a service.
    if cx.offline {
        return Err(Fault::Offline(what));
    }
    let ran = run(cx, &what, command, LIMIT).await?;
    let read = || {
        let fields = Fields::read("its output", &ran.stdout)?;
        if fields.integer("Version") != Some(1) {
            return Err(fields.expected("Version", "the number 1"));
        }
        let given = fields.string("AccountId");
        let account = given.as_ref().map(Secret::text).or(account);
        fields.keys(["AccessKeyId", "SecretAccessKey", "SessionToken"], account, fields.time("Expiration")?)
    };
    let keys = read().map_err(|error| {
        let said = if ran.stderr.is_empty() { String::new() } else { said(&ran.stderr) };
        fault(&what, &format!("gave no credentials: {error}{said}"))
    })?;
    match keys.expiry().filter(|expiry| *expiry <= cx.context.service_time()) {
        Some(expiry) => Err(cx.context.explained_expiry(expired(&what, expiry, &cx.context), expiry).into()),
        None => Ok(keys),
    }
}

/// Runs a command of the user to its end. An error begins with `what` it is.
pub(super) async fn run(
    cx: &ProviderContext,
    what: &str,
    command: &str,
    limit: Duration,
) -> Result<CommandOutput> {
    let heard = Arc::new(Heard { state: Mutex::default(), said: cx.said.clone() });
    let ear = Arc::clone(&heard);
    let mut running = pin!(cx.context.run_aside(command, limit, Box::new(move |new| ear.hear(new))));
    let ran = if let Ok(ran) = timeout(QUIET, running.as_mut()).await {
        ran
    } else {
        heard.pass_on();
        running.await
    };
    let ran = ran.map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => {
            let said = said(&heard.state().text);
            fault(what, &format!("did not end within {} s{said}", limit.as_secs()))
        }
        _ => fault(what, &format!("could not be run: {error}")),
    })?;
    if ran.success {
        return Ok(ran);
    }
    let code = ran.code.map(|code| format!(" with exit code {code}")).unwrap_or_default();
    Err(fault(what, &format!("failed{code}{}", said(&ran.stderr))))
}

/// The error of a command.
pub(super) fn fault(what: &str, fault: &str) -> Error {
    Error::new(ErrorKind::Credentials, format!("{what} {fault}"))
        .with_hint("run the command by itself to see what it does")
}

/// What a command said, for the end of a message.
fn said(stderr: &[u8]) -> String {
    match without_secrets(&String::from_utf8_lossy(stderr)) {
        said if said.is_empty() => " and said nothing".to_owned(),
        said => format!(" and said: {said}"),
    }
}

/// What a command says on standard error. It is passed on if the command runs for longer than most: it may ask the
/// user something.
struct Heard {
    state: Mutex<HeardState>,
    said: Said,
}

#[derive(Default)]
struct HeardState {
    /// The beginning of it.
    text: Zeroizing<Vec<u8>>,
    passes_on: bool,
}

impl Heard {
    fn hear(&self, new: &[u8]) {
        let mut state = self.state();
        let room = LONGEST_OUTPUT.saturating_sub(state.text.len());
        state.text.extend(new.iter().take(room));
        self.say(&state, new);
    }

    fn pass_on(&self) {
        let mut state = self.state();
        state.passes_on = true;
        self.say(&state, &state.text);
    }

    fn say(&self, state: &HeardState, text: &[u8]) {
        if let Some(say) = self.said.0.as_ref().filter(|_| state.passes_on && !text.is_empty()) {
            say(text);
        }
    }

    fn state(&self) -> MutexGuard<'_, HeardState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The output of a command for a message: one short line, without words that may be secrets.
///
/// In the sentence of a word that names a secret, all words are withheld that are not of letters alone, and the one
/// that follows `is`, `set to` or the like. A text in quotes is one word.
fn without_secrets(text: &str) -> String {
    let text = text.get(..text.floor_char_boundary(LONGEST_SAID)).unwrap_or_default();
    let mut shown = Vec::new();
    let mut preceding = Preceding::Other;
    for word in words(text) {
        let lower = word.to_ascii_lowercase();
        let named_at = NAMES.iter().filter_map(|name| lower.find(name)).min();
        // `SecretAccessKey: x`, `?token=x`, `"Token":"x"`
        let from = named_at.unwrap_or_default();
        let separator =
            lower.get(from..).and_then(|rest| rest.find(['=', ':'])).map_or(0, |at| from + at + 1);
        let (name, value) = word.split_at(separator);
        let bare = value.trim_matches(['"', '\'', ',', ';']);
        let (word, next) = match preceding {
            Preceding::Name | Preceding::Link if LINKS.contains(&lower.as_str()) => {
                (word.to_owned(), Preceding::Link)
            }
            _ if named_at.is_some() && !name.is_empty() && bare.is_empty() => {
                (word.to_owned(), Preceding::Link)
            }
            Preceding::Link => (WITHHELD.to_owned(), Preceding::Name),
            _ if named_at.is_some() && !bare.is_empty() && !name.is_empty() || looks_random(bare) => {
                (format!("{name}{WITHHELD}"), Preceding::Other)
            }
            _ if named_at.is_some() => (word.to_owned(), Preceding::Name),
            Preceding::Name if !is_plain(word) => (WITHHELD.to_owned(), Preceding::Name),
            Preceding::Name if word.ends_with(['.', '!', '?']) => (word.to_owned(), Preceding::Other),
            _ => (word.to_owned(), preceding),
        };
        shown.push(word);
        preceding = next;
    }
    one_line(&shown.join(" "))
}

/// The words of a text. Quotes at the beginning of a word or of its value hold it together: `x='a b'`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let (mut before, mut closing) = (' ', None);
        let end = rest.char_indices().find(|&(at, character)| {
            let quote = match character {
                '"' | '\'' | '`' => Some(character),
                '\u{201c}' => Some('\u{201d}'),
                '\u{2018}' => Some('\u{2019}'),
                _ => None,
            };
            let opens = matches!(before, ' ' | '=' | ':' | '(' | '{' | '[' | ',');
            before = character;
            if closing.is_some() {
                closing = closing.filter(|closing| *closing != character);
                return false;
            }
            let quoted = rest.get(at + character.len_utf8()..).unwrap_or_default();
            closing = quote.filter(|quote| opens && quoted.contains(*quote));
            closing.is_none() && character.is_whitespace()
        });
        let (word, after) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// What precedes a word.
#[derive(Clone, Copy)]
enum Preceding {
    /// A name of a secret earlier in the sentence: `password`.
    Name,
    /// A word that links a name to its value: `password is`.
    Link,
    Other,
}

/// Whether a word is one of a sentence: letters alone, and a sign behind it.
fn is_plain(word: &str) -> bool {
    let letters = word.trim_end_matches(['.', ',', ';', ':', '!', '?']);
    !letters.is_empty() && letters.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// Whether a word looks like a key or a token: long, with upper-case and lower-case letters and digits.
fn looks_random(word: &str) -> bool {
    word.len() >= 20
        && word.bytes().any(|byte| byte.is_ascii_uppercase())
        && word.bytes().any(|byte| byte.is_ascii_lowercase())
        && word.bytes().any(|byte| byte.is_ascii_digit())
}

const LIMIT: Duration = Duration::from_mins(1);
/// How long a command may say something that nobody sees: warnings, mostly.
const QUIET: Duration = Duration::from_secs(1);
/// How much of the output is read for a message, in bytes.
const LONGEST_SAID: usize = 4096;
/// What stands between a name and its value.
const LINKS: [&str; 20] = [
    "is", "is:", "was", "was:", "be", "are", "now", "set", "reset", "changed", "to", "to:", "as", "=", ":",
    "-", "\u{2013}", "\u{2014}", "->", "=>",
];
const WITHHELD: &str = "…";
const NAMES: [&str; 5] = ["secret", "token", "password", "key", "credential"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_output_is_shown_without_secrets() {
        for (said, shown) in [
            ("Session expired.\n  Run: corp-login --now\n", "Session expired. Run: corp-login --now"),
            ("SecretAccessKey: hush token=hush ok", "SecretAccessKey: … token=… ok"),
            (r#"{"SessionToken":"hush", "Version":1}"#, r#"{"SessionToken":… "Version":1}"#),
            (r#""SecretAccessKey": "hush","#, r#""SecretAccessKey": …"#),
            ("got wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY twice", "got … twice"),
            ("x=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLE", "x=…"),
            ("the PassWord is hush ok", "the PassWord is … ok"),
            ("Secret Key : hush, password = hush key was hush", "Secret Key : … password = … key was …"),
            ("password hunter2 ok", "password … ok"),
            ("password is: hush API token is key1", "password is: … API token is …"),
            ("GET https://h.example/login?token=hush failed", "GET https://h.example/login?token=… failed"),
            ("The security token has expired: log in", "The security token has expired: log in"),
            ("https://example.com/login is down", "https://example.com/login is down"),
            ("password was set to hush", "password was set to …"),
            ("Password changed to: hush ok", "Password changed to: … ok"),
            ("password - hush, password \u{2014} hush", "password - … password \u{2014} …"),
            ("the password is now hunter2", "the password is now …"),
            ("password for bob hunter2", "password for bob …"),
            (r#"password "correct horse battery" ok"#, "password … ok"),
            ("the token is 'a b c', password='d e' ok", "the token is … password=… ok"),
            ("secret is \u{201c}a b\u{201d}", "secret is …"),
            (r#"{"Secret": "a b", "x": 1}"#, r#"{"Secret": … … …"#),
            ("The token has expired. Run: corp-login --now", "The token has expired. Run: corp-login --now"),
            ("I can't: the user's 'default profile' is old", "I can't: the user's 'default profile' is old"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(said), shown);
        }
        assert!(without_secrets(&"é ".repeat(5000)).len() < 1000);
    }
}
