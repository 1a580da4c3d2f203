//! Trimming: deleting the oldest appends.

use async_nats::jetstream::stream::Info;

use super::lock::lock;
use super::workspace_log::WorkspaceLog;
use earcon_model::Seq;
use earcon_ports::PortError;

impl WorkspaceLog {
    /// Deletes whole appends before `before`. The last message stays, because it says where the log
    /// continues. Only the writer can add a fence, so only the writer can delete the last append.
    pub(super) async fn trim(&self, before: Seq) -> Result<Seq, PortError> {
        let (Some(info), Some(bound)) = (self.info().await?, self.bound(Seq::MAX).await?) else { return Ok(1) };
        let mut keep = self.start_of_last(bound).await?;
        if before < bound.next {
            keep = keep.min(self.start_of(before, bound).await?);
        } else {
            // Make room first: the fence may need it.
            self.purge(&info, keep).await?;
            match self.fence_behind_last().await {
                Ok(Some(fence)) => keep = fence,
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(stream = self.stream.name, %error, "the last append cannot be trimmed yet")
                }
            }
        }
        self.purge(&info, keep).await?;
        let first = info.state.first_sequence.max(keep);
        Ok(self.first_at(first, bound.sequence.max(keep)).await?.unwrap_or(bound.next).min(bound.next))
    }

    async fn purge(&self, info: &Info, keep: u64) -> Result<(), PortError> {
        if keep > info.state.first_sequence {
            self.stream.purge_before(keep).await?;
            lock(&self.index).forget_before(keep);
        }
        Ok(())
    }
}
