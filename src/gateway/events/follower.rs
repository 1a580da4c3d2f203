//! One follower's way through the events: answer, snapshot or replay, then live, with gaps told.
//!
//! Holds no socket; WebSocket and server-sent events both drive it. While the socket is slow nobody calls `next`, the
//! broadcast runs past this follower alone, and it is told the gap when it comes back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::time::Instant;

use crate::actors::directory::Workspace;
use crate::actors::hub::{EventBatch, Subscription};
use crate::gateway::http::state::Gateway;
use crate::live::conflation::{Conflated, Offer};
use crate::live::wire::Rated;
use crate::live::{Conflation, Filter, MessageFrame, Resume, Since, compact, wire};
use crate::telemetry::{Metric, count, gauge};
use earcon_model::{Event, Seq};
use earcon_ports::ErrorKind;
use earcon_tenancy::WorkspacePass;

/// Something to send.
#[derive(Debug, Clone)]
pub(super) enum Frame {
    /// An event and the position to resume from after it.
    Event(Seq, MessageFrame),
    /// A message of the protocol, by its `type`.
    Control(&'static str, MessageFrame),
}

/// The form a follower wants events in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Json,
    Compact,
}

/// What a follower asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) filter: Filter,
    pub(super) since: Since,
    pub(super) encoding: Encoding,
    pub(super) rate: Option<Conflation>,
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
    encoding: Encoding,
    /// With the moment its clock began.
    rate: Option<(Conflation, Instant)>,
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
        wanted: Wanted,
    ) -> Option<Self> {
        let Wanted { filter, since, encoding, rate } = wanted;
        let rate = rate.map(|rate| (rate, Instant::now()));
        let Subscription { seq: head, kpis, incidents, batches } = workspace.hub().subscribe().await?;
        let epoch = workspace.hub().epoch().to_owned();
        let first = match &since {
            // Nothing has to be read, so the log is not asked.
            Since::Live | Since::Snapshot => 1,
            Since::Seq { .. } => match gateway.event_log.head(&pass).await {
                Ok(log) => log.map_or(1, |log| log.first),
                Err(error) => {
                    tracing::error!(%error, "the log cannot be read for a follower");
                    return None;
                }
            },
        };
        let resume = Resume::decide(&since, &epoch, first, head, gateway.limits.replay_events);
        let mut ready = VecDeque::new();
        let subscribed = wire::subscribed_json(head, &epoch, resume.recovered());
        ready.push_back(Frame::Control("subscribed", MessageFrame::text(&subscribed)));
        let seen = match resume {
            Resume::Live => head,
            Resume::From(next) => next - 1,
            Resume::Snapshot | Resume::Lost => {
                let wanted = kpis.iter().map(AsRef::as_ref).filter(|kpi| filter.admits_kpi(&kpi.kpi));
                let open = incidents.iter().map(AsRef::as_ref).filter(|incident| filter.admits_incident(incident));
                let snapshot = wire::snapshot_json(head, &epoch, wanted, open);
                ready.push_back(Frame::Control("snapshot", MessageFrame::text(&snapshot)));
                head
            }
        };
        gauge(Metric::Subscribers).increment(1.0);
        Some(Self {
            gateway,
            pass,
            epoch,
            filter,
            encoding,
            rate,
            ready,
            seen,
            replay_to: head,
            live: batches,
            _counted: Counted,
        })
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
            if self.rate.is_some() {
                self.take_due();
                if !self.ready.is_empty() {
                    continue;
                }
            }
            let received = match self
                .rate
                .as_ref()
                .and_then(|(rate, began)| Some(*began + Duration::from_millis(rate.next_due()?)))
            {
                None => self.live.recv().await,
                Some(due) => tokio::select! {
                    received = self.live.recv() => received,
                    () = tokio::time::sleep_until(due) => continue,
                },
            };
            match received {
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
        let (replay_to, encoding) = (self.replay_to, self.encoding);
        self.take_due();
        for event in page.events.iter().take_while(|event| event.seq <= replay_to) {
            self.offer(event, || match encoding {
                Encoding::Json => MessageFrame::text(&wire::event_json(event, &workspace, &epoch)),
                Encoding::Compact => MessageFrame::binary(&[&compact::event_msgpack(event)]),
            });
        }
        Some(())
    }

    fn include(&mut self, batch: &EventBatch) {
        self.take_due();
        match self.encoding {
            Encoding::Json => batch.encoded().for_each(|(event, message)| self.offer(event, message)),
            Encoding::Compact => batch.compact().for_each(|(event, message)| self.offer(event, message)),
        }
    }

    /// Takes the next event: tells the gap before it, passes over it, or makes it ready in its shared form.
    fn offer(&mut self, event: &Event, shared: impl FnOnce() -> MessageFrame) {
        if event.seq <= self.seen {
            return;
        }
        if event.seq > self.seen + 1 {
            self.gap(self.seen + 1, event.seq - 1);
        }
        self.seen = event.seq;
        if !self.filter.admits(event) {
            return;
        }
        if self.rate.is_none() {
            self.ready.push_back(Frame::Event(event.seq, shared()));
        } else {
            self.offer_rated(event, shared);
        }
    }

    /// The same for a follower that asked for a rate.
    fn offer_rated(&mut self, event: &Event, shared: impl FnOnce() -> MessageFrame) {
        let Some((rate, began)) = &mut self.rate else { return };
        if rate.offer(event, elapsed_ms(began)) == Offer::Held {
            return;
        }
        match rate.resume(event.seq) {
            // Nothing is held back, so that it says all there is to say.
            resume if resume == event.seq => self.ready.push_back(Frame::Event(resume, shared())),
            resume => self.push_own(event, resume, None),
        }
    }

    /// Makes ready what was held back long enough. To be called between events only: what is sent says that everything up to
    /// the last event seen was sent, or is held back.
    fn take_due(&mut self) {
        while let Some((rate, began)) = &mut self.rate
            && let Some(Conflated { event, count }) = rate.take_due(elapsed_ms(began))
        {
            let resume = rate.resume(self.seen);
            self.push_own(&event, resume, Some(count));
        }
    }

    /// Makes ready an event in a form that is this follower's alone.
    fn push_own(&mut self, event: &Event, resume: Seq, conflated: Option<u64>) {
        let rated = Rated { resume: (resume != event.seq).then_some(resume), conflated };
        let message = match self.encoding {
            Encoding::Json => {
                MessageFrame::text(&wire::event_json_rated(event, self.pass.workspace(), &self.epoch, rated))
            }
            Encoding::Compact => MessageFrame::binary(&[&compact::event_msgpack_rated(event, rated)]),
        };
        self.ready.push_back(Frame::Event(resume, message));
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
        // What is held back is sent later all the same, but not on a connection that subscribes again.
        let resume = self.rate.as_ref().map(|(rate, _)| rate.resume(from - 1)).filter(|resume| *resume != from - 1);
        self.ready.push_back(Frame::Control("gap", MessageFrame::text(&wire::gap_json(from, to, resume))));
    }
}

/// The clock of a rate.
fn elapsed_ms(began: &Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}
