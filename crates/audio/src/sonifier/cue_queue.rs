//! Queues cues for the renderer: numbered, within the budget, and repeated for a while so that none
//! is missed.

use super::super::cue::{Admission, Cue, CueBudget, CueKind};
use super::super::limits::MAX_CUES;
use super::super::scene::CueSound;
use super::super::timbre::Timbre;
use earcon_model::Severity;
use earcon_model::{AnomalyId, IncidentId, KpiName, Labels};

/// Time for which scenes carry a cue after the first scene that carried it.
const SHOWN_MS: i64 = 1_500;

/// A cue that an event requests, with its KPI and series.
#[derive(Debug, Clone, Copy)]
pub(super) struct CueRequest<'a> {
    pub(super) kind: CueKind,
    pub(super) severity: Severity,
    pub(super) kpi: &'a KpiName,
    pub(super) labels: &'a Labels,
    pub(super) anomaly: Option<AnomalyId>,
    pub(super) incident: Option<IncidentId>,
    /// Below 1 if it was acknowledged.
    pub(super) gain: f32,
    pub(super) at_ms: i64,
}

/// The sound of a series' cues.
#[derive(Debug, Clone, Copy)]
pub(super) struct CueVoice {
    pub(super) timbre: Timbre,
    pub(super) pitch_hz: f32,
    pub(super) pan: f32,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    sound: CueSound,
    first_shown_ms: Option<i64>,
}

/// The cues of a mix.
#[derive(Debug, Default)]
pub(super) struct CueQueue {
    budget: CueBudget,
    waiting: [Option<Waiting>; MAX_CUES],
    number: u64,
}

impl CueQueue {
    /// Enqueues a cue, replaces it by a summary, or drops it, as the budget decides.
    pub(super) fn enqueue(&mut self, request: CueRequest<'_>, voice: CueVoice) -> Option<Cue> {
        let CueRequest { severity, kpi, labels, anomaly, incident, gain, at_ms, .. } = request;
        let (kind, gain) = match self.budget.admit(at_ms) {
            Admission::Sound => (request.kind, gain),
            Admission::Summary => (CueKind::Summary, 1.0),
            Admission::Silent => return None,
        };
        self.number += 1;
        let number = self.number;
        let CueVoice { timbre, pitch_hz, pan } = voice;
        let sound = CueSound { number, kind, severity, timbre, pitch_hz, pan, gain };
        self.waiting[number as usize % MAX_CUES] = Some(Waiting { sound, first_shown_ms: None });
        Some(Cue { number, kind, severity, kpi: kpi.clone(), labels: labels.clone(), anomaly, incident })
    }

    /// The cues that a scene at `now_ms` carries.
    pub(super) fn show(&mut self, now_ms: i64) -> [Option<CueSound>; MAX_CUES] {
        let mut shown = [None; MAX_CUES];
        for (shown, waiting) in shown.iter_mut().zip(&mut self.waiting) {
            let Some(cue) = waiting else { continue };
            let first_shown_ms = *cue.first_shown_ms.get_or_insert(now_ms);
            if (first_shown_ms..first_shown_ms + SHOWN_MS).contains(&now_ms) {
                *shown = Some(cue.sound);
            } else {
                *waiting = None;
            }
        }
        shown
    }
}
