//! One follower's way through the events: answer, snapshot or replay, then live events.
//!
//! Holds no socket: WebSocket and server-sent events both drive it. While its socket is slow, no
//! frames are taken, and the broadcast overtakes this follower alone. It then gets a `gap` message.
//! A follower that has replayed its events and has no rate may join a connection group (`member`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::encoding::Encoding;
use super::member::{Left, Member, Progress};
use super::replayed::Held;
use super::snapshots::Snapshot;
use super::state::EventsState;
use crate::actors::directory::Workspace;
use crate::actors::hub::{Closed, EventBatch, Live, Subscription};
use crate::gateway::http::outlet::Outlet;
use crate::live::conflation::{Conflated, Offer};
use crate::live::wire::Rated;
use crate::live::{Conflation, Filter, MessageFrame, Resume, Since, compact, wire};
use crate::telemetry::{Metric, count, gauge};
use earcon_model::{Event, Seq};
use earcon_ports::{Epochs, ErrorKind};
use earcon_tenancy::WorkspacePass;

/// A message to send.
#[derive(Debug, Clone)]
pub(super) enum Frame {
    /// An event and the position to resume from after it.
    Event(Seq, MessageFrame),
    /// A message of the protocol, by its `type`.
    Control(&'static str, MessageFrame),
}

impl Frame {
    /// The message.
    pub(super) fn message(&self) -> &MessageFrame {
        let (Frame::Event(_, message) | Frame::Control(_, message)) = self;
        message
    }
}

/// The request of a follower.
#[derive(Debug)]
pub(super) struct FollowRequest {
    pub(super) filter: Filter,
    pub(super) since: Since,
    pub(super) encoding: Encoding,
    pub(super) rate: Option<Conflation>,
}

/// Why a follower cannot begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotBegun {
    /// The workspace stops, or its log cannot be read. The client should connect again.
    Stopping,
    /// There is no room for a snapshot.
    NoRoom,
}

/// How many events one step of a replay reads.
const PAGE: usize = 256;
/// Pause before a log that is not available is read again, and the number of attempts.
const READ_PAUSE: Duration = Duration::from_millis(500);
const READ_ATTEMPTS: usize = 60;
/// Most frames of one step, so that the socket is flushed once for them.
const MAX_READY: usize = 512;
/// Room for frames that a waiting follower keeps.
const KEPT: usize = 64;

/// Whether the log lacks the event with this number: it cannot be read, or a repair has left it
/// out. From there on, a replay would begin with a gap again and again.
async fn lacks(state: &EventsState, pass: &WorkspacePass, next: Seq) -> bool {
    match state.event_log.read(pass, next, 1).await {
        Ok(page) => page.events.first().is_none_or(|event| event.seq > next),
        Err(error) => error.kind == ErrorKind::Corrupt,
    }
}

/// A follower, and its position.
pub(super) struct Follower {
    state: EventsState,
    pass: WorkspacePass,
    /// The epochs of the log, up to every event sent.
    epochs: Arc<Epochs>,
    filter: Arc<Filter>,
    encoding: Encoding,
    /// The epoch that the client takes compact events to be of.
    named: String,
    /// With the start of its clock.
    rate: Option<(Conflation, Instant)>,
    ready: VecDeque<Frame>,
    /// The last event sent, or passed over by the filter.
    seen: Seq,
    /// Events up to this one are read from the log.
    replay_to: Seq,
    live: Live,
    _counted: Counted,
}

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        gauge(Metric::Subscribers).decrement(1.0);
    }
}

