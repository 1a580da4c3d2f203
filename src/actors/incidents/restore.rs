//! The desk as recovery brings it to the end of the log: the state last saved, and what the log says after it.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{Muted, muted};
use crate::actors::Context;
use crate::incidents::{IncidentEngine, SeriesInventory};
use crate::services::incidents::IncidentRecords;
use earcon_model::{AnomalyId, Event, Seq};
use earcon_ports::{LogHead, PortError};
use earcon_tenancy::WorkspacePass;

/// A desk on its way to the end of the log.
pub struct DeskReplay {
    desk: IncidentEngine,
    end: Seq,
    muted: Muted,
}

impl DeskReplay {
    /// Loads the state last saved. Without one that fits the log, incidents begin with what comes next.
    pub async fn begin(
        context: &Context,
        pass: &WorkspacePass,
        head: &LogHead,
        population: SeriesInventory,
    ) -> Result<Self, PortError> {
        let (settings, end) = (context.settings.desk, head.next - 1);
        let workspace = pass.workspace().clone();
        let (saved, _) = IncidentRecords::new(context.backends.meta_store.clone()).load_engine(pass).await?;
        let saved = saved.filter(|saved| saved.epoch == head.epoch).map(|saved| saved.state);
        let restored = saved.and_then(|saved| match IncidentEngine::restore(workspace.clone(), settings, &saved) {
            Ok(desk) => Some(desk).filter(|desk| desk.seq() <= end),
            Err(error) => {
                tracing::warn!(%workspace, %error, "incidents start afresh");
                None
            }
        });
        let mut desk = restored.unwrap_or_else(|| IncidentEngine::new(workspace, settings, end));
        desk.set_inventory(population);
        Ok(Self { desk, end, muted: muted() })
    }

    /// The newest event that the desk knows.
    pub fn seq(&self) -> Seq {
        self.desk.seq()
    }

    /// Takes the next event of the log in.
    pub fn apply(&mut self, event: &Event) {
        let (desk, muted) = (&mut self.desk, &*self.muted);
        if catch_unwind(AssertUnwindSafe(|| desk.replay(event, muted))).is_err() {
            tracing::error!(seq = event.seq, "grouping of anomalies panicked in replay; it starts afresh");
            self.desk = self.desk.restarted_at(self.end);
        }
    }

    /// The desk at the end of the log. `open` are the anomalies that are open there; others have ended without a word.
    pub fn finish(mut self, open: HashSet<AnomalyId>, now_ms: i64) -> IncidentEngine {
        self.desk.skip_to(self.end);
        self.desk.reconcile(&open, now_ms);
        self.desk
    }
}
