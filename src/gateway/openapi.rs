//! The OpenAPI description, collected from the routes themselves.

use axum::Router;
use axum::routing::get;
use utoipa::OpenApi;

use super::Gateway;

#[derive(OpenApi)]
#[openapi(info(
    title = "Earcon",
    description = "Scores KPIs live; lets you see, hear and wire them. docs/protocol.md has the WebSocket messages."
))]
struct Document;

pub(crate) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

pub(crate) fn route(openapi: utoipa::openapi::OpenApi) -> Router<Gateway> {
    let text = openapi.to_json().expect("a document built from literals serialises");
    let headers = [(axum::http::header::CONTENT_TYPE, "application/json")];
    Router::new().route("/api/v1/openapi.json", get(move || async move { (headers, text) }))
}
