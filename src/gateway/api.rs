//! The REST API, one file a topic.

mod anomalies;
pub(crate) mod anomaly_detail;
mod cluster;
mod deletions;
mod detectors;
mod experiments;
mod health;
mod incidents;
mod jobs;
mod kpis;
mod mixes;
mod mutes;
mod samples;
pub(crate) mod state;
mod units;
mod workspaces;

use utoipa_axum::router::OpenApiRouter;

use state::ApiState;

/// The routes of this wing.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(workspaces::routes())
        .merge(kpis::routes())
        .merge(units::routes())
        .merge(samples::routes())
        .merge(deletions::routes())
        .merge(anomalies::routes())
        .merge(anomaly_detail::routes())
        .merge(incidents::routes())
        .merge(mutes::routes())
        .merge(mixes::routes())
        .merge(detectors::routes())
        .merge(experiments::routes())
        .merge(jobs::routes())
        .merge(cluster::routes())
        .merge(health::routes())
}
