//! The events of one group commit, with their encodings.

use std::sync::{Arc, OnceLock};

use crate::live::{MessageFrame, compact, wire};
use earcon_model::{Event, EventBody, KpiEvent, Seq, SeriesEvent, WorkspaceId};
use earcon_ports::Epochs;

/// The events of one group commit, shared by all followers.
pub struct EventBatch {
    workspace: WorkspaceId,
    epochs: Arc<Epochs>,
    events: Vec<LiveEvent>,
    weight: usize,
}

/// One event with its encodings, made on first use.
struct LiveEvent {
    event: Arc<Event>,
    json: OnceLock<MessageFrame>,
    compact: OnceLock<MessageFrame>,
}

impl EventBatch {
    /// Wraps committed events of a log with these epochs.
    pub fn new(workspace: WorkspaceId, epochs: Arc<Epochs>, events: Vec<Arc<Event>>) -> Self {
        let live = |event| LiveEvent { event, json: OnceLock::new(), compact: OnceLock::new() };
        let weight = events.iter().map(|event| weight(event)).sum();
        let events = events.into_iter().map(live).collect();
        Self { workspace, epochs, events, weight }
    }

    /// The epochs of the log, up to these events at least.
    pub fn epochs(&self) -> &Arc<Epochs> {
        &self.epochs
    }

    /// The events in `seq` order.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Arc<Event>> {
        self.events.iter().map(|live| &live.event)
    }

    /// The newest event; `None` if there is none.
    pub fn newest(&self) -> Option<Seq> {
        self.events.last().map(|live| live.event.seq)
    }

    /// About how many bytes the events take, with their encodings.
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// Each event with a way to get its message, in the compact form or as JSON. It is encoded at
    /// most once for all followers.
    pub fn frames(&self, compact: bool) -> impl Iterator<Item = (&Arc<Event>, impl FnOnce() -> MessageFrame + '_)> {
        self.events.iter().map(move |live| {
            let message = move || {
                if compact {
                    live.compact.get_or_init(|| MessageFrame::binary(&[&compact::event_msgpack(&live.event)])).clone()
                } else {
                    let epoch = || self.epochs.epoch_of(live.event.seq);
                    let json = || MessageFrame::text(&wire::event_json(&live.event, &self.workspace, epoch()));
                    live.json.get_or_init(json).clone()
                }
            };
            (&live.event, message)
        })
    }
}

/// An estimate: a series takes about as much as its labels and features, in the event and in JSON;
/// a sample 32 bytes in the event and 64 in JSON.
fn weight(event: &Event) -> usize {
    const EVENT: usize = 512;
    const SERIES: usize = 512;
    const SAMPLE: usize = 96;
    EVENT
        + match &event.body {
            EventBody::Series(SeriesEvent::Samples(series) | SeriesEvent::Backfilled(series)) => {
                series.iter().map(|series| SERIES + SAMPLE * (series.samples.len() + series.late.len())).sum()
            }
            EventBody::Kpi(KpiEvent::Parked { reason }) => reason.len(),
            _ => 0,
        }
}
