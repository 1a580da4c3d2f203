//! The epochs of a log: which writer wrote which events.

use earcon_model::Seq;

/// The most epochs of a history. Beyond it, those without events are forgotten, then the oldest.
const MOST: usize = 1_024;

/// The start of one epoch. Each start of a log's writer begins an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochStart {
    /// The name of the epoch. No other start of any writer has the same.
    pub epoch: String,
    /// The first sequence number that the epoch may write.
    pub first: Seq,
}

/// The epochs of one log, oldest first. There is always at least one.
///
/// A position is an epoch and a sequence number. Two histories that were one until some event, such
/// as a log and its copy restored later, share the epochs up to there and no later one. So an epoch
/// tells whether a position is part of this history. Kafka's leader epochs (KIP-101) work alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epochs {
    earlier: Vec<EpochStart>,
    current: EpochStart,
}

impl Epochs {
    /// The history of a log with one epoch.
    pub fn new(epoch: impl Into<String>, first: Seq) -> Self {
        Self { earlier: Vec::new(), current: EpochStart { epoch: epoch.into(), first } }
    }

    /// The history with these epochs, oldest first. `None` if there is none, or if a later epoch
    /// begins before an earlier one.
    pub fn from_starts(mut starts: Vec<EpochStart>) -> Option<Self> {
        if starts.windows(2).any(|pair| pair[1].first < pair[0].first) {
            return None;
        }
        let current = starts.pop()?;
        Some(Self { earlier: starts, current })
    }

    /// Begins an epoch whose first event is `first`. It must not be before the present epoch's. If
    /// there are too many epochs then, forgets some: readers that ended in those get a snapshot.
    pub fn begin(&mut self, epoch: impl Into<String>, first: Seq) {
        let next = EpochStart { epoch: epoch.into(), first: first.max(self.current.first) };
        self.earlier.push(std::mem::replace(&mut self.current, next));
        if self.earlier.len() >= MOST {
            let ends: Vec<Seq> = self.starts().skip(1).map(|start| start.first).collect();
            let mut ends = ends.into_iter();
            self.earlier.retain(|start| ends.next().is_some_and(|end| start.first < end));
            self.earlier.drain(..self.earlier.len().saturating_sub(MOST / 2));
        }
    }

    /// The epoch of the latest writer.
    pub fn current(&self) -> &str {
        &self.current.epoch
    }

    /// All epochs, oldest first.
    pub fn starts(&self) -> impl DoubleEndedIterator<Item = &EpochStart> {
        self.earlier.iter().chain(std::iter::once(&self.current))
    }

    /// Whether a reader that has seen this history up to `seq` in `epoch` can continue with the
    /// next event. An event before the start of the epoch belongs to its history too.
    pub fn contains(&self, epoch: &str, seq: Seq) -> bool {
        self.end_of(epoch).is_some_and(|end| end.is_none_or(|end| seq < end))
    }

    /// Where `epoch` ended: the first event of the next epoch. `Some(None)` if it is the current
    /// epoch, `None` if this history does not have it.
    pub fn end_of(&self, epoch: &str) -> Option<Option<Seq>> {
        let mut starts = self.starts();
        starts.find(|start| start.epoch == epoch)?;
        Some(starts.next().map(|next| next.first))
    }

    /// The epoch that wrote event `seq`, or will write it. An event from before the oldest epoch
    /// known counts to that.
    pub fn epoch_of(&self, seq: Seq) -> &str {
        let known = self.starts().rev().find(|start| start.first <= seq).or_else(|| self.starts().next());
        known.map_or(self.current(), |start| &start.epoch)
    }

    /// Removes epochs that ended before `first`, the oldest event held. An epoch that ended right
    /// at it stays: a reader that has seen all of it can continue.
    pub fn forget_before(&mut self, first: Seq) {
        let ended = self.starts().skip(1).take_while(|start| start.first < first).count();
        self.earlier.drain(..ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Epochs {
        let mut epochs = Epochs::new("a", 1);
        epochs.begin("b", 11);
        epochs.begin("c", 11);
        epochs.begin("d", 31);
        epochs
    }

    #[test]
    fn position_is_contained_up_to_the_start_of_the_next_epoch() {
        let epochs = three();
        assert!(epochs.contains("a", 0) && epochs.contains("a", 10) && !epochs.contains("a", 11));
        assert!(epochs.contains("b", 10) && !epochs.contains("b", 11));
        assert!(epochs.contains("c", 5) && epochs.contains("c", 30) && !epochs.contains("c", 31));
        assert!(epochs.contains("d", Seq::MAX));
        assert!(!epochs.contains("e", 1));
    }

    #[test]
    fn restored_copy_shares_the_history_before_it() {
        let mut restored = Epochs::new("a", 1);
        restored.begin("x", 8);
        assert!(restored.contains("a", 7));
        assert!(!restored.contains("a", 10), "the first life went on in the same epoch");
        assert!(!restored.contains("b", 11), "the first life began another epoch");
    }

    #[test]
    fn event_belongs_to_the_epoch_that_wrote_it() {
        let epochs = three();
        let of = |seq| epochs.epoch_of(seq).to_owned();
        assert_eq!([of(0), of(1), of(10), of(11), of(30), of(31), of(99)], ["a", "a", "a", "c", "c", "d", "d"]);
        assert_eq!(epochs.current(), "d");
    }

    #[test]
    fn trimmed_epochs_are_forgotten() {
        let mut epochs = three();
        epochs.forget_before(11);
        let names = |epochs: &Epochs| epochs.starts().map(|start| start.epoch.clone()).collect::<Vec<_>>();
        assert_eq!(names(&epochs), ["a", "b", "c", "d"]);
        assert!(epochs.contains("a", 10), "a reader of all that was trimmed can continue");
        epochs.forget_before(12);
        assert_eq!(names(&epochs), ["c", "d"]);
        epochs.forget_before(31);
        assert_eq!(names(&epochs), ["c", "d"]);
        assert!(epochs.contains("c", 30), "a reader of all that was trimmed can continue");
        epochs.forget_before(500);
        assert_eq!(names(&epochs), ["d"]);
    }

    #[test]
    fn number_of_epochs_is_bounded_and_those_with_events_stay_longest() {
        let mut epochs = Epochs::new("first", 1);
        for i in 0..10 * MOST as Seq {
            epochs.begin(format!("e{i}"), 10 + i / 100);
            assert!(epochs.starts().count() <= MOST);
        }
        assert!(epochs.contains("first", 9));
        assert_eq!(epochs.epoch_of(9), "first");
        for i in 0..10 * MOST as Seq {
            epochs.begin(format!("f{i}"), 1_000 + i);
            assert!(epochs.starts().count() <= MOST);
        }
        assert!(!epochs.contains("first", 9), "the oldest are forgotten");
    }

    #[test]
    fn starts_must_not_go_back() {
        let start = |epoch: &str, first| EpochStart { epoch: epoch.into(), first };
        assert_eq!(Epochs::from_starts(Vec::new()), None);
        assert_eq!(Epochs::from_starts(vec![start("a", 5), start("b", 4)]), None);
        let epochs = Epochs::from_starts(vec![start("a", 5), start("b", 5)]).unwrap();
        assert_eq!(epochs.epoch_of(5), "b");
    }
}
