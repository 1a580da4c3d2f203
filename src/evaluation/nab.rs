//! The score of the Numenta Anomaly Benchmark, version 1.1.
//!
//! Lavin & Ahmad 2015, *Evaluating Real-time Anomaly Detection Algorithms – the Numenta Anomaly
//! Benchmark*. A detection inside a labelled window earns more the earlier it is, and only the best
//! of a window counts. A window without a detection costs. A detection outside costs too, less if
//! it closely follows a window. The sum over the corpus is scaled: a detector without detections
//! has 0, a perfect one 100.
//!
//! Rows with equal scores are detected together: a threshold lies between two *different* scores of
//! the corpus, or above all. The first 15 % of a series, at most 750 rows, are for learning;
//! detections there neither earn nor cost.

use serde::Serialize;

use super::run::LabelledSeries;

/// The weights of right and wrong detections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Profile {
    /// Its name in reports.
    pub name: &'static str,
    /// Gain for a window found at its first row.
    pub true_positive: f64,
    /// Cost of a detection far from any window.
    pub false_positive: f64,
    /// Cost of a window without a detection.
    pub false_negative: f64,
}

/// The three official profiles.
pub const PROFILES: [Profile; 3] = [
    Profile { name: "standard", true_positive: 1.0, false_positive: 0.11, false_negative: 1.0 },
    Profile { name: "low false positives", true_positive: 1.0, false_positive: 0.22, false_negative: 1.0 },
    Profile { name: "low false negatives", true_positive: 1.0, false_positive: 0.11, false_negative: 2.0 },
];

const PROBATION_SHARE: f64 = 0.15;
const PROBATION_MOST: usize = 750;

/// One row's part in the sweep over thresholds.
#[derive(Debug, Clone, Copy)]
struct Point {
    score: f64,
    /// The index of its window in the corpus. `None` outside of windows.
    window: Option<usize>,
    /// The sigmoid of its position, −1 to 1, not weighted. Inside a window it is relative to the
    /// value at the window's start.
    credit: f64,
}

/// The scored rows of a corpus, sorted for the sweep over thresholds.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// In order of falling score.
    points: Vec<Point>,
    windows: usize,
}

/// Result for one profile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NabScore {
    /// Rows with at least this score are detections. Above all scores if nothing should be
    /// detected.
    pub threshold: f64,
    /// 0: as good as no detections, 100: perfect. May be negative.
    pub score: f64,
    /// Windows with a detection.
    pub found: usize,
    /// All windows.
    pub windows: usize,
    /// Detections outside of windows, after the probation.
    pub false_alerts: usize,
}

impl Sweep {
    /// Builds the sweep from series with one score per row.
    pub fn new<'a>(corpus: impl IntoIterator<Item = (&'a LabelledSeries, &'a [f64])>) -> Self {
        let mut sweep = Self { points: Vec::new(), windows: 0 };
        for (series, scores) in corpus {
            sweep.add(series, scores);
        }
        sweep.points.sort_by(|a, b| b.score.total_cmp(&a.score));
        sweep
    }

    /// The score at the best threshold for the profile. Of equally good thresholds, the highest is
    /// used.
    pub fn optimised(&self, profile: Profile) -> NabScore {
        let mut tally = Tally::new(self.windows, profile);
        let mut best = tally.result(f64::INFINITY);
        for together in self.points.chunk_by(|a, b| a.score == b.score) {
            together.iter().for_each(|point| tally.detect(point));
            let here = tally.result(together[0].score);
            if here.score > best.score {
                best = here;
            }
        }
        best
    }

    /// The score if rows with at least `threshold` are detections.
    pub fn at(&self, threshold: f64, profile: Profile) -> NabScore {
        let mut tally = Tally::new(self.windows, profile);
        self.points.iter().take_while(|point| point.score >= threshold).for_each(|point| tally.detect(point));
        tally.result(threshold)
    }

    fn add(&mut self, series: &LabelledSeries, scores: &[f64]) {
        let times = &series.timestamps_ms;
        let probation = probation(times.len());
        let mut to_come = series.windows.iter();
        let mut next = to_come.next();
        // The last row of the current window, and its width in rows.
        let mut inside: Option<(usize, f64)> = None;
        let mut before: Option<(usize, f64)> = None;
        for (row, (&at, &score)) in times.iter().zip(scores).enumerate() {
            if let (None, Some(&(start, end))) = (inside, next)
                && at >= start
            {
                // Timestamps may repeat. The official scorer takes the first row at the window's
                // end.
                let last = (row..times.len()).find(|&later| times[later] >= end).unwrap_or(times.len() - 1);
                inside = Some((last, (last - row + 1) as f64));
                next = to_come.next();
                self.windows += 1;
            }
            let point = match (inside, before) {
                (Some((last, width)), _) => {
                    let position = -((last - row + 1) as f64) / width;
                    Point {
                        score,
                        window: Some(self.windows - 1),
                        credit: scaled_sigmoid(position) / scaled_sigmoid(-1.0),
                    }
                }
                (None, Some((last, width))) if width > 1.0 => {
                    Point { score, window: None, credit: scaled_sigmoid((row - last) as f64 / (width - 1.0)) }
                }
                (None, _) => Point { score, window: None, credit: -1.0 },
            };
            if row >= probation {
                self.points.push(point);
            }
            if let Some((last, width)) = inside
                && last == row
            {
                before = Some((last, width));
                inside = None;
            }
        }
        // Windows after the last row are always missed.
        self.windows += usize::from(next.is_some()) + to_come.count();
    }
}

