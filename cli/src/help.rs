//! The help, written from the table of commands: in short for `-h`, in full for `--help`.

use std::fmt::{self, Write as _};

use pumice::operation::Operation;

use crate::commands::{
    AWS_FLAGS, CALL_FLAGS, COMMANDS, Command, Detail, Explained, Flag, GLOBAL_FLAGS, Needs,
};

/// The help of a command, or of the program, for a terminal of this width.
pub(crate) fn of(topic: Option<&'static Explained>, detail: Detail, columns: Option<usize>) -> String {
    let mut text = String::new();
    let width = fitting(columns);
    // Writing to a string cannot fail.
    let _ = match topic {
        Some(explained) => command(&mut text, explained, detail, width),
        None => program(&mut text, detail, width),
    };
    text
}

/// The columns to use of a terminal.
pub(crate) fn fitting(columns: Option<usize>) -> usize {
    columns.unwrap_or(WIDTH).min(WIDTH)
}

fn program(text: &mut String, detail: Detail, width: usize) -> fmt::Result {
    text.push_str("pumice: a lean Amazon Bedrock client\n\nUsage: pumice COMMAND [OPTIONS]\n\nCommands:\n");
    for explained in COMMANDS {
        write!(text, "  {:<12}", explained.name)?;
        wrap(text, explained.about, 15, 14, width);
    }
    if detail == Detail::Short {
        text.push_str("\nExamples:\n  pumice doctor\n  pumice chat \"Why is pumice light?\"\n\n");
        wrap(text, "`pumice COMMAND -h` explains a command, `pumice --help` shows all options.", 0, 0, width);
        return Ok(());
    }
    options(text, Needs::Calls, width)?;
    for (heading, paragraph) in [("Credentials", CREDENTIALS), ("Exit codes", EXIT_CODES)] {
        write!(text, "\n{heading}:\n")?;
        paragraphs(text, paragraph, 2, width);
    }
    text.push_str("\nEnvironment:\n");
    for (name, about) in ENVIRONMENT {
        text.extend(["  ", name, "\n      "]);
        wrap(text, about, 6, 6, width);
    }
    text.push('\n');
    wrap(text, "`pumice COMMAND --help` explains a command.", 0, 0, width);
    Ok(())
}

fn command(text: &mut String, explained: &Explained, detail: Detail, width: usize) -> fmt::Result {
    wrap(text, explained.about, 0, 0, width);
    text.push_str("\nUsage: ");
    wrap(text, &format!("pumice {} [OPTIONS] {}", explained.name, explained.usage), 7, 11, width);
    if detail == Detail::Long && !explained.more.is_empty() {
        text.push('\n');
        paragraphs(text, explained.more, 0, width);
        if explained.command == Command::Call {
            text.push_str("  ");
            wrap(text, &operations(), 2, 2, width);
        }
    }
    if !explained.flags.is_empty() {
        text.push_str("\nOptions:\n");
        list(text, explained.flags, width)?;
    }
    if detail == Detail::Long {
        options(text, explained.needs, width)?;
    }
    if !explained.examples.is_empty() {
        text.push_str("\nExamples:\n");
        for (about, line) in explained.examples {
            write!(text, "  {about}\n    {line}\n")?;
        }
    }
    if detail == Detail::Short {
        let more = format!("`pumice {} --help` shows more, and the common options.", explained.name);
        text.push('\n');
        wrap(text, &more, 0, 0, width);
    }
    Ok(())
}

/// The operations of `pumice call`.
pub(crate) fn operations() -> String {
    Operation::ALL.iter().map(|operation| operation.name()).collect::<Vec<_>>().join(" ")
}

/// The options that commands share.
pub(crate) fn shared(needs: Needs) -> impl Iterator<Item = (&'static str, &'static [Flag])> {
    let all: [(_, _, &[Flag]); 3] = [
        (Needs::Calls, "Call options", &CALL_FLAGS),
        (Needs::Credentials, "AWS options", &AWS_FLAGS),
        (Needs::Nothing, "Global options", &GLOBAL_FLAGS),
    ];
    all.into_iter().filter(move |(of, ..)| *of <= needs).map(|(_, heading, flags)| (heading, flags))
}

fn options(text: &mut String, needs: Needs, width: usize) -> fmt::Result {
    shared(needs).try_for_each(|(heading, flags)| {
        write!(text, "\n{heading}:\n")?;
        list(text, flags, width)
    })
}

