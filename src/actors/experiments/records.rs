//! The records of entries, experiments and jobs in the meta store: JSON, changed by compare-and-set.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::experiments::{Board, Experiment, TrainingJob};
use earcon_model::DetectorEntry;
use earcon_ports::{ErrorKind, MetaStore, PortError, Revision};
use earcon_tenancy::WorkspacePass;

const BOARD: &str = "detectors/board";
const ENTRIES: &str = "detector/";
const EXPERIMENTS: &str = "experiment/";
const JOBS: &str = "job/";

/// Jobs that are remembered after their end.
const MOST_JOBS: usize = 100;

/// All revisions of an entry, oldest first. Revisions are only ever added.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Entry {
    /// Revision 1 first.
    pub revisions: Vec<DetectorEntry>,
}

async fn get<T: DeserializeOwned>(
    meta: &dyn MetaStore,
    pass: &WorkspacePass,
    key: &str,
) -> Result<Option<(T, Revision)>, PortError> {
    match meta.get(pass, key).await? {
        Some(record) => Ok(Some((understood(key, &record.value)?, record.revision))),
        None => Ok(None),
    }
}

async fn list<T: DeserializeOwned>(
    meta: &dyn MetaStore,
    pass: &WorkspacePass,
    prefix: &str,
) -> Result<Vec<(T, Revision)>, PortError> {
    let records = meta.list(pass, prefix).await?;
    records.iter().map(|record| Ok((understood(&record.key, &record.value)?, record.revision))).collect()
}

fn understood<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, PortError> {
    serde_json::from_slice(value)
        .map_err(|error| PortError::new(ErrorKind::Corrupt, format!("the record {key} is not understood: {error}")))
}

async fn put<T: Serialize>(
    meta: &dyn MetaStore,
    pass: &WorkspacePass,
    key: &str,
    value: &T,
    expected: Revision,
) -> Result<Revision, PortError> {
    let bytes = serde_json::to_vec(value)
        .map_err(|error| PortError::new(ErrorKind::Invalid, format!("the record {key} cannot be written: {error}")))?;
    meta.put(pass, key, expected, bytes).await
}

/// What is live, and which experiment runs; the default with revision 0 when nobody ever chose.
pub async fn load_board(meta: &dyn MetaStore, pass: &WorkspacePass) -> Result<(Board, Revision), PortError> {
    Ok(get(meta, pass, BOARD).await?.unwrap_or_default())
}

/// Changes it, if that is still its revision.
pub async fn save_board(
    meta: &dyn MetaStore,
    pass: &WorkspacePass,
    board: &Board,
    expected: Revision,
) -> Result<Revision, PortError> {
    put(meta, pass, BOARD, board, expected).await
}

/// An entry with all its revisions.
pub async fn load_entry(
    meta: &dyn MetaStore,
    pass: &WorkspacePass,
    name: &str,
) -> Result<Option<(Entry, Revision)>, PortError> {
    get(meta, pass, &format!("{ENTRIES}{name}")).await
}

/// All entries, in order of name.
pub async fn load_entries(meta: &dyn MetaStore, pass: &WorkspacePass) -> Result<Vec<Entry>, PortError> {
    Ok(list(meta, pass, ENTRIES).await?.into_iter().map(|(entry, _)| entry).collect())
}

/// Changes an entry, if that is still its revision.
pub async fn save_entry(
    meta: &dyn MetaStore,
    pass: &WorkspacePass,
    name: &str,
    entry: &Entry,
    expected: Revision,
) -> Result<Revision, PortError> {
    put(meta, pass, &format!("{ENTRIES}{name}"), entry, expected).await
}

/// An experiment.
pub async fn load_experiment(
    meta: &dyn MetaStore,
    pass: &WorkspacePass,
    name: &str,
) -> Result<Option<(Experiment, Revision)>, PortError> {
    get(meta, pass, &format!("{EXPERIMENTS}{name}")).await
}

/// All experiments, in order of name.
pub async fn load_experiments(meta: &dyn MetaStore, pass: &WorkspacePass) -> Result<Vec<Experiment>, PortError> {
    Ok(list(meta, pass, EXPERIMENTS).await?.into_iter().map(|(experiment, _)| experiment).collect())
}

/// Changes an experiment, if that is still its revision.
pub async fn save_experiment(
    meta: &dyn MetaStore,
    pass: &WorkspacePass,
    experiment: &Experiment,
    expected: Revision,
) -> Result<Revision, PortError> {
    put(meta, pass, &format!("{EXPERIMENTS}{}", experiment.name), experiment, expected).await
}

/// A job.
pub async fn load_job(
    meta: &dyn MetaStore,
    pass: &WorkspacePass,
    id: &str,
) -> Result<Option<(TrainingJob, Revision)>, PortError> {
    get(meta, pass, &format!("{JOBS}{id}")).await
}

/// All jobs, oldest first.
pub async fn load_jobs(meta: &dyn MetaStore, pass: &WorkspacePass) -> Result<Vec<TrainingJob>, PortError> {
    Ok(list(meta, pass, JOBS).await?.into_iter().map(|(job, _)| job).collect())
}

/// The oldest job for which something is still to be done.
pub(super) async fn open_job(
    meta: &dyn MetaStore,
    pass: &WorkspacePass,
) -> Result<Option<(TrainingJob, Revision)>, PortError> {
    Ok(list(meta, pass, JOBS).await?.into_iter().find(|(job, _): &(TrainingJob, Revision)| job.is_open()))
}

/// Changes a job, if that is still its revision.
pub async fn save_job(
    meta: &dyn MetaStore,
    pass: &WorkspacePass,
    job: &TrainingJob,
    expected: Revision,
) -> Result<Revision, PortError> {
    put(meta, pass, &format!("{JOBS}{}", job.id), job, expected).await
}

/// Writes a new job down under the next free number, and forgets jobs that ended long ago.
pub async fn add_job(
    meta: &dyn MetaStore,
    pass: &WorkspacePass,
    mut job: TrainingJob,
) -> Result<TrainingJob, PortError> {
    loop {
        let known: Vec<(TrainingJob, Revision)> = list(meta, pass, JOBS).await?;
        let newest = known.iter().filter_map(|(job, _)| job.id.parse::<u64>().ok()).max().unwrap_or(0);
        job.id = format!("{:08}", newest + 1);
        match save_job(meta, pass, &job, 0).await {
            // Somebody has taken the number.
            Err(error) if error.kind == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
            Ok(_) => {
                let ended = known.iter().filter(|(job, _)| !job.is_open());
                for (old, revision) in ended.take(known.len().saturating_sub(MOST_JOBS)) {
                    let _somebody_did = meta.delete(pass, &format!("{JOBS}{}", old.id), *revision).await.is_err();
                }
                return Ok(job);
            }
        }
    }
}
