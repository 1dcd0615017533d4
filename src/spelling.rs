//! Which known word a misspelt one was likely meant to be.

/// The known word that was likely meant: one that begins with `word`, or that differs from it in at most two changes of
/// letters, or as many as a third of its letters.
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

/// How many letters are inserted, left out, replaced, or swapped with the next one to make one word of the other
/// (optimal string alignment). `None` if it exceeds the limit.
fn distance(from: &str, to: &str, limit: usize) -> Option<usize> {
    let to = to.chars().collect::<Vec<_>>();
    // The time grows with the product of both lengths, and a foreign word may have any length.
    if from.chars().count().abs_diff(to.len()) > limit {
        return None;
    }
    let mut above = (0..=to.len()).collect::<Vec<_>>();
    // The row before, and its letter: for letters that are swapped.
    let mut before: Option<(Vec<usize>, char)> = None;
    for (line, left) in from.chars().enumerate() {
        let mut row = vec![line + 1];
        let mut previous = None;
        for (at, right) in to.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX - 1);
            let mut changes = cell(&above, at) + usize::from(left != *right);
            changes = changes.min(cell(&above, at + 1) + 1).min(cell(&row, at) + 1);
            if let (Some((before, swapped)), Some(beside), Some(start)) =
                (&before, previous, at.checked_sub(1))
                && (left, *swapped) == (beside, *right)
            {
                changes = changes.min(cell(before, start) + 1);
            }
            row.push(changes);
            previous = Some(*right);
        }
        before = Some((std::mem::replace(&mut above, row), left));
    }
    above.last().copied().filter(|changes| *changes <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_are_swapped_are_one_change() {
        for (from, to, changes) in [
            ("", "", 0),
            ("a", "", 1),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("regoin", "region", 1),
            ("caht", "chat", 1),
            ("caht", "call", 2),
            ("chat", "chat", 0),
        ] {
            assert_eq!(distance(from, to, 3), Some(changes), "{from} {to}");
            assert_eq!(changes.checked_sub(1).and_then(|limit| distance(from, to, limit)), None);
        }
        assert_eq!(nearest("regoin", ["region", "profile"].into_iter()), Some("region"));
        assert_eq!(nearest("caht", ["call", "chat"].into_iter()), Some("chat"));
        assert_eq!(nearest("vresion", ["region", "version"].into_iter()), Some("version"));
        assert_eq!(nearest("xyzzy", ["region", "profile"].into_iter()), None);
        assert_eq!(nearest("reg", ["x", "region-of-the-world"].into_iter()), Some("region-of-the-world"));
    }
}
