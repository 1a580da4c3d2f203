//! Tracks the alerted incidents. Their beginning, a higher severity and their end cause cues.

use std::collections::BTreeMap;

use super::super::cue::CueKind;
use earcon_model::Severity;
use earcon_model::{Incident, IncidentId};

/// A due cue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DueCue {
    pub(super) kind: CueKind,
    pub(super) severity: Severity,
    /// Below 1 if it was acknowledged.
    pub(super) gain: f32,
}

/// The open alerted incidents, with the severity of their last cue.
#[derive(Debug, Default)]
pub(super) struct AlertedIncidents(BTreeMap<IncidentId, Severity>);

impl AlertedIncidents {
    /// From the incidents of a snapshot, which have already caused their cues.
    pub(super) fn from_open<'a>(open: impl IntoIterator<Item = &'a Incident>) -> Self {
        let alerted = open.into_iter().filter(|incident| incident.is_alerted());
        Self(alerted.map(|incident| (incident.id, incident.severity())).collect())
    }

    /// An incident was opened or updated. It causes a cue when it is alerted, and when its severity
    /// rises previous an acknowledgement.
    pub(super) fn open_or_update(&mut self, incident: &Incident) -> Option<DueCue> {
        if !incident.is_alerted() {
            return None;
        }
        let severity = incident.severity();
        let previous = self.0.insert(incident.id, severity);
        let higher = previous.is_none_or(|previous| severity > previous);
        (higher && incident.acknowledged.is_none()).then_some(DueCue { kind: CueKind::Opened, severity, gain: 1.0 })
    }

    /// An incident was closed or merged. After a merge, the other incident counts as alerted and
    /// causes no new cue.
    pub(super) fn close(&mut self, incident: &Incident) -> Option<DueCue> {
        let previous = self.0.remove(&incident.id)?;
        if let Some(into) = incident.merged_into {
            let severity = self.0.entry(into).or_insert(previous);
            *severity = previous.max(*severity);
            return None;
        }
        let gain = if incident.acknowledged.is_some() { 0.4 } else { 1.0 };
        Some(DueCue { kind: CueKind::Closed, severity: Severity::Info, gain })
    }
}
