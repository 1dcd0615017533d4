//! Ids of models for people: short, and near to what was typed.

use pumice::spelling::nearest;

/// The part of an id that tells models apart: `claude-sonnet-4-5` of `us.anthropic.claude-sonnet-4-5-20250929-v1:0`.
pub(crate) fn short(id: &str) -> &str {
    let mut name = id.rsplit('/').next().unwrap_or(id);
    // Regions and most providers have no digits, and versions do: `zai.glm-4.7`.
    while let Some((first, rest)) = name.split_once('.')
        && !first.contains(|letter: char| letter.is_ascii_digit())
        && !rest.is_empty()
    {
        name = rest;
    }
    let name = name.split(':').next().unwrap_or(name);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let name = match name.rsplit_once("-v") {
        Some((rest, version)) if is_number(version) => rest,
        _ => name,
    };
    match name.rsplit_once('-') {
        Some((rest, date)) if date.len() == 8 && is_number(date) => rest,
        _ => name,
    }
}

/// At most three of these ids that were likely meant: those that contain the word, or else those whose short form is
/// nearest to it.
pub(crate) fn near<'a>(word: &str, ids: &[&'a str]) -> Vec<&'a str> {
    let word = word.to_ascii_lowercase();
    let mut found =
        ids.iter().copied().filter(|id| id.to_ascii_lowercase().contains(&word)).collect::<Vec<_>>();
    if found.is_empty() {
        let whole = nearest(&word, ids.iter().copied());
        let part = nearest(short(&word), ids.iter().map(|id| short(id)));
        found = ids
            .iter()
            .copied()
            .filter(|id| whole.map_or(Some(short(id)) == part, |whole| whole == *id))
            .collect();
    }
    let mut near = Vec::new();
    for id in found {
        if near.len() < 3 && !near.contains(&id) {
            near.push(id);
        }
    }
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_for_people() {
        for (id, expected) in [
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
            ("anthropic.claude-opus-4-8", "claude-opus-4-8"),
            ("amazon.nova-lite-v1:0", "nova-lite"),
            ("openai.gpt-oss-120b-1:0", "gpt-oss-120b-1"),
            ("zai.glm-4.7", "glm-4.7"),
            ("us-gov.meta.llama3-70b-instruct-v1:0", "llama3-70b-instruct"),
            ("arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2c3", "a1b2c3"),
            ("m", "m"),
            ("", ""),
            ("a.", "a."),
        ] {
            assert_eq!(short(id), expected, "{id}");
        }
    }

    #[test]
    fn a_word_is_looked_for_in_ids_and_then_for_slips() {
        let ids = [
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "amazon.nova-lite-v1:0",
            "amazon.nova-pro-v1:0",
        ];
        for (word, expected) in [
            ("claude-sonnet-4-5", &ids[..2]),
            ("Nova", &ids[2..]),
            ("claude-sonet-4-5", &ids[..2]),
            ("nova-prp", &ids[3..]),
            ("amazon.nova-lite-v2:0", &ids[2..3]),
            ("something else", &[]),
        ] {
            assert_eq!(near(word, &ids), expected, "{word}");
            assert_eq!(near(word, &ids.repeat(2)), expected, "{word}, in a list and in the catalog");
        }
    }
}
