//! Which alerts of two detectors are one and the same.

use std::collections::VecDeque;

use super::evidence::Tally;
use crate::model::Labels;

/// Alerts that wait for their counterpart, and pairs that are remembered, at most: a KPI with more is no case for fine counting.
const MOST: usize = 1_000;

/// Pairs alerts of the live detector and of the shadow on one KPI. Two on one series that open within the window agree.
#[derive(Debug, Clone)]
pub struct Agreement {
    window_ms: i64,
    waiting: VecDeque<Alert>,
    /// Alerts of the live detector that the shadow had too.
    paired: VecDeque<(Labels, i64)>,
    newest_ms: i64,
}

#[derive(Debug, Clone)]
struct Alert {
    live: bool,
    labels: Labels,
    at_ms: i64,
}

impl Agreement {
    /// Nothing seen yet. `window_ms` is how far apart, in sample time, two alerts may open that mean the same.
    pub fn new(window_ms: i64) -> Self {
        Self { window_ms, waiting: VecDeque::new(), paired: VecDeque::new(), newest_ms: i64::MIN }
    }

    /// The live detector has opened an episode.
    pub fn live(&mut self, labels: &Labels, at_ms: i64, tally: &mut Tally) {
        tally.live_alerts += 1;
        self.alert(Alert { live: true, labels: labels.clone(), at_ms }, tally);
    }

    /// The shadow would have.
    pub fn shadow(&mut self, labels: &Labels, at_ms: i64, tally: &mut Tally) {
        tally.shadow_alerts += 1;
        self.alert(Alert { live: false, labels: labels.clone(), at_ms }, tally);
    }

    fn alert(&mut self, alert: Alert, tally: &mut Tally) {
        let fits = |other: &Alert| {
            let apart = other.at_ms.saturating_sub(alert.at_ms).saturating_abs();
            other.live != alert.live && other.labels == alert.labels && apart <= self.window_ms
        };
        if let Some(at) = self.waiting.iter().position(fits) {
            let other = self.waiting.remove(at);
            tally.both += 1;
            let live_at = if alert.live { Some(alert.at_ms) } else { other.map(|other| other.at_ms) };
            self.paired.extend(live_at.map(|at_ms| (alert.labels, at_ms)));
            if self.paired.len() > MOST {
                self.paired.pop_front();
            }
            return;
        }
        self.waiting.push_back(alert);
        if self.waiting.len() > MOST
            && let Some(oldest) = self.waiting.pop_front()
        {
            alone(&oldest, tally);
        }
    }

    /// Samples up to `newest_ms` have been seen by both: what is older than the window has no counterpart.
    pub fn passed(&mut self, newest_ms: i64, tally: &mut Tally) {
        self.newest_ms = self.newest_ms.max(newest_ms);
        let before_ms = self.newest_ms.saturating_sub(self.window_ms);
        self.waiting.retain(|alert| {
            let waits = alert.at_ms >= before_ms;
            if !waits {
                alone(alert, tally);
            }
            waits
        });
    }

    /// Somebody says of an anomaly that the live detector has found whether it was one. The shadow is judged with it when it had
    /// found it too.
    pub fn judged(&mut self, labels: &Labels, opened_at_ms: i64, real: bool, tally: &mut Tally) {
        tally.live_verdicts.count(real);
        if self.paired.iter().any(|(of, at_ms)| of == labels && *at_ms == opened_at_ms) {
            tally.shadow_verdicts.count(real);
        }
    }
}

fn alone(alert: &Alert, tally: &mut Tally) {
    if alert.live {
        tally.only_live += 1;
    } else {
        tally.only_shadow += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_of_one_series_near_each_other_agree_and_others_stand_alone() {
        let (mut agreement, mut tally) = (Agreement::new(100), Tally::default());
        let [a, b] = ["s:a", "s:b"].map(|text| Labels::parse(text).unwrap());
        agreement.live(&a, 1_000, &mut tally);
        agreement.shadow(&b, 1_010, &mut tally);
        agreement.shadow(&a, 1_090, &mut tally);
        agreement.shadow(&a, 1_095, &mut tally);
        assert_eq!((tally.both, tally.only_live, tally.only_shadow), (1, 0, 0), "nothing is decided early");
        agreement.passed(1_105, &mut tally);
        assert_eq!(tally.only_shadow, 0);
        agreement.passed(1_200, &mut tally);
        assert_eq!((tally.both, tally.only_live, tally.only_shadow), (1, 0, 2));
        assert_eq!((tally.live_alerts, tally.shadow_alerts), (1, 3));

        agreement.judged(&a, 1_000, true, &mut tally);
        agreement.judged(&a, 7, false, &mut tally);
        assert_eq!((tally.live_verdicts.real, tally.live_verdicts.wrong), (1, 1));
        assert_eq!((tally.shadow_verdicts.real, tally.shadow_verdicts.wrong), (1, 0));
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut agreement, mut tally) = (Agreement::new(i64::MAX), Tally::default());
        for i in 0..5_000 {
            agreement.live(&Labels::none(), i, &mut tally);
        }
        assert_eq!(tally.only_live, 4_000);
        assert_eq!(agreement.waiting.len(), MOST);
    }
}
