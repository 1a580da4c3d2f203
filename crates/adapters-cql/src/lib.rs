//! ScyllaDB and Apache Cassandra, through CQL.

mod database;
mod failure;
mod meta_store;
mod migrate;
mod series_store;
pub mod session;
mod settings;
mod snapshot_store;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
mod workspace_names;

pub use database::CqlDatabase;
pub use meta_store::CqlMeta;
pub use migrate::{Migrated, migrate};
pub use series_store::{CqlSeries, SeriesSettings};
pub use settings::{Consistency, CqlSettings};
pub use snapshot_store::CqlSnapshots;
