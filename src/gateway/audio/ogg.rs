//! `GET …/mixes/{mix}/live.ogg`: plays in mpv, VLC, ffplay and a browser's `<audio>`.
//!
//! The answer goes past hyper, on the connection itself, and ends with the connection.

use axum::extract::{ConnectInfo, Path, State};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};

use super::members::PageMember;
use super::state::AudioState;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::connection::{Peer, endless_head};
use crate::gateway::http::policy::POLICY;
use crate::gateway::http::problem::{Kind, Problem, restarting};
use crate::gateway::http::query::mix_name;

/// Endless Ogg Opus.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/mixes/{mix}/live.ogg", tag = "mixes",
    params(("workspace" = String, Path), ("mix" = String, Path)),
    responses((status = 200, description = "endless Ogg Opus, 48 kHz stereo", content_type = "audio/ogg", body = Vec<u8>), (status = 404, description = "no such mix")))]
pub(crate) async fn listen(
    State(state): State<AudioState>,
    authorized: Authorized,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path((_, mix)): Path<(String, String)>,
    method: Method,
) -> Result<Response, Problem> {
    mix_name(&mix)?;
    authorized.may_hear(&mix)?;
    let workspace = authorized.workspace(&state).await?;
    let headers = [
        (header::CONTENT_TYPE.as_str(), "audio/ogg".to_owned()),
        (header::CACHE_CONTROL.as_str(), "no-cache, no-store".to_owned()),
        ("icy-name", format!("Earcon: {}", workspace.id())),
        ("icy-br", "64".to_owned()),
        // The answer goes past the front, which gives others these.
        (header::X_CONTENT_TYPE_OPTIONS.as_str(), "nosniff".to_owned()),
        (header::REFERRER_POLICY.as_str(), "no-referrer".to_owned()),
        (header::CONTENT_SECURITY_POLICY.as_str(), POLICY.to_owned()),
    ];
    let mut answer = headers.into_response();
    if let Some(hsts) = peer.hsts() {
        answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    if method == Method::HEAD {
        return Ok(answer);
    }
    let listening = workspace.listen().await.ok_or_else(restarting)?;
    let Some(outlet) = peer.take() else {
        return Err(Problem::new(Kind::BadRequest, "read the earlier answers of this connection first"));
    };
    let head = endless_head(answer.headers(), state.clock.now_ms());
    let member = PageMember::new(outlet, listening, head, peer.times().write);
    let member = match authorized.pass().principal().account() {
        Some(_) => {
            let (shared, pass) = (state.clone(), authorized.pass().clone());
            member.while_true(move || shared.access.holds(&pass, shared.clock.now_ms()))
        }
        None => member,
    };
    state.transmitters.join_pages(workspace.id(), member, &state.shutdown).stay();
    // hyper has lost the connection: this ends its part.
    Ok([(header::CONNECTION, "close")].into_response())
}
