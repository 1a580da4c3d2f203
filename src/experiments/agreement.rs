//! Which alerts of two detectors mean the same.

use std::collections::VecDeque;

use super::evidence::Tally;
use earcon_model::{AnomalyId, Labels};

/// Most alerts that wait for their counterpart, and most that are remembered for feedback. A KPI
/// with more need not be counted exactly.
const MOST: usize = 1_000;

/// Pairs alerts of the live detector and of the shadow on one KPI. Two alerts on one series agree
/// if they open within the window.
#[derive(Debug, Clone)]
pub struct Agreement {
    window_ms: i64,
    waiting: VecDeque<Alert>,
    /// Alerts of the live detector, and whether the shadow had them too.
    alerted: VecDeque<(AnomalyId, bool)>,
    newest_ms: i64,
}

#[derive(Debug, Clone)]
struct Alert {
    /// The anomaly of the live detector, if it had the alert.
    live: Option<AnomalyId>,
    labels: Labels,
    at_ms: i64,
}

impl Agreement {
    /// Nothing seen yet. Two alerts mean the same if they open within `window_ms` of sample time.
    pub fn new(window_ms: i64) -> Self {
        Self { window_ms, waiting: VecDeque::new(), alerted: VecDeque::new(), newest_ms: i64::MIN }
    }

    /// The live detector has opened an episode.
    pub fn live(&mut self, id: AnomalyId, labels: &Labels, at_ms: i64, tally: &mut Tally) {
        tally.live_alerts += 1;
        self.alerted.push_back((id, false));
        if self.alerted.len() > MOST {
            self.alerted.pop_front();
        }
        self.alert(Alert { live: Some(id), labels: labels.clone(), at_ms }, tally);
    }

    /// The shadow would have opened an episode.
    pub fn shadow(&mut self, labels: &Labels, at_ms: i64, tally: &mut Tally) {
        tally.shadow_alerts += 1;
        self.alert(Alert { live: None, labels: labels.clone(), at_ms }, tally);
    }

    fn alert(&mut self, alert: Alert, tally: &mut Tally) {
        let fits = |other: &Alert| {
            let apart = other.at_ms.saturating_sub(alert.at_ms).saturating_abs();
            other.live.is_some() != alert.live.is_some() && other.labels == alert.labels && apart <= self.window_ms
        };
        if let Some(at) = self.waiting.iter().position(fits) {
            let other = self.waiting.remove(at);
            tally.both += 1;
            let id = alert.live.or(other.and_then(|other| other.live));
            if let Some((_, both)) = self.alerted.iter_mut().rev().find(|(alerted, _)| Some(*alerted) == id) {
                *both = true;
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

    /// Both have seen the samples up to `newest_ms`. An alert older than the window has no
    /// counterpart.
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

    /// A person says whether an anomaly was real. Only the first feedback on an anomaly counts. It
    /// counts for the live detector if the anomaly was opened since the two detectors run together,
    /// and for the shadow if it had the anomaly too.
    pub fn record_feedback(&mut self, id: AnomalyId, real: bool, tally: &mut Tally) {
        let place = self.alerted.iter().position(|(alerted, _)| *alerted == id);
        if let Some((_, both)) = place.and_then(|place| self.alerted.remove(place)) {
            tally.live_feedback.count(real);
            if both {
                tally.shadow_feedback.count(real);
            }
        }
    }
}

fn alone(alert: &Alert, tally: &mut Tally) {
    if alert.live.is_some() {
        tally.only_live += 1;
    } else {
        tally.only_shadow += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_near_each_other_on_one_series_agree() {
        let (mut agreement, mut tally) = (Agreement::new(100), Tally::default());
        let [a, b] = ["s:a", "s:b"].map(|text| Labels::parse(text).unwrap());
        let [one, other, unknown] = [1, 2, 3].map(|id| AnomalyId(uuid::Uuid::from_u128(id)));
        agreement.live(one, &a, 1_000, &mut tally);
        agreement.shadow(&b, 1_010, &mut tally);
        agreement.shadow(&a, 1_090, &mut tally);
        agreement.shadow(&a, 1_095, &mut tally);
        assert_eq!((tally.both, tally.only_live, tally.only_shadow), (1, 0, 0), "nothing is decided early");
        agreement.passed(1_105, &mut tally);
        assert_eq!(tally.only_shadow, 0);
        agreement.passed(1_200, &mut tally);
        assert_eq!((tally.both, tally.only_live, tally.only_shadow), (1, 0, 2));
        assert_eq!((tally.live_alerts, tally.shadow_alerts), (1, 3));

        agreement.live(other, &a, 1_300, &mut tally);
        agreement.record_feedback(one, true, &mut tally);
        agreement.record_feedback(other, false, &mut tally);
        agreement.record_feedback(unknown, false, &mut tally);
        agreement.record_feedback(other, true, &mut tally);
        assert_eq!((tally.live_feedback.real, tally.live_feedback.wrong), (1, 1));
        assert_eq!((tally.shadow_feedback.real, tally.shadow_feedback.wrong), (1, 0));
    }

    #[test]
    fn waiting_alerts_are_bounded() {
        let (mut agreement, mut tally) = (Agreement::new(i64::MAX), Tally::default());
        for i in 0..5_000 {
            agreement.live(AnomalyId(uuid::Uuid::from_u128(i as u128)), &Labels::none(), i, &mut tally);
        }
        assert_eq!(tally.only_live, 4_000);
        assert_eq!((agreement.waiting.len(), agreement.alerted.len()), (MOST, MOST));
    }
}