/// Number of first rows, in a series of `rows` rows, whose detections do not count.
pub fn probation(rows: usize) -> usize {
    ((PROBATION_SHARE * rows as f64) as usize).min(PROBATION_MOST)
}

/// The running result of the sweep from high to low thresholds.
struct Tally {
    profile: Profile,
    best: Vec<Option<f64>>,
    sum: f64,
    found: usize,
    false_alerts: usize,
}

impl Tally {
    fn new(windows: usize, profile: Profile) -> Self {
        let sum = -profile.false_negative * windows as f64;
        Self { profile, best: vec![None; windows], sum, found: 0, false_alerts: 0 }
    }

    fn detect(&mut self, point: &Point) {
        let Some(window) = point.window else {
            self.false_alerts += 1;
            self.sum += self.profile.false_positive * point.credit;
            return;
        };
        let credit = self.profile.true_positive * point.credit;
        let counted = self.best[window].unwrap_or(-self.profile.false_negative);
        self.found += usize::from(self.best[window].is_none());
        if credit > counted {
            self.sum += credit - counted;
        }
        self.best[window] = Some(credit.max(counted));
    }

    fn result(&self, threshold: f64) -> NabScore {
        let windows = self.best.len();
        let null = -self.profile.false_negative * windows as f64;
        let perfect = self.profile.true_positive * windows as f64;
        let score = if windows == 0 { 0.0 } else { 100.0 * (self.sum - null) / (perfect - null) };
        NabScore { threshold, score, found: self.found, windows, false_alerts: self.false_alerts }
    }
}

