//! One connection for all stores. Statements are prepared once, a bounded number is in flight, and
//! transient failures are retried.
//!
//! No call waits longer than twice `cql.request_timeout_seconds`: once for a permit, once for the
//! answer.

pub(super) mod pages;

use std::future::Future;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::errors::ExecutionError;
use scylla::response::query_result::QueryResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::bound::BoundStatement;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

use crate::failure::{Failure, FailureKind, unreadable};
use crate::session;
use crate::settings::{self, CqlSettings};
use earcon_ports::{ErrorKind, PortError};

/// Attempts of one statement, including the first. The driver's own attempts on other replicas are
/// not counted.
const ATTEMPTS: u32 = 6;
/// Pause before the second attempt. It doubles before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The kind of a statement. It decides the consistency, and whether the statement may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A read at the read consistency.
    Read,
    /// A read at serial consistency. It also completes undecided conditional writes.
    SerialRead,
    /// A write at the write consistency. It must be idempotent.
    Write,
    /// A lightweight transaction (`IF …`). It is never repeated once it may have been applied.
    Conditional,
}

/// A prepared statement.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    statement: PreparedStatement,
    purpose: Purpose,
}

/// The result of a conditional statement.
#[derive(Debug)]
pub(super) enum ConditionalResult {
    /// The condition held.
    Applied,
    /// The condition did not hold. Nothing changed.
    NotApplied,
    /// No answer. It may have been applied, or may be in a moment. A read at `SerialRead` decides
    /// it.
    Unknown(PortError),
}

/// The database connection that the stores share.
pub struct CqlDatabase {
    session: Session,
    keyspace: String,
    read: Consistency,
    write: Consistency,
    serial: SerialConsistency,
    permits: Semaphore,
    request_timeout: Duration,
}

impl CqlDatabase {
    /// Connects without checking the keyspace.
    pub(super) async fn connect(settings: &CqlSettings) -> Result<Self, PortError> {
        let nodes = settings.nodes.join(", ");
        let connecting = timeout(settings.request_timeout, session::connect(settings));
        let session = connecting.await.unwrap_or_else(|_| {
            let seconds = settings.request_timeout.as_secs_f64();
            let text = format!("no answer from the database at {nodes} within {seconds} s");
            Err(PortError::new(ErrorKind::Unavailable, text))
        })?;
        Ok(Self {
            session,
            keyspace: settings.keyspace.clone(),
            read: session::consistency(settings.read_consistency),
            write: session::consistency(settings.write_consistency),
            serial: serial(settings.write_consistency),
            permits: Semaphore::new(settings.concurrency),
            request_timeout: settings.request_timeout,
        })
    }

    /// The driver's session, for queries at the start.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// The keyspace of the tables.
    pub(super) fn keyspace(&self) -> &str {
        &self.keyspace
    }

    /// Longest time of one statement.
    pub(super) fn request_timeout(&self) -> Duration {
        self.request_timeout
    }

    /// Prepares `text`. Its one table is named without the keyspace, and keywords are in capitals.
    pub(super) async fn prepare(&self, text: &str, purpose: Purpose) -> Result<Prepared, PortError> {
        let text = qualified(text, &self.keyspace);
        let what = || format!("cannot prepare `{text}`");
        let preparing = timeout(self.request_timeout, self.session.prepare(text.as_str())).await;
        let mut statement =
            preparing.map_err(|_| self.no_answer(what()))?.map_err(|error| error.into_port_error(what()))?;
        statement.set_consistency(match purpose {
            Purpose::Read => self.read,
            Purpose::SerialRead if self.serial == SerialConsistency::Serial => Consistency::Serial,
            Purpose::SerialRead => Consistency::LocalSerial,
            Purpose::Write | Purpose::Conditional => self.write,
        });
        statement.set_serial_consistency(Some(self.serial));
        statement.set_is_idempotent(purpose != Purpose::Conditional);
        // Rows come without a description of their columns; the prepared statement has it.
        statement.set_use_cached_result_metadata(purpose != Purpose::Conditional);
        Ok(Prepared { statement, purpose })
    }

