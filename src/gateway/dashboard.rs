//! The dashboard, built into the binary. Paths without a file get its page: they are the
//! application's own.

use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::gateway::http::problem::{Kind, Problem};

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Assets;

const NOT_BUILT: &str = "This earcon was built without its dashboard. Everything else works.\n\
To get the dashboard, install Node.js 18 or newer and run: make run\n";

const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; style-src 'self' 'unsafe-inline'; \
img-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'";

pub(crate) async fn serve(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") {
        return Problem::new(Kind::NotFound, "see /api/v1/openapi.json for all addresses").into_response();
    }
    if let Some(file) = Assets::get(path) {
        // Vite puts a hash into the names below assets/, so their content never changes.
        let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
        return answer(&file, cache);
    }
    match Assets::get("index.html") {
        Some(_) if path.starts_with("assets/") => Problem::new(Kind::NotFound, "no such file").into_response(),
        Some(page) => answer(&page, "no-cache"),
        None => (StatusCode::NOT_FOUND, NOT_BUILT).into_response(),
    }
}

fn answer(file: &rust_embed::EmbeddedFile, cache: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, file.metadata.mimetype().to_owned()),
        (header::CACHE_CONTROL, cache.to_owned()),
        (header::CONTENT_SECURITY_POLICY, POLICY.to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, file.data.clone()).into_response()
}
