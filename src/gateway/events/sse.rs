//! Events as server-sent events.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::timeout;

use super::follower::{FollowRequest, Follower, Frame, NotBegun};
use super::state::EventsState;
use crate::actors::directory::Workspace;
use crate::gateway::http::problem::{Kind, Problem, restarting};
use crate::gateway::http::reply::X_ACCEL_BUFFERING;
use crate::gateway::http::state::{DELETED, Ending, WITHDRAWN};
use earcon_ports::Epochs;
use earcon_tenancy::WorkspacePass;

/// A comment in a silence of this length keeps proxies from closing the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// The comment.
const COMMENT: &[u8] = b":\n\n";
/// The end of an event.
const END: &[u8] = b"\n\n";
/// Messages up to this size are copied, bytes: one chunk is cheaper than three.
const COPIED: usize = 16 * 1024;

pub(super) async fn answer(
    state: EventsState,
    pass: WorkspacePass,
    workspace: Workspace,
    request: FollowRequest,
) -> Response {
    match Follower::begin(state.clone(), pass.clone(), &workspace, request).await {
        Ok(follower) => {
            let events = Body::from_stream(events(follower, state, pass));
            let stream = (header::CONTENT_TYPE, "text/event-stream");
            let not_stored = (header::CACHE_CONTROL, "no-cache");
            // A proxy must not hold events back.
            ([stream, not_stored, (X_ACCEL_BUFFERING, "no")], events).into_response()
        }
        Err(NotBegun::Stopping) => restarting().into_response(),
        Err(NotBegun::NoRoom) => {
            let detail = "too many snapshots are being sent; try again in a second";
            Problem::new(Kind::Unavailable, detail).into_response()
        }
    }
}

/// The bytes of the answer. A large message is written from the memory that all followers share,
/// which counts as an answer until the last of them has taken it.
fn events(
    follower: Follower,
    state: EventsState,
    pass: WorkspacePass,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let frames = stream::unfold(follower, |mut follower| async move {
        follower.ready().await?;
        let frames: Vec<_> = follower.take_ready().collect();
        let epochs = follower.epochs();
        // Frames are shared. Each becomes a text of its own only when the socket takes it.
        let parts = stream::iter(frames.into_iter().flat_map(move |frame| parts(&frame, &epochs)));
        Some((parts, follower))
    });
    let ended = Arc::new(OnceLock::new());
    let (until, begun_with, after) = (ended.clone(), pass.clone(), state.clone());
    let frames = frames.flatten().take_until(async move {
        let _first = until.set(state.ending(&begun_with).await);
    });
    // A browser connects again after any end, so the last event says why that is no use.
    let last = stream::once(async move {
        match ended.get() {
            Some(Ending::Shutdown) => None,
            Some(Ending::Withdrawn) => Some(closed(WITHDRAWN)),
            None => after.is_deleted(&pass).then(|| closed(DELETED)),
        }
    });
    let bytes = frames.chain(last.filter_map(std::future::ready));
    stream::unfold(Box::pin(bytes), |mut bytes| async move {
        match timeout(KEEP_ALIVE, bytes.next()).await {
            Ok(next) => next.map(|next| (Ok(next), bytes)),
            // The parts of an event are ready together, so the comment is between two events.
            Err(_silence) => Some((Ok(Bytes::from_static(COMMENT)), bytes)),
        }
    })
}

/// The last event of a stream that is of no use to ask for again.
fn closed(reason: &str) -> Bytes {
    let data = serde_json::json!({"type": "closed", "reason": reason});
    Bytes::from(format!("event: closed\ndata: {data}\n\n"))
}

/// An event as the standard writes it: its head, its message and its end. Messages are JSON without
/// line breaks, so one `data` line holds each.
fn parts(frame: &Frame, epochs: &Epochs) -> Vec<Bytes> {
    let head = match frame {
        Frame::Event(seq, _) => format!("id: {}:{seq}\ndata: ", epochs.epoch_of(*seq)),
        Frame::Control(name, _) => format!("event: {name}\ndata: "),
    };
    let message = frame.message().payload();
    if message.len() > COPIED {
        return vec![Bytes::from(head), message, Bytes::from_static(END)];
    }
    vec![Bytes::from([head.as_bytes(), &message, END].concat())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::MessageFrame;

    #[test]
    fn a_large_message_is_written_from_the_shared_memory() {
        let epochs = Epochs::new("e-1", 1);
        let written = |frame: &Frame| parts(frame, &epochs).concat();
        let small = Frame::Event(7, MessageFrame::text(r#"{"a":1}"#));
        assert_eq!(written(&small), b"id: e-1:7\ndata: {\"a\":1}\n\n");
        let text = format!("\"{}\"", "x".repeat(COPIED));
        let large = MessageFrame::text(&text);
        let frame = Frame::Control("snapshot", large.clone());
        assert_eq!(written(&frame), format!("event: snapshot\ndata: {text}\n\n").as_bytes());
        assert_eq!(parts(&frame, &epochs)[1].as_ptr(), large.payload().as_ptr(), "no copy");
    }
}
