//! `pumice completions SHELL`: shell completions, written from the table of commands; and the ids that they complete.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use pumice::context::Context;
use pumice::conversation::ThinkingLevel;
#[cfg(feature = "bulk")]
use pumice::model_invocation_job::ModelInvocationJobStatus;
use pumice::models::Directory;
use pumice::operation::Operation;
use pumice::settings::Settings;

use crate::args::Args;
use crate::commands::{COMMANDS, Explained, Flag, flags_of};
use crate::failure::Failure;
use crate::models::ORDERS;
use crate::output;

pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let expected = "bash, zsh, fish or powershell";
    let [word] = args.rest.as_slice() else {
        return Err(Failure::usage(format!("expected one SHELL: {expected}"))
            .hint("for the shell that you use now: pumice completions \"$(basename \"$SHELL\")\""));
    };
    let script = match word.to_str() {
        Some("bash") => bash,
        Some("zsh") => zsh,
        Some("fish") => fish,
        Some("powershell" | "pwsh") => powershell,
        Some("models") => return models(args),
        _ => {
            let found = word.to_string_lossy();
            return Err(Failure::usage(format!("expected {expected}, found {found:?}")));
        }
    };
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = script(&mut text);
    output::print(&text)
}

/// Prints the ids of models that are known without network: of the settings, and of the newest cached list.
fn models(args: &Args) -> Result<(), Failure> {
    let context = Context::real();
    let settings = Settings::load(&context, args.path("config"))?;
    let mut ids = BTreeSet::new();
    ids.extend(settings.aliases.into_keys().chain(settings.primary));
    ids.extend(settings.models.into_iter().map(|model| model.id));
    if let Some(list) = Directory::newest_kept(&context) {
        let candidates = list.candidates();
        let callable = candidates.iter().filter(|candidate| candidate.reason.is_none());
        ids.extend(callable.map(|candidate| candidate.id.to_owned()));
    }
    let mut text = String::new();
    for id in &ids {
        text.extend([&*output::one_line(id), "\n"]);
    }
    output::print(&text)
}

