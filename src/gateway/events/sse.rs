//! Following as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};

use super::follower::{Follower, Frame, Wanted};
use crate::actors::directory::Workspace;
use crate::gateway::http::problem::restarting;
use crate::gateway::http::state::Gateway;
use crate::live::MessageFrame;
use earcon_tenancy::WorkspacePass;

pub(super) async fn answer(gateway: Gateway, pass: WorkspacePass, workspace: Workspace, wanted: Wanted) -> Response {
    match Follower::begin(gateway.clone(), pass, &workspace, wanted).await {
        Some(follower) => Sse::new(events(follower, gateway))
            .keep_alive(KeepAlive::new().interval(Duration::from_secs(20)))
            .into_response(),
        None => restarting().into_response(),
    }
}

fn events(follower: Follower, gateway: Gateway) -> impl Stream<Item = Result<Event, Infallible>> {
    let frames = stream::unfold(follower, |mut follower| async move {
        follower.ready().await?;
        let frames: Vec<_> = follower.take().collect();
        let events: Vec<_> = frames.into_iter().map(|frame| Ok(event(frame, follower.epoch()))).collect();
        Some((stream::iter(events), follower))
    });
    frames.flatten().take_until(async move { gateway.shutting_down().await })
}

fn event(frame: Frame, epoch: &str) -> Event {
    match frame {
        Frame::Event(seq, message) => Event::default().id(format!("{epoch}:{seq}")).data(text(&message)),
        Frame::Control(name, message) => Event::default().event(name).data(text(&message)),
    }
}

/// Server-sent events are always text.
fn text(message: &MessageFrame) -> &str {
    message.as_text().unwrap_or_default()
}
