//! Runs the detector over a labelled series.

use std::sync::Arc;

use earcon_model::{AnomalyEvent, EventBody, KpiName, Labels, Sample, SeriesBatch, SeriesEvent, WorkspaceId};
use earcon_streams::{KpiState, StreamSettings, surprise};

/// A series with the time windows of its anomalies.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelledSeries {
    /// Its name in reports.
    pub name: String,
    /// Timestamp of each row, milliseconds since the Unix epoch.
    pub timestamps_ms: Vec<i64>,
    /// Value of each row.
    pub values: Vec<f64>,
    /// First and last timestamp of each anomaly, in order and without overlap.
    pub windows: Vec<(i64, i64)>,
    /// Whether the data says which rows are anomalous. Without labels nothing is right or wrong.
    pub labelled: bool,
}

/// The scores and alerts of a series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// Score of each row, 0 if it has none.
    pub scores: Vec<f64>,
    /// For each row the score of the alert it raised, 0 if it raised none.
    pub alerts: Vec<f64>,
    /// The row of each episode that opened.
    pub opened: Vec<usize>,
    /// For each row whether an episode is open after it.
    pub open: Vec<bool>,
    /// First and last anomalous row of each episode.
    pub episodes: Vec<(usize, usize)>,
    /// The expected value of each row and the edges of its band: expected, lower, upper. NaN
    /// without a score; empty for a baseline, which has no band.
    pub bands: Vec<[f64; 3]>,
    /// Whether each row was scored, and why not.
    pub outcomes: Vec<RowOutcome>,
}

/// Whether a row was scored, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowOutcome {
    /// It has a score.
    Scored,
    /// The detector was warming up.
    WarmUp,
    /// Its timestamp is not newer than the previous one.
    Late,
    /// It was refused, such as a value that is not finite.
    Refused,
}

impl RowOutcome {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            RowOutcome::Scored => "scored",
            RowOutcome::WarmUp => "warm_up",
            RowOutcome::Late => "late",
            RowOutcome::Refused => "refused",
        }
    }
}

impl Run {
    /// How many rows have this outcome.
    pub fn rows(&self, outcome: RowOutcome) -> usize {
        self.outcomes.iter().filter(|each| **each == outcome).count()
    }
}

/// Scores a series row by row, with a detector that has seen no data.
pub fn run(series: &LabelledSeries, settings: &Arc<StreamSettings>) -> Run {
    let mut run = Run::default();
    let Ok((workspace, kpi)) = names() else { return run };
    let mut state = KpiState::new(workspace, kpi, settings.clone());
    let mut now_ms = i64::MIN;
    let mut alerted_peak = 0.0;
    let mut open = false;
    for (row, (&timestamp_ms, &value)) in series.timestamps_ms.iter().zip(&series.values).enumerate() {
        now_ms = now_ms.max(timestamp_ms);
        let batch = SeriesBatch::gauge(Labels::none(), [(0, Sample { timestamp_ms, value })]);
        let pushed = state.push(&[batch], now_ms);
        let mut outcome = match (pushed.rejected.is_empty(), pushed.late) {
            (false, _) => RowOutcome::Refused,
            (true, 0) => RowOutcome::WarmUp,
            (true, _) => RowOutcome::Late,
        };
        let (mut score, mut alert, mut band) = (0.0, 0.0, [f64::NAN; 3]);
        for body in &pushed.bodies {
            match body {
                EventBody::Series(SeriesEvent::Samples(all)) => {
                    let last = all.iter().flat_map(|one| &one.samples).next_back();
                    if let Some(scored) = last.and_then(|sample| sample.score) {
                        (score, outcome) = (f64::from(scored), RowOutcome::Scored);
                    }
                    band = last.map_or(band, |sample| [sample.expected, sample.lower, sample.upper]);
                }
                EventBody::Anomaly(AnomalyEvent::Opened(anomaly)) => {
                    alerted_peak = anomaly.peak_score;
                    alert = score;
                    open = true;
                    run.opened.push(row);
                    run.episodes.push((row, row));
                }
                EventBody::Anomaly(AnomalyEvent::Closed(_)) => open = false,
                // A periodic update without growth is no alert.
                EventBody::Anomaly(AnomalyEvent::Updated(anomaly))
                    if anomaly.peak_at_ms == timestamp_ms
                        && surprise::has_clearly_grown(alerted_peak, anomaly.peak_score) =>
                {
                    alerted_peak = anomaly.peak_score;
                    alert = score;
                }
                _ => {}
            }
        }
        if let (true, Some(episode)) = (score >= f64::from(settings.open_score), run.episodes.last_mut()) {
            episode.1 = row;
        }
        run.outcomes.push(outcome);
        run.scores.push(score);
        run.alerts.push(alert);
        run.open.push(open);
        run.bands.push(band);
    }
    run
}

fn names() -> Result<(WorkspaceId, KpiName), earcon_model::IdError> {
    Ok((WorkspaceId::new("evaluation")?, KpiName::new("evaluated")?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{CONSTRUCTED_KINDS, Events};

    #[test]
    fn every_row_says_whether_it_was_scored_and_why_not() {
        let mut series = LabelledSeries { values: vec![1.0; 40], labelled: true, ..LabelledSeries::default() };
        series.timestamps_ms = (0..40).map(|row| row * 60_000).collect();
        series.timestamps_ms[35] = 0;
        series.values[36] = f64::INFINITY;
        let run = run(&series, &Arc::default());
        let all = [RowOutcome::WarmUp, RowOutcome::Scored, RowOutcome::Late, RowOutcome::Refused];
        assert_eq!(all.map(|outcome| run.rows(outcome)), [30, 8, 1, 1]);
        assert_eq!(run.outcomes[34..38], [all[1], all[2], all[3], all[1]]);
    }

    #[test]
    fn default_detector_finds_constructed_anomalies() {
        let settings = Arc::default();
        for kind in CONSTRUCTED_KINDS {
            let runs: Vec<_> = (1..=4).map(|seed| kind.series(seed)).map(|s| (run(&s, &settings), s)).collect();
            let found = Events::count(runs.iter().map(|(run, series)| (series, run)), 0.5);
            // A drift over four days is followed.
            let least = if kind.name == "slow drift" { 0 } else { found.windows };
            // The first three nights of a job of every night are news.
            let most = if kind.name == "absent spike" { 3 * runs.len() } else { 4 };
            assert!(found.found >= least && found.false_alerts <= most, "{}: {found:?}", kind.name);
        }
    }
}
