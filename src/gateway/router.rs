//! All routes, composed from those of the wings.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::trace::TraceLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::gateway::assembly::Gateway;
use crate::gateway::http::{origin, problem};
use crate::gateway::{api, audio, dashboard, events, ingest, openapi};

/// All routes of the server.
pub fn router(gateway: &Gateway) -> Router {
    let (routes, description) = OpenApiRouter::with_openapi(openapi::document())
        .merge(api::routes().with_state(gateway.api.clone()))
        .merge(ingest::routes().with_state(gateway.ingest.clone()))
        .merge(events::routes().with_state(gateway.events.clone()))
        .merge(audio::routes().with_state(gateway.audio.clone()))
        .split_for_parts();
    routes
        .merge(openapi::routes(description))
        .fallback(dashboard::serve)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(DefaultBodyLimit::max(gateway.shared.max_body_bytes))
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(axum::middleware::from_fn(origin::only_this_machine))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(TraceLayer::new_for_http())
}