fn list(text: &mut String, flags: &[Flag], width: usize) -> fmt::Result {
    // On a narrow terminal, what is said of an option has lines of its own.
    let column = if width < 60 { 8 } else { COLUMN };
    for flag in flags {
        let short = flag.short.map_or("   ".into(), |short| format!("-{short},"));
        let value = flag.value.map(|value| format!(" {value}")).unwrap_or_default();
        let name = format!("  {short} --{}{value}", flag.long);
        // A long name has a line to itself.
        let begin = if name.chars().count() > column { format!("{name}\n") } else { String::new() };
        write!(text, "{begin}{:1$} ", if begin.is_empty() { &name } else { "" }, column)?;
        let more = if flag.repeats { "; repeatable" } else { "" };
        wrap(text, &format!("{}{more}", flag.about), column + 1, column + 1, width);
    }
    Ok(())
}

/// Paragraphs, which blank lines divide. A line that begins with two spaces stays as it is.
fn paragraphs(text: &mut String, prose: &str, indent: usize, width: usize) {
    let mut words = String::new();
    let end = |text: &mut String, words: &mut String| {
        if !words.is_empty() {
            text.extend(std::iter::repeat_n(' ', indent));
            wrap(text, words, indent, indent, width);
            words.clear();
        }
    };
    for line in prose.lines() {
        if line.is_empty() || line.starts_with("  ") {
            end(text, &mut words);
            text.extend([line, "\n"]);
        } else {
            words.extend([line, " "]);
        }
    }
    end(text, &mut words);
}

/// Writes words from the column `at` on, and further lines with an indent.
pub(crate) fn wrap(text: &mut String, words: &str, mut at: usize, indent: usize, width: usize) {
    let mut first = true;
    for word in words.split_whitespace() {
        let length = word.chars().count();
        if !first && at + 1 + length > width {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent));
            at = indent;
        } else if !first {
            text.push(' ');
            at += 1;
        }
        first = false;
        text.push_str(word);
        at += length;
    }
    text.push('\n');
}

/// How credentials are found.
pub(crate) const CREDENTIALS: &str = "\
Credentials are looked for in AWS_BEARER_TOKEN_BEDROCK; in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with
AWS_SESSION_TOKEN); in the profile (keys, role_arn, web_identity_token_file, sso_session, login_session,
credential_process); in AWS_WEB_IDENTITY_TOKEN_FILE with AWS_ROLE_ARN; and from the container's or the EC2
instance's role. --profile and PUMICE_PROFILE skip the first two. Secrets are never options. `pumice auth` shows
which are used, and why others are not.";

pub(crate) const EXIT_CODES: &str = "\
0 done; 1 the service refused or the model failed; 2 wrong usage; 3 credentials or access; 4 temporary, before
any output; 5 failed after output had begun; 130 Ctrl-C.";

/// Variables of the environment, and what they do.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("PUMICE_MODEL", "The model, if no option or request names one"),
    ("PUMICE_CONFIG", "The settings file"),
    ("PUMICE_PROFILE", "The AWS profile, as with --profile"),
    ("PUMICE_API_KEY", "The key that callers of `pumice serve` need"),
    (
        "AWS_BEARER_TOKEN_BEDROCK, AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_REGION, …",
        "As for other AWS programs; AWS_ENDPOINT_URL_BEDROCK_RUNTIME and its like name the endpoints",
    ),
    (
        "HTTPS_PROXY, NO_PROXY, AWS_CA_BUNDLE",
        "The proxy, hosts that bypass it, and more certificate authorities",
    ),
    ("NO_COLOR, COLUMNS", "No colors; the width of tables"),
];

/// The most columns that a help uses, as a small terminal has them.
const WIDTH: usize = 80;

/// Where what is said of an option begins.
const COLUMN: usize = 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_help_fits_80_columns() {
        let topics = COMMANDS.iter().map(Some).chain([None]);
        for (topic, detail) in topics.flat_map(|topic| [(topic, Detail::Short), (topic, Detail::Long)]) {
            let help = of(topic, detail, None);
            let wide = help.lines().find(|line| line.chars().count() > WIDTH);
            assert_eq!(wide, None);
            assert!(help.ends_with('\n') && !help.contains(" \n"), "{help}");
        }
    }

    #[test]
    fn the_short_help_is_shorter_and_fits_a_screen() {
        for explained in COMMANDS {
            let lines = |detail| of(Some(explained), detail, None).lines().count();
            assert!(lines(Detail::Short) < lines(Detail::Long), "{}", explained.name);
        }
        assert!(of(None, Detail::Short, None).lines().count() <= 40);
    }

    #[test]
    fn each_command_that_does_something_has_an_example() {
        for explained in COMMANDS {
            let begins = explained.examples.iter().all(|(_, line)| line.contains("pumice"));
            assert!(!explained.examples.is_empty() && begins, "{}", explained.name);
        }
    }
}
