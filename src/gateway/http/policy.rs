//! What browsers may do with an answer.

/// The policy of everything but the dashboard's page, which has one of its own.
pub(crate) const POLICY: &str = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; \
frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
