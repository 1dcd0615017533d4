//! Which known word a misspelt one was likely meant to be.

/// The known word that was likely meant: one that begins with `word`, or that differs from it in at most two letters, or
/// a third of them.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(2);
    let near = |known: &'a str| match known.strip_prefix(word) {
        Some(rest) if word.len() > 2 => Some((rest.chars().count(), known)),
        _ => Some((distance(word, known, limit)?, known)),
    };
    known.filter_map(near).min().map(|(_, known)| known)
}

/// The known word of which this is a slip: at most two letters differ, and less than half.
pub(crate) fn near_miss<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = 2.min(word.chars().count().saturating_sub(1) / 2);
    known.filter_map(|known| Some((distance(word, known, limit)?, known))).min().map(|(_, known)| known)
}

/// The Levenshtein distance of two words; `None` if it exceeds the limit.
fn distance(from: &str, to: &str, limit: usize) -> Option<usize> {
    let to = to.chars().collect::<Vec<_>>();
    // The time grows with the product of both lengths, and a foreign word may have any length.
    if from.chars().count().abs_diff(to.len()) > limit {
        return None;
    }
    let mut row = (0..=to.len()).collect::<Vec<_>>();
    for (line, left) in from.chars().enumerate() {
        let mut diagonal = line;
        let mut last = line + 1;
        for (cell, right) in row.iter_mut().zip(std::iter::once(None).chain(to.iter().map(Some))) {
            let above = *cell;
            *cell = match right {
                None => line + 1,
                Some(right) => (diagonal + usize::from(left != *right)).min(above + 1).min(last + 1),
            };
            (diagonal, last) = (above, *cell);
        }
    }
    row.last().copied().filter(|changes| *changes <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        for (from, to, changes) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("regoin", "region", 2),
            ("chat", "chat", 0),
        ] {
            assert_eq!(distance(from, to, 3), Some(changes), "{from} {to}");
            assert_eq!(changes.checked_sub(1).and_then(|limit| distance(from, to, limit)), None);
        }
        assert_eq!(nearest("regoin", ["region", "profile"].into_iter()), Some("region"));
        assert_eq!(nearest("xyzzy", ["region", "profile"].into_iter()), None);
        assert_eq!(nearest("reg", ["x", "region-of-the-world"].into_iter()), Some("region-of-the-world"));
    }
}
