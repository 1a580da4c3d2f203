//! Exports and imports the learned state of a detector, for baselines trained from history.

use super::detector::AnyDetector;
use super::kpi_state::KpiState;
use super::series::Series;
use super::shadow_state::ShadowSeries;
use earcon_model::{DetectorRef, TrainedSeries};

impl KpiState {
    /// The version name of the live detector.
    pub fn detector(&self) -> &'static str {
        self.settings.detector.as_str()
    }

    /// The learned state of the live detector, for each series.
    pub fn trained(&self) -> Vec<TrainedSeries> {
        let trained = |series: &Series| {
            let mut state = Vec::new();
            series.detector.encode(&mut state);
            TrainedSeries {
                labels: series.labels.clone(),
                last_timestamp_ms: series.cadence.last_timestamp_ms(),
                state,
            }
        };
        self.series.iter().filter(|series| series.detector.seen() > 0).map(trained).collect()
    }

    /// Imports learned state into the live detector or the shadow, whichever `detector` refers to.
    /// Returns the number of imported series.
    ///
    /// Skips series that are unknown here, state of another algorithm, and state that has seen
    /// samples newer than those here: a detector must not see a sample twice.
    pub fn import_training(&mut self, detector: &DetectorRef, algorithm: &str, trained: &[TrainedSeries]) -> usize {
        let to_live = self.live == *detector;
        let settings = match (&self.shadow, to_live) {
            (_, true) => self.settings.clone(),
            (Some(shadow), false) if shadow.choice == *detector => shadow.settings.clone(),
            _ => return 0,
        };
        if settings.detector.as_str() != algorithm {
            return 0;
        }
        let mut imported = 0;
        for one in trained {
            let Some(position) = self.index.find(&one.labels) else { continue };
            let series = &mut self.series[position as usize];
            if one.last_timestamp_ms > series.cadence.last_timestamp_ms() {
                continue;
            }
            let Some(learned) = AnyDetector::decode(settings.detector, &one.state) else { continue };
            imported += 1;
            if to_live {
                series.detector = learned;
            } else if let Some(shadow) = &mut self.shadow {
                let reading = series.counter_state.reading();
                shadow.put(position, ShadowSeries::new(reading, learned));
            }
        }
        imported
    }
}
