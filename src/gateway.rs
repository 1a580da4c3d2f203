//! HTTP, WebSocket and NATS. Parses, authorises, asks actors and stores, and writes answers; it scores and encodes nothing.
//!
//! One table of routes: [`router`]. What a route needs of a workspace comes through `authorized::Authorized`, which is the only way
//! to a pass, so a route cannot forget the check.

mod anomalies;
mod audio;
mod authorized;
mod body;
mod cluster;
mod complaints;
mod dashboard;
mod detectors;
mod events;
mod experiments;
mod explain;
mod incidents;
mod ingest;
mod ingest_socket;
mod jobs;
mod kpis;
mod mixes;
mod mutes;
pub mod nats;
mod openapi;
mod operations;
mod origin;
mod problem;
mod query;
mod samples;
mod socket;
pub mod statsd;
mod upload;

pub use upload::Imports;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::trace::TraceLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use audio::Transmitters;

use crate::actors::directory::Directory;
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

/// Every route there is.
pub fn router(gateway: Gateway) -> Router {
    let max_body = gateway.limits.max_body_bytes;
    let (routes, openapi) = OpenApiRouter::with_openapi(openapi::document())
        .routes(routes!(kpis::workspaces))
        .routes(routes!(ingest::ingest, ingest_socket::connect))
        .routes(routes!(upload::upload))
        .routes(routes!(ingest::rules::show, ingest::rules::change))
        .routes(routes!(ingest::influx::write))
        .routes(routes!(ingest::influx::write_v2))
        .routes(routes!(ingest::influx::write_to))
        .routes(routes!(ingest::influx::write_v2_to))
        .routes(routes!(ingest::influx::query))
        .routes(routes!(ingest::influx::ping))
        .routes(routes!(ingest::remote_write::write))
        .routes(routes!(ingest::remote_write::write_to))
        .routes(routes!(ingest::otlp::metrics))
        .routes(routes!(ingest::otlp::metrics_to))
        .routes(routes!(kpis::list))
        .routes(routes!(kpis::one))
        .routes(routes!(kpis::resume))
        .routes(routes!(samples::samples))
        .routes(routes!(anomalies::list))
        .routes(routes!(explain::one))
        .routes(routes!(explain::as_svg))
        .routes(routes!(explain::as_png))
        .routes(routes!(anomalies::acknowledge))
        .routes(routes!(anomalies::judge))
        .routes(routes!(mutes::mute_series))
        .routes(routes!(mutes::list, mutes::create))
        .routes(routes!(mutes::one, mutes::replace, mutes::remove))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::one))
        .routes(routes!(incidents::acknowledge))
        .routes(routes!(mixes::list))
        .routes(routes!(mixes::one, mixes::change))
        .routes(routes!(audio::ogg::listen))
        .routes(routes!(audio::packets::listen))
        .routes(routes!(events::follow))
        .routes(routes!(detectors::list))
        .routes(routes!(detectors::put))
        .routes(routes!(experiments::list, experiments::begin))
        .routes(routes!(experiments::one))
        .routes(routes!(experiments::promote))
        .routes(routes!(experiments::roll_back))
        .routes(routes!(experiments::stop))
        .routes(routes!(jobs::list, jobs::begin))
        .routes(routes!(jobs::one, jobs::cancel))
        .routes(routes!(cluster::status))
        .routes(routes!(operations::healthz))
        .routes(routes!(operations::readyz))
        .routes(routes!(operations::metrics))
        .split_for_parts();
    routes
        .merge(openapi::route(openapi))
        .fallback(dashboard::serve)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(DefaultBodyLimit::max(max_body))
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(axum::middleware::from_fn(origin::only_this_machine))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(TraceLayer::new_for_http())
        .with_state(gateway)
}
