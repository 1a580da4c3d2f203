//! The mean and the standard deviation of the last values.

use std::collections::VecDeque;

use super::distance::Distance;

const WINDOW: usize = 144;
const NEEDED: usize = 30;

#[derive(Default)]
pub(super) struct RollingSigmas {
    values: VecDeque<f64>,
}

impl Distance for RollingSigmas {
    fn push(&mut self, _local_ms: i64, value: f64) -> f64 {
        let n = self.values.len() as f64;
        let mean = self.values.iter().sum::<f64>() / n.max(1.0);
        let variance = self.values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n.max(1.0);
        let known = self.values.len() >= NEEDED && variance > 0.0;
        self.values.push_back(value);
        if self.values.len() > WINDOW {
            self.values.pop_front();
        }
        if known { (value - mean).abs() / variance.sqrt() } else { 0.0 }
    }
}