impl Follower {
    /// Begins to follow.
    ///
    /// # Errors
    /// When the workspace stops, its log cannot be read, or there is no room for a snapshot.
    pub(super) async fn begin(
        state: EventsState,
        pass: WorkspacePass,
        workspace: &Workspace,
        request: FollowRequest,
    ) -> Result<Self, NotBegun> {
        let FollowRequest { filter, since, encoding, rate } = request;
        let rate = rate.map(|rate| (rate, Instant::now()));
        let subscription = workspace.hub().subscribe().await.ok_or(NotBegun::Stopping)?;
        let Subscription { seq: head, epochs, live, .. } = &subscription;
        let (head, epoch) = (*head, epochs.epoch_of(*head));
        let resume = match &since {
            // Nothing has to be read from the log.
            Since::Live | Since::Snapshot => Resume::decide(&since, epochs, 1, head, state.replay_events),
            Since::Seq { .. } => match state.event_log.head(&pass).await {
                // The view is that of another history: a mirror whose log went back ends soon.
                Ok(Some(log)) if !log.epochs.contains(epoch, head) => return Err(NotBegun::Stopping),
                // The log may know later epochs than the view.
                Ok(Some(log)) => Resume::decide(&since, &log.epochs, log.first, head, state.replay_events),
                Ok(None) => Resume::decide(&since, epochs, 1, head, state.replay_events),
                Err(error) => {
                    tracing::error!(%error, "the log cannot be read for a follower");
                    return Err(NotBegun::Stopping);
                }
            },
        };
        let resume = match resume {
            Resume::From(next) if next <= head && lacks(&state, &pass, next).await => Resume::Lost,
            resume => resume,
        };
        let mut ready = VecDeque::new();
        let (seen, snapshot) = match resume {
            Resume::Live => (head, None),
            Resume::From(next) => (next - 1, None),
            Resume::Snapshot | Resume::Lost => {
                let taken = state.snapshots.take(pass.workspace(), &subscription, &filter, &state).await;
                let Snapshot { seq, frame } = taken.ok_or(NotBegun::NoRoom)?;
                (seq, Some(frame))
            }
        };
        // A snapshot that others share may be a moment old. Events behind it follow.
        let begins = if snapshot.is_some() { seen } else { head };
        let subscribed = wire::subscribed_json(begins, epochs.epoch_of(begins), resume.recovered());
        ready.push_back(Frame::Control("subscribed", MessageFrame::text(&subscribed)));
        ready.extend(snapshot.map(|frame| Frame::Control("snapshot", frame)));
        let (named, epochs, live) = (epochs.epoch_of(begins).to_owned(), epochs.clone(), live.clone());
        gauge(Metric::Subscribers).increment(1.0);
        Ok(Self {
            state,
            pass,
            named,
            epochs,
            filter: Arc::new(filter),
            encoding,
            rate,
            ready,
            seen,
            replay_to: head,
            live,
            _counted: Counted,
        })
    }

    /// The epochs of the log, up to every event that was taken.
    pub(super) fn epochs(&self) -> Arc<Epochs> {
        self.epochs.clone()
    }

    fn epoch_of(&self, seq: Seq) -> &str {
        self.epochs.epoch_of(seq)
    }

    /// A member of the workspace's connection group that continues from here. `None` during a
    /// replay, while frames wait for this follower, or if it has a rate, which needs a clock of its
    /// own.
    pub(super) fn member(&self, outlet: &Arc<Outlet>) -> Option<(Member, Left)> {
        let live = self.ready.is_empty() && self.seen >= self.replay_to && self.rate.is_none();
        live.then(|| {
            let progress = Progress { seen: self.seen, named: self.named.clone() };
            Member::new(outlet.clone(), self.filter.clone(), self.encoding, progress)
        })
    }

    /// The broadcast that it follows.
    pub(super) fn live(&self) -> &Live {
        &self.live
    }

    /// Continues from the last event that its connection group has sent.
    pub(super) fn continue_after(&mut self, progress: Progress) {
        self.seen = self.seen.max(progress.seen);
        self.named = progress.named;
    }

