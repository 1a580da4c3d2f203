//! The live view that is folded from events, and the one of the scoring state.

use std::sync::Arc;

use super::*;
use crate::live::LiveView;
use earcon_model::{Labels, Sample, SeriesBatch, WorkspaceId};
use earcon_streams::{StreamOptions, StreamSettings};

/// Numbers from 0 to 1 of a seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[test]
fn an_open_anomaly_has_the_samples_that_its_series_shows() {
    for seed in 1..=8_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let settings = Arc::new(StreamSettings::try_from(StreamOptions::default()).unwrap());
        let kpi = KpiName::new("a").unwrap();
        let mut state = KpiState::new(WorkspaceId::new("w").unwrap(), kpi.clone(), settings);
        let (mut live, mut seq, mut now_ms, mut open) = (LiveView::default(), 0, 1_767_225_600_000_i64, 0);
        for _ in 0..1_500 {
            let size = 1 + (dice.uniform() * 6.0) as usize;
            let rows: Vec<(u32, Sample)> = (0..size)
                .map(|row| {
                    now_ms += 1_000;
                    let shifted = (now_ms / 1_000) % 700 < 90;
                    let value = 100.0 + dice.uniform() + if shifted { 40.0 * dice.uniform() } else { 0.0 };
                    (row as u32, Sample { timestamp_ms: now_ms, value })
                })
                .collect();
            for body in state.push(&[SeriesBatch::gauge(Labels::none(), rows)], now_ms).bodies {
                seq += 1;
                live.apply(&Event::new(seq, now_ms, kpi.clone(), body));
            }
            let counted = |view: &KpiView| {
                let anomaly = view.series.get(&Labels::none()).and_then(|series| series.anomaly.clone());
                anomaly.map(|anomaly| (anomaly.id, anomaly.samples, anomaly.last_at_ms))
            };
            let (shown, known) = (live.kpi(&kpi).and_then(|view| counted(&view)), counted(&view_of(&state)));
            assert_eq!(shown, known, "seed {seed}, at {now_ms}");
            open += u32::from(known.is_some_and(|(_, samples, _)| samples > 2));
        }
        assert!(open > 20, "seed {seed} finds too little to test anything: {open}");
    }
}
