//! What machines can read about this server: the OpenAPI description, collected from the routes themselves, and the AsyncAPI
//! description of the WebSocket messages.

mod complete;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use utoipa::OpenApi;

use crate::gateway::http::state::Gateway;

#[derive(OpenApi)]
#[openapi(info(
    title = "Earcon",
    description = "Scores KPIs live; lets you see, hear and wire them. /api/v1/asyncapi.yaml has the WebSocket messages."
))]
struct Document;

/// The messages of the WebSockets; written by hand, and held against a running server by the clients' tests.
const ASYNCAPI: &str = include_str!("../../docs/asyncapi.yaml");

pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

pub(crate) fn route(openapi: utoipa::openapi::OpenApi) -> Router<Gateway> {
    let collected = serde_json::to_value(openapi).expect("a document built from literals serialises");
    let text = complete::complete(collected).to_string();
    Router::new()
        .route("/api/v1/openapi.json", get(move || async move { ([(CONTENT_TYPE, "application/json")], text) }))
        .route("/api/v1/asyncapi.yaml", get(|| async { ([(CONTENT_TYPE, "application/yaml")], ASYNCAPI) }))
}
