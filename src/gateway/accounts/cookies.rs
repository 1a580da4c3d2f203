//! The cookies of a signed-in browser.
//!
//! Scripts of the page cannot read them, and pages of other sites do not make a browser send them.
//! The refresh token goes to one address only. Over TLS their names promise browsers that this host
//! set them (`__Host-`, `__Secure-`).

use axum::http::{HeaderMap, HeaderValue, header};

use crate::gateway::http::access::{COOKIE, SECURE_COOKIE, cookie_named};

/// The address that takes the refresh token.
pub(super) const REFRESH_PATH: &str = "/api/v1/session/refresh";
const REFRESH: &str = "earcon_refresh";
const SECURE_REFRESH: &str = "__Secure-earcon_refresh";

/// The refresh token that a request shows.
pub(super) fn refresh_token(headers: &HeaderMap) -> Option<&str> {
    cookie_named(headers, &[SECURE_REFRESH, REFRESH])
}

/// Sets both cookies.
pub(super) fn set(
    headers: &mut HeaderMap,
    secure: bool,
    (access, access_s): (&str, i64),
    (refresh, refresh_s): (&str, i64),
) {
    let name = if secure { (SECURE_COOKIE, SECURE_REFRESH) } else { (COOKIE, REFRESH) };
    append(headers, name.0, access, "/", access_s, secure);
    append(headers, name.1, refresh, REFRESH_PATH, refresh_s, secure);
}

/// Removes both cookies, whichever names they have.
pub(super) fn clear(headers: &mut HeaderMap) {
    for secure in [false, true] {
        set(headers, secure, ("", 0), ("", 0));
    }
}

fn append(headers: &mut HeaderMap, name: &str, value: &str, path: &str, seconds: i64, secure: bool) {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    // Tokens are letters, digits, '.', '_' and '-'.
    if let Ok(value) = HeaderValue::from_str(&text) {
        headers.append(header::SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_for_this_server_alone() {
        let mut headers = HeaderMap::new();
        set(&mut headers, true, ("a.b.c", 300), ("er_x", 3_600));
        set(&mut headers, false, ("a.b.c", 300), ("er_x", 3_600));
        let texts: Vec<_> = headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
        assert_eq!(texts[0], "__Host-earcon_session=a.b.c; Path=/; Max-Age=300; HttpOnly; SameSite=Strict; Secure");
        assert_eq!(
            texts[3],
            "earcon_refresh=er_x; Path=/api/v1/session/refresh; Max-Age=3600; HttpOnly; SameSite=Strict"
        );
        assert!(texts.iter().all(|text| text.contains("HttpOnly; SameSite=Strict")));
    }
}
