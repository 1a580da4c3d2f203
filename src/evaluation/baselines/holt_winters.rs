//! Additive exponential smoothing with a season, online.
//!
//! Winters 1960, *Forecasting Sales by Exponentially Weighted Moving Averages*, without trend. The
//! distance is the error in mean absolute errors, as standard deviations.

use super::distance::Distance;

const HOUR_MS: i64 = 3_600_000;
/// Rates of the level, of a slot of the season, and of the mean absolute error.
const LEVEL: f64 = 0.1;
const SEASON: f64 = 0.2;
const ERROR: f64 = 1.0 / 500.0;
/// Rows before the first distance.
const NEEDED: u32 = 60;

pub(super) struct HoltWinters {
    slot_ms: i64,
    season: Vec<Option<f64>>,
    level: f64,
    error: f64,
    rows: u32,
}

impl HoltWinters {
    pub(super) fn daily() -> Self {
        Self::new(HOUR_MS / 6, 144)
    }

    pub(super) fn weekly() -> Self {
        Self::new(HOUR_MS, 168)
    }

    fn new(slot_ms: i64, slots: usize) -> Self {
        Self { slot_ms, season: vec![None; slots], level: 0.0, error: 0.0, rows: 0 }
    }
}

impl Distance for HoltWinters {
    fn push(&mut self, local_ms: i64, value: f64) -> f64 {
        let slot = local_ms.div_euclid(self.slot_ms).rem_euclid(self.season.len() as i64) as usize;
        if self.rows == 0 {
            self.level = value;
        }
        let season = self.season[slot].unwrap_or(0.0);
        let error = value - self.level - season;
        let known = self.rows >= NEEDED && self.error > 0.0;
        let distance = if known { error.abs() / (1.2533 * self.error) } else { 0.0 };
        let rate = ERROR.max(1.0 / f64::from(self.rows + 1));
        let counted = if known { error.abs().min(4.0 * self.error) } else { error.abs() };
        self.error += rate * (counted - self.error);
        self.level += LEVEL * error;
        let rest = value - self.level;
        self.season[slot] = Some(self.season[slot].map_or(rest, |season| season + SEASON * (rest - season)));
        self.rows += 1;
        distance
    }
}
