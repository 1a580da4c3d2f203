//! One connection for all stores: statements prepared once, a bounded number of them in flight, failures that pass tried again.
//!
//! Nothing here waits longer than twice `scylla.request_timeout_seconds`: once for its turn, once for the answer.

use std::future::Future;
use std::ops::ControlFlow;
use std::time::Duration;

use scylla::client::session::Session;
use scylla::deserialize::row::DeserializeRow;
use scylla::errors::ExecutionError;
use scylla::response::query_result::QueryResult;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::bound::BoundStatement;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency, SerialConsistency};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

use super::failure::{Failure, Verdict, unreadable};
use super::{migrate, session};
use crate::{CqlSettings, settings};
use earcon_ports::{ErrorKind, PortError};

/// Tries of one statement, the first included; what the driver tries by itself on other replicas is not counted.
const ATTEMPTS: u32 = 6;
/// Before the second try; twice as long before every further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What a statement does, which decides its consistency and whether it may be sent twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Reads, at the read consistency.
    Read,
    /// Reads what conditional writes have decided, the undecided ones included.
    SerialRead,
    /// Writes, at the write consistency. Doing it twice must be the same as doing it once.
    Write,
    /// A lightweight transaction (`IF …`): never sent again by itself once it may have happened.
    Conditional,
}

/// A statement the database knows.
#[derive(Debug, Clone)]
pub(super) struct Prepared {
    statement: PreparedStatement,
    purpose: Purpose,
}

/// What became of a conditional statement.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The condition held.
    Applied,
    /// The condition did not hold; nothing changed.
    Refused,
    /// No answer: it may have been applied, now or in a moment. Whoever needs to know reads at `SerialRead`, which decides it.
    Unknown(PortError),
}

/// The database, as the stores see it.
pub struct CqlDatabase {
    session: Session,
    keyspace: String,
    read: Consistency,
    write: Consistency,
    serial: SerialConsistency,
    turns: Semaphore,
    patience: Duration,
}

impl CqlDatabase {
    /// Connects, if the keyspace has the schema that this program knows.
    ///
    /// # Errors
    /// `Unavailable` when no node answers in time or it refuses the credentials. `Invalid` when a certificate cannot be
    /// used, when the keyspace or a part of its schema is missing (`earcon migrate` makes it), or when it is newer than
    /// this program.
    pub async fn open(settings: &CqlSettings) -> Result<Self, PortError> {
        let database = Self::connect(settings).await?;
        migrate::check(&database).await?;
        Ok(database)
    }

