//! Following as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};

use super::follower::{Follower, Frame, Payload, Wanted};
use crate::actors::directory::Workspace;
use crate::gateway::Gateway;
use crate::gateway::problem::restarting;
use crate::tenancy::WorkspacePass;

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
        let frames = follower.next().await?;
        let events: Vec<_> = frames.into_iter().map(|frame| Ok(event(frame, follower.epoch()))).collect();
        Some((stream::iter(events), follower))
    });
    frames.flatten().take_until(async move { gateway.shutting_down().await })
}

fn event(frame: Frame, epoch: &str) -> Event {
    match frame {
        Frame::Event(resume, Payload::Text(text)) => {
            Event::default().id(format!("{epoch}:{resume}")).data(text.as_str())
        }
        // Nobody asks for it here: what is no text cannot be sent.
        Frame::Event(_, Payload::Binary(_)) => Event::default(),
        Frame::Control(name, text) => Event::default().event(name).data(text.as_str()),
    }
}
