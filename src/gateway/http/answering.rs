//! The body of an answer, until it is written.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;

use super::activity::Phase;
use super::connection::Peer;
use super::problem::no_room;
use super::room::{Budget, Reservation};

/// Answers up to this size are written whatever else is held: a socket takes them at once.
const SMALL: u64 = 16 * 1024;

/// The body of an answer. Its bytes are counted until the last copy of them is dropped, and its
/// connection is busy until it has ended.
struct Answering {
    body: Body,
    peer: Option<Peer>,
    held: Option<Reservation>,
}

/// Counts the bytes of an answer until it is written. If there is no room for them, the answer is
/// 503 instead.
pub(crate) fn counted(response: Response, peer: Option<Peer>, answers: &Budget) -> Response {
    let size = response.body().size_hint().exact().filter(|size| *size > SMALL);
    let held = size.map(|size| answers.reserve(usize::try_from(size).unwrap_or(usize::MAX)));
    let response = match &held {
        Some(None) => no_room().into_response(),
        Some(Some(_)) | None => response,
    };
    if let Some(peer) = &peer {
        peer.activity().enter(Phase::Answering, Instant::now());
    }
    response.map(|body| Body::new(Answering { body, peer, held: held.flatten() }))
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(peer) = &self.peer {
            peer.activity().advance(Phase::Answering, Phase::Idle, Instant::now());
        }
    }
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        // hyper drops a body that has ended before it has written its bytes.
        Poll::Ready(frame.map(|frame| {
            Ok(match (frame?.into_data(), self.held.take()) {
                (Ok(data), Some(held)) => Frame::data(held.of(data)),
                (Ok(data), None) => Frame::data(data),
                (Err(other), held) => {
                    self.held = held;
                    other
                }
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