    /// Connects without looking at the keyspace.
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
            turns: Semaphore::new(settings.concurrency),
            patience: settings.request_timeout,
        })
    }

    /// The driver's own view, for what is asked once at the start.
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Where the tables are.
    pub(super) fn keyspace(&self) -> &str {
        &self.keyspace
    }

    /// How long one statement may take.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Makes `text` known to the nodes. Its one table is named without the keyspace, keywords are in capitals.
    pub(super) async fn prepare(&self, text: &str, purpose: Purpose) -> Result<Prepared, PortError> {
        let text = qualified(text, &self.keyspace);
        let what = || format!("cannot prepare `{text}`");
        let preparing = timeout(self.patience, self.session.prepare(text.as_str())).await;
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
        // Rows come back without a description of their columns, which the statement already has.
        statement.set_use_cached_result_metadata(purpose != Purpose::Conditional);
        Ok(Prepared { statement, purpose })
    }

    /// Runs a statement whose rows, if there are any, are few.
    ///
    /// # Errors
    /// `Unavailable` for whatever may pass, after it has been tried again; `Invalid` for what makes no sense to the database.
    pub(super) async fn execute(
        &self,
        prepared: &Prepared,
        values: impl SerializeRow,
    ) -> Result<QueryResult, PortError> {
        let bound = bind(prepared, &values)?;
        let repeatable = prepared.purpose != Purpose::Conditional;
        let (session, bound) = (&self.session, &bound);
        self.persist(repeatable, prepared.text(), || session.execute_bound_unpaged(bound)).await.map_err(|(_, e)| e)
    }

    /// Runs a conditional statement.
    ///
    /// # Errors
    /// As [`Self::execute`], for a statement that certainly did not happen.
    pub(super) async fn conditionally(
        &self,
        prepared: &Prepared,
        values: impl SerializeRow,
    ) -> Result<Outcome, PortError> {
        let bound = bind(prepared, &values)?;
        let (session, bound) = (&self.session, &bound);
        match self.persist(false, prepared.text(), || session.execute_bound_unpaged(bound)).await {
            Ok(result) => {
                // Cassandra answers with other columns than ScyllaDB, but both begin with `[applied]`.
                let rows = result.into_rows_result().map_err(unreadable)?;
                let row: scylla::value::Row = rows.first_row().map_err(unreadable)?;
                match row.columns.first() {
                    Some(Some(scylla::value::CqlValue::Boolean(true))) => Ok(Outcome::Applied),
                    Some(Some(scylla::value::CqlValue::Boolean(false))) => Ok(Outcome::Refused),
                    _ => Err(PortError::new(
                        ErrorKind::Corrupt,
                        "a conditional statement does not say if it was applied",
                    )),
                }
            }
            Err((Verdict::Unknown, error)) => Ok(Outcome::Unknown(error)),
            Err((_, error)) => Err(error),
        }
    }

    /// Runs one statement for many values as one unlogged batch. All of them should be of one partition, and together
    /// below 100 KiB or so.
    pub(super) async fn batch<V>(&self, prepared: &Prepared, values: &[V]) -> Result<(), PortError>
    where
        V: SerializeRow + Sync,
    {
        let mut batch = Batch::new(BatchType::Unlogged);
        values.iter().for_each(|_| batch.append_statement(prepared.statement.clone()));
        batch.set_consistency(self.write);
        batch.set_is_idempotent(true);
        let (session, batch) = (&self.session, &batch);
        self.persist(true, prepared.text(), || session.batch(batch, values)).await.map_err(|(_, error)| error)?;
        Ok(())
    }

    /// All rows of a reading statement, as tuples of its columns. Holds them in memory; [`Self::pages`] does not.
    pub(super) async fn rows<R>(&self, prepared: &Prepared, values: impl SerializeRow) -> Result<Vec<R>, PortError>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        let mut pages = self.pages(prepared, values)?;
        let mut rows = Vec::new();
        while let Some(mut page) = pages.next().await? {
            if rows.is_empty() {
                rows = page;
            } else {
                rows.append(&mut page);
            }
        }
        Ok(rows)
    }

    /// The rows of a reading statement page by page (5,000 rows), as tuples of its columns.
    ///
    /// # Errors
    /// `Invalid` when the values do not fit the statement.
    pub(super) fn pages<R>(&self, prepared: &Prepared, values: impl SerializeRow) -> Result<Pages<'_, R>, PortError>
    where
        R: for<'f, 'm> DeserializeRow<'f, 'm>,
    {
        let bound = bind(prepared, &values)?;
        Ok(Pages { database: self, bound, next: Some(PagingState::start()), rows: std::marker::PhantomData })
    }

    /// Runs `attempt` until it works, is hopeless, or time is up.
    async fn persist<T, F>(
        &self,
        repeatable: bool,
        text: &str,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, (Verdict, PortError)>
    where
        F: Future<Output = Result<T, ExecutionError>>,
    {
        let _turn = self.turn().await.map_err(|error| (Verdict::NotDone, error))?;
        let deadline = Instant::now() + self.patience;
        let context = || format!("the database did not do `{text}`");
        let mut pause = FIRST_PAUSE;
        let mut tried = 1;
        loop {
            let error = match timeout_at(deadline, attempt()).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(error)) => error,
                Err(_) => return Err((Verdict::Unknown, self.no_answer(context()))),
            };
            let verdict = error.verdict();
            let wait = pause + jitter(pause);
            let again = tried < ATTEMPTS && verdict.worth_another_try(repeatable);
            if !again || Instant::now() + wait >= deadline {
                return Err((verdict, error.into_port_error(context())));
            }
            tracing::debug!(tried, %error, "the database is asked again");
            tokio::time::sleep(wait).await;
            pause *= 2;
            tried += 1;
        }
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, PortError> {
        let busy = || PortError::new(ErrorKind::Unavailable, "too many statements wait for the database");
        timeout(self.patience, self.turns.acquire()).await.map_err(|_| busy())?.map_err(|_| busy())
    }

    fn no_answer(&self, context: String) -> PortError {
        let seconds = self.patience.as_secs_f64();
        PortError::new(ErrorKind::Unavailable, format!("{context}: no answer within {seconds} s"))
    }
}

