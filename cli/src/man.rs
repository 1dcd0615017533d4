//! `pumice man`: the manual page, written from the table of commands.

use std::fmt::{self, Write as _};

use crate::commands::{COMMANDS, Command, Explained, Flag, Needs};
use crate::help::{CREDENTIALS, ENVIRONMENT, EXIT_CODES, operations, shared};

/// The page, in the macros of man(7).
pub(crate) fn page() -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_page(&mut text);
    text
}

fn write_page(text: &mut String) -> fmt::Result {
    let version = env!("CARGO_PKG_VERSION");
    // Names are not hyphenated, and words are not spread.
    writeln!(text, ".TH PUMICE 1 \"\" \"pumice {version}\" \"User Commands\"\n.nh\n.ad l")?;
    text.push_str(".SH NAME\npumice \\- a lean Amazon Bedrock client\n");
    text.push_str(".SH SYNOPSIS\n.B pumice\n.I COMMAND\n[\\fIOPTIONS\\fR]\n.SH COMMANDS\n");
    COMMANDS.iter().try_for_each(|explained| command(text, explained))?;
    for (heading, flags) in shared(Needs::Calls) {
        writeln!(text, ".SH {}", heading.to_uppercase())?;
        list(text, flags)?;
    }
    for (heading, prose) in [("CREDENTIALS", CREDENTIALS), ("EXIT STATUS", EXIT_CODES)] {
        writeln!(text, ".SH {heading}")?;
        paragraphs(text, prose);
    }
    text.push_str(".SH ENVIRONMENT\n");
    for (name, about) in ENVIRONMENT {
        writeln!(text, ".TP\n.B {}\n{}", escaped(name), escaped(about))?;
    }
    Ok(())
}

fn command(text: &mut String, explained: &Explained) -> fmt::Result {
    writeln!(text, ".SS {}", escaped(format!("{} {}", explained.name, explained.usage).trim_end()))?;
    writeln!(text, "{}.", escaped(explained.about))?;
    if !explained.more.is_empty() {
        text.push_str(".PP\n");
        paragraphs(text, explained.more);
    }
    if explained.command == Command::Call {
        writeln!(text, "{}", escaped(&operations()))?;
    }
    list(text, explained.flags)?;
    if !explained.examples.is_empty() {
        text.push_str(".PP\nExamples:\n");
    }
    for (about, line) in explained.examples {
        writeln!(text, ".PP\n{}:\n.PP\n.nf\n.RS\n{}\n.RE\n.fi", escaped(about), escaped(line))?;
    }
    Ok(())
}

fn list(text: &mut String, flags: &[Flag]) -> fmt::Result {
    for flag in flags {
        let short = flag.short.map(|short| format!("\\-{short}, ")).unwrap_or_default();
        let value = flag.value.map(|value| format!(" \\fI{}\\fR", escaped(value))).unwrap_or_default();
        let more = if flag.repeats { "; repeatable" } else { "" };
        writeln!(text, ".TP\n\\fB{short}{}\\fR{value}", escaped(&format!("--{}", flag.long)))?;
        writeln!(text, "{}{more}", escaped(flag.about))?;
    }
    Ok(())
}

/// Paragraphs, which blank lines divide. A line that begins with two spaces stays as it is.
fn paragraphs(text: &mut String, prose: &str) {
    for line in prose.lines() {
        match line.strip_prefix("  ") {
            _ if line.is_empty() => text.push_str(".PP\n"),
            Some(line) => text.extend([".nf\n.RS\n", &escaped(line), "\n.RE\n.fi\n"]),
            None => text.extend([&*escaped(line), "\n"]),
        }
    }
}

/// Text in which nothing is a request or an escape of roff, and a hyphen can be copied as a minus. roff without a
/// preprocessor reads ASCII only.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-").replace('…', "...");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_prose_is_a_request() {
        let requests = ["TH", "nh", "ad", "SH", "SS", "TP", "PP", "B", "I", "nf", "fi", "RS", "RE"];
        for line in page().lines().filter(|line| line.starts_with(['.', '\''])) {
            let name = line[1..].split(' ').next().unwrap();
            assert!(line.starts_with('.') && requests.contains(&name), "{line}");
        }
        assert_eq!(page().chars().find(|character| !character.is_ascii()), None);
        assert!(page().contains("\n \"options\": {"), "lines stay as they are");
        assert_eq!(escaped(".5 \\n --x"), "\\&.5 \\en \\-\\-x");
    }

    #[test]
    fn every_command_and_option_is_there() {
        let page = page();
        for explained in COMMANDS {
            assert!(page.contains(&format!("\n.SS {}", explained.name)), "{}", explained.name);
            for flag in explained.flags {
                assert!(page.contains(&escaped(&format!("--{}", flag.long))), "{}", flag.long);
            }
        }
    }
}
