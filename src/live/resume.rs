//! How a request to resume is answered.

use earcon_model::Seq;

/// Where a follower wants to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Since {
    /// With the next event.
    Live,
    /// With a snapshot, then the next event.
    Snapshot,
    /// After this event of this epoch. Without an epoch: the current one.
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
    /// The log no longer has all missed events: report that, and send a snapshot.
    Lost,
}

impl Resume {
    /// Decides from the log's epoch, its oldest (`first`) and newest (`head`) event, and the
    /// `limit` of replayed events.
    pub fn decide(since: &Since, epoch: &str, first: Seq, head: Seq, limit: u64) -> Self {
        match since {
            Since::Live => Resume::Live,
            Since::Snapshot => Resume::Snapshot,
            Since::Seq { epoch: Some(other), .. } if other != epoch => Resume::Lost,
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

    fn at(seq: Seq) -> Since {
        Since::Seq { seq, epoch: Some("e".into()) }
    }

    #[test]
    fn resumes_when_all_is_held() {
        assert_eq!(Resume::decide(&at(5), "e", 1, 9, 100), Resume::From(6));
        assert_eq!(Resume::decide(&at(9), "e", 1, 9, 100), Resume::From(10));
        assert_eq!(Resume::decide(&at(4), "e", 5, 9, 100), Resume::From(5));
        assert_eq!(Resume::decide(&at(0), "e", 1, 0, 100), Resume::From(1));
    }

    #[test]
    fn says_lost_when_anything_is_missing() {
        assert_eq!(Resume::decide(&at(3), "e", 5, 9, 100), Resume::Lost, "trimmed");
        assert_eq!(Resume::decide(&at(3), "e", 10, 9, 100), Resume::Lost, "everything trimmed");
        assert_eq!(Resume::decide(&at(10), "e", 1, 9, 100), Resume::Lost, "from the future");
        assert_eq!(Resume::decide(&at(1), "e", 1, 200, 100), Resume::Lost, "too far behind");
        assert_eq!(Resume::decide(&at(5), "other", 1, 9, 100), Resume::Lost, "another life of the log");
    }

    #[test]
    fn a_fresh_start_recovers_nothing() {
        assert_eq!(Resume::decide(&Since::Live, "e", 1, 9, 100).recovered(), None);
        assert_eq!(Resume::decide(&Since::Snapshot, "e", 1, 9, 100).recovered(), None);
    }
}
