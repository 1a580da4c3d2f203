//! Events as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};

use super::follower::{FollowRequest, Follower, Frame};
use super::state::EventsState;
use crate::actors::directory::Workspace;
use crate::gateway::http::problem::restarting;
use crate::live::MessageFrame;
use earcon_tenancy::WorkspacePass;

pub(super) async fn answer(
    state: EventsState,
    pass: WorkspacePass,
    workspace: Workspace,
    request: FollowRequest,
) -> Response {
    match Follower::begin(state.clone(), pass, &workspace, request).await {
        Some(follower) => Sse::new(events(follower, state))
            .keep_alive(KeepAlive::new().interval(Duration::from_secs(20)))
            .into_response(),
        None => restarting().into_response(),
    }
}

fn events(follower: Follower, state: EventsState) -> impl Stream<Item = Result<Event, Infallible>> {
    let frames = stream::unfold(follower, |mut follower| async move {
        follower.ready().await?;
        let frames: Vec<_> = follower.take_ready().collect();
        let events: Vec<_> = frames.into_iter().map(|frame| Ok(event(frame, &follower))).collect();
        Some((stream::iter(events), follower))
    });
    frames.flatten().take_until(async move { state.shutting_down().await })
}

fn event(frame: Frame, follower: &Follower) -> Event {
    match frame {
        Frame::Event(seq, message) => {
            Event::default().id(format!("{}:{seq}", follower.epoch_of(seq))).data(text(&message))
        }
        Frame::Control(name, message) => Event::default().event(name).data(text(&message)),
    }
}

/// Server-sent events are always text.
fn text(message: &MessageFrame) -> &str {
    message.as_text().unwrap_or_default()
}
