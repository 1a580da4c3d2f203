//! Against requests that a foreign page makes a signed-in browser send.
//!
//! The cookie is `SameSite=Strict`, and the guard refuses foreign origins. A page must also show
//! that it can read an answer of this server: it repeats a text that only such an answer contains.
//! The text is a hash of the cookie, which no page can read. (OWASP calls this a signed double
//! submit.)

use axum::http::{HeaderMap, Method};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::gateway::http::problem::{Kind, Problem};

/// The header with the text.
const HEADER: &str = "x-earcon-csrf";

/// The text that belongs to the access token of a cookie.
pub(crate) fn text(token: &str) -> String {
    let hash = Sha256::new().chain_update(b"earcon csrf\0").chain_update(token).finalize();
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Checks a request that is known by its cookie.
///
/// # Errors
/// 403 for a request that may change something and lacks the text.
pub(super) fn check(token: &str, method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let shown = headers.get(HEADER).map(|value| value.as_bytes()).unwrap_or_default();
    if text(token).as_bytes().ct_eq(shown).into() {
        return Ok(());
    }
    let detail = format!("a request of a signed-in browser needs the header {HEADER}, from GET /api/v1/session");
    Err(Problem::new(Kind::Csrf, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_that_change_something_need_the_text() {
        let shown = |text: &str| HeaderMap::from_iter([(HEADER.parse().unwrap(), text.parse().unwrap())]);
        let status = |method: Method, headers: &HeaderMap| {
            check("token", &method, headers).map_err(|problem| problem.status().as_u16())
        };
        assert_eq!(status(Method::GET, &HeaderMap::new()), Ok(()));
        assert_eq!(status(Method::POST, &shown(&text("token"))), Ok(()));
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert_eq!(status(method.clone(), &HeaderMap::new()), Err(403));
            assert_eq!(status(method, &shown(&text("another token"))), Err(403));
        }
    }
}