    /// Waits until there are frames for [`take_ready`](Self::take_ready). `None` when the workspace
    /// stopped and the client should reconnect. Dropping the future loses nothing.
    pub(super) async fn ready(&mut self) -> Option<()> {
        if self.ready.is_empty() && self.ready.capacity() > KEPT {
            // An idle follower must not keep the memory of a burst.
            self.ready.shrink_to(KEPT);
        }
        loop {
            if !self.ready.is_empty() {
                return Some(());
            }
            if self.seen < self.replay_to {
                self.read_page().await?;
                continue;
            }
            if self.rate.is_some() {
                self.take_due();
                if !self.ready.is_empty() {
                    continue;
                }
            }
            if self.gather() {
                continue;
            }
            let due = self.rate.as_ref().and_then(|(rate, began)| Some((rate.next_due()?, *began)));
            let more = match due {
                None => self.live.beyond(self.seen).await,
                Some((after, began)) => tokio::select! {
                    more = self.live.beyond(self.seen) => more,
                    () = tokio::time::sleep_until(began + Duration::from_millis(after)) => continue,
                },
            };
            if more == Err(Closed) {
                return None;
            }
        }
    }

    /// The frames that are ready, in order.
    pub(super) fn take_ready(&mut self) -> impl Iterator<Item = Frame> {
        count(Metric::EventsDelivered, self.ready.len() as u64);
        self.ready.drain(..)
    }

    async fn read_page(&mut self) -> Option<()> {
        let mut attempts = 0;
        let page = loop {
            match self.state.event_log.read(&self.pass, self.seen + 1, PAGE).await {
                Ok(page) => break page,
                // A log across a network is usually available again before the follower would
                // reconnect.
                Err(error) if error.kind == ErrorKind::Unavailable && attempts < READ_ATTEMPTS => {
                    tracing::debug!(%error, "the log cannot be read for a follower right now");
                    attempts += 1;
                    tokio::time::sleep(READ_PAUSE).await;
                }
                // The client connects again, and gets a snapshot because of the damage.
                Err(error) if error.kind == ErrorKind::Corrupt => {
                    tracing::debug!(%error, "a follower has reached damage of the log");
                    return None;
                }
                Err(error) => {
                    tracing::error!(%error, "the log cannot be read for a follower");
                    return None;
                }
            }
        };
        if page.events.first().is_none_or(|event| event.seq > self.replay_to) {
            // Retention removed the events while they were being read.
            self.gap(self.seen + 1, self.replay_to);
            self.seen = self.replay_to;
            return Some(());
        }
        let (workspace, epochs) = (self.pass.workspace().clone(), self.epochs.clone());
        let (replay_to, encoding) = (self.replay_to, self.encoding);
        self.take_due();
        let (mut held, mut is_full) = (Held::nothing(&self.state.answers), false);
        for event in page.events.iter().take_while(|event| event.seq <= replay_to) {
            let message = self.filter.admits(event).then(|| match encoding {
                Encoding::Json => MessageFrame::text(&wire::event_json(event, &workspace, epochs.epoch_of(event.seq))),
                Encoding::Compact => MessageFrame::binary(&[&compact::event_msgpack(event)]),
            });
            // What does not fit is read again in the next step.
            is_full = message.as_ref().is_some_and(|message| !held.take(message.wire().len()));
            if is_full {
                break;
            }
            if let (true, Some(message)) = (self.reach(event), message) {
                self.queue(event, || message);
            }
        }
        if is_full && held.is_empty() && self.ready.is_empty() {
            // Other clients have to take what waits for them first.
            tokio::time::sleep(READ_PAUSE).await;
        }
        if let Some(Frame::Event(_, message) | Frame::Control(_, message)) = self.ready.back_mut() {
            let last = message.clone();
            *message = last.map_bytes(|bytes| held.until_sent(bytes));
        }
        Some(())
    }

    fn include(&mut self, batch: &EventBatch) {
        if !Arc::ptr_eq(&self.epochs, batch.epochs()) {
            self.epochs = batch.epochs().clone();
        }
        self.take_due();
        for (event, message) in batch.frames(self.encoding.is_compact()) {
            self.offer(event, message);
        }
    }

    /// Takes the next event, and queues it in its shared form if the filter admits it.
    fn offer(&mut self, event: &Event, shared: impl FnOnce() -> MessageFrame) {
        if self.reach(event) {
            self.queue(event, shared);
        }
    }

