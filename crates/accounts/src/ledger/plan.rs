//! Changes that are planned and not committed yet.

use std::collections::BTreeMap;

use earcon_identity::AccountsView;
use earcon_identity::audit::AuditEntry;
use earcon_identity::record::{Record, RecordKey};
use earcon_identity::view::LimitReached;
use earcon_model::OrganisationId;

/// The writes of a change, and its answer.
pub(crate) struct Plan<T> {
    /// The answer.
    pub(crate) output: T,
    /// Records to write, and names of records to remove.
    pub(crate) writes: Vec<PlannedWrite>,
    /// Records that were changed without a version. Other nodes read them with this one.
    pub(crate) touched: Vec<RecordKey>,
    /// One line for each organisation that it concerns.
    pub(crate) audit: BTreeMap<OrganisationId, AuditEntry>,
}

/// One record of a change.
pub(crate) enum PlannedWrite {
    Put(Record),
    Remove(RecordKey),
}

impl<T> Plan<T> {
    /// A change that writes nothing.
    pub(crate) fn nothing(output: T) -> Self {
        Self { output, writes: Vec::new(), touched: Vec::new(), audit: BTreeMap::new() }
    }

    /// The same with a record.
    pub(crate) fn put(mut self, record: Record) -> Self {
        self.writes.push(PlannedWrite::Put(record));
        self
    }

    /// The same without a record.
    pub(crate) fn remove(mut self, key: RecordKey) -> Self {
        self.writes.push(PlannedWrite::Remove(key));
        self
    }

    /// Checks the limits for records that are added. One that takes the place of a removed record
    /// of its kind needs no more room.
    pub(super) fn check_room(&self, view: &AccountsView) -> Result<(), LimitReached> {
        let kind = |key: &RecordKey| std::mem::discriminant(key);
        let removed = |write: &&PlannedWrite, of| matches!(write, PlannedWrite::Remove(key) if kind(key) == of);
        for write in &self.writes {
            if let PlannedWrite::Put(record) = write
                && !self.writes.iter().any(|write| removed(&write, kind(&record.key())))
            {
                view.room_for(record)?;
            }
        }
        Ok(())
    }

    /// The same, and other nodes read a record again.
    pub(crate) fn touched(mut self, key: RecordKey) -> Self {
        self.touched.push(key);
        self
    }

    /// The same with a line in the log of an organisation.
    pub(crate) fn note(mut self, organisation: OrganisationId, entry: AuditEntry) -> Self {
        self.audit.insert(organisation, entry);
        self
    }
}
