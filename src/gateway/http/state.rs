//! What the routes work with.

use std::sync::Arc;

use tokio::sync::watch;

use crate::actors::directory::Directory;
use crate::gateway::audio::Transmitters;
use crate::gateway::ingest::upload::Imports;
use crate::services::anomalies::AnomalyService;
use crate::services::detectors::DetectorService;
use crate::services::incidents::IncidentRecords;
use crate::services::mutes::MuteService;
use crate::services::rules::RuleService;
use earcon_model::{Clock, WorkspaceId};
use earcon_ports::{EventLog, SeriesStore};
use earcon_tenancy::Authorizer;

/// Limits of the gateway.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest request body, after decompression.
    pub max_body_bytes: usize,
    /// Largest uploaded file.
    pub max_upload_bytes: u64,
    /// Most samples of one request.
    pub max_batch_samples: usize,
    /// Most events replayed on a resume.
    pub replay_events: u64,
    /// Where the samples of agents go that name no workspace.
    pub workspace: WorkspaceId,
}

/// What the routes work with. Cheap to clone: every connection holds one.
#[derive(Clone)]
pub struct Gateway(Arc<Parts>);

/// What a gateway is made of.
pub struct Parts {
    /// The workspaces.
    pub directory: Directory,
    /// For replays to followers; read only.
    pub event_log: Arc<dyn EventLog>,
    /// For queries; read only.
    pub series_store: Arc<dyn SeriesStore>,
    /// Recorded incidents.
    pub incidents: IncidentRecords,
    /// Rules and known series of each workspace that samples come in for.
    pub rules: RuleService,
    /// Entries, experiments and jobs.
    pub detectors: DetectorService,
    /// Wall time, for samples that carry none and for default ranges.
    pub clock: Arc<dyn Clock>,
    /// Mutes.
    pub mutes: MuteService,
    /// One anomaly, its explanation and its chart.
    pub anomalies: AnomalyService,
    /// Who may come in.
    pub access: Authorizer,
    /// Sizes.
    pub limits: Arc<Limits>,
    /// Files being imported.
    pub imports: Imports,
    /// Renders `/metrics`.
    pub metrics: metrics_exporter_prometheus::PrometheusHandle,
    /// What listeners of the same mix share.
    pub transmitters: Transmitters,
    /// Turns true when the server is shutting down: endless answers end.
    pub shutdown: watch::Receiver<bool>,
}

impl std::ops::Deref for Gateway {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Gateway {
    /// A gateway of these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Completes when the server is shutting down.
    pub(crate) async fn shutting_down(&self) {
        let mut shutdown = self.shutdown.clone();
        // An error means that the server itself is gone, which is the same thing.
        let _gone = shutdown.wait_for(|down| *down).await.is_err();
    }
}
