//! Test data: one minute of a mix. Calm, a spike, an anomaly and its end, three anomalies, an
//! acknowledgement, cues only.

use super::{MixSettings, Mode, Scene, Sonifier};
use earcon_model::{
    Acknowledgement, Anomaly, AnomalyEvent, AnomalyId, Direction, Event, EventBody, Feature, Features, Incident,
    IncidentEvent, IncidentId, KpiName, Labels, Link, Member, ScoredSample, SeriesEvent, SeriesSamples, SeriesStatus,
    Severity, Subject,
};

/// Wall time of the start.
pub(super) const BEGIN_MS: i64 = 1_767_225_600_000;
const KPIS: [&str; 6] = ["host.cpu", "host.memory", "shop.orders", "shop.errors", "db.latency", "net.received"];

/// Seconds at which the events play_second.
pub(super) const SPIKE_S: usize = 10;
pub(super) const OPENED_S: usize = 15;
pub(super) const CLOSED_S: usize = 25;
pub(super) const THREE_S: usize = 30;
pub(super) const ACKNOWLEDGED_S: usize = 38;
pub(super) const CUES_ONLY_S: usize = 50;
pub(super) const CUE_ALONE_S: usize = 56;

/// Generates the timeline frame by frame.
pub(super) struct DemoTimeline {
    sonifier: Sonifier,
    frame: i64,
    eventful: bool,
}

impl DemoTimeline {
    pub(super) fn new() -> Self {
        Self { sonifier: Sonifier::new(MixSettings::default()), frame: 0, eventful: true }
    }

    /// The same mix without any events.
    pub(super) fn calm() -> Self {
        Self { eventful: false, ..Self::new() }
    }

    /// The scene of the next 20 ms.
    pub(super) fn next_scene(&mut self) -> Scene {
        let now_ms = self.frame * 20;
        let (second, offset) = ((now_ms / 1_000) as usize, now_ms % 1_000);
        if self.eventful && offset == 0 {
            self.play_second(second);
        }
        // Each KPI sends once a second, each at a different offset.
        for (i, kpi) in KPIS.iter().enumerate().filter(|(i, _)| offset == *i as i64 * 160) {
            let spikes = self.eventful && i == 3 && second == SPIKE_S;
            self.sonifier.observe(&samples(kpi, wandering(i, second), if spikes { 0.8 } else { 0.05 }, now_ms));
        }
        self.frame += 1;
        self.sonifier.scene(BEGIN_MS + now_ms)
    }

    fn play_second(&mut self, second: usize) {
        let now_ms = second as i64 * 1_000;
        let three = [("db.latency", 0.6), ("shop.orders", 0.8), ("host.cpu", 0.95)];
        match second {
            OPENED_S => self.begin("shop.errors", 0.95, now_ms),
            CLOSED_S => self.end("shop.errors", OPENED_S as i64 * 1_000, now_ms),
            THREE_S | 32 | 34 => {
                let (kpi, score) = three[(second - THREE_S) / 2];
                self.begin(kpi, score, now_ms);
            }
            ACKNOWLEDGED_S => {
                for (i, (kpi, score)) in three.iter().enumerate() {
                    let opened_ms = (THREE_S as i64 + 2 * i as i64) * 1_000;
                    self.observe(acknowledged(kpi, opened_ms, now_ms));
                    self.observe(incident_acknowledged(kpi, *score, opened_ms, now_ms));
                }
            }
            44 => self.end("host.cpu", 34_000, now_ms),
            CUES_ONLY_S => self.sonifier.set_settings(MixSettings { mode: Mode::Cues, ..Default::default() }),
            // This is the sixth cue within the minute, so the budget allows it.
            CUE_ALONE_S => self.begin("net.received", 0.75, now_ms),
            _ => {}
        }
    }

    /// An anomaly, and the incident it belongs to.
    fn begin(&mut self, kpi: &str, score: f32, now_ms: i64) {
        self.observe(opened(kpi, score, now_ms));
        self.observe(incident_opened(kpi, score, now_ms));
    }

    fn end(&mut self, kpi: &str, opened_ms: i64, now_ms: i64) {
        self.observe(closed(kpi, opened_ms, now_ms));
        let seen = opened_ms >= THREE_S as i64 * 1_000;
        self.observe(incident_closed(kpi, opened_ms, now_ms, seen));
    }

    fn observe(&mut self, event: Event) {
        self.sonifier.observe(&event);
    }
}

/// A calm walk of features, equal in every run.
fn wandering(series: usize, second: usize) -> Features {
    let wave = |period: f32| (second as f32 / period + series as f32 * 1.7).sin();
    Features {
        robust_z: 1.2 * wave(3.1),
        residual_z: 0.9 * wave(2.3),
        volatility: 1.0 + 0.3 * wave(7.0),
        slope: 0.08 * wave(5.0),
        level: 0.5 + 0.4 * wave(6.0),
    }
}

pub(super) fn samples(kpi: &str, features: Features, score: f32, now_ms: i64) -> Event {
    let z = if score > 0.5 { 8.0 } else { features.robust_z };
    let features = Features { robust_z: z, ..features };
    let sample = ScoredSample {
        timestamp_ms: BEGIN_MS + now_ms,
        value: 1.0,
        score: Some(score),
        expected: 1.0,
        lower: 0.0,
        upper: 2.0,
    };
    let series = SeriesSamples {
        labels: Labels::none(),
        samples: vec![sample].into(),
        late: Vec::new(),
        features: Some(features),
        status: SeriesStatus::Normal,
        counter: None,
        looks_like: None,
    };
    event(kpi, SeriesEvent::Samples(vec![series]), now_ms)
}

