//! How a request to resume is answered.

use earcon_model::Seq;
use earcon_ports::Epochs;

/// Where a follower wants to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// With the next event.
    Live,
    /// With a snapshot, then the next event.
    Snapshot,
    /// After this event of this epoch. Without an epoch, the follower is taken to have seen this
    /// history: after a restore from a copy that may be wrong.
    Seq {
        /// The last event seen.
        seq: Seq,
        /// The epoch it was seen in.
        epoch: Option<String>,
    },
}

/// How the server answers a request to resume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resume {
    /// Send live events only. There is nothing to recover.
    Live,
    /// Send a snapshot first. There is nothing to recover.
    Snapshot,
    /// The log still has all missed events: send the events from this one on.
    From(Seq),
    /// The log does not have all missed events, or has not the follower's history: report that, and
    /// send a snapshot.
    Lost,
}

impl Resume {
    /// Decides from the log's epochs, its oldest (`first`) and newest (`head`) event, and the
    /// `limit` of replayed events.
    pub fn decide(since: &Since, epochs: &Epochs, first: Seq, head: Seq, limit: u64) -> Self {
        match since {
            Since::Live => Resume::Live,
            Since::Snapshot => Resume::Snapshot,
            Since::Seq { epoch: Some(epoch), seq } if !epochs.contains(epoch, *seq) => Resume::Lost,
            Since::Seq { seq, .. } if *seq > head => Resume::Lost,
            Since::Seq { seq, .. } if seq + 1 < first && first <= head => Resume::Lost,
            Since::Seq { seq, .. } if *seq < head && first > head => Resume::Lost,
            Since::Seq { seq, .. } if head - seq > limit => Resume::Lost,
            Since::Seq { seq, .. } => Resume::From(seq + 1),
        }
    }

    /// The value of `recovered` in the answer.
    pub fn recovered(self) -> Option<bool> {
        match self {
            Resume::Live | Resume::Snapshot => None,
            Resume::From(_) => Some(true),
            Resume::Lost => Some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The history of a log that was restored from a copy of events 1 to 6.
    fn epochs() -> Epochs {
        let mut epochs = Epochs::new("a", 1);
        epochs.begin("b", 4);
        epochs.begin("e", 7);
        epochs
    }

    fn at(seq: Seq) -> Since {
        of("e", seq)
    }

    fn of(epoch: &str, seq: Seq) -> Since {
        Since::Seq { seq, epoch: Some(epoch.into()) }
    }

    #[test]
    fn resumes_when_all_is_held() {
        assert_eq!(Resume::decide(&at(5), &epochs(), 1, 9, 100), Resume::From(6));
        assert_eq!(Resume::decide(&at(9), &epochs(), 1, 9, 100), Resume::From(10));
        assert_eq!(Resume::decide(&at(4), &epochs(), 5, 9, 100), Resume::From(5));
        assert_eq!(Resume::decide(&at(0), &epochs(), 1, 0, 100), Resume::From(1));
    }

    #[test]
    fn says_lost_when_anything_is_missing() {
        assert_eq!(Resume::decide(&at(3), &epochs(), 5, 9, 100), Resume::Lost, "trimmed");
        assert_eq!(Resume::decide(&at(3), &epochs(), 10, 9, 100), Resume::Lost, "everything trimmed");
        assert_eq!(Resume::decide(&at(10), &epochs(), 1, 9, 100), Resume::Lost, "from the future");
        assert_eq!(Resume::decide(&at(1), &epochs(), 1, 200, 100), Resume::Lost, "too far behind");
    }

    #[test]
    fn resumes_over_later_epochs_of_the_same_history_only() {
        let decide = |epoch, seq| Resume::decide(&of(epoch, seq), &epochs(), 1, 90, 100);
        assert_eq!(decide("a", 3), Resume::From(4), "over two restarts");
        assert_eq!(decide("b", 6), Resume::From(7), "the last event before the copy");
        assert_eq!(decide("b", 7), Resume::Lost, "the first life went on in this epoch");
        assert_eq!(decide("c", 9), Resume::Lost, "the first life went on in another one");
        let bare = Since::Seq { seq: 9, epoch: None };
        assert_eq!(Resume::decide(&bare, &epochs(), 1, 90, 100), Resume::From(10), "it names no history");
    }

    #[test]
    fn a_fresh_start_recovers_nothing() {
        assert_eq!(Resume::decide(&Since::Live, &epochs(), 1, 9, 100).recovered(), None);
        assert_eq!(Resume::decide(&Since::Snapshot, &epochs(), 1, 9, 100).recovered(), None);
    }
}
