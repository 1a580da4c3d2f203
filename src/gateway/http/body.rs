//! The whole body of a request, with our error answers.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;

use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::state::Gateway;

/// Like axum's `Bytes`, with our error answer when it is too large or breaks off.
pub(crate) struct Body(pub(crate) Bytes);

impl FromRequest<Gateway> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Problem> {
        Bytes::from_request(request, gateway).await.map(Self).map_err(|rejection| {
            let too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
            let kind = if too_large { Kind::TooLarge } else { Kind::BadRequest };
            let most = gateway.limits.max_body_bytes;
            Problem::new(kind, format!("{}; a body may have at most {most} bytes", rejection.body_text()))
        })
    }
}
