//! Experiments: begun, promoted, rolled back and stopped by people.

use super::{DetectorError, DetectorService, MOST};
use crate::experiments::{Experiment, Policy};
use crate::services::records::{Page, Stored};
use earcon_model::detector::{NAME_RULE, is_name};
use earcon_ports::{ErrorKind, PortError};
use earcon_tenancy::WorkspacePass;

/// What a person asks of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExperimentAction {
    /// Go on to the next stage or share.
    Promote {
        /// Also before the candidate has seen enough.
        force: bool,
    },
    /// Go back to the detector that was live before.
    RollBack,
    /// End it.
    Stop,
}

/// The experiments of a workspace.
#[derive(Debug, Clone)]
pub struct ExperimentList {
    /// In the order of their names.
    pub experiments: Vec<Experiment>,
    /// How many cannot be read and are left out.
    pub unreadable: usize,
}

impl DetectorService {
    /// All experiments, also those that are over.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn experiments(&self, pass: &WorkspacePass) -> Result<ExperimentList, DetectorError> {
        let page = self.all_experiments(pass).await?;
        Ok(ExperimentList { unreadable: page.unreadable.len(), experiments: page.values() })
    }

    /// One experiment.
    ///
    /// # Errors
    /// If there is none of that name, or the store fails.
    pub async fn experiment(&self, pass: &WorkspacePass, name: &str) -> Result<Experiment, DetectorError> {
        let found = if is_name(name) { self.records.experiments.get(pass, name).await? } else { None };
        found.map(|stored| stored.value).ok_or_else(|| no_such_experiment(name))
    }

    /// Begins an experiment: `candidate` runs in the shadow of the live detector. One experiment at
    /// a time runs in a workspace.
    ///
    /// # Errors
    /// If the name or the policy breaks a rule, or an experiment runs already.
    pub async fn begin(
        &self,
        pass: &WorkspacePass,
        name: &str,
        candidate: &str,
        policy: Policy,
    ) -> Result<Experiment, DetectorError> {
        check(name, &policy)?;
        let candidate = self.resolve(pass, candidate).await?;
        let (mut assignment, revision) = self.records.assignment(pass).await?;
        if let Some(running) = &assignment.running {
            // One that has ended is concluded by its owner in a moment.
            return Err(DetectorError::NotNow(format!("the experiment {running:?} runs; one at a time does")));
        }
        if assignment.live == candidate {
            return Err(DetectorError::NotNow(format!("{candidate} is live already")));
        }
        if self.all_experiments(pass).await?.count() >= MOST {
            return Err(DetectorError::NotNow(format!("the workspace has its {MOST} experiments")));
        }
        let by = pass.principal().to_string();
        let experiment = Experiment::begin(name, assignment.live.clone(), candidate, policy, self.now_ms(), &by);
        self.add(pass, &experiment).await?;
        assignment.running = Some(name.to_owned());
        match self.records.put_assignment(pass, &assignment, revision).await {
            Err(error) if error.kind == ErrorKind::Conflict => Err(DetectorError::NotNow(
                "another request has changed the live detector, or began an experiment, first".to_owned(),
            )),
            Err(error) => Err(error.into()),
            Ok(_) => {
                self.wake.wake(pass).await;
                Ok(experiment)
            }
        }
    }

    /// Promotes, rolls back or stops an experiment.
    ///
    /// # Errors
    /// If there is no such experiment, or its stage does not allow the action.
    pub async fn apply(
        &self,
        pass: &WorkspacePass,
        name: &str,
        action: ExperimentAction,
    ) -> Result<Experiment, DetectorError> {
        let by = pass.principal().to_string();
        let now_ms = self.now_ms();
        if !is_name(name) {
            return Err(no_such_experiment(name));
        }
        let (assignment, _) = self.records.assignment(pass).await?;
        let change = |old: Option<&Experiment>| {
            let mut experiment = old.cloned().ok_or_else(|| no_such_experiment(name))?;
            match action {
                ExperimentAction::Promote { force } => experiment.promote(now_ms, &by, force)?,
                ExperimentAction::RollBack => {
                    let others = assignment.live != experiment.candidate || assignment.running.is_some();
                    if experiment.was_promoted() && others {
                        let text = format!("{} is live now, or another detector is tried out", assignment.live);
                        return Err(DetectorError::NotNow(text));
                    }
                    experiment.roll_back(now_ms, &by, None)?;
                }
                ExperimentAction::Stop => experiment.stop(now_ms, &by)?,
            }
            Ok(Some(experiment))
        };
        let changed = self.records.experiments.update(pass, name, change).await?;
        let experiment = changed.map(|stored| stored.value).ok_or_else(|| no_such_experiment(name))?;
        self.records.conclude(pass, &experiment).await?;
        self.wake.wake(pass).await;
        Ok(experiment)
    }

    /// Writes a new experiment. The name of one that never came to run may be taken.
    async fn add(&self, pass: &WorkspacePass, experiment: &Experiment) -> Result<(), DetectorError> {
        let (records, name) = (&self.records.experiments, &experiment.name);
        let taken = || DetectorError::NotNow(format!("there is an experiment {name:?} already"));
        match records.put(pass, name, 0, experiment).await {
            Err(error) if error.kind == ErrorKind::Conflict => {
                // It runs by its record and not by the assignment: another was begun at the same
                // time.
                let Stored { value: old, revision, .. } = records.get(pass, name).await?.ok_or_else(taken)?;
                if !old.runs() {
                    return Err(taken());
                }
                records.put(pass, name, revision, experiment).await.map_err(|_| taken())?;
                Ok(())
            }
            added => Ok(added.map(drop)?),
        }
    }

    /// Two requests at once may make one experiment more than there may be.
    async fn all_experiments(&self, pass: &WorkspacePass) -> Result<Page<Experiment>, PortError> {
        self.records.experiments.all(pass, 2 * MOST).await
    }
}

fn check(name: &str, policy: &Policy) -> Result<(), DetectorError> {
    let mut problems: Vec<String> = policy.problems().iter().map(|problem| format!("policy.{problem}")).collect();
    if !is_name(name) {
        problems.push(format!("name {NAME_RULE}"));
    }
    if problems.is_empty() { Ok(()) } else { Err(DetectorError::Invalid(problems)) }
}

fn no_such_experiment(name: &str) -> DetectorError {
    DetectorError::Unknown(format!("there is no experiment {name:?} in this workspace"))
}
