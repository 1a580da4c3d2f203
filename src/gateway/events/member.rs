//! Live events for followers that are up to date: one task encodes a step once and writes it to
//! each socket without waiting.
//!
//! A follower whose socket does not take all bytes at once leaves the group with its progress, and
//! its own task goes on from there.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::sync::oneshot;

use super::encoding::Encoding;
use crate::actors::hub::{EventBatch, Live};
use crate::gateway::connection_group::Feed;
use crate::gateway::http::outlet::{Outlet, Piece, Sent};
use crate::live::{Filter, MessageFrame, wire};
use crate::telemetry::{Metric, count};
use earcon_model::Seq;

/// Resolves to the progress, when the socket is slow. Fails when the workspace stops.
pub(super) type Left = oneshot::Receiver<Progress>;

/// How far a follower is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The last event sent, or passed over by the filter.
    pub(super) seen: Seq,
    /// The epoch that the client takes compact events to be of.
    pub(super) named: String,
}

/// A follower that is up to date.
pub(super) struct Member {
    outlet: Arc<Outlet>,
    filter: Arc<Filter>,
    encoding: Encoding,
    progress: Progress,
    left: Option<oneshot::Sender<Progress>>,
}

impl Member {
    /// Continues from `progress`.
    pub(super) fn new(
        outlet: Arc<Outlet>,
        filter: Arc<Filter>,
        encoding: Encoding,
        progress: Progress,
    ) -> (Self, Left) {
        let (left, resolves) = oneshot::channel();
        (Self { outlet, filter, encoding, progress, left: Some(left) }, resolves)
    }

    /// Writes frames, which end with event `seen`. Returns false if the follower leaves.
    fn send(&mut self, pieces: &[Piece<'_>], seen: Seq) -> bool {
        self.progress.seen = seen;
        // Without frames, the state of the socket does not matter.
        let sent = if pieces.is_empty() { Ok(Sent::All) } else { self.outlet.send(pieces) };
        if sent == Ok(Sent::All) {
            return true;
        }
        // A connection that has ended shows it to its own task as well.
        if let Some(left) = self.left.take() {
            let _ended = left.send(std::mem::take(&mut self.progress)).is_err();
        }
        false
    }
}

/// The live events of a workspace, step by step.
pub(super) struct LiveEvents {
    live: Live,
    step: Step,
    counted: Counted,
}

/// What was written since the metrics were counted.
#[derive(Default)]
struct Counted {
    events: u64,
    gaps: u64,
}

impl LiveEvents {
    /// The events after the newest one.
    pub(super) fn new(live: Live) -> Self {
        let step = Step::behind(live.newest());
        Self { live, step, counted: Counted::default() }
    }
}

impl Counted {
    /// Writes the events of a step to one socket.
    fn write(&mut self, step: &mut Step, member: &mut Member) -> bool {
        if member.progress.seen >= step.last {
            return true;
        }
        let named = !member.encoding.is_compact() || step.epoch == member.progress.named;
        if member.progress.seen + 1 == step.first && step.uniform && named && member.filter.is_open() {
            self.events += step.events;
            let last = step.last;
            return member.send(&[Piece::Shared(step.all(member.encoding))], last);
        }
        self.write_chosen(step, member)
    }

    /// The same for a follower that does not get exactly the step.
    fn write_chosen(&mut self, step: &Step, member: &mut Member) -> bool {
        let mut frames = Vec::new();
        let mut seen = member.progress.seen;
        for batch in &step.batches {
            for (event, frame) in batch.frames(member.encoding.is_compact()) {
                if event.seq <= seen {
                    continue;
                }
                if event.seq > seen + 1 {
                    self.gaps += 1;
                    let gap = wire::gap_json(seen + 1, event.seq - 1, batch.epochs().epoch_of(seen), None);
                    frames.push(MessageFrame::text(&gap).wire());
                }
                seen = event.seq;
                if member.filter.admits(event) {
                    self.events += 1;
                    let epoch = batch.epochs().epoch_of(event.seq);
                    if member.encoding.is_compact() && epoch != member.progress.named {
                        // A compact event does not say.
                        member.progress.named = epoch.to_owned();
                        frames.push(MessageFrame::text(&wire::epoch_json(epoch)).wire());
                    }
                    frames.push(frame().wire());
                }
            }
        }
        let pieces: Vec<_> = frames.iter().map(Piece::Shared).collect();
        member.send(&pieces, seen)
    }
}

impl Feed for LiveEvents {
    type Member = Member;

