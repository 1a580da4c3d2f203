//! All routes, composed from those of the wings.

use axum::Router;
use axum::extract::Request;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::TraceLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::gateway::assembly::Gateway;
use crate::gateway::http::access::{self, Gate};
use crate::gateway::http::front::{self, Front};
use crate::gateway::http::problem;
use crate::gateway::http::refusals::Refusals;
use crate::gateway::{accounts, api, audio, dashboard, events, ingest, openapi};

/// All routes of the server.
pub fn router(gateway: &Gateway) -> Router {
    let front =
        Front { hosts: gateway.hosts.clone(), answers: gateway.shared.answers.clone(), refusals: Refusals::default() };
    let gate = Gate { access: gateway.shared.access.clone(), clock: gateway.shared.clock.clone() };
    let (routes, description) = OpenApiRouter::with_openapi(openapi::document())
        .merge(api::routes().with_state(gateway.api.clone()))
        .merge(ingest::routes().with_state(gateway.ingest.clone()))
        .merge(events::routes().with_state(gateway.events.clone()))
        .merge(audio::routes().with_state(gateway.audio.clone()))
        .merge(accounts::routes().with_state(gateway.accounts.clone()))
        .split_for_parts();
    routes
        .merge(openapi::routes(description))
        .fallback(dashboard::serve)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(gate, access::check))
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(axum::middleware::from_fn_with_state(front, front::pass))
        // What failed is logged where it fails. A line for each 503 would help an attack.
        .layer(TraceLayer::new_for_http().make_span_with(span).on_failure(()))
}

/// The span of a request in the log. It shows the path alone: a query
/// and the rest of an address may hold a password.
fn span(request: &Request) -> tracing::Span {
    tracing::debug_span!("request", method = %request.method(), path = request.uri().path())
}
