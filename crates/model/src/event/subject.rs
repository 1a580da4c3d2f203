//! The subjects of events.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::KpiName;
use crate::incident::IncidentId;

/// Names a run of a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunId(pub Uuid);

/// Names a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub Uuid);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The topic of an event. Its text form is the `subject` on the wire.
///
/// The order of the variants is part of the stored format: add at the end, never reorder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// The workspace as a whole: `workspace`.
    Workspace,
    /// A KPI: `kpi/<name>`.
    Kpi(KpiName),
    /// An incident: `incident/<id>`.
    Incident(IncidentId),
    /// A run of a workflow: `run/<id>`.
    Run(RunId),
    /// A job: `job/<id>`.
    Job(JobId),
}

impl Subject {
    /// The KPI, if the subject is one.
    pub fn kpi(&self) -> Option<&KpiName> {
        match self {
            Subject::Kpi(kpi) => Some(kpi),
            Subject::Workspace | Subject::Incident(_) | Subject::Run(_) | Subject::Job(_) => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Workspace => f.write_str("workspace"),
            Subject::Kpi(kpi) => write!(f, "kpi/{kpi}"),
            Subject::Incident(id) => write!(f, "incident/{id}"),
            Subject::Run(id) => write!(f, "run/{id}"),
            Subject::Job(id) => write!(f, "job/{id}"),
        }
    }
}

impl From<KpiName> for Subject {
    fn from(kpi: KpiName) -> Self {
        Subject::Kpi(kpi)
    }
}

impl From<IncidentId> for Subject {
    fn from(id: IncidentId) -> Self {
        Subject::Incident(id)
    }
}

impl From<RunId> for Subject {
    fn from(id: RunId) -> Self {
        Subject::Run(id)
    }
}

impl From<JobId> for Subject {
    fn from(id: JobId) -> Self {
        Subject::Job(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_written_as_kind_and_name() {
        let kpi = KpiName::new("checkout.revenue").unwrap();
        let id = "00000000-0000-0000-0000-000000000000";
        assert_eq!(Subject::Workspace.to_string(), "workspace");
        assert_eq!(Subject::from(kpi.clone()).to_string(), "kpi/checkout.revenue");
        assert_eq!(Subject::from(IncidentId(Uuid::nil())).to_string(), format!("incident/{id}"));
        assert_eq!(Subject::from(RunId(Uuid::nil())).to_string(), format!("run/{id}"));
        assert_eq!(Subject::from(JobId(Uuid::nil())).to_string(), format!("job/{id}"));
        assert_eq!((Subject::Workspace.kpi(), Subject::from(kpi.clone()).kpi()), (None, Some(&kpi)));
    }
}
