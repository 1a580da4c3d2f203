//! What a detector has learned, from one state to another: baselines trained from history apart from the live stream.

use super::detector::Chosen;
use super::kpi_state::KpiState;
use super::series::Series;
use super::shadow::ShadowSeries;
use earcon_model::{DetectorRef, TrainedSeries};

impl KpiState {
    /// The algorithm that is live here, version included.
    pub fn detector(&self) -> &'static str {
        self.settings.detector.as_str()
    }

    /// What the live detector has learned of each series.
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
        self.series.iter().filter(|series| series.detector.seen() > 0).map(|series| trained(series)).collect()
    }

    /// Takes over what a detector has learned elsewhere, for the live detector or the shadow, whichever is `choice`. Returns of
    /// how many series. Passed over are series that are not known here, bytes of another algorithm, and what was learned
    /// from samples that are yet to come here: a detector must not see a sample twice.
    pub fn adopt(&mut self, choice: &DetectorRef, detector: &str, trained: &[TrainedSeries]) -> usize {
        let to_live = self.live == *choice;
        let settings = match (&self.shadow, to_live) {
            (_, true) => self.settings.clone(),
            (Some(shadow), false) if shadow.choice == *choice => shadow.settings.clone(),
            _ => return 0,
        };
        if settings.detector.as_str() != detector {
            return 0;
        }
        let mut adopted = 0;
        for one in trained {
            let Some(place) = self.index.get(&one.labels).copied() else { continue };
            let series = &mut self.series[place as usize];
            if one.last_timestamp_ms > series.cadence.last_timestamp_ms() {
                continue;
            }
            let Some(learned) = Chosen::decode(settings.detector, &one.state) else { continue };
            adopted += 1;
            if to_live {
                series.detector = learned;
            } else if let Some(shadow) = &mut self.shadow {
                let reading = series.meter.reading();
                shadow.put(place, ShadowSeries::new(reading, learned));
            }
        }
        adopted
    }
}
