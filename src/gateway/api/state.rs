//! The state that the REST API works with.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;

use crate::gateway::http::state::{SharedState, WingState};
use crate::services::anomalies::AnomalyService;
use crate::services::clock_health::ClockHealth;
use crate::services::detectors::DetectorService;
use crate::services::incidents::IncidentRecords;
use crate::services::mutes::MuteService;
use crate::services::rules::RuleService;
use crate::services::storage_health::StorageHealth;
use earcon_ports::SeriesStore;

/// The state of this wing.
pub(crate) type ApiState = WingState<ApiParts>;

/// The parts of [`ApiState`].
pub(crate) struct ApiParts {
    /// What every wing has.
    pub(crate) shared: SharedState,
    /// Samples and anomalies; read only.
    pub(crate) series_store: Arc<dyn SeriesStore>,
    /// One anomaly, its explanation and its chart.
    pub(crate) anomalies: AnomalyService,
    /// Recorded incidents.
    pub(crate) incidents: IncidentRecords,
    /// Detector entries, experiments and jobs.
    pub(crate) detectors: DetectorService,
    /// Rules and known series of each workspace.
    pub(crate) rules: RuleService,
    /// Mutes.
    pub(crate) mutes: MuteService,
    /// Whether the storage takes samples.
    pub(crate) storage: StorageHealth,
    /// Whether the wall clock jumped.
    pub(crate) clock_health: ClockHealth,
    /// Renders `/metrics`.
    pub(crate) metrics: PrometheusHandle,
}

impl std::ops::Deref for ApiParts {
    type Target = SharedState;

    fn deref(&self) -> &SharedState {
        &self.shared
    }
}
