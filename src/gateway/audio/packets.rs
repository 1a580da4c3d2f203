//! `GET …/mixes/{mix}/live`: raw Opus packets over a WebSocket, for WebCodecs.

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
use crate::gateway::http::state::{DELETED, Ending, SharedState, WITHDRAWN};
use crate::gateway::websocket::{Socket, Upgrade};
use earcon_tenancy::WorkspacePass;

/// Largest message of a listener, which has nothing to say.
const MAX_MESSAGE: usize = 4_096;

/// Raw Opus packets: text `config`, then binary packets, with `voices` and `cue` texts in between.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/mixes/{mix}/live", tag = "mixes",
    params(("workspace" = String, Path), ("mix" = String, Path)),
    responses((status = 101, description = "a WebSocket; see docs/protocol.md for its messages"), (status = 400, description = "not a WebSocket request"), (status = 404, description = "no such mix"), (status = 426, description = "another version of WebSocket")))]
pub(crate) async fn listen(
    State(state): State<AudioState>,
    authorized: Authorized,
    Path((_, mix)): Path<(String, String)>,
    upgrade: Result<Upgrade, Problem>,
) -> Result<Response, Problem> {
    mix_name(&mix)?;
    authorized.may_hear(&mix)?;
    let upgrade = upgrade?;
    let workspace = authorized.workspace(&state).await?;
    let listening = workspace.listen().await.ok_or_else(restarting)?;
    let pass = authorized.pass().clone();
    let shared = SharedState::clone(&state);
    Ok(upgrade.accept(MAX_MESSAGE, &shared, move |socket| send(socket, listening, state, pass)))
}

/// Reads from the listener, while the task of its shard writes to it.
async fn send(mut socket: Socket, listening: Listening, state: AudioState, pass: WorkspacePass) {
    let config = config_frame(listening.pre_skip).wire();
    let (member, removed) = FrameMember::new(socket.outlet(), listening, config, socket.patience());
    let membership = state.transmitters.join_frames(pass.workspace(), member, &state.shutdown);
    let ending = state.ending(&pass);
    tokio::pin!(ending, removed);
    let mut withdrawn = false;
    let ended = loop {
        tokio::select! {
            incoming = socket.receive() => if let Err(ended) = incoming { break Some(ended) },
            _ = &mut removed => break None,
            ending = &mut ending => {
                withdrawn = ending == Ending::Withdrawn;
                break None;
            }
        }
    };
    // No packet may follow the close.
    drop(membership);
    match ended {
        Some(ended) => socket.end(ended).await,
        None if withdrawn => socket.close(CloseCode::Policy, WITHDRAWN).await,
        None if state.is_deleted(&pass) => socket.close(CloseCode::Normal, DELETED).await,
        None => socket.close(CloseCode::Restart, "the mix ends; connect again").await,
    }
}
