//! Request bodies, with our error answers.

use std::error::Error;

use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRef, FromRequest, Request};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use crate::gateway::http::arriving::BodyFault;
use crate::gateway::http::media_type::MediaType;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::query::bad;
use crate::gateway::http::room::Budget;
use crate::gateway::http::state::SharedState;
use earcon_intake::{json_problem, without_bom};

/// The whole body. Its bytes are counted until the last copy of them is dropped.
pub(crate) struct Body(pub(crate) Bytes);

impl<S> FromRequest<S> for Body
where
    SharedState: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let state = SharedState::from_ref(state);
        gather(request.into_body(), state.max_body_bytes, &state.requests).await.map(Self)
    }
}

/// Reads a body of at most `most` bytes, as long as there is room for it.
async fn gather(body: axum::body::Body, most: usize, room: &Budget) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(Kind::TooLarge, format!("a body may have at most {most} bytes"));
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let mut held = room.nothing();
    let (mut parts, mut length) = (Vec::new(), 0);
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(fault)?;
        length += piece.len();
        if length > most {
            return Err(too_large());
        }
        if !held.grow_arriving(piece.len()) {
            let detail = "too many bytes of requests are being handled; try again in a second";
            return Err(Problem::new(Kind::Unavailable, detail));
        }
        parts.push(piece);
    }
    // Most bodies arrive in one piece. Others are joined when they are whole: a buffer that grows
    // has up to twice their size.
    let whole = match parts.len() {
        1 => parts.pop().unwrap_or_default(),
        _ => parts.concat().into(),
    };
    Ok(held.of(whole))
}

/// The answer to a body that does not arrive.
pub(crate) fn fault(error: axum::Error) -> Problem {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(error) = cause {
        if let Some(fault) = error.downcast_ref::<BodyFault>() {
            let kind = if matches!(fault, BodyFault::TooSlow) { Kind::TooSlow } else { Kind::BadRequest };
            return Problem::new(kind, fault.to_string());
        }
        cause = error.source();
    }
    bad(&format!("the body did not arrive whole: {error}"))
}

/// Refuses a body that is still encoded. Decoding removes the header, so a header means another
/// encoding.
///
/// # Errors
/// 415 for an encoding that the server does not decode.
pub(crate) fn check_decoded(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
        None => Ok(()),
        Some(encoding) => {
            let detail = format!("send gzip or no encoding, not {:?}", String::from_utf8_lossy(encoding));
            Err(Problem::new(Kind::UnsupportedMediaType, detail))
        }
    }
}

/// Refuses a body that does not say that it is JSON. A page of another site cannot send such a body
/// without asking first.
///
/// # Errors
/// 415 for another content type.
pub(crate) fn check_json(headers: &HeaderMap) -> Result<(), Problem> {
    check_decoded(headers)?;
    match MediaType::of(headers) {
        Some(named) if named.essence() == "application/json" => Ok(()),
        other => {
            let named = other.as_ref().map_or("no content type", MediaType::essence);
            Err(Problem::new(Kind::UnsupportedMediaType, format!("send application/json, not {named}")))
        }
    }
}

/// A JSON body, which its content type must say.
pub(crate) struct JsonBody<T>(pub(crate) T);

/// A type that a request body is parsed as. Its JSON form is an object: the parser would also take
/// a list of the members' values in their order.
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
        let refused = |error: &dyn std::fmt::Display| match T::SHAPE {
            Some(shape) => bad(&format!("{shape}: {error}")),
            None => bad(&error.to_string()),
        };
        if without_bom(body).trim_ascii_start().first() == Some(&b'[') {
            return Err(refused(&"the body must be an object, not a list"));
        }
        let body = without_bom(body);
        serde_json::from_slice(body).map(Self).map_err(|error| refused(&json_problem(&error, body)))
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
        // A request without a body needs no content type.
        let checked = check_json(request.headers());
        let named = MediaType::of(request.headers()).is_some();
        let Body(body) = Body::from_request(request, state).await?;
        if named || !body.is_empty() {
            checked?;
        }
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
        let list = JsonBody::<Note>::parse(b" [null]").map(|body| body.0).unwrap_err();
        assert!(list.detail().ends_with("not a list"), "{}", list.detail());
        assert_eq!(JsonBody::<Note>::parse(b"{}").map(|body| body.0).ok(), Some(Note::default()));
    }

    #[tokio::test]
    async fn a_body_is_whole_or_refused() {
        use crate::telemetry::Metric;
        let room = Budget::new(12, Metric::RequestBytes);
        let body = |pieces: &[&'static str]| {
            let pieces: Vec<_> =
                pieces.iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes()))).collect();
            axum::body::Body::from_stream(futures_util::stream::iter(pieces))
        };
        for (pieces, whole) in [(&["abc"][..], "abc"), (&["a", "", "bc", "d"], "abcd"), (&[], "")] {
            assert_eq!(gather(body(pieces), 8, &room).await.unwrap(), whole);
        }
        let kind = |result: Result<Bytes, Problem>| result.unwrap_err().status().as_u16();
        assert_eq!(kind(gather(body(&["abcde", "fghi"]), 8, &room).await), 413);
        let held = gather(body(&["abcdef"]), 8, &room).await.unwrap();
        assert_eq!(kind(gather(body(&["abc", "de"]), 8, &room).await), 503);
        drop(held);
        assert!(gather(body(&["abc", "de"]), 8, &room).await.is_ok());
    }

    #[test]
    fn an_empty_body_is_the_default_if_the_type_has_one() {
        assert_eq!(JsonBody::<Note>::parse(b" \n").unwrap().0, Note::default());
    }
}
