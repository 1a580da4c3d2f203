//! Cues: the short sounds of events, and the budget that limits them.

use serde::{Deserialize, Serialize};

use earcon_model::{AnomalyId, IncidentId, KpiName, Labels, Severity};

/// The event that a cue announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CueKind {
    /// An incident is alerted, or its severity has risen.
    Opened,
    /// An alerted incident is closed.
    Closed,
    /// A series has stalled, or its KPI was parked.
    Stalled,
    /// The series or KPI is back.
    Restored,
    /// More events than the budget allows.
    Summary,
}

/// A cue as shown to people: the sound that follows, and its reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cue {
    /// Larger than that of every earlier cue in this mix.
    pub number: u64,
    /// What happened.
    pub kind: CueKind,
    /// How urgent it is.
    pub severity: Severity,
    /// The KPI it refers to.
    pub kpi: KpiName,
    /// The series; empty for the whole KPI.
    pub labels: Labels,
    /// The anomaly, if there is one. For an incident, that of its likely first mover.
    pub anomaly: Option<AnomalyId>,
    /// The incident, if there is one.
    pub incident: Option<IncidentId>,
}

/// The budget's decision about a cue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Play it.
    Sound,
    /// Play one summary instead.
    Summary,
    /// Drop it.
    Silent,
}

/// At most six cues in any minute. The seventh becomes a summary; later ones are dropped until
/// there is room again.
#[derive(Debug, Clone, Default)]
pub(super) struct CueBudget {
    sounded_ms: [Option<i64>; CueBudget::A_MINUTE],
    summary_ms: Option<i64>,
}

impl CueBudget {
    const A_MINUTE: usize = 6;
    const WINDOW_MS: i64 = 60_000;

    /// Decides about a cue at `now_ms`, and counts it if it is played.
    pub(super) fn admit(&mut self, now_ms: i64) -> Admission {
        // A time in the future results from a clock that was set back. It must not block cues for
        // long.
        let recent = |at: Option<i64>| at.is_some_and(|at| (now_ms - Self::WINDOW_MS + 1..=now_ms).contains(&at));
        if let Some(free) = self.sounded_ms.iter_mut().find(|at| !recent(**at)) {
            *free = Some(now_ms);
            Admission::Sound
        } else if recent(self.summary_ms) {
            Admission::Silent
        } else {
            self.summary_ms = Some(now_ms);
            Admission::Summary
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Admission::{Silent, Sound, Summary};

    #[test]
    fn seventh_cue_in_a_minute_is_a_summary_and_later_ones_are_dropped() {
        let mut budget = CueBudget::default();
        let admissions: Vec<_> = (0..10).map(|i| budget.admit(i * 1_000)).collect();
        assert_eq!(admissions[..6], [Sound; 6]);
        assert_eq!(admissions[6..], [Summary, Silent, Silent, Silent]);
    }

    #[test]
    fn budget_recovers_one_cue_at_a_time() {
        let mut budget = CueBudget::default();
        for i in 0..7 {
            budget.admit(i * 1_000);
        }
        assert_eq!(budget.admit(59_999), Silent);
        assert_eq!(budget.admit(60_000), Sound, "the first cue is a minute old");
        assert_eq!(budget.admit(60_001), Silent);
        assert_eq!(budget.admit(61_000), Sound);
    }

    #[test]
    fn any_minute_has_at_most_six_cues_and_a_summary() {
        let mut budget = CueBudget::default();
        let admissions: Vec<(i64, Admission)> =
            (0..3_000).map(|i| i * 333).map(|now| (now, budget.admit(now))).collect();
        for (start, _) in &admissions {
            let within =
                |kind| admissions.iter().filter(|(at, a)| (*start..start + 60_000).contains(at) && *a == kind).count();
            assert!(within(Sound) <= 6 && within(Summary) <= 1);
        }
    }

    #[test]
    fn clock_set_back_does_not_mute_the_mix() {
        let mut budget = CueBudget::default();
        for _ in 0..7 {
            budget.admit(10_000_000);
        }
        assert_eq!(budget.admit(1_000), Sound);
    }
}
