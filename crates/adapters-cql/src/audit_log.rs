//! Audit logs: numbered lines in a table of their own, appended by lightweight transactions.
//!
//! A log has parts of a bounded number of lines, each a partition.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::database::{ConditionalResult, CqlDatabase, Prepared, Purpose};
use earcon_model::OrganisationId;
use earcon_ports::{AuditLine, AuditLog, ErrorKind, PortError};
use earcon_tenancy::AccountsPass;

/// Lines of one part.
const PART: u64 = 10_000;
/// Attempts of an append whose result is unknown.
const ATTEMPTS: usize = 4;

/// The audit logs of all organisations.
pub struct CqlAudit {
    database: Arc<CqlDatabase>,
    insert: Prepared,
    /// Reads one line at serial consistency.
    decided: Prepared,
    range: Prepared,
    newest: Prepared,
    /// Parts that are known to have lines; the last line is in one of these or in a later one.
    parts: Mutex<HashMap<OrganisationId, i64>>,
}

impl CqlAudit {
    /// Prepares the statements.
    ///
    /// # Errors
    /// `Unavailable` when the database does not answer.
    pub async fn open(database: Arc<CqlDatabase>) -> Result<Self, PortError> {
        let insert = "INSERT INTO audit (organisation, part, seq, line) VALUES (?, ?, ?, ?) IF NOT EXISTS";
        let decided = "SELECT line FROM audit WHERE organisation = ? AND part = ? AND seq = ?";
        let range = "SELECT seq, line FROM audit WHERE organisation = ? AND part = ? AND seq >= ? LIMIT ?";
        let newest = "SELECT seq, line FROM audit WHERE organisation = ? AND part = ? ORDER BY seq DESC LIMIT 1";
        Ok(Self {
            insert: database.prepare(insert, Purpose::Conditional).await?,
            decided: database.prepare(decided, Purpose::SerialRead).await?,
            range: database.prepare(range, Purpose::Read).await?,
            newest: database.prepare(newest, Purpose::SerialRead).await?,
            parts: Mutex::default(),
            database,
        })
    }

    /// The line with this number.
    async fn line(&self, organisation: &str, seq: i64) -> Result<Option<String>, PortError> {
        let values = (organisation, part(seq), seq);
        let rows: Vec<(String,)> = self.database.rows(&self.decided, values).await?;
        Ok(rows.into_iter().next().map(|(line,)| line))
    }
}

#[async_trait]
impl AuditLog for CqlAudit {
    async fn append(
        &self,
        _: &AccountsPass,
        organisation: &OrganisationId,
        seq: u64,
        line: &str,
    ) -> Result<(), PortError> {
        let of = organisation.as_str();
        let number = i64::try_from(seq).ok().filter(|seq| *seq > 0);
        let number = number.ok_or_else(|| PortError::new(ErrorKind::Invalid, "an audit log begins with line 1"))?;
        if number > 1 && self.line(of, number - 1).await?.is_none() {
            let text = format!("the audit log has no line {} for {seq} to follow", seq - 1);
            return Err(PortError::new(ErrorKind::Invalid, text));
        }
        let mut silence = None;
        for _ in 0..ATTEMPTS {
            match self.database.conditionally(&self.insert, (of, part(number), number, line)).await? {
                ConditionalResult::Applied => return Ok(()),
                ConditionalResult::NotApplied => {}
                ConditionalResult::Unknown(error) => silence = Some(error),
            }
            // A line names the hash of the line before it and its own time and actor. A line that
            // is equal to the last byte is this one, whose answer was lost.
            match self.line(of, number).await? {
                Some(found) if silence.is_some() && found == line => return Ok(()),
                Some(_) => {
                    return Err(PortError::new(ErrorKind::Conflict, format!("the audit log has a line {seq} already")));
                }
                None => {}
            }
        }
        Err(silence.unwrap_or_else(|| PortError::new(ErrorKind::Unavailable, "the audit log does not answer")))
    }