/// The credit of a detection by its position relative to a window from −1 to 0: nearly 1 at −1, 0
/// at 0, −1 far behind.
fn scaled_sigmoid(position: f64) -> f64 {
    if position > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * position).exp()) - 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forty rows, a minute apart, with these ranges of rows labelled.
    fn series(windows: &[(i64, i64)]) -> LabelledSeries {
        LabelledSeries {
            name: "forty".into(),
            timestamps_ms: (0..40).map(|i| i * 60_000).collect(),
            values: vec![0.0; 40],
            windows: windows.iter().map(|(from, to)| (from * 60_000, to * 60_000)).collect(),
            labelled: true,
        }
    }

    fn scores(detections: &[(usize, f64)]) -> Vec<f64> {
        let mut scores = vec![0.0; 40];
        detections.iter().for_each(|(row, score)| scores[*row] = *score);
        scores
    }

    fn score(windows: &[(i64, i64)], detections: &[(usize, f64)], profile: Profile) -> NabScore {
        Sweep::new([(&series(windows), &scores(detections)[..])]).at(0.5, profile)
    }

    #[test]
    fn no_detections_score_zero_and_first_rows_score_hundred() {
        for profile in PROFILES {
            assert_eq!(score(&[(10, 19), (30, 35)], &[], profile).score, 0.0);
            let perfect = score(&[(10, 19), (30, 35)], &[(10, 1.0), (30, 1.0)], profile);
            assert!((perfect.score - 100.0).abs() < 1e-9, "{perfect:?}");
            assert_eq!((perfect.found, perfect.windows, perfect.false_alerts), (2, 2, 0));
        }
    }

    #[test]
    fn best_detection_of_a_window_counts_with_falling_credit() {
        let late = score(&[(10, 19)], &[(18, 0.9), (19, 0.9)], PROFILES[0]);
        // Row 18 is 2 of 10 rows from the end: place -0.2. Scaled from -1..1 to 0..100 by the worth
        // of a miss and of a find.
        let credit = (2.0 / (1.0 + (-1f64).exp()) - 1.0) / (2.0 / (1.0 + (-5f64).exp()) - 1.0);
        assert!((late.score - 100.0 * (credit + 1.0) / 2.0).abs() < 1e-9, "{late:?}");
        assert_eq!(late.found, 1);
    }

    #[test]
    fn false_alerts_cost_by_profile_and_less_behind_a_window() {
        let far = score(&[(30, 35)], &[(10, 1.0)], PROFILES[0]);
        assert!((far.score + 100.0 * 0.11 / 2.0).abs() < 1e-9, "{far:?}");
        let strict = score(&[(30, 35)], &[(10, 1.0)], PROFILES[1]);
        assert!((strict.score - 2.0 * far.score).abs() < 1e-9, "{strict:?}");
        // One row behind a window of six rows: place 1/5, credit 2/(1+e)-1.
        let near = score(&[(20, 25)], &[(26, 1.0)], PROFILES[0]);
        let credit = 2.0 / (1.0 + 1f64.exp()) - 1.0;
        assert!((near.score - 100.0 * 0.11 * credit / 2.0).abs() < 1e-9, "{near:?}");
        // … and three and more widths behind it as far from everything: place above 3.
        let behind = score(&[(10, 13)], &[(24, 1.0)], PROFILES[0]);
        assert!((behind.score - far.score).abs() < 1e-9, "{behind:?}");
    }

    #[test]
    fn detections_in_the_probation_do_not_count() {
        assert_eq!((probation(40), probation(4_032), probation(22_695)), (6, 604, 750));
        assert_eq!(score(&[(2, 8)], &[(3, 1.0), (5, 1.0)], PROFILES[0]).score, 0.0);
        assert!(score(&[(2, 8)], &[(6, 1.0)], PROFILES[0]).score > 0.0);
    }

    #[test]
    fn optimised_threshold_detects_equal_scores_together() {
        let labelled = series(&[(10, 19)]);
        let sweep =
            |detections: &[(usize, f64)]| Sweep::new([(&labelled, &scores(detections)[..])]).optimised(PROFILES[0]);
        let apart = sweep(&[(10, 0.9), (30, 0.8)]);
        assert_eq!((apart.threshold, apart.false_alerts), (0.9, 0));
        let together = sweep(&[(10, 0.9), (30, 0.9)]);
        assert_eq!((together.threshold, together.false_alerts), (0.9, 1));
        assert!(together.score < apart.score);
        let many: Vec<_> = [(10, 0.9)].into_iter().chain((25..40).map(|row| (row, 1.0))).collect();
        let hopeless = sweep(&[(25, 0.9)]);
        assert_eq!((hopeless.threshold, hopeless.score), (f64::INFINITY, 0.0));
        assert!(sweep(&many).score > 0.0, "fifteen false alerts are worth a find");
    }

    #[test]
    fn windows_of_several_series_are_counted_separately() {
        let (one, other) = (series(&[(10, 19)]), series(&[(20, 29)]));
        let (said, silent) = (scores(&[(10, 0.9)]), scores(&[]));
        let found = Sweep::new([(&one, &said[..]), (&other, &silent[..])]).at(0.5, PROFILES[0]);
        assert_eq!((found.found, found.windows), (1, 2));
        assert!((found.score - 50.0).abs() < 1e-9, "{found:?}");
    }
}
