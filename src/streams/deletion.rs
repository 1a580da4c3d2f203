//! Deletion of series and samples from the state of a KPI.
//!
//! A deleted series goes with all it has learned, and its memory is free. Its ordinal is never used
//! again. If only samples of a time range go, detector, cadence and feedback stay: they hold no
//! sample, and scoring goes on as before.

use super::kpi_state::KpiState;
use super::natural::NaturalRange;
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
        self.series.iter().filter(|series| scope.matches(&series.labels)).count()
    }

    fn delete_series(&mut self, scope: &DeletionScope) -> Vec<AnomalyEvent> {
        let is_in_parts = self.parts() > 1;
        let mut closed = Vec::new();
        let mut stays = Vec::with_capacity(self.series.len());
        for series in &mut self.series {
            let goes = scope.covers_series(&series.labels);
            stays.push(!goes);
            if goes {
                closed.extend(end_episode(series, self.natural));
                if is_in_parts {
                    self.deleted.push((series.ordinal, series.labels.clone()));
                }
            }
        }
        if stays.iter().all(|stays| *stays) {
            return closed;
        }
        let mut of_series = stays.iter();
        self.series.retain(|_| of_series.next().is_some_and(|stays| *stays));
        self.series.shrink_to(self.series.len() + self.series.len() / 4);
        self.index.retain_numbered(|labels| !scope.covers_series(labels));
        if let Some(shadow) = &mut self.shadow {
            shadow.retain(&stays);
        }
        closed
    }

    fn delete_samples(&mut self, scope: &DeletionScope) -> Vec<AnomalyEvent> {
        let mut closed = Vec::new();
        for series in &mut self.series {
            if series.last.is_some_and(|last| scope.covers_sample(&series.labels, last.timestamp_ms)) {
                (series.last, series.features) = (None, None);
            }
            if series.episode.open.as_ref().is_some_and(|open| scope.covers_anomaly(open)) {
                closed.extend(end_episode(series, self.natural));
            }
        }
        closed
    }
}

/// Closes the open episode at its last anomalous sample.
fn end_episode(series: &mut Series, natural: NaturalRange) -> Option<AnomalyEvent> {
    let last_at_ms = series.episode.open.as_ref()?.last_at_ms;
    let closed = series.episode.end(last_at_ms, EpisodeEnd::Deleted);
    closed.map(|event| series.shown(event, natural))
}
