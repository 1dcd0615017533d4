//! The library's hints in terms of the program's commands and flags.

use pumice::Hint;

/// What to do next, in one sentence. A hint that concerns no command or flag keeps the library's words.
pub(crate) fn text(hint: &Hint) -> String {
    let after = match hint {
        Hint::RenewCredentials { .. } | Hint::CheckCredentials { .. } | Hint::CheckSecretKey { .. } => {
            "; pumice auth shows what is used"
        }
        Hint::CopyCredentials => "; pumice auth shows where it comes from",
        Hint::SetCredentials { .. } => REPLAY,
        Hint::SetProfile { known } if !known.is_empty() => "; with --profile or in AWS_PROFILE",
        Hint::CheckNetwork | Hint::CheckEndpoint | Hint::CheckAuthority => {
            "; pumice doctor shows how far a call gets"
        }
        Hint::CheckClock { seconds: 0 } => "; pumice doctor shows by how much",
        Hint::LowerMaxTokens => " (--max-tokens); --patient waits",
        Hint::ShortenConversation { output: true } => " (--max-tokens sets the limit)",
        Hint::WaitForModel => "; --patient waits for it",
        Hint::UseInferenceProfile { ids, .. } if !ids.is_empty() => "; --auto-profile does so by itself",
        Hint::MayBeCharged { late: true } => " (--timeout SECONDS)",
        _ => "",
    };
    let named = |model: &Option<String>| model.clone().unwrap_or_else(|| "MODEL".into());
    match hint {
        Hint::SetProfile { known } if known.is_empty() => {
            "leave out --profile and AWS_PROFILE, or write a profile into these files: there is none".into()
        }
        Hint::CallWithoutStream => "call the model without streaming: pumice converse --no-stream".into(),
        Hint::SetRegion => {
            "name a region such as us-east-1: with --region, in AWS_REGION, as `region` in the profile, or in the \
             settings"
                .into()
        }
        Hint::CheckSigningRegion { .. } => format!("{hint}; --region names it"),
        Hint::WaitOut => "try --patient, or a cross-region profile, which has more capacity".into(),
        Hint::ReplaceModel { region, retired } => {
            let why = if *retired { "this version is retired" } else { "a Legacy model is kept for accounts that have called it lately" };
            format!("call a newer model: {why}; run pumice models list to see what can be called in {region}")
        }
        Hint::CallRecordedOperation => {
            "call an operation that is in the recording: pumice chat and converse call ConverseStream, pumice \
             converse --no-stream calls Converse, and pumice call OPERATION any other"
                .into()
        }
        Hint::ListModels { model, region } => {
            let model = named(model);
            format!(
                "run pumice models list to see what can be called in {region}; pumice doctor {model} checks this model"
            )
        }
        Hint::CheckAccess { model, .. } | Hint::ModelAccess { model, .. } => {
            format!("{hint}; pumice doctor {} shows what is missing", named(model))
        }
        Hint::ListInferenceProfiles { failure, .. } => {
            format!(
                "call this model through an inference profile, which pumice call ListInferenceProfiles lists; here they \
                 could not be listed: {failure}"
            )
        }
        Hint::SetCredentials { .. } => {
            let text = hint.to_string().replace("in AWS_PROFILE", "with --profile or in AWS_PROFILE");
            format!("{text}{after}")
        }
        _ => format!("{hint}{after}"),
    }
}

/// A hint for a command that has no `--replay`.
pub(crate) fn without_replay(hint: String) -> String {
    hint.strip_suffix(REPLAY).map(str::to_owned).unwrap_or(hint)
}

const REPLAY: &str = "; --replay FILE needs no credentials";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_names_the_flags_that_help() {
        let profile = |ids: &[&str]| Hint::UseInferenceProfile {
            model: "m".into(),
            region: "r".into(),
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        };
        for (hint, expected) in [
            (Hint::WaitOut, "try --patient"),
            (profile(&["eu.m"]), "call this model as eu.m in r; --auto-profile"),
            (profile(&[]), "r has none that serves it"),
            (
                Hint::ListModels { model: None, region: "r".into() },
                "run pumice models list to see what can be called in r; pumice doctor MODEL",
            ),
            (Hint::SetProfile { known: vec!["a".into(), "b".into()] }, "name one of: a, b; with --profile"),
            (Hint::Other("as it is".into()), "as it is"),
        ] {
            assert!(text(&hint).contains(expected), "{}", text(&hint));
        }
        assert!(!text(&profile(&[])).contains("--auto-profile"));
    }
}
