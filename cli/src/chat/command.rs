//! The commands of a conversation: lines such as `/model ID`.

use pumice::spelling::nearest;

use crate::failure::Failure;

/// A command, and what follows its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Help,
    Model(Option<&'a str>),
    File(Option<&'a str>),
    System(Option<&'a str>),
    Think(Option<&'a str>),
    Save(Option<&'a str>),
    Retry,
    Copy,
    Quit,
}

impl<'a> Command<'a> {
    /// The command of a line. `None` for a line that is for the model.
    pub(super) fn of(line: &'a str) -> Option<Result<Self, Failure>> {
        if matches!(line.trim(), "exit" | "quit") {
            return Some(Ok(Self::Quit));
        }
        let words = line.strip_prefix('/').filter(|words| !words.contains('\n'))?;
        let (name, rest) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
        let rest = Some(rest.trim()).filter(|rest| !rest.is_empty());
        Some(Ok(match name {
            "help" | "?" => Self::Help,
            "model" => Self::Model(rest),
            "file" => Self::File(rest),
            "system" => Self::System(rest),
            "think" => Self::Think(rest),
            "save" => Self::Save(rest),
            "retry" => Self::Retry,
            "copy" => Self::Copy,
            "quit" | "exit" => Self::Quit,
            _ => return Some(Err(unknown(name))),
        }))
    }
}

fn unknown(name: &str) -> Failure {
    let names = COMMANDS.iter().filter_map(|(usage, _)| usage.strip_prefix('/')?.split(' ').next());
    Failure::usage(format!("there is no command /{name}"))
        .meant("/", nearest(name, names))
        .hint("/help lists the commands; a space before the line sends it to the model")
}

/// The commands, and what they do.
pub(super) const COMMANDS: &[(&str, &str)] = &[
    ("/model [ID]", "show or change the model"),
    ("/file PATH", "attach an image or a document to the next prompt"),
    ("/system [TEXT]", "show or set the system prompt; none removes it"),
    ("/think [LEVEL]", "show or set the thinking level"),
    ("/save FILE", "save the conversation in a new file from now on"),
    ("/retry", "send the last prompt again"),
    ("/copy", "copy the last response to the clipboard, if the terminal allows it"),
    ("/quit", "leave; also exit, quit and Ctrl-D"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands_or_prompts() {
        let of = |line| Command::of(line).map(Result::unwrap);
        assert_eq!(of("/model  a.b:0 "), Some(Command::Model(Some("a.b:0"))));
        assert_eq!(of("/think"), Some(Command::Think(None)));
        assert_eq!(of(" exit "), Some(Command::Quit));
        for prompt in ["exit the vim", " /model x", "a /model", "/usr/bin is\nwhat?", ""] {
            assert_eq!(of(prompt), None, "{prompt}");
        }
        let failure = Command::of("/modle x").unwrap().unwrap_err();
        assert_eq!(failure.message, "there is no command /modle; did you mean /model?");
    }

    #[test]
    fn every_command_is_listed() {
        for (usage, _) in COMMANDS {
            let name = usage.split(' ').next().unwrap();
            assert!(Command::of(name).unwrap().is_ok(), "{name}");
        }
    }
}
