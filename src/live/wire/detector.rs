//! The `data` of detector events.

use serde::Serialize;

use earcon_model::DetectorEvent;

/// The state that a detector has learned is not sent, only the number of its series.
#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::live) enum DetectorData<'a> {
    Changed { live: String, shadow: Option<String> },
    Trained { entry: String, detector: &'a str, series: usize },
}

impl<'a> DetectorData<'a> {
    pub(super) fn from_event(event: &'a DetectorEvent) -> Self {
        match event {
            DetectorEvent::Changed(slots) => DetectorData::Changed {
                live: slots.live.to_string(),
                shadow: slots.shadow.as_ref().map(ToString::to_string),
            },
            DetectorEvent::Trained { detector, algorithm, series } => {
                DetectorData::Trained { entry: detector.to_string(), detector: algorithm, series: series.len() }
            }
        }
    }
}