pub(super) fn opened(kpi: &str, score: f32, now_ms: i64) -> Event {
    event(kpi, AnomalyEvent::Opened(Box::new(anomaly(kpi, score, now_ms, None))), now_ms)
}

pub(super) fn updated(kpi: &str, score: f32, opened_ms: i64, now_ms: i64) -> Event {
    event(kpi, AnomalyEvent::Updated(Box::new(anomaly(kpi, score, opened_ms, None))), now_ms)
}

pub(super) fn closed(kpi: &str, opened_ms: i64, now_ms: i64) -> Event {
    event(kpi, AnomalyEvent::Closed(Box::new(anomaly(kpi, 0.9, opened_ms, Some(now_ms)))), now_ms)
}

/// An alerted incident of one anomaly.
pub(super) fn incident(kpi: &str, score: f32, opened_ms: i64, closed_ms: Option<i64>) -> Incident {
    let anomaly = anomaly(kpi, score, opened_ms, closed_ms);
    let member = Member {
        anomaly: anomaly.id,
        kpi: anomaly.kpi,
        labels: anomaly.labels,
        opened_at_ms: anomaly.opened_at_ms,
        closed_at_ms: anomaly.closed_at_ms,
        peak_score: score,
        peak_at_ms: anomaly.peak_at_ms,
        direction: anomaly.direction,
        reason: anomaly.reason,
        episodes: 1,
        link: Link::First,
        muted: None,
        acknowledged: false,
        learning: false,
    };
    // Its severity is that of its score: four series at once are critical.
    let (surprise, members_total) = match Severity::of_score(score) {
        Severity::Critical => (13.0, 4),
        Severity::Warning => (5.0, 1),
        Severity::Info => (1.0, 1),
    };
    Incident {
        id: IncidentId(anomaly.id.0),
        revision: 1,
        cause_seq: 1,
        opened_at_ms: anomaly.opened_at_ms,
        last_at_ms: anomaly.last_at_ms,
        closed_at_ms: anomaly.closed_at_ms,
        merged_into: None,
        alerted_at_ms: Some(anomaly.opened_at_ms),
        peak_score: score,
        surprise,
        first_mover: 0,
        members: vec![member],
        members_total,
        members_open: 1,
        timeline: Vec::new(),
        timeline_left_out: 0,
        acknowledged: None,
    }
}

pub(super) fn incident_opened(kpi: &str, score: f32, now_ms: i64) -> Event {
    event(kpi, IncidentEvent::Opened(Box::new(incident(kpi, score, now_ms, None))), now_ms)
}

pub(super) fn incident_updated(kpi: &str, score: f32, opened_ms: i64, now_ms: i64) -> Event {
    event(kpi, IncidentEvent::Updated(Box::new(incident(kpi, score, opened_ms, None))), now_ms)
}

pub(super) fn incident_acknowledged(kpi: &str, score: f32, opened_ms: i64, now_ms: i64) -> Event {
    let seen = Incident { acknowledged: Some(seen_at(now_ms)), ..incident(kpi, score, opened_ms, None) };
    event(kpi, IncidentEvent::Updated(Box::new(seen)), now_ms)
}

pub(super) fn incident_closed(kpi: &str, opened_ms: i64, now_ms: i64, seen: bool) -> Event {
    let over = incident(kpi, 0.9, opened_ms, Some(now_ms));
    let over = Incident { acknowledged: seen.then(|| seen_at(now_ms)), ..over };
    event(kpi, IncidentEvent::Closed(Box::new(over)), now_ms)
}

fn seen_at(now_ms: i64) -> Acknowledgement {
    Acknowledgement { at_ms: BEGIN_MS + now_ms, by: "ada".into(), note: None }
}

pub(super) fn acknowledged(kpi: &str, opened_ms: i64, now_ms: i64) -> Event {
    let acknowledgement = seen_at(now_ms);
    let id = anomaly(kpi, 0.0, opened_ms, None).id;
    event(kpi, AnomalyEvent::Acknowledged { id, labels: Labels::none(), acknowledgement }, now_ms)
}

pub(super) fn event(kpi: &str, body: impl Into<EventBody>, now_ms: i64) -> Event {
    let body = body.into();
    let subject = match &body {
        EventBody::Incident(incident) => Subject::Incident(incident.incident().id),
        _ => Subject::Kpi(KpiName::new(kpi).unwrap()),
    };
    Event { seq: 1, time_ms: BEGIN_MS + now_ms, subject, body }
}

pub(super) fn anomaly(kpi: &str, score: f32, opened_ms: i64, closed_ms: Option<i64>) -> Anomaly {
    let name = format!("{kpi}{opened_ms}");
    Anomaly {
        id: AnomalyId(uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes())),
        kpi: KpiName::new(kpi).unwrap(),
        labels: Labels::none(),
        opened_at_ms: BEGIN_MS + opened_ms,
        last_at_ms: BEGIN_MS + opened_ms,
        closed_at_ms: closed_ms.map(|ms| BEGIN_MS + ms),
        peak_score: score,
        peak_at_ms: BEGIN_MS + opened_ms,
        peak_value: 9.0,
        peak_expected: 1.0,
        peak_lower: 0.0,
        peak_upper: 2.0,
        direction: Direction::Above,
        reason: Feature::RobustZ,
        samples: 1,
        detector: "test".into(),
        acknowledged: None,
        feedback: None,
        muted: None,
        unit: None,
        end: None,
        learning: false,
    }
}
