//! The body of an answer while it arrives, under the limits of its request.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use earcon_ports::{HttpBody, HttpError, HttpErrorKind};
use futures_util::{StreamExt, TryStreamExt, stream};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};

use crate::failure::error;
use crate::places::Place;

/// The limits of a body, and where it comes from.
pub(crate) struct Bounds {
    pub(crate) origin: String,
    pub(crate) answer_bytes: usize,
    pub(crate) silence: Duration,
    pub(crate) deadline: Instant,
}

impl Bounds {
    fn too_large(&self) -> HttpError {
        let reason = format!("the answer is larger than {} bytes", self.answer_bytes);
        error(HttpErrorKind::TooLarge, &self.origin, reason)
    }

    /// The next part of a body. `None` at its end.
    async fn next(&self, body: &mut Incoming, received: &mut usize) -> Result<Option<Bytes>, HttpError> {
        loop {
            let until = self.deadline.min(Instant::now() + self.silence);
            let frame = timeout_at(until, body.frame()).await.map_err(|_| {
                error(HttpErrorKind::TimedOut, &self.origin, "the answer did not arrive in time, only its beginning")
            })?;
            let Some(frame) = frame else { return Ok(None) };
            let frame = frame.map_err(|broken| {
                error(HttpErrorKind::Broken, &self.origin, format!("the answer ended too early: {broken}"))
            })?;
            // Trailers are not read.
            let Ok(bytes) = frame.into_data() else { continue };
            *received = received.saturating_add(bytes.len());
            if *received > self.answer_bytes {
                return Err(self.too_large());
            }
            return Ok(Some(bytes));
        }
    }
}

/// The body, which holds the place of its request.
///
/// # Errors
/// `TooLarge` when the head says that it is.
pub(crate) fn bounded(body: Incoming, bounds: Bounds, place: Place) -> Result<HttpBody, HttpError> {
    // A larger one is not begun.
    if body.size_hint().lower() > bounds.answer_bytes as u64 {
        return Err(bounds.too_large());
    }
    let parts = stream::unfold(Some((body, bounds, place, 0)), |state| async move {
        let (mut body, bounds, place, mut received) = state?;
        match bounds.next(&mut body, &mut received).await {
            Ok(None) => None,
            Ok(Some(bytes)) => Some((Ok(bytes), Some((body, bounds, place, received)))),
            Err(failed) => Some((Err(failed), None)),
        }
    });
    Ok(parts.boxed())
}

/// The whole body.
///
/// # Errors
/// Those of its parts.
pub(crate) async fn whole(body: HttpBody) -> Result<Bytes, HttpError> {
    let mut parts: Vec<Bytes> = body.try_collect().await?;
    if parts.len() == 1 {
        return Ok(parts.remove(0));
    }
    let mut all = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
    parts.iter().for_each(|part| all.extend_from_slice(part));
    Ok(all.freeze())
}
