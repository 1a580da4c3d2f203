//! `GET …/mixes/{mix}/live`: raw Opus packets over a WebSocket, for WebCodecs.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::members::FrameMember;
use super::state::AudioState;
use super::transmitter::config_frame;
use crate::actors::mix::Listening;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::problem::{Problem, restarting};
use crate::gateway::http::query::mix_name;
use crate::gateway::websocket::{Socket, SocketLimits, Upgrade};
use earcon_model::WorkspaceId;

const LIMITS: SocketLimits = SocketLimits { max_message: 4_096, send_timeout: Duration::from_secs(20) };

/// Raw Opus packets: text `config`, then binary packets, with `voices` and `cue` texts in between.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/mixes/{mix}/live", tag = "mixes",
    params(("workspace" = String, Path), ("mix" = String, Path)),
    responses((status = 101, description = "a WebSocket; see docs/protocol.md for its messages"), (status = 400, description = "not a WebSocket request"), (status = 404, description = "no such mix")))]
pub(crate) async fn listen(
    State(state): State<AudioState>,
    authorized: Authorized,
    Path((_, mix)): Path<(String, String)>,
    upgrade: Result<Upgrade, Problem>,
) -> Result<Response, Problem> {
    mix_name(&mix)?;
    let upgrade = upgrade?;
    let workspace = authorized.workspace(&state).await?;
    let listening = workspace.listen().await.ok_or_else(restarting)?;
    let id = workspace.id().clone();
    Ok(upgrade.accept(LIMITS, move |socket| send(socket, listening, state, id)))
}

/// Reads from the listener, while the task of its shard writes to it.
async fn send(mut socket: Socket, listening: Listening, state: AudioState, workspace: WorkspaceId) {
    let config = config_frame(listening.pre_skip).wire();
    let (member, removed) = FrameMember::new(socket.outlet(), listening, config, LIMITS.send_timeout);
    let membership = state.transmitters.join_frames(&workspace, member, &state.shutdown);
    let shutdown = state.shutting_down();
    tokio::pin!(shutdown, removed);
    loop {
        tokio::select! {
            incoming = socket.receive() => if incoming.is_err() { return },
            _ = &mut removed => break,
            () = &mut shutdown => break,
        }
    }
    drop(membership);
    socket.close(CloseCode::Away, "the mix ends").await;
}
