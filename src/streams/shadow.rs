//! A second detector on the samples of the live one. Its findings are counted and alert no one.
//!
//! It reads the logged samples of a push, not the push itself. So a replay leads to the same state,
//! the caller can measure it apart from live scoring, and it cannot change the live scores. Labels,
//! cadence, stalls and counters belong to the live series; a shadow has its own detector and
//! episode only.

use std::sync::Arc;

use super::detector::AnyDetector;
use super::entry::EntryProblem;
use super::episode::Owner;
use super::kpi_state::KpiState;
use super::settings::StreamSettings;
use super::shadow_state::{Shadow, ShadowSeries};
use earcon_model::{
    AnomalyEvent, Arrival, DetectorRef, DetectorSlots, EpisodeEnd, EventBody, Labels, Reading, Sample, SeriesEvent,
    SeriesSamples,
};

/// An episode that the shadow would have opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowAlert {
    /// The series.
    pub labels: Labels,
    /// Timestamp of the sample, milliseconds UTC.
    pub timestamp_ms: i64,
}

/// The result of showing events to the shadow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// Live samples seen, scored or not.
    pub samples: u64,
    /// Episodes it opened.
    pub alerts: Vec<ShadowAlert>,
}

impl KpiState {
    /// The live detector and the shadow of the KPI.
    pub fn detectors(&self) -> DetectorSlots {
        DetectorSlots { live: self.live.clone(), shadow: self.shadow.as_ref().map(|shadow| shadow.choice.clone()) }
    }

    /// The shadow detector, if there is one.
    pub fn shadow(&self) -> Option<&DetectorRef> {
        self.shadow.as_ref().map(|shadow| &shadow.choice)
    }

    /// Scores the KPI with these detectors from here on. Returns whether that changes anything.
    ///
    /// A detector that already runs, live or as the shadow, keeps its learned state in the new
    /// role; any other starts fresh. Open episodes, cadence and stalls stay. An episode that only
    /// the shadow had opened is dropped.
    ///
    /// # Errors
    /// An entry that this version cannot run; nothing is changed.
    pub fn set_detectors(&mut self, wanted: &DetectorSlots) -> Result<bool, Vec<EntryProblem>> {
        let live = StreamSettings::for_detector_ref(&self.base, &wanted.live)?;
        let shadow = match &wanted.shadow {
            Some(choice) => Some((choice, StreamSettings::for_detector_ref(&self.base, choice)?)),
            None => None,
        };
        if self.detectors() == *wanted {
            return Ok(false);
        }
        if self.live != wanted.live {
            self.change_live(wanted.live.clone(), live);
        }
        match shadow {
            None => self.shadow = None,
            Some((choice, _)) if self.shadow() == Some(choice) => {}
            Some((choice, settings)) => self.shadow = Some(Box::new(Shadow::new(choice.clone(), settings))),
        }
        Ok(true)
    }

    /// The former live detector becomes the shadow.
    fn change_live(&mut self, choice: DetectorRef, settings: Arc<StreamSettings>) {
        let mut warm = self.shadow.take().filter(|shadow| shadow.choice == choice);
        let former = std::mem::replace(&mut self.live, choice);
        let mut retired = Shadow::new(former, std::mem::replace(&mut self.settings, settings));
        for (position, series) in self.series.iter_mut().enumerate() {
            let reading = series.counter_state.reading();
            let learned = warm.as_mut().and_then(|shadow| shadow.remove(position));
            let detector = match learned.filter(|learned| learned.reading == reading) {
                Some(learned) => learned.detector,
                None => AnyDetector::new(self.settings.detector),
            };
            let detector = std::mem::replace(&mut series.detector, detector);
            retired.put(position as u32, ShadowSeries::new(reading, detector));
        }
        self.shadow = Some(Box::new(retired));
    }

    /// Drops the shadow.
    pub fn drop_shadow(&mut self) {
        self.shadow = None;
    }

    /// Shows the logged events of this KPI to the shadow. After a panic only the shadow is in an
    /// unknown state: drop it.
    pub fn observe(&mut self, bodies: &[EventBody]) -> Observed {
        let mut observed = Observed::default();
        for body in bodies {
            match body {
                EventBody::Series(SeriesEvent::Samples(all)) => {
                    all.iter().for_each(|one| self.observe_samples(one, Arrival::Live, &mut observed));
                }
                EventBody::Series(SeriesEvent::Backfilled(all)) => {
                    all.iter().for_each(|one| self.observe_samples(one, Arrival::Backfill, &mut observed));
                }
                EventBody::Series(SeriesEvent::Ended { labels, timestamp_ms }) => {
                    if let Some(position) = self.index.find(labels) {
                        self.end_shadow_episode(position, *timestamp_ms, EpisodeEnd::SeriesEnded);
                    }
                }
                // A stall has ended the episode already, with that of the live series.
                EventBody::Series(SeriesEvent::Stalled { .. } | SeriesEvent::Restored { .. }) => {}
                _ => {}
            }
        }
        observed
    }

    /// Ends the shadow's episode of the series at this position.
    pub(super) fn end_shadow_episode(&mut self, position: u32, ended_at_ms: i64, why: EpisodeEnd) {
        let shadow = self.shadow.as_mut().and_then(|shadow| shadow.series.get_mut(position as usize));
        if let Some(Some(series)) = shadow {
            let _unreported = series.episode.end(ended_at_ms, why);
        }
    }

    fn observe_samples(&mut self, logged: &SeriesSamples, arrival: Arrival, observed: &mut Observed) {
        let (Some(shadow), Some(position)) = (&mut self.shadow, self.index.find(&logged.labels)) else {
            return;
        };
        if logged.samples.is_empty() && logged.counter.is_none_or(|counter| counter.start.is_none()) {
            return;
        }
        let reading = if logged.counter.is_some() { Reading::Counter } else { Reading::Gauge };
        let known = shadow.series.get(position as usize).is_some_and(Option::is_some);
        if !known {
            shadow.put(position, ShadowSeries::new(reading, AnyDetector::new(shadow.settings.detector)));
        }
        let settings = &shadow.settings;
        let Some(Some(series)) = shadow.series.get_mut(position as usize) else { return };
        if series.reading != reading {
            series.reading = reading;
            series.detector = AnyDetector::new(settings.detector);
        }
        // The episodes of a shadow reach no incident, so nothing asks whether the series is new.
        let owner = Owner {
            workspace: &self.workspace,
            kpi: &self.kpi,
            labels: &logged.labels,
            detector: settings.label(),
            learning: false,
        };
        for scored in &logged.samples {
            let (timestamp_ms, value) = (scored.timestamp_ms, scored.value);
            // Feedback applies to every detector of the series; otherwise the two could not be
            // compared.
            let sensitivity = settings.sensitivity * self.series[position as usize].feedback.factor(timestamp_ms);
            let score = series.detector.score(Sample { timestamp_ms, value }, settings, sensitivity);
            if arrival == Arrival::Backfill {
                continue;
            }
            observed.samples += 1;
            let reported = series.episode.push(timestamp_ms, value, score.as_ref(), owner, settings);
            if reported.iter().flatten().any(|event| matches!(event, AnomalyEvent::Opened(_))) {
                observed.alerts.push(ShadowAlert { labels: logged.labels.clone(), timestamp_ms });
            }
        }
    }
}
