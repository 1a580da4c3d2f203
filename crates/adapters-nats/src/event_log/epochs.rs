//! The epochs of the log, as its fences hold them.
//!
//! An epoch has the name of its writer. A fence holds the whole list, and every append names the
//! newest fence before it. So the list is part of the stream: one that was restored from a copy
//! lacks the epochs begun since, although its creation time is the same.

use std::sync::Arc;

use super::frame;
use super::lock::lock;
use super::stream::StoredMessage;
use super::workspace_log::WorkspaceLog;
use earcon_ports::{Epochs, PortError};

/// The epochs of the newest fence that was read.
#[derive(Debug)]
pub(super) struct KnownEpochs {
    writer: String,
    fence: u64,
    epochs: Arc<Epochs>,
}

/// The sequence of the newest fence when `message` was written. `None` for a halt.
pub(super) fn fence_of(message: &StoredMessage) -> Option<u64> {
    let position = message.position?;
    Some(if position.is_fence() { message.sequence } else { position.fence })
}

impl WorkspaceLog {
    /// The epochs of the log up to `message`. `None` if its fence is gone. Costs a read only after
    /// a new fence.
    pub(super) async fn epochs_at(&self, message: &StoredMessage) -> Result<Option<Arc<Epochs>>, PortError> {
        let (Some(fence), writer) = (fence_of(message), message.id.writer()) else { return Ok(None) };
        let known = lock(&self.epochs)
            .as_ref()
            .filter(|known| known.writer == writer && known.fence == fence)
            .map(|known| known.epochs.clone());
        if known.is_some() {
            return Ok(known);
        }
        let stored = match fence {
            fence if fence == message.sequence => Some(message.clone()),
            0 => None,
            fence => self.stream.get(fence).await?,
        };
        let is_fence = |stored: &StoredMessage| {
            stored.id.writer() == writer && stored.position.is_some_and(|position| position.is_fence())
        };
        let Some(stored) = stored.filter(is_fence) else { return Ok(None) };
        let epochs = Arc::new(frame::decode_epochs(&stored.payload)?);
        self.remember(KnownEpochs { writer: writer.to_owned(), fence, epochs: epochs.clone() });
        Ok(Some(epochs))
    }

    /// Keeps the epochs. If the log is another history than before, the index is cleared.
    fn remember(&self, new: KnownEpochs) {
        let mut known = lock(&self.epochs);
        if known.as_ref().is_some_and(|known| new.epochs.end_of(&known.writer).is_none()) {
            lock(&self.index).clear();
        }
        *known = Some(new);
    }
}
