//! ScyllaDB and Apache Cassandra, through CQL.

pub mod session;
#[cfg(test)]
pub(crate) mod test_server;
