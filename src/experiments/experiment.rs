//! How far a candidate has come.

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::policy::Policy;
use super::rules::{Decision, broken};
use super::trial::Trial;
use earcon_model::DetectorRef;

/// The stages of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The candidate scores the samples of the live detector. Its anomalies are only counted.
    Shadow,
    /// It is live for a share of the KPIs.
    Canary,
    /// It is live for all KPIs. The end.
    Promoted,
    /// It broke a limit, or a person rolled it back. The end.
    RolledBack,
    /// A person ended the experiment. The end.
    Stopped,
}

/// A change of stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When, milliseconds UTC.
    pub at_ms: i64,
    /// The stage it went to.
    pub stage: Stage,
    /// The percentage of KPIs for which the candidate is live from here on.
    pub percent: f64,
    /// The principal that decided it; `earcon` if the rules decided.
    pub by: String,
    /// Why, if it is not the usual course.
    pub reason: Option<String>,
}

/// The name under which the rules decide.
const BY_RULE: &str = "earcon";

/// Why an action on an experiment is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// It is over.
    #[error("the experiment is over")]
    Over,
    /// The candidate has not been watched for long enough.
    #[error(
        "the candidate has seen {seen} of the {needed} samples it has to see first; \"force\" promotes it all the same"
    )]
    TooEarly {
        /// Samples seen in this stage.
        seen: u64,
        /// Samples needed.
        needed: u64,
    },
}

/// An experiment with its measurements so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Its name in the workspace.
    pub name: String,
    /// The detector that was live before.
    pub baseline: DetectorRef,
    /// The detector that is tried out.
    pub candidate: DetectorRef,
    /// Limits and pace.
    pub policy: Policy,
    /// Its stage.
    pub stage: Stage,
    /// In the canary: the index among the policy's shares.
    pub share: usize,
    /// Since when it is in this stage and share, milliseconds UTC.
    pub since_ms: i64,
    /// Measurements of this stage and share.
    pub evidence: Evidence,
    /// Measurements of the whole experiment.
    pub total: Evidence,
    /// Its stages and shares so far, oldest first.
    pub steps: Vec<Step>,
}

impl Experiment {
    /// Begins with the candidate in the shadow of the live detector.
    pub fn begin(
        name: &str,
        baseline: DetectorRef,
        candidate: DetectorRef,
        policy: Policy,
        now_ms: i64,
        by: &str,
    ) -> Self {
        let mut experiment = Self {
            name: name.to_owned(),
            baseline,
            candidate,
            policy,
            stage: Stage::Shadow,
            share: 0,
            since_ms: now_ms,
            evidence: Evidence::default(),
            total: Evidence::default(),
            steps: Vec::new(),
        };
        experiment.enter(Stage::Shadow, 0, now_ms, by, None);
        experiment
    }

    /// Whether it is not over.
    pub fn runs(&self) -> bool {
        matches!(self.stage, Stage::Shadow | Stage::Canary)
    }

    /// Whether the candidate was ever live for all KPIs.
    pub fn was_promoted(&self) -> bool {
        self.steps.iter().any(|step| step.stage == Stage::Promoted)
    }

    /// The percentage of KPIs for which the candidate is live.
    pub fn percent(&self) -> f64 {
        match self.stage {
            Stage::Canary => self.policy.shares.get(self.share).copied().unwrap_or(100.0),
            Stage::Promoted => 100.0,
            Stage::Shadow | Stage::RolledBack | Stage::Stopped => 0.0,
        }
    }

    /// Which detectors score which KPIs; `None` if it is over.
    pub fn trial(&self) -> Option<Trial> {
        self.runs().then(|| Trial {
            name: self.name.clone(),
            baseline: self.baseline.clone(),
            candidate: self.candidate.clone(),
            percent: self.percent(),
            window_ms: self.policy.agreement_seconds.saturating_mul(1_000) as i64,
        })
    }

    /// Adds measurements.
    pub fn learn(&mut self, found: &Evidence) {
        self.evidence.merge(found);
        self.total.merge(found);
    }

