//! The state of a workspace after its newest event, folded from events in `seq` order.
//!
//! KPIs are shared by reference. A snapshot costs one reference per KPI, and a KPI is copied only
//! at its next event.

use std::collections::BTreeMap;
use std::sync::Arc;

use earcon_model::{
    Anomaly, AnomalyEvent, AnomalyId, DeletionScope, Event, EventBody, Features, Incident, IncidentEvent, IncidentId,
    KpiEvent, KpiName, Labels, LooksLike, ScoredSample, Seq, SeriesEvent, SeriesSamples, SeriesStatus, SeriesTable,
};

/// Whether a KPI's actor runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KpiRun {
    /// It accepts samples.
    Running,
    /// It failed too often and accepts no samples. The reason is the last failure.
    Parked(String),
}

/// One KPI.
#[derive(Debug, Clone, PartialEq)]
pub struct KpiView {
    /// Its name.
    pub kpi: KpiName,
    /// Whether it runs.
    pub run: KpiRun,
    /// Its series.
    pub series: SeriesTable<SeriesView>,
}

/// One series: its newest sample, its score and its open anomaly.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesView {
    /// The newest sample; `None` when only late ones were seen.
    pub last: Option<ScoredSample>,
    /// Features of the newest scored sample.
    pub features: Option<Features>,
    /// Its status.
    pub status: SeriesStatus,
    /// What its values seem to be, if they are sent as measurements and seem to be something else.
    pub looks_like: Option<LooksLike>,
    /// Late samples since the process started.
    pub late: u64,
    /// The open anomaly, with the samples up to the newest. Its peak is that of its latest event.
    pub anomaly: Option<Box<Anomaly>>,
    /// The factor that feedback applies to the configured sensitivity, as of the last feedback or
    /// the last start.
    pub sensitivity: f32,
    /// Times of the anomalous samples of the newest `Samples` event; `None` without any. The event
    /// of an anomaly that follows it may count only some of them.
    pub outside: Option<Box<[i64]>>,
}

/// The state after event `seq`.
#[derive(Debug, Clone, Default)]
pub struct LiveView {
    seq: Seq,
    kpis: BTreeMap<KpiName, Arc<KpiView>>,
    incidents: BTreeMap<IncidentId, Arc<Incident>>,
}

impl LiveView {
    /// A view that starts from the KPIs after event `seq`.
    pub fn new(seq: Seq, kpis: impl IntoIterator<Item = KpiView>) -> Self {
        let kpis = kpis.into_iter().map(|view| (view.kpi.clone(), Arc::new(view))).collect();
        Self { seq, kpis, incidents: BTreeMap::new() }
    }

    /// Adds the incidents that are open after event `seq`.
    pub fn with_incidents<'a>(mut self, incidents: impl IntoIterator<Item = &'a Incident>) -> Self {
        self.incidents = incidents.into_iter().map(|incident| (incident.id, Arc::new(incident.clone()))).collect();
        self
    }

    /// The open incidents; cheap, shares them.
    pub fn incidents(&self) -> Vec<Arc<Incident>> {
        self.incidents.values().cloned().collect()
    }

    /// One open incident.
    pub fn incident(&self, id: IncidentId) -> Option<Arc<Incident>> {
        self.incidents.get(&id).cloned()
    }

    /// The newest event folded in.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// All KPIs in order of name; cheap, shares them.
    pub fn kpis(&self) -> Vec<Arc<KpiView>> {
        self.kpis.values().cloned().collect()
    }

    /// One KPI.
    pub fn kpi(&self, kpi: &KpiName) -> Option<Arc<KpiView>> {
        self.kpis.get(kpi).cloned()
    }

    /// The open anomaly with this identifier.
    pub fn open_anomaly(&self, id: AnomalyId) -> Option<&Anomaly> {
        self.kpis
            .values()
            .flat_map(|kpi| kpi.series.iter())
            .filter_map(|(_, series)| series.anomaly.as_deref())
            .find(|anomaly| anomaly.id == id)
    }

    /// Folds the next event in.
    pub fn apply(&mut self, event: &Event) {
        self.seq = event.seq;
        if let EventBody::Incident(happened) = &event.body {
            self.apply_incident(happened);
        } else if let Some((kpi, deletion)) = event.deletion() {
            self.apply_deletion(kpi, &deletion.scope);
        } else if let Some(kpi) = event.kpi() {
            match self.kpis.get_mut(kpi) {
                Some(view) => Arc::make_mut(view).apply(&event.body),
                None => {
                    let mut view = KpiView { kpi: kpi.clone(), run: KpiRun::Running, series: SeriesTable::default() };
                    view.apply(&event.body);
                    self.kpis.insert(kpi.clone(), Arc::new(view));
                }
            }
        }
    }

    fn apply_deletion(&mut self, kpi: &KpiName, scope: &DeletionScope) {
        if *scope == DeletionScope::Kpi {
            self.kpis.remove(kpi);
        } else if let Some(view) = self.kpis.get_mut(kpi) {
            Arc::make_mut(view).delete(scope);
        }
    }

    fn apply_incident(&mut self, happened: &IncidentEvent) {
        match happened {
            IncidentEvent::Opened(incident) | IncidentEvent::Updated(incident) => {
                self.incidents.insert(incident.id, Arc::new((**incident).clone()));
            }
            IncidentEvent::Closed(incident) => {
                self.incidents.remove(&incident.id);
            }
        }
    }
}

