//! Finding an event in the stream, by its number or by its time.
//!
//! The first events of the messages never decrease along the stream, and their times only if time itself went back; so both
//! are found by bisection, with one small read for a step.

use super::assembly::{Append, Assembly};
use super::frame::Place;
use super::index::Whereabouts;
use super::lock;
use super::stream::Stored;
use super::workspace_log::{Bound, WorkspaceLog};
use earcon_model::Seq;
use earcon_ports::PortError;

/// What is found when one looks at a sequence.
enum Found {
    /// Nothing before this sequence is left.
    Purged(u64),
    /// A fence, or the last part of a complete append.
    Solid(u64, Place),
    /// From the sequence on there is nothing that counts.
    Nothing,
}

impl WorkspaceLog {
    /// The sequence to read from so that `from` comes, preceded at most by events of the same append and by messages that do
    /// not count; just beyond the bound when `from` is not there yet.
    pub(super) async fn start_of(&self, from: Seq, bound: Bound) -> Result<u64, PortError> {
        let end = bound.sequence + 1;
        let whereabouts = lock(&self.index).find(from);
        let (low, high) = match whereabouts {
            Whereabouts::At(sequence) if sequence <= end => return Ok(sequence),
            Whereabouts::Between(low, high) if low.max(high).is_none_or(|known| known <= end) => (low, high),
            // The stream is shorter than it was, so it is not the one it was.
            _ => {
                lock(&self.index).clear();
                (None, None)
            }
        };
        if from >= bound.next {
            return Ok(end);
        }
        let low = match low {
            Some(low) => low,
            None => self.info().await?.map_or(1, |info| info.state.first_sequence.max(1)),
        };
        let found = self.bisect(low, high.unwrap_or(end).max(low), |place| place.seq < from).await?;
        self.begin_before(from, low, found).await
    }

    /// Where to begin when `found` is the first message whose first event is not before `from`.
    async fn begin_before(&self, from: Seq, low: u64, found: u64) -> Result<u64, PortError> {
        let at = self.stream.get(found).await?.and_then(|stored| stored.place);
        if at.is_some_and(|place| place.seq == from && place.part == 0) {
            return Ok(found);
        }
        // It lies in the append before, of which this is the last message; only halts can be between.
        let mut sequence = found;
        while sequence > low {
            sequence -= 1;
            match self.stream.get(sequence).await?.map(|stored| stored.place) {
                Some(Some(place)) => return Ok(sequence.saturating_sub(place.part).max(1)),
                Some(None) => {}
                None => return Ok(sequence + 1),
            }
        }
        Ok(found)
    }

    /// The first sequence in `low..high` whose message is not `before`; `high` when all are.
    async fn bisect(
        &self,
        mut low: u64,
        mut high: u64,
        before: impl Fn(&Place) -> bool + Send,
    ) -> Result<u64, PortError> {
        while low < high {
            let middle = low + (high - low) / 2;
            match self.look(middle, high).await? {
                Found::Purged(sequence) => low = sequence.clamp(middle + 1, high),
                Found::Solid(sequence, place) if before(&place) => low = sequence + 1,
                Found::Solid(..) | Found::Nothing => high = middle,
            }
        }
        Ok(low)
    }

    /// The first message at or after `sequence` and before `high` that counts.
    async fn look(&self, mut sequence: u64, high: u64) -> Result<Found, PortError> {
        while sequence < high {
            let Some(stored) = self.stream.get(sequence).await? else {
                let first = self.info().await?.map_or(high, |info| info.state.first_sequence);
                return Ok(Found::Purged(first));
            };
            let Stored { place, id, .. } = stored;
            let Some(place) = place else {
                sequence += 1;
                continue;
            };
            let last = sequence + (place.parts - 1 - place.part);
            if last == sequence {
                return Ok(Found::Solid(sequence, place));
            }
            let end = self.stream.get(last).await?;
            match end.filter(|end| end.id.append() == id.append()).and_then(|end| end.place) {
                Some(place) => return Ok(Found::Solid(last, place)),
                None => sequence += 1,
            }
        }
        Ok(Found::Nothing)
    }

    /// The first event at or after `time_ms`.
    pub(super) async fn seq_at(&self, time_ms: i64) -> Result<Seq, PortError> {
        let Some(bound) = self.bound(Seq::MAX).await? else { return Ok(1) };
        let low = self.info().await?.map_or(1, |info| info.state.first_sequence.max(1));
        let found = self.bisect(low, bound.sequence + 1, |place| place.last_time_ms < time_ms).await?;
        if found > bound.sequence {
            return Ok(bound.next);
        }
        let append = match self.stream.get(found).await?.and_then(|stored| stored.place) {
            Some(place) if !place.is_fence() => self.append_at(found - place.part.min(found), bound).await?,
            Some(place) => return Ok(place.seq),
            None => self.append_at(found, bound).await?,
        };
        let Some(append) = append else { return Ok(bound.next) };
        let events = append.events(0)?;
        let seq = events.iter().find(|event| event.time_ms >= time_ms).map(|event| event.seq);
        Ok(seq.unwrap_or_else(|| append.place.next()))
    }

    /// The first complete append at or after `sequence`.
    async fn append_at(&self, sequence: u64, bound: Bound) -> Result<Option<Append>, PortError> {
        let mut assembly = Assembly::default();
        for sequence in sequence.max(1)..=bound.sequence {
            let Some(stored) = self.stream.get(sequence).await? else { continue };
            if let Some(append) = assembly.take(stored) {
                return Ok(Some(append));
            }
        }
        Ok(None)
    }
}
