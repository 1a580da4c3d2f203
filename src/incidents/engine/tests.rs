//! An engine that follows a log, for the tests of each subject.

mod alerts;
mod grouping;
mod growth;
mod lifecycle;
mod random_histories;
mod sample_time;

use std::sync::Arc;

use uuid::Uuid;

use super::*;
use crate::incidents::DAY_MS;
use earcon_model::{Acknowledgement, Deletion, Direction, Feature, KpiEvent, KpiName, Labels, Link, Severity, Subject};

const T: i64 = 1_767_225_600_000;

/// A log with an engine that follows it, as the actor does.
struct Harness {
    engine: IncidentEngine,
    log: Vec<Arc<Event>>,
    now_ms: i64,
    /// The engine reads once this many events wait. Its own events then follow events it had not
    /// seen.
    lag: usize,
}

fn workspace() -> WorkspaceId {
    WorkspaceId::new("w").unwrap()
}

fn settings() -> IncidentSettings {
    IncidentSettings { max_per_day: 20, settle_ms: 2_000, settle_weak_ms: 2_000, linger_ms: 60_000 }
}

fn series(text: &str) -> (KpiName, Labels) {
    let (kpi, labels) = text.split_once('{').unwrap_or((text, ""));
    (KpiName::new(kpi).unwrap(), Labels::parse(labels.trim_end_matches('}')).unwrap())
}

fn anomaly(name: &str, opened_at_ms: i64, score: f32) -> Anomaly {
    let (kpi, labels) = series(name);
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{name}{opened_at_ms}").as_bytes());
    Anomaly {
        id: AnomalyId(id),
        kpi,
        labels,
        opened_at_ms,
        last_at_ms: opened_at_ms,
        closed_at_ms: None,
        peak_score: score,
        peak_at_ms: opened_at_ms,
        peak_value: 1.0,
        peak_expected: 0.0,
        peak_lower: 0.0,
        peak_upper: 0.5,
        direction: Direction::Above,
        reason: Feature::RobustZ,
        samples: 1,
        detector: "d".into(),
        acknowledged: None,
        feedback: None,
        muted: None,
        unit: None,
        end: None,
        learning: false,
    }
}

impl Harness {
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: IncidentSettings) -> Self {
        Self { engine: IncidentEngine::new(workspace(), settings, 0), log: Vec::new(), now_ms: T, lag: 1 }
    }

    fn append(&mut self, subject: impl Into<Subject>, body: impl Into<EventBody>) {
        let event = Event::new(self.log.len() as Seq + 1, self.now_ms, subject, body);
        self.log.push(Arc::new(event));
    }

    /// Appends an event, then lets the engine read it and report.
    fn happen(&mut self, anomaly: &Anomaly, make: fn(Box<Anomaly>) -> AnomalyEvent) {
        self.append(anomaly.kpi.clone(), make(Box::new(anomaly.clone())));
        if self.log.len() - self.engine.seq() as usize >= self.lag {
            self.decide();
        }
    }

    fn decide(&mut self) {
        for event in &self.log[self.engine.seq() as usize..] {
            self.engine.ingest(event, &|_| None);
        }
        for decided in self.engine.decide(self.now_ms) {
            self.append(decided.incident().id, decided);
        }
    }

    fn open(&mut self, name: &str, score: f32) -> Anomaly {
        self.open_at(name, self.now_ms, score)
    }

    fn open_at(&mut self, name: &str, onset_ms: i64, score: f32) -> Anomaly {
        let anomaly = anomaly(name, onset_ms, score);
        self.happen(&anomaly, AnomalyEvent::Opened);
        anomaly
    }

    fn grow(&mut self, anomaly: &mut Anomaly, score: f32) {
        anomaly.peak_score = score;
        (anomaly.peak_at_ms, anomaly.last_at_ms) = (self.now_ms, self.now_ms);
        self.happen(anomaly, AnomalyEvent::Updated);
    }

    fn close(&mut self, anomaly: &Anomaly) {
        let closed = Anomaly { closed_at_ms: Some(self.now_ms), ..anomaly.clone() };
        self.happen(&closed, AnomalyEvent::Closed);
    }

    fn wait(&mut self, ms: i64) {
        let until = self.now_ms + ms;
        self.decide();
        while let Some(at) = self.engine.due_at().filter(|at| *at <= until) {
            self.now_ms = at.max(self.now_ms);
            self.decide();
        }
        self.now_ms = until;
    }

    /// Opens an anomaly of a new series.
    fn open_learning(&mut self, name: &str, score: f32) -> Anomaly {
        let anomaly = Anomaly { learning: true, ..anomaly(name, self.now_ms, score) };
        self.happen(&anomaly, AnomalyEvent::Opened);
        anomaly
    }

    fn set_inventory(&mut self, names: &[&str]) {
        let all: Vec<_> = names.iter().map(|name| series(name)).collect();
        self.engine.set_inventory(SeriesInventory::from_series(all.iter().map(|(kpi, labels)| (kpi, labels))));
    }

    fn events_of_type(&self, event_type: &str) -> Vec<&Incident> {
        let of_type = |event: &&Arc<Event>| event.body.event_type().as_str() == event_type;
        self.log.iter().filter(of_type).filter_map(|event| event.incident()).collect()
    }

    fn opened(&self) -> Vec<&Incident> {
        self.events_of_type("incident.opened")
    }

    fn last(&self) -> &Incident {
        self.log.iter().rev().find_map(|event| event.incident()).unwrap()
    }
}
