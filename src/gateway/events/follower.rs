//! One follower's way through the events: answer, snapshot or replay, then live, with gaps told.
//!
//! Holds no socket; WebSocket and server-sent events both drive it. While the socket is slow nobody calls `next`, the
//! broadcast runs past this follower alone, and it is told the gap when it comes back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use crate::actors::directory::Workspace;
use crate::actors::hub::{EventBatch, Subscription};
use crate::gateway::Gateway;
use crate::live::{Filter, MessageFrame, Resume, Since, wire};
use crate::model::{Event, Seq};
use crate::ports::ErrorKind;
use crate::telemetry::{Metric, count, gauge};
use crate::tenancy::WorkspacePass;

/// Something to send.
#[derive(Debug, Clone)]
pub(super) enum Frame {
    /// An event and its position.
    Event(Seq, MessageFrame),
    /// A message of the protocol, by its `type`.
    Control(&'static str, MessageFrame),
}

/// How many events one step of a replay reads.
const PAGE: usize = 256;
/// A log that is away is asked again this often, that many times.
const READ_PAUSE: Duration = Duration::from_millis(500);
const READ_ATTEMPTS: usize = 60;
/// Live frames gathered into one step, so that the socket is flushed once for them.
const GATHER: usize = 512;
/// Room for frames that a follower keeps when it waits.
const KEPT: usize = 64;

pub(super) struct Follower {
    gateway: Gateway,
    pass: WorkspacePass,
    epoch: String,
    filter: Filter,
    ready: VecDeque<Frame>,
    /// The last event sent, or passed over by the filter.
    seen: Seq,
    /// Events up to this one are read from the log.
    replay_to: Seq,
    live: broadcast::Receiver<Arc<EventBatch>>,
    _counted: Counted,
}

struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        gauge(Metric::Subscribers).decrement(1.0);
    }
}

impl Follower {
    /// Begins to follow. `None` when the workspace is going away or its log cannot be read.
    pub(super) async fn begin(
        gateway: Gateway,
        pass: WorkspacePass,
        workspace: &Workspace,
        filter: Filter,
        since: &Since,
    ) -> Option<Self> {
        let Subscription { seq: head, kpis, batches } = workspace.hub().subscribe().await?;
        let epoch = workspace.hub().epoch().to_owned();
        let first = match gateway.event_log.head(&pass).await {
            Ok(log) => log.map_or(1, |log| log.first),
            Err(error) => {
                tracing::error!(%error, "the log cannot be read for a follower");
                return None;
            }
        };
        let resume = Resume::decide(since, &epoch, first, head, gateway.limits.replay_events);
        let mut ready = VecDeque::new();
        let subscribed = wire::subscribed_json(head, &epoch, resume.recovered());
        ready.push_back(Frame::Control("subscribed", MessageFrame::text(&subscribed)));
        let seen = match resume {
            Resume::Live => head,
            Resume::From(next) => next - 1,
            Resume::Snapshot | Resume::Lost => {
                let wanted = kpis.iter().map(AsRef::as_ref).filter(|kpi| filter.admits_kpi(&kpi.kpi));
                let snapshot = wire::snapshot_json(head, &epoch, wanted);
                ready.push_back(Frame::Control("snapshot", MessageFrame::text(&snapshot)));
                head
            }
        };
        gauge(Metric::Subscribers).increment(1.0);
        let follower =
            Self { gateway, pass, epoch, filter, ready, seen, replay_to: head, live: batches, _counted: Counted };
        Some(follower)
    }

    /// The epoch of the log that is followed.
    pub(super) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Waits until there are frames to [`take`](Self::take); `None` when the workspace went away and the client should come
    /// back. Dropping the future loses nothing.
    pub(super) async fn ready(&mut self) -> Option<()> {
        if self.ready.is_empty() && self.ready.capacity() > KEPT {
            // A burst must not cost an idle follower memory for ever.
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
            match self.live.recv().await {
                Ok(batch) => {
                    self.include(&batch);
                    self.gather();
                }
                // The next batch shows how much was missed.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The frames that are ready, in order.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Frame> {
        count(Metric::EventsDelivered, self.ready.len() as u64);
        self.ready.drain(..)
    }

    async fn read_page(&mut self) -> Option<()> {
        let mut attempts = 0;
        let page = loop {
            match self.gateway.event_log.read(&self.pass, self.seen + 1, PAGE).await {
                Ok(page) => break page,
                // A log across a network comes back sooner than the follower would.
                Err(error) if error.kind == ErrorKind::Unavailable && attempts < READ_ATTEMPTS => {
                    tracing::debug!(%error, "the log cannot be read for a follower right now");
                    attempts += 1;
                    tokio::time::sleep(READ_PAUSE).await;
                }
                Err(error) => {
                    tracing::error!(%error, "the log cannot be read for a follower");
                    return None;
                }
            }
        };
        if page.events.first().is_none_or(|event| event.seq > self.replay_to) {
            // Cut away while it was being read.
            self.gap(self.seen + 1, self.replay_to);
            self.seen = self.replay_to;
            return Some(());
        }
        let (workspace, epoch) = (self.pass.workspace().clone(), self.epoch.clone());
        let replay_to = self.replay_to;
        for event in page.events.iter().take_while(|event| event.seq <= replay_to) {
            self.offer(event, || MessageFrame::text(&wire::event_json(event, &workspace, &epoch)));
        }
        Some(())
    }

    fn include(&mut self, batch: &EventBatch) {
        for (event, message) in batch.encoded() {
            self.offer(event, message);
        }
    }

    /// Takes the next event: tells the gap before it, passes over it, or makes it ready with its message.
    fn offer(&mut self, event: &Event, message: impl FnOnce() -> MessageFrame) {
        if event.seq <= self.seen {
            return;
        }
        if event.seq > self.seen + 1 {
            self.gap(self.seen + 1, event.seq - 1);
        }
        self.seen = event.seq;
        if self.filter.admits(event) {
            self.ready.push_back(Frame::Event(event.seq, message()));
        }
    }

    fn gather(&mut self) {
        while self.ready.len() < GATHER {
            match self.live.try_recv() {
                Ok(batch) => self.include(&batch),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
    }

    fn gap(&mut self, from: Seq, to: Seq) {
        count(Metric::SubscriberGaps, 1);
        self.ready.push_back(Frame::Control("gap", MessageFrame::text(&wire::gap_json(from, to))));
    }
}
