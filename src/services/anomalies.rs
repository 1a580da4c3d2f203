//! One anomaly: where it is found, why it is one, and a chart of it. All of it is read from the
//! live view and from history.

pub mod chart;
pub mod explanation;

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::local_time::LocalTimes;
use super::mutes::MuteService;
use crate::actors::hub::Hub;
use earcon_model::{Anomaly, AnomalyId, Clock};
use earcon_ports::{PortError, SeriesStore};
use earcon_tenancy::WorkspacePass;

/// Why an anomaly cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum AnomalyError {
    /// The workspace is going away or restarting.
    #[error("the workspace is restarting")]
    Restarting,
    /// Drawing has failed.
    #[error("the picture could not be drawn")]
    NotDrawn,
    /// The history failed.
    #[error(transparent)]
    Store(#[from] PortError),
}

/// Finds and explains anomalies of all workspaces. Cheap to clone.
#[derive(Clone)]
pub struct AnomalyService {
    history: Arc<dyn SeriesStore>,
    mutes: MuteService,
    local_times: LocalTimes,
    clock: Arc<dyn Clock>,
    drawing: Arc<Semaphore>,
}

/// Charts that are drawn at once. Each takes a processor, and some megabytes for its pixels.
const DRAWN_AT_ONCE: usize = 2;

impl AnomalyService {
    /// Reads from these.
    pub fn new(
        history: Arc<dyn SeriesStore>,
        mutes: MuteService,
        local_times: LocalTimes,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { history, mutes, local_times, clock, drawing: Arc::new(Semaphore::new(DRAWN_AT_ONCE)) }
    }

    /// One anomaly; `None` if there is none with this identifier. Open anomalies are in the live
    /// view, all others in the history, which may be a moment behind.
    ///
    /// # Errors
    /// If the workspace is restarting or the history fails.
    pub async fn find(&self, pass: &WorkspacePass, hub: &Hub, id: AnomalyId) -> Result<Option<Anomaly>, AnomalyError> {
        match hub.open_anomaly(id).await.ok_or(AnomalyError::Restarting)? {
            Some(mut open) => {
                self.mark_muted(pass, std::slice::from_mut(&mut open)).await;
                Ok(Some(open))
            }
            None => Ok(self.history.anomaly(pass, id).await?),
        }
    }

    /// Replaces open anomalies, as history has them, by their state in the live view. History has
    /// that of their latest events, which do not report each sample.
    ///
    /// # Errors
    /// If the workspace is restarting.
    pub async fn bring_up_to_date(&self, hub: &Hub, anomalies: &mut [Anomaly]) -> Result<(), AnomalyError> {
        if anomalies.iter().all(|anomaly| anomaly.closed_at_ms.is_some()) {
            return Ok(());
        }
        let (_, kpis) = hub.view().await.ok_or(AnomalyError::Restarting)?;
        for anomaly in anomalies.iter_mut().filter(|anomaly| anomaly.closed_at_ms.is_none()) {
            let kpi = kpis.binary_search_by(|view| view.kpi.cmp(&anomaly.kpi)).ok().map(|at| &kpis[at]);
            let series = kpi.and_then(|view| view.series.get(&anomaly.labels));
            let live = series.and_then(|series| series.anomaly.as_deref());
            if let Some(live) = live.filter(|live| live.id == anomaly.id) {
                anomaly.clone_from(live);
            }
        }
        Ok(())
    }

    /// Notes on open anomalies which mute covers them now. Their latest events may be from before
    /// it.
    pub async fn mark_muted(&self, pass: &WorkspacePass, anomalies: &mut [Anomaly]) {
        let mutes = self.mutes.current(pass).await;
        let now_ms = self.clock.now_ms();
        for open in anomalies.iter_mut().filter(|anomaly| anomaly.closed_at_ms.is_none()) {
            open.muted = mutes.of_anomaly(open, now_ms).map(|found| found.mute.name().to_owned());
        }
    }
}