/// What a shell offers as a value.
#[derive(PartialEq, Eq)]
enum Values {
    Files,
    Models,
    Words(Vec<&'static str>),
    /// Only the user knows.
    Unknown,
}

/// The values of an option, by what its value is called.
fn values_of(flag: &Flag) -> Option<Values> {
    Some(match flag.value? {
        "FILE" | "FILE|-" => Values::Files,
        "MODEL" => Values::Models,
        "LEVEL" => Values::Words(ThinkingLevel::NAMES.to_vec()),
        "WHEN" => Values::Words(vec!["auto", "always", "never"]),
        "TYPE" => Values::Words(vec!["search_document", "search_query", "classification", "clustering"]),
        #[cfg(feature = "bulk")]
        "STATUS" => Values::Words(ModelInvocationJobStatus::VALUES.to_vec()),
        "FORM" => Values::Words(vec!["text", "json"]),
        "KEY" => Values::Words(ORDERS.map(|(name, _)| name).to_vec()),
        "KIND" => Values::Words(vec!["text", "image"]),
        _ => Values::Unknown,
    })
}

/// What may follow a command first.
fn words_of(command: &str) -> Values {
    match command {
        #[cfg(feature = "bulk")]
        "batch" => Values::Words(crate::batch::COMMANDS.iter().map(|(name, _)| *name).collect()),
        "call" => Values::Words(Operation::ALL.iter().map(|one| one.name()).collect()),
        "completions" => Values::Words(vec!["bash", "zsh", "fish", "powershell"]),
        "config" => Values::Words(vec!["get", "set", "unset", "path", "show"]),
        "doctor" => Values::Models,
        "help" => Values::Words(COMMANDS.iter().map(|command| command.name).collect()),
        "models" => Values::Words(vec!["list", "show"]),
        _ => Values::Files,
    }
}

/// The names of an option as they are typed.
fn typed(flag: &Flag) -> Vec<String> {
    let short = flag.short.map(|short| format!("-{short}"));
    short.into_iter().chain([format!("--{}", flag.long)]).collect()
}

/// The commands and `help`, with what is said of each.
fn named() -> impl Iterator<Item = (&'static str, &'static str)> {
    COMMANDS
        .iter()
        .map(|command| (command.name, command.about))
        .chain([("help", "Show the help of a command")])
}

fn all(separator: &str) -> String {
    named().map(|(name, _)| name).collect::<Vec<_>>().join(separator)
}

/// The options of all commands that take a value, by their names, once each.
fn with_values() -> Vec<(Vec<String>, Values)> {
    let mut options: Vec<(Vec<String>, Values)> = Vec::new();
    for flag in COMMANDS.iter().flat_map(|command| flags_of(Some(command))) {
        let names = typed(flag);
        if let Some(values) = values_of(flag).filter(|_| options.iter().all(|(known, _)| *known != names)) {
            options.push((names, values));
        }
    }
    options
}

fn bash(text: &mut String) -> fmt::Result {
    // Bash divides words at `:` and `=`, which ids and options contain, so the line is divided here.
    write!(
        text,
        r#"_pumice() {{
    local line="${{COMP_LINE:0:COMP_POINT}}" command= at=0 flags= words= i parts
    read -ra parts <<< "$line"
    [[ "$line" == *[[:space:]] ]] && parts+=("")
    local last=$((${{#parts[@]}} - 1))
    local word="${{parts[last]}}" before="${{parts[last - 1]}}"
    local cut="${{word%"${{word##*[:=]}}"}}"
    [[ "$word" == --*=* ]] && before="${{word%%=*}}" word="${{word#*=}}"
    for ((i = 1; i < last; i++)); do
        case " {} " in *" ${{parts[i]}} "*) command="${{parts[i]}}" at=$i; break ;; esac
    done
    case "$command" in
"#,
        all(" ")
    )?;
    for (name, _) in named() {
        let command = COMMANDS.iter().find(|command| command.name == name);
        let flags = flags_of(command).flat_map(typed).collect::<Vec<_>>().join(" ");
        let words = match words_of(name) {
            Values::Words(words) => format!("; words=\"{}\"", words.join(" ")),
            Values::Models => "; words=models".to_owned(),
            _ => String::new(),
        };
        writeln!(text, "        {name}) flags=\"{flags}\"{words} ;;")?;
    }
    writeln!(
        text,
        "        *) flags=\"{}\" ;;\n    esac",
        flags_of(None).flat_map(typed).collect::<Vec<_>>().join(" ")
    )?;
    writeln!(text, "    COMPREPLY=()\n    case \"$before\" in")?;
    for (names, values) in with_values() {
        let action = match values {
            Values::Files => "compopt -o default 2> /dev/null; return".to_owned(),
            Values::Models => "words=models".to_owned(),
            Values::Words(words) => format!("words=\"{}\"", words.join(" ")),
            Values::Unknown => "return".to_owned(),
        };
        writeln!(text, "        {}) {action} ;;", names.join("|"))?;
    }
    text.push_str(
        r#"        *)
            if [[ "$word" == -* ]]; then words="$flags"
            elif [[ -z "$command" ]]; then words="ALL"
            elif [[ "$command ${parts[at + 1]}" == "models show" ]] && ((last == at + 2)); then words=models
            elif ((last > at + 1)) || [[ -z "$words" ]]; then compopt -o default 2> /dev/null; return; fi ;;
    esac
    [[ "$words" == models ]] && words="$("${parts[0]}" completions models 2> /dev/null)"
    local IFS=$' \t\n'
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    [[ "$cut" == --*= ]] || COMPREPLY=("${COMPREPLY[@]#"$cut"}")
}
complete -F _pumice pumice
"#
        .replace("ALL", &all(" "))
        .as_str(),
    );
    Ok(())
}

fn zsh(text: &mut String) -> fmt::Result {
    // In a description, these characters would end it or begin something else.
    let plain = |about: &str| about.replace('\'', "’").replace(['[', ']'], "").replace(':', "\\:");
    let action = |values: &Values| match values {
        Values::Files => "_files".to_owned(),
        Values::Models => "_pumice_models".to_owned(),
        Values::Words(words) => format!("({})", words.join(" ")),
        Values::Unknown => " ".to_owned(),
    };
    let spec = |flag: &Flag| {
        let names = typed(flag);
        let value = flag.value.zip(values_of(flag));
        let value = value.map(|(name, values)| format!(":{}:{}", plain(name), action(&values)));
        let about = format!("'[{}]{}'", plain(flag.about), value.unwrap_or_default());
        // Otherwise an option is offered once.
        let once = if flag.repeats { "'*'".to_owned() } else { format!("'({})'", names.join(" ")) };
        // A value may follow in the same word.
        let sign = |name: &str| match (flag.value, name.starts_with("--")) {
            (None, _) => "",
            (_, true) => "=",
            (_, false) => "+",
        };
        let names = names.iter().map(|name| format!("{name}{}", sign(name))).collect::<Vec<_>>();
        match names.as_slice() {
            [name] => format!("{once}{name}{about}"),
            names => format!("{once}{{{}}}{about}", names.join(",")),
        }
    };
    let specs = |command| flags_of(command).map(spec).collect::<Vec<_>>().join(" ");
    text.push_str(
        "#compdef pumice\n_pumice_models() {\n    local -a ids\n    ids=(${(f)\"$(_call_program models pumice completions models 2> \
         /dev/null)\"})\n    compadd -a ids\n}\n_pumice() {\n    local -a commands\n    commands=(\n",
    );
    for (name, about) in named() {
        writeln!(text, "        '{name}:{}'", plain(about))?;
    }
    writeln!(text, "    )\n    local command=${{words[(r)({})]}}\n    case $command in", all("|"))?;
    for (name, _) in named() {
        let command = COMMANDS.iter().find(|command| command.name == name);
        let first = match words_of(name) {
            Values::Files => String::new(),
            values => format!("'2: :{}' ", action(&values)),
        };
        let second = if name == "models" { "'3: :_pumice_models' " } else { "" };
        writeln!(text, "        {name}) _arguments {} {first}{second}'*: :_files' ;;", specs(command))?;
    }
    writeln!(
        text,
        "        *) _arguments {} '1:command:{{_describe command commands}}' ;;\n    esac\n}}",
        specs(None)
    )?;
    writeln!(text, "if [ \"$funcstack[1]\" = _pumice ]; then _pumice \"$@\"; else compdef _pumice pumice; fi")
}

fn fish(text: &mut String) -> fmt::Result {
    let quoted = |about: &str| about.replace('\\', "\\\\").replace('\'', "\\'");
    let none = format!("not __fish_seen_subcommand_from {}", all(" "));
    let offered = |values: &Values| match values {
        Values::Files => None,
        Values::Models => Some("(pumice completions models 2> /dev/null)".to_owned()),
        Values::Words(words) => Some(words.join(" ")),
        Values::Unknown => Some(String::new()),
    };
    for (name, about) in named() {
        writeln!(text, "complete -c pumice -f -n '{none}' -a {name} -d '{}'", quoted(about))?;
    }
    for (name, _) in named() {
        let seen = format!("__fish_seen_subcommand_from {name}");
        let values = words_of(name);
        let condition = match &values {
            // A command's own words are offered until one of them is there.
            Values::Words(words) => {
                format!("{seen}; and not __fish_seen_subcommand_from {}", words.join(" "))
            }
            _ => seen,
        };
        if let Some(offered) = offered(&values) {
            writeln!(text, "complete -c pumice -f -n '{condition}' -a '{offered}'")?;
        }
    }
    let shown = "__fish_seen_subcommand_from models; and __fish_seen_subcommand_from show";
    writeln!(
        text,
        "complete -c pumice -f -n '{shown}' -a '{}'",
        offered(&Values::Models).unwrap_or_default()
    )?;
    let mut line = |condition: &str, flag: &Flag| {
        let short = flag.short.map(|short| format!(" -s {short}")).unwrap_or_default();
        let value = match values_of(flag).as_ref().map(offered) {
            None => String::new(),
            Some(None) => " -r -F".to_owned(),
            Some(Some(offered)) if offered.is_empty() => " -x".to_owned(),
            Some(Some(offered)) => format!(" -x -a '{offered}'"),
        };
        writeln!(
            text,
            "complete -c pumice -n '{condition}' -l {}{short}{value} -d '{}'",
            flag.long,
            quoted(flag.about)
        )
    };
    flags_of(None).try_for_each(|flag| line(&none, flag))?;
    COMMANDS.iter().try_for_each(|command: &Explained| {
        let condition = format!("__fish_seen_subcommand_from {}", command.name);
        flags_of(Some(command)).try_for_each(|flag| line(&condition, flag))
    })
}

fn powershell(text: &mut String) -> fmt::Result {
    let list = |words: &mut dyn Iterator<Item = String>| {
        words.map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ")
    };
    let words = |words: &[&str]| list(&mut words.iter().map(|word| (*word).to_owned()));
    let flags = |command| list(&mut flags_of(command).flat_map(typed));
    text.push_str(
        "Register-ArgumentCompleter -Native -CommandName pumice -ScriptBlock {\n    \
         param($wordToComplete, $commandAst, $cursorPosition)\n    $commands = @{\n",
    );
    for (name, about) in named() {
        writeln!(text, "        '{name}' = '{}'", about.replace('\'', "''"))?;
    }
    text.push_str("    }\n    $flags = @{\n");
    writeln!(text, "        '' = @({})", flags(None))?;
    for (name, _) in named() {
        writeln!(
            text,
            "        '{name}' = @({})",
            flags(COMMANDS.iter().find(|command| command.name == name))
        )?;
    }
    text.push_str("    }\n    $words = @{\n");
    for (name, _) in named() {
        match words_of(name) {
            Values::Words(own) => writeln!(text, "        '{name}' = @({})", words(&own))?,
            Values::Models => writeln!(text, "        '{name}' = @('models')")?,
            _ => {}
        }
    }
    text.push_str("    }\n    $values = @{\n");
    for (names, values) in with_values() {
        let values = match values {
            Values::Models => "@('models')".to_owned(),
            Values::Words(own) => format!("@({})", words(&own)),
            // PowerShell completes paths itself where nothing is offered.
            Values::Files | Values::Unknown => "@()".to_owned(),
        };
        for name in names {
            writeln!(text, "        '{name}' = {values}")?;
        }
    }
    text.push_str(
        r#"    }
    $parts = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
        Select-Object -Skip 1 | ForEach-Object { $_.ToString() })
    $command = $parts | Where-Object { $commands.ContainsKey($_) } | Select-Object -First 1
    $before = if ($parts.Count -gt 0) { $parts[-1] } else { '' }
    $offered = if ($values.ContainsKey($before)) { $values[$before] }
        elseif ($wordToComplete -like '-*') { $flags["$command"] }
        elseif (-not $command) { $commands.Keys | Sort-Object }
        elseif ($command -eq 'models' -and $before -eq 'show') { 'models' }
        elseif ($before -eq $command -and $words.ContainsKey($command)) { $words[$command] }
    if ("$offered" -eq 'models') { $offered = & pumice completions models 2> $null }
    $offered | Where-Object { $_ -like "$wordToComplete*" } | ForEach-Object {
        $about = if (-not $command -and $commands.ContainsKey($_)) { $commands[$_] } else { $_ }
        [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $about)
    }
}
"#,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_has_the_same_values_in_all_commands() {
        for flag in COMMANDS.iter().flat_map(|command| flags_of(Some(command))) {
            let options = with_values();
            let known = options.iter().find(|(names, _)| *names == typed(flag)).map(|(_, values)| values);
            assert!(flag.value.is_none() || known == values_of(flag).as_ref(), "--{}", flag.long);
        }
    }
}
