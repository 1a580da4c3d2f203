//! `GET …/mixes/{mix}/live`: raw Opus packets over a WebSocket, for WebCodecs.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use bytes::Bytes;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::state::AudioState;
use super::transmitter::{Tuned, config_frame, voices_frame};
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::problem::{Problem, restarting};
use crate::gateway::http::query::mix_name;
use crate::gateway::websocket::{Frames, Socket, SocketLimits, Upgrade};
use crate::telemetry::{Metric, count};

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
    let tuned = state.transmitters.frames(workspace.id(), listening, &state.shutdown);
    Ok(upgrade.accept(LIMITS, move |socket| send(socket, tuned, state)))
}

async fn send(mut socket: Socket, mut tuned: Tuned<Bytes>, state: AudioState) {
    let mut frames = Frames::default();
    frames.push(config_frame(tuned.listening.pre_skip).wire());
    frames.push(voices_frame(&tuned.listening.voices).wire());
    let shutdown = state.shutting_down();
    tokio::pin!(shutdown);
    while socket.send(&mut frames).await.is_ok() {
        tokio::select! {
            piece = tuned.receiver.recv() => match piece {
                Ok(piece) => {
                    frames.push(piece);
                    gather(&mut tuned, &mut frames);
                }
                Err(RecvError::Lagged(missed)) => skip(&mut tuned, missed),
                Err(RecvError::Closed) => break,
            },
            incoming = socket.receive() => if incoming.is_err() { return },
            () = &mut shutdown => break,
        }
    }
    socket.close(CloseCode::Away, "the mix ends").await;
}

/// Adds frames that are ready, so that they leave in the same write.
fn gather(tuned: &mut Tuned<Bytes>, frames: &mut Frames) {
    loop {
        match tuned.receiver.try_recv() {
            Ok(piece) => frames.push(piece),
            Err(TryRecvError::Lagged(missed)) => skip(tuned, missed),
            Err(TryRecvError::Empty | TryRecvError::Closed) => return,
        }
    }
}

/// Skips to live sound: late sound is useless.
fn skip(tuned: &mut Tuned<Bytes>, missed: u64) {
    count(Metric::ListenerDropped, missed + tuned.receiver.len() as u64);
    tuned.receiver = tuned.receiver.resubscribe();
}
