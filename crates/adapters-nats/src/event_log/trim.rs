//! Trimming: deleting the oldest appends.

use async_nats::jetstream::stream::Info;

use super::epochs::fence_of;
use super::lock::lock;
use super::workspace_log::{Bound, WorkspaceLog};
use earcon_model::Seq;
use earcon_ports::PortError;

impl WorkspaceLog {
    /// Deletes whole appends before `before`. The newest fence stays, because it holds the epochs,
    /// and the last message, because it says where the log continues. Only the writer can add a
    /// fence, so only the writer can delete more.
    pub(super) async fn trim(&self, before: Seq) -> Result<Seq, PortError> {
        let (Some(info), Some(bound)) = (self.info().await?, self.bound(Seq::MAX).await?) else { return Ok(1) };
        let fence = self.newest_fence(bound).await?;
        let keep = if before < bound.next {
            self.start_of_last(bound).await?.min(self.start_of(before, bound).await?)
        } else if fence == bound.sequence {
            fence
        } else {
            bound.sequence + 1
        };
        let keep = if keep > fence { self.move_fence(&info, bound, fence, keep).await? } else { keep };
        self.purge(&info, keep).await?;
        let first = info.state.first_sequence.max(keep);
        Ok(self.first_at(first, bound.sequence.max(keep)).await?.unwrap_or(bound.next).min(bound.next))
    }

    /// Adds a fence, so that everything before `keep` can be deleted. Returns what has to be kept.
    async fn move_fence(&self, info: &Info, bound: Bound, fence: u64, keep: u64) -> Result<u64, PortError> {
        // Makes room first: the new fence may need it.
        self.purge(info, fence).await?;
        let mut moved = self.fence_behind_last().await;
        if moved.is_err() && self.is_writer().await {
            // The stream is full, and has no room for a fence. If the next try fails too, the
            // epochs are lost: then the next opening begins a history, and followers get a
            // snapshot.
            self.purge(info, keep.min(self.start_of_last(bound).await?)).await?;
            moved = self.fence_behind_last().await;
        }
        match moved {
            Ok(Some(_)) => Ok(keep),
            Ok(None) => Ok(keep.min(fence)),
            Err(error) => {
                tracing::warn!(stream = self.stream.name, %error, "the oldest events cannot be trimmed yet");
                Ok(fence)
            }
        }
    }

    /// The sequence of the newest fence. 0 if it is not known.
    async fn newest_fence(&self, bound: Bound) -> Result<u64, PortError> {
        let Some(last) = self.stream.get(bound.sequence).await? else { return Ok(0) };
        Ok(self.positioned(last).await?.and_then(|message| fence_of(&message)).unwrap_or(0))
    }

    async fn purge(&self, info: &Info, keep: u64) -> Result<(), PortError> {
        if keep > info.state.first_sequence {
            self.stream.purge_before(keep).await?;
            lock(&self.index).forget_before(keep);
        }
        Ok(())
    }
}
