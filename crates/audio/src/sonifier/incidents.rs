//! Which incidents are alerted, and what of them is worth a cue: their beginning, clear growth, their end.

use std::collections::BTreeMap;

use super::super::cue::{CueKind, Severity};
use earcon_model::{Incident, IncidentId};

/// A cue that is due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chime {
    pub(super) kind: CueKind,
    pub(super) severity: Severity,
    /// Below 1 for what was acknowledged.
    pub(super) gain: f32,
}

/// The open incidents that are alerted, with the severity they last sounded with.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeMap<IncidentId, Severity>);

impl Told {
    /// Those of a snapshot; they have sounded.
    pub(super) fn of<'a>(open: impl IntoIterator<Item = &'a Incident>) -> Self {
        let told = open.into_iter().filter(|incident| incident.is_alerted());
        Self(told.map(|incident| (incident.id, Severity::of_score(incident.peak_score))).collect())
    }

    /// An incident is spoken of. It sounds when it is alerted, and when it becomes more severe before anybody acknowledged it.
    pub(super) fn goes_on(&mut self, incident: &Incident) -> Option<Chime> {
        if !incident.is_alerted() {
            return None;
        }
        let severity = Severity::of_score(incident.peak_score);
        let before = self.0.insert(incident.id, severity);
        let more = before.is_none_or(|before| severity > before);
        (more && incident.acknowledged.is_none()).then_some(Chime { kind: CueKind::Opened, severity, gain: 1.0 })
    }

    /// An incident is over, or part of another, which then has been alerted too and does not sound again for it.
    pub(super) fn is_over(&mut self, incident: &Incident) -> Option<Chime> {
        let before = self.0.remove(&incident.id)?;
        if let Some(into) = incident.merged_into {
            let severity = self.0.entry(into).or_insert(before);
            *severity = before.max(*severity);
            return None;
        }
        let gain = if incident.acknowledged.is_some() { 0.4 } else { 1.0 };
        Some(Chime { kind: CueKind::Closed, severity: Severity::Info, gain })
    }
}
