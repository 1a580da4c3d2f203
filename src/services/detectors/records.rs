//! The records of detector entries, experiments and training jobs.
//!
//! People change them from any node through the service. The owner of the
//! workspace reads them, and writes what experiments have found out and how far jobs are.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::experiments::{DetectorAssignment, Experiment, TrainingJob};
use crate::services::records::{Family, PAGE, Page, Records, Stored, TRIES};
use earcon_model::DetectorEntry;
use earcon_ports::{ErrorKind, MetaStore, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// The name of the one assignment of a workspace.
const CURRENT: &str = "current";
/// Jobs that are kept after their end.
const MOST_ENDED_JOBS: usize = 100;
/// Most jobs that are read: more than there may be.
const MOST_JOBS_READ: usize = 5_000;

/// All revisions of an entry. Revisions are only ever added.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EntryRecord {
    /// Revision 1 first.
    pub revisions: Vec<DetectorEntry>,
}

/// The records of all workspaces. Cheap to clone.
#[derive(Clone)]
pub struct DetectorRecords {
    /// Entries, by name.
    pub entries: Records<EntryRecord>,
    /// Experiments, by name.
    pub experiments: Records<Experiment>,
    /// Training jobs, by number.
    pub jobs: Records<TrainingJob>,
    assignment: Records<DetectorAssignment>,
}

impl DetectorRecords {
    /// The records in this store.
    pub fn new(meta: Arc<dyn MetaStore>) -> Self {
        Self {
            entries: Records::new(meta.clone(), Family::DetectorEntry),
            experiments: Records::new(meta.clone(), Family::Experiment),
            jobs: Records::new(meta.clone(), Family::Job),
            assignment: Records::new(meta, Family::DetectorAssignment),
        }
    }

    /// Which detector is live and which experiment runs; the default with revision 0 if it was
    /// never changed.
    ///
    /// # Errors
    /// `Corrupt` if the record cannot be read; those of the store.
    pub async fn assignment(&self, pass: &WorkspacePass) -> Result<(DetectorAssignment, Revision), PortError> {
        let stored = self.assignment.get(pass, CURRENT).await?;
        Ok(stored.map_or_else(Default::default, |stored| (stored.value, stored.revision)))
    }

    /// Changes the assignment if `expected` is still its revision.
    ///
    /// # Errors
    /// `Conflict` if another writer was faster.
    pub async fn put_assignment(
        &self,
        pass: &WorkspacePass,
        assignment: &DetectorAssignment,
        expected: Revision,
    ) -> Result<Revision, PortError> {
        self.assignment.put(pass, CURRENT, expected, assignment).await
    }

    /// Takes the end of an experiment into the assignment.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn conclude(&self, pass: &WorkspacePass, experiment: &Experiment) -> Result<(), PortError> {
        let change = |old: Option<&DetectorAssignment>| -> Result<_, PortError> {
            let mut assignment = old.cloned().unwrap_or_default();
            Ok(assignment.conclude(experiment).then_some(assignment))
        };
        self.assignment.update(pass, CURRENT, change).await.map(drop)
    }

    /// The experiment that runs by the assignment, if any.
    ///
    /// # Errors
    /// Those of [`Records::get`].
    pub async fn running(
        &self,
        pass: &WorkspacePass,
        assignment: &DetectorAssignment,
    ) -> Result<Option<Stored<Experiment>>, PortError> {
        match &assignment.running {
            Some(name) => self.experiments.get(pass, name).await,
            None => Ok(None),
        }
    }

    /// All jobs, oldest first.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn all_jobs(&self, pass: &WorkspacePass) -> Result<Page<TrainingJob>, PortError> {
        self.jobs.all(pass, MOST_JOBS_READ).await
    }

    /// The oldest job that has not ended.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn open_job(&self, pass: &WorkspacePass) -> Result<Option<Stored<TrainingJob>>, PortError> {
        let mut after = None;
        loop {
            let page = self.jobs.list(pass, after.as_deref(), PAGE).await?;
            let open = page.records.into_iter().find(|stored| stored.value.is_open());
            if open.is_some() || page.next.is_none() {
                return Ok(open);
            }
            after = page.next;
        }
    }

    /// Writes a new job under the next free number, and removes jobs that ended long ago.
    ///
    /// # Errors
    /// `Conflict` if other requests take the number each time; those of the store.
    pub async fn add_job(&self, pass: &WorkspacePass, mut job: TrainingJob) -> Result<TrainingJob, PortError> {
        for _ in 0..TRIES {
            let known = self.all_jobs(pass).await?;
            let names = known.records.iter().map(|stored| &stored.name);
            let names = names.chain(known.unreadable.iter().map(|unreadable| &unreadable.name));
            let newest = names.filter_map(|name| name.parse::<u64>().ok()).max().unwrap_or(0);
            job.id = format!("{:08}", newest + 1);
            match self.jobs.put(pass, &job.id, 0, &job).await {
                // Another request has taken the number.
                Err(error) if error.kind == ErrorKind::Conflict => {}
                Err(error) => return Err(error),
                Ok(_) => {
                    self.forget_ended_jobs(pass, &known).await;
                    return Ok(job);
                }
            }
        }
        Err(PortError::new(ErrorKind::Conflict, "other requests keep taking the next job number; try again"))
    }

    async fn forget_ended_jobs(&self, pass: &WorkspacePass, known: &Page<TrainingJob>) {
        let ended = known.records.iter().filter(|stored| !stored.value.is_open());
        for old in ended.take(known.count().saturating_sub(MOST_ENDED_JOBS)) {
            let _removed_by_another = self.jobs.delete(pass, &old.name, old.revision).await.is_err();
        }
    }
}
