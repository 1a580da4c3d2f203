//! ScyllaDB and Apache Cassandra, through CQL.

mod database;
mod failure;
mod meta_store;
mod migrate;
mod series_store;
pub mod session;
mod snapshot_store;
#[cfg(test)]
pub(crate) mod test_server;
#[cfg(test)]
mod tests;
mod workspace_names;

pub use database::ScyllaDatabase;
pub use meta_store::ScyllaMeta;
pub use migrate::{Migrated, migrate};
pub use series_store::{ScyllaSeries, SeriesSettings};
pub use snapshot_store::ScyllaSnapshots;
