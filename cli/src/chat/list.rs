//! The list of the conversations that are saved by name.

use std::io;
use std::time::SystemTime;

use pumice::date::rfc3339;
use pumice::pi::Message;
use serde_json::json;

use super::conversation::{model_of, read};
use super::saved::{EXTENSION, folder};
use crate::args::Args;
use crate::failure::Failure;
use crate::id;
use crate::output::{Output, Report, one_line};

/// `pumice chat --list`: the newest first.
pub(super) fn list(args: &Args, report: &Report) -> Result<(), Failure> {
    if !args.rest.is_empty() {
        return Err(Failure::usage("--list: expected no prompt"));
    }
    let folder = folder()?;
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        entries => Some(entries.map_err(|error| Failure::unreadable(folder.display(), &error))?),
    };
    let mut found = Vec::new();
    for entry in entries.into_iter().flatten().flatten() {
        let file_name = entry.file_name();
        let Some(name) = file_name.to_str().and_then(|name| name.strip_suffix(EXTENSION)) else { continue };
        let changed = entry.metadata().and_then(|found| found.modified());
        found.push((changed.unwrap_or(SystemTime::UNIX_EPOCH), name.to_owned()));
    }
    found.sort();
    found.reverse();
    let widest = found.iter().map(|(_, name)| name.len()).max().unwrap_or_default().max(NAME.len());
    let mut output = Output::new();
    let width = output.width().unwrap_or(usize::MAX);
    // Without what a terminal has no room for.
    let row = |name: &str, turns: &str, last: &str, model: &str| {
        let mut row = format!("{name:<widest$}  {turns:>5}");
        for cells in [&[format!("{last:<20}")][..], &[model.to_owned(), id::short(model).to_owned()]] {
            let Some(cell) = cells.iter().find(|cell| row.len() + 2 + cell.len() <= width) else { break };
            row.extend(["  ", cell]);
        }
        row.truncate(row.trim_end().len());
        row.push('\n');
        row
    };
    if !found.is_empty() && !args.has("json") {
        output.text(&row(NAME, "TURNS", "LAST", "MODEL"));
    }
    for (changed, name) in &found {
        let last = rfc3339(*changed).unwrap_or_default();
        let file = folder.join(name.to_owned() + EXTENSION);
        let context = match read(&file) {
            Ok(context) => context,
            Err(failure) => {
                report.warning(failure.text_without_hint());
                continue;
            }
        };
        let messages = context.messages.as_deref().unwrap_or_default();
        let turns = messages.iter().filter(|message| matches!(message, Message::User(_))).count();
        let model = model_of(&context).unwrap_or_default();
        if args.has("json") {
            let file = file.display().to_string();
            let line = json!({"name": name, "turns": turns, "model": model, "last": last, "file": file});
            output.json_line(&line.to_string());
        } else {
            output.text(&row(name, &turns.to_string(), &last, &one_line(model)));
        }
    }
    output.flush()?;
    if found.is_empty() {
        report.note("no conversation is saved; pumice chat --session NAME begins one");
    } else if !args.has("json") {
        report.note(format_args!("the conversations are files in {}", folder.display()));
    }
    Ok(())
}

const NAME: &str = "NAME";
