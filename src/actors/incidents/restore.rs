//! Brings the incident engine to the end of the log: the last saved state, and the events of the
//! log after it.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::actors::context::Context;
use crate::incidents::{IncidentEngine, SeriesInventory};
use crate::services::incidents::IncidentRecords;
use earcon_model::{Anomaly, AnomalyId, Event, Seq};
use earcon_ports::{LogHead, PortError};
use earcon_tenancy::WorkspacePass;

/// The mute that keeps an anomaly from alerting. It is read from the event, where the stream has
/// noted it, and not from the store: a replay repeats the original decision.
pub(super) fn muted_by(anomaly: &Anomaly) -> Option<String> {
    anomaly.muted.clone()
}

/// An engine on its way to the end of the log.
pub struct EngineReplay {
    engine: IncidentEngine,
    end: Seq,
}

impl EngineReplay {
    /// Loads the last saved state. Without one that fits the log, the engine begins empty at the
    /// end of the log.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn begin(
        context: &Context,
        pass: &WorkspacePass,
        head: &LogHead,
        inventory: SeriesInventory,
    ) -> Result<Self, PortError> {
        let (settings, end) = (context.settings.incidents, head.next - 1);
        let workspace = pass.workspace().clone();
        let (saved, _) = IncidentRecords::new(context.backends.meta_store.clone()).load_engine(pass).await?;
        let saved = saved.filter(|saved| head.epochs.contains(&saved.epoch, saved.seq)).map(|saved| saved.state);
        let restored = saved.and_then(|saved| match IncidentEngine::restore(workspace.clone(), settings, &saved) {
            Ok(engine) => Some(engine).filter(|engine| engine.seq() <= end),
            Err(error) => {
                tracing::warn!(%workspace, %error, "the state of the incidents cannot be read; they begin empty");
                None
            }
        });
        let mut engine = restored.unwrap_or_else(|| IncidentEngine::new(workspace, settings, end));
        engine.set_inventory(inventory);
        Ok(Self { engine, end })
    }

    /// The newest event that the engine has seen.
    pub fn seq(&self) -> Seq {
        self.engine.seq()
    }

    /// Applies the next event of the log.
    pub fn apply(&mut self, event: &Event) {
        let engine = &mut self.engine;
        if catch_unwind(AssertUnwindSafe(|| engine.replay(event, &muted_by))).is_err() {
            tracing::error!(seq = event.seq, "grouping of anomalies panicked in replay; incidents begin empty");
            self.engine = self.engine.restarted_at(self.end);
        }
    }

    /// The engine at the end of the log. `open` are the anomalies that are open there; others ended
    /// without an event.
    pub fn finish(mut self, open: HashSet<AnomalyId>, now_ms: i64) -> IncidentEngine {
        self.engine.skip_to(self.end);
        self.engine.reconcile(&open, now_ms);
        self.engine
    }
}
