//! An index of known event positions in the stream. It saves most readers the search.

use std::collections::BTreeMap;

use earcon_model::Seq;

/// Beyond this many entries, every second one is dropped. A search then takes one more step.
const ENTRIES: usize = 4_096;

/// Stream sequences from which to read, by the first event of an append.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: BTreeMap<Seq, u64>,
}

/// What the index knows about the location of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Location {
    /// Reading from this sequence returns the event first.
    At(u64),
    /// Its append begins at or after the first and before the second sequence, if they are known.
    Between(Option<u64>, Option<u64>),
}

impl Index {
    /// Records that the append that starts with `seq` begins at `sequence`. Only messages without
    /// events may be between the two.
    pub(super) fn record(&mut self, seq: Seq, sequence: u64) {
        // The earlier of two sequences precedes fences that the later one skips.
        let entry = self.entries.entry(seq).or_insert(sequence);
        *entry = (*entry).max(sequence);
        if self.entries.len() > ENTRIES {
            let mut keep = false;
            self.entries.retain(|_, _| {
                keep = !keep;
                keep
            });
        }
    }

    pub(super) fn find(&self, seq: Seq) -> Location {
        let before = self.entries.range(..=seq).next_back();
        if let Some((_, sequence)) = before.filter(|(found, _)| **found == seq) {
            return Location::At(*sequence);
        }
        let after = self.entries.range(seq..).next();
        Location::Between(before.map(|(_, sequence)| *sequence), after.map(|(_, sequence)| *sequence))
    }

    /// Drops entries before `sequence`, whose messages were deleted.
    pub(super) fn forget_before(&mut self, sequence: u64) {
        self.entries.retain(|_, entry| *entry >= sequence);
    }

    /// Drops all entries, for another stream.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinned_index_still_narrows_the_search() {
        let mut index = Index::default();
        assert_eq!(index.find(5), Location::Between(None, None));
        for i in 1..=10_000 {
            index.record(i * 10, i);
        }
        for seq in [5, 10, 15, 50_005, 100_000, 100_001] {
            match index.find(seq) {
                Location::At(sequence) => assert_eq!(sequence * 10, seq),
                Location::Between(low, high) => {
                    assert!(low.is_none_or(|low| low * 10 < seq) && high.is_none_or(|high| high * 10 > seq));
                    assert!(seq > 100_000 || high.unwrap() - low.unwrap_or(0) <= 8);
                }
            }
        }
        index.forget_before(9_000);
        assert!(matches!(index.find(80_000), Location::Between(None, Some(_))));
    }
}
