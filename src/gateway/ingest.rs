//! The ways to send samples, one file a protocol. All of them commit through `commit.rs`.

pub(crate) mod agent;
mod answer;
mod collectd;
pub(crate) mod commit;
mod http;
pub(crate) mod imports;
mod influx;
mod meanings;
pub(crate) mod nats;
mod notes;
mod otlp;
pub(crate) mod parse;
mod remote_write;
mod replaced;
mod rules;
pub(crate) mod state;
pub(crate) mod statsd;
pub(crate) mod target;
mod upload;
mod websocket;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use state::IngestState;

/// The routes of this wing.
pub(crate) fn routes() -> OpenApiRouter<IngestState> {
    OpenApiRouter::new()
        .routes(routes!(http::ingest, websocket::connect))
        .routes(routes!(rules::show, rules::change))
        .merge(upload::routes())
        .merge(influx::routes())
        .merge(collectd::routes())
        .merge(otlp::routes())
        .merge(remote_write::routes())
}
