//! Which detectors score each KPI of a workspace.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::experiment::{Experiment, Stage};
use earcon_model::{DetectorRef, DetectorSlots, KpiName, WorkspaceId};

/// Which detector is live in a workspace, and which experiment runs. Of two requests at once, the
/// one that changes this record first wins.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DetectorAssignment {
    /// The live detector where no experiment runs.
    pub live: DetectorRef,
    /// The experiment that runs.
    pub running: Option<String>,
}

impl DetectorAssignment {
    /// Takes the end of an experiment into account. Returns whether that changes the assignment; a
    /// second time changes nothing.
    pub fn conclude(&mut self, experiment: &Experiment) -> bool {
        if experiment.runs() {
            return false;
        }
        let before = self.clone();
        let ran = self.running.as_ref() == Some(&experiment.name);
        if ran {
            self.running = None;
        }
        match experiment.stage {
            Stage::Promoted if ran => self.live = experiment.candidate.clone(),
            Stage::RolledBack if experiment.was_promoted() && self.live == experiment.candidate => {
                self.live = experiment.baseline.clone();
            }
            _ => {}
        }
        *self != before
    }

    /// The plan; `experiment` is the one that runs.
    pub fn plan(&self, experiment: Option<&Experiment>) -> Plan {
        Plan { live: self.live.clone(), trial: experiment.and_then(Experiment::trial) }
    }
}

/// Which detectors score the KPIs of a workspace.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// The live detector where no experiment runs.
    pub live: DetectorRef,
    /// The experiment that runs.
    pub trial: Option<Trial>,
}

/// The two detectors of an experiment, and for which KPIs each is live.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The experiment's name. It decides, with the KPI's, which KPIs come first.
    pub name: String,
    /// The detector that was live before.
    pub baseline: DetectorRef,
    /// The detector that is tried out.
    pub candidate: DetectorRef,
    /// The percentage of KPIs for which the candidate is live.
    pub percent: f64,
    /// Two alerts mean the same if they open within this time.
    pub window_ms: i64,
}

impl Trial {
    /// Whether the candidate is live for a KPI. A KPI of one share is in every larger share.
    pub fn takes(&self, workspace: &WorkspaceId, kpi: &KpiName) -> bool {
        let place = xxh3_64(format!("{workspace}\0{kpi}\0{}", self.name).as_bytes()) % 10_000;
        (place as f64) < self.percent * 100.0
    }
}

impl Plan {
    /// The detectors of a KPI.
    pub fn slots(&self, workspace: &WorkspaceId, kpi: &KpiName) -> DetectorSlots {
        match &self.trial {
            None => DetectorSlots { live: self.live.clone(), shadow: None },
            Some(trial) if trial.takes(workspace, kpi) => {
                DetectorSlots { live: trial.candidate.clone(), shadow: Some(trial.baseline.clone()) }
            }
            Some(trial) => DetectorSlots { live: trial.baseline.clone(), shadow: Some(trial.candidate.clone()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_experiment_is_taken_into_account_once() {
        use crate::experiments::Policy;
        use earcon_model::DetectorEntry;
        let entry = DetectorEntry { name: "n".into(), revision: 1, detector: "d".into(), options: Default::default() };
        let candidate = DetectorRef::Entry(Box::new(entry));
        let (live, running) = (DetectorRef::Configured, Some("e".to_owned()));
        let mut assignment = DetectorAssignment { live, running };
        let policy = Policy { shares: vec![100.0], ..Policy::default() };
        let mut experiment = Experiment::begin("e", assignment.live.clone(), candidate.clone(), policy, 0, "me");
        assert!(!assignment.conclude(&experiment));
        assert_eq!(assignment.plan(Some(&experiment)).trial.map(|trial| trial.percent), Some(0.0));
        experiment.promote(1, "me", true).unwrap();
        experiment.promote(2, "me", true).unwrap();
        assert!(assignment.conclude(&experiment) && !assignment.conclude(&experiment));
        assert_eq!(assignment, DetectorAssignment { live: candidate, running: None });
        experiment.roll_back(3, "me", None).unwrap();
        assert!(assignment.conclude(&experiment) && !assignment.conclude(&experiment));
        assert_eq!(assignment, DetectorAssignment::default());
    }

    #[test]
    fn shares_grow_and_nothing_leaves_them() {
        let workspace = WorkspaceId::new("w").unwrap();
        let kpis: Vec<_> = (0..2_000).map(|i| KpiName::new(&format!("kpi.{i}")).unwrap()).collect();
        let taken = |name: &str, percent| {
            let (baseline, candidate) = (DetectorRef::default(), DetectorRef::default());
            let trial = Trial { name: name.into(), baseline, candidate, percent, window_ms: 0 };
            kpis.iter().filter(|kpi| trial.takes(&workspace, kpi)).collect::<Vec<_>>()
        };
        let mut before = taken("e", 0.0);
        assert!(before.is_empty());
        for percent in [1.0, 5.0, 25.0, 100.0] {
            let now = taken("e", percent);
            assert!(before.iter().all(|kpi| now.contains(kpi)), "{percent}");
            let share = now.len() as f64 / kpis.len() as f64 * 100.0;
            assert!((share - percent).abs() <= 2.0 && !now.is_empty(), "{percent}: {share}");
            before = now;
        }
        assert_eq!(before.len(), kpis.len());
        assert_ne!(taken("e", 5.0), taken("another", 5.0), "not always the same KPIs come first");
    }
}