impl KpiView {
    fn apply(&mut self, body: &EventBody) {
        match body {
            EventBody::Series(happened) => self.apply_series(happened),
            EventBody::Anomaly(happened) => self.apply_anomaly(happened),
            EventBody::Kpi(KpiEvent::Parked { reason }) => self.run = KpiRun::Parked(reason.clone()),
            EventBody::Kpi(KpiEvent::Resumed) => self.run = KpiRun::Running,
            // Detectors are not part of the view; their scores and anomalies are.
            _ => {}
        }
    }

    /// The events before a deletion have closed the anomalies that it covers.
    fn delete(&mut self, scope: &DeletionScope) {
        self.series.retain(|labels, series| {
            if series.last.is_some_and(|last| scope.covers_sample(labels, last.timestamp_ms)) {
                (series.last, series.features) = (None, None);
            }
            !scope.covers_series(labels)
        });
    }

    fn apply_series(&mut self, happened: &SeriesEvent) {
        match happened {
            SeriesEvent::Samples(parts) => {
                for part in parts {
                    let counted = part.counter.map_or(0, |counter| u64::from(counter.late));
                    let series = self.apply_samples(part);
                    series.late += part.late.len() as u64 + counted;
                    let outside = part.samples.iter().filter(|sample| sample.is_outside());
                    let outside: Box<[i64]> = outside.map(|sample| sample.timestamp_ms).collect();
                    series.outside = (!outside.is_empty()).then_some(outside);
                    series.count_anomalous();
                }
            }
            SeriesEvent::Backfilled(parts) => {
                for part in parts {
                    self.apply_samples(part);
                }
            }
            SeriesEvent::Stalled { labels, .. } => self.series_mut(labels).status = SeriesStatus::Stalled,
            SeriesEvent::Ended { labels, .. } => self.series_mut(labels).status = SeriesStatus::Ended,
            // The samples that ended the silence follow at once and carry the new status.
            SeriesEvent::Restored { .. } => {}
        }
    }

    fn apply_samples(&mut self, part: &SeriesSamples) -> &mut SeriesView {
        let series = self.series_mut(&part.labels);
        if let Some(last) = part.samples.last() {
            series.last = Some(*last);
        }
        if part.features.is_some() {
            series.features = part.features;
        }
        (series.status, series.looks_like) = (part.status, part.looks_like);
        series
    }

    fn apply_anomaly(&mut self, happened: &AnomalyEvent) {
        match happened {
            AnomalyEvent::Opened(anomaly) | AnomalyEvent::Updated(anomaly) => {
                let series = self.series_mut(&anomaly.labels);
                series.status = SeriesStatus::Anomalous;
                series.anomaly = Some(anomaly.clone());
                series.count_anomalous();
            }
            AnomalyEvent::Closed(anomaly) => {
                let series = self.series_mut(&anomaly.labels);
                series.anomaly = None;
                if series.status == SeriesStatus::Anomalous {
                    series.status = SeriesStatus::Normal;
                }
            }
            AnomalyEvent::Acknowledged { id, labels, acknowledgement } => {
                if let Some(open) = self.series_mut(labels).anomaly.as_mut().filter(|open| open.id == *id) {
                    open.acknowledged.get_or_insert_with(|| acknowledgement.clone());
                }
            }
            AnomalyEvent::Feedback { id, labels, feedback, sensitivity } => {
                let series = self.series_mut(labels);
                series.sensitivity = *sensitivity;
                if let Some(open) = series.anomaly.as_mut().filter(|open| open.id == *id) {
                    open.feedback = Some(feedback.clone());
                }
            }
        }
    }

