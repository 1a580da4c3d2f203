//! The schema: numbered migrations from `config/cql/`, each applied once by the first program that
//! runs them.
//!
//! `schema_version` records the applied migrations with their checksums. One of its rows is the
//! lock: it is inserted conditionally and expires if its holder dies. Every statement says `IF NOT
//! EXISTS`, so an interrupted migration can be repeated.

mod lock;
mod statements;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use scylla::policies::load_balancing::{NodeIdentifier, SingleTargetLoadBalancingPolicy};
use scylla::statement::unprepared::Statement;
use tokio::time::{Instant, sleep};

use self::lock::Lock;
use self::statements::{checksum, statements};
use crate::database::{CqlDatabase, Purpose};
use crate::failure::Failure;
use crate::settings::CqlSettings;
use earcon_ports::{ErrorKind, PortError};

/// One file of `config/cql/`. Its position in the list, from 1, is its version.
struct Migration<'a> {
    name: &'a str,
    text: &'a str,
}

const MIGRATIONS: &[Migration<'static>] =
    &[Migration { name: "0001_schema", text: include_str!("../../../config/cql/0001_schema.cql") }];

/// Shortest timeout of a statement that changes the schema. It takes longer than a read on a large
/// cluster.
const PATIENCE: Duration = Duration::from_secs(60);
/// The partition of `schema_version` with the applied migrations.
const APPLIED: &str = "applied";

/// The result of [`migrate`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// Version before the run. 0 means an empty or missing keyspace.
    pub from: u32,
    /// Version after the run.
    pub to: u32,
    /// Names of the migrations that were applied, in order.
    pub applied: Vec<String>,
}

/// Migrates the keyspace to the schema of this program, and creates it if it is missing. May run on
/// many nodes at once: one works, the others wait for it.
///
/// # Errors
/// - `Invalid` when the keyspace has a newer or another schema than this program.
/// - `Invalid` when the database does not accept a statement.
/// - `Unavailable` when no node answers, or another run does not finish.
pub async fn migrate(settings: &CqlSettings) -> Result<Migrated, PortError> {
    run(settings, MIGRATIONS).await
}

