//! The dashboard, built into the binary.
//!
//! Its files have addresses of their own. Any other address gets its page if a browser asks for a
//! page there, because the application has addresses too. A program that asks for something that
//! is not there gets 404: the page would look like a success.

use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::gateway::http::problem::{Kind, Problem};

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Assets;

const NOT_BUILT: &str = "This earcon was built without its dashboard. Everything else works.\n\
To get the dashboard, install Node.js 18 or newer and run: make run\n";

/// Addresses of protocols, which senders write in other ways by mistake.
const PROTOCOLS: [&str; 11] = [
    "/v1/metrics",
    "/write",
    "/api/v2/write",
    "/api/v1/write",
    "/collectd/write",
    "/query",
    "/ping",
    "/health",
    "/healthz",
    "/readyz",
    "/metrics",
];

/// What an address that is no route gets.
#[derive(Debug, PartialEq, Eq)]
enum Served<'a> {
    /// This file.
    File(&'a str),
    /// The page, if there is one.
    Page,
    /// Nothing is there.
    Nothing,
    /// Nothing is there, but this address is similar.
    Similar(&'static str),
}

pub(crate) async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let reads = method == Method::GET || method == Method::HEAD;
    match served(uri.path(), accepts_page(&headers), |path| Assets::get(path).is_some()) {
        Served::File(_) | Served::Page if !reads => {
            Problem::new(Kind::MethodNotAllowed, "this is a page").allowing("GET, HEAD").into_response()
        }
        Served::File(path) => file(path, &headers),
        Served::Page if Assets::get("index.html").is_some() => file("index.html", &headers),
        Served::Page => (StatusCode::NOT_FOUND, NOT_BUILT).into_response(),
        Served::Nothing => Problem::new(Kind::NotFound, "see /api/v1/openapi.json for all addresses").into_response(),
        Served::Similar(address) => {
            let detail = format!("nothing is at {:?}; did you mean {address}?", uri.path());
            Problem::new(Kind::NotFound, detail).into_response()
        }
    }
}

fn served(path: &str, accepts_page: bool, is_file: impl Fn(&str) -> bool) -> Served<'_> {
    let name = path.strip_prefix('/').unwrap_or(path);
    if !name.is_empty() && is_file(name) {
        return Served::File(name);
    }
    if path == "/" {
        return Served::Page;
    }
    let lower = path.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split('/').filter(|part| !part.is_empty()).collect();
    let plain = format!("/{}", parts.join("/"));
    if let Some(address) = PROTOCOLS.into_iter().find(|address| *address == plain) {
        return Served::Similar(address);
    }
    // The application's own addresses begin with none of these.
    let elsewhere = matches!(parts.first().copied(), None | Some("api" | "assets" | "v1" | "v2"));
    if elsewhere || !accepts_page { Served::Nothing } else { Served::Page }
}

/// Whether the client asks for a page, as browsers do.
fn accepts_page(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
    let mut types = values.flat_map(|value| value.split(',')).map(|one| one.split(';').next().unwrap_or(one).trim());
    types.any(|one| one.eq_ignore_ascii_case("text/html") || one.eq_ignore_ascii_case("application/xhtml+xml"))
}

fn file(path: &str, headers: &HeaderMap) -> Response {
    let Some(file) = Assets::get(path) else { return Problem::new(Kind::NotFound, "no such file").into_response() };
    // Vite puts a hash into the names below assets/, so their content never changes.
    let cache = if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [
        (header::CONTENT_TYPE, file.metadata.mimetype().to_owned()),
        (header::CACHE_CONTROL, cache.to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy(headers)),
    ];
    (headers, file.data).into_response()
}

/// The page may connect to this server only. Some browsers do not count WebSockets to the same
/// host as `'self'`, so they are named. The host has been checked.
fn policy(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let sockets = if host.is_empty() { String::new() } else { format!(" ws://{host} wss://{host}") };
    format!(
        "default-src 'self'; connect-src 'self'{sockets}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
         media-src 'self' blob:; worker-src 'self' blob:; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; \
         form-action 'self'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, page: bool) -> Served<'_> {
        served(path, page, |name| name == "assets/app.js" || name == "icon.svg")
    }

    #[test]
    fn files_and_addresses_of_the_application_are_served() {
        assert_eq!(of("/assets/app.js", false), Served::File("assets/app.js"));
        assert_eq!(of("/icon.svg", true), Served::File("icon.svg"));
        assert_eq!(of("/", false), Served::Page);
        for path in ["/incidents/7", "/kpis/a.b", "/incidents/"] {
            assert_eq!((of(path, true), of(path, false)), (Served::Page, Served::Nothing), "{path}");
        }
    }

    #[test]
    fn addresses_of_protocols_never_get_the_page() {
        for (path, address) in [
            ("/v1/metrics/", "/v1/metrics"),
            ("//v1/metrics", "/v1/metrics"),
            ("/write/", "/write"),
            ("//write", "/write"),
            ("/Write", "/write"),
            ("/API/v2//write", "/api/v2/write"),
            ("/Health", "/health"),
        ] {
            assert_eq!(
                (of(path, true), of(path, false)),
                (Served::Similar(address), Served::Similar(address)),
                "{path}"
            );
        }
        for path in ["/v1/traces", "/v1/logs", "/api/nothing", "/assets/old.js", "//", "/V1/x"] {
            assert_eq!((of(path, true), of(path, false)), (Served::Nothing, Served::Nothing), "{path}");
        }
    }

    #[test]
    fn a_page_is_for_clients_that_name_its_type() {
        let accepts = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, value.parse().unwrap());
            accepts_page(&headers)
        };
        assert!(
            accepts("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8") && accepts("application/json, Text/HTML;q=0.1")
        );
        assert!(!accepts("*/*") && !accepts("application/json") && !accepts_page(&HeaderMap::new()));
    }
}
