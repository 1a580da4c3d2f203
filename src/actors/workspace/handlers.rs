//! What each command does on the node that owns the workspace.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use super::command::{
    Acknowledge, AnyCommand, AudioFormat, ChangeMix, Command, Delete, Deleted, DescribeMix, DescribeStatus,
    ExtendAudioLease, Ingest, Ingested, MixNotChanged, OwnerError, RecordFeedback, ResumeKpi, WakeExperiments,
    WorkspaceStatus,
};
use super::handle::WorkspaceHandle;
use crate::actors::admission::IngestError;
use crate::actors::ingest::ingest;
use crate::actors::mix::MixView;
use crate::actors::remote::wire::encode;
use crate::live::KpiRun;
use earcon_model::{Acknowledgement, Feedback};

/// Executes commands of one type.
pub trait CommandHandler<C: Command> {
    /// Executes the command.
    fn handle(&self, command: C) -> impl Future<Output = Result<C::Reply, OwnerError>> + Send;
}

impl WorkspaceHandle {
    /// Executes a command.
    ///
    /// # Errors
    /// `Unavailable` if the workspace closes meanwhile.
    pub async fn execute<C: Command>(&self, command: C) -> Result<C::Reply, OwnerError>
    where
        Self: CommandHandler<C>,
    {
        self.handle(command).await
    }

    /// Executes a command of another node; returns the encoded result.
    pub(in crate::actors) async fn execute_any(&self, command: AnyCommand) -> Result<Bytes, String> {
        match command {
            AnyCommand::Ingest(command) => encode(&self.execute(command).await),
            AnyCommand::Acknowledge(command) => encode(&self.execute(command).await),
            AnyCommand::RecordFeedback(command) => encode(&self.execute(command).await),
            AnyCommand::ResumeKpi(command) => encode(&self.execute(command).await),
            AnyCommand::Delete(command) => encode(&self.execute(command).await),
            AnyCommand::DescribeMix(command) => encode(&self.execute(command).await),
            AnyCommand::ChangeMix(command) => encode(&self.execute(command).await),
            AnyCommand::ExtendAudioLease(command) => encode(&self.execute(command).await),
            AnyCommand::WakeExperiments(command) => encode(&self.execute(command).await),
            AnyCommand::DescribeStatus(command) => encode(&self.execute(command).await),
        }
    }
}

impl CommandHandler<Ingest> for WorkspaceHandle {
    async fn handle(&self, Ingest { batches, arrival }: Ingest) -> Result<Result<Ingested, IngestError>, OwnerError> {
        match ingest(self, batches, arrival).await {
            // The sender tries again until the workspace is open, as with any command.
            Err(IngestError::Unavailable) => Err(OwnerError::Unavailable),
            result => Ok(result.map(|receipt| Ingested { receipt, epoch: self.hub().epochs().current().to_owned() })),
        }
    }
}

impl CommandHandler<Acknowledge> for WorkspaceHandle {
    async fn handle(&self, Acknowledge { anomaly, by, note }: Acknowledge) -> Result<Acknowledgement, OwnerError> {
        let stream = self.stream(&anomaly.kpi).ok_or(OwnerError::Unavailable)?;
        let acknowledgement = Acknowledgement { at_ms: self.now_ms(), by, note };
        let committed = stream.acknowledge(anomaly.id, anomaly.labels, acknowledgement.clone()).await;
        committed.map(|_| acknowledgement).ok_or(OwnerError::Unavailable)
    }
}

impl CommandHandler<RecordFeedback> for WorkspaceHandle {
    async fn handle(&self, command: RecordFeedback) -> Result<Feedback, OwnerError> {
        let RecordFeedback { anomaly, outcome, by, note } = command;
        let stream = self.stream(&anomaly.kpi).ok_or(OwnerError::Unavailable)?;
        let feedback = Feedback { outcome, at_ms: self.now_ms(), by, note };
        let committed = stream.record_feedback(anomaly.id, anomaly.labels, feedback.clone()).await;
        committed.map(|_| feedback).ok_or(OwnerError::Unavailable)
    }
}

impl CommandHandler<ResumeKpi> for WorkspaceHandle {
    async fn handle(&self, ResumeKpi { kpi }: ResumeKpi) -> Result<bool, OwnerError> {
        self.resume(kpi).await.ok_or(OwnerError::Unavailable)
    }
}

/// How long an answer waits for history to carry a deletion out.
const DELETING: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl CommandHandler<Delete> for WorkspaceHandle {
    async fn handle(&self, Delete { kpi, deletion }: Delete) -> Result<Option<Deleted>, OwnerError> {
        let Some(erased) = self.delete(kpi, deletion).await.ok_or(OwnerError::Unavailable)? else { return Ok(None) };
        let carried_out = async {
            while self.history_position() < erased.seq {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let done = tokio::time::timeout(DELETING, carried_out).await.is_ok();
        let epoch = self.hub().epochs().epoch_of(erased.seq).to_owned();
        Ok(Some(Deleted { seq: erased.seq, epoch, series: erased.series, done }))
    }
}

impl CommandHandler<DescribeMix> for WorkspaceHandle {
    async fn handle(&self, DescribeMix: DescribeMix) -> Result<MixView, OwnerError> {
        self.mix().describe().await.ok_or(OwnerError::Unavailable)
    }
}

impl CommandHandler<ChangeMix> for WorkspaceHandle {
    async fn handle(
        &self,
        ChangeMix { change, expected }: ChangeMix,
    ) -> Result<Result<MixView, MixNotChanged>, OwnerError> {
        let changed = self.mix().change(change, expected).await.ok_or(OwnerError::Unavailable)?;
        Ok(changed.map_err(MixNotChanged::from))
    }
}

impl CommandHandler<ExtendAudioLease> for WorkspaceHandle {
    async fn handle(&self, ExtendAudioLease: ExtendAudioLease) -> Result<AudioFormat, OwnerError> {
        self.publish_audio().await.ok_or(OwnerError::Unavailable)
    }
}

impl CommandHandler<WakeExperiments> for WorkspaceHandle {
    async fn handle(&self, WakeExperiments: WakeExperiments) -> Result<(), OwnerError> {
        self.experiments().wake();
        Ok(())
    }
}

impl CommandHandler<DescribeStatus> for WorkspaceHandle {
    async fn handle(&self, DescribeStatus: DescribeStatus) -> Result<WorkspaceStatus, OwnerError> {
        let (seq, kpis) = self.hub().view().await.ok_or(OwnerError::Unavailable)?;
        let parked = kpis.iter().filter(|kpi| matches!(kpi.run, KpiRun::Parked(_))).count();
        let history_lag = seq.saturating_sub(self.history_position());
        Ok(WorkspaceStatus { seq, kpis: kpis.len() as u64, parked: parked as u64, history_lag })
    }
}
