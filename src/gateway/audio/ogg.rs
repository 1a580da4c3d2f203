//! `GET …/mixes/{mix}/live.ogg`: plays in mpv, VLC, ffplay and a browser's `<audio>`.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use tokio::sync::broadcast::error::RecvError;

use crate::actors::mix::{Listening, Packet, Sound};
use crate::audio::{FRAME_SAMPLES, OggOpusWriter};
use crate::gateway::Gateway;
use crate::gateway::authorized::Authorized;
use crate::gateway::mixes::check_name;
use crate::gateway::problem::{Problem, restarting};
use crate::telemetry::{Metric, count};

/// Samples of a packet at 48 kHz.
const PACKET_SAMPLES: u64 = FRAME_SAMPLES as u64;

struct Pages {
    listening: Listening,
    /// Begins with the first packet, because the stream's positions begin where the listener joined.
    writer: Option<OggOpusWriter>,
}

/// Endless Ogg Opus.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/mixes/{mix}/live.ogg", tag = "mixes",
    params(("workspace" = String, Path), ("mix" = String, Path)),
    responses((status = 200, description = "endless Ogg Opus, 48 kHz stereo", content_type = "audio/ogg", body = Vec<u8>), (status = 404, description = "no such mix")))]
pub(crate) async fn listen(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, mix)): Path<(String, String)>,
) -> Result<Response, Problem> {
    check_name(&mix)?;
    let workspace = authorized.workspace(&gateway).await?;
    let listening = workspace.listen().await.ok_or_else(restarting)?;
    let title = format!("Earcon: {}", workspace.id());
    let pages = Pages { listening, writer: None };
    let body = stream::unfold(Some(pages), move |pages| next_page(pages, gateway.clone())).map(Ok::<Bytes, Infallible>);
    let headers = [
        (header::CONTENT_TYPE.as_str(), "audio/ogg".to_owned()),
        (header::CACHE_CONTROL.as_str(), "no-cache, no-store".to_owned()),
        ("icy-name", title),
        ("icy-br", "64".to_owned()),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN.as_str(), "*".to_owned()),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS.as_str(), "icy-name, icy-br".to_owned()),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// The next bytes to send, or the end: the last page of a mix that stopped, or of a server that shuts down.
async fn next_page(pages: Option<Pages>, gateway: Gateway) -> Option<(Bytes, Option<Pages>)> {
    let mut pages = pages?;
    let shutdown = gateway.shutting_down();
    tokio::pin!(shutdown);
    loop {
        let sound = tokio::select! {
            sound = pages.listening.sounds.recv() => sound,
            () = &mut shutdown => Err(RecvError::Closed),
        };
        match sound {
            Ok(Sound::Packet(packet)) => {
                if let Some(page) = pages.push(&packet) {
                    return Some((page, Some(pages)));
                }
            }
            Ok(Sound::Voices(_) | Sound::Cue(_)) => {}
            // What was missed is gone; the stream goes on seamlessly with what is live.
            Err(RecvError::Lagged(missed)) => count(Metric::ListenerDropped, missed),
            Err(RecvError::Closed) => return pages.writer.and_then(OggOpusWriter::finish).map(|last| (last, None)),
        }
    }
}

impl Pages {
    fn push(&mut self, packet: &Packet) -> Option<Bytes> {
        match &mut self.writer {
            Some(writer) => writer.push(packet.opus()),
            None => {
                let joined_at = packet.number() * PACKET_SAMPLES;
                let (mut writer, headers) = OggOpusWriter::start(serial(), self.listening.pre_skip, joined_at);
                let page = writer.push(packet.opus());
                self.writer = Some(writer);
                Some(page.map_or(headers.clone(), |page| [headers, page].concat().into()))
            }
        }
    }
}

/// Ogg wants each logical stream to have a serial number of its own.
fn serial() -> u32 {
    uuid::Uuid::new_v4().as_fields().0
}
