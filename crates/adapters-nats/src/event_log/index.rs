//! Where in the stream events were seen: what saves most readers the search.

use std::collections::BTreeMap;

use earcon_model::Seq;

/// Beyond this many entries every second one goes; then a search takes one more step.
const ENTRIES: usize = 4_096;

/// Sequences at which to begin for the events that start an append.
#[derive(Debug, Default)]
pub(super) struct Index {
    entries: BTreeMap<Seq, u64>,
}

/// What is known of an event's whereabouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// Reading from here gives the event first.
    At(u64),
    /// The append that holds it begins at or after the first and before the second, as far as those are known.
    Between(Option<u64>, Option<u64>),
}

impl Index {
    /// The append that starts with `seq` begins at `sequence`, or after nothing but messages without events.
    pub(super) fn saw(&mut self, seq: Seq, sequence: u64) {
        // The earlier of two begins with fences that the later one has passed.
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

    pub(super) fn find(&self, seq: Seq) -> Whereabouts {
        let before = self.entries.range(..=seq).next_back();
        if let Some((_, sequence)) = before.filter(|(found, _)| **found == seq) {
            return Whereabouts::At(*sequence);
        }
        let after = self.entries.range(seq..).next();
        Whereabouts::Between(before.map(|(_, sequence)| *sequence), after.map(|(_, sequence)| *sequence))
    }

    /// Everything before `sequence` is gone.
    pub(super) fn forget_before(&mut self, sequence: u64) {
        self.entries.retain(|_, entry| *entry >= sequence);
    }

    /// The stream is another one.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrows_the_search_even_when_thinned() {
        let mut index = Index::default();
        assert_eq!(index.find(5), Whereabouts::Between(None, None));
        for i in 1..=10_000 {
            index.saw(i * 10, i);
        }
        for seq in [5, 10, 15, 50_005, 100_000, 100_001] {
            match index.find(seq) {
                Whereabouts::At(sequence) => assert_eq!(sequence * 10, seq),
                Whereabouts::Between(low, high) => {
                    assert!(low.is_none_or(|low| low * 10 < seq) && high.is_none_or(|high| high * 10 > seq));
                    assert!(seq > 100_000 || high.unwrap() - low.unwrap_or(0) <= 8);
                }
            }
        }
        index.forget_before(9_000);
        assert!(matches!(index.find(80_000), Whereabouts::Between(None, Some(_))));
    }
}
