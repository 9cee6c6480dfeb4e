//! What was probably meant by a misspelt name. Pure.

/// Names longer than this are compared with nothing: they are no typing errors.
const LONGEST: usize = 64;

/// What is nearest to a word, if it is near enough to have been meant.
pub fn nearest<'c>(word: &str, known: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    near(word, known).map(|(_, name)| name)
}

/// The nearest word and its distance: a third of the word may be wrong, and three characters at most. `TOKEN` for
/// `TOKEN_FILE` is near, however long what was left out.
pub fn near<'c>(word: &str, known: impl IntoIterator<Item = &'c str>) -> Option<(usize, &'c str)> {
    if word.len() > LONGEST {
        return None;
    }
    let limit = (word.len() / 3).clamp(1, 3);
    let measured = known.into_iter().map(|name| {
        let left_out = name.strip_suffix("_FILE") == Some(word);
        (if left_out { 1 } else { distance(word.as_bytes(), name.as_bytes()) }, name)
    });
    measured.filter(|(distance, _)| *distance <= limit).min()
}

/// How many insertions, deletions, substitutions and swaps of neighbours lead from one word to the other.
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let changed = last[j] + usize::from(a != b);
            let mut least = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                least = least.min(before_last[j - 1] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (one, other, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("", "abc", 3),
            ("abc", "acb", 1),
            ("abc", "ab", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one.as_bytes(), other.as_bytes()), expected, "{one} {other}");
            assert_eq!(distance(other.as_bytes(), one.as_bytes()), expected, "{other} {one}");
        }
        assert_eq!(nearest("gihtub", ["github", "gitlab"]), Some("github"));
        assert_eq!(nearest("bitbucket", ["github", "gitlab"]), None);
        assert_eq!(nearest(&"a".repeat(100), ["a"]), None);
    }
}
