//! Converts events to scenes: which series have voices, their controls, and the due cues.
//!
//! Pure state: times come from the events and from the caller. It deliberately does not handle
//! audio samples, so that its decisions can be tested without rendering.

mod cue_queue;
mod incidents;
mod series;
mod voice_allocation;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cue::{Cue, CueKind};
use super::limits::BED_NOTES;
use super::scale::step_hz;
use super::scene::{BedControls, Scene, VoiceControls};
use super::settings::{MixSettings, Mode};
use super::timbre::Timbre;
use cue_queue::{CueQueue, CueRequest, CueVoice};
use earcon_model::Severity;
use earcon_model::{
    Anomaly, AnomalyEvent, AnomalyId, Event, EventBody, Features, Incident, IncidentEvent, KpiEvent, KpiName, Labels,
    ScoredSample, SeriesEvent, SeriesId, SeriesSamples, SeriesStatus,
};
use incidents::{AlertedIncidents, DueCue};
use series::{Episode, Series};
use voice_allocation::{Candidate, VoiceAllocation};

/// Steps of the bed's chord: root below, fifth below, root, second, third.
const BED_STEPS: [i32; BED_NOTES] = [-5, -2, 0, 1, 2];
/// Interval of voice allocation without urgent events.
const ALLOCATE_MS: i64 = 250;
/// [`Sonifier::sounding`] lists at most this many members of the bed.
const BED_NAMED: usize = 24;

/// The part of a series in the mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It has a voice of its own.
    Voice,
    /// It is part of the bed.
    Bed,
}

/// A sounding series, as shown to people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Voice {
    /// The KPI.
    pub kpi: KpiName,
    /// The series of that KPI.
    pub labels: Labels,
    /// Foreground or bed.
    pub role: Role,
    /// Its current note, Hz.
    pub pitch_hz: f32,
    /// −0.6 (left) to 0.6 (right).
    pub pan: f32,
    /// 0 (background) to 1 (foreground).
    pub prominence: f32,
}

/// The state of a mix: all known series, their voices, and the due cues.
#[derive(Debug)]
pub struct Sonifier {
    settings: MixSettings,
    series: BTreeMap<SeriesId, Series>,
    voices: VoiceAllocation,
    /// Reused by every allocation.
    candidates: Vec<Candidate>,
    bed: BedControls,
    allocated_ms: Option<i64>,
    urgent: bool,
    now_ms: i64,
    cues: CueQueue,
    incidents: AlertedIncidents,
}

