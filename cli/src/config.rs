//! `pumice config`: the settings file.

use std::io;

use pumice::context::Context;
use pumice::settings::{self, Settings};
use pumice::spelling::nearest;
use serde_json::Value;

use crate::LONGEST_LOCK;
use crate::args::Args;
use crate::failure::Failure;
use crate::models::{configured_ids, did_you_mean};
use crate::output::{Output, Report};

pub(crate) fn run(args: &Args, report: &Report) -> Result<(), Failure> {
    let words = args.rest.iter().map(|word| word.to_str()).collect::<Option<Vec<_>>>();
    let words = words.ok_or_else(|| Failure::usage("expected arguments in UTF-8"))?;
    let context = Context::real();
    let path = Settings::path(&context, args.path("config")).ok_or_else(|| {
        Failure::usage("there is no configuration folder")
            .hint("name a file with --config or in PUMICE_CONFIG")
    })?;
    let file = path.display().to_string();
    // Where the text is no JSON5, the error names the file.
    let well_formed = |text: Option<String>| {
        let text = text.unwrap_or_default();
        let fault = Settings::sections(&text).err().and_then(|_| Settings::parse(&file, &text).err());
        fault.map_or(Ok(text), |fault| Err(Failure::from(fault)))
    };
    let text = || well_formed(Settings::text(&context, args.path("config"))?);
    let check = |text: &str| {
        let settings = Settings::parse(&file, text)?;
        settings.warnings.iter().for_each(|warning| report.warning(warning));
        Ok::<_, Failure>(settings)
    };
    let unwritable =
        |error: io::Error| Failure::usage(format!("the settings file {file} cannot be written: {error}"));
    // Held from reading to writing, so that nothing that another program sets is lost.
    let lock = || context.lock(&path, LONGEST_LOCK).map_err(unwritable);
    let write = |text: &str| {
        let settings = check(text)?;
        context.write_private(&path, text.as_bytes()).map_err(unwritable).map(|()| settings)
    };
    let not_set = |text: &str, member: &str| {
        let near = Settings::nearest_path(text, member).unwrap_or_default();
        Failure::usage(format!("{file}: {member} is not set")).meant("", near.as_deref())
    };
    // `model` is short for the primary model, which OpenClaw's form also has as a text of its own.
    let full = |text: &str, member: &str| {
        if member.trim() != "model" || Settings::get(text, member)?.is_some() {
            return Ok(member.to_owned());
        }
        let is_text = matches!(Settings::get(text, MODEL)?, Some(Value::String(_)));
        Ok::<_, Failure>(if is_text { MODEL.to_owned() } else { format!("{MODEL}.primary") })
    };
    let mut output = Output::new();
    match words.as_slice() {
        ["path"] => output.text(&format!("{file}\n")),
        ["show"] => {
            let text = text()?;
            check(&text)?;
            output.json_line(&format!("{:#}", Settings::sections(&text)?));
        }
        ["get", member] => {
            let text = text()?;
            let member = full(&text, member)?;
            match Settings::get(&text, &member)? {
                Some(Value::String(value)) => output.text(&format!("{value}\n")),
                Some(value) => output.json_line(&format!("{value:#}")),
                None => return Err(not_set(&text, &member)),
            }
        }
        ["set", member, value] => {
            path.parent()
                .map_or(Ok(()), |folder| context.create_private_folder(folder))
                .map_err(unwritable)?;
            let _lock = lock()?;
            // A file that is missing is made.
            let text = well_formed(settings::read(&context, &path)?)?;
            let member = full(&text, member)?;
            Settings::check_path(&text, &member)?;
            let settings = write(&Settings::set(&text, &member, value)?)?;
            report.detail(format_args!("{file}: {member} is set"));
            // Ids have a provider, and ARNs colons: `nova` alone is at best the name of a provisioned model.
            if let (Some(MODEL), Some(choice)) =
                (member.strip_suffix(".primary").or(Some(&member)), settings.choose(None)?)
                && !choice.model().contains(['.', ':'])
                && let Some(meant) = did_you_mean(choice.model(), configured_ids(&settings))
            {
                report.warning(format_args!("no model of this name is known: {}; {meant}", choice.model()));
            }
        }
        ["unset", member] => {
            let _lock = lock()?;
            let text = text()?;
            let member = full(&text, member)?;
            let without = Settings::unset(&text, &member)?.ok_or_else(|| not_set(&text, &member))?;
            write(&without)?;
        }
        _ => {
            let verbs = ["get", "set", "unset", "path", "show"];
            let near =
                words.first().and_then(|word| nearest(word, verbs.into_iter()).filter(|near| near != word));
            return Err(Failure::usage("expected get PATH, set PATH VALUE, unset PATH, path or show")
                .meant("", near)
                .hint("run pumice config --help"));
        }
    }
    output.flush()
}

const MODEL: &str = "agents.defaults.model";
