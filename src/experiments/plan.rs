//! Which detectors score each KPI of a workspace.

use serde::{Deserialize, Serialize};

use super::experiment::{Experiment, Stage};
use super::trial::Trial;
use earcon_model::{DetectorRef, DetectorSlots, KpiName, WorkspaceId};

/// Which detector is live in a workspace, and which experiment runs. Of two requests at once, the
/// one that changes this record first wins.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
}