    /// Runs a statement that returns few rows or none.
    ///
    /// # Errors
    /// `Unavailable` for a transient failure that remains after all attempts. `Invalid` when the
    /// database refuses the statement.
    pub(super) async fn execute(
        &self,
        prepared: &Prepared,
        values: impl SerializeRow,
    ) -> Result<QueryResult, PortError> {
        let bound = bind(prepared, &values)?;
        let repeatable = prepared.purpose != Purpose::Conditional;
        let (session, bound) = (&self.session, &bound);
        self.run_with_retries(repeatable, prepared.text(), || session.execute_bound_unpaged(bound))
            .await
            .map_err(|(_, e)| e)
    }

    /// Runs a conditional statement.
    ///
    /// # Errors
    /// As [`Self::execute`], for a statement that was certainly not applied.
    pub(super) async fn conditionally(
        &self,
        prepared: &Prepared,
        values: impl SerializeRow,
    ) -> Result<ConditionalResult, PortError> {
        let bound = bind(prepared, &values)?;
        let (session, bound) = (&self.session, &bound);
        match self.run_with_retries(false, prepared.text(), || session.execute_bound_unpaged(bound)).await {
            Ok(result) => {
                // Cassandra returns other columns than ScyllaDB, but both begin with `[applied]`.
                let rows = result.into_rows_result().map_err(unreadable)?;
                let row: scylla::value::Row = rows.first_row().map_err(unreadable)?;
                match row.columns.first() {
                    Some(Some(scylla::value::CqlValue::Boolean(true))) => Ok(ConditionalResult::Applied),
                    Some(Some(scylla::value::CqlValue::Boolean(false))) => Ok(ConditionalResult::NotApplied),
                    _ => Err(PortError::new(
                        ErrorKind::Corrupt,
                        "a conditional statement does not say if it was applied",
                    )),
                }
            }
            Err((FailureKind::Unknown, error)) => Ok(ConditionalResult::Unknown(error)),
            Err((_, error)) => Err(error),
        }
    }

    /// Runs one statement for many values, as one unlogged batch. The values should share a
    /// partition and take less than about 100 KiB together.
    pub(super) async fn batch<V>(&self, prepared: &Prepared, values: &[V]) -> Result<(), PortError>
    where
        V: SerializeRow + Sync,
    {
        let mut batch = Batch::new(BatchType::Unlogged);
        values.iter().for_each(|_| batch.append_statement(prepared.statement.clone()));
        batch.set_consistency(self.write);
        batch.set_is_idempotent(true);
        let (session, batch) = (&self.session, &batch);
        self.run_with_retries(true, prepared.text(), || session.batch(batch, values))
            .await
            .map_err(|(_, error)| error)?;
        Ok(())
    }

    /// Runs `attempt` until it succeeds, fails permanently, or time is up.
    async fn run_with_retries<T, F>(
        &self,
        repeatable: bool,
        text: &str,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, (FailureKind, PortError)>
    where
        F: Future<Output = Result<T, ExecutionError>>,
    {
        let _permit = self.permit().await.map_err(|error| (FailureKind::NotDone, error))?;
        let deadline = Instant::now() + self.request_timeout;
        let context = || format!("the database did not run `{text}`");
        let mut pause = FIRST_PAUSE;
        let mut tried = 1;
        loop {
            let error = match timeout_at(deadline, attempt()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => error,
                Err(_) => return Err((FailureKind::Unknown, self.no_answer(context()))),
            };
            let kind = error.failure_kind();
            let wait = pause + jitter(pause);
            let again = tried < ATTEMPTS && kind.is_retryable(repeatable);
            if !again || Instant::now() + wait >= deadline {
                return Err((kind, error.into_port_error(context())));
            }
            tracing::debug!(tried, %error, "the database is asked again");
            tokio::time::sleep(wait).await;
            pause *= 2;
            tried += 1;
        }
    }

    async fn permit(&self) -> Result<SemaphorePermit<'_>, PortError> {
        let busy = || PortError::new(ErrorKind::Unavailable, "too many statements wait for the database");
        timeout(self.request_timeout, self.permits.acquire()).await.map_err(|_| busy())?.map_err(|_| busy())
    }

