//! Deletion of series and samples from the state of a KPI.
//!
//! A deleted series goes with all it has learned. Its place stays empty, because the parts of a
//! saved state hold series by their places (`parts`). If only samples of a time range go, detector,
//! cadence and feedback stay: they hold no sample, and scoring goes on as before.

use super::kpi_state::KpiState;
use super::series::Series;
use earcon_model::{AnomalyEvent, DeletionScope, EpisodeEnd};

impl KpiState {
    /// Applies a deletion. Returns the open episodes that it ends, closed.
    pub fn delete(&mut self, scope: &DeletionScope) -> Vec<AnomalyEvent> {
        let closed = match scope {
            DeletionScope::Kpi | DeletionScope::Series { .. } => self.delete_series(scope),
            DeletionScope::Samples { .. } => self.delete_samples(scope),
        };
        self.find_next_stall();
        closed
    }

    /// How many series a deletion concerns.
    pub fn matching(&self, scope: &DeletionScope) -> usize {
        self.series.iter().filter(|series| !series.vacant && scope.matches(&series.labels)).count()
    }

    fn delete_series(&mut self, scope: &DeletionScope) -> Vec<AnomalyEvent> {
        let mut emptied = self.index.vacate(|labels| scope.covers_series(labels));
        emptied.sort_unstable();
        let mut closed = Vec::new();
        for place in emptied {
            let vacant = Series::vacant(self.shared());
            let mut gone = std::mem::replace(&mut self.series[place as usize], vacant);
            closed.extend(end_episode(&mut gone));
            if let Some(shadow) = &mut self.shadow {
                shadow.remove(place as usize);
            }
            self.vacant += 1;
        }
        closed
    }

    fn delete_samples(&mut self, scope: &DeletionScope) -> Vec<AnomalyEvent> {
        let mut closed = Vec::new();
        for series in self.series.iter_mut().filter(|series| !series.vacant) {
            if series.last.is_some_and(|last| scope.covers_sample(&series.labels, last.timestamp_ms)) {
                (series.last, series.features) = (None, None);
            }
            if series.episode.open.as_ref().is_some_and(|open| scope.covers_anomaly(open)) {
                closed.extend(end_episode(series));
            }
        }
        closed
    }
}

/// Closes the open episode at its last anomalous sample.
fn end_episode(series: &mut Series) -> Option<AnomalyEvent> {
    let last_at_ms = series.episode.open.as_ref()?.last_at_ms;
    series.episode.end(last_at_ms, EpisodeEnd::Deleted)
}
