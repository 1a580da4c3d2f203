//! What people ask of entries, experiments and jobs: checked, and written down by compare-and-set from any node.
//!
//! Not an actor: it owns nothing. Whoever changes something through it [wakes](super::Experiments::wake) the owner's actor.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::records::{
    Entry, add_job, load_board, load_entries, load_entry, load_experiment, load_experiments, load_job, load_jobs,
    save_board, save_entry, save_experiment, save_job,
};
use crate::experiments::{Board, Experiment, JobState, NotNow, Policy, Progress, TrainingJob};
use earcon_model::detector::{CONFIGURED, NAME_RULE, is_name};
use earcon_model::{Clock, DetectorEntry, DetectorRef};
use earcon_ports::{ErrorKind, MetaStore, PortError};
use earcon_streams::StreamSettings;
use earcon_tenancy::WorkspacePass;

/// Entries and experiments a workspace may have, and revisions an entry may have.
const MOST: usize = 1_000;
/// How often a change is tried again when somebody else was faster.
const TRIES: usize = 20;
/// Patterns of a job.
const MOST_PATTERNS: usize = 1_000;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Declined {
    /// It breaks its rules; every problem.
    #[error("{}", .0.join("; "))]
    Invalid(Vec<String>),
    /// There is nothing of that name.
    #[error("{0}")]
    Unknown(String),
    /// Not as things stand.
    #[error("{0}")]
    NotNow(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] PortError),
}

impl From<NotNow> for Declined {
    fn from(error: NotNow) -> Self {
        Declined::NotNow(error.to_string())
    }
}

/// What somebody wants of a running experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExperimentAction {
    /// On to the next stage or share; `true` also before enough was seen.
    Promote(bool),
    /// Back to what was live before.
    RollBack,
    /// End it.
    Stop,
}

/// What a training job is to do.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingOrder {
    /// `name@revision`, or `default`.
    pub entry: String,
    /// Names of KPIs, or beginnings before a `*`; empty for all.
    pub kpis: Vec<String>,
    /// First timestamp, milliseconds UTC.
    pub from_ms: i64,
    /// First timestamp not to learn from.
    pub to_ms: i64,
}

/// The desk. Cheap to clone.
#[derive(Clone)]
pub struct DetectorService {
    meta: Arc<dyn MetaStore>,
    base: Arc<StreamSettings>,
    clock: Arc<dyn Clock>,
}

impl DetectorService {
    /// `base` is what is configured.
    pub fn new(meta: Arc<dyn MetaStore>, base: Arc<StreamSettings>, clock: Arc<dyn Clock>) -> Self {
        Self { meta, base, clock }
    }

