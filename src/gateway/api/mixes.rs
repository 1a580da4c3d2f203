//! Mixes: their settings, and the voices that sound.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::actors::mix::{DEFAULT_MIX, MixChange, MixView};
use crate::actors::workspace::command::{ChangeMix, DescribeMix};
use crate::gateway::api::state::ApiState;
use crate::gateway::audio::voice::WireVoice;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::{FromJson, JsonBody};
use crate::gateway::http::problem::Problem;
use crate::gateway::http::query::{self, bad};
use crate::gateway::http::reply::{expected_revision, json};
use earcon_audio::{Mode, Polarity};
use earcon_model::KpiName;
use earcon_ports::PortError;

/// A mix.
#[derive(Serialize, ToSchema)]
#[schema(as = Mix)]
pub(crate) struct WireMix<'a> {
    id: &'static str,
    title: &'static str,
    /// `ambient` or `cues`.
    mode: &'static str,
    voices: u8,
    /// `up` or `down` by KPI; up when absent.
    polarity: BTreeMap<String, &'static str>,
    revision: u64,
    /// Whether it is rendered right now.
    running: bool,
    listeners: usize,
    sounding: Vec<WireVoice<'a>>,
}

/// The mixes of a workspace.
#[derive(Serialize, ToSchema)]
pub(crate) struct Mixes<'a> {
    mixes: Vec<WireMix<'a>>,
}

impl<'a> WireMix<'a> {
    fn from_view(view: &'a MixView) -> Self {
        let polarity = |polarity: &Polarity| match polarity {
            Polarity::Up => "up",
            Polarity::Down => "down",
        };
        Self {
            id: DEFAULT_MIX,
            title: "All KPIs",
            mode: match view.settings.mode {
                Mode::Ambient => "ambient",
                Mode::Cues => "cues",
            },
            voices: view.settings.voices,
            polarity: view.settings.polarity.iter().map(|(kpi, way)| (kpi.to_string(), polarity(way))).collect(),
            revision: view.revision,
            running: view.running,
            listeners: view.listeners,
            sounding: view.sounding.iter().map(WireVoice::from_voice).collect(),
        }
    }
}

/// Settings to change; absent ones stay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChangeBody {
    /// `ambient` or `cues`.
    #[schema(value_type = Option<String>)]
    mode: Option<Mode>,
    /// 0 to 8 KPIs in the foreground.
    voices: Option<u8>,
    /// `up` or `down` by KPI.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    polarity: Option<BTreeMap<KpiName, Polarity>>,
}

impl FromJson for ChangeBody {}

const MAX_VOICES: u8 = 8;
const MAX_POLARITIES: usize = 10_000;

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(one, change))
}

/// The mixes of a workspace.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/mixes", tag = "mixes",
    params(("workspace" = String, Path)), responses((status = 200, body = Mixes), (status = 404, description = "no such workspace")))]
pub(crate) async fn list(State(gateway): State<ApiState>, authorized: Authorized) -> Result<Response, Problem> {
    let workspace = authorized.workspace(&gateway).await?;
    let view = workspace.execute(DescribeMix).await?;
    Ok(json(&Mixes { mixes: vec![WireMix::from_view(&view)] }))
}

/// One mix.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/mixes/{mix}", tag = "mixes",
    params(("workspace" = String, Path), ("mix" = String, Path)),
    responses((status = 200, body = WireMix), (status = 404, description = "no such mix")))]
pub(crate) async fn one(
    State(gateway): State<ApiState>,
    authorized: Authorized,
    Path((_, mix)): Path<(String, String)>,
) -> Result<Response, Problem> {
    query::mix_name(&mix)?;
    let workspace = authorized.workspace(&gateway).await?;
    let view = workspace.execute(DescribeMix).await?;
    Ok(json(&WireMix::from_view(&view)))
}

/// Changes how a mix sounds, for all listeners. `If-Match: "revision"` guards against a lost
/// update.
#[utoipa::path(patch, path = "/api/v1/workspaces/{workspace}/mixes/{mix}", tag = "mixes",
    params(("workspace" = String, Path), ("mix" = String, Path), ("If-Match" = Option<String>, Header, description = "the revision that is to be changed, in quotes; `*` is any")), request_body = ChangeBody,
    responses((status = 200, body = WireMix), (status = 400, description = "bad setting"), (status = 404, description = "no such mix"), (status = 412, description = "another request changed it first")))]
pub(crate) async fn change(
    State(gateway): State<ApiState>,
    authorized: Authorized,
    Path((_, mix)): Path<(String, String)>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<ChangeBody>,
) -> Result<Response, Problem> {
    query::mix_name(&mix)?;
    let workspace = authorized.workspace(&gateway).await?;
    if body.voices.is_some_and(|voices| voices > MAX_VOICES) {
        return Err(bad(&format!("voices must be 0 to {MAX_VOICES}")));
    }
    if body.polarity.as_ref().is_some_and(|polarity| polarity.len() > MAX_POLARITIES) {
        return Err(bad(&format!("polarity may name at most {MAX_POLARITIES} KPIs")));
    }
    let expected = expected_revision(&headers)?;
    let change = MixChange { mode: body.mode, voices: body.voices, polarity: body.polarity };
    let changed = workspace.execute(ChangeMix { change, expected }).await?;
    let view = changed.map_err(PortError::from)?;
    Ok(json(&WireMix::from_view(&view)))
}
