//! Measures besides the Numenta score, over any number of labelled series.

use serde::Serialize;

use super::run::{LabelledSeries, Run};

const DAY_MS: f64 = 86_400_000.0;

/// Precision, recall and their harmonic mean. A quotient with a divisor of 0 is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Agreement {
    /// Share of the detections that are labelled.
    pub precision: f64,
    /// Share of the labels that were detected.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
}

impl Agreement {
    pub(super) fn from_precision_recall(precision: f64, recall: f64) -> Self {
        let sum = precision + recall;
        Self { precision, recall, f1: if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 } }
    }
}

/// The quality of the alerts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Quality {
    /// Rows of all series.
    pub rows: usize,
    /// Summed duration of all series, days.
    pub days: f64,
    /// Labelled windows.
    pub windows: usize,
    /// Labelled windows with an alert.
    pub found: usize,
    /// Alerts.
    pub alerts: usize,
    /// Alerts outside of windows.
    pub false_alerts: usize,
    /// Alerts per day and series.
    pub alerts_per_day: f64,
    /// Agreement of rows, point-adjusted: if one row of a window is anomalous, all its rows count
    /// as found (Xu et al. 2018, *Unsupervised Anomaly Detection via Variational Auto-Encoder for
    /// Seasonal KPIs in Web Applications*). A lenient measure: where windows are long, even random
    /// scores do well.
    pub point_adjusted: Agreement,
    /// Agreement of episodes and windows (Tatbul et al. 2018, *Precision and Recall for Time
    /// Series*) with flat bias and no penalty for fragments. One half of the recall is for
    /// detection at all, the other for the share of the window that is covered.
    pub ranges: Agreement,
    /// Median number of rows from the start of a window to its first alert. `None` if no window has
    /// one.
    pub rows_to_detect: Option<f64>,
    /// The same in seconds.
    pub seconds_to_detect: Option<f64>,
}

/// Computes the quality of runs over series. A row is anomalous from `threshold` on.
pub fn quality<'a>(runs: impl IntoIterator<Item = (&'a LabelledSeries, &'a Run)>, threshold: f64) -> Quality {
    let mut sums = Sums::default();
    for (series, run) in runs {
        sums.add(series, run, threshold);
    }
    sums.quality()
}

#[derive(Default)]
struct Sums {
    total: Quality,
    /// Rows of found windows, rows of missed windows, anomalous rows outside.
    rows: (usize, usize, usize),
    /// Summed precision of episodes and their number.
    episodes: (f64, usize),
    recall: f64,
    rows_to_detect: Vec<f64>,
    seconds_to_detect: Vec<f64>,
}

impl Sums {
    fn add(&mut self, series: &LabelledSeries, run: &Run, threshold: f64) {
        let times = &series.timestamps_ms;
        let ranges: Vec<(usize, usize)> = series.windows.iter().filter_map(|window| rows_of(times, *window)).collect();
        let inside = |row: usize| ranges.iter().any(|range| (range.0..=range.1).contains(&row));
        let total = &mut self.total;
        total.rows += times.len();
        if let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) {
            total.days += (last - first) as f64 / DAY_MS;
        }
        total.windows += series.windows.len();
        let alerts: Vec<usize> = (0..times.len()).filter(|&row| run.alerts[row] > 0.0).collect();
        total.alerts += alerts.len();
        total.false_alerts += alerts.iter().filter(|&&row| !inside(row)).count();
        self.rows.2 += (0..times.len()).filter(|&row| run.scores[row] >= threshold && !inside(row)).count();
        for &(from, to) in &ranges {
            let anomalous = (from..=to).any(|row| run.scores[row] >= threshold);
            *(if anomalous { &mut self.rows.0 } else { &mut self.rows.1 }) += to - from + 1;
            if let Some(&at) = alerts.iter().find(|&&row| (from..=to).contains(&row)) {
                self.total.found += 1;
                self.rows_to_detect.push((at - from) as f64);
                self.seconds_to_detect.push((times[at] - times[from]) as f64 / 1_000.0);
            }
            let covered: usize = run.episodes.iter().map(|episode| overlap(*episode, (from, to))).sum();
            self.recall += if covered > 0 { 0.5 + 0.5 * covered as f64 / (to - from + 1) as f64 } else { 0.0 };
        }
        for &episode in &run.episodes {
            let labelled: usize = ranges.iter().map(|range| overlap(episode, *range)).sum();
            self.episodes.0 += labelled as f64 / (episode.1 - episode.0 + 1) as f64;
            self.episodes.1 += 1;
        }
    }

    fn quality(mut self) -> Quality {
        let (found, missed, outside) = self.rows;
        let mut quality = self.total;
        quality.alerts_per_day = ratio(quality.alerts as f64, quality.days);
        quality.point_adjusted = Agreement::from_precision_recall(
            ratio(found as f64, (found + outside) as f64),
            ratio(found as f64, (found + missed) as f64),
        );
        let precision = ratio(self.episodes.0, self.episodes.1 as f64);
        quality.ranges = Agreement::from_precision_recall(precision, ratio(self.recall, quality.windows as f64));
        quality.rows_to_detect = median(&mut self.rows_to_detect);
        quality.seconds_to_detect = median(&mut self.seconds_to_detect);
        quality
    }
}

/// First and last row whose time lies in the window. `None` if there is none.
pub(super) fn rows_of(times: &[i64], window: (i64, i64)) -> Option<(usize, usize)> {
    let inside = |at: &i64| (window.0..=window.1).contains(at);
    Some((times.iter().position(inside)?, times.iter().rposition(inside)?))
}

fn overlap(a: (usize, usize), b: (usize, usize)) -> usize {
    (a.1.min(b.1) + 1).saturating_sub(a.0.max(b.0))
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some(0.5 * (values[middle - 1] + values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_of_a_small_case_match_hand_computed_values() {
        // Ten rows a minute apart; rows 2 to 5 and 8 to 9 are labelled; an episode at 4 to 6,
        // another at 0.
        let series = LabelledSeries {
            name: "small".into(),
            timestamps_ms: (0..10).map(|i| i * 60_000).collect(),
            values: vec![0.0; 10],
            windows: vec![(120_000, 300_000), (480_000, 540_000)],
            labelled: true,
        };
        let mut run = Run { scores: vec![0.1; 10], alerts: vec![0.0; 10], ..Run::default() };
        run.episodes = vec![(0, 0), (4, 6)];
        for row in [0, 4, 6] {
            run.scores[row] = 0.7;
        }
        (run.alerts[0], run.alerts[4]) = (0.7, 0.7);
        let found = quality([(&series, &run)], 0.5);
        assert_eq!((found.rows, found.windows, found.found, found.alerts, found.false_alerts), (10, 2, 1, 2, 1));
        assert_eq!((found.rows_to_detect, found.seconds_to_detect), (Some(2.0), Some(120.0)));
        // Rows: 4 in the found window, 2 in the missed one, 2 anomalous ones outside.
        assert_eq!((found.point_adjusted.precision, found.point_adjusted.recall), (4.0 / 6.0, 4.0 / 6.0));
        // Episodes: 0 and 2 of 3 rows labelled. Windows: half and half of 2 of 4 rows; none.
        assert_eq!((found.ranges.precision, found.ranges.recall), (1.0 / 3.0, 0.375));
        assert!((found.alerts_per_day - 2.0 / (540.0 / 86_400.0)).abs() < 1e-9);
    }

    #[test]
    fn quality_of_nothing_is_zero() {
        assert_eq!(quality([], 0.5), Quality::default());
    }
}
