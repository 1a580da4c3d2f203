//! The records of incidents, and the saved state of the engine that groups anomalies into them.
//!
//! The workspace's incident actor writes them; the gateway reads them. They may be a moment behind
//! the live view, which has the incidents that are open.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::records::{Family, Page, Records};
use earcon_model::{Incident, IncidentId, Seq};
use earcon_ports::{MetaStore, PortError, Revision};
use earcon_tenancy::WorkspacePass;

/// Most records of a workspace; the oldest closed ones make room.
pub const MAX_RECORDS: usize = 1_000;
/// Most records that are read: open ones are never removed, and a former owner may still write.
const MAX_READ: usize = 2 * MAX_RECORDS;
/// The name of the one record of the engine.
const STATE: &str = "state";

/// A recorded incident.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IncidentRecord {
    /// Wall time of writing. The age counts from here, because samples may be about the distant
    /// past.
    pub at_ms: i64,
    /// The incident.
    pub incident: Incident,
}

/// The saved state of the incident engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineRecord {
    /// The epoch that wrote event `seq`.
    pub epoch: String,
    /// The last event that it includes.
    pub seq: Seq,
    /// The state, opaque here.
    pub state: Vec<u8>,
}

/// Recorded incidents of a workspace.
#[derive(Debug, Clone)]
pub struct IncidentList {
    /// In no particular order.
    pub incidents: Vec<Incident>,
    /// How many cannot be read and are left out.
    pub unreadable: usize,
}

/// The records of incidents of all workspaces. Cheap to clone.
#[derive(Clone)]
pub struct IncidentRecords {
    incidents: Records<IncidentRecord>,
    engine: Records<EngineRecord>,
}

impl IncidentRecords {
    /// The records in this store.
    pub fn new(meta: Arc<dyn MetaStore>) -> Self {
        let incidents = Records::new(meta.clone(), Family::Incident);
        Self { incidents, engine: Records::new(meta, Family::IncidentEngine) }
    }

    /// The recorded incidents of a workspace.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self, pass: &WorkspacePass) -> Result<IncidentList, PortError> {
        let page = self.all(pass).await?;
        let unreadable = page.unreadable.len();
        Ok(IncidentList { incidents: page.values().into_iter().map(|record| record.incident).collect(), unreadable })
    }

    /// One recorded incident.
    ///
    /// # Errors
    /// `Corrupt` if it cannot be read; those of the store.
    pub async fn one(&self, pass: &WorkspacePass, id: IncidentId) -> Result<Option<Incident>, PortError> {
        Ok(self.incidents.get(pass, &id.to_string()).await?.map(|stored| stored.value.incident))
    }

    /// The records as they are stored.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn all(&self, pass: &WorkspacePass) -> Result<Page<IncidentRecord>, PortError> {
        self.incidents.all(pass, MAX_READ).await
    }

    /// Writes an incident if its record has the revision `expected`.
    ///
    /// # Errors
    /// `Conflict` if the record has another revision.
    pub async fn put(
        &self,
        pass: &WorkspacePass,
        record: &IncidentRecord,
        expected: Revision,
    ) -> Result<Revision, PortError> {
        self.incidents.put(pass, &record.incident.id.to_string(), expected, record).await
    }

    /// Removes a record, by the name that a list gave it.
    ///
    /// # Errors
    /// `Conflict` if the record has another revision.
    pub async fn delete(&self, pass: &WorkspacePass, name: &str, expected: Revision) -> Result<(), PortError> {
        self.incidents.delete(pass, name, expected).await
    }

    /// The saved state of the engine. One that cannot be read is returned with its revision and no
    /// value, so that the next save replaces it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn load_engine(&self, pass: &WorkspacePass) -> Result<(Option<EngineRecord>, Revision), PortError> {
        self.engine.load(pass, STATE).await
    }

    /// Saves the state of the engine if its record has the revision `expected`.
    ///
    /// # Errors
    /// `Conflict` if the record has another revision.
    pub async fn save_engine(
        &self,
        pass: &WorkspacePass,
        record: &EngineRecord,
        expected: Revision,
    ) -> Result<Revision, PortError> {
        self.engine.put(pass, STATE, expected, record).await
    }
}
