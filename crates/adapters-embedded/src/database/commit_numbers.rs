//! Numbers of commits, stored in the table that the commit changes.
//!
//! Each commit adds the record of its number to every table that it changes, in the same batch, and
//! removes the number that is [`WINDOW`] older. So a table always holds exactly the last `WINDOW`
//! numbers. A lost commit leaves a hole among them, or an older number that it should have removed.
//! A lost end of the journal leaves a last number below the one in `db.mark`.

use std::fmt;

/// How many numbers each table holds. A new table holds 1 to `WINDOW`.
pub(super) const WINDOW: u64 = 64;

/// First byte of the key of a number. Other keys begin with the name of a workspace.
const PREFIX: u8 = 0;

/// The first key after all numbers.
pub(super) const AFTER_NUMBERS: [u8; 1] = [PREFIX + 1];

/// The key of a number's record.
pub(super) fn key(number: u64) -> [u8; 9] {
    let mut key = [PREFIX; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The value of a number's record: the code of the table, and the identity of the database.
pub(super) fn value(code: usize, identity: u64) -> [u8; 9] {
    let mut value = [code as u8; 9];
    value[1..].copy_from_slice(&identity.to_le_bytes());
    value
}

/// Code and identity from the value of a number's record.
pub(super) fn code_and_identity(value: &[u8]) -> Option<(usize, u64)> {
    let (code, identity) = value.split_first()?;
    Some((usize::from(*code), u64::from_le_bytes(identity.try_into().ok()?)))
}

/// The number, if `key` is that of a number's record.
pub(super) fn number(key: &[u8]) -> Option<u64> {
    match key.split_first() {
        Some((&PREFIX, rest)) => Some(u64::from_be_bytes(rest.try_into().ok()?)),
        _ => None,
    }
}

/// Commits that a table lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// There is no number: the table is not the one that was written.
    Everything,
    /// At least this many commits before the last one.
    Earlier(u64),
    /// The last commits.
    Last(u64),
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        match self {
            Self::Everything => write!(f, "all commits"),
            Self::Earlier(count) => write!(f, "at least {count} earlier commit{}", plural(*count)),
            Self::Last(1) => write!(f, "the last commit"),
            Self::Last(count) => write!(f, "the last {count} commits"),
        }
    }
}

/// Compares the numbers that a table holds, in ascending order, with the last number of `db.mark`.
/// Returns the last number.
///
/// # Errors
/// The commits that the table lacks. The last ones hide earlier ones.
pub(super) fn examine(present: &[u64], marked: u64) -> Result<u64, Lost> {
    let Some(&last) = present.last() else { return Err(Lost::Everything) };
    if last < marked {
        return Err(Lost::Last(marked - last));
    }
    // Each lost commit leaves one number that it should have removed.
    let oldest = last.saturating_sub(WINDOW) + 1;
    let kept = present.iter().filter(|number| **number < oldest).count() as u64;
    let missing = WINDOW.min(last).saturating_sub(present.len() as u64 - kept);
    if kept == 0 && missing == 0 { Ok(last) } else { Err(Lost::Earlier(kept.max(missing))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// A table after commits up to `last`, without the commits for which `is_lost` is true.
    fn table(last: u64, is_lost: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut numbers: BTreeSet<u64> = (1..=WINDOW).collect();
        for number in WINDOW + 1..=last {
            if !is_lost(number) {
                numbers.insert(number);
                numbers.remove(&(number - WINDOW));
            }
        }
        numbers.into_iter().collect()
    }

    #[test]
    fn every_lost_run_of_commits_is_noticed_however_old_it_is() {
        let last = 6 * WINDOW;
        assert_eq!(examine(&table(last, |_| false), last), Ok(last));
        for first in WINDOW + 1..last {
            for length in [1, 2, 3, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW] {
                let lost = first..(first + length).min(last);
                let found = examine(&table(last, |number| lost.contains(&number)), last);
                let count = (lost.end - lost.start).min(WINDOW);
                assert_eq!(found, Err(Lost::Earlier(count)), "{lost:?}");
            }
        }
    }

    #[test]
    fn lost_end_is_counted() {
        for last in [WINDOW, WINDOW + 1, 500] {
            assert_eq!(examine(&table(last, |_| false), last + 3), Err(Lost::Last(3)));
        }
        assert_eq!(examine(&[], 5), Err(Lost::Everything));
    }

    #[test]
    fn table_that_is_ahead_of_the_mark_is_whole() {
        assert_eq!(examine(&table(200, |_| false), 150), Ok(200));
    }

    #[test]
    fn keys_of_numbers_are_known_and_in_order() {
        assert_eq!(number(&key(7)), Some(7));
        assert!(key(255) < key(256) && key(u64::MAX).as_slice() < AFTER_NUMBERS.as_slice());
        for other in [b"".as_slice(), b"default\0k", &[0; 8], &[0; 10], &[1; 9]] {
            assert_eq!(number(other), None);
        }
    }
}
