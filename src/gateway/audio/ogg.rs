//! `GET …/mixes/{mix}/live.ogg`: plays in mpv, VLC, ffplay and a browser's `<audio>`.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use tokio::sync::broadcast::error::RecvError;

use super::state::AudioState;
use super::transmitter::Tuned;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::problem::{Problem, restarting};
use crate::gateway::http::query::mix_name;
use crate::telemetry::{Metric, count};
use earcon_audio::{ListenerStream, Page};

struct Stream {
    tuned: Tuned<Arc<Page>>,
    /// Begins with the first page, because the listener's positions begin where it joined.
    listener: Option<ListenerStream>,
}

/// Endless Ogg Opus.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/mixes/{mix}/live.ogg", tag = "mixes",
    params(("workspace" = String, Path), ("mix" = String, Path)),
    responses((status = 200, description = "endless Ogg Opus, 48 kHz stereo", content_type = "audio/ogg", body = Vec<u8>), (status = 404, description = "no such mix")))]
pub(crate) async fn listen(
    State(state): State<AudioState>,
    authorized: Authorized,
    Path((_, mix)): Path<(String, String)>,
) -> Result<Response, Problem> {
    mix_name(&mix)?;
    let workspace = authorized.workspace(&state).await?;
    let listening = workspace.listen().await.ok_or_else(restarting)?;
    let tuned = state.transmitters.pages(workspace.id(), listening, &state.shutdown);
    let title = format!("Earcon: {}", workspace.id());
    let body = stream::unfold(Stream { tuned, listener: None }, next_page).map(Ok::<Bytes, Infallible>);
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

/// The next bytes to send; `None` after the last page of a mix that stopped, or of a server that
/// shuts down.
async fn next_page(mut stream: Stream) -> Option<(Bytes, Stream)> {
    loop {
        match stream.tuned.receiver.recv().await {
            Ok(page) => return Some((stream.put(&page), stream)),
            // Late sound is useless: the stream continues seamlessly with live sound.
            Err(RecvError::Lagged(missed)) => {
                count(Metric::ListenerDropped, missed + stream.tuned.receiver.len() as u64);
                stream.tuned.receiver = stream.tuned.receiver.resubscribe();
            }
            Err(RecvError::Closed) => return None,
        }
    }
}

impl Stream {
    fn put(&mut self, page: &Page) -> Bytes {
        match &mut self.listener {
            Some(listener) => listener.write(page),
            None => {
                let (mut listener, headers) =
                    ListenerStream::begin(serial(), self.tuned.listening.pre_skip, page.begins_at());
                let first = listener.write(page);
                self.listener = Some(listener);
                [headers, first].concat().into()
            }
        }
    }
}

/// Ogg requires a serial number for each logical stream.
fn serial() -> u32 {
    uuid::Uuid::new_v4().as_fields().0
}
