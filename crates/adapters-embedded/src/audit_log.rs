//! Audit logs: numbered lines in the table of settings, in spaces that no workspace can have.
//!
//! Key: `~audit/`, organisation, zero, `seq u64` (big-endian). Value: the line.

use std::sync::{Arc, PoisonError};

use super::database::{Durability, WriteBatch, blocking, corrupt, unreadable};
use super::records::{Records, reserved};
use async_trait::async_trait;
use earcon_model::OrganisationId;
use earcon_ports::{AuditLine, AuditLog, ErrorKind, PortError};
use earcon_tenancy::AccountsPass;

pub(super) struct EmbeddedAudit {
    records: Arc<Records>,
}

impl EmbeddedAudit {
    pub(super) fn new(records: Arc<Records>) -> Self {
        Self { records }
    }
}

fn space(organisation: &OrganisationId) -> Vec<u8> {
    reserved(&format!("audit/{organisation}"))
}

fn key(space: &[u8], seq: u64) -> Vec<u8> {
    [space, &seq.to_be_bytes()].concat()
}

fn line(space: &[u8], key: &[u8], value: &[u8]) -> Result<AuditLine, PortError> {
    let seq = key.get(space.len()..).and_then(|seq| seq.try_into().ok()).map(u64::from_be_bytes);
    let line = std::str::from_utf8(value).ok();
    let (Some(seq), Some(line)) = (seq, line) else { return Err(corrupt("a line of an audit log")) };
    Ok(AuditLine { seq, line: line.to_owned() })
}

fn last(records: &Records, space: &[u8]) -> Result<Option<AuditLine>, PortError> {
    let entry = records.database.snapshot()?.prefix(records.database.meta, space).next_back();
    let Some(entry) = entry else { return Ok(None) };
    let (key, value) = entry.into_inner().map_err(unreadable)?;
    line(space, &key, &value).map(Some)
}

#[async_trait]
impl AuditLog for EmbeddedAudit {
    async fn append(
        &self,
        _: &AccountsPass,
        organisation: &OrganisationId,
        seq: u64,
        line: &str,
    ) -> Result<(), PortError> {
        let (records, space, line) = (self.records.clone(), space(organisation), line.to_owned());
        blocking(move || {
            let _writing = records.writing.lock().unwrap_or_else(PoisonError::into_inner);
            let next = last(&records, &space)?.map_or(0, |last| last.seq) + 1;
            if seq == 0 || seq > next {
                let text = format!("the next line of the audit log is {next}, not {seq}");
                return Err(PortError::new(ErrorKind::Invalid, text));
            }
            if seq < next {
                return Err(PortError::new(ErrorKind::Conflict, format!("the audit log has a line {seq} already")));
            }
            let mut batch = WriteBatch::default();
            batch.insert(records.database.meta, key(&space, seq), line.into_bytes());
            records.database.commit(batch, Durability::Synced)
        })
        .await
    }

    async fn read(
        &self,
        _: &AccountsPass,
        organisation: &OrganisationId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<AuditLine>, PortError> {
        let (records, space) = (self.records.clone(), space(organisation));
        blocking(move || {
            let mut lines: Vec<AuditLine> = Vec::new();
            let from = from.max(1);
            let mut entries = records.database.snapshot()?.range(records.database.meta, key(&space, from)..);
            while lines.len() < limit
                && let Some(entry) = entries.next()
            {
                let (key, value) = entry.into_inner().map_err(unreadable)?;
                if !key.starts_with(&space) {
                    break;
                }
                let found = line(&space, &key, &value)?;
                if found.seq != from + lines.len() as u64 {
                    return Err(corrupt("an audit log, which lacks a line"));
                }
                lines.push(found);
            }
            Ok(lines)
        })
        .await
    }

    async fn last(&self, _: &AccountsPass, organisation: &OrganisationId) -> Result<Option<AuditLine>, PortError> {
        let (records, space) = (self.records.clone(), space(organisation));
        blocking(move || last(&records, &space)).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Scratch;
    use super::*;
    use earcon_contract as contract;
    use earcon_tenancy::Authorizer;

    #[tokio::test]
    async fn keeps_the_contract() {
        let scratch = Scratch::new();
        let store = scratch.open();
        contract::audit_log(|| store.audit_log()).await;
    }

    #[tokio::test]
    async fn lines_survive_a_restart_and_a_missing_one_is_reported() {
        let (scratch, pass) = (Scratch::new(), Authorizer::new().accounts());
        let acme = OrganisationId::new("acme").unwrap();
        {
            let log = scratch.open().audit_log();
            for seq in 1..=3 {
                log.append(&pass, &acme, seq, &format!("line {seq}")).await.unwrap();
            }
        }
        let store = scratch.open();
        let log = store.audit_log();
        assert_eq!(log.last(&pass, &acme).await.unwrap().unwrap().line, "line 3");
        assert!(store.meta_store().workspaces().await.unwrap().is_empty());
        let mut batch = WriteBatch::default();
        batch.remove(store.database.meta, key(&space(&acme), 2));
        store.database.commit(batch, Durability::Synced).unwrap();
        assert_eq!(log.read(&pass, &acme, 1, 10).await.unwrap_err().kind, ErrorKind::Corrupt);
        assert_eq!(log.read(&pass, &acme, 3, 10).await.unwrap().len(), 1);
    }
}