    /// Decides by the rules at `now_ms`. `taken` is the number of KPIs for which the candidate is
    /// live.
    pub fn decide(&self, now_ms: i64, taken: usize) -> Decision {
        if !self.runs() {
            return Decision::Wait;
        }
        if let Some(reason) = broken(&self.policy.limits, &self.evidence, &self.total) {
            return Decision::RollBack(reason);
        }
        let waits_for_a_person = self.stage == Stage::Shadow && !self.policy.auto;
        let passed_ms = now_ms.saturating_sub(self.since_ms);
        let lasted = passed_ms >= self.policy.stage_seconds.saturating_mul(1_000) as i64;
        // A small share of few KPIs may contain none of them, so that no sample counts.
        let seen_enough = self.seen() >= self.policy.stage_samples || (self.stage == Stage::Canary && taken == 0);
        if waits_for_a_person || !lasted || !seen_enough || !self.is_within_budget() {
            return Decision::Wait;
        }
        Decision::Advance
    }

    /// Samples of this stage that count for an advance.
    fn seen(&self) -> u64 {
        match self.stage {
            Stage::Canary => self.evidence.candidate.live.samples,
            _ => self.evidence.candidate.samples(),
        }
    }

    /// Whether the candidate alerts no more often than it may, by the rates seen.
    fn is_within_budget(&self) -> bool {
        let limits = &self.policy.limits;
        let rate = self.evidence.candidate.alerts_per_10k().unwrap_or(0.0);
        let baseline = self.evidence.baseline.alerts_per_10k().unwrap_or(0.0);
        rate <= limits.alerts_per_10k.max(limits.alert_ratio * baseline)
    }

    /// Carries out a decision of the rules. Returns whether the stage or the share has changed.
    pub fn carry_out(&mut self, decision: Decision, now_ms: i64) -> bool {
        match decision {
            Decision::Wait => false,
            Decision::Advance => {
                self.advance(now_ms, BY_RULE);
                true
            }
            Decision::RollBack(reason) => {
                self.enter(Stage::RolledBack, 0, now_ms, BY_RULE, Some(reason));
                true
            }
        }
    }

    /// Goes on to the next stage or share by order of a person.
    ///
    /// # Errors
    /// It is over, or the candidate has seen too few samples and `force` is not set.
    pub fn promote(&mut self, now_ms: i64, by: &str, force: bool) -> Result<(), NotNow> {
        if !self.runs() {
            return Err(NotNow::Over);
        }
        let (seen, needed) = (self.evidence.candidate.samples(), self.policy.stage_samples);
        if seen < needed && !force {
            return Err(NotNow::TooEarly { seen, needed });
        }
        self.advance(now_ms, by);
        Ok(())
    }

    /// Goes back to the detector that was live before, also after a promotion.
    ///
    /// # Errors
    /// It is over and was not promoted.
    pub fn roll_back(&mut self, now_ms: i64, by: &str, reason: Option<String>) -> Result<(), NotNow> {
        match self.stage {
            Stage::Shadow | Stage::Canary | Stage::Promoted => {
                self.enter(Stage::RolledBack, 0, now_ms, by, reason);
                Ok(())
            }
            Stage::RolledBack | Stage::Stopped => Err(NotNow::Over),
        }
    }

    /// Ends it. The detector that was live before is live.
    ///
    /// # Errors
    /// It is over.
    pub fn stop(&mut self, now_ms: i64, by: &str) -> Result<(), NotNow> {
        if !self.runs() {
            return Err(NotNow::Over);
        }
        self.enter(Stage::Stopped, 0, now_ms, by, None);
        Ok(())
    }

    fn advance(&mut self, now_ms: i64, by: &str) {
        match self.stage {
            Stage::Shadow => self.enter(Stage::Canary, 0, now_ms, by, None),
            _ if self.share + 1 < self.policy.shares.len() => {
                self.enter(Stage::Canary, self.share + 1, now_ms, by, None);
            }
            _ => self.enter(Stage::Promoted, self.share, now_ms, by, None),
        }
    }

