//! Cues: the short sounds of events, and the budget that keeps them bearable.

use serde::{Deserialize, Serialize};

use earcon_model::{AnomalyId, IncidentId, KpiName, Labels};

/// How urgent a cue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warning,
    /// Worth getting up for.
    Critical,
}

impl Severity {
    /// The severity of a score 0..1. Episodes open near 0.5; three and a half times as surprising as usual is about 0.85.
    pub fn of_score(score: f32) -> Self {
        if score >= 0.9 {
            Severity::Critical
        } else if score >= 0.7 {
            Severity::Warning
        } else {
            Severity::Info
        }
    }
}

/// What a cue tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CueKind {
    /// An incident is alerted, or grew to a higher severity.
    Opened,
    /// An incident that was alerted is over.
    Closed,
    /// A series went silent, or its KPI was parked.
    Stalled,
    /// It is back.
    Restored,
    /// More happened than the budget lets sound.
    Summary,
}

/// A cue, for people: what is about to be heard and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cue {
    /// Larger than that of every cue before it in this mix.
    pub number: u64,
    /// What happened.
    pub kind: CueKind,
    /// How urgent it is.
    pub severity: Severity,
    /// The KPI it speaks of.
    pub kpi: KpiName,
    /// The series; empty when the whole KPI is meant.
    pub labels: Labels,
    /// The anomaly, when there is one: the incident's likely first mover's.
    pub anomaly: Option<AnomalyId>,
    /// The incident, when there is one.
    pub incident: Option<IncidentId>,
}

/// What the budget says to one more cue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Let it sound.
    Sound,
    /// Let one summary sound instead.
    Summary,
    /// Stay silent.
    Silent,
}

/// At most six cues in any minute; the seventh becomes a summary, and those after it stay silent until there is room.
#[derive(Debug, Clone, Default)]
pub(super) struct CueBudget {
    sounded_ms: [Option<i64>; CueBudget::A_MINUTE],
    summary_ms: Option<i64>,
}

impl CueBudget {
    const A_MINUTE: usize = 6;
    const WINDOW_MS: i64 = 60_000;

    /// Asks for one more cue at `now_ms`, and counts it when it may sound.
    pub(super) fn admit(&mut self, now_ms: i64) -> Admission {
        // A time in the future comes from a clock that was set back; it must not block cues for long.
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
    fn severity_follows_the_score() {
        let severities = [0.5, 0.69, 0.7, 0.89, 0.9, 1.0].map(Severity::of_score);
        use Severity::{Critical, Info, Warning};
        assert_eq!(severities, [Info, Info, Warning, Warning, Critical, Critical]);
    }

    #[test]
    fn the_seventh_cue_in_a_minute_is_a_summary_and_the_rest_is_silence() {
        let mut budget = CueBudget::default();
        let said: Vec<_> = (0..10).map(|i| budget.admit(i * 1_000)).collect();
        assert_eq!(said[..6], [Sound; 6]);
        assert_eq!(said[6..], [Summary, Silent, Silent, Silent]);
    }

    #[test]
    fn room_returns_cue_by_cue() {
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
    fn no_minute_holds_more_than_six_cues_and_a_summary() {
        let mut budget = CueBudget::default();
        let said: Vec<(i64, Admission)> = (0..3_000).map(|i| i * 333).map(|now| (now, budget.admit(now))).collect();
        for (start, _) in &said {
            let within =
                |kind| said.iter().filter(|(at, a)| (*start..start + 60_000).contains(at) && *a == kind).count();
            assert!(within(Sound) <= 6 && within(Summary) <= 1);
        }
    }

    #[test]
    fn a_clock_set_back_does_not_mute_the_mix() {
        let mut budget = CueBudget::default();
        for _ in 0..7 {
            budget.admit(10_000_000);
        }
        assert_eq!(budget.admit(1_000), Sound);
    }
}