    fn no_answer(&self, context: String) -> PortError {
        let seconds = self.request_timeout.as_secs_f64();
        PortError::new(ErrorKind::Unavailable, format!("{context}: no answer within {seconds} s"))
    }
}

impl Prepared {
    /// The text of the statement.
    pub(super) fn text(&self) -> &str {
        self.statement.get_statement()
    }

    /// The same statement with this page size, for [`CqlDatabase::pages`]. A page is one message,
    /// of at most 256 MB.
    pub(super) fn in_pages_of(mut self, rows: i32) -> Self {
        self.statement.set_page_size(rows);
        self
    }
}

fn bind(prepared: &Prepared, values: &impl SerializeRow) -> Result<BoundStatement, PortError> {
    prepared.statement.clone().bind(values).map_err(|error| {
        let context = format!("values that do not fit `{}`", prepared.text());
        PortError::caused(ErrorKind::Invalid, context, error)
    })
}

/// Qualifies the table of a statement with the keyspace.
///
/// A statement that takes the keyspace from the connection has another identifier for each
/// keyspace, and Cassandra warns about it.
fn qualified(text: &str, keyspace: &str) -> String {
    let tables = ["FROM ", "INTO ", "UPDATE "].iter().filter_map(|word| Some(text.find(word)? + word.len()));
    let Some(table) = tables.min() else { return text.to_owned() };
    let name =
        text[table..].split(|c: char| !c.is_ascii_alphanumeric() && !"_.\"".contains(c)).next().unwrap_or_default();
    if name.contains('.') {
        return text.to_owned();
    }
    format!("{}\"{keyspace}\".{}", &text[..table], &text[table..])
}

/// Global serial consistency if writes wait for more than the local data centre, else local.
fn serial(write: settings::Consistency) -> SerialConsistency {
    match write {
        settings::Consistency::Quorum | settings::Consistency::All => SerialConsistency::Serial,
        _ => SerialConsistency::LocalSerial,
    }
}

/// Up to half of `pause`, so that simultaneous failures do not retry at the same time.
fn jitter(pause: Duration) -> Duration {
    let random = Uuid::new_v4().as_u64_pair().1 % 1_024;
    pause.mul_f64(random as f64 / 2_048.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_qualified_with_the_keyspace() {
        for (text, full) in [
            ("SELECT a FROM t WHERE b = ?", "SELECT a FROM \"ks\".t WHERE b = ?"),
            ("INSERT INTO t (a) VALUES (?) IF NOT EXISTS", "INSERT INTO \"ks\".t (a) VALUES (?) IF NOT EXISTS"),
            ("UPDATE t USING TTL 5 SET a = ?", "UPDATE \"ks\".t USING TTL 5 SET a = ?"),
            ("DELETE FROM t WHERE a = ?", "DELETE FROM \"ks\".t WHERE a = ?"),
            ("SELECT a FROM system_schema.tables", "SELECT a FROM system_schema.tables"),
            ("SELECT a FROM t WHERE b = 1.5", "SELECT a FROM \"ks\".t WHERE b = 1.5"),
        ] {
            assert_eq!(qualified(text, "ks"), full);
        }
    }

    #[test]
    fn simultaneous_failures_retry_at_different_times() {
        let pause = Duration::from_millis(400);
        let waits: Vec<Duration> = (0..100).map(|_| jitter(pause)).collect();
        assert!(waits.iter().all(|wait| *wait <= pause / 2));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
