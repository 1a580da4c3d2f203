//! Reading events. Many messages are requested at once, so that a page costs about one round trip.

use futures_util::{StreamExt, TryStreamExt};

use super::assembly::Assembly;
use super::frame::Position;
use super::lock::lock;
use super::workspace_log::WorkspaceLog;
use earcon_model::Seq;
use earcon_ports::{Page, PortError};

/// Maximum number of messages requested at the same time.
const IN_FLIGHT: usize = 128;
/// Approximate maximum of their bytes.
const IN_FLIGHT_BYTES: usize = 8 << 20;

impl WorkspaceLog {
    /// Events from `from` on, about `max_events` of them.
    pub(super) async fn read(&self, from: Seq, max_events: usize) -> Result<Page, PortError> {
        let Some(bound) = self.bound(from).await? else { return Ok(Page::default()) };
        if from >= bound.next || max_events == 0 {
            return Ok(Page::default());
        }
        let (mut start, mut first) = (self.start_of(from, bound).await?, 0);
        loop {
            match self.read_from(start, bound.sequence, from.max(first), max_events).await? {
                Ok(page) => return Ok(page),
                Err(Trimmed) => {
                    let oldest = self.info().await?.map_or(bound.sequence + 1, |info| info.state.first_sequence);
                    if oldest > bound.sequence {
                        return Ok(Page::default());
                    }
                    // The log begins with a later event than the requested one.
                    first = self.first_at(oldest, bound.sequence).await?.unwrap_or(bound.next);
                    lock(&self.index).forget_before(oldest);
                    start = self.start_of(from.max(first), bound).await?.max(oldest);
                }
            }
        }
    }

    async fn read_from(
        &self,
        start: u64,
        end: u64,
        from: Seq,
        max_events: usize,
    ) -> Result<Result<Page, Trimmed>, PortError> {
        let mut assembly = Assembly::default();
        let mut events = Vec::new();
        let mut sequence = start;
        // The first message shows how many are needed.
        let mut at_once = 1;
        while sequence <= end {
            let until = end.min(sequence + at_once as u64 - 1);
            let mut messages = futures_util::stream::iter(sequence..=until)
                .map(|sequence| self.stream.get(sequence))
                .buffered(IN_FLIGHT);
            while let Some(message) = messages.try_next().await? {
                let Some(message) = message.filter(|message| !events.is_empty() || begins_by(message.position, from))
                else {
                    return Ok(if events.is_empty() { Err(Trimmed) } else { Ok(Page { events }) });
                };
                let (count, bytes) = (message.position.map_or(0, |position| position.count), message.payload.len());
                at_once = window(max_events.saturating_sub(events.len()), count, bytes);
                let Some(append) = assembly.push(message) else { continue };
                if append.position.next() > from {
                    events.extend(append.events(from)?);
                    lock(&self.index).record(append.position.next(), append.sequence + 1);
                }
                if events.len() >= max_events {
                    return Ok(Ok(Page { events }));
                }
            }
            sequence = until + 1;
        }
        Ok(Ok(Page { events }))
    }
}

/// The event is not at the expected location: its messages were trimmed.
struct Trimmed;

/// Whether `seq` can be in or after a message with this position.
fn begins_by(position: Option<Position>, seq: Seq) -> bool {
    position.is_none_or(|position| position.seq <= seq)
}

/// How many messages like the last one to request for this many wanted events.
fn window(wanted: usize, count: u64, bytes: usize) -> usize {
    let by_events = wanted.div_ceil((count as usize).max(1));
    by_events.min(IN_FLIGHT_BYTES / bytes.max(1)).clamp(1, IN_FLIGHT)
}