    /// Goes on to an event, and reports a gap before it. True if the event is new and the filter
    /// admits it.
    fn reach(&mut self, event: &Event) -> bool {
        if event.seq <= self.seen {
            return false;
        }
        if event.seq > self.seen + 1 {
            self.gap(self.seen + 1, event.seq - 1);
        }
        if self.rate.is_some() && self.epoch_of(event.seq) != self.epoch_of(self.seen) {
            // A position names one epoch, so what is held back does not wait for a later one.
            self.take_all();
        }
        self.seen = event.seq;
        self.filter.admits(event)
    }

    fn queue(&mut self, event: &Event, shared: impl FnOnce() -> MessageFrame) {
        if self.rate.is_none() {
            self.push(event.seq, event.seq, shared());
        } else {
            self.offer_rated(event, shared);
        }
    }

    /// The same for a follower with a rate.
    fn offer_rated(&mut self, event: &Event, shared: impl FnOnce() -> MessageFrame) {
        let Some((rate, began)) = &mut self.rate else { return };
        if rate.offer(event, elapsed_ms(began)) == Offer::Held {
            return;
        }
        match rate.resume(event.seq) {
            // No event is held back, so the shared form is complete.
            resume if resume == event.seq => self.push(event.seq, resume, shared()),
            resume => self.push_own(event, resume, None),
        }
    }

    /// Queues events that were held back long enough. Call it between events only: the resume
    /// position says that every event up to the last one seen was sent, or is held back.
    fn take_due(&mut self) {
        while let Some((rate, began)) = &mut self.rate
            && let Some(Conflated { event, count }) = rate.take_due(elapsed_ms(began))
        {
            let resume = rate.resume(self.seen);
            self.push_own(&event, resume, Some(count));
        }
    }

    /// Queues everything that was held back. Call it between events only.
    fn take_all(&mut self) {
        let seen = self.seen;
        let held = self.rate.as_mut().map(|(rate, _)| rate.take_all(seen)).unwrap_or_default();
        for (Conflated { event, count }, resume) in held {
            self.push_own(&event, resume, Some(count));
        }
    }

    /// Queues the message of event `seq`, and before it the epoch if a compact event does not say.
    fn push(&mut self, seq: Seq, resume: Seq, message: MessageFrame) {
        if self.encoding == Encoding::Compact && self.epochs.epoch_of(seq) != self.named {
            self.named = self.epochs.epoch_of(seq).to_owned();
            self.ready.push_back(Frame::Control("epoch", MessageFrame::text(&wire::epoch_json(&self.named))));
        }
        self.ready.push_back(Frame::Event(resume, message));
    }

    /// Queues an event in a form for this follower alone.
    fn push_own(&mut self, event: &Event, resume: Seq, conflated: Option<u64>) {
        let rated = Rated { resume: (resume != event.seq).then_some(resume), conflated };
        let message = match self.encoding {
            Encoding::Json => {
                let epoch = self.epochs.epoch_of(event.seq);
                MessageFrame::text(&wire::event_json_rated(event, self.pass.workspace(), epoch, rated))
            }
            Encoding::Compact => MessageFrame::binary(&[&compact::event_msgpack_rated(event, rated)]),
        };
        self.push(event.seq, resume, message);
    }

    /// Queues live events after the last one seen; false if there are none.
    fn gather(&mut self) -> bool {
        let mut batches = self.live.after(self.seen).into_iter();
        let Some(first) = batches.next() else { return false };
        self.include(&first);
        for batch in batches {
            if self.ready.len() >= MAX_READY {
                break;
            }
            self.include(&batch);
        }
        true
    }

    fn gap(&mut self, from: Seq, to: Seq) {
        count(Metric::SubscriberGaps, 1);
        // Events that are held back are sent later on this connection, but not after a resume.
        let resume = self.rate.as_ref().map(|(rate, _)| rate.resume(from - 1)).filter(|resume| *resume != from - 1);
        let epoch = self.epoch_of(resume.unwrap_or(from - 1));
        let gap = wire::gap_json(from, to, epoch, resume);
        self.ready.push_back(Frame::Control("gap", MessageFrame::text(&gap)));
    }
}

/// The clock of a rate.
fn elapsed_ms(began: &Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