impl Sonifier {
    /// An empty mix.
    pub fn new(settings: MixSettings) -> Self {
        Self {
            settings,
            series: BTreeMap::new(),
            voices: VoiceAllocation::default(),
            candidates: Vec::new(),
            bed: BedControls::default(),
            allocated_ms: None,
            urgent: true,
            now_ms: 0,
            cues: CueQueue::default(),
            incidents: AlertedIncidents::default(),
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &MixSettings {
        &self.settings
    }

    /// Changes the settings; the renderer glides to the new controls.
    pub fn set_settings(&mut self, settings: MixSettings) {
        self.settings = settings;
        for (id, series) in &mut self.series {
            series.apply_settings(*id, &self.settings);
        }
        self.urgent = true;
    }

    /// Adds a series from a snapshot when a mix starts. It causes no cue, because nothing has
    /// changed.
    pub fn seed(
        &mut self,
        kpi: &KpiName,
        labels: &Labels,
        last: &ScoredSample,
        features: Option<Features>,
        status: SeriesStatus,
        open: Option<&Anomaly>,
    ) {
        let series = self.entry(kpi, labels);
        series.ingest(std::slice::from_ref(last), features, status, last.timestamp_ms);
        series.episode = open.map(episode_of);
        self.urgent = true;
    }

    /// Adds the open incidents when a mix starts. They cause no cue until something changes.
    pub fn seed_incidents<'a>(&mut self, open: impl IntoIterator<Item = &'a Incident>) {
        self.incidents = AlertedIncidents::from_open(open);
    }

    /// Processes an event. Returns the cues it causes, which the next scene carries to the
    /// renderer; most events cause none.
    pub fn observe(&mut self, event: &Event) -> Vec<Cue> {
        let now_ms = event.time_ms;
        let cue = match (&event.body, event.kpi()) {
            (EventBody::Series(event), Some(kpi)) => self.observe_series(kpi, event, now_ms),
            (EventBody::Anomaly(event), Some(kpi)) => {
                self.observe_anomaly(kpi, event);
                None
            }
            (EventBody::Kpi(KpiEvent::Parked { .. }), Some(kpi)) => self.parked(kpi, now_ms),
            (EventBody::Kpi(KpiEvent::Resumed), Some(kpi)) => {
                self.presence_changed(kpi, &Labels::none(), CueKind::Restored, now_ms)
            }
            (EventBody::Kpi(KpiEvent::Deleted(deletion)), Some(kpi)) => {
                self.series.retain(|_, series| series.kpi != *kpi || !deletion.scope.covers_series(&series.labels));
                self.urgent = true;
                None
            }
            (EventBody::Incident(event), _) => self.observe_incident(event, now_ms),
            _ => None,
        };
        cue.into_iter().collect()
    }

    fn observe_series(&mut self, kpi: &KpiName, event: &SeriesEvent, now_ms: i64) -> Option<Cue> {
        match event {
            SeriesEvent::Samples(batches) => {
                for batch in batches {
                    self.ingest_samples(kpi, batch, now_ms);
                }
                None
            }
            SeriesEvent::Stalled { labels, .. } => {
                let was = std::mem::replace(&mut self.entry(kpi, labels).stalled, true);
                if was { None } else { self.presence_changed(kpi, labels, CueKind::Stalled, now_ms) }
            }
            SeriesEvent::Restored { labels, .. } => {
                let was = std::mem::replace(&mut self.entry(kpi, labels).stalled, false);
                if was { self.presence_changed(kpi, labels, CueKind::Restored, now_ms) } else { None }
            }
            SeriesEvent::Ended { labels, .. } => {
                self.ended(kpi, labels);
                None
            }
            // History does not sound. A series becomes known with its first live sample.
            SeriesEvent::Backfilled(_) => None,
        }
    }

    /// Anomalies change how their series sounds; only incidents cause cues.
    fn observe_anomaly(&mut self, kpi: &KpiName, event: &AnomalyEvent) {
        match event {
            AnomalyEvent::Opened(anomaly) | AnomalyEvent::Updated(anomaly) => self.opened(anomaly),
            AnomalyEvent::Closed(anomaly) => self.closed(anomaly),
            AnomalyEvent::Acknowledged { id, labels, .. } => self.acknowledged(kpi, labels, *id),
            AnomalyEvent::Feedback { .. } => {}
        }
    }

    fn observe_incident(&mut self, event: &IncidentEvent, now_ms: i64) -> Option<Cue> {
        let (incident, due) = match event {
            IncidentEvent::Opened(incident) | IncidentEvent::Updated(incident) => {
                (incident, self.incidents.open_or_update(incident))
            }
            IncidentEvent::Closed(incident) => (incident, self.incidents.close(incident)),
        };
        self.incident_cue(incident, due?, now_ms)
    }

    /// The current control values. Call it at least every 100 ms, and right after an event that
    /// returned a cue: spikes fade and voices change over time, not only with events.
    pub fn scene(&mut self, now_ms: i64) -> Scene {
        self.now_ms = now_ms;
        let due = self.allocated_ms.is_none_or(|at| !(at..at + ALLOCATE_MS).contains(&now_ms));
        if self.urgent || due {
            self.allocate_voices(now_ms);
        }
        let mut scene = Scene { mode: self.settings.mode, bed: self.bed, ..Scene::default() };
        for (slot, id) in scene.voices.iter_mut().zip(self.voices.slots()) {
            let series = id.and_then(|id| self.series.get(&id));
            *slot = series.map_or(VoiceControls::default(), |series| series.controls(&self.settings, now_ms));
        }
        scene.cues = self.cues.show(now_ms);
        scene
    }

    /// The series that sound since the last scene: all voices, then the most interesting members of
    /// the bed (at most 24). A mix of cues only has no continuous sound.
    pub fn sounding(&self) -> Vec<Voice> {
        if self.settings.mode == Mode::Cues {
            return Vec::new();
        }
        let voice = |series: &Series, role, pitch_hz| Voice {
            kpi: series.kpi.clone(),
            labels: series.labels.clone(),
            role,
            pitch_hz,
            pan: series.placement.pan,
            prominence: series.prominence(self.now_ms),
        };
        let in_front = self.voices.slots().flatten().filter_map(|id| self.series.get(&id));
        let mut sounding: Vec<Voice> =
            in_front.map(|series| voice(series, Role::Voice, series.pitch_hz(&self.settings))).collect();

        let behind = self.series.iter().filter(|(id, series)| series.can_sound() && !self.voices.holds(**id));
        let mut bed: Vec<(&Series, f32)> = behind.map(|(_, series)| (series, series.interest(self.now_ms))).collect();
        bed.sort_by(|a, b| b.1.total_cmp(&a.1));
        let note = |series: &Series| self.bed.notes_hz[series.placement.bed_note];
        sounding.extend(bed.iter().take(BED_NAMED).map(|(series, _)| voice(series, Role::Bed, note(series))));
        sounding
    }

    fn entry(&mut self, kpi: &KpiName, labels: &Labels) -> &mut Series {
        let id = SeriesId::of(kpi, labels);
        self.series.entry(id).or_insert_with(|| Series::new(id, kpi, labels, &self.settings))
    }

    fn ingest_samples(&mut self, kpi: &KpiName, batch: &SeriesSamples, now_ms: i64) {
        let alarm = self.entry(kpi, &batch.labels).ingest(&batch.samples, batch.features, batch.status, now_ms);
        // A spike in a series without a voice must not wait for the next regular allocation.
        self.urgent |= alarm > 0.4;
    }

    /// An episode opened or grew. It sounds in its voice; its incident decides about a cue.
    fn opened(&mut self, anomaly: &Anomaly) {
        let mut now = episode_of(anomaly);
        let series = self.entry(&anomaly.kpi, &anomaly.labels);
        now.acknowledged |= series.episode.is_some_and(|before| before.id == now.id && before.acknowledged);
        series.episode = Some(now);
        self.urgent = true;
    }

    fn closed(&mut self, anomaly: &Anomaly) {
        let series = self.entry(&anomaly.kpi, &anomaly.labels);
        self.urgent |= series.episode.take_if(|episode| episode.id == anomaly.id).is_some();
    }

    fn acknowledged(&mut self, kpi: &KpiName, labels: &Labels, id: AnomalyId) {
        if let Some(episode) = self.entry(kpi, labels).episode.as_mut().filter(|episode| episode.id == id) {
            episode.acknowledged = true;
            self.urgent = true;
        }
    }

    /// The cue of an incident uses the sound of its likely first mover.
    fn incident_cue(&mut self, incident: &Incident, due: DueCue, at_ms: i64) -> Option<Cue> {
        let DueCue { kind, severity, gain } = due;
        let first = incident.first()?;
        let (kpi, labels) = (&first.kpi, &first.labels);
        let (anomaly, incident) = (Some(first.anomaly), Some(incident.id));
        self.enqueue_cue(CueRequest { kind, severity, kpi, labels, anomaly, incident, gain, at_ms })
    }

    /// A series has ended: it becomes silent.
    fn ended(&mut self, kpi: &KpiName, labels: &Labels) {
        let series = self.entry(kpi, labels);
        series.stalled = true;
        series.episode = None;
        self.urgent = true;
    }

    fn parked(&mut self, kpi: &KpiName, now_ms: i64) -> Option<Cue> {
        for series in self.series.values_mut().filter(|series| series.kpi == *kpi) {
            series.stalled = true;
        }
        self.presence_changed(kpi, &Labels::none(), CueKind::Stalled, now_ms)
    }

    /// A series stalled or came back; without labels, the whole KPI did.
    fn presence_changed(&mut self, kpi: &KpiName, labels: &Labels, kind: CueKind, at_ms: i64) -> Option<Cue> {
        self.urgent = true;
        let severity = Severity::Info;
        self.enqueue_cue(CueRequest { kind, severity, kpi, labels, anomaly: None, incident: None, gain: 1.0, at_ms })
    }

    fn enqueue_cue(&mut self, request: CueRequest<'_>) -> Option<Cue> {
        let series = self.series.get(&SeriesId::of(request.kpi, request.labels));
        let voice = CueVoice {
            timbre: series.map_or_else(|| Timbre::for_kpi(request.kpi, self.settings.seed), |series| series.timbre),
            pitch_hz: self.cue_pitch(series),
            pan: series.map_or(0.0, |series| series.placement.pan),
        };
        self.cues.enqueue(request, voice)
    }

    /// The note of the series, moved into the octave whose fifth and octave are good alarm
    /// fundamentals.
    fn cue_pitch(&self, series: Option<&Series>) -> f32 {
        let root = step_hz(self.settings.key, self.settings.scale, 0);
        let mut hz = series.map_or(root, |series| series.pitch_hz(&self.settings));
        while hz >= 500.0 {
            hz *= 0.5;
        }
        while hz < 250.0 {
            hz *= 2.0;
        }
        hz
    }

    fn allocate_voices(&mut self, now_ms: i64) {
        let Self { candidates, series, voices, .. } = self;
        let audible = series.iter().filter(|(_, series)| series.can_sound());
        candidates.clear();
        candidates.extend(audible.map(|(id, series)| Candidate { id: *id, interest: series.interest(now_ms) }));
        voices.allocate(candidates, usize::from(self.settings.voices), now_ms);
        self.bed = self.bed_controls(now_ms);
        self.allocated_ms = Some(now_ms);
        self.urgent = false;
    }

    /// Each series without a voice strengthens its note of the chord by its prominence.
    fn bed_controls(&self, now_ms: i64) -> BedControls {
        let (mut restless, mut members) = ([0.0f32; BED_NOTES], 0u32);
        for (_, series) in self.series.iter().filter(|(id, series)| series.can_sound() && !self.voices.holds(**id)) {
            restless[series.placement.bed_note] += series.prominence(now_ms);
            members += 1;
        }
        let total: f32 = restless.iter().sum();
        BedControls {
            notes_hz: BED_STEPS.map(|step| step_hz(self.settings.key, self.settings.scale, step)),
            weights: restless.map(|note| 1.0 + 0.6 * note / (note + 1.0)),
            activity: total / (total + 0.25 * members as f32 + 1.0),
            silent: !self.series.is_empty() && self.series.values().all(|series| series.stalled),
        }
    }
}

fn episode_of(anomaly: &Anomaly) -> Episode {
    Episode {
        id: anomaly.id,
        severity: Severity::of_score(anomaly.peak_score),
        acknowledged: anomaly.acknowledged.is_some(),
        muted: anomaly.muted.is_some(),
    }
}

#[cfg(test)]
mod tests;
