//! The audit logs as chains: each line names the hash of the line before it.

use std::collections::HashMap;
use std::sync::Arc;

use earcon_identity::audit::{AuditEntry, AuditRecord, Broken, Head, verify};
use earcon_model::OrganisationId;
use earcon_ports::{AuditLine, AuditLog, ErrorKind, PortError};
use earcon_tenancy::AccountsPass;
use tokio::sync::Mutex;

/// Attempts to append when other writers are faster.
const TRIES: usize = 50;
/// Lines that one read returns at most.
const PAGE: usize = 500;

/// Appends to the audit logs of all organisations, and reads them. Cheap to clone.
#[derive(Clone)]
pub struct AuditTrail {
    shared: Arc<Shared>,
}

struct Shared {
    log: Arc<dyn AuditLog>,
    pass: AccountsPass,
    /// The last known heads. Held while a line is appended: lines of this node follow each other.
    heads: Mutex<HashMap<OrganisationId, Head>>,
}

impl AuditTrail {
    /// Nothing is read yet.
    pub fn new(log: Arc<dyn AuditLog>, pass: AccountsPass) -> Self {
        Self { shared: Arc::new(Shared { log, pass, heads: Mutex::default() }) }
    }

    /// Appends what happened, durably. An entry of a change of accounts that the log has already is
    /// not appended again.
    ///
    /// # Errors
    /// Those of the log; `Corrupt` if its last line cannot be read; `Conflict` if other writers are
    /// faster each time.
    pub async fn append(&self, organisation: &OrganisationId, entry: AuditEntry) -> Result<(), PortError> {
        let mut heads = self.shared.heads.lock().await;
        for _ in 0..TRIES {
            let head = match heads.get(organisation) {
                Some(head) => *head,
                None => self.read_head(organisation).await?,
            };
            if entry.change.is_some_and(|change| change <= head.changes) {
                heads.insert(organisation.clone(), head);
                return Ok(());
            }
            let (record, next) = head.next(organisation, entry.clone());
            match self.shared.log.append(&self.shared.pass, organisation, record.seq, &record.line()).await {
                Ok(()) => {
                    heads.insert(organisation.clone(), next);
                    return Ok(());
                }
                Err(error) => {
                    // The line may have been appended, by this writer or by another one.
                    heads.remove(organisation);
                    if error.kind != ErrorKind::Conflict {
                        return Err(error);
                    }
                }
            }
        }
        Err(PortError::new(ErrorKind::Conflict, "the audit log keeps changing; try again"))
    }

    /// The head of a log, for those who keep it elsewhere.
    ///
    /// # Errors
    /// Those of the log; `Corrupt` if the last line cannot be read.
    pub async fn head(&self, organisation: &OrganisationId) -> Result<Head, PortError> {
        self.read_head(organisation).await
    }

    /// At most `limit` lines from number `from` on.
    ///
    /// # Errors
    /// Those of the log.
    pub async fn read(
        &self,
        organisation: &OrganisationId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<AuditLine>, PortError> {
        self.shared.log.read(&self.shared.pass, organisation, from, limit.min(PAGE)).await
    }

    /// Checks the whole log against its chain and against heads that were kept elsewhere, in order.
    /// Returns its head, or the place where it is broken.
    ///
    /// # Errors
    /// Those of the log.
    pub async fn verify(
        &self,
        organisation: &OrganisationId,
        anchors: &[Head],
    ) -> Result<Result<Head, Broken>, PortError> {
        let mut head = Head::empty(organisation);
        loop {
            let lines = self.read(organisation, head.seq + 1, PAGE).await?;
            let last = lines.len() < PAGE;
            let until = head.seq + lines.len() as u64;
            // Anchors behind this page are checked with their page, or with the last one.
            let due: Vec<Head> = anchors.iter().filter(|anchor| last || anchor.seq <= until).copied().collect();
            match verify(organisation, head, lines.iter().map(|line| line.line.as_str()), &due) {
                Ok(checked) => head = checked,
                Err(broken) => return Ok(Err(broken)),
            }
            if last {
                return Ok(Ok(head));
            }
        }
    }

    /// A line as a record.
    ///
    /// # Errors
    /// `Corrupt` if it is none.
    pub fn record(line: &AuditLine) -> Result<AuditRecord, PortError> {
        AuditRecord::read(&line.line).map_err(|error| PortError::caused(ErrorKind::Corrupt, "an audit log", error))
    }

    async fn read_head(&self, organisation: &OrganisationId) -> Result<Head, PortError> {
        let Some(last) = self.shared.log.last(&self.shared.pass, organisation).await? else {
            return Ok(Head::empty(organisation));
        };
        let head = Head::at(&last.line).map_err(|error| {
            PortError::caused(ErrorKind::Corrupt, format!("the audit log of {organisation}"), error)
        })?;
        if head.seq == last.seq {
            return Ok(head);
        }
        let text = format!("line {} of the audit log of {organisation} says it is line {}", last.seq, head.seq);
        Err(PortError::new(ErrorKind::Corrupt, text))
    }
}
