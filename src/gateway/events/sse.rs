//! Events as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};

use super::follower::{FollowRequest, Follower, Frame, NotBegun};
use super::state::EventsState;
use crate::actors::directory::Workspace;
use crate::gateway::http::problem::{Kind, Problem, restarting};
use crate::gateway::http::reply::X_ACCEL_BUFFERING;
use crate::gateway::http::state::DELETED;
use crate::live::MessageFrame;
use earcon_ports::Epochs;
use earcon_tenancy::WorkspacePass;

/// A comment in a silence of this length keeps proxies from closing the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

pub(super) async fn answer(
    state: EventsState,
    pass: WorkspacePass,
    workspace: Workspace,
    request: FollowRequest,
) -> Response {
    match Follower::begin(state.clone(), pass.clone(), &workspace, request).await {
        Ok(follower) => {
            let events = Sse::new(events(follower, state, pass)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
            // A proxy must not hold events back.
            ([(X_ACCEL_BUFFERING, "no")], events).into_response()
        }
        Err(NotBegun::Stopping) => restarting().into_response(),
        Err(NotBegun::NoRoom) => {
            let detail = "too many snapshots are being sent; try again in a second";
            Problem::new(Kind::Unavailable, detail).into_response()
        }
    }
}

fn events(
    follower: Follower,
    state: EventsState,
    pass: WorkspacePass,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let after = state.clone();
    let frames = stream::unfold(follower, |mut follower| async move {
        follower.ready().await?;
        let frames: Vec<_> = follower.take_ready().collect();
        let epochs = follower.epochs();
        // Frames are shared. Each becomes a text of its own only when the socket takes it.
        let events = frames.into_iter().map(move |frame| Ok(event(frame, &epochs)));
        Some((stream::iter(events), follower))
    });
    // A browser connects again after any end, so the last event says why that is no use.
    let end = stream::once(async move { after.is_deleted(&pass).then(closed) }).filter_map(std::future::ready);
    frames.flatten().chain(end).take_until(async move { state.shutting_down().await })
}

/// The last event of a workspace that was deleted.
fn closed() -> Result<Event, Infallible> {
    let data = serde_json::json!({"type": "closed", "reason": DELETED}).to_string();
    Ok(Event::default().event("closed").data(data))
}

fn event(frame: Frame, epochs: &Epochs) -> Event {
    match frame {
        Frame::Event(seq, message) => {
            Event::default().id(format!("{}:{seq}", epochs.epoch_of(seq))).data(text(&message))
        }
        Frame::Control(name, message) => Event::default().event(name).data(text(&message)),
    }
}

/// Server-sent events are always text.
fn text(message: &MessageFrame) -> &str {
    message.as_text().unwrap_or_default()
}
