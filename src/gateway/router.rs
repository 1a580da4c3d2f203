//! All routes, composed.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::trace::TraceLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::http::state::Gateway;
use crate::gateway::{api, audio, dashboard, events, http, ingest, openapi};

/// Every route there is.
pub fn router(gateway: Gateway) -> Router {
    let max_body = gateway.limits.max_body_bytes;
    let (routes, openapi) = OpenApiRouter::with_openapi(openapi::document())
        .routes(routes!(api::kpis::workspaces))
        .routes(routes!(ingest::http::ingest, ingest::websocket::connect))
        .routes(routes!(ingest::upload::upload))
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
        .routes(routes!(api::kpis::list))
        .routes(routes!(api::kpis::one))
        .routes(routes!(api::kpis::resume))
        .routes(routes!(api::samples::samples))
        .routes(routes!(api::anomalies::list))
        .routes(routes!(api::anomaly_detail::one))
        .routes(routes!(api::anomaly_detail::as_svg))
        .routes(routes!(api::anomaly_detail::as_png))
        .routes(routes!(api::anomalies::acknowledge))
        .routes(routes!(api::anomalies::judge))
        .routes(routes!(api::mutes::mute_series))
        .routes(routes!(api::mutes::list, api::mutes::create))
        .routes(routes!(api::mutes::one, api::mutes::replace, api::mutes::remove))
        .routes(routes!(api::incidents::list))
        .routes(routes!(api::incidents::one))
        .routes(routes!(api::incidents::acknowledge))
        .routes(routes!(api::mixes::list))
        .routes(routes!(api::mixes::one, api::mixes::change))
        .routes(routes!(audio::ogg::listen))
        .routes(routes!(audio::packets::listen))
        .routes(routes!(events::follow))
        .routes(routes!(api::detectors::list))
        .routes(routes!(api::detectors::put))
        .routes(routes!(api::experiments::list, api::experiments::begin))
        .routes(routes!(api::experiments::one))
        .routes(routes!(api::experiments::promote))
        .routes(routes!(api::experiments::roll_back))
        .routes(routes!(api::experiments::stop))
        .routes(routes!(api::jobs::list, api::jobs::begin))
        .routes(routes!(api::jobs::one, api::jobs::cancel))
        .routes(routes!(api::cluster::status))
        .routes(routes!(api::health::healthz))
        .routes(routes!(api::health::readyz))
        .routes(routes!(api::health::metrics))
        .split_for_parts();
    routes
        .merge(openapi::route(openapi))
        .fallback(dashboard::serve)
        .method_not_allowed_fallback(http::problem::method_not_allowed)
        .layer(DefaultBodyLimit::max(max_body))
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(axum::middleware::from_fn(http::origin::only_this_machine))
        .layer(CatchPanicLayer::custom(http::problem::panicked))
        .layer(TraceLayer::new_for_http())
        .with_state(gateway)
}
