//! Sound for listeners over Ogg, WebSocket and NATS.

mod members;
pub(crate) mod nats;
mod ogg;
mod packets;
pub(crate) mod state;
pub(crate) mod transmitter;
pub(crate) mod voice;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use state::AudioState;

/// The routes of this wing.
pub(crate) fn routes() -> OpenApiRouter<AudioState> {
    OpenApiRouter::new().routes(routes!(ogg::listen)).routes(routes!(packets::listen))
}
