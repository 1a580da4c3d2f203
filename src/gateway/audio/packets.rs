//! `GET …/mixes/{mix}/live`: raw Opus packets over a WebSocket, for WebCodecs.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::Response;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::actors::mix::{Listening, Sound};
use crate::audio::{Cue, Severity, Voice};
use crate::gateway::Gateway;
use crate::gateway::authorized::Authorized;
use crate::gateway::mixes::{WireVoice, check_name};
use crate::gateway::problem::{Problem, restarting};
use crate::live::wire::{label_map, to_json};
use crate::telemetry::{Metric, count};

/// A listener that takes nothing for this long is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);

/// Raw Opus packets: text `config`, then binary packets, with `voices` and `cue` texts in between.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/mixes/{mix}/live", tag = "mixes",
    params(("workspace" = String, Path), ("mix" = String, Path)),
    responses((status = 101, description = "a WebSocket; see docs/protocol.md for its messages"), (status = 400, description = "not a WebSocket request"), (status = 404, description = "no such mix")))]
pub(crate) async fn listen(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, mix)): Path<(String, String)>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    check_name(&mix)?;
    let upgrade = upgrade.map_err(|rejection| crate::gateway::query::bad(&rejection.body_text()))?;
    let workspace = authorized.workspace(&gateway).await?;
    let listening = workspace.listen().await.ok_or_else(restarting)?;
    Ok(upgrade.max_message_size(4_096).on_upgrade(move |socket| send(socket, listening, gateway)))
}

async fn send(socket: WebSocket, mut listening: Listening, gateway: Gateway) {
    let (mut outgoing, mut incoming) = socket.split();
    let hello = [Message::Text(config_json(listening.pre_skip).into()), voices_message(&listening.voices)];
    let mut open = push(&mut outgoing, hello).await;
    let shutdown = gateway.shutting_down();
    tokio::pin!(shutdown);
    while open {
        open = tokio::select! {
            sound = listening.sounds.recv() => match sound {
                Ok(sound) => push(&mut outgoing, [message(&sound)]).await,
                Err(RecvError::Lagged(missed)) => {
                    count(Metric::ListenerDropped, missed);
                    true
                }
                Err(RecvError::Closed) => false,
            },
            incoming = incoming.next() => !matches!(incoming, None | Some(Err(_) | Ok(Message::Close(_)))),
            () = &mut shutdown => false,
        };
    }
    let _gone = timeout(Duration::from_secs(1), outgoing.close()).await.is_err();
}

async fn push(outgoing: &mut SplitSink<WebSocket, Message>, messages: impl IntoIterator<Item = Message>) -> bool {
    let sending = async {
        for message in messages {
            outgoing.feed(message).await?;
        }
        outgoing.flush().await
    };
    matches!(timeout(SEND_TIMEOUT, sending).await, Ok(Ok(())))
}

fn message(sound: &Sound) -> Message {
    match sound {
        Sound::Packet(packet) => Message::Binary(packet.framed()),
        Sound::Voices(voices) => voices_message(voices),
        Sound::Cue(cue) => Message::Text(cue_json(cue).into()),
    }
}

fn config_json(pre_skip: u16) -> String {
    to_json(&serde_json::json!({
        "type": "config", "codec": "opus", "sample_rate": 48_000, "channels": 2, "frame_ms": 20, "pre_skip": pre_skip,
    }))
}

fn voices_message(voices: &[Voice]) -> Message {
    #[derive(Serialize)]
    struct Voices<'a> {
        r#type: &'static str,
        voices: Vec<WireVoice<'a>>,
    }
    Message::Text(to_json(&Voices { r#type: "voices", voices: voices.iter().map(WireVoice::of).collect() }).into())
}

fn cue_json(cue: &Cue) -> String {
    let severity = match cue.severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    };
    to_json(&serde_json::json!({
        "type": "cue", "severity": severity, "kpi": cue.kpi.as_str(),
        "labels": label_map(&cue.labels), "anomaly": cue.anomaly.map(|id| id.to_string()),
    }))
}
