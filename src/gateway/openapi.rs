//! Descriptions for machines: OpenAPI, collected from the routes themselves, and AsyncAPI for the
//! WebSocket messages.

mod complete;
mod operations;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(info(
    title = "Earcon",
    description = "Scores KPIs live; lets you see, hear and wire them. /api/v1/asyncapi.yaml has the WebSocket messages."
))]
struct Document;

/// The messages of the WebSockets. Written by hand; the clients' tests check it against a server.
const ASYNCAPI: &str = include_str!("../../docs/asyncapi.yaml");

/// The document, without routes.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The routes that serve the descriptions, once all other routes are collected.
pub(crate) fn routes(openapi: utoipa::openapi::OpenApi) -> Router {
    let collected = serde_json::to_value(openapi).expect("a document built from literals serialises");
    let text = complete::complete(collected).to_string();
    Router::new()
        .route("/api/v1/openapi.json", get(move || async move { ([(CONTENT_TYPE, "application/json")], text) }))
        .route("/api/v1/asyncapi.yaml", get(|| async { ([(CONTENT_TYPE, "application/yaml")], ASYNCAPI) }))
}
