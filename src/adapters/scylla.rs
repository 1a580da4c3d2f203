//! ScyllaDB and Apache Cassandra, through CQL.

mod database;
mod failure;
mod migrate;
mod series_store;
pub mod session;
#[cfg(test)]
pub(crate) mod test_server;

pub use database::ScyllaDatabase;
pub use migrate::{Migrated, migrate};
pub use series_store::{ScyllaSeries, SeriesSettings};
