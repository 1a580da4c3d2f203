//! The newest batches of a workspace, for followers that read at their own pace.
//!
//! A follower keeps only its position. Its batches are found by `seq`, so any task may go on for
//! it. Batches are kept only while there are followers, and never more than two limits allow.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

use super::batch::EventBatch;
use earcon_model::Seq;

/// Most bytes that are kept for slow followers, as [`EventBatch::weight`] estimates them.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Most batches and bytes of one step of a follower.
const STEP_BATCHES: usize = 64;
const STEP_BYTES: usize = 1024 * 1024;

/// The side that adds batches. Dropping it ends the broadcast.
pub(super) struct Recent {
    batches: Arc<Batches>,
    newest: watch::Sender<Seq>,
}

/// The side of followers.
#[derive(Clone)]
pub struct Live {
    batches: Arc<Batches>,
    newest: watch::Receiver<Seq>,
}

/// The workspace stopped or restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

struct Batches {
    kept: Mutex<Kept>,
    most: usize,
}

#[derive(Default)]
struct Kept {
    batches: VecDeque<Arc<EventBatch>>,
    bytes: usize,
}

impl Recent {
    /// Keeps at most `most` batches.
    pub(super) fn new(most: usize, newest: Seq) -> Self {
        Self { batches: Arc::new(Batches { kept: Mutex::default(), most }), newest: watch::channel(newest).0 }
    }

    /// Adds the next batch, and wakes followers.
    pub(super) fn push(&self, batch: Arc<EventBatch>) {
        let Some(newest) = batch.newest() else { return };
        self.batches.push(batch, self.readers() > 0);
        self.newest.send_replace(newest);
    }

    /// Follows every batch from now on.
    pub(super) fn follow(&self) -> Live {
        Live { batches: self.batches.clone(), newest: self.newest.subscribe() }
    }

    /// How many [`Live`] there are.
    pub(super) fn readers(&self) -> usize {
        self.newest.receiver_count()
    }
}

/// Recognises a broadcast without following it.
#[derive(Clone)]
pub struct Identity(Weak<Batches>);

impl Identity {
    /// Whether `live` follows this broadcast.
    pub fn is_of(&self, live: &Live) -> bool {
        std::ptr::eq(self.0.as_ptr(), Arc::as_ptr(&live.batches))
    }
}

impl Live {
    /// The identity of its broadcast.
    pub fn identity(&self) -> Identity {
        Identity(Arc::downgrade(&self.batches))
    }

    /// The newest event.
    pub fn newest(&self) -> Seq {
        *self.newest.borrow()
    }

    /// Kept batches with events after `seen`, in order, not more than fit into a step. If batches
    /// are missing before the first one, the follower was too slow.
    pub fn after(&self, seen: Seq) -> Vec<Arc<EventBatch>> {
        let kept = self.batches.lock();
        let first = kept.batches.partition_point(|batch| batch.newest().is_none_or(|newest| newest <= seen));
        let mut bytes = 0;
        let fits = |batch: &&Arc<EventBatch>| {
            let earlier = bytes;
            bytes += batch.weight();
            earlier == 0 || bytes <= STEP_BYTES
        };
        kept.batches.iter().skip(first).take(STEP_BATCHES).take_while(fits).cloned().collect()
    }

    /// Waits until there are events after `seen`. Dropping the future loses nothing.
    ///
    /// # Errors
    /// When the workspace stops.
    pub async fn beyond(&mut self, seen: Seq) -> Result<(), Closed> {
        self.newest.wait_for(|newest| *newest > seen).await.map(|_| ()).map_err(|_| Closed)
    }
}

impl Batches {
    fn push(&self, batch: Arc<EventBatch>, followed: bool) {
        let mut kept = self.lock();
        if !followed {
            *kept = Kept::default();
            return;
        }
        kept.bytes += batch.weight();
        kept.batches.push_back(batch);
        while kept.batches.len() > self.most || (kept.bytes > MOST_BYTES && kept.batches.len() > 1) {
            let Some(oldest) = kept.batches.pop_front() else { break };
            kept.bytes = kept.bytes.saturating_sub(oldest.weight());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::{Event, KpiEvent, KpiName};
    use earcon_ports::Epochs;

    fn batch(seqs: std::ops::RangeInclusive<Seq>, text: usize) -> Arc<EventBatch> {
        let event = |seq| {
            let body = KpiEvent::Parked { reason: "x".repeat(text) };
            Arc::new(Event::new(seq, 0, KpiName::new("k").unwrap(), body))
        };
        Arc::new(EventBatch::new("w".parse().unwrap(), Arc::new(Epochs::new("e", 1)), seqs.map(event).collect()))
    }

    fn seqs(live: &Live, seen: Seq) -> Vec<Seq> {
        let batches = live.after(seen);
        batches.iter().flat_map(|batch| batch.events().map(|event| event.seq).collect::<Vec<_>>()).collect()
    }

    #[tokio::test]
    async fn a_position_finds_the_batches_after_it() {
        let recent = Recent::new(3, 0);
        let mut live = recent.follow();
        for batch in [batch(1..=2, 1), batch(3..=3, 1), batch(4..=6, 1)] {
            recent.push(batch);
        }
        assert_eq!(live.beyond(5).await, Ok(()));
        assert_eq!(seqs(&live, 0), [1, 2, 3, 4, 5, 6]);
        assert_eq!(seqs(&live, 2), [3, 4, 5, 6]);
        assert_eq!(seqs(&live, 5), [4, 5, 6], "the batch that holds the next event");
        assert_eq!(seqs(&live, 6), [] as [Seq; 0]);
        recent.push(batch(7..=7, 1));
        assert_eq!(seqs(&live, 0), [3, 4, 5, 6, 7], "three are kept");
        drop(recent);
        assert_eq!(live.beyond(7).await, Err(Closed));
    }

    #[test]
    fn without_followers_nothing_is_kept() {
        let recent = Recent::new(100, 0);
        let live = recent.follow();
        recent.push(batch(1..=1, 1));
        assert_eq!(live.batches.lock().batches.len(), 1);
        let shared = live.batches.clone();
        drop(live);
        recent.push(batch(2..=2, 1));
        let kept = shared.lock();
        assert_eq!((kept.batches.len(), kept.bytes), (0, 0));
    }

    #[test]
    fn kept_bytes_are_bounded() {
        let recent = Recent::new(1_000, 0);
        let live = recent.follow();
        for seq in 1..=20 {
            recent.push(batch(seq..=seq, 4 * 1024 * 1024));
        }
        assert_eq!(live.after(0).len(), 1, "one batch always fits into a step");
        let kept = live.batches.lock();
        assert!(kept.bytes <= MOST_BYTES && kept.batches.len() >= 3, "{} in {}", kept.batches.len(), kept.bytes);
    }
}
