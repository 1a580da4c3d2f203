//! Mixes: how they sound and who sounds in them.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::actors::mix::{DEFAULT_MIX, MixChange, MixView};
use crate::actors::workspace::command::{ChangeMix, DescribeMix};
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::Body;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::query::bad;
use crate::gateway::http::reply::{expected_revision, json};
use crate::gateway::http::state::Gateway;
use crate::live::wire::label_map;
use earcon_audio::{Mode, Polarity, Role, Voice};
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

/// A KPI that can be heard.
#[derive(Serialize, ToSchema)]
#[schema(as = Voice)]
pub(crate) struct WireVoice<'a> {
    kpi: &'a str,
    #[schema(value_type = BTreeMap<String, String>)]
    labels: BTreeMap<&'a str, &'a str>,
    /// `voice` in the foreground, or part of the `bed`.
    role: &'static str,
    pitch_hz: f32,
    /// -1 left to 1 right.
    pan: f32,
    /// 0 to 1.
    prominence: f32,
}

impl<'a> WireVoice<'a> {
    pub(crate) fn of(voice: &'a Voice) -> Self {
        Self {
            kpi: voice.kpi.as_str(),
            labels: label_map(&voice.labels),
            role: match voice.role {
                Role::Voice => "voice",
                Role::Bed => "bed",
            },
            pitch_hz: voice.pitch_hz,
            pan: voice.pan,
            prominence: voice.prominence,
        }
    }
}

impl<'a> WireMix<'a> {
    fn of(view: &'a MixView) -> Self {
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
            sounding: view.sounding.iter().map(WireVoice::of).collect(),
        }
    }
}

/// Settings to change; what is absent stays.
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

const MAX_VOICES: u8 = 8;
const MAX_POLARITIES: usize = 10_000;

pub(crate) fn check_name(mix: &str) -> Result<(), Problem> {
    if mix == DEFAULT_MIX {
        Ok(())
    } else {
        Err(Problem::new(Kind::NotFound, format!("there is no mix {mix:?}; every workspace has one, {DEFAULT_MIX:?}")))
    }
}

/// The mixes of a workspace.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/mixes", tag = "mixes",
    params(("workspace" = String, Path)), responses((status = 200, body = Mixes), (status = 404, description = "no such workspace")))]
pub(crate) async fn list(State(gateway): State<Gateway>, authorized: Authorized) -> Result<Response, Problem> {
    let workspace = authorized.workspace(&gateway).await?;
    let view = workspace.execute(DescribeMix).await?;
    Ok(json(&Mixes { mixes: vec![WireMix::of(&view)] }))
}

/// One mix.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/mixes/{mix}", tag = "mixes",
    params(("workspace" = String, Path), ("mix" = String, Path)),
    responses((status = 200, body = WireMix), (status = 404, description = "no such mix")))]
pub(crate) async fn one(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, mix)): Path<(String, String)>,
) -> Result<Response, Problem> {
    check_name(&mix)?;
    let workspace = authorized.workspace(&gateway).await?;
    let view = workspace.execute(DescribeMix).await?;
    Ok(json(&WireMix::of(&view)))
}

/// Changes how a mix sounds, for everybody. `If-Match: "revision"` guards against a lost update.
#[utoipa::path(patch, path = "/api/v1/workspaces/{workspace}/mixes/{mix}", tag = "mixes",
    params(("workspace" = String, Path), ("mix" = String, Path), ("If-Match" = Option<String>, Header, description = "the revision that is to be changed, in quotes; `*` is any")), request_body = ChangeBody,
    responses((status = 200, body = WireMix), (status = 400, description = "bad setting"), (status = 404, description = "no such mix"), (status = 412, description = "somebody else changed it first")))]
pub(crate) async fn change(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, mix)): Path<(String, String)>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    check_name(&mix)?;
    let workspace = authorized.workspace(&gateway).await?;
    let body: ChangeBody = serde_json::from_slice(&body).map_err(|error| bad(&error.to_string()))?;
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
    Ok(json(&WireMix::of(&view)))
}