    fn series_mut(&mut self, labels: &Labels) -> &mut SeriesView {
        self.series.get_or_insert_with(labels, SeriesView::empty)
    }
}

impl SeriesView {
    /// Counts the samples of the open anomaly as its episode does, which reports only some of them.
    fn count_anomalous(&mut self) {
        let (Some(anomaly), Some(outside)) = (&mut self.anomaly, &self.outside) else { return };
        for at_ms in outside {
            if *at_ms > anomaly.last_at_ms {
                anomaly.samples = anomaly.samples.saturating_add(1);
                anomaly.last_at_ms = *at_ms;
            }
        }
    }

    fn empty() -> Self {
        Self {
            last: None,
            features: None,
            status: SeriesStatus::Warming { seen: 0, needed: 0 },
            looks_like: None,
            late: 0,
            anomaly: None,
            sensitivity: 1.0,
            outside: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::Deletion;

    fn samples(seq: Seq, value: f64) -> Event {
        let sample =
            ScoredSample { timestamp_ms: seq as i64, value, score: Some(0.1), expected: 1.0, lower: 0.0, upper: 2.0 };
        let series = SeriesSamples {
            labels: Labels::none(),
            samples: vec![sample].into(),
            late: vec![],
            features: None,
            status: SeriesStatus::Normal,
            counter: None,
            looks_like: None,
        };
        Event::new(seq, 0, KpiName::new("a").unwrap(), SeriesEvent::Samples(vec![series]))
    }

    #[test]
    fn a_handed_out_snapshot_does_not_change() {
        let mut view = LiveView::default();
        view.apply(&samples(1, 1.0));
        let before = view.kpis();
        view.apply(&samples(2, 2.0));
        let value = |kpis: &[Arc<KpiView>]| kpis[0].series.get(&Labels::none()).unwrap().last.unwrap().value;
        assert_eq!(value(&before), 1.0);
        assert_eq!(value(&view.kpis()), 2.0);
        assert_eq!(view.seq(), 2);
    }

    #[test]
    fn deleted_samples_series_and_kpis_are_gone() {
        let kpi = KpiName::new("a").unwrap();
        let mut view = LiveView::default();
        view.apply(&samples(1, 1.0));
        let delete =
            |seq, scope| Event::new(seq, 0, kpi.clone(), KpiEvent::Deleted(Deletion { scope, by: "b".into() }));
        let none = Labels::none();
        view.apply(&delete(2, DeletionScope::Samples { labels: none.clone(), from_ms: 2, to_ms: 9 }));
        assert!(view.kpi(&kpi).unwrap().series.get(&none).unwrap().last.is_some(), "it is not in the range");
        view.apply(&delete(3, DeletionScope::Samples { labels: none.clone(), from_ms: 1, to_ms: 2 }));
        assert!(view.kpi(&kpi).unwrap().series.get(&none).unwrap().last.is_none());
        view.apply(&delete(4, DeletionScope::Series { labels: none.clone() }));
        assert!(view.kpi(&kpi).unwrap().series.is_empty());
        view.apply(&delete(5, DeletionScope::Kpi));
        view.apply(&delete(6, DeletionScope::Series { labels: none }));
        assert!(view.kpi(&kpi).is_none() && view.seq() == 6);
    }

    #[test]
    fn incidents_are_open_until_they_are_closed_and_make_no_kpi() {
        let kpi = KpiName::new("a").unwrap();
        let incident = Incident::example(&["a", "b"]);
        let mut view = LiveView::default().with_incidents([&Incident { revision: 0, ..incident.clone() }]);
        view.apply(&Event::new(1, 0, incident.id, IncidentEvent::Updated(Box::new(incident.clone()))));
        assert_eq!(view.incident(incident.id).as_deref(), Some(&incident));
        view.apply(&Event::new(2, 0, incident.id, IncidentEvent::Closed(Box::new(incident))));
        assert!(view.incidents().is_empty() && view.kpi(&kpi).is_none());
        assert_eq!(view.seq(), 2);
    }

    #[test]
    fn parking_and_resuming_is_seen() {
        let kpi = KpiName::new("a").unwrap();
        let event = |seq, body| Event::new(seq, 0, kpi.clone(), body);
        let mut view = LiveView::default();
        view.apply(&event(1, KpiEvent::Parked { reason: "boom".into() }));
        assert_eq!(view.kpi(&kpi).unwrap().run, KpiRun::Parked("boom".into()));
        view.apply(&event(2, KpiEvent::Resumed));
        assert_eq!(view.kpi(&kpi).unwrap().run, KpiRun::Running);
    }
}
