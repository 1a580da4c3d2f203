//! Finding an event in the stream by sequence number or time.
//!
//! The first events of the messages never decrease along the stream. Their times decrease only if a
//! clock went back. So both are found by bisection, with one small read per step.

use super::assembly::{Append, Assembly};
use super::frame::Position;
use super::index::Location;
use super::lock::lock;
use super::stream::StoredMessage;
use super::workspace_log::{Bound, WorkspaceLog};
use earcon_model::Seq;
use earcon_ports::PortError;

/// The result of a probe at a sequence.
enum Probe {
    /// All messages before this sequence were deleted.
    Purged(u64),
    /// A fence, or the last part of a complete append.
    Solid(u64, Position),
    /// No message from the sequence on counts.
    Nothing,
}

impl WorkspaceLog {
    /// The sequence from which to read `from`. At most events of the same append and messages that
    /// do not count come before it. One after the bound if `from` is not stored yet.
    pub(super) async fn start_of(&self, from: Seq, bound: Bound) -> Result<u64, PortError> {
        let end = bound.sequence + 1;
        let location = lock(&self.index).find(from);
        let (low, high) = match location {
            Location::At(sequence) if sequence <= end => return Ok(sequence),
            Location::Between(low, high) if low.max(high).is_none_or(|known| known <= end) => (low, high),
            // The stream is shorter than before, so it is another stream.
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
        let found = self.bisect(low, high.unwrap_or(end).max(low), |position| position.seq < from).await?;
        self.begin_before(from, low, found).await
    }

    /// Where to begin if `found` is the first message whose first event is not before `from`.
    async fn begin_before(&self, from: Seq, low: u64, found: u64) -> Result<u64, PortError> {
        let at = self.stream.get(found).await?.and_then(|stored| stored.position);
        if at.is_some_and(|position| position.seq == from && position.part == 0) {
            return Ok(found);
        }
        // The event is in the previous append, whose last message precedes `found`. Only halts can
        // be in between.
        let mut sequence = found;
        while sequence > low {
            sequence -= 1;
            match self.stream.get(sequence).await?.map(|stored| stored.position) {
                Some(Some(position)) => return Ok(sequence.saturating_sub(position.part).max(1)),
                Some(None) => {}
                None => return Ok(sequence + 1),
            }
        }
        Ok(found)
    }

    /// The first sequence in `low..high` whose message is not `before`. `high` if all are.
    async fn bisect(
        &self,
        mut low: u64,
        mut high: u64,
        before: impl Fn(&Position) -> bool + Send,
    ) -> Result<u64, PortError> {
        while low < high {
            let middle = low + (high - low) / 2;
            match self.probe(middle, high).await? {
                Probe::Purged(sequence) => low = sequence.clamp(middle + 1, high),
                Probe::Solid(sequence, position) if before(&position) => low = sequence + 1,
                Probe::Solid(..) | Probe::Nothing => high = middle,
            }
        }
        Ok(low)
    }

    /// Finds the first message in `sequence..high` that counts.
    async fn probe(&self, mut sequence: u64, high: u64) -> Result<Probe, PortError> {
        while sequence < high {
            let Some(stored) = self.stream.get(sequence).await? else {
                let first = self.info().await?.map_or(high, |info| info.state.first_sequence);
                return Ok(Probe::Purged(first));
            };
            let StoredMessage { position, id, .. } = stored;
            let Some(position) = position else {
                sequence += 1;
                continue;
            };
            let last = sequence + (position.parts - 1 - position.part);
            if last == sequence {
                return Ok(Probe::Solid(sequence, position));
            }
            let end = self.stream.get(last).await?;
            match end.filter(|end| end.id.append() == id.append()).and_then(|end| end.position) {
                Some(position) => return Ok(Probe::Solid(last, position)),
                None => sequence += 1,
            }
        }
        Ok(Probe::Nothing)
    }

    /// The first event at or after `time_ms`.
    pub(super) async fn seq_at(&self, time_ms: i64) -> Result<Seq, PortError> {
        let Some(bound) = self.bound(Seq::MAX).await? else { return Ok(1) };
        let low = self.info().await?.map_or(1, |info| info.state.first_sequence.max(1));
        let found = self.bisect(low, bound.sequence + 1, |position| position.last_time_ms < time_ms).await?;
        if found > bound.sequence {
            return Ok(bound.next);
        }
        let append = match self.stream.get(found).await?.and_then(|stored| stored.position) {
            Some(position) if !position.is_fence() => self.append_at(found - position.part.min(found), bound).await?,
            Some(position) => return Ok(position.seq),
            None => self.append_at(found, bound).await?,
        };
        let Some(append) = append else { return Ok(bound.next) };
        let events = append.events(0)?;
        let seq = events.iter().find(|event| event.time_ms >= time_ms).map(|event| event.seq);
        Ok(seq.unwrap_or_else(|| append.position.next()))
    }

    /// The first complete append at or after `sequence`.
    async fn append_at(&self, sequence: u64, bound: Bound) -> Result<Option<Append>, PortError> {
        let mut assembly = Assembly::default();
        for sequence in sequence.max(1)..=bound.sequence {
            let Some(stored) = self.stream.get(sequence).await? else { continue };
            if let Some(append) = assembly.push(stored) {
                return Ok(Some(append));
            }
        }
        Ok(None)
    }
}
