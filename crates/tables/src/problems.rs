//! The problems of a table: all are counted, and the first ones are kept.
//!
//! A file may have a problem in each of its millions of rows, and its owner reads the first few.

use super::error::RowProblem;

/// Problems that are kept.
const KEPT: usize = 100;

/// Rows and cells that were skipped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    first: Vec<RowProblem>,
    total: u64,
}

impl Problems {
    /// The first ones, a hundred at most.
    pub fn first(&self) -> &[RowProblem] {
        &self.first
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Adds one.
    pub(crate) fn push(&mut self, problem: RowProblem) {
        self.total += 1;
        if self.first.len() < KEPT {
            self.first.push(problem);
        }
    }

    /// Adds those of later rows.
    pub fn append(&mut self, later: Self) {
        let room = KEPT - self.first.len();
        self.first.extend(later.first.into_iter().take(room));
        self.total += later.total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(lines: std::ops::Range<u64>) -> Problems {
        let mut problems = Problems::default();
        lines.for_each(|line| problems.push(RowProblem { line, reason: "bad".into() }));
        problems
    }

    #[test]
    fn all_are_counted_and_the_first_hundred_are_kept() {
        let mut all = problems(0..60);
        all.append(problems(60..1_000));
        assert_eq!((all.total(), all.first().len()), (1_000, KEPT));
        assert!(all.first().iter().map(|problem| problem.line).eq(0..100), "{:?}", all.first());
        assert!(!all.is_empty() && Problems::default().is_empty());
    }
}
