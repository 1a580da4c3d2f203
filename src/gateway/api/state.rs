//! The state that the REST API works with.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;

use crate::actors::experiments::desk::DetectorService;
use crate::actors::muting::Muting;
use crate::gateway::api::anomaly_detail::LocalTimes;
use crate::gateway::http::state::{SharedState, WingState};
use earcon_ports::{MetaStore, SeriesStore};

/// The state of this wing.
pub(crate) type ApiState = WingState<ApiParts>;

/// The parts of [`ApiState`].
pub(crate) struct ApiParts {
    /// What every wing has.
    pub(crate) shared: SharedState,
    /// Samples and anomalies; read only.
    pub(crate) series_store: Arc<dyn SeriesStore>,
    /// Records of incidents; read only.
    pub(crate) meta_store: Arc<dyn MetaStore>,
    /// Detector entries, experiments and jobs.
    pub(crate) desk: DetectorService,
    /// Mutes.
    pub(crate) muting: Muting,
    /// The time zones of workspaces, for hours of the day.
    pub(crate) local_times: LocalTimes,
    /// Renders `/metrics`.
    pub(crate) metrics: PrometheusHandle,
}

impl std::ops::Deref for ApiParts {
    type Target = SharedState;

    fn deref(&self) -> &SharedState {
        &self.shared
    }
}
