//! Request bodies, with our error answers.

use axum::body::Bytes;
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::query::bad;
use crate::gateway::http::state::SharedState;

/// The whole body: axum's `Bytes` with our error answer when it is too large or breaks off.
pub(crate) struct Body(pub(crate) Bytes);

impl<S> FromRequest<S> for Body
where
    SharedState: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| {
            let too_large = rejection.status() == StatusCode::PAYLOAD_TOO_LARGE;
            let kind = if too_large { Kind::TooLarge } else { Kind::BadRequest };
            let most = SharedState::from_ref(state).max_body_bytes;
            Problem::new(kind, format!("{}; a body may have at most {most} bytes", rejection.body_text()))
        })
    }
}

/// Refuses a body that is still encoded. Decoding removes the header, so a header means another
/// encoding.
///
/// # Errors
/// 415 for an encoding that the server does not decode.
pub(crate) fn check_decoded(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
        None | Some(b"identity") => Ok(()),
        Some(encoding) => {
            let detail = format!("send gzip or no encoding, not {:?}", String::from_utf8_lossy(encoding));
            Err(Problem::new(Kind::UnsupportedMediaType, detail))
        }
    }
}

/// A JSON body. Its content type is not looked at.
pub(crate) struct JsonBody<T>(pub(crate) T);

/// A type that a request body is parsed as.
pub(crate) trait FromJson: DeserializeOwned {
    /// The form of such a body; it precedes the parser's error.
    const SHAPE: Option<&'static str> = None;

    /// The value of an empty body; none is an error.
    fn empty() -> Option<Self> {
        None
    }
}

impl<T: FromJson> JsonBody<T> {
    fn parse(body: &[u8]) -> Result<Self, Problem> {
        if body.trim_ascii().is_empty()
            && let Some(empty) = T::empty()
        {
            return Ok(Self(empty));
        }
        serde_json::from_slice(body).map(Self).map_err(|error| match T::SHAPE {
            Some(shape) => bad(&format!("{shape}: {error}")),
            None => bad(&error.to_string()),
        })
    }
}

impl<S, T> FromRequest<S> for JsonBody<T>
where
    SharedState: FromRef<S>,
    S: Send + Sync,
    T: FromJson,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Body(body) = Body::from_request(request, state).await?;
        Self::parse(&body)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Note {
        note: Option<String>,
    }

    impl FromJson for Note {
        const SHAPE: Option<&'static str> = Some("{\"note\": \"…\"} or {}");

        fn empty() -> Option<Self> {
            Some(Self::default())
        }
    }

    #[test]
    fn an_error_names_the_shape_of_the_body() {
        let problem = JsonBody::<Note>::parse(b"[").map(|body| body.0).unwrap_err();
        assert!(problem.detail().starts_with("{\"note\": \"…\"} or {}: "), "{}", problem.detail());
    }

    #[test]
    fn an_empty_body_is_the_default_if_the_type_has_one() {
        assert_eq!(JsonBody::<Note>::parse(b" \n").unwrap().0, Note::default());
    }
}
