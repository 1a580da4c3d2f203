//! Pages of lists that are sorted by time, latest first, and the cursor between them.

use uuid::Uuid;

use crate::gateway::http::problem::Problem;
use crate::gateway::http::query::bad;

/// The position of an entry in a list: its time in milliseconds, then its identifier.
pub(crate) type Position = (i64, Uuid);

/// What a request asks for: at most `limit` entries, from after a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageRequest {
    /// Most entries of the page.
    pub(crate) limit: usize,
    /// The last entry of the page before.
    pub(crate) before: Option<Position>,
}

impl PageRequest {
    /// From the parameters `limit`, which is clamped, and `before`.
    ///
    /// # Errors
    /// When `before` is no cursor.
    pub(crate) fn new(
        limit: Option<usize>,
        default: usize,
        most: usize,
        before: Option<&str>,
    ) -> Result<Self, Problem> {
        let before = before.map(parse_cursor).transpose()?;
        Ok(Self { limit: limit.unwrap_or(default).clamp(1, most), before })
    }

    /// Cuts a list to this page. Returns the cursor of the next page, if the list goes on.
    pub(crate) fn cut<T>(&self, entries: &mut Vec<T>, position: impl Fn(&T) -> Position) -> Option<String> {
        if entries.len() <= self.limit {
            return None;
        }
        entries.truncate(self.limit);
        entries.last().map(|last| {
            let (at_ms, id) = position(last);
            format!("{at_ms}_{id}")
        })
    }
}

fn parse_cursor(text: &str) -> Result<Position, Problem> {
    let parsed = text.split_once('_').and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
    parsed.ok_or_else(|| bad("before must be the `next` of an earlier answer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let all: Vec<Position> = (0..7).rev().map(|n| (n / 2, Uuid::from_u128(n as u128))).collect();
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = PageRequest::new(Some(3), 100, 1_000, before.as_deref()).unwrap();
            let rest = all.iter().filter(|entry| page.before.is_none_or(|before| **entry < before));
            let mut entries: Vec<Position> = rest.take(page.limit + 1).copied().collect();
            before = page.cut(&mut entries, |entry| *entry);
            seen.extend(entries);
            if before.is_none() {
                break;
            }
        }
        assert_eq!(seen, all);
    }

    #[test]
    fn limits_are_clamped_and_bad_cursors_refused() {
        let limit = |asked| PageRequest::new(asked, 50, 500, None).unwrap().limit;
        assert_eq!([limit(None), limit(Some(0)), limit(Some(7)), limit(Some(9_000))], [50, 1, 7, 500]);
        for cursor in ["", "17", "17_x", "x_00000000-0000-0000-0000-000000000000"] {
            assert!(PageRequest::new(None, 50, 500, Some(cursor)).is_err(), "{cursor}");
        }
    }
}
