//! NATS: the connection that everything else here shares, the log on JetStream, and the cluster's table in a bucket.

pub mod connection;
pub mod event_log;
mod failure;
mod ordered;
mod publish;
pub mod registry;
#[cfg(test)]
pub(crate) mod test_server;
