//! Jobs that train detectors from history.

use super::{DetectorError, DetectorService, MOST};
use crate::experiments::{JobState, Progress, TrainingJob};
use earcon_tenancy::WorkspacePass;

/// Most patterns of a job.
const MOST_PATTERNS: usize = 1_000;

/// What a training job is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingOrder {
    /// `name@revision`, `name` for its latest revision, or `default`.
    pub entry: String,
    /// Names of KPIs, or beginnings of names before a `*`; empty for all.
    pub kpis: Vec<String>,
    /// First timestamp to learn from, milliseconds UTC.
    pub from_ms: i64,
    /// First timestamp not to learn from.
    pub to_ms: i64,
}

/// The jobs of a workspace.
#[derive(Debug, Clone)]
pub struct JobList {
    /// Oldest first.
    pub jobs: Vec<TrainingJob>,
    /// How many cannot be read and are left out.
    pub unreadable: usize,
}

impl DetectorService {
    /// All jobs, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn jobs(&self, pass: &WorkspacePass) -> Result<JobList, DetectorError> {
        let page = self.records.all_jobs(pass).await?;
        Ok(JobList { unreadable: page.unreadable.len(), jobs: page.values() })
    }

    /// One job.
    ///
    /// # Errors
    /// If there is none with this number, or the store fails.
    pub async fn job(&self, pass: &WorkspacePass, id: &str) -> Result<TrainingJob, DetectorError> {
        let found = if is_id(id) { self.records.jobs.get(pass, id).await? } else { None };
        found.map(|stored| stored.value).ok_or_else(|| no_such_job(id))
    }

    /// Adds a training job, which runs when those before it have ended.
    ///
    /// # Errors
    /// If the order breaks a rule, its detector neither is live nor is tried out, or too many jobs
    /// wait.
    pub async fn train(&self, pass: &WorkspacePass, order: TrainingOrder) -> Result<TrainingJob, DetectorError> {
        check(&order)?;
        let TrainingOrder { entry, kpis, from_ms, to_ms } = order;
        let choice = self.resolve(pass, &entry).await?;
        let (assignment, _) = self.records.assignment(pass).await?;
        let running = self.records.running(pass, &assignment).await?.map(|stored| stored.value);
        let tried_out = running.is_some_and(|running| running.candidate == choice || running.baseline == choice);
        if assignment.live != choice && !tried_out {
            let text = format!("{choice} is neither live nor tried out; begin an experiment with it");
            return Err(DetectorError::NotNow(text));
        }
        let jobs = self.records.all_jobs(pass).await?;
        if jobs.records.iter().filter(|stored| stored.value.is_open()).count() >= MOST {
            return Err(DetectorError::NotNow(format!("{MOST} jobs wait already")));
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
        let job = self.records.add_job(pass, job).await?;
        self.wake.wake(pass).await;
        Ok(job)
    }

    /// Ends a job as soon as possible. One that is over stays as it is.
    ///
    /// # Errors
    /// If there is no such job, or the store fails.
    pub async fn cancel(&self, pass: &WorkspacePass, id: &str) -> Result<TrainingJob, DetectorError> {
        if !is_id(id) {
            return Err(no_such_job(id));
        }
        let cancel = |old: Option<&TrainingJob>| {
            let job = old.ok_or_else(|| no_such_job(id))?;
            Ok::<_, DetectorError>(job.is_open().then(|| TrainingJob { state: JobState::Cancelling, ..job.clone() }))
        };
        let job = self.records.jobs.update(pass, id, cancel).await?;
        self.wake.wake(pass).await;
        job.map(|stored| stored.value).ok_or_else(|| no_such_job(id))
    }
}

fn check(order: &TrainingOrder) -> Result<(), DetectorError> {
    let mut problems = Vec::new();
    if order.from_ms >= order.to_ms {
        problems.push("from must be before to".to_owned());
    }
    if order.kpis.len() > MOST_PATTERNS {
        problems.push(format!("kpis must be at most {MOST_PATTERNS}"));
    }
    if problems.is_empty() { Ok(()) } else { Err(DetectorError::Invalid(problems)) }
}

fn is_id(id: &str) -> bool {
    (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit())
}

fn no_such_job(id: &str) -> DetectorError {
    DetectorError::Unknown(format!("there is no job {id:?} in this workspace"))
}