impl Prepared {
    /// The statement itself.
    pub(super) fn text(&self) -> &str {
        self.statement.get_statement()
    }

    /// The same, for [`CqlDatabase::pages`] of so many rows. A page is one message, of at most 256 MB.
    pub(super) fn in_pages_of(mut self, rows: i32) -> Self {
        self.statement.set_page_size(rows);
        self
    }
}

/// The pages of a result.
pub(super) struct Pages<'a, R> {
    database: &'a CqlDatabase,
    bound: BoundStatement,
    next: Option<PagingState>,
    rows: std::marker::PhantomData<fn() -> R>,
}

impl<R> Pages<'_, R>
where
    R: for<'f, 'm> DeserializeRow<'f, 'm>,
{
    /// The next page, which may be empty; `None` after the last.
    ///
    /// # Errors
    /// `Unavailable` for whatever may pass: the same page can be asked for again. `Corrupt` when a row is not an `R`.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<R>>, PortError> {
        let Some(state) = &self.next else { return Ok(None) };
        let (session, bound) = (&self.database.session, &self.bound);
        let page = || session.execute_bound_single_page(bound, state.clone());
        let text = bound.prepared().get_statement();
        let (result, after): (QueryResult, PagingStateResponse) =
            self.database.persist(true, text, page).await.map_err(|(_, error)| error)?;
        let rows = result.into_rows_result().map_err(unreadable)?;
        let rows = rows.rows::<R>().map_err(unreadable)?.collect::<Result<Vec<R>, _>>().map_err(unreadable)?;
        self.next = match after.into_paging_control_flow() {
            ControlFlow::Continue(state) => Some(state),
            ControlFlow::Break(()) => None,
        };
        Ok(Some(rows))
    }
}

fn bind(prepared: &Prepared, values: &impl SerializeRow) -> Result<BoundStatement, PortError> {
    prepared.statement.clone().bind(values).map_err(|error| {
        let context = format!("values that do not fit `{}`", prepared.text());
        PortError::caused(ErrorKind::Invalid, context, error)
    })
}

/// The statement with its table named in full. A statement that leaves the keyspace to the connection is known to the nodes
/// under another name on each keyspace, and Cassandra complains about it.
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

/// Writers that wait for more than their own data centre also decide with the others.
fn serial(write: settings::Consistency) -> SerialConsistency {
    match write {
        settings::Consistency::Quorum | settings::Consistency::All => SerialConsistency::Serial,
        _ => SerialConsistency::LocalSerial,
    }
}

/// Up to half of `pause`, so that those who failed together do not come back together.
fn jitter(pause: Duration) -> Duration {
    let random = Uuid::new_v4().as_u64_pair().1 % 1_024;
    pause.mul_f64(random as f64 / 2_048.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_named_in_full() {
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
    fn those_who_failed_together_come_back_apart() {
        let pause = Duration::from_millis(400);
        let waits: Vec<Duration> = (0..100).map(|_| jitter(pause)).collect();
        assert!(waits.iter().all(|wait| *wait <= pause / 2));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