    async fn read(
        &self,
        _: &AccountsPass,
        organisation: &OrganisationId,
        from: u64,
        limit: usize,
    ) -> Result<Vec<AuditLine>, PortError> {
        let Ok(mut next) = i64::try_from(from.max(1)) else { return Ok(Vec::new()) };
        let mut lines: Vec<AuditLine> = Vec::new();
        while lines.len() < limit {
            let most = i32::try_from(limit - lines.len()).unwrap_or(i32::MAX);
            let values = (organisation.as_str(), part(next), next, most);
            let rows: Vec<(i64, String)> = self.database.rows(&self.range, values).await?;
            let whole_part = part(next);
            for (seq, line) in rows {
                if seq != next {
                    let text = format!("the audit log of {organisation} lacks line {next}");
                    return Err(PortError::new(ErrorKind::Corrupt, text));
                }
                lines.push(AuditLine { seq: seq.unsigned_abs(), line });
                let Some(following) = next.checked_add(1) else { return Ok(lines) };
                next = following;
            }
            // A part that does not end the log is full.
            if part(next) == whole_part {
                break;
            }
        }
        Ok(lines)
    }

    async fn last(&self, _: &AccountsPass, organisation: &OrganisationId) -> Result<Option<AuditLine>, PortError> {
        let known = self.parts.lock().unwrap_or_else(PoisonError::into_inner).get(organisation).copied();
        let (mut at, mut last) = (known.unwrap_or(0), None);
        loop {
            let values = (organisation.as_str(), at);
            let rows: Vec<(i64, String)> = self.database.rows(&self.newest, values).await?;
            let Some((seq, line)) = rows.into_iter().next() else { break };
            last = Some(AuditLine { seq: seq.unsigned_abs(), line });
            self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(organisation.clone(), at);
            at += 1;
        }
        Ok(last)
    }
}

/// The part of a line.
fn part(seq: i64) -> i64 {
    (seq - 1) / PART as i64
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Proxy, migrated, open};
    use super::*;
    use crate::CqlSettings;
    use earcon_contract as contract;
    use earcon_tenancy::Authorizer;

    fn fresh() -> OrganisationId {
        OrganisationId::new(&format!("t{}", &uuid::Uuid::new_v4().simple().to_string()[..20])).unwrap()
    }

    #[tokio::test]
    #[ignore = "needs Cassandra"]
    async fn keeps_the_contract() {
        let log = Arc::new(CqlAudit::open(open().await).await.unwrap());
        contract::audit_log(|| log.clone()).await;
    }

    #[tokio::test]
    #[ignore = "needs Cassandra"]
    async fn append_without_an_answer_is_made_once() {
        let settings = migrated().await;
        let proxy = Proxy::before(settings.nodes[0].clone()).await;
        let settings = CqlSettings { nodes: vec![proxy.address.clone()], ..settings };
        let log = CqlAudit::open(Arc::new(CqlDatabase::open(&settings).await.unwrap())).await.unwrap();
        let (pass, of) = (Authorizer::new().accounts(), fresh());
        log.append(&pass, &of, 1, "one").await.unwrap();
        proxy.lose_answers();
        let (appended, ()) = tokio::join!(log.append(&pass, &of, 2, "two"), proxy.after_a_loss());
        appended.unwrap();
        let lines = log.read(&pass, &of, 1, 10).await.unwrap();
        assert_eq!(lines.iter().map(|line| line.line.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    }

    #[tokio::test]
    #[ignore = "needs Cassandra"]
    async fn log_goes_on_over_its_parts() {
        let log = CqlAudit::open(open().await).await.unwrap();
        let (pass, of) = (Authorizer::new().accounts(), fresh());
        // As if the lines before had been appended.
        for seq in [1, 2, 3, PART as i64 - 1, PART as i64] {
            log.database.conditionally(&log.insert, (of.as_str(), part(seq), seq, "line")).await.unwrap();
        }
        log.append(&pass, &of, PART + 1, "next part").await.unwrap();
        assert_eq!(log.last(&pass, &of).await.unwrap().unwrap().line, "next part");
        let lines = log.read(&pass, &of, PART - 1, 10).await.unwrap();
        assert_eq!(lines.iter().map(|line| line.seq).collect::<Vec<_>>(), [PART - 1, PART, PART + 1]);
        assert_eq!(log.read(&pass, &of, 1, 10).await.unwrap_err().kind, ErrorKind::Corrupt, "lines are missing");
    }

    #[test]
    fn parts_have_a_bounded_number_of_lines() {
        assert_eq!([1, PART as i64, PART as i64 + 1].map(part), [0, 0, 1]);
    }
}