async fn run(settings: &CqlSettings, migrations: &[Migration<'_>]) -> Result<Migrated, PortError> {
    let database = CqlDatabase::connect(settings).await?;
    make_keyspace(&database, &settings.replication).await?;
    let lock = Lock::acquire(&database).await?;
    let migrated = apply(&database, migrations, &lock).await;
    // Applied migrations stay applied. A lock that cannot be released expires.
    if let Err(error) = lock.release().await {
        tracing::warn!(%error, "the lock of the migration could not be given back");
    }
    migrated
}

/// Creates the keyspace and the table of versions, and selects the keyspace.
async fn make_keyspace(database: &CqlDatabase, replication: &str) -> Result<(), PortError> {
    let keyspace = database.keyspace();
    if !keyspace_exists(database).await? {
        let text = format!("CREATE KEYSPACE IF NOT EXISTS \"{keyspace}\" WITH replication = {replication}");
        change_schema(database, &text).await?;
    }
    // Another program may have created the keyspace a moment ago, and this node may not know it
    // yet.
    let deadline = Instant::now() + database.request_timeout();
    while let Err(error) = use_keyspace(database).await {
        if Instant::now() > deadline {
            return Err(error);
        }
        sleep(Duration::from_millis(100)).await;
    }
    // Also sent if the table exists: the answer arrives once the node knows the table.
    let text = "CREATE TABLE IF NOT EXISTS schema_version (id text, version int, name text, checksum text, \
                applied_at timestamp, PRIMARY KEY (id, version))";
    change_schema(database, text).await
}

async fn apply(database: &CqlDatabase, migrations: &[Migration<'_>], lock: &Lock<'_>) -> Result<Migrated, PortError> {
    let applied = applied(database).await?;
    let from = version(&applied);
    refuse_other_schema(database, &applied, migrations)?;
    refuse_newer(database, from, migrations.len())?;
    let record = "INSERT INTO schema_version (id, version, name, checksum, applied_at) \
                  VALUES (?, ?, ?, ?, toTimestamp(now())) IF NOT EXISTS";
    let record = database.prepare(record, Purpose::Conditional).await?;
    let mut migrated = Migrated { from, to: from, applied: Vec::new() };
    for (version, migration) in (1..).zip(migrations) {
        let statements = statements(migration.text);
        let sum = checksum(&statements);
        if applied.contains_key(&version) {
            continue;
        }
        for statement in &statements {
            lock.renew().await?;
            change_schema(database, statement).await?;
        }
        // If the answer is lost, a second run finds either the record or nothing to do.
        database.conditionally(&record, (APPLIED, version as i32, migration.name, &sum)).await?;
        migrated.to = version;
        migrated.applied.push(migration.name.to_owned());
    }
    Ok(migrated)
}

/// Checks that the keyspace exists and has the schema of this program.
pub(super) async fn check(database: &CqlDatabase) -> Result<(), PortError> {
    let keyspace = database.keyspace();
    let missing =
        |what: &str| PortError::new(ErrorKind::Invalid, format!("{what}; run `earcon migrate` to bring it up to date"));
    if !keyspace_exists(database).await? {
        return Err(missing(&format!("the database has no keyspace {keyspace}")));
    }
    if !table_exists(database).await? {
        return Err(missing(&format!("the keyspace {keyspace} is empty")));
    }
    let applied = applied(database).await?;
    let found = version(&applied);
    refuse_other_schema(database, &applied, MIGRATIONS)?;
    refuse_newer(database, found, MIGRATIONS.len())?;
    if (found as usize) < MIGRATIONS.len() {
        let known = MIGRATIONS.len();
        return Err(missing(&format!(
            "the keyspace {keyspace} has schema version {found}, this program needs {known}"
        )));
    }
    Ok(())
}

fn refuse_newer(database: &CqlDatabase, found: u32, known: usize) -> Result<(), PortError> {
    if found as usize <= known {
        return Ok(());
    }
    let keyspace = database.keyspace();
    let text = format!(
        "the keyspace {keyspace} has schema version {found}, which is newer than this program (it knows {known}); \
         use the version of earcon that migrated it, or a later one"
    );
    Err(PortError::new(ErrorKind::Invalid, text))
}

/// Refuses a keyspace whose applied migrations are not those of this program.
fn refuse_other_schema(
    database: &CqlDatabase,
    applied: &Applied,
    migrations: &[Migration<'_>],
) -> Result<(), PortError> {
    for (version, migration) in (1..).zip(migrations) {
        let sum = checksum(&statements(migration.text));
        let Some((name, found)) = applied.get(&version).filter(|(_, found)| *found != sum) else { continue };
        let keyspace = database.keyspace();
        let text = format!(
            "the keyspace {keyspace} has another schema: its version {version} is {name} with checksum {found}, and this \
             program has {} with checksum {sum}; use the version of earcon that made it, or name an empty keyspace in \
             cql.keyspace",
            migration.name
        );
        return Err(PortError::new(ErrorKind::Invalid, text));
    }
    Ok(())
}

/// Name and checksum of the applied migrations by version.
type Applied = BTreeMap<u32, (String, String)>;

async fn applied(database: &CqlDatabase) -> Result<Applied, PortError> {
    let text = "SELECT version, name, checksum FROM schema_version WHERE id = ?";
    let select = database.prepare(text, Purpose::SerialRead).await?;
    let rows: Vec<(i32, String, String)> = database.rows(&select, (APPLIED,)).await?;
    Ok(rows.into_iter().map(|(version, name, sum)| (version.unsigned_abs(), (name, sum))).collect())
}

fn version(applied: &Applied) -> u32 {
    applied.last_key_value().map_or(0, |(version, _)| *version)
}

async fn keyspace_exists(database: &CqlDatabase) -> Result<bool, PortError> {
    let text = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
    let select = database.prepare(text, Purpose::Read).await?;
    Ok(!database.rows::<(String,)>(&select, (database.keyspace(),)).await?.is_empty())
}

async fn table_exists(database: &CqlDatabase) -> Result<bool, PortError> {
    let text = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = 'schema_version'";
    let select = database.prepare(text, Purpose::Read).await?;
    Ok(!database.rows::<(String,)>(&select, (database.keyspace(),)).await?.is_empty())
}

/// Selects the keyspace for the statements of migrations, which do not name one.
async fn use_keyspace(database: &CqlDatabase) -> Result<(), PortError> {
    let keyspace = database.keyspace();
    let using = database.session().use_keyspace(keyspace, true).await;
    using.map_err(|error| error.into_port_error(format!("cannot use the keyspace {keyspace}")))
}

/// Runs a statement that changes the schema, and returns when all nodes know the change. All
/// programs send it to the same node: Cassandra serialises two equal changes only if one node
/// receives both.
async fn change_schema(database: &CqlDatabase, text: &str) -> Result<(), PortError> {
    let mut statement = Statement::new(text);
    let state = database.session().get_cluster_state();
    let connected = state.get_nodes_info().iter().filter(|node| node.is_connected());
    if let Some(node) = connected.min_by_key(|node| node.host_id) {
        let target = NodeIdentifier::Node(Arc::clone(node));
        statement.set_load_balancing_policy(Some(SingleTargetLoadBalancingPolicy::new(target, None)));
    }
    statement.set_is_idempotent(true);
    statement.set_request_timeout(Some(PATIENCE.max(database.request_timeout())));
    tracing::debug!(text, "changes the schema");
    let context = || format!("the database did not run `{text}`");
    database.session().query_unpaged(statement, ()).await.map_err(|error| error.into_port_error(context()))?;
    // The driver waits only if this statement changed something. A change by another program may
    // still be spreading.
    let agreed = database.session().await_schema_agreement().await;
    agreed.map(|_| ()).map_err(|error| PortError::caused(ErrorKind::Unavailable, context(), error))
}

/// A name for the schema of this program. It changes with the migrations.
#[cfg(test)]
pub(super) fn fingerprint() -> String {
    checksum(&MIGRATIONS.iter().flat_map(|migration| statements(migration.text)).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
