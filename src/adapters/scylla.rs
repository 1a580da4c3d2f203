//! ScyllaDB and Apache Cassandra, through CQL.

mod database;
mod failure;
mod migrate;
pub mod session;
#[cfg(test)]
pub(crate) mod test_server;

pub use database::ScyllaDatabase;
pub use migrate::{Migrated, migrate};
