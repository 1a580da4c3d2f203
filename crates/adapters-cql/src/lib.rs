//! Adapters for ScyllaDB and Apache Cassandra: settings, history and snapshots over CQL.

mod account_store;
mod audit_log;
mod database;
mod failure;
mod meta_store;
mod migrate;
mod records;
mod series_store;
pub mod session;
mod settings;
mod snapshot_store;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
mod workspace_names;

use earcon_ports::PortError;

pub use account_store::CqlAccounts;
pub use audit_log::CqlAudit;
pub use database::CqlDatabase;
pub use meta_store::CqlMeta;
pub use migrate::{Migrated, migrate};
pub use series_store::{CqlSeries, SeriesSettings};
pub use settings::{Consistency, CqlSettings};
pub use snapshot_store::CqlSnapshots;

impl CqlDatabase {
    /// Connects, if the keyspace has the schema of this program.
    ///
    /// # Errors
    /// - `Unavailable` when no node answers in time, or the database refuses the credentials.
    /// - `Invalid` when a certificate cannot be used.
    /// - `Invalid` when the keyspace or its schema is missing (`earcon migrate` creates it), or
    ///   when the schema is another one.
    pub async fn open(settings: &CqlSettings) -> Result<Self, PortError> {
        let database = Self::connect(settings).await?;
        migrate::check(&database).await?;
        Ok(database)
    }
}
