//! Patterns with `*`, which matches any run of characters, including none.

/// A pattern; matches whole names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    /// The texts between the stars.
    pieces: Vec<Box<str>>,
}

impl Glob {
    pub(super) fn new(pattern: &str) -> Self {
        Self { pieces: pattern.split('*').map(Into::into).collect() }
    }

    /// Number of stars.
    pub(super) fn stars(&self) -> usize {
        self.pieces.len() - 1
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.captures(text).is_some()
    }

    /// The capture of each star, shortest first from left to right. `None` if the text does not
    /// match.
    pub(super) fn captures<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let (first, rest) = self.pieces.split_first()?;
        let mut text = text.strip_prefix(first.as_ref())?;
        let Some((last, middle)) = rest.split_last() else { return text.is_empty().then(Vec::new) };
        let mut captures = Vec::with_capacity(rest.len());
        for piece in middle {
            let at = text.find(piece.as_ref())?;
            captures.push(&text[..at]);
            text = &text[at + piece.len()..];
        }
        captures.push(text.strip_suffix(last.as_ref())?);
        Some(captures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_any_run() {
        let captures = |pattern: &str, text: &'static str| Glob::new(pattern).captures(text);
        assert_eq!(captures("a", "a"), Some(vec![]));
        assert_eq!(captures("a", "ab"), None);
        assert_eq!(captures("*", ""), Some(vec![""]));
        assert_eq!(captures("*_total", "x_total"), Some(vec!["x"]));
        assert_eq!(captures("*_total", "total"), None);
        assert_eq!(captures("a*b*c", "axbybc"), Some(vec!["x", "yb"]));
        assert_eq!(captures("a*a", "a"), None);
        assert_eq!(captures("**", "xy"), Some(vec!["", "xy"]));
    }
}
