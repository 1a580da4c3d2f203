//! The events of one group commit, with their encodings.

use std::sync::{Arc, OnceLock};

use crate::live::{MessageFrame, compact, wire};
use earcon_model::{Event, WorkspaceId};
use earcon_ports::Epochs;

/// The events of one group commit, shared by all followers.
pub struct EventBatch {
    workspace: WorkspaceId,
    epochs: Arc<Epochs>,
    events: Vec<LiveEvent>,
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
        let events = events.into_iter().map(live).collect();
        Self { workspace, epochs, events }
    }

    /// The epochs of the log, up to these events at least.
    pub fn epochs(&self) -> &Arc<Epochs> {
        &self.epochs
    }

    /// The events in `seq` order.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Arc<Event>> {
        self.events.iter().map(|live| &live.event)
    }

    /// Each event with a way to get its message; it is encoded at most once for all followers.
    pub fn encoded(&self) -> impl Iterator<Item = (&Arc<Event>, impl FnOnce() -> MessageFrame + '_)> {
        self.events.iter().map(|live| {
            let message = || {
                let encode = || {
                    let epoch = self.epochs.epoch_of(live.event.seq);
                    MessageFrame::text(&wire::event_json(&live.event, &self.workspace, epoch))
                };
                live.json.get_or_init(encode).clone()
            };
            (&live.event, message)
        })
    }

    /// The same in the compact form.
    pub fn compact(&self) -> impl Iterator<Item = (&Arc<Event>, impl FnOnce() -> MessageFrame + '_)> {
        self.events.iter().map(|live| {
            let message = || {
                let encode = || MessageFrame::binary(&[&compact::event_msgpack(&live.event)]);
                live.compact.get_or_init(encode).clone()
            };
            (&live.event, message)
        })
    }
}