    fn enter(&mut self, stage: Stage, share: usize, now_ms: i64, by: &str, reason: Option<String>) {
        self.stage = stage;
        self.share = share;
        self.since_ms = now_ms;
        if self.runs() {
            self.evidence = Evidence::default();
        }
        let (percent, by) = (self.percent(), by.to_owned());
        self.steps.push(Step { at_ms: now_ms, stage, percent, by, reason });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::Tally;

    const HOUR_MS: i64 = 3_600_000;

    fn begun(policy: Policy) -> Experiment {
        Experiment::begin("e", DetectorRef::Configured, DetectorRef::Configured, policy, 0, "me")
    }

    fn found(samples: u64, candidate_alerts: u64, candidate_live: bool) -> Evidence {
        let (live_alerts, shadow_alerts) = if candidate_live { (candidate_alerts, 0) } else { (0, candidate_alerts) };
        let mut evidence = Evidence::default();
        evidence.add(&Tally { samples, live_alerts, shadow_alerts, ..Tally::default() }, candidate_live);
        evidence
    }

    /// Adds measurements and carries out the decision of the rules.
    fn go(experiment: &mut Experiment, at_ms: i64, found: &Evidence) -> bool {
        experiment.learn(found);
        let decision = experiment.decide(at_ms, 10);
        experiment.carry_out(decision, at_ms)
    }

    #[test]
    fn a_good_candidate_goes_through_every_share() {
        let mut experiment = begun(Policy { auto: true, ..Policy::default() });
        assert!(!go(&mut experiment, HOUR_MS - 1, &found(20_000, 2, false)), "too early");
        let mut percents = Vec::new();
        for hour in 1..=5 {
            let live = experiment.stage == Stage::Canary;
            assert!(go(&mut experiment, hour * HOUR_MS, &found(20_000, 2, live)));
            percents.push(experiment.percent());
        }
        assert_eq!(percents, [1.0, 5.0, 25.0, 100.0, 100.0]);
        assert_eq!((experiment.stage, experiment.trial()), (Stage::Promoted, None));
        assert_eq!(experiment.total.candidate.samples(), 120_000);
        assert!(experiment.steps.iter().skip(1).all(|step| step.by == BY_RULE));
    }

    #[test]
    fn time_alone_and_samples_alone_are_not_enough() {
        let mut experiment = begun(Policy { auto: true, ..Policy::default() });
        assert!(!go(&mut experiment, 100 * HOUR_MS, &found(9_999, 0, false)));
        assert!(go(&mut experiment, 100 * HOUR_MS, &found(1, 0, false)));
        assert!(!go(&mut experiment, 200 * HOUR_MS, &found(50_000, 0, false)), "none of them with the candidate live");
        assert_eq!(experiment.decide(200 * HOUR_MS, 0), Decision::Advance, "unless there is no such KPI");
    }

    #[test]
    fn a_noisy_candidate_is_rolled_back_from_wherever_it_is() {
        let mut experiment = begun(Policy::default());
        experiment.promote(0, "me", true).unwrap();
        experiment.promote(1, "me", true).unwrap();
        assert_eq!(experiment.percent(), 5.0);
        assert!(!go(&mut experiment, 2, &found(50, 1, true)), "one alert decides nothing");
        assert!(go(&mut experiment, 3, &found(1_000, 40, true)));
        assert_eq!((experiment.stage, experiment.percent()), (Stage::RolledBack, 0.0));
        let last = experiment.steps.last().unwrap();
        assert!(last.reason.as_deref().is_some_and(|reason| reason.contains("per 10,000")), "{last:?}");
        assert!(!go(&mut experiment, 4, &found(1_000, 40, true)), "it is over");
    }

    #[test]
    fn a_person_begins_the_canary_once_enough_was_seen() {
        let mut experiment = begun(Policy::default());
        experiment.learn(&found(20_000, 0, false));
        assert_eq!(experiment.decide(1_000 * HOUR_MS, 0), Decision::Wait, "it is not automatic");
        let mut early = begun(Policy::default());
        assert!(matches!(early.promote(0, "me", false), Err(NotNow::TooEarly { seen: 0, needed: 10_000 })));
        experiment.promote(1, "me", false).unwrap();
        assert_eq!((experiment.stage, experiment.evidence.candidate.samples()), (Stage::Canary, 0));
        experiment.stop(2, "me").unwrap();
        assert_eq!(experiment.stop(3, "me"), Err(NotNow::Over));
        assert_eq!(experiment.roll_back(3, "me", None), Err(NotNow::Over));
    }

    #[test]
    fn a_stored_experiment_is_restored() {
        let mut experiment = begun(Policy::default());
        experiment.learn(&found(20_000, 3, false));
        let text = serde_json::to_string(&experiment).unwrap();
        assert_eq!(serde_json::from_str::<Experiment>(&text).unwrap(), experiment);
    }
}
