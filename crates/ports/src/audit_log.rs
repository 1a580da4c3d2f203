//! The audit logs of organisations: numbered lines that are only appended.

use async_trait::async_trait;

use crate::error::PortError;
use earcon_model::OrganisationId;
use earcon_tenancy::AccountsPass;

/// A line and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// The place in the log, from 1.
    pub seq: u64,
    /// Opaque to the store. The caller makes it name the line before it.
    pub line: String,
}

/// A log for each organisation. Nothing changes or removes a line.
#[async_trait]
pub trait AuditLog: Send + Sync + 'static {
    /// Appends a line as number `seq`, which follows the last one. Durable when it returns.
    ///
    /// # Errors
    /// `Conflict` when another line has the number. `Invalid` for the number 0, or one that does
    /// not follow the last line as far as the store knows.
    async fn append(
        &self,
        pass: &AccountsPass,
        organisation: &OrganisationId,
        seq: u64,
        line: &str,
    ) -> Result<(), PortError>;
    /// At most `limit` lines from number `from` on, in order, without a gap.
    ///
    /// # Errors
    /// `Corrupt` when a line is missing before a later one.
    async fn read(
        &self,
        pass: &AccountsPass,
        organisation: &OrganisationId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<AuditLine>, PortError>;
    /// The last line. `None` for an empty log.
    async fn last(&self, pass: &AccountsPass, organisation: &OrganisationId) -> Result<Option<AuditLine>, PortError>;
}