    /// Now, milliseconds UTC.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The algorithm that is configured.
    pub fn configured(&self) -> &'static str {
        self.base.detector.as_str()
    }

    /// What is live, and every revision of every entry.
    pub async fn entries(&self, pass: &WorkspacePass) -> Result<(Board, Vec<DetectorEntry>), Declined> {
        let (board, _) = load_board(self.meta.as_ref(), pass).await?;
        let entries = load_entries(self.meta.as_ref(), pass).await?;
        Ok((board, entries.into_iter().flat_map(|entry| entry.revisions).collect()))
    }

    /// Adds a revision to an entry, which is made when there is none. What is as the latest revision is that revision.
    pub async fn put_entry(
        &self,
        pass: &WorkspacePass,
        name: &str,
        detector: String,
        options: BTreeMap<String, f64>,
    ) -> Result<DetectorEntry, Declined> {
        let mut wanted = DetectorEntry { name: name.to_owned(), revision: 0, detector, options };
        self.base
            .with_entry(&wanted)
            .map_err(|problems| Declined::Invalid(problems.iter().map(ToString::to_string).collect()))?;
        for _ in 0..TRIES {
            let found = load_entry(self.meta.as_ref(), pass, name).await?;
            if found.is_none() && load_entries(self.meta.as_ref(), pass).await?.len() >= MOST {
                return Err(Declined::NotNow(format!("the workspace has its {MOST} entries")));
            }
            let (mut entry, revision) = found.unwrap_or((Entry::default(), 0));
            let latest = entry.revisions.last();
            wanted.revision = latest.map_or(0, |latest| latest.revision);
            if latest == Some(&wanted) {
                return Ok(wanted);
            }
            if entry.revisions.len() >= MOST {
                return Err(Declined::NotNow(format!("{name} has its {MOST} revisions")));
            }
            wanted.revision += 1;
            entry.revisions.push(wanted.clone());
            match save_entry(self.meta.as_ref(), pass, name, &entry, revision).await {
                Err(error) if error.kind == ErrorKind::Conflict => {}
                Err(error) => return Err(error.into()),
                Ok(_) => return Ok(wanted),
            }
        }
        Err(busy())
    }

    /// The choice that `name@revision`, `name` (its latest revision) or `default` stands for.
    async fn choice(&self, pass: &WorkspacePass, text: &str) -> Result<DetectorRef, Declined> {
        if text == CONFIGURED {
            return Ok(DetectorRef::Configured);
        }
        let unknown = || Declined::Unknown(format!("there is no entry {text:?}; an entry is named like \"calm@2\""));
        let (name, revision) = match text.split_once('@') {
            Some((name, revision)) => (name, Some(revision.parse::<u32>().map_err(|_| unknown())?)),
            None => (text, None),
        };
        if !is_name(name) {
            return Err(unknown());
        }
        let (entry, _) = load_entry(self.meta.as_ref(), pass, name).await?.ok_or_else(unknown)?;
        let mut all = entry.revisions.into_iter().rev();
        let found = all.find(|entry| revision.is_none_or(|revision| entry.revision == revision));
        found.map(|entry| DetectorRef::Entry(Box::new(entry))).ok_or_else(unknown)
    }

    /// All experiments.
    pub async fn experiments(&self, pass: &WorkspacePass) -> Result<Vec<Experiment>, Declined> {
        Ok(load_experiments(self.meta.as_ref(), pass).await?)
    }

    /// One experiment.
    pub async fn experiment(&self, pass: &WorkspacePass, name: &str) -> Result<Experiment, Declined> {
        let found = if is_name(name) { load_experiment(self.meta.as_ref(), pass, name).await? } else { None };
        found.map(|(experiment, _)| experiment).ok_or_else(|| no_such_experiment(name))
    }

    /// Begins an experiment: `candidate` in the shadow of what is live. One at a time runs in a workspace.
    pub async fn begin(
        &self,
        pass: &WorkspacePass,
        name: &str,
        candidate: &str,
        policy: Policy,
    ) -> Result<Experiment, Declined> {
        let mut problems: Vec<String> = policy.problems().iter().map(|problem| format!("policy.{problem}")).collect();
        if !is_name(name) {
            problems.push(format!("name {NAME_RULE}"));
        }
        if !problems.is_empty() {
            return Err(Declined::Invalid(problems));
        }
        let candidate = self.choice(pass, candidate).await?;
        let meta = self.meta.as_ref();
        let (mut board, board_revision) = load_board(meta, pass).await?;
        if let Some(running) = &board.running {
            // A running one that is over is settled in a moment.
            return Err(Declined::NotNow(format!("the experiment {running:?} runs; one at a time does")));
        }
        if board.live == candidate {
            return Err(Declined::NotNow(format!("{candidate} is what is live")));
        }
        if load_experiments(meta, pass).await?.len() >= MOST {
            return Err(Declined::NotNow(format!("the workspace has its {MOST} experiments")));
        }
        let by = pass.principal().to_string();
        let experiment = Experiment::begin(name, board.live.clone(), candidate, policy, self.now_ms(), &by);
        let taken = || Declined::NotNow(format!("there is an experiment {name:?} already"));
        match save_experiment(meta, pass, &experiment, 0).await {
            Err(error) if error.kind == ErrorKind::Conflict => {
                // One that never came to run, because somebody began another at the same time, gives its name away.
                let (old, revision) = load_experiment(meta, pass, name).await?.ok_or_else(taken)?;
                if !old.runs() {
                    return Err(taken());
                }
                save_experiment(meta, pass, &experiment, revision).await.map_err(|_| taken())?;
            }
            saved => {
                saved?;
            }
        }
        board.running = Some(name.to_owned());
        match save_board(meta, pass, &board, board_revision).await {
            Ok(_) => Ok(experiment),
            Err(error) if error.kind == ErrorKind::Conflict => {
                Err(Declined::NotNow("somebody else has changed what is live, or began an experiment".to_owned()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Does with an experiment what somebody wants.
    pub async fn fulfil(
        &self,
        pass: &WorkspacePass,
        name: &str,
        wish: ExperimentAction,
    ) -> Result<Experiment, Declined> {
        let by = pass.principal().to_string();
        let meta = self.meta.as_ref();
        for _ in 0..TRIES {
            let found = if is_name(name) { load_experiment(meta, pass, name).await? } else { None };
            let (mut experiment, revision) = found.ok_or_else(|| no_such_experiment(name))?;
            let now_ms = self.now_ms();
            if wish == ExperimentAction::RollBack && experiment.was_promoted() {
                let (board, _) = load_board(meta, pass).await?;
                if board.live != experiment.candidate || board.running.is_some() {
                    let live = &board.live;
                    return Err(Declined::NotNow(format!("{live} is live now, or another detector is tried out")));
                }
            }
            match wish {
                ExperimentAction::Promote(force) => experiment.promote(now_ms, &by, force)?,
                ExperimentAction::RollBack => experiment.roll_back(now_ms, &by, None)?,
                ExperimentAction::Stop => experiment.stop(now_ms, &by)?,
            }
            match save_experiment(meta, pass, &experiment, revision).await {
                Err(error) if error.kind == ErrorKind::Conflict => continue,
                saved => {
                    saved?;
                }
            }
            self.settle(pass, &experiment).await?;
            return Ok(experiment);
        }
        Err(busy())
    }

    /// Takes the end of an experiment into the board.
    async fn settle(&self, pass: &WorkspacePass, experiment: &Experiment) -> Result<(), Declined> {
        for _ in 0..TRIES {
            let (mut board, revision) = load_board(self.meta.as_ref(), pass).await?;
            if !board.settle(experiment) {
                return Ok(());
            }
            match save_board(self.meta.as_ref(), pass, &board, revision).await {
                Err(error) if error.kind == ErrorKind::Conflict => {}
                saved => {
                    saved?;
                    return Ok(());
                }
            }
        }
        Err(busy())
    }

    /// All jobs, oldest first.
    pub async fn jobs(&self, pass: &WorkspacePass) -> Result<Vec<TrainingJob>, Declined> {
        Ok(load_jobs(self.meta.as_ref(), pass).await?)
    }

    /// One job.
    pub async fn job(&self, pass: &WorkspacePass, id: &str) -> Result<TrainingJob, Declined> {
        let found = if is_id(id) { load_job(self.meta.as_ref(), pass, id).await? } else { None };
        found.map(|(job, _)| job).ok_or_else(|| no_such_job(id))
    }

    /// Takes a training job on; it runs when those before it are done.
    pub async fn train(&self, pass: &WorkspacePass, order: TrainingOrder) -> Result<TrainingJob, Declined> {
        let TrainingOrder { entry, kpis, from_ms, to_ms } = order;
        let mut problems = Vec::new();
        if from_ms >= to_ms {
            problems.push("from must be before to".to_owned());
        }
        if kpis.len() > MOST_PATTERNS {
            problems.push(format!("kpis must be at most {MOST_PATTERNS}"));
        }
        if !problems.is_empty() {
            return Err(Declined::Invalid(problems));
        }
        let choice = self.choice(pass, &entry).await?;
        let (board, _) = load_board(self.meta.as_ref(), pass).await?;
        let tried_out = match &board.running {
            Some(name) => load_experiment(self.meta.as_ref(), pass, name).await?,
            None => None,
        };
        let runs = |of: &Experiment| of.candidate == choice || of.baseline == choice;
        if board.live != choice && !tried_out.is_some_and(|(experiment, _)| runs(&experiment)) {
            return Err(Declined::NotNow(format!(
                "{choice} is neither live nor tried out; begin an experiment with it"
            )));
        }
        if load_jobs(self.meta.as_ref(), pass).await?.iter().filter(|job| job.is_open()).count() >= MOST {
            return Err(Declined::NotNow(format!("{MOST} jobs wait already")));
        }
        let job = TrainingJob {
            id: String::new(),
            choice,
            kpis,
            from_ms,
            to_ms,
            state: JobState::Running,
            progress: Progress::default(),
            problem: None,
            created_ms: self.now_ms(),
        };
        Ok(add_job(self.meta.as_ref(), pass, job).await?)
    }

    /// Has a job end as soon as it can. One that is over stays as it is.
    pub async fn cancel(&self, pass: &WorkspacePass, id: &str) -> Result<TrainingJob, Declined> {
        for _ in 0..TRIES {
            let found = if is_id(id) { load_job(self.meta.as_ref(), pass, id).await? } else { None };
            let (mut job, revision) = found.ok_or_else(|| no_such_job(id))?;
            if !job.is_open() {
                return Ok(job);
            }
            job.state = JobState::Cancelling;
            match save_job(self.meta.as_ref(), pass, &job, revision).await {
                Err(error) if error.kind == ErrorKind::Conflict => {}
                saved => {
                    saved?;
                    return Ok(job);
                }
            }
        }
        Err(busy())
    }
}

fn is_id(id: &str) -> bool {
    (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

fn busy() -> Declined {
    Declined::NotNow("somebody else keeps changing it; try again".to_owned())
}

fn no_such_experiment(name: &str) -> Declined {
    Declined::Unknown(format!("there is no experiment {name:?} in this workspace"))
}

fn no_such_job(id: &str) -> Declined {
    Declined::Unknown(format!("there is no job {id:?} in this workspace"))
}