    async fn next(&mut self) -> bool {
        if self.live.beyond(self.step.last).await.is_err() {
            return false;
        }
        self.step = Step::after(&self.live, self.step.last);
        true
    }

    /// A shard may be ahead of a follower that arrives.
    fn joined(&mut self, member: &mut Member) -> bool {
        while member.progress.seen < self.step.last.max(self.live.newest()) {
            let step = Step::after(&self.live, member.progress.seen);
            if step.batches.is_empty() {
                break;
            }
            if !self.counted.write_chosen(&step, member) {
                return false;
            }
        }
        true
    }

    fn deliver(&mut self, member: &mut Member) -> bool {
        self.counted.write(&mut self.step, member)
    }

    fn delivered(&mut self) {
        // Encodings are kept only while they are used.
        self.step = Step::behind(self.step.last);
        let Counted { events, gaps } = std::mem::take(&mut self.counted);
        if events > 0 {
            count(Metric::EventsDelivered, events);
        }
        if gaps > 0 {
            count(Metric::SubscriberGaps, gaps);
        }
    }
}

/// Batches that are delivered together.
#[derive(Default)]
struct Step {
    batches: Vec<Arc<EventBatch>>,
    first: Seq,
    last: Seq,
    events: u64,
    /// No event is missing between the first and the last one, and all are of one epoch.
    uniform: bool,
    /// The epoch of the last event.
    epoch: String,
    /// All frames in one piece.
    json: Option<Bytes>,
    compact: Option<Bytes>,
}

impl Step {
    /// No events, at this position.
    fn behind(last: Seq) -> Self {
        Self { last, ..Self::default() }
    }

    /// The events after `seen`.
    fn after(live: &Live, seen: Seq) -> Self {
        let batches = live.after(seen);
        let (mut first, mut last, mut events, mut uniform) = (None, seen, 0, true);
        for event in batches.iter().flat_map(|batch| batch.events()) {
            uniform &= first.is_none() || event.seq == last + 1;
            first.get_or_insert(event.seq);
            last = event.seq;
            events += 1;
        }
        if batches.is_empty() {
            // Nothing is kept: the next event shows what is missing.
            last = live.newest().max(seen);
        }
        let first = first.unwrap_or_default();
        let mut epoch = String::new();
        if let Some(newest) = batches.last() {
            newest.epochs().epoch_of(last).clone_into(&mut epoch);
            uniform &= newest.epochs().epoch_of(first) == epoch;
        }
        Self { batches, first, last, events, uniform, epoch, json: None, compact: None }
    }

    /// All frames, joined once for all followers.
    fn all(&mut self, encoding: Encoding) -> &Bytes {
        let compact = encoding.is_compact();
        let joined = if compact { &mut self.compact } else { &mut self.json };
        joined.get_or_insert_with(|| join(&self.batches, compact))
    }
}

fn join(batches: &[Arc<EventBatch>], compact: bool) -> Bytes {
    let mut frames = batches.iter().flat_map(|batch| batch.frames(compact)).map(|(_, frame)| frame().wire());
    let Some(first) = frames.next() else { return Bytes::new() };
    let Some(second) = frames.next() else { return first };
    let mut joined = BytesMut::from(first);
    [second].into_iter().chain(frames).for_each(|frame| joined.extend_from_slice(&frame));
    joined.freeze()
}
