//! `pumice completions SHELL`: shell completions, made from the table of commands.

use std::fmt::{self, Write as _};

use pumice::operation::Operation;

use crate::args::{Args, Explained, Flag, commands, flags_of};
use crate::failure::Failure;
use crate::output;

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let [word] = args.rest.as_slice() else {
        return Err(Failure::usage("expected one SHELL: bash, zsh or fish"));
    };
    let script = match word.to_str() {
        Some("bash") => bash,
        Some("zsh") => zsh,
        Some("fish") => fish,
        _ => {
            let found = word.to_string_lossy();
            return Err(Failure::usage(format!("expected bash, zsh or fish, found {found:?}")));
        }
    };
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = script(&mut text);
    output::print(&text)
}

/// The words that may follow a command first.
fn words_of(command: &Explained) -> Vec<&'static str> {
    match command.name {
        "call" => Operation::ALL.iter().map(|operation| operation.name()).collect(),
        "completions" => vec!["bash", "zsh", "fish"],
        "config" => vec!["get", "set", "unset", "path", "show"],
        "models" => vec!["list", "show"],
        _ => Vec::new(),
    }
}

fn names<'a>(flags: impl Iterator<Item = &'a Flag>) -> String {
    flags.map(|flag| format!("--{}", flag.long)).collect::<Vec<_>>().join(" ")
}

fn bash(text: &mut String) -> fmt::Result {
    let all = commands().iter().map(|command| command.name).collect::<Vec<_>>().join(" ");
    writeln!(
        text,
        "_pumice() {{\n    local word=\"${{COMP_WORDS[COMP_CWORD]}}\" command= flags= words= i at"
    )?;
    writeln!(text, "    for ((i = 1; i < COMP_CWORD; i++)); do")?;
    writeln!(
        text,
        "        case \" {all} \" in *\" ${{COMP_WORDS[i]}} \"*) command=\"${{COMP_WORDS[i]}}\"; at=$i; break ;; esac"
    )?;
    writeln!(text, "    done\n    case \"$command\" in")?;
    for command in commands() {
        let words = match words_of(command).join(" ") {
            words if words.is_empty() => String::new(),
            words => format!("; words=\"{words}\""),
        };
        writeln!(text, "        {}) flags=\"{}\"{words} ;;", command.name, names(flags_of(Some(command))))?;
    }
    writeln!(text, "        *) flags=\"{}\" ;;\n    esac", names(flags_of(None)))?;
    writeln!(text, "    if [[ \"$word\" == -* ]]; then COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))")?;
    writeln!(text, "    elif [[ -z \"$command\" ]]; then COMPREPLY=($(compgen -W \"{all}\" -- \"$word\"))")?;
    // After its first word, a command takes files; one without words of its own takes files at once.
    writeln!(
        text,
        "    elif ((COMP_CWORD == at + 1)); then COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))"
    )?;
    writeln!(text, "    else COMPREPLY=(); fi\n}}\ncomplete -o default -F _pumice pumice")
}

fn zsh(text: &mut String) -> fmt::Result {
    // In a description, these characters would end it or begin something else.
    let plain = |about: &str| about.replace('\'', "’").replace(['[', ']'], "").replace(':', "\\:");
    let spec = |flag: &Flag| {
        let value = match flag.value {
            Some(value) if value.starts_with("FILE") => format!(":{}:_files", plain(value)),
            Some(value) => format!(":{}: ", plain(value)),
            None => String::new(),
        };
        format!("'--{}[{}]{value}'", flag.long, plain(flag.about))
    };
    writeln!(text, "#compdef pumice\n_pumice() {{\n    local -a commands\n    commands=(")?;
    for command in commands() {
        writeln!(text, "        '{}:{}'", command.name, plain(command.about))?;
    }
    writeln!(text, "    )\n    local command=${{words[(r)({})]}}", alternatives())?;
    writeln!(text, "    case $command in")?;
    for command in commands() {
        let specs = flags_of(Some(command)).map(spec).collect::<Vec<_>>().join(" ");
        let words = words_of(command).join(" ");
        let first = if words.is_empty() { String::new() } else { format!("'2: :({words})' ") };
        writeln!(text, "        {}) _arguments {specs} {first}'*: :_files' ;;", command.name)?;
    }
    let specs = flags_of(None).map(spec).collect::<Vec<_>>().join(" ");
    writeln!(
        text,
        "        *) _arguments {specs} '1:command:{{_describe command commands}}' ;;\n    esac\n}}"
    )?;
    writeln!(text, "if [ \"$funcstack[1]\" = _pumice ]; then _pumice \"$@\"; else compdef _pumice pumice; fi")
}

fn fish(text: &mut String) -> fmt::Result {
    let quoted = |about: &str| about.replace('\\', "\\\\").replace('\'', "\\'");
    let none = format!("not __fish_seen_subcommand_from {}", alternatives().replace('|', " "));
    for command in commands() {
        writeln!(
            text,
            "complete -c pumice -f -n '{none}' -a {} -d '{}'",
            command.name,
            quoted(command.about)
        )?;
    }
    for command in commands() {
        let words = words_of(command).join(" ");
        if !words.is_empty() {
            let first = format!(
                "__fish_seen_subcommand_from {}; and not __fish_seen_subcommand_from {words}",
                command.name
            );
            writeln!(text, "complete -c pumice -f -n '{first}' -a '{words}'")?;
        }
    }
    let mut line = |condition: &str, flag: &Flag| {
        let short = flag.short.map(|short| format!(" -s {short}")).unwrap_or_default();
        let value = match flag.value {
            Some(value) if value.starts_with("FILE") => " -r -F",
            Some(_) => " -x",
            None => "",
        };
        writeln!(
            text,
            "complete -c pumice -n '{condition}' -l {}{short}{value} -d '{}'",
            flag.long,
            quoted(flag.about)
        )
    };
    flags_of(None).try_for_each(|flag| line(&none, flag))?;
    commands().iter().try_for_each(|command| {
        let condition = format!("__fish_seen_subcommand_from {}", command.name);
        flags_of(Some(command)).try_for_each(|flag| line(&condition, flag))
    })
}

fn alternatives() -> String {
    commands().iter().map(|command: &Explained| command.name).collect::<Vec<_>>().join("|")
}
