//! The library's hints in terms of the program's commands and flags.

use pumice::Hint;

/// What to do next, in one sentence. A hint that concerns no command or flag keeps the library's words.
pub(crate) fn text(hint: &Hint) -> String {
    let before = match hint {
        Hint::CheckAccess { .. } => "pumice auth shows whose credentials these are; ",
        Hint::CopyCredentials => "pumice auth shows where it comes from; ",
        _ => "",
    };
    let after = match hint {
        Hint::RenewCredentials { .. } | Hint::CheckCredentials { .. } => "; pumice auth shows what is used",
        Hint::SetCredentials { .. } => {
            "; or name a profile with --profile; --replay FILE answers from a recording and needs no credentials"
        }
        Hint::SetProfile { known } if !known.is_empty() => " with --profile or AWS_PROFILE",
        Hint::LowerMaxTokens => " (--max-tokens); --patient waits",
        Hint::WaitForModel => ", or let --patient wait for it",
        Hint::UseInferenceProfile { ids, .. } if !ids.is_empty() => "; --auto-profile does so by itself",
        Hint::MayBeCharged { late: true } => " (--timeout SECONDS)",
        _ => "",
    };
    let instead = match hint {
        Hint::SetProfile { known } if known.is_empty() => {
            "there are no profiles at all: leave out --profile and AWS_PROFILE, or write one into these files"
        }
        Hint::CallWithoutStream => "call the model without streaming: pumice converse --no-stream",
        Hint::SetRegion => {
            "name a region such as us-east-1: with --region, in AWS_REGION, as `region` in the profile, or in the \
             settings"
        }
        Hint::WaitOut => "try --patient, or a cross-region profile, which has more capacity",
        Hint::CheckNetwork => "check the network, --region, --endpoint-url and HTTPS_PROXY",
        Hint::CheckEndpoint => {
            "another server answered than the one expected, such as a proxy or a gateway: check --endpoint-url, \
             --region and HTTPS_PROXY"
        }
        Hint::CallRecordedOperation => {
            "pumice chat and converse call ConverseStream, pumice converse --no-stream calls Converse, and pumice \
             call OPERATION any other"
        }
        Hint::ListModels { region } => {
            return format!(
                "pumice models list shows what can be called in {region}; other models are in other regions"
            );
        }
        Hint::ListInferenceProfiles { failure, .. } => {
            return format!(
                "this model is called through an inference profile: pumice call ListInferenceProfiles lists them; \
                 here they could not be listed: {failure}"
            );
        }
        _ => return format!("{before}{hint}{after}"),
    };
    instead.into()
}

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
            (profile(&["eu.m"]), "in r this model is called as eu.m; --auto-profile"),
            (profile(&[]), "r has none that serves it"),
            (Hint::ListModels { region: "r".into() }, "pumice models list"),
            (Hint::SetProfile { known: vec!["a".into(), "b".into()] }, "a, b; name one with --profile"),
            (Hint::Other("as it is".into()), "as it is"),
        ] {
            assert!(text(&hint).contains(expected), "{}", text(&hint));
        }
        assert!(!text(&profile(&[])).contains("--auto-profile"));
    }
}
