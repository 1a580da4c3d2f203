//! Measures of events: windows found against false alerts, at the one threshold of the product.
//!
//! An *alert* is an episode that opens. A labelled window is *found* in two cases:
//! - An alert opens from three rows before the window to some rows after it. That is a tenth of its
//!   rows, at least three.
//! - A row in the window reaches the threshold while an episode is open.
//!
//! Each alert outside of all windows with these margins is one false alert. Sums are over all
//! series (micro), so a file with many windows counts more than one with few.

use serde::Serialize;

use super::metrics::{Agreement, rows_of};
use super::run::{LabelledSeries, Run};

const DAY_MS: f64 = 86_400_000.0;
/// Rows before and after a window in which an alert still belongs to it.
const MARGIN: usize = 3;
/// Share of the window's rows that extends the margin after it.
const LATER: usize = 10;

/// The events of one or more series.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Events {
    /// Labelled windows that have rows.
    pub windows: usize,
    /// Windows with an alert.
    pub found: usize,
    /// Episodes that opened.
    pub alerts: usize,
    /// Episodes that opened outside of all windows and their margins.
    pub false_alerts: usize,
    /// Rows of all series.
    pub rows: usize,
    /// Summed duration of all series, days.
    pub days: f64,
}

impl Events {
    /// Counts the events of runs over series. A row is anomalous from `threshold` on.
    pub fn count<'a>(runs: impl IntoIterator<Item = (&'a LabelledSeries, &'a Run)>, threshold: f64) -> Self {
        let mut events = Self::default();
        for (series, run) in runs {
            events.add(series, run, threshold);
        }
        events
    }

    /// Share of found windows and false alerts that are found windows; share of windows that are
    /// found; harmonic mean. `None` without a labelled window.
    pub fn agreement(&self) -> Option<Agreement> {
        let share = |whole: usize| if whole > 0 { self.found as f64 / whole as f64 } else { 0.0 };
        let (precision, recall) = (share(self.found + self.false_alerts), share(self.windows));
        (self.windows > 0).then(|| Agreement::from_precision_recall(precision, recall))
    }

    /// False alerts a series and day.
    pub fn false_alerts_per_day(&self) -> f64 {
        if self.days > 0.0 { self.false_alerts as f64 / self.days } else { 0.0 }
    }

    /// False alerts per 10,000 rows.
    pub fn false_alerts_per_10000(&self) -> f64 {
        if self.rows > 0 { 10_000.0 * self.false_alerts as f64 / self.rows as f64 } else { 0.0 }
    }

    /// Adds the events of another count.
    pub fn merge(&mut self, other: &Self) {
        self.windows += other.windows;
        self.found += other.found;
        self.alerts += other.alerts;
        self.false_alerts += other.false_alerts;
        self.rows += other.rows;
        self.days += other.days;
    }

    fn add(&mut self, series: &LabelledSeries, run: &Run, threshold: f64) {
        let times = &series.timestamps_ms;
        self.rows += times.len();
        if let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) {
            self.days += (last - first) as f64 / DAY_MS;
        }
        let ranges: Vec<(usize, usize)> = series.windows.iter().filter_map(|window| rows_of(times, *window)).collect();
        let near = |row: usize, &(from, to): &(usize, usize)| {
            let later = MARGIN.max((to - from + 1) / LATER);
            row + MARGIN >= from && row <= to + later
        };
        self.windows += ranges.len();
        self.alerts += run.opened.len();
        self.false_alerts += run.opened.iter().filter(|&&row| !ranges.iter().any(|range| near(row, range))).count();
        let found = |range: &&(usize, usize)| {
            let high = |row: usize| run.open[row] && run.scores[row] >= threshold;
            run.opened.iter().any(|&row| near(row, range)) || (range.0..=range.1).any(high)
        };
        self.found += ranges.iter().filter(found).count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred rows a minute apart with the windows 20 to 59 and 80 to 80.
    fn case(opened: &[usize], high_and_open: &[usize]) -> Events {
        let at = |row: i64| row * 60_000;
        let series = LabelledSeries {
            name: "case".into(),
            timestamps_ms: (0..100).map(at).collect(),
            values: vec![0.0; 100],
            windows: vec![(at(20), at(59)), (at(80), at(80))],
            labelled: true,
        };
        let mut run = Run { scores: vec![0.0; 100], open: vec![false; 100], ..Run::default() };
        run.opened = opened.to_vec();
        for &row in high_and_open {
            (run.scores[row], run.open[row]) = (0.6, true);
        }
        Events::count([(&series, &run)], 0.5)
    }

    #[test]
    fn an_alert_close_to_a_window_finds_it() {
        let found = |opened: &[usize]| {
            let events = case(opened, &[]);
            (events.found, events.false_alerts)
        };
        assert_eq!(found(&[16]), (0, 1));
        assert_eq!(found(&[17]), (1, 0), "three rows before");
        assert_eq!(found(&[63]), (1, 0), "a tenth of forty rows after");
        assert_eq!(found(&[64]), (0, 1));
        assert_eq!(found(&[77, 83]), (1, 0));
        assert_eq!(found(&[76, 84]), (0, 2));
    }

    #[test]
    fn an_open_episode_finds_a_window_by_an_anomalous_row_in_it() {
        assert_eq!((case(&[5], &[30]).found, case(&[5], &[30]).false_alerts), (1, 1));
        assert_eq!(case(&[5], &[61]).found, 0);
    }

    #[test]
    fn rates_and_agreement_match_hand_computed_values() {
        let events = case(&[5, 30, 90], &[]);
        let agreement = events.agreement().unwrap();
        assert_eq!((agreement.precision, agreement.recall), (1.0 / 3.0, 0.5));
        assert!((events.false_alerts_per_day() - 2.0 / (99.0 / 1_440.0)).abs() < 1e-9);
        assert_eq!(events.false_alerts_per_10000(), 200.0);
        assert_eq!(Events::default().agreement(), None);
    }
}
