//! Simple detectors to compare with, run by the same command on the same data.
//!
//! Each gives a distance for a sample; from its threshold on the row is anomalous. They keep as
//! much history as their recipe needs: their memory is not bounded as that of the product.

mod distance;
mod holt_winters;
mod k_means;
mod seasonal_median;
mod sigmas;

use super::run::{LabelledSeries, RowOutcome, Run};
use distance::Distance;
use earcon_streams::StreamSettings;
use holt_winters::HoltWinters;
use k_means::KMeans;
use seasonal_median::SeasonalMedian;
use sigmas::RollingSigmas;

/// A simple detector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// Exponential smoothing with a season of a day (Winters 1960), in slots of ten minutes.
    HoltWintersDaily,
    /// The same with a season of a week, in slots of an hour.
    HoltWintersWeekly,
    /// Distance from the median of the same time of day, in median absolute deviations.
    SeasonalMedian,
    /// The k-means detector of Netdata: two clusters of differenced, smoothed and lagged values.
    NetdataKMeans,
    /// Distance from the mean of the last 144 values, in standard deviations.
    RollingSigmas,
}

impl Baseline {
    /// All baselines.
    pub const ALL: [Self; 5] = [
        Self::HoltWintersDaily,
        Self::HoltWintersWeekly,
        Self::SeasonalMedian,
        Self::NetdataKMeans,
        Self::RollingSigmas,
    ];

    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HoltWintersDaily => "holt-winters-daily",
            Self::HoltWintersWeekly => "holt-winters-weekly",
            Self::SeasonalMedian => "seasonal-median",
            Self::NetdataKMeans => "netdata-k-means",
            Self::RollingSigmas => "rolling-sigmas",
        }
    }

    /// The baseline with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// The distance from which a row is anomalous. For the sigmas it is the customary one; for the
    /// others the best common one on labelled KPIs.
    pub const fn threshold(self) -> f64 {
        match self {
            Self::HoltWintersDaily | Self::HoltWintersWeekly => 12.0,
            Self::SeasonalMedian => 16.0,
            Self::NetdataKMeans => 1.3,
            Self::RollingSigmas => 3.0,
        }
    }

    fn start(self) -> Box<dyn Distance> {
        match self {
            Self::HoltWintersDaily => Box::new(HoltWinters::daily()),
            Self::HoltWintersWeekly => Box::new(HoltWinters::weekly()),
            Self::SeasonalMedian => Box::new(SeasonalMedian::default()),
            Self::NetdataKMeans => Box::new(KMeans::default()),
            Self::RollingSigmas => Box::new(RollingSigmas::default()),
        }
    }

    /// Scores a series row by row. A distance of `threshold` scores 0.5. An episode ends
    /// by the rule of these settings. `local_ms` gives the local time of a timestamp.
    pub fn run(
        self,
        series: &LabelledSeries,
        threshold: f64,
        settings: &StreamSettings,
        local_ms: impl Fn(i64) -> i64,
    ) -> Run {
        let mut detector = self.start();
        let mut run = Run::default();
        let (mut newest, mut calm_rows, mut restless_ms, mut open) = (i64::MIN, 0_u16, 0, false);
        for (row, (&at, &value)) in series.timestamps_ms.iter().zip(&series.values).enumerate() {
            let (mut score, mut outcome) = (0.0, RowOutcome::Late);
            if at > newest {
                outcome = RowOutcome::Scored;
                newest = at;
                let surprise = detector.push(local_ms(at), value) / threshold;
                score = 1.0 - (-surprise * surprise).exp2();
            }
            let anomalous = score >= 0.5;
            let opens = anomalous && !open;
            if opens {
                run.opened.push(row);
                run.episodes.push((row, row));
            } else if let (true, Some(episode)) = (anomalous, run.episodes.last_mut()) {
                episode.1 = row;
            }
            calm_rows = if anomalous { 0 } else { calm_rows.saturating_add(1) };
            if anomalous {
                restless_ms = at;
            }
            open = anomalous || (open && !settings.is_over(calm_rows, at.saturating_sub(restless_ms)));
            run.outcomes.push(outcome);
            run.scores.push(score);
            run.alerts.push(if opens { score } else { 0.0 });
            run.open.push(open);
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{CONSTRUCTED_KINDS, Events};

    #[test]
    fn each_baseline_finds_large_spikes() {
        let spikes = CONSTRUCTED_KINDS[0].series(1);
        for baseline in Baseline::ALL {
            assert_eq!(Baseline::parse(baseline.as_str()), Some(baseline));
            let run = baseline.run(&spikes, baseline.threshold(), &StreamSettings::default(), |at| at);
            assert_eq!((run.scores.len(), run.open.len()), (spikes.values.len(), spikes.values.len()));
            let events = Events::count([(&spikes, &run)], 0.5);
            // The models of k-means that have seen a spike accept the next one.
            let least = if baseline == Baseline::NetdataKMeans { 1 } else { 10 };
            assert!(events.found >= least, "{}: {events:?}", baseline.as_str());
        }
    }
}
