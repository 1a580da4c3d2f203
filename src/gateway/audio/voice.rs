//! A voice as it is sent to listeners, and shown with its mix.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use crate::live::wire::label_map;
use earcon_audio::{Role, Voice};

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
    pub(crate) fn from_voice(voice: &'a Voice) -> Self {
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
